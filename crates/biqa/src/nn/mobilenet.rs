//! MobileNetV2 (Sandler et al., CVPR 2018) as torchvision names it.
//!
//! `features.0` stem, `features.1..17` inverted residuals, `features.18` head convolution. What
//! stands under the name `classifier` is an option. [`MobileNetV2::fold`] puts the stored statistics
//! of the batch norms into the convolutions: the same function, trainable as convolution and bias,
//! at a third of the cost of a training step. [`MobileNetV2::pooled_in`] does the same while it
//! goes, so that the norms keep their names, or takes the statistics of the batch.
//!
//! Shapes: `b` images, `c` channels, `h w` rows and columns.

// A field's leading underscore stands for a number in an `nn.Sequential` (see `weights::ParamPath`).
#![allow(clippy::used_underscore_binding)]

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::layers::{BatchNorm, Conv, Linear};
use super::norm::Seen;

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

/// The network. `H` is what stands under the name `classifier`.
#[derive(Module, Debug)]
pub struct MobileNetV2<H: Module = Classifier> {
    features: Vec<Feature>,
    classifier: Option<H>,
}

/// `classifier.1` of torchvision; `classifier.0` is a dropout without weights.
#[derive(Module, Debug)]
pub struct Classifier {
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
        let classifier = classes
            .map(|classes| Classifier { _1: Linear::new(last(width), classes, true, device) });
        Self::with_head(width, classifier, device)
    }

    /// `[b, 3, h, w] -> [b, classes]`; the pooled features where there is no classifier.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let [last] = self.features(x, 0, LAST).split_off(LAST).try_into().expect("one is left");
        let pooled = super::pool::mean(last);
        self.logits(pooled.clone()).unwrap_or(pooled)
    }

    /// `[b, c] -> [b, classes]`: the classifier's answer, where there is one.
    pub fn logits(&self, features: Tensor<2>) -> Option<Tensor<2>> {
        self.classifier.as_ref().map(|classifier| classifier._1.forward(features))
    }
}

impl<H: Module> MobileNetV2<H> {
    /// An empty network of a width multiplier with a head of the caller's, over [`last`] channels.
    pub fn with_head(width: f64, classifier: Option<H>, device: &Device) -> Self {
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
        features.push(Feature::Plain(ConvNorm::new([c, last(width), 1], 1, 1, device)));
        Self { features, classifier }
    }

    /// What stands under the name `classifier`.
    pub fn head(&self) -> Option<&H> {
        self.classifier.as_ref()
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

    /// `[b, 3, h, w] -> [b, c]`: the pooled features of a network that is not folded. With `seen`
    /// the batch norms use the batch; without they use the stored statistics, within the
    /// convolution, and factor, shift and weight are trained all the same.
    pub fn pooled_in(&self, x: Tensor<4>, mut seen: Option<&mut Seen>) -> Tensor<2> {
        let forward = |x, feature: &Feature| feature.forward_in(x, seen.as_deref_mut());
        super::pool::mean(self.features.iter().fold(x, forward))
    }

    /// The same function with every batch norm folded into the convolution before it.
    #[must_use]
    pub fn fold(self) -> Self {
        let features = self.features.into_iter().map(Feature::fold).collect();
        Self { features, classifier: self.classifier }
    }
}

/// Channels of the head convolution, which are those of the pooled features.
pub fn last(width: f64) -> usize {
    channels(HEAD, width.max(1.0))
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

    fn forward_in(&self, x: Tensor<4>, seen: Option<&mut Seen>) -> Tensor<4> {
        match self {
            Self::Plain(layer) => layer.forward_in(x, seen),
            Self::Residual(block) => block.forward_in(x, seen),
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

    fn forward_in(&self, x: Tensor<4>, seen: Option<&mut Seen>) -> Tensor<4> {
        match &self._1 {
            Some(norm) => normed(&self._0, norm, x, true, seen),
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

    fn forward_in(&self, x: Tensor<4>, mut seen: Option<&mut Seen>) -> Tensor<4> {
        let (mut y, mut projection) = (x.clone(), None);
        for layer in &self.conv {
            match (layer, projection.take()) {
                (Layer::ConvNorm(layer), _) => y = layer.forward_in(y, seen.as_deref_mut()),
                (Layer::Projection(conv), _) => projection = Some(conv),
                (Layer::Norm(norm), Some(conv)) => {
                    y = normed(conv, norm, y, false, seen.as_deref_mut());
                }
                (Layer::Norm(norm), None) => y = norm.forward_in(y, seen.as_deref_mut()),
            }
        }
        let y = match projection {
            Some(folded) => folded.forward_act(y, false),
            None => y,
        };
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
    let (weight, bias) = folded(&conv, norm);
    conv.with(weight, bias)
}

/// `W'` and `b'` of [`fold`].
fn folded(conv: &Conv, norm: &BatchNorm) -> (Tensor<4>, Tensor<1>) {
    let (factor, shift) = norm.affine();
    let o = factor.dims()[0];
    (conv.weight.val() * factor.reshape([o, 1, 1, 1]), shift)
}

/// Convolution, norm and, where asked, ReLU6: see [`MobileNetV2::pooled_in`].
fn normed(
    conv: &Conv,
    norm: &BatchNorm,
    x: Tensor<4>,
    relu6: bool,
    seen: Option<&mut Seen>,
) -> Tensor<4> {
    if seen.is_none() {
        let (weight, bias) = folded(conv, norm);
        return conv.forward_by(x, weight, bias, relu6);
    }
    let weight = conv.weight.val();
    let nothing = Tensor::zeros([weight.dims()[0]], &x.device());
    let y = norm.forward_in(conv.forward_by(x, weight, nothing, false), seen);
    if relu6 { y.clamp(0.0, 6.0) } else { y }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::made::{close, filled, pictures};
    use crate::weights::{collect, host};

    fn network() -> MobileNetV2 {
        filled(MobileNetV2::new(0.25, None, &Device::flex()), |_| ())
    }

    #[test]
    fn stored_statistics_within_the_convolutions_are_the_same_function() {
        let (net, x) = (network(), pictures(2, 33));
        let plain = host(&net.forward(x.clone()));
        close(&host(&net.pooled_in(x.clone(), None)), &plain, 1e-3);
        close(&host(&net.fold().pooled_in(x, None)), &plain, 1e-3);
    }

    #[test]
    fn every_norm_notes_the_batch_and_a_folded_network_has_none() {
        let (net, mut seen) = (network(), Seen::default());
        let before = collect(&net);
        let together = host(&net.pooled_in(pictures(2, 40), Some(&mut seen)));
        assert!(together.iter().all(|v| v.is_finite()));
        let after = collect(&seen.put_into(net, 0.1));
        for (name, array) in &before {
            assert_eq!(&after[name] == array, !name.contains(".running_"), "{name}");
        }
    }

    #[test]
    fn a_batchs_statistics_are_those_of_the_norms_by_themselves() {
        // The stem alone, by Burn's own operations.
        let (net, x) = (network(), pictures(3, 20));
        let Feature::Plain(ConvNorm { _0: conv, _1: Some(norm) }) = &net.features[0] else {
            panic!("the stem is a convolution with a norm")
        };
        let fast = net.features[0].forward_in(x.clone(), Some(&mut Seen::default()));
        let plain = norm.forward_in(conv.forward(x), Some(&mut Seen::default())).clamp(0.0, 6.0);
        close(&host(&fast), &host(&plain), 1e-4);
    }

    #[test]
    fn weights_factors_and_shifts_learn_under_stored_statistics() {
        let net = network().train();
        let x = Tensor::from_data(pictures(2, 32).into_data(), &Device::flex().autodiff());
        let grads = net.pooled_in(x, None).powf_scalar(2.0).sum().backward();
        let Feature::Plain(ConvNorm { _0: conv, _1: Some(norm) }) = &net.features[LAST] else {
            panic!("the last entry is a convolution with a norm")
        };
        assert!(conv.weight.val().grad(&grads).is_some());
        assert!(norm.weight.val().grad(&grads).is_some() && norm.bias.val().grad(&grads).is_some());
        assert!(norm.running_var.val().grad(&grads).is_none());
    }
}
