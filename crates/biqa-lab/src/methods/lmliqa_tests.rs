//! The checks of `papers/lml-iqa.md`, section 11, that need training.

use super::super::deiqt::{DeiqtMethod, DeiqtOptions};
use super::super::made::{batch, fresh, train};
use super::*;
use biqa::models::deiqt::{Deiqt, DeiqtConfig};
use biqa::weights::load;
use burn::module::Module;

fn smoke(change: impl FnOnce(&mut LmlIqaOptions)) -> LmlIqaMethod {
    let mut options = LmlIqaOptions { n_crops: 3, ..LmlIqaOptions::default() };
    change(&mut options);
    LmlIqaMethod::new(LmlIqaConfig::preset("smoke").expect("a preset"), options)
}

#[test]
fn it_asks_for_the_whole_picture_only_where_that_is_looked_at() {
    let needs = smoke(|_| {}).needs();
    assert_eq!(needs, Needs { crop: 32, group: 3, whole: true });
    assert!(!smoke(|o| o.saliency = Saliency::CropCls).needs().whole);
    assert!(!smoke(|o| (o.lambda_con, o.lambda_mut) = (0.0, 0.0)).needs().whole);
}

#[test]
fn decays_follow_deiqt_and_the_projections_weights_decay() {
    let method = smoke(|_| {});
    assert!(method.decays("proj.fc1.weight", 2) && !method.decays("proj.fc1.bias", 1));
    assert!(method.decays("head.bunch_embedding", 3) && !method.decays("cls_token", 3));
}

/// Without contrast, mutual term and groups one step is DEIQT's on the same crops.
#[test]
fn without_its_terms_a_step_is_deiqts() {
    let mut method = smoke(|o| (o.n_crops, o.lambda_con, o.lambda_mut) = (1, 0.0, 0.0));
    let net = fresh(&method);
    let sizes =
        DeiqtConfig { decoder_mlp_ratio: 4.0, ..DeiqtConfig::preset("smoke").expect("one") };
    let mut base = DeiqtMethod::new(sizes, DeiqtOptions::default());
    let mut arrays = collect(&net);
    arrays.retain(|name, _| !name.starts_with("proj."));
    let deiqt = load(Deiqt::new(&sizes, &Device::flex()), arrays, "the same", "deiqt");
    let deiqt = deiqt.expect("the same names and shapes").train();
    method.begin(&net);
    assert!(method.teacher.is_none());
    let (losses, net) = train(&mut method, net, 2, 4);
    let (expected, deiqt) = train(&mut base, deiqt, 2, 4);
    assert_eq!(losses, expected);
    let mut learnt = collect(&net);
    learnt.retain(|name, _| !name.starts_with("proj."));
    assert_eq!(learnt, collect(&deiqt));
}

#[test]
fn a_teacher_equal_to_its_student_has_no_mutual_loss() {
    let mut method = smoke(|_| {});
    let net = fresh(&method);
    method.begin(&net);
    let terms = method.terms(&net, &batch(method.needs(), 2, 0)).expect("a batch");
    let names: Vec<&str> = terms.parts.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["smooth_l1", "contrast", "mutual"]);
    let mutual: f32 = terms.parts[2].1.clone().into_scalar();
    assert!(mutual.abs() < 1e-7, "{mutual}");
}

#[test]
fn the_teacher_follows_by_the_formula_and_is_no_parameter() {
    let mut method = smoke(|o| o.mu = Some(0.9));
    let net = fresh(&method);
    method.begin(&net);
    let before = collect(&net);
    let (_, net) = train(&mut method, net, 1, 2);
    let (after, teacher) = (collect(&net), collect(method.teacher.expect("one").net()));
    assert_eq!(after.len(), before.len());
    for (name, teacher) in &teacher {
        let (old, new) = (&before[name].data, &after[name].data);
        for ((t, o), n) in teacher.data.iter().zip(old).zip(new) {
            assert!((t - (0.9 * o + 0.1 * n)).abs() < 1e-6, "{name}: {t} from {o} and {n}");
        }
    }
    assert_ne!(teacher["head.heads.weight"], before["head.heads.weight"]);
}

/// Section 6.
#[test]
fn in_a_short_run_the_teacher_follows_faster() {
    for (mu, steps, expected) in
        [(None, 999, 0.99), (None, 1000, 0.999), (Some(0.5), 10, 0.5), (Some(0.5), 5000, 0.5)]
    {
        let mut method = smoke(|o| o.mu = mu);
        method.expect_steps(steps);
        assert_eq!(method.options.follow(method.steps).momentum, expected, "{steps} steps");
    }
}

/// Section 5.
#[test]
fn version_1_of_the_paper_also_draws_the_other_crops_together() {
    let of = |keys: &str| {
        let options: LmlIqaOptions = toml::from_str(keys).expect("options");
        (options.contrast_weights().w_cluster, toml::to_string(&options).expect("text"))
    };
    let (default, text) = of("");
    assert!(default == 0.0 && !text.contains("variant"), "{text}");
    assert_eq!(of("variant = \"v2\"").1, text);
    assert_eq!(of("variant = \"v1\"").0, 1.0);
    assert_eq!(of("variant = \"v1\"\nw_cluster = 0.5").0, 0.5);
    assert_eq!(of("w_cluster = 1.0").0, 1.0);
}

#[test]
fn a_checkpoint_restores_the_teacher_to_the_bit() {
    let mut method = smoke(|o| o.ema_warmup = true);
    let net = fresh(&method);
    method.begin(&net);
    let (_, net) = train(&mut method, net, 3, 2);
    let mut other = smoke(|o| o.ema_warmup = true);
    other.restore(&net, method.state()).expect("its own state");
    assert_eq!(other.state(), method.state());
    assert!(method.state().keys().any(|name| name == "teacher.head.heads.weight"));
    let next = |mut method: LmlIqaMethod| {
        method.after_step(net.clone());
        method.state()
    };
    assert_eq!(next(method), next(other));
}

#[test]
fn every_variant_trains() {
    let variants: [fn(&mut LmlIqaOptions); 5] = [
        |_| {},
        |o| o.w_cluster = 1.0,
        |o| (o.saliency, o.reg_crops) = (Saliency::CropCls, RegCrops::Salient),
        |o| (o.mutual, o.score_with) = (Mutual::Score, ScoreWith::Teacher),
        |o| (o.mutual, o.n_crops) = (Mutual::None, 1),
    ];
    for (i, change) in variants.into_iter().enumerate() {
        let mut method = smoke(change);
        let net = fresh(&method);
        method.begin(&net);
        let (losses, net) = train(&mut method, net, 3, 2);
        assert!(losses.iter().all(|loss| loss.is_finite()), "variant {i}: {losses:?}");
        let (config, arrays) = method.exported(&net);
        let scored = biqa::models::Network::new("lmliqa", &config, "it", &Device::flex());
        let scored = scored.expect("a config").load(arrays, "it").expect("a network that scores");
        let crops = batch(method.needs(), 1, 9).crops.narrow(0, 0, 1);
        let of_teacher = method.options.score_with == ScoreWith::Teacher;
        let teacher = method.teacher.as_ref().filter(|_| of_teacher).map(|t| t.net().clone());
        let expected = teacher.unwrap_or_else(|| net.valid());
        let crops_inner = crops.inner();
        let expected = f64::from(host(&expected.score(crops_inner.clone()))[0]);
        // With and without gradients the last bit may differ.
        let found = scored.score(vec![crops_inner]);
        assert!((found - expected).abs() < 1e-6, "variant {i}: {found}, not {expected}");
    }
}

#[test]
fn a_batch_without_whole_pictures_is_refused_in_words() {
    let mut method = smoke(|_| {});
    let net = fresh(&method);
    let batch = Batch { whole: None, ..batch(method.needs(), 2, 0) };
    let error = method.terms(&net, &batch).expect_err("not begun");
    assert!(error.to_string().contains("the teacher was not begun"), "{error}");
    method.begin(&net);
    let error = method.terms(&net, &batch).expect_err("no whole pictures");
    assert!(error.to_string().contains("needs the whole pictures"), "{error}");
}
