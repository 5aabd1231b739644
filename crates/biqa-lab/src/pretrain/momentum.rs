//! How the key encoder follows the query encoder, and how rates change over a pre-training
//! (`papers/qpt.md`, (5) and (6)).

use std::collections::BTreeMap;

use biqa::weights::ParamPath;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// (6): the learning rate over its base at epoch `e`, a fraction, of `epochs` with `warmup`.
pub fn lr_factor(e: f64, warmup: f64, epochs: f64) -> f64 {
    if e < warmup { e / warmup } else { half_cosine((e - warmup) / (epochs - warmup)) }
}

/// (5): the momentum at epoch `e` of `epochs`: from `start` to 1.
pub fn momentum(e: f64, epochs: f64, start: f64) -> f64 {
    1.0 - (1.0 - start) * half_cosine(e / epochs)
}

/// From 1 at 0 to 0 at 1.
fn half_cosine(share: f64) -> f64 {
    f64::midpoint(1.0, (std::f64::consts::PI * share).cos())
}

/// (5): `theta_k <- m theta_k + (1 - m) theta_q` for every parameter of `keys`, none of its
/// buffers. `queries` must have parameters of the same names; nothing of it is changed.
#[must_use]
pub fn follow<M: Module>(keys: M, queries: &M, m: f64) -> M {
    let mut values = Values { path: ParamPath::default(), found: BTreeMap::new() };
    queries.visit(&mut values);
    let mut mapper = Mapper { path: ParamPath::default(), queries: values.found, m };
    keys.map(&mut mapper)
}

/// Parameters by name, flat, without gradients.
struct Values {
    path: ParamPath,
    found: BTreeMap<String, Tensor<1>>,
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.name();
        if is_buffer(&name) {
            return;
        }
        let value = param.val().detach();
        let n = value.shape().num_elements();
        self.found.insert(name, value.reshape([n]));
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}

struct Mapper {
    path: ParamPath,
    queries: BTreeMap<String, Tensor<1>>,
    m: f64,
}

impl ModuleMapper for Mapper {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(query) = self.queries.remove(&self.path.name()) else { return param };
        let m = self.m;
        param.map(|key| {
            let device = key.device();
            let query = query.reshape(key.dims()).to_device(&device);
            followed(key.detach(), query, m)
        })
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}

/// (5) for one tensor. At 0 and 1 it is a copy, to the bit.
pub fn followed<const D: usize>(key: Tensor<D>, query: Tensor<D>, m: f64) -> Tensor<D> {
    if m >= 1.0 {
        key
    } else if m <= 0.0 {
        query
    } else {
        key * m + query * (1.0 - m)
    }
}

/// A batch norm's stored statistics.
fn is_buffer(name: &str) -> bool {
    name.ends_with(".running_mean") || name.ends_with(".running_var")
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::nn::layers::BatchNorm;
    use biqa::weights::{Array, Arrays, collect, load};
    use burn::tensor::Device;

    fn norm(value: f32) -> BatchNorm {
        let array = Array { shape: vec![2], data: vec![value, -value] };
        let names = ["weight", "bias", "running_mean", "running_var"];
        let arrays: Arrays = names.map(|name| (format!("bn.{name}"), array.clone())).into();
        let own = arrays.into_iter().map(|(name, a)| (name.replace("bn.", ""), a)).collect();
        load(BatchNorm::new(2, &Device::flex()), own, "made-up", "norm").expect("its names")
    }

    #[derive(Module, Debug)]
    struct Net {
        bn: BatchNorm,
    }

    #[test]
    fn rates_of_the_specifications_example() {
        for (e, expected) in [(0.0, 0.0), (5.0, 0.5), (10.0, 1.0), (55.0, 0.5), (100.0, 0.0)] {
            assert!((lr_factor(e, 10.0, 100.0) - expected).abs() < 1e-12, "epoch {e}");
        }
        for (e, expected) in [(0.0, 0.99), (50.0, 0.995), (100.0, 1.0)] {
            assert!((momentum(e, 100.0, 0.99) - expected).abs() < 1e-12, "epoch {e}");
        }
    }

    #[test]
    fn keys_follow_their_queries_and_buffers_stay() {
        let follow = |m| collect(&super::follow(Net { bn: norm(1.0) }, &Net { bn: norm(3.0) }, m));
        assert_eq!(follow(1.0), collect(&Net { bn: norm(1.0) }));
        assert_eq!(follow(0.75)["bn.weight"].data, [1.5, -1.5]);
        let copied = follow(0.0);
        assert_eq!(copied["bn.bias"].data, [3.0, -3.0]);
        assert_eq!(copied["bn.running_mean"].data, [1.0, -1.0]);
        assert_eq!(copied["bn.running_var"].data, [1.0, -1.0]);
    }
}
