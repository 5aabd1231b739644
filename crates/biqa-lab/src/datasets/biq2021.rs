//! `biq2021`: BIQ2021 (`papers/datasets.md`, 2.14).
//!
//! The release holds `Images/` and two lists, `Train (Images and MOS).csv` and `Test (...)`. Its
//! official split parts pictures of one scene, so biqa's own models use `content = file:PATH`, a
//! list `path,content,split` (with or without scores) that replaces content and split.

use super::check::{Release, Scores};
use super::content::FROM_LIST;
use super::files::{Files, Layout, as_listed, name_of};
use super::labels::{Label, LabelFile, List, foreign};
use super::manifest::{Direction, Row, Split};
use super::options::Content;
use super::prepare::Preparation;
use super::registry::Set;
use super::released::{has_columns, released};
use super::table::Table;
use super::{DatasetError, Options};
use std::path::{Path, PathBuf};

pub(super) static SET: Set = Set {
    key: "biq2021",
    aliases: &["BIQ2021"],
    what: "12000 photographs, as they are and processed",
    citation: "ahmed2022biq2021",
    direction: Direction::Mos,
    range: [0.0, 1.0],
    images: 12_000,
    content_unit: "image",
    official_split: Some("10000 train, 2000 test; 118 photographs stand in both twice"),
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[],
    release: Release {
        rows: 12_000,
        contents: 12_000,
        scores: Some(Scores { min: 0.0, max: 1.0, mean: 0.643458 }),
    },
    example: "ss01 (1).jpg",
    marks: &[&["Train (Images and MOS).csv", "Test (Images and MOS).csv"], &["Images", OWN_LIST]],
    layouts: &[Layout { is: "Images/<name>", places: as_listed }],
    read,
};

/// The two official lists.
const LISTS: [(&str, Split); 2] =
    [("Train (Images and MOS).csv", Split::Train), ("Test (Images and MOS).csv", Split::Test)];

/// A content list that some copies of the set carry in their root.
const OWN_LIST: &str = "labels.csv";

/// The official lists, or, where they lack, a part of the set that carries scores in its list.
fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let like = |bytes: &[u8]| has_columns(bytes, &["image name", "mos"]);
    let named = options.list.is_some();
    if let Some(file) = released(files, options, &LISTS.map(|(name, _)| name), like)? {
        // The other list lies beside the one that was named.
        let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
        if let Some(list) = official(official_lists(&mut Files::new(&folder))?)? {
            return list.into_labels(&SET, describe);
        }
        if named {
            let list = List::of_table(&Table::read(&file)?, "image name", "mos")?;
            return list.into_labels(&SET, describe);
        }
    } else if let Some(list) = foreign(files, options, &[])? {
        return list.into_labels(&SET, describe);
    }
    let list = match &options.content {
        Some(Content::File(file)) => Some(file.clone()),
        _ => files.first(&[OWN_LIST])?,
    };
    let Some(file) = list else {
        let expected = "Images/ with \"Train (Images and MOS).csv\" and \"Test (Images and \
                        MOS).csv\", or a list with scores (`content = file:PATH`)";
        return Err(SET.no_labels(files, expected));
    };
    let table = Table::read(&file)?;
    if table.column(&["score", "mos"]).is_none() {
        // A list of contents and parts alone: the scores are the release's.
        let expected = "\"Train (Images and MOS).csv\" and \"Test (Images and MOS).csv\", which \
                        hold the scores (the list given as content has none; one with a \
                        column score would do)";
        return Err(SET.no_labels(files, expected));
    }
    let mut labels = super::own::labels(&table, SET.direction, SET.range)?;
    labels.notes.push(format!(
        "scores, {FROM_LIST}{}; the official lists are not there, so the release was not checked",
        file.display()
    ));
    Ok(labels)
}

/// The rows of the two official lists.
fn official(lists: Option<Vec<(PathBuf, Split)>>) -> Result<Option<List>, DatasetError> {
    let mut read = Vec::new();
    for (file, split) in lists.into_iter().flatten() {
        let mut list = List::of_table(&Table::read(&file)?, "image name", "mos")?;
        list.labels.iter_mut().for_each(|label| label.split = Some(split));
        read.push(list);
    }
    Ok(read.into_iter().reduce(List::and))
}

/// The two official lists; `None` unless both are there.
fn official_lists(files: &mut Files) -> Result<Option<Vec<(PathBuf, Split)>>, DatasetError> {
    let mut found = Vec::new();
    for (name, split) in LISTS {
        match files.first(&[name])? {
            Some(file) => found.push((file, split)),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

fn describe(label: &Label) -> Option<Row> {
    let name = name_of(&label.name);
    super::files::is_picture(name).then(|| label.own_content(format!("Images/{name}")))
}
