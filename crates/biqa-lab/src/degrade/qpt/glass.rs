//! `glass_blur` (`papers/degradations.md`, section 8).

use super::super::filter::Value;
use super::{Shape, blurred, finished, shape, values};
use biqa::image::Rgb8;
use biqa::random::Draws;

/// The tag of the field of offsets.
const FIELD: u32 = 1;

/// Gaussian, every inner pixel exchanged with one up to `reach` pixels away, Gaussian again.
pub(in super::super) fn glass_blur(
    picture: &Rgb8,
    sigma: f64,
    reach: usize,
    draws: &Draws,
) -> Rgb8 {
    let radius = (4.0 * sigma + 0.5) as usize;
    let smooth = |values: Vec<f64>| blurred(&values, shape(picture), sigma, radius);
    let mut z = smooth(values(picture));
    exchange(&mut z, shape(picture), reach, draws);
    finished(picture, smooth(z).into_iter())
}

/// One after the other from the lower right: the order is part of the definition.
fn exchange<T: Value>(z: &mut [T], shape: Shape, reach: usize, draws: &Draws) {
    let Shape { width, height, .. } = shape;
    let pixels = z.as_chunks_mut::<3>().0;
    let offset = |u: f64| (2.0 * reach as f64 * u) as isize - reach as isize;
    for y in (reach..height.saturating_sub(reach)).rev() {
        for x in (reach..width.saturating_sub(reach)).rev() {
            let p = y * width + x;
            let [a, b, ..] = draws.uniforms(FIELD, p as u32);
            let other = p as isize + offset(b) * width as isize + offset(a);
            pixels.swap(p, other as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::random::Key;

    #[test]
    fn exchanging_keeps_every_pixel_and_the_border_of_small_pictures() {
        let shape = Shape { width: 12, height: 11, channels: 3 };
        let before: Vec<f64> = (0..shape.len()).map(|i| i as f64).collect();
        let mut after = before.clone();
        exchange(&mut after, shape, 5, &Key(1).at(0));
        assert_ne!(before, after);
        let mut sorted = after.clone();
        sorted.sort_by(f64::total_cmp);
        assert_eq!(sorted, before);
        let mut narrow = before.clone();
        exchange(&mut narrow, Shape { width: 4, height: 33, channels: 3 }, 5, &Key(1).at(0));
        assert_eq!(narrow, before);
    }
}
