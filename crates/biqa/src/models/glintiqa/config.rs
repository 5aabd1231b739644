//! The keys of GlintIQA's network (`papers/glintiqa.md`, section 6).

use serde::{Deserialize, Serialize};

use super::{CNN_STAGES, STAGES};
use crate::nn::layers::BATCH_NORM_EPS;
use crate::nn::numbers;
use crate::nn::resnet::ResNetConfig;
use crate::nn::vit::VitConfig;

/// Sizes and switches of the network, by the specification's keys; the defaults are the code's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GlintIqaConfig {
    /// Side of a crop, in pixels. Positions are fixed: no other size goes through.
    pub image_size: usize,
    /// Side of a patch, in pixels: a multiple of 16.
    pub patch_size: usize,
    /// Channels of a token.
    pub embed_dim: usize,
    /// Blocks of the transformer.
    pub depth: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Hidden channels of an MLP over `embed_dim`.
    #[serde(serialize_with = "crate::nn::vit::serialize_ratio")]
    pub mlp_ratio: f64,
    /// Whether the q, k, v projection has a bias.
    pub qkv_bias: bool,
    /// Outputs of the transformer's classifier, which the score does not use.
    pub num_classes: usize,
    /// The blocks whose outputs are used, from 0, rising: four.
    pub feature_indices: Vec<usize>,
    /// Bottlenecks of the ResNet's three stages.
    pub cnn_layers: Vec<usize>,
    /// Planes of its stem and first stage.
    pub cnn_width: usize,
    /// Whether the attended channels are read again in another memory order, as the code does
    /// (key `cwsa.reinterpret`). Released checkpoints need it.
    #[serde(rename = "cwsa.reinterpret")]
    pub reinterpret: bool,
    /// Epsilon of the norms of the channel attention.
    pub cwsa_norm_eps: f64,
    /// Least length by which queries and keys are divided.
    pub normalize_eps: f64,
    /// Epsilon of the transformer's norms.
    pub vit_norm_eps: f64,
    /// Epsilon of the ResNet's norms.
    pub bn_eps: f64,
}

impl Default for GlintIqaConfig {
    fn default() -> Self {
        Self {
            image_size: 224,
            patch_size: 16,
            embed_dim: 384,
            depth: 12,
            num_heads: 6,
            mlp_ratio: 4.0,
            qkv_bias: true,
            num_classes: 1000,
            feature_indices: vec![6, 7, 8, 9],
            cnn_layers: vec![3, 4, 6],
            cnn_width: 64,
            reinterpret: true,
            cwsa_norm_eps: 1e-5,
            normalize_eps: 1e-12,
            vit_norm_eps: 1e-6,
            bn_eps: BATCH_NORM_EPS,
        }
    }
}

impl GlintIqaConfig {
    /// A named set of sizes.
    ///
    /// `paper`: ViT-S/16 and ResNet-50 at 224 pixels. `base`: the same with ViT-B/16. `tiny`: ViT-Ti
    /// and a ResNet of a quarter of the planes, for machines without an accelerator. `smoke`: a
    /// few thousand numbers, for tests of the machinery.
    pub fn preset(name: &str) -> Option<Self> {
        let paper = Self::default();
        match name {
            "paper" => Some(paper),
            "base" => Some(Self { embed_dim: 768, num_heads: 12, ..paper }),
            "tiny" => Some(Self { embed_dim: 192, num_heads: 3, cnn_width: 16, ..paper }),
            "smoke" => Some(Self {
                image_size: 32,
                embed_dim: 12,
                depth: 5,
                num_heads: 2,
                mlp_ratio: 2.0,
                num_classes: 3,
                feature_indices: vec![0, 1, 2, 3],
                cnn_layers: vec![1; 3],
                cnn_width: 4,
                ..paper
            }),
            _ => None,
        }
    }

    /// Patches along one side.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// The transformer's sizes.
    pub fn vit(&self) -> VitConfig {
        VitConfig {
            image_size: self.image_size,
            patch_size: self.patch_size,
            embed_dim: self.embed_dim,
            depth: self.depth,
            num_heads: self.num_heads,
            mlp_ratio: self.mlp_ratio,
            qkv_bias: self.qkv_bias,
            norm_eps: self.vit_norm_eps,
            num_classes: self.num_classes,
            layer_scale: false,
        }
    }

    /// The ResNet's sizes.
    pub fn resnet(&self) -> ResNetConfig {
        let (layers, width) = (self.cnn_layers.clone(), self.cnn_width);
        ResNetConfig { layers, width, num_classes: 0, bn_eps: self.bn_eps }
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        self.vit().check()?;
        let Self { patch_size, depth, .. } = *self;
        // Patch embeddings of the ResNet have kernels of a quarter to a sixteenth of a patch.
        if !patch_size.is_multiple_of(16) {
            return Err(format!("patch_size {patch_size} is no multiple of 16"));
        }
        let known = self.feature_indices.iter().all(|&i| i < depth);
        if self.feature_indices.len() != STAGES || !known {
            let found = &self.feature_indices;
            return Err(format!(
                "feature_indices must be 4 numbers below {depth}, found {found:?}"
            ));
        }
        if self.cnn_layers.len() != CNN_STAGES {
            return Err(format!("cnn_layers must be 3 numbers, found {:?}", self.cnn_layers));
        }
        self.resnet().check()?;
        // Five channel attentions of tokens by tokens, three times; four SIEM; embeddings of CNN maps.
        let (d, p, w, grid) = (self.embed_dim, patch_size / 4, self.cnn_width, self.vit().grid());
        let cwsa: [usize; 5] = [15, grid, grid, grid, grid];
        numbers::check("the head", &[&cwsa, &[72, d, d], &[12, w, p, p, d]])
    }
}
