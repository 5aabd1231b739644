//! Filters: separable kernels, sparse two-dimensional kernels, Gaussians, borders. Called by every
//! family; `f32` for pictures in [0, 1], `f64` where a family says so.
//!
//! Data are interleaved: `width * channels` values a row. A sum runs over the taps in their order
//! (rows from the top, columns from the left), for every value by itself, so that neither blocking
//! nor the width of the machine's registers changes a bit.

// The sum must be compiled into the vectorised loops that call it.
#![allow(clippy::inline_always)]

use biqa::wide::{Wide, wide};
use std::ops::{AddAssign, Mul};

/// Values summed together: eight registers of 32 bytes, so that an addition need not wait for the
/// one before it. On machines with other registers it is slower, not different.
const BLOCK_F32: usize = 64;
const BLOCK_F64: usize = 32;

/// Values of a strip: with [`ROWS`] rows of them, twelve such registers.
const STRIP_F32: usize = 32;
const STRIP_F64: usize = 16;

/// What stands outside of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Border {
    /// The border pixel, again and again.
    Edge,
    /// The picture reflected without repeating the border pixel, and again where it is small.
    Mirror,
}

impl Border {
    /// The index below `n` that stands for `i`.
    pub(super) fn index(self, i: isize, n: usize) -> usize {
        let last = n as isize - 1;
        match self {
            Border::Edge => i.clamp(0, last) as usize,
            Border::Mirror if last == 0 => 0,
            Border::Mirror => {
                let turn = i.rem_euclid(2 * last);
                turn.min(2 * last - turn) as usize
            }
        }
    }
}

/// What a filter's values can do.
pub(super) trait Value: Copy + Default + Mul<Output = Self> + AddAssign {
    /// [`weighted_sum`].
    fn weighted_sum(target: &mut [Self], source: &[Self], taps: &[(usize, Self)]);

    /// Sums of rows, in strips that suit the machine.
    fn column_sums(sums: ColumnSum<'_, Self>);
}

impl Value for f32 {
    #[inline(always)]
    fn weighted_sum(target: &mut [f32], source: &[f32], taps: &[(usize, f32)]) {
        by_blocks::<f32, BLOCK_F32>(target, source, taps);
    }

    #[inline(always)]
    fn column_sums(sums: ColumnSum<'_, f32>) {
        sums.by_strips::<STRIP_F32>();
    }
}

impl Value for f64 {
    #[inline(always)]
    fn weighted_sum(target: &mut [f64], source: &[f64], taps: &[(usize, f64)]) {
        by_blocks::<f64, BLOCK_F64>(target, source, taps);
    }

    #[inline(always)]
    fn column_sums(sums: ColumnSum<'_, f64>) {
        sums.by_strips::<STRIP_F64>();
    }
}

/// `exp(-i^2 / (2 sigma^2))` for i = -r..r, divided by the sum.
pub(super) fn gaussian(sigma: f64, radius: usize) -> Vec<f64> {
    let weight = |i: f64| libm::exp(-i * i / (2.0 * sigma * sigma));
    let offsets = (0..=2 * radius).map(|i| i as f64 - radius as f64);
    let weights: Vec<f64> = offsets.map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

/// [`gaussian`] with weights of `f32`.
pub(super) fn gaussian_f32(sigma: f64, radius: usize) -> Vec<f32> {
    gaussian(sigma, radius).iter().map(|&w| w as f32).collect()
}

/// A picture's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) channels: usize,
}

impl Shape {
    /// Values a row.
    pub(super) fn row(self) -> usize {
        self.width * self.channels
    }

    /// Values.
    pub(super) fn len(self) -> usize {
        self.row() * self.height
    }
}

/// Along the rows with one odd kernel, then along the columns with another.
pub(super) fn separable<T: Value>(
    data: &[T],
    shape: Shape,
    along_rows: &[T],
    along_columns: &[T],
    border: Border,
) -> Vec<T> {
    let middle = rows(data, shape, along_rows, border);
    columns(&middle, shape, along_columns, border)
}

/// Every row with an odd kernel.
fn rows<T: Value>(data: &[T], shape: Shape, kernel: &[T], border: Border) -> Vec<T> {
    let Shape { width, channels, .. } = shape;
    let (row_len, radius) = (shape.row(), kernel.len() / 2);
    let mut out = vec![T::default(); data.len()];
    let mut padded = Vec::with_capacity(row_len + 2 * radius * channels);
    let mut taps = Vec::with_capacity(kernel.len());
    taps.extend(kernel.iter().enumerate().map(|(i, &weight)| (channels * i, weight)));
    for (row, target) in data.chunks_exact(row_len).zip(out.chunks_exact_mut(row_len)) {
        pad_row(&mut padded, row, channels, width, radius, border);
        wide(RowSum { target, source: &padded, taps: &taps });
    }
    out
}

/// Every column with an odd kernel.
fn columns<T: Value>(data: &[T], shape: Shape, kernel: &[T], border: Border) -> Vec<T> {
    let radius = kernel.len() / 2;
    let source = |y: usize| border.index(y as isize - radius as isize, shape.height) * shape.row();
    let starts: Vec<usize> = (0..shape.height + 2 * radius).map(source).collect();
    let mut out = vec![T::default(); data.len()];
    wide(ColumnSum { out: &mut out, data, row_len: shape.row(), starts: &starts, kernel });
    out
}

/// Rows summed together: what is read counts for all of them.
const ROWS: usize = 3;

/// Weighted sums of rows: row y is the sum over i of `kernel[i]` times what begins at `starts[y + i]`.
pub(super) struct ColumnSum<'a, T> {
    out: &'a mut [T],
    data: &'a [T],
    row_len: usize,
    starts: &'a [usize],
    kernel: &'a [T],
}

impl<T: Value> Wide for ColumnSum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        T::column_sums(self);
    }
}

impl<T: Value> ColumnSum<'_, T> {
    /// [`ROWS`] rows of a strip of `STRIP` values at a time; the last ones overlap those before them.
    #[inline(always)]
    fn by_strips<const STRIP: usize>(self) {
        let Self { out, data, row_len, starts, kernel } = self;
        let (height, n) = (starts.len() + 1 - kernel.len(), kernel.len());
        if row_len < STRIP || height < ROWS {
            for (y, target) in out.chunks_exact_mut(row_len).enumerate() {
                let taps = starts[y..y + n].iter().copied().zip(kernel.iter().copied());
                weighted_sum(target, data, &taps.collect::<Vec<_>>());
            }
            return;
        }
        // Zeros where a row isn't summed: they add nothing, as pictures are finite.
        let mut weights = vec![[T::default(); ROWS]; n + ROWS - 1];
        for (i, &weight) in kernel.iter().enumerate() {
            for r in 0..ROWS {
                weights[i + r][r] = weight;
            }
        }
        for x in (0..row_len).step_by(STRIP) {
            let x = x.min(row_len - STRIP);
            for y in (0..height).step_by(ROWS) {
                let y = y.min(height - ROWS);
                let [mut first, mut second, mut third] = [[T::default(); STRIP]; ROWS];
                for (&start, weights) in starts[y..].iter().zip(&weights) {
                    let values = &data[start + x..].as_chunks().0[0];
                    first = added(first, weights[0], values);
                    second = added(second, weights[1], values);
                    third = added(third, weights[2], values);
                }
                for (r, sums) in [first, second, third].into_iter().enumerate() {
                    out[(y + r) * row_len + x..][..STRIP].copy_from_slice(&sums);
                }
            }
        }
    }
}

/// Sums to which values times a weight are added.
#[inline(always)]
fn added<T: Value, const N: usize>(mut sums: [T; N], weight: T, values: &[T; N]) -> [T; N] {
    // Counted, not zipped: the sums stay in registers.
    for i in 0..N {
        sums[i] += weight * values[i];
    }
    sums
}

fn pad_row<T: Copy>(
    padded: &mut Vec<T>,
    row: &[T],
    channels: usize,
    width: usize,
    radius: usize,
    border: Border,
) {
    let pixel = |x: isize| {
        let at = channels * border.index(x, width);
        &row[at..at + channels]
    };
    padded.clear();
    (-(radius as isize)..0).for_each(|x| padded.extend_from_slice(pixel(x)));
    padded.extend_from_slice(row);
    (0..radius).for_each(|i| padded.extend_from_slice(pixel((width + i) as isize)));
}

/// [`weighted_sum`] of a row.
struct RowSum<'a, T> {
    target: &'a mut [T],
    source: &'a [T],
    taps: &'a [(usize, T)],
}

impl<T: Value> Wide for RowSum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        weighted_sum(self.target, self.source, self.taps);
    }
}

/// `target[i] = sum over taps of weight * source[start + i]`, in the order of the taps.
///
/// Every tap's `start + target.len()` must be within `source`.
#[inline(always)]
pub(super) fn weighted_sum<T: Value>(target: &mut [T], source: &[T], taps: &[(usize, T)]) {
    T::weighted_sum(target, source, taps);
}

#[inline(always)]
fn by_blocks<T: Value, const BLOCK: usize>(target: &mut [T], source: &[T], taps: &[(usize, T)]) {
    let (blocks, rest) = target.as_chunks_mut::<BLOCK>();
    let whole = blocks.len() * BLOCK;
    for (b, block) in blocks.iter_mut().enumerate() {
        let mut sum = [T::default(); BLOCK];
        for &(start, weight) in taps {
            let at = start + b * BLOCK;
            for (sum, &value) in sum.iter_mut().zip(&source[at..at + BLOCK]) {
                *sum += weight * value;
            }
        }
        *block = sum;
    }
    for (i, value) in rest.iter_mut().enumerate() {
        let mut sum = T::default();
        for &(start, weight) in taps {
            sum += weight * source[start + whole + i];
        }
        *value = sum;
    }
}

/// A kernel of `width` x `height` weights, row-major, both odd.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row-major.
    pub weights: Vec<f64>,
}

impl Kernel {
    /// A square kernel from a function of column and row offset, divided by its sum.
    pub(super) fn normalised(side: usize, weight: impl Fn(f64, f64) -> f64) -> Kernel {
        let radius = (side / 2) as f64;
        let at = |i: usize| ((i % side) as f64 - radius, (i / side) as f64 - radius);
        let weights: Vec<f64> = (0..side * side).map(at).map(|(x, y)| weight(x, y)).collect();
        let sum: f64 = weights.iter().sum();
        let weights = weights.iter().map(|w| w / sum).collect();
        Kernel { width: side, height: side, weights }
    }

    /// The correlation of a picture with the kernel; weights of zero cost nothing.
    pub(super) fn apply(&self, data: &[f32], shape: Shape, border: Border) -> Vec<f32> {
        let Shape { width, height, channels } = shape;
        let (rx, ry) = (self.width / 2, self.height / 2);
        let padded_len = (width + 2 * rx) * channels;
        let mut padded = Vec::with_capacity(padded_len * (height + 2 * ry));
        let mut row = Vec::with_capacity(padded_len);
        for y in 0..height + 2 * ry {
            let source = border.index(y as isize - ry as isize, height) * shape.row();
            pad_row(&mut row, &data[source..source + shape.row()], channels, width, rx, border);
            padded.extend_from_slice(&row);
        }
        let weights = self.weights.iter().enumerate().filter(|(_, w)| **w != 0.0);
        let place = |i: usize| (i / self.width) * padded_len + (i % self.width) * channels;
        let taps: Vec<(usize, f32)> = weights.map(|(i, &w)| (place(i), w as f32)).collect();
        let mut out = vec![0.0; shape.len()];
        for (y, target) in out.chunks_exact_mut(shape.row()).enumerate() {
            wide(RowSum { target, source: &padded[y * padded_len..], taps: &taps });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_kernels_are_those_of_the_specification() {
        for (sigma, radius, expected) in [
            (0.5, 1, &[0.78698604, 0.10650698][..]),
            (1.0, 2, &[0.40261995, 0.24420134, 0.05448868]),
            (2.0, 4, &[0.20416369, 0.18017382, 0.12383154, 0.06628225, 0.02763055]),
        ] {
            let kernel = gaussian_f32(sigma, radius);
            assert!((kernel.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            for (found, expected) in kernel[radius..].iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-7, "sigma {sigma}");
            }
        }
    }

    #[test]
    fn borders_repeat_or_reflect() {
        let edge: Vec<usize> = (-3..7).map(|i| Border::Edge.index(i, 4)).collect();
        assert_eq!(edge, [0, 0, 0, 0, 1, 2, 3, 3, 3, 3]);
        let mirror: Vec<usize> = (-3..9).map(|i| Border::Mirror.index(i, 3)).collect();
        assert_eq!(mirror, [1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0]);
        assert_eq!(Border::Mirror.index(-5, 1), 0);
    }

    #[test]
    fn a_separable_filter_is_its_outer_product() {
        let shape = Shape { width: 21, height: 5, channels: 3 };
        let data: Vec<f32> = (0..shape.len()).map(|i| ((i * 37) % 101) as f32 / 101.0).collect();
        let side = gaussian(1.0, 3);
        let kernel = Kernel {
            width: 7,
            height: 7,
            weights: (0..49).map(|i| side[i / 7] * side[i % 7]).collect(),
        };
        let side = gaussian_f32(1.0, 3);
        for border in [Border::Edge, Border::Mirror] {
            let separated = separable(&data, shape, &side, &side, border);
            let whole = kernel.apply(&data, shape, border);
            for (a, b) in separated.iter().zip(&whole) {
                assert!((a - b).abs() < 1e-6, "{border:?}: {a} {b}");
            }
        }
    }
}
