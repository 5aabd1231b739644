//! Keys of a recipe that a command line sets: ablations without a file each.

use std::fmt;
use std::str::FromStr;

use toml::{Table, Value};

use super::from_toml;

/// `KEY=VALUE`, as TOML writes both: `options.contrast.enabled=false`. A value that is no TOML is a
/// text.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    table: Table,
    text: String,
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected KEY=VALUE such as train.batch=32, found {text:?}");
        let (key, value) = text.split_once('=').ok_or_else(expected)?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() || value.is_empty() || text.contains('\n') {
            return Err(expected());
        }
        let plain = || toml::from_str(&format!("{key} = {value}"));
        let quoted = |_| toml::from_str(&format!("{key} = {}", Value::String(value.to_owned())));
        let table = plain().or_else(quoted).map_err(|_| expected())?;
        Ok(Self { table, text: format!("{key} = {value}") })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text of a recipe with the changes made, which its name and its card's then tell.
pub(super) fn changed(text: &str, changes: &[Change]) -> Result<String, String> {
    let mut recipe: Table = from_toml(text)?;
    let words: Vec<String> = changes.iter().map(Change::to_string).collect();
    for change in changes {
        put(&mut recipe, change.table.clone());
    }
    rename(&mut recipe, &words.join(", "));
    if let Some(card) = recipe.get_mut("card").and_then(Value::as_table_mut) {
        rename(card, &words.join(", "));
    }
    toml::to_string(&recipe).map_err(|e| e.to_string())
}

fn rename(table: &mut Table, words: &str) {
    if let Some(Value::String(name)) = table.get_mut("name") {
        *name = format!("{name}, {words}");
    }
}

/// Puts values into a table; tables on both sides are joined.
fn put(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(there)), Value::Table(new)) => put(there, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "name = \"r\"\n[options]\nmask = { ratio = 0.3, layout = \"intended\" }\n\
                          [card]\nname = \"c\"\n[train]\nbatch = 16 # ours\n";

    fn with(changes: &[&str]) -> Table {
        let changes: Vec<Change> = changes.iter().map(|c| c.parse().expect("a change")).collect();
        toml::from_str(&changed(RECIPE, &changes).expect("a recipe")).expect("TOML")
    }

    #[test]
    fn a_key_is_set_and_its_neighbours_stay() {
        let recipe = with(&["options.mask.ratio=0.5", "train.batch = 32", "options.new.key=word"]);
        let mask = recipe["options"]["mask"].as_table().expect("a table");
        assert_eq!(mask["ratio"].as_float(), Some(0.5));
        assert_eq!(mask["layout"].as_str(), Some("intended"));
        assert_eq!(recipe["train"]["batch"].as_integer(), Some(32));
        assert_eq!(recipe["options"]["new"]["key"].as_str(), Some("word"));
    }

    #[test]
    fn names_tell_what_was_changed() {
        let recipe = with(&["options.\"a.b\"=\"eval\"", "train.batch=8"]);
        let words = "options.\"a.b\" = \"eval\", train.batch = 8";
        assert_eq!(recipe["name"].as_str(), Some(format!("r, {words}").as_str()));
        assert_eq!(recipe["card"]["name"].as_str(), Some(format!("c, {words}").as_str()));
        assert_eq!(recipe["options"]["a.b"].as_str(), Some("eval"));
    }

    #[test]
    fn what_sets_nothing_is_an_error_that_shows_how() {
        for text in ["", "train.batch", "=3", "train.batch=", "a b=3", "a=1\nb=2"] {
            let error = text.parse::<Change>().expect_err(text);
            assert!(error.contains("such as train.batch=32"), "{error}");
        }
    }
}
