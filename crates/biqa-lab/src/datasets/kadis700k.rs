//! `kadis700k`: the pristine pictures of KADIS-700k (`papers/datasets.md`, 2.15).
//!
//! They have no labels and are for pretraining; rows come in the order of the names' bytes.

use super::check::Release;
use super::error::counted;
use super::files::{Files, Layout, as_listed};
use super::labels::{Label, LabelFile, List};
use super::manifest::Direction;
use super::prepare::Preparation;
use super::registry::Set;
use super::{DatasetError, Options};

pub(super) static SET: Set = Set {
    key: "kadis700k",
    aliases: &["KADIS-700k", "KADIS"],
    what: "140000 pristine pictures without labels",
    citation: "lin2020deepfl",
    direction: Direction::Mos,
    range: [0.0, 1.0],
    images: 140_000,
    content_unit: "image",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[],
    release: Release { rows: 140_000, contents: 140_000, scores: None },
    example: "ref_imgs/a.png",
    marks: &[&["ref_imgs"], &["kadis700k_ref_imgs.csv"]],
    layouts: &[Layout { is: "ref_imgs/<name>.png", places: as_listed }],
    read,
};

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    if !options.unlabelled {
        return Err(DatasetError::OptionNeeded {
            dataset: SET.key,
            option: "unlabelled",
            why: "it has no labels: nothing can be trained on scores or evaluated with it",
        });
    }
    let Some(folder) = files.find("ref_imgs")? else {
        return Err(SET.no_labels(files, "ref_imgs/*.png"));
    };
    let names = files.names(&folder);
    let labels = (1..).zip(names.into_iter().filter(|name| is_png(name)));
    let labels = labels.map(|(line, name)| Label::new(line, format!("{folder}/{name}"), f64::NAN));
    let list = List::of_release(&files.root().join(&folder), "row", labels.collect());
    let mut labels = list.into_labels(&SET, |label| Some(label.own_content(label.name.clone())))?;
    let found = labels.rows.len();
    // The number is common knowledge only: no reason to refuse a folder.
    labels.release = None;
    if found != SET.images {
        labels.notes.push(format!("{}, {} are expected", counted(found, "picture"), SET.images));
    }
    Ok(labels)
}

/// The pristine pictures are PNG; whatever else lies beside them is somebody's own.
fn is_png(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("png"))
}
