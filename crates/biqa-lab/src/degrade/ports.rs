//! The ports of KADID's operations by ARNIQA and Re-IQA, where the specification says how they
//! differ (`papers/degradations.md`, 2.2). Needed to repeat those works; `kadid:` is the default
//! everywhere. Called through the table only.

use super::field::with_normals;
use super::filter::{Border, Shape, gaussian_f32, separable};
use super::kadid;
use super::lab::{back, lab_of};
use super::{RgbF32, hsv};
use biqa::image::Rgb8;
use biqa::random::Draws;

/// The tag of the fields.
const FIELD: u32 = 1;

/// Red and blue exchanged, as RGB data look to an operation that expects BGR.
pub(super) fn exchanged(picture: &RgbF32) -> RgbF32 {
    let pixels = picture.data().as_chunks::<3>().0.iter();
    picture.with_data(pixels.flat_map(|&[r, g, b]| [b, g, r]).collect())
}

/// An operation that sees red and blue exchanged.
pub(super) fn as_bgr(picture: &RgbF32, op: impl Fn(&RgbF32) -> RgbF32) -> RgbF32 {
    exchanged(&op(&exchanged(picture)))
}

/// To 8 bits by cutting off, and back.
pub(super) fn truncated(picture: &RgbF32) -> RgbF32 {
    let data = picture.data().iter().map(|&v| f32::from(cut(v)) / 255.0);
    picture.with_data(data.collect())
}

/// To 8 bits by cutting off.
pub(super) fn levels_cut(picture: &RgbF32) -> Rgb8 {
    let data = picture.data().iter().map(|&v| cut(v)).collect();
    Rgb8::new(picture.width(), picture.height(), data).expect("one level out for one value in")
}

/// The small share keeps `q / 255` at q, as the ports' 32-bit products do.
#[inline]
fn cut(v: f32) -> u8 {
    (v.clamp(0.0, 1.0) * 255.0 + 1e-4) as u8
}

/// The saturation of HSV times `factor`; what leaves [0, 1] is clipped, not rescaled.
pub(super) fn saturate_hsv(picture: &RgbF32, factor: f64) -> RgbF32 {
    let mut data = Vec::with_capacity(picture.data().len());
    for pixel in picture.data().as_chunks::<3>().0 {
        let [h, s, v] = hsv::hsv_of_rgb(pixel.map(f64::from));
        let shares = hsv::value_shares(h, s * factor);
        data.extend_from_slice(&shares.map(|share| (v * share).clamp(0.0, 1.0) as f32));
    }
    picture.with_data(data)
}

/// ARNIQA's sharpening blurs the lightness with twice the sigma, in the same 13 x 13 taps.
pub(super) fn sharpen(picture: &RgbF32, amount: f64) -> RgbF32 {
    let kernel = gaussian_f32(6.0, 6);
    let mut lab = lab_of(picture.data());
    let pixels = lab.as_chunks_mut::<3>().0;
    let lightness: Vec<f32> = pixels.iter().map(|[l, _, _]| *l).collect();
    let shape = Shape { channels: 1, ..picture.shape() };
    let blurred = separable(&lightness, shape, &kernel, &kernel, Border::Edge);
    for (pixel, blurred) in pixels.iter_mut().zip(&blurred) {
        let l = f64::from(pixel[0]);
        pixel[0] = (l + amount * (l - f64::from(*blurred))) as f32;
    }
    picture.with_data(back(&lab))
}

/// The contrast lowered: [0, 1] to [0.5 - v, 0.5 + v].
pub(super) fn contrast_nl(picture: &RgbF32, v: f64) -> RgbF32 {
    let mapped = |x: &f32| (0.5 - v + 2.0 * v * f64::from(*x).clamp(0.0, 1.0)) as f32;
    picture.with_data(picture.data().iter().map(mapped).collect())
}

/// Gaussian noise times the value (the original's is uniform).
pub(super) fn noise_multiplicative(picture: &RgbF32, variance: f64, draws: &Draws) -> RgbF32 {
    let deviation = variance.sqrt();
    let pixels = picture.data().as_chunks::<3>().0;
    picture.with_data(with_normals(pixels, draws, FIELD, |pixel, z| {
        std::array::from_fn(|c| {
            let x = f64::from(pixel[c]);
            (x + deviation * x * z[c]).clamp(0.0, 1.0) as f32
        })
    }))
}

/// Gaussian noise in a YCbCr that is not clipped: JPEG's full range, or the studio range.
pub(super) fn noise_color(
    picture: &RgbF32,
    variance: f64,
    full_range: bool,
    draws: &Draws,
) -> RgbF32 {
    // Not clipped, the way there and back leaves the picture, and the noise goes back alone.
    let back = if full_range { FULL_RANGE_BACK } else { kadid::studio_back() };
    let deviation = variance.sqrt();
    let pixels = picture.data().as_chunks::<3>().0;
    picture.with_data(with_normals(pixels, draws, FIELD, |pixel, z| {
        std::array::from_fn(|c| {
            let [y, cb, cr] = back[c];
            let noise = deviation * (y * z[0] + cb * z[1] + cr * z[2]);
            (f64::from(pixel[c]) + noise).clamp(0.0, 1.0) as f32
        })
    }))
}

/// JPEG's YCbCr back to RGB (BT.601, full range).
const FULL_RANGE_BACK: [[f64; 3]; 3] =
    [[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]];

/// ARNIQA: `floor(3 d H W)` places with replacement, the first half white, the second half black.
pub(super) fn impulses_by_place(picture: &RgbF32, density: f64, draws: &Draws) -> RgbF32 {
    let mut data = picture.data().to_vec();
    let values = data.len() as f64;
    let count = (density * values) as u32;
    for k in 0..count {
        let [u, ..] = draws.uniforms(FIELD, k);
        data[(u * values) as usize] = if k < count / 2 { 1.0 } else { 0.0 };
    }
    picture.with_data(data)
}

/// Re-IQA: whole pixels, black below d/2, white above 1 - d/2.
pub(super) fn impulses_by_pixel(picture: &RgbF32, density: f64, draws: &Draws) -> RgbF32 {
    let mut data = Vec::with_capacity(picture.data().len());
    for (p, pixel) in (0_u32..).zip(picture.data().as_chunks::<3>().0) {
        let [u, ..] = draws.uniforms(FIELD, p);
        data.extend_from_slice(&match u {
            u if u < density / 2.0 => [0.0; 3],
            u if u > 1.0 - density / 2.0 => [1.0; 3],
            _ => *pixel,
        });
    }
    picture.with_data(data)
}

/// ARNIQA: floor sizes, index `floor(i n / m)` down and up.
pub(super) fn pixelate(picture: &RgbF32, s: f64) -> RgbF32 {
    let z = 0.95 - libm::pow(s, 0.6);
    let Shape { width, height, .. } = picture.shape();
    let sources = |n: usize| -> Vec<usize> {
        let m = ((n as f64 * z) as usize).max(1);
        (0..n).map(|i| i * m / n * n / m).collect()
    };
    let (columns, rows) = (sources(width), sources(height));
    let mut data = Vec::with_capacity(picture.data().len());
    for &y in &rows {
        let row = &picture.data()[y * width * 3..(y + 1) * width * 3];
        for &x in &columns {
            data.extend_from_slice(&row[3 * x..3 * x + 3]);
        }
    }
    picture.with_data(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::random::Key;

    fn gray(side: u32) -> RgbF32 {
        RgbF32::new(side, side, vec![0.5; (side * side * 3) as usize]).expect("sizes fit")
    }

    #[test]
    fn cutting_keeps_levels() {
        let levels: Vec<u8> = (0..=254).collect();
        let picture = Rgb8::new(85, 1, levels).expect("sizes fit");
        let values = RgbF32::from_levels(&picture);
        assert_eq!(levels_cut(&values), picture);
        assert_eq!(truncated(&values), values);
        let half = gray(1).with_data(vec![127.9 / 255.0; 3]);
        assert_eq!(levels_cut(&half).data(), [127; 3]);
    }

    #[test]
    fn impulses_are_as_many_as_the_density_says() {
        let draws = Key(5).at(0);
        let places = impulses_by_place(&gray(64), 0.02, &draws);
        let changed = places.data().iter().filter(|&&v| v != 0.5).count();
        assert!((225..=245).contains(&changed), "{changed} of 245 with replacement");
        let pixels = impulses_by_pixel(&gray(64), 0.05, &draws);
        assert!(pixels.data().as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b));
        let changed = pixels.data().iter().filter(|&&v| v != 0.5).count() / 3;
        assert!((150..260).contains(&changed), "{changed}");
    }

    #[test]
    fn the_contrast_is_lowered_to_its_range() {
        let picture = RgbF32::new(1, 1, vec![0.0, 0.5, 1.0]).expect("sizes fit");
        let found = contrast_nl(&picture, 0.3);
        for (found, expected) in found.data().iter().zip([0.2, 0.5, 0.8]) {
            assert!((found - expected).abs() < 1e-6);
        }
    }
}
