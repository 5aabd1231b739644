//! The worked examples and the checks of `papers/csiqa.md`, sections 3.3, 3.4 and 9.

use super::*;
use biqa::random::stream;
use biqa::weights::host;

const LABELS: [f32; 10] = [10.0, 20.0, 25.0, 40.0, 55.0, 60.0, 70.0, 80.0, 90.0, 100.0];
const TEACHER: [f32; 10] = [30.0, 18.0, 33.0, 41.0, 20.0, 70.0, 66.0, 95.0, 80.0, 60.0];

fn row(partners: &[bool], i: usize, b: usize) -> Vec<usize> {
    (0..b).filter(|j| partners[i * b + j]).collect()
}

fn words(pairs: &Pairs, i: usize) -> (Vec<usize>, Vec<usize>) {
    (row(&pairs.pos, i, pairs.pictures), row(&pairs.neg, i, pairs.pictures))
}

#[test]
fn shares_of_a_batch_round_half_to_even() {
    for (b, expected) in [
        (5, [0, 1, 2, 3]),
        (6, [1, 1, 2, 4]),
        (8, [1, 2, 3, 5]),
        (12, [1, 2, 5, 7]),
        (15, [2, 3, 6, 9]),
        (16, [2, 3, 6, 10]),
        (25, [2, 5, 10, 15]),
        (48, [5, 10, 19, 29]),
        (64, [6, 13, 26, 38]),
        (128, [13, 26, 51, 77]),
    ] {
        assert_eq!([0.1, 0.2, 0.4, 0.6].map(|f| share(f, b)), expected, "b = {b}");
    }
}

#[test]
fn the_worked_example_of_ten_pictures() {
    let found = pairs(&LABELS, Some(&TEACHER), &Shares::default());
    let expected: [(&[usize], &[usize]); 10] = [
        (&[1], &[4, 6, 7, 8, 9]),
        (&[2], &[4, 6, 7, 8, 9]),
        (&[1], &[4, 6, 7, 8, 9]),
        (&[2], &[0, 7, 8, 9]),
        (&[5], &[0, 1, 2, 8, 9]),
        (&[4], &[0, 1, 2, 8, 9]),
        (&[5], &[0, 1, 2, 3, 8, 9]),
        (&[6], &[0, 1, 2, 3, 5]),
        (&[7], &[0, 1, 2, 3, 5]),
        (&[8], &[0, 1, 2, 3, 5]),
    ];
    for (i, (pos, neg)) in expected.into_iter().enumerate() {
        assert_eq!(words(&found, i), (pos.to_vec(), neg.to_vec()), "anchor {i}");
    }
}

/// `b` labels and scores without ties.
fn drawn(b: usize, name: &str) -> (Vec<f32>, Vec<f32>) {
    let mut draws = stream(5, name, b as u64);
    let mut numbers = || (0..b).map(|_| draws.uniform(0.0, 100.0)).collect();
    (numbers(), numbers())
}

#[test]
fn easy_sets_have_their_size_and_lie_inside_the_pairs() {
    for b in [6, 8, 12, 16, 25, 48] {
        let (y, t) = drawn(b, "pairs");
        let (all, easy) =
            (pairs(&y, Some(&t), &Shares::default()), pairs(&y, None, &Shares::default()));
        for i in 0..b {
            let ((pos, neg), (pe, ne)) = (words(&all, i), words(&easy, i));
            assert_eq!((pe.len(), ne.len()), (share(0.1, b), share(0.4, b)), "b {b}, anchor {i}");
            assert!(pe.iter().all(|j| pos.contains(j)) && ne.iter().all(|j| neg.contains(j)));
            assert!(pos.len() <= share(0.2, b) && neg.len() <= share(0.6, b));
            assert!(!pos.contains(&i) && !neg.contains(&i), "b {b}: {i} is its own partner");
            // Hard partners come from the pools P0 and N0: the labels nearest, and farthest.
            let mut others: Vec<usize> = (0..b).filter(|&j| j != i).collect();
            others.sort_by(|&j, &k| (y[i] - y[j]).abs().total_cmp(&(y[i] - y[k]).abs()));
            let (p0, n0) = (&others[..share(0.2, b)], &others[b - 1 - share(0.6, b)..]);
            assert!(pos.iter().all(|j| p0.contains(j)) && neg.iter().all(|j| n0.contains(j)));
        }
    }
}

#[test]
fn pairs_do_not_change_with_the_scale_of_labels_or_scores() {
    let (y, t) = drawn(16, "scale");
    let expected = pairs(&y, Some(&t), &Shares::default());
    let scaled = |v: &[f32], by: f32| v.iter().map(|x| x * by).collect::<Vec<f32>>();
    assert_eq!(pairs(&scaled(&y, 4.0), Some(&t), &Shares::default()), expected);
    assert_eq!(pairs(&y, Some(&scaled(&t, 0.125)), &Shares::default()), expected);
    let more = |v: &[f32], by: f32| v.iter().map(|x| x + by).collect::<Vec<f32>>();
    assert_eq!(pairs(&more(&y, 64.0), Some(&more(&t, -32.0)), &Shares::default()), expected);
}

#[test]
fn permuting_a_batch_without_ties_permutes_its_pairs() {
    let b = 16;
    let (y, t) = drawn(b, "permute");
    let order = stream(5, "order", 0).permutation(b);
    let pick = |v: &[f32]| order.iter().map(|&i| v[i]).collect::<Vec<f32>>();
    let before = pairs(&y, Some(&t), &Shares::default());
    let after = pairs(&pick(&y), Some(&pick(&t)), &Shares::default());
    for p in 0..b {
        for q in 0..b {
            let was = order[p] * b + order[q];
            assert_eq!(after.pos[p * b + q], before.pos[was], "{p}, {q}");
            assert_eq!(after.neg[p * b + q], before.neg[was], "{p}, {q}");
        }
    }
}

#[test]
fn equal_labels_never_make_a_picture_its_own_partner() {
    let found = pairs(&[1.0; 12], Some(&[2.0; 12]), &Shares::default());
    assert!((0..12).all(|i| !found.pos[i * 12 + i] && !found.neg[i * 12 + i]));
}

fn features(values: &[f32], b: usize) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [b, values.len() / b]);
    Tensor::from_data(data, &Device::flex().autodiff()).require_grad()
}

fn of_words(pos: &str, neg: &str) -> Pairs {
    let bits = |text: &str| text.chars().filter(|c| *c != ' ').map(|c| c == '1').collect();
    let pictures = pos.split(' ').count();
    Pairs { pictures, pos: bits(pos), neg: bits(neg) }
}

fn close(found: &[f32], expected: &[f32], tolerance: f32) {
    let apart = found.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(found.len() == expected.len() && apart <= tolerance, "{found:?}, not {expected:?}");
}

#[test]
fn the_worked_example_of_three_features() {
    let x = features(&[1.0, 0.0, 0.6, 0.8, 0.0, 2.0], 3);
    let loss = contrast(x.clone(), &of_words("010 100 010", "001 001 100"), 0.3);
    let grad = x.grad(&loss.backward()).expect("a leaf");
    close(&[loss.into_scalar()], &[0.425_046_8], 1e-6);
    let expected = [0.0, -0.488_661_4, -0.872_390_7, 0.654_293, 0.300_913_5, 0.0];
    close(&host(&grad), &expected, 1e-6);
}

#[test]
fn one_positive_and_m_negatives_alike_give_log_of_one_more() {
    let x = features(&[3.0; 8], 4);
    let loss = contrast(x, &of_words("0100 0000 0000 0000", "0011 0000 0000 0000"), 0.3);
    close(&[loss.into_scalar()], &[3f32.ln()], 1e-6);
}

#[test]
fn the_loss_ignores_lengths_and_its_gradient_is_tangent() {
    let (values, _) = drawn(24, "lengths");
    let values: Vec<f32> = values.iter().map(|v| v - 50.0).collect();
    let (y, t) = drawn(8, "labels");
    let found = pairs(&y, Some(&t), &Shares::default());
    let x = features(&values, 8);
    let loss = contrast(x.clone(), &found, 0.3);
    let grad = host(&x.grad(&loss.backward()).expect("a leaf"));
    for (f, g) in values.chunks(3).zip(grad.chunks(3)) {
        let dot: f32 = f.iter().zip(g).map(|(f, g)| f * g).sum();
        assert!(dot.abs() < 1e-5, "{dot}");
    }
    let mut longer = values.clone();
    longer[..3].iter_mut().for_each(|v| *v *= 17.0);
    let other = contrast(features(&longer, 8), &found, 0.3);
    close(&[other.into_scalar()], &[loss.into_scalar()], 1e-5);
}

#[test]
fn a_batch_of_five_has_no_loss_and_no_gradient() {
    let (y, t) = drawn(5, "five");
    let x = features(&[1.0, 2.0, 3.0, 1.0, 0.0, 2.0, 5.0, 1.0, 1.0, 4.0], 5);
    let loss = contrast(x.clone(), &pairs(&y, Some(&t), &Shares::default()), 0.3);
    let grad = host(&x.grad(&loss.backward()).expect("a leaf"));
    assert_eq!(loss.into_scalar::<f32>(), 0.0);
    assert!(grad.iter().all(|g| *g == 0.0), "{grad:?}");
}

#[test]
fn a_low_temperature_stays_finite() {
    let x = features(&[1.0, 0.0, -1.0, 0.0, 1.0, 0.1], 3);
    for temperature in [0.07, 0.001] {
        let pairs = of_words("010 100 010", "001 001 100");
        let loss: f32 = contrast(x.clone(), &pairs, temperature).into_scalar();
        assert!(loss.is_finite(), "{temperature}: {loss}");
    }
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    let (values, _) = drawn(18, "slopes");
    let values: Vec<f32> = values.iter().map(|v| v / 50.0 - 1.0).collect();
    let (y, t) = drawn(6, "slope labels");
    let found = pairs(&y, Some(&t), &Shares::default());
    let x = features(&values, 6);
    let grad = host(&x.grad(&contrast(x.clone(), &found, 0.5).backward()).expect("a leaf"));
    let step = 1e-2;
    for i in 0..values.len() {
        let at = |by: f32| {
            let mut moved = values.clone();
            moved[i] += by;
            contrast(features(&moved, 6), &found, 0.5).into_scalar::<f32>()
        };
        let slope = (at(step) - at(-step)) / (2.0 * step);
        assert!((grad[i] - slope).abs() < 5e-3, "{i}: {} and {slope}", grad[i]);
    }
}

#[test]
fn a_picture_is_its_tokens_its_class_token_or_its_patches() {
    let tokens = Tensor::<3>::from_data(
        TensorData::new((0..8).map(|v| v as f32).collect::<Vec<_>>(), [1, 4, 2]),
        &Device::flex(),
    );
    let of = |features: Features| host(&features.of(tokens.clone()));
    assert_eq!(of(Features::AllTokens), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert_eq!(of(Features::Cls), [2.0, 3.0]);
    assert_eq!(of(Features::PatchMean), [5.0, 6.0]);
}
