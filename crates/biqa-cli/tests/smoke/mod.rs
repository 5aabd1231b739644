//! The smoke run of `biqa train`: photos, their list, a backbone and a recipe of three stages.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::{Place, Run};
use crate::made;

pub const TRAIN: usize = 9;
pub const VAL: usize = 3;
/// Three stages of two epochs of two steps.
pub const STEPS: usize = 12;

/// Stored statistics, then stored maps, then pixels; every kind of copy, loss and average.
pub const RECIPE: &str = r#"
name = "smoke"
method = "lite"

[config]
taps = [1, 3]
sizes = 2
hidden = 8

[view]
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
filter = "bicubic"
policy = { whole = { sizes = [64, 32], smallest = 16 } }

[init]
weights = "backbone.safetensors"

[card]
name = "smoke"
version = "1"
licence = "none"
data_terms = "none"

[[stages]]
freeze_before = 19
epochs = 2
batch = 4
dropout = 0.3
schedule = { name = "cosine", base_lr = 2e-3, min_lr = 0.0, warmup_lr = 1e-5, warmup_epochs = 1.0 }
loss = { ladder = 0.4, rank = 0.2 }
copies = { small = 0.3, flip = true, ladders = 2, ladder_every = 3 }

[[stages]]
freeze_before = 2
epochs = 2
batch = 4
dropout = 0.2
ema_decay = 0.9
schedule = { name = "linear", base_lr = 1e-3, warmup_lr = 1e-4, warmup_epochs = 0.5 }
loss = { ladder = 0.4 }
copies = { small = 0.3, flip = true, ladders = 2, ladder_every = 3 }

[[stages]]
freeze_before = 0
epochs = 2
batch = 4
backbone_lr = 0.5
ema_decay = 0.9
keep = "last"
schedule = { name = "step", base_lr = 1e-3, warmup_lr = 1e-4, warmup_epochs = 0.0 }
loss = { ladder = 0.4 }
copies = { small = 0.3, flip = true, ladders = 2 }
"#;

/// Photos, their list, a backbone and the recipe.
pub fn place() -> Place {
    let place = Place::new();
    place.file("backbone.safetensors", made::mobilenet_v2());
    place.file("smoke.toml", RECIPE);
    let mut rows = BTreeMap::new();
    for i in 0..TRAIN + VAL {
        let (width, height) = (40 + 7 * i % 57, 40 + 11 * i % 57);
        let name = format!("{i:02}.ppm");
        place.file(&name, made::blurred(width, height, i as u64, i % 5));
        let split = if i < TRAIN { "train" } else { "val" };
        rows.insert(name, format!("{},{split}", 5.0 - (i % 5) as f64 - 0.03 * i as f64));
    }
    place.file("labels.csv", made::csv("path,score,split", &rows));
    place
}

/// Photos that even a network of a few thousand numbers tells apart in a dozen steps: the brighter
/// the better. Their list is `labels.csv`.
pub fn bright_place() -> Place {
    let place = Place::new();
    let mut rows = BTreeMap::new();
    for i in 0..TRAIN + VAL {
        let (width, height) = (40 + 7 * i % 57, 40 + 11 * i % 57);
        let name = format!("{i:02}.ppm");
        let mut bytes = format!("P6\n{width} {height}\n255\n").into_bytes();
        let level = (10 + 18 * i) as u8;
        bytes.extend((0..width * height * 3).map(|k| level + (k * k % 31) as u8));
        place.file(&name, bytes);
        let split = if i % 4 == 1 { "val" } else { "train" };
        rows.insert(name, format!("{},{split}", 1.0 + 4.0 * i as f64 / 11.0));
    }
    place.file("labels.csv", made::csv("path,score,split", &rows));
    place
}

pub fn args<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["train", "smoke.toml", "--data", "labels.csv", "--seed", "3", "-j", "2"];
    args.extend(["--init", "backbone.safetensors", "--checkpoint-steps", "1", "--out", out]);
    args.extend(more);
    args
}

/// The files of a folder, its folders with a slash, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a copy");
        }
    }
}

/// This run, which was refused in one line: its words.
#[track_caller]
pub fn refused(run: Run) -> String {
    let run = run.ends(2);
    assert_eq!(run.stdout, "");
    let errors: Vec<&str> = run.stderr.lines().skip_while(|l| !l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "one line, the last: {}", run.stderr);
    errors[0].to_owned()
}

/// Changes the last byte of a file of a checkpoint: a number, where it is weights.
pub fn damage(checkpoint: &Path, file: &str) {
    let path = checkpoint.join(file);
    let mut bytes = fs::read(&path).expect("a file of the checkpoint");
    *bytes.last_mut().expect("it is not empty") ^= 1;
    fs::write(&path, bytes).expect("writable");
}
