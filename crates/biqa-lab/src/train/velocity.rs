//! What SGD and LARS remember: the last step of every parameter.

use std::collections::BTreeMap;

use biqa::weights::{Array, Arrays, host};
use burn::tensor::{Device, Tensor, TensorData};

/// `mu` by parameter.
#[derive(Clone, Debug, Default)]
pub(super) struct Velocity(BTreeMap<String, Tensor<1>>);

impl Velocity {
    /// `mu = momentum mu + d;  p = p - lr mu`: the new value of one parameter, given flat.
    pub fn step(
        &mut self,
        name: &str,
        p: Tensor<1>,
        d: Tensor<1>,
        momentum: f64,
        lr: f64,
    ) -> Tensor<1> {
        let mu = match self.0.remove(name) {
            Some(mu) => mu * momentum + d,
            None => d,
        };
        let p = p - mu.clone() * lr;
        self.0.insert(name.to_owned(), mu);
        p
    }

    /// By name: `mu.NAME`.
    pub fn state(&self) -> Arrays {
        let array = |mu: &Tensor<1>| {
            let data = host(mu);
            Array { shape: vec![data.len()], data }
        };
        self.0.iter().map(|(name, mu)| (format!("mu.{name}"), array(mu))).collect()
    }

    /// A saved state; `None` where a name is not one of [`Self::state`].
    pub fn restored(state: Arrays, device: &Device) -> Option<Self> {
        let entry = |(name, array): (String, Array)| {
            let n = array.data.len();
            let mu = Tensor::from_data(TensorData::new(array.data, [n]), device);
            Some((name.strip_prefix("mu.")?.to_owned(), mu))
        };
        state.into_iter().map(entry).collect::<Option<_>>().map(Self)
    }
}
