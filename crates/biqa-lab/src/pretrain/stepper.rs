//! The optimiser that a recipe names, behind one door.

use biqa::weights::Arrays;
use burn::module::Module;
use burn::tensor::Device;

use super::recipe::{Optimizer, TrainConfig};
use crate::train::lars::{Lars, LarsConfig};
use crate::train::optim::{AdamW, AdamWConfig, Grads, Group};
use crate::train::sgd::{Sgd, SgdConfig};

/// One of them.
#[derive(Clone, Debug)]
pub(super) enum Stepper {
    Lars(Lars),
    Sgd(Sgd),
    AdamW(AdamW),
}

impl Stepper {
    /// One that has made no step.
    pub fn new(train: &TrainConfig) -> Self {
        let TrainConfig { weight_decay, momentum, trust_coefficient, .. } = *train;
        match train.optimizer {
            Optimizer::Lars => {
                Self::Lars(Lars::new(LarsConfig { weight_decay, momentum, trust_coefficient }))
            }
            Optimizer::Sgd => Self::Sgd(Sgd::new(SgdConfig { weight_decay, momentum })),
            Optimizer::AdamW => Self::AdamW(AdamW::new(AdamWConfig {
                weight_decay,
                clip_grad_norm: None,
                ..AdamWConfig::default()
            })),
        }
    }

    /// The module after a step, and the gradients' L2 norm; where that is no number nothing is
    /// changed.
    pub fn apply<M: Module>(&mut self, module: M, grads: Grads, lr: f64) -> (M, f64) {
        let norm = grads.norm();
        if !norm.is_finite() {
            return (module, norm);
        }
        let module = match self {
            Self::Lars(lars) => {
                grads.update(module, |name, p, grad, dims| lars.update(name, p, grad, dims, lr))
            }
            Self::Sgd(sgd) => {
                grads.update(module, |name, p, grad, _| sgd.update(name, p, grad, lr))
            }
            // Biases and norms don't decay.
            Self::AdamW(adam) => {
                adam.apply(module, grads, |_, dims| Group { lr, decay: dims > 1 }).0
            }
        };
        (module, norm)
    }

    /// Steps made, where the optimiser counts them.
    pub fn steps(&self) -> u64 {
        match self {
            Self::Lars(_) | Self::Sgd(_) => 0,
            Self::AdamW(adam) => adam.steps(),
        }
    }

    /// Its memory by name.
    pub fn state(&self) -> Arrays {
        match self {
            Self::Lars(lars) => lars.state(),
            Self::Sgd(sgd) => sgd.state(),
            Self::AdamW(adam) => adam.state(),
        }
    }

    /// Puts a saved state back; `None` where it is none of this optimiser.
    pub fn restored(self, steps: u64, state: Arrays, device: &Device) -> Option<Self> {
        Some(match self {
            Self::Lars(lars) => Self::Lars(lars.restored(state, device)?),
            Self::Sgd(sgd) => Self::Sgd(sgd.restored(state, device)?),
            Self::AdamW(adam) => Self::AdamW(adam.restored(steps, state, device)?),
        })
    }
}
