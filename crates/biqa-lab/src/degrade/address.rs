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
        let address = Address { key, items };
        // What was drawn stands in the text that is printed, which must be an address again.
        let length = address.to_string().len();
        if length > MAX_BYTES {
            let found = format!("{length} bytes with what is drawn");
            return Err(bad(text.len(), &found, &format!("at most {MAX_BYTES} bytes")));
        }
        Ok(address)
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
#[path = "address_tests.rs"]
mod tests;
