//! The normal distribution and its inverse (`papers/protocol.md`, section 6: to 1e-11 absolute).
//!
//! Needed by the BCa interval; later by the significance tests.

use std::f64::consts::{PI, SQRT_2};

/// The probability below `z`.
pub fn normal_cdf(z: f64) -> f64 {
    libm::erfc(-z / SQRT_2) / 2.0
}

/// The `z` below which the probability `p` lies; infinite at 0 and 1, NaN outside.
///
/// Acklam's rational approximation (relative error 1.15e-9) and one step of Halley. For p above 1/2
/// the mirrored value, because `1 - p` keeps the digits of the far end.
pub fn normal_quantile(p: f64) -> f64 {
    if p == 0.0 {
        f64::NEG_INFINITY
    } else if p > 0.5 {
        -normal_quantile(1.0 - p)
    } else if p > 0.0 {
        let z = acklam(p);
        let error = (normal_cdf(z) - p) * (2.0 * PI).sqrt() * libm::exp(z * z / 2.0);
        z - error / (1.0 + z * error / 2.0)
    } else {
        f64::NAN
    }
}

/// Acklam's approximation (2003) for 0 < p <= 1/2.
fn acklam(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e+01,
        2.209460984245205e+02,
        -2.759285104469687e+02,
        1.38357751867269e+02,
        -3.066479806614716e+01,
        2.506628277459239e+00,
    ];
    const B: [f64; 6] = [
        -5.447609879822406e+01,
        1.615858368580409e+02,
        -1.556989798598866e+02,
        6.680131188771972e+01,
        -1.328068155288572e+01,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784894002430293e-03,
        -3.223964580411365e-01,
        -2.400758277161838e+00,
        -2.549732539343734e+00,
        4.374664141464968e+00,
        2.938163982698783e+00,
    ];
    const D: [f64; 5] = [
        7.784695709041462e-03,
        3.224671290700398e-01,
        2.445134137142996e+00,
        3.754408661907416e+00,
        1.0,
    ];
    /// Where the tail's formula takes over.
    const TAIL: f64 = 0.02425;

    let polynomial =
        |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    if p < TAIL {
        let q = (-2.0 * libm::log(p)).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    } else {
        let q = p - 0.5;
        let r = q * q;
        polynomial(&A, r) * q / polynomial(&B, r)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_quantiles_come_out() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959963984540054),
            (0.025, -1.959963984540054),
            (0.95, 1.6448536269514722),
            (1e-10, -6.361340902404056),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-11, "{p}");
        }
    }

    #[test]
    fn the_quantile_turns_the_distribution_round() {
        for i in -60..=60 {
            let z = f64::from(i) / 10.0;
            // Above 0 the probability itself has lost digits, so only the tolerance of p is asked.
            let back = normal_cdf(normal_quantile(normal_cdf(z)));
            assert!((back - normal_cdf(z)).abs() < 1e-15, "{z}");
        }
    }

    #[test]
    fn the_ends_are_infinite_and_the_outside_is_nan() {
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert!(normal_quantile(-0.1).is_nan() && normal_quantile(f64::NAN).is_nan());
    }
}
