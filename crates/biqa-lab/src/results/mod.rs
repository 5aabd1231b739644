//! What an evaluation or a protocol found, as it lies in a run folder.
//!
//! Written by `biqa evaluate --out` and `biqa protocol`, read by `biqa report`
//! (`papers/protocol.md`, section 7). Two files hold it: `results.json`, a [`Results`], and
//! `predictions.csv`, an [`Image`] a row, from which every figure can be computed again.
//!
//! One folder holds one subject (a model, a recipe, somebody's list) on one set under one protocol.
//! A second target, fraction or model is a second folder; a report sets them side by side.

mod folder;
#[cfg(test)]
pub(crate) mod made;

pub use folder::{PREDICTIONS, RESULTS, ResultsError, Run, find, read, write, write_atomic};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::datasets::Direction;

/// Version of the two files. A reader refuses another one; a field may be added without a new one.
pub const VERSION: u32 = 1;

/// Above this share of undefined rows of a bootstrap a report prints no interval (section 5).
pub const MOST_UNDEFINED: f64 = 0.05;

/// All of `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`VERSION`].
    pub version: u32,
    /// The version of biqa that wrote it.
    pub biqa: String,
    /// The labels.
    pub dataset: Dataset,
    /// Whose predictions.
    pub subject: Subject,
    /// How they were made and chosen.
    pub protocol: Protocol,
    /// One a split (or training seed); exactly one for a single evaluation.
    pub repeats: Vec<Repeat>,
    /// What a report must repeat, beside the warnings of the set: leaks that were allowed, images
    /// that were enlarged to the crop, and the like.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// The labels that predictions stand against.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// The key (`koniq10k`), or `csv`.
    pub key: String,
    /// The name in words ("KonIQ-10k").
    pub name: String,
    /// Which labels of the release, in words ("MOS", "DMOS realigned", "MOS z-score").
    pub label_form: String,
    /// Which way they point. In `predictions.csv` they are not turned.
    pub direction: Direction,
    /// The nominal scale, lowest and highest.
    pub range: [f64; 2],
    /// SHA-256 of the manifest.
    pub digest: String,
    /// Images of the manifest.
    pub images: usize,
    /// Contents of the manifest.
    pub contents: usize,
    /// Whether several images share a reference picture or prompt, so that intervals are clustered.
    pub references: bool,
    /// Whether rows of the release are missing: never compared with published numbers.
    #[serde(default)]
    pub subset: bool,
    /// Warnings of the loader, to be repeated.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Where the pictures lay, for thumbnails.
    #[serde(default)]
    pub root: Option<PathBuf>,
}

/// Whose predictions they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What `name` names.
    pub kind: SubjectKind,
    /// The name in tables: of the model, of the recipe, of the list.
    pub name: String,
    /// SHA-256 of the weights or of the list; `None` where every repeat has its own weights.
    #[serde(default)]
    pub digest: Option<String>,
    /// SHA-256 of the recipe.
    #[serde(default)]
    pub recipe_digest: Option<String>,
}

/// Where predictions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// A model that was not trained for this run.
    Model,
    /// Trained by a recipe, once a repeat.
    Recipe,
    /// Anybody's numbers (`--scores`).
    Scores,
}

/// The protocol's name (section 1, 2.2, 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProtocolName {
    /// Epoch kept by the validation part; the test part scored once.
    Honest,
    /// Epoch kept by the test part, as released codes do.
    Published,
    /// The set's own split, over training seeds.
    Official,
    /// One model on one part, nothing trained.
    Single,
    /// Trained on another set.
    Cross,
    /// Trained on a fraction of the train part.
    Small,
}

/// The part of a split that something was done on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The train part.
    Train,
    /// The validation part.
    Val,
    /// The test part.
    Test,
    /// The whole set.
    All,
}

/// The protocol and its switches (section 9).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// Its name.
    pub name: ProtocolName,
    /// The part that is measured.
    pub part: Part,
    /// The split rule as the switch writes it: `biqa`, `official`, `python:123`, `file:PATH`,
    /// `none`.
    pub split: String,
    /// Seed of splits and trainings.
    pub seed: u64,
    /// The part by which the epoch is kept; `None` where nothing was trained. [`Part::Test`] is said
    /// in words wherever the number stands.
    #[serde(default)]
    pub selected_on: Option<Part>,
    /// The statistic by which it is kept: `srcc` or `plcc`.
    #[serde(default)]
    pub select_by: Option<String>,
    /// `median` or `mean`: which of the summaries over repeats stands in tables.
    pub summary: String,
    /// Cross: the set that was trained on.
    #[serde(default)]
    pub trained_on: Option<String>,
    /// Cross: `all` or `train` of it.
    #[serde(default)]
    pub train_on: Option<String>,
    /// Small: the fraction.
    #[serde(default)]
    pub fraction: Option<f64>,
    /// Small: `dataset` or `train`.
    #[serde(default)]
    pub fraction_of: Option<String>,
    /// Further switches that differ from their default, `name = value`.
    #[serde(default)]
    pub switches: Vec<String>,
}

impl Results {
    /// Whether the repeats are trainings by several seeds on one split, which were tested on the same
    /// images, and not several splits.
    pub fn are_seeds(&self) -> bool {
        let [first, others @ ..] = &self.repeats[..] else { return false };
        let same = |other: &Repeat| other.lists_digest == first.lists_digest;
        !others.is_empty() && first.lists_digest.is_some() && others.iter().all(same)
    }

    /// What one repeat is, and its number: a training seed, as `--seed` takes it, or a split from 0.
    pub fn name_of(&self, repeat: &Repeat) -> (&'static str, u64) {
        match repeat.seed {
            Some(seed) if self.are_seeds() => ("seed", seed),
            _ if self.are_seeds() => ("repeat", repeat.index as u64),
            _ => ("split", repeat.index as u64),
        }
    }
}

/// One split or training seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    /// Its index, from 0; the column `repeat` of `predictions.csv`.
    pub index: usize,
    /// Seed of the training; `None` where nothing was trained and in files from before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// SHA-256 of the split's lists.
    #[serde(default)]
    pub lists_digest: Option<String>,
    /// SHA-256 of this repeat's weights.
    #[serde(default)]
    pub weights_digest: Option<String>,
    /// Images measured.
    pub images: usize,
    /// Contents among them.
    pub groups: usize,
    /// Crops (looks) an image; `None` for anybody's numbers.
    #[serde(default)]
    pub crops: Option<usize>,
    /// Images trained on, and validated on.
    #[serde(default)]
    pub trained: Option<[usize; 2]>,
    /// The epoch kept.
    #[serde(default)]
    pub kept: Option<Kept>,
    /// What was found with it.
    pub figures: Figures,
    /// The same with the last epoch, for the price of choosing.
    #[serde(default)]
    pub last: Option<Figures>,
    /// Validation after every epoch.
    #[serde(default)]
    pub epochs: Vec<Epoch>,
    /// The training log, relative to the run folder.
    #[serde(default)]
    pub log: Option<String>,
    /// Wall time of training and measuring, in seconds.
    #[serde(default)]
    pub seconds: Option<f64>,
}

/// The epoch whose weights are measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its number, counted from 1 over all stages.
    pub epoch: usize,
    /// How many there were.
    pub of: usize,
    /// The value by which it was kept, on the part and by the statistic of [`Protocol`].
    pub value: Option<f64>,
}

/// What an epoch gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Steps made until its end, over all stages.
    pub step: u64,
    /// Mean loss over its steps.
    #[serde(default)]
    pub loss: Option<f64>,
    /// SRCC on the validation part.
    #[serde(default)]
    pub val_srcc: Option<f64>,
    /// PLCC on it, raw.
    #[serde(default)]
    pub val_plcc: Option<f64>,
    /// SRCC on the test part: only under a protocol that looks at it after every epoch.
    #[serde(default)]
    pub test_srcc: Option<f64>,
    /// PLCC on it, raw.
    #[serde(default)]
    pub test_plcc: Option<f64>,
}

/// Agreement with people on one part. Correlations are with quality: higher is better.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Spearman.
    pub srcc: Figure,
    /// Pearson, raw.
    pub plcc: Figure,
    /// Kendall's tau-b.
    #[serde(default)]
    pub krcc: Option<f64>,
    /// Mean absolute error, where the subject predicts on the labels' scale.
    #[serde(default)]
    pub mae: Option<f64>,
    /// The four-parameter fit of quality by prediction (section 4).
    #[serde(default)]
    pub logistic4: Option<Fit>,
    /// The five-parameter fit, on demand.
    #[serde(default)]
    pub logistic5: Option<Fit>,
}

/// A correlation and how sure it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The figure; `None` when undefined.
    pub value: Option<f64>,
    /// Its interval.
    #[serde(default)]
    pub interval: Option<Interval>,
}

/// A bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How it was made.
    pub method: Method,
    /// Level, such as 0.95.
    pub level: f64,
    /// Rows of the bootstrap.
    pub rows: usize,
    /// Rows on which the statistic is undefined.
    pub undefined: usize,
    /// Units drawn: images, or groups where it is clustered.
    pub units: usize,
}

impl Interval {
    /// Whether a report prints it.
    pub fn is_printed(&self) -> bool {
        self.undefined as f64 <= MOST_UNDEFINED * self.rows as f64
    }
}

/// How an interval was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Bias-corrected and accelerated, over images.
    Bca,
    /// Percentile over images.
    Percentile,
    /// Percentile over images because BCa is undefined here.
    Fallback,
    /// Percentile over groups of images of one content.
    Clustered,
}

/// A logistic fit (section 4.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The curve's parameters in canonical form; empty unless `status` is 0.
    pub beta: Vec<f64>,
    /// 0 fitted, 1 straight line (too few distinct predictions), 2 constant.
    pub status: u8,
    /// Whether the fitter converged.
    pub converged: bool,
    /// Whether the fitted curve never turns.
    pub monotone: bool,
    /// PLCC between fitted and label; `None` when undefined.
    pub plcc: Option<f64>,
    /// Root mean square error after the fit, in label units.
    pub rmse: f64,
}

/// One row of `predictions.csv`: `path,score,prediction,split,repeat`, then what groups it, then
/// the prediction of the last epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Relative to the set's root.
    pub path: String,
    /// The label, as the set gives it.
    pub score: f64,
    /// The prediction: the network's raw number, higher is better.
    pub prediction: f64,
    /// The part it was measured in.
    pub split: Part,
    /// The repeat.
    pub repeat: usize,
    /// Its content.
    #[serde(default)]
    pub content: String,
    /// Its kind of distortion, or empty.
    #[serde(default)]
    pub kind: String,
    /// Its level of distortion.
    #[serde(default)]
    pub level: Option<u32>,
    /// The prediction of the last epoch, where [`Repeat::last`] is given.
    #[serde(default)]
    pub last: Option<f64>,
}

impl Image {
    /// The label as quality: higher is better.
    pub fn quality(&self, direction: Direction) -> f64 {
        match direction {
            Direction::Mos => self.score,
            Direction::Dmos => -self.score,
        }
    }
}
