//! CrossViT (Chen, Fan, Panda, ICCV 2021): two vision transformers over two patch sizes whose class
//! tokens cross over after every stage. Names are timm's; equation and section numbers are those of
//! `papers/csfiqa.md`, section 3.
//!
//! Shapes: `b` images; of a branch: `s` side of its picture, `p` patches, `n = p + 1` tokens (class
//! token first), `d` channels, `h` heads. Branch 0 has the small patches, branch 1 the large ones.

// A field's leading underscore stands for a number in an `nn.Sequential` (see `weights::ParamPath`).
#![allow(clippy::used_underscore_binding)]

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize, Serializer};

use super::autocast::matmul;
use super::bicubic::bicubic;
use super::gelu::gelu;
use super::layers::{LayerNorm, Linear, param};
use super::numbers::{self, LAYER};
use super::rows::softmax;
use super::vit::{Block, PatchEmbed, VitConfig, check_ratio, hidden, serialize_ratio};
use crate::weights::Arrays;

/// Epsilon of every norm here (timm).
const NORM_EPS: f64 = 1e-6;

/// The branches, small patches first.
const BRANCHES: [usize; 2] = [0, 1];

/// Sizes of a CrossViT, a pair a branch; the defaults are timm's `crossvit_small_240`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrossVitConfig {
    /// Side of each branch's picture, in pixels.
    pub branch_size: [usize; 2],
    /// Side of a patch, in pixels.
    pub patch_size: [usize; 2],
    /// Channels of a token.
    pub embed_dim: [usize; 2],
    /// Of each stage: blocks of the small branch, of the large one, and cross blocks (0 and 1 both
    /// mean one, without and with an index in its name).
    pub depth: Vec<[usize; 3]>,
    /// Attention heads.
    pub num_heads: [usize; 2],
    /// Hidden channels of an MLP over `embed_dim`; the third, of the cross blocks, is unused.
    #[serde(serialize_with = "serialize_ratios")]
    pub mlp_ratio: [f64; 3],
}

impl Default for CrossVitConfig {
    fn default() -> Self {
        Self {
            branch_size: [240, 224],
            patch_size: [12, 16],
            embed_dim: [192, 384],
            depth: vec![[1, 4, 0]; 3],
            num_heads: [6, 6],
            mlp_ratio: [4.0, 4.0, 1.0],
        }
    }
}

fn serialize_ratios<S: Serializer>(ratios: &[f64; 3], to: S) -> Result<S::Ok, S::Error> {
    struct Ratio(f64);
    impl Serialize for Ratio {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            serialize_ratio(&self.0, to)
        }
    }
    ratios.map(Ratio).serialize(to)
}

impl CrossVitConfig {
    /// The sizes of a timm name (table 3.1).
    pub fn named(name: &str) -> Result<Self, String> {
        let of = |embed_dim, large_depth: usize, heads: usize, ratio: f64| Self {
            embed_dim,
            depth: vec![[1, large_depth, 0]; 3],
            num_heads: [heads; 2],
            mlp_ratio: [ratio, ratio, 1.0],
            ..Self::default()
        };
        match name {
            "crossvit_tiny_240" => Ok(of([96, 192], 4, 3, 4.0)),
            "crossvit_small_240" => Ok(of([192, 384], 4, 6, 4.0)),
            "crossvit_base_240" => Ok(of([384, 768], 4, 12, 4.0)),
            "crossvit_9_240" => Ok(of([128, 256], 3, 4, 3.0)),
            "crossvit_15_240" => Ok(of([192, 384], 5, 6, 3.0)),
            "crossvit_18_240" => Ok(of([224, 448], 6, 7, 3.0)),
            dagger if dagger.contains("dagger") => Err(format!(
                "{dagger} has a stem of three convolutions, which is not built; use the variant \
                 without \"dagger\""
            )),
            other => Err(format!(
                "no CrossViT is called {other:?}; known: crossvit_tiny_240, crossvit_small_240, \
                 crossvit_base_240, crossvit_9_240, crossvit_15_240, crossvit_18_240"
            )),
        }
    }

    /// Patches along one side of each branch's picture.
    pub fn grid(&self) -> [usize; 2] {
        BRANCHES.map(|b| self.branch_size[b] / self.patch_size[b])
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        for b in BRANCHES {
            let (s, p) = (self.branch_size[b], self.patch_size[b]);
            let (d, h) = (self.embed_dim[b], self.num_heads[b]);
            if [s, p, d, h].contains(&0) {
                return Err(format!("every size of branch {b} must be at least 1"));
            }
            check_ratio(d, self.mlp_ratio[b])?;
            if !s.is_multiple_of(p) {
                return Err(format!("branch_size {s} is no multiple of patch_size {p}"));
            }
            if !d.is_multiple_of(h) {
                return Err(format!("embed_dim {d} is no multiple of num_heads {h}"));
            }
            // Quirk Q1: timm drops an empty branch and so renames the other.
            if self.depth.is_empty() || self.depth.iter().any(|stage| stage[b] == 0) {
                return Err("depth needs a stage or more, and a block a branch in each".to_owned());
            }
            let (grid, mlp) = (s / p, hidden(d, self.mlp_ratio[b]));
            let outside: [&[usize]; 2] = [&[3, p, p, d], &[grid, grid, d]];
            numbers::check("the encoder", &outside)?;
            for &[small, large, cross] in &self.depth {
                let blocks = [small, large][b].saturating_add(cross).saturating_add(1);
                let stages = [self.depth.len(), blocks];
                let terms = [&[4, d, d][..], &[2, d, mlp], &[LAYER]];
                let terms = terms.map(|term| [&stages[..], term].concat());
                numbers::check("the encoder", &terms.each_ref().map(Vec::as_slice))?;
            }
        }
        Ok(())
    }

    fn block(&self, branch: usize) -> VitConfig {
        VitConfig {
            embed_dim: self.embed_dim[branch],
            num_heads: self.num_heads[branch],
            mlp_ratio: self.mlp_ratio[branch],
            norm_eps: NORM_EPS,
            ..VitConfig::default()
        }
    }
}

/// The network, without classifiers.
#[derive(Module, Debug)]
pub struct CrossVit {
    /// `[1, n, d]`, that of the class token included.
    pos_embed_0: Param<Tensor<3>>,
    /// `[1, 1, d]`
    cls_token_0: Param<Tensor<3>>,
    pos_embed_1: Param<Tensor<3>>,
    cls_token_1: Param<Tensor<3>>,
    patch_embed: Vec<PatchEmbed>,
    blocks: Vec<Stage>,
    norm: Vec<LayerNorm>,
    sizes: [usize; 2],
}

/// Blocks a branch, then the class tokens cross over.
#[derive(Module, Debug)]
struct Stage {
    blocks: Vec<Vec<Block>>,
    projs: Vec<Projection>,
    fusion: Vec<Fusion>,
    revert_projs: Vec<Projection>,
}

/// Norm, GELU, linear: indices 0 and 2 of an `nn.Sequential`.
#[derive(Module, Debug)]
struct Projection {
    _0: LayerNorm,
    _2: Linear,
}

/// Cross blocks of a branch, named without an index where the config counts none. There are two a
/// stage: their sizes don't matter.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)]
enum Fusion {
    One(CrossBlock),
    Row(Vec<CrossBlock>),
}

/// The first token asks all, itself included; there is no MLP.
#[derive(Module, Debug)]
struct CrossBlock {
    norm1: LayerNorm,
    attn: CrossAttention,
}

#[derive(Module, Debug)]
struct CrossAttention {
    wq: Linear,
    wk: Linear,
    wv: Linear,
    proj: Linear,
    heads: usize,
}

/// What the parts of a forward pass gave; pairs are of the small and the large branch.
pub struct CrossVitOutput {
    /// `[b, n, d]` each: `F^l`, the output of stage `l`, before the final norm.
    pub stages: Vec<[Tensor<3>; 2]>,
    /// `[b, n, d]` each: `X`, after the final norm.
    pub norm: [Tensor<3>; 2],
}

impl CrossVit {
    /// An empty network. `config` must have passed [`CrossVitConfig::check`].
    pub fn new(config: &CrossVitConfig, device: &Device) -> Self {
        let d = config.embed_dim;
        let tokens = config.grid().map(|side| side * side + 1);
        Self {
            pos_embed_0: param([1, tokens[0], d[0]], device),
            cls_token_0: param([1, 1, d[0]], device),
            pos_embed_1: param([1, tokens[1], d[1]], device),
            cls_token_1: param([1, 1, d[1]], device),
            patch_embed: BRANCHES
                .map(|b| PatchEmbed::new(d[b], config.patch_size[b], device))
                .into(),
            blocks: config.depth.iter().map(|depth| Stage::new(config, *depth, device)).collect(),
            norm: d.map(|d| LayerNorm::new(d, NORM_EPS, device)).into(),
            sizes: config.branch_size,
        }
    }

    /// `[b, 3, h, w]`, normalised, of any size, to every intermediate result.
    pub fn forward(&self, x: Tensor<4>) -> CrossVitOutput {
        let mut x = BRANCHES.map(|b| self.tokens(x.clone(), b));
        let mut stages = Vec::with_capacity(self.blocks.len());
        for stage in &self.blocks {
            x = stage.forward(x);
            stages.push(x.clone());
        }
        let norm = BRANCHES.map(|b| self.norm[b].forward(x[b].clone()));
        CrossVitOutput { stages, norm }
    }

    /// Steps 1 and 2 of section 3.2: `[b, 3, h, w] -> [b, n, d]` of a branch.
    fn tokens(&self, x: Tensor<4>, branch: usize) -> Tensor<3> {
        let side = self.sizes[branch];
        let patches = self.patch_embed[branch].forward(bicubic(x, side, side));
        let [b, _, d] = patches.dims();
        let (class, positions) = match branch {
            0 => (&self.cls_token_0, &self.pos_embed_0),
            _ => (&self.cls_token_1, &self.pos_embed_1),
        };
        Tensor::cat(vec![class.val().expand([b, 1, d]), patches], 1) + positions.val()
    }
}

impl Stage {
    fn new(config: &CrossVitConfig, depth: [usize; 3], device: &Device) -> Self {
        let d = config.embed_dim;
        let blocks = |b: usize| {
            let block = config.block(b);
            (0..depth[b]).map(|_| Block::new(&block, device)).collect()
        };
        let fusion = |b: usize| {
            let other = 1 - b;
            let block = || CrossBlock::new(d[other], config.num_heads[other], device);
            match depth[2] {
                0 => Fusion::One(block()),
                m => Fusion::Row((0..m).map(|_| block()).collect()),
            }
        };
        Self {
            blocks: BRANCHES.map(blocks).into(),
            projs: BRANCHES.map(|b| Projection::new(d[b], d[1 - b], device)).into(),
            fusion: BRANCHES.map(fusion).into(),
            revert_projs: BRANCHES.map(|b| Projection::new(d[1 - b], d[b], device)).into(),
        }
    }

    /// Steps 3 and 4 of section 3.2.
    fn forward(&self, x: [Tensor<3>; 2]) -> [Tensor<3>; 2] {
        let o =
            BRANCHES.map(|b| self.blocks[b].iter().fold(x[b].clone(), |x, block| block.forward(x)));
        // Both branches read `o`, neither the other's new class token.
        BRANCHES.map(|b| {
            let (own, other) = (&o[b], &o[1 - b]);
            // g_b = Linear(GELU(LN(o_b[:, 0])));  u = [g_b ; o_n[:, 1:]]
            let class = self.projs[b].forward(class_token(own));
            let u = Tensor::cat(vec![class, patches(other)], 1);
            let u0 = self.fusion[b].forward(u);
            // r_b = Linear(GELU(LN(u0)));  x_b = [r_b ; o_b[:, 1:]]: the old class token is gone.
            Tensor::cat(vec![self.revert_projs[b].forward(u0), patches(own)], 1)
        })
    }
}

/// `[b, n, d] -> [b, 1, d]`
fn class_token(x: &Tensor<3>) -> Tensor<3> {
    x.clone().narrow(1, 0, 1)
}

/// `[b, n, d] -> [b, n - 1, d]`
fn patches(x: &Tensor<3>) -> Tensor<3> {
    let [_, n, _] = x.dims();
    x.clone().narrow(1, 1, n - 1)
}

impl Projection {
    fn new(d_in: usize, d_out: usize, device: &Device) -> Self {
        Self {
            _0: LayerNorm::new(d_in, NORM_EPS, device),
            _2: Linear::new(d_in, d_out, true, device),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self._2.forward(gelu(self._0.forward(x)))
    }
}

impl Fusion {
    /// `[b, n, d] -> [b, 1, d]`: quirk Q3, every block after the first sees one token.
    fn forward(&self, u: Tensor<3>) -> Tensor<3> {
        match self {
            Self::One(block) => block.forward(u),
            Self::Row(blocks) => blocks.iter().fold(u, |u, block| block.forward(u)),
        }
    }
}

impl CrossBlock {
    fn new(d: usize, heads: usize, device: &Device) -> Self {
        let linear = || Linear::new(d, d, true, device);
        Self {
            norm1: LayerNorm::new(d, NORM_EPS, device),
            attn: CrossAttention {
                wq: linear(),
                wk: linear(),
                wv: linear(),
                proj: linear(),
                heads,
            },
        }
    }

    /// `[b, n, d] -> [b, 1, d]`: `u0 <- u[:, 0] + proj(attend(y[:, 0], y))`, `y = norm1(u)`.
    fn forward(&self, u: Tensor<3>) -> Tensor<3> {
        class_token(&u) + self.attn.forward(self.norm1.forward(u))
    }
}

impl CrossAttention {
    /// `[b, n, d] -> [b, 1, d]`
    fn forward(&self, y: Tensor<3>) -> Tensor<3> {
        let [b, _, d] = y.dims();
        let h = self.heads;
        let heads = |x: Tensor<3>| {
            let n = x.dims()[1];
            x.reshape([b, n, h, d / h]).swap_dims(1, 2) // [b, h, n, d/h]
        };
        let q = heads(self.wq.forward(class_token(&y)));
        let k = heads(self.wk.forward(y.clone()));
        let v = heads(self.wv.forward(y));
        let scores = matmul(q, k.swap_dims(2, 3)) / ((d / h) as f64).sqrt(); // [b, h, 1, n]
        let mixed = matmul(softmax(scores), v); // [b, h, 1, d/h]
        self.proj.forward(mixed.swap_dims(1, 2).reshape([b, 1, d]))
    }
}

/// The arrays of a pre-trained file under this network's names: IBM's dots before a branch's
/// number become underscores, the two classifiers `head.0` and `head.1` are left out.
pub fn encoder_arrays(arrays: Arrays) -> Arrays {
    let is_head = |name: &str| name.starts_with("head.0.") || name.starts_with("head.1.");
    let plain = |name: String| {
        let dotted = name.contains("pos_embed") || name.contains("cls_token");
        if dotted { name.replace('.', "_") } else { name }
    };
    let kept = arrays.into_iter().filter(|(name, _)| !is_head(name));
    kept.map(|(name, array)| (plain(name), array)).collect()
}

#[cfg(test)]
#[path = "crossvit_tests.rs"]
mod tests;
