//! The loop of the papers' methods: whole networks on crops.
//!
//! A run is one stage, or two where a method wants a teacher trained first. Photos are decoded and
//! cut on other threads, a bounded number ahead of the step at hand. The loop asks a [`Method`] for
//! its loss and knows nothing else of it.

mod looks;
mod measure;
mod order;
mod pictures;
mod ridge;
mod step;
mod timed;

use biqa::parallel::ordered_ahead;
use biqa::view::View;
use biqa::weights::{Arrays, collect, freeze, load};
use burn::module::Module;

use order::Plan;
use pictures::{Cut, Pictures};
use step::Sum;
pub(super) use timed::bench;

use super::checkpoint::{Checkpoint, State, Validation};
use super::choose::{resumed_at, say_start};
use super::ema::Ema;
use super::folder::Folder;
use super::optim::{AdamW, Group};
use super::photo::Photo;
use super::recipe::Keep;
use super::recipe::crops::CropsRecipe;
use super::run::{Bar, Options, Outcome, run_digest};
use super::{Progress, StepReport, TrainError};
use crate::methods::registry::Choice;
use crate::methods::{Method, Start, StepKey};

/// Steps whose photos are decoded ahead of the one at hand.
const STEPS_AHEAD: usize = 2;

/// Trains a paper's method.
pub(super) fn run(
    recipe: &CropsRecipe,
    options: &Options,
    progress: &mut (dyn Progress + Send),
) -> Result<Outcome, TrainError> {
    match recipe.choice.clone() {
        Choice::Deiqt(method) => train(method, recipe, options, progress),
        Choice::Csiqa(method) => train(*method, recipe, options, progress),
        Choice::LmlIqa(method) => train(*method, recipe, options, progress),
        Choice::Csfiqa(method) => train(*method, recipe, options, progress),
        Choice::GlintIqa(method) => train(*method, recipe, options, progress),
        Choice::Qpt(method) => train(*method, recipe, options, progress),
    }
}

/// What ridge regression on the frozen start does.
pub(super) fn bar(recipe: &CropsRecipe, options: &Options) -> Result<Bar, TrainError> {
    match &recipe.choice {
        Choice::Deiqt(method) => ridge::bar(method, recipe, options),
        Choice::Csiqa(method) => ridge::bar(&**method, recipe, options),
        Choice::LmlIqa(method) => ridge::bar(&**method, recipe, options),
        Choice::Csfiqa(method) => ridge::bar(&**method, recipe, options),
        Choice::GlintIqa(method) => ridge::bar(&**method, recipe, options),
        Choice::Qpt(method) => ridge::bar(&**method, recipe, options),
    }
}

fn train<M: Method>(
    method: M,
    recipe: &CropsRecipe,
    options: &Options,
    progress: &mut dyn Progress,
) -> Result<Outcome, TrainError> {
    let pictures = Pictures::new(recipe, options.seed);
    let (mut run, learner) = Run::prepare(method, recipe, options, &pictures, progress)?;
    if let Some(mut learner) = learner {
        loop {
            learner = run.train_stage(learner, progress)?;
            match run.next_stage(learner, progress)? {
                Some(next) => learner = next,
                None => break,
            }
        }
    }
    run.finish()
}

struct Run<'a, M> {
    options: &'a Options,
    recipe: &'a CropsRecipe,
    /// What the card's view is.
    view: View,
    plan: Plan,
    pictures: &'a Pictures<'a>,
    /// The method of every stage, as it is before the stage begins.
    stages: Vec<M>,
    stage: usize,
    step: u64,
    history: Vec<Validation>,
    folder: Folder,
    digest: String,
    /// The network's config in a model file, and what the run ended with: the weights that are kept
    /// and those of the last epoch.
    ended: Option<(serde_json::Value, Arrays, Arrays)>,
    /// What checkpoints leave out.
    constants: Arrays,
}

/// What learns.
struct Learner<M: Method> {
    method: M,
    net: M::Net,
    optim: AdamW,
    ema: Ema,
    /// Of the best epoch so far, as a model file holds them.
    best: Arrays,
}

impl<'a, M: Method> Run<'a, M> {
    /// The run where it stands and what learns in it; nothing does where the run has ended.
    fn prepare(
        method: M,
        recipe: &'a CropsRecipe,
        options: &'a Options,
        pictures: &'a Pictures<'a>,
        progress: &mut dyn Progress,
    ) -> Result<(Self, Option<Learner<M>>), TrainError> {
        let digest = run_digest(options);
        Folder::check(options, &digest)?;
        let group = method.needs().group;
        let plan =
            Plan::new(&recipe.train, options.train.len(), group).map_err(TrainError::Data)?;
        if plan.fewest() < recipe.train.batch {
            let photos = plan.fewest();
            method.check(photos).map_err(|reason| {
                let last = "the last batch of an epoch (train.drop_last = false)";
                TrainError::Data(format!("{last} has {photos}: {reason}"))
            })?;
        }
        let stages: Vec<M> = method.first().into_iter().chain([method]).collect();
        // Before the folder is claimed: weights that don't fit must leave no run behind.
        let (net, from) = start(&stages[0], options)?;
        say_left_out(&stages[0].left_out(&options.init.arrays), progress);
        let (folder, newest) = Folder::claim(options, &digest, progress)?;
        let dataset = options.train.first().map_or("", |photo| &photo.dataset);
        let mut run = Self {
            options,
            recipe,
            view: recipe.view(dataset),
            plan,
            pictures,
            stages,
            stage: 0,
            step: 0,
            history: Vec::new(),
            folder,
            digest,
            ended: None,
            constants: Arrays::new(),
        };
        run.constants = collect(&net);
        run.constants.retain(|name, _| run.stages[0].constant(name));
        let learner = match newest {
            None => {
                let learner = run.learner(net, None)?;
                if from == Start::Whole {
                    say_start(&run.figures(&learner)?.0, progress);
                }
                Some(learner)
            }
            Some(checkpoint) => {
                let State { stage, step, .. } = checkpoint.state;
                let moved = checkpoint.state.moved_to(options.device.name());
                progress.note(&(resumed_at(stage, run.stages.len(), step) + &moved));
                run.restored(net, checkpoint)?
            }
        };
        Ok((run, learner))
    }

    /// The start of a stage. `teacher` is what the stage before ended with.
    fn learner(&self, net: M::Net, teacher: Option<Arrays>) -> Result<Learner<M>, TrainError> {
        let mut method = self.stages[self.stage].clone();
        method.expect_steps(self.plan.total);
        if let Some(weights) = teacher {
            method.teach(weights, &self.options.device.plain())?;
        }
        let net = freeze(net.train(), |name| method.frozen(name));
        method.begin(&net);
        let train = &self.recipe.train;
        let (optim, ema) = (AdamW::new(train.optim), Ema::new(train.ema_decay));
        Ok(Learner { method, net, optim, ema, best: Arrays::new() })
    }

    /// What learns where a checkpoint was written.
    fn restored(
        &mut self,
        net: M::Net,
        checkpoint: Checkpoint,
    ) -> Result<Option<Learner<M>>, TrainError> {
        let Checkpoint { state, mut weights, mut ema, optimizer, mut best, method } = checkpoint;
        for arrays in [&mut weights, &mut ema, &mut best] {
            if !arrays.is_empty() {
                arrays.extend(self.constants.clone());
            }
        }
        (self.stage, self.step, self.history) = (state.stage, state.step, state.history);
        if self.stage == self.stages.len() {
            let config = self.stages[self.stage - 1].exported(&net).0;
            self.ended = Some((config, best, ema));
            return Ok(None);
        }
        let plain = self.options.device.plain();
        let mut learner =
            self.learner(load(net, weights, "the checkpoint", self.network_name())?, None)?;
        learner.method.restore(&learner.net, method)?;
        learner.optim = learner
            .optim
            .restored(state.optimizer_steps, optimizer, &plain)
            .expect("the checkpoint's digests were checked, and it was written with both moments");
        learner.ema = learner.ema.restored(state.ema_steps, ema, &plain);
        learner.best = best;
        Ok(Some(learner))
    }

    /// The registry's name of the network.
    fn network_name(&self) -> &'a str {
        &self.recipe.method
    }

    fn train_stage(
        &mut self,
        learner: Learner<M>,
        progress: &mut dyn Progress,
    ) -> Result<Learner<M>, TrainError> {
        let (options, pictures, stage) = (self.options, self.pictures, self.stage);
        let (seed, batch) = (options.seed, self.recipe.train.batch);
        let (mut learner, mut failed) = (Some(learner), None);
        let mut taken: Vec<(usize, Cut)> = Vec::with_capacity(batch);
        ordered_ahead(
            options.threads,
            STEPS_AHEAD * batch,
            self.plan.from(self.step, seed, stage),
            |_, turn| Ok((turn.photo, pictures.turn(&options.train[turn.photo], turn, stage)?)),
            |_, cut| {
                let Some(current) = learner.take() else { return false };
                let next = cut.and_then(|cut| {
                    taken.push(cut);
                    if taken.len() < self.plan.photos_of(self.step) {
                        return Ok(current);
                    }
                    self.take_step(current, std::mem::take(&mut taken), progress)
                });
                match next {
                    Ok(next) => learner = Some(next),
                    Err(error) => failed = Some(error),
                }
                failed.is_none()
            },
        );
        learner.ok_or_else(|| failed.expect("only an error keeps the learner"))
    }

    /// One optimiser step, and what is due after it.
    fn take_step(
        &mut self,
        learner: Learner<M>,
        cuts: Vec<(usize, Cut)>,
        progress: &mut dyn Progress,
    ) -> Result<Learner<M>, TrainError> {
        let Learner { mut method, net, mut optim, mut ema, best } = learner;
        let (options, recipe, plan) = (self.options, self.recipe, self.plan);
        let train = &recipe.train;
        let done = self.stage as u64 * plan.total + self.step;
        let photos: Vec<usize> = cuts.iter().map(|(photo, _)| *photo).collect();
        let sum = self.passes(&mut method, &net, cuts, done)?;
        let (grads, loss, terms) = sum.mean();
        let lr = train.schedule.used(self.step, plan.total, plan.per_epoch);
        let group = |name: &str, dims: usize| Group {
            lr: lr * method.lr_scale(name),
            decay: method.decays(name, dims),
        };
        let (net, grad_norm) = optim.apply(net, grads, group);
        if !loss.is_finite() || !grad_norm.is_finite() {
            let names = photos.iter().map(|&i| options.train[i].name.as_str());
            return Err(self.folder.not_finite(loss, grad_norm, done + 1, names));
        }
        let net = method.after_step(net);
        if train.ema_decay > 0.0 {
            ema.update(&net);
        }
        let report = StepReport {
            stage: self.stage,
            epoch: self.step / plan.per_epoch,
            step: done + 1,
            steps: self.stages.len() as u64 * plan.total,
            loss,
            terms,
            grad_norm,
            lr,
            seen: photos.len() * method.needs().group,
        };
        self.step += 1;
        self.folder.log(&report)?;
        progress.step(&report);
        let mut learner = Learner { method, net, optim, ema, best };
        let epoch_ends = self.step.is_multiple_of(plan.per_epoch);
        // A teacher is its last epoch's weights: none is chosen.
        if epoch_ends && self.is_last() {
            self.end_epoch(&mut learner, progress)?;
        }
        if epoch_ends || self.step.is_multiple_of(options.checkpoint_steps.max(1)) {
            self.checkpoint(&learner)?;
        }
        Ok(learner)
    }

    /// Forward and backward of a step's photos, part by part.
    fn passes(
        &self,
        method: &mut M,
        net: &M::Net,
        cuts: Vec<(usize, Cut)>,
        step: u64,
    ) -> Result<Sum, TrainError> {
        let train = &self.recipe.train;
        let device = self.options.device.grads();
        let (mut sum, mut cuts, mut part) = (Sum::default(), cuts.into_iter(), 0);
        while cuts.len() > 0 {
            let (photos, cuts): (Vec<usize>, Vec<Cut>) =
                cuts.by_ref().take(train.batch / train.accumulate).unzip();
            let labels = photos.iter().map(|&i| self.label(&self.options.train[i])).collect();
            let step = step * train.accumulate as u64 + part;
            let key = StepKey { seed: self.options.seed, step };
            let batch = step::batch((photos, cuts), labels, &self.view, key, &device);
            sum.add(method, net, &batch, train.precision)?;
            part += 1;
        }
        Ok(sum)
    }

    /// What the network learns of a photo.
    fn label(&self, photo: &Photo) -> f32 {
        match self.recipe.labels.best() {
            Some(best) => photo.target * best as f32,
            None => self.stages[self.stage].training_label(&photo.dataset, photo.score as f32),
        }
    }

    fn is_last(&self) -> bool {
        self.stage + 1 == self.stages.len()
    }

    /// The network that is validated, on a plain device: the average, where one is kept.
    fn averaged(&self, learner: &Learner<M>) -> Result<M::Net, TrainError> {
        let net = learner.net.valid();
        if learner.ema.steps() == 0 {
            return Ok(net);
        }
        Ok(load(net, learner.ema.arrays(), "the averaged weights", self.network_name())?)
    }

    /// Closes a stage: what learns in the next one, or nothing behind the last.
    fn next_stage(
        &mut self,
        learner: Learner<M>,
        progress: &mut dyn Progress,
    ) -> Result<Option<Learner<M>>, TrainError> {
        let net = self.averaged(&learner)?;
        let is_last = self.is_last();
        (self.stage, self.step) = (self.stage + 1, 0);
        if !is_last {
            progress.note("the teacher is trained; the network itself begins");
            let (start, _) = start(&self.stages[self.stage], self.options)?;
            let next = self.learner(start, Some(collect(&net)))?;
            self.checkpoint(&next)?;
            return Ok(Some(next));
        }
        let (config, last) = learner.method.exported(&net);
        let kept = match self.recipe.train.keep {
            Keep::Best => learner.best.clone(),
            Keep::Last => last.clone(),
        };
        self.ended = Some((config, kept, last));
        self.checkpoint(&learner)?;
        Ok(None)
    }

    fn checkpoint(&self, learner: &Learner<M>) -> Result<(), TrainError> {
        let Learner { method, net, optim, ema, best } = learner;
        // Behind the end the places of the average and of the best hold what the run ended with.
        let (best, ema_arrays) = match &self.ended {
            Some((_, kept, last)) => (kept.clone(), last.clone()),
            None => (best.clone(), ema.arrays()),
        };
        let stored = |mut arrays: Arrays| {
            arrays.retain(|name, _| !self.constants.contains_key(name));
            arrays
        };
        let checkpoint = Checkpoint {
            state: State {
                stage: self.stage,
                step: self.step,
                optimizer_steps: optim.steps(),
                ema_steps: ema.steps(),
                history: self.history.clone(),
                figures: Vec::new(),
                device: self.options.device.name(),
                log_bytes: self.folder.log_bytes(),
                items: String::new(),
                run_digest: self.digest.clone(),
                files: Vec::new(),
            },
            weights: stored(collect(net)),
            ema: stored(ema_arrays),
            optimizer: optim.state(),
            best: stored(best),
            method: method.state(),
        };
        let done = self.stage as u64 * self.plan.total + self.step;
        self.folder.keep(&checkpoint, done)
    }
}

/// Names what of the initial weights the network has no place for.
fn say_left_out(names: &[String], progress: &mut dyn Progress) {
    if !names.is_empty() {
        let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
        let more = if names.len() > shown.len() { ", ..." } else { "" };
        progress.note(&format!(
            "{} tensors of the initial weights are left out: {}{more}",
            names.len(),
            shown.join(", ")
        ));
    }
}

/// The network as a stage begins.
fn start<M: Method>(method: &M, options: &Options) -> Result<(M::Net, Start), TrainError> {
    let Options { init, seed, device, .. } = options;
    method.start(init.arrays.clone(), &init.name, *seed, &device.plain())
}
