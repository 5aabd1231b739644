//! PNG from chunks (the PNG specification, section 5).

use std::io::Write as _;

use super::SIX;

pub fn crc(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 },
        )
    })
}

pub fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind, data].concat();
    [&(data.len() as u32).to_be_bytes(), &body[..], &crc(&body).to_be_bytes()].concat()
}

pub fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

pub fn ihdr(width: u32, height: u32, rest: [u8; 5]) -> Vec<u8> {
    let mut data = width.to_be_bytes().to_vec();
    data.extend(height.to_be_bytes());
    data.extend(rest);
    chunk(*b"IHDR", &data)
}

pub fn png(header: &[u8], chunks: &[Vec<u8>], rows: &[u8]) -> Vec<u8> {
    let idat = chunk(*b"IDAT", &zlib(rows));
    [b"\x89PNG\r\n\x1a\n", header, &chunks.concat(), &idat, &chunk(*b"IEND", &[])].concat()
}

/// `SIX` as 8-bit RGB with `chunks` before the data.
pub fn six_png(chunks: &[Vec<u8>]) -> Vec<u8> {
    let rows = [&[0], &SIX[..9], &[0], &SIX[9..]].concat();
    png(&ihdr(3, 2, [8, 2, 0, 0, 0]), chunks, &rows)
}
