//! The one table of distortions. To add one: a row here and a function in a file of its family.
//!
//! It lists what is built and nothing else; what the specification knows besides stands in
//! [`NOT_BUILT`], so that an address that names it gets an honest answer.

use super::{DegradeError, RgbF32, jpeg, kadid};
use biqa::image::Rgb8;
use biqa::random::Draws;

/// One distortion.
#[derive(Debug)]
pub struct Distortion {
    /// The number in KADID's file names, 1 to 25.
    pub number: u8,
    /// The name space, `kadid`.
    pub family: &'static str,
    /// The name in addresses.
    pub name: &'static str,
    /// What a level stands for.
    pub parameter: Parameter,
    /// The parameter at levels 1 to 5.
    pub levels: [f64; 5],
    /// One line for people.
    pub summary: &'static str,
    /// Where the definition stands.
    pub source: &'static str,
    pub(super) run: fn(&RgbF32, f64, &Draws) -> RgbF32,
    pub(super) run_u8: fn(&Rgb8, f64, &Draws) -> Rgb8,
}

/// The parameter of a distortion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name in addresses.
    pub name: &'static str,
    /// Whole numbers only.
    pub whole: bool,
    /// Smallest and largest value. The paper states only the levels; the range is our choice: what
    /// the arithmetic is meant for.
    pub range: [f32; 2],
}

/// How strong: one of KADID's levels, or the parameter itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strength {
    /// 1 to 5.
    Level(u8),
    /// The parameter's value, as `f32` because that is what an address prints.
    Value(f32),
}

/// Where all rows of the table come from.
const KADID: &str = "imdist_generator.m of KADIS-700k; papers/degradations.md 2.1";

/// What is built, by number.
pub static DISTORTIONS: [Distortion; 5] = [
    Distortion {
        number: 1,
        family: "kadid",
        name: "gaussian_blur",
        parameter: Parameter { name: "sigma", whole: false, range: [0.01, 100.0] },
        levels: [0.1, 0.5, 1.0, 2.0, 5.0],
        summary: "Gaussian blur, borders repeated",
        source: KADID,
        run: kadid::gaussian_blur,
        run_u8: |p, v, d| kadid::gaussian_blur(&RgbF32::from_levels(p), v, d).to_levels(),
    },
    Distortion {
        number: 10,
        family: "kadid",
        name: "jpeg",
        parameter: Parameter { name: "q", whole: true, range: [1.0, 100.0] },
        levels: [43.0, 36.0, 24.0, 7.0, 4.0],
        summary: "baseline JPEG, IJG tables, 4:2:0",
        source: KADID,
        run: |p, v, _| RgbF32::from_levels(&jpeg::jpeg(&p.to_levels(), v as u32)),
        run_u8: |p, v, _| jpeg::jpeg(p, v as u32),
    },
    Distortion {
        number: 11,
        family: "kadid",
        name: "noise_white",
        parameter: Parameter { name: "var", whole: false, range: [0.0, 1.0] },
        levels: [0.001, 0.002, 0.003, 0.005, 0.01],
        summary: "Gaussian noise, independent in R, G and B",
        source: KADID,
        run: kadid::noise_white,
        run_u8: kadid::noise_white_u8,
    },
    Distortion {
        number: 16,
        family: "kadid",
        name: "brighten",
        parameter: Parameter { name: "n", whole: false, range: [0.0, 2.0] },
        levels: [0.1, 0.2, 0.4, 0.7, 1.1],
        summary: "tone curve upwards, in RGB and in lightness",
        source: KADID,
        run: kadid::brighten,
        run_u8: kadid::brighten_u8,
    },
    Distortion {
        number: 17,
        family: "kadid",
        name: "darken",
        parameter: Parameter { name: "n", whole: false, range: [0.0, 2.0] },
        levels: [0.05, 0.1, 0.2, 0.4, 0.8],
        summary: "tone curve downwards, in RGB",
        source: KADID,
        run: kadid::darken,
        run_u8: kadid::darken_u8,
    },
];

/// Operations and whole families of the specification that are not built (issue 4).
pub const NOT_BUILT: [&str; 28] = [
    "kadid:lens_blur",
    "kadid:motion_blur",
    "kadid:color_diffusion",
    "kadid:color_shift",
    "kadid:color_quantize",
    "kadid:saturate_hsv",
    "kadid:saturate_lab",
    "kadid:jpeg2000",
    "kadid:noise_color",
    "kadid:noise_impulse",
    "kadid:noise_multiplicative",
    "kadid:denoise",
    "kadid:mean_shift",
    "kadid:jitter",
    "kadid:patch_swap",
    "kadid:pixelate",
    "kadid:quantize",
    "kadid:color_block",
    "kadid:sharpen",
    "kadid:contrast",
    "kadid:stretch",
    "arniqa",
    "reiqa",
    "re",
    "bsr",
    "bsr_plus",
    "qpt",
    "q",
];

/// The distortion of that family and name.
pub fn distortion(family: &str, name: &str) -> Option<&'static Distortion> {
    DISTORTIONS.iter().find(|d| d.family == family && d.name == name)
}

/// The names there are, for error texts.
pub(super) fn available() -> String {
    let names: Vec<String> = DISTORTIONS.iter().map(Distortion::full_name).collect();
    names.join(", ")
}

impl Distortion {
    /// `family:name`.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.family, self.name)
    }

    /// The parameter for a strength.
    ///
    /// # Errors
    /// [`DegradeError::Strength`] for a level outside 1..=5 or a value outside the range.
    pub fn value_of(&self, strength: Strength) -> Result<f64, DegradeError> {
        match strength {
            Strength::Level(level @ 1..=5) => Ok(self.levels[usize::from(level) - 1]),
            Strength::Value(v) if self.parameter.allows(v) => Ok(f64::from(v)),
            Strength::Level(level) => Err(self.bad_strength(format!("@{level}"))),
            Strength::Value(v) => Err(self.bad_strength(format!("{} = {v}", self.parameter.name))),
        }
    }

    fn bad_strength(&self, found: String) -> DegradeError {
        DegradeError::Strength { op: self.full_name(), found, allowed: self.allowed() }
    }

    /// The allowed strengths in words.
    pub(super) fn allowed(&self) -> String {
        let Parameter { name, whole, range: [lo, hi] } = self.parameter;
        let kind = if whole { "a whole number" } else { "a number" };
        format!("levels @1 to @5, or +{name}= {kind} from {lo} to {hi}")
    }
}

impl Parameter {
    /// In the range, and whole where it must be.
    pub fn allows(&self, value: f32) -> bool {
        let [lo, hi] = self.range;
        (lo..=hi).contains(&value) && (!self.whole || value.fract() == 0.0)
    }
}
