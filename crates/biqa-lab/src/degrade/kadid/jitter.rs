//! 19 `jitter`: five random warps of every pixel (`papers/degradations.md`, 2.1).

// The functions of a pixel must be compiled into the vectorised loop that calls them.
#![allow(clippy::inline_always)]

use super::super::RgbF32;
use super::super::filter::{Border, Shape};
use biqa::random::Draws;
use biqa::wide::{Wide, wide};

/// Warps; the field of the first has tag 1.
const WARPS: u32 = 5;

/// Pixels repeated around the picture, so that the taps of most pixels need no clamping.
const MARGIN: usize = 8;

/// Pixels whose places are found together.
const LANES: usize = 16;

/// A pixel of four values: the fourth is always 0 and fills the register.
type Pixel = [f32; 4];

/// Five times: every pixel from `n z` pixels away, by cubic convolution, border pixels repeated.
pub(in super::super) fn jitter(picture: &RgbF32, n: f64, draws: &Draws) -> RgbF32 {
    let mut pixels: Vec<Pixel> =
        picture.data().as_chunks::<3>().0.iter().map(|&[r, g, b]| [r, g, b, 0.0]).collect();
    for warp in 0..WARPS {
        pixels = warped(&pixels, picture.shape(), n, draws, 1 + warp);
    }
    let clipped = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b].map(|v| v.clamp(0.0, 1.0)));
    let mut data = Vec::with_capacity(picture.data().len());
    data.extend(clipped);
    picture.with_data(data)
}

fn warped(pixels: &[Pixel], shape: Shape, n: f64, draws: &Draws, tag: u32) -> Vec<Pixel> {
    let Shape { width, height, .. } = shape;
    let padded = padded(pixels, width, height);
    let mut out = vec![[0.0; 4]; pixels.len()];
    wide(Warp { padded: &padded, shape, n, draws, tag, out: &mut out });
    out
}

/// A padded picture, its shape without the padding, how far, by which numbers; and where to.
struct Warp<'a> {
    padded: &'a [Pixel],
    shape: Shape,
    n: f64,
    draws: &'a Draws,
    tag: u32,
    out: &'a mut [Pixel],
}

impl Wide for Warp<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { padded, shape, n, draws, tag, out } = self;
        let Shape { width, height, .. } = shape;
        let stride = width + 2 * MARGIN;
        let high = height + 2 * MARGIN;
        let mut shifts = vec![[0.0; 2]; width];
        for y in 0..height {
            draws.normal_pairs_into(tag, (y * width) as u32, &mut shifts);
            for (begin, shifts) in (0..).step_by(LANES).zip(shifts.chunks(LANES)) {
                // Lanes behind the last pixel count for nothing.
                let (mut down, mut right) = ([0.0; LANES], [0.0; LANES]);
                for (i, shift) in shifts.iter().enumerate() {
                    (down[i], right[i]) = (shift[0], shift[1]);
                }
                let (mut tops, mut lefts) = ([0_i32; LANES], [0_i32; LANES]);
                let (mut rows, mut columns) = ([[0.0; LANES]; TAPS], [[0.0; LANES]; TAPS]);
                for i in 0..LANES {
                    let (top, row_part) = split(y as f64 - n * down[i]);
                    let (left, column_part) = split((begin + i) as f64 - n * right[i]);
                    (tops[i], lefts[i]) = (top, left);
                    let (r, c) = (cubic(row_part), cubic(column_part));
                    for t in 0..TAPS {
                        (rows[t][i], columns[t][i]) = (r[t], c[t]);
                    }
                }
                for i in 0..shifts.len() {
                    let place = |whole: i32| whole as isize - 1 + MARGIN as isize;
                    let (top, left) = (place(tops[i]), place(lefts[i]));
                    let (rows, columns) = (rows.map(|w| w[i]), columns.map(|w| w[i]));
                    let inside = top >= 0
                        && left >= 0
                        && top as usize + TAPS <= high
                        && left as usize + TAPS <= stride;
                    let at = begin + i + y * width;
                    out[at] = if inside {
                        let start = top as usize * stride + left as usize;
                        mixed(&padded[start..], stride, rows, columns)
                    } else {
                        let window = window(padded, stride, high, top, left);
                        mixed(window.as_flattened(), TAPS, rows, columns)
                    };
                }
            }
        }
    }
}

/// The taps of a warp, of an axis.
const TAPS: usize = 4;

/// The whole number below and the rest. (`floor` is a call on the smallest machine.)
#[inline(always)]
fn split(v: f64) -> (i32, f32) {
    let toward_zero = v as i32;
    let whole = toward_zero - i32::from(f64::from(toward_zero) > v);
    (whole, (v - f64::from(whole)) as f32)
}

/// The taps of a place outside of the padded picture.
fn window(
    padded: &[Pixel],
    stride: usize,
    high: usize,
    top: isize,
    left: isize,
) -> [[Pixel; TAPS]; TAPS] {
    std::array::from_fn(|i| {
        let row = Border::Edge.index(top + i as isize, high) * stride;
        std::array::from_fn(|j| padded[row + Border::Edge.index(left + j as isize, stride)])
    })
}

/// The rows weighed first, all columns at once, then the columns.
#[inline(always)]
fn mixed(taps: &[Pixel], stride: usize, rows: [f32; TAPS], columns: [f32; TAPS]) -> Pixel {
    let mut middle = [0.0; 4 * TAPS];
    for i in 0..TAPS {
        let row = taps[i * stride..][..TAPS].as_flattened();
        for (sum, tap) in middle.iter_mut().zip(row) {
            *sum += rows[i] * tap;
        }
    }
    let mut out = [0.0; 4];
    for j in 0..TAPS {
        for c in 0..4 {
            out[c] += columns[j] * middle[4 * j + c];
        }
    }
    out
}

/// The picture with its border pixels repeated [`MARGIN`] times.
fn padded(pixels: &[Pixel], width: usize, height: usize) -> Vec<Pixel> {
    let mut out = Vec::with_capacity((width + 2 * MARGIN) * (height + 2 * MARGIN));
    for y in 0..height + 2 * MARGIN {
        let y = Border::Edge.index(y as isize - MARGIN as isize, height);
        let row = &pixels[y * width..(y + 1) * width];
        out.extend([row[0]; MARGIN]);
        out.extend_from_slice(row);
        out.extend([row[width - 1]; MARGIN]);
    }
    out
}

/// Weights of the taps at -1, 0, 1, 2 for a position `t` in [0, 1) behind tap 0 (a = -0.5).
#[inline(always)]
fn cubic(t: f32) -> [f32; 4] {
    let near = |t: f32| (1.5 * t - 2.5) * t * t + 1.0;
    let far = |t: f32| ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0;
    [far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::random::Key;

    #[test]
    fn cubic_weights_sum_to_one_and_reproduce_a_line() {
        assert_eq!(cubic(0.0), [0.0, 1.0, 0.0, 0.0]);
        for t in [0.0, 0.1, 0.5, 0.99] {
            let [a, b, c, d] = cubic(t);
            assert!((a + b + c + d - 1.0).abs() < 1e-6);
            assert!((c + 2.0 * d - a - t).abs() < 1e-6);
        }
    }

    #[test]
    fn far_warps_read_the_border() {
        let data = (0..6 * 5 * 3).map(|i| i as f32 / 90.0).collect();
        let picture = RgbF32::new(6, 5, data).expect("sizes fit");
        let found = jitter(&picture, 20.0, &Key(3).at(0));
        assert!(found.data().iter().all(|v| (0.0..=1.0).contains(v)));
    }
}
