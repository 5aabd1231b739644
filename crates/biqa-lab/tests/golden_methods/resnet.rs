//! `resnet50-*`: papers/glintiqa.md, section 8.

use biqa::golden::{Case, GoldenError, Tensors};
use biqa::nn::norm::{BATCH_NORM_MOMENTUM, Seen};
use biqa::nn::pool;
use biqa::nn::resnet::{ResNet, ResNetConfig, ResNetOutput};
use biqa::weights::collect;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::common::{Found, code, config, filled, golden, gradients, numbers, tensor};

pub fn case(case: &Case) -> Result<(), GoldenError> {
    if case.model != "resnet50" {
        return Err(GoldenError::NotBuilt(case.model.clone()));
    }
    let device = Device::flex();
    let net = ResNet::new(&config::<ResNetConfig>(case, &["mode", "bn_momentum"])?, &device);
    let net = filled(net, case, |_| true)?;
    let image: Tensor<4> = tensor(case.inputs()?.get("image")?, &device);
    let found = match case.kind.as_str() {
        "forward" => {
            let out = net.forward(image, None);
            outputs(&net, out)
        }
        "train_forward" => training(case, net.train(), image.autodiff())?,
        "grad" => grad(case, net.train(), image.autodiff(), trains(case)?)?,
        other => return Err(GoldenError::NotBuilt(format!("resnet50 {other}"))),
    };
    case.compare_all(&Tensors(found))
}

/// Whether a case with gradients is in training mode: as its `mode` says; without one, if it expects
/// what the batch norms store then.
pub fn trains(case: &Case) -> Result<bool, GoldenError> {
    match case.config.get("mode").and_then(|word| word.as_str()) {
        Some("train") => Ok(true),
        Some("eval") => Ok(false),
        None => Ok(case.expect.keys().any(|name| name.starts_with("buffer."))),
        Some(other) => Err(code(format!("mode {other:?}, expected train or eval"))),
    }
}

fn outputs(net: &ResNet, out: ResNetOutput) -> Found {
    let ResNetOutput { stem, stages, features } = out;
    let mut found = Found::new();
    if let Some(logits) = net.logits(features.clone()) {
        found.insert("logits".to_owned(), golden(logits));
    }
    found.insert("features".to_owned(), golden(features));
    let stages = stages.into_iter().enumerate().map(|(s, x)| (format!("layer{}", s + 1), x));
    for (name, map) in std::iter::once(("stem".to_owned(), stem)).chain(stages) {
        let [b, c, h, w] = map.dims();
        let corner = [0..b, 0..c.min(8), 0..h.min(4), 0..w.min(4)];
        found.insert(format!("{name}.mean"), golden(pool::mean(map.clone())));
        found.insert(format!("{name}.corner"), golden(map.clone().slice(corner)));
        found.insert(name, golden(map));
    }
    found
}

/// Every intermediate result by the statistics of the batch, and the buffers after it.
fn training(case: &Case, net: ResNet, image: Tensor<4>) -> Result<Found, GoldenError> {
    let mut seen = Seen::default();
    let out = net.forward(image, Some(&mut seen));
    let mut found = outputs(&net, out);
    found.extend(stored(case, net, seen)?);
    Ok(found)
}

fn stored(case: &Case, net: ResNet, seen: Seen) -> Result<Found, GoldenError> {
    let momentum = case.number_or("bn_momentum", BATCH_NORM_MOMENTUM)?;
    Ok(buffers(&seen.put_into(net, momentum)))
}

/// `loss = sum(logits * r)`, gradients and buffers by name; of the features where there is no
/// classifier.
fn grad(case: &Case, net: ResNet, image: Tensor<4>, trains: bool) -> Result<Found, GoldenError> {
    let mut seen = Seen::default();
    let out = net.forward(image, Some(&mut seen).filter(|_| trains));
    let last = net.logits(out.features.clone()).unwrap_or_else(|| out.features.clone());
    let r = tensor::<2>(case.inputs()?.get("r")?, &last.device());
    let loss = (last * r).sum();
    let mut found = outputs(&net, out);
    found.insert("loss".to_owned(), golden(loss.clone()));
    gradients(&net, &loss.backward(), &mut found);
    found.extend(stored(case, net, seen)?);
    Ok(found)
}

/// `buffer.NAME` of every stored statistic.
pub fn buffers<M: Module>(net: &M) -> Found {
    let stored = collect(net).into_iter().filter(|(name, _)| name.contains(".running_"));
    let told = |(name, array): (String, biqa::weights::Array)| {
        let values = array.data.iter().map(|&v| f64::from(v));
        (format!("buffer.{name}"), numbers(values, &array.shape))
    };
    stored.map(told).collect()
}
