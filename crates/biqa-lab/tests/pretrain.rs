//! Whether a pre-training learns what it should (`papers/qpt.md`, section 11, check 15), and what it
//! leaves behind, on pictures made here.

use std::fs;
use std::path::{Path, PathBuf};

use biqa::models::qpt::backbone;
use biqa::nn::resnet::{ResNet, ResNetConfig};
use biqa::random::stream;
use biqa::weights::{load, read};
use biqa_lab::pretrain::job::{Job, Made, pretrain};
use biqa_lab::pretrain::sources::Source;
use biqa_lab::train::Silent;
use burn::tensor::Device;
use serde_json::Value;

/// Side of a picture.
const SIDE: usize = 80;

/// A width-8 ResNet on patches of 32 pixels.
const RECIPE: &str = r#"
name = "check"
method = "qpt-pretrain"
network = { layers = [1, 1, 1, 1], width = 8, mlp_dim = 128, dim = 32 }
views = { images = 16, degradations = 2, max_short = 80, pair = { patch = 32 } }
init = { weights = "none" }
keys = { momentum_start = 0.9 }
train = { optimizer = "adamw", lr = 3e-2, weight_decay = 1e-4, warmup_epochs = 2.0, epochs = 50 }
measure = { held_out = 32, every = 50 }
"#;

/// Soft waves, hard edges and fine texture in a colour of its own.
fn picture(seed: u64) -> Vec<u8> {
    let mut draws = stream(seed, "scene", 0);
    let mut number = |a: f64, b: f64| f64::from(draws.uniform(a, b));
    let waves: Vec<[f64; 4]> = (0..3)
        .map(|_| [number(0.02, 0.3), number(0.02, 0.3), number(0.0, 6.0), number(10.0, 40.0)])
        .collect();
    let (edge, tint) = (number(4.0, 12.0), [number(0.5, 1.0), number(0.5, 1.0), number(0.5, 1.0)]);
    let texture = number(4.0, 12.0);
    let mut bytes = format!("P6\n{SIDE} {SIDE}\n255\n").into_bytes();
    for p in 0..SIDE * SIDE {
        let (x, y) = ((p % SIDE) as f64, (p / SIDE) as f64);
        let soft: f64 = waves.iter().map(|[u, v, w, a]| a * (u * x + v * y + w).sin()).sum();
        let hard = if ((x / edge) as i64 + (y / edge) as i64) % 2 == 0 { 25.0 } else { -25.0 };
        let light = 128.0 + soft + hard + texture * number(-1.0, 1.0);
        bytes.extend(tint.map(|t| (light * t).round().clamp(0.0, 255.0) as u8));
    }
    bytes
}

/// Pictures with these seeds in a folder.
fn pictures(folder: &Path, seeds: std::ops::Range<u64>) -> Vec<Source> {
    let one = |seed: u64| {
        let name = format!("{seed:03}.ppm");
        let path = folder.join(&name);
        fs::write(&path, picture(seed)).expect("a file");
        Source { path, name }
    };
    seeds.map(one).collect()
}

fn job(folder: &Path, recipe: &str, out: &str) -> Job {
    let path = folder.join(format!("{out}.toml"));
    fs::write(&path, recipe).expect("a recipe");
    Job {
        recipe: path,
        changes: Vec::new(),
        images: pictures(folder, 0..64),
        held_out: pictures(folder, 100..132),
        labelled: None,
        init: None,
        out: folder.join(out),
        resume: false,
        seed: 1,
        device: biqa::device::OpenDevice::default(),
        threads: 2,
        checkpoint_steps: 0,
    }
}

fn run(job: &Job) -> Made {
    pretrain(job, &mut Silent).unwrap_or_else(|e| panic!("{e}"))
}

/// The training loss, step by step.
fn losses(out: &Path) -> Vec<f64> {
    let log = fs::read_to_string(out.join("log.jsonl")).expect("a log");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line"));
    lines.filter(|line| line["kind"] == "step").filter_map(|line| line["loss"].as_f64()).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn two_hundred_steps_teach_a_small_network_quality_and_not_content() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let job = job(folder.path(), RECIPE, "run");
    let Made { before, after, weights, .. } = run(&job);
    let losses = losses(&job.out);
    assert_eq!(losses.len(), 200);
    let (first, last) = (mean(&losses[..5]), mean(&losses[195..]));
    eprintln!("loss {first} to {last}\nbefore {before:?}\nafter {after:?}");
    assert!(last < 0.6 * first, "{first} to {last}");
    let auc = after.auc.expect("two degradations");
    assert!(auc > 0.6, "{auc}");
    // The backbone itself has learnt it, not the projector alone.
    let gain = after.auc_features.expect("two degradations") - before.auc_features.expect("so");
    assert!(gain > 0.1, "{before:?} {after:?}");
    assert!(after.loss < before.loss && after.loss < Some(after.chance));

    // Check 16: it becomes a backbone of the score model.
    let (kept, dropped) = backbone(read(&weights).expect("a file").0, "fc.");
    assert!(dropped.iter().any(|name| name == "base_encoder.fc.0.weight"));
    let sizes =
        ResNetConfig { layers: vec![1; 4], width: 8, num_classes: 0, ..ResNetConfig::default() };
    load(ResNet::new(&sizes, &Device::flex()), kept, "it", "qpt")
        .expect("every tensor has a place");
}

#[test]
fn an_untrained_network_knows_nothing_of_pictures_that_are_not_degraded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let plain = RECIPE.replace("degradations = 2,", "degradations = 2, draws = 0,");
    let recipe = plain.replace("epochs = 50", "epochs = 1").replace("= 2.0", "= 0.0");
    let Made { before, .. } = run(&job(folder.path(), &recipe, "plain"));
    let auc = before.auc.expect("two of each");
    assert!((0.4..0.6).contains(&auc), "{auc}");
}

/// Pictures of every kind of trouble, and what is said of them.
#[test]
fn bad_pictures_are_counted_and_told_and_the_run_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let smoke = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/qpt-pretrain-smoke.toml");
    let mut job = job(folder.path(), &fs::read_to_string(smoke).expect("a recipe"), "run");
    let bad = |name: &str, bytes: &[u8]| {
        let path: PathBuf = folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        Source { path, name: name.to_owned() }
    };
    job.images.truncate(9);
    job.images.push(bad("cut.ppm", &picture(7)[..5000]));
    job.images.push(bad("tiny.ppm", b"P6\n2 2\n255\n123456789012"));
    job.images.push(bad("words.jpg", b"this is no picture | at all"));
    let made = run(&job);
    assert_eq!(made.unreadable, 2);
    let report = fs::read_to_string(made.report.with_extension("md")).expect("a report");
    assert!(
        report.contains("1 smaller than a view of 32 pixels, 2 that can't be decoded"),
        "{report}"
    );
    assert!(report.contains("| cut.ppm | ") && report.contains("| words.jpg | "), "{report}");
    assert!(!report.contains("| tiny.ppm"), "{report}");
    let list = fs::read_to_string(job.out.join("sources.csv")).expect("a list");
    assert!(list.contains("tiny.ppm,23,2,2,small,"), "{list}");
    // Backbone and both sides are files of their own.
    let names = |path: &Path| read(path).expect("weights").0.into_keys().collect::<Vec<_>>();
    assert!(names(&made.backbone).contains(&"layer4.0.conv3.weight".to_owned()));
    assert!(names(&made.weights).contains(&"queue".to_owned()));
}

/// MobileNetV2's and the transformer's backbones learn by the same steps, and come out under the names
/// they came in with.
#[test]
fn the_other_backbones_make_a_step_and_keep_their_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let vit = "{ image_size = 32, patch_size = 8, embed_dim = 24, depth = 2, num_heads = 2 }";
    for (out, network, tensor) in [
        ("batch", "backbone = \"mobilenet_v2\"".to_owned(), "features.18.1.running_var"),
        (
            "stored",
            "backbone = \"mobilenet_v2\", norms = \"stored\"".to_owned(),
            "features.18.1.running_var",
        ),
        ("vit", format!("backbone = \"vit\", vit = {vit}"), "blocks.1.mlp.fc2.weight"),
    ] {
        let recipe = RECIPE
            .replace("layers = [1, 1, 1, 1], width = 8, mlp_dim = 128, dim = 32", &network)
            .replace("images = 16", "images = 4")
            .replace("epochs = 50", "epochs = 1")
            .replace("= 2.0", "= 0.5")
            .replace("held_out = 32", "held_out = 4")
            .replace("network = {", "network = { mlp_dim = 16, dim = 8,");
        let mut job = job(folder.path(), &recipe, out);
        job.images.truncate(8);
        let made = run(&job);
        assert!(losses(&job.out).iter().all(|loss| loss.is_finite()), "{out}");
        let found = read(&made.backbone).expect("a backbone").0;
        let all = read(&made.weights).expect("both sides").0;
        // The backbone is in half precision.
        let whole = all[&format!("base_encoder.{tensor}")].data.iter();
        let halves: Vec<f32> = whole.map(|&v| half::f16::from_f32(v).to_f32()).collect();
        assert_eq!(found[tensor].data, halves, "{out}");
        // Stored statistics stay those of the start; the batch's are taken in.
        let moved = |name: &str| {
            let array = &found[name];
            array.data.iter().any(|&v| v != array.data[0])
        };
        if out != "vit" {
            assert_eq!(moved("features.0.1.running_mean"), out == "batch", "{out}");
        }
        assert!(
            !found.keys().any(|name| name.starts_with("classifier.") || name.starts_with("head."))
        );
    }
}
