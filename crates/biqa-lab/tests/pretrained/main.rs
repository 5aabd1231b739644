//! Files as other projects publish them, with every name and shape at full size and made-up
//! numbers, start the methods that are built on them.

mod pth;

use biqa::models::csfiqa::{Csfiqa, CsfiqaConfig, LLAMA, LLAMA_LAYER, llama_arrays};
use biqa::models::csiqa::{Csiqa, CsiqaConfig, UNUSED};
use biqa::models::deiqt::{Deiqt, DeiqtConfig};
use biqa::models::glintiqa::{GlintIqa, GlintIqaConfig};
use biqa::models::lmliqa::LmlIqaConfig;
use biqa::models::qpt::QptConfig;
use biqa::nn::llama::TENSORS;
use biqa::nn::resnet::{ResNet, ResNetConfig};
use biqa::nn::vit::{Vit, VitConfig};
use biqa::weights::{Array, Arrays, Precision, collect, read, visit, write_safetensors};
use biqa_lab::methods::csfiqa::{CsfiqaMethod, CsfiqaOptions};
use biqa_lab::methods::csiqa::{CsiqaMethod, CsiqaOptions};
use biqa_lab::methods::deiqt::{DeiqtMethod, DeiqtOptions};
use biqa_lab::methods::glintiqa::{GlintIqaMethod, GlintIqaOptions};
use biqa_lab::methods::lmliqa::{LmlIqaMethod, LmlIqaOptions};
use biqa_lab::methods::qpt::{QptMethod, QptOptions};
use biqa_lab::methods::{Method, Start};
use burn::module::Module;
use burn::tensor::Device;
use pth::{Entry, Fill};
use std::path::Path;
use tempfile::TempDir;

/// The tensors of a network, each filled with a number of its own that 16 bits hold.
fn entries<M: Module>(net: &M, rename: impl Fn(&str) -> Option<String>) -> Vec<Entry> {
    let mut all = Vec::new();
    visit(net, |name, value| {
        if let Some(name) = rename(name) {
            let fill = Fill::Half(1.0 + all.len() as f32);
            all.push(Entry { name, shape: value.shape, fill });
        }
    });
    all
}

fn entry(name: &str, shape: &[usize]) -> Entry {
    Entry { name: name.to_owned(), shape: shape.to_vec(), fill: Fill::Half(0.5) }
}

/// PyTorch counts the batches of every batch norm.
fn with_counters(mut all: Vec<Entry>) -> Vec<Entry> {
    let norms = all.iter().filter_map(|e| e.name.strip_suffix("running_mean"));
    let names: Vec<String> = norms.map(|norm| format!("{norm}num_batches_tracked")).collect();
    let counter = |name| Entry { name, shape: vec![], fill: Fill::Long(100) };
    all.extend(names.into_iter().map(counter));
    all
}

/// A file of the tensors, in the format that its name tells.
fn published(folder: &TempDir, name: &str, all: &[Entry], wrapper: Option<&str>) -> Arrays {
    let path = folder.path().join(name);
    if Path::new(name).extension().is_some_and(|suffix| suffix == "pth") {
        pth::write(&path, all, wrapper);
    } else {
        let array = |e: &Entry| {
            let Fill::Half(value) = e.fill else { panic!("{}: a float", e.name) };
            Array { shape: e.shape.clone(), data: vec![value; e.shape.iter().product()] }
        };
        let arrays = all.iter().map(|e| (e.name.clone(), array(e))).collect();
        write_safetensors(&path, &arrays, None, Precision::F16).expect("a writable folder");
    }
    read(&path).expect("a file of weights").0
}

/// Starts a method from a file; the network's tensors.
fn started<M: Method>(method: &M, arrays: Arrays, expected: Start) -> Arrays {
    let (net, from) = method.start(arrays, "it", 1, &Device::flex()).expect("it fits");
    assert_eq!(from, expected);
    collect(&net)
}

/// Whether every published tensor is where `place` says.
fn assert_placed(all: &[Entry], found: &Arrays, place: impl Fn(&str) -> Option<String>) {
    for Entry { name, shape, fill } in all {
        let (Some(place), Fill::Half(value)) = (place(name), fill) else { continue };
        let array = found.get(&place).unwrap_or_else(|| panic!("{place} is not there"));
        assert_eq!(array.shape, *shape, "{name}");
        assert!(array.data.iter().all(|v| v == value), "{name} is not at {place}");
    }
}

/// The tensors of DEIQT at the paper's size (`papers/deiqt.md`, section 4).
fn of_deiqt(kept: impl Fn(&str) -> bool) -> Vec<Entry> {
    let net = Deiqt::new(&DeiqtConfig::default(), &Device::flex());
    entries(&net, |name| kept(name).then(|| name.to_owned()))
}

/// DeiT III of its authors, and under timm's names.
#[test]
fn deit_iii_starts_every_method_that_is_built_on_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut authors = of_deiqt(|name| !name.starts_with("head."));
    assert_eq!(authors.len(), 174);
    authors.push(entry("head.weight", &[1000, 384]));
    authors.push(entry("head.bias", &[1000]));
    let place = |name: &str| (!name.starts_with("head.")).then(|| name.to_owned());
    let read = published(&folder, "deit_3_small_224_1k.pth", &authors, Some("model"));
    assert_eq!(read.len(), 176);
    let mut timm = of_deiqt(|name| !name.starts_with("head."));
    for entry in &mut timm {
        for (ours, timms) in [("gamma_1", "ls1.gamma"), ("gamma_2", "ls2.gamma")] {
            entry.name = entry.name.replace(ours, timms);
        }
    }
    let renamed = published(&folder, "model.safetensors", &timm, None);
    assert!(renamed.contains_key("blocks.11.ls2.gamma"));
    for arrays in [read, renamed] {
        let deiqt = DeiqtMethod::new(DeiqtConfig::default(), DeiqtOptions::default());
        assert_placed(&authors, &started(&deiqt, arrays.clone(), Start::Backbone), place);
        let csiqa = CsiqaMethod::new(CsiqaConfig::default(), CsiqaOptions::default());
        assert_placed(&authors, &started(&csiqa, arrays.clone(), Start::Backbone), place);
        let lmliqa = LmlIqaMethod::new(LmlIqaConfig::default(), LmlIqaOptions::default());
        assert_placed(&authors, &started(&lmliqa, arrays, Start::Backbone), place);
    }
}

#[test]
fn checkpoints_of_the_authors_of_deiqt_and_csiqa_are_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = |name: &str| Some(name.to_owned());
    let all = of_deiqt(|_| true);
    assert_eq!(all.len(), 194, "papers/deiqt.md, section 4");
    let method = DeiqtMethod::new(DeiqtConfig::default(), DeiqtOptions::default());
    let arrays = published(&folder, "ckpt_epoch_8.pth", &all, Some("model"));
    assert_placed(&all, &started(&method, arrays, Start::Whole), own);

    // With the seven tensors that nothing uses (papers/csiqa.md, section 4).
    let mut all = entries(&Csiqa::new(&CsiqaConfig::default(), &Device::flex()), own);
    let used = all.len();
    let shapes: [&[usize]; 7] =
        [&[384, 1, 16, 16], &[], &[384, 32], &[384, 384], &[384], &[128, 384], &[128]];
    all.extend(UNUSED.iter().zip(shapes).map(|(name, shape)| entry(name, shape)));
    let numbers: usize = all.iter().map(|e| e.shape.iter().product::<usize>()).sum();
    assert_eq!((all.len(), numbers), (201, 24_349_953));
    let method = CsiqaMethod::new(CsiqaConfig::default(), CsiqaOptions::default());
    let arrays = published(&folder, "csiqa.pth", &all, Some("model"));
    assert_placed(&all[..used], &started(&method, arrays.clone(), Start::Whole), own);
    let mut more = arrays;
    more.insert("proj2".to_owned(), Array { shape: vec![1], data: vec![0.0] });
    let error = method.start(more, "csiqa.pth", 1, &Device::flex()).expect_err("no place");
    assert!(error.to_string().contains("proj2"), "{error}");
}

/// Hugging Face's files and their index.
#[test]
fn a_layer_of_the_language_model_is_found_through_its_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = CsfiqaConfig::preset("smoke").expect("a preset");
    let net = Csfiqa::new(&config, &Device::flex());
    let theirs = |name: &str| {
        let name = name.strip_prefix(LLAMA)?;
        Some(format!("model.layers.{LLAMA_LAYER}.{name}"))
    };
    let all = entries(&net, theirs);
    assert_eq!(all.len(), 9);
    let (first, second) = all.split_at(4);
    let mut map = serde_json::Map::new();
    for (i, part) in [first, second].into_iter().enumerate() {
        let name = format!("model-{:05}-of-00002.safetensors", i + 1);
        published(&folder, &name, part, None);
        map.extend(part.iter().map(|e| (e.name.clone(), name.clone().into())));
    }
    let index = folder.path().join("model.safetensors.index.json");
    let text = serde_json::json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    std::fs::write(&index, text.to_string()).expect("a writable folder");
    let found = llama_arrays(&index, &config).expect("a layer");
    let place = |name: &str| {
        name.strip_prefix(&format!("model.layers.{LLAMA_LAYER}."))
            .map(|ours| format!("{LLAMA}{ours}"))
    };
    assert_placed(&all, &found, place);
}

#[test]
fn crossvit_of_timm_and_of_its_authors_starts_csfiqa() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = CsfiqaConfig::preset("lite").expect("a preset");
    let net = Csfiqa::new(&config, &Device::flex());
    let mut timm = entries(&net, |name| name.strip_prefix("encoder.").map(str::to_owned));
    for (branch, d) in [(0, 192), (1, 384)] {
        timm.push(entry(&format!("head.{branch}.weight"), &[1000, d]));
        timm.push(entry(&format!("head.{branch}.bias"), &[1000]));
    }
    let place = |name: &str| (!name.starts_with("head.")).then(|| format!("encoder.{name}"));
    let method = CsfiqaMethod::new(config, CsfiqaOptions::default());
    let arrays = published(&folder, "model.safetensors", &timm, None);
    assert_placed(&timm, &started(&method, arrays, Start::Backbone), place);

    let mut ibm = timm;
    for entry in &mut ibm {
        for (new, old) in [("pos_embed_", "pos_embed."), ("cls_token_", "cls_token.")] {
            entry.name = entry.name.replace(new, old);
        }
    }
    assert!(ibm.iter().any(|entry| entry.name == "cls_token.1"));
    let place = |name: &str| {
        let name = name.replace("pos_embed.", "pos_embed_").replace("cls_token.", "cls_token_");
        place(&name)
    };
    let arrays = published(&folder, "crossvit_small_224.pth", &ibm, Some("model"));
    assert_placed(&ibm, &started(&method, arrays, Start::Backbone), place);
}

#[test]
fn a_layer_of_metas_language_model_is_found_among_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = CsfiqaConfig::preset("smoke").expect("a preset");
    let net = Csfiqa::new(&config, &Device::flex());
    let metas = |name: &str| {
        let name = name.strip_prefix(LLAMA)?;
        let (_, metas) = TENSORS.iter().find(|(ours, _)| *ours == name)?;
        Some(format!("layers.{LLAMA_LAYER}.{metas}"))
    };
    let mut all = entries(&net, metas);
    assert_eq!(all.len(), 9);
    let expected: Vec<(String, f32)> = all
        .iter()
        .map(|e| match e.fill {
            Fill::Half(value) => (e.name.clone(), value),
            Fill::Long(_) => panic!("{}: a float", e.name),
        })
        .collect();
    all.insert(0, entry("tok_embeddings.weight", &[5, 24]));
    all.insert(3, entry("layers.3.attention.wq.weight", &[24, 24]));
    let path = folder.path().join("consolidated.00.pth");
    pth::write(&path, &all, None);
    let found = llama_arrays(&path, &config).expect("a layer");
    for (ours, metas) in TENSORS {
        let name = format!("layers.{LLAMA_LAYER}.{metas}");
        let (_, value) = expected.iter().find(|(n, _)| *n == name).expect("one of the nine");
        assert!(found[&format!("{LLAMA}{ours}")].data.iter().all(|v| v == value), "{ours}");
    }
}

#[test]
fn resnet_50_of_torchvision_starts_qpt() {
    let folder = tempfile::tempdir().expect("a folder");
    let net = ResNet::new(&ResNetConfig::default(), &Device::flex());
    let all = with_counters(entries(&net, |name| Some(name.to_owned())));
    assert_eq!(all.len(), 320, "as many as torchvision's file has");
    let method = QptMethod::new(QptConfig::default(), QptOptions::default());
    let arrays = published(&folder, "resnet50-19c8e357.pth", &all, None);
    let place = |name: &str| (!name.starts_with("fc.")).then(|| name.to_owned());
    assert_placed(&all, &started(&method, arrays, Start::Backbone), place);
}

#[test]
fn the_backbones_of_timm_and_torchvision_start_glintiqa_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let (device, own) = (Device::flex(), |name: &str| Some(name.to_owned()));
    let config = GlintIqaConfig::default();
    let vit = entries(&Vit::new(&VitConfig { num_classes: 1000, ..config.vit() }, &device), own);
    let resnet = with_counters(entries(&ResNet::new(&ResNetConfig::default(), &device), own));
    let mut arrays = published(&folder, "model.safetensors", &vit, None);
    arrays.extend(published(&folder, "resnet50-19c8e357.pth", &resnet, None));

    let method = GlintIqaMethod::new(config, GlintIqaOptions::default());
    let found = started(&method, arrays, Start::Backbone);
    assert_placed(&vit, &found, |name| Some(format!("vgfe.backbone.{name}")));
    let left_out = |name: &str| name.starts_with("layer4.") || name.starts_with("fc.");
    let place = |name: &str| (!left_out(name)).then(|| format!("clfe.backbone.{name}"));
    assert_placed(&resnet, &found, place);
}

#[test]
fn a_released_checkpoint_of_glintiqa_is_read_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = GlintIqaConfig::default();
    let net = GlintIqa::new(&config, &Device::flex());
    let all = with_counters(entries(&net, |name| Some(format!("module.{name}"))));
    assert_eq!(all.len(), 466, "papers/glintiqa.md, 3.5");
    let arrays = published(&folder, "checkpoint.pth", &all, Some("state_dict"));
    let method = GlintIqaMethod::new(config, GlintIqaOptions::default());
    let found = started(&method, arrays, Start::Whole);
    assert_placed(&all, &found, |name| name.strip_prefix("module.").map(str::to_owned));
}
