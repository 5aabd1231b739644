//! Labelled sets of pictures: a folder in, a checked [`Manifest`] out.
//!
//! One file a set. A loader reads labels, finds the files, checks counts and ranges, and says in
//! the manifest's notes whatever a report must repeat. No picture is decoded here.
//!
//! Called by the trainer, the protocol runner, and `biqa data`.

mod biq2021;
mod files;
mod manifest;
mod own;
mod table;

pub use manifest::{Direction, Manifest, Row, Split};

use std::path::{Path, PathBuf};

/// The sets that can be loaded by name.
pub const DATASETS: [&str; 2] = ["biq2021", "csv"];

/// Why a set could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// No loader of that name.
    #[error("there is no data set {name:?}; known: {}", DATASETS.join(", "))]
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
    /// The root does not hold what the set's release holds.
    #[error("{root} holds no {dataset}: expected {expected}")]
    Layout {
        /// The set.
        dataset: &'static str,
        /// The folder given.
        root: PathBuf,
        /// What was looked for.
        expected: String,
    },
    /// A label file is not a table.
    #[error("{file}, line {line}: {reason}")]
    Form {
        /// The label file.
        file: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// A label file lacks a column.
    #[error("{file} has no column `{wanted}`; its columns are: {found}")]
    MissingColumn {
        /// The label file.
        file: PathBuf,
        /// The names that would do.
        wanted: String,
        /// The names there are.
        found: String,
    },
    /// A field cannot be read.
    #[error("{file}, line {line}, column `{column}`: found {found:?}, expected {expected}")]
    Field {
        /// The label file.
        file: PathBuf,
        /// Line, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The text of the field.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// An image is listed twice.
    #[error("{file}, line {line}: {path:?} is listed already in line {first_line}; remove one")]
    Duplicate {
        /// The label file.
        file: PathBuf,
        /// The second line.
        line: u64,
        /// The first line.
        first_line: u64,
        /// The path.
        path: String,
    },
    /// A content list names an image that the labels do not have.
    #[error("{file}, line {line}: {path:?} has no score in the labels of the release")]
    NotLabelled {
        /// The content list.
        file: PathBuf,
        /// Its line.
        line: u64,
        /// The path.
        path: String,
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
        "{dataset}: {found} {what}, the release has {expected} (`strict = false` loads a subset, \
         which is never compared with published numbers)"
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
    #[error("{dataset}: {path:?} has score {score}, far outside the scale {lo} to {hi}")]
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
}

/// How to load a set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadOptions {
    /// `content = file:PATH`: a list whose content and split replace the set's own; images that it
    /// does not list are left out.
    pub content: Option<PathBuf>,
    /// How many labelled images may lack a file; they are left out and noted. `usize::MAX` takes
    /// whatever part of the set is there.
    pub allow_missing: usize,
    /// Another number of rows than the release's is a note, not an error.
    pub allow_subset: bool,
    /// Do not look for the image files.
    pub labels_only: bool,
    /// For `csv` only: which way the scores point.
    pub direction: Option<Direction>,
    /// For `csv` only: lowest and highest score of the scale.
    pub range: Option<[f64; 2]>,
    /// For `csv` only: the label file; `labels.csv` in the root when not given.
    pub labels: Option<PathBuf>,
}

/// Loads the set `name` from the folder `root`.
pub fn load(name: &str, root: &Path, options: &LoadOptions) -> Result<Manifest, DatasetError> {
    match name {
        "biq2021" => biq2021::load(root, options),
        "csv" => own::load(root, options),
        _ => Err(DatasetError::Unknown { name: name.to_owned() }),
    }
}

/// What is known about a release (table in section 1).
struct Release {
    rows: usize,
    contents: usize,
    min: f64,
    max: f64,
    mean: f64,
}

/// The checks of section 4 on complete labels.
fn check_release(
    manifest: &mut Manifest,
    release: &Release,
    options: &LoadOptions,
) -> Result<(), DatasetError> {
    let counts = [
        ("rows", release.rows, manifest.rows.len()),
        ("contents", release.contents, manifest.contents()),
    ];
    for (what, expected, found) in counts {
        if expected != found {
            if !options.allow_subset {
                let dataset = manifest.dataset.clone();
                return Err(DatasetError::Count { dataset, what, expected, found });
            }
            manifest.notes.push(format!(
                "subset: {found} {what} of {expected}; not comparable with published numbers"
            ));
        }
    }
    let [lo, hi] = manifest.range_nominal;
    let tolerance = 1e-4 * (hi - lo);
    let scores = || manifest.rows.iter().map(|row| row.score);
    let found = [
        ("minimum", release.min, scores().fold(f64::INFINITY, f64::min)),
        ("maximum", release.max, scores().fold(f64::NEG_INFINITY, f64::max)),
        ("mean", release.mean, scores().sum::<f64>() / manifest.rows.len().max(1) as f64),
    ];
    for (what, expected, found) in found {
        if (found - expected).abs() > tolerance {
            manifest.notes.push(format!(
                "labels differ from the release we know: {what} {found}, expected {expected}"
            ));
        }
    }
    Ok(())
}

/// No score may lie further outside the scale than half its length (section 4).
fn check_scores(manifest: &Manifest) -> Result<(), DatasetError> {
    let [lo, hi] = manifest.range_nominal;
    let slack = 0.5 * (hi - lo);
    match manifest.rows.iter().find(|row| row.score < lo - slack || row.score > hi + slack) {
        Some(row) => Err(DatasetError::Score {
            dataset: manifest.dataset.clone(),
            path: row.path.clone(),
            score: row.score,
            lo,
            hi,
        }),
        None => Ok(()),
    }
}

/// Replaces every path by the one on disk; leaves out, counts and notes rows without a file.
fn locate(manifest: &mut Manifest, options: &LoadOptions) -> Result<(), DatasetError> {
    if options.labels_only {
        return Ok(());
    }
    let mut files = files::Files::new(&manifest.root);
    let total = manifest.rows.len();
    let mut missing = Vec::new();
    let mut kept = Vec::with_capacity(total);
    for mut row in std::mem::take(&mut manifest.rows) {
        match files.find(&row.path)? {
            Some(path) => {
                row.path = path;
                kept.push(row);
            }
            None => missing.push(row.path),
        }
    }
    manifest.rows = kept;
    let count = missing.len();
    if count > options.allow_missing {
        missing.truncate(5);
        return Err(DatasetError::MissingFiles {
            root: manifest.root.clone(),
            count,
            total,
            allowed: options.allow_missing,
            names: missing,
        });
    }
    if count > 0 {
        manifest.notes.push(format!(
            "{count} of {total} labelled images have no file and were left out, first: {}",
            missing[0]
        ));
    }
    Ok(())
}
