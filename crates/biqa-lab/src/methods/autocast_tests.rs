//! Every method in bfloat16 beside itself in float32, by its smoke recipe.

use std::collections::BTreeMap;
use std::path::Path;

use biqa::nn::autocast::{Products, autocast};
use biqa::weights::{ParamPath, collect, host};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Gradients, Tensor};

use super::Method;
use super::made::{batch, fresh};
use super::registry::{Choice, NAMES};
use crate::train::optim::{AdamW, AdamWConfig, Group};
use crate::train::recipe::Recipe;

/// Gradients of a module by name.
struct Found<'a> {
    path: ParamPath,
    grads: &'a Gradients,
    values: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Found<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        assert_eq!(param.val().dtype(), DType::F32, "{}", self.path.name());
        if let Some(grad) = param.val().grad(self.grads) {
            assert_eq!(grad.dtype(), DType::F32, "{}", self.path.name());
            self.values.insert(self.path.name(), host(&grad));
        }
    }

    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

/// Loss and gradients of one batch, and what a step makes of the weights.
fn step<M: Method>(mut method: M, products: Products) -> (f64, BTreeMap<String, Vec<f32>>) {
    let needs = method.needs();
    if let Some(first) = method.first() {
        let weights = collect(&fresh(&first));
        method.teach(weights, &burn::tensor::Device::flex()).expect("the same form");
    }
    let net = fresh(&method);
    method.begin(&net);
    let batch = batch(needs, 6, 0);
    let terms = autocast(products, || method.terms(&net, &batch)).expect("it has what it needs");
    let total = terms.total().expect("a term");
    assert_eq!(total.dtype(), DType::F32);
    let grads = total.backward();
    let mut found = Found { path: ParamPath::default(), grads: &grads, values: BTreeMap::new() };
    net.visit(&mut found);
    let values = found.values;
    let mut optim = AdamW::new(AdamWConfig::default());
    let (net, _) = optim.step(net, &grads, |_, _| Group { lr: 1e-3, decay: false });
    let mut stepped = Found { path: ParamPath::default(), grads: &grads, values: BTreeMap::new() };
    method.after_step(net).visit(&mut stepped);
    (f64::from(total.into_scalar::<f32>()), values)
}

fn compare<M: Method>(name: &str, method: &M) {
    let (loss, grads) = step(method.clone(), Products::F32);
    let (half_loss, half_grads) = step(method.clone(), Products::Bf16);
    assert!(loss != half_loss, "{name}: nothing was rounded");
    assert!((half_loss / loss - 1.0).abs() < 2e-2, "{name}: {half_loss} and {loss}");
    assert!(grads.keys().eq(half_grads.keys()), "{name}");
    let all = |g: &BTreeMap<String, Vec<f32>>| norm(g.values().flatten().copied());
    let (whole, half) = (all(&grads), all(&half_grads));
    assert!(half.is_finite() && (half / whole - 1.0).abs() < 5e-2, "{name}: {half} and {whole}");
    let apart = grads.iter().flat_map(|(key, g)| g.iter().zip(&half_grads[key]));
    let apart = norm(apart.map(|(a, b)| a - b));
    // Opposite ones would be twice the norm apart, unrelated ones 1.4 times; the batch norms of QPT over
    // six crops of 32 pixels spread what is rounded the most.
    assert!(apart < 0.25 * whole, "{name}: they are {apart} apart, of {whole}");
}

#[test]
fn loss_and_gradients_in_half_precision_are_near_and_come_back_single() {
    for name in NAMES {
        let path = format!("../../recipes/{name}-smoke.toml");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let Ok(Recipe::Crops(recipe)) = Recipe::read(&path) else {
            panic!("{name} is no recipe");
        };
        match &recipe.choice {
            Choice::Deiqt(method) => compare(name, method),
            Choice::Csiqa(method) => compare(name, &**method),
            Choice::LmlIqa(method) => compare(name, &**method),
            Choice::Csfiqa(method) => compare(name, &**method),
            Choice::GlintIqa(method) => compare(name, &**method),
            Choice::Qpt(method) => compare(name, &**method),
        }
    }
}
