//! Gradients of losses and of the papers' own layers against differences, on small cases.

use biqa::models::csfiqa::{Ratio, ScaleProjections, filtered};
use biqa::models::glintiqa::{ChannelAttention, GlintIqaConfig};
use biqa::random::stream;
use biqa::weights::{Array, Arrays, host, load, visit};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use super::csfiqa::{Contrast, Form, Pool, partners, stage_contrast};
use super::lmliqa::{mutual_saliency, mutual_score, regression_all, regression_salient};
use super::qpt::{Ids, QcConfig, qc_loss, qc_terms};
use super::regression::{l1, one_minus_plcc, pairwise_rank, smooth_l1};

fn drawn(name: &str, n: usize) -> Vec<f32> {
    let mut draws = stream(11, name, 0);
    (0..n).map(|_| draws.uniform(-1.0, 1.0)).collect()
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// The gradient of `loss` at `values` is its slope in every number.
fn assert_slopes<const D: usize>(
    name: &str,
    values: &[f32],
    shape: [usize; D],
    loss: impl Fn(Tensor<D>) -> Tensor<1>,
) {
    let leaf = tensor(values, shape, &Device::flex().autodiff()).require_grad();
    let grads = loss(leaf.clone()).backward();
    let grad = host(&leaf.grad(&grads).expect("a part of the loss"));
    assert!(grad.iter().any(|g| g.abs() > 0.02), "{name}: nothing to compare, {grad:?}");
    let step = 4e-3;
    for (i, &found) in grad.iter().enumerate() {
        let at = |by: f32| {
            let mut moved = values.to_vec();
            moved[i] += by;
            let moved = tensor(&moved, shape, &Device::flex().autodiff());
            f64::from(loss(moved).into_scalar::<f32>())
        };
        let slope = (at(step) - at(-step)) / f64::from(2.0 * step);
        let apart = (f64::from(found) - slope).abs();
        assert!(apart < 2e-3 * slope.abs().max(1.0), "{name}, {i}: {found} and {slope}");
    }
}

#[test]
fn gradients_of_regressions_are_their_slopes() {
    let device = Device::flex().autodiff();
    let (values, targets) = (drawn("scores", 8), drawn("targets", 8));
    let target = || tensor(&targets, [8], &device);
    assert_slopes("smooth L1", &values, [8], |x| smooth_l1(x, target(), 0.3));
    assert_slopes("MAE", &values, [8], |x| l1(x, target()));
    assert_slopes("1 - PLCC", &values, [8], |x| one_minus_plcc(x, target()));
    assert_slopes("ranks", &values, [8], |x| pairwise_rank(x, target(), 0.1, 0.5));
    let four = || tensor(&targets[..4], [4], &device);
    assert_slopes("all crops", &values, [4, 2], |x| regression_all(x, four(), 0.3));
    let salient = [0, 1, 1, 0];
    assert_slopes("salient crop", &values, [4, 2], |x| {
        regression_salient(x, four(), &salient, 0.3)
    });
}

#[test]
fn gradients_of_mutual_learning_are_its_slopes() {
    let device = Device::flex().autodiff();
    let (student, teacher) = (drawn("student", 12), drawn("teacher", 12));
    let teacher = || tensor(&teacher, [4, 3], &device);
    assert_slopes("saliency", &student, [4, 3], |x| mutual_saliency(x, teacher(), 0.5));
    let salient = [2, 0, 1, 1];
    assert_slopes("score", &student, [4, 3], |x| mutual_score(x, teacher(), &salient));
}

#[test]
fn gradients_of_the_quality_contrast_are_its_slopes() {
    let device = Device::flex().autodiff();
    let ids = Ids { image: &[0, 0, 1, 1, 2, 2], degradation: &[0, 1, 2, 3, 4, 5] };
    let other = |name: &str, rows: usize| tensor(&drawn(name, rows * 4), [rows, 4], &device);
    for symmetric in [false, true] {
        let (w_degradation, w_content) = (2.0, 0.5);
        let config = QcConfig { w_degradation, w_content, symmetric, ..QcConfig::default() };
        assert_slopes("QC-Loss", &drawn("q1", 24), [6, 4], |q1| {
            let queue = || Some(other("queue", 5));
            let first = qc_terms(q1, other("k2", 6), queue(), ids, &config);
            let second =
                symmetric.then(|| qc_terms(other("q2", 6), other("k1", 6), queue(), ids, &config));
            qc_loss(&first, second.as_ref(), &config)
        });
    }
}

#[test]
fn gradients_of_the_scale_contrast_are_its_slopes_in_both_forms() {
    let device = Device::flex().autodiff();
    let labels = [0.0, 1.0, 9.0, 10.0];
    let empty = ScaleProjections::new(1, [4, 6], 5, &Device::flex());
    let projections = filled(empty).train();
    let large = || tensor(&drawn("large", 4 * 5 * 6), [4, 5, 6], &device);
    for scl_form in [Form::PerPositive, Form::MeanExp] {
        for scl_pool in [Pool::Avg, Pool::Cls] {
            // The choice of noise regions is not to change within a step of the differences.
            let contrast = Contrast { scl_form, scl_pool, nsm: false, ..Contrast::default() };
            let found = partners(&labels, &contrast);
            let name = format!("{scl_form:?}, {scl_pool:?}");
            assert_slopes(&name, &drawn("small", 4 * 10 * 4), [4, 10, 4], |small| {
                stage_contrast(&projections, 0, [small, large()], &found, &contrast).loss
            });
        }
    }
}

#[test]
fn gradients_of_filtered_attention_are_its_slopes() {
    let device = Device::flex().autodiff();
    let ratios: Vec<Ratio> = serde_json::from_str("[\"1/2\", \"3/4\"]").expect("ratios");
    let weight = || tensor(&drawn("weight", 24), [1, 2, 2, 6], &device);
    let mix = drawn("mix", 2);
    // Apart by more than a step, so that the same keys stay.
    let scores: Vec<f32> = (0..24).map(|i| ((i * 7) % 24) as f32 / 8.0 - 1.5).collect();
    let of =
        |scores: Tensor<4>, mix: Tensor<1>| (filtered(scores, mix, &ratios) * weight()).sum() * 8.0;
    assert_slopes("scores", &scores, [1, 2, 2, 6], |x| of(x, tensor(&mix, [2], &device)));
    assert_slopes("mix", &mix, [2], |m| of(tensor(&scores, [1, 2, 2, 6], &device), m));
}

#[test]
fn gradients_of_channel_attention_are_its_slopes() {
    let device = Device::flex().autodiff();
    for reinterpret in [true, false] {
        let config = GlintIqaConfig { reinterpret, ..GlintIqaConfig::default() };
        let net = filled(ChannelAttention::new(&config, 4, &Device::flex())).train();
        let weight = || tensor(&drawn("weight", 24), [2, 3, 4], &device);
        assert_slopes("CWSA", &drawn("x", 24), [2, 3, 4], |x| {
            (net.forward(x, None).out * weight()).sum()
        });
    }
}

/// Numbers of a seed; norms near 1.
fn filled<M: Module>(net: M) -> M {
    let mut arrays = Arrays::new();
    visit(&net, |name, value| {
        let n = value.shape.iter().product();
        let shift = if name.ends_with("norm.weight") { 1.0 } else { 0.0 };
        let data = drawn(name, n).into_iter().map(|v| shift + 0.4 * v).collect();
        arrays.insert(name.to_owned(), Array { shape: value.shape, data });
    });
    load(net, arrays, "it", "it").expect("every tensor")
}
