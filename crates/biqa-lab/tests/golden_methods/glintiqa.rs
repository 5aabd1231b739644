//! `glintiqa-*`: papers/glintiqa.md, section 8. The splits are in `golden_stats`.

use biqa::golden::{Case, GoldenError, Tensors};
use biqa::models::glintiqa::{
    Attended, ChannelAttention, Dropout, Enhancement, GlintIqa, GlintIqaConfig, GlintIqaOutput,
    Training, checkpoint_arrays,
};
use biqa::nn::norm::{BATCH_NORM_MOMENTUM, Seen};
use biqa::weights::{freeze, load};
use biqa_lab::losses::regression::l1;
use biqa_lab::methods::Method;
use biqa_lab::methods::glintiqa::{GlintIqaMethod, GlintIqaOptions};
use biqa_lab::train::optim::{AdamW, AdamWConfig, Group};
use biqa_lab::train::schedule::{Annealing, Schedule, Shape, Unit};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::common::{
    Found, arrays, code, config, cut, filled, flat, golden, grad_norm, gradients, numbers, rows,
    tensor,
};
use crate::crossvit::reached;
use crate::resnet::{buffers, trains};

/// Keys of a case that are not the network's.
const OTHERS: [&str; 10] = [
    "slice_tokens",
    "slice_channels",
    "freeze_patch_embed",
    "freeze_blocks_until",
    "drop",
    "head_drop",
    "clfe.frozen_bn",
    "frozen_bn",
    "loss",
    "mode",
];

/// Ways to write the key `cwsa.reinterpret`.
const REINTERPRET: [&str; 3] = ["cwsa.reinterpret", "cwsa_reinterpret", "reinterpret"];

fn reinterpret(case: &Case) -> Result<bool, GoldenError> {
    REINTERPRET.iter().try_fold(true, |all, key| Ok(all && case.switch_or(key, true)?))
}

/// The switches of `cwsa` and `clfe` under their names with a point, where a case nests them.
fn flattened(case: &Case) -> Case {
    let mut case = case.clone();
    if let Some(map) = case.config.as_object_mut() {
        for part in ["cwsa", "clfe"] {
            if map.get(part).is_some_and(serde_json::Value::is_object)
                && let Some(serde_json::Value::Object(inner)) = map.remove(part)
            {
                map.extend(inner.into_iter().map(|(key, value)| (format!("{part}.{key}"), value)));
            }
        }
    }
    case
}

pub fn case(case: &Case) -> Result<(), GoldenError> {
    let case = &flattened(case);
    let found = match (case.model.as_str(), case.kind.as_str()) {
        ("glintiqa_cwsa", "forward") => attention(case)?,
        ("glintiqa_cwsa", "grad" | "train_forward") => attention_grad(case)?,
        ("glintiqa_siem", "forward" | "grad") => enhancement(case)?,
        ("glintiqa", "forward") => forward(case)?,
        ("glintiqa", "grad" | "train_forward") => grad(case)?,
        ("cosine_annealing_lr", _) => annealing(case)?,
        ("adam", _) => adam(case)?,
        (other, kind) => return Err(GoldenError::NotBuilt(format!("{other} {kind}"))),
    };
    case.compare_all(&Tensors(found))
}

fn attention_layer(case: &Case) -> Result<ChannelAttention, GoldenError> {
    let config = GlintIqaConfig {
        cwsa_norm_eps: case.number_or("norm_eps", case.number_or("cwsa_norm_eps", 1e-5)?)?,
        normalize_eps: case.number_or("normalize_eps", 1e-12)?,
        reinterpret: reinterpret(case)?,
        ..GlintIqaConfig::default()
    };
    let n = case.integer("dim")? as usize;
    filled(ChannelAttention::new(&config, n, &Device::flex()), case, |_| true)
}

fn attention(case: &Case) -> Result<Found, GoldenError> {
    let x = tensor(case.inputs()?.get("x")?, &Device::flex());
    Ok(attended(attention_layer(case)?.forward(x, None)))
}

fn attended(found: Attended) -> Found {
    let Attended { attention, mixed, scrambled, out } = found;
    Found::from([
        ("attention".to_owned(), golden(attention)),
        ("mixed".to_owned(), golden(mixed)),
        ("scrambled".to_owned(), golden(scrambled)),
        ("out".to_owned(), golden(out)),
    ])
}

fn attention_grad(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex().autodiff();
    let inputs = case.inputs()?;
    let x: Tensor<3> = tensor(inputs.get("x")?, &device).require_grad();
    // Without a mask dropout does nothing: evaluation mode, or a rate of 0.
    let factors = match inputs.get("mask") {
        Ok(mask) => Some(tensor::<3>(mask, &device) / (1.0 - case.number_or("drop", 0.5)?)),
        Err(_) => None,
    };
    let net = attention_layer(case)?.train();
    let parts = net.forward(x.clone(), factors);
    let out = parts.out.clone();
    let mut found = attended(parts);
    if let Ok(r) = inputs.get("r") {
        weighted(&net, &x, out * tensor::<3>(r, &device), &mut found)?;
    }
    Ok(found)
}

/// `loss = sum(weighted)` and its gradients.
fn weighted<M: Module>(
    net: &M,
    x: &Tensor<3>,
    weighted: Tensor<3>,
    found: &mut Found,
) -> Result<(), GoldenError> {
    let loss = weighted.sum();
    let grads = loss.backward();
    found.insert("loss".to_owned(), golden(loss));
    gradients(net, &grads, found);
    let grad = x.grad(&grads).ok_or_else(|| code("no gradient"))?;
    found.insert("grad.x".to_owned(), golden(grad));
    Ok(())
}

fn enhancement(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex().autodiff();
    let d = case.integer("embed_dim")? as usize;
    let grid = case.integer("patches_resolution")? as usize;
    let c = d * case.integer("input_multiplier")? as usize;
    let net = filled(Enhancement::new(c, d, grid, &Device::flex()), case, |_| true)?.train();
    let inputs = case.inputs()?;
    let x: Tensor<3> = tensor(inputs.get("x")?, &device).require_grad();
    let out = net.forward(x.clone());
    let mut found = Found::from([("out".to_owned(), golden(out.clone()))]);
    if case.kind == "grad" {
        weighted(&net, &x, out * tensor::<3>(inputs.get("r")?, &device), &mut found)?;
    }
    Ok(found)
}

fn network(case: &Case) -> Result<(GlintIqaConfig, GlintIqa), GoldenError> {
    let mut sizes: GlintIqaConfig = config(case, &[&OTHERS[..], &REINTERPRET].concat())?;
    sizes.reinterpret = reinterpret(case)?;
    sizes.check().map_err(code)?;
    let net = GlintIqa::new(&sizes, &Device::flex());
    if !case.weights.is_string() {
        return Ok((sizes, filled(net, case, |_| true)?));
    }
    // A file has the names of any release, and may lack what no score needs (section 3.5).
    let arrays = checkpoint_arrays(arrays(&case.weight_tensors()?), &net);
    let net = load(net, arrays, "the case", &case.model).map_err(code)?;
    Ok((sizes, net))
}

fn forward(case: &Case) -> Result<Found, GoldenError> {
    let (_, net) = network(case)?;
    let out = net.forward(tensor(case.inputs()?.get("image")?, &Device::flex()), None);
    outputs(case, out)
}

fn outputs(case: &Case, out: GlintIqaOutput) -> Result<Found, GoldenError> {
    let GlintIqaOutput { vgfe, clfe, local_cwsa, local, cwsa, siem, score } = out;
    let named = |name: &str, first: usize, all: Vec<Tensor<3>>| -> Vec<(String, Tensor<3>)> {
        all.into_iter().enumerate().map(|(i, x)| (format!("{name}.{}", i + first), x)).collect()
    };
    let tokens = [
        named("vgfe", 0, vgfe),
        named("clfe", 1, clfe),
        vec![("local".to_owned(), local)],
        named("siem", 1, siem),
    ]
    .concat();
    let channels = [vec![("local_cwsa".to_owned(), local_cwsa)], named("cwsa", 1, cwsa)].concat();
    let mut found = Found::from([("score".to_owned(), golden(score))]);
    if let Some((at, range)) = case.slices()? {
        // X[:, slice_tokens, slice_channels], and X[:, slice_channels, slice_tokens] where channels
        // are the sequence
        for (name, x, dim) in tokens
            .iter()
            .map(|(name, x)| (name, x, 1))
            .chain(channels.iter().map(|(name, x)| (name, x, 2)))
        {
            let x = cut(x.clone(), 3 - dim, &range);
            found.insert(format!("slice.{name}"), golden(rows(x, dim, &at)));
        }
    }
    found.extend(tokens.into_iter().chain(channels).map(|(name, x)| (name, golden(x))));
    Ok(found)
}

/// What `freeze_blocks_until` leaves trainable has gradients. Training mode, as the case's `mode`
/// says, or its masks and buffers; without dropout where it brings no masks and all rates are 0.
fn grad(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex().autodiff();
    let (sizes, net) = network(case)?;
    let default = GlintIqaOptions::default();
    let frozen_bn = ["clfe.frozen_bn", "frozen_bn"].iter().find_map(|key| case.config.get(key));
    let options = GlintIqaOptions {
        freeze_patch_embed: case.switch_or("freeze_patch_embed", default.freeze_patch_embed)?,
        freeze_blocks_until: match case.config.get("freeze_blocks_until") {
            Some(_) => case.number("freeze_blocks_until")? as i64,
            None => default.freeze_blocks_until,
        },
        drop: case.number_or("drop", default.drop)?,
        head_drop: case.number_or("head_drop", default.head_drop)?,
        frozen_bn: match frozen_bn {
            Some(word) => serde_json::from_value(word.clone()).map_err(code)?,
            None => default.frozen_bn,
        },
        ..default
    };
    let (d, n) = (sizes.embed_dim, sizes.grid().pow(2));
    let method = GlintIqaMethod::new(sizes, options);
    let net = freeze(net.train(), |name| method.frozen(name));
    let inputs = case.inputs()?;
    let image: Tensor<4> = tensor(inputs.get("image")?, &device);
    let [b, ..] = image.dims();
    let all_kept = |rate: f64, name: &str| rate == 0.0 && inputs.get(name).is_err();
    let factors = |name: &str, parts: usize| -> Result<Tensor<3>, GoldenError> {
        let name = format!("mask.{name}");
        if all_kept(options.drop, &name) {
            return Ok(Tensor::ones([b, parts * d, n], &device));
        }
        Ok(tensor::<3>(inputs.get(&name)?, &device) / (1.0 - options.drop))
    };
    let quality_head = || -> Result<Tensor<2>, GoldenError> {
        let name = "mask.quality_head";
        if all_kept(options.head_drop, name) {
            return Ok(Tensor::ones([b, d], &device));
        }
        Ok(tensor::<2>(inputs.get(name)?, &device) / (1.0 - options.head_drop))
    };
    let mut seen = Seen::default();
    let masked = inputs.0.keys().any(|name| name.starts_with("mask."));
    let training = match case.config.get("mode").and_then(|word| word.as_str()) {
        Some("eval") => None,
        None if case.kind == "grad" && !masked && !trains(case)? => None,
        None | Some("train") => Some(Training {
            dropout: Dropout {
                local_cwsa: factors("local_cwsa", 3)?,
                cwsa: [
                    factors("cwsa1", 2)?,
                    factors("cwsa2", 2)?,
                    factors("cwsa3", 2)?,
                    factors("cwsa4", 2)?,
                ],
                quality_head: quality_head()?,
            },
            seen: &mut seen,
            frozen_bn: method.frozen_bn(),
        }),
        Some(other) => return Err(code(format!("mode {other:?}, expected train or eval"))),
    };
    let out = net.forward(image, training);
    let mut found = Found::new();
    if let Ok(target) = inputs.get("target") {
        let loss = l1(out.score.clone(), tensor(target, &device));
        reached(&net, &loss.backward(), &mut found);
        let (norm, count) = (grad_norm(&found), found.len());
        found.insert("grad_norm".to_owned(), numbers([norm], &[1]));
        found.insert("grad_count".to_owned(), numbers([count as f64], &[1]));
        found.insert("loss".to_owned(), golden(loss));
    }
    found.extend(outputs(case, out)?);
    found.extend(buffers(&seen.put_into(net, BATCH_NORM_MOMENTUM)));
    Ok(found)
}

fn annealing(case: &Case) -> Result<Found, GoldenError> {
    let (base_lr, min_lr) = (case.number_or("base_lr", 1e-5)?, case.number_or("eta_min", 0.0)?);
    let unit = ["unit", "schedule.unit"].iter().find_map(|key| case.config.get(key));
    let unit = match unit {
        Some(word) => serde_json::from_value(word.clone()).map_err(code)?,
        None => Unit::Step,
    };
    let per_epoch = case.number_or("steps_per_epoch", 1.0)? as u64;
    let annealing = Annealing { t_max: case.number_or("t_max", 30.0)?, unit };
    let schedule = Schedule {
        name: Shape::Annealing,
        base_lr,
        min_lr,
        warmup_epochs: 0.0,
        delay: 0,
        annealing,
        ..Schedule::default()
    };
    let steps = case.integer("steps")?;
    let rates = (0..steps).map(|t| schedule.used(t, steps, per_epoch) / base_lr);
    Ok(Found::from([("lr_scaled".to_owned(), numbers(rates, &[steps as usize]))]))
}

fn adam(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let mut config: serde_json::Value = case.config.clone();
    if let Some(map) = config.as_object_mut() {
        map.remove("lr");
        map.insert("clip_grad_norm".to_owned(), serde_json::Value::Null);
        // Section 4.4, where a case leaves them out.
        map.entry("coupled").or_insert(true.into());
        map.entry("weight_decay").or_insert(1e-5.into());
    }
    let config: AdamWConfig = serde_json::from_value(config).map_err(code)?;
    let group = Group { lr: case.number_or("lr", 1e-5)?, decay: true };
    let inputs = case.inputs()?;
    let (first, grads) = (inputs.get("p0")?, inputs.get("grads")?);
    let mut p = flat(first, &device);
    let [n] = p.dims();
    let mut optim = AdamW::new(config);
    let mut trajectory = Vec::new();
    let steps: Tensor<2> = flat(grads, &device).reshape([grads.shape[0], n]);
    for t in 0..grads.shape[0] {
        let grad = steps.clone().narrow(0, t, 1).reshape([n]);
        optim.begin_step();
        p = optim.update("p", p, grad, group);
        trajectory.push(p.clone());
    }
    let all = biqa::weights::host(&Tensor::cat(trajectory, 0)).into_iter().map(f64::from);
    Ok(Found::from([("trajectory".to_owned(), numbers(all, &grads.shape))]))
}
