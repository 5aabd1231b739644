//! Plane kernels of the convolution blocks: plain slices in, plain slices out.
//!
//! Who calls: [`super::conv`], for the CPU device, through [`mod@crate::wide`]. The loops are written
//! so that the compiler vectorises them for every instruction set. Rust never contracts `a * b + c`, so the numbers are the same on every instruction set, and every sum has
//! one order, so they are the same for every thread count.

// The row functions must be compiled into the vectorised loops that call them.
#![allow(clippy::inline_always)]

use crate::wide::Wide;

/// ReLU6's upper bound (Sandler et al. 2018).
pub const RELU6_MAX: f32 = 6.0;

/// Sums are taken in this many interleaved partial sums, added up in order at the end.
pub const LANES: usize = 16;

/// Sizes of one 3x3 depthwise convolution with padding 1.
#[derive(Clone, Copy, Debug)]
pub struct Depthwise {
    /// Rows of the input plane.
    pub height: usize,
    /// Columns of the input plane.
    pub width: usize,
    /// 1 or 2.
    pub stride: usize,
}

impl Depthwise {
    /// Rows of the output plane.
    pub fn out_height(self) -> usize {
        self.height.div_ceil(self.stride)
    }

    /// Columns of the output plane.
    pub fn out_width(self) -> usize {
        self.width.div_ceil(self.stride)
    }
}

/// `out = act(conv3x3(x, w) + bias)` of one channel plane.
pub struct DepthwiseForward<'a> {
    /// The input plane.
    pub x: &'a [f32],
    /// Row-major taps.
    pub w: &'a [f32; 9],
    /// What is added.
    pub bias: f32,
    /// Whether ReLU6 follows.
    pub relu6: bool,
    /// Sizes.
    pub s: Depthwise,
    /// The output plane.
    pub out: &'a mut [f32],
}

impl Wide for DepthwiseForward<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, w, bias, relu6, s, out } = self;
        let mut even = Row::default();
        let mut odd = Row::default();
        for (oh, out_row) in out.chunks_exact_mut(s.out_width()).enumerate() {
            out_row.fill(bias);
            for kh in 0..3 {
                let Some(ih) = (oh * s.stride + kh).checked_sub(1).filter(|&i| i < s.height) else {
                    continue;
                };
                let row = &x[ih * s.width..(ih + 1) * s.width];
                let taps = [w[3 * kh], w[3 * kh + 1], w[3 * kh + 2]];
                if s.stride == 1 {
                    accumulate_row(out_row, row, taps);
                } else {
                    split(row, &mut even, &mut odd);
                    accumulate_row_stride2(out_row, &even.0, &odd.0, taps);
                }
            }
            if relu6 {
                for v in out_row.iter_mut() {
                    *v = v.clamp(0.0, RELU6_MAX);
                }
            }
        }
    }
}

/// `dx = conv3x3^T(g, w)` of one channel plane.
pub struct DepthwiseInputGrad<'a> {
    /// The gradient of the output plane.
    pub g: &'a [f32],
    /// Row-major taps.
    pub w: &'a [f32; 9],
    /// Sizes.
    pub s: Depthwise,
    /// The gradient of the input plane.
    pub dx: &'a mut [f32],
}

impl Wide for DepthwiseInputGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { g, w, s, dx } = self;
        dx.fill(0.0);
        let wo = s.out_width();
        let mut even = Row::default();
        let mut odd = Row::default();
        for (ih, dx_row) in dx.chunks_exact_mut(s.width).enumerate() {
            even.reset(s.width.div_ceil(2));
            odd.reset(s.width / 2);
            for kh in 0..3 {
                // The output row oh with oh * stride + kh - 1 = ih.
                let Some(t) = (ih + 1).checked_sub(kh) else { continue };
                if t % s.stride != 0 || t / s.stride >= s.out_height() {
                    continue;
                }
                let oh = t / s.stride;
                let row = &g[oh * wo..(oh + 1) * wo];
                let taps = [w[3 * kh], w[3 * kh + 1], w[3 * kh + 2]];
                if s.stride == 1 {
                    // iw = ow + kw - 1: the taps turn round.
                    accumulate_row(dx_row, row, [taps[2], taps[1], taps[0]]);
                } else {
                    // iw = 2 ow + kw - 1: the middle tap meets even columns, the outer ones odd.
                    for (e, &v) in even.0.iter_mut().zip(row) {
                        *e += taps[1] * v;
                    }
                    for (o, &v) in odd.0.iter_mut().zip(row) {
                        *o += taps[2] * v;
                    }
                    for (o, &v) in odd.0.iter_mut().zip(row.get(1..).unwrap_or(&[])) {
                        *o += taps[0] * v;
                    }
                }
            }
            if s.stride == 2 {
                for (pair, &e) in dx_row.chunks_mut(2).zip(&even.0) {
                    pair[0] = e;
                }
                for (pair, &o) in dx_row.chunks_exact_mut(2).zip(&odd.0) {
                    pair[1] = o;
                }
            }
        }
    }
}

/// Adds a plane's part of the weight's gradient to `dw`.
pub struct DepthwiseWeightGrad<'a> {
    /// The input plane.
    pub x: &'a [f32],
    /// The gradient of the output plane.
    pub g: &'a [f32],
    /// Sizes.
    pub s: Depthwise,
    /// The sum so far.
    pub dw: &'a mut [f32; 9],
}

impl Wide for DepthwiseWeightGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { x, g, s, dw } = self;
        let wo = s.out_width();
        let mut even = Row::default();
        let mut odd = Row::default();
        let mut acc = [[0.0f32; LANES]; 9];
        for (oh, g_row) in g.chunks_exact(wo).enumerate() {
            for kh in 0..3 {
                let Some(ih) = (oh * s.stride + kh).checked_sub(1).filter(|&i| i < s.height) else {
                    continue;
                };
                let row = &x[ih * s.width..(ih + 1) * s.width];
                let [a, b, c] = {
                    let (head, tail) = acc.split_at_mut(3 * kh + 1);
                    let (mid, last) = tail.split_at_mut(1);
                    [&mut head[3 * kh], &mut mid[0], &mut last[0]]
                };
                if s.stride == 1 {
                    dot_into(a, &g_row[1..], row);
                    dot_into(b, g_row, row);
                    dot_into(c, g_row, &row[1..]);
                } else {
                    split(row, &mut even, &mut odd);
                    dot_into(a, &g_row[1..], &odd.0);
                    dot_into(b, g_row, &even.0);
                    dot_into(c, g_row, &odd.0);
                }
            }
        }
        for (d, lanes) in dw.iter_mut().zip(&acc) {
            *d += lanes.iter().sum::<f32>();
        }
    }
}

/// `x <- act(x + bias)` over one channel plane.
pub struct BiasAct<'a> {
    /// The plane.
    pub x: &'a mut [f32],
    /// What is added.
    pub bias: f32,
    /// Whether ReLU6 follows.
    pub relu6: bool,
}

impl Wide for BiasAct<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        if self.relu6 {
            for v in self.x {
                *v = (*v + self.bias).clamp(0.0, RELU6_MAX);
            }
        } else {
            for v in self.x {
                *v += self.bias;
            }
        }
    }
}

/// `g <- g` where ReLU6 let the value `y` through, 0 elsewhere.
pub struct Relu6Grad<'a> {
    /// The gradient.
    pub g: &'a mut [f32],
    /// What ReLU6 gave.
    pub y: &'a [f32],
}

impl Wide for Relu6Grad<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (g, &y) in self.g.iter_mut().zip(self.y) {
            *g = if y > 0.0 && y < RELU6_MAX { *g } else { 0.0 };
        }
    }
}

/// The sum of a plane in the order of [`LANES`].
pub struct Sum<'a>(pub &'a [f32]);

impl Wide for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        sum(self.0, |v| v)
    }
}

/// The sum of `of(v)` in the order of [`LANES`].
#[inline(always)]
pub fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += of(v);
        }
    }
    for (lane, &v) in lanes.iter_mut().zip(rest) {
        *lane += of(v);
    }
    lanes.iter().sum()
}

/// `to += from`, number by number.
#[inline(always)]
pub fn add(to: &mut [f32], from: &[f32]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// A row's scratch buffer.
#[derive(Default)]
struct Row(Vec<f32>);

impl Row {
    fn reset(&mut self, len: usize) {
        self.0.clear();
        self.0.resize(len, 0.0);
    }
}

/// Columns 0, 2, 4, ... and 1, 3, 5, ... of a row.
#[inline(always)]
fn split(row: &[f32], even: &mut Row, odd: &mut Row) {
    even.0.resize(row.len().div_ceil(2), 0.0);
    odd.0.resize(row.len() / 2, 0.0);
    for ((pair, e), o) in row.chunks_exact(2).zip(even.0.iter_mut()).zip(odd.0.iter_mut()) {
        *e = pair[0];
        *o = pair[1];
    }
    if row.len() % 2 == 1 {
        even.0[row.len() / 2] = row[row.len() - 1];
    }
}

/// `out[i] += t0 x[i-1] + t1 x[i] + t2 x[i+1]`, zero outside.
#[inline(always)]
fn accumulate_row(out: &mut [f32], x: &[f32], t: [f32; 3]) {
    let n = out.len();
    if n == 1 {
        out[0] += t[1] * x[0];
        return;
    }
    out[0] += t[1] * x[0] + t[2] * x[1];
    let inner = &mut out[1..n - 1];
    for (((o, &a), &b), &c) in inner.iter_mut().zip(&x[..n - 2]).zip(&x[1..n - 1]).zip(&x[2..n]) {
        *o += t[0] * a + t[1] * b + t[2] * c;
    }
    out[n - 1] += t[0] * x[n - 2] + t[1] * x[n - 1];
}

/// `out[i] += t0 x[2i-1] + t1 x[2i] + t2 x[2i+1]`, zero outside.
#[inline(always)]
fn accumulate_row_stride2(out: &mut [f32], even: &[f32], odd: &[f32], t: [f32; 3]) {
    for (o, &e) in out.iter_mut().zip(even) {
        *o += t[1] * e;
    }
    for (o, &v) in out.iter_mut().zip(odd) {
        *o += t[2] * v;
    }
    for (o, &v) in out[1..].iter_mut().zip(odd) {
        *o += t[0] * v;
    }
}

/// Adds the products of two rows to [`LANES`] partial sums; the shorter row rules.
#[inline(always)]
fn dot_into(acc: &mut [f32; LANES], a: &[f32], b: &[f32]) {
    let n = a.len().min(b.len());
    let (a, a_rest) = a[..n].as_chunks::<LANES>();
    let (b, b_rest) = b[..n].as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for ((s, x), y) in acc.iter_mut().zip(a).zip(b) {
            *s += x * y;
        }
    }
    for ((s, x), y) in acc.iter_mut().zip(a_rest).zip(b_rest) {
        *s += x * y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wide::wide;

    /// Small, irregular numbers without a random generator.
    fn numbers(n: usize, seed: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.73 + seed).sin()).collect()
    }

    fn naive(x: &[f32], w: &[f32; 9], s: Depthwise) -> Vec<f32> {
        let mut out = vec![0.0; s.out_height() * s.out_width()];
        for oh in 0..s.out_height() {
            for ow in 0..s.out_width() {
                for (k, tap) in w.iter().enumerate() {
                    let (ih, iw) = (oh * s.stride + k / 3, ow * s.stride + k % 3);
                    if ih >= 1 && iw >= 1 && ih <= s.height && iw <= s.width {
                        out[oh * s.out_width() + ow] += tap * x[(ih - 1) * s.width + iw - 1];
                    }
                }
            }
        }
        out
    }

    fn close(a: &[f32], b: &[f32]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4)
    }

    fn sizes() -> Vec<Depthwise> {
        let mut all = Vec::new();
        for height in [1, 2, 3, 5, 8, 17] {
            for width in [1, 2, 3, 6, 7, 33, 40] {
                all.extend([1, 2].map(|stride| Depthwise { height, width, stride }));
            }
        }
        all
    }

    #[test]
    fn the_depthwise_kernel_equals_its_definition_on_every_size() {
        let w: [f32; 9] = numbers(9, 0.3).try_into().expect("nine taps");
        for s in sizes() {
            let x = numbers(s.height * s.width, 1.1);
            let mut out = vec![0.0; s.out_height() * s.out_width()];
            wide(DepthwiseForward { x: &x, w: &w, bias: 0.25, relu6: false, s, out: &mut out });
            let expected: Vec<f32> = naive(&x, &w, s).iter().map(|v| v + 0.25).collect();
            assert!(close(&out, &expected), "{s:?}");
        }
    }

    #[test]
    fn the_depthwise_gradients_are_the_adjoint_of_the_forward_pass() {
        let w: [f32; 9] = numbers(9, 0.3).try_into().expect("nine taps");
        for s in sizes() {
            let n_out = s.out_height() * s.out_width();
            let x = numbers(s.height * s.width, 1.1);
            let g = numbers(n_out, 2.2);
            // <g, conv(e_i)> for every unit vector e_i of the input and of the kernel.
            let mut dx = vec![0.0; x.len()];
            wide(DepthwiseInputGrad { g: &g, w: &w, s, dx: &mut dx });
            for i in 0..x.len() {
                let mut unit = vec![0.0; x.len()];
                unit[i] = 1.0;
                let expected: f32 = naive(&unit, &w, s).iter().zip(&g).map(|(a, b)| a * b).sum();
                assert!((dx[i] - expected).abs() < 1e-4, "{s:?} x[{i}]");
            }
            let mut dw = [0.0; 9];
            wide(DepthwiseWeightGrad { x: &x, g: &g, s, dw: &mut dw });
            for k in 0..9 {
                let mut unit = [0.0; 9];
                unit[k] = 1.0;
                let expected: f32 = naive(&x, &unit, s).iter().zip(&g).map(|(a, b)| a * b).sum();
                assert!((dw[k] - expected).abs() < 1e-3, "{s:?} w[{k}]");
            }
        }
    }

    #[test]
    fn relu6_passes_gradients_only_strictly_inside_its_range() {
        let mut g = vec![1.0; 5];
        wide(Relu6Grad { g: &mut g, y: &[-0.0, 0.0, 3.0, 6.0, 5.9] });
        assert_eq!(g, [0.0, 0.0, 1.0, 0.0, 1.0]);
    }
}
