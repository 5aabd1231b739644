//! The checks of `papers/lml-iqa.md`, section 11, that need no training.

use super::super::deiqt::Deiqt;
use super::super::made::{arrays, count, filled, pictures};
use super::*;
use crate::weights::{collect, host, load};

#[test]
fn the_paper_size_has_the_counted_parameters_with_and_without_projection() {
    let config = LmlIqaConfig::default();
    let student = LmlIqa::new(&config, &Device::flex());
    assert_eq!(count(&student).1, 24_240_896);
    assert_eq!(collect(&student)["proj.fc2.weight"].shape, [128, 384]);
    let scores = LmlIqa::new(&LmlIqaConfig { proj_dim: 0, ..config }, &Device::flex());
    assert_eq!(count(&scores).1, 24_043_776);
}

#[test]
fn an_encoder_may_be_named() {
    let read = |text: &str| serde_json::from_str::<LmlIqaConfig>(text);
    let named = read(r#"{"encoder": "vit_small_patch16_224"}"#).expect("a name");
    assert_eq!(named, LmlIqaConfig::default());
    let sizes = read(r#"{"encoder": {"embed_dim": 192, "num_heads": 3}}"#).expect("sizes");
    assert_eq!(read(r#"{"encoder": "vit_tiny_patch16_224"}"#).expect("a name"), sizes);
    let why = read(r#"{"encoder": "vit_large"}"#).expect_err("unknown").to_string();
    assert!(why.contains("no encoder is called \"vit_large\"; known: vit_tiny"), "{why}");
    let why = read(r#"{"encoder": {"embed": 192}}"#).expect_err("misspelt").to_string();
    assert!(why.contains("unknown field `embed`"), "{why}");
}

/// `smoke` without its projection and DEIQT of the same sizes, whose decoder is as wide.
#[test]
fn at_inference_it_is_deiqt() {
    let config = LmlIqaConfig::preset("smoke").expect("a preset");
    let config = LmlIqaConfig { proj_dim: 0, ..config };
    let base = DeiqtConfig {
        decoder_mlp_ratio: DECODER_MLP_RATIO,
        ..DeiqtConfig::preset("smoke").expect("a preset")
    };
    let device = Device::flex();
    let deiqt = filled(Deiqt::new(&base, &device), |_| {});
    let net = LmlIqa::new(&config, &device);
    let net = load(net, arrays(&deiqt), "deiqt", "lmliqa").expect("the same names and shapes");
    assert_eq!(host(&net.score(pictures(2, 32))), host(&deiqt.score(pictures(2, 32))));
}

#[test]
fn embeddings_have_length_one() {
    let config = LmlIqaConfig::preset("smoke").expect("a preset");
    let net = filled(LmlIqa::new(&config, &Device::flex()), |_| {});
    let out = net.forward(pictures(3, 32));
    let embedding = host(&net.embedding(out.tokens).expect("a projection"));
    for row in embedding.chunks(config.proj_dim) {
        let length = row.iter().map(|v| v * v).sum::<f32>();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
}

#[test]
fn the_class_token_spreads_its_attention_over_all_tokens() {
    let config = LmlIqaConfig::preset("smoke").expect("a preset");
    let net = filled(LmlIqa::new(&config, &Device::flex()), |_| {});
    let attention = net.class_attention(net.before_last(pictures(2, 32))).expect("blocks");
    assert_eq!(attention.dims(), [2, 2, 17]);
    for sum in host(&attention.sum_dim(2)) {
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    }
}
