//! The text that names a composition and reproduces it (`papers/degradations.md`, section 6).
//!
//! ```text
//! address = "d1" "/" key { "/" item }     key: 16 lower-case hex digits; none: "d1/<key>/-"
//! item    = family ":" op [ "@" level ] { "+" name "=" value }
//! ```

use super::table::{NOT_BUILT, available};
use super::{DegradeError, Distortion, RgbF32, Strength, apply, distortion};
use biqa::image::Rgb8;
use biqa::random::Key;
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

/// One operation of a composition.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// The row of the table.
    pub op: &'static Distortion,
    /// How strong.
    pub strength: Strength,
}

impl PartialEq for Item {
    fn eq(&self, other: &Item) -> bool {
        std::ptr::eq(self.op, other.op) && self.strength == other.strength
    }
}

impl Address {
    /// Applies the operations in order, `f32` between them.
    ///
    /// # Errors
    /// [`DegradeError::NotFinite`], [`DegradeError::Strength`] for items that were not parsed.
    pub fn apply(&self, picture: &RgbF32) -> Result<RgbF32, DegradeError> {
        picture.check_finite()?;
        self.items.iter().zip(0..).try_fold(picture.clone(), |picture, (item, position)| {
            apply(&picture, item.op, item.strength, self.key, position)
        })
    }

    /// From levels to levels; rounded once, at the end.
    pub fn apply_levels(&self, picture: &Rgb8) -> Result<Rgb8, DegradeError> {
        Ok(self.apply(&RgbF32::from_levels(picture))?.to_levels())
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
        match self.strength {
            Strength::Level(level) => write!(f, "@{level}"),
            // Rust prints the shortest decimal that reads back equal, never with an exponent.
            Strength::Value(value) => write!(f, "+{}={value}", self.op.parameter.name),
        }
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
            items.push(parse_item(position, item)?);
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

fn parse_item(position: usize, text: &str) -> Result<Item, DegradeError> {
    let name_end = text.find(['@', '+']).unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    let op = parse_op(position, name)?;

    let mut strength = None;
    let mut position = position + name_end;
    let mut rest = rest;
    if let Some(level) = rest.strip_prefix('@') {
        let end = level.find('+').unwrap_or(level.len());
        let (digits, more) = level.split_at(end);
        strength = match digits.as_bytes() {
            [digit @ b'1'..=b'5'] => Some(Strength::Level(digit - b'0')),
            _ => return Err(bad(position + 1, digits, "a level from 1 to 5")),
        };
        position += 1 + end;
        rest = more;
    }
    while let Some(pair) = rest.strip_prefix('+') {
        let end = pair.find('+').unwrap_or(pair.len());
        let (pair, more) = pair.split_at(end);
        let value = parse_parameter(position + 1, pair, op)?;
        if strength.is_some() {
            let expected = "either a level or its parameter, once";
            return Err(bad(position + 1, pair, expected));
        }
        strength = Some(Strength::Value(value));
        position += 1 + end;
        rest = more;
    }
    match strength {
        Some(strength) => Ok(Item { op, strength }),
        None => Err(bad(position, rest, &op.allowed())),
    }
}

fn parse_op(position: usize, name: &str) -> Result<&'static Distortion, DegradeError> {
    let expected = || format!("family:operation, one of {}", available());
    let Some((family, op)) = name.split_once(':') else {
        return Err(bad(position, name, &expected()));
    };
    if let Some(found) = distortion(family, op) {
        return Ok(found);
    }
    match NOT_BUILT.iter().find(|known| **known == name || **known == family) {
        Some(_) => {
            Err(DegradeError::Unavailable { op: name.to_owned(), position, available: available() })
        }
        None => Err(bad(position, name, &expected())),
    }
}

fn parse_parameter(position: usize, pair: &str, op: &Distortion) -> Result<f32, DegradeError> {
    let parameter = op.parameter;
    let Some((name, value)) = pair.split_once('=') else {
        return Err(bad(position, pair, &format!("{}=value", parameter.name)));
    };
    if name != parameter.name {
        return Err(bad(position, name, &format!("the parameter {:?}", parameter.name)));
    }
    // No exponent and no words: `inf` and `nan` parse as numbers in Rust.
    let plain = !value.is_empty() && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-'));
    match value.parse::<f32>() {
        Ok(number) if plain && parameter.allows(number) => Ok(number + 0.0), // -0 becomes 0
        _ => Err(bad(position + name.len() + 1, value, &op.allowed())),
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
    fn operations_that_are_not_built_are_unavailable_not_unknown() {
        for op in ["kadid:motion_blur@4", "re:jpeg+q=47.25", "qpt:usm_sharpen@1"] {
            let error = format!("d1/{KEY}/{op}").parse::<Address>().expect_err("not built");
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
            op in prop::sample::select(vec!["kadid:jpeg", "kadid:darken", "kadid:noise_white"]),
        ) {
            for text in [format!("d1/{KEY}/{op}{body}"), format!("d1/{KEY}/{op}+n=0.{body}")] {
                if let Ok(address) = text.parse::<Address>() {
                    let printed = address.to_string();
                    prop_assert_eq!(printed.parse::<Address>(), Ok(address));
                }
            }
        }

        #[test]
        fn every_value_survives_printing(value in 0.01_f32..100.0) {
            let op = distortion("kadid", "gaussian_blur").expect("built");
            let address = Address {
                key: Key(7),
                items: vec![Item { op, strength: Strength::Value(value) }],
            };
            prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
        }
    }
}
