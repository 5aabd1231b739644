//! The values that leave the room: the pixels, where they came from, and what was done to them.

use sha2::{Digest, Sha256};

use super::options::Alpha;
use super::sniff::Format;

/// 8-bit RGB, upright, sRGB, row-major, interleaved, without padding, at least 1x1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb8 {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Rgb8 {
    /// `None` unless both sides are at least 1 and `data` has exactly `3 * width * height` bytes.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Option<Self> {
        let expected = u64::from(width).checked_mul(u64::from(height))?.checked_mul(3)?;
        let fits = width > 0 && height > 0 && data.len() as u64 == expected;
        fits.then_some(Self { width, height, data })
    }

    /// Pixels in a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes: R, G, B of the first pixel of the first row, and so on.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The bytes, by value.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The colour at column `x`, row `y`. Panics outside the picture, as an index does.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(x < self.width && y < self.height, "pixel ({x}, {y}) is outside the picture");
        let at = 3 * (y as usize * self.width as usize + x as usize);
        [self.data[at], self.data[at + 1], self.data[at + 2]]
    }
}

/// The colour profile of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// None: the values are taken as sRGB.
    None,
    /// The file says sRGB, or carries a profile that is sRGB within half a level.
    Srgb,
    /// A profile with this description (or "unnamed").
    Named(String),
    /// A profile that cannot be read.
    Unreadable,
}

impl Profile {
    /// `none`, `srgb`, the name, or `unreadable`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::None => "none",
            Self::Srgb => "srgb",
            Self::Named(name) => name,
            Self::Unreadable => "unreadable",
        }
    }
}

/// What the file was (papers/images.md, section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about one file")]
pub struct Source {
    /// The format by content.
    pub format: Format,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Width as stored, before turning.
    pub stored_width: u32,
    /// Height as stored, before turning.
    pub stored_height: u32,
    /// EXIF orientation, 1 to 8, as the file says it (1 where it says nothing valid).
    pub orientation: u8,
    /// Whether the picture was turned or mirrored by it.
    pub turned: bool,
    /// Bits a sample as stored, 1 to 16.
    pub bits: u8,
    /// Channels as stored; a palette is one channel.
    pub channels: u8,
    /// Whether the pixels are gray before widening.
    pub gray: bool,
    /// Whether the file carries transparency.
    pub has_alpha: bool,
    /// Whether any pixel is less than opaque.
    pub transparent: bool,
    /// What stood behind the transparent parts.
    pub alpha: Alpha,
    /// The colour profile.
    pub profile: Profile,
    /// Whether the profile changed the pixels.
    pub profile_applied: bool,
    /// Frames or pages of the file; `None`: unknown.
    pub frames: Option<u32>,
}

/// The kind of a [`Warning`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// The suffix of the name promises another format.
    ExtensionMismatch,
    /// The colour profile cannot be read; the values are taken as sRGB.
    IccUnreadable,
    /// The colour profile is for another kind of picture; it is ignored.
    IccMismatch,
    /// The CMYK profile cannot be applied; the plain formula was used.
    IccUnsupported,
    /// A PNG `cICP` colour space other than sRGB; the values are taken as they are.
    ColorSpaceIgnored,
    /// The data end early; what is missing is gray.
    Truncated,
}

impl WarningKind {
    /// The stable word of this kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExtensionMismatch => "ExtensionMismatch",
            Self::IccUnreadable => "IccUnreadable",
            Self::IccMismatch => "IccMismatch",
            Self::IccUnsupported => "IccUnsupported",
            Self::ColorSpaceIgnored => "ColorSpaceIgnored",
            Self::Truncated => "Truncated",
        }
    }
}

/// Something that the user should know about a picture that was read all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is about.
    pub kind: WarningKind,
    /// A short sentence.
    pub text: String,
}

impl Warning {
    pub(super) fn new(kind: WarningKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// A loaded picture with its record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Picture {
    /// The pixels.
    pub rgb: Rgb8,
    /// What the file was.
    pub source: Source,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

impl Picture {
    /// SHA-256, in lower-case hex, of width and height (32 bits each, little-endian) and the RGB
    /// bytes: two files with the same upright pixels have the same hash.
    pub fn content_hash(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.rgb.width().to_le_bytes());
        hasher.update(self.rgb.height().to_le_bytes());
        hasher.update(self.rgb.data());
        hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            for nibble in [byte >> 4, byte & 15] {
                hex.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is below 16"));
            }
            hex
        })
    }

    /// What was done, in short words: "turned (exif 6)", "Display P3 -> sRGB", "16 bit", "alpha
    /// over gray", "gray", "first of 3 frames"; the texts of the warnings last.
    pub fn notes(&self) -> Vec<String> {
        let source = &self.source;
        let mut notes = Vec::new();
        if source.turned {
            notes.push(format!("turned (exif {})", source.orientation));
        }
        if source.profile_applied {
            notes.push(format!("{} -> sRGB", source.profile.as_str()));
        }
        if source.bits == 16 {
            notes.push("16 bit".to_owned());
        }
        if source.transparent {
            notes.push(match source.alpha {
                Alpha::Drop => "alpha dropped".to_owned(),
                over => format!("alpha over {over}"),
            });
        }
        if source.gray {
            notes.push("gray".to_owned());
        }
        if let Some(frames) = source.frames.filter(|&n| n > 1) {
            notes.push(format!("first of {frames} frames"));
        }
        notes.extend(self.warnings.iter().map(|warning| warning.text.clone()));
        notes
    }
}
