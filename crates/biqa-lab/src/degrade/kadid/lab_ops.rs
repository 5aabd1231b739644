//! 4 `color_diffusion`, 8 `saturate_lab`, 24 `sharpen`: work in Lab (`papers/degradations.md`,
//! 2.1).

// The functions of a pixel must be compiled into the vectorised loop that calls them.
#![allow(clippy::inline_always)]

use super::super::RgbF32;
use super::super::filter::{Border, Shape, gaussian_f32, separable};
use super::super::lab::{Pixel, back, by_pixel, lab_of, lab_of_rgb, rgb_of_lab};

/// Sigma of the lightness blur of `sharpen`; 13 x 13 taps.
const SHARPEN_SIGMA: f64 = 3.0;
const SHARPEN_RADIUS: usize = 6;

/// a and b blurred (sigma 1.5 n + 2) and multiplied by n; L kept.
pub(in super::super) fn color_diffusion(picture: &RgbF32, n: f64) -> RgbF32 {
    let sigma = 1.5 * n + 2.0;
    let kernel = gaussian_f32(sigma, libm::ceil(2.0 * sigma) as usize);
    let mut lab = lab_of(picture.data());
    let pixels = lab.as_chunks_mut::<3>().0;
    let colours: Vec<f32> = pixels.iter().flat_map(|[_, a, b]| [*a, *b]).collect();
    let shape = Shape { channels: 2, ..picture.shape() };
    let colours = separable(&colours, shape, &kernel, &kernel, Border::Edge);
    for (pixel, &[a, b]) in pixels.iter_mut().zip(colours.as_chunks::<2>().0) {
        (pixel[1], pixel[2]) = (a, b);
    }
    picture.with_data(by_pixel(&lab, Diffused(n)))
}

/// a and b of Lab times a factor, and back.
#[derive(Clone, Copy)]
struct Diffused(f64);

impl Pixel for Diffused {
    #[inline(always)]
    fn of(self, [l, a, b]: [f64; 3]) -> [f32; 3] {
        rgb_of_lab([l, self.0 * a, self.0 * b])
    }
}

/// a and b times `factor`.
pub(in super::super) fn saturate_lab(picture: &RgbF32, factor: f64) -> RgbF32 {
    picture.with_data(by_pixel(picture.data(), Saturated(factor)))
}

/// The same from encoded sRGB.
#[derive(Clone, Copy)]
struct Saturated(f64);

impl Pixel for Saturated {
    #[inline(always)]
    fn of(self, rgb: [f64; 3]) -> [f32; 3] {
        Diffused(self.0).of(lab_of_rgb(rgb))
    }
}

/// `L + amount (L - blur(L))`; a and b kept.
pub(in super::super) fn sharpen(picture: &RgbF32, amount: f64) -> RgbF32 {
    let kernel = gaussian_f32(SHARPEN_SIGMA, SHARPEN_RADIUS);
    let mut lab = lab_of(picture.data());
    let pixels = lab.as_chunks_mut::<3>().0;
    let lightness: Vec<f32> = pixels.iter().map(|[l, _, _]| *l).collect();
    let shape = Shape { channels: 1, ..picture.shape() };
    let blurred = separable(&lightness, shape, &kernel, &kernel, Border::Edge);
    for (pixel, blurred) in pixels.iter_mut().zip(&blurred) {
        let l = f64::from(pixel[0]);
        pixel[0] = (l + amount * (l - f64::from(*blurred))) as f32;
    }
    picture.with_data(back(&lab))
}
