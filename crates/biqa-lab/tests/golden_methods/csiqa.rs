//! `csiqa-*`: papers/csiqa.md, section 10.

use biqa::golden::{Case, GoldenError, Tensors};
use biqa::models::csiqa::{Csiqa, CsiqaConfig, CsiqaOutput, UNUSED};
use biqa::nn::mask::{Layout, visible};
use biqa_lab::losses::csiqa::{Features, Pairs, Shares, contrast, pairs};
use biqa_lab::methods::csiqa::{CsiqaLosses, CsiqaMethod, CsiqaOptions};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::common::{Found, bits, code, config, filled, golden, gradients, slices, tensor};

/// Keys of a case that are not the network's: training, slices, and rules with one value.
const OTHERS: [&str; 36] = [
    "slice_tokens",
    "slice_channels",
    "local_tokens",
    "token_order",
    "mask_enabled",
    "mask_layout",
    "mask_ratio",
    "contrast_enabled",
    "contrast_weight",
    "contrast_layers",
    "contrast_features",
    "contrast_temperature",
    "contrast_teacher",
    "contrast_hard",
    "contrast_cross_device",
    "contrast_pos",
    "contrast_pos_pool",
    "contrast_neg",
    "contrast_neg_pool",
    "contrast_hard_pos",
    "contrast_hard_neg",
    "contrast_ema_keep",
    "init_local",
    "temperature",
    "beta",
    "pairs",
    "hard",
    "pos",
    "pos_pool",
    "neg",
    "neg_pool",
    "hard_pos",
    "hard_neg",
    "rounding",
    "ties",
    "normalise",
];

pub fn case(case: &Case) -> Result<(), GoldenError> {
    let found = match (case.model.as_str(), case.kind.as_str()) {
        ("csiqa", "forward") => forward(case)?,
        ("csiqa", "train_forward") => training(case, false)?,
        ("csiqa", "grad") => training(case, true)?,
        ("csiqa_pairs", _) => told(&pairs_of(case)?, "pos", "neg"),
        ("csiqa_contrast", _) => one_layer(case)?,
        ("csiqa_mask", _) => mask(case)?,
        (other, kind) => return Err(GoldenError::NotBuilt(format!("{other} {kind}"))),
    };
    case.compare_all(&Tensors(found))
}

fn network(case: &Case) -> Result<(CsiqaConfig, Csiqa), GoldenError> {
    let sizes = config::<CsiqaConfig>(case, &OTHERS)?;
    let net = Csiqa::new(&sizes, &Device::flex());
    Ok((sizes, filled(net, case, |name| !UNUSED.contains(&name))?))
}

fn forward(case: &Case) -> Result<Found, GoldenError> {
    let (_, net) = network(case)?;
    let image = tensor(case.inputs()?.get("image")?, &Device::flex());
    outputs(case, net.forward(image))
}

fn outputs(case: &Case, out: CsiqaOutput) -> Result<Found, GoldenError> {
    let CsiqaOutput { patches, input, blocks, norm, decoder_cls, decoder_local, score } = out;
    let [b] = score.dims();
    let mut tokens = vec![
        ("tokens.input".to_owned(), input),
        ("norm".to_owned(), norm),
        ("decoder.cls".to_owned(), decoder_cls),
        ("decoder.local".to_owned(), decoder_local),
    ];
    tokens.extend(blocks.into_iter().enumerate().map(|(i, z)| (format!("block.{i}"), z)));
    let mut found = Found::from([
        ("tokens.patch_embed".to_owned(), golden(patches)),
        ("score".to_owned(), golden(score.reshape([b, 1]))),
    ]);
    slices(case, &tokens, &mut found)?;
    found.extend(tokens.into_iter().map(|(name, x)| (name, golden(x))));
    Ok(found)
}

/// The keys of a case that recipes have in groups.
fn options(case: &Case) -> Result<CsiqaOptions, GoldenError> {
    let mut options = CsiqaOptions::default();
    if let Some(word) = of_pairs(case, "contrast_teacher").filter(|word| *word != "none") {
        // Whose scores they are makes no difference to a case, which brings them.
        options.contrast.teacher = serde_json::from_value(word.clone()).map_err(code)?;
    }
    options.beta = case.number_or("beta", options.beta)?;
    options.mask.enabled = case.switch_or("mask_enabled", true)?;
    options.mask.ratio = case.number_or("mask_ratio", options.mask.ratio)?;
    options.mask.layout = layout(case)?;
    let contrast = &mut options.contrast;
    contrast.enabled = case.switch_or("contrast_enabled", true)?;
    contrast.hard = hard(case);
    contrast.weight = case.number_or("contrast_weight", contrast.weight)?;
    for key in ["temperature", "contrast_temperature"] {
        contrast.temperature = case.number_or(key, contrast.temperature)?;
    }
    if case.switch_or("contrast_cross_device", false)? {
        return Err(code("contrast_cross_device: a batch is that of one device"));
    }
    if let Some(layers) = case.config.get("contrast_layers") {
        contrast.layers = serde_json::from_value(layers.clone()).map_err(code)?;
    }
    contrast.features = features(case)?;
    let Shares { pos, pos_pool, neg, neg_pool, hard_pos, hard_neg } = shares(case);
    (options.contrast.pos, options.contrast.pos_pool) = (pos, pos_pool);
    (options.contrast.neg, options.contrast.neg_pool) = (neg, neg_pool);
    (options.contrast.hard_pos, options.contrast.hard_neg) = (hard_pos, hard_neg);
    Ok(options)
}

fn layout(case: &Case) -> Result<Layout, GoldenError> {
    match case.text("mask_layout") {
        Ok("intended") | Err(_) => Ok(Layout::Intended),
        Ok("released") => Ok(Layout::Released),
        Ok(other) => Err(code(format!("mask_layout {other:?}"))),
    }
}

fn features(case: &Case) -> Result<Features, GoldenError> {
    match case.config.get("contrast_features") {
        Some(features) => serde_json::from_value(features.clone()).map_err(code),
        None => Ok(Features::AllTokens),
    }
}

/// What is said of the pairs, in the group `pairs` or at the top.
fn of_pairs<'a>(case: &'a Case, key: &str) -> Option<&'a serde_json::Value> {
    let group = case.config.get("pairs").and_then(|pairs| pairs.get(key));
    group.or_else(|| case.config.get(key))
}

fn hard(case: &Case) -> bool {
    let off = |key| of_pairs(case, key).and_then(serde_json::Value::as_bool) == Some(false);
    let no_teacher = of_pairs(case, "contrast_teacher").is_some_and(|word| word == "none");
    !(off("hard") || off("contrast_hard") || no_teacher)
}

/// The sizes of the sets.
fn shares(case: &Case) -> Shares {
    let Shares { pos, pos_pool, neg, neg_pool, hard_pos, hard_neg } = Shares::default();
    let share = |key: &str, default| {
        let found = of_pairs(case, key).or_else(|| of_pairs(case, &format!("contrast_{key}")));
        found.and_then(serde_json::Value::as_f64).unwrap_or(default)
    };
    Shares {
        pos: share("pos", pos),
        pos_pool: share("pos_pool", pos_pool),
        neg: share("neg", neg),
        neg_pool: share("neg_pool", neg_pool),
        hard_pos: share("hard_pos", hard_pos),
        hard_neg: share("hard_neg", hard_neg),
    }
}

fn training(case: &Case, with_grads: bool) -> Result<Found, GoldenError> {
    let (sizes, net) = network(case)?;
    let options = options(case)?;
    let method = CsiqaMethod::new(sizes, options);
    let inputs = case.inputs()?;
    let image: Tensor<4> = tensor(inputs.get("image")?, &Device::flex());
    let labels = inputs.get("label")?.f32s();
    // The sets are told even where no contrast is made of them.
    let teacher = match inputs.get("teacher_score") {
        _ if !options.contrast.hard => None,
        Err(_) if !options.contrast.enabled => None,
        score => Some(score?.f32s()),
    };
    let u = if options.mask.enabled { inputs.get("mask_u")?.f32s() } else { Vec::new() };
    let per_block = u.len() / sizes.depth;
    let wanted = labels.len() * sizes.num_heads * (sizes.tokens() - 1);
    if options.mask.enabled && (per_block != wanted || u.len() != sizes.depth * wanted) {
        return Err(code("mask_u has another size"));
    }
    let mask_u = |block: usize| {
        options.mask.enabled.then(|| u[block * per_block..(block + 1) * per_block].to_vec())
    };

    let net = net.train();
    let losses = method.losses(&net, image.autodiff(), &labels, teacher.as_deref(), mask_u);
    let CsiqaLosses { output, pairs, layers, contrast, smooth_l1 } = losses;
    let nothing = Tensor::zeros([1], &smooth_l1.device());
    let contrast = contrast.unwrap_or(nothing);
    let loss = smooth_l1.clone() + contrast.clone();
    let mut found = outputs(case, output)?;
    found.extend(told(&pairs, "pairs.pos", "pairs.neg"));
    if with_grads {
        gradients(&net, &loss.backward(), &mut found);
    }
    if !layers.is_empty() {
        found.insert("contrast.layer".to_owned(), golden(Tensor::cat(layers, 0)));
    }
    found.insert("contrast".to_owned(), golden(contrast));
    found.insert("loss.smooth_l1".to_owned(), golden(smooth_l1));
    found.insert("loss".to_owned(), golden(loss));
    Ok(found)
}

fn pairs_of(case: &Case) -> Result<Pairs, GoldenError> {
    let inputs = case.inputs()?;
    let labels = inputs.get("label")?.f32s();
    let teacher = if hard(case) { Some(inputs.get("teacher_score")?.f32s()) } else { None };
    Ok(pairs(&labels, teacher.as_deref(), &shares(case)))
}

fn told(pairs: &Pairs, pos: &str, neg: &str) -> Found {
    let shape = [pairs.pictures; 2];
    Found::from([
        (pos.to_owned(), bits(&pairs.pos, &shape)),
        (neg.to_owned(), bits(&pairs.neg, &shape)),
    ])
}

fn one_layer(case: &Case) -> Result<Found, GoldenError> {
    let device = Device::flex().autodiff();
    let features: Tensor<3> = tensor(case.inputs()?.get("features")?, &device).require_grad();
    let pairs = pairs_of(case)?;
    let of = self::features(case)?.of(features.clone());
    let loss = contrast(
        of,
        &pairs,
        case.number_or("temperature", case.number_or("contrast_temperature", 0.3)?)?,
    );
    let grad = features.grad(&loss.backward()).ok_or_else(|| code("no gradient"))?;
    let mut found = told(&pairs, "pos", "neg");
    found.insert("loss".to_owned(), golden(loss));
    found.insert("grad.features".to_owned(), golden(grad));
    Ok(found)
}

fn mask(case: &Case) -> Result<Found, GoldenError> {
    let inputs = case.inputs()?;
    let u = inputs.get("mask_u")?;
    let &[depth, b, h, others] = u.shape.as_slice() else { return Err(code("mask_u")) };
    let n = others + 1;
    let size = [depth, b, h, n, n];
    if !case.switch_or("mask_enabled", true)? {
        let all = vec![true; size.iter().product()];
        return Ok(Found::from([("mask".to_owned(), bits(&all, &size))]));
    }
    // Blocks are images further along: every one has numbers of its own.
    let mask =
        visible(&u.f32s(), [depth * b, h, n], case.number_or("mask_ratio", 0.3)?, layout(case)?);
    let mask = mask.ok_or_else(|| code("mask_u has another size"))?;
    Ok(Found::from([("mask".to_owned(), bits(&mask, &size))]))
}
