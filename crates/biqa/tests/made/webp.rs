//! WebP from RIFF chunks; the pictures in them by the encoder of `image_webp`.

pub fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WEBP".as_slice(), &chunks.concat()].concat();
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

pub fn riff_chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = [&kind, &(data.len() as u32).to_le_bytes()[..], data].concat();
    if data.len() % 2 == 1 {
        out.push(0);
    }
    out
}

pub fn vp8l(rgb: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut out = Vec::new();
    image_webp::WebPEncoder::new(&mut out)
        .encode(rgb, width, height, image_webp::ColorType::Rgb8)
        .expect("encoded");
    let length = u32::from_le_bytes(out[16..20].try_into().expect("four"));
    out[20..20 + length as usize].to_vec()
}
