//! The files of a transfer: features as `.npy`, tables as CSV in UTF-8 (without a byte order mark;
//! readers take either), each there whole or not at all.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use biqa::scorer::hex;
use biqa::weights::{Array, Arrays, Precision, read_safetensors, to_safetensors};
use sha2::{Digest, Sha256};

use super::TransferError;
use super::features::Backbone;
use crate::train::TrainError;
use crate::train::checkpoint::write_atomic;

/// Counts, settings and digests of a finished run; written last.
pub const MANIFEST: &str = "manifest.json";
/// What labels and pictures were asked for: another run may not go on with them.
pub const SETTINGS: &str = "settings.json";
/// The folder of the sources' features, by which a run goes on.
pub const FEATURES: &str = "features";
/// The references' features: what a run writes first.
pub const REFERENCES: &str = "reference_features.npy";

/// Sources whose features are kept in one file: what a stopped run loses of each at most.
const CHUNK: usize = 256;
/// The tensor in such a file.
const TENSOR: &str = "features";

/// Writes a file whole.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<(), TransferError> {
    write_atomic(path, bytes).map_err(|e| match e {
        TrainError::Io { path, source } => TransferError::Write { path, source },
        other => TransferError::Write {
            path: path.to_owned(),
            source: std::io::Error::other(other.to_string()),
        },
    })
}

/// Makes a folder.
pub(super) fn folder(path: &Path) -> Result<(), TransferError> {
    fs::create_dir_all(path)
        .map_err(|source| TransferError::Write { path: path.to_owned(), source })
}

/// A table in memory.
pub(super) struct Csv(csv::Writer<Vec<u8>>);

impl Csv {
    pub(super) fn new(header: &[&str]) -> Self {
        let mut table = Self(csv::Writer::from_writer(Vec::new()));
        table.row(header.iter().copied());
        table
    }

    pub(super) fn row(&mut self, fields: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        self.0.write_record(fields).expect("memory takes every row of as many fields");
    }

    pub(super) fn put(self, path: &Path) -> Result<(), TransferError> {
        put(path, &self.0.into_inner().expect("memory can be flushed"))
    }
}

/// A path as tables have it: forward slashes.
pub(super) fn text_of(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// `.npy`, version 1.0, of float32 rows.
pub(super) fn npy(rows: &[Vec<f32>]) -> Vec<u8> {
    let width = rows.first().map_or(0, Vec::len);
    let head = |pad: &dyn Display| {
        let shape = format!("({}, {width})", rows.len());
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}{pad}\n")
    };
    // Mark, version and length take 10 bytes; the numbers begin at a multiple of 64.
    let pad = (64 - (10 + head(&"").len()) % 64) % 64;
    let head = head(&" ".repeat(pad));
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(head.len() as u16).to_le_bytes());
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend(rows.iter().flatten().flat_map(|v| v.to_le_bytes()));
    bytes
}

/// Features of many sources, a file for every 256, so that a stopped run loses no more.
///
/// A file is named after the weights and after path, size and time of its sources, so that one that
/// is there can be trusted.
pub(super) struct Store<'a> {
    pub(super) dir: PathBuf,
    pub(super) backbone: &'a Backbone,
    pub(super) threads: usize,
}

impl Store<'_> {
    /// The features of `paths`, chunk by chunk: where a chunk begins, and what its sources gave.
    pub(super) fn each(
        &self,
        paths: &[PathBuf],
        done: &mut dyn FnMut(),
        mut take: impl FnMut(usize, Vec<Result<Vec<f32>, String>>),
    ) -> Result<(), TransferError> {
        folder(&self.dir)?;
        for (k, chunk) in paths.chunks(CHUNK).enumerate() {
            take(k * CHUNK, self.chunk(chunk, done)?);
        }
        Ok(())
    }

    fn chunk(
        &self,
        paths: &[PathBuf],
        done: &mut dyn FnMut(),
    ) -> Result<Vec<Result<Vec<f32>, String>>, TransferError> {
        let file = self.dir.join(format!("{}.safetensors", self.name(paths)));
        let mut rows = read(&file, paths.len()).unwrap_or_else(|| vec![None; paths.len()]);
        let missing: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].is_none()).collect();
        (missing.len()..rows.len()).for_each(|_| done());
        if missing.is_empty() {
            return Ok(rows.into_iter().flatten().map(Ok).collect());
        }
        let wanted: Vec<PathBuf> = missing.iter().map(|&i| paths[i].clone()).collect();
        let mut reasons = BTreeMap::new();
        let found = self.backbone.features(&wanted, self.threads, done);
        for (&i, feature) in missing.iter().zip(found) {
            match feature {
                Ok(feature) => rows[i] = Some(feature),
                Err(reason) => drop(reasons.insert(i, reason)),
            }
        }
        if reasons.len() < missing.len() {
            put(&file, &bytes_of(&rows))?;
        }
        let known = |(i, row): (usize, Option<Vec<f32>>)| {
            row.ok_or_else(|| reasons.remove(&i).unwrap_or_default())
        };
        Ok(rows.into_iter().enumerate().map(known).collect())
    }

    fn name(&self, paths: &[PathBuf]) -> String {
        let mut hash = Sha256::new();
        hash.update(self.backbone.digest());
        for path in paths {
            let state = fs::metadata(path).ok().map(|found| (found.len(), found.modified().ok()));
            hash.update(format!("\n{}\n{state:?}", path.display()));
        }
        hex(&hash.finalize())[..32].to_owned()
    }
}

/// A file of features. A source without one has a row of NaN: it is looked at again next time, when
/// it may have been mended.
fn bytes_of(rows: &[Option<Vec<f32>>]) -> Vec<u8> {
    let width = rows.iter().flatten().map(Vec::len).next().unwrap_or(0);
    let nothing = vec![f32::NAN; width];
    let data = rows.iter().flat_map(|row| row.as_ref().unwrap_or(&nothing)).copied().collect();
    let array = Array { shape: vec![rows.len(), width], data };
    to_safetensors(&Arrays::from([(TENSOR.to_owned(), array)]), None, Precision::F32)
}

/// The rows of a file of features, if it is whole.
fn read(file: &Path, rows: usize) -> Option<Vec<Option<Vec<f32>>>> {
    let bytes = fs::read(file).ok()?;
    let (mut arrays, _) = read_safetensors(&bytes, "features").ok()?;
    let Array { shape, data } = arrays.remove(TENSOR)?;
    let [n, width] = shape[..] else { return None };
    let row = |row: &[f32]| (!row[0].is_nan()).then(|| row.to_vec());
    (n == rows && width > 0).then(|| data.chunks_exact(width).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::formats::npy::{Data, read_npy};

    #[test]
    fn an_array_reads_back_and_its_numbers_begin_at_a_multiple_of_64() {
        for width in [1, 3, 2048] {
            let rows = vec![vec![0.5; width]; 3];
            let bytes = npy(&rows);
            assert_eq!((bytes.len() - 3 * width * 4) % 64, 0, "{width}");
            let found = read_npy(&bytes, "a.npy").expect("a good file");
            assert_eq!(found.shape, [3, width]);
            assert_eq!(found.data, Data::Floats(vec![0.5; 3 * width]));
        }
    }

    #[test]
    fn a_torn_file_of_features_is_made_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.safetensors");
        let rows = vec![None, Some(vec![3.0, 4.0])];
        let bytes = bytes_of(&rows);
        fs::write(&file, &bytes).expect("writable");
        assert_eq!(read(&file, 2), Some(rows));
        assert_eq!(read(&file, 3), None);
        fs::write(&file, &bytes[..bytes.len() - 1]).expect("writable");
        assert_eq!(read(&file, 2), None);
    }
}
