//! Batch normalisation while a network learns: the statistics of the batch instead of the stored
//! ones, and what a step leaves in the stores (`papers/glintiqa.md`, section 3.2).
//!
//! A forward pass that is given a [`Seen`] normalises with the batch and notes what it saw; the
//! caller puts it into the network after the step. A forward pass without one is inference.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::module::batch_norm;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::channels::batch_norm_train;
use super::layers::buffer;

/// What a step adds of the batch's statistics to the stored ones (PyTorch's default).
pub const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// Which statistics a backbone's batch norms use while it learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norms {
    /// Those of the batch; in QPT's pre-training view by view, as in MoCo v3.
    #[default]
    Batch,
    /// The stored ones of the weights it starts from, which stay: ours, because a step then costs a
    /// fraction on a processor. Projector and predictor of a pre-training always use the batch.
    Stored,
}

impl Norms {
    /// Whether they use the batch.
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde wants it so
    pub fn is_batch(&self) -> bool {
        *self == Self::Batch
    }
}

/// The statistics that batch norms saw, one entry a buffer and forward pass.
///
/// Buffers are told apart by their parameter ids, which clones share: two copies of one network
/// need a `Seen` each.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    by_id: BTreeMap<u64, Vec<Tensor<1>>>,
}

impl Seen {
    /// Whether no batch norm has noted anything.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// `stored <- (1 - m) stored + m seen` for every buffer of `module` that is noted here, pass by
    /// pass. The passes must have been on the module's kind of device (with gradients or without).
    #[must_use]
    pub fn put_into<M: Module>(self, module: M, momentum: f64) -> M {
        module.map(&mut Storer { seen: self, momentum })
    }

    fn note(&mut self, buffer: &Param<Tensor<1>>, value: Tensor<1>) {
        self.by_id.entry(buffer.id.val()).or_default().push(value.detach());
    }
}

struct Storer {
    seen: Seen,
    momentum: f64,
}

impl ModuleMapper for Storer {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(passes) = self.seen.by_id.remove(&param.id.val()) else {
            return param;
        };
        let m = self.momentum;
        param.map(|stored| {
            let add = |stored: Tensor<D>, seen: Tensor<1>| {
                let seen = seen.reshape(stored.dims());
                stored * (1.0 - m) + seen * m
            };
            passes.into_iter().fold(stored, add).detach()
        })
    }
}

/// Batch normalisation without factor and shift: only the stored statistics.
#[derive(Module, Debug)]
pub struct PlainNorm {
    /// `[c]`, a buffer.
    pub running_mean: Param<Tensor<1>>,
    /// `[c]`, a buffer.
    pub running_var: Param<Tensor<1>>,
    eps: f64,
}

impl PlainNorm {
    /// An empty layer over `c` channels.
    pub fn new(c: usize, eps: f64, device: &Device) -> Self {
        Self { running_mean: buffer([c], device), running_var: buffer([c], device), eps }
    }

    /// `[b, c] -> [b, c]`; `seen` as in [`super::layers::BatchNorm::forward_in`].
    pub fn forward(&self, x: Tensor<2>, seen: Option<&mut Seen>) -> Tensor<2> {
        let mean = self.running_mean.val();
        let affine = (mean.ones_like(), mean.zeros_like());
        normalised(x, affine, [&self.running_mean, &self.running_var], self.eps, seen)
    }
}

/// `(x - mean) / sqrt(var + eps) * weight + bias` a channel (dimension 1); `affine` holds weight
/// and bias, `stored` mean and variance.
///
/// The batch is normalised by its biased variance; the unbiased one, `n / (n - 1)` as large, is
/// what is noted.
pub(super) fn normalised<const D: usize>(
    x: Tensor<D>,
    affine: (Tensor<1>, Tensor<1>),
    stored: [&Param<Tensor<1>>; 2],
    eps: f64,
    seen: Option<&mut Seen>,
) -> Tensor<D> {
    let (weight, bias) = affine;
    let Some(seen) = seen else {
        let [mean, var] = stored.map(Param::val);
        return batch_norm(x, weight, bias, mean, var, eps);
    };
    let dims = x.dims();
    let n = dims.iter().product::<usize>() / dims[1];
    let (y, mean, var) = batch_norm_train(x, weight, bias, eps);
    let [stored_mean, stored_var] = stored;
    seen.note(stored_mean, mean);
    seen.note(stored_var, var * (n as f64 / (n.max(2) - 1) as f64));
    y
}

#[cfg(test)]
mod tests {
    use super::super::layers::BatchNorm;
    use super::*;
    use crate::weights::{Array, Arrays, collect, host, load};

    fn norm() -> BatchNorm {
        let array = |data: [f32; 2]| Array { shape: vec![2], data: data.to_vec() };
        let arrays = Arrays::from([
            ("weight".to_owned(), array([2.0, 1.0])),
            ("bias".to_owned(), array([0.5, 0.0])),
            ("running_mean".to_owned(), array([10.0, 0.0])),
            ("running_var".to_owned(), array([4.0, 1.0])),
        ]);
        load(BatchNorm::new(2, &Device::flex()), arrays, "made-up", "norm").expect("its names")
    }

    fn rows() -> Tensor<2> {
        Tensor::from_data([[1.0, 5.0], [2.0, 5.0], [6.0, 5.0]], &Device::flex())
    }

    #[test]
    fn a_batch_is_normalised_by_its_own_biased_variance() {
        // Channel 0: mean 3, biased variance (4 + 1 + 9) / 3.
        let mut seen = Seen::default();
        let y = host(&norm().forward_in(rows(), Some(&mut seen)));
        let deviation = (14.0_f32 / 3.0 + 1e-5).sqrt();
        for (row, centred) in [-2.0, -1.0, 3.0].into_iter().enumerate() {
            assert!((y[2 * row] - (2.0 * centred / deviation + 0.5)).abs() < 1e-5);
            assert_eq!(y[2 * row + 1], 0.0, "a channel without variance");
        }
    }

    #[test]
    fn the_stores_take_a_tenth_of_the_mean_and_of_the_unbiased_variance() {
        let mut seen = Seen::default();
        let net = norm();
        net.forward_in(rows(), Some(&mut seen));
        let stored = collect(&seen.put_into(net, BATCH_NORM_MOMENTUM));
        let mean = &stored["running_mean"].data;
        let var = &stored["running_var"].data;
        assert!((mean[0] - (0.9 * 10.0 + 0.1 * 3.0)).abs() < 1e-5, "{mean:?}");
        assert!((var[0] - (0.9 * 4.0 + 0.1 * 7.0)).abs() < 1e-5, "{var:?}");
    }

    #[test]
    fn two_passes_are_stored_one_after_the_other() {
        let mut seen = Seen::default();
        let net = norm();
        net.forward_in(rows(), Some(&mut seen));
        net.forward_in(rows() + 1.0, Some(&mut seen));
        let stored = collect(&seen.put_into(net, 0.5));
        // 10 -> (10 + 3) / 2 -> (6.5 + 4) / 2
        assert_eq!(stored["running_mean"].data[0], 5.25);
    }

    #[test]
    fn inference_uses_the_stores_and_agrees_with_the_layer_for_maps() {
        let x = rows().reshape([3, 2, 1, 1]);
        let (ours, layers) = (norm().forward_in(x.clone(), None), norm().forward(x));
        for (a, b) in host(&ours).into_iter().zip(host(&layers)) {
            assert!((a - b).abs() < 1e-5, "{a}, not {b}");
        }
    }
}
