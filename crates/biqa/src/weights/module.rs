//! Named arrays into modules and back.
//!
//! A parameter's name is the path of fields that leads to it, which mirrors the authors'
//! checkpoint: a leading underscore of a field (`_0`) stands for a number in an `nn.Sequential`,
//! and the name of an enum's variant is left out.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use super::{Array, Arrays, WeightsError};

/// The path from the root of a module to the parameter at hand, for visitors and mappers.
#[derive(Clone, Debug, Default)]
pub struct ParamPath(Vec<Option<String>>);

impl ParamPath {
    /// Goes into a field; the arguments are those of Burn's `enter_module`.
    pub fn enter(&mut self, name: &str, container: &str) {
        let is_variant = container.starts_with("Enum:");
        self.0.push((!is_variant).then(|| name.trim_start_matches('_').to_owned()));
    }

    /// Comes back out of it.
    pub fn exit(&mut self) {
        self.0.pop();
    }

    /// The parameter's name, as in the authors' checkpoint.
    pub fn name(&self) -> String {
        let segments: Vec<&str> = self.0.iter().flatten().map(String::as_str).collect();
        segments.join(".")
    }
}

/// Calls `f` with the name and value of every parameter and buffer, in the order of the fields.
pub fn visit<M: Module>(module: &M, f: impl FnMut(&str, Value<'_>)) {
    module.visit(&mut Visitor { path: ParamPath::default(), f });
}

/// A parameter or buffer as [`visit`] shows it.
pub struct Value<'a> {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Whether an optimiser may change it.
    pub trainable: bool,
    read: &'a dyn Fn() -> Vec<f32>,
}

impl Value<'_> {
    /// The numbers, row-major.
    pub fn data(&self) -> Vec<f32> {
        (self.read)()
    }
}

struct Visitor<F> {
    path: ParamPath,
    f: F,
}

impl<F: FnMut(&str, Value<'_>)> ModuleVisitor for Visitor<F> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let read = || host(&tensor);
        let value = Value {
            shape: tensor.dims().to_vec(),
            trainable: param.is_require_grad(),
            read: &read,
        };
        (self.f)(&self.path.name(), value);
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}

/// A tensor's numbers on the host, row-major.
pub fn host<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    let data = tensor.clone().into_data().convert::<f32>();
    data.try_to_vec().expect("the data was just converted to f32")
}

/// Every parameter and buffer of a module by name.
pub fn collect<M: Module>(module: &M) -> Arrays {
    let mut arrays = Arrays::new();
    visit(module, |name, value| {
        let data = value.data();
        arrays.insert(name.to_owned(), Array { shape: value.shape, data });
    });
    arrays
}

/// Puts arrays into a module, every one in its place.
///
/// `name` stands for the file and `network` for the module in errors. Numbers that every
/// framework's batch norm carries and no formula reads (`num_batches_tracked`) are passed over.
pub fn load<M: Module>(
    module: M,
    arrays: Arrays,
    name: &str,
    network: &str,
) -> Result<M, WeightsError> {
    let mut mapper =
        Loader { path: ParamPath::default(), arrays, missing: Vec::new(), misshapen: Vec::new() };
    let module = module.map(&mut mapper);
    let unused: Vec<String> =
        mapper.arrays.into_keys().filter(|key| !key.ends_with("num_batches_tracked")).collect();
    if mapper.missing.is_empty() && mapper.misshapen.is_empty() && unused.is_empty() {
        return Ok(module);
    }
    Err(WeightsError::Mismatch {
        name: name.to_owned(),
        network: network.to_owned(),
        missing: mapper.missing,
        unused,
        misshapen: mapper.misshapen,
    })
}

struct Loader {
    path: ParamPath,
    arrays: Arrays,
    missing: Vec<String>,
    misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl ModuleMapper for Loader {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        let expected = param.lazy_shape().to_vec();
        let Some(array) = self.arrays.remove(&name) else {
            self.missing.push(name);
            return param;
        };
        if array.shape != expected {
            self.misshapen.push((name, expected, array.shape));
            return param;
        }
        let device = param.lazy_device();
        let tensor = Tensor::from_data(TensorData::new(array.data, array.shape), &device);
        // `map` keeps whether the parameter is a buffer, which a plain device does not show.
        param.map(|_| tensor)
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}

/// Marks as not trainable every parameter whose name `frozen` accepts, and trainable the rest.
///
/// Buffers stay buffers: a parameter that was not trainable is never made so.
pub fn freeze<M: Module>(module: M, frozen: impl Fn(&str) -> bool) -> M {
    module.map(&mut Freezer { path: ParamPath::default(), frozen })
}

struct Freezer<F> {
    path: ParamPath,
    frozen: F,
}

impl<F: Fn(&str) -> bool> ModuleMapper for Freezer<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trainable = param.is_require_grad() && !(self.frozen)(&self.path.name());
        param.set_require_grad(trainable)
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}
