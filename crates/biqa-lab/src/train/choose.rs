//! Which epoch is kept: the figures on the photos that choose, and what is better.

use serde::{Deserialize, Serialize};

use super::Progress;
use super::checkpoint::Validation;
use super::photo::Photo;
use crate::stats;

/// The figure by which an epoch is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelectBy {
    /// Spearman's correlation; of equal ones the first.
    #[default]
    Srcc,
    /// Pearson's, raw; of equal ones the last, as DEIQT's code has it.
    Plcc,
}

impl SelectBy {
    /// Whether an epoch is to be kept instead of one before it.
    fn is_better(self, epoch: &Validation, kept: &Validation) -> bool {
        match self {
            Self::Srcc => epoch.srcc > kept.srcc,
            Self::Plcc => epoch.plcc >= kept.plcc,
        }
    }

    /// The entry of a history that a stage keeps; `None` where it has none.
    pub fn best(self, history: &[Validation], stage: usize) -> Option<usize> {
        let own = (0..history.len()).filter(|&i| history[i].stage == stage);
        own.reduce(|kept, i| if self.is_better(&history[i], &history[kept]) { i } else { kept })
    }
}

/// What scores of the photos that choose are worth, after `step` steps of a stage. Higher scores are
/// better.
pub fn validation(stage: usize, step: u64, scores: &[f64], photos: &[Photo]) -> Validation {
    let targets: Vec<f64> = photos.iter().map(|p| f64::from(p.target)).collect();
    let figure = |value: Result<Option<f64>, stats::StatsError>| {
        value.ok().flatten().unwrap_or(f64::NEG_INFINITY)
    };
    Validation {
        stage,
        step,
        srcc: figure(stats::srcc(scores, &targets)),
        plcc: figure(stats::plcc(scores, &targets)),
    }
}

/// A correlation before fine-tuning that labels turned upside down explain best.
const UPSIDE_DOWN: f64 = -0.3;

/// Where a run goes on, from its first stage, 0, to behind the last of `stages`.
pub fn resumed_at(stage: usize, stages: usize, step: u64) -> String {
    if stage >= stages {
        "resumed at its end: every step is made".to_owned()
    } else if stages == 1 {
        format!("resumed at step {step}")
    } else {
        format!("resumed at step {step} of stage {} of {stages}", stage + 1)
    }
}

/// Says how well a network that was trained before does before this training.
pub fn say_start(figures: &Validation, progress: &mut dyn Progress) {
    progress.note(&format!("before training: {}", figures.words()));
    if figures.srcc < UPSIDE_DOWN {
        progress.note(
            "warning: the model that it begins with says the opposite of these labels; if lower is \
             better in them, give --direction dmos",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_epochs_srcc_keeps_the_first_and_plcc_the_last() {
        let at = |stage, step, figure| Validation { stage, step, srcc: figure, plcc: figure };
        let history = [at(0, 1, 0.9), at(1, 1, 0.5), at(1, 2, 0.7), at(1, 3, 0.7), at(1, 4, 0.6)];
        assert_eq!(SelectBy::Srcc.best(&history, 1), Some(2));
        assert_eq!(SelectBy::Plcc.best(&history, 1), Some(3));
        assert_eq!(SelectBy::Srcc.best(&history, 2), None);
    }
}
