//! The papers' methods, trained by their smoke recipes: killed and resumed, scored, on any number of
//! threads; and what is said where a recipe, weights or labels will not do.

mod common;
mod kills;
mod made;
mod smoke;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use biqa::scorer::Scorer;
use biqa_lab::train::checkpoint::Checkpoint;
use common::{Place, Run};
use insta::assert_snapshot;
use kills::Training;

/// Method, optimiser steps in all, steps of a stage, the terms of its loss.
const METHODS: [(&str, usize, usize, &[&str]); 6] = [
    ("deiqt", 12, 12, &["smooth_l1"]),
    ("csiqa", 12, 6, &["smooth_l1", "contrast"]),
    ("lmliqa", 12, 12, &["smooth_l1", "contrast", "mutual"]),
    ("csfiqa", 12, 12, &["smooth_l1", "scl"]),
    ("glintiqa", 12, 12, &["l1"]),
    ("qpt", 12, 12, &["smooth_l1"]),
];

/// The recipe of the repository.
fn recipe(method: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    fs::read_to_string(folder.join(format!("{method}-smoke.toml"))).expect("a recipe")
}

/// Photos, labels and the recipes, every method trained without a stop in `METHOD-whole`:
/// made once; every test may look, none may change what is there.
fn whole() -> &'static Place {
    static WHOLE: OnceLock<Place> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = smoke::bright_place();
        for (method, ..) in METHODS {
            place.file(format!("{method}.toml"), recipe(method));
            place.biqa(&args(method, &format!("{method}-whole"), &[])).ends(0);
        }
        place
    })
}

fn args<'a>(method: &str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let recipe = match method {
        "deiqt" => "deiqt.toml",
        "csiqa" => "csiqa.toml",
        "lmliqa" => "lmliqa.toml",
        "csfiqa" => "csfiqa.toml",
        "glintiqa" => "glintiqa.toml",
        _ => "qpt.toml",
    };
    let mut args = vec!["train", recipe, "--data", "labels.csv", "--seed", "3", "-j", "2"];
    args.extend(["--checkpoint-steps", "1", "--out", out]);
    args.extend(more);
    args
}

fn newest(place: &Place, out: &str) -> Option<Checkpoint> {
    let digest = place.read(&format!("{out}/run.json"));
    let folder = place.path(format!("{out}/checkpoints"));
    Checkpoint::newest(&folder, &digest, &mut |_| ()).expect("readable")
}

fn survives(number: usize) {
    let (method, steps, steps_of_stage, _) = METHODS[number];
    let args = [
        |out: &'static str, more: &[&'static str]| args("deiqt", out, more),
        |out: &'static str, more: &[&'static str]| args("csiqa", out, more),
        |out: &'static str, more: &[&'static str]| args("lmliqa", out, more),
        |out: &'static str, more: &[&'static str]| args("csfiqa", out, more),
        |out: &'static str, more: &[&'static str]| args("glintiqa", out, more),
        |out: &'static str, more: &[&'static str]| args("qpt", out, more),
    ][number];
    let [out, twin] = [
        ["deiqt-killed", "deiqt-whole"],
        ["csiqa-killed", "csiqa-whole"],
        ["lmliqa-killed", "lmliqa-whole"],
        ["csfiqa-killed", "csfiqa-whole"],
        ["glintiqa-killed", "glintiqa-whole"],
        ["qpt-killed", "qpt-whole"],
    ][number];
    assert!(out.starts_with(method));
    let (made, end) = kills::MODEL;
    let place = whole();
    Training { place, args, steps, lines: steps, made, end, steps_of_stage, out, whole: twin }
        .survives();
}

#[test]
fn deiqt_killed_twenty_times_equals_one_that_was_not() {
    survives(0);
}

#[test]
fn csiqa_and_its_teacher_killed_twenty_times_equal_those_that_were_not() {
    survives(1);
}

#[test]
fn lmliqa_and_its_teacher_killed_twenty_times_equal_those_that_were_not() {
    survives(2);
}

#[test]
fn csfiqa_killed_twenty_times_equals_one_that_was_not() {
    survives(3);
}

#[test]
fn glintiqa_and_its_batch_norms_killed_twenty_times_equal_those_that_were_not() {
    survives(4);
}

#[test]
fn qpt_and_its_batch_norms_killed_twenty_times_equal_those_that_were_not() {
    survives(5);
}

#[test]
fn every_step_is_logged_with_the_terms_of_its_loss() {
    let place = whole();
    for (method, steps, steps_of_stage, terms) in METHODS {
        let log = place.read(&format!("{method}-whole/log.jsonl"));
        let lines: Vec<serde_json::Value> =
            log.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
        assert_eq!(lines.len(), steps, "{method}");
        for (i, line) in lines.iter().enumerate() {
            assert_eq!(line["step"], i + 1);
            assert_eq!(line["stage"], i / steps_of_stage);
            assert!(line["loss"].as_f64().is_some_and(f64::is_finite), "{method}: {line}");
        }
        let last = lines.last().expect("a line")["terms"].as_array().expect("terms").clone();
        let found: Vec<&str> = last.iter().filter_map(|term| term[0].as_str()).collect();
        assert_eq!(found, terms, "{method}");
        let sum: f64 = last.iter().filter_map(|term| term[1].as_f64()).sum();
        let loss = lines.last().expect("a line")["loss"].as_f64().expect("a number");
        assert!((sum - loss).abs() < 1e-5 * loss.abs().max(1.0), "{method}: {sum} and {loss}");
    }
}

/// The model file needs nothing else, and its scale is that of the photos that chose.
#[test]
fn a_trained_model_scores_and_says_what_it_is() {
    let place = whole();
    for (method, ..) in METHODS {
        let weights = format!("{method}-whole/best.safetensors");
        let scorer = Scorer::open(&place.path(&weights)).expect("a whole model");
        assert_eq!(scorer.card().method, method);
        assert_eq!(scorer.card().seed, 3);
        assert_eq!(scorer.card().recipe_digest.len(), 64);
        assert_eq!((scorer.card().data.train, scorer.card().data.val), (smoke::TRAIN, smoke::VAL));
        assert_eq!(scorer.card().view.label(), "grid 2x1 of 32");
        let rows = place.biqa(&["score", "00.ppm", "11.ppm", "-w", &weights]).ends(0).rows();
        let scores: Vec<f64> = rows.iter().filter_map(|row| row["score"].as_f64()).collect();
        assert_eq!(rows[0]["model"], format!("{method}-smoke"));
        // The first is the darkest, the second the brightest.
        assert!(0.0 <= scores[0] && scores[0] < scores[1] && scores[1] <= 100.0, "{scores:?}");
    }
}

#[test]
fn a_training_makes_the_same_bytes_with_one_and_four_threads() {
    let place = whole();
    for (method, ..) in METHODS {
        for (threads, out) in [("1", "alone"), ("4", "crowd")] {
            let out = format!("{method}-{out}");
            let mut line = args(method, &out, &[]);
            let at = line.iter().position(|arg| *arg == "-j").expect("it is there");
            line[at + 1] = threads;
            place.biqa(&line).ends(0);
            for file in ["log.jsonl", "best.safetensors"] {
                let bytes = |out: &str| fs::read(place.path(out).join(file)).expect("a file");
                let same = bytes(&out) == bytes(&format!("{method}-whole"));
                assert!(same, "{method}: {file} differs with {threads} threads");
            }
        }
    }
}

/// A disk that is full, as far as a test can have one: the place of the next checkpoint is taken by
/// something that can't be removed or written over; then a file takes no more than its first bytes.
#[cfg(unix)]
#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_one_before() {
    let place = smoke::bright_place();
    place.file("deiqt.toml", recipe("deiqt"));
    let blocked = "full/checkpoints/.partial-step-00-000000003";
    place.file(blocked, "in the way");
    let text = smoke::refused(place.biqa(&args("deiqt", "full", &[])));
    assert!(text.contains(".partial-step-00-000000003"), "{text}");
    let left = newest(&place, "full");
    assert_eq!(left.expect("the one before").state.step, 2);
    assert!(!place.exists("full/best.safetensors"));
    fs::remove_file(place.path(blocked)).expect("it is there");
    // A file that stops in the middle of a write: no more than 16 blocks of 512 bytes may be written.
    let limited = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let mut line = vec![limited, env!("CARGO_BIN_EXE_biqa")];
    line.extend(args("deiqt", "full", &["--resume"]));
    let shell = Command::new("sh").arg("-c").args(line).current_dir(place.path(".")).output();
    let text = smoke::refused(Run::of(shell.expect("a shell")));
    assert!(text.contains("full/checkpoints/.partial-step-00-000000003"), "{text}");
    assert!(text.contains("File too large"), "{text}");
    assert_eq!(newest(&place, "full").expect("the one before").state.step, 2);
    // With room again the run goes on and ends as if nothing had been.
    place.biqa(&args("deiqt", "full", &["--resume"])).ends(0);
    let bytes = |path: std::path::PathBuf| fs::read(path).expect("a file");
    let expected = bytes(whole().path("deiqt-whole/best.safetensors"));
    assert!(bytes(place.path("full/best.safetensors")) == expected, "another model");
}

#[test]
fn a_loss_that_is_no_number_names_the_step_its_photos_and_the_checkpoint() {
    let place = smoke::bright_place();
    for (method, ..) in METHODS {
        place.file(format!("{method}.toml"), recipe(method));
        let out = format!("{method}-wild");
        let rate = ["--set", "train.schedule.base_lr=1e30", "--set"];
        let more = [&rate[..], &["train.schedule.warmup_epochs=0.0"]].concat();
        let text = smoke::refused(place.biqa(&args(method, &out, &more)));
        for words in ["the loss is ", " at step ", "(batch: ", "lower the learning rate"] {
            assert!(text.contains(words), "{words:?} is not in: {text}");
        }
        assert!(text.contains(&format!("the last finite checkpoint is in {out}/check")), "{text}");
        let left = newest(&place, &out).expect("one is left");
        assert!(left.state.step >= 1);
        assert!(left.weights.values().flat_map(|array| &array.data).all(|v| v.is_finite()));
    }
}

/// All of a batch of nine, in a file; nothing to go back to where no checkpoint was written.
#[test]
fn a_large_batch_that_is_no_number_leaves_its_photos_in_a_file() {
    let place = smoke::bright_place();
    let wide = recipe("deiqt").replace("batch = 4", "batch = 9").replace("accumulate = 2", "");
    place.file("deiqt.toml", wide);
    let mut line = args("deiqt", "wide", &["--set", "train.schedule.base_lr=1e30"]);
    line.extend(["--set", "train.schedule.warmup_epochs=0.0"]);
    let at = line.iter().position(|arg| *arg == "--checkpoint-steps").expect("it is there");
    line[at + 1] = "100";
    let text = smoke::refused(place.biqa(&line));
    let file = "wide/broken-batch.txt";
    assert!(text.contains(&format!(" and 1 more, all in {file}); ")), "{text}");
    let photos = place.read(file);
    assert_eq!(photos.lines().count(), 9);
    assert!(photos.lines().all(|photo| place.exists(photo)), "{photos}");
}

/// What `biqa train` says to recipes that are not quite right, as one text to be read in review.
#[test]
fn recipes_that_will_not_do() {
    let place = smoke::bright_place();
    let mut text = String::new();
    let mut say = |what: &str, method: &str, recipe: String| {
        place.file(format!("{method}.toml"), recipe);
        let said = smoke::refused(place.biqa(&args(method, "none", &[])));
        writeln!(text, "{what}\n  {said}\n").expect("text");
        assert!(!place.exists("none/run.json"), "{what}: the folder was claimed");
    };
    let change = |method: &str, from: &str, to: &str| {
        let recipe = recipe(method);
        assert!(recipe.contains(from), "{from}");
        recipe.replacen(from, to, 1)
    };
    let deiqt = |from, to| change("deiqt", from, to);
    say("an unknown method", "deiqt", deiqt("method = \"deiqt\"", "method = \"deiqa\""));
    say("a misspelt size", "deiqt", deiqt("embed_dim", "embed_dims"));
    say("sizes that don't fit", "deiqt", deiqt("num_heads = 2", "num_heads = 5"));
    say("a misspelt key of the run", "deiqt", deiqt("passes = 2", "pases = 2"));
    say("neither passes nor budget", "deiqt", deiqt("passes = 2", ""));
    say("both", "deiqt", deiqt("passes = 2", "passes = 2\nbudget = 50"));
    say("parts that are not whole", "deiqt", deiqt("accumulate = 2", "accumulate = 3"));
    say("a batch too large", "deiqt", deiqt("batch = 4", "batch = 64"));
    say("no crops", "deiqt", deiqt("{ random = 3 }", "{ random = 0 }"));
    say("an unknown set", "deiqt", deiqt("[crops]", "[crops]\nprepare = { konic = \"none\" }"));
    say("an unknown rule", "deiqt", deiqt("[crops]", "[crops]\nprepare = { csv = \"halved\" }"));
    say("flips that are no probability", "deiqt", deiqt("flip = 0.5", "flip = 2"));
    let small = change("csiqa", "batch = 6", "batch = 5");
    say("a batch too small for the contrast", "csiqa", small);
    let parts = change("csiqa", "batch = 6", "batch = 6\naccumulate = 2");
    say("parts too small for the contrast", "csiqa", parts);
    let option = change("csiqa", "temperature", "tau");
    say("a misspelt option", "csiqa", option);
    let pair = change("csfiqa", "batch = 6", "batch = 2");
    say("a batch too small for the contrast of scales", "csfiqa", pair);
    let single = change("lmliqa", "n_crops = 2", "n_crops = 1").replace("batch = 3", "batch = 1");
    say("one crop and nothing to tell it from", "lmliqa", single);
    for (what, method, from, to) in [
        ("a share above 1", "csiqa", "ratio = 0.3", "ratio = 3.0"),
        ("a temperature of 0", "csiqa", "temperature = 0.3", "temperature = 0"),
        ("an average that forgets less than nothing", "lmliqa", "mu = 0.9", "mu = 1.5"),
        ("all is dropped", "glintiqa", "freeze_blocks_until = 0", "drop = 1.0"),
        ("a rate that never falls", "deiqt", "decay_epochs = 1.0", "decay_epochs = 0.0"),
        (
            "a moment that never forgets",
            "deiqt",
            "[train.optim]",
            "[train.optim]\nbetas = [0.9, 1.0]",
        ),
        ("passes without end", "deiqt", "passes = 2", "passes = 1000000000000"),
        ("crops too small", "qpt", "crop = 32", "crop = 16"),
    ] {
        say(what, method, change(method, from, to));
    }
    assert_snapshot!(text);
}

#[test]
fn weights_and_labels_that_will_not_do() {
    let place = smoke::bright_place();
    let mut text = String::new();
    place.file("deiqt.toml", recipe("deiqt").replace("\"none\"", "\"a ViT\""));
    place.file("backbone.safetensors", made::mobilenet_v2());
    place.file(
        "csiqa.safetensors",
        fs::read(whole().path("csiqa-whole/best.safetensors")).expect("a file"),
    );
    place.file(
        "deiqt.safetensors",
        fs::read(whole().path("deiqt-whole/best.safetensors")).expect("a file"),
    );
    let mut say = |what: &str, more: &[&'static str]| {
        let said = smoke::refused(place.biqa(&args("deiqt", "none", more)));
        writeln!(text, "{what}\n  {said}\n").expect("text");
        assert!(!place.exists("none/run.json"), "{what}: the folder was claimed");
    };
    say("no initial weights", &[]);
    say("a backbone of another kind", &["--init", "backbone.safetensors"]);
    say("another method's model", &["--init", "csiqa.safetensors"]);
    let labels = place.read("labels.csv");
    let constant: String = labels
        .lines()
        .map(|line| match line.split(',').collect::<Vec<_>>()[..] {
            [path, _, split] if path != "path" => format!("{path},3,{split}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    place.file("labels.csv", constant);
    say("constant labels", &["--init", "deiqt.safetensors"]);
    place.file("labels.csv", labels);
    assert_snapshot!(text);
}

#[test]
fn a_methods_own_model_goes_on_learning() {
    let place = smoke::bright_place();
    for (method, ..) in METHODS {
        place.file(format!("{method}.toml"), recipe(method));
        let model = whole().path(format!("{method}-whole/best.safetensors"));
        place.file("own.safetensors", fs::read(model).expect("a file"));
        let out = format!("{method}-more");
        // Slowly: three photos are soon ranked the other way round, and then there is no model.
        let more = ["--init", "own.safetensors", "--set", "train.schedule.base_lr=1e-3"];
        place.biqa(&args(method, &out, &more)).ends(0);
        assert!(place.exists(&format!("{out}/best.safetensors")), "{method}");
    }
}
