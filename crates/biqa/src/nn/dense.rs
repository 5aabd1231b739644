//! A convolution without groups and its weight gradient, as products of matrices.
//!
//! Who calls: [`super::conv`], for the CPU device.
//!
//! Shapes: `b` images, `c` input channels, `o` output channels, `k x k` taps, `h w` rows and columns
//! of the input, `h' w'` of the output.

use std::ops::Range;

use burn::backend::Flex;
use burn::backend::ops::FloatTensorOps;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::conv::{Walk, dims, tensor};
use super::product::{Matrix, Old, product};

/// Places of the output that one product runs over at least, where a batch has as many: enough for
/// its speed.
const PLACES: usize = 1024;
/// And at most, but for a row: each takes `c k^2` numbers of memory.
const MOST_PLACES: usize = 16_384;

/// Channels in and out up to which Burn takes tap by tap what a product does faster.
const FEW: [usize; 2] = [4, 16];

/// Whether [`forward`] is faster than Burn's convolution, which has the word where a kernel has no
/// place in a picture.
pub fn is_for_products([_, c, h, w]: [usize; 4], [o, _, k, _]: [usize; 4], walk: Walk) -> bool {
    c <= FEW[0] && o <= FEW[1] && h.min(w) + 2 * walk.padding >= k
}

/// `[b, o, h', w']` from the input `x [b, c, h, w]` and `weight [o, c, k, k]`, both contiguous.
pub fn forward(x: &FlexTensor, weight: &FlexTensor, walk: Walk) -> FlexTensor {
    let ([b, c, h, w], [o, of_weight, k, wide]) = (dims(x), dims(weight));
    assert_eq!([of_weight, wide], [c, k], "channels and columns of a kernel");
    let [ho, wo] = [h, w].map(|side| (side + 2 * walk.padding - k) / walk.stride + 1);
    let taps = c * k * k;
    let weight = Matrix::rows(weight.storage(), [o, taps]);
    let mut out = vec![0.0; b * o * ho * wo];
    // Image by image: each takes memory, and is worth all threads.
    for (image, out) in out.chunks_exact_mut((o * ho * wo).max(1)).enumerate() {
        for rows in row_parts(ho, wo) {
            let (first, places) = (rows.start * wo, rows.len() * wo);
            let seen = seen(x, image..image + 1, rows, [k, wo], walk);
            let seen = Matrix::rows(&seen, [taps, places]);
            product(&mut out[first..], ho * wo, Old::Lost, weight, seen);
        }
    }
    tensor(out, &[b, o, ho, wo])
}

/// Rows of the output in parts of at most [`MOST_PLACES`].
fn row_parts(ho: usize, wo: usize) -> impl Iterator<Item = Range<usize>> {
    let rows = if ho * wo > MOST_PLACES { (MOST_PLACES / wo).max(1) } else { ho };
    (0..ho).step_by(rows.max(1)).map(move |row| row..(row + rows).min(ho))
}

/// `[o, c, k, k]` from the input `x [b, c, h, w]` and the output's gradient `grad [b, o, h', w']`,
/// both contiguous.
pub fn weight_grad(
    x: &FlexTensor,
    weight: &FlexTensor,
    grad: &FlexTensor,
    walk: Walk,
) -> FlexTensor {
    let ([o, c, k, _], [b, _, ho, wo]) = (dims(weight), dims(grad));
    let together = PLACES.div_ceil(ho * wo).min(b).max(1);
    let parts = (0..b).step_by(together).flat_map(|image| {
        let images = image..(image + together).min(b);
        row_parts(ho, wo).map(move |rows| (images.clone(), rows))
    });
    let part = |(images, rows): (Range<usize>, Range<usize>)| {
        let (n, m) = (images.len(), rows.len());
        let grad = grad.narrow(0, images.start, n).narrow(2, rows.start, m).transpose(0, 1);
        let grad = grad.to_contiguous().reshape([o, n * m * wo].into());
        let places = n * m * wo;
        let seen = tensor(seen(x, images, rows, [k, wo], walk), &[c * k * k, places]);
        Flex::float_matmul(grad, seen.transpose(0, 1))
    };
    let sum = parts.map(part).reduce(Flex::float_add);
    sum.expect("a batch has an image").reshape([o, c, k, k].into())
}

/// `[c k^2, n m w']`: what every tap meets at the places of `n` images and `m` of their output's rows;
/// zeros outside a picture.
fn seen(
    x: &FlexTensor,
    images: Range<usize>,
    rows: Range<usize>,
    [k, wo]: [usize; 2],
    walk: Walk,
) -> Vec<f32> {
    let [_, c, h, w] = dims(x);
    let x = x.storage::<f32>();
    let places = images.len() * rows.len() * wo;
    let mut out = vec![0.0; c * k * k * places];
    out.par_chunks_exact_mut(places).enumerate().for_each(|(row, out)| {
        let (channel, ky, kx) = (row / (k * k), row / k % k, row % k);
        let columns = inside(kx, wo, w, walk);
        if columns.is_empty() {
            return;
        }
        let first = (columns.start * walk.stride + kx).saturating_sub(walk.padding);
        let planes = images.clone().map(|i| &x[(i * c + channel) * h * w..][..h * w]);
        let reached = inside(ky, rows.end, h, walk);
        for (plane, out) in planes.zip(out.chunks_exact_mut(rows.len() * wo)) {
            for y in reached.start.max(rows.start)..reached.end {
                let from = &plane[(y * walk.stride + ky - walk.padding) * w..][..w];
                let out = &mut out[(y - rows.start) * wo..][columns.clone()];
                if walk.stride == 1 {
                    out.copy_from_slice(&from[first..first + out.len()]);
                } else {
                    for (out, &v) in out.iter_mut().zip(from[first..].iter().step_by(walk.stride)) {
                        *out = v;
                    }
                }
            }
        }
    });
    out
}

/// The places `p < places` at which tap `t` meets one of `length` rows or columns:
/// `0 <= stride p + t - padding < length`.
fn inside(t: usize, places: usize, length: usize, walk: Walk) -> Range<usize> {
    let from = walk.padding.saturating_sub(t).div_ceil(walk.stride);
    let to = (length + walk.padding).saturating_sub(t).div_ceil(walk.stride).min(places);
    from.min(to)..to
}
