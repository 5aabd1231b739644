//! `saqt`: pictures whose scores `biqa transfer` has inherited from KADID-10k
//! (`papers/glintiqa.md`, section 5).
//!
//! The content of a picture is the reference that it inherits from: a split never parts the
//! pictures of one, and a list of training references refuses those of the others.

use super::check::Release;
use super::files::{Files, Layout, as_listed};
use super::labels::LabelFile;
use super::manifest::{Direction, Row, stem};
use super::places::{Places, plain};
use super::prepare::Preparation;
use super::registry::Set;
use super::table::{Record, Table};
use super::{DatasetError, Options};
use crate::transfer::{MANIFEST, Training};
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "saqt",
    aliases: &["SAQT"],
    what: "degraded pictures with scores that biqa transfer has inherited from KADID-10k",
    citation: "wang2024glintiqa",
    direction: Direction::Mos,
    range: [0.0, 9.0],
    images: 0,
    content_unit: "reference",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[],
    release: Release { rows: 0, contents: 0, scores: None },
    example: "001/a_01_05.png",
    marks: &[&["labels_batch_0001.csv"]],
    layouts: &[Layout { is: "<folder>/<name>", places: as_listed }],
    read,
};

/// Whether labels of the one set are scores of the other, which is tested on: those of `saqt` are
/// KADID-10k's (`papers/glintiqa.md`, leakage rule 2).
pub fn inherits(trained_on: &str, tested: &str) -> bool {
    trained_on == SET.key && tested == super::kadid10k::SET.key
}

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let names: Vec<String> = files.names("").into_iter().filter(|name| is_labels(name)).collect();
    if names.is_empty() {
        return Err(SET.no_labels(files, "labels_batch_0001.csv"));
    }
    let mut labels = LabelFile {
        rows: Vec::new(),
        places: Places { files: Vec::new(), unit: "line", at: Vec::new() },
        folder: None,
        notes: Vec::new(),
        known: Vec::new(),
        release: None,
        direction: SET.direction,
        range: range(files.root())?,
    };
    for name in names {
        let table = Table::read(&files.root().join(name))?;
        add(&mut labels, &table)?;
    }
    match &options.training_references {
        Some(list) => refuse_others(&labels, &Training::read(list)?)?,
        None => labels.notes.push(
            "scores may be inherited from every reference: without a list of training references \
             a network that learns them must not be tested on KADID-10k"
                .to_owned(),
        ),
    }
    Ok(labels)
}

fn is_labels(name: &str) -> bool {
    name.strip_prefix("labels_batch_").and_then(|rest| rest.strip_suffix(".csv")).is_some()
}

/// The scale that the transfer has noted, where it has.
fn range(root: &Path) -> Result<[f64; 2], DatasetError> {
    let file = root.join(MANIFEST);
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(SET.range),
        Err(source) => return Err(DatasetError::Read { path: file, source }),
    };
    let record: Option<crate::transfer::Record> = serde_json::from_slice(&bytes).ok();
    record.map(|record| record.settings.scale).ok_or_else(|| DatasetError::Refused {
        file,
        reason: "it is no manifest of biqa transfer; transfer the labels again".to_owned(),
    })
}

fn add(labels: &mut LabelFile, table: &Table) -> Result<(), DatasetError> {
    let path = table.required(&["distorted_image"])?;
    let score = table.required(&["quality_score"])?;
    let reference = table.required(&["matched_reference"])?;
    let kind = table.required(&["distortion_type"])?;
    let level = table.required(&["distortion_level"])?;
    let number = |record: &Record, column: usize| {
        let text = table.text(record, column)?;
        let bad = |_| table.bad(record, column, text, "a whole number, 0 or more");
        text.parse::<u32>().map_err(bad)
    };
    let file = labels.places.files.len();
    labels.places.files.push(table.file.clone());
    for record in &table.records {
        labels.places.at.push((file, record.line));
        labels.rows.push(Row {
            path: plain(table.text(record, path)?),
            score: table.number(record, score)?,
            content: stem(table.text(record, reference)?).to_owned(),
            kind: format!("{:02}", number(record, kind)?),
            level: Some(number(record, level)?),
            split: None,
            spread: None,
        });
    }
    Ok(())
}

/// Section 5, rule 2.
fn refuse_others(labels: &LabelFile, training: &Training) -> Result<(), DatasetError> {
    let outside = |(_, row): &(usize, &Row)| !training.has(&row.content);
    let mut others = labels.rows.iter().enumerate().filter(outside);
    let Some((first, row)) = others.next() else { return Ok(()) };
    Err(DatasetError::Inherited {
        place: Box::new(labels.places.of(first)),
        path: row.path.clone(),
        reference: row.content.clone(),
        list: training.file().to_owned(),
        count: 1 + others.count(),
        total: labels.rows.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Manifest, open};
    use super::*;

    const HEAD: &str = "\u{feff}distorted_image,quality_score,source_image,matched_reference,\
                        distortion_type,distortion_level\n";

    /// Two label files: a source that inherits from I01, and one from I02.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (i, (source, reference)) in [("a", "I01"), ("b", "I02")].into_iter().enumerate() {
            let text =
                format!("{HEAD}001/{source}_03_05.png,4.5,{source}.png,{reference}.png,3,5\n");
            let name = format!("labels_batch_{:04}.csv", i + 1);
            std::fs::write(folder.path().join(name), text).expect("writable");
        }
        folder
    }

    fn loaded(folder: &Path, list: Option<&str>) -> Result<Manifest, DatasetError> {
        let training_references = list.map(|text| {
            let file = folder.join("list.txt");
            std::fs::write(&file, text).expect("writable");
            file
        });
        let options = Options { labels_only: true, training_references, ..Options::default() };
        open("saqt", folder, &options)
    }

    #[test]
    fn labels_of_all_files_are_read_behind_byte_order_marks() {
        let folder = folder();
        let found = loaded(folder.path(), Some("I01.png\nI02.png\n")).expect("labels");
        assert_eq!((found.rows.len(), found.contents()), (2, 2));
        let row = &found.rows[1];
        assert_eq!((row.path.as_str(), row.score, row.level), ("001/b_03_05.png", 4.5, Some(5)));
        assert_eq!((row.content.as_str(), row.kind.as_str()), ("I02", "03"));
        assert_eq!((found.range_nominal, found.notes.len()), ([0.0, 9.0], 0));
    }

    /// The specification's item 13.
    #[test]
    fn a_row_that_inherits_from_outside_the_training_list_is_refused() {
        let folder = folder();
        let text = loaded(folder.path(), Some("I01.png\n")).expect_err("a leak").to_string();
        for words in ["labels_batch_0002.csv, line 2", "from I02", "1 of 2 rows", "--leave-out"] {
            assert!(text.contains(words), "{text}");
        }
        let free = loaded(folder.path(), None).expect("labels");
        assert!(free.notes[0].contains("must not be tested on KADID-10k"), "{:?}", free.notes);
    }

    #[test]
    fn other_sets_have_no_list_of_training_references() {
        let options = Options { training_references: Some("a".into()), ..Options::default() };
        let text = open("csv", Path::new("."), &options).expect_err("foreign").to_string();
        assert!(text.contains("training_references"), "{text}");
    }
}
