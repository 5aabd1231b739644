//! GlintIQA: a vision transformer and a ResNet whose features are merged step by step by attention
//! over channels.
//!
//! Wang, Zhang, "Global-Local Progressive Integration Network for Blind Image Quality Assessment",
//! arXiv 2408.03885. Equation and section numbers are those of `papers/glintiqa.md`, most of which
//! was read from the released code; names are those of its checkpoints.
//!
//! Shapes: `b` crops, `n` patches, `d` channels of the transformer, `c` channels of a sequence.

// A field's leading underscore stands for a number in an `nn.Sequential` (see `weights::ParamPath`).
#![allow(clippy::used_underscore_binding)]

mod config;

pub use config::GlintIqaConfig;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::nn::autocast::matmul;
use crate::nn::gelu::gelu;
use crate::nn::layers::{Conv, LayerNorm, Linear};
use crate::nn::norm::Seen;
use crate::nn::resnet::{self, ResNet};
use crate::nn::rows::softmax;
use crate::nn::vit::Vit;
use crate::weights::{Array, Arrays, visit};

/// Stages of global features, and of the ResNet.
const STAGES: usize = 4;
const CNN_STAGES: usize = 3;
/// Stages of the ResNet that are frozen, with the stem.
const FROZEN_STAGES: usize = 2;

/// The network.
#[derive(Module, Debug)]
pub struct GlintIqa {
    vgfe: GlobalFeatures,
    clfe: LocalFeatures,
    local_cwsa: ChannelAttention,
    local_projection: Linear,
    cwsa1: ChannelAttention,
    cwsa2: ChannelAttention,
    cwsa3: ChannelAttention,
    cwsa4: ChannelAttention,
    siem1: Enhancement,
    siem2: Enhancement,
    siem3: Enhancement,
    siem4: Enhancement,
    quality_head: QualityHead,
    side: usize,
    #[module(skip)]
    indices: Vec<usize>,
}

/// VGFE: inner tokens of the transformer.
#[derive(Module, Debug)]
struct GlobalFeatures {
    backbone: Vit,
}

/// CLFE: maps of the ResNet, cut into as many patches as the transformer has.
#[derive(Module, Debug)]
struct LocalFeatures {
    backbone: ResNet,
    patch_embed1: Embedding,
    patch_embed2: Embedding,
    patch_embed3: Embedding,
}

#[derive(Module, Debug)]
struct Embedding {
    proj: Conv,
}

/// CWSA: attention whose sequence is the channels and whose features are the positions.
#[derive(Module, Debug)]
pub struct ChannelAttention {
    c_q: Linear,
    c_k: Linear,
    c_v: Linear,
    norm: LayerNorm,
    reinterpret: bool,
    normalize_eps: f64,
}

/// SIEM: a 3x3 convolution over the grid of tokens.
#[derive(Module, Debug)]
pub struct Enhancement {
    conv: Conv,
    grid: usize,
}

#[derive(Module, Debug)]
struct QualityHead {
    layers: HeadLayers,
}

/// Indices 0 and 3 of an `nn.Sequential`, around GELU and dropout.
#[derive(Module, Debug)]
struct HeadLayers {
    _0: Linear,
    _3: Linear,
}

/// Factors of dropout: 0, or `1 / (1 - rate)` where a number is kept.
#[derive(Clone, Debug)]
pub struct Dropout {
    /// `[b, 3 d, n]`
    pub local_cwsa: Tensor<3>,
    /// `[b, 2 d, n]` each.
    pub cwsa: [Tensor<3>; STAGES],
    /// `[b, d]`
    pub quality_head: Tensor<2>,
}

/// What a forward pass in training mode needs besides the crops.
pub struct Training<'a> {
    /// What dropout does.
    pub dropout: Dropout,
    /// Takes what the batch norms saw.
    pub seen: &'a mut Seen,
    /// Whether stem and the first two stages use the batch's statistics too, as the code does.
    pub frozen_bn: bool,
}

/// What the parts of a forward pass gave.
pub struct GlintIqaOutput {
    /// (1): `[b, n, d]`, four.
    pub vgfe: Vec<Tensor<3>>,
    /// (2): `[b, n, d]`, three.
    pub clfe: Vec<Tensor<3>>,
    /// `[b, 3 d, n]`
    pub local_cwsa: Tensor<3>,
    /// (3): `[b, n, d]`
    pub local: Tensor<3>,
    /// `[b, 2 d, n]`, four.
    pub cwsa: Vec<Tensor<3>>,
    /// (4): `[b, n, d]`, four.
    pub siem: Vec<Tensor<3>>,
    /// `[b]`: in units and direction of the training set's labels.
    pub score: Tensor<1>,
}

impl GlintIqa {
    /// An empty network. `config` must have passed [`GlintIqaConfig::check`].
    pub fn new(config: &GlintIqaConfig, device: &Device) -> Self {
        let (d, grid) = (config.embed_dim, config.grid());
        let attention = || {
            let n = grid * grid;
            ChannelAttention::new(config, n, device)
        };
        let enhancement = || Enhancement::new(2 * d, d, grid, device);
        let resnet = config.resnet();
        let channels = resnet.channels();
        // (2): kernels of 4, 2 and 1 for patches of 16.
        let embedding = |stage: usize| {
            let kernel = config.patch_size / (4 << stage);
            Embedding { proj: Conv::patches(channels[stage], d, kernel, device) }
        };
        Self {
            vgfe: GlobalFeatures { backbone: Vit::new(&config.vit(), device) },
            clfe: LocalFeatures {
                backbone: ResNet::new(&resnet, device),
                patch_embed1: embedding(0),
                patch_embed2: embedding(1),
                patch_embed3: embedding(2),
            },
            local_cwsa: attention(),
            local_projection: Linear::new(CNN_STAGES * d, d, true, device),
            cwsa1: attention(),
            cwsa2: attention(),
            cwsa3: attention(),
            cwsa4: attention(),
            siem1: enhancement(),
            siem2: enhancement(),
            siem3: enhancement(),
            siem4: enhancement(),
            quality_head: QualityHead {
                layers: HeadLayers {
                    _0: Linear::new(d, d, true, device),
                    _3: Linear::new(d, 1, true, device),
                },
            },
            side: config.image_size,
            indices: config.feature_indices.clone(),
        }
    }

    /// Side of a crop, in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// `[b, 3, size, size]`, normalised, to every intermediate result; in evaluation mode without
    /// `training`.
    pub fn forward(&self, x: Tensor<4>, training: Option<Training<'_>>) -> GlintIqaOutput {
        let (dropout, seen, frozen_bn) = match training {
            Some(Training { dropout, seen, frozen_bn }) => (Some(dropout), Some(seen), frozen_bn),
            None => (None, None, false),
        };
        // (1), (2)
        let vgfe = self.vgfe.forward(x.clone(), &self.indices);
        let clfe = self.clfe.forward(x, seen, frozen_bn);

        // (3)  L = Wp CWSA([E1; E2; E3]^T)^T + bp
        let mask = dropout.as_ref().map(|d| d.local_cwsa.clone());
        let local_cwsa = self.local_cwsa.forward(channels_first(clfe.clone()), mask).out;
        let local = self.local_projection.forward(local_cwsa.clone().swap_dims(1, 2));

        // (4)  F_s = SIEM(CWSA([G_s ; F_(s-1)]^T)), the transformer's features first
        let attentions = [&self.cwsa1, &self.cwsa2, &self.cwsa3, &self.cwsa4];
        let enhancements = [&self.siem1, &self.siem2, &self.siem3, &self.siem4];
        let (mut cwsa, mut siem) = (Vec::new(), Vec::new());
        let mut f = local.clone();
        for (s, (attention, enhancement)) in attentions.into_iter().zip(enhancements).enumerate() {
            let mask = dropout.as_ref().map(|d| d.cwsa[s].clone());
            let merged = attention.forward(channels_first(vec![vgfe[s].clone(), f]), mask).out;
            f = enhancement.forward(merged.clone());
            cwsa.push(merged);
            siem.push(f.clone());
        }
        let score = self.quality_head.forward(f, dropout.map(|d| d.quality_head));
        GlintIqaOutput { vgfe, clfe, local_cwsa, local, cwsa, siem, score }
    }

    /// `[b, 3, size, size] -> [b]`: scores in units and direction of the training set's labels.
    pub fn score(&self, x: Tensor<4>) -> Tensor<1> {
        self.forward(x, None).score
    }
}

/// Tokens `[b, n, d]` side by side, as channels: `[b, k d, n]`.
fn channels_first(tokens: Vec<Tensor<3>>) -> Tensor<3> {
    Tensor::cat(tokens, 2).swap_dims(1, 2)
}

impl GlobalFeatures {
    /// (1): the blocks' outputs without class token and without the last norm.
    fn forward(&self, x: Tensor<4>, indices: &[usize]) -> Vec<Tensor<3>> {
        // Later blocks, norm and classifier have no part in the score and are not run.
        let count = indices.iter().max().map_or(0, |last| last + 1);
        let blocks = self.backbone.inner(x, count);
        let patches = |&i: &usize| {
            let [_, n, _] = blocks[i].dims();
            blocks[i].clone().narrow(1, 1, n - 1)
        };
        indices.iter().map(patches).collect()
    }
}

impl LocalFeatures {
    /// (2): `E_i`, `[b, n, d]` each. With `seen` the batch norms use the batch; those of the frozen
    /// part only where `frozen_bn` says so.
    fn forward(
        &self,
        x: Tensor<4>,
        mut seen: Option<&mut Seen>,
        frozen_bn: bool,
    ) -> Vec<Tensor<3>> {
        let stem = self.backbone.stem(x, seen.as_deref_mut().filter(|_| frozen_bn));
        let mut x = resnet::pooled(stem);
        let embeddings = [&self.patch_embed1, &self.patch_embed2, &self.patch_embed3];
        let embed = |(stage, embedding): (usize, &Embedding)| {
            let takes = frozen_bn || stage >= FROZEN_STAGES;
            x = self.backbone.stage(stage, x.clone(), seen.as_deref_mut().filter(|_| takes));
            embedding.forward(x.clone())
        };
        embeddings.into_iter().enumerate().map(embed).collect()
    }
}

impl Embedding {
    /// `[b, c, h, w] -> [b, n, d]`, positions row by row.
    fn forward(&self, x: Tensor<4>) -> Tensor<3> {
        let x = self.proj.forward(x);
        let [b, d, rows, columns] = x.dims();
        x.reshape([b, d, rows * columns]).swap_dims(1, 2)
    }
}

/// What the parts of a channel attention gave.
pub struct Attended {
    /// `A`, `[b, c, c]`.
    pub attention: Tensor<3>,
    /// `Y`, `[b, c, n]`.
    pub mixed: Tensor<3>,
    /// `Z`, `[b, c, n]`.
    pub scrambled: Tensor<3>,
    /// `[b, c, n]`
    pub out: Tensor<3>,
}

impl ChannelAttention {
    /// An empty layer over `n` positions.
    pub fn new(config: &GlintIqaConfig, n: usize, device: &Device) -> Self {
        let linear = || Linear::new(n, n, true, device);
        Self {
            c_q: linear(),
            c_k: linear(),
            c_v: linear(),
            norm: LayerNorm::new(n, config.cwsa_norm_eps, device),
            reinterpret: config.reinterpret,
            normalize_eps: config.normalize_eps,
        }
    }

    /// (5): `[b, c, n]`, and dropout's factors of that shape where the network learns.
    pub fn forward(&self, x: Tensor<3>, dropout: Option<Tensor<3>>) -> Attended {
        let [b, c, n] = x.dims();
        // Q = normalize(X Wq^T + bq),  K = normalize(X Wk^T + bk),  V = X Wv^T + bv
        let q = normalized(self.c_q.forward(x.clone()), self.normalize_eps);
        let k = normalized(self.c_k.forward(x.clone()), self.normalize_eps);
        let v = self.c_v.forward(x.clone());
        // A = softmax(Q K^T / sqrt(n));  Y = A V
        let attention = softmax(matmul(q, k.swap_dims(1, 2)) / (n as f64).sqrt()); // [b, c, c]
        let mixed = matmul(attention.clone(), v); // [b, c, n]
        // Z: the transpose [b, n, c], whose memory is read again as [b, c, n]
        let scrambled = if self.reinterpret {
            mixed.clone().swap_dims(1, 2).reshape([b, c, n])
        } else {
            mixed.clone()
        };
        // out = LN(Dropout(Z)) + X
        let dropped = match dropout {
            Some(factors) => scrambled.clone() * factors,
            None => scrambled.clone(),
        };
        let out = self.norm.forward(dropped) + x;
        Attended { attention, mixed, scrambled, out }
    }
}

/// `v / max(|v|, eps)` over the last dimension.
fn normalized(v: Tensor<3>, eps: f64) -> Tensor<3> {
    let squared = (v.clone() * v.clone()).sum_dim(2);
    v / squared.clamp_min(eps * eps).sqrt()
}

impl Enhancement {
    /// An empty convolution of `c` to `d` channels over a grid of that side.
    pub fn new(c: usize, d: usize, grid: usize, device: &Device) -> Self {
        Self { conv: Conv::new([c, d, 3], 1, 1, false, device), grid }
    }

    /// (6): `[b, c, n] -> [b, n, d]`; position `p` stands in row `p / grid`, column `p % grid`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [b, c, n] = x.dims();
        let y = self.conv.forward(x.reshape([b, c, self.grid, self.grid]));
        let [_, d, _, _] = y.dims();
        y.reshape([b, d, n]).swap_dims(1, 2)
    }
}

impl QualityHead {
    /// (7): `[b, n, d] -> [b]`: `w2 . Dropout(GELU(W1 mean_n(F) + b1)) + b2`
    fn forward(&self, f: Tensor<3>, dropout: Option<Tensor<2>>) -> Tensor<1> {
        let [b, _, d] = f.dims();
        let hidden = gelu(self.layers._0.forward(f.mean_dim(1).reshape([b, d])));
        let hidden = match dropout {
            Some(factors) => hidden * factors,
            None => hidden,
        };
        self.layers._3.forward(hidden).reshape([b])
    }
}

/// Prefixes of older checkpoints and what stands for them here; the first that fits wins.
const OLD_PREFIXES: [(&str, &str); 16] = [
    ("transformer.", "vgfe.backbone."),
    ("cnn.", "clfe.backbone."),
    ("patch_embed1.", "clfe.patch_embed1."),
    ("patch_embed2.", "clfe.patch_embed2."),
    ("patch_embed3.", "clfe.patch_embed3."),
    ("att_cnn.", "local_cwsa."),
    ("proj.", "local_projection."),
    ("fusion1.", "cwsa1."),
    ("fusion2.", "cwsa2."),
    ("fusion3.", "cwsa3."),
    ("fusion4.", "cwsa4."),
    ("conv1.", "siem1.conv."),
    ("conv2.", "siem2.conv."),
    ("conv3.", "siem3.conv."),
    ("conv4.", "siem4.conv."),
    ("out.", "quality_head.layers."),
];

/// The names of a checkpoint of any release as this network has them.
pub fn renamed(arrays: Arrays) -> Arrays {
    let plain = |name: String| {
        let name = name.strip_prefix("module.").unwrap_or(&name);
        let new = OLD_PREFIXES
            .iter()
            .find_map(|(old, new)| name.strip_prefix(old).map(|rest| format!("{new}{rest}")));
        new.unwrap_or_else(|| name.to_owned())
    };
    arrays.into_iter().map(|(name, array)| (plain(name), array)).collect()
}

/// The arrays of a checkpoint, ready to load: names of any release, and zeros for those parts of
/// the transformer that have no part in the score where the file lacks them (its last norm, its
/// classifier, the blocks after the last one used).
pub fn checkpoint_arrays(arrays: Arrays, net: &GlintIqa) -> Arrays {
    let mut all = renamed(arrays);
    visit(net, |name, value| {
        if net.is_unused(name) && !all.contains_key(name) {
            let data = vec![0.0; value.shape.iter().product()];
            all.insert(name.to_owned(), Array { shape: value.shape, data });
        }
    });
    all
}

impl GlintIqa {
    /// Whether a parameter has no part in the score.
    pub fn is_unused(&self, name: &str) -> bool {
        let Some(name) = name.strip_prefix("vgfe.backbone.") else { return false };
        let block = name.strip_prefix("blocks.").and_then(|rest| rest.split('.').next());
        let last = self.indices.iter().max().copied().unwrap_or(0);
        name.starts_with("norm.")
            || name.starts_with("head.")
            || block.and_then(|i| i.parse::<usize>().ok()).is_some_and(|i| i > last)
    }
}

#[cfg(test)]
mod tests;
