//! The checks of `papers/glintiqa.md`, section 9, that need no training.

// Numbers stand as the specification prints them.
#![allow(clippy::excessive_precision)]

use super::*;
use crate::models::made::{arrays, close, count, filled, pictures};
use crate::weights::{WeightsError, collect, host, load};
use burn::tensor::TensorData;

fn smoke() -> (GlintIqaConfig, GlintIqa) {
    let config = GlintIqaConfig::preset("smoke").expect("a preset");
    config.check().expect("it fits");
    let net = GlintIqa::new(&config, &Device::flex());
    (config, net)
}

/// Parameters, without buffers, whose names start so.
fn parameters(net: &GlintIqa, prefix: &str) -> usize {
    let mut sum = 0;
    visit(net, |name, value| {
        if name.starts_with(prefix) && !name.contains(".running_") {
            sum += value.shape.iter().product::<usize>();
        }
    });
    sum
}

#[test]
fn the_paper_size_has_the_counted_parameters_by_part() {
    let net = GlintIqa::new(&GlintIqaConfig::default(), &Device::flex());
    for (prefix, expected) in [
        ("vgfe.backbone.", 22_050_664),
        ("clfe.backbone.", 8_543_296),
        ("clfe.patch_embed1.", 1_573_248),
        ("clfe.patch_embed2.", 786_816),
        ("clfe.patch_embed3.", 393_600),
        ("local_cwsa.", 116_228),
        ("cwsa4.", 116_228),
        ("local_projection.", 442_752),
        ("siem1.", 2_654_208),
        ("quality_head.", 148_225),
        ("", 45_136_573),
    ] {
        assert_eq!(parameters(&net, prefix), expected, "{prefix}");
    }
    // 466 tensors in PyTorch's count, of which 43 are `num_batches_tracked`.
    assert_eq!(count(&net).0, 466 - 43);
}

#[test]
fn the_larger_transformer_has_the_counted_parameters() {
    let config = GlintIqaConfig::preset("base").expect("a preset");
    assert_eq!(parameters(&GlintIqa::new(&config, &Device::flex()), ""), 146_028_349);
}

#[test]
fn names_and_shapes_are_the_released_ones() {
    let all = collect(&GlintIqa::new(&GlintIqaConfig::default(), &Device::flex()));
    for (name, shape) in [
        ("vgfe.backbone.pos_embed", vec![1, 197, 384]),
        ("vgfe.backbone.blocks.11.mlp.fc1.weight", vec![1536, 384]),
        ("vgfe.backbone.head.weight", vec![1000, 384]),
        ("clfe.backbone.conv1.weight", vec![64, 3, 7, 7]),
        ("clfe.backbone.layer3.5.bn3.running_var", vec![1024]),
        ("clfe.backbone.layer1.0.downsample.1.running_mean", vec![256]),
        ("clfe.patch_embed1.proj.weight", vec![384, 256, 4, 4]),
        ("clfe.patch_embed3.proj.weight", vec![384, 1024, 1, 1]),
        ("local_cwsa.c_q.weight", vec![196, 196]),
        ("cwsa2.norm.bias", vec![196]),
        ("local_projection.weight", vec![384, 1152]),
        ("siem4.conv.weight", vec![384, 768, 3, 3]),
        ("quality_head.layers.0.weight", vec![384, 384]),
        ("quality_head.layers.3.weight", vec![1, 384]),
    ] {
        assert_eq!(all.get(name).map(|a| a.shape.clone()), Some(shape), "{name}");
    }
    assert!(!all.keys().any(|name| name.starts_with("clfe.backbone.layer4")));
}

fn attention(n: usize, reinterpret: bool) -> ChannelAttention {
    let config = GlintIqaConfig { reinterpret, ..GlintIqaConfig::default() };
    filled(ChannelAttention::new(&config, n, &Device::flex()), |all| {
        for (name, array) in all.iter_mut() {
            let identity = |i: usize| f32::from(i / n == i % n);
            let len = array.data.len();
            array.data = match name.as_str() {
                "norm.weight" => vec![1.0; len],
                name if name.ends_with("weight") => (0..len).map(identity).collect(),
                _ => vec![0.0; len],
            };
        }
    })
}

fn tensor(rows: Vec<f32>, shape: [usize; 3]) -> Tensor<3> {
    Tensor::from_data(TensorData::new(rows, shape), &Device::flex())
}

#[test]
fn the_worked_example_of_the_channel_attention() {
    let x = tensor(vec![3.0, 4.0, 0.0, 2.0, 1.0, 0.0], [1, 3, 2]);
    let Attended { attention, mixed, scrambled, out } = self::attention(2, true).forward(x, None);
    #[rustfmt::skip]
    close(&host(&attention), &[
        0.381422910, 0.331122171, 0.287454920,
        0.367663195, 0.423514878, 0.208821927,
        0.335441299, 0.219462836, 0.445095865,
    ], 1e-6);
    let y = [1.431723649, 2.187935980, 1.311811512, 2.317682537, 1.451419761, 1.780690867];
    close(&host(&mixed), &y, 1e-6);
    let z = [1.431723649, 1.311811512, 1.451419761, 2.187935980, 2.317682537, 1.780690867];
    close(&host(&scrambled), &z, 1e-6);
    let expected = [3.998611970, 3.001388030, -0.999963133, 2.999963133, 1.999930649, -0.999930649];
    close(&host(&out), &expected, 1e-6);
}

/// `Y = [[1,2,3],[4,5,6]]` is read again as `[[1,4,2],[5,3,6]]`; without the switch it stays.
#[test]
fn the_transpose_is_read_again_in_memory_order() {
    let y = tensor(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1, 2, 3]);
    let again = y.swap_dims(1, 2).reshape([1, 2, 3]);
    assert_eq!(host(&again), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    let x = tensor(vec![3.0, 4.0, 0.0, 2.0, 1.0, 0.0], [1, 3, 2]);
    let plain = attention(2, false).forward(x, None);
    assert_eq!(host(&plain.scrambled), host(&plain.mixed));
}

/// A kernel that is 1 in one place, from input channel 0 to output channel 0.
fn enhancement(row: usize, column: usize) -> Enhancement {
    filled(Enhancement::new(2, 1, 3, &Device::flex()), |all| {
        for array in all.values_mut() {
            array.data.fill(0.0);
            array.data[3 * row + column] = 1.0;
        }
    })
}

#[test]
fn the_enhancement_reads_positions_row_by_row() {
    let x = tensor((0..18).map(|v| v as f32).collect(), [1, 2, 9]);
    let centre = host(&enhancement(1, 1).forward(x.clone()));
    assert_eq!(centre, (0..9).map(|v| v as f32).collect::<Vec<_>>());
    let above = host(&enhancement(0, 1).forward(x));
    assert_eq!(above, [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn unused_parts_of_the_transformer_do_not_touch_the_score() {
    let (_, empty) = smoke();
    let unused = |name: &str| empty.is_unused(name);
    assert!(unused("vgfe.backbone.norm.weight") && unused("vgfe.backbone.head.bias"));
    assert!(unused("vgfe.backbone.blocks.4.attn.qkv.weight"));
    assert!(!unused("vgfe.backbone.blocks.3.attn.qkv.weight") && !unused("cwsa1.norm.weight"));
    let x = pictures(2, 32);
    let score = |change: fn(&mut Arrays)| {
        let (_, net) = smoke();
        host(&filled(net, change).score(x.clone()))
    };
    let perturbed = score(|all| {
        let (_, net) = smoke();
        for (name, array) in all.iter_mut().filter(|(name, _)| net.is_unused(name)) {
            assert!(name.starts_with("vgfe.backbone."));
            array.data.iter_mut().for_each(|v| *v += 3.0);
        }
    });
    assert_eq!(score(|_| ()), perturbed);
}

/// Guards the order: the transformer's features first.
#[test]
fn the_order_of_the_merged_features_matters() {
    let (config, net) = smoke();
    let net = filled(net, |_| ());
    let out = net.forward(pictures(1, 32), None);
    let d = config.embed_dim;
    let (g, l) = (out.vgfe[0].clone(), out.local.clone());
    assert_eq!(channels_first(vec![g.clone(), l.clone()]).dims(), [1, 2 * d, 4]);
    let right = net.cwsa1.forward(channels_first(vec![g.clone(), l.clone()]), None).out;
    let swapped = net.cwsa1.forward(channels_first(vec![l, g]), None).out;
    close(&host(&out.cwsa[0]), &host(&right), 1e-6);
    assert_ne!(host(&right), host(&swapped));
}

#[test]
fn a_crop_does_not_know_its_neighbours_in_evaluation() {
    let (_, net) = smoke();
    let net = filled(net, |_| ());
    let two = pictures(2, 32);
    let alone = host(&net.score(two.clone().narrow(0, 1, 1)));
    close(&host(&net.score(two))[1..], &alone, 1e-4);
}

/// Section 9, item 14, with the rest of a checkpoint around it.
#[test]
fn older_checkpoints_load_under_todays_names() {
    let (_, net) = smoke();
    let own = arrays(&net);
    let old = |name: &str| {
        let found = OLD_PREFIXES.iter().find(|(_, new)| name.starts_with(new));
        found.map_or(name.to_owned(), |(old, new)| name.replacen(new, old, 1))
    };
    let file: Arrays =
        own.iter().map(|(name, a)| (format!("module.{}", old(name)), a.clone())).collect();
    assert!(file.contains_key("module.fusion3.c_q.weight"));
    assert!(file.contains_key("module.conv2.weight"));
    assert!(file.contains_key("module.out.3.bias"));
    assert_eq!(renamed(file.clone()), own);
    let loaded = load(net, checkpoint_arrays(file, &smoke().1), "g.pth", "glintiqa");
    assert_eq!(collect(&loaded.expect("it fits")), own);
}

#[test]
fn a_checkpoint_may_lack_only_what_no_score_needs() {
    let (_, net) = smoke();
    let mut file = arrays(&net);
    file.retain(|name, _| !net.is_unused(name));
    load(smoke().1, checkpoint_arrays(file.clone(), &net), "g.pth", "glintiqa").expect("it fits");

    file.remove("siem2.conv.weight");
    file.insert("siem5.conv.weight".to_owned(), file["siem1.conv.weight"].clone());
    let error = load(smoke().1, checkpoint_arrays(file, &net), "g.pth", "glintiqa");
    let Err(WeightsError::Mismatch { missing, unused, .. }) = error else { panic!("it fits") };
    assert_eq!(
        (missing.concat(), unused.concat()),
        ("siem2.conv.weight".to_owned(), "siem5.conv.weight".to_owned(),)
    );
}

#[test]
fn unfitting_sizes_are_refused_in_words() {
    let of = |change: fn(&mut GlintIqaConfig)| {
        let mut config = GlintIqaConfig::default();
        change(&mut config);
        config.check().expect_err("it does not fit")
    };
    assert!(of(|c| c.patch_size = 14).contains("multiple of 16"));
    assert!(of(|c| c.feature_indices = vec![6, 7, 8]).contains("4 numbers below 12"));
    assert!(of(|c| c.feature_indices = vec![6, 7, 8, 12]).contains("4 numbers below 12"));
    assert!(of(|c| c.cnn_layers = vec![3, 4, 6, 3]).contains("3 numbers"));
    assert!(of(|c| c.num_heads = 5).contains("no multiple of num_heads"));
}
