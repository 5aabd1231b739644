//! TIFF of one page from tags and strips or tiles (TIFF 6.0).

/// A TIFF of these tags (all LONG) and chunks, whose offsets and lengths get the two tags `at`.
pub fn tiff(big: bool, tags: &[(u16, &[u32])], at: (u16, u16), chunks: &[Vec<u8>]) -> Vec<u8> {
    let n16 = |v: u16| if big { v.to_be_bytes() } else { v.to_le_bytes() };
    let n32 = |v: u32| if big { v.to_be_bytes() } else { v.to_le_bytes() };
    let mut out = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
    out.extend([0; 4]);
    let place = |out: &mut Vec<u8>, data: &[u8]| {
        let offset = out.len() as u32;
        out.extend(data);
        offset
    };
    let offsets: Vec<u32> = chunks.iter().map(|chunk| place(&mut out, chunk)).collect();
    let lengths: Vec<u32> = chunks.iter().map(|chunk| chunk.len() as u32).collect();
    let mut all: Vec<(u16, u16, Vec<u32>)> =
        tags.iter().map(|(tag, values)| (*tag, 4, values.to_vec())).collect();
    all.push((at.0, 4, offsets));
    all.push((at.1, 4, lengths));
    // JPEGTables is a blob, given as one number a byte.
    for entry in &mut all {
        entry.1 = if entry.0 == 347 { 7 } else { 4 };
    }
    all.sort();
    let mut entries = Vec::new();
    for (tag, kind, values) in &all {
        entries.extend(n16(*tag));
        entries.extend(n16(*kind));
        entries.extend(n32(values.len() as u32));
        let data: Vec<u8> = match kind {
            7 => values.iter().map(|&v| v as u8).collect(),
            _ => values.iter().flat_map(|&v| n32(v)).collect(),
        };
        if data.len() <= 4 {
            entries.extend(&data);
            entries.extend(vec![0; 4 - data.len()]);
        } else {
            let offset = place(&mut out, &data);
            entries.extend(n32(offset));
        }
    }
    let directory = out.len() as u32;
    out[4..8].copy_from_slice(&n32(directory));
    out.extend(n16(all.len() as u16));
    out.extend(entries);
    out.extend(n32(0));
    out
}

pub const STRIPS: (u16, u16) = (273, 279);
pub const TILES: (u16, u16) = (324, 325);

/// Tags of an uncompressed 8-bit RGB picture of 3 x 2.
pub fn rgb_tags() -> Vec<(u16, &'static [u32])> {
    vec![(256, &[3]), (257, &[2]), (258, &[8, 8, 8]), (259, &[1]), (262, &[2]), (277, &[3])]
}

pub fn gray_tags(bits: &'static [u32], photometric: &'static [u32]) -> Vec<(u16, &'static [u32])> {
    vec![(256, &[4]), (257, &[1]), (258, bits), (259, &[1]), (262, photometric), (277, &[1])]
}
