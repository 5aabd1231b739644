//! CSIQA: DEIQT with a second summary token, the local token, and without a panel.
//!
//! Li, Hu, Zheng, Zhang, Zhang, Zheng, Li, Shen, Liu, Dai, Ji, "Integrating Global Context Contrast
//! and Local Sensitivity for Blind Image Quality Assessment", ICML 2024. Equation numbers are
//! those of `papers/csiqa.md`. Masks and contrast belong to training: [`crate::nn::mask`] and the
//! lab have them.
//!
//! Shapes: `b` crops, `p` patches, `n = p + 2` tokens (local, class, patches), `d` channels, `h`
//! heads.

use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::deiqt::DeiqtConfig;
use crate::nn::decoder::{Decoder, DecoderConfig};
use crate::nn::deit::{self, Block};
use crate::nn::layers::{LayerNorm, Linear, param};
use crate::nn::mask;
use crate::nn::vit::{PatchEmbed, VitConfig};
use crate::weights::Arrays;

/// Sizes of the network, by the specification's keys; the defaults are the paper's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsiqaConfig {
    /// Side of a crop, in pixels. Positions are fixed: no other size goes through.
    pub image_size: usize,
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Channels of a token.
    pub embed_dim: usize,
    /// Encoder blocks.
    pub depth: usize,
    /// Heads of an encoder block.
    pub num_heads: usize,
    /// Hidden channels of an encoder block's MLP over `embed_dim`.
    #[serde(serialize_with = "crate::nn::vit::serialize_ratio")]
    pub mlp_ratio: f64,
    /// Whether the q, k, v projection of an encoder block has a bias.
    pub qkv_bias: bool,
    /// Epsilon of the encoder's norms.
    pub encoder_norm_eps: f64,
    /// Epsilon of the decoder's norms.
    pub decoder_norm_eps: f64,
    /// Decoder layers.
    pub decoder_depth: usize,
    /// Heads of a decoder layer.
    pub decoder_heads: usize,
    /// Hidden channels of a decoder layer's MLP over `embed_dim`.
    #[serde(serialize_with = "crate::nn::vit::serialize_ratio")]
    pub decoder_mlp_ratio: f64,
    /// What LayerScale starts at where no pre-trained file sets it.
    pub layer_scale_init: f64,
    /// What of the mask stays in evaluation (eq. 6).
    pub mask_eval: MaskEval,
}

/// The mask in evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskEval {
    /// None, as in the released code: every token reads the local token.
    #[default]
    None,
    /// The local token stays hidden from the others.
    Structural,
}

impl Default for CsiqaConfig {
    fn default() -> Self {
        Self::of(DeiqtConfig::default(), MaskEval::None)
    }
}

impl CsiqaConfig {
    /// The sizes that it shares with DEIQT.
    fn of(base: DeiqtConfig, mask_eval: MaskEval) -> Self {
        let DeiqtConfig { image_size, patch_size, embed_dim, depth, num_heads, .. } = base;
        Self {
            image_size,
            patch_size,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio: base.mlp_ratio,
            qkv_bias: base.qkv_bias,
            encoder_norm_eps: base.encoder_norm_eps,
            decoder_norm_eps: base.decoder_norm_eps,
            decoder_depth: base.decoder_depth,
            decoder_heads: base.decoder_heads,
            decoder_mlp_ratio: base.decoder_mlp_ratio,
            layer_scale_init: base.layer_scale_init,
            mask_eval,
        }
    }

    /// A named set of sizes, as [`DeiqtConfig::preset`] has them.
    pub fn preset(name: &str) -> Option<Self> {
        DeiqtConfig::preset(name).map(|base| Self::of(base, MaskEval::None))
    }

    /// DEIQT of these sizes; it has no panel here.
    fn base(&self) -> DeiqtConfig {
        let Self { image_size, patch_size, embed_dim, depth, num_heads, .. } = *self;
        DeiqtConfig {
            image_size,
            patch_size,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio: self.mlp_ratio,
            qkv_bias: self.qkv_bias,
            encoder_norm_eps: self.encoder_norm_eps,
            decoder_norm_eps: self.decoder_norm_eps,
            panel: 1,
            decoder_depth: self.decoder_depth,
            decoder_heads: self.decoder_heads,
            decoder_mlp_ratio: self.decoder_mlp_ratio,
            layer_scale_init: self.layer_scale_init,
        }
    }

    /// The encoder's sizes.
    pub fn encoder(&self) -> VitConfig {
        self.base().encoder()
    }

    /// The decoder's sizes.
    pub fn decoder(&self) -> DecoderConfig {
        self.base().decoder()
    }

    /// `n`: tokens of the encoder.
    pub fn tokens(&self) -> usize {
        self.encoder().patches() + 2
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        self.base().check()
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Csiqa {
    /// `[1, 1, d]`, without a position.
    cls_token: Param<Tensor<3>>,
    /// `[1, 1, d]`, without a position.
    local_token: Param<Tensor<3>>,
    /// `[1, p, d]`: the patches' positions.
    pos_embed: Param<Tensor<3>>,
    patch_embed: PatchEmbed,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Head,
    structural: bool,
    side: usize,
}

/// The decoder over either summary, and one linear layer over both results.
#[derive(Module, Debug)]
pub struct Head {
    bunch_decoder: Decoder,
    /// `[1, 2 d]`: the class token's part, then the local token's; no bias.
    heads1: Linear,
}

/// What the parts of a forward pass gave.
pub struct CsiqaOutput {
    /// `[b, p, d]`
    pub patches: Tensor<3>,
    /// `[b, n, d]`: summary tokens and positions added.
    pub input: Tensor<3>,
    /// `[b, n, d]` after each block.
    pub blocks: Vec<Tensor<3>>,
    /// `[b, n, d]` after the last norm.
    pub norm: Tensor<3>,
    /// `[b, 1, d]`: the decoder's answer to the class token.
    pub decoder_cls: Tensor<3>,
    /// `[b, 1, d]`: and to the local token.
    pub decoder_local: Tensor<3>,
    /// `[b]`: scores in units of the labels.
    pub score: Tensor<1>,
}

/// Tensors of a released checkpoint that no computation uses (section 4). They are passed over;
/// any other unknown name is an error.
pub const UNUSED: [&str; 7] = [
    "patch_embed.proj1.weight",
    "logit_scale",
    "proj1",
    "head_project.0.weight",
    "head_project.0.bias",
    "head_project.2.weight",
    "head_project.2.bias",
];

/// The arrays without those of [`UNUSED`].
pub fn used(mut arrays: Arrays) -> Arrays {
    arrays.retain(|name, _| !UNUSED.contains(&name.as_str()));
    arrays
}

impl Csiqa {
    /// An empty network. `config` must have passed [`CsiqaConfig::check`].
    pub fn new(config: &CsiqaConfig, device: &Device) -> Self {
        let encoder = config.encoder();
        let d = encoder.embed_dim;
        Self {
            cls_token: param([1, 1, d], device),
            local_token: param([1, 1, d], device),
            pos_embed: param([1, encoder.patches(), d], device),
            patch_embed: deit::patch_embed(&encoder, device),
            blocks: deit::blocks(&encoder, device),
            norm: LayerNorm::new(d, encoder.norm_eps, device),
            head: Head {
                bunch_decoder: Decoder::new(&config.decoder(), device),
                heads1: Linear::new(2 * d, 1, false, device),
            },
            structural: config.mask_eval == MaskEval::Structural,
            side: config.image_size,
        }
    }

    /// Side of a crop, in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// `[b, 3, size, size]`, normalised, to every intermediate result, in evaluation mode.
    pub fn forward(&self, x: Tensor<4>) -> CsiqaOutput {
        let n = self.pos_embed.dims()[1] + 2;
        let structural = self.structural.then(|| mask::structural(n, &x.device()));
        self.forward_masked(x, |_| structural.clone())
    }

    /// The same with a mask of the caller's for every block, by its index: what
    /// [`crate::nn::vit::Attention::forward`] takes.
    pub fn forward_masked(
        &self,
        x: Tensor<4>,
        hidden: impl Fn(usize) -> Option<Tensor<4, Bool>>,
    ) -> CsiqaOutput {
        // (1):  z_0 = [local ; cls ; t + pos]
        let patches = deit::patches(&self.patch_embed, x, self.side);
        let summaries = [&self.local_token, &self.cls_token];
        let input = deit::tokens(summaries, patches.clone(), &self.pos_embed);
        let [b, n, d] = input.dims();

        // (2) in every block, with a mask of its own (5)
        let mut z = input.clone();
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for (i, block) in self.blocks.iter().enumerate() {
            z = block.forward(z, hidden(i));
            blocks.push(z.clone());
        }
        let norm = self.norm.forward(z);

        // (7):  a = Dec(z_cls ; mem), b = Dec(z_local ; mem)
        let [local, class] = [0, 1].map(|i| norm.clone().narrow(1, i, 1));
        let memory = norm.clone().narrow(1, 2, n - 2);
        let [decoder_cls, decoder_local] = self.head.bunch_decoder.forward([class, local], &memory);
        // (8):  score = W [a ; b]
        let both = Tensor::cat(vec![decoder_cls.clone(), decoder_local.clone()], 2); // [b, 1, 2d]
        let score = self.head.heads1.forward(both.reshape([b, 2 * d])).reshape([b]);
        CsiqaOutput { patches, input, blocks, norm, decoder_cls, decoder_local, score }
    }

    /// `[b, 3, size, size] -> [b]`: scores in units of the labels.
    pub fn score(&self, x: Tensor<4>) -> Tensor<1> {
        self.forward(x).score
    }
}

#[cfg(test)]
#[path = "csiqa_tests.rs"]
mod tests;
