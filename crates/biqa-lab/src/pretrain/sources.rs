//! Which pictures a pre-training sees: every source is looked at once, before the first step, so that
//! one that can't be decoded is a row in the report and not the end of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use biqa::image::{LoadOptions, load};
use biqa::parallel::ordered;
use biqa::random::{fnv1a64, splitmix64};
use serde::{Deserialize, Serialize};

use crate::splits::same_bytes;
use crate::train::checkpoint::write_atomic;
use crate::train::{Progress, TrainError};

/// The list of sources in a run's folder.
pub const SOURCES: &str = "sources.csv";
/// Sources between two words about progress.
const NOTE: usize = 2000;

/// A picture's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Its name inside the folder that was given, forward slashes: it keys every draw.
    pub name: String,
}

/// What was found of a source: a row of [`SOURCES`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Bytes of the file; 0 where it could not be asked.
    pub bytes: u64,
    /// Pixels a row; 0 where it can't be decoded.
    pub width: u32,
    /// Rows; 0 where it can't be decoded.
    pub height: u32,
    /// What it is used for.
    pub part: Part,
    /// Why it can't be decoded; empty for all others.
    pub reason: String,
}

/// What a source is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// To train on.
    Train,
    /// To measure on.
    HeldOut,
    /// Held out, and more than are measured on: used for nothing.
    Spare,
    /// Byte for byte one that is measured on: not learned from.
    Copy,
    /// It is smaller than a view: passed over.
    Small,
    /// It can't be decoded: passed over.
    Unreadable,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::HeldOut => "held-out",
            Self::Spare => "spare",
            Self::Copy => "copy",
            Self::Small => "small",
            Self::Unreadable => "unreadable",
        })
    }
}

/// The sources of a run, sorted out.
#[derive(Clone, Debug)]
pub struct Sources {
    /// To train on, in the order they were given.
    pub train: Vec<Source>,
    /// To measure on.
    pub held_out: Vec<Source>,
    /// All of them, in the order they were given.
    pub rows: Vec<Row>,
}

/// How sources are sorted out.
#[derive(Clone, Copy, Debug)]
pub struct Sorting<'a> {
    /// Side of a view: a source with a smaller short side is passed over.
    pub patch: u32,
    /// The most that are held out.
    pub held_out: usize,
    /// The fewest to train on: those of a step.
    pub least: usize,
    /// Chooses which are held out.
    pub seed: u64,
    /// Worker threads, 0 for all cores.
    pub threads: usize,
    /// The list of the run that goes on: what stands there with as many bytes isn't decoded again.
    pub list: Option<&'a Path>,
}

/// The fewest sources to measure on.
const LEAST_HELD_OUT: usize = super::recipe::LEAST_HELD_OUT;

/// Looks at every source. `held_out` are sources that are not trained on; where there are none, of those
/// to train on as many are taken away as are wanted, at most a fifth.
pub fn sort(
    images: Vec<Source>,
    held_out: Vec<Source>,
    sorting: &Sorting<'_>,
    progress: &mut (dyn Progress + Send),
) -> Result<Sources, TrainError> {
    twice(&images, &held_out)?;
    let given = held_out.len();
    let all: Vec<Source> = images.into_iter().chain(held_out).collect();
    let first_held = all.len() - given;
    let mut rows = looked_at(&all, sorting, progress);
    let usable = |rows: &[Row], range: std::ops::Range<usize>| -> Vec<usize> {
        range.filter(|&i| rows[i].part == Part::Train).collect()
    };
    let (train, held) = (usable(&rows, 0..first_held), usable(&rows, first_held..all.len()));
    let held = if given == 0 {
        first(&all, train.clone(), sorting.held_out.min(train.len() / 5), sorting.seed)
    } else {
        for &i in &held {
            rows[i].part = Part::Spare;
        }
        first(&all, held, sorting.held_out, sorting.seed)
    };
    for &i in &held {
        rows[i].part = Part::HeldOut;
    }
    let chosen: BTreeSet<usize> = held.iter().copied().collect();
    let mut train: Vec<usize> = train.into_iter().filter(|i| !chosen.contains(i)).collect();
    leave_out_copies(&mut train, &held, &all, &mut rows, progress);
    if train.len() < sorting.least || held.len() < LEAST_HELD_OUT {
        return Err(too_few(&rows, train.len(), held.len(), sorting));
    }
    let of = |indices: &[usize]| indices.iter().map(|&i| all[i].clone()).collect();
    Ok(Sources { train: of(&train), held_out: of(&held), rows })
}

/// Nothing that is measured on is learned from, under another name either.
fn leave_out_copies(
    train: &mut Vec<usize>,
    held: &[usize],
    all: &[Source],
    rows: &mut [Row],
    progress: &mut (dyn Progress + Send),
) {
    let paths =
        |of: &[usize]| -> Vec<&Path> { of.iter().map(|&i| all[i].path.as_path()).collect() };
    let found = same_bytes(&paths(train), &paths(held));
    let Some(&(first, other)) = found.first() else { return };
    progress.note(&format!(
        "{} to train on are byte for byte pictures to measure on and left out, first: {} is {}",
        found.len(),
        all[train[first]].name,
        all[held[other]].name
    ));
    let copies: BTreeSet<usize> = found.iter().map(|&(position, _)| train[position]).collect();
    for &i in &copies {
        rows[i].part = Part::Copy;
    }
    train.retain(|i| !copies.contains(i));
}

/// A name keys what is drawn of a picture, so none may stand for two; nor may a file be on both sides.
fn twice(images: &[Source], held_out: &[Source]) -> Result<(), TrainError> {
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for source in images.iter().chain(held_out) {
        let path = std::fs::canonicalize(&source.path).unwrap_or_else(|_| source.path.clone());
        if !paths.insert(path) {
            return Err(TrainError::Data(format!(
                "{} stands twice among the pictures; each may be trained on or held out, once",
                source.path.display()
            )));
        }
        if !names.insert(&source.name) {
            return Err(TrainError::Data(format!(
                "two pictures are called {}; name one folder that holds both",
                source.name
            )));
        }
    }
    Ok(())
}

/// The first `n` of some sources in an order that the seed and their names decide, as they stand.
fn first(all: &[Source], mut of: Vec<usize>, n: usize, seed: u64) -> Vec<usize> {
    of.sort_by_key(|&i| (splitmix64(seed ^ fnv1a64(&all[i].name)), i));
    of.truncate(n);
    of.sort_unstable();
    of
}

fn too_few(rows: &[Row], train: usize, held: usize, sorting: &Sorting<'_>) -> TrainError {
    let count = |part| rows.iter().filter(|row| row.part == part).count();
    let first = rows.iter().find(|row| row.part == Part::Unreadable);
    let first = first.map_or(String::new(), |row| format!(" (first: {})", row.reason));
    TrainError::Data(format!(
        "of {} pictures {} are smaller than a view of {} pixels, {} can't be decoded{first} and {} are \
         copies of others that are measured on; that leaves {train} to train on and {held} to measure on, and {} (views.images of the recipe) \
         and {LEAST_HELD_OUT} are needed: give more pictures, others to measure on with --held-out, or a \
         recipe with fewer (views.images, measure.held_out)",
        rows.len(),
        count(Part::Small),
        sorting.patch,
        count(Part::Unreadable),
        count(Part::Copy),
        sorting.least
    ))
}

/// A row for every source. What will do is [`Part::Train`] in all of them; the caller takes those
/// that are measured on out of these.
fn looked_at(
    all: &[Source],
    sorting: &Sorting<'_>,
    progress: &mut (dyn Progress + Send),
) -> Vec<Row> {
    let known = sorting.list.map_or_else(BTreeMap::new, known);
    let mut rows = Vec::with_capacity(all.len());
    ordered(
        sorting.threads,
        all.iter(),
        |_, source| {
            let bytes = std::fs::metadata(&source.path).map_or(0, |about| about.len());
            match known.get(&source.name).filter(|row| row.bytes == bytes && bytes > 0) {
                Some(row) => (row.width, row.height, row.reason.clone(), bytes),
                None => match load(&source.path, &LoadOptions::default()) {
                    Ok(picture) => {
                        (picture.rgb.width(), picture.rgb.height(), String::new(), bytes)
                    }
                    Err(error) => (0, 0, error.to_string(), bytes),
                },
            }
        },
        |i, (width, height, reason, bytes)| {
            let part = if !reason.is_empty() {
                Part::Unreadable
            } else if width.min(height) < sorting.patch {
                Part::Small
            } else {
                Part::Train
            };
            let name = all[i].name.clone();
            rows.push(Row { name, bytes, width, height, part, reason });
            if rows.len().is_multiple_of(NOTE) {
                progress.note(&format!("looked at {} of {} pictures", rows.len(), all.len()));
            }
            true
        },
    );
    rows
}

/// The rows of an earlier list by name; none where there is no list that can be read.
fn known(list: &Path) -> BTreeMap<String, Row> {
    let Ok(mut reader) = csv::Reader::from_path(list) else { return BTreeMap::new() };
    let rows = reader.deserialize().filter_map(Result::ok);
    rows.map(|row: Row| (row.name.clone(), row)).collect()
}

/// Writes the list, whole or not at all.
pub fn write(rows: &[Row], list: &Path) -> Result<(), TrainError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let io = |source| TrainError::Io { path: list.to_owned(), source };
    for row in rows {
        writer.serialize(row).map_err(|e| io(e.into()))?;
    }
    write_atomic(list, &writer.into_inner().map_err(|e| io(e.into_error()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Silent;

    /// Files of one colour each; a side of 0 makes one that is no picture.
    fn folder(sides: &[u32]) -> (tempfile::TempDir, Vec<Source>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sources = sides.iter().enumerate().map(|(i, &side)| {
            let name = format!("{i:02}.ppm");
            let path = folder.path().join(&name);
            let mut bytes = format!("P6\n{side} {side}\n255\n").into_bytes();
            bytes.resize(bytes.len() + (side * side * 3) as usize, i as u8);
            std::fs::write(&path, bytes).expect("a file");
            Source { path, name }
        });
        let sources = sources.collect();
        (folder, sources)
    }

    fn sorting(list: &Path) -> Sorting<'_> {
        Sorting { patch: 32, held_out: 4, least: 8, seed: 1, threads: 2, list: Some(list) }
    }

    #[test]
    fn what_will_not_do_is_a_row_and_the_rest_is_shared_out() {
        let mut sides = vec![40; 22];
        (sides[3], sides[7]) = (0, 31);
        let (folder, sources) = folder(&sides);
        let list = folder.path().join(SOURCES);
        let sort =
            || sort(sources.clone(), Vec::new(), &sorting(&list), &mut Silent).expect("enough");
        let found = sort();
        assert_eq!((found.train.len(), found.held_out.len(), found.rows.len()), (16, 4, 22));
        assert_eq!((found.rows[3].part, found.rows[7].part), (Part::Unreadable, Part::Small));
        assert!(!found.rows[3].reason.is_empty() && found.rows[7].reason.is_empty());
        assert!(found.held_out.iter().all(|held| !found.train.contains(held)));
        // What is in the list isn't decoded again: the same rows come back of it.
        write(&found.rows, &list).expect("a list");
        assert_eq!(sort().rows, found.rows);
        assert_eq!(known(&list).len(), 22);
        // A list that another run has left is not believed.
        let mut rows = found.rows.clone();
        (rows[7].part, rows[8].part) = (Part::Train, Part::Unreadable);
        write(&rows, &list).expect("a list");
        let sorting = Sorting { list: None, ..sorting(&list) };
        let anew = super::sort(sources.clone(), Vec::new(), &sorting, &mut Silent);
        assert_eq!(anew.expect("enough").rows, found.rows);
    }

    #[test]
    fn sources_that_are_held_out_by_name_stay_on_their_side() {
        let (folder, mut sources) = folder(&[40; 16]);
        let held = sources.split_off(10);
        let list = folder.path().join(SOURCES);
        let found =
            sort(sources.clone(), held.clone(), &sorting(&list), &mut Silent).expect("enough");
        assert_eq!(found.train, sources);
        assert_eq!(found.held_out.len(), 4);
        assert!(found.held_out.iter().all(|one| held.contains(one)));
        let both = sort(held.clone(), held, &sorting(&list), &mut Silent).expect_err("twice");
        assert!(both.to_string().contains("stands twice"), "{both}");
    }

    #[test]
    fn a_copy_of_what_is_measured_on_is_not_learned_from() {
        let (folder, mut sources) = folder(&[40; 17]);
        std::fs::copy(&sources[12].path, &sources[2].path).expect("a copy");
        let held = sources.split_off(10)[..4].to_vec();
        let list = folder.path().join(SOURCES);
        let found = sort(sources, held, &sorting(&list), &mut Silent).expect("enough");
        assert_eq!((found.train.len(), found.rows[2].part), (9, Part::Copy));
    }

    #[test]
    fn too_few_are_counted_by_what_is_wrong_with_them() {
        let (folder, sources) = folder(&[40, 40, 0, 8, 40, 40, 40, 40]);
        let list = folder.path().join(SOURCES);
        let error = sort(sources, Vec::new(), &sorting(&list), &mut Silent).expect_err("few");
        let text = error.to_string();
        assert!(
            text.starts_with("of 8 pictures 1 are smaller than a view of 32 pixels, "),
            "{text}"
        );
        assert!(text.contains("1 can't be decoded") && text.contains("5 to train on"), "{text}");
    }
}
