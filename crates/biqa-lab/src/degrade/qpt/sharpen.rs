//! `usm_sharpen`, `bilateral_usm_sharpen`, `photoshop_usm_sharpen` (`papers/degradations.md`,
//! section 8).

// The lane functions must be compiled into the vectorised loop that calls them.
#![allow(clippy::inline_always)]

use super::{Border, Shape, blurred, finished, padded, shape, values};
use biqa::image::Rgb8;
use biqa::wide::{Wide, wide};

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

/// A weight for each sum of absolute differences over three channels: those up to 765 occur, and a
/// power of two needs no check.
type Weights = [f64; 1 << 10];

/// Reach of the bilateral filter.
const REACH: usize = 2;

/// Pixels filtered together.
const LANES: usize = 16;

/// Weights `exp(-D^2 / 200 - (i^2 + j^2) / 2)`, one for all channels, D the difference of colours.
fn bilateral(picture: &Rgb8) -> Vec<f64> {
    let weights = |squares: f64| -> Weights {
        std::array::from_fn(|d| libm::exp(-((d * d) as f64) / 200.0 - squares / 2.0))
    };
    let (one, two, four) = (weights(1.0), weights(2.0), weights(4.0));
    let Shape { width, .. } = shape(picture);
    let stride = width + 2 * REACH;
    let padded = padded(picture, REACH, Border::Mirror);
    // The last lanes of a row read beyond the row.
    let plane = |c: usize| {
        let values = padded.as_chunks::<3>().0.iter().map(|pixel| pixel[c]);
        values.chain([0; LANES]).collect::<Vec<u8>>()
    };
    let taps = OFFSETS.map(|(i, j)| {
        let weights = match i * i + j * j {
            1 => &one,
            2 => &two,
            _ => &four,
        };
        let start = (REACH as isize + j) * stride as isize + REACH as isize + i;
        (start as usize, weights)
    });
    let planes = [plane(0), plane(1), plane(2)];
    let mut out = vec![0.0; picture.data().len()];
    wide(Bilateral { planes: &planes, taps, width, out: &mut out });
    out
}

/// Padded planes of red, green and blue, where the taps of a pixel begin, and where results go.
struct Bilateral<'a> {
    planes: &'a [Vec<u8>; 3],
    taps: [(usize, &'a Weights); 12],
    width: usize,
    out: &'a mut [f64],
}

impl Wide for Bilateral<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { planes: [r, g, b], taps, width, out } = self;
        let stride = width + 2 * REACH;
        for (y, out) in out.chunks_exact_mut(3 * width).enumerate() {
            for (x, out) in (0..).step_by(LANES).zip(out.chunks_mut(3 * LANES)) {
                let at = y * stride + x;
                let middle = at + REACH * stride + REACH;
                let centre = [lanes(r, middle), lanes(g, middle), lanes(b, middle)];
                let (mut total, mut sums) = ([1.0; LANES], [[0.0; LANES]; 3]);
                for c in 0..3 {
                    for i in 0..LANES {
                        sums[c][i] = f64::from(centre[c][i]);
                    }
                }
                for (start, table) in taps {
                    let other = [lanes(r, at + start), lanes(g, at + start), lanes(b, at + start)];
                    let mut differences = [0_u32; LANES];
                    for i in 0..LANES {
                        let difference = |c: usize| u32::from(centre[c][i].abs_diff(other[c][i]));
                        differences[i] = difference(0) + difference(1) + difference(2);
                    }
                    let mut weights = [0.0; LANES];
                    for i in 0..LANES {
                        weights[i] = table[differences[i] as usize % table.len()];
                    }
                    for i in 0..LANES {
                        total[i] += weights[i];
                        sums[0][i] += weights[i] * f64::from(other[0][i]);
                        sums[1][i] += weights[i] * f64::from(other[1][i]);
                        sums[2][i] += weights[i] * f64::from(other[2][i]);
                    }
                }
                for (i, out) in out.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                    *out = [sums[0][i] / total[i], sums[1][i] / total[i], sums[2][i] / total[i]];
                }
            }
        }
    }
}

/// The next values of a plane.
#[inline(always)]
fn lanes(plane: &[u8], from: usize) -> [u8; LANES] {
    plane[from..].as_chunks().0[0]
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
