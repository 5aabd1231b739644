//! Where weights start: a backbone's file, a whole model's, or chance.

use biqa::models::lite::{Lite, LiteConfig};
use biqa::nn::mobilenet::MobileNetV2;
use biqa::random::stream;
use biqa::weights::{Array, Arrays, collect, load};
use burn::tensor::Device;

use super::super::TrainError;

/// PyTorch's linear layers start uniform in +-1/sqrt(inputs); the head starts at these parts of
/// that, so that its first predictions stay near the mean score.
const FC1_GAIN: f32 = 0.5;
const FC2_GAIN: f32 = 0.3;
/// Added to a statistic's standard deviation before anything is divided by it.
const SPREAD_EPS: f32 = 1e-4;

/// A network from a file's arrays.
///
/// A whole `lite` (it has a `head.`) comes back as it is. A MobileNetV2 gives the backbone, batch
/// norms folded, and the head starts at random from `seed`, with `center` 0 and `spread` 1 until
/// [`standardise`] has seen the photos.
pub fn network(
    config: &LiteConfig,
    arrays: Arrays,
    name: &str,
    seed: u64,
    device: &Device,
) -> Result<(Lite, Start), TrainError> {
    let empty = Lite::new(config, device);
    if arrays.keys().any(|key| key.starts_with("head.")) {
        return Ok((load(empty, arrays, name, "lite")?, Start::Whole));
    }
    let backbone: Arrays =
        arrays.into_iter().filter(|(key, _)| !key.starts_with("classifier.")).collect();
    let trunk = load(MobileNetV2::new(1.0, None, device), backbone, name, "mobilenet_v2")?.fold();
    let mut all: Arrays =
        collect(&trunk).into_iter().map(|(key, array)| (format!("trunk.{key}"), array)).collect();
    all.extend(head(config, seed));
    Ok((load(empty, all, name, "lite")?, Start::Backbone))
}

/// What a file brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Everything, trained before.
    Whole,
    /// The backbone alone.
    Backbone,
}

fn head(config: &LiteConfig, seed: u64) -> Arrays {
    let d = config.sizes * config.per_scale();
    let h = config.hidden;
    let uniform = |name: &str, shape: Vec<usize>, fan_in: usize, gain: f32| {
        let mut draws = stream(seed, &format!("init/{name}"), 0);
        let a = f64::from(gain) / (fan_in as f64).sqrt();
        let data = (0..shape.iter().product()).map(|_| draws.uniform(-a, a)).collect();
        (name.to_owned(), Array { shape, data })
    };
    let constant = |name: &str, n: usize, value: f32| {
        (name.to_owned(), Array { shape: vec![n], data: vec![value; n] })
    };
    Arrays::from([
        constant("head.center", d, 0.0),
        constant("head.spread", d, 1.0),
        uniform("head.fc1.weight", vec![h, d], d, FC1_GAIN),
        uniform("head.fc1.bias", vec![h], d, FC1_GAIN),
        uniform("head.fc2.weight", vec![1, h], h, FC2_GAIN),
        constant("head.fc2.bias", 1, 0.0),
    ])
}

/// Sets the head's `center` and `spread` from the statistics of the training photos, one row a
/// photo, and its last bias to the mean score.
pub fn standardise(net: Lite, rows: &[Vec<f32>], mean_target: f32) -> Result<Lite, TrainError> {
    let d = rows.first().map_or(0, Vec::len);
    let n = rows.len() as f64;
    let mut arrays = collect(&net);
    let (mut center, mut spread) = (Vec::with_capacity(d), Vec::with_capacity(d));
    for k in 0..d {
        let mean = rows.iter().map(|row| f64::from(row[k])).sum::<f64>() / n;
        let var = rows.iter().map(|row| (f64::from(row[k]) - mean).powi(2)).sum::<f64>() / n;
        center.push(mean as f32);
        spread.push(var.sqrt() as f32 + SPREAD_EPS);
    }
    arrays.insert("head.center".to_owned(), Array { shape: vec![d], data: center });
    arrays.insert("head.spread".to_owned(), Array { shape: vec![d], data: spread });
    arrays.insert("head.fc2.bias".to_owned(), Array { shape: vec![1], data: vec![mean_target] });
    Ok(load(net, arrays, "the network itself", "lite")?)
}
