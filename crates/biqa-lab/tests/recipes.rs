//! Every recipe of the repository is one, and the sizes that papers share are shared.

use std::fs;
use std::path::{Path, PathBuf};

use biqa_lab::methods::registry::NAMES;
use biqa_lab::train::recipe::Recipe;

fn recipes() -> Vec<(String, PathBuf)> {
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
        ("method = \"deiqt\"", "method = \"deiqt\"\nlabels = \"raw\""),
    ] {
        assert_ne!(change(from, to), plain, "{to}");
    }
}
