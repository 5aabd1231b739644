//! SGD with momentum and weight decay, in PyTorch's order of operations (`papers/qpt.md`, section 6).
//!
//! State is kept by parameter name, so that a checkpoint is a plain list of named arrays.

use biqa::weights::Arrays;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::velocity::Velocity;

/// SGD's constants; the defaults are MoCo v2's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SgdConfig {
    /// Weight decay, on every parameter.
    pub weight_decay: f64,
    /// Share of the last step that a step keeps.
    pub momentum: f64,
}

impl Default for SgdConfig {
    fn default() -> Self {
        Self { weight_decay: 1e-4, momentum: 0.9 }
    }
}

/// The optimiser.
#[derive(Clone, Debug)]
pub struct Sgd {
    config: SgdConfig,
    velocity: Velocity,
}

impl Sgd {
    /// An optimiser that has made no step.
    pub fn new(config: SgdConfig) -> Self {
        Self { config, velocity: Velocity::default() }
    }

    /// The new value of one parameter, given flat.
    pub fn update(&mut self, name: &str, p: Tensor<1>, grad: Tensor<1>, lr: f64) -> Tensor<1> {
        let SgdConfig { weight_decay, momentum } = self.config;
        // d = g + wd p
        let d = grad + p.clone() * weight_decay;
        self.velocity.step(name, p, d, momentum, lr)
    }

    /// The last step by name: `mu.NAME`.
    pub fn state(&self) -> Arrays {
        self.velocity.state()
    }

    /// Puts a saved state back; `None` where a name is not one of [`Self::state`].
    #[must_use]
    pub fn restored(self, state: Arrays, device: &Device) -> Option<Self> {
        Some(Self { velocity: Velocity::restored(state, device)?, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::weights::{Array, host};

    fn flat(values: [f32; 2]) -> Tensor<1> {
        Tensor::from_data(values, &Device::flex())
    }

    #[test]
    fn two_steps_by_hand_and_a_restored_optimiser_goes_on() {
        // d1 = 1 + .5 * 2 = 2, p1 = 2 - .1 * 2 = 1.8;  d2 = 1 + .9 = 1.9, mu = .9 * 2 + 1.9 = 3.7
        let config = SgdConfig { weight_decay: 0.5, momentum: 0.9 };
        let mut sgd = Sgd::new(config);
        let p = sgd.update("p", flat([2.0, 0.0]), flat([1.0, 0.0]), 0.1);
        assert!((host(&p)[0] - 1.8).abs() < 1e-6);
        let mut again = Sgd::new(config).restored(sgd.state(), &Device::flex()).expect("its state");
        for sgd in [&mut sgd, &mut again] {
            let next = host(&sgd.update("p", p.clone(), flat([1.0, 0.0]), 0.1));
            assert!((next[0] - (1.8 - 0.37)).abs() < 1e-6, "{next:?}");
            assert_eq!(next[1], 0.0);
        }
        let other = Arrays::from([("m.p".to_owned(), Array { shape: vec![1], data: vec![0.0] })]);
        assert!(Sgd::new(config).restored(other, &Device::flex()).is_none());
    }
}
