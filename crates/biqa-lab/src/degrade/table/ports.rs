//! The ports of KADID's operations: ARNIQA's (no stretch, tensors between) and Re-IQA's (8 bits by
//! cutting off after every operation).

use super::Origin::{Drawn, Level};
use super::kadid::draw_angle;
use super::{Distortion, Float, Kind, Parameter, Run, as_given, number};
use crate::degrade::{RgbF32, jpeg, jpeg2000, kadid, ports};

const SOURCE: &str = "ARNIQA utils/distortions.py, ReIQA datasets/iqa_distortions.py; \
                      papers/degradations.md 2.2";

/// A row with one number, which the level implies.
const fn row(
    family: &'static str,
    number: u8,
    name: &'static str,
    parameters: &'static [Parameter],
    levels: &'static [[f64; 5]],
    summary: &'static str,
    run: Float,
) -> Distortion {
    let (run, complete) = (Run::Float(run), as_given);
    Distortion { number, family, name, parameters, levels, summary, source: SOURCE, run, complete }
}

const NONNEGATIVE: &[Parameter] = &[number("var", 0.0, 1.0, Level)];
const FACTOR: &[Parameter] = &[number("factor", -20.0, 50.0, Level)];
const N: &[Parameter] = &[number("n", 0.0, 2.0, Level)];
const V: &[Parameter] = &[number("v", -1.0, 1.0, Level)];
const S: &[Parameter] = &[number("s", -2.0, 2.0, Level)];
const D: &[Parameter] = &[number("d", 0.0, 1.0, Level)];
const QUALITY: &[Parameter] =
    &[Parameter { name: "q", kind: Kind::Whole(1.0, 100.0), origin: Level }];

const WHITE: &[[f64; 5]] = &[[0.001, 0.002, 0.003, 0.005, 0.01]];
const COLOR: &[[f64; 5]] = &[[0.0001, 0.0005, 0.001, 0.002, 0.003]];
const IMPULSE: &[[f64; 5]] = &[[0.001, 0.005, 0.01, 0.02, 0.03]];
const SPECKLE: &[[f64; 5]] = &[[0.001, 0.005, 0.01, 0.02, 0.05]];
const HSV: &[[f64; 5]] = &[[0.4, 0.2, 0.1, 0.0, -0.4]];
const LAB: &[[f64; 5]] = &[[1.0, 2.0, 3.0, 6.0, 9.0]];
const BRIGHTEN: &[[f64; 5]] = &[[0.1, 0.2, 0.4, 0.7, 1.1]];
const DARKEN: &[[f64; 5]] = &[[0.05, 0.1, 0.2, 0.4, 0.8]];

/// ARNIQA's, by KADID's numbers; its own last.
pub(super) static ARNIQA: [Distortion; 18] = [
    row(
        "arniqa",
        1,
        "gaussian_blur",
        &[number("sigma", 0.01, 100.0, Level)],
        &[[0.1, 0.5, 1.0, 2.0, 5.0]],
        "as kadid:gaussian_blur",
        |p, v, _| Ok(kadid::gaussian_blur(p, v.at(0))),
    ),
    Distortion {
        complete: draw_angle,
        ..row(
            "arniqa",
            3,
            "motion_blur",
            &[number("len", 0.0, 60.0, Level), number("angle", -360.0, 360.0, Drawn)],
            &[[1.0, 2.0, 4.0, 6.0, 10.0]],
            "as kadid:motion_blur",
            |p, v, _| Ok(kadid::motion_blur(p, v.at(0), v.at(1))),
        )
    },
    row(
        "arniqa",
        4,
        "color_diffusion",
        &[number("n", 0.0, 50.0, Level)],
        &[[1.0, 3.0, 6.0, 8.0, 12.0]],
        "red and blue exchanged, cut to 8 bits",
        |p, v, _| Ok(ports::truncated(&ports::as_bgr(p, |p| kadid::color_diffusion(p, v.at(0))))),
    ),
    row("arniqa", 7, "saturate_hsv", FACTOR, HSV, "not rescaled", |p, v, _| {
        Ok(ports::as_bgr(p, |p| ports::saturate_hsv(p, v.at(0))))
    }),
    row(
        "arniqa",
        8,
        "saturate_lab",
        FACTOR,
        LAB,
        "red and blue exchanged, cut to 8 bits",
        |p, v, _| Ok(ports::truncated(&ports::as_bgr(p, |p| kadid::saturate_lab(p, v.at(0))))),
    ),
    row(
        "arniqa",
        9,
        "jpeg2000",
        &[number("ratio", 1.0, 1000.0, Level)],
        &[[16.0, 32.0, 45.0, 120.0, 170.0]],
        "8 resolutions, the codec's input cut to 8 bits",
        |p, v, _| {
            let coded = jpeg2000::jpeg2000(&ports::levels_cut(p), v.at(0), 8)?;
            Ok(RgbF32::from_levels(&coded))
        },
    ),
    row(
        "arniqa",
        10,
        "jpeg",
        QUALITY,
        &[[43.0, 36.0, 24.0, 7.0, 4.0]],
        "the codec's input cut to 8 bits",
        |p, v, _| Ok(RgbF32::from_levels(&jpeg::jpeg(&ports::levels_cut(p), v.at(0) as u32))),
    ),
    row("arniqa", 11, "noise_white", NONNEGATIVE, WHITE, "as kadid:noise_white", |p, v, d| {
        Ok(kadid::noise_white(p, v.at(0), d))
    }),
    row("arniqa", 12, "noise_color", NONNEGATIVE, COLOR, "full range, not clipped", |p, v, d| {
        Ok(ports::noise_color(p, v.at(0), true, d))
    }),
    row("arniqa", 13, "noise_impulse", D, IMPULSE, "places with replacement", |p, v, d| {
        Ok(ports::impulses_by_place(p, v.at(0), d))
    }),
    row("arniqa", 14, "noise_multiplicative", NONNEGATIVE, SPECKLE, "Gaussian", |p, v, d| {
        Ok(ports::noise_multiplicative(p, v.at(0), d))
    }),
    row("arniqa", 16, "brighten", N, BRIGHTEN, "red and blue exchanged", |p, v, _| {
        Ok(ports::as_bgr(p, |p| kadid::brighten(p, v.at(0))))
    }),
    row("arniqa", 17, "darken", N, DARKEN, "as kadid:darken", |p, v, _| {
        Ok(kadid::darken(p, v.at(0)))
    }),
    row(
        "arniqa",
        18,
        "mean_shift",
        V,
        &[[0.0, 0.08, -0.08, 0.15, -0.15]],
        "levels by severity",
        |p, v, _| Ok(kadid::mean_shift(p, v.at(0))),
    ),
    row(
        "arniqa",
        21,
        "pixelate",
        &[number("s", 0.0, 0.9, Level)],
        &[[0.01, 0.05, 0.1, 0.2, 0.5]],
        "floor sizes and indices",
        |p, v, _| Ok(ports::pixelate(p, v.at(0))),
    ),
    row(
        "arniqa",
        24,
        "sharpen",
        &[number("amount", 0.0, 50.0, Level)],
        &[[1.0, 2.0, 3.0, 6.0, 12.0]],
        "sigma 6, red and blue exchanged",
        |p, v, _| Ok(ports::as_bgr(p, |p| ports::sharpen(p, v.at(0)))),
    ),
    row(
        "arniqa",
        25,
        "contrast",
        S,
        &[[0.0, 0.15, -0.4, 0.3, -0.6]],
        "levels by severity",
        |p, v, _| Ok(kadid::contrast(p, v.at(0))),
    ),
    row(
        "arniqa",
        26,
        "contrast_nl",
        &[number("v", 0.0, 0.5, Level)],
        &[[0.4, 0.3, 0.2, 0.1, 0.05]],
        "the range lowered to the middle",
        |p, v, _| Ok(ports::contrast_nl(p, v.at(0))),
    ),
];

/// Re-IQA's, by KADID's numbers.
pub(super) static REIQA: [Distortion; 12] = [
    row(
        "reiqa",
        2,
        "lens_blur",
        &[number("radius", 0.1, 30.0, Level)],
        &[[1.0, 2.0, 4.0, 6.0, 8.0]],
        "cut to 8 bits",
        |p, v, _| Ok(ports::truncated(&kadid::lens_blur(p, v.at(0)))),
    ),
    row("reiqa", 7, "saturate_hsv", FACTOR, HSV, "clipped", |p, v, _| {
        Ok(ports::truncated(&ports::saturate_hsv(p, v.at(0))))
    }),
    row("reiqa", 8, "saturate_lab", FACTOR, LAB, "cut to 8 bits", |p, v, _| {
        Ok(ports::truncated(&kadid::saturate_lab(p, v.at(0))))
    }),
    row(
        "reiqa",
        10,
        "jpeg",
        QUALITY,
        &[[70.0, 43.0, 36.0, 24.0, 7.0]],
        "higher qualities",
        |p, v, _| Ok(RgbF32::from_levels(&jpeg::jpeg(&ports::levels_cut(p), v.at(0) as u32))),
    ),
    row("reiqa", 11, "noise_white", NONNEGATIVE, WHITE, "cut to 8 bits", |p, v, d| {
        Ok(ports::truncated(&kadid::noise_white(p, v.at(0), d)))
    }),
    row("reiqa", 12, "noise_color", NONNEGATIVE, COLOR, "studio range, not clipped", |p, v, d| {
        Ok(ports::truncated(&ports::noise_color(p, v.at(0), false, d)))
    }),
    row("reiqa", 13, "noise_impulse", D, IMPULSE, "whole pixels", |p, v, d| {
        Ok(ports::truncated(&ports::impulses_by_pixel(p, v.at(0), d)))
    }),
    row("reiqa", 14, "noise_multiplicative", NONNEGATIVE, SPECKLE, "Gaussian", |p, v, d| {
        Ok(ports::truncated(&ports::noise_multiplicative(p, v.at(0), d)))
    }),
    row("reiqa", 16, "brighten", N, BRIGHTEN, "cut to 8 bits", |p, v, _| {
        Ok(ports::truncated(&kadid::brighten(p, v.at(0))))
    }),
    row("reiqa", 17, "darken", N, DARKEN, "cut to 8 bits", |p, v, _| {
        Ok(ports::truncated(&kadid::darken(p, v.at(0))))
    }),
    row(
        "reiqa",
        18,
        "mean_shift",
        V,
        &[[0.15, 0.08, 0.0, -0.08, -0.15]],
        "cut to 8 bits",
        |p, v, _| Ok(ports::truncated(&kadid::mean_shift(p, v.at(0)))),
    ),
    row("reiqa", 25, "contrast", S, &[[0.3, 0.15, 0.0, -0.4, -0.6]], "cut to 8 bits", |p, v, _| {
        Ok(ports::truncated(&kadid::contrast(p, v.at(0))))
    }),
];
