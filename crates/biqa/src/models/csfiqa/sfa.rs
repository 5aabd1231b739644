//! Selective focus attention: the adaptive filtering selector (AFS) over the tokens of both scales
//! and the information concentrator (ICM), a frozen layer of a language model. Equation numbers are
//! those of `papers/csfiqa.md`.
//!
//! Shapes: `b` images, `q` queries, `n` keys, `d` channels of the large branch, `h` heads.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::config::{Concentration, CsfiqaConfig, Ratio, Scope};
use crate::nn::autocast::matmul;
use crate::nn::layers::{LayerNorm, Linear, param};
use crate::nn::llama::{LlamaBlock, RmsNorm};
use crate::nn::rows::softmax;
use crate::weights::freeze;

/// Epsilon of the module's own norms (section 5).
const NORM_EPS: f64 = 1e-6;

/// The module. Without `attention` (key `sfa = false`) it is its last norm.
#[derive(Module, Debug)]
pub struct SelectiveFocus {
    small_proj: Option<Linear>,
    norm: Option<LayerNorm>,
    afs: Option<FilteringSelector>,
    ic: Option<Concentrator>,
    out_norm: LayerNorm,
    #[module(skip)]
    scope: Scope,
}

/// What the module gave, `[b, q, d]` each.
pub struct Focus {
    /// `Y`: after the selector and its skip.
    pub afs: Tensor<3>,
    /// `Z'`: after the concentrator and the last norm.
    pub sfa: Tensor<3>,
}

impl SelectiveFocus {
    /// An empty module over a small and a large branch of `[d_small, d]` channels.
    pub fn new(config: &CsfiqaConfig, [d_small, d]: [usize; 2], device: &Device) -> Self {
        let on = config.sfa;
        let ic = on && config.ic != Concentration::None;
        Self {
            small_proj: on.then(|| Linear::new(d_small, d, true, device)),
            norm: on.then(|| LayerNorm::new(d, NORM_EPS, device)),
            afs: on.then(|| FilteringSelector::new(config, d, device)),
            ic: ic.then(|| Concentrator::new(config, d, device)),
            out_norm: LayerNorm::new(d, NORM_EPS, device),
            scope: config.sfa_scope,
        }
    }

    /// The normed tokens of both branches, class token first: `[b, n_small, d_small]` and
    /// `[b, n_large, d]`.
    pub fn forward(&self, small: Tensor<3>, large: Tensor<3>) -> Focus {
        let (Some(small_proj), Some(norm), Some(afs)) = (&self.small_proj, &self.norm, &self.afs)
        else {
            return Focus { sfa: self.out_norm.forward(large.clone()), afs: large };
        };
        let [_, n_large, _] = large.dims();
        // (5.1)  U = LN([X_large ; small_proj(X_small)])
        let tokens = match self.scope {
            Scope::LargeSelf => large.clone(),
            Scope::LargeQuery | Scope::Joint => {
                Tensor::cat(vec![large.clone(), small_proj.forward(small)], 1)
            }
        };
        let u = norm.forward(tokens.clone());
        let (queries, x) = match self.scope {
            Scope::Joint => (u.clone(), tokens),
            Scope::LargeQuery | Scope::LargeSelf => (u.clone().narrow(1, 0, n_large), large),
        };
        // (5.2) to (5.4)  Y = X + Wproj (A V)
        let y = x + afs.forward(queries, u);
        // (5.5)
        let z = match &self.ic {
            Some(ic) => ic.forward(y.clone()),
            None => y.clone(),
        };
        Focus { afs: y, sfa: self.out_norm.forward(z) }
    }
}

/// Attention that keeps the largest scores of every query.
#[derive(Module, Debug)]
pub struct FilteringSelector {
    q: Linear,
    k: Linear,
    v: Linear,
    proj: Linear,
    /// A logit a ratio, shared by the heads.
    mix: Param<Tensor<1>>,
    heads: usize,
    /// Whether scores are filtered at all.
    filters: bool,
    #[module(skip)]
    ratios: Vec<Ratio>,
}

impl FilteringSelector {
    fn new(config: &CsfiqaConfig, d: usize, device: &Device) -> Self {
        let linear = || Linear::new(d, d, true, device);
        Self {
            q: linear(),
            k: linear(),
            v: linear(),
            proj: linear(),
            mix: param([config.afs_ratios.len()], device),
            heads: config.sfa_heads,
            filters: config.afs,
            ratios: config.afs_ratios.clone(),
        }
    }

    /// Queries `[b, q, d]` over keys `[b, n, d]` to `[b, q, d]`.
    fn forward(&self, queries: Tensor<3>, keys: Tensor<3>) -> Tensor<3> {
        let [b, n_queries, d] = queries.dims();
        let h = self.heads;
        let heads = |x: Tensor<3>| {
            let n = x.dims()[1];
            x.reshape([b, n, h, d / h]).swap_dims(1, 2) // [b, h, n, d/h]
        };
        let q = heads(self.q.forward(queries));
        let k = heads(self.k.forward(keys.clone()));
        let v = heads(self.v.forward(keys));
        // (5.2)  S = Q K^T / sqrt(d / h)
        let scores = matmul(q, k.swap_dims(2, 3)) / ((d / h) as f64).sqrt(); // [b, h, q, n]
        let probabilities = if self.filters {
            filtered(scores, self.mix.val(), &self.ratios)
        } else {
            softmax(scores)
        };
        let mixed = matmul(probabilities, v); // [b, h, q, d/h]
        self.proj.forward(mixed.swap_dims(1, 2).reshape([b, n_queries, d]))
    }
}

/// (5.3), (5.4): `sum_i w_i softmax(T_k(r_i)(S))`, `w = softmax(mix)`; `[b, h, q, n]` to the same.
///
/// `T_k` keeps the `k` largest scores of a row, of equal ones those of lower key index. What is
/// kept is a constant for the gradient.
pub fn filtered(scores: Tensor<4>, mix: Tensor<1>, ratios: &[Ratio]) -> Tensor<4> {
    let [_, _, _, n] = scores.dims();
    let constant = scores.clone().detach();
    let sorted = constant.clone().sort_descending(3);
    // Every set holds the row's largest score, so one shift and one exponential serve all.
    let exponentials = (scores - sorted.clone().narrow(3, 0, 1)).exp();
    let weights = softmax(mix);
    let parts = ratios.iter().enumerate().map(|(i, ratio)| {
        let k = ratio.kept(n);
        let kept = exponentials.clone() * largest(&constant, &sorted, k);
        let total = kept.clone().sum_dim(3);
        kept / total * weights.clone().narrow(0, i, 1).reshape([1, 1, 1, 1])
    });
    parts.reduce(|a, b| a + b).unwrap_or_else(|| exponentials.zeros_like())
}

/// 1 where a score is among the `k` largest of its row, else 0. `sorted` holds the rows, falling.
fn largest(scores: &Tensor<4>, sorted: &Tensor<4>, k: usize) -> Tensor<4> {
    let shape = scores.dims();
    let least = sorted.clone().narrow(3, k - 1, 1); // [b, h, q, 1]
    let above = scores.clone().greater(least.clone().expand(shape)).float();
    let equal = scores.clone().equal(least.expand(shape)).float();
    // Equals fill the places that are left, in the order of their index.
    let places = above.clone().sum_dim(3) * -1.0 + k as f64;
    let among = equal.clone().cumsum(3).lower_equal(places.expand(shape)).float();
    above + equal * among
}

/// A frozen layer of a language model between two linear maps that learn.
#[derive(Module, Debug)]
struct Concentrator {
    in_proj: Linear,
    llama: LlamaBlock,
    llama_norm: Option<RmsNorm>,
    out_proj: Linear,
    residual: bool,
}

impl Concentrator {
    fn new(config: &CsfiqaConfig, d: usize, device: &Device) -> Self {
        let norm = || RmsNorm::new(config.llm_dim, config.llm_eps, device);
        Self {
            in_proj: Linear::new(d, config.llm_dim, false, device),
            llama: LlamaBlock::new(&config.llama(), device),
            llama_norm: config.ic_final_norm.then(|| freeze(norm(), |_| true)),
            out_proj: Linear::new(config.llm_dim, d, false, device),
            residual: config.ic_residual,
        }
    }

    /// (5.5)  `Y + out_proj(rms(block(in_proj Y)))`
    fn forward(&self, y: Tensor<3>) -> Tensor<3> {
        let x = self.llama.forward(self.in_proj.forward(y.clone()));
        let x = match &self.llama_norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        let z = self.out_proj.forward(x);
        if self.residual { y + z } else { z }
    }
}
