//! Label files in CSV form (`papers/datasets.md`, 1.4).
//!
//! UTF-8 with or without byte order mark, LF, CRLF or lone CR, RFC 4180 quotes, blank lines
//! skipped, headers trimmed and without case. Every error names the file and the line.

use super::DatasetError;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A label file in memory: the header and the records with their line numbers.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) file: PathBuf,
    /// What a record is called in an error: `line`, or `row` where the file has no lines.
    pub(super) unit: &'static str,
    header: Vec<String>,
    pub(super) records: Vec<Record>,
}

/// One record.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) line: u64,
    fields: Vec<String>,
}

impl Table {
    /// Reads a file.
    pub(super) fn read(file: &Path) -> Result<Table, DatasetError> {
        let bytes = std::fs::read(file)
            .map_err(|source| DatasetError::Read { path: file.to_path_buf(), source })?;
        Table::parse(file, &bytes)
    }

    /// A table that another reader made. Records count from 1.
    #[cfg(feature = "parquet")]
    pub(super) fn of_rows(file: &Path, header: &[String], rows: Vec<Vec<String>>) -> Table {
        let records = (1..).zip(rows).map(|(line, fields)| Record { line, fields }).collect();
        let header = header.iter().map(|name| name.trim().to_lowercase()).collect();
        Table { file: file.to_path_buf(), unit: "row", header, records }
    }

    /// Parses the bytes of `file`.
    pub(super) fn parse(file: &Path, bytes: &[u8]) -> Result<Table, DatasetError> {
        // The csv crate counts lines by LF: a lone CR becomes one, or every row stood in line 1.
        let bytes = if bytes.contains(&b'\n') {
            Cow::Borrowed(bytes)
        } else {
            bytes.iter().map(|&b| if b == b'\r' { b'\n' } else { b }).collect()
        };
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&*bytes);
        let mut header: Option<Vec<String>> = None;
        let mut records = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| DatasetError::Form {
                file: file.to_path_buf(),
                unit: "line",
                line: error.position().map_or(0, csv::Position::line),
                reason: error.to_string(),
            })?;
            let line = record.position().map_or(0, csv::Position::line);
            let mut fields: Vec<String> = record.iter().map(|f| f.trim().to_owned()).collect();
            let Some(header) = &header else {
                for name in &mut fields {
                    *name = name.to_lowercase();
                }
                drop_empty_end(&mut fields, 0);
                header = Some(fields);
                continue;
            };
            if fields.iter().all(String::is_empty) {
                continue;
            }
            drop_empty_end(&mut fields, header.len());
            if fields.len() != header.len() {
                return Err(DatasetError::Form {
                    file: file.to_path_buf(),
                    unit: "line",
                    line,
                    reason: format!("{} columns, the header has {}", fields.len(), header.len()),
                });
            }
            records.push(Record { line, fields });
        }
        let header = header.unwrap_or_default();
        Ok(Table { file: file.to_path_buf(), unit: "line", header, records })
    }

    /// The number of the first of `names` that the header has.
    pub(super) fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|found| found == name))
    }

    /// [`Table::column`], or an error that lists the columns there are.
    pub(super) fn required(&self, names: &[&str]) -> Result<usize, DatasetError> {
        self.column(names).ok_or_else(|| DatasetError::MissingColumn {
            file: self.file.clone(),
            wanted: names.join("` or `"),
            found: self.header.join(", "),
        })
    }

    /// The columns that are none of `known`.
    pub(super) fn other_columns(&self, known: &[&str]) -> Vec<&str> {
        let names = self.header.iter().map(String::as_str);
        names.filter(|name| !name.is_empty() && !known.contains(name)).collect()
    }

    /// A field that must not be empty.
    pub(super) fn text<'a>(
        &self,
        record: &'a Record,
        column: usize,
    ) -> Result<&'a str, DatasetError> {
        match record.optional(Some(column)) {
            Some(text) => Ok(text),
            None => Err(self.bad(record, column, "", "a text that is not empty")),
        }
    }

    /// A finite number.
    pub(super) fn number(&self, record: &Record, column: usize) -> Result<f64, DatasetError> {
        let text = &record.fields[column];
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(self.bad(record, column, text, "a finite number")),
        }
    }

    /// The error for a field.
    pub(super) fn bad(
        &self,
        record: &Record,
        column: usize,
        found: &str,
        expected: &'static str,
    ) -> DatasetError {
        DatasetError::Field {
            file: self.file.clone(),
            unit: self.unit,
            line: record.line,
            column: self.header[column].clone(),
            found: found.to_owned(),
            expected,
        }
    }
}

impl Record {
    /// A field, if the column exists and the field is not empty.
    pub(super) fn optional(&self, column: Option<usize>) -> Option<&str> {
        column.map(|column| self.fields[column].as_str()).filter(|text| !text.is_empty())
    }
}

/// Drops empty fields at the end, but keeps at least `keep`.
fn drop_empty_end(fields: &mut Vec<String>, keep: usize) {
    while fields.len() > keep && fields.last().is_some_and(String::is_empty) {
        fields.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Table, DatasetError> {
        Table::parse(Path::new("labels.csv"), text.as_bytes())
    }

    #[test]
    fn byte_order_mark_line_ends_quotes_and_blank_lines_are_read() {
        for text in [
            "\u{feff}Path, Score \n\"a, b.png\",1\n\nc.png,2",
            "path,score\r\n\"a, b.png\",1\r\n\r\nc.png,2\r\n",
            "path,score\r\"a, b.png\",1\rc.png,2\r",
            "path,score,,\n\"a, b.png\",1,,\nc.png,2,,\n",
        ] {
            let table = parse(text).expect("a good table");
            let score = table.required(&["score"]).expect("there");
            assert_eq!(table.records.len(), 2, "{text:?}");
            assert_eq!(table.text(&table.records[0], 0).expect("there"), "a, b.png");
            assert_eq!(table.number(&table.records[1], score).expect("a number"), 2.0);
        }
    }

    #[test]
    fn a_missing_column_names_those_there_are() {
        let error = parse("file,mos\na,1\n").expect("a table").required(&["path"]);
        let text = error.expect_err("no such column").to_string();
        assert!(text.contains("`path`") && text.contains("file, mos"), "{text}");
    }

    #[test]
    fn a_short_record_names_its_line() {
        let text = parse("path,score\na.png,1\nb.png\n").expect_err("short").to_string();
        assert!(text.contains("labels.csv") && text.contains("line 3"), "{text}");
    }

    #[test]
    fn lines_that_end_with_a_lone_cr_are_counted() {
        let text = parse("path,score\ra.png,1\rb.png\r").expect_err("short").to_string();
        assert!(text.contains("line 3"), "{text}");
    }

    #[test]
    fn scores_that_are_no_numbers_name_their_line() {
        for bad in ["", "nan", "inf", "good"] {
            let table = parse(&format!("path,score\na.png,{bad}\n")).expect("a table");
            let text = table.number(&table.records[0], 1).expect_err("bad").to_string();
            assert!(text.contains("line 2") && text.contains("score"), "{text}");
        }
    }
}
