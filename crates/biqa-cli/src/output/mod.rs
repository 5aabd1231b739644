//! Rows on their way out: the formats, the partial file, and what an earlier run has left.
//!
//! Who calls: `cmd_score`. A [`Writer`] takes rows in their final order; where they go until then is
//! `partial`'s business.

mod csv;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
pub mod partial;
pub mod previous;
mod table;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use biqa::record::Record;

pub use self::table::{Table, columns};
use crate::words::shown;

/// The suffixes that `-o` knows, for messages.
pub const SUFFIXES: &str = ".csv, .jsonl, .parquet";

/// The forms that a file of rows has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Csv,
    JsonLines,
    Parquet,
}

impl Format {
    /// The format that the file's suffix asks for.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        let suffix = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        match suffix.to_ascii_lowercase().as_str() {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::JsonLines),
            "parquet" if cfg!(feature = "parquet") => Ok(Self::Parquet),
            "parquet" => bail!(
                "{} asks for Parquet, which this build does not write \
                 (rebuild with --features parquet)",
                shown(path)
            ),
            _ => bail!("{} has none of the suffixes that -o knows: {SUFFIXES}", shown(path)),
        }
    }

    /// All rows of a finished file, in order.
    pub fn read(
        self,
        path: &Path,
        row: &mut dyn FnMut(Record) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let file = File::open(path).with_context(|| format!("cannot read {}", shown(path)))?;
        let read = match self {
            Self::Csv => csv::read(file, row),
            Self::JsonLines => jsonl::read(file, row),
            #[cfg(feature = "parquet")]
            Self::Parquet => parquet::read(file, row),
            #[cfg(not(feature = "parquet"))]
            Self::Parquet => unreachable!("Format::of gives Parquet only where it is built in"),
        };
        read.with_context(|| {
            format!("{} is not a finished output of biqa score (--force replaces it)", shown(path))
        })
    }
}

/// Takes rows in their final order.
pub enum Writer {
    Csv(Box<csv::Rows<BufWriter<File>>>),
    JsonLines(Box<dyn Write>),
    #[cfg(feature = "parquet")]
    Parquet(Box<parquet::Rows>),
    Table(Table),
}

impl Writer {
    /// A writer into `file`.
    pub fn into_file(format: Format, file: File) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(csv::Rows::new(BufWriter::new(file))?)),
            Format::JsonLines => Self::JsonLines(Box::new(BufWriter::new(file))),
            #[cfg(feature = "parquet")]
            Format::Parquet => Self::Parquet(Box::new(parquet::Rows::new(file)?)),
            #[cfg(not(feature = "parquet"))]
            Format::Parquet => unreachable!("Format::of gives Parquet only where it is built in"),
        })
    }

    /// JSON lines on standard output, each written as it comes.
    pub fn lines_on_stdout() -> Self {
        Self::JsonLines(Box::new(io::stdout()))
    }

    pub fn write(&mut self, row: &Record) -> anyhow::Result<()> {
        match self {
            Self::Csv(rows) => rows.write(row),
            Self::JsonLines(out) => Ok(out.write_all(jsonl::line(row)?.as_bytes())?),
            #[cfg(feature = "parquet")]
            Self::Parquet(rows) => rows.write(row),
            Self::Table(table) => Ok(table.write(row)?),
        }
    }

    /// Writes what is still held back. For a file: nothing may follow.
    pub fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Csv(rows) => rows.finish(),
            Self::JsonLines(mut out) => Ok(out.flush()?),
            #[cfg(feature = "parquet")]
            Self::Parquet(rows) => rows.finish(),
            Self::Table(table) => Ok(table.finish()?),
        }
    }
}
