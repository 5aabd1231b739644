//! CSIQA's quality context contrast: which pictures of a batch attract and repel each other, and
//! the loss of one layer. Equation numbers are those of `papers/csiqa.md`.
//!
//! Shapes: `b` pictures, `n` tokens, `d` channels.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use biqa::nn::layers::unit;

/// Sizes of the sets around an anchor, as shares of the batch; the defaults are the code's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shares {
    /// Easy positives (PE): the nearest labels.
    pub pos: f64,
    /// Pool of hard positives (P0).
    pub pos_pool: f64,
    /// Easy negatives (NE): the farthest labels.
    pub neg: f64,
    /// Pool of hard negatives (N0).
    pub neg_pool: f64,
    /// Hard positives (HP): labels close, predictions far.
    pub hard_pos: f64,
    /// Hard negatives (HN): labels far, predictions close.
    pub hard_neg: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { pos: 0.1, pos_pool: 0.2, neg: 0.4, neg_pool: 0.6, hard_pos: 0.1, hard_neg: 0.4 }
    }
}

/// The partners of every anchor: `[b, b]` row-major, row `i` is anchor `i`, never its own partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pairs {
    /// `b`
    pub pictures: usize,
    /// Whether `j` is a positive of `i`.
    pub pos: Vec<bool>,
    /// Whether `j` is a negative of `i`.
    pub neg: Vec<bool>,
}

/// (10): `k(f) = round(f b)`, half to even, the product in float64.
pub fn share(f: f64, b: usize) -> usize {
    (f * b as f64).round_ties_even() as usize
}

/// (9): `r = d / e` with 0/0 := 0 and x/0 := infinity.
fn ratio(d: f32, e: f32) -> f32 {
    if d == 0.0 && e == 0.0 { 0.0 } else { d / e }
}

/// (11), (12): `pos = (P0 and HP) or PE`, `neg = (N0 and HN) or NE`.
///
/// `teacher` holds the teacher's scores; without them the hard sets are off and `pos = PE`,
/// `neg = NE`. Ties go by index (the specification's rule, which the code leaves to the device).
pub fn pairs(labels: &[f32], teacher: Option<&[f32]>, shares: &Shares) -> Pairs {
    let b = labels.len();
    let (mut pos, mut neg) = (vec![false; b * b], vec![false; b * b]);
    for i in 0..b {
        // (9)
        let d: Vec<f32> = labels.iter().map(|y| (labels[i] - y).abs()).collect();
        let near = ascending(&d, i);
        let far = descending(&d, i);
        let near = |f| &near[1..(share(f, b) + 1).min(b)]; // without i, which stands first
        let far = |f| &far[..share(f, b).min(b - 1)];
        for &j in near(shares.pos) {
            pos[i * b + j] = true; // PE
        }
        for &j in far(shares.neg) {
            neg[i * b + j] = true; // NE
        }
        let Some(t) = teacher else { continue };
        let e = t.iter().map(|s| (t[i] - s).abs());
        let r: Vec<f32> = d.iter().zip(e).map(|(&d, e)| ratio(d, e)).collect();
        // i counts among HP, where it stands first, and is dropped by the intersection.
        let low = &ascending(&r, i)[..share(shares.hard_pos, b).min(b)];
        let high = &descending(&r, i)[..share(shares.hard_neg, b).min(b)];
        for &j in near(shares.pos_pool).iter().filter(|j| low.contains(j)) {
            pos[i * b + j] = true; // P0 and HP
        }
        for &j in far(shares.neg_pool).iter().filter(|j| high.contains(j)) {
            neg[i * b + j] = true; // N0 and HN
        }
    }
    Pairs { pictures: b, pos, neg }
}

/// Indices by rising value, `i` first, then the lower index.
fn ascending(values: &[f32], i: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&p, &q| (q == i).cmp(&(p == i)).then(values[p].total_cmp(&values[q])));
    order
}

/// Indices by falling value, `i` last, else the lower index first.
fn descending(values: &[f32], i: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&p, &q| (p == i).cmp(&(q == i)).then(values[q].total_cmp(&values[p])));
    order
}

/// What (13) normalises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Features {
    /// Every token and channel in one long vector.
    #[default]
    AllTokens,
    /// The class token (token 1).
    Cls,
    /// The mean of the patches (tokens 2 and on).
    PatchMean,
}

impl Features {
    /// `[b, n, d] -> [b, m]`: what represents each picture.
    pub fn of(self, tokens: Tensor<3>) -> Tensor<2> {
        let [b, n, d] = tokens.dims();
        match self {
            Self::AllTokens => tokens.reshape([b, n * d]),
            Self::Cls => tokens.narrow(1, 1, 1).reshape([b, d]),
            Self::PatchMean => tokens.narrow(1, 2, n - 2).mean_dim(1).reshape([b, d]),
        }
    }
}

/// Stands for the logarithm of 0: finite, so that a row without partners has no NaN in it.
const LOG_ZERO: f32 = -1e30;

/// (13) to (17): `[b, m]` features to the loss `[1]` of one layer.
///
/// Anchors without positives are left out of the mean; where none is left the loss is 0 with zero
/// gradients. An anchor without negatives gives 0 and counts.
pub fn contrast(features: Tensor<2>, pairs: &Pairs, temperature: f64) -> Tensor<1> {
    let b = pairs.pictures;
    let device = features.device();
    // (13), (14): logits ln S_ij = f_i . f_j / tau
    let f = unit(features);
    let logits = f.clone().matmul(f.transpose()) / temperature; // [b, b]

    // (15), in logarithms: p_i is a mean, n_i a sum.
    let counts: Vec<f32> = row_counts(&pairs.pos, b);
    let log_counts = column(counts.iter().map(|c| c.max(1.0).ln()).collect(), &device);
    let log_p = log_sum_exp(logits.clone(), &pairs.pos) - log_counts; // [b, 1]
    let log_n = log_sum_exp(logits, &pairs.neg); // [b, 1]

    // (16):  -ln(p / (p + n)) = ln(e^log_p + e^log_n) - log_p
    let top = log_p.clone().max_pair(log_n.clone()).detach();
    let sum = (log_p.clone() - top.clone()).exp() + (log_n - top.clone()).exp();
    let terms = sum.log() + top - log_p;

    // (17)
    let anchors: Vec<f32> = counts.iter().map(|&c| f32::from(c > 0.0)).collect();
    let number = anchors.iter().sum::<f32>().max(1.0);
    (terms * column(anchors, &device)).sum() / number
}

/// The numbers of partners in each row.
fn row_counts(partners: &[bool], b: usize) -> Vec<f32> {
    partners.chunks(b.max(1)).map(|row| row.iter().filter(|&&v| v).count() as f32).collect()
}

fn column(values: Vec<f32>, device: &Device) -> Tensor<2> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n, 1]), device)
}

/// `ln sum_j e^x_ij` over the partners of each row, `[b, b] -> [b, 1]`; about [`LOG_ZERO`] where
/// there are none.
fn log_sum_exp(x: Tensor<2>, partners: &[bool]) -> Tensor<2> {
    let others: Vec<bool> = partners.iter().map(|p| !p).collect();
    let others = Tensor::from_data(TensorData::new(others, x.dims()), &x.device());
    let x = x.mask_fill(others, LOG_ZERO);
    let top = x.clone().max_dim(1).detach();
    (x - top.clone()).exp().sum_dim(1).log() + top
}

#[cfg(test)]
#[path = "csiqa_tests.rs"]
mod tests;
