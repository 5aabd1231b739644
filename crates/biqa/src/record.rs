//! What one image's result is: the row that `biqa score` writes, whatever the format.
//!
//! Who calls: the scorer fills it, the command writes and reads it. The field names and their
//! order are a promise (`schema` 1): rows only gain fields within a major version.

use serde::{Deserialize, Serialize};

use crate::image::LoadOptions;

/// The version of the row's form.
pub const SCHEMA: u32 = 1;

/// One image's row.
///
/// A scored image has `score` and `raw` and no `error`; a failed one has `error` and neither.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// The path as it was given or found; bytes that are not UTF-8 stand as `\xNN`.
    pub path: String,
    /// Columns of the upright picture, in pixels.
    pub width: Option<u32>,
    /// Rows of the upright picture, in pixels.
    pub height: Option<u32>,
    /// The file's size, in bytes (`--resume` compares it).
    pub bytes: Option<u64>,
    /// Quality, 0 to 100, higher is better, on the model card's scale.
    pub score: Option<f64>,
    /// The network's own number, before the card's calibration.
    pub raw: Option<f64>,
    /// What was done to the picture and what to know about it, in short words.
    pub notes: Vec<String>,
    /// Why there is no score.
    pub error: Option<String>,
    /// The kind of the error, a stable word.
    pub error_kind: Option<String>,
    /// The model's name.
    pub model: String,
    /// SHA-256 of the model's weights, hexadecimal.
    pub digest: String,
    /// The version of biqa.
    pub version: String,
    /// The view the network had, in short.
    pub view: String,
    /// Time from bytes to score, in milliseconds. The only field that differs between two runs.
    pub ms: Option<f64>,
    /// How the picture was loaded (`LoadOptions::label`): `biqa`, `pillow`, or what differs.
    #[serde(default = "usual_loader")]
    pub loader: String,
}

/// Rows had no such field before there was a choice.
fn usual_loader() -> String {
    LoadOptions::default().label()
}
