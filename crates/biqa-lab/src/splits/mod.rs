//! Who trains, who chooses, who tests (`papers/protocol.md`, sections 1.2 to 2.2).
//!
//! [`split`] gives the lists of one repeat as positions into a manifest's rows, checked: no content
//! and no file stands in two parts. The unit is the content, never the image. In both forms of the
//! protocol the test part is the same, so that their numbers differ by the protocol alone.
//!
//! Where crops of a test image lie is [`biqa::view::CropAddress`].
//!
//! Called by the protocol runner, by `biqa data split`, and by label transfer.

mod columns;
mod groups;
mod held;
mod leaks;
mod listed;
mod lists;
mod mersenne;
mod order;
mod rule;

pub use groups::{Digest, file_digests, same_bytes};
pub use held::held;
pub(crate) use lists::Names;
pub use mersenne::python_orders;
pub use order::{Sizes, TRAIN_SHARE, VAL_SHARE, biqa_order, fewest, small};
pub use rule::{Form, Fraction, FractionOf, Options, Rule};

use crate::datasets::formats::FormatError;
use crate::datasets::{DatasetError, Manifest, Split as Part};
use groups::Groups;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Who is where: positions into the rows of a manifest. A row is in one part or in none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// To learn from.
    pub train: Vec<usize>,
    /// To choose by; empty in the published form of the rules.
    pub val: Vec<usize>,
    /// To report on.
    pub test: Vec<usize>,
    /// What a report must repeat: leaks that were allowed, images that are left out.
    pub notes: Vec<String>,
}

impl Split {
    /// The rows of a part.
    pub fn part(&self, part: Part) -> &[usize] {
        match part {
            Part::Train => &self.train,
            Part::Val => &self.val,
            Part::Test => &self.test,
        }
    }

    fn part_mut(&mut self, part: Part) -> &mut Vec<usize> {
        match part {
            Part::Train => &mut self.train,
            Part::Val => &mut self.val,
            Part::Test => &mut self.test,
        }
    }

    /// How many contents a part has.
    pub fn contents(&self, manifest: &Manifest, part: Part) -> usize {
        let contents = self.part(part).iter().map(|&i| manifest.rows[i].content.as_str());
        contents.collect::<BTreeSet<_>>().len()
    }
}

/// Why a set could not be shared out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The switch is none of its values.
    #[error(
        "there is no split {found:?}; it is one of: biqa, python:<seed>, python:r*<seed>, \
         file:<path>, official"
    )]
    Rule {
        /// The text.
        found: String,
    },
    /// A part would stay empty.
    #[error("{dataset} has {groups} contents; {form} needs at least {fewest} to share out")]
    TooFew {
        /// The set.
        dataset: String,
        /// Contents to share out.
        groups: usize,
        /// How many are needed.
        fewest: usize,
        /// For which form.
        form: Form,
    },
    /// A share outside (0, 1].
    #[error("the fraction is {found}; it must lie above 0 and not above 1, for example 0.2")]
    Share {
        /// The share given.
        found: f64,
    },
    /// The digests are not those of the rows.
    #[error("{digests} file digests stand against {rows} images")]
    Digests {
        /// Digests given.
        digests: usize,
        /// Rows there are.
        rows: usize,
    },
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is no list.
    #[error("{file}: {reason}")]
    Form {
        /// The file or folder.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A `.npy` file is no list of indices.
    #[error(transparent)]
    Npy(FormatError),
    /// A list names an image that the set does not have.
    #[error(
        "{file} puts {path:?} into {part}, but the data set has no such image; paths are relative \
         to its root"
    )]
    UnknownPath {
        /// The list.
        file: PathBuf,
        /// The part.
        part: Part,
        /// The path.
        path: String,
    },
    /// A list names a row that the set does not have.
    #[error("{file} names row {index}, but the data set has {rows} rows (from 0)")]
    Index {
        /// The list.
        file: PathBuf,
        /// The index.
        index: i64,
        /// Rows there are.
        rows: usize,
    },
    /// A part names an image twice.
    #[error("{file} puts {path:?} into {part} twice; remove one")]
    Twice {
        /// The list.
        file: PathBuf,
        /// The part.
        part: Part,
        /// The path.
        path: String,
    },
    /// Nobody trains, or nobody tests.
    #[error("{source_name}: the {part} part is empty")]
    Empty {
        /// Where the parts come from.
        source_name: String,
        /// The part.
        part: Part,
    },
    /// The set brings no parts.
    #[error("{dataset} has no image in a part of {source_name}; cut it with --split biqa")]
    NoParts {
        /// The set.
        dataset: String,
        /// Where the parts should come from.
        source_name: String,
    },
    /// A list with split columns is no such list.
    #[error(transparent)]
    List(#[from] Box<DatasetError>),
    /// A list lacks the column of a split.
    #[error("{file} has no column `{wanted}` of a split; it has: {found}")]
    NoColumn {
        /// The list.
        file: PathBuf,
        /// The column asked for.
        wanted: String,
        /// The split columns there are.
        found: String,
    },
    /// Images of one content stand in two parts.
    #[error(
        "content {content:?} is on both sides: {first:?} in {first_part}, {second:?} in \
         {second_part}; correct the lists, or accept it with --allow-leak (every report will say so)"
    )]
    Content {
        /// The content key.
        content: String,
        /// An image.
        first: String,
        /// Its part.
        first_part: Part,
        /// Another image.
        second: String,
        /// Its part.
        second_part: Part,
    },
    /// Equal files stand in two parts.
    #[error(
        "the same bytes are on both sides: {first:?} in {first_part}, {second:?} in {second_part}; \
         move them together with --group-equal-bytes, or accept it with --allow-leak (every report \
         will say so)"
    )]
    Bytes {
        /// A file.
        first: String,
        /// Its part.
        first_part: Part,
        /// The other file.
        second: String,
        /// Its part.
        second_part: Part,
    },
}

/// The name in the string that seeds a split: the key of the set; for a user's own CSV the
/// manifest's digest.
fn dataset_name(manifest: &Manifest) -> Cow<'_, str> {
    match manifest.dataset.as_str() {
        "csv" => Cow::Owned(manifest.digest()),
        name => Cow::Borrowed(name),
    }
}

/// Shares out a set. `digests`, one a row ([`file_digests`]), also keeps equal files apart from the
/// other side; without them only contents are looked at.
pub fn split(
    manifest: &Manifest,
    digests: Option<&[Digest]>,
    options: &Options,
) -> Result<Split, SplitError> {
    if let Some(found) = options.fraction.map(|f| f.share).filter(|s| !(*s > 0.0 && *s <= 1.0)) {
        return Err(SplitError::Share { found });
    }
    let (have, rows) = (digests.map_or(0, <[_]>::len), manifest.rows.len());
    if (digests.is_some() || options.group_equal_bytes) && have != rows {
        return Err(SplitError::Digests { digests: have, rows });
    }
    let joined = digests.filter(|_| options.group_equal_bytes);
    let mut split = match &options.rule {
        Rule::Biqa => {
            let groups = Groups::of(manifest, joined);
            let name = dataset_name(manifest);
            let order = biqa_order(&name, options.seed, options.index, groups.0.len());
            drawn(manifest, &groups, &order, options)?
        }
        Rule::Python { seed } => {
            let groups = Groups::published(manifest, joined);
            let rounds = options.index as usize + 1;
            let order = python_orders(*seed, groups.0.len(), rounds).pop().unwrap_or_default();
            drawn(manifest, &groups, &order, options)?
        }
        Rule::PythonRounds { seed } => {
            let groups = Groups::of_glintiqa(manifest, joined);
            let seed = i128::from(*seed) * (i128::from(options.index) + 1);
            let order = python_orders(seed, groups.0.len(), 1).pop().unwrap_or_default();
            drawn(manifest, &groups, &order, options)?
        }
        Rule::File(path) => {
            let mut split = lists::read(manifest, path, options.index)?;
            listed::cut(&mut split, manifest, joined, options)?;
            split
        }
        Rule::Official => {
            let mut split = listed::official(manifest)?;
            listed::cut(&mut split, manifest, joined, options)?;
            split
        }
    };
    leaks::check(&mut split, manifest, digests, options)?;
    Ok(split)
}

/// The parts of an order of groups: train, validation, test.
fn drawn(
    manifest: &Manifest,
    groups: &Groups,
    order: &[usize],
    options: &Options,
) -> Result<Split, SplitError> {
    let (m, form) = (order.len(), options.form);
    if m < fewest(form) {
        let dataset = manifest.dataset.clone();
        return Err(SplitError::TooFew { dataset, groups: m, fewest: fewest(form), form });
    }
    let sizes = Sizes::of(m);
    let trains = sizes.trains(form);
    let fewer = options.fraction.map_or(trains, |fraction| small(fraction, m, sizes.train));
    Ok(Split {
        train: groups.rows(&order[..fewer.min(trains)]),
        val: groups.rows(&order[trains..sizes.train]),
        test: groups.rows(&order[sizes.train..]),
        notes: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
