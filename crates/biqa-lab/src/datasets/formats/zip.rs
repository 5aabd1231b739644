//! The entries of a zip archive: what `.xlsx` needs, no more. Stored and deflated entries, by the
//! central directory; sums are checked. Called by `xlsx`.

use super::FormatError;
use super::bytes::{slice, u16_le, u32_le};
use super::sheet::MAX_BYTES;
use std::collections::BTreeMap;
use std::io::Read as _;

const END: &[u8] = b"PK\x05\x06";
const CENTRAL: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// The end record without its comment, and the longest comment.
const END_BYTES: usize = 22;
const MAX_COMMENT: usize = 0xffff;
/// Bit 0 of an entry's flags.
const ENCRYPTED: u16 = 1;

/// An archive in memory.
pub(super) struct Archive<'a> {
    file: &'a str,
    bytes: &'a [u8],
    /// By name in lower case: writers do not agree on the case of `sharedStrings.xml`.
    entries: BTreeMap<String, Entry>,
    /// Bytes that may still be inflated.
    left: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    flags: u16,
    method: u16,
    crc: u32,
    packed: usize,
    size: usize,
    local: usize,
}

impl<'a> Archive<'a> {
    pub(super) fn open(bytes: &'a [u8], file: &'a str) -> Result<Archive<'a>, FormatError> {
        let from = bytes.len().saturating_sub(END_BYTES + MAX_COMMENT);
        let end = bytes[from..].windows(END.len()).rposition(|window| window == END);
        let Some(end) = end.map(|end| from + end) else {
            let expected = "the directory of the zip archive at its end";
            return Err(FormatError::damaged(file, "the end", expected, "none"));
        };
        let cut = || FormatError::damaged(file, "the end", "a whole zip directory", "a part of it");
        let record = slice(bytes, end, END_BYTES).ok_or_else(cut)?;
        let count = u16_le(record, 10).ok_or_else(cut)?;
        let mut at = u32_le(record, 16).ok_or_else(cut)? as usize;
        if at == u32::MAX as usize {
            let advice = "save it again as .xlsx, or as CSV";
            return Err(FormatError::not_read(
                file,
                "an archive of the large form (zip64)",
                advice,
            ));
        }
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let (name, entry, length) = central(bytes, at).ok_or_else(|| {
                let place = format!("byte {at}");
                FormatError::damaged(file, place, "an entry of the zip directory", "other bytes")
            })?;
            entries.insert(name.to_lowercase(), entry);
            at += length;
        }
        Ok(Archive { file, bytes, entries, left: MAX_BYTES })
    }

    /// An entry, inflated; `None` when there is none of that name.
    pub(super) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, FormatError> {
        let Some(entry) = self.entries.get(&name.to_lowercase()).copied() else { return Ok(None) };
        let damaged = |expected: &str, found: String| {
            FormatError::damaged(self.file, format!("entry {name}"), expected, found)
        };
        if entry.flags & ENCRYPTED != 0 {
            let advice = "save it without a password";
            return Err(FormatError::not_read(self.file, "an encrypted archive", advice));
        }
        let packed = self.packed(&entry);
        let packed = packed.ok_or_else(|| damaged("its data", "the end of the file".to_owned()))?;
        if entry.size > self.left {
            let (file, what) = (self.file.to_owned(), "the inflated bytes");
            return Err(FormatError::TooLarge { file, what, limit: MAX_BYTES });
        }
        let data = match entry.method {
            0 => packed.to_vec(),
            8 => {
                // One byte more than announced is enough to know.
                let mut data = Vec::new();
                flate2::read::DeflateDecoder::new(packed)
                    .take(entry.size as u64 + 1)
                    .read_to_end(&mut data)
                    .map_err(|error| damaged("deflated data", error.to_string()))?;
                data
            }
            other => return Err(damaged("method 0 or 8", format!("method {other}"))),
        };
        if data.len() != entry.size {
            return Err(damaged(&format!("{} bytes", entry.size), format!("{}", data.len())));
        }
        let mut crc = flate2::Crc::new();
        crc.update(&data);
        if crc.sum() != entry.crc {
            let found = format!("{:08x}", crc.sum());
            return Err(damaged(&format!("the checksum {:08x}", entry.crc), found));
        }
        self.left -= data.len();
        Ok(Some(data))
    }

    /// The stored bytes of an entry: its local head says where they begin.
    fn packed(&self, entry: &Entry) -> Option<&'a [u8]> {
        slice(self.bytes, entry.local, LOCAL.len()).filter(|mark| *mark == LOCAL)?;
        let name = usize::from(u16_le(self.bytes, entry.local + 26)?);
        let extra = usize::from(u16_le(self.bytes, entry.local + 28)?);
        slice(self.bytes, entry.local + 30 + name + extra, entry.packed)
    }
}

/// An entry of the directory: name, entry, length of the record.
fn central(bytes: &[u8], at: usize) -> Option<(String, Entry, usize)> {
    slice(bytes, at, CENTRAL.len()).filter(|mark| *mark == CENTRAL)?;
    let short = |offset| u16_le(bytes, at + offset);
    let long = |offset| u32_le(bytes, at + offset);
    let entry = Entry {
        flags: short(8)?,
        method: short(10)?,
        crc: long(16)?,
        packed: long(20)? as usize,
        size: long(24)? as usize,
        local: long(42)? as usize,
    };
    let [name, extra, comment] = [short(28)?, short(30)?, short(32)?].map(usize::from);
    let text = String::from_utf8_lossy(slice(bytes, at + 46, name)?).into_owned();
    Some((text, entry, 46 + name + extra + comment))
}
