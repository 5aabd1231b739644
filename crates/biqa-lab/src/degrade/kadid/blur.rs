//! 1 `gaussian_blur` (`papers/degradations.md`, 2.1).

use super::super::RgbF32;
use biqa::random::Draws;

/// Gaussian of `sigma`, radius `ceil(2 sigma)`, border pixels repeated, each channel.
pub(in super::super) fn gaussian_blur(picture: &RgbF32, sigma: f64, _: &Draws) -> RgbF32 {
    let kernel = gaussian(sigma, libm::ceil(2.0 * sigma) as usize);
    separable(picture, &kernel)
}

/// `exp(-i^2 / (2 sigma^2))` for i = -r..r, divided by the sum.
fn gaussian(sigma: f64, radius: usize) -> Vec<f32> {
    let weight = |i: f64| libm::exp(-i * i / (2.0 * sigma * sigma));
    let offsets = (0..=2 * radius).map(|i| i as f64 - radius as f64);
    let weights: Vec<f64> = offsets.map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| (w / sum) as f32).collect()
}

/// Rows, then columns, with one odd kernel. Inner loops run along rows of contiguous values.
fn separable(picture: &RgbF32, kernel: &[f32]) -> RgbF32 {
    let row_len = picture.width() as usize * 3;
    let height = picture.height() as usize;
    let radius = kernel.len() / 2;

    let mut middle = vec![0.0; picture.data().len()];
    let mut padded = Vec::with_capacity(row_len + 6 * radius);
    let rows = picture.data().chunks_exact(row_len);
    for (row, target) in rows.zip(middle.chunks_exact_mut(row_len)) {
        padded.clear();
        (0..radius).for_each(|_| padded.extend_from_slice(&row[..3]));
        padded.extend_from_slice(row);
        (0..radius).for_each(|_| padded.extend_from_slice(&row[row_len - 3..]));
        for (tap, &weight) in kernel.iter().enumerate() {
            add_scaled(target, &padded[3 * tap..3 * tap + row_len], weight);
        }
    }

    let mut out = vec![0.0; middle.len()];
    for (y, target) in out.chunks_exact_mut(row_len).enumerate() {
        for (tap, &weight) in kernel.iter().enumerate() {
            let source = (y + tap).saturating_sub(radius).min(height - 1);
            add_scaled(target, &middle[source * row_len..(source + 1) * row_len], weight);
        }
        // Rounding may leave [0, 1] by one unit in the last place.
        for value in target {
            *value = value.clamp(0.0, 1.0);
        }
    }
    picture.with_data(out)
}

/// `target += weight * source`.
#[inline]
fn add_scaled(target: &mut [f32], source: &[f32], weight: f32) {
    for (target, source) in target.iter_mut().zip(source) {
        *target += weight * source;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_kernels_are_those_of_the_specification() {
        for (sigma, radius, expected) in [
            (0.5, 1, &[0.78698604, 0.10650698][..]),
            (1.0, 2, &[0.40261995, 0.24420134, 0.05448868]),
            (2.0, 4, &[0.20416369, 0.18017382, 0.12383154, 0.06628225, 0.02763055]),
        ] {
            let kernel = gaussian(sigma, radius);
            assert!((kernel.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            for (found, expected) in kernel[radius..].iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-7, "sigma {sigma}");
            }
        }
    }
}
