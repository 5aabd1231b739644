//! How QPT is fine-tuned: smooth L1 on labels of 0 to 100, batch norms in training mode, the
//! backbone at a fifth of the head's rate (`papers/qpt.md`, section 6). Ours beside it: a MobileNetV2,
//! and batch norms that keep the statistics they start with.
//!
//! Shapes: `b` crops of a step.

use biqa::models::qpt::{Qpt, QptConfig, backbone};
use biqa::nn::norm::{BATCH_NORM_MOMENTUM, Norms, Seen};
use biqa::weights::{Array, Arrays, collect, load, visit};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::init::Rule;
use super::{Batch, Method, Needs, Start, Terms};
use crate::losses::regression::smooth_l1;
use crate::train::TrainError;

/// Smallest crop: the network divides sides by 32.
const LEAST_CROP: usize = 32;

/// Standard deviation of the new linear layer's weight (section 5).
const FC_STD: f64 = 0.01;

/// What a recipe may choose besides the network's sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QptOptions {
    /// Side of a training crop, in pixels: 320, or 224 for sets of made degradations.
    pub crop: usize,
    /// The backbone's learning rate over the head's.
    pub backbone_lr: f64,
    /// Where smooth L1 turns from a parabola into a line (9).
    pub beta: f64,
    /// Which statistics the batch norms use while it learns; left out of digests where it is the
    /// batch's.
    #[serde(skip_serializing_if = "Norms::is_batch")]
    pub norms: Norms,
}

impl Default for QptOptions {
    fn default() -> Self {
        Self { crop: 320, backbone_lr: 0.2, beta: 1.0, norms: Norms::Batch }
    }
}

/// The method.
#[derive(Clone, Debug)]
pub struct QptMethod {
    config: QptConfig,
    options: QptOptions,
    seen: Option<Seen>,
}

impl QptMethod {
    /// `config` must have passed its check.
    pub fn new(config: QptConfig, options: QptOptions) -> Self {
        Self { config, options, seen: None }
    }

    /// Whether a file holds a linear layer that gives one score.
    fn is_score_model(&self, arrays: &Arrays) -> bool {
        let [weight, bias] = self.config.backbone.linear();
        let gives_one = arrays.get(bias).is_some_and(|bias| bias.shape == [1]);
        gives_one && arrays.contains_key(weight)
    }
}

/// How a parameter starts that no file brings: torchvision's rules, and that of the new head, whose
/// weight is named.
fn rule(name: &str, shape: &[usize], head: &str) -> Rule {
    match shape {
        _ if name == head => Rule::Normal(FC_STD),
        // Kaiming normal over what a convolution gives.
        [o, _, k, l] => Rule::Normal((2.0 / (o * k * l) as f64).sqrt()),
        _ if name.ends_with(".running_var") => Rule::Constant(1.0),
        [_] if name.ends_with(".weight") => Rule::Constant(1.0),
        _ => Rule::Constant(0.0),
    }
}

impl Method for QptMethod {
    type Net = Qpt;

    fn needs(&self) -> Needs {
        Needs { crop: self.options.crop, group: 1, whole: false }
    }

    fn check(&self, _pictures: usize) -> Result<(), String> {
        let QptOptions { crop, backbone_lr, beta, norms: _ } = self.options;
        super::positive("beta", beta)?;
        super::not_negative("backbone_lr", backbone_lr)?;
        super::ensure(crop >= LEAST_CROP, "crop", "32 or more", crop as f64)
    }

    fn left_out(&self, arrays: &Arrays) -> Vec<String> {
        if self.is_score_model(arrays) {
            return Vec::new();
        }
        let name = |name: &String| (name.clone(), Array { shape: vec![0], data: Vec::new() });
        backbone(arrays.keys().map(name).collect(), self.config.backbone.head()).1
    }

    /// Besides a whole checkpoint `arrays` may hold a pre-training checkpoint or a classifier of
    /// torchvision, of which the backbone is taken.
    fn start(
        &self,
        arrays: Arrays,
        name: &str,
        seed: u64,
        device: &Device,
    ) -> Result<(Qpt, Start), TrainError> {
        let empty = Qpt::new(&self.config, device);
        let head = self.config.backbone.head();
        let [weight, _] = self.config.backbone.linear();
        if self.is_score_model(&arrays) {
            return Ok((load(empty, arrays, name, "qpt")?, Start::Whole));
        }
        let from = if arrays.is_empty() { Start::Fresh } else { Start::Backbone };
        let (mut all, _dropped) = backbone(arrays, head);
        visit(&empty, |key, value| {
            if from == Start::Fresh || key.starts_with(head) {
                let rule = rule(key, &value.shape, weight);
                all.entry(key.to_owned()).or_insert_with(|| rule.array(value.shape, key, seed));
            }
        });
        Ok((load(empty, all, name, "qpt")?, from))
    }

    fn decays(&self, _name: &str, _dims: usize) -> bool {
        true
    }

    fn lr_scale(&self, name: &str) -> f64 {
        if name.starts_with(self.config.backbone.head()) { 1.0 } else { self.options.backbone_lr }
    }

    fn terms(&mut self, net: &Qpt, batch: &Batch) -> Result<Terms, TrainError> {
        if self.options.norms == Norms::Batch {
            // A step in parts notes every part.
            self.seen.get_or_insert_default();
        }
        let score = net.score_in(batch.crops.clone(), self.seen.as_mut());
        // (9)
        let loss = smooth_l1(score, batch.crop_targets(), self.options.beta);
        Ok(Terms::default().with("smooth_l1", loss))
    }

    fn after_step(&mut self, net: Qpt) -> Qpt {
        match self.seen.take() {
            Some(seen) => seen.put_into(net, BATCH_NORM_MOMENTUM),
            None => net,
        }
    }

    fn features(&self, net: &Qpt, crops: Tensor<4>) -> Tensor<2> {
        net.features(crops, None)
    }

    fn exported(&self, net: &Qpt) -> (serde_json::Value, Arrays) {
        (super::config_json(&self.config), collect(net))
    }
}

#[cfg(test)]
mod tests {
    use super::super::made::{batch, fresh, train};
    use super::*;
    use biqa::weights::host;

    fn smoke() -> QptMethod {
        let config = QptConfig::preset("smoke").expect("a preset");
        QptMethod::new(config, QptOptions { crop: 32, ..QptOptions::default() })
    }

    fn start(arrays: Arrays) -> (Arrays, Start) {
        let (net, from) = smoke().start(arrays, "q.pth", 5, &Device::flex()).expect("it fits");
        (collect(&net), from)
    }

    #[test]
    fn a_pre_training_checkpoint_a_classifier_and_a_score_model_start_it() {
        let (fresh, from) = start(Arrays::new());
        assert_eq!(from, Start::Fresh);
        let ones = |(name, array): (&String, &Array)| {
            let data = vec![1.0; array.data.len()];
            (name.clone(), Array { shape: array.shape.clone(), data })
        };
        let whole: Arrays = fresh.iter().map(ones).collect();
        assert_eq!(start(whole.clone()), (whole.clone(), Start::Whole));

        let mut classifier = whole.clone();
        classifier
            .insert("fc.weight".to_owned(), Array { shape: vec![2, 128], data: vec![0.0; 256] });
        classifier.insert("fc.bias".to_owned(), Array { shape: vec![2], data: vec![0.0; 2] });
        let mut pretrained: Arrays = whole
            .iter()
            .filter(|(name, _)| !name.starts_with("fc."))
            .map(|(name, array)| (format!("base_encoder.{name}"), array.clone()))
            .collect();
        pretrained.insert("predictor.0.weight".to_owned(), whole["fc.bias"].clone());
        for file in [classifier, pretrained] {
            let (found, from) = start(file);
            assert_eq!(from, Start::Backbone);
            assert_eq!(found["fc.weight"], fresh["fc.weight"]);
            assert_eq!(found["layer4.0.conv3.weight"], whole["layer4.0.conv3.weight"]);
        }
    }

    #[test]
    fn a_file_with_a_tensor_too_many_is_refused_by_name() {
        let (mut file, _) = start(Arrays::new());
        file.insert("layer5.0.conv1.weight".to_owned(), file["conv1.weight"].clone());
        let text =
            smoke().start(file, "q.pth", 5, &Device::flex()).expect_err("no fit").to_string();
        assert!(text.contains("1 unused (layer5.0.conv1.weight)"), "{text}");
    }

    #[test]
    fn the_backbone_learns_at_a_fifth_of_the_heads_rate() {
        let method = smoke();
        assert_eq!(method.lr_scale("fc.weight"), 1.0);
        assert_eq!(method.lr_scale("layer1.0.conv1.weight"), 0.2);
    }

    #[test]
    fn the_statistics_of_the_batch_are_stored_after_the_step() {
        let mut method = smoke();
        let net = fresh(&method);
        let before = collect(&net);
        let batch = batch(method.needs(), 3, 0);
        let terms = method.terms(&net, &batch).expect("a batch of crops");
        assert!(host(&terms.total().expect("one term"))[0].is_finite());
        let after = collect(&method.after_step(net));
        for (name, array) in &before {
            assert_eq!(&after[name] == array, !name.contains(".running_"), "{name}");
        }
    }

    /// A file of torchvision starts a MobileNetV2; its statistics stay where a recipe says so.
    #[test]
    fn a_mobilenet_starts_from_its_classifier_and_may_keep_its_statistics() {
        let config = QptConfig::preset("mobilenet").expect("a preset");
        let options = QptOptions { crop: 32, norms: Norms::Stored, ..QptOptions::default() };
        let mut method = QptMethod::new(config, options);
        let net = fresh(&method);
        let before = collect(&net);
        let [weight, bias] = QptConfig::preset("mobilenet").expect("a preset").backbone.linear();
        let mut file = before.clone();
        file.insert(weight.to_owned(), Array { shape: vec![2, 1280], data: vec![0.0; 2560] });
        file.insert(bias.to_owned(), Array { shape: vec![2], data: vec![0.0; 2] });
        assert_eq!(method.left_out(&file), [bias, weight]);
        assert!(method.left_out(&before).is_empty());
        let (found, from) = method.start(file, "m.pth", 5, &Device::flex()).expect("it fits");
        assert_eq!(from, Start::Backbone);
        assert!(collect(&found)[weight].data.iter().all(|v| v.abs() < 10.0 * FC_STD as f32));
        assert_eq!((method.lr_scale(weight), method.lr_scale("features.0.0.weight")), (1.0, 0.2));
        let terms = method.terms(&net, &batch(method.needs(), 2, 0)).expect("a batch of crops");
        assert!(host(&terms.total().expect("one term"))[0].is_finite());
        assert_eq!(collect(&method.after_step(net)), before);
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
