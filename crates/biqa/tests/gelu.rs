//! `gelu` with its hand-written gradient equals Burn's own.
#![cfg(feature = "train")]

use biqa::nn::gelu::gelu;
use biqa::weights::host;
use burn::tensor::{Device, Tensor, TensorData, activation};

/// Largest difference, as a share of the input where that is above 1.
const TOLERANCE: f32 = 3e-7;

/// Output and gradient of `sum(y * y)` at numbers from -12 to 12, and a few odd ones.
fn found(f: fn(Tensor<1>) -> Tensor<1>) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let mut x: Vec<f32> = (-120_000..=120_000).map(|i| i as f32 * 1e-4).collect();
    x.extend([0.0, -0.0, 1e-30, -1e-30, 1e10, -1e10, f32::MAX, f32::MIN]);
    let n = x.len();
    let device = Device::flex().autodiff();
    let input = Tensor::from_data(TensorData::new(x.clone(), [n]), &device).require_grad();
    let y = f(input.clone());
    let grads = y.clone().sum().backward();
    let grad = input.grad(&grads).expect("it is asked for");
    (x, host(&y), host(&grad))
}

#[test]
fn gelu_and_its_gradient_are_burns_own() {
    let (x, y, grad) = found(gelu);
    let (_, expected_y, expected_grad) = found(activation::gelu);
    for i in 0..x.len() {
        for (what, a, b) in
            [("value", y[i], expected_y[i]), ("gradient", grad[i], expected_grad[i])]
        {
            let close = (a - b).abs() <= TOLERANCE * x[i].abs().max(1.0);
            assert!(close || !b.is_finite(), "{what} at {}: {a}, not {b}", x[i]);
        }
    }
}

#[test]
fn gelu_does_not_depend_on_where_a_number_stands() {
    let (x, y, _) = found(gelu);
    for n in [1, 3, 17, 100] {
        let some = Tensor::<1>::from_data(TensorData::new(x[..n].to_vec(), [n]), &Device::flex());
        assert_eq!(host(&gelu(some)), y[..n], "{n} numbers");
    }
}
