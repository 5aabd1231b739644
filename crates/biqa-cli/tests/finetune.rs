//! Somebody's own labels: the built-in model learns from 50 pictures and orders others like them.

mod common;
mod made;

use std::collections::BTreeMap;
use std::io::{self, Write};

use biqa_lab::stats::srcc;
use common::Place;
use serde_json::Value;

const LEARNT: usize = 50;
const HELD_OUT: usize = 20;
/// Radii of the blur that the scores follow.
const BLURS: usize = 5;
/// Far above chance, which gives 0.6 on [`HELD_OUT`] pictures once in a few hundred times.
const AT_LEAST: f64 = 0.6;

/// The score of a made picture on a scale of its own, 1 to 5: the sharper, the higher.
fn opinion(i: usize) -> f64 {
    5.0 - (i % BLURS) as f64 + 0.1 * ((i * 7 % 5) as f64 - 2.0) / 2.0
}

/// Pictures `learn/00.ppm ...` with a list beside them, and `other/00.ppm ...`, of other scenes.
fn place() -> Place {
    let place = Place::new();
    let mut rows = BTreeMap::new();
    for i in 0..LEARNT + HELD_OUT {
        let (width, height) = (128 + i * 5 % 60, 128 + i * 3 % 20);
        let bytes = made::blurred(width, height, 1000 + i as u64, i % BLURS);
        if i < LEARNT {
            place.file(format!("learn/{i:02}.ppm"), bytes);
            rows.insert(format!("{i:02}.ppm"), format!("{:.2}", opinion(i)));
        } else {
            place.file(format!("other/{i:02}.ppm"), bytes);
        }
    }
    place.file("learn/labels.csv", made::csv("path,score", &rows));
    place
}

/// How well the scores of the held-out pictures follow their opinions.
fn agreement(rows: &[Value]) -> f64 {
    assert_eq!(rows.len(), HELD_OUT);
    let scores: Vec<f64> = rows.iter().map(|row| row["score"].as_f64().expect("one")).collect();
    let opinions: Vec<f64> = (LEARNT..LEARNT + HELD_OUT).map(opinion).collect();
    srcc(&scores, &opinions).expect("numbers").expect("different ones")
}

#[test]
fn a_model_fine_tuned_on_fifty_pictures_orders_others_of_their_kind() {
    let place = place();
    let run = place.biqa(&["train", "--data", "learn/labels.csv", "--out", "run"]).ends(0);
    assert!(run.stderr.contains("40 photos to train on, 10 to choose on"), "{}", run.stderr);
    assert!(run.stderr.contains("biqa score --weights run/best.safetensors"), "{}", run.stderr);

    let before = place.biqa(&["score", "other"]).ends(0).rows();
    let after = place.biqa(&["score", "other", "--weights", "run/best.safetensors"]).ends(0).rows();
    writeln!(io::stderr(), "finetune: SRCC {:.3} -> {:.3}", agreement(&before), agreement(&after))
        .expect("stderr is open");
    assert!(agreement(&after) > AT_LEAST, "{}", agreement(&after));
    assert!(after.iter().all(|row| row["model"] == "lite-finetuned"));
    assert!(before.iter().all(|row| row["model"] == "lite"));
    assert_ne!(before[0]["digest"], after[0]["digest"]);
}

#[test]
fn a_dozen_labels_train_with_a_word_of_caution() {
    let place = place();
    let labels: String = place.read("learn/labels.csv").split_inclusive('\n').take(13).collect();
    place.file("learn/labels.csv", labels);
    let run = place.biqa(&["train", "--data", "learn/labels.csv", "--out", "run"]).ends(0);
    assert!(run.stderr.contains("9 photos to train on, 3 to choose on"), "{}", run.stderr);
    assert!(run.stderr.contains("rest on 3 photos: expect little"), "{}", run.stderr);
    assert!(run.stderr.contains("before training: SRCC "), "{}", run.stderr);
    let line = ["train", "--data", "learn/labels.csv", "--direction", "dmos", "--out", "down"];
    let down = place.biqa(&line).ends(0).stderr;
    let warned = |said: &str| said.contains("says the opposite of these labels");
    assert!(warned(&down) && !warned(&run.stderr), "{down}");
    place.biqa(&["score", "other", "--weights", "run/best.safetensors"]).ends(0);

    // What it and the model before it may have learned from.
    let card = place.biqa(&["models", "-w", "run/best.safetensors"]).ends(0).stdout;
    assert!(card.contains("behind it     lite "), "{card}");
    let rows = (LEARNT..LEARNT + HELD_OUT).map(|i| (format!("{i:02}.ppm"), opinion(i) / 6.0));
    let rows = rows.map(|(name, score)| (name, format!("{score:.3}"))).collect();
    place.file("other/labels.csv", made::csv("path,score", &rows));
    let evaluated = |more: &[&str]| {
        let line = ["evaluate", "-w", "run/best.safetensors", "--root", "other", "--part", "all"];
        let list = ["--list", "other/labels.csv", "--dataset"];
        place.biqa(&[&line[..], &list, more].concat()).ends(0).stderr
    };
    let said = evaluated(&["csv", "--direction", "mos", "--range", "0..1"]);
    assert!(said.contains("whether photos of this one are in it can't be told"), "{said}");
    assert!(!said.contains("some of these photos may be among"), "{said}");
    let said = evaluated(&["biq2021", "--partial"]);
    assert!(said.contains(", and that on photos of biq2021 ("), "{said}");
}
