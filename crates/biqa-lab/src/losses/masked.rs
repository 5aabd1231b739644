//! Sums of exponentials over some entries of a row, in logarithms, so that nothing overflows.
//!
//! Shapes: `b` rows, `n` columns.

use burn::tensor::{Tensor, TensorData};

/// Stands for the logarithm of 0: finite, so that a row without entries has no NaN in it.
pub const LOG_ZERO: f32 = -1e30;

/// `ln sum_j e^x_ij` over the entries that `taken` marks, `[b, n] -> [b, 1]`; about [`LOG_ZERO`]
/// where a row has none. `taken` is row-major; its length must be `b n`.
pub fn log_sum_exp(x: Tensor<2>, taken: &[bool]) -> Tensor<2> {
    let others: Vec<bool> = taken.iter().map(|t| !t).collect();
    let others = Tensor::from_data(TensorData::new(others, x.dims()), &x.device());
    let x = x.mask_fill(others, LOG_ZERO);
    let top = x.clone().max_dim(1).detach();
    (x - top.clone()).exp().sum_dim(1).log() + top
}

/// `ln(1 + e^x)`, without overflow.
pub fn softplus(x: Tensor<2>) -> Tensor<2> {
    let size = x.clone().abs();
    // max(x, 0) by halves: its slope at 0, where that of `size` is 0, is the 1/2 of the function.
    (x + size.clone()) * 0.5 + (size * -1.0).exp().log1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::weights::host;
    use burn::tensor::Device;

    #[test]
    fn sums_are_over_the_marked_entries_and_large_ones_do_not_overflow() {
        let x = Tensor::from_data([[1.0, 2.0, 500.0], [1.0, 2.0, 500.0]], &Device::flex());
        let found = host(&log_sum_exp(x, &[true, true, false, false, false, true]));
        assert!((found[0] - 2.3132617).abs() < 1e-5, "{found:?}");
        assert_eq!(found[1], 500.0);
    }

    #[test]
    fn a_row_without_entries_is_finite_and_tiny() {
        let x = Tensor::from_data([[1.0, 2.0]], &Device::flex());
        let found = host(&log_sum_exp(x, &[false, false]));
        assert!(found[0].is_finite() && found[0] < -1e29, "{found:?}");
    }

    #[test]
    fn softplus_keeps_both_tails() {
        let x = Tensor::from_data([[0.0, 300.0, -20.0, LOG_ZERO]], &Device::flex());
        let found = host(&softplus(x));
        assert!((found[0] - std::f32::consts::LN_2).abs() < 1e-6);
        assert_eq!(found[1], 300.0);
        assert!((found[2] / 2.0611537e-9 - 1.0).abs() < 1e-5, "{found:?}");
        assert_eq!(found[3], 0.0);
    }

    /// Equal similarities give 0 exactly.
    #[test]
    fn the_slope_of_softplus_is_the_logistic_function_at_0_too() {
        let x = Tensor::from_data([[0.0, 2.0, -2.0, 300.0, LOG_ZERO]], &Device::flex().autodiff());
        let x = x.require_grad();
        let grads = softplus(x.clone()).sum().backward();
        let found = host(&x.grad(&grads).expect("a gradient"));
        for (found, expected) in found.iter().zip([0.5, 0.880797, 0.119203, 1.0, 0.0]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
