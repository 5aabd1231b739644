//! QPT: a ResNet-50, pre-trained to tell degradations apart, with one linear layer for the score.
//!
//! Zhao, Yuan, Sun, Li, Wen, "Quality-aware Pre-trained Models for Blind Image Quality Assessment",
//! CVPR 2023. Section numbers are those of `papers/qpt.md`. This file has the network that scores
//! and the way to it from a pre-training checkpoint; its names are torchvision's, so a plain
//! ResNet-50 of torchvision is a start too. Ours beside it: the same layer on a MobileNetV2.
//!
//! Shapes: `b` crops.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::nn::layers::BATCH_NORM_EPS;
use crate::nn::mobilenet::MobileNetV2;
use crate::nn::norm::Seen;
use crate::nn::resnet::{ResNet, ResNetConfig};
use crate::weights::Arrays;

/// What looks at a crop, and what is pre-trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backbone {
    /// A ResNet; ResNet-50 is the paper's.
    #[default]
    #[serde(rename = "resnet")]
    ResNet,
    /// MobileNetV2, ours, what `lite` is built on: `layers`, `width` and `bn_eps` are not read.
    #[serde(rename = "mobilenet_v2")]
    MobileNetV2,
    /// A vision transformer, ours: pre-trained only. It starts the methods that are built on one.
    #[serde(rename = "vit")]
    Vit,
}

impl Backbone {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde wants it so
    fn is_resnet(&self) -> bool {
        *self == Self::ResNet
    }

    /// How the names of its files' classifier begin, and those of what stands in its place: the
    /// linear layer of the score, the projector of the pre-training.
    pub fn head(self) -> &'static str {
        match self {
            Self::ResNet => "fc.",
            Self::MobileNetV2 => "classifier.",
            Self::Vit => "head.",
        }
    }

    /// The names of its linear layer's weight and bias.
    pub fn linear(self) -> [&'static str; 2] {
        match self {
            Self::ResNet => ["fc.weight", "fc.bias"],
            Self::MobileNetV2 => ["classifier.1.weight", "classifier.1.bias"],
            Self::Vit => ["head.weight", "head.bias"],
        }
    }
}

/// Sizes of the network, by the specification's keys; the defaults are the paper's ResNet-50.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QptConfig {
    /// What looks at a crop; left out of cards and digests where it is the paper's.
    #[serde(skip_serializing_if = "Backbone::is_resnet")]
    pub backbone: Backbone,
    /// Bottlenecks of each of a ResNet's four stages.
    pub layers: Vec<usize>,
    /// Planes of a ResNet's stem and first stage.
    pub width: usize,
    /// Scores a crop: 1.
    pub num_classes: usize,
    /// Epsilon of every batch norm.
    pub bn_eps: f64,
}

impl Default for QptConfig {
    fn default() -> Self {
        Self {
            backbone: Backbone::ResNet,
            layers: vec![3, 4, 6, 3],
            width: 64,
            num_classes: 1,
            bn_eps: BATCH_NORM_EPS,
        }
    }
}

impl QptConfig {
    /// A named set of sizes.
    ///
    /// `paper`: ResNet-50. `narrow`: a quarter of its planes, for machines without an accelerator.
    /// `mobilenet`: MobileNetV2, ours. `smoke`: one bottleneck a stage of 4 planes, for tests of the
    /// machinery.
    pub fn preset(name: &str) -> Option<Self> {
        let paper = Self::default();
        match name {
            "paper" => Some(paper),
            "narrow" => Some(Self { width: 16, ..paper }),
            "mobilenet" => Some(Self { backbone: Backbone::MobileNetV2, ..paper }),
            "smoke" => Some(Self { layers: vec![1; 4], width: 4, ..paper }),
            _ => None,
        }
    }

    /// A ResNet's sizes.
    pub fn resnet(&self) -> ResNetConfig {
        let Self { layers, width, num_classes, bn_eps, .. } = self.clone();
        ResNetConfig { layers, width, num_classes, bn_eps }
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        if self.num_classes != 1 {
            return Err(format!("num_classes must be 1, found {}", self.num_classes));
        }
        match self.backbone {
            Backbone::ResNet => self.resnet().check(),
            Backbone::MobileNetV2 => Ok(()),
            Backbone::Vit => {
                Err("backbone is vit, expected resnet or mobilenet_v2: a transformer \
                                  that was pre-trained starts deiqt and its like"
                    .to_owned())
            }
        }
    }
}

/// MobileNetV2's width multiplier: that of the files there are.
const WIDTH: f64 = 1.0;

/// The network that scores.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // there is one
pub enum Qpt {
    /// Linear layer `fc`.
    ResNet(ResNet),
    /// Linear layer `classifier.1`.
    MobileNetV2(MobileNetV2),
}

impl Qpt {
    /// An empty network. `config` must have passed [`QptConfig::check`].
    pub fn new(config: &QptConfig, device: &Device) -> Self {
        match config.backbone {
            // The check refuses a transformer.
            Backbone::ResNet | Backbone::Vit => Self::ResNet(ResNet::new(&config.resnet(), device)),
            Backbone::MobileNetV2 => {
                Self::MobileNetV2(MobileNetV2::new(WIDTH, Some(config.num_classes), device))
            }
        }
    }

    /// `[b, 3, h, w] -> [b]`: scores of crops of any size; a picture's score is their mean.
    pub fn score(&self, x: Tensor<4>) -> Tensor<1> {
        self.score_in(x, None)
    }

    /// The same for training. With `seen` the batch norms use the batch and tell `seen`.
    pub fn score_in(&self, x: Tensor<4>, seen: Option<&mut Seen>) -> Tensor<1> {
        let features = self.features(x, seen);
        let [b, _] = features.dims();
        let logits = match self {
            Self::ResNet(net) => net.logits(features),
            Self::MobileNetV2(net) => net.logits(features),
        };
        logits.expect("QptConfig's check asks for one score a crop").reshape([b])
    }

    /// `[b, 3, h, w] -> [b, c]`: what the linear layer reads.
    pub fn features(&self, x: Tensor<4>, seen: Option<&mut Seen>) -> Tensor<2> {
        match self {
            Self::ResNet(net) => net.forward(x, seen).features,
            Self::MobileNetV2(net) => net.pooled_in(x, seen),
        }
    }
}

/// The backbone of a file, and the names that were dropped with their reason's prefix.
///
/// A pre-training checkpoint holds `base_encoder.` (the backbone, and the projector under
/// [`Backbone::head`]), `momentum_encoder.`, `predictor.` and perhaps a `queue`; of it the backbone is
/// kept. A classifier of torchvision holds the backbone and the head. Anything else stays, for
/// [`crate::weights::load`] to refuse by name.
pub fn backbone(arrays: Arrays, head: &str) -> (Arrays, Vec<String>) {
    const ENCODER: &str = "base_encoder.";
    let pretrained = arrays.keys().any(|name| name.starts_with(ENCODER));
    let (mut kept, mut dropped) = (Arrays::new(), Vec::new());
    for (name, array) in arrays {
        let inner = name.strip_prefix(ENCODER);
        let training = ["momentum_encoder.", "predictor.", "queue"];
        let only_training = inner.is_none() && training.iter().any(|part| name.starts_with(part));
        let plain = inner.unwrap_or(&name);
        if plain.starts_with(head) || (pretrained && only_training) {
            dropped.push(name);
        } else {
            kept.insert(plain.to_owned(), array);
        }
    }
    (kept, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::made::{arrays, close, filled, pictures};
    use crate::weights::{Array, collect, host, load};

    #[test]
    fn the_paper_size_has_the_counted_parameters() {
        let config = QptConfig::preset("paper").expect("a preset");
        let all = collect(&Qpt::new(&config, &Device::flex()));
        let is_buffer = |name: &str| name.contains(".running_");
        let parameters = all.iter().filter(|(name, _)| !is_buffer(name));
        assert_eq!(parameters.map(|(_, a)| a.data.len()).sum::<usize>(), 23_510_081);
        assert_eq!(all["fc.weight"].shape, [1, 2048]);
        assert_eq!(all["fc.bias"].shape, [1]);
    }

    #[test]
    fn every_preset_scores_crops_of_any_size() {
        for preset in ["narrow", "mobilenet", "smoke"] {
            let config = QptConfig::preset(preset).expect("a preset");
            config.check().expect("it fits");
            let net = filled(Qpt::new(&config, &Device::flex()), |_| ());
            for side in [32, 45] {
                let crops = pictures(2, side);
                let scores = host(&net.score(crops.clone()));
                let alone = host(&net.score(crops.narrow(0, 1, 1)));
                close(&scores[1..], &alone, 1e-5);
            }
        }
        assert!(QptConfig::preset("huge").is_none());
    }

    /// A pre-training checkpoint: the backbone twice, projectors, predictor, queue.
    #[test]
    fn a_pre_training_checkpoint_becomes_a_backbone_and_names_what_it_drops() {
        let config = QptConfig::preset("smoke").expect("a preset");
        let net = Qpt::new(&config, &Device::flex());
        let mut wanted = arrays(&net);
        wanted.retain(|name, _| !name.starts_with("fc."));
        let mut file = Arrays::new();
        for (name, array) in &wanted {
            file.insert(format!("base_encoder.{name}"), array.clone());
            file.insert(format!("momentum_encoder.{name}"), array.clone());
        }
        let small = Array { shape: vec![1], data: vec![1.0] };
        for name in
            ["base_encoder.fc.0.weight", "momentum_encoder.fc.0.weight", "predictor.0.weight"]
        {
            file.insert(name.to_owned(), small.clone());
        }
        file.insert("queue".to_owned(), small.clone());
        let number = file.len();
        let (kept, dropped) = backbone(file, "fc.");
        assert_eq!(kept, wanted);
        assert_eq!(dropped.len() + kept.len(), number, "every tensor is accounted for");
        assert!(dropped.contains(&"base_encoder.fc.0.weight".to_owned()));
        assert!(dropped.contains(&"predictor.0.weight".to_owned()));
        assert!(!dropped.iter().any(|name| wanted.contains_key(name)));

        let headless = ResNetConfig { num_classes: 0, ..config.resnet() };
        load(ResNet::new(&headless, &Device::flex()), kept, "q.pth", "qpt").expect("it fits");
    }

    #[test]
    fn a_classifier_of_torchvision_is_a_backbone_too() {
        let config = ResNetConfig { num_classes: 7, ..QptConfig::default().resnet() };
        let config = ResNetConfig { layers: vec![1; 4], width: 4, ..config };
        let (kept, dropped) = backbone(arrays(&ResNet::new(&config, &Device::flex())), "fc.");
        assert_eq!(dropped, ["fc.bias", "fc.weight"]);
        assert!(kept.contains_key("layer4.0.conv3.weight"));
    }

    /// torchvision's MobileNetV2 has 3,504,872 parameters, 1,281,000 of them in its classifier.
    #[test]
    fn a_mobilenet_keeps_torchvisions_names() {
        let config = QptConfig::preset("mobilenet").expect("a preset");
        let all = collect(&Qpt::new(&config, &Device::flex()));
        let parameters = all.iter().filter(|(name, _)| !name.contains(".running_"));
        let sum = parameters.map(|(_, a)| a.data.len()).sum::<usize>();
        assert_eq!(sum, 3_504_872 - 1_281_000 + 1281);
        let [weight, bias] = config.backbone.linear();
        assert_eq!((&all[weight].shape[..], &all[bias].shape[..]), (&[1, 1280][..], &[1][..]));
        let (kept, dropped) = backbone(all, config.backbone.head());
        assert_eq!(dropped, [bias, weight]);
        assert!(kept.contains_key("features.18.1.running_var"));
    }

    #[test]
    fn more_than_one_score_and_a_transformer_are_refused_in_words() {
        let config = QptConfig { num_classes: 2, ..QptConfig::default() };
        assert_eq!(config.check().expect_err("two"), "num_classes must be 1, found 2");
        let config = QptConfig { backbone: Backbone::Vit, ..QptConfig::default() };
        assert!(config.check().expect_err("none").contains("expected resnet or mobilenet_v2"));
    }
}
