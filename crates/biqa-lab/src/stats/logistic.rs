//! Logistic curves between prediction and label (`papers/protocol.md`, section 4): the fitted PLCC
//! and the RMSE of a report.
//!
//! The fit is made on the test part itself, as VQEG does it: it describes, it does not predict. A
//! wrong direction may come out as a good fitted PLCC, so [`Fit::direction`] and the SRCC stand
//! beside it.

use super::correlation::plcc_unchecked;
use super::fitter::{Minimum, Model, least};
use super::{StatsError, check_pair};

/// The form of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// `b2 + (b1 - b2) / (1 + exp(-(x - b3) / |b4|))`: VQEG's, always monotone.
    Logistic4,
    /// `b1 (1/2 - 1/(1 + exp(b2 (x - b3)))) + b4 x + b5`: may turn.
    Logistic5,
}

/// What was fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The curve (0).
    Curve,
    /// A straight line: too few distinct predictions for the curve (1).
    Line,
    /// Nothing: all predictions or all labels are equal (2).
    Constant,
}

impl Status {
    /// 0, 1 or 2, as golden cases and tables have it.
    pub fn code(self) -> u8 {
        match self {
            Status::Curve => 0,
            Status::Line => 1,
            Status::Constant => 2,
        }
    }
}

/// A curve between predictions and labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The parameters b1, b2, ... in canonical form: `b4 > 0` (4 parameters), `b2 >= 0` (5). Empty
    /// unless the status is [`Status::Curve`].
    pub beta: Vec<f64>,
    /// The curve at every prediction.
    pub fitted: Vec<f64>,
    /// Sum of the squared residuals.
    pub sse: f64,
    /// `sqrt(sse / n)`.
    pub rmse: f64,
    /// PLCC of the fitted values and the labels; `None` when one of them is constant.
    pub plcc: Option<f64>,
    /// PLCC of the predictions themselves and the labels.
    pub plcc_raw: Option<f64>,
    /// What was fitted.
    pub status: Status,
    /// Whether the fitter stopped by itself, not by its number of passes.
    pub converged: bool,
    /// Whether the fitted values never turn over rising predictions. When a 5-parameter curve does,
    /// the 4-parameter one is to be used.
    pub monotone: bool,
}

impl Fit {
    /// 1 when predictions rise with labels, -1 when they fall, 0 when neither (`plcc_raw`).
    pub fn direction(&self) -> i8 {
        match self.plcc_raw {
            Some(r) if r > 0.0 => 1,
            Some(r) if r < 0.0 => -1,
            _ => 0,
        }
    }
}

/// `1 / (1 + e^-t)` without overflow.
fn sigma(t: f64) -> f64 {
    if t >= 0.0 {
        1.0 / (1.0 + libm::exp(-t))
    } else {
        let e = libm::exp(t);
        e / (1.0 + e)
    }
}

/// The 4-parameter curve at `x`.
pub fn logistic4(x: f64, [b1, b2, b3, b4]: [f64; 4]) -> f64 {
    b2 + (b1 - b2) * sigma((x - b3) / b4.abs())
}

/// The 5-parameter curve at `x`.
pub fn logistic5(x: f64, [b1, b2, b3, b4, b5]: [f64; 5]) -> f64 {
    b1 * (sigma(b2 * (x - b3)) - 0.5) + b4 * x + b5
}

struct Four;

impl Model<4> for Four {
    fn value_and_slope(u: f64, b: &[f64; 4]) -> (f64, [f64; 4]) {
        let [b1, b2, b3, b4] = *b;
        let t = (u - b3) / b4.abs();
        let s = sigma(t);
        let steep = (b1 - b2) * s * (1.0 - s);
        (b2 + (b1 - b2) * s, [s, 1.0 - s, -steep / b4.abs(), -steep * t / b4])
    }
}

struct Five;

impl Model<5> for Five {
    fn value_and_slope(u: f64, b: &[f64; 5]) -> (f64, [f64; 5]) {
        let [b1, b2, b3, b4, b5] = *b;
        let s = sigma(b2 * (u - b3));
        let steep = b1 * s * (1.0 - s);
        (b1 * (s - 0.5) + b4 * u + b5, [s - 0.5, steep * (u - b3), -steep * b2, u, 1.0])
    }
}

/// Fits `curve` to labels `y` over predictions `x` with the fitter `biqa-lm`.
pub fn fit_logistic(curve: Curve, x: &[f64], y: &[f64]) -> Result<Fit, StatsError> {
    check_pair(x, y)?;
    if x.is_empty() {
        return Err(StatsError::Empty);
    }
    let (xs, ys) = (Standard::of(x), Standard::of(y));
    let distinct = distinct(x);
    if distinct == 1 {
        return Ok(fit(x, y, vec![ys.mean; y.len()], Status::Constant));
    }
    if self::distinct(y) == 1 {
        return Ok(fit(x, y, y.to_vec(), Status::Constant));
    }
    let needed = match curve {
        Curve::Logistic4 => 5,
        Curve::Logistic5 => 6,
    };
    if distinct < needed {
        return Ok(fit(x, y, line(&xs, &ys), Status::Line));
    }
    let (u, v) = (&xs.values, &ys.values);
    let back = |v: f64| ys.mean + ys.std * v;
    let highest = v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = v.iter().copied().fold(f64::INFINITY, f64::min);
    let range = highest - lowest;
    let found = match curve {
        Curve::Logistic4 => {
            let starts = [
                [highest, lowest, 0.0, 0.25],
                [highest, lowest, 0.0, 1.0],
                [lowest, highest, 0.0, 0.25],
                [lowest, highest, 0.0, 1.0],
            ];
            least::<Four, 4>(u, v, &starts).map(|Minimum { beta, converged, .. }| {
                let fitted = u.iter().map(|&u| back(logistic4(u, beta))).collect();
                let [b1, b2, b3, b4] = beta;
                let beta = vec![back(b1), back(b2), xs.mean + xs.std * b3, xs.std * b4.abs()];
                Fit { beta, converged, ..fit(x, y, fitted, Status::Curve) }
            })
        }
        Curve::Logistic5 => {
            let starts = [
                [range, 1.0, 0.0, 0.0, 0.0],
                [-range, 1.0, 0.0, 0.0, 0.0],
                [range, 4.0, 0.0, 0.0, 0.0],
                [-range, 4.0, 0.0, 0.0, 0.0],
            ];
            least::<Five, 5>(u, v, &starts).map(|Minimum { beta, converged, .. }| {
                let fitted: Vec<f64> = u.iter().map(|&u| back(logistic5(u, beta))).collect();
                let [b1, b2, b3, b4, b5] = beta;
                let turn = if b2 < 0.0 { -1.0 } else { 1.0 };
                let slope = ys.std * b4 / xs.std;
                let beta = vec![
                    turn * ys.std * b1,
                    turn * b2 / xs.std,
                    xs.mean + xs.std * b3,
                    slope,
                    back(b5) - slope * xs.mean,
                ];
                let monotone = never_turns(x, &fitted);
                Fit { beta, converged, monotone, ..fit(x, y, fitted, Status::Curve) }
            })
        }
    };
    Ok(found.expect("there are four starts"))
}

/// The numbers of a fit without parameters that is monotone.
fn fit(x: &[f64], y: &[f64], fitted: Vec<f64>, status: Status) -> Fit {
    let sse: f64 = fitted.iter().zip(y).map(|(f, y)| (f - y) * (f - y)).sum();
    let defined = status != Status::Constant;
    Fit {
        beta: Vec::new(),
        sse,
        rmse: (sse / y.len() as f64).sqrt(),
        plcc: if defined { plcc_unchecked(&fitted, y) } else { None },
        plcc_raw: plcc_unchecked(x, y),
        status,
        converged: true,
        monotone: true,
        fitted,
    }
}

/// The straight line of least squares at every prediction.
fn line(xs: &Standard, ys: &Standard) -> Vec<f64> {
    // Both axes have mean 0 and variance 1, so the slope is the mean of the products.
    let products: f64 = xs.values.iter().zip(&ys.values).map(|(u, v)| u * v).sum();
    let slope = products / xs.values.len() as f64;
    xs.values.iter().map(|u| ys.mean + ys.std * slope * u).collect()
}

/// Different values; `-0.0` equals `0.0`.
fn distinct(values: &[f64]) -> usize {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(|a, b| (a + 0.0).total_cmp(&(b + 0.0)));
    sorted.dedup();
    sorted.len()
}

/// Values with mean 0 and population variance 1, and the way back.
struct Standard {
    mean: f64,
    std: f64,
    values: Vec<f64>,
}

impl Standard {
    fn of(values: &[f64]) -> Standard {
        // A power of two is exact and keeps the squares of 1e-200 and 1e200 within range.
        let largest = values.iter().fold(0.0_f64, |largest, v| largest.max(v.abs()));
        let power = if largest > 0.0 { libm::ilogb(largest) } else { 0 };
        let small: Vec<f64> = values.iter().map(|v| libm::scalbn(*v, -power)).collect();
        let n = values.len() as f64;
        let mean = small.iter().sum::<f64>() / n;
        let std = (small.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
        let values = small.iter().map(|v| (v - mean) / std).collect();
        Standard { mean: libm::scalbn(mean, power), std: libm::scalbn(std, power), values }
    }
}

/// Whether the fitted values rise, or fall, all the way over rising predictions. Steps below 1e-12
/// of their range are rounding.
fn never_turns(x: &[f64], fitted: &[f64]) -> bool {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
    let highest = fitted.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let lowest = fitted.iter().copied().fold(f64::INFINITY, f64::min);
    let rounding = 1e-12 * (highest - lowest);
    let steps = order.windows(2).map(|pair| fitted[pair[1]] - fitted[pair[0]]);
    let (mut rises, mut falls) = (false, false);
    for step in steps.filter(|step| step.abs() >= rounding && *step != 0.0) {
        rises |= step > 0.0;
        falls |= step < 0.0;
    }
    !(rises && falls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const X: [f64; 10] = [0.10, 0.25, 0.30, 0.42, 0.50, 0.55, 0.68, 0.75, 0.88, 0.95];
    const Y: [f64; 10] = [12.0, 15.0, 22.0, 30.0, 47.0, 52.0, 75.0, 80.0, 88.0, 90.0];

    fn near(found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= tolerance, "{found} {expected}");
        }
    }

    #[test]
    fn the_worked_example_of_four_parameters_comes_out() {
        let fit = fit_logistic(Curve::Logistic4, &X, &Y).expect("legal");
        near(&fit.beta, &[91.9477077, 10.2314967, 0.5360019, 0.1148828], 1e-6);
        near(&[fit.sse, fit.rmse], &[22.6262663, 1.5042030], 1e-7);
        near(&[fit.plcc.expect("defined")], &[0.9986560], 1e-7);
        near(&[fit.plcc_raw.expect("defined")], &[0.9811572], 1e-7);
        let fitted = [
            12.0279872, 16.4907034, 19.5161146, 32.0522193, 44.7394410, 53.5757371, 73.7980287,
            80.9664576, 88.0512904, 89.7820208,
        ];
        near(&fit.fitted, &fitted, 1e-6);
        assert_eq!((fit.status, fit.converged, fit.monotone), (Status::Curve, true, true));
        assert_eq!(fit.direction(), 1);
    }

    #[test]
    fn the_worked_example_of_five_parameters_comes_out() {
        let fit = fit_logistic(Curve::Logistic5, &X, &Y).expect("legal");
        near(&[fit.sse], &[22.1139330], 1e-6);
        near(&[fit.plcc.expect("defined")], &[0.9986864], 1e-7);
        near(&fit.beta, &[66.11795, 10.12166, 0.5357823, 16.34949, 42.33185], 1e-3);
        assert_eq!((fit.status, fit.converged, fit.monotone), (Status::Curve, true, true));
        // The parameters describe the fitted values.
        let beta = <[f64; 5]>::try_from(fit.beta).expect("five");
        near(&X.map(|x| logistic5(x, beta)), &fit.fitted, 1e-9);
    }

    #[test]
    fn falling_data_have_b1_below_b2_and_a_positive_width() {
        let falling: Vec<f64> = Y.iter().map(|y| 100.0 - y).collect();
        let fit = fit_logistic(Curve::Logistic4, &X, &falling).expect("legal");
        assert!(fit.beta[0] < fit.beta[1] && fit.beta[3] > 0.0, "{:?}", fit.beta);
        assert_eq!(fit.direction(), -1);
        let five = fit_logistic(Curve::Logistic5, &X, &falling).expect("legal");
        assert!(five.beta[1] >= 0.0);
        assert!(fit.plcc.expect("defined") > 0.99); // why the direction stands beside it
    }

    #[test]
    fn the_fit_does_not_see_scale_and_offset() {
        let plain = fit_logistic(Curve::Logistic4, &X, &Y).expect("legal");
        for scale in [1e-200, 1e-6, 1e6, 1e140] {
            let x: Vec<f64> = X.iter().map(|x| (x - 7.0) * scale).collect();
            let y: Vec<f64> = Y.iter().map(|y| (y + 3.0) * scale).collect();
            let fit = fit_logistic(Curve::Logistic4, &x, &y).expect("legal");
            near(&[fit.plcc.expect("defined")], &[plain.plcc.expect("defined")], 1e-9);
        }
    }

    #[test]
    fn constants_have_no_plcc_and_few_values_get_a_line() {
        let fit = fit_logistic(Curve::Logistic4, &[2.0; 3], &[1.0, 2.0, 6.0]).expect("legal");
        assert_eq!((fit.status, fit.plcc, fit.plcc_raw), (Status::Constant, None, None));
        assert_eq!(fit.fitted, [3.0; 3]);
        let fit = fit_logistic(Curve::Logistic5, &[1.0, 2.0], &[4.0, 4.0]).expect("legal");
        assert_eq!((fit.status, fit.fitted, fit.sse), (Status::Constant, vec![4.0; 2], 0.0));
        // Six values, but five distinct: a curve of four parameters, a line instead of five.
        let (x, y) = ([0.0, -0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 2.0, 4.0, 5.0, 5.5]);
        let status = |curve| fit_logistic(curve, &x, &y).expect("legal").status;
        assert_eq!(
            (status(Curve::Logistic4), status(Curve::Logistic5)),
            (Status::Curve, Status::Line)
        );
        assert_eq!(Status::Line.code(), 1);
        let line =
            fit_logistic(Curve::Logistic4, &[0.0, 1.0, 2.0], &[1.0, 0.0, 5.0]).expect("legal");
        near(&line.fitted, &[0.0, 2.0, 4.0], 1e-14);
        assert!(line.beta.is_empty() && line.monotone);
        assert_eq!(fit_logistic(Curve::Logistic4, &[], &[]), Err(StatsError::Empty));
    }

    #[test]
    fn a_curve_that_turns_says_so() {
        // Over a falling line a steep step: down, up, down.
        let x: Vec<f64> = (0..40).map(|i| f64::from(i) / 40.0).collect();
        let y: Vec<f64> = x.iter().map(|&x| logistic5(x, [3.0, 40.0, 0.5, -4.0, 1.0])).collect();
        let fit = fit_logistic(Curve::Logistic5, &x, &y).expect("legal");
        assert!(fit.sse < 1e-12 && !fit.monotone, "{fit:?}");
        assert!(fit_logistic(Curve::Logistic4, &x, &y).expect("legal").monotone);
    }

    #[test]
    fn far_ends_neither_overflow_nor_vanish() {
        assert_eq!(logistic4(1e9, [2.0, 1.0, 0.0, -1e-9]), 2.0);
        assert_eq!(logistic4(-1e9, [2.0, 1.0, 0.0, 1e-9]), 1.0);
        assert_eq!(logistic5(-1e9, [2.0, 9.0, 0.0, 0.0, 1.0]), 0.0);
    }

    proptest! {
        // Data without a curve need all 2000 passes.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_fit_is_never_worse_than_the_mean_and_never_nan(
            data in prop::collection::vec((-9_i8..9, -9.0..9.0_f64), 1..20),
        ) {
            // Whole predictions, so that ties and few distinct values come often.
            let x: Vec<f64> = data.iter().map(|p| f64::from(p.0)).collect();
            let y: Vec<f64> = data.iter().map(|p| p.1).collect();
            let mean = y.iter().sum::<f64>() / y.len() as f64;
            let around_mean: f64 = y.iter().map(|y| (y - mean) * (y - mean)).sum();
            for curve in [Curve::Logistic4, Curve::Logistic5] {
                let fit = fit_logistic(curve, &x, &y).expect("legal");
                prop_assert!(fit.sse <= around_mean * (1.0 + 1e-9) + 1e-12, "{fit:?}");
                let numbers = fit.beta.iter().chain(&fit.fitted).chain(&fit.plcc);
                prop_assert!(numbers.copied().all(f64::is_finite), "{fit:?}");
            }
        }
    }
}
