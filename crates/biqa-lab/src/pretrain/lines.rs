//! The lines of a pre-training's log: a step, a measurement.

use serde::Serialize;

use super::measure::Figures;
use crate::train::StepReport;

/// A step, as `log.jsonl` keeps it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StepLine {
    pub kind: &'static str,
    pub epoch: u64,
    pub step: u64,
    pub steps: u64,
    /// (3).
    pub loss: f64,
    /// (3) where all vectors are equal: twice the logarithm of the number of keys.
    pub chance: f64,
    /// Means over the queries of the first view.
    pub prob_degradation: f64,
    pub prob_content: f64,
    /// Shares of these queries whose key is above all negatives, and above those of a kind.
    pub top1: Option<f64>,
    pub top1_degradation: Option<f64>,
    pub top1_content: Option<f64>,
    pub grad_norm: f64,
    pub lr: f64,
    pub momentum: f64,
    /// Pairs of patches without an accepted draw.
    pub fallbacks: usize,
    /// Degraded pictures.
    pub seen: usize,
}

impl StepLine {
    /// What `kind` is.
    pub const KIND: &str = "step";

    /// What a terminal is told of a step.
    pub fn report(&self) -> StepReport {
        StepReport {
            stage: 0,
            epoch: self.epoch,
            step: self.step,
            steps: self.steps,
            loss: self.loss,
            terms: Vec::new(),
            grad_norm: self.grad_norm,
            lr: self.lr,
            seen: self.seen,
        }
    }
}

/// A measurement, as `log.jsonl` keeps it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct MeasureLine {
    kind: &'static str,
    #[serde(flatten)]
    figures: Figures,
}

impl MeasureLine {
    /// The line of some figures.
    pub fn of(figures: Figures) -> Self {
        Self { kind: "measure", figures }
    }
}
