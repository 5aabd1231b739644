//! Cut and changed files: never a panic, never a hang, never wrong pixels without a word
//! (papers/images.md, section 11, items 4 and 5).
//!
//! `BIQA_MUTATIONS` sets the number of changed files (default 4,000; the paper's number is 20,000).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use biqa::image::{Alpha, ErrorKind, LoadOptions, Rgb8, TruncatedPolicy, WarningKind, decode};

fn golden_files() -> Vec<(String, Vec<u8>)> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images");
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| !path.extension().is_some_and(|e| e == "npy" || e == "json" || e == "md"))
        .map(|path| {
            let name = path.file_name().expect("name").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("file"))
        })
        .collect();
    files.sort();
    files
}

/// Every byte of a small file, 200 places of a larger one.
fn cuts(length: usize) -> Vec<usize> {
    if length < 8192 { (0..length).collect() } else { (0..200).map(|i| length * i / 200).collect() }
}

#[test]
fn a_prefix_is_an_error_or_the_right_picture() {
    let options = LoadOptions::default();
    for (name, bytes) in golden_files() {
        let whole = decode(&bytes, &name, &options);
        // A plain-text PNM whose last number is cut is a valid file.
        let plain_text = bytes.starts_with(b"P3");
        let mut right = 0;
        for cut in cuts(bytes.len()) {
            match decode(&bytes[..cut], &name, &options) {
                Ok(picture) => {
                    right += 1;
                    let same = whole.as_ref().is_ok_and(|whole| whole.rgb == picture.rgb);
                    assert!(same || plain_text, "{name} cut at {cut}: other pixels");
                }
                Err(error) => {
                    let kind = error.kind();
                    let own = whole.as_ref().is_err_and(|whole| whole.kind() == kind);
                    let allowed = matches!(
                        kind,
                        ErrorKind::Empty
                            | ErrorKind::UnknownFormat
                            | ErrorKind::UnsupportedFormat
                            | ErrorKind::Truncated
                            | ErrorKind::Corrupt
                    );
                    assert!(allowed || own, "{name} cut at {cut}: {error}");
                    assert!(
                        !error.message().contains("decoder failed"),
                        "{name} cut at {cut}: a panic"
                    );
                    if kind == ErrorKind::Corrupt {
                        assert!(own, "{name} cut at {cut}: {error}");
                    }
                }
            }
        }
        if name == "pages.tif" || name == "animated.gif" {
            assert!(right > 0, "{name}: the first frame does not need the others");
        }
    }
}

/// splitmix64, as everywhere in the house.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[test]
fn a_changed_byte_is_no_panic_and_no_hang() {
    let count = std::env::var("BIQA_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(4_000);
    let files: Vec<_> = golden_files().into_iter().filter(|(_, bytes)| !bytes.is_empty()).collect();
    let mut state = 7;
    for i in 0..count {
        let (name, original) = &files[i % files.len()];
        let mut bytes = original.clone();
        let at = (random(&mut state) % bytes.len() as u64) as usize;
        bytes[at] = random(&mut state) as u8;
        let mut options = LoadOptions::default();
        if i % 2 == 1 {
            options.truncated = TruncatedPolicy::Gray;
        }
        let start = Instant::now();
        let result = decode(&bytes, name, &options);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(1), "{name}, byte {at} = {:02x}: {took:?}", bytes[at]);
        match result {
            Ok(picture) => {
                let (w, h) = (picture.source.stored_width, picture.source.stored_height);
                let shown = (picture.rgb.width(), picture.rgb.height());
                assert!(shown == (w, h) || shown == (h, w), "{name}, byte {at}");
            }
            Err(error) => {
                let failed = error.message().contains("decoder failed");
                assert!(!failed, "{name}, byte {at} = {:02x}: {error}", bytes[at]);
            }
        }
    }
}

/// With `truncated = "gray"` the part that is there stays, the rest is (128, 128, 128).
#[test]
fn what_is_missing_can_be_gray() {
    let options = LoadOptions { truncated: TruncatedPolicy::Gray, ..LoadOptions::default() };
    for (name, bytes) in golden_files() {
        let Ok(whole) = decode(&bytes, &name, &options) else { continue };
        if !whole.warnings.is_empty() && name != "really-jpeg.png" {
            continue;
        }
        let cut = bytes.len() * 7 / 10;
        let Ok(part) = decode(&bytes[..cut], &name, &options) else { continue };
        let warned = part.warnings.iter().any(|w| w.kind == WarningKind::Truncated);
        assert_eq!(
            part.rgb != whole.rgb || warned,
            warned,
            "{name}: other pixels without a warning"
        );
        if warned && !name.ends_with("jpg") && name != "interlaced.png" {
            let gray = only_gray_or_equal(&part.rgb, &whole.rgb);
            assert!(gray, "{name}: neither the picture's pixel nor gray");
        }
    }
}

fn only_gray_or_equal(part: &Rgb8, whole: &Rgb8) -> bool {
    part.data()
        .chunks_exact(3)
        .zip(whole.data().chunks_exact(3))
        .all(|(a, b)| a == b || a == [128; 3])
}

#[test]
fn the_truncated_golden_files_can_be_shown_in_gray() {
    let options = LoadOptions { truncated: TruncatedPolicy::Gray, ..LoadOptions::default() };
    for (name, bytes) in golden_files() {
        if name == "truncated.jpg" || name == "truncated.png" {
            let picture = decode(&bytes, &name, &options).expect(&name);
            assert_eq!(picture.warnings[0].kind, WarningKind::Truncated, "{name}");
            assert_eq!(picture.rgb.pixel(47, 31), [128; 3], "{name}");
            assert_ne!(picture.rgb.pixel(0, 0), [128; 3], "{name}");
        }
    }
}

#[test]
fn a_raised_flag_stops_the_decoder() {
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let options = LoadOptions { cancel: Some(flag), alpha: Alpha::White, ..LoadOptions::default() };
    let error = decode(b"P5 1 1 255 x", "a.pgm", &options).expect_err("cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
