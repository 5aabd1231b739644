//! The encoder of DEIQT's family: a DeiT III (Touvron et al., ECCV 2022) under its authors' names.
//!
//! It is the vision transformer of [`super::vit`] with two differences: LayerScale is part of the
//! block (`gamma_1`, `gamma_2`), and positions are added to the patches alone, not to the class
//! token. Sources: `papers/deiqt.md` (2) to (5), `papers/csiqa.md` (1) and (2).
//!
//! Shapes: `b` images, `p` patches, `n` tokens (summary tokens first), `d` channels, `h` heads.

use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, Tensor};

use super::layers::{LayerNorm, param};
use super::vit::{Attention, Mlp, PatchEmbed, VitConfig, hidden};
use crate::weights::{Array, Arrays};

/// An encoder block: attention and MLP, each behind a norm, scaled by channel, around a skip.
#[derive(Module, Debug)]
pub struct Block {
    gamma_1: Param<Tensor<1>>,
    gamma_2: Param<Tensor<1>>,
    norm1: LayerNorm,
    attn: Attention,
    norm2: LayerNorm,
    mlp: Mlp,
}

impl Block {
    /// An empty block.
    pub fn new(config: &VitConfig, device: &Device) -> Self {
        let VitConfig { embed_dim: d, num_heads, mlp_ratio, qkv_bias, norm_eps, .. } = *config;
        Self {
            gamma_1: param([d], device),
            gamma_2: param([d], device),
            norm1: LayerNorm::new(d, norm_eps, device),
            attn: Attention::new(d, num_heads, qkv_bias, device),
            norm2: LayerNorm::new(d, norm_eps, device),
            mlp: Mlp::new(d, hidden(d, mlp_ratio), device),
        }
    }

    /// `[b, n, d] -> [b, n, d]`; `hidden` as in [`Attention::forward`].
    pub fn forward(&self, x: Tensor<3>, hidden: Option<Tensor<4, Bool>>) -> Tensor<3> {
        // deiqt (5):  z <- z + gamma_1 Attn(LN(z));  z <- z + gamma_2 MLP(LN(z))
        let y = self.attn.forward(self.norm1.forward(x.clone()), hidden);
        let x = x + y * self.gamma_1.val().unsqueeze();
        let y = self.mlp.forward(self.norm2.forward(x.clone()));
        x + y * self.gamma_2.val().unsqueeze()
    }

    /// `[b, n, d] -> [b, h, n]`: the attention of token 0 in this block, for the block's input.
    pub fn first_row(&self, x: Tensor<3>) -> Tensor<3> {
        self.attn.first_row(self.norm1.forward(x))
    }
}

/// The blocks of an encoder, empty.
pub fn blocks(config: &VitConfig, device: &Device) -> Vec<Block> {
    (0..config.depth).map(|_| Block::new(config, device)).collect()
}

/// `z_0 = [summary tokens ; patches + positions]` (deiqt (2), csiqa (1)).
///
/// `summaries` of `[1, 1, d]` in token order, `patches [b, p, d]`, `positions [1, p, d]`.
pub fn tokens<const S: usize>(
    summaries: [&Param<Tensor<3>>; S],
    patches: Tensor<3>,
    positions: &Param<Tensor<3>>,
) -> Tensor<3> {
    let [b, _, d] = patches.dims();
    let mut parts: Vec<_> = summaries.iter().map(|t| t.val().expand([b, 1, d])).collect();
    parts.push(patches + positions.val());
    Tensor::cat(parts, 1)
}

/// The patch embedding of an encoder, empty.
pub fn patch_embed(config: &VitConfig, device: &Device) -> PatchEmbed {
    PatchEmbed::new(config.embed_dim, config.patch_size, device)
}

/// A picture's patches, `[b, 3, side, side] -> [b, p, d]`.
///
/// # Panics
/// Where the picture is of another size than its positions are for.
pub fn patches(embed: &PatchEmbed, x: Tensor<4>, side: usize) -> Tensor<3> {
    let [_, _, height, width] = x.dims();
    assert!(
        [height, width] == [side; 2],
        "a picture of {width} x {height} pixels; the network takes {side} x {side}"
    );
    embed.forward(x)
}

/// The encoder's tensors out of a pre-trained file, under the names of this family.
///
/// Taken as they come: the DeiT III authors' files (`gamma_1`). Renamed: timm's DeiT III
/// (`ls1.gamma`). Converted to the same function: a plain ViT of timm, whose class token has a
/// position (it is added to the token) and whose blocks have no LayerScale (the scales become 1).
/// The classifier (`head.weight`, `head.bias`) is left out by name. Every other tensor is handed
/// on, so that the loader names what is missing, unused or misshapen.
pub fn encoder_arrays(arrays: Arrays, config: &VitConfig) -> Arrays {
    let mut found: Arrays = arrays
        .into_iter()
        .filter(|(name, _)| !["head.weight", "head.bias"].contains(&name.as_str()))
        .map(|(name, array)| (renamed(&name), array))
        .collect();
    let plain = give_the_class_token_its_position(&mut found, config);
    if plain && !found.keys().any(|name| name.ends_with(".gamma_1") || name.ends_with(".gamma_2")) {
        for i in 0..config.depth {
            for gamma in ["gamma_1", "gamma_2"] {
                let d = config.embed_dim;
                let ones = Array { shape: vec![d], data: vec![1.0; d] };
                found.insert(format!("blocks.{i}.{gamma}"), ones);
            }
        }
    }
    found
}

/// timm calls LayerScale `ls1.gamma`, the DeiT authors `gamma_1`.
fn renamed(name: &str) -> String {
    name.replace(".ls1.gamma", ".gamma_1").replace(".ls2.gamma", ".gamma_2")
}

/// A `pos_embed` of `p + 1` positions loses the first, which is added to `cls_token`. Whether it had
/// so many.
fn give_the_class_token_its_position(arrays: &mut Arrays, config: &VitConfig) -> bool {
    let (p, d) = (config.patches(), config.embed_dim);
    let shaped = |name: &str, shape: &[usize]| arrays.get(name).is_some_and(|a| a.shape == shape);
    if !shaped("pos_embed", &[1, p + 1, d]) || !shaped("cls_token", &[1, 1, d]) {
        return false;
    }
    let (Some(positions), Some(mut token)) =
        (arrays.remove("pos_embed"), arrays.remove("cls_token"))
    else {
        return false;
    };
    for (t, position) in token.data.iter_mut().zip(&positions.data) {
        *t += position;
    }
    let patches = Array { shape: vec![1, p, d], data: positions.data[d..].to_vec() };
    arrays.insert("pos_embed".to_owned(), patches);
    arrays.insert("cls_token".to_owned(), token);
    true
}
