//! A teacher that follows its student: a moving average of the weights (`papers/lml-iqa.md`, 6.3;
//! `papers/csiqa.md`, 3.6).

use std::collections::BTreeMap;

use biqa::weights::{Array, Arrays, ParamPath, WeightsError, collect, load};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::losses::lmliqa::{ema, momentum};

/// What the names of a teacher's arrays start with.
const PREFIX: &str = "teacher.";
/// The array that counts the updates.
const STEPS: &str = "teacher_steps";

/// How a teacher follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Follow {
    /// Share of its own weights that a step keeps.
    pub momentum: f64,
    /// Whether the first steps keep less: `1 - 1 / (t + 1)`.
    pub warmup: bool,
}

/// A copy of a network on a plain device. No optimiser knows it.
#[derive(Clone, Debug)]
pub struct Teacher<M> {
    net: M,
    follow: Follow,
    steps: u64,
}

impl<M: Module> Teacher<M> {
    /// A teacher that starts as a copy.
    pub fn copy_of(student: &M, follow: Follow) -> Self {
        Self { net: student.valid(), follow, steps: 0 }
    }

    /// The teacher's network, in evaluation mode.
    pub fn net(&self) -> &M {
        &self.net
    }

    /// Takes in the student's weights after an optimiser step.
    #[must_use]
    pub fn follow(mut self, student: &M) -> Self {
        self.steps += 1;
        let mu = momentum(self.follow.momentum, self.follow.warmup, self.steps);
        let mut values = Values { path: ParamPath::default(), found: BTreeMap::new() };
        student.visit(&mut values);
        let mut mapper = Mapper { path: ParamPath::default(), student: values.found, mu };
        self.net = self.net.map(&mut mapper);
        self
    }

    /// The weights, with their names behind `teacher.`, and the number of updates.
    pub fn state(&self) -> Arrays {
        let weights = collect(&self.net).into_iter();
        let mut state: Arrays = weights.map(|(name, a)| (format!("{PREFIX}{name}"), a)).collect();
        // Exact up to 2^24 updates, when any warm-up has long passed.
        let steps = Array { shape: vec![1], data: vec![self.steps as f32] };
        state.insert(STEPS.to_owned(), steps);
        state
    }

    /// A teacher as [`Self::state`] saved it; `student` gives the network's form.
    pub fn restored(
        student: &M,
        follow: Follow,
        mut state: Arrays,
        network: &str,
    ) -> Result<Self, WeightsError> {
        let steps = state.remove(STEPS).and_then(|a| a.data.first().copied()).unwrap_or(0.0);
        let plain = |name: String| name.strip_prefix(PREFIX).map_or(name.clone(), str::to_owned);
        let arrays = state.into_iter().map(|(name, a)| (plain(name), a)).collect();
        let net = load(student.valid(), arrays, "the checkpoint's teacher", network)?;
        Ok(Self { net, follow, steps: steps as u64 })
    }
}

/// A network's parameters by name, flat, without gradients.
struct Values {
    path: ParamPath,
    found: BTreeMap<String, Tensor<1>>,
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().inner();
        let n = value.shape().num_elements();
        self.found.insert(self.path.name(), value.reshape([n]));
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
    student: BTreeMap<String, Tensor<1>>,
    mu: f64,
}

impl ModuleMapper for Mapper {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(student) = self.student.remove(&self.path.name()) else {
            return param;
        };
        let mu = self.mu;
        param.map(|teacher| {
            let shape = teacher.dims();
            ema(teacher, student.reshape(shape), mu)
        })
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}
