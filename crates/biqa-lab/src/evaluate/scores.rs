//! Anybody's numbers: a CSV with the columns `path` and `score`.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use biqa::scorer::hex;
use sha2::{Digest, Sha256};

use super::EvaluateError;
use crate::datasets::Manifest;
use crate::datasets::table::{Record, Table};
use crate::results::{Subject, SubjectKind};
use crate::splits::Names;

/// Repeats said by number, where another is asked for.
const NAMED: usize = 10;

/// Whose numbers a list has: it goes by its file's name.
pub fn subject_of_scores(file: &Path) -> Result<Subject, EvaluateError> {
    let bytes = std::fs::read(file)
        .map_err(|e| EvaluateError::Scores { path: file.to_owned(), reason: e.to_string() })?;
    Ok(Subject {
        kind: SubjectKind::Scores,
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        digest: Some(hex(&Sha256::digest(bytes))),
        recipe_digest: None,
    })
}

/// The prediction of every one of `rows`, and what is to be said about how they were found. A
/// `predictions.csv` of ours is read by its column `prediction`, since its `score` is the label; of
/// several repeats in it, `repeat` takes one. Names are those of the set; other letter case, and folders
/// in front, are forgiven where one image alone is meant.
pub fn read_scores(
    file: &Path,
    repeat: Option<usize>,
    manifest: &Manifest,
    rows: &[usize],
) -> Result<(Vec<f64>, Vec<String>), EvaluateError> {
    let bad = |reason: String| EvaluateError::Scores { path: file.to_owned(), reason };
    let table = Table::read(file)?;
    let (path, value) = (table.required(&["path"])?, table.required(&["prediction", "score"])?);
    let repeats = table.column(&["repeat"]);
    if repeat.is_some() && repeats.is_none() {
        return Err(bad("there is no column \"repeat\" to choose by".to_owned()));
    }
    let wanted = repeat.map(|wanted| wanted.to_string());
    let is_wanted = |record: &Record| record.optional(repeats) == wanted.as_deref();
    if let Some(wanted) = wanted.as_ref().filter(|_| !table.records.iter().any(is_wanted)) {
        let there: BTreeSet<&str> =
            table.records.iter().filter_map(|r| r.optional(repeats)).collect();
        let there: Vec<&str> = there.into_iter().take(NAMED).collect();
        return Err(bad(format!("there is no repeat {wanted}; there are: {}", there.join(", "))));
    }
    let names = Names::of(manifest);
    let mut scores: HashMap<usize, (f64, u64)> = HashMap::new();
    let mut guessed = 0;
    for record in &table.records {
        if wanted.is_some() && !is_wanted(record) {
            continue;
        }
        let name = table.text(record, path)?.replace('\\', "/");
        let Some(row) = names.find_loosely(&name) else {
            return Err(bad(format!(
                "line {}: {name:?} is no image of {}; its images are called as {:?}",
                record.line, manifest.dataset, manifest.rows[0].path
            )));
        };
        guessed += usize::from(name != manifest.rows[row].path);
        let number = table.number(record, value)?;
        if let Some((_, first)) = scores.insert(row, (number, record.line)) {
            let of = if repeats.is_some() { "; choose one of the repeats (--repeat)" } else { "" };
            let line = record.line;
            return Err(bad(format!("line {line}: {name:?} stands in line {first} already{of}")));
        }
    }
    let missing: Vec<usize> = rows.iter().copied().filter(|i| !scores.contains_key(i)).collect();
    if let Some(&first) = missing.first() {
        return Err(bad(format!(
            "{} of {} images of the part have no score, the first is {:?}",
            missing.len(),
            rows.len(),
            manifest.rows[first].path
        )));
    }
    let note = format!(
        "{guessed} names of {} are the set's but for letter case or leading folders",
        file.display()
    );
    let found = rows.iter().map(|i| scores[i].0).collect();
    Ok((found, if guessed > 0 { vec![note] } else { Vec::new() }))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::datasets::{Options, open};

    fn set(folder: &Path) -> Manifest {
        let labels = "path,score\na.png,1\nx/b c.png,2\nd.png,3\n";
        std::fs::write(folder.join("labels.csv"), labels).expect("writable");
        let options = Options {
            direction: Some(crate::datasets::Direction::Mos),
            range: Some([1.0, 5.0]),
            labels_only: true,
            ..Options::default()
        };
        open("csv", folder, &options).expect("a list")
    }

    type Found = (Vec<f64>, Vec<String>);

    fn read(text: &str, repeat: Option<usize>, rows: &[usize]) -> Result<Found, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let manifest = set(folder.path());
        let file: PathBuf = folder.path().join("scores.csv");
        std::fs::write(&file, text).expect("writable");
        read_scores(&file, repeat, &manifest, rows).map_err(|e| {
            assert!(e.to_string().contains("scores.csv"), "{e}");
            e.to_string()
        })
    }

    #[test]
    fn scores_are_found_by_name_in_the_order_of_the_rows() {
        let text = "\u{feff}Path, Score ,who\nd.png,30,x\nx\\b c.png,-2.5,x\na.png,1e1,\n";
        assert_eq!(read(text, None, &[0, 1, 2]), Ok((vec![10.0, -2.5, 30.0], Vec::new())));
        assert_eq!(read(text, None, &[2]), Ok((vec![30.0], Vec::new())));
    }

    #[test]
    fn a_list_of_ours_is_read_by_its_predictions_and_one_repeat() {
        let text = "path,score,prediction,repeat\na.png,1,7,0\na.png,1,8,1\n";
        assert_eq!(read(text, Some(1), &[0]), Ok((vec![8.0], Vec::new())));
        let error = read(text, None, &[0]).expect_err("twice");
        assert!(error.contains("line 3") && error.contains("choose one of the repeats"), "{error}");
    }

    #[test]
    fn names_in_other_letters_or_from_outside_the_folder_are_found_and_said() {
        for text in [
            "path,score\nA.PNG,1\nX/B C.png,2\nd.png,3\n",
            "path,score\r\nsets/own/a.png,1\r\nsets/own/x/b c.png,2\r\nd.png,3\r\n",
            "path,score\n./a.png,1\nb c.png,2\nd.png,3\n",
        ] {
            let (found, notes) = read(text, None, &[0, 1, 2]).expect("known names");
            assert_eq!(found, [1.0, 2.0, 3.0], "{text}");
            assert!(notes[0].starts_with("2 names of "), "{notes:?}");
        }
        // Two names of one image are a double, whatever they are called.
        let error = read("path,score\na.png,1\nA.png,2\n", None, &[0]).expect_err("twice");
        assert!(error.contains("line 3") && error.contains("line 2 already"), "{error}");
    }

    #[test]
    fn doubles_strangers_gaps_and_words_are_refused_by_file_and_row() {
        for (text, words) in [
            ("path,score\na.png,1\na.png,2\n", ["line 3", "line 2 already"]),
            ("path,score\na.png,1\nz.png,2\n", ["line 3", "is no image of csv"]),
            ("path,score\na.png,1\n", ["1 of 2 images", "x/b c.png"]),
            ("path,score\na.png,good\n", ["line 2", "\"good\", expected a finite number"]),
            ("path,score\na.png,NaN\n", ["line 2", "expected a finite number"]),
            ("path,rank\na.png,1\n", ["no column `prediction` or `score`", "path, rank"]),
        ] {
            let error = read(text, None, &[0, 1]).expect_err(text);
            assert!(words.iter().all(|w| error.contains(w)), "{error}");
        }
        let error = read("path,score\na.png,1\n", Some(0), &[0]).expect_err("no repeats");
        assert!(error.contains("no column \"repeat\""), "{error}");
    }
}
