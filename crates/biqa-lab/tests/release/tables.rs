//! The real label files of the sets, and what their README expects after loading.
//!
//! They may not be shipped, so they lie beside the repository; a test says so and passes where they
//! are not.

use biqa_lab::datasets::{Manifest, Options};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `shared/data/label_tables/` beside the repository.
pub fn tables(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/label_tables");
    let path = path.join(folder);
    if path.exists() {
        return Some(path);
    }
    eprintln!("NOT RUN: {} is not here", path.display());
    None
}

/// No picture is looked for.
pub fn labels_only() -> Options {
    Options { labels_only: true, ..Options::default() }
}

/// A root with copies of label files: path in the root, path below the tables.
pub fn root_of(files: &[(&str, &str)]) -> Option<tempfile::TempDir> {
    let from = tables("")?;
    let root = tempfile::tempdir().expect("a temporary folder");
    for (to, file) in files {
        let to = root.path().join(to);
        std::fs::create_dir_all(to.parent().expect("below the root")).expect("writable");
        std::fs::copy(from.join(file), to).unwrap_or_else(|e| panic!("{file}: {e}"));
    }
    Some(root)
}

/// What the README of the tables expects after loading.
pub struct Expected {
    pub rows: usize,
    pub contents: usize,
    pub min: f64,
    pub max: f64,
    pub mean: f64,
}

/// Figures of a set.
pub fn expect(rows: usize, contents: usize, min: f64, max: f64, mean: f64) -> Expected {
    Expected { rows, contents, min, max, mean }
}

/// Checks the table's figures; returns the population standard deviation.
#[track_caller]
pub fn check(found: &Manifest, expected: &Expected) -> f64 {
    let scores: Vec<f64> = found.rows.iter().map(|row| row.score).collect();
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let min = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert_eq!((found.rows.len(), found.contents()), (expected.rows, expected.contents));
    for (what, found, expected) in
        [("min", min, expected.min), ("max", max, expected.max), ("mean", mean, expected.mean)]
    {
        assert!((found - expected).abs() <= 0.5e-6 + 1e-12, "{what}: {found}, not {expected}");
    }
    assert!(!found.subset, "{:?}", found.notes);
    (scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// Equal to the six decimals of the README.
#[track_caller]
pub fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 0.5e-6 + 1e-12, "{found}, not {expected}");
}

/// How many rows have each key.
pub fn counts<'a>(keys: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_insert(0) += 1;
    }
    counts
}

/// How many contents have each number of images.
pub fn sizes(found: &Manifest) -> BTreeMap<usize, usize> {
    let mut sizes = BTreeMap::new();
    for size in counts(found.rows.iter().map(|row| row.content.as_str())).into_values() {
        *sizes.entry(size).or_insert(0) += 1;
    }
    sizes
}

/// The score of a picture.
pub fn score_of(found: &Manifest, path: &str) -> f64 {
    let row = found.rows.iter().find(|row| row.path == path);
    row.unwrap_or_else(|| panic!("{path} is not there")).score
}

/// Nothing to be said.
pub fn no_notes(found: &Manifest) {
    assert_eq!(found.notes, Vec::<String>::new());
}
