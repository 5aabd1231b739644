//! How CSIQA learns: regression, masked attention of the local token, and contrast between the
//! pictures of a batch at every block. Equation numbers are those of `papers/csiqa.md`.
//!
//! Shapes: `b` crops of a step, `n` tokens, `h` heads.

use biqa::models::csiqa::{Csiqa, CsiqaConfig, CsiqaOutput, used};
use biqa::nn::mask::{self, Layout};
use biqa::weights::{Arrays, WeightsError, collect, host, load};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::init::{self, Family};
use super::teacher::{Follow, Teacher};
use super::{Batch, Method, Needs, Start, StepKey, Terms};
use crate::losses::csiqa::{Features, Pairs, Shares, contrast, pairs, share};
use crate::losses::regression::smooth_l1;
use crate::train::TrainError;

/// Batches up to this are looked through for the smallest that would do.
const MOST_LEAST: usize = 4096;

/// What a recipe may choose besides the network's sizes (section 6).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsiqaOptions {
    /// The random mask.
    pub mask: MaskOptions,
    /// The contrast.
    pub contrast: ContrastOptions,
    /// What the local token starts as where a backbone is loaded.
    pub init_local: InitLocal,
    /// Where smooth L1 turns from a parabola into a line.
    pub beta: f64,
}

impl Default for CsiqaOptions {
    fn default() -> Self {
        Self {
            mask: MaskOptions::default(),
            contrast: ContrastOptions::default(),
            init_local: InitLocal::default(),
            beta: 1.0,
        }
    }
}

impl CsiqaOptions {
    /// What is outside its range, if anything.
    fn check(&self) -> Result<(), String> {
        let ContrastOptions { weight, temperature, ema_keep, .. } = self.contrast;
        let Shares { pos, pos_pool, neg, neg_pool, hard_pos, hard_neg } = self.contrast.shares();
        super::positive("beta", self.beta)?;
        super::share_of_one("mask.ratio", self.mask.ratio)?;
        super::not_negative("contrast.weight", weight)?;
        super::positive("contrast.temperature", temperature)?;
        super::share_of_one("contrast.ema_keep", ema_keep)?;
        let shares = [
            ("pos", pos),
            ("pos_pool", pos_pool),
            ("neg", neg),
            ("neg_pool", neg_pool),
            ("hard_pos", hard_pos),
            ("hard_neg", hard_neg),
        ];
        shares.iter().try_for_each(|(key, s)| super::share_of_one(&format!("contrast.{key}"), *s))
    }
}

/// Keys `mask.*`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskOptions {
    /// Whether training masks at all.
    pub enabled: bool,
    /// Share of the patches that is hidden from the local token, 0 to 1.
    pub ratio: f64,
    /// Whose row and column are masked.
    pub layout: Layout,
}

impl Default for MaskOptions {
    fn default() -> Self {
        Self { enabled: true, ratio: 0.3, layout: Layout::Intended }
    }
}

/// Keys `contrast.*`. Pairs are made within the one process that trains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastOptions {
    /// Whether there is a contrast at all.
    pub enabled: bool,
    /// `w` of (18).
    pub weight: f64,
    /// `tau` of (14).
    pub temperature: f64,
    /// Blocks whose outputs are contrasted.
    pub layers: Layers,
    /// What of a block's output.
    pub features: Features,
    /// See [`Shares`].
    pub pos: f64,
    /// See [`Shares`].
    pub pos_pool: f64,
    /// See [`Shares`].
    pub neg: f64,
    /// See [`Shares`].
    pub neg_pool: f64,
    /// Whether hard sets are used.
    pub hard: bool,
    /// See [`Shares`].
    pub hard_pos: f64,
    /// See [`Shares`].
    pub hard_neg: f64,
    /// Where the score `t` of the hard sets is from.
    pub teacher: TeacherKind,
    /// Share of its own weights that an `ema` teacher keeps in a step.
    pub ema_keep: f64,
}

impl Default for ContrastOptions {
    fn default() -> Self {
        let Shares { pos, pos_pool, neg, neg_pool, hard_pos, hard_neg } = Shares::default();
        Self {
            enabled: true,
            weight: 0.1,
            temperature: 0.3,
            layers: Layers::All,
            features: Features::AllTokens,
            pos,
            pos_pool,
            neg,
            neg_pool,
            hard: true,
            hard_pos,
            hard_neg,
            teacher: TeacherKind::Frozen,
            ema_keep: 0.999,
        }
    }
}

impl ContrastOptions {
    /// The sizes of the sets.
    pub fn shares(&self) -> Shares {
        let Self { pos, pos_pool, neg, neg_pool, hard_pos, hard_neg, .. } = *self;
        Shares { pos, pos_pool, neg, neg_pool, hard_pos, hard_neg }
    }

    /// The teacher that is really asked.
    fn teacher(&self) -> TeacherKind {
        if self.enabled && self.hard { self.teacher } else { TeacherKind::None }
    }
}

/// Which blocks: `"all"`, or a number `k` for the last `k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "LayersForm", into = "LayersForm")]
pub enum Layers {
    /// Every block.
    All,
    /// The last so many.
    Last(usize),
}

/// How [`Layers`] is written.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum LayersForm {
    Number(usize),
    Word(AllWord),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AllWord {
    All,
}

impl From<LayersForm> for Layers {
    fn from(form: LayersForm) -> Self {
        match form {
            LayersForm::Number(k) => Self::Last(k),
            LayersForm::Word(AllWord::All) => Self::All,
        }
    }
}

impl From<Layers> for LayersForm {
    fn from(layers: Layers) -> Self {
        match layers {
            Layers::Last(k) => Self::Number(k),
            Layers::All => Self::Word(AllWord::All),
        }
    }
}

/// Section 3.6: whose scores tell hard partners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeacherKind {
    /// A network of the same form, trained first on the same photos without contrast.
    #[default]
    Frozen,
    /// A moving average of the student.
    Ema,
    /// The student itself, in evaluation mode.
    #[serde(rename = "self")]
    Own,
    /// Nobody: hard sets are off.
    None,
}

/// `init.local`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitLocal {
    /// At random, as in the code.
    #[default]
    Random,
    /// As a copy of the class token.
    Cls,
}

/// The method.
#[derive(Clone, Debug)]
pub struct CsiqaMethod {
    config: CsiqaConfig,
    options: CsiqaOptions,
    frozen: Option<Csiqa>,
    ema: Option<Teacher<Csiqa>>,
}

/// The terms of a step before they are weighted, and what they were made of.
pub struct CsiqaLosses {
    /// The forward pass in training mode.
    pub output: CsiqaOutput,
    /// The partners of every picture.
    pub pairs: Pairs,
    /// (16) of every contrasted block, `[1]` each.
    pub layers: Vec<Tensor<1>>,
    /// The second term of (18), weighted; `None` without contrast.
    pub contrast: Option<Tensor<1>>,
    /// The first term of (18).
    pub smooth_l1: Tensor<1>,
}

impl CsiqaMethod {
    /// `config` must have passed its check.
    pub fn new(config: CsiqaConfig, options: CsiqaOptions) -> Self {
        Self { config, options, frozen: None, ema: None }
    }

    /// (18) with everything random given: `teacher` holds the teacher's scores, `mask_u` the
    /// uniform numbers `[b, h, n - 1]` of each block, or none for no mask.
    pub fn losses(
        &self,
        net: &Csiqa,
        crops: Tensor<4>,
        labels: &[f32],
        teacher: Option<&[f32]>,
        mask_u: impl Fn(usize) -> Option<Vec<f32>>,
    ) -> CsiqaLosses {
        let ContrastOptions { enabled, weight, temperature, layers, features, .. } =
            self.options.contrast;
        let device = crops.device();
        let b = labels.len();
        let output = net
            .forward_masked(crops, |block| mask_u(block).and_then(|u| self.hidden(&u, b, &device)));
        let pairs = pairs(labels, teacher, &self.options.contrast.shares());
        let first = match layers {
            _ if !enabled => output.blocks.len(),
            Layers::All => 0,
            Layers::Last(k) => output.blocks.len().saturating_sub(k),
        };
        let contrasted = output.blocks[first..].iter();
        let layers: Vec<Tensor<1>> =
            contrasted.map(|z| contrast(features.of(z.clone()), &pairs, temperature)).collect();
        let sum = layers.iter().cloned().reduce(|a, b| a + b);
        let target = TensorData::new(labels.to_vec(), [b]);
        let target = Tensor::from_data(target, &device);
        let smooth_l1 = smooth_l1(output.score.clone(), target, self.options.beta);
        CsiqaLosses { output, pairs, layers, contrast: sum.map(|sum| sum * weight), smooth_l1 }
    }

    /// (3), (4): the hidden keys of a block.
    fn hidden(&self, u: &[f32], b: usize, device: &Device) -> Option<Tensor<4, Bool>> {
        let shape = [b, self.config.num_heads, self.config.tokens()];
        let MaskOptions { ratio, layout, .. } = self.options.mask;
        let visible = mask::visible(u, shape, ratio, layout)?;
        Some(mask::hidden(&visible, shape, device))
    }

    /// (5): fresh numbers for every block, image and head: a function of (seed, step, block, image,
    /// head, key).
    fn mask_numbers(&self, key: StepKey, block: usize, b: usize) -> Vec<f32> {
        let draws = key.draws("csiqa/mask", block as u32);
        let (rows, keys) = (b * self.config.num_heads, self.config.tokens() - 1);
        let per_row = keys.div_ceil(4);
        let row = |r: usize| {
            let first = (r * per_row) as u32;
            let blocks = first..first + per_row as u32;
            // 24 bits, so that float32 holds each number as it is and none becomes 1.
            let number = |word: u32| (word >> 8) as f32 / 16_777_216.0;
            blocks.flat_map(move |i| draws.block(i, 0, 0)).map(number).take(keys)
        };
        (0..rows).flat_map(row).collect()
    }

    /// `t` of section 3.6 for the very crops of the step; `None` where hard sets are off.
    fn teacher_scores(
        &self,
        net: &Csiqa,
        crops: &Tensor<4>,
    ) -> Result<Option<Vec<f32>>, TrainError> {
        use burn::module::Module as _;
        let missing = |what: &str| {
            TrainError::Data(format!("csiqa: contrast.teacher = {what} was not given its weights"))
        };
        let crops = crops.clone().inner();
        let score = match self.options.contrast.teacher() {
            TeacherKind::None => return Ok(None),
            TeacherKind::Own => net.valid().score(crops),
            TeacherKind::Frozen => {
                self.frozen.as_ref().ok_or_else(|| missing("\"frozen\""))?.score(crops)
            }
            TeacherKind::Ema => {
                self.ema.as_ref().ok_or_else(|| missing("\"ema\""))?.net().score(crops)
            }
        };
        Ok(Some(host(&score)))
    }

    fn follow(&self) -> Follow {
        Follow { momentum: self.options.contrast.ema_keep, warmup: false }
    }
}

impl Method for CsiqaMethod {
    type Net = Csiqa;

    fn needs(&self) -> Needs {
        Needs { crop: self.config.image_size, group: 1, whole: false }
    }

    /// A batch must be large enough for every anchor to have a positive (section 3.3 (17)).
    fn check(&self, pictures: usize) -> Result<(), String> {
        self.options.check()?;
        let ContrastOptions { enabled, pos, .. } = self.options.contrast;
        if !enabled || share(pos, pictures) > 0 {
            return Ok(());
        }
        let least = (1..=MOST_LEAST).find(|&b| share(pos, b) > 0);
        let least = least.map_or("a larger contrast.pos".to_owned(), |b| format!("{b} or more"));
        Err(format!(
            "with {pictures} photos at once no photo has another to be drawn to (contrast.pos = \
             {pos}): give {least}, or contrast.enabled = false"
        ))
    }

    fn start(
        &self,
        arrays: Arrays,
        name: &str,
        seed: u64,
        device: &Device,
    ) -> Result<(Csiqa, Start), TrainError> {
        let family = Family {
            network: "csiqa",
            encoder: self.config.encoder(),
            layer_scale: self.config.layer_scale_init,
            optional: None,
        };
        let empty = Csiqa::new(&self.config, device);
        let (net, from) = init::start(empty, family, used(arrays), name, seed)?;
        if from == Start::Backbone && self.options.init_local == InitLocal::Cls {
            let mut all = collect(&net);
            let class = all.get("cls_token").cloned();
            all.extend(class.map(|token| ("local_token".to_owned(), token)));
            return Ok((load(net, all, "the network itself", "csiqa")?, from));
        }
        Ok((net, from))
    }

    fn decays(&self, name: &str, dims: usize) -> bool {
        init::decays(name, dims)
    }

    fn first(&self) -> Option<Self> {
        let mut options = self.options;
        options.contrast.enabled = false;
        let asks = self.options.contrast.teacher() == TeacherKind::Frozen;
        asks.then(|| Self::new(self.config, options))
    }

    fn teach(&mut self, weights: Arrays, device: &Device) -> Result<(), WeightsError> {
        let empty = Csiqa::new(&self.config, device);
        self.frozen = Some(load(empty, weights, "the teacher's weights", "csiqa")?);
        Ok(())
    }

    fn begin(&mut self, net: &Csiqa) {
        let asks = self.options.contrast.teacher() == TeacherKind::Ema;
        self.ema = asks.then(|| Teacher::copy_of(net, self.follow()));
    }

    fn terms(&mut self, net: &Csiqa, batch: &Batch) -> Result<Terms, TrainError> {
        let labels = batch.crop_labels();
        let teacher = self.teacher_scores(net, &batch.crops)?;
        let masked = self.options.mask.enabled;
        let losses = self.losses(net, batch.crops.clone(), &labels, teacher.as_deref(), |block| {
            masked.then(|| self.mask_numbers(batch.key, block, labels.len()))
        });
        let terms = Terms::default().with("smooth_l1", losses.smooth_l1);
        Ok(match losses.contrast {
            Some(contrast) => terms.with("contrast", contrast),
            None => terms,
        })
    }

    fn after_step(&mut self, net: Csiqa) -> Csiqa {
        self.ema = self.ema.take().map(|teacher| teacher.follow(&net));
        net
    }

    fn features(&self, net: &Csiqa, crops: Tensor<4>) -> Tensor<2> {
        super::summed_up(net.forward(crops).norm, 2)
    }

    fn exported(&self, net: &Csiqa) -> (serde_json::Value, Arrays) {
        (super::config_json(&self.config), collect(net))
    }

    fn state(&self) -> Arrays {
        match (&self.ema, &self.frozen) {
            (Some(teacher), _) => teacher.state(),
            (None, Some(net)) => collect(net),
            (None, None) => Arrays::new(),
        }
    }

    fn restore(&mut self, net: &Csiqa, state: Arrays) -> Result<(), WeightsError> {
        use burn::module::Module as _;
        match self.options.contrast.teacher() {
            TeacherKind::Ema => {
                self.ema = Some(Teacher::restored(net, self.follow(), state, "csiqa")?);
            }
            TeacherKind::Frozen => {
                self.frozen = Some(load(net.valid(), state, "the checkpoint's teacher", "csiqa")?);
            }
            TeacherKind::Own | TeacherKind::None => {}
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "csiqa_tests.rs"]
mod tests;
