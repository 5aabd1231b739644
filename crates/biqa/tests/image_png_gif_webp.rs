//! Variants of PNG, GIF and WebP that no golden file has, built here byte by byte
//! (papers/images.md, sections 1 to 4 and 12).

mod made;

use biqa::image::{ErrorKind, WarningKind};
use made::gif::gif;
use made::png::{chunk, ihdr, png, six_png};
use made::webp::{riff, riff_chunk, vp8l};
use made::{SIX, kind, shown};

// PNG

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
