//! Every `golden/degrade-*` case whose operations are built, and the closed forms of
//! `papers/degradations.md`, section 9, that concern them.

use biqa::golden::{self, Case, Data, GoldenError, Tensor, Tensors};
use biqa::image::Rgb8;
use biqa::random::Key;
use biqa_lab::degrade::{
    Address, DISTORTIONS, DegradeError, RgbF32, Strength, apply, apply_u8, distortion,
};
use std::collections::BTreeMap;

/// Functions, operations and families that are not built yet: (name, issue).
const NOT_BUILT: [(&str, u32); 29] = [
    ("degrade_kernel", 4),
    ("kadid:lens_blur", 4),
    ("kadid:motion_blur", 4),
    ("kadid:color_diffusion", 4),
    ("kadid:color_shift", 4),
    ("kadid:color_quantize", 4),
    ("kadid:saturate_hsv", 4),
    ("kadid:saturate_lab", 4),
    ("kadid:jpeg2000", 4),
    ("kadid:noise_color", 4),
    ("kadid:noise_impulse", 4),
    ("kadid:noise_multiplicative", 4),
    ("kadid:denoise", 4),
    ("kadid:mean_shift", 4),
    ("kadid:jitter", 4),
    ("kadid:patch_swap", 4),
    ("kadid:pixelate", 4),
    ("kadid:quantize", 4),
    ("kadid:color_block", 4),
    ("kadid:sharpen", 4),
    ("kadid:contrast", 4),
    ("kadid:stretch", 4),
    ("arniqa", 4),
    ("reiqa", 4),
    ("re", 4),
    ("bsr", 4),
    ("bsr_plus", 4),
    ("qpt", 4),
    ("q", 4),
];

#[test]
fn golden_every_degrade_case_is_within_its_tolerance() {
    let summary = golden::run(&["degrade-"], &NOT_BUILT, |case| {
        let found = match case.model.as_str() {
            "degrade" => degrade_case(case)?,
            "degrade_rng" => rng_case(case)?,
            other => return Err(GoldenError::NotBuilt(other.to_owned())),
        };
        case.compare_all(&found)
    });
    assert!(summary.failures.is_empty(), "{}", summary.failures.join("\n"));
    assert!(summary.passed >= 6, "the repository's own copy holds 6 cases");
}

fn missing(what: &'static str, name: &str) -> GoldenError {
    GoldenError::Missing { what, name: name.to_owned() }
}

/// An operation that is not built is named as in the table: by itself, or by its family.
fn parse(text: &str) -> Result<Address, GoldenError> {
    text.parse().map_err(|error| match error {
        DegradeError::Unavailable { op, .. } => {
            let family = op.split(':').next().unwrap_or_default().to_owned();
            GoldenError::NotBuilt(if family == "kadid" { op } else { family })
        }
        other => GoldenError::Code(other.to_string()),
    })
}

fn degrade_case(case: &Case) -> Result<Tensors, GoldenError> {
    let addresses: BTreeMap<String, String> =
        serde_json::from_value(case.config.get("addresses").cloned().unwrap_or_default())
            .map_err(|error| GoldenError::Code(error.to_string()))?;
    let inputs = case.inputs()?;
    let (width, height, data) =
        inputs.get("image")?.picture().ok_or_else(|| missing("picture", "image"))?;
    let picture = Rgb8::new(width, height, data).ok_or_else(|| missing("picture", "image"))?;
    let crop: Option<[usize; 4]> =
        case.config.get("crop").and_then(|crop| serde_json::from_value(crop.clone()).ok());

    let mut found = Tensors::default();
    for (name, text) in &addresses {
        let address = parse(text)?;
        let canonical = case.config.pointer(&format!("/canonical/{name}"));
        if let Some(canonical) = canonical.and_then(|text| text.as_str())
            && address.to_string() != canonical
        {
            let message = format!("prints {address}, expected {canonical}");
            return Err(GoldenError::Differs { name: name.clone(), message });
        }
        let result = address
            .apply(&RgbF32::from_levels(&picture))
            .map_err(|error| GoldenError::Code(error.to_string()))?;
        let levels = result.to_levels();
        let number = name.trim_start_matches("level");
        let scalar = |v: f64| Tensor { shape: vec![1], data: Data::F64(vec![v]) };
        found.0.insert(format!("psnr{number}"), scalar(psnr(&levels, &picture)));
        found.0.insert(format!("mean{number}"), Tensor::of_f64s(means(&levels)));
        if let Some(crop) = crop {
            found.0.insert(format!("crop{number}"), cut(&result, crop));
        }
        found.0.insert(
            name.clone(),
            Tensor::of_picture(levels.width(), levels.height(), levels.data()),
        );
    }
    Ok(found)
}

/// `[top, left, height, width]` of a float picture as `(1, 3, h, w)`.
fn cut(picture: &RgbF32, [top, left, height, width]: [usize; 4]) -> Tensor {
    let row = picture.width() as usize;
    let mut values = Vec::new();
    for c in 0..3 {
        for y in top..top + height {
            for x in left..left + width {
                values.push(picture.data()[3 * (y * row + x) + c]);
            }
        }
    }
    Tensor { shape: vec![1, 3, height, width], data: Data::F32(values) }
}

fn psnr(a: &Rgb8, b: &Rgb8) -> f64 {
    let square = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b)).powi(2);
    let mse = a.data().iter().zip(b.data()).map(square).sum::<f64>() / a.data().len() as f64;
    10.0 * (255.0 * 255.0 / mse).log10()
}

fn means(picture: &Rgb8) -> Vec<f64> {
    let pixels = picture.data().len() as f64 / 3.0;
    let sum = |c| picture.data().iter().skip(c).step_by(3).map(|&v| f64::from(v)).sum::<f64>();
    (0..3).map(|c| sum(c) / pixels / 255.0).collect()
}

fn rng_case(case: &Case) -> Result<Tensors, GoldenError> {
    let key = Key::of_picture(case.integer("seed")?, case.text("name")?, case.integer("stream")?);
    let stated = case.text("key")?;
    if format!("{:016x}", key.0) != stated {
        let message = format!("{:016x}, expected {stated}", key.0);
        return Err(GoldenError::Differs { name: "key".into(), message });
    }
    let draws = key.at(case.integer("op")? as u32);
    let tag = |name: &str| {
        let tag = case.config.pointer(&format!("/tags/{name}")).and_then(serde_json::Value::as_u64);
        tag.map(|tag| tag as u32).ok_or_else(|| missing("tag", name))
    };
    let expected = case.outputs()?;
    let rows =
        |name: &str| expected.get(name).map(|t| t.shape.first().copied().unwrap_or(0) as u32);
    let matrix = |values: Vec<[f64; 4]>| Tensor {
        shape: vec![values.len(), 4],
        data: Data::F64(values.concat()),
    };

    let mut found = Tensors::default();
    let scalars = (0..rows("scalar")?).map(|k| draws.scalar(k)).collect();
    found.0.insert("scalar".into(), Tensor::of_f64s(scalars));
    let uniform = tag("uniform")?;
    let uniforms = (0..rows("uniform")?).map(|i| draws.uniforms(uniform, i)).collect();
    found.0.insert("uniform".into(), matrix(uniforms));
    for name in ["normal", "normal_attempt"] {
        let field = tag(name)?;
        let normals = (0..rows(name)?).map(|i| draws.normals(field, i)).collect();
        found.0.insert(name.into(), matrix(normals));
    }
    let poisson = tag("poisson")?;
    let lambdas = case.inputs()?.get("lam")?.f64s();
    let counts = lambdas.iter().zip(0..).map(|(&lambda, i)| draws.poisson(poisson, i, lambda));
    found.0.insert("poisson".into(), Tensor::of_f64s(counts.collect()));
    Ok(found)
}

const KEY: Key = Key(0x51e3_9173_0a2f_9872);

fn run(picture: &RgbF32, name: &str, level: u8) -> RgbF32 {
    let op = distortion("kadid", name).expect("a built operation");
    apply(picture, op, Strength::Level(level), KEY, 0).expect("a finite picture and a legal level")
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

#[test]
fn a_constant_picture_stays_constant_under_blur() {
    let picture = constant(23, 17, [0.2, 0.5, 0.9]);
    for level in 1..=5 {
        for (found, expected) in
            run(&picture, "gaussian_blur", level).data().iter().zip(picture.data())
        {
            assert!((found - expected).abs() < 1e-5, "level {level}");
        }
    }
}

#[test]
fn the_first_blur_level_is_the_identity() {
    let picture = RgbF32::from_levels(&golden_picture());
    for (found, expected) in run(&picture, "gaussian_blur", 1).data().iter().zip(picture.data()) {
        assert!((found - expected).abs() < 1e-5);
    }
}

#[test]
fn white_noise_has_its_variance_and_no_mean() {
    let picture = constant(256, 256, [0.5; 3]);
    for (level, variance) in [0.001, 0.002, 0.003, 0.005, 0.01].into_iter().enumerate() {
        let found = run(&picture, "noise_white", level as u8 + 1);
        for c in 0..3 {
            let values: Vec<f64> =
                found.data().iter().skip(c).step_by(3).map(|&v| f64::from(v)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            let ratio = square / values.len() as f64 / variance;
            assert!((mean - 0.5).abs() < 0.002, "mean {mean}");
            assert!((0.97..1.03).contains(&ratio), "level {level}: variance ratio {ratio}");
        }
    }
}

#[test]
fn psnr_falls_strictly_with_the_level() {
    let picture = golden_picture();
    for op in &DISTORTIONS {
        let values: Vec<f64> = (1..=5)
            .map(|level| {
                let found = apply_u8(&picture, op, Strength::Level(level), KEY, 0);
                psnr(&found.expect("a legal level"), &picture)
            })
            .collect();
        assert!(values.windows(2).all(|pair| pair[0] > pair[1]), "{}: {values:?}", op.name);
    }
}

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

#[test]
fn small_pictures_keep_their_size_and_stay_finite() {
    for op in &DISTORTIONS {
        for (width, height) in [(1, 1), (1, 40), (40, 1), (3, 2)] {
            for level in 1..=5 {
                let found = run(&constant(width, height, [0.1, 0.6, 1.0]), op.name, level);
                assert_eq!((found.width(), found.height()), (width, height), "{}", op.name);
                assert!(found.data().iter().all(|v| (0.0..=1.0).contains(v)), "{}", op.name);
            }
        }
    }
}

#[test]
fn nan_and_infinity_are_errors() {
    for op in &DISTORTIONS {
        for bad in [f32::NAN, f32::INFINITY] {
            let picture = RgbF32::new(1, 2, vec![0.0, 0.0, 0.0, 0.0, bad, 0.0]).expect("sizes fit");
            let found = apply(&picture, op, Strength::Level(1), KEY, 0);
            assert!(matches!(found, Err(DegradeError::NotFinite { index: 4, .. })), "{}", op.name);
        }
    }
}

#[test]
fn levels_outside_one_to_five_are_errors() {
    let picture = golden_picture();
    for op in &DISTORTIONS {
        for strength in [Strength::Level(0), Strength::Level(6), Strength::Value(f32::NAN)] {
            assert!(apply_u8(&picture, op, strength, KEY, 0).is_err(), "{}", op.name);
        }
    }
}

#[test]
fn the_8_bit_form_equals_the_float_form_rounded() {
    let picture = golden_picture();
    for op in &DISTORTIONS {
        for level in 1..=5 {
            let strength = Strength::Level(level);
            let fast = apply_u8(&picture, op, strength, KEY, 3).expect("legal");
            let slow = apply(&RgbF32::from_levels(&picture), op, strength, KEY, 3).expect("legal");
            assert_eq!(fast, slow.to_levels(), "{} level {level}", op.name);
        }
    }
}

#[test]
fn every_number_of_threads_gives_the_same_bytes() {
    let picture = golden_picture();
    let text = "d1/51e391730a2f9872/kadid:noise_white@3/kadid:gaussian_blur@3/kadid:jpeg@2";
    let address: Address = text.parse().expect("a good address");
    let alone = address.apply_levels(&picture).expect("finite");
    for threads in [1, 16] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let found = pool.install(|| address.apply_levels(&picture)).expect("finite");
        assert_eq!(found, alone);
    }
}

#[test]
fn the_position_in_a_composition_changes_the_noise() {
    let picture = RgbF32::from_levels(&golden_picture());
    let op = distortion("kadid", "noise_white").expect("built");
    let at = |position| apply(&picture, op, Strength::Level(3), KEY, position).expect("finite");
    assert_ne!(at(0), at(1));
}
