//! Self-attention beside its definition, and both beside tensors' operations.

use super::*;
use crate::models::made::close;
use crate::nn::rows::softmax;
use crate::weights::host;
use burn::tensor::{Device, TensorData};

fn numbers(shape: [usize; 3], seed: f32, device: &Device) -> Tensor<3> {
    let n = shape.iter().product::<usize>();
    let data: Vec<f32> = (0..n).map(|i| 2.0 * (i as f32 * 0.73 + seed).sin()).collect();
    Tensor::from_data(TensorData::new(data, shape), device)
}

/// By hand.
fn by_hand(qkv: Tensor<3>, hidden: Option<Tensor<4, Bool>>, h: usize) -> Tensor<3> {
    let [b, n, three] = qkv.dims();
    let e = three / 3 / h;
    let qkv = qkv.reshape([b, n, 3, h, e]).permute([2, 0, 3, 1, 4]);
    let [q, k, v]: [Tensor<4>; 3] = [0, 1, 2].map(|i| qkv.clone().narrow(0, i, 1).squeeze_dim(0));
    let scores = q.matmul(k.swap_dims(2, 3)) / (e as f64).sqrt();
    let scores = match hidden {
        Some(hidden) => scores.mask_fill(hidden.expand([b, h, n, n]), f32::NEG_INFINITY),
        None => scores,
    };
    softmax(scores).matmul(v).swap_dims(1, 2).reshape([b, n, h * e])
}

/// None, and of some keys, never the first: of all images and heads, of each head, of each image, of
/// each head of an image.
fn masks([b, n, h]: [usize; 3], device: &Device) -> [Option<Tensor<4, Bool>>; 5] {
    let mask = |shape: [usize; 4]| {
        let count = shape.iter().product::<usize>();
        let data: Vec<bool> = (0..count).map(|i| i % n > 0 && (i * i) % 7 % 3 == 1).collect();
        Some(Tensor::from_data(TensorData::new(data, shape), device))
    };
    let [all, heads, images, each] =
        [[1, 1], [1, h], [b, 1], [b, h]].map(|[b, h]| mask([b, h, n, n]));
    [None, all, heads, images, each]
}

/// Images, tokens, heads, channels of a head.
const SIZES: [[usize; 4]; 6] =
    [[1, 1, 1, 1], [2, 5, 3, 4], [1, 64, 1, 3], [3, 65, 2, 8], [2, 197, 3, 64], [1, 130, 6, 5]];

#[test]
fn it_is_the_composed_one_of_views_too() {
    let device = Device::flex();
    for [b, n, h, e] in SIZES {
        let qkv = numbers([b + 1, 3 * h * e, n], 0.1, &device).narrow(0, 1, b).swap_dims(1, 2);
        for hidden in masks([b, n, h], &device) {
            let ours = attend(qkv.clone(), hidden.clone(), h);
            close(&host(&ours), &host(&by_hand(qkv.clone(), hidden, h)), 2e-5);
        }
    }
}

#[cfg(feature = "train")]
#[test]
fn gradients_are_the_composed_ones() {
    let device = Device::flex().autodiff();
    for [b, n, h, e] in SIZES {
        for hidden in masks([b, n, h], &device) {
            let run = |of: fn(Tensor<3>, Option<Tensor<4, Bool>>, usize) -> Tensor<3>| {
                let qkv = numbers([b, n, 3 * h * e], 0.1, &device).require_grad();
                let y = of(qkv.clone(), hidden.clone(), h);
                // A gradient that is a view.
                let factor = numbers([b, h * e, n], 0.4, &device).swap_dims(1, 2);
                let out = host(&y);
                let grads = (y * factor).sum().backward();
                [out, host(&qkv.grad(&grads).expect("it has a gradient"))]
            };
            let [ours, by_hand] = [run(attend), run(by_hand)];
            close(&ours[0], &by_hand[0], 2e-5);
            close(&ours[1], &by_hand[1], 1e-4);
        }
    }
}

/// What a GPU runs, on the processor.
#[test]
fn the_definition_is_the_one_by_hand() {
    let data = |x: &Tensor<3>| tensor(host(x), &x.dims());
    for [b, n, h, e] in SIZES {
        let qkv = numbers([b, n, 3 * h * e], 0.1, &Device::flex());
        let grad = numbers([b, n, h * e], 0.4, &Device::flex());
        let nothing = || tensor(vec![0.0], &[1; 4]);
        let flat = |x: FlexTensor| contiguous(x).storage::<f32>().to_vec();
        let (out, attention) = composed::<Flex>(data(&qkv), nothing(), h);
        let (ours, kept) = Flex::attend_kept(data(&qkv), nothing(), h);
        close(&flat(ours), &flat(out), 2e-5);
        // [b, n, h, n] and [b, h, n, n]
        close(&flat(kept.transpose(1, 2)), &flat(attention.clone()), 2e-5);
        let d_qkv = composed_grad::<Flex>(data(&qkv), attention, data(&grad), h);
        let kept = contiguous(kept);
        close(&flat(Flex::attend_grad(data(&qkv), kept, data(&grad), h)), &flat(d_qkv), 1e-4);
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let qkv = || numbers([2, 5, 18], 0.1, &device);
    let refused = |heads: usize, mask: Option<[usize; 4]>| {
        let mask = mask.map(|shape| Tensor::<4>::zeros(shape, &device).equal_elem(1.0));
        let work = std::panic::AssertUnwindSafe(|| attend(qkv(), mask, heads));
        assert!(std::panic::catch_unwind(work).is_err());
    };
    refused(4, None);
    refused(0, None);
    for mask in [[3, 1, 5, 5], [1, 2, 5, 5], [1, 1, 6, 6], [1, 1, 5, 6]] {
        refused(3, Some(mask));
    }
}
