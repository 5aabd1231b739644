//! The checks of `papers/qpt.md`, section 11, items 1 to 7.

// Numbers stand as the specification prints them.
#![allow(clippy::excessive_precision)]

use super::*;
use biqa::random::stream;
use biqa::weights::host;

const IDS: Ids<'static> = Ids { image: &[0, 0, 1, 1], degradation: &[0, 1, 2, 3] };

fn rows<const D: usize>(rows: [[f32; D]; 4]) -> Tensor<2> {
    Tensor::from_data(rows, &Device::flex())
}

fn example() -> (Tensor<2>, Tensor<2>) {
    let q = rows([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-0.8, 0.6]]);
    let k = rows([[0.8, 0.6], [0.0, 1.0], [-0.6, 0.8], [-1.0, 0.0]]);
    (q, k)
}

fn config(w_degradation: f64, w_content: f64) -> QcConfig {
    QcConfig { temperature: 0.5, w_degradation, w_content, ..QcConfig::default() }
}

fn random(seed: u64, m: usize) -> Tensor<2> {
    let mut draws = stream(seed, "qc", 0);
    let data: Vec<f32> = (0..m * 6).map(|_| draws.uniform(-1.0, 1.0)).collect();
    matrix(data, [m, 6], &Device::flex())
}

fn each(terms: &QcTerms) -> Vec<f32> {
    host(&terms.each)
}

fn close(found: &[f32], expected: &[f32], tolerance: f32) {
    let apart = found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(found.len() == expected.len() && apart <= tolerance, "{found:?}, not {expected:?}");
}

#[test]
fn the_worked_example() {
    let (q, k) = example();
    for (w_d, w_c, expected, mean) in [
        (1.0, 1.0, [0.254665709, 1.026540578, 1.213143008, 1.151449153], 0.911449612),
        (2.0, 1.0, [0.400068453, 1.427561122, 1.271427071, 1.512905139], 1.152990446),
        (1.0, 0.0, [0.183900741, 0.865892937, 0.183900741, 0.865892937], 0.524896839),
    ] {
        let terms = qc_terms(q.clone(), k.clone(), None, IDS, &config(w_d, w_c));
        close(&each(&terms), &expected, 1e-6);
        close(&host(&qc_loss(&terms, None, &config(w_d, w_c))), &[mean], 1e-6);
    }
}

#[test]
fn the_worked_gradient_is_orthogonal_to_the_query() {
    let (q, k) = example();
    let q = Tensor::from_inner(q).require_grad();
    let config = config(1.0, 1.0);
    let terms = qc_terms(q.clone(), Tensor::from_inner(k), None, IDS, &config);
    let grad = host(&q.grad(&qc_loss(&terms, None, &config).backward()).expect("a query"));
    close(&grad[..4], &[0.0, 0.029660693, 0.153681968, -0.115261476], 1e-6);
    for (g, q) in grad.chunks(2).zip(host(&q.inner()).chunks(2)) {
        assert!((g[0] * q[0] + g[1] * q[1]).abs() < 1e-6);
    }
}

#[test]
fn equal_vectors_give_the_logarithm_of_the_weights() {
    let same = rows([[0.3, -0.4]; 4]);
    for (w_d, w_c) in [(1.0, 1.0), (3.0, 0.5)] {
        let terms = qc_terms(same.clone(), same.clone(), None, IDS, &config(w_d, w_c));
        let expected = (1.0 + w_d * 1.0 + w_c * 1.0 * 2.0).ln() as f32;
        close(&each(&terms), &[expected; 4], 1e-6);
        let known = chance(2, 2, 0, &config(w_d, w_c));
        assert!((known - f64::from(expected)).abs() < 1e-6);
        let queued =
            qc_terms(same.clone(), same.clone(), Some(same.clone()), IDS, &config(w_d, w_c));
        let more = chance(2, 2, 4, &config(w_d, w_c));
        close(&each(&queued), &[more as f32; 4], 1e-6);
    }
}

#[test]
fn no_negatives_give_no_loss_and_no_gradient() {
    let device = Device::flex().autodiff();
    let q: Tensor<2> = Tensor::from_data([[0.3, -0.4]], &device).require_grad();
    let k: Tensor<2> = Tensor::from_data([[0.1, 0.9]], &device);
    let ids = Ids { image: &[0], degradation: &[0] };
    let config = config(1.0, 1.0);
    let loss = qc_loss(&qc_terms(q.clone(), k, None, ids, &config), None, &config);
    assert!(host(&loss)[0].abs() < 1e-6);
    let grad = host(&q.grad(&loss.backward()).expect("a query"));
    assert!(grad.iter().all(|g| g.abs() < 1e-6), "{grad:?}");
}

#[test]
fn a_small_temperature_stays_finite() {
    let (q, k) = example();
    let sharp = QcConfig { temperature: 0.002, ..QcConfig::default() };
    assert!(each(&qc_terms(q, k, None, IDS, &sharp)).iter().all(|l| l.is_finite()));
}

#[test]
fn lengths_do_not_matter() {
    let (q, k) = example();
    let plain = each(&qc_terms(q.clone(), k.clone(), None, IDS, &config(1.0, 1.0)));
    let scaled = qc_terms(q * 7.0, k * 0.01, None, IDS, &config(1.0, 1.0));
    close(&each(&scaled), &plain, 1e-6);
}

#[test]
fn the_order_of_pictures_and_of_their_degradations_permutes_the_losses() {
    let (q, k) = (random(1, 4), random(2, 4));
    let plain = each(&qc_terms(q.clone(), k.clone(), None, IDS, &config(2.0, 0.7)));
    for order in [[2, 3, 0, 1], [1, 0, 2, 3]] {
        let of = |x: &Tensor<2>| Tensor::cat(order.map(|i| x.clone().narrow(0, i, 1)).into(), 0);
        let image = order.map(|i| IDS.image[i]);
        let degradation = order.map(|i| IDS.degradation[i]);
        let ids = Ids { image: &image, degradation: &degradation };
        let found = each(&qc_terms(of(&q), of(&k), None, ids, &config(2.0, 0.7)));
        close(&found, &order.map(|i| plain[i]), 1e-5);
    }
}

#[test]
fn one_degradation_a_picture_is_plain_contrast() {
    let (q, k) = (random(3, 4), random(4, 4));
    let ids = Ids { image: &[5, 6, 7, 8], degradation: &[0, 1, 2, 3] };
    let found = each(&qc_terms(q.clone(), k.clone(), None, ids, &config(1.0, 1.0)));
    let unit = |x: &Tensor<2>| -> Vec<Vec<f32>> {
        let length = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt();
        host(x).chunks(6).map(|row| row.iter().map(|v| v / length(row)).collect()).collect()
    };
    let (q, k) = (unit(&q), unit(&k));
    for i in 0..4 {
        let s = |j: usize| q[i].iter().zip(&k[j]).map(|(a, b)| a * b).sum::<f32>() / 0.5;
        let sum: f32 = (0..4).map(|j| s(j).exp()).sum();
        assert!((found[i] - (sum.ln() - s(i))).abs() < 1e-5);
    }
}

#[test]
fn without_content_weight_one_picture_has_no_content_mass() {
    let (q, k) = (random(3, 4), random(4, 4));
    let ids = Ids { image: &[0; 4], degradation: &[0, 1, 2, 3] };
    let terms = qc_terms(q, k, None, ids, &config(1.0, 0.0));
    assert_eq!(host(&terms.prob_content), [0.0; 4]);
    assert!(host(&terms.prob_degradation).iter().all(|&p| p > 0.0));
}

#[test]
fn ids_turn_degradation_negatives_into_content_negatives() {
    let (q, k) = (random(5, 4), random(6, 4));
    let own = Ids { image: &[0, 1, 2, 3], degradation: &[0, 1, 2, 3] };
    let with = qc_terms(q.clone(), k.clone(), None, IDS, &config(1.0, 1.0));
    let without = qc_terms(q, k, None, own, &config(1.0, 1.0));
    close(&each(&with), &each(&without), 1e-6);
    let masses = |terms: &QcTerms| [&terms.prob_degradation, &terms.prob_content].map(host);
    let ([d, c], [no_d, all_c]) = (masses(&with), masses(&without));
    assert_eq!(no_d, [0.0; 4]);
    for i in 0..4 {
        assert!(d[i] > 0.0 && (d[i] + c[i] - all_c[i]).abs() < 1e-6);
    }
}

#[test]
fn the_scale_of_moco_multiplies_the_loss_and_not_its_terms() {
    let (q, k) = example();
    let plain = config(1.0, 1.0);
    let scaled = QcConfig { loss_scale: LossScale::TwoTau, temperature: 0.25, ..plain };
    let terms = qc_terms(q, k, None, IDS, &scaled);
    let once = host(&qc_loss(&terms, None, &QcConfig { loss_scale: LossScale::None, ..scaled }));
    let both = host(&qc_loss(&terms, Some(&terms), &scaled));
    close(&both, &[once[0] * 2.0 * 0.5], 1e-6);
}

#[test]
fn queued_keys_are_content_negatives() {
    let (q, k) = (random(7, 4), random(8, 4));
    let queue = random(9, 3);
    let none = qc_terms(q.clone(), k.clone(), None, IDS, &config(1.0, 1.0));
    let some = qc_terms(q, k, Some(queue), IDS, &config(1.0, 1.0));
    let more = each(&some).iter().zip(each(&none)).all(|(with, without)| *with > without);
    assert!(more, "more negatives, more loss");
    let content = host(&some.prob_content);
    assert!(content.iter().zip(host(&none.prob_content)).all(|(with, without)| *with > without));
}
