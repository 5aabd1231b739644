//! Poisson numbers of one mean: what depends on the mean is computed once for a field.

use super::{Draws, unit53};

/// A Poisson distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Poisson(Method);

/// By the size of the mean (`papers/degradations.md`, section 5).
#[derive(Debug, Clone, PartialEq)]
enum Method {
    /// The mean is not positive and finite: always 0.
    Zero,
    /// Below 10: the cumulative distribution, as far as it grows.
    Inversion(Vec<f64>),
    /// Hörmann's transformed rejection PTRS (1993).
    Rejection { lambda: f64, ln_lambda: f64, a: f64, b: f64, ln_inverse_alpha: f64, vr: f64 },
}

/// The walk over the distribution ends here (section 5).
const MOST: f64 = 200.0;

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

impl Poisson {
    /// The distribution of mean `lambda`; always 0 unless `lambda` is finite and positive.
    pub fn new(lambda: f64) -> Poisson {
        Poisson(if !(lambda.is_finite() && lambda > 0.0) {
            Method::Zero
        } else if lambda < 10.0 {
            Method::Inversion(cumulative(lambda))
        } else {
            let b = 0.931 + 2.53 * lambda.sqrt();
            let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
            Method::Rejection {
                lambda,
                ln_lambda: libm::log(lambda),
                a: -0.059 + 0.02483 * b,
                b,
                ln_inverse_alpha: libm::log(inverse_alpha),
                vr: 0.9277 - 3.6224 / (b - 2.0),
            }
        })
    }

    /// Element `index` of field `tag`.
    #[inline]
    pub fn draw(&self, draws: &Draws, tag: u32, index: u32) -> f64 {
        match self.0 {
            Method::Zero => 0.0,
            Method::Inversion(ref cumulative) => {
                let [w0, w1, _, _] = draws.block(index, 0, tag);
                let u = unit53(w0, w1);
                // Beyond where it grows every number below `MOST` is the same walk.
                cumulative.iter().position(|&c| u < c).map_or(MOST, |k| k as f64)
            }
            Method::Rejection { lambda, ln_lambda, a, b, ln_inverse_alpha, vr } => {
                // An attempt fails with a probability below 0.3, so 10,000 failures mean a lambda
                // beyond the formula.
                for attempt in 0..10_000 {
                    let [w0, w1, w2, w3] = draws.block(index, attempt, tag);
                    let u = unit53(w0, w1) - 0.5;
                    let v = unit53(w2, w3);
                    let us = 0.5 - u.abs();
                    if us == 0.0 {
                        continue;
                    }
                    let k = ((2.0 * a / us + b) * u + lambda + 0.43).floor();
                    if us >= 0.07 && v <= vr {
                        return k;
                    }
                    if k < 0.0 || (us < 0.013 && v > us) {
                        continue;
                    }
                    let bound = -lambda + k * ln_lambda - libm::lgamma(k + 1.0);
                    let tried = || libm::log(v) + ln_inverse_alpha - libm::log(a / (us * us) + b);
                    if v <= 0.0 || tried() <= bound {
                        return k;
                    }
                }
                lambda.round()
            }
        }
    }
}
