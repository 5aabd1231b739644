//! Normals in batches: the logarithm and the sine of crate `libm` (FreeBSD's), for the arguments that
//! Box-Muller has, written without its special cases so that the compiler vectorises them.
//!
//! The bits are those of `libm`, and tests say so: a field of noise is drawn for every pixel of
//! every degraded picture. `wide` picks the widest instruction set of the machine; Rust never
//! contracts `a * b + c`, so the numbers are the same on all of them.

// The constants are printed as in the original. The lane functions must be compiled into the
// vectorised closure that calls them.
#![allow(clippy::excessive_precision, clippy::approx_constant, clippy::inline_always)]

use std::f64::consts::PI;

use super::{Draws, TWO_POW_MINUS_32};
use crate::wide::{Wide, wide};

/// Elements drawn together.
pub(super) const LANES: usize = 16;

impl Draws {
    /// [`Draws::normals`] of the elements `first`, `first + 1`, ... (wrapping).
    pub fn normals_into(&self, tag: u32, first: u32, out: &mut [[f64; 4]]) {
        wide(Fours { draws: self, tag, first, out });
    }

    /// The first two normals of the elements `first`, `first + 1`, ... (wrapping), at half the
    /// price.
    pub fn normal_pairs_into(&self, tag: u32, first: u32, out: &mut [[f64; 2]]) {
        wide(Pairs { draws: self, tag, first, out });
    }

    /// [`Draws::block`] of consecutive elements: word by word.
    #[inline(always)]
    fn lanes(&self, tag: u32, first: u32) -> [[u32; LANES]; 4] {
        let mut indices = [0_u32; LANES];
        for (i, index) in indices.iter_mut().enumerate() {
            *index = first.wrapping_add(i as u32);
        }
        self.lanes_of(tag, indices, 0)
    }

    /// [`Draws::block`] of any elements: word by word.
    #[inline(always)]
    pub(super) fn lanes_of(
        &self,
        tag: u32,
        indices: [u32; LANES],
        attempt: u32,
    ) -> [[u32; LANES]; 4] {
        let mut c0 = indices;
        let (mut c1, mut c2, mut c3) = ([attempt; LANES], [tag; LANES], [self.position; LANES]);
        let [mut k0, mut k1] = self.key;
        for _ in 0..10 {
            for i in 0..LANES {
                let p0 = u64::from(c0[i]) * 0xD251_1F53;
                let p1 = u64::from(c2[i]) * 0xCD9E_8D57;
                c0[i] = (p1 >> 32) as u32 ^ c1[i] ^ k0;
                c1[i] = p1 as u32;
                c2[i] = (p0 >> 32) as u32 ^ c3[i] ^ k1;
                c3[i] = p0 as u32;
            }
            k0 = k0.wrapping_add(0x9E37_79B9);
            k1 = k1.wrapping_add(0xBB67_AE85);
        }
        [c0, c1, c2, c3]
    }
}

/// [`Draws::normals_into`].
struct Fours<'a> {
    draws: &'a Draws,
    tag: u32,
    first: u32,
    out: &'a mut [[f64; 4]],
}

impl Wide for Fours<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { draws, tag, first, out } = self;
        for (block, out) in (0_u32..).zip(out.chunks_mut(LANES)) {
            let words = draws.lanes(tag, first.wrapping_add(block.wrapping_mul(LANES as u32)));
            let (z0, z1) = box_muller(&words[0], &words[1]);
            let (z2, z3) = box_muller(&words[2], &words[3]);
            for (i, out) in out.iter_mut().enumerate() {
                *out = [z0[i], z1[i], z2[i], z3[i]];
            }
        }
    }
}

/// [`Draws::normal_pairs_into`].
struct Pairs<'a> {
    draws: &'a Draws,
    tag: u32,
    first: u32,
    out: &'a mut [[f64; 2]],
}

impl Wide for Pairs<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { draws, tag, first, out } = self;
        for (block, out) in (0_u32..).zip(out.chunks_mut(LANES)) {
            let words = draws.lanes(tag, first.wrapping_add(block.wrapping_mul(LANES as u32)));
            let (z0, z1) = box_muller(&words[0], &words[1]);
            for (i, out) in out.iter_mut().enumerate() {
                *out = [z0[i], z1[i]];
            }
        }
    }
}

/// Two normals from two words, lane by lane. `w + 1` keeps the logarithm finite.
#[inline(always)]
pub(super) fn box_muller<const N: usize>(w0: &[u32; N], w1: &[u32; N]) -> ([f64; N], [f64; N]) {
    let (mut sines, mut cosines) = ([0.0; N], [0.0; N]);
    let mut rare = false;
    for i in 0..N {
        let turn = angle(w1[i]);
        rare |= is_rare(turn);
        (sines[i], cosines[i]) = sin_cos(turn);
    }
    if rare {
        for i in 0..N {
            if is_rare(angle(w1[i])) {
                (sines[i], cosines[i]) = libm::sincos(angle(w1[i]));
            }
        }
    }
    for i in 0..N {
        let u = (f64::from(w0[i]) + 1.0) * TWO_POW_MINUS_32;
        let radius = (-2.0 * ln(u)).sqrt();
        sines[i] *= radius;
        cosines[i] *= radius;
    }
    (cosines, sines)
}

#[inline(always)]
fn angle(word: u32) -> f64 {
    2.0 * PI * (f64::from(word) * TWO_POW_MINUS_32)
}

const LN2_HI: f64 = 6.93147180369123816490e-01;
const LN2_LO: f64 = 1.90821492927058770002e-10;
const LG1: f64 = 6.666666666666735130e-01;
const LG2: f64 = 3.999999999940941908e-01;
const LG3: f64 = 2.857142874366239149e-01;
const LG4: f64 = 2.222219843214978396e-01;
const LG5: f64 = 1.818357216161805012e-01;
const LG6: f64 = 1.531383769920937332e-01;
const LG7: f64 = 1.479819860511658591e-01;

/// `libm::log` of a positive normal number.
#[inline(always)]
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let high = (bits >> 32) as u32 + (0x3ff0_0000 - 0x3fe6_a09e);
    let k = (high >> 20) as i32 - 0x3ff;
    let high = (high & 0x000f_ffff) + 0x3fe6_a09e;
    let f = f64::from_bits((u64::from(high) << 32) | (bits & 0xffff_ffff)) - 1.0;
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let t1 = w * (LG2 + w * (LG4 + w * LG6));
    let t2 = z * (LG1 + w * (LG3 + w * (LG5 + w * LG7)));
    let r = t2 + t1;
    let k = f64::from(k);
    s * (half_square + r) + k * LN2_LO - half_square + f + k * LN2_HI
}

const PIO2_1: f64 = 1.57079632673412561417e+00;
const PIO2_1T: f64 = 6.07710050650619224932e-11;
const S1: f64 = -1.66666666666666324348e-01;
const S2: f64 = 8.33333333332248946124e-03;
const S3: f64 = -1.98412698298579493134e-04;
const S4: f64 = 2.75573137070700676789e-06;
const S5: f64 = -2.50507602534068634195e-08;
const S6: f64 = 1.58969099521155010221e-10;
const C1: f64 = 4.16666666666666019037e-02;
const C2: f64 = -1.38888888888741095749e-03;
const C3: f64 = 2.48015872894767294178e-05;
const C4: f64 = -2.75573143513906633035e-07;
const C5: f64 = 2.08757232129817482790e-09;
const C6: f64 = -1.13596475577881948265e-11;

/// Near a multiple of pi/2 the reduction of [`sin_cos`] cancels and needs more digits: once in some
/// 10^5.
#[inline(always)]
fn is_rare(x: f64) -> bool {
    let high = (x.to_bits() >> 32) as u32;
    high == 0x3ff9_21fb || high == 0x4009_21fb || high == 0x4012_d97c || high == 0x4019_21fb
}

/// `libm::sincos` of a number in [0, 2 pi], unless it [`is_rare`].
#[inline(always)]
fn sin_cos(x: f64) -> (f64, f64) {
    let high = (x.to_bits() >> 32) as u32;
    // Which multiple of pi/2 is near.
    let n = u32::from(high > 0x3fe9_21fb)
        + u32::from(high > 0x4002_d97c)
        + u32::from(high > 0x400f_6a7a)
        + u32::from(high > 0x4015_fdbc);
    let turns = f64::from(n);
    let r = x - turns * PIO2_1;
    let w = turns * PIO2_1T;
    let y0 = r - w;
    let y1 = (r - y0) - w;

    let z = y0 * y0;
    let w = z * z;
    let r = S2 + z * (S3 + z * S4) + z * w * (S5 + z * S6);
    let v = z * y0;
    let sin =
        if n == 0 { y0 + v * (S1 + z * r) } else { y0 - ((z * (0.5 * y1 - v * r) - y1) - v * S1) };
    let r = z * (C1 + z * (C2 + z * C3)) + w * w * (C4 + z * (C5 + z * C6));
    let half = 0.5 * z;
    let w = 1.0 - half;
    let cos = w + (((1.0 - w) - half) + (z * r - y0 * y1));

    let (s, c) = if n & 1 == 1 { (cos, sin) } else { (sin, cos) };
    (if n & 2 == 2 { -s } else { s }, if (n + 1) & 2 == 2 { -c } else { c })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every word near the ends and near the eighths of a turn, and a million others.
    fn words() -> impl Iterator<Item = u32> {
        let near = (0..16_u32).flat_map(|eighth| {
            (0..2000_u32).map(move |i| (eighth << 28).wrapping_add(i).wrapping_sub(1000))
        });
        near.chain((0..1_000_000_u32).map(|i| i.wrapping_mul(2_654_435_761)))
    }

    #[test]
    fn the_logarithm_is_that_of_libm() {
        for word in words() {
            let u = (f64::from(word) + 1.0) * TWO_POW_MINUS_32;
            assert_eq!(ln(u).to_bits(), libm::log(u).to_bits(), "word {word:08x}");
            assert_eq!(ln(1.0 / u).to_bits(), libm::log(1.0 / u).to_bits(), "word {word:08x}");
        }
    }

    #[test]
    fn the_sine_and_the_cosine_are_those_of_libm() {
        for word in words() {
            let x = 2.0 * PI * (f64::from(word) * TWO_POW_MINUS_32);
            let ((s, c), (es, ec)) = (sin_cos(x), libm::sincos(x));
            let equal = (s.to_bits(), c.to_bits()) == (es.to_bits(), ec.to_bits());
            assert!(equal || is_rare(x), "word {word:08x}");
        }
    }

    #[test]
    fn batches_are_the_single_numbers() {
        let draws = crate::random::Key(0x51e3_9173_0a2f_9872).at(3);
        let first = u32::MAX - 20;
        let mut normals = [[0.0; 4]; 75];
        draws.normals_into(9, first, &mut normals);
        let mut pairs = [[0.0; 2]; 75];
        draws.normal_pairs_into(9, first, &mut pairs);
        for (i, (four, two)) in (0_u32..).zip(normals.iter().zip(&pairs)) {
            let index = first.wrapping_add(i);
            let [w0, w1, w2, w3] = draws.block(index, 0, 9);
            let expected: Vec<u64> = [(w0, w1), (w2, w3)]
                .iter()
                .flat_map(|&(a, b)| {
                    let u = (f64::from(a) + 1.0) * TWO_POW_MINUS_32;
                    let radius = (-2.0 * libm::log(u)).sqrt();
                    let (sin, cos) = libm::sincos(angle(b));
                    [(radius * cos).to_bits(), (radius * sin).to_bits()]
                })
                .collect();
            assert_eq!(four.map(f64::to_bits).to_vec(), expected, "element {index}");
            assert_eq!(two.map(f64::to_bits), [expected[0], expected[1]]);
            assert_eq!(draws.normals(9, index), *four);
        }
    }

    #[test]
    fn rare_angles_are_drawn_by_libm() {
        for eighth in 0..8_u32 {
            for offset in 0..64_u32 {
                let word = (eighth << 29).wrapping_add(offset).wrapping_sub(32);
                let (cosines, sines) = box_muller(&[5], &[word]);
                let radius = (-2.0 * libm::log(6.0 * TWO_POW_MINUS_32)).sqrt();
                let (sin, cos) = libm::sincos(angle(word));
                assert_eq!((cosines[0], sines[0]), (radius * cos, radius * sin), "{word:08x}");
            }
        }
    }
}
