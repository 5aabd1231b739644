//! The recipe of a pre-training: every number of it, one TOML file, by the keys of `papers/qpt.md`,
//! section 7. Unknown keys are errors, so a misspelt one is never ignored.

use std::path::Path;

use biqa::nn::autocast::Products;
use biqa::scorer::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::momentum::momentum;
use super::network::PretrainConfig;
use super::overlap::PairConfig;
use crate::degrade::{Plan, QptSpace};
use crate::losses::qpt::QcConfig;
use crate::train::TrainError;
use crate::train::recipe::{Change, Init, Kind, from_toml, parse_with};

/// What a recipe's `method` must be.
const METHOD: &str = "qpt-pretrain";
/// Recipes inside the binary: the name on a command line, the file's name, its text.
const BUILTIN: [(&str, &str, &str); 4] = [
    ("qpt-full", "qpt-pretrain-full.toml", FULL),
    ("qpt-small", "qpt-pretrain-small.toml", SMALL),
    ("qpt-mobilenet", "qpt-pretrain-mobilenet.toml", MOBILENET),
    ("qpt-vit", "qpt-pretrain-vit.toml", VIT),
];
const FULL: &str = include_str!("../../../../recipes/qpt-pretrain-full.toml");
const SMALL: &str = include_str!("../../../../recipes/qpt-pretrain-small.toml");
const MOBILENET: &str = include_str!("../../../../recipes/qpt-pretrain-mobilenet.toml");
const VIT: &str = include_str!("../../../../recipes/qpt-pretrain-vit.toml");

/// Rows for which a recipe states its learning rate (MoCo's convention).
const ROWS_OF_RATE: f64 = 256.0;
/// A picture's short side over a patch's (section 4, step 1: 200 for patches of 160).
const SHORT: f64 = 1.25;

/// What a pre-training does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainRecipe {
    /// The recipe's own name.
    pub name: String,
    /// `qpt-pretrain`.
    pub method: String,
    /// The network's sizes.
    #[serde(default)]
    pub network: PretrainConfig,
    /// What is seen of the sources.
    pub views: ViewsConfig,
    /// The loss.
    #[serde(default)]
    pub contrast: QcConfig,
    /// The key side.
    #[serde(default)]
    pub keys: KeysConfig,
    /// What it starts from.
    pub init: Init,
    /// The run.
    pub train: TrainConfig,
    /// What is measured while it runs.
    #[serde(default)]
    pub measure: MeasureConfig,
}

/// What a step sees, and how patches are made (sections 3 and 4).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewsConfig {
    /// `B`: pictures of a step.
    pub images: usize,
    /// `R`: degradations of each.
    #[serde(default = "two")]
    pub degradations: usize,
    /// Which operations.
    #[serde(default)]
    pub space: Space,
    /// `K`: operations a round; 0 leaves pictures as they are, for checks.
    #[serde(default = "five")]
    pub draws: u32,
    /// Whether an operation may come twice in a round.
    #[serde(default)]
    pub draw: Draw,
    /// Rounds.
    #[serde(default = "one")]
    pub orders: u32,
    /// Largest short side of a picture before it is degraded.
    #[serde(default = "max_short")]
    pub max_short: u32,
    /// Side of the window that is cut at random, once an epoch, before a picture is degraded: ours,
    /// so that large pictures keep their own resolution at a small one's cost. 0 for none.
    #[serde(default)]
    pub window: u32,
    /// The two patches.
    #[serde(default)]
    pub pair: PairConfig,
    /// Mean of each channel on 0..1.
    #[serde(default = "imagenet_mean")]
    pub mean: [f32; 3],
    /// Standard deviation of each channel.
    #[serde(default = "imagenet_std")]
    pub std: [f32; 3],
}

fn one() -> u32 {
    1
}

fn two() -> usize {
    2
}

fn five() -> u32 {
    5
}

fn max_short() -> u32 {
    512
}

fn imagenet_mean() -> [f32; 3] {
    [0.485, 0.456, 0.406]
}

fn imagenet_std() -> [f32; 3] {
    [0.229, 0.224, 0.225]
}

/// Key `space`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Space {
    /// 29 operations: the size agrees with the paper's abstract.
    #[default]
    Qpt29,
    /// The 26 of the third-party list.
    Qpt26,
}

/// Key `draw`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Draw {
    /// An operation may come again.
    #[default]
    Replacement,
    /// None twice in a round.
    Distinct,
}

/// The key side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// Keys of earlier steps that are content negatives besides; 0 for those of the batch alone. The
    /// queue begins empty.
    pub queue: usize,
    /// `m_0` of (5).
    pub momentum_start: f64,
    /// How it goes on.
    pub momentum_schedule: MomentumSchedule,
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self { queue: 0, momentum_start: 0.99, momentum_schedule: MomentumSchedule::Cosine }
    }
}

/// Key `momentum_schedule`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MomentumSchedule {
    /// To 1 (5).
    #[default]
    Cosine,
    /// It stays, as in MoCo v2.
    Constant,
}

impl MomentumSchedule {
    /// The momentum at epoch `e` of `epochs`.
    pub fn at(self, e: f64, epochs: f64, start: f64) -> f64 {
        match self {
            Self::Cosine => momentum(e, epochs, start),
            Self::Constant => start,
        }
    }
}

/// The run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// How gradients become steps.
    pub optimizer: Optimizer,
    /// Learning rate of 256 rows; a step's is this times its rows over 256.
    pub lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Share of the last step that a step keeps (LARS, SGD).
    #[serde(default = "sgd_momentum")]
    pub momentum: f64,
    /// `trust` of (7) (LARS).
    #[serde(default = "trust")]
    pub trust_coefficient: f64,
    /// Length of the warm-up, in epochs.
    pub warmup_epochs: f64,
    /// Epochs: times every source is seen, where none is left out of one.
    pub epochs: u64,
    /// The most pictures of an epoch, drawn anew in each: a folder of any size, one length of run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_images: Option<usize>,
    /// What a step's matrix products are computed in, as `train.precision` of other recipes. Left out
    /// of the digest where it is `f32`.
    #[serde(default, skip_serializing_if = "Products::is_f32")]
    pub precision: Products,
}

fn sgd_momentum() -> f64 {
    0.9
}

fn trust() -> f64 {
    0.001
}

/// Key `optimizer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// (7), for large batches.
    Lars,
    /// SGD with momentum.
    Sgd,
    /// AdamW, ours: for backbones that were trained before and few steps.
    AdamW,
}

/// What is measured, on sources that are not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MeasureConfig {
    /// The most sources that are held out.
    pub held_out: usize,
    /// Epochs between two measurements; the start and the end are always measured.
    pub every: u64,
    /// The most labelled photos, where a set is given: three of four to fit a ridge on, the others
    /// to correlate.
    pub labelled: usize,
}

impl Default for MeasureConfig {
    fn default() -> Self {
        Self { held_out: 64, every: 1, labelled: 800 }
    }
}

impl PretrainRecipe {
    /// A recipe with changes and its text: one inside the binary by its name, else a file.
    pub fn open(name: &Path, changes: &[Change]) -> Result<(Self, String), TrainError> {
        let known = BUILTIN.iter().find(|(known, ..)| !name.exists() && name == Path::new(known));
        if let Some((_, file, text)) = known {
            let path = format!("{file} (inside biqa)");
            return parse_with(text, Path::new(&path), changes, Self::parse);
        }
        if !name.exists() {
            let known: Vec<&str> = BUILTIN.iter().map(|(known, ..)| *known).collect();
            let known = known.join(", ");
            let reason = format!("there is no such file, and inside biqa there are {known}");
            return Err(TrainError::Recipe { path: name.to_owned(), reason });
        }
        let io = |source| TrainError::Io { path: name.to_owned(), source };
        let text = std::fs::read_to_string(name).map_err(io)?;
        parse_with(&text, name, changes, Self::parse)
    }

    /// Parses and checks a recipe's text; `path` stands for it in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TrainError> {
        let parsed = from_toml::<Kind>(text).and_then(|Kind { method }| {
            if method != METHOD {
                return Err(format!(
                    "method is {method:?}, expected {METHOD:?} (other recipes are for biqa train)"
                ));
            }
            let recipe: Self = from_toml(text)?;
            recipe.check().map(|()| recipe)
        });
        parsed.map_err(|reason| TrainError::Recipe { path: path.to_owned(), reason })
    }

    /// SHA-256 of everything that decides what is learnt.
    pub fn digest(&self) -> String {
        let Self { name: _, method, network, views, contrast, keys, init, train, measure } = self;
        let decides = (method, network, views, contrast, keys, init, train, measure);
        let text = serde_json::to_vec(&decides).expect("numbers, texts and lists are JSON");
        hex(&Sha256::digest(text))
    }

    /// What is wrong with it, if anything.
    fn check(&self) -> Result<(), String> {
        self.network.check().map_err(|e| format!("network: {e}"))?;
        self.views.check().map_err(|e| format!("views: {e}"))?;
        if let Some(side) = self.network.side().filter(|&side| side as i64 != self.views.pair.patch)
        {
            let patch = self.views.pair.patch;
            return Err(format!("views.pair.patch is {patch}, network.vit.image_size is {side}"));
        }
        let QcConfig { temperature, w_degradation, w_content, normalize_eps, .. } = self.contrast;
        let all = [temperature, w_degradation, w_content, normalize_eps];
        let finite = all.iter().all(|v| v.is_finite());
        if !finite || temperature <= 0.0 || w_degradation < 0.0 || w_content < 0.0 {
            return Err("contrast: temperature must be above 0, weights 0 or more".to_owned());
        }
        if normalize_eps <= 0.0 {
            return Err("contrast: normalize_eps must be above 0".to_owned());
        }
        if !(0.0..=1.0).contains(&self.keys.momentum_start) {
            return Err("keys: momentum_start must be 0 to 1".to_owned());
        }
        self.train.check(self.views.images).map_err(|e| format!("train: {e}"))?;
        if self.measure.every == 0 || self.measure.held_out < LEAST_HELD_OUT {
            return Err(format!(
                "measure: every must be 1 or more and held_out {LEAST_HELD_OUT} or more"
            ));
        }
        Ok(())
    }

    /// Rows of a step: `M`.
    pub fn rows(&self) -> usize {
        self.views.images * self.views.degradations
    }

    /// The base of the learning rate.
    pub fn base_lr(&self) -> f64 {
        self.train.lr * self.rows() as f64 / ROWS_OF_RATE
    }
}

/// The fewest sources that figures are made of: two to fit a probe on, two to try it.
pub(super) const LEAST_HELD_OUT: usize = 4;

impl ViewsConfig {
    fn check(&self) -> Result<(), String> {
        let Self { images, degradations, draws, orders, pair, window, .. } = *self;
        if images == 0 || degradations == 0 || images * degradations < 2 {
            return Err("images times degradations must be 2 or more".to_owned());
        }
        // Written and read, a plan is held against the operations that an address has room for; none
        // at all is a control.
        if draws > 0 || orders == 0 {
            self.plan().to_string().parse::<Plan>().map_err(|e| format!("draws, orders: {e}"))?;
        }
        let ordered = 0.0 <= pair.iou_low && pair.iou_low <= pair.iou_high && pair.iou_high <= 1.0;
        if !(32..=4096).contains(&pair.patch) || !ordered {
            return Err(
                "pair.patch must be 32 to 4096, and iou_low, iou_high rise in 0..1".to_owned()
            );
        }
        if self.max_short < self.least_short() || (window > 0 && window < self.least_short()) {
            return Err(format!(
                "max_short and window must be {} or more for patches of {} (or window 0: none)",
                self.least_short(),
                pair.patch
            ));
        }
        if self.std.iter().any(|&s| !(s > 0.0 && s.is_finite())) {
            return Err("std must be above 0".to_owned());
        }
        Ok(())
    }

    /// A picture whose short side is less is enlarged to it (section 4, step 1).
    pub fn least_short(&self) -> u32 {
        (self.pair.patch as f64 * SHORT).ceil() as u32
    }

    /// How compositions are drawn.
    pub fn plan(&self) -> Plan {
        let space = match self.space {
            Space::Qpt29 => QptSpace::Qpt29,
            Space::Qpt26 => QptSpace::Qpt26,
        };
        let distinct = self.draw == Draw::Distinct;
        Plan::Qpt { space, draws: self.draws, orders: self.orders, distinct }
    }
}

impl TrainConfig {
    /// Pictures of an epoch, where there are so many.
    pub fn pictures(&self, sources: usize) -> usize {
        self.epoch_images.map_or(sources, |most| most.min(sources))
    }

    /// `step` is how many pictures a step sees.
    fn check(&self, step: usize) -> Result<(), String> {
        let Self { lr, weight_decay, momentum, trust_coefficient, warmup_epochs, epochs, .. } =
            *self;
        let rates = [lr, weight_decay, momentum, trust_coefficient, warmup_epochs];
        if !rates.iter().all(|&v| v >= 0.0 && v.is_finite()) || momentum >= 1.0 {
            return Err("rates must be 0 or more and finite, momentum below 1".to_owned());
        }
        if epochs == 0 || warmup_epochs >= epochs as f64 {
            return Err("epochs must be 1 or more, and more than warmup_epochs".to_owned());
        }
        if self.epoch_images.is_some_and(|most| most < step) {
            return Err(format!("epoch_images must be {step} or more, the pictures of a step"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_inside_the_binary_are_named_after_their_files() {
        for (name, file, text) in BUILTIN {
            let (recipe, found) = PretrainRecipe::open(Path::new(name), &[]).expect("a recipe");
            assert_eq!((format!("{}.toml", recipe.name).as_str(), found.as_str()), (file, text));
            assert_eq!(recipe.digest().len(), 64);
        }
        let error =
            PretrainRecipe::open(Path::new("qpt-large"), &[]).expect_err("none").to_string();
        assert!(
            error.ends_with("there are qpt-full, qpt-small, qpt-mobilenet, qpt-vit"),
            "{error}"
        );
    }

    #[test]
    fn more_operations_than_an_address_holds_are_refused() {
        let (recipe, _) = PretrainRecipe::open(Path::new("qpt-mobilenet"), &[]).expect("a recipe");
        for (draws, orders, words) in [(40, 2, "may need 80"), (5, 0, "orders")] {
            let views = ViewsConfig { draws, orders, ..recipe.views };
            let error = views.check().expect_err("too many, or none");
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn the_papers_sizes_have_the_rates_of_the_specification() {
        // papers/qpt.md, section 6.
        let of = |name| PretrainRecipe::open(Path::new(name), &[]).expect("a recipe").0;
        let (full, small) = (of("qpt-full"), of("qpt-small"));
        assert_eq!((full.rows(), small.rows()), (4096, 256));
        assert!((full.base_lr() - 0.6 * 16.0).abs() < 1e-12);
        assert!((small.base_lr() - 0.03).abs() < 1e-12);
        for recipe in [full, small] {
            assert_eq!(recipe.network, PretrainConfig::default());
            assert_eq!(recipe.contrast, QcConfig::default());
            assert_eq!(recipe.views.plan(), Plan::named("qpt").expect("a plan"));
            assert_eq!(recipe.views.least_short(), 200);
        }
    }
}
