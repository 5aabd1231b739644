//! The checks of `papers/csfiqa.md`, sections 4, 5, 9 and 13, that need no training.

// Numbers stand as the specification prints them.
#![allow(clippy::excessive_precision)]

use super::*;
use crate::models::made::{arrays, close, count, filled, pictures};
use crate::weights::{Precision, collect, host, load, visit, write_safetensors};
use burn::tensor::TensorData;

fn smoke() -> (CsfiqaConfig, Csfiqa) {
    let config = CsfiqaConfig::preset("smoke").expect("a preset");
    config.check().expect("it fits");
    let net = Csfiqa::new(&config, &Device::flex());
    (config, net)
}

fn parameters<M: Module>(net: &M, prefix: &str) -> usize {
    let mut sum = 0;
    visit(net, |name, value| {
        if name.starts_with(prefix) {
            sum += value.shape.iter().product::<usize>();
        }
    });
    sum
}

#[test]
fn without_a_language_model_the_counts_are_the_specifications() {
    let config = CsfiqaConfig::preset("lite").expect("a preset");
    let net = Csfiqa::new(&config, &Device::flex());
    for (prefix, expected) in [
        ("encoder.", 26_278_272),
        ("sfa.", 667_012),
        ("scl.", 221_952),
        ("head.", 2_369_280),
        ("", 29_536_516),
    ] {
        assert_eq!(parameters(&net, prefix), expected, "{prefix}");
    }
    let inference = Csfiqa::new(&CsfiqaConfig { scl_stages: vec![], ..config }, &Device::flex());
    assert_eq!(parameters(&inference, ""), 29_314_564);
    let tiny = CsfiqaConfig::preset("tiny").expect("a preset");
    assert_eq!(parameters(&Csfiqa::new(&tiny, &Device::flex()), ""), 7_598_596);
}

/// The language model's own sizes are counted without being made.
#[test]
fn the_paper_size_adds_up_to_the_specifications_total() {
    let config = CsfiqaConfig {
        llm_dim: 8,
        llm_heads: 2,
        llm_ffn: 12,
        ..CsfiqaConfig::preset("paper").expect("a preset")
    };
    let net = Csfiqa::new(&config, &Device::flex());
    let llama = |d: usize, f: usize| 4 * d * d + 3 * d * f + 2 * d;
    let mappings = |d: usize| 2 * 384 * d;
    assert_eq!(parameters(&net, LLAMA), llama(8, 12));
    assert_eq!(parameters(&net, LLAMA_NORM), 8);
    assert_eq!(parameters(&net, "sfa.ic.in_proj"), 384 * 8);
    let rest = parameters(&net, "") - llama(8, 12) - 8 - mappings(8);
    assert_eq!(rest, 29_536_516);
    assert_eq!(rest + llama(4096, 11008) + 4096 + mappings(4096), 235_069_700);
    assert_eq!(rest + mappings(4096), 32_682_244, "trained");

    let deeper = CrossVitConfig::named("crossvit_15_240").expect("a variant");
    let more = count(&CrossVit::new(&deeper, &Device::flex())).1 - 26_278_272;
    assert_eq!(235_069_700 + more, 235_741_892);
}

#[test]
fn names_and_shapes_are_the_specifications() {
    let (_, net) = smoke();
    let all = collect(&net);
    for (name, shape) in [
        ("encoder.pos_embed_0", vec![1, 37, 12]),
        ("sfa.small_proj.weight", vec![16, 12]),
        ("sfa.norm.bias", vec![16]),
        ("sfa.afs.q.weight", vec![16, 16]),
        ("sfa.afs.mix", vec![4]),
        ("sfa.out_norm.weight", vec![16]),
        ("sfa.ic.in_proj.weight", vec![24, 16]),
        ("sfa.ic.out_proj.weight", vec![16, 24]),
        ("sfa.ic.llama.self_attn.o_proj.weight", vec![24, 24]),
        ("sfa.ic.llama.mlp.down_proj.weight", vec![24, 32]),
        (LLAMA_NORM, vec![24]),
        ("scl.proj.1.0.weight", vec![8, 12]),
        ("scl.proj.1.1.bias", vec![8]),
        ("head.bunch_embedding", vec![1, 3, 16]),
        ("head.heads.weight", vec![1, 16]),
    ] {
        assert_eq!(all.get(name).map(|a| a.shape.clone()), Some(shape), "{name}");
    }
    assert!(!all.contains_key("sfa.ic.in_proj.bias"));
}

/// Every combination of scope and switches has the same names; `ic = none` has no concentrator.
#[test]
fn scope_and_filter_do_not_change_the_names() {
    let names = |change: fn(&mut CsfiqaConfig)| -> Vec<String> {
        let (mut config, _) = smoke();
        change(&mut config);
        collect(&Csfiqa::new(&config, &Device::flex())).into_keys().collect()
    };
    let all = names(|_| ());
    assert_eq!(names(|c| c.sfa_scope = Scope::LargeSelf), all);
    assert_eq!(names(|c| c.sfa_scope = Scope::Joint), all);
    assert_eq!(names(|c| c.afs = false), all);
    let none = names(|c| c.ic = Concentration::None);
    assert_eq!(all.len() - none.len(), 2 + 9 + 1);
    assert!(!none.iter().any(|name| name.starts_with("sfa.ic.")));
    assert!(!names(|c| c.ic_final_norm = false).iter().any(|name| name == LLAMA_NORM));
    let off = names(|c| (c.sfa, c.ic) = (false, Concentration::None));
    let left: Vec<&String> = off.iter().filter(|name| name.starts_with("sfa.")).collect();
    assert_eq!(left, ["sfa.out_norm.bias", "sfa.out_norm.weight"]);
}

fn row(values: &[f32]) -> Tensor<4> {
    let data = TensorData::new(values.to_vec(), [1, 1, 1, values.len()]);
    Tensor::from_data(data, &Device::flex())
}

fn ratios(json: &str) -> Vec<Ratio> {
    serde_json::from_str(json).expect("ratios")
}

fn kept(scores: &[f32], mix: &[f32], json: &str) -> Vec<f32> {
    let mix = Tensor::from_data(TensorData::new(mix.to_vec(), [mix.len()]), &Device::flex());
    host(&filtered(row(scores), mix, &ratios(json)))
}

#[test]
fn the_filter_gives_the_table_of_the_specification() {
    let s = [2.0, 0.5, 1.0, -1.0, 1.0];
    for (mix, ratios, expected) in [
        (vec![0.0], "[0.4]", [0.7310585786, 0.0, 0.2689414214, 0.0, 0.0]),
        (vec![0.0], "[0.6]", [0.5761168848, 0.0, 0.2119415576, 0.0, 0.2119415576]),
        (vec![0.0], "[0.8]", [0.5104934370, 0.1139064824, 0.1878000403, 0.0, 0.1878000403]),
        (
            vec![0.0, 3.0_f32.ln()],
            "[0.4, 0.8]",
            [0.5656347224, 0.0854298618, 0.2080853856, 0.0, 0.1408500302],
        ),
    ] {
        close(&kept(&s, &mix, ratios), &expected, 1e-6);
    }
}

#[test]
fn a_ratio_of_one_is_a_softmax_and_a_tiny_one_keeps_one_key() {
    let s = [0.3, -0.2, 1.5, 1.5, 0.0];
    let plain = host(&burn::tensor::activation::softmax(row(&s), 3));
    close(&kept(&s, &[0.0], "[1]"), &plain, 1e-6);
    assert_eq!(kept(&s, &[0.0], "[0.01]"), [0.0, 0.0, 1.0, 0.0, 0.0]);
    // All equal: the lower indices stay.
    assert_eq!(kept(&[1.0; 4], &[0.0], "[0.5]"), [0.5, 0.5, 0.0, 0.0]);
}

#[test]
fn the_numbers_of_kept_keys_are_the_specifications() {
    let ratios = CsfiqaConfig::default().afs_ratios;
    let k = |n| ratios.iter().map(|r| r.kept(n)).collect::<Vec<_>>();
    assert_eq!(k(598), [299, 398, 448, 478]);
    assert_eq!(k(197), [98, 131, 147, 157]);
    assert_eq!(k(91), [45, 60, 68, 72]);
}

#[test]
fn ratios_are_numbers_or_fractions_within_their_range() {
    assert_eq!(ratios(r#"[0.5, "1/2", 1]"#), ratios("[0.5, 0.5, 1.0]"));
    for bad in ["0", "1.5", r#""2/0""#, r#""0/3""#, r#""half""#] {
        let error = serde_json::from_str::<Ratio>(bad).expect_err("no share of the keys");
        assert!(error.to_string().contains("above 0 and at most 1"), "{error}");
    }
}

#[test]
fn every_scope_scores_and_a_crop_does_not_know_its_neighbours() {
    for scope in [Scope::LargeQuery, Scope::Joint, Scope::LargeSelf] {
        let (config, _) = smoke();
        let config = CsfiqaConfig { sfa_scope: scope, ..config };
        let net = filled(Csfiqa::new(&config, &Device::flex()), |_| ());
        let two = pictures(2, 32);
        let out = net.forward(two.clone());
        let queries = if scope == Scope::Joint { 17 + 37 } else { 17 };
        assert_eq!(out.focus.sfa.dims(), [2, queries, 16], "{scope:?}");
        let alone = host(&net.score(two.narrow(0, 1, 1)));
        close(&host(&out.panel.score)[1..], &alone, 1e-4);
    }
}

#[test]
fn permuting_the_batch_permutes_the_scores() {
    let net = filled(smoke().1, |_| {});
    let x = pictures(3, net.side());
    let order = [2, 0, 1];
    let permuted = Tensor::cat(order.map(|i| x.clone().narrow(0, i, 1)).to_vec(), 0);
    let (scores, after) = (host(&net.score(x)), host(&net.score(permuted)));
    close(&after, &order.map(|i| scores[i]), 1e-6);
}

/// The small branch reaches the score through keys alone: with `large_self` only by class tokens.
#[test]
fn small_proj_has_no_part_in_large_self() {
    let score = |scope, shift: f32| {
        let (config, _) = smoke();
        let config = CsfiqaConfig { sfa_scope: scope, ..config };
        let net = filled(Csfiqa::new(&config, &Device::flex()), |all| {
            let weight = all.get_mut("sfa.small_proj.weight").expect("always there");
            weight.data.iter_mut().for_each(|v| *v += shift);
        });
        host(&net.score(pictures(1, 32)))
    };
    assert_eq!(score(Scope::LargeSelf, 0.0), score(Scope::LargeSelf, 1.0));
    assert_ne!(score(Scope::LargeQuery, 0.0), score(Scope::LargeQuery, 1.0));
}

#[test]
fn without_the_attention_tokens_are_only_normed() {
    let (config, _) = smoke();
    let config = CsfiqaConfig { sfa: false, ..config };
    let net = filled(Csfiqa::new(&config, &Device::flex()), |_| ());
    let out = net.forward(pictures(1, 32));
    let [_, large] = out.encoder.norm;
    assert_eq!(host(&out.focus.afs), host(&large));
}

#[test]
fn a_constant_picture_gives_a_finite_score() {
    let net = filled(smoke().1, |_| ());
    let flat = Tensor::<4>::ones([1, 3, 32, 32], &Device::flex());
    assert!(host(&net.score(flat))[0].is_finite());
}

#[test]
fn a_file_without_the_contrasts_projections_scores_the_same() {
    let (_, net) = smoke();
    let mut file = arrays(&net);
    let full = host(&filled(net, |_| ()).score(pictures(1, 32)));
    file.retain(|name, _| !name.starts_with(SCL));
    let slim = load(smoke().1.fitting(&file), file, "c.safetensors", "csfiqa").expect("it fits");
    assert_eq!(host(&slim.score(pictures(1, 32))), full);
}

#[test]
fn configs_are_read_by_name_or_by_sizes_and_refused_in_words() {
    let read = |json: &str| serde_json::from_str::<CsfiqaConfig>(json);
    let named = read(r#"{"encoder": "crossvit_15_240", "ic": "none"}"#).expect("a config");
    assert_eq!(named.encoder.sizes().expect("a variant").depth, [[1, 5, 0]; 3]);
    named.check().expect("it fits");
    let check = |json: &str| read(json).expect("a config").check().expect_err("it does not fit");
    assert!(check(r#"{"encoder": "crossvit_15_dagger_240"}"#).contains("three convolutions"));
    assert!(check(r#"{"sfa_heads": 7}"#).contains("no multiple of sfa_heads 7"));
    assert!(check(r#"{"dec_heads": 5}"#).contains("decoder_heads 5"));
    assert!(check(r#"{"afs_ratios": []}"#).contains("afs_ratios"));
    assert!(
        check(r#"{"scl_stages": [0, 3]}"#).contains("scl_stages must be different numbers below 3")
    );
    assert!(check(r#"{"llm_heads": 3}"#).contains("llm_dim 4096"));
    for preset in ["paper", "lite", "tiny", "smoke"] {
        let config = CsfiqaConfig::preset(preset).expect("a preset");
        config.check().expect(preset);
        let text = serde_json::to_string(&config).expect("plain data");
        assert_eq!(read(&text).expect("its own form"), config, "{preset}");
    }
}

/// Layers of Hugging Face and Meta under their names, among tensors of other layers.
#[test]
fn a_layer_of_the_language_model_is_read_from_both_makers_files() {
    let (config, net) = smoke();
    let config = CsfiqaConfig { ic_norm_weight: NormWeight::Checkpoint, ..config };
    let own = arrays(&net);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut hf, mut meta) = (Arrays::new(), Arrays::new());
    for (ours, metas) in TENSORS {
        let array = own[&format!("{LLAMA}{ours}")].clone();
        hf.insert(format!("model.layers.31.{ours}"), array.clone());
        hf.insert(format!("model.layers.30.{ours}"), ones(3));
        meta.insert(format!("layers.31.{metas}"), array);
        meta.insert(format!("layers.3.{metas}"), ones(3));
    }
    hf.insert("model.norm.weight".to_owned(), own[LLAMA_NORM].clone());
    hf.insert("lm_head.weight".to_owned(), ones(3));
    meta.insert("norm.weight".to_owned(), own[LLAMA_NORM].clone());
    let expected: Arrays =
        own.into_iter().filter(|(name, _)| name.starts_with("sfa.ic.llama")).collect();
    for (name, file) in [("hf.safetensors", &hf), ("meta.safetensors", &meta)] {
        let path = folder.path().join(name);
        write_safetensors(&path, file, None, Precision::F32).expect("a writable folder");
        assert_eq!(llama_arrays(&path, &config).expect("a layer"), expected, "{name}");
    }

    let path = folder.path().join("hf.safetensors");
    let as_ones = CsfiqaConfig { ic_norm_weight: NormWeight::Ones, ..config.clone() };
    let found = llama_arrays(&path, &as_ones).expect("a layer");
    assert_eq!(found[LLAMA_NORM], ones(24));

    hf.remove("model.layers.31.mlp.up_proj.weight");
    write_safetensors(&path, &hf, None, Precision::F32).expect("a writable folder");
    let text = llama_arrays(&path, &config).expect_err("one is missing").to_string();
    assert!(text.contains("1 missing (model.layers.31.mlp.up_proj.weight)"), "{text}");
}
