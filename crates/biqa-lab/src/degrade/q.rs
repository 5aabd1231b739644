//! `q:`: colour and geometry that belong to no published list (`papers/degradations.md`, section
//! 8). The colour operations equal torchvision's `adjust_*` on float tensors.

use super::RgbF32;
use super::filter::{Border, Shape};
use super::hsv::{hsv_of_rgb, rgb_of_hsv, wrap};

/// The luma of torchvision.
#[inline]
fn gray(pixel: &[f32; 3]) -> f64 {
    let [r, g, b] = pixel.map(f64::from);
    0.2989 * r + 0.587 * g + 0.114 * b
}

/// Every pixel by a function, clipped.
fn by_pixel(picture: &RgbF32, f: impl Fn(&[f32; 3]) -> [f64; 3]) -> RgbF32 {
    let mut data = Vec::with_capacity(picture.data().len());
    for pixel in picture.data().as_chunks::<3>().0 {
        data.extend_from_slice(&f(pixel).map(|v| v.clamp(0.0, 1.0) as f32));
    }
    picture.with_data(data)
}

/// `clip(f x)`.
pub(super) fn brightness(picture: &RgbF32, f: f64) -> RgbF32 {
    by_pixel(picture, |p| p.map(|v| f * f64::from(v)))
}

/// `clip(f x + (1 - f) m)`, m the mean gray.
pub(super) fn contrast(picture: &RgbF32, f: f64) -> RgbF32 {
    let pixels = picture.data().as_chunks::<3>().0;
    let mean = pixels.iter().map(gray).sum::<f64>() / pixels.len() as f64;
    by_pixel(picture, |p| p.map(|v| f * f64::from(v) + (1.0 - f) * mean))
}

/// `clip(f x + (1 - f) g)`, g the pixel's gray.
pub(super) fn saturation(picture: &RgbF32, f: f64) -> RgbF32 {
    by_pixel(picture, |p| p.map(|v| f * f64::from(v) + (1.0 - f) * gray(p)))
}

/// The hue of HSV turned by `f` turns.
pub(super) fn hue(picture: &RgbF32, f: f64) -> RgbF32 {
    by_pixel(picture, |p| {
        let [h, s, v] = hsv_of_rgb(p.map(f64::from));
        rgb_of_hsv([wrap(h + f), s, v])
    })
}

/// Turned by an angle, scaled, sheared (degrees), moved by shares of the sides; bilinear, border
/// reflected.
pub(super) fn affine(picture: &RgbF32, [angle, scale, shear, tx, ty]: [f64; 5]) -> RgbF32 {
    let radians = |degrees: f64| degrees / 180.0 * std::f64::consts::PI;
    let (sin, cos) = (libm::sin(radians(angle)), libm::cos(radians(angle)));
    let slope = libm::tan(radians(shear));
    // A = R [[1, slope], [0, 1]] scale; its determinant is scale^2.
    let a = [[cos, cos * slope - sin], [sin, sin * slope + cos]].map(|row| row.map(|v| v * scale));
    let determinant = scale * scale;
    let inverse = [
        [a[1][1] / determinant, -a[0][1] / determinant],
        [-a[1][0] / determinant, a[0][0] / determinant],
    ];

    let Shape { width, height, .. } = picture.shape();
    let centre = [(width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0];
    let shift = [tx * width as f64, ty * height as f64];
    let pixels = picture.data().as_chunks::<3>().0;
    let mut data = Vec::with_capacity(picture.data().len());
    for y in 0..height {
        for x in 0..width {
            let d = [x as f64 - centre[0] - shift[0], y as f64 - centre[1] - shift[1]];
            let sx = inverse[0][0] * d[0] + inverse[0][1] * d[1] + centre[0];
            let sy = inverse[1][0] * d[0] + inverse[1][1] * d[1] + centre[1];
            let (left, top) = (sx.floor(), sy.floor());
            let at = |i: isize, j: isize| {
                let column = Border::Mirror.index(left as isize + i, width);
                let row = Border::Mirror.index(top as isize + j, height);
                pixels[row * width + column]
            };
            let corners = [at(0, 0), at(1, 0), at(0, 1), at(1, 1)];
            let (u, v) = (sx - left, sy - top);
            let weights = [(1.0 - u) * (1.0 - v), u * (1.0 - v), (1.0 - u) * v, u * v];
            let mixed = |c: usize| {
                let sum: f64 = corners.iter().zip(weights).map(|(p, w)| w * f64::from(p[c])).sum();
                sum.clamp(0.0, 1.0) as f32
            };
            data.extend_from_slice(&[mixed(0), mixed(1), mixed(2)]);
        }
    }
    picture.with_data(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_moves_nothing_and_a_half_turn_turns() {
        let data: Vec<f32> = (0..5 * 4 * 3).map(|i| i as f32 / 60.0).collect();
        let picture = RgbF32::new(5, 4, data).expect("sizes fit");
        assert_eq!(affine(&picture, [0.0, 1.0, 0.0, 0.0, 0.0]), picture);
        let turned = affine(&picture, [180.0, 1.0, 0.0, 0.0, 0.0]);
        let backwards: Vec<[f32; 3]> =
            picture.data().as_chunks::<3>().0.iter().rev().copied().collect();
        for (found, expected) in turned.data().iter().zip(backwards.concat()) {
            assert!((found - expected).abs() < 1e-6);
        }
    }
}
