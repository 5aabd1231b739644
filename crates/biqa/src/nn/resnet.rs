//! ResNet with bottlenecks (He et al., CVPR 2016) as torchvision names it: the stride sits on the
//! 3x3 convolution. Three stages serve GlintIQA, four are the backbone `resnet50` and QPT.
//!
//! Sources: `papers/glintiqa.md`, sections 3.2 and 8.
//!
//! Shapes: `b` images, `c` channels, `h w` rows and columns.

// A field's leading underscore stands for a number in an `nn.Sequential` (see `weights::ParamPath`).
#![allow(clippy::used_underscore_binding)]

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool2d;
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::layers::{BATCH_NORM_EPS, BatchNorm, Conv, Linear};
use super::norm::Seen;
use super::numbers::{self, LAYER};
use super::pool;

/// A stage's output has this many times its planes.
pub const EXPANSION: usize = 4;

/// Sizes of a ResNet; the defaults are ResNet-50's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResNetConfig {
    /// Bottlenecks of each stage: one to four stages.
    pub layers: Vec<usize>,
    /// Planes of stem and first stage; every further stage has twice as many.
    pub width: usize,
    /// Outputs of the classifier `fc`; 0 for none.
    pub num_classes: usize,
    /// Epsilon of every batch norm.
    pub bn_eps: f64,
}

impl Default for ResNetConfig {
    fn default() -> Self {
        Self { layers: vec![3, 4, 6, 3], width: 64, num_classes: 1000, bn_eps: BATCH_NORM_EPS }
    }
}

impl ResNetConfig {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let stages = self.layers.len();
        if !(1..=4).contains(&stages) || self.layers.contains(&0) || self.width == 0 {
            return Err(format!(
                "layers must be one to four numbers of 1 or more and width at least 1, found {:?} \
                 and {}",
                self.layers, self.width
            ));
        }
        let w = self.width;
        // A bottleneck of p planes has a kernel of 9 p^2 and two, at its stage's start four, of up to
        // 4 p^2 and 8 p^2.
        let planes: Vec<[usize; 5]> =
            self.layers.iter().enumerate().map(|(s, &n)| [n, 33, w, w, 1 << (2 * s)]).collect();
        let layers: Vec<[usize; 2]> = self.layers.iter().map(|&n| [n, LAYER]).collect();
        let ends = [[self.num_classes, w, EXPANSION << 3], [3, 49, w]];
        let terms = planes.iter().map(|t| &t[..]).chain(layers.iter().map(|t| &t[..]));
        let terms: Vec<&[usize]> = terms.chain(ends.iter().map(|t| &t[..])).collect();
        numbers::check("the ResNet", &terms)
    }

    /// Channels behind each stage.
    pub fn channels(&self) -> Vec<usize> {
        (0..self.layers.len()).map(|s| EXPANSION * (self.width << s)).collect()
    }
}

/// The network. `H` is what stands under the name `fc`: a classifier, or QPT's projector.
#[derive(Module, Debug)]
pub struct ResNet<H: Module = Linear> {
    conv1: Conv,
    bn1: BatchNorm,
    layer1: Vec<Bottleneck>,
    layer2: Vec<Bottleneck>,
    layer3: Vec<Bottleneck>,
    layer4: Vec<Bottleneck>,
    fc: Option<H>,
}

/// 1x1 to the planes, 3x3, 1x1 to four times the planes, around a skip.
#[derive(Module, Debug)]
struct Bottleneck {
    conv1: Conv,
    bn1: BatchNorm,
    conv2: Conv,
    bn2: BatchNorm,
    conv3: Conv,
    bn3: BatchNorm,
    downsample: Option<Downsample>,
}

/// What the skip of a stage's first bottleneck goes through.
#[derive(Module, Debug)]
struct Downsample {
    _0: Conv,
    _1: BatchNorm,
}

/// What the parts of a forward pass gave.
pub struct ResNetOutput {
    /// `[b, width, h / 2, w / 2]`: after bn1 and ReLU, before the pool.
    pub stem: Tensor<4>,
    /// The output of each stage.
    pub stages: Vec<Tensor<4>>,
    /// `[b, c]`: the mean of the last stage over rows and columns.
    pub features: Tensor<2>,
}

impl ResNet {
    /// An empty network with a classifier where `config` counts classes. `config` must have passed
    /// [`ResNetConfig::check`].
    pub fn new(config: &ResNetConfig, device: &Device) -> Self {
        let ResNetConfig { num_classes, width, .. } = config;
        let c = config.channels().last().copied().unwrap_or(*width);
        let fc = (*num_classes > 0).then(|| Linear::new(c, *num_classes, true, device));
        Self::with_head(config, fc, device)
    }

    /// `[b, c] -> [b, classes]`: the classifier's answer, where there is one.
    pub fn logits(&self, features: Tensor<2>) -> Option<Tensor<2>> {
        self.fc.as_ref().map(|fc| fc.forward(features))
    }
}

impl<H: Module> ResNet<H> {
    /// An empty network with a head of the caller's, over the channels of the last stage; of
    /// `config` the classes are not read.
    pub fn with_head(config: &ResNetConfig, fc: Option<H>, device: &Device) -> Self {
        let ResNetConfig { layers, width, bn_eps: eps, .. } = config;
        let channels = config.channels();
        let stage = |s: usize| -> Vec<Bottleneck> {
            let blocks = layers.get(s).copied().unwrap_or(0);
            let planes = width << s;
            (0..blocks)
                .map(|i| match (i, s) {
                    (0, 0) => Bottleneck::first(*width, planes, 1, *eps, device),
                    (0, _) => Bottleneck::first(channels[s - 1], planes, 2, *eps, device),
                    _ => Bottleneck::new(EXPANSION * planes, planes, 1, *eps, device),
                })
                .collect()
        };
        Self {
            conv1: Conv::new([3, *width, 7], 2, 1, false, device),
            bn1: BatchNorm::with_eps(*width, *eps, device),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
            fc,
        }
    }

    /// What stands under the name `fc`.
    pub fn head(&self) -> Option<&H> {
        self.fc.as_ref()
    }

    /// `[b, 3, h, w]` to every intermediate result. With `seen` the batch norms use the batch.
    pub fn forward(&self, x: Tensor<4>, mut seen: Option<&mut Seen>) -> ResNetOutput {
        let stem = self.stem(x, seen.as_deref_mut());
        let mut x = pooled(stem.clone());
        let mut stages = Vec::new();
        for s in 0..self.stages() {
            x = self.stage(s, x, seen.as_deref_mut());
            stages.push(x.clone());
        }
        ResNetOutput { stem, stages, features: pool::mean(x) }
    }

    /// How many stages there are.
    pub fn stages(&self) -> usize {
        self.all().iter().take_while(|stage| !stage.is_empty()).count()
    }

    /// `[b, 3, h, w] -> [b, width, h / 2, w / 2]`: 7x7 convolution, norm, ReLU.
    pub fn stem(&self, x: Tensor<4>, seen: Option<&mut Seen>) -> Tensor<4> {
        relu(self.bn1.forward_in(self.conv1.forward(x), seen))
    }

    /// The output of stage `s`, from 0, for the pooled stem or the output of the stage before.
    pub fn stage(&self, s: usize, x: Tensor<4>, mut seen: Option<&mut Seen>) -> Tensor<4> {
        self.all()[s].iter().fold(x, |x, block| block.forward(x, seen.as_deref_mut()))
    }

    fn all(&self) -> [&Vec<Bottleneck>; 4] {
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
    }
}

/// 3x3 maximum, stride 2, padding 1: `[b, c, h, w] -> [b, c, ceil(h / 2), ceil(w / 2)]`.
pub fn pooled(x: Tensor<4>) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([2, 2]).with_padding([1, 1]))
}

impl Bottleneck {
    /// The first of a stage: the skip is a convolution too.
    fn first(c: usize, planes: usize, stride: usize, eps: f64, device: &Device) -> Self {
        let downsample = Downsample {
            _0: Conv::new([c, EXPANSION * planes, 1], stride, 1, false, device),
            _1: BatchNorm::with_eps(EXPANSION * planes, eps, device),
        };
        Self { downsample: Some(downsample), ..Self::new(c, planes, stride, eps, device) }
    }

    fn new(c: usize, planes: usize, stride: usize, eps: f64, device: &Device) -> Self {
        let conv = |sizes, stride| Conv::new(sizes, stride, 1, false, device);
        let norm = |c| BatchNorm::with_eps(c, eps, device);
        Self {
            conv1: conv([c, planes, 1], 1),
            bn1: norm(planes),
            conv2: conv([planes, planes, 3], stride),
            bn2: norm(planes),
            conv3: conv([planes, EXPANSION * planes, 1], 1),
            bn3: norm(EXPANSION * planes),
            downsample: None,
        }
    }

    fn forward(&self, x: Tensor<4>, mut seen: Option<&mut Seen>) -> Tensor<4> {
        let y = relu(self.bn1.forward_in(self.conv1.forward(x.clone()), seen.as_deref_mut()));
        let y = relu(self.bn2.forward_in(self.conv2.forward(y), seen.as_deref_mut()));
        let y = self.bn3.forward_in(self.conv3.forward(y), seen.as_deref_mut());
        let skip = match &self.downsample {
            Some(Downsample { _0: conv, _1: norm }) => norm.forward_in(conv.forward(x), seen),
            None => x,
        };
        relu(y + skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::made::{arrays, count, filled, pictures};
    use crate::weights::{collect, host, load};

    fn parameters(config: &ResNetConfig) -> usize {
        let net = ResNet::new(config, &Device::flex());
        let is_buffer = |name: &str| name.contains(".running_");
        collect(&net).iter().filter(|(n, _)| !is_buffer(n)).map(|(_, a)| a.data.len()).sum()
    }

    #[test]
    fn resnet_50_and_101_have_the_counted_parameters() {
        assert_eq!(parameters(&ResNetConfig::default()), 25_557_032);
        let deep = ResNetConfig { layers: vec![3, 4, 23, 3], ..ResNetConfig::default() };
        assert_eq!(parameters(&deep), 44_549_160);
        let headless = ResNetConfig { num_classes: 0, ..ResNetConfig::default() };
        assert_eq!(parameters(&headless), 23_508_032);
    }

    #[test]
    fn names_are_torchvisions() {
        let all = collect(&ResNet::new(&ResNetConfig::default(), &Device::flex()));
        assert_eq!(all.len(), 267, "161 parameters and 106 buffers");
        for (name, shape) in [
            ("conv1.weight", vec![64, 3, 7, 7]),
            ("bn1.running_var", vec![64]),
            ("layer1.0.downsample.0.weight", vec![256, 64, 1, 1]),
            ("layer1.0.downsample.1.running_mean", vec![256]),
            ("layer2.0.conv2.weight", vec![128, 128, 3, 3]),
            ("layer3.5.bn3.bias", vec![1024]),
            ("layer4.2.conv3.weight", vec![2048, 512, 1, 1]),
            ("fc.weight", vec![1000, 2048]),
        ] {
            assert_eq!(all.get(name).map(|a| a.shape.clone()), Some(shape), "{name}");
        }
    }

    #[test]
    fn a_head_of_another_kind_keeps_the_name() {
        let head = Some(vec![Linear::new(64, 2, false, &Device::flex())]);
        let net = ResNet::with_head(&small(), head, &Device::flex());
        assert_eq!(collect(&net)["fc.0.weight"].shape, [2, 64]);
    }

    fn small() -> ResNetConfig {
        ResNetConfig { layers: vec![1, 2, 1], width: 4, num_classes: 0, bn_eps: 1e-5 }
    }

    #[test]
    fn stages_halve_the_map_and_double_the_channels() {
        let net = filled(ResNet::new(&small(), &Device::flex()), |_| ());
        let out = net.forward(pictures(2, 33), None);
        assert_eq!(out.stem.dims(), [2, 4, 17, 17]);
        let dims: Vec<_> = out.stages.iter().map(Tensor::dims).collect();
        assert_eq!(dims, [[2, 16, 9, 9], [2, 32, 5, 5], [2, 64, 3, 3]]);
        assert_eq!(out.features.dims(), [2, 64]);
        assert!(net.logits(out.features).is_none());
    }

    #[test]
    fn a_score_does_not_depend_on_the_batch_unless_the_batch_is_the_statistics() {
        let net = filled(ResNet::new(&small(), &Device::flex()), |_| ());
        let two = pictures(2, 32);
        let one = two.clone().narrow(0, 0, 1);
        let features = |x: Tensor<4>, seen: Option<&mut Seen>| host(&net.forward(x, seen).features);
        assert_eq!(features(two.clone(), None)[..64], features(one.clone(), None)[..]);
        let together = features(two, Some(&mut Seen::default()));
        assert_ne!(together[..64], features(one, Some(&mut Seen::default()))[..]);
    }

    #[test]
    fn every_tensor_of_a_file_must_have_its_place() {
        let empty = || ResNet::new(&small(), &Device::flex());
        assert_eq!(count(&empty()).0, arrays(&empty()).len());
        let mut extra = arrays(&empty());
        extra.insert("layer4.0.conv1.weight".to_owned(), extra["conv1.weight"].clone());
        let text = load(empty(), extra, "r.pth", "resnet").expect_err("one too many").to_string();
        assert!(text.contains("1 unused (layer4.0.conv1.weight)"), "{text}");
    }

    #[test]
    fn unfitting_sizes_are_refused_in_words() {
        let five = ResNetConfig { layers: vec![1; 5], ..ResNetConfig::default() };
        assert!(five.check().expect_err("five stages").contains("one to four"));
        let none = ResNetConfig { layers: vec![1, 0], ..ResNetConfig::default() };
        assert!(none.check().is_err());
    }
}
