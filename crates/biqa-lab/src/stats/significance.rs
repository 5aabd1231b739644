//! Does one model agree with people better than another (`papers/protocol.md`, section 6)?
//!
//! Two models on one test part: Steiger's z beside the paired bootstrap. Two data sets: Fisher's z.
//! Several comparisons: Holm's step-down. A test that has no meaning (fewer than four images, a
//! correlation of 1, correlations that cannot stand together) is `None`, and a report says so in
//! words.

use super::distributions::{fisher_tails, student_two_sided};
use super::{StatsError, check_finite, check_level, normal_quantile};
use std::f64::consts::SQRT_2;

/// Fewer images are no sample.
const FEWEST: usize = 4;

/// A statistic and its two-sided probability under equality.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// t, z or F.
    pub statistic: f64,
    /// The probability of a statistic at least as extreme.
    pub p_value: f64,
}

impl Test {
    /// A standard normal statistic; `None` for one that is no number.
    fn normal(z: f64) -> Option<Test> {
        z.is_finite().then(|| Test { statistic: z, p_value: libm::erfc(z.abs() / SQRT_2).min(1.0) })
    }
}

/// The correlations of two predictors a and b of one label y on the same images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correlations {
    /// Of a and the label.
    pub ay: f64,
    /// Of b and the label.
    pub by: f64,
    /// Of both predictors.
    pub ab: f64,
    /// Images.
    pub n: usize,
}

impl Correlations {
    fn legal(&self) -> bool {
        self.n >= FEWEST && [self.ay, self.by, self.ab].iter().all(|r| r.abs() <= 1.0)
    }
}

/// Williams' t for dependent correlations, with `n - 3` degrees of freedom.
pub fn williams(r: Correlations) -> Option<Test> {
    let Correlations { ay, by, ab, n } = r;
    if !r.legal() || [ay, by, ab].iter().any(|r| r.abs() >= 1.0) {
        return None;
    }
    let n = n as f64;
    let determinant = 1.0 - ay * ay - by * by - ab * ab + 2.0 * ay * by * ab;
    let mean = f64::midpoint(ay, by);
    let below = 2.0 * ((n - 1.0) / (n - 3.0)) * determinant + mean * mean * (1.0 - ab).powi(3);
    let t = (ay - by) * ((n - 1.0) * (1.0 + ab) / below).sqrt();
    let p_value = student_two_sided(t, n - 3.0);
    (below > 0.0 && t.is_finite()).then_some(Test { statistic: t, p_value })
}

/// Steiger's z for dependent correlations, with the pooled correlation.
pub fn steiger(r: Correlations) -> Option<Test> {
    let Correlations { ay, by, ab, n } = r;
    if !r.legal() {
        return None;
    }
    let mean = f64::midpoint(ay, by);
    let square = mean * mean;
    let c = ab * (1.0 - 2.0 * square) - square * (1.0 - 2.0 * square - ab * ab) / 2.0;
    let s = c / (1.0 - square).powi(2);
    let difference = libm::atanh(ay) - libm::atanh(by);
    Test::normal(difference * (n as f64 - 3.0).sqrt() / (2.0 - 2.0 * s).sqrt())
}

/// Which correlation two independent samples are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coefficient {
    /// PLCC: the variance of atanh r is `1 / (n - 3)`.
    Pearson,
    /// SRCC: `1.06 / (n - 3)`.
    Spearman,
}

/// Fisher's z for correlations `[r, r']` on independent samples of `[n, n']` images.
pub fn independent(coefficient: Coefficient, r: [f64; 2], n: [usize; 2]) -> Option<Test> {
    if n.iter().any(|&n| n < FEWEST) {
        return None;
    }
    let factor = match coefficient {
        Coefficient::Pearson => 1.0,
        Coefficient::Spearman => 1.06,
    };
    let variance: f64 = n.iter().map(|&n| factor / (n as f64 - 3.0)).sum();
    Test::normal((libm::atanh(r[0]) - libm::atanh(r[1])) / variance.sqrt())
}

/// The interval of a correlation over `n` images by Fisher's z.
pub fn fisher_interval(r: f64, n: usize, level: f64) -> Result<Option<[f64; 2]>, StatsError> {
    check_level(level)?;
    let z = libm::atanh(r);
    if n < FEWEST || !z.is_finite() {
        return Ok(None);
    }
    let half = normal_quantile(f64::midpoint(1.0, level)) / (n as f64 - 3.0).sqrt();
    Ok(Some([libm::tanh(z - half), libm::tanh(z + half)]))
}

/// VQEG's test whether the residuals of two models, after the logistic fit, have one variance.
pub fn residual_f_test(a: &[f64], b: &[f64]) -> Result<Option<Test>, StatsError> {
    check_finite("a", a)?;
    check_finite("b", b)?;
    if a.len() < FEWEST || b.len() < FEWEST {
        return Ok(None);
    }
    let f = variance(a) / variance(b);
    if !f.is_finite() {
        return Ok(None);
    }
    let [below, above] = fisher_tails(f, (a.len() - 1) as f64, (b.len() - 1) as f64);
    Ok(Some(Test { statistic: f, p_value: (2.0 * below.min(above)).min(1.0) }))
}

/// Variance with n - 1.
fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    squares / (values.len() - 1) as f64
}

/// Holm's step-down: every p value as it counts among all of them, in their order.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut highest = 0.0_f64;
    for (place, &i) in order.iter().enumerate() {
        highest = highest.max(p_values[i] * (p_values.len() - place) as f64).min(1.0);
        adjusted[i] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKED: Correlations = Correlations { ay: 0.98, by: 0.969, ab: 0.95, n: 156 };

    fn near(found: Option<Test>, statistic: f64, p_value: f64) {
        let found = found.expect("defined");
        assert!((found.statistic - statistic).abs() < 1e-10, "{found:?}");
        assert!((found.p_value - p_value).abs() < 1e-10, "{found:?}");
    }

    #[test]
    fn the_worked_example_comes_out() {
        near(williams(WORKED), 2.7002351475, 0.0077096147);
        near(steiger(WORKED), 2.6792646226, 0.0073784058);
    }

    #[test]
    fn equal_correlations_do_not_differ() {
        let equal = Correlations { by: 0.98, ..WORKED };
        for found in [williams(equal), steiger(equal)] {
            near(found, 0.0, 1.0);
        }
        near(independent(Coefficient::Spearman, [0.5; 2], [10, 20]), 0.0, 1.0);
    }

    #[test]
    fn too_few_images_and_certain_correlations_are_undefined() {
        for r in [
            Correlations { n: 3, ..WORKED },
            Correlations { ay: 1.0, ..WORKED },
            Correlations { by: -1.0, ..WORKED },
            Correlations { ay: f64::NAN, ..WORKED },
            Correlations { ab: 1.5, ..WORKED },
            // Two predictors that agree this well cannot differ so much about the label.
            Correlations { ay: 0.9, by: -0.9, ab: 0.99, n: 50 },
        ] {
            assert_eq!(williams(r), None, "{r:?}");
        }
        assert_eq!(steiger(Correlations { n: 3, ..WORKED }), None);
        assert_eq!(steiger(Correlations { ay: 1.0, ..WORKED }), None);
        assert_eq!(independent(Coefficient::Pearson, [1.0, 0.5], [9, 9]), None);
        assert_eq!(independent(Coefficient::Pearson, [0.9, 0.5], [9, 3]), None);
        assert_eq!(fisher_interval(1.0, 50, 0.95), Ok(None));
        assert_eq!(fisher_interval(0.5, 3, 0.95), Ok(None));
        assert!(fisher_interval(0.5, 30, 95.0).is_err());
    }

    #[test]
    fn the_interval_of_fisher_is_the_textbooks() {
        // r = 0.5, n = 28: atanh r -+ 1.96 / 5
        let [low, high] = fisher_interval(0.5, 28, 0.95).expect("legal").expect("defined");
        assert!(
            (low - 0.1558_f64).abs() < 5e-4 && (high - 0.7357_f64).abs() < 5e-4,
            "{low} {high}"
        );
    }

    #[test]
    fn variances_are_compared_both_ways() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 9.0], [1.0, 2.0, 1.5, 2.5, 2.2]);
        let there = residual_f_test(&a, &b).expect("legal").expect("defined");
        let back = residual_f_test(&b, &a).expect("legal").expect("defined");
        assert!((there.statistic * back.statistic - 1.0).abs() < 1e-14);
        assert!((there.p_value - back.p_value).abs() < 1e-14);
        assert_eq!(residual_f_test(&a, &[1.0; 5]), Ok(None));
        assert_eq!(residual_f_test(&a, &b[..3]), Ok(None));
    }

    #[test]
    fn holm_steps_down() {
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-15, "{found} {expected}");
        }
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
