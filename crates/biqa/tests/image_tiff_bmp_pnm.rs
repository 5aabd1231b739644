//! Variants of TIFF, BMP and PNM that no golden file has, built here byte by byte
//! (papers/images.md, sections 1 to 4 and 12).

mod made;

use biqa::image::{ErrorKind, LoadOptions, decode};
use made::bmp::{PALETTE, bmp, info, with_colors};
use made::png::six_png;
use made::tiff::{STRIPS, TILES, gray_tags, rgb_tags, tiff};
use made::webp::{riff, riff_chunk, vp8l};
use made::{SIX, golden, kind, shown};

// TIFF

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
    let jpeg = golden("gray.jpg");
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
