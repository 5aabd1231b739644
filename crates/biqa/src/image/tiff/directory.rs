//! The tag directory (IFD) of a TIFF page: bounds-checked numbers by tag (TIFF 6.0, section 2).

use super::super::error::Fault;
use super::super::native::Job;
use super::FORMAT;

/// A tag whose value is bytes.
pub(super) enum Blob<'a> {
    Absent,
    /// Of another type, or beyond the end of the file.
    Broken,
    Bytes(&'a [u8]),
}

/// The first page's directory.
pub(super) struct Directory<'a> {
    bytes: &'a [u8],
    little: bool,
    /// Position of the first entry, and their number.
    first: usize,
    entries: usize,
    /// Pages of the file; `None`: a broken chain.
    pub(super) pages: Option<u32>,
}

impl<'a> Directory<'a> {
    pub(super) fn read(job: &Job<'a>) -> Result<Self, Fault> {
        let bytes = job.bytes;
        let ends = || Fault::ends_after(FORMAT, bytes.len());
        let little = bytes.starts_with(b"II");
        let mut directory = Self { bytes, little, first: 0, entries: 0, pages: None };
        let offset = directory.u32_at(4).ok_or_else(ends)? as usize;
        if offset < 8 {
            return Err(Fault::corrupt(
                FORMAT,
                format_args!("a directory inside the header, at byte {offset}"),
            ));
        }
        let entries = usize::from(directory.u16_at(offset).ok_or_else(ends)?);
        job.limits.check_chunks(FORMAT, entries as u64)?;
        if offset + 2 + 12 * entries > bytes.len() {
            return Err(ends());
        }
        (directory.first, directory.entries) = (offset + 2, entries);
        directory.pages = directory.count_pages(job, offset);
        Ok(directory)
    }

    fn u16_at(&self, at: usize) -> Option<u16> {
        let pair: [u8; 2] = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    }

    fn u32_at(&self, at: usize) -> Option<u32> {
        let four: [u8; 4] = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }

    pub(super) fn is_little(&self) -> bool {
        self.little
    }

    /// Follows the chain of directories; each must lie in the file, a circle is no answer.
    fn count_pages(&self, job: &Job, first: usize) -> Option<u32> {
        let (mut at, mut pages) = (first, 0);
        while at != 0 {
            pages += 1;
            job.limits.check_chunks(FORMAT, u64::from(pages)).ok()?;
            let entries = usize::from(self.u16_at(at)?);
            at = self.u32_at(at.checked_add(2 + 12 * entries)?)? as usize;
        }
        Some(pages)
    }

    /// Type, count, and where the value lies, of a tag.
    fn entry(&self, tag: u16) -> Option<(u16, usize, usize)> {
        let at = (0..self.entries)
            .map(|i| self.first + 12 * i)
            .find(|&at| self.u16_at(at) == Some(tag))?;
        let kind = self.u16_at(at + 2)?;
        let count = self.u32_at(at + 4)? as usize;
        let size = match kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 => 8,
            _ => return None,
        };
        let value =
            if count.checked_mul(size)? <= 4 { at + 8 } else { self.u32_at(at + 8)? as usize };
        Some((kind, count, value))
    }

    /// All numbers of a tag (BYTE, SHORT or LONG), at most `max`; empty where there is no such tag.
    pub(super) fn numbers(&self, tag: u16, max: usize) -> Result<Vec<u32>, Fault> {
        let Some((kind, count, value)) = self.entry(tag) else { return Ok(Vec::new()) };
        let count = count.min(max);
        let read = |i: usize| match kind {
            1 | 7 => self.bytes.get(value.checked_add(i)?).map(|&byte| u32::from(byte)),
            3 => self.u16_at(value.checked_add(2 * i)?).map(u32::from),
            4 | 13 => self.u32_at(value.checked_add(4 * i)?),
            _ => None,
        };
        if !matches!(kind, 1 | 3 | 4 | 7 | 13) {
            return Err(Fault::corrupt(
                FORMAT,
                format_args!("tag {tag} of type {kind}, which is no whole number"),
            ));
        }
        let numbers: Option<Vec<u32>> = (0..count).map(read).collect();
        numbers.ok_or_else(|| Fault::ends_after(FORMAT, self.bytes.len()))
    }

    pub(super) fn number(&self, tag: u16) -> Result<Option<u32>, Fault> {
        Ok(self.numbers(tag, 1)?.first().copied())
    }

    pub(super) fn number_or(&self, tag: u16, default: u32) -> Result<u32, Fault> {
        Ok(self.number(tag)?.unwrap_or(default))
    }

    /// The bytes of a tag of type BYTE or UNDEFINED.
    pub(super) fn blob(&self, tag: u16) -> Blob<'a> {
        let Some((kind, count, value)) = self.entry(tag) else { return Blob::Absent };
        let bytes = value.checked_add(count).and_then(|end| self.bytes.get(value..end));
        match bytes {
            Some(bytes) if matches!(kind, 1 | 7) => Blob::Bytes(bytes),
            _ => Blob::Broken,
        }
    }
}
