//! A training that was killed again and again ends as one that was not, to the bit; and what
//! `biqa train` refuses.

mod common;
mod made;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use biqa::random::{Sequence, stream};
use biqa::scorer::Scorer;
use biqa_lab::train::checkpoint::{Checkpoint, State, Validation};
use common::{Place, Run};

const TRAIN: usize = 9;
const VAL: usize = 3;
const KILLS: usize = 20;
/// So many of them go once through the whole run.
const SERIES: usize = 10;
/// Damages that [`damage_number`] knows.
const DAMAGES: usize = 4;
/// Three stages of two epochs of two steps.
const STEPS: usize = 12;

/// Stored statistics, then stored maps, then pixels; every kind of copy, loss and average.
const RECIPE: &str = r#"
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
fn place() -> Place {
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

fn args<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["train", "smoke.toml", "--data", "labels.csv", "--seed", "3", "-j", "2"];
    args.extend(["--init", "backbone.safetensors", "--checkpoint-steps", "1", "--out", out]);
    args.extend(more);
    args
}

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

/// The files of a folder, its folders with a slash, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
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
        assert!(said.contains("done: best val SRCC"), "{said}");
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

/// Changes the last byte of a file of a checkpoint: a number, where it is weights.
fn damage(checkpoint: &Path, file: &str) {
    let path = checkpoint.join(file);
    let mut bytes = fs::read(&path).expect("a file of the checkpoint");
    *bytes.last_mut().expect("it is not empty") ^= 1;
    fs::write(&path, bytes).expect("writable");
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
        let newest = Checkpoint::newest(&place.path(out).join("checkpoints")).expect("readable");
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

fn copy(from: &Path, to: &Path) {
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
fn refused(run: Run) -> String {
    let run = run.ends(2);
    assert_eq!(run.stdout, "");
    let errors: Vec<&str> = run.stderr.lines().skip_while(|l| !l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "one line, the last: {}", run.stderr);
    errors[0].to_owned()
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
    let left = Checkpoint::newest(&place.path("wild/checkpoints")).expect("readable");
    assert!(left.expect("one is left").state.step >= 1);
    assert!(!place.exists("wild/best.safetensors"));
    // It is no use to go on, and that is said again.
    let text = refused(place.biqa(&args("wild", &["--resume"])));
    assert!(text.contains("lower the learning rate"), "{text}");
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
    try_with("labels.csv", few, &["at least 4 and 3 are needed"]);
    try_with("labels.csv", labels.replace("path,score", "path,rank"), &["no column `score`"]);

    let misspelt = RECIPE.replacen("epochs = 2", "epochs = 2\nepoch_count = 2", 1);
    try_with("smoke.toml", misspelt, &["smoke.toml", "epoch_count", "line "]);
    let pinned = RECIPE.replace("[card]", &format!("sha256 = \"{}\"\n[card]", "0".repeat(64)));
    try_with("smoke.toml", pinned, &["have SHA-256 ", "the recipe asks for 0000", "--init"]);
    let two = RECIPE.replacen("ladder_every = 3", "ladder_every = 4", 1);
    try_with("smoke.toml", two, &["ladder_every is 4", "3 in another"]);
    let wide = RECIPE.replace("taps = [1, 3]", "taps = [3, 1]");
    try_with("smoke.toml", wide, &["taps must rise"]);

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

/// An average on constant predictions is no number; the checkpoint must be readable all the same.
#[test]
fn a_checkpoint_with_an_undefined_correlation_is_read_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let none = Validation { stage: 0, step: 1, srcc: f64::NEG_INFINITY, plcc: f64::NEG_INFINITY };
    let checkpoint = Checkpoint {
        state: State { history: vec![none], ..state() },
        weights: made::lite_arrays(),
        ema: BTreeMap::new(),
        optimizer: BTreeMap::new(),
        best: BTreeMap::new(),
    };
    checkpoint.write(folder.path()).expect("written");
    let found = Checkpoint::newest(folder.path()).expect("readable").expect("whole");
    assert!(found == checkpoint, "{:?}", found.state);
}

fn state() -> State {
    serde_json::from_value(serde_json::json!({
        "stage": 0, "step": 1, "optimizer_steps": 1, "ema_steps": 0, "history": [],
        "log_bytes": 0, "run_digest": "made",
    }))
    .expect("a state")
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

#[test]
fn a_checkpoint_with_one_changed_number_gives_way_to_the_one_before() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |step: u64| Checkpoint {
        state: State { step, ..state() },
        weights: made::lite_arrays(),
        ema: BTreeMap::new(),
        optimizer: BTreeMap::new(),
        best: BTreeMap::new(),
    };
    at(1).write(folder.path()).expect("written");
    at(2).write(folder.path()).expect("written");
    damage(&folder.path().join("step-00-000000002"), "weights.safetensors");
    let found = Checkpoint::newest(folder.path()).expect("readable");
    assert!(found == Some(at(1)), "the damage was not seen");
}

/// A run that starts anew, because all it had is damaged, keeps the checkpoints that it writes.
#[test]
fn damaged_checkpoints_that_lie_ahead_do_not_push_out_new_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |step: u64| Checkpoint {
        state: State { step, ..state() },
        weights: BTreeMap::new(),
        ema: BTreeMap::new(),
        optimizer: BTreeMap::new(),
        best: BTreeMap::new(),
    };
    for step in [8, 9] {
        at(step).write(folder.path()).expect("written");
        damage(&folder.path().join(format!("step-00-{step:09}")), "state.json");
    }
    for step in [1, 2] {
        at(step).write(folder.path()).expect("written");
        let found = Checkpoint::newest(folder.path()).expect("readable");
        assert_eq!(found.map(|c| c.state.step), Some(step));
    }
    assert_eq!(names(folder.path()), ["step-00-000000001", "step-00-000000002"]);
}
