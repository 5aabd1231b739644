//! Poisson numbers of one mean: what depends on the mean is computed once for a field, and a field is
//! drawn several elements at once, with the bits of single draws.

// The lane functions must be compiled into the vectorised loop that calls them, and have no branches.
#![allow(clippy::inline_always, clippy::needless_bitwise_bool)]

use std::sync::LazyLock;

use super::normal::LANES;
use super::{Draws, unit53};
use crate::wide::{Wide, wide};

/// A Poisson distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Poisson(Method);

/// By the size of the mean (`papers/degradations.md`, section 5).
#[derive(Debug, Clone, PartialEq)]
enum Method {
    /// The mean is not positive and finite: always 0.
    Zero,
    /// Below 10: the cumulative distribution.
    Inversion(Inversion),
    /// From 10.
    Rejection(Rejection),
    /// The cumulative distribution, added up anew for each number.
    Walk(f64),
}

/// The cumulative distribution, as far as it grows, and where to begin in it.
#[derive(Debug, Clone, PartialEq)]
struct Inversion {
    sums: Vec<f64>,
    /// The number for `u = i / 256`: that of a larger `u` is no smaller.
    begin: Vec<u8>,
}

/// Hörmann's transformed rejection PTRS (1993).
#[derive(Debug, Clone, PartialEq)]
struct Rejection {
    lambda: f64,
    a: f64,
    b: f64,
    inverse_alpha: f64,
    vr: f64,
    /// For the numbers from `lowest` on, the largest `v / (a / us^2 + b)` with which an attempt counts;
    /// as far as a number is likely.
    shares: Vec<f64>,
    lowest: f64,
}

/// The walk over the distribution ends here (section 5).
const MOST: f64 = 200.0;

/// An attempt fails with a probability below 0.3, so so many failures mean a lambda beyond the
/// formula.
const ATTEMPTS: u32 = 10_000;

/// Elements whose failed attempts wait for each other.
const TOGETHER: usize = 512;

/// Added to a whole number, it leaves the number in the lowest bits.
const TWO_POW_52: f64 = 4_503_599_627_370_496.0;

/// Largest mean for which shares are kept. What the specification compares is rounded, by more for a
/// larger mean; up to here by far less than [`NEAR`].
const MOST_KEPT: f64 = 1e4;

/// So near to its bound, relatively, an attempt is left to the specification's logarithms.
const NEAR: f64 = 1e-9;

/// In place of a number: the attempt fails, or logarithms must decide.
const FAILED: f64 = -1.0;
const OPEN: f64 = -2.0;

/// Factorials of smaller numbers are kept: those that a mean of 256, the levels of a picture, takes.
const FACTORIALS: usize = 1024;

static LN_FACTORIALS: LazyLock<Vec<f64>> =
    LazyLock::new(|| (0..FACTORIALS).map(|k| libm::lgamma(k as f64 + 1.0)).collect());

/// `ln k!` of a whole number, 0 or more.
fn ln_factorial(k: f64) -> f64 {
    let kept = LN_FACTORIALS.get(k as usize).copied();
    kept.unwrap_or_else(|| libm::lgamma(k + 1.0))
}

/// P(0), P(0) + P(1), ...: the sums of the walk, in its order, until they grow no more.
fn cumulative(lambda: f64) -> Vec<f64> {
    let (mut k, mut p) = (0.0, libm::exp(-lambda));
    let mut sums = vec![p];
    let mut c = p;
    while k < MOST - 1.0 {
        k += 1.0;
        p *= lambda / k;
        let next = c + p;
        if next == c && k > lambda {
            break;
        }
        c = next;
        sums.push(c);
    }
    sums
}

/// The first k with `u < P(0) + ... + P(k)`.
fn walked(lambda: f64, u: f64) -> f64 {
    let (mut k, mut p) = (0.0, libm::exp(-lambda));
    let mut c = p;
    while u >= c && k < MOST {
        k += 1.0;
        p *= lambda / k;
        c += p;
    }
    k
}

impl Poisson {
    /// The distribution of mean `lambda`; always 0 unless `lambda` is finite and positive.
    pub fn new(lambda: f64) -> Poisson {
        Poisson(if !(lambda.is_finite() && lambda > 0.0) {
            Method::Zero
        } else if lambda < 10.0 {
            Method::Inversion(Inversion::new(lambda))
        } else {
            Method::Rejection(Rejection::new(lambda))
        })
    }

    /// The distribution of mean `lambda` for a number or two: [`Poisson::new`] without its tables, which
    /// draws the same numbers.
    pub fn once(lambda: f64) -> Poisson {
        Poisson(if !(lambda.is_finite() && lambda > 0.0) {
            Method::Zero
        } else if lambda < 10.0 {
            Method::Walk(lambda)
        } else {
            Method::Rejection(Rejection::without_table(lambda))
        })
    }

    /// [`Poisson::new`] or [`Poisson::once`], whichever gives `numbers` of them sooner: an entry of a
    /// table costs about as much as a number without it.
    pub fn of_some(lambda: f64, numbers: usize) -> Poisson {
        let table = if lambda < 10.0 { MOST } else { 2.0 * Rejection::reach(lambda) };
        if (numbers as f64) < table { Poisson::once(lambda) } else { Poisson::new(lambda) }
    }

    /// Element `index` of field `tag`.
    #[inline]
    pub fn draw(&self, draws: &Draws, tag: u32, index: u32) -> f64 {
        match &self.0 {
            Method::Zero => 0.0,
            Method::Inversion(method) => {
                let [w0, w1, _, _] = draws.block(index, 0, tag);
                method.number(unit53(w0, w1))
            }
            Method::Rejection(method) => method.draw(draws, tag, index),
            Method::Walk(lambda) => {
                let [w0, w1, _, _] = draws.block(index, 0, tag);
                walked(*lambda, unit53(w0, w1))
            }
        }
    }

    /// The elements `first`, `first + 1`, ... (wrapping) of field `tag`: each what [`Poisson::draw`]
    /// gives.
    pub fn draw_into(&self, draws: &Draws, tag: u32, first: u32, out: &mut [f64]) {
        self.fill(draws, tag, Onwards(first), out);
    }

    /// The elements of field `tag` that are listed, one a place of `out`: each what
    /// [`Poisson::draw`] gives.
    pub fn draw_at(&self, draws: &Draws, tag: u32, indices: &[u32], out: &mut [f64]) {
        let n = indices.len().min(out.len());
        self.fill(draws, tag, Listed(&indices[..n]), &mut out[..n]);
    }

    fn fill<P: Places>(&self, draws: &Draws, tag: u32, places: P, out: &mut [f64]) {
        match &self.0 {
            Method::Zero => out.fill(0.0),
            Method::Inversion(method) => wide(Fill { method, draws, tag, places, out }),
            Method::Rejection(method) => wide(Fill { method, draws, tag, places, out }),
            Method::Walk(_) => (0_u32..)
                .zip(out)
                .for_each(|(place, out)| *out = self.draw(draws, tag, places.at(place))),
        }
    }
}

/// Which element of the field a place of the result is.
trait Places: Copy {
    fn at(self, place: u32) -> u32;
}

/// The elements from here on.
#[derive(Clone, Copy)]
struct Onwards(u32);

impl Places for Onwards {
    #[inline(always)]
    fn at(self, place: u32) -> u32 {
        self.0.wrapping_add(place)
    }
}

/// These elements; places behind the last are the last, for lanes that nobody asks for.
#[derive(Clone, Copy)]
struct Listed<'a>(&'a [u32]);

impl Places for Listed<'_> {
    #[inline(always)]
    fn at(self, place: u32) -> u32 {
        let last = self.0.len().saturating_sub(1);
        self.0.get((place as usize).min(last)).copied().unwrap_or_default()
    }
}

/// Elements of a field, by which method, and where their numbers go.
struct Fill<'a, M, P> {
    method: &'a M,
    draws: &'a Draws,
    tag: u32,
    places: P,
    out: &'a mut [f64],
}

impl<P: Places> Wide for Fill<'_, Inversion, P> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { method, draws, tag, places, out } = self;
        for (indices, out) in in_lanes(0, places, out) {
            let words = draws.lanes_of(tag, indices, 0);
            let mut u = [0.0; LANES];
            for i in 0..LANES {
                u[i] = unit(words[0][i], words[1][i]);
            }
            out.iter_mut().zip(u).for_each(|(out, u)| *out = method.number(u));
        }
    }
}

/// The elements whose attempt fails are tried again together.
impl<P: Places> Wide for Fill<'_, Rejection, P> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { method, draws, tag, places, out } = self;
        for (chunk, out) in (0_u32..).zip(out.chunks_mut(TOGETHER)) {
            let first = chunk.wrapping_mul(TOGETHER as u32);
            let mut failed = [0_u32; TOGETHER];
            let mut left = 0;
            for (block, (indices, out)) in (0_u32..).zip(in_lanes(first, places, out)) {
                let numbers = method.attempts(draws, tag, indices, 0);
                for (i, (out, number)) in (0_u32..).zip(out.iter_mut().zip(numbers)) {
                    *out = number;
                    failed[left] = block * LANES as u32 + i;
                    left += usize::from(number < 0.0);
                }
            }
            for attempt in 1..ATTEMPTS {
                if left == 0 {
                    break;
                }
                let tried = left;
                left = 0;
                for begin in (0..tried).step_by(LANES) {
                    let n = LANES.min(tried - begin);
                    // Lanes beyond the last element try it again, for nothing.
                    let tried: [u32; LANES] = std::array::from_fn(|i| failed[begin + i.min(n - 1)]);
                    let indices = tried.map(|place| places.at(first.wrapping_add(place)));
                    let numbers = method.attempts(draws, tag, indices, attempt);
                    for (place, number) in tried.into_iter().zip(numbers).take(n) {
                        out[place as usize] = number;
                        failed[left] = place;
                        left += usize::from(number < 0.0);
                    }
                }
            }
            for &place in &failed[..left] {
                out[place as usize] = method.lambda.round();
            }
        }
    }
}

/// The elements of the places from `first` on that are drawn together, and where their numbers go; the
/// last ones may be fewer.
#[inline(always)]
fn in_lanes<P: Places>(
    first: u32,
    places: P,
    out: &mut [f64],
) -> impl Iterator<Item = ([u32; LANES], &mut [f64])> {
    (0_u32..).zip(out.chunks_mut(LANES)).map(move |(block, out)| {
        let first = first.wrapping_add(block.wrapping_mul(LANES as u32));
        (std::array::from_fn(|i| places.at(first.wrapping_add(i as u32))), out)
    })
}

/// [`unit53`] by two conversions of 32 bits, which vectorise: the sum is exact.
#[inline(always)]
fn unit(w0: u32, w1: u32) -> f64 {
    let [high, low] = [w0 >> 5, w1 >> 6].map(|bits| f64::from(bits as i32));
    (high * 67_108_864.0 + low) * (1.0 / 9_007_199_254_740_992.0)
}

impl Inversion {
    fn new(lambda: f64) -> Self {
        let sums = cumulative(lambda);
        let begin = (0..=u8::MAX).map(|i| {
            let u = f64::from(i) / 256.0;
            sums.iter().take_while(|&&c| u >= c).count() as u8
        });
        Self { begin: begin.collect(), sums }
    }

    /// The first k with `u < P(0) + ... + P(k)`.
    #[inline(always)]
    fn number(&self, u: f64) -> f64 {
        let begin = usize::from(self.begin[(256.0 * u) as usize]);
        // Beyond where it grows every number below `MOST` is the same walk.
        self.sums[begin..].iter().position(|&c| u < c).map_or(MOST, |k| (begin + k) as f64)
    }
}

/// With a `us` from `SURE` on an attempt counts if `v <= vr`; below `SMALL` it fails if `v > us`.
const SURE: f64 = 0.07;
const SMALL: f64 = 0.013;

/// `a`, `b` and `vr` of a mean.
#[inline(always)]
fn sizes(lambda: f64) -> [f64; 3] {
    let b = 0.931 + 2.53 * lambda.sqrt();
    [-0.059 + 0.02483 * b, b, 0.9277 - 3.6224 / (b - 2.0)]
}

impl Rejection {
    fn new(lambda: f64) -> Self {
        let mut method = Self::without_table(lambda);
        if lambda <= MOST_KEPT {
            method.keep();
        }
        method
    }

    fn without_table(lambda: f64) -> Self {
        let [a, b, vr] = sizes(lambda);
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        Self { lambda, a, b, inverse_alpha, vr, shares: Vec::new(), lowest: 0.0 }
    }

    /// So far from the mean shares are kept: some nine standard deviations.
    fn reach(lambda: f64) -> f64 {
        (9.0 * lambda.sqrt() + 9.0).floor()
    }

    /// Fills the table from the middle outwards: P(k + 1) is P(k) times lambda over k + 1.
    fn keep(&mut self) {
        let (middle, reach) = (self.lambda.floor(), Self::reach(self.lambda));
        self.lowest = (middle - reach).max(0.0);
        let below = (middle - self.lowest) as usize;
        self.shares = vec![0.0; below + reach as usize + 1];
        let most = libm::exp(self.formula(middle)) / self.inverse_alpha;
        let (lower, upper) = self.shares.split_at_mut(below);
        let (mut k, mut share) = (middle, most);
        for kept in upper {
            *kept = share;
            k += 1.0;
            share *= self.lambda / k;
        }
        let (mut k, mut share, each) = (middle, most, 1.0 / self.lambda);
        for kept in lower.iter_mut().rev() {
            share *= k * each;
            k -= 1.0;
            *kept = share;
        }
    }

    /// What the logarithms of an attempt may reach for the number `k`, 0 or more: ln P(k).
    fn formula(&self, k: f64) -> f64 {
        -self.lambda + k * libm::log(self.lambda) - ln_factorial(k)
    }

    /// The number of the first attempt that succeeds.
    fn draw(&self, draws: &Draws, tag: u32, index: u32) -> f64 {
        let [number] = self.tried(&draws.block(index, 0, tag).map(|word| [word]));
        if number >= 0.0 { number } else { self.by_the_letter(draws, tag, index) }
    }

    /// The same as the specification writes it.
    #[cold]
    fn by_the_letter(&self, draws: &Draws, tag: u32, index: u32) -> f64 {
        let Self { lambda, a, b, inverse_alpha, vr, .. } = *self;
        for attempt in 0..ATTEMPTS {
            let [w0, w1, w2, w3] = draws.block(index, attempt, tag);
            let (u, v) = (unit53(w0, w1) - 0.5, unit53(w2, w3));
            let us = 0.5 - u.abs();
            let number = ((2.0 * a / us + b) * u + lambda + 0.43).floor();
            if us >= SURE && v <= vr {
                return number;
            }
            if us <= 0.0 || number < 0.0 || (us < SMALL && v > us) {
                continue;
            }
            let tried = libm::log(v) + libm::log(inverse_alpha) - libm::log(a / (us * us) + b);
            if v <= 0.0 || tried <= self.formula(number) {
                return number;
            }
        }
        lambda.round()
    }

    /// One attempt a lane: [`FAILED`], or its number.
    #[inline(always)]
    fn attempts(&self, draws: &Draws, tag: u32, at: [u32; LANES], attempt: u32) -> [f64; LANES] {
        let mut numbers = self.tried(&draws.lanes_of(tag, at, attempt));
        if numbers.contains(&OPEN) {
            for (number, index) in numbers.iter_mut().zip(at).filter(|(number, _)| **number == OPEN)
            {
                *number = self.by_the_letter(draws, tag, index);
            }
        }
        numbers
    }

    /// One attempt a lane without a logarithm: [`FAILED`], [`OPEN`] or its number. Every lane
    /// computes what any may need, so that there is no branch; the table is read lane by lane.
    #[inline(always)]
    fn tried<const N: usize>(&self, words: &[[u32; N]; 4]) -> [f64; N] {
        let Self { lambda, a, b, vr, lowest, .. } = *self;
        let (kept, quarter) = (self.shares.len() as f64, 0.25 / a);
        let last = (kept - 1.0).max(0.0);
        let (mut numbers, mut vs, mut divisors) = ([0.0; N], [0.0; N], [0.0; N]);
        let (mut sure, mut never, mut places) = ([0_u64; N], [0_u64; N], [0_u64; N]);
        for i in 0..N {
            let (u, v) = (unit(words[0][i], words[1][i]) - 0.5, unit(words[2][i], words[3][i]));
            let us = 0.5 - u.abs();
            let quotient = 2.0 * a / us;
            let number = ((quotient + b) * u + lambda + 0.43).floor();
            (numbers[i], vs[i]) = (number, v);
            // `a / us^2 + b`, but for rounding.
            divisors[i] = quotient * quotient * quarter + b;
            sure[i] = u64::from(us >= SURE && v <= vr);
            never[i] = u64::from(us <= 0.0 || number < 0.0 || (us < SMALL && v > us));
            // A number in the low bits of a sum is its place in the table.
            places[i] = ((number - lowest).clamp(0.0, last) + TWO_POW_52).to_bits() & 0xffff_ffff;
        }
        let mut shares = [0.0; N];
        for i in 0..N {
            shares[i] = self.shares.get(places[i] as usize).copied().unwrap_or_default();
        }
        for i in 0..N {
            let bound = shares[i] * divisors[i];
            let inside = (numbers[i] >= lowest) & (numbers[i] - lowest < kept);
            let counts = inside & (vs[i] <= bound * (1.0 - NEAR));
            let fails = inside & (vs[i] >= bound * (1.0 + NEAR));
            let told = if fails | (never[i] != 0) { FAILED } else { OPEN };
            let told = if counts & (never[i] == 0) { numbers[i] } else { told };
            numbers[i] = if sure[i] == 0 { told } else { numbers[i] };
        }
        numbers
    }
}

#[cfg(test)]
#[path = "poisson_tests.rs"]
mod tests;
