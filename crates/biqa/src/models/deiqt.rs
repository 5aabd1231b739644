//! DEIQT: a vision transformer whose class token is judged by a panel of decoder queries.
//!
//! Qin, Hu, Liu, Zheng, Liu, Li, Zhang, "Data-Efficient Image Quality Assessment with
//! Attention-Panel Decoder", AAAI 2023. Equation numbers are those of `papers/deiqt.md`.
//!
//! Shapes: `b` crops, `p` patches, `n = p + 1` tokens (class token first), `d` channels, `k`
//! members of the panel.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::nn::decoder::{DecoderConfig, Panel, PanelHead};
use crate::nn::deit::{self, Block};
use crate::nn::layers::{LayerNorm, param};
use crate::nn::numbers;
use crate::nn::vit::{PatchEmbed, VitConfig};

/// Sizes of the network, by the specification's keys (`model.*`); the defaults are the paper's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeiqtConfig {
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
    /// Members of the panel.
    pub panel: usize,
    /// Decoder layers.
    pub decoder_depth: usize,
    /// Heads of a decoder layer.
    pub decoder_heads: usize,
    /// Hidden channels of a decoder layer's MLP over `embed_dim`.
    #[serde(serialize_with = "crate::nn::vit::serialize_ratio")]
    pub decoder_mlp_ratio: f64,
    /// What LayerScale starts at where no pre-trained file sets it.
    pub layer_scale_init: f64,
}

impl Default for DeiqtConfig {
    fn default() -> Self {
        let VitConfig { image_size, patch_size, embed_dim, depth, num_heads, .. } =
            VitConfig::default();
        Self {
            image_size,
            patch_size,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio: 4.0,
            qkv_bias: true,
            encoder_norm_eps: 1e-6,
            decoder_norm_eps: 1e-5, // PyTorch's default, which the code leaves as it is
            panel: 6,
            decoder_depth: 1,
            decoder_heads: 6,
            decoder_mlp_ratio: 4.0,
            layer_scale_init: 1e-4,
        }
    }
}

impl DeiqtConfig {
    /// A named set of sizes.
    ///
    /// `paper`: ViT-S/16 at 224 pixels. `tiny`: ViT-Ti/16 of 12 blocks at 224 pixels, for machines
    /// without an accelerator; the decoder keeps its 6 heads. `smoke`: a few thousand numbers, for
    /// tests of the machinery.
    pub fn preset(name: &str) -> Option<Self> {
        let paper = Self::default();
        match name {
            "paper" => Some(paper),
            "tiny" => Some(Self { embed_dim: 192, num_heads: 3, ..paper }),
            "smoke" => Some(Self {
                image_size: 32,
                patch_size: 8,
                embed_dim: 24,
                depth: 2,
                num_heads: 2,
                mlp_ratio: 2.0,
                panel: 3,
                decoder_heads: 2,
                decoder_mlp_ratio: 2.0,
                ..paper
            }),
            _ => None,
        }
    }

    /// The encoder's sizes.
    pub fn encoder(&self) -> VitConfig {
        let Self { image_size, patch_size, embed_dim, depth, num_heads, mlp_ratio, .. } = *self;
        let (qkv_bias, norm_eps) = (self.qkv_bias, self.encoder_norm_eps);
        VitConfig {
            image_size,
            patch_size,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio,
            qkv_bias,
            norm_eps,
            num_classes: 0,
            layer_scale: true,
        }
    }

    /// The decoder's sizes.
    pub fn decoder(&self) -> DecoderConfig {
        DecoderConfig {
            embed_dim: self.embed_dim,
            depth: self.decoder_depth,
            heads: self.decoder_heads,
            mlp_ratio: self.decoder_mlp_ratio,
            norm_eps: self.decoder_norm_eps,
        }
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        if self.panel == 0 {
            return Err("panel must be at least 1".to_owned());
        }
        numbers::check("the attention panel", &[&[self.panel, self.embed_dim]])?;
        self.encoder().check()?;
        self.decoder().check()
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct Deiqt {
    /// `[1, 1, d]`, without a position.
    cls_token: Param<Tensor<3>>,
    /// `[1, p, d]`: the patches' positions.
    pos_embed: Param<Tensor<3>>,
    patch_embed: PatchEmbed,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: PanelHead,
    side: usize,
}

/// What the parts of a forward pass gave.
pub struct DeiqtOutput {
    /// `[b, p, d]`
    pub patches: Tensor<3>,
    /// `[b, n, d]`: class token and positions added.
    pub input: Tensor<3>,
    /// `[b, n, d]` after each block.
    pub blocks: Vec<Tensor<3>>,
    /// `[b, n, d]` after the last norm.
    pub norm: Tensor<3>,
    /// The decoder's output, the members' scores, their mean.
    pub panel: Panel,
}

impl Deiqt {
    /// An empty network. `config` must have passed [`DeiqtConfig::check`].
    pub fn new(config: &DeiqtConfig, device: &Device) -> Self {
        let encoder = config.encoder();
        let d = encoder.embed_dim;
        Self {
            cls_token: param([1, 1, d], device),
            pos_embed: param([1, encoder.patches(), d], device),
            patch_embed: deit::patch_embed(&encoder, device),
            blocks: deit::blocks(&encoder, device),
            norm: LayerNorm::new(d, encoder.norm_eps, device),
            head: PanelHead::new(config.panel, &config.decoder(), device),
            side: config.image_size,
        }
    }

    /// Side of a crop, in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// `[b, 3, size, size]`, normalised, to every intermediate result.
    pub fn forward(&self, x: Tensor<4>) -> DeiqtOutput {
        // (1), (2):  z_0 = [cls ; t + pos]
        let patches = deit::patches(&self.patch_embed, x, self.side);
        let input = deit::tokens([&self.cls_token], patches.clone(), &self.pos_embed);

        // (3) to (5)
        let mut z = input.clone();
        let mut blocks = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            z = block.forward(z, None);
            blocks.push(z.clone());
        }

        // (6):  [ref ; mem] = LN(z_12);  (7) to (9) are the head's
        let norm = self.norm.forward(z);
        let panel = self.head.forward(norm.clone());
        DeiqtOutput { patches, input, blocks, norm, panel }
    }

    /// `[b, 3, size, size] -> [b]`: scores in units of the labels.
    pub fn score(&self, x: Tensor<4>) -> Tensor<1> {
        self.forward(x).panel.score
    }
}

#[cfg(test)]
#[path = "deiqt_tests.rs"]
mod tests;
