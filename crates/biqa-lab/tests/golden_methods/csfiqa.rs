//! `csfiqa-*`: papers/csfiqa.md, section 13.

use biqa::golden::{Case, GoldenError, Tensors};
use biqa::models::csfiqa::{
    Csfiqa, CsfiqaConfig, CsfiqaOutput, Ratio, ScaleProjections, SelectiveFocus, filtered,
};
use biqa::weights::collect;
use biqa_lab::losses::csfiqa::{Contrast, StageContrast, partners, stage_contrast};
use biqa_lab::methods::csfiqa::{CsfiqaLosses, CsfiqaMethod, CsfiqaOptions};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::common::{
    Found, arrays, bits, code, config, filled, golden, gradients, numbers, tensor,
};
use crate::crossvit::outputs as encoder_outputs;

/// Keys of a case that the contrast has.
const CONTRAST: [&str; 12] = [
    "scl_pool",
    "scl_select",
    "scl_norm",
    "gamma1",
    "gamma2",
    "scl_form",
    "tau",
    "inter_self_positive",
    "nsm",
    "nsm_m",
    "w_intra",
    "w_inter",
];

pub fn case(case: &Case) -> Result<(), GoldenError> {
    let found = match (case.model.as_str(), case.kind.as_str()) {
        ("csfiqa_afs", _) => filter(case)?,
        ("csfiqa_sfa", _) => focus(case)?,
        ("csfiqa_scl_select", _) => select(case)?,
        ("csfiqa_scl_loss", _) => contrast_alone(case)?,
        ("csfiqa", "forward") => forward(case)?,
        ("csfiqa", "train_forward") => training(case, false)?,
        ("csfiqa", "grad") => training(case, true)?,
        (other, kind) => return Err(GoldenError::NotBuilt(format!("{other} {kind}"))),
    };
    case.compare_all(&Tensors(found))
}

/// The keys of the network; `grid` follows from the encoder's sizes.
fn sizes(case: &Case) -> Result<CsfiqaConfig, GoldenError> {
    let others = [&CONTRAST[..], &["grid", "lambda_scl", "beta"]].concat();
    let mut config: CsfiqaConfig = config(case, &others)?;
    if case.config.get("scl_stages").is_none() {
        config.scl_stages = (0..config.encoder.sizes().map_err(code)?.depth.len()).collect();
    }
    let grid = config.encoder.sizes().map_err(code)?.grid();
    match case.config.get("grid") {
        Some(told) if *told != serde_json::json!(grid) => {
            return Err(code(format!("a grid of {grid:?}, the case says {told}")));
        }
        _ => {}
    }
    Ok(config)
}

fn contrast(case: &Case) -> Result<Contrast, GoldenError> {
    let mut keys = case.config.clone();
    if let Some(map) = keys.as_object_mut() {
        map.retain(|key, _| CONTRAST.contains(&key.as_str()));
    }
    serde_json::from_value(keys).map_err(code)
}

fn filter(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex().autodiff();
    let inputs = case.inputs()?;
    let scores: Tensor<4> = tensor(inputs.get("scores")?, &device).require_grad();
    let mix: Tensor<1> = tensor(inputs.get("mix")?, &device).require_grad();
    let ratios: Vec<Ratio> = match case.config.get("afs_ratios") {
        Some(ratios) => serde_json::from_value(ratios.clone()).map_err(code)?,
        None => CsfiqaConfig::default().afs_ratios,
    };
    let probabilities = filtered(scores.clone(), mix.clone(), &ratios);
    let loss = (probabilities.clone() * tensor::<4>(inputs.get("weight")?, &device)).sum();
    let grads = loss.backward();
    let none = || code("no gradient");
    Ok(Found::from([
        ("probs".to_owned(), golden(probabilities)),
        ("grad.scores".to_owned(), golden(scores.grad(&grads).ok_or_else(none)?)),
        ("grad.mix".to_owned(), golden(mix.grad(&grads).ok_or_else(none)?)),
    ]))
}

/// The module under the name that it has in the network.
#[derive(Module, Debug)]
struct Focus {
    sfa: SelectiveFocus,
}

fn focus(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let config = sizes(case)?;
    let dims = config.encoder.sizes().map_err(code)?.embed_dim;
    let net = Focus { sfa: SelectiveFocus::new(&config, dims, &device) };
    let net = filled(net, case, |name| used(&config, name))?;
    let inputs = case.inputs()?;
    let tokens = |name: &str| Ok::<_, GoldenError>(tensor(inputs.get(name)?, &device));
    let out = net.sfa.forward(tokens("small")?, tokens("large")?);
    Ok(Found::from([("afs".to_owned(), golden(out.afs)), ("sfa".to_owned(), golden(out.sfa))]))
}

fn select(case: &Case) -> Result<Found, GoldenError> {
    let labels = case.inputs()?.get("labels")?.f32s();
    let found = partners(&labels, &contrast(case)?);
    let shape = [labels.len(); 2];
    Ok(Found::from([
        ("relative".to_owned(), numbers(found.relative, &shape)),
        ("pos_intra".to_owned(), bits(&found.pos_intra, &shape)),
        ("pos_inter".to_owned(), bits(&found.pos_inter, &shape)),
        ("neg".to_owned(), bits(&found.neg, &shape)),
    ]))
}

/// The projections under the name that they have in the network.
#[derive(Module, Debug)]
struct Projections {
    scl: ScaleProjections,
}

fn contrast_alone(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let contrast = contrast(case)?;
    let default = CsfiqaConfig::default();
    let list = |key: &'static str, default: Vec<usize>| -> Result<Vec<usize>, GoldenError> {
        let value = case.config.get(key).cloned();
        value.map_or(Ok(default), |value| serde_json::from_value(value).map_err(code))
    };
    let stages = list("scl_stages", default.scl_stages)?.len();
    let [small, large] = list("embed_dim", Vec::new())?[..] else { return Err(code("embed_dim")) };
    let dim = case.number_or("scl_dim", default.scl_dim as f64)? as usize;
    let net = Projections { scl: ScaleProjections::new(stages, [small, large], dim, &device) };
    let net = filled(net, case, |_| true)?.train();
    let inputs = case.inputs()?;
    let labels = inputs.get("labels")?.f32s();
    let partners = partners(&labels, &contrast);
    let mut found = Found::new();
    let (mut parts, mut leaves) = (Vec::new(), Vec::new());
    for l in 0..stages {
        let tokens = |scale: &str| -> Result<Tensor<3>, GoldenError> {
            let tokens = tensor::<3>(inputs.get(&format!("{scale}.{l}"))?, &device);
            Ok(tokens.autodiff().require_grad())
        };
        let pair = [tokens("small")?, tokens("large")?];
        let stage = stage_contrast(&net.scl, l, pair.clone(), &partners, &contrast);
        told(l, &stage, &mut found);
        parts.push(stage.loss);
        leaves.push(pair);
    }
    let loss = parts.into_iter().reduce(|a, b| a + b).ok_or_else(|| code("no stage"))?;
    let grads = loss.backward();
    gradients(&net, &grads, &mut found);
    for (l, pair) in leaves.iter().enumerate() {
        for (scale, leaf) in ["small", "large"].into_iter().zip(pair) {
            let grad = leaf.grad(&grads).unwrap_or_else(|| leaf.clone().inner().zeros_like());
            found.insert(format!("grad.{scale}.{l}"), golden(grad));
        }
    }
    found.insert("loss".to_owned(), golden(loss));
    Ok(found)
}

/// What a stage's contrast was made of.
fn told(l: usize, stage: &StageContrast, found: &mut Found) {
    let pair = |pair: &[Tensor<1>; 2]| golden(Tensor::cat(pair.to_vec(), 0));
    found.insert(format!("intra.{l}"), pair(&stage.intra));
    found.insert(format!("inter.{l}"), pair(&stage.inter));
    if let Some(noise) = &stage.noise {
        let [b, m] = noise.values.dims();
        let index = noise.index.iter().map(|&j| j as f64);
        found.insert(format!("nsm.index.{l}"), numbers(index, &[b, m]));
        found.insert(format!("nsm.similarity.{l}"), golden(noise.similarity.clone()));
    }
}

/// Without `sfa` the module is its last norm; a file may hold the rest.
fn used(config: &CsfiqaConfig, name: &str) -> bool {
    config.sfa || !name.starts_with("sfa.") || name.starts_with("sfa.out_norm.")
}

fn forward(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let config = sizes(case)?;
    config.check().map_err(code)?;
    let mut net = Csfiqa::new(&config, &device);
    if case.weights.is_string() {
        net = net.fitting(&arrays(&case.weight_tensors()?));
    }
    let net = filled(net, case, |name| used(&config, name))?;
    Ok(outputs(net.forward(tensor(case.inputs()?.get("image")?, &device))))
}

fn outputs(out: CsfiqaOutput) -> Found {
    let [b] = out.panel.score.dims();
    let mut found = encoder_outputs(out.encoder);
    found.insert("afs".to_owned(), golden(out.focus.afs));
    found.insert("sfa".to_owned(), golden(out.focus.sfa));
    found.insert("score".to_owned(), golden(out.panel.score.reshape([b, 1])));
    found
}

fn training(case: &Case, with_grads: bool) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let config = sizes(case)?;
    config.check().map_err(code)?;
    let default = CsfiqaOptions::default();
    let lambda_scl = case.number_or("lambda_scl", default.lambda_scl)?;
    let beta = case.number_or("beta", default.beta)?;
    let options = CsfiqaOptions { contrast: contrast(case)?, lambda_scl, beta };
    let net = filled(Csfiqa::new(&config, &device), case, |name| used(&config, name))?.train();
    let inputs = case.inputs()?;
    let image: Tensor<4> = tensor(inputs.get("image")?, &device);
    let labels = inputs.get("labels")?.f32s();
    let method = CsfiqaMethod::new(config, options);
    let CsfiqaLosses { output, stages, scl, reg } = method.losses(&net, image.autodiff(), &labels);
    let scl = scl.unwrap_or_else(|| Tensor::zeros([1], &reg.device()));
    let total = reg.clone() + scl.clone() * lambda_scl;
    let mut found = Found::new();
    stages.iter().enumerate().for_each(|(l, stage)| told(l, stage, &mut found));
    if with_grads {
        gradients(&net, &total.backward(), &mut found);
        // What the file holds and the network leaves out has none.
        let all = if case.weights.is_string() {
            arrays(&case.weight_tensors()?)
        } else {
            collect(&Csfiqa::new(&CsfiqaConfig { sfa: true, ..method.config().clone() }, &device))
        };
        for (name, array) in all.into_iter().filter(|(name, _)| !used(method.config(), name)) {
            let zeros = vec![0.0; array.data.len()];
            found.insert(format!("grad.{name}"), numbers(zeros, &array.shape));
        }
    }
    found.extend(outputs(output));
    found.insert("loss.reg".to_owned(), golden(reg));
    found.insert("loss.scl".to_owned(), golden(scl));
    found.insert("loss.total".to_owned(), golden(total));
    Ok(found)
}
