//! `biqa pretrain` by its smoke recipe: killed and resumed, on any number of threads, what it leaves,
//! and what it says where something will not do.

mod common;
mod kills;
mod made;
mod smoke;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use biqa::weights::read;
use common::Place;
use insta::assert_snapshot;
use kills::Training;

/// Epochs of three steps.
const STEPS: usize = 12;
/// Measured at the start, in the middle and at the end.
const LINES: usize = STEPS + 3;

fn recipe(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    fs::read_to_string(folder.join(name)).expect("a recipe")
}

/// Pictures to learn from and to measure on, a labelled list, the recipe.
fn place() -> Place {
    let place = smoke::bright_place();
    place.file("smoke.toml", recipe("qpt-pretrain-smoke.toml"));
    for i in 0..12 {
        let (width, height) = (44 + 5 * i % 37, 40 + 7 * i % 57);
        let folder = if i % 2 == 0 { "a" } else { "b" };
        let bytes = made::blurred(width, height, i as u64, i % 3);
        place.file(format!("photos/{folder}/{i:02}.ppm"), bytes);
        if i < 4 {
            place.file(format!("held/{i:02}.ppm"), made::blurred(64, 48, 50 + i as u64, i));
        }
    }
    place
}

/// A place with a run `whole` that nothing stopped: made once; no test may change what is there.
fn whole() -> &'static Place {
    static WHOLE: OnceLock<Place> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = place();
        place.biqa(&args("whole", &[])).ends(0);
        place
    })
}

fn args(out: &'static str, more: &[&'static str]) -> Vec<&'static str> {
    let mut args = vec!["pretrain", "smoke.toml", "--images", "photos", "--held-out", "held"];
    args.extend(["--dataset", "csv", "--root", ".", "--list", "labels.csv", "--direction", "mos"]);
    args.extend(["--range", "1..5"]);
    args.extend(["--seed", "3", "-j", "2", "--checkpoint-steps", "1", "--out", out]);
    args.extend(more);
    args
}

#[test]
fn a_pre_training_killed_twenty_times_equals_one_that_was_not() {
    Training {
        place: whole(),
        args,
        steps: STEPS,
        lines: LINES,
        made: "pretrained.safetensors",
        end: "done: ",
        steps_of_stage: STEPS,
        out: "killed",
        whole: "whole",
    }
    .survives();
    for file in ["report.html", "report.md", "sources.csv", "backbone.safetensors"] {
        let bytes = |out: &str| fs::read(whole().path(out).join(file)).expect("a file");
        assert!(bytes("killed") == bytes("whole"), "{file} differs");
    }
}

#[test]
fn a_pre_training_whose_numbers_are_none_stops_and_keeps_none_of_them() {
    let place = place();
    let wild = ["--set", "train.warmup_epochs=0", "--set", "train.lr=1e30"];
    let text = smoke::refused(place.biqa(&args("wild", &wild)));
    for words in ["the loss is ", " at step 2 (batch: ", "checkpoint is in wild/checkpoints: lower"]
    {
        assert!(text.contains(words), "{words:?} is not in: {text}");
    }
    assert_eq!(smoke::names(&place.path("wild/checkpoints")), ["step-00-000000001"]);
    let beyond = ["--set", "train.warmup_epochs=0", "--set", "train.lr=1e45"];
    let text = smoke::refused(place.biqa(&args("beyond", &beyond)));
    assert!(text.contains("the value of a weight is "), "{text}");
    assert!(text.contains("no checkpoint was written before"), "{text}");
    assert!(smoke::names(&place.path("beyond/checkpoints")).is_empty());
}

#[test]
fn it_makes_the_same_bytes_with_one_and_four_threads() {
    let place = whole();
    for (threads, out) in [("1", "alone"), ("4", "crowd")] {
        let mut line = args(out, &[]);
        let at = line.iter().position(|arg| *arg == "-j").expect("it is there");
        line[at + 1] = threads;
        place.biqa(&line).ends(0);
        for file in ["log.jsonl", "pretrained.safetensors", "report.md"] {
            let bytes = |out: &str| fs::read(place.path(out).join(file)).expect("a file");
            assert!(bytes(out) == bytes("whole"), "{file} differs with {threads} threads");
        }
    }
}

#[test]
fn the_log_has_every_step_with_what_chance_would_cost_and_the_figures() {
    let log = whole().read("whole/log.jsonl");
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
    let (steps, measured): (Vec<_>, Vec<_>) = lines.iter().partition(|l| l["kind"] == "step");
    assert_eq!((steps.len(), measured.len()), (STEPS, LINES - STEPS));
    for (i, line) in steps.iter().enumerate() {
        assert_eq!(line["step"], i + 1);
        // Eight keys of the batch, and sixteen of every step before until the queue of twelve is full.
        let keys = 8 + (16 * i).min(12);
        let chance = line["chance"].as_f64().expect("a number");
        assert!((chance - 2.0 * (keys as f64).ln()).abs() < 1e-9, "{line}");
        for name in
            ["loss", "prob_degradation", "prob_content", "top1", "top1_degradation", "momentum"]
        {
            assert!(line[name].is_f64(), "{name}: {line}");
        }
    }
    assert!(measured.iter().all(|line| line["kind"] == "measure"), "{measured:?}");
    let epochs: Vec<_> = measured.iter().filter_map(|line| line["epoch"].as_u64()).collect();
    assert_eq!(epochs, [0, 2, 4]);
    for name in ["loss", "auc", "auc_features", "top1_content", "operation", "level", "ridge_srcc"]
    {
        assert!(measured.iter().all(|line| line[name].is_f64()), "{name}: {measured:?}");
    }
    let report = whole().read("whole/report.md");
    assert!(report.contains("16 pictures: 12 to learn from, 4 to measure on"), "{report}");
    assert!(report.contains("| linear probe, operation | "), "{report}");
    let page = whole().read("whole/report.html");
    assert!(page.matches("<svg").count() == 4 && !page.contains("NaN"), "{page}");
}

/// Of twelve pictures an epoch sees one step of four: the schedule is as short.
#[test]
fn epochs_of_fewer_pictures_make_a_shorter_run() {
    let place = place();
    let short =
        recipe("qpt-pretrain-smoke.toml").replace("epochs = 4", "epochs = 4\nepoch_images = 7");
    place.file("smoke.toml", short);
    place.biqa(&args("short", &[])).ends(0);
    let log = place.read("short/log.jsonl");
    let steps: Vec<_> = log.lines().filter(|line| line.contains("\"kind\":\"step\"")).collect();
    let of_epoch =
        |e: usize| steps.iter().filter(|l| l.contains(&format!("\"epoch\":{e},"))).count();
    assert_eq!((steps.len(), of_epoch(0), of_epoch(3)), (4, 1, 1));
    let lr = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).expect("a line")["lr"].as_f64()
    };
    assert!(lr(steps[3]) < lr(steps[1]), "the rate ends with the run: {steps:?}");
}

/// QPT's score model starts from what was made.
#[test]
fn a_training_of_qpt_starts_from_it() {
    let place = whole();
    let (all, _) = read(&place.path("whole/pretrained.safetensors")).expect("both sides");
    let (plain, _) = read(&place.path("whole/backbone.safetensors")).expect("a backbone");
    for (name, array) in &plain {
        let whole = &all[&format!("base_encoder.{name}")];
        assert_eq!(whole.shape, array.shape, "{name}");
        // Half precision: eleven bits, and steps of 2^-24 next to 0.
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= (a.abs() / 2048.0).max(3e-8);
        assert!(whole.data.iter().zip(&array.data).all(near), "{name}");
    }
    assert!(all.contains_key("momentum_encoder.fc.3.weight") && all.contains_key("queue"));
    place.file("from.toml", recipe("qpt-smoke.toml"));
    let mut line = vec!["train", "from.toml", "--data", "labels.csv", "--out", "from"];
    line.extend(["--init", "whole/pretrained.safetensors"]);
    place.biqa(&line).ends(0);
    assert!(place.exists("from/best.safetensors"));
    let shown = place.biqa(&["models", "--weights", "from/best.safetensors"]).ends(0).stdout;
    let behind = shown.lines().find(|line| line.contains("behind it")).unwrap_or(&shown);
    assert!(behind.contains("qpt-pretrain-smoke") && behind.contains("without scores"), "{behind}");
}

/// What `biqa pretrain` says to what will not do, as one text to be read in review.
#[test]
fn pictures_recipes_and_weights_that_will_not_do() {
    let place = place();
    place.file("backbone.safetensors", made::mobilenet_v2());
    place.file("few/one.ppm", made::blurred(64, 64, 1, 0));
    place.file("few/small.ppm", made::blurred(20, 64, 2, 0));
    place.file("few/broken.jpg", b"no picture");
    place.file("none/words.txt", b"no picture");
    let mut text = String::new();
    let mut say = |what: &str, line: &[&str]| {
        let said = smoke::refused(place.biqa(line));
        writeln!(text, "{what}\n  {said}\n").expect("text");
        assert!(!place.exists("run/run.json"), "{what}: the folder was claimed");
    };
    let plain = |recipe, images| ["pretrain", recipe, "--images", images, "-q"];
    say("an unknown recipe", &plain("qpt-huge", "photos"));
    say("a folder that isn't there", &plain("smoke.toml", "nowhere"));
    say("a folder without pictures", &plain("smoke.toml", "none"));
    say("too few pictures", &plain("smoke.toml", "few"));
    let both = |held| [&plain("smoke.toml", "photos")[..], &["--held-out", held]].concat();
    say("learnt from and measured on", &both("photos/a"));
    say("a recipe that needs weights", &plain("qpt-small", "photos"));
    let weights = [&plain("qpt-small", "photos")[..], &["--init", "backbone.safetensors"]].concat();
    let large = [&both("held")[..], &["--init", "backbone.safetensors"]].concat();
    say("patches that nothing is large enough for", &weights);
    say("another backbone", &large);
    let set = |key| [&plain("smoke.toml", "photos")[..], &["--set", key]].concat();
    say("a misspelt key on the command line", &set("views.image=4"));
    say("a value on the command line that can't be", &set("train.epochs=0"));
    let smoke = recipe("qpt-pretrain-smoke.toml");
    for (what, from, to) in [
        ("another method", "\"qpt-pretrain\"", "\"qpt\""),
        ("a misspelt key", "images = 4", "image = 4"),
        ("one row a step", "images = 4\ndegradations = 2", "images = 1\ndegradations = 1"),
        ("a window too small", "window = 56", "window = 30"),
        ("a warm-up that never ends", "warmup_epochs = 1.0", "warmup_epochs = 4.0"),
        ("an epoch of less than a step", "epochs = 4", "epochs = 4\nepoch_images = 3"),
        ("a transformer of another size", "layers = [1, 1, 1, 1]", "backbone = \"vit\""),
    ] {
        assert!(smoke.contains(from), "{from}");
        place.file("changed.toml", smoke.replacen(from, to, 1));
        say(what, &plain("changed.toml", "photos"));
    }
    assert_snapshot!(text);
}

#[test]
fn a_run_that_is_there_is_gone_on_with_only_when_asked_and_only_as_it_was() {
    let place = whole();
    let there = smoke::refused(place.biqa(&args("whole", &[])));
    assert!(there.contains("--resume"), "{there}");
    let mut other = args("whole", &["--resume"]);
    let at = other.iter().position(|arg| *arg == "--seed").expect("it is there");
    other[at + 1] = "4";
    let refused = smoke::refused(place.biqa(&other));
    assert!(refused.contains("another seed, data or initial weights"), "{refused}");
    let changed = args("whole", &["--resume", "--set", "keys.queue=8", "--set", "train.epochs=5"]);
    let refused = smoke::refused(place.biqa(&changed));
    assert!(refused.contains("another recipe (keys.queue, train.epochs)"), "{refused}");
}
