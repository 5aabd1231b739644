//! `biqa report`: a page and its twins from run folders, and what it says of folders that are none.

mod common;

use std::fs;
use std::path::Path;

use biqa_lab::datasets::Direction;
use biqa_lab::results::{
    Dataset, Figure, Figures, Image, Part, Protocol, ProtocolName, Repeat, Results, Subject,
    SubjectKind, VERSION, write,
};
use biqa_lab::stats;
use common::Place;
use insta::assert_snapshot;

const LABELS: [f64; 8] = [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5];
const PREDICTIONS: [f64; 8] = [0.1, 0.15, 0.4, 0.3, 0.5, 0.65, 0.6, 0.9];

/// A run of eight images of somebody's own set.
fn run(place: &Place, name: &str, predictions: [f64; 8]) {
    let image = |i: usize| Image {
        path: format!("photos/{i}.ppm"),
        score: LABELS[i],
        prediction: predictions[i],
        split: Part::All,
        repeat: 0,
        content: i.to_string(),
        kind: String::new(),
        level: None,
        last: None,
    };
    let images: Vec<Image> = (0..8).map(image).collect();
    let figure = |value: Result<Option<f64>, _>| Figure {
        value: value.expect("finite values"),
        interval: None,
    };
    let results = Results {
        version: VERSION,
        biqa: "0.0.0".to_owned(),
        dataset: Dataset {
            key: "csv".to_owned(),
            name: "my photos".to_owned(),
            label_form: "MOS".to_owned(),
            direction: Direction::Mos,
            range: [1.0, 5.0],
            digest: "0123456789abcdef".repeat(4),
            images: 8,
            contents: 8,
            references: false,
            subset: false,
            warnings: Vec::new(),
            root: Some(place.path("")),
        },
        subject: Subject {
            kind: SubjectKind::Scores,
            name: format!("{name}.csv"),
            digest: None,
            recipe_digest: None,
        },
        protocol: Protocol {
            name: ProtocolName::Single,
            part: Part::All,
            split: "none".to_owned(),
            seed: 0,
            selected_on: None,
            select_by: None,
            summary: "median".to_owned(),
            trained_on: None,
            train_on: None,
            fraction: None,
            fraction_of: None,
            switches: Vec::new(),
        },
        repeats: vec![Repeat {
            index: 0,
            seed: None,
            lists_digest: None,
            weights_digest: None,
            images: 8,
            groups: 8,
            crops: None,
            trained: None,
            kept: None,
            figures: Figures {
                srcc: figure(stats::srcc(&predictions, &LABELS)),
                plcc: figure(stats::plcc(&predictions, &LABELS)),
                krcc: stats::krcc(&predictions, &LABELS).expect("finite values").value,
                ..Figures::default()
            },
            last: None,
            epochs: Vec::new(),
            log: None,
            seconds: None,
        }],
        notes: vec!["a note with <angles> & \"quotes\"".to_owned()],
    };
    write(&place.path(name), &results, &images).expect("a run folder");
}

fn place() -> Place {
    let place = Place::with_photos(0);
    for i in 0..8 {
        place.picture(format!("photos/{i}.ppm"), i);
    }
    run(&place, "theirs", PREDICTIONS);
    place
}

#[test]
fn the_markdown_of_a_small_run() {
    let place = place();
    place.biqa(&["report", "theirs", "--pictures", "2"]).ends(0);
    assert_snapshot!(place.read("report.md"));
}

/// Without the style sheet, and without the pictures' bytes.
#[test]
fn the_page_of_a_small_run() {
    let place = place();
    place.biqa(&["report", "theirs", "--pictures", "2", "-o", "page.html"]).ends(0);
    let html = place.read("page.html");
    let (_, body) = html.split_once("</style>").expect("a style sheet");
    let mut shown = String::new();
    for (i, part) in body.split("data:image/png;base64,").enumerate() {
        match part.split_once('"') {
            Some((bytes, rest)) if i > 0 => {
                assert!(bytes.len() > 100, "{bytes}");
                shown.push_str("PICTURE\"");
                shown.push_str(rest);
            }
            _ => shown.push_str(part),
        }
    }
    assert_snapshot!(shown);
}

#[test]
fn all_four_files_are_written_and_say_the_same() {
    let place = place();
    let said = place.biqa(&["report", "theirs", "-o", "r.html"]).ends(0);
    assert_eq!(
        said.stderr,
        "1 run on 1 set: open r.html; the same as .md, .csv and .json beside it\n"
    );
    let json: serde_json::Value = serde_json::from_str(&place.read("r.json")).expect("JSON");
    let srcc = json["runs"][0]["results"]["repeats"][0]["figures"]["srcc"]["value"].as_f64();
    let expected = stats::srcc(&PREDICTIONS, &LABELS).expect("finite values");
    assert_eq!(srcc, expected);
    assert_eq!(json["tables"]["set-1-results"][0]["SRCC"].as_f64(), expected);
    let value = expected.expect("defined").to_string();
    assert!(place.read("r.csv").contains(&format!(",SRCC,,{value},")));
    assert!(place.read("r.md").contains("0.9524") && place.read("r.html").contains("0.9524"));
}

#[test]
fn runs_in_one_folder_stand_side_by_side() {
    let place = place();
    run(&place, "all/one", PREDICTIONS);
    run(&place, "all/two", [0.9, 0.15, 0.4, 0.3, 0.5, 0.65, 0.6, 0.1]);
    place.biqa(&["report", "all", "theirs", "-q"]).ends(0);
    let text = place.read("report.md");
    assert!(text.starts_with("# 3 runs side by side"));
    assert!(text.contains("all/one.csv less all/two.csv"));
}

/// What docs/results/README.md says to type.
#[test]
fn the_results_that_are_kept_stand_side_by_side() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results/papers");
    let folders = fs::read_dir(kept).expect("results are kept");
    // One that is being made has none yet.
    let runs: Vec<String> = folders
        .map(|folder| folder.expect("a folder").path().join("honest"))
        .filter(|run| run.join("results.json").exists())
        .map(|run| run.display().to_string())
        .collect();
    assert!(runs.len() > 1, "{runs:?}");
    let mut words = vec!["report", "-q"];
    words.extend(runs.iter().map(String::as_str));
    let place = Place::new();
    place.biqa(&words).ends(0);
    let text = place.read("report.md");
    assert!(text.starts_with(&format!("# {} runs side by side", runs.len())), "{text}");
    assert!(text.contains("**deiqt-tiny, last epoch**"), "{text}");
}

#[test]
fn folders_that_are_no_runs_and_places_that_will_not_do() {
    let place = place();
    let mut said: Vec<String> = Vec::new();
    place.file("trained/run.json", "{}");
    place.file("old/results.json", "{\"version\": 0, \"biqa\": \"0.0.1\"}");
    place.file("cut/results.json", "{\"version\": 1,");
    run(&place, "bare", PREDICTIONS);
    std::fs::remove_file(place.path("bare/predictions.csv")).expect("removed");
    run(&place, "spoilt", PREDICTIONS);
    place.file("spoilt/predictions.csv", "path,score,prediction,split,repeat\na,1,x,all,0\n");
    run(&place, "short", PREDICTIONS);
    place.file("short/predictions.csv", "path,score,prediction,split,repeat\na,1,2,all,0\n");
    for args in [
        &["gone"][..],
        &["trained"],
        &["photos"],
        &["old"],
        &["cut"],
        &["bare"],
        &["spoilt"],
        &["short"],
        &["theirs", "-o", "report.txt"],
        &["theirs", "-o", "theirs/results.html"],
        &["theirs", "-o", "nowhere/report.html"],
        &["theirs", "--pictures", "many"],
    ] {
        let ended = place.biqa(&[&["report"], args].concat()).ends(2);
        said.push(format!("$ biqa report {}\n{}", args.join(" "), ended.stderr));
    }
    assert_snapshot!(said.concat());
    assert!(!place.exists("report.html"));
}
