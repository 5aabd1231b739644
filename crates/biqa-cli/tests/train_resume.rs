//! A training that was killed again and again ends as one that was not, to the bit.

mod common;
mod kills;
mod made;
mod smoke;

use std::fs;
use std::sync::OnceLock;

use biqa::scorer::Scorer;
use common::Place;
use kills::Training;
use smoke::{RECIPE, STEPS, TRAIN, VAL, args, copy, place, refused};

/// What nothing stopped: made once, in `whole`; every test may look, none may change it.
fn whole() -> &'static Place {
    static WHOLE: OnceLock<Place> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = place();
        place.biqa(&args("whole", &[])).ends(0);
        place
    })
}

/// The run as the machinery of kills takes it.
fn training(place: &Place) -> Training<'_> {
    let ((made, end), lines) = (kills::MODEL, STEPS);
    let (steps, steps_of_stage) = (STEPS, STEPS / 3);
    let (out, whole) = ("killed", "whole");
    Training { place, args, steps, lines, made, end, steps_of_stage, out, whole }
}

#[test]
fn a_run_that_was_killed_twenty_times_equals_one_that_was_not() {
    training(whole()).survives();
}

#[test]
fn the_model_file_scores_and_carries_the_recipes_name() {
    let place = whole();
    let rows = place.biqa(&["score", "00.ppm", "-w", "whole/best.safetensors"]).ends(0).rows();
    assert_eq!(rows[0]["model"], "smoke");
    assert!(rows[0]["score"].as_f64().is_some_and(|s| (0.0..=100.0).contains(&s)), "{rows:?}");
}

#[test]
fn a_finished_run_resumed_does_nothing_and_says_the_same() {
    let place = whole();
    copy(&place.path("whole"), &place.path("again"));
    fs::remove_file(place.path("again/best.safetensors")).expect("it is there");
    place.biqa(&args("again", &["--resume"])).ends(0);
    training(place).assert_same("again");
}

#[test]
fn a_folder_that_holds_a_run_is_only_gone_on_with_by_that_run() {
    let place = whole();
    let text = refused(place.biqa(&args("whole", &[])));
    assert!(text.contains("whole already holds a run; go on with --resume"), "{text}");

    let mut other = args("whole", &["--resume"]);
    other[5] = "4"; // the seed
    let text = refused(place.biqa(&other));
    assert!(text.contains("whole holds a run with another seed, data or initial"), "{text}");

    place.file("other.toml", RECIPE.replace("hidden = 8", "hidden = 9"));
    let mut other = args("whole", &["--resume"]);
    other[1] = "other.toml";
    let text = refused(place.biqa(&other));
    assert!(text.contains("another recipe (config.hidden)"), "{text}");

    let scores = place.read("labels.csv").replacen(
        "path,score,split\n00.ppm,5,",
        "path,score,split\n00.ppm,4.5,",
        1,
    );
    assert_ne!(scores, place.read("labels.csv"));
    place.file("other.csv", scores);
    let mut other = args("whole", &["--resume"]);
    other[3] = "other.csv";
    let text = refused(place.biqa(&other));
    assert!(text.contains("another seed, data or initial weights"), "{text}");
}

/// The log is for people; a run whose log was taken away goes on without its old lines.
#[test]
fn a_log_that_was_taken_away_is_not_filled_with_zeros() {
    let place = whole();
    copy(&place.path("whole"), &place.path("logless"));
    fs::remove_file(place.path("logless/log.jsonl")).expect("it is there");
    place.biqa(&args("logless", &["--resume"])).ends(0);
    assert_eq!(place.read("logless/log.jsonl"), "");
}

#[test]
fn the_made_model_is_whole() {
    let scorer = Scorer::from_bytes(&made::lite(), "made").expect("a whole model");
    assert_eq!(scorer.card().name, "made");
    let place = place();
    place.file("made.safetensors", made::lite());
    let rows = place.biqa(&["score", ".", "-w", "made.safetensors"]).ends(0).rows();
    let mut scores: Vec<f64> = rows.iter().map(|r| r["score"].as_f64().expect("one")).collect();
    assert_eq!(scores.len(), TRAIN + VAL);
    scores.sort_by(f64::total_cmp);
    scores.dedup();
    assert!(scores.len() > TRAIN, "{scores:?}");
}
