//! docs/reproduce.md: a command for each paper and dataset, each of which is taken by the binary, and
//! whose crops are counted as the recipe has them.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use biqa_lab::datasets::find;
use biqa_lab::train::recipe::{Recipe, builtin, builtins};
use common::Place;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn text() -> String {
    fs::read_to_string(root().join("docs/reproduce.md")).expect("the document")
}

/// The cells of every row of a table with a command: set, command, crops of a split.
fn rows() -> Vec<[String; 3]> {
    let text = text();
    let rows = text.lines().filter(|line| line.contains("| `biqa ")).map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        [cells[1], &cells[2].trim_matches('`').replace('\'', ""), cells[3]].map(str::to_owned)
    });
    rows.collect()
}

fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().skip(1).collect()
}

#[test]
fn every_recipe_of_a_paper_has_its_command() {
    let recipes: BTreeSet<(&str, &str)> =
        builtins().map(|(method, set, _)| (method, set)).collect();
    let rows = rows();
    let named: Vec<(&str, &str)> =
        rows.iter().map(|[_, command, _]| (words(command)[1], words(command)[3])).collect();
    assert_eq!(named.iter().copied().collect::<BTreeSet<_>>(), recipes);
    assert_eq!(named.len(), recipes.len(), "one is there twice");
}

/// The parser takes it, the recipe is found, and what lacks is the folder of the set: with it the run
/// would begin.
#[test]
fn every_command_is_taken_up_to_the_dataset_that_is_not_there() {
    let place = Place::new();
    for [set, command, _] in rows() {
        let run = place.biqa(&words(&command)).ends(2);
        let expected = format!("error: cannot read {set}: No such file or directory");
        assert!(run.stderr.starts_with(&expected), "{command}: {}", run.stderr);
    }
}

/// What stands between the tables: pre-trainings, transfers, tests on other sets.
#[test]
fn every_other_command_is_taken_up_to_what_is_not_there() {
    let place = Place::new();
    let text = text().replace('\'', "");
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with("biqa ")).collect();
    assert!(commands.len() > 5, "{commands:?}");
    for command in commands {
        let words = words(command);
        for recipe in words.iter().filter(|word| word.starts_with("recipes/")) {
            place.file(recipe, fs::read(root().join(recipe)).expect("a recipe"));
        }
        let run = place.biqa(&words).ends(2);
        let absent = ["IMAGENET", "KADID-10k", "saqt", "LIVEC", "LIVEFB"];
        let lacks = absent.iter().any(|name| {
            run.stderr.starts_with(&format!("error: cannot read {name}"))
                || run.stderr.starts_with(&format!("error: {name}/images is no folder"))
                || run.stderr.starts_with(&format!("error: {name}/train is not there"))
        });
        assert!(lacks, "{command}: {}", run.stderr);
    }
}

/// Crops that are trained on in a split of `honest`: 70 % of the photos, whole batches, all passes,
/// epochs and stages.
#[test]
fn the_crops_of_a_split_are_those_of_its_recipe() {
    for [_, command, crops] in rows() {
        let (method, dataset) = (words(&command)[1], words(&command)[3]);
        let (name, text) = builtin(method, dataset).expect("a method").expect("a recipe");
        let Ok(Recipe::Crops(recipe)) = Recipe::parse(text, Path::new(name)) else {
            panic!("{name} is no recipe of crops");
        };
        let train = &recipe.train;
        let photos = find(dataset).expect("a set").images as u64 * 7 / 10;
        let (turns, batch) = (photos * train.passes.expect("passes"), train.batch as u64);
        let turns = if train.drop_last { turns / batch * batch } else { turns };
        let stages = if method == "csiqa" { 2 } else { 1 };
        let expected = turns * train.epochs * recipe.choice.needs().group as u64 * stages;
        assert_eq!(crops.replace(',', ""), expected.to_string(), "{command}");
    }
}
