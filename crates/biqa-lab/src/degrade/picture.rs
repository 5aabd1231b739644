//! The picture between operations. Called by every family.

use super::DegradeError;
use super::filter::Shape;
use biqa::image::Rgb8;

/// The most pixels that an operation may make of a picture: 1.5 GB.
const MOST_PIXELS: usize = 1 << 27;

/// A picture of `f32` values, interleaved RGB, row-major; at least 1 x 1. Values in [0, 1] stand
/// for encoded sRGB.
#[derive(Debug, Clone, PartialEq)]
pub struct RgbF32 {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) data: Vec<f32>,
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

    /// Every value brought to [0, 1].
    pub(super) fn clipped(mut self) -> RgbF32 {
        for v in &mut self.data {
            *v = v.clamp(0.0, 1.0);
        }
        self
    }

    /// A picture of the same size from other values.
    pub(super) fn with_data(&self, data: Vec<f32>) -> RgbF32 {
        debug_assert_eq!(data.len(), self.data.len());
        RgbF32 { width: self.width, height: self.height, data }
    }

    pub(super) fn shape(&self) -> Shape {
        Shape { width: self.width as usize, height: self.height as usize, channels: 3 }
    }

    /// Both sides at least `needed`.
    pub(super) fn check_size(&self, op: &str, needed: u32) -> Result<(), DegradeError> {
        let (width, height) = (self.width, self.height);
        if width.min(height) >= needed {
            return Ok(());
        }
        Err(DegradeError::TooSmall { op: op.to_owned(), needed, width, height })
    }

    /// Whether an operation may make a picture of that size of this one; `needed` is the side that a
    /// picture must have for anything to be left.
    pub(super) fn check_result(
        &self,
        op: &str,
        [width, height]: [usize; 2],
        needed: usize,
    ) -> Result<(), DegradeError> {
        if width == 0 || height == 0 {
            // What is left grows with the picture: so much larger, and one pixel is left.
            let needed = u32::try_from(needed).unwrap_or(u32::MAX);
            let needed = needed.max(self.width.min(self.height).saturating_add(1));
            let (width, height) = (self.width, self.height);
            return Err(DegradeError::TooSmall { op: op.to_owned(), needed, width, height });
        }
        if width.saturating_mul(height) > MOST_PIXELS {
            let (op, most) = (op.to_owned(), MOST_PIXELS);
            return Err(DegradeError::TooLarge { op, width, height, most });
        }
        Ok(())
    }
}

/// 1.5 2^52: added to a number, it leaves the number, rounded half to even, in the lowest bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

/// Half to even, clamped to 0..=255.
#[inline]
pub(super) fn rounded(v: f64) -> u8 {
    (v.clamp(0.0, 255.0) + ROUNDER).to_bits() as u8
}

/// The 8-bit level of a value: `floor(255 clip(v) + 0.5)`. In `f64`, where 255 v is exact and ends
/// in a half for v = 0.5 alone, whose 128 is even.
#[inline]
pub(super) fn level(v: f32) -> u8 {
    rounded(255.0 * f64::from(v).clamp(0.0, 1.0))
}

/// The same of a value that was computed.
#[inline]
pub(super) fn level_of(v: f64) -> u8 {
    (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_level() {
        let cases =
            [(-3.0, 0), (0.5, 0), (1.5, 2), (2.5, 2), (2.5000001, 3), (254.5, 254), (300.0, 255)];
        for (value, expected) in cases {
            assert_eq!(rounded(value), expected, "{value}");
        }
    }

    /// The bounds between levels with their neighbours, and what is no number or beyond [0, 1].
    #[test]
    fn a_level_is_what_the_formula_says() {
        let bounds = (0..=255u32).map(|q| ((f64::from(q) + 0.5) / 255.0) as f32);
        let near = bounds.flat_map(|v| [v.next_down(), v, v.next_up()]);
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::MIN_POSITIVE, 0.5, 1.0];
        for v in near.chain(odd) {
            assert_eq!(level(v), level_of(f64::from(v)), "{v}");
        }
    }
}
