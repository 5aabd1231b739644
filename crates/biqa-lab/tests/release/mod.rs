//! Miniature releases: a folder that is laid out as the authors of a set do it.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod tables;

use biqa_lab::datasets::{DatasetError, Manifest, Options, open};
use std::path::Path;

/// A picture of one pixel, in the format that needs the fewest bytes of head.
const PICTURE: &[u8] = b"P6 1 1 255\n\x80\x80\x80";

/// A release in a temporary folder.
pub struct Release(tempfile::TempDir);

impl Release {
    /// An empty folder.
    pub fn new() -> Release {
        Release(tempfile::tempdir().expect("a temporary folder"))
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// A file, with the folders it needs.
    pub fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Release {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("writable");
        std::fs::write(path, bytes).expect("writable");
        self
    }

    /// Pictures; nobody decodes them here, so one of one pixel does for every name.
    pub fn pictures<P: AsRef<str>>(self, paths: impl IntoIterator<Item = P>) -> Release {
        paths.into_iter().fold(self, |release, path| release.file(path.as_ref(), PICTURE))
    }

    /// Takes a file away.
    pub fn without(self, path: &str) -> Release {
        std::fs::remove_file(self.root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        self
    }

    /// Loads it as a part of `name`.
    #[track_caller]
    pub fn part(&self, name: &str) -> Manifest {
        self.with(name, &partial())
    }

    /// Loads it with options.
    #[track_caller]
    pub fn with(&self, name: &str, options: &Options) -> Manifest {
        open(name, self.root(), options).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The error of loading it, with `ROOT` in place of its folder.
    #[track_caller]
    pub fn refused(&self, name: &str, options: &Options) -> String {
        let error: DatasetError = match open(name, self.root(), options) {
            Ok(found) => panic!("{name} was loaded: {:?}", found.notes),
            Err(error) => error,
        };
        error.to_string().replace(&self.root().display().to_string(), "ROOT").replace('\\', "/")
    }
}

/// A miniature lacks most of its set.
pub fn partial() -> Options {
    Options { partial: true, ..Options::default() }
}

/// The paths of a manifest.
pub fn paths(manifest: &Manifest) -> Vec<&str> {
    manifest.rows.iter().map(|row| row.path.as_str()).collect()
}

/// The contents of a manifest.
pub fn contents(manifest: &Manifest) -> Vec<&str> {
    manifest.rows.iter().map(|row| row.content.as_str()).collect()
}

/// Its notes without those that a miniature always has.
pub fn notes(manifest: &Manifest) -> Vec<&str> {
    let notes = manifest.notes.iter().map(String::as_str);
    notes.filter(|note| !note.starts_with("subset: ")).collect()
}
