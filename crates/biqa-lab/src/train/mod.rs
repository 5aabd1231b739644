//! Training: a recipe, photos with scores, and a run folder that can be resumed at any moment.
//!
//! Everything a step does is a function of (recipe, seed, step), so that a run which was killed and
//! resumed equals one that was not, bit for bit. Order of the files: [`job`] a training as a command
//! line says it, [`initial`] what it starts from, [`recipe`] what to do, [`mod@run`] what every training is asked for and gives, `lite`
//! and `crops` the two loops, [`optim`], [`schedule`] and [`ema`] what they step with, [`folder`] and
//! [`checkpoint`] what survives, [`choose`] and [`export`] what comes out. [`mod@bench`] times steps.

pub mod bench;
pub mod checkpoint;
pub mod choose;
mod crops;
pub mod ema;
pub mod export;
pub mod folder;
pub mod initial;
pub mod job;
pub mod lars;
pub(crate) mod lite;
mod notes;
pub mod optim;
pub mod photo;
pub mod recipe;
pub mod run;
pub mod schedule;
pub mod sgd;
mod velocity;

pub use choose::SelectBy;
pub use run::{Options, Outcome, run};

use std::path::PathBuf;

/// Where a run tells how far it is.
pub trait Progress {
    /// A step was made.
    fn step(&mut self, step: &StepReport);
    /// Something worth a line.
    fn note(&mut self, text: &str);
}

/// One optimiser step, as `log.jsonl` keeps it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct StepReport {
    /// The stage, from 0.
    pub stage: usize,
    /// The epoch within it, from 0.
    pub epoch: u64,
    /// Steps made in the whole run.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// The total loss.
    pub loss: f64,
    /// Its terms by name, weighted.
    pub terms: Vec<(&'static str, f64)>,
    /// The gradients' L2 norm before clipping.
    pub grad_norm: f64,
    /// The learning rate of what learns fastest.
    pub lr: f64,
    /// Pictures or crops that went through the network.
    pub seen: usize,
}

/// Progress that nobody watches.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&mut self, _step: &StepReport) {}
    fn note(&mut self, _text: &str) {}
}

/// Why a run could not be made or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A file or folder failed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The recipe can't be used.
    #[error("recipe {path}: {reason}")]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A photo can't be used.
    #[error("photo {name}: {reason}; mend it or take its row out of the list")]
    Photo {
        /// Its name in the list.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The dataset can't be read.
    #[error(transparent)]
    Dataset(#[from] crate::datasets::DatasetError),
    /// The dataset can't be shared out.
    #[error(transparent)]
    Split(#[from] crate::splits::SplitError),
    /// The data don't allow the training.
    #[error("{0}")]
    Data(String),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] biqa::device::DeviceError),
    /// Weights don't fit.
    #[error(transparent)]
    Weights(#[from] biqa::weights::WeightsError),
    /// The initial weights are not the recipe's.
    #[error(
        "the initial weights have SHA-256 {found}, the recipe asks for {expected} ({name}); \
         give that file with --init"
    )]
    Init {
        /// The recipe's name of the file.
        name: String,
        /// The recipe's digest.
        expected: String,
        /// The file's.
        found: String,
    },
    /// The run folder belongs to another run.
    #[error(
        "{path} holds a run with another {other} (digest {found}, this run {expected}); \
         choose another --out, or give the options it was started with"
    )]
    OtherRun {
        /// The run folder.
        path: PathBuf,
        /// What it has other than this run.
        other: String,
        /// Digest in the folder.
        found: String,
        /// Digest of this run.
        expected: String,
    },
    /// Another run works in the folder.
    #[error("{path} is in use by another training; wait for it, or choose another --out")]
    Busy {
        /// The run folder.
        path: PathBuf,
    },
    /// The folder is not a run's.
    #[error("{path} holds other things ({found}); give a new folder, or an empty one, with --out")]
    Taken {
        /// The folder.
        path: PathBuf,
        /// One of them.
        found: String,
    },
    /// The run folder has a run.
    #[error("{path} already holds a run; go on with --resume, or choose another --out")]
    Exists {
        /// The run folder.
        path: PathBuf,
    },
    /// The loss is no number any more.
    #[error(
        "the {what} is {value} at step {step} (batch: {photos}); {left}: lower the learning rate or \
         look at those photos"
    )]
    NotFinite {
        /// `loss`, or the gradients' norm.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The step.
        step: u64,
        /// The batch's photos; of many the first ones, and the file that has all.
        photos: String,
        /// Where the last checkpoint is, or that there is none.
        left: String,
    },
}
