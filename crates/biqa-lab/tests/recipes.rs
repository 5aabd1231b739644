//! Every recipe of the repository is one, and the sizes that papers share are shared.

use std::fs;
use std::path::{Path, PathBuf};

use biqa_lab::methods::registry::NAMES;
use biqa_lab::pretrain::recipe::PretrainRecipe;
use biqa_lab::train::recipe::Recipe;

/// What the names of the recipes of `biqa pretrain` begin with.
const PRETRAIN: &str = "qpt-pretrain-";

/// The recipes of `biqa train`.
fn recipes() -> Vec<(String, PathBuf)> {
    all().into_iter().filter(|(name, _)| !name.starts_with(PRETRAIN)).collect()
}

fn all() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let paths =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut recipes: Vec<(String, PathBuf)> = paths
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path))
        .collect();
    recipes.sort();
    recipes
}

#[test]
fn every_recipe_parses_and_has_the_name_of_its_file() {
    let recipes = recipes();
    assert!(recipes.len() > 20, "{recipes:?}");
    for (name, path) in recipes {
        let recipe = Recipe::read(&path).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(recipe.name(), name);
        if matches!(recipe, Recipe::Crops(_)) {
            assert_eq!(recipe.card().name, name, "its card");
        }
        assert_eq!(recipe.digest().len(), 64);
    }
}

#[test]
fn every_recipe_of_a_pre_training_is_one_and_none_of_a_training() {
    let found: Vec<_> = all().into_iter().filter(|(n, _)| n.starts_with(PRETRAIN)).collect();
    assert_eq!(found.len(), 5, "{found:?}");
    for (name, path) in found {
        let (recipe, text) = PretrainRecipe::open(&path, &[]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(recipe.name, name);
        let error = Recipe::parse(&text, &path).expect_err("no training").to_string();
        assert!(error.contains("qpt-pretrain"), "{error}");
    }
}

/// A recipe's digest is of every number in it and of every default that it leaves out: none changes
/// without being read in review.
#[test]
fn no_number_of_a_recipe_changes_unseen() {
    let digest = |name: &str, path: &Path| {
        if name.starts_with(PRETRAIN) {
            PretrainRecipe::open(path, &[]).unwrap_or_else(|e| panic!("{e}")).0.digest()
        } else {
            Recipe::read(path).unwrap_or_else(|e| panic!("{e}")).digest()
        }
    };
    let found: Vec<String> =
        all().iter().map(|(name, path)| format!("{name} {}", digest(name, path))).collect();
    let known: Vec<&str> = include_str!("recipes.txt").lines().collect();
    let new: Vec<_> = found.iter().filter(|line| !known.contains(&line.as_str())).collect();
    assert!(new.is_empty(), "lines of crates/biqa-lab/tests/recipes.txt that are to be: {new:#?}");
    assert_eq!(found.len(), known.len(), "tests/recipes.txt names recipes that are not there");
}

#[test]
fn every_method_has_a_tiny_recipe_of_the_same_budget_and_one_for_tests() {
    for method in NAMES {
        for preset in ["tiny", "smoke"] {
            let name = format!("{method}-{preset}");
            let path = recipes().into_iter().find(|(found, _)| *found == name);
            let (_, path) = path.unwrap_or_else(|| panic!("there is no {name}"));
            let Ok(Recipe::Crops(recipe)) = Recipe::read(&path) else {
                panic!("{name} is no recipe of crops");
            };
            assert_eq!(recipe.method, method);
            if preset == "tiny" {
                assert_eq!(recipe.train.budget, Some(12_000), "{name}");
                assert_eq!(recipe.choice.needs().crop, 224, "{name}");
            }
        }
    }
}

/// What a comment or the card says does not decide what is learnt, nor does a default that is
/// written out.
#[test]
fn a_digest_is_that_of_what_is_decided() {
    let (_, path) = recipes().into_iter().find(|(n, _)| n == "deiqt-tiny").expect("a recipe");
    let text = fs::read_to_string(&path).expect("a text");
    let digest = |text: &str| Recipe::parse(text, &path).expect("a recipe").digest();
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        digest(&text.replacen(from, to, 1))
    };
    let plain = digest(&text);
    assert_eq!(change("version = \"1\"", "version = \"2\""), plain);
    assert_eq!(change("num_heads = 3", "num_heads = 3\ndepth = 12 # the paper's"), plain);
    for (from, to) in [
        ("num_heads = 3", "num_heads = 6"),
        ("batch = 16", "batch = 32"),
        ("base_lr = 2e-4", "base_lr = 1e-4"),
        ("random = 2", "random = 3"),
        ("flip = 0.5", "flip = 0.0"),
        ("mean = [0.5", "mean = [0.4"),
        ("labels = \"ten\"", "labels = \"raw\""),
    ] {
        assert_ne!(change(from, to), plain, "{to}");
    }
}

/// File, photos a step, epochs, passes, learning rate, warm-up, epochs between decays, their factor,
/// weight decay: tables of papers/deiqt.md 7 and 10, csiqa.md 5, lml-iqa.md 9, csfiqa.md 11,
/// glintiqa.md 4.4, qpt.md 6. A schedule without warm-up or decays has the defaults there.
#[rustfmt::skip]
const NUMBERS: &[(&str, [u64; 3], [f64; 5])] = &[
    ("csfiqa-authentic-large", [128, 9, 2], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("csfiqa-authentic-small", [64, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("csfiqa-lite-authentic-large", [128, 9, 2], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("csfiqa-lite-authentic-small", [64, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("csfiqa-lite-livefb", [128, 9, 1], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("csfiqa-lite-synthetic-large", [128, 9, 2], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("csfiqa-lite-synthetic-small", [64, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("csfiqa-livefb", [128, 9, 1], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("csfiqa-synthetic-large", [128, 9, 2], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("csfiqa-synthetic-small", [64, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("csiqa-cid2013", [12, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.5]),
    ("csiqa-csiq", [12, 9, 10], [0.0001, 3.0, 3.0, 0.1, 0.5]),
    ("csiqa-kadid10k", [128, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.5]),
    ("csiqa-koniq10k", [128, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.005]),
    ("csiqa-live", [12, 10, 10], [0.0001, 4.0, 4.0, 0.1, 0.05]),
    ("csiqa-livec", [16, 10, 10], [0.0001, 4.0, 4.0, 0.1, 0.05]),
    ("csiqa-livefb", [128, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("csiqa-spaq", [128, 9, 10], [0.0006, 3.0, 3.0, 0.1, 0.0001]),
    ("csiqa-tid2013", [48, 9, 10], [0.0001, 3.0, 3.0, 0.1, 0.05]),
    ("deiqt-authentic-large", [512, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("deiqt-authentic-small", [64, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("deiqt-synthetic-large", [512, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("deiqt-synthetic-middle", [192, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("deiqt-synthetic-small", [48, 9, 10], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("glintiqa-authentic", [32, 300, 1], [1e-05, 0.0, 3.0, 0.1, 1e-05]),
    ("glintiqa-cross", [32, 200, 1], [1e-05, 0.0, 3.0, 0.1, 1e-05]),
    ("glintiqa-saqt", [128, 50, 1], [1e-05, 0.0, 3.0, 0.1, 1e-05]),
    ("glintiqa-synthetic", [32, 300, 1], [1e-05, 0.0, 3.0, 0.1, 1e-05]),
    ("lmliqa-authentic-large", [32, 9, 1], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("lmliqa-authentic-small", [16, 9, 3], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("lmliqa-synthetic-large", [32, 9, 1], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("lmliqa-synthetic-small", [16, 9, 3], [0.0002, 3.0, 3.0, 0.1, 0.05]),
    ("qpt-authentic-large", [32, 30, 1], [0.0004, 0.0, 3.0, 0.1, 0.01]),
    ("qpt-authentic-small", [32, 100, 1], [0.0004, 0.0, 3.0, 0.1, 0.01]),
    ("qpt-livefb", [64, 15, 1], [0.0004, 0.0, 3.0, 0.1, 0.01]),
    ("qpt-synthetic", [32, 50, 1], [0.0004, 0.0, 3.0, 0.1, 0.01]),
];

#[test]
fn the_numbers_of_the_papers_recipes_are_those_of_their_tables() {
    let all = recipes();
    let papers = all.iter().filter_map(|(name, path)| match Recipe::read(path) {
        Ok(Recipe::Crops(recipe)) if recipe.train.passes.is_some() => {
            (!name.ends_with("-smoke")).then_some((name, recipe))
        }
        _ => None,
    });
    let mut found = 0;
    for (name, recipe) in papers {
        let row = NUMBERS.iter().find(|row| row.0 == name);
        let (_, counts, numbers) = row.unwrap_or_else(|| panic!("{name} is in no table"));
        let train = &recipe.train;
        let schedule = &train.schedule;
        let found_counts = [train.batch as u64, train.epochs, train.passes.expect("passes")];
        assert_eq!(found_counts, *counts, "{name}");
        let found_numbers = [
            schedule.base_lr,
            schedule.warmup_epochs,
            schedule.decay_epochs,
            schedule.decay_rate,
            train.optim.weight_decay,
        ];
        assert_eq!(found_numbers, *numbers, "{name}");
        found += 1;
    }
    assert_eq!(found, NUMBERS.len());
}

/// A method resizes a set in one way, whichever recipe is tested on it (papers/protocol.md, 2.3).
#[test]
fn every_recipe_of_a_method_prepares_a_set_alike() {
    use biqa_lab::datasets::Preparation;
    let of = |name: &str, set: &str| {
        let all = recipes();
        let (_, path) = all.iter().find(|(found, _)| found == name).expect("a recipe");
        let Ok(Recipe::Crops(recipe)) = Recipe::read(path) else { panic!("{name}") };
        recipe.crops.preparation(set)
    };
    for (name, set, expected) in [
        ("deiqt-authentic-small", "koniq10k", Preparation::Released),
        ("deiqt-synthetic-large", "spaq", Preparation::Released),
        ("deiqt-authentic-large", "livefb", Preparation::None),
        ("csiqa-livec", "koniq10k", Preparation::Released),
        ("csiqa-livefb", "livefb", Preparation::Square512),
        ("lmliqa-authentic-small", "spaq", Preparation::Short512),
        ("csfiqa-livefb", "koniq10k", Preparation::Released),
        ("csfiqa-lite-livefb", "spaq", Preparation::Short512),
        ("glintiqa-authentic", "koniq10k", Preparation::Upright),
        ("glintiqa-synthetic", "spaq", Preparation::None),
        ("glintiqa-saqt", "koniq10k", Preparation::Upright),
        ("glintiqa-cross", "livefb", Preparation::Square512),
        ("qpt-authentic-small", "koniq10k", Preparation::Short512),
        ("qpt-synthetic", "live", Preparation::None),
        ("qpt-synthetic", "koniq10k", Preparation::Short512),
        ("qpt-synthetic", "spaq", Preparation::Short512),
        ("qpt-authentic-large", "kadid10k", Preparation::None),
    ] {
        assert_eq!(of(name, set), expected, "{name} on {set}");
    }
}

#[test]
fn precision_is_a_part_of_the_digest_where_it_is_not_the_default() {
    for (name, path) in all().into_iter().filter(|(name, _)| name.ends_with("-smoke")) {
        let text = fs::read_to_string(&path).expect("readable");
        let with = |precision: &str| {
            let line = format!("[train]\nprecision = \"{precision}\"");
            let text = text.replacen("[train]", &line, 1);
            if name.starts_with(PRETRAIN) {
                PretrainRecipe::parse(&text, &path).map(|recipe| recipe.digest())
            } else {
                Recipe::parse(&text, &path).map(|recipe| recipe.digest())
            }
        };
        let plain = if name.starts_with(PRETRAIN) {
            PretrainRecipe::parse(&text, &path).map(|recipe| recipe.digest())
        } else {
            Recipe::parse(&text, &path).map(|recipe| recipe.digest())
        };
        let plain = plain.unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(with("f32").expect("the default"), plain, "{name}");
        assert_ne!(with("bf16").expect("the other"), plain, "{name}");
        let error = with("f16").expect_err("none of the two").to_string();
        assert!(error.contains("f32") && error.contains("bf16"), "{error}");
    }
}

/// What a recipe leaves out is what the specifications' tables of keys state.
#[test]
fn the_defaults_are_those_of_the_specifications() {
    use biqa::models as m;
    use biqa_lab::methods::{csfiqa, csiqa, deiqt, glintiqa, lmliqa, qpt};
    use serde_json::{Value, json, to_value};
    let mut wrong = Vec::new();
    let mut check = |name: &str, found: [serde_json::Result<Value>; 2], expected: [Value; 2]| {
        for (found, expected) in found.into_iter().zip(expected) {
            let found = found.expect("plain data");
            if found != expected {
                wrong.push(format!("{name}:\n{found}\n{expected}"));
            }
        }
    };
    macro_rules! defaults {
        ($config:ty, $options:ty) => {
            [to_value(<$config>::default()), to_value(<$options>::default())]
        };
    }
    let vit = json!({
        "image_size": 224, "patch_size": 16, "embed_dim": 384, "depth": 12, "num_heads": 6,
        "mlp_ratio": 4, "qkv_bias": true,
    });
    let with = |more: Value| {
        let mut all = vit.clone();
        let (Some(all_keys), Value::Object(more)) = (all.as_object_mut(), more) else {
            panic!("objects");
        };
        all_keys.extend(more);
        all
    };
    // papers/deiqt.md, section 9.
    let decoder = json!({
        "encoder_norm_eps": 1e-6, "decoder_norm_eps": 1e-5, "decoder_depth": 1, "decoder_heads": 6,
        "decoder_mlp_ratio": 4, "layer_scale_init": 1e-4, "panel": 6,
    });
    check(
        "deiqt",
        defaults!(m::deiqt::DeiqtConfig, deiqt::DeiqtOptions),
        [with(decoder.clone()), json!({"beta": 1.0})],
    );
    // papers/csiqa.md, section 6.
    let mut of_csiqa = with(decoder);
    if let Some(keys) = of_csiqa.as_object_mut() {
        keys.remove("panel");
        keys.insert("mask_eval".to_owned(), json!("none"));
    }
    check(
        "csiqa",
        defaults!(m::csiqa::CsiqaConfig, csiqa::CsiqaOptions),
        [
            of_csiqa,
            json!({
                "mask": {"enabled": true, "ratio": 0.3, "layout": "intended"},
                "contrast": {
                    "enabled": true, "weight": 0.1, "temperature": 0.3, "layers": "all",
                    "features": "all_tokens", "pos": 0.1, "pos_pool": 0.2, "neg": 0.4,
                    "neg_pool": 0.6, "hard": true, "hard_pos": 0.1, "hard_neg": 0.4,
                    "teacher": "frozen", "ema_keep": 0.999,
                },
                "init_local": "random",
                "beta": 1.0,
            }),
        ],
    );
    // papers/lml-iqa.md, section 8.
    check(
        "lmliqa",
        defaults!(m::lmliqa::LmlIqaConfig, lmliqa::LmlIqaOptions),
        [
            json!({
                "encoder": {
                    "img_size": 224, "patch_size": 16, "embed_dim": 384, "depth": 12,
                    "num_heads": 6, "mlp_ratio": 4,
                },
                "queries": 6, "dec_heads": 6, "proj_dim": 128,
            }),
            json!({
                "n_crops": 4, "saliency": "global_cls", "tau": 0.2, "w_intra": 1.0, "w_inter": 1.0,
                "w_cluster": 0.0, "mutual": "saliency", "tau_mut": 0.5, "mu": null,
                "ema_warmup": false, "reg_crops": "all", "beta": 1.0, "lambda_con": 0.1,
                "lambda_mut": 0.1, "score_with": "student",
            }),
        ],
    );
    // papers/csfiqa.md, section 10.
    check(
        "csfiqa",
        defaults!(m::csfiqa::CsfiqaConfig, csfiqa::CsfiqaOptions),
        [
            json!({
                "encoder": "crossvit_small_240", "crop": 224, "sfa": true,
                "sfa_scope": "large_query", "sfa_heads": 6, "afs": true,
                "afs_ratios": [0.5, 2.0 / 3.0, 0.75, 0.8], "ic": "llama7b", "ic_residual": true,
                "ic_final_norm": true, "ic_norm_weight": "ones", "llm_dim": 4096, "llm_heads": 32,
                "llm_ffn": 11008, "llm_eps": 1e-6, "llm_rope": false, "llm_causal": false,
                "queries": 6, "dec_heads": 6, "scl_stages": [0, 1, 2], "scl_dim": 128,
            }),
            json!({
                "contrast": {
                    "scl_pool": "avg", "scl_select": "distance", "scl_norm": "batch_max", "gamma1": 0.2,
                    "gamma2": 0.7, "scl_form": "per_positive", "tau": 0.3,
                    "inter_self_positive": true, "nsm": true, "nsm_m": 1, "w_intra": 1.0,
                    "w_inter": 1.0,
                },
                "lambda_scl": 0.1, "beta": 1.0,
            }),
        ],
    );
    // papers/glintiqa.md, section 6.
    check(
        "glintiqa",
        defaults!(m::glintiqa::GlintIqaConfig, glintiqa::GlintIqaOptions),
        [
            with(json!({
                "num_classes": 1000, "feature_indices": [6, 7, 8, 9], "cnn_layers": [3, 4, 6],
                "cnn_width": 64, "cwsa.reinterpret": true, "cwsa_norm_eps": 1e-5,
                "normalize_eps": 1e-12, "vit_norm_eps": 1e-6, "bn_eps": 1e-5,
            })),
            json!({
                "drop": 0.5, "head_drop": 0.5, "freeze_patch_embed": true,
                "freeze_blocks_until": 4, "one_backbone": false, "clfe.frozen_bn": "train",
            }),
        ],
    );
    // papers/qpt.md, section 6.
    check(
        "qpt",
        defaults!(m::qpt::QptConfig, qpt::QptOptions),
        [
            json!({"layers": [3, 4, 6, 3], "width": 64, "num_classes": 1, "bn_eps": 1e-5}),
            json!({"crop": 320, "backbone_lr": 0.2, "beta": 1.0}),
        ],
    );
    assert!(wrong.is_empty(), "found and expected of {}", wrong.join("\n"));
}
