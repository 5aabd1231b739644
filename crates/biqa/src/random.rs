//! Every random number of the project: counter-based, keyed by what it is for, never by when it is
//! drawn.
//!
//! Two generators, both specified to the bit. Philox4x32-10 (`papers/degradations.md`, section 5)
//! gives pixels, crops, masks and samplers their numbers; splitmix64 with FNV-1a keys
//! (`golden/README.md`) gives splits, the bootstrap and the test crops theirs. A number depends
//! only on its address (key, position, tag, index), so that the result is the same for every thread
//! count, order and chunking.
//!
//! Called by `view` (crops), by `biqa-lab`'s degradations, sampler and augmentation, and by the
//! golden tests.

mod normal;
mod poisson;

pub use poisson::Poisson;

use normal::box_muller;

/// The `position` of the plan that chooses operations (section 5: "the plan uses 0xFFFFFFFF").
pub const PLAN: u32 = 0xFFFF_FFFF;

/// The `position` under which a [`Stream`] counts, apart from operations and plans. Our choice.
const STREAM: u32 = 0xFFFF_FFFE;

/// One step of splitmix64: a bijection of the 64-bit numbers that mixes well. Wraps.
#[inline]
pub const fn splitmix64(x: u64) -> u64 {
    let z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// FNV-1a with 64 bits over the bytes of `text`.
pub fn fnv1a64(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// `floor(r * n / 2^64)`: a number below `n` from 64 random bits, by the upper half of the 128-bit
/// product. 0 when `n` is 0.
#[inline]
pub const fn scale_below(r: u64, n: u64) -> u64 {
    ((r as u128 * n as u128) >> 64) as u64
}

/// The block cipher Philox4x32 with ten rounds (Salmon et al. 2011): four random words for a
/// counter and a key.
#[inline]
pub const fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    let mut round = 0;
    while round < 10 {
        let p0 = 0xD251_1F53_u64 * c0 as u64;
        let p1 = 0xCD9E_8D57_u64 * c2 as u64;
        (c0, c1, c2, c3) =
            ((p1 >> 32) as u32 ^ c1 ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c3 ^ k1, p0 as u32);
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
        round += 1;
    }
    [c0, c1, c2, c3]
}

/// The 64-bit key of a picture (or of any other named thing that draws numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub u64);

impl Key {
    /// `sm(sm(sm(seed) ^ fnv1a64(name)) ^ stream)`. `name` is the data set's file name as listed,
    /// with forward slashes; `stream` is `(epoch << 32) | view`, or 0.
    pub fn of_picture(seed: u64, name: &str, stream: u64) -> Key {
        Key(splitmix64(splitmix64(splitmix64(seed) ^ fnv1a64(name)) ^ stream))
    }

    /// The numbers of the operation at `position` (0, 1, ... in a composition; [`PLAN`] for the
    /// plan itself).
    pub const fn at(self, position: u32) -> Draws {
        Draws { key: [self.0 as u32, (self.0 >> 32) as u32], position }
    }
}

/// The random numbers of one operation: scalars by number, fields by tag and index. All methods are
/// pure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    key: [u32; 2],
    position: u32,
}

impl Draws {
    /// The four words at (`index`, `attempt`, `tag`).
    #[inline]
    pub const fn block(&self, index: u32, attempt: u32, tag: u32) -> [u32; 4] {
        philox4x32_10([index, attempt, tag, self.position], self.key)
    }

    /// Scalar number `k` of the operation, in [0, 1) with 53 bits.
    pub const fn scalar(&self, k: u32) -> f64 {
        let [w0, w1, _, _] = self.block(k, 0, 0);
        unit53(w0, w1)
    }

    /// Scalar `k` brought to [a, b] and rounded to `f32`: the rounded value is the one that counts
    /// and is printed.
    pub fn scalar_in(&self, k: u32, a: f64, b: f64) -> f32 {
        (a + (b - a) * self.scalar(k)) as f32
    }

    /// Four uniforms in [0, 1) with 32 bits: element `index` of field `tag`.
    #[inline]
    pub fn uniforms(&self, tag: u32, index: u32) -> [f64; 4] {
        self.block(index, 0, tag).map(|word| f64::from(word) * TWO_POW_MINUS_32)
    }

    /// Four standard normals: element `index` of field `tag`, by Box-Muller on words (0, 1) and (2,
    /// 3). The mathematics is that of the crate `libm`, so that every platform gives the same bits.
    #[inline]
    pub fn normals(&self, tag: u32, index: u32) -> [f64; 4] {
        let [w0, w1, w2, w3] = self.block(index, 0, tag);
        let (first, second) = box_muller(&[w0, w2], &[w1, w3]);
        [first[0], second[0], first[1], second[1]]
    }

    /// A Poisson number with mean `lambda`: element `index` of field `tag`. 0 unless `lambda` is
    /// finite and positive. Whoever draws many of one mean keeps a [`Poisson`].
    pub fn poisson(&self, tag: u32, index: u32, lambda: f64) -> f64 {
        Poisson::new(lambda).draw(self, tag, index)
    }

    /// The scalars 0, 1, ... in the order of drawing.
    pub const fn sequence(self) -> Sequence {
        Sequence { draws: self, next: 0 }
    }
}

/// Scalars drawn one after the other: what a plan, a sampler or an augmentation uses.
#[derive(Debug, Clone)]
pub struct Sequence {
    draws: Draws,
    next: u32,
}

impl Sequence {
    /// The next scalar in [0, 1). Wraps after 2^32 draws.
    pub fn unit(&mut self) -> f64 {
        let u = self.draws.scalar(self.next);
        self.next = self.next.wrapping_add(1);
        u
    }

    /// Uniform in [a, b], rounded to `f32`.
    pub fn uniform(&mut self, a: f64, b: f64) -> f32 {
        (a + (b - a) * self.unit()) as f32
    }

    /// `floor(n u)`, a whole number below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((n as f64 * self.unit()) as u64).min(n.saturating_sub(1))
    }

    /// True with probability `p`: `u < p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// The first `i` with `u total < w_0 + ... + w_i`. None (and nothing is drawn) unless the
    /// weights are finite, not negative and have a positive sum.
    pub fn weighted(&mut self, weights: &[f64]) -> Option<usize> {
        let total: f64 = weights.iter().sum();
        if !(total > 0.0 && total.is_finite() && weights.iter().all(|&w| w >= 0.0)) {
            return None;
        }
        let target = self.unit() * total;
        let mut sum = 0.0;
        for (i, w) in weights.iter().enumerate() {
            sum += w;
            if target < sum {
                return Some(i);
            }
        }
        weights.iter().rposition(|&w| w > 0.0) // only where rounding made target equal to the sum
    }

    /// A permutation of 0..n: from the end, exchange `i` with `floor((i + 1) u)`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let j = self.below(i as u64 + 1) as usize;
            order.swap(i, j);
        }
        order
    }
}

/// A sequence keyed by (seed, purpose, index): the draws of one step of a sampler, of one crop, of
/// one flip.
///
/// `purpose` keeps the streams of different uses apart (`"sampler"`, `"flip"`); `index` is the
/// number of the thing that draws (step, picture). The key is that of a picture named `purpose` in
/// stream `index`.
pub fn stream(seed: u64, purpose: &str, index: u64) -> Sequence {
    Key::of_picture(seed, purpose, index).at(STREAM).sequence()
}

/// 2^-32, exact.
const TWO_POW_MINUS_32: f64 = 1.0 / 4_294_967_296.0;

/// `((w0 >> 5) 2^26 + (w1 >> 6)) / 2^53` in [0, 1).
const fn unit53(w0: u32, w1: u32) -> f64 {
    ((((w0 >> 5) as u64) << 26) + (w1 >> 6) as u64) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

#[cfg(test)]
mod tests;
