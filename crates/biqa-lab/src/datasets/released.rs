//! The label files of a set's release: by their names in the root, or the one that `--list` names,
//! whatever it is called.
//!
//! Called by the files of the sets, before they take a list for somebody else's.

use super::files::{Files, name_of};
use super::labels::read_bytes;
use super::lists;
use super::{DatasetError, Options};
use std::ffi::OsStr;
use std::path::PathBuf;

/// The first of `names` in the root. Where the options name a list: that one, if it is called like
/// one of `names` or looks `like` them, and is in no form of other people's lists.
pub(super) fn released(
    files: &mut Files,
    options: &Options,
    names: &[&str],
    like: fn(&[u8]) -> bool,
) -> Result<Option<PathBuf>, DatasetError> {
    let Some(file) = &options.list else { return files.first(names) };
    let bytes = read_bytes(file)?;
    let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let called = names.iter().any(|known| name_of(known).eq_ignore_ascii_case(name));
    let is = lists::detect(&bytes).is_none() && (called || like(&bytes));
    Ok(is.then(|| file.clone()))
}

/// No file is known by its looks.
pub(super) fn by_name(_: &[u8]) -> bool {
    false
}

/// Whether it is a workbook, in the old form or the new.
pub(super) fn is_spreadsheet(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0")
}

/// Whether the header has all of `names`.
pub(super) fn has_columns(bytes: &[u8], names: &[&str]) -> bool {
    let header = first_line(bytes).to_lowercase();
    let header: Vec<&str> =
        header.split([',', ';', '\t']).map(|name| name.trim().trim_matches('"').trim()).collect();
    names.iter().all(|name| header.contains(name))
}

/// Whether the first line is a name and a number, in this order, with `separator` between them.
pub(super) fn is_name_and_number(bytes: &[u8], separator: char) -> bool {
    let line = first_line(bytes);
    let pair = line.trim().split_once(separator);
    pair.is_some_and(|(name, number)| !is_number(name) && is_number(number))
}

/// Whether a text is a number.
pub(super) fn is_number(text: &str) -> bool {
    text.trim().parse::<f64>().is_ok()
}

/// The first line that is not blank, without a byte order mark.
pub(super) fn first_line(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
    let line = lines.find(|line| !line.trim_ascii().is_empty());
    String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_those_of_the_first_line() {
        let csv = b"\xef\xbb\xbf\r\n\"Name\"; MOS \r\na;1\r\n";
        assert!(has_columns(csv, &["mos", "name"]) && !has_columns(csv, &["name", "std"]));
        assert!(is_name_and_number(b"a b.png, 4.5\n", ','));
        assert!(is_name_and_number(b"1600.AWGN.1.png 0.06\n", ' '));
        assert!(!is_name_and_number(b"5.5 i01.bmp\n", ' ') && !is_name_and_number(b"", ','));
        assert!(is_spreadsheet(b"PK\x03\x04rest") && !is_spreadsheet(b"PK,1"));
    }
}
