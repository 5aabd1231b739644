//! The first weights of a pre-training: a backbone's file or chance, a key side that equals the query
//! side (`papers/qpt.md`, section 5).

use biqa::device::OpenDevice;
use biqa::models::qpt::{Backbone, backbone};
use biqa::weights::{Arrays, freeze, visit};
use burn::module::Module;

use super::network::{Pretrain, PretrainConfig, filled};
use crate::methods::init::{Rule, rule};
use crate::train::TrainError;

/// Both sides as they start, on the device with gradients. `arrays` is a backbone's file, with or
/// without its classifier, or a pre-training checkpoint, of which the backbone is taken; empty for
/// chance. `name` stands for it in errors.
pub(super) fn start(
    config: &PretrainConfig,
    arrays: Arrays,
    name: &str,
    seed: u64,
    device: &OpenDevice,
) -> Result<Pretrain, TrainError> {
    let empty = Pretrain::new(config, &device.plain());
    let head = config.backbone.head();
    let fresh = arrays.is_empty();
    let mut all: Arrays = backbone(arrays, head)
        .0
        .into_iter()
        .map(|(key, array)| (format!("{QUERIES}{key}"), array))
        .collect();
    visit(&empty, |key, value| {
        let inner = key.strip_prefix(QUERIES);
        let is_projector = inner.is_some_and(|inner| inner.starts_with(head));
        if fresh || is_projector || key.starts_with("predictor.") {
            let rule = match inner {
                Some(inner) if !is_projector => of_backbone(config, inner, &value.shape),
                _ => of_linear(key, &value.shape),
            };
            all.entry(key.to_owned()).or_insert_with(|| rule.array(value.shape, key, seed));
        }
    });
    let keys: Arrays = all
        .iter()
        .filter_map(|(key, array)| {
            Some((format!("{KEYS}{}", key.strip_prefix(QUERIES)?), array.clone()))
        })
        .collect();
    all.extend(keys);
    Ok(learning(filled(empty, all, name)?))
}

/// Prefix of the query side's names.
const QUERIES: &str = "base_encoder.";
/// Prefix of the key side's.
const KEYS: &str = "momentum_encoder.";

/// The network on the device with gradients, none of which reach the key side.
pub(super) fn learning(net: Pretrain) -> Pretrain {
    freeze(net.train(), |key| key.starts_with(KEYS))
}

/// torchvision's and timm's rules.
fn of_backbone(config: &PretrainConfig, name: &str, shape: &[usize]) -> Rule {
    if config.backbone == Backbone::Vit {
        return rule(name, shape, 1.0, config.vit.patch_size);
    }
    match shape {
        // Kaiming normal over what a convolution gives.
        [o, _, k, l] => Rule::Normal((2.0 / (o * k * l) as f64).sqrt()),
        _ => of_norm(name),
    }
}

/// PyTorch's default of a linear layer without bias.
fn of_linear(name: &str, shape: &[usize]) -> Rule {
    match shape {
        [_, inputs] => Rule::Uniform(1.0 / (*inputs as f64).sqrt()),
        _ => of_norm(name),
    }
}

fn of_norm(name: &str) -> Rule {
    let one = name.ends_with(".running_var") || name.ends_with(".weight");
    Rule::Constant(if one { 1.0 } else { 0.0 })
}

/// The plain weights of the backbone alone, under the names of its files.
pub(super) fn exported(config: &PretrainConfig, all: &Arrays) -> Arrays {
    let head = config.backbone.head();
    let plain = |(key, array): (&String, &biqa::weights::Array)| {
        let inner = key.strip_prefix(QUERIES)?;
        (!inner.starts_with(head)).then(|| (inner.to_owned(), array.clone()))
    };
    all.iter().filter_map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::nn::vit::VitConfig;
    use biqa::weights::collect;

    fn config(backbone: Backbone) -> PretrainConfig {
        let plain = PretrainConfig::default();
        let vit = VitConfig { depth: 1, embed_dim: 12, image_size: 32, ..plain.vit };
        let layers = vec![1; 4];
        PretrainConfig { backbone, vit, layers, width: 2, mlp_dim: 8, dim: 4, ..plain }
    }

    #[test]
    fn keys_start_as_queries_and_a_backbones_file_comes_back_as_it_was() {
        for backbone in [Backbone::ResNet, Backbone::MobileNetV2, Backbone::Vit] {
            let config = config(backbone);
            let begun = |file: Arrays, seed| {
                collect(
                    &start(&config, file, "made-up", seed, &OpenDevice::default())
                        .expect("it fits"),
                )
            };
            let chance = begun(Arrays::new(), 1);
            for (name, array) in &chance {
                if let Some(inner) = name.strip_prefix(KEYS) {
                    assert_eq!(array, &chance[&format!("{QUERIES}{inner}")], "{name}");
                }
            }
            // A file with its classifier, under the plain names.
            let mut file = exported(&config, &chance);
            let head = format!("{}weight", backbone.head());
            let anything = file.values().next().expect("a tensor").clone();
            let file_before = file.clone();
            file.insert(head, anything);
            let again = begun(file, 2);
            assert_eq!(exported(&config, &again), file_before);
            let projector = format!("{QUERIES}{}0.weight", backbone.head());
            assert_ne!(again[&projector], chance[&projector], "another seed");
            // A whole pre-training checkpoint gives its backbone.
            assert_eq!(exported(&config, &begun(chance, 3)), file_before);
        }
    }

    #[test]
    fn a_file_that_lacks_a_tensor_is_refused_by_name() {
        let config = config(Backbone::MobileNetV2);
        let chance =
            start(&config, Arrays::new(), "made-up", 1, &OpenDevice::default()).expect("chance");
        let mut file = exported(&config, &collect(&chance));
        file.remove("features.3.conv.2.weight");
        let error = start(&config, file, "m.pth", 1, &OpenDevice::default())
            .expect_err("one is missing")
            .to_string();
        assert!(error.contains("features.3.conv.2.weight"), "{error}");
    }
}
