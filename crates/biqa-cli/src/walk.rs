//! A folder, recursively: its images in the order of their paths' bytes, found as they are asked for.
//!
//! One folder's names at a time are in memory (per level), so that ten million files cost nothing.
//! Left out: hidden entries, linked folders that are walked at their own place or were entered by
//! another link, and things that are no files. Counted as "others": files whose suffix is no image
//! format's.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

use biqa::image::EXTENSIONS;

/// What stands at one place of the input order.
#[derive(Debug)]
pub enum Item {
    /// A file to be scored, whatever it turns out to be.
    File(PathBuf),
    /// A place that could not be looked into; it gets a row, so that nothing is missing silently.
    Trouble(PathBuf, io::Error),
}

/// The walk through one folder.
#[derive(Debug)]
pub struct Walk {
    root: PathBuf,
    /// Where the root really is.
    real: PathBuf,
    /// Folders that links have led into: however links lead to each other, each is entered once.
    linked: HashSet<PathBuf>,
    started: bool,
    stack: Vec<Level>,
    images: u64,
    others: u64,
    unread: BTreeMap<&'static str, u64>,
}

/// Suffixes of pictures that are not read, or not by every build.
const UNREAD: [&str; 17] = [
    "heic", "heif", "hif", "avif", "jxl", "jp2", "psd", "cr2", "cr3", "nef", "arw", "dng", "raf",
    "orf", "rw2", "pef", "svg",
];

/// One open folder: where it is, and what is left of it.
#[derive(Debug)]
struct Level {
    path: PathBuf,
    entries: vec::IntoIter<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: OsString,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Image,
    Folder,
    LinkedFolder,
}

impl Walk {
    /// Will walk `root`, which is a folder.
    pub fn new(root: PathBuf) -> Self {
        Self {
            real: fs::canonicalize(&root).unwrap_or_else(|_| root.clone()),
            root,
            linked: HashSet::new(),
            started: false,
            stack: Vec::new(),
            images: 0,
            others: 0,
            unread: BTreeMap::new(),
        }
    }

    /// The folder the walk began with.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Images and troubles found so far.
    pub fn images(&self) -> u64 {
        self.images
    }

    /// Of those, pictures of formats that this build does not read, by suffix.
    pub fn unread(&self) -> &BTreeMap<&'static str, u64> {
        &self.unread
    }

    /// Other files seen so far.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// Opens a folder, or gives back the trouble with it.
    fn enter(&mut self, path: PathBuf) -> Option<Item> {
        match self.list(&path) {
            Ok(entries) => {
                self.stack.push(Level { path, entries: entries.into_iter() });
                None
            }
            Err(error) => Some(Item::Trouble(path, error)),
        }
    }

    /// The images and folders in `path`, sorted as their whole paths would be.
    fn list(&mut self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_hidden(&name) {
                continue;
            }
            if let Some(kind) = self.kind(path, &name, entry.file_type()?) {
                entries.push(Entry { name, kind });
            }
        }
        // A folder sorts as its name with the separator: `a.png` before `a/b.png` before `a0.png`,
        // which is the byte order of the whole paths, the order of `find | LC_ALL=C sort`.
        entries.sort_by(|a, b| a.sort_key().cmp(b.sort_key()));
        Ok(entries)
    }

    fn kind(&mut self, folder: &Path, name: &OsStr, found: fs::FileType) -> Option<Kind> {
        if found.is_dir() {
            return Some(Kind::Folder);
        }
        if found.is_symlink() {
            match fs::metadata(folder.join(name)) {
                Ok(target) if target.is_dir() => return Some(Kind::LinkedFolder),
                Ok(target) if !target.is_file() => return None,
                Ok(_) => {}
                // A link to nothing gets a row that says so; a link to itself is left out.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return None,
            }
        } else if !found.is_file() {
            return None; // a pipe or a socket: reading it could wait forever
        }
        if has_image_suffix(name) {
            return Some(Kind::Image);
        }
        self.others += 1;
        let suffix = Path::new(name).extension().and_then(OsStr::to_str);
        let unread = |s: &str| UNREAD.into_iter().find(|known| known.eq_ignore_ascii_case(s));
        if let Some(suffix) = suffix.and_then(unread) {
            *self.unread.entry(suffix).or_default() += 1;
        }
        None
    }

    /// Goes into a folder, or into a linked one that is not walked anyway.
    fn descend(&mut self, path: PathBuf, kind: Kind) -> Option<Item> {
        if kind == Kind::Folder {
            return self.enter(path);
        }
        match fs::canonicalize(&path) {
            Ok(real) => {
                let is_new = !self.walks(&real) && self.linked.insert(real);
                if is_new { self.enter(path) } else { None }
            }
            Err(error) => Some(Item::Trouble(path, error)),
        }
    }

    /// Whether a folder is on the way of this walk without any link: the root, one above it (whose
    /// other parts nobody named), or one inside that is not hidden.
    fn walks(&self, real: &Path) -> bool {
        match real.strip_prefix(&self.real) {
            Ok(inside) => !inside.iter().any(is_hidden),
            Err(_) => self.real.starts_with(real),
        }
    }

    fn step(&mut self) -> Option<Item> {
        if !self.started {
            self.started = true;
            if let Some(trouble) = self.enter(self.root.clone()) {
                return Some(trouble);
            }
        }
        loop {
            let level = self.stack.last_mut()?;
            let Some(Entry { name, kind }) = level.entries.next() else {
                self.stack.pop();
                continue;
            };
            let path = level.path.join(&name);
            if kind == Kind::Image {
                return Some(Item::File(path));
            }
            if let Some(trouble) = self.descend(path, kind) {
                return Some(trouble);
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let item = self.step();
        self.images += u64::from(item.is_some());
        item
    }
}

impl Entry {
    fn sort_key(&self) -> impl Iterator<Item = u8> {
        let end: &[u8] = if self.kind == Kind::Image { b"" } else { b"/" };
        self.name.as_encoded_bytes().iter().chain(end).copied()
    }
}

/// Whether a listing leaves the name out: it begins with a dot.
pub fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

/// Whether the name's suffix, in any case, is that of a known image format.
fn has_image_suffix(name: &OsStr) -> bool {
    let suffix = Path::new(name).extension().and_then(OsStr::to_str);
    suffix.is_some_and(|s| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(s)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(root: &Path) -> Vec<String> {
        Walk::new(root.to_owned())
            .map(|item| match item {
                Item::File(path) | Item::Trouble(path, _) => {
                    let inside = path.strip_prefix(root).expect("inside");
                    inside.to_str().expect("UTF-8").replace('\\', "/")
                }
            })
            .collect()
    }

    fn folder_of(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, b"x").expect("a file");
        }
        folder
    }

    #[test]
    fn a_walk_is_in_the_order_of_the_whole_paths() {
        let folder = folder_of(&["a/b.png", "a.png", "a0.png", "B.JPG", "a/a/z.png"]);
        assert_eq!(names(folder.path()), ["B.JPG", "a.png", "a/a/z.png", "a/b.png", "a0.png"]);
    }

    #[test]
    fn hidden_entries_are_left_out_and_others_counted() {
        let folder = folder_of(&["a.png", ".b.png", ".git/c.png", "d.txt", "e/f", "Thumbs.db"]);
        let mut walk = Walk::new(folder.path().to_owned());
        assert_eq!(walk.by_ref().count(), 1);
        assert_eq!((walk.images(), walk.others()), (1, 3));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_never_in_a_circle() {
        use std::os::unix::fs::symlink;
        let folder = folder_of(&["a/1.png", "b/2.png"]);
        let at = |name: &str| folder.path().join(name);
        symlink(at("b"), at("a/to_b")).expect("a link");
        symlink(at("a"), at("b/to_a")).expect("a link");
        symlink(folder.path(), at("a/up")).expect("a link");
        symlink(at("self.png"), at("self.png")).expect("a link");
        symlink(at("nothing"), at("gone.png")).expect("a link");
        assert_eq!(names(folder.path()), ["a/1.png", "b/2.png", "gone.png"]);
    }

    #[cfg(unix)]
    #[test]
    fn folders_elsewhere_are_entered_once_however_they_are_linked() {
        use std::os::unix::fs::symlink;
        let folder = folder_of(&["here/0.png", ".hidden/9.png"]);
        let at = |name: &str| folder.path().join(name);
        // Twelve folders, each linked to all others: a walk by every way would not end.
        let elsewhere = tempfile::tempdir().expect("a folder");
        let part = |i: usize| elsewhere.path().join(format!("{i:02}"));
        for i in 0..12 {
            fs::create_dir(part(i)).expect("a folder");
            fs::write(part(i).join(format!("{i:02}.png")), b"x").expect("a file");
        }
        for i in 0..12 {
            for k in (0..12).filter(|&k| k != i) {
                symlink(part(k), part(i).join(format!("to{k:02}"))).expect("a link");
            }
        }
        symlink(part(0), at("way")).expect("a link");
        symlink(at(".hidden"), at("shown")).expect("a link");
        let found = names(folder.path());
        let mut files: Vec<&str> = found.iter().filter_map(|n| n.rsplit('/').next()).collect();
        files.sort_unstable();
        files.dedup();
        assert_eq!((found.len(), files.len()), (14, 14), "{found:?}");
        assert!(found.contains(&"shown/9.png".to_owned()), "{found:?}");
    }
}
