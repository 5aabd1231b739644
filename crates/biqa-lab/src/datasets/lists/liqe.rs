//! The lists of LIQE and UNIQUE: path, score and standard deviation between tabs, no header. The
//! scores of DMOS sets are turned round in them already.

use super::super::DatasetError;
use super::{ListRow, Plain, Separator, list_row};
use std::path::Path;

const NAMES: [&str; 3] = ["path", "score", "std"];

pub(super) fn rows(file: &Path, bytes: &[u8]) -> Result<Vec<ListRow>, DatasetError> {
    let plain = Plain::parse(file, bytes, Separator::Tab, &NAMES)?;
    let row = |row| {
        let path = plain.text(row, 0)?;
        let mut found = list_row(row.line, path, plain.number(row, 1)?, None);
        found.row.spread = Some(plain.number(row, 2)?);
        Ok(found)
    };
    plain.rows.iter().map(row).collect()
}
