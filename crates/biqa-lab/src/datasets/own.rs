//! `csv`: people's own pictures with a list of scores (`papers/datasets.md`, section 3).

use super::manifest::{Manifest, Row, Split};
use super::table::Table;
use super::{DatasetError, LoadOptions, check_scores, locate};
use std::collections::HashMap;
use std::path::Path;

/// The columns that are read; all others are named in the notes.
const COLUMNS: [&str; 8] = ["path", "score", "mos", "content", "kind", "level", "split", "spread"];

/// Reads the list and finds its files. Needs the columns `path` and `score` (or `mos`), and the
/// options `direction` and `range`.
pub(super) fn load(root: &Path, options: &LoadOptions) -> Result<Manifest, DatasetError> {
    let need = |option, why| DatasetError::OptionNeeded { dataset: "csv", option, why };
    let direction = options
        .direction
        .ok_or_else(|| need("direction", "`mos` when a higher score is better, else `dmos`"))?;
    let range_nominal = options
        .range
        .filter(|[lo, hi]| lo.is_finite() && hi.is_finite() && lo < hi)
        .ok_or_else(|| need("range", "the lowest and the highest score of the scale, in order"))?;
    let default = root.join("labels.csv");
    let table = Table::read(options.labels.as_deref().unwrap_or(&default))?;

    let mut manifest = Manifest {
        dataset: "csv".to_owned(),
        direction,
        range_nominal,
        root: root.to_path_buf(),
        rows: rows(&table)?,
        notes: Vec::new(),
    };
    let others = table.other_columns(&COLUMNS);
    if !others.is_empty() {
        manifest.notes.push(format!("columns not read: {}", others.join(", ")));
    }
    if table.column(&["content"]).is_none() {
        manifest.notes.push(
            "no column `content`: every image is its own group; near-duplicates may stand in two \
             parts of a split"
                .to_owned(),
        );
    }
    check_scores(&manifest)?;
    locate(&mut manifest, options)?;
    Ok(manifest)
}

/// The rows of a list in manifest form; also used for the lists of other sets.
pub(super) fn rows(table: &Table) -> Result<Vec<Row>, DatasetError> {
    let path = table.required(&["path"])?;
    let score = table.required(&["score", "mos"])?;
    let [content, kind, level, split, spread] =
        ["content", "kind", "level", "split", "spread"].map(|name| table.column(&[name]));
    let mut seen = HashMap::new();
    let mut rows = Vec::with_capacity(table.records.len());
    for record in &table.records {
        let path = table.text(record, path)?.replace('\\', "/");
        if let Some(first_line) = seen.insert(path.clone(), record.line) {
            let (file, line) = (table.file.clone(), record.line);
            return Err(DatasetError::Duplicate { file, line, first_line, path });
        }
        let level = match (level, record.optional(level)) {
            (Some(column), Some(text)) => Some(
                text.parse()
                    .map_err(|_| table.bad(record, column, text, "a whole number, 0 or more"))?,
            ),
            _ => None,
        };
        let split = match (split, record.optional(split)) {
            (Some(column), Some(text)) => Some(
                Split::of_text(text)
                    .ok_or_else(|| table.bad(record, column, text, "train, val or test"))?,
            ),
            _ => None,
        };
        let spread = match (spread, record.optional(spread)) {
            (Some(column), Some(_)) => Some(table.number(record, column)?),
            _ => None,
        };
        rows.push(Row {
            score: table.number(record, score)?,
            content: record.optional(content).unwrap_or(&path).to_owned(),
            kind: record.optional(kind).unwrap_or_default().to_owned(),
            level,
            split,
            spread,
            path,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::super::{Direction, load};
    use super::*;
    use std::fs;

    fn options() -> LoadOptions {
        LoadOptions {
            direction: Some(Direction::Mos),
            range: Some([1.0, 5.0]),
            ..LoadOptions::default()
        }
    }

    fn folder(labels: &str, files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("labels.csv"), labels).expect("writable");
        for file in files {
            fs::write(folder.path().join(file), b"").expect("writable");
        }
        folder
    }

    #[test]
    fn a_plain_list_is_read_and_its_files_are_found_without_case() {
        let folder = folder("Path,MOS,rater\na b.PNG,3,x\nc.png,4.5,y\n", &["a b.png", "c.png"]);
        let found = load("csv", folder.path(), &options()).expect("a good list");
        assert_eq!(found.rows[0].path, "a b.png");
        assert_eq!(found.rows[1].score, 4.5);
        assert_eq!(found.rows[0].content, "a b.PNG");
        assert!(found.notes[0].contains("rater"), "{:?}", found.notes);
        assert_eq!(found.notes.len(), 2); // the columns, and the missing contents
    }

    #[test]
    fn missing_files_are_counted_and_the_first_five_are_named() {
        let names = ["m0", "m1", "m2", "m3", "m4", "m5", "m6"].map(|name| format!("{name}.png,3"));
        let folder = folder(&format!("path,score\n{}", names.join("\n")), &[]);
        let error = load("csv", folder.path(), &options()).expect_err("no files").to_string();
        assert!(error.starts_with("7 of 7 labelled images"), "{error}");
        assert!(error.contains("m4.png") && !error.contains("m5.png"), "{error}");
        let partial = LoadOptions { allow_missing: usize::MAX, ..options() };
        let found = load("csv", folder.path(), &partial).expect("allowed");
        assert!(found.rows.is_empty() && found.notes.iter().any(|n| n.starts_with("7 of 7")));
    }

    #[test]
    fn duplicates_name_both_lines() {
        let folder = folder("path,score\na.png,3\nb.png,3\na.png,4\n", &[]);
        let error = load("csv", folder.path(), &options()).expect_err("twice").to_string();
        assert!(error.contains("line 4") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_score_far_off_the_scale_is_an_error() {
        let folder = folder("path,score\na.png,80\n", &["a.png"]);
        let error = load("csv", folder.path(), &options()).expect_err("off").to_string();
        assert!(error.contains("80") && error.contains("1 to 5"), "{error}");
    }

    #[test]
    fn two_files_that_differ_in_case_are_an_error_that_names_both() {
        let folder = folder("path,score\nA.PNG,3\n", &["a.png", "A.png"]);
        let error = load("csv", folder.path(), &options()).expect_err("which?").to_string();
        assert!(error.contains("a.png") && error.contains("A.png"), "{error}");
    }

    #[test]
    fn paths_outside_the_root_are_not_found() {
        let folder = folder("path,score\n../labels.csv,3\n/etc/hosts,3\n", &[]);
        assert!(load("csv", folder.path(), &options()).is_err());
    }

    #[test]
    fn the_direction_and_the_range_must_be_stated() {
        let folder = folder("path,score\na.png,3\n", &["a.png"]);
        let error = load("csv", folder.path(), &LoadOptions::default()).expect_err("unstated");
        assert!(error.to_string().contains("`direction`"), "{error}");
        let backwards = LoadOptions { range: Some([5.0, 1.0]), ..options() };
        assert!(load("csv", folder.path(), &backwards).is_err());
    }

    #[test]
    fn a_bad_split_or_level_names_its_line() {
        for (column, bad) in [("split", "holdout"), ("level", "-1"), ("spread", "wide")] {
            let folder = folder(&format!("path,score,{column}\na.png,3,{bad}\n"), &["a.png"]);
            let error = load("csv", folder.path(), &options()).expect_err("bad").to_string();
            assert!(error.contains("line 2") && error.contains(column), "{error}");
        }
    }
}
