//! The flags that say how pictures are loaded, and what rows tell of it.

mod common;

use std::fs;
use std::path::Path;

use common::{Place, rows};
use serde_json::Value;

/// A place with these files of the loader's golden folder.
fn place(names: &[&str]) -> Place {
    let place = Place::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../biqa/tests/golden/images");
    for name in names {
        place.file(format!("photos/{name}"), fs::read(folder.join(name)).expect(name));
    }
    place
}

fn notes(row: &Value) -> Vec<&str> {
    row["notes"].as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

#[test]
fn pillows_loader_leaves_the_picture_as_it_is_stored() {
    let place = place(&["exif-6.jpg", "rgba.png"]);
    let upright = place.biqa(&["score", "photos"]).ends(0).rows();
    let stored = place.biqa(&["score", "photos", "--loader", "pillow"]).ends(0).rows();
    let sides = |rows: &[Value]| (rows[0]["width"].clone(), rows[0]["height"].clone());
    let (width, height) = sides(&upright);
    assert_eq!(sides(&stored), (height, width));
    assert_ne!(stored[1]["score"], upright[1]["score"], "hidden colours are seen");
    assert!(upright.iter().all(|row| row["loader"] == "biqa"));
    assert!(stored.iter().all(|row| row["loader"] == "pillow"));

    let args = ["score", "photos", "--loader", "pillow", "--orientation", "apply"];
    let row = &place.biqa(&args).ends(0).rows()[0];
    assert_eq!(row["width"], upright[0]["width"]);
    assert_eq!(row["loader"], "biqa profile=ignore alpha=drop sixteen_bit=high_byte");
}

#[test]
fn a_cut_file_is_scored_only_on_request_and_with_a_note() {
    let place = place(&["truncated.png"]);
    let row = &place.biqa(&["score", "photos"]).ends(1).rows()[0];
    assert_eq!((&row["score"], &row["error_kind"]), (&Value::Null, &"Truncated".into()));
    let row = &place.biqa(&["score", "photos", "--truncated", "gray"]).ends(0).rows()[0];
    assert!(row["score"].is_number() && row["error"].is_null(), "{row}");
    assert!(notes(row).contains(&"the data end early; what is missing is gray"), "{row}");
    assert_eq!(row["loader"], "biqa truncated=gray");
}

#[test]
fn limits_are_those_that_were_said() {
    let place = place(&["gray.jpg"]); // 48 x 32
    for (flag, below, kind) in [
        ("--max-pixels", "1535", "TooManyPixels"),
        ("--max-side", "47", "SideTooLong"),
        ("--max-file-bytes", "100", "FileTooLarge"),
        ("--max-alloc-bytes", "1KiB", "TooMuchMemory"),
    ] {
        let row = &place.biqa(&["score", "photos", flag, below]).ends(1).rows()[0];
        assert_eq!(row["error_kind"], kind, "{row}");
        let key = flag[2..].replace('-', "_");
        assert!(row["error"].as_str().is_some_and(|error| error.contains(&key)), "{row}");
    }
    let row = &place.biqa(&["score", "photos", "--max-pixels", "1536"]).ends(0).rows()[0];
    assert_eq!(row["loader"], "biqa", "a limit changes no pixel");
}

#[test]
fn transparent_parts_can_be_refused() {
    let place = place(&["rgba.png"]);
    let row = &place.biqa(&["score", "photos", "--alpha", "refuse"]).ends(1).rows()[0];
    assert_eq!(row["error_kind"], "HasAlpha");
    let white = place.biqa(&["score", "photos", "--alpha", "white"]).ends(0).rows();
    let same = place.biqa(&["score", "photos", "--alpha", "#ffffff"]).ends(0).rows();
    assert_eq!(white[0]["score"], same[0]["score"]);
}

#[test]
fn rows_of_another_loader_are_not_taken_over() {
    let place = place(&["exif-6.jpg", "rgba.png"]);
    place.biqa(&["score", "photos", "-o", "a.jsonl"]).ends(0);
    let args = ["score", "photos", "-o", "a.jsonl", "--resume", "--loader", "pillow"];
    let run = place.biqa(&args).ends(0);
    let said = "warning: 2 rows there from another loader (biqa): scored again";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    let found = rows(&place.read("a.jsonl"));
    assert!(found.len() == 2 && found.iter().all(|row| row["loader"] == "pillow"), "{found:?}");
    let run = place.biqa(&args).ends(0);
    assert!(run.stderr.contains("scored 2 (2 taken over)"), "{}", run.stderr);
}
