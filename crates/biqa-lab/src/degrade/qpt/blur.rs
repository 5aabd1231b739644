//! `gaussian_blur`, `advanced_blur`, `zoom_blur` (`papers/degradations.md`, section 8).

use super::super::filter::{gaussian, separable};
use super::{Border, Shape, blurred, finished, shape, values};
use biqa::image::Rgb8;

/// The Gaussian of that sigma, cut to 3x3.
pub(in super::super) fn gaussian_blur(picture: &Rgb8, sigma: f64) -> Rgb8 {
    finished(picture, blurred(&values(picture), shape(picture), sigma, 1).into_iter())
}

/// Columns of the kernel of `advanced_blur`.
pub(in super::super) const COLUMNS: usize = 7;

/// A 7x7 Gaussian whose columns are multiplied by factors, divided by its sum: still separable.
pub(in super::super) fn advanced_blur(picture: &Rgb8, sigma: f64, factors: [f64; COLUMNS]) -> Rgb8 {
    let upright = gaussian(sigma, COLUMNS / 2);
    let weighted: Vec<f64> = upright.iter().zip(factors).map(|(g, f)| g * f).collect();
    let sum: f64 = weighted.iter().sum();
    let level: Vec<f64> = weighted.iter().map(|w| w / sum).collect();
    let out = separable(&values(picture), shape(picture), &level, &upright, Border::Mirror);
    finished(picture, out.into_iter())
}

/// The mean of the picture and its central zooms by 1, 1.01, ... below `z`, the picture counting
/// twice with the first.
pub(in super::super) fn zoom_blur(picture: &Rgb8, z: f64) -> Rgb8 {
    let zooms = (100.0 * (z - 1.0)).round() as u32;
    let shape = shape(picture);
    let q = values(picture);
    let mut sum = q.clone();
    for i in 0..zooms {
        add_zoomed(&mut sum, &q, shape, 1.0 + f64::from(i) / 100.0);
    }
    let share = 1.0 + f64::from(zooms);
    finished(picture, sum.into_iter().map(|v| v / share))
}

/// Where an output of an axis lies between inputs: the first of two, and the share of the second.
fn places(n: usize, factor: f64) -> Vec<(usize, f64)> {
    let centre = (n as f64 - 1.0) / 2.0;
    let place = |i: usize| {
        let at = (centre + (i as f64 - centre) / factor).clamp(0.0, n as f64 - 1.0);
        let first = (at as usize).min(n.saturating_sub(2));
        (first, at - first as f64)
    };
    (0..n).map(place).collect()
}

/// Adds the picture zoomed about its centre, bilinear: rows first, a row at a time.
fn add_zoomed(sum: &mut [f64], q: &[f64], shape: Shape, factor: f64) {
    if factor == 1.0 {
        sum.iter_mut().zip(q).for_each(|(sum, q)| *sum += q);
        return;
    }
    let row_len = shape.row();
    let columns = places(shape.width, factor);
    let right = if shape.width > 1 { 3 } else { 0 };
    let below = if shape.height > 1 { row_len } else { 0 };
    let mut middle = vec![0.0; row_len];
    for (sum, (y, t)) in sum.chunks_exact_mut(row_len).zip(places(shape.height, factor)) {
        let start = y * row_len;
        let (upper, lower) =
            (&q[start..start + row_len], &q[start + below..start + below + row_len]);
        for ((m, upper), lower) in middle.iter_mut().zip(upper).zip(lower) {
            *m = upper + t * (lower - upper);
        }
        for (sum, &(x, t)) in sum.as_chunks_mut::<3>().0.iter_mut().zip(&columns) {
            for (c, sum) in sum.iter_mut().enumerate() {
                let (left, right) = (middle[3 * x + c], middle[3 * x + right + c]);
                *sum += left + t * (right - left);
            }
        }
    }
}
