//! Softmax and layer norm over the last dimension, each one operation with a hand-written backward
//! pass.
//!
//! Why not Burn's own: where gradients are wanted, Burn 0.22.1 composes both of operations that pass
//! over memory each, forward and backward, and its softmax takes the C library's exp number by number
//! (LOG.md has the figures). The trait's default bodies, Burn's own operations, are the definition,
//! which tests compare with. Sums have one order, so the numbers are the same for every instruction
//! set and thread count.
//!
//! Shapes: `r` rows (all dimensions but the last together), `d` numbers a row.

// The functions of a row must be compiled into the vectorised loops that call them.
#![allow(clippy::inline_always)]

use burn::backend::{Backend, Flex, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::conv::contiguous;
use super::gelu::exp_of_negative;
use super::kernels::{LANES, add, sum};
use crate::wide::{Wide, wide};

/// Rows that a thread takes at once.
const ROWS: usize = 64;

/// `exp(x) / sum exp(x)` over the last dimension. A row of nothing but negative infinity is NaN.
pub fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(<burn::backend::Dispatch as RowOps>::softmax_last(x.into_dispatch()))
}

/// `(x - mean) / sqrt(var + eps) * weight + bias` over the last dimension, `var` the biased
/// variance; `weight` and `bias` are `[d]`.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
) -> Tensor<D> {
    Tensor::from_dispatch(<burn::backend::Dispatch as RowOps>::layer_norm_last(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        eps,
    ))
}

/// The operations and their backward passes, as a backend sees them.
#[backend_extension(
    Flex,
    Cube: cfg(feature = "cuda"),
    Autodiff: cfg(feature = "train"),
)]
pub trait RowOps: Backend {
    /// See [`softmax`].
    fn softmax_last(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let last = x.shape().num_dims() - 1;
        Self::softmax(x, last)
    }

    /// `y (grad - sum(y grad))` for the output `y`.
    fn softmax_last_grad(y: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let last = y.shape().num_dims() - 1;
        let both = Self::float_mul(y.clone(), grad.clone());
        Self::float_mul(y, Self::float_sub(grad, Self::float_sum_dim(both, last)))
    }

    /// See [`layer_norm`].
    fn layer_norm_last(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        Self::layer_norm(x, weight, Some(bias), eps)
    }

    /// The gradients of input, weight and bias.
    fn layer_norm_last_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        eps: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (shape, last) = (x.shape(), x.shape().num_dims() - 1);
        let (d, rows) = (shape[last], shape.num_elements() / shape[last]);
        let flat = |t| Self::float_reshape(t, [rows, d].into());
        let (x, grad) = (flat(x), flat(grad));
        let mean = |t| Self::float_mean_dim(t, 1);
        let centred = Self::float_sub(x.clone(), mean(x));
        let var = mean(Self::float_mul(centred.clone(), centred.clone()));
        let deviation = Self::float_sqrt(Self::float_add_scalar(var, eps.into()));
        let normal = Self::float_div(centred, deviation.clone());
        let sum = |t| Self::float_reshape(Self::float_sum_dim(t, 0), [d].into());
        let d_weight = sum(Self::float_mul(grad.clone(), normal.clone()));
        let d_bias = sum(grad.clone());
        // dx = (h - mean(h) - n mean(h n)) / deviation,  h = grad weight
        let h = Self::float_mul(grad, Self::float_reshape(weight, [1, d].into()));
        let along = mean(Self::float_mul(h.clone(), normal.clone()));
        let inner = Self::float_sub(h.clone(), mean(h));
        let inner = Self::float_sub(inner, Self::float_mul(normal, along));
        let dx = Self::float_reshape(Self::float_div(inner, deviation), shape);
        (dx, d_weight, d_bias)
    }
}

/// A GPU runs Burn's own operations, fused as they come.
#[cfg(feature = "cuda")]
impl RowOps for burn::backend::Cube {}

impl RowOps for Flex {
    fn softmax_last(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let mut x = x.to_contiguous();
        let d = last(&x);
        x.storage_mut::<f32>().par_chunks_mut(ROWS * d).for_each(|x| wide(Softmax { x, d }));
        x
    }

    fn softmax_last_grad(y: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let (y, mut grad) = (contiguous(y), contiguous(grad));
        let d = last(&y);
        grad.storage_mut::<f32>()
            .par_chunks_mut(ROWS * d)
            .zip(y.storage::<f32>().par_chunks(ROWS * d))
            .for_each(|(grad, y)| wide(SoftmaxGrad { grad, y, d }));
        grad
    }

    fn layer_norm_last(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> FloatTensor<Self> {
        let (mut x, weight, bias) =
            (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let d = last(&x);
        let (weight, bias) = (weight.storage::<f32>(), bias.storage::<f32>());
        x.storage_mut::<f32>()
            .par_chunks_mut(ROWS * d)
            .for_each(|x| wide(LayerNorm { x, weight, bias, eps: eps as f32 }));
        x
    }

    fn layer_norm_last_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        eps: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (x, mut grad) = (contiguous(x), contiguous(grad));
        let d = last(&x);
        let weight = weight.to_contiguous();
        let weight = weight.storage::<f32>();
        let parts: Vec<[Vec<f32>; 2]> = grad
            .storage_mut::<f32>()
            .par_chunks_mut(ROWS * d)
            .zip(x.storage::<f32>().par_chunks(ROWS * d))
            .map(|(grad, x)| wide(LayerNormGrad { grad, x, weight, eps: eps as f32 }))
            .collect();
        // Chunk by chunk, whichever thread made them.
        let mut sums = [vec![0.0; d], vec![0.0; d]];
        for part in &parts {
            for (sum, part) in sums.iter_mut().zip(part) {
                add(sum, part);
            }
        }
        let [d_weight, d_bias] =
            sums.map(|sum| FlexTensor::from_data(burn::tensor::TensorData::new(sum, vec![d])));
        (grad, d_weight, d_bias)
    }
}

/// Numbers of a row, at least 1.
fn last(x: &FlexTensor) -> usize {
    x.layout().shape().last().copied().unwrap_or(1).max(1)
}

/// `x <- softmax(x)` row by row.
pub(super) struct Softmax<'a> {
    pub(super) x: &'a mut [f32],
    pub(super) d: usize,
}

impl Wide for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for row in self.x.chunks_exact_mut(self.d) {
            let largest = largest(row);
            for v in row.iter_mut() {
                *v = exp_of_negative(*v - largest);
            }
            let scale = 1.0 / sum(row, |v| v);
            for v in row.iter_mut() {
                *v *= scale;
            }
        }
    }
}

/// `grad <- y (grad - sum(y grad))` row by row.
pub(super) struct SoftmaxGrad<'a> {
    pub(super) grad: &'a mut [f32],
    pub(super) y: &'a [f32],
    pub(super) d: usize,
}

impl Wide for SoftmaxGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (grad, y) in self.grad.chunks_exact_mut(self.d).zip(self.y.chunks_exact(self.d)) {
            let along = dot(grad, y);
            for (g, &y) in grad.iter_mut().zip(y) {
                *g = y * (*g - along);
            }
        }
    }
}

/// `x <- norm(x) weight + bias` row by row.
struct LayerNorm<'a> {
    x: &'a mut [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f32,
}

impl Wide for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for row in self.x.chunks_exact_mut(self.weight.len()) {
            let [mean, scale] = moments(row, self.eps);
            for ((v, &w), &b) in row.iter_mut().zip(self.weight).zip(self.bias) {
                *v = (*v - mean) * scale * w + b;
            }
        }
    }
}

/// `grad <- ` the gradient of the input; gives those of weight and bias.
struct LayerNormGrad<'a> {
    grad: &'a mut [f32],
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
}

impl Wide for LayerNormGrad<'_> {
    type Output = [Vec<f32>; 2];

    #[inline(always)]
    fn run(self) -> [Vec<f32>; 2] {
        let d = self.weight.len();
        let mut normal = vec![0.0; d];
        let (mut d_weight, mut d_bias) = (vec![0.0; d], vec![0.0; d]);
        for (grad, x) in self.grad.chunks_exact_mut(d).zip(self.x.chunks_exact(d)) {
            let [mean, scale] = moments(x, self.eps);
            for (n, &x) in normal.iter_mut().zip(x) {
                *n = (x - mean) * scale;
            }
            add(&mut d_bias, grad);
            for ((sum, &g), &n) in d_weight.iter_mut().zip(&*grad).zip(&normal) {
                *sum += g * n;
            }
            // dx = (h - mean(h) - n mean(h n)) / deviation,  h = grad weight
            for (g, &w) in grad.iter_mut().zip(self.weight) {
                *g *= w;
            }
            let mean = sum(grad, |h| h) / d as f32;
            let along = dot(grad, &normal) / d as f32;
            for (g, &n) in grad.iter_mut().zip(&normal) {
                *g = (*g - mean - n * along) * scale;
            }
        }
        [d_weight, d_bias]
    }
}

/// Mean and `1 / sqrt(var + eps)`.
#[inline(always)]
fn moments(row: &[f32], eps: f32) -> [f32; 2] {
    let d = row.len() as f32;
    let mean = sum(row, |v| v) / d;
    let var = sum(row, |v| (v - mean) * (v - mean)) / d;
    [mean, 1.0 / (var + eps).sqrt()]
}

/// The sum of products in the order of [`LANES`].
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for ((lane, x), y) in lanes.iter_mut().zip(a).zip(b) {
            *lane += x * y;
        }
    }
    for ((lane, x), y) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += x * y;
    }
    lanes.iter().sum()
}

/// The largest number that is one.
#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = if v > *lane { v } else { *lane };
        }
    }
    let rest = rest.iter().chain(&lanes).copied();
    rest.fold(f32::NEG_INFINITY, |largest, v| if v > largest { v } else { largest })
}

#[cfg(feature = "train")]
mod autodiff {
    //! The backward passes, from the parts above.

    use burn::backend::Autodiff;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

    use super::{Backend, FloatTensor, RowOps};

    #[derive(Debug)]
    struct Softmax;

    impl<B: Backend + RowOps> Backward<B, 1> for Softmax {
        /// The output.
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
                grads.register::<B>(node.id, B::softmax_last_grad(ops.state, grad));
            }
        }
    }

    #[derive(Debug)]
    struct LayerNorm;

    /// What the backward pass needs of the forward pass.
    #[derive(Clone, Debug)]
    struct State<B: Backend> {
        x: B::FloatTensorPrimitive,
        weight: B::FloatTensorPrimitive,
        eps: f64,
    }

    impl<B: Backend + RowOps> Backward<B, 3> for LayerNorm {
        type State = State<B>;

        fn backward(
            self,
            ops: Ops<Self::State, 3>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let State { x, weight, eps } = ops.state;
            let grad = grads.consume::<B>(&ops.node);
            let (dx, d_weight, d_bias) = B::layer_norm_last_grad(x, weight, grad, eps);
            for (node, grad) in ops.parents.into_iter().zip([dx, d_weight, d_bias]) {
                if let Some(node) = node {
                    grads.register::<B>(node.id, grad);
                }
            }
        }
    }

    impl<B: Backend + RowOps, C: CheckpointStrategy> RowOps for Autodiff<B, C> {
        fn softmax_last(x: FloatTensor<Self>) -> FloatTensor<Self> {
            let prep = Softmax.prepare::<C>([x.node()]).compute_bound().stateful();
            let y = B::softmax_last(x.into_primitive());
            match prep {
                OpsKind::Tracked(prep) => prep.finish(y.clone(), y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }

        fn layer_norm_last(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
            eps: f64,
        ) -> FloatTensor<Self> {
            let prep = LayerNorm
                .prepare::<C>([x.node(), weight.node(), bias.node()])
                .compute_bound()
                .stateful();
            let (x, weight) = (x.into_primitive(), weight.into_primitive());
            let y = B::layer_norm_last(x.clone(), weight.clone(), bias.into_primitive(), eps);
            match prep {
                OpsKind::Tracked(prep) => prep.finish(State { x, weight, eps }, y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }
    }
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
