//! Every case of every `golden/images` folder: the copy beside this file, `../shared` where it
//! exists, and every folder of that form in a root of `BIQA_GOLDEN` (papers/images.md, section 11, item 1).

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use biqa::image::{LoadOptions, Picture, decode, load};
use serde_json::Value;

/// The folders to test.
fn folders() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![here.join("tests/golden/images")];
    let shared = here.join("../../../shared/golden/images");
    if shared.is_dir() {
        folders.push(shared);
    } else {
        eprintln!("NOTE: {} is not here; only the own copy is tested", shared.display());
    }
    let roots = std::env::var("BIQA_GOLDEN").unwrap_or_default();
    for root in roots.split(':').filter(|root| !root.is_empty()) {
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        let inside = entries.map(|entry| entry.path()).chain([PathBuf::from(root)]);
        let mut found: Vec<PathBuf> =
            inside.filter(|folder| folder.join("expected.json").is_file()).collect();
        found.sort();
        if found.is_empty() {
            eprintln!("NOTE: no folder with an expected.json in the root {root} of BIQA_GOLDEN");
        }
        folders.extend(found);
    }
    folders.retain(|folder| folder.join("expected.json").is_file());
    assert!(!folders.is_empty(), "no golden folder at all");
    folders
}

fn expected(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("expected.json");
    serde_json::from_str(&text).expect("JSON")
}

fn cases(expected: &Value) -> &Vec<Value> {
    expected["cases"].as_array().expect("cases")
}

/// The values of a uint8 NumPy file (version 1), and its shape text.
fn npy(path: &Path) -> (String, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(bytes.starts_with(b"\x93NUMPY\x01"), "{}", path.display());
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = String::from_utf8_lossy(&bytes[10..10 + length]).into_owned();
    assert!(header.contains("|u1") && header.contains("'fortran_order': False"), "{header}");
    (header, bytes[10 + length..].to_vec())
}

/// What is wrong with a case; empty: nothing.
fn problems(folder: &Path, case: &Value) -> String {
    let mut out = String::new();
    let file = case["file"].as_str().expect("file");
    let result = load(&folder.join(file), &LoadOptions::default());
    match (case["outcome"].as_str(), result) {
        (Some("pixels"), Ok(picture)) => compare(folder, case, &picture, &mut out),
        (Some("error"), Err(error)) => {
            if case["kind"] != error.kind().as_str() {
                let _ = write!(out, " kind {} instead of {};", error.kind(), case["kind"]);
            }
            let message = error.to_string().to_lowercase();
            let texts = case["message_contains"].as_array().map_or(&[][..], Vec::as_slice);
            for text in texts.iter().filter_map(Value::as_str).chain([file]) {
                if !message.contains(&text.to_lowercase()) {
                    let _ = write!(out, " no {text:?} in {message:?};");
                }
            }
        }
        (_, Ok(_)) => out.push_str(" a picture instead of an error"),
        (_, Err(error)) => drop(write!(out, " {error}")),
    }
    out
}

fn compare(folder: &Path, case: &Value, picture: &Picture, out: &mut String) {
    let (width, height) = (picture.rgb.width(), picture.rgb.height());
    if case["width"] != width || case["height"] != height {
        let _ = write!(out, " size {width} x {height};");
        return;
    }
    if case["format"] != picture.source.format.as_str() {
        let _ = write!(out, " format {};", picture.source.format);
    }
    let (header, array) = npy(&folder.join(case["array"].as_str().expect("array")));
    assert!(header.contains(&format!("({height}, {width}, 3)")), "{header}");
    let differences: Vec<u32> =
        array.iter().zip(picture.rgb.data()).map(|(a, b)| u32::from(a.abs_diff(*b))).collect();
    let max = differences.iter().max().copied().unwrap_or(0);
    let mean = f64::from(differences.iter().sum::<u32>()) / differences.len() as f64;
    if f64::from(max) > case["max_abs"].as_f64().expect("max_abs")
        || mean > case["mean_abs"].as_f64().expect("mean_abs")
    {
        let _ = write!(out, " differs by up to {max}, {mean:.3} on average;");
    }
    let wanted: Vec<&str> =
        case["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let found: Vec<&str> = picture.warnings.iter().map(|warning| warning.kind.as_str()).collect();
    if wanted != found {
        let _ = write!(out, " warnings {found:?} instead of {wanted:?};");
    }
}

#[test]
fn golden_every_case_gives_its_outcome() {
    let mut failures = String::new();
    for folder in folders() {
        for case in cases(&expected(&folder)) {
            let problems = problems(&folder, case);
            if !problems.is_empty() {
                let _ = writeln!(failures, "{}/{}:{problems}", folder.display(), case["file"]);
            }
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
}

#[test]
fn golden_no_file_stands_in_a_folder_unnamed() {
    for folder in folders() {
        let expected = expected(&folder);
        let mut named: HashSet<&str> = HashSet::from(["expected.json", "README.md"]);
        for case in cases(&expected) {
            named.extend([&case["file"], &case["array"]].into_iter().filter_map(|v| v.as_str()));
        }
        for entry in std::fs::read_dir(&folder).expect("folder") {
            let name = entry.expect("entry").file_name();
            let name = name.to_string_lossy();
            assert!(named.contains(&*name), "{}/{name} is in no case", folder.display());
        }
    }
}

#[test]
fn golden_the_eight_orientations_show_the_same_picture() {
    for folder in folders() {
        let load =
            |k: u8| load(&folder.join(format!("exif-{k}.jpg")), &LoadOptions::default()).ok();
        let pictures: Vec<Picture> = (1..=8).filter_map(load).collect();
        for (i, a) in pictures.iter().enumerate() {
            for b in &pictures[..i] {
                let sum: u32 = a
                    .rgb
                    .data()
                    .iter()
                    .zip(b.rgb.data())
                    .map(|(a, b)| u32::from(a.abs_diff(*b)))
                    .sum();
                let mean = f64::from(sum) / a.rgb.data().len() as f64;
                assert!(
                    mean <= 3.0,
                    "{} and {}: {mean}",
                    a.source.orientation,
                    b.source.orientation
                );
            }
        }
    }
}

/// The preset "pillow" changes exactly what section 7 says.
#[test]
fn golden_the_pillow_preset_ignores_orientation_profile_and_alpha() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images");
    let load = |file: &str| load(&folder.join(file), &LoadOptions::pillow()).expect(file);
    let turned = load("exif-6.png");
    assert_eq!((turned.rgb.width(), turned.rgb.height()), (32, 48));
    assert!(!turned.source.turned);
    assert_eq!(turned.source.orientation, 6);
    let wide = load("icc-p3.png");
    assert!(!wide.source.profile_applied && wide.warnings.is_empty());
    assert!(load("icc-broken.png").warnings.is_empty());
    assert_eq!(load("rgba.png").notes().last().map(String::as_str), Some("alpha dropped"));
}

/// The name a file goes by changes nothing but the warning.
#[test]
fn golden_bytes_and_file_give_the_same_picture() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images");
    let path = folder.join("exif-6.jpg");
    let bytes = std::fs::read(&path).expect("file");
    let a = load(&path, &LoadOptions::default()).expect("picture");
    let b = decode(&bytes, "other.jpg", &LoadOptions::default()).expect("picture");
    assert_eq!(a.rgb, b.rgb);
    assert_eq!(a.content_hash(), b.content_hash());
    assert_eq!(a.notes(), ["turned (exif 6)"]);
}
