//! The one table of operations. To add one: a row in the file of its family and a function.
//!
//! A row says what an address may say about the operation (levels, parameters, ranges), where the
//! definition stands and which function computes it. What the specification knows besides stands in
//! [`UNAVAILABLE`] with the reason, so that an address that names it gets an honest answer.

mod bsr;
mod kadid;
mod ports;
mod qpt;
mod re;

use super::{DegradeError, RgbF32};
use biqa::image::Rgb8;
use biqa::random::Draws;

/// The most parameters of an operation (`qpt:advanced_blur`: one sigma and seven factors).
const MOST: usize = 8;

/// All operations, by family.
pub static FAMILIES: [&[Distortion]; 7] =
    [&kadid::KADID, &qpt::QPT, &re::RE, &re::COLOR, &bsr::BSR, &ports::ARNIQA, &ports::REIQA];

/// One operation.
#[derive(Debug)]
pub struct Distortion {
    /// The number in KADID's file names, 1 to 25; in other families the row, from 1.
    pub number: u8,
    /// The name space, such as `kadid`.
    pub family: &'static str,
    /// The name in addresses.
    pub name: &'static str,
    /// What an address may give, in the order of printing.
    pub parameters: &'static [Parameter],
    /// At levels 1 to 5, the values of the first parameters; empty: no levels.
    pub levels: &'static [[f64; 5]],
    /// One line for people.
    pub summary: &'static str,
    /// Where the definition stands.
    pub source: &'static str,
    pub(super) run: Run,
    /// Fills what is left out, by draws and defaults, and says what is missing or too much.
    pub(super) complete: fn(&mut Values, &Draws) -> Result<(), String>,
}

/// The function of an operation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Run {
    /// On values; 8-bit pictures are converted.
    Float(Float),
    /// On integer levels, levels out; other pictures are rounded first.
    Levels(Levels),
    /// On values, and a faster form from levels to levels with the same result.
    Both(Float, Levels),
}

pub(super) type Float = fn(&RgbF32, &Values, &Draws) -> Result<RgbF32, DegradeError>;
pub(super) type Levels = fn(&Rgb8, &Values, &Draws) -> Result<Rgb8, DegradeError>;

/// A parameter of an operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    /// Its name in addresses.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Where its value comes from when an address leaves it out.
    pub origin: Origin,
}

/// What a parameter may be. The papers state only the levels; ranges are our choice: what the
/// arithmetic is meant for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A number from the first to the second.
    Number(f32, f32),
    /// A whole number from the first to the second.
    Whole(f32, f32),
    /// One of these words; its value is its place.
    Word(&'static [&'static str]),
}

/// Where the value of a parameter comes from when an address leaves it out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Origin {
    /// The level implies it; an address gives one of the two.
    Level,
    /// The level implies it, and an address can't give it.
    LevelOnly,
    /// It is drawn, and printed.
    Drawn,
    /// It has to be given.
    Given,
    /// Another parameter decides whether it has to be given or must not be.
    Chosen,
    /// It has this value, which isn't printed.
    Default(f64),
}

/// How strong: a level, or the value of the first parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strength {
    /// 1 to 5.
    Level(u8),
    /// The parameter's value, as `f32` because that is what an address prints.
    Value(f32),
}

/// The values of an operation's parameters, in the table's order.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Values([Option<f64>; MOST]);

impl Values {
    /// Value `i`; 0 where there is none, which [`Distortion::values_of`] rules out for what an
    /// operation needs.
    pub(super) fn at(&self, i: usize) -> f64 {
        self.get(i).unwrap_or(0.0)
    }

    /// Value `i`, if there is one.
    pub fn get(&self, i: usize) -> Option<f64> {
        self.0.get(i).copied().flatten()
    }

    pub(super) fn set(&mut self, i: usize, value: f64) {
        if let Some(place) = self.0.get_mut(i) {
            *place = Some(value);
        }
    }

    /// The value that stands, or a new one.
    pub(super) fn or_insert(&mut self, i: usize, value: impl FnOnce() -> f64) -> f64 {
        let value = self.get(i).unwrap_or_else(value);
        self.set(i, value);
        value
    }
}

/// Why the ports leave operations out.
const LOOSE: &str = "the specification does not say to the pixel how this port computes it";

/// Operations of the specification that are not computed: name, reason.
pub const UNAVAILABLE: [(&str, &str); 16] = [
    ("arniqa:lens_blur", LOOSE),
    ("arniqa:color_shift", LOOSE),
    ("arniqa:jitter", LOOSE),
    ("arniqa:patch_swap", LOOSE),
    ("arniqa:quantize", LOOSE),
    ("arniqa:color_block", LOOSE),
    ("reiqa:gaussian_blur", LOOSE),
    ("reiqa:motion_blur", LOOSE),
    ("reiqa:color_diffusion", LOOSE),
    ("reiqa:color_shift", LOOSE),
    ("reiqa:denoise", LOOSE),
    ("reiqa:jitter", LOOSE),
    ("reiqa:patch_swap", LOOSE),
    ("reiqa:pixelate", LOOSE),
    ("reiqa:color_block", LOOSE),
    ("reiqa:sharpen", LOOSE),
];

/// All operations.
pub fn distortions() -> impl Iterator<Item = &'static Distortion> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// The operation of that family and name.
pub fn distortion(family: &str, name: &str) -> Option<&'static Distortion> {
    distortions().find(|d| d.family == family && d.name == name)
}

/// The names there are: all of a family that exists, else the families.
pub(super) fn available(family: &str) -> String {
    let names: Vec<&str> = distortions().filter(|d| d.family == family).map(|d| d.name).collect();
    if names.is_empty() {
        let families: Vec<&str> =
            FAMILIES.iter().filter_map(|f| f.first()).map(|d| d.family).collect();
        format!("one of the families {}", families.join(", "))
    } else {
        format!("{family}: and one of {}", names.join(", "))
    }
}

/// Nothing to draw and nothing that depends on another parameter.
#[expect(clippy::unnecessary_wraps, reason = "other operations refuse")]
fn as_given(_: &mut Values, _: &Draws) -> Result<(), String> {
    Ok(())
}

const fn number(name: &'static str, from: f32, to: f32, origin: Origin) -> Parameter {
    Parameter { name, kind: Kind::Number(from, to), origin }
}

const fn whole(name: &'static str, from: f32, to: f32, origin: Origin) -> Parameter {
    Parameter { name, kind: Kind::Whole(from, to), origin }
}

const fn word(name: &'static str, words: &'static [&'static str], origin: Origin) -> Parameter {
    Parameter { name, kind: Kind::Word(words), origin }
}

impl Distortion {
    /// `family:name`.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.family, self.name)
    }

    /// All values for a strength, drawn ones from `draws`.
    ///
    /// # Errors
    /// [`DegradeError::Strength`] for a level that does not exist, a value outside the range, or an
    /// operation that needs more than one value.
    pub fn values_of(&self, strength: Strength, draws: &Draws) -> Result<Values, DegradeError> {
        let mut values = Values::default();
        let found = match strength {
            Strength::Level(level @ 1..=5) if !self.levels.is_empty() => {
                self.set_level(level, &mut values);
                String::new()
            }
            Strength::Level(level) => format!("@{level}"),
            Strength::Value(value) => match self.parameters.first() {
                Some(first) if first.may_be_given() && first.kind.allows(value) => {
                    values.set(0, f64::from(value));
                    String::new()
                }
                Some(first) => format!("{} = {value}", first.name),
                None => format!("value {value}"),
            },
        };
        if !found.is_empty() {
            return Err(self.bad_strength(found));
        }
        self.fill(&mut values, draws).map_err(|reason| self.bad_strength(reason))?;
        Ok(values)
    }

    /// Puts the values of a level from 1 to 5.
    pub(super) fn set_level(&self, level: u8, values: &mut Values) {
        for (i, row) in self.levels.iter().enumerate() {
            if let Some(&value) = row.get(usize::from(level).wrapping_sub(1)) {
                values.set(i, value);
            }
        }
    }

    /// Fills drawn values and defaults; says what is still missing.
    pub(super) fn fill(&self, values: &mut Values, draws: &Draws) -> Result<(), String> {
        for (i, parameter) in self.parameters.iter().enumerate() {
            if let Origin::Default(value) = parameter.origin {
                values.or_insert(i, || value);
            }
        }
        let missing = |(i, p): (usize, &Parameter)| {
            let needed = matches!(p.origin, Origin::Level | Origin::LevelOnly | Origin::Given);
            needed && values.get(i).is_none()
        };
        if self.parameters.iter().enumerate().any(missing) {
            return Err(self.allowed());
        }
        (self.complete)(values, draws)
    }

    fn bad_strength(&self, found: String) -> DegradeError {
        DegradeError::Strength { op: self.full_name(), found, allowed: self.allowed() }
    }

    /// What may be said about the operation, in words.
    pub(super) fn allowed(&self) -> String {
        let given: Vec<String> =
            self.parameters.iter().filter(|p| p.may_be_given()).map(Parameter::allowed).collect();
        match (self.levels.is_empty(), given.is_empty()) {
            (true, true) => "nothing after the name".to_owned(),
            (true, false) => given.join(", "),
            (false, true) => "levels @1 to @5".to_owned(),
            (false, false) => format!("levels @1 to @5, or {}", given.join(", ")),
        }
    }
}

impl Parameter {
    /// Whether an address may give it.
    pub(super) fn may_be_given(&self) -> bool {
        self.origin != Origin::LevelOnly
    }

    /// Name and range in words, or that a level alone sets it.
    pub fn words(&self) -> String {
        if self.may_be_given() { self.allowed() } else { format!("{}, by its level", self.name) }
    }

    /// Name and range in words.
    pub(super) fn allowed(&self) -> String {
        let name = self.name;
        match self.kind {
            Kind::Number(lo, hi) => format!("+{name}= a number from {lo} to {hi}"),
            Kind::Whole(lo, hi) => format!("+{name}= a whole number from {lo} to {hi}"),
            Kind::Word(words) => format!("+{name}= {}", words.join(" or ")),
        }
    }
}

impl Kind {
    /// In the range, and whole where it must be. Words are not numbers.
    pub fn allows(&self, value: f32) -> bool {
        match *self {
            Kind::Number(lo, hi) => (lo..=hi).contains(&value),
            Kind::Whole(lo, hi) => (lo..=hi).contains(&value) && value.fract() == 0.0,
            Kind::Word(_) => false,
        }
    }
}
