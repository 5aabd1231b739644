//! The operations that only BSRGAN has (`papers/degradations.md`, section 4). Called through the
//! table only; its JPEG is `kadid:jpeg`, its Gaussian noise `re:noise`.

use super::counts::of_levels;
use super::field::with_normals;
use super::filter::{Border, Kernel, gaussian_f32, separable};
use super::resize::{Mode, resize as resized};
use super::{DegradeError, RgbF32};
use biqa::random::Draws;

/// The tag of the fields.
const FIELD: u32 = 1;

/// Taps of the Gaussian before every `factor`-th pixel is kept, on either side.
const DECIMATION_RADIUS: usize = 12;

/// An oval Gaussian by its variances along and across `theta`.
pub(super) fn oval(side: usize, theta: f64, along: f64, across: f64) -> Kernel {
    let (v0, v1) = (libm::cos(theta), libm::sin(theta));
    Kernel::normalised(side, |x, y| {
        let (u, w) = (v0 * x + v1 * y, v1 * x - v0 * y);
        libm::exp(-(u * u / along + w * w / across) / 2.0)
    })
}

/// [`oval`], border reflected.
pub(super) fn blur_aniso(picture: &RgbF32, kernel: &Kernel) -> RgbF32 {
    picture.with_data(kernel.apply(picture.data(), picture.shape(), Border::Mirror))
}

/// A round Gaussian, border reflected.
pub(super) fn blur_iso(picture: &RgbF32, side: usize, sigma: f64) -> RgbF32 {
    let line = gaussian_f32(sigma, side / 2);
    let data = separable(picture.data(), picture.shape(), &line, &line, Border::Mirror);
    picture.with_data(data)
}

/// A Gaussian shifted by `(factor - 1) / 2` pixels, and of its result every `factor`-th pixel.
///
/// # Errors
/// [`DegradeError::TooSmall`] for a picture smaller than the factor.
pub(super) fn decimate(
    picture: &RgbF32,
    sigma: f64,
    factor: usize,
) -> Result<RgbF32, DegradeError> {
    picture.check_size("bsr:decimate", factor as u32)?;
    let shape = picture.shape();
    let shift = (factor as f64 - 1.0) / 2.0;
    let weight = |i: usize| {
        let d = i as f64 - DECIMATION_RADIUS as f64 - shift;
        libm::exp(-d * d / (2.0 * sigma * sigma))
    };
    let weights: Vec<f64> = (0..=2 * DECIMATION_RADIUS).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    let line: Vec<f32> = weights.iter().map(|w| (w / sum) as f32).collect();
    let blurred = separable(picture.data(), shape, &line, &line, Border::Mirror);
    let mut data = Vec::new();
    for row in blurred.chunks_exact(shape.row()).step_by(factor) {
        row.as_chunks::<3>().0.iter().step_by(factor).for_each(|p| data.extend_from_slice(p));
    }
    let side = |n: u32| n.div_ceil(factor as u32);
    let (width, height) = (side(picture.width), side(picture.height));
    Ok(RgbF32 { width, height, data })
}

/// To a size: `area` covers exactly when shrinking, `bilinear` and `bicubic` sample points, `smooth`
/// is the antialiased cubic.
pub(super) fn resize(
    picture: &RgbF32,
    height: usize,
    width: usize,
    mode: Mode,
) -> Result<RgbF32, DegradeError> {
    picture.check_result("bsr:resize", [width, height], 1)?;
    let shape = picture.shape();
    let data = resized(picture.data(), shape, (width, height), None, mode, |w| w as f32);
    Ok(RgbF32 { width: width as u32, height: height as u32, data })
}

/// The upper left part.
///
/// # Errors
/// [`DegradeError::TooSmall`] where the picture is smaller.
pub(super) fn crop(picture: &RgbF32, height: u32, width: u32) -> Result<RgbF32, DegradeError> {
    if height > picture.height || width > picture.width {
        let (op, needed) = ("bsr:crop".to_owned(), height.max(width));
        let (width, height) = (picture.width, picture.height);
        return Err(DegradeError::TooSmall { op, needed, width, height });
    }
    let rows = picture.data.chunks_exact(picture.shape().row()).take(height as usize);
    let data = rows.flat_map(|row| &row[..3 * width as usize]).copied().collect();
    Ok(RgbF32 { width, height, data })
}

/// Normals whose covariance has this Cholesky factor (row by row, below and on the diagonal), times
/// the picture or not, added and clipped.
pub(super) fn correlated(
    picture: &RgbF32,
    factor: [f64; 6],
    speckle: bool,
    draws: &Draws,
) -> RgbF32 {
    let [a, b, c, d, e, f] = factor;
    let pixels = picture.data.as_chunks::<3>().0;
    let data = with_normals(pixels, draws, FIELD, |pixel, [x, y, z, _]| {
        let noise = [a * x, b * x + c * y, d * x + e * y + f * z];
        std::array::from_fn(|c| {
            let v = f64::from(pixel[c]);
            (v + if speckle { v * noise[c] } else { noise[c] }).clamp(0.0, 1.0) as f32
        })
    });
    picture.with_data(data)
}

/// Photon noise of a picture with `vals` photons at white: of every level, or of the gray's, which the
/// original rounds (not in the specification).
pub(super) fn poisson(picture: &RgbF32, vals: f64, gray: bool, draws: &Draws) -> RgbF32 {
    let levels = picture.to_levels();
    let mean = |q| q as f64 / 255.0 * vals;
    let mut data = Vec::with_capacity(picture.data.len());
    if gray {
        let pixels = levels.data().as_chunks::<3>().0;
        let luma: Vec<u8> = pixels.iter().copied().map(luma_level).collect();
        let counts = of_levels(&luma, mean, draws, FIELD);
        for (pixel, (q, count)) in pixels.iter().zip(luma.iter().zip(counts)) {
            let noise = f64::from(count) / vals - f64::from(*q) / 255.0;
            data.extend(pixel.map(|v| (f64::from(v) / 255.0 + noise).clamp(0.0, 1.0) as f32));
        }
    } else {
        let counts = of_levels(levels.data(), mean, draws, FIELD);
        data.extend(counts.iter().map(|&count| (f64::from(count) / vals).clamp(0.0, 1.0) as f32));
    }
    picture.with_data(data)
}

/// 0.299 R + 0.587 G + 0.114 B in whole levels, half to even.
fn luma_level([r, g, b]: [u8; 3]) -> u8 {
    let thousandths = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    (f64::from(thousandths) / 1000.0).round_ties_even() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oval_is_that_of_the_specification() {
        let weights = oval(7, 0.7, 4.0, 1.2).weights;
        let row = [0.0765348, 0.0598415, 0.0286044, 0.0083589];
        let above = [0.0593529, 0.0569472, 0.0334033];
        let found = weights[24..28].iter().zip(row).chain(weights[16..19].iter().zip(above));
        for (found, expected) in found {
            assert!((found - expected).abs() < 1e-7, "{found} {expected}");
        }
    }

    #[test]
    fn noise_of_the_gray_is_that_of_its_rounded_level() {
        // 0.299 * 10 + 0.587 * 20 + 0.114 * 31 is 18.264; 0.114 * 250 is 28.5, which goes to 28.
        assert_eq!([luma_level([10, 20, 31]), luma_level([0, 0, 250])], [18, 28]);
        let pixel = [10.0_f32, 20.0, 31.0].map(|q| q / 255.0);
        let picture = RgbF32::new(40, 1, pixel.repeat(40)).expect("sizes fit");
        let draws = biqa::random::Key(5).at(0);
        let found = poisson(&picture, 200.0, true, &draws);
        for (p, found) in (0_u32..).zip(found.data().as_chunks::<3>().0) {
            let level = 18.0 / 255.0;
            let noise = draws.poisson(FIELD, p, level * 200.0) / 200.0 - level;
            for (found, before) in found.iter().zip([10.0, 20.0, 31.0]) {
                let expected = (before / 255.0 + noise).clamp(0.0, 1.0);
                assert!((f64::from(*found) - expected).abs() < 1e-6, "{p}: {found} {expected}");
            }
        }
    }

    #[test]
    fn decimating_a_ramp_gives_the_centres_of_its_blocks() {
        let row: Vec<f32> = (0..64).flat_map(|x| [x as f32 / 64.0; 3]).collect();
        let ramp = RgbF32::new(64, 64, row.repeat(64)).expect("sizes fit");
        let found = decimate(&ramp, 1.0, 4).expect("large enough");
        assert_eq!((found.width(), found.height()), (16, 16));
        for x in 4..12 {
            let value = found.data()[3 * (16 * 8 + x)];
            assert!((value - (4.0 * x as f32 + 1.5) / 64.0).abs() < 1e-5, "x {x}: {value}");
        }
    }
}
