//! The degraded pictures of the sources, by KADID's operations with the range stretched before and
//! after, under the names of the label files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use biqa::image::{LoadOptions, load};

use super::files::{SETTINGS, put};
use super::rows::{LabelRow, folder_of, label_rows, picture_name, stem_of};
use super::scores::{LEVELS, TYPES};
use super::{Settings, TransferError};
use crate::copies::{BatchError, Copies, digest_of, write_png};

/// What a picture made here ends in, and what one made elsewhere does (section 5).
pub(super) const OURS: &str = "png";
pub(super) const THEIRS: &str = "bmp";

/// Of which files they were made: position, SHA-256 and name (or that it was begun), a line a source.
const MADE: &str = "made.tsv";

/// In place of a source whose pictures are being made.
const BEGUN: &str = "begun";

/// Makes the pictures of one run.
pub(super) struct Maker<'a> {
    out: &'a Path,
    batch_size: usize,
    seed: u64,
    /// Sources whose pictures an earlier run has made, by position: they may stay where the source is
    /// the same file.
    before: BTreeMap<usize, String>,
    /// The list of them.
    made: Mutex<fs::File>,
}

/// Makes the folder that of a run with these settings, or sees that it is, which is the answer.
pub(super) fn claim(out: &Path, settings: &Settings) -> Result<bool, TransferError> {
    let path = out.join(SETTINGS);
    let text = serde_json::to_string_pretty(settings).expect("settings are plain data");
    let known = fs::read_to_string(&path).ok();
    if let Some(known) = known.as_ref().filter(|known| **known != text) {
        let lines = known.lines().zip(text.lines()).find(|(known, new)| known != new);
        let differs = lines.map_or_else(String::new, |(known, new)| {
            let plain = |line: &str| line.trim().trim_end_matches(',').to_owned();
            format!("{} there, {} now", plain(known), plain(new))
        });
        return Err(TransferError::OtherRun { path: out.to_owned(), differs });
    }
    put(&path, text.as_bytes())?;
    Ok(known.is_some())
}

impl<'a> Maker<'a> {
    /// `known`: whether what is there is of this run.
    pub(super) fn begin(
        out: &'a Path,
        settings: &Settings,
        known: bool,
    ) -> Result<Self, TransferError> {
        let path = out.join(MADE);
        let before =
            if known { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        // Whole lines: what a stopped run has left of one is dropped.
        let whole = before.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines = whole.lines().filter_map(|line| line.split_once('\t'));
        let before: BTreeMap<usize, String> = lines
            .filter_map(|(number, source)| Some((number.parse().ok()?, source.to_owned())))
            .collect();
        let text: String = before.iter().map(|(number, source)| line(*number, source)).collect();
        put(&path, text.as_bytes())?;
        let write = |source| TransferError::Write { path: path.clone(), source };
        let made = fs::OpenOptions::new().append(true).open(&path).map_err(write)?;
        let Settings { batch_size, seed, .. } = *settings;
        Ok(Self { out, batch_size, seed, before, made: Mutex::new(made) })
    }

    /// Writes the pictures of the source at position `number`, or leaves none of them.
    pub(super) fn make(&self, number: usize, path: &Path, name: &str) -> Result<(), BatchError> {
        let files = self.files(number, name);
        let source = format!("{}\t{name}", digest_of(path)?);
        let is_same = self.before.get(&number) == Some(&source);
        if is_same && files.iter().all(|file| file.is_file()) {
            return Ok(());
        }
        if self.before.contains_key(&number) {
            // From here on the pictures that are there are nobody's, until all are made.
            self.note(number, BEGUN)?;
        }
        let picture =
            load(path, &LoadOptions::default()).map_err(|e| BatchError::Load(e.to_string()))?.rgb;
        let addresses = Copies::Kadid { stretch: true }.of(self.seed, name, &picture)?;
        let folder = format!("{:03}", folder_of(number, self.batch_size));
        let write = || {
            addresses.iter().try_for_each(|(suffix, address)| {
                let file = format!("{}{suffix}.{OURS}", stem_of(name));
                write_png(&self.out.join(&folder).join(file), &address.apply_levels(&picture)?)
            })
        };
        let made = write().and_then(|()| self.note(number, &source));
        if made.is_err() {
            for file in files {
                // It may not have been there.
                let _ = fs::remove_file(file);
            }
        }
        made
    }

    /// One line, so that a stopped run leaves a whole one or none.
    fn note(&self, number: usize, source: &str) -> Result<(), BatchError> {
        let mut file = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line(number, source).as_bytes())
            .map_err(|source| BatchError::Write { path: self.out.join(MADE), source })
    }

    fn files(&self, number: usize, name: &str) -> Vec<PathBuf> {
        let folder = folder_of(number, self.batch_size);
        label_rows(1, TYPES, LEVELS)
            .map(|row| LabelRow { source: number, ..row })
            .map(|row| self.out.join(picture_name(folder, stem_of(name), &row, OURS)))
            .collect()
    }
}

/// A line of [`MADE`].
fn line(number: usize, source: &str) -> String {
    format!("{number}\t{source}\n")
}
