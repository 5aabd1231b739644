//! Made-up batches and optimiser steps, for the tests beside the methods.

use biqa::random::stream;
use biqa::weights::{Arrays, collect};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use super::{Batch, Method, Needs, StepKey};
use crate::train::optim::{AdamW, AdamWConfig, Group};

/// A batch of `b` pictures as a method needs it, at a step.
pub fn batch(needs: Needs, b: usize, step: u64) -> Batch {
    let device = Device::flex().autodiff();
    let mut draws = stream(11, "batch", step);
    let mut pixels = |n: usize| {
        let size = needs.crop;
        let data: Vec<f32> = (0..n * 3 * size * size).map(|_| draws.uniform(-2.0, 2.0)).collect();
        Tensor::from_data(TensorData::new(data, [n, 3, size, size]), &device)
    };
    let crops = pixels(b * needs.group);
    let whole = needs.whole.then(|| pixels(b));
    let boxes = (0..b * needs.group).map(|i| {
        let x = (i % 4) as f32 * 0.2;
        [x, 0.1, x + 0.4, 0.5]
    });
    Batch {
        crops,
        boxes: boxes.collect(),
        whole,
        photos: (0..b).collect(),
        targets: (0..b).map(|i| (i * i) as f32 / b as f32).collect(),
        key: StepKey { seed: 3, step },
    }
}

/// A fresh network of a method, ready to learn.
pub fn fresh<M: Method>(method: &M) -> M::Net {
    let (net, _) = method.start(Arrays::new(), "", 5, &Device::flex()).expect("nothing to misfit");
    net.train()
}

/// `steps` optimiser steps; the losses and the network.
pub fn train<M: Method>(
    method: &mut M,
    mut net: M::Net,
    steps: u64,
    b: usize,
) -> (Vec<f32>, M::Net) {
    let mut optim = AdamW::new(AdamWConfig::default());
    let mut losses = Vec::new();
    for step in 0..steps {
        let batch = batch(method.needs(), b, step);
        let terms = method.terms(&net, &batch).expect("the batch has what it needs");
        let total = terms.total().expect("a term");
        losses.push(total.clone().into_scalar());
        let group = |name: &str, dims| Group { lr: 1e-3, decay: method.decays(name, dims) };
        let (updated, _) = optim.step(net, &total.backward(), group);
        net = method.after_step(updated);
    }
    (losses, net)
}

/// Tensors and numbers that weight decay acts on, and those it doesn't.
pub fn decay_groups<M: Method>(method: &M, net: &M::Net) -> [(usize, usize); 2] {
    let mut groups = [(0, 0); 2];
    for (name, array) in collect(net) {
        let group = &mut groups[usize::from(!method.decays(&name, array.shape.len()))];
        group.0 += 1;
        group.1 += array.data.len();
    }
    groups
}
