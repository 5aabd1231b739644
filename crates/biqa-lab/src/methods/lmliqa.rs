//! How LML-IQA learns: regression of every crop, contrast between the crops of a picture and those
//! of others around the most salient one, and a moving-average teacher that says which that is.
//! Equation numbers are those of `papers/lml-iqa.md`.
//!
//! Shapes: `b` pictures of a step, `k` crops a picture, `s` the side of a crop.

use biqa::models::lmliqa::{LmlIqa, LmlIqaConfig, LmlIqaOutput};
use biqa::weights::{Arrays, WeightsError, collect, host};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::init::{self, Family};
use super::teacher::{Follow, Teacher};
use super::{Batch, Method, Needs, Start, Terms};
use crate::losses::lmliqa::{
    Contrast, ContrastWeights, Entries, box_saliency, class_map, contrast, crop_saliency,
    mutual_saliency, mutual_score, regression_all, regression_salient, salient,
};
use crate::train::TrainError;

/// What a recipe may choose besides the network's sizes (section 8).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LmlIqaOptions {
    /// `K`: crops a picture.
    pub n_crops: usize,
    /// What tells the salient crop (section 4).
    pub saliency: Saliency,
    /// Temperature of the contrast.
    pub tau: f64,
    /// See [`ContrastWeights`].
    pub w_intra: f64,
    /// See [`ContrastWeights`].
    pub w_inter: f64,
    /// See [`ContrastWeights`]; 0 is version 2 of the paper, 1 is version 1.
    pub w_cluster: f64,
    /// Which version of the paper: `v1` is a `w_cluster` of 1 where none is set.
    #[serde(skip_serializing_if = "Variant::is_v2")]
    pub variant: Variant,
    /// The mutual term (section 6).
    pub mutual: Mutual,
    /// Temperature of the mutual term.
    pub tau_mut: f64,
    /// `mu` of (6.3). Where it is not set: 0.999, and 0.99 with fewer than 1,000 steps in all.
    pub mu: Option<f64>,
    /// Whether the first steps of the average keep less.
    pub ema_warmup: bool,
    /// Which crops are regressed (7.1).
    pub reg_crops: RegCrops,
    /// Where smooth L1 turns from a parabola into a line (7.1).
    pub beta: f64,
    /// Weight of the contrast in (7.2); 0 leaves it out.
    pub lambda_con: f64,
    /// Weight of the mutual term in (7.2); 0 leaves it out.
    pub lambda_mut: f64,
    /// Whose weights score.
    pub score_with: ScoreWith,
}

impl Default for LmlIqaOptions {
    fn default() -> Self {
        let ContrastWeights { tau, w_intra, w_inter, w_cluster } = ContrastWeights::default();
        Self {
            n_crops: 4,
            saliency: Saliency::GlobalCls,
            tau,
            w_intra,
            w_inter,
            w_cluster,
            variant: Variant::V2,
            mutual: Mutual::Saliency,
            tau_mut: 0.5,
            mu: None,
            ema_warmup: false,
            reg_crops: RegCrops::All,
            beta: 1.0,
            lambda_con: 0.1,
            lambda_mut: 0.1,
            score_with: ScoreWith::Student,
        }
    }
}

/// A version of the paper (section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// The other crops of a picture are drawn to its salient one, too.
    V1,
    /// They are not.
    #[default]
    V2,
}

impl Variant {
    /// Whether it is the default, which a recipe's digest leaves out.
    pub fn is_v2(&self) -> bool {
        *self == Self::V2
    }
}

/// What tells the salient crop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Saliency {
    /// The class token's attention over the whole picture, averaged in each crop's box.
    #[default]
    GlobalCls,
    /// The share of a crop's own attention that its class token spends on the content.
    CropCls,
}

/// What student and teacher learn of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mutual {
    /// (6.1): saliencies.
    #[default]
    Saliency,
    /// (6.2): scores.
    Score,
    /// Nothing.
    None,
}

/// Which crops are regressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegCrops {
    /// Every crop.
    #[default]
    All,
    /// The salient one.
    Salient,
}

/// Whose weights score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreWith {
    /// The network that learns.
    #[default]
    Student,
    /// Its moving average.
    Teacher,
}

impl LmlIqaOptions {
    /// The weights of (5.1) to (5.3).
    pub fn contrast_weights(&self) -> ContrastWeights {
        let Self { tau, w_intra, w_inter, .. } = *self;
        let w_cluster = match self.variant {
            Variant::V1 if self.w_cluster == 0.0 => 1.0,
            _ => self.w_cluster,
        };
        ContrastWeights { tau, w_intra, w_inter, w_cluster }
    }

    /// Whether a term asks for the salient crop; without one a step is DEIQT's.
    fn asks_teacher(&self) -> bool {
        self.lambda_con != 0.0 || self.lambda_mut != 0.0 || self.reg_crops == RegCrops::Salient
    }

    fn asks_whole(&self) -> bool {
        self.asks_teacher() && self.saliency == Saliency::GlobalCls
    }

    /// How the teacher follows in a run of so many steps.
    fn follow(&self, steps: u64) -> Follow {
        let by_steps = if steps < FEW_STEPS { 0.99 } else { 0.999 };
        Follow { momentum: self.mu.unwrap_or(by_steps), warmup: self.ema_warmup }
    }

    /// What is outside its range, if anything.
    fn check(&self) -> Result<(), String> {
        super::positive("tau", self.tau)?;
        super::positive("beta", self.beta)?;
        super::positive("tau_mut", self.tau_mut)?;
        super::share_of_one("mu", self.mu.unwrap_or(1.0))?;
        let weights = [
            ("w_intra", self.w_intra),
            ("w_inter", self.w_inter),
            ("w_cluster", self.w_cluster),
            ("lambda_con", self.lambda_con),
            ("lambda_mut", self.lambda_mut),
        ];
        weights.iter().try_for_each(|(key, weight)| super::not_negative(key, *weight))
    }
}

/// Below so many steps of a run a slower teacher would hardly move (6.3).
const FEW_STEPS: u64 = 1_000;

/// The method.
#[derive(Clone, Debug)]
pub struct LmlIqaMethod {
    config: LmlIqaConfig,
    options: LmlIqaOptions,
    /// Optimiser steps of the run.
    steps: u64,
    teacher: Option<Teacher<LmlIqa>>,
}

/// A picture's crops as student and teacher see them.
pub struct Views<'a> {
    /// `[b * k, 3, s, s]`
    pub crops: Tensor<4>,
    /// `b * k` boxes, as in [`Batch::boxes`].
    pub boxes: &'a [[f32; 4]],
    /// `b`: which photo each picture is, as in [`Batch::photos`].
    pub photos: &'a [usize],
    /// `[b, 3, s, s]`, for [`Saliency::GlobalCls`].
    pub whole: Option<Tensor<4>>,
    /// `[b]`
    pub targets: Tensor<1>,
}

/// The terms of a step before they are weighted, and what they were made of.
pub struct LmlIqaLosses {
    /// `[b, k]`: the student's scores.
    pub score: Tensor<2>,
    /// `[b, k]`: the teacher's.
    pub score_teacher: Tensor<2>,
    /// `[b, k]`: the teacher's saliencies.
    pub saliency_teacher: Tensor<2>,
    /// `[b, k]`: the student's, where they are used.
    pub saliency_student: Option<Tensor<2>>,
    /// (4.4): the salient crop of every picture.
    pub salient: Vec<usize>,
    /// (7.1)
    pub reg: Tensor<1>,
    /// (5.3) and its parts.
    pub contrast: Contrast,
    /// (6.1) or (6.2); `None` with [`Mutual::None`].
    pub mutual: Option<Tensor<1>>,
}

impl LmlIqaMethod {
    /// `config` must have passed its check.
    pub fn new(config: LmlIqaConfig, options: LmlIqaOptions) -> Self {
        Self { config, options, steps: 0, teacher: None }
    }

    /// What every report must say: which version of the paper's contrast is trained, whose weights
    /// score.
    pub fn variant(&self) -> [String; 2] {
        let version = if self.options.contrast_weights().w_cluster == 0.0 { 2 } else { 1 };
        let who = match self.options.score_with {
            ScoreWith::Student => "student",
            ScoreWith::Teacher => "teacher",
        };
        [format!("version = {version}"), format!("score_with = {who}")]
    }

    /// The parts of (7.2) with a teacher's network given.
    pub fn losses(
        &self,
        student: &LmlIqa,
        teacher: &LmlIqa,
        views: Views<'_>,
    ) -> Result<LmlIqaLosses, TrainError> {
        let [b] = views.targets.dims();
        let k = views.crops.dims()[0] / b.max(1);
        let by_picture = |score: Tensor<1>| score.reshape([b, k]);
        let plain = Views {
            crops: views.crops.clone().inner(),
            whole: views.whole.clone().map(Tensor::inner),
            targets: views.targets.clone().inner(),
            ..views
        };
        let seen = teacher.forward(plain.crops.clone());
        let saliency_teacher = self.saliency(teacher, &plain, &seen, k)?;
        let salient = salient(&host(&saliency_teacher), k); // (4.4)

        let out = student.forward(views.crops.clone());
        let contrast = {
            let embeddings = |net: &LmlIqa, out: &LmlIqaOutput| {
                let e = net.embedding(out.tokens.clone()).ok_or_else(|| {
                    data("the network has no projection: proj_dim must be above 0 in training")
                })?;
                let [_, d] = e.dims();
                Ok::<_, TrainError>(e.reshape([b, k, d]))
            };
            let (z, t) = (embeddings(student, &out)?, embeddings(teacher, &seen)?);
            let entries = Entries { salient: &salient, pictures: views.photos };
            contrast(z, t, entries, &self.options.contrast_weights())
        };
        let (score, score_teacher) = (by_picture(out.score.clone()), by_picture(seen.score));
        let (mutual, saliency_student) = match self.options.mutual {
            Mutual::Saliency => {
                let own = self.saliency(student, &views, &out, k)?;
                let loss =
                    mutual_saliency(own.clone(), saliency_teacher.clone(), self.options.tau_mut);
                (Some(loss), Some(own))
            }
            Mutual::Score => {
                (Some(mutual_score(score.clone(), score_teacher.clone(), &salient)), None)
            }
            Mutual::None => (None, None),
        };
        let reg = match self.options.reg_crops {
            RegCrops::All => regression_all(score.clone(), views.targets, self.options.beta),
            RegCrops::Salient => {
                regression_salient(score.clone(), views.targets, &salient, self.options.beta)
            }
        };
        Ok(LmlIqaLosses {
            score,
            score_teacher,
            saliency_teacher,
            saliency_student,
            salient,
            reg,
            contrast,
            mutual,
        })
    }

    /// Section 4: `[b, k]` saliencies by a network's own attention. `out` is its pass over the
    /// crops.
    fn saliency(
        &self,
        net: &LmlIqa,
        views: &Views<'_>,
        out: &LmlIqaOutput,
        k: usize,
    ) -> Result<Tensor<2>, TrainError> {
        let attention = |before_last: Tensor<3>| {
            net.class_attention(before_last).ok_or_else(|| data("the encoder has no blocks"))
        };
        match self.options.saliency {
            Saliency::CropCls => Ok(crop_saliency(attention(out.before_last.clone())?, k)),
            Saliency::GlobalCls => {
                let whole = views.whole.clone().ok_or_else(|| {
                    data("saliency = \"global_cls\" needs the whole pictures of a batch")
                })?;
                let map = class_map(attention(net.before_last(whole))?); // (4.1)
                Ok(box_saliency(map, views.boxes)) // (4.2), (4.3)
            }
        }
    }
}

impl LmlIqaLosses {
    /// (7.2): `L = L_reg + lambda_con L_con + lambda_mut L_mut`, by terms. A weight of 0 leaves its
    /// term out.
    pub fn terms(&self, options: &LmlIqaOptions) -> Terms {
        let mut terms = Terms::default().with("smooth_l1", self.reg.clone());
        if options.lambda_con != 0.0 {
            terms = terms.with("contrast", self.contrast.contrast.clone() * options.lambda_con);
        }
        if let Some(mutual) = &self.mutual
            && options.lambda_mut != 0.0
        {
            terms = terms.with("mutual", mutual.clone() * options.lambda_mut);
        }
        terms
    }
}

fn data(reason: &str) -> TrainError {
    TrainError::Data(format!("lmliqa: {reason}"))
}

impl Method for LmlIqaMethod {
    type Net = LmlIqa;

    fn needs(&self) -> Needs {
        let Self { config, options, .. } = self;
        let crop = config.encoder.img_size;
        Needs { crop, group: options.n_crops, whole: options.asks_whole() }
    }

    fn check(&self, pictures: usize) -> Result<(), String> {
        self.options.check()?;
        if self.config.proj_dim == 0 && self.options.asks_teacher() {
            return Err("config.proj_dim must be above 0 in training".to_owned());
        }
        let LmlIqaOptions { n_crops, lambda_con, .. } = self.options;
        if n_crops == 0 {
            return Err("options.n_crops must be 1 or more".to_owned());
        }
        if lambda_con != 0.0 && pictures * n_crops < 2 {
            let advice = "raise train.batch or options.n_crops, or set options.lambda_con = 0";
            return Err(format!("one crop at once has nothing to be told from: {advice}"));
        }
        Ok(())
    }

    fn start(
        &self,
        arrays: Arrays,
        name: &str,
        seed: u64,
        device: &Device,
    ) -> Result<(LmlIqa, Start), TrainError> {
        let family = Family {
            network: "lmliqa",
            encoder: self.config.encoder(),
            layer_scale: biqa::models::deiqt::DeiqtConfig::default().layer_scale_init,
            // A model file is without the contrast's projection, and so is DEIQT's.
            optional: Some("proj."),
        };
        init::start(LmlIqa::new(&self.config, device), family, arrays, name, seed)
    }

    fn decays(&self, name: &str, dims: usize) -> bool {
        init::decays(name, dims)
    }

    fn expect_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    fn begin(&mut self, net: &LmlIqa) {
        let asks = self.options.asks_teacher() || self.options.score_with == ScoreWith::Teacher;
        self.teacher = asks.then(|| Teacher::copy_of(net, self.options.follow(self.steps)));
    }

    fn terms(&mut self, net: &LmlIqa, batch: &Batch) -> Result<Terms, TrainError> {
        if !self.options.asks_teacher() {
            let (b, k) = (batch.pictures(), batch.group());
            let score = net.score(batch.crops.clone()).reshape([b, k]);
            let reg = regression_all(score, batch.target(), self.options.beta);
            return Ok(Terms::default().with("smooth_l1", reg));
        }
        let teacher = self.teacher.as_ref().ok_or_else(|| data("the teacher was not begun"))?;
        let views = Views {
            crops: batch.crops.clone(),
            boxes: &batch.boxes,
            photos: &batch.photos,
            whole: batch.whole.clone(),
            targets: batch.target(),
        };
        Ok(self.losses(net, teacher.net(), views)?.terms(&self.options))
    }

    fn after_step(&mut self, net: LmlIqa) -> LmlIqa {
        self.teacher = self.teacher.take().map(|teacher| teacher.follow(&net));
        net
    }

    fn features(&self, net: &LmlIqa, crops: Tensor<4>) -> Tensor<2> {
        super::summed_up(net.forward(crops).tokens, 1)
    }

    fn exported(&self, net: &LmlIqa) -> (serde_json::Value, Arrays) {
        let mut arrays = match (&self.teacher, self.options.score_with) {
            (Some(teacher), ScoreWith::Teacher) => collect(teacher.net()),
            _ => collect(net),
        };
        arrays.retain(|name, _| !name.starts_with("proj."));
        (super::config_json(&LmlIqaConfig { proj_dim: 0, ..self.config }), arrays)
    }

    fn state(&self) -> Arrays {
        self.teacher.as_ref().map(Teacher::state).unwrap_or_default()
    }

    fn restore(&mut self, net: &LmlIqa, state: Arrays) -> Result<(), WeightsError> {
        self.begin(net);
        if self.teacher.is_some() {
            let teacher = Teacher::restored(net, self.options.follow(self.steps), state, "lmliqa")?;
            self.teacher = Some(teacher);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "lmliqa_tests.rs"]
mod tests;
