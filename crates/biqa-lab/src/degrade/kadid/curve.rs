//! 16 `brighten` and 17 `darken`: tone curves (`papers/degradations.md`, 2.1).

use super::super::color::{decode, encode, lab_of_linear, linear_of_lab};
use super::super::{RgbF32, level};
use biqa::image::Rgb8;
use biqa::random::Draws;

/// The parabola through (0, 0), (0.5, c), (1, 1), clipped to [0, 1].
#[inline]
fn curve(x: f64, c: f64) -> f64 {
    ((2.0 - 4.0 * c) * x * x + (4.0 * c - 1.0) * x).clamp(0.0, 1.0)
}

/// One channel darkened: the curve through 0.5 - n/2.
#[inline]
fn darkened(v: f32, n: f64) -> f32 {
    curve(f64::from(v), 0.5 - n / 2.0) as f32
}

/// Each channel through the curve.
pub(in super::super) fn darken(picture: &RgbF32, n: f64, _: &Draws) -> RgbF32 {
    picture.with_data(picture.data().iter().map(|&v| darkened(v, n)).collect())
}

/// [`darken`] by a table of 256 levels.
pub(in super::super) fn darken_u8(picture: &Rgb8, n: f64, _: &Draws) -> Rgb8 {
    let table: [u8; 256] = std::array::from_fn(|v| level(darkened(v as f32 / 255.0, n)));
    let data = picture.data().iter().map(|&v| table[usize::from(v)]).collect();
    Rgb8::new(picture.width(), picture.height(), data).expect("one level out for one level in")
}

/// `(2 J1 + J2) / 3`: J1 the curve on RGB (`bent`), J2 the curve on L of Lab.
#[inline]
fn brightened(bent: [f64; 3], linear: [f64; 3], c: f64) -> [f32; 3] {
    let [l, a, b] = lab_of_linear(linear);
    let lighter = linear_of_lab([100.0 * curve(l / 100.0, c), a, b]).map(encode);
    std::array::from_fn(|i| ((2.0 * bent[i] + lighter[i].clamp(0.0, 1.0)) / 3.0) as f32)
}

/// The curve through 0.5 + n/2 on RGB and on the lightness.
pub(in super::super) fn brighten(picture: &RgbF32, n: f64, _: &Draws) -> RgbF32 {
    let c = 0.5 + n / 2.0;
    let pixels = picture.data().as_chunks::<3>().0.iter();
    let data = pixels.flat_map(|pixel| {
        let pixel = pixel.map(f64::from);
        brightened(pixel.map(|v| curve(v, c)), pixel.map(decode), c)
    });
    picture.with_data(data.collect())
}

/// [`brighten`] with the curve and the decoding of each level in tables.
pub(in super::super) fn brighten_u8(picture: &Rgb8, n: f64, _: &Draws) -> Rgb8 {
    let c = 0.5 + n / 2.0;
    let value = |v: usize| f64::from(v as f32 / 255.0);
    let bent: [f64; 256] = std::array::from_fn(|v| curve(value(v), c));
    let linear: [f64; 256] = std::array::from_fn(|v| decode(value(v)));
    let pixels = picture.data().as_chunks::<3>().0.iter();
    let data = pixels.flat_map(|pixel| {
        let index = pixel.map(usize::from);
        brightened(index.map(|v| bent[v]), index.map(|v| linear[v]), c).map(level)
    });
    Rgb8::new(picture.width(), picture.height(), data.collect())
        .expect("one pixel out for one pixel in")
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
        let found = brighten(&RgbF32::from_levels(&picture), 0.4, &biqa::random::Key(0).at(0));
        for (found, expected) in found.data().iter().zip([0.946431, 0.587570, 0.343947]) {
            assert!((found - expected).abs() < 2e-6, "{found} {expected}");
        }
    }
}
