//! The loop: stages, epochs, steps, validation, checkpoints.

mod looks;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use biqa::models::lite::Lite;
use biqa::scorer::hex;
use biqa::weights::{Arrays, collect, freeze, load};
use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use looks::{Part, items_digest};

use super::checkpoint::{Checkpoint, State, Validation, write_atomic};
use super::ema::Ema;
use super::init::{Start, network, standardise};
use super::items::{Copy, Item, Photo};
use super::optim::{AdamW, Group};
use super::recipe::{Keep, Recipe, Stage};
use super::step::{Context, Plan, pass, plan};
use super::store::Store;
use super::{Progress, StepReport, TrainError};
use crate::stats;

/// A training run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to do.
    pub recipe: Recipe,
    /// The recipe as it was written, which the run keeps a copy of.
    pub recipe_text: String,
    /// Photos to train on.
    pub train: Vec<Photo>,
    /// Photos to choose on.
    pub val: Vec<Photo>,
    /// Photos to report on; may be none. They are scored once, after training.
    pub test: Vec<Photo>,
    /// The figure on `val` by which an epoch is kept.
    pub select_by: SelectBy,
    /// Digest of the manifest they are from.
    pub data_digest: String,
    /// Initial weights and their name.
    pub init: Arrays,
    /// See `init`.
    pub init_name: String,
    /// SHA-256 of the initial weights' file.
    pub init_digest: String,
    /// Keys every random number.
    pub seed: u64,
    /// Worker threads; 0 for all cores.
    pub threads: usize,
    /// The run folder.
    pub out: PathBuf,
    /// Where stored statistics and maps go; runs on one set may share the folder. `None`: into the
    /// run folder.
    pub items: Option<PathBuf>,
    /// Whether to go on with a run that is there.
    pub resume: bool,
    /// Steps between checkpoints; one is also written after every epoch.
    pub checkpoint_steps: u64,
}

/// The figure by which an epoch is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelectBy {
    /// Spearman's correlation; of equal ones the first.
    #[default]
    Srcc,
    /// Pearson's, raw; of equal ones the last, as DEIQT's code has it.
    Plcc,
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The weights to keep.
    pub weights: Arrays,
    /// Their raw scores of the validation photos, in order.
    pub val_scores: Vec<f64>,
    /// Their raw scores of the test photos.
    pub test_scores: Vec<f64>,
    /// Raw scores of the test photos by the last epoch's weights.
    pub last_test_scores: Vec<f64>,
    /// Validation after every epoch of every stage.
    pub history: Vec<Validation>,
    /// The entry of `history` that the weights to keep are from.
    pub kept: usize,
}

/// Trains. With `threads` set the networks' inner loops stay within that many.
pub fn run(options: &Options, progress: &mut (dyn Progress + Send)) -> Result<Outcome, TrainError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|e| TrainError::Data(format!("no worker threads could be started: {e}")))?;
    pool.install(|| Run::prepare(options, progress)?.go(progress))
}

struct Run<'a> {
    options: &'a Options,
    plain: Device,
    grads: Device,
    net: Lite,
    place: Place,
    history: Vec<Validation>,
    log_bytes: u64,
    /// The weights of the last epoch; empty until there are any.
    last: Arrays,
    /// Digest of the photos and of the backbone with which the stage began: see [`items_digest`].
    items: String,
    restored: Option<Checkpoint>,
    digest: String,
    /// Whether every weight was trained before: then the first figures are those of the start.
    fine_tunes: bool,
    /// Nobody else may work in the folder while it is open.
    _lock: File,
}

/// A correlation before fine-tuning that labels turned upside down explain best.
const UPSIDE_DOWN: f64 = -0.3;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    stage: usize,
    step: u64,
}

impl<'a> Run<'a> {
    fn prepare(
        options: &'a Options,
        progress: &mut (dyn Progress + Send),
    ) -> Result<Self, TrainError> {
        check_data(options)?;
        let digest = run_digest(options);
        let out = &options.out;
        let marker = out.join("run.json");
        if marker.exists() {
            let found = fs::read_to_string(&marker).map_err(|e| io(&marker, e))?;
            if !options.resume {
                return Err(TrainError::Exists { path: out.clone() });
            }
            if found.trim() != digest {
                return Err(TrainError::OtherRun {
                    path: out.clone(),
                    found: found.trim().to_owned(),
                    expected: digest,
                });
            }
        }
        // Before the folder is claimed: weights that don't fit must leave no run behind.
        let plain = Device::flex();
        let (net, start) = network(
            &options.recipe.config,
            options.init.clone(),
            &options.init_name,
            options.seed,
            &plain,
        )?;
        if !marker.exists() {
            fs::create_dir_all(out.join("checkpoints")).map_err(|e| io(out, e))?;
            write_atomic(&out.join("recipe.toml"), options.recipe_text.as_bytes())?;
            write_atomic(&marker, digest.as_bytes())?;
        }
        let lock = claim(out)?;
        let restored = Checkpoint::newest(&out.join("checkpoints"), &digest, &mut |damaged| {
            progress.note(&format!(
                "warning: the checkpoint {} is damaged: going on from the one before",
                damaged.display()
            ));
        })?;
        let mut run = Self {
            options,
            _lock: lock,
            grads: Device::flex().autodiff(),
            plain,
            items: items_digest(options, &net),
            net,
            place: Place { stage: 0, step: 0 },
            history: Vec::new(),
            log_bytes: 0,
            last: Arrays::new(),
            restored,
            fine_tunes: start == Start::Whole,
            digest,
        };
        if let Some(checkpoint) = &run.restored {
            let State { step, stage, .. } = checkpoint.state;
            run.net = load(run.net, checkpoint.weights.clone(), "the checkpoint", "lite")?;
            run.place = Place { stage, step };
            run.history = checkpoint.state.history.clone();
            run.log_bytes = checkpoint.state.log_bytes;
            if stage == options.recipe.stages.len() {
                run.last = checkpoint.ema.clone();
            }
            run.items = match checkpoint.state.items.as_str() {
                "" => items_digest(options, &run.net), // written before it was kept
                digest => digest.to_owned(),
            };
            progress.note(&format!("resumed at stage {stage}, step {step}"));
        } else if start == Start::Backbone {
            run.net = run.standardised(progress)?;
        }
        run.cut_log()?;
        Ok(run)
    }

    /// The network with its head's inputs standardised over the training photos.
    fn standardised(&mut self, progress: &mut (dyn Progress + Send)) -> Result<Lite, TrainError> {
        let first = self.options.recipe.stages.first().expect("a checked recipe has stages");
        let cut = match self.store_cut(first) {
            0 => biqa::nn::mobilenet::LAST + 1,
            cut => cut,
        };
        let mut store = Store::default();
        let dir = self.store_dir(cut);
        let source = self.source(cut, &dir);
        store.fill(&source, &self.options.train, 0, Copy::Plain, |_| true, progress)?;
        let rows: Vec<Vec<f32>> = (0..self.options.train.len())
            .filter_map(|i| store.get(i, Copy::Plain))
            .map(|item| item.sizes.iter().flat_map(|s| s.statistics.iter().copied()).collect())
            .collect();
        let targets = self.options.train.iter().map(|p| f64::from(p.target));
        let mean = targets.sum::<f64>() / self.options.train.len() as f64;
        standardise(self.net.clone(), &rows, mean as f32)
    }

    fn go(mut self, progress: &mut (dyn Progress + Send)) -> Result<Outcome, TrainError> {
        while self.place.stage < self.options.recipe.stages.len() {
            let stage = &self.options.recipe.stages[self.place.stage];
            self.train_stage(stage, progress)?;
        }
        let stage = self.final_stage().clone();
        let store = self.filled(&stage, progress, true)?;
        let val_scores = self.scores(&self.net, &stage, &store, Part::Val)?;
        let test_scores = self.scores(&self.net, &stage, &store, Part::Test)?;
        let mut last_test_scores = Vec::new();
        if !self.options.test.is_empty() {
            let last = load(self.net.clone(), self.last.clone(), "the last epoch", "lite")?;
            last_test_scores = self.scores(&last, &stage, &store, Part::Test)?;
        }
        Ok(Outcome {
            weights: collect(&self.net),
            val_scores,
            test_scores,
            last_test_scores,
            kept: self.kept(&stage),
            history: self.history,
        })
    }

    /// The entry of the history that the final stage kept.
    fn kept(&self, stage: &Stage) -> usize {
        let last = self.history.len().saturating_sub(1);
        if stage.keep == Keep::Last {
            return last;
        }
        let own = self.history.iter().position(|v| v.stage + 1 == self.options.recipe.stages.len());
        let first = own.unwrap_or(last);
        (first..=last).fold(first, |kept, i| {
            let better = self.options.select_by.is_better(&self.history[i], &self.history[kept]);
            if better { i } else { kept }
        })
    }

    fn final_stage(&self) -> &Stage {
        self.options.recipe.stages.last().expect("a checked recipe has stages")
    }

    fn train_stage(
        &mut self,
        stage: &Stage,
        progress: &mut (dyn Progress + Send),
    ) -> Result<(), TrainError> {
        let store = self.filled(stage, progress, false)?;
        let n = self.options.train.len();
        let per_epoch = (n / stage.batch.min(n)).max(1) as u64;
        let total = stage.epochs * per_epoch;
        let (mut optim, mut ema, mut best) = self.stage_state(stage);
        let mut net = self.trainable(stage);
        let options = self.options;
        if self.fine_tunes && self.place == (Place { stage: 0, step: 0 }) {
            let figures = self.figures(&self.net, stage, &store)?;
            progress.note(&format!("before training: {}", figures.words()));
            if figures.srcc < UPSIDE_DOWN {
                progress.note(
                    "warning: the model that it begins with says the opposite of these labels; if \
                     lower is better in them, give --direction dmos",
                );
            }
        }
        let device = self.grads.clone();
        let view = &options.recipe.view;
        let context = Context { stage, view, seed: options.seed, device: &device };
        let done: u64 = self.steps_before(self.place.stage);
        let all = self.steps_before(self.options.recipe.stages.len());
        while self.place.step < total {
            let step = self.place.step;
            let plan = plan(stage, options.seed, self.place.stage, step, &options.train);
            let fresh = self.fresh_items(stage, &plan)?;
            let items: Vec<&Item> = if fresh.is_empty() {
                plan.all().iter().filter_map(|&(i, copy)| store.get(i, copy)).collect()
            } else {
                fresh.iter().collect()
            };
            let targets: Vec<f32> =
                plan.photos.iter().map(|&(i, _)| self.options.train[i].target).collect();
            let passed = pass(&net, &context, &plan, &items, &targets, done + step);
            let lr = stage.schedule.used(step, total, per_epoch);
            let group = |name: &str, dims: usize| Group {
                lr: if name.starts_with("trunk.") { lr * stage.backbone_lr } else { lr },
                decay: dims > 1,
            };
            let (updated, grad_norm) = optim.step(net, &passed.grads, group);
            if !passed.loss.is_finite() || !grad_norm.is_finite() {
                return Err(self.not_finite(passed.loss, done + step, &plan));
            }
            net = updated;
            if stage.ema_decay > 0.0 {
                ema.update(&net);
            }
            self.place.step += 1;
            let report = StepReport {
                stage: self.place.stage,
                epoch: step / per_epoch,
                step: done + step + 1,
                steps: all,
                loss: passed.loss,
                terms: passed.terms,
                grad_norm,
                lr,
            };
            self.log(&report)?;
            progress.step(&report);
            let epoch_ends = self.place.step.is_multiple_of(per_epoch);
            if epoch_ends {
                self.end_epoch(stage, &net, &ema, &store, &mut best, progress)?;
            }
            if epoch_ends || self.place.step.is_multiple_of(self.options.checkpoint_steps.max(1)) {
                self.checkpoint(&net, &ema, &optim, &best)?;
            }
        }
        // The stage's weights go on to the next one, or are the run's result.
        let last = averaged(&net, &ema);
        let kept = match stage.keep {
            Keep::Best => best,
            Keep::Last => last.clone(),
        };
        self.net = load(self.net.clone(), kept, "the kept weights", "lite")?;
        self.items = items_digest(self.options, &self.net);
        self.place = Place { stage: self.place.stage + 1, step: 0 };
        self.restored = None;
        if self.place.stage == self.options.recipe.stages.len() {
            self.last = last;
        }
        let fresh = AdamW::new(stage.optim);
        self.checkpoint(&self.net.clone(), &Ema::new(0.0), &fresh, &Arrays::new())
    }

    /// Optimiser, average and best weights: those of the checkpoint, or new ones.
    fn stage_state(&self, stage: &Stage) -> (AdamW, Ema, Arrays) {
        let (optim, ema) = (AdamW::new(stage.optim), Ema::new(stage.ema_decay));
        let Some(checkpoint) = &self.restored else {
            return (optim, ema, Arrays::new());
        };
        let State { optimizer_steps, ema_steps, .. } = checkpoint.state;
        let optim = optim
            .restored(optimizer_steps, checkpoint.optimizer.clone(), &self.plain)
            .expect("the checkpoint's digests were checked, and it was written with both moments");
        let ema = ema.restored(ema_steps, checkpoint.ema.clone(), &self.plain);
        (optim, ema, checkpoint.best.clone())
    }

    /// The network on the device with gradients, its first stages frozen.
    fn trainable(&self, stage: &Stage) -> Lite {
        let cut = stage.freeze_before;
        let frozen = |name: &str| {
            let index =
                name.strip_prefix("trunk.features.").and_then(|rest| rest.split('.').next());
            index.and_then(|i| i.parse().ok()).is_some_and(|i: usize| i < cut)
        };
        freeze(self.net.clone().train(), frozen)
    }

    fn steps_before(&self, stage: usize) -> u64 {
        let n = self.options.train.len();
        let steps = |s: &Stage| s.epochs * (n / s.batch.min(n)).max(1) as u64;
        self.options.recipe.stages[..stage].iter().map(steps).sum()
    }

    fn end_epoch(
        &mut self,
        stage: &Stage,
        net: &Lite,
        ema: &Ema,
        store: &Store,
        best: &mut Arrays,
        progress: &mut (dyn Progress + Send),
    ) -> Result<(), TrainError> {
        let weights = averaged(net, ema);
        let plain = load(self.net.clone(), weights.clone(), "the averaged weights", "lite")?;
        let validation = self.figures(&plain, stage, store)?;
        let stages = self.options.recipe.stages.len();
        let part = if stages > 1 {
            format!("stage {} of {stages}, ", self.place.stage + 1)
        } else {
            String::new()
        };
        let steps = self.steps_before(self.place.stage + 1) - self.steps_before(self.place.stage);
        progress.note(&format!(
            "{part}epoch {} of {}: {}",
            self.place.step * stage.epochs / steps.max(1),
            stage.epochs,
            validation.words()
        ));
        let by = self.options.select_by;
        let before = self.history.iter().filter(|v| v.stage == self.place.stage);
        let best_before = before.reduce(|kept, v| if by.is_better(v, kept) { v } else { kept });
        if best_before.is_none_or(|kept| by.is_better(&validation, kept)) {
            *best = weights;
        }
        self.history.push(validation);
        Ok(())
    }

    /// How well a network does now on the photos that choose.
    fn figures(&self, net: &Lite, stage: &Stage, store: &Store) -> Result<Validation, TrainError> {
        let scores = self.scores(net, stage, store, Part::Val)?;
        let targets: Vec<f64> = self.options.val.iter().map(|p| f64::from(p.target)).collect();
        let figure = |value: Result<Option<f64>, stats::StatsError>| {
            value.ok().flatten().unwrap_or(f64::NEG_INFINITY)
        };
        Ok(Validation {
            stage: self.place.stage,
            step: self.place.step,
            srcc: figure(stats::srcc(&scores, &targets)),
            plcc: figure(stats::plcc(&scores, &targets)),
        })
    }

    fn checkpoint(
        &self,
        net: &Lite,
        ema: &Ema,
        optim: &AdamW,
        best: &Arrays,
    ) -> Result<(), TrainError> {
        Checkpoint {
            state: State {
                stage: self.place.stage,
                step: self.place.step,
                optimizer_steps: optim.steps(),
                ema_steps: ema.steps(),
                history: self.history.clone(),
                log_bytes: self.log_bytes,
                items: self.items.clone(),
                run_digest: self.digest.clone(),
                files: Vec::new(),
            },
            weights: collect(net),
            // There is no average between stages; behind the final one its place is the last
            // epoch's.
            ema: if self.last.is_empty() { ema.arrays() } else { self.last.clone() },
            optimizer: optim.state(),
            best: best.clone(),
        }
        .write(&self.options.out.join("checkpoints"))
    }

    /// Lines behind the last checkpoint belong to steps that will be made again.
    fn cut_log(&mut self) -> Result<(), TrainError> {
        let path = self.options.out.join("log.jsonl");
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        let file = file.map_err(|e| io(&path, e))?;
        // A log that was taken away, or lost with the power, begins anew; it is not filled up.
        let there = file.metadata().map_err(|e| io(&path, e))?.len();
        self.log_bytes = self.log_bytes.min(there);
        file.set_len(self.log_bytes).map_err(|e| io(&path, e))
    }

    fn log(&mut self, report: &StepReport) -> Result<(), TrainError> {
        let path = self.options.out.join("log.jsonl");
        let mut line = serde_json::to_string(report).expect("a report is plain data");
        line.push('\n');
        let file = OpenOptions::new().append(true).open(&path);
        file.and_then(|mut f| f.write_all(line.as_bytes())).map_err(|e| io(&path, e))?;
        self.log_bytes += line.len() as u64;
        Ok(())
    }

    fn not_finite(&self, loss: f64, step: u64, plan: &Plan) -> TrainError {
        let names = plan.photos.iter().take(8).map(|&(i, _)| self.options.train[i].name.as_str());
        TrainError::NotFinite {
            loss,
            step,
            photos: names.collect::<Vec<_>>().join(", "),
            checkpoints: self.options.out.join("checkpoints"),
        }
    }
}

impl SelectBy {
    /// Whether an epoch is to be kept instead of one before it.
    fn is_better(self, epoch: &Validation, kept: &Validation) -> bool {
        match self {
            Self::Srcc => epoch.srcc > kept.srcc,
            Self::Plcc => epoch.plcc >= kept.plcc,
        }
    }
}

/// The averaged weights, or the plain ones where no average is kept.
fn averaged(net: &Lite, ema: &Ema) -> Arrays {
    if ema.steps() > 0 { ema.arrays() } else { collect(net) }
}

fn check_data(options: &Options) -> Result<(), TrainError> {
    let data = |text: String| Err(TrainError::Data(text));
    if options.train.len() < 4 || options.val.len() < 3 {
        return data(format!(
            "{} photos to train on and {} to choose on; at least 4 and 3 are needed",
            options.train.len(),
            options.val.len()
        ));
    }
    for (part, photos) in [("train", &options.train), ("val", &options.val)] {
        let first = photos[0].target;
        if photos.iter().all(|p| p.target == first) {
            return data(format!(
                "all {} scores of {part} are equal ({first}): there is nothing to learn",
                photos.len()
            ));
        }
    }
    Ok(())
}

/// Two runs in one folder would clear away each other's checkpoints.
fn claim(out: &Path) -> Result<File, TrainError> {
    let path = out.join("lock");
    let file = File::create(&path).map_err(|e| io(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TrainError::Busy { path: out.to_owned() }),
        Err(TryLockError::Error(e)) => Err(io(&path, e)),
    }
}

/// What makes two runs the same run.
fn run_digest(options: &Options) -> String {
    let mut hash = Sha256::new();
    hash.update(options.recipe.digest());
    hash.update(options.seed.to_le_bytes());
    hash.update(&options.data_digest);
    hash.update(&options.init_digest);
    if options.select_by != SelectBy::default() {
        hash.update("select by plcc");
    }
    for (part, photos) in [("train", &options.train), ("val", &options.val)] {
        hash.update(part);
        for photo in photos {
            hash.update(&photo.name);
            hash.update(photo.target.to_le_bytes());
        }
    }
    hex(&hash.finalize())
}

fn io(path: &Path, source: std::io::Error) -> TrainError {
    TrainError::Io { path: path.to_owned(), source }
}
