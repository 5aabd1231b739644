//! Finding the files of a release on disk (`papers/datasets.md`, 1.3).

use super::error::{Place, are, counted, have};
use super::{DatasetError, Manifest, Options};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// How many images without a file an error names.
const NAMED: usize = 5;
/// What systems leave in folders that they look at, and archives of them.
const LITTER: [&str; 3] = ["__macosx", "thumbs.db", "desktop.ini"];
/// What counts as a picture when files without a label are counted.
const PICTURES: [&str; 6] = ["bmp", "jpg", "jpeg", "png", "tif", "tiff"];

/// One way in which people lay out a set's pictures.
#[derive(Debug)]
pub(super) struct Layout {
    /// In words, for errors: `dst_imgs_all/<name>`.
    pub(super) is: &'static str,
    /// Where it keeps the picture whose path in the set's first layout is given; several places
    /// are tried in order.
    pub(super) places: fn(&str) -> Vec<String>,
}

/// The first layout of most sets: pictures lie where the manifest's paths say.
pub(super) fn as_listed(path: &str) -> Vec<String> {
    vec![path.to_owned()]
}

/// Its name in a folder's place: the path without its folders.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What to look for on disk.
pub(super) struct Wanted<'a> {
    /// The set's ways to lay out its pictures.
    pub(super) layouts: &'a [Layout],
    /// The folder that the list puts in front of all paths.
    pub(super) folder: Option<&'a str>,
    /// Pictures of the release that have no row: with them, files without a label are counted.
    pub(super) known: &'a [String],
    /// Where a path is listed, for errors.
    pub(super) place: &'a dyn Fn(&str) -> Place,
}

/// A layout, in a folder of the root: empty, or a name with a slash behind it.
struct Spot<'a> {
    front: String,
    layout: &'a Layout,
}

impl Spot<'_> {
    /// Where it keeps a picture; never empty.
    fn places(&self, path: &str) -> Vec<String> {
        (self.layout.places)(path).iter().map(|place| format!("{}{place}", self.front)).collect()
    }
}

/// A root and the entries of its folders, read once each.
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

    pub(super) fn root(&self) -> &Path {
        &self.root
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

    /// Where the first of `names` lies that there is.
    pub(super) fn first(&mut self, names: &[&str]) -> Result<Option<PathBuf>, DatasetError> {
        for name in names {
            if let Some(found) = self.find(name)? {
                return Ok(Some(self.root.join(found)));
            }
        }
        Ok(None)
    }

    /// The names in a folder, in the order of their bytes, without what is hidden or litter.
    pub(super) fn names(&mut self, folder: &str) -> Vec<String> {
        let names = self.folder(folder).values().flatten();
        let mut names: Vec<String> = names.filter(|name| !is_litter(name)).cloned().collect();
        names.sort();
        names
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

    /// The first place of a spot that holds a picture.
    fn place(&mut self, spot: &Spot, path: &str) -> Result<Option<String>, DatasetError> {
        for place in spot.places(path) {
            if let Some(found) = self.find(&place)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Replaces every path by the one on disk, all in one layout ([`Files::spot`]);
    /// leaves out, counts and notes rows without a file.
    pub(super) fn locate(
        &mut self,
        manifest: &mut Manifest,
        wanted: &Wanted,
        options: &Options,
    ) -> Result<(), DatasetError> {
        let Some(spot) = self.spot(manifest, wanted)? else { return Ok(()) };
        let total = manifest.rows.len();
        let mut missing = Vec::new();
        let mut kept = Vec::with_capacity(total);
        // A file's name, and how the list writes it: a second row may name it in other letters.
        let mut listed: HashMap<String, String> = HashMap::new();
        for mut row in std::mem::take(&mut manifest.rows) {
            match self.place(&spot, &row.path)? {
                Some(path) => {
                    if let Some(first) = listed.insert(path.clone(), row.path.clone()) {
                        let [place, first] =
                            [&row.path, &first].map(|name| Box::new((wanted.place)(name)));
                        return Err(DatasetError::Duplicate { place, first, path: row.path });
                    }
                    row.path = path;
                    kept.push(row);
                }
                None => missing.push(row.path),
            }
        }
        manifest.rows = kept;
        let count = missing.len();
        // Where it was looked for, which is not where another layout has it.
        let tried = |path: &String| spot.places(path).swap_remove(0);
        if count > options.allow_missing || (count > 0 && count == total) {
            return Err(DatasetError::MissingFiles {
                root: manifest.root.clone(),
                count,
                total,
                allowed: options.allow_missing,
                names: missing.iter().take(NAMED).map(tried).collect(),
                place: Box::new((wanted.place)(&missing[0])),
            });
        }
        if count > 0 {
            manifest.subset |= options.partial;
            manifest.notes.push(format!(
                "{count} of {total} labelled images {} no file and {} left out, first: {}",
                have(count),
                if count == 1 { "was" } else { "were" },
                tried(&missing[0])
            ));
        }
        self.note_unused(manifest, &spot, wanted.known)
    }

    /// The first layout that holds the first picture that is there at all, in the folder that the
    /// list puts in front where there is one, then in the root; the first of all when none is there.
    fn spot<'a>(
        &mut self,
        manifest: &Manifest,
        wanted: &Wanted<'a>,
    ) -> Result<Option<Spot<'a>>, DatasetError> {
        let mut fronts = vec![String::new()];
        if let Some(folder) = wanted.folder
            && let Some(folder) = self.find(folder)?
        {
            fronts.insert(0, format!("{folder}/"));
        }
        let in_front = |front: &String| {
            let front = front.clone();
            wanted.layouts.iter().map(move |layout| Spot { front: front.clone(), layout })
        };
        let mut spots: Vec<Spot> = fronts.iter().flat_map(in_front).collect();
        for row in &manifest.rows {
            for i in 0..spots.len() {
                if self.place(&spots[i], &row.path)?.is_some() {
                    return Ok(Some(spots.swap_remove(i)));
                }
            }
        }
        Ok(spots.into_iter().next())
    }

    /// Files without a label are no error, but their number is said.
    fn note_unused(
        &mut self,
        manifest: &mut Manifest,
        spot: &Spot,
        known: &[String],
    ) -> Result<(), DatasetError> {
        let mut used: BTreeSet<String> = manifest.rows.iter().map(|row| row.path.clone()).collect();
        for path in known {
            used.extend(self.place(spot, path)?);
        }
        let folder_of =
            |path: &str| path.rsplit_once('/').map_or(String::new(), |p| p.0.to_owned());
        let folders: BTreeSet<String> = manifest.rows.iter().map(|r| folder_of(&r.path)).collect();
        let mut unused = Vec::new();
        for folder in folders {
            let names = self.names(&folder);
            let paths = names.iter().filter(|name| is_picture(name)).map(|name| {
                if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") }
            });
            unused.extend(paths.filter(|path| !used.contains(path)));
        }
        if let Some(first) = unused.first() {
            manifest.notes.push(format!(
                "{} beside the labelled ones {} no label and {} not used, first: {first}",
                counted(unused.len(), "picture file"),
                have(unused.len()),
                are(unused.len()),
            ));
        }
        Ok(())
    }
}

/// What nobody put into a folder on purpose: hidden entries, and what systems leave behind.
pub fn is_litter(name: &str) -> bool {
    name.starts_with('.') || LITTER.contains(&name.to_ascii_lowercase().as_str())
}

pub(super) fn is_picture(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| PICTURES.contains(&ending.as_str()))
}

/// The folder inside `root` when that is all `root` holds (archives often nest), else `root`. A root
/// that has one of `wanted` is not left.
pub(super) fn unnest<'a>(root: &Path, mut wanted: impl Iterator<Item = &'a str>) -> PathBuf {
    let mut files = Files::new(root);
    if wanted.any(|name| matches!(files.find(name), Ok(Some(_)) | Err(_))) {
        return root.to_path_buf();
    }
    match files.names("").as_slice() {
        [only] if root.join(only).is_dir() => root.join(only),
        _ => root.to_path_buf(),
    }
}
