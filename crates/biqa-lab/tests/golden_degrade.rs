//! Every `golden/degrade-*` case. The closed forms of `papers/degradations.md`, section 9, are tested
//! in `degrade.rs` and beside the functions.

use biqa::golden::{self, Case, Data, GoldenError, Tensor, Tensors};
use biqa::image::Rgb8;
use biqa::random::Key;
use biqa_lab::degrade::{
    Address, DegradeError, Kernel, KernelKind, RgbF32, ShapedKernel, lens_kernel, motion_kernel,
};
use std::collections::BTreeMap;

#[test]
fn golden_every_degrade_case_is_within_its_tolerance() {
    let summary = golden::run(&["degrade-"], &[], |case| {
        let found = match case.model.as_str() {
            "degrade" => degrade_case(case)?,
            "degrade_rng" => rng_case(case)?,
            "degrade_kernel" => kernel_case(case)?,
            other => return Err(GoldenError::NotBuilt(other.to_owned())),
        };
        case.compare_all(&found)
    });
    assert!(summary.failures.is_empty(), "{}", summary.failures.join("\n"));
    assert!(summary.passed >= 37, "the repository's own copy holds 37 cases");
}

fn missing(what: &'static str, name: &str) -> GoldenError {
    GoldenError::Missing { what, name: name.to_owned() }
}

fn code(error: DegradeError) -> GoldenError {
    GoldenError::Code(error.to_string())
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

    let expected = case.outputs()?;
    let mut found = Tensors::default();
    for (name, text) in &addresses {
        let address: Address = text.parse().map_err(code)?;
        let canonical = case.config.pointer(&format!("/canonical/{name}"));
        if let Some(canonical) = canonical.and_then(|text| text.as_str())
            && address.to_string() != canonical
        {
            let message = format!("prints {address}, expected {canonical}");
            return Err(GoldenError::Differs { name: name.clone(), message });
        }
        let result = address.apply(&RgbF32::from_levels(&picture)).map_err(code)?;
        if matches!(expected.0.get(name), Some(Tensor { data: Data::F32(_) | Data::F64(_), .. })) {
            let whole = [0, 0, result.height() as usize, result.width() as usize];
            found.0.insert(name.clone(), cut(&result, whole));
            continue;
        }
        let levels = result.to_levels();
        if address.apply_levels(&picture).map_err(code)? != levels {
            let message = "another result from levels to levels".to_owned();
            return Err(GoldenError::Differs { name: name.clone(), message });
        }
        let number = name.trim_start_matches("level");
        let scalar = |v: f64| Tensor { shape: vec![1], data: Data::F64(vec![v]) };
        if (levels.width(), levels.height()) == (picture.width(), picture.height()) {
            found.0.insert(format!("psnr{number}"), scalar(psnr(&levels, &picture)));
        }
        found.0.insert(format!("mean{number}"), Tensor::of_f64s(means(&levels)));
        let name_of_crop = format!("crop{number}");
        if let Some(crop) = crop.filter(|_| case.expect.contains_key(&name_of_crop)) {
            found.0.insert(name_of_crop, cut(&result, crop));
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

/// `diskR`, `motionL_A`, or kernels of `re:blur` by their parameters.
fn kernel_case(case: &Case) -> Result<Tensors, GoldenError> {
    let mut found = Tensors::default();
    for name in case.expect.keys() {
        let kernel = match case.config.pointer(&format!("/kernels/{name}")) {
            Some(shape) => shaped(shape).ok_or_else(|| missing("kernel", name))?,
            None => named(name).ok_or_else(|| missing("kernel", name))?,
        };
        let shape = vec![1, 1, kernel.height, kernel.width];
        found.0.insert(name.clone(), Tensor { shape, data: Data::F64(kernel.weights) });
    }
    Ok(found)
}

fn named(name: &str) -> Option<Kernel> {
    // A fraction may be written 2.5 or 2_5.
    let number = |text: &str| text.replace('_', ".").parse().ok();
    if let Some(radius) = name.strip_prefix("disk") {
        return number(radius).map(lens_kernel);
    }
    let (length, angle) = name.strip_prefix("motion")?.rsplit_once('_')?;
    Some(motion_kernel(number(length)?, number(angle)?))
}

fn shaped(shape: &serde_json::Value) -> Option<Kernel> {
    let number = |name: &str| shape.get(name).and_then(serde_json::Value::as_f64).unwrap_or(0.0);
    let kind = KernelKind::named(shape.get("kind")?.as_str()?)?;
    let shaped = ShapedKernel {
        kind,
        side: number("ksize") as usize,
        sx: number("sx"),
        sy: number("sy"),
        theta: number("theta"),
        beta: number("beta"),
        cutoff: number("cutoff"),
    };
    Some(shaped.kernel())
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
    for name in case.expect.keys() {
        let tensor = match name.as_str() {
            "scalar" => Tensor::of_f64s((0..rows(name)?).map(|k| draws.scalar(k)).collect()),
            "poisson" => {
                let field = tag(name)?;
                let lambdas = case.inputs()?.get("lam")?.f64s();
                let count = |(&lambda, i)| draws.poisson(field, i, lambda);
                Tensor::of_f64s(lambdas.iter().zip(0..).map(count).collect())
            }
            "uniform" => {
                let field = tag(name)?;
                matrix((0..rows(name)?).map(|i| draws.uniforms(field, i)).collect())
            }
            other if other.starts_with("normal") => {
                let field = tag(name)?;
                matrix((0..rows(name)?).map(|i| draws.normals(field, i)).collect())
            }
            other => return Err(GoldenError::NotBuilt(format!("degrade_rng {other}"))),
        };
        found.0.insert(name.clone(), tensor);
    }
    Ok(found)
}
