//! MobileNetV2 (Sandler et al., CVPR 2018) as torchvision names it.
//!
//! `features.0` stem, `features.1..17` inverted residuals, `features.18` head convolution. The
//! classifier is an option. [`MobileNetV2::fold`] puts the stored statistics of the batch norms
//! into the convolutions: the same function, trainable as convolution and bias, at a third of the
//! cost of a training step.
//!
//! Shapes: `b` images, `c` channels, `h w` rows and columns.

// A field's leading underscore stands for a number in an `nn.Sequential` (see `weights::ParamPath`).
#![allow(clippy::used_underscore_binding)]

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::layers::{BatchNorm, Conv, Linear};

/// Expansion t, output channels c, repeats n, stride s of each group (Table 2 of the paper).
const GROUPS: [[usize; 4]; 7] = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
];
/// Channels of the stem and of the head convolution (Table 2).
const STEM: usize = 32;
const HEAD: usize = 1280;
/// Width multipliers round channels to a multiple of this (torchvision's `round_nearest`).
const ROUND: usize = 8;
/// Index of the head convolution in `features`.
pub const LAST: usize = 18;

/// The network.
#[derive(Module, Debug)]
pub struct MobileNetV2 {
    features: Vec<Feature>,
    classifier: Option<Classifier>,
}

/// `classifier.1` of torchvision; `classifier.0` is a dropout without weights.
#[derive(Module, Debug)]
struct Classifier {
    _1: Linear,
}

/// One entry of `features`. There are nineteen: their sizes don't matter.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
enum Feature {
    Plain(ConvNorm),
    Residual(InvertedResidual),
}

/// Convolution, batch norm, ReLU6: indices 0 and 1 of an `nn.Sequential`.
#[derive(Module, Debug)]
struct ConvNorm {
    _0: Conv,
    _1: Option<BatchNorm>,
}

/// Expand, filter by channel, project; the input is added where the shapes agree.
#[derive(Module, Debug)]
struct InvertedResidual {
    conv: Vec<Layer>,
    skip: bool,
}

/// One entry of `conv` of an inverted residual.
#[derive(Module, Debug)]
enum Layer {
    ConvNorm(ConvNorm),
    Projection(Conv),
    Norm(BatchNorm),
}

impl MobileNetV2 {
    /// An empty network of a width multiplier, with a classifier where `classes` says how large.
    pub fn new(width: f64, classes: Option<usize>, device: &Device) -> Self {
        let mut c = channels(STEM, width);
        let mut features = vec![Feature::Plain(ConvNorm::new([3, c, 3], 2, 1, device))];
        for [t, out, n, s] in GROUPS {
            let out = channels(out, width);
            for i in 0..n {
                let stride = if i == 0 { s } else { 1 };
                features.push(Feature::Residual(InvertedResidual::new(c, out, t, stride, device)));
                c = out;
            }
        }
        let head = channels(HEAD, width.max(1.0));
        features.push(Feature::Plain(ConvNorm::new([c, head, 1], 1, 1, device)));
        let classifier =
            classes.map(|classes| Classifier { _1: Linear::new(head, classes, true, device) });
        Self { features, classifier }
    }

    /// The output of every entry of `features` from `first` to `last`, both included.
    ///
    /// `x` is the picture (`first` = 0) or the output of entry `first - 1`.
    pub fn features(&self, x: Tensor<4>, first: usize, last: usize) -> Vec<Tensor<4>> {
        let mut outputs = Vec::with_capacity(last + 1 - first);
        let mut x = x;
        for feature in &self.features[first..=last] {
            x = feature.forward(x);
            outputs.push(x.clone());
        }
        outputs
    }

    /// `[b, 3, h, w] -> [b, classes]`; the pooled features where there is no classifier.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let [last] = self.features(x, 0, LAST).split_off(LAST).try_into().expect("one is left");
        let pooled = super::pool::mean(last);
        match &self.classifier {
            Some(classifier) => classifier._1.forward(pooled),
            None => pooled,
        }
    }

    /// The same function with every batch norm folded into the convolution before it.
    #[must_use]
    pub fn fold(self) -> Self {
        let features = self.features.into_iter().map(Feature::fold).collect();
        Self { features, classifier: self.classifier }
    }
}

/// torchvision's `_make_divisible`: the nearest multiple of 8, never below nine tenths.
fn channels(c: usize, width: f64) -> usize {
    let wanted = c as f64 * width;
    let rounded = ((wanted + ROUND as f64 / 2.0) as usize / ROUND * ROUND).max(ROUND);
    if (rounded as f64) < 0.9 * wanted { rounded + ROUND } else { rounded }
}

impl Feature {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Plain(layer) => layer.forward(x),
            Self::Residual(block) => block.forward(x),
        }
    }

    fn fold(self) -> Self {
        match self {
            Self::Plain(layer) => Self::Plain(layer.fold()),
            Self::Residual(block) => Self::Residual(block.fold()),
        }
    }
}

impl ConvNorm {
    fn new(sizes: [usize; 3], stride: usize, groups: usize, device: &Device) -> Self {
        Self {
            _0: Conv::new(sizes, stride, groups, false, device),
            _1: Some(BatchNorm::new(sizes[1], device)),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        match &self._1 {
            Some(norm) => norm.forward(self._0.forward(x)).clamp(0.0, 6.0), // ReLU6
            None => self._0.forward_act(x, true),
        }
    }

    fn fold(self) -> Self {
        match self._1 {
            Some(norm) => Self { _0: fold(self._0, &norm), _1: None },
            None => self,
        }
    }
}

impl InvertedResidual {
    fn new(c: usize, out: usize, t: usize, stride: usize, device: &Device) -> Self {
        let hidden = c * t;
        let mut conv = Vec::new();
        if t != 1 {
            conv.push(Layer::ConvNorm(ConvNorm::new([c, hidden, 1], 1, 1, device)));
        }
        conv.push(Layer::ConvNorm(ConvNorm::new([hidden, hidden, 3], stride, hidden, device)));
        conv.push(Layer::Projection(Conv::new([hidden, out, 1], 1, 1, false, device)));
        conv.push(Layer::Norm(BatchNorm::new(out, device)));
        Self { conv, skip: stride == 1 && c == out }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut y = x.clone();
        let folded = !matches!(self.conv.last(), Some(Layer::Norm(_)));
        for layer in &self.conv {
            y = match layer {
                Layer::ConvNorm(layer) => layer.forward(y),
                Layer::Projection(conv) if folded => conv.forward_act(y, false),
                Layer::Projection(conv) => conv.forward(y),
                Layer::Norm(norm) => norm.forward(y),
            };
        }
        if self.skip { x + y } else { y }
    }

    fn fold(self) -> Self {
        let mut conv: Vec<Layer> = Vec::new();
        for layer in self.conv {
            let layer = match layer {
                Layer::ConvNorm(layer) => Layer::ConvNorm(layer.fold()),
                Layer::Norm(norm) => match conv.pop() {
                    Some(Layer::Projection(projection)) => {
                        Layer::Projection(fold(projection, &norm))
                    }
                    _ => unreachable!("a norm follows the projection, by construction"),
                },
                Layer::Projection(projection) => Layer::Projection(projection),
            };
            conv.push(layer);
        }
        Self { conv, skip: self.skip }
    }
}

/// `norm(conv(x)) = conv'(x)` with `W' = factor W`, `b' = shift`.
fn fold(conv: Conv, norm: &BatchNorm) -> Conv {
    let (factor, shift) = norm.affine();
    let o = factor.dims()[0];
    let weight = conv.weight.val() * factor.reshape([o, 1, 1, 1]);
    conv.with(weight, shift)
}
