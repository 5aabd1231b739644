//! The scores of the release: fixed photos, fixed numbers.
//!
//! A score is API: people keep thresholds, and compare this year's photos with last year's. Where
//! a change of the code, of a pinned crate or of the model moves any of these numbers by more than
//! [`TOLERANCE`], the model's version must rise and CHANGELOG.md must say so. Then renew the file:
//!
//! `BIQA_UPDATE_SCORES=1 cargo test --release --workspace --test scores`

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use biqa::image::LoadOptions;
use biqa::scorer::Scorer;
use serde::{Deserialize, Serialize};

/// A difference that no user sees; other processors may round differently.
const TOLERANCE: f64 = 1e-3;
const RENEW: &str = "BIQA_UPDATE_SCORES=1 cargo test --release --workspace --test scores";

/// `scores.json`.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stability {
    /// Why the file is there, for whoever opens it.
    about: String,
    /// The model and its version.
    model: String,
    /// SHA-256 of all that decides its scores.
    digest: String,
    /// Score by file name.
    scores: BTreeMap<String, f64>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scores.json")
}

/// The sample photos, by name.
fn photos() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join("photos")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let mut photos: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "jpg")).collect();
    photos.sort();
    photos
}

/// Past libtest, which hides what a passing test prints.
fn say(text: &str) {
    writeln!(io::stderr(), "scores: {text}").expect("stderr is open");
}

fn measured(scorer: &Scorer, photos: &[PathBuf]) -> Stability {
    let card = scorer.card();
    let scores = photos.iter().map(|path| {
        let record = scorer.score_path(path, &LoadOptions::default());
        let score = record.score.unwrap_or_else(|| panic!("{:?}", record.error));
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        (name, (score * 1e4).round() / 1e4)
    });
    Stability {
        about: format!("scores are API; what to do when one moves: scores.rs ({RENEW})"),
        model: format!("{} {}", card.name, card.version),
        digest: scorer.digest().to_owned(),
        scores: scores.collect(),
    }
}

#[test]
fn the_sample_photos_keep_their_scores() {
    let photos = photos();
    assert!(!photos.is_empty(), "the repository's photos/*.jpg are gone");
    let scorer = Scorer::builtin().expect("the built-in model is whole");
    let found = measured(&scorer, &photos);
    if std::env::var_os("BIQA_UPDATE_SCORES").is_some_and(|v| v == "1") {
        let mut json = serde_json::to_string_pretty(&found).expect("plain data");
        json.push('\n');
        fs::write(file(), json).expect("scores.json is writable");
        return say("scores.json was written anew: raise the model's version if a score moved");
    }
    let text = fs::read_to_string(file()).unwrap_or_else(|_| "{}".to_owned());
    let kept: Stability = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("scores.json: {e}; make it with {RENEW}"));
    compare(&kept, &found);
}

fn compare(kept: &Stability, found: &Stability) {
    let mut moved = Vec::new();
    let names =
        kept.scores.keys().chain(found.scores.keys().filter(|n| !kept.scores.contains_key(*n)));
    for name in names {
        match (kept.scores.get(name), found.scores.get(name)) {
            (Some(a), Some(b)) if (a - b).abs() <= TOLERANCE => {}
            (a, b) => moved.push(format!("{name}: was {a:?}, is {b:?}")),
        }
    }
    assert!(
        moved.is_empty() && kept.model == found.model,
        "scores are API, and these moved ({} -> {}, weights {} -> {}):\n{}\nIf that is wanted, \
         raise the model's version, say so in CHANGELOG.md, and renew the file: {RENEW}",
        kept.model,
        found.model,
        kept.digest.get(..12).unwrap_or("none"),
        found.digest.get(..12).unwrap_or("none"),
        moved.join("\n")
    );
}
