//! The 25 distortions of KADID-10k and KADIS-700k, and their stretch.

use super::Origin::{Drawn, Level};
use super::{Distortion, Float, Levels, Parameter, Run, Values, as_given, number, whole};
use crate::degrade::{RgbF32, jpeg, jpeg2000, kadid};
use biqa::random::Draws;

/// Where all rows come from.
const SOURCE: &str = "imdist_generator.m of KADIS-700k; papers/degradations.md 2.1";

/// A row with one parameter, which the level implies.
const fn row(
    number: u8,
    name: &'static str,
    parameters: &'static [Parameter],
    levels: &'static [[f64; 5]],
    summary: &'static str,
    run: Run,
) -> Distortion {
    let complete = as_given;
    let family = "kadid";
    Distortion { number, family, name, parameters, levels, summary, source: SOURCE, run, complete }
}

impl Distortion {
    const fn completed_by(mut self, by: fn(&mut Values, &Draws) -> Result<(), String>) -> Self {
        self.complete = by;
        self
    }
}

const fn both(float: Float, levels: Levels) -> Run {
    Run::Both(float, levels)
}

/// The angle is one of 0, 1, ..., 180 degrees.
#[expect(clippy::unnecessary_wraps, reason = "other operations refuse")]
pub(super) fn draw_angle(values: &mut Values, draws: &Draws) -> Result<(), String> {
    values.or_insert(1, || (181.0 * draws.scalar(0)).floor());
    Ok(())
}

/// A shift of length n into the lower right quarter.
#[expect(clippy::unnecessary_wraps, reason = "other operations refuse")]
fn draw_shift(values: &mut Values, draws: &Draws) -> Result<(), String> {
    let Some(n) = values.get(0) else { return Ok(()) };
    let (a, b) = (draws.scalar(0), draws.scalar(1));
    let length = (a * a + b * b).sqrt();
    let part = |v: f64| if length > 0.0 { (n * v / length).round() } else { 0.0 };
    values.or_insert(1, || part(a));
    values.or_insert(2, || part(b));
    Ok(())
}

/// By number; the stretch last.
pub(super) static KADID: [Distortion; 26] = [
    row(
        1,
        "gaussian_blur",
        &[number("sigma", 0.01, 100.0, Level)],
        &[[0.1, 0.5, 1.0, 2.0, 5.0]],
        "Gaussian blur, borders repeated",
        Run::Float(|p, v, _| Ok(kadid::gaussian_blur(p, v.at(0)))),
    ),
    row(
        2,
        "lens_blur",
        &[number("radius", 0.1, 30.0, Level)],
        &[[1.0, 2.0, 4.0, 6.0, 8.0]],
        "blur by a disc of exact areas",
        Run::Float(|p, v, _| Ok(kadid::lens_blur(p, v.at(0)))),
    ),
    row(
        3,
        "motion_blur",
        &[number("len", 0.0, 60.0, Level), number("angle", -360.0, 360.0, Drawn)],
        &[[1.0, 2.0, 4.0, 6.0, 10.0]],
        "blur along a line at a random angle",
        Run::Float(|p, v, _| Ok(kadid::motion_blur(p, v.at(0), v.at(1)))),
    )
    .completed_by(draw_angle),
    row(
        4,
        "color_diffusion",
        &[number("n", 0.0, 50.0, Level)],
        &[[1.0, 3.0, 6.0, 8.0, 12.0]],
        "the colours of Lab blurred and multiplied by n",
        Run::Float(|p, v, _| Ok(kadid::color_diffusion(p, v.at(0)))),
    ),
    row(
        5,
        "color_shift",
        &[
            number("n", 0.0, 1000.0, Level),
            whole("dy", -1000.0, 1000.0, Drawn),
            whole("dx", -1000.0, 1000.0, Drawn),
        ],
        &[[1.0, 3.0, 6.0, 8.0, 12.0]],
        "green shifted where edges are",
        Run::Float(|p, v, _| Ok(kadid::color_shift(p, v.at(1) as isize, v.at(2) as isize))),
    )
    .completed_by(draw_shift),
    row(
        6,
        "color_quantize",
        &[whole("colors", 1.0, 256.0, Level)],
        &[[64.0, 48.0, 32.0, 16.0, 8.0]],
        "Wu's palette with error diffusion",
        Run::Levels(|p, v, _| Ok(kadid::color_quantize(p, v.at(0) as usize))),
    ),
    row(
        7,
        "saturate_hsv",
        &[number("factor", -4.0, 20.0, Level)],
        &[[0.4, 0.2, 0.1, 0.0, -0.4]],
        "the saturation of HSV times a factor",
        Run::Float(|p, v, _| Ok(kadid::saturate_hsv(p, v.at(0)))),
    ),
    row(
        8,
        "saturate_lab",
        &[number("factor", -20.0, 50.0, Level)],
        &[[1.0, 2.0, 3.0, 6.0, 9.0]],
        "a and b of Lab times a factor",
        Run::Float(|p, v, _| Ok(kadid::saturate_lab(p, v.at(0)))),
    ),
    row(
        9,
        "jpeg2000",
        &[number("ratio", 1.0, 1000.0, Level)],
        &[[16.0, 32.0, 45.0, 120.0, 400.0]],
        "JPEG 2000, irreversible, at a compression ratio",
        Run::Levels(|p, v, _| jpeg2000::jpeg2000(p, v.at(0), 6)),
    ),
    row(
        10,
        "jpeg",
        &[whole("q", 1.0, 100.0, Level)],
        &[[43.0, 36.0, 24.0, 7.0, 4.0]],
        "baseline JPEG, IJG tables, 4:2:0",
        Run::Levels(|p, v, _| Ok(jpeg::jpeg(p, v.at(0) as u32))),
    ),
    row(
        11,
        "noise_white",
        &[number("var", 0.0, 1.0, Level)],
        &[[0.001, 0.002, 0.003, 0.005, 0.01]],
        "Gaussian noise, independent in R, G and B",
        both(
            |p, v, d| Ok(kadid::noise_white(p, v.at(0), d)),
            |p, v, d| Ok(kadid::noise_white_u8(p, v.at(0), d)),
        ),
    ),
    row(
        12,
        "noise_color",
        &[number("var", 0.0, 1.0, Level)],
        &[[0.0001, 0.0005, 0.001, 0.002, 0.003]],
        "Gaussian noise in YCbCr",
        Run::Float(|p, v, d| Ok(kadid::noise_color(p, v.at(0), d))),
    ),
    row(
        13,
        "noise_impulse",
        &[number("d", 0.0, 1.0, Level)],
        &[[0.001, 0.005, 0.01, 0.02, 0.03]],
        "salt and pepper, each channel by itself",
        Run::Float(|p, v, d| Ok(kadid::noise_impulse(p, v.at(0), d))),
    ),
    row(
        14,
        "noise_multiplicative",
        &[number("var", 0.0, 1.0, Level)],
        &[[0.001, 0.005, 0.01, 0.02, 0.05]],
        "speckle: uniform noise times the value",
        Run::Float(|p, v, d| Ok(kadid::noise_multiplicative(p, v.at(0), d))),
    ),
    row(
        15,
        "denoise",
        &[number("var", 0.000001, 1.0, Level)],
        &[[0.01, 0.03, 0.05, 0.1, 0.15]],
        "noise, then an adaptive Wiener filter (the original: DnCNN)",
        Run::Float(|p, v, d| Ok(kadid::denoise(p, v.at(0), d))),
    ),
    row(
        16,
        "brighten",
        &[number("n", 0.0, 2.0, Level)],
        &[[0.1, 0.2, 0.4, 0.7, 1.1]],
        "tone curve upwards, in RGB and in lightness",
        Run::Float(|p, v, _| Ok(kadid::brighten(p, v.at(0)))),
    ),
    row(
        17,
        "darken",
        &[number("n", 0.0, 2.0, Level)],
        &[[0.05, 0.1, 0.2, 0.4, 0.8]],
        "tone curve downwards, in RGB",
        both(|p, v, _| Ok(kadid::darken(p, v.at(0))), |p, v, _| Ok(kadid::darken_u8(p, v.at(0)))),
    ),
    row(
        18,
        "mean_shift",
        &[number("v", -1.0, 1.0, Level)],
        &[[0.15, 0.08, 0.0, -0.08, -0.15]],
        "a constant added",
        both(
            |p, v, _| Ok(kadid::mean_shift(p, v.at(0))),
            |p, v, _| Ok(kadid::mean_shift_u8(p, v.at(0))),
        ),
    ),
    row(
        19,
        "jitter",
        &[number("n", 0.0, 100.0, Level)],
        &[[0.05, 0.1, 0.2, 0.5, 1.0]],
        "five random warps of every pixel",
        Run::Float(|p, v, d| Ok(kadid::jitter(p, v.at(0), d))),
    ),
    row(
        20,
        "patch_swap",
        &[whole("patches", 0.0, 10000.0, Level)],
        &[[20.0, 40.0, 60.0, 80.0, 100.0]],
        "16x16 patches copied nearby (non-eccentricity patch)",
        Run::Float(|p, v, d| kadid::patch_swap(p, v.at(0) as u32, d)),
    ),
    row(
        21,
        "pixelate",
        &[number("s", 0.0, 0.9, Level)],
        &[[0.01, 0.05, 0.1, 0.2, 0.5]],
        "nearest pixel down, nearest pixel up",
        Run::Float(|p, v, _| Ok(kadid::pixelate(p, v.at(0)))),
    ),
    row(
        22,
        "quantize",
        &[whole("thresholds", 1.0, 255.0, Level)],
        &[[20.0, 16.0, 13.0, 10.0, 7.0]],
        "few levels by exact multi-level Otsu",
        Run::Levels(|p, v, _| Ok(kadid::quantize(p, v.at(0) as usize))),
    ),
    row(
        23,
        "color_block",
        &[whole("blocks", 0.0, 10000.0, Level)],
        &[[2.0, 4.0, 6.0, 8.0, 10.0]],
        "32x32 blocks of random colour",
        Run::Float(|p, v, d| kadid::color_block(p, v.at(0) as u32, d)),
    ),
    row(
        24,
        "sharpen",
        &[number("amount", 0.0, 50.0, Level)],
        &[[1.0, 2.0, 3.0, 6.0, 12.0]],
        "unsharp mask on the lightness (high sharpen)",
        Run::Float(|p, v, _| Ok(kadid::sharpen(p, v.at(0)))),
    ),
    row(
        25,
        "contrast",
        &[number("s", -2.0, 2.0, Level)],
        &[[0.3, 0.15, 0.0, -0.4, -0.6]],
        "S-shaped curve",
        both(
            |p, v, _| Ok(kadid::contrast(p, v.at(0))),
            |p, v, _| Ok(kadid::contrast_u8(p, v.at(0))),
        ),
    ),
    row(
        0,
        "stretch",
        &[],
        &[],
        "smallest value to 0, largest to 1",
        Run::Float(|p: &RgbF32, _, _| Ok(kadid::stretch(p))),
    ),
];
