//! The two passes over 8-bit rows, written so that the compiler turns them into vector code.
//!
//! A weight has 23 bits and does not fit the 16-bit multipliers that every processor has, so it is
//! split: `k = (high << 11) + low`, both in `i16`. The two sums are joined with wrapping
//! arithmetic, which is exact because the true sum fits an `i32` (images.md, section 8, and a test
//! of `filter`). `mod.rs` holds the plain definition and the tests that prove the passes equal to
//! it.

use super::filter::{Axis, PRECISION_BITS};
use std::ops::Range;

/// Bits of the low half of a weight.
const LOW_BITS: u32 = 11;

/// Half a level, added before the shift.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// Taps that the horizontal pass handles at once; windows are padded to a multiple with weight 0.
const LANES: usize = 8;

/// Columns that the vertical pass handles at once.
const COLUMNS: usize = 16;

/// The two halves of a weight.
#[inline]
fn split(weight: i32) -> (i16, i16) {
    ((weight >> LOW_BITS) as i16, (weight & ((1 << LOW_BITS) - 1)) as i16)
}

/// The two sums joined, rounded and clamped to a level.
#[inline]
fn level(high: i32, low: i32) -> u8 {
    let sum = high.wrapping_shl(LOW_BITS).wrapping_add(low).wrapping_add(HALF);
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// The horizontal pass for some columns of the result, with the buffers that it reuses from row to
/// row.
pub(super) struct HorizontalPass {
    outputs: Vec<Output>,
    high: Vec<i16>,
    low: Vec<i16>,
    /// The source row as three planes of 16-bit levels, each followed by zeros.
    planes: [Vec<i16>; 3],
}

/// One output column: its first input, and its padded window among the weights.
struct Output {
    start: usize,
    weights: Range<usize>,
}

impl HorizontalPass {
    /// Prepares the weights of `columns`; `source_width` is in pixels.
    pub(super) fn new(axis: &Axis<i32>, columns: Range<usize>, source_width: usize) -> Self {
        let mut pass = HorizontalPass {
            outputs: Vec::with_capacity(columns.len()),
            high: Vec::new(),
            low: Vec::new(),
            planes: std::array::from_fn(|_| vec![0; source_width + LANES]),
        };
        for i in columns {
            let first = pass.high.len();
            for &weight in axis.weights(i) {
                let (high, low) = split(weight);
                pass.high.push(high);
                pass.low.push(low);
            }
            let padded = first + axis.weights(i).len().next_multiple_of(LANES);
            pass.high.resize(padded, 0);
            pass.low.resize(padded, 0);
            pass.outputs.push(Output { start: axis.start(i), weights: first..pass.high.len() });
        }
        pass
    }

    /// Filters one row of interleaved RGB levels.
    pub(super) fn row(&mut self, source: &[u8], out: &mut [u8]) {
        let [red, green, blue] = &mut self.planes;
        let planes = red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut());
        for ([r, g, b], pixel) in planes.map(|((r, g), b)| [r, g, b]).zip(source.as_chunks::<3>().0)
        {
            *r = i16::from(pixel[0]);
            *g = i16::from(pixel[1]);
            *b = i16::from(pixel[2]);
        }
        for (output, pixel) in self.outputs.iter().zip(out.as_chunks_mut::<3>().0) {
            let high = &self.high[output.weights.clone()];
            let low = &self.low[output.weights.clone()];
            for (value, plane) in pixel.iter_mut().zip(&self.planes) {
                let window = &plane[output.start..output.start + high.len()];
                *value = dot(window, high, low);
            }
        }
    }
}

/// The weighted sum over a padded window, as a level. One flat loop over slices of one length: the
/// form in which the compiler finds the multiply-and-add-pairs instruction.
#[inline]
fn dot(window: &[i16], high: &[i16], low: &[i16]) -> u8 {
    let (mut high_sum, mut low_sum) = (0_i32, 0_i32);
    for ((&value, &high), &low) in window.iter().zip(high).zip(low) {
        high_sum = high_sum.wrapping_add(i32::from(value) * i32::from(high));
        low_sum = low_sum.wrapping_add(i32::from(value) * i32::from(low));
    }
    level(high_sum, low_sum)
}

/// One row of the vertical pass: `source` begins with the first input row of the window, rows
/// follow each other at `stride` bytes.
pub(super) fn vertical_row(source: &[u8], stride: usize, weights: &[i32], out: &mut [u8]) {
    let mut column = 0;
    let (blocks, rest) = out.as_chunks_mut::<COLUMNS>();
    for block in blocks {
        let (mut high_sums, mut low_sums) = ([0_i32; COLUMNS], [0_i32; COLUMNS]);
        for (tap, &weight) in weights.iter().enumerate() {
            let (high, low) = split(weight);
            let levels = &source[tap * stride + column..][..COLUMNS];
            for i in 0..COLUMNS {
                let value = i32::from(levels[i]);
                high_sums[i] = high_sums[i].wrapping_add(value * i32::from(high));
                low_sums[i] = low_sums[i].wrapping_add(value * i32::from(low));
            }
        }
        for i in 0..COLUMNS {
            block[i] = level(high_sums[i], low_sums[i]);
        }
        column += COLUMNS;
    }
    for (i, value) in rest.iter_mut().enumerate() {
        let sum = weights.iter().enumerate().fold(HALF, |sum, (tap, &weight)| {
            sum.wrapping_add(weight.wrapping_mul(source[tap * stride + column + i].into()))
        });
        *value = (sum >> PRECISION_BITS).clamp(0, 255) as u8;
    }
}
