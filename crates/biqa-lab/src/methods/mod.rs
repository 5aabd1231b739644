//! The papers' methods as the training loop sees them: one file a method.
//!
//! Who calls: the loop of [`crate::train`], which owns the photos, the optimiser, the schedule, the
//! moving average, checkpoints and validation. A [`Method`] owns what is the paper's: how a batch
//! becomes the terms of a loss, what it starts from, its teacher. The loop never asks which method
//! it trains.
//!
//! Shapes: `b` pictures of a step, `k` crops a picture, `s` the side of a crop.

#[cfg(test)]
mod autocast_tests;
pub mod csfiqa;
pub mod csiqa;
pub mod deiqt;
pub mod glintiqa;
pub mod init;
pub mod lmliqa;
#[cfg(test)]
mod made;
pub mod qpt;
pub mod registry;
pub mod teacher;

use biqa::random::{Draws, Key};
use biqa::weights::{Arrays, WeightsError};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::train::TrainError;

/// What a step of the loop hands to a method. Every tensor is on the device with gradients.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[b * k, 3, s, s]`, normalised; the `k` crops of a picture stand together.
    pub crops: Tensor<4>,
    /// `b * k` boxes `x0, y0, x1, y1`: where a crop was cut, as fractions of the prepared picture
    /// before it was mirrored.
    pub boxes: Vec<[f32; 4]>,
    /// `[b, 3, s, s]`: the prepared pictures squeezed to the crop's size, where
    /// [`Needs::whole`] asks for them.
    pub whole: Option<Tensor<4>>,
    /// `b` labels, on the recipe's scale.
    pub targets: Vec<f32>,
    /// `b`: which photo each picture is. Where one list of photos ends and the next begins within a
    /// batch, one may stand in it twice.
    pub photos: Vec<usize>,
    /// What keys the random numbers of this step.
    pub key: StepKey,
}

impl Batch {
    /// `b`: pictures.
    pub fn pictures(&self) -> usize {
        self.targets.len()
    }

    /// `k`: crops a picture.
    pub fn group(&self) -> usize {
        self.crops.dims()[0] / self.targets.len().max(1)
    }

    /// `[b]`: the labels.
    pub fn target(&self) -> Tensor<1> {
        let data = TensorData::new(self.targets.clone(), [self.targets.len()]);
        Tensor::from_data(data, &self.crops.device())
    }

    /// `b * k`: the label of every crop.
    pub fn crop_labels(&self) -> Vec<f32> {
        let k = self.group();
        self.targets.iter().flat_map(|&y| std::iter::repeat_n(y, k)).collect()
    }

    /// `[b * k]`: the same as a tensor.
    pub fn crop_targets(&self) -> Tensor<1> {
        let data = self.crop_labels();
        let n = data.len();
        Tensor::from_data(TensorData::new(data, [n]), &self.crops.device())
    }
}

/// Names a step of a run: with a purpose it keys every random number that a method draws, so that a
/// resumed run draws what one that was not stopped draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepKey {
    /// The run's seed.
    pub seed: u64,
    /// The optimiser step, from 0, counted over the whole run.
    pub step: u64,
}

impl StepKey {
    /// The numbers of this step for `purpose` (`"csiqa/mask"`) and a part of it (a block, a layer).
    pub fn draws(self, purpose: &str, part: u32) -> Draws {
        Key::of_picture(self.seed, purpose, self.step).at(part)
    }
}

/// What a method wants to see of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Side of a crop, in pixels.
    pub crop: usize,
    /// Crops of one picture that stand together in a batch; 1 where pictures are independent.
    pub group: usize,
    /// Whether the whole picture is wanted too, squeezed to the crop's size.
    pub whole: bool,
}

/// The terms of a loss.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Name and value `[1]`, weighted; their sum is the loss.
    pub parts: Vec<(&'static str, Tensor<1>)>,
}

impl Terms {
    /// The loss: the sum of the parts in their order. `None` where there is none.
    pub fn total(&self) -> Option<Tensor<1>> {
        self.parts.iter().map(|(_, part)| part.clone()).reduce(|a, b| a + b)
    }

    /// Adds a part.
    #[must_use]
    pub fn with(mut self, name: &'static str, part: Tensor<1>) -> Self {
        self.parts.push((name, part));
        self
    }
}

/// What initial weights brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Every parameter, trained before.
    Whole,
    /// The backbone; the rest starts from the seed.
    Backbone,
    /// Nothing: all of it starts from the seed.
    Fresh,
}

/// A paper's way to train its network.
///
/// The network is an argument, not a field: the loop owns it, steps it, averages it and writes it
/// into checkpoints. What a method itself keeps between steps (a teacher) it gives and takes back
/// as arrays.
pub trait Method: Clone {
    /// The network.
    type Net: Module;

    /// What a batch must hold.
    fn needs(&self) -> Needs;

    /// What is wrong with the options, or with batches of `pictures` pictures, if anything.
    fn check(&self, _pictures: usize) -> Result<(), String> {
        Ok(())
    }

    /// A network on a plain device: filled from `arrays` (a whole checkpoint, or a backbone's file
    /// whose every tensor is accounted for; empty for none), the rest by the paper's rules from
    /// `seed`. `name` stands for the file in errors.
    fn start(
        &self,
        arrays: Arrays,
        name: &str,
        seed: u64,
        device: &Device,
    ) -> Result<(Self::Net, Start), TrainError>;

    /// Whether a parameter keeps its first value.
    fn frozen(&self, _name: &str) -> bool {
        false
    }

    /// Whether a parameter is what [`Self::start`] brings, whatever is trained, and too large to be
    /// in every checkpoint: those leave it out. Model files have it.
    fn constant(&self, _name: &str) -> bool {
        false
    }

    /// Whether weight decay acts on a parameter of that name and number of dimensions.
    fn decays(&self, name: &str, dims: usize) -> bool;

    /// A parameter's learning rate over that of the step.
    fn lr_scale(&self, _name: &str) -> f64 {
        1.0
    }

    /// A training to be done before this one, on the same photos and from the same start, the
    /// weights of whose last epoch are then given to [`Self::teach`]. None for most.
    fn first(&self) -> Option<Self> {
        None
    }

    /// Takes the weights of [`Self::first`]. Not called where there is no such training.
    fn teach(&mut self, _weights: Arrays, _device: &Device) -> Result<(), WeightsError> {
        Ok(())
    }

    /// What of a file of initial weights has no place in the network and is left out, by name.
    fn left_out(&self, _arrays: &Arrays) -> Vec<String> {
        Vec::new()
    }

    /// Called first of all, also where a run resumes: how many optimiser steps there will be.
    fn expect_steps(&mut self, _steps: u64) {}

    /// Called once before the first step of a run that does not resume, with the network as it
    /// starts: a moving average begins as its copy.
    fn begin(&mut self, _net: &Self::Net) {}

    /// The forward pass in training mode and its loss. Random numbers come from `batch.key` alone.
    ///
    /// An error where the batch lacks what [`Self::needs`] asked for, or a teacher was not given.
    fn terms(&mut self, net: &Self::Net, batch: &Batch) -> Result<Terms, TrainError>;

    /// Called after every optimiser step with the new weights: teachers follow, buffers of batch
    /// norms that the forward pass saw are put into the network that comes back.
    fn after_step(&mut self, net: Self::Net) -> Self::Net {
        net
    }

    /// What training aims at for a raw label of a set, by its key; the label itself for most. Labels of
    /// photos that are measured stay as they are.
    fn training_label(&self, _set: &str, label: f32) -> f32 {
        label
    }

    /// The raw label that an output stands for, of a network that was trained on a set:
    /// [`Self::training_label`] undone.
    fn label_of(&self, _set: &str, output: f64) -> f64 {
        output
    }

    /// What the backbone alone makes of crops, `[b, d]`: ridge regression on it, with the weights
    /// that training starts from, is what training has to beat.
    fn features(&self, net: &Self::Net, crops: Tensor<4>) -> Tensor<2>;

    /// What goes into a model file, and so what is measured: the network's config as the registry
    /// reads it, and its arrays.
    fn exported(&self, net: &Self::Net) -> (serde_json::Value, Arrays);

    /// What the method keeps between steps, for a checkpoint.
    fn state(&self) -> Arrays {
        Arrays::new()
    }

    /// Puts [`Self::state`] back. `net` is the network of the same checkpoint, which gives names
    /// and shapes.
    fn restore(&mut self, _net: &Self::Net, _state: Arrays) -> Result<(), WeightsError> {
        Ok(())
    }
}

/// Tokens `[b, n, d]` as one vector a picture, `[b, (s + 1) d]`: the first `s`, which sum it up, and
/// the mean of the others.
fn summed_up(tokens: Tensor<3>, s: usize) -> Tensor<2> {
    let [b, n, d] = tokens.dims();
    let rest = tokens.clone().narrow(1, s, n - s).mean_dim(1);
    let all = if s == 0 { rest } else { Tensor::cat(vec![tokens.narrow(1, 0, s), rest], 1) };
    all.reshape([b, (s + 1) * d])
}

/// The error of an option whose number is outside its range.
fn ensure(fits: bool, key: &str, expected: &str, found: f64) -> Result<(), String> {
    if fits { Ok(()) } else { Err(format!("options.{key} must be {expected}, found {found}")) }
}

/// [`ensure`] for a number above 0.
fn positive(key: &str, found: f64) -> Result<(), String> {
    ensure(found > 0.0 && found.is_finite(), key, "above 0", found)
}

/// [`ensure`] for a weight of a term, or a rate: 0 or more.
fn not_negative(key: &str, found: f64) -> Result<(), String> {
    ensure(found >= 0.0 && found.is_finite(), key, "0 or more", found)
}

/// [`ensure`] for a share.
fn share_of_one(key: &str, found: f64) -> Result<(), String> {
    ensure((0.0..=1.0).contains(&found), key, "from 0 to 1", found)
}

/// A config of plain numbers and names as JSON.
fn config_json(config: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(config).expect("numbers and names are JSON")
}
