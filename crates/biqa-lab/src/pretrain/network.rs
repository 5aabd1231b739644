//! The query side and the key side of QPT's pre-training (`papers/qpt.md`, section 5), under the
//! names of MoCo v3.
//!
//! Shapes: `m` patches, `d` numbers of an embedding.

// A field's leading underscore stands for a number in an `nn.Sequential` (see `weights::ParamPath`).
#![allow(clippy::used_underscore_binding)]

use biqa::models::qpt::{Backbone, QptConfig};
use biqa::nn::layers::{BatchNorm, Linear};
use biqa::nn::norm::{Norms, Seen};
use biqa::nn::numbers;
use biqa::nn::resnet::ResNetConfig;
use biqa::nn::vit::VitConfig;
use biqa::weights::{Arrays, WeightsError, freeze, load};
use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::encoder::Encoder;

/// Sizes of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PretrainConfig {
    /// What is pre-trained.
    pub backbone: Backbone,
    /// Which statistics its batch norms use while it learns.
    pub norms: Norms,
    /// Bottlenecks of each stage of a ResNet.
    pub layers: Vec<usize>,
    /// Planes of stem and first stage of a ResNet.
    pub width: usize,
    /// Sizes of a vision transformer; its classes are not read.
    pub vit: VitConfig,
    /// Hidden numbers of projector and predictor.
    pub mlp_dim: usize,
    /// Numbers of an embedding.
    pub dim: usize,
    /// Whether queries go through a predictor; keys never do.
    pub predictor: bool,
    /// Epsilon of every batch norm.
    pub bn_eps: f64,
}

/// timm's `vit_tiny_patch16_224` without its classifier.
const VIT_TINY: VitConfig = VitConfig {
    image_size: 224,
    patch_size: 16,
    embed_dim: 192,
    depth: 12,
    num_heads: 3,
    mlp_ratio: 4.0,
    qkv_bias: true,
    norm_eps: 1e-6,
    num_classes: 0,
    layer_scale: false,
};

impl Default for PretrainConfig {
    fn default() -> Self {
        let QptConfig { layers, width, bn_eps, .. } = QptConfig::default();
        Self {
            backbone: Backbone::ResNet,
            norms: Norms::Batch,
            layers,
            width,
            vit: VIT_TINY,
            mlp_dim: 4096,
            dim: 256,
            predictor: true,
            bn_eps,
        }
    }
}

/// More channels than a backbone gives, to bound the projector's first layer by.
const MOST_FEATURES: usize = 1 << 13;

impl PretrainConfig {
    /// A ResNet's sizes.
    pub fn resnet(&self) -> ResNetConfig {
        let (layers, width) = (self.layers.clone(), self.width);
        ResNetConfig { layers, width, num_classes: 0, bn_eps: self.bn_eps }
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        if self.mlp_dim == 0 || self.dim == 0 {
            return Err("mlp_dim and dim must be at least 1".to_owned());
        }
        let (mlp, dim) = (self.mlp_dim, self.dim);
        let inner: [&[usize]; 3] = [&[MOST_FEATURES, mlp], &[mlp, mlp], &[4, mlp, dim]];
        numbers::check("projector and predictor", &inner)?;
        match self.backbone {
            Backbone::ResNet => self.resnet().check(),
            Backbone::MobileNetV2 => Ok(()),
            Backbone::Vit => self.vit.check(),
        }
    }

    /// The side that patches must have; `None` where any will do.
    pub fn side(&self) -> Option<usize> {
        (self.backbone == Backbone::Vit).then_some(self.vit.image_size)
    }
}

/// Both sides.
#[derive(Module, Debug)]
pub struct Pretrain {
    /// Backbone and projector of the queries.
    pub base_encoder: Encoder,
    /// The same for the keys: it follows, no gradient reaches it.
    pub momentum_encoder: Encoder,
    /// What queries go through besides.
    pub predictor: Option<Predictor>,
    /// Which statistics the backbone's norms use while it learns.
    #[module(skip)]
    pub norms: Norms,
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
            base_encoder: Encoder::new(config, device),
            momentum_encoder: freeze(Encoder::new(config, device), |_| true),
            predictor: config.predictor.then(|| Predictor {
                _0: Linear::new(dim, mlp_dim, false, device),
                _1: BatchNorm::with_eps(mlp_dim, bn_eps, device),
                _3: Linear::new(mlp_dim, dim, false, device),
            }),
            norms: config.norms,
        }
    }

    /// `[m, 3, s, s] -> [m, d]`: queries, in training mode.
    pub fn queries(&self, x: Tensor<4>, seen: &mut Seen) -> Tensor<2> {
        let embedding = self.base_encoder.embed(x, self.norms, seen);
        match &self.predictor {
            Some(predictor) => predictor.forward(embedding, Some(seen)),
            None => embedding,
        }
    }

    /// `[m, 3, s, s] -> [m, d]`: keys, in training mode, without gradients.
    pub fn keys(&self, x: Tensor<4>, seen: &mut Seen) -> Tensor<2> {
        self.momentum_encoder.embed(x.detach(), self.norms, seen).detach()
    }

    /// `[m, 3, s, s]` to features `[m, c]`, query and key `[m, d]`, as in inference.
    pub fn looked_at(&self, x: Tensor<4>) -> [Tensor<2>; 3] {
        let features = self.base_encoder.features(x.clone(), None);
        let embedding = self.base_encoder.projected(features.clone(), None);
        let query = match &self.predictor {
            Some(predictor) => predictor.forward(embedding, None),
            None => embedding,
        };
        let keys = &self.momentum_encoder;
        [features, query, keys.projected(keys.features(x, None), None)]
    }
}

impl Predictor {
    fn forward(&self, x: Tensor<2>, seen: Option<&mut Seen>) -> Tensor<2> {
        self._3.forward(relu(self._1.forward_in(self._0.forward(x), seen)))
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

    /// The projector stands where the classifier stood, as in MoCo v3.
    #[test]
    fn the_other_backbones_keep_the_names_of_their_files() {
        for (backbone, wanted) in [
            (Backbone::MobileNetV2, ["features.18.1.running_var", "classifier.0.weight"]),
            (Backbone::Vit, ["blocks.1.attn.qkv.weight", "head.4.running_mean"]),
        ] {
            let vit = VitConfig { depth: 2, ..VIT_TINY };
            let config =
                PretrainConfig { backbone, vit, mlp_dim: 8, dim: 4, ..PretrainConfig::default() };
            let net = Pretrain::new(&config, &Device::flex());
            let mut names = Vec::new();
            visit(&net, |name, _| names.push(name.to_owned()));
            for name in wanted {
                for side in ["base_encoder", "momentum_encoder"] {
                    assert!(names.contains(&format!("{side}.{name}")), "{side}.{name}");
                }
            }
        }
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
