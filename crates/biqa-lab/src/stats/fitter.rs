//! The fitter `biqa-lm`: Levenberg-Marquardt from fixed starts (`papers/protocol.md`, 4.3).
//!
//! One result, the least one found, whatever the scales of the data: [`super::logistic`]
//! standardises both axes before and turns the parameters back afterwards.

use rayon::prelude::*;

/// A curve of N parameters: value and derivatives at one place.
pub(super) trait Model<const N: usize> {
    /// `f(u; b)` and its derivatives by `b`.
    fn value_and_slope(u: f64, b: &[f64; N]) -> (f64, [f64; N]);
}

/// Where a fit ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minimum<const N: usize> {
    /// The parameters.
    pub beta: [f64; N],
    /// The sum of squares there.
    pub squares: f64,
    /// Whether a rule of convergence stopped it, not the number of passes.
    pub converged: bool,
}

/// Passes of one start; a pass ends with an accepted step.
const PASSES: usize = 2000;
/// A later start has to be lower by this factor.
const LOWER: f64 = 1.0 - 1e-9;

/// The least minimum over the starts; the first of those that are equally low. The starts run side
/// by side and are compared in their order.
pub(super) fn least<M: Model<N>, const N: usize>(
    u: &[f64],
    v: &[f64],
    starts: &[[f64; N]],
) -> Option<Minimum<N>> {
    let ends: Vec<Minimum<N>> =
        starts.par_iter().map(|start| descend::<M, N>(u, v, *start)).collect();
    let mut best: Option<Minimum<N>> = None;
    for found in ends {
        if best.is_none_or(|best| found.squares < best.squares * LOWER) {
            best = Some(found);
        }
    }
    best
}

/// Levenberg-Marquardt from one start.
fn descend<M: Model<N>, const N: usize>(u: &[f64], v: &[f64], start: [f64; N]) -> Minimum<N> {
    let mut beta = start;
    let mut squares = sum_of_squares::<M, N>(u, v, &beta);
    let mut lambda = 1e-3;
    let mut small_gains = 0;
    let end = |beta, squares, converged| Minimum { beta, squares, converged };
    for _ in 0..PASSES {
        if squares <= 1e-26 * u.len() as f64 {
            return end(beta, squares, true);
        }
        let (gradient, normal) = normal_equations::<M, N>(u, v, &beta);
        let largest = (0..N).map(|k| normal[k][k]).fold(0.0, f64::max);
        let damping: [f64; N] = std::array::from_fn(|k| normal[k][k].max(1e-12 * largest));
        let steepest = (0..N)
            .map(|k| gradient[k].abs() / (damping[k].sqrt() * squares.sqrt()))
            .fold(0.0, f64::max);
        if steepest <= 1e-10 {
            return end(beta, squares, true);
        }
        // Raise lambda until a step goes down.
        let before = squares;
        loop {
            if lambda > 1e16 {
                return end(beta, squares, true); // no descent left
            }
            let mut damped = normal;
            for k in 0..N {
                damped[k][k] += lambda * damping[k];
            }
            if let Some(step) = solve(damped, gradient) {
                let tried: [f64; N] = std::array::from_fn(|k| beta[k] - step[k]);
                let there = sum_of_squares::<M, N>(u, v, &tried);
                if there.is_finite() && there < squares {
                    (beta, squares) = (tried, there);
                    lambda = (lambda / 10.0).max(1e-12);
                    break;
                }
            }
            lambda *= 10.0;
        }
        small_gains = if before - squares <= 1e-13 * before { small_gains + 1 } else { 0 };
        if small_gains == 5 {
            return end(beta, squares, true);
        }
    }
    end(beta, squares, false)
}

fn sum_of_squares<M: Model<N>, const N: usize>(u: &[f64], v: &[f64], beta: &[f64; N]) -> f64 {
    u.iter().zip(v).map(|(&u, v)| (M::value_and_slope(u, beta).0 - v).powi(2)).sum()
}

/// `J^T r` and the lower triangle of `J^T J` for the residuals `r = f - v`.
fn normal_equations<M: Model<N>, const N: usize>(
    u: &[f64],
    v: &[f64],
    beta: &[f64; N],
) -> ([f64; N], [[f64; N]; N]) {
    let mut gradient = [0.0; N];
    let mut normal = [[0.0; N]; N];
    for (&u, v) in u.iter().zip(v) {
        let (value, slope) = M::value_and_slope(u, beta);
        for k in 0..N {
            gradient[k] += slope[k] * (value - v);
            for l in 0..=k {
                normal[k][l] += slope[k] * slope[l];
            }
        }
    }
    (gradient, normal)
}

/// Solves `a x = b` by Cholesky's factors, `a` symmetric and read in its lower triangle; `None` when
/// it is not positive definite.
fn solve<const N: usize>(a: [[f64; N]; N], b: [f64; N]) -> Option<[f64; N]> {
    let mut lower = [[0.0; N]; N];
    for k in 0..N {
        for l in 0..=k {
            let rest = a[k][l] - (0..l).map(|i| lower[k][i] * lower[l][i]).sum::<f64>();
            if k == l {
                if !(rest > 0.0 && rest.is_finite()) {
                    return None;
                }
                lower[k][k] = rest.sqrt();
            } else {
                lower[k][l] = rest / lower[l][l];
            }
        }
    }
    let mut x = b;
    for k in 0..N {
        x[k] = (x[k] - (0..k).map(|i| lower[k][i] * x[i]).sum::<f64>()) / lower[k][k];
    }
    for k in (0..N).rev() {
        x[k] = (x[k] - (k + 1..N).map(|i| lower[i][k] * x[i]).sum::<f64>()) / lower[k][k];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A parabola: linear in its parameters, so the minimum is known.
    struct Parabola;

    impl Model<3> for Parabola {
        fn value_and_slope(u: f64, b: &[f64; 3]) -> (f64, [f64; 3]) {
            (b[0] + b[1] * u + b[2] * u * u, [1.0, u, u * u])
        }
    }

    #[test]
    fn a_curve_through_all_points_is_found() {
        let u: Vec<f64> = (0..7).map(f64::from).collect();
        let v: Vec<f64> = u.iter().map(|u| 3.0 - 2.0 * u + 0.5 * u * u).collect();
        let found = least::<Parabola, 3>(&u, &v, &[[0.0; 3], [1.0; 3]]).expect("starts");
        assert!(found.converged);
        for (found, expected) in found.beta.iter().zip([3.0, -2.0, 0.5]) {
            assert!((found - expected).abs() < 1e-9, "{found}");
        }
    }

    #[test]
    fn a_system_is_solved_and_an_indefinite_one_refused() {
        let x = solve([[4.0, 2.0], [2.0, 3.0]], [10.0, 9.0]).expect("positive definite");
        assert!((x[0] - 1.5).abs() < 1e-15 && (x[1] - 2.0).abs() < 1e-15);
        assert_eq!(solve([[1.0, 2.0], [2.0, 1.0]], [0.0, 0.0]), None);
        assert_eq!(solve([[f64::NAN]], [0.0]), None);
    }
}
