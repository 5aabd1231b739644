//! 16 `brighten`, 17 `darken`, 18 `mean_shift`, 25 `contrast`: tone curves
//! (`papers/degradations.md`, 2.1).

// The functions of a pixel must be compiled into the vectorised loop that calls them.
#![allow(clippy::inline_always)]

use super::super::lab::{Pixel, by_pixel, encode, lab_of_rgb, linear_of_lab};
use super::super::{RgbF32, level};
use biqa::image::Rgb8;

/// The parabola through (0, 0), (0.5, c), (1, 1), clipped to [0, 1].
#[inline(always)]
fn curve(x: f64, c: f64) -> f64 {
    ((2.0 - 4.0 * c) * x * x + (4.0 * c - 1.0) * x).clamp(0.0, 1.0)
}

/// One channel darkened: the curve through 0.5 - n/2.
#[inline]
fn darkened(v: f32, n: f64) -> f32 {
    curve(f64::from(v), 0.5 - n / 2.0) as f32
}

/// Each channel through the curve.
pub(in super::super) fn darken(picture: &RgbF32, n: f64) -> RgbF32 {
    by_value(picture, |v| darkened(v, n))
}

/// [`darken`] by a table of 256 levels.
pub(in super::super) fn darken_u8(picture: &Rgb8, n: f64) -> Rgb8 {
    by_level(picture, |v| darkened(v, n))
}

/// `x + v`, clipped.
pub(in super::super) fn mean_shift(picture: &RgbF32, v: f64) -> RgbF32 {
    by_value(picture, |x| shifted(x, v))
}

/// [`mean_shift`] by a table of 256 levels.
pub(in super::super) fn mean_shift_u8(picture: &Rgb8, v: f64) -> Rgb8 {
    by_level(picture, |x| shifted(x, v))
}

/// The cubic with slope above one in the middle for positive `s`, below one for `s` below -0.2.
pub(in super::super) fn contrast(picture: &RgbF32, s: f64) -> RgbF32 {
    by_value(picture, |x| bent(x, s))
}

/// [`contrast`] by a table of 256 levels.
pub(in super::super) fn contrast_u8(picture: &Rgb8, s: f64) -> Rgb8 {
    by_level(picture, |x| bent(x, s))
}

#[inline]
fn shifted(x: f32, v: f64) -> f32 {
    (f64::from(x) + v).clamp(0.0, 1.0) as f32
}

/// The five-point spline of the original through (0.3, lo) and (0.7, hi), lo + hi = 1, is one cubic.
#[inline]
fn bent(x: f32, s: f64) -> f32 {
    let b = -(0.05 + s / 4.0) / 0.042;
    let a = 1.0 - b / 4.0;
    let t = f64::from(x) - 0.5;
    (0.5 + a * t + b * t * t * t).clamp(0.0, 1.0) as f32
}

/// A function of the value, on every value.
fn by_value(picture: &RgbF32, f: impl Fn(f32) -> f32) -> RgbF32 {
    picture.with_data(picture.data().iter().map(|&v| f(v)).collect())
}

/// The same by a table of 256 levels.
fn by_level(picture: &Rgb8, f: impl Fn(f32) -> f32) -> Rgb8 {
    let table: [u8; 256] = std::array::from_fn(|v| level(f(v as f32 / 255.0)));
    let data = picture.data().iter().map(|&v| table[usize::from(v)]).collect();
    Rgb8::new(picture.width(), picture.height(), data).expect("one level out for one level in")
}

/// The curve through 0.5 + n/2 on RGB (J1) and on L of Lab (J2): `(2 J1 + J2) / 3`.
pub(in super::super) fn brighten(picture: &RgbF32, n: f64) -> RgbF32 {
    picture.with_data(by_pixel(picture.data(), Brighten(0.5 + n / 2.0)))
}

/// By the curve through this point.
#[derive(Clone, Copy)]
struct Brighten(f64);

impl Pixel for Brighten {
    #[inline(always)]
    fn of(self, rgb: [f64; 3]) -> [f32; 3] {
        let c = self.0;
        let [l, a, b] = lab_of_rgb(rgb);
        let lighter = linear_of_lab([100.0 * curve(l / 100.0, c), a, b]).map(encode);
        [0, 1, 2].map(|i| ((2.0 * curve(rgb[i], c) + lighter[i].clamp(0.0, 1.0)) / 3.0) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_darkening_curve_passes_the_points_of_the_specification() {
        let at = [0.1, 0.25, 0.5, 0.75, 0.9];
        for (n, expected) in
            [(0.2, [0.064, 0.175, 0.4, 0.675, 0.864]), (0.8, [0.0, 0.0, 0.1, 0.45, 0.756])]
        {
            for (x, expected) in at.iter().zip(expected) {
                assert!((curve(*x, 0.5 - n / 2.0) - expected).abs() < 1e-12, "n {n} x {x}");
            }
        }
    }

    #[test]
    fn brightening_the_example_gives_its_values() {
        let picture = Rgb8::new(1, 1, vec![200, 100, 50]).expect("one pixel");
        let found = brighten(&RgbF32::from_levels(&picture), 0.4);
        for (found, expected) in found.data().iter().zip([0.946431, 0.587570, 0.343947]) {
            assert!((found - expected).abs() < 2e-6, "{found} {expected}");
        }
    }

    #[test]
    fn the_contrast_curve_passes_the_points_of_the_specification() {
        for (s, points) in [
            (0.3, [(0.1, 0.0), (0.25, 0.110491), (0.4, 0.328571)]),
            (-0.6, [(0.1, 0.185714), (0.25, 0.361607), (0.4, 0.457143)]),
            (0.0, [(0.1, 0.057143), (0.5, 0.5), (1.0, 1.0)]),
        ] {
            for (x, expected) in points {
                assert!((bent(x, s) - expected).abs() < 2e-6, "s {s} x {x}: {}", bent(x, s));
            }
        }
    }
}
