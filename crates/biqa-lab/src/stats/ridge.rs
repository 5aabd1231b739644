//! Ridge regression: what a linear model makes of features, as a bar for networks that are trained.

use super::StatsError;

/// A linear model of standardised features.
#[derive(Clone, Debug)]
pub struct Ridge {
    /// By feature: its mean, and what its difference to the mean is multiplied by.
    features: Vec<(f64, f64)>,
    intercept: f64,
}

impl Ridge {
    /// Fits `y` by rows of features, once for every penalty `p`: the least
    /// `mean((y - f(x))^2) + p |w|^2`, where `w` weighs features of mean 0 and deviation 1. A feature
    /// that never changes has no part.
    ///
    /// # Errors
    /// No rows, rows of different lengths, a number that is not finite, a penalty that is not above
    /// 0.
    pub fn path(x: &[Vec<f64>], y: &[f64], penalties: &[f64]) -> Result<Vec<Self>, StatsError> {
        let (n, d) = (x.len(), x.first().map_or(0, Vec::len));
        if n != y.len() {
            return Err(StatsError::Lengths { x_len: n, y_len: y.len(), index: n.min(y.len()) });
        }
        let numbers = || x.iter().flatten().chain(y).chain(penalties);
        let fits = x.iter().all(|row| row.len() == d) && penalties.iter().all(|&p| p > 0.0);
        if n == 0 || !fits || numbers().any(|v| !v.is_finite()) {
            return Err(StatsError::Features);
        }
        let count = n as f64;
        let mean = |of: &dyn Fn(usize) -> f64| (0..n).map(of).sum::<f64>() / count;
        let standard: Vec<(f64, f64)> = (0..d)
            .map(|j| {
                let m = mean(&|i| x[i][j]);
                let deviation = mean(&|i| (x[i][j] - m).powi(2)).sqrt();
                let is_constant = deviation <= 1e-12 * m.abs().max(1e-300);
                (m, if is_constant { 0.0 } else { 1.0 / deviation })
            })
            .collect();
        let columns: Vec<Vec<f64>> = standard
            .iter()
            .enumerate()
            .map(|(j, (m, s))| x.iter().map(|row| (row[j] - m) * s).collect())
            .collect();
        let middle = mean(&|i| y[i]);
        let centred: Vec<f64> = y.iter().map(|v| v - middle).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / count;
        // The lower triangle of X^T X / n, row by row.
        let gram: Vec<Vec<f64>> =
            (0..d).map(|j| (0..=j).map(|k| dot(&columns[j], &columns[k])).collect()).collect();
        let right: Vec<f64> = columns.iter().map(|column| dot(column, &centred)).collect();
        let model = |&penalty: &f64| {
            let weights = solve(gram.clone(), penalty, &right);
            let features: Vec<(f64, f64)> =
                standard.iter().zip(weights).map(|((m, s), w)| (*m, s * w)).collect();
            Self { features, intercept: middle }
        };
        Ok(penalties.iter().map(model).collect())
    }

    /// What it makes of a row of features.
    pub fn predict(&self, row: &[f64]) -> f64 {
        let parts = self.features.iter().zip(row).map(|((mean, w), x)| (x - mean) * w);
        self.intercept + parts.sum::<f64>()
    }
}

/// Solves `(a + penalty I) w = b` by Cholesky's factors; `a` is a positive semidefinite lower
/// triangle.
fn solve(mut a: Vec<Vec<f64>>, penalty: f64, b: &[f64]) -> Vec<f64> {
    let d = b.len();
    for j in 0..d {
        let (above, row) = a.split_at_mut(j);
        let row = &mut row[0];
        row[j] += penalty;
        for k in 0..j {
            let taken: f64 = row[..k].iter().zip(&above[k]).map(|(x, y)| x * y).sum();
            row[k] = (row[k] - taken) / above[k][k];
        }
        let taken: f64 = row[..j].iter().map(|x| x * x).sum();
        row[j] = (row[j] - taken).max(f64::MIN_POSITIVE).sqrt();
    }
    let mut w = b.to_vec();
    for j in 0..d {
        let taken: f64 = a[j][..j].iter().zip(&w).map(|(x, y)| x * y).sum();
        w[j] = (w[j] - taken) / a[j][j];
    }
    for j in (0..d).rev() {
        w[j] /= a[j][j];
        let (before, solved) = w.split_at_mut(j);
        for (w, x) in before.iter_mut().zip(&a[j]) {
            *w -= x * solved[0];
        }
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: &[&[f64]]) -> Vec<Vec<f64>> {
        (0..columns[0].len()).map(|i| columns.iter().map(|c| c[i]).collect()).collect()
    }

    #[test]
    fn one_feature_is_shrunk_by_its_penalty() {
        // Deviation 1 and mean 2: w = cov / (1 + penalty).
        let models =
            Ridge::path(&rows(&[&[1.0, 3.0]]), &[10.0, 14.0], &[1e-12, 1.0, 3.0]).expect("a fit");
        let at = |model: &Ridge| model.predict(&[3.0]);
        let expected = [14.0, 13.0, 12.5];
        for (model, expected) in models.iter().zip(expected) {
            assert!((at(model) - expected).abs() < 1e-9, "{} and {expected}", at(model));
        }
    }

    #[test]
    fn a_plane_is_found_and_a_constant_feature_has_no_part() {
        let x = rows(&[&[0.0, 1.0, 2.0, 5.0, 3.0], &[1.0, -1.0, 4.0, 0.0, 2.0], &[7.0; 5]]);
        let y: Vec<f64> = x.iter().map(|r| 2.0 * r[0] - 3.0 * r[1] + 5.0).collect();
        let model = &Ridge::path(&x, &y, &[1e-12]).expect("a fit")[0];
        for (row, y) in x.iter().zip(&y) {
            assert!((model.predict(row) - y).abs() < 1e-6);
        }
        assert!((model.predict(&[1.0, 1.0, 1e9]) - 4.0).abs() < 1e-6);
    }

    /// More features than rows: the gradient of what is minimised vanishes.
    #[test]
    fn its_gradient_vanishes_where_features_outnumber_rows() {
        let wave = |i: usize, j: usize| ((i * 7 + j * 3) as f64 * 0.37).sin();
        let x: Vec<Vec<f64>> = (0..6).map(|i| (0..9).map(|j| wave(i, j)).collect()).collect();
        let y: Vec<f64> = (0..6).map(|i| wave(i, 20)).collect();
        let penalty = 0.1;
        let model = &Ridge::path(&x, &y, &[penalty]).expect("a fit")[0];
        for j in 0..9 {
            let column: Vec<f64> = x.iter().map(|row| row[j]).collect();
            let mean = column.iter().sum::<f64>() / 6.0;
            let deviation = (column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
            let pull: f64 = (0..6)
                .map(|i| (y[i] - model.predict(&x[i])) * (column[i] - mean) / deviation / 6.0)
                .sum();
            let weight = model.features[j].1 * deviation;
            assert!((pull - penalty * weight).abs() < 1e-9, "{j}: {pull}");
        }
    }

    #[test]
    fn what_is_no_table_of_numbers_is_refused() {
        for (x, penalty) in [
            (vec![], 1.0),
            (vec![vec![1.0], vec![1.0, 2.0]], 1.0),
            (vec![vec![f64::NAN], vec![1.0]], 1.0),
            (vec![vec![1.0], vec![2.0]], 0.0),
        ] {
            let y = vec![1.0; x.len()];
            assert!(Ridge::path(&x, &y, &[penalty]).is_err(), "{x:?}");
        }
        assert!(Ridge::path(&[vec![1.0]], &[1.0, 2.0], &[1.0]).is_err());
    }
}
