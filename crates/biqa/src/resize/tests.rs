//! The passes against the plain definition, and checks 10 to 13 of `papers/images.md`, section 11.

use super::*;
use proptest::prelude::*;

const FILTERS: [Filter; 6] = [
    Filter::Nearest,
    Filter::Box,
    Filter::Bilinear,
    Filter::Hamming,
    Filter::Bicubic,
    Filter::Lanczos,
];

/// A picture of noise that is the same on every machine.
fn noise(width: u32, height: u32, seed: u64) -> Rgb8 {
    let n = width as u64 * height as u64 * 3;
    let level = |i| (crate::random::splitmix64(seed.wrapping_add(i)) >> 56) as u8;
    built(width, height, (0..n).map(level).collect())
}

/// The definition of section 8, written as plainly as possible.
fn plain(picture: &Rgb8, width: u32, height: u32, filter: Filter) -> Vec<u8> {
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let round = |sum: i64| ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8;
    let mut middle = picture.data().to_vec();
    if width as usize != w {
        let axis = integer_axis(filter, picture.width(), width);
        middle.clear();
        for y in 0..h {
            for i in 0..width as usize {
                for c in 0..3 {
                    let taps = axis.weights(i).iter().zip(axis.start(i)..);
                    middle.push(round(
                        taps.map(|(&k, x)| {
                            i64::from(k) * i64::from(picture.data()[3 * (y * w + x) + c])
                        })
                        .sum(),
                    ));
                }
            }
        }
    }
    if height as usize == h {
        return middle;
    }
    let axis = integer_axis(filter, picture.height(), height);
    let row = 3 * width as usize;
    let mut out = Vec::new();
    for i in 0..height as usize {
        for j in 0..row {
            let taps = axis.weights(i).iter().zip(axis.start(i)..);
            out.push(round(
                taps.map(|(&k, y)| i64::from(k) * i64::from(middle[y * row + j])).sum(),
            ));
        }
    }
    out
}

#[test]
fn one_row_gives_the_worked_example() {
    let levels = [0, 64, 128, 255, 10, 200];
    let row = built(6, 1, levels.iter().flat_map(|&v| [v; 3]).collect());
    let expected: [(Filter, [u8; 4], [u8; 9]); 5] = [
        (Filter::Box, [32, 128, 133, 200], [0, 64, 64, 128, 255, 255, 10, 200, 200]),
        (Filter::Bilinear, [24, 121, 159, 129], [0, 32, 75, 117, 192, 214, 51, 105, 200]),
        (Filter::Hamming, [18, 113, 186, 147], [0, 32, 66, 126, 192, 248, 17, 105, 200]),
        (Filter::Bicubic, [18, 125, 163, 124], [0, 26, 74, 114, 211, 231, 30, 96, 212]),
        (Filter::Lanczos, [10, 137, 159, 115], [0, 25, 73, 106, 229, 225, 27, 87, 224]),
    ];
    for (filter, four, nine) in expected {
        for wanted in [&four[..], &nine[..]] {
            let found = resize(&row, wanted.len() as u32, 1, filter).expect("a legal size");
            let gray: Vec<u8> = found.data().iter().step_by(3).copied().collect();
            assert_eq!(gray, wanted, "{filter:?}");
        }
    }
}

#[test]
fn the_same_size_is_the_same_picture() {
    let picture = noise(7, 5, 1);
    for filter in FILTERS {
        assert_eq!(resize(&picture, 7, 5, filter).expect("legal"), picture, "{filter:?}");
    }
}

#[test]
fn a_constant_stays_constant() {
    let picture = built(9, 4, [3, 128, 255].repeat(36));
    for filter in FILTERS {
        for (width, height) in [(1, 1), (4, 9), (200, 3), (9, 5), (10, 4)] {
            let found = resize(&picture, width, height, filter).expect("legal");
            assert!(
                found.data().chunks(3).all(|p| p == [3, 128, 255]),
                "{filter:?} {width} x {height}"
            );
        }
    }
}

#[test]
fn shrinking_by_a_whole_factor_with_box_is_the_mean_rounded_half_up() {
    let picture = noise(12, 6, 5);
    let found = resize(&picture, 4, 6, Filter::Box).expect("legal");
    for (block, mean) in picture.data().chunks(9).zip(found.data().chunks(3)) {
        for c in 0..3 {
            let sum = u32::from(block[c]) + u32::from(block[c + 3]) + u32::from(block[c + 6]);
            assert_eq!(u32::from(mean[c]), (2 * sum + 3) / 6);
        }
    }
}

#[test]
fn every_number_of_threads_gives_the_same_bytes() {
    let picture = noise(123, 77, 2);
    for threads in [1, 2, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        for filter in FILTERS {
            for (width, height) in [(31, 50), (200, 90), (123, 40), (50, 77), (123, 77)] {
                let one = resize(&picture, width, height, filter).expect("legal");
                let many = resize_in(&pool, &picture, width, height, filter).expect("legal");
                assert_eq!(one, many, "{threads} threads, {filter:?}");
            }
        }
    }
}

#[test]
fn extreme_shapes_are_done_in_bounded_memory() {
    // The first pass of this one would hold 6,000 x 2,000 pixels at once: more than a tile.
    let tall = noise(1, 2_000, 3);
    let found = resize(&tall, 6_000, 1, Filter::Bicubic).expect("legal");
    assert_eq!((found.width(), found.height()), (6_000, 1));
    let narrow = resize(&tall, 2, 1, Filter::Bicubic).expect("legal");
    assert_eq!(&found.data()[..3], &narrow.data()[..3]);
}

#[test]
fn zero_and_giant_results_are_errors() {
    let picture = noise(3, 3, 0);
    let zero = resize(&picture, 0, 5, Filter::Box);
    assert_eq!(zero, Err(ResizeError::ZeroSize { width: 0, height: 5 }));
    let giant = resize(&picture, u32::MAX, u32::MAX, Filter::Box);
    assert!(matches!(giant, Err(ResizeError::TooManyPixels { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_fast_passes_equal_the_definition(
        (w, h, width, height) in (1_u32..=40, 1_u32..=40, 1_u32..=40, 1_u32..=40),
        filter in 1_usize..6,
        seed: u64,
    ) {
        let (picture, filter) = (noise(w, h, seed), FILTERS[filter]);
        let found = resize(&picture, width, height, filter).expect("legal");
        prop_assert_eq!(found.into_data(), plain(&picture, width, height, filter));
    }

    #[test]
    fn long_windows_equal_the_definition(
        (w, width) in (300_u32..=3000, 1_u32..=40),
        filter in 1_usize..6,
        seed: u64,
    ) {
        let (picture, filter) = (noise(w, 2, seed), FILTERS[filter]);
        let found = resize(&picture, width, 1, filter).expect("legal");
        prop_assert_eq!(found.into_data(), plain(&picture, width, 1, filter));
    }

    #[test]
    fn nearest_takes_only_levels_of_the_input(
        (w, h, width, height) in (1_u32..=40, 1_u32..=40, 1_u32..=40, 1_u32..=40),
    ) {
        let picture = noise(w, h, 8);
        let pixels: Vec<&[u8]> = picture.data().chunks(3).collect();
        let found = resize(&picture, width, height, Filter::Nearest).expect("legal");
        prop_assert_eq!((found.width(), found.height()), (width, height));
        prop_assert!(found.data().chunks(3).all(|pixel| pixels.contains(&pixel)));
    }
}
