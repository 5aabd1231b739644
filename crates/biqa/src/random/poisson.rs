//! Poisson numbers of one mean: what depends on the mean is computed once for a field, and a field is
//! drawn several elements at once, with the bits of single draws.

// The lane functions must be compiled into the vectorised closure that calls them.
#![allow(clippy::inline_always)]

use std::sync::LazyLock;

use super::normal::{LANES, ln};
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
    ln_lambda: f64,
    a: f64,
    b: f64,
    ln_inverse_alpha: f64,
    vr: f64,
    /// [`Rejection::formula`] of 0, 1, ... as far as a number is likely.
    bounds: Vec<f64>,
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

/// Largest mean for which bounds are kept; beyond it a table is longer than it is worth.
const MOST_KEPT: f64 = 1e4;

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

    /// [`Poisson::new`] or [`Poisson::once`], whichever gives `numbers` of them sooner.
    pub fn of_some(lambda: f64, numbers: usize) -> Poisson {
        if numbers < Rejection::kept(lambda) { Poisson::once(lambda) } else { Poisson::new(lambda) }
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

/// Most first attempts succeed without a logarithm; the elements whose attempt does not are tried
/// together, from the first attempt on.
impl<P: Places> Wide for Fill<'_, Rejection, P> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { method, draws, tag, places, out } = self;
        for (again, out) in (0_u32..).zip(out.chunks_mut(TOGETHER)) {
            let first = again.wrapping_mul(TOGETHER as u32);
            let mut open = [0_u32; TOGETHER];
            let mut left = 0;
            for (block, (indices, out)) in (0_u32..).zip(in_lanes(first, places, out)) {
                let numbers = method.at_once(&draws.lanes_of(tag, indices, 0));
                for (i, (out, number)) in (0_u32..).zip(out.iter_mut().zip(numbers)) {
                    *out = number;
                    open[left] = block * LANES as u32 + i;
                    left += usize::from(number < 0.0);
                }
            }
            for attempt in 0..ATTEMPTS {
                if left == 0 {
                    break;
                }
                let tried = left;
                left = 0;
                for begin in (0..tried).step_by(LANES) {
                    let n = LANES.min(tried - begin);
                    // Lanes beyond the last element try it again, for nothing.
                    let tried: [u32; LANES] = std::array::from_fn(|i| open[begin + i.min(n - 1)]);
                    let indices = tried.map(|place| places.at(first.wrapping_add(place)));
                    let numbers = method.attempts(&draws.lanes_of(tag, indices, attempt));
                    for (place, number) in tried.into_iter().zip(numbers).take(n) {
                        out[place as usize] = number;
                        open[left] = place;
                        left += usize::from(number < 0.0);
                    }
                }
            }
            for &place in &open[..left] {
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

impl Rejection {
    fn new(lambda: f64) -> Self {
        let mut method = Self::without_table(lambda);
        if lambda <= MOST_KEPT {
            method.bounds = (0..Self::kept(lambda)).map(|k| method.formula(k as f64)).collect();
        }
        method
    }

    /// Bounds that are kept: up to some 20 standard deviations above the mean.
    fn kept(lambda: f64) -> usize {
        (2.0 * lambda + 20.0 * lambda.sqrt()) as usize
    }

    fn without_table(lambda: f64) -> Self {
        let b = 0.931 + 2.53 * lambda.sqrt();
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        Self {
            lambda,
            ln_lambda: libm::log(lambda),
            a: -0.059 + 0.02483 * b,
            b,
            ln_inverse_alpha: libm::log(inverse_alpha),
            vr: 0.9277 - 3.6224 / (b - 2.0),
            bounds: Vec::new(),
        }
    }

    /// What the logarithms of an attempt may reach for the number `k`, 0 or more.
    fn formula(&self, k: f64) -> f64 {
        -self.lambda + k * self.ln_lambda - ln_factorial(k)
    }

    /// The number of the first attempt that succeeds.
    fn draw(&self, draws: &Draws, tag: u32, index: u32) -> f64 {
        let [number] = self.at_once(&draws.block(index, 0, tag).map(|word| [word]));
        if number >= 0.0 {
            return number;
        }
        for attempt in 0..ATTEMPTS {
            let words = draws.block(index, attempt, tag);
            let [number] = self.attempts(&words.map(|word| [word]));
            if number >= 0.0 {
                return number;
            }
        }
        self.lambda.round()
    }

    /// The number of an attempt and whether it counts without further ado: the draws `u` of it
    /// less a half, `us`, and `v`.
    #[inline(always)]
    fn squeezed(&self, u: f64, us: f64, v: f64) -> (f64, bool) {
        let number = ((2.0 * self.a / us + self.b) * u + self.lambda + 0.43).floor();
        (number, us >= 0.07 && v <= self.vr)
    }

    /// One attempt a lane as far as it needs no logarithm, -1 where it does or fails.
    #[inline(always)]
    fn at_once<const N: usize>(&self, words: &[[u32; N]; 4]) -> [f64; N] {
        let mut numbers = [0.0; N];
        for i in 0..N {
            let u = unit(words[0][i], words[1][i]) - 0.5;
            let v = unit(words[2][i], words[3][i]);
            let (number, counts) = self.squeezed(u, 0.5 - u.abs(), v);
            numbers[i] = if counts { number } else { -1.0 };
        }
        numbers
    }

    /// One attempt a lane, -1 for one that fails. Every lane computes what any may need, so that
    /// there is no branch; the table alone is read lane by lane.
    #[inline(always)]
    fn attempts<const N: usize>(&self, words: &[[u32; N]; 4]) -> [f64; N] {
        let Self { a, b, ln_inverse_alpha, .. } = *self;
        let (mut numbers, mut tried) = ([0.0; N], [0.0; N]);
        for i in 0..N {
            let u = unit(words[0][i], words[1][i]) - 0.5;
            let v = unit(words[2][i], words[3][i]);
            let us = 0.5 - u.abs();
            let (number, counts) = self.squeezed(u, us, v);
            numbers[i] = number;
            // `ln` takes positive numbers; the logarithm of 0 is below every bound.
            let positive = if v > 0.0 { v } else { 0.5 };
            let divisor = if us > 0.0 { us * us } else { 1.0 };
            let logarithms = ln(positive) + ln_inverse_alpha - ln(a / divisor + b);
            let below = if v > 0.0 { logarithms } else { f64::NEG_INFINITY };
            let squeezed = if us < 0.013 && v > us { f64::INFINITY } else { below };
            let there = if us > 0.0 && numbers[i] >= 0.0 { squeezed } else { f64::INFINITY };
            tried[i] = if counts { f64::NEG_INFINITY } else { there };
        }
        // A number in the low bits of a sum is its place in the table.
        let kept = self.bounds.len() as f64;
        let last = (kept - 1.0).max(0.0);
        let mut places = [0_u64; N];
        let mut beyond = false;
        for i in 0..N {
            places[i] = (numbers[i].clamp(0.0, last) + TWO_POW_52).to_bits() & 0xffff_ffff;
            beyond |= numbers[i] >= kept;
        }
        let mut bounds = [f64::NEG_INFINITY; N];
        for i in 0..N {
            bounds[i] = self.bounds.get(places[i] as usize).copied().unwrap_or(f64::NEG_INFINITY);
        }
        if beyond {
            // Once in a very long while, or where no table is kept.
            for i in 0..N {
                bounds[i] = self.formula(numbers[i].max(0.0));
            }
        }
        for i in 0..N {
            numbers[i] = if tried[i] <= bounds[i] { numbers[i] } else { -1.0 };
        }
        numbers
    }
}

#[cfg(test)]
#[path = "poisson_tests.rs"]
mod tests;
