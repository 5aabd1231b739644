//! Batch normalisation beside its definition, Burn's own operations.

use super::*;
use crate::models::made::close;
use crate::weights::host;
use burn::tensor::{Device, TensorData};

const SHAPES: [[usize; 4]; 6] =
    [[1, 1, 1, 2], [2, 3, 1, 1], [5, 2, 1, 1], [3, 4, 5, 7], [2, 3, 16, 16], [4, 1, 9, 33]];
const EPS: f64 = 1e-5;

/// Irregular numbers around 3, as feature maps are that have a mean.
fn numbers<const D: usize>(shape: [usize; D], seed: f32, device: &Device) -> Tensor<D> {
    let n = shape.iter().product::<usize>();
    let data: Vec<f32> = (0..n).map(|i| 3.0 + 2.0 * (i as f32 * 0.73 + seed).sin()).collect();
    Tensor::from_data(TensorData::new(data, shape), device)
}

#[test]
fn output_and_statistics_are_burns() {
    let device = Device::flex();
    for shape in SHAPES {
        let c = shape[1];
        let (x, weight, bias) =
            (numbers(shape, 0.1, &device), numbers([c], 0.2, &device), numbers([c], 0.3, &device));
        let (y, mean, var) = batch_norm_train(x.clone(), weight.clone(), bias.clone(), EPS);
        let burns = burn::tensor::module::batch_norm_train(x, weight, bias, EPS);
        close(&host(&y), &host(&burns.output), 1e-4);
        close(&host(&mean), &host(&burns.mean), 1e-5);
        close(&host(&var), &host(&burns.variance), 1e-5);
    }
}

#[test]
fn a_batch_of_rows_is_one_of_maps_of_one_number() {
    let device = Device::flex();
    let x = numbers([5, 3], 0.1, &device);
    let affine = || (numbers([3], 0.2, &device), numbers([3], 0.3, &device));
    let ((w, b), (v, a)) = (affine(), affine());
    let (rows, ..) = batch_norm_train(x.clone(), w, b, EPS);
    let (maps, ..) = batch_norm_train(x.reshape([5, 3, 1, 1]), v, a, EPS);
    assert_eq!(host(&rows), host(&maps));
}

#[cfg(feature = "train")]
#[test]
fn gradients_are_burns_and_statistics_carry_none() {
    let device = Device::flex().autodiff();
    for shape in SHAPES {
        let c = shape[1];
        let found = |ours: bool| {
            let x = numbers(shape, 0.1, &device).require_grad();
            let weight = numbers([c], 0.2, &device).require_grad();
            let bias = numbers([c], 0.3, &device).require_grad();
            let (input, w, b) = (x.clone(), weight.clone(), bias.clone());
            let y = if ours {
                batch_norm_train(input, w, b, EPS).0
            } else {
                burn::tensor::module::batch_norm_train(input, w, b, EPS).output
            };
            // Not a plain sum, of which no gradient is left.
            let grads = (y * numbers(shape, 1.7, &device)).sum().backward();
            let dx = host(&x.grad(&grads).expect("dx"));
            let dw = host(&weight.grad(&grads).expect("dw"));
            [dx, dw, host(&bias.grad(&grads).expect("db"))]
        };
        for (ours, burns) in found(true).iter().zip(&found(false)) {
            let largest = burns.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
            close(ours, burns, 1e-4 * largest);
        }
    }
    // Statistics in the loss change nothing.
    let gradient = |with: f64| {
        let x = numbers([3, 2], 0.1, &device).require_grad();
        let (w, b) = (numbers([2], 0.2, &device), numbers([2], 0.3, &device));
        let (y, mean, var) = batch_norm_train(x.clone(), w, b, EPS);
        let loss = (y * numbers([3, 2], 1.7, &device)).sum() + (mean + var).sum() * with;
        host(&x.grad(&loss.backward()).expect("dx"))
    };
    assert_eq!(gradient(0.0), gradient(5.0));
}

#[test]
fn views_and_pools_of_threads_give_the_same() {
    let device = Device::flex();
    let whole = numbers([5, 3, 6, 7], 0.1, &device);
    let affine = || (numbers([3], 0.2, &device), numbers([3], 0.3, &device));
    let of = |x: Tensor<4>, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let (w, b) = affine();
        let (y, mean, var) = pool.install(|| batch_norm_train(x, w, b, EPS));
        [host(&y), host(&mean), host(&var)]
    };
    for view in [whole.clone().narrow(0, 1, 3), whole.clone().swap_dims(2, 3), whole] {
        let copy = Tensor::from_data(TensorData::new(host(&view), view.dims()), &device);
        let expected = of(copy, 1);
        assert_eq!(of(view.clone(), 1), expected);
        assert_eq!(of(view, 4), expected);
    }
}
