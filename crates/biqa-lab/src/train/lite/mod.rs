//! The loop of `lite`: stages, epochs, steps, validation, checkpoints, on stored statistics and maps
//! of a frozen prefix.

mod init;
pub(crate) mod items;
mod looks;
mod step;
mod store;

use biqa::models::lite::Lite;
use biqa::weights::{Arrays, collect, freeze, load};
use burn::module::Module;
use burn::tensor::Device;

use init::{Start, network, standardise};
use items::{Copy, Item};
use looks::{Part, items_digest};
use step::{Context, pass, plan};
use store::Store;

use super::checkpoint::{Checkpoint, State, Validation};
use super::choose::{resumed_at, say_start, validation};
use super::ema::Ema;
use super::folder::Folder;
use super::optim::{AdamW, Group};
use super::recipe::Keep;
use super::recipe::lite::{LiteRecipe, Stage};
use super::run::{Options, Outcome, run_digest};
use super::{Progress, StepReport, TrainError};

/// Trains `lite`.
pub(super) fn run(
    recipe: &LiteRecipe,
    options: &Options,
    progress: &mut (dyn Progress + Send),
) -> Result<Outcome, TrainError> {
    Run::prepare(recipe, options, progress)?.go(progress)
}

struct Run<'a> {
    options: &'a Options,
    recipe: &'a LiteRecipe,
    plain: Device,
    grads: Device,
    net: Lite,
    place: Place,
    history: Vec<Validation>,
    folder: Folder,
    /// The weights of the last epoch; empty until there are any.
    last: Arrays,
    /// Digest of the photos and of the backbone with which the stage began: see [`items_digest`].
    items: String,
    restored: Option<Checkpoint>,
    digest: String,
    /// Whether every weight was trained before: then the first figures are those of the start.
    fine_tunes: bool,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    stage: usize,
    step: u64,
}

impl<'a> Run<'a> {
    fn prepare(
        recipe: &'a LiteRecipe,
        options: &'a Options,
        progress: &mut (dyn Progress + Send),
    ) -> Result<Self, TrainError> {
        let digest = run_digest(options);
        Folder::check(options, &digest)?;
        // Before the folder is claimed: weights that don't fit must leave no run behind.
        let plain = Device::flex();
        let (net, start) = network(
            &recipe.config,
            options.init.arrays.clone(),
            &options.init.name,
            options.seed,
            &plain,
        )?;
        let (folder, restored) = Folder::claim(options, &digest, progress)?;
        let mut run = Self {
            options,
            recipe,
            grads: Device::flex().autodiff(),
            plain,
            items: items_digest(recipe, options, &net),
            net,
            place: Place { stage: 0, step: 0 },
            history: Vec::new(),
            folder,
            last: Arrays::new(),
            restored,
            digest,
            fine_tunes: start == Start::Whole,
        };
        if let Some(checkpoint) = &run.restored {
            let State { step, stage, .. } = checkpoint.state;
            run.net = load(run.net, checkpoint.weights.clone(), "the checkpoint", "lite")?;
            run.place = Place { stage, step };
            run.history = checkpoint.state.history.clone();
            if stage == recipe.stages.len() {
                run.last = checkpoint.ema.clone();
            }
            run.items = match checkpoint.state.items.as_str() {
                "" => items_digest(recipe, options, &run.net), // written before it was kept
                digest => digest.to_owned(),
            };
            progress.note(&resumed_at(stage, recipe.stages.len(), step));
        } else if start == Start::Backbone {
            run.net = run.standardised(progress)?;
        }
        Ok(run)
    }

    /// The network with its head's inputs standardised over the training photos.
    fn standardised(&mut self, progress: &mut (dyn Progress + Send)) -> Result<Lite, TrainError> {
        let first = self.recipe.stages.first().expect("a checked recipe has stages");
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
        while self.place.stage < self.recipe.stages.len() {
            let stage = &self.recipe.stages[self.place.stage];
            self.train_stage(stage, progress)?;
        }
        let stage = self.final_stage().clone();
        let store = self.filled(&stage, progress, true)?;
        let val_raw = self.scores(&self.net, &stage, &store, Part::Val)?;
        let test_scores = self.scores(&self.net, &stage, &store, Part::Test)?;
        let mut last_test_scores = Vec::new();
        if !self.options.test.is_empty() {
            let last = load(self.net.clone(), self.last.clone(), "the last epoch", "lite")?;
            last_test_scores = self.scores(&last, &stage, &store, Part::Test)?;
        }
        Ok(Outcome {
            weights: collect(&self.net),
            config: serde_json::to_value(&self.recipe.config).expect("a config is plain data"),
            view: self.recipe.view.clone(),
            val_raw,
            rises: true,
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
        let stage = self.recipe.stages.len() - 1;
        self.options.select_by.best(&self.history, stage).unwrap_or(last)
    }

    fn final_stage(&self) -> &Stage {
        self.recipe.stages.last().expect("a checked recipe has stages")
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
            say_start(&self.figures(&self.net, stage, &store)?, progress);
        }
        let device = self.grads.clone();
        let view = &self.recipe.view;
        let context = Context { stage, view, seed: options.seed, device: &device };
        let done: u64 = self.steps_before(self.place.stage);
        let all = self.steps_before(self.recipe.stages.len());
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
                let names = plan.photos.iter().map(|&(i, _)| options.train[i].name.as_str());
                return Err(self.folder.not_finite(passed.loss, grad_norm, done + step + 1, names));
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
                seen: items.len(),
            };
            self.folder.log(&report)?;
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
        self.items = items_digest(self.recipe, self.options, &self.net);
        self.place = Place { stage: self.place.stage + 1, step: 0 };
        self.restored = None;
        if self.place.stage == self.recipe.stages.len() {
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
        self.recipe.stages[..stage].iter().map(steps).sum()
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
        let stages = self.recipe.stages.len();
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
        self.history.push(validation);
        let best_so_far = self.options.select_by.best(&self.history, self.place.stage);
        if best_so_far == Some(self.history.len() - 1) {
            *best = weights;
        }
        Ok(())
    }

    /// How well a network does now on the photos that choose.
    fn figures(&self, net: &Lite, stage: &Stage, store: &Store) -> Result<Validation, TrainError> {
        let scores = self.scores(net, stage, store, Part::Val)?;
        Ok(validation(self.place.stage, self.place.step, &scores, &self.options.val))
    }

    fn checkpoint(
        &self,
        net: &Lite,
        ema: &Ema,
        optim: &AdamW,
        best: &Arrays,
    ) -> Result<(), TrainError> {
        let checkpoint = Checkpoint {
            state: State {
                stage: self.place.stage,
                step: self.place.step,
                optimizer_steps: optim.steps(),
                ema_steps: ema.steps(),
                history: self.history.clone(),
                figures: Vec::new(),
                device: biqa::device::DeviceName::Cpu,
                log_bytes: self.folder.log_bytes(),
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
            method: Arrays::new(),
        };
        let done = self.steps_before(self.place.stage) + self.place.step;
        self.folder.keep(&checkpoint, done)
    }
}

/// The averaged weights, or the plain ones where no average is kept.
fn averaged(net: &Lite, ema: &Ema) -> Arrays {
    if ema.steps() > 0 { ema.arrays() } else { collect(net) }
}
