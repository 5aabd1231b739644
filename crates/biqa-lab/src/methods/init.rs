//! Where the networks of DEIQT's family start: a whole checkpoint, a pre-trained encoder, or
//! chance (`papers/deiqt.md`, sections 4 and 5).

use biqa::nn::deit::encoder_arrays;
use biqa::nn::vit::VitConfig;
use biqa::random::Key;
use biqa::weights::{Array, Arrays, load, visit};
use burn::module::Module;

use super::Start;
use crate::train::TrainError;

/// Standard deviation of tokens, positions and linear weights. They are truncated at 2, a hundred
/// times as far, which never happens.
const STD: f64 = 0.02;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Every number the same.
    Constant(f32),
    /// Normal around 0 with this standard deviation.
    Normal(f64),
    /// Uniform between minus this and this.
    Uniform(f64),
}

impl Rule {
    /// The numbers of parameter `name`: a function of (seed, name, position).
    pub fn array(self, shape: Vec<usize>, name: &str, seed: u64) -> Array {
        let n: usize = shape.iter().product();
        let draws = Key::of_picture(seed, &format!("init/{name}"), 0).at(0);
        let blocks = 0..n.div_ceil(4) as u32;
        let mut data: Vec<f32> = match self {
            Self::Constant(value) => vec![value; n],
            Self::Normal(std) => {
                blocks.flat_map(|i| draws.normals(0, i)).map(|z| (z * std) as f32).collect()
            }
            Self::Uniform(a) => blocks
                .flat_map(|i| draws.uniforms(0, i))
                .map(|u| (a * (2.0 * u - 1.0)) as f32)
                .collect(),
        };
        data.truncate(n);
        Array { shape, data }
    }
}

/// The rule of section 5 for a parameter. `layer_scale` is what the gammas start at, `patch_size`
/// the side of a patch, in pixels.
pub fn rule(name: &str, shape: &[usize], layer_scale: f64, patch_size: usize) -> Rule {
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_norm = || name.rsplit('.').nth(1).is_some_and(|module| module.starts_with("norm"));
    match (last, shape) {
        ("gamma_1" | "gamma_2", _) => Rule::Constant(layer_scale as f32),
        ("weight", [_]) if is_norm() => Rule::Constant(1.0),
        // PyTorch's default of a convolution: 1 / sqrt(inputs), weight and bias alike.
        _ if name.starts_with("patch_embed.proj.") => {
            Rule::Uniform(1.0 / ((3 * patch_size * patch_size) as f64).sqrt())
        }
        // Xavier over the stacked (3 d, d).
        ("in_proj_weight", [rows, columns]) => {
            Rule::Uniform((6.0 / (rows + columns) as f64).sqrt())
        }
        (_, [_]) => Rule::Constant(0.0),
        _ => Rule::Normal(STD),
    }
}

/// Whether weight decay acts on a parameter (section 7): not on 1-D ones, biases, the summary
/// tokens and the positions. `head.bunch_embedding` decays.
pub fn decays(name: &str, dims: usize) -> bool {
    let is_token = ["cls_token", "local_token", "pos_embed"].contains(&name);
    let is_bias = name.rsplit('.').next() == Some("bias");
    dims > 1 && !is_bias && !is_token
}

/// Which network is started, and by which sizes.
#[derive(Clone, Copy, Debug)]
pub struct Family<'a> {
    /// The registry's name.
    pub network: &'a str,
    /// The encoder.
    pub encoder: VitConfig,
    /// What LayerScale starts at where no file sets it.
    pub layer_scale: f64,
    /// Prefix of parameters that a whole checkpoint may lack altogether.
    pub optional: Option<&'a str>,
}

/// An empty network of the family, filled.
///
/// A file with a head of the family is a whole checkpoint; anything else must be a pre-trained
/// encoder, in one of the forms of [`encoder_arrays`], whose every tensor has its place; no arrays
/// at all leave everything to the seed.
pub fn start<M: Module>(
    empty: M,
    family: Family<'_>,
    arrays: Arrays,
    name: &str,
    seed: u64,
) -> Result<(M, Start), TrainError> {
    let Family { network, encoder, layer_scale, optional } = family;
    let new = |key: &str, shape: Vec<usize>| {
        rule(key, &shape, layer_scale, encoder.patch_size).array(shape, key, seed)
    };
    // A classifier is called `head.weight`; a head of the family has parts.
    let is_whole =
        |key: &String| key.strip_prefix("head.").is_some_and(|k| !["weight", "bias"].contains(&k));
    if arrays.keys().any(is_whole) {
        let mut all = arrays;
        let lacks = |prefix: &&str| !all.keys().any(|key| key.starts_with(*prefix));
        if let Some(prefix) = optional.filter(lacks) {
            visit(&empty, |key, value| {
                if key.starts_with(prefix) {
                    all.insert(key.to_owned(), new(key, value.shape));
                }
            });
        }
        return Ok((load(empty, all, name, network)?, Start::Whole));
    }
    let (mut all, from) = if arrays.is_empty() {
        (Arrays::new(), Start::Fresh)
    } else {
        (encoder_arrays(arrays, &encoder), Start::Backbone)
    };
    visit(&empty, |key, value| {
        if from == Start::Fresh || !is_encoder(key) {
            all.entry(key.to_owned()).or_insert_with(|| new(key, value.shape));
        }
    });
    Ok((load(empty, all, name, network)?, from))
}

/// Whether a pre-trained encoder must bring a parameter.
fn is_encoder(name: &str) -> bool {
    ["cls_token", "pos_embed"].contains(&name)
        || ["patch_embed.", "blocks.", "norm."].iter().any(|part| name.starts_with(part))
}

#[cfg(test)]
#[path = "init_tests.rs"]
mod tests;
