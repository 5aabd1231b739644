//! The checks of `papers/csiqa.md`, section 9, that need no training.

use super::super::made::{arrays, close, count, filled, pictures};
use super::*;
use crate::weights::{Array, collect, host, load};

fn smoke() -> (CsiqaConfig, Csiqa) {
    let config = CsiqaConfig::preset("smoke").expect("a preset");
    (config, Csiqa::new(&config, &Device::flex()))
}

#[test]
fn the_paper_size_has_the_counted_parameters() {
    let net = Csiqa::new(&CsiqaConfig::default(), &Device::flex());
    assert_eq!(count(&net), (194, 24_042_240));
    let all = collect(&net);
    assert_eq!(all["local_token"].shape, [1, 1, 384]);
    assert_eq!(all["head.heads1.weight"].shape, [1, 768]);
    assert!(!all.contains_key("head.bunch_embedding"));
}

#[test]
fn shapes_of_the_paper_size() {
    let out = Csiqa::new(&CsiqaConfig::default(), &Device::flex()).forward(pictures(2, 224));
    assert_eq!(out.input.dims(), [2, 198, 384]);
    assert_eq!([out.decoder_cls.dims(), out.decoder_local.dims()], [[2, 1, 384]; 2]);
    assert_eq!(out.score.dims(), [2]);
}

#[test]
fn the_seven_unused_tensors_of_a_released_checkpoint_are_passed_over_and_no_others() {
    let (_, empty) = smoke();
    let mut file = arrays(&empty);
    for name in UNUSED {
        file.insert(name.to_owned(), Array { shape: vec![1], data: vec![1.0] });
    }
    assert!(load(empty.clone(), used(file.clone()), "a checkpoint", "csiqa").is_ok());
    file.insert("head_project.4.weight".to_owned(), Array { shape: vec![1], data: vec![1.0] });
    let error = load(empty, used(file), "a checkpoint", "csiqa").expect_err("one too many");
    assert!(error.to_string().contains("1 unused (head_project.4.weight)"), "{error}");
}

#[test]
fn the_summaries_may_change_places_with_the_halves_of_the_last_layer() {
    let plain = host(&filled(smoke().1, |_| {}).score(pictures(2, 32)));
    let swapped = filled(smoke().1, |all| {
        let tokens = ["cls_token", "local_token"].map(|name| all[name].clone());
        let [class, local] = tokens;
        all.insert("cls_token".to_owned(), local);
        all.insert("local_token".to_owned(), class);
        let heads = all.get_mut("head.heads1.weight").expect("the last layer");
        let d = heads.data.len() / 2;
        heads.data.rotate_left(d);
    });
    close(&host(&swapped.score(pictures(2, 32))), &plain, 1e-5);
}

/// A token that is not constant over channels: the norms remove constants.
fn other_local_token(all: &mut Arrays) {
    let token = all.get_mut("local_token").expect("a local token");
    token.data.iter_mut().enumerate().for_each(|(i, v)| *v += (i % 5) as f32 - 1.5);
}

fn rows_but_the_first(z: &Tensor<3>) -> Vec<f32> {
    let n = z.dims()[1];
    host(&z.clone().narrow(1, 1, n - 1))
}

#[test]
fn behind_the_intended_mask_nobody_reads_the_local_token() {
    let (config, empty) = smoke();
    let shape = [2, config.num_heads, config.tokens()];
    let u: Vec<f32> =
        (0..shape[0] * shape[1] * (shape[2] - 1)).map(|i| (i % 10) as f32 / 10.0).collect();
    let seen = mask::visible(&u, shape, 0.3, mask::Layout::Intended).expect("a number a key");
    let hidden = mask::hidden(&seen, shape, &Device::flex());
    let run = |net: Csiqa| net.forward_masked(pictures(2, 32), |_| Some(hidden.clone()));
    let (plain, other) =
        (run(filled(empty.clone(), |_| {})), run(filled(empty, other_local_token)));
    for (before, after) in plain.blocks.iter().zip(&other.blocks) {
        assert_eq!(rows_but_the_first(before), rows_but_the_first(after));
    }
    assert_eq!(host(&plain.decoder_cls), host(&other.decoder_cls));
    assert_ne!(host(&plain.score), host(&other.score));
}

#[test]
fn evaluation_masks_nothing_or_hides_the_local_token() {
    let (config, empty) = smoke();
    let structural = CsiqaConfig { mask_eval: MaskEval::Structural, ..config };
    let structural = Csiqa::new(&structural, &Device::flex());
    let moved = |empty: &Csiqa| {
        let out = |net: Csiqa| rows_but_the_first(&net.forward(pictures(1, 32)).blocks[0]);
        out(filled(empty.clone(), |_| {})) != out(filled(empty.clone(), other_local_token))
    };
    assert!(moved(&empty));
    assert!(!moved(&structural));
}

#[test]
fn a_single_query_weighs_only_itself() {
    let plain = host(&filled(smoke().1, |_| {}).score(pictures(1, 32)));
    let changed = filled(smoke().1, |all| {
        let name = "head.bunch_decoder.layers.0.self_attn.in_proj_weight";
        let weight = all.get_mut(name).expect("the decoder's self-attention");
        let queries_and_keys = weight.data.len() / 3 * 2;
        weight.data[..queries_and_keys].iter_mut().for_each(|w| *w = -*w + 0.1);
    });
    assert_eq!(host(&changed.score(pictures(1, 32))), plain);
}
