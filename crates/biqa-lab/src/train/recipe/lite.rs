//! The recipe of `lite`: stages on stored statistics and maps, copies with known order.

use biqa::models::lite::LiteConfig;
use biqa::scorer::hex;
use biqa::view::View;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::optim::AdamWConfig;
use super::super::schedule::Schedule;
use super::{Card, Init, Keep};

/// What a training of `lite` does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiteRecipe {
    /// The recipe's own name.
    pub name: String,
    /// The registry's name of the network (`lite`).
    pub method: String,
    /// The network's sizes.
    pub config: LiteConfig,
    /// What the network sees of a photo.
    pub view: View,
    /// See [`Recipe::content`](super::Recipe::content).
    #[serde(default)]
    pub content: Option<String>,
    /// What it starts from.
    pub init: Init,
    /// What the model's card says.
    pub card: Card,
    /// Stages, one after the other; each goes on from the weights the one before ended with.
    pub stages: Vec<Stage>,
}

/// One stage of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Entries of the backbone's `features` before this one are frozen: 19 freezes all of them
    /// (the head learns on stored statistics), 0 none.
    pub freeze_before: usize,
    /// Times every photo is seen.
    pub epochs: u64,
    /// Photos of a step.
    pub batch: usize,
    /// Learning rate, by step.
    pub schedule: Schedule,
    /// Factor on the learning rate of the backbone's parameters.
    #[serde(default = "one")]
    pub backbone_lr: f64,
    /// AdamW.
    #[serde(default)]
    pub optim: AdamWConfig,
    /// Decay of the weights' moving average, which is what is validated and kept; 0 for none.
    #[serde(default)]
    pub ema_decay: f64,
    /// Dropout of the head's inputs and of its hidden numbers.
    #[serde(default)]
    pub dropout: f64,
    /// The loss.
    pub loss: Loss,
    /// Copies of the photos with known order.
    #[serde(default)]
    pub copies: Copies,
    /// Which epoch's weights are kept: the best on `val`, or the last.
    #[serde(default)]
    pub keep: Keep,
}

fn one() -> f64 {
    1.0
}

/// Weights of the loss's terms. Scores are on 0..1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Loss {
    /// Smooth L1 between prediction and mean opinion score, in units of `beta`.
    pub smooth_l1: f64,
    /// Where smooth L1 turns from a parabola into a line.
    pub beta: f64,
    /// `1 - PLCC` of the batch.
    pub plcc: f64,
    /// Logistic loss on the batch's pairs whose scores differ by more than `rank_gap`.
    pub rank: f64,
    /// See `rank`.
    pub rank_gap: f64,
    /// Softness of the ranking terms, on the score's scale.
    pub rank_tau: f64,
    /// Three rungs of a ladder in their order.
    pub ladder: f64,
    /// By how much one rung must stand above the next, on the score's scale.
    pub ladder_margin: f64,
}

impl Default for Loss {
    fn default() -> Self {
        Self {
            smooth_l1: 1.0,
            beta: 0.1,
            plcc: 0.05,
            rank: 0.0,
            rank_gap: 0.05,
            rank_tau: 0.05,
            ladder: 0.0,
            ladder_margin: 0.01,
        }
    }
}

/// Copies of photos that training sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Copies {
    /// Whether a photo may be seen mirrored left-right instead (half of the time).
    pub flip: bool,
    /// Probability that a photo is seen at its smallest size only, its score unchanged.
    pub small: f64,
    /// Ladders of a step: a photo and degraded copies of it, three rungs each.
    pub ladders: usize,
    /// Every so many-th photo has ladders; 0 and 1 mean all.
    pub ladder_every: u64,
    /// Probability that the three rungs are next to each other, which is where their order is hard.
    pub neighbours: f64,
    /// What the ladders degrade by.
    #[serde(skip_serializing_if = "Distortions::is_five")]
    // recipes without it keep their digest
    pub distortions: Distortions,
}

/// Distortions of KADID-10k.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Distortions {
    /// Blur, JPEG, white noise, brightening, darkening.
    #[default]
    Five,
    /// All that are computed here.
    All,
}

impl Distortions {
    // serde passes a reference.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_five(&self) -> bool {
        *self == Self::Five
    }
}

impl LiteRecipe {
    /// SHA-256 of everything that decides what is learnt: not of comments, nor of the card's words.
    pub fn digest(&self) -> String {
        let Self { name: _, method, config, view, content, init, card: _, stages } = self;
        let decides = (method, config, view, content, init, stages);
        let text = serde_json::to_vec(&decides).expect("numbers, texts and lists are JSON");
        hex(&Sha256::digest(text))
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        self.config.check()?;
        if self.view.sizes() != self.config.sizes {
            return Err(format!(
                "the view has {} sizes, config.sizes is {}",
                self.view.sizes(),
                self.config.sizes
            ));
        }
        if self.stages.is_empty() {
            return Err("there is no [[stages]]".to_owned());
        }
        for (i, stage) in self.stages.iter().enumerate() {
            stage.check().map_err(|e| format!("stages[{i}]: {e}"))?;
        }
        // Stages share stored items by the first photo of a file; it must mean the same photos.
        let stored = |s: &&Stage| s.freeze_before > 0 && s.copies.ladders > 0;
        let mut every = self.stages.iter().filter(stored).map(|s| s.copies.ladder_every.max(1));
        let first = every.next();
        if let Some(other) = every.find(|e| Some(*e) != first) {
            return Err(format!(
                "ladder_every is {} in one stage with freeze_before above 0 and {other} in \
                 another; it must be the same, because they share stored items",
                first.unwrap_or(1)
            ));
        }
        Ok(())
    }
}

impl Loss {
    fn check(&self) -> Result<(), String> {
        let Self { smooth_l1, beta, plcc, rank, rank_gap, rank_tau, ladder, ladder_margin } = *self;
        if !(rank_tau > 0.0 && rank_tau.is_finite()) {
            return Err(format!("loss.rank_tau must be above 0, found {rank_tau}"));
        }
        let others = [
            ("smooth_l1", smooth_l1),
            ("beta", beta),
            ("plcc", plcc),
            ("rank", rank),
            ("rank_gap", rank_gap),
            ("ladder", ladder),
            ("ladder_margin", ladder_margin),
        ];
        let wrong = others.into_iter().find(|(_, v)| !(*v >= 0.0 && v.is_finite()));
        wrong.map_or(Ok(()), |(key, v)| Err(format!("loss.{key} must be 0 or more, found {v}")))
    }
}

impl Stage {
    fn check(&self) -> Result<(), String> {
        self.loss.check()?;
        if self.batch < 2 {
            return Err(format!("batch is {}; the correlation term needs 2 or more", self.batch));
        }
        if self.epochs == 0 || self.freeze_before > biqa::nn::mobilenet::LAST + 1 {
            return Err("epochs must be 1 or more and freeze_before at most 19".to_owned());
        }
        let probability = |p| (0.0..=1.0).contains(&p);
        if !probability(self.copies.small)
            || !probability(self.copies.neighbours)
            || !(0.0..1.0).contains(&self.dropout)
        {
            let expected =
                "small and neighbours are probabilities, dropout is at least 0 and below 1";
            return Err(expected.to_owned());
        }
        if !(0.0..1.0).contains(&self.ema_decay) {
            return Err("ema_decay must be at least 0 and below 1".to_owned());
        }
        Ok(())
    }
}
