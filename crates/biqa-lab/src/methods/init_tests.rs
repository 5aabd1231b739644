//! The table of `papers/deiqt.md`, section 5, and where networks start.

use super::*;
use biqa::models::deiqt::{Deiqt, DeiqtConfig};
use biqa::nn::vit::{Vit, VitConfig};
use biqa::weights::{collect, host};
use burn::tensor::{Device, Tensor};

fn of(name: &str, shape: &[usize]) -> Rule {
    rule(name, shape, 1e-4, 16)
}

#[test]
fn every_kind_of_parameter_has_its_rule() {
    for name in ["cls_token", "local_token", "pos_embed", "head.bunch_embedding"] {
        assert_eq!(of(name, &[1, 1, 384]), Rule::Normal(0.02), "{name}");
    }
    let decoder = "head.bunch_decoder.layers.0";
    for name in [
        "blocks.0.attn.qkv.weight".to_owned(),
        "head.heads.weight".to_owned(),
        "proj.fc1.weight".to_owned(),
        format!("{decoder}.linear1.weight"),
        format!("{decoder}.self_attn.out_proj.weight"),
    ] {
        assert_eq!(of(&name, &[384, 384]), Rule::Normal(0.02), "{name}");
    }
    let xavier = of(&format!("{decoder}.self_attn.in_proj_weight"), &[1152, 384]);
    assert_eq!(xavier, Rule::Uniform(0.0625));
    for name in ["self_attn.in_proj_bias", "linear2.bias", "norm1.bias"] {
        assert_eq!(of(&format!("{decoder}.{name}"), &[384]), Rule::Constant(0.0), "{name}");
    }
    for name in ["norm.weight", "blocks.3.norm2.weight", "head.bunch_decoder.layers.0.norm3.weight"]
    {
        assert_eq!(of(name, &[384]), Rule::Constant(1.0), "{name}");
    }
    assert_eq!(of("blocks.0.gamma_2", &[384]), Rule::Constant(1e-4));
    for (name, shape) in [("weight", vec![384, 3, 16, 16]), ("bias", vec![384])] {
        let Rule::Uniform(a) = of(&format!("patch_embed.proj.{name}"), &shape) else {
            panic!("{name} is not uniform");
        };
        assert!((a - 0.0360844).abs() < 1e-7, "{a}");
    }
}

#[test]
fn drawn_numbers_have_their_spread_and_their_key() {
    let array = Rule::Normal(0.02).array(vec![101, 99], "a", 1);
    let n = array.data.len() as f64;
    let mean = array.data.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let var = array.data.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n - mean * mean;
    assert!(n == 9999.0 && mean.abs() < 1e-3 && (var.sqrt() - 0.02).abs() < 1e-3);
    let uniform = Rule::Uniform(0.5).array(vec![1000], "a", 1).data;
    let highest = uniform.iter().copied().fold(0.0, f32::max);
    assert!(uniform.iter().all(|v| v.abs() <= 0.5) && highest > 0.49);
    assert_eq!(array, Rule::Normal(0.02).array(vec![101, 99], "a", 1));
    assert_ne!(array, Rule::Normal(0.02).array(vec![101, 99], "b", 1));
    assert_ne!(array, Rule::Normal(0.02).array(vec![101, 99], "a", 2));
}

fn smoke() -> (DeiqtConfig, Family<'static>, Deiqt) {
    let config = DeiqtConfig::preset("smoke").expect("a preset");
    let family =
        Family { network: "deiqt", encoder: config.encoder(), layer_scale: 1e-4, optional: None };
    (config, family, Deiqt::new(&config, &Device::flex()))
}

fn vit(config: &DeiqtConfig) -> Vit {
    let sizes = VitConfig {
        image_size: config.image_size,
        patch_size: config.patch_size,
        embed_dim: config.embed_dim,
        depth: config.depth,
        num_heads: config.num_heads,
        mlp_ratio: config.mlp_ratio,
        num_classes: 4,
        ..VitConfig::default()
    };
    Vit::new(&sizes, &Device::flex())
}

#[test]
fn a_network_starts_fresh_from_a_backbone_or_whole() {
    let (config, family, empty) = smoke();
    let (fresh, from) = start(empty.clone(), family, Arrays::new(), "", 1).expect("a start");
    assert_eq!(from, Start::Fresh);
    let mut backbone = collect(&vit(&config));
    for (name, array) in &mut backbone {
        *array = Rule::Normal(0.1).array(array.shape.clone(), name, 8);
    }
    let (net, from) = start(empty.clone(), family, backbone.clone(), "vit", 1).expect("it fits");
    assert_eq!(from, Start::Backbone);
    let (net, fresh) = (collect(&net), collect(&fresh));
    assert_eq!(net["blocks.1.mlp.fc1.weight"], backbone["blocks.1.mlp.fc1.weight"]);
    assert_eq!(net["head.heads.weight"], fresh["head.heads.weight"]);
    let (again, from) = start(empty, family, net.clone(), "a checkpoint", 2).expect("it fits");
    assert_eq!((collect(&again), from), (net, Start::Whole));
}

#[test]
fn a_backbone_with_a_hole_is_refused_by_name() {
    let (config, family, empty) = smoke();
    let mut backbone = collect(&vit(&config));
    backbone.remove("blocks.0.attn.proj.bias");
    let error = start(empty, family, backbone, "vit", 1).expect_err("one is missing");
    let text = error.to_string();
    assert!(text.contains("1 missing (blocks.0.attn.proj.bias)"), "{text}");
}

#[test]
fn a_fresh_network_scores_finite_numbers() {
    let (config, family, empty) = smoke();
    let (net, _) = start(empty, family, Arrays::new(), "", 1).expect("a start");
    let x = Tensor::ones([1, 3, config.image_size, config.image_size], &Device::flex());
    assert!(host(&net.score(x)).iter().all(|s| s.is_finite()));
}
