//! Why a picture could not be read: the stable kinds and the sentence a user sees.
//!
//! Inside the room a codec knows nothing of names and speaks of a [`Fault`]; [`LoadError`] is a
//! fault with the name of its file. Source of kinds and messages: papers/images.md, section 5.

use std::fmt;

/// The kind of a [`LoadError`]; its word ([`ErrorKind::as_str`]) is stable for JSON and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such file.
    NotFound,
    /// A folder or a device stands where a file was expected.
    NotAFile,
    /// The file may not be read by this user.
    PermissionDenied,
    /// Reading failed for another reason of the system.
    Io,
    /// The file has 0 bytes.
    Empty,
    /// The file is longer than `max_file_bytes`.
    FileTooLarge,
    /// The first bytes belong to no format we know.
    UnknownFormat,
    /// A format (or a variant of one) that this build does not read.
    UnsupportedFormat,
    /// The data end early.
    Truncated,
    /// The data contradict their format.
    Corrupt,
    /// More pixels than `max_pixels`.
    TooManyPixels,
    /// A side longer than `max_side`.
    SideTooLong,
    /// Decoding would need more than `max_alloc_bytes`.
    TooMuchMemory,
    /// The colour profile is larger than `max_icc_bytes`.
    MetadataTooLarge,
    /// The picture has transparent parts and the options refuse them.
    HasAlpha,
    /// The caller raised the cancel flag.
    Cancelled,
}

impl ErrorKind {
    /// The stable word of this kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::NotAFile => "NotAFile",
            Self::PermissionDenied => "PermissionDenied",
            Self::Io => "Io",
            Self::Empty => "Empty",
            Self::FileTooLarge => "FileTooLarge",
            Self::UnknownFormat => "UnknownFormat",
            Self::UnsupportedFormat => "UnsupportedFormat",
            Self::Truncated => "Truncated",
            Self::Corrupt => "Corrupt",
            Self::TooManyPixels => "TooManyPixels",
            Self::SideTooLong => "SideTooLong",
            Self::TooMuchMemory => "TooMuchMemory",
            Self::MetadataTooLarge => "MetadataTooLarge",
            Self::HasAlpha => "HasAlpha",
            Self::Cancelled => "Cancelled",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One file that could not be read: `cannot read "NAME": message (hint)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    name: String,
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
}

impl LoadError {
    pub(super) fn new(name: String, fault: Fault) -> Self {
        Self { name, kind: fault.kind, message: fault.message, hint: fault.hint }
    }

    /// What went wrong, as a stable kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file's name as shown: control characters, quotes and bytes that are not UTF-8 escaped.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The message without the name and the hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read \"{}\": {}", self.name, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LoadError {}

/// An error that does not know its file yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Fault {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// `where_` completes "the FORMAT data is truncated (…)".
    pub(super) fn truncated(format: &str, where_: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Truncated, format!("the {format} data is truncated ({where_})"))
            .hint("the file is incomplete: copy it again")
    }

    /// The data of a file of `bytes` bytes end before what its headers promise.
    pub(super) fn ends_after(format: &str, bytes: usize) -> Self {
        Self::truncated(format, format_args!("ends after {bytes} bytes"))
    }

    pub(super) fn corrupt(format: &str, what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Corrupt, format!("the {format} data is corrupt: {what}"))
            .hint("copy it again, or save it anew where it opens")
    }

    /// A limit stands in the way; the message ends with its key.
    pub(super) fn beyond(kind: ErrorKind, message: String) -> Self {
        Self::new(kind, message).hint("make it smaller, or raise the limit")
    }

    /// `what` is the name of the format or variant, such as "SVG" or "arithmetic-coded JPEG".
    pub(super) fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::UnsupportedFormat, format!("{what} pictures are not supported"))
            .hint("convert it to PNG or JPEG")
    }
}

/// The name as it is shown in messages: printable text stays, control characters, the quote and
/// bytes that are not UTF-8 become `\xNN` or `\"`.
pub(super) fn escape(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                // Bidirectional overrides and line separators can make a terminal lie as well as
                // control characters can.
                c if c.is_control()
                    || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {
                    let mut buffer = [0; 4];
                    for byte in c.encode_utf8(&mut buffer).bytes() {
                        push_byte(&mut out, byte);
                    }
                }
                c => out.push(c),
            }
        }
        for &byte in chunk.invalid() {
            push_byte(&mut out, byte);
        }
    }
    out
}

fn push_byte(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push_str("\\x");
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_file_and_ends_with_the_advice() {
        let error = LoadError::new("a b.svg".into(), Fault::unsupported("SVG"));
        assert_eq!(
            error.to_string(),
            "cannot read \"a b.svg\": SVG pictures are not supported (convert it to PNG or JPEG)"
        );
    }

    #[test]
    fn odd_bytes_of_a_name_are_shown_in_hex() {
        assert_eq!(escape(b"a\nb\"\xff\xc3\xa4"), "a\\x0ab\\\"\\xff\u{e4}");
    }
}
