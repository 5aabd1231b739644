//! The loop of a pre-training: steps, measurements, checkpoints.
//!
//! What a step sees is a pure function of (seed, sources, step); degraded pictures are made on other
//! threads, a bounded number ahead.

use std::path::PathBuf;

use biqa::device::OpenDevice;
use biqa::image::Rgb8;
use biqa::nn::autocast::autocast;
use biqa::nn::norm::BATCH_NORM_MOMENTUM;
use biqa::parallel::ordered_ahead;
use biqa::random::stream;
use biqa::scorer::hex;
use biqa::weights::{Array, Arrays, collect, host, load};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};

use super::lines::{MeasureLine, StepLine};
use super::measure::{Figures, Labelled, Measure};
use super::momentum::lr_factor;
use super::network::Pretrain;
use super::recipe::PretrainRecipe;
use super::retrieval::{Similar, Top1};
use super::sources::{Part, SOURCES, Sources, write};
use super::start::{learning, start};
use super::step::{PretrainStep, pretrain_step, stored};
use super::stepper::Stepper;
use super::views::{Pair, Views};
use crate::losses::qpt::{Ids, LossScale, chance};
use crate::train::checkpoint::{Checkpoint, State};
use crate::train::folder::{Claim, Folder};
use crate::train::initial::Initial;
use crate::train::optim::Grads;
use crate::train::{Progress, TrainError};

/// Steps whose pictures are degraded ahead of the one at hand.
const STEPS_AHEAD: usize = 2;
/// The queue's name in a checkpoint.
const QUEUE: &str = "queue";

/// A pre-training.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to do.
    pub recipe: PretrainRecipe,
    /// The recipe as it was written, which the run keeps a copy of.
    pub recipe_text: String,
    /// What to learn from and to measure on.
    pub sources: Sources,
    /// Labelled photos, where there are any.
    pub labelled: Option<Labelled>,
    /// Initial weights of the backbone; empty for chance.
    pub init: Initial,
    /// Keys every random number.
    pub seed: u64,
    /// Where the network learns. No digest has it: a run may be gone on with elsewhere.
    pub device: OpenDevice,
    /// Worker threads; 0 for all cores.
    pub threads: usize,
    /// The run folder.
    pub out: PathBuf,
    /// Whether to go on with a run that is there.
    pub resume: bool,
    /// Steps between checkpoints; one is also written after every epoch.
    pub checkpoint_steps: u64,
}

/// What a pre-training gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Both sides, and the queue where there is one.
    pub weights: Arrays,
    /// What was measured: at the start, after epochs, at the end.
    pub figures: Vec<Figures>,
}

/// Pre-trains. With `threads` set the network's inner loops stay within that many.
pub fn run(options: &Options, progress: &mut (dyn Progress + Send)) -> Result<Outcome, TrainError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|e| TrainError::Data(format!("no worker threads could be started: {e}")))?;
    pool.install(|| {
        let (mut run, mut learner) = Run::prepare(options, progress)?;
        if run.step == 0 && run.figures.is_empty() {
            run.measured(&learner, progress)?;
        }
        learner = run.train(learner, progress)?;
        Ok(Outcome { weights: learner.weights(), figures: run.figures })
    })
}

/// What makes two runs the same run.
fn run_digest(options: &Options) -> String {
    let mut hash = Sha256::new();
    hash.update(options.recipe.digest());
    hash.update(options.seed.to_le_bytes());
    hash.update(&options.init.digest);
    for row in
        options.sources.rows.iter().filter(|r| [Part::Train, Part::HeldOut].contains(&r.part))
    {
        hash.update(format!("{}\n{}\n{}\n", row.name, row.bytes, row.part));
    }
    if let Some(Labelled { name, fit, test }) = &options.labelled {
        hash.update(name);
        for photo in fit.iter().chain(test) {
            hash.update(&photo.name);
            hash.update(photo.target.to_le_bytes());
        }
    }
    hex(&hash.finalize())
}

struct Run<'a> {
    options: &'a Options,
    recipe: &'a PretrainRecipe,
    views: Views<'a>,
    measure: Measure<'a>,
    /// Steps of an epoch, and of the run.
    per_epoch: u64,
    total: u64,
    /// Steps made.
    step: u64,
    figures: Vec<Figures>,
    folder: Folder,
    digest: String,
}

/// What learns.
struct Learner {
    net: Pretrain,
    stepper: Stepper,
    /// Keys of earlier steps, the oldest first, row by row.
    queue: Vec<f32>,
    /// Numbers of a key.
    dim: usize,
}

/// A source's turn.
#[derive(Clone, Copy)]
struct Turn {
    source: usize,
    epoch: u64,
}

impl<'a> Run<'a> {
    fn prepare(
        options: &'a Options,
        progress: &mut dyn Progress,
    ) -> Result<(Self, Learner), TrainError> {
        let Options { recipe, sources, init, seed, threads, device, .. } = options;
        let digest = run_digest(options);
        let claim =
            Claim { out: &options.out, resume: options.resume, recipe_text: &options.recipe_text };
        Folder::check(claim, &digest)?;
        // Before the folder is claimed: weights that don't fit must leave no run behind.
        let net = start(&recipe.network, init.arrays.clone(), &init.name, *seed, device)?;
        let (folder, newest) = Folder::claim(claim, &digest, progress)?;
        write(&sources.rows, &options.out.join(SOURCES))?;
        let labelled = options.labelled.as_ref();
        let measure =
            Measure::prepare(recipe, &sources.held_out, labelled, *seed, (device, *threads))?;
        let pictures = recipe.train.pictures(sources.train.len());
        let per_epoch = (pictures / recipe.views.images) as u64;
        let mut run = Self {
            options,
            recipe,
            views: Views::new(&recipe.views, *seed),
            measure,
            per_epoch,
            total: per_epoch * recipe.train.epochs,
            step: 0,
            figures: Vec::new(),
            folder,
            digest,
        };
        let dim = recipe.network.dim;
        let stepper = Stepper::new(&recipe.train);
        let learner = Learner { net, stepper, queue: Vec::new(), dim };
        let learner = match newest {
            None => learner,
            Some(checkpoint) => {
                let moved = checkpoint.state.moved_to(device.name());
                progress.note(&format!("resumed at step {}{moved}", checkpoint.state.step));
                run.restored(learner, checkpoint)?
            }
        };
        Ok((run, learner))
    }

    fn restored(
        &mut self,
        learner: Learner,
        checkpoint: Checkpoint,
    ) -> Result<Learner, TrainError> {
        let Checkpoint { state, weights, optimizer, mut method, .. } = checkpoint;
        (self.step, self.figures) = (state.step, state.figures);
        let Learner { stepper, dim, .. } = learner;
        let plain = self.options.device.plain();
        let empty = Pretrain::new(&self.recipe.network, &plain);
        let net = learning(load(empty, weights, "the checkpoint", "QPT's pre-training")?);
        let stepper = stepper
            .restored(state.optimizer_steps, optimizer, &plain)
            .expect("the checkpoint's digests were checked, and this optimiser wrote it");
        let queue = method.remove(QUEUE).map_or_else(Vec::new, |array| array.data);
        Ok(Learner { net, stepper, queue, dim })
    }

    /// All steps that are left.
    fn train(
        &mut self,
        learner: Learner,
        progress: &mut dyn Progress,
    ) -> Result<Learner, TrainError> {
        let (options, views) = (self.options, self.views);
        let (sources, images) = (&options.sources.train, self.recipe.views.images);
        let (mut learner, mut failed) = (Some(learner), None);
        let mut taken: Vec<(usize, Vec<Pair>)> = Vec::with_capacity(images);
        ordered_ahead(
            options.threads,
            STEPS_AHEAD * images,
            self.turns(),
            |_, turn| Ok((turn.source, views.pairs(&sources[turn.source], turn.epoch)?)),
            |_, made| {
                let Some(current) = learner.take() else { return false };
                let next = made.and_then(|made| {
                    taken.push(made);
                    if taken.len() < images {
                        return Ok(current);
                    }
                    self.take_step(current, &std::mem::take(&mut taken), progress)
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

    /// Whose turn it is from here on: every epoch an order of its own, of which what is left behind
    /// the last whole step, or behind `epoch_images`, is dropped.
    fn turns(&self) -> impl Iterator<Item = Turn> + Send + use<> {
        let (n, images) = (self.options.sources.train.len(), self.recipe.views.images);
        let (seed, per_epoch, total, first) =
            (self.options.seed, self.per_epoch, self.total, self.step);
        let epochs = first / per_epoch.max(1)..total / per_epoch.max(1);
        epochs.flat_map(move |epoch| {
            let order = stream(seed, "qpt/order", epoch).permutation(n);
            let done = first.saturating_sub(epoch * per_epoch) as usize * images;
            let used = per_epoch as usize * images;
            let turns = order.into_iter().take(used).skip(done);
            turns.map(move |source| Turn { source, epoch })
        })
    }

    /// One step of section 8, and what is due after it.
    fn take_step(
        &mut self,
        learner: Learner,
        made: &[(usize, Vec<Pair>)],
        progress: &mut dyn Progress,
    ) -> Result<Learner, TrainError> {
        let Learner { net, mut stepper, mut queue, dim } = learner;
        let PretrainRecipe { views: sizes, contrast, keys, train, .. } = self.recipe;
        let device = self.options.device.grads();
        let pairs: Vec<&Pair> = made.iter().flat_map(|(_, pairs)| pairs).collect();
        let image: Vec<i64> = (0..pairs.len()).map(|i| (i / sizes.degradations) as i64).collect();
        let degradation: Vec<i64> = (0..pairs.len() as i64).collect();
        let ids = Ids { image: &image, degradation: &degradation };
        let view = |view: usize| {
            let patches: Vec<&Rgb8> = pairs.iter().map(|pair| &pair.patches[view]).collect();
            self.views.tensor(&patches, &device)
        };
        let queued = matrix(&queue, dim, &device);

        let epochs = train.epochs as f64;
        let e = self.step as f64 / self.per_epoch as f64;
        let lr = self.recipe.base_lr() * lr_factor(e, train.warmup_epochs, epochs);
        let m = keys.momentum_schedule.at(e, epochs, keys.momentum_start);
        let views = [view(0), view(1)];
        let step = autocast(train.precision, || {
            pretrain_step(net, views, queued.clone(), ids, m, contrast)
        });
        let PretrainStep { net, queries, keys: found, terms, loss, query_seen, key_seen } = step;
        let [first, _] = queries.map(Tensor::inner);
        let [other, second] = found.map(Tensor::inner);
        let Top1 { all, degradation, content } =
            Similar::new(first, second.clone(), queued.map(Tensor::inner)).top1(ids);
        let value = f64::from(loss.clone().into_scalar::<f32>());
        let of = |t: &Tensor<1>| f64::from(t.clone().mean().into_scalar::<f32>());
        let (prob_degradation, prob_content) =
            (of(&terms.0.prob_degradation), of(&terms.0.prob_content));
        let grads = Grads::of(&net, &loss.backward());
        let net = stored(net, query_seen, key_seen, BATCH_NORM_MOMENTUM);
        let (net, grad_norm) = stepper.apply(net, grads, lr);
        if !value.is_finite() || !grad_norm.is_finite() {
            let names = made.iter().map(|(i, _)| self.options.sources.train[*i].name.as_str());
            return Err(self.folder.not_finite(value, grad_norm, self.step + 1, names));
        }
        let directions = if contrast.symmetric { 2.0 } else { 1.0 };
        let scale = match contrast.loss_scale {
            LossScale::None => 1.0,
            LossScale::TwoTau => 2.0 * contrast.temperature,
        };
        let known = queue.len() / dim.max(1);
        let chance = directions * scale * chance(sizes.images, sizes.degradations, known, contrast);
        if keys.queue > 0 {
            let used = if contrast.symmetric { vec![second, other] } else { vec![second] };
            for keys in &used {
                queue.extend(host(keys));
            }
            let most = keys.queue * dim;
            queue.drain(..queue.len().saturating_sub(most));
        }

        let line = StepLine {
            kind: StepLine::KIND,
            epoch: self.step / self.per_epoch,
            step: self.step + 1,
            steps: self.total,
            loss: value,
            chance,
            prob_degradation,
            prob_content,
            top1: all,
            top1_degradation: degradation,
            top1_content: content,
            grad_norm,
            lr,
            momentum: m,
            fallbacks: pairs.iter().filter(|pair| pair.is_fallback).count(),
            seen: pairs.len(),
        };
        self.step += 1;
        self.folder.log(&line)?;
        progress.step(&line.report());
        let learner = Learner { net, stepper, queue, dim };
        let epoch_ends = self.step.is_multiple_of(self.per_epoch);
        let epoch = self.step / self.per_epoch;
        let due = epoch.is_multiple_of(self.recipe.measure.every) || self.step == self.total;
        if epoch_ends && due {
            self.measured(&learner, progress)?;
        }
        if epoch_ends || self.step.is_multiple_of(self.options.checkpoint_steps.max(1)) {
            self.checkpoint(&learner)?;
        }
        Ok(learner)
    }

    /// Measures what was learnt so far.
    fn measured(
        &mut self,
        learner: &Learner,
        progress: &mut dyn Progress,
    ) -> Result<(), TrainError> {
        let epoch = self.step / self.per_epoch.max(1);
        let figures = self.measure.figures(&learner.net.valid(), epoch, self.step)?;
        progress.note(&format!(
            "epoch {epoch} of {}: {}",
            self.recipe.train.epochs,
            figures.words()
        ));
        self.figures.push(figures);
        self.folder.log(&MeasureLine::of(figures))
    }

    fn checkpoint(&self, learner: &Learner) -> Result<(), TrainError> {
        let checkpoint = Checkpoint {
            state: State {
                stage: 0,
                step: self.step,
                optimizer_steps: learner.stepper.steps(),
                ema_steps: 0,
                history: Vec::new(),
                figures: self.figures.clone(),
                device: self.options.device.name(),
                log_bytes: self.folder.log_bytes(),
                items: String::new(),
                run_digest: self.digest.clone(),
                files: Vec::new(),
            },
            weights: collect(&learner.net),
            ema: Arrays::new(),
            optimizer: learner.stepper.state(),
            best: Arrays::new(),
            method: learner.queued(),
        };
        self.folder.keep(&checkpoint, self.step)
    }
}

impl Learner {
    /// The queue as a checkpoint holds it; nothing where it is empty.
    fn queued(&self) -> Arrays {
        let shape = vec![self.queue.len() / self.dim.max(1), self.dim];
        let array = Array { shape, data: self.queue.clone() };
        let some = !self.queue.is_empty();
        some.then(|| (QUEUE.to_owned(), array)).into_iter().collect()
    }

    fn weights(&self) -> Arrays {
        collect(&self.net).into_iter().chain(self.queued()).collect()
    }
}

/// Queued keys `[u, d]` as a tensor; `None` for none.
fn matrix(rows: &[f32], columns: usize, device: &Device) -> Option<Tensor<2>> {
    let n = rows.len() / columns.max(1);
    (n > 0).then(|| Tensor::from_data(TensorData::new(rows.to_vec(), [n, columns]), device))
}
