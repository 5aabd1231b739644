//! LML-IQA's saliency of crops, its contrast of local manifolds, its mutual learning. Equation
//! numbers are those of `papers/lml-iqa.md`.
//!
//! Shapes: `b` pictures, `k` crops a picture, `e` numbers of an embedding, `h` heads, `n = 1 + g^2`
//! tokens (class token first).

use biqa::nn::layers::unit;
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::regression::smooth_l1;

/// (4.1): attention of the class token `[b, h, n]` to a map `[b, g^2]` over the patches that sums
/// to 1. The share that the class token keeps for itself is dropped.
pub fn class_map(attention: Tensor<3>) -> Tensor<2> {
    let [b, _, n] = attention.dims();
    let map = attention.mean_dim(1).narrow(2, 1, n - 1).reshape([b, n - 1]);
    map.clone() / map.sum_dim(1)
}

/// (4.2), (4.3): mean of a map `[b, g^2]` over each box, relative to an even map: `[b, k]`, 1 is
/// average. `boxes` holds `b * k` boxes `x0, y0, x1, y1` as fractions of the picture.
pub fn box_saliency(map: Tensor<2>, boxes: &[[f32; 4]]) -> Tensor<2> {
    let [b, cells] = map.dims();
    let k = boxes.len() / b;
    let weights: Vec<f32> = boxes.iter().flat_map(|b| cell_weights(b, cells.isqrt())).collect();
    let weights = TensorData::new(weights, [b, k, cells]);
    let weights: Tensor<3> = Tensor::from_data(weights, &map.device());
    (weights * map.unsqueeze_dim(1)).sum_dim(2).reshape([b, k])
}

/// `g^2 wy_r wx_c / (sum wy sum wx)` of every cell: what (4.3) multiplies the map with.
fn cell_weights([x0, y0, x1, y1]: &[f32; 4], g: usize) -> Vec<f32> {
    let (wx, wy) = (covered(*x0, *x1, g), covered(*y0, *y1, g));
    let area = wx.iter().sum::<f64>() * wy.iter().sum::<f64>();
    let scale = (g * g) as f64 / area;
    let cell = |(y, x): (&f64, &f64)| (scale * y * x) as f32;
    wy.iter().flat_map(|y| wx.iter().map(move |x| (y, x))).map(cell).collect()
}

/// (4.2): the covered fraction of each of `g` cells along an axis.
fn covered(from: f32, to: f32, g: usize) -> Vec<f64> {
    let (from, to, cells) = (f64::from(from), f64::from(to), g as f64);
    let of = |c: usize| {
        let (start, end) = (c as f64 / cells, (c + 1) as f64 / cells);
        cells * (to.min(end) - from.max(start)).max(0.0)
    };
    (0..g).map(of).collect()
}

/// `saliency = "crop_cls"`: `1 - mean_h A[h, 0, 0]` of each crop's own attention, `[b * k, h, n]`
/// to `[b, k]`.
pub fn crop_saliency(attention: Tensor<3>, k: usize) -> Tensor<2> {
    let [crops, ..] = attention.dims();
    let own = attention.mean_dim(1).narrow(2, 0, 1).reshape([crops / k, k]);
    own * -1.0 + 1.0
}

/// (4.4): the most salient crop of every picture, the first of equals; `saliency` is `[b, k]`
/// row-major.
pub fn salient(saliency: &[f32], k: usize) -> Vec<usize> {
    let first = |row: &[f32]| (1..k).fold(0, |m, i| if row[i] > row[m] { i } else { m });
    saliency.chunks_exact(k.max(1)).map(first).collect()
}

/// Weights of the contrast's terms; the defaults are version 2 of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastWeights {
    /// Temperature.
    pub tau: f64,
    /// Negatives out of the anchor's picture.
    pub w_intra: f64,
    /// Negatives out of other pictures.
    pub w_inter: f64,
    /// The clustering term of version 1; 0 leaves it out.
    pub w_cluster: f64,
}

impl Default for ContrastWeights {
    fn default() -> Self {
        Self { tau: 0.2, w_intra: 1.0, w_inter: 1.0, w_cluster: 0.0 }
    }
}

/// The terms of (5.3), `[1]` each.
pub struct Contrast {
    /// (5.1)
    pub manifold: Tensor<1>,
    /// (5.2), whatever its weight is.
    pub cluster: Tensor<1>,
    /// (5.3): their weighted sum.
    pub contrast: Tensor<1>,
}

/// What the entries of a batch are.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a> {
    /// (4.4): the salient crop of every entry.
    pub salient: &'a [usize],
    /// Which picture each is. Two of one picture are neither each other's positives nor its
    /// negatives: these are crops of other pictures.
    pub pictures: &'a [usize],
}

impl Entries<'_> {
    /// Whether the crops of one are crops of another picture to the other.
    fn differ(&self, i: usize, j: usize) -> bool {
        self.pictures[i] != self.pictures[j]
    }
}

/// (5.3): `L_con = L_man + w_cluster L_clu`, for embeddings `[b, k, e]` of any length. A weight of
/// 0 removes its term.
pub fn contrast(
    student: Tensor<3>,
    teacher: Tensor<3>,
    entries: Entries<'_>,
    weights: &ContrastWeights,
) -> Contrast {
    let (z, t) = (unit(student), unit(teacher));
    let manifold = manifold(z.clone(), t.clone(), entries, weights);
    let cluster = cluster(z, t, entries, weights.tau);
    let contrast = if weights.w_cluster == 0.0 {
        manifold.clone()
    } else {
        manifold.clone() + cluster.clone() * weights.w_cluster
    };
    Contrast { manifold, cluster, contrast }
}

/// (5.1): the student's salient crop against the teacher's: the same crop attracts, the picture's
/// other crops and other pictures' crops repel. `z`, `t` are unit vectors `[b, k, e]`.
pub fn manifold(
    z: Tensor<3>,
    t: Tensor<3>,
    entries: Entries<'_>,
    weights: &ContrastWeights,
) -> Tensor<1> {
    let ([b, k, _], salient) = (z.dims(), entries.salient);
    let anchors: Vec<(usize, usize)> = (0..b).map(|i| (i, salient[i])).collect();
    let weight = |(i, _): (usize, usize), (j, q): (usize, usize)| match (i == j, q == salient[i]) {
        (true, true) => 1.0,
        (true, false) => weights.w_intra,
        (false, _) if entries.differ(i, j) => weights.w_inter,
        (false, _) => 0.0,
    };
    info_nce(z, t, salient, weights.tau, &anchors, k, weight)
}

/// (5.2): the student's other crops are drawn to the teacher's salient crop of their picture,
/// against the crops of other pictures.
pub fn cluster(z: Tensor<3>, t: Tensor<3>, entries: Entries<'_>, tau: f64) -> Tensor<1> {
    let ([b, k, _], salient) = (z.dims(), entries.salient);
    let all = (0..b).flat_map(|i| (0..k).map(move |q| (i, q)));
    let anchors: Vec<(usize, usize)> = all.filter(|&(i, q)| q != salient[i]).collect();
    let weight = |(i, _): (usize, usize), (j, q): (usize, usize)| {
        f64::from(if i == j { q == salient[i] } else { entries.differ(i, j) })
    };
    info_nce(z, t, salient, tau, &anchors, k, weight)
}

/// Mean over the anchors of `-ln( e(z, t_im) / sum_jq w e(z, t_jq) )`, `e(u, v) = exp(u . v / tau)`,
/// where `t_im` is the teacher's salient crop of the anchor's picture. 0 without anchors.
fn info_nce(
    z: Tensor<3>,
    t: Tensor<3>,
    salient: &[usize],
    tau: f64,
    anchors: &[(usize, usize)],
    k: usize,
    weight: impl Fn((usize, usize), (usize, usize)) -> f64,
) -> Tensor<1> {
    let [b, _, e] = z.dims();
    let device = z.device();
    if anchors.is_empty() {
        return Tensor::zeros([1], &device);
    }
    let a = anchors.len();
    let rows = indices(anchors.iter().map(|(i, q)| i * k + q).collect(), &device);
    let queries = z.reshape([b * k, e]).select(0, rows); // [a, e]
    let logits = queries.matmul(t.reshape([b * k, e]).transpose()) / tau; // [a, b k]
    // Out of the same products as the sum below: where nothing else has a weight, the loss is 0.
    let positives = indices(anchors.iter().map(|&(i, _)| i * k + salient[i]).collect(), &device);
    let positive = logits.clone().gather(1, positives.reshape([a, 1])); // [a, 1]

    let crops = || (0..b).flat_map(|j| (0..k).map(move |q| (j, q)));
    let log = |w: f64| if w == 0.0 { LOG_ZERO } else { w.ln() as f32 };
    let log_weights: Vec<f32> = anchors
        .iter()
        .flat_map(|&anchor| crops().map(move |c| (anchor, c)))
        .map(|(anchor, crop)| log(weight(anchor, crop)))
        .collect();
    let log_weights = Tensor::from_data(TensorData::new(log_weights, [a, b * k]), &device);
    let logits = logits + log_weights;
    let top = logits.clone().max_dim(1).detach();
    let log_sum = (logits - top.clone()).exp().sum_dim(1).log() + top; // [a, 1]
    (log_sum - positive).mean()
}

/// Stands for the logarithm of a weight of 0.
const LOG_ZERO: f32 = -1e30;

fn indices(rows: Vec<usize>, device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.into_iter().map(|row| row as i64).collect();
    let n = rows.len();
    Tensor::from_data(TensorData::new(rows, [n]), device)
}

/// (6.1): `mean_i KL( softmax(s^T / tau) || softmax(s^S / tau) )` of saliencies `[b, k]`.
pub fn mutual_saliency(student: Tensor<2>, teacher: Tensor<2>, tau: f64) -> Tensor<1> {
    let [b, _] = student.dims();
    let (s, t) = (student / tau, teacher / tau);
    let difference = log_softmax(t.clone(), 1) - log_softmax(s, 1);
    (softmax(t, 1) * difference).sum() / b as f64
}

/// (6.2): smooth L1 between the student's score of every crop, `[b, k]`, and the teacher's score of
/// the picture's salient crop.
pub fn mutual_score(student: Tensor<2>, teacher: Tensor<2>, salient: &[usize]) -> Tensor<1> {
    let [b, k] = student.dims();
    let device = teacher.device();
    let target = at(teacher, salient, &device).reshape([b, 1]).expand([b, k]).reshape([b * k]);
    smooth_l1(student.reshape([b * k]), target, BETA)
}

/// Where smooth L1 turns from a parabola into a line, in (6.2).
const BETA: f64 = 1.0;

/// (7.1) with `reg_crops = "all"`: smooth L1 between every crop's score and its picture's label,
/// which turns from a parabola into a line at `beta`; the paper's is 1.
pub fn regression_all(score: Tensor<2>, target: Tensor<1>, beta: f64) -> Tensor<1> {
    let [b, k] = score.dims();
    let target = target.reshape([b, 1]).expand([b, k]).reshape([b * k]);
    smooth_l1(score.reshape([b * k]), target, beta)
}

/// (7.1) with `reg_crops = "salient"`: of the salient crops alone.
pub fn regression_salient(
    score: Tensor<2>,
    target: Tensor<1>,
    salient: &[usize],
    beta: f64,
) -> Tensor<1> {
    let device = score.device();
    smooth_l1(at(score, salient, &device), target, beta)
}

/// `[b, k] -> [b]`: entry `salient[i]` of row `i`.
fn at(x: Tensor<2>, salient: &[usize], device: &Device) -> Tensor<1> {
    let [b, k] = x.dims();
    let rows = salient.iter().enumerate().map(|(i, m)| i * k + m).collect();
    x.reshape([b * k]).select(0, indices(rows, device))
}

/// (6.3): `theta_T <- mu theta_T + (1 - mu) theta_S`.
pub fn ema<const D: usize>(teacher: Tensor<D>, student: Tensor<D>, mu: f64) -> Tensor<D> {
    teacher * mu + student * (1.0 - mu)
}

/// (6.3): the `mu` of step `t = 1, 2, ...`: `min(mu, 1 - 1 / (t + 1))` with a warm-up, else `mu`.
pub fn momentum(mu: f64, warmup: bool, t: u64) -> f64 {
    if warmup { mu.min(1.0 - 1.0 / (t as f64 + 1.0)) } else { mu }
}

#[cfg(test)]
#[path = "lmliqa_tests.rs"]
mod tests;
