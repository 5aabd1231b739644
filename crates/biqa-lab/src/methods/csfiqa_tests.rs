//! The checks of `papers/csfiqa.md`, section 13, that need a step of training.

use super::super::made::{batch, decay_groups, fresh, train};
use super::*;
use biqa::models::csfiqa::{LLAMA_LAYER, llama_arrays};
use biqa::nn::llama::TENSORS;
use biqa::weights::{Array, Precision, host, write_safetensors};
use burn::module::Module;

fn smoke() -> CsfiqaMethod {
    let config = CsfiqaConfig::preset("smoke").expect("a preset");
    CsfiqaMethod::new(config, CsfiqaOptions::default())
}

fn started(method: &CsfiqaMethod, arrays: Arrays) -> Result<(Csfiqa, Start), TrainError> {
    method.start(arrays, "c.pth", 5, &Device::flex())
}

#[test]
fn the_language_model_keeps_its_numbers_while_its_mappings_learn() {
    let mut method = smoke();
    let net = fresh(&method);
    let before = collect(&net);
    let after = collect(&train(&mut method, net, 2, 4).1);
    for (name, array) in &before {
        if is_llama(name) {
            assert!(method.frozen(name));
            assert_eq!(&after[name], array, "{name}");
        }
    }
    for name in ["sfa.ic.in_proj.weight", "sfa.ic.out_proj.weight", "scl.proj.0.0.weight"] {
        assert!(!method.frozen(name));
        assert_ne!(after[name], before[name], "{name}");
    }
}

#[test]
fn the_terms_are_those_of_the_specification_and_the_order_of_pictures_does_not_matter() {
    let mut method = smoke();
    let net = fresh(&method);
    let mut batch = batch(method.needs(), 4, 0);
    let terms = method.terms(&net, &batch).expect("a batch of crops");
    let names: Vec<&str> = terms.parts.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["smooth_l1", "scl"]);
    let values = |terms: &Terms| terms.parts.iter().map(|(_, t)| host(t)[0]).collect::<Vec<_>>();

    let order = [2, 0, 3, 1];
    batch.targets = order.map(|i| batch.targets[i]).into();
    let crops = order.map(|i| batch.crops.clone().narrow(0, i, 1));
    batch.crops = Tensor::cat(crops.into(), 0);
    let turned = method.terms(&net, &batch).expect("a batch of crops");
    for (a, b) in values(&terms).iter().zip(values(&turned)) {
        assert!((a - b).abs() < 1e-6 * a.abs().max(1.0), "{a}, then {b}");
    }
}

/// Section 13, item 7: but for their positions all regions of a constant picture are alike.
#[test]
fn the_regions_of_a_constant_picture_differ_by_their_positions_alone() {
    let method = smoke();
    let (net, _) = started(&method, Arrays::new()).expect("nothing to misfit");
    let mut without = collect(&net);
    for (name, array) in without.iter_mut().filter(|(name, _)| name.contains("pos_embed")) {
        assert!(array.data.iter().any(|&v| v != 0.0), "{name}");
        array.data.fill(0.0);
    }
    let (plain, _) = started(&method, without).expect("its own names");
    let flat = Tensor::<4>::ones([2, 3, 32, 32], &Device::flex()) * 0.7;
    for (net, is_plain) in [(net, false), (plain, true)] {
        let found = method.losses(&net, flat.clone(), &[1.0, 4.0]);
        assert!(host(&found.scl.expect("two stages"))[0].is_finite());
        assert!(host(&found.reg)[0].is_finite());
        for stage in found.stages {
            let c = host(&stage.noise.expect("it is on").similarity);
            let spread = c.iter().copied().fold(f32::MIN, f32::max)
                - c.iter().copied().fold(f32::MAX, f32::min);
            assert_eq!(spread < 1e-5, is_plain, "{c:?}");
        }
    }
}

/// Section 13, item 7, with pictures that are the same one: similarities and regions are ties.
#[test]
fn constant_pictures_give_gradients_without_nan() {
    let mut method = smoke();
    let net = fresh(&method);
    let mut batch = batch(method.needs(), 4, 0);
    batch.crops = batch.crops.zeros_like() + 0.7;
    let terms = method.terms(&net, &batch).expect("a batch of crops");
    let grads = terms.total().expect("terms").backward();
    let mut found = Finite { grads: &grads, tensors: 0 };
    net.visit(&mut found);
    assert!(found.tensors > 20, "{}", found.tensors);
}

/// Counts the tensors that have a gradient, none of whose numbers may be NaN or infinite.
struct Finite<'a> {
    grads: &'a burn::tensor::Gradients,
    tensors: usize,
}

impl burn::module::ModuleVisitor for Finite<'_> {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
        if let Some(grad) = param.val().grad(self.grads) {
            assert!(host(&grad).iter().all(|g| g.is_finite()), "{:?}", grad.dims());
            self.tensors += 1;
        }
    }
}

#[test]
fn without_contrasted_stages_there_is_regression_alone() {
    let config = CsfiqaConfig::preset("smoke").expect("a preset");
    let mut method =
        CsfiqaMethod::new(CsfiqaConfig { scl_stages: vec![], ..config }, CsfiqaOptions::default());
    let net = fresh(&method);
    let batch = batch(method.needs(), 3, 0);
    assert_eq!(method.terms(&net, &batch).expect("a batch").parts.len(), 1);
}

#[test]
fn weight_decay_leaves_vectors_tokens_and_positions_alone() {
    let method = smoke();
    for (name, dims) in [
        ("encoder.pos_embed_0", 3),
        ("encoder.cls_token_1", 3),
        ("sfa.afs.mix", 1),
        ("encoder.blocks.0.blocks.0.0.attn.qkv.bias", 1),
    ] {
        assert!(!method.decays(name, dims), "{name}");
    }
    assert!(method.decays("head.bunch_embedding", 3) && method.decays("sfa.afs.q.weight", 2));
    let [decayed, left] = decay_groups(&method, &fresh(&method));
    assert!(decayed.1 > left.1);
}

#[test]
fn it_learns_and_two_runs_are_one() {
    let run = || {
        let mut method = smoke();
        let net = fresh(&method);
        train(&mut method, net, 12, 4).0
    };
    let losses = run();
    assert_eq!(losses, run());
    assert!(losses.last() < losses.first(), "{losses:?}");
}

/// The encoder of timm's file; all else from the seed.
#[test]
fn a_pre_trained_encoder_starts_it_and_every_tensor_is_accounted_for() {
    let method = smoke();
    let (net, from) = started(&method, Arrays::new()).expect("nothing to misfit");
    assert_eq!(from, Start::Fresh);
    let whole = collect(&net);
    let strip = |key: &str| key.strip_prefix("encoder.").map(str::to_owned);
    let mut file: Arrays =
        whole.iter().filter_map(|(key, a)| strip(key).map(|k| (k, a.clone()))).collect();
    let head = Array { shape: vec![2], data: vec![0.0; 2] };
    file.insert("head.0.bias".to_owned(), head.clone());
    for array in file.values_mut() {
        array.data.iter_mut().for_each(|v| *v += 1.0);
    }
    let (net, from) = started(&method, file.clone()).expect("it fits");
    assert_eq!(from, Start::Backbone);
    let found = collect(&net);
    assert_eq!(found["encoder.norm.1.weight"], file["norm.1.weight"]);
    assert_eq!(found["sfa.afs.q.weight"], whole["sfa.afs.q.weight"]);
    assert_eq!(found["sfa.ic.llama.mlp.up_proj.weight"], whole["sfa.ic.llama.mlp.up_proj.weight"]);
    assert_eq!(found["sfa.afs.mix"].data, [0.0; 4]);

    file.remove("norm.0.bias");
    file.insert("fc.weight".to_owned(), head);
    let text = started(&method, file).expect_err("no fit").to_string();
    assert!(text.contains("encoder.norm.0.bias") && text.contains("encoder.fc.weight"), "{text}");
}

#[test]
fn a_checkpoint_without_language_model_or_projections_is_still_whole() {
    let method = smoke();
    let (net, _) = started(&method, Arrays::new()).expect("nothing to misfit");
    let whole = collect(&net);
    let mut slim = whole.clone();
    slim.retain(|name, _| !is_llama(name) && !name.starts_with(SCL));
    let (net, from) = started(&method, slim.clone()).expect("it fits");
    assert_eq!((collect(&net), from), (whole, Start::Whole));
    slim.remove("head.heads.weight");
    let text = started(&method, slim).expect_err("no fit").to_string();
    assert!(text.contains("1 missing (head.heads.weight)"), "{text}");
}

#[test]
fn the_real_language_model_comes_from_a_file_or_is_asked_for_in_words() {
    let config = CsfiqaConfig::preset("smoke").expect("a preset");
    let config = CsfiqaConfig { ic: Concentration::Llama7b, ..config };
    let method = CsfiqaMethod::new(config.clone(), CsfiqaOptions::default());
    let text = started(&method, Arrays::new()).expect_err("no file").to_string();
    assert!(text.contains("ic = \"none\" (csfiqa-lite)"), "{text}");

    let (random, _) = started(&smoke(), Arrays::new()).expect("nothing to misfit");
    let own = collect(&random);
    let layer = |name: &str| own[&format!("{LLAMA}{name}")].clone();
    let file: Arrays = TENSORS
        .iter()
        .map(|(name, _)| (format!("model.layers.{LLAMA_LAYER}.{name}"), layer(name)))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("llama.safetensors");
    write_safetensors(&path, &file, None, Precision::F32).expect("a writable folder");
    let (net, from) =
        started(&method, llama_arrays(&path, &config).expect("a layer")).expect("it fits");
    assert_eq!(from, Start::Fresh);
    assert_eq!(collect(&net), own);
}
