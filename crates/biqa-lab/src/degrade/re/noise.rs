//! `re:noise` and `re:poisson`.

use super::super::counts::of_levels;
use super::super::field::{with_normal, with_normals};
use super::super::picture::level_of;
use super::super::{RgbF32, level};
use biqa::random::Draws;

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
        let [r, g, b] = p.map(f64::from);
        level_of(0.2989 * r + 0.587 * g + 0.114 * b)
    };
    let levels: Vec<u8> = if gray {
        pixels.iter().map(luma).collect()
    } else {
        picture.data().iter().map(|&v| level(v)).collect()
    };
    let mut present = [false; 256];
    for &q in &levels {
        present[usize::from(q)] = true;
    }
    let vals = present.iter().filter(|there| **there).count().next_power_of_two() as f64;
    let counted = of_levels(&levels, |q| q as f64 / 255.0 * vals, draws, FIELD);
    let shares: [f64; 256] = std::array::from_fn(|q| q as f64 / 255.0);
    let one = vals.recip(); // exact: a power of two
    let noise = |i: usize| scale * (f64::from(counted[i]) * one - shares[usize::from(levels[i])]);

    let mut data = Vec::with_capacity(picture.data().len());
    for (p, pixel) in pixels.iter().enumerate() {
        let n = if gray { [noise(p); 3] } else { [0, 1, 2].map(|c| noise(3 * p + c)) };
        let noisy = |c: usize| (f64::from(pixel[c]) + n[c]).clamp(0.0, 1.0) as f32;
        data.extend_from_slice(&[noisy(0), noisy(1), noisy(2)]);
    }
    picture.with_data(data)
}
