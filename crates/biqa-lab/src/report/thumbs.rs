//! The worst and the best predictions as small pictures inside the page.

use std::path::Path;

use biqa::image::{LoadOptions, Rgb8, load};
use biqa::resize::{Filter, resize};

use super::document::{Cell, DataUri, Pictures, Thumbnail};
use super::findings::{Findings, Point};
use crate::datasets::Direction;

/// Longer side of a small picture, in pixels.
const SIDE: u32 = 160;

/// The `count` images with the largest and the `count` with the smallest residuals; an image that is
/// in several splits stands there once, as it came out worst.
pub fn worst_and_best(findings: &Findings, count: usize, id: &str) -> [Pictures; 2] {
    let mut worst: Vec<&Point> = findings.points.iter().collect();
    worst.sort_by(|a, b| {
        let order = b.residual().abs().total_cmp(&a.residual().abs());
        order.then_with(|| a.image.path.cmp(&b.image.path))
    });
    let mut seen = std::collections::BTreeSet::new();
    worst.retain(|point| seen.insert(point.image.path.as_str()));
    let count = count.min(worst.len() / 2).max(usize::from(worst.len() == 1));
    let best: Vec<&Point> = worst.iter().rev().take(count).copied().collect();
    worst.truncate(count);
    let root = findings.run.results.dataset.root.as_ref();
    let pictures = |which: &str, name: &str, points: &[&Point]| Pictures {
        id: format!("{id}-{name}"),
        caption: format!(
            "The {} images whose fitted prediction is {which} the label. They are shrunk: fine \
             noise and slight blur do not show at this size.{}",
            points.len(),
            if root.is_some() { "" } else { " The run does not say where the pictures are." }
        ),
        items: points.iter().map(|point| thumbnail(findings, point)).collect(),
    };
    [pictures("farthest from", "worst", &worst), pictures("nearest to", "best", &best)]
}

fn thumbnail(findings: &Findings, point: &Point) -> Thumbnail {
    let sign = if findings.direction() == Direction::Dmos { -1.0 } else { 1.0 };
    let root = findings.run.results.dataset.root.as_deref();
    Thumbnail {
        picture: match root {
            Some(root) => small(&root.join(&point.image.path)),
            None => Err(String::new()),
        },
        path: point.image.path.clone(),
        numbers: vec![
            ("label", Cell::number(Some(point.image.score), 3)),
            ("fitted", Cell::number(Some(sign * point.fitted), 3)),
            ("off by", Cell::difference(Some(sign * point.residual()), 3)),
            ("prediction", Cell::number(Some(point.image.prediction), 3)),
        ],
    }
}

/// A file as a small PNG. The reason why there is none doesn't name the file: its place on this
/// machine has no business in a report.
fn small(path: &Path) -> Result<DataUri, String> {
    let picture = load(path, &LoadOptions::default()).map_err(|e| e.message().to_owned())?.rgb;
    let longer = picture.width().max(picture.height());
    let side = |n: u32| {
        if longer <= SIDE { n } else { (u64::from(n) * u64::from(SIDE) / u64::from(longer)) as u32 }
    };
    let (width, height) = (side(picture.width()).max(1), side(picture.height()).max(1));
    let small = resize(&picture, width, height, Filter::Lanczos).map_err(|e| e.to_string())?;
    let bytes = png(&small).map_err(|e| e.to_string())?;
    Ok(DataUri { uri: format!("data:image/png;base64,{}", base64(&bytes)), width, height })
}

fn png(picture: &Rgb8) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.write_header()?.write_image_data(picture.data())?;
    Ok(bytes)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("\u{7ff}?", "378/"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_small_picture_is_inside_its_side_and_keeps_its_colour() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.png");
        let data = [200, 100, 50].repeat(400 * 100);
        let big = Rgb8::new(400, 100, data).expect("a picture");
        std::fs::write(&path, png(&big).expect("encoded")).expect("written");
        let found = small(&path).expect("a picture");
        assert_eq!((found.width, found.height), (160, 40));
        assert!(found.uri.starts_with("data:image/png;base64,iVBOR"));
        let bytes = png(&resize(&big, 160, 40, Filter::Lanczos).expect("small")).expect("encoded");
        let back = biqa::image::decode(&bytes, "a.png", &LoadOptions::default()).expect("a PNG");
        assert_eq!(back.rgb.pixel(80, 20), [200, 100, 50]);
        assert!(small(&folder.path().join("gone.png")).is_err_and(|e| e.contains("no such file")));
    }
}
