//! Degraded copies of picture files: which ones a source gets, what they are called, and the files
//! themselves. Called by `biqa degrade` and `biqa transfer`.

use biqa::image::{LoadOptions, Rgb8, load};
use biqa::random::Key;
use biqa::scorer::hex;
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::degrade::{Address, DegradeError, Plan, severity};

/// Which copies a picture gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Copies {
    /// One: a whole address, or its operations with the key of the picture's name.
    Given(String),
    /// So many compositions of a plan, the number of each being the stream of its key.
    Drawn(Plan, u32),
    /// Every distortion of KADID that is computed, at five levels, under KADID's file names.
    Kadid {
        /// The range stretched before and after, as the release does.
        stretch: bool,
    },
}

/// Why a copy was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The source can't be read.
    #[error("{0}")]
    Load(String),
    /// The composition can't be read, drawn or applied.
    #[error(transparent)]
    Degrade(#[from] DegradeError),
    /// Another file stands where a copy would.
    #[error("{path} is there, and is no copy of this picture; take another folder")]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// The copy can't be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The copy.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// A copy that was made: a row of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The copy, relative to the folder of the set, forward slashes.
    pub path: String,
    /// The source's name.
    pub source: String,
    /// The canonical address.
    pub address: String,
    /// SHA-256 of the source's bytes.
    pub digest: String,
}

/// What they are, so that two runs can be told apart.
impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Copies::Given(text) => write!(f, "operations {text}"),
            Copies::Drawn(plan, count) => write!(f, "{count} of each by {plan}"),
            Copies::Kadid { stretch: true } => f.write_str("KADID's distortions, stretched"),
            Copies::Kadid { stretch: false } => f.write_str("KADID's distortions"),
        }
    }
}

impl Copies {
    /// How many copies a picture gets.
    pub fn number(&self) -> usize {
        match self {
            Copies::Given(_) => 1,
            Copies::Drawn(_, count) => *count as usize,
            Copies::Kadid { .. } => severity::kadid().count() * 5,
        }
    }

    /// The copies of a picture: what is added to the name's stem, and the address. KADID's copies
    /// have its numbers, others what [`Address::file_stem`] makes of their address
    /// (`papers/degradations.md`, section 6).
    ///
    /// `name` is the picture's name in the set; with `seed` it decides every draw.
    ///
    /// # Errors
    /// Those of parsing and of [`Plan::compose`].
    pub fn of(
        &self,
        seed: u64,
        name: &str,
        picture: &Rgb8,
    ) -> Result<Vec<(String, Address)>, DegradeError> {
        let key = |stream: u64| Key::of_picture(seed, name, stream);
        match self {
            Copies::Given(text) => Ok(vec![hashed(given(text, key(0))?)]),
            Copies::Drawn(plan, count) => (0..*count)
                .map(|i| {
                    let (width, height) = (picture.width(), picture.height());
                    Ok(hashed(plan.compose(key(u64::from(i)), width, height)?))
                })
                .collect(),
            Copies::Kadid { stretch } => severity::kadid()
                .flat_map(|op| (1..=5_u8).map(move |level| (op, level)))
                .map(|(op, level)| {
                    let item = format!("kadid:{}@{level}", op.name);
                    let items = match stretch {
                        true => format!("kadid:stretch/{item}/kadid:stretch"),
                        false => item,
                    };
                    let stream = u64::from(op.number) * 10 + u64::from(level);
                    let suffix = format!("_{:02}_{level:02}", op.number);
                    Ok((suffix, given(&items, key(stream))?))
                })
                .collect(),
        }
    }

    /// Whether an address that was given can be read.
    pub fn check(&self) -> Result<(), DegradeError> {
        match self {
            Copies::Given(text) => given(text, Key(0)).map(|_| ()),
            Copies::Drawn(..) | Copies::Kadid { .. } => Ok(()),
        }
    }

    /// Makes the copies of a picture file and writes them as PNG below `out`: all of them, or none.
    ///
    /// A copy appears under its name when it is whole. A file that is there already stays where it
    /// is the copy itself, as an earlier run has left it; any other is an error.
    ///
    /// # Errors
    /// The source can't be read, a copy can't be made or written, or another file has its name.
    pub fn make(
        &self,
        seed: u64,
        source: &Path,
        name: &str,
        out: &Path,
    ) -> Result<Vec<Row>, BatchError> {
        let digest = digest_of(source)?;
        let picture =
            load(source, &LoadOptions::default()).map_err(|e| BatchError::Load(e.to_string()))?.rgb;
        let stem = match name.rsplit_once('.') {
            Some((stem, suffix)) if !stem.is_empty() && !suffix.contains('/') => stem,
            _ => name,
        };
        let mut written = Vec::new();
        let mut write = |(suffix, address): &(String, Address)| {
            let path = format!("{stem}{suffix}.png");
            let file = out.join(&path);
            let failed = |source| BatchError::Write { path: file.clone(), source };
            let png = png_of(&address.apply_levels(&picture)?).map_err(failed)?;
            match fs::read(&file) {
                Ok(there) if there == png => {}
                Ok(_) => return Err(BatchError::Taken { path: file }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    put(&file, &png)?;
                    written.push(file);
                }
                Err(source) => return Err(BatchError::Write { path: file, source }),
            }
            let (source, digest) = (name.to_owned(), digest.clone());
            Ok(Row { path, source, address: address.to_string(), digest })
        };
        let made: Result<Vec<Row>, BatchError> =
            self.of(seed, name, &picture)?.iter().map(&mut write).collect();
        if made.is_err() {
            for file in written {
                // What is left of it is no copy that a table names.
                let _ = fs::remove_file(file);
            }
        }
        made
    }
}

/// SHA-256 of a file's bytes, in hex.
///
/// # Errors
/// [`BatchError::Load`].
pub fn digest_of(path: &Path) -> Result<String, BatchError> {
    let bytes = fs::read(path).map_err(|e| BatchError::Load(format!("cannot read: {e}")))?;
    Ok(hex(&Sha256::digest(bytes)))
}

/// A copy named by its address.
fn hashed(address: Address) -> (String, Address) {
    (format!("_{}", address.file_stem()), address)
}

/// A whole address as it is, or operations under a key.
pub(crate) fn given(text: &str, key: Key) -> Result<Address, DegradeError> {
    if text.starts_with("d1") {
        return text.parse();
    }
    let head = format!("d1/{:016x}/", key.0);
    format!("{head}{text}").parse().map_err(|error| match error {
        // Where the user's own text is wrong.
        DegradeError::Address { position, found, expected } => {
            DegradeError::Address { position: position.saturating_sub(head.len()), found, expected }
        }
        DegradeError::Unavailable { op, position, reason } => {
            DegradeError::Unavailable { op, position: position.saturating_sub(head.len()), reason }
        }
        other => other,
    })
}

/// Writes a picture as PNG; the file appears when it is whole.
pub fn write_png(path: &Path, picture: &Rgb8) -> Result<(), BatchError> {
    let failed = |source| BatchError::Write { path: path.to_owned(), source };
    put(path, &png_of(picture).map_err(failed)?)
}

fn png_of(picture: &Rgb8) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width(), picture.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(picture.data())?;
    writer.finish()?;
    Ok(bytes)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), BatchError> {
    let failed = |source| BatchError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, path)).map_err(|error| {
        // It may not have been made.
        let _ = fs::remove_file(&partial);
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Rgb8 {
        let data = (0..64 * 50 * 3).map(|i| (i * 7 % 251) as u8).collect();
        Rgb8::new(64, 50, data).expect("sizes fit")
    }

    #[test]
    fn a_set_has_kadids_names_and_its_copies_are_their_addresses() {
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("I01.png");
        write_png(&source, &picture()).expect("writable");
        let copies = Copies::Kadid { stretch: true };
        let rows = copies.make(1, &source, "I01.png", &folder.path().join("set")).expect("made");
        assert_eq!(rows.len(), 25 * 5);
        assert_eq!(rows[0].path, "I01_01_01.png");
        for row in [&rows[7], &rows[60]] {
            let address: Address = row.address.parse().expect("an address");
            let path = folder.path().join("set").join(&row.path);
            let found = load(&path, &LoadOptions::default()).expect("readable").rgb;
            assert_eq!(found, address.apply_levels(&picture()).expect("applies"));
        }
    }

    #[test]
    fn a_mistake_in_operations_is_named_by_its_place_in_them() {
        let copies = Copies::Given("kadid:jpeg@9".to_owned());
        let error = copies.of(0, "a.png", &picture()).expect_err("no level 9");
        assert!(matches!(error, DegradeError::Address { position: 11, .. }), "{error}");
    }

    #[test]
    fn drawn_copies_follow_seed_name_and_number() {
        let copies = Copies::Drawn(Plan::named("qpt").expect("a plan"), 2);
        let of = |seed, name| copies.of(seed, name, &picture()).expect("drawn");
        let (suffix, address) = &of(1, "a.png")[1];
        assert_eq!(*suffix, format!("_{}", address.file_stem()));
        assert_eq!(of(1, "a.png"), of(1, "a.png"));
        assert_ne!(of(1, "a.png")[0].1, of(2, "a.png")[0].1);
        assert_ne!(of(1, "a.png")[0].1, of(1, "b.png")[0].1);
        assert_ne!(of(1, "a.png")[0].1, of(1, "a.png")[1].1);
    }
}
