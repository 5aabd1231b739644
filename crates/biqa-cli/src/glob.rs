//! Globs, for shells that do not expand them (Windows) and for quoted patterns.
//!
//! `*` and `?` within a name, `[a-z]` and `[!a-z]`, `**` for any number of folders. A leading dot
//! must be written, as in shells. Our own 100 lines rather than a crate, because the `glob` crate
//! passes over names that are not UTF-8, and a file that is silently missing is the worst result.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::walk::{Item, is_hidden};

/// Whether the text asks for more than one name.
pub fn is_pattern(text: &OsStr) -> bool {
    text.as_encoded_bytes().iter().any(|b| matches!(b, b'*' | b'?' | b'['))
}

/// The paths that match a pattern, sorted within each folder, found as they are asked for.
#[derive(Debug)]
pub struct Glob {
    parts: Vec<Part>,
    /// Places still to look at, the next one last: a path and how many parts it has matched.
    stack: Vec<(PathBuf, usize)>,
    /// Patterns with `**` give files only: their folders' files match by themselves.
    files_only: bool,
}

#[derive(Debug)]
enum Part {
    Literal(OsString),
    Name(Vec<char>),
    AnyFolders,
}

impl Glob {
    /// The paths that match `pattern`.
    pub fn new(pattern: &Path) -> Self {
        let mut start = PathBuf::new();
        let mut parts = Vec::new();
        for component in pattern.components() {
            match component {
                Component::Normal(name) if name == "**" => parts.push(Part::AnyFolders),
                Component::Normal(name) if is_pattern(name) => {
                    parts.push(Part::Name(name.to_string_lossy().chars().collect()));
                }
                other if parts.is_empty() => start.push(other),
                other => parts.push(Part::Literal(other.as_os_str().to_owned())),
            }
        }
        let files_only = parts.iter().any(|part| matches!(part, Part::AnyFolders));
        if matches!(parts.last(), Some(Part::AnyFolders)) {
            parts.push(Part::Name(vec!['*']));
        }
        parts.dedup_by(|a, b| matches!((a, b), (Part::AnyFolders, Part::AnyFolders)));
        Self { parts, stack: vec![(start, 0)], files_only }
    }

    /// Puts the places that follow `path` on the stack, the first one last.
    fn expand(&mut self, path: &Path, matched: usize) -> Option<Item> {
        match &self.parts[matched] {
            Part::Literal(name) => {
                let next = path.join(name);
                if next.symlink_metadata().is_ok() {
                    self.stack.push((next, matched + 1));
                }
            }
            Part::Name(pattern) => match names_in(path) {
                Ok(names) => {
                    let fits = |name: &OsString| name_matches(pattern, name);
                    let found = names.into_iter().filter(fits).map(|n| (path.join(n), matched + 1));
                    self.stack.extend(found.rev());
                }
                Err(error) => return trouble(path, error),
            },
            Part::AnyFolders => {
                match names_in(path) {
                    Ok(names) => {
                        // Linked folders are not entered, as in bash's globstar: no circles.
                        let inner = names.into_iter().filter(|name| !is_hidden(name));
                        let inner = inner.map(|name| path.join(name));
                        let folders = inner
                            .filter(|p| p.symlink_metadata().is_ok_and(|found| found.is_dir()));
                        let places: Vec<_> = folders.map(|p| (p, matched)).collect();
                        self.stack.extend(places.into_iter().rev());
                    }
                    Err(error) => return trouble(path, error),
                }
                self.stack.push((path.to_owned(), matched + 1));
            }
        }
        None
    }
}

impl Iterator for Glob {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let (path, matched) = self.stack.pop()?;
            if matched < self.parts.len() {
                if let Some(trouble) = self.expand(&path, matched) {
                    return Some(trouble);
                }
            } else if !(self.files_only && path.is_dir()) {
                return Some(Item::File(path));
            }
        }
    }
}

/// A folder that cannot be listed gets a row; a file in a folder's place just does not match.
fn trouble(path: &Path, error: std::io::Error) -> Option<Item> {
    path.is_dir().then(|| Item::Trouble(path.to_owned(), error))
}

fn names_in(folder: &Path) -> std::io::Result<Vec<OsString>> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut names = Vec::new();
    for entry in fs::read_dir(here)? {
        names.push(entry?.file_name());
    }
    names.sort();
    Ok(names)
}

fn name_matches(pattern: &[char], name: &OsStr) -> bool {
    if is_hidden(name) && pattern.first() != Some(&'.') {
        return false;
    }
    // Bytes that are not UTF-8 become U+FFFD here, which `*`, `?` and `[!...]` match.
    let name: Vec<char> = name.to_string_lossy().chars().collect();
    matches(pattern, &name)
}

/// The usual backtracking matcher: only the last `*` is ever tried again, so it is never slow.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                p += 1;
                retry = Some((p, n));
            }
            Some(_) if one_matches(&pattern[p..], name[n]) => {
                p += one_len(&pattern[p..]);
                n += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    (p, n) = (after_star, from + 1);
                    retry = Some((after_star, n));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// How many pattern characters stand for one character of the name.
fn one_len(pattern: &[char]) -> usize {
    class_end(pattern).map_or(1, |end| end + 1)
}

fn one_matches(pattern: &[char], c: char) -> bool {
    let Some(end) = class_end(pattern) else {
        return pattern[0] == '?' || pattern[0] == c;
    };
    let negated = matches!(pattern[1], '!' | '^');
    let mut set = &pattern[1 + usize::from(negated)..end];
    let mut found = false;
    while let Some(&first) = set.first() {
        if let [low, '-', high, ..] = *set {
            found |= (low..=high).contains(&c);
            set = &set[3..];
        } else {
            found |= first == c;
            set = &set[1..];
        }
    }
    found != negated
}

/// Where the class that begins here ends; `None` where none begins. A `]` in first place is itself.
fn class_end(pattern: &[char]) -> Option<usize> {
    if pattern.first() != Some(&'[') {
        return None;
    }
    let from = if matches!(pattern.get(1), Some('!' | '^')) { 3 } else { 2 };
    (from..pattern.len()).find(|&i| pattern[i] == ']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        name_matches(&pattern.chars().collect::<Vec<_>>(), OsStr::new(name))
    }

    #[test]
    fn stars_marks_and_classes_match_names() {
        for (pattern, name) in [
            ("*", "a.png"),
            ("*.png", "a.b.png"),
            ("a*b*c", "aXbYbZc"),
            ("?.png", "ä.png"),
            ("[a-c]1", "b1"),
            ("[!a-c]1", "d1"),
            ("[]x]", "]"),
            ("img[0-9][0-9].*", "img07.jpg"),
            (".*", ".hidden"),
            ("[", "["),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_does_not_match_does_not() {
        for (pattern, name) in [
            ("*.png", "a.jpg"),
            ("?", "ab"),
            ("*", ".hidden"),
            ("[a-c]", "d"),
            ("a*b", "ac"),
            ("", "a"),
        ] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn two_stars_go_through_folders_and_give_each_file_once() {
        let folder = tempfile::tempdir().expect("a folder");
        for file in ["a.png", "x/b.png", "x/y/c.png", "x/y/d.txt"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, b"x").expect("a file");
        }
        let count = |pattern: &str| Glob::new(&folder.path().join(pattern)).count();
        assert_eq!(count("**/*.png"), 3);
        assert_eq!(count("**"), 4);
        assert_eq!(count("x/**/**/*.png"), 2);
        assert_eq!(count("*"), 2);
        assert_eq!(count("x/*/c.png"), 1);
        assert_eq!(count("nothing/*"), 0);
    }
}
