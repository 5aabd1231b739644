//! pyiqa's `meta_info_*.csv`: `ref_name,dist_name,mos,std,...` for sets with references, else
//! `img_name,mos,std,...`, with columns `official_split` and `ratio802_seed123_split_01` to `_10`.
//!
//! For KADID-10k the column `std` holds variances (datasets.md 2.4); it is given as it is.

use super::super::DatasetError;
use super::super::manifest::Split;
use super::super::table::{Record, Table};
use super::{ListRow, NamedSplit, list_row};

/// The split that the set's authors made.
const OFFICIAL: &str = "official_split";

/// Whether a column holds a split.
pub(super) fn is_split(name: &str) -> bool {
    name == OFFICIAL || name.starts_with("ratio") && name.contains("_split_")
}

pub(super) fn rows(table: &Table) -> Result<(Vec<ListRow>, Vec<NamedSplit>), DatasetError> {
    let path = table.required(&["dist_name", "img_name"])?;
    let score = table.required(&["mos", "dmos"])?;
    let reference = table.column(&["ref_name"]);
    let spread = table.column(&["std"]);
    let mut rows = Vec::with_capacity(table.records.len());
    for record in &table.records {
        let path = table.text(record, path)?;
        let score = table.number(record, score)?;
        let mut found = list_row(record.line, path, score, record.optional(reference));
        if let (Some(column), Some(_)) = (spread, record.optional(spread)) {
            found.row.spread = Some(table.number(record, column)?);
        }
        rows.push(found);
    }
    let mut splits = Vec::new();
    for name in table.other_columns(&[]).into_iter().filter(|name| is_split(name)) {
        let column = table.required(&[name])?;
        let parts = table.records.iter().map(|record| part(table, record, column));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        splits.push(NamedSplit { name: name.to_owned(), parts });
    }
    if let Some(official) = splits.iter().find(|split| split.name == OFFICIAL) {
        for (found, part) in rows.iter_mut().zip(&official.parts) {
            found.row.split = *part;
        }
    }
    Ok((rows, splits))
}

/// `train`, `val`, `test`; older files have 0, 1, 2.
fn part(table: &Table, record: &Record, column: usize) -> Result<Option<Split>, DatasetError> {
    let Some(text) = record.optional(Some(column)) else { return Ok(None) };
    let part = match text {
        "0" => Some(Split::Train),
        "1" => Some(Split::Val),
        "2" => Some(Split::Test),
        _ => Split::of_text(text),
    };
    part.map(Some).ok_or_else(|| table.bad(record, column, text, "train, val, test, or 0, 1, 2"))
}
