//! What the user named, as one stream of places in the input order.
//!
//! Who calls: `feed`, and `progress` for a count beforehand. A name that exists is itself, whatever
//! it looks like; then `@LIST` is a list of paths and a pattern is expanded. Nothing is collected:
//! lists are read and folders walked while the images are scored.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Component, Path, PathBuf};
use std::vec;

use anyhow::{Context, bail};
use biqa::image::Format;

use crate::glob::{Glob, is_pattern};
use crate::walk::{Item, Walk};
use crate::words::{count, path_text, printable, shown};

/// The places to be scored, in order.
pub struct Inputs {
    sources: vec::IntoIter<Source>,
    /// The pattern or list that is being read.
    open: Option<Source>,
    /// The folder, named by it or by the command line, that is being walked.
    walk: Option<Walk>,
    others: u64,
    unread: BTreeMap<&'static str, u64>,
    nothing: Vec<String>,
}

/// One name of the command line.
enum Source {
    /// A file, a folder or nothing at all: looked at when its turn comes.
    Path(PathBuf),
    Glob(Glob),
    List(List),
}

impl Inputs {
    /// Opens what must be there before any work: the lists.
    pub fn open(names: &[OsString]) -> anyhow::Result<Self> {
        let standard = names.iter().filter(|name| *name == "-").count();
        if standard > 1 {
            bail!("`-` (paths from standard input) stands {standard} times; it can be read once");
        }
        let sources = names.iter().map(source).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self::of(sources))
    }

    /// The same stream once more, for counting; `None` where reading would use something up.
    pub fn reopen(names: &[OsString]) -> Option<Self> {
        let again = |name: &OsString| match list_path(name) {
            Some(path) => fs::metadata(path).is_ok_and(|found| found.is_file()),
            None => name != "-",
        };
        names.iter().all(again).then(|| Self::open(names).ok()).flatten()
    }

    fn of(sources: Vec<Source>) -> Self {
        let sources = sources.into_iter();
        Self {
            sources,
            open: None,
            walk: None,
            others: 0,
            unread: BTreeMap::new(),
            nothing: Vec::new(),
        }
    }

    /// Files seen in folders whose suffix is no image format's.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// A sentence about pictures in folders whose format this build does not read, if there are any.
    pub fn unread(&self) -> Option<String> {
        let kinds = kinds(&self.unread)?;
        Some(format!("pictures of formats that this build does not read were left out: {kinds}"))
    }

    /// A sentence for each folder and list that had nothing for us.
    pub fn nothing_found(&self) -> &[String] {
        &self.nothing
    }

    /// The next name of the list or pattern that is open, or of the command line.
    fn next_name(&mut self) -> Option<Item> {
        loop {
            let item = match &mut self.open {
                Some(Source::Glob(glob)) => glob.next(),
                Some(Source::List(list)) => next_in_list(list, &mut self.nothing),
                Some(Source::Path(_)) | None => None,
            };
            if item.is_some() {
                return item;
            }
            self.open = None;
            match self.sources.next()? {
                Source::Path(path) => return Some(Item::File(path)),
                source => self.open = Some(source),
            }
        }
    }

    fn next_in_walk(&mut self) -> Option<Item> {
        let walk = self.walk.as_mut()?;
        let item = walk.next();
        if item.is_none() {
            self.others += walk.others();
            for (suffix, n) in walk.unread() {
                *self.unread.entry(suffix).or_default() += n;
            }
            if walk.images() == 0 {
                let there = count(walk.others(), "other file");
                let folder = shown(walk.root());
                let unread = kinds(walk.unread()).map_or_else(String::new, |kinds| {
                    format!(
                        ", of formats that this build does not read {kinds}: make them JPEG or PNG"
                    )
                });
                self.nothing.push(format!("no images found in {folder}: {there} there{unread}"));
            }
            self.walk = None;
        }
        item
    }
}

impl Iterator for Inputs {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.next_in_walk() {
                return Some(item);
            }
            match self.next_name()? {
                // A folder opens into its images; anything else is taken as it is.
                Item::File(path) if path.is_dir() => self.walk = Some(Walk::new(path)),
                item => return Some(item),
            }
        }
    }
}

/// How many pictures of each format that is not read.
fn kinds(unread: &BTreeMap<&'static str, u64>) -> Option<String> {
    let kinds: Vec<String> = unread.iter().map(|(suffix, n)| format!("{n} .{suffix}")).collect();
    (!kinds.is_empty()).then(|| kinds.join(", "))
}

/// What a picture is called in a set: its path inside the folder that was named; else as it was
/// given, without what leads out of a folder; a full path is its file name alone.
pub fn name_of(path: &Path, given: &[OsString]) -> String {
    let folders = given.iter().map(Path::new);
    let inside = folders.filter_map(|folder| path.strip_prefix(folder).ok());
    let shortest =
        inside.filter(|rest| rest.file_name().is_some()).min_by_key(|p| p.as_os_str().len());
    let named = match (shortest, path.file_name()) {
        (Some(rest), _) => rest,
        (None, Some(name)) if path.is_absolute() => Path::new(name),
        (None, _) => path,
    };
    let parts = named.components().filter_map(|part| match part {
        Component::Normal(part) => Some(path_text(Path::new(part))),
        _ => None,
    });
    // Not by replacing backslashes, which are letters of a name on Unix.
    parts.collect::<Vec<String>>().join("/")
}

/// A list names files and folders; patterns in it are names, so that any file can be listed.
fn next_in_list(list: &mut List, nothing: &mut Vec<String>) -> Option<Item> {
    match list.next_path() {
        Ok(Some(path)) => Some(Item::File(path)),
        Ok(None) => {
            if list.paths == 0 {
                nothing.push(format!("{} has no paths", printable(&list.name)));
            }
            None
        }
        Err(error) => {
            // What follows in the list is lost; its row says so, and the list ends.
            list.reader = Box::new(io::empty());
            Some(Item::Trouble(PathBuf::from(&list.name), error))
        }
    }
}

fn source(name: &OsString) -> anyhow::Result<Source> {
    if name == "-" {
        return Ok(Source::List(List::new(
            "standard input".to_owned(),
            Box::new(BufReader::new(io::stdin())),
        )));
    }
    if let Some(path) = list_path(name) {
        return Ok(Source::List(List::new(path_text(&path), open_list(&path)?)));
    }
    let path = PathBuf::from(name);
    if !is_pattern(name) || path.symlink_metadata().is_ok() {
        return Ok(Source::Path(path));
    }
    let mut found = Glob::new(&path).peekable();
    match found.peek() {
        Some(_) => Ok(Source::Glob(Glob::new(&path))),
        // As in a shell, a pattern without a match stays a name; its row says that it is not there.
        None => Ok(Source::Path(path)),
    }
}

/// A list's text. What can be no list is refused before any work.
fn open_list(path: &Path) -> anyhow::Result<Box<dyn BufRead + Send>> {
    if path.is_dir() {
        bail!("{} is a folder, no list of paths: name it without the @", shown(path));
    }
    let context = || format!("cannot read the list {}", shown(path));
    let mut reader = BufReader::new(File::open(path).with_context(context)?);
    let beginning = reader.fill_buf().with_context(context)?;
    // A text may begin with BM as well as a bitmap, but a NUL stands in no line of paths.
    if beginning.contains(&0) && Format::of_content(beginning).is_some() {
        bail!("{} is a picture, no list of paths: name it without the @", shown(path));
    }
    Ok(Box::new(reader))
}

/// The file behind `@FILE`, unless something is literally called that.
fn list_path(name: &OsString) -> Option<PathBuf> {
    let literal = Path::new(name).symlink_metadata().is_ok();
    let text = if literal { None } else { strip_at(name) };
    text.map(PathBuf::from)
}

#[cfg(unix)]
fn strip_at(name: &OsString) -> Option<OsString> {
    use std::os::unix::ffi::OsStrExt;
    name.as_bytes().strip_prefix(b"@").map(|rest| path_of(rest).into_os_string())
}

#[cfg(not(unix))]
fn strip_at(name: &OsString) -> Option<OsString> {
    name.to_str()?.strip_prefix('@').map(OsString::from)
}

/// Paths, one a line, or each with a NUL behind it, as `find -print0` writes them.
struct List {
    name: String,
    reader: Box<dyn BufRead + Send>,
    /// What parts the paths; unknown until the first is read.
    end: Option<u8>,
    lines: u64,
    paths: u64,
}

impl List {
    fn new(name: String, reader: Box<dyn BufRead + Send>) -> Self {
        Self { name, reader, end: None, lines: 0, paths: 0 }
    }

    /// The next path; blank lines, a byte order mark and the CR of Windows are no part of one.
    fn next_path(&mut self) -> io::Result<Option<PathBuf>> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let end = match self.end {
                Some(end) => end,
                None => *self.end.insert(end_in(self.reader.fill_buf()?)),
            };
            if self.reader.read_until(end, &mut line)? == 0 {
                return Ok(None);
            }
            self.lines += 1;
            let mut text = line.strip_suffix(&[end]).unwrap_or(&line);
            if end == 0 {
                self.paths += 1;
                return Ok(Some(path_of(text)));
            }
            text = text.strip_suffix(b"\r").unwrap_or(text);
            if self.lines == 1 {
                text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
            }
            if !text.trim_ascii().is_empty() {
                self.paths += 1;
                return Ok(Some(path_of(text)));
            }
        }
    }
}

/// What parts the paths of a list that begins so: a NUL stands in no path.
fn end_in(beginning: &[u8]) -> u8 {
    if beginning.contains(&0) { 0 } else { b'\n' }
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths_in(text: &[u8]) -> Vec<String> {
        let list = List::new("list".to_owned(), Box::new(io::Cursor::new(text.to_owned())));
        Inputs::of(vec![Source::List(list)])
            .map(|item| match item {
                Item::File(path) | Item::Trouble(path, _) => path_text(&path),
            })
            .collect()
    }

    #[test]
    fn a_list_from_windows_reads_as_one_from_unix() {
        let expected = ["no/a.png", "no/b c.png"];
        assert_eq!(paths_in(b"no/a.png\nno/b c.png\n"), expected);
        assert_eq!(paths_in(b"\xef\xbb\xbfno/a.png\r\n\r\n  \r\nno/b c.png"), expected);
    }

    #[test]
    fn a_line_of_a_list_is_no_pattern_and_no_list() {
        assert_eq!(paths_in(b"no/*.png\n@no\n"), ["no/*.png", "@no"]);
    }

    #[test]
    fn paths_with_a_nul_behind_them_may_hold_newlines() {
        assert_eq!(paths_in(b"no/a\nb.png\0no/c.png\0"), ["no/a\nb.png", "no/c.png"]);
    }

    #[test]
    fn an_empty_list_says_so() {
        let list = List::new("list".to_owned(), Box::new(io::Cursor::new(Vec::new())));
        let mut inputs = Inputs::of(vec![Source::List(list)]);
        assert!(inputs.next().is_none());
        assert_eq!(inputs.nothing_found(), ["list has no paths"]);
    }
}
