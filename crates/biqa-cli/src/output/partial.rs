//! Where rows wait until all are there: `OUT.partial.jsonl`, or a nameless file for `--sort`.
//!
//! Each row is written at once and in one piece, so that a kill at any moment leaves whole lines and
//! at most one torn one. The final file is written beside it under a third name and renamed into
//! place, so that `OUT` is either not there, or the old one, or complete.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use biqa::record::Record;

use super::previous::Previous;
use super::{Format, Writer, jsonl};
use crate::words::shown;

/// The file that `-o` names, checked before any work.
pub struct Output {
    path: PathBuf,
    format: Format,
    resume: bool,
}

impl Output {
    /// Refuses what could not be written, or would overwrite rows that nobody gave up.
    pub fn check(path: &Path, resume: bool, force: bool) -> anyhow::Result<Self> {
        let output = Self { path: path.to_owned(), format: Format::of(path)?, resume };
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            bail!("cannot write {}: there is no folder {}", shown(path), shown(folder));
        }
        if path.is_dir() {
            bail!("cannot write {}: it is a folder", shown(path));
        }
        if resume || force {
            return Ok(output);
        }
        let partial = output.partial_path();
        if fs::metadata(&partial).is_ok_and(|found| found.len() > 0) {
            bail!(
                "{} has the rows of an unfinished run (continue it with --resume, or start over with \
                 --force)",
                shown(&partial)
            );
        }
        if path.exists() {
            bail!(
                "{} is already there (score only what is new or failed with --resume, or replace it \
                 with --force)",
                shown(path)
            );
        }
        Ok(output)
    }

    /// `OUT.partial.jsonl`
    pub fn partial_path(&self) -> PathBuf {
        with_suffix(&self.path, ".partial.jsonl")
    }

    /// Opens the partial file; with `--resume`, together with what it holds already.
    pub fn begin(&self, digest: &str, loader: &str) -> anyhow::Result<(Spool, Option<Previous>)> {
        let partial = self.partial_path();
        if self.resume && !partial.exists() && self.path.exists() {
            self.take_up_finished()?;
        }
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&partial);
        let file = file.with_context(|| format!("cannot write {}", shown(&partial)))?;
        lock(&file, &partial)?;
        let (previous, end) = if self.resume {
            let (previous, end) = Previous::scan(&partial, digest, loader)?;
            (Some(previous), end)
        } else {
            (None, 0)
        };
        let spool = Spool::at(file, end);
        Ok((spool.with_context(|| format!("cannot write {}", shown(&partial)))?, previous))
    }

    /// Makes the finished file of an earlier run a partial file again, to be continued.
    fn take_up_finished(&self) -> anyhow::Result<()> {
        let writing = with_suffix(&self.path, ".writing");
        let file =
            File::create(&writing).with_context(|| format!("cannot write {}", shown(&writing)))?;
        let mut out = io::BufWriter::new(file);
        let read = self.format.read(&self.path, &mut |row| {
            let line = jsonl::line(&row).map_err(io::Error::other)?;
            out.write_all(line.as_bytes())
        });
        if let Err(error) = read {
            // Only a copy is lost; a copy that stays is not worth hiding the error for.
            let _ = fs::remove_file(&writing);
            return Err(error);
        }
        out.flush().with_context(|| format!("cannot write {}", shown(&writing)))?;
        rename(&writing, &self.partial_path())
    }

    /// Writes the final file by `fill`, renames it into place and removes the partial one.
    pub fn finish(
        &self,
        fill: impl FnOnce(&mut Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let writing = with_suffix(&self.path, ".writing");
        let written = self.write_all(&writing, fill);
        if let Err(error) = written {
            // The rows are safe in the partial file; a half-written copy of them helps nobody.
            let _ = fs::remove_file(&writing);
            return Err(error.context(format!("cannot write {}", shown(&self.path))));
        }
        rename(&writing, &self.path)?;
        let partial = self.partial_path();
        fs::remove_file(&partial).with_context(|| format!("cannot remove {}", shown(&partial)))
    }

    fn write_all(
        &self,
        to: &Path,
        fill: impl FnOnce(&mut Writer) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let file = File::create(to)?;
        let synced = file.try_clone()?;
        let mut writer = Writer::into_file(self.format, file)?;
        fill(&mut writer)?;
        writer.finish()?;
        Ok(synced.sync_all()?)
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::rename(from, to).with_context(|| format!("cannot rename {} to {}", shown(from), shown(to)))
}

/// Two runs into one file would mix their rows. File systems that cannot lock are trusted.
pub fn lock(file: &File, path: &Path) -> anyhow::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            bail!("another run is writing {} (give each run its own -o)", shown(path))
        }
        Err(TryLockError::Error(_)) | Ok(()) => Ok(()),
    }
}

/// Rows in a file, and the order in which they count.
pub struct Spool {
    file: File,
    end: u64,
    order: Vec<Range<u64>>,
}

impl Spool {
    /// A nameless file that goes when we go.
    pub fn nameless() -> anyhow::Result<Self> {
        let file =
            tempfile::tempfile().context("cannot make a temporary file for --sort or --top")?;
        Ok(Self { file, end: 0, order: Vec::new() })
    }

    /// Goes on at `end`; what follows there, a torn line or an abandoned run, is cut off.
    fn at(mut file: File, end: u64) -> io::Result<Self> {
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok(Self { file, end, order: Vec::new() })
    }

    /// Writes a row, which is then the next in order.
    pub fn append(&mut self, row: &Record) -> anyhow::Result<()> {
        let line = jsonl::line(row)?;
        self.file.write_all(line.as_bytes()).context("cannot write the partial file")?;
        let start = self.end;
        self.end += line.len() as u64;
        self.keep(start..self.end);
        Ok(())
    }

    /// Takes rows that are in the file already as the next in order.
    pub fn keep(&mut self, rows: Range<u64>) {
        match self.order.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => self.order.push(rows),
        }
    }

    /// All rows in order, each with its place.
    pub fn each(
        &mut self,
        row: &mut dyn FnMut(Record, Range<u64>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let order = std::mem::take(&mut self.order);
        let read = self.each_of(&order, row);
        self.order = order;
        read
    }

    /// The rows at these places, each with its own place.
    pub fn each_of(
        &mut self,
        places: &[Range<u64>],
        row: &mut dyn FnMut(Record, Range<u64>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&self.file);
        let mut at = 0;
        let mut line = String::new();
        for place in places {
            reader.seek_relative(place.start as i64 - at as i64)?;
            at = place.start;
            while at < place.end {
                line.clear();
                let start = at;
                at += reader.read_line(&mut line).context("cannot read the partial file")? as u64;
                let record = serde_json::from_str(&line)
                    .context("the partial file was changed while it was in use")?;
                row(record, start..at)?;
            }
        }
        Ok(())
    }
}
