//! Losses that compare predictions with opinion scores.
//!
//! Shapes: `b` images. Every loss is a scalar `[1]`.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, softplus};

/// Keeps the correlation's denominator away from 0.
const CORRELATION_EPS: f64 = 1e-8;

/// Smooth L1, mean over the batch (papers/deiqt.md, eq. 10):
/// `s(u) = u^2 / (2 beta)` where `|u| < beta`, else `|u| - beta / 2`; with a `beta` of 0, [`l1`].
pub fn smooth_l1(prediction: Tensor<1>, target: Tensor<1>, beta: f64) -> Tensor<1> {
    if beta as f32 <= 0.0 {
        return l1(prediction, target);
    }
    let u = (prediction - target).abs();
    // min(u, beta)^2 / (2 beta) + (u - min(u, beta)): both branches in one, the same slope at beta.
    let low = u.clone().clamp_max(beta);
    let linear = u - low.clone();
    (low.clone() * low / (2.0 * beta) + linear).mean()
}

/// The mean absolute error (papers/glintiqa.md, eq. 8).
pub fn l1(prediction: Tensor<1>, target: Tensor<1>) -> Tensor<1> {
    (prediction - target).abs().mean()
}

/// `1 - r`, r = Pearson's correlation of the batch.
pub fn one_minus_plcc(prediction: Tensor<1>, target: Tensor<1>) -> Tensor<1> {
    let x = prediction.clone() - prediction.mean();
    let y = target.clone() - target.mean();
    let scale =
        ((x.clone() * x.clone()).sum() * (y.clone() * y.clone()).sum() + CORRELATION_EPS).sqrt();
    ((x * y).sum() / scale) * -1.0 + 1.0
}

/// Pairs of the batch whose labels differ by more than `gap`: mean of
/// `softplus(-(p_i - p_j) / tau) * tau` over pairs with `y_i > y_j` (RankNet's logistic loss).
pub fn pairwise_rank(prediction: Tensor<1>, target: Tensor<1>, gap: f64, tau: f64) -> Tensor<1> {
    let [b] = prediction.dims();
    let dp = prediction.clone().reshape([b, 1]) - prediction.reshape([1, b]);
    let dy = target.clone().reshape([b, 1]) - target.reshape([1, b]);
    let pairs = dy.greater_elem(gap).float(); // [b, b]
    let loss = softplus(dp / -tau, 1.0) * tau * pairs.clone();
    loss.sum() / (pairs.sum() + CORRELATION_EPS)
}

/// `better` must score above `worse`, entry by entry, by `margin`: mean of
/// `max(0, margin - (better - worse))`.
pub fn ordered(better: Tensor<1>, worse: Tensor<1>, margin: f64) -> Tensor<1> {
    relu(worse - better + margin).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(values, &Device::flex())
    }

    fn value(loss: Tensor<1>) -> f32 {
        loss.into_scalar()
    }

    #[test]
    fn smooth_l1_gives_the_worked_example() {
        // papers/deiqt.md, section 12, item 8.
        let loss = smooth_l1(
            tensor(&[0.0, 1.5, -2.0, 3.0, 0.25]),
            tensor(&[0.5, 1.5, 1.0, 2.0, -0.75]),
            1.0,
        );
        assert!((value(loss) - 0.725).abs() < 1e-6);
    }

    #[test]
    fn smooth_l1_with_beta_zero_is_l1() {
        let (x, y) = ([1.0, -2.0, 4.0], [1.0, 1.0, 2.5]);
        for beta in [0.0, 1e-50] {
            assert_eq!(value(smooth_l1(tensor(&x), tensor(&y), beta)), 1.5);
        }
    }

    #[test]
    fn l1_is_the_mean_distance() {
        assert_eq!(value(l1(tensor(&[1.0, -2.0, 4.0]), tensor(&[1.0, 1.0, 2.5]))), 1.5);
    }

    #[test]
    fn a_rising_line_has_no_correlation_loss_and_a_falling_one_has_two() {
        let (x, y) = ([1.0, 2.0, 4.0], [10.0, 20.0, 40.0]);
        assert!(value(one_minus_plcc(tensor(&x), tensor(&y))).abs() < 1e-5);
        assert!((value(one_minus_plcc(tensor(&[4.0, 3.0, 1.0]), tensor(&y))) - 2.0).abs() < 1e-5);
    }

    #[test]
    fn constant_predictions_have_a_finite_correlation_loss() {
        let loss = value(one_minus_plcc(tensor(&[1.0, 1.0, 1.0]), tensor(&[1.0, 2.0, 3.0])));
        assert!((loss - 1.0).abs() < 1e-5);
    }

    #[test]
    fn pairs_within_the_gap_do_not_count() {
        let p = tensor(&[0.0, 1.0]);
        assert_eq!(value(pairwise_rank(p.clone(), tensor(&[0.5, 0.55]), 0.1, 1.0)), 0.0);
        let wrong = value(pairwise_rank(p.clone(), tensor(&[1.0, 0.0]), 0.1, 1.0));
        let right = value(pairwise_rank(p, tensor(&[0.0, 1.0]), 0.1, 1.0));
        assert!(wrong > right);
    }
}
