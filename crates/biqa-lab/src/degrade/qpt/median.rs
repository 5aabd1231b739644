//! `median_blur` (`papers/degradations.md`, section 8), by counting instead of sorting: eight
//! questions settle the eight bits of a median, and many medians are asked for at once.

use super::{Border, Shape, padded, shape, with_levels};
use biqa::image::Rgb8;

/// Values settled together: they fit into the registers of the smallest machine; wider ones were
/// slower.
const LANES: usize = 32;

/// The median over a square window (odd side up to 15), border pixels repeated, each channel.
pub(in super::super) fn median_blur(picture: &Rgb8, side: usize) -> Rgb8 {
    let Shape { width, height, .. } = shape(picture);
    let margin = side / 2;
    let row_len = width * 3;
    let stride = row_len + 6 * margin;
    let mut padded = padded(picture, margin, Border::Edge);
    // The last block of a row reads beyond the row.
    padded.resize(padded.len() + LANES, 0);
    let starts: Vec<usize> = (0..side * side).map(|i| i / side * stride + i % side * 3).collect();
    let half = (side * side / 2) as u8;
    let mut data = Vec::with_capacity(picture.data().len() + LANES);
    for y in 0..height {
        for left in (0..row_len).step_by(LANES) {
            let block = medians(&padded[y * stride + left..], &starts, half);
            data.extend_from_slice(&block[..LANES.min(row_len - left)]);
        }
    }
    with_levels(picture, data)
}

/// The largest value that no more than `half` of a window are below, bit by bit from the top.
fn medians(source: &[u8], starts: &[usize], half: u8) -> [u8; LANES] {
    let mut found = [0_u8; LANES];
    for bit in (0..8).rev() {
        let candidate = found.map(|v| v | 1 << bit);
        let mut below = [0_u8; LANES];
        for &start in starts {
            let values = &source[start..start + LANES];
            for i in 0..LANES {
                below[i] += u8::from(values[i] < candidate[i]);
            }
        }
        for i in 0..LANES {
            found[i] = if below[i] <= half { candidate[i] } else { found[i] };
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
            (0..23 * 14 * 3_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let picture = Rgb8::new(23, 14, data).expect("sizes fit");
        for side in [3, 5, 7, 9, 11] {
            let found = median_blur(&picture, side as usize);
            for i in 0..23 * 14_isize {
                let (x, y) = (i % 23, i / 23);
                for c in 0..3 {
                    let mut window: Vec<u8> = (0..side * side)
                        .map(|k| {
                            let sx = Border::Edge.index(x + k % side - side / 2, 23);
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
