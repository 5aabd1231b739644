//! The keys of CSFIQA's network (`papers/csfiqa.md`, section 10).

use serde::{Deserialize, Serialize};

use crate::nn::crossvit::CrossVitConfig;
use crate::nn::decoder::DecoderConfig;
use crate::nn::llama::LlamaConfig;
use crate::nn::numbers;

/// Sizes and switches of the network; the defaults are the paper's where it states them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // the specification's switches
pub struct CsfiqaConfig {
    /// The two-scale encoder.
    pub encoder: Encoder,
    /// Side of a crop, in pixels. The encoder makes its own sizes of it.
    pub crop: usize,
    /// Whether tokens go through the selective focus attention; without it they are only normed.
    pub sfa: bool,
    /// Which tokens ask and which answer.
    pub sfa_scope: Scope,
    /// Heads of the selective attention.
    pub sfa_heads: usize,
    /// Whether scores are filtered; without it the attention is a plain softmax.
    pub afs: bool,
    /// Kept shares of the keys, mixed by learnt weights.
    pub afs_ratios: Vec<Ratio>,
    /// Where the frozen weights of the information concentrator are from.
    pub ic: Concentration,
    /// Whether the concentrator adds to its input or replaces it.
    pub ic_residual: bool,
    /// Whether the language model's last norm follows its layer.
    pub ic_final_norm: bool,
    /// What that norm's weight is where it is not read from a checkpoint of this network.
    pub ic_norm_weight: NormWeight,
    /// Channels of the language model.
    pub llm_dim: usize,
    /// Its heads.
    pub llm_heads: usize,
    /// Hidden channels of its MLP.
    pub llm_ffn: usize,
    /// Epsilon of its norms; LLaMA's first version has 1e-6.
    pub llm_eps: f64,
    /// Whether it knows positions. The code that the paper builds on took them away.
    pub llm_rope: bool,
    /// Whether it is causal. Taken away as well.
    pub llm_causal: bool,
    /// Queries of the decoder.
    pub queries: usize,
    /// Heads of the decoder.
    pub dec_heads: usize,
    /// Stages whose features are contrasted in training, from 0. Empty for a network without the
    /// projections, which only scores.
    pub scl_stages: Vec<usize>,
    /// Numbers of a contrasted feature.
    pub scl_dim: usize,
}

impl Default for CsfiqaConfig {
    fn default() -> Self {
        Self {
            encoder: Encoder::default(),
            crop: 224,
            sfa: true,
            sfa_scope: Scope::default(),
            sfa_heads: 6,
            afs: true,
            afs_ratios: [(1, 2), (2, 3), (3, 4), (4, 5)].map(|(n, d)| Ratio::of(n, d)).into(),
            ic: Concentration::default(),
            ic_residual: true,
            ic_final_norm: true,
            ic_norm_weight: NormWeight::default(),
            llm_dim: 4096,
            llm_heads: 32,
            llm_ffn: 11008,
            llm_eps: 1e-6,
            llm_rope: false,
            llm_causal: false,
            queries: 6,
            dec_heads: 6,
            scl_stages: vec![0, 1, 2],
            scl_dim: 128,
        }
    }
}

/// The encoder: a timm name or its sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Encoder {
    /// A name of table 3.1.
    Named(String),
    /// Any sizes.
    Sizes(CrossVitConfig),
}

impl Default for Encoder {
    fn default() -> Self {
        Self::Named("crossvit_small_240".to_owned())
    }
}

impl Encoder {
    /// The sizes.
    pub fn sizes(&self) -> Result<CrossVitConfig, String> {
        match self {
            Self::Named(name) => CrossVitConfig::named(name),
            Self::Sizes(sizes) => Ok(sizes.clone()),
        }
    }
}

/// Key `sfa_scope`: `L` tokens of the large branch, `S` of the small one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// `L` ask, `L + S` answer. The only reading that fits the paper's cost figures.
    #[default]
    LargeQuery,
    /// `L + S` ask, `L + S` answer.
    Joint,
    /// `L` ask, `L` answer; `small_proj` exists but has no part in the score.
    LargeSelf,
}

/// Key `ic`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concentration {
    /// The last layer of LLaMA-7B, from a file of the user's. biqa ships none: its licence is for
    /// research only.
    #[default]
    Llama7b,
    /// The same layer with numbers from a seed, frozen: the control.
    Random,
    /// No concentrator.
    None,
}

impl Concentration {
    /// As a recipe writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Llama7b => "llama7b",
            Self::Random => "random",
            Self::None => "none",
        }
    }
}

/// Key `ic_norm_weight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormWeight {
    /// Ones: the released loader fills only the layer.
    #[default]
    Ones,
    /// The language model's own.
    Checkpoint,
}

/// A share of the keys, above 0 and at most 1; written as a number or as a fraction (`"2/3"`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RatioForm", into = "f64")]
pub struct Ratio(f64);

/// How a [`Ratio`] may be written.
#[derive(Deserialize)]
#[serde(untagged)]
enum RatioForm {
    Number(f64),
    Fraction(String),
}

/// Rescues a product that falls short of a whole number by rounding (5.3).
const K_EPS: f64 = 1e-6;

impl Ratio {
    /// `numerator / denominator`.
    fn of(numerator: u32, denominator: u32) -> Self {
        Self(f64::from(numerator) / f64::from(denominator))
    }

    /// (5.3): `k(r) = max(1, floor(r n + 1e-6))`, how many of `n` keys are kept.
    pub fn kept(self, n: usize) -> usize {
        ((self.0 * n as f64 + K_EPS).floor() as usize).max(1)
    }
}

impl TryFrom<RatioForm> for Ratio {
    type Error = String;

    fn try_from(form: RatioForm) -> Result<Self, String> {
        let (ratio, text) = match form {
            RatioForm::Number(ratio) => (Some(ratio), ratio.to_string()),
            RatioForm::Fraction(text) => {
                let whole = |part: &str| part.trim().parse::<u32>().ok().map(f64::from);
                let parts = text.split_once('/').map(|(n, d)| (whole(n), whole(d)));
                let ratio = match parts {
                    Some((Some(n), Some(d))) => Some(n / d),
                    _ => None,
                };
                (ratio, text)
            }
        };
        match ratio {
            Some(ratio) if ratio > 0.0 && ratio <= 1.0 => Ok(Self(ratio)),
            _ => Err(format!(
                "a ratio is above 0 and at most 1, a number or a fraction like \"2/3\"; found {text}"
            )),
        }
    }
}

impl From<Ratio> for f64 {
    fn from(ratio: Ratio) -> f64 {
        ratio.0
    }
}

impl CsfiqaConfig {
    /// A named set of sizes.
    ///
    /// `paper`: CrossViT-small with a layer of LLaMA-7B. `lite`: the same without a language model,
    /// the registry's `csfiqa-lite`. `tiny`: that with CrossViT-tiny, for machines without an
    /// accelerator. `smoke`: a few thousand numbers, for tests of the machinery.
    pub fn preset(name: &str) -> Option<Self> {
        let lite = Self { ic: Concentration::None, ..Self::default() };
        match name {
            "paper" => Some(Self::default()),
            "lite" => Some(lite),
            "tiny" => Some(Self {
                encoder: Encoder::Named("crossvit_tiny_240".to_owned()),
                sfa_heads: 3,
                dec_heads: 3,
                ..lite
            }),
            "smoke" => Some(Self {
                encoder: Encoder::Sizes(CrossVitConfig {
                    branch_size: [36, 32],
                    patch_size: [6, 8],
                    embed_dim: [12, 16],
                    depth: vec![[1, 1, 0]; 2],
                    num_heads: [2, 2],
                    mlp_ratio: [2.0, 2.0, 1.0],
                }),
                crop: 32,
                sfa_heads: 2,
                ic: Concentration::Random,
                llm_dim: 24,
                llm_heads: 2,
                llm_ffn: 32,
                queries: 3,
                dec_heads: 2,
                scl_stages: vec![0, 1],
                scl_dim: 8,
                ..lite
            }),
            _ => None,
        }
    }

    /// The language model's sizes.
    pub fn llama(&self) -> LlamaConfig {
        LlamaConfig {
            hidden: self.llm_dim,
            heads: self.llm_heads,
            ffn: self.llm_ffn,
            rms_eps: self.llm_eps,
            rope: self.llm_rope,
            causal: self.llm_causal,
            rope_theta: 10000.0, // LLaMA
        }
    }

    /// The decoder's sizes, over `d` channels.
    pub fn decoder(&self, d: usize) -> DecoderConfig {
        // DEIQT's: one layer, an MLP four times as wide, PyTorch's epsilon.
        DecoderConfig {
            embed_dim: d,
            depth: 1,
            heads: self.dec_heads,
            mlp_ratio: 4.0,
            norm_eps: 1e-5,
        }
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), String> {
        let encoder = self.encoder.sizes()?;
        encoder.check()?;
        let [_, d] = encoder.embed_dim;
        if self.queries == 0 || self.crop == 0 || self.sfa_heads == 0 {
            return Err("queries, crop and sfa_heads must be at least 1".to_owned());
        }
        if !d.is_multiple_of(self.sfa_heads) {
            return Err(format!("embed_dim {d} is no multiple of sfa_heads {}", self.sfa_heads));
        }
        if self.afs_ratios.is_empty() {
            return Err("afs_ratios needs a ratio or more; afs = false keeps every key".to_owned());
        }
        if self.ic != Concentration::None {
            self.llama().check()?;
        }
        let stages = encoder.depth.len();
        let known = self.scl_stages.iter().all(|&s| s < stages);
        let twice =
            self.scl_stages.iter().enumerate().any(|(l, s)| self.scl_stages[..l].contains(s));
        if !known || twice || (self.scl_dim == 0 && !self.scl_stages.is_empty()) {
            return Err(format!(
                "scl_stages must be different numbers below {stages}, with scl_dim at least 1; \
                 found {:?} and {}",
                self.scl_stages, self.scl_dim
            ));
        }
        let (small, scl) = (encoder.embed_dim[0], self.scl_dim);
        numbers::check(
            "the head",
            &[&[self.queries, d], &[stages, scl, small], &[stages, scl, d]],
        )?;
        numbers::check("the concentrator", &[&[2, d, self.llm_dim]])?;
        self.decoder(d).check()
    }
}
