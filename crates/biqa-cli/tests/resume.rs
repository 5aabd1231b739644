//! A run that was stopped, by whatever and wherever, and continued equals one that was not.

mod common;

use std::fs;
use std::io::Write;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Place, Run, paths, rows};
use serde_json::Value;

const PARTIAL: &str = "a.jsonl.partial.jsonl";

/// Twelve pictures and two failures; the rows of a run that nothing stopped.
fn place() -> (Place, Vec<Value>) {
    let place = Place::with_photos(12);
    place.file("photos/03b.png", "This is text.");
    place.file("list.txt", list(12));
    let run = place.biqa(&["score", "photos", "nowhere.png", "-o", "whole.jsonl"]).ends(1);
    assert!(run.stderr.starts_with("scored 12, failed 2"));
    let expected = rows(&place.read("whole.jsonl"));
    (place, expected)
}

/// The first `n` pictures, one a line.
fn list(n: usize) -> String {
    let lines: Vec<String> = (0..n).map(|i| format!("photos/{i:02}.ppm")).collect();
    lines.join("\n") + "\n"
}

/// Runs on standard input that stays open, so that the run cannot end by itself.
fn start(place: &Place, paths: usize) -> Child {
    let args = ["score", "-", "-o", "a.jsonl", "-j", "1"];
    let mut child = place.command(&args).stdin(Stdio::piped()).spawn().expect("biqa starts");
    let list = list(paths);
    let stdin = child.stdin.as_mut().expect("a pipe");
    stdin.write_all(list.as_bytes()).and_then(|()| stdin.flush()).expect("biqa reads");
    let begin = Instant::now();
    while lines(place) == 0 && begin.elapsed() < Duration::from_secs(3) {
        sleep(Duration::from_millis(5));
    }
    child
}

fn lines(place: &Place) -> usize {
    fs::read_to_string(place.path(PARTIAL)).unwrap_or_default().lines().count()
}

#[test]
fn a_killed_run_leaves_its_rows_and_is_continued() {
    let (place, _) = place();
    let expected = place.biqa(&["score", "@list.txt"]).ends(0).rows();
    for fed in [1, 5, 11] {
        let mut child = start(&place, fed);
        child.kill().expect("a kill -9");
        child.wait().expect("an end");
        let left = lines(&place);
        assert!(!place.exists("a.jsonl"), "no final file before the end");
        if left > 0 {
            place.biqa(&["score", "@list.txt", "-o", "a.jsonl"]).ends(2);
        }
        let run = place.biqa(&["score", "@list.txt", "-o", "a.jsonl", "--resume"]).ends(0);
        assert_eq!(rows(&place.read("a.jsonl")), expected, "fed {fed}, left {left}");
        assert_eq!(run.stderr.contains("taken over"), left > 0, "{}", run.stderr);
        assert!(!place.exists(PARTIAL));
        fs::remove_file(place.path("a.jsonl")).expect("to begin anew");
    }
}

#[test]
fn a_partial_file_cut_anywhere_is_continued() {
    let (place, expected) = place();
    let whole = fs::read(place.path("whole.jsonl")).expect("a file");
    for parts in 0..=9 {
        let cut = whole.len() * parts / 9;
        fs::write(place.path(PARTIAL), &whole[..cut]).expect("a partial file");
        let args = ["score", "photos", "nowhere.png", "-o", "a.jsonl", "--resume"];
        place.biqa(&args).ends(1);
        assert_eq!(rows(&place.read("a.jsonl")), expected, "cut at byte {cut}");
        fs::remove_file(place.path("a.jsonl")).expect("to begin anew");
    }
}

#[test]
fn other_formats_and_choices_are_continued_too() {
    let (place, _) = place();
    let whole = fs::read(place.path("whole.jsonl")).expect("a file");
    let flags = ["--sort", "worst", "--below", "90"];
    for out in ["a.csv", "a.parquet"].iter().filter(|o| cfg!(feature = "parquet") || **o == "a.csv")
    {
        let args =
            |more: &[&'static str]| [&["score", "photos", "-o", out][..], &flags, more].concat();
        place.biqa(&args(&[])).ends(1);
        let uncut = fs::read(place.path(out)).expect("a file");
        fs::remove_file(place.path(out)).expect("to begin anew");
        fs::write(place.path(format!("{out}.partial.jsonl")), &whole[..whole.len() / 2])
            .expect("a file");
        place.biqa(&args(&["--resume"])).ends(1);
        let continued = fs::read(place.path(out)).expect("a file");
        if *out == "a.csv" {
            let without_ms = |bytes: Vec<u8>| -> Vec<String> {
                let text = String::from_utf8(bytes).expect("UTF-8");
                // The time is the last but one.
                let without = |line: &str| {
                    let fields: Vec<&str> = line.rsplitn(3, ',').collect();
                    format!("{},{}", fields[2], fields[0])
                };
                text.lines().map(without).collect()
            };
            assert_eq!(without_ms(continued), without_ms(uncut));
        }
    }
}

#[test]
fn a_finished_file_is_brought_up_to_date() {
    let (place, _) = place();
    for out in ["a.jsonl", "a.csv", "a.parquet"] {
        if out == "a.parquet" && !cfg!(feature = "parquet") {
            continue;
        }
        place.biqa(&["score", "photos", "-o", out]).ends(1);
        place.picture("photos/new.ppm", 77);
        place.picture("photos/03b.png", 78); // what had failed is mended
        let run = place.biqa(&["score", "photos", "-o", out, "--resume"]).ends(0);
        assert!(run.stderr.contains("scored 14 (12 taken over), failed 0"), "{}", run.stderr);
        let copy = format!("copy_{}.jsonl", out.replace('.', "_"));
        place.biqa(&["score", "photos", "-o", &copy]).ends(0);
        if out == "a.jsonl" {
            assert_eq!(rows(&place.read(out)), rows(&place.read(&copy)));
        }
        fs::remove_file(place.path("photos/new.ppm")).expect("to begin anew");
        place.file("photos/03b.png", "This is text.");
    }
}

#[test]
fn a_file_that_changed_its_size_is_scored_again() {
    let (place, _) = place();
    place.biqa(&["score", "photos", "-o", "a.jsonl"]).ends(1);
    place.file("photos/05.ppm", common::ppm(64, 32, 5));
    let run = place.biqa(&["score", "photos", "-o", "a.jsonl", "--resume"]).ends(1);
    assert!(run.stderr.contains("(11 taken over)"), "{}", run.stderr);
    assert_eq!(rows(&place.read("a.jsonl"))[6]["width"], 64);
}

#[test]
fn rows_of_another_model_are_scored_again_and_said() {
    let (place, expected) = place();
    let digest = expected[0]["digest"].as_str().expect("a digest");
    let other = place.read("whole.jsonl").replace(digest, &"0".repeat(64));
    place.file(PARTIAL, other);
    let args = ["score", "photos", "nowhere.png", "-o", "a.jsonl", "--resume"];
    let run = place.biqa(&args).ends(1);
    let says = "warning: 12 rows there from another model (000000000000, not ";
    assert!(run.stderr.contains(says), "{}", run.stderr);
    assert!(!run.stderr.contains("taken over"), "{}", run.stderr);
    assert_eq!(rows(&place.read("a.jsonl")), expected);
}

#[test]
fn resume_without_an_earlier_run_just_runs() {
    let place = Place::with_photos(2);
    place.biqa(&["score", "photos", "-o", "a.jsonl", "--resume"]).ends(0);
    assert_eq!(paths(&rows(&place.read("a.jsonl"))).len(), 2);
}

#[test]
fn the_same_file_named_twice_is_taken_over_twice() {
    let place = Place::with_photos(2);
    let args = ["score", "photos", "photos", "-o", "a.jsonl", "--resume"];
    place.biqa(&args).ends(0);
    let first = rows(&place.read("a.jsonl"));
    let run = place.biqa(&args).ends(0);
    assert!(run.stderr.contains("scored 4 (4 taken over)"), "{}", run.stderr);
    assert_eq!(rows(&place.read("a.jsonl")), first);
}

#[cfg(unix)]
#[test]
fn ctrl_c_finishes_the_rows_in_flight_and_says_how_to_go_on() {
    let (place, _) = place();
    let mut child = start(&place, 6);
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    sleep(Duration::from_millis(300));
    // The program that writes our list gets the same Ctrl-C; its end is no end of the input.
    drop(child.stdin.take());
    let run = Run::of(child.wait_with_output().expect("biqa ends")).ends(130);
    assert!(run.stderr.contains("finishing the images in flight"), "{}", run.stderr);
    assert!(run.stderr.contains(PARTIAL) && run.stderr.contains("--resume"), "{}", run.stderr);
    assert!(!place.exists("a.jsonl"));
    let left = place.read(PARTIAL);
    assert!(left.ends_with('\n'), "no torn line");
    let expected = place.biqa(&["score", "@list.txt"]).ends(0).rows();
    assert_eq!(rows(&left), expected[..rows(&left).len()]);
    place.biqa(&["score", "@list.txt", "-o", "a.jsonl", "--resume"]).ends(0);
    assert_eq!(rows(&place.read("a.jsonl")), expected);
}
