//! Weights in and out: safetensors and `.pth` files to named arrays, named arrays to modules.
//!
//! Who calls: the scorer and the registry when they open a model, the lab when it saves one.
//! Every tensor is accounted for: one that is missing, unused or misshapen is an error that names
//! it. Arrays keep the names and layouts of PyTorch, so a file of ours reads elsewhere too.

mod card;
mod file;
mod module;
mod partial;
mod pth;

pub use card::{Ancestor, Data, Interval, Metrics, ModelCard, Scale, ScaleError, WITHOUT_SCORES};
pub use file::{
    Precision, lineage, read, read_safetensors, to_safetensors, to_start, write_safetensors,
};
pub use module::{ParamPath, Value, collect, freeze, host, load, visit};
pub use partial::read_some;
pub use pth::read_pth;

use std::collections::BTreeMap;
use std::path::PathBuf;

/// One tensor on the host, in float32, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Sizes, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// `shape.product()` numbers.
    pub data: Vec<f32>,
}

impl Array {
    /// An array of `shape`; `None` unless `data` has just as many numbers.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Option<Self> {
        (shape.iter().product::<usize>() == data.len()).then_some(Self { shape, data })
    }
}

/// Arrays by name, in the order of their names.
pub type Arrays = BTreeMap<String, Array>;

/// Why weights could not be read, written or fitted into a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file could not be opened or read.
    #[error("cannot read weights from {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file could not be written.
    #[error("cannot write weights to {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The bytes are not what the format asks for.
    #[error(
        "{name} is not a readable {format} file: {reason} (copy it again, or give another file)"
    )]
    Format {
        /// The file or what stands for it.
        name: String,
        /// `safetensors` or `PyTorch`.
        format: &'static str,
        /// What is wrong, in words.
        reason: String,
    },
    /// A tensor holds numbers that no network here uses.
    #[error(
        "{name}: tensor {tensor} has type {dtype}; expected F32, F16, BF16, F64 or I64 (save it as one of them)"
    )]
    Dtype {
        /// The file.
        name: String,
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
    },
    /// The arrays and the network don't fit.
    #[error(
        "{name} does not fit {network}: {} (give a file of this network with this config)",
        mismatch_words(missing, unused, misshapen)
    )]
    Mismatch {
        /// The file.
        name: String,
        /// The network.
        network: String,
        /// Names that the network asks for and the file lacks.
        missing: Vec<String>,
        /// Names in the file that the network has no place for.
        unused: Vec<String>,
        /// Name, expected shape, found shape.
        misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
    },
    /// The file carries no model card, so nothing says which network it is for.
    #[error(
        "{name} has no model card (metadata key `biqa`), so nothing says how to score with it: it \
         is a backbone, or another program wrote it (a training can start from it: biqa train --init FILE)"
    )]
    NoCard {
        /// The file.
        name: String,
    },
    /// The card can't be read.
    #[error("{name}: its model card can't be used: {reason} (copy the file again, or renew biqa)")]
    Card {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// No such model.
    #[error("no model is called {name:?}; known: {known}")]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A model that exists only as an architecture.
    #[error("{name} has no weights inside biqa; give a file with --weights FILE")]
    NoWeights {
        /// The model.
        name: String,
    },
}

/// The first three of each list, with the counts.
fn mismatch_words(
    missing: &[String],
    unused: &[String],
    misshapen: &[(String, Vec<usize>, Vec<usize>)],
) -> String {
    let mut parts = Vec::new();
    if !missing.is_empty() {
        parts.push(format!("{} missing ({})", missing.len(), first_three(missing)));
    }
    if !misshapen.is_empty() {
        let words: Vec<String> = misshapen
            .iter()
            .map(|(name, expected, found)| {
                format!("{name}: expected {expected:?}, found {found:?}")
            })
            .collect();
        parts.push(format!("{} misshapen ({})", misshapen.len(), first_three(&words)));
    }
    if !unused.is_empty() {
        parts.push(format!("{} unused ({})", unused.len(), first_three(unused)));
    }
    parts.join("; ")
}

fn first_three(names: &[String]) -> String {
    let more = if names.len() > 3 { ", ..." } else { "" };
    format!("{}{more}", names[..names.len().min(3)].join(", "))
}
