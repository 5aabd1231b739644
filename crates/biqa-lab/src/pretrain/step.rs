//! One step of QPT's pre-training up to its gradients (`papers/qpt.md`, section 8): queries, the
//! key side's update, keys, loss.
//!
//! Shapes: `m` rows (degraded pictures), `s` side of a patch, `d` numbers of an embedding.

use biqa::nn::norm::Seen;
use burn::tensor::Tensor;

use super::momentum::follow;
use super::network::Pretrain;
use crate::losses::qpt::{Ids, QcConfig, QcTerms, qc_loss, qc_terms};

/// What a step gave.
pub struct PretrainStep {
    /// The network with keys that have followed. Its batch norms keep what they stored until
    /// [`stored`].
    pub net: Pretrain,
    /// `[m, d]` of both views.
    pub queries: [Tensor<2>; 2],
    /// `[m, d]` of both views.
    pub keys: [Tensor<2>; 2],
    /// The terms of the first direction, and of the second where the loss is symmetric.
    pub terms: (QcTerms, Option<QcTerms>),
    /// (3), `[1]`.
    pub loss: Tensor<1>,
    /// What the batch norms of the query side saw.
    pub query_seen: Seen,
    /// What those of the key side saw.
    pub key_seen: Seen,
}

/// A step on two views `[m, 3, s, s]` of the rows `ids`; `momentum` is `m` of (5).
pub fn pretrain_step(
    net: Pretrain,
    views: [Tensor<4>; 2],
    queue: Option<Tensor<2>>,
    ids: Ids<'_>,
    momentum: f64,
    config: &QcConfig,
) -> PretrainStep {
    let (mut query_seen, mut key_seen) = (Seen::default(), Seen::default());
    // One view after the other: statistics are those of a view.
    let queries = views.clone().map(|view| net.queries(view, &mut query_seen));
    // (5), before the keys of the step
    let Pretrain { base_encoder, momentum_encoder, predictor, norms } = net;
    let momentum_encoder = follow(momentum_encoder, &base_encoder, momentum);
    let net = Pretrain { base_encoder, momentum_encoder, predictor, norms };
    let keys = views.map(|view| net.keys(view, &mut key_seen));
    // (3)  L = QC(q1, k2) + QC(q2, k1)
    let terms = |q: usize, k: usize| {
        qc_terms(queries[q].clone(), keys[k].clone(), queue.clone(), ids, config)
    };
    let terms = (terms(0, 1), config.symmetric.then(|| terms(1, 0)));
    let loss = qc_loss(&terms.0, terms.1.as_ref(), config);
    PretrainStep { net, queries, keys, terms, loss, query_seen, key_seen }
}

/// Puts what the batch norms of a step saw into a network, before or after the optimiser; `share` is
/// how much of a stored statistic it replaces.
#[must_use]
pub fn stored(net: Pretrain, query_seen: Seen, key_seen: Seen, share: f64) -> Pretrain {
    let Pretrain { base_encoder, momentum_encoder, predictor, norms } = net;
    Pretrain {
        norms,
        base_encoder: query_seen.clone().put_into(base_encoder, share),
        // The predictor is on the query side too.
        predictor: predictor.map(|p| query_seen.put_into(p, share)),
        momentum_encoder: key_seen.put_into(momentum_encoder, share),
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::PretrainConfig;
    use super::*;
    use biqa::nn::norm::BATCH_NORM_MOMENTUM;
    use biqa::random::stream;
    use biqa::weights::{Array, Arrays, ParamPath, collect, freeze, load, visit};
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::tensor::{Device, Gradients, TensorData};

    const IDS: Ids<'static> = Ids { image: &[0, 0, 1, 1], degradation: &[0, 1, 2, 3] };

    /// Norms near 1, all else small.
    fn network() -> Pretrain {
        let config = PretrainConfig {
            layers: vec![1; 4],
            width: 3,
            mlp_dim: 8,
            dim: 6,
            ..PretrainConfig::default()
        };
        let empty = Pretrain::new(&config, &Device::flex());
        let mut arrays = Arrays::new();
        visit(&empty, |name, value| {
            let mut draws = stream(1, name, 0);
            let vector = value.shape.len() == 1 && !name.ends_with("bias");
            let centre = if vector { 1.0 } else { 0.0 };
            let n = value.shape.iter().product();
            let data = (0..n).map(|_| draws.uniform(centre - 0.3, centre + 0.3)).collect();
            arrays.insert(name.to_owned(), Array { shape: value.shape, data });
        });
        let net = load(empty, arrays, "made-up", "pre-training").expect("its own names").train();
        freeze(net, |name| name.starts_with("momentum_encoder."))
    }

    fn view(seed: u64) -> Tensor<4> {
        let mut draws = stream(seed, "view", 0);
        let data: Vec<f32> = (0..4 * 3 * 32 * 32).map(|_| draws.uniform(-2.0, 2.0)).collect();
        Tensor::from_data(TensorData::new(data, [4, 3, 32, 32]), &Device::flex().autodiff())
    }

    fn step(momentum: f64) -> PretrainStep {
        let views = [view(1), view(2)];
        pretrain_step(network(), views, None, IDS, momentum, &QcConfig::default())
    }

    /// Names of the parameters that have a gradient.
    fn reached<M: Module>(net: &M, grads: &Gradients) -> Vec<String> {
        struct Visitor<'a> {
            path: ParamPath,
            grads: &'a Gradients,
            found: Vec<String>,
        }
        impl ModuleVisitor for Visitor<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if param.val().grad(self.grads).is_some() {
                    self.found.push(self.path.name());
                }
            }
            fn enter_module(&mut self, name: &str, container: &str) {
                self.path.enter(name, container);
            }
            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.path.exit();
            }
        }
        let mut visitor = Visitor { path: ParamPath::default(), grads, found: Vec::new() };
        net.visit(&mut visitor);
        visitor.found
    }

    #[test]
    fn gradients_reach_every_parameter_of_the_queries_and_none_of_the_keys() {
        let step = step(0.9);
        let reached = reached(&step.net, &step.loss.backward());
        assert!(!reached.iter().any(|name| name.starts_with("momentum_encoder.")), "{reached:?}");
        let mut missing = Vec::new();
        visit(&step.net, |name, value| {
            if value.trainable && !reached.contains(&name.to_owned()) {
                missing.push(name.to_owned());
            }
        });
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn keys_follow_before_they_are_used_and_a_momentum_of_one_leaves_them() {
        let before = collect(&network().momentum_encoder);
        let kept = step(1.0);
        assert_eq!(collect(&kept.net.momentum_encoder), before);
        let copied = step(0.0);
        let queries = collect(&copied.net.base_encoder);
        let keys = collect(&copied.net.momentum_encoder);
        for (name, array) in &keys {
            let expected = if name.contains(".running_") { &before[name] } else { &queries[name] };
            assert_eq!(array, expected, "{name}");
        }
        let differ =
            |a: &Tensor<2>, b: &Tensor<2>| biqa::weights::host(a) != biqa::weights::host(b);
        assert!(differ(&kept.keys[0], &copied.keys[0]), "the keys of the step are the new ones");
    }

    #[test]
    fn statistics_of_both_views_are_stored_on_both_sides() {
        let PretrainStep { net, query_seen, key_seen, .. } = step(1.0);
        let before = collect(&net);
        let after = collect(&stored(net, query_seen, key_seen, BATCH_NORM_MOMENTUM));
        for (name, array) in &before {
            assert_eq!(&after[name] == array, !name.contains(".running_"), "{name}");
        }
    }
}
