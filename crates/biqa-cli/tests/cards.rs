//! The card of a model as `biqa models` prints it.

mod common;
mod made;

use biqa::weights::{Interval, Metrics, Precision, read_safetensors, to_safetensors};
use common::Place;
use insta::assert_snapshot;

#[test]
fn a_card_says_where_the_model_comes_from_and_what_its_scores_look_like() {
    let (arrays, card) = read_safetensors(&made::lite(), "made").expect("readable");
    let mut card = card.expect("a card");
    let figure = Interval { value: 0.812, low: 0.79, high: 0.833 };
    let on = "somewhere test (100 photos)".to_owned();
    card.metrics = vec![Metrics { on, srcc: figure, plcc: figure }];
    card.anchors = vec![(20.0, "blurred".to_owned()), (80.5, "sharp".to_owned())];
    card.known_failures = vec!["drawings".to_owned()];
    let place = Place::new();
    place.file("own.safetensors", to_safetensors(&arrays, Some(&card), Precision::F16));
    let text = place.biqa(&["models", "--weights", "own.safetensors"]).ends(0).stdout;
    assert_snapshot!(text);
}

/// The recipe of the built-in model says in words what its scale means.
#[test]
fn the_default_model_has_words_for_its_scale() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes");
    let (recipe, _) = biqa_lab::train::job::read_recipe(Some(&folder.join("lite.toml")), None, &[])
        .expect("a recipe");
    let scores: Vec<f64> = recipe.card().anchors.iter().map(|(score, _)| *score).collect();
    assert_eq!(scores, [20.0, 50.0, 80.0]);
}
