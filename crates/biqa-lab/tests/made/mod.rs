//! Label files made by hand, byte by byte, for `tests/formats.rs` and the miniature releases of
//! `tests/datasets*.rs`. Written from the formats' descriptions; nothing is shared with the readers
//! but zlib and its sums.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod mat;
pub mod npy;
pub mod xls;
pub mod xlsx;

/// Numbers appended to bytes, low byte first.
pub trait Put {
    /// Two bytes.
    fn put_u16(&mut self, value: u16);
    /// Four bytes.
    fn put_u32(&mut self, value: u32);
}

impl Put for Vec<u8> {
    fn put_u16(&mut self, value: u16) {
        self.extend(value.to_le_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.extend(value.to_le_bytes());
    }
}

/// Zeros up to the next multiple of `unit`.
pub fn pad(bytes: &mut Vec<u8>, unit: usize) {
    bytes.resize(bytes.len().next_multiple_of(unit), 0);
}
