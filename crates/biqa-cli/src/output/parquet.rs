//! Parquet, by the low-level writer: no Arrow in the tree. Notes are a list of strings, as data
//! frames expect it; everything else is a flat column. Pages are not compressed, so that no codec
//! has to be built in.

use std::fs::File;
use std::io;
use std::sync::Arc;

use anyhow::{Context, bail};
use biqa::record::Record;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;
use serde_json::{Map, Value};

/// The row's fields in their order.
const SCHEMA: &str = "
message row {
  required int32 schema;
  required binary path (STRING);
  optional int32 width;
  optional int32 height;
  optional int64 bytes;
  optional double score;
  optional double raw;
  required group notes (LIST) { repeated group list { required binary element (STRING); } }
  optional binary error (STRING);
  optional binary error_kind (STRING);
  required binary model (STRING);
  required binary digest (STRING);
  required binary version (STRING);
  required binary view (STRING);
  optional double ms;
  required binary loader (STRING);
}";

/// Rows of one row group: about 10 MB in memory, whatever the number of images.
const GROUP: usize = 16_384;

/// Rows into a file.
pub struct Rows {
    out: SerializedFileWriter<File>,
    waiting: Vec<Record>,
}

impl Rows {
    pub fn new(file: File) -> anyhow::Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = WriterProperties::builder()
            .set_created_by(concat!("biqa ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let out = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        Ok(Self { out, waiting: Vec::new() })
    }

    pub fn write(&mut self, row: &Record) -> anyhow::Result<()> {
        self.waiting.push(row.clone());
        if self.waiting.len() == GROUP { self.write_group() } else { Ok(()) }
    }

    pub fn finish(mut self) -> anyhow::Result<()> {
        if !self.waiting.is_empty() {
            self.write_group()?;
        }
        self.out.close()?;
        Ok(())
    }

    /// One column after the other, in the order of [`SCHEMA`].
    fn write_group(&mut self) -> anyhow::Result<()> {
        let rows = std::mem::take(&mut self.waiting);
        let mut open = self.out.next_row_group()?;
        let group = &mut open;
        int_column(group, &rows, |row| Some(row.schema))?;
        text_column(group, &rows, |row| Some(&row.path))?;
        int_column(group, &rows, |row| row.width)?;
        int_column(group, &rows, |row| row.height)?;
        column::<Int64Type>(group, rows.iter().map(|row| row.bytes.map(|n| n as i64)))?;
        number_column(group, &rows, |row| row.score)?;
        number_column(group, &rows, |row| row.raw)?;
        notes_column(group, &rows)?;
        text_column(group, &rows, |row| row.error.as_ref())?;
        text_column(group, &rows, |row| row.error_kind.as_ref())?;
        text_column(group, &rows, |row| Some(&row.model))?;
        text_column(group, &rows, |row| Some(&row.digest))?;
        text_column(group, &rows, |row| Some(&row.version))?;
        text_column(group, &rows, |row| Some(&row.view))?;
        number_column(group, &rows, |row| row.ms)?;
        text_column(group, &rows, |row| Some(&row.loader))?;
        open.close()?;
        Ok(())
    }
}

/// The row group that is being written.
type Group<'a> = SerializedRowGroupWriter<'a, File>;

fn int_column(
    group: &mut Group<'_>,
    rows: &[Record],
    cell: fn(&Record) -> Option<u32>,
) -> anyhow::Result<()> {
    // Sides and the schema's number are far below 2^31.
    column::<Int32Type>(group, rows.iter().map(|row| cell(row).map(|n| n as i32)))
}

fn number_column(
    group: &mut Group<'_>,
    rows: &[Record],
    cell: fn(&Record) -> Option<f64>,
) -> anyhow::Result<()> {
    column::<DoubleType>(group, rows.iter().map(|row| cell(row).filter(|x| x.is_finite())))
}

fn text_column(
    group: &mut Group<'_>,
    rows: &[Record],
    cell: fn(&Record) -> Option<&String>,
) -> anyhow::Result<()> {
    column::<ByteArrayType>(group, rows.iter().map(|row| cell(row).map(|t| bytes(t))))
}

/// Writes a flat column; `None` needs a column that is optional in [`SCHEMA`].
fn column<T: DataType>(
    group: &mut Group<'_>,
    cells: impl Iterator<Item = Option<T::T>>,
) -> anyhow::Result<()> {
    let mut values = Vec::new();
    let mut present = Vec::new();
    for cell in cells {
        present.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    let mut column = group.next_column()?.context("the schema has fewer columns than a row")?;
    // A required column has no levels; the writer ignores those given for it.
    column.typed::<T>().write_batch(&values, Some(&present), None)?;
    Ok(column.close()?)
}

/// A list of texts a row: for each text its level (1: there is one) and whether it goes on the
/// row's list (1) or begins a row's (0).
fn notes_column(group: &mut Group<'_>, rows: &[Record]) -> anyhow::Result<()> {
    let mut values = Vec::new();
    let mut present = Vec::new();
    let mut goes_on = Vec::new();
    for row in rows {
        if row.notes.is_empty() {
            present.push(0);
            goes_on.push(0);
        }
        for (i, note) in row.notes.iter().enumerate() {
            values.push(bytes(note));
            present.push(1);
            goes_on.push(i16::from(i > 0));
        }
    }
    let mut column = group.next_column()?.context("the schema has fewer columns than a row")?;
    column.typed::<ByteArrayType>().write_batch(&values, Some(&present), Some(&goes_on))?;
    Ok(column.close()?)
}

fn bytes(text: &str) -> ByteArray {
    ByteArray::from(text.as_bytes().to_vec())
}

/// All rows of a file that [`Rows`] wrote.
pub fn read(file: File, row: &mut dyn FnMut(Record) -> io::Result<()>) -> anyhow::Result<()> {
    let reader = SerializedFileReader::new(file)?;
    for (number, fields) in reader.get_row_iter(None)?.enumerate() {
        let mut object = Map::new();
        for (name, field) in fields?.get_column_iter() {
            object.insert(name.clone(), value(field)?);
        }
        let record = serde_json::from_value(Value::Object(object));
        row(record.with_context(|| format!("row {}", number + 1))?)?;
    }
    Ok(())
}

fn value(field: &Field) -> anyhow::Result<Value> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Int(n) => (*n).into(),
        Field::Long(n) => (*n).into(),
        Field::Double(x) => (*x).into(),
        Field::Str(text) => text.as_str().into(),
        Field::ListInternal(list) => {
            Value::Array(list.elements().iter().map(value).collect::<anyhow::Result<_>>()?)
        }
        other => bail!("{other} is of no type that a row has"),
    })
}
