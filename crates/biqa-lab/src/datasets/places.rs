//! Where labels stand, for errors that name file and line; and how the names in lists are written.
//!
//! Called by the readers of labels, and by whatever refuses a row later.

use super::DatasetError;
use super::error::Place;
use super::labels::LabelFile;
use std::path::{Path, PathBuf};

/// The file of every label and its place there.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) files: Vec<PathBuf>,
    /// What is counted: `line`, `row` or `column`.
    pub(super) unit: &'static str,
    /// Of every label: which of the files, and the place in it, from 1.
    pub(super) at: Vec<(usize, u64)>,
}

impl Places {
    /// The place of a label.
    pub(super) fn of(&self, label: usize) -> Place {
        let (file, line) = self.at[label];
        Place { file: self.files[file].clone(), unit: self.unit, line }
    }
}

/// A name as it is compared: forward slashes, without `.` and empty parts. `./a//b.png` is
/// `a/b.png`: one file has one name, or its twin would go unseen.
pub(crate) fn plain(path: &str) -> String {
    let path = path.replace('\\', "/");
    let absolute = if path.starts_with('/') { "/" } else { "" };
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    format!("{absolute}{}", parts.collect::<Vec<_>>().join("/"))
}

/// [`plain`], and an absolute path below `root` without it. `None` for one that is elsewhere.
pub(crate) fn below(root: &Path, path: &str) -> Option<String> {
    let path = plain(path);
    let drive = path.as_bytes().get(1) == Some(&b':');
    if !(drive || path.starts_with('/')) {
        return Some(path);
    }
    let inside = |root: &Path, path: &Path| {
        let inside = path.strip_prefix(root).ok()?.to_str()?;
        Some(plain(inside))
    };
    // As it was named, in full, and where links lead.
    let full = std::path::absolute(root).ok();
    let named = [Some(root), full.as_deref()].into_iter().flatten();
    named.into_iter().find_map(|root| inside(root, Path::new(&path))).or_else(|| {
        let real = std::fs::canonicalize(root).ok()?;
        inside(&real, Path::new(&path))
            .or_else(|| inside(&real, &std::fs::canonicalize(&path).ok()?))
    })
}

/// Takes the root off absolute paths; one that lies elsewhere is an error.
pub(super) fn make_relative(labels: &mut LabelFile, root: &Path) -> Result<(), DatasetError> {
    for (i, row) in labels.rows.iter_mut().enumerate() {
        let Some(path) = below(root, &row.path) else {
            let (place, path) = (Box::new(labels.places.of(i)), row.path.clone());
            return Err(DatasetError::Absolute { place, path, root: root.to_path_buf() });
        };
        if path != row.path {
            // A picture without a content of its own is named after its path.
            if row.content == row.path {
                row.content.clone_from(&path);
            }
            row.path = path;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_name() {
        for path in ["a/b.png", "./a/b.png", "a//./b.png", "a\\b.png", ".\\a\\b.png"] {
            assert_eq!(plain(path), "a/b.png", "{path}");
        }
        assert_eq!(plain("/a/./b.png"), "/a/b.png");
        assert_eq!(plain("../b.png"), "../b.png");
    }

    #[test]
    fn the_root_is_taken_off_absolute_paths() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let inside = root.join("a/b.png");
        let found = below(root, inside.to_str().expect("a name"));
        assert_eq!(found.as_deref(), Some("a/b.png"));
        assert_eq!(below(root, "a\\b.png").as_deref(), Some("a/b.png"));
        for elsewhere in ["/elsewhere/b.png", "C:\\b.png"] {
            assert_eq!(below(root, elsewhere), None, "{elsewhere}");
        }
    }
}
