//! Multi-head self-attention between its projections as one operation, with a hand-written backward
//! pass.
//!
//! Why not Burn's own: composed, heads are copied apart and together again, scores are passed over
//! four times, and gradients of q, k and v are made in zeros of the size of all three (LOG.md has the
//! figures). Here products read heads where they lie. The definition, `composed`, is Burn's own
//! operations: what a GPU runs and what tests compare with. The parts that threads share have one
//! size, so the numbers don't depend on how many there are.
//!
//! Shapes: `b` images, `n` tokens, `d` channels in `h` heads of `e = d / h`.

use burn::backend::{Backend, Flex, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::{Bool, Shape, Slice, Tensor};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::conv::{contiguous, dims, tensor};
use super::product::{Matrix, Old, product};
use super::rows::{RowOps, Softmax, SoftmaxGrad};
use crate::wide::wide;

/// Queries that a thread takes at once.
const QUERIES: usize = 64;

/// `qkv [b, n, 3 d]` (q, k, v, then heads) -> `softmax(q k^T / sqrt(e)) v`, `[b, n, d]`.
///
/// `hidden [b or 1, h or 1, n, n]` marks the keys (last) that a query may not read; every query must
/// be left one.
pub fn attend(qkv: Tensor<3>, hidden: Option<Tensor<4, Bool>>, heads: usize) -> Tensor<3> {
    let ([b, n, channels], device) = (qkv.dims(), qkv.device());
    assert!(heads > 0 && channels.is_multiple_of(3 * heads), "{channels} channels, {heads} heads");
    if let Some([images, of_heads, queries, keys]) = hidden.as_ref().map(Tensor::dims) {
        let fits = [1, b].contains(&images) && [1, heads].contains(&of_heads);
        assert!(fits && [queries, keys] == [n; 2], "what is hidden has another shape");
    }
    let shift: Tensor<4> = match hidden {
        Some(hidden) => Tensor::zeros(hidden.shape(), &device).mask_fill(hidden, f32::NEG_INFINITY),
        None => Tensor::zeros([1, 1, 1, 1], &device),
    };
    Tensor::from_dispatch(<burn::backend::Dispatch as AttendOps>::attend(
        qkv.into_dispatch(),
        shift.into_dispatch(),
        heads,
    ))
}

/// The operation and its backward pass, as a backend sees them. `shift` is added to the scores before
/// the softmax: `[b or 1, h or 1, n, n]`, or one number that is finite, which changes nothing. It is a
/// constant.
#[backend_extension(
    Flex,
    Cube: cfg(feature = "cuda"),
    Autodiff: cfg(feature = "train"),
)]
pub trait AttendOps: Backend + RowOps {
    /// See [`attend`].
    fn attend(qkv: FloatTensor<Self>, shift: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        Self::attend_kept(qkv, shift, heads).0
    }

    /// With the attention, which [`AttendOps::attend_grad`] takes; its layout is the backend's own.
    fn attend_kept(
        qkv: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composed::<Self>(qkv, shift, heads)
    }

    /// `[b, n, 3 d]`: the gradient of `qkv`.
    fn attend_grad(
        qkv: FloatTensor<Self>,
        attention: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self> {
        composed_grad::<Self>(qkv, attention, grad, heads)
    }
}

/// The definition of [`AttendOps::attend_kept`]; the attention is `[b, h, n, n]`.
fn composed<B: Backend + RowOps>(
    qkv: FloatTensor<B>,
    shift: FloatTensor<B>,
    heads: usize,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let sizes = Sizes::of(&qkv.shape(), heads);
    let [q, k, v] = parts::<B>(qkv, sizes);
    let scores = B::float_matmul(q, B::float_swap_dims(k, 2, 3));
    let scores = B::float_div_scalar(scores, sizes.scale().into());
    let attention = B::softmax_last(B::float_add(scores, shift));
    let mixed = B::float_matmul(attention.clone(), v); // [b, h, n, e]
    let mixed = B::float_swap_dims(mixed, 1, 2);
    (B::float_reshape(mixed, [sizes.b, sizes.n, sizes.d()].into()), attention)
}

/// The definition of [`AttendOps::attend_grad`].
fn composed_grad<B: Backend + RowOps>(
    qkv: FloatTensor<B>,
    attention: FloatTensor<B>,
    grad: FloatTensor<B>,
    heads: usize,
) -> FloatTensor<B> {
    let sizes = Sizes::of(&qkv.shape(), heads);
    let Sizes { b, n, h, e } = sizes;
    let [q, k, v] = parts::<B>(qkv, sizes);
    let grad = B::float_swap_dims(B::float_reshape(grad, [b, n, h, e].into()), 1, 2);
    let turned = |x| B::float_swap_dims(x, 2, 3);
    let dv = B::float_matmul(turned(attention.clone()), grad.clone());
    let d_scores = B::softmax_last_grad(attention, B::float_matmul(grad, turned(v)));
    let d_scores = B::float_div_scalar(d_scores, sizes.scale().into());
    let dq = B::float_matmul(d_scores.clone(), k);
    let dk = B::float_matmul(turned(d_scores), q);
    // [b, h, n, e] to a part of [b, n, 3, h, e]
    let part = |x| B::float_reshape(B::float_swap_dims(x, 1, 2), [b, n, 1, h, e].into());
    let both = B::float_cat([dq, dk, dv].map(part).into(), 2);
    B::float_reshape(both, [b, n, 3 * h * e].into())
}

/// q, k and v, `[b, h, n, e]` each.
fn parts<B: Backend>(qkv: FloatTensor<B>, sizes: Sizes) -> [FloatTensor<B>; 3] {
    let Sizes { b, n, h, e } = sizes;
    let qkv = B::float_reshape(qkv, [b, n, 3, h, e].into());
    [0, 1, 2].map(|i| {
        let whole = Slice::full();
        let slices = [whole, whole, Slice::from(i..i + 1), whole, whole];
        let part = B::float_reshape(B::float_slice(qkv.clone(), &slices), [b, n, h, e].into());
        B::float_swap_dims(part, 1, 2)
    })
}

#[derive(Clone, Copy)]
struct Sizes {
    b: usize,
    n: usize,
    h: usize,
    e: usize,
}

impl Sizes {
    fn of(qkv: &Shape, h: usize) -> Self {
        Self { b: qkv[0], n: qkv[1], h, e: qkv[2] / 3 / h }
    }

    fn d(self) -> usize {
        self.h * self.e
    }

    /// What scores are divided by.
    fn scale(self) -> f64 {
        (self.e as f64).sqrt()
    }

    /// Numbers of an image's `qkv`, and of its attention.
    fn image(self) -> [usize; 2] {
        [self.n * 3 * self.d(), self.n * self.h * self.n]
    }

    /// `[n, e]`: q (0), k (1) or v (2) of a head of an image.
    fn part(self, qkv: &[f32], part: usize, head: usize) -> Matrix<'_> {
        let d = self.d();
        Matrix::new(&qkv[part * d + head * self.e..], [self.n, self.e], [3 * d, 1])
    }

    /// `[queries, n]`: a head of the attention `[queries, h, n]`.
    fn head(self, attention: &[f32], head: usize) -> Matrix<'_> {
        let Self { n, h, .. } = self;
        Matrix::new(&attention[head * n..], [attention.len() / (h * n), n], [h * n, 1])
    }
}

/// A GPU runs Burn's own operations, fused as they come.
#[cfg(feature = "cuda")]
impl AttendOps for burn::backend::Cube {}

impl AttendOps for Flex {
    fn attend(qkv: FloatTensor<Self>, shift: FloatTensor<Self>, heads: usize) -> FloatTensor<Self> {
        let [qkv, shift] = [qkv, shift].map(contiguous);
        let sizes = Sizes::of(&qkv.shape(), heads);
        let mut out = vec![0.0; sizes.b * sizes.n * sizes.d()];
        let pieces = pieces(sizes, qkv.storage(), Shift::of(&shift), &mut out);
        pieces.into_par_iter().for_each(|piece| {
            let mut attention = vec![0.0; piece.queries() * sizes.h * sizes.n];
            piece.forward(&mut attention);
        });
        tensor(out, &[sizes.b, sizes.n, sizes.d()])
    }

    /// The attention is `[b, n, h, n]`: queries, heads, keys.
    fn attend_kept(
        qkv: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        heads: usize,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [qkv, shift] = [qkv, shift].map(contiguous);
        let sizes = Sizes::of(&qkv.shape(), heads);
        let Sizes { b, n, h, .. } = sizes;
        let mut out = vec![0.0; b * n * sizes.d()];
        let mut attention = vec![0.0; b * n * h * n];
        let mut rest = attention.as_mut_slice();
        let mut with = Vec::new();
        for piece in pieces(sizes, qkv.storage(), Shift::of(&shift), &mut out) {
            let (its, others) = rest.split_at_mut(piece.queries() * h * n);
            rest = others;
            with.push((piece, its));
        }
        with.into_par_iter().for_each(|(piece, attention)| piece.forward(attention));
        (tensor(out, &[b, n, sizes.d()]), tensor(attention, &[b, n, h, n]))
    }

    fn attend_grad(
        qkv: FloatTensor<Self>,
        attention: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        heads: usize,
    ) -> FloatTensor<Self> {
        let [qkv, grad] = [qkv, grad].map(contiguous);
        let sizes = Sizes::of(&qkv.shape(), heads);
        let [of_qkv, of_attention] = sizes.image();
        let mut out = vec![0.0; sizes.b * of_qkv];
        out.par_chunks_exact_mut(of_qkv)
            .zip(qkv.storage::<f32>().par_chunks_exact(of_qkv))
            .zip(attention.storage::<f32>().par_chunks_exact(of_attention))
            .zip(grad.storage::<f32>().par_chunks_exact(sizes.n * sizes.d()))
            .for_each(|(((out, qkv), attention), grad)| {
                image_grad(sizes, qkv, attention, grad, out);
            });
        tensor(out, &[sizes.b, sizes.n, 3 * sizes.d()])
    }
}

/// What is added to scores, `[images, heads, n, n]`, where it is more than one number.
#[derive(Clone, Copy)]
struct Shift<'a> {
    data: &'a [f32],
    images: usize,
    heads: usize,
}

impl<'a> Shift<'a> {
    fn of(shift: &'a FlexTensor) -> Option<Self> {
        let ([images, heads, ..], data) = (dims(shift), shift.storage::<f32>());
        let nothing = matches!(data, [number] if number.is_finite());
        (!nothing).then_some(Self { data, images, heads })
    }

    /// `[n]`: for a query of a head of an image.
    fn row(self, n: usize, [image, head, query]: [usize; 3]) -> &'a [f32] {
        let plane = image % self.images * self.heads + head % self.heads;
        &self.data[(plane * n + query) * n..][..n]
    }
}

/// Some queries of an image, all its heads.
struct Piece<'a> {
    sizes: Sizes,
    /// `[n, 3 d]`: the image's.
    qkv: &'a [f32],
    shift: Option<Shift<'a>>,
    image: usize,
    /// The first query.
    first: usize,
    /// `[queries, d]`: what they get.
    out: &'a mut [f32],
}

fn pieces<'a>(
    sizes: Sizes,
    qkv: &'a [f32],
    shift: Option<Shift<'a>>,
    out: &'a mut [f32],
) -> Vec<Piece<'a>> {
    let [of_qkv, _] = sizes.image();
    let images = qkv.chunks_exact(of_qkv).zip(out.chunks_exact_mut(sizes.n * sizes.d()));
    let of_image = |(image, (qkv, out)): (usize, (&'a [f32], &'a mut [f32]))| {
        let parts = out.chunks_mut(QUERIES * sizes.d()).enumerate();
        parts.map(move |(i, out)| Piece { sizes, qkv, shift, image, first: i * QUERIES, out })
    };
    images.enumerate().flat_map(of_image).collect()
}

impl Piece<'_> {
    fn queries(&self) -> usize {
        self.out.len() / self.sizes.d()
    }

    /// Fills the `attention [queries, h, n]` and then what comes of it.
    fn forward(self, attention: &mut [f32]) {
        let m = self.queries();
        let Self { sizes, qkv, shift, image, first, out } = self;
        let Sizes { n, h, e, .. } = sizes;
        let d = sizes.d();
        let queries = &qkv[first * 3 * d..];
        for head in 0..h {
            let q = Matrix::new(&queries[head * e..], [m, e], [3 * d, 1]);
            let k = sizes.part(qkv, 1, head);
            product(&mut attention[head * n..], h * n, Old::Lost, q, k.t());
        }
        divide(attention, sizes);
        if let Some(shift) = shift {
            for (i, scores) in attention.chunks_exact_mut(n).enumerate() {
                let shifts = shift.row(n, [image, i % h, first + i / h]);
                for (score, shift) in scores.iter_mut().zip(shifts) {
                    *score += shift;
                }
            }
        }
        wide(Softmax { x: attention, d: n });
        for head in 0..h {
            let a = sizes.head(attention, head);
            product(&mut out[head * e..], d, Old::Lost, a, sizes.part(qkv, 2, head));
        }
    }
}

/// `out [n, 3 d]`: the gradient of an image's `qkv [n, 3 d]`, from its `attention [n, h, n]` and the
/// gradient `grad [n, d]` of what came out.
fn image_grad(sizes: Sizes, qkv: &[f32], attention: &[f32], grad: &[f32], out: &mut [f32]) {
    let Sizes { n, h, e, .. } = sizes;
    let d = sizes.d();
    let mut scores = vec![0.0; attention.len()]; // [n, h, n], as the attention
    for head in 0..h {
        let grad = Matrix::new(&grad[head * e..], [n, e], [d, 1]);
        // dV = A^T dO,  dA = dO V^T
        let a = sizes.head(attention, head);
        product(&mut out[2 * d + head * e..], 3 * d, Old::Lost, a.t(), grad);
        let v = sizes.part(qkv, 2, head);
        product(&mut scores[head * n..], h * n, Old::Lost, grad, v.t());
    }
    wide(SoftmaxGrad { grad: &mut scores, y: attention, d: n });
    divide(&mut scores, sizes);
    for head in 0..h {
        // dQ = dS K,  dK = dS^T Q
        let s = sizes.head(&scores, head);
        product(&mut out[head * e..], 3 * d, Old::Lost, s, sizes.part(qkv, 1, head));
        product(&mut out[d + head * e..], 3 * d, Old::Lost, s.t(), sizes.part(qkv, 0, head));
    }
}

fn divide(scores: &mut [f32], sizes: Sizes) {
    let scale = sizes.scale() as f32;
    for score in scores {
        *score /= scale;
    }
}

#[cfg(feature = "train")]
mod autodiff {
    //! The backward pass, from the parts above.

    use burn::backend::Autodiff;
    use burn::backend::autodiff::checkpoint::base::Checkpointer;
    use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
    use burn::backend::autodiff::grads::Gradients;
    use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

    use super::{AttendOps, Backend, FloatTensor};

    #[derive(Debug)]
    struct Attend;

    /// What the backward pass needs of the forward pass.
    #[derive(Clone, Debug)]
    struct State<B: Backend> {
        qkv: B::FloatTensorPrimitive,
        attention: B::FloatTensorPrimitive,
        heads: usize,
    }

    impl<B: Backend + AttendOps> Backward<B, 1> for Attend {
        type State = State<B>;

        fn backward(
            self,
            ops: Ops<Self::State, 1>,
            grads: &mut Gradients,
            _checkpointer: &mut Checkpointer,
        ) {
            let [node] = ops.parents;
            let State { qkv, attention, heads } = ops.state;
            let grad = grads.consume::<B>(&ops.node);
            if let Some(node) = node {
                grads.register::<B>(node.id, B::attend_grad(qkv, attention, grad, heads));
            }
        }
    }

    impl<B: Backend + AttendOps, C: CheckpointStrategy> AttendOps for Autodiff<B, C> {
        fn attend(
            qkv: FloatTensor<Self>,
            shift: FloatTensor<Self>,
            heads: usize,
        ) -> FloatTensor<Self> {
            let prep = Attend.prepare::<C>([qkv.node()]).compute_bound().stateful();
            let (qkv, shift) = (qkv.into_primitive(), shift.into_primitive());
            match prep {
                OpsKind::Tracked(prep) => {
                    let (out, attention) = B::attend_kept(qkv.clone(), shift, heads);
                    prep.finish(State { qkv, attention, heads }, out)
                }
                OpsKind::UnTracked(prep) => prep.finish(B::attend(qkv, shift, heads)),
            }
        }
    }
}

#[cfg(test)]
#[path = "attend_tests.rs"]
mod tests;
