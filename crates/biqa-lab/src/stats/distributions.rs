//! Student's t and Fisher's F (`papers/protocol.md`, section 6: p to 1e-11 absolute).
//!
//! Both are regularised incomplete beta functions. Beside `normal`, needed by the significance
//! tests.

use std::f64::consts::PI;

/// The probability that |t| is at least this large with `df` degrees of freedom.
pub fn student_two_sided(t: f64, df: f64) -> f64 {
    let square = t * t;
    if square.is_infinite() {
        return 0.0;
    }
    incomplete_beta(df / (df + square), square / (df + square), df / 2.0, 0.5)
}

/// The probabilities below and above `f` with `df_a` and `df_b` degrees of freedom. Each is
/// computed for itself, so that a small one keeps its digits.
pub fn fisher_tails(f: f64, df_a: f64, df_b: f64) -> [f64; 2] {
    let whole = df_a * f + df_b;
    if whole.is_infinite() {
        return [1.0, 0.0];
    }
    let (x, y) = (df_a * f / whole, df_b / whole);
    [incomplete_beta(x, y, df_a / 2.0, df_b / 2.0), incomplete_beta(y, x, df_b / 2.0, df_a / 2.0)]
}

/// The regularised incomplete beta function I_x(a, b); `y` is `1 - x`, given apart because the
/// caller knows it without cancellation.
fn incomplete_beta(x: f64, y: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        0.0
    } else if y <= 0.0 {
        1.0
    } else if x < (a + 1.0) / (a + b + 2.0) {
        front(x, y, a, b) * continued_fraction(x, a, b) / a
    } else {
        // The fraction converges fast on the other side of the mean only.
        1.0 - front(y, x, b, a) * continued_fraction(y, b, a) / b
    }
}

/// `x^a y^b / B(a, b)` by the saddle point: the large logarithms of the gamma functions cancel on
/// paper, so that a and b of many thousand keep their digits.
fn front(x: f64, y: f64, a: f64, b: f64) -> f64 {
    let whole = a + b;
    let (p, q) = (a / whole, b / whole);
    let exponent = a * libm::log1p((x - p) / p) + b * libm::log1p((y - q) / q);
    let correction = stirling_error(whole) - stirling_error(a) - stirling_error(b);
    (a * q / (2.0 * PI)).sqrt() * libm::exp(exponent + correction)
}

/// `ln gamma(a) - ((a - 1/2) ln a - a + ln(2 pi) / 2)`.
fn stirling_error(a: f64) -> f64 {
    if a < 16.0 {
        return libm::lgamma(a) - ((a - 0.5) * libm::log(a) - a + 0.5 * libm::log(2.0 * PI));
    }
    // Stirling's series; the next term is below 1e-16 here.
    let s = 1.0 / (a * a);
    let sum = 1.0 / 1260.0 - s * (1.0 / 1680.0 - s / 1188.0);
    (1.0 / 12.0 - s * (1.0 / 360.0 - s * sum)) / a
}

/// The continued fraction of the incomplete beta function, by Lentz's method.
fn continued_fraction(x: f64, a: f64, b: f64) -> f64 {
    /// In place of a 0 that would be divided by.
    const TINY: f64 = 1e-300;
    /// About sqrt(max(a, b)) terms are needed; this many never are.
    const TERMS: u32 = 100_000;

    let held = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / held(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for term in 1..TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / held(1.0 + even * d);
        c = held(1.0 + even / c);
        value *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / held(1.0 + odd * d);
        c = held(1.0 + odd / c);
        value *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a computation with 40 digits: t, degrees of freedom, p.
    const STUDENT: [(f64, f64, f64); 8] = [
        (0.5, 1.0, 0.7048327646991335),
        (2.0, 2.0, 0.18350341907227397),
        (2.7002351475, 153.0, 0.007709614683217944),
        (-3.5, 7.0, 0.009993040881885547),
        (1.96, 1000.0, 0.050273184955748715),
        (4.5, 39807.0, 6.814565200618424e-06),
        (0.01, 39807.0, 0.9920213374826484),
        (12.0, 30.0, 5.580185415199256e-13),
    ];
    /// Likewise: F, both degrees of freedom, the probability below and above.
    const FISHER: [(f64, f64, f64, f64, f64); 7] = [
        (1.2, 4.0, 9.0, 0.625234521285616, 0.37476547871438404),
        (0.8, 299.0, 299.0, 0.027073949328321762, 0.9729260506716783),
        (1.05, 1161.0, 1161.0, 0.7970144399801196, 0.2029855600198804),
        (1.01, 39809.0, 39809.0, 0.8395588283166686, 0.16044117168333133),
        (0.97, 39809.0, 39809.0, 0.0011885505316977319, 0.9988114494683022),
        (3.0, 2.0, 5.0, 0.8607025077555285, 0.1392974922444715),
        (2.5, 40.0, 3.0, 0.7537375861489991, 0.2462624138510009),
    ];

    #[test]
    fn student_is_known_to_the_digits_asked_for() {
        for (t, df, p) in STUDENT {
            let found = student_two_sided(t, df);
            assert!((found - p).abs() < 1e-12, "t {t}, df {df}: {found} {p}");
        }
    }

    #[test]
    fn fisher_is_known_to_the_digits_asked_for() {
        for (f, a, b, below, above) in FISHER {
            let [found_below, found_above] = fisher_tails(f, a, b);
            assert!((found_below - below).abs() < 1e-11, "{f} {a} {b}: {found_below} {below}");
            assert!((found_above - above).abs() < 1e-11, "{f} {a} {b}: {found_above} {above}");
        }
    }

    #[test]
    fn the_ends_are_certain() {
        assert_eq!(student_two_sided(0.0, 5.0), 1.0);
        assert_eq!(student_two_sided(f64::INFINITY, 5.0), 0.0);
        assert_eq!(fisher_tails(0.0, 3.0, 4.0), [0.0, 1.0]);
        assert_eq!(fisher_tails(f64::INFINITY, 3.0, 4.0), [1.0, 0.0]);
    }
}
