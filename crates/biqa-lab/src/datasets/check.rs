//! The checks of section 4 of `papers/datasets.md`, on complete labels, before the disk is looked at.

use super::labels::LabelFile;
use super::{DatasetError, Manifest, Options};
use std::collections::HashMap;

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
    for (row, &line) in labels.rows.iter().zip(&labels.lines) {
        let key = match labels.release {
            Some(_) => row.path.to_ascii_lowercase(),
            None => row.path.clone(),
        };
        if let Some(first_line) = seen.insert(key, line) {
            return Err(DatasetError::Duplicate {
                file: labels.file.clone(),
                unit: labels.unit,
                line,
                first_line,
                path: row.path.clone(),
            });
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
        ("rows", release.rows, manifest.rows.len()),
        ("contents", release.contents, manifest.contents()),
    ];
    for (what, expected, found) in counts {
        if expected != found {
            if !options.partial {
                let dataset = manifest.dataset.clone();
                return Err(DatasetError::Count { dataset, what, expected, found });
            }
            manifest.subset = true;
            manifest.notes.push(format!(
                "subset: {found} {what} of {expected}; not comparable with published numbers"
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

/// No score may lie further outside the scale than half its length.
pub(super) fn check_scores(manifest: &Manifest) -> Result<(), DatasetError> {
    let [lo, hi] = manifest.range_nominal;
    // A release may leave its nominal scale; a scale that a user states for their own list holds.
    let slack = if manifest.dataset == "csv" { 0.0 } else { SLACK * (hi - lo) };
    match manifest.rows.iter().find(|row| row.score < lo - slack || row.score > hi + slack) {
        Some(row) => Err(DatasetError::Score {
            dataset: manifest.dataset.clone(),
            path: row.path.clone(),
            score: row.score,
            lo,
            hi,
        }),
        None => Ok(()),
    }
}
