//! Convolution, alone or with bias and ReLU6 as one operation, with a hand-written backward pass.
//!
//! Why not `conv2d` and `clamp`: measured on the CPU device of Burn 0.22.1, a training step of
//! MobileNetV2 or a ResNet spends most of its time in the weight gradient (of a depthwise
//! convolution one convolution a channel, of any other a convolution with a kernel as large as the
//! picture), and in the passes over memory of bias and clamp; a photo's score takes .73 of the time
//! where its convolutions are products that write where they should (LOG.md has the figures). The
//! trait's default bodies, Burn's own operations, are the definition, which tests compare with.
//!
//! Shapes: `b` images, `c` input channels, `o` output channels, `h w` rows and columns.

use burn::backend::ops::ModuleOps;
use burn::backend::{Backend, Flex, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::dense;
use super::kernels::{
    BiasAct, Depthwise, DepthwiseForward, DepthwiseInputGrad, DepthwiseWeightGrad, RELU6_MAX,
    Relu6Grad, Sum,
};
use super::product::Matrix;
use crate::wide::wide;

/// How a square kernel goes over a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Rows and columns from one place to the next.
    pub stride: usize,
    /// Zeros around the picture.
    pub padding: usize,
    /// Parts that channels are split into.
    pub groups: usize,
}

impl Walk {
    /// As Burn has it.
    pub(super) fn options(self) -> ConvOptions<2> {
        ConvOptions::new([self.stride; 2], [self.padding; 2], [1, 1], self.groups)
    }
}

/// `act(conv2d(x, weight) + bias)`.
///
/// `x [b, c, h, w]`, `weight [o, c / groups, k, k]`, `bias [o]` -> `[b, o, h', w']`; `act` is ReLU6
/// where `relu6`, else nothing.
pub fn conv_act(
    x: Tensor<4>,
    weight: Tensor<4>,
    bias: Tensor<1>,
    walk: Walk,
    relu6: bool,
) -> Tensor<4> {
    check(&x, &weight, walk);
    Tensor::from_dispatch(<burn::backend::Dispatch as ConvActOps>::conv_act(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        walk,
        relu6,
    ))
}

/// `conv2d(x, weight)`, shapes as in [`conv_act`].
pub fn conv(x: Tensor<4>, weight: Tensor<4>, walk: Walk) -> Tensor<4> {
    check(&x, &weight, walk);
    Tensor::from_dispatch(<burn::backend::Dispatch as ConvActOps>::conv(
        x.into_dispatch(),
        weight.into_dispatch(),
        walk,
    ))
}

/// A kernel of other channels, or one that is not square, would be read as if it fitted.
fn check(x: &Tensor<4>, weight: &Tensor<4>, walk: Walk) {
    let ([_, c, ..], [o, of_weight, k, wide]) = (x.dims(), weight.dims());
    let groups = walk.groups.max(1);
    let fits = c == groups * of_weight && o.is_multiple_of(groups) && k == wide;
    assert!(fits, "a kernel {:?} for {c} channels in {groups} groups", weight.dims());
}

/// The operation and the parts of its backward pass, as a backend sees them.
#[backend_extension(
    Flex,
    Cube: cfg(feature = "cuda"),
    Autodiff: cfg(feature = "train"),
)]
pub trait ConvActOps: Backend {
    /// See [`conv_act`].
    fn conv_act(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        walk: Walk,
        relu6: bool,
    ) -> FloatTensor<Self> {
        let y = Self::conv2d(x, weight, Some(bias), walk.options());
        if relu6 { Self::float_clamp(y, 0.0.into(), RELU6_MAX.into()) } else { y }
    }

    /// See [`conv`].
    fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, walk: Walk) -> FloatTensor<Self> {
        Self::conv2d(x, weight, None, walk.options())
    }

    /// The gradient before ReLU6, from the one behind it and the output `y`.
    fn relu6_grad(y: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let settings = burn::backend::get_device_settings::<Self>(&y.device());
        let low = Self::float_lower_equal_elem(y.clone(), 0.0.into(), settings.bool_dtype);
        let high = Self::float_greater_equal_elem(y, RELU6_MAX.into(), settings.bool_dtype);
        let grad = Self::float_mask_fill(grad, low, 0.0.into());
        Self::float_mask_fill(grad, high, 0.0.into())
    }

    /// `[b, c, h, w]`: the gradient of the input, whose rows and columns are `x`'s.
    fn conv_input_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        walk: Walk,
    ) -> FloatTensor<Self> {
        Self::conv2d_x_backward(x, weight, grad, walk.options())
    }

    /// `[o, c / groups, k, k]`: the gradient of the weight.
    fn conv_weight_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        walk: Walk,
    ) -> FloatTensor<Self> {
        Self::conv2d_weight_backward(x, weight, grad, walk.options())
    }

    /// `[o]`: the gradient of the bias.
    fn conv_bias_grad(grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let o = grad.shape()[1];
        Self::float_reshape(Self::float_sum_dims(grad, &[0, 2, 3]), [o].into())
    }
}

/// A GPU runs Burn's own operations, fused as they come.
#[cfg(feature = "cuda")]
impl ConvActOps for burn::backend::Cube {}

impl ConvActOps for Flex {
    fn conv_act(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        walk: Walk,
        relu6: bool,
    ) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        match Kind::of(&x, &weight, walk) {
            Kind::Depthwise(s) => depthwise_forward(&x, &weight, &bias, s, relu6),
            _ => bias_act(Self::conv(x, weight, walk), &bias, relu6),
        }
    }

    fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, walk: Walk) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        match Kind::of(&x, &weight, walk) {
            Kind::Pointwise => {
                let ([b, c, h, w], [o, ..]) = (dims(&x), dims(&weight));
                let weight = weight.to_contiguous();
                let weight = Matrix::rows(weight.storage(), [o, c]);
                tensor(dense::mix(weight, x.storage(), [b, h * w]), &[b, o, h, w])
            }
            Kind::Dense => dense::forward(&x, &weight.to_contiguous(), walk)
                .unwrap_or_else(|| Self::conv2d(x, weight, None, walk.options())),
            _ => Self::conv2d(x, weight, None, walk.options()),
        }
    }

    fn relu6_grad(y: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let (y, mut grad) = (contiguous(y), contiguous(grad));
        let plane = plane_len(&y);
        let y_planes = y.storage::<f32>().par_chunks_exact(plane);
        grad.storage_mut::<f32>()
            .par_chunks_exact_mut(plane)
            .zip(y_planes)
            .for_each(|(g, y)| wide(Relu6Grad { g, y }));
        grad
    }

    fn conv_input_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        walk: Walk,
    ) -> FloatTensor<Self> {
        let grad = grad.to_contiguous();
        match Kind::of(&x, &weight, walk) {
            Kind::Depthwise(s) => depthwise_input_grad(&x, &weight, &grad, s),
            Kind::Pointwise => {
                let ([b, c, h, w], [o, ..]) = (dims(&x), dims(&weight));
                let weight = weight.to_contiguous();
                let weight = Matrix::rows(weight.storage(), [o, c]);
                tensor(dense::mix(weight.t(), grad.storage(), [b, h * w]), &[b, c, h, w])
            }
            Kind::Dense => dense::input_grad(&x, &weight.to_contiguous(), &grad, walk),
            Kind::Other => Self::conv2d_x_backward(x, weight, grad, walk.options()),
        }
    }

    fn conv_weight_grad(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        walk: Walk,
    ) -> FloatTensor<Self> {
        let (x, grad) = (x.to_contiguous(), grad.to_contiguous());
        match Kind::of(&x, &weight, walk) {
            Kind::Depthwise(s) => depthwise_weight_grad(&x, &grad, s),
            Kind::Pointwise => {
                let ([_, c, h, w], [o, ..]) = (dims(&x), dims(&weight));
                let (x, grad) = (x.storage(), grad.storage());
                tensor(dense::mix_weight_grad(x, grad, [o, c], h * w), &[o, c, 1, 1])
            }
            Kind::Dense => dense::weight_grad(&x, &weight, &grad, walk),
            Kind::Other => Self::conv2d_weight_backward(x, weight, grad, walk.options()),
        }
    }

    fn conv_bias_grad(grad: FloatTensor<Self>) -> FloatTensor<Self> {
        let grad = grad.to_contiguous();
        let [b, o, ..] = dims(&grad);
        let (plane, data) = (plane_len(&grad), grad.storage::<f32>());
        let sums: Vec<f32> = (0..o)
            .into_par_iter()
            .map(|o_idx| {
                let planes = (0..b).map(|b_idx| &data[(b_idx * o + o_idx) * plane..][..plane]);
                planes.map(|p| wide(Sum(p))).sum()
            })
            .collect();
        tensor(sums, &[o])
    }
}

/// The convolutions, as they are computed.
enum Kind {
    Depthwise(Depthwise),
    Pointwise,
    /// Any other without groups.
    Dense,
    /// Burn's.
    Other,
}

impl Kind {
    fn of(x: &FlexTensor, weight: &FlexTensor, walk: Walk) -> Self {
        let [_, c, height, width] = dims(x);
        let [o, _, k, _] = dims(weight);
        let Walk { stride, padding, groups } = walk;
        match (k, stride, padding, groups) {
            (3, 1 | 2, 1, g) if g == c && g == o && g > 1 => {
                Self::Depthwise(Depthwise { height, width, stride })
            }
            (1, 1, 0, 1) => Self::Pointwise,
            (_, _, _, 1) => Self::Dense,
            _ => Self::Other,
        }
    }
}

pub(super) fn dims(x: &FlexTensor) -> [usize; 4] {
    let shape = x.layout().shape();
    [shape[0], shape[1], shape[2], shape[3]]
}

fn plane_len(x: &FlexTensor) -> usize {
    let [_, _, h, w] = dims(x);
    h * w
}

/// Its own numbers in order. It takes the tensor, so that one that nobody else has is changed where
/// it lies.
pub(super) fn contiguous(x: FlexTensor) -> FlexTensor {
    x.to_contiguous()
}

pub(super) fn tensor(data: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(burn::tensor::TensorData::new(data, shape.to_vec()))
}

/// Nine taps of channel `c`.
fn taps(weight: &[f32], c: usize) -> &[f32; 9] {
    weight[9 * c..9 * c + 9].try_into().expect("the slice has nine elements")
}

fn bias_act(mut y: FlexTensor, bias: &FlexTensor, relu6: bool) -> FlexTensor {
    let bias = bias.to_contiguous();
    let (plane, bias) = (plane_len(&y), bias.storage::<f32>());
    y.storage_mut::<f32>()
        .par_chunks_exact_mut(plane)
        .enumerate()
        .for_each(|(i, x)| wide(BiasAct { x, bias: bias[i % bias.len()], relu6 }));
    y
}

fn depthwise_forward(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: &FlexTensor,
    s: Depthwise,
    relu6: bool,
) -> FlexTensor {
    let [b, c, ..] = dims(x);
    let (weight, bias) = (weight.to_contiguous(), bias.to_contiguous());
    let (weight, bias) = (weight.storage::<f32>(), bias.storage::<f32>());
    let (ho, wo) = (s.out_height(), s.out_width());
    let mut out = vec![0.0; b * c * ho * wo];
    out.par_chunks_exact_mut(ho * wo)
        .zip(x.storage::<f32>().par_chunks_exact(s.height * s.width))
        .enumerate()
        .for_each(|(i, (out, x))| {
            let ch = i % c;
            let (w, bias) = (taps(weight, ch), bias[ch]);
            wide(DepthwiseForward { x, w, bias, relu6, s, out });
        });
    tensor(out, &[b, c, ho, wo])
}

fn depthwise_input_grad(
    x: &FlexTensor,
    weight: &FlexTensor,
    grad: &FlexTensor,
    s: Depthwise,
) -> FlexTensor {
    let [b, c, h, w] = dims(x);
    let weight = weight.to_contiguous();
    let weight = weight.storage::<f32>();
    let mut dx = vec![0.0; b * c * h * w];
    dx.par_chunks_exact_mut(h * w)
        .zip(grad.storage::<f32>().par_chunks_exact(s.out_height() * s.out_width()))
        .enumerate()
        .for_each(|(i, (dx, g))| {
            wide(DepthwiseInputGrad { g, w: taps(weight, i % c), s, dx });
        });
    tensor(dx, &[b, c, h, w])
}

fn depthwise_weight_grad(x: &FlexTensor, grad: &FlexTensor, s: Depthwise) -> FlexTensor {
    let [b, c, h, w] = dims(x);
    let (x, grad) = (x.storage::<f32>(), grad.storage::<f32>());
    let (n_in, n_out) = (h * w, s.out_height() * s.out_width());
    let each: Vec<[f32; 9]> = (0..c)
        .into_par_iter()
        .map(|ch| {
            let mut dw = [0.0; 9];
            for i in (0..b).map(|b_idx| b_idx * c + ch) {
                let (x, g) = (&x[i * n_in..][..n_in], &grad[i * n_out..][..n_out]);
                wide(DepthwiseWeightGrad { x, g, s, dw: &mut dw });
            }
            dw
        })
        .collect();
    tensor(each.into_flattened(), &[c, 1, 3, 3])
}

#[cfg(feature = "train")]
mod autodiff {
    //! The backward pass, from the parts above.

    use burn::backend::Autodiff;
    use burn::backend::autodiff::NodeId;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

    use super::{Backend, ConvActOps, FloatTensor, Walk};

    #[derive(Debug)]
    struct ConvAct;

    #[derive(Debug)]
    struct Conv;

    /// What the backward pass needs of the forward pass.
    #[derive(Clone, Debug)]
    struct State<B: Backend> {
        x: B::FloatTensorPrimitive,
        weight: B::FloatTensorPrimitive,
        walk: Walk,
    }

    impl<B: Backend + ConvActOps> State<B> {
        /// The gradients of those of `[x, weight]` that want one.
        fn backward(
            self,
            [node_x, node_weight]: [Option<NodeId>; 2],
            grad: B::FloatTensorPrimitive,
            grads: &mut Gradients,
        ) {
            let Self { x, weight, walk } = self;
            if let Some(node) = node_weight {
                let dw = B::conv_weight_grad(x.clone(), weight.clone(), grad.clone(), walk);
                grads.register::<B>(node, dw);
            }
            if let Some(node) = node_x {
                grads.register::<B>(node, B::conv_input_grad(x, weight, grad, walk));
            }
        }
    }

    impl<B: Backend + ConvActOps> Backward<B, 3> for ConvAct {
        /// With what came out, where ReLU6 was asked for.
        type State = (State<B>, Option<B::FloatTensorPrimitive>);

        fn backward(
            self,
            ops: Ops<Self::State, 3>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [node_x, node_weight, node_bias] = ops.parents;
            let (state, y) = ops.state;
            let grad = grads.consume::<B>(&ops.node);
            let grad = match y {
                Some(y) => B::relu6_grad(y, grad),
                None => grad,
            };
            if let Some(node) = node_bias {
                grads.register::<B>(node.id, B::conv_bias_grad(grad.clone()));
            }
            state.backward([node_x, node_weight].map(|n| n.map(|n| n.id)), grad, grads);
        }
    }

    impl<B: Backend + ConvActOps> Backward<B, 2> for Conv {
        type State = State<B>;

        fn backward(
            self,
            ops: Ops<Self::State, 2>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let grad = grads.consume::<B>(&ops.node);
            ops.state.backward(ops.parents.map(|n| n.map(|n| n.id)), grad, grads);
        }
    }

    impl<B: Backend + ConvActOps, C: CheckpointStrategy> ConvActOps for Autodiff<B, C> {
        fn conv_act(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
            walk: Walk,
            relu6: bool,
        ) -> FloatTensor<Self> {
            let prep = ConvAct
                .prepare::<C>([x.node(), weight.node(), bias.node()])
                .compute_bound()
                .stateful();
            let (x, weight) = (x.into_primitive(), weight.into_primitive());
            let y = B::conv_act(x.clone(), weight.clone(), bias.into_primitive(), walk, relu6);
            match prep {
                OpsKind::Tracked(prep) => {
                    let kept = relu6.then(|| y.clone());
                    prep.finish((State { x, weight, walk }, kept), y)
                }
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }

        fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, walk: Walk) -> FloatTensor<Self> {
            let prep = Conv.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful();
            let (x, weight) = (x.into_primitive(), weight.into_primitive());
            let y = B::conv(x.clone(), weight.clone(), walk);
            match prep {
                OpsKind::Tracked(prep) => prep.finish(State { x, weight, walk }, y),
                OpsKind::UnTracked(prep) => prep.finish(y),
            }
        }
    }
}
