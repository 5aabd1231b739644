//! From a profile's device values to 8-bit sRGB, in float arithmetic that gives the same bytes on
//! every platform: relative colorimetric, no black point compensation (papers/images.md, section 3).
//!
//! `moxcms` reads the profile files; the arithmetic is ours because its vector paths differ between
//! processors and because the section fixes intent, clamping and rounding.

use super::lut::Lut;

/// sRGB's primaries, adapted to D50, as columns (section 3).
const SRGB_TO_XYZ: [[f64; 3]; 3] =
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]];

/// A tone curve: device value in [0, 1] to linear light.
#[derive(Clone, Debug)]
pub(super) enum Curve {
    /// Exponent.
    Gamma(f64),
    /// `parametricCurveType` in its longest form: g, a, b, c, d, e, f.
    Parametric([f64; 7]),
    /// Equally spaced samples, at least two.
    Table(Vec<f32>),
    Identity,
}

impl Curve {
    pub(super) fn eval(&self, x: f64) -> f64 {
        let x = x.clamp(0.0, 1.0);
        match self {
            Self::Identity => x,
            Self::Gamma(gamma) => libm::pow(x, *gamma),
            Self::Parametric([g, a, b, c, d, e, f]) => {
                let y = if x >= *d { libm::pow((a * x + b).max(0.0), *g) + e } else { c * x + f };
                if y.is_finite() { y } else { 0.0 }
            }
            Self::Table(table) => {
                let last = table.len() - 1;
                let position = x * last as f64;
                let low = (position as usize).min(last);
                let high = (low + 1).min(last);
                let t = position - low as f64;
                f64::from(table[low]) * (1.0 - t) + f64::from(table[high]) * t
            }
        }
    }
}

/// Linear light to 8-bit sRGB: `floor(255 encode(x) + 0.5)` without a power per pixel. `steps[k]`
/// is the light at which level k begins, so the result is exact for every float.
#[derive(Debug)]
struct Encoder {
    steps: [f32; 256],
    /// The level of i/4096, where the search begins.
    start: Vec<u8>,
}

impl Encoder {
    fn new() -> Self {
        let mut steps = [0.0; 256];
        for (k, step) in steps.iter_mut().enumerate().skip(1) {
            *step = srgb_to_linear((k as f64 - 0.5) / 255.0) as f32;
        }
        let mut level = 0u8;
        let start = (0..=4096u32)
            .map(|i| {
                while level < 255 && i as f32 / 4096.0 >= steps[usize::from(level) + 1] {
                    level += 1;
                }
                level
            })
            .collect();
        Self { steps, start }
    }

    fn encode(&self, x: f32) -> u8 {
        // NaN stays NaN through `clamp`, and casts to 0.
        let x = x.clamp(0.0, 1.0);
        let mut level = self.start[(x * 4096.0) as usize];
        while level < 255 && x >= self.steps[usize::from(level) + 1] {
            level += 1;
        }
        level
    }
}

fn srgb_to_linear(v: f64) -> f64 {
    if v <= 0.04045 { v / 12.92 } else { libm::pow((v + 0.055) / 1.055, 2.4) }
}

fn linear_to_srgb(v: f64) -> f64 {
    let v = v.clamp(0.0, 1.0);
    if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * libm::pow(v, 1.0 / 2.4) - 0.055 }
}

/// A profile ready to be applied to rows.
#[derive(Debug)]
pub(super) struct Conversion {
    kind: Kind,
    encoder: Encoder,
}

#[derive(Debug)]
enum Kind {
    /// The level of every sample value.
    Gray(Vec<u8>),
    Matrix {
        matrix: [[f32; 3]; 3],
        light: [Vec<f32>; 3],
    },
    Lut {
        lut: Box<Lut>,
        from_xyz: [[f64; 3]; 3],
    },
}

impl Conversion {
    /// `wide` pictures have 16-bit samples. `None` where the profile is sRGB within half a level.
    pub(super) fn gray(curve: Curve, wide: bool) -> Option<Self> {
        let same = (0..=255).all(|v| {
            let v = f64::from(v);
            (255.0 * linear_to_srgb(curve.eval(v / 255.0)) - v).abs() <= 0.5
        });
        if same {
            return None;
        }
        let encoder = Encoder::new();
        let levels = table(&curve, wide).into_iter().map(|light| encoder.encode(light)).collect();
        Some(Self { kind: Kind::Gray(levels), encoder })
    }

    /// `colorants`: the profile's R, G, B as columns of D50 XYZ.
    pub(super) fn matrix(curves: [Curve; 3], colorants: [[f64; 3]; 3], wide: bool) -> Option<Self> {
        let matrix = multiply(&invert(&SRGB_TO_XYZ), &colorants);
        if is_srgb(&curves, &matrix) {
            return None;
        }
        let light = [0, 1, 2].map(|i| table(&curves[i], wide));
        let matrix = matrix.map(|row| row.map(|v| v as f32));
        Some(Self { kind: Kind::Matrix { matrix, light }, encoder: Encoder::new() })
    }

    pub(super) fn lut(lut: Lut) -> Self {
        let from_xyz = invert(&SRGB_TO_XYZ);
        Self { kind: Kind::Lut { lut: Box::new(lut), from_xyz }, encoder: Encoder::new() }
    }

    /// `row` has `channels` interleaved samples a pixel, the colours first; `out` three.
    pub(super) fn row_u8(&self, row: &[u8], channels: usize, out: &mut [u8]) {
        self.row(row, channels, out, 255.0, usize::from);
    }

    /// As [`Self::row_u8`] for 16-bit samples.
    pub(super) fn row_u16(&self, row: &[u16], channels: usize, out: &mut [u8]) {
        self.row(row, channels, out, 65535.0, usize::from);
    }

    fn row<T: Copy + PartialEq>(
        &self,
        row: &[T],
        channels: usize,
        out: &mut [u8],
        max: f64,
        index: impl Fn(T) -> usize,
    ) {
        let pixels = row.chunks_exact(channels).zip(out.chunks_exact_mut(3));
        match &self.kind {
            Kind::Gray(levels) => {
                for (pixel, out) in pixels {
                    out.fill(levels[index(pixel[0])]);
                }
            }
            Kind::Matrix { matrix, light } => {
                for (pixel, out) in pixels {
                    let [r, g, b] = [0, 1, 2].map(|i| light[i][index(pixel[i])]);
                    for (out, m) in out.iter_mut().zip(matrix) {
                        *out = self.encoder.encode(m[0] * r + m[1] * g + m[2] * b);
                    }
                }
            }
            Kind::Lut { lut, from_xyz } => {
                // Neighbours are often equal, and a table costs more than a comparison.
                let inputs = lut.inputs();
                let mut last: Option<(&[T], [u8; 3])> = None;
                for (pixel, out) in pixels {
                    let rgb = match last {
                        Some((before, rgb)) if before == &pixel[..inputs] => rgb,
                        _ => {
                            let mut device = [0.0; 4];
                            for (d, &v) in device.iter_mut().zip(&pixel[..inputs]) {
                                *d = index(v) as f64 / max;
                            }
                            let xyz = lut.to_xyz(&device[..inputs]);
                            from_xyz.map(|m| {
                                let light = m[0] * xyz[0] + m[1] * xyz[1] + m[2] * xyz[2];
                                self.encoder.encode(light as f32)
                            })
                        }
                    };
                    last = Some((&pixel[..inputs], rgb));
                    out.copy_from_slice(&rgb);
                }
            }
        }
    }
}

/// The curve at every sample value.
fn table(curve: &Curve, wide: bool) -> Vec<f32> {
    let max = if wide { 65535 } else { 255 };
    (0..=max).map(|v| curve.eval(f64::from(v) / f64::from(max)) as f32).collect()
}

/// Within half a level of sRGB on a 9x9x9 grid and on the four ramps (gray, red, green, blue).
fn is_srgb(curves: &[Curve; 3], matrix: &[[f64; 3]; 3]) -> bool {
    let same = |rgb: [f64; 3]| {
        let light: [f64; 3] = std::array::from_fn(|i| curves[i].eval(rgb[i] / 255.0));
        (0..3).all(|i| {
            let m = matrix[i];
            let v = 255.0 * linear_to_srgb(m[0] * light[0] + m[1] * light[1] + m[2] * light[2]);
            (v - rgb[i]).abs() <= 0.5
        })
    };
    let ramps = (0..=255).map(f64::from);
    let grid = (0..9 * 9 * 9).map(|i| [i / 81, i / 9 % 9, i % 9].map(|v| f64::from(v) * 31.875));
    ramps.flat_map(|v| [[v; 3], [v, 0.0, 0.0], [0.0, v, 0.0], [0.0, 0.0, v]]).chain(grid).all(same)
}

fn multiply(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

/// By the adjugate; only used for sRGB's own matrix, which is regular.
fn invert(m: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let cofactor = |r: usize, c: usize| {
        let at = |i: usize, j: usize| m[(r + i) % 3][(c + j) % 3];
        at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1)
    };
    let det: f64 = (0..3).map(|c| m[0][c] * cofactor(0, c)).sum();
    std::array::from_fn(|i| std::array::from_fn(|j| cofactor(j, i) / det))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srgb_curve() -> Curve {
        Curve::Parametric([2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.04045, 0.0, 0.0])
    }

    #[test]
    fn the_encoder_is_the_rounded_formula() {
        let encoder = Encoder::new();
        for i in 0..=100_000u32 {
            let x = i as f32 / 100_000.0;
            let exact = 255.0 * linear_to_srgb(f64::from(x)) + 0.5;
            let level = encoder.encode(x);
            let near_a_step = (exact - exact.round()).abs() < 1e-4;
            assert!(near_a_step || level == exact.floor() as u8, "{x}: {level} {exact}");
        }
        assert_eq!(encoder.encode(f32::NAN), 0);
        assert_eq!(encoder.encode(2.0), 255);
    }

    #[test]
    fn section_3_examples_hold() {
        // Colorants of Display P3 and Adobe RGB (1998), D50.
        let p3 = [
            [0.51512, 0.29198, 0.15710],
            [0.24120, 0.69225, 0.06657],
            [-0.00105, 0.04189, 0.78407],
        ];
        let adobe =
            [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]];
        let p3 = Conversion::matrix([(); 3].map(|()| srgb_curve()), p3, false).unwrap();
        let adobe = Conversion::matrix([(); 3].map(|()| Curve::Gamma(563.0 / 256.0)), adobe, false)
            .unwrap();
        let cases: [(&Conversion, [u8; 3], [u8; 3]); 8] = [
            (&p3, [255, 0, 0], [255, 0, 0]),
            (&p3, [128; 3], [128; 3]),
            (&p3, [100, 150, 200], [83, 152, 205]),
            (&p3, [20, 200, 30], [0, 204, 0]),
            (&adobe, [255, 0, 0], [255, 0, 0]),
            (&adobe, [128; 3], [129; 3]),
            (&adobe, [100, 150, 200], [66, 151, 203]),
            (&adobe, [20, 200, 30], [0, 201, 0]),
        ];
        for (conversion, input, expected) in cases {
            let mut out = [0; 3];
            conversion.row_u8(&input, 3, &mut out);
            for (a, b) in out.iter().zip(expected) {
                assert!(a.abs_diff(b) <= 1, "{input:?}: {out:?} {expected:?}");
            }
        }
    }

    #[test]
    fn srgb_itself_is_skipped() {
        assert!(Conversion::matrix([(); 3].map(|()| srgb_curve()), SRGB_TO_XYZ, false).is_none());
        assert!(Conversion::gray(srgb_curve(), false).is_none());
        assert!(Conversion::gray(Curve::Gamma(1.8), false).is_some());
    }
}
