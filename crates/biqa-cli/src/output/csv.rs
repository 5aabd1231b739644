//! CSV as RFC 4180 has it, with `\n` line ends: a header, the fields of [`Record`] in their order,
//! an empty field for "none", notes joined with `; `.

use std::fs::File;
use std::io::{self, Write};
use std::str::FromStr;

use anyhow::{Context, bail};
use biqa::record::Record;
use csv::{Reader, ReaderBuilder, StringRecord, WriterBuilder};

/// The names of the columns: those of the row's fields.
const COLUMNS: [&str; 16] = [
    "schema",
    "path",
    "width",
    "height",
    "bytes",
    "score",
    "raw",
    "notes",
    "error",
    "error_kind",
    "model",
    "digest",
    "version",
    "view",
    "ms",
    "loader",
];

/// Between two notes.
const BETWEEN_NOTES: &str = "; ";

/// Rows into a file.
pub struct Rows<W: Write> {
    out: csv::Writer<W>,
}

impl<W: Write> Rows<W> {
    /// Writes the header.
    pub fn new(out: W) -> anyhow::Result<Self> {
        let mut out = WriterBuilder::new().from_writer(out);
        out.write_record(COLUMNS)?;
        Ok(Self { out })
    }

    pub fn write(&mut self, row: &Record) -> anyhow::Result<()> {
        // Taken apart by name: a new field of the row is an error here, not a missing column.
        let Record {
            schema,
            path,
            width,
            height,
            bytes,
            score,
            raw,
            notes,
            error,
            error_kind,
            model,
            digest,
            version,
            view,
            ms,
            loader,
        } = row.clone();
        self.out.write_record([
            schema.to_string(),
            path,
            field(width),
            field(height),
            field(bytes),
            field(score.filter(|x| x.is_finite())),
            field(raw.filter(|x| x.is_finite())),
            notes.join(BETWEEN_NOTES),
            error.unwrap_or_default(),
            error_kind.unwrap_or_default(),
            model,
            digest,
            version,
            view,
            field(ms.filter(|x| x.is_finite())),
            loader,
        ])?;
        Ok(())
    }

    pub fn finish(mut self) -> anyhow::Result<()> {
        Ok(self.out.flush()?)
    }
}

/// Numbers in the fewest digits that give them back.
fn field<T: ToString>(value: Option<T>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

/// All rows of a file that [`Rows`] wrote.
pub fn read(file: File, row: &mut dyn FnMut(Record) -> io::Result<()>) -> anyhow::Result<()> {
    let mut reader: Reader<File> = ReaderBuilder::new().from_reader(file);
    let found = reader.headers()?;
    if found != &StringRecord::from(COLUMNS.to_vec()) {
        bail!("its columns are not those of a row");
    }
    for (number, fields) in reader.records().enumerate() {
        let record = parse(&fields?).with_context(|| format!("row {}", number + 1))?;
        row(record)?;
    }
    Ok(())
}

fn parse(fields: &StringRecord) -> anyhow::Result<Record> {
    let text = |i: usize| fields[i].to_owned();
    let optional = |i: usize| Some(text(i)).filter(|t| !t.is_empty());
    Ok(Record {
        schema: fields[0].parse().context("column schema")?,
        path: text(1),
        width: number(fields, 2)?,
        height: number(fields, 3)?,
        bytes: number(fields, 4)?,
        score: number(fields, 5)?,
        raw: number(fields, 6)?,
        notes: optional(7)
            .map_or_else(Vec::new, |notes| notes.split(BETWEEN_NOTES).map(str::to_owned).collect()),
        error: optional(8),
        error_kind: optional(9),
        model: text(10),
        digest: text(11),
        version: text(12),
        view: text(13),
        ms: number(fields, 14)?,
        loader: text(15),
    })
}

fn number<T: FromStr>(fields: &StringRecord, column: usize) -> anyhow::Result<Option<T>> {
    let text = &fields[column];
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(_) => bail!("column {}: {text:?} is no number", COLUMNS[column]),
    }
}
