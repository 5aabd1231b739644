//! What every training is asked for and gives, whatever it trains, and the door to the two loops:
//! `lite` on stored statistics, `crops` for whole networks.

use std::path::PathBuf;

use biqa::device::OpenDevice;
use biqa::nn::autocast::Products;
use biqa::scorer::hex;
use biqa::view::View;
use biqa::weights::{Arrays, Scale};
use sha2::{Digest, Sha256};

use super::checkpoint::Validation;
use super::choose::SelectBy;
use super::export::calibrate;
use super::initial::Initial;
use super::photo::Photo;
use super::recipe::Recipe;
use super::{Progress, TrainError, crops, lite};
use crate::datasets::LabelScale;
use crate::methods::Start;

/// The fewest photos to train on and to choose on.
const LEAST: (usize, usize) = (4, 3);

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
    /// The scale of the scores that are trained on.
    pub scale: LabelScale,
    /// The figure on `val` by which an epoch is kept.
    pub select_by: SelectBy,
    /// Whether every evaluation draws crops of its own, as the papers' code does (`published`).
    pub fresh_crops: bool,
    /// Digest of the manifest they are from.
    pub data_digest: String,
    /// Initial weights.
    pub init: Initial,
    /// Keys every random number.
    pub seed: u64,
    /// Where the network learns. No digest has it: a run may be gone on with elsewhere.
    pub device: OpenDevice,
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

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The weights to keep.
    pub weights: Arrays,
    /// The network's config, as the registry reads it.
    pub config: serde_json::Value,
    /// What the network sees of a picture, for its card.
    pub view: View,
    /// Raw numbers of the validation photos by these weights and this view, in order.
    pub val_raw: Vec<f64>,
    /// Whether a higher raw number is better.
    pub rises: bool,
    /// Scores of the test photos on 0..1, higher is better.
    pub test_scores: Vec<f64>,
    /// The same by the last epoch's weights.
    pub last_test_scores: Vec<f64>,
    /// Validation after every epoch of every stage.
    pub history: Vec<Validation>,
    /// The entry of `history` that the weights to keep are from.
    pub kept: usize,
}

/// What ridge regression on the frozen start of a network does: the bar that training has to clear.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whether the start was trained before.
    pub from: Start,
    /// The penalty that did best on the photos that choose.
    pub penalty: f64,
    /// On the photos that choose.
    pub val: Validation,
    /// On the photos to report on, where there are any.
    pub test: Option<Validation>,
}

impl Outcome {
    /// The map from raw numbers to 0..100, from the photos that chose.
    pub fn scale(&self, val: &[Photo]) -> Result<Scale, TrainError> {
        let targets: Vec<f64> = val.iter().map(|p| f64::from(p.target)).collect();
        calibrate(&self.val_raw, &targets, self.rises)
    }
}

/// Trains. With `threads` set the networks' inner loops stay within that many.
pub fn run(options: &Options, progress: &mut (dyn Progress + Send)) -> Result<Outcome, TrainError> {
    check_device(options)?;
    check_data(options)?;
    pool(options.threads)?.install(|| match &options.recipe {
        Recipe::Lite(recipe) => lite::run(recipe, options, progress),
        Recipe::Crops(recipe) => crops::run(recipe, options, progress),
    })
}

/// The threads of a run.
pub(super) fn pool(threads: usize) -> Result<rayon::ThreadPool, TrainError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| TrainError::Data(format!("no worker threads could be started: {e}")))
}

/// How well ridge regression does on the frozen backbone, as a training of a paper's method would
/// find it. Nothing is written.
pub fn bar(options: &Options) -> Result<Bar, TrainError> {
    check_device(options)?;
    check_data(options)?;
    match &options.recipe {
        Recipe::Crops(recipe) => pool(options.threads)?.install(|| crops::bar(recipe, options)),
        Recipe::Lite(recipe) => Err(TrainError::Data(format!(
            "{} trains lite, whose first stage is a head on a frozen backbone: ridge regression is \
             for the papers' methods",
            recipe.name
        ))),
    }
}

/// What the recipe can't do on the device.
fn check_device(options: &Options) -> Result<(), TrainError> {
    let device = &options.device;
    match &options.recipe {
        Recipe::Crops(recipe) => check_products(recipe.train.precision, device),
        Recipe::Lite(_) if device.name().is_cpu() => Ok(()),
        Recipe::Lite(recipe) => Err(TrainError::Data(format!(
            "{} trains lite, whose statistics and maps are made on the processor, not on {device}: \
             leave --device out",
            recipe.name
        ))),
    }
}

/// Whether the device computes in what `train.precision` says.
pub(crate) fn check_products(products: Products, device: &OpenDevice) -> Result<(), TrainError> {
    if products.runs_on(&device.plain()) {
        return Ok(());
    }
    let word = products.word();
    Err(TrainError::Data(format!("{device} has no {word}: set train.precision to f32")))
}

/// The device for a line that says how a run begins: `cuda:0 (NVIDIA H100), products in bf16`.
pub(crate) fn device_words(device: &OpenDevice, products: Products) -> String {
    match products {
        Products::F32 => device.to_string(),
        Products::Bf16 => format!("{device}, products in bf16"),
    }
}

fn check_data(options: &Options) -> Result<(), TrainError> {
    let data = |text: String| Err(TrainError::Data(text));
    if options.train.len() < LEAST.0 || options.val.len() < LEAST.1 {
        return data(format!(
            "{} photos to train on and {} to choose on; at least {} and {} are needed: give \
             more photos, or a list that shares them out otherwise",
            options.train.len(),
            options.val.len(),
            LEAST.0,
            LEAST.1
        ));
    }
    for (part, photos) in [("train", &options.train), ("val", &options.val)] {
        let Photo { target, score: first, .. } = photos[0].clone();
        if photos.iter().all(|p| p.target == target) {
            return data(format!(
                "all {} scores of {part} are equal ({first}): there is nothing to learn; look at the \
                 column of scores, or share out the photos in another way",
                photos.len()
            ));
        }
    }
    Ok(())
}

/// What makes two runs the same run.
pub(super) fn run_digest(options: &Options) -> String {
    let mut hash = Sha256::new();
    hash.update(options.recipe.digest());
    hash.update(options.seed.to_le_bytes());
    hash.update(&options.data_digest);
    hash.update(&options.init.digest);
    if options.select_by != SelectBy::default() {
        hash.update("select by plcc");
    }
    if options.fresh_crops && matches!(options.recipe, Recipe::Crops(_)) {
        hash.update("fresh crops");
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
