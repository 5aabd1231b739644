//! The operations of QPT (`papers/degradations.md`, section 8): integer levels in and out, `f64`
//! between, rounded half to even at the end and nowhere else. Called through the table only.

mod blur;
mod color;
mod downscale;
mod glass;
mod integer;
mod median;
mod noise;
mod sharpen;

pub(super) use blur::{advanced_blur, gaussian_blur, zoom_blur};
pub(super) use color::{brightness, contrast, gamma, hue, saturation};
pub(super) use downscale::downscale;
pub(super) use glass::glass_blur;
pub(super) use integer::{defocus_blur, motion_blur};
pub(super) use median::median_blur;
pub(super) use noise::{
    gaussian_color_noise, gaussian_gray_noise, iso_noise, multiplicative_noise, poisson_noise,
};
pub(super) use sharpen::{bilateral_usm_sharpen, photoshop_usm_sharpen, usm_sharpen};

use super::filter::{Border, Shape, gaussian, separable};
use super::picture::rounded;
use biqa::image::Rgb8;

fn shape(picture: &Rgb8) -> Shape {
    Shape { width: picture.width() as usize, height: picture.height() as usize, channels: 3 }
}

fn values(picture: &Rgb8) -> Vec<f64> {
    picture.data().iter().map(|&v| f64::from(v)).collect()
}

/// A picture of the same size from values.
fn finished(like: &Rgb8, values: impl Iterator<Item = f64>) -> Rgb8 {
    let mut data = Vec::with_capacity(like.data().len());
    data.extend(values.map(rounded));
    with_levels(like, data)
}

/// A picture of the same size from levels.
fn with_levels(like: &Rgb8, data: Vec<u8>) -> Rgb8 {
    Rgb8::new(like.width(), like.height(), data).expect("one pixel out for one pixel in")
}

/// The Gaussian of a picture's values, border reflected.
fn blurred(values: &[f64], shape: Shape, sigma: f64, radius: usize) -> Vec<f64> {
    let kernel = gaussian(sigma, radius);
    separable(values, shape, &kernel, &kernel, Border::Mirror)
}

/// The levels with `margin` pixels of border around them.
fn padded(picture: &Rgb8, margin: usize, border: Border) -> Vec<u8> {
    let Shape { width, height, .. } = shape(picture);
    let pixels = picture.data().as_chunks::<3>().0;
    let columns: Vec<usize> = (0..width + 2 * margin)
        .map(|x| border.index(x as isize - margin as isize, width))
        .collect();
    let mut out = Vec::with_capacity(columns.len() * (height + 2 * margin) * 3);
    for y in 0..height + 2 * margin {
        let y = border.index(y as isize - margin as isize, height);
        let row = &pixels[y * width..(y + 1) * width];
        for &x in &columns {
            out.extend_from_slice(&row[x]);
        }
    }
    out
}
