//! 20 `patch_swap`, 21 `pixelate`, 23 `color_block`: pixels that come from elsewhere
//! (`papers/degradations.md`, 2.1).

use super::super::{DegradeError, RgbF32};
use biqa::random::Draws;

/// The tags of the lists of places and of colours.
const PLACES: u32 = 1;
const COLOURS: u32 = 2;

/// Side of a patch, and the room its corner leaves around it: 15 before, 17 behind the patch.
const PATCH: usize = 16;
const ROOM: u32 = 48;

/// Side of a block.
const BLOCK: u32 = 32;

/// `count` patches copied up to eight pixels away, each from what the ones before left.
///
/// # Errors
/// [`DegradeError::TooSmall`] below 48 x 48.
pub(in super::super) fn patch_swap(
    picture: &RgbF32,
    count: u32,
    draws: &Draws,
) -> Result<RgbF32, DegradeError> {
    picture.check_size("kadid:patch_swap", ROOM)?;
    let row_len = picture.width() as usize * 3;
    let mut data = picture.data().to_vec();
    let mut patch = Vec::with_capacity(PATCH * PATCH * 3);
    for i in 0..count {
        let (from, to) = patch_places(picture.width(), picture.height(), draws.uniforms(PLACES, i));
        let row = |(x, y): (usize, usize), i: usize| {
            let start = (y + i) * row_len + 3 * x;
            start..start + 3 * PATCH
        };
        patch.clear();
        (0..PATCH).for_each(|i| patch.extend_from_slice(&data[row(from, i)]));
        for (i, source) in patch.chunks_exact(3 * PATCH).enumerate() {
            data[row(to, i)].copy_from_slice(source);
        }
    }
    Ok(picture.with_data(data))
}

/// Corners (x, y) of the source and of the target.
fn patch_places(width: u32, height: u32, u: [f64; 4]) -> ((usize, usize), (usize, usize)) {
    let source = |u: f64, side: u32| (u * f64::from(side - ROOM)).round() + 15.0;
    let target = |u: f64, source: f64| (16.0 * (u - 0.5) + source + 1.0).round() - 1.0;
    let (x, y) = (source(u[0], width), source(u[1], height));
    ((x as usize, y as usize), (target(u[2], x) as usize, target(u[3], y) as usize))
}

/// `count` blocks of random colour.
///
/// # Errors
/// [`DegradeError::TooSmall`] below 32 x 32.
pub(in super::super) fn color_block(
    picture: &RgbF32,
    count: u32,
    draws: &Draws,
) -> Result<RgbF32, DegradeError> {
    picture.check_size("kadid:color_block", BLOCK)?;
    let row_len = picture.width() as usize * 3;
    let mut data = picture.data().to_vec();
    for i in 0..count {
        let ((x, y), colour) = block(picture.width(), picture.height(), draws, i);
        let filling = colour.repeat(BLOCK as usize);
        for row in y..y + BLOCK as usize {
            let start = row * row_len + 3 * x;
            data[start..start + filling.len()].copy_from_slice(&filling);
        }
    }
    Ok(picture.with_data(data))
}

/// Corner (x, y) and colour of block `i`.
fn block(width: u32, height: u32, draws: &Draws, i: u32) -> ((usize, usize), [f32; 3]) {
    let [u, v, ..] = draws.uniforms(PLACES, i);
    let [r, g, b, _] = draws.uniforms(COLOURS, i);
    let corner = |u: f64, side: u32| (u * f64::from(side - BLOCK)) as usize;
    ((corner(u, width), corner(v, height)), [r as f32, g as f32, b as f32])
}

/// Nearest pixel down by `0.95 - s^0.6`, nearest pixel up.
pub(in super::super) fn pixelate(picture: &RgbF32, s: f64) -> RgbF32 {
    let z = 0.95 - libm::pow(s, 0.6);
    let columns = nearest_of_nearest(picture.width() as usize, z);
    let rows = nearest_of_nearest(picture.height() as usize, z);
    let row_len = picture.width() as usize * 3;
    let mut data = Vec::with_capacity(picture.data().len());
    for &y in &rows {
        let row = &picture.data()[y * row_len..(y + 1) * row_len];
        for &x in &columns {
            data.extend_from_slice(&row[3 * x..3 * x + 3]);
        }
    }
    picture.with_data(data)
}

/// A side after shrinking.
fn small_side(n: usize, z: f64) -> usize {
    ((n as f64 * z).ceil() as usize).clamp(1, n)
}

/// For every index below `n` the source index that is left after shrinking by `z` and enlarging.
fn nearest_of_nearest(n: usize, z: f64) -> Vec<usize> {
    let small = small_side(n, z);
    let down = |i: usize| (((i as f64 + 0.5) / z) as usize).min(n - 1);
    let up = |i: usize| (((i as f64 + 0.5) * small as f64 / n as f64) as usize).min(small - 1);
    (0..n).map(|i| down(up(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::random::Key;

    const KEY: Key = Key(0x51e3_9173_0a2f_9872);

    #[test]
    fn the_first_places_and_colour_are_those_of_the_specification() {
        let draws = KEY.at(0);
        let (from, to) = patch_places(96, 64, draws.uniforms(PLACES, 0));
        assert_eq!((from, to), ((35, 15), (33, 20)));
        let (corner, colour) = block(96, 64, &draws, 0);
        assert_eq!(corner, (26, 0));
        for (found, expected) in colour.iter().zip([0.3459226, 0.0483925, 0.84974]) {
            assert!((found - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn patches_and_blocks_stay_inside() {
        for u in [0.0, 0.25, 0.5, 0.75, 1.0 - f64::EPSILON] {
            for v in [0.0, 0.5, 1.0 - f64::EPSILON] {
                let (from, to) = patch_places(48, 50, [u, u, v, v]);
                for (x, y) in [from, to] {
                    assert!(x + PATCH <= 48 && y + PATCH <= 50, "{u} {v}");
                }
            }
        }
    }

    #[test]
    fn pixelating_goes_through_the_sizes_of_the_specification() {
        let levels = [0.01, 0.05, 0.1, 0.2, 0.5];
        let sizes = [(86, 57), (76, 51), (68, 45), (55, 37), (28, 19)];
        for (s, (width, height)) in levels.into_iter().zip(sizes) {
            let z = 0.95 - libm::pow(s, 0.6);
            assert_eq!((small_side(96, z), small_side(64, z)), (width, height), "s {s}");
            let mut left = nearest_of_nearest(96, z);
            left.dedup();
            assert!(left.len() <= width && left.is_sorted(), "s {s}");
        }
    }
}
