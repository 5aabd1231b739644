//! Lists without a header: a fixed number of fields a line, between tabs, commas or blanks.
//!
//! Lines end with LF, CRLF or a lone CR, and are counted as an editor counts them.

use super::super::DatasetError;
use super::super::error::counted;
use std::path::{Path, PathBuf};

/// What stands between the fields of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separator {
    /// A tab.
    Tab,
    /// A comma, with or without blanks around it.
    Comma,
    /// Blanks or tabs, any number.
    Blank,
}

/// A list in memory.
#[derive(Debug)]
pub struct Plain {
    /// Its file.
    pub file: PathBuf,
    names: Vec<&'static str>,
    /// Its lines that are not blank.
    pub rows: Vec<PlainRow>,
}

/// One line.
#[derive(Debug)]
pub struct PlainRow {
    /// From 1.
    pub line: u64,
    fields: Vec<String>,
}

impl Plain {
    /// Parses the bytes of `file`. `names` says what the fields are, for errors; every line must
    /// have as many.
    pub fn parse(
        file: &Path,
        bytes: &[u8],
        separator: Separator,
        names: &[&'static str],
    ) -> Result<Plain, DatasetError> {
        let bad = |line: u64, reason: String| DatasetError::Form {
            file: file.to_path_buf(),
            unit: "line",
            line,
            reason,
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut rows = Vec::new();
        for (line, text) in (1..).zip(lines(bytes)) {
            let text = std::str::from_utf8(text)
                .map_err(|_| bad(line, "bytes that are not UTF-8".to_owned()))?;
            if text.trim().is_empty() {
                continue;
            }
            let trimmed = |field: &str| field.trim().to_owned();
            let fields: Vec<String> = match separator {
                Separator::Tab => text.split('\t').map(trimmed).collect(),
                Separator::Comma => text.split(',').map(trimmed).collect(),
                Separator::Blank => text.split_whitespace().map(trimmed).collect(),
            };
            if fields.len() != names.len() {
                let (found, wanted) = (counted(fields.len(), "field"), names.join(", "));
                return Err(bad(line, format!("{found}, expected {wanted}")));
            }
            rows.push(PlainRow { line, fields });
        }
        Ok(Plain { file: file.to_path_buf(), names: names.to_vec(), rows })
    }

    /// A field that must not be empty.
    pub fn text<'a>(&self, row: &'a PlainRow, column: usize) -> Result<&'a str, DatasetError> {
        match row.fields[column].as_str() {
            "" => Err(self.bad(row, column, "a text that is not empty")),
            text => Ok(text),
        }
    }

    /// A finite number.
    pub fn number(&self, row: &PlainRow, column: usize) -> Result<f64, DatasetError> {
        match row.fields[column].parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(self.bad(row, column, "a finite number")),
        }
    }

    /// The error for a field.
    pub fn bad(&self, row: &PlainRow, column: usize, expected: &'static str) -> DatasetError {
        DatasetError::Field {
            file: self.file.clone(),
            unit: "line",
            line: row.line,
            column: self.names[column].to_owned(),
            found: row.fields[column].clone(),
            expected,
        }
    }
}

/// The lines, without their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.iter().position(|&byte| byte == b'\n' || byte == b'\r') else {
            rest = None;
            return Some(text);
        };
        let width = if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = Some(&text[end + width..]);
        Some(&text[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["path", "score"];

    fn parse(text: &str, separator: Separator) -> Result<Plain, DatasetError> {
        Plain::parse(Path::new("list.txt"), text.as_bytes(), separator, &NAMES)
    }

    #[test]
    fn every_line_end_and_separator_is_read() {
        for (text, separator) in [
            ("a.png\t1\nb c.png\t2\n", Separator::Tab),
            ("a.png\t1\rb c.png\t2", Separator::Tab),
            ("\u{feff}a.png, 1\r\nb c.png,2\r\n", Separator::Comma),
            ("a.png 1\nb.png   2", Separator::Blank),
        ] {
            let found = parse(text, separator).expect("a good list");
            let lines: Vec<u64> = found.rows.iter().map(|row| row.line).collect();
            assert_eq!(lines, [1, 2], "{text:?}");
            assert_eq!(found.text(&found.rows[0], 0).expect("there"), "a.png", "{text:?}");
            assert_eq!(found.number(&found.rows[1], 1).expect("there"), 2.0, "{text:?}");
        }
    }

    #[test]
    fn blank_lines_are_counted_but_not_read() {
        let found = parse("\n\na 1\n\nb x\n", Separator::Blank).expect("two rows");
        let error = found.number(&found.rows[1], 1).expect_err("no number").to_string();
        assert!(error.contains("line 5, column `score`: found \"x\""), "{error}");
    }

    #[test]
    fn another_number_of_fields_names_line_and_fields() {
        let error = parse("a 1\nb 2 3\n", Separator::Blank).expect_err("three").to_string();
        assert!(error.contains("line 2") && error.contains("path, score"), "{error}");
    }
}
