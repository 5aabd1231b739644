//! Small words: how a path is written in a row, how a line is said on stderr.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `println!` that returns its failure: a closed or full standard output is an error, no panic.
macro_rules! out {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout().lock(), $($words)*)?;
    }};
}
pub(crate) use out;

/// Says one line on stderr. A closed stderr is nobody's failure, so it is not looked at.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The path as the scorer writes it into a row: bytes that are not UTF-8 stand as `\xNN`.
pub fn path_text(path: &Path) -> String {
    biqa::scorer::printable(path).0
}

/// The text without anything that could move a terminal's cursor or turn its writing direction.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            push_hex(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            out.push(c);
        }
    }
    out
}

/// An error and its causes in one line. A cause that the line already tells is not said again: some
/// errors name their cause themselves.
pub fn chain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| {
        if said.is_empty() {
            cause
        } else if said.ends_with(&cause) {
            said
        } else {
            format!("{said}: {cause}")
        }
    })
}

/// A path for a sentence on stderr.
pub fn shown(path: &Path) -> String {
    printable(&path_text(path))
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "\\x{byte:02x}").expect("writing to a string cannot fail");
    }
}

/// `1 image`, `2 images`.
pub fn count(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// The first 12 digits of a digest: enough to tell models apart by eye.
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// The text in lines of at most `width` columns, broken at spaces; a longer word is broken anywhere.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut rest = word;
        loop {
            let line = lines.last_mut().expect("there is one");
            let gap = usize::from(!line.is_empty());
            if line.width() + gap + rest.width() <= width {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(rest);
                break;
            }
            if line.is_empty() {
                let first = head(rest.chars(), width);
                rest = &rest[first.len()..];
                *line = first;
            }
            lines.push(String::new());
        }
    }
    lines
}

/// As many characters as fit into `width` columns; a wide one that half fits is left out.
pub fn head(chars: impl Iterator<Item = char>, width: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}"), "a\\x1b[2Jb\\xe2\\x80\\xae");
    }

    #[cfg(unix)]
    #[test]
    fn odd_bytes_of_a_path_stand_in_hex() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(path_text(Path::new(OsStr::from_bytes(b"a\xffb"))), "a\\xffb");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(count(1, "image"), "1 image");
        assert_eq!(count(0, "image"), "0 images");
    }

    #[test]
    fn a_long_reason_keeps_every_word_and_no_line_is_too_long() {
        let why =
            "no file of the kind that one would expect (take another one), 夏休み夏休み夏休み";
        for width in 8..90 {
            let lines = wrapped(why, width);
            assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:?}");
            let joined: String = lines.concat().replace(' ', "");
            assert_eq!(joined, why.replace(' ', ""), "{width}");
        }
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
    }
}
