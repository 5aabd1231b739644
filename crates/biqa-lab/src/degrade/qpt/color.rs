//! `brightness_*`, `contrast_*`, `gamma_*`, `hue_*`, `saturation_*` (`papers/degradations.md`,
//! section 8).

use super::super::hsv::{hsv_of_rgb, rgb_of_hsv, wrap};
use super::{rounded, with_levels};
use biqa::image::Rgb8;

/// Luma, each pixel's rounded half to even.
#[inline]
fn gray([r, g, b]: [u8; 3]) -> u8 {
    rounded(0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b))
}

/// A function of the level by a table.
fn by_level(picture: &Rgb8, f: impl Fn(f64) -> f64) -> Rgb8 {
    let table: [u8; 256] = std::array::from_fn(|v| rounded(f(v as f64)));
    with_levels(picture, picture.data().iter().map(|&v| table[usize::from(v)]).collect())
}

fn by_pixel(picture: &Rgb8, f: impl Fn([u8; 3]) -> [u8; 3]) -> Rgb8 {
    let mut data = Vec::with_capacity(picture.data().len());
    picture.data().as_chunks::<3>().0.iter().for_each(|p| data.extend_from_slice(&f(*p)));
    with_levels(picture, data)
}

/// `f q`.
pub(in super::super) fn brightness(picture: &Rgb8, f: f64) -> Rgb8 {
    by_level(picture, |q| f * q)
}

/// `f q + (1 - f) mean(gray)`.
pub(in super::super) fn contrast(picture: &Rgb8, f: f64) -> Rgb8 {
    let pixels = picture.data().as_chunks::<3>().0;
    let sum: u64 = pixels.iter().map(|p| u64::from(gray(*p))).sum();
    let mean = sum as f64 / pixels.len() as f64;
    by_level(picture, |q| f * q + (1.0 - f) * mean)
}

/// `255 (q / 255)^g`.
pub(in super::super) fn gamma(picture: &Rgb8, g: f64) -> Rgb8 {
    by_level(picture, |q| 255.0 * libm::pow(q / 255.0, g))
}

/// The hue turned by degrees.
pub(in super::super) fn hue(picture: &Rgb8, degrees: f64) -> Rgb8 {
    by_pixel(picture, |p| {
        let [h, s, v] = hsv_of_rgb(p.map(|v| f64::from(v) / 255.0));
        rgb_of_hsv([wrap(h + degrees / 360.0), s, v]).map(|v| rounded(255.0 * v))
    })
}

/// `f q + (1 - f) gray`.
pub(in super::super) fn saturation(picture: &Rgb8, f: f64) -> Rgb8 {
    by_pixel(picture, |p| {
        let g = (1.0 - f) * f64::from(gray(p));
        p.map(|q| rounded(f * f64::from(q) + g))
    })
}
