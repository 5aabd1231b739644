//! GELU in its exact (erf) form as one operation, forward and backward.
//!
//! Why not Burn's own: on the CPU device of Burn 0.22.1 it calls the C library's erf and exp number by
//! number, a quarter of a vision transformer's training step (LOG.md). The trait's default bodies,
//! Burn's own operations, are the definition, which tests compare with. `lite` keeps those: its scores
//! are those of its release. The loops are written so that the compiler vectorises them; Rust never
//! contracts `a * b + c`, so the numbers are the same on every instruction set.

// The functions of one number must be compiled into the vectorised loops that call them.
#![allow(clippy::inline_always)]

use burn::backend::{Backend, Flex, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::conv::contiguous;
use crate::wide::{Wide, wide};

/// Numbers that a thread takes at once.
const CHUNK: usize = 1 << 14;

/// `x Phi(x)`, Phi the normal distribution.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<burn::backend::Dispatch as GeluOps>::gelu_exact(x.into_dispatch()))
}

/// The operation and its backward pass, as a backend sees them.
#[backend_extension(
    Flex,
    Cube: cfg(feature = "cuda"),
    Autodiff: cfg(feature = "train"),
)]
pub trait GeluOps: Backend {
    /// See [`gelu`].
    fn gelu_exact(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu(x)
    }

    /// `grad (Phi(x) + x phi(x))`
    fn gelu_exact_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::gelu_backward(x, grad)
    }
}

/// A GPU runs Burn's own operations, fused as they come.
#[cfg(feature = "cuda")]
impl GeluOps for burn::backend::Cube {}

impl GeluOps for Flex {
    fn gelu_exact(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let mut x = x.to_contiguous();
        x.storage_mut::<f32>().par_chunks_mut(CHUNK).for_each(|x| wide(Forward { x }));
        x
    }

    fn gelu_exact_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, mut grad) = (contiguous(x), contiguous(grad));
        grad.storage_mut::<f32>()
            .par_chunks_mut(CHUNK)
            .zip(x.storage::<f32>().par_chunks(CHUNK))
            .for_each(|(grad, x)| wide(Gradient { grad, x }));
        grad
    }
}

/// `x <- x Phi(x)`
struct Forward<'a> {
    x: &'a mut [f32],
}

impl Wide for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for x in self.x {
            *x *= normal_cdf(*x);
        }
    }
}

/// `grad <- grad (Phi(x) + x phi(x))`
struct Gradient<'a> {
    grad: &'a mut [f32],
    x: &'a [f32],
}

impl Wide for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (grad, &x) in self.grad.iter_mut().zip(self.x) {
            *grad *= normal_cdf(x) + x * FRAC_1_SQRT_TAU * exp_of_negative(-0.5 * x * x);
        }
    }
}

/// `1 / sqrt(2 pi)`
const FRAC_1_SQRT_TAU: f32 = 0.398_942_3;

/// `(1 + erf(x / sqrt(2))) / 2`, to about 2e-7.
#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    // A rational function of odd numerator and even denominator on [-4, 4], beyond which erf is 1 in
    // single precision (the minimax coefficients of Eigen and XLA).
    const P: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024_1e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const Q: [f32; 5] =
        [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_473_9e-2];
    let x = x * std::f32::consts::FRAC_1_SQRT_2;
    let near = x.clamp(-4.0, 4.0);
    let square = near * near;
    let p = P.iter().skip(1).fold(P[0], |sum, c| sum * square + c);
    let q = Q.iter().skip(1).fold(Q[0], |sum, c| sum * square + c);
    let erf = near * p / q;
    0.5 + 0.5 * if near == x { erf } else { x.signum() }
}

/// `e^x` for `x` up to 0, to about 1e-7 of itself; 0 where it is below 1e-37, NaN of NaN (Cephes'
/// `expf`).
#[inline(always)]
pub(super) fn exp_of_negative(x: f32) -> f32 {
    /// Below this it is 0.
    const SMALLEST: f32 = -86.0;
    /// Adding this rounds to a whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with zeros at its end.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const P: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let bounded = if x < SMALLEST { SMALLEST } else { x };
    let rounded = bounded * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = (bounded - n * LN_2[0]) - n * LN_2[1];
    let p = P.iter().skip(1).fold(P[0], |sum, c| sum * r + c);
    let e = p * r * r + r + 1.0;
    // 2^n by its exponent's bits: n is -124 to 0.
    let exponent = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    let e = e * f32::from_bits(exponent << 23);
    if x < SMALLEST { 0.0 } else { e }
}

#[cfg(feature = "train")]
mod autodiff {
    //! The backward pass, from the parts above.

    use burn::backend::Autodiff;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

    use super::{Backend, FloatTensor, GeluOps};

    #[derive(Debug)]
    struct Gelu;

    impl<B: Backend + GeluOps> Backward<B, 1> for Gelu {
        /// The input.
        type State = B::FloatTensorPrimitive;

        fn backward(
            self,
            ops: Ops<Self::State, 1>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [node] = ops.parents;
            let grad = grads.consume::<B>(&ops.node);
            if let Some(node) = node {
                grads.register::<B>(node.id, B::gelu_exact_grad(ops.state, grad));
            }
        }
    }

    impl<B: Backend + GeluOps, C: CheckpointStrategy> GeluOps for Autodiff<B, C> {
        fn gelu_exact(x: FloatTensor<Self>) -> FloatTensor<Self> {
            let prep = Gelu.prepare::<C>([x.node()]).compute_bound().stateful();
            let x = x.into_primitive();
            let y = B::gelu_exact(x.clone());
            match prep {
                OpsKind::Tracked(prep) => prep.finish(x, y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }
    }
}
