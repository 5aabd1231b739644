//! How well scores agree with people on one part of one set: a model's, or anybody's.

mod figures;
mod scores;

use std::path::PathBuf;

use biqa::record::Record;
use biqa::scorer::{RunOptions, Scorer, score_all};

pub use figures::{Groups, IntervalRule, Measures, figures, warnings};
pub use scores::{read_scores, subject_of_scores};

use crate::datasets::{DatasetError, Direction, Manifest, Split, find};
use crate::results::{
    Dataset, Image, Part, Protocol, ProtocolName, Repeat, Results, Subject, VERSION,
};
use crate::splits::{self, SplitError};
use crate::stats::StatsError;

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// Photos without a score.
    #[error(
        "{count} of {total} photos have no score: {first}; a figure over the others would not be \
         comparable: mend them, or take their rows out of the list"
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
    /// The part has no photo.
    #[error("{dataset} has no photo in {part}{why}")]
    EmptyPart {
        /// The set.
        dataset: String,
        /// The part asked for.
        part: &'static str,
        /// Why, and what to do.
        why: &'static str,
    },
    /// A list of scores can't be read as a table.
    #[error(transparent)]
    Table(#[from] DatasetError),
    /// Predictions or labels that are all equal, with which nothing correlates.
    #[error("all {count} {what} are {value}: nothing can correlate with them{advice}")]
    Constant {
        /// Whose: the predictions of a model or list, or the labels of a part.
        what: String,
        /// How many.
        count: usize,
        /// The value.
        value: f64,
        /// What to do.
        advice: &'static str,
    },
    /// The set can't be shared out.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The statistic can't be taken.
    #[error(transparent)]
    Stats(#[from] StatsError),
}

/// The rows of a set that are measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Positions into the manifest's rows.
    pub rows: Vec<usize>,
    /// Which part they are.
    pub part: Part,
    /// The split rule in words; `none` for the whole set.
    pub split: String,
    /// What a report must repeat.
    pub notes: Vec<String>,
}

/// Chooses the rows of a part: of a split, else of the set's own parts, else all. Without a part it
/// is the test part where there are parts.
pub fn choose(
    manifest: &Manifest,
    split: Option<&splits::Options>,
    part: Option<Part>,
) -> Result<Chosen, EvaluateError> {
    let parted = manifest.rows.iter().any(|row| row.split.is_some());
    let part = part.unwrap_or(if parted || split.is_some() { Part::Test } else { Part::All });
    let mut chosen = Chosen { rows: Vec::new(), part, split: "none".to_owned(), notes: Vec::new() };
    let named = match part {
        Part::Train => Some(Split::Train),
        Part::Val => Some(Split::Val),
        Part::Test => Some(Split::Test),
        Part::All => None,
    };
    chosen.rows = match (named, split) {
        (None, _) => (0..manifest.rows.len()).collect(),
        (Some(named), None) => {
            "the set's own".clone_into(&mut chosen.split);
            manifest.part(named)
        }
        (Some(named), Some(options)) => {
            let joins = options.group_equal_bytes;
            let digests = joins.then(|| splits::file_digests(manifest)).transpose()?;
            let found = splits::split(manifest, digests.as_deref(), options)?;
            chosen.split = format!("{}, split {}", options.rule, options.index);
            let rows = found.part(named).to_vec();
            chosen.notes = found.notes;
            rows
        }
    };
    if chosen.rows.is_empty() {
        return Err(EvaluateError::EmptyPart {
            dataset: manifest.dataset.clone(),
            part: word(part),
            why: if parted || split.is_some() {
                ""
            } else {
                ": it has no parts of its own; give --split biqa, or --part all"
            },
        });
    }
    Ok(chosen)
}

/// `train`, `val`, `test` or `all`.
pub fn word(part: Part) -> &'static str {
    match part {
        Part::Train => "train",
        Part::Val => "val",
        Part::Test => "test",
        Part::All => "all",
    }
}

/// One evaluation of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// As it lies in a run folder: exactly one repeat.
    pub results: Results,
    /// Every image's prediction.
    pub images: Vec<Image>,
}

/// What an evaluation is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// The rows that are measured.
    pub chosen: Chosen,
    /// The seed of the split.
    pub seed: u64,
    /// Whose predictions they are.
    pub subject: Subject,
    /// Looks an image; `None` for anybody's numbers.
    pub crops: Option<usize>,
}

/// Raw scores of the photos of `rows`, in order. `seen` is called for every one.
pub fn predict(
    scorer: &Scorer,
    manifest: &Manifest,
    rows: &[usize],
    threads: usize,
    seen: &mut dyn FnMut(&Record),
) -> Result<Vec<f64>, EvaluateError> {
    let mut paths = rows.iter().map(|&i| manifest.file(&manifest.rows[i]));
    let options = RunOptions { threads, ..RunOptions::default() };
    let mut predictions = Vec::with_capacity(rows.len());
    let mut failed = Vec::new();
    score_all(scorer, &mut paths, &options, &mut |_, record| {
        seen(&record);
        // The raw number: the 0..100 scale is clamped at its ends.
        match record.raw {
            Some(raw) => predictions.push(raw),
            None => failed.push(record.error.unwrap_or_default()),
        }
        true
    });
    if failed.is_empty() {
        return Ok(predictions);
    }
    let first = failed.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
    Err(EvaluateError::Failed { count: failed.len(), total: rows.len(), first })
}

/// Compares the predictions of the chosen rows with their labels.
pub fn compare(
    manifest: &Manifest,
    predictions: &[f64],
    measures: &Measures,
    scope: Scope,
) -> Result<Evaluation, EvaluateError> {
    let Chosen { rows, part, split, notes } = scope.chosen;
    let rows = rows.as_slice();
    let groups = Groups::of_rows(manifest, rows);
    let labels = qualities(manifest, rows);
    refuse_constant(predictions, || format!("predictions of {}", scope.subject.name), "")?;
    let of_part = || format!("labels of {} {}", manifest.dataset, word(part));
    refuse_constant(&labels, of_part, "; take another part")?;
    let figures = figures(predictions, &labels, &groups, measures)?;
    let repeat = Repeat {
        index: 0,
        seed: None,
        lists_digest: None,
        weights_digest: None,
        images: rows.len(),
        groups: groups.count,
        crops: scope.crops,
        trained: None,
        kept: None,
        figures,
        last: None,
        epochs: Vec::new(),
        log: None,
        seconds: None,
    };
    let protocol = Protocol {
        name: ProtocolName::Single,
        part,
        split,
        seed: scope.seed,
        selected_on: None,
        select_by: None,
        summary: "median".to_owned(),
        trained_on: None,
        train_on: None,
        fraction: None,
        fraction_of: None,
        switches: Vec::new(),
    };
    let images = images(manifest, rows, predictions, None, part, 0);
    let results = Results {
        version: VERSION,
        biqa: env!("CARGO_PKG_VERSION").to_owned(),
        dataset: dataset(manifest),
        subject: scope.subject,
        protocol,
        repeats: vec![repeat],
        notes,
    };
    Ok(Evaluation { results, images })
}

fn refuse_constant(
    values: &[f64],
    what: impl Fn() -> String,
    advice: &'static str,
) -> Result<(), EvaluateError> {
    match values {
        [value, rest @ ..] if rest.iter().all(|other| other == value) => {
            Err(EvaluateError::Constant {
                what: what(),
                count: values.len(),
                value: *value,
                advice,
            })
        }
        _ => Ok(()),
    }
}

/// The labels of rows as quality: higher is better.
pub fn qualities(manifest: &Manifest, rows: &[usize]) -> Vec<f64> {
    rows.iter().map(|&i| manifest.quality(manifest.rows[i].score)).collect()
}

/// A run folder's rows of predictions.
pub fn images(
    manifest: &Manifest,
    rows: &[usize],
    predictions: &[f64],
    last: Option<&[f64]>,
    split: Part,
    repeat: usize,
) -> Vec<Image> {
    let image = |(k, &i): (usize, &usize)| {
        let row = &manifest.rows[i];
        Image {
            path: row.path.clone(),
            score: row.score,
            prediction: predictions[k],
            split,
            repeat,
            content: row.content.clone(),
            kind: row.kind.clone(),
            level: row.level,
            last: last.map(|last| last[k]),
        }
    };
    rows.iter().enumerate().map(image).collect()
}

/// What a run folder says of a set.
pub fn dataset(manifest: &Manifest) -> Dataset {
    let contents = manifest.contents();
    Dataset {
        key: manifest.dataset.clone(),
        name: find(&manifest.dataset).map_or(&*manifest.dataset, |set| set.name()).to_owned(),
        label_form: match manifest.direction {
            Direction::Mos => "MOS".to_owned(),
            Direction::Dmos => "DMOS".to_owned(),
        },
        direction: manifest.direction,
        range: manifest.range_nominal,
        digest: manifest.digest(),
        images: manifest.rows.len(),
        contents,
        references: contents < manifest.rows.len(),
        subset: manifest.subset,
        warnings: manifest.notes.clone(),
        root: Some(manifest.root.clone()),
    }
}
