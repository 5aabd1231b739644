//! Finding the files of a label list on disk (`papers/datasets.md`, 1.3).

use super::DatasetError;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The entries of folders, read once each.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    folders: HashMap<String, Folder>,
}

/// Names by their lower-case form.
type Folder = BTreeMap<String, Vec<String>>;

impl Files {
    pub(super) fn new(root: &Path) -> Files {
        Files { root: root.to_path_buf(), folders: HashMap::new() }
    }

    /// The path as it is on disk: exact first, then without regard to letter case, part by part.
    /// `None` when there is no such file. `..` and absolute paths are never found.
    pub(super) fn find(&mut self, path: &str) -> Result<Option<String>, DatasetError> {
        let mut found = String::new();
        for part in path.split('/') {
            if matches!(part, "" | "." | "..") {
                return Ok(None);
            }
            let Some(name) = self.entry(&found, part)? else { return Ok(None) };
            if !found.is_empty() {
                found.push('/');
            }
            found.push_str(&name);
        }
        Ok(Some(found))
    }

    /// How many entries a folder has, hidden ones left out.
    pub(super) fn count(&mut self, folder: &str) -> usize {
        let entries = self.folder(folder).values().flatten();
        entries.filter(|name| !name.starts_with('.')).count()
    }

    fn entry(&mut self, folder: &str, name: &str) -> Result<Option<String>, DatasetError> {
        let root = self.root.clone();
        match self.folder(folder).get(&name.to_ascii_lowercase()).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some(names) if names.iter().any(|found| found == name) => Ok(Some(name.to_owned())),
            Some([only]) => Ok(Some(only.clone())),
            Some([first, second, ..]) => Err(DatasetError::AmbiguousName {
                folder: root.join(folder),
                wanted: name.to_owned(),
                first: first.clone(),
                second: second.clone(),
            }),
        }
    }

    /// The entries of a folder; none when it cannot be read, so that its files count as missing.
    fn folder(&mut self, folder: &str) -> &Folder {
        let root = &self.root;
        self.folders.entry(folder.to_owned()).or_insert_with(|| {
            let mut entries = Folder::new();
            for entry in std::fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
                if let Ok(name) = entry.file_name().into_string() {
                    entries.entry(name.to_ascii_lowercase()).or_default().push(name);
                }
            }
            for names in entries.values_mut() {
                names.sort();
            }
            entries
        })
    }
}

/// The folder inside `root` when that is all `root` holds (archives often nest), else `root`.
/// `wanted` names the entries of a layout: a root that has one of them is not left.
pub(super) fn unnest(root: &Path, wanted: &[&str]) -> PathBuf {
    let mut files = Files::new(root);
    if wanted.iter().any(|name| matches!(files.find(name), Ok(Some(_)) | Err(_))) {
        return root.to_path_buf();
    }
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let visible: Vec<_> =
        entries.filter(|e| !e.file_name().to_string_lossy().starts_with('.')).collect();
    match visible.as_slice() {
        [only] if only.path().is_dir() => only.path(),
        _ => root.to_path_buf(),
    }
}
