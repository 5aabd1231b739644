//! Ridge regression on frozen features: what a linear layer could read out of them.
//!
//! Columns are standardised by the rows that are fitted, so that the scale of a network's features
//! does not decide. Beside [`crate::stats::Ridge`] it solves the dual form, because there are more
//! features than rows, for many targets at once, and chooses the penalty by leaving one row out.

/// Penalties over the mean of the kernel's diagonal.
const PENALTIES: [f64; 5] = [1e-3, 1e-2, 1e-1, 1.0, 10.0];
/// A column that varies less is left out.
const FLAT: f64 = 1e-9;
/// Lanes of a sum of products: a fixed order of additions that the machine can do side by side.
const LANES: usize = 8;

/// Fits `targets` (a row of several numbers each) to `features`, and gives what it makes of
/// `others`. `None` where there are fewer than two rows or a number is none.
pub(super) fn ridge(
    features: &[Vec<f32>],
    targets: &[Vec<f64>],
    others: &[Vec<f32>],
) -> Option<Vec<Vec<f64>>> {
    let (n, t) = (features.len(), targets.first()?.len());
    let finite = |rows: &[Vec<f32>]| rows.iter().flatten().all(|v| v.is_finite());
    if n < 2 || targets.len() != n || !finite(features) || !finite(others) {
        return None;
    }
    let scaling = Scaling::of(features);
    let rows: Vec<Vec<f64>> = features.iter().map(|row| scaling.apply(row)).collect();
    let means: Vec<f64> =
        (0..t).map(|k| targets.iter().map(|row| row[k]).sum::<f64>() / n as f64).collect();
    let centred: Vec<Vec<f64>> =
        (0..t).map(|k| targets.iter().map(|row| row[k] - means[k]).collect()).collect();

    // In its dual form: as many unknowns as rows, however many features there are.
    let kernel: Vec<Vec<f64>> =
        (0..n).map(|i| (0..=i).map(|j| dot(&rows[i], &rows[j])).collect()).collect();
    let trace: f64 = (0..n).map(|i| kernel[i][i]).sum();
    let fits = PENALTIES.iter().filter_map(|p| Fit::new(&kernel, p * trace / n as f64, &centred));
    let best = fits.reduce(|best, fit| if fit.error < best.error { fit } else { best })?;
    let predict = |other: &Vec<f32>| {
        let other = scaling.apply(other);
        let near: Vec<f64> = rows.iter().map(|row| dot(row, &other)).collect();
        (0..t).map(|k| means[k] + dot(&near, &best.weights[k])).collect()
    };
    Some(others.iter().map(predict).collect())
}

/// Mean and spread of every column.
struct Scaling {
    mean: Vec<f64>,
    factor: Vec<f64>,
}

impl Scaling {
    fn of(rows: &[Vec<f32>]) -> Self {
        let (n, d) = (rows.len() as f64, rows[0].len());
        let mean: Vec<f64> =
            (0..d).map(|c| rows.iter().map(|row| f64::from(row[c])).sum::<f64>() / n).collect();
        let spread = |c: usize| {
            let squares = rows.iter().map(|row| (f64::from(row[c]) - mean[c]).powi(2));
            (squares.sum::<f64>() / n).sqrt()
        };
        let factor = (0..d).map(spread).map(|s| if s > FLAT { 1.0 / s } else { 0.0 }).collect();
        Self { mean, factor }
    }

    fn apply(&self, row: &[f32]) -> Vec<f64> {
        let scale = row.iter().zip(&self.mean).zip(&self.factor);
        scale.map(|((&v, m), f)| (f64::from(v) - m) * f).collect()
    }
}

struct Fit {
    /// A weight for every row, target by target.
    weights: Vec<Vec<f64>>,
    /// Sum of squares of what each row is missed by when it is left out.
    error: f64,
}

impl Fit {
    /// `(K + penalty I)^-1 y` of centred features and targets; `None` where that has no inverse.
    fn new(kernel: &[Vec<f64>], penalty: f64, targets: &[Vec<f64>]) -> Option<Self> {
        let n = kernel.len();
        let lower = cholesky(kernel, penalty)?;
        let inverse = inverted(&lower);
        // G = L^-T L^-1: its diagonal is the columns' squares of L^-1. The mean is fitted, too, and is
        // another one without the row: that takes 1 / (n penalty) off, because K sends ones to 0.
        let mut diagonal = vec![0.0; n];
        for row in &inverse {
            for (sum, v) in diagonal.iter_mut().zip(row) {
                *sum += v * v;
            }
        }
        let weights: Vec<Vec<f64>> = targets
            .iter()
            .map(|y| {
                let mut weights = vec![0.0; n];
                for row in &inverse {
                    let z = dot(row, &y[..row.len()]);
                    for (w, v) in weights.iter_mut().zip(row) {
                        *w += v * z;
                    }
                }
                weights
            })
            .collect();
        let mean = 1.0 / (n as f64 * penalty);
        let missed =
            weights.iter().flat_map(|w| w.iter().zip(&diagonal).map(|(w, g)| w / (g - mean)));
        let error = missed.map(|e| e * e).sum::<f64>();
        error.is_finite().then_some(Self { weights, error })
    }
}

/// The lower factor of `K + penalty I`, of which the lower half is given.
fn cholesky(kernel: &[Vec<f64>], penalty: f64) -> Option<Vec<Vec<f64>>> {
    let mut lower: Vec<Vec<f64>> = Vec::with_capacity(kernel.len());
    for (i, row) in kernel.iter().enumerate() {
        let mut new = Vec::with_capacity(i + 1);
        for (j, other) in lower.iter().enumerate() {
            let v = (row[j] - dot(&new[..j], &other[..j])) / other[j];
            new.push(v);
        }
        let square = row[i] + penalty - dot(&new, &new);
        if square.is_nan() || square <= 0.0 {
            return None;
        }
        new.push(square.sqrt());
        lower.push(new);
    }
    Some(lower)
}

/// The inverse of a lower triangle.
fn inverted(lower: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut inverse: Vec<Vec<f64>> = Vec::with_capacity(lower.len());
    for (i, row) in lower.iter().enumerate() {
        let mut new = vec![0.0; i + 1];
        for (known, factor) in inverse.iter().zip(row) {
            for (v, k) in new.iter_mut().zip(known) {
                *v -= factor * k;
            }
        }
        new[i] = 1.0;
        for v in &mut new {
            *v /= row[i];
        }
        inverse.push(new);
    }
    inverse
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a_parts, a_rest) = a.as_chunks::<LANES>();
    let (b_parts, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_parts.iter().zip(b_parts) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::random::stream;

    fn rows(n: usize, d: usize, seed: u64) -> Vec<Vec<f32>> {
        let mut draws = stream(seed, "rows", 0);
        (0..n).map(|_| (0..d).map(|_| draws.uniform(-1.0, 1.0)).collect()).collect()
    }

    fn line(row: &[f32]) -> Vec<f64> {
        vec![3.0 + 2.0 * f64::from(row[0]) - f64::from(row[2]), 5.0]
    }

    #[test]
    fn a_line_is_found_with_more_rows_than_features_and_with_fewer() {
        let others = rows(5, 9, 8);
        for n in [60, 12] {
            let known = rows(n, 9, 7);
            let targets: Vec<Vec<f64>> = known.iter().map(|row| line(row)).collect();
            let found = ridge(&known, &targets, &others).expect("a fit");
            for (found, row) in found.iter().zip(&others) {
                let tolerance = if n == 60 { 0.05 } else { 0.6 };
                assert!((found[0] - line(row)[0]).abs() < tolerance, "{n}: {found:?}");
                assert!((found[1] - 5.0).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_error_is_that_of_leaving_each_row_out() {
        let known = rows(6, 3, 1);
        let scaling = Scaling::of(&known);
        let scaled: Vec<Vec<f64>> = known.iter().map(|row| scaling.apply(row)).collect();
        let y = [1.0, -0.5, 0.25, 2.0, -1.0, 0.3];
        // Fitted to some of the rows, with their means; the spreads stay those of all.
        let fitted = |of: &[usize], penalty: f64| {
            let mean = |values: &dyn Fn(usize) -> f64| {
                of.iter().map(|&i| values(i)).sum::<f64>() / of.len() as f64
            };
            let middle: Vec<f64> = (0..3).map(|c| mean(&|i| scaled[i][c])).collect();
            let level = mean(&|i| y[i]);
            let centred = |i: usize| -> Vec<f64> {
                scaled[i].iter().zip(&middle).map(|(v, m)| v - m).collect()
            };
            let kernel: Vec<Vec<f64>> = (0..of.len())
                .map(|i| (0..=i).map(|j| dot(&centred(of[i]), &centred(of[j]))).collect())
                .collect();
            let targets = vec![of.iter().map(|&i| y[i] - level).collect::<Vec<f64>>()];
            let fit = Fit::new(&kernel, penalty, &targets).expect("a fit");
            let predicted: Vec<f64> = (0..6)
                .map(|other| {
                    let near: Vec<f64> =
                        of.iter().map(|&i| dot(&centred(i), &centred(other))).collect();
                    level + dot(&near, &fit.weights[0])
                })
                .collect();
            (fit.error, predicted)
        };
        let all: Vec<usize> = (0..6).collect();
        for penalty in [0.01, 0.7] {
            let (stated, _) = fitted(&all, penalty);
            let mut error = 0.0;
            for (left, y) in y.iter().enumerate() {
                let of: Vec<usize> = all.iter().copied().filter(|&i| i != left).collect();
                error += (y - fitted(&of, penalty).1[left]).powi(2);
            }
            assert!((stated - error).abs() < 1e-9 * error, "{penalty}: {stated} and {error}");
        }
    }

    #[test]
    fn a_flat_column_and_numbers_that_are_none_do_no_harm() {
        let mut known = rows(20, 4, 3);
        for row in &mut known {
            row[3] = 1e6;
        }
        let targets: Vec<Vec<f64>> = known.iter().map(|row| line(row)).collect();
        assert!(ridge(&known, &targets, &known).expect("a fit")[0][0].is_finite());
        known[2][1] = f32::NAN;
        assert!(ridge(&known, &targets, &known).is_none());
        assert!(ridge(&[], &[], &[]).is_none());
    }
}
