//! One job: a training, then its evaluation, kept in a file that is there whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use biqa::scorer::digest;
use biqa::weights::{Data, Precision};
use serde::{Deserialize, Serialize};

use super::{ALL_OF, Job, ProtocolError, Settings, TrainOn, Watch, io, put};
use crate::datasets::Manifest;
use crate::results::{Epoch, Kept, Part};
use crate::splits::Form;
use crate::train::checkpoint::Validation;
use crate::train::export::model_file;
use crate::train::job::card;
use crate::train::photo::Photo;
use crate::train::{self, Options, Outcome, Progress, SelectBy, StepReport, TrainError};

/// The file that says that a job is done.
const EVALUATION: &str = "evaluation.json";

/// What a job found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// Digest of everything it depends on: [`Job::digest`].
    pub digest: String,
    /// SHA-256 of the weights that were kept.
    pub weights_digest: String,
    /// The epoch they are from.
    pub kept: Kept,
    /// What every epoch gave.
    pub epochs: Vec<Epoch>,
    /// Raw scores of the test photos by the weights that were kept.
    pub test: Vec<f64>,
    /// The same by those of the last epoch.
    pub last: Vec<f64>,
    /// Wall time; `None` where the job was stopped on its way.
    pub seconds: Option<f64>,
    /// What a report must repeat.
    pub notes: Vec<String>,
}

/// A job's folder.
pub(super) fn folder(settings: &Settings, job: &Job) -> PathBuf {
    settings.out.join("splits").join(&job.name)
}

/// What a job found, if it is done. A file that is not whole, or of another job, doesn't count.
pub(super) fn done(settings: &Settings, job: &Job) -> Option<Evaluated> {
    let text = fs::read_to_string(folder(settings, job).join(EVALUATION)).ok()?;
    let found: Evaluated = serde_json::from_str(&text).ok()?;
    let whole = found.test.len() == job.test.len() && found.last.len() == job.test.len();
    (found.digest == job.digest && whole).then_some(found)
}

/// Trains, tests, and keeps what was found.
pub(super) fn run(
    settings: &Settings,
    job: &Job,
    threads: usize,
    watch: &dyn Watch,
) -> Result<Evaluated, ProtocolError> {
    let folder = folder(settings, job);
    let failed = |e| ProtocolError::Train { job: job.name.clone(), source: Box::new(e) };
    let start = Instant::now();
    let whole = !folder.join("run.json").exists();
    let options = options(settings, job, threads, &folder);
    let outcome = train::run(&options, &mut Told { job: &job.name, watch }).map_err(failed)?;
    let epochs = epochs(&outcome.history, &folder.join("log.jsonl"), job.form);
    let mut notes = job.notes.clone();
    if !settings.device.name().is_cpu() {
        notes.push(format!("{} was trained on {}", job.name, settings.device));
    }
    if let Err(reason) = keep_model(settings, job, &outcome, &options, &folder) {
        notes.push(format!("{}: no model file: {reason}", job.name));
    }
    let chosen = outcome.history.get(outcome.kept).map(|v| match settings.selects_by(job.form) {
        SelectBy::Srcc => v.srcc,
        SelectBy::Plcc => v.plcc,
    });
    let found = Evaluated {
        digest: job.digest.clone(),
        weights_digest: digest(&outcome.weights),
        kept: Kept {
            epoch: outcome.kept + 1,
            of: outcome.history.len(),
            value: chosen.filter(|v| v.is_finite()),
        },
        epochs,
        test: outcome.test_scores,
        last: outcome.last_test_scores,
        seconds: whole.then(|| start.elapsed().as_secs_f64()),
        notes,
    };
    let json = serde_json::to_vec(&found).expect("an evaluation is plain data");
    put(&folder.join(EVALUATION), &json)?;
    // From here on nothing is trained again; checkpoints of ten splits would fill a disk.
    for name in ["checkpoints", "items"] {
        match fs::remove_dir_all(folder.join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(io(&folder.join(name))(e));
            }
            _ => {}
        }
    }
    let value = found.kept.value.map_or("undefined".to_owned(), |v| format!("{v:.4}"));
    watch.note(
        &job.name,
        &format!("done: epoch {} of {} kept ({value})", found.kept.epoch, found.kept.of),
    );
    Ok(found)
}

fn options(settings: &Settings, job: &Job, threads: usize, folder: &Path) -> Options {
    let Settings { source, target, .. } = settings;
    // Photos of two sets may have one name.
    let prefix = target.as_ref().map_or(String::new(), |target| format!("{}:", target.dataset));
    let photos = |manifest: &Manifest, rows: &[usize], prefix: &str| -> Vec<Photo> {
        rows.iter().map(|&row| Photo::of(manifest, row, prefix)).collect()
    };
    let tested = photos(settings.tested(), &job.test, &prefix);
    let val = match job.form {
        Form::Published => tested.clone(),
        Form::Honest => photos(source, &job.val, ""),
    };
    Options {
        recipe: settings.recipe.clone(),
        recipe_text: settings.recipe_text.clone(),
        train: photos(source, &job.train, ""),
        val,
        test: tested,
        scale: source.scale(),
        select_by: settings.selects_by(job.form),
        fresh_crops: job.form == Form::Published,
        data_digest: source.digest() + &target.as_ref().map_or(String::new(), Manifest::digest),
        init: settings.init.clone(),
        seed: job.seed,
        device: settings.device.clone(),
        threads,
        out: folder.to_owned(),
        items: Some(settings.out.join("items")),
        resume: true,
        checkpoint_steps: settings.checkpoint_steps,
    }
}

/// Writes the model that was measured, as `biqa score --weights` takes it.
fn keep_model(
    settings: &Settings,
    job: &Job,
    outcome: &Outcome,
    options: &Options,
    folder: &Path,
) -> Result<(), TrainError> {
    let scale = outcome.scale(&options.val)?;
    let data = Data {
        labels: settings.source.labels_words(),
        dataset: settings.source.dataset.clone(),
        split: split_words(settings, job),
        manifest_digest: settings.source.digest(),
        train: options.train.len(),
        val: options.val.len(),
        init: settings.init.name.clone(),
        ancestors: settings.init.ancestors.clone(),
    };
    let card = card(&settings.recipe, outcome, scale, data, (job.seed, settings.device.name()));
    let bytes = model_file(&outcome.weights, card, Precision::F16)?;
    train::checkpoint::write_atomic(&folder.join("best.safetensors"), &bytes)
}

/// Which photos the network learned from, for its card.
fn split_words(settings: &Settings, job: &Job) -> String {
    let Settings { target, train_on, rule, seed, source, .. } = settings;
    if target.is_some() && *train_on == TrainOn::All {
        return format!("{ALL_OF}{}, those that choose apart ({})", source.dataset, job.form);
    }
    format!("{} {} of {rule}, seed {seed}", job.form, job.index)
}

/// The curves, with step and mean loss of every epoch from the log.
fn epochs(history: &[Validation], log: &Path, form: Form) -> Vec<Epoch> {
    #[derive(Deserialize)]
    struct Line {
        stage: usize,
        epoch: u64,
        step: u64,
        loss: f64,
    }
    // (stage, epoch) -> last step, losses' sum, steps
    let mut logged: BTreeMap<(usize, u64), (u64, f64, u64)> = BTreeMap::new();
    for line in fs::read_to_string(log).unwrap_or_default().lines() {
        if let Ok(Line { stage, epoch, step, loss }) = serde_json::from_str(line) {
            let entry = logged.entry((stage, epoch)).or_default();
            *entry = (step, entry.1 + loss, entry.2 + 1);
        }
    }
    let finite = |v: f64| Some(v).filter(|v| v.is_finite());
    let mut in_stage: BTreeMap<usize, u64> = BTreeMap::new();
    let epoch = |v: &Validation| {
        let number = in_stage.entry(v.stage).or_default();
        let found = logged.get(&(v.stage, *number));
        *number += 1;
        let (srcc, plcc) = (finite(v.srcc), finite(v.plcc));
        let plain = Epoch {
            step: found.map_or(v.step, |(step, ..)| *step),
            loss: found.map(|(_, sum, n)| sum / *n as f64),
            ..Epoch::default()
        };
        match chosen_on(form) {
            Part::Test => Epoch { test_srcc: srcc, test_plcc: plcc, ..plain },
            _ => Epoch { val_srcc: srcc, val_plcc: plcc, ..plain },
        }
    };
    history.iter().map(epoch).collect()
}

/// The part on which a protocol chooses the epoch.
pub(super) fn chosen_on(form: Form) -> Part {
    match form {
        Form::Honest => Part::Val,
        Form::Published => Part::Test,
    }
}

/// A training's progress under its job's name.
struct Told<'a> {
    job: &'a str,
    watch: &'a dyn Watch,
}

impl Progress for Told<'_> {
    fn step(&mut self, step: &StepReport) {
        self.watch.step(self.job, step);
    }

    fn note(&mut self, text: &str) {
        self.watch.note(self.job, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_take_step_and_loss_from_the_log_and_the_part_from_the_protocol() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("log.jsonl");
        let lines = [(0, 0, 1, 4.0), (0, 0, 2, 2.0), (1, 0, 3, 1.0)].map(|(s, e, t, l)| {
            format!("{{\"stage\":{s},\"epoch\":{e},\"step\":{t},\"loss\":{l},\"lr\":1}}\n")
        });
        fs::write(&log, lines.concat()).expect("writable");
        let at = |stage, step, srcc| Validation { stage, step, srcc, plcc: f64::NEG_INFINITY };
        let history = [at(0, 2, 0.5), at(1, 1, 0.75)];
        let found = epochs(&history, &log, Form::Published);
        assert_eq!((found[0].step, found[0].loss, found[0].test_srcc), (2, Some(3.0), Some(0.5)));
        assert_eq!((found[1].step, found[1].loss, found[1].test_plcc), (3, Some(1.0), None));
        let found = epochs(&history, Path::new("nowhere"), Form::Honest);
        assert_eq!((found[1].step, found[1].loss, found[1].val_srcc), (1, None, Some(0.75)));
        assert_eq!(found[1].test_srcc, None);
    }
}
