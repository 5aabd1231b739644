//! The checks of `papers/csiqa.md`, section 9, that need training.

use super::super::made::{batch, decay_groups, fresh, train};
use super::*;
use burn::module::Module;

fn smoke(change: impl FnOnce(&mut CsiqaOptions)) -> CsiqaMethod {
    let mut options = CsiqaOptions::default();
    options.contrast.teacher = TeacherKind::Own;
    change(&mut options);
    CsiqaMethod::new(CsiqaConfig::preset("smoke").expect("a preset"), options)
}

#[test]
fn weight_decay_acts_on_the_counted_tensors() {
    let config = CsiqaConfig::default();
    let paper = CsiqaMethod::new(config, CsiqaOptions::default());
    let net = Csiqa::new(&config, &Device::flex());
    assert_eq!(decay_groups(&paper, &net), [(56, 23_888_640), (138, 153_600)]);
}

#[test]
fn options_are_written_as_the_specification_has_them() {
    let text = r#"{
        "mask": {"ratio": 0.5, "layout": "released"},
        "contrast": {"layers": 4, "teacher": "self", "features": "patch_mean"},
        "init_local": "cls"
    }"#;
    let options: CsiqaOptions = serde_json::from_str(text).expect("it is valid");
    assert_eq!(options.contrast.layers, Layers::Last(4));
    assert_eq!(options.contrast.teacher, TeacherKind::Own);
    let json = serde_json::to_string(&options).expect("plain data");
    assert_eq!(serde_json::from_str::<CsiqaOptions>(&json).expect("its own form"), options);
    let all: ContrastOptions = serde_json::from_str(r#"{"layers": "all"}"#).expect("it is valid");
    assert_eq!(all, ContrastOptions::default());
    assert!(serde_json::from_str::<CsiqaOptions>(r#"{"mask": {"rate": 1}}"#).is_err());
}

#[test]
fn mask_numbers_are_even_and_belong_to_seed_step_block_image_and_head() {
    let method = smoke(|_| {});
    let key = StepKey { seed: 1, step: 4 };
    let numbers = |key, block| method.mask_numbers(key, block, 512);
    let first = numbers(key, 0);
    let hidden = first.iter().filter(|&&u| u > 0.7).count() as f64 / first.len() as f64;
    assert!(first.len() > 10_000 && (hidden - 0.3).abs() < 0.01, "{hidden}");
    assert!(first.iter().all(|u| (0.0..1.0).contains(u)));
    assert_eq!(first, numbers(key, 0));
    assert_ne!(first, numbers(key, 1));
    assert_ne!(first, numbers(StepKey { step: 5, ..key }, 0));
    let row = method.config.tokens() - 1;
    assert_ne!(first[..row], first[row..2 * row]);
    let image = method.config.num_heads * row;
    assert_ne!(first[..image], first[image..2 * image], "of another image");
    assert_ne!(first, numbers(StepKey { seed: 2, ..key }, 0), "of another seed");
    // More images don't change those before them.
    assert_eq!(method.mask_numbers(key, 0, 2)[..], first[..2 * image]);
}

/// 10^5 draws and more at the paper's size: the masked share of patch keys.
#[test]
fn three_patches_of_ten_are_hidden() {
    let method = CsiqaMethod::new(CsiqaConfig::default(), CsiqaOptions::default());
    let (b, h, n) = (96, 6, 198);
    let u = method.mask_numbers(StepKey { seed: 2, step: 0 }, 3, b);
    let seen = mask::visible(&u, [b, h, n], 0.3, Layout::Intended).expect("a number a key");
    let rows = seen.chunks_exact(n * n).map(|mask| &mask[2..n]);
    let hidden = rows.flatten().filter(|seen| !**seen).count() as f64;
    let share = hidden / (b * h * (n - 2)) as f64;
    assert!((share - 0.3).abs() < 0.005, "{share}");
}

#[test]
fn everything_hidden_is_no_trouble() {
    let mut method = smoke(|options| options.mask.ratio = 1.0);
    let net = fresh(&method);
    let terms = method.terms(&net, &batch(method.needs(), 8, 0)).expect("a batch");
    let loss: f32 = terms.total().expect("terms").into_scalar();
    assert!(loss.is_finite(), "{loss}");
}

#[test]
fn the_loss_is_regression_and_a_tenth_of_all_layers() {
    let method = smoke(|_| {});
    let net = fresh(&method);
    let batch = batch(method.needs(), 8, 0);
    let teacher: Vec<f32> = (0..8).map(|i| (i * 5 % 8) as f32).collect();
    let u = |block| Some(method.mask_numbers(batch.key, block, 8));
    let losses = method.losses(&net, batch.crops.clone(), &batch.targets, Some(&teacher), u);
    assert_eq!(losses.layers.len(), 2);
    let layers: f32 = losses.layers.iter().map(|l| l.clone().into_scalar::<f32>()).sum();
    let contrast: f32 = losses.contrast.expect("it is on").into_scalar();
    assert!((contrast - 0.1 * layers).abs() < 1e-6, "{contrast}, not 0.1 {layers}");
}

#[test]
fn only_the_last_layers_are_contrasted_where_a_number_says_so() {
    let method = smoke(|options| options.contrast.layers = Layers::Last(1));
    let net = fresh(&method);
    let batch = batch(method.needs(), 8, 0);
    let losses = method.losses(&net, batch.crops.clone(), &batch.targets, None, |_| None);
    assert_eq!(losses.layers.len(), 1);
}

#[test]
fn without_contrast_and_mask_it_is_plain_regression() {
    let mut method = smoke(|options| {
        options.contrast.enabled = false;
        options.mask.enabled = false;
    });
    let net = fresh(&method);
    let batch = batch(method.needs(), 4, 0);
    let terms = method.terms(&net, &batch).expect("a batch");
    let expected = smooth_l1(net.score(batch.crops.clone()), batch.crop_targets(), 1.0);
    assert_eq!(terms.parts.len(), 1);
    assert_eq!(host(&terms.parts[0].1), host(&expected));
}

#[test]
fn queries_and_keys_of_a_single_query_get_no_gradient() {
    struct Find<'a> {
        path: biqa::weights::ParamPath,
        grads: &'a burn::tensor::Gradients,
        found: Vec<f32>,
    }
    impl burn::module::ModuleVisitor for Find<'_> {
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            if self.path.name().ends_with("self_attn.in_proj_weight") {
                self.found = param.val().grad(self.grads).map(|g| host(&g)).unwrap_or_default();
            }
        }
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }
    }
    let mut method = smoke(|_| {});
    let net = fresh(&method);
    let terms = method.terms(&net, &batch(method.needs(), 8, 0)).expect("a batch");
    let grads = terms.total().expect("terms").backward();
    let path = biqa::weights::ParamPath::default();
    let mut find = Find { path, grads: &grads, found: Vec::new() };
    net.visit(&mut find);
    let (queries_and_keys, values) = find.found.split_at(find.found.len() / 3 * 2);
    assert!(queries_and_keys.iter().all(|g| *g == 0.0));
    assert!(values.iter().any(|g| *g != 0.0));
}

#[test]
fn a_frozen_teacher_is_trained_first_and_missed_where_it_is_not() {
    let mut method = smoke(|options| options.contrast.teacher = TeacherKind::Frozen);
    let first = method.first().expect("a training before this one");
    assert!(!first.options.contrast.enabled && first.first().is_none());
    assert_eq!(first.options.mask, method.options.mask);
    let net = fresh(&method);
    let batch = batch(method.needs(), 8, 0);
    let error = method.terms(&net, &batch).expect_err("it has no teacher");
    assert!(error.to_string().contains("\"frozen\" was not given its weights"), "{error}");
    method.teach(collect(&net), &Device::flex()).expect("the same form");
    assert!(method.terms(&net, &batch).is_ok());
}

#[test]
fn every_teacher_trains_and_survives_a_checkpoint_to_the_bit() {
    for kind in [TeacherKind::Ema, TeacherKind::Own, TeacherKind::None, TeacherKind::Frozen] {
        let mut method = smoke(|options| options.contrast.teacher = kind);
        let net = fresh(&method);
        method.teach(collect(&net), &Device::flex()).expect("the same form");
        method.begin(&net);
        let (_, net) = train(&mut method, net, 3, 8);
        let state = method.state();
        let mut other = smoke(|options| options.contrast.teacher = kind);
        other.restore(&net, state.clone()).expect("its own state");
        let batch = batch(method.needs(), 8, 7);
        let loss = |method: &mut CsiqaMethod| {
            let terms = method.terms(&net, &batch).expect("a batch");
            terms.total().expect("terms").into_scalar::<f32>()
        };
        assert_eq!(loss(&mut method), loss(&mut other), "{kind:?}");
        if kind == TeacherKind::Ema {
            assert_eq!(other.state(), state);
            assert_ne!(collect(method.ema.expect("a teacher").net()), collect(&net.valid()));
        }
    }
}

#[test]
fn it_learns_and_two_runs_are_one() {
    let run = || {
        let mut method = smoke(|_| {});
        let net = fresh(&method);
        train(&mut method, net, 12, 8).0
    };
    let losses = run();
    assert_eq!(losses, run());
    assert!(losses.last() < losses.first(), "{losses:?}");
}

#[test]
fn evaluation_knows_no_labels_and_no_draws() {
    let mut method = smoke(|_| {});
    let net = fresh(&method);
    let batch = batch(method.needs(), 8, 0);
    let before = host(&net.valid().score(batch.crops.clone().inner()));
    method.terms(&net, &batch).expect("a batch");
    assert_eq!(host(&net.valid().score(batch.crops.inner())), before);
}
