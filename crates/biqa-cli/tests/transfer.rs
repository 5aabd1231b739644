//! `biqa transfer`: labels, pictures, leaks, going on after a stop, and what is refused. The network
//! is a tiny ResNet with arbitrary numbers: which reference a picture matches is not asked here.

mod common;

use std::fmt::Write as _;
use std::fs;

use biqa::random::splitmix64;
use biqa::weights::{Array, Arrays, Precision, write_safetensors};
use common::{Place, Run};

/// Two references with all their scores, a few sources, and a network.
fn place() -> Place {
    let place = Place::new();
    let mut table = "\u{feff}dist_img,ref_img,dmos\n".to_owned();
    for reference in ["I01", "I02"] {
        let seed = if reference == "I01" { 3 } else { 4 };
        place.file(format!("kadid/{reference}.png"), common::ppm(64, 56, seed));
        for kind in 1..=25 {
            for level in 1..=5 {
                let score = f64::from(kind * level) / 32.0 + f64::from(seed) / 10.0;
                writeln!(table, "{reference}_{kind:02}_{level:02}.png,{reference}.png,{score}")
                    .expect("memory takes it");
            }
        }
    }
    place.file("kadid/dmos.csv", table);
    for i in 0..3 {
        place.file(format!("new/p{i}.ppm"), common::ppm(64, 56, 10 + i));
    }
    let mut seed = 0;
    let mut array = |shape: &[usize], least: f32| {
        let data = (0..shape.iter().product::<usize>()).map(|_| {
            seed += 1;
            (splitmix64(seed) >> 40) as f32 / (1 << 24) as f32 + least
        });
        Array { data: data.collect(), shape: shape.to_vec() }
    };
    let mut arrays = Arrays::new();
    for (conv, norm, shape) in [
        ("conv1", "bn1", [4, 3, 7, 7]),
        ("layer1.0.conv1", "layer1.0.bn1", [4, 4, 1, 1]),
        ("layer1.0.conv2", "layer1.0.bn2", [4, 4, 3, 3]),
        ("layer1.0.conv3", "layer1.0.bn3", [16, 4, 1, 1]),
        ("layer1.0.downsample.0", "layer1.0.downsample.1", [16, 4, 1, 1]),
    ] {
        arrays.insert(format!("{conv}.weight"), array(&shape, -0.5));
        for (name, least) in
            [("weight", 0.5), ("bias", -0.5), ("running_mean", -0.5), ("running_var", 0.5)]
        {
            arrays.insert(format!("{norm}.{name}"), array(&shape[..1], least));
        }
    }
    write_safetensors(&place.path("net.safetensors"), &arrays, None, Precision::F32)
        .expect("a file of weights");
    place
}

fn transfer(place: &Place, more: &[&str]) -> Run {
    let head = ["transfer", "new", "--references", "kadid", "--scores", "kadid/dmos.csv"];
    let tail = ["--weights", "net.safetensors", "-o", "out"];
    place.biqa(&[&head[..], &tail, more].concat())
}

/// The names of the references that sources were matched to.
fn matched(place: &Place) -> Vec<String> {
    let text = place.read("out/top1_semantic_matches.csv");
    let field = |row: &str| row.split(',').nth(2).expect("a reference").to_owned();
    text.lines().skip(1).map(field).collect()
}

#[test]
fn every_picture_gets_125_labels_and_an_unreadable_one_a_counted_row() {
    let place = place();
    place.file("new/torn.png", "no picture");
    place.file("new/sub/p0.ppm", common::ppm(64, 56, 1));
    let run = transfer(&place, &["--batch-size", "2"]).ends(1);
    assert!(run.stdout.contains("label rows                             375"), "{}", run.stdout);
    assert!(run.stderr.contains("must not be tested on KADID-10k"), "{}", run.stderr);
    let labels = place.read("out/labels_batch_0002.csv");
    assert_eq!(labels.lines().count(), 126);
    let row = labels.lines().nth(1).expect("a row");
    assert!(row.starts_with("002/p2_01_01.bmp,"), "{row}");
    assert!(row.contains(",p2.ppm,I0") && row.ends_with(".png,1,1"), "{row}");
    let left = place.read("out/left_out.csv");
    assert!(left.contains("torn.png,new/torn.png,unreadable,"), "{left}");
    assert!(left.contains("p0.ppm,new/sub/p0.ppm,same_name,"), "{left}");
    let manifest: serde_json::Value =
        serde_json::from_str(&place.read("out/manifest.json")).expect("JSON");
    assert_eq!(manifest["counts"]["unreadable"], 1);
    assert_eq!(manifest["settings"]["scale"], serde_json::json!([0.0, 9.0]));
    let checked = place.biqa(&["data", "manifest", "saqt", "out", "--labels-only"]).ends(0);
    assert_eq!(checked.stdout.lines().count(), 376);
}

#[test]
fn sources_that_are_not_there_are_an_error_that_leaves_nothing_behind() {
    let place = place();
    let said = transfer(&place, &["nix"]).ends(2).stderr;
    assert!(said.contains("nix is not there"), "{said}");
    assert!(!place.exists("out"));
}

#[test]
fn a_run_that_went_on_ends_with_the_same_bytes() {
    let place = place();
    transfer(&place, &["-q"]).ends(0);
    let all = |place: &Place| {
        ["labels_batch_0001.csv", "top1_semantic_matches.csv", "manifest.json"]
            .map(|name| place.read(&format!("out/{name}")))
    };
    let first = all(&place);
    let refused = transfer(&place, &[]).ends(2);
    assert!(refused.stderr.contains("--resume goes on"), "{}", refused.stderr);
    // Labels on another scale, or for pictures of another kind, are another run's.
    for other in [&["--scale", "0..100"][..], &["--pictures"]] {
        let said = transfer(&place, &[other, &["--resume"]].concat()).ends(2).stderr;
        assert!(said.contains("was begun with other settings"), "{said}");
    }
    assert_eq!(all(&place), first);
    // As if it had been stopped after the features.
    fs::remove_file(place.path("out/manifest.json")).expect("there");
    transfer(&place, &["-q", "--resume", "-j", "1"]).ends(0);
    assert_eq!(all(&place), first);
    transfer(&place, &["-q", "--force"]).ends(0);
    assert_eq!(all(&place), first);
}

#[test]
fn a_picture_that_would_inherit_from_a_test_reference_is_refused_or_left_out() {
    let place = place();
    transfer(&place, &["-q"]).ends(0);
    // Whichever reference the network matches first is the one that is tested on.
    let tested = matched(&place)[0].clone();
    let other = if tested == "I01.png" { "I02.png" } else { "I01.png" };
    place.file("train.txt", format!("{other}\n"));
    let list = ["--training-references", "train.txt"];
    let run = transfer(&place, &[&["--resume"], &list[..]].concat()).ends(2);
    for words in ["3 sources", &tested, "train.txt", "--leave-out"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    // The labels of the first run are refused by whoever reads them for that split.
    let read = ["data", "manifest", "saqt", "out", "--labels-only"];
    let run = place.biqa(&[&read[..], &list].concat()).ends(2);
    assert!(run.stderr.contains("inherits its score from"), "{}", run.stderr);
    // A second picture, a copy of the other reference, is all that may stay.
    place.file("new/q.ppm", fs::read(place.path("kadid").join(other)).expect("a reference"));
    // To these weights of chance all pictures are much alike: rule 4 would leave out every one.
    let more = ["--leave-out", "--range", "train", "--drop-above", "1.1", "-q"];
    let refused = transfer(&place, &[&list[..], &more, &["--resume"]].concat()).ends(2);
    assert!(refused.stderr.contains("was begun with other settings"), "{}", refused.stderr);
    let more = [&more[..], &["--force"]].concat();
    transfer(&place, &[&list[..], &more].concat()).ends(0);
    assert!(matched(&place).iter().all(|name| name == other), "{:?}", matched(&place));
    place.biqa(&[&read[..], &list].concat()).ends(0);
}

#[test]
fn pictures_are_made_and_go_on_with_the_same_settings_only() {
    let place = place();
    transfer(&place, &["--pictures", "--total", "1"]).ends(0);
    let labels = place.read("out/labels_batch_0001.csv");
    let names: Vec<&str> = labels.lines().skip(1).filter_map(|row| row.split(',').next()).collect();
    assert_eq!(names.len(), 125);
    assert!(names.iter().all(|name| place.exists(&format!("out/{name}"))));
    place.biqa(&["data", "check", "saqt", "out"]).ends(0);

    let more = ["--pictures", "--total", "1", "--seed", "4", "--resume"];
    let refused = transfer(&place, &more).ends(2);
    assert!(refused.stderr.contains("\"seed\": 0 there, \"seed\": 4 now"), "{}", refused.stderr);
    let copy = place.path(format!("out/{}", names[60]));
    let before = fs::read(&copy).expect("a picture");
    fs::remove_file(&copy).expect("there");
    transfer(&place, &["--pictures", "--total", "1", "--resume", "-q"]).ends(0);
    assert_eq!(fs::read(&copy).expect("made again"), before);

    // Other photos of the same names: labels and pictures are theirs, as in a run of their own.
    for i in 0..3 {
        place.file(format!("new/p{i}.ppm"), common::ppm(64, 56, 20 + i));
    }
    transfer(&place, &["--pictures", "--total", "1", "--resume", "-q"]).ends(0);
    let all = |place: &Place| {
        let labels = place.read("out/labels_batch_0001.csv");
        let name = labels.lines().nth(60).and_then(|row| row.split(',').next()).expect("a row");
        let picture = fs::read(place.path(format!("out/{name}"))).expect("a picture");
        (labels, picture)
    };
    let went_on = all(&place);
    fs::remove_dir_all(place.path("out")).expect("there");
    transfer(&place, &["--pictures", "--total", "1", "-q"]).ends(0);
    assert!(went_on == all(&place), "pictures of the photos that were there before");
}

#[test]
fn what_can_not_be_transferred_is_said_before_any_label() {
    let place = place();
    fs::remove_file(place.path("kadid/I02.png")).expect("there");
    let run = transfer(&place, &[]).ends(2);
    assert!(run.stderr.contains("1 of 2 references of the scores are not in kadid"), "{run:?}");
    let text = place.read("kadid/dmos.csv").replace("ref_img", "reference");
    place.file("kadid/dmos.csv", text);
    let run = transfer(&place, &["--force"]).ends(2);
    assert!(run.stderr.contains("no column `ref_img`"), "{}", run.stderr);
    let run = transfer(&place, &["--force", "--rank", "2"]).ends(2);
    assert!(run.stderr.contains("from 1 to --top-k, which is 1"), "{}", run.stderr);
    let run = transfer(&place, &["--force", "--range", "train"]).ends(2);
    assert!(!run.stderr.is_empty() && !place.exists("out/manifest.json"));
    place.file("net.safetensors", "no weights");
    let run = transfer(&place, &["--force"]).ends(2);
    assert!(run.stderr.contains("net.safetensors"), "{}", run.stderr);
}
