//! 11 `noise_white`, 12 `noise_color`, 13 `noise_impulse`, 14 `noise_multiplicative`
//! (`papers/degradations.md`, 2.1).

use super::super::field::with_normals;
use super::super::{RgbF32, level};
use biqa::image::Rgb8;
use biqa::random::Draws;

/// The tag of every field.
const FIELD: u32 = 1;

/// Every pixel by a function of its place and its value.
fn by_pixel(picture: &RgbF32, mut f: impl FnMut(u32, [f32; 3]) -> [f32; 3]) -> RgbF32 {
    let mut data = Vec::with_capacity(picture.data().len());
    for (p, pixel) in picture.data().as_chunks::<3>().0.iter().enumerate() {
        data.extend_from_slice(&f(p as u32, *pixel));
    }
    picture.with_data(data)
}

/// `clip(x + sqrt(var) z)`; z is element p of the field, its component the channel.
pub(in super::super) fn noise_white(picture: &RgbF32, variance: f64, draws: &Draws) -> RgbF32 {
    let deviation = variance.sqrt();
    let pixels = picture.data().as_chunks::<3>().0;
    picture.with_data(with_normals(pixels, draws, FIELD, |p, z| noisy(p, deviation, z)))
}

/// [`noise_white`] without the two pictures in between.
pub(in super::super) fn noise_white_u8(picture: &Rgb8, variance: f64, draws: &Draws) -> Rgb8 {
    let deviation = variance.sqrt();
    let pixels = picture.data().as_chunks::<3>().0;
    let data = with_normals(pixels, draws, FIELD, |p, z| {
        noisy(p.map(|v| f32::from(v) / 255.0), deviation, z).map(level)
    });
    Rgb8::new(picture.width(), picture.height(), data).expect("one pixel out for one pixel in")
}

#[inline]
fn noisy(pixel: [f32; 3], deviation: f64, z: [f64; 4]) -> [f32; 3] {
    std::array::from_fn(|c| (f64::from(pixel[c]) + deviation * z[c]).clamp(0.0, 1.0) as f32)
}

/// RGB to YCbCr of BT.601 in the studio range, times 255, and its constants (section 1).
const YCC: [[f64; 3]; 3] =
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]];
const YCC_OFFSET: [f64; 3] = [16.0, 128.0, 128.0];

/// The way back, by cofactors at compile time.
const RGB_OF_YCC: [[f64; 3]; 3] = super::super::lab::inverse(YCC);

/// The noise of [`noise_white`] in YCbCr, clipped there, and back.
pub(in super::super) fn noise_color(picture: &RgbF32, variance: f64, draws: &Draws) -> RgbF32 {
    let deviation = variance.sqrt();
    let pixels = picture.data().as_chunks::<3>().0;
    let data = with_normals(pixels, draws, FIELD, |pixel, z| {
        let rgb = pixel.map(f64::from);
        let ycc: [f64; 3] = std::array::from_fn(|i| {
            let [r, g, b] = YCC[i];
            let plain = (YCC_OFFSET[i] + r * rgb[0] + g * rgb[1] + b * rgb[2]) / 255.0;
            255.0 * (plain + deviation * z[i]).clamp(0.0, 1.0) - YCC_OFFSET[i]
        });
        RGB_OF_YCC
            .map(|[y, cb, cr]| (y * ycc[0] + cb * ycc[1] + cr * ycc[2]).clamp(0.0, 1.0) as f32)
    });
    picture.with_data(data)
}

/// Below d/2: 0; from there to below d: 1; every channel by itself.
pub(in super::super) fn noise_impulse(picture: &RgbF32, density: f64, draws: &Draws) -> RgbF32 {
    by_pixel(picture, |p, pixel| {
        let u = draws.uniforms(FIELD, p);
        std::array::from_fn(|c| match u[c] {
            u if u < density / 2.0 => 0.0,
            u if u < density => 1.0,
            _ => pixel[c],
        })
    })
}

/// `clip(x + sqrt(12 var) x (u - 0.5))`: uniform noise of that variance times the value.
pub(in super::super) fn noise_multiplicative(
    picture: &RgbF32,
    variance: f64,
    draws: &Draws,
) -> RgbF32 {
    let span = (12.0 * variance).sqrt();
    by_pixel(picture, |p, pixel| {
        let u = draws.uniforms(FIELD, p);
        std::array::from_fn(|c| {
            let x = f64::from(pixel[c]);
            (x + span * x * (u[c] - 0.5)).clamp(0.0, 1.0) as f32
        })
    })
}

/// What a YCbCr in [0, 1] adds to red, green and blue.
pub(in super::super) fn studio_back() -> [[f64; 3]; 3] {
    RGB_OF_YCC.map(|row| row.map(|v| 255.0 * v))
}
