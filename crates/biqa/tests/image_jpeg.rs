//! JPEG variants that no golden file has, as pictures of one colour built byte by byte: YCCK, CMYK
//! with a profile, colour rules, sampling, restart markers, and what is refused
//! (papers/images.md, sections 1 to 3).

mod made;

use biqa::image::{ErrorKind, LoadOptions, WarningKind, decode};
use made::jpeg::{Plain, YCC};
use made::{golden, shown};

/// The one colour of the picture.
fn color(bytes: &[u8]) -> [u8; 3] {
    let picture = shown(bytes);
    let first = picture.rgb.pixel(0, 0);
    assert!(picture.rgb.data().chunks_exact(3).all(|p| p == first), "one colour");
    first
}

fn refused(bytes: &[u8], words: &str) {
    let error = decode(bytes, "a.jpg", &LoadOptions::default()).expect_err(words);
    assert_eq!(error.kind(), ErrorKind::UnsupportedFormat, "{error}");
    assert!(error.message().contains(words), "{error}");
}

#[test]
fn three_components_mean_what_the_markers_say() {
    let rgb_ids = [(b'R', 0x11, 10), (b'G', 0x11, 20), (b'B', 0x11, 30)];
    let jfif = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0";
    assert_eq!(color(&Plain::new(&YCC).bytes()), [254, 0, 0], "nothing said: YCbCr");
    assert_eq!(color(&Plain::new(&YCC).adobe(0).bytes()), [76, 85, 255], "Adobe 0: RGB");
    assert_eq!(color(&Plain::new(&YCC).adobe(1).bytes()), [254, 0, 0], "Adobe 1: YCbCr");
    assert_eq!(color(&Plain::new(&rgb_ids).bytes()), [10, 20, 30], "ids R, G, B");
    let with_jfif = color(&Plain::new(&rgb_ids).with(0xE0, jfif).bytes());
    assert_ne!(with_jfif, [10, 20, 30], "JFIF is YCbCr, whatever the ids");
}

#[test]
fn cmyk_is_inverted_with_an_adobe_marker_only() {
    let inks = [(1, 0x11, 100), (2, 0x11, 0), (3, 0x11, 255), (4, 0x11, 50)];
    // ((255-C)(255-K) + 127) / 255 with the stored values as ink.
    assert_eq!(color(&Plain::new(&inks).bytes()), [125, 205, 0]);
    // Ink = 255 - stored.
    assert_eq!(color(&Plain::new(&inks).adobe(0).bytes()), [20, 0, 50]);
}

#[test]
fn ycck_is_converted_before_the_inks_are_read() {
    // Y = 100 without chroma: R = G = B = 100, stored C = M = Y = 155, ink 100; stored K 225, ink 30.
    let stored = [(1, 0x11, 100), (2, 0x11, 128), (3, 0x11, 128), (4, 0x11, 225)];
    assert_eq!(color(&Plain::new(&stored).adobe(2).bytes()), [137; 3]);
    let picture = shown(&Plain::new(&stored).adobe(2).bytes());
    assert_eq!((picture.source.channels, picture.source.gray), (4, false));
}

#[test]
fn any_sampling_up_to_four_is_read() {
    for h in [1, 2, 3, 4] {
        for v in [1, 2, 3, 4] {
            if h * v > 8 {
                continue; // an MCU has at most ten blocks
            }
            let mut components = YCC;
            components[0].1 = h << 4 | v;
            for size in [(1, 1), (33, 17), (64, 64)] {
                let bytes = Plain::new(&components).sized(size.0, size.1).bytes();
                assert_eq!(color(&bytes), [254, 0, 0], "{h}x{v} {size:?}");
            }
        }
    }
    // Chroma finer than luma, and factors that do not divide.
    for samplings in [[0x11, 0x21, 0x11], [0x31, 0x21, 0x11], [0x22, 0x12, 0x21]] {
        let mut components = YCC;
        for (component, sampling) in components.iter_mut().zip(samplings) {
            component.1 = sampling;
        }
        assert_eq!(
            color(&Plain::new(&components).sized(50, 30).bytes()),
            [254, 0, 0],
            "{samplings:?}"
        );
    }
}

#[test]
fn a_gray_picture_may_have_any_sampling() {
    for sampling in [0x11, 0x22, 0x41] {
        let bytes = Plain::new(&[(1, sampling, 77)]).sized(17, 9).bytes();
        assert_eq!(color(&bytes), [77; 3], "{sampling:x}");
    }
}

#[test]
fn restart_markers_are_counted() {
    let mut plain = Plain::new(&YCC).sized(80, 24);
    plain.restart = 2;
    let bytes = plain.bytes();
    assert_eq!(color(&bytes), [254, 0, 0]);
    // The second restart marker becomes the fourth.
    let at = bytes.windows(2).position(|w| w == [0xFF, 0xD1]).expect("RST1");
    let mut wrong = bytes.clone();
    wrong[at + 1] = 0xD3;
    let error = decode(&wrong, "a.jpg", &LoadOptions::default()).expect_err("out of turn");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    // The picture ends at the second restart marker, with an end marker.
    let cut = [&bytes[..at], &[0xFF, 0xD9]].concat();
    let error = decode(&cut, "a.jpg", &LoadOptions::default()).expect_err("early");
    assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
}

#[test]
fn what_follows_the_end_is_ignored_and_the_end_may_be_missing() {
    let bytes = Plain::new(&YCC).bytes();
    let more = [&bytes[..], b"\xFF\xD8\xFF garbage"].concat();
    assert_eq!(shown(&more).rgb, shown(&bytes).rgb);
    assert_eq!(shown(&bytes[..bytes.len() - 2]).rgb, shown(&bytes).rgb);
}

#[test]
fn what_is_not_read_is_named() {
    let frame = |marker: u8| {
        let mut plain = Plain::new(&YCC);
        plain.frame_marker = marker;
        plain.bytes()
    };
    refused(&frame(0xC9), "arithmetic-coded JPEG");
    refused(&frame(0xCA), "arithmetic-coded JPEG");
    refused(&frame(0xC3), "lossless JPEG");
    refused(&frame(0xC5), "hierarchical JPEG");
    refused(&Plain::new(&YCC[..2]).bytes(), "2-component JPEG");
    let mut deep = Plain::new(&YCC);
    (deep.precision, deep.frame_marker) = (12, 0xC1);
    refused(&deep.bytes(), "12-bit JPEG");
}

#[test]
fn a_height_of_zero_is_corrupt() {
    let error = decode(&Plain::new(&YCC).sized(8, 0).bytes(), "a.jpg", &LoadOptions::default());
    let error = error.expect_err("height 0");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.message().contains("height 0"), "{error}");
}

/// The APP2 content of the golden Display P3 picture.
fn p3() -> Vec<u8> {
    let bytes = golden("icc-p3.jpg");
    let at = bytes.windows(12).position(|w| w == b"ICC_PROFILE\0").expect("a profile");
    let length = usize::from(u16::from_be_bytes([bytes[at - 2], bytes[at - 1]]));
    bytes[at + 14..at - 2 + length].to_vec()
}

fn part(number: u8, total: u8, data: &[u8]) -> Vec<u8> {
    [b"ICC_PROFILE\0".as_slice(), &[number, total], data].concat()
}

#[test]
fn a_profile_may_come_in_parts_and_in_any_order() {
    let profile = p3();
    let (a, b) = profile.split_at(200);
    let whole = Plain::new(&YCC).adobe(0).with(0xE2, &part(1, 1, &profile)).bytes();
    let plain = Plain::new(&YCC).adobe(0);
    let parts = plain.with(0xE2, &part(2, 2, b)).with(0xE2, &part(1, 2, a)).bytes();
    assert_eq!(color(&whole), color(&parts));
    assert_ne!(color(&whole), [76, 85, 255]);
    assert!(shown(&parts).source.profile_applied);

    let broken: [&[(u8, u8, &[u8])]; 3] =
        [&[(1, 2, a)], &[(1, 2, a), (1, 2, a)], &[(2, 2, a), (3, 2, b)]];
    for parts in broken {
        let mut plain = Plain::new(&YCC).adobe(0);
        for &(number, total, data) in parts {
            plain = plain.with(0xE2, &part(number, total, data));
        }
        let picture = shown(&plain.bytes());
        assert_eq!(picture.warnings[0].kind, WarningKind::IccUnreadable);
        assert_eq!(picture.source.profile.as_str(), "unreadable");
        assert_eq!(picture.rgb.pixel(0, 0), [76, 85, 255]);
    }
}

#[test]
fn an_rgb_profile_on_a_gray_picture_is_ignored_with_a_word() {
    let picture = shown(&Plain::new(&[(1, 0x11, 77)]).with(0xE2, &part(1, 1, &p3())).bytes());
    assert_eq!(picture.warnings[0].kind, WarningKind::IccMismatch);
    assert_eq!(picture.rgb.pixel(0, 0), [77; 3]);
}

/// A CMYK table profile (`lut8Type`, two nodes a channel) to Lab: `lightness` of the ink sums 0 to
/// 4, no colour. `None`: a profile without a table.
fn cmyk_profile(lightness: Option<[u8; 5]>) -> Vec<u8> {
    let mut table = Vec::new();
    if let Some(lightness) = lightness {
        table.extend(b"mft1\0\0\0\0");
        table.extend([4, 3, 2, 0]);
        for i in 0..9u32 {
            table.extend(if i % 4 == 0 { 0x0001_0000u32 } else { 0 }.to_be_bytes());
        }
        for _ in 0..4 {
            table.extend(0..=255u8);
        }
        for node in 0..16u32 {
            table.extend([lightness[node.count_ones() as usize], 128, 128]);
        }
        for _ in 0..3 {
            table.extend(0..=255u8);
        }
    }
    let tags = u32::from(lightness.is_some());
    let start = 128 + 4 + 12 * tags;
    let mut out = Vec::new();
    out.extend((start + table.len() as u32).to_be_bytes());
    out.extend(b"none\x02\x40\0\0prtrCMYKLab ");
    out.extend([0; 12]); // date
    out.extend(b"acsp");
    out.extend([0; 28]);
    out.extend([0, 0, 0xF6, 0xD6, 0, 1, 0, 0, 0, 0, 0xD3, 0x2D]); // D50
    out.resize(128, 0);
    out.extend(tags.to_be_bytes());
    if tags == 1 {
        out.extend(b"A2B0");
        out.extend(start.to_be_bytes());
        out.extend((table.len() as u32).to_be_bytes());
    }
    out.extend(table);
    out
}

#[test]
fn a_cmyk_profile_is_applied() {
    let profile = cmyk_profile(Some([255, 128, 64, 32, 0]));
    let with = |levels: [u8; 4]| {
        let components: Vec<_> = (1..).zip(levels).map(|(id, level)| (id, 0x11, level)).collect();
        let plain = Plain::new(&components).with(0xE2, &part(1, 1, &profile));
        let picture = shown(&plain.bytes());
        assert!(picture.warnings.is_empty(), "{:?}", picture.warnings);
        picture.rgb.pixel(0, 0)
    };
    assert_eq!(with([0; 4]), [255; 3], "paper");
    assert_eq!(with([255; 4]), [0; 3], "all inks");
    // L = 100 * 128/255 = 50.2: gray 119.
    for v in with([0, 0, 0, 255]) {
        assert!(v.abs_diff(119) <= 1, "{v}");
    }
    assert_eq!(with([0, 0, 0, 255]), with([255, 0, 0, 0]));
}

#[test]
fn a_cmyk_profile_without_a_table_leaves_the_formula() {
    let components = [(1, 0x11, 100), (2, 0x11, 0), (3, 0x11, 255), (4, 0x11, 50)];
    let plain = Plain::new(&components).with(0xE2, &part(1, 1, &cmyk_profile(None)));
    let picture = shown(&plain.bytes());
    assert_eq!(picture.warnings[0].kind, WarningKind::IccUnsupported);
    assert_eq!(picture.rgb.pixel(0, 0), [125, 205, 0]);
}
