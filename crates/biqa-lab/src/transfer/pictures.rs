//! The degraded pictures of the sources, by KADID's operations with the range stretched before and
//! after, under the names of the label files.

use std::fs;
use std::path::{Path, PathBuf};

use biqa::image::{LoadOptions, load};

use super::files::put;
use super::rows::{LabelRow, folder_of, label_rows, picture_name, stem_of};
use super::scores::{LEVELS, TYPES};
use super::{Settings, TransferError};
use crate::copies::{BatchError, Copies, write_png};

/// What a picture made here ends in, and what one made elsewhere does (section 5).
pub(super) const OURS: &str = "png";
pub(super) const THEIRS: &str = "bmp";

/// With which settings pictures were begun.
const SETTINGS: &str = "settings.json";

/// Makes the pictures of one run.
pub(super) struct Maker<'a> {
    out: &'a Path,
    batch_size: usize,
    seed: u64,
    /// Pictures that are there were made by a run with the same settings, and may stay.
    trusted: bool,
}

impl<'a> Maker<'a> {
    /// Refuses a folder whose pictures were begun with other settings.
    pub(super) fn begin(out: &'a Path, settings: &Settings) -> Result<Self, TransferError> {
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
        let Settings { batch_size, seed, .. } = *settings;
        Ok(Self { out, batch_size, seed, trusted: known.is_some() })
    }

    /// Writes the pictures of the source at position `number`, or leaves none of them.
    pub(super) fn make(&self, number: usize, path: &Path, name: &str) -> Result<(), BatchError> {
        let files = self.files(number, name);
        if self.trusted && files.iter().all(|file| file.is_file()) {
            return Ok(());
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
        let made = write();
        if made.is_err() {
            for file in files {
                // It may not have been there.
                let _ = fs::remove_file(file);
            }
        }
        made
    }

    fn files(&self, number: usize, name: &str) -> Vec<PathBuf> {
        let folder = folder_of(number, self.batch_size);
        label_rows(1, TYPES, LEVELS)
            .map(|row| LabelRow { source: number, ..row })
            .map(|row| self.out.join(picture_name(folder, stem_of(name), &row, OURS)))
            .collect()
    }
}
