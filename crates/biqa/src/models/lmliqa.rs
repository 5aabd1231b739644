//! LML-IQA: DEIQT trained so that the crops of one picture stay apart (contrastive local manifold
//! learning).
//!
//! Huang, Hu, Gao, Zhang, Shen, Li, "Contrastive Local Manifold Learning for No-Reference Image
//! Quality Assessment", arXiv 2406.19247. Section numbers are those of `papers/lml-iqa.md`. At
//! inference it is DEIQT, in cost and form; the projection serves training alone.
//!
//! Shapes: `b` pictures, `p` patches, `n = p + 1` tokens (class token first), `d` channels, `h`
//! heads, `e` numbers of an embedding.

use std::fmt;

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::deiqt::DeiqtConfig;
use crate::nn::decoder::{DecoderConfig, PanelHead};
use crate::nn::deit::{self, Block};
use crate::nn::layers::{LayerNorm, Linear, param, unit};
use crate::nn::numbers;
use crate::nn::vit::{PatchEmbed, VitConfig};

/// Hidden channels of the decoder's MLP over the width, whatever the encoder's ratio (section 3).
const DECODER_MLP_RATIO: f64 = 4.0;

/// Sizes of the network, by the specification's keys; the defaults are its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LmlIqaConfig {
    /// The encoder: its sizes, or a name of timm's.
    #[serde(deserialize_with = "named_or_sizes")]
    pub encoder: LmlEncoder,
    /// Queries of the decoder (the panel).
    pub queries: usize,
    /// Heads of the decoder.
    pub dec_heads: usize,
    /// Numbers of an embedding; 0 for a network without the projection, which only scores.
    pub proj_dim: usize,
}

/// Sizes of the encoder, under this specification's names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LmlEncoder {
    /// Side of a crop, in pixels. Positions are fixed: no other size goes through.
    pub img_size: usize,
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Channels of a token.
    pub embed_dim: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of a block.
    pub num_heads: usize,
    /// Hidden channels of a block's MLP over `embed_dim`.
    #[serde(serialize_with = "crate::nn::vit::serialize_ratio")]
    pub mlp_ratio: f64,
}

/// Section 8 has the encoder by its name.
fn named_or_sizes<'de, D: Deserializer<'de>>(from: D) -> Result<LmlEncoder, D::Error> {
    struct NamedOrSizes;
    impl<'de> Visitor<'de> for NamedOrSizes {
        type Value = LmlEncoder;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an encoder's name, such as vit_small_patch16_224, or its sizes")
        }

        fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<LmlEncoder, E> {
            LmlEncoder::named(name).map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LmlEncoder, A::Error> {
            LmlEncoder::deserialize(MapAccessDeserializer::new(map))
        }
    }
    from.deserialize_any(NamedOrSizes)
}

impl Default for LmlEncoder {
    /// `vit_small_patch16_224` with LayerScale.
    fn default() -> Self {
        Self::of(&DeiqtConfig::default())
    }
}

impl LmlEncoder {
    fn named(name: &str) -> Result<Self, String> {
        let of = |embed_dim, num_heads| Self { embed_dim, num_heads, ..Self::default() };
        match name {
            "vit_tiny_patch16_224" => Ok(of(192, 3)),
            "vit_small_patch16_224" => Ok(of(384, 6)),
            "vit_base_patch16_224" => Ok(of(768, 12)),
            other => Err(format!(
                "no encoder is called {other:?}; known: vit_tiny_patch16_224, vit_small_patch16_224, \
                 vit_base_patch16_224, or give its sizes"
            )),
        }
    }

    fn of(base: &DeiqtConfig) -> Self {
        let DeiqtConfig { image_size, patch_size, embed_dim, depth, num_heads, mlp_ratio, .. } =
            *base;
        Self { img_size: image_size, patch_size, embed_dim, depth, num_heads, mlp_ratio }
    }
}

impl Default for LmlIqaConfig {
    fn default() -> Self {
        Self { encoder: LmlEncoder::default(), queries: 6, dec_heads: 6, proj_dim: 128 }
    }
}

impl LmlIqaConfig {
    /// A named set of sizes, as [`DeiqtConfig::preset`] has them.
    pub fn preset(name: &str) -> Option<Self> {
        let base = DeiqtConfig::preset(name)?;
        Some(Self {
            encoder: LmlEncoder::of(&base),
            queries: base.panel,
            dec_heads: base.decoder_heads,
            proj_dim: if name == "smoke" { 8 } else { Self::default().proj_dim },
        })
    }

    /// The encoder's sizes.
    pub fn encoder(&self) -> VitConfig {
        let LmlEncoder { img_size, patch_size, embed_dim, depth, num_heads, mlp_ratio } =
            self.encoder;
        VitConfig {
            image_size: img_size,
            patch_size,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio,
            num_classes: 0,
            layer_scale: true,
            ..VitConfig::default()
        }
    }

    /// The decoder's sizes: one layer.
    pub fn decoder(&self) -> DecoderConfig {
        DecoderConfig {
            embed_dim: self.encoder.embed_dim,
            depth: 1,
            heads: self.dec_heads,
            mlp_ratio: DECODER_MLP_RATIO,
            norm_eps: 1e-5, // PyTorch's default
        }
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        if self.queries == 0 {
            return Err("queries must be at least 1".to_owned());
        }
        let (d, proj) = (self.encoder.embed_dim, self.proj_dim);
        numbers::check("the head", &[&[self.queries, d], &[d, d], &[d, proj]])?;
        self.encoder().check()?;
        self.decoder().check()
    }
}

/// The network.
#[derive(Module, Debug)]
pub struct LmlIqa {
    /// `[1, 1, d]`, without a position.
    cls_token: Param<Tensor<3>>,
    /// `[1, p, d]`: the patches' positions.
    pos_embed: Param<Tensor<3>>,
    patch_embed: PatchEmbed,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: PanelHead,
    proj: Option<Projection>,
    side: usize,
}

/// From the class token to an embedding.
#[derive(Module, Debug)]
pub struct Projection {
    fc1: Linear,
    fc2: Linear,
}

/// What the parts of a forward pass gave.
pub struct LmlIqaOutput {
    /// `[b, n, d]`: what the last block started from.
    pub before_last: Tensor<3>,
    /// `[b, n, d]` after the last norm.
    pub tokens: Tensor<3>,
    /// `[b]`: scores in units of the labels.
    pub score: Tensor<1>,
}

impl LmlIqa {
    /// An empty network. `config` must have passed [`LmlIqaConfig::check`].
    pub fn new(config: &LmlIqaConfig, device: &Device) -> Self {
        let encoder = config.encoder();
        let d = encoder.embed_dim;
        let projection = || Projection {
            fc1: Linear::new(d, d, true, device),
            fc2: Linear::new(d, config.proj_dim, true, device),
        };
        Self {
            cls_token: param([1, 1, d], device),
            pos_embed: param([1, encoder.patches(), d], device),
            patch_embed: deit::patch_embed(&encoder, device),
            blocks: deit::blocks(&encoder, device),
            norm: LayerNorm::new(d, encoder.norm_eps, device),
            head: PanelHead::new(config.queries, &config.decoder(), device),
            proj: (config.proj_dim > 0).then(projection),
            side: config.encoder.img_size,
        }
    }

    /// Side of a crop, in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// `[b, 3, size, size]`, normalised, to tokens and scores.
    pub fn forward(&self, x: Tensor<4>) -> LmlIqaOutput {
        let before_last = self.before_last(x);
        let z = match self.blocks.last() {
            Some(block) => block.forward(before_last.clone(), None),
            None => before_last.clone(),
        };
        let tokens = self.norm.forward(z);
        let score = self.head.forward(tokens.clone()).score;
        LmlIqaOutput { before_last, tokens, score }
    }

    /// `[b, 3, size, size] -> [b, n, d]`: what the last block starts from.
    pub fn before_last(&self, x: Tensor<4>) -> Tensor<3> {
        let patches = deit::patches(&self.patch_embed, x, self.side);
        let input = deit::tokens([&self.cls_token], patches, &self.pos_embed);
        let first = self.blocks.len().saturating_sub(1);
        self.blocks[..first].iter().fold(input, |z, block| block.forward(z, None))
    }

    /// `[b, n, d]`, what the last block starts from, to `[b, h, n]`: how the class token spreads
    /// its attention over all tokens there, by head (section 3). `None` without blocks.
    pub fn class_attention(&self, before_last: Tensor<3>) -> Option<Tensor<3>> {
        self.blocks.last().map(|block| block.first_row(before_last))
    }

    /// `[b, n, d]`, tokens after the last norm, to unit embeddings `[b, e]` of the class token.
    /// `None` without the projection.
    pub fn embedding(&self, tokens: Tensor<3>) -> Option<Tensor<2>> {
        let [b, _, d] = tokens.dims();
        let class = tokens.narrow(1, 0, 1).reshape([b, d]);
        let Projection { fc1, fc2 } = self.proj.as_ref()?;
        Some(unit(fc2.forward(relu(fc1.forward(class)))))
    }

    /// `[b, 3, size, size] -> [b]`: scores in units of the labels.
    pub fn score(&self, x: Tensor<4>) -> Tensor<1> {
        self.forward(x).score
    }
}

#[cfg(test)]
#[path = "lmliqa_tests.rs"]
mod tests;
