//! 1 `gaussian_blur`, 2 `lens_blur`, 3 `motion_blur` (`papers/degradations.md`, 2.1).

use super::super::RgbF32;
use super::super::filter::{Border, Kernel, gaussian_f32, separable};

/// Gaussian of `sigma`, radius `ceil(2 sigma)`, border pixels repeated, each channel.
pub(in super::super) fn gaussian_blur(picture: &RgbF32, sigma: f64) -> RgbF32 {
    let kernel = gaussian_f32(sigma, libm::ceil(2.0 * sigma) as usize);
    let mut data = separable(picture.data(), picture.shape(), &kernel, &kernel, Border::Edge);
    // Rounding may leave [0, 1] by one unit in the last place.
    for value in &mut data {
        *value = value.clamp(0.0, 1.0);
    }
    picture.with_data(data)
}

/// A disc of exact areas, border pixels repeated.
pub(in super::super) fn lens_blur(picture: &RgbF32, radius: f64) -> RgbF32 {
    blurred(picture, &lens_kernel(radius))
}

/// A line of `length` at `angle` degrees, border pixels repeated.
pub(in super::super) fn motion_blur(picture: &RgbF32, length: f64, angle: f64) -> RgbF32 {
    blurred(picture, &motion_kernel(length, angle))
}

fn blurred(picture: &RgbF32, kernel: &Kernel) -> RgbF32 {
    let mut data = kernel.apply(picture.data(), picture.shape(), Border::Edge);
    for value in &mut data {
        *value = value.clamp(0.0, 1.0);
    }
    picture.with_data(data)
}

/// Kernel of `lens_blur`: side `2 ceil(R - 0.5) + 1`, the weight of a pixel is the exact area of its
/// unit square inside the disc of that radius, divided by the sum.
pub fn lens_kernel(radius: f64) -> Kernel {
    let reach = libm::ceil(radius - 0.5).max(0.0) as usize;
    // A square across an axis is two (or four) times the part on one side of it.
    let side = |offset: f64| {
        let offset = offset.abs();
        if offset == 0.0 { (0.0, 0.5, 2.0) } else { (offset - 0.5, offset + 0.5, 1.0) }
    };
    Kernel::normalised(2 * reach + 1, |x, y| {
        let ((x0, x1, nx), (y0, y1, ny)) = (side(x), side(y));
        nx * ny * disc_area(radius, [x0, x1], [y0, y1])
    })
}

/// Area of the disc inside the rectangle [x0, x1] x [y0, y1] of the first quadrant.
fn disc_area(r: f64, [x0, x1]: [f64; 2], [y0, y1]: [f64; 2]) -> f64 {
    let column = |y: f64| (r * r - y * y).max(0.0).sqrt();
    let integral = |t: f64| {
        let t = t.min(r);
        f64::midpoint(t * (r * r - t * t).max(0.0).sqrt(), r * r * libm::asin(t / r))
    };
    let lo = column(y1).clamp(x0, x1);
    let hi = column(y0).clamp(x0, x1);
    (lo - x0) * (y1 - y0) + integral(hi) - integral(lo) - y0 * (hi - lo)
}

/// Kernel of `motion_blur`: MATLAB's `fspecial("motion")`.
pub fn motion_kernel(length: f64, angle: f64) -> Kernel {
    let length = length.max(1.0);
    let half = (length - 1.0) / 2.0;
    let phi = angle.rem_euclid(180.0) / 180.0 * std::f64::consts::PI;
    let (cos, sin) = (libm::cos(phi), libm::sin(phi));
    let sign = if cos < 0.0 { -1.0 } else { 1.0 };
    let epsilon = f64::EPSILON;

    // The lower right quadrant, counted away from the centre.
    let columns = (half * cos + sign - length * epsilon).trunc().abs() as usize + 1;
    let rows = (half * sin + 1.0 - length * epsilon).trunc() as usize + 1;
    let weight = |column: usize, row: usize| {
        let (x, y) = (sign * column as f64, row as f64);
        let across = y * cos - x * sin;
        let along = (x * x + y * y).sqrt();
        let distance = if along >= half && across.abs() <= 1.0 {
            let beyond = half - ((x + across * sin) / cos).abs();
            (across * across + beyond * beyond).sqrt()
        } else {
            across.abs()
        };
        (1.0 + epsilon - distance).max(0.0)
    };

    let (width, height) = (2 * columns - 1, 2 * rows - 1);
    let mut weights = vec![0.0; width * height];
    for row in 0..rows {
        for column in 0..columns {
            let w = weight(column, row);
            weights[(rows - 1 - row) * width + columns - 1 - column] = w;
            weights[(rows - 1 + row) * width + columns - 1 + column] = w;
        }
    }
    let sum = weights.iter().sum::<f64>() + epsilon * length * length;
    for w in &mut weights {
        *w /= sum;
    }
    if cos > 0.0 {
        let flipped = weights.chunks_exact(width).rev().flatten().copied().collect();
        weights = flipped;
    }
    Kernel { width, height, weights }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-7, "{found} {expected}");
        }
    }

    #[test]
    fn discs_are_those_of_the_specification() {
        let small = lens_kernel(1.0).weights;
        let (centre, side, corner) = (std::f64::consts::FRAC_1_PI, 0.1453439, 0.0250786);
        near(&small, &[corner, side, corner, side, centre, side, corner, side, corner]);
        let disc = lens_kernel(2.0);
        assert_eq!((disc.width, disc.height), (5, 5));
        near(&disc.weights[12..15], &[0.0795775, 0.0795775, 0.0381150]);
        near(&disc.weights[17..20], &[0.0795775, 0.0783814, 0.0170159]);
        near(&disc.weights[22..25], &[0.0381150, 0.0170159, 0.0]);
    }

    #[test]
    fn discs_sum_to_one_and_have_the_symmetries_of_the_square() {
        for radius in [0.3, 1.0, 2.0, 3.7, 4.0, 6.0, 8.0] {
            let disc = lens_kernel(radius);
            let n = disc.width;
            assert!((disc.weights.iter().sum::<f64>() - 1.0).abs() < 1e-6);
            let at = |x: usize, y: usize| disc.weights[y * n + x];
            for (x, y) in (0..n * n).map(|i| (i % n, i / n)) {
                for other in [at(n - 1 - x, y), at(x, n - 1 - y), at(y, x)] {
                    assert!((at(x, y) - other).abs() < 1e-12, "radius {radius}");
                }
            }
        }
    }

    #[test]
    fn lines_are_those_of_the_specification() {
        let (s, t) = (1.0 / 6.0, 1.0 / 12.0);
        let flat = motion_kernel(6.0, 0.0);
        assert_eq!((flat.width, flat.height), (7, 1));
        near(&flat.weights, &[t, s, s, s, s, s, t]);
        let upright = motion_kernel(4.0, 90.0);
        assert_eq!((upright.width, upright.height), (1, 5));
        near(&upright.weights, &[0.125, 0.25, 0.25, 0.25, 0.125]);
        let (a, b, c) = (0.11832244, 0.03856747, 0.44957533);
        near(&motion_kernel(2.0, 45.0).weights, &[0.0, a, b, a, c, a, b, a, 0.0]);
        near(&motion_kernel(1.0, 20.0).weights, &[1.0]);
    }

    #[test]
    fn lines_sum_to_one_and_are_symmetric_and_half_a_turn_is_none() {
        for length in [1.0, 2.0, 4.0, 6.0, 10.0] {
            for angle in 0..=180 {
                let line = motion_kernel(length, f64::from(angle));
                assert!((line.weights.iter().sum::<f64>() - 1.0).abs() < 1e-6);
                let turned: Vec<f64> = line.weights.iter().rev().copied().collect();
                near(&line.weights, &turned);
            }
            assert_eq!(motion_kernel(length, 0.0), motion_kernel(length, 180.0));
        }
    }
}
