//! A convolution without groups and its gradients, as products of matrices.
//!
//! Who calls: [`super::conv`], for the CPU device.
//!
//! Shapes: `b` images, `c` input channels, `o` output channels, `k x k` taps, `h w` rows and columns
//! of the input, `h' w'` of the output.

use std::ops::Range;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::conv::{Walk, dims, tensor};
use super::kernels::add;
use super::product::{Matrix, Old, product};

/// Places of the output for whose weight gradient images are taken together: enough for a product's
/// speed.
const PLACES: usize = 1024;
/// Numbers that the taps of an image's part meet at most, but for a row of the output: what a core's
/// cache holds.
const NUMBERS: usize = 1 << 19;
/// Images whose weight gradients of a 1x1 convolution are made before they are added up: enough
/// for the cores, few enough for their caches.
const TOGETHER: usize = 4;

/// Every place's channels by a matrix: `b` images of `[columns of the matrix, places]` one after the
/// other become such of `[rows, places]`. A 1x1 convolution, and with the transpose its input's gradient.
pub fn mix(by: Matrix, x: &[f32], [b, places]: [usize; 2]) -> Vec<f32> {
    let [o, c] = by.shape();
    let mut out = vec![0.0; b * o * places];
    let of_image = [c, o].map(|channels| (channels * places).max(1));
    let images = x.par_chunks_exact(of_image[0]);
    out.par_chunks_exact_mut(of_image[1]).zip(images).for_each(|(out, x)| {
        product(out, places, Old::Lost, by, Matrix::rows(x, [c, places]));
    });
    out
}

/// `[o, c]`: the gradient of the matrix of [`mix`], from images `x [c, places]` and `grad [o, places]`.
pub fn mix_weight_grad(x: &[f32], grad: &[f32], [o, c]: [usize; 2], places: usize) -> Vec<f32> {
    let [of_x, of_grad] = [c, o].map(|channels| (channels * places).max(1));
    let of_image = |(x, grad): (&[f32], &[f32])| {
        let mut dw = vec![0.0; o * c];
        let x = Matrix::rows(x, [c, places]);
        product(&mut dw, c, Old::Lost, Matrix::rows(grad, [o, places]), x.t());
        dw
    };
    let mut sum = vec![0.0; o * c];
    for (x, grad) in x.chunks(TOGETHER * of_x).zip(grad.chunks(TOGETHER * of_grad)) {
        let images = x.par_chunks_exact(of_x).zip(grad.par_chunks_exact(of_grad));
        for dw in images.map(of_image).collect::<Vec<_>>() {
            add(&mut sum, &dw);
        }
    }
    sum
}

/// Rows and columns of the output; none where the kernel has no place in the picture.
fn out_sides([_, _, h, w]: [usize; 4], k: usize, walk: Walk) -> Option<[usize; 2]> {
    let fits = h.min(w) + 2 * walk.padding >= k;
    fits.then(|| [h, w].map(|side| (side + 2 * walk.padding - k) / walk.stride + 1))
}

/// `[b, o, h', w']` from the input `x [b, c, h, w]` and `weight [o, c, k, k]`, both contiguous; none
/// where the kernel has no place in the picture.
pub fn forward(x: &FlexTensor, weight: &FlexTensor, walk: Walk) -> Option<FlexTensor> {
    let ([b, c, ..], [o, of_weight, k, wide]) = (dims(x), dims(weight));
    assert_eq!([of_weight, wide], [c, k], "channels and columns of a kernel");
    let [ho, wo] = out_sides(dims(x), k, walk)?;
    let taps = c * k * k;
    let weight = Matrix::rows(weight.storage(), [o, taps]);
    let mut out = vec![0.0; b * o * ho * wo];
    // Image by image: each takes memory, and is worth all threads.
    for (image, out) in out.chunks_exact_mut((o * ho * wo).max(1)).enumerate() {
        for rows in row_parts(taps, ho, wo) {
            let (first, places) = (rows.start * wo, rows.len() * wo);
            let seen = seen(x, image..image + 1, rows, [k, wo], walk);
            let seen = Matrix::rows(&seen, [taps, places]);
            product(&mut out[first..], ho * wo, Old::Lost, weight, seen);
        }
    }
    Some(tensor(out, &[b, o, ho, wo]))
}

/// Rows of the output in parts whose taps meet at most [`NUMBERS`].
fn row_parts(taps: usize, ho: usize, wo: usize) -> impl Iterator<Item = Range<usize>> {
    let rows = (NUMBERS / (taps * wo).max(1)).clamp(1, ho.max(1));
    (0..ho).step_by(rows).map(move |row| row..(row + rows).min(ho))
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
    let taps = c * k * k;
    let together = PLACES.div_ceil((ho * wo).max(1)).min(b).max(1);
    let mut sum = vec![0.0; o * taps];
    for image in (0..b).step_by(together) {
        let images = image..(image + together).min(b);
        for rows in row_parts(taps, ho, wo) {
            let (n, m) = (images.len(), rows.len());
            let grad = grad.narrow(0, images.start, n).narrow(2, rows.start, m).transpose(0, 1);
            let grad = grad.to_contiguous();
            let grad = Matrix::rows(grad.storage(), [o, n * m * wo]);
            let seen = seen(x, images.clone(), rows, [k, wo], walk);
            let seen = Matrix::rows(&seen, [taps, n * m * wo]);
            product(&mut sum, taps, Old::Kept, grad, seen.t());
        }
    }
    tensor(sum, &[o, c, k, k])
}

/// `[b, c, h, w]`, of the shape of `x`, from `weight [o, c, k, k]` and the output's gradient `grad
/// [b, o, h', w']`, both contiguous.
pub fn input_grad(
    x: &FlexTensor,
    weight: &FlexTensor,
    grad: &FlexTensor,
    walk: Walk,
) -> FlexTensor {
    let ([b, c, h, w], [o, _, k, _], [_, _, ho, wo]) = (dims(x), dims(weight), dims(grad));
    let (taps, grad) = (c * k * k, grad.storage::<f32>());
    let weight = Matrix::rows(weight.storage(), [o, taps]);
    let mut dx = vec![0.0; b * c * h * w];
    let images = dx.chunks_exact_mut((c * h * w).max(1));
    for (dx, grad) in images.zip(grad.chunks_exact((o * ho * wo).max(1))) {
        for rows in row_parts(taps, ho, wo) {
            let places = rows.len() * wo;
            let grad = Matrix::new(&grad[rows.start * wo..], [o, places], [ho * wo, 1]);
            let mut met = vec![0.0; taps * places];
            product(&mut met, places, Old::Lost, weight.t(), grad);
            dx.par_chunks_exact_mut(h * w).zip(met.par_chunks_exact(k * k * places)).for_each(
                |(plane, met)| {
                    for (tap, met) in met.chunks_exact(places).enumerate() {
                        spread(plane, [h, w], met, (rows.clone(), wo), [tap / k, tap % k], walk);
                    }
                },
            );
        }
    }
    tensor(dx, &[b, c, h, w])
}

/// Adds what a tap met at the places of `rows` of the output to where in `plane [h, w]` it met it.
fn spread(
    plane: &mut [f32],
    [h, w]: [usize; 2],
    met: &[f32],
    (rows, wo): (Range<usize>, usize),
    [ky, kx]: [usize; 2],
    walk: Walk,
) {
    let columns = inside(kx, wo, w, walk);
    if columns.is_empty() {
        return;
    }
    let first = columns.start * walk.stride + kx - walk.padding;
    let reached = inside(ky, rows.end, h, walk);
    for y in reached.start.max(rows.start)..reached.end {
        let to = &mut plane[(y * walk.stride + ky - walk.padding) * w..][..w];
        let met = &met[(y - rows.start) * wo..][columns.clone()];
        if walk.stride == 1 {
            add(&mut to[first..first + met.len()], met);
        } else {
            for (to, &v) in to[first..].iter_mut().step_by(walk.stride).zip(met) {
                *to += v;
            }
        }
    }
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
