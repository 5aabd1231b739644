//! `csv`: people's own pictures with a list of scores, and our manifest as a file
//! (`papers/datasets.md`, section 3).

use super::check::Release;
use super::files::{Files, Layout, as_listed};
use super::labels::LabelFile;
use super::manifest::{Direction, Row, Split};
use super::options::Content;
use super::places::{Places, plain};
use super::prepare::Preparation;
use super::registry::Set;
use super::table::Table;
use super::{DatasetError, Options};
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "csv",
    aliases: &["own"],
    what: "pictures of one's own: a list with the columns path and score",
    citation: "",
    direction: Direction::Mos,
    range: [0.0, 1.0],
    images: 0,
    content_unit: "as listed",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[],
    release: Release { rows: 0, contents: 0, scores: None },
    example: "a.png",
    marks: &[],
    layouts: &[Layout { is: "<path>", places: as_listed }],
    read,
};

/// The columns that are read; all others are named in the notes.
const COLUMNS: [&str; 8] = ["path", "score", "mos", "content", "kind", "level", "split", "spread"];

/// The column of scores has one of these names.
const SCORE: [&str; 2] = ["score", "mos"];

/// The list when the options name none.
const LIST: &str = "labels.csv";

/// Reads the list: columns `path` and `score` (or `mos`), and the options `direction` and `range`.
fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let need = |option, why| DatasetError::OptionNeeded { dataset: SET.key, option, why };
    let direction = options.direction.ok_or_else(|| {
        need(
            "direction",
            "`mos` when a higher score is better, else `dmos`; and `range`, the lowest and the \
             highest score of the scale (--direction mos --range 1..5)",
        )
    })?;
    let range = options.range.filter(|[lo, hi]| lo.is_finite() && hi.is_finite() && lo < hi);
    let range = range.ok_or_else(|| {
        need("range", "the lowest and the highest score of the scale, in order (--range 1..5)")
    })?;
    let default = files.root().join(LIST);
    let table = table(options.list.as_deref().unwrap_or(&default))?;
    let mut labels = labels(&table, direction, range)?;
    let others = table.other_columns(&COLUMNS);
    if !others.is_empty() {
        labels.notes.push(format!("columns not read: {}", others.join(", ")));
    }
    let grouped = matches!(options.content, Some(Content::File(_)));
    if table.column(&["content"]).is_none() && !grouped {
        labels.notes.push(
            "no column `content`: every image is its own group; near-duplicates may stand in two \
             parts of a split"
                .to_owned(),
        );
    }
    Ok(labels)
}

/// Parquet by its name, else CSV.
fn table(file: &Path) -> Result<Table, DatasetError> {
    let ending = file.extension().map(std::ffi::OsStr::to_ascii_lowercase);
    if ending.is_none_or(|ending| ending != "parquet") {
        return Table::read(file);
    }
    #[cfg(feature = "parquet")]
    return super::parquet::read(file);
    #[cfg(not(feature = "parquet"))]
    Err(DatasetError::Refused {
        file: file.to_path_buf(),
        reason: "this build does not read Parquet; write it as CSV, or build with the feature \
                 parquet"
            .to_owned(),
    })
}

/// A table in manifest form; also used for a part of another set that carries its scores itself.
pub(super) fn labels(
    table: &Table,
    direction: Direction,
    range: [f64; 2],
) -> Result<LabelFile, DatasetError> {
    Ok(LabelFile {
        rows: rows(table)?,
        places: Places {
            files: vec![table.file.clone()],
            unit: table.unit,
            at: table.records.iter().map(|record| (0, record.line)).collect(),
        },
        folder: None,
        notes: Vec::new(),
        known: Vec::new(),
        release: None,
        direction,
        range,
    })
}

/// The rows of a table in manifest form.
pub(super) fn rows(table: &Table) -> Result<Vec<Row>, DatasetError> {
    let path = table.required(&["path"])?;
    let score = table.required(&SCORE)?;
    // What nobody asked about is not chosen between silently.
    for names in [&SCORE[..], &["content"], &["kind"], &["level"], &["split"], &["spread"]] {
        table.refuse_two(names)?;
    }
    let [content, kind, level, split, spread] =
        ["content", "kind", "level", "split", "spread"].map(|name| table.column(&[name]));
    let mut rows = Vec::with_capacity(table.records.len());
    for record in &table.records {
        let path = plain(table.text(record, path)?);
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
    use super::super::open;
    use super::*;
    use std::fs;

    fn options() -> Options {
        Options { direction: Some(Direction::Mos), range: Some([1.0, 5.0]), ..Options::default() }
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
        let found = open("csv", folder.path(), &options()).expect("a good list");
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
        let error = open("csv", folder.path(), &options()).expect_err("no files").to_string();
        assert!(error.starts_with("7 of 7 labelled images"), "{error}");
        assert!(error.contains("m4.png") && !error.contains("m5.png"), "{error}");
        let partial = Options { allow_missing: usize::MAX, ..options() };
        let error = open("csv", folder.path(), &partial).expect_err("nothing is left").to_string();
        assert!(error.starts_with("7 of 7") && !error.contains("--partial"), "{error}");
    }

    #[test]
    fn duplicates_name_both_lines() {
        let folder = folder("path,score\na.png,3\nb.png,3\na.png,4\n", &[]);
        let error = open("csv", folder.path(), &options()).expect_err("twice").to_string();
        assert!(error.contains("line 4") && error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_score_far_off_the_scale_is_an_error() {
        let folder = folder("path,score\na.png,80\n", &["a.png"]);
        let error = open("csv", folder.path(), &options()).expect_err("off").to_string();
        assert!(error.contains("80") && error.contains("1 to 5"), "{error}");
    }

    #[test]
    fn two_files_that_differ_in_case_are_an_error_that_names_both() {
        let folder = folder("path,score\nA.PNG,3\n", &["a.png", "A.png"]);
        let error = open("csv", folder.path(), &options()).expect_err("which?").to_string();
        assert!(error.contains("a.png") && error.contains("A.png"), "{error}");
    }

    #[test]
    fn a_root_with_one_folder_is_not_left() {
        let folder = folder("path,score\nsub/a.png,3\n", &[]);
        fs::create_dir(folder.path().join("sub")).expect("writable");
        fs::write(folder.path().join("sub/a.png"), b"").expect("writable");
        let list = folder.path().join("labels.csv");
        let elsewhere = tempfile::tempdir().expect("a temporary folder");
        let moved = elsewhere.path().join("labels.csv");
        fs::rename(&list, &moved).expect("writable");
        let options = Options { list: Some(moved), ..options() };
        let found = open("csv", folder.path(), &options).expect("a good list");
        assert_eq!(found.rows[0].path, "sub/a.png");
    }

    #[test]
    fn paths_outside_the_root_are_not_found() {
        let folder = folder("path,score\n../labels.csv,3\n/etc/hosts,3\n", &[]);
        assert!(open("csv", folder.path(), &options()).is_err());
        let folder = self::folder("path,score\na.png,4\n../labels.csv,3\n", &["a.png"]);
        let error = open("csv", folder.path(), &options()).expect_err("outside").to_string();
        assert!(error.contains("../labels.csv") && error.contains("--image-root"), "{error}");
    }

    #[test]
    fn the_direction_and_the_range_must_be_stated() {
        let folder = folder("path,score\na.png,3\n", &["a.png"]);
        let error = open("csv", folder.path(), &Options::default()).expect_err("unstated");
        assert!(error.to_string().contains("`direction`"), "{error}");
        let backwards = Options { range: Some([5.0, 1.0]), ..options() };
        assert!(open("csv", folder.path(), &backwards).is_err());
    }

    #[test]
    fn a_bad_split_or_level_names_its_line() {
        for (column, bad) in [("split", "holdout"), ("level", "-1"), ("spread", "wide")] {
            let folder = folder(&format!("path,score,{column}\na.png,3,{bad}\n"), &["a.png"]);
            let error = open("csv", folder.path(), &options()).expect_err("bad").to_string();
            assert!(error.contains("line 2") && error.contains(column), "{error}");
        }
    }
}
