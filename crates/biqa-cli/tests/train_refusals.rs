//! What `biqa train` refuses, and that it leaves nothing behind then.

mod common;
mod made;
mod smoke;

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use biqa_lab::train::checkpoint::Checkpoint;
use smoke::{RECIPE, args, place, refused};

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_leaves_its_checkpoint() {
    let place = place();
    let stages = RECIPE.split("[[stages]]").collect::<Vec<_>>();
    let wild = format!("{}[[stages]]{}", stages[0], stages[1])
        .replace("base_lr = 2e-3", "base_lr = 1e30")
        .replace("warmup_epochs = 1.0", "warmup_epochs = 0.0");
    place.file("smoke.toml", wild);
    let text = refused(place.biqa(&args("wild", &[])));
    for words in ["the loss is ", " at step ", "batch: 0", "lower the learning rate", "wild/check"]
    {
        assert!(text.contains(words), "{words:?} is not in: {text}");
    }
    let digest = place.read("wild/run.json");
    let folder = place.path("wild/checkpoints");
    let left = Checkpoint::newest(&folder, &digest, &mut |_| ()).expect("readable");
    let left = left.expect("one is left");
    assert!(left.state.step >= 1);
    assert!(!place.exists("wild/best.safetensors"));
    let weights = left.weights.values().flat_map(|array| &array.data);
    assert!(weights.clone().count() > 0 && weights.clone().all(|value| value.is_finite()));
    // It is no use to go on, and that is said again.
    let text = refused(place.biqa(&args("wild", &["--resume"])));
    assert!(text.contains("lower the learning rate"), "{text}");
}

/// A finite loss, and a step after which the weights are none: no checkpoint holds them.
#[test]
fn weights_that_are_no_numbers_do_not_become_a_checkpoint() {
    let place = place();
    let beyond = RECIPE.replace("base_lr = 2e-3", "base_lr = 1e45");
    place.file("smoke.toml", beyond.replace("warmup_epochs = 1.0", "warmup_epochs = 0.0"));
    let text = refused(place.biqa(&args("wild", &[])));
    assert!(text.contains("the value of a weight is "), "{text}");
    assert!(text.contains("no checkpoint was written before"), "{text}");
    assert!(smoke::names(&place.path("wild/checkpoints")).is_empty());
}

#[test]
fn what_cannot_be_trained_on_is_said_before_anything_is_made() {
    let place = place();
    let labels = place.read("labels.csv");
    let try_with = |file: &str, text: String, words: &[&str]| {
        let kept = place.read(file);
        place.file(file, text);
        let said = refused(place.biqa(&args("none", &[])));
        place.file(file, kept);
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
        assert!(!place.exists("none"), "nothing was done: {said}");
    };

    let constant: String = labels
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let [path, _, split] = line.split(',').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            if i == 0 { format!("{line}\n") } else { format!("{path},3,{split}\n") }
        })
        .collect();
    try_with("labels.csv", constant, &["all scores are 3", "nothing to learn"]);
    let missing = labels.replace("05.ppm", "gone.ppm");
    try_with("labels.csv", missing, &["gone.ppm", "1 of 12 labelled images"]);
    let few = labels.lines().take(5).collect::<Vec<_>>().join("\n");
    try_with("labels.csv", few, &["4 photos of different contents: 7 are needed", "50 to learn"]);
    let one_chooses = labels.replacen(",val", ",train", 2);
    try_with("labels.csv", one_chooses, &["at least 4 and 3 are needed"]);
    try_with("labels.csv", labels.replace("path,score", "path,rank"), &["no column `score`"]);

    let misspelt = RECIPE.replacen("epochs = 2", "epochs = 2\nepoch_count = 2", 1);
    try_with("smoke.toml", misspelt, &["smoke.toml", "epoch_count", "line "]);
    let pinned = RECIPE.replace("[card]", &format!("sha256 = \"{}\"\n[card]", "0".repeat(64)));
    try_with("smoke.toml", pinned, &["have SHA-256 ", "the recipe asks for 0000", "--init"]);
    let two = RECIPE.replacen("ladder_every = 3", "ladder_every = 4", 1);
    try_with("smoke.toml", two, &["ladder_every is 4", "3 in another"]);
    let wide = RECIPE.replace("taps = [1, 3]", "taps = [3, 1]");
    try_with("smoke.toml", wide, &["taps must rise"]);
    let bent = RECIPE.replacen("rank = 0.2", "rank = 0.2, beta = -0.1", 1);
    try_with("smoke.toml", bent, &["stages[0]", "loss.beta must be 0 or more, found -0.1"]);
    let hard = RECIPE.replacen("rank = 0.2", "rank = 0.2, rank_tau = 0.0", 1);
    try_with("smoke.toml", hard, &["loss.rank_tau must be above 0, found 0"]);

    let run = place.biqa(&["train", "nowhere.toml", "--data", "labels.csv", "--out", "none"]);
    assert!(refused(run).contains("nowhere.toml"));
    let without = ["train", "smoke.toml", "--data", "labels.csv", "--out", "none"];
    let said = refused(place.biqa(&without));
    assert!(said.contains("starts from backbone.safetensors") && said.contains("--init"), "{said}");
    assert!(!place.exists("none"));
}

/// A file that does not fit must not claim the folder: with the right one the same command works.
#[test]
fn weights_that_do_not_fit_leave_no_run_behind() {
    let place = place();
    let right = fs::read(place.path("backbone.safetensors")).expect("a file");
    place.file("backbone.safetensors", made::lite());
    place.file("smoke.toml", RECIPE.replace("hidden = 8", "hidden = 7"));
    let said = refused(place.biqa(&args("run", &[])));
    assert!(said.contains("head.fc1.weight"), "{said}");
    assert!(!place.exists("run/run.json"), "the folder holds a run now");
    place.file("backbone.safetensors", right);
    let run = place.command(&args("run", &[])).spawn();
    let mut child = run.expect("biqa starts");
    let begin = Instant::now();
    while !place.exists("run/run.json") && begin.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(2));
    }
    child.kill().expect("enough was seen");
    child.wait().expect("an end");
    assert!(place.exists("run/run.json"));
}

#[test]
fn a_photo_that_is_damaged_is_named() {
    let place = place();
    place.file("07.ppm", "P6\n40 40\n255\nhalf");
    let said = refused(place.biqa(&args("run", &[])));
    assert!(said.contains("photo 07.ppm: "), "{said}");
    assert!(said.contains("take its row out of the list"), "{said}");
}
