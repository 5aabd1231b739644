//! The text that names a composition and reproduces it (`papers/degradations.md`, section 6).
//!
//! ```text
//! address = "d1" "/" key { "/" item }     key: 16 lower-case hex digits; none: "d1/<key>/-"
//! item    = family ":" op [ "@" level ] { "+" name "=" value }
//! ```

use super::table::{Kind, Origin, UNAVAILABLE, Values, available};
use super::{DegradeError, Distortion, RgbF32, State, distortion};
use biqa::image::Rgb8;
use biqa::random::{Draws, Key};
use std::fmt;
use std::str::FromStr;

/// The longest text.
const MAX_BYTES: usize = 4096;

/// The most operations.
const MAX_ITEMS: usize = 64;

/// A composition: the key of the picture's random numbers and the operations in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Address {
    /// The key.
    pub key: Key,
    /// The operations; none is the identity.
    pub items: Vec<Item>,
}

/// One operation of a composition, resolved: what was drawn stands in it.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// The row of the table.
    pub op: &'static Distortion,
    /// The level, if one was given.
    pub level: Option<u8>,
    /// The values of the parameters.
    pub values: Values,
}

impl PartialEq for Item {
    fn eq(&self, other: &Item) -> bool {
        std::ptr::eq(self.op, other.op) && self.level == other.level && self.values == other.values
    }
}

impl Address {
    /// Applies the operations in order, `f32` between them.
    ///
    /// # Errors
    /// [`DegradeError::NotFinite`]; [`DegradeError::TooSmall`] and [`DegradeError::TooLarge`] where
    /// an operation has a rule on sizes.
    pub fn apply(&self, picture: &RgbF32) -> Result<RgbF32, DegradeError> {
        picture.check_finite()?;
        Ok(self.run(State::Values(picture.clone()))?.into_values())
    }

    /// From levels to levels; rounded once, at the end, and where an operation works on levels.
    /// Equal to `apply(from_levels(p)).to_levels()`.
    pub fn apply_levels(&self, picture: &Rgb8) -> Result<Rgb8, DegradeError> {
        let (last, before) = match self.items.split_last() {
            None => return Ok(picture.clone()),
            Some((last, before)) => (last, before),
        };
        let start = State::Levels(picture.clone());
        let state = (before.iter().zip(0..))
            .try_fold(start, |state, (item, position)| state.step(item, &self.key.at(position)))?;
        state.last_step(last, &self.key.at(before.len() as u32))
    }

    fn run(&self, start: State) -> Result<State, DegradeError> {
        self.items
            .iter()
            .zip(0..)
            .try_fold(start, |state, (item, position)| state.step(item, &self.key.at(position)))
    }

    /// The name for files: FNV-1a-64 of the canonical text, 16 hex digits.
    pub fn file_stem(&self) -> String {
        format!("{:016x}", biqa::random::fnv1a64(&self.to_string()))
    }
}

/// The canonical text.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d1/{:016x}", self.key.0)?;
        if self.items.is_empty() {
            return f.write_str("/-");
        }
        self.items.iter().try_for_each(|item| write!(f, "/{item}"))
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.op.family, self.op.name)?;
        if let Some(level) = self.level {
            write!(f, "@{level}")?;
        }
        for (i, parameter) in self.op.parameters.iter().enumerate() {
            let Some(value) = self.values.get(i) else { continue };
            let implied = match parameter.origin {
                Origin::Level => self.level.is_some(),
                Origin::LevelOnly => true,
                Origin::Default(default) => value == default,
                Origin::Drawn | Origin::Given | Origin::Chosen => false,
            };
            match parameter.kind {
                _ if implied => {}
                Kind::Word(words) => {
                    let word = words.get(value as usize).copied().unwrap_or_default();
                    write!(f, "+{}={word}", parameter.name)?;
                }
                // Rust prints the shortest decimal that reads back equal, never with an exponent.
                _ => write!(f, "+{}={}", parameter.name, value as f32)?,
            }
        }
        Ok(())
    }
}

impl FromStr for Address {
    type Err = DegradeError;

    fn from_str(text: &str) -> Result<Address, DegradeError> {
        check_characters(text)?;
        let mut parts = Parts { text, next: Some(0) };
        let (position, version) = parts.take().unwrap_or((0, ""));
        if version != "d1" {
            return Err(bad(position, version, "\"d1\""));
        }
        let key = match parts.take() {
            Some((position, digits)) => parse_key(position, digits)?,
            None => return Err(bad(text.len(), "", "\"/\" and a key of 16 hex digits")),
        };
        let Some(first) = parts.take() else {
            return Err(bad(text.len(), "", "\"/\" and operations, or \"/-\" for none"));
        };
        let mut items = Vec::new();
        if first.1 == "-" {
            return match parts.take() {
                Some((position, more)) => Err(bad(position, more, "the end after \"-\"")),
                None => Ok(Address { key, items }),
            };
        }
        let mut current = Some(first);
        while let Some((position, item)) = current {
            if items.len() == MAX_ITEMS {
                return Err(bad(position, item, &format!("at most {MAX_ITEMS} operations")));
            }
            items.push(parse_item(position, item, &key.at(items.len() as u32))?);
            current = parts.take();
        }
        Ok(Address { key, items })
    }
}

/// The pieces between slashes, with their positions.
struct Parts<'a> {
    text: &'a str,
    next: Option<usize>,
}

impl<'a> Parts<'a> {
    fn take(&mut self) -> Option<(usize, &'a str)> {
        let start = self.next?;
        let piece = self.text[start..].split('/').next().unwrap_or("");
        let end = start + piece.len();
        self.next = (end < self.text.len()).then_some(end + 1);
        Some((start, piece))
    }
}

fn bad(position: usize, found: &str, expected: &str) -> DegradeError {
    // The allowed characters are checked first, so that 40 bytes are 40 characters; the character
    // check itself passes one character.
    let found = found.chars().take(40).collect();
    DegradeError::Address { position, found, expected: expected.to_owned() }
}

fn check_characters(text: &str) -> Result<(), DegradeError> {
    if text.len() > MAX_BYTES {
        let expected = format!("at most {MAX_BYTES} bytes");
        return Err(DegradeError::Address {
            position: MAX_BYTES,
            found: format!("{} bytes", text.len()),
            expected,
        });
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:./@+=-".contains(c);
    match text.char_indices().find(|&(_, c)| !allowed(c)) {
        Some((position, c)) => {
            Err(bad(position, c.encode_utf8(&mut [0; 4]), "a character of [a-z0-9_:./@+=-]"))
        }
        None => Ok(()),
    }
}

fn parse_key(position: usize, digits: &str) -> Result<Key, DegradeError> {
    let hex = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match u64::from_str_radix(digits, 16) {
        Ok(key) if digits.len() == 16 && hex => Ok(Key(key)),
        _ => Err(bad(position, digits, "a key of 16 lower-case hex digits")),
    }
}

fn parse_item(position: usize, text: &str, draws: &Draws) -> Result<Item, DegradeError> {
    let name_end = text.find(['@', '+']).unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    let op = parse_op(position, name)?;

    let mut values = Values::default();
    let mut level = None;
    let mut position = position + name_end;
    let mut rest = rest;
    if let Some(after) = rest.strip_prefix('@') {
        let end = after.find('+').unwrap_or(after.len());
        let (digits, more) = after.split_at(end);
        level = match digits.as_bytes() {
            _ if op.levels.is_empty() => return Err(bad(position, rest, &op.allowed())),
            [digit @ b'1'..=b'5'] => Some(digit - b'0'),
            _ => return Err(bad(position + 1, digits, "a level from 1 to 5")),
        };
        position += 1 + end;
        rest = more;
    }
    while let Some(pair) = rest.strip_prefix('+') {
        let end = pair.find('+').unwrap_or(pair.len());
        let (pair, more) = pair.split_at(end);
        let (i, value) = parse_parameter(position + 1, pair, op)?;
        if level.is_some() && op.parameters[i].origin == Origin::Level {
            return Err(bad(position + 1, pair, "either a level or its parameter"));
        }
        if values.get(i).is_some() {
            return Err(bad(position + 1, pair, "every parameter once"));
        }
        values.set(i, value);
        position += 1 + end;
        rest = more;
    }
    if let Some(level) = level {
        op.set_level(level, &mut values);
    }
    match op.fill(&mut values, draws) {
        Ok(()) => Ok(Item { op, level, values }),
        Err(expected) => Err(bad(position, rest, &expected)),
    }
}

fn parse_op(position: usize, name: &str) -> Result<&'static Distortion, DegradeError> {
    let (family, op) = name.split_once(':').unwrap_or((name, ""));
    if let Some(found) = distortion(family, op) {
        return Ok(found);
    }
    match UNAVAILABLE.iter().find(|(known, _)| *known == name || *known == family) {
        Some((_, reason)) => {
            let reason = (*reason).to_owned();
            Err(DegradeError::Unavailable { op: name.to_owned(), position, reason })
        }
        None => Err(bad(position, name, &available(family))),
    }
}

/// The parameter's place and its value.
fn parse_parameter(
    position: usize,
    pair: &str,
    op: &Distortion,
) -> Result<(usize, f64), DegradeError> {
    let Some((name, value)) = pair.split_once('=') else {
        return Err(bad(position, pair, &op.allowed()));
    };
    let found = op.parameters.iter().position(|p| p.name == name && p.may_be_given());
    let Some(i) = found else {
        return Err(bad(position, name, &op.allowed()));
    };
    let parameter = op.parameters[i];
    let wrong = || bad(position + name.len() + 1, value, &parameter.allowed());
    if let Kind::Word(words) = parameter.kind {
        let place = words.iter().position(|word| *word == value).ok_or_else(wrong)?;
        return Ok((i, place as f64));
    }
    // No exponent and no words: `inf` and `nan` parse as numbers in Rust.
    let plain = !value.is_empty() && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-'));
    match value.parse::<f32>() {
        Ok(number) if plain && parameter.kind.allows(number) => {
            Ok((i, f64::from(number) + 0.0)) // -0 becomes 0
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "51e391730a2f9872";

    fn canonical(items: &str) -> String {
        format!("d1/{KEY}/{items}").parse::<Address>().expect("a good address").to_string()
    }

    #[test]
    fn good_addresses_print_as_they_are() {
        for items in [
            "-",
            "kadid:jpeg@3",
            "kadid:gaussian_blur@1/kadid:noise_white@5/kadid:darken@2",
            "kadid:jpeg+q=20",
            "kadid:noise_white+var=0.00001",
            "kadid:brighten+n=0.33333334",
            "kadid:motion_blur@4+angle=40",
            "kadid:color_shift@5+dy=0+dx=12",
            "re:jpeg+q=47.25",
            "re:jpeg+q=47.25+tables=standard",
            "re:blur+kind=sinc+ksize=13+cutoff=2",
            "re:resize+h=38+w=67+mode=area/re:round/kadid:stretch",
            "qpt:motion_blur@5+len=5.771199+angle=62.916786",
        ] {
            assert_eq!(canonical(items), format!("d1/{KEY}/{items}"));
        }
    }

    #[test]
    fn numbers_print_in_the_shortest_form() {
        assert_eq!(
            canonical("kadid:gaussian_blur+sigma=03.000"),
            format!("d1/{KEY}/kadid:gaussian_blur+sigma=3")
        );
        assert_eq!(canonical("kadid:darken+n=-0"), format!("d1/{KEY}/kadid:darken+n=0"));
        assert_eq!(
            canonical("kadid:darken+n=0.333333333333"),
            format!("d1/{KEY}/kadid:darken+n=0.33333334")
        );
    }

    #[test]
    fn what_is_left_out_is_drawn_or_known_and_printed_in_order() {
        for (text, printed) in [
            ("kadid:motion_blur@4", "kadid:motion_blur@4+angle=40"),
            ("kadid:color_shift@5", "kadid:color_shift@5+dy=12+dx=2"),
            ("-", "-"),
            ("kadid:motion_blur+angle=3+len=5", "kadid:motion_blur+len=5+angle=3"),
            ("re:jpeg+tables=released+q=30", "re:jpeg+q=30"),
            ("re:noise+gray=1+sigma=12.50", "re:noise+sigma=12.5+gray=1"),
        ] {
            assert_eq!(canonical(text), format!("d1/{KEY}/{printed}"));
        }
        let second = canonical("kadid:jpeg@1/kadid:color_shift@5");
        assert_eq!(second, format!("d1/{KEY}/kadid:jpeg@1/kadid:color_shift@5+dy=0+dx=12"));
    }

    #[test]
    fn errors_name_the_position() {
        for (text, position) in [
            ("", 0),
            ("d2/51e391730a2f9872/-", 0),
            ("d1", 2),
            ("d1/51E391730a2f9872/-", 5),
            ("d1/51e391730a2f987/-", 3),
            ("d1/51e391730a2f9872", 19),
            ("d1/51e391730a2f9872/", 20),
            ("d1/51e391730a2f9872/-/kadid:jpeg@1", 22),
            ("d1/51e391730a2f9872/kadid:jpeg", 30),
            ("d1/51e391730a2f9872/kadid:jpeg@6", 31),
            ("d1/51e391730a2f9872/kadid:jpeg@3+q=20", 33),
            ("d1/51e391730a2f9872/kadid:jpeg+q=20.5", 33),
            ("d1/51e391730a2f9872/kadid:jpeg+q=inf", 33),
            ("d1/51e391730a2f9872/kadid:jpeg+sigma=2", 31),
            ("d1/51e391730a2f9872/kadid:no_such@2", 20),
            ("d1/51e391730a2f9872/kadid:jpeg@1/blur", 33),
            ("d1/51e391730a2f9872/re:round@1", 28),
            ("d1/51e391730a2f9872/qpt:usm_sharpen+c=1", 36),
            ("d1/51e391730a2f9872/re:noise+sigma=3", 36),
            ("d1/51e391730a2f9872/re:noise+sigma=3+sigma=3", 37),
            ("d1/51e391730a2f9872/re:blur+kind=round+ksize=7", 33),
            ("d1/51e391730a2f9872/re:blur+kind=iso+ksize=8+sx=1", 49),
            ("d1/51e391730a2f9872/re:blur+kind=iso+ksize=7+sx=1+beta=2", 56),
            ("d1/51e391730a2f9872/re:resize+h=3+scale=2+mode=area", 51),
            ("d1/51e391730a2f9872/re:jpeg+q=100", 30),
        ] {
            match text.parse::<Address>() {
                Err(DegradeError::Address { position: found, .. }) => {
                    assert_eq!(found, position, "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn operations_that_are_not_computed_are_unavailable_not_unknown() {
        for op in ["reiqa:jitter@4", "arniqa:lens_blur@1"] {
            let error = format!("d1/{KEY}/{op}").parse::<Address>().expect_err("not computed");
            assert!(matches!(error, DegradeError::Unavailable { position: 20, .. }), "{error}");
        }
    }

    #[test]
    fn limits_on_length_hold() {
        let items = vec!["kadid:jpeg@1"; 65].join("/");
        assert!(format!("d1/{KEY}/{items}").parse::<Address>().is_err());
        assert!("d".repeat(5000).parse::<Address>().is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,60}") {
            let _ = text.parse::<Address>();
        }

        #[test]
        fn printing_what_was_parsed_is_stable(
            body in "[a-z0-9_:./@+=-]{0,30}",
            op in 0..super::super::distortions().count(),
            level in 1..=5,
        ) {
            let op = super::super::distortions().nth(op).expect("in the table");
            let name = op.full_name();
            let first = op.parameters.first().map_or("n", |p| p.name);
            for text in [
                format!("d1/{KEY}/{name}{body}"),
                format!("d1/{KEY}/{name}@{level}"),
                format!("d1/{KEY}/{name}@{level}+{body}"),
                format!("d1/{KEY}/{name}+{first}=0.{body}"),
            ] {
                if let Ok(address) = text.parse::<Address>() {
                    let printed = address.to_string();
                    prop_assert_eq!(printed.parse::<Address>(), Ok(address));
                }
            }
        }

        #[test]
        fn every_value_survives_printing(value in 0.01_f32..100.0) {
            let op = distortion("kadid", "gaussian_blur").expect("built");
            let strength = super::super::Strength::Value(value);
            let values = op.values_of(strength, &Key(7).at(0)).expect("in range");
            let items = vec![Item { op, level: None, values }];
            let address = Address { key: Key(7), items };
            prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
        }
    }
}
