//! Anybody's numbers: a CSV with the columns `path` and `score`.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use biqa::scorer::hex;
use sha2::{Digest, Sha256};

use super::EvaluateError;
use crate::datasets::Manifest;
use crate::results::{Subject, SubjectKind};

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

/// The prediction of every one of `rows`. A `predictions.csv` of ours is read by its column
/// `prediction`, since its `score` is the label; of several repeats in it, `repeat` takes one.
pub fn read_scores(
    file: &Path,
    repeat: Option<usize>,
    manifest: &Manifest,
    rows: &[usize],
) -> Result<Vec<f64>, EvaluateError> {
    let bad = |reason: String| EvaluateError::Scores { path: file.to_owned(), reason };
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).from_path(file).map_err(|e| bad(e.to_string()))?;
    let headers = reader.headers().map_err(|e| bad(e.to_string()))?.clone();
    let find = |name: &str| {
        let bare = |h: &str| h.trim().trim_start_matches('\u{feff}').to_ascii_lowercase();
        headers.iter().position(|h| bare(h) == name)
    };
    let column = |names: &[&str]| {
        names.iter().find_map(|name| find(name)).ok_or_else(|| {
            let found = headers.iter().collect::<Vec<_>>().join(", ");
            bad(format!(
                "expected a column {:?}, found the columns {found}",
                names[names.len() - 1]
            ))
        })
    };
    let (path, value) = (column(&["path"])?, column(&["prediction", "score"])?);
    let repeat = match (repeat, find("repeat")) {
        (Some(wanted), Some(column)) => Some((column, wanted.to_string())),
        (Some(_), None) => {
            return Err(bad("there is no column \"repeat\" to choose by".to_owned()));
        }
        (None, _) => None,
    };
    let known: HashSet<&str> = manifest.rows.iter().map(|row| row.path.as_str()).collect();
    let mut scores: HashMap<String, (f64, u64)> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(|e| bad(e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |column: usize| record.get(column).unwrap_or_default().trim();
        if repeat.as_ref().is_some_and(|(column, wanted)| field(*column) != wanted) {
            continue;
        }
        let name = field(path).replace('\\', "/");
        if !known.contains(name.as_str()) {
            return Err(bad(format!(
                "row {line}: {name:?} is no image of {}; paths are relative to its folder",
                manifest.dataset
            )));
        }
        let text = field(value);
        let number: Option<f64> = text.parse().ok().filter(|v: &f64| v.is_finite());
        let number =
            number.ok_or_else(|| bad(format!("row {line}: {text:?} is no finite number")))?;
        if let Some((_, first)) = scores.insert(name.clone(), (number, line)) {
            let of = if find("repeat").is_some() { "; choose one of the repeats" } else { "" };
            return Err(bad(format!("row {line}: {name:?} stands in row {first} already{of}")));
        }
    }
    let mut missing = Vec::new();
    let mut found = Vec::with_capacity(rows.len());
    for &i in rows {
        match scores.get(&manifest.rows[i].path) {
            Some((score, _)) => found.push(*score),
            None => missing.push(manifest.rows[i].path.clone()),
        }
    }
    if let Some(first) = missing.first() {
        return Err(bad(format!(
            "{} of {} images of the part have no score, the first is {first:?}",
            missing.len(),
            rows.len()
        )));
    }
    Ok(found)
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

    fn read(text: &str, repeat: Option<usize>, rows: &[usize]) -> Result<Vec<f64>, String> {
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
        let text = "\u{feff}Path, Score ,who\nd.png,30,x\nx\\b c.png,-2.5,x\na.png,1e1\n";
        assert_eq!(read(text, None, &[0, 1, 2]), Ok(vec![10.0, -2.5, 30.0]));
        assert_eq!(read(text, None, &[2]), Ok(vec![30.0]));
    }

    #[test]
    fn a_list_of_ours_is_read_by_its_predictions_and_one_repeat() {
        let text = "path,score,prediction,repeat\na.png,1,7,0\na.png,1,8,1\n";
        assert_eq!(read(text, Some(1), &[0]), Ok(vec![8.0]));
        let error = read(text, None, &[0]).expect_err("twice");
        assert!(error.contains("row 3") && error.contains("choose one of the repeats"), "{error}");
    }

    #[test]
    fn doubles_strangers_gaps_and_words_are_refused_by_file_and_row() {
        for (text, words) in [
            ("path,score\na.png,1\na.png,2\n", ["row 3", "row 2 already"]),
            ("path,score\na.png,1\nz.png,2\n", ["row 3", "is no image of csv"]),
            ("path,score\na.png,1\n", ["1 of 2 images", "x/b c.png"]),
            ("path,score\na.png,good\n", ["row 2", "\"good\" is no finite number"]),
            ("path,score\na.png,NaN\n", ["row 2", "no finite number"]),
            ("path,rank\na.png,1\n", ["a column \"score\"", "path, rank"]),
        ] {
            let error = read(text, None, &[0, 1]).expect_err(text);
            assert!(words.iter().all(|w| error.contains(w)), "{error}");
        }
        let error = read("path,score\na.png,1\n", Some(0), &[0]).expect_err("no repeats");
        assert!(error.contains("no column \"repeat\""), "{error}");
    }
}
