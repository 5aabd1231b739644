//! Small pictures built byte by byte, for the tests of the loader: one builder a format.

#![allow(dead_code, reason = "each test file uses its part")]

pub mod bmp;
pub mod gif;
pub mod jpeg;
pub mod png;
pub mod qoi;
pub mod tiff;
pub mod webp;

use std::path::Path;

use biqa::image::{ErrorKind, LoadOptions, Picture, decode};

/// Six pixels, 3 x 2.
pub const SIX: [u8; 18] =
    [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30, 200, 100, 50, 255, 255, 255];

/// A file of the loader's golden folder.
pub fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images");
    std::fs::read(folder.join(name)).expect(name)
}

pub fn shown(bytes: &[u8]) -> Picture {
    decode(bytes, "a", &LoadOptions::default()).expect("a picture")
}

pub fn kind(bytes: &[u8]) -> ErrorKind {
    decode(bytes, "a", &LoadOptions::default()).expect_err("an error").kind()
}
