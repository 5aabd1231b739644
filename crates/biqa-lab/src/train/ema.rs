//! The exponential moving average of a network's weights.

use std::collections::BTreeMap;

use biqa::weights::{Array, Arrays, ParamPath, host};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// `e <- d e + (1 - d) w`, with `d` small in the first steps so that the start is forgotten.
#[derive(Clone, Debug)]
pub struct Ema {
    decay: f64,
    steps: u64,
    values: BTreeMap<String, (Vec<usize>, Tensor<1>)>,
}

impl Ema {
    /// An average that has seen nothing. `decay` is that of the steady state, below 1.
    pub fn new(decay: f64) -> Self {
        Self { decay, steps: 0, values: BTreeMap::new() }
    }

    /// Takes in the weights after a step. Buffers and frozen parameters are copied.
    pub fn update<M: Module>(&mut self, module: &M) {
        let n = self.steps as f64;
        // TensorFlow's warm-up of an average: min(d, (1 + n) / (10 + n)).
        let decay = self.decay.min((1.0 + n) / (10.0 + n));
        self.steps += 1;
        module.visit(&mut Updater { path: ParamPath::default(), ema: self, decay });
    }

    /// Updates made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The averaged weights by name; empty before the first update.
    pub fn arrays(&self) -> Arrays {
        let array = |(shape, value): &(Vec<usize>, Tensor<1>)| Array {
            shape: shape.clone(),
            data: host(value),
        };
        self.values.iter().map(|(name, value)| (name.clone(), array(value))).collect()
    }

    /// Puts a saved average back.
    #[must_use]
    pub fn restored(mut self, steps: u64, arrays: Arrays, device: &Device) -> Self {
        self.steps = steps;
        self.values = arrays
            .into_iter()
            .map(|(name, Array { shape, data })| {
                let n = data.len();
                let value = Tensor::from_data(TensorData::new(data, [n]), device);
                (name, (shape, value))
            })
            .collect();
        self
    }
}

struct Updater<'a> {
    path: ParamPath,
    ema: &'a mut Ema,
    decay: f64,
}

impl ModuleVisitor for Updater<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let trainable = param.is_require_grad();
        let value = param.val().inner();
        let shape = value.dims().to_vec();
        let value: Tensor<1> = value.reshape([shape.iter().product::<usize>()]);
        let name = self.path.name();
        let next = match self.ema.values.remove(&name) {
            Some((_, old)) if trainable => old * self.decay + value * (1.0 - self.decay),
            _ => value,
        };
        self.ema.values.insert(name, (shape, next));
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}
