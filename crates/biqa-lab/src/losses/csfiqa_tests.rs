//! The worked examples of `papers/csfiqa.md`, sections 6 and 7, and the checks of section 13 that
//! belong to the loss.

// Numbers stand as the specification prints them.
#![allow(clippy::excessive_precision)]

use super::*;
use biqa::random::stream;

const LABELS: [f32; 6] = [0.0, 2.0, 7.0, 10.0, 10.0, 5.0];

fn flat<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn value(loss: &Tensor<1>) -> f32 {
    host(loss)[0]
}

/// The marked columns of every row.
fn sets(marks: &[bool], b: usize) -> Vec<Vec<usize>> {
    marks.chunks(b).map(|row| (0..b).filter(|&j| row[j]).collect()).collect()
}

#[test]
fn selection_gives_the_table_of_the_specification() {
    let nearest = vec![vec![1], vec![0], vec![5], vec![4], vec![3], vec![2]];
    let of = |select, norm| {
        let found = partners(
            &LABELS,
            &Contrast { scl_select: select, scl_norm: norm, ..Contrast::default() },
        );
        (sets(&found.pos_intra, 6), sets(&found.neg, 6))
    };
    let (pos, neg) = of(Select::Distance, Norm::BatchMax);
    assert_eq!(pos, nearest);
    assert_eq!(neg, [vec![2, 3, 4], vec![3, 4], vec![0], vec![0, 1], vec![0, 1], vec![]]);
    let (pos, neg) = of(Select::Distance, Norm::AnchorMax);
    assert_eq!(pos, [vec![1], vec![], vec![], vec![4], vec![3], vec![]]);
    assert_eq!(neg, [vec![2, 3, 4], vec![3, 4], vec![0, 1], vec![0, 1], vec![0, 1], vec![0, 3, 4]]);
    let (pos, neg) = of(Select::Rank, Norm::BatchMax);
    assert_eq!(pos, nearest);
    assert_eq!(neg, [vec![3, 4], vec![3, 4], vec![0, 1], vec![0, 1], vec![0, 1], vec![0, 3]]);
}

#[test]
fn a_far_picture_that_is_already_near_is_dropped_without_another() {
    let contrast =
        Contrast { scl_select: Select::Rank, gamma1: 0.25, gamma2: 0.75, ..Contrast::default() };
    let found = partners(&[0.0, 1.0, 1.0, 1.0], &contrast);
    assert_eq!(sets(&found.pos_intra, 4)[0], [1]);
    assert!(sets(&found.neg, 4)[0].is_empty());
}

#[test]
fn a_picture_is_its_own_positive_between_scales_where_asked() {
    let with = partners(&LABELS, &Contrast::default());
    let without =
        partners(&LABELS, &Contrast { inter_self_positive: false, ..Contrast::default() });
    assert_eq!(without.pos_inter, without.pos_intra);
    for i in 0..6 {
        assert!(with.pos_inter[7 * i] && !with.pos_intra[7 * i] && !with.neg[7 * i]);
    }
}

#[rustfmt::skip]
const S: [f32; 16] = [
    1.0, 0.9, 0.1, 0.5,
    0.9, 1.0, -0.2, 0.3,
    0.1, -0.2, 1.0, 0.0,
    0.5, 0.3, 0.0, 1.0,
];

fn marks<const N: usize>(b: usize, pairs: [(usize, usize); N]) -> Vec<bool> {
    (0..b * b).map(|p| pairs.contains(&(p / b, p % b))).collect()
}

#[test]
fn the_loss_gives_the_worked_examples() {
    let pos = marks(4, [(0, 1), (0, 3), (1, 0), (3, 0)]);
    let neg = marks(4, [(0, 2), (1, 2), (2, 0), (2, 1)]);
    let nce = |form| value(&info_nce(flat(S.to_vec(), [4, 4]), &pos, &neg, None, form, 0.5));
    assert!((nce(Form::PerPositive) - 0.1912920116).abs() < 1e-6);
    assert!((nce(Form::MeanExp) - 0.1754272191).abs() < 1e-6);

    let three: Vec<f32> = (0..9).map(|p| S[p / 3 * 4 + p % 3]).collect();
    let pos = marks(3, [(0, 1), (1, 0)]);
    let neg = marks(3, [(0, 2), (1, 2), (2, 0), (2, 1)]);
    let nce = |noise: Option<Tensor<2>>| {
        let s = flat(three.clone(), [3, 3]);
        value(&info_nce(s, &pos, &neg, noise, Form::PerPositive, 0.5))
    };
    assert!((nce(None) - 0.1444920303).abs() < 1e-6);
    assert!((nce(Some(flat(vec![-0.5, 0.3, 0.2], [3, 1]))) - 0.2891313868).abs() < 1e-6);
}

#[test]
fn the_bins_are_the_specifications() {
    assert_eq!(bins(8, 5), [(0, 2), (1, 4), (3, 5), (4, 7), (6, 8)]);
    #[rustfmt::skip]
    assert_eq!(bins(20, 14), [
        (0, 2), (1, 3), (2, 5), (4, 6), (5, 8), (7, 9), (8, 10), (10, 12), (11, 13), (12, 15),
        (14, 16), (15, 18), (17, 19), (18, 20),
    ]);
}

#[test]
fn pooling_keeps_a_constant_and_averages_what_a_region_covers() {
    let weights = grid_pool(8, 5);
    for row in weights.chunks_exact(64) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
    // Region (1, 2): rows 1..4, columns 3..5, six tokens.
    let row = &weights[(5 + 2) * 64..][..64];
    let marked: Vec<usize> = (0..64).filter(|&t| row[t] > 0.0).collect();
    assert_eq!(marked, [11, 12, 19, 20, 27, 28]);
    assert!((row[11] - 1.0 / 6.0).abs() < 1e-7);
}

/// Projections and tokens of two stages: small 3 x 3 tokens of 4 channels, large 2 x 2 of 5.
struct Made {
    projections: ScaleProjections,
    small: Tensor<3>,
    large: Tensor<3>,
}

fn made(b: usize) -> Made {
    use biqa::weights::{Array, Arrays, load, visit};
    let mut draws = stream(5, "scl", b as u64);
    let mut numbers = |n: usize| -> Vec<f32> { (0..n).map(|_| draws.uniform(-1.0, 1.0)).collect() };
    let empty = ScaleProjections::new(1, [4, 5], 3, &Device::flex());
    let mut arrays = Arrays::new();
    visit(&empty, |name, value| {
        let data = numbers(value.shape.iter().product());
        arrays.insert(name.to_owned(), Array { shape: value.shape, data });
    });
    Made {
        projections: load(empty, arrays, "made-up", "projections").expect("its names"),
        small: flat(numbers(b * 10 * 4), [b, 10, 4]),
        large: flat(numbers(b * 5 * 5), [b, 5, 5]),
    }
}

fn contrast_of(made: &Made, labels: &[f32], contrast: &Contrast) -> StageContrast {
    let tokens = [made.small.clone(), made.large.clone()];
    stage_contrast(&made.projections, 0, tokens, &partners(labels, contrast), contrast)
}

#[test]
fn equal_labels_and_single_pictures_give_no_loss_without_noise() {
    let off = Contrast { nsm: false, ..Contrast::default() };
    for form in [Form::PerPositive, Form::MeanExp] {
        let off = Contrast { scl_form: form, ..off };
        assert_eq!(value(&contrast_of(&made(3), &[2.0; 3], &off).loss), 0.0, "{form:?}");
        assert_eq!(value(&contrast_of(&made(1), &[2.0], &off).loss), 0.0, "{form:?}");
    }
}

/// Section 13, item 5: the gradient is zero too, not a NaN.
#[test]
fn equal_labels_without_noise_have_a_gradient_of_zero() {
    for form in [Form::PerPositive, Form::MeanExp] {
        let off = Contrast { nsm: false, scl_form: form, ..Contrast::default() };
        let made = made(3);
        let small = Tensor::from_inner(made.small).require_grad();
        let large = Tensor::from_inner(made.large).require_grad();
        let found = stage_contrast(
            &burn::module::Module::train(made.projections),
            0,
            [small.clone(), large.clone()],
            &partners(&[2.0; 3], &off),
            &off,
        );
        let grads = found.loss.backward();
        for leaf in [small, large] {
            let grad = leaf.grad(&grads).map(|grad| host(&grad)).unwrap_or_default();
            assert!(grad.iter().all(|&g| g == 0.0), "{form:?}: {grad:?}");
        }
    }
}

#[test]
fn a_single_picture_has_itself_and_its_noise_sample() {
    for form in [Form::PerPositive, Form::MeanExp] {
        let on = Contrast { scl_form: form, ..Contrast::default() };
        let found = contrast_of(&made(1), &[2.0], &on);
        assert_eq!(found.intra.each_ref().map(value), [0.0, 0.0]);
        let inter = found.inter.each_ref().map(value);
        assert!(inter.iter().all(|v| v.is_finite() && *v > 0.0), "{inter:?}");
    }
}

#[test]
fn noise_samples_are_the_least_alike_regions_rising() {
    let all = Contrast { nsm_m: 196, ..Contrast::default() };
    let noise = contrast_of(&made(2), &[1.0, 2.0], &all).noise.expect("it is on");
    let (c, values) = (host(&noise.similarity), host(&noise.values));
    assert_eq!(noise.values.dims(), [2, 4], "no more than there are regions");
    for picture in 0..2 {
        let row = &values[4 * picture..][..4];
        assert!(row.windows(2).all(|w| w[0] <= w[1]), "{row:?}");
        let (first, c) = (noise.index[4 * picture], &c[4 * picture..][..4]);
        assert_eq!(c[first], c.iter().copied().fold(f32::INFINITY, f32::min));
    }
    assert_eq!(smallest(&[0.5, 0.1, 0.1, 0.0], 3), [3, 1, 2]);
}

/// Section 13, item 8: with all regions, every one of them adds to the sum below the fraction.
#[test]
fn more_noise_samples_make_the_loss_larger_until_there_are_no_more_regions() {
    let of = |nsm_m| {
        let contrast = Contrast { nsm_m, ..Contrast::default() };
        value(&contrast_of(&made(2), &[1.0, 2.0], &contrast).loss)
    };
    let losses = [1, 2, 3, 4].map(of);
    assert!(losses.windows(2).all(|w| w[0] < w[1]), "{losses:?}");
    assert_eq!(of(196), losses[3]);
}

#[test]
fn the_order_of_pictures_does_not_matter() {
    let labels = [0.0, 2.0, 7.5, 10.0];
    let made = made(4);
    let before = value(&contrast_of(&made, &labels, &Contrast::default()).loss);
    let order = [2, 0, 3, 1];
    let reorder = |t: &Tensor<3>| Tensor::cat(order.map(|i| t.clone().narrow(0, i, 1)).into(), 0);
    let turned = Made { small: reorder(&made.small), large: reorder(&made.large), ..made };
    let labels = order.map(|i| labels[i]);
    let after = value(&contrast_of(&turned, &labels, &Contrast::default()).loss);
    assert!((before - after).abs() < 1e-6, "{before}, then {after}");
}

#[test]
fn tokens_without_contrast_between_regions_give_finite_losses_and_gradients() {
    let device = Device::flex().autodiff();
    let made = made(2);
    for form in [Form::PerPositive, Form::MeanExp] {
        let contrast = Contrast { scl_form: form, ..Contrast::default() };
        let small = Tensor::<3>::ones([2, 10, 4], &device).require_grad();
        let large = Tensor::<3>::zeros([2, 5, 5], &device).require_grad();
        let found = stage_contrast(
            &burn::module::Module::train(made.projections.clone()),
            0,
            [small.clone(), large.clone()],
            &partners(&[0.0, 1.0], &contrast),
            &contrast,
        );
        let grads = found.loss.backward();
        for grad in [small.grad(&grads), large.grad(&grads)] {
            assert!(host(&grad.expect("a part of the loss")).iter().all(|g| g.is_finite()));
        }
    }
}

/// The gradient of the whole of (6.7) by differences, with the noise regions kept.
#[test]
fn gradients_agree_with_differences() {
    let labels = [0.0, 3.0, 10.0];
    let made = made(3);
    let contrast = Contrast { nsm_m: 2, ..Contrast::default() };
    let loss = |small: &Tensor<3>| {
        let tokens = [small.clone(), made.large.clone()];
        stage_contrast(&made.projections, 0, tokens, &partners(&labels, &contrast), &contrast)
    };
    let small = Tensor::from_inner(made.small.clone()).require_grad();
    let tokens = [small.clone(), Tensor::from_inner(made.large.clone())];
    let projections = burn::module::Module::train(made.projections.clone());
    let found = stage_contrast(&projections, 0, tokens, &partners(&labels, &contrast), &contrast);
    let grad = host(&small.grad(&found.loss.backward()).expect("a part of the loss"));
    let numbers = host(&made.small);
    let step = 1e-2;
    for i in (0..numbers.len()).step_by(7) {
        let at = |shift: f32| {
            let mut moved = numbers.clone();
            moved[i] += shift;
            f64::from(value(&loss(&flat(moved, [3, 10, 4])).loss))
        };
        let slope = (at(step) - at(-step)) / f64::from(2.0 * step);
        assert!((slope - f64::from(grad[i])).abs() < 2e-3, "{i}: {slope}, not {}", grad[i]);
    }
}

/// In the smallest batch some labels give an anchor both kinds of partners; in one less none do.
#[test]
fn the_smallest_batch_has_both_kinds_of_partners() {
    let ranked = Contrast { scl_select: Select::Rank, ..Contrast::default() };
    let few = Contrast { gamma1: 0.1, ..ranked };
    for contrast in [Contrast::default(), ranked, few] {
        let has_both = |b: usize| {
            // Two alike and the rest far from them.
            let labels: Vec<f32> = (0..b).map(|i| if i < 2 { 0.0 } else { 1.0 }).collect();
            let found = partners(&labels, &contrast);
            (0..b).any(|i| {
                let row = i * b..(i + 1) * b;
                found.pos_intra[row.clone()].contains(&true) && found.neg[row].contains(&true)
            })
        };
        let least = contrast.least().expect("some batch will do");
        assert!(has_both(least), "{contrast:?}: {least}");
        assert!(!(1..least).any(has_both), "{contrast:?}: {least}");
    }
    // A picture against itself at the other scale and its own noise (section 13, check 5).
    let alone = Contrast { w_intra: 0.0, ..Contrast::default() };
    assert_eq!(alone.least(), Some(1));
    assert_eq!(Contrast { nsm: false, ..alone }.least(), Some(2));
    assert_eq!(Contrast { gamma1: 0.0, ..ranked }.least(), None);
}
