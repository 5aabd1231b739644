//! Labelled sets of pictures: a folder in, a checked [`Manifest`] out (`papers/datasets.md`).
//!
//! One file a set. It says in a [`Set`] what is known about the release and reads the label files;
//! what follows is the same for all and stands here: checks of counts, duplicates and scores, a list
//! of contents in place of the set's own, the files on disk. Whatever a report must repeat is in the
//! manifest's notes. No picture is decoded here.
//!
//! Called by the trainer, the protocol runner, and `biqa data`.

mod agiqa3k;
mod bid;
mod biq2021;
mod check;
mod cid2013;
mod content;
mod csiq;
pub mod duplicates;
mod error;
mod files;
pub mod formats;
mod kadid10k;
mod kadis700k;
mod koniq10k;
mod labels;
mod lines;
pub mod lists;
mod live;
mod livec;
mod livefb;
mod livemd;
mod manifest;
mod options;
mod own;
#[cfg(feature = "parquet")]
mod parquet;
mod pipal;
pub(crate) mod places;
mod prepare;
mod registry;
mod released;
mod saqt;
mod sizes;
mod spaq;
pub(crate) mod table;
mod tid2013;

pub use content::FROM_LIST;
pub use error::{DatasetError, Place};
pub use files::is_litter;
pub use manifest::{Direction, Head, LabelScale, Manifest, Row, Split};
pub use options::{Content, LabelForm, Options};
pub use prepare::Preparation;
pub use registry::{Recognised, Set, find, keys, recognise, sets};
pub use saqt::inherits;
pub use sizes::{no_pictures, smaller_than};

use files::{Files, Wanted};
use std::path::Path;

/// Loads the set `name`, a key or an alias, from the folder `root`.
///
/// # Errors
/// Everything that section 4 of the specification calls an error; see [`DatasetError`].
pub fn open(name: &str, root: &Path, options: &Options) -> Result<Manifest, DatasetError> {
    let set = find(name).ok_or_else(|| DatasetError::Unknown { name: name.to_owned() })?;
    set.refuse_foreign(options)?;
    // The folder of a file that was named without one.
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    std::fs::read_dir(root)
        .map_err(|source| DatasetError::Read { path: root.to_path_buf(), source })?;
    let root = set.place(root);
    let mut files = Files::new(&root);
    let mut labels = (set.read)(&mut files, options)?;
    let source = labels.places.files.first().cloned().unwrap_or_else(|| root.clone());
    if labels.rows.is_empty() {
        return Err(DatasetError::Empty { file: source });
    }
    places::make_relative(&mut labels, &root)?;
    check::refuse_duplicates(&labels)?;
    // A content list that the rows come from has no more to say.
    let listed = matches!(&options.content, Some(Content::File(list)) if *list == source);

    let paths: Vec<String> = labels.rows.iter().map(|row| row.path.clone()).collect();
    let mut manifest = Manifest {
        dataset: set.key.to_owned(),
        direction: labels.direction,
        range_nominal: labels.range,
        root,
        rows: labels.rows,
        notes: labels.notes,
        subset: false,
    };
    match &labels.release {
        Some(release) => check::check_release(&mut manifest, release, options)?,
        None => manifest.subset = set.images > 0 && manifest.rows.len() < set.images,
    }
    check::check_scores(&mut manifest, &labels.places)?;
    if options.natural_only {
        tid2013::leave_out_the_drawing(&mut manifest);
    }
    if let Some(Content::File(list)) = options.content.as_ref().filter(|_| !listed) {
        content::apply(&mut manifest, list)?;
    }
    if !options.labels_only {
        let place = |path: &str| {
            let label = paths.iter().position(|known| known == path).unwrap_or_default();
            labels.places.of(label)
        };
        let (folder, known) = (labels.folder.as_deref(), labels.known.as_slice());
        let wanted = Wanted { layouts: set.layouts, folder, known, place: &place };
        files.locate(&mut manifest, &wanted, options)?;
    }
    check::note_parted_contents(&mut manifest);
    Ok(manifest)
}
