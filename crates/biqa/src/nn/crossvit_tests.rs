//! The checks of `papers/csfiqa.md`, sections 3 and 13, that belong to the encoder.

// Numbers stand as the specification prints them.
#![allow(clippy::excessive_precision)]

use super::*;
use crate::golden::splitmix_weights;
use crate::models::made::{arrays, close, count, filled, pictures};
use crate::weights::{Array, collect, host, load};

fn mini() -> CrossVitConfig {
    CrossVitConfig {
        branch_size: [24, 20],
        patch_size: [6, 10],
        embed_dim: [8, 12],
        depth: vec![[1, 2, 0], [1, 1, 1]],
        num_heads: [2, 3],
        mlp_ratio: [2.0, 3.0, 1.0],
    }
}

fn parameters(name: &str) -> usize {
    let config = CrossVitConfig::named(name).expect("a variant of the table");
    config.check().expect("it fits");
    count(&CrossVit::new(&config, &Device::flex())).1
}

#[test]
fn the_variants_have_the_counted_parameters() {
    assert_eq!(parameters("crossvit_tiny_240"), 6_724_800);
    assert_eq!(parameters("crossvit_small_240"), 26_278_272);
    assert_eq!(parameters("crossvit_base_240"), 103_871_232);
    assert_eq!(parameters("crossvit_9_240"), 8_167_296);
    assert_eq!(parameters("crossvit_15_240"), 26_950_464);
    assert_eq!(parameters("crossvit_18_240"), 42_597_408);
}

#[test]
fn names_and_shapes_are_timms() {
    let all = collect(&CrossVit::new(&CrossVitConfig::default(), &Device::flex()));
    for (name, shape) in [
        ("pos_embed_0", vec![1, 401, 192]),
        ("cls_token_0", vec![1, 1, 192]),
        ("pos_embed_1", vec![1, 197, 384]),
        ("patch_embed.0.proj.weight", vec![192, 3, 12, 12]),
        ("patch_embed.1.proj.bias", vec![384]),
        ("blocks.2.blocks.1.3.attn.qkv.weight", vec![1152, 384]),
        ("blocks.0.blocks.0.0.mlp.fc2.weight", vec![192, 768]),
        ("blocks.0.projs.0.0.weight", vec![192]),
        ("blocks.0.projs.0.2.weight", vec![384, 192]),
        ("blocks.0.projs.1.2.weight", vec![192, 384]),
        ("blocks.1.fusion.0.norm1.weight", vec![384]),
        ("blocks.1.fusion.0.attn.wq.weight", vec![384, 384]),
        ("blocks.1.fusion.1.attn.proj.bias", vec![192]),
        ("blocks.2.revert_projs.0.0.weight", vec![384]),
        ("blocks.2.revert_projs.0.2.weight", vec![192, 384]),
        ("norm.1.bias", vec![384]),
    ] {
        assert_eq!(all.get(name).map(|a| a.shape.clone()), Some(shape), "{name}");
    }
    // An index stands in the name where the config counts its cross blocks.
    let counted = collect(&CrossVit::new(&mini(), &Device::flex()));
    assert!(counted.contains_key("blocks.0.fusion.1.norm1.weight"));
    assert!(counted.contains_key("blocks.1.fusion.1.0.norm1.weight"));
}

#[test]
fn the_spot_values_of_the_rule() {
    for (name, shape, expected) in [
        ("pos_embed_0", vec![1, 401, 192], [-0.013285059, -0.008554339, 0.005869682]),
        ("norm.0.weight", vec![192], [0.99666488, 1.05623889, 0.96014786]),
        (
            "blocks.0.blocks.0.0.attn.qkv.weight",
            vec![576, 192],
            [-0.0879722983, -0.0649083257, 0.0974346101],
        ),
    ] {
        close(&splitmix_weights(name, &shape)[..3], &expected, 1e-7);
    }
}

#[test]
fn a_variant_with_a_deep_stem_and_an_unknown_one_are_refused_in_words() {
    let dagger = CrossVitConfig::named("crossvit_15_dagger_240").expect_err("not built");
    assert!(dagger.contains("three convolutions"), "{dagger}");
    let unknown = CrossVitConfig::named("crossvit_16").expect_err("unknown");
    assert!(unknown.contains("crossvit_small_240"), "{unknown}");
    let empty = CrossVitConfig { depth: vec![[0, 4, 0]; 3], ..CrossVitConfig::default() };
    assert!(empty.check().expect_err("an empty branch").contains("a block a branch"));
}

/// IBM's and timm's files: two classifiers more, dots in the names of tokens and positions.
#[test]
fn files_of_both_makers_load_with_every_tensor_accounted_for() {
    let net = || CrossVit::new(&mini(), &Device::flex());
    let own = arrays(&net());
    let mut timm = own.clone();
    for (branch, d) in [(0, 8), (1, 12)] {
        let head = |shape: Vec<usize>| Array { data: vec![0.0; shape.iter().product()], shape };
        timm.insert(format!("head.{branch}.weight"), head(vec![5, d]));
        timm.insert(format!("head.{branch}.bias"), head(vec![5]));
    }
    let dotted = |name: &str| match name {
        "pos_embed_0" => "pos_embed.0".to_owned(),
        "pos_embed_1" => "pos_embed.1".to_owned(),
        "cls_token_0" => "cls_token.0".to_owned(),
        "cls_token_1" => "cls_token.1".to_owned(),
        other => other.to_owned(),
    };
    let ibm: Arrays = timm.iter().map(|(name, a)| (dotted(name), a.clone())).collect();
    for file in [timm.clone(), ibm] {
        let loaded = load(net(), encoder_arrays(file), "c.pth", "crossvit").expect("it fits");
        assert_eq!(collect(&loaded), own);
    }

    let mut bad = timm;
    bad.remove("norm.0.weight");
    bad.insert("head.2.weight".to_owned(), own["norm.0.bias"].clone());
    bad.insert("norm.1.weight".to_owned(), own["norm.0.bias"].clone());
    let text = load(net(), encoder_arrays(bad), "c.pth", "crossvit").expect_err("no fit");
    let text = text.to_string();
    assert!(text.contains("1 missing (norm.0.weight)"), "{text}");
    assert!(text.contains("norm.1.weight: expected [12], found [8]"), "{text}");
    assert!(text.contains("1 unused (head.2.weight)"), "{text}");
}

#[test]
fn an_image_does_not_know_its_neighbours_and_any_size_goes_in() {
    let net = filled(CrossVit::new(&mini(), &Device::flex()), |_| ());
    let two = pictures(2, 30);
    let both = net.forward(two.clone());
    assert_eq!(both.stages.len(), 2);
    assert_eq!(both.norm[0].dims(), [2, 17, 8]);
    assert_eq!(both.norm[1].dims(), [2, 5, 12]);
    let alone = net.forward(two.narrow(0, 1, 1));
    for branch in BRANCHES {
        let second = both.norm[branch].clone().narrow(0, 1, 1);
        // Products of other heights round otherwise.
        close(&host(&second), &host(&alone.norm[branch]), 3e-6);
    }
}

/// The class token of a branch is replaced, not added to: after a stage whose `revert_projs` are
/// zero nothing of it is left but their bias.
#[test]
fn no_residual_leads_around_the_crossing() {
    let config = CrossVitConfig { depth: vec![[1, 1, 0]], ..mini() };
    let net = filled(CrossVit::new(&config, &Device::flex()), |all| {
        for (name, array) in all.iter_mut().filter(|(name, _)| name.contains("revert_projs")) {
            array.data.fill(if name.ends_with("2.bias") { 7.0 } else { 0.0 });
        }
    });
    let [small, large] = net.forward(pictures(1, 20)).stages[0].clone();
    assert!(
        host(&class_token(&small)).iter().chain(&host(&class_token(&large))).all(|&v| v == 7.0)
    );
}

/// Q3: with two cross blocks the second sees one token, so its softmax is 1.
#[test]
fn a_second_cross_block_is_a_linear_map_of_the_class_token() {
    let block = filled(CrossBlock::new(12, 3, &Device::flex()), |_| ());
    let u0 = pictures(1, 2).reshape([1, 1, 12]);
    let y = block.norm1.forward(u0.clone());
    let expected = u0.clone() + block.attn.proj.forward(block.attn.wv.forward(y));
    close(&host(&block.forward(u0)), &host(&expected), 1e-5);
}

#[test]
fn hidden_channels_are_rounded_down_and_a_ratio_that_gives_none_is_refused() {
    let with = |small| CrossVitConfig { mlp_ratio: [small, 2.55, 1.0], ..mini() };
    let config = with(1.7);
    config.check().expect("it fits");
    let all = collect(&CrossVit::new(&config, &Device::flex()));
    assert_eq!(all["blocks.0.blocks.0.0.mlp.fc1.weight"].shape, [13, 8]); // 13.6
    assert_eq!(all["blocks.0.blocks.1.0.mlp.fc1.weight"].shape, [30, 12]); // 30.6
    for ratio in [0.0, 0.1, -4.0, 1e300, f64::NAN, f64::INFINITY] {
        let error = with(ratio).check().expect_err("no channels, or too many");
        assert!(error.contains("mlp_ratio") && error.contains(&ratio.to_string()), "{error}");
    }
    // Digests of recipes are those of whole numbers.
    let text = serde_json::to_string(&with(4.0)).expect("plain data");
    assert!(text.contains("\"mlp_ratio\":[4,2.55,1]"), "{text}");
}
