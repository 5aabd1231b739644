//! SRCC, PLCC, KRCC and the errors (`papers/protocol.md`, section 3).

use super::{StatsError, check_pair, ranks};

/// Spearman's rank correlation: Pearson's of the average ranks. `None` for fewer than two values or
/// a constant. (The formula with the sum of squared differences is wrong with ties.)
pub fn srcc(x: &[f64], y: &[f64]) -> Result<Option<f64>, StatsError> {
    check_pair(x, y)?;
    Ok(srcc_unchecked(x, y))
}

/// Pearson's linear correlation in two passes. `None` for fewer than two values or a constant.
pub fn plcc(x: &[f64], y: &[f64]) -> Result<Option<f64>, StatsError> {
    check_pair(x, y)?;
    Ok(plcc_unchecked(x, y))
}

/// [`srcc`] of slices that were checked.
pub(super) fn srcc_unchecked(x: &[f64], y: &[f64]) -> Option<f64> {
    plcc_unchecked(&ranks(x), &ranks(y))
}

/// [`plcc`] of slices that were checked.
pub(super) fn plcc_unchecked(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() < 2 || is_constant(x) || is_constant(y) {
        return None;
    }
    let (dx, dy) = (scaled_deviations(x), scaled_deviations(y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (dx, dy) in dx.iter().zip(&dy) {
        xy += dx * dy;
        xx += dx * dx;
        yy += dy * dy;
    }
    let denominator = (xx * yy).sqrt();
    // 0 only where the values differ by less than their mean can resolve.
    (denominator > 0.0).then(|| (xy / denominator).clamp(-1.0, 1.0))
}

/// All values equal up to the sign of zero; tested before any arithmetic, so that a nearly constant
/// vector counts as defined.
fn is_constant(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// Deviations from the mean, divided by the largest of them, so that 1e-200 and 1e200 neither
/// underflow nor overflow when squared.
fn scaled_deviations(values: &[f64]) -> Vec<f64> {
    let n = values.len() as f64;
    let sum: f64 = values.iter().sum();
    // The sum of huge values may overflow where their mean does not.
    let mean = if sum.is_finite() { sum / n } else { values.iter().map(|v| v / n).sum() };
    let mut deviations: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let largest = deviations.iter().fold(0.0_f64, |largest, d| largest.max(d.abs()));
    if largest > 0.0 && largest.is_finite() {
        for deviation in &mut deviations {
            *deviation /= largest;
        }
    }
    deviations
}

/// Kendall's tau-b with the counts it is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kendall {
    /// `s / sqrt((n0 - ties_x)(n0 - ties_y))`; `None` when a factor is 0.
    pub value: Option<f64>,
    /// Concordant minus discordant pairs.
    pub s: i64,
    /// All pairs.
    pub n0: i64,
    /// Pairs tied in x.
    pub ties_x: i64,
    /// Pairs tied in y.
    pub ties_y: i64,
    /// Pairs tied in both.
    pub ties_xy: i64,
}

/// Kendall's tau-b in O(n log n), after Knight (1966).
pub fn krcc(x: &[f64], y: &[f64]) -> Result<Kendall, StatsError> {
    check_pair(x, y)?;
    let n = x.len() as i64;
    let mut pairs: Vec<(f64, f64)> = x.iter().zip(y).map(|(x, y)| (x + 0.0, y + 0.0)).collect();
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));

    let ties_x = tied_pairs(&pairs, |a, b| a.0 == b.0);
    let ties_xy = tied_pairs(&pairs, |a, b| a == b);
    let mut labels: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let exchanges = sort_counting_exchanges(&mut labels);
    let ties_y = tied_pairs(&labels, |a, b| a == b);

    let n0 = n * (n - 1).max(0) / 2;
    let s = n0 - ties_x - ties_y + ties_xy - 2 * exchanges;
    let (factor_x, factor_y) = (n0 - ties_x, n0 - ties_y);
    let value = (factor_x > 0 && factor_y > 0)
        .then(|| (s as f64 / (factor_x as f64).sqrt() / (factor_y as f64).sqrt()).clamp(-1.0, 1.0));
    Ok(Kendall { value, s, n0, ties_x, ties_y, ties_xy })
}

/// Pairs within the runs of equal neighbours.
fn tied_pairs<T>(sorted: &[T], equal: impl Fn(&T, &T) -> bool) -> i64 {
    sorted.chunk_by(equal).map(|run| run.len() as i64 * (run.len() as i64 - 1) / 2).sum()
}

/// Sorts by stable merging and returns how many pairs stood strictly out of order.
fn sort_counting_exchanges(values: &mut [f64]) -> i64 {
    let mut exchanges = 0;
    let mut buffer = values.to_vec();
    let mut width = 1;
    while width < values.len() {
        for (source, target) in values.chunks(2 * width).zip(buffer.chunks_mut(2 * width)) {
            let (left, right) = source.split_at(width.min(source.len()));
            let (mut i, mut j) = (0, 0);
            for slot in target {
                if j == right.len() || (i < left.len() && left[i] <= right[j]) {
                    *slot = left[i];
                    i += 1;
                } else {
                    *slot = right[j];
                    j += 1;
                    exchanges += (left.len() - i) as i64;
                }
            }
        }
        values.copy_from_slice(&buffer);
        width *= 2;
    }
    exchanges
}

/// Errors of `x - y`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    /// Mean absolute error.
    pub mae: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Root of the mean squared error.
    pub rmse: f64,
}

/// Mean absolute, mean squared and root mean squared error of `x - y`, divided by n.
pub fn errors(x: &[f64], y: &[f64]) -> Result<Errors, StatsError> {
    check_pair(x, y)?;
    if x.is_empty() {
        return Err(StatsError::Empty);
    }
    let n = x.len() as f64;
    let mae = x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum::<f64>() / n;
    let mse = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>() / n;
    Ok(Errors { mae, mse, rmse: mse.sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const X: [f64; 5] = [0.1, 0.4, 0.35, 0.8, 0.35];
    const Y: [f64; 5] = [10.0, 40.0, 30.0, 80.0, 50.0];

    fn close(found: Option<f64>, expected: f64) {
        let found = found.expect("defined");
        assert!((found - expected).abs() < 1e-14, "{found} {expected}");
    }

    #[test]
    fn the_worked_examples_come_out() {
        close(srcc(&X, &Y).expect("legal"), 0.820782681668123);
        close(plcc(&X, &Y).expect("legal"), 0.956318421053673);
        let kendall = krcc(&X, &Y).expect("legal");
        close(kendall.value, 0.737864787372622);
        assert_eq!((kendall.s, kendall.n0, kendall.ties_x, kendall.ties_y), (7, 10, 1, 0));

        let (x, y) = ([1.0, 2.0, 2.0, 4.0], [1.0, 3.0, 3.0, 2.0]);
        close(srcc(&x, &y).expect("legal"), 1.0 / 3.0);
        let kendall = krcc(&x, &y).expect("legal");
        close(kendall.value, 0.2);
        assert_eq!((kendall.s, kendall.ties_x, kendall.ties_y, kendall.ties_xy), (1, 1, 1, 1));
    }

    #[test]
    fn constants_and_single_values_are_undefined() {
        assert_eq!(srcc(&[1.0], &[2.0]), Ok(None));
        assert_eq!(srcc(&[], &[]), Ok(None));
        assert_eq!(plcc(&[0.0, -0.0], &[1.0, 2.0]), Ok(None));
        assert_eq!(krcc(&[1.0, 2.0], &[3.0, 3.0]).expect("legal").value, None);
    }

    #[test]
    fn a_nearly_constant_vector_is_defined() {
        let x = [1.0, 1.0 + f64::EPSILON, 1.0];
        assert!(plcc(&x, &[1.0, 2.0, 1.0]).expect("legal").is_some());
    }

    #[test]
    fn extreme_magnitudes_neither_underflow_nor_overflow() {
        for scale in [1e-200, 1e200, 1e308] {
            let x = [1.0, 2.0, 3.0, 4.0].map(|v| v / 4.0 * scale);
            close(plcc(&x, &[1.0, 3.0, 2.0, 4.0]).expect("legal"), 0.8);
        }
    }

    #[test]
    fn errors_of_nothing_are_an_error() {
        assert_eq!(errors(&[], &[]), Err(StatsError::Empty));
        let found = errors(&[1.0, 2.0], &[2.0, 5.0]).expect("legal");
        assert_eq!(found, Errors { mae: 2.0, mse: 5.0, rmse: 5.0_f64.sqrt() });
    }

    proptest! {
        #[test]
        fn kendall_equals_the_count_over_all_pairs(
            data in prop::collection::vec((0_i8..6, 0_i8..6), 0..60),
        ) {
            let x: Vec<f64> = data.iter().map(|p| f64::from(p.0)).collect();
            let y: Vec<f64> = data.iter().map(|p| f64::from(p.1)).collect();
            let mut s = 0;
            for i in 0..x.len() {
                for j in 0..i {
                    s += ((x[i] - x[j]) * (y[i] - y[j])).partial_cmp(&0.0).map_or(0, |o| o as i64);
                }
            }
            prop_assert_eq!(krcc(&x, &y).expect("legal").s, s);
        }

        #[test]
        fn srcc_does_not_see_a_rising_change_of_scale(
            data in prop::collection::vec((-9.0..9.0_f64, -9.0..9.0_f64), 2..40),
        ) {
            let x: Vec<f64> = data.iter().map(|p| p.0).collect();
            let y: Vec<f64> = data.iter().map(|p| p.1).collect();
            let cubed: Vec<f64> = x.iter().map(|v| v * 8.0).collect();
            prop_assert_eq!(srcc(&x, &y), srcc(&cubed, &y));
        }
    }
}
