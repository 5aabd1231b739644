//! How well scores agree with people on one part of one dataset.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use biqa::record::Record;
use biqa::scorer::{RunOptions, Scorer, score_all};

use crate::datasets::{Manifest, Split};
use crate::stats::{self, Statistic, StatsError};

/// Rows of the bootstrap (papers/protocol.md, section 5).
const RESAMPLES: usize = 2000;
/// Level of the intervals.
const LEVEL: f64 = 0.95;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// No row of the dataset is in the part.
    #[error("{dataset} has no photo in {part}; parts: train, val, test, all")]
    EmptyPart {
        /// The dataset.
        dataset: String,
        /// The part asked for.
        part: String,
    },
    /// Photos without a score.
    #[error(
        "{count} of {total} photos have no score: {first}; a figure over the others would not be \
         comparable"
    )]
    Failed {
        /// How many.
        count: usize,
        /// Of how many.
        total: usize,
        /// The first few, with the reasons.
        first: String,
    },
    /// A list of scores can't be read.
    #[error("{path}: {reason}")]
    Scores {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the row.
        reason: String,
    },
    /// The statistic can't be taken.
    #[error(transparent)]
    Stats(#[from] StatsError),
}

/// A figure, its interval and how that was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// The figure; `None` when undefined (constant scores).
    pub value: Option<f64>,
    /// 95 % interval.
    pub interval: Option<[f64; 2]>,
}

/// What evaluation gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Photos.
    pub photos: usize,
    /// Contents, the units of the bootstrap.
    pub contents: usize,
    /// Spearman's correlation with quality.
    pub srcc: Figure,
    /// Pearson's, raw.
    pub plcc: Figure,
    /// Kendall's tau-b.
    pub krcc: Option<f64>,
    /// Every photo: path, prediction, label.
    pub predictions: Vec<(String, f64, f64)>,
}

/// The part of a manifest that a name means: `train`, `val`, `test` or `all`.
pub fn part(manifest: &Manifest, name: &str) -> Result<Vec<usize>, EvaluateError> {
    let rows = match Split::of_text(name) {
        Some(split) => manifest.part(split),
        None if name == "all" => (0..manifest.rows.len()).collect(),
        None => Vec::new(),
    };
    if rows.is_empty() {
        return Err(EvaluateError::EmptyPart {
            dataset: manifest.dataset.clone(),
            part: name.to_owned(),
        });
    }
    Ok(rows)
}

/// Scores the photos and compares. `seen` is called for every one.
pub fn evaluate(
    scorer: &Scorer,
    manifest: &Manifest,
    rows: &[usize],
    threads: usize,
    seen: &mut dyn FnMut(&Record),
) -> Result<Evaluation, EvaluateError> {
    let mut paths = rows.iter().map(|&i| manifest.file(&manifest.rows[i]));
    let options = RunOptions { threads, ..RunOptions::default() };
    let mut predictions = Vec::with_capacity(rows.len());
    let mut failed = Vec::new();
    score_all(scorer, &mut paths, &options, &mut |_, record| {
        seen(&record);
        match record.score {
            // The raw number: the 0..100 scale is clamped at its ends.
            Some(_) => predictions.push(record.raw.unwrap_or(f64::NAN)),
            None => failed.push(record.error.unwrap_or_default()),
        }
        true
    });
    if !failed.is_empty() {
        let first = failed.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        return Err(EvaluateError::Failed { count: failed.len(), total: rows.len(), first });
    }
    compare(manifest, rows, &predictions)
}

/// Compares anybody's scores, a CSV with `path` and `score`, with the labels.
pub fn evaluate_scores(
    file: &Path,
    manifest: &Manifest,
    rows: &[usize],
) -> Result<Evaluation, EvaluateError> {
    let bad = |reason: String| EvaluateError::Scores { path: file.to_owned(), reason };
    let mut reader = csv::Reader::from_path(file).map_err(|e| bad(e.to_string()))?;
    let headers = reader.headers().map_err(|e| bad(e.to_string()))?.clone();
    let column = |name: &str| {
        headers.iter().position(|h| h.trim() == name).ok_or_else(|| {
            bad(format!(
                "no column {name:?}; found {}",
                headers.iter().collect::<Vec<_>>().join(", ")
            ))
        })
    };
    let (path, score) = (column("path")?, column("score")?);
    let mut scores: HashMap<String, f64> = HashMap::new();
    for (i, record) in reader.records().enumerate() {
        let record = record.map_err(|e| bad(e.to_string()))?;
        let text = record.get(score).unwrap_or_default();
        let value: f64 = text
            .trim()
            .parse()
            .ok()
            .filter(|v: &f64| v.is_finite())
            .ok_or_else(|| bad(format!("row {}: score {text:?} is no finite number", i + 2)))?;
        let name = record.get(path).unwrap_or_default().replace('\\', "/");
        if scores.insert(name.clone(), value).is_some() {
            return Err(bad(format!("row {}: {name} stands there twice", i + 2)));
        }
    }
    let found = |i: &usize| {
        let name = &manifest.rows[*i].path;
        scores.get(name).copied().ok_or_else(|| bad(format!("no score for {name}")))
    };
    let predictions = rows.iter().map(found).collect::<Result<Vec<_>, _>>()?;
    compare(manifest, rows, &predictions)
}

fn compare(
    manifest: &Manifest,
    rows: &[usize],
    predictions: &[f64],
) -> Result<Evaluation, EvaluateError> {
    let labels: Vec<f64> = rows.iter().map(|&i| manifest.quality(manifest.rows[i].score)).collect();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let groups: Vec<usize> = rows
        .iter()
        .map(|&i| {
            let next = numbers.len();
            *numbers.entry(&manifest.rows[i].content).or_insert(next)
        })
        .collect();
    let contents = numbers.len();
    let draws = stats::boot_indices(0, RESAMPLES, contents);
    let figure = |statistic| -> Result<Figure, StatsError> {
        let boot =
            stats::bootstrap_clustered(predictions, &labels, &groups, &draws, statistic, LEVEL)?;
        let enough = boot.undefined * 20 <= RESAMPLES;
        Ok(Figure { value: boot.estimate, interval: boot.percentile.filter(|_| enough) })
    };
    Ok(Evaluation {
        photos: rows.len(),
        contents,
        srcc: figure(Statistic::Srcc)?,
        plcc: figure(Statistic::Plcc)?,
        krcc: stats::krcc(predictions, &labels)?.value,
        predictions: rows
            .iter()
            .zip(predictions.iter().zip(&labels))
            .map(|(&i, (&p, &y))| (manifest.rows[i].path.clone(), p, y))
            .collect(),
    })
}
