//! Matrix products and convolutions in bfloat16 where a training asks for them, as PyTorch's
//! autocast does (mixed precision).
//!
//! Inside [`autocast`] a product rounds its two operands to bfloat16, multiplies, and gives float32
//! again. All else stays float32: weights, norms, softmax, GELU, losses, optimisers, what is written
//! to disk. A gradient comes back through the casts, so that it is float32 where it meets a weight.
//!
//! Who calls: the lab's training loops open the scope around a forward pass; [`super::layers`] and
//! the attentions multiply through it. The scope is this thread's, as the networks of a step are:
//! what other threads score meanwhile, and everything outside a scope, is float32 and what it
//! always was, bit for bit.

use std::cell::Cell;

use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

use super::conv::{Walk, conv, conv_act};

/// What products are computed in. A recipe's `train.precision`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Products {
    /// float32, like all else.
    #[default]
    F32,
    /// bfloat16: eight bits of mantissa, the exponents of float32.
    Bf16,
}

thread_local! {
    static PRODUCTS: Cell<Products> = const { Cell::new(Products::F32) };
}

impl Products {
    /// Whether it is the default, which a recipe's digest leaves out.
    pub fn is_f32(&self) -> bool {
        *self == Self::F32
    }

    /// As a recipe writes it: `f32` or `bf16`.
    pub fn word(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether a device computes in it.
    pub fn runs_on(self, device: &Device) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16 => device.supports_dtype(FloatDType::BF16),
        }
    }
}

/// Does `work` with the products of this thread's networks in `products`.
pub fn autocast<T>(products: Products, work: impl FnOnce() -> T) -> T {
    /// Also where `work` panics.
    struct Back(Products);
    impl Drop for Back {
        fn drop(&mut self) {
            PRODUCTS.set(self.0);
        }
    }
    let _back = Back(PRODUCTS.replace(products));
    work()
}

/// What this thread's networks compute products in.
pub fn products() -> Products {
    PRODUCTS.get()
}

/// `a b` of matrices, over the dimensions before the last two.
pub fn matmul<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    match products() {
        Products::F32 => a.matmul(b),
        Products::Bf16 => single(half(a).matmul(half(b))),
    }
}

/// A convolution of `x [b, c, h, w]` with `weight [o, c / groups, k, k]`; `bias [o]` is added in
/// float32.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Option<Tensor<1>>, walk: Walk) -> Tensor<4> {
    use burn::tensor::module::conv2d;
    if products() == Products::F32 {
        return match bias {
            Some(bias) => conv_act(x, weight, bias, walk, false),
            None => conv(x, weight, walk),
        };
    }
    let y = single(conv2d(half(x), half(weight), None, walk.options()));
    match bias {
        Some(bias) => {
            let o = bias.dims()[0];
            y + bias.reshape([1, o, 1, 1])
        }
        None => y,
    }
}

fn half<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(FloatDType::BF16)
}

fn single<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.cast(FloatDType::F32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::host;
    use burn::tensor::{DType, TensorData};

    fn row(values: [f32; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, 2]), &Device::flex())
    }

    /// 1 + 2^-9 has no place in eight bits.
    const FINE: f32 = 1.001_953_1;

    #[test]
    fn operands_are_rounded_inside_the_scope_alone() {
        let product = || host(&matmul(row([FINE, 2.0]), row([1.0, 1.0]).transpose()))[0];
        assert_eq!(product(), FINE + 2.0);
        assert_eq!(autocast(Products::Bf16, product), 3.0);
        let inner = autocast(Products::Bf16, || autocast(Products::F32, product));
        assert_eq!((inner, product()), (FINE + 2.0, FINE + 2.0));
    }

    #[test]
    fn a_panic_ends_the_scope() {
        let work = || autocast(Products::Bf16, || panic!("on purpose"));
        assert!(std::panic::catch_unwind(work).is_err());
        assert_eq!(PRODUCTS.get(), Products::F32);
    }

    #[test]
    fn results_and_the_bias_are_single() {
        let y = autocast(Products::Bf16, || {
            let x = row([FINE, 0.0]).reshape([1, 1, 1, 2]);
            let weight = Tensor::<4>::ones([1, 1, 1, 1], &Device::flex());
            let bias = Tensor::<1>::full([1], FINE, &Device::flex());
            conv2d(x, weight, Some(bias), Walk { stride: 1, padding: 0, groups: 1 })
        });
        assert_eq!(y.dtype(), DType::F32);
        assert_eq!(host(&y), [1.0 + FINE, FINE]);
    }

    #[cfg(feature = "train")]
    #[test]
    fn gradients_come_back_single_and_rounded() {
        let device = Device::flex().autodiff();
        let data = |values: [f32; 2]| TensorData::new(values.to_vec(), [1, 2]);
        let a = Tensor::<2>::from_data(data([3.0, -1.0]), &device).require_grad();
        let b = Tensor::<2>::from_data(data([FINE, 0.5]), &device).require_grad();
        let y = autocast(Products::Bf16, || matmul(a.clone(), b.clone().transpose()));
        let grads = y.sum().backward();
        let (da, db) = (a.grad(&grads).expect("of a"), b.grad(&grads).expect("of b"));
        assert_eq!((da.dtype(), db.dtype()), (DType::F32, DType::F32));
        // Of b as it was multiplied.
        assert_eq!((host(&da), host(&db)), (vec![1.0, 0.5], vec![3.0, -1.0]));
    }

    #[test]
    fn the_processor_computes_in_both() {
        assert!(Products::F32.runs_on(&Device::flex()) && Products::Bf16.runs_on(&Device::flex()));
    }
}
