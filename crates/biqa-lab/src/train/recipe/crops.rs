//! The recipe of a paper's method: a whole network on crops of photos.
//!
//! The keys are those of the papers' specifications, by table: `config` the network (`model.*`),
//! `options` what the method lets one choose, `crops` the pictures (`data.*`), `train` the run.

use std::collections::BTreeMap;

use biqa::nn::autocast::Products;
use biqa::resize::Filter;
use biqa::scorer::hex;
use biqa::view::{Grid, Policy, View};
use half::f16;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::optim::AdamWConfig;
use super::super::schedule::Schedule;
use super::{Card, Init, Keep, from_toml};
use crate::datasets::{Preparation, find};
use crate::methods::registry::{self, Choice};

/// What a training of a paper's method does.
#[derive(Clone, Debug)]
pub struct CropsRecipe {
    /// The recipe's own name.
    pub name: String,
    /// The registry's name of the network.
    pub method: String,
    /// See [`Recipe::content`](super::Recipe::content).
    pub content: Option<String>,
    /// What the numbers to learn are.
    pub labels: Labels,
    /// What of a photo is seen.
    pub crops: Crops,
    /// What it starts from.
    pub init: Init,
    /// What the model's card says.
    pub card: Card,
    /// The run.
    pub train: Train,
    /// The method with its config and options.
    pub choice: Choice,
    /// `config` and `options`, every default written out.
    decided: (Value, Value),
}

/// The recipe as it is written, for a method with config `C` and options `O`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form<C, O> {
    name: String,
    method: String,
    #[serde(default)]
    pub(crate) config: C,
    #[serde(default)]
    pub(crate) options: O,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    labels: Labels,
    crops: Crops,
    init: Init,
    card: Card,
    train: Train,
}

/// What the numbers to learn are (papers/datasets.md, 1.2: `target`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Labels {
    /// 0 worst, 1 best, on the set's nominal range.
    #[default]
    Normalised,
    /// The number in the label file; a DMOS stays one.
    Raw,
    /// 0 worst, 10 best, on the set's nominal range.
    Ten,
    /// 0 worst, 100 best, on the set's nominal range.
    Percent,
}

impl Labels {
    /// The number of the best, where the worst is 0; raw labels have none.
    pub(crate) fn best(self) -> Option<f64> {
        match self {
            Labels::Normalised => Some(1.0),
            Labels::Ten => Some(10.0),
            Labels::Percent => Some(100.0),
            Labels::Raw => None,
        }
    }
}

/// What of a photo is seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crops {
    /// What is done to the photos of a set first, by its key; a set that is not named keeps its own
    /// default.
    #[serde(default)]
    pub prepare: BTreeMap<String, Preparation>,
    /// Subtracted from `v / 255`, by channel.
    pub mean: [f32; 3],
    /// Then divided by, by channel.
    pub std: [f32; 3],
    /// Probability that a crop is mirrored left-right in training.
    pub flip: f64,
    /// Probability that it is then turned upside down like a picture in water; left out of a
    /// recipe's digest where it is 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flip_v: f64,
    /// What is looked at after an epoch.
    pub validate: Looks,
    /// What is looked at to report.
    pub test: Looks,
    /// Crops of the model file, whose scores must not depend on a photo's name.
    pub score: ScoreCrops,
    /// The filter by which photos smaller than a crop are enlarged; left out: that of the set's
    /// preparation, bicubic where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enlarge: Option<Filter>,
    /// SPAQ's photos go through JPEG of quality 75 after they were made smaller, as DEIQT's authors
    /// stored them (`papers/deiqt.md`, quirk 10).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spaq_recompress: bool,
    /// What a crop's score and a photo's mean of them are rounded to where they are measured.
    #[serde(default, skip_serializing_if = "ScorePrecision::is_f32")]
    pub score_precision: ScorePrecision,
}

/// Key `score_precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScorePrecision {
    /// Not at all.
    #[default]
    F32,
    /// To half precision, as the released code does, where scores of 0 to 100 then tie
    /// (`papers/deiqt.md`, quirk 5).
    F16,
}

impl ScorePrecision {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde wants it so
    fn is_f32(&self) -> bool {
        *self == Self::F32
    }

    /// The score as it is measured.
    pub fn of(self, score: f64) -> f64 {
        match self {
            Self::F32 => score,
            Self::F16 => f16::from_f64(score).to_f64(),
        }
    }
}

/// Crops of a model file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected columns and rows such as [3, 3], or \"corners\"")]
pub enum ScoreCrops {
    /// Columns and rows, evenly spaced.
    Grid([u32; 2]),
    /// See [`Looks::Corners`].
    Named(Corners),
}

/// The word `corners`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corners {
    /// See [`Looks::Corners`].
    Corners,
}

/// Crops that a photo's score is the mean of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Looks {
    /// So many at random, fixed by (seed, photo, number) (papers/protocol.md, 2.4).
    Random(u64),
    /// Columns and rows, evenly spaced.
    Grid([u32; 2]),
    /// The four corners and the centre (torchvision's `FiveCrop`).
    Corners,
}

impl Looks {
    /// How many.
    pub fn count(self) -> usize {
        match self {
            Self::Random(n) => n as usize,
            Self::Grid([columns, rows]) => (columns * rows) as usize,
            Self::Corners => 5,
        }
    }
}

/// The run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Photos of a step.
    pub batch: usize,
    /// Parts that a step's photos go through the network in, one after the other; what is
    /// contrasted is contrasted within a part.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Epochs: a validation ends each, and the schedule counts them.
    pub epochs: u64,
    /// How often an epoch sees every photo, each time with crops of its own.
    #[serde(default)]
    pub passes: Option<u64>,
    /// Whether an epoch of passes leaves out the photos behind its last whole batch; else they are a
    /// batch of their own. Left out of a recipe's digest where it is true.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub drop_last: bool,
    /// Instead: crops of the whole run.
    #[serde(default)]
    pub budget: Option<u64>,
    /// Learning rate, by step.
    pub schedule: Schedule,
    /// AdamW.
    #[serde(default)]
    pub optim: AdamWConfig,
    /// Decay of the weights' moving average, which is what is validated and kept; 0 for none.
    #[serde(default)]
    pub ema_decay: f64,
    /// Which epoch's weights are kept: the best on `val`, or the last.
    #[serde(default)]
    pub keep: Keep,
    /// What a step's matrix products are computed in: mixed precision where it is `bf16`. Weights,
    /// steps and all that is measured stay float32. Left out of a recipe's digest where it is `f32`.
    #[serde(default, skip_serializing_if = "Products::is_f32")]
    pub precision: Products,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// No run has more photos a step, epochs or passes than this, or crops than [`MOST_BUDGET`].
const MOST_COUNT: u64 = 1_000_000;
const MOST_BUDGET: u64 = 1_000_000_000_000;
/// More turns than this of one shuffled list don't fit into memory.
pub const MOST_TURNS: u64 = 1 << 32;

/// More crops of a photo than this are no test.
const MOST_LOOKS: u64 = 1024;

impl CropsRecipe {
    /// Parses and checks a recipe's text for a method of the registry.
    pub(super) fn parse(method: &str, text: &str) -> Result<Self, String> {
        registry::parse(method, text)
    }

    /// A form of `C` and `O`, parsed, with the method that `choose` makes of it.
    pub(crate) fn of<C, O>(
        text: &str,
        choose: impl FnOnce(C, O) -> Result<Choice, String>,
    ) -> Result<Self, String>
    where
        C: DeserializeOwned + Default + Serialize,
        O: DeserializeOwned + Default + Serialize,
    {
        let form: Form<C, O> = from_toml(text)?;
        let json = |value: Result<Value, serde_json::Error>| value.map_err(|e| e.to_string());
        let decided =
            (json(serde_json::to_value(&form.config))?, json(serde_json::to_value(&form.options))?);
        let Form { name, method, config, options, content, labels, crops, init, card, train } =
            form;
        let choice = choose(config, options)?;
        let recipe =
            Self { name, method, content, labels, crops, init, card, train, choice, decided };
        recipe.check()?;
        Ok(recipe)
    }

    /// SHA-256 of everything that decides what is learnt.
    pub fn digest(&self) -> String {
        let Self { name: _, method, content, labels, crops, init, card: _, train, .. } = self;
        let (config, options) = &self.decided;
        let decides = (method, config, options, content, labels, crops, init, train);
        let text = serde_json::to_vec(&decides).expect("numbers, texts and lists are JSON");
        hex(&Sha256::digest(text))
    }

    /// What the model file's view is, where its photos are like those of a set.
    pub fn view(&self, dataset: &str) -> View {
        let Crops { mean, std, score, enlarge, .. } = self.crops;
        let rule = self.crops.preparation(dataset);
        let crop = self.choice.needs().crop as u32;
        let grid = match score {
            ScoreCrops::Grid(size) => rule.grid(crop, size),
            ScoreCrops::Named(_) => Grid { centre: true, ..rule.grid(crop, [2, 2]) },
        };
        let filter = match (rule, enlarge) {
            (Preparation::None, Some(filter)) => filter,
            _ => rule.filter(),
        };
        View { policy: Policy::Grid(grid), filter, mean, std }
    }

    fn check(&self) -> Result<(), String> {
        let Self { crops, train, choice, .. } = self;
        for key in crops.prepare.keys() {
            if find(key).is_none_or(|set| set.key != key) {
                let keys = crate::datasets::keys().join(", ");
                return Err(format!("crops.prepare: {key:?} is no dataset; expected {keys}"));
            }
        }
        for (key, looks) in [("validate", crops.validate), ("test", crops.test)] {
            let count = match looks {
                Looks::Random(n) => n,
                Looks::Grid([columns, rows]) => u64::from(columns) * u64::from(rows),
                Looks::Corners => 5,
            };
            if !(1..=MOST_LOOKS).contains(&count) {
                return Err(format!("crops.{key}: 1 to {MOST_LOOKS} crops, found {count}"));
            }
        }
        for (key, flip) in [("flip", crops.flip), ("flip_v", crops.flip_v)] {
            if !(0.0..=1.0).contains(&flip) {
                return Err(format!("crops.{key} is a probability, found {flip}"));
            }
        }
        // A side of the crop that its preparation can't give is found here, too.
        for dataset in crops.prepare.keys().map(String::as_str).chain(["csv"]) {
            self.view(dataset).check().map_err(|e| format!("crops: {e}"))?;
        }
        train.check()?;
        choice.check(train.batch / train.accumulate)
    }
}

impl Crops {
    /// What is done to the photos of a set.
    pub fn preparation(&self, dataset: &str) -> Preparation {
        let own = || find(dataset).and_then(|set| set.preparations.first().copied());
        self.prepare.get(dataset).copied().or_else(own).unwrap_or(Preparation::None)
    }
}

impl Looks {
    /// For a report: `10 random crops of 224`.
    pub fn label(self, side: usize) -> String {
        match self {
            Self::Random(n) => format!("{n} random crops of {side}"),
            Self::Grid([columns, rows]) => format!("grid {columns}x{rows} of {side}"),
            Self::Corners => format!("four corners and the centre of {side}"),
        }
    }

    /// The grid of a view, with these crops instead where they stand in a grid.
    pub fn grid(self, grid: Grid) -> Grid {
        match self {
            Self::Random(_) | Self::Corners => grid,
            Self::Grid([columns, rows]) => Grid { columns, rows, centre: false, ..grid },
        }
    }
}

impl Train {
    fn check(&self) -> Result<(), String> {
        let Self { batch, accumulate, epochs, passes, budget, drop_last, ema_decay, .. } = self;
        if *batch == 0 || *accumulate == 0 || !batch.is_multiple_of(*accumulate) {
            return Err(format!(
                "train: batch {batch} can't be cut into {accumulate} equal parts (accumulate)"
            ));
        }
        if *epochs == 0 || *passes == Some(0) {
            return Err("train: epochs and passes must be 1 or more".to_owned());
        }
        if passes.is_some() == budget.is_some() {
            let expected = "train: give passes (times an epoch sees every photo) or budget (crops \
                            of the run), one of them";
            return Err(expected.to_owned());
        }
        if !drop_last && (budget.is_some() || *accumulate > 1) {
            let expected = "train: drop_last = false is for passes without accumulate";
            return Err(expected.to_owned());
        }
        if !(0.0..1.0).contains(ema_decay) {
            return Err("train: ema_decay must be at least 0 and below 1".to_owned());
        }
        let counts = [*batch as u64, *epochs, passes.unwrap_or(1)];
        if counts.iter().any(|&n| n > MOST_COUNT) || budget.is_some_and(|n| n > MOST_BUDGET) {
            return Err(format!(
                "train: batch, epochs and passes may be {MOST_COUNT} at most, budget {MOST_BUDGET}"
            ));
        }
        self.schedule.check()?;
        self.optim.check()
    }
}
