//! OLE2 compound files: the container of `.xls` (`papers/datasets.md`, 1.4). Called by `xls`.
//!
//! A file is cut into sectors; the FAT says which sector follows which. Short streams lie in the
//! mini stream, which has sectors and a FAT of its own.

use super::FormatError;
use super::bytes::{slice, u16_le, u32_le};

/// The first bytes of every compound file.
pub(super) const MAGIC: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// A chain ends at this number or a greater one.
const CHAIN_END: u32 = 0xffff_fffa;
const HEAD: usize = 512;
const DIRECTORY_ENTRY: usize = 128;
/// FAT sectors whose numbers stand in the head.
const HEAD_FAT: usize = 109;

/// A compound file.
pub(super) struct Compound<'a> {
    file: &'a str,
    bytes: &'a [u8],
    sector: usize,
    mini_sector: usize,
    mini_limit: usize,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    first: u32,
    size: usize,
}

impl<'a> Compound<'a> {
    pub(super) fn open(bytes: &'a [u8], file: &'a str) -> Result<Compound<'a>, FormatError> {
        let cut = || FormatError::damaged(file, "its head", "512 bytes", "a part of them");
        let head = bytes.first_chunk::<HEAD>().ok_or_else(cut)?;
        let short = |at| u16_le(head, at).unwrap_or_default();
        let long = |at| u32_le(head, at).unwrap_or_default();
        let (sector, mini_sector) = (short(30), short(32));
        if !(7..=16).contains(&sector) || mini_sector > sector || mini_sector < 2 {
            let found = format!("2^{sector} and 2^{mini_sector}");
            return Err(FormatError::damaged(file, "byte 30", "sizes of sectors", found));
        }
        let mut compound = Compound {
            file,
            bytes,
            sector: 1 << sector,
            mini_sector: 1 << mini_sector,
            mini_limit: long(56) as usize,
            fat: Vec::new(),
            mini_fat: Vec::new(),
            entries: Vec::new(),
        };
        compound.fat = compound.fat_of(long(44) as usize, long(68), long(72) as usize)?;
        compound.mini_fat = words(&compound.chain(long(60))?);
        let directory = compound.chain(long(48))?;
        compound.entries =
            directory.chunks_exact(DIRECTORY_ENTRY).filter_map(Entry::parse).collect();
        Ok(compound)
    }

    /// A stream by name, without regard to case.
    pub(super) fn stream(&self, name: &str) -> Result<Option<Vec<u8>>, FormatError> {
        let Some(entry) = self.entries.iter().find(|e| e.name.eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        let mut data = if entry.size < self.mini_limit {
            // The first entry of the directory is the root, whose chain is the mini stream.
            let mini = self.chain(self.entries[0].first)?;
            self.follow(entry.first, &self.mini_fat, |i| {
                let rest = mini.get(i.checked_mul(self.mini_sector)?..)?;
                Some(&rest[..rest.len().min(self.mini_sector)])
            })?
        } else {
            self.chain(entry.first)?
        };
        if data.len() < entry.size {
            let (expected, found) = (format!("{} bytes", entry.size), format!("{}", data.len()));
            return Err(FormatError::damaged(self.file, format!("stream {name}"), expected, found));
        }
        data.truncate(entry.size);
        Ok(Some(data))
    }

    /// The FAT: the numbers of its sectors stand in the head, further ones in DIFAT sectors, whose
    /// last word leads to the next.
    fn fat_of(&self, count: usize, difat: u32, difats: usize) -> Result<Vec<u32>, FormatError> {
        let sectors = self.bytes.len() / self.sector;
        if count > sectors || difats > sectors {
            let found = format!("{count} and {difats} in a file of {sectors} sectors");
            return Err(FormatError::damaged(self.file, "byte 44", "numbers of sectors", found));
        }
        let mut numbers = words(&self.bytes[76..76 + 4 * HEAD_FAT]);
        let mut next = difat;
        for _ in 0..difats {
            let mut more = words(self.sector_bytes(next).ok_or_else(|| self.no_sector(next))?);
            next = more.pop().unwrap_or(u32::MAX);
            numbers.append(&mut more);
        }
        let mut fat = Vec::new();
        for number in numbers.into_iter().filter(|&number| number < CHAIN_END).take(count) {
            let data = self.sector_bytes(number).ok_or_else(|| self.no_sector(number))?;
            fat.extend(words(data));
        }
        Ok(fat)
    }

    /// The bytes of a chain of ordinary sectors.
    fn chain(&self, first: u32) -> Result<Vec<u8>, FormatError> {
        self.follow(first, &self.fat, |i| self.sector_bytes(u32::try_from(i).ok()?))
    }

    fn follow<'b>(
        &self,
        first: u32,
        fat: &[u32],
        sector: impl Fn(usize) -> Option<&'b [u8]>,
    ) -> Result<Vec<u8>, FormatError> {
        let mut data = Vec::new();
        let mut number = first;
        // A chain that is longer than the FAT runs in a circle.
        for _ in 0..=fat.len() {
            if number >= CHAIN_END {
                return Ok(data);
            }
            let i = number as usize;
            data.extend_from_slice(sector(i).ok_or_else(|| self.no_sector(number))?);
            number = *fat.get(i).ok_or_else(|| self.no_sector(number))?;
        }
        let expected = "a chain of sectors that ends";
        Err(FormatError::damaged(self.file, format!("sector {first}"), expected, "a circle"))
    }

    /// A sector; the last one of a file may be cut short.
    fn sector_bytes(&self, number: u32) -> Option<&'a [u8]> {
        let begin = (number as usize).checked_add(1)?.checked_mul(self.sector)?;
        let rest = self.bytes.get(begin..).filter(|rest| !rest.is_empty())?;
        Some(&rest[..rest.len().min(self.sector)])
    }

    fn no_sector(&self, number: u32) -> FormatError {
        let place = format!("sector {number}");
        FormatError::damaged(self.file, place, "data", "the end of the file")
    }
}

impl Entry {
    /// `None` for an unused entry.
    fn parse(bytes: &[u8]) -> Option<Entry> {
        let length = usize::from(u16_le(bytes, 64)?).checked_sub(2)?; // without the final zero
        let units = slice(bytes, 0, length.min(62))?.as_chunks::<2>().0;
        let units: Vec<u16> = units.iter().map(|&unit| u16::from_le_bytes(unit)).collect();
        let name = String::from_utf16_lossy(&units);
        Some(Entry { name, first: u32_le(bytes, 116)?, size: u32_le(bytes, 120)? as usize })
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word)).collect()
}
