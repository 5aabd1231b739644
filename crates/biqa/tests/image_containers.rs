//! Variants of PNG, GIF, WebP, TIFF, BMP and PNM that no golden file has, built here byte by byte
//! (papers/images.md, sections 1 to 4 and 12).

use std::io::Write as _;

use biqa::image::{ErrorKind, LoadOptions, Picture, WarningKind, decode};

fn shown(bytes: &[u8]) -> Picture {
    decode(bytes, "a", &LoadOptions::default()).expect("a picture")
}

fn kind(bytes: &[u8]) -> ErrorKind {
    decode(bytes, "a", &LoadOptions::default()).expect_err("an error").kind()
}

/// Six pixels, 3 x 2.
const SIX: [u8; 18] = [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30, 200, 100, 50, 255, 255, 255];

// PNG

fn crc(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 },
        )
    })
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind, data].concat();
    [&(data.len() as u32).to_be_bytes(), &body[..], &crc(&body).to_be_bytes()].concat()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn ihdr(width: u32, height: u32, rest: [u8; 5]) -> Vec<u8> {
    let mut data = width.to_be_bytes().to_vec();
    data.extend(height.to_be_bytes());
    data.extend(rest);
    chunk(*b"IHDR", &data)
}

fn png(header: &[u8], chunks: &[Vec<u8>], rows: &[u8]) -> Vec<u8> {
    let idat = chunk(*b"IDAT", &zlib(rows));
    [b"\x89PNG\r\n\x1a\n", header, &chunks.concat(), &idat, &chunk(*b"IEND", &[])].concat()
}

/// `SIX` as 8-bit RGB with `chunks` before the data.
fn six_png(chunks: &[Vec<u8>]) -> Vec<u8> {
    let rows = [&[0], &SIX[..9], &[0], &SIX[9..]].concat();
    png(&ihdr(3, 2, [8, 2, 0, 0, 0]), chunks, &rows)
}

#[test]
fn png_ancillary_chunks_cannot_hurt() {
    let mut bad_crc = chunk(*b"tEXt", b"a\0b");
    *bad_crc.last_mut().unwrap() ^= 1;
    let gamma = chunk(*b"gAMA", &[0, 0, 0, 1]);
    let broken = chunk(*b"cHRM", b"no");
    let picture = shown(&six_png(&[bad_crc, gamma, broken, chunk(*b"zTXt", b"bad")]));
    assert_eq!(picture.rgb.data(), SIX);
    assert!(picture.warnings.is_empty());
}

#[test]
fn png_colour_space_chunks_have_an_order() {
    let bad_profile = chunk(*b"iCCP", b"x\0\0not zlib");
    let srgb = chunk(*b"sRGB", &[0]);
    let picture = shown(&six_png(&[srgb, bad_profile.clone()]));
    assert!(picture.warnings.is_empty(), "a profile beside sRGB is ignored");
    assert_eq!(picture.source.profile.as_str(), "srgb");

    let p3 = chunk(*b"cICP", &[12, 13, 0, 1]);
    let picture = shown(&six_png(&[p3]));
    assert_eq!(picture.warnings[0].kind, WarningKind::ColorSpaceIgnored);
    assert_eq!(picture.rgb.data(), SIX);
    let srgb = chunk(*b"cICP", &[1, 13, 0, 1]);
    assert!(shown(&six_png(&[srgb, bad_profile])).warnings.is_empty());
}

#[test]
fn png_orientation_is_read_in_both_byte_orders_and_behind_the_data() {
    let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    for block in [little, big] {
        let picture = shown(&six_png(&[chunk(*b"eXIf", block)]));
        assert_eq!((picture.rgb.width(), picture.rgb.height()), (2, 3));
        assert_eq!(picture.rgb.pixel(1, 0), [255, 0, 0]);
    }
    let whole = six_png(&[]);
    let (head, iend) = whole.split_at(whole.len() - 12);
    assert!(shown(&[head, &chunk(*b"eXIf", little), iend].concat()).source.turned);
}

#[test]
fn apng_shows_the_default_image() {
    let control = chunk(*b"acTL", &[0, 0, 0, 3, 0, 0, 0, 0]);
    let picture = shown(&six_png(&[control]));
    assert_eq!(picture.rgb.data(), SIX);
    assert_eq!(picture.notes(), ["first of 3 frames"]);
}

#[test]
fn png_with_16_bits_is_deinterlaced() {
    // 3 x 2, gray, value = 1000 (3 y + x) + 7.
    let value = |x: u32, y: u32| (1000 * (3 * y + x) + 7) as u16;
    let pass = |x0: u32, y0: u32, dx: usize, dy: usize| {
        let mut rows = Vec::new();
        for y in (y0..2).step_by(dy) {
            let line: Vec<u8> =
                (x0..3).step_by(dx).flat_map(|x| value(x, y).to_be_bytes()).collect();
            if !line.is_empty() {
                rows.push(0);
                rows.extend(line);
            }
        }
        rows
    };
    let rows = [
        pass(0, 0, 8, 8),
        pass(4, 0, 8, 8),
        pass(0, 4, 4, 8),
        pass(2, 0, 4, 4),
        pass(0, 2, 2, 4),
        pass(1, 0, 2, 2),
        pass(0, 1, 1, 2),
    ]
    .concat();
    let picture = shown(&png(&ihdr(3, 2, [16, 0, 0, 0, 1]), &[], &rows));
    for y in 0..2 {
        for x in 0..3 {
            let expected = ((u32::from(value(x, y)) * 255 + 32767) / 65535) as u8;
            assert_eq!(picture.rgb.pixel(x, y), [expected; 3], "{x} {y}");
        }
    }
    assert_eq!(picture.notes(), ["16 bit", "gray"]);
}

#[test]
fn png_colour_keys_compare_all_16_bits() {
    let row = [&[0u8][..], &[0x12, 0x34, 0, 0, 0, 1], &[0x12, 0x35, 0, 0, 0, 1]].concat();
    let key = chunk(*b"tRNS", &[0x12, 0x34, 0, 0, 0, 1]);
    let picture = shown(&png(&ihdr(2, 1, [16, 2, 0, 0, 0]), &[key], &row));
    assert_eq!(picture.rgb.pixel(0, 0), [128; 3]);
    assert_eq!(picture.rgb.pixel(1, 0), [18, 0, 0]);
}

#[test]
fn png_structure_errors_are_corrupt() {
    let whole = six_png(&[]);
    assert_eq!(
        kind(&png(&ihdr(3, 2, [8, 3, 0, 0, 0]), &[], &[0; 8])),
        ErrorKind::Corrupt,
        "no PLTE"
    );
    assert_eq!(
        kind(&png(&ihdr(3, 2, [3, 0, 0, 0, 0]), &[], &[0; 8])),
        ErrorKind::Corrupt,
        "3 bits"
    );
    assert_eq!(kind(&six_png(&[chunk(*b"CgBI", &[0; 4])])), ErrorKind::Corrupt, "unknown critical");
    let mut bad = whole.clone();
    bad[29] ^= 1; // CRC of IHDR
    assert_eq!(kind(&bad), ErrorKind::Corrupt);
    // The data end a row early, with IEND.
    let short = png(&ihdr(3, 2, [8, 2, 0, 0, 0]), &[], &[&[0], &SIX[..9]].concat());
    assert_eq!(kind(&short), ErrorKind::Truncated);
}

#[test]
fn the_smallest_and_the_longest_pictures_load() {
    for (width, height) in [(1, 1), (1, 60_000), (60_000, 1)] {
        let rows = vec![0; (width as usize + 1) * height as usize];
        let picture = shown(&png(&ihdr(width, height, [8, 0, 0, 0, 0]), &[], &rows));
        assert_eq!((picture.rgb.width(), picture.rgb.height()), (width, height));
    }
}

// GIF

/// A 4 x 3 screen, a frame of `indices` at (1, 1) with colours 0 red, 1 green, 2 blue, 3 white.
fn gif(control: &[u8], size: (u8, u8), interlaced: bool, indices: &[u8]) -> Vec<u8> {
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

#[test]
fn a_gif_frame_stands_at_its_offset() {
    let picture = shown(&gif(&[], (2, 1), false, &[0, 2]));
    let gray = [128; 3];
    let pixel = |x, y| picture.rgb.pixel(x, y);
    assert_eq!((picture.rgb.width(), picture.rgb.height()), (4, 3));
    assert_eq!(
        [pixel(0, 0), pixel(1, 1), pixel(2, 1), pixel(3, 1)],
        [gray, [255, 0, 0], [0, 0, 255], gray]
    );
    // With a transparent index, and beyond the screen's edge.
    let control = [0x21, 0xF9, 4, 1, 0, 0, 2, 0];
    let picture = shown(&gif(&control, (5, 1), false, &[0, 2, 1, 3, 3]));
    let pixel = |x, y| picture.rgb.pixel(x, y);
    assert_eq!([pixel(1, 1), pixel(2, 1), pixel(3, 1)], [[255, 0, 0], gray, [0, 255, 0]]);
}

#[test]
fn gif_rows_may_be_interlaced_and_may_end_early() {
    // Two rows on the screen; rows are stored 0, then 1.
    let picture = shown(&gif(&[], (1, 2), true, &[1, 2]));
    assert_eq!([picture.rgb.pixel(1, 1), picture.rgb.pixel(1, 2)], [[0, 255, 0], [0, 0, 255]]);
    assert_eq!(kind(&gif(&[], (2, 2), false, &[1, 2, 1])), ErrorKind::Truncated);
}

// WebP

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WEBP".as_slice(), &chunks.concat()].concat();
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

fn riff_chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut out = [&kind, &(data.len() as u32).to_le_bytes()[..], data].concat();
    if data.len() % 2 == 1 {
        out.push(0);
    }
    out
}

fn vp8l(rgb: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut out = Vec::new();
    image_webp::WebPEncoder::new(&mut out)
        .encode(rgb, width, height, image_webp::ColorType::Rgb8)
        .expect("encoded");
    let length = u32::from_le_bytes(out[16..20].try_into().expect("four"));
    out[20..20 + length as usize].to_vec()
}

#[test]
fn an_animated_webp_shows_its_first_frame_at_its_offset() {
    let extended = riff_chunk(*b"VP8X", &[0x02, 0, 0, 0, 5, 0, 0, 3, 0, 0]); // 6 x 4
    let animation = riff_chunk(*b"ANIM", &[0; 6]);
    // Offset (2, 2), size 3 x 2.
    let head = [1, 0, 0, 1, 0, 0, 2, 0, 0, 1, 0, 0, 10, 0, 0, 0];
    let frame = |rgb: &[u8]| {
        let data = [&head[..], &riff_chunk(*b"VP8L", &vp8l(rgb, 3, 2))].concat();
        riff_chunk(*b"ANMF", &data)
    };
    let picture = shown(&riff(&[extended, animation, frame(&SIX), frame(&[7; 18])]));
    assert_eq!((picture.rgb.width(), picture.rgb.height()), (6, 4));
    for y in 0..4 {
        for x in 0..6 {
            let inside = (2..5).contains(&x) && (2..4).contains(&y);
            let at = if inside { 3 * (3 * (y as usize - 2) + x as usize - 2) } else { 0 };
            let expected = if inside { &SIX[at..at + 3] } else { &[128; 3][..] };
            assert_eq!(picture.rgb.pixel(x, y), expected, "{x} {y}");
        }
    }
    assert_eq!(picture.source.frames, Some(2));
}

#[test]
fn webp_exif_may_have_its_prefix() {
    let block = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0";
    let extended = riff_chunk(*b"VP8X", &[0x08, 0, 0, 0, 2, 0, 0, 1, 0, 0]);
    let image = riff_chunk(*b"VP8L", &vp8l(&SIX, 3, 2));
    for prefix in [&b""[..], b"Exif\0\0"] {
        let exif = riff_chunk(*b"EXIF", &[prefix, block].concat());
        let picture = shown(&riff(&[extended.clone(), image.clone(), exif]));
        assert_eq!(picture.rgb.pixel(0, 0), [255; 3]);
    }
    assert_eq!(shown(&riff(&[image])).rgb.data(), SIX);
}

// TIFF

/// A TIFF of these tags (all LONG) and chunks, whose offsets and lengths get the two tags `at`.
fn tiff(big: bool, tags: &[(u16, &[u32])], at: (u16, u16), chunks: &[Vec<u8>]) -> Vec<u8> {
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

const STRIPS: (u16, u16) = (273, 279);
const TILES: (u16, u16) = (324, 325);

/// Tags of an uncompressed 8-bit RGB picture of 3 x 2.
fn rgb_tags() -> Vec<(u16, &'static [u32])> {
    vec![(256, &[3]), (257, &[2]), (258, &[8, 8, 8]), (259, &[1]), (262, &[2]), (277, &[3])]
}

#[test]
fn tiff_strips_in_both_byte_orders() {
    for big in [false, true] {
        let mut tags = rgb_tags();
        tags.push((278, &[1]));
        let strips = [SIX[..9].to_vec(), SIX[9..].to_vec()];
        assert_eq!(shown(&tiff(big, &tags, STRIPS, &strips)).rgb.data(), SIX);
        // Bytes that are missing at the end of a strip.
        let short = [SIX[..9].to_vec(), SIX[9..17].to_vec()];
        assert_eq!(kind(&tiff(big, &tags, STRIPS, &short)), ErrorKind::Truncated);
    }
}

#[test]
fn tiff_tiles_are_cut_at_the_edges() {
    // Tiles of 2 x 2 on 3 x 2: the second has one column of the picture.
    let mut tags = rgb_tags();
    tags.extend([(322, &[2][..]), (323, &[2][..])]);
    let tile = |xs: [usize; 2]| -> Vec<u8> {
        (0..2)
            .flat_map(|y| xs.map(|x| (x, y)))
            .flat_map(
                |(x, y)| if x < 3 { SIX[3 * (3 * y + x)..][..3].to_vec() } else { vec![9; 3] },
            )
            .collect()
    };
    let tiles = [tile([0, 1]), tile([2, 3])];
    assert_eq!(shown(&tiff(false, &tags, TILES, &tiles)).rgb.data(), SIX);
}

#[test]
fn tiff_planes_are_joined() {
    let mut tags = rgb_tags();
    tags.push((284, &[2]));
    let plane = |c: usize| SIX.iter().skip(c).step_by(3).copied().collect::<Vec<u8>>();
    let planes = [plane(0), plane(1), plane(2)];
    assert_eq!(shown(&tiff(true, &tags, STRIPS, &planes)).rgb.data(), SIX);
}

fn gray_tags(bits: &'static [u32], photometric: &'static [u32]) -> Vec<(u16, &'static [u32])> {
    vec![(256, &[4]), (257, &[1]), (258, bits), (259, &[1]), (262, photometric), (277, &[1])]
}

#[test]
fn tiff_gray_has_two_senses_and_many_depths() {
    let gray = |tags: &[(u16, &[u32])], data: &[u8]| -> Vec<u8> {
        let picture = shown(&tiff(true, tags, STRIPS, &[data.to_vec()]));
        picture.rgb.data().iter().step_by(3).copied().collect()
    };
    assert_eq!(gray(&gray_tags(&[8], &[0]), &[0, 1, 254, 255]), [255, 254, 1, 0]);
    assert_eq!(gray(&gray_tags(&[1], &[0]), &[0b0110_0000]), [255, 0, 0, 255]);
    assert_eq!(gray(&gray_tags(&[1], &[1]), &[0b0110_0000]), [0, 255, 255, 0]);
    assert_eq!(gray(&gray_tags(&[4], &[1]), &[0x0F, 0x71]), [0, 255, 119, 17]);
    let wide = [0, 0, 0xFF, 0xFF, 0x80, 0x80, 0x12, 0x34];
    assert_eq!(gray(&gray_tags(&[16], &[1]), &wide), [0, 255, 128, 18]);
    let mut reversed = gray_tags(&[1], &[1]);
    reversed.push((266, &[2]));
    assert_eq!(gray(&reversed, &[0b0000_0110]), [0, 255, 255, 0]);
}

#[test]
fn tiff_cmyk_is_amounts_of_ink() {
    let tags: [(u16, &[u32]); 6] =
        [(256, &[1]), (257, &[1]), (258, &[8; 4]), (259, &[1]), (262, &[5]), (277, &[4])];
    let picture = shown(&tiff(false, &tags, STRIPS, &[vec![100, 0, 255, 50]]));
    assert_eq!(picture.rgb.data(), [125, 205, 0]);
}

#[test]
fn tiff_associated_alpha_is_added_not_multiplied() {
    let with = |extra: &'static [u32]| {
        let tags: [(u16, &[u32]); 7] = [
            (256, &[1]),
            (257, &[1]),
            (258, &[8; 4]),
            (259, &[1]),
            (262, &[2]),
            (277, &[4]),
            (338, extra),
        ];
        shown(&tiff(false, &tags, STRIPS, &[vec![100, 0, 255, 128]])).rgb.data().to_vec()
    };
    assert_eq!(with(&[1]), [164, 64, 255]); // c + (128*127 + 127)/255
    assert_eq!(with(&[2]), [114, 64, 192]);
    assert_eq!(with(&[0]), [100, 0, 255], "an unspecified sample is no alpha");
}

#[test]
fn tiff_jpeg_strips_take_their_tables_from_the_page() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images/gray.jpg");
    let jpeg = std::fs::read(path).expect("gray.jpg");
    let expected = shown(&jpeg);
    let page = |tables: &[u32], strip: Vec<u8>| {
        let mut tags: Vec<(u16, &[u32])> =
            vec![(256, &[48]), (257, &[32]), (258, &[8]), (259, &[7]), (262, &[1]), (277, &[1])];
        if !tables.is_empty() {
            tags.push((347, tables));
        }
        tiff(false, &tags, STRIPS, &[strip])
    };
    assert_eq!(shown(&page(&[], jpeg.clone())).rgb, expected.rgb);

    // The tables (DQT, DHT) moved out of the strip.
    let (mut tables, mut strip, mut at) = (vec![0xFF, 0xD8], vec![0xFF, 0xD8], 2);
    while jpeg[at + 1] != 0xDA {
        let next = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        let target = if matches!(jpeg[at + 1], 0xDB | 0xC4) { &mut tables } else { &mut strip };
        target.extend(&jpeg[at..next]);
        at = next;
    }
    strip.extend(&jpeg[at..]);
    tables.extend([0xFF, 0xD9]);
    let tables: Vec<u32> = tables.into_iter().map(u32::from).collect();
    assert_eq!(shown(&page(&tables, strip.clone())).rgb, expected.rgb);
    assert_eq!(kind(&page(&[], strip)), ErrorKind::Corrupt, "tables are missing");
    assert_eq!(kind(&page(&[], jpeg[..700].to_vec())), ErrorKind::Truncated);
}

#[test]
fn tiff_variants_that_are_not_read_are_named() {
    let cases: [(u16, &[u32], &str); 5] = [
        (339, &[3, 3, 3], "floating-point TIFF"),
        (258, &[32, 32, 32], "32-bit TIFF"),
        (259, &[6], "old-style JPEG"),
        (259, &[50000], "Zstandard"),
        (262, &[8], "Lab TIFF"),
    ];
    for (tag, values, words) in cases {
        let mut tags = rgb_tags();
        tags.retain(|t| t.0 != tag);
        tags.push((tag, values));
        let bytes = tiff(false, &tags, STRIPS, &[SIX.to_vec()]);
        let error = decode(&bytes, "a.tif", &LoadOptions::default()).expect_err(words);
        assert_eq!(error.kind(), ErrorKind::UnsupportedFormat, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
}

// BMP

/// `fields`: the header behind its length; `rest`: masks, palette and pixels.
fn bmp(header: &[u8], rest: &[u8], pixels: &[u8]) -> Vec<u8> {
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
fn info(size: (i32, i32), bits: u16, compression: u32, length: usize, masks: &[u32]) -> Vec<u8> {
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

const PALETTE: [u8; 16] = [0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0, 9, 9, 9, 0]; // red green blue 9

fn with_colors(mut header: Vec<u8>, n: u8) -> Vec<u8> {
    header[28] = n;
    header
}

#[test]
fn bmp_run_lengths_with_all_escapes() {
    let header = with_colors(info((4, 3), 8, 1, 40, &[]), 4);
    // Row 0 (bottom): four greens. Row 1: absolute 1 2 3 and nothing. Row 2: skip two, then blue.
    let pixels = [4, 1, 0, 0, 0, 3, 1, 2, 3, 0, 0, 2, 255, 1, 0, 1];
    let picture = shown(&bmp(&header, &PALETTE, &pixels));
    let row = |y: u32| [0, 1, 2, 3].map(|x| picture.rgb.pixel(x, y));
    let (red, green, blue, nine) = ([255, 0, 0], [0, 255, 0], [0, 0, 255], [9; 3]);
    assert_eq!(row(2), [green; 4]);
    assert_eq!(row(1), [green, blue, nine, red]);
    assert_eq!(row(0), [red; 4]);
    assert_eq!(kind(&bmp(&header, &PALETTE, &pixels[..9])), ErrorKind::Truncated);

    let header = with_colors(info((5, 1), 4, 2, 40, &[]), 4);
    let picture = shown(&bmp(&header, &PALETTE, &[2, 0x12, 0, 3, 0x13, 0x00, 0, 1]));
    let row: Vec<[u8; 3]> = (0..5).map(|x| picture.rgb.pixel(x, 0)).collect();
    assert_eq!(row, [green, blue, green, nine, red]);
}

#[test]
fn bmp_bit_fields_scale_to_255() {
    let masks: Vec<u8> = [0xF800u32, 0x07E0, 0x001F].iter().flat_map(|m| m.to_le_bytes()).collect();
    let pixels = [0x00, 0xF8, 0xE0, 0x07];
    let picture = shown(&bmp(&info((2, 1), 16, 3, 40, &[]), &masks, &pixels));
    assert_eq!(picture.rgb.data(), [255, 0, 0, 0, 255, 0]);
    // Without masks 16 bits are 5-5-5.
    let picture = shown(&bmp(&info((2, -1), 16, 0, 40, &[]), &[], &[0xFF, 0x7F, 0x1F, 0x00]));
    assert_eq!(picture.rgb.data(), [255, 255, 255, 0, 0, 255]);
}

#[test]
fn bmp_alpha_counts_with_a_v4_mask_only() {
    let pixels = [30, 20, 10, 0, 30, 20, 10, 255];
    let masks = [0x00FF_0000, 0x0000_FF00, 0x0000_00FF, 0xFF00_0000];
    let show = |length, compression, masks: &[u32]| {
        shown(&bmp(&info((2, 1), 32, compression, length, masks), &[], &pixels)).rgb.data().to_vec()
    };
    let opaque = [10, 20, 30, 10, 20, 30];
    assert_eq!(show(40, 0, &[]), opaque);
    assert_eq!(show(56, 3, &masks), opaque, "a 56-byte header is no V4");
    assert_eq!(show(108, 3, &masks), [128, 128, 128, 10, 20, 30]);
    assert_eq!(show(124, 3, &masks), [128, 128, 128, 10, 20, 30]);
    assert_eq!(show(124, 3, &masks[..3]), opaque, "a mask of zero");
}

#[test]
fn bmp_core_headers_have_three_byte_palettes() {
    let header = [2, 0, 1, 0, 1, 0, 1, 0];
    let picture = shown(&bmp(&header, &[255, 0, 0, 0, 0, 255], &[0b0100_0000, 0, 0, 0]));
    assert_eq!(picture.rgb.data(), [0, 0, 255, 255, 0, 0]);
}

// PNM

#[test]
fn pnm_comments_may_stand_anywhere_in_the_header() {
    let plain = b"P3# a\n#b\n2 # c\n1\n#d\n 255\n1 2 3 # e\n4 5 6";
    assert_eq!(
        shown(b"P3\n#b\n2 # c\n1\n#d\n 255\n1 2 3 # e\n4 5 6").rgb.data(),
        [1, 2, 3, 4, 5, 6]
    );
    assert_eq!(kind(plain), ErrorKind::UnknownFormat, "P3 is followed by white space");
    assert_eq!(shown(b"P5 1#x\n1 #y\n255#z\n\x23").rgb.data(), [0x23; 3]);
    assert_eq!(shown(b"P1\n3 1\n101").rgb.data(), [0, 0, 0, 255, 255, 255, 0, 0, 0]);
}

#[test]
fn pnm_values_above_the_maxval_are_corrupt() {
    for bytes in [&b"P2 1 1 100 101"[..], b"P5 1 1 100 \x65", b"P5 1 1 300 \x01\x2D", b"P2 1 1 0 0"]
    {
        assert_eq!(kind(bytes), ErrorKind::Corrupt, "{bytes:?}");
    }
    assert_eq!(kind(b"P2 1 1 65536 0"), ErrorKind::Corrupt);
    assert_eq!(kind(b"P2 0 1 255 0"), ErrorKind::Corrupt);
    assert_eq!(kind(b"P2 1 x 255 0"), ErrorKind::Corrupt);
    assert_eq!(shown(b"P5 1 1 300 \x01\x2C").rgb.data(), [255; 3]);
}

/// Item 6: the same pixels in every lossless format.
#[test]
fn lossless_formats_agree() {
    let bottom_up: Vec<u8> = SIX
        .chunks(9)
        .rev()
        .flat_map(|row| {
            let mut line: Vec<u8> = row.chunks(3).flat_map(|p| [p[2], p[1], p[0]]).collect();
            line.resize(12, 0);
            line
        })
        .collect();
    let mut qoi = b"qoif\0\0\0\x03\0\0\0\x02\x03\x63".to_vec();
    qoi.extend(SIX.chunks(3).flat_map(|p| [0xFE, p[0], p[1], p[2]]));
    let files = [
        six_png(&[]),
        bmp(&info((3, 2), 24, 0, 40, &[]), &[], &bottom_up),
        [b"P6 3 2 255\n", &SIX[..]].concat(),
        tiff(true, &rgb_tags(), STRIPS, &[SIX.to_vec()]),
        riff(&[riff_chunk(*b"VP8L", &vp8l(&SIX, 3, 2))]),
        qoi,
    ];
    for file in files {
        let picture = shown(&file);
        assert_eq!(picture.rgb.data(), SIX, "{}", picture.source.format);
    }
}
