//! Why a set could not be loaded: the file, the place in it, what was expected, what was found, and
//! what to do.

use super::formats::FormatError;
use super::registry;
use std::path::PathBuf;

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
         or take the file of the release"
    )]
    MissingColumn {
        /// The label file.
        file: PathBuf,
        /// The names that would do.
        wanted: String,
        /// The names there are.
        found: String,
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
    #[error("{file}, {unit} {line}: {path:?} is listed already in {unit} {first_line}; remove one")]
    Duplicate {
        /// The label file.
        file: PathBuf,
        /// `line` or `row`.
        unit: &'static str,
        /// The second one.
        line: u64,
        /// The first one.
        first_line: u64,
        /// The path.
        path: String,
    },
    /// A second list names an image that the labels do not have.
    #[error(
        "{file}, {unit} {line}: {path:?} has no score in the labels of the release; remove the \
         line, or take the list that belongs to this release"
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
    /// Images of the labels are not on disk.
    #[error(
        "{count} of {total} labelled images are not under {root}, first: {} (allowed: {allowed}); \
         correct the folder or the list, or take a dataset's part with --partial",
        names.join(", ")
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
        /// The first five.
        names: Vec<String>,
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
        "{dataset}: {found} {what}, the release has {expected}; take the label file of the release \
         again, or take a part of the set with --partial (it is never compared with published \
         numbers)"
    )]
    Count {
        /// The set.
        dataset: String,
        /// `rows`, `contents`.
        what: &'static str,
        /// In the release.
        expected: usize,
        /// In these labels.
        found: usize,
    },
    /// A score far outside the scale.
    #[error(
        "{dataset}: {path:?} has score {score}, far outside the scale {lo} to {hi}; correct it, or \
         the scale"
    )]
    Score {
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

/// What the folder seems to be instead.
fn hint(root: &std::path::Path, dataset: &str) -> String {
    match super::recognise(root).iter().find(|found| found.set.key != dataset) {
        Some(found) => format!(" (it looks like {}: {})", found.set.key, found.why),
        None => String::new(),
    }
}
