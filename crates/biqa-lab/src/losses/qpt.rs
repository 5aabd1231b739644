//! QPT's quality-aware contrast: queries of one patch of a degraded picture against the keys of
//! all other patches. Equation numbers are those of `papers/qpt.md`.
//!
//! Shapes: `m` rows (degraded pictures), `d` numbers of an embedding, `u` queued keys.

use biqa::nn::layers::{UNIT_EPS, unit_by};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::masked::LOG_ZERO;

/// The keys of the loss (section 7).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QcConfig {
    /// `tau` of (1).
    pub temperature: f64,
    /// `w_d`: weight of other degradations of the same picture.
    pub w_degradation: f64,
    /// `w_c`: weight of other pictures and of the queue.
    pub w_content: f64,
    /// Whether both views are queries.
    pub symmetric: bool,
    /// A factor on the loss.
    pub loss_scale: LossScale,
    /// The least length that an embedding is divided by. Left out of digests where it is the default.
    #[serde(skip_serializing_if = "is_unit_eps")]
    pub normalize_eps: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde wants it so
fn is_unit_eps(eps: &f64) -> bool {
    *eps == UNIT_EPS
}

impl Default for QcConfig {
    fn default() -> Self {
        Self {
            temperature: 0.2,
            w_degradation: 1.0,
            w_content: 1.0,
            symmetric: true,
            loss_scale: LossScale::None,
            normalize_eps: UNIT_EPS,
        }
    }
}

/// Key `loss_scale`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LossScale {
    /// 1.
    #[default]
    #[serde(rename = "none")]
    None,
    /// `2 tau`, as MoCo v3 has it.
    #[serde(rename = "2tau")]
    TwoTau,
}

/// Which row is which picture under which degradation; degradations of different pictures have
/// different numbers.
#[derive(Clone, Copy, Debug)]
pub struct Ids<'a> {
    /// `m` pictures.
    pub image: &'a [i64],
    /// `m` degraded pictures.
    pub degradation: &'a [i64],
}

/// What one direction gives, `[m]` each.
pub struct QcTerms {
    /// `l_i` of (2).
    pub each: Tensor<1>,
    /// Softmax mass on degradation negatives, without gradient.
    pub prob_degradation: Tensor<1>,
    /// Softmax mass on content negatives, those of the queue included, without gradient.
    pub prob_content: Tensor<1>,
}

/// (1), (2): queries and keys `[m, d]`, queued keys `[u, d]`. Keys carry no gradient.
pub fn qc_terms(
    queries: Tensor<2>,
    keys: Tensor<2>,
    queue: Option<Tensor<2>>,
    ids: Ids<'_>,
    config: &QcConfig,
) -> QcTerms {
    let [m, _] = queries.dims();
    let device = queries.device();
    let queued = queue.as_ref().map_or(0, |queue| queue.dims()[0]);
    // (1)
    let unit = |v| unit_by(v, config.normalize_eps);
    let keys = match queue {
        Some(queue) => Tensor::cat(vec![unit(keys), unit(queue)], 0),
        None => unit(keys),
    };
    let logits = unit(queries).matmul(keys.detach().transpose()) / config.temperature; // [m, m + u]

    // (2), with ln w added to the logits; a weight of 0 takes a term out of the sum.
    let kinds: Vec<Kind> = (0..m)
        .flat_map(|i| {
            (0..m + queued).map(move |j| if j < m { ids.kind(i, j) } else { Kind::Content })
        })
        .collect();
    let log_weight = |kind: &Kind| match kind {
        Kind::Positive => 0.0,
        Kind::Degradation => ln(config.w_degradation),
        Kind::Content => ln(config.w_content),
        Kind::Left => LOG_ZERO,
    };
    let shape = [m, m + queued];
    let weights = matrix(kinds.iter().map(log_weight).collect(), shape, &device);
    let positives = matrix(marks(&kinds, Kind::Positive), shape, &device);
    let positive = (logits.clone() * positives).sum_dim(1); // [m, 1]
    let weighted = logits + weights;
    let top = weighted.clone().max_dim(1).detach();
    let log_sum = (weighted.clone() - top.clone()).exp().sum_dim(1).log() + top;
    let each = (log_sum.clone() - positive).reshape([m]);

    let masses = (weighted - log_sum).exp().detach(); // p of (4)
    let mass = |kind| {
        let marks = matrix(marks(&kinds, kind), shape, &device);
        (masses.clone() * marks).sum_dim(1).reshape([m])
    };
    QcTerms { each, prob_degradation: mass(Kind::Degradation), prob_content: mass(Kind::Content) }
}

/// (3) from the terms of one or both directions: `[1]`.
pub fn qc_loss(first: &QcTerms, second: Option<&QcTerms>, config: &QcConfig) -> Tensor<1> {
    let loss = match second {
        Some(second) => first.each.clone().mean() + second.each.clone().mean(),
        None => first.each.clone().mean(),
    };
    match config.loss_scale {
        LossScale::None => loss,
        LossScale::TwoTau => loss * (2.0 * config.temperature),
    }
}

/// `l_i` of (2) where all vectors are equal: what knowing nothing costs. Of `images` pictures under
/// `degradations` each, with `queued` keys besides.
pub fn chance(images: usize, degradations: usize, queued: usize, config: &QcConfig) -> f64 {
    let of_kind = |n: usize, weight: f64| n as f64 * weight;
    let others = degradations.saturating_sub(1);
    let content = images.saturating_sub(1) * degradations + queued;
    (of_kind(others, config.w_degradation) + of_kind(content, config.w_content)).ln_1p()
}

/// What a key is to a query.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The other patch of the same degraded picture.
    Positive,
    /// The same picture, another degradation.
    Degradation,
    /// Another picture.
    Content,
    /// More of the same degraded picture: neither.
    Left,
}

impl Ids<'_> {
    fn kind(&self, i: usize, j: usize) -> Kind {
        if i == j {
            Kind::Positive
        } else if self.image[i] != self.image[j] {
            Kind::Content
        } else if self.degradation[i] != self.degradation[j] {
            Kind::Degradation
        } else {
            Kind::Left
        }
    }
}

fn ln(weight: f64) -> f32 {
    if weight > 0.0 { weight.ln() as f32 } else { LOG_ZERO }
}

fn marks(kinds: &[Kind], kind: Kind) -> Vec<f32> {
    kinds.iter().map(|&k| f32::from(k == kind)).collect()
}

fn matrix(data: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(data, shape), device)
}

#[cfg(test)]
#[path = "qpt_tests.rs"]
mod tests;
