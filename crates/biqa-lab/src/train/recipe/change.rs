//! Keys of a recipe that a command line sets: ablations without a file each.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use toml::{Table, Value};

use super::from_toml;
use crate::train::TrainError;

/// `KEY=VALUE`, as TOML writes both: `options.contrast.enabled=false`. A value that is no TOML is a
/// text; an item of a list goes by its number, from 0: `stages.1.epochs=2`.
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

/// A recipe as `parse` reads it with keys that are set from outside, and the text that says it all.
pub(crate) fn parse_with<T>(
    text: &str,
    path: &Path,
    changes: &[Change],
    parse: impl Fn(&str, &Path) -> Result<T, TrainError>,
) -> Result<(T, String), TrainError> {
    let recipe = parse(text, path)?;
    if changes.is_empty() {
        return Ok((recipe, text.to_owned()));
    }
    let bad = |reason| TrainError::Recipe { path: path.to_owned(), reason };
    let text = changed(text, changes).map_err(bad)?;
    match parse(&text, path) {
        Ok(recipe) => Ok((recipe, text)),
        Err(TrainError::Recipe { reason, .. }) => {
            // The line is one of a text that nobody sees.
            let words = reason.split_once(": ").filter(|(line, _)| line.starts_with("line "));
            let reason = words.map_or(reason.as_str(), |(_, words)| words);
            let set: Vec<String> = changes.iter().map(Change::to_string).collect();
            Err(bad(format!("with {}: {reason}", set.join(", "))))
        }
        Err(other) => Err(other),
    }
}

/// Keys in which two recipes differ, but for names and cards, which decide nothing.
pub(crate) fn differing(one: &Table, other: &Table) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let all = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
    for key in all.filter(|key| !["name", "card"].contains(&key.as_str())) {
        match (one.get(key), other.get(key)) {
            (Some(Value::Table(a)), Some(Value::Table(b))) => {
                keys.extend(differing(a, b).into_iter().map(|inner| format!("{key}.{inner}")));
            }
            (a, b) if a == b => {}
            _ => keys.push(key.clone()),
        }
    }
    keys
}

/// The text of a recipe with the changes made, which its name and its card's then tell.
fn changed(text: &str, changes: &[Change]) -> Result<String, String> {
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

/// Puts values into a table; tables on both sides are joined, and so is a list's with its number.
fn put(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(there)), Value::Table(new)) => put(there, new),
            (Some(Value::Array(there)), Value::Table(new)) if are_items(there, &new) => {
                for (i, item) in there.iter_mut().enumerate() {
                    let of_item = new.get(&i.to_string()).and_then(Value::as_table);
                    if let (Value::Table(item), Some(of_item)) = (item, of_item) {
                        put(item, of_item.clone());
                    }
                }
            }
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Whether every key is the number of a table in the list, and every value a table.
fn are_items(list: &[Value], keys: &Table) -> bool {
    let tables = list.iter().enumerate().filter(|(_, item)| item.is_table());
    let numbers: Vec<String> = tables.map(|(i, _)| i.to_string()).collect();
    keys.iter().all(|(key, value)| value.is_table() && numbers.contains(key))
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
    fn an_item_of_a_list_goes_by_its_number() {
        let recipe = "[[stages]]\nepochs = 3\nrate = 0.1\n[[stages]]\nepochs = 5\n";
        let with = |change: &str| {
            let changes = [change.parse().expect("a change")];
            from_toml::<Table>(&changed(recipe, &changes).expect("a recipe")).expect("TOML")
        };
        let there = with("stages.1.epochs=2");
        assert_eq!(there["stages"][1]["epochs"].as_integer(), Some(2));
        assert_eq!(there["stages"][0]["epochs"].as_integer(), Some(3));
        assert_eq!(there["stages"][0]["rate"].as_float(), Some(0.1));
        // Where there is no such item the list is no longer one, which no recipe takes.
        assert!(with("stages.2.epochs=2")["stages"].is_table());
        assert!(with("stages.01.epochs=2")["stages"].is_table());
    }

    #[test]
    fn keys_that_differ_are_named_without_names_and_cards() {
        let table = |text: &str| from_toml::<Table>(text).expect("TOML");
        let one = "name = \"a\"\n[train]\nbatch = 16\nseed = 1\n[card]\ntext = \"x\"\n[a]\nb = 1\n";
        let two = "name = \"b\" # words\n[train]\nbatch = 8\nseed = 1\n[c]\nd = 1\n[a]\nb = 1\n";
        assert_eq!(differing(&table(one), &table(two)), ["train.batch", "c"]);
        assert_eq!(differing(&table(one), &table(one)), [""; 0]);
    }

    #[test]
    fn what_sets_nothing_is_an_error_that_shows_how() {
        for text in ["", "train.batch", "=3", "train.batch=", "a b=3", "a=1\nb=2"] {
            let error = text.parse::<Change>().expect_err(text);
            assert!(error.contains("such as train.batch=32"), "{error}");
        }
    }
}
