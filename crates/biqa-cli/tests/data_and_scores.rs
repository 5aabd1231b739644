//! `biqa evaluate --scores` and `biqa data`: what they say of a set and of anybody's numbers.

mod common;
mod made;

use std::fmt::Write as _;

use biqa_lab::results::{self, Method, SubjectKind};
use common::{Place, Run};

/// Six pictures of three contents, two of them the same photo, with scores of people and a machine.
fn place() -> Place {
    let place = Place::new();
    let mut labels = "path,score,content,split\n".to_owned();
    let mut scores = "path,score\n".to_owned();
    for i in 0..6 {
        let name = format!("p{i}.ppm");
        let seed = if i == 5 { 4 } else { i };
        place.file(format!("set/{name}"), made::blurred(60, 50, seed, 1));
        let part = if i < 2 { "train" } else { "test" };
        writeln!(labels, "{name},{},c{},{part}", 1.0 + i as f64 * 0.7, i / 2).expect("memory");
        writeln!(scores, "{name},{}", [3, 10, 20, 50, 40, 60][i as usize]).expect("memory");
    }
    place.file("set/labels.csv", labels);
    place.file("scores.csv", scores);
    place
}

const SET: [&str; 8] =
    ["--dataset", "csv", "--root", "set", "--direction", "mos", "--range", "1..5"];

fn evaluate(place: &Place, scores: &str, more: &[&str]) -> Run {
    place.biqa(&[&["evaluate", "--scores", scores][..], &SET, more].concat())
}

#[test]
fn a_list_of_scores_is_compared_and_written_for_the_report() {
    let place = place();
    let run = evaluate(&place, "scores.csv", &["--out", "run"]).ends(0);
    // p2 to p5: ranks 1 3 2 4 against 1 2 3 4.
    for words in ["csv test: 4 photos, 2 contents (split: the set's own)", "SRCC            0.8000"]
    {
        assert!(run.stdout.contains(words), "{}", run.stdout);
    }
    assert!(run.stderr.contains("too few distinct predictions"), "{}", run.stderr);
    let found = results::read(&place.path("run")).expect("a run folder");
    let Some(repeat) = found.results.repeats.first() else { panic!("no repeat") };
    assert_eq!(found.results.subject.kind, SubjectKind::Scores);
    assert_eq!((repeat.images, repeat.groups, repeat.crops), (4, 2, None));
    assert_eq!(repeat.figures.srcc.interval.map(|i| i.method), Some(Method::Clustered));
    assert_eq!(found.images[0].path, "p2.ppm");
    let all = evaluate(&place, "scores.csv", &["--part", "all", "--interval", "bca"]).ends(0);
    assert!(all.stdout.contains("csv all: 6 photos, 3 contents"), "{}", all.stdout);
}

/// The error of a run that did nothing.
fn refused(run: Run) -> String {
    let run = run.ends(2);
    assert_eq!(run.stdout, "");
    run.stderr
}

#[test]
fn what_is_wrong_with_a_list_is_said_with_file_and_row() {
    let place = place();
    let good = place.read("scores.csv");
    for (text, words) in [
        (format!("{good}p3.ppm,7\n"), ["theirs.csv: line 8", "stands in line 5 already"]),
        (
            format!("{good}other.ppm,7\n"),
            ["theirs.csv: line 8", "\"other.ppm\" is no image of csv"],
        ),
        (good.replace("p3.ppm,50\n", ""), ["theirs.csv: 1 of 4 images", "\"p3.ppm\""]),
        (good.replace("50", "fine"), ["theirs.csv, line 5", "\"fine\", expected a finite number"]),
    ] {
        place.file("theirs.csv", text);
        let said = refused(evaluate(&place, "theirs.csv", &[]));
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
}

#[test]
fn a_list_of_ones_own_needs_direction_and_range() {
    let place = place();
    let line = ["evaluate", "--scores", "scores.csv", "--dataset", "csv", "--root", "set"];
    assert!(refused(place.biqa(&line)).contains("direction"));
    let said = refused(place.biqa(&[&line[..], &["--direction", "mos"]].concat()));
    assert!(said.contains("range"), "{said}");
    let said = refused(evaluate(&place, "scores.csv", &["--part", "val"]));
    assert!(said.contains("csv has no photo in val"), "{said}");
}

#[test]
fn a_lower_score_is_better_where_the_list_says_so() {
    let place = place();
    let mut line = vec!["evaluate", "--scores", "scores.csv"];
    line.extend(SET);
    line[8] = "dmos";
    let run = place.biqa(&line).ends(0);
    assert!(run.stdout.contains("SRCC            -0.8000"), "{}", run.stdout);
}

#[test]
fn a_set_is_checked_and_written_in_its_one_form() {
    let place = place();
    let load = &SET[4..];
    let said = place.biqa(&[&["data", "check", "csv", "set"][..], load].concat()).ends(0).stdout;
    for words in ["dataset    csv", "images     6", "contents   3", "train 2, val 0, test 4"] {
        assert!(said.contains(words), "{said}");
    }
    let run = place.biqa(&[&["data", "manifest", "csv", "set"][..], load].concat()).ends(0);
    assert!(
        run.stdout
            .starts_with("path,score,content,kind,level,split,spread\np0.ppm,1,c0,,,train,\n")
    );
    let digest = said.lines().find_map(|line| line.strip_prefix("digest     ")).expect("one");
    assert!(run.stderr.contains(digest), "{}", run.stderr);
    // What was written is a set.
    place.file("set/again.csv", run.stdout);
    let again = ["data", "check", "csv", "set", "--list", "set/again.csv"];
    let again = place.biqa(&[&again[..], load].concat()).ends(0).stdout;
    assert!(again.contains(digest), "{again}");
    let said = refused(place.biqa(&["data", "check", "koniq10k", "set"]));
    assert!(said.contains("koniq10k"), "{said}");
    place.file("empty/readme.txt", "nothing");
    let said = refused(place.biqa(&["data", "check", "empty"]));
    assert!(said.contains("none of the sets that are known: live, csiq"), "{said}");
}

#[test]
fn the_lists_of_a_split_can_be_read_again() {
    let place = place();
    let load = &SET[4..];
    let line = ["data", "split", "csv", "set", "--index", "2", "-o", "lists.json"];
    let run = place.biqa(&[&line[..], load].concat()).ends(0);
    assert!(run.stderr.contains("test: 2 photos, 1 content"), "{}", run.stderr);
    let lists: serde_json::Value = serde_json::from_str(&place.read("lists.json")).expect("JSON");
    let of = |part: &str| lists[part].as_array().map(Vec::len);
    assert_eq!((of("train"), of("val"), of("test")), (Some(2), Some(2), Some(2)));
    let again = ["--split", "file:lists.json", "--part", "test"];
    let run = evaluate(&place, "scores.csv", &again).ends(0);
    assert!(run.stdout.starts_with("csv test: 2 photos, 1 contents"), "{}", run.stdout);
}

#[test]
fn the_same_photo_twice_is_one_content() {
    let place = place();
    let run = place.biqa(&["data", "duplicates", "set", "--pairs", "pairs.csv"]).ends(0);
    assert!(run.stdout.contains("p5.ppm,p4.ppm\n"), "{}", run.stdout);
    assert!(run.stdout.contains("p3.ppm,p3.ppm\n"), "{}", run.stdout);
    assert!(run.stderr.contains("6 pictures: 1 pair nearly the same, 1 group"), "{}", run.stderr);
    assert!(place.read("pairs.csv").contains("p4.ppm,p5.ppm,0,1.0000"));
}
