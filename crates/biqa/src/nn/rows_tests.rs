//! Softmax and layer norm beside their definitions, Burn's own operations.

use super::*;
use crate::models::made::close;
use crate::weights::host;
use burn::tensor::{Device, TensorData};

/// Irregular numbers; the shape has a row length that no vector divides.
fn numbers(shape: [usize; 3], seed: f32) -> Tensor<3> {
    let n = shape.iter().product::<usize>();
    let data: Vec<f32> = (0..n).map(|i| 4.0 * (i as f32 * 0.73 + seed).sin()).collect();
    Tensor::from_data(TensorData::new(data, shape), &Device::flex())
}

fn vector(d: usize, seed: f32) -> Tensor<1> {
    numbers([1, 1, d], seed).reshape([d])
}

#[test]
fn softmax_is_burns_with_hidden_keys_at_zero_and_nan_where_a_number_is_none() {
    for d in [1, 3, 16, 197] {
        let x = numbers([3, 50, d], 0.1);
        let burns = burn::tensor::activation::softmax(x.clone(), 2);
        close(&host(&softmax(x)), &host(&burns), 1e-6);
    }
    let inf = f32::INFINITY;
    let rows = [[1.0, -inf, 1.0], [-200.0, 0.0, -inf], [-inf; 3], [f32::NAN, 0.0, 1.0]];
    let y = host(&softmax(Tensor::<2>::from_data(rows, &Device::flex())));
    assert_eq!(y[..6], [0.5, 0.0, 0.5, 0.0, 1.0, 0.0]);
    assert!(y[6..].iter().all(|v| v.is_nan()), "{y:?}");
}

#[test]
fn layer_norm_is_burns() {
    for d in [1, 3, 16, 197] {
        let (x, weight, bias) = (numbers([3, 50, d], 0.1), vector(d, 0.2), vector(d, 0.3));
        let ours = layer_norm(x.clone(), weight.clone(), bias.clone(), 1e-6);
        let burns = burn::tensor::module::layer_norm(x, weight, Some(bias), 1e-6);
        close(&host(&ours), &host(&burns), 2e-5);
    }
}

/// The backward passes of `Flex` against those of Burn's own operations.
#[cfg(feature = "train")]
#[test]
fn gradients_are_burns() {
    let device = Device::flex().autodiff();
    let on = |data: TensorData| Tensor::from_data(data, &device);
    for d in [1, 3, 16, 197] {
        let (factor, x) = (numbers([3, 50, d], 0.9), numbers([3, 50, d], 0.1));
        let factor = on(factor.into_data());
        let both = [true, false].map(|ours| {
            let x: Tensor<3> = on(x.clone().into_data()).require_grad();
            let weight: Tensor<1> =
                Tensor::from_data(vector(d, 0.2).into_data(), &device).require_grad();
            let bias: Tensor<1> =
                Tensor::from_data(vector(d, 0.3).into_data(), &device).require_grad();
            let (w, b) = (weight.clone(), bias.clone());
            let y = if ours {
                softmax(layer_norm(x.clone(), w, b, 1e-6))
            } else {
                let y = burn::tensor::module::layer_norm(x.clone(), w, Some(b), 1e-6);
                burn::tensor::activation::softmax(y, 2)
            };
            let grads = (y * factor.clone()).sum().backward();
            let of = "it has a gradient";
            let dx = host(&x.grad(&grads).expect(of));
            let d_weight = host(&weight.grad(&grads).expect(of));
            [dx, d_weight, host(&bias.grad(&grads).expect(of))]
        });
        for (ours, burns) in both[0].iter().zip(&both[1]) {
            close(ours, burns, 3e-4);
        }
    }
}
