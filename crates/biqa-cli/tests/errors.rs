//! Every text with which the command refuses, and that it has done nothing then.

mod common;

use std::fmt::Write as _;
use std::fs;

use common::Place;
use insta::assert_snapshot;

/// What `biqa` says to each line of arguments, as one text to be read in review.
fn refusals(place: &Place, lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let args: Vec<&str> = line.split_whitespace().collect();
        let run = place.biqa(&args);
        assert_eq!(run.stdout, "", "{line}");
        assert_eq!(run.code, Some(2), "{line}: {}", run.stderr);
        write!(text, "$ biqa {line}\n{}\n", run.stderr).expect("text");
    }
    text
}

#[test]
fn flags_that_make_no_sense() {
    let place = Place::with_photos(1);
    let text = refusals(
        &place,
        &[
            "score",
            "score photos --nonsense",
            "score photos --model lite --weights own.safetensors",
            "score photos --resume",
            "score photos --force",
            "score photos -o a.csv --force --resume",
            "score photos --top 0",
            "score photos --top many",
            "score photos --below 101",
            "score photos --below -1",
            "score photos --fail-under NaN",
            "score photos --fail-under good",
            "score photos --sort size",
            "score photos --shard 0/3",
            "score photos --shard 4/3",
            "score photos --shard 3",
            "score photos --threads -1",
            "score photos --threads 5000",
            "score photos --loader jpeg",
            "score photos --orientation turn",
            "score photos --alpha grey",
            "score photos --truncated maybe",
            "score photos --max-pixels 2000M",
            "score photos --max-file-bytes much",
            "models lite --weights own.safetensors",
            "completions tcsh",
            "nonsense",
        ],
    );
    assert_snapshot!(text);
}

#[test]
fn training_and_evaluating_without_what_they_need() {
    let place = Place::new();
    let text = refusals(
        &place,
        &[
            "train",
            "train recipe.toml",
            "train recipe.toml --dataset koniq10k",
            "train recipe.toml --root koniq",
            "train recipe.toml --dataset koniq10k --root koniq --data labels.csv",
            "train --dataset koniq10k --root koniq",
            "train recipe.toml --dataset koniq10k --root koniq --image-root .",
            "train --data labels.csv --root koniq",
            "evaluate --model lite",
            "evaluate --dataset koniq10k --root koniq",
            "evaluate --model lite --scores a.csv --dataset koniq10k --root koniq",
        ],
    );
    assert_snapshot!(text);
}

#[test]
fn inputs_without_images() {
    let place = Place::new();
    for name in ["empty/.hidden.png", "others/a.txt", "others/b/c.md", "one/Thumbs.db"] {
        place.file(name, "x");
    }
    place.file("empty.txt", "\n\r\n  \n");
    place.file("p.png", b"\x89PNG\r\n\x1a\n\0");
    let text = refusals(
        &place,
        &[
            "score empty",
            "score others",
            "score one empty",
            "score @nowhere.txt",
            "score @empty.txt",
            "score @empty",
            "score @p.png",
            "score -",
            "score - -",
        ],
    );
    assert_snapshot!(text);
}

#[test]
fn outputs_that_cannot_be_written() {
    let place = Place::with_photos(1);
    place.file("folder.csv/x", "x");
    place.file("there.csv", "mine");
    place.file("begun.csv.partial.jsonl", "{}\n");
    let text = refusals(
        &place,
        &[
            "score photos -o scores",
            "data duplicates photos -o there.csv",
            "data manifest csv photos --direction mos --range 1..5 -o there.csv",
            "evaluate --model lite --dataset csv --root photos --out photos",
            "evaluate --model lite --dataset csv --root photos --ladders 0",
            "evaluate --model lite --dataset csv --root photos --ladders 3 --out new",
            "score photos -o scores.txt",
            "score photos -o scores.json",
            "score photos -o nowhere/scores.csv",
            "score photos -o folder.csv",
            "score photos -o there.csv",
            "score photos -o there.csv --resume",
            "score photos -o begun.csv",
            "score photos -o begun.csv --resume",
        ],
    );
    assert_snapshot!(text);
    // Nothing was done to what was there, and nothing was left behind.
    assert_eq!(place.read("there.csv"), "mine");
    assert_eq!(place.read("begun.csv.partial.jsonl"), "{}\n");
    let mut names: Vec<_> = fs::read_dir(place.path("")).expect("a folder").collect();
    assert_eq!(names.drain(..).count(), 4);
}

#[test]
fn two_runs_into_one_file() {
    let place = Place::with_photos(1);
    let other = fs::File::create(place.path("a.csv.partial.jsonl")).expect("a file");
    other.lock().expect("a lock");
    let text = refusals(&place, &["score photos -o a.csv"]);
    assert_snapshot!(text);
}

/// These texts are the library's; here it counts that they come through, once.
#[test]
fn models_that_are_not_there() {
    let place = Place::with_photos(1);
    place.file("text.safetensors", "this is no model");
    for (line, says) in [
        ("score photos -m nonsense", "nonsense"),
        ("models nonsense", "no model is called \"nonsense\"; known: "),
        ("score photos -w nowhere.safetensors", "nowhere.safetensors"),
        ("models -w nowhere.safetensors", "nowhere.safetensors"),
    ] {
        let text = refusals(&place, &[line]);
        assert!(text.contains("error: ") && text.contains(says), "{text}");
        assert!(text.matches("os error").count() <= 1, "the cause is said twice: {text}");
    }
}
