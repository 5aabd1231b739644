//! ARNIQA's splits: an `.npy` of row numbers of a label list, one split a row, padded with -1.

use super::super::DatasetError;
use super::super::formats::FormatError;
use super::super::formats::npy::read_npy;
use std::path::Path;

/// The value that fills up the shorter splits.
const PADDING: i64 = -1;

/// Reads the splits of a list of `rows` rows: row numbers from 0, by split.
pub fn read_splits(file: &Path, rows: usize) -> Result<Vec<Vec<usize>>, DatasetError> {
    let bytes = std::fs::read(file)
        .map_err(|source| DatasetError::Read { path: file.to_path_buf(), source })?;
    Ok(splits_of(&bytes, &file.to_string_lossy(), rows)?)
}

/// [`read_splits`] of the bytes of `file`.
pub fn splits_of(bytes: &[u8], file: &str, rows: usize) -> Result<Vec<Vec<usize>>, FormatError> {
    let array = read_npy(bytes, file)?.integer_rows(file)?;
    let splits = (1..).zip(array).map(|(number, row)| split(file, number, &row, rows));
    splits.collect()
}

fn split(file: &str, number: usize, row: &[i64], rows: usize) -> Result<Vec<usize>, FormatError> {
    let length = row.iter().rposition(|&index| index != PADDING).map_or(0, |last| last + 1);
    let mut seen = vec![false; rows];
    let mut found = Vec::with_capacity(length);
    for (place, &index) in (1..).zip(&row[..length]) {
        let wrong = |expected: String| FormatError::Value {
            file: file.to_owned(),
            place: format!("split {number}, entry {place}"),
            found: index.to_string(),
            expected,
        };
        let i = usize::try_from(index).ok().filter(|&i| i < rows);
        let i = i.ok_or_else(|| wrong(format!("a row of the list, 0 to {}", rows.max(1) - 1)))?;
        if std::mem::replace(&mut seen[i], true) {
            return Err(wrong("a row that the split does not have yet".to_owned()));
        }
        found.push(i);
    }
    Ok(found)
}
