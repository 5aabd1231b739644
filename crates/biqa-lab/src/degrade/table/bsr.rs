//! The operations that only BSRGAN has.

use super::Origin::Given;
use super::{Distortion, Float, Parameter, Run, as_given, number, whole, word};
use crate::degrade::bsr;
use crate::degrade::resize::Mode;

const SOURCE: &str = "BSRGAN utils/utils_blindsr.py; papers/degradations.md 4";

const fn row(
    number: u8,
    name: &'static str,
    parameters: &'static [Parameter],
    summary: &'static str,
    run: Float,
) -> Distortion {
    let (family, levels, run, complete) = ("bsr", &[], Run::Float(run), as_given);
    Distortion { number, family, name, parameters, levels, summary, source: SOURCE, run, complete }
}

/// By number.
pub(super) static BSR: [Distortion; 7] = [
    row(
        1,
        "blur_aniso",
        &[
            whole("radius", 1.0, 25.0, Given),
            number("theta", -7.0, 7.0, Given),
            number("l1", 0.05, 100.0, Given),
            number("l2", 0.05, 100.0, Given),
        ],
        "oval Gaussian by its variances",
        |p, v, _| {
            let kernel = bsr::oval(2 * v.at(0) as usize + 1, v.at(1), v.at(2), v.at(3));
            Ok(bsr::blur_aniso(p, &kernel))
        },
    ),
    row(
        2,
        "blur_iso",
        &[whole("radius", 1.0, 25.0, Given), number("sigma", 0.05, 50.0, Given)],
        "round Gaussian",
        |p, v, _| Ok(bsr::blur_iso(p, 2 * v.at(0) as usize + 1, v.at(1))),
    ),
    row(
        3,
        "decimate",
        &[number("sigma", 0.05, 10.0, Given), whole("factor", 1.0, 8.0, Given)],
        "every n-th pixel of a shifted Gaussian",
        |p, v, _| bsr::decimate(p, v.at(0), v.at(1) as usize),
    ),
    row(
        4,
        "resize",
        &[
            whole("h", 1.0, 16384.0, Given),
            whole("w", 1.0, 16384.0, Given),
            word("mode", &["area", "bilinear", "bicubic", "smooth"], Given),
        ],
        "to a size, as OpenCV does it",
        |p, v, _| {
            let modes = [Mode::TrueArea, Mode::Bilinear, Mode::Bicubic, Mode::SmoothCubic];
            let mode = modes.get(v.at(2) as usize).copied().unwrap_or(Mode::TrueArea);
            bsr::resize(p, v.at(0) as usize, v.at(1) as usize, mode)
        },
    ),
    row(
        5,
        "crop",
        &[whole("h", 1.0, 16384.0, Given), whole("w", 1.0, 16384.0, Given)],
        "the upper left part",
        |p, v, _| bsr::crop(p, v.at(0) as u32, v.at(1) as u32),
    ),
    row(
        6,
        "noise",
        &[
            number("a", -1.0, 1.0, Given),
            number("b", -1.0, 1.0, Given),
            number("c", -1.0, 1.0, Given),
            number("d", -1.0, 1.0, Given),
            number("e", -1.0, 1.0, Given),
            number("f", -1.0, 1.0, Given),
            whole("speckle", 0.0, 1.0, Given),
        ],
        "normals of a covariance, given by its Cholesky factor",
        |p, v, d| {
            let factor = std::array::from_fn(|i| v.at(i));
            Ok(bsr::correlated(p, factor, v.at(6) == 1.0, d))
        },
    ),
    row(
        7,
        "poisson",
        &[number("vals", 1.0, 1e6, Given), whole("gray", 0.0, 1.0, Given)],
        "photon noise",
        |p, v, d| Ok(bsr::poisson(p, v.at(0), v.at(1) == 1.0, d)),
    ),
];
