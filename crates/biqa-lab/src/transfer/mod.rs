//! Label transfer, SAQT: pristine pictures inherit the scores of the KADID reference that they
//! resemble most, distortion by distortion and level by level (`papers/glintiqa.md`, section 5).
//!
//! In the order of the work: `scores` the table that is inherited, `features` what pictures are
//! matched by, `nearest` the matches, `select` which sources are taken, `leak` what must not be
//! inherited from, `rows` the label rows, `run` all of it, with `pictures`, `write` and `files`.
//!
//! Called by `biqa transfer`; the loader of its labels is `datasets/saqt.rs`.

mod features;
mod files;
pub mod leak;
pub mod nearest;
mod pictures;
mod record;
pub mod rows;
mod run;
pub mod scores;
pub mod select;
mod write;

pub use features::Backbone;
pub use files::{FEATURES, MANIFEST, REFERENCES, SETTINGS};
pub use leak::Training;
pub use record::{Counts, Record};
pub use run::{OtherSet, Progress, Sources, transfer};
pub use scores::Scores;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::datasets::DatasetError;

/// Why labels could not be transferred.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The table of scores or a list can't be read.
    #[error(transparent)]
    Table(#[from] DatasetError),
    /// A reference has no score for one of its distorted pictures.
    #[error(
        "{file}: {reference} has no score for type {kind}, level {level}; every reference needs 25 \
         types at 5 levels: take the table anew from where it came"
    )]
    NoScore {
        /// The table.
        file: PathBuf,
        /// The reference.
        reference: String,
        /// The distortion, from 1.
        kind: usize,
        /// The level, from 1.
        level: usize,
    },
    /// A table without a row.
    #[error("{file} has no score; it needs 125 rows for every reference")]
    NoRows {
        /// The table.
        file: PathBuf,
    },
    /// References of the table are not in their folder.
    #[error(
        "{count} of {total} references of the scores are not in {folder}, first: {first}; give the \
         folder that holds them with --references"
    )]
    NoReference {
        /// The folder.
        folder: PathBuf,
        /// How many lack.
        count: usize,
        /// How many the table has.
        total: usize,
        /// The first few.
        first: String,
    },
    /// A reference, or one of a test set, gives no feature.
    #[error(
        "{path} gives no feature: {reason}; without it what is alike can't be found, so mend it"
    )]
    Picture {
        /// The picture.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The weights are of neither network.
    #[error(
        "{path} is no network that pictures are matched with: expected torchvision's names of a \
         ResNet with bottlenecks (layer1.0.conv1.weight and so on; the paper's is resnet101) or of \
         MobileNetV2 (features.18.0.weight)"
    )]
    Backbone {
        /// The file.
        path: PathBuf,
    },
    /// Weights can't be read or don't fit.
    #[error(transparent)]
    Weights(#[from] biqa::weights::WeightsError),
    /// A list of training references names one that has no score.
    #[error("{list} names the reference {name}, which {scores} does not have; correct the list")]
    UnknownReference {
        /// The list.
        list: PathBuf,
        /// The name.
        name: String,
        /// The table.
        scores: PathBuf,
    },
    /// Sources would inherit from references that are not for training.
    #[error(
        "{count} of {total} sources resemble a reference most that is not in {list}, first: {source_name} \
         resembles {reference}; their scores would leak what is tested on: leave such sources out \
         with --leave-out, and --resume for what has been looked at"
    )]
    Leak {
        /// How many sources.
        count: usize,
        /// Of how many.
        total: usize,
        /// The list of training references.
        list: PathBuf,
        /// The first such source.
        source_name: String,
        /// The reference that it resembles.
        reference: String,
    },
    /// The settings contradict each other.
    #[error("{0}")]
    Settings(String),
    /// Nothing is left.
    #[error("none of {total} sources can be used: {why}")]
    Nothing {
        /// How many there were.
        total: usize,
        /// What became of them.
        why: String,
    },
    /// Pictures of a run with other settings are in the folder.
    #[error(
        "{path} was begun with other settings ({differs}); give the options it was started with, or \
         choose another --output"
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// Which setting.
        differs: String,
    },
    /// A file or folder can't be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file or folder can't be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Which scores the scale of the labels goes by (section 5, rule 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
    /// Those of all references, also of test ones: two numbers leak, as in the authors' code.
    #[default]
    All,
    /// Those of the training references.
    Train,
}

/// The keys `transfer.*` of section 6. The defaults are the paper's code, but for the number of
/// sources: all of them, where the paper takes 50,000 of KADIS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// References of each source that the table of matches lists.
    pub top_k: usize,
    /// Which of them, from 1, the score is inherited from.
    pub rank: usize,
    /// Decimals to which the references' features are rounded; the first release has 6.
    pub reference_decimals: Option<usize>,
    /// The labels' lowest and highest value.
    pub scale: [f64; 2],
    /// Which scores are stretched to that scale.
    pub range: Range,
    /// Sources with a cosine of this or more to a reference of another set are left out.
    pub drop_above: f64,
    /// Sources of one label file and of one folder of pictures.
    pub batch_size: usize,
    /// How many sources are taken; all where it is not given.
    pub total: Option<usize>,
    /// Leave out sources that resemble a reference outside the training ones; else they are an error.
    pub leave_out: bool,
    /// Make the degraded pictures too.
    pub pictures: bool,
    /// Seed of what is drawn for them.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            top_k: 1,
            rank: 1,
            reference_decimals: None,
            scale: [0.0, 9.0],
            range: Range::All,
            drop_above: 0.98,
            batch_size: 1000,
            total: None,
            leave_out: false,
            pictures: false,
            seed: 0,
        }
    }
}

impl Settings {
    /// Whether the numbers fit each other.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self) -> Result<(), TransferError> {
        let wrong = |text: String| Err(TransferError::Settings(text));
        if self.rank == 0 || self.rank > self.top_k {
            let Self { rank, top_k, .. } = self;
            return wrong(format!("--rank is {rank}, it goes from 1 to --top-k, which is {top_k}"));
        }
        let [lo, hi] = self.scale;
        if !(lo.is_finite() && hi.is_finite() && lo < hi) {
            return wrong(format!(
                "the labels' scale {lo}..{hi} needs two numbers, the lower first"
            ));
        }
        if self.batch_size == 0 || self.total == Some(0) {
            return wrong("--batch-size and --total are 1 or more".to_owned());
        }
        Ok(())
    }
}
