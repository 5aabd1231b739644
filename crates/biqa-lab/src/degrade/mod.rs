//! Degrading pictures: one table of distortions, one text that names a composition of them.
//!
//! `papers/degradations.md`. A distortion is a row in `table.rs` and a function in a file of its
//! family; a composition is an [`Address`], whose text reproduces its result to the last bit.
//! Pictures are `f32` in [0, 1] between operations (encoded sRGB); `*_u8` forms exist because the
//! trainer degrades 8-bit crops on the fly.
//!
//! Called by the trainer's loader, by `biqa degrade`, and by pretraining.

mod address;
mod color;
mod jpeg;
mod kadid;
mod table;

pub use address::{Address, Item};
pub use table::{DISTORTIONS, Distortion, NOT_BUILT, Parameter, Strength, distortion};

use biqa::image::Rgb8;
use biqa::random::Key;

/// Why a picture could not be degraded, or an address not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DegradeError {
    /// A value of the picture is NaN or infinite.
    #[error("element {index} of the picture is {value}; values must be finite (0 to 1 is usual)")]
    NotFinite {
        /// Row-major position: `3 (y W + x) + channel`.
        index: usize,
        /// The value.
        value: f32,
    },
    /// The strength does not exist for this operation.
    #[error("{op} has no strength {found}; allowed: {allowed}")]
    Strength {
        /// `family:name`.
        op: String,
        /// What was asked for.
        found: String,
        /// The levels and the range of the parameter.
        allowed: String,
    },
    /// An operation of the specification that this build does not compute.
    #[error("{op} (at byte {position}) is not available in this build; available: {available}")]
    Unavailable {
        /// `family:name`, or the family alone.
        op: String,
        /// Where it stands in the address.
        position: usize,
        /// The operations there are.
        available: String,
    },
    /// The text is no address.
    #[error("bad address at byte {position}: found {found:?}, expected {expected}")]
    Address {
        /// Where.
        position: usize,
        /// What stands there (shortened).
        found: String,
        /// What may stand there.
        expected: String,
    },
}

/// A picture of `f32` values, interleaved RGB, row-major; at least 1 x 1. Values in [0, 1] stand
/// for encoded sRGB.
#[derive(Debug, Clone, PartialEq)]
pub struct RgbF32 {
    width: u32,
    height: u32,
    data: Vec<f32>,
}

impl RgbF32 {
    /// `None` unless both sides are at least 1 and `data` holds `3 width height` values.
    pub fn new(width: u32, height: u32, data: Vec<f32>) -> Option<RgbF32> {
        let pixels = (width as usize).checked_mul(height as usize)?;
        let fits = pixels > 0 && pixels.checked_mul(3) == Some(data.len());
        fits.then_some(RgbF32 { width, height, data })
    }

    /// From 8 bits: `v / 255`.
    pub fn from_levels(picture: &Rgb8) -> RgbF32 {
        let data = picture.data().iter().map(|&v| f32::from(v) / 255.0).collect();
        RgbF32 { width: picture.width(), height: picture.height(), data }
    }

    /// To 8 bits: `floor(255 clip(v) + 0.5)`.
    pub fn to_levels(&self) -> Rgb8 {
        let data = self.data.iter().map(|&v| level(v)).collect();
        Rgb8::new(self.width, self.height, data).expect("a picture holds 3 width height values")
    }

    /// Pixels a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Interleaved RGB.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The first value that is NaN or infinite becomes an error.
    pub fn check_finite(&self) -> Result<(), DegradeError> {
        match self.data.iter().position(|v| !v.is_finite()) {
            Some(index) => Err(DegradeError::NotFinite { index, value: self.data[index] }),
            None => Ok(()),
        }
    }

    /// A picture of the same size from other values.
    fn with_data(&self, data: Vec<f32>) -> RgbF32 {
        debug_assert_eq!(data.len(), self.data.len());
        RgbF32 { width: self.width, height: self.height, data }
    }
}

/// The 8-bit level of a value: `floor(255 clip(v) + 0.5)`. In `f64`, where 255 v is exact.
#[inline]
fn level(v: f32) -> u8 {
    (f64::from(v).clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

/// Applies one operation. `position` is its place in the composition (0 when it stands alone); the
/// random numbers follow from `key` and `position` only.
///
/// # Errors
/// [`DegradeError::NotFinite`], [`DegradeError::Strength`].
pub fn apply(
    picture: &RgbF32,
    op: &Distortion,
    strength: Strength,
    key: Key,
    position: u32,
) -> Result<RgbF32, DegradeError> {
    picture.check_finite()?;
    let value = op.value_of(strength)?;
    Ok((op.run)(picture, value, &key.at(position)))
}

/// [`apply`] from levels to levels, faster where a table does it; equal to
/// `apply(from_levels(p)).to_levels()`.
pub fn apply_u8(
    picture: &Rgb8,
    op: &Distortion,
    strength: Strength,
    key: Key,
    position: u32,
) -> Result<Rgb8, DegradeError> {
    let value = op.value_of(strength)?;
    Ok((op.run_u8)(picture, value, &key.at(position)))
}
