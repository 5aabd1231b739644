//! The model card: what a file of weights says of itself, inside the file.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::device::DeviceName;
use crate::scorer::hex;
use crate::view::View;

/// What a model is, what it was made of, how good it is and what it may be used for.
///
/// Stands as JSON under the metadata key `biqa` of a safetensors file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The model's own name (`lite`).
    pub name: String,
    /// Its version: a change of any score by more than 0.001 changes it.
    pub version: String,
    /// The registry's name of the network.
    pub method: String,
    /// The network's hyperparameters, as the registry reads them.
    pub config: serde_json::Value,
    /// What the network sees of a picture.
    pub view: View,
    /// From the network's number to 0..100.
    pub scale: Scale,
    /// SHA-256 of the arrays in float32, in the order of their names; empty until sealed.
    pub weights_digest: String,
    /// What it was trained on.
    pub data: Data,
    /// The seed of the training run.
    pub seed: u64,
    /// Where it was trained; left out where that was the processor.
    #[serde(default, skip_serializing_if = "DeviceName::is_cpu")]
    pub device: DeviceName,
    /// SHA-256 of what the recipe decides: its words for the card are not part of it.
    pub recipe_digest: String,
    /// How good it is on photos it did not see.
    pub metrics: Vec<Metrics>,
    /// Licence of the weights.
    pub licence: String,
    /// Terms of the data behind them, in words.
    pub data_terms: String,
    /// Where it is known to be wrong.
    pub known_failures: Vec<String>,
    /// What 20, 50 and 80 look like.
    pub anchors: Vec<(f64, String)>,
}

impl ModelCard {
    /// SHA-256, in lower-case hex, of all that decides a score: weights, network, view and scale. Two
    /// models with one digest give a picture the same score; words in the card don't count.
    pub fn scoring_digest(&self) -> String {
        let decides = (&self.weights_digest, &self.method, &self.config, &self.view, &self.scale);
        hex(&Sha256::digest(serde_json::to_vec(&decides).expect("a card is plain data")))
    }
}

/// Where the training data came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// The dataset's key.
    pub dataset: String,
    /// How it was split.
    pub split: String,
    /// What its labels were: their direction and their scale, in words; empty in older cards.
    #[serde(default)]
    pub labels: String,
    /// Digest of the manifest's rows.
    pub manifest_digest: String,
    /// Photos trained on.
    pub train: usize,
    /// Photos chosen on.
    pub val: usize,
    /// What the weights started from.
    pub init: String,
    /// What those weights were trained on in their turn, by their cards, the nearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ancestors: Vec<Ancestor>,
}

/// The dataset of an [`Ancestor`] that learnt from pictures alone: no set, but files of somebody's own.
pub const WITHOUT_SCORES: &str = "pictures without scores";

/// A model that another one was trained from, and its photos.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ancestor {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The key of the dataset that it was trained on, or [`WITHOUT_SCORES`].
    pub dataset: String,
    /// How that was split.
    pub split: String,
}

impl ModelCard {
    /// This model and those behind it, as the card of one that is trained from it names them.
    pub fn lineage(&self) -> Vec<Ancestor> {
        let own = Ancestor {
            name: self.name.clone(),
            version: self.version.clone(),
            dataset: self.data.dataset.clone(),
            split: self.data.split.clone(),
        };
        std::iter::once(own).chain(self.data.ancestors.iter().cloned()).collect()
    }
}

/// Correlations with human opinion on one part of one dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Dataset and part, such as `biq2021 test (1239 photos)`.
    pub on: String,
    /// Spearman's rank correlation.
    pub srcc: Interval,
    /// Pearson's correlation, raw.
    pub plcc: Interval,
}

/// A figure with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A monotone map from the network's number to 0..100, by straight lines between knots.
///
/// Beyond the outer knots the outer lines go on, and the result is clamped to 0..100.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(f64, f64)>", into = "Vec<(f64, f64)>")]
pub struct Scale {
    knots: Vec<(f64, f64)>,
}

/// Why knots are no scale.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scale needs at least two finite knots (raw, score) with raw strictly rising and score \
     strictly rising or strictly falling; found {0}"
)]
pub struct ScaleError(String);

impl Scale {
    /// A scale through `knots`, pairs of the network's number and the score.
    pub fn new(knots: Vec<(f64, f64)>) -> Result<Self, ScaleError> {
        let finite = knots.iter().all(|(x, y)| x.is_finite() && y.is_finite());
        let rising = knots.windows(2).all(|w| w[0].0 < w[1].0);
        let up = knots.windows(2).all(|w| w[0].1 < w[1].1);
        let down = knots.windows(2).all(|w| w[0].1 > w[1].1);
        if knots.len() < 2 || !finite || !rising || !(up || down) {
            return Err(ScaleError(format!("{knots:?}")));
        }
        Ok(Self { knots })
    }

    /// The knots, raw rising.
    pub fn knots(&self) -> &[(f64, f64)] {
        &self.knots
    }

    /// The score of a raw number, 0 to 100; whether it had to be clamped.
    pub fn to_100(&self, raw: f64) -> (f64, bool) {
        let k = &self.knots;
        // The segment whose right end is the first knot at or beyond `raw`.
        let i = k[1..k.len() - 1].partition_point(|knot| knot.0 < raw);
        let ((x0, y0), (x1, y1)) = (k[i], k[i + 1]);
        let score = y0 + (y1 - y0) * ((raw - x0) / (x1 - x0));
        (score.clamp(0.0, 100.0), !(0.0..=100.0).contains(&score))
    }
}

impl TryFrom<Vec<(f64, f64)>> for Scale {
    type Error = ScaleError;

    fn try_from(knots: Vec<(f64, f64)>) -> Result<Self, ScaleError> {
        Self::new(knots)
    }
}

impl From<Scale> for Vec<(f64, f64)> {
    fn from(scale: Scale) -> Self {
        scale.knots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_goes_through_its_knots_and_is_clamped_beyond() {
        let scale = Scale::new(vec![(0.0, 10.0), (0.5, 50.0), (1.0, 80.0)]).expect("rising");
        assert_eq!(scale.to_100(0.0), (10.0, false));
        assert_eq!(scale.to_100(0.5), (50.0, false));
        assert_eq!(scale.to_100(0.75), (65.0, false));
        assert_eq!(scale.to_100(9.0), (100.0, true));
        assert_eq!(scale.to_100(-9.0), (0.0, true));
    }

    #[test]
    fn a_falling_scale_turns_a_dmos_round() {
        let scale = Scale::new(vec![(0.0, 100.0), (100.0, 0.0)]).expect("falling");
        assert_eq!(scale.to_100(25.0).0, 75.0);
    }

    #[test]
    fn knots_that_turn_are_refused() {
        assert!(Scale::new(vec![(0.0, 0.0)]).is_err());
        assert!(Scale::new(vec![(0.0, 0.0), (0.0, 1.0)]).is_err());
        assert!(Scale::new(vec![(0.0, 0.0), (1.0, 2.0), (2.0, 1.0)]).is_err());
        assert!(Scale::new(vec![(0.0, f64::NAN), (1.0, 2.0)]).is_err());
    }
}
