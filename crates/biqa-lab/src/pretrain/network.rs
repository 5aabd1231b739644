//! The query side and the key side of QPT's pre-training (`papers/qpt.md`, section 5), under the
//! names of MoCo v3.
//!
//! Shapes: `m` patches, `d` numbers of an embedding.

// A field's leading underscore stands for a number in an `nn.Sequential` (see `weights::ParamPath`).
#![allow(clippy::used_underscore_binding)]

use biqa::models::qpt::QptConfig;
use biqa::nn::layers::{BatchNorm, Linear};
use biqa::nn::norm::{PlainNorm, Seen};
use biqa::nn::resnet::{ResNet, ResNetConfig};
use biqa::weights::{Arrays, WeightsError, freeze, load};
use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Sizes of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PretrainConfig {
    /// Bottlenecks of each stage.
    pub layers: Vec<usize>,
    /// Planes of stem and first stage.
    pub width: usize,
    /// Hidden numbers of projector and predictor.
    pub mlp_dim: usize,
    /// Numbers of an embedding.
    pub dim: usize,
    /// Whether queries go through a predictor; keys never do.
    pub predictor: bool,
    /// Epsilon of every batch norm.
    pub bn_eps: f64,
}

impl Default for PretrainConfig {
    fn default() -> Self {
        let QptConfig { layers, width, bn_eps, .. } = QptConfig::default();
        Self { layers, width, mlp_dim: 4096, dim: 256, predictor: true, bn_eps }
    }
}

impl PretrainConfig {
    /// The backbone's sizes.
    pub fn resnet(&self) -> ResNetConfig {
        let (layers, width) = (self.layers.clone(), self.width);
        ResNetConfig { layers, width, num_classes: 0, bn_eps: self.bn_eps }
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        if self.mlp_dim == 0 || self.dim == 0 {
            return Err("mlp_dim and dim must be at least 1".to_owned());
        }
        self.resnet().check()
    }
}

/// A backbone with its projector under the name `fc`.
pub type Encoder = ResNet<Projector>;

/// Both sides.
#[derive(Module, Debug)]
pub struct Pretrain {
    /// Backbone and projector of the queries.
    pub base_encoder: Encoder,
    /// The same for the keys: it follows, no gradient reaches it.
    pub momentum_encoder: Encoder,
    /// What queries go through besides.
    pub predictor: Option<Predictor>,
}

/// Linear, norm, ReLU, linear, norm without factor and shift: indices 0, 1, 3, 4.
#[derive(Module, Debug)]
pub struct Projector {
    _0: Linear,
    _1: BatchNorm,
    _3: Linear,
    _4: PlainNorm,
}

/// Linear, norm, ReLU, linear: indices 0, 1, 3.
#[derive(Module, Debug)]
pub struct Predictor {
    _0: Linear,
    _1: BatchNorm,
    _3: Linear,
}

impl Pretrain {
    /// Empty sides. `config` must have passed [`PretrainConfig::check`].
    pub fn new(config: &PretrainConfig, device: &Device) -> Self {
        let PretrainConfig { mlp_dim, dim, bn_eps, .. } = *config;
        Self {
            base_encoder: encoder(config, device),
            momentum_encoder: freeze(encoder(config, device), |_| true),
            predictor: config.predictor.then(|| Predictor {
                _0: Linear::new(dim, mlp_dim, false, device),
                _1: BatchNorm::with_eps(mlp_dim, bn_eps, device),
                _3: Linear::new(mlp_dim, dim, false, device),
            }),
        }
    }

    /// `[m, 3, s, s] -> [m, d]`: queries, in training mode.
    pub fn queries(&self, x: Tensor<4>, seen: &mut Seen) -> Tensor<2> {
        let embedding = embed(&self.base_encoder, x, seen);
        match &self.predictor {
            Some(predictor) => predictor.forward(embedding, seen),
            None => embedding,
        }
    }

    /// `[m, 3, s, s] -> [m, d]`: keys, in training mode, without gradients.
    pub fn keys(&self, x: Tensor<4>, seen: &mut Seen) -> Tensor<2> {
        embed(&self.momentum_encoder, x.detach(), seen).detach()
    }
}

fn encoder(config: &PretrainConfig, device: &Device) -> Encoder {
    let PretrainConfig { mlp_dim, dim, bn_eps, .. } = *config;
    let resnet = config.resnet();
    let features = resnet.channels().last().copied().unwrap_or(config.width);
    let projector = Projector {
        _0: Linear::new(features, mlp_dim, false, device),
        _1: BatchNorm::with_eps(mlp_dim, bn_eps, device),
        _3: Linear::new(mlp_dim, dim, false, device),
        _4: PlainNorm::new(dim, bn_eps, device),
    };
    ResNet::with_head(&resnet, Some(projector), device)
}

fn embed(encoder: &Encoder, x: Tensor<4>, seen: &mut Seen) -> Tensor<2> {
    let features = encoder.forward(x, Some(seen)).features;
    match encoder.head() {
        Some(projector) => projector.forward(features, seen),
        None => features,
    }
}

impl Projector {
    fn forward(&self, x: Tensor<2>, seen: &mut Seen) -> Tensor<2> {
        let x = relu(self._1.forward_in(self._0.forward(x), Some(seen)));
        self._4.forward(self._3.forward(x), Some(seen))
    }
}

impl Predictor {
    fn forward(&self, x: Tensor<2>, seen: &mut Seen) -> Tensor<2> {
        self._3.forward(relu(self._1.forward_in(self._0.forward(x), Some(seen))))
    }
}

/// Fills both sides with a pre-training checkpoint, every tensor in its place.
pub fn filled(empty: Pretrain, arrays: Arrays, name: &str) -> Result<Pretrain, WeightsError> {
    load(empty, arrays, name, "QPT's pre-training")
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::weights::visit;

    /// Parameters without buffers.
    fn parameters(net: &Pretrain, prefix: &str) -> usize {
        let mut sum = 0;
        visit(net, |name, value| {
            if name.starts_with(prefix) && !name.contains(".running_") {
                sum += value.shape.iter().product::<usize>();
            }
        });
        sum
    }

    #[test]
    fn the_paper_size_has_the_counted_parameters() {
        let net = Pretrain::new(&PretrainConfig::default(), &Device::flex());
        let projector = parameters(&net, "base_encoder.fc.");
        assert_eq!(projector, 9_445_376);
        assert_eq!(parameters(&net, "base_encoder.") - projector, 23_508_032);
        assert_eq!(parameters(&net, "predictor."), 2_105_344);
        let queries = parameters(&net, "base_encoder.") + parameters(&net, "predictor.");
        assert_eq!(queries, 35_058_752);
        assert_eq!(parameters(&net, "momentum_encoder."), 32_953_408);
    }

    #[test]
    fn names_are_mocos_and_the_key_side_is_no_parameter() {
        let config = PretrainConfig { layers: vec![1; 4], width: 4, ..PretrainConfig::default() };
        let mut names = Vec::new();
        // A plain device does not show what is trainable.
        visit(&Pretrain::new(&config, &Device::flex()).train(), |name, value| {
            let buffer = name.contains(".running_");
            let keys = name.starts_with("momentum_encoder.");
            assert_eq!(value.trainable, !buffer && !keys, "{name}");
            names.push((name.to_owned(), value.shape));
        });
        for (name, shape) in [
            ("base_encoder.conv1.weight", vec![4, 3, 7, 7]),
            ("base_encoder.fc.0.weight", vec![4096, 128]),
            ("base_encoder.fc.1.running_var", vec![4096]),
            ("base_encoder.fc.3.weight", vec![256, 4096]),
            ("base_encoder.fc.4.running_mean", vec![256]),
            ("momentum_encoder.layer4.0.bn3.bias", vec![128]),
            ("predictor.0.weight", vec![4096, 256]),
            ("predictor.1.weight", vec![4096]),
            ("predictor.3.weight", vec![256, 4096]),
        ] {
            assert!(names.contains(&(name.to_owned(), shape)), "{name}");
        }
        assert!(!names.iter().any(|(name, _)| name.contains("fc.4.weight")));
    }
}
