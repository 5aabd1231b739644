//! `median_blur` (`papers/degradations.md`, section 8), by counting instead of sorting: eight
//! questions settle the eight bits of a median, and many medians are asked for at once.

// The medians must be compiled into the vectorised loop that calls them.
#![allow(clippy::inline_always)]

use super::{Border, Shape, padded, shape, with_levels};
use biqa::image::Rgb8;
use biqa::wide::{Wide, wide};

/// Values settled together.
const LANES: usize = 128;

/// The median over a square window (odd side up to 15), border pixels repeated, each channel.
pub(in super::super) fn median_blur(picture: &Rgb8, side: usize) -> Rgb8 {
    let Shape { width, .. } = shape(picture);
    let margin = side / 2;
    let row_len = width * 3;
    let stride = row_len + 6 * margin;
    let mut padded = padded(picture, margin, Border::Edge);
    // The last block of a row reads beyond the row.
    padded.resize(padded.len() + LANES, 0);
    let starts: Vec<usize> = (0..side * side).map(|i| i / side * stride + i % side * 3).collect();
    let half = (side * side / 2) as u8;
    let mut data = vec![0; picture.data().len()];
    for (y, out) in data.chunks_exact_mut(row_len).enumerate() {
        wide(Row { source: &padded[y * stride..], starts: &starts, half, out });
    }
    with_levels(picture, data)
}

/// The medians of a row.
struct Row<'a> {
    source: &'a [u8],
    starts: &'a [usize],
    half: u8,
    out: &'a mut [u8],
}

impl Wide for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { source, starts, half, out } = self;
        for (out, left) in out.chunks_mut(LANES).zip((0..).step_by(LANES)) {
            let block = medians(&source[left..], starts, half);
            out.copy_from_slice(&block[..out.len()]);
        }
    }
}

/// The largest value that no more than `half` of a window are below, bit by bit from the top.
#[inline(always)]
fn medians(source: &[u8], starts: &[usize], half: u8) -> [u8; LANES] {
    let mut found = [0_u8; LANES];
    for bit in (0..8).rev() {
        let step = 1_u8 << bit;
        let mut candidate = found;
        for value in &mut candidate {
            *value |= step;
        }
        let mut below = [0_u8; LANES];
        for &start in starts {
            let values = &source[start..].as_chunks::<LANES>().0[0];
            for i in 0..LANES {
                below[i] += u8::from(values[i] < candidate[i]);
            }
        }
        for i in 0..LANES {
            // All bits where the candidate holds: lanes have no branches.
            found[i] |= u8::from(below[i] <= half).wrapping_neg() & step;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_those_of_sorting() {
        let data: Vec<u8> =
            (0..53 * 14 * 3_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let picture = Rgb8::new(53, 14, data).expect("sizes fit");
        for side in [3, 5, 7, 9, 11] {
            let found = median_blur(&picture, side as usize);
            for i in 0..53 * 14_isize {
                let (x, y) = (i % 53, i / 53);
                for c in 0..3 {
                    let mut window: Vec<u8> = (0..side * side)
                        .map(|k| {
                            let sx = Border::Edge.index(x + k % side - side / 2, 53);
                            let sy = Border::Edge.index(y + k / side - side / 2, 14);
                            picture.pixel(sx as u32, sy as u32)[c]
                        })
                        .collect();
                    window.sort_unstable();
                    assert_eq!(found.pixel(x as u32, y as u32)[c], window[window.len() / 2]);
                }
            }
        }
    }
}
