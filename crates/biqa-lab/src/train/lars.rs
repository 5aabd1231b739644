//! LARS (You et al., 2017) as MoCo v3 has it (`papers/qpt.md`, (7)): momentum SGD whose step is a
//! share of each tensor's own length.
//!
//! State is kept by parameter name, so that a checkpoint is a plain list of named arrays.

use biqa::weights::Arrays;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::velocity::Velocity;

/// LARS's constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LarsConfig {
    /// Weight decay, on tensors of two or more dimensions.
    pub weight_decay: f64,
    /// Share of the last step that a step keeps.
    pub momentum: f64,
    /// `trust`: a step's length over its tensor's, at a learning rate of 1.
    pub trust_coefficient: f64,
}

impl Default for LarsConfig {
    fn default() -> Self {
        Self { weight_decay: 1e-6, momentum: 0.9, trust_coefficient: 0.001 }
    }
}

/// The optimiser.
#[derive(Clone, Debug)]
pub struct Lars {
    config: LarsConfig,
    velocity: Velocity,
}

impl Lars {
    /// An optimiser that has made no step.
    pub fn new(config: LarsConfig) -> Self {
        Self { config, velocity: Velocity::default() }
    }

    /// The new value of one parameter, given flat, which has `dims` dimensions.
    pub fn update(
        &mut self,
        name: &str,
        p: Tensor<1>,
        grad: Tensor<1>,
        dims: usize,
        lr: f64,
    ) -> Tensor<1> {
        let LarsConfig { weight_decay, momentum, trust_coefficient } = self.config;
        let d = if dims < 2 {
            grad
        } else {
            // d = g + wd p;  d = ratio d
            let d = grad + p.clone() * weight_decay;
            let (of_p, of_d) = (norm(&p), norm(&d));
            let ratio =
                if of_p > 0.0 && of_d > 0.0 { trust_coefficient * of_p / of_d } else { 1.0 };
            d * ratio
        };
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

/// The L2 norm over all elements.
fn norm(x: &Tensor<1>) -> f64 {
    f64::from((x.clone() * x.clone()).sum().into_scalar::<f32>()).sqrt()
}

#[cfg(test)]
#[allow(clippy::excessive_precision)] // as the specification prints them
mod tests {
    use super::*;
    use biqa::weights::{Array, host};

    fn flat(values: [f32; 2]) -> Tensor<1> {
        Tensor::from_data(values, &Device::flex())
    }

    fn steps(dims: usize, p: [f32; 2], grad: [f32; 2], number: usize) -> Vec<f32> {
        let mut lars = Lars::new(LarsConfig { weight_decay: 0.0, ..LarsConfig::default() });
        let p = (0..number).fold(flat(p), |p, _| lars.update("p", p, flat(grad), dims, 0.1));
        host(&p)
    }

    fn close(found: &[f32], expected: [f32; 2]) {
        assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn the_worked_example() {
        let (p, g) = ([3.0, 4.0], [0.6, 0.8]);
        close(&steps(2, p, g, 1), [2.9997, 3.9996]);
        close(&steps(2, p, g, 2), [2.99913003, 3.99884004]);
        close(&steps(1, p, g, 1), [3.0 - 0.06, 4.0 - 0.08]);
        close(&steps(2, [0.0, 0.0], g, 1), [-0.06, -0.08]);
        assert_eq!(steps(2, p, [0.0, 0.0], 3), p);
    }

    #[test]
    fn a_restored_optimiser_goes_on_where_it_was() {
        let config = LarsConfig::default();
        let mut one = Lars::new(config);
        let p = one.update("p", flat([3.0, 4.0]), flat([0.6, 0.8]), 2, 0.1);
        let mut two = Lars::new(config).restored(one.state(), &Device::flex()).expect("its state");
        let next = |lars: &mut Lars| host(&lars.update("p", p.clone(), flat([1.0, 0.0]), 2, 0.1));
        assert_eq!(next(&mut one), next(&mut two));
        let other = Arrays::from([("m.p".to_owned(), Array { shape: vec![1], data: vec![0.0] })]);
        assert!(Lars::new(config).restored(other, &Device::flex()).is_none());
    }
}
