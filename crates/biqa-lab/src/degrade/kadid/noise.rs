//! 11 `noise_white` (`papers/degradations.md`, 2.1).

use super::super::{RgbF32, level};
use biqa::image::Rgb8;
use biqa::random::Draws;

/// The tag of the field of normals.
const FIELD: u32 = 1;

/// `clip(x + sqrt(var) z)`; z is element p of the field, its component the channel.
pub(in super::super) fn noise_white(picture: &RgbF32, variance: f64, draws: &Draws) -> RgbF32 {
    let deviation = variance.sqrt();
    let mut data = Vec::with_capacity(picture.data().len());
    for (p, pixel) in picture.data().as_chunks::<3>().0.iter().enumerate() {
        let z = draws.normals(FIELD, p as u32);
        data.extend_from_slice(&noisy(*pixel, deviation, z));
    }
    picture.with_data(data)
}

/// [`noise_white`] without the two pictures in between.
pub(in super::super) fn noise_white_u8(picture: &Rgb8, variance: f64, draws: &Draws) -> Rgb8 {
    let deviation = variance.sqrt();
    let mut data = Vec::with_capacity(picture.data().len());
    for (p, pixel) in picture.data().as_chunks::<3>().0.iter().enumerate() {
        let z = draws.normals(FIELD, p as u32);
        let pixel = pixel.map(|v| f32::from(v) / 255.0);
        data.extend_from_slice(&noisy(pixel, deviation, z).map(level));
    }
    Rgb8::new(picture.width(), picture.height(), data).expect("one pixel out for one pixel in")
}

#[inline]
fn noisy(pixel: [f32; 3], deviation: f64, z: [f64; 4]) -> [f32; 3] {
    std::array::from_fn(|c| (f64::from(pixel[c]) + deviation * z[c]).clamp(0.0, 1.0) as f32)
}
