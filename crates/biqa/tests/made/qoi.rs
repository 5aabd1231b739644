//! QOI without any compression.

/// A QOI file of RGBA pixels, one tag each.
pub fn qoi(width: u32, height: u32, pixels: &[[u8; 4]]) -> Vec<u8> {
    let mut out = b"qoif".to_vec();
    out.extend(width.to_be_bytes());
    out.extend(height.to_be_bytes());
    out.extend([4, 0]);
    for pixel in pixels {
        out.push(0xFF);
        out.extend(pixel);
    }
    out.extend([0, 0, 0, 0, 0, 0, 0, 1]);
    out
}
