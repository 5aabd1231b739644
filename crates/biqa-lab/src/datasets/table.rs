//! Label files in CSV form (`papers/datasets.md`, 1.4).
//!
//! UTF-8 with or without byte order mark, or UTF-16 with one; LF, CRLF or lone CR; RFC 4180 quotes;
//! fields parted by commas, or by semicolons or tabs where the header has no comma (as spreadsheets
//! write them); blank lines skipped, headers trimmed and without case. Every error names the file
//! and the line.

use super::DatasetError;
use super::error::counted;
use super::lines::Lines;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A label file in memory: the header and the records with their line numbers.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) file: PathBuf,
    /// What a record is called in an error: `line`, or `row` where the file has no lines.
    pub(crate) unit: &'static str,
    header: Vec<String>,
    pub(crate) records: Vec<Record>,
}

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) line: u64,
    fields: Vec<String>,
}

impl Table {
    /// Reads a file.
    pub(crate) fn read(file: &Path) -> Result<Table, DatasetError> {
        let bytes = std::fs::read(file)
            .map_err(|source| DatasetError::Read { path: file.to_path_buf(), source })?;
        Table::parse(file, &bytes)
    }

    /// A table that another reader made. Records count from 1.
    #[cfg(feature = "parquet")]
    pub(crate) fn of_rows(file: &Path, header: &[String], rows: Vec<Vec<String>>) -> Table {
        let records = (1..).zip(rows).map(|(line, fields)| Record { line, fields }).collect();
        let header = header.iter().map(|name| name.trim().to_lowercase()).collect();
        Table { file: file.to_path_buf(), unit: "row", header, records }
    }

    /// Parses the bytes of `file`.
    pub(crate) fn parse(file: &Path, bytes: &[u8]) -> Result<Table, DatasetError> {
        let bytes = utf8(bytes);
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut lines = Lines::of(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter(bytes))
            .from_reader(bytes);
        let mut header: Option<Vec<String>> = None;
        let mut records = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| DatasetError::Form {
                file: file.to_path_buf(),
                unit: "line",
                line: error.position().map_or(0, |place| lines.line(place.byte())),
                reason: error.to_string(),
            })?;
            let line = record.position().map_or(0, |place| lines.line(place.byte()));
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
                    reason: format!(
                        "{}, the header has {}",
                        counted(fields.len(), "column"),
                        header.len()
                    ),
                });
            }
            records.push(Record { line, fields });
        }
        let header = header.unwrap_or_default();
        Ok(Table { file: file.to_path_buf(), unit: "line", header, records })
    }

    /// The number of the first of `names` that the header has.
    pub(crate) fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|found| found == name))
    }

    /// [`Table::column`], or an error that lists the columns there are.
    pub(crate) fn required(&self, names: &[&str]) -> Result<usize, DatasetError> {
        let column = self.column(names).ok_or_else(|| DatasetError::MissingColumn {
            file: self.file.clone(),
            wanted: names.join("` or `"),
            found: self.header.join(", "),
        })?;
        self.refuse_two(&[self.header[column].as_str()])?;
        Ok(column)
    }

    /// Refuses a header that has one of `names` twice, or two of them.
    pub(crate) fn refuse_two(&self, names: &[&str]) -> Result<(), DatasetError> {
        let mut found = self.header.iter().filter(|name| names.contains(&name.as_str()));
        match (found.next(), found.next()) {
            (Some(first), Some(second)) => Err(DatasetError::TwoColumns {
                file: self.file.clone(),
                first: first.clone(),
                second: second.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The columns that are none of `known`.
    pub(crate) fn other_columns(&self, known: &[&str]) -> Vec<&str> {
        let names = self.header.iter().map(String::as_str);
        names.filter(|name| !name.is_empty() && !known.contains(name)).collect()
    }

    /// A field that must not be empty.
    pub(crate) fn text<'a>(
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
    pub(crate) fn number(&self, record: &Record, column: usize) -> Result<f64, DatasetError> {
        let text = &record.fields[column];
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ if text.replace(',', ".").parse::<f64>().is_ok() => {
                Err(self.bad(record, column, text, "a finite number, with a point and no comma"))
            }
            _ => Err(self.bad(record, column, text, "a finite number")),
        }
    }

    /// The error for a field.
    pub(crate) fn bad(
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
    pub(crate) fn optional(&self, column: Option<usize>) -> Option<&str> {
        column.map(|column| self.fields[column].as_str()).filter(|text| !text.is_empty())
    }
}

/// UTF-16 with a byte order mark, as some spreadsheets write it, as UTF-8; other bytes as they are.
fn utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return Cow::Borrowed(bytes),
    };
    let (pairs, odd) = bytes[2..].as_chunks::<2>();
    let units = pairs.iter().map(|&pair| unit(pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if odd.is_empty() => Cow::Owned(text.into_bytes()),
        // The reader says in which line it is no text.
        _ => Cow::Borrowed(bytes),
    }
}

/// What parts the header's fields.
fn delimiter(bytes: &[u8]) -> u8 {
    let header =
        bytes.split(|b| matches!(b, b'\r' | b'\n')).find(|line| !line.trim_ascii().is_empty());
    let header = header.unwrap_or_default();
    let parts = |mark| header.contains(&mark).then_some(mark);
    parts(b',').or_else(|| parts(b';')).or_else(|| parts(b'\t')).unwrap_or(b',')
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
            "\n path;score \na, b.png;1\nc.png;2\n",
            "path\tscore\r\na, b.png\t1\r\nc.png\t2\r\n",
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
    fn a_column_that_stands_twice_is_refused_where_it_is_asked_for() {
        let table = parse("path,score,Score\na,1,2\n").expect("a table");
        assert!(table.required(&["path"]).is_ok());
        let text = table.required(&["score"]).expect_err("which?").to_string();
        assert!(text.contains("`score` and `score`"), "{text}");
    }

    #[test]
    fn a_short_record_names_its_line() {
        let text = parse("path,score\na.png,1\nb.png\n").expect_err("short").to_string();
        assert!(text.contains("labels.csv") && text.contains("line 3"), "{text}");
    }

    #[test]
    fn utf_16_is_read_in_both_byte_orders() {
        let text = "path;score\r\nstra\u{df}e.png;1\r\n";
        let little = text.encode_utf16().flat_map(u16::to_le_bytes);
        let big = text.encode_utf16().flat_map(u16::to_be_bytes);
        let files = [
            [0xff, 0xfe].into_iter().chain(little).collect::<Vec<u8>>(),
            [0xfe, 0xff].into_iter().chain(big).collect(),
        ];
        for bytes in files {
            let table = Table::parse(Path::new("labels.csv"), &bytes).expect("a table");
            assert_eq!(table.text(&table.records[0], 0).expect("there"), "stra\u{df}e.png");
            let torn = Table::parse(Path::new("labels.csv"), &bytes[..bytes.len() - 1]);
            assert!(torn.is_err_and(|e| e.to_string().contains("UTF-8")), "half a character");
        }
    }

    #[test]
    fn a_byte_order_mark_and_crlf_move_no_line_number() {
        for text in ["\u{feff}path,score\r\na.png,1\r\nb.png\r\n", "path,score\r\na.png,1\r\nb.png"]
        {
            let text = parse(text).expect_err("short").to_string();
            assert!(text.contains("line 3"), "{text}");
        }
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
