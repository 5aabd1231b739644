//! `qpt-*`: papers/qpt.md, section 10.

use biqa::golden::{Case, GoldenError, Tensor as Golden, Tensors};
use biqa::models::qpt::{Qpt, QptConfig};
use biqa::nn::norm::{BATCH_NORM_MOMENTUM, Seen};
use biqa::weights::{collect, freeze};
use biqa_lab::losses::qpt::{Ids, QcConfig, QcTerms, qc_loss, qc_terms};
use biqa_lab::losses::regression::smooth_l1;
use biqa_lab::pretrain::momentum::{followed, lr_factor};
use biqa_lab::pretrain::network::{Pretrain, PretrainConfig};
use biqa_lab::pretrain::overlap::{Corner, overlap};
use biqa_lab::pretrain::recipe::MomentumSchedule;
use biqa_lab::pretrain::step::{PretrainStep, pretrain_step, stored};
use biqa_lab::train::lars::{Lars, LarsConfig};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use serde::de::DeserializeOwned;

use crate::common::{
    Found, code, config, filled, flat, golden, grad_norm, gradients, numbers, tensor,
};
use crate::resnet::buffers;

pub fn case(case: &Case) -> Result<(), GoldenError> {
    let found = match case.model.as_str() {
        "qpt" if case.kind == "forward" => forward(case)?,
        "qpt" => training(case)?,
        "qc_loss" => loss(case)?,
        "qpt_pretrain" => step(case)?,
        "momentum_update" => updates(case)?,
        "warmup_cosine" => schedule(case)?,
        "lars" => lars(case)?,
        "crop_overlap" => overlaps(case)?,
        other => return Err(GoldenError::NotBuilt(other.to_owned())),
    };
    case.compare_all(&Tensors(found))
}

fn forward(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let net = network(case)?;
    let scores = net.score(tensor(case.inputs()?.get("image")?, &device));
    told_scores(case, scores)
}

fn network(case: &Case) -> Result<Qpt, GoldenError> {
    let sizes: QptConfig = config(case, &["crops", "beta", "mode", "bn_momentum", "loss"])?;
    sizes.check().map_err(code)?;
    filled(Qpt::new(&sizes, &Device::flex()), case, |_| true)
}

fn told_scores(case: &Case, scores: Tensor<1>) -> Result<Found, GoldenError> {
    let (n, crops) = (scores.dims()[0], case.number_or("crops", 1.0)? as usize);
    if crops == 0 || !n.is_multiple_of(crops) {
        return Err(code(format!("{n} crops are no {crops} of each picture")));
    }
    let pictures = n / crops;
    let means = scores.clone().reshape([pictures, crops]).mean_dim(1).reshape([pictures]);
    Ok(Found::from([
        ("crop_scores".to_owned(), golden(scores)),
        ("score".to_owned(), golden(means)),
    ]))
}

/// Fine-tuning (section 6): batch norms by the batch, smooth L1 of every crop, gradients and buffers.
fn training(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex().autodiff();
    let net = network(case)?.train();
    let inputs = case.inputs()?;
    let mut seen = Seen::default();
    let score = net.score_in(tensor(inputs.get("image")?, &device), Some(&mut seen));
    let label = inputs.get("label").or_else(|_| inputs.get("labels"))?;
    let target = flat(label, &device);
    let loss = smooth_l1(score.clone(), target, case.number_or("beta", 1.0)?);
    let mut found = told_scores(case, score)?;
    let mut grads = Found::new();
    gradients(&net, &loss.backward(), &mut grads);
    found.insert("grad_norm".to_owned(), numbers([grad_norm(&grads)], &[1]));
    found.extend(grads);
    found.insert("loss".to_owned(), golden(loss));
    found.extend(buffers(&seen.put_into(net, case.number_or("bn_momentum", BATCH_NORM_MOMENTUM)?)));
    Ok(found)
}

/// Keys of a case that say what its arrays say, or have one value.
fn told_only(case: &Case) -> Result<(), GoldenError> {
    if case.switch_or("normalize", true)? {
        return Ok(());
    }
    Err(code("normalize = false: embeddings are always divided by their length (1)"))
}

/// Some keys of a case. With keys out of a queue (section 5) there is no predictor and one direction,
/// unless the case says otherwise.
fn some_keys<T: DeserializeOwned>(case: &Case, keys: &[&str]) -> Result<T, GoldenError> {
    let mut config = case.config.clone();
    if let Some(map) = config.as_object_mut() {
        if map.get("keys").is_some_and(|word| word == "queue") {
            for key in ["predictor", "symmetric"] {
                map.entry(key).or_insert(false.into());
            }
        }
        map.retain(|key, _| keys.contains(&key.as_str()));
    }
    serde_json::from_value(config).map_err(code)
}

/// The keys of the loss among those of a case.
fn loss_config(case: &Case) -> Result<QcConfig, GoldenError> {
    told_only(case)?;
    let keys =
        ["temperature", "w_degradation", "w_content", "symmetric", "loss_scale", "normalize_eps"];
    some_keys(case, &keys)
}

fn ids(inputs: &Tensors) -> Result<[Vec<i64>; 2], GoldenError> {
    let of = |name: &str| inputs.get(name)?.i64s().ok_or_else(|| code("ids are whole numbers"));
    Ok([of("image_id")?, of("degradation_id")?])
}

fn told(terms: &QcTerms, found: &mut Found) {
    found.insert("each".to_owned(), golden(terms.each.clone()));
    found.insert("prob_degradation".to_owned(), golden(terms.prob_degradation.clone()));
    found.insert("prob_content".to_owned(), golden(terms.prob_content.clone()));
}

fn loss(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex().autodiff();
    let config = loss_config(case)?;
    let inputs = case.inputs()?;
    let rows = |name: &str| Ok::<_, GoldenError>(tensor::<2>(inputs.get(name)?, &device));
    let [image, degradation] = ids(&inputs)?;
    let ids = Ids { image: &image, degradation: &degradation };
    let queue = match case.number_or("queue", 0.0)? {
        0.0 if inputs.get("queue").is_err() => None,
        _ => Some(rows("queue")?),
    };
    let q1 = rows("q1")?.require_grad();
    let first = qc_terms(q1.clone(), rows("k2")?, queue.clone(), ids, &config);
    let mut found = Found::new();
    told(&first, &mut found);
    let second = if config.symmetric {
        let q2 = rows("q2")?.require_grad();
        let terms = qc_terms(q2.clone(), rows("k1")?, queue, ids, &config);
        found.insert("each_2".to_owned(), golden(terms.each.clone()));
        Some((q2, terms))
    } else {
        None
    };
    let loss = qc_loss(&first, second.as_ref().map(|(_, terms)| terms), &config);
    let grads = loss.backward();
    let grad = |q: &Tensor<2>| q.grad(&grads).ok_or_else(|| code("no gradient"));
    found.insert("grad.q1".to_owned(), golden(grad(&q1)?));
    if let Some((q2, _)) = &second {
        found.insert("grad.q2".to_owned(), golden(grad(q2)?));
    }
    found.insert("loss".to_owned(), golden(loss));
    Ok(found)
}

fn step(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let keys = ["layers", "width", "mlp_dim", "dim", "predictor", "bn_eps"];
    let sizes: PretrainConfig = some_keys(case, &keys)?;
    sizes.check().map_err(code)?;
    // `filled` needs every parameter; the key side is frozen again behind it.
    let net = filled(Pretrain::new(&sizes, &device), case, |_| true)?.train();
    let net = freeze(net, |name| name.starts_with("momentum_encoder."));
    let inputs = case.inputs()?;
    let view = |name: &str| -> Result<Tensor<4>, GoldenError> {
        Ok(tensor::<4>(inputs.get(name)?, &device).autodiff())
    };
    let [image, degradation] = ids(&inputs)?;
    let ids = Ids { image: &image, degradation: &degradation };
    let views = [view("view1")?, view("view2")?];
    let m = case.number("momentum")?;
    let queue = inputs.get("queue").ok().map(|queue| tensor::<2>(queue, &device));
    let step = pretrain_step(net, views, queue, ids, m, &loss_config(case)?);
    let PretrainStep { net, queries, keys, terms, loss, query_seen, key_seen } = step;
    let mut found = Found::new();
    told(&terms.0, &mut found);
    if let Some(second) = &terms.1 {
        found.insert("each_2".to_owned(), golden(second.each.clone()));
    }
    let grads = loss.backward();
    gradients(&net, &grads, &mut found);
    for (name, tensors) in [("q", queries), ("k", keys)] {
        for (view, x) in tensors.into_iter().enumerate() {
            found.insert(format!("{name}{}", view + 1), golden(x));
        }
    }
    let share = case.number_or("bn_momentum", BATCH_NORM_MOMENTUM)?;
    let net = stored(net, query_seen, key_seen, share);
    found.extend(buffers(&net));
    for (name, array) in collect(&net) {
        let values = array.data.iter().map(|&v| f64::from(v));
        found.insert(format!("param.{name}"), numbers(values, &array.shape));
    }
    found.insert("loss".to_owned(), golden(loss));
    Ok(found)
}

fn updates(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let inputs = case.inputs()?;
    let (m, steps) = (case.number("momentum")?, case.integer("steps")? as usize);
    let (query, first) = (flat(inputs.get("query")?, &device), inputs.get("key")?);
    let mut key = flat(first, &device);
    let mut trajectory = Vec::new();
    for _ in 0..steps {
        key = followed(key, query.clone(), m);
        trajectory.push(key.clone());
    }
    let all = biqa::weights::host(&Tensor::cat(trajectory, 0)).into_iter().map(f64::from);
    let shape = [&[steps], &first.shape[..]].concat();
    Ok(Found::from([("trajectory".to_owned(), numbers(all, &shape))]))
}

fn schedule(case: &Case) -> Result<Found, GoldenError> {
    let (warmup, epochs) = (case.number("warmup_epochs")?, case.number("epochs")?);
    let (per_epoch, start) =
        (case.integer("steps_per_epoch")?, case.number_or("momentum_start", 0.99)?);
    let steps = epochs as u64 * per_epoch;
    let kind = case.config.get("momentum_schedule").cloned();
    let kind = kind.map(serde_json::from_value::<MomentumSchedule>).transpose().map_err(code)?;
    let kind = kind.unwrap_or_default();
    let of = |f: &dyn Fn(f64) -> f64| -> Golden {
        let values = (0..steps).map(|t| f(t as f64 / per_epoch as f64));
        numbers(values, &[steps as usize])
    };
    Ok(Found::from([
        ("lr_factor".to_owned(), of(&|e| lr_factor(e, warmup, epochs))),
        ("momentum".to_owned(), of(&|e| kind.at(e, epochs, start))),
    ]))
}

fn lars(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex();
    let mut config = case.config.clone();
    if let Some(map) = config.as_object_mut() {
        map.retain(|key, _| !["lr", "steps"].contains(&key.as_str()));
    }
    let config: LarsConfig = serde_json::from_value(config).map_err(code)?;
    let (lr, steps) = (case.number("lr")?, case.integer("steps")? as usize);
    let inputs = case.inputs()?;
    let flat = |values: Vec<f32>| -> Tensor<1> {
        let n = values.len();
        Tensor::from_data(TensorData::new(values, [n]), &device)
    };
    let mut optim = Lars::new(config);
    let mut found = Found::new();
    for (key, first) in &inputs.0 {
        let Some(name) = key.strip_prefix("p0.") else { continue };
        let grads = inputs.get(&format!("grads.{name}"))?.f32s();
        let mut p = flat(first.f32s());
        let n = p.dims()[0];
        let mut trajectory = Vec::new();
        for grad in grads.chunks_exact(n).take(steps) {
            p = optim.update(name, p, flat(grad.to_vec()), first.shape.len(), lr);
            trajectory.push(p.clone());
        }
        let shape = [&[steps], &first.shape[..]].concat();
        let all = biqa::weights::host(&Tensor::cat(trajectory, 0));
        let values = all.into_iter().map(f64::from);
        found.insert(format!("trajectory.{name}"), numbers(values, &shape));
    }
    Ok(found)
}

fn overlaps(case: &Case) -> Result<Found, GoldenError> {
    let (side, low, high) = (
        case.number_or("patch", 160.0)? as i64,
        case.number_or("iou_low", 0.1)?,
        case.number_or("iou_high", 0.3)?,
    );
    let corners = case.inputs()?.get("corners")?.f64s();
    let found: Vec<_> = corners
        .chunks_exact(4)
        .map(|c| {
            let corner = |y: f64, x: f64| Corner { y: y as i64, x: x as i64 };
            overlap(corner(c[0], c[1]), corner(c[2], c[3]), side)
        })
        .collect();
    let n = [found.len()];
    Ok(Found::from([
        ("intersection".to_owned(), numbers(found.iter().map(|o| o.intersection as f64), &n)),
        ("iou".to_owned(), numbers(found.iter().map(|o| o.iou), &n)),
        ("accept".to_owned(), numbers(found.iter().map(|o| f64::from(o.is_within(low, high))), &n)),
    ]))
}
