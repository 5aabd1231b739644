//! `iso_noise`, `gaussian_color_noise`, `gaussian_gray_noise`, `poisson_noise`,
//! `multiplicative_noise` (`papers/degradations.md`, section 8).

// What lanes call must be compiled into their loop.
#![allow(clippy::inline_always)]

use super::super::field::{BATCH, with_normal, with_normals};
use super::super::hsv::{hue, wrap};
use super::{rounded, with_levels};
use biqa::image::Rgb8;
use biqa::random::{Draws, Poisson};
use biqa::wide::{Wide, wide};

/// The tags of the fields of normals and uniforms, and of the counts of `iso_noise`.
const FIELD: u32 = 1;
const COUNTS: u32 = 2;

/// Every pixel by a function of its place and its levels.
fn by_pixel(picture: &Rgb8, mut f: impl FnMut(u32, [f64; 3]) -> [f64; 3]) -> Rgb8 {
    let mut data = Vec::with_capacity(picture.data().len());
    for (p, pixel) in picture.data().as_chunks::<3>().0.iter().enumerate() {
        data.extend_from_slice(&f(p as u32, pixel.map(f64::from)).map(rounded));
    }
    with_levels(picture, data)
}

/// `q + std z`, every channel its own z.
pub(in super::super) fn gaussian_color_noise(picture: &Rgb8, std: f64, draws: &Draws) -> Rgb8 {
    let pixels = picture.data().as_chunks::<3>().0;
    let data = with_normals(pixels, draws, FIELD, |q, z| {
        std::array::from_fn(|c| rounded(f64::from(q[c]) + std * z[c]))
    });
    with_levels(picture, data)
}

/// `q + std z`, one z a pixel.
pub(in super::super) fn gaussian_gray_noise(picture: &Rgb8, std: f64, draws: &Draws) -> Rgb8 {
    let pixels = picture.data().as_chunks::<3>().0;
    let data = with_normal(pixels, draws, FIELD, |q, z| q.map(|q| rounded(f64::from(q) + std * z)));
    with_levels(picture, data)
}

/// `q + Poisson(lambda)`, a count a value.
pub(in super::super) fn poisson_noise(picture: &Rgb8, lambda: f64, draws: &Draws) -> Rgb8 {
    let counts = Poisson::new(lambda);
    let mut drawn = [0.0; BATCH];
    let mut data = Vec::with_capacity(picture.data().len());
    for (batch, levels) in (0_u32..).zip(picture.data().chunks(BATCH)) {
        let drawn = &mut drawn[..levels.len()];
        counts.draw_into(draws, FIELD, batch.wrapping_mul(BATCH as u32), drawn);
        data.extend(levels.iter().zip(drawn).map(|(&q, count)| rounded(f64::from(q) + *count)));
    }
    with_levels(picture, data)
}

/// `q (1 - h + 2 h u)`, every channel its own u.
pub(in super::super) fn multiplicative_noise(picture: &Rgb8, h: f64, draws: &Draws) -> Rgb8 {
    by_pixel(picture, |p, q| {
        let u = draws.uniforms(FIELD, p);
        std::array::from_fn(|c| q[c] * (1.0 - h + 2.0 * h * u[c]))
    })
}

/// Hue, lightness and saturation of HLS.
#[inline(always)]
fn hls_of_levels(q: [f64; 3]) -> [f64; 3] {
    let [r, g, b] = [q[0] / 255.0, q[1] / 255.0, q[2] / 255.0];
    let (largest, smallest) = (r.max(g).max(b), r.min(g).min(b));
    let (span, lightness) = (largest - smallest, 0.5 * (largest + smallest));
    let (colour, room) = (span > 0.0, 1.0 - (2.0 * lightness - 1.0).abs());
    let saturation = if colour { span / room } else { 0.0 };
    [hue([r, g, b], largest, span), lightness, saturation]
}

#[inline(always)]
fn levels_of_hls([h, lightness, s]: [f64; 3]) -> [f64; 3] {
    let amount = s * lightness.min(1.0 - lightness);
    let mut levels = [0.0, 8.0, 4.0];
    for level in &mut levels {
        let k = *level + 12.0 * h;
        let k = if k >= 12.0 { k - 12.0 } else { k };
        *level = 255.0 * (lightness - amount * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0));
    }
    levels
}

/// The hue by a normal, the lightness by Poisson counts whose mean follows its spread.
pub(in super::super) fn iso_noise(
    picture: &Rgb8,
    shift: f64,
    intensity: f64,
    draws: &Draws,
) -> Rgb8 {
    let pixels = picture.data().as_chunks::<3>().0;
    let lightness = |p: &[u8; 3]| {
        let (largest, smallest) = (p[0].max(p[1]).max(p[2]), p[0].min(p[1]).min(p[2]));
        f64::midpoint(f64::from(largest) / 255.0, f64::from(smallest) / 255.0)
    };
    let n = pixels.len() as f64;
    let mean = pixels.iter().map(lightness).sum::<f64>() / n;
    let square = |p: &[u8; 3]| (lightness(p) - mean).powi(2);
    let deviation = (pixels.iter().map(square).sum::<f64>() / n).sqrt();
    let counts = Poisson::new(255.0 * intensity * deviation);

    let (mut z, mut drawn) = ([[0.0; 2]; BATCH], [0.0; BATCH]);
    let mut data = vec![[0; 3]; pixels.len()];
    let batches = pixels.chunks(BATCH).zip(data.chunks_mut(BATCH));
    for (first, (pixels, out)) in (0_u32..).step_by(BATCH).zip(batches) {
        let (z, drawn) = (&mut z[..pixels.len()], &mut drawn[..pixels.len()]);
        draws.normal_pairs_into(FIELD, first, z);
        counts.draw_into(draws, COUNTS, first, drawn);
        wide(Turned { pixels, z, counts: drawn, by: shift * intensity, out });
    }
    with_levels(picture, data.into_flattened())
}

/// Pixels turned together.
const LANES: usize = 16;

/// The hue of every pixel turned by its normal times `by`, its lightness raised by its count.
struct Turned<'a> {
    pixels: &'a [[u8; 3]],
    z: &'a [[f64; 2]],
    counts: &'a [f64],
    by: f64,
    out: &'a mut [[u8; 3]],
}

impl Wide for Turned<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { pixels, z, counts, by, out } = self;
        let numbers = z.chunks(LANES).zip(counts.chunks(LANES));
        let lanes = pixels.chunks(LANES).zip(out.chunks_mut(LANES)).zip(numbers);
        for ((pixels, out), (z, counts)) in lanes {
            // What stands behind the last pixel is black, for nothing.
            let (mut rgb, mut turn, mut count) = ([[0.0; LANES]; 3], [0.0; LANES], [0.0; LANES]);
            for (i, pixel) in pixels.iter().enumerate() {
                for c in 0..3 {
                    rgb[c][i] = f64::from(pixel[c]);
                }
                (turn[i], count[i]) = (by * z[i][0], counts[i]);
            }
            let mut levels = [[0; LANES]; 3];
            for i in 0..LANES {
                let [h, lightness, s] = hls_of_levels([rgb[0][i], rgb[1][i], rgb[2][i]]);
                let lighter = lightness + count[i] / 255.0 * (1.0 - lightness);
                let turned = levels_of_hls([wrap(h + turn[i]), lighter, s]);
                for c in 0..3 {
                    levels[c][i] = rounded(turned[c]);
                }
            }
            for (i, out) in out.iter_mut().enumerate() {
                *out = [levels[0][i], levels[1][i], levels[2][i]];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_from_hls_is_the_identity() {
        for i in 0..512_u32 {
            let levels = [i & 7, (i >> 3) & 7, i >> 6].map(|v| f64::from(v * 36));
            for (found, expected) in levels_of_hls(hls_of_levels(levels)).iter().zip(levels) {
                assert!((found - expected).abs() < 1e-9, "{levels:?}");
            }
        }
    }
}
