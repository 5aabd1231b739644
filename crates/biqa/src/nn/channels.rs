//! Batch normalisation by the statistics of the batch as one operation, with a hand-written
//! backward pass.
//!
//! Why not Burn's own: Burn 0.22.1 composes it of operations that pass over memory each, and turns
//! channels and images round to add up (LOG.md has the figures). The trait's default bodies,
//! Burn's own operations, are the definition, which tests compare with. Sums have one order, so the
//! numbers are the same for every instruction set and thread count.
//!
//! Shapes: `b` images, `c` channels, `p` numbers a channel of an image: `x [b, c]` or `[b, c, h, w]`.

// The loops must be compiled into what calls them.
#![allow(clippy::inline_always)]

use burn::backend::ops::ModuleOps;
use burn::backend::{Backend, Flex, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::conv::{contiguous, tensor};
use super::kernels::{LANES, Sum, sum};
use crate::wide::{Wide, wide};

/// `(x - mean) / sqrt(var + eps) * weight + bias` a channel, with its mean and biased variance
/// `[c]` over the batch, which carry no gradient.
pub fn batch_norm_train<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    eps: f64,
) -> (Tensor<D>, Tensor<1>, Tensor<1>) {
    let (y, mean, var) = <burn::backend::Dispatch as ChannelOps>::channel_norm(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        eps,
    );
    (Tensor::from_dispatch(y), Tensor::from_dispatch(mean), Tensor::from_dispatch(var))
}

/// The operation and its backward pass, as a backend sees them.
#[backend_extension(
    Flex,
    Cube: cfg(feature = "cuda"),
    Autodiff: cfg(feature = "train"),
)]
pub trait ChannelOps: Backend {
    /// See [`batch_norm_train`].
    fn channel_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let out = <Self as ModuleOps<Self>>::batch_norm_train(x, weight, bias, eps);
        (out.output, out.mean, out.variance)
    }

    /// The gradients of input, weight and bias; `mean` and `var` are those that the forward pass
    /// gave.
    fn channel_norm_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        var: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        eps: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let out = Self::batch_norm_train_backward(x, weight, mean, var, eps, grad);
        (out.x_grad, out.gamma_grad, out.beta_grad)
    }
}

/// A GPU runs Burn's own operations, fused as they come.
#[cfg(feature = "cuda")]
impl ChannelOps for burn::backend::Cube {}

impl ChannelOps for Flex {
    fn channel_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        eps: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
        let (s, shape) = (Sizes::of(&x), x.layout().shape().to_vec());
        let (x, weight, bias) =
            (x.storage::<f32>(), weight.storage::<f32>(), bias.storage::<f32>());
        let (mean, var): (Vec<f32>, Vec<f32>) =
            (0..s.c).into_par_iter().map(|channel| s.moments(x, channel)).unzip();
        let factors: Vec<f32> =
            weight.iter().zip(&var).map(|(w, &var)| w * deviation(var, eps).recip()).collect();
        let mut y = vec![0.0; x.len()];
        y.par_chunks_exact_mut(s.c * s.p).zip(x.par_chunks_exact(s.c * s.p)).for_each(|(y, x)| {
            let planes = y.chunks_exact_mut(s.p).zip(x.chunks_exact(s.p));
            for (channel, (y, x)) in planes.enumerate() {
                let (mul, add) = (factors[channel], bias[channel]);
                wide(Normalise { x, y, mean: mean[channel], mul, add });
            }
        });
        (tensor(y, &shape), tensor(mean, &[s.c]), tensor(var, &[s.c]))
    }

    fn channel_norm_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        var: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        eps: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (x, mut grad, weight) = (contiguous(x), contiguous(grad), contiguous(weight));
        let (mean, var) = (contiguous(mean), contiguous(var));
        let s = Sizes::of(&x);
        let (x, weight) = (x.storage::<f32>(), weight.storage::<f32>());
        let (mean, var) = (mean.storage::<f32>(), var.storage::<f32>());
        // sum(g) and sum(g z), z the normalised input.
        let (d_bias, d_weight): (Vec<f32>, Vec<f32>) = {
            let grad = grad.storage::<f32>();
            let sums = |channel: usize| {
                let planes = s.planes(channel).map(|at| (&x[at.clone()], &grad[at]));
                let (g, gx) = planes.fold((0.0, 0.0), |(g, gx), (x, grad)| {
                    let (a, b) = wide(GradSums { x, grad, mean: mean[channel] });
                    (g + f64::from(a), gx + f64::from(b))
                });
                (g as f32, (gx / f64::from(deviation(var[channel], eps))) as f32)
            };
            (0..s.c).into_par_iter().map(sums).unzip()
        };
        // dx = weight / deviation (g - mean(g) - z mean(g z))
        let n = (s.b * s.p) as f32;
        let inverses: Vec<f32> = var.iter().map(|&var| deviation(var, eps).recip()).collect();
        grad.storage_mut::<f32>()
            .par_chunks_exact_mut(s.c * s.p)
            .zip(x.par_chunks_exact(s.c * s.p))
            .for_each(|(grad, x)| {
                let planes = grad.chunks_exact_mut(s.p).zip(x.chunks_exact(s.p));
                for (channel, (grad, x)) in planes.enumerate() {
                    let inverse = inverses[channel];
                    wide(InputGrad {
                        grad,
                        x,
                        mean: mean[channel],
                        mul: weight[channel] * inverse,
                        less: d_bias[channel] / n,
                        slope: d_weight[channel] / n * inverse,
                    });
                }
            });
        (grad, tensor(d_weight, &[s.c]), tensor(d_bias, &[s.c]))
    }
}

fn deviation(var: f32, eps: f64) -> f32 {
    (var + eps as f32).sqrt()
}

/// Images, channels, numbers a channel of an image.
#[derive(Clone, Copy)]
struct Sizes {
    b: usize,
    c: usize,
    p: usize,
}

impl Sizes {
    fn of(x: &FlexTensor) -> Self {
        let shape = x.layout().shape();
        Self { b: shape[0], c: shape[1], p: shape[2..].iter().product() }
    }

    /// Where a channel's numbers are.
    fn planes(self, channel: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let starts = (0..self.b).map(move |image| (image * self.c + channel) * self.p);
        starts.map(move |start| start..start + self.p)
    }

    /// Mean and biased variance of a channel.
    fn moments(self, data: &[f32], channel: usize) -> (f32, f32) {
        let n = (self.b * self.p) as f64;
        let planes = || self.planes(channel).map(|at| &data[at]);
        let mean = (planes().map(|x| f64::from(wide(Sum(x)))).sum::<f64>() / n) as f32;
        let squares = planes().map(|x| f64::from(wide(Squares { x, mean }))).sum::<f64>();
        (mean, (squares / n) as f32)
    }
}

/// `sum((x - mean)^2)`
struct Squares<'a> {
    x: &'a [f32],
    mean: f32,
}

impl Wide for Squares<'_> {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        let Self { x, mean } = self;
        sum(x, |v| (v - mean) * (v - mean))
    }
}

/// `y = (x - mean) mul + add`
struct Normalise<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    mean: f32,
    mul: f32,
    add: f32,
}

impl Wide for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y = (x - self.mean) * self.mul + self.add;
        }
    }
}

/// `sum(g)` and `sum(g (x - mean))`.
struct GradSums<'a> {
    x: &'a [f32],
    grad: &'a [f32],
    mean: f32,
}

impl Wide for GradSums<'_> {
    type Output = (f32, f32);

    #[inline(always)]
    fn run(self) -> (f32, f32) {
        let Self { x, grad, mean } = self;
        let (mut sums, mut products) = ([0.0; LANES], [0.0; LANES]);
        let (xs, x_rest) = x.as_chunks::<LANES>();
        let (grads, grad_rest) = grad.as_chunks::<LANES>();
        for (x, g) in xs.iter().zip(grads) {
            for i in 0..LANES {
                sums[i] += g[i];
                products[i] += g[i] * (x[i] - mean);
            }
        }
        for (i, (x, g)) in x_rest.iter().zip(grad_rest).enumerate() {
            sums[i] += g;
            products[i] += g * (x - mean);
        }
        (sums.iter().sum(), products.iter().sum())
    }
}

/// `g <- mul (g - less - slope (x - mean))`
struct InputGrad<'a> {
    grad: &'a mut [f32],
    x: &'a [f32],
    mean: f32,
    mul: f32,
    less: f32,
    slope: f32,
}

impl Wide for InputGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { grad, x, mean, mul, less, slope } = self;
        for (g, x) in grad.iter_mut().zip(x) {
            *g = mul * (*g - less - slope * (x - mean));
        }
    }
}

#[cfg(feature = "train")]
mod autodiff {
    //! The backward pass, from the parts above.

    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
    use burn::backend::{Autodiff, AutodiffBackend};

    use super::{Backend, ChannelOps, FloatTensor};

    #[derive(Debug)]
    struct ChannelNorm;

    /// What the backward pass needs of the forward pass.
    #[derive(Clone, Debug)]
    struct State<B: Backend> {
        x: B::FloatTensorPrimitive,
        weight: B::FloatTensorPrimitive,
        mean: B::FloatTensorPrimitive,
        var: B::FloatTensorPrimitive,
        eps: f64,
    }

    impl<B: Backend + ChannelOps> Backward<B, 3> for ChannelNorm {
        type State = State<B>;

        fn backward(
            self,
            ops: Ops<Self::State, 3>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [node_x, node_weight, node_bias] = ops.parents;
            let State { x, weight, mean, var, eps } = ops.state;
            let grad = grads.consume::<B>(&ops.node);
            let (dx, d_weight, d_bias) = B::channel_norm_grad(x, weight, mean, var, grad, eps);
            for (node, grad) in [(node_x, dx), (node_weight, d_weight), (node_bias, d_bias)] {
                if let Some(node) = node {
                    grads.register::<B>(node.id, grad);
                }
            }
        }
    }

    impl<B: Backend + ChannelOps, C: CheckpointStrategy> ChannelOps for Autodiff<B, C> {
        fn channel_norm(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
            eps: f64,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
            let prep = ChannelNorm
                .prepare::<C>([x.node(), weight.node(), bias.node()])
                .compute_bound()
                .stateful();
            let (x, weight) = (x.into_primitive(), weight.into_primitive());
            let (y, mean, var) =
                B::channel_norm(x.clone(), weight.clone(), bias.into_primitive(), eps);
            let kept = (mean.clone(), var.clone());
            let y = match prep {
                OpsKind::Tracked(prep) => prep.finish(State { x, weight, mean, var, eps }, y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            };
            (y, Self::from_inner(kept.0), Self::from_inner(kept.1))
        }
    }
}

#[cfg(test)]
#[path = "channels_tests.rs"]
mod tests;
