//! How DEIQT learns: smooth L1 between the panel's mean and the label, nothing else
//! (`papers/deiqt.md`, (10) and section 7).

use biqa::models::deiqt::{Deiqt, DeiqtConfig};
use biqa::weights::{Arrays, collect};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::init::{self, Family};
use super::{Batch, Method, Needs, Start, Terms};
use crate::losses::regression::smooth_l1;
use crate::train::TrainError;

/// What a recipe may choose besides the network's sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeiqtOptions {
    /// Where smooth L1 turns from a parabola into a line; 1 in every recipe of the paper.
    pub beta: f64,
}

impl Default for DeiqtOptions {
    fn default() -> Self {
        Self { beta: 1.0 }
    }
}

/// The method.
#[derive(Clone, Debug)]
pub struct DeiqtMethod {
    config: DeiqtConfig,
    options: DeiqtOptions,
}

impl DeiqtMethod {
    /// `config` must have passed its check.
    pub fn new(config: DeiqtConfig, options: DeiqtOptions) -> Self {
        Self { config, options }
    }
}

impl Method for DeiqtMethod {
    type Net = Deiqt;

    fn needs(&self) -> Needs {
        Needs { crop: self.config.image_size, group: 1, whole: false }
    }

    fn check(&self, _pictures: usize) -> Result<(), String> {
        super::positive("beta", self.options.beta)
    }

    fn start(
        &self,
        arrays: Arrays,
        name: &str,
        seed: u64,
        device: &Device,
    ) -> Result<(Deiqt, Start), TrainError> {
        let family = Family {
            network: "deiqt",
            encoder: self.config.encoder(),
            layer_scale: self.config.layer_scale_init,
            optional: None,
        };
        init::start(Deiqt::new(&self.config, device), family, arrays, name, seed)
    }

    fn decays(&self, name: &str, dims: usize) -> bool {
        init::decays(name, dims)
    }

    fn terms(&mut self, net: &Deiqt, batch: &Batch) -> Result<Terms, TrainError> {
        let score = net.score(batch.crops.clone());
        let loss = smooth_l1(score, batch.crop_targets(), self.options.beta);
        Ok(Terms::default().with("smooth_l1", loss))
    }

    fn features(&self, net: &Deiqt, crops: Tensor<4>) -> Tensor<2> {
        super::summed_up(net.forward(crops).norm, 1)
    }

    fn exported(&self, net: &Deiqt) -> (serde_json::Value, Arrays) {
        (super::config_json(&self.config), collect(net))
    }
}

#[cfg(test)]
mod tests {
    use super::super::made::{batch, decay_groups, fresh, train};
    use super::*;
    use biqa::weights::host;

    fn smoke() -> DeiqtMethod {
        let config = DeiqtConfig::preset("smoke").expect("a preset");
        DeiqtMethod::new(config, DeiqtOptions::default())
    }

    #[test]
    fn weight_decay_acts_on_the_counted_tensors() {
        let paper = DeiqtMethod::new(DeiqtConfig::default(), DeiqtOptions::default());
        let net = Deiqt::new(&DeiqtConfig::default(), &Device::flex());
        assert_eq!(decay_groups(&paper, &net), [(57, 23_890_560), (137, 153_216)]);
        assert!(paper.decays("head.bunch_embedding", 3) && !paper.decays("pos_embed", 3));
    }

    #[test]
    fn the_loss_is_smooth_l1_of_the_mean_of_the_panel() {
        let mut method = smoke();
        let net = fresh(&method);
        let batch = batch(method.needs(), 3, 0);
        let terms = method.terms(&net, &batch).expect("a batch of crops");
        let scores = host(&net.score(batch.crops.clone()));
        let s = |u: f32| if u.abs() < 1.0 { u * u / 2.0 } else { u.abs() - 0.5 };
        let expected: f32 =
            scores.iter().zip(&batch.targets).map(|(p, y)| s(p - y)).sum::<f32>() / 3.0;
        let loss: f32 = terms.total().expect("one term").into_scalar();
        assert!((loss - expected).abs() < 1e-5, "{loss}, not {expected}");
    }

    #[test]
    fn it_learns_and_two_runs_are_one() {
        let run = || {
            let mut method = smoke();
            let net = fresh(&method);
            train(&mut method, net, 12, 4).0
        };
        let losses = run();
        assert_eq!(losses, run());
        assert!(losses.last() < losses.first(), "{losses:?}");
    }
}
