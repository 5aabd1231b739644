//! How GlintIQA learns: the mean absolute error in the units of the labels, with dropout in every
//! channel attention and batch statistics in every batch norm (`papers/glintiqa.md`, sections 2, 3
//! and 4).
//!
//! Shapes: `b` crops of a step, `n` patches, `d` channels of the transformer.

use biqa::models::glintiqa::{Dropout, GlintIqa, GlintIqaConfig, Training, checkpoint_arrays};
use biqa::nn::norm::{BATCH_NORM_MOMENTUM, Seen};
use biqa::weights::{Arrays, collect, load, visit};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::init::Rule;
use super::{Batch, Method, Needs, Start, StepKey, Terms};
use crate::losses::regression::l1;
use crate::train::TrainError;

/// Standard deviation of a transformer's tokens and positions (timm).
const TOKEN_STD: f64 = 0.02;

/// What a recipe may choose besides the network's sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GlintIqaOptions {
    /// Rate of the dropout in channel attentions.
    pub drop: f64,
    /// Rate of the dropout in the head.
    pub head_drop: f64,
    /// Whether the transformer's patch embedding keeps its weights.
    pub freeze_patch_embed: bool,
    /// The last block of the transformer that keeps its weights; -1 for none.
    pub freeze_blocks_until: i64,
    /// Whether one backbone of the two may start at random, its frozen stages too.
    pub one_backbone: bool,
    /// What the batch norms of the frozen stages use in training.
    #[serde(rename = "clfe.frozen_bn")]
    pub frozen_bn: FrozenBn,
}

impl Default for GlintIqaOptions {
    fn default() -> Self {
        Self {
            drop: 0.5,
            head_drop: 0.5,
            freeze_patch_embed: true,
            freeze_blocks_until: 4,
            one_backbone: false,
            frozen_bn: FrozenBn::default(),
        }
    }
}

impl GlintIqaOptions {
    /// What is outside its range, if anything.
    fn check(&self) -> Result<(), String> {
        for (key, rate) in [("drop", self.drop), ("head_drop", self.head_drop)] {
            super::ensure((0.0..1.0).contains(&rate), key, "at least 0 and below 1", rate)?;
        }
        let until = self.freeze_blocks_until as f64;
        super::ensure(until >= -1.0, "freeze_blocks_until", "-1 or more", until)
    }
}

/// Key `clfe.frozen_bn`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrozenBn {
    /// The batch, as the released code.
    #[default]
    Train,
    /// The stored statistics.
    Eval,
}

/// The method.
#[derive(Clone, Debug)]
pub struct GlintIqaMethod {
    config: GlintIqaConfig,
    options: GlintIqaOptions,
    seen: Option<Seen>,
}

impl GlintIqaMethod {
    /// `config` must have passed its check.
    pub fn new(config: GlintIqaConfig, options: GlintIqaOptions) -> Self {
        Self { config, options, seen: None }
    }

    /// Whether batch norms of frozen stages use the batch.
    pub fn frozen_bn(&self) -> bool {
        self.options.frozen_bn == FrozenBn::Train
    }

    /// The factors of every dropout from its own numbers, `keep` telling what stays: `(name, count,
    /// rate)` to factors.
    fn dropout(&self, b: usize, key: StepKey, device: &Device) -> Dropout {
        let (d, n) = (self.config.embed_dim, self.config.grid().pow(2));
        let GlintIqaOptions { drop, head_drop, .. } = self.options;
        let map = |part: u32, channels: usize| {
            let factors = factors(key, part, b * channels * n, drop);
            Tensor::from_data(TensorData::new(factors, [b, channels, n]), device)
        };
        let head = factors(key, 5, b * d, head_drop);
        Dropout {
            local_cwsa: map(0, 3 * d),
            cwsa: [1, 2, 3, 4].map(|part| map(part, 2 * d)),
            quality_head: Tensor::from_data(TensorData::new(head, [b, d]), device),
        }
    }
}

/// 0 with probability `rate`, else `1 / (1 - rate)`: a function of (seed, step, part, position).
fn factors(key: StepKey, part: u32, n: usize, rate: f64) -> Vec<f32> {
    let draws = key.draws("glintiqa/dropout", part);
    let kept = (1.0 / (1.0 - rate)) as f32;
    // A word below this is dropped.
    let limit = (rate * 4_294_967_296.0) as u64;
    let factor = |word: u32| if u64::from(word) < limit { 0.0 } else { kept };
    let blocks = 0..n.div_ceil(4) as u32;
    let mut factors: Vec<f32> = blocks.flat_map(|i| draws.block(i, 0, 0)).map(factor).collect();
    factors.truncate(n);
    factors
}

/// How a parameter starts that no file brings (section 3.4): PyTorch's defaults. `fan_in` is the
/// number of inputs of an output of its layer, as its weight tells.
fn rule(name: &str, shape: &[usize], fan_in: impl Fn(&str) -> Option<usize>) -> Rule {
    let bound = |fan_in: usize| Rule::Uniform(1.0 / (fan_in as f64).sqrt());
    match shape {
        _ if name.ends_with(".running_var") => Rule::Constant(1.0),
        _ if name.ends_with(".running_mean") => Rule::Constant(0.0),
        _ if name.ends_with("cls_token") || name.ends_with("pos_embed") => Rule::Normal(TOKEN_STD),
        // A weight of one dimension is a norm's.
        [_] if name.ends_with(".weight") => Rule::Constant(1.0),
        [_, rest @ ..] if !rest.is_empty() => bound(rest.iter().product()),
        _ => match name.strip_suffix("bias").and_then(|layer| fan_in(&format!("{layer}weight"))) {
            Some(fan_in) => bound(fan_in),
            None => Rule::Constant(0.0),
        },
    }
}

/// Section 4.2: what a training aims at for a label of the data set `set`. The released code spreads
/// LIVE Challenge's, `2 y - 50`, in training alone; labels of test pictures stay as they are.
pub fn training_label(set: &str, label: f32) -> f32 {
    if set == "livec" { 2.0 * label - 50.0 } else { label }
}

/// [`training_label`] undone: errors on the spread scale would mean nothing (section 11).
pub fn label_of(set: &str, output: f64) -> f64 {
    if set == "livec" { 0.5 * (output + 50.0) } else { output }
}

impl Method for GlintIqaMethod {
    type Net = GlintIqa;

    fn needs(&self) -> Needs {
        Needs { crop: self.config.image_size, group: 1, whole: false }
    }

    fn check(&self, _pictures: usize) -> Result<(), String> {
        self.options.check()
    }

    fn left_out(&self, arrays: &Arrays) -> Vec<String> {
        let has = |part: &str| arrays.keys().any(|name| name.starts_with(part));
        if has("fusion1.") || has("cwsa1.") {
            return Vec::new();
        }
        arrays.keys().filter(|name| is_behind(name)).cloned().collect()
    }

    /// Besides a whole checkpoint of any release, `arrays` may hold a transformer of timm, a ResNet
    /// of torchvision, or the tensors of both files: no name is in both.
    fn start(
        &self,
        arrays: Arrays,
        name: &str,
        seed: u64,
        device: &Device,
    ) -> Result<(GlintIqa, Start), TrainError> {
        let empty = GlintIqa::new(&self.config, device);
        // Both releases' checkpoints have the attentions; no backbone has.
        let is_whole = |key: &String| {
            ["fusion1.", "cwsa1."]
                .iter()
                .any(|part| key.trim_start_matches("module.").starts_with(part))
        };
        if arrays.keys().any(is_whole) {
            let all = checkpoint_arrays(arrays, &empty);
            return Ok((load(empty, all, name, "glintiqa")?, Start::Whole));
        }
        let from = if arrays.is_empty() { Start::Fresh } else { Start::Backbone };
        let (mut all, given) = backbones(arrays);
        if from == Start::Backbone && !self.options.one_backbone && given.len() < 2 {
            let (has, lacks) = if given == [CNN] { ("ResNet", "ViT") } else { ("ViT", "ResNet") };
            return Err(TrainError::Data(format!(
                "glintiqa starts from two backbones, whose first stages are frozen, and in {name} \
                 there is a {has} and no {lacks}: give one too, with another --init, or set \
                 options.one_backbone = true to freeze random numbers"
            )));
        }
        let mut fan_ins = std::collections::BTreeMap::new();
        visit(&empty, |key, value| {
            if let [_, rest @ ..] = value.shape.as_slice()
                && !rest.is_empty()
            {
                fan_ins.insert(key.to_owned(), rest.iter().product::<usize>());
            }
        });
        visit(&empty, |key, value| {
            let is_given = given.iter().any(|prefix| key.starts_with(prefix));
            if !is_given || empty.is_unused(key) {
                let rule = rule(key, &value.shape, |weight| fan_ins.get(weight).copied());
                all.entry(key.to_owned()).or_insert_with(|| rule.array(value.shape, key, seed));
            }
        });
        Ok((load(empty, all, name, "glintiqa")?, from))
    }

    fn frozen(&self, name: &str) -> bool {
        let GlintIqaOptions { freeze_patch_embed, freeze_blocks_until, .. } = self.options;
        if let Some(vit) = name.strip_prefix("vgfe.backbone.") {
            let block = vit.strip_prefix("blocks.").and_then(|rest| rest.split('.').next());
            let block = block.and_then(|i| i.parse::<i64>().ok());
            return (freeze_patch_embed && vit.starts_with("patch_embed."))
                || block.is_some_and(|i| i <= freeze_blocks_until);
        }
        let frozen = ["conv1.", "bn1.", "layer1.", "layer2."];
        let cnn = name.strip_prefix("clfe.backbone.");
        cnn.is_some_and(|cnn| frozen.iter().any(|part| cnn.starts_with(part)))
    }

    /// Decay is coupled and acts on biases and norms too (table 4.4).
    fn decays(&self, _name: &str, _dims: usize) -> bool {
        true
    }

    fn terms(&mut self, net: &GlintIqa, batch: &Batch) -> Result<Terms, TrainError> {
        let [b, ..] = batch.crops.dims();
        let dropout = self.dropout(b, batch.key, &batch.crops.device());
        // A step in parts notes every part.
        let mut seen = self.seen.take().unwrap_or_default();
        let training = Training { dropout, seen: &mut seen, frozen_bn: self.frozen_bn() };
        let score = net.forward(batch.crops.clone(), Some(training)).score;
        self.seen = Some(seen);
        // (8)
        Ok(Terms::default().with("l1", l1(score, batch.crop_targets())))
    }

    fn after_step(&mut self, net: GlintIqa) -> GlintIqa {
        match self.seen.take() {
            Some(seen) => seen.put_into(net, BATCH_NORM_MOMENTUM),
            None => net,
        }
    }

    fn training_label(&self, set: &str, label: f32) -> f32 {
        training_label(set, label)
    }

    fn label_of(&self, set: &str, output: f64) -> f64 {
        label_of(set, output)
    }

    fn features(&self, net: &GlintIqa, crops: Tensor<4>) -> Tensor<2> {
        // The CNN's maps come through layers that start at random: the transformer's blocks alone.
        let blocks = net.forward(crops, None).vgfe;
        Tensor::cat(blocks.into_iter().map(|tokens| super::summed_up(tokens, 0)).collect(), 1)
    }

    fn exported(&self, net: &GlintIqa) -> (serde_json::Value, Arrays) {
        (super::config_json(&self.config), collect(net))
    }
}

/// Where the transformer is.
const VIT: &str = "vgfe.backbone.";
/// Where the ResNet is.
const CNN: &str = "clfe.backbone.";

/// Whether a tensor of torchvision's ResNet lies behind what is used of it.
fn is_behind(name: &str) -> bool {
    name.starts_with("layer4.") || name.starts_with("fc.")
}

/// The tensors of backbones' own files under this network's names, and the prefixes they fill. The
/// ResNet's last stage and its classifier have no place here and are left out by name.
fn backbones(arrays: Arrays) -> (Arrays, Vec<&'static str>) {
    let (mut all, mut given) = (Arrays::new(), Vec::new());
    for (name, array) in arrays {
        let is_cnn = ["conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.", "fc."]
            .iter()
            .any(|part| name.starts_with(part));
        if is_behind(&name) {
            continue;
        }
        let prefix = if is_cnn { CNN } else { VIT };
        if !given.contains(&prefix) {
            given.push(prefix);
        }
        all.insert(format!("{prefix}{name}"), array);
    }
    (all, given)
}

#[cfg(test)]
#[path = "glintiqa_tests.rs"]
mod tests;
