//! What an earlier run has left in its partial file, looked up place by place on `--resume`.
//!
//! A row is done when path, file size, model digest and loader are equal and it has a score; failed
//! rows are tried again. Only 16 bytes a row are held in memory: where it is, and its path's hash.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, bail};
use biqa::record::{Record, SCHEMA};

use crate::words::{path_text, shown};

/// The rows of an earlier run.
#[derive(Debug)]
pub struct Previous {
    reader: BufReader<File>,
    /// Where the reader stands.
    at: u64,
    digest: String,
    loader: String,
    /// Hash of the path and place of each row that may be taken over, sorted.
    index: Vec<(u64, u64)>,
    /// What was found.
    pub found: Found,
}

/// The rows that were found, by what becomes of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Scored by this model.
    pub done: u64,
    /// Without a score.
    pub failed: u64,
    /// Scored by another model, and the digest of the last of them.
    pub foreign: u64,
    /// The digest of the last foreign row.
    pub foreign_digest: String,
    /// Scored by this model on pictures that were loaded otherwise.
    pub loaded_otherwise: u64,
    /// The loader of the last of them.
    pub other_loader: String,
    /// Lines that are no rows.
    pub broken: u64,
}

impl Found {
    fn rows(&self) -> u64 {
        self.done + self.failed + self.foreign + self.loaded_otherwise
    }
}

impl Previous {
    /// Reads the partial file once; gives back as well where its last whole line ends.
    pub fn scan(path: &Path, digest: &str, loader: &str) -> anyhow::Result<(Self, u64)> {
        let context = || format!("cannot read {}", shown(path));
        let file = File::open(path).with_context(context)?;
        let mut previous = Self {
            reader: BufReader::new(file),
            at: 0,
            digest: digest.to_owned(),
            loader: loader.to_owned(),
            index: Vec::new(),
            found: Found::default(),
        };
        let end = previous.read_all().with_context(context)?;
        let found = &previous.found;
        if found.broken > 0 && found.rows() == 0 {
            bail!("{} is not a partial file of biqa score (--force replaces it)", shown(path));
        }
        previous.index.sort_unstable();
        Ok((previous, end))
    }

    fn read_all(&mut self) -> io::Result<u64> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let start = self.at;
            self.at += self.reader.read_until(b'\n', &mut line)? as u64;
            // A line without its end was torn by a kill: it is no row, and the next one goes there.
            if line.last() != Some(&b'\n') {
                return Ok(start);
            }
            match serde_json::from_slice::<Record>(&line) {
                Ok(row) if row.schema == SCHEMA => self.note(&row, start),
                _ => self.found.broken += 1,
            }
        }
    }

    fn note(&mut self, row: &Record, start: u64) {
        if row.score.is_none() {
            self.found.failed += 1;
        } else if row.digest != self.digest {
            self.found.foreign += 1;
            self.found.foreign_digest.clone_from(&row.digest);
        } else if row.loader != self.loader {
            self.found.loaded_otherwise += 1;
            self.found.other_loader.clone_from(&row.loader);
        } else {
            self.found.done += 1;
            self.index.push((hash(&row.path), start));
        }
    }

    /// The place of this file's row, if it is done. Doubt, such as a read error, means it is not.
    pub fn find(&mut self, path: &Path) -> Option<Range<u64>> {
        let text = path_text(path);
        let key = hash(&text);
        let size = fs::metadata(path).ok()?.len();
        let from = self.index.partition_point(|&(hash, _)| hash < key);
        let to = self.index.partition_point(|&(hash, _)| hash <= key);
        // The last one first: a file that changed has an old row and a new one.
        for i in (from..to).rev() {
            let (_, start) = self.index[i];
            let row = self.row_at(start).ok()?;
            let alike = row.digest == self.digest && row.loader == self.loader;
            if alike && row.path == text && row.bytes == Some(size) {
                return Some(start..self.at);
            }
        }
        None
    }

    fn row_at(&mut self, start: u64) -> io::Result<Record> {
        self.reader.seek_relative(start as i64 - self.at as i64)?;
        self.at = start;
        let mut line = Vec::new();
        self.at += self.reader.read_until(b'\n', &mut line)? as u64;
        Ok(serde_json::from_slice(&line)?)
    }
}

/// The standard hasher with its fixed keys; the hash never leaves this process.
fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
