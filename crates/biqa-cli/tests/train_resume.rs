//! A training that was killed again and again ends as one that was not, to the bit.

mod common;
mod made;
mod smoke;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use biqa::random::{Sequence, stream};
use biqa::scorer::Scorer;
use biqa_lab::train::checkpoint::{Checkpoint, State};
use common::Place;
use smoke::{RECIPE, STEPS, TRAIN, VAL, args, copy, damage, names, place, refused};

const KILLS: usize = 20;
/// So many of them go once through the whole run.
const SERIES: usize = 10;
/// Damages that [`damage_number`] knows.
const DAMAGES: usize = 4;
/// What nothing stopped: made once, in `whole`; every test may look, none may change it.
fn whole() -> &'static (Place, Duration) {
    static WHOLE: OnceLock<(Place, Duration)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = place();
        let begin = Instant::now();
        place.biqa(&args("whole", &[])).ends(0);
        (place, begin.elapsed())
    })
}

fn checkpoints(place: &Place, out: &str) -> Vec<PathBuf> {
    let folder = place.path(format!("{out}/checkpoints"));
    let whole = names(&folder).into_iter().filter(|name| name.starts_with("step-"));
    whole.map(|name| folder.join(name)).collect()
}

/// Checkpoints that are being written or were never finished, and when they were begun.
fn unfinished(place: &Place, out: &str) -> Vec<(String, Option<SystemTime>)> {
    let folder = place.path(format!("{out}/checkpoints"));
    let partial = names(&folder).into_iter().filter(|name| name.starts_with(".partial-"));
    let begun = |name: &String| fs::metadata(folder.join(name)).and_then(|m| m.modified()).ok();
    partial.map(|name| (name.clone(), begun(&name))).collect()
}

fn lines(place: &Place, out: &str) -> usize {
    fs::read_to_string(place.path(format!("{out}/log.jsonl"))).unwrap_or_default().lines().count()
}

/// What the run left when it was killed.
#[derive(Debug, Default)]
struct Kills {
    in_step: usize,
    in_checkpoint: usize,
    before_first_step: usize,
    too_late: usize,
    /// Steps that the run had made when it went on.
    resumed_at: Vec<usize>,
}

impl Kills {
    fn hits(&self) -> usize {
        self.in_step + self.in_checkpoint + self.before_first_step
    }
}

/// Steps made at the newest checkpoint.
fn steps_kept(place: &Place) -> usize {
    let state = |c: &PathBuf| -> Option<State> {
        serde_json::from_slice(&fs::read(c.join("state.json")).ok()?).ok()
    };
    let newest = checkpoints(place, "killed").iter().rev().find_map(state);
    newest.map_or(0, |s| s.stage * STEPS / 3 + s.step as usize)
}

/// Starts the run and kills it, every fifth time at any moment of the preparations, else after a
/// step of its own, its share of all for the `number`th of [`SERIES`] kills, and every other time
/// while a checkpoint is being written; each a little later than that, by chance. Returns whether
/// it came to its end before.
fn start_and_kill(place: &Place, number: usize, draws: &mut Sequence, kills: &mut Kills) -> bool {
    let stale = unfinished(place, "killed");
    let writes = |place: &Place| unfinished(place, "killed").iter().any(|p| !stale.contains(p));
    let kept = steps_kept(place);
    let target = (kept + 1).max(number * STEPS / SERIES);
    let (early, in_write) = (number.is_multiple_of(5), !number.is_multiple_of(2));
    // A checkpoint after every step, or after three whose lines in the log are to be cut.
    let mut line = args("killed", &["--resume"]);
    let at = line.iter().position(|arg| *arg == "--checkpoint-steps").expect("it is there");
    line[at + 1] = if number % 3 < 2 { "1" } else { "3" };
    let said = fs::File::create(place.path("stderr.txt")).expect("a file");
    let mut child = place.command(&line).stderr(said).spawn().expect("biqa starts");
    let begin = Instant::now();
    let anew = kept == 0;
    let reached = |place: &Place| {
        // The lines of the run before are cut when this one says where it goes on.
        (anew || place.read("stderr.txt").contains("resumed at"))
            && lines(place, "killed") >= target
            && (!in_write || writes(place))
    };
    let mut ended = false;
    while !early && !ended && !reached(place) {
        assert!(begin.elapsed() < Duration::from_mins(1), "{}", place.read("stderr.txt"));
        sleep(Duration::from_micros(300));
        ended = child.try_wait().expect("a child").is_some();
    }
    let most = if early { 100.0 } else { 20.0 };
    sleep(Duration::from_micros((1e3 * most * draws.unit()) as u64));
    let second = begin.elapsed() + Duration::from_secs(1);
    while !in_write && writes(place) && begin.elapsed() < second {
        sleep(Duration::from_micros(200));
    }
    ended = ended || child.try_wait().expect("a child").is_some();
    child.kill().expect("a kill -9");
    child.wait().expect("an end");
    if ended {
        let said = place.read("stderr.txt");
        assert!(said.contains(" kept: SRCC"), "{said}");
        kills.too_late += 1;
    } else if writes(place) {
        kills.in_checkpoint += 1;
    } else if lines(place, "killed") == 0 {
        kills.before_first_step += 1;
    } else {
        kills.in_step += 1;
    }
    kills.resumed_at.push(kept);
    ended
}

/// What else may have happened to the checkpoints between two runs.
fn damage_number(place: &Place, number: usize) {
    let found = checkpoints(place, "killed");
    let newest = found.last().expect("a checkpoint");
    match number {
        2 => damage(newest, "weights.safetensors"),
        1 => fs::remove_file(newest.join("optimizer.safetensors")).expect("it is there"),
        // None is left: the run starts anew.
        0 => {
            for checkpoint in &found {
                // A kill in the removal of an old one may have taken its state already.
                if checkpoint.join("state.json").exists() {
                    damage(checkpoint, "state.json");
                }
            }
        }
        // What a kill in a write leaves, in the way of all that come.
        _ => {
            for (stage, step) in (0..3).flat_map(|stage| (0..5).map(move |step| (stage, step))) {
                let name = format!("killed/checkpoints/.partial-step-{stage:02}-{step:09}");
                place.file(format!("{name}/weights.safetensors"), b"half");
            }
        }
    }
}

#[test]
fn a_run_that_was_killed_twenty_times_equals_one_that_was_not() {
    let (place, alone) = whole();
    let mut draws = stream(11, "kills", 0);
    let (mut kills, mut damaged, mut number) = (Kills::default(), 0, 0);
    for _ in 0..2 * KILLS {
        if kills.hits() >= KILLS && damaged == DAMAGES {
            break;
        }
        let ended = start_and_kill(place, number, &mut draws, &mut kills);
        number += 1;
        if ended {
            assert_same(place, "killed");
            fs::remove_dir_all(place.path("killed")).expect("to begin anew");
            number = 0;
        } else if damaged < DAMAGES
            && kills.hits() > 3 * (damaged + 1)
            && !checkpoints(place, "killed").is_empty()
        {
            damage_number(place, damaged);
            damaged += 1;
            if steps_kept(place) == 0 {
                number = 0;
            }
        }
    }
    place.biqa(&args("killed", &["--resume"])).ends(0);
    eprintln!("{alone:?} without a kill; {kills:?}");
    assert!(kills.hits() >= KILLS && damaged == DAMAGES, "too few kills hit the run: {kills:?}");
    assert!(kills.in_checkpoint >= 3, "too few kills hit a write: {kills:?}");
    assert!(kills.in_step >= 3, "too few kills hit a step: {kills:?}");
    let places: BTreeSet<usize> = kills.resumed_at.iter().copied().collect();
    assert!(places.len() >= STEPS / 3, "the kills are not spread over the run: {kills:?}");
    assert_same(place, "killed");
}

/// Model, log and last checkpoint are those of the run that nothing stopped.
fn assert_same(place: &Place, out: &str) {
    assert_eq!(place.read(&format!("{out}/log.jsonl")), place.read("whole/log.jsonl"));
    assert_eq!(lines(place, out), STEPS);
    let bytes = |out: &str, file: &str| fs::read(place.path(out).join(file)).expect("a file");
    for file in ["best.safetensors", "recipe.toml", "run.json"] {
        assert!(bytes(out, file) == bytes("whole", file), "{out}/{file} differs");
    }
    let last = |out: &str| {
        let folder = place.path(out).join("checkpoints");
        let digest = place.read(&format!("{out}/run.json"));
        let newest = Checkpoint::newest(&folder, &digest, &mut |_| ()).expect("readable");
        newest.expect("there is one")
    };
    assert!(last(out) == last("whole"), "the last checkpoints differ");
    // Stored items were found again, not computed again under another name.
    let items = |out: &str| names(&place.path(format!("{out}/items")));
    assert_eq!(items(out), items("whole"));
    let left = names(&place.path(format!("{out}/checkpoints")));
    assert_eq!(left.iter().filter(|name| name.starts_with("step-")).count(), 2, "{left:?}");
}

#[test]
fn the_model_file_scores_and_carries_the_recipes_name() {
    let (place, _) = whole();
    let rows = place.biqa(&["score", "00.ppm", "-w", "whole/best.safetensors"]).ends(0).rows();
    assert_eq!(rows[0]["model"], "smoke");
    assert!(rows[0]["score"].as_f64().is_some_and(|s| (0.0..=100.0).contains(&s)), "{rows:?}");
}

#[test]
fn a_finished_run_resumed_does_nothing_and_says_the_same() {
    let (place, _) = whole();
    copy(&place.path("whole"), &place.path("again"));
    fs::remove_file(place.path("again/best.safetensors")).expect("it is there");
    place.biqa(&args("again", &["--resume"])).ends(0);
    assert_same(place, "again");
}

#[test]
fn a_folder_that_holds_a_run_is_only_gone_on_with_by_that_run() {
    let (place, _) = whole();
    let text = refused(place.biqa(&args("whole", &[])));
    assert!(text.contains("whole already holds a run; go on with --resume"), "{text}");

    let mut other = args("whole", &["--resume"]);
    other[5] = "4"; // the seed
    let text = refused(place.biqa(&other));
    assert!(text.contains("whole holds a run with another recipe, seed or data"), "{text}");

    place.file("other.toml", RECIPE.replace("hidden = 8", "hidden = 9"));
    let mut other = args("whole", &["--resume"]);
    other[1] = "other.toml";
    let text = refused(place.biqa(&other));
    assert!(text.contains("another recipe, seed or data"), "{text}");

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
    assert!(text.contains("another recipe, seed or data"), "{text}");
}

/// The log is for people; a run whose log was taken away goes on without its old lines.
#[test]
fn a_log_that_was_taken_away_is_not_filled_with_zeros() {
    let (place, _) = whole();
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
