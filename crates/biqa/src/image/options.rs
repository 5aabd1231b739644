//! The switches of the loader and its two presets (papers/images.md, section 7).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::limits::Limits;

/// Whether something that the file asks for is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Apply {
    /// Do it.
    #[default]
    Apply,
    /// Leave the pixels as they are stored, as Pillow's `convert('RGB')` does.
    Ignore,
}

impl Apply {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Apply, Self::Ignore];

    /// The value's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Ignore => "ignore",
        }
    }
}

/// What stands behind the transparent parts of a picture (papers/images.md, section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Alpha {
    /// Mid-gray (128, 128, 128).
    #[default]
    Gray,
    /// White.
    White,
    /// Black.
    Black,
    /// This sRGB colour.
    Color([u8; 3]),
    /// Alpha is thrown away, hidden colours become visible, as in Pillow.
    Drop,
    /// A picture with any transparent pixel is an error (`HasAlpha`).
    Refuse,
}

impl Alpha {
    /// The colour behind the picture, if it is composited at all.
    pub(super) fn background(self) -> Option<[u8; 3]> {
        match self {
            // A refused picture has failed before; an opaque one does not depend on the colour.
            Self::Gray | Self::Refuse => Some([128; 3]),
            Self::White => Some([255; 3]),
            Self::Black => Some([0; 3]),
            Self::Color(rgb) => Some(rgb),
            Self::Drop => None,
        }
    }
}

impl fmt::Display for Alpha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gray => f.write_str("gray"),
            Self::White => f.write_str("white"),
            Self::Black => f.write_str("black"),
            Self::Color([r, g, b]) => write!(f, "#{r:02x}{g:02x}{b:02x}"),
            Self::Drop => f.write_str("drop"),
            Self::Refuse => f.write_str("refuse"),
        }
    }
}

/// A word that is no value of the switch `alpha`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlphaParseError(String);

impl fmt::Display for AlphaParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alpha = {:?} is not one of gray, white, black, #rrggbb, drop, refuse", self.0)
    }
}

impl std::error::Error for AlphaParseError {}

impl FromStr for Alpha {
    type Err = AlphaParseError;

    fn from_str(text: &str) -> Result<Self, AlphaParseError> {
        let hex = |text: &str| {
            let digits = text.strip_prefix('#').filter(|d| d.len() == 6)?;
            if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            let [_, r, g, b] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
            Some(Self::Color([r, g, b]))
        };
        match text {
            "gray" => Ok(Self::Gray),
            "white" => Ok(Self::White),
            "black" => Ok(Self::Black),
            "drop" => Ok(Self::Drop),
            "refuse" => Ok(Self::Refuse),
            other => hex(other).ok_or_else(|| AlphaParseError(other.to_owned())),
        }
    }
}

/// How 16-bit samples become 8-bit ones (colour-managed pictures excepted: those are rounded).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SixteenBit {
    /// `(v * 255 + 32767) / 65535`, the nearest level.
    #[default]
    Round,
    /// `v >> 8`, as Pillow does for 16-bit RGB PNG.
    HighByte,
}

impl SixteenBit {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Round, Self::HighByte];

    /// The value's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Round => "round",
            Self::HighByte => "high_byte",
        }
    }
}

/// What happens to a picture whose data end early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TruncatedPolicy {
    /// It is an error (`Truncated`).
    #[default]
    Error,
    /// What is missing becomes (128, 128, 128), with a warning. A file that ends before its first
    /// pixels is an error all the same.
    Gray,
}

impl TruncatedPolicy {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Error, Self::Gray];

    /// The value's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Gray => "gray",
        }
    }
}

/// How a file is loaded. The default is the preset "biqa".
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// What the file may cost.
    pub limits: Limits,
    /// EXIF orientation.
    pub orientation: Apply,
    /// Embedded colour profiles.
    pub profile: Apply,
    /// Transparent parts.
    pub alpha: Alpha,
    /// 16-bit samples.
    pub sixteen_bit: SixteenBit,
    /// Data that end early.
    pub truncated: TruncatedPolicy,
    /// Raised by another thread to stop the decoder, which looks at least every 64 rows.
    pub cancel: Option<Arc<AtomicBool>>,
}

impl LoadOptions {
    /// What the papers' code sees: orientation, profile and alpha ignored, the high byte of 16-bit
    /// samples.
    pub fn pillow() -> Self {
        Self {
            orientation: Apply::Ignore,
            profile: Apply::Ignore,
            alpha: Alpha::Drop,
            sixteen_bit: SixteenBit::HighByte,
            truncated: TruncatedPolicy::Error,
            ..Self::default()
        }
    }

    /// How a result's record names these options: `biqa`, `pillow`, or the first of them with the
    /// switches that differ (`biqa alpha=white truncated=gray`). Limits and the cancel flag do not
    /// count, they never change a pixel.
    pub fn label(&self) -> String {
        if self.switches() == Self::pillow().switches() {
            return "pillow".to_owned();
        }
        let default = Self::default().switches();
        let differs = self.switches().into_iter().zip(default).filter(|(own, usual)| own != usual);
        let words = differs.map(|((key, value), _)| format!("{key}={value}"));
        std::iter::once("biqa".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
    }

    /// Key and word of every switch, in the order of papers/images.md, section 7.
    fn switches(&self) -> [(&'static str, String); 5] {
        [
            ("orientation", self.orientation.as_str().to_owned()),
            ("profile", self.profile.as_str().to_owned()),
            ("alpha", self.alpha.to_string()),
            ("sixteen_bit", self.sixteen_bit.as_str().to_owned()),
            ("truncated", self.truncated.as_str().to_owned()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_know_their_names() {
        assert_eq!(LoadOptions::default().label(), "biqa");
        assert_eq!(LoadOptions::pillow().label(), "pillow");
        let (alpha, truncated) = (Alpha::White, TruncatedPolicy::Gray);
        let own = LoadOptions { alpha, truncated, ..LoadOptions::default() };
        assert_eq!(own.label(), "biqa alpha=white truncated=gray");
        let limits = Limits { max_pixels: 1, ..Limits::default() };
        assert_eq!(LoadOptions { limits, ..LoadOptions::default() }.label(), "biqa");
    }

    #[test]
    fn alpha_words_are_read_and_written() {
        for word in ["gray", "white", "black", "drop", "refuse", "#0a80ff"] {
            assert_eq!(word.parse::<Alpha>().unwrap().to_string(), word);
        }
        for word in ["", "grey", "#12345", "#+12345", "#1234567"] {
            assert!(word.parse::<Alpha>().is_err(), "{word}");
        }
    }
}
