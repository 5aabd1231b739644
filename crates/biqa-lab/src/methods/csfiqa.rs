//! How CSFIQA learns: regression and, at every contrasted stage, contrast within and between the
//! encoder's two scales. Equation and section numbers are those of `papers/csfiqa.md`.
//!
//! Shapes: `b` crops of a step.

use biqa::models::csfiqa::{
    Concentration, Csfiqa, CsfiqaConfig, CsfiqaOutput, LLAMA, LLAMA_NORM, SCL,
};
use biqa::nn::crossvit;
use biqa::weights::{Arrays, collect, load, visit};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::init::Rule;
use super::{Batch, Method, Needs, Start, Terms};
use crate::losses::csfiqa::{Contrast, StageContrast, partners, stage_contrast};
use crate::losses::regression::smooth_l1;
use crate::train::TrainError;

/// Standard deviation of new linear weights and tokens (section 9).
const STD: f64 = 0.02;

/// What a recipe may choose besides the network's sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CsfiqaOptions {
    /// The contrast.
    pub contrast: Contrast,
    /// `lambda` of (6.8).
    pub lambda_scl: f64,
    /// Where smooth L1 turns from a parabola into a line.
    pub beta: f64,
}

impl Default for CsfiqaOptions {
    fn default() -> Self {
        Self { contrast: Contrast::default(), lambda_scl: 0.1, beta: 1.0 }
    }
}

/// The method.
#[derive(Clone, Debug)]
pub struct CsfiqaMethod {
    config: CsfiqaConfig,
    options: CsfiqaOptions,
}

/// The terms of a step before they are weighted, and what they were made of.
pub struct CsfiqaLosses {
    /// The forward pass.
    pub output: CsfiqaOutput,
    /// The contrast of each stage of `scl_stages`.
    pub stages: Vec<StageContrast>,
    /// `L_SCL` of (6.7); `None` where no stage is contrasted.
    pub scl: Option<Tensor<1>>,
    /// The first term of (6.8).
    pub reg: Tensor<1>,
}

impl CsfiqaMethod {
    /// `config` must have passed its check.
    pub fn new(config: CsfiqaConfig, options: CsfiqaOptions) -> Self {
        Self { config, options }
    }

    /// The network's sizes.
    pub fn config(&self) -> &CsfiqaConfig {
        &self.config
    }

    /// The parts of (6.8).
    pub fn losses(&self, net: &Csfiqa, crops: Tensor<4>, labels: &[f32]) -> CsfiqaLosses {
        let device = crops.device();
        let output = net.forward(crops);
        let partners = partners(labels, &self.options.contrast);
        let contrasted = self.config.scl_stages.iter().enumerate();
        let stages: Vec<StageContrast> = contrasted
            .map(|(position, &stage)| {
                let tokens = output.encoder.stages[stage].clone();
                let projections = net.projections();
                stage_contrast(projections, position, tokens, &partners, &self.options.contrast)
            })
            .collect();
        let scl = stages.iter().map(|stage| stage.loss.clone()).reduce(|a, b| a + b);
        let target = TensorData::new(labels.to_vec(), [labels.len()]);
        let reg = smooth_l1(
            output.panel.score.clone(),
            Tensor::from_data(target, &device),
            self.options.beta,
        );
        CsfiqaLosses { output, stages, scl, reg }
    }

    /// The frozen layer where no file brings it.
    fn frozen_arrays(&self, empty: &Csfiqa, seed: u64) -> Result<Arrays, TrainError> {
        match self.config.ic {
            Concentration::None => Ok(Arrays::new()),
            Concentration::Llama7b => Err(TrainError::Data(
                "csfiqa: ic = \"llama7b\" needs the weights of LLaMA-7B, which biqa may not ship: \
                 give `biqa train` or `biqa protocol` their file with --llama, or use ic = \"none\" \
                 (csfiqa-lite) or \"random\""
                    .to_owned(),
            )),
            Concentration::Random => {
                let mut arrays = Arrays::new();
                visit(empty, |name, value| {
                    if is_llama(name) {
                        let array = rule(name, &value.shape).array(value.shape, name, seed);
                        arrays.insert(name.to_owned(), array);
                    }
                });
                Ok(arrays)
            }
        }
    }
}

/// Whether a parameter is one of the frozen language model.
fn is_llama(name: &str) -> bool {
    name.starts_with(LLAMA) || name == LLAMA_NORM
}

/// How a parameter starts that no file brings (section 9).
fn rule(name: &str, shape: &[usize]) -> Rule {
    match shape {
        // Every weight of one dimension is a norm's.
        [_] if name.ends_with(".weight") => Rule::Constant(1.0),
        // PyTorch's default of a convolution.
        [_, rest @ ..] if name.contains("patch_embed.") && rest.len() == 3 => {
            Rule::Uniform(1.0 / (rest.iter().product::<usize>() as f64).sqrt())
        }
        // Xavier over the stacked (3 d, d).
        [rows, columns] if name.ends_with("in_proj_weight") => {
            Rule::Uniform((6.0 / (rows + columns) as f64).sqrt())
        }
        [_] => Rule::Constant(0.0),
        _ => Rule::Normal(STD),
    }
}

impl Method for CsfiqaMethod {
    type Net = Csfiqa;

    fn needs(&self) -> Needs {
        Needs { crop: self.config.crop, group: 1, whole: false }
    }

    fn check(&self, pictures: usize) -> Result<(), String> {
        let CsfiqaOptions { lambda_scl, contrast, beta } = &self.options;
        super::positive("beta", *beta)?;
        super::not_negative("lambda_scl", *lambda_scl)?;
        super::not_negative("contrast.w_intra", contrast.w_intra)?;
        super::not_negative("contrast.w_inter", contrast.w_inter)?;
        super::positive("contrast.tau", contrast.tau)?;
        super::share_of_one("contrast.gamma1", contrast.gamma1)?;
        let far = contrast.gamma1..=1.0;
        let expected = "from gamma1 to 1";
        super::ensure(
            far.contains(&contrast.gamma2),
            "contrast.gamma2",
            expected,
            contrast.gamma2,
        )?;
        let m = contrast.nsm_m as f64;
        super::ensure(!contrast.nsm || m >= 1.0, "contrast.nsm_m", "1 or more", m)?;
        let least = contrast.least();
        let is_off = *lambda_scl == 0.0 || self.config.scl_stages.is_empty();
        if is_off || least.is_some_and(|least| pictures >= least) {
            return Ok(());
        }
        let advice = least.map_or_else(
            || {
                "no batch is large enough: raise contrast.gamma1 or lower contrast.gamma2"
                    .to_owned()
            },
            |least| format!("give {least} or more, or contrast.w_intra = 0 or lambda_scl = 0"),
        );
        Err(format!(
            "with {pictures} photos at once a term of the contrast has nobody near or nobody far to \
             compare: {advice}"
        ))
    }

    /// Besides a whole checkpoint `arrays` may hold an encoder of timm, the language model's layer
    /// as [`biqa::models::csfiqa::llama_arrays`] reads it, or both.
    fn start(
        &self,
        arrays: Arrays,
        name: &str,
        seed: u64,
        device: &Device,
    ) -> Result<(Csfiqa, Start), TrainError> {
        let empty = Csfiqa::new(&self.config, device);
        let (mut llama, arrays): (Arrays, Arrays) =
            arrays.into_iter().partition(|(key, _)| is_llama(key));
        if llama.is_empty() {
            llama = self.frozen_arrays(&empty, seed)?;
        }
        let from = if arrays.is_empty() {
            Start::Fresh
        } else if arrays.keys().any(|key| key.starts_with("encoder.")) {
            Start::Whole
        } else {
            Start::Backbone
        };
        let mut all: Arrays = match from {
            Start::Backbone => crossvit::encoder_arrays(arrays)
                .into_iter()
                .map(|(key, array)| (format!("encoder.{key}"), array))
                .collect(),
            Start::Whole | Start::Fresh => arrays,
        };
        all.extend(llama);
        // A file made for scoring alone may lack the contrast's projections.
        let scl_missing = !all.keys().any(|key| key.starts_with(SCL));
        visit(&empty, |key, value| {
            let new = match from {
                Start::Whole => scl_missing && key.starts_with(SCL),
                Start::Backbone => !key.starts_with("encoder."),
                Start::Fresh => true,
            };
            if new && !is_llama(key) {
                let rule = rule(key, &value.shape);
                all.entry(key.to_owned()).or_insert_with(|| rule.array(value.shape, key, seed));
            }
        });
        Ok((load(empty, all, name, "csfiqa")?, from))
    }

    fn frozen(&self, name: &str) -> bool {
        is_llama(name)
    }

    fn constant(&self, name: &str) -> bool {
        is_llama(name)
    }

    fn decays(&self, name: &str, dims: usize) -> bool {
        dims > 1 && !name.contains("pos_embed") && !name.contains("cls_token")
    }

    fn terms(&mut self, net: &Csfiqa, batch: &Batch) -> Result<Terms, TrainError> {
        let CsfiqaLosses { scl, reg, .. } =
            self.losses(net, batch.crops.clone(), &batch.crop_labels());
        let terms = Terms::default().with("smooth_l1", reg);
        Ok(match scl {
            Some(scl) => terms.with("scl", scl * self.options.lambda_scl),
            None => terms,
        })
    }

    fn features(&self, net: &Csfiqa, crops: Tensor<4>) -> Tensor<2> {
        let [small, large] = net.encode(crops).norm;
        Tensor::cat(vec![super::summed_up(small, 1), super::summed_up(large, 1)], 1)
    }

    fn exported(&self, net: &Csfiqa) -> (serde_json::Value, Arrays) {
        (super::config_json(&self.config), collect(net))
    }
}

#[cfg(test)]
#[path = "csfiqa_tests.rs"]
mod tests;
