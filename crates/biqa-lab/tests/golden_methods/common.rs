//! What the cases of every method need: weights, tensors and gradients.

use std::collections::BTreeMap;

use biqa::golden::{self, Case, Data, GoldenError, Tensor as Golden, Tensors};
use biqa::weights::{Array, Arrays, ParamPath, host, load, visit};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde::de::DeserializeOwned;

/// The network with the case's weights: its file's, or the splitmix rule's. Tensors of the file
/// that `keep` refuses are left out.
pub fn filled<M: Module>(
    net: M,
    case: &Case,
    keep: impl Fn(&str) -> bool,
) -> Result<M, GoldenError> {
    let mut arrays = if case.weights.is_string() {
        arrays(&case.weight_tensors()?)
    } else {
        let mut arrays = Arrays::new();
        visit(&net, |name, value| {
            let data = golden::splitmix_weights(name, &value.shape);
            arrays.insert(name.to_owned(), Array { shape: value.shape, data });
        });
        arrays
    };
    // timm's names of the layer scales.
    let renamed =
        |name: &str| name.replace(".ls1.gamma", ".gamma_1").replace(".ls2.gamma", ".gamma_2");
    arrays = arrays.into_iter().map(|(name, array)| (renamed(&name), array)).collect();
    arrays.retain(|name, _| keep(name));
    load(net, arrays, "the case", &case.model).map_err(code)
}

/// Tensors as arrays by name.
pub fn arrays(tensors: &Tensors) -> Arrays {
    let array = |t: &Golden| Array { shape: t.shape.clone(), data: t.f32s() };
    tensors.0.iter().map(|(name, t)| (name.clone(), array(t))).collect()
}

/// The case's config without the keys of `others`.
pub fn config<T: DeserializeOwned>(case: &Case, others: &[&str]) -> Result<T, GoldenError> {
    let mut config = case.config.clone();
    if let Some(map) = config.as_object_mut() {
        map.retain(|key, _| !others.contains(&key.as_str()));
    }
    serde_json::from_value(config).map_err(code)
}

/// Any error of the code under test.
pub fn code(error: impl std::fmt::Display) -> GoldenError {
    GoldenError::Code(error.to_string())
}

/// A stored tensor on a device.
pub fn tensor<const D: usize>(t: &Golden, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(t.f32s(), t.shape.clone()), device)
}

/// A tensor as the comparison takes it.
pub fn golden<const D: usize>(t: Tensor<D>) -> Golden {
    let shape = t.dims().to_vec();
    let data = host(&t).into_iter().map(f64::from).collect();
    Golden { shape, data: Data::F64(data) }
}

/// Numbers as a tensor of `shape`.
pub fn numbers(values: impl IntoIterator<Item = f64>, shape: &[usize]) -> Golden {
    Golden { shape: shape.to_vec(), data: Data::F64(values.into_iter().collect()) }
}

/// Truths as 1 and 0.
pub fn bits(values: &[bool], shape: &[usize]) -> Golden {
    numbers(values.iter().map(|&v| f64::from(v)), shape)
}

/// What is found, by name.
pub type Found = BTreeMap<String, Golden>;

/// The gradient of every parameter, `grad.NAME`; zeros where the loss doesn't reach one.
pub fn gradients<M: Module>(net: &M, grads: &Gradients, found: &mut Found) {
    struct Visitor<'a> {
        path: ParamPath,
        grads: &'a Gradients,
        found: &'a mut Found,
    }
    impl ModuleVisitor for Visitor<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let grad = value.grad(self.grads).unwrap_or_else(|| value.inner().zeros_like());
            self.found.insert(format!("grad.{}", self.path.name()), golden(grad));
        }
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }
    }
    net.visit(&mut Visitor { path: ParamPath::default(), grads, found });
}

/// The L2 norm of all gradients together.
pub fn grad_norm(found: &Found) -> f64 {
    let grads = found.iter().filter(|(name, _)| name.starts_with("grad."));
    let squares = grads.flat_map(|(_, grad)| grad.f64s()).map(|g| g * g);
    squares.sum::<f64>().sqrt()
}

/// Adds `slice.NAME = X[:, slice_tokens, slice_channels]` of token sequences, where the case asks for
/// slices. `decoder` outputs keep all their tokens.
pub fn slices(
    case: &Case,
    outputs: &[(String, Tensor<3>)],
    found: &mut Found,
) -> Result<(), GoldenError> {
    let Some((tokens, channels)) = case.slices()? else { return Ok(()) };
    for (name, x) in outputs {
        let x = cut(x.clone(), 2, &channels);
        let part = if name.starts_with("decoder") { x } else { rows(x, 1, &tokens) };
        found.insert(format!("slice.{name}"), golden(part));
    }
    Ok(())
}

/// A range of a dimension, as far as it goes.
pub fn cut<const D: usize>(x: Tensor<D>, dim: usize, range: &std::ops::Range<usize>) -> Tensor<D> {
    let end = range.end.min(x.dims()[dim]);
    x.narrow(dim, range.start, end - range.start)
}

/// Some rows of a dimension, in their order.
pub fn rows<const D: usize>(x: Tensor<D>, dim: usize, at: &[usize]) -> Tensor<D> {
    Tensor::cat(at.iter().map(|&t| x.clone().narrow(dim, t, 1)).collect(), dim)
}

/// The splitmix rule's array of a name, or the file's.
pub fn array(case: &Case, name: &str, shape: &[usize]) -> Result<Array, GoldenError> {
    if case.weights.is_string() {
        let tensors = case.weight_tensors()?;
        let found = tensors.get(name)?;
        return Ok(Array { shape: found.shape.clone(), data: found.f32s() });
    }
    Ok(Array { shape: shape.to_vec(), data: golden::splitmix_weights(name, shape) })
}

/// All numbers of a stored tensor in a row.
pub fn flat(t: &Golden, device: &Device) -> Tensor<1> {
    let values = t.f32s();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
