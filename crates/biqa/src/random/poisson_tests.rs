//! Numbers of the three ways to draw them are those of the specification.

use super::*;
use crate::random::Key;

/// The method as the specification writes it, step by step.
fn specified(lambda: f64, draws: &Draws, tag: u32, index: u32) -> f64 {
    if lambda < 10.0 {
        let [w0, w1, _, _] = draws.block(index, 0, tag);
        let u = unit53(w0, w1);
        let (mut k, mut p) = (0.0, libm::exp(-lambda));
        let mut c = p;
        while u >= c && k < MOST {
            k += 1.0;
            p *= lambda / k;
            c += p;
        }
        return k;
    }
    let b = 0.931 + 2.53 * lambda.sqrt();
    let a = -0.059 + 0.02483 * b;
    let (ia, vr) = (1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2.0));
    for attempt in 0.. {
        let [w0, w1, w2, w3] = draws.block(index, attempt, tag);
        let (u, v) = (unit53(w0, w1) - 0.5, unit53(w2, w3));
        let us = 0.5 - u.abs();
        if us == 0.0 {
            continue;
        }
        let k = ((2.0 * a / us + b) * u + lambda + 0.43).floor();
        if us >= 0.07 && v <= vr {
            return k;
        }
        if k < 0.0 || (us < 0.013 && v > us) {
            continue;
        }
        let bound = -lambda + k * libm::log(lambda) - libm::lgamma(k + 1.0);
        let tried = libm::log(v) + libm::log(ia) - libm::log(a / (us * us) + b);
        if v <= 0.0 || tried <= bound {
            return k;
        }
    }
    unreachable!("some attempt succeeds")
}

#[test]
fn single_draws_and_batches_are_the_specified_method() {
    let draws = Key(0x51e3_9173_0a2f_9872).at(3);
    for lambda in [1e-3, 0.3, 3.0, 8.0, 9.99, 10.0, 16.0, 40.0, 250.0, 1e4, 1e5] {
        let (counts, once) = (Poisson::new(lambda), Poisson::once(lambda));
        let first = u32::MAX - 1000;
        let mut batch = vec![0.0; 5003];
        counts.draw_into(&draws, 2, first, &mut batch);
        for (i, &found) in (0_u32..).zip(&batch) {
            let index = first.wrapping_add(i);
            let expected = specified(lambda, &draws, 2, index);
            assert_eq!(found, expected, "mean {lambda}, element {index} of a batch");
            assert_eq!(counts.draw(&draws, 2, index), expected, "mean {lambda}, {index}");
            assert_eq!(once.draw(&draws, 2, index), expected, "mean {lambda}, {index} once");
        }
        let mut found = vec![0.0; batch.len()];
        once.draw_into(&draws, 2, first, &mut found);
        assert_eq!(found, batch, "mean {lambda}, without a table");
        let listed: Vec<u32> = (0..1001_u32).map(|i| i.wrapping_mul(2_654_435_761)).collect();
        let mut found = vec![0.0; listed.len()];
        counts.draw_at(&draws, 2, &listed, &mut found);
        for (&index, found) in listed.iter().zip(found) {
            assert_eq!(found, counts.draw(&draws, 2, index), "mean {lambda}, {index} listed");
        }
    }
}

#[test]
fn no_mean_gives_no_counts() {
    let mut out = [1.0; 3];
    Poisson::new(f64::NAN).draw_into(&Key(1).at(0), 1, 0, &mut out);
    assert_eq!(out, [0.0; 3]);
}

#[test]
fn shares_are_those_of_the_formula() {
    for lambda in [10.0, 10.5, 37.0, 255.0, 1000.5, MOST_KEPT] {
        let method = Rejection::new(lambda);
        for (i, &share) in method.shares.iter().enumerate() {
            let ln = method.formula(method.lowest + i as f64) - libm::log(method.inverse_alpha);
            let expected = libm::exp(ln);
            let near = (share - expected).abs() <= 0.1 * NEAR * expected;
            assert!(near, "mean {lambda}, {}: {share} {expected}", method.lowest + i as f64);
        }
    }
}
