//! `re:noise` and `re:poisson`.

use super::super::field::{with_normal, with_normals};
use super::super::picture::level_of;
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
        level_of(0.2989 * r + 0.587 * g + 0.114 * b)
    };
    let levels: Vec<u8> = if gray {
        pixels.iter().map(luma).collect()
    } else {
        picture.data().iter().map(|&v| level(v)).collect()
    };
    let of_level = Places::of(&levels);
    let present = |q: &usize| !of_level.at(*q).is_empty();
    let vals = (0..256).filter(present).count().next_power_of_two() as f64;
    // Values of one level have one mean: they are drawn together. No mean is above 256.
    let mut counted = vec![0_u16; levels.len()];
    let mut counts = Vec::new();
    for q in (0..256).filter(present) {
        let places = of_level.at(q);
        counts.resize(places.len(), 0.0);
        Poisson::new(q as f64 / 255.0 * vals).draw_at(draws, FIELD, places, &mut counts);
        for (&place, &count) in places.iter().zip(&counts) {
            counted[place as usize] = count as u16;
        }
    }
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

/// Where each level stands.
struct Places {
    /// Level by level, in order within each.
    all: Vec<u32>,
    /// Where a level's begin, and where the last ones end.
    starts: [usize; 257],
}

impl Places {
    fn of(levels: &[u8]) -> Self {
        let mut starts = [0; 257];
        for &q in levels {
            starts[usize::from(q) + 1] += 1;
        }
        for q in 0..256 {
            starts[q + 1] += starts[q];
        }
        let (mut all, mut next) = (vec![0; levels.len()], starts);
        for (place, &q) in (0_u32..).zip(levels) {
            let next = &mut next[usize::from(q)];
            all[*next] = place;
            *next += 1;
        }
        Self { all, starts }
    }

    fn at(&self, level: usize) -> &[u32] {
        &self.all[self.starts[level]..self.starts[level + 1]]
    }
}
