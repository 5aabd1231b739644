//! PyTorch's `.pth` files to [`Arrays`].

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;

use pytorch_reader::{MAX_PICKLE_SIZE, PickleError, PytorchError, PytorchReader};
use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::file::widen;
use super::{Array, Arrays, WeightsError};

/// A `.pth` file's tensors may hold this many times the file's bytes (views share storage).
const MAX_EXPANSION: usize = 16;

/// The entry of the ZIP that says what the others are, in the folder nearest to the root.
const PICKLE: &str = "data.pkl";

/// Whether a file is PyTorch's, a ZIP or a pickle, by its first nine bytes or more.
pub(super) fn is_pytorch(start: &[u8]) -> bool {
    let is_zip = start.starts_with(b"PK\x03\x04");
    // A safetensors file begins with the length of its JSON header, which may look like a pickle's
    // first two bytes; but then its ninth is the JSON's brace.
    let is_pickle = matches!(start, [0x80, 2..=5, ..]) && start.get(8) != Some(&b'{');
    is_zip || is_pickle
}

/// Reads a PyTorch checkpoint: a state dict, or one under the key `model` or `state_dict`, beside
/// which a trainer may keep its optimiser's state, its configuration and more, which is passed over.
pub fn read_pth(path: &Path) -> Result<Arrays, WeightsError> {
    let name = path.display().to_string();
    let format =
        |reason: String| WeightsError::Format { name: name.clone(), format: "PyTorch", reason };
    let Checkpoint { reader, _copy } = open(path)?;
    // A view can claim far more numbers than the file holds (an `expand` has stride 0).
    let claimed: usize = reader
        .tensors()
        .values()
        .map(|t| t.shape().iter().product::<usize>().saturating_mul(t.dtype().size()))
        .fold(0, usize::saturating_add);
    let held = std::fs::metadata(path).map_or(0, |m| m.len() as usize);
    if claimed > held.saturating_mul(MAX_EXPANSION) {
        return Err(format(format!("its tensors claim {claimed} bytes; the file has {held}")));
    }
    let mut arrays = Arrays::new();
    let wrapped = ["state_dict.", "model."]
        .into_iter()
        .find(|wrapper| reader.tensors().keys().any(|key| key.starts_with(wrapper)));
    let of_network = |key: &str| wrapped.is_none_or(|wrapper| key.starts_with(wrapper));
    for (key, tensor) in reader.tensors().iter().filter(|(key, _)| of_network(key)) {
        let bytes = tensor.read().map_err(|e| format(format!("{key}: {e}")))?;
        let dtype = format!("{:?}", tensor.dtype());
        let data = widen(&bytes, &dtype).ok_or_else(|| WeightsError::Dtype {
            name: name.clone(),
            tensor: key.clone(),
            dtype: dtype.clone(),
        })?;
        let shape: Vec<usize> = tensor.shape().to_vec();
        let array = Array::new(shape, data)
            .ok_or_else(|| format(format!("{key}: its bytes don't fill its shape")))?;
        let name = strip_prefix(key);
        if arrays.insert(name.to_owned(), array).is_some() {
            return Err(format(format!("{name} is in it twice, with and without a prefix")));
        }
    }
    Ok(arrays)
}

/// Released trainers save under `model.` or `module.`; the names behind it are the network's.
fn strip_prefix(key: &str) -> &str {
    ["model.", "state_dict.", "module."]
        .iter()
        .fold(key, |key, prefix| key.strip_prefix(prefix).unwrap_or(key))
}

/// A file that is read, and the copy that is read in its place where a trainer's own classes stand
/// beside the weights: the papers' trainers store their `yacs` configuration, a dictionary's subclass.
/// The copy lies in the folder for temporary files and goes with this.
pub(super) struct Checkpoint {
    pub(super) reader: PytorchReader,
    _copy: Option<NamedTempFile>,
}

/// Reads what is in a file, but no tensor yet.
pub(super) fn open(path: &Path) -> Result<Checkpoint, WeightsError> {
    let format = |reason: String| WeightsError::Format {
        name: path.display().to_string(),
        format: "PyTorch",
        reason,
    };
    let error = match PytorchReader::new(path) {
        Ok(reader) => return Ok(Checkpoint { reader, _copy: None }),
        Err(error) if meets_unknown_objects(&error) => error,
        Err(error) => return Err(format(error.to_string())),
    };
    let beside = |what: &str| {
        format(format!(
            "{error}; if it holds more than weights, save its entry \"model\" alone{what}"
        ))
    };
    let copy = match with_plain_objects(path) {
        Ok(Some(copy)) => copy,
        Ok(None) => return Err(beside("")),
        Err(e) => return Err(beside(&format!(" (a copy of it without them failed: {e})"))),
    };
    let reader = PytorchReader::new(copy.path()).map_err(|_| beside(""))?;
    // What a module was made of is no state dict.
    let is_inside = |key: &String| key.contains("_parameters.") || key.contains("_buffers.");
    if reader.tensors().keys().any(is_inside) {
        return Err(beside(""));
    }
    Ok(Checkpoint { reader, _copy: Some(copy) })
}

/// A trainer's own classes beside the weights may be more than the reader knows.
fn meets_unknown_objects(error: &PytorchError) -> bool {
    use PickleError::{InvalidData, UnexpectedOpCode, UnsupportedOpCode, UnsupportedType};
    match error {
        PytorchError::Pickle(error) => matches!(
            error,
            InvalidData(_) | UnexpectedOpCode(_) | UnsupportedOpCode(_) | UnsupportedType(_)
        ),
        _ => false,
    }
}

/// A copy of a file of PyTorch 1.6 or later in which every instance of a class is a dictionary;
/// `None` where it has none, or is no such file.
fn with_plain_objects(path: &Path) -> io::Result<Option<NamedTempFile>> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    // Entries that share bytes would make the copy larger than the file.
    if archive.has_overlapping_files()? {
        return Ok(None);
    }
    let names = archive.file_names().collect::<Result<Vec<_>, _>>()?;
    let is_pickle = |name: &str| {
        name.strip_suffix(PICKLE).is_some_and(|root| root.is_empty() || root.ends_with('/'))
    };
    let root = names.iter().filter(|name| is_pickle(name)).min_by_key(|name| name.len());
    let Some(root) = root.map(ToString::to_string) else { return Ok(None) };
    let mut pickle = Vec::new();
    archive.by_name(&root)?.take(MAX_PICKLE_SIZE + 1).read_to_end(&mut pickle)?;
    let plain = plain_objects(&pickle).filter(|plain| *plain != pickle);
    let fits = |plain: &Vec<u8>| plain.len() as u64 <= MAX_PICKLE_SIZE;
    let Some(plain) = plain.filter(fits) else { return Ok(None) };

    let mut copy = NamedTempFile::new()?;
    let mut out = ZipWriter::new(BufWriter::new(copy.as_file_mut()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        if entry.name()? == root {
            out.start_file(&root, stored)?;
            out.write_all(&plain)?;
        } else {
            out.raw_copy_file(entry)?;
        }
    }
    out.finish()?.flush()?;
    Ok(Some(copy))
}

/// A pickle in which an empty dictionary stands for every object that is made of its class alone;
/// what is then set on the object is set on the dictionary. `None` where it ends inside an operation.
fn plain_objects(pickle: &[u8]) -> Option<Vec<u8>> {
    const NO_ARGUMENTS: u8 = b')';
    const NEW_OBJECT: u8 = 0x81;
    const FRAME: u8 = 0x95;
    // Drop arguments and class, push a dictionary.
    const DICTIONARY: &[u8] = b"00}";
    let mut plain = Vec::with_capacity(pickle.len());
    let mut before = 0;
    let mut rest = pickle;
    while let [code, behind @ ..] = rest {
        let (argument, next) = behind.split_at_checked(argument_len(*code, behind)?)?;
        match *code {
            // Arguments may be tensors, which must not be dropped.
            NEW_OBJECT if before == NO_ARGUMENTS => plain.extend(DICTIONARY),
            // Its length is no longer right; frames only help to read ahead.
            FRAME => {}
            _ => {
                plain.push(*code);
                plain.extend(argument);
            }
        }
        if *code != FRAME {
            before = *code;
        }
        rest = next;
    }
    Some(plain)
}

/// How many bytes belong to an operation of a pickle (Python's `pickletools`), given those behind it.
fn argument_len(code: u8, behind: &[u8]) -> Option<usize> {
    let lines = |n: usize| {
        let ends = behind.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        ends.map(|(at, _)| at + 1).nth(n - 1)
    };
    // A length of so many bytes, little-endian, and what it says.
    let counted = |n: usize| {
        let bytes = behind.get(..n)?.iter().rev();
        let len = bytes.fold(0_u64, |len, &byte| len << 8 | u64::from(byte));
        n.checked_add(usize::try_from(len).ok()?)
    };
    match code {
        b'I' | b'L' | b'F' | b'S' | b'V' | b'g' | b'p' | b'P' => lines(1),
        b'c' | b'i' => lines(2),
        b'T' | b'X' | b'B' | 0x8b => counted(4),
        b'U' | b'C' | 0x8a | 0x8c => counted(1),
        0x8d | 0x8e | 0x96 => counted(8),
        b'K' | b'h' | b'q' | 0x80 | 0x82 => Some(1),
        b'M' | 0x83 => Some(2),
        b'J' | b'j' | b'r' | 0x84 => Some(4),
        b'G' | 0x95 => Some(8),
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the form of the papers' trainers: `model`, `optimizer`, `max_plcc`, `scaler`,
    /// `epoch`, `config`. Written by hand, without PyTorch.
    fn trainers(name: &str) -> Arrays {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
        read_pth(&path).expect("a readable checkpoint")
    }

    #[test]
    fn a_trainers_checkpoint_gives_its_network_alone() {
        let arrays = trainers("trainer.pth");
        let names: Vec<&str> = arrays.keys().map(String::as_str).collect();
        assert_eq!(names, ["fc.bias", "fc.weight"]);
        assert_eq!(arrays["fc.weight"].shape, [2, 3]);
        assert_eq!(arrays["fc.weight"].data, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    /// Its `config` is an instance of a dictionary's subclass, which the reader doesn't know.
    #[test]
    fn a_configuration_of_an_unknown_class_is_passed_over() {
        assert_eq!(trainers("trainer-dict.pth"), trainers("trainer.pth"));
    }

    /// Python's protocol 4: `{'Á': C()}` with C a dictionary's subclass of one item, `{1: 'x'}`, and
    /// a state; framed, with a text that holds the byte of an operation.
    #[test]
    fn objects_become_dictionaries_in_any_protocol() {
        let framed =
            b"\x80\x04\x95\x20\0\0\0\0\0\0\0}\x94\x8c\x02\xc3\x81\x94\x8c\x01m\x94\x8c\x01C\x94\
                       \x93\x94)\x81\x94K\x01\x8c\x01x\x94s}\x94bs.";
        let plain = b"\x80\x04}\x94\x8c\x02\xc3\x81\x94\x8c\x01m\x94\x8c\x01C\x94\
                      \x93\x94)00}\x94K\x01\x8c\x01x\x94s}\x94bs.";
        assert_eq!(plain_objects(framed).as_deref(), Some(&plain[..]));
        assert!(PytorchReader::from_reader(&framed[..], None).is_err());
        assert!(PytorchReader::from_reader(&plain[..], None).expect("plain").is_empty());
        let lines = b"\x80\x02cyacs.config\nCfgNode\n)\x81}b.";
        assert_eq!(plain_objects(lines).expect("whole"), b"\x80\x02cyacs.config\nCfgNode\n)00}}b.");
        for cut in 1..lines.len() - 1 {
            // Never a panic; where it ends inside an operation it is none.
            let _ = plain_objects(&lines[..cut]);
        }
        assert_eq!(plain_objects(b"\x80\x02cyacs.config\n"), None);
        assert_eq!(plain_objects(b"X\xff\xff\xff\xff"), None);
        // Arguments stay what they are.
        assert_eq!(
            plain_objects(b"\x80\x02K\x01\x85\x81.").expect("whole"),
            b"\x80\x02K\x01\x85\x81."
        );
    }

    #[test]
    fn what_cannot_be_made_plain_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = |pickle: &[u8]| {
            let path = folder.path().join("odd.pth");
            let mut out = ZipWriter::new(File::create(&path).expect("a file"));
            out.start_file("a/data.pkl", SimpleFileOptions::default()).expect("an entry");
            out.write_all(pickle).expect("written");
            out.finish().expect("whole");
            let error = read_pth(&path).expect_err("no state dict").to_string();
            assert!(error.contains("save its entry \"model\" alone"), "{error}");
            assert!(error.contains("odd.pth"), "{error}");
        };
        // A list's subclass to which something is appended; an object with arguments and items.
        refused(b"\x80\x02cm\nC\n)\x81K\x01a.");
        refused(b"\x80\x02cm\nC\nK\x01\x85\x81K\x01K\x02s.");
    }
}
