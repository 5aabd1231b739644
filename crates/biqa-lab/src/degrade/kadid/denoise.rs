//! 15 `denoise`: noise, then an adaptive Wiener filter (`papers/degradations.md`, 2.1).
//!
//! The original runs a pretrained network (DnCNN), whose weights are no part of this project. Like
//! it, the filter smooths flat parts and keeps strong edges.

use super::super::RgbF32;
use super::super::filter::{Border, Shape};
use super::noise::noise_white;
use biqa::random::Draws;

/// The window is 7 x 7.
const RADIUS: usize = 3;

/// White noise of that variance, and the filter that knows it.
pub(in super::super) fn denoise(picture: &RgbF32, variance: f64, draws: &Draws) -> RgbF32 {
    let noisy = noise_white(picture, variance, draws);
    let shape = noisy.shape();
    let z: Vec<f64> = noisy.data().iter().map(|&v| f64::from(v)).collect();
    let means = box_means(&z, shape);
    let square: Vec<f64> = z.iter().map(|v| v * v).collect();
    let squares = box_means(&square, shape);
    let filtered = z.iter().zip(means.iter().zip(&squares)).map(|(z, (m, m2))| {
        let spread = (m2 - m * m).max(0.0);
        let gain = (spread - variance).max(0.0) / spread.max(variance);
        (m + gain * (z - m)).clamp(0.0, 1.0) as f32
    });
    picture.with_data(filtered.collect())
}

/// Means over the window, border pixels repeated, by running sums along columns and rows.
fn box_means(data: &[f64], shape: Shape) -> Vec<f64> {
    let Shape { width, height, .. } = shape;
    let row_len = shape.row();
    let row = |y: isize| {
        let start = Border::Edge.index(y, height) * row_len;
        &data[start..start + row_len]
    };
    let mut column_sums = vec![0.0; row_len];
    for y in -(RADIUS as isize)..=RADIUS as isize {
        column_sums.iter_mut().zip(row(y)).for_each(|(sum, v)| *sum += v);
    }
    let share = 1.0 / ((2 * RADIUS + 1) * (2 * RADIUS + 1)) as f64;
    let mut out = Vec::with_capacity(data.len());
    let mut padded = vec![[0.0; 3]; width + 2 * RADIUS + 1];
    for y in 0..height as isize {
        if y > 0 {
            let (new, old) = (row(y + RADIUS as isize), row(y - 1 - RADIUS as isize));
            for ((sum, new), old) in column_sums.iter_mut().zip(new).zip(old) {
                *sum += new - old;
            }
        }
        let columns = column_sums.as_chunks::<3>().0;
        padded[..=RADIUS].fill(columns[0]);
        padded[RADIUS..RADIUS + width].copy_from_slice(columns);
        padded[RADIUS + width..].fill(columns[width - 1]);
        let mut sums = [0.0; 3];
        for column in &padded[..=2 * RADIUS] {
            sums.iter_mut().zip(column).for_each(|(sum, v)| *sum += v);
        }
        for (new, old) in padded[2 * RADIUS + 1..].iter().zip(&padded) {
            out.extend_from_slice(&sums.map(|sum| sum * share));
            for (c, sum) in sums.iter_mut().enumerate() {
                *sum += new[c] - old[c];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_means_are_means() {
        let shape = Shape { width: 9, height: 11, channels: 3 };
        let data: Vec<f64> = (0..shape.len()).map(|i| ((i * 31) % 17) as f64 / 17.0).collect();
        let found = box_means(&data, shape);
        for (i, found) in found.iter().enumerate() {
            let (y, x, c) = (i / shape.row(), i % shape.row() / 3, i % 3);
            let mut sum = 0.0;
            for (dy, dx) in (0..49).map(|k| (k / 7 - 3, k % 7 - 3)) {
                let sy = Border::Edge.index(y as isize + dy, 11);
                sum += data[sy * 27 + 3 * Border::Edge.index(x as isize + dx, 9) + c];
            }
            assert!((found - sum / 49.0).abs() < 1e-12);
        }
    }
}
