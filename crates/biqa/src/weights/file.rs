//! Files of weights: safetensors to [`Arrays`] and back; what else a file may be is told from its bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Metadata, TensorView};
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::pth::{is_pytorch, read_pth};
use super::{Ancestor, Array, Arrays, ModelCard, WeightsError};

/// The metadata key of the model card inside a safetensors file.
const CARD_KEY: &str = "biqa";
/// The metadata key of what weights without a card were made from.
const LINEAGE_KEY: &str = "biqa-lineage";
/// The largest number of half precision.
const LARGEST_F16: f32 = 65_504.0;

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

    /// Half precision unless a number is too large for it.
    pub fn half_for(arrays: &Arrays) -> Self {
        let fits = |v: &f32| v.abs() <= LARGEST_F16;
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
    let card = of_key(&metadata, CARD_KEY, name)?;
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

/// What the weights of a file were made from, the nearest first: the model of its card and those
/// behind it, or what a file without a card says of itself. A PyTorch file says nothing.
///
/// # Errors
/// Bytes of neither format; a card or a lineage that can't be read.
pub fn lineage(bytes: &[u8], name: &str) -> Result<Vec<Ancestor>, WeightsError> {
    if is_pytorch(bytes) {
        return Ok(Vec::new());
    }
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| WeightsError::Format {
        name: name.to_owned(),
        format: "safetensors",
        reason: e.to_string(),
    })?;
    let card: Option<ModelCard> = of_key(&metadata, CARD_KEY, name)?;
    match card {
        Some(card) => Ok(card.lineage()),
        None => Ok(of_key(&metadata, LINEAGE_KEY, name)?.unwrap_or_default()),
    }
}

fn of_key<T: DeserializeOwned>(
    metadata: &Metadata,
    key: &str,
    name: &str,
) -> Result<Option<T>, WeightsError> {
    let text = metadata.metadata().as_ref().and_then(|m| m.get(key));
    text.map(|text| serde_json::from_str(text))
        .transpose()
        .map_err(|e| WeightsError::Card { name: name.to_owned(), reason: e.to_string() })
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
    with_metadata(arrays, card.map(|card| (CARD_KEY, card)), precision)
}

/// The bytes of a safetensors file that is no model yet and says what it was made from.
pub fn to_start(arrays: &Arrays, lineage: &[Ancestor], precision: Precision) -> Vec<u8> {
    with_metadata(arrays, Some((LINEAGE_KEY, lineage)), precision)
}

fn with_metadata<T: Serialize + ?Sized>(
    arrays: &Arrays,
    about: Option<(&str, &T)>,
    precision: Precision,
) -> Vec<u8> {
    let views: Vec<(&str, View)> =
        arrays.iter().map(|(name, array)| (name.as_str(), View { array, precision })).collect();
    let metadata = about.map(|(key, about)| {
        let text = serde_json::to_string(about).expect("plain data always serialises");
        HashMap::from([(key.to_owned(), text)])
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
