//! `pipal`: PIPAL, the parts whose scores are public (`papers/datasets.md`, 2.11).
//!
//! Scores are Elo numbers, higher is better. The training part is the set; the validation part, 25
//! other references, is loaded by `labels = "val"`.

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed, name_of};
use super::labels::{Label, LabelFile, List, foreign};
use super::lists::Separator;
use super::manifest::{Direction, Row, Split};
use super::options::LabelForm;
use super::prepare::Preparation;
use super::registry::Set;
use super::{DatasetError, Options};

pub(super) static SET: Set = Set {
    key: "pipal",
    aliases: &["PIPAL"],
    what: "23200 restored and distorted copies of 200 patches",
    citation: "gu2020pipal",
    direction: Direction::Mos,
    range: [916.7136, 1835.9856],
    images: 23_200,
    content_unit: "reference",
    official_split: Some("train, val and test have references of their own"),
    preparations: &[Preparation::None],
    labels: &[LabelForm::Train, LabelForm::Val],
    contents: &[],
    release: Release {
        rows: 23_200,
        contents: 200,
        scores: Some(Scores { min: 916.7136, max: 1835.9856, mean: 1448.959587 }),
    },
    example: "A0001_00_00.bmp",
    marks: &[
        &["Train_Label", "Train_Ref"],
        &["Train_Label"],
        &["Train_Dist"],
        &["pipal22_train.txt"],
        &["pipal21_val.txt"],
        &["meta_info_PIPALDataset.csv"],
    ],
    layouts: &[
        Layout { is: "Train_Dist/<name>", places: as_listed },
        Layout { is: "Distortion_1/<name> to Distortion_4/<name>", places: in_four },
        Layout { is: "Dist_Imgs/<name>", places: in_one },
        Layout { is: "Val_Dist/<name>", places: validation },
    ],
    read,
};

/// The validation part: other references, the scale of the training part.
const VAL: Release = Release {
    rows: 1000,
    contents: 25,
    scores: Some(Scores { min: 868.2988, max: 1857.0, mean: 1440.992577 }),
};

/// The labels of the release: a file a reference in this folder.
const FOLDER: &str = "Train_Label";

// Which of the four folders holds a picture can't be told from its name.
fn in_four(path: &str) -> Vec<String> {
    (1..=4).map(|i| format!("Distortion_{i}/{}", name_of(path))).collect()
}

fn in_one(path: &str) -> Vec<String> {
    vec![format!("Dist_Imgs/{}", name_of(path))]
}

fn validation(path: &str) -> Vec<String> {
    vec![format!("Val_Dist/{}", name_of(path))]
}

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let val = SET.form(options) == Some(LabelForm::Val);
    let split = if val { Split::Val } else { Split::Train };
    let mut labels = list(files, options, val)?
        .into_labels(&SET, |label| Some(Row { split: Some(split), ..describe(label)? }))?;
    if val {
        labels.release = Some(VAL);
    }
    Ok(labels)
}

fn list(files: &mut Files, options: &Options, val: bool) -> Result<List, DatasetError> {
    let name = if val { "pipal21_val.txt" } else { "pipal22_train.txt" };
    if options.list.is_none() {
        if !val && let Some(list) = of_folder(files)? {
            return Ok(list);
        }
        if let Some(file) = files.first(&[name])? {
            return List::plain(&file, Separator::Comma, &["name", "score"]);
        }
    }
    if !val && let Some(list) = foreign(files, options, &["meta_info_PIPALDataset.csv"])? {
        return Ok(list);
    }
    Err(SET.no_labels(files, &format!("{FOLDER}/*.txt (training part) or {name}")))
}

/// The files of `Train_Label/` in the order of their names; `None` when there is none.
fn of_folder(files: &mut Files) -> Result<Option<List>, DatasetError> {
    let Some(folder) = files.find(FOLDER)? else { return Ok(None) };
    let mut labels = Vec::new();
    for name in files.names(&folder).iter().filter(|name| name.to_lowercase().ends_with(".txt")) {
        let file = files.root().join(&folder).join(name);
        labels.extend(List::plain(&file, Separator::Comma, &["name", "score"])?.labels);
    }
    if labels.is_empty() {
        return Ok(None);
    }
    // Lines count over all files: a name is in the file of its reference.
    for (line, label) in (1..).zip(&mut labels) {
        label.line = line;
    }
    Ok(Some(List::of_release(&files.root().join(folder), "row", labels)))
}

/// Reference, distortion group and index out of the picture's name, `A0001_00_00.bmp`.
fn describe(label: &Label) -> Option<Row> {
    let name = name_of(&label.name);
    let (stem, ending) = name.rsplit_once('.')?;
    let parts: Vec<&str> = stem.split('_').collect();
    let [reference, group, index] = parts.as_slice() else { return None };
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !(digits(group) && digits(index) && ending.eq_ignore_ascii_case("bmp")) {
        return None;
    }
    let row = label.row(format!("Train_Dist/{name}"), (*reference).to_owned());
    Some(Row { kind: (*group).to_owned(), ..row })
}
