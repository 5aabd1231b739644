//! The readers of label files on the real files of `../shared/data/label_tables` where they are
//! here, on files made by hand (`tests/made`), and on broken ones.
//!
//! `BIQA_MUTATIONS` sets how many changed copies of each file a reader is fed (2,000 without it).

#[path = "../made/mod.rs"]
mod made;

mod lists;
mod mat;
mod npy;
mod sheets;

use biqa::random::stream;
use std::path::Path;

/// A real label file; tests that need it say so and pass where it is not.
fn table(name: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/label_tables");
    let path = folder.join(name);
    if !path.exists() {
        eprintln!("NOT RUN: {} is not here", path.display());
        return None;
    }
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Feeds every prefix; `read` says whether it gave a whole table, which no prefix may.
fn no_prefix_is_whole(bytes: &[u8], read: impl Fn(&[u8]) -> bool) {
    assert!(read(bytes), "the whole file is read");
    for cut in 0..bytes.len() {
        assert!(!read(&bytes[..cut]), "cut at byte {cut} of {}", bytes.len());
    }
}

/// Feeds copies with a few changed, removed or doubled bytes. `read` must come back.
fn changed_copies_come_back(bytes: &[u8], read: impl Fn(&[u8])) {
    let count = std::env::var("BIQA_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    for copy in 0..count {
        let mut draws = stream(7, "formats", copy);
        let mut changed = bytes.to_vec();
        for _ in 0..=draws.below(4) {
            let at = draws.below(changed.len() as u64) as usize;
            let end = (at + 1 + draws.below(8) as usize).min(changed.len());
            match draws.below(5) {
                0 => changed[at] ^= 1 << draws.below(8),
                1 => changed[at] = draws.below(256) as u8,
                2 => changed[at..end].fill(0xff),
                3 => drop(changed.drain(at..end)),
                _ => changed.extend_from_within(at..end),
            }
        }
        read(&changed);
    }
}

/// Equal to about 1e-6, as the tables of datasets.md print numbers.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-6
}
