//! The operations of Real-ESRGAN (`re:`) and the colour and geometry operations of no published
//! list (`q:`).

use super::Origin::{Chosen, Default, Given};
use super::{Distortion, Float, Parameter, Run, Values, as_given, number, whole, word};
use crate::degrade::{q, re};
use biqa::random::Draws;

const RE_SOURCE: &str = "BasicSR data/degradations.py, utils/diffjpeg.py; papers/degradations.md 3";
const Q_SOURCE: &str = "papers/degradations.md 8";

/// A row without levels.
const fn row(
    family: &'static str,
    number: u8,
    name: &'static str,
    parameters: &'static [Parameter],
    summary: &'static str,
    run: Float,
    complete: fn(&mut Values, &Draws) -> Result<(), String>,
) -> Distortion {
    let source = if family.len() == 2 { RE_SOURCE } else { Q_SOURCE };
    let (levels, run) = (&[], Run::Float(run));
    Distortion { number, family, name, parameters, levels, summary, source, run, complete }
}

/// Of the parameters behind the size those that the kind has.
fn check_kernel(values: &mut Values, _: &Draws) -> Result<(), String> {
    if values.at(1) % 2.0 == 0.0 {
        return Err("an odd +ksize=".to_owned());
    }
    let needed = re::Kind::of(values.at(0)).parameters();
    let names = ["sx", "sy", "theta", "beta", "cutoff"];
    let wrong =
        (0..names.len()).find(|&i| values.get(i + 2).is_some() != needed.contains(&names[i]));
    match wrong {
        None => Ok(()),
        Some(_) => Err(format!("of {names:?} exactly {needed:?} for this kind")),
    }
}

/// Either both sides or a scale.
fn check_size(values: &mut Values, _: &Draws) -> Result<(), String> {
    let given = |i: usize| values.get(i).is_some();
    match [given(0), given(1), given(2)] {
        [true, true, false] | [false, false, true] => Ok(()),
        _ => Err("+h= and +w=, or +scale=".to_owned()),
    }
}

/// Real-ESRGAN's.
pub(super) static RE: [Distortion; 7] = [
    row("re", 1, "usm", &[], "unsharp mask of a wide Gaussian", |p, _, _| Ok(re::usm(p)), as_given),
    row(
        "re",
        2,
        "blur",
        &[
            word("kind", &re::KINDS, Given),
            whole("ksize", 1.0, 51.0, Given),
            number("sx", 0.05, 50.0, Chosen),
            number("sy", 0.05, 50.0, Chosen),
            number("theta", -7.0, 7.0, Chosen),
            number("beta", 0.05, 20.0, Chosen),
            number("cutoff", 0.01, 4.0, Chosen),
        ],
        "one of seven kernels",
        |p, v, _| Ok(re::blur(p, &re::Shaped::of(v))),
        check_kernel,
    ),
    row(
        "re",
        3,
        "resize",
        &[
            whole("h", 1.0, 16384.0, Chosen),
            whole("w", 1.0, 16384.0, Chosen),
            number("scale", 0.01, 16.0, Chosen),
            word("mode", &["area", "bilinear", "bicubic"], Given),
        ],
        "to a size, point sampled",
        |p, v, _| re::resize(p, v),
        check_size,
    ),
    row(
        "re",
        4,
        "noise",
        &[number("sigma", 0.0, 255.0, Given), whole("gray", 0.0, 1.0, Given)],
        "Gaussian noise in levels",
        |p, v, d| Ok(re::noise(p, v.at(0), v.at(1) == 1.0, d)),
        as_given,
    ),
    row(
        "re",
        5,
        "poisson",
        &[number("scale", 0.0, 100.0, Given), whole("gray", 0.0, 1.0, Given)],
        "photon noise",
        |p, v, d| Ok(re::poisson(p, v.at(0), v.at(1) == 1.0, d)),
        as_given,
    ),
    row(
        "re",
        6,
        "jpeg",
        &[
            number("q", 1.0, 99.99999, Given),
            word("tables", &["released", "standard"], Default(0.0)),
        ],
        "differentiable JPEG of BasicSR, a real quality",
        |p, v, _| Ok(re::jpeg(p, v.at(0), v.at(1) == 0.0)),
        as_given,
    ),
    row("re", 7, "round", &[], "to integer levels", |p, _, _| Ok(re::round(p)), as_given),
];

/// Colour and geometry.
pub(super) static COLOR: [Distortion; 5] = [
    row(
        "q",
        1,
        "brightness",
        &[number("f", 0.0, 20.0, Given)],
        "times a factor",
        |p, v, _| Ok(q::brightness(p, v.at(0))),
        as_given,
    ),
    row(
        "q",
        2,
        "contrast",
        &[number("f", 0.0, 20.0, Given)],
        "away from or towards the mean gray",
        |p, v, _| Ok(q::contrast(p, v.at(0))),
        as_given,
    ),
    row(
        "q",
        3,
        "saturation",
        &[number("f", 0.0, 20.0, Given)],
        "away from or towards each pixel's gray",
        |p, v, _| Ok(q::saturation(p, v.at(0))),
        as_given,
    ),
    row(
        "q",
        4,
        "hue",
        &[number("f", -10.0, 10.0, Given)],
        "the hue turned, in turns",
        |p, v, _| Ok(q::hue(p, v.at(0))),
        as_given,
    ),
    row(
        "q",
        5,
        "affine",
        &[
            number("angle", -360.0, 360.0, Given),
            number("scale", 0.05, 20.0, Given),
            number("shear", -80.0, 80.0, Given),
            number("tx", -1.0, 1.0, Given),
            number("ty", -1.0, 1.0, Given),
        ],
        "turned, scaled, sheared, moved",
        |p, v, _| Ok(q::affine(p, [v.at(0), v.at(1), v.at(2), v.at(3), v.at(4)])),
        as_given,
    ),
];
