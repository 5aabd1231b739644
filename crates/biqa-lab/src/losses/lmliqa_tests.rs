//! The worked examples and the checks of `papers/lml-iqa.md`, sections 4 to 6 and 11.

use super::*;
use biqa::random::stream;
use biqa::weights::host;

fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &Device::flex())
}

fn leaf<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
    Tensor::from_inner(tensor(values, shape)).require_grad()
}

fn value(loss: Tensor<1>) -> f32 {
    loss.into_scalar()
}

fn close(found: f32, expected: f64) {
    assert!((f64::from(found) - expected).abs() < 2e-6, "{found}, not {expected}");
}

/// A class token that keeps 0.3 for itself and spreads the rest in proportion to 1..16.
fn rising_map() -> Tensor<2> {
    let mut row = vec![0.3];
    row.extend((1..=16).map(|v| 0.7 * v as f32 / 136.0));
    class_map(tensor(&row, [1, 1, 17]))
}

#[test]
fn the_table_of_box_saliencies() {
    let boxes = [
        [0.0, 0.0, 0.5, 0.5],
        [0.5, 0.5, 1.0, 1.0],
        [0.25, 0.25, 0.75, 0.75],
        [0.1, 0.3, 0.6, 0.8],
        [0.0, 0.0, 1.0, 1.0],
    ];
    let found = host(&box_saliency(rising_map(), &boxes));
    let expected = [0.4117647059, 1.5882352941, 1.0, 1.0235294118, 1.0];
    found.into_iter().zip(expected).for_each(|(f, e)| close(f, e));
}

#[test]
fn an_even_map_finds_every_box_average() {
    let map = tensor(&[1.0 / 9.0; 9], [1, 9]);
    let found = host(&box_saliency(map, &[[0.1, 0.2, 0.35, 0.9], [0.6, 0.0, 0.61, 0.5]]));
    for s in found {
        close(s, 1.0);
    }
}

#[test]
fn equal_saliencies_choose_the_first_crop() {
    assert_eq!(salient(&[0.5, 0.5, 0.1, 0.9, 1.0, 1.0], 3), [0, 1]);
    assert_eq!(salient(&[0.5, 0.7], 1), [0, 0]);
}

/// Student and teacher embeddings of the worked example, before they get their length.
const Z: [f32; 8] = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, -1.0, 0.0];
const T: [f32; 8] = [1.0, 0.2, 0.0, 1.0, 1.0, 0.5, -1.0, -1.0];

/// Entries of as many pictures.
fn all_different(salient: &[usize]) -> Entries<'_> {
    Entries { salient, pictures: &[0, 1, 2][..salient.len()] }
}

fn example(weights: &ContrastWeights) -> Contrast {
    contrast(tensor(&Z, [2, 2, 2]), tensor(&T, [2, 2, 2]), all_different(&[0, 1]), weights)
}

#[test]
fn the_worked_example_of_the_contrast() {
    let all = ContrastWeights { tau: 0.5, w_cluster: 1.0, ..ContrastWeights::default() };
    let found = example(&all);
    close(value(found.manifold), 0.4887539651);
    close(value(found.cluster), 2.6449583437);
    close(value(found.contrast), 3.1337123088);
    let half = example(&ContrastWeights { w_inter: 0.5, ..all });
    close(value(half.manifold), 0.3107473666);
}

#[test]
fn without_weight_the_cluster_is_told_but_not_added() {
    let found = example(&ContrastWeights { tau: 0.5, ..ContrastWeights::default() });
    close(value(found.cluster), 2.6449583437);
    close(value(found.contrast), 0.4887539651);
}

fn drawn(name: &str, n: usize) -> Vec<f32> {
    let mut draws = stream(9, name, 0);
    (0..n).map(|_| draws.uniform(-1.0, 1.0)).collect()
}

#[test]
fn one_picture_with_one_crop_has_no_contrast() {
    let (z, t) = (drawn("z", 4), drawn("t", 4));
    let found = contrast(
        tensor(&z, [1, 1, 4]),
        tensor(&t, [1, 1, 4]),
        all_different(&[0]),
        &ContrastWeights::default(),
    );
    assert_eq!([value(found.manifold), value(found.cluster)], [0.0, 0.0]);
}

#[test]
fn negatives_never_lower_the_manifold_term() {
    let (z, t) = (drawn("z", 24), drawn("t", 24));
    let loss = |w_intra, w_inter| {
        let weights = ContrastWeights { w_intra, w_inter, ..ContrastWeights::default() };
        let (z, t) = (unit(tensor(&z, [3, 2, 4])), unit(tensor(&t, [3, 2, 4])));
        value(manifold(z, t, all_different(&[0, 1, 0]), &weights))
    };
    assert!(loss(0.0, 0.0).abs() < 1e-6);
    assert!(loss(1.0, 0.0) > loss(0.5, 0.0) && loss(1.0, 1.0) > loss(1.0, 0.0));
}

/// (5.1) and (5.2) speak of crops of other pictures: a second entry of an anchor's own is none.
#[test]
fn two_entries_of_one_picture_do_not_repel_each_other() {
    let (z, t) = (drawn("z", 16), drawn("t", 16)); // 2 entries, 2 crops, 4 numbers
    let weights = ContrastWeights { w_cluster: 1.0, ..ContrastWeights::default() };
    let of = |rows: std::ops::Range<usize>, pictures: &[usize]| {
        let numbers = 8 * rows.start..8 * rows.end;
        let part = |v: &[f32]| tensor(&v[numbers.clone()], [rows.len(), 2, 4]);
        let entries = Entries { salient: &[0, 1][rows.clone()], pictures };
        let found = contrast(part(&z), part(&t), entries, &weights);
        [value(found.manifold), value(found.cluster)]
    };
    let (twins, others) = (of(0..2, &[7, 7]), of(0..2, &[7, 8]));
    let (first, second) = (of(0..1, &[7]), of(1..2, &[7]));
    for term in 0..2 {
        assert!(twins[term] < others[term], "{twins:?} {others:?}");
        let alone = 0.5 * (first[term] + second[term]);
        assert!((twins[term] - alone).abs() < 1e-6, "{twins:?} {first:?} {second:?}");
    }
}

#[test]
fn the_order_of_pictures_and_of_other_crops_does_not_matter() {
    let (z, t) = (drawn("z", 36), drawn("t", 36)); // 3 pictures, 3 crops, 4 numbers
    let weights = ContrastWeights { w_cluster: 1.0, ..ContrastWeights::default() };
    let loss = |order: &[usize], salient: &[usize]| {
        let pick = |v: &[f32]| {
            order.iter().flat_map(|&c| v[4 * c..4 * c + 4].to_vec()).collect::<Vec<f32>>()
        };
        let found = contrast(
            tensor(&pick(&z), [3, 3, 4]),
            tensor(&pick(&t), [3, 3, 4]),
            all_different(salient),
            &weights,
        );
        value(found.contrast)
    };
    let plain = loss(&[0, 1, 2, 3, 4, 5, 6, 7, 8], &[0, 2, 1]);
    let pictures = loss(&[6, 7, 8, 0, 1, 2, 3, 4, 5], &[1, 0, 2]);
    let crops = loss(&[0, 2, 1, 4, 3, 5, 6, 7, 8], &[0, 2, 1]);
    assert!((plain - pictures).abs() < 1e-6 && (plain - crops).abs() < 1e-6);
}

#[test]
fn the_worked_example_of_mutual_learning() {
    let (s, t) = ([1.0, 1.2, 0.8], [1.5, 0.9, 0.6]);
    let loss = mutual_saliency(tensor(&s, [1, 3]), tensor(&t, [1, 3]), 0.5);
    close(value(loss), 0.2819582398);
}

#[test]
fn a_student_equal_to_its_teacher_has_no_mutual_loss_and_no_gradient() {
    let s = drawn("saliency", 8);
    let student = leaf(&s, [2, 4]);
    let loss = mutual_saliency(student.clone(), tensor(&s, [2, 4]), 0.5);
    let grad = host(&student.grad(&loss.backward()).expect("a leaf"));
    assert_eq!(value(loss), 0.0);
    assert!(grad.iter().all(|g| g.abs() < 1e-7), "{grad:?}");
}

#[test]
fn one_crop_has_no_mutual_loss() {
    let loss = mutual_saliency(tensor(&[0.3, 0.9], [2, 1]), tensor(&[1.4, 0.2], [2, 1]), 0.5);
    assert_eq!(value(loss), 0.0);
}

#[test]
fn mutual_scores_meet_the_teacher_at_the_salient_crop() {
    let student = tensor(&[0.5, 3.0], [1, 2]);
    let teacher = tensor(&[9.0, 1.0], [1, 2]);
    // Smooth L1 of 0.5 and 2 against 1: 0.125 and 1.5.
    close(value(mutual_score(student, teacher, &[1])), 0.8125);
}

#[test]
fn regression_counts_all_crops_or_the_salient_one() {
    let score = tensor(&[1.0, 2.0, 5.0, 3.5], [2, 2]);
    let target = tensor(&[1.0, 4.0], [2]);
    close(value(regression_all(score.clone(), target.clone(), 1.0)), 0.28125);
    close(value(regression_salient(score, target, &[1, 1], 1.0)), 0.3125);
}

#[test]
fn the_moving_average_of_the_example() {
    let one = |v: f32| tensor(&[v], [1]);
    let after = ema(ema(one(1.0), one(2.0), 0.9), one(3.0), 0.9);
    close(value(after), 1.29);
    let warm: Vec<f64> = (1..4).map(|t| momentum(0.7, true, t)).collect();
    assert_eq!(warm, [0.5, 1.0 - 1.0 / 3.0, 0.7]);
    assert_eq!(momentum(0.7, false, 1), 0.7);
}

#[test]
fn gradients_of_the_contrast_are_its_slopes() {
    let (z, t) = (drawn("z", 18), drawn("t", 18));
    let weights = ContrastWeights { tau: 0.5, w_intra: 0.5, w_inter: 1.0, w_cluster: 0.7 };
    let student = leaf(&z, [3, 2, 3]);
    let at = |z: Tensor<3>| {
        contrast(z, tensor(&t, [3, 2, 3]), all_different(&[1, 0, 0]), &weights).contrast
    };
    let grad = host(&student.grad(&at(student.clone()).backward()).expect("a leaf"));
    let step = 1e-2;
    for i in 0..z.len() {
        let loss = |by: f32| {
            let mut moved = z.clone();
            moved[i] += by;
            value(at(tensor(&moved, [3, 2, 3])))
        };
        let slope = (loss(step) - loss(-step)) / (2.0 * step);
        assert!((grad[i] - slope).abs() < 3e-3, "{i}: {} and {slope}", grad[i]);
    }
}
