//! `content = file:PATH`: a list that says which images show the same, in place of a set's own
//! contents and split (`papers/datasets.md`, 2.14). Called by `open` for every set.

use super::DatasetError;
use super::error::Place;
use super::manifest::{Manifest, Row, Split};
use super::places::below;
use super::table::Table;
use std::collections::HashMap;
use std::path::Path;

/// In a note of a set whose parts are those of somebody's list, not of its authors.
pub const FROM_LIST: &str = "content and split from ";

/// Content and split from the list, in the order of the labels; images that it does not list are
/// left out.
pub(super) fn apply(manifest: &mut Manifest, file: &Path) -> Result<(), DatasetError> {
    let list = Table::read(file)?;
    let path = list.required(&["path"])?;
    let content = list.required(&["content"])?;
    let split = list.column(&["split"]);
    list.refuse_two(&["split"])?;
    let by_path: HashMap<String, usize> = manifest
        .rows
        .iter()
        .enumerate()
        .map(|(i, row)| (row.path.to_ascii_lowercase(), i))
        .collect();

    let mut chosen: Vec<Option<Row>> = vec![None; manifest.rows.len()];
    let mut lines = vec![0; manifest.rows.len()];
    for record in &list.records {
        let (file, unit, line) = (list.file.clone(), list.unit, record.line);
        let written = list.text(record, path)?;
        let path = below(&manifest.root, written).unwrap_or_else(|| written.to_owned());
        let Some(&i) = by_path.get(&path.to_ascii_lowercase()) else {
            return Err(DatasetError::NotLabelled { file, unit, line, path });
        };
        if chosen[i].is_some() {
            let first = Box::new(Place { file: file.clone(), unit, line: lines[i] });
            let place = Box::new(Place { file, unit, line });
            return Err(DatasetError::Duplicate { place, first, path });
        }
        let split = match (split, record.optional(split)) {
            (Some(column), Some(text)) => Some(
                Split::of_text(text)
                    .ok_or_else(|| list.bad(record, column, text, "train, val or test"))?,
            ),
            _ => None,
        };
        let content = list.text(record, content)?.to_owned();
        chosen[i] = Some(Row { content, split, ..manifest.rows[i].clone() });
        lines[i] = record.line;
    }
    if list.records.is_empty() {
        return Err(DatasetError::Empty { file: file.to_path_buf() });
    }
    let total = manifest.rows.len();
    manifest.rows = chosen.into_iter().flatten().collect();
    manifest.subset |= manifest.rows.len() < total;
    manifest.notes.push(format!(
        "{FROM_LIST}{}: {} of {total} images are listed, the other {} are left out",
        list.file.display(),
        manifest.rows.len(),
        total - manifest.rows.len()
    ));
    Ok(())
}
