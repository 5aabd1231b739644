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
    let of_level = places(&levels);
    let distinct = of_level.iter().filter(|places| !places.is_empty()).count();
    let vals = distinct.next_power_of_two() as f64;
    // Values of one level have one mean: they are drawn together.
    let mut noise = vec![0.0; levels.len()];
    let mut counts = Vec::new();
    for (q, places) in of_level.iter().enumerate() {
        let share = q as f64 / 255.0;
        counts.resize(places.len(), 0.0);
        Poisson::new(share * vals).draw_at(draws, FIELD, places, &mut counts);
        for (&place, count) in places.iter().zip(&counts) {
            noise[place as usize] = scale * (count / vals - share);
        }
    }

    let mut data = Vec::with_capacity(picture.data().len());
    for (p, pixel) in pixels.iter().enumerate() {
        let n = if gray { [noise[p]; 3] } else { [0, 1, 2].map(|c| noise[3 * p + c]) };
        let noisy = |c: usize| (f64::from(pixel[c]) + n[c]).clamp(0.0, 1.0) as f32;
        data.extend_from_slice(&[noisy(0), noisy(1), noisy(2)]);
    }
    picture.with_data(data)
}

/// Where each level stands.
fn places(levels: &[u8]) -> Vec<Vec<u32>> {
    let mut counts = [0_usize; 256];
    for &q in levels {
        counts[usize::from(q)] += 1;
    }
    let mut places: Vec<Vec<u32>> = counts.into_iter().map(Vec::with_capacity).collect();
    for (place, &q) in (0_u32..).zip(levels) {
        places[usize::from(q)].push(place);
    }
    places
}
