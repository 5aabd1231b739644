//! A model file of every paper's network, opened by its card.

use burn::tensor::Device;
use serde_json::{Value, json};

use super::csiqa::CsiqaConfig;
use super::deiqt::DeiqtConfig;
use super::lmliqa::LmlIqaConfig;
use super::made::arrays;
use super::{Network, registry};
use crate::image::Rgb8;
use crate::scorer::{Scorer, digest};
use crate::view::{Policy, View};
use crate::weights::{Arrays, Data, ModelCard, Precision, Scale, WeightsError, to_safetensors};

/// The smallest preset of each, as its card says it.
fn smoke() -> [(&'static str, Value); 3] {
    let of = |config: Option<Value>| config.expect("a preset");
    [
        ("deiqt", of(DeiqtConfig::preset("smoke").map(|c| json!(c)))),
        ("csiqa", of(CsiqaConfig::preset("smoke").map(|c| json!(c)))),
        ("lmliqa", of(LmlIqaConfig::preset("smoke").map(|c| json!(c)))),
    ]
}

fn made_up(method: &str, config: &Value) -> Arrays {
    let network = Network::new(method, config, "made-up", &Device::flex());
    match network.expect("a valid config") {
        Network::Lite(net) => arrays(&*net),
        Network::Deiqt(net) => arrays(&*net),
        Network::Csiqa(net) => arrays(&*net),
        Network::LmlIqa(net) => arrays(&*net),
    }
}

fn open(method: &str, config: &Value, weights: &Arrays, crop: u32) -> Result<Scorer, WeightsError> {
    let card = ModelCard {
        name: method.to_owned(),
        version: "0".to_owned(),
        method: method.to_owned(),
        config: config.clone(),
        view: View {
            policy: Policy::Grid { short_side: None, crop, columns: 2, rows: 1 },
            filter: crate::resize::Filter::default(),
            mean: [0.5; 3],
            std: [0.5; 3],
        },
        scale: Scale::new(vec![(0.0, 0.0), (1.0, 100.0)]).expect("it rises"),
        weights_digest: digest(weights),
        data: Data::default(),
        seed: 0,
        recipe_digest: String::new(),
        metrics: Vec::new(),
        licence: String::new(),
        data_terms: String::new(),
        known_failures: Vec::new(),
        anchors: Vec::new(),
    };
    Scorer::from_bytes(&to_safetensors(weights, Some(&card), Precision::F32), "made-up")
}

fn picture() -> Rgb8 {
    let levels = (0..50 * 40 * 3).map(|i| (i * 7 % 251) as u8).collect();
    Rgb8::new(50, 40, levels).expect("as many levels as pixels")
}

#[test]
fn every_papers_network_scores_a_picture_by_its_card() {
    for (method, config) in smoke() {
        assert!(registry().iter().any(|entry| entry.name == method && entry.scores));
        let scorer = open(method, &config, &made_up(method, &config), 32).expect("it fits");
        let score = scorer.score(&picture()).expect("two crops");
        assert!(score.raw.is_finite(), "{method}: {score:?}");
        assert_eq!(scorer.score(&picture()).expect("again"), score, "{method}");
    }
}

#[test]
fn a_view_of_another_crop_is_refused() {
    for (method, config) in smoke() {
        let opened = open(method, &config, &made_up(method, &config), 48);
        let error = opened.err().expect("positions are fixed").to_string();
        let expected = "its network takes crops of 32 pixels, its view gives others";
        assert!(error.contains(expected), "{method}: {error}");
    }
}

#[test]
fn an_unknown_key_of_a_config_is_refused_by_name() {
    for (method, mut config) in smoke() {
        config["paneel"] = json!(6);
        let error = Network::new(method, &config, "made-up", &Device::flex()).err();
        let error = error.expect("no such key").to_string();
        assert!(error.contains("paneel"), "{method}: {error}");
    }
}
