//! The checks of `papers/glintiqa.md`, sections 3 and 9, that need a step of training.

use super::super::made::{batch, fresh, train};
use super::*;
use biqa::models::glintiqa::GlintIqaOutput;
use biqa::nn::resnet::{ResNet, ResNetConfig};
use biqa::nn::vit::{Vit, VitConfig};
use biqa::weights::{freeze, host};
use burn::module::Module as _;

fn smoke() -> GlintIqaMethod {
    let config = GlintIqaConfig::preset("smoke").expect("a preset");
    let options = GlintIqaOptions { freeze_blocks_until: 0, ..GlintIqaOptions::default() };
    GlintIqaMethod::new(config, options)
}

fn is_buffer(name: &str) -> bool {
    name.contains(".running_")
}

#[test]
fn the_frozen_set_is_the_specifications() {
    let method = GlintIqaMethod::new(GlintIqaConfig::default(), GlintIqaOptions::default());
    let net = GlintIqa::new(&GlintIqaConfig::default(), &Device::flex());
    let (mut frozen, mut trained, mut reached) = (0, 0, 0);
    visit(&net, |name, value| {
        let n = value.shape.iter().product::<usize>();
        match (is_buffer(name), method.frozen(name)) {
            (true, _) => {}
            (false, true) => frozen += n,
            (false, false) => {
                trained += n;
                reached += if net.is_unused(name) { 0 } else { n };
            }
        }
    });
    assert_eq!((frozen, trained, reached), (10_612_544, 34_524_029, 30_589_333));
    assert!(!method.frozen("vgfe.backbone.cls_token") && !method.frozen("vgfe.backbone.pos_embed"));
    assert!(method.frozen("vgfe.backbone.blocks.4.norm1.bias"));
    assert!(!method.frozen("vgfe.backbone.blocks.5.norm1.bias"));
    assert!(method.frozen("clfe.backbone.layer2.3.bn1.weight"));
    assert!(!method.frozen("clfe.patch_embed1.proj.weight"));
}

#[test]
fn the_larger_transformer_has_the_counted_trainable_parameters() {
    let config = GlintIqaConfig::preset("base").expect("a preset");
    let method = GlintIqaMethod::new(config.clone(), GlintIqaOptions::default());
    let mut trained = 0;
    visit(&GlintIqa::new(&config, &Device::flex()), |name, value| {
        if !method.frozen(name) && !is_buffer(name) {
            trained += value.shape.iter().product::<usize>();
        }
    });
    assert_eq!(trained, 108_553_469);
}

/// A step of the loop, with the frozen parameters frozen; what it started from and came to.
fn one_step(method: &mut GlintIqaMethod) -> (Arrays, Arrays) {
    let net = fresh(method);
    let before = collect(&net);
    let frozen = method.clone();
    let net = freeze(net, |name| frozen.frozen(name));
    let (_, net) = train(method, net, 1, 3);
    (before, collect(&net))
}

#[test]
fn frozen_weights_stay_and_buffers_move_only_where_asked() {
    let buffer = "clfe.backbone.bn1.running_mean";
    let mut method = smoke();
    let (before, after) = one_step(&mut method);
    for (name, array) in &before {
        if method.frozen(name) && !is_buffer(name) {
            assert_eq!(&after[name], array, "{name}");
        }
    }
    assert_ne!(after["siem1.conv.weight"], before["siem1.conv.weight"]);
    assert_ne!(after[buffer], before[buffer]);
    assert_ne!(after["clfe.backbone.layer1.0.bn3.running_var"].data[0], 1.0);

    method.options.frozen_bn = FrozenBn::Eval;
    let (before, after) = one_step(&mut method);
    assert_eq!(after[buffer], before[buffer]);
    let trained = "clfe.backbone.layer3.0.bn1.running_mean";
    assert_ne!(after[trained], before[trained]);
}

#[test]
fn parameters_without_gradient_keep_their_values_in_spite_of_the_decay() {
    let (before, after) = one_step(&mut smoke());
    for name in ["vgfe.backbone.norm.weight", "vgfe.backbone.head.weight"] {
        assert_eq!(after[name], before[name], "{name}");
    }
}

#[test]
fn a_step_drops_half_and_another_step_another_half() {
    let key = |step| StepKey { seed: 1, step };
    let one = factors(key(0), 0, 10_001, 0.5);
    assert_eq!(one.len(), 10_001);
    assert!(one.iter().all(|&f| f == 0.0 || f == 2.0));
    let kept = one.iter().filter(|&&f| f > 0.0).count();
    assert!((4800..5200).contains(&kept), "{kept}");
    assert_eq!(one, factors(key(0), 0, 10_001, 0.5));
    assert_ne!(one, factors(key(1), 0, 10_001, 0.5));
    assert_ne!(one, factors(key(0), 1, 10_001, 0.5));
    assert!(factors(key(0), 0, 9, 0.0).iter().all(|&f| f == 1.0));
}

/// Nothing is dropped, and frozen stages take what is stored: their maps are those of evaluation; the
/// third stage takes the batch and notes it.
#[test]
fn frozen_stages_with_stored_statistics_are_those_of_evaluation() {
    let mut method = smoke();
    (method.options.drop, method.options.head_drop) = (0.0, 0.0);
    let net = fresh(&method).valid();
    let crops = batch(method.needs(), 2, 0).crops.inner();
    let device = crops.device();
    let dropout = method.dropout(2, StepKey { seed: 1, step: 0 }, &device);
    let mut seen = Seen::default();
    let training = Training { dropout, seen: &mut seen, frozen_bn: false };
    let GlintIqaOutput { clfe, score, .. } = net.forward(crops.clone(), Some(training));
    let evaluated = net.forward(crops, None);
    for (found, expected) in clfe.iter().zip(&evaluated.clfe).take(2) {
        assert_eq!(host(found), host(expected));
    }
    assert_ne!(host(&clfe[2]), host(&evaluated.clfe[2]), "the third stage uses the batch");
    assert_ne!(host(&score), host(&evaluated.score));
    assert!(!seen.is_empty());
}

#[test]
fn it_learns_and_two_runs_are_one() {
    let run = || {
        let mut method = smoke();
        (method.options.drop, method.options.head_drop) = (0.1, 0.1);
        let net = fresh(&method);
        train(&mut method, net, 12, 4).0
    };
    let losses = run();
    assert_eq!(losses, run());
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    assert!(mean(&losses[8..]) < mean(&losses[..4]), "{losses:?}");
}

/// A transformer of timm and a ResNet of torchvision, alone and together.
#[test]
fn backbones_start_it_and_every_tensor_is_accounted_for() {
    let mut method = smoke();
    method.options.one_backbone = true;
    let config = method.config.clone();
    let device = Device::flex();
    let vit: VitConfig = config.vit();
    let resnet = ResNetConfig { layers: vec![1; 4], num_classes: 3, ..config.resnet() };
    let ones = |arrays: Arrays| -> Arrays {
        let one = |(name, mut array): (String, biqa::weights::Array)| {
            array.data.fill(1.0);
            (name, array)
        };
        arrays.into_iter().map(one).collect()
    };
    let vit = ones(collect(&Vit::new(&vit, &device)));
    let resnet = ones(collect(&ResNet::new(&resnet, &device)));
    let start = |arrays: Arrays| method.start(arrays, "b.pth", 5, &device);
    let (fresh, from) = start(Arrays::new()).expect("nothing to misfit");
    assert_eq!(from, Start::Fresh);
    let fresh = collect(&fresh);
    let mut both = vit.clone();
    both.extend(resnet.clone());
    for (file, given) in [(vit.clone(), "vgfe."), (resnet, "clfe.backbone."), (both, "v")] {
        let (net, from) = start(file).expect("it fits");
        assert_eq!(from, Start::Backbone);
        for (name, array) in collect(&net) {
            if name.starts_with(given) {
                assert!(array.data.iter().all(|&v| v == 1.0), "{name}");
            } else if !name.contains("backbone") {
                assert_eq!(array, fresh[&name], "{name}");
            }
        }
    }
    let text = smoke().start(vit.clone(), "vit.pth", 5, &device).expect_err("one").to_string();
    assert!(text.contains("in vit.pth there is a ViT and no ResNet: give one too"), "{text}");
    let mut bad = vit;
    bad.remove("blocks.1.norm1.weight");
    bad.insert("blocks.9.norm1.weight".to_owned(), bad["norm.weight"].clone());
    let text = start(bad).expect_err("no fit").to_string();
    assert!(text.contains("vgfe.backbone.blocks.1.norm1.weight"), "{text}");
    assert!(text.contains("vgfe.backbone.blocks.9.norm1.weight"), "{text}");
}

#[test]
fn training_labels_of_live_challenge_alone_are_spread() {
    let spread = [50.0, 0.0, 100.0].map(|y| training_label("livec", y));
    assert_eq!(spread, [50.0, -50.0, 150.0]);
    assert_eq!(training_label("koniq10k", 0.0), 0.0);
    for set in ["livec", "koniq10k"] {
        for y in [0.0, 3.5, 100.0] {
            assert_eq!(label_of(set, f64::from(training_label(set, y))), f64::from(y), "{set}");
        }
    }
}

#[test]
fn new_layers_start_within_pytorchs_bounds() {
    let net = fresh(&smoke());
    let all = collect(&net);
    for (name, fan_in) in [
        ("local_projection.weight", 36.0),
        ("local_projection.bias", 36.0),
        ("siem1.conv.weight", 216.0_f32),
        ("cwsa1.c_q.bias", 4.0),
        ("clfe.patch_embed1.proj.bias", 256.0),
    ] {
        let bound = 1.0 / fan_in.sqrt();
        let largest = all[name].data.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        assert!(largest <= bound && largest > 0.5 * bound, "{name}: {largest} of {bound}");
    }
    assert!(all["cwsa1.norm.weight"].data.iter().all(|&v| v == 1.0));
    assert!(all["clfe.backbone.bn1.running_var"].data.iter().all(|&v| v == 1.0));
}
