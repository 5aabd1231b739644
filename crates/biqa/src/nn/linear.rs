//! A linear layer as one operation, `x W^T + b`, with a hand-written backward pass.
//!
//! Why not Burn's own: see `product.rs`. The definition, `composed` and its gradients, is Burn's own
//! operations: what a GPU runs and what tests compare with.
//!
//! Shapes: `r` rows, `i` numbers in, `o` numbers out.

use burn::backend::{Backend, Flex, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::conv::{contiguous, tensor};
use super::kernels::add;
use super::product::{Matrix, Old, product};

/// Rows that a thread takes at once.
const ROWS: usize = 256;

/// `x [r, i]`, `weight [o, i]`, `bias [o]` -> `x weight^T + bias [r, o]`.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let ([_, i], [o, of_weight], [of_bias]) = (x.dims(), weight.dims(), bias.dims());
    assert_eq!([of_weight, of_bias], [i, o], "numbers of a row of the weight, and of the bias");
    Tensor::from_dispatch(<burn::backend::Dispatch as LinearOps>::linear_rows(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// The operation and the parts of its backward pass, as a backend sees them.
#[backend_extension(
    Flex,
    Cube: cfg(feature = "cuda"),
    Autodiff: cfg(feature = "train"),
)]
pub trait LinearOps: Backend {
    /// See [`linear`].
    fn linear_rows(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        composed::<Self>(x, weight, bias)
    }

    /// `[r, i]`: the gradient of the input.
    fn linear_input_grad(weight: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        composed_input_grad::<Self>(weight, grad)
    }

    /// `[o, i]`: the gradient of the weight.
    fn linear_weight_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        composed_weight_grad::<Self>(x, grad)
    }

    /// `[o]`: the gradient of the bias.
    fn linear_bias_grad(grad: FloatTensor<Self>) -> FloatTensor<Self> {
        composed_bias_grad::<Self>(grad)
    }
}

/// The definition of [`LinearOps::linear_rows`].
fn composed<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    let o = bias.shape()[0];
    let y = B::float_matmul(x, B::float_transpose(weight));
    B::float_add(y, B::float_reshape(bias, [1, o].into()))
}

/// The definition of [`LinearOps::linear_input_grad`].
fn composed_input_grad<B: Backend>(weight: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    B::float_matmul(grad, weight)
}

/// The definition of [`LinearOps::linear_weight_grad`].
fn composed_weight_grad<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    B::float_matmul(B::float_transpose(grad), x)
}

/// The definition of [`LinearOps::linear_bias_grad`].
fn composed_bias_grad<B: Backend>(grad: FloatTensor<B>) -> FloatTensor<B> {
    let o = grad.shape()[1];
    B::float_reshape(B::float_sum_dim(grad, 0), [o].into())
}

/// A GPU runs Burn's own operations, fused as they come.
#[cfg(feature = "cuda")]
impl LinearOps for burn::backend::Cube {}

impl LinearOps for Flex {
    fn linear_rows(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let [x, weight, bias] = [x, weight, bias].map(contiguous);
        let ([r, i], [o, _]) = (sides(&x.shape()), sides(&weight.shape()));
        let mut y = bias.storage::<f32>().repeat(r);
        let (x, weight) = (x.storage(), weight.storage());
        product(&mut y, o, Old::Kept, Matrix::rows(x, [r, i]), Matrix::rows(weight, [o, i]).t());
        tensor(y, &[r, o])
    }

    fn linear_input_grad(weight: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let [weight, grad] = [weight, grad].map(contiguous);
        let ([o, i], [r, _]) = (sides(&weight.shape()), sides(&grad.shape()));
        let mut dx = vec![0.0; r * i];
        let (weight, grad) = (weight.storage(), grad.storage());
        product(&mut dx, i, Old::Lost, Matrix::rows(grad, [r, o]), Matrix::rows(weight, [o, i]));
        tensor(dx, &[r, i])
    }

    fn linear_weight_grad(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let [x, grad] = [x, grad].map(contiguous);
        let ([r, i], [_, o]) = (sides(&x.shape()), sides(&grad.shape()));
        let mut dw = vec![0.0; o * i];
        let (x, grad) = (Matrix::rows(x.storage(), [r, i]), Matrix::rows(grad.storage(), [r, o]));
        // The left one's numbers are gathered in sixes to be multiplied, the right one's in rows.
        if o <= i {
            product(&mut dw, i, Old::Lost, grad.t(), x);
            return tensor(dw, &[o, i]);
        }
        product(&mut dw, o, Old::Lost, x.t(), grad);
        contiguous(tensor(dw, &[i, o]).transpose(0, 1))
    }

    fn linear_bias_grad(grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let grad = contiguous(grad);
        let [_, o] = sides(&grad.shape());
        // Chunk by chunk, whichever thread made them.
        let sum_of = |rows: &[f32]| {
            let mut sum = vec![0.0; o];
            for row in rows.chunks_exact(o) {
                add(&mut sum, row);
            }
            sum
        };
        let parts: Vec<Vec<f32>> =
            grad.storage::<f32>().par_chunks((ROWS * o).max(1)).map(sum_of).collect();
        tensor(sum_of(&parts.concat()), &[o])
    }
}

/// Rows and columns.
fn sides(shape: &burn::tensor::Shape) -> [usize; 2] {
    [shape[0], shape[1]]
}

#[cfg(feature = "train")]
mod autodiff {
    //! The backward pass, from the parts above.

    use burn::backend::Autodiff;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

    use super::{Backend, FloatTensor, LinearOps};

    #[derive(Debug)]
    struct Linear;

    impl<B: Backend + LinearOps> Backward<B, 3> for Linear {
        /// Input and weight, each where the other's gradient is wanted.
        type State = [Option<B::FloatTensorPrimitive>; 2];

        fn backward(
            self,
            ops: Ops<Self::State, 3>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [node_x, node_weight, node_bias] = ops.parents;
            let [x, weight] = ops.state;
            let grad = grads.consume::<B>(&ops.node);
            if let Some(node) = node_bias {
                grads.register::<B>(node.id, B::linear_bias_grad(grad.clone()));
            }
            if let (Some(node), Some(x)) = (node_weight, x) {
                grads.register::<B>(node.id, B::linear_weight_grad(x, grad.clone()));
            }
            if let (Some(node), Some(weight)) = (node_x, weight) {
                grads.register::<B>(node.id, B::linear_input_grad(weight, grad));
            }
        }
    }

    impl<B: Backend + LinearOps, C: CheckpointStrategy> LinearOps for Autodiff<B, C> {
        fn linear_rows(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
        ) -> FloatTensor<Self> {
            let (for_x, for_weight) = (x.is_tracked(), weight.is_tracked());
            let prep = Linear
                .prepare::<C>([x.node(), weight.node(), bias.node()])
                .compute_bound()
                .stateful();
            let (x, weight) = (x.into_primitive(), weight.into_primitive());
            let y = B::linear_rows(x.clone(), weight.clone(), bias.into_primitive());
            match prep {
                OpsKind::Tracked(prep) => {
                    prep.finish([for_weight.then_some(x), for_x.then_some(weight)], y)
                }
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::made::close;
    use crate::weights::host;
    use burn::tensor::{Device, TensorData};

    fn numbers(shape: [usize; 2], seed: u64, device: &Device) -> Tensor<2> {
        let n = shape.iter().product::<usize>();
        let mut draws = crate::random::stream(seed, "numbers", 0);
        let data: Vec<f32> = (0..n).map(|_| draws.uniform(-1.0, 1.0)).collect();
        Tensor::from_data(TensorData::new(data, shape), device)
    }

    fn burns(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
        x.matmul(weight.transpose()) + bias.unsqueeze()
    }

    const SIZES: [[usize; 3]; 6] =
        [[1, 1, 1], [1, 5, 3], [3, 1, 5], [257, 16, 9], [600, 768, 17], [7, 33, 1]];

    /// What a GPU runs, on the processor.
    #[test]
    fn the_definition_is_burns() {
        use burn_flex::FlexTensor;
        let device = Device::flex();
        let flex = |x: &Tensor<2>| tensor(host(x), &x.dims());
        let flat = |x: FlexTensor| contiguous(x).storage::<f32>().to_vec();
        for [r, i, o] in SIZES {
            let (x, weight) = (numbers([r, i], 1, &device), numbers([o, i], 2, &device));
            let (bias, grad) = (numbers([1, o], 3, &device), numbers([r, o], 4, &device));
            let [fx, fw, fg] = [&x, &weight, &grad].map(flex);
            let fb = tensor(host(&bias), &[o]);
            let y = composed::<Flex>(fx.clone(), fw.clone(), fb);
            close(&flat(y), &host(&burns(x, weight, bias.reshape([o]))), 2e-5);
            let d_x = composed_input_grad::<Flex>(fw.clone(), fg.clone());
            close(&flat(Flex::linear_input_grad(fw, fg.clone())), &flat(d_x), 2e-4);
            let d_weight = composed_weight_grad::<Flex>(fx.clone(), fg.clone());
            close(&flat(Flex::linear_weight_grad(fx, fg.clone())), &flat(d_weight), 2e-4);
            let d_bias = composed_bias_grad::<Flex>(fg.clone());
            close(&flat(Flex::linear_bias_grad(fg)), &flat(d_bias), 2e-4);
        }
    }

    #[test]
    fn a_weight_of_another_width_is_refused() {
        let device = Device::flex();
        for (i, of_bias) in [(4, 2), (2, 2), (3, 3)] {
            let work = std::panic::AssertUnwindSafe(|| {
                let bias = numbers([1, of_bias], 3, &device).reshape([of_bias]);
                linear(numbers([5, 3], 1, &device), numbers([2, i], 2, &device), bias)
            });
            assert!(std::panic::catch_unwind(work).is_err(), "{i} and {of_bias}");
        }
    }

    #[test]
    fn it_is_burns_of_views_too() {
        let device = Device::flex();
        for [r, i, o] in SIZES {
            let bias: Tensor<1> = numbers([1, o], 3, &device).reshape([o]);
            // Rows behind others, and a transpose.
            let x = numbers([r + 2, i], 1, &device).narrow(0, 1, r);
            let weight = numbers([i, o], 2, &device).transpose();
            let ours = linear(x.clone(), weight.clone(), bias.clone());
            close(&host(&ours), &host(&burns(x, weight, bias)), 2e-5);
        }
    }

    #[cfg(feature = "train")]
    #[test]
    fn gradients_are_burns_and_of_what_is_tracked_alone() {
        let device = Device::flex().autodiff();
        for [r, i, o] in SIZES {
            let [x, weight] =
                [([r, i], 1), ([o, i], 2)].map(|(shape, seed)| numbers(shape, seed, &device));
            let bias: Tensor<1> = numbers([1, o], 3, &device).reshape([o]);
            let ours = linear(x.clone(), weight.clone(), bias.clone());
            close(&host(&ours), &host(&burns(x, weight, bias)), 2e-5);
            for wanted in 1..8 {
                let run = |of: fn(Tensor<2>, Tensor<2>, Tensor<1>) -> Tensor<2>| {
                    let track = |bit: usize, x: Tensor<2>| {
                        if wanted & bit == 0 { x } else { x.require_grad() }
                    };
                    let x = track(1, numbers([r, i], 1, &device));
                    let weight = track(2, numbers([o, i], 2, &device));
                    let bias = track(4, numbers([1, o], 3, &device));
                    let y = of(x.clone(), weight.clone(), bias.clone().reshape([o]));
                    // A gradient that is a view.
                    let factor = numbers([o, r], 4, &device).transpose();
                    let grads = (y * factor).sum().backward();
                    [x, weight, bias].map(|x| x.grad(&grads).map(|x| host(&x)))
                };
                for (i, (ours, burns)) in run(linear).iter().zip(run(burns)).enumerate() {
                    assert_eq!(ours.is_some(), wanted >> i & 1 == 1);
                    if let (Some(ours), Some(burns)) = (ours, burns) {
                        close(ours, &burns, 2e-4);
                    }
                }
            }
        }
    }
}
