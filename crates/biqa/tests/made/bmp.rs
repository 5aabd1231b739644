//! BMP from a header, masks, a palette and pixels.

/// `fields`: the header behind its length; `rest`: masks, palette and pixels.
pub fn bmp(header: &[u8], rest: &[u8], pixels: &[u8]) -> Vec<u8> {
    let data = 14 + 4 + header.len() + rest.len();
    let mut out = b"BM".to_vec();
    out.extend(((data + pixels.len()) as u32).to_le_bytes());
    out.extend([0; 4]);
    out.extend((data as u32).to_le_bytes());
    out.extend((header.len() as u32 + 4).to_le_bytes());
    out.extend(header);
    out.extend(rest);
    out.extend(pixels);
    out
}

/// Width, height, bits, compression; padded to `length - 4` bytes, `masks` at their place.
pub fn info(
    size: (i32, i32),
    bits: u16,
    compression: u32,
    length: usize,
    masks: &[u32],
) -> Vec<u8> {
    let mut out = size.0.to_le_bytes().to_vec();
    out.extend(size.1.to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend(bits.to_le_bytes());
    out.extend(compression.to_le_bytes());
    out.resize(36, 0);
    out.extend(masks.iter().flat_map(|mask| mask.to_le_bytes()));
    out.resize(length - 4, 0);
    out
}

pub const PALETTE: [u8; 16] = [0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0, 9, 9, 9, 0]; // red green blue 9

pub fn with_colors(mut header: Vec<u8>, n: u8) -> Vec<u8> {
    header[28] = n;
    header
}
