//! The accurate integer inverse DCT of the Independent JPEG Group (`jidctint`), which the papers'
//! pictures went through: 13-bit constants, two extra bits between the passes, equal on every
//! processor. Loeffler, Ligtenberg and Moschytz 1989, with 12 multiplications.

const CONST_BITS: u32 = 13;
const PASS1_BITS: u32 = 2;

// round(x * 2^13)
const F_0_298: i32 = 2446;
const F_0_390: i32 = 3196;
const F_0_541: i32 = 4433;
const F_0_765: i32 = 6270;
const F_0_899: i32 = 7373;
const F_1_175: i32 = 9633;
const F_1_501: i32 = 12299;
const F_1_847: i32 = 15137;
const F_1_961: i32 = 16069;
const F_2_053: i32 = 16819;
const F_2_562: i32 = 20995;
const F_3_072: i32 = 25172;

type Block = [[i32; 8]; 8];

/// 64 dequantised coefficients in natural order to 64 samples, written at `out[y * stride + x]`.
pub(super) fn idct(coefficients: &[i32; 64], out: &mut [u8], stride: usize) {
    if coefficients[1..].iter().all(|&c| c == 0) {
        // What the two passes give for a lone DC, without the passes.
        let dc = coefficients[0].wrapping_mul(1 << PASS1_BITS);
        let level = sample(dc.wrapping_add(1 << (PASS1_BITS + 2)) >> (PASS1_BITS + 3));
        for y in 0..8 {
            out[y * stride..y * stride + 8].fill(level);
        }
        return;
    }
    let mut block: Block =
        std::array::from_fn(|y| std::array::from_fn(|x| coefficients[8 * y + x]));
    pass::<{ CONST_BITS - PASS1_BITS }>(&mut block);
    block = transposed(&block);
    pass::<{ CONST_BITS + PASS1_BITS + 3 }>(&mut block);
    block = transposed(&block);
    for (y, row) in block.iter().enumerate() {
        for (out, &v) in out[y * stride..y * stride + 8].iter_mut().zip(row) {
            *out = sample(v);
        }
    }
}

fn sample(v: i32) -> u8 {
    v.wrapping_add(128).clamp(0, 255) as u8
}

fn transposed(block: &Block) -> Block {
    std::array::from_fn(|y| std::array::from_fn(|x| block[x][y]))
}

/// One dimension, along the columns; the eight columns are independent lanes. Wrapping, because
/// a corrupt file may hold any coefficient.
#[expect(clippy::needless_range_loop, reason = "a column is taken out of eight rows")]
fn pass<const SHIFT: u32>(block: &mut Block) {
    for x in 0..8 {
        let [s0, s1, s2, s3, s4, s5, s6, s7] = [0, 1, 2, 3, 4, 5, 6, 7].map(|y: usize| block[y][x]);
        let mul = i32::wrapping_mul;
        let add = i32::wrapping_add;
        let sub = i32::wrapping_sub;

        // Even part.
        let z1 = mul(add(s2, s6), F_0_541);
        let t2 = sub(z1, mul(s6, F_1_847));
        let t3 = add(z1, mul(s2, F_0_765));
        let t0 = mul(add(s0, s4), 1 << CONST_BITS);
        let t1 = mul(sub(s0, s4), 1 << CONST_BITS);
        let (e0, e3) = (add(t0, t3), sub(t0, t3));
        let (e1, e2) = (add(t1, t2), sub(t1, t2));

        // Odd part.
        let z5 = mul(add(add(s7, s3), add(s5, s1)), F_1_175);
        let z1 = mul(add(s7, s1), -F_0_899);
        let z2 = mul(add(s5, s3), -F_2_562);
        let z3 = add(mul(add(s7, s3), -F_1_961), z5);
        let z4 = add(mul(add(s5, s1), -F_0_390), z5);
        let o0 = add(mul(s7, F_0_298), add(z1, z3));
        let o1 = add(mul(s5, F_2_053), add(z2, z4));
        let o2 = add(mul(s3, F_3_072), add(z2, z3));
        let o3 = add(mul(s1, F_1_501), add(z1, z4));

        let half = 1 << (SHIFT - 1);
        let results = [
            add(e0, o3),
            add(e1, o2),
            add(e2, o1),
            add(e3, o0),
            sub(e3, o0),
            sub(e2, o1),
            sub(e1, o2),
            sub(e0, o3),
        ];
        for (y, v) in results.into_iter().enumerate() {
            block[y][x] = add(v, half) >> SHIFT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition (T.81, A.3.3) in f64.
    fn exact(coefficients: &[i32; 64]) -> [f64; 64] {
        let scale = |k: usize| if k == 0 { std::f64::consts::FRAC_1_SQRT_2 } else { 1.0 };
        let cos = |x: usize, u: usize| {
            ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos()
        };
        std::array::from_fn(|i| {
            let (y, x) = (i / 8, i % 8);
            let sum: f64 = (0..64)
                .map(|k| {
                    let (v, u) = (k / 8, k % 8);
                    scale(u) * scale(v) * f64::from(coefficients[k]) * cos(x, u) * cos(y, v)
                })
                .sum();
            (sum / 4.0 + 128.0).clamp(0.0, 255.0)
        })
    }

    #[test]
    fn it_is_within_one_level_of_the_definition() {
        let mut state = 1u32;
        for round in 0..200 {
            let mut block = [0i32; 64];
            for c in &mut block[..=round % 64] {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *c = (state >> 24) as i32 - 128;
            }
            let mut out = [0; 64];
            idct(&block, &mut out, 8);
            for (a, b) in out.iter().zip(exact(&block)) {
                assert!((f64::from(*a) - b).abs() <= 1.0, "round {round}: {a} {b}");
            }
        }
    }

    #[test]
    fn extreme_coefficients_do_not_panic() {
        let mut out = [0; 64];
        for v in [i32::MIN, i32::MAX, 1] {
            idct(&[v; 64], &mut out, 8);
            let mut dc = [0; 64];
            dc[0] = v;
            idct(&dc, &mut out, 8);
        }
    }
}
