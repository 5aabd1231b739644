//! Lists of others, read and written (`papers/protocol.md`, section 2).
//!
//! `file:<path>` is one of
//! - a JSON file `{"train": [...], "val": [...], "test": [...]}` of relative paths (`val` may lack);
//! - a CSV with a column a split, see `columns`;
//! - a folder with `train`, `test` and perhaps `val`, each `.npy` or `.txt`, or one of these files:
//!   row indices into the label file, from 0, -1 as padding. A `.npy` of several rows holds one
//!   split a row, a `.txt` holds one list.

use super::{Split, SplitError, columns};
use crate::datasets::formats::npy::read_npy;
use crate::datasets::places::{below, plain};
use crate::datasets::{Manifest, Split as Part};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The parts in the order of the file.
pub(super) const PARTS: [Part; 3] = [Part::Train, Part::Val, Part::Test];

/// The JSON file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists<'a> {
    #[serde(borrow)]
    train: Vec<std::borrow::Cow<'a, str>>,
    #[serde(default, borrow)]
    val: Vec<std::borrow::Cow<'a, str>>,
    #[serde(borrow)]
    test: Vec<std::borrow::Cow<'a, str>>,
}

impl Split {
    /// The lists as JSON that `file:<path>` reads: relative paths, one a line.
    pub fn to_json(&self, manifest: &Manifest) -> String {
        let lists = self.lists(manifest);
        let mut text = serde_json::to_string_pretty(&lists).expect("lists of text are JSON");
        text.push('\n');
        text
    }

    /// SHA-256, in lower-case hex, of who is where: of `{"train":[...],"val":[...],"test":[...]}`
    /// as JSON in UTF-8 without spaces and line ends, the relative paths of each part sorted by
    /// their bytes. The order in which a part is listed does not count.
    pub fn digest(&self, manifest: &Manifest) -> String {
        let mut lists = self.lists(manifest);
        for part in [&mut lists.train, &mut lists.val, &mut lists.test] {
            part.sort_unstable();
        }
        let text = serde_json::to_string(&lists).expect("lists of text are JSON");
        Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
            hex
        })
    }

    fn lists<'a>(&self, manifest: &'a Manifest) -> Lists<'a> {
        let paths =
            |rows: &[usize]| rows.iter().map(|&i| manifest.rows[i].path.as_str().into()).collect();
        Lists { train: paths(&self.train), val: paths(&self.val), test: paths(&self.test) }
    }
}

/// Reads the lists of split `index`.
pub(super) fn read(manifest: &Manifest, path: &Path, index: u32) -> Result<Split, SplitError> {
    let path = match path.to_str() {
        Some(text) => PathBuf::from(text.replace("{index}", &index.to_string())),
        None => path.to_path_buf(),
    };
    if let Some((file, column)) = columns::named(&path) {
        return columns::read(manifest, &file, column.as_deref(), index);
    }
    if let Some(folder) = folder_of(&path) {
        return of_folder(manifest, folder, index);
    }
    if path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("json")) {
        return of_json(manifest, &path);
    }
    Err(SplitError::Form {
        reason: "lists are a .json file, a .csv file with split columns, or a folder with train, \
                 test and perhaps val as .npy or .txt row indices"
            .to_owned(),
        file: path,
    })
}

/// The folder that holds the parts, where it or one of its files is named.
pub(super) fn folder_of(path: &Path) -> Option<&Path> {
    if path.is_dir() {
        return Some(path);
    }
    let suffix = path.extension()?.to_str()?.to_ascii_lowercase();
    let stem = path.file_stem()?.to_str()?;
    let is_part = PARTS.iter().any(|part| part.to_string() == stem);
    (is_part && (suffix == "npy" || suffix == "txt"))
        .then(|| path.parent().unwrap_or(Path::new("")))
}

/// How many splits a folder holds: the rows of its arrays, which must agree; texts hold one.
pub(super) fn count(folder: &Path) -> Result<u32, SplitError> {
    let mut known: Option<(PathBuf, usize)> = None;
    for part in PARTS {
        let Some(file) = file_of(folder, part) else { continue };
        let rows = if is_npy(&file) { rows_of(&file)?.len() } else { 1 };
        match &known {
            Some((other, count)) if *count != rows => {
                let reason = format!("it holds {rows} splits, {} holds {count}", other.display());
                return Err(SplitError::Form { file, reason });
            }
            _ => known = Some((file, rows)),
        }
    }
    Ok(known.map_or(1, |(_, rows)| rows as u32))
}

fn bytes(path: &Path) -> Result<Vec<u8>, SplitError> {
    std::fs::read(path).map_err(|source| SplitError::Read { path: path.to_path_buf(), source })
}

fn of_json(manifest: &Manifest, path: &Path) -> Result<Split, SplitError> {
    let bytes = bytes(path)?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let lists: Lists = serde_json::from_slice(text)
        .map_err(|e| SplitError::Form { file: path.to_path_buf(), reason: e.to_string() })?;
    let names = Names::of(manifest);
    let mut split = Split::default();
    for (part, paths) in PARTS.into_iter().zip([lists.train, lists.val, lists.test]) {
        for wanted in paths {
            let Some(i) = names.find(&wanted) else {
                let (file, path) = (path.to_path_buf(), wanted.into_owned());
                return Err(SplitError::UnknownPath { file, part, path });
            };
            split.part_mut(part).push(i);
        }
    }
    complete(manifest, split, path)
}

/// The rows of a manifest by path: as written, else without regard to letter case where that is
/// one row only.
pub(crate) struct Names<'a> {
    manifest: &'a Manifest,
    exact: HashMap<&'a str, usize>,
    /// By the ends of the paths, from the name alone to the whole path; `None` where several rows
    /// have it.
    ends: HashMap<String, Option<usize>>,
}

impl<'a> Names<'a> {
    pub(crate) fn of(manifest: &'a Manifest) -> Names<'a> {
        let mut ends: HashMap<String, Option<usize>> = HashMap::new();
        for (i, row) in manifest.rows.iter().enumerate() {
            for end in ends_of(&row.path.to_ascii_lowercase()) {
                ends.entry(end.to_owned()).and_modify(|row| *row = None).or_insert(Some(i));
            }
        }
        let exact = manifest.rows.iter().enumerate().map(|(i, row)| (row.path.as_str(), i));
        Names { manifest, exact: exact.collect(), ends }
    }

    /// The row of a path relative to the root, or below it.
    fn find(&self, path: &str) -> Option<usize> {
        let path = below(&self.manifest.root, path)?;
        let whole = |&i: &usize| self.manifest.rows[i].path.eq_ignore_ascii_case(&path);
        let folded = || self.ends.get(&path.to_ascii_lowercase()).copied().flatten().filter(whole);
        self.exact.get(path.as_str()).copied().or_else(folded)
    }

    /// The row of a path as somebody else's list has it: other folders may stand in front, or none.
    /// The longest end that is one row's decides.
    pub(crate) fn find_loosely(&self, path: &str) -> Option<usize> {
        let folded = plain(path).to_ascii_lowercase();
        let mut ends = ends_of(&folded);
        self.find(path).or_else(|| ends.find_map(|end| self.ends.get(end).copied().flatten()))
    }
}

/// A path, the path without its first folder, and so on to the name.
fn ends_of(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| Some(path.split_once('/')?.1))
}

/// The file of a part in a folder.
fn file_of(folder: &Path, part: Part) -> Option<PathBuf> {
    let files = ["npy", "txt"].map(|suffix| folder.join(format!("{part}.{suffix}")));
    files.into_iter().find(|file| file.is_file())
}

fn is_npy(file: &Path) -> bool {
    file.extension().is_some_and(|suffix| suffix == "npy")
}

fn of_folder(manifest: &Manifest, folder: &Path, index: u32) -> Result<Split, SplitError> {
    let mut split = Split::default();
    for part in PARTS {
        let Some(file) = file_of(folder, part) else {
            if part == Part::Val {
                continue;
            }
            let reason = format!("it has no {part}.npy and no {part}.txt");
            return Err(SplitError::Form { file: folder.to_path_buf(), reason });
        };
        let indices = if is_npy(&file) { of_npy(&file, index)? } else { of_text(&file)? };
        *split.part_mut(part) = of_indices(manifest, &indices, &file)?;
    }
    complete(manifest, split, folder)
}

/// The splits of an array, one a row.
fn rows_of(file: &Path) -> Result<Vec<Vec<i64>>, SplitError> {
    let name = file.display().to_string();
    let array = read_npy(&bytes(file)?, &name).map_err(SplitError::Npy)?;
    array.integer_rows(&name).map_err(SplitError::Npy)
}

fn of_npy(file: &Path, index: u32) -> Result<Vec<i64>, SplitError> {
    let mut rows = rows_of(file)?;
    let count = rows.len();
    if (index as usize) < count {
        return Ok(rows.swap_remove(index as usize));
    }
    let splits = if count == 1 { "1 split".to_owned() } else { format!("{count} splits") };
    let reason = format!("it holds {splits}, so there is no number {index} (from 0)");
    Err(SplitError::Form { file: file.to_path_buf(), reason })
}

/// Whole numbers with spaces, commas or line ends between them.
fn of_text(file: &Path) -> Result<Vec<i64>, SplitError> {
    let bytes = bytes(file)?;
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes));
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    words
        .map(|word| {
            word.parse().map_err(|_| SplitError::Form {
                file: file.to_path_buf(),
                reason: format!("found {word:?}, expected the number of a row"),
            })
        })
        .collect()
}

/// Row indices as positions; -1 is padding.
fn of_indices(manifest: &Manifest, indices: &[i64], file: &Path) -> Result<Vec<usize>, SplitError> {
    let rows = manifest.rows.len();
    let positions = indices.iter().filter(|&&index| index != -1).map(|&index| {
        let position = usize::try_from(index).ok().filter(|&position| position < rows);
        position.ok_or_else(|| SplitError::Index { file: file.to_path_buf(), index, rows })
    });
    positions.collect()
}

/// Refuses a part that names an image twice or is empty, and notes the images of no part.
fn complete(manifest: &Manifest, mut split: Split, file: &Path) -> Result<Split, SplitError> {
    let mut listed = vec![false; manifest.rows.len()];
    for part in PARTS {
        let mut here = vec![false; manifest.rows.len()];
        for &i in split.part(part) {
            if std::mem::replace(&mut here[i], true) {
                let (file, path) = (file.to_path_buf(), manifest.rows[i].path.clone());
                return Err(SplitError::Twice { file, part, path });
            }
            listed[i] = true;
        }
        if split.part(part).is_empty() && part != Part::Val {
            return Err(SplitError::Empty { part, source_name: file.display().to_string() });
        }
    }
    note_unlisted(&mut split, listed.iter().filter(|listed| !**listed).count(), manifest);
    Ok(split)
}

/// Says how many images are left out.
pub(super) fn note_unlisted(split: &mut Split, count: usize, manifest: &Manifest) {
    if count > 0 {
        let total = manifest.rows.len();
        split.notes.push(format!("{count} of {total} images stand in no part and are left out"));
    }
}

/// What `numpy.save` writes for a matrix of int64.
#[cfg(test)]
pub(super) fn npy(rows: &[&[i64]]) -> Vec<u8> {
    let shape = format!("({}, {})", rows.len(), rows[0].len());
    let head = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}, }}");
    let head = format!("{head:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((head.len() as u16).to_le_bytes());
    bytes.extend(head.bytes());
    bytes.extend(rows.iter().flat_map(|row| row.iter()).flat_map(|n| n.to_le_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::tests::manifest;
    use super::*;

    fn set() -> Manifest {
        manifest(&[("a.png", "a"), ("x/b.png", "b"), ("c.png", "c"), ("d.png", "d")])
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).expect("written");
        }
        folder
    }

    fn json(text: &str) -> Result<Split, SplitError> {
        let folder = folder(&[("3.json", text.as_bytes())]);
        read(&set(), &folder.path().join("{index}.json"), 3)
    }

    #[test]
    fn json_lists_are_read_as_they_are_written() {
        let split = json(r#"{"train": ["d.png", "X/B.png"], "test": ["a.png"]}"#).expect("lists");
        assert_eq!((&split.train, &split.val, &split.test), (&vec![3, 1], &vec![], &vec![0]));
        assert_eq!(split.notes, ["1 of 4 images stand in no part and are left out"]);
        assert_eq!(json(&split.to_json(&set())).expect("our own"), split);
    }

    #[test]
    fn json_from_another_system_is_read() {
        let text = r#"{"train": ["d.png", "x\\b.png"], "test": [".\\a.png"]}"#;
        let split = json(&format!("\u{feff}{text}")).expect("lists");
        assert_eq!((split.train, split.test), (vec![3, 1], vec![0]));
        // The name alone is not enough here: paths are relative to the root.
        assert!(json(r#"{"train": ["b.png"], "test": ["a.png"]}"#).is_err());
    }

    #[test]
    fn a_wrong_json_list_is_an_error_that_names_what_is_wrong() {
        for (text, named) in [
            (r#"{"train": ["e.png"], "test": ["a.png"]}"#, "\"e.png\""),
            (r#"{"train": ["c.png", "c.png"], "test": ["a.png"]}"#, "\"c.png\""),
            (r#"{"train": ["c.png"], "test": []}"#, "test"),
            (r#"{"train": ["c.png"]}"#, "test"),
            (r#"{"train": ["c.png"], "test": ["a.png"], "dev": []}"#, "dev"),
            ("[", "3.json"),
        ] {
            let error = json(text).expect_err(text).to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn the_digest_is_that_of_the_sorted_lists() {
        let split = Split { train: vec![3, 1], val: vec![], test: vec![0], notes: vec![] };
        let turned = Split { train: vec![1, 3], notes: vec!["n".to_owned()], ..split.clone() };
        // sha256sum of {"train":["d.png","x/b.png"],"val":[],"test":["a.png"]}
        let expected = "9bd08e4769577d39f24d69cdbe4485cb83b8040a084618f7e8c7e38a9bd2adcd";
        assert_eq!(split.digest(&set()), expected);
        assert_eq!(turned.digest(&set()), expected);
        let moved = Split { val: vec![2], ..split };
        assert_ne!(moved.digest(&set()), turned.digest(&set()));
    }

    #[test]
    fn row_indices_come_as_text() {
        let folder =
            folder(&[("train.txt", b"0, 3\n-1\n"), ("val.txt", b"1"), ("test.txt", b"2 -1")]);
        let split = read(&set(), folder.path(), 0).expect("lists");
        assert_eq!((split.train, split.val, split.test), (vec![0, 3], vec![1], vec![2]));
        let split = read(&set(), &folder.path().join("test.txt"), 0).expect("lists");
        assert_eq!(split.test, [2]);
        for (text, named) in [("2 4", "4"), ("2 -2", "-2"), ("2 x", "\"x\"")] {
            std::fs::write(folder.path().join("test.txt"), text).expect("written");
            let error = read(&set(), folder.path(), 0).expect_err(text).to_string();
            assert!(error.contains(named) && error.contains("test.txt"), "{error}");
        }
        std::fs::remove_file(folder.path().join("test.txt")).expect("removed");
        let error = read(&set(), folder.path(), 0).expect_err("no test").to_string();
        assert!(error.contains("test.npy"), "{error}");
    }

    #[test]
    fn numpy_holds_a_split_a_row() {
        let train = npy(&[&[0, 1, 2], &[3, 1, -1]]);
        let test = npy(&[&[3, -1], &[0, 2]]);
        let folder = folder(&[("train.npy", &train), ("test.npy", &test)]);
        let split = read(&set(), folder.path(), 1).expect("lists");
        assert_eq!((split.train, split.val, split.test), (vec![3, 1], vec![], vec![0, 2]));
        let error = read(&set(), folder.path(), 2).expect_err("two rows").to_string();
        assert!(error.contains("2 splits"), "{error}");
    }

    #[test]
    fn another_file_is_refused_with_what_would_do() {
        let folder = folder(&[("split.mat", b""), ("all.txt", b"1 2")]);
        for name in ["split.mat", "all.txt"] {
            let error = read(&set(), &folder.path().join(name), 0).expect_err(name).to_string();
            assert!(error.contains(".json"), "{error}");
        }
    }
}
