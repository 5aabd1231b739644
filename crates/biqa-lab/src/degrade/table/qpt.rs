//! QPT's 29 operations, in the order of the published list (`papers/qpt.md`, section 3).

use super::Origin::{Drawn, LevelOnly};
use super::{Distortion, Levels, Parameter, Run, Values, as_given, number, whole};
use crate::degrade::jpeg;
use crate::degrade::qpt;
use crate::degrade::resize::Mode;
use biqa::random::Draws;

/// Where all rows come from.
const SOURCE: &str = "QualityAwareTransform of the library tw; papers/qpt.md 3, degradations.md 8";

const fn row(
    number: u8,
    name: &'static str,
    parameters: &'static [Parameter],
    levels: &'static [[f64; 5]],
    summary: &'static str,
    run: Levels,
) -> Distortion {
    let (family, run, complete) = ("qpt", Run::Levels(run), as_given);
    Distortion { number, family, name, parameters, levels, summary, source: SOURCE, run, complete }
}

/// A row with one value a level.
const fn one(
    number: u8,
    name: &'static str,
    parameter: &'static [Parameter; 1],
    levels: &'static [[f64; 5]; 1],
    summary: &'static str,
    run: Levels,
) -> Distortion {
    row(number, name, parameter, levels, summary, run)
}

const fn drawing(
    mut row: Distortion,
    by: fn(&mut Values, &Draws) -> Result<(), String>,
) -> Distortion {
    row.complete = by;
    row
}

/// A parameter that a level stands for; `qpt:` operations have no other form.
const fn level(name: &'static str) -> [Parameter; 1] {
    [number(name, f32::MIN, f32::MAX, LevelOnly)]
}

/// Length and angle of the line.
#[expect(clippy::unnecessary_wraps, reason = "other operations refuse")]
fn draw_line(values: &mut Values, draws: &Draws) -> Result<(), String> {
    let lo = values.at(0);
    let length = || f64::from((6.0 * (lo + 0.2 * draws.scalar(0))) as f32);
    values.or_insert(1, length);
    values.or_insert(2, || f64::from((180.0 * draws.scalar(1)) as f32));
    Ok(())
}

/// A factor a column.
#[expect(clippy::unnecessary_wraps, reason = "other operations refuse")]
fn draw_factors(values: &mut Values, draws: &Draws) -> Result<(), String> {
    for i in 0..7 {
        values.or_insert(i + 1, || f64::from((0.75 + 0.5 * draws.scalar(i as u32)) as f32));
    }
    Ok(())
}

const UP: [[f64; 5]; 1] = [[1.05, 1.10, 1.15, 1.20, 1.25]];
const DOWN: [[f64; 5]; 1] = [[0.95, 0.90, 0.85, 0.80, 0.75]];
const STD: [[f64; 5]; 1] = [[4.0, 8.0, 12.0, 16.0, 18.0]];
const SCALE: [[f64; 5]; 1] = [[2.0, 2.5, 3.0, 3.5, 4.0]];

/// By number.
pub(super) static QPT: [Distortion; 29] = [
    one(
        1,
        "usm_sharpen",
        &level("c"),
        &[[0.5, 0.7, 0.9, 1.1, 1.3]],
        "unsharp mask of a small Gaussian",
        |p, v, _| Ok(qpt::usm_sharpen(p, v.at(0))),
    ),
    one(
        2,
        "bilateral_usm_sharpen",
        &level("c"),
        &[[1.2, 1.4, 1.6, 1.8, 2.0]],
        "bilateral filter and the detail of a small Gaussian",
        |p, v, _| Ok(qpt::bilateral_usm_sharpen(p, v.at(0))),
    ),
    one(
        3,
        "photoshop_usm_sharpen",
        &level("a"),
        &[[0.5, 0.7, 0.9, 1.1, 1.3]],
        "unsharp mask where the picture is lighter than its blur",
        |p, v, _| Ok(qpt::photoshop_usm_sharpen(p, v.at(0))),
    ),
    one(
        4,
        "gaussian_blur",
        &level("sigma"),
        &[[0.5, 1.0, 1.5, 2.0, 2.5]],
        "Gaussian cut to 3x3",
        |p, v, _| Ok(qpt::gaussian_blur(p, v.at(0))),
    ),
    drawing(
        row(
            5,
            "motion_blur",
            &[
                number("range", 0.0, 1.0, LevelOnly),
                number("len", 0.0, 6.0, Drawn),
                number("angle", 0.0, 180.0, Drawn),
            ],
            &[[0.0, 0.2, 0.4, 0.6, 0.8]],
            "mean along a thin line of random length and angle",
            |p, v, _| Ok(qpt::motion_blur(p, v.at(1), v.at(2))),
        ),
        draw_line,
    ),
    one(
        6,
        "median_blur",
        &level("window"),
        &[[3.0, 5.0, 7.0, 9.0, 11.0]],
        "median of each channel",
        |p, v, _| Ok(qpt::median_blur(p, v.at(0) as usize)),
    ),
    row(
        7,
        "glass_blur",
        &[number("sigma", 0.0, 9.0, LevelOnly), whole("d", 0.0, 9.0, LevelOnly)],
        &[[0.1, 0.3, 0.5, 0.7, 0.9], [1.0, 2.0, 3.0, 4.0, 5.0]],
        "pixels exchanged nearby, between two Gaussians",
        |p, v, d| Ok(qpt::glass_blur(p, v.at(0), v.at(1) as usize, d)),
    ),
    drawing(
        row(
            8,
            "advanced_blur",
            &[
                number("sigma", 0.0, 9.0, LevelOnly),
                number("f0", 0.01, 100.0, Drawn),
                number("f1", 0.01, 100.0, Drawn),
                number("f2", 0.01, 100.0, Drawn),
                number("f3", 0.01, 100.0, Drawn),
                number("f4", 0.01, 100.0, Drawn),
                number("f5", 0.01, 100.0, Drawn),
                number("f6", 0.01, 100.0, Drawn),
            ],
            &[[0.5, 1.0, 1.5, 2.0, 2.5]],
            "7x7 Gaussian with random factors on its columns",
            |p, v, _| {
                let factors = std::array::from_fn(|i| v.at(i + 1));
                Ok(qpt::advanced_blur(p, v.at(0), factors))
            },
        ),
        draw_factors,
    ),
    one(
        9,
        "defocus_blur",
        &level("r"),
        &[[3.0, 4.0, 5.0, 6.0, 7.0]],
        "mean over a disc",
        |p, v, _| Ok(qpt::defocus_blur(p, v.at(0) as usize)),
    ),
    one(
        10,
        "zoom_blur",
        &level("z"),
        &[[1.02, 1.04, 1.06, 1.08, 1.10]],
        "mean of central zooms",
        |p, v, _| Ok(qpt::zoom_blur(p, v.at(0))),
    ),
    row(
        11,
        "iso_noise",
        &[number("shift", 0.0, 1.0, LevelOnly), number("it", 0.0, 1.0, LevelOnly)],
        &[[0.01, 0.015, 0.02, 0.025, 0.03], [0.1, 0.3, 0.5, 0.7, 0.9]],
        "noise of hue and lightness",
        |p, v, d| Ok(qpt::iso_noise(p, v.at(0), v.at(1), d)),
    ),
    one(
        12,
        "gaussian_color_noise",
        &level("std"),
        &STD,
        "Gaussian noise, each channel",
        |p, v, d| Ok(qpt::gaussian_color_noise(p, v.at(0), d)),
    ),
    one(13, "gaussian_gray_noise", &level("std"), &STD, "Gaussian noise, each pixel", |p, v, d| {
        Ok(qpt::gaussian_gray_noise(p, v.at(0), d))
    }),
    one(
        14,
        "poisson_noise",
        &level("lambda"),
        &[[8.0, 16.0, 24.0, 32.0, 40.0]],
        "Poisson counts added",
        |p, v, d| Ok(qpt::poisson_noise(p, v.at(0), d)),
    ),
    one(
        15,
        "multiplicative_noise",
        &level("h"),
        &[[0.05, 0.10, 0.15, 0.20, 0.25]],
        "each value times a uniform number",
        |p, v, d| Ok(qpt::multiplicative_noise(p, v.at(0), d)),
    ),
    one(
        16,
        "jpeg",
        &level("q"),
        &[[90.0, 70.0, 50.0, 30.0, 10.0]],
        "baseline JPEG, IJG tables, 4:2:0",
        |p, v, _| Ok(jpeg::jpeg(p, v.at(0) as u32)),
    ),
    one(17, "brightness_up", &level("f"), &UP, "times a factor", |p, v, _| {
        Ok(qpt::brightness(p, v.at(0)))
    }),
    one(18, "brightness_down", &level("f"), &DOWN, "times a factor", |p, v, _| {
        Ok(qpt::brightness(p, v.at(0)))
    }),
    one(19, "contrast_up", &level("f"), &UP, "away from the mean gray", |p, v, _| {
        Ok(qpt::contrast(p, v.at(0)))
    }),
    one(20, "contrast_down", &level("f"), &DOWN, "towards the mean gray", |p, v, _| {
        Ok(qpt::contrast(p, v.at(0)))
    }),
    one(
        21,
        "gamma_up",
        &level("g"),
        &[[1.025, 1.05, 1.075, 1.10, 1.125]],
        "power of the value",
        |p, v, _| Ok(qpt::gamma(p, v.at(0))),
    ),
    one(
        22,
        "gamma_down",
        &level("g"),
        &[[0.95, 0.925, 0.90, 0.875, 0.85]],
        "power of the value",
        |p, v, _| Ok(qpt::gamma(p, v.at(0))),
    ),
    one(
        23,
        "hue_up",
        &level("deg"),
        &[[3.6, 7.2, 10.8, 14.4, 18.0]],
        "the hue turned forwards",
        |p, v, _| Ok(qpt::hue(p, v.at(0))),
    ),
    one(
        24,
        "hue_down",
        &level("deg"),
        &[[-3.6, -7.2, -10.8, -14.4, -18.0]],
        "the hue turned back",
        |p, v, _| Ok(qpt::hue(p, v.at(0))),
    ),
    one(
        25,
        "saturation_up",
        &level("f"),
        &[[1.1, 1.2, 1.3, 1.4, 1.5]],
        "away from each pixel's gray",
        |p, v, _| Ok(qpt::saturation(p, v.at(0))),
    ),
    one(
        26,
        "saturation_down",
        &level("f"),
        &[[0.9, 0.8, 0.7, 0.6, 0.5]],
        "towards each pixel's gray",
        |p, v, _| Ok(qpt::saturation(p, v.at(0))),
    ),
    one(27, "downscale_nearest", &level("s"), &SCALE, "down and up, nearest", |p, v, _| {
        Ok(qpt::downscale(p, v.at(0), Mode::Nearest))
    }),
    one(28, "downscale_bilinear", &level("s"), &SCALE, "down and up, bilinear", |p, v, _| {
        Ok(qpt::downscale(p, v.at(0), Mode::Bilinear))
    }),
    one(29, "downscale_bicubic", &level("s"), &SCALE, "down and up, bicubic", |p, v, _| {
        Ok(qpt::downscale(p, v.at(0), Mode::Bicubic))
    }),
];
