//! CIE Lab as the distortions need it (`papers/degradations.md`, section 1).
//!
//! All in `f64` with +, *, / and square roots only (and `libm` for the decoding power), so that
//! every platform gives the same bits. The cube root is our own: three Halley steps are
//! faster than the library's and vectorise, and are exact to some 1e-15.

/// Linear sRGB to XYZ, D65.
const M: [[f64; 3]; 3] = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
];

/// The numeric inverse of [`M`].
const M_INVERSE: [[f64; 3]; 3] = inverse(M);

/// White: the row sums of [`M`].
const WHITE: [f64; 3] =
    [M[0][0] + M[0][1] + M[0][2], M[1][0] + M[1][1] + M[1][2], M[2][0] + M[2][1] + M[2][2]];

/// Where `f` changes from the line to the cube root (CIE, exact fractions).
const EPSILON: f64 = 216.0 / 24389.0;
const KAPPA: f64 = 24389.0 / 27.0;

/// Encoded sRGB to linear light.
pub(super) fn decode(v: f64) -> f64 {
    if v <= 0.04045 { v / 12.92 } else { libm::pow((v + 0.055) / 1.055, 2.4) }
}

/// Linear light to encoded sRGB. `v^(1/2.4)` is `(v^(1/12))^5`: two square roots and a cube root.
#[inline]
pub(super) fn encode(v: f64) -> f64 {
    if v <= 0.0031308 {
        return 12.92 * v;
    }
    let twelfth = cube_root(v.sqrt().sqrt());
    let square = twelfth * twelfth;
    1.055 * (square * square * twelfth) - 0.055
}

/// Linear RGB to Lab.
#[inline]
pub(super) fn lab_of_linear(rgb: [f64; 3]) -> [f64; 3] {
    let xyz = multiply(&M, rgb);
    let f = |i: usize| {
        let t = xyz[i] / WHITE[i];
        if t > EPSILON { cube_root(t) } else { (KAPPA * t + 16.0) / 116.0 }
    };
    let (fx, fy, fz) = (f(0), f(1), f(2));
    [116.0 * fy - 16.0, 500.0 * (fx - fy), 200.0 * (fy - fz)]
}

/// Lab to linear RGB. Nothing is clipped: whoever calls clips.
#[inline]
pub(super) fn linear_of_lab([l, a, b]: [f64; 3]) -> [f64; 3] {
    let fy = (l + 16.0) / 116.0;
    let back = |f: f64| if f > 6.0 / 29.0 { f * f * f } else { (116.0 * f - 16.0) / KAPPA };
    let t = [back(fy + a / 500.0), back(fy), back(fy - b / 200.0)];
    multiply(&M_INVERSE, [t[0] * WHITE[0], t[1] * WHITE[1], t[2] * WHITE[2]])
}

#[inline]
fn multiply(m: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
    let row = |r: [f64; 3]| r[0] * v[0] + r[1] * v[1] + r[2] * v[2];
    [row(m[0]), row(m[1]), row(m[2])]
}

/// By cofactors, at compile time.
const fn inverse(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let [[a, b, c], [d, e, f], [g, h, i]] = m;
    let det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
    [
        [(e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det],
        [(f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det],
        [(d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det],
    ]
}

/// The cube root of a positive normal number: the exponent divided by three, a linear guess (below
/// 4 % off), and three steps of Halley, each of which cubes the error.
#[inline]
fn cube_root(x: f64) -> f64 {
    // Kahan's constant: it shares out the exponent's bias.
    let mut y = f64::from_bits(x.to_bits() / 3 + 0x2A9F_7893_0000_0000);
    for _ in 0..3 {
        let cube = y * y * y;
        y = y * (cube + 2.0 * x) / (2.0 * cube + x);
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        lab_of_linear(rgb.map(decode))
    }

    #[test]
    fn lab_values_are_those_of_the_specification() {
        let levels = |r: f64, g: f64, b: f64| [r / 255.0, g / 255.0, b / 255.0];
        for (rgb, expected) in [
            (levels(255.0, 0.0, 0.0), [53.240792, 80.092470, 67.203193]),
            (levels(0.0, 0.0, 255.0), [32.297009, 79.187527, -107.860165]),
            (levels(200.0, 100.0, 50.0), [53.629537, 36.305785, 45.379524]),
        ] {
            for (found, expected) in lab(rgb).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "{rgb:?}: {found} {expected}");
            }
        }
    }

    #[test]
    fn the_way_back_is_the_identity() {
        for i in 0..=1000_u32 {
            let v = f64::from(i) / 1000.0;
            assert!((encode(decode(v)) - v).abs() < 1e-7, "{v}"); // the two branches meet to 1e-8
            let rgb = [v, 1.0 - v, v * v];
            let back = linear_of_lab(lab(rgb)).map(encode);
            for (found, expected) in back.iter().zip(rgb) {
                assert!((found - expected).abs() < 1e-6, "{rgb:?}");
            }
        }
    }

    #[test]
    fn the_cube_root_is_exact_to_rounding() {
        for i in 1..4000_u32 {
            let x = f64::from(i) / 1000.0;
            let error = cube_root(x) / libm::cbrt(x) - 1.0;
            assert!(error.abs() < 1e-15, "{x}: {error}");
        }
        assert!((cube_root(1e-9) - 1e-3).abs() < 1e-18);
    }
}
