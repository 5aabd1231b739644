//! GIF of one frame on a small screen (GIF89a).

/// A 4 x 3 screen, a frame of `indices` at (1, 1) with colours 0 red, 1 green, 2 blue, 3 white.
pub fn gif(control: &[u8], size: (u8, u8), interlaced: bool, indices: &[u8]) -> Vec<u8> {
    let mut out = b"GIF89a\x04\0\x03\0\x81\0\0".to_vec();
    out.extend([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]);
    out.extend(control);
    out.extend([0x2C, 1, 0, 1, 0, size.0, 0, size.1, 0, if interlaced { 0x40 } else { 0 }, 2]);
    let codes =
        weezl::encode::Encoder::new(weezl::BitOrder::Lsb, 2).encode(indices).expect("codes");
    out.push(codes.len() as u8);
    out.extend(codes);
    out.extend([0, 0x3B]);
    out
}
