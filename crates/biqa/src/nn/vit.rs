//! The vision transformer (Dosovitskiy et al., ICLR 2021) as timm names it, with the LayerScale of
//! DeiT III (Touvron et al., ECCV 2022) as an option.
//!
//! Shapes: `b` images, `p` patches, `n = p + 1` tokens (class token first), `d` channels, `h` heads.

use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize, Serializer};

use super::attend::attend;
use super::autocast::{Products, matmul, products};
use super::gelu::gelu;
use super::layers::{Conv, LayerNorm, Linear, param};
use super::numbers::{self, LAYER};
use super::rows::softmax;

/// Sizes of a ViT; the defaults are timm's `vit_small_patch16_224`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VitConfig {
    /// Side of the square picture, in pixels.
    pub image_size: usize,
    /// Side of a patch, in pixels.
    pub patch_size: usize,
    /// Channels of a token.
    pub embed_dim: usize,
    /// Encoder blocks.
    pub depth: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Hidden channels of an MLP over `embed_dim`, which are rounded down.
    #[serde(serialize_with = "serialize_ratio")]
    pub mlp_ratio: f64,
    /// Whether the q, k, v projection has a bias.
    pub qkv_bias: bool,
    /// Epsilon of every layer norm; timm's ViTs use 1e-6.
    pub norm_eps: f64,
    /// Outputs of the classifier; 0 for none.
    pub num_classes: usize,
    /// LayerScale (`ls1.gamma`, `ls2.gamma`).
    pub layer_scale: bool,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self {
            image_size: 224,
            patch_size: 16,
            embed_dim: 384,
            depth: 12,
            num_heads: 6,
            mlp_ratio: 4.0,
            qkv_bias: true,
            norm_eps: 1e-6,
            num_classes: 1000,
            layer_scale: false,
        }
    }
}

impl VitConfig {
    /// `g`: patches along a side.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// `p`: patches.
    pub fn patches(&self) -> usize {
        self.grid().pow(2)
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let sizes = [self.image_size, self.patch_size, self.embed_dim, self.depth, self.num_heads];
        if sizes.contains(&0) {
            return Err("every size of the encoder must be at least 1".to_owned());
        }
        check_ratio(self.embed_dim, self.mlp_ratio)?;
        if !self.image_size.is_multiple_of(self.patch_size) {
            let Self { image_size, patch_size, .. } = self;
            return Err(format!(
                "image_size {image_size} is no multiple of patch_size {patch_size}"
            ));
        }
        if !self.embed_dim.is_multiple_of(self.num_heads) {
            let Self { embed_dim, num_heads, .. } = self;
            return Err(format!("embed_dim {embed_dim} is no multiple of num_heads {num_heads}"));
        }
        let Self { patch_size: p, embed_dim: d, depth, num_classes, .. } = *self;
        let (grid, mlp) = (self.grid(), hidden(d, self.mlp_ratio));
        let outside: [&[usize]; 3] = [&[3, p, p, d], &[grid, grid, d], &[num_classes, d]];
        let blocks: [&[usize]; 3] = [&[depth, 4, d, d], &[depth, 2, d, mlp], &[depth, LAYER]];
        numbers::check("the encoder", &[outside, blocks].concat())
    }
}

/// The network. `H` is what stands under the name `head`: a classifier, or QPT's projector.
#[derive(Module, Debug)]
pub struct Vit<H: Module = Linear> {
    cls_token: Param<Tensor<3>>,
    pos_embed: Param<Tensor<3>>,
    patch_embed: PatchEmbed,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Option<H>,
}

/// A picture to patches, a linear map each.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    proj: Conv,
}

/// An encoder block: attention and MLP, each behind a norm and around a skip.
#[derive(Module, Debug)]
pub struct Block {
    norm1: LayerNorm,
    attn: Attention,
    ls1: Option<LayerScale>,
    norm2: LayerNorm,
    mlp: Mlp,
    ls2: Option<LayerScale>,
}

/// A factor a channel.
#[derive(Module, Debug)]
pub struct LayerScale {
    gamma: Param<Tensor<1>>,
}

/// Multi-head self-attention with one fused projection, laid out as in timm: q, k, v, then heads.
#[derive(Module, Debug)]
pub struct Attention {
    qkv: Linear,
    proj: Linear,
    heads: usize,
}

/// `int(dim * ratio)`: the hidden channels of an MLP. `ratio` must have passed [`check_ratio`].
pub fn hidden(dim: usize, ratio: f64) -> usize {
    (dim as f64 * ratio) as usize
}

/// What is wrong with the ratio of an MLP's hidden channels to `dim`, if anything.
pub fn check_ratio(dim: usize, ratio: f64) -> Result<(), String> {
    if ratio <= MAX_RATIO && hidden(dim, ratio) > 0 {
        return Ok(());
    }
    Err(format!(
        "an mlp_ratio must give 1 hidden channel or more and be at most {MAX_RATIO}, found {ratio} \
         for {dim} channels"
    ))
}

/// Far above what anybody trains; memory would not hold it.
const MAX_RATIO: f64 = 1024.0;

/// A whole ratio as the integer that it is, for digests and files; any other as it is.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde's form
pub fn serialize_ratio<S: Serializer>(ratio: &f64, to: S) -> Result<S::Ok, S::Error> {
    if ratio.fract() == 0.0 { to.serialize_i64(*ratio as i64) } else { to.serialize_f64(*ratio) }
}

/// Two linear layers around a GELU.
#[derive(Module, Debug)]
pub struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

/// What the parts of a forward pass gave, for tests and for networks that read inner tokens.
pub struct VitOutput {
    /// `[b, p, d]`
    pub patches: Tensor<3>,
    /// `[b, n, d]`: class token and positions added.
    pub input: Tensor<3>,
    /// `[b, n, d]` after each block.
    pub blocks: Vec<Tensor<3>>,
    /// `[b, n, d]` after the last norm.
    pub tokens: Tensor<3>,
    /// `[b, classes]` from the class token, where there is a classifier.
    pub logits: Option<Tensor<2>>,
}

impl Vit {
    /// An empty network.
    pub fn new(config: &VitConfig, device: &Device) -> Self {
        let VitConfig { embed_dim, num_classes, .. } = *config;
        let head = (num_classes > 0).then(|| Linear::new(embed_dim, num_classes, true, device));
        Self::with_head(config, head, device)
    }

    /// `[b, 3, size, size]` to every intermediate result.
    pub fn forward(&self, x: Tensor<4>) -> VitOutput {
        let patches = self.patch_embed.forward(x);
        let input = self.input(patches.clone());
        let blocks = self.first_blocks(input.clone(), self.blocks.len());
        let z = blocks.last().unwrap_or(&input).clone();
        let [b, _, d] = z.dims();

        // eq. 4:  y = LN(z_L^0)
        let tokens = self.norm.forward(z);
        let logits = self.head.as_ref().map(|head| {
            let class = tokens.clone().slice([0..b, 0..1, 0..d]).reshape([b, d]);
            head.forward(class)
        });
        VitOutput { patches, input, blocks, tokens, logits }
    }
}

impl<H: Module> Vit<H> {
    /// An empty network with a head of the caller's, over the channels of a token; of `config` the
    /// classes are not read.
    pub fn with_head(config: &VitConfig, head: Option<H>, device: &Device) -> Self {
        let VitConfig { embed_dim: d, patch_size, .. } = *config;
        let patches = (config.image_size / patch_size).pow(2);
        Self {
            cls_token: param([1, 1, d], device),
            pos_embed: param([1, patches + 1, d], device),
            patch_embed: PatchEmbed::new(d, patch_size, device),
            blocks: (0..config.depth).map(|_| Block::new(config, device)).collect(),
            norm: LayerNorm::new(d, config.norm_eps, device),
            head,
        }
    }

    /// What stands under the name `head`.
    pub fn head(&self) -> Option<&H> {
        self.head.as_ref()
    }

    /// `[b, 3, size, size] -> [b, d]`: the class token behind the last norm.
    pub fn class_token(&self, x: Tensor<4>) -> Tensor<2> {
        let input = self.input(self.patch_embed.forward(x));
        let z = self.blocks.iter().fold(input, |z, block| block.forward(z));
        let [b, _, d] = z.dims();
        self.norm.forward(z.narrow(1, 0, 1)).reshape([b, d])
    }

    /// `[b, 3, size, size]` to the outputs of the first `count` blocks, `[b, n, d]` each, for
    /// networks that read inner tokens alone.
    pub fn inner(&self, x: Tensor<4>, count: usize) -> Vec<Tensor<3>> {
        self.first_blocks(self.input(self.patch_embed.forward(x)), count)
    }

    /// eq. 1:  z_0 = [class; patches E] + positions
    fn input(&self, patches: Tensor<3>) -> Tensor<3> {
        let [b, _, d] = patches.dims();
        let class = self.cls_token.val().expand([b, 1, d]);
        Tensor::cat(vec![class, patches], 1) + self.pos_embed.val()
    }

    fn first_blocks(&self, mut z: Tensor<3>, count: usize) -> Vec<Tensor<3>> {
        let mut outputs = Vec::with_capacity(count);
        for block in &self.blocks[..count.min(self.blocks.len())] {
            z = block.forward(z);
            outputs.push(z.clone());
        }
        outputs
    }
}

impl PatchEmbed {
    /// An empty map of `p x p` pixels to `d` channels.
    pub fn new(d: usize, p: usize, device: &Device) -> Self {
        Self { proj: Conv::patches(3, d, p, device) }
    }

    /// `[b, 3, size, size] -> [b, p, d]`, patches row by row.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<3> {
        let x = self.proj.forward(x);
        let [b, d, rows, columns] = x.dims();
        x.reshape([b, d, rows * columns]).swap_dims(1, 2)
    }
}

impl Block {
    /// An empty block; of `config` it reads the sizes of a block.
    pub fn new(config: &VitConfig, device: &Device) -> Self {
        let VitConfig { embed_dim: d, mlp_ratio, norm_eps, .. } = *config;
        let scale = || config.layer_scale.then(|| LayerScale { gamma: param([d], device) });
        Self {
            norm1: LayerNorm::new(d, norm_eps, device),
            attn: Attention::new(d, config.num_heads, config.qkv_bias, device),
            ls1: scale(),
            norm2: LayerNorm::new(d, norm_eps, device),
            mlp: Mlp::new(d, hidden(d, mlp_ratio), device),
            ls2: scale(),
        }
    }

    /// `[b, n, d] -> [b, n, d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        // eq. 2:  x <- x + gamma_1 MSA(LN(x))
        let y = self.attn.forward(self.norm1.forward(x.clone()), None);
        let x = x + scaled(y, self.ls1.as_ref());

        // eq. 3:  x <- x + gamma_2 MLP(LN(x))
        let y = self.mlp.forward(self.norm2.forward(x.clone()));
        x + scaled(y, self.ls2.as_ref())
    }
}

fn scaled(y: Tensor<3>, scale: Option<&LayerScale>) -> Tensor<3> {
    match scale {
        Some(scale) => y * scale.gamma.val().unsqueeze(),
        None => y,
    }
}

impl Attention {
    /// An empty layer over `d` channels in `heads` heads; `qkv_bias` is that of q, k and v.
    pub fn new(d: usize, heads: usize, qkv_bias: bool, device: &Device) -> Self {
        Self {
            qkv: Linear::new(d, 3 * d, qkv_bias, device),
            proj: Linear::new(d, d, true, device),
            heads,
        }
    }

    /// `[b, n, d] -> [b, n, d]`
    ///
    /// `hidden [b or 1, h or 1, n, n]` marks the keys (last) that a query may not read; every query
    /// must be left one.
    pub fn forward(&self, x: Tensor<3>, hidden: Option<Tensor<4, Bool>>) -> Tensor<3> {
        let [b, n, d] = x.dims();
        if products() == Products::F32 {
            return self.proj.forward(attend(self.qkv.forward(x), hidden, self.heads));
        }
        let [q, k, v] = self.queries_keys_values(x);
        let scores = scores(q, k); // [b, h, n, n]
        let scores = match hidden {
            Some(hidden) => {
                let shape = scores.dims();
                scores.mask_fill(hidden.expand(shape), f32::NEG_INFINITY)
            }
            None => scores,
        };
        let mixed = matmul(softmax(scores), v); // [b, h, n, d/h]
        self.proj.forward(mixed.swap_dims(1, 2).reshape([b, n, d]))
    }

    /// `[b, n, d] -> [b, h, n]`: how the first token spreads its attention over all tokens.
    pub fn first_row(&self, x: Tensor<3>) -> Tensor<3> {
        let [q, k, _] = self.queries_keys_values(x);
        softmax(scores(q.narrow(2, 0, 1), k)).squeeze_dim(2)
    }

    /// `[b, n, d]` to three of `[b, h, n, d/h]`.
    fn queries_keys_values(&self, x: Tensor<3>) -> [Tensor<4>; 3] {
        let [b, n, d] = x.dims();
        let h = self.heads;
        let qkv = self.qkv.forward(x).reshape([b, n, 3, h, d / h]).permute([2, 0, 3, 1, 4]);
        [0, 1, 2].map(|i| qkv.clone().narrow(0, i, 1).squeeze_dim(0))
    }
}

/// `q k^T / sqrt(d)`: `[b, h, m, d]` and `[b, h, n, d]` to `[b, h, m, n]`.
fn scores(q: Tensor<4>, k: Tensor<4>) -> Tensor<4> {
    let [.., d] = q.dims();
    matmul(q, k.swap_dims(2, 3)) / (d as f64).sqrt()
}

impl Mlp {
    /// An empty pair of layers over `d` channels with `hidden` between them.
    pub fn new(d: usize, hidden: usize, device: &Device) -> Self {
        Self {
            fc1: Linear::new(d, hidden, true, device),
            fc2: Linear::new(hidden, d, true, device),
        }
    }

    /// `[b, n, d] -> [b, n, d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.fc2.forward(gelu(self.fc1.forward(x))) // the exact (erf) form
    }
}
