//! `conv_act` and `conv` with their hand-written gradients equal Burn's own convolution and clamp.
#![cfg(feature = "train")]

use biqa::nn::conv::{Walk, conv, conv_act};
use biqa::random::stream;
use biqa::weights::host;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

/// Largest difference, as a share of the largest number where that is above 1: sums over a large
/// picture round by their terms.
const TOLERANCE: f32 = 1e-4;

/// A convolution of `c` to `o` channels with a `k x k` kernel.
#[derive(Clone, Copy, Debug)]
struct Conv {
    c: usize,
    o: usize,
    k: usize,
    stride: usize,
    padding: usize,
    groups: usize,
}

impl Conv {
    fn walk(self) -> Walk {
        Walk { stride: self.stride, padding: self.padding, groups: self.groups }
    }

    /// Whether it has a place on a picture.
    fn fits(self, [h, w]: [usize; 2]) -> bool {
        h.min(w) + 2 * self.padding >= self.k
    }
}

/// Every kind that has a kernel of its own, and what is left to Burn.
const CONVS: [(&str, Conv); 17] = [
    ("depthwise", Conv { c: 6, o: 6, k: 3, stride: 1, padding: 1, groups: 6 }),
    ("depthwise, stride 2", Conv { c: 6, o: 6, k: 3, stride: 2, padding: 1, groups: 6 }),
    ("depthwise of 20 channels", Conv { c: 20, o: 20, k: 3, stride: 1, padding: 1, groups: 20 }),
    ("depthwise without padding", Conv { c: 6, o: 6, k: 3, stride: 1, padding: 0, groups: 6 }),
    ("pointwise, wider", Conv { c: 5, o: 18, k: 1, stride: 1, padding: 0, groups: 1 }),
    ("pointwise, narrower", Conv { c: 24, o: 3, k: 1, stride: 1, padding: 0, groups: 1 }),
    ("pointwise, stride 2", Conv { c: 5, o: 4, k: 1, stride: 2, padding: 0, groups: 1 }),
    ("dense", Conv { c: 3, o: 4, k: 3, stride: 1, padding: 1, groups: 1 }),
    ("dense, stride 2", Conv { c: 3, o: 8, k: 3, stride: 2, padding: 1, groups: 1 }),
    ("dense without padding", Conv { c: 3, o: 4, k: 3, stride: 1, padding: 0, groups: 1 }),
    ("a stem", Conv { c: 3, o: 5, k: 7, stride: 2, padding: 3, groups: 1 }),
    ("patches", Conv { c: 3, o: 5, k: 4, stride: 4, padding: 0, groups: 1 }),
    ("more padding than kernel", Conv { c: 2, o: 3, k: 2, stride: 3, padding: 3, groups: 1 }),
    ("two groups", Conv { c: 4, o: 6, k: 3, stride: 1, padding: 1, groups: 2 }),
    ("dense of more channels", Conv { c: 5, o: 17, k: 3, stride: 1, padding: 1, groups: 1 }),
    ("dense of many channels", Conv { c: 102, o: 2, k: 3, stride: 1, padding: 1, groups: 1 }),
    ("one channel", Conv { c: 1, o: 1, k: 3, stride: 2, padding: 1, groups: 1 }),
];

/// Rows and columns: the least, odd and even, longer than a vector register, a product for some
/// images together, for each, for some of its rows, for some rows of images together.
const SIZES: [[usize; 2]; 9] =
    [[1, 1], [1, 5], [2, 2], [3, 8], [7, 6], [19, 40], [25, 23], [33, 32], [130, 131]];

/// Numbers around 0; at `gain` 4 ReLU6 cuts some at both ends.
fn numbers(name: &str, n: usize, gain: f64) -> Vec<f32> {
    let mut draws = stream(1, name, 0);
    (0..n).map(|_| draws.uniform(-gain, gain)).collect()
}

fn tensor<const D: usize>(name: &str, shape: [usize; D], gain: f64, device: &Device) -> Tensor<D> {
    let data = numbers(name, shape.iter().product(), gain);
    Tensor::from_data(TensorData::new(data, shape), device)
}

/// What follows the convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Plain,
    Bias,
    Relu6,
}

/// Output and gradients of input, weight and bias of `sum(y * g)`, by name.
type Found = Vec<(&'static str, Vec<f32>)>;

fn found(kind: Conv, b: usize, [h, w]: [usize; 2], act: Act, ours: bool) -> Found {
    let device = Device::flex().autodiff();
    let Conv { c, o, k, groups, .. } = kind;
    let x = tensor("x", [b, c, h, w], 4.0, &device).require_grad();
    let weight = tensor("weight", [o, c / groups, k, k], 1.0, &device).require_grad();
    let bias = tensor("bias", [o], 1.0, &device).require_grad();
    let y = match (ours, act) {
        (true, Act::Plain) => conv(x.clone(), weight.clone(), kind.walk()),
        (true, _) => {
            let relu6 = act == Act::Relu6;
            conv_act(x.clone(), weight.clone(), bias.clone(), kind.walk(), relu6)
        }
        (false, _) => burns(x.clone(), weight.clone(), bias.clone(), kind, act),
    };
    let g = tensor("g", y.dims(), 1.0, &device);
    let grads = (y.clone() * g).sum().backward();
    vec![
        ("y", host(&y.inner())),
        ("dx", host(&x.grad(&grads).expect("x was asked for"))),
        ("dw", host(&weight.grad(&grads).expect("the weight was asked for"))),
        ("db", bias.grad(&grads).map_or_else(Vec::new, |g| host(&g))),
    ]
}

/// The definition, by Burn's own operations.
fn burns(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, kind: Conv, act: Act) -> Tensor<4> {
    let padding = [kind.padding; 2];
    let options = ConvOptions::new([kind.stride; 2], padding, [1, 1], kind.groups);
    let y = conv2d(x, weight, (act != Act::Plain).then_some(bias), options);
    if act == Act::Relu6 { y.clamp(0.0, 6.0) } else { y }
}

#[track_caller]
fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1.0_f32, |most, v| most.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= TOLERANCE * largest, "{what}[{i}]: {a}, Burn has {b}");
    }
}

#[test]
fn output_and_gradients_are_burns_own_on_every_kind_and_size() {
    for (name, kind) in CONVS {
        for size in SIZES.into_iter().filter(|&size| kind.fits(size)) {
            for b in [1, 3] {
                for act in [Act::Plain, Act::Bias, Act::Relu6] {
                    let ours = found(kind, b, size, act, true);
                    let burns = found(kind, b, size, act, false);
                    for ((part, ours), (_, burns)) in ours.iter().zip(&burns) {
                        let what = format!("{name}, {b} of {size:?}, {act:?}: {part}");
                        assert_close(ours, burns, &what);
                    }
                }
            }
        }
    }
}

/// A picture out of a batch, and one whose rows and columns changed places: views, not copies.
#[test]
fn an_input_that_is_a_view_of_another_tensor_gives_the_same() {
    let device = Device::flex();
    for (name, kind) in CONVS {
        let Conv { c, o, k, groups, .. } = kind;
        let weight = tensor("weight", [o, c / groups, k, k], 1.0, &device);
        let bias = tensor("bias", [o], 1.0, &device);
        let batch = tensor("x", [3, c, 7, 9], 4.0, &device);
        let views = [
            ("narrow", batch.clone().narrow(0, 1, 1)),
            ("inner window", batch.clone().slice([0..3, 0..c, 1..6, 2..9])),
            ("transposed", batch.swap_dims(2, 3)),
        ];
        for (how, view) in views.into_iter().filter(|(_, v)| kind.fits([v.dims()[2], v.dims()[3]]))
        {
            let ours = conv_act(view.clone(), weight.clone(), bias.clone(), kind.walk(), true);
            let burns = burns(view, weight.clone(), bias.clone(), kind, Act::Relu6);
            assert_eq!(ours.dims(), burns.dims(), "{name}, {how}");
            assert_close(&host(&ours), &host(&burns), &format!("{name}, {how}"));
        }
    }
}

#[test]
fn a_frozen_weight_has_no_gradient_and_the_others_keep_theirs() {
    let device = Device::flex().autodiff();
    for (name, kind) in CONVS {
        let Conv { c, o, k, groups, .. } = kind;
        let x = tensor("x", [2, c, 7, 6], 4.0, &device).require_grad();
        let weight = tensor("weight", [o, c / groups, k, k], 1.0, &device);
        let bias = tensor("bias", [o], 1.0, &device).require_grad();
        let y = conv_act(x.clone(), weight.clone(), bias.clone(), kind.walk(), true);
        let g = tensor("g", y.dims(), 1.0, &device);
        let grads = (y * g).sum().backward();
        assert!(weight.grad(&grads).is_none(), "{name}");
        let plain = conv(x.clone(), weight.clone(), kind.walk());
        let grads_of_plain = plain.sum().backward();
        assert!(weight.grad(&grads_of_plain).is_none(), "{name}");
        let whole = found(kind, 2, [7, 6], Act::Relu6, true);
        assert_eq!(host(&x.grad(&grads).expect("dx")), whole[1].1, "{name}");
        assert_eq!(host(&bias.grad(&grads).expect("db")), whole[3].1, "{name}");
    }
}

#[test]
fn a_kernel_that_does_not_fit_is_refused() {
    let device = Device::flex();
    let x = tensor("x", [1, 4, 5, 5], 1.0, &device);
    let kernels = [([2, 5, 1, 1], 1), ([2, 4, 1, 3], 1), ([2, 4, 1, 1], 2), ([3, 2, 3, 3], 2)];
    for (shape, groups) in kernels {
        let weight = tensor("weight", shape, 1.0, &device);
        let walk = Walk { stride: 1, padding: 0, groups };
        let work = std::panic::AssertUnwindSafe(|| conv(x.clone(), weight, walk));
        assert!(std::panic::catch_unwind(work).is_err(), "{shape:?} in {groups} groups");
    }
}
