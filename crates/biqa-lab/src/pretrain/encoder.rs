//! A backbone with QPT's projector where its classifier stood, under the names of MoCo v3
//! (`papers/qpt.md`, section 5).
//!
//! Shapes: `m` patches, `c` features, `d` numbers of an embedding.

// A field's leading underscore stands for a number in an `nn.Sequential` (see `weights::ParamPath`).
#![allow(clippy::used_underscore_binding)]

use biqa::models::qpt::Backbone;
use biqa::nn::layers::{BatchNorm, Linear};
use biqa::nn::mobilenet::{MobileNetV2, last};
use biqa::nn::norm::{Norms, PlainNorm, Seen};
use biqa::nn::resnet::ResNet;
use biqa::nn::vit::Vit;
use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::network::PretrainConfig;

/// MobileNetV2's width multiplier: that of the files there are.
const WIDTH: f64 = 1.0;

/// A backbone and its projector.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // there are two
pub enum Encoder {
    /// Projector `fc`.
    ResNet(ResNet<Projector>),
    /// Projector `classifier`.
    MobileNetV2(MobileNetV2<Projector>),
    /// Projector `head`; the features are the class token.
    Vit(Vit<Projector>),
}

/// Linear, norm, ReLU, linear, norm without factor and shift: indices 0, 1, 3, 4.
#[derive(Module, Debug)]
pub struct Projector {
    _0: Linear,
    _1: BatchNorm,
    _3: Linear,
    _4: PlainNorm,
}

impl Encoder {
    /// An empty one. `config` must have passed its check.
    pub fn new(config: &PretrainConfig, device: &Device) -> Self {
        let PretrainConfig { mlp_dim, dim, bn_eps, .. } = *config;
        let projector = |c: usize| {
            Some(Projector {
                _0: Linear::new(c, mlp_dim, false, device),
                _1: BatchNorm::with_eps(mlp_dim, bn_eps, device),
                _3: Linear::new(mlp_dim, dim, false, device),
                _4: PlainNorm::new(dim, bn_eps, device),
            })
        };
        match config.backbone {
            Backbone::ResNet => {
                let sizes = config.resnet();
                let c = sizes.channels().last().copied().unwrap_or(config.width);
                Self::ResNet(ResNet::with_head(&sizes, projector(c), device))
            }
            Backbone::MobileNetV2 => {
                Self::MobileNetV2(MobileNetV2::with_head(WIDTH, projector(last(WIDTH)), device))
            }
            Backbone::Vit => {
                let vit = &config.vit;
                Self::Vit(Vit::with_head(vit, projector(vit.embed_dim), device))
            }
        }
    }

    /// `[m, 3, s, s] -> [m, c]`. With `seen` the backbone's batch norms use the batch.
    pub fn features(&self, x: Tensor<4>, seen: Option<&mut Seen>) -> Tensor<2> {
        match self {
            Self::ResNet(net) => net.forward(x, seen).features,
            Self::MobileNetV2(net) => net.pooled_in(x, seen),
            Self::Vit(net) => net.class_token(x),
        }
    }

    /// `[m, c] -> [m, d]`, by the statistics of the batch where there is a `seen`.
    pub fn projected(&self, features: Tensor<2>, seen: Option<&mut Seen>) -> Tensor<2> {
        let projector = match self {
            Self::ResNet(net) => net.head(),
            Self::MobileNetV2(net) => net.head(),
            Self::Vit(net) => net.head(),
        };
        match projector {
            Some(projector) => projector.forward(features, seen),
            None => features,
        }
    }

    /// `[m, 3, s, s] -> [m, d]` in training mode.
    pub fn embed(&self, x: Tensor<4>, norms: Norms, seen: &mut Seen) -> Tensor<2> {
        let features = match norms {
            Norms::Batch => self.features(x, Some(seen)),
            Norms::Stored => self.features(x, None),
        };
        self.projected(features, Some(seen))
    }
}

impl Projector {
    fn forward(&self, x: Tensor<2>, mut seen: Option<&mut Seen>) -> Tensor<2> {
        let x = relu(self._1.forward_in(self._0.forward(x), seen.as_deref_mut()));
        self._4.forward(self._3.forward(x), seen)
    }
}
