//! CIE Lab as the distortions need it (`papers/degradations.md`, section 1).
//!
//! All in `f64` with +, -, *, / and square roots only, so that every platform gives the same bits.
//! The roots are our own: three Halley steps are faster than the library's, exact to some 1e-15,
//! and vectorise, several pixels at once.

// The functions of a pixel must be compiled into the vectorised loop that calls them.
#![allow(clippy::inline_always)]

use biqa::wide::{Wide, wide};

/// Pixels computed together.
const LANES: usize = 8;

/// A function of a pixel's three values.
///
/// `of` must be marked `#[inline(always)]` (see [`Wide`]).
pub(super) trait Pixel: Copy {
    /// The new values.
    fn of(self, pixel: [f64; 3]) -> [f32; 3];
}

/// Every pixel by a function, several at once.
pub(super) fn by_pixel(data: &[f32], f: impl Pixel) -> Vec<f32> {
    let mut out = vec![0.0; data.len()];
    wide(AllPixels { data, f, out: &mut out });
    out
}

struct AllPixels<'a, F> {
    data: &'a [f32],
    f: F,
    out: &'a mut [f32],
}

impl<F: Pixel> Wide for AllPixels<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let pixels = self.data.as_chunks::<3>().0.chunks(LANES);
        for (pixels, out) in pixels.zip(self.out.as_chunks_mut::<3>().0.chunks_mut(LANES)) {
            // By channel, so that a register holds the same channel of several pixels.
            let mut lanes = [[0.5_f64; LANES]; 3];
            for (i, pixel) in pixels.iter().enumerate() {
                (0..3).for_each(|c| lanes[c][i] = f64::from(pixel[c]));
            }
            let mut results = [[0.0_f32; LANES]; 3];
            for i in 0..LANES {
                let result = self.f.of([lanes[0][i], lanes[1][i], lanes[2][i]]);
                (0..3).for_each(|c| results[c][i] = result[c]);
            }
            for (i, pixel) in out.iter_mut().enumerate() {
                *pixel = [results[0][i], results[1][i], results[2][i]];
            }
        }
    }
}

/// Lab of a picture's values, by pixel.
pub(super) fn lab_of(data: &[f32]) -> Vec<f32> {
    by_pixel(data, ToLab)
}

/// Encoded sRGB, clipped, of Lab by pixel.
pub(super) fn back(lab: &[f32]) -> Vec<f32> {
    by_pixel(lab, FromLab)
}

#[derive(Clone, Copy)]
struct ToLab;

impl Pixel for ToLab {
    #[inline(always)]
    fn of(self, rgb: [f64; 3]) -> [f32; 3] {
        lab_of_rgb(rgb).map(|v| v as f32)
    }
}

#[derive(Clone, Copy)]
struct FromLab;

impl Pixel for FromLab {
    #[inline(always)]
    fn of(self, lab: [f64; 3]) -> [f32; 3] {
        rgb_of_lab(lab)
    }
}

/// Lab of encoded sRGB.
#[inline(always)]
pub(super) fn lab_of_rgb(rgb: [f64; 3]) -> [f64; 3] {
    lab_of_linear(rgb.map(decode))
}

/// Lab to encoded sRGB, clipped.
#[inline(always)]
pub(super) fn rgb_of_lab(lab: [f64; 3]) -> [f32; 3] {
    linear_of_lab(lab).map(|v| encode(v).clamp(0.0, 1.0) as f32)
}

/// Linear sRGB to XYZ, D65.
const M: [[f64; 3]; 3] = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
];

/// The numeric inverse of [`M`].
const M_INVERSE: [[f64; 3]; 3] = inverse(M);

/// White: the row sums of [`M`].
const WHITE: [f64; 3] =
    [M[0][0] + M[0][1] + M[0][2], M[1][0] + M[1][1] + M[1][2], M[2][0] + M[2][1] + M[2][2]];

/// Where `f` changes from the line to the cube root (CIE, exact fractions).
const EPSILON: f64 = 216.0 / 24389.0;
const KAPPA: f64 = 24389.0 / 27.0;

/// Encoded sRGB to linear light. `v^2.4` is `v^2 (v^(1/5))^2`.
#[inline(always)]
pub(super) fn decode(v: f64) -> f64 {
    let base = (v + 0.055) / 1.055;
    let root = fifth_root(base);
    let power = base * base * (root * root);
    if v <= 0.04045 { v / 12.92 } else { power }
}

/// Linear light to encoded sRGB. `v^(1/2.4)` is `(v^(1/12))^5`: two square roots and a cube root.
#[inline(always)]
pub(super) fn encode(v: f64) -> f64 {
    let twelfth = cube_root(v.sqrt().sqrt());
    let square = twelfth * twelfth;
    let power = 1.055 * (square * square * twelfth) - 0.055;
    if v <= 0.0031308 { 12.92 * v } else { power }
}

/// Linear RGB to Lab.
#[inline(always)]
pub(super) fn lab_of_linear(rgb: [f64; 3]) -> [f64; 3] {
    let xyz = multiply(&M, rgb);
    let f = |i: usize| {
        let t = xyz[i] / WHITE[i];
        let root = cube_root(t);
        if t > EPSILON { root } else { (KAPPA * t + 16.0) / 116.0 }
    };
    let (fx, fy, fz) = (f(0), f(1), f(2));
    [116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)]
}

/// Lab to linear RGB. Nothing is clipped: whoever calls clips.
#[inline(always)]
pub(super) fn linear_of_lab([l, a, b]: [f64; 3]) -> [f64; 3] {
    let fy = (l + 16.0) / 116.0;
    let back = |f: f64| if f > 6.0 / 29.0 { f * f * f } else { (116.0 * f - 16.0) / KAPPA };
    let t = [back(fy + a / 500.0), back(fy), back(fy - b / 200.0)];
    multiply(&M_INVERSE, [t[0] * WHITE[0], t[1] * WHITE[1], t[2] * WHITE[2]])
}

#[inline(always)]
fn multiply(m: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    let row = |r: [f64; 3]| r[0] * v[0] + r[1] * v[1] + r[2] * v[2];
    [row(m[0]), row(m[1]), row(m[2])]
}

/// By cofactors, at compile time.
pub(super) const fn inverse(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let [[a, b, c], [d, e, f], [g, h, i]] = m;
    let det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
    [
        [(e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det],
        [(f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det],
        [(d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det],
    ]
}

/// The cube root of a positive normal number: the exponent divided by three, a linear guess (below
/// 4 % off), and three steps of Halley, each of which cubes the error.
#[inline(always)]
fn cube_root(x: f64) -> f64 {
    // Kahan's constant: it shares out the exponent's bias.
    let mut y = guess((x.to_bits() >> 32) as u32 / 3 + 0x2A9F_7893);
    for _ in 0..3 {
        let cube = y * y * y;
        y = y * (cube + 2.0 * x) / (2.0 * cube + x);
    }
    y
}

/// The number whose upper half is that word.
#[inline(always)]
fn guess(high: u32) -> f64 {
    f64::from_bits(u64::from(high) << 32)
}

/// The fifth root of a positive normal number, as [`cube_root`] (guess below 4 % off).
#[inline(always)]
fn fifth_root(x: f64) -> f64 {
    let mut y = guess((x.to_bits() >> 32) as u32 / 5 + 0x3325_D916);
    for _ in 0..3 {
        let square = y * y;
        let fifth = square * square * y;
        y = y * (2.0 * fifth + 3.0 * x) / (3.0 * fifth + 2.0 * x);
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        lab_of_linear(rgb.map(decode))
    }

    #[test]
    fn lab_values_are_those_of_the_specification() {
        let levels = |r: f64, g: f64, b: f64| [r / 255.0, g / 255.0, b / 255.0];
        for (rgb, expected) in [
            (levels(255.0, 0.0, 0.0), [53.240792, 80.092470, 67.203193]),
            (levels(0.0, 0.0, 255.0), [32.297009, 79.187527, -107.860165]),
            (levels(200.0, 100.0, 50.0), [53.629537, 36.305785, 45.379524]),
        ] {
            for (found, expected) in lab(rgb).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{rgb:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn the_way_back_is_the_identity() {
        for i in 0..=1000_u32 {
            let v = f64::from(i) / 1000.0;
            assert!((encode(decode(v)) - v).abs() < 1e-7, "{v}"); // the two branches meet to 1e-8
            let rgb = [v, 1.0 - v, v * v];
            let back = linear_of_lab(lab(rgb)).map(encode);
            for (found, expected) in back.iter().zip(rgb) {
                assert!((found - expected).abs() < 1e-6, "{rgb:?}");
            }
        }
    }

    #[test]
    fn decoding_is_the_power() {
        for i in 41..=1000_u32 {
            let v = f64::from(i) / 1000.0;
            let expected = libm::pow((v + 0.055) / 1.055, 2.4);
            assert!((decode(v) / expected - 1.0).abs() < 3e-15, "{v}");
        }
        assert_eq!(decode(0.04), 0.04 / 12.92);
    }

    #[derive(Clone, Copy)]
    struct Brighter;

    impl Pixel for Brighter {
        fn of(self, rgb: [f64; 3]) -> [f32; 3] {
            rgb_of_lab(lab_of_rgb(rgb).map(|v| 1.1 * v))
        }
    }

    #[test]
    fn pixels_together_are_pixels_alone() {
        let data: Vec<f32> = (0..3 * 21).map(|i| i as f32 / 62.0).collect();
        let alone: Vec<f32> =
            data.as_chunks::<3>().0.iter().flat_map(|p| Brighter.of(p.map(f64::from))).collect();
        assert_eq!(by_pixel(&data, Brighter), alone);
    }

    #[test]
    fn the_cube_root_is_exact_to_rounding() {
        for i in 1..4000_u32 {
            let x = f64::from(i) / 1000.0;
            let error = cube_root(x) / libm::cbrt(x) - 1.0;
            assert!(error.abs() < 1e-15, "{x}: {error}");
        }
        assert!((cube_root(1e-9) - 1e-3).abs() < 1e-18);
    }
}
