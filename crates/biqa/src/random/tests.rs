//! The published vectors, the numbers of `papers/degradations.md`, section 5, and its check 9.7.

use super::*;

/// Key of the examples in section 5: seed 42, `I01.png`, stream 0.
const EXAMPLE: Key = Key(0x51e3_9173_0a2f_9872);

fn close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "found {found:?}, expected {expected:?}");
    }
}

#[test]
fn philox_gives_the_published_vectors() {
    let cases = [
        ([0; 4], [0; 2], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
        ([!0; 4], [!0; 2], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
        (
            [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
            [0xa4093822, 0x299f31d0],
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
        ),
    ];
    for (counter, key, expected) in cases {
        assert_eq!(philox4x32_10(counter, key), expected);
    }
}

#[test]
fn keys_are_those_of_the_specification() {
    assert_eq!(Key::of_picture(42, "I01.png", 0), EXAMPLE);
    assert_eq!(Key::of_picture(42, "I01.png", 1), Key(0x5707_30e6_7038_3ded));
    assert_eq!(Key::of_picture(0, "", 0), Key(0xa6bb_c8dc_be30_928c));
}

#[test]
fn scalars_are_those_of_the_specification() {
    let draws = EXAMPLE.at(0);
    let found: Vec<f64> = (0..4).map(|k| draws.scalar(k)).collect();
    let expected = [0.221375913584206, 0.045741667562008, 0.556613197175508, 0.184323848167111];
    close(&found, &expected, 1e-15);
}

#[test]
fn fields_are_those_of_the_specification() {
    let draws = EXAMPLE.at(0);
    close(&draws.uniforms(1, 0), &[0.40870987, 0.01387982, 0.39519358, 0.83957857], 5e-9);
    close(&draws.normals(1, 0), &[1.33263797, 0.11651417, 0.72708439, -1.15243542], 5e-9);
    close(&draws.normals(1, 1), &[-0.88068769, 2.25157033, 0.85433579, 0.37143988], 5e-9);
    assert_eq!(draws.block(5, 0, 1), [0x3fee2df6, 0xdc16e3fe, 0xcd61c6f9, 0xa8948229]);
}

#[test]
fn poisson_numbers_are_those_of_the_specification() {
    let draws = EXAMPLE.at(0);
    let found: Vec<f64> = [0.3, 3.0, 9.5, 12.0, 50.0, 250.0]
        .iter()
        .enumerate()
        .map(|(index, &lambda)| draws.poisson(2, index as u32, lambda))
        .collect();
    assert_eq!(found, [0.0, 6.0, 11.0, 13.0, 46.0, 245.0]);
}

#[test]
fn poisson_of_no_proper_mean_is_zero_and_huge_means_end() {
    let draws = EXAMPLE.at(0);
    for lambda in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(draws.poisson(1, 0, lambda), 0.0, "lambda {lambda}");
    }
    assert!(draws.poisson(1, 0, 1e300).is_finite());
}

#[test]
fn poisson_has_its_mean_and_variance() {
    // Section 9, check 7.
    let draws = Key(7).at(3);
    for lambda in [0.5, 5.0, 9.99, 10.0, 37.0, 200.0] {
        let n = 20_000_u32;
        let counts: Vec<f64> = (0..n).map(|i| draws.poisson(1, i, lambda)).collect();
        let mean = counts.iter().sum::<f64>() / f64::from(n);
        let variance = counts.iter().map(|k| (k - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!((mean - lambda).abs() < 4.0 * (lambda / 20_000.0_f64).sqrt(), "{lambda}");
        assert!((variance / lambda - 1.0).abs() < 0.05, "{lambda}: variance {variance}");
    }
}

#[test]
fn normals_have_the_moments_of_the_normal_law() {
    // Section 9, check 7.
    let draws = EXAMPLE.at(1);
    let n = 200_000_u32;
    let z: Vec<f64> = (0..n).flat_map(|index| draws.normals(1, index)).collect();
    let moment = |k: i32| z.iter().map(|v| v.powi(k)).sum::<f64>() / z.len() as f64;
    assert!(moment(1).abs() < 0.01 && (moment(2) - 1.0).abs() < 0.015);
    assert!((moment(4) - 3.0).abs() < 0.1);
}

#[test]
fn weighted_choice_follows_the_weights() {
    let mut sequence = stream(1, "test", 0);
    let mut counts = [0_u32; 3];
    for _ in 0..9_000 {
        counts[sequence.weighted(&[1.0, 0.0, 2.0]).expect("positive weights")] += 1;
    }
    assert_eq!(counts[1], 0);
    assert!((2_700..3_300).contains(&counts[0]), "{counts:?}");
    assert_eq!(sequence.weighted(&[]), None);
    assert_eq!(sequence.weighted(&[0.0, 0.0]), None);
    assert_eq!(sequence.weighted(&[1.0, f64::NAN]), None);
}

#[test]
fn a_permutation_holds_every_number_once() {
    let mut order = stream(9, "test", 4).permutation(50);
    assert_ne!(order, (0..50).collect::<Vec<_>>());
    order.sort_unstable();
    assert_eq!(order, (0..50).collect::<Vec<_>>());
}

#[test]
fn streams_of_other_purposes_and_indices_differ() {
    let first = stream(1, "flip", 0).unit();
    assert_eq!(first, stream(1, "flip", 0).unit());
    assert_ne!(first, stream(1, "flip", 1).unit());
    assert_ne!(first, stream(1, "crop", 0).unit());
    assert_ne!(first, stream(2, "flip", 0).unit());
}

#[test]
fn drawing_below_stays_below() {
    let mut sequence = stream(3, "test", 0);
    assert_eq!(sequence.below(0), 0);
    assert!((0..1_000).all(|_| sequence.below(7) < 7));
    assert_eq!(scale_below(u64::MAX, 10), 9);
    assert_eq!(scale_below(0, 10), 0);
}
