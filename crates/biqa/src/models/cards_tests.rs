//! A model file of every paper's network, opened by its card.

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::{Value, json};

use super::csfiqa::CsfiqaConfig;
use super::csiqa::CsiqaConfig;
use super::deiqt::DeiqtConfig;
use super::glintiqa::GlintIqaConfig;
use super::lmliqa::LmlIqaConfig;
use super::made::arrays;
use super::qpt::QptConfig;
use super::{Network, registry};
use crate::image::Rgb8;
use crate::scorer::{Scorer, digest};
use crate::view::{Grid, Policy, View};
use crate::weights::{Arrays, Data, ModelCard, Precision, Scale, WeightsError, to_safetensors};

/// The smallest preset of each, as its card says it.
fn smoke() -> [(&'static str, Value); 5] {
    let of = |config: Option<Value>| config.expect("a preset");
    [
        ("deiqt", of(DeiqtConfig::preset("smoke").map(|c| json!(c)))),
        ("csiqa", of(CsiqaConfig::preset("smoke").map(|c| json!(c)))),
        ("lmliqa", of(LmlIqaConfig::preset("smoke").map(|c| json!(c)))),
        ("csfiqa", of(CsfiqaConfig::preset("smoke").map(|c| json!(c)))),
        ("glintiqa", of(GlintIqaConfig::preset("smoke").map(|c| json!(c)))),
    ]
}

fn made_up(method: &str, config: &Value) -> Arrays {
    let network = Network::new(method, config, "made-up", &Device::flex());
    match network.expect("a valid config") {
        Network::Lite(net) => arrays(&*net),
        Network::Deiqt(net) => arrays(&*net),
        Network::Csiqa(net) => arrays(&*net),
        Network::LmlIqa(net) => arrays(&*net),
        Network::Csfiqa(net) => arrays(&*net),
        Network::GlintIqa(net) => arrays(&*net),
        Network::Qpt(net) => arrays(&*net),
    }
}

fn card(method: &str, config: &Value, weights: &Arrays, crop: u32) -> ModelCard {
    ModelCard {
        name: method.to_owned(),
        version: "0".to_owned(),
        method: method.to_owned(),
        config: config.clone(),
        view: View {
            policy: Policy::Grid(Grid::of(crop, [2, 1])),
            filter: crate::resize::Filter::default(),
            mean: [0.5; 3],
            std: [0.5; 3],
        },
        scale: Scale::new(vec![(0.0, 0.0), (1.0, 100.0)]).expect("it rises"),
        weights_digest: digest(weights),
        data: Data::default(),
        seed: 0,
        device: crate::device::DeviceName::Cpu,
        recipe_digest: String::new(),
        metrics: Vec::new(),
        licence: String::new(),
        data_terms: String::new(),
        known_failures: Vec::new(),
        anchors: Vec::new(),
    }
}

fn open(method: &str, config: &Value, weights: &Arrays, crop: u32) -> Result<Scorer, WeightsError> {
    let card = card(method, config, weights, crop);
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

/// Section 9, item 9, of papers/glintiqa.md: any number of threads, one score.
#[test]
fn a_raw_score_is_the_mean_of_twenty_five_crops_on_any_thread() {
    let config = json!(GlintIqaConfig::preset("smoke").expect("a preset"));
    let weights = made_up("glintiqa", &config);
    let mut card = card("glintiqa", &config, &weights, 32);
    card.view.policy = Policy::Grid(Grid::of(32, [5, 5]));
    let (view, bytes) = (card.view.clone(), to_safetensors(&weights, Some(&card), Precision::F32));
    let scorer = Scorer::from_bytes(&bytes, "made-up").expect("it fits");
    let score = scorer.score(&picture()).expect("25 crops");
    let threads = std::thread::scope(|scope| {
        let score = || scorer.score(&picture()).expect("25 crops");
        let started = [(); 3].map(|()| scope.spawn(score));
        started.map(|thread| thread.join().expect("no panic"))
    });
    assert!(threads.iter().all(|other| *other == score));

    let net = Network::new("glintiqa", &config, "made-up", &Device::flex());
    let net = net.and_then(|net| net.load(weights, "made-up")).expect("it fits");
    let crops = view.apply(&picture()).expect("a view").looks.concat();
    assert_eq!(crops.len(), 25);
    let one = |crop: &Rgb8| {
        let data = TensorData::new(view.to_tensor(crop), [1, 3, 32, 32]);
        net.score(vec![Tensor::from_data(data, &Device::flex())])
    };
    let mean = crops.iter().map(one).sum::<f64>() / 25.0;
    assert!((mean - score.raw).abs() < 1e-9, "{mean}, not {}", score.raw);
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

#[test]
fn qpt_takes_crops_of_any_size() {
    for preset in ["smoke", "mobilenet"] {
        let config = json!(QptConfig::preset(preset).expect("a preset"));
        for crop in [32, 40] {
            let scorer = open("qpt", &config, &made_up("qpt", &config), crop).expect("it fits");
            let score = scorer.score(&picture()).expect("two crops");
            assert!(score.raw.is_finite(), "{preset}, {crop}");
        }
    }
}

#[test]
fn the_lite_form_of_csfiqa_has_no_language_model() {
    let with = json!(CsfiqaConfig::preset("smoke").expect("a preset"));
    let error = Network::new("csfiqa-lite", &with, "made-up", &Device::flex()).err();
    assert!(error.expect("it has one").to_string().contains("ic = none"));
    let mut without = with;
    without["ic"] = json!("none");
    assert!(Network::new("csfiqa-lite", &without, "made-up", &Device::flex()).is_ok());
}
