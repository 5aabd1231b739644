//! `lite`: biqa's own small model, the one inside the binary.
//!
//! A MobileNetV2 (batch norms folded) sees the whole photo at several sizes. Quality is not in
//! what the photo shows but in how its textures and edges look, so the head sees statistics, not
//! positions: mean and standard deviation over the map of several stages, at every size. A small
//! MLP turns them into one number, the mean opinion score on a scale of 0 to 1.
//! Nothing here is from a paper but the backbone; LOG.md has what was tried.
//!
//! Shapes: `b` images, `d` statistics.

use burn::module::{Module, Param};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::nn::layers::{Linear, buffer};
use crate::nn::mobilenet::{LAST, MobileNetV2};
use crate::nn::pool::mean_std;

/// A card may ask for no more: memory is taken before a tensor is looked at.
const MOST_SIZES: usize = 8;
const MOST_HIDDEN: usize = 4096;

/// Channels behind `features.i` of MobileNetV2 at width 1 (Table 2 of its paper).
const CHANNELS: [usize; LAST + 1] =
    [32, 16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320, 1280];

/// Sizes of a `lite`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiteConfig {
    /// Indices into MobileNetV2's `features` whose outputs are pooled, rising.
    pub taps: Vec<usize>,
    /// Sizes at which a photo is seen.
    pub sizes: usize,
    /// Hidden numbers of the MLP.
    pub hidden: usize,
}

impl LiteConfig {
    /// Statistics of one photo at one size.
    pub fn per_scale(&self) -> usize {
        self.taps.iter().map(|&tap| 2 * CHANNELS[tap]).sum()
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let rising = self.taps.windows(2).all(|w| w[0] < w[1]);
        if self.taps.is_empty() || !rising || self.taps.last().is_some_and(|&t| t > LAST) {
            return Err(format!("taps must rise within 0..={LAST}, found {:?}", self.taps));
        }
        if !(1..=MOST_SIZES).contains(&self.sizes) || !(1..=MOST_HIDDEN).contains(&self.hidden) {
            return Err(format!(
                "sizes must be 1 to {MOST_SIZES} and hidden 1 to {MOST_HIDDEN}, found {} and {}",
                self.sizes, self.hidden
            ));
        }
        Ok(())
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Lite {
    trunk: MobileNetV2,
    head: Head,
    #[module(skip)]
    taps: Vec<usize>,
    hidden: usize,
    sizes: usize,
}

/// From statistics to one number.
#[derive(Module, Debug)]
pub struct Head {
    /// `[d]`: the statistics' mean over the training photos, a buffer.
    center: Param<Tensor<1>>,
    /// `[d]`: their standard deviation, a buffer.
    spread: Param<Tensor<1>>,
    fc1: Linear,
    fc2: Linear,
}

/// A standardised statistic is clamped to this many standard deviations: a screenshot or a flat
/// colour must not throw the head off the range it was trained on.
const CLAMP: f64 = 5.0;

/// Factors on the head's inputs and on its hidden numbers: 0 or `1 / (1 - rate)`.
#[derive(Clone, Debug)]
pub struct Dropout {
    /// `[b, d]`
    pub input: Tensor<2>,
    /// `[b, hidden]`
    pub hidden: Tensor<2>,
}

impl Lite {
    /// An empty network. `config` must have passed [`LiteConfig::check`].
    pub fn new(config: &LiteConfig, device: &Device) -> Self {
        let d = config.sizes * config.per_scale();
        Self {
            trunk: MobileNetV2::new(1.0, None, device).fold(),
            head: Head {
                center: buffer([d], device),
                spread: buffer([d], device),
                fc1: Linear::new(d, config.hidden, true, device),
                fc2: Linear::new(config.hidden, 1, true, device),
            },
            taps: config.taps.clone(),
            hidden: config.hidden,
            sizes: config.sizes,
        }
    }

    /// Hidden numbers of the head.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// Sizes at which a photo is seen.
    pub fn sizes(&self) -> usize {
        self.sizes
    }

    /// The raw score of one look at a photo: `[1, 3, h, w]` a size.
    pub fn score_look(&self, sizes: Vec<Tensor<4>>) -> f64 {
        let statistics = sizes.into_iter().map(|x| self.statistics(x));
        let score = self.score(Tensor::cat(statistics.collect(), 1), None);
        f64::from(score.into_scalar::<f32>())
    }

    /// `[b, 3, h, w] -> [b, d]`: the statistics of one size.
    pub fn statistics(&self, x: Tensor<4>) -> Tensor<2> {
        self.statistics_from(x, 0)
    }

    /// The statistics of the taps at or behind `features.first`, from that entry's input.
    pub fn statistics_from(&self, x: Tensor<4>, first: usize) -> Tensor<2> {
        let last = self.taps.last().copied().unwrap_or(LAST);
        let maps = self.trunk.features(x, first, last);
        let taps = self.taps.iter().filter(|&&tap| tap >= first);
        let pooled = taps.flat_map(|&tap| {
            let (mean, std) = mean_std(maps[tap - first].clone());
            [mean, std]
        });
        Tensor::cat(pooled.collect(), 1)
    }

    /// The statistics of every tap, and the input of `features.cut` (`cut` at least 1).
    pub fn statistics_and_map(&self, x: Tensor<4>, cut: usize) -> (Tensor<2>, Tensor<4>) {
        let last = self.taps.last().copied().unwrap_or(LAST).max(cut - 1);
        let maps = self.trunk.features(x, 0, last);
        let pooled = self.taps.iter().flat_map(|&tap| {
            let (mean, std) = mean_std(maps[tap].clone());
            [mean, std]
        });
        (Tensor::cat(pooled.collect(), 1), maps[cut - 1].clone())
    }

    /// How many statistics of one size the taps before `features.cut` give.
    pub fn statistics_before(&self, cut: usize) -> usize {
        self.taps.iter().filter(|&&tap| tap < cut).map(|&tap| 2 * CHANNELS[tap]).sum()
    }

    /// `[b, d] -> [b]`, with dropout where the caller trains.
    pub fn score(&self, statistics: Tensor<2>, dropout: Option<Dropout>) -> Tensor<1> {
        let [b, _] = statistics.dims();
        let head = &self.head;
        let z = (statistics - head.center.val().unsqueeze()) / head.spread.val().unsqueeze();
        let z = z.clamp(-CLAMP, CLAMP);
        let (z, mask) = match dropout {
            Some(Dropout { input, hidden }) => (z * input, Some(hidden)),
            None => (z, None),
        };
        let hidden = gelu(head.fc1.forward(z));
        let hidden = match mask {
            Some(mask) => hidden * mask,
            None => hidden,
        };
        head.fc2.forward(hidden).reshape([b])
    }
}
