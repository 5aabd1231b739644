//! What comes out: formats, choices of rows, the gate, exit codes, closed pipes.

mod common;

use common::{Place, Run, paths, rows};
use serde_json::Value;

/// A place with six pictures, a bad one, and the rows of all.
fn scored() -> (Place, Vec<Value>) {
    let place = Place::with_photos(6);
    place.file("photos/02b.png", "This is text.");
    let rows = place.biqa(&["score", "photos"]).ends(1).rows();
    (place, rows)
}

fn score(row: &Value) -> f64 {
    row["score"].as_f64().expect("a score")
}

/// The paths of the rows that have a score, by score.
fn ranked(rows: &[Value], best_first: bool) -> Vec<String> {
    let mut rows: Vec<Value> = rows.iter().filter(|r| r["score"].is_number()).cloned().collect();
    rows.sort_by(|a, b| score(a).total_cmp(&score(b)));
    if best_first {
        // Equal scores stay in the input order.
        rows.sort_by(|a, b| score(b).total_cmp(&score(a)));
    }
    paths(&rows)
}

#[test]
fn a_row_has_its_fields_in_order() {
    let place = Place::with_photos(1);
    let run = place.biqa(&["score", "photos"]).ends(0);
    let row: Value = serde_json::from_str(run.stdout.trim()).expect("one row");
    let names: Vec<&String> = row.as_object().expect("an object").keys().collect();
    assert_eq!(names, HEADER.split(',').collect::<Vec<_>>());
    assert_eq!(
        (&row["schema"], &row["width"], &row["height"]),
        (&1.into(), &48.into(), &32.into())
    );
    assert_eq!(row["bytes"].as_u64(), Some(common::ppm(48, 32, 0).len() as u64));
    assert!((0.0..=100.0).contains(&score(&row)));
    assert_eq!(row["digest"].as_str().map(str::len), Some(64));
}

#[test]
fn json_lines_in_a_file_are_those_of_the_pipe() {
    let (place, expected) = scored();
    let run = place.biqa(&["score", "photos", "-o", "a.jsonl"]).ends(1);
    assert_eq!(run.stdout, "", "the rows are in the file");
    assert_eq!(rows(&place.read("a.jsonl")), expected);
    assert!(!place.exists("a.jsonl.partial.jsonl"));
    assert!(!place.exists("a.jsonl.writing"));
}

#[test]
fn csv_has_the_same_values() {
    let (place, expected) = scored();
    place.picture("photos/a \"b\", c;.ppm", 8);
    place.biqa(&["score", "photos", "-o", "a.CSV"]).ends(1);
    let mut reader = csv::Reader::from_path(place.path("a.CSV")).expect("a file");
    let header = reader.headers().expect("a header").clone();
    assert_eq!(header.iter().collect::<Vec<_>>().join(","), HEADER);
    let found: Vec<csv::StringRecord> = reader.records().map(|r| r.expect("a row")).collect();
    assert_eq!(found.len(), 8);
    assert_eq!(&found[7][1], "photos/a \"b\", c;.ppm");
    for (fields, row) in found.iter().zip(&expected) {
        for (name, field) in header.iter().zip(fields).filter(|(name, _)| *name != "ms") {
            assert_eq!(field, text(&row[name]), "{name} of {row}");
        }
    }
}

const HEADER: &str = "schema,path,width,height,bytes,score,raw,notes,error,error_kind,model,digest,\
                      version,view,ms,loader";

/// A JSON value as a field of CSV. Numbers are compared by their digits: none may be lost.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(notes) => notes.iter().map(text).collect::<Vec<_>>().join("; "),
        Value::Number(number) if number.is_f64() => number.as_f64().expect("f64").to_string(),
        other => other.to_string(),
    }
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_has_the_same_values_and_knows_none() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let (place, expected) = scored();
    place.biqa(&["score", "photos", "-o", "a.parquet"]).ends(1);
    let file = std::fs::File::open(place.path("a.parquet")).expect("a file");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    let found: Vec<_> = reader.get_row_iter(None).expect("rows").collect();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.into_iter().zip(expected) {
        let found = found.expect("a row");
        let fields = found.get_column_iter().filter(|(name, _)| *name != "ms");
        let row: serde_json::Map<_, _> =
            fields.map(|(n, field)| (n.clone(), json(field))).collect();
        assert_eq!(Value::Object(row), expected);
    }
}

#[cfg(feature = "parquet")]
fn json(field: &parquet::record::Field) -> Value {
    use parquet::record::Field;
    match field {
        Field::Null => Value::Null,
        Field::Int(n) => Value::from(*n),
        Field::Long(n) => Value::from(*n),
        Field::Double(x) => Value::from(*x),
        Field::Str(text) => Value::from(text.as_str()),
        Field::ListInternal(list) => list.elements().iter().map(json).collect(),
        other => panic!("{other} is of no type that a row has"),
    }
}

#[test]
fn top_shows_the_best_or_the_worst() {
    let (place, all) = scored();
    let run = place.biqa(&["score", "photos", "--top", "2"]).ends(1);
    assert_eq!(run.paths(), ranked(&all, true)[..2]);
    assert!(run.stderr.contains("failed: cannot read \"photos/02b.png\""), "{}", run.stderr);
    let run = place.biqa(&["score", "photos", "--top", "2", "--sort", "worst"]).ends(1);
    assert_eq!(run.paths(), ranked(&all, false)[..2]);
    let run = place.biqa(&["score", "photos", "--top", "2", "--sort", "path"]).ends(1);
    let mut expected = ranked(&all, true)[..2].to_vec();
    expected.sort();
    assert_eq!(run.paths(), expected);
}

#[test]
fn sorted_rows_have_the_failed_ones_last() {
    let (place, all) = scored();
    let mut expected = ranked(&all, true);
    expected.push("photos/02b.png".to_owned());
    assert_eq!(place.biqa(&["score", "photos", "--sort", "best"]).ends(1).paths(), expected);
    let run = place.biqa(&["score", "photos/05.ppm", "photos/01.ppm", "--sort", "path"]).ends(0);
    assert_eq!(run.paths(), ["photos/01.ppm", "photos/05.ppm"]);
}

#[test]
fn below_shows_what_scores_lower_and_counts_everything() {
    let (place, all) = scored();
    let limit = score(all.iter().find(|r| r["path"] == "photos/03.ppm").expect("a row"));
    let expected: Vec<Value> =
        all.iter().filter(|r| r["score"].as_f64().is_some_and(|s| s < limit)).cloned().collect();
    let run = place.biqa(&["score", "photos", "--below", &limit.to_string()]).ends(1);
    assert_eq!(run.rows(), expected);
    assert!(run.stderr.contains("scored 6, failed 1"), "{}", run.stderr);
    place.biqa(&["score", "photos", "--below", &limit.to_string(), "-o", "a.jsonl"]).ends(1);
    assert_eq!(rows(&place.read("a.jsonl")), expected);
}

#[test]
fn the_gate_trips_on_any_image_below() {
    let (place, all) = scored();
    let lowest = score(all.iter().find(|r| r["path"] == ranked(&all, false)[0]).expect("a row"));
    let just_above = (lowest + 1e-9).to_string();
    let run = place.biqa(&["score", "photos", "--fail-under", &just_above]).ends(3);
    assert_eq!(run.rows(), all, "the rows are written all the same");
    assert!(run.stderr.contains(": 1 of 6 images below, the lowest"), "{}", run.stderr);
    assert!(run.stderr.contains("; 1 image without a score besides"), "{}", run.stderr);
    // A filter of what is shown does not change the verdict; neither does --quiet.
    let args = ["score", "photos", "--fail-under", &just_above, "--top", "1", "--quiet"];
    assert!(place.biqa(&args).ends(3).stderr.contains("--fail-under"));
    place.biqa(&["score", "photos", "--fail-under", &lowest.to_string()]).ends(1);
    place.biqa(&["score", "photos/00.ppm", "--fail-under", "0"]).ends(0);
}

#[test]
fn the_summary_has_the_figures_of_the_rows() {
    let (place, all) = scored();
    let run = place.biqa(&["score", "photos"]).ends(1);
    let mut scores: Vec<f64> = all.iter().filter_map(|r| r["score"].as_f64()).collect();
    scores.sort_by(f64::total_cmp);
    let mean = scores.iter().sum::<f64>() / 6.0;
    let median = scores[2].midpoint(scores[3]);
    let low = scores[0] + (scores[1] - scores[0]) * 0.25;
    let figures = format!("mean {mean:.2}, median {median:.2}, 5th percentile {low:.2}; ");
    assert!(run.stderr.contains(&figures), "{figures}\n{}", run.stderr);
    assert!(run.stderr.trim_end().ends_with(" images/s"), "{}", run.stderr);
}

#[test]
fn quiet_is_quiet() {
    let place = Place::with_photos(1);
    place.file("others/a.txt", "x");
    assert_eq!(place.biqa(&["score", "photos", "others", "-q"]).ends(0).stderr, "");
}

#[test]
fn force_replaces_and_gives_up() {
    let place = Place::with_photos(1);
    place.file("a.csv", "mine");
    place.file("a.csv.partial.jsonl", "whatever\n");
    place.biqa(&["score", "photos", "-o", "a.csv", "--force"]).ends(0);
    assert!(place.read("a.csv").starts_with("schema,path,"));
    assert!(!place.exists("a.csv.partial.jsonl"));
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    use std::io::{BufRead, BufReader};
    let place = Place::with_photos(40);
    for extra in [vec![], vec!["--sort", "path"]] {
        let args = [vec!["score", "photos", "photos", "photos"], extra].concat();
        let mut child = place.command(&args).spawn().expect("biqa starts");
        let mut line = String::new();
        let mut reader = BufReader::with_capacity(16, child.stdout.take().expect("a pipe"));
        reader.read_line(&mut line).expect("a row");
        drop(reader);
        let run = Run::of(child.wait_with_output().expect("biqa ends"));
        assert!(!run.stderr.contains("error"), "{}", run.stderr);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(line.starts_with("{\"schema\":1,"));
    }
}
