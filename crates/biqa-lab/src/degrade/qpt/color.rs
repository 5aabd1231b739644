//! `brightness_*`, `contrast_*`, `gamma_*`, `hue_*`, `saturation_*` (`papers/degradations.md`,
//! section 8).

// What lanes call must be compiled into their loop.
#![allow(clippy::inline_always)]

use super::super::hsv::{hsv_of_rgb, rgb_of_hsv, wrap};
use super::{rounded, with_levels};
use biqa::image::Rgb8;
use biqa::wide::{Wide, wide};

/// Luma, each pixel's rounded half to even.
#[inline(always)]
fn gray([r, g, b]: [f64; 3]) -> u8 {
    rounded(0.299 * r + 0.587 * g + 0.114 * b)
}

/// A function of the level by a table.
fn by_level(picture: &Rgb8, f: impl Fn(f64) -> f64) -> Rgb8 {
    let table: [u8; 256] = std::array::from_fn(|v| rounded(f(v as f64)));
    with_levels(picture, picture.data().iter().map(|&v| table[usize::from(v)]).collect())
}

/// `f q`.
pub(in super::super) fn brightness(picture: &Rgb8, f: f64) -> Rgb8 {
    by_level(picture, |q| f * q)
}

/// `f q + (1 - f) mean(gray)`.
pub(in super::super) fn contrast(picture: &Rgb8, f: f64) -> Rgb8 {
    let pixels = picture.data().as_chunks::<3>().0;
    let sum: u64 = pixels.iter().map(|p| u64::from(gray(p.map(f64::from)))).sum();
    let mean = sum as f64 / pixels.len() as f64;
    by_level(picture, |q| f * q + (1.0 - f) * mean)
}

/// `255 (q / 255)^g`.
pub(in super::super) fn gamma(picture: &Rgb8, g: f64) -> Rgb8 {
    by_level(picture, |q| 255.0 * libm::pow(q / 255.0, g))
}

/// The hue turned by degrees.
pub(in super::super) fn hue(picture: &Rgb8, degrees: f64) -> Rgb8 {
    by_pixel(picture, &Turn(degrees / 360.0))
}

/// `f q + (1 - f) gray`.
pub(in super::super) fn saturation(picture: &Rgb8, f: f64) -> Rgb8 {
    by_pixel(picture, &Saturate(f))
}

/// A function of a pixel's levels.
trait OfPixel {
    /// To be rounded. Must be marked `#[inline(always)]`.
    fn of(&self, levels: [f64; 3]) -> [f64; 3];
}

/// By a part of the circle.
struct Turn(f64);

impl OfPixel for Turn {
    #[inline(always)]
    fn of(&self, [r, g, b]: [f64; 3]) -> [f64; 3] {
        let [h, s, v] = hsv_of_rgb([r / 255.0, g / 255.0, b / 255.0]);
        let [r, g, b] = rgb_of_hsv([wrap(h + self.0), s, v]);
        [255.0 * r, 255.0 * g, 255.0 * b]
    }
}

/// By a factor.
struct Saturate(f64);

impl OfPixel for Saturate {
    #[inline(always)]
    fn of(&self, q: [f64; 3]) -> [f64; 3] {
        let Self(f) = *self;
        let gray = (1.0 - f) * f64::from(gray(q));
        [f * q[0] + gray, f * q[1] + gray, f * q[2] + gray]
    }
}

fn by_pixel(picture: &Rgb8, f: &impl OfPixel) -> Rgb8 {
    let pixels = picture.data().as_chunks::<3>().0;
    let mut out = vec![[0; 3]; pixels.len()];
    wide(Lanes { f, pixels, out: &mut out });
    with_levels(picture, out.into_flattened())
}

/// Pixels computed together.
const LANES: usize = 16;

struct Lanes<'a, F> {
    f: &'a F,
    pixels: &'a [[u8; 3]],
    out: &'a mut [[u8; 3]],
}

impl<F: OfPixel> Wide for Lanes<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { f, pixels, out } = self;
        for (pixels, out) in pixels.chunks(LANES).zip(out.chunks_mut(LANES)) {
            // What stands behind the last pixel is black, for nothing.
            let mut q = [[0.0; LANES]; 3];
            for (i, pixel) in pixels.iter().enumerate() {
                for c in 0..3 {
                    q[c][i] = f64::from(pixel[c]);
                }
            }
            let mut levels = [[0; LANES]; 3];
            for i in 0..LANES {
                let new = f.of([q[0][i], q[1][i], q[2][i]]);
                for c in 0..3 {
                    levels[c][i] = rounded(new[c]);
                }
            }
            for (i, out) in out.iter_mut().enumerate() {
                *out = [levels[0][i], levels[1][i], levels[2][i]];
            }
        }
    }
}
