//! Linear, convolution, batch norm and layer norm under PyTorch's names and layouts.

use burn::module::{Module, Param};
use burn::tensor::module::batch_norm;
use burn::tensor::{Device, Tensor};

use super::autocast::{Products, conv2d, matmul, products};
use super::conv::{Walk, conv_act};
use super::linear::linear;
use super::norm::{Seen, normalised};
use super::rows::layer_norm;

/// An empty parameter.
pub fn param<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_tensor(Tensor::zeros(shape, device))
}

/// An empty buffer: part of the weights, never of the gradient.
pub fn buffer<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    param(shape, device).set_require_grad(false)
}

/// `x W^T + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`, as PyTorch stores it.
    pub weight: Param<Tensor<2>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// An empty layer from `d_in` to `d_out` numbers.
    pub fn new(d_in: usize, d_out: usize, bias: bool, device: &Device) -> Self {
        Self { weight: param([d_out, d_in], device), bias: bias.then(|| param([d_out], device)) }
    }

    /// `[.., in] -> [.., out]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        affine(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}

/// `x W^T + b` of `x [.., in]`, `weight [out, in]` and `bias [out]`: `[.., out]`.
pub fn affine<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    // As one matrix: a product for every picture would make a weight's gradient for each of them,
    // only to be added up. The last digits of a row may depend on how many there are; scores are made
    // crop by crop.
    let mut shape = x.dims();
    let (d_in, rows) = (shape[D - 1], shape[..D - 1].iter().product());
    shape[D - 1] = weight.dims()[0];
    affine_of_rows(x.reshape([rows, d_in]), weight, bias).reshape(shape)
}

/// `[rows, in] -> [rows, out]`
fn affine_of_rows(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    // A score's layer is one column: in half precision its numbers would be rounded for nothing.
    let is_score = weight.dims()[0] == 1;
    let y = match &bias {
        Some(bias) if !is_score && products() == Products::F32 => {
            return linear(x, weight, bias.clone());
        }
        _ if is_score => x.matmul(weight.transpose()),
        _ => matmul(x, weight.transpose()),
    };
    match bias {
        Some(bias) => y + bias.unsqueeze(),
        None => y,
    }
}

/// A convolution with zero padding `(k - 1) / 2` on every side, or none for patches.
#[derive(Module, Debug)]
pub struct Conv {
    /// `[out, in / groups, k, k]`.
    pub weight: Param<Tensor<4>>,
    /// `[out]`.
    pub bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    walk: Walk,
}

impl Conv {
    /// An empty convolution of `c` to `o` channels with a `k x k` kernel.
    pub fn new(
        [c, o, k]: [usize; 3],
        stride: usize,
        groups: usize,
        bias: bool,
        device: &Device,
    ) -> Self {
        Self {
            weight: param([o, c / groups, k, k], device),
            bias: bias.then(|| param([o], device)),
            walk: Walk { stride, padding: (k - 1) / 2, groups },
        }
    }

    /// An empty convolution that cuts the picture into `p x p` patches.
    pub fn patches(c: usize, o: usize, p: usize, device: &Device) -> Self {
        let walk = Walk { stride: p, padding: 0, groups: 1 };
        Self { walk, ..Self::new([c, o, p], p, 1, true, device) }
    }

    /// The same convolution with other numbers; `weight` keeps its shape.
    #[must_use]
    pub fn with(self, weight: Tensor<4>, bias: Tensor<1>) -> Self {
        let (weight, bias) = (Param::from_tensor(weight), Param::from_tensor(bias));
        Self { weight, bias: Some(bias), ..self }
    }

    /// `[b, c, h, w] -> [b, o, h', w']`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let bias = self.bias.as_ref().map(Param::val);
        conv2d(x, self.weight.val(), bias, self.walk)
    }

    /// [`Self::forward`] and ReLU6 where asked, in one operation. A bias is needed: an invariant
    /// of [`super::mobilenet`], which folds the batch norm into it.
    pub fn forward_act(&self, x: Tensor<4>, relu6: bool) -> Tensor<4> {
        let bias = self.bias.as_ref().expect("a folded convolution has a bias").val();
        self.forward_by(x, self.weight.val(), bias, relu6)
    }

    /// The same with a weight and a bias that were made of this layer's.
    pub fn forward_by(
        &self,
        x: Tensor<4>,
        weight: Tensor<4>,
        bias: Tensor<1>,
        relu6: bool,
    ) -> Tensor<4> {
        conv_act(x, weight, bias, self.walk, relu6)
    }
}

/// Batch normalisation with stored statistics (inference mode).
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// `[c]`: gamma.
    pub weight: Param<Tensor<1>>,
    /// `[c]`: beta.
    pub bias: Param<Tensor<1>>,
    /// `[c]`, a buffer.
    pub running_mean: Param<Tensor<1>>,
    /// `[c]`, a buffer.
    pub running_var: Param<Tensor<1>>,
    eps: f64,
}

/// PyTorch's default.
pub const BATCH_NORM_EPS: f64 = 1e-5;

impl BatchNorm {
    /// An empty layer over `c` channels.
    pub fn new(c: usize, device: &Device) -> Self {
        Self::with_eps(c, BATCH_NORM_EPS, device)
    }

    /// An empty layer over `c` channels with an epsilon of its own.
    pub fn with_eps(c: usize, eps: f64, device: &Device) -> Self {
        Self {
            weight: param([c], device),
            bias: param([c], device),
            running_mean: buffer([c], device),
            running_var: buffer([c], device),
            eps,
        }
    }

    /// `[b, c, h, w] -> [b, c, h, w]`: `(x - mean) / sqrt(var + eps) * weight + bias`
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        batch_norm(
            x,
            self.weight.val(),
            self.bias.val(),
            self.running_mean.val(),
            self.running_var.val(),
            self.eps,
        )
    }

    /// The same for `[b, c]` or `[b, c, h, w]` with the statistics of the batch, which go into
    /// `seen`, or with the stored ones where there is no `seen`.
    pub fn forward_in<const D: usize>(&self, x: Tensor<D>, seen: Option<&mut Seen>) -> Tensor<D> {
        let affine = (self.weight.val(), self.bias.val());
        normalised(x, affine, [&self.running_mean, &self.running_var], self.eps, seen)
    }

    /// The factor and the shift of every channel that inference mode amounts to.
    pub fn affine(&self) -> (Tensor<1>, Tensor<1>) {
        let factor = self.weight.val() / (self.running_var.val() + self.eps).sqrt();
        let shift = self.bias.val() - self.running_mean.val() * factor.clone();
        (factor, shift)
    }
}

/// Layer normalisation over the last dimension.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[d]`: gamma.
    pub weight: Param<Tensor<1>>,
    /// `[d]`: beta.
    pub bias: Param<Tensor<1>>,
    eps: f64,
}

impl LayerNorm {
    /// An empty layer over `d` numbers.
    pub fn new(d: usize, eps: f64, device: &Device) -> Self {
        Self { weight: param([d], device), bias: param([d], device), eps }
    }

    /// `[.., d] -> [.., d]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        layer_norm(x, self.weight.val(), self.bias.val(), self.eps)
    }
}

/// PyTorch's default of the least length that [`unit()`] divides by.
pub const UNIT_EPS: f64 = 1e-12;

/// `v / max(|v|, 1e-12)` over the last dimension.
pub fn unit<const D: usize>(v: Tensor<D>) -> Tensor<D> {
    unit_by(v, UNIT_EPS)
}

/// `v / max(|v|, eps)` over the last dimension.
pub fn unit_by<const D: usize>(v: Tensor<D>, eps: f64) -> Tensor<D> {
    let squared = (v.clone() * v.clone()).sum_dim(D - 1);
    v / squared.clamp_min(eps * eps).sqrt()
}
