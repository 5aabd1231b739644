//! `re:noise` and `re:poisson`.

use super::super::field::{with_normal, with_normals};
use super::super::{RgbF32, level};
use biqa::random::{Draws, Poisson};

/// The tag of the fields.
const FIELD: u32 = 1;

/// `clip(x + z sigma / 255)`; gray: one z for all channels.
pub(in super::super) fn noise(picture: &RgbF32, sigma: f64, gray: bool, draws: &Draws) -> RgbF32 {
    let deviation = sigma / 255.0;
    let pixels = picture.data().as_chunks::<3>().0;
    let noisy = |v: f32, z: f64| (f64::from(v) + deviation * z).clamp(0.0, 1.0) as f32;
    picture.with_data(if gray {
        with_normal(pixels, draws, FIELD, |pixel, z, _| pixel.map(|v| noisy(v, z)))
    } else {
        with_normals(pixels, draws, FIELD, |pixel, z| {
            std::array::from_fn(|c| noisy(pixel[c], z[c]))
        })
    })
}

/// Photon noise: as many counts as the picture has values (a power of two), the deviation of the
/// counts of each level times `scale`. Added to the picture, not to its levels.
pub(in super::super) fn poisson(picture: &RgbF32, scale: f64, gray: bool, draws: &Draws) -> RgbF32 {
    let pixels = picture.data().as_chunks::<3>().0;
    let luma = |p: &[f32; 3]| {
        let [r, g, b] = p.map(|v| f64::from(v).clamp(0.0, 1.0));
        level((0.2989 * r + 0.587 * g + 0.114 * b) as f32)
    };
    let levels: Vec<u8> = if gray {
        pixels.iter().map(luma).collect()
    } else {
        picture.data().iter().map(|&v| level(v)).collect()
    };
    let mut there = [false; 256];
    for &q in &levels {
        there[usize::from(q)] = true;
    }
    let distinct = there.iter().filter(|&&t| t).count();
    let vals = distinct.next_power_of_two() as f64;
    let share = |q: usize| q as f64 / 255.0;
    let counts: Vec<Poisson> = (0..256).map(|q| Poisson::new(share(q) * vals)).collect();
    let noise = |i: usize| {
        let q = usize::from(levels[i]);
        scale * (counts[q].draw(draws, FIELD, i as u32) / vals - share(q))
    };

    let mut data = Vec::with_capacity(picture.data().len());
    for (p, pixel) in pixels.iter().enumerate() {
        let n = if gray { [noise(p); 3] } else { [0, 1, 2].map(|c| noise(3 * p + c)) };
        let noisy = |c: usize| (f64::from(pixel[c]) + n[c]).clamp(0.0, 1.0) as f32;
        data.extend_from_slice(&[noisy(0), noisy(1), noisy(2)]);
    }
    picture.with_data(data)
}
