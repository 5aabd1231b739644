//! AdamW with groups, and clipping of the gradient's norm (papers/deiqt.md, section 7).
//!
//! State is kept by parameter name, so that a checkpoint is a plain list of named arrays.

use std::collections::BTreeMap;

use biqa::weights::{Array, Arrays, ParamPath, host};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// AdamW's constants and the norm at which gradients are clipped.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay of the first and of the second moment.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether the decay is a part of the gradient, as in Adam (`papers/glintiqa.md`, 4.4), instead
    /// of one of the step, times the learning rate, as in AdamW. Left out of a recipe's digest where
    /// it is not set.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub coupled: bool,
    /// Largest L2 norm of all gradients together; `None` for no clipping.
    pub clip_grad_norm: Option<f64>,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self {
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.05,
            coupled: false,
            clip_grad_norm: Some(5.0),
        }
    }
}

impl AdamWConfig {
    /// What would make no step, if anything.
    pub fn check(&self) -> Result<(), String> {
        let Self { betas: (b1, b2), eps, weight_decay, clip_grad_norm, .. } = *self;
        let bad = |key: &str, expected: &str, found: f64| {
            Err(format!("train.optim.{key} must be {expected}, found {found}"))
        };
        for beta in [b1, b2] {
            if !(0.0..1.0).contains(&beta) {
                return bad("betas", "at least 0 and below 1", beta);
            }
        }
        if !(eps > 0.0 && eps.is_finite()) {
            return bad("eps", "above 0", eps);
        }
        if !(weight_decay >= 0.0 && weight_decay.is_finite()) {
            return bad("weight_decay", "0 or more", weight_decay);
        }
        match clip_grad_norm {
            Some(limit) if limit.is_nan() || limit <= 0.0 => {
                bad("clip_grad_norm", "above 0 (inf for none)", limit)
            }
            _ => Ok(()),
        }
    }
}

/// Added to the norm in the clipping coefficient (PyTorch's `clip_grad_norm_`).
const CLIP_EPS: f64 = 1e-6;

/// How one parameter is treated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    /// Learning rate of this step.
    pub lr: f64,
    /// Whether weight decay applies.
    pub decay: bool,
}

/// AdamW (Loshchilov and Hutter, ICLR 2019) in PyTorch's order of operations.
#[derive(Clone, Debug)]
pub struct AdamW {
    config: AdamWConfig,
    steps: u64,
    moments: BTreeMap<String, Moments>,
}

#[derive(Clone, Debug)]
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
}

impl AdamW {
    /// An optimiser that has made no step.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, steps: 0, moments: BTreeMap::new() }
    }

    /// One step over every trainable parameter of a module that `grads` reaches.
    ///
    /// `group` names the treatment of a parameter from its name and number of dimensions. Returns
    /// the module and the L2 norm of the gradients before clipping; where the norm is not finite
    /// nothing is changed.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        grads: &Gradients,
        group: impl Fn(&str, usize) -> Group,
    ) -> (M, f64) {
        let grads = Grads::of(&module, grads);
        self.apply(module, grads, group)
    }

    /// [`Self::step`] with gradients that were collected before.
    pub fn apply<M: Module>(
        &mut self,
        module: M,
        grads: Grads,
        group: impl Fn(&str, usize) -> Group,
    ) -> (M, f64) {
        let norm = grads.norm();
        if !norm.is_finite() {
            return (module, norm);
        }
        self.steps += 1;
        let clip = self.clip_factor(norm);
        let module = grads.update(module, |name, p, grad, dims| {
            let grad = if clip < 1.0 { grad * clip } else { grad };
            self.update(name, p, grad, group(name, dims))
        });
        (module, norm)
    }

    /// Advances the step count for a caller that updates single tensors with [`Self::update`].
    pub fn begin_step(&mut self) {
        self.steps += 1;
    }

    /// `min(1, clip / (norm + 1e-6))`
    pub fn clip_factor(&self, norm: f64) -> f64 {
        match self.config.clip_grad_norm {
            Some(limit) => (limit / (norm + CLIP_EPS)).min(1.0),
            None => 1.0,
        }
    }

    /// The new value of one parameter. `grad` is clipped already.
    pub fn update(&mut self, name: &str, p: Tensor<1>, grad: Tensor<1>, group: Group) -> Tensor<1> {
        let (b1, b2) = self.config.betas;
        let (first, second) = match self.moments.remove(name) {
            Some(Moments { first, second }) => (first, second),
            None => (grad.zeros_like(), grad.zeros_like()),
        };
        // AdamW:  p <- p (1 - lr wd);  Adam:  g <- g + wd p
        let decay = self.config.weight_decay;
        let (p, grad) = match (group.decay, self.config.coupled) {
            (false, _) => (p, grad),
            (true, false) => (p * (1.0 - group.lr * decay), grad),
            (true, true) => (p.clone(), grad + p * decay),
        };
        // m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2
        let first = first * b1 + grad.clone() * (1.0 - b1);
        let second = second * b2 + grad.clone() * grad * (1.0 - b2);
        // p <- p - lr (m / (1 - b1^k)) / (sqrt(v / (1 - b2^k)) + eps)
        let k = self.steps as f64;
        let step_size = group.lr / (1.0 - b1.powf(k));
        let denominator = second.clone().sqrt() / (1.0 - b2.powf(k)).sqrt() + self.config.eps;
        let p = p - first.clone() / denominator * step_size;
        self.moments.insert(name.to_owned(), Moments { first, second });
        p
    }

    /// Steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The moments by name: `m.NAME` and `v.NAME`.
    pub fn state(&self) -> Arrays {
        let mut arrays = Arrays::new();
        for (name, moments) in &self.moments {
            arrays.insert(format!("m.{name}"), array(&moments.first));
            arrays.insert(format!("v.{name}"), array(&moments.second));
        }
        arrays
    }

    /// Puts a saved state back; `None` when a moment lacks its twin.
    #[must_use]
    pub fn restored(mut self, steps: u64, mut state: Arrays, device: &Device) -> Option<Self> {
        let names: Vec<String> =
            state.keys().filter_map(|key| key.strip_prefix("m.")).map(str::to_owned).collect();
        for name in names {
            let first = tensor(state.remove(&format!("m.{name}"))?, device);
            let second = tensor(state.remove(&format!("v.{name}"))?, device);
            self.moments.insert(name, Moments { first, second });
        }
        self.steps = steps;
        state.is_empty().then_some(self)
    }
}

/// The joint L2 norm, taken tensor by tensor in the order of their names.
pub fn global_norm(grads: &BTreeMap<String, Tensor<1>>) -> f64 {
    let squares =
        grads.values().map(|g| f64::from((g.clone() * g.clone()).sum().into_scalar::<f32>()));
    squares.sum::<f64>().sqrt()
}

fn array(tensor: &Tensor<1>) -> Array {
    let data = host(tensor);
    Array { shape: vec![data.len()], data }
}

fn tensor(array: Array, device: &Device) -> Tensor<1> {
    let n = array.data.len();
    Tensor::from_data(TensorData::new(array.data, [n]), device)
}

/// The gradients of a module's trainable parameters by name, flat.
#[derive(Clone, Debug, Default)]
pub struct Grads(BTreeMap<String, Tensor<1>>);

impl Grads {
    /// Those of a backward pass.
    pub fn of<M: Module>(module: &M, grads: &Gradients) -> Self {
        let mut collector = Collector { path: ParamPath::default(), grads, found: BTreeMap::new() };
        module.visit(&mut collector);
        Self(collector.found)
    }

    /// The sum with those of another pass over the same module.
    #[must_use]
    pub fn plus(mut self, other: Self) -> Self {
        for (name, grad) in other.0 {
            let sum = match self.0.remove(&name) {
                Some(own) => own + grad,
                None => grad,
            };
            self.0.insert(name, sum);
        }
        self
    }

    /// Their joint L2 norm.
    pub fn norm(&self) -> f64 {
        global_norm(&self.0)
    }

    /// The module with every parameter that has a gradient replaced by what `rule` makes of its
    /// name, its value and its gradient, both flat, and its number of dimensions.
    pub fn update<M: Module>(
        self,
        module: M,
        rule: impl FnMut(&str, Tensor<1>, Tensor<1>, usize) -> Tensor<1>,
    ) -> M {
        module.map(&mut Updater { path: ParamPath::default(), grads: self.0, rule })
    }

    /// Every one times a factor.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self(self.0.into_iter().map(|(name, grad)| (name, grad * factor)).collect())
    }
}

struct Collector<'a> {
    path: ParamPath,
    grads: &'a Gradients,
    found: BTreeMap<String, Tensor<1>>,
}

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        if let Some(grad) = param.val().grad(self.grads) {
            let n = grad.shape().num_elements();
            self.found.insert(self.path.name(), grad.reshape([n]));
        }
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}

struct Updater<R> {
    path: ParamPath,
    grads: BTreeMap<String, Tensor<1>>,
    rule: R,
}

impl<R: FnMut(&str, Tensor<1>, Tensor<1>, usize) -> Tensor<1>> ModuleMapper for Updater<R> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        let Some(grad) = self.grads.remove(&name) else {
            return param;
        };
        let value = param.val().inner();
        let (shape, n) = (value.dims(), grad.dims()[0]);
        let updated = (self.rule)(&name, value.reshape([n]), grad, D);
        Param::from_tensor(Tensor::from_inner(updated.reshape(shape)))
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}
