//! IQA-Dataset's lists: `dis_img_path,dis_type[,ref_img_path],score`.

use super::super::DatasetError;
use super::super::table::Table;
use super::{ListRow, list_row};

pub(super) fn rows(table: &Table) -> Result<Vec<ListRow>, DatasetError> {
    let path = table.required(&["dis_img_path"])?;
    let kind = table.required(&["dis_type"])?;
    let score = table.required(&["score"])?;
    let reference = table.column(&["ref_img_path"]);
    let row = |record| {
        let path = table.text(record, path)?;
        let score = table.number(record, score)?;
        let mut found = list_row(record.line, path, score, record.optional(reference));
        found.row.kind.push_str(record.optional(Some(kind)).unwrap_or_default());
        Ok(found)
    };
    table.records.iter().map(row).collect()
}
