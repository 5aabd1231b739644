//! `usm_sharpen`, `bilateral_usm_sharpen`, `photoshop_usm_sharpen` (`papers/degradations.md`,
//! section 8).

use super::{Border, Shape, blurred, finished, padded, shape, values};
use biqa::image::Rgb8;

/// The small Gaussian of the first two.
const SIGMA: f64 = 0.8;
const RADIUS: usize = 1;

/// `(1 + c) q - c G q`.
pub(in super::super) fn usm_sharpen(picture: &Rgb8, c: f64) -> Rgb8 {
    let q = values(picture);
    let smooth = blurred(&q, shape(picture), SIGMA, RADIUS);
    finished(picture, q.iter().zip(&smooth).map(|(q, g)| (1.0 + c) * q - c * g))
}

/// `B + c (q - G q)`, B the bilateral filter.
pub(in super::super) fn bilateral_usm_sharpen(picture: &Rgb8, c: f64) -> Rgb8 {
    let q = values(picture);
    let smooth = blurred(&q, shape(picture), SIGMA, RADIUS);
    let bilateral = bilateral(picture);
    let detail = q.iter().zip(&smooth).map(|(q, g)| c * (q - g));
    finished(picture, bilateral.iter().zip(detail).map(|(b, detail)| b + detail))
}

/// Offsets (columns, rows) with `i^2 + j^2 <= 4` but the centre, whose weight is 1.
const OFFSETS: [(isize, isize); 12] = [
    (0, -2),
    (-1, -1),
    (0, -1),
    (1, -1),
    (-2, 0),
    (-1, 0),
    (1, 0),
    (2, 0),
    (-1, 1),
    (0, 1),
    (1, 1),
    (0, 2),
];

/// Sums of absolute differences over three channels.
const DIFFERENCES: usize = 3 * 255 + 1;

/// Reach of the bilateral filter.
const REACH: usize = 2;

/// Weights `exp(-D^2 / 200 - (i^2 + j^2) / 2)`, one for all channels, D the difference of colours.
fn bilateral(picture: &Rgb8) -> Vec<f64> {
    let table = |squares: f64| -> Vec<f64> {
        (0..DIFFERENCES).map(|d| libm::exp(-((d * d) as f64) / 200.0 - squares / 2.0)).collect()
    };
    let tables = [table(1.0), table(2.0), table(4.0)];
    let Shape { width, height, .. } = shape(picture);
    let stride = width + 2 * REACH;
    let padded = padded(picture, REACH, Border::Mirror);
    let pixels = padded.as_chunks::<3>().0;
    let taps = OFFSETS.map(|(i, j)| {
        let table = match i * i + j * j {
            1 => 0,
            2 => 1,
            _ => 2,
        };
        let start = (REACH as isize + j) * stride as isize + REACH as isize + i;
        (start as usize, &tables[table])
    });
    let mut out = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let at = y * stride + x;
            let centre = pixels[at + REACH * stride + REACH];
            let mut total = 1.0;
            let mut sums = centre.map(f64::from);
            for (start, table) in taps {
                let other = pixels[at + start];
                let difference = usize::from(centre[0].abs_diff(other[0]))
                    + usize::from(centre[1].abs_diff(other[1]))
                    + usize::from(centre[2].abs_diff(other[2]));
                let weight = table[difference];
                total += weight;
                sums.iter_mut().zip(other).for_each(|(sum, v)| *sum += weight * f64::from(v));
            }
            out.extend_from_slice(&sums.map(|sum| sum / total));
        }
    }
    out
}

/// Sigma and radius of the third.
const WIDE_SIGMA: f64 = 1.5;
const WIDE_RADIUS: usize = 2;

/// Detail up to this is none: a plain zero would let rounding noise decide in flat parts.
const THRESHOLD: f64 = 1e-6;

/// Detail added where there is some: `((q + a v) al + q (255 - al)) / 255`.
pub(in super::super) fn photoshop_usm_sharpen(picture: &Rgb8, a: f64) -> Rgb8 {
    let q = values(picture);
    let smooth = blurred(&q, shape(picture), WIDE_SIGMA, WIDE_RADIUS);
    let detail: Vec<f64> = q.iter().zip(&smooth).map(|(q, g)| q - g).collect();
    let mask: Vec<f64> = detail.iter().map(|&v| if v > THRESHOLD { 255.0 } else { 0.0 }).collect();
    let alpha = blurred(&mask, shape(picture), WIDE_SIGMA, WIDE_RADIUS);
    let mixed = q.iter().zip(detail.iter().zip(&alpha));
    finished(picture, mixed.map(|(q, (v, al))| ((q + a * v) * al + q * (255.0 - al)) / 255.0))
}
