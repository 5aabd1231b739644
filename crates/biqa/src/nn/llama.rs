//! One decoder layer of LLaMA (Touvron et al., 2023), used as a frozen block between tokens of a
//! picture (Pang et al., LM4VisualEncoding, ICLR 2024). Names are Hugging Face's; sources:
//! `papers/csfiqa.md`, section 4.
//!
//! Shapes: `b` images, `n` tokens, `d` channels, `h` heads, `e = d / h`.

use burn::module::{Module, Param};
use burn::tensor::activation::silu;
use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::autocast::matmul;
use super::layers::{Linear, param};
use super::numbers;
use super::rows::softmax;
use crate::weights::freeze;

/// Sizes and switches of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LlamaConfig {
    /// Channels.
    pub hidden: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden channels of the gated MLP.
    pub ffn: usize,
    /// Epsilon of the norms.
    pub rms_eps: f64,
    /// Whether positions turn queries and keys.
    pub rope: bool,
    /// Whether a token is blind to those after it.
    pub causal: bool,
    /// Base of the rotary embedding's wavelengths.
    pub rope_theta: f64,
}

impl LlamaConfig {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let Self { hidden, heads, ffn, rope, .. } = *self;
        if hidden == 0 || heads == 0 || ffn == 0 {
            return Err("every size of the LLaMA layer must be at least 1".to_owned());
        }
        // The rotary embedding turns pairs of numbers.
        let (least, words) = if rope { (2 * heads, "twice ") } else { (heads, "") };
        if !hidden.is_multiple_of(least) {
            return Err(format!("llm_dim {hidden} is no multiple of {words}llm_heads {heads}"));
        }
        numbers::check("the LLaMA layer", &[&[4, hidden, hidden], &[3, hidden, ffn]])
    }
}

/// `x / sqrt(mean(x^2) + eps) * weight` over the last dimension.
#[derive(Module, Debug)]
pub struct RmsNorm {
    weight: Param<Tensor<1>>,
    eps: f64,
}

impl RmsNorm {
    /// An empty norm over `d` channels.
    pub fn new(d: usize, eps: f64, device: &Device) -> Self {
        Self { weight: param([d], device), eps }
    }

    /// `[b, n, d] -> [b, n, d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let mean_square = (x.clone() * x.clone()).mean_dim(2);
        x / (mean_square + self.eps).sqrt() * self.weight.val().unsqueeze()
    }
}

/// The layer. It is frozen from the start: no optimiser changes it, gradients pass through.
#[derive(Module, Debug)]
pub struct LlamaBlock {
    input_layernorm: RmsNorm,
    self_attn: SelfAttention,
    post_attention_layernorm: RmsNorm,
    mlp: GatedMlp,
}

#[derive(Module, Debug)]
struct SelfAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    heads: usize,
    /// The base of the wavelengths, where positions turn queries and keys.
    rope_theta: Option<f64>,
    causal: bool,
}

#[derive(Module, Debug)]
#[allow(clippy::struct_field_names)] // the checkpoint's
struct GatedMlp {
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

impl LlamaBlock {
    /// An empty layer. `config` must have passed [`LlamaConfig::check`].
    pub fn new(config: &LlamaConfig, device: &Device) -> Self {
        let LlamaConfig { hidden: d, heads, ffn, rms_eps, rope, causal, rope_theta } = *config;
        let linear = |d_in, d_out| Linear::new(d_in, d_out, false, device);
        let block = Self {
            input_layernorm: RmsNorm::new(d, rms_eps, device),
            self_attn: SelfAttention {
                q_proj: linear(d, d),
                k_proj: linear(d, d),
                v_proj: linear(d, d),
                o_proj: linear(d, d),
                heads,
                rope_theta: rope.then_some(rope_theta),
                causal,
            },
            post_attention_layernorm: RmsNorm::new(d, rms_eps, device),
            mlp: GatedMlp {
                gate_proj: linear(d, ffn),
                up_proj: linear(d, ffn),
                down_proj: linear(ffn, d),
            },
        };
        freeze(block, |_| true)
    }

    /// `[b, n, d] -> [b, n, d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        // h = x + Wo softmax(q k^T / sqrt(e)) v,  q, k, v of rms(x)
        let h = x.clone() + self.self_attn.forward(self.input_layernorm.forward(x));
        // y = h + Wdown (silu(Wgate a) (Wup a)),  a = rms(h)
        let a = self.post_attention_layernorm.forward(h.clone());
        h + self.mlp.forward(a)
    }
}

impl SelfAttention {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [b, n, d] = x.dims();
        let (h, e) = (self.heads, d / self.heads);
        let heads = |x: Tensor<3>| x.reshape([b, n, h, e]).swap_dims(1, 2); // [b, h, n, e]
        let [q, k, v] = [&self.q_proj, &self.k_proj, &self.v_proj]
            .map(|projection| heads(projection.forward(x.clone())));
        let [q, k] = match self.rope_theta {
            Some(theta) => [q, k].map(|t| rotated(t, theta)),
            None => [q, k],
        };
        let scores = matmul(q, k.swap_dims(2, 3)) / (e as f64).sqrt(); // [b, h, n, n]
        let scores = if self.causal {
            scores.mask_fill(later(n, &x.device()).expand([b, h, n, n]), f32::NEG_INFINITY)
        } else {
            scores
        };
        let mixed = matmul(softmax(scores), v); // [b, h, n, e]
        self.o_proj.forward(mixed.swap_dims(1, 2).reshape([b, n, d]))
    }
}

impl GatedMlp {
    fn forward(&self, a: Tensor<3>) -> Tensor<3> {
        let gate = silu(self.gate_proj.forward(a.clone()));
        self.down_proj.forward(gate * self.up_proj.forward(a))
    }
}

/// Rotary positions in Hugging Face's half-split form, `[b, h, n, e]` to the same.
fn rotated(t: Tensor<4>, theta: f64) -> Tensor<4> {
    let [_, _, n, e] = t.dims();
    let half = e / 2;
    // inv_i = theta^(-2 i / e);  angle(p, i) = p inv_i, the same for both halves
    let angle = |p: usize, i: usize| p as f64 * theta.powf(-2.0 * (i % half) as f64 / e as f64);
    let table = |f: fn(f64) -> f64| -> Tensor<4> {
        let places = (0..n).flat_map(|p| (0..e).map(move |i| (p, i)));
        let data: Vec<f32> = places.map(|(p, i)| f(angle(p, i)) as f32).collect();
        Tensor::from_data(TensorData::new(data, [1, 1, n, e]), &t.device())
    };
    let (cos, sin) = (table(f64::cos), table(f64::sin));
    // out = t cos + [-t2, t1] sin
    let (t1, t2) = (t.clone().narrow(3, 0, half), t.clone().narrow(3, half, half));
    t * cos + Tensor::cat(vec![-t2, t1], 3) * sin
}

/// `[1, 1, n, n]`: the keys after each query.
fn later(n: usize, device: &Device) -> Tensor<4, Bool> {
    let later: Vec<bool> = (0..n * n).map(|i| i % n > i / n).collect();
    Tensor::from_data(TensorData::new(later, [1, 1, n, n]), device)
}

/// The names of a layer's tensors: here and at Hugging Face, and in Meta's files.
pub const TENSORS: [(&str, &str); 9] = [
    ("input_layernorm.weight", "attention_norm.weight"),
    ("self_attn.q_proj.weight", "attention.wq.weight"),
    ("self_attn.k_proj.weight", "attention.wk.weight"),
    ("self_attn.v_proj.weight", "attention.wv.weight"),
    ("self_attn.o_proj.weight", "attention.wo.weight"),
    ("post_attention_layernorm.weight", "ffn_norm.weight"),
    ("mlp.gate_proj.weight", "feed_forward.w1.weight"),
    ("mlp.up_proj.weight", "feed_forward.w3.weight"),
    ("mlp.down_proj.weight", "feed_forward.w2.weight"),
];

#[cfg(test)]
#[allow(clippy::excessive_precision)] // as the specification prints them
mod tests {
    use super::*;
    use crate::models::made::{close, filled, pictures};
    use crate::weights::{Array, host, load, visit};

    fn config() -> LlamaConfig {
        LlamaConfig {
            hidden: 12,
            heads: 3,
            ffn: 10,
            rms_eps: 1e-6,
            rope: false,
            causal: false,
            rope_theta: 10000.0,
        }
    }

    fn tokens() -> Tensor<3> {
        pictures(2, 4).reshape([2, 4, 12])
    }

    #[test]
    fn the_worked_example_of_the_norm() {
        let weight = Array { shape: vec![4], data: vec![1.0, 1.0, 0.5, 2.0] };
        let arrays = [("weight".to_owned(), weight)].into();
        let norm = load(RmsNorm::new(4, 1e-6, &Device::flex()), arrays, "made-up", "norm");
        let x = Tensor::<3>::from_data([[[1.0, -2.0, 3.0, 0.5]]], &Device::flex());
        let found = host(&norm.expect("its name").forward(x));
        close(&found, &[0.5298128685, -1.0596257369, 0.7947193027, 0.5298128685], 1e-6);
    }

    #[test]
    fn its_names_are_hugging_faces_and_nothing_is_trainable() {
        let mut names = Vec::new();
        visit(&LlamaBlock::new(&config(), &Device::flex()), |name, value| {
            assert!(!value.trainable, "{name}");
            names.push(name.to_owned());
        });
        let mut expected: Vec<&str> = TENSORS.iter().map(|(name, _)| *name).collect();
        expected.sort_unstable();
        names.sort_unstable();
        assert_eq!(names, expected);
    }

    /// `4 d^2 + 3 d f + 2 d`, which is 202,383,360 at LLaMA-7B's sizes.
    #[test]
    fn the_formula_of_the_specification_counts_the_parameters() {
        let mut count = 0;
        visit(&LlamaBlock::new(&config(), &Device::flex()), |_, value| {
            count += value.shape.iter().product::<usize>();
        });
        let formula = |d: usize, f: usize| 4 * d * d + 3 * d * f + 2 * d;
        assert_eq!(count, formula(12, 10));
        assert_eq!(formula(4096, 11008), 202_383_360);
    }

    #[test]
    fn without_rope_and_mask_the_order_of_tokens_does_not_matter() {
        let net = filled(LlamaBlock::new(&config(), &Device::flex()), |_| ());
        let x = tokens();
        let turned = host(&net.forward(x.clone().flip([1])).flip([1]));
        close(&host(&net.forward(x)), &turned, 1e-5);
    }

    #[test]
    fn a_causal_layer_does_not_look_ahead_and_rope_keeps_the_first_token() {
        let causal = LlamaConfig { causal: true, rope: true, ..config() };
        let net = filled(LlamaBlock::new(&causal, &Device::flex()), |_| ());
        let x = tokens();
        let all = net.forward(x.clone()).narrow(1, 0, 2);
        close(&host(&net.forward(x.narrow(1, 0, 2))), &host(&all), 1e-5);
    }

    #[test]
    fn unfitting_heads_are_refused_in_words() {
        let odd = LlamaConfig { heads: 4, rope: true, ..config() };
        let text = odd.check().expect_err("heads of odd width");
        assert_eq!(text, "llm_dim 12 is no multiple of twice llm_heads 4");
        // Only the rotary embedding wants pairs.
        assert_eq!(LlamaConfig { rope: false, ..odd }.check(), Ok(()));
        let text = LlamaConfig { heads: 5, rope: false, ..odd }.check().expect_err("no fit");
        assert_eq!(text, "llm_dim 12 is no multiple of llm_heads 5");
    }
}
