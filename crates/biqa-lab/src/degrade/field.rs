//! Fields of random numbers, pixel by pixel. Called by every family's noises.

use biqa::random::Draws;

/// Pixels whose numbers are drawn together: they stay in the nearest cache.
pub(super) const BATCH: usize = 128;

/// Every pixel by a function of its value and the four normals of its place in field `tag`.
pub(super) fn with_normals<T: Copy, U>(
    pixels: &[[T; 3]],
    draws: &Draws,
    tag: u32,
    mut f: impl FnMut([T; 3], [f64; 4]) -> [U; 3],
) -> Vec<U> {
    let mut z = [[0.0; 4]; BATCH];
    let mut out = Vec::with_capacity(3 * pixels.len());
    for (batch, pixels) in (0_u32..).zip(pixels.chunks(BATCH)) {
        let z = &mut z[..pixels.len()];
        draws.normals_into(tag, batch.wrapping_mul(BATCH as u32), z);
        pixels.iter().zip(z).for_each(|(pixel, z)| out.extend(f(*pixel, *z)));
    }
    out
}

/// The same with the first normal.
pub(super) fn with_normal<T: Copy, U>(
    pixels: &[[T; 3]],
    draws: &Draws,
    tag: u32,
    mut f: impl FnMut([T; 3], f64) -> [U; 3],
) -> Vec<U> {
    let mut z = [[0.0; 2]; BATCH];
    let mut out = Vec::with_capacity(3 * pixels.len());
    for (batch, pixels) in (0_u32..).zip(pixels.chunks(BATCH)) {
        let z = &mut z[..pixels.len()];
        draws.normal_pairs_into(tag, batch.wrapping_mul(BATCH as u32), z);
        pixels.iter().zip(z).for_each(|(pixel, z)| out.extend(f(*pixel, z[0])));
    }
    out
}
