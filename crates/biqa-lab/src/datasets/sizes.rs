//! Sizes of pictures from their first bytes, and which are smaller than what a network looks at.
//!
//! PNG, BMP and JPEG, the formats of all known sets; of others nothing is said. No pixel is decoded.
//! Called by `biqa data check`.

use super::Manifest;
use super::error::{are, counted};
use biqa::image::Format;
use rayon::prelude::*;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// A JPEG's size stands behind its metadata, thumbnails among them.
const HEAD_BYTES: u64 = 256 << 10;

/// What tells every format: AVIF may name itself last of 32 brands.
const BRAND_BYTES: u64 = 144;

/// What to note where pictures have a side shorter than `side`: they are enlarged before a crop is
/// cut, so that scores on them are about something else.
pub fn smaller_than(manifest: &Manifest, side: u32) -> Option<String> {
    let small = |row: &&super::Row| {
        size_of(&manifest.file(row)).is_some_and(|[width, height]| width.min(height) < side)
    };
    let small: Vec<&super::Row> = manifest.rows.par_iter().filter(small).collect();
    let first = small.first()?;
    Some(format!(
        "{} {} smaller than {side} pixels on a side and will be enlarged for a crop of that size, \
         first: {}",
        counted(small.len(), "picture"),
        are(small.len()),
        first.path
    ))
}

/// Labelled files that are no pictures by their first bytes, and why; no pixel is decoded.
pub fn no_pictures(manifest: &Manifest) -> Vec<(String, String)> {
    let why = |row: &super::Row| {
        let file = manifest.file(row);
        let head = || {
            let mut head = Vec::new();
            File::open(&file)?.take(BRAND_BYTES).read_to_end(&mut head).map(|_| head)
        };
        let why = match head() {
            _ if file.is_dir() => "a folder".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
            Ok(head) if head.is_empty() => "empty".to_owned(),
            Ok(head) if Format::of_content(&head).is_none() => {
                "not in a format that biqa reads".to_owned()
            }
            Ok(_) => return None,
        };
        Some((row.path.clone(), why))
    };
    manifest.rows.par_iter().filter_map(why).collect()
}

/// Width and height; `None` where the first bytes do not say.
fn size_of(file: &Path) -> Option<[u32; 2]> {
    let mut head = Vec::new();
    // Most formats say it at once, so that a disk is not read through for nothing.
    let mut reader = File::open(file).ok()?;
    reader.by_ref().take(64).read_to_end(&mut head).ok()?;
    if head.starts_with(b"\xff\xd8") {
        reader.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    }
    size(&head)
}

fn size(head: &[u8]) -> Option<[u32; 2]> {
    match head {
        [0x89, b'P', b'N', b'G', ..] => Some([big(head, 16)?, big(head, 20)?]),
        [b'B', b'M', ..] => {
            let side = |at: usize| {
                let bytes = head.get(at..at + 4)?.try_into().ok()?;
                // Rows from the top down are told by a negative height.
                Some(i32::from_le_bytes(bytes).unsigned_abs())
            };
            Some([side(18)?, side(22)?])
        }
        [0xff, 0xd8, ..] => jpeg(head),
        _ => None,
    }
}

/// The frame header of a JPEG: marker C0 to CF but for C4, C8 and CC.
fn jpeg(head: &[u8]) -> Option<[u32; 2]> {
    let short =
        |at: usize| Some(u32::from(u16::from_be_bytes(head.get(at..at + 2)?.try_into().ok()?)));
    let mut at = 2;
    loop {
        match *head.get(at..at + 2)? {
            [0xff, 0xff] => at += 1,
            [0xff, 0x01 | 0xd0..=0xd7] => at += 2,
            [0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf] => {
                return Some([short(at + 7)?, short(at + 5)?]);
            }
            [0xff, 0xda | 0xd9] => return None,
            [0xff, _] => at += 2 + short(at + 2)? as usize,
            _ => return None,
        }
    }
}

fn big(head: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::{Direction, Options, open};
    use super::*;

    /// The set of a list in a folder.
    fn listed(folder: &Path, list: &str) -> Manifest {
        std::fs::write(folder.join("labels.csv"), list).expect("writable");
        let options = Options {
            direction: Some(Direction::Mos),
            range: Some([0.0, 1.0]),
            ..Options::default()
        };
        open("csv", folder, &options).expect("a list")
    }

    #[test]
    fn sizes_stand_in_the_first_bytes() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\0\0\0\0\x50";
        assert_eq!(size(png), Some([256, 80]));
        let mut bmp = b"BM".to_vec();
        bmp.extend([0; 16]);
        bmp.extend(300_i32.to_le_bytes());
        bmp.extend((-200_i32).to_le_bytes());
        assert_eq!(size(&bmp), Some([300, 200]));
        // A comment, a table, a fill byte, then the frame.
        let jpeg = b"\xff\xd8\xff\xfe\0\x04ab\xff\xc4\0\x02\xff\xff\xc2\0\x0b\x08\x01\x2c\x01\x90";
        assert_eq!(size(jpeg), Some([400, 300]));
        for other in [&b"P6 1 1 255"[..], &png[..20], &jpeg[..18], b"\xff\xd8\xff\xda", b""] {
            assert_eq!(size(other), None, "{other:?}");
        }
    }

    #[test]
    fn files_that_are_no_pictures_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a.png"), b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")
            .expect("written");
        std::fs::write(folder.path().join("b.png"), b"").expect("written");
        std::fs::write(folder.path().join("c.jpg"), b"not found").expect("written");
        std::fs::create_dir(folder.path().join("d.jpg")).expect("made");
        let list = "path,score\na.png,1\nb.png,1\nc.jpg,1\nd.jpg,1\n";
        let set = listed(folder.path(), list);
        let found = no_pictures(&set);
        let names: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["b.png", "c.jpg", "d.jpg"]);
        assert_eq!((found[0].1.as_str(), found[2].1.as_str()), ("empty", "a folder"));
    }

    #[test]
    fn small_pictures_are_counted_and_the_first_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let png = |width: u32, height: u32| {
            let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
            bytes.extend(width.to_be_bytes());
            bytes.extend(height.to_be_bytes());
            bytes
        };
        let names = ["a.png", "b.png", "c.png"];
        for (name, [width, height]) in names.iter().zip([[224, 300], [223, 500], [900, 10]]) {
            std::fs::write(folder.path().join(name), png(width, height)).expect("writable");
        }
        let list = "path,score\na.png,1\nb.png,1\nc.png,1\n";
        let set = listed(folder.path(), list);
        let note = smaller_than(&set, 224).expect("two are");
        assert!(note.starts_with("2 pictures are smaller than 224"), "{note}");
        assert!(note.contains("first: b.png"), "{note}");
        assert_eq!(smaller_than(&set, 10), None);
    }
}
