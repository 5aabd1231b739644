//! The protocol runner: one recipe trained and tested over splits (`papers/protocol.md`).
//!
//! A run is a plan of [`Job`]s, each a training in a folder of its own and then its evaluation,
//! written whole or not at all: a run that was killed goes on where it stood and ends with the same
//! figures. Order of the files: `settings` what is asked for, `plan` the jobs that follow,
//! `job` one of them, `pool` several at once, `groups` what they found together.
//!
//! Called by `biqa protocol`.

mod groups;
mod job;
mod plan;
mod pool;
mod settings;

pub use groups::{FIGURES, FigureOf, Group};
pub use job::Evaluated;
pub use plan::{Identity, Job, Plan};
pub use settings::{Settings, SummaryBy, TrainOn};

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use crate::results::ResultsError;
use crate::splits::SplitError;
use crate::stats::StatsError;
use crate::train::checkpoint::write_atomic;
use crate::train::folder::foreign;
use crate::train::run::device_words;
use crate::train::{StepReport, TrainError};

/// How a card says that a network learned from a whole set, for a test on another.
pub const ALL_OF: &str = "all of ";

/// What the plan depends on, beside the jobs' folders.
const PLAN: &str = "plan.json";
/// Locked while a run works in the folder.
const LOCK: &str = "lock";
/// Everything that was found, for programs.
const PROTOCOL: &str = "protocol.json";

/// Who hears how far a run is. Jobs may speak at the same time.
pub trait Watch: Sync {
    /// Something worth a line.
    fn note(&self, job: &str, text: &str);
    /// A training made a step.
    fn step(&self, job: &str, step: &StepReport);
}

/// Why a protocol run can't be made or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The settings contradict each other or the set.
    #[error("{0}")]
    Settings(String),
    /// The set can't be shared out.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A training failed.
    #[error("{job}: {source}")]
    Train {
        /// The job.
        job: String,
        /// Why.
        source: Box<TrainError>,
    },
    /// Results can't be written.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// Values over repeats can't be summed up.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// A file or folder failed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The folder holds a run already.
    #[error("{path} already holds a protocol run; go on with --resume, or choose another --out")]
    Exists {
        /// The folder.
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
    /// The folder is in use.
    #[error("{path} is in use by another protocol run; wait for it, or choose another --out")]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// The folder belongs to another run.
    #[error(
        "{path} holds a protocol run with another {}; choose another --out, or give the options it \
         was started with",
        differs.join(", another ")
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
        /// What differs, with both values.
        differs: Vec<String>,
    },
}

/// Trains and tests whatever of the plan is not done yet, writes the results of every group of jobs
/// into a folder that `biqa report` reads, and returns them.
pub fn run(settings: &Settings, watch: &dyn Watch) -> Result<Vec<Group>, ProtocolError> {
    let plan = Plan::of(settings)?;
    let _lock = claim(settings, &plan.identity)?;
    for note in plan.notes(settings) {
        watch.note("", &note);
    }
    let (done, open): (Vec<&Job>, Vec<&Job>) =
        plan.jobs.iter().partition(|job| job::done(settings, job).is_some());
    let on = device_words(&settings.device, settings.recipe.products());
    watch.note("", &format!("{} of {} jobs are done; trains on {on}", done.len(), plan.jobs.len()));
    pool::run(&open, settings, watch, &|job, threads| {
        job::run(settings, job, threads, watch).map(|_| ())
    })?;
    let groups = groups::collect(settings, &plan)?;
    groups::write(settings, &plan, &groups)?;
    Ok(groups)
}

/// Makes the folder this run's, or sees that it is. Nobody else may work in it while the file that
/// is returned is open.
fn claim(settings: &Settings, identity: &Identity) -> Result<File, ProtocolError> {
    let out = &settings.out;
    let path = out.join(PLAN);
    if path.exists() && !settings.resume {
        return Err(ProtocolError::Exists { path: out.clone() });
    }
    if let (false, Some(found)) = (path.exists(), foreign(out, &[LOCK, PLAN])) {
        return Err(ProtocolError::Taken { path: out.clone(), found });
    }
    std::fs::create_dir_all(out).map_err(io(out))?;
    let lock = out.join(LOCK);
    let file = File::create(&lock).map_err(io(&lock))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(ProtocolError::Busy { path: out.clone() }),
        Err(TryLockError::Error(e)) => return Err(io(&lock)(e)),
    }
    if !path.exists() {
        let json = serde_json::to_vec_pretty(identity).expect("an identity is plain data");
        put(&path, &json)?;
        return Ok(file);
    }
    let text = std::fs::read_to_string(&path).map_err(io(&path))?;
    let found: Identity = serde_json::from_str(&text)
        .map_err(|e| io(&path)(std::io::Error::new(std::io::ErrorKind::InvalidData, e)))?;
    match identity.differs(&found) {
        differs if differs.is_empty() => {
            let all = identity.joined(&found);
            if all != found {
                put(&path, &serde_json::to_vec_pretty(&all).expect("an identity is plain data"))?;
            }
            Ok(file)
        }
        differs => Err(ProtocolError::OtherRun { path: out.clone(), differs }),
    }
}

/// Writes a file whole.
fn put(path: &Path, bytes: &[u8]) -> Result<(), ProtocolError> {
    write_atomic(path, bytes).map_err(|e| match e {
        TrainError::Io { path, source } => ProtocolError::Io { path, source },
        other => ProtocolError::Settings(other.to_string()),
    })
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> ProtocolError {
    let path = path.to_owned();
    move |source| ProtocolError::Io { path, source }
}
