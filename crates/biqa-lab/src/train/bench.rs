//! How long a step of a recipe takes, and how much memory, on made-up crops: no photo is read and
//! nothing is written.
//!
//! Called by `biqa bench train`. A step is the training loop's own: crops to tensors, forward,
//! backward, optimiser, moving average. Decoding and cutting photos, which other threads do meanwhile,
//! are not in it, nor is what ends an epoch.

use std::fs;

use biqa::device::OpenDevice;

use super::TrainError;
use super::crops;
use super::recipe::Recipe;
use super::run::{check_products, pool};

/// What is timed.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Where the network learns.
    pub device: OpenDevice,
    /// Worker threads; 0 for all cores.
    pub threads: usize,
    /// Steps that count.
    pub steps: usize,
    /// Steps before them: a GPU's kernels are built and chosen in the first ones.
    pub warmup: usize,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// Crops of a step, and the side of one in pixels.
    pub crops: (usize, usize),
    /// Numbers of the network.
    pub parameters: usize,
    /// Seconds of the first step of all.
    pub first: f64,
    /// Seconds of every step that counts.
    pub seconds: Vec<f64>,
    /// Bytes reserved on the device at most, where it tells, seen after every step.
    pub device_memory: Option<u64>,
    /// Bytes that the process held at most, where the system tells.
    pub process_memory: Option<u64>,
}

/// Times steps of a paper's method from random weights.
pub fn bench(recipe: &Recipe, bench: &Bench) -> Result<Timed, TrainError> {
    let Recipe::Crops(recipe) = recipe else {
        let name = recipe.name();
        return Err(TrainError::Data(format!(
            "{name} trains lite: the steps of the papers' methods alone are timed"
        )));
    };
    check_products(recipe.train.precision, &bench.device)?;
    pool(bench.threads)?.install(|| crops::bench(recipe, bench))
}

/// The most memory that this process has held, in bytes, where the system tells.
pub(crate) fn peak() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// `VmHWM:     1234 kB`, in bytes.
pub(crate) fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kb| kb * 1024)
}
