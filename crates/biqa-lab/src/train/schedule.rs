//! Learning rates: the schedules of the papers' trainers (papers/deiqt.md, section 7).
//!
//! `f(t)` is the schedule at index `t`; optimiser step `k` uses `f(max(0, k - delay))`, because the
//! released trainers advance the schedule after the step with the index of that step.

use serde::{Deserialize, Serialize};

/// Larger numbers are infinite in single precision, or soon will be.
const MOST: f64 = 1e30;

/// The shape of the decay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A factor every so many epochs (eq. 11).
    Step,
    /// Half a cosine over the whole run, not restarted after the warm-up.
    Cosine,
    /// Straight down to `lr_min_rate` of the base.
    Linear,
    /// A cosine of half period `t_max` that goes on, up again and down (`papers/glintiqa.md`, 4.4).
    Annealing,
}

/// The cosine of [`Shape::Annealing`]; the default is that of the released code.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Annealing {
    /// Half its period, in `unit`s.
    pub t_max: f64,
    /// What it counts.
    pub unit: Unit,
}

impl Default for Annealing {
    fn default() -> Self {
        Self { t_max: 30.0, unit: Unit::Step }
    }
}

impl Annealing {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What the cosine of an annealing schedule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Optimiser steps.
    Step,
    /// Epochs, as was probably meant.
    Epoch,
}

/// A schedule over a run of known length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// The shape of the decay.
    pub name: Shape,
    /// The highest learning rate.
    pub base_lr: f64,
    /// Where the warm-up starts.
    pub warmup_lr: f64,
    /// Where the cosine ends.
    pub min_lr: f64,
    /// Length of the warm-up, in epochs.
    pub warmup_epochs: f64,
    /// Epochs between two steps of the step schedule.
    pub decay_epochs: f64,
    /// The step schedule's factor.
    pub decay_rate: f64,
    /// Whether the step schedule counts from the end of the warm-up (timm 0.9) or from the start.
    pub warmup_prefix: bool,
    /// Optimiser steps by which the schedule lags.
    pub delay: u64,
    /// What the linear schedule ends at, as a share of the base.
    pub lr_min_rate: f64,
    /// Of an annealing schedule; left out of a recipe's digest where it is at its default.
    #[serde(skip_serializing_if = "Annealing::is_default")]
    pub annealing: Annealing,
}

impl Default for Schedule {
    /// DEIQT's numbers for LIVEC (papers/deiqt.md, section 9).
    fn default() -> Self {
        Self {
            name: Shape::Step,
            base_lr: 2e-4,
            warmup_lr: 2e-7,
            min_lr: 2e-7,
            warmup_epochs: 3.0,
            decay_epochs: 3.0,
            decay_rate: 0.1,
            warmup_prefix: false,
            delay: 1,
            lr_min_rate: 0.01,
            annealing: Annealing::default(),
        }
    }
}

impl Schedule {
    /// What would give a rate that is none, if anything.
    pub fn check(&self) -> Result<(), String> {
        let Self { base_lr, warmup_lr, min_lr, warmup_epochs, decay_epochs, .. } = *self;
        let Self { decay_rate, lr_min_rate, annealing, .. } = *self;
        for (key, value) in [
            ("base_lr", base_lr),
            ("warmup_lr", warmup_lr),
            ("min_lr", min_lr),
            ("warmup_epochs", warmup_epochs),
            ("decay_rate", decay_rate),
            ("lr_min_rate", lr_min_rate),
        ] {
            if !(0.0..=MOST).contains(&value) {
                return Err(format!("train.schedule.{key} must be 0 to {MOST:e}, found {value}"));
            }
        }
        for (key, value) in [("decay_epochs", decay_epochs), ("annealing.t_max", annealing.t_max)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(format!("train.schedule.{key} must be above 0, found {value}"));
            }
        }
        Ok(())
    }

    /// `f(t)` of a run of `total` steps with `per_epoch` steps an epoch.
    pub fn at(&self, t: u64, total: u64, per_epoch: u64) -> f64 {
        let warmup = (self.warmup_epochs * per_epoch as f64).round();
        let (t, total) = (t as f64, total as f64);
        if t < warmup {
            return self.warmup_lr + t * (self.base_lr - self.warmup_lr) / warmup;
        }
        match self.name {
            Shape::Step => {
                let since = if self.warmup_prefix { t - warmup } else { t };
                let every = self.decay_epochs * per_epoch as f64;
                self.base_lr * self.decay_rate.powf((since / every).floor())
            }
            Shape::Cosine => {
                let cosine = (std::f64::consts::PI * t / total).cos();
                self.min_lr + 0.5 * (self.base_lr - self.min_lr) * (1.0 + cosine)
            }
            Shape::Annealing => {
                let Annealing { t_max, unit } = self.annealing;
                let t = match unit {
                    Unit::Step => t,
                    Unit::Epoch => (t / per_epoch as f64).floor(),
                };
                let cosine = (std::f64::consts::PI * t / t_max).cos();
                self.min_lr + 0.5 * (self.base_lr - self.min_lr) * (1.0 + cosine)
            }
            Shape::Linear => {
                let fall = self.base_lr * (1.0 - self.lr_min_rate);
                self.base_lr - fall * (t - warmup) / (total - warmup)
            }
        }
    }

    /// The learning rate of optimiser step `k`, from 0 (eq. 12).
    pub fn used(&self, k: u64, total: u64, per_epoch: u64) -> f64 {
        self.at(k.saturating_sub(self.delay), total, per_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annealing_swings_with_twice_its_half_period() {
        // papers/glintiqa.md, section 9, item 7.
        let schedule = Schedule {
            name: Shape::Annealing,
            base_lr: 1e-5,
            min_lr: 0.0,
            warmup_epochs: 0.0,
            delay: 0,
            ..Schedule::default()
        };
        let expected = [(0, 1e-5), (15, 5e-6), (30, 0.0), (45, 5e-6), (60, 1e-5), (75, 5e-6)];
        for (t, lr) in expected {
            assert!((schedule.used(t, 100, 7) - lr).abs() < 1e-12, "step {t}");
            let annealing = Annealing { unit: Unit::Epoch, ..Annealing::default() };
            let by_epoch = Schedule { annealing, ..schedule.clone() };
            assert!((by_epoch.used(7 * t + 6, 1000, 7) - lr).abs() < 1e-12, "epoch {t}");
        }
    }

    #[test]
    fn the_step_schedule_follows_the_table_of_the_specification() {
        // papers/deiqt.md section 7, n = 145 steps an epoch, 9 epochs.
        let start = Schedule::default();
        let end = Schedule { warmup_prefix: true, ..Schedule::default() };
        for (t, a, b) in [
            (0, 2e-7, 2e-7),
            (1, 6.593103448e-7, 6.593103448e-7),
            (100, 4.613103448e-5, 4.613103448e-5),
            (434, 1.995406897e-4, 1.995406897e-4),
            (435, 2e-5, 2e-4),
            (869, 2e-5, 2e-4),
            (870, 2e-6, 2e-5),
            (1304, 2e-6, 2e-5),
        ] {
            assert!((start.at(t, 1305, 145) / a - 1.0).abs() < 1e-9, "from start, t = {t}");
            assert!((end.at(t, 1305, 145) / b - 1.0).abs() < 1e-9, "from warm-up end, t = {t}");
        }
    }
}
