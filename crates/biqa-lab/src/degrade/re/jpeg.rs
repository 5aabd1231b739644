//! `re:jpeg`: the JPEG of BasicSR (`DiffJPEG` with rounding), whose quality is a real number and
//! whose table is not rounded. Only the coefficients are.

use super::super::RgbF32;
use super::super::filter::Shape;
use super::super::jpeg::{CHROMA_CORNER, LUMA};

/// Side of a block.
const N: usize = 8;

type Block = [[f64; N]; N];

/// Encodes and decodes at quality `q` in [1, 100). The released tables are transposed: row =
/// horizontal frequency.
pub(in super::super) fn jpeg(picture: &RgbF32, q: f64, released: bool) -> RgbF32 {
    let factor = if q < 50.0 { 5000.0 / q } else { 200.0 - 2.0 * q } / 100.0;
    let table = |entry: fn(usize, usize) -> u32| -> Block {
        std::array::from_fn(|v| {
            std::array::from_fn(|h| {
                let base = if released { entry(h, v) } else { entry(v, h) };
                f64::from(base) * factor
            })
        })
    };
    let luma_table = table(|v, h| LUMA[v * N + h]);
    let chroma_table =
        table(|v, h| CHROMA_CORNER.get(v).and_then(|row| row.get(h)).copied().unwrap_or(99));

    let Shape { width, height, .. } = picture.shape();
    let (wide, high) = (width.next_multiple_of(2 * N), height.next_multiple_of(2 * N));
    let [mut luma, cb, cr] = ycc_planes(picture, wide, high);
    let (mut cb, mut cr) = (halved(&cb, wide), halved(&cr, wide));
    let basis = basis();
    code(&mut luma, wide, &luma_table, &basis);
    code(&mut cb, wide / 2, &chroma_table, &basis);
    code(&mut cr, wide / 2, &chroma_table, &basis);

    let mut data = Vec::with_capacity(picture.data().len());
    for y in 0..height {
        for x in 0..width {
            let half = y / 2 * (wide / 2) + x / 2;
            let (luma, cb, cr) = (luma[y * wide + x], cb[half] - 128.0, cr[half] - 128.0);
            let rgb = [luma + 1.402 * cr, luma - 0.344136 * cb - 0.714136 * cr, luma + 1.772 * cb];
            data.extend_from_slice(&rgb.map(|v| (v.clamp(0.0, 255.0) / 255.0) as f32));
        }
    }
    picture.with_data(data)
}

/// Y, Cb, Cr of the picture with black below and to the right.
fn ycc_planes(picture: &RgbF32, wide: usize, high: usize) -> [Vec<f64>; 3] {
    let width = picture.shape().width;
    let black = [0.0, 128.0, 128.0];
    let mut planes = black.map(|v| vec![v; wide * high]);
    for (y, row) in picture.data().as_chunks::<3>().0.chunks_exact(width).enumerate() {
        for (x, pixel) in row.iter().enumerate() {
            let [r, g, b] = pixel.map(|v| f64::from(v) * 255.0);
            let at = y * wide + x;
            planes[0][at] = 0.299 * r + 0.587 * g + 0.114 * b;
            planes[1][at] = -0.168736 * r - 0.331264 * g + 0.5 * b + 128.0;
            planes[2][at] = 0.5 * r - 0.418688 * g - 0.081312 * b + 128.0;
        }
    }
    planes
}

/// 2x2 means.
fn halved(plane: &[f64], wide: usize) -> Vec<f64> {
    let mut out = Vec::with_capacity(plane.len() / 4);
    for rows in plane.chunks_exact(2 * wide) {
        let (upper, lower) = rows.split_at(wide);
        for (upper, lower) in upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0) {
            out.push((upper[0] + upper[1] + lower[0] + lower[1]) / 4.0);
        }
    }
    out
}

/// The orthonormal DCT: `basis[u][x]`.
fn basis() -> Block {
    std::array::from_fn(|u| {
        let scale = if u == 0 { 0.125_f64.sqrt() } else { 0.5 };
        std::array::from_fn(|x| {
            scale * libm::cos(((2 * x + 1) * u) as f64 * std::f64::consts::PI / 16.0)
        })
    })
}

/// Every block through DCT, quantisation and back.
fn code(plane: &mut [f64], wide: usize, table: &Block, basis: &Block) {
    let transposed: Block = std::array::from_fn(|i| std::array::from_fn(|j| basis[j][i]));
    for top in (0..plane.len() / wide).step_by(N) {
        for left in (0..wide).step_by(N) {
            let at = |i: usize| (top + i) * wide + left;
            let block: Block =
                std::array::from_fn(|i| std::array::from_fn(|j| plane[at(i) + j] - 128.0));
            let mut coefficients = product(&product(basis, &block), &transposed);
            for (row, steps) in coefficients.iter_mut().zip(table) {
                for (value, step) in row.iter_mut().zip(steps) {
                    *value = half_even(*value / step) * step;
                }
            }
            let back = product(&product(&transposed, &coefficients), basis);
            for (i, row) in back.iter().enumerate() {
                for (target, value) in plane[at(i)..at(i) + N].iter_mut().zip(row) {
                    *target = value + 128.0;
                }
            }
        }
    }
}

/// Rounded half to even, for numbers below 2^51.
#[inline]
fn half_even(v: f64) -> f64 {
    const ROUNDER: f64 = 6_755_399_441_055_744.0;
    (v + ROUNDER) - ROUNDER
}

#[inline]
fn product(a: &Block, b: &Block) -> Block {
    let mut out = [[0.0; N]; N];
    for (target, row) in out.iter_mut().zip(a) {
        for (factor, line) in row.iter().zip(b) {
            target.iter_mut().zip(line).for_each(|(sum, value)| *sum += factor * value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(width: u32, height: u32) -> RgbF32 {
        let row: Vec<f32> = (0..width).flat_map(|x| [x as f32 / (width - 1) as f32; 3]).collect();
        RgbF32::new(width, height, row.repeat(height as usize)).expect("sizes fit")
    }

    #[test]
    fn the_ramp_comes_out_as_in_the_specification() {
        let released = [1.7899, 15.1065, 34.2125, 51.9899, 68.0101, 85.7875];
        let standard = [1.8955, 15.8324, 35.2989, 52.5207, 67.4793, 84.7011];
        for (tables, expected) in [(true, released), (false, standard)] {
            let found = jpeg(&ramp(16, 16), 50.0, tables);
            for (x, expected) in expected.into_iter().enumerate() {
                let found = found.data()[3 * x] * 255.0;
                assert!((found - expected).abs() < 1e-3, "x {x}: {found} {expected}");
            }
        }
    }

    #[test]
    fn the_best_quality_keeps_a_ramp() {
        let plain = ramp(96, 64);
        let found = jpeg(&plain, 99.0, true);
        for (found, expected) in found.data().iter().zip(plain.data()) {
            assert!((found - expected).abs() * 255.0 < 0.1);
        }
        for chroma in [0.3, 0.7] {
            let data: Vec<f32> = plain
                .data()
                .as_chunks::<3>()
                .0
                .iter()
                .flat_map(|p| [0.2 + 0.4 * p[0], 0.2 + 0.4 * p[0], chroma * 0.3 + 0.4 * p[0]])
                .collect();
            let tinted = plain.with_data(data);
            let found = jpeg(&tinted, 99.0, true);
            for (found, expected) in found.data().iter().zip(tinted.data()) {
                assert!((found - expected).abs() * 255.0 < 0.2, "chroma {chroma}");
            }
        }
    }
}
