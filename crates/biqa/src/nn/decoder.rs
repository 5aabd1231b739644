//! The attention-panel decoder of DEIQT and the pre-norm decoder layer that it is made of.
//!
//! The layer is PyTorch's `TransformerDecoderLayer` with `norm_first`, under its names. Sources:
//! `papers/deiqt.md` (7) to (9).
//!
//! Shapes: `b` images, `k` queries, `p` memory tokens, `d` channels, `h` heads.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::autocast::matmul;
use super::gelu::gelu;
use super::layers::{LayerNorm, Linear, affine, param};
use super::numbers::{self, LAYER};
use super::rows::softmax;
use super::vit::{check_ratio, hidden};

/// Sizes of a decoder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecoderConfig {
    /// Channels of a token.
    pub embed_dim: usize,
    /// Layers.
    pub depth: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden channels of the MLP over `embed_dim`.
    pub mlp_ratio: f64,
    /// Epsilon of every layer norm.
    pub norm_eps: f64,
}

impl DecoderConfig {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let Self { embed_dim, depth, heads, mlp_ratio, .. } = *self;
        if depth == 0 || heads == 0 {
            return Err("every size of the decoder must be at least 1".to_owned());
        }
        check_ratio(embed_dim, mlp_ratio)?;
        if !embed_dim.is_multiple_of(heads) {
            return Err(format!("embed_dim {embed_dim} is no multiple of decoder_heads {heads}"));
        }
        let (d, mlp) = (embed_dim, hidden(embed_dim, mlp_ratio));
        numbers::check("the decoder", &[&[depth, 8, d, d], &[depth, 2, d, mlp], &[depth, LAYER]])
    }
}

/// Layers one after the other, without a norm at the end.
#[derive(Module, Debug)]
pub struct Decoder {
    layers: Vec<DecoderLayer>,
}

/// Queries look at one another, then at the memory, then each at itself.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    self_attn: MultiheadAttention,
    multihead_attn: MultiheadAttention,
    linear1: Linear,
    linear2: Linear,
    norm1: LayerNorm,
    norm2: LayerNorm,
    norm3: LayerNorm,
}

/// PyTorch's `MultiheadAttention`: the rows of `in_proj_weight` are those of q, k and v in turn.
#[derive(Module, Debug)]
pub struct MultiheadAttention {
    in_proj_weight: Param<Tensor<2>>,
    in_proj_bias: Param<Tensor<1>>,
    out_proj: Linear,
    heads: usize,
}

/// Which third of `in_proj_weight` a projection uses.
#[derive(Clone, Copy)]
enum Part {
    Query = 0,
    Key = 1,
    Value = 2,
}

impl Decoder {
    /// An empty decoder.
    pub fn new(config: &DecoderConfig, device: &Device) -> Self {
        Self { layers: (0..config.depth).map(|_| DecoderLayer::new(config, device)).collect() }
    }

    /// Every set of queries by itself, `[b, k, d]` each, over one memory `[b, p, d]`.
    ///
    /// Sets do not see one another; the memory's keys and values are computed once for all.
    pub fn forward<const S: usize>(
        &self,
        sets: [Tensor<3>; S],
        memory: &Tensor<3>,
    ) -> [Tensor<3>; S] {
        self.layers.iter().fold(sets, |sets, layer| {
            let [key, value] = [Part::Key, Part::Value]
                .map(|part| layer.multihead_attn.project(memory.clone(), part));
            sets.map(|q| layer.forward(q, &key, &value))
        })
    }
}

impl DecoderLayer {
    fn new(config: &DecoderConfig, device: &Device) -> Self {
        let DecoderConfig { embed_dim: d, heads, mlp_ratio, norm_eps, .. } = *config;
        let attention = || MultiheadAttention {
            in_proj_weight: param([3 * d, d], device),
            in_proj_bias: param([3 * d], device),
            out_proj: Linear::new(d, d, true, device),
            heads,
        };
        let norm = || LayerNorm::new(d, norm_eps, device);
        Self {
            self_attn: attention(),
            multihead_attn: attention(),
            linear1: Linear::new(d, hidden(d, mlp_ratio), true, device),
            linear2: Linear::new(hidden(d, mlp_ratio), d, true, device),
            norm1: norm(),
            norm2: norm(),
            norm3: norm(),
        }
    }

    /// Queries `[b, k, d]`; keys and values of the memory, `[b, h, p, d/h]` each.
    fn forward(&self, q: Tensor<3>, key: &Tensor<4>, value: &Tensor<4>) -> Tensor<3> {
        // q <- q + SelfAttn(LN1 q)
        let x = self.norm1.forward(q.clone());
        let [k, v] = [Part::Key, Part::Value].map(|part| self.self_attn.project(x.clone(), part));
        let q = q + self.self_attn.attend(x, &k, &v);
        // q <- q + CrossAttn(query LN2 q, key = value = memory)
        let x = self.norm2.forward(q.clone());
        let q = q + self.multihead_attn.attend(x, key, value);
        // q <- q + W2 gelu(W1 LN3 q)
        let x = self.norm3.forward(q.clone());
        q + self.linear2.forward(gelu(self.linear1.forward(x)))
    }
}

impl MultiheadAttention {
    /// `[b, n, d] -> [b, h, n, d/h]`
    fn project(&self, x: Tensor<3>, part: Part) -> Tensor<4> {
        let [b, n, d] = x.dims();
        let first = part as usize * d;
        let weight = self.in_proj_weight.val().narrow(0, first, d);
        let bias = self.in_proj_bias.val().narrow(0, first, d);
        let y = affine(x, weight, Some(bias));
        y.reshape([b, n, self.heads, d / self.heads]).swap_dims(1, 2)
    }

    /// Queries `[b, k, d]` over projected keys and values to `[b, k, d]`.
    fn attend(&self, x: Tensor<3>, key: &Tensor<4>, value: &Tensor<4>) -> Tensor<3> {
        let [b, k, d] = x.dims();
        let scale = ((d / self.heads) as f64).sqrt();
        let q = self.project(x, Part::Query); // [b, h, k, d/h]
        let scores = matmul(q, key.clone().swap_dims(2, 3)) / scale; // [b, h, k, p]
        let mixed = matmul(softmax(scores), value.clone()); // [b, h, k, d/h]
        self.out_proj.forward(mixed.swap_dims(1, 2).reshape([b, k, d]))
    }
}

/// DEIQT's head: a panel of queries, the decoder, one score a query.
#[derive(Module, Debug)]
pub struct PanelHead {
    /// `[1, k, d]`: what makes the members of the panel differ.
    bunch_embedding: Param<Tensor<3>>,
    bunch_decoder: Decoder,
    /// `[1, d]`, shared by the members, no bias.
    heads: Linear,
}

/// What a panel says.
pub struct Panel {
    /// `[b, k, d]`: the decoder's output.
    pub decoder: Tensor<3>,
    /// `[b, k]`
    pub scores: Tensor<2>,
    /// `[b]`: their mean.
    pub score: Tensor<1>,
}

impl PanelHead {
    /// An empty head with `panel` members.
    pub fn new(panel: usize, config: &DecoderConfig, device: &Device) -> Self {
        let d = config.embed_dim;
        Self {
            bunch_embedding: param([1, panel, d], device),
            bunch_decoder: Decoder::new(config, device),
            heads: Linear::new(d, 1, false, device),
        }
    }

    /// The tokens of an encoder, `[b, n, d]` with the class token first.
    pub fn forward(&self, tokens: Tensor<3>) -> Panel {
        let [b, n, d] = tokens.dims();
        // deiqt (6):  [ref ; mem]
        let reference = tokens.clone().narrow(1, 0, 1);
        let memory = tokens.narrow(1, 1, n - 1);
        // (7):  Q_0 = ref + e_k
        let embedding = self.bunch_embedding.val();
        let k = embedding.dims()[1];
        let queries = embedding.expand([b, k, d]) + reference;
        let [decoder] = self.bunch_decoder.forward([queries], &memory);
        // (9):  y = mean_k w . Q_3[k]
        let scores = self.heads.forward(decoder.clone()).reshape([b, k]);
        let score = scores.clone().mean_dim(1).reshape([b]);
        Panel { decoder, scores, score }
    }
}
