//! What trainings of the papers' methods start from: files of several backbones, a language model,
//! and what ridge regression makes of a start.

mod common;
mod made;
mod smoke;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use biqa::weights::{Arrays, Precision, read, write_safetensors};
use biqa_lab::train::checkpoint::Checkpoint;
use common::Place;
use insta::assert_snapshot;
use serde_json::Value;

/// Photos whose labels are their brightness, and the smoke recipes that are named.
fn place(methods: &[&str]) -> Place {
    let place = smoke::bright_place();
    for method in methods {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
        let recipe = fs::read_to_string(folder.join(format!("{method}-smoke.toml")));
        place.file(format!("{method}.toml"), recipe.expect("a recipe"));
    }
    place
}

fn args<'a>(recipe: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["train", recipe, "--data", "labels.csv", "--seed", "3", "-j", "2"];
    args.extend(more);
    args
}

/// The tensors of a model under a prefix, without it, as a file of their own.
fn part(place: &Place, model: &Arrays, prefix: &str, file: &'static str) -> &'static str {
    let own = model.iter().filter_map(|(name, array)| {
        name.strip_prefix(prefix).map(|name| (name.to_owned(), array.clone()))
    });
    write_safetensors(&place.path(file), &own.collect(), None, Precision::F32).expect("a folder");
    file
}

#[test]
fn a_network_of_two_backbones_starts_from_two_files() {
    let place = place(&["glintiqa"]);
    place.biqa(&args("glintiqa.toml", &["--out", "whole"])).ends(0);
    let (model, _) = read(&place.path("whole/best.safetensors")).expect("a model");
    let vit = part(&place, &model, "vgfe.backbone.", "vit.safetensors");
    let cnn = part(&place, &model, "clfe.backbone.", "cnn.safetensors");
    let both = ["--init", vit, "--init", cnn, "--out", "both"];
    place.biqa(&args("glintiqa.toml", &both)).ends(0);
    let card = read(&place.path("both/best.safetensors")).expect("a model").1.expect("a card");
    assert_eq!(card.data.init, "vit.safetensors and cnn.safetensors");
    // One of them is a start where that is asked for: the other begins at random.
    let alone = ["--set", "options.one_backbone=true", "--init", cnn, "--out", "one"];
    place.biqa(&args("glintiqa.toml", &alone)).ends(0);

    let mut text = String::new();
    let mut say = |what: &str, files: &[&'static str]| {
        let inits = files.iter().flat_map(|file| ["--init", *file]);
        let more: Vec<&str> = ["--out", "none"].into_iter().chain(inits).collect();
        let said = smoke::refused(place.biqa(&args("glintiqa.toml", &more)));
        writeln!(text, "{what}\n  {said}\n").expect("text");
        assert!(!place.exists("none/run.json"), "{what}: the folder was claimed");
    };
    say("one of two", &[vit]);
    say("the same file twice", &[vit, vit]);
    say("one that is not there", &[vit, "resnet.pth"]);
    assert_snapshot!(text);
}

#[test]
fn a_language_model_is_asked_for_by_the_recipe_that_has_one() {
    let place = place(&["csfiqa", "deiqt"]);
    let recipe = place.read("csfiqa.toml").replace("ic = \"random\"", "ic = \"llama7b\"");
    place.file("llama.toml", recipe);
    place.file("other.safetensors", made::mobilenet_v2());
    let mut text = String::new();
    let mut say = |what: &str, recipe: &'static str, more: &[&'static str]| {
        let more = [&["--out", "none"], more].concat();
        let said = smoke::refused(place.biqa(&args(recipe, &more)));
        writeln!(text, "{what}\n  {said}\n").expect("text");
        assert!(!place.exists("none/run.json"), "{what}: the folder was claimed");
    };
    say("none is given", "llama.toml", &[]);
    say("it is not there", "llama.toml", &["--llama", "llama.safetensors"]);
    say("it is something else", "llama.toml", &["--llama", "other.safetensors"]);
    say("the recipe has none", "csfiqa.toml", &["--llama", "other.safetensors"]);
    say("the method has none", "deiqt.toml", &["--llama", "other.safetensors"]);
    assert_snapshot!(text);
}

#[test]
fn a_key_set_on_the_command_line_is_in_the_name_of_all_that_comes_of_it() {
    let place = place(&["csiqa"]);
    let set = ["--set", "options.contrast.enabled=false", "--set", "train.epochs=1"];
    place.biqa(&args("csiqa.toml", &[&set[..], &["--out", "run"]].concat())).ends(0);
    // Without a contrast there is no teacher: one stage, one term.
    let log = place.read("run/log.jsonl");
    assert_eq!(log.lines().count(), 3);
    assert!(!log.contains("contrast"), "{log}");
    let model = "csiqa-smoke, options.contrast.enabled = false, train.epochs = 1";
    assert!(place.read("run/recipe.toml").contains(model));
    let rows = place.biqa(&["score", "00.ppm", "-w", "run/best.safetensors"]).ends(0).rows();
    assert_eq!(rows[0]["model"], model);
    // The text that the run keeps is a recipe, and that run's.
    let again = ["train", "run/recipe.toml", "--data", "labels.csv", "--seed", "3", "--resume"];
    place.biqa(&[&again[..], &["--out", "run"]].concat()).ends(0);

    let set = ["--set", "options.contrst.enabled=false", "--out", "none"];
    let said = smoke::refused(place.biqa(&args("csiqa.toml", &set)));
    assert!(said.contains("with options.contrst.enabled = false: unknown field"), "{said}");
    let run = place.biqa(&args("csiqa.toml", &["--set", "batch", "--out", "none"])).ends(2);
    assert!(run.stderr.contains("expected KEY=VALUE such as train.batch=32"), "{}", run.stderr);
}

/// The frozen layer is what the start brings: checkpoints go without it, the model file has it.
#[test]
fn checkpoints_leave_the_frozen_layer_out() {
    let place = place(&["csfiqa"]);
    place.biqa(&args("csfiqa.toml", &["--out", "run"])).ends(0);
    let run = place.read("run/run.json");
    let newest = Checkpoint::newest(&place.path("run/checkpoints"), &run, &mut |_| ());
    let Checkpoint { weights, best, .. } = newest.expect("readable").expect("one is left");
    for arrays in [&weights, &best] {
        assert!(arrays.contains_key("sfa.ic.in_proj.weight"));
        assert!(!arrays.keys().any(|name| name.contains(".llama")), "it is in a checkpoint");
    }
    let (model, _) = read(&place.path("run/best.safetensors")).expect("a model");
    assert!(model.keys().any(|name| name.starts_with("sfa.ic.llama.")));
    // A run that has ended is read back with it, to the byte.
    let bytes = || fs::read(place.path("run/best.safetensors")).expect("a file");
    let before = bytes();
    fs::remove_file(place.path("run/best.safetensors")).expect("it is there");
    place.biqa(&args("csfiqa.toml", &["--out", "run", "--resume"])).ends(0);
    assert!(bytes() == before, "another model");
}

#[test]
fn ridge_on_the_frozen_start_says_its_figures_and_trains_nothing() {
    let methods = ["deiqt", "csiqa", "lmliqa", "csfiqa", "glintiqa", "qpt"];
    let place = place(&methods);
    for method in methods {
        let recipe = format!("{method}.toml");
        let line = |threads: &'static str| {
            let mut args = args(&recipe, &["--ridge"]);
            let at = args.iter().position(|arg| *arg == "-j").expect("it is there");
            args[at + 1] = threads;
            place.biqa(&args).ends(0).stdout
        };
        let text = line("2");
        assert!(text.starts_with("ridge on random numbers, penalty "), "{method}: {text}");
        let srcc = text.split("SRCC ").nth(1).and_then(|rest| rest.split(',').next());
        let srcc: f64 = srcc.and_then(|v| v.parse().ok()).expect("a number");
        assert!((0.5..=1.0).contains(&srcc), "{method}: brightness is seen: {text}");
        assert_eq!(text, line("1"), "{method}");
        assert!(!place.exists("run"), "{method}: a run was made");
    }
    let said = smoke::refused(place.biqa(&["train", "--data", "labels.csv", "--ridge"]));
    assert!(said.contains("trains lite"), "{said}");
}

#[test]
fn labels_are_learnt_on_the_scale_that_the_recipe_names() {
    let place = place(&["deiqt"]);
    let first_loss = |set: &'static str, out: &'static str| {
        let more = ["--set", set, "--set", "options.beta=0.001", "--out", out];
        place.biqa(&args("deiqt.toml", &more)).ends(0);
        let log = place.read(&format!("{out}/log.jsonl"));
        let line: Value = serde_json::from_str(log.lines().next().expect("a step")).expect("JSON");
        line["loss"].as_f64().expect("a number")
    };
    // What an untrained network answers is next to nothing beside labels of 0 to 10.
    let ten = first_loss("labels=\"ten\"", "ten");
    let percent = first_loss("labels=\"percent\"", "percent");
    assert!((8.5..11.5).contains(&(percent / ten)), "{ten} and {percent}");
    assert!(ten > 1.0, "{ten}");
}
