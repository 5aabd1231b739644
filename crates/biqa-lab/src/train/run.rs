//! The loop: stages, epochs, steps, validation, checkpoints.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use biqa::models::lite::Lite;
use biqa::scorer::hex;
use biqa::weights::{Arrays, collect, freeze, host, load};
use burn::module::Module;
use burn::tensor::Device;
use sha2::{Digest, Sha256};

use super::checkpoint::{Checkpoint, State, Validation, write_atomic};
use super::ema::Ema;
use super::init::{Start, network, standardise};
use super::items::{Copy, Item, LEVELS, Photo, item, ladder_op, lowest_level, picture, statistics};
use super::optim::{AdamW, Group};
use super::recipe::{Keep, Recipe, Stage};
use super::step::{Context, Plan, has_ladder, pass, plan};
use super::store::{Source, Store};
use super::{Progress, StepReport, TrainError};
use crate::stats;

/// Photos that go through the network together in validation.
const VALIDATION_BATCH: usize = 32;

/// A training run.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to do.
    pub recipe: Recipe,
    /// The recipe's bytes, whose digest the card carries.
    pub recipe_text: String,
    /// Photos to train on.
    pub train: Vec<Photo>,
    /// Photos to choose on.
    pub val: Vec<Photo>,
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
    /// Whether to go on with a run that is there.
    pub resume: bool,
    /// Steps between checkpoints; one is also written after every epoch.
    pub checkpoint_steps: u64,
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The weights to keep.
    pub weights: Arrays,
    /// Their raw scores of the validation photos, in order.
    pub val_scores: Vec<f64>,
    /// Validation after every epoch of every stage.
    pub history: Vec<Validation>,
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
    /// Digest of the photos and of the backbone with which the stage began: see [`items_digest`].
    items: String,
    restored: Option<Checkpoint>,
    digest: String,
}

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
        let mut run = Self {
            options,
            grads: Device::flex().autodiff(),
            plain,
            items: items_digest(options, &net),
            net,
            place: Place { stage: 0, step: 0 },
            history: Vec::new(),
            log_bytes: 0,
            restored: Checkpoint::newest(&out.join("checkpoints"))?,
            digest,
        };
        if let Some(checkpoint) = &run.restored {
            let State { step, stage, .. } = checkpoint.state;
            run.net = load(run.net, checkpoint.weights.clone(), "the checkpoint", "lite")?;
            run.place = Place { stage, step };
            run.history = checkpoint.state.history.clone();
            run.log_bytes = checkpoint.state.log_bytes;
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
        let store = self.filled(&self.final_stage().clone(), progress, true)?;
        let stage = self.final_stage().clone();
        let val_scores = self.validate(&self.net, &stage, &store)?;
        Ok(Outcome { weights: collect(&self.net), val_scores, history: self.history })
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
        let kept = match stage.keep {
            Keep::Best => best,
            Keep::Last => averaged(&net, &ema),
        };
        self.net = load(self.net.clone(), kept, "the kept weights", "lite")?;
        self.items = items_digest(self.options, &self.net);
        self.place = Place { stage: self.place.stage + 1, step: 0 };
        self.restored = None;
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

    /// The items of every photo and copy that the stage may ask for; validation photos stand
    /// behind the training photos.
    fn filled(
        &self,
        stage: &Stage,
        progress: &mut (dyn Progress + Send),
        only_val: bool,
    ) -> Result<Store, TrainError> {
        let mut store = Store::default();
        if stage.freeze_before == 0 {
            return Ok(store);
        }
        let cut = self.store_cut(stage);
        let dir = self.store_dir(cut);
        let mut source = self.source(cut, &dir);
        source.maps = stage.freeze_before <= biqa::nn::mobilenet::LAST;
        let Options { train, val, .. } = self.options;
        store.fill(&source, val, train.len(), Copy::Plain, |_| true, progress)?;
        if only_val {
            return Ok(store);
        }
        store.fill(&source, train, 0, Copy::Plain, |_| true, progress)?;
        if stage.copies.small > 0.0 {
            store.add_small(train.len());
        }
        if stage.copies.flip {
            store.fill(&source, train, 0, Copy::Flip, |_| true, progress)?;
        }
        if stage.copies.ladders > 0 {
            let seed = self.options.seed;
            for level in 1..=LEVELS {
                let copy = Copy::Ladder { number: 0, level };
                let only = |i: usize| {
                    let op = ladder_op(seed, &train[i].name, 0);
                    has_ladder(stage, i) && level >= lowest_level(op)
                };
                store.fill(&source, train, 0, copy, only, progress)?;
            }
        }
        Ok(store)
    }

    /// Where maps are stored for a stage: at the earliest cut of the stages from it on that share
    /// its backbone, so that one pass over the photos serves them all.
    fn store_cut(&self, stage: &Stage) -> usize {
        let stages = &self.options.recipe.stages;
        let from = stages.iter().position(|s| s == stage).unwrap_or(0);
        let mut cut = stage.freeze_before;
        for later in &stages[from..] {
            if cut <= biqa::nn::mobilenet::LAST {
                break; // that stage changes the backbone
            }
            if later.freeze_before > 0 {
                cut = cut.min(later.freeze_before);
            }
        }
        cut
    }

    fn store_dir(&self, cut: usize) -> PathBuf {
        self.options.out.join("items").join(format!("{cut}-{}", self.items))
    }

    fn source<'s>(&'s self, cut: usize, dir: &'s Path) -> Source<'s> {
        Source {
            net: &self.net,
            view: &self.options.recipe.view,
            cut,
            maps: false,
            seed: self.options.seed,
            threads: self.options.threads,
            device: &self.plain,
            dir,
        }
    }

    /// The items of a step that stores nothing: decoded and cut now, in the plan's order.
    fn fresh_items(&self, stage: &Stage, plan: &Plan) -> Result<Vec<Item>, TrainError> {
        if stage.freeze_before > 0 {
            return Ok(Vec::new());
        }
        let photos = plan.all().into_iter().map(|(i, copy)| (&self.options.train[i], copy));
        self.pixels(photos.collect())
    }

    fn pixels(&self, photos: Vec<(&Photo, Copy)>) -> Result<Vec<Item>, TrainError> {
        use rayon::prelude::*;
        let Options { seed, recipe, .. } = self.options;
        photos
            .into_par_iter()
            .map(|(photo, copy)| {
                let picture = picture(photo, copy, *seed)?;
                item(&self.net, &recipe.view, 0, false, &picture, &self.plain)
                    .map(
                        |item| {
                            if copy == Copy::Small { item.small().unwrap_or(item) } else { item }
                        },
                    )
                    .map_err(|reason| TrainError::Photo { name: photo.name.clone(), reason })
            })
            .collect()
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
        let scores = self.validate(&plain, stage, store)?;
        let targets: Vec<f64> = self.options.val.iter().map(|p| f64::from(p.target)).collect();
        let figure = |value: Result<Option<f64>, stats::StatsError>| {
            value.ok().flatten().unwrap_or(f64::NEG_INFINITY)
        };
        let validation = Validation {
            stage: self.place.stage,
            step: self.place.step,
            srcc: figure(stats::srcc(&scores, &targets)),
            plcc: figure(stats::plcc(&scores, &targets)),
        };
        progress.note(&format!(
            "stage {} step {}: val SRCC {:.4}, PLCC {:.4}",
            self.place.stage, self.place.step, validation.srcc, validation.plcc
        ));
        let before = self.history.iter().filter(|v| v.stage == self.place.stage);
        let highest = before.map(|v| v.srcc).fold(f64::NEG_INFINITY, f64::max);
        if best.is_empty() || validation.srcc > highest {
            *best = weights;
        }
        self.history.push(validation);
        Ok(())
    }

    /// Raw scores of the validation photos.
    fn validate(&self, net: &Lite, stage: &Stage, store: &Store) -> Result<Vec<f64>, TrainError> {
        let view = &self.options.recipe.view;
        let val = &self.options.val;
        let mut scores = Vec::with_capacity(val.len());
        let indices: Vec<usize> = (0..val.len()).collect();
        for chunk in indices.chunks(VALIDATION_BATCH) {
            let fresh = if stage.freeze_before == 0 {
                self.pixels(chunk.iter().map(|&i| (&val[i], Copy::Plain)).collect())?
            } else {
                Vec::new()
            };
            let items: Vec<&Item> = if fresh.is_empty() {
                let stored = chunk.iter().map(|&i| self.options.train.len() + i);
                stored.filter_map(|i| store.get(i, Copy::Plain)).collect()
            } else {
                fresh.iter().collect()
            };
            let z = statistics(net, view, stage.freeze_before, &items, &self.plain);
            scores.extend(host(&net.score(z, None)).into_iter().map(f64::from));
        }
        Ok(scores)
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
            ema: ema.arrays(),
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

/// Stored items belong to the photos and to the backbone with which a stage begins. Within the
/// stage only what lies behind the items changes, so a resumed stage finds them again.
fn items_digest(options: &Options, net: &Lite) -> String {
    let mut hash = Sha256::new();
    for (name, array) in collect(net) {
        if name.starts_with("trunk.") {
            hash.update(name.as_bytes());
            array.data.iter().for_each(|v| hash.update(v.to_le_bytes()));
        }
    }
    hash.update(&options.data_digest);
    let view = options.recipe.view.without_details();
    hash.update(serde_json::to_vec(&view).expect("a view is plain data"));
    hash.update(options.seed.to_le_bytes());
    let names = options.train.iter().chain(&options.val).map(|p| p.name.as_bytes());
    names.for_each(|name| hash.update(name));
    hex(&hash.finalize())[..16].to_owned()
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

/// What makes two runs the same run.
fn run_digest(options: &Options) -> String {
    let mut hash = Sha256::new();
    hash.update(&options.recipe_text);
    hash.update(options.seed.to_le_bytes());
    hash.update(&options.data_digest);
    hash.update(&options.init_digest);
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
