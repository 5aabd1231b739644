//! What every operation must do, whatever its golden case says (`papers/degradations.md`, section
//! 9). The numbers in the names of the tests' comments are those of that section.

use biqa::golden::{self, Case};
use biqa::image::Rgb8;
use biqa::random::Key;
use biqa_lab::degrade::{
    Address, DegradeError, Distortion, RgbF32, Strength, apply, apply_u8, distortion, distortions,
};

const KEY: Key = Key(0x51e3_9173_0a2f_9872);

/// The key of the golden cases. Where blocks of colour cover each other, another key may let fewer
/// of them look worse.
const GOLDEN_KEY: Key = Key(0x00f3_a9c2_b1d4_e5f6);

/// Operations of `kadid:` with levels.
fn kadid() -> impl Iterator<Item = &'static Distortion> {
    distortions().filter(|op| op.family == "kadid" && !op.levels.is_empty())
}

/// Every operation at every level, and those without levels once, as items of an address.
fn items() -> Vec<String> {
    let levels = distortions().filter(|op| !op.levels.is_empty());
    let mut all: Vec<String> =
        levels.flat_map(|op| (1..=5).map(|l| format!("{}@{l}", op.full_name()))).collect();
    let others = [
        "kadid:stretch",
        "re:usm",
        "re:blur+kind=iso+ksize=9+sx=2",
        "re:blur+kind=plateau_aniso+ksize=21+sx=2+sy=1+theta=1+beta=1.5",
        "re:blur+kind=sinc+ksize=13+cutoff=2",
        "re:noise+sigma=12+gray=0",
        "re:poisson+scale=1.5+gray=1",
        "re:jpeg+q=35.5",
        "re:round",
        "bsr:blur_iso+radius=5+sigma=2",
        "bsr:blur_aniso+radius=5+theta=1+l1=3+l2=1",
        "bsr:decimate+sigma=1+factor=1",
        "bsr:noise+a=0.1+b=0.02+c=0.1+d=0.01+e=0.03+f=0.1+speckle=0",
        "bsr:noise+a=0.1+b=0.02+c=0.1+d=0.01+e=0.03+f=0.1+speckle=1",
        "bsr:poisson+vals=100+gray=0",
        "bsr:poisson+vals=3000+gray=1",
        "q:brightness+f=1.3",
        "q:contrast+f=0.5",
        "q:saturation+f=1.7",
        "q:hue+f=0.2",
        "q:affine+angle=10+scale=1.1+shear=3+tx=0.1+ty=-0.1",
        // The ends of what they take.
        "kadid:motion_blur+len=60+angle=-360",
        "kadid:denoise+var=0.000001",
        "kadid:jitter+n=100",
        "kadid:pixelate+s=0",
        "arniqa:pixelate+s=0",
        "q:hue+f=10",
    ];
    all.extend(others.map(str::to_owned));
    all
}

fn address(items: &str) -> Address {
    format!("d1/{:016x}/{items}", KEY.0).parse().unwrap_or_else(|e| panic!("{items}: {e}"))
}

fn run(picture: &RgbF32, item: &str) -> RgbF32 {
    address(item).apply(picture).unwrap_or_else(|e| panic!("{item}: {e}"))
}

/// The 96 x 64 golden picture.
fn golden_picture() -> Rgb8 {
    let folders = golden::folders(&["degrade-kadid-jpeg"]);
    let case = Case::load(folders.first().expect("the repository's own copy")).expect("readable");
    let inputs = case.inputs().expect("readable");
    let (width, height, data) = inputs.get("image").expect("there").picture().expect("a picture");
    Rgb8::new(width, height, data).expect("sizes fit")
}

fn constant(width: u32, height: u32, colour: [f32; 3]) -> RgbF32 {
    let data = colour.repeat((width * height) as usize);
    RgbF32::new(width, height, data).expect("sizes fit")
}

fn near(found: &RgbF32, expected: &RgbF32, what: &str) {
    assert_eq!((found.width(), found.height()), (expected.width(), expected.height()), "{what}");
    for (found, expected) in found.data().iter().zip(expected.data()) {
        assert!((found - expected).abs() < 1e-5, "{what}: {found} {expected}");
    }
}

fn psnr(a: &Rgb8, b: &Rgb8) -> f64 {
    let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let mse = a.data().iter().zip(b.data()).map(square).sum::<f64>() / a.data().len() as f64;
    10.0 * (255.0 * 255.0 / mse).log10()
}

/// 1
#[test]
fn what_moves_pixels_keeps_a_constant_picture() {
    let colour = constant(53, 49, [0.2, 0.5, 0.9]);
    let gray = constant(53, 49, [0.4; 3]);
    for level in 1..=5 {
        for op in ["gaussian_blur", "lens_blur", "motion_blur", "color_shift"] {
            near(&run(&colour, &format!("kadid:{op}@{level}")), &colour, op);
        }
        for op in ["jitter", "patch_swap", "pixelate"] {
            near(&run(&colour, &format!("kadid:{op}@{level}")), &colour, op);
        }
        for op in ["color_diffusion", "saturate_hsv", "saturate_lab", "sharpen"] {
            near(&run(&gray, &format!("kadid:{op}@{level}")), &gray, op);
        }
    }
    near(&run(&colour, "kadid:saturate_lab@1"), &colour, "saturate_lab@1");
    for item in ["re:usm", "re:blur+kind=aniso+ksize=9+sx=2+sy=1+theta=0.3"] {
        near(&run(&colour, item), &colour, item);
    }
    near(&run(&gray, "kadid:stretch"), &gray, "kadid:stretch");
    let smaller = run(&colour, "re:resize+scale=0.6+mode=bicubic");
    near(&smaller, &constant(31, 29, [0.2, 0.5, 0.9]), "re:resize");
}

/// 2
#[test]
fn the_identities_are_identities() {
    let picture = RgbF32::from_levels(&golden_picture());
    for item in [
        "kadid:gaussian_blur@1",
        "kadid:motion_blur@1",
        "kadid:mean_shift@3",
        "kadid:saturate_lab@1",
        "kadid:motion_blur+len=0+angle=30",
        "kadid:jitter+n=0/kadid:patch_swap+patches=0/kadid:color_block+blocks=0",
        "q:hue+f=-10",
    ] {
        near(&run(&picture, item), &picture, item);
    }
    let bent = run(&constant(1, 1, [0.1; 3]), "kadid:contrast@3");
    assert!((bent.data()[0] - 0.057143).abs() < 1e-6);
}

/// 4, 5, 13
#[test]
fn closed_forms_of_single_values_hold() {
    let low: Vec<f32> = (0..=85).flat_map(|i| [i as f32 / 100.0; 3]).collect();
    let low = RgbF32::new(86, 1, low).expect("sizes fit");
    for (found, plain) in run(&low, "kadid:mean_shift@1").data().iter().zip(low.data()) {
        assert!((found - plain - 0.15).abs() < 1e-6);
    }
    let high: Vec<f32> = low.data().iter().map(|v| v + 0.15).collect();
    let high = RgbF32::new(86, 1, high).expect("sizes fit");
    near(&run(&high, "kadid:mean_shift@5"), &low, "mean_shift@5");

    let picture = RgbF32::from_levels(&golden_picture());
    let gray = run(&picture, "kadid:saturate_hsv@4");
    for (found, plain) in gray.data().as_chunks::<3>().0.iter().zip(picture.data().as_chunks().0) {
        let [r, g, b]: [f32; 3] = *plain;
        assert!(found.iter().all(|v| (v - r.max(g).max(b)).abs() < 1e-6));
    }
    let once = run(&picture, "kadid:stretch");
    near(&run(&once, "kadid:stretch"), &once, "stretch");
}

/// Mean and variance by channel.
fn moments(picture: &RgbF32) -> [(f64, f64); 3] {
    [0, 1, 2].map(|c| {
        let values: Vec<f64> =
            picture.data().iter().skip(c).step_by(3).map(|&v| f64::from(v)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        (mean, square / values.len() as f64)
    })
}

/// 6
#[test]
fn noises_have_their_variances_and_no_mean() {
    let picture = constant(256, 256, [0.5; 3]);
    let every = |lo: f64, hi: f64| [(lo, hi); 3];
    for (op, ranges) in [
        ("noise_white", every(0.97, 1.03)),
        ("noise_multiplicative", every(0.24, 0.26)),
        ("noise_color", [(3.79, 4.02), (2.10, 2.24), (5.26, 5.59)]),
    ] {
        let row = distortion("kadid", op).expect("built");
        for (level, variance) in (1..=5).zip(row.levels[0]) {
            let found = moments(&run(&picture, &format!("kadid:{op}@{level}")));
            for ((mean, found), (lo, hi)) in found.into_iter().zip(ranges) {
                assert!((mean - 0.5).abs() < 0.002, "{op}@{level}: mean {mean}");
                let ratio = found / variance;
                assert!((lo..=hi).contains(&ratio), "{op}@{level}: variance ratio {ratio}");
            }
        }
    }
    let gray = run(&picture, "re:noise+sigma=12.5+gray=1");
    assert!(gray.data().as_chunks::<3>().0.iter().all(|[r, g, b]| r == g && g == b));
    let (_, variance) = moments(&gray)[0];
    assert!((variance / (12.5_f64 / 255.0).powi(2) - 1.0).abs() < 0.03);
}

/// 6
#[test]
fn impulses_are_as_many_as_the_density_says() {
    let picture = constant(256, 256, [0.5; 3]);
    let n = (256 * 256 * 3) as f64;
    let row = distortion("kadid", "noise_impulse").expect("built");
    for (level, d) in (1..=5).zip(row.levels[0]) {
        let found = run(&picture, &format!("kadid:noise_impulse@{level}"));
        for value in [0.0, 1.0] {
            let share = found.data().iter().filter(|&&v| v == value).count() as f64 / n;
            let deviation = (d / 2.0 / n).sqrt();
            assert!((share - d / 2.0).abs() < 4.0 * deviation, "level {level}: {share}");
        }
    }
}

/// 8
#[test]
fn every_number_of_threads_gives_the_same_bytes() {
    let picture = golden_picture();
    let texts = items();
    let all = || -> Vec<Rgb8> {
        use rayon::prelude::*;
        let one = |item: &String| address(item).apply_levels(&picture).expect("finite");
        texts.par_iter().map(one).collect()
    };
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("a pool");
    let alone = pool(1).install(all);
    assert_eq!(alone, pool(16).install(all));
}

/// 9
#[test]
fn patches_and_blocks_change_only_their_places() {
    let picture = RgbF32::from_levels(&golden_picture());
    let draws = KEY.at(0);
    let (width, height) = (96.0, 64.0);
    for (op, count, side) in [("patch_swap", 20, 16.0), ("color_block", 2, 32.0)] {
        // Where section 2.1, 20 and 23, puts them.
        let place = |i: u32| {
            let u = draws.uniforms(1, i);
            if op == "color_block" {
                return [(u[0] * (width - 32.0)).floor(), (u[1] * (height - 32.0)).floor()];
            }
            let from = |u: f64, side: f64| (u * (side - 48.0)).round() + 15.0;
            let to = |u: f64, from: f64| (16.0 * (u - 0.5) + from + 1.0).round() - 1.0;
            [to(u[2], from(u[0], width)), to(u[3], from(u[1], height))]
        };
        let places: Vec<[f64; 2]> = (0..count).map(place).collect();
        let found = run(&picture, &format!("kadid:{op}@1"));
        let differs = found.data().iter().zip(picture.data()).map(|(a, b)| a != b);
        let changed: Vec<usize> =
            differs.enumerate().filter_map(|(i, differs)| differs.then_some(i / 3)).collect();
        assert!(!changed.is_empty(), "{op}");
        for pixel in changed {
            let at = [(pixel % 96) as f64, (pixel / 96) as f64];
            let inside = |corner: &[f64; 2]| {
                (0..2).all(|axis| (corner[axis]..corner[axis] + side).contains(&at[axis]))
            };
            assert!(places.iter().any(inside), "{op}: {at:?} is in none of {places:?}");
        }
    }
}

/// 9
#[test]
fn few_levels_and_few_colours_are_few() {
    let picture = golden_picture();
    let quantize = distortion("kadid", "quantize").expect("built");
    let palette = distortion("kadid", "color_quantize").expect("built");
    for level in 1..=5 {
        let found = apply_u8(&picture, quantize, Strength::Level(level), KEY, 0).expect("legal");
        let distinct: std::collections::BTreeSet<u8> = found.data().iter().copied().collect();
        let most = quantize.levels[0][usize::from(level) - 1] as usize + 1;
        assert!(distinct.len() <= most && distinct.len() > 2, "{} levels", distinct.len());
        assert!(distinct.contains(&0) && distinct.contains(&255), "{distinct:?}");
        // Between them stand thresholds, which are levels of the picture.
        let there: std::collections::BTreeSet<u8> = picture.data().iter().copied().collect();
        assert!(distinct.iter().all(|v| [0, 255].contains(v) || there.contains(v)));

        let found = apply_u8(&picture, palette, Strength::Level(level), KEY, 0).expect("legal");
        let colours = found.data().as_chunks::<3>().0;
        let distinct: std::collections::BTreeSet<[u8; 3]> = colours.iter().copied().collect();
        assert!(distinct.len() <= palette.levels[0][usize::from(level) - 1] as usize);
    }
}

/// 10
#[test]
fn jpeg_reaches_the_psnr_of_libjpeg() {
    let picture = golden_picture();
    let op = distortion("kadid", "jpeg").expect("built");
    for (level, expected) in (1..=5).zip([25.11, 24.75, 23.65, 20.99, 19.23]) {
        let found = apply_u8(&picture, op, Strength::Level(level), KEY, 0).expect("legal");
        let found = psnr(&found, &picture);
        assert!((found - expected).abs() < 0.35, "level {level}: {found:.3} dB");
    }
}

/// 15
#[test]
fn small_pictures_keep_their_size_or_are_too_small() {
    for item in items() {
        for (width, height) in [(1, 1), (1, 40), (40, 1), (3, 2)] {
            let picture = constant(width, height, [0.1, 0.6, 1.0]);
            match address(&item).apply(&picture) {
                Ok(found) => {
                    assert_eq!((found.width(), found.height()), (width, height), "{item}");
                    assert!(found.data().iter().all(|v| v.is_finite()), "{item}");
                }
                Err(DegradeError::TooSmall { op, needed, .. }) => {
                    let known = [("kadid:patch_swap", 48), ("kadid:color_block", 32)];
                    assert!(known.contains(&(op.as_str(), needed)), "{item}: {op} {needed}");
                }
                Err(other) => panic!("{item}: {other}"),
            }
        }
    }
}

#[test]
fn values_stay_between_zero_and_one() {
    let picture = RgbF32::from_levels(&golden_picture());
    // `re:blur` and `re:resize` may overshoot; these change the size.
    let sizes = ["bicubic", "smooth"].map(|mode| format!("bsr:resize+h=150+w=200+mode={mode}"));
    let sizes = sizes.into_iter().chain(["bsr:decimate+sigma=0.5+factor=2".to_owned()]);
    for item in items().into_iter().chain(sizes).filter(|item| !item.starts_with("re:blur")) {
        let found = run(&picture, &item);
        assert!(found.data().iter().all(|v| (0.0..=1.0).contains(v)), "{item}");
    }
}

/// 16
#[test]
fn nan_and_infinity_are_errors() {
    for op in kadid() {
        for bad in [f32::NAN, f32::INFINITY] {
            let picture = RgbF32::new(1, 2, vec![0.0, 0.0, 0.0, 0.0, bad, 0.0]).expect("sizes fit");
            let found = apply(&picture, op, Strength::Level(1), KEY, 0);
            assert!(matches!(found, Err(DegradeError::NotFinite { index: 4, .. })), "{}", op.name);
        }
    }
}

/// 16, for every family.
#[test]
fn no_operation_takes_a_number_that_is_none() {
    let mut data =
        golden_picture().data().iter().map(|&v| f32::from(v) / 255.0).collect::<Vec<_>>();
    data[1000] = f32::NAN;
    let picture = RgbF32::new(96, 64, data).expect("sizes fit");
    for item in items() {
        let found = address(&item).apply(&picture);
        assert!(matches!(found, Err(DegradeError::NotFinite { index: 1000, .. })), "{item}");
    }
}

#[test]
fn values_far_outside_are_no_panic() {
    let data = (0..50 * 50 * 3).map(|i| [-3.0, 0.5, 7.0, 1e9, -1e9][i % 5]).collect();
    let picture = RgbF32::new(50, 50, data).expect("sizes fit");
    for item in items() {
        let found = run(&picture, &item);
        assert_eq!((found.width(), found.height()), (50, 50), "{item}");
        let within = found.data().iter().all(|v| (0.0..=1.0).contains(v));
        assert!(within || item.starts_with("re:blur"), "{item}");
    }
}

#[test]
fn levels_outside_one_to_five_are_errors() {
    let picture = golden_picture();
    for op in distortions() {
        for strength in [Strength::Level(0), Strength::Level(6), Strength::Value(f32::NAN)] {
            assert!(apply_u8(&picture, op, strength, KEY, 0).is_err(), "{}", op.full_name());
        }
    }
}

#[test]
fn the_8_bit_form_equals_the_float_form_rounded() {
    let picture = golden_picture();
    for item in items() {
        let address = address(&item);
        let fast = address.apply_levels(&picture).expect("legal");
        let slow = address.apply(&RgbF32::from_levels(&picture)).expect("legal");
        assert_eq!(fast, slow.to_levels(), "{item}");
    }
    let mixed = "qpt:hue_up@3/kadid:darken@2/qpt:jpeg@2/kadid:quantize@4/kadid:brighten@3";
    let fast = address(mixed).apply_levels(&picture).expect("legal");
    let slow = address(mixed).apply(&RgbF32::from_levels(&picture)).expect("legal");
    assert_eq!(fast, slow.to_levels());
}

/// 17; JPEG 2000 (9) on a larger picture, where its highest ratios can be reached, in its own file.
#[test]
fn psnr_falls_strictly_with_the_level() {
    let picture = golden_picture();
    let numbers: Vec<u8> =
        [1..=4, 6..=6, 8..=8, 10..=17, 19..=20, 22..=24].into_iter().flatten().collect();
    let mut seen = 0;
    for op in kadid().filter(|op| numbers.contains(&op.number)) {
        let values: Vec<f64> = (1..=5)
            .map(|level| {
                let found = apply_u8(&picture, op, Strength::Level(level), GOLDEN_KEY, 0);
                psnr(&found.expect("a legal level"), &picture)
            })
            .collect();
        assert!(values.windows(2).all(|pair| pair[0] > pair[1]), "{}: {values:?}", op.name);
        seen += 1;
    }
    assert_eq!(seen, 19);
}

/// 18
#[test]
fn qpt_keeps_gray_pictures_and_turns_hues_back() {
    let gray = Rgb8::new(40, 37, vec![131; 40 * 37 * 3]).expect("sizes fit");
    let changing = ["noise", "brightness", "gamma", "jpeg"];
    let keeping = distortions()
        .filter(|op| op.family == "qpt" && !changing.iter().any(|part| op.name.contains(part)));
    let mut seen = 0;
    for op in keeping {
        for level in 1..=5 {
            let found = apply_u8(&gray, op, Strength::Level(level), KEY, 0).expect("legal");
            assert_eq!(found, gray, "{} {level}", op.name);
        }
        seen += 1;
    }
    assert_eq!(seen, 19);

    let there_and_back = address("qpt:hue_up@5/qpt:hue_down@5");
    let picture = golden_picture();
    let found = there_and_back.apply_levels(&picture).expect("legal");
    for (found, plain) in found.data().as_chunks::<3>().0.iter().zip(picture.data().as_chunks().0) {
        let [r, g, b]: [u8; 3] = *plain;
        if r.max(g).max(b) - r.min(g).min(b) >= 32 {
            assert!(
                found.iter().zip(plain).all(|(a, b)| a.abs_diff(*b) <= 2),
                "{found:?} {plain:?}"
            );
        }
    }
}

#[test]
fn downscaling_keeps_an_odd_size() {
    let picture = Rgb8::new(333, 251, vec![90; 333 * 251 * 3]).expect("sizes fit");
    for mode in ["nearest", "bilinear", "bicubic"] {
        for level in 1..=5 {
            let found = address(&format!("qpt:downscale_{mode}@{level}")).apply_levels(&picture);
            assert_eq!(found.expect("legal"), picture);
        }
    }
}

#[test]
fn the_position_in_a_composition_changes_the_noise() {
    let picture = RgbF32::from_levels(&golden_picture());
    let op = distortion("kadid", "noise_white").expect("built");
    let at = |position| apply(&picture, op, Strength::Level(3), KEY, position).expect("finite");
    assert_ne!(at(0), at(1));
}
