//! Files of weights: safetensors and PyTorch's `.pth` to [`Arrays`], and back to safetensors.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use half::{bf16, f16};
use pytorch_reader::{PickleError, PytorchError};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::{Array, Arrays, ModelCard, WeightsError};

/// The metadata key of the model card inside a safetensors file.
const CARD_KEY: &str = "biqa";

/// A `.pth` file's tensors may hold this many times the file's bytes (views share storage).
const MAX_EXPANSION: usize = 16;

/// How many bits a number takes in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Four bytes: checkpoints, which must come back to the bit.
    F32,
    /// Two bytes: what ships.
    F16,
}

impl Precision {
    /// Half precision where it loses nothing, as with arrays that came from such a file.
    pub fn least_for(arrays: &Arrays) -> Self {
        let fits = |v: &f32| f16::from_f32(*v).to_f32().to_bits() == v.to_bits();
        if arrays.values().all(|array| array.data.iter().all(fits)) { Self::F16 } else { Self::F32 }
    }
}

/// Reads a file of weights by its content: a ZIP or pickle is PyTorch's, anything else safetensors.
pub fn read(path: &Path) -> Result<(Arrays, Option<ModelCard>), WeightsError> {
    let bytes = read_bytes(path)?;
    if is_pytorch(&bytes) {
        return Ok((read_pth(path)?, None));
    }
    read_safetensors(&bytes, &path.display().to_string())
}

/// Whether a file is PyTorch's, a ZIP or a pickle, by its first nine bytes or more.
pub(super) fn is_pytorch(start: &[u8]) -> bool {
    let is_zip = start.starts_with(b"PK\x03\x04");
    // A safetensors file begins with the length of its JSON header, which may look like a pickle's
    // first two bytes; but then its ninth is the JSON's brace.
    let is_pickle = matches!(start, [0x80, 2..=5, ..]) && start.get(8) != Some(&b'{');
    is_zip || is_pickle
}

/// Reads a safetensors file from memory. `name` stands for the file in errors.
///
/// F16, BF16, F64 and I64 are widened or narrowed to float32; other types are an error.
pub fn read_safetensors(
    bytes: &[u8],
    name: &str,
) -> Result<(Arrays, Option<ModelCard>), WeightsError> {
    let format = |reason: String| WeightsError::Format {
        name: name.to_owned(),
        format: "safetensors",
        reason,
    };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| format(e.to_string()))?;
    let card = match metadata.metadata().as_ref().and_then(|m| m.get(CARD_KEY)) {
        Some(text) => Some(
            serde_json::from_str(text)
                .map_err(|e| WeightsError::Card { name: name.to_owned(), reason: e.to_string() })?,
        ),
        None => None,
    };
    let file = SafeTensors::deserialize(bytes).map_err(|e| format(e.to_string()))?;
    let mut arrays = Arrays::new();
    for (tensor, view) in file.iter() {
        let data = to_f32(&view).ok_or_else(|| WeightsError::Dtype {
            name: name.to_owned(),
            tensor: tensor.to_owned(),
            dtype: format!("{:?}", view.dtype()),
        })?;
        arrays.insert(tensor.to_owned(), Array { shape: view.shape().to_vec(), data });
    }
    Ok((arrays, card))
}

/// Reads a PyTorch checkpoint: a state dict, or one under the key `model` or `state_dict`, beside
/// which a trainer may keep its optimiser's state and more, which is passed over.
pub fn read_pth(path: &Path) -> Result<Arrays, WeightsError> {
    let name = path.display().to_string();
    let format =
        |reason: String| WeightsError::Format { name: name.clone(), format: "PyTorch", reason };
    let reader = pytorch_reader::PytorchReader::new(path).map_err(|e| {
        let hint = "; if it holds more than weights, save its entry \"model\" alone";
        format(format!("{e}{}", if meets_unknown_objects(&e) { hint } else { "" }))
    })?;
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
    let wrapped = ["model.", "state_dict."]
        .into_iter()
        .find(|wrapper| reader.tensors().keys().any(|key| key.starts_with(wrapper)));
    let of_network = |key: &str| wrapped.is_none_or(|wrapper| key.starts_with(wrapper));
    for (key, tensor) in reader.tensors().iter().filter(|(key, _)| of_network(key)) {
        let bytes = tensor.read().map_err(|e| format(format!("{key}: {e}")))?;
        let dtype = format!("{:?}", tensor.dtype());
        let data = pth_to_f32(&bytes, &dtype).ok_or_else(|| WeightsError::Dtype {
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

/// Writes arrays, with the card where there is one. The bytes are a function of the arguments.
pub fn write_safetensors(
    path: &Path,
    arrays: &Arrays,
    card: Option<&ModelCard>,
    precision: Precision,
) -> Result<(), WeightsError> {
    let bytes = to_safetensors(arrays, card, precision);
    let write = |source| WeightsError::Write { path: path.to_owned(), source };
    let mut file = File::create(path).map_err(write)?;
    file.write_all(&bytes).map_err(write)?;
    file.sync_all().map_err(write)
}

/// The bytes of a safetensors file.
pub fn to_safetensors(arrays: &Arrays, card: Option<&ModelCard>, precision: Precision) -> Vec<u8> {
    let views: Vec<(&str, View)> =
        arrays.iter().map(|(name, array)| (name.as_str(), View { array, precision })).collect();
    let metadata = card.map(|card| {
        let text = serde_json::to_string(card).expect("a card is plain data and always serialises");
        HashMap::from([(CARD_KEY.to_owned(), text)])
    });
    safetensors::serialize(views, metadata).expect("sizes and shapes of an Array agree")
}

struct View<'a> {
    array: &'a Array,
    precision: Precision,
}

impl safetensors::View for View<'_> {
    fn dtype(&self) -> Dtype {
        match self.precision {
            Precision::F32 => Dtype::F32,
            Precision::F16 => Dtype::F16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.array.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let data = &self.array.data;
        match self.precision {
            Precision::F32 => data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::F16 => data.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        let width = match self.precision {
            Precision::F32 => 4,
            Precision::F16 => 2,
        };
        self.array.data.len() * width
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, WeightsError> {
    std::fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })
}

fn to_f32(view: &TensorView<'_>) -> Option<Vec<f32>> {
    widen(view.data(), &format!("{:?}", view.dtype()))
}

fn pth_to_f32(bytes: &[u8], dtype: &str) -> Option<Vec<f32>> {
    widen(bytes, dtype)
}

/// Little-endian numbers of a named type as float32; `None` for other types.
pub(super) fn widen(bytes: &[u8], dtype: &str) -> Option<Vec<f32>> {
    fn each<const N: usize>(bytes: &[u8], f: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks::<N>().0.iter().map(|&c| f(c)).collect()
    }
    Some(match dtype {
        "F32" => each(bytes, f32::from_le_bytes),
        "F16" => each(bytes, |c| f16::from_le_bytes(c).to_f32()),
        "BF16" => each(bytes, |c| bf16::from_le_bytes(c).to_f32()),
        "F64" => each(bytes, |c| f64::from_le_bytes(c) as f32),
        "I64" => each(bytes, |c| i64::from_le_bytes(c) as f32),
        _ => return None,
    })
}

/// Released trainers save under `model.` or `module.`; the names behind it are the network's.
fn strip_prefix(key: &str) -> &str {
    ["model.", "state_dict.", "module."]
        .iter()
        .fold(key, |key, prefix| key.strip_prefix(prefix).unwrap_or(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the form of the papers' trainers: `model`, `optimizer`, `max_plcc`, `scaler`,
    /// `epoch`, `config`. Written by hand, without PyTorch.
    fn trainers(name: &str) -> Result<Arrays, WeightsError> {
        read_pth(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name))
    }

    #[test]
    fn a_trainers_checkpoint_gives_its_network_alone() {
        let arrays = trainers("trainer.pth").expect("a readable checkpoint");
        let names: Vec<&str> = arrays.keys().map(String::as_str).collect();
        assert_eq!(names, ["fc.bias", "fc.weight"]);
        assert_eq!(arrays["fc.weight"].shape, [2, 3]);
        assert_eq!(arrays["fc.weight"].data, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    }

    /// Its `config` is an instance of a dictionary's subclass, which the reader doesn't know.
    #[test]
    fn a_checkpoint_with_unknown_objects_says_what_to_do() {
        let error = trainers("trainer-dict.pth").expect_err("an unknown object");
        assert!(error.to_string().contains("save its entry \"model\" alone"), "{error}");
    }
}
