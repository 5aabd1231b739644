//! CSFIQA's scale contrast: which pictures of a batch attract and repel each other within a scale
//! and between the two, and the regions whose two scales disagree most (noise samples). Equation
//! numbers are those of `papers/csfiqa.md`, sections 6 and 7.
//!
//! Shapes: `b` pictures, `n` tokens of a scale (class token first), `d` its channels, `e` numbers
//! of a feature, `r` regions (tokens of the large scale), `m` noise samples a picture.

use biqa::models::csfiqa::ScaleProjections;
use biqa::nn::layers::unit;
use biqa::weights::host;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::masked::{log_sum_exp, softplus};

/// Slack of comparisons between relative distances (6.3).
const SLACK: f64 = 1e-6;

/// Batches up to this are looked through for the smallest that would do.
const MOST_LEAST: usize = 4096;

/// The keys of the contrast (section 10); thresholds are the paper's, the rest as marked there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Contrast {
    /// What represents a picture at a scale.
    pub scl_pool: Pool,
    /// How partners are chosen.
    pub scl_select: Select,
    /// What label distances are relative to.
    pub scl_norm: Norm,
    /// Positives are nearer than this.
    pub gamma1: f64,
    /// Negatives are farther than this.
    pub gamma2: f64,
    /// The form of the loss.
    pub scl_form: Form,
    /// Temperature.
    pub tau: f64,
    /// Whether a picture is its own positive at the other scale.
    pub inter_self_positive: bool,
    /// Whether noise samples join the negatives.
    pub nsm: bool,
    /// Noise samples a picture.
    pub nsm_m: usize,
    /// Weight of the contrast within a scale.
    pub w_intra: f64,
    /// Weight of the contrast between scales.
    pub w_inter: f64,
}

impl Default for Contrast {
    fn default() -> Self {
        Self {
            scl_pool: Pool::default(),
            scl_select: Select::default(),
            scl_norm: Norm::default(),
            gamma1: 0.2,
            gamma2: 0.7,
            scl_form: Form::default(),
            tau: 0.3,
            inter_self_positive: true,
            nsm: true,
            nsm_m: 1,
            w_intra: 1.0,
            w_inter: 1.0,
        }
    }
}

impl Contrast {
    /// The smallest batch in which every weighted term can have a positive and a negative; `None`
    /// where no batch is large enough.
    pub fn least(&self) -> Option<usize> {
        let fits = |b: usize| {
            // Of the other pictures, whose labels may lie as they please.
            let [near, far] = match self.scl_select {
                Select::Distance => [b >= 3, b >= 2],
                Select::Rank => {
                    let [near, far] = self.ranked(b);
                    [near > 0 && b >= 2, far > 0 && b >= 2]
                }
            };
            let both = near && far && b >= 3;
            let inter = match (self.inter_self_positive, self.nsm) {
                (true, true) => true,
                (true, false) => far,
                (false, true) => near,
                (false, false) => both,
            };
            (self.w_intra == 0.0 || both) && (self.w_inter == 0.0 || inter)
        };
        (1..=MOST_LEAST).find(|&b| fits(b))
    }

    /// How many of `b` pictures are near and far by rank.
    fn ranked(&self, b: usize) -> [usize; 2] {
        let share = |f: f64| (f * b as f64 + 0.5).floor() as usize;
        [share(self.gamma1), share(1.0 - self.gamma2)]
    }
}

/// Key `scl_pool`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// The mean of the patch tokens, which have not crossed scales.
    #[default]
    Avg,
    /// The class token.
    Cls,
}

/// Key `scl_select`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// By thresholds on relative distances.
    #[default]
    Distance,
    /// By rank of the distance.
    Rank,
}

/// Key `scl_norm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// The batch's largest distance.
    #[default]
    BatchMax,
    /// The anchor's largest distance.
    AnchorMax,
}

/// Key `scl_form`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A logarithm a positive, averaged.
    #[default]
    PerPositive,
    /// One logarithm of the positives' mean.
    MeanExp,
}

/// The partners of every anchor: `[b, b]` row-major, row `i` is anchor `i`.
#[derive(Clone, Debug, PartialEq)]
pub struct Partners {
    /// `b`
    pub pictures: usize,
    /// (6.3): relative label distances.
    pub relative: Vec<f64>,
    /// Positives of the same scale, never the anchor itself.
    pub pos_intra: Vec<bool>,
    /// Positives of the other scale.
    pub pos_inter: Vec<bool>,
    /// Negatives, of either scale.
    pub neg: Vec<bool>,
}

/// (6.3), (6.4): partners by the distance of labels.
pub fn partners(labels: &[f32], contrast: &Contrast) -> Partners {
    let b = labels.len();
    let distance = |i: usize, j: usize| (f64::from(labels[i]) - f64::from(labels[j])).abs();
    let largest = |i: usize| (0..b).map(|j| distance(i, j)).fold(0.0, f64::max);
    let batch = (0..b).map(largest).fold(0.0, f64::max);
    let relative: Vec<f64> = (0..b * b)
        .map(|p| {
            let (i, j) = (p / b, p % b);
            let unit = match contrast.scl_norm {
                Norm::BatchMax => batch,
                Norm::AnchorMax => largest(i),
            };
            if unit > 0.0 { distance(i, j) / unit } else { 0.0 }
        })
        .collect();
    let (mut pos, mut neg) = (vec![false; b * b], vec![false; b * b]);
    for i in 0..b {
        let others: Vec<usize> = (0..b).filter(|&j| j != i).collect();
        match contrast.scl_select {
            Select::Distance => {
                for &j in &others {
                    pos[i * b + j] = relative[i * b + j] <= contrast.gamma1 + SLACK;
                    neg[i * b + j] = relative[i * b + j] >= contrast.gamma2 - SLACK;
                }
            }
            Select::Rank => {
                let [near, far] = contrast.ranked(b);
                let by = |order: &dyn Fn(f64, f64) -> std::cmp::Ordering, number: usize| {
                    let mut sorted = others.clone();
                    // Stable: of equal distances the lower index comes first.
                    sorted.sort_by(|&p, &q| order(distance(i, p), distance(i, q)));
                    sorted.truncate(number);
                    sorted
                };
                for j in by(&|p, q| p.total_cmp(&q), near) {
                    pos[i * b + j] = true;
                }
                for j in by(&|p, q| q.total_cmp(&p), far) {
                    neg[i * b + j] = !pos[i * b + j] && relative[i * b + j] > SLACK;
                }
            }
        }
    }
    let mut pos_inter = pos.clone();
    if contrast.inter_self_positive {
        (0..b).for_each(|i| pos_inter[i * b + i] = true);
    }
    Partners { pictures: b, relative, pos_intra: pos, pos_inter, neg }
}

/// (6.5): InfoNCE of similarities `[b, b]` (rows are anchors) to `[1]`, a mean over the anchors
/// that have both positives and negatives; 0 with zero gradients where there are none.
///
/// `noise [b, m]` holds more negatives of each anchor.
pub fn info_nce(
    similarity: Tensor<2>,
    pos: &[bool],
    neg: &[bool],
    noise: Option<Tensor<2>>,
    form: Form,
    tau: f64,
) -> Tensor<1> {
    let [b, _] = similarity.dims();
    let device = similarity.device();
    let s = similarity / tau;
    // Negatives: those of the batch and behind them the noise samples.
    let (negatives, taken) = match noise {
        None => (s.clone(), neg.to_vec()),
        Some(noise) => {
            let m = noise.dims()[1];
            let row = |i: usize| neg[i * b..(i + 1) * b].iter().copied().chain([true].repeat(m));
            (Tensor::cat(vec![s.clone(), noise / tau], 1), (0..b).flat_map(row).collect())
        }
    };
    let width = taken.len() / b.max(1);
    let positives = |i: usize| pos[i * b..(i + 1) * b].iter().filter(|&&p| p).count();
    let counts = |i: usize| positives(i) > 0 && taken[i * width..(i + 1) * width].contains(&true);
    let anchors = (0..b).filter(|&i| counts(i)).count().max(1);
    let log_n = log_sum_exp(negatives, &taken); // [b, 1]
    match form {
        // L_i = mean_p ln(1 + sum_n e^(s_n - s_p))
        Form::PerPositive => {
            let terms = softplus(log_n - s); // [b, b]
            let weight = |i: usize, j: usize| {
                if counts(i) && pos[i * b + j] {
                    1.0 / (positives(i) * anchors) as f32
                } else {
                    0.0
                }
            };
            let weights: Vec<f32> = (0..b * b).map(|p| weight(p / b, p % b)).collect();
            (terms * Tensor::from_data(TensorData::new(weights, [b, b]), &device)).sum()
        }
        // m = mean_p e^s_p;  L_i = -ln(m / (m + sum_n e^s_n))
        Form::MeanExp => {
            let logs: Vec<f32> = (0..b).map(|i| (positives(i).max(1) as f32).ln()).collect();
            let log_m = log_sum_exp(s, pos) - column(logs, &device);
            let weight = |i: usize| if counts(i) { 1.0 / anchors as f32 } else { 0.0 };
            let weights = column((0..b).map(weight).collect(), &device);
            // A row without positives has no finite ratio: it is left out before the exponential.
            let ratio = (log_n - log_m) * weights.clone().greater_elem(0.0).float();
            (softplus(ratio) * weights).sum()
        }
    }
}

fn column(values: Vec<f32>, device: &Device) -> Tensor<2> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n, 1]), device)
}

/// The contrast of one stage and what it was made of.
pub struct StageContrast {
    /// (6.7): `w_intra L_intra + w_inter L_inter`, `[1]`.
    pub loss: Tensor<1>,
    /// Single values of (6.6) within the small and the large scale.
    pub intra: [Tensor<1>; 2],
    /// Single values of (6.6) of small and of large anchors.
    pub inter: [Tensor<1>; 2],
    /// (7.2), (7.3): where noise samples are matched.
    pub noise: Option<Noise>,
}

/// The noise samples of a stage.
pub struct Noise {
    /// `c`, `[b, r]`: how alike the two scales of each region are.
    pub similarity: Tensor<2>,
    /// `[b, m]` row-major: the regions that are least alike, the least first.
    pub index: Vec<usize>,
    /// `[b, m]`: their similarities.
    pub values: Tensor<2>,
}

/// (6.1) to (6.7) for the stage at `position` of `scl_stages`: outputs `[b, n, d]` of the small and
/// the large branch, class token first.
pub fn stage_contrast(
    projections: &ScaleProjections,
    position: usize,
    [small, large]: [Tensor<3>; 2],
    partners: &Partners,
    contrast: &Contrast,
) -> StageContrast {
    // (6.1), (6.2)
    let feature = |scale: usize, tokens: &Tensor<3>| {
        unit(projections.project(position, scale, pooled(tokens.clone(), contrast.scl_pool)))
    };
    let (f_small, f_large) = (feature(0, &small), feature(1, &large)); // [b, e]
    let noise = contrast.nsm.then(|| noise(projections, position, [small, large], contrast.nsm_m));
    // (6.5), (6.6): rows are anchors.
    let nce = |anchors: &Tensor<2>, others: &Tensor<2>, pos: &[bool], noise| {
        let similarity = anchors.clone().matmul(others.clone().transpose());
        info_nce(similarity, pos, &partners.neg, noise, contrast.scl_form, contrast.tau)
    };
    let intra = [&f_small, &f_large].map(|f| nce(f, f, &partners.pos_intra, None));
    // (7.4): noise joins the negatives between scales, of both anchors of a picture.
    let extra = || noise.as_ref().map(|noise| noise.values.clone());
    let inter = [(&f_small, &f_large), (&f_large, &f_small)]
        .map(|(anchors, others)| nce(anchors, others, &partners.pos_inter, extra()));
    let half = |[a, b]: &[Tensor<1>; 2]| (a.clone() + b.clone()) / 2.0;
    let loss = half(&intra) * contrast.w_intra + half(&inter) * contrast.w_inter;
    StageContrast { loss, intra, inter, noise }
}

/// (6.1): `[b, n, d] -> [b, d]`.
fn pooled(tokens: Tensor<3>, pool: Pool) -> Tensor<2> {
    let [b, _, d] = tokens.dims();
    match pool {
        Pool::Avg => patches(tokens).mean_dim(1).reshape([b, d]),
        Pool::Cls => tokens.narrow(1, 0, 1).reshape([b, d]),
    }
}

/// `[b, n, d] -> [b, n - 1, d]`
fn patches(tokens: Tensor<3>) -> Tensor<3> {
    let [_, n, _] = tokens.dims();
    tokens.narrow(1, 1, n - 1)
}

/// (7.1) to (7.3).
fn noise(
    projections: &ScaleProjections,
    position: usize,
    [small, large]: [Tensor<3>; 2],
    m: usize,
) -> Noise {
    let (small, large) = (patches(small), patches(large));
    let [b, regions, _] = large.dims();
    let side = |tokens: &Tensor<3>| tokens.dims()[1].isqrt();
    // (7.1): the small scale's tokens, averaged onto the large scale's grid.
    let (from, to) = (side(&small), side(&large));
    let pool = TensorData::new(grid_pool(from, to), [1, to * to, from * from]);
    let small = Tensor::from_data(pool, &small.device()).matmul(small);
    // (7.2)
    let u_small = unit(projections.project(position, 0, small));
    let u_large = unit(projections.project(position, 1, large));
    let similarity = (u_small * u_large).sum_dim(2).reshape([b, regions]);
    // (7.3): the choice is a constant for the gradient, the values are not.
    let m = m.min(regions);
    let index: Vec<usize> =
        host(&similarity).chunks_exact(regions.max(1)).flat_map(|c| smallest(c, m)).collect();
    let picked: Vec<i64> = index.iter().map(|&j| j as i64).collect();
    let picked: Tensor<2, Int> =
        Tensor::from_data(TensorData::new(picked, [b, m]), &similarity.device());
    let values = similarity.clone().gather(1, picked);
    Noise { similarity, index, values }
}

/// Indices of the `m` smallest values, rising; of equal ones the lower index first.
fn smallest(values: &[f32], m: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&p, &q| values[p].total_cmp(&values[q]));
    order.truncate(m);
    order
}

/// (7.1): the inputs of each output of adaptive average pooling along one axis, `first..end`.
pub fn bins(from: usize, to: usize) -> Vec<(usize, usize)> {
    (0..to).map(|i| (from * i / to, (from * (i + 1)).div_ceil(to))).collect()
}

/// The weights of `from x from` tokens in each of `to x to` regions: `[to^2, from^2]`, row-major.
fn grid_pool(from: usize, to: usize) -> Vec<f32> {
    let bins = bins(from, to);
    let mut weights = vec![0.0; to * to * from * from];
    for (region, row) in weights.chunks_exact_mut((from * from).max(1)).enumerate() {
        let ((y0, y1), (x0, x1)) = (bins[region / to], bins[region % to]);
        let share = 1.0 / ((y1 - y0) * (x1 - x0)) as f32;
        for y in y0..y1 {
            row[y * from + x0..y * from + x1].fill(share);
        }
    }
    weights
}

#[cfg(test)]
#[path = "csfiqa_tests.rs"]
mod tests;
