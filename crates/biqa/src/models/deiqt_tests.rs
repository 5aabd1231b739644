//! The checks of `papers/deiqt.md`, section 12, that need no training.

use super::super::made::{arrays, close, count, filled, pictures, reorder};
use super::*;
use crate::golden::splitmix_weights;
use crate::nn::autocast::{Products, autocast};
use crate::nn::deit::encoder_arrays;
use crate::random::fnv1a64;
use crate::weights::{Array, Arrays, WeightsError, collect, host, load};

fn smoke() -> (DeiqtConfig, Deiqt) {
    let config = DeiqtConfig::preset("smoke").expect("a preset");
    (config, Deiqt::new(&config, &Device::flex()))
}

#[test]
fn the_paper_size_has_the_counted_parameters_under_their_names() {
    let net = Deiqt::new(&DeiqtConfig::default(), &Device::flex());
    assert_eq!(count(&net), (194, 24_043_776));
    let all = collect(&net);
    let head = all.iter().filter(|(name, _)| name.starts_with("head."));
    assert_eq!(head.map(|(_, a)| a.data.len()).sum::<usize>(), 2_369_280);
    for (name, shape) in [
        ("cls_token", vec![1, 1, 384]),
        ("pos_embed", vec![1, 196, 384]),
        ("patch_embed.proj.weight", vec![384, 3, 16, 16]),
        ("patch_embed.proj.bias", vec![384]),
        ("blocks.11.gamma_1", vec![384]),
        ("blocks.0.gamma_2", vec![384]),
        ("blocks.3.norm1.weight", vec![384]),
        ("blocks.3.attn.qkv.weight", vec![1152, 384]),
        ("blocks.3.attn.proj.bias", vec![384]),
        ("blocks.3.mlp.fc1.weight", vec![1536, 384]),
        ("blocks.3.mlp.fc2.weight", vec![384, 1536]),
        ("norm.bias", vec![384]),
        ("head.bunch_embedding", vec![1, 6, 384]),
        ("head.bunch_decoder.layers.0.self_attn.in_proj_weight", vec![1152, 384]),
        ("head.bunch_decoder.layers.0.multihead_attn.in_proj_bias", vec![1152]),
        ("head.bunch_decoder.layers.0.multihead_attn.out_proj.weight", vec![384, 384]),
        ("head.bunch_decoder.layers.0.linear1.weight", vec![1536, 384]),
        ("head.bunch_decoder.layers.0.linear2.bias", vec![384]),
        ("head.bunch_decoder.layers.0.norm3.weight", vec![384]),
        ("head.heads.weight", vec![1, 384]),
    ] {
        assert_eq!(all.get(name).map(|a| a.shape.clone()), Some(shape), "{name}");
    }
}

#[test]
fn scores_in_half_precision_are_near_and_the_weights_stay_as_they_are() {
    let (config, net) = smoke();
    let net = filled(net, |_| {});
    let before = collect(&net);
    let look = || pictures(4, config.image_size);
    let scores = |products| host(&autocast(products, || net.score(look())));
    let (single, half) = (scores(Products::F32), scores(Products::Bf16));
    assert_eq!(single, host(&net.score(look())), "nothing is rounded without being asked");
    assert_ne!(single, half);
    // Made-up weights don't keep scores near 0..1.
    let largest = single.iter().fold(0.0, |most: f32, score| most.max(score.abs()));
    close(&half, &single, 2e-2 * largest);
    assert_eq!(collect(&net), before);
}

/// `D (1 + P + 3 p^2 + 1 + 2) + L (12 D^2 + 15 D)` and `16 D^2 + 19 D + K D + D`.
#[test]
fn other_sizes_follow_the_formula_of_the_specification() {
    let preset = |name| DeiqtConfig::preset(name).expect("a preset");
    // Section 12 (3): that of the golden case `deiqt-small-forward`, whose file has 132,672 numbers.
    let small = DeiqtConfig {
        embed_dim: 48,
        depth: 2,
        num_heads: 4,
        image_size: 64,
        panel: 6,
        ..DeiqtConfig::default()
    };
    assert_eq!(count(&Deiqt::new(&small, &Device::flex())).1, 132_672);
    for config in [preset("paper"), preset("tiny"), small] {
        let DeiqtConfig { embed_dim: d, depth, panel, patch_size, .. } = config;
        let p = config.encoder().patches();
        let encoder = d * (1 + p + 3 * patch_size.pow(2) + 1 + 2) + depth * (12 * d * d + 15 * d);
        let head = 16 * d * d + 19 * d + panel * d + d;
        let found = count(&Deiqt::new(&config, &Device::flex())).1;
        assert_eq!(found, encoder + head, "{config:?}");
    }
}

#[test]
fn shapes_of_the_paper_size() {
    let net = Deiqt::new(&DeiqtConfig::default(), &Device::flex());
    let out = net.forward(pictures(2, 224));
    assert_eq!(out.patches.dims(), [2, 196, 384]);
    assert_eq!(out.input.dims(), [2, 197, 384]);
    assert_eq!(out.panel.decoder.dims(), [2, 6, 384]);
    assert_eq!(out.panel.scores.dims(), [2, 6]);
    assert_eq!(out.panel.score.dims(), [2]);
}

#[test]
fn unfitting_sizes_are_refused_in_words() {
    let of = |change: fn(&mut DeiqtConfig)| {
        let mut config = DeiqtConfig::default();
        change(&mut config);
        config.check().expect_err("it does not fit")
    };
    assert_eq!(of(|c| c.patch_size = 15), "image_size 224 is no multiple of patch_size 15");
    assert_eq!(of(|c| c.num_heads = 7), "embed_dim 384 is no multiple of num_heads 7");
    assert_eq!(of(|c| c.decoder_heads = 5), "embed_dim 384 is no multiple of decoder_heads 5");
    assert_eq!(of(|c| c.panel = 0), "panel must be at least 1");
}

#[test]
fn permuting_the_batch_permutes_the_scores() {
    let net = filled(smoke().1, |_| {});
    let x = pictures(3, 32);
    let order = [2, 0, 1];
    let permuted = Tensor::cat(order.map(|i| x.clone().narrow(0, i, 1)).to_vec(), 0);
    let (scores, after) = (host(&net.score(x)), host(&net.score(permuted)));
    close(&after, &order.map(|i| scores[i]), 1e-6);
}

#[test]
fn permuting_the_panel_permutes_its_scores_and_keeps_their_mean() {
    let order = [1, 2, 0];
    let plain = filled(smoke().1, |_| {}).forward(pictures(1, 32)).panel;
    let change = |all: &mut Arrays| {
        reorder(all.get_mut("head.bunch_embedding").expect("a panel"), &order);
    };
    let other = filled(smoke().1, change).forward(pictures(1, 32)).panel;
    let scores = host(&plain.scores);
    close(&host(&other.scores), &order.map(|i| scores[i]), 1e-5);
    close(&host(&other.score), &host(&plain.score), 1e-5);
}

#[test]
fn equal_members_of_the_panel_say_the_same() {
    let change = |all: &mut Arrays| {
        reorder(all.get_mut("head.bunch_embedding").expect("a panel"), &[1, 1, 1]);
    };
    let scores = host(&filled(smoke().1, change).forward(pictures(1, 32)).panel.scores);
    close(&scores, &[scores[0]; 3], 1e-6);
}

#[test]
fn permuting_patches_with_their_positions_keeps_the_score() {
    let (_, empty) = smoke();
    let (grid, side) = (4, 8);
    let mut order: Vec<usize> = (0..grid * grid).collect();
    order.rotate_left(5);
    let x = pictures(1, 32);
    let patch = |p: usize| {
        let (row, column) = (p / grid, p % grid);
        x.clone().narrow(2, row * side, side).narrow(3, column * side, side)
    };
    let rows = order.chunks(grid);
    let rows = rows.map(|row| Tensor::cat(row.iter().map(|&p| patch(p)).collect(), 3));
    let shuffled = Tensor::cat(rows.collect(), 2);
    let plain = host(&filled(empty.clone(), |_| {}).score(x.clone()));
    let alone = host(&filled(empty.clone(), |_| {}).score(shuffled.clone()));
    assert!((alone[0] - plain[0]).abs() > 1e-4, "positions count: {alone:?}, {plain:?}");
    let change = |all: &mut Arrays| reorder(all.get_mut("pos_embed").expect("positions"), &order);
    close(&host(&filled(empty, change).score(shuffled)), &plain, 1e-5);
}

#[test]
fn the_score_is_linear_in_the_last_layer() {
    let plain = host(&filled(smoke().1, |_| {}).score(pictures(2, 32)));
    let change = |all: &mut Arrays| {
        let heads = all.get_mut("head.heads.weight").expect("the last layer");
        heads.data.iter_mut().for_each(|w| *w *= -3.0);
    };
    let scaled = host(&filled(smoke().1, change).score(pictures(2, 32)));
    close(&scaled, &[-3.0 * plain[0], -3.0 * plain[1]], 1e-5);
}

#[test]
fn without_layer_scale_a_block_returns_its_input_and_the_picture_still_counts() {
    let change = |all: &mut Arrays| {
        let gammas = all.iter_mut().filter(|(name, _)| name.contains(".gamma_"));
        gammas.for_each(|(_, gamma)| gamma.data.fill(0.0));
    };
    let net = filled(smoke().1, change);
    let out = net.forward(pictures(2, 32));
    assert!(out.blocks.iter().all(|z| host(z) == host(&out.input)));
    let scores = host(&out.panel.score);
    assert!((scores[0] - scores[1]).abs() > 1e-6, "{scores:?}");
}

#[test]
fn splitmix_begins_as_the_specification_says() {
    assert_eq!(fnv1a64("cls_token"), 0x4121_142b_781a_9599);
    let starts: [(&str, &[usize], &[f32]); 6] = [
        (
            "cls_token",
            &[1, 1, 384],
            &[-4.564_499_8e-4, 5.661_833e-3, 1.594_100_5e-2, 1.288_281_7e-2],
        ),
        (
            "patch_embed.proj.weight",
            &[384, 3, 16, 16],
            &[0.018_568_195, -0.058_089_22, 0.014_163_062, -0.003_675_513],
        ),
        ("blocks.0.norm1.weight", &[384], &[1.006_224_9, 0.984_934_7, 0.927_898_1, 0.986_937_3]),
        ("blocks.0.gamma_1", &[384], &[0.042_405_535, 0.080_318_175, 0.056_264_542, -0.019_073_82]),
        ("head.bunch_embedding", &[1, 6, 384], &[0.002_239_477_6, -0.013_322_189]),
        ("head.heads.weight", &[1, 384], &[-0.087_310_81, 0.020_010_734]),
    ];
    for (name, shape, expected) in starts {
        close(&splitmix_weights(name, shape)[..expected.len()], expected, 1e-7);
    }
}

/// The encoder of a network as the DeiT III authors' file has it, classifier included.
fn deit_file(net: &Deiqt, d: usize) -> Arrays {
    let mut all = arrays(net);
    all.retain(|name, _| !name.starts_with("head."));
    all.insert("head.weight".to_owned(), Array { shape: vec![10, d], data: vec![0.5; 10 * d] });
    all.insert("head.bias".to_owned(), Array { shape: vec![10], data: vec![0.5; 10] });
    all
}

/// The head of the network, filled, beside a file's encoder.
fn with_head(net: &Deiqt, mut encoder: Arrays) -> Arrays {
    encoder.extend(arrays(net).into_iter().filter(|(name, _)| name.starts_with("head.")));
    encoder
}

#[test]
fn an_encoder_file_of_either_naming_makes_the_same_network() {
    let (config, empty) = smoke();
    let file = deit_file(&empty, config.embed_dim);
    let timm: Arrays = file
        .iter()
        .map(|(name, a)| {
            let name = name.replace(".gamma_1", ".ls1.gamma").replace(".gamma_2", ".ls2.gamma");
            (name, a.clone())
        })
        .collect();
    let expected = host(&filled(empty.clone(), |_| {}).score(pictures(1, 32)));
    for arrays in [file, timm] {
        let all = with_head(&empty, encoder_arrays(arrays, &config.encoder()));
        let net = load(empty.clone(), all, "deit.pth", "deiqt").expect("it fits");
        assert_eq!(host(&net.score(pictures(1, 32))), expected);
    }
}

#[test]
fn a_missing_or_misshapen_encoder_tensor_is_named() {
    let (config, empty) = smoke();
    let mut file = deit_file(&empty, config.embed_dim);
    file.remove("blocks.1.norm2.bias");
    file.insert("norm.weight".to_owned(), Array { shape: vec![3], data: vec![1.0; 3] });
    file.insert("blocks.9.odd".to_owned(), Array { shape: vec![1], data: vec![1.0] });
    let all = with_head(&empty, encoder_arrays(file, &config.encoder()));
    let error = load(empty, all, "deit.pth", "deiqt").expect_err("it does not fit");
    let WeightsError::Mismatch { missing, unused, misshapen, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(missing, ["blocks.1.norm2.bias"]);
    assert_eq!(unused, ["blocks.9.odd"]);
    assert_eq!(misshapen, [("norm.weight".to_owned(), vec![24], vec![3])]);
}

/// Its scales are part of DeiT III: only a plain ViT is without.
#[test]
fn a_deit_that_lost_all_its_scales_is_refused() {
    let (config, empty) = smoke();
    let mut file = deit_file(&empty, config.embed_dim);
    file.retain(|name, _| !name.contains(".gamma_"));
    let all = with_head(&empty, encoder_arrays(file, &config.encoder()));
    let error = load(empty, all, "deit.pth", "deiqt").expect_err("half a network");
    let WeightsError::Mismatch { missing, .. } = error else { panic!("{error}") };
    assert_eq!(missing.len(), 2 * config.depth, "{missing:?}");
}

#[test]
fn a_picture_of_another_size_is_refused() {
    let (_, net) = smoke();
    let net = filled(net, |_| {});
    for [h, w] in [[33, 33], [32, 40], [16, 64], [8, 8]] {
        let picture = Tensor::<4>::zeros([1, 3, h, w], &Device::flex());
        let work = std::panic::AssertUnwindSafe(|| net.score(picture));
        let said = std::panic::catch_unwind(work).expect_err("another size");
        let said = said.downcast_ref::<String>().expect("words");
        assert!(said.contains("the network takes 32 x 32"), "{said}");
    }
}

/// A plain ViT, whose class token has a position and whose blocks have no LayerScale, is the same
/// function after its conversion.
#[test]
fn a_plain_vit_becomes_the_same_function() {
    use crate::nn::vit::{Vit, VitConfig};
    let (config, empty) = smoke();
    let sizes = VitConfig {
        image_size: config.image_size,
        patch_size: config.patch_size,
        embed_dim: config.embed_dim,
        depth: config.depth,
        num_heads: config.num_heads,
        mlp_ratio: config.mlp_ratio,
        num_classes: 5,
        ..VitConfig::default()
    };
    let vit = filled(Vit::new(&sizes, &Device::flex()), |_| {});
    let file = encoder_arrays(collect(&vit), &config.encoder());
    assert!(file["blocks.0.gamma_1"].data.iter().all(|&g| g == 1.0));
    let net = load(empty.clone(), with_head(&empty, file), "vit", "deiqt").expect("it fits");
    let x = pictures(2, 32);
    let expected = host(&vit.forward(x.clone()).tokens);
    close(&host(&net.forward(x).norm), &expected, 1e-5);
}
