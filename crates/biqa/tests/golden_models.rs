//! Every golden case of MobileNetV2 and ViT; those of the methods and of their other backbones are
//! in the lab (`tests/golden_methods`).

use biqa::golden::{self, Case, Data, GoldenError, Tensor as Golden, Tensors};
use biqa::models;
use biqa::nn::layers::BATCH_NORM_EPS;
use biqa::nn::mobilenet::{LAST, MobileNetV2};
use biqa::nn::vit::{Vit, VitOutput};
use biqa::weights::{Array, Arrays, host, load, visit};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeMap;

/// Networks that are not built yet: (name, issue).
const NOT_BUILT: [(&str, u32); 0] = [];
const PREFIXES: [&str; 2] = ["mobilenet_v2-", "vit-"];

#[test]
fn golden_every_network_case_is_within_its_tolerance() {
    let summary = golden::run(&PREFIXES, &NOT_BUILT, |case| match case.model.as_str() {
        "mobilenet_v2" => mobilenet(case),
        "vit" => vit(case),
        other => Err(GoldenError::NotBuilt(other.to_owned())),
    });
    assert!(summary.failures.is_empty(), "{}", summary.failures.join("\n"));
    assert!(summary.passed >= 4, "the repository's own copy holds 4 cases or more");
}

fn mobilenet(case: &Case) -> Result<(), GoldenError> {
    let device = Device::flex();
    let classes = Some(case.integer("num_classes")? as usize).filter(|&classes| classes > 0);
    if case.number_or("bn_eps", BATCH_NORM_EPS)? != BATCH_NORM_EPS {
        return Err(GoldenError::Code("MobileNetV2's bn_eps is 1e-5".to_owned()));
    }
    let net = models::mobilenet_v2(case.number("width_mult")?, classes, &device);
    let net = filled(net, case)?;
    let image = tensor::<4>(case.inputs()?.get("image")?, &device);
    let found = mobilenet_outputs(&net, image.clone());
    case.compare_all(&found)?;
    // The folded network is the same function.
    case.compare_all(&mobilenet_outputs(&net.fold(), image))
}

fn mobilenet_outputs(net: &MobileNetV2, image: Tensor<4>) -> Tensors {
    let mut found = BTreeMap::new();
    let maps = net.features(image.clone(), 0, LAST);
    for (i, map) in maps.iter().enumerate() {
        let [b, c, h, w] = map.dims();
        found.insert(format!("features.{i}.mean"), golden(biqa::nn::pool::mean(map.clone())));
        let corner = [0..b, 0..c.min(8), 0..h.min(4), 0..w.min(4)];
        found.insert(format!("features.{i}.corner"), golden(map.clone().slice(corner)));
        found.insert(format!("features.{i}"), golden(map.clone()));
    }
    found.insert("pooled".to_owned(), golden(biqa::nn::pool::mean(maps[LAST].clone())));
    found.insert("logits".to_owned(), golden(net.forward(image)));
    Tensors(found)
}

fn vit(case: &Case) -> Result<(), GoldenError> {
    let device = Device::flex();
    let mut config = case.config.clone();
    if let Some(map) = config.as_object_mut() {
        map.retain(|key, _| !key.starts_with("slice_") && key != "mode");
    }
    let net = models::vit(&config, &device).map_err(|e| GoldenError::Code(e.to_string()))?;
    let net = filled(net, case)?;
    let image = tensor::<4>(case.inputs()?.get("image")?, &device);
    // There is no dropout: training mode is the same function.
    if case.kind == "grad" {
        let net = net.train();
        let out = net.forward(image.autodiff());
        return vit_grad(case, &net, &out);
    }
    let out = net.forward(image);
    let VitOutput { patches, input, blocks, tokens, logits } = out;
    let mut all = BTreeMap::from([
        ("patch_embed".to_owned(), patches),
        ("tokens.input".to_owned(), input),
        ("norm".to_owned(), tokens),
    ]);
    all.extend(blocks.into_iter().enumerate().map(|(i, z)| (format!("block.{i}"), z)));
    let mut found = BTreeMap::new();
    if let Some(logits) = logits {
        found.insert("logits".to_owned(), golden(logits));
    }
    for (name, z) in all {
        if let Some((rows, channels)) = case.slices()? {
            // The patches before the class token joins are one fewer.
            let rows = rows.iter().filter(|&&t| t < z.dims()[1]);
            let end = channels.end.min(z.dims()[2]);
            let part = |&t: &usize| {
                z.clone().narrow(1, t, 1).narrow(2, channels.start, end - channels.start)
            };
            let parts = rows.map(part).collect();
            found.insert(format!("slice.{name}"), golden(Tensor::cat(parts, 1)));
        }
        found.insert(name, golden(z));
    }
    case.compare_all(&Tensors(found))
}

/// `loss = sum(r * logits)`, gradients by the parameters' names.
fn vit_grad(case: &Case, net: &Vit, out: &VitOutput) -> Result<(), GoldenError> {
    let logits = out.logits.clone();
    let logits = logits.ok_or_else(|| GoldenError::Code("no classifier".to_owned()))?;
    let r = tensor::<2>(case.inputs()?.get("r")?, &logits.device());
    let loss = (logits.clone() * r).sum();
    let grads = loss.backward();
    let mut found =
        BTreeMap::from([("logits".to_owned(), golden(logits)), ("loss".to_owned(), golden(loss))]);
    collect_grads(net, &grads, &mut found);
    case.compare_all(&Tensors(found))
}

fn collect_grads(net: &Vit, grads: &burn::tensor::Gradients, found: &mut BTreeMap<String, Golden>) {
    struct Visitor<'a> {
        path: biqa::weights::ParamPath,
        grads: &'a burn::tensor::Gradients,
        found: &'a mut BTreeMap<String, Golden>,
    }
    impl burn::module::ModuleVisitor for Visitor<'_> {
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
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
    let path = biqa::weights::ParamPath::default();
    net.visit(&mut Visitor { path, grads, found });
}

/// The network with the case's weights: its file's, or the splitmix rule's.
fn filled<M: Module>(net: M, case: &Case) -> Result<M, GoldenError> {
    let arrays = if case.weights.is_string() {
        let tensors = case.weight_tensors()?;
        let array = |t: &Golden| Array { shape: t.shape.clone(), data: t.f32s() };
        tensors.0.iter().map(|(name, t)| (name.clone(), array(t))).collect()
    } else {
        let mut arrays = Arrays::new();
        visit(&net, |name, value| {
            let data = golden::splitmix_weights(name, &value.shape);
            arrays.insert(name.to_owned(), Array { shape: value.shape, data });
        });
        arrays
    };
    load(net, arrays, "the case", &case.model).map_err(|e| GoldenError::Code(e.to_string()))
}

fn tensor<const D: usize>(t: &Golden, device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(t.f32s(), t.shape.clone()), device)
}

fn golden<const D: usize>(t: Tensor<D>) -> Golden {
    let shape = t.dims().to_vec();
    let data = host(&t);
    Golden { shape, data: Data::F64(data.into_iter().map(f64::from).collect()) }
}
