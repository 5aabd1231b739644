//! CSFIQA: a CrossViT whose tokens of both scales meet in a filtered attention and pass through a
//! frozen layer of a language model before a panel of queries judges them.
//!
//! Hu, Huang, Li, Fu, Zhang, Zhao, "Scale Contrastive Learning with Selective Attentions for Blind
//! Image Quality Assessment", arXiv 2411.09007. No code was released and the paper's body was not
//! at hand: `papers/csfiqa.md`, whose numbers are used here, says of every part how sure it is.
//!
//! Shapes: `b` crops, `n` tokens of a branch (class token first), `d` its channels.

mod config;
mod sfa;

pub use config::{Concentration, CsfiqaConfig, Encoder, NormWeight, Ratio, Scope};
pub use sfa::{Focus, SelectiveFocus, filtered};

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::nn::crossvit::{CrossVit, CrossVitConfig, CrossVitOutput};
use crate::nn::decoder::{Panel, PanelHead};
use crate::nn::layers::Linear;
use crate::nn::llama::TENSORS;
use crate::weights::{Array, Arrays, WeightsError, read_some};

/// What the names of the frozen layer start with.
pub const LLAMA: &str = "sfa.ic.llama.";
/// The weight of the language model's last norm, frozen too.
pub const LLAMA_NORM: &str = "sfa.ic.llama_norm.weight";
/// What the names of the projections start with that serve training alone.
pub const SCL: &str = "scl.";
/// The last decoder layer of LLaMA-7B, counted from 0.
pub const LLAMA_LAYER: usize = 31;

/// The network.
#[derive(Module, Debug)]
pub struct Csfiqa {
    encoder: CrossVit,
    sfa: SelectiveFocus,
    scl: ScaleProjections,
    head: PanelHead,
    side: usize,
}

/// (6.2): one linear map a contrasted stage and scale. They serve training alone.
#[derive(Module, Debug)]
pub struct ScaleProjections {
    /// By position in `scl_stages`, then small and large.
    proj: Vec<Vec<Linear>>,
}

impl ScaleProjections {
    /// Empty projections of `stages` stages from `dims` channels to `out` numbers.
    pub fn new(stages: usize, dims: [usize; 2], out: usize, device: &Device) -> Self {
        let stage = |_| dims.map(|d| Linear::new(d, out, true, device)).into();
        Self { proj: (0..stages).map(stage).collect() }
    }

    /// `W x + b` of the stage at `position` and a scale (0 small, 1 large), over the last dimension.
    pub fn project<const D: usize>(
        &self,
        position: usize,
        scale: usize,
        x: Tensor<D>,
    ) -> Tensor<D> {
        self.proj[position][scale].forward(x)
    }
}

/// What the parts of a forward pass gave.
pub struct CsfiqaOutput {
    /// Stages and normed tokens of both branches.
    pub encoder: CrossVitOutput,
    /// The selective attention's two results.
    pub focus: Focus,
    /// The decoder's output, the queries' scores, their mean.
    pub panel: Panel,
}

impl Csfiqa {
    /// An empty network. `config` must have passed [`CsfiqaConfig::check`].
    pub fn new(config: &CsfiqaConfig, device: &Device) -> Self {
        // The check has read the name of the encoder; there is no other way to an error.
        let encoder = config.encoder.sizes().unwrap_or_default();
        let CrossVitConfig { embed_dim: dims, .. } = encoder;
        let stages = config.scl_stages.len();
        Self {
            encoder: CrossVit::new(&encoder, device),
            sfa: SelectiveFocus::new(config, dims, device),
            scl: ScaleProjections::new(stages, dims, config.scl_dim, device),
            head: PanelHead::new(config.queries, &config.decoder(dims[1]), device),
            side: config.crop,
        }
    }

    /// Side of a crop, in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The projections of the contrast.
    pub fn projections(&self) -> &ScaleProjections {
        &self.scl
    }

    /// `[b, 3, h, w]`, normalised, to the tokens of both scales.
    pub fn encode(&self, x: Tensor<4>) -> CrossVitOutput {
        self.encoder.forward(x)
    }

    /// `[b, 3, h, w]`, normalised, to every intermediate result.
    pub fn forward(&self, x: Tensor<4>) -> CsfiqaOutput {
        let encoder = self.encode(x);
        let [small, large] = encoder.norm.clone();
        let focus = self.sfa.forward(small, large);
        let panel = self.head.forward(focus.sfa.clone());
        CsfiqaOutput { encoder, focus, panel }
    }

    /// `[b, 3, h, w] -> [b]`: scores in units of the labels.
    pub fn score(&self, x: Tensor<4>) -> Tensor<1> {
        self.forward(x).panel.score
    }

    /// The network for a file that lacks every projection of the contrast, as one made for scoring
    /// alone may.
    #[must_use]
    pub fn fitting(mut self, arrays: &Arrays) -> Self {
        if !arrays.keys().any(|name| name.starts_with(SCL)) {
            self.scl.proj.clear();
        }
        self
    }
}

/// The frozen arrays of the concentrator from a file of LLaMA-7B, under this network's names: one
/// layer of nine tensors, and the last norm where `config` asks for the model's own.
///
/// `path` is a safetensors file or an index of several (`model.safetensors.index.json`) of Hugging
/// Face, or Meta's `consolidated.00.pth`; nothing but these tensors is read.
pub fn llama_arrays(path: &Path, config: &CsfiqaConfig) -> Result<Arrays, WeightsError> {
    let prefixes = [format!("model.layers.{LLAMA_LAYER}."), format!("layers.{LLAMA_LAYER}.")];
    let own_norm = config.ic_final_norm && config.ic_norm_weight == NormWeight::Checkpoint;
    let mut wanted: Vec<[String; 2]> = TENSORS
        .iter()
        .map(|(ours, metas)| [format!("{}{ours}", prefixes[0]), format!("{}{metas}", prefixes[1])])
        .collect();
    if own_norm {
        wanted.push(["model.norm.weight".to_owned(), "norm.weight".to_owned()]);
    }
    let found = read_some(path, &wanted, "the frozen layer of csfiqa")?;
    let mut arrays = Arrays::new();
    for (i, array) in found.into_iter().enumerate() {
        let name = match TENSORS.get(i) {
            Some((ours, _)) => format!("{LLAMA}{ours}"),
            None => LLAMA_NORM.to_owned(),
        };
        arrays.insert(name, array);
    }
    if config.ic_final_norm && !own_norm {
        arrays.insert(LLAMA_NORM.to_owned(), ones(config.llm_dim));
    }
    Ok(arrays)
}

/// The weight of a norm that leaves its input as it is.
pub fn ones(n: usize) -> Array {
    Array { shape: vec![n], data: vec![1.0; n] }
}

#[cfg(test)]
mod tests;
