//! JSON lines: one object a row, the fields of [`Record`] in their order.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use anyhow::Context;
use biqa::record::Record;

/// The row's line, with its end. A number that is none (NaN, infinite) stands as `null`.
pub fn line(row: &Record) -> anyhow::Result<String> {
    let mut line = serde_json::to_string(row).context("a row cannot be written as JSON")?;
    line.push('\n');
    Ok(line)
}

/// All rows of a file.
pub fn read(file: File, row: &mut dyn FnMut(Record) -> io::Result<()>) -> anyhow::Result<()> {
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let record =
            serde_json::from_str(&line?).with_context(|| format!("line {}", number + 1))?;
        row(record)?;
    }
    Ok(())
}
