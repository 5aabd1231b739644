//! Weights and pictures from formulas, so that no test of training needs a file from elsewhere.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;

use biqa::golden::splitmix_weights;
use biqa::models::lite::LiteConfig;
use biqa::random::stream;
use biqa::view::View;
use biqa::weights::{Array, Arrays, Data, ModelCard, Precision, Scale, to_safetensors};
use biqa_lab::train::export::model_file;
use serde_json::json;

/// The small network of the smoke recipe: two taps near the front, so that it is quick.
pub fn config() -> LiteConfig {
    LiteConfig { taps: vec![1, 3], sizes: 2, hidden: 8 }
}

/// What it sees.
pub fn view() -> View {
    let view = json!({
        "policy": {"whole": {"sizes": [64, 32], "smallest": 16}},
        "filter": "bicubic", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
    });
    serde_json::from_value(view).expect("a view")
}

/// A convolution of MobileNetV2: its name, that of its batch norm, the shape of its weight.
struct Conv {
    name: String,
    norm: String,
    shape: [usize; 4],
}

/// MobileNetV2 as torchvision names it (`crates/biqa/src/nn/mobilenet.rs` says it in layers).
fn convolutions() -> Vec<Conv> {
    let plain = |i: usize, shape| Conv {
        name: format!("features.{i}.0"),
        norm: format!("features.{i}.1"),
        shape,
    };
    let mut convs = vec![plain(0, [32, 3, 3, 3])];
    let (mut c, mut i) = (32, 1);
    for [t, out, n] in
        [[1, 16, 1], [6, 24, 2], [6, 32, 3], [6, 64, 4], [6, 96, 3], [6, 160, 3], [6, 320, 1]]
    {
        for _ in 0..n {
            let hidden = c * t;
            let mut k = 0;
            let inner = [(t != 1).then_some([hidden, c, 1, 1]), Some([hidden, 1, 3, 3])];
            for shape in inner.into_iter().flatten() {
                let name = format!("features.{i}.conv.{k}");
                convs.push(Conv { name: format!("{name}.0"), norm: format!("{name}.1"), shape });
                k += 1;
            }
            convs.push(Conv {
                name: format!("features.{i}.conv.{k}"),
                norm: format!("features.{i}.conv.{}", k + 1),
                shape: [out, hidden, 1, 1],
            });
            (c, i) = (out, i + 1);
        }
    }
    convs.push(plain(i, [1280, 320, 1, 1]));
    convs
}

fn array(name: &str, shape: &[usize]) -> (String, Array) {
    let data = splitmix_weights(name, shape);
    (name.to_owned(), Array { shape: shape.to_vec(), data })
}

/// A whole MobileNetV2 with batch norms, made by the splitmix rule: finite at every depth.
pub fn mobilenet_v2() -> Vec<u8> {
    let mut arrays = Arrays::new();
    for Conv { name, norm, shape } in convolutions() {
        arrays.extend([array(&format!("{name}.weight"), &shape)]);
        let parts = ["weight", "bias", "running_mean", "running_var"];
        arrays.extend(parts.map(|part| array(&format!("{norm}.{part}"), &shape[..1])));
    }
    to_safetensors(&arrays, None, Precision::F32)
}

/// The arrays of a whole `lite` of [`config`], batch norms folded.
pub fn lite_arrays() -> Arrays {
    let LiteConfig { sizes, hidden, .. } = config();
    let d = sizes * config().per_scale();
    let mut arrays = Arrays::new();
    for Conv { name, shape, .. } in convolutions() {
        arrays.extend([array(&format!("trunk.{name}.weight"), &shape)]);
        arrays.extend([array(&format!("trunk.{name}.bias"), &shape[..1])]);
    }
    arrays.extend([
        array("head.center", &[d]),
        ("head.spread".to_owned(), Array { shape: vec![d], data: vec![1.0; d] }),
        array("head.fc1.weight", &[hidden, d]),
        array("head.fc1.bias", &[hidden]),
        array("head.fc2.weight", &[1, hidden]),
        array("head.fc2.bias", &[1]),
    ]);
    arrays
}

/// A small, complete model file with its card, named `made`.
pub fn lite() -> Vec<u8> {
    let card = ModelCard {
        name: "made".to_owned(),
        version: "0".to_owned(),
        method: "lite".to_owned(),
        config: serde_json::to_value(config()).expect("plain data"),
        view: view(),
        scale: Scale::new(vec![(-2.0, 0.0), (2.0, 100.0)]).expect("rising"),
        weights_digest: String::new(),
        data: Data::default(),
        seed: 0,
        device: biqa::device::DeviceName::Cpu,
        recipe_digest: String::new(),
        metrics: Vec::new(),
        licence: "none".to_owned(),
        data_terms: "none".to_owned(),
        known_failures: Vec::new(),
        anchors: Vec::new(),
    };
    model_file(&lite_arrays(), card, Precision::F16).expect("a model file")
}

/// A binary PPM of a random scene (soft waves, hard edges, fine texture), blurred with a box of
/// radius `blur`: the larger, the worse.
pub fn blurred(width: usize, height: usize, seed: u64, blur: usize) -> Vec<u8> {
    let mut draws = stream(seed, "scene", 0);
    let mut number = |a: f64, b: f64| f64::from(draws.uniform(a, b));
    let waves: Vec<[f64; 4]> = (0..3)
        .map(|_| [number(0.02, 0.2), number(0.02, 0.2), number(0.0, 6.0), number(10.0, 40.0)])
        .collect();
    let (edge, tint) = (number(3.0, 9.0), [number(0.6, 1.0), number(0.6, 1.0), number(0.6, 1.0)]);
    let texture = number(15.0, 30.0);
    let light: Vec<f64> = (0..width * height)
        .map(|p| {
            let (x, y) = ((p % width) as f64, (p / width) as f64);
            let soft: f64 = waves.iter().map(|[u, v, w, a]| a * (u * x + v * y + w).sin()).sum();
            let hard = if ((x / edge) as i64 + (y / edge) as i64) % 2 == 0 { 25.0 } else { -25.0 };
            128.0 + soft + hard + texture * number(-1.0, 1.0)
        })
        .collect();
    let light = boxed(&boxed(&light, width, blur, 1), width, blur, width);
    let mut bytes = format!("P6\n{width} {height}\n255\n").into_bytes();
    for v in light {
        bytes.extend(tint.map(|t| (v * t).round().clamp(0.0, 255.0) as u8));
    }
    bytes
}

/// The mean over `2 radius + 1` neighbours along the rows (`step` 1) or columns (`step` width).
fn boxed(plane: &[f64], width: usize, radius: usize, step: usize) -> Vec<f64> {
    let height = plane.len() / width;
    let (at, n) = if step == 1 { (1, width) } else { (width, height) };
    (0..plane.len())
        .map(|p| {
            let i = p / at % n;
            let (low, high) = (i.saturating_sub(radius), (i + radius).min(n - 1));
            (low..=high).map(|j| plane[p + j * at - i * at]).sum::<f64>() / (high - low + 1) as f64
        })
        .collect()
}

/// A list `path,score,...`.
pub fn csv(header: &str, rows: &BTreeMap<String, String>) -> String {
    let lines = rows.iter().map(|(path, rest)| format!("{path},{rest}\n"));
    format!("{header}\n{}", lines.collect::<String>())
}
