//! Every golden case of the training parts: schedules, AdamW, smooth L1.

use biqa::golden::{self, Case, Data, GoldenError, Tensor as Golden, Tensors};
use biqa_lab::losses::regression::smooth_l1;
use biqa_lab::train::optim::{AdamW, AdamWConfig, Group, global_norm};
use biqa_lab::train::schedule::Schedule;
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeMap;

/// Functions that are not built yet: (name, issue).
const NOT_BUILT: [(&str, u32); 0] = [];

#[test]
fn golden_every_training_case_is_within_its_tolerance() {
    let summary = golden::run(&["train-"], &NOT_BUILT, |case| {
        let found = match (case.model.as_str(), case.kind.as_str()) {
            ("lr_schedule", _) => schedule(case)?,
            ("smooth_l1", _) => loss(case)?,
            ("adamw", _) if case.text("problem").is_ok() => linear_problem(case)?,
            ("adamw", _) => adamw(case)?,
            (other, _) => return Err(GoldenError::NotBuilt(other.to_owned())),
        };
        case.compare_all(&found)
    });
    assert!(summary.failures.is_empty(), "{}", summary.failures.join("\n"));
    assert!(summary.passed >= 8, "the repository's own copy holds 8 cases");
}

fn schedule(case: &Case) -> Result<Tensors, GoldenError> {
    let mut config = case.config.clone();
    let epochs = case.integer("epochs")?;
    let per_epoch = case.integer("steps_per_epoch")?;
    if let Some(map) = config.as_object_mut() {
        map.remove("epochs");
        map.remove("steps_per_epoch");
        // Section 9's name of the switch.
        if let Some(word) = map.remove("decay_from") {
            let prefix = match word.as_str() {
                Some("start") => false,
                Some("warmup_end") => true,
                _ => return Err(GoldenError::Code(format!("decay_from {word}"))),
            };
            map.insert("warmup_prefix".to_owned(), prefix.into());
        }
    }
    let schedule: Schedule =
        serde_json::from_value(config).map_err(|e| GoldenError::Code(e.to_string()))?;
    let total = epochs * per_epoch;
    let values = |f: &dyn Fn(u64) -> f64| Golden::of_f64s((0..total).map(f).collect());
    Ok(Tensors(BTreeMap::from([
        ("lr_at".to_owned(), values(&|t| schedule.at(t, total, per_epoch))),
        ("lr_used".to_owned(), values(&|k| schedule.used(k, total, per_epoch))),
    ])))
}

fn loss(case: &Case) -> Result<Tensors, GoldenError> {
    let device = Device::flex().autodiff();
    if case.config.get("reduction").is_some_and(|word| word != "mean") {
        return Err(GoldenError::Code("the loss is a mean".to_owned()));
    }
    let inputs = case.inputs()?;
    let input = inputs.get("prediction")?;
    let prediction = flat(input, &device).require_grad();
    let loss = smooth_l1(
        prediction.clone(),
        flat(inputs.get("label")?, &device),
        case.number_or("beta", 1.0)?,
    );
    let grads = loss.backward();
    let grad = prediction.grad(&grads).ok_or_else(|| GoldenError::Code("no gradient".into()))?;
    Ok(Tensors(BTreeMap::from([
        ("loss".to_owned(), shaped(&[loss], &[1])),
        ("grad.prediction".to_owned(), shaped(&[grad], &input.shape)),
    ])))
}

fn config(case: &Case) -> Result<AdamWConfig, GoldenError> {
    let mut config = case.config.clone();
    if let Some(map) = config.as_object_mut() {
        map.retain(|key, _| {
            ["betas", "eps", "weight_decay", "clip_grad_norm"].contains(&key.as_str())
        });
    }
    serde_json::from_value(config).map_err(|e| GoldenError::Code(e.to_string()))
}

/// What `no_decay` does not name decays.
fn group(case: &Case, name: &str, lr: f64) -> Group {
    let left = case.config.get("no_decay").and_then(|list| list.as_array());
    let is_left = left.map_or(name == "bias", |list| list.iter().any(|left| left == name));
    Group { lr, decay: !is_left }
}

/// What a case follows over the steps.
#[derive(Default)]
struct Trace {
    weight: Vec<Tensor<1>>,
    bias: Vec<Tensor<1>>,
    first: Vec<Tensor<1>>,
    second: Vec<Tensor<1>>,
    norm: Vec<f64>,
    loss: Vec<f64>,
}

impl Trace {
    fn step(
        &mut self,
        case: &Case,
        optim: &mut AdamW,
        values: [Tensor<1>; 2],
        grads: [Tensor<1>; 2],
        lr: f64,
    ) -> [Tensor<1>; 2] {
        let [weight_grad, bias_grad] = grads;
        let named = BTreeMap::from([
            ("bias".to_owned(), bias_grad.clone()),
            ("weight".to_owned(), weight_grad.clone()),
        ]);
        let norm = global_norm(&named);
        let clip = optim.clip_factor(norm);
        optim.begin_step();
        let [weight, bias] = values;
        let weight = optim.update("weight", weight, weight_grad * clip, group(case, "weight", lr));
        let bias = optim.update("bias", bias, bias_grad * clip, group(case, "bias", lr));
        let state = optim.state();
        let moment = |key: &str| {
            let data = state[key].data.clone();
            let n = data.len();
            Tensor::from_data(TensorData::new(data, [n]), &Device::flex())
        };
        self.first.push(moment("m.weight"));
        self.second.push(moment("v.weight"));
        self.weight.push(weight.clone());
        self.bias.push(bias.clone());
        self.norm.push(norm);
        [weight, bias]
    }

    fn tensors(self, weight_shape: &[usize], bias_shape: &[usize]) -> Tensors {
        let steps = self.weight.len();
        let with_steps = |shape: &[usize]| [&[steps], shape].concat();
        let mut found = BTreeMap::from([
            ("weight".to_owned(), shaped(&self.weight, &with_steps(weight_shape))),
            ("bias".to_owned(), shaped(&self.bias, &with_steps(bias_shape))),
            ("exp_avg".to_owned(), shaped(&self.first, &with_steps(weight_shape))),
            ("exp_avg_sq".to_owned(), shaped(&self.second, &with_steps(weight_shape))),
            ("grad_norm".to_owned(), Golden::of_f64s(self.norm)),
        ]);
        found.insert("loss".to_owned(), Golden::of_f64s(self.loss));
        Tensors(found)
    }
}

fn adamw(case: &Case) -> Result<Tensors, GoldenError> {
    let device = Device::flex();
    let inputs = case.inputs()?;
    let (weight, bias) = (inputs.get("weight")?, inputs.get("bias")?);
    let (gw, gb) = (inputs.get("grad.weight")?.f32s(), inputs.get("grad.bias")?.f32s());
    let mut optim = AdamW::new(config(case)?);
    let mut values = [flat(weight, &device), flat(bias, &device)];
    let mut trace = Trace::default();
    for (k, lr) in inputs.get("lr")?.f64s().into_iter().enumerate() {
        let part = |all: &[f32], n: usize| {
            Tensor::from_data(TensorData::new(all[k * n..(k + 1) * n].to_vec(), [n]), &device)
        };
        let grads = [part(&gw, weight.f32s().len()), part(&gb, bias.f32s().len())];
        values = trace.step(case, &mut optim, values, grads, lr);
    }
    Ok(trace.tensors(&weight.shape, &bias.shape))
}

/// `prediction = x weight^T + bias`, smooth L1, end to end.
fn linear_problem(case: &Case) -> Result<Tensors, GoldenError> {
    let (plain, device) = (Device::flex(), Device::flex().autodiff());
    let inputs = case.inputs()?;
    let (weight, bias) = (inputs.get("weight")?, inputs.get("bias")?);
    let input = inputs.get("x")?;
    let x: Tensor<2> =
        Tensor::from_data(TensorData::new(input.f32s(), input.shape.clone()), &device);
    let target = flat(inputs.get("target")?, &device);
    let mut optim = AdamW::new(config(case)?);
    let mut values = [flat(weight, &plain), flat(bias, &plain)];
    let mut trace = Trace::default();
    for lr in inputs.get("lr")?.f64s() {
        let [w, b] = values.clone().map(|v| Tensor::from_inner(v).require_grad());
        let [n, i] = [input.shape[0], input.shape[1]];
        let o = b.dims()[0];
        let prediction =
            x.clone().matmul(w.clone().reshape([o, i]).transpose()) + b.clone().unsqueeze::<2>();
        let prediction = prediction.reshape([n * o]);
        let loss = smooth_l1(prediction, target.clone(), case.number_or("beta", 1.0)?);
        let grads = loss.backward();
        let grad =
            |v: &Tensor<1>| v.grad(&grads).ok_or_else(|| GoldenError::Code("no gradient".into()));
        trace.loss.push(f64::from(loss.into_scalar::<f32>()));
        values = trace.step(case, &mut optim, values, [grad(&w)?, grad(&b)?], lr);
    }
    Ok(trace.tensors(&weight.shape, &bias.shape))
}

fn flat(t: &Golden, device: &Device) -> Tensor<1> {
    let data = t.f32s();
    let n = data.len();
    Tensor::from_data(TensorData::new(data, [n]), device)
}

fn shaped(parts: &[Tensor<1>], shape: &[usize]) -> Golden {
    let data = parts.iter().flat_map(|t| biqa::weights::host(t).into_iter().map(f64::from));
    Golden { shape: shape.to_vec(), data: Data::F64(data.collect()) }
}
