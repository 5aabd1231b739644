//! 5 `color_shift` (`papers/degradations.md`, 2.1).

use super::super::RgbF32;
use super::super::filter::{Border, Shape, gaussian_f32, separable};
use super::saturate::stretch_values;

/// MATLAB's `rgb2gray`.
const GRAY: [f64; 3] = [0.2989360212937753, 0.5870430744511212, 0.1140209042551033];

/// Sigma and radius of the blur of the edges.
const SIGMA: f64 = 4.0;
const RADIUS: usize = 8;

/// Edges weaker than this share of the strongest count as this.
const FLOOR: f32 = 0.1;

/// The percentile at which the strengths of edges are cut on both sides.
const PERCENT: f64 = 99.0;

/// Green from (`dy`, `dx`) before, where edges are: `e G' + (1 - e) G`.
pub(in super::super) fn color_shift(picture: &RgbF32, dy: isize, dx: isize) -> RgbF32 {
    let Shape { width, height, .. } = picture.shape();
    let edges = edges(picture);
    let mut data = picture.data().to_vec();
    for y in 0..height {
        let source = Border::Edge.index(y as isize - dy, height) * width;
        for x in 0..width {
            let shifted = source + Border::Edge.index(x as isize - dx, width);
            let (p, e) = (y * width + x, edges[y * width + x]);
            let green = picture.data()[3 * p + 1];
            data[3 * p + 1] = e * picture.data()[3 * shifted + 1] + (1.0 - e) * green;
        }
    }
    picture.with_data(data)
}

/// Where the picture's gray changes, in [0, 1].
fn edges(picture: &RgbF32) -> Vec<f32> {
    let shape = Shape { channels: 1, ..picture.shape() };
    let kernel = gaussian_f32(SIGMA, RADIUS);
    let mut e = separable(&gradient(picture), shape, &kernel, &kernel, Border::Edge);
    stretch_values(&mut e);
    for v in &mut e {
        *v = v.clamp(FLOOR, 1.0);
    }
    stretch_values(&mut e);
    let hi = percentile(e.clone());
    let lo = 1.0 - percentile(e.iter().map(|v| 1.0 - v).collect());
    for v in &mut e {
        *v = v.min(hi).max(lo);
    }
    stretch_values(&mut e);
    // A constant picture is not stretched: its strengths are the floor.
    e
}

/// The length of the gradient of the gray picture, by central differences.
fn gradient(picture: &RgbF32) -> Vec<f32> {
    let Shape { width, height, .. } = picture.shape();
    let weigh = |p: &[f32; 3]| (0..3).map(|c| GRAY[c] * f64::from(p[c])).sum::<f64>();
    let gray: Vec<f64> = picture.data().as_chunks::<3>().0.iter().map(weigh).collect();
    let mut out = Vec::with_capacity(gray.len());
    for y in 0..height {
        let (above, below) = (y.saturating_sub(1), (y + 1).min(height - 1));
        let halves = if below - above == 2 { 0.5 } else { 1.0 };
        for x in 0..width {
            let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
            let share = if right - left == 2 { 0.5 } else { 1.0 };
            let gx = (gray[y * width + right] - gray[y * width + left]) * share;
            let gy = (gray[below * width + x] - gray[above * width + x]) * halves;
            out.push((gx * gx + gy * gy).sqrt() as f32);
        }
    }
    out
}

/// Element number `clamp(round(n p / 100), 1, n)`, from 1, of the values in ascending order.
fn percentile(mut values: Vec<f32>) -> f32 {
    let n = values.len();
    let rank = (n as f64 * PERCENT / 100.0).round().clamp(1.0, n as f64) as usize;
    *values.select_nth_unstable_by(rank - 1, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_of_a_ramp_is_its_slope_everywhere() {
        let data = (0..5 * 4).flat_map(|i| [(i % 5) as f32 / 10.0; 3]).collect();
        let ramp = RgbF32::new(5, 4, data).expect("sizes fit");
        assert!(gradient(&ramp).iter().all(|g| (g - 0.1).abs() < 1e-6));
        let point = RgbF32::new(1, 1, vec![0.3; 3]).expect("sizes fit");
        assert_eq!(gradient(&point), [0.0]);
    }

    #[test]
    fn the_percentile_counts_from_one_and_rounds() {
        assert_eq!(percentile((0..200).map(|i| i as f32).collect()), 197.0);
        assert_eq!(percentile(vec![3.0, 1.0]), 3.0);
        assert_eq!(percentile(vec![5.0]), 5.0);
    }
}
