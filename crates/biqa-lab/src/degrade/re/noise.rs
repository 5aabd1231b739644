//! `re:noise` and `re:poisson`.

// The noise must be compiled into the vectorised loop that calls it.
#![allow(clippy::inline_always)]

use super::super::counts::of_levels;
use super::super::field::{with_normal, with_normals};
use super::super::picture::level_of;
use super::super::{RgbF32, level};
use biqa::random::Draws;
use biqa::wide::{Wide, wide};

/// The tag of the fields.
const FIELD: u32 = 1;

/// `clip(x + z sigma / 255)`; gray: one z for all channels.
pub(in super::super) fn noise(picture: &RgbF32, sigma: f64, gray: bool, draws: &Draws) -> RgbF32 {
    let deviation = sigma / 255.0;
    let pixels = picture.data().as_chunks::<3>().0;
    let noisy = |v: f32, z: f64| (f64::from(v) + deviation * z).clamp(0.0, 1.0) as f32;
    picture.with_data(if gray {
        with_normal(pixels, draws, FIELD, |pixel, z| pixel.map(|v| noisy(v, z)))
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
    let photons = Photons { vals, scale };
    let mut data = vec![0.0; picture.data().len()];
    if gray {
        let places = pixels.iter().zip(counted).zip(levels).zip(data.as_chunks_mut::<3>().0);
        for (((pixel, count), level), out) in places {
            let noise = photons.noise(count, level);
            *out = pixel.map(|v| (f64::from(v) + noise).clamp(0.0, 1.0) as f32);
        }
    } else {
        let (values, counted, levels) = (picture.data(), &counted, &levels);
        wide(Added { photons, values, counted, levels, out: &mut data });
    }
    picture.with_data(data)
}

/// What makes a count noise.
#[derive(Clone, Copy)]
struct Photons {
    vals: f64,
    scale: f64,
}

impl Photons {
    #[inline(always)]
    fn noise(self, count: u32, level: u8) -> f64 {
        self.scale * (f64::from(count) / self.vals - f64::from(level) / 255.0)
    }
}

/// The noise of every value added to it.
struct Added<'a> {
    photons: Photons,
    values: &'a [f32],
    counted: &'a [u32],
    levels: &'a [u8],
    out: &'a mut [f32],
}

impl Wide for Added<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { photons, values, counted, levels, out } = self;
        for (((out, &v), &count), &level) in out.iter_mut().zip(values).zip(counted).zip(levels) {
            *out = (f64::from(v) + photons.noise(count, level)).clamp(0.0, 1.0) as f32;
        }
    }
}
