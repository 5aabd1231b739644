//! Resizing of float pictures, masks and maps (`papers/images.md`, section 9).
//!
//! The coefficients are those of the 8-bit form, computed in `f64` and stored as `f32`; sums run in
//! `f32` in the order of the inputs, with neither rounding nor clamping between the passes.

use super::filter::{Axis, float_axis, nearest_axis};
use super::{Filter, ResizeError, check_size};

/// Resizes `data` (`height` x `width` x `channels`, row-major) to `new_height` x `new_width`.
///
/// The result may leave the range of the input: bicubic and lanczos overshoot.
///
/// # Errors
/// [`ResizeError::WrongLength`], [`ResizeError::ZeroSize`], [`ResizeError::TooManyPixels`].
pub fn resize_f32(
    data: &[f32],
    (width, height): (u32, u32),
    channels: usize,
    (new_width, new_height): (u32, u32),
    filter: Filter,
) -> Result<Vec<f32>, ResizeError> {
    check_size(width.into(), height.into())?;
    check_size(new_width.into(), new_height.into())?;
    let expected = width as usize * height as usize * channels;
    if data.len() != expected {
        return Err(ResizeError::WrongLength { expected, found: data.len() });
    }
    if channels == 0 || (width, height) == (new_width, new_height) {
        return Ok(data.to_vec());
    }
    if filter == Filter::Nearest {
        return Ok(nearest(data, (width, height), channels, (new_width, new_height)));
    }
    if new_width != width && new_height != height {
        // The order is part of the definition for 8-bit pictures; float sums follow it. The middle
        // picture is as wide as the result and as high as the source: refuse it when it is giant.
        check_size(new_width.into(), height.into())?;
    }
    let middle = if new_width == width {
        data.to_vec()
    } else {
        let axis = float_axis(filter, width, new_width);
        horizontal(data, width as usize * channels, channels, new_width as usize, &axis)
    };
    if new_height == height {
        return Ok(middle);
    }
    let axis = float_axis(filter, height, new_height);
    Ok(vertical(&middle, new_width as usize * channels, new_height as usize, &axis))
}

fn nearest(
    data: &[f32],
    (width, height): (u32, u32),
    channels: usize,
    (new_width, new_height): (u32, u32),
) -> Vec<f32> {
    let columns = nearest_axis(width, new_width);
    let mut out = Vec::with_capacity(new_width as usize * new_height as usize * channels);
    for y in nearest_axis(height, new_height) {
        let row = &data[y * width as usize * channels..][..width as usize * channels];
        for &x in &columns {
            out.extend_from_slice(&row[x * channels..(x + 1) * channels]);
        }
    }
    out
}

fn horizontal(
    data: &[f32],
    row_len: usize,
    channels: usize,
    new_width: usize,
    axis: &Axis<f32>,
) -> Vec<f32> {
    let mut out = vec![0.0; data.len() / row_len * new_width * channels];
    for (row, target) in data.chunks_exact(row_len).zip(out.chunks_exact_mut(new_width * channels))
    {
        for (i, pixel) in target.chunks_exact_mut(channels).enumerate() {
            let taps = row[axis.start(i) * channels..].chunks_exact(channels);
            for (weight, values) in axis.weights(i).iter().zip(taps) {
                for (sum, value) in pixel.iter_mut().zip(values) {
                    *sum += weight * value;
                }
            }
        }
    }
    out
}

fn vertical(data: &[f32], row_len: usize, new_height: usize, axis: &Axis<f32>) -> Vec<f32> {
    let mut out = vec![0.0; new_height * row_len];
    for (i, target) in out.chunks_exact_mut(row_len).enumerate() {
        let taps = data[axis.start(i) * row_len..].chunks_exact(row_len);
        for (weight, row) in axis.weights(i).iter().zip(taps) {
            for (sum, value) in target.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_shrunk_by_two_with_box_is_the_mean_of_pairs() {
        let data: Vec<f32> = (0..16_u8).map(f32::from).collect();
        let found = resize_f32(&data, (4, 4), 1, (2, 2), Filter::Box).expect("legal");
        assert_eq!(found, [2.5, 4.5, 10.5, 12.5]);
    }

    #[test]
    fn nothing_is_clamped() {
        let found = resize_f32(&[0.0, 0.0, 1.0, 1.0], (4, 1), 1, (8, 1), Filter::Bicubic);
        let found = found.expect("legal");
        assert!(found.iter().any(|&v| v > 1.0) && found.iter().any(|&v| v < 0.0));
    }

    #[test]
    fn float_and_8_bit_agree_where_nothing_clamps() {
        let levels: Vec<u8> = (0..30_u8).flat_map(|i| [90 + i, 100 + 2 * i, 160 - i]).collect();
        let floats: Vec<f32> = levels.iter().map(|&v| f32::from(v)).collect();
        let picture = crate::image::Rgb8::new(6, 5, levels).expect("sizes fit");
        for filter in [Filter::Nearest, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            let eight = super::super::resize(&picture, 9, 3, filter).expect("legal");
            let float = resize_f32(&floats, (6, 5), 3, (9, 3), filter).expect("legal");
            for (a, b) in eight.data().iter().zip(&float) {
                assert!((f32::from(*a) - b).abs() <= 1.5, "{filter:?}: {a} {b}");
            }
        }
    }

    #[test]
    fn a_wrong_length_is_an_error() {
        let found = resize_f32(&[0.0; 5], (2, 3), 1, (1, 1), Filter::Box);
        assert_eq!(found, Err(ResizeError::WrongLength { expected: 6, found: 5 }));
    }
}
