//! `biqa protocol`: a run that was killed again and again ends as one that was not, to the last
//! digit; what the two protocols share; what is refused.

mod common;
mod made;
mod smoke;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use biqa::random::stream;
use biqa_lab::results::{self, Part, ProtocolName};
use common::Place;
use serde_json::Value;
use smoke::{names, refused};

/// Pictures of the set; two of a content.
const PHOTOS: usize = 40;
const SPLITS: usize = 3;
const KILLS: usize = 12;
const JOBS: usize = 2 * SPLITS;

/// The head alone on stored statistics, then nothing more: every job takes a moment.
const RECIPE: &str = r#"
name = "tiny"
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
name = "tiny"
version = "1"
licence = "none"
data_terms = "none"

[[stages]]
freeze_before = 19
epochs = 4
batch = 4
dropout = 0.2
schedule = { name = "cosine", base_lr = 5e-3, min_lr = 0.0, warmup_lr = 1e-4, warmup_epochs = 1.0 }
loss = { smooth_l1 = 1.0, beta = 0.1, plcc = 0.05 }
copies = { flip = true }
"#;

/// A set of pictures in `folder`, `sign` -1 for one whose scores fall with quality.
fn set(place: &Place, folder: &str, first: usize, sign: f64) {
    let mut list = "path,score,content\n".to_owned();
    for i in 0..PHOTOS {
        let (width, height) = (40 + 7 * i % 23, 40 + 11 * i % 23);
        let name = format!("{i:02}.ppm");
        let bytes = made::blurred(width, height, (first + i) as u64, i % 5);
        place.file(format!("{folder}/{name}"), bytes);
        let quality = (4 - i % 5) as f64 + 0.02 * (i % 7) as f64;
        writeln!(list, "{name},{},scene {}", 10.0 + sign * quality, i / 2).expect("memory");
    }
    place.file(format!("{folder}/labels.csv"), list);
}

fn place() -> Place {
    let place = Place::new();
    place.file("backbone.safetensors", made::mobilenet_v2());
    place.file("tiny.toml", RECIPE);
    set(&place, "a", 0, 1.0);
    place
}

/// The arguments for set `a`; what follows `more` is the caller's.
fn args<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["protocol", "tiny.toml", "--dataset", "csv", "--root", "a"];
    args.extend(["--direction", "mos", "--range", "8..16", "--init", "backbone.safetensors"]);
    args.extend(["-j", "2", "--checkpoint-steps", "1", "--out", out]);
    args.extend(more);
    args
}

const BOTH: [&str; 4] = ["--protocol", "both", "--splits", "3"];

/// What nothing stopped, in `whole`; every test may look, none may change it.
fn whole() -> &'static (Place, Duration) {
    static WHOLE: OnceLock<(Place, Duration)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = place();
        let begin = Instant::now();
        place.biqa(&args("whole", &BOTH)).ends(0);
        (place, begin.elapsed())
    })
}

fn run(place: &Place, folder: &str) -> results::Run {
    results::read(&place.path(folder)).expect("a run folder")
}

/// Figures without the wall times, which are the only thing that may differ.
fn figures(place: &Place, name: &str) -> Value {
    let mut found: Value = serde_json::from_str(&place.read(name)).expect("JSON");
    for repeat in found["repeats"].as_array_mut().into_iter().flatten() {
        repeat.as_object_mut().expect("a repeat").remove("seconds");
    }
    found
}

fn assert_same(place: &Place, out: &str) {
    for folder in ["honest", "published"] {
        let file = |out: &str, name: &str| place.read(&format!("{out}/{folder}/{name}"));
        let (there, here) = (file("whole", "predictions.csv"), file(out, "predictions.csv"));
        assert!(there == here, "{folder}: predictions differ");
        let json = |out: &str| figures(place, &format!("{out}/{folder}/results.json"));
        assert_eq!(json("whole"), json(out), "{folder}");
    }
    assert_eq!(place.read("whole/protocol.json"), place.read(&format!("{out}/protocol.json")));
    for job in names(&place.path("whole/splits")) {
        let bytes =
            |out: &str| fs::read(place.path(format!("{out}/splits/{job}/best.safetensors")));
        assert!(bytes("whole").ok() == bytes(out).ok(), "{job}: the models differ");
    }
}

/// How far a run is: jobs begun and done, checkpoints, lines of the logs.
fn progress(place: &Place, out: &str) -> usize {
    let splits = place.path(format!("{out}/splits"));
    let lines = |path: &Path| fs::read_to_string(path).unwrap_or_default().lines().count();
    let of = |job: &String| {
        let job = splits.join(job);
        1 + lines(&job.join("log.jsonl")) + usize::from(job.join("evaluation.json").exists())
    };
    names(&splits).iter().map(of).sum()
}

#[test]
fn a_run_that_was_killed_at_random_moments_equals_one_that_was_not() {
    let (place, alone) = whole();
    let most = progress(place, "whole");
    let mut draws = stream(5, "protocol kills", 0);
    let (mut hits, mut places) = (0, BTreeSet::new());
    let line = args("killed", &[&BOTH[..], &["--resume"]].concat());
    for number in 0..KILLS {
        let said = fs::File::create(place.path("stderr.txt")).expect("a file");
        let mut child = place.command(&line).stderr(said).spawn().expect("biqa starts");
        let begin = Instant::now();
        // Its share of the way, then any moment of the next tenth of the whole run's time.
        let target = number * most / KILLS;
        let mut ended = false;
        while !ended && progress(place, "killed") < target {
            assert!(begin.elapsed() < Duration::from_mins(2), "{}", place.read("stderr.txt"));
            sleep(Duration::from_millis(1));
            ended = child.try_wait().expect("a child").is_some();
        }
        sleep(alone.mul_f64(0.1 * draws.unit()));
        ended = ended || child.try_wait().expect("a child").is_some();
        child.kill().expect("a kill -9");
        child.wait().expect("an end");
        if !ended {
            hits += 1;
            places.insert(progress(place, "killed"));
        }
    }
    place.biqa(&line).ends(0);
    eprintln!("{alone:?} without a kill; {hits} kills at {places:?} of {most}");
    assert!(hits >= KILLS / 2, "too few kills hit the run: {hits}");
    assert!(places.len() >= KILLS / 3, "the kills are not spread over the run: {places:?}");
    assert_same(place, "killed");
    // A run that is done does nothing more and says the same.
    let again = place.biqa(&line).ends(0);
    assert!(again.stderr.contains(&format!("{JOBS} of {JOBS} jobs are done")), "{}", again.stderr);
    assert_same(place, "killed");
}

#[test]
fn several_jobs_at_once_find_the_same() {
    let (place, _) = whole();
    place.biqa(&args("at-once", &[&BOTH[..], &["--jobs", "3"]].concat())).ends(0);
    assert_same(place, "at-once");
}

#[test]
fn both_protocols_test_on_the_same_photos_and_no_content_is_parted() {
    let (place, _) = whole();
    let (honest, published) = (run(place, "whole/honest"), run(place, "whole/published"));
    assert_eq!(honest.results.protocol.name, ProtocolName::Honest);
    assert_eq!(published.results.protocol.name, ProtocolName::Published);
    assert_eq!(published.results.protocol.selected_on, Some(Part::Test));
    let mut tests = BTreeSet::new();
    for repeat in 0..SPLITS {
        let paths = |run: &results::Run| -> Vec<String> {
            run.of(repeat).map(|image| image.path.clone()).collect()
        };
        assert_eq!(paths(&honest), paths(&published));
        assert!(tests.insert(paths(&honest)), "two splits have one test part");
    }
    for (run, expected) in [(&honest, [28, 4]), (&published, [32, 8])] {
        for repeat in &run.results.repeats {
            // 20 contents of two photos: 14, 2 and 4, or 16 and 4.
            assert_eq!((repeat.images, repeat.groups, repeat.trained), (8, 4, Some(expected)));
            let kept = repeat.kept.expect("a training");
            assert!((1..=4).contains(&kept.epoch) && kept.of == 4, "{kept:?}");
            assert_eq!(repeat.epochs.len(), 4);
            assert!(repeat.last.is_some());
        }
    }
    // What was chosen on the test part is the best epoch there.
    for repeat in &published.results.repeats {
        let best = repeat.epochs.iter().filter_map(|e| e.test_srcc).fold(-1.0, f64::max);
        assert_eq!(repeat.figures.srcc.value, Some(best));
        assert!(repeat.epochs.iter().all(|e| e.val_srcc.is_none()));
    }
    assert!(honest.results.repeats.iter().all(|r| r.epochs.iter().all(|e| e.test_srcc.is_none())));
}

#[test]
fn a_table_says_which_protocol_it_is_and_every_value() {
    let (place, _) = whole();
    let said = place.biqa(&args("whole", &[&BOTH[..], &["--resume"]].concat())).ends(0).stdout;
    for words in [
        "honest: tiny on csv",
        "epoch chosen on 4 others, test scored once",
        "EPOCH CHOSEN ON THE TEST PART",
        "SRCC, last epoch",
        "SRCC of every repeat: ",
    ] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
}

#[test]
fn predictions_can_be_compared_again_and_models_scored_with() {
    let (place, _) = whole();
    let list = ["--dataset", "csv", "--root", "a", "--direction", "mos", "--range", "8..16"];
    let mut line = vec!["evaluate", "--scores", "whole/honest/predictions.csv", "--repeat", "1"];
    line.extend(list);
    line.extend(["--split", "biqa", "--index", "1", "--out", "again"]);
    place.biqa(&line).ends(0);
    let mut other = line.clone();
    (other[4], *other.last_mut().expect("a folder")) = ("7", "never");
    let text = refused(place.biqa(&other));
    assert!(text.contains("there is no repeat 7; there are: 0, 1"), "{text}");
    let (first, again) = (run(place, "whole/honest"), run(place, "again"));
    assert_eq!(first.results.repeats[1].figures.srcc, again.results.repeats[0].figures.srcc);
    assert_eq!(again.results.protocol.name, ProtocolName::Single);
    let mut line = vec!["evaluate", "-w", "whole/splits/01-honest/best.safetensors"];
    line.extend(list);
    line.extend(["--split", "biqa", "--index", "1"]);
    let run = place.biqa(&line).ends(0);
    assert!(run.stdout.starts_with("csv test: 8 photos, 4 contents"), "{}", run.stdout);
    assert!(!run.stderr.contains("trained"), "{}", run.stderr);
    // Of another split the photos are those it learned from, and so are some with another seed.
    let without_index = line[..line.len() - 2].to_vec();
    for other in [&["--index", "0"][..], &["--index", "1", "--seed", "3"]] {
        let said = place.biqa(&[&without_index[..], other].concat()).ends(0).stderr;
        let words = "by another split of these labels (honest 1 of biqa, seed 0)";
        assert!(said.contains(words), "{said}");
    }
    line[2] = "whole/splits/01-published/best.safetensors";
    let said = place.biqa(&line).ends(0).stderr;
    assert!(said.contains("was chosen on this very part"), "{said}");
}

#[test]
fn a_stamped_card_takes_the_place_of_nothing() {
    let (place, _) = whole();
    let list = ["--dataset", "csv", "--root", "a", "--direction", "mos", "--range", "8..16"];
    let head = ["evaluate", "-w", "whole/splits/01-honest/best.safetensors"];
    let with = |more: &[&str]| place.biqa(&[&head[..], &list, &["--part", "all"], more].concat());
    place.file("mine.csv", "labels");
    let text = refused(with(&["--card", "mine.csv"]));
    assert!(text.contains("mine.csv is already there"), "{text}");
    assert!(
        refused(with(&["--card", "none/card.safetensors"])).contains("there is no folder none")
    );
    assert!(refused(with(&["--out", "mine.csv"])).contains("cannot make the folder mine.csv"));
    assert_eq!(place.read("mine.csv"), "labels");
    with(&["--card", "stamped.safetensors"]).ends(0);
    let card = place.biqa(&["models", "-w", "stamped.safetensors"]).ends(0).stdout;
    assert!(card.contains("csv all (40 photos, not all of them new to it)"), "{card}");
    with(&["--card", "stamped.safetensors", "--force"]).ends(0);
}

#[test]
fn small_samples_lie_in_one_another_and_test_on_the_same() {
    let place = place();
    let twice = refused(place.biqa(&args("small", &["--fractions", "0.2,0.4,0.2"])));
    assert!(twice.contains("a fraction is given twice"), "{twice}");
    let above = refused(place.biqa(&args("small", &["--fractions", "0.95"])));
    assert!(above.contains("at most 0.8 train, found 0.95"), "{above}");
    place.file("taken/notes.txt", "mine");
    let taken = refused(place.biqa(&args("taken", &["--splits", "1"])));
    assert!(taken.contains("taken holds other things (notes.txt)"), "{taken}");
    let more = ["--splits", "1", "--fractions", "0.2,0.4,0.6"];
    place.biqa(&args("small", &more)).ends(0);
    let runs: Vec<results::Run> =
        ["0.2", "0.4", "0.6"].map(|f| run(&place, &format!("small/honest-{f}"))).into();
    // Of 20 contents of two photos.
    for (run, photos) in runs.iter().zip([8, 16, 24]) {
        let repeat = &run.results.repeats[0];
        assert_eq!((repeat.trained, repeat.images), (Some([photos, 4]), 8));
        assert_eq!(run.results.protocol.name, ProtocolName::Small);
        let paths = |run: &results::Run| -> Vec<String> {
            run.images.iter().map(|image| image.path.clone()).collect()
        };
        assert_eq!(paths(run), paths(&runs[0]));
    }
}

#[test]
fn on_another_set_higher_is_better_on_both() {
    let place = place();
    set(&place, "b", 1000, -1.0); // the worse, the higher
    let more = ["--test-on", "csv", "--test-root", "b", "--test-direction", "dmos"];
    let more = [&more[..], &["--test-range", "4..12", "--protocol", "both"]].concat();
    place.biqa(&args("cross", &more)).ends(0);
    for folder in ["honest", "published"] {
        let run = run(&place, &format!("cross/{folder}"));
        assert_eq!(run.results.protocol.name, ProtocolName::Cross);
        assert_eq!(run.results.protocol.trained_on.as_deref(), Some("csv"));
        let repeat = &run.results.repeats[0];
        assert_eq!((run.results.repeats.len(), repeat.images), (1, PHOTOS));
        let srcc = repeat.figures.srcc.value.expect("defined");
        // By the raw labels, which fall with quality, the same figure is negative.
        let (x, y): (Vec<f64>, Vec<f64>) =
            run.images.iter().map(|image| (image.prediction, image.score)).unzip();
        let raw = biqa_lab::stats::srcc(&x, &y).expect("numbers").expect("defined");
        assert!((srcc + raw).abs() < 1e-12 && srcc > 0.3, "{folder}: {srcc}, raw {raw}");
    }
    // 2 of 20 contents choose; all others train.
    assert_eq!(run(&place, "cross/honest").results.repeats[0].trained, Some([36, 4]));
    assert_eq!(run(&place, "cross/published").results.repeats[0].trained, Some([40, 40]));
}

#[test]
fn leaks_are_refused_by_name() {
    let place = place();
    // A photo of content 0 again, in the last content.
    fs::copy(place.path("a/00.ppm"), place.path("a/39.ppm")).expect("a copy");
    let text = refused(place.biqa(&args("leak", &["--splits", "10"])));
    for words in ["the same bytes are on both sides", "00.ppm", "39.ppm"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(!place.exists("leak/splits"), "something was trained");
    let joined = ["--splits", "2", "--group-equal-bytes"];
    place.biqa(&args("joined", &joined)).ends(0);
    let run = run(&place, "joined/honest");
    assert!(
        run.results.notes.iter().any(|n| n.contains("count as one")),
        "{:?}",
        run.results.notes
    );

    // The same photo in the set that is tested on.
    set(&place, "b", 1000, -1.0);
    fs::copy(place.path("a/05.ppm"), place.path("b/07.ppm")).expect("a copy");
    let more = ["--test-on", "csv", "--test-root", "b", "--test-direction", "dmos"];
    let more = [&more[..], &["--test-range", "4..12"]].concat();
    let text = refused(place.biqa(&args("cross", &more)));
    assert!(text.contains("05.ppm") && text.contains("07.ppm"), "{text}");
    place.biqa(&args("allowed", &[&more[..], &["--allow-leak"]].concat())).ends(0);
    let notes = self::run(&place, "allowed/honest").results.notes;
    assert!(notes.iter().any(|n| n.starts_with("leak allowed: 1 files lie in both")), "{notes:?}");
    let same = ["--test-on", "csv", "--test-root", "a", "--test-direction", "mos"];
    let same = [&same[..], &["--test-range", "8..16"]].concat();
    let text = refused(place.biqa(&args("cross", &same)));
    assert!(text.contains("source and target are the same set"), "{text}");

    // Lists that part a content.
    place.file(
        "lists.json",
        "{\"train\": [\"00.ppm\"], \"val\": [\"10.ppm\"], \"test\": [\"01.ppm\"]}",
    );
    let text = refused(place.biqa(&args("lists", &["--split", "file:lists.json"])));
    assert!(text.contains("content \"scene 0\" is on both sides"), "{text}");
}

#[test]
fn a_folder_is_only_gone_on_with_by_its_own_run() {
    let (place, _) = whole();
    let text = refused(place.biqa(&args("whole", &BOTH)));
    assert!(text.contains("whole already holds a protocol run; go on with --resume"), "{text}");
    let with = |recipe: &str, more: &[&str]| {
        let more = [&BOTH[..], &["--resume"], more].concat();
        let mut line = args("whole", &more);
        line[1] = recipe;
        refused(place.biqa(&line))
    };
    assert!(with("tiny.toml", &["--seed", "7"]).contains("another seed (0 there, 7 here)"));
    assert!(with("tiny.toml", &["--split", "python:3"]).contains("another split (biqa there"));
    place.file("other.toml", RECIPE.replace("epochs = 4", "epochs = 5"));
    assert!(with("other.toml", &[]).contains("another recipe ("));
    place.file("other.csv", place.read("a/labels.csv").replacen("00.ppm,14", "00.ppm,13.5", 1));
    let text = with("tiny.toml", &["--list", "other.csv"]);
    assert!(text.contains("another list of labels ("), "{text}");
    // The same numbers that mean something else.
    for (at, word) in [(7, "dmos"), (9, "8..20")] {
        let mut line = args("whole", &[&BOTH[..], &["--resume"]].concat());
        line[at] = word;
        let text = refused(place.biqa(&line));
        assert!(text.contains("scale of the labels = MOS, 8 to 16"), "{text}");
    }
    // More of the same may join: nothing that is done is done again.
    let copied = place.path("grown");
    smoke::copy(&place.path("whole"), &copied);
    let grown = ["--protocol", "both", "--splits", "4", "--resume"];
    let said = place.biqa(&args("grown", &grown)).ends(0).stderr;
    assert!(said.contains("6 of 8 jobs are done"), "{said}");
}

#[test]
fn another_protocol_joins_a_run() {
    let (place, _) = whole();
    place.biqa(&args("alone", &["--splits", "2"])).ends(0);
    let both = ["--splits", "2", "--protocol", "both", "--resume"];
    let said = place.biqa(&args("alone", &both)).ends(0).stderr;
    assert!(said.contains("2 of 4 jobs are done"), "{said}");
    // What was made together is the same, and the run is both from here on.
    for job in ["00-honest", "01-honest", "00-published", "01-published"] {
        let model =
            |out: &str| fs::read(place.path(format!("{out}/splits/{job}/best.safetensors")));
        assert!(model("alone").expect("a model") == model("whole").expect("a model"), "{job}");
    }
    let plan = place.read("alone/plan.json");
    assert!(plan.contains("select_by = Honest by Srcc, Published by Srcc"), "{plan}");
    let said = place.biqa(&args("alone", &["--splits", "2", "--resume"])).ends(0).stderr;
    assert!(said.contains("2 of 2 jobs are done"), "{said}");
    let other = ["--splits", "2", "--protocol", "both", "--select-by", "plcc", "--resume"];
    let text = refused(place.biqa(&args("alone", &other)));
    assert!(text.contains("select_by = honest by plcc, published by plcc here"), "{text}");
}
