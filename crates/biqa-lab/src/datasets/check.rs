//! The checks of section 4 of `papers/datasets.md`, on complete labels, before the disk is looked at.

use super::error::{are, counted};
use super::labels::LabelFile;
use super::manifest::Split;
use super::places::Places;
use super::{DatasetError, Manifest, Options};
use std::collections::{BTreeSet, HashMap};

/// What is known about a release (table in section 1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Release {
    pub(super) rows: usize,
    pub(super) contents: usize,
    /// `None` where nobody has measured it.
    pub(super) scores: Option<Scores>,
}

/// Extremes and mean of the scores of a release.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scores {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
}

/// How far a figure may be from the release's, as a share of the scale (section 4).
const TOLERANCE: f64 = 1e-4;
/// How far a score may lie outside the scale, as a share of its length (section 4).
const SLACK: f64 = 0.5;

/// No image may be listed twice. Letter case makes two images of a user's own, not of a release:
/// disks and lists differ in it.
pub(super) fn refuse_duplicates(labels: &LabelFile) -> Result<(), DatasetError> {
    let mut seen = HashMap::new();
    for (i, row) in labels.rows.iter().enumerate() {
        let key = match labels.release {
            Some(_) => row.path.to_ascii_lowercase(),
            None => row.path.clone(),
        };
        if let Some(first) = seen.insert(key, i) {
            let [place, first] = [i, first].map(|label| Box::new(labels.places.of(label)));
            return Err(DatasetError::Duplicate { place, first, path: row.path.clone() });
        }
    }
    Ok(())
}

/// Numbers of rows and contents, and how far the scores are from those of the release.
pub(super) fn check_release(
    manifest: &mut Manifest,
    release: &Release,
    options: &Options,
) -> Result<(), DatasetError> {
    let counts = [
        ("row", release.rows, manifest.rows.len()),
        ("content", release.contents, manifest.contents()),
    ];
    for (what, expected, found) in counts {
        if expected != found {
            if !options.partial {
                let dataset = manifest.dataset.clone();
                return Err(DatasetError::Count { dataset, what, expected, found });
            }
            manifest.subset = true;
            manifest.notes.push(format!(
                "subset: {} of {expected}; not comparable with published numbers",
                counted(found, what)
            ));
        }
    }
    let Some(known) = release.scores.filter(|_| !manifest.subset) else { return Ok(()) };
    let [lo, hi] = manifest.range_nominal;
    let scores = || manifest.rows.iter().map(|row| row.score);
    let found = [
        ("minimum", known.min, scores().fold(f64::INFINITY, f64::min)),
        ("maximum", known.max, scores().fold(f64::NEG_INFINITY, f64::max)),
        ("mean", known.mean, scores().sum::<f64>() / manifest.rows.len().max(1) as f64),
    ];
    for (what, expected, found) in found {
        if (found - expected).abs() > TOLERANCE * (hi - lo) {
            manifest.notes.push(format!(
                "labels differ from the release we know: {what} {found}, expected {expected}"
            ));
        }
    }
    Ok(())
}

/// No score may lie further outside the scale than half its length. Less is noted where the scale
/// is a user's word; releases are known to leave theirs. `places` are those of the rows.
pub(super) fn check_scores(manifest: &mut Manifest, places: &Places) -> Result<(), DatasetError> {
    let [lo, hi] = manifest.range_nominal;
    let slack = SLACK * (hi - lo);
    let outside: Vec<usize> = (0..manifest.rows.len())
        .filter(|&i| manifest.rows[i].score < lo || manifest.rows[i].score > hi)
        .collect();
    let far = |i: &&usize| {
        let score = manifest.rows[**i].score;
        score < lo - slack || score > hi + slack
    };
    if let Some(&i) = outside.iter().find(far) {
        let row = &manifest.rows[i];
        return Err(DatasetError::Score {
            place: Box::new(places.of(i)),
            dataset: manifest.dataset.clone(),
            path: row.path.clone(),
            score: row.score,
            lo,
            hi,
        });
    }
    if let Some(&i) = outside.first().filter(|_| manifest.dataset == "csv") {
        let note = format!(
            "{} {} outside the scale {lo} to {hi}, first: {} ({})",
            counted(outside.len(), "score"),
            are(outside.len()),
            manifest.rows[i].score,
            places.of(i)
        );
        manifest.notes.push(note);
    }
    Ok(())
}

/// Contents with images in several of the parts that the set brings: said, since whoever takes the
/// parts as they are tests on what was trained on.
pub(super) fn note_parted_contents(manifest: &mut Manifest) {
    let mut first: HashMap<&str, (usize, Split)> = HashMap::new();
    let mut parted = BTreeSet::new();
    let mut example = None;
    for (i, row) in manifest.rows.iter().enumerate() {
        let Some(part) = row.split else { continue };
        let &mut (j, other) = first.entry(&row.content).or_insert((i, part));
        if other != part {
            parted.insert(row.content.as_str());
            example.get_or_insert((j, i));
        }
    }
    let Some((j, i)) = example else { return };
    let part = |i: usize| manifest.rows[i].split.map(|part| part.to_string()).unwrap_or_default();
    let note = format!(
        "the set's own parts leak: {} {} in several of them, first {:?}: {:?} ({}) and {:?} ({})",
        counted(parted.len(), "content"),
        are(parted.len()),
        manifest.rows[i].content,
        manifest.rows[j].path,
        part(j),
        manifest.rows[i].path,
        part(i)
    );
    manifest.notes.push(note);
}
