//! A few tensors of a large file: one layer of a language model is 400 MB of a file of 13 GB.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, TensorInfo};
use serde::Deserialize;

use super::file::widen;
use super::pth::{Checkpoint, is_pytorch};
use super::{Array, WeightsError};

/// Largest header of a safetensors file, in bytes; the format's own limit.
const MAX_HEADER: u64 = 100_000_000;
/// Largest index of several files, in bytes. LLaMA's has 27 KB.
const MAX_INDEX: u64 = 10_000_000;

/// Reads single tensors, in the order of `wanted`; each entry holds the names that its tensor may
/// have, which differ between makers.
///
/// `path` is a safetensors file, a `.json` index of several beside it (as Hugging Face writes), or
/// PyTorch's `.pth`. Other tensors are passed over unread. `network` stands in errors for what
/// needs the tensors.
pub fn read_some<const N: usize>(
    path: &Path,
    wanted: &[[String; N]],
    network: &str,
) -> Result<Vec<Array>, WeightsError> {
    let mut files = Files { path, shards: BTreeMap::new(), index: None };
    let mut found = Vec::with_capacity(wanted.len());
    let mut missing = Vec::new();
    for names in wanted {
        match files.first_of(names)? {
            Some(array) => found.push(array),
            None => missing.push(names[0].clone()),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    Err(WeightsError::Mismatch {
        name: path.display().to_string(),
        network: network.to_owned(),
        missing,
        unused: Vec::new(),
        misshapen: Vec::new(),
    })
}

/// The files behind a path, opened when first needed.
struct Files<'a> {
    path: &'a Path,
    shards: BTreeMap<PathBuf, Shard>,
    index: Option<Index>,
}

/// An index of Hugging Face: which file holds which tensor.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

enum Shard {
    Safetensors { file: File, data_start: u64, length: u64, metadata: Metadata },
    PyTorch(Checkpoint),
}

impl Files<'_> {
    fn first_of(&mut self, names: &[String]) -> Result<Option<Array>, WeightsError> {
        for name in names {
            if let Some(array) = self.read(name)? {
                return Ok(Some(array));
            }
        }
        Ok(None)
    }

    fn read(&mut self, tensor: &str) -> Result<Option<Array>, WeightsError> {
        let path = if self.path.extension().is_some_and(|suffix| suffix == "json") {
            let index = match self.index.take() {
                Some(index) => index,
                None => read_index(self.path)?,
            };
            let file = index.weight_map.get(tensor).cloned();
            self.index = Some(index);
            // An index names files beside it and nothing else.
            match file.as_deref().and_then(|file| Path::new(file).file_name()) {
                Some(file) => self.path.with_file_name(file),
                None => return Ok(None),
            }
        } else {
            self.path.to_owned()
        };
        let shard = match self.shards.remove(&path) {
            Some(shard) => shard,
            None => open(&path)?,
        };
        let shard = self.shards.entry(path.clone()).or_insert(shard);
        shard.read(tensor, &path)
    }
}

fn format(path: &Path, format: &'static str, reason: impl ToString) -> WeightsError {
    WeightsError::Format { name: path.display().to_string(), format, reason: reason.to_string() }
}

fn read_index(path: &Path) -> Result<Index, WeightsError> {
    let read = |source| WeightsError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(read)?;
    file.take(MAX_INDEX).read_to_string(&mut text).map_err(read)?;
    serde_json::from_str(&text).map_err(|e| format(path, "safetensors index", e))
}

fn open(path: &Path) -> Result<Shard, WeightsError> {
    let read = |source| WeightsError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read)?;
    // The length of a safetensors header and the header's first byte.
    let mut start = [0; 9];
    file.read_exact(&mut start).map_err(read)?;
    if is_pytorch(&start) {
        return super::pth::open(path).map(Shard::PyTorch);
    }
    let length = file.metadata().map_err(read)?.len();
    let [header @ .., _] = start;
    let header = u64::from_le_bytes(header);
    if header > MAX_HEADER || header > length.saturating_sub(8) {
        let reason = format!("its header claims {header} bytes; the file has {length}");
        return Err(format(path, "safetensors", reason));
    }
    let mut bytes = vec![0; header as usize];
    file.seek(SeekFrom::Start(8)).map_err(read)?;
    file.read_exact(&mut bytes).map_err(read)?;
    let metadata: Metadata =
        serde_json::from_slice(&bytes).map_err(|e| format(path, "safetensors", e))?;
    Ok(Shard::Safetensors { file, data_start: 8 + header, length, metadata })
}

impl Shard {
    fn read(&mut self, tensor: &str, path: &Path) -> Result<Option<Array>, WeightsError> {
        match self {
            Self::Safetensors { file, data_start, length, metadata } => {
                let Some(info) = metadata.info(tensor) else { return Ok(None) };
                let bytes = bytes_of(file, info, *data_start, *length, path)?;
                array(&bytes, &format!("{:?}", info.dtype), &info.shape, tensor, path).map(Some)
            }
            Self::PyTorch(Checkpoint { reader, .. }) => {
                let Some(found) = reader.get(tensor) else { return Ok(None) };
                let bytes =
                    found.read().map_err(|e| format(path, "PyTorch", format!("{tensor}: {e}")))?;
                array(&bytes, &format!("{:?}", found.dtype()), found.shape(), tensor, path)
                    .map(Some)
            }
        }
    }
}

fn bytes_of(
    file: &mut File,
    info: &TensorInfo,
    data_start: u64,
    length: u64,
    path: &Path,
) -> Result<Vec<u8>, WeightsError> {
    let (begin, end) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
    if begin > end || end > length - data_start {
        let reason = format!("a tensor stands at {begin}..{end}; the file has {length} bytes");
        return Err(format(path, "safetensors", reason));
    }
    let read = |source| WeightsError::Read { path: path.to_owned(), source };
    let mut bytes = vec![0; (end - begin) as usize];
    file.seek(SeekFrom::Start(data_start + begin)).map_err(read)?;
    file.read_exact(&mut bytes).map_err(read)?;
    Ok(bytes)
}

fn array(
    bytes: &[u8],
    dtype: &str,
    shape: &[usize],
    tensor: &str,
    path: &Path,
) -> Result<Array, WeightsError> {
    let data = widen(bytes, dtype).ok_or_else(|| WeightsError::Dtype {
        name: path.display().to_string(),
        tensor: tensor.to_owned(),
        dtype: dtype.to_owned(),
    })?;
    Array::new(shape.to_vec(), data).ok_or_else(|| {
        format(path, "weights", format!("the bytes of {tensor} don't fill its shape {shape:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Arrays, Precision, write_safetensors};
    use super::*;

    fn file(folder: &Path, name: &str, tensors: &[(&str, f32)]) -> PathBuf {
        let array = |value| Array { shape: vec![2, 1], data: vec![value, -value] };
        let arrays: Arrays =
            tensors.iter().map(|(name, value)| ((*name).to_owned(), array(*value))).collect();
        let path = folder.join(name);
        write_safetensors(&path, &arrays, None, Precision::F16).expect("a writable folder");
        path
    }

    fn names<const N: usize>(all: [[&str; N]; 2]) -> [[String; N]; 2] {
        all.map(|names| names.map(str::to_owned))
    }

    #[test]
    fn the_named_tensors_of_one_file_come_in_the_order_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = file(folder.path(), "m.safetensors", &[("a", 1.0), ("b", 2.0), ("c", 3.0)]);
        let found = read_some(&path, &names([["c", "x"], ["y", "a"]]), "it").expect("both there");
        assert_eq!(found[0].data, [3.0, -3.0]);
        assert_eq!(found[1].data, [1.0, -1.0]);
        assert_eq!(found[1].shape, [2, 1]);
    }

    #[test]
    fn an_index_leads_to_the_files_beside_it_and_nowhere_else() {
        let folder = tempfile::tempdir().expect("a folder");
        file(folder.path(), "m-1.safetensors", &[("a", 1.0)]);
        file(folder.path(), "m-2.safetensors", &[("b", 2.0)]);
        let index = folder.path().join("m.safetensors.index.json");
        let text = r#"{"metadata": {}, "weight_map":
            {"a": "m-1.safetensors", "b": "../../elsewhere/m-2.safetensors"}}"#;
        std::fs::write(&index, text).expect("a writable folder");
        let found = read_some(&index, &names([["b"], ["a"]]), "it").expect("both there");
        assert_eq!((found[0].data[0], found[1].data[0]), (2.0, 1.0));
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = file(folder.path(), "m.safetensors", &[("a", 1.0)]);
        let error = read_some(&path, &names([["a"], ["z"]]), "a layer").expect_err("no z");
        let text = error.to_string();
        assert!(text.contains("does not fit a layer: 1 missing (z)"), "{text}");
    }

    #[test]
    fn a_pytorch_file_is_read_too() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trainer.pth");
        let wanted = names([["x", "model.fc.weight"], ["fc.bias", "model.fc.bias"]]);
        let found = read_some(&path, &wanted, "it").expect("both there");
        assert_eq!(found[0].shape, [2, 3]);
    }

    #[test]
    fn a_header_that_claims_too_much_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bad.safetensors");
        std::fs::write(&path, [255, 255, 255, 255, 0, 0, 0, 0, b'{']).expect("a writable folder");
        let error = read_some(&path, &names([["a"], ["b"]]), "it").expect_err("no header");
        assert!(error.to_string().contains("claims 4294967295 bytes"), "{error}");
    }

    #[test]
    fn a_tensor_beyond_the_end_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = file(folder.path(), "cut.safetensors", &[("a", 1.0), ("b", 2.0)]);
        let bytes = std::fs::read(&path).expect("just written");
        std::fs::write(&path, &bytes[..bytes.len() - 1]).expect("a writable folder");
        let error = read_some(&path, &names([["a"], ["b"]]), "it").expect_err("b is cut");
        assert!(error.to_string().contains("a tensor stands at"), "{error}");
    }
}
