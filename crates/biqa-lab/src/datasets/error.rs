//! Why a set could not be loaded: the file, the place in it, what was expected, what was found, and
//! what to do.

use super::formats::FormatError;
use super::registry;
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// Where something stands in a label file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// `line`, or `row` or `column` of a sheet or variable.
    pub unit: &'static str,
    /// Which one, from 1.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} {}", self.file.display(), self.unit, self.line)
    }
}

/// Why a set could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// No set of that name.
    #[error("there is no data set {name:?}; known: {}", registry::keys().join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// A file or folder could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A `.mat`, `.xls`, `.xlsx` or `.npy` file could not be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The root does not hold what the set's release holds.
    #[error("{root} holds no {dataset}: expected {expected}{}", hint(root, dataset))]
    Layout {
        /// The set.
        dataset: &'static str,
        /// The folder given.
        root: PathBuf,
        /// What was looked for.
        expected: String,
    },
    /// A label file is not a table.
    #[error("{file}, {unit} {line}: {reason}; correct it, or take it anew from where it came")]
    Form {
        /// The label file.
        file: PathBuf,
        /// `line`, or `row` of a sheet or variable.
        unit: &'static str,
        /// Which one, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A label file lacks a column.
    #[error(
        "{file} has no column `{wanted}`; its columns are: {found}; rename the one that is meant, \
         or take the list anew from where it came"
    )]
    MissingColumn {
        /// The label file.
        file: PathBuf,
        /// The names that would do.
        wanted: String,
        /// The names there are.
        found: String,
    },
    /// Two columns of a label file may be meant.
    #[error(
        "{file} has the columns `{first}` and `{second}`, and either may be meant; remove or \
         rename one"
    )]
    TwoColumns {
        /// The label file.
        file: PathBuf,
        /// A column.
        first: String,
        /// The other.
        second: String,
    },
    /// A label file without a row.
    #[error("{file} lists no image; it needs a row for every image")]
    Empty {
        /// The label file, or the folder where there is none.
        file: PathBuf,
    },
    /// A path of the labels lies outside the root.
    #[error(
        "{place}: {path:?} is absolute and not inside {root}; paths are relative to that folder (another one: \
         --image-root beside --data, --root beside --dataset)"
    )]
    Absolute {
        /// Where it stands.
        place: Box<Place>,
        /// The path.
        path: String,
        /// The root.
        root: PathBuf,
    },
    /// A field cannot be read.
    #[error(
        "{file}, {unit} {line}, column `{column}`: found {found:?}, expected {expected}; correct \
         it, or take it anew from where it came"
    )]
    Field {
        /// The label file.
        file: PathBuf,
        /// `line` or `row`.
        unit: &'static str,
        /// Which one, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The text of the field.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A name in the labels is not one of the set's.
    #[error(
        "{file}, {unit} {line}: found the name {found:?}, expected one of {dataset} like \
         {expected:?}; is this the list of another set?"
    )]
    Name {
        /// The set.
        dataset: &'static str,
        /// The label file.
        file: PathBuf,
        /// `line` or `row`.
        unit: &'static str,
        /// Which one, from 1.
        line: u64,
        /// The name.
        found: String,
        /// A name of the set.
        expected: &'static str,
    },
    /// Two files of the release belong together and do not have the same number of entries.
    #[error(
        "{file} has {found} {what}, {other} has {expected}; they are not of one release, take both \
         again"
    )]
    Lengths {
        /// The file.
        file: PathBuf,
        /// What is counted.
        what: &'static str,
        /// How many.
        found: usize,
        /// What they belong to.
        other: String,
        /// How many it has.
        expected: usize,
    },
    /// An image is listed twice.
    #[error("{place}: {path:?} is listed already in {}; remove one", seen_from(first, place))]
    Duplicate {
        /// The second one.
        place: Box<Place>,
        /// The first one.
        first: Box<Place>,
        /// The path.
        path: String,
    },
    /// A second list names an image that the labels do not have.
    #[error(
        "{file}, {unit} {line}: {path:?} has no score in the labels; remove the line, or take the \
         list that belongs to them"
    )]
    NotLabelled {
        /// The second list.
        file: PathBuf,
        /// `line` or `row`.
        unit: &'static str,
        /// Which one, from 1.
        line: u64,
        /// The path.
        path: String,
    },
    /// A list that is known to be wrong.
    #[error("{file} is refused: {reason}")]
    Refused {
        /// The list.
        file: PathBuf,
        /// What is wrong with it, and what to take instead.
        reason: String,
    },
    /// Labels that were inherited from what is tested on.
    #[error(
        "{place}: {path:?} inherits its score from {reference}, which is not in {list}, and so do \
         {count} of {total} rows; transfer the labels with that list: biqa transfer \
         --training-references LIST --leave-out"
    )]
    Inherited {
        /// Where the first stands.
        place: Box<Place>,
        /// The first such image.
        path: String,
        /// The reference.
        reference: String,
        /// The list of training references.
        list: PathBuf,
        /// How many rows.
        count: usize,
        /// Of how many.
        total: usize,
    },
    /// Images of the labels are not on disk.
    #[error(
        "{count} of {total} labelled images {} not under {root}, first: {}; correct the folder or \
         the list{}",
        are(*count),
        first_of(names, place),
        allowance(*allowed, names)
    )]
    MissingFiles {
        /// The folder searched.
        root: PathBuf,
        /// Images without a file.
        count: usize,
        /// Images in the labels.
        total: usize,
        /// How many may lack.
        allowed: usize,
        /// The first five, where they were looked for.
        names: Vec<String>,
        /// Where the first is listed.
        place: Box<Place>,
    },
    /// Two files differ in letter case only, and neither is spelled as in the labels.
    #[error("{folder}: {wanted:?} may be {first:?} or {second:?}; rename one of them")]
    AmbiguousName {
        /// The folder.
        folder: PathBuf,
        /// The name in the labels.
        wanted: String,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
    /// The labels are not those of the release.
    #[error(
        "{dataset}: {}, the release has {expected}; take the label file of the release \
         again, or take a part of the set with --partial (it is never compared with published \
         numbers)",
        counted(*found, what)
    )]
    Count {
        /// The set.
        dataset: String,
        /// What is counted, of one: `row`, `content`.
        what: &'static str,
        /// In the release.
        expected: usize,
        /// In these labels.
        found: usize,
    },
    /// A score far outside the scale.
    #[error(
        "{place}: {path:?} has score {score}, far outside the scale {lo} to {hi} of {dataset}; \
         correct it, or the scale"
    )]
    Score {
        /// Where it stands.
        place: Box<Place>,
        /// The set.
        dataset: String,
        /// The image.
        path: String,
        /// Its score.
        score: f64,
        /// Lower end of the scale.
        lo: f64,
        /// Upper end of the scale.
        hi: f64,
    },
    /// An option that the set needs was not given.
    #[error("{dataset} needs the option `{option}`: {why}")]
    OptionNeeded {
        /// The set.
        dataset: &'static str,
        /// The option.
        option: &'static str,
        /// What it decides.
        why: &'static str,
    },
    /// An option that the set does not have.
    #[error("{dataset} has no `{option} = {value}`; {known}")]
    NoSuchOption {
        /// The set.
        dataset: &'static str,
        /// The option.
        option: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        known: String,
    },
}

/// `1 row`, `2 rows`.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The verb for a count: `1 row is`, `2 rows are`.
pub(super) fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// `1 row has`, `2 rows have`.
pub(super) fn have(count: usize) -> &'static str {
    if count == 1 { "has" } else { "have" }
}

/// A place as one says it beside another: without the file where that is the same.
fn seen_from(place: &Place, other: &Place) -> String {
    if place.file == other.file {
        return format!("{} {}", place.unit, place.line);
    }
    place.to_string()
}

/// Names, and where the first of them stands.
fn first_of(names: &[String], place: &Place) -> String {
    let mut names = names.to_vec();
    if let Some(first) = names.first_mut() {
        *first = format!("{first} ({place})");
    }
    names.join(", ")
}

/// What may be done besides, where not everything is allowed yet.
fn allowance(allowed: usize, names: &[String]) -> String {
    let leaves = |name: &String| {
        let path = Path::new(name);
        path.is_absolute() || path.components().any(|part| part == Component::ParentDir)
    };
    match allowed {
        usize::MAX => String::new(),
        _ if names.iter().any(leaves) => " (names lead from the folder downwards: give one that \
            holds all pictures, with --image-root beside --data, with --root beside --dataset)"
            .to_owned(),
        _ => format!(" (of a --dataset, --partial takes a part; allowed to lack: {allowed})"),
    }
}

/// What the folder seems to be instead.
fn hint(root: &Path, dataset: &str) -> String {
    match super::recognise(root).iter().find(|found| found.set.key != dataset) {
        Some(found) => format!(" (it looks like {}: {})", found.set.key, found.why),
        None => String::new(),
    }
}
