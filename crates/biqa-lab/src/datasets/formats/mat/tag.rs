//! The data elements of a level 5 file: tag, length, data, padding.

use super::super::FormatError;
use super::super::bytes::{array, slice};

/// Storage types (datasets.md 1.4).
pub(super) const INT8: u32 = 1;
pub(super) const UINT8: u32 = 2;
pub(super) const INT16: u32 = 3;
pub(super) const UINT16: u32 = 4;
pub(super) const INT32: u32 = 5;
pub(super) const UINT32: u32 = 6;
pub(super) const SINGLE: u32 = 7;
pub(super) const DOUBLE: u32 = 9;
pub(super) const INT64: u32 = 12;
pub(super) const UINT64: u32 = 13;
pub(super) const MATRIX: u32 = 14;
pub(super) const COMPRESSED: u32 = 15;
pub(super) const UTF8: u32 = 16;
pub(super) const UTF16: u32 = 17;
pub(super) const UTF32: u32 = 18;

/// Which byte of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// A stretch of bytes that is read element by element, and where it stands, for errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) file: &'a str,
    pub(super) order: Order,
    pub(super) data: &'a [u8],
    /// Where the data begin: in the file, or in the inflated variable.
    pub(super) start: usize,
    /// Where in the file the zlib stream stands that the data were inflated from.
    pub(super) inflated_at: Option<usize>,
}

/// One element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) kind: u32,
    /// Its data as a block of its own.
    pub(super) block: Block<'a>,
    /// Where the next element of the parent begins.
    pub(super) next: usize,
}

impl<'a> Block<'a> {
    /// The element at `at`, counted from the start of the block.
    pub(super) fn element(&self, at: usize) -> Result<Element<'a>, FormatError> {
        let word = self.u32(at)?;
        let (kind, length, begin) = match word >> 16 {
            0 => (word, self.u32(at + 4)? as usize, at + 8),
            // A small element: length in the upper half of the type word, data in the next word.
            length @ 1..=4 => (word & 0xffff, length as usize, at + 4),
            length => {
                let found = format!("{length} bytes in a small element");
                return Err(self.damaged(at, "at most 4", found));
            }
        };
        let data = slice(self.data, begin, length).ok_or_else(|| {
            let left = self.data.len().saturating_sub(begin);
            self.damaged(begin, format!("{length} bytes"), format!("{left}"))
        })?;
        let end = begin + length;
        // A zlib stream is not padded; the next tag follows its last byte.
        let next = if kind == COMPRESSED { end } else { end.next_multiple_of(8) };
        let block = Block { data, start: self.start + begin, ..*self };
        Ok(Element { kind, block, next })
    }

    fn u32(&self, at: usize) -> Result<u32, FormatError> {
        let bytes = array(self.data, at).ok_or_else(|| {
            let left = self.data.len().saturating_sub(at);
            self.damaged(at, "a data element", format!("{left} bytes"))
        })?;
        Ok(u32::from_le_bytes(self.order.little(bytes)))
    }

    /// The error for the byte `at` of this block.
    pub(super) fn damaged(
        &self,
        at: usize,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> FormatError {
        let at = self.start + at;
        let place = match self.inflated_at {
            Some(stream) => format!("byte {at} of the data packed at byte {stream}"),
            None => format!("byte {at}"),
        };
        FormatError::damaged(self.file, place, expected, found)
    }
}

impl Element<'_> {
    /// The numbers of the element, converted by its storage type.
    pub(super) fn numbers(&self) -> Result<Vec<f64>, FormatError> {
        let Block { data, order, .. } = self.block;
        // Every arm: fixed-size pieces, put low byte first, read.
        Ok(match self.kind {
            INT8 => data.iter().map(|&b| f64::from(b.cast_signed())).collect(),
            UINT8 => data.iter().map(|&b| f64::from(b)).collect(),
            INT16 => order.each(self, |b| f64::from(i16::from_le_bytes(b)))?,
            UINT16 => order.each(self, |b| f64::from(u16::from_le_bytes(b)))?,
            INT32 => order.each(self, |b| f64::from(i32::from_le_bytes(b)))?,
            UINT32 => order.each(self, |b| f64::from(u32::from_le_bytes(b)))?,
            SINGLE => order.each(self, |b| f64::from(f32::from_le_bytes(b)))?,
            DOUBLE => order.each(self, f64::from_le_bytes)?,
            INT64 => order.each(self, |b| i64::from_le_bytes(b) as f64)?,
            UINT64 => order.each(self, |b| u64::from_le_bytes(b) as f64)?,
            other => {
                let found = format!("storage type {other}");
                return Err(self.block.damaged(0, "numbers", found));
            }
        })
    }

    /// The characters of the element as UTF-16 units, which is how MATLAB counts them.
    pub(super) fn units(&self) -> Result<Vec<u16>, FormatError> {
        let Block { data, order, .. } = self.block;
        Ok(match self.kind {
            INT8 | UINT8 => data.iter().map(|&byte| u16::from(byte)).collect(),
            UINT16 | UTF16 => order.each(self, u16::from_le_bytes)?,
            UTF8 => match std::str::from_utf8(data) {
                Ok(text) => text.encode_utf16().collect(),
                Err(error) => {
                    let found = "bytes that are no character";
                    return Err(self.block.damaged(error.valid_up_to(), "UTF-8", found));
                }
            },
            UTF32 => {
                let mut units = Vec::with_capacity(data.len() / 4);
                for code in order.each(self, u32::from_le_bytes)? {
                    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                    units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
                }
                units
            }
            other => {
                let found = format!("storage type {other}");
                return Err(self.block.damaged(0, "characters", found));
            }
        })
    }
}

impl Order {
    /// The bytes of a number, low one first.
    fn little<const N: usize>(self, mut bytes: [u8; N]) -> [u8; N] {
        if self == Order::Big {
            bytes.reverse();
        }
        bytes
    }

    fn each<const N: usize, T>(
        self,
        element: &Element,
        read: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, FormatError> {
        let (pieces, rest) = element.block.data.as_chunks::<N>();
        if !rest.is_empty() {
            let found = format!("{} bytes", element.block.data.len());
            return Err(element.block.damaged(0, format!("a multiple of {N} bytes"), found));
        }
        Ok(pieces.iter().map(|&piece| read(self.little(piece))).collect())
    }
}
