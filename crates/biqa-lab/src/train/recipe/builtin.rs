//! The papers' recipes inside the binary: a method's name instead of a file means the recipe for the
//! dataset at hand. Called where a command line names a recipe.

use crate::datasets::find;

/// One recipe: the name it is asked for by (a method, or `csfiqa-lite`), the sets it is for, its
/// file's name and text.
struct Builtin {
    method: &'static str,
    sets: &'static [&'static str],
    name: &'static str,
    text: &'static str,
}

macro_rules! builtin {
    ($method:literal, $sets:expr, $name:literal) => {
        Builtin {
            method: $method,
            sets: &$sets,
            name: concat!($name, ".toml"),
            text: include_str!(concat!("../../../../../recipes/", $name, ".toml")),
        }
    };
}

const BUILTIN: [Builtin; 34] = [
    builtin!("deiqt", ["live", "csiq"], "deiqt-synthetic-small"),
    builtin!("deiqt", ["tid2013"], "deiqt-synthetic-middle"),
    builtin!("deiqt", ["kadid10k"], "deiqt-synthetic-large"),
    builtin!("deiqt", ["livec"], "deiqt-authentic-small"),
    builtin!("deiqt", ["koniq10k", "spaq", "livefb"], "deiqt-authentic-large"),
    builtin!("csiqa", ["live"], "csiqa-live"),
    builtin!("csiqa", ["csiq"], "csiqa-csiq"),
    builtin!("csiqa", ["tid2013"], "csiqa-tid2013"),
    builtin!("csiqa", ["kadid10k"], "csiqa-kadid10k"),
    builtin!("csiqa", ["livec"], "csiqa-livec"),
    builtin!("csiqa", ["koniq10k"], "csiqa-koniq10k"),
    builtin!("csiqa", ["spaq"], "csiqa-spaq"),
    builtin!("csiqa", ["livefb"], "csiqa-livefb"),
    builtin!("csiqa", ["cid2013"], "csiqa-cid2013"),
    builtin!("lmliqa", ["live", "csiq", "tid2013"], "lmliqa-synthetic-small"),
    builtin!("lmliqa", ["kadid10k"], "lmliqa-synthetic-large"),
    builtin!("lmliqa", ["livec"], "lmliqa-authentic-small"),
    builtin!("lmliqa", ["koniq10k", "spaq", "livefb"], "lmliqa-authentic-large"),
    builtin!("csfiqa", ["live", "csiq", "tid2013"], "csfiqa-synthetic-small"),
    builtin!("csfiqa", ["kadid10k"], "csfiqa-synthetic-large"),
    builtin!("csfiqa", ["livec"], "csfiqa-authentic-small"),
    builtin!("csfiqa", ["koniq10k", "spaq"], "csfiqa-authentic-large"),
    builtin!("csfiqa", ["livefb"], "csfiqa-livefb"),
    builtin!("csfiqa-lite", ["live", "csiq", "tid2013"], "csfiqa-lite-synthetic-small"),
    builtin!("csfiqa-lite", ["kadid10k"], "csfiqa-lite-synthetic-large"),
    builtin!("csfiqa-lite", ["livec"], "csfiqa-lite-authentic-small"),
    builtin!("csfiqa-lite", ["koniq10k", "spaq"], "csfiqa-lite-authentic-large"),
    builtin!("csfiqa-lite", ["livefb"], "csfiqa-lite-livefb"),
    builtin!("glintiqa", ["live", "csiq", "tid2013", "kadid10k", "livemd"], "glintiqa-synthetic"),
    builtin!("glintiqa", ["bid", "livec", "koniq10k", "spaq", "livefb"], "glintiqa-authentic"),
    builtin!("qpt", ["bid", "livec"], "qpt-authentic-small"),
    builtin!("qpt", ["koniq10k", "spaq"], "qpt-authentic-large"),
    builtin!("qpt", ["livefb"], "qpt-livefb"),
    builtin!("qpt", ["live", "csiq", "tid2013", "kadid10k"], "qpt-synthetic"),
];

/// The name that every recipe inside the binary is asked for by, a dataset it is for, and its file's
/// name.
pub fn builtins() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    BUILTIN
        .iter()
        .flat_map(|recipe| recipe.sets.iter().map(|set| (recipe.method, *set, recipe.name)))
}

/// File name and text of a method's recipe for a dataset; `None` where `method` names no method.
///
/// # Errors
/// A method without a recipe for this set, in words that name those it has.
pub fn builtin(
    method: &str,
    dataset: &str,
) -> Option<Result<(&'static str, &'static str), String>> {
    let of_method = || BUILTIN.iter().filter(|recipe| recipe.method == method);
    of_method().next()?;
    let key = find(dataset).map_or(dataset, |set| set.key);
    if let Some(found) = of_method().find(|recipe| recipe.sets.contains(&key)) {
        return Some(Ok((found.name, found.text)));
    }
    let sets: Vec<&str> = of_method().flat_map(|recipe| recipe.sets).copied().collect();
    Some(Err(format!(
        "there is no recipe of {method} for {key} (there are some for {}): give a recipe's file",
        sets.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::train::recipe::Recipe;

    #[test]
    fn every_one_is_a_recipe_of_its_method_for_sets_that_are_known() {
        for Builtin { method, sets, name, text } in BUILTIN {
            let recipe = Recipe::parse(text, Path::new(name)).expect("a recipe");
            assert_eq!(recipe.method(), method.strip_suffix("-lite").unwrap_or(method));
            assert_eq!(format!("{}.toml", recipe.name()), name);
            for set in sets {
                assert_eq!(find(set).map(|found| found.key), Some(*set), "{name}");
                assert_eq!(builtin(method, set), Some(Ok((name, text))), "one a set");
            }
        }
    }

    #[test]
    fn aliases_are_known_and_what_lacks_is_said() {
        let found = builtin("deiqt", "CLIVE").expect("a method").expect("a recipe");
        assert_eq!(found.0, "deiqt-authentic-small.toml");
        assert_eq!(builtin("recipes/deiqt-tiny.toml", "livec"), None);
        let found = builtin("csfiqa-lite", "spaq").expect("a method").expect("a recipe");
        assert_eq!(found.0, "csfiqa-lite-authentic-large.toml");
        let why = builtin("csiqa", "bid").expect("a method").expect_err("no recipe");
        assert!(why.contains("csiqa for bid") && why.contains("livec"), "{why}");
    }
}
