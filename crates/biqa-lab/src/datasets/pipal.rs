//! `pipal`: PIPAL, the parts whose scores are public (`papers/datasets.md`, 2.11).
//!
//! Scores are Elo numbers, higher is better. The training part is the set; the validation part, 25
//! other references, is loaded by `labels = "val"`. With `labels = "both"` the one is to learn from
//! and the other to test on, since the labels of the real test part are not public.

use super::check::{Release, Scores};
use super::files::{Files, Layout, name_of};
use super::labels::{Label, LabelFile, List, foreign};
use super::lists::Separator;
use super::manifest::{Direction, Row, Split};
use super::options::LabelForm;
use super::prepare::Preparation;
use super::registry::Set;
use super::released::{is_name_and_number, released};
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
    official_split: Some(
        "with `labels = both`, 200 references train and the 25 of pipal21_val.txt test; the labels \
         of the real test part are not public",
    ),
    preparations: &[Preparation::None],
    labels: &[LabelForm::Train, LabelForm::Val, LabelForm::Both],
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
        Layout { is: "Train_Dist/<name> (Val_Dist/<name>)", places: in_part },
        Layout { is: "Distortion_1/<name> to Distortion_4/<name>", places: in_four },
        Layout { is: "Dist_Imgs/<name>", places: in_one },
    ],
    read,
};

/// The validation part: other references, the scale of the training part.
const VAL: Release = Release {
    rows: 1000,
    contents: 25,
    scores: Some(Scores { min: 868.2988, max: 1857.0, mean: 1440.992577 }),
};

/// The labels of the release: a file a reference in this folder; and the lists of the two parts.
const FOLDER: &str = "Train_Label";
const TRAIN_LIST: &str = "pipal22_train.txt";
const VAL_LIST: &str = "pipal21_val.txt";

/// The folder of the validation part, whatever the training part lies in.
const VAL_FOLDER: &str = "Val_Dist/";

fn in_part(path: &str) -> Vec<String> {
    vec![path.to_owned(), format!("Train_Dist/{}", name_of(path))]
}

// Which of the four folders holds a picture can't be told from its name.
fn in_four(path: &str) -> Vec<String> {
    let four = (1..=4).map(|i| format!("Distortion_{i}/{}", name_of(path)));
    four.chain(validation(path)).collect()
}

fn in_one(path: &str) -> Vec<String> {
    std::iter::once(format!("Dist_Imgs/{}", name_of(path))).chain(validation(path)).collect()
}

fn validation(path: &str) -> Option<String> {
    path.starts_with(VAL_FOLDER).then(|| path.to_owned())
}

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let form = SET.form(options);
    let list = match form {
        Some(LabelForm::Val) => part(files, options, Split::Val)?,
        Some(LabelForm::Both) => both(files, options)?,
        _ => part(files, options, Split::Train)?,
    };
    let mut labels = list.into_labels(&SET, describe)?;
    match form {
        Some(LabelForm::Val) => labels.release = Some(VAL),
        Some(LabelForm::Both) => {
            let (rows, contents) = (SET.images + VAL.rows, SET.release.contents + VAL.contents);
            labels.release = Some(Release { rows, contents, scores: None });
            labels.notes.push(format!(
                "labels = both: the test part is the validation part of the release ({VAL_LIST}); \
                 the labels of its real test part are not public"
            ));
        }
        _ => {}
    }
    Ok(labels)
}

/// The training part, and the validation part to test on.
fn both(files: &mut Files, options: &Options) -> Result<List, DatasetError> {
    let train = part(files, options, Split::Train)?;
    let in_root = Options { list: None, ..options.clone() };
    let mut val = part(files, &in_root, Split::Val)?;
    val.labels.iter_mut().for_each(|label| label.split = Some(Split::Test));
    Ok(train.and(val))
}

/// The labels of one part.
fn part(files: &mut Files, options: &Options, part: Split) -> Result<List, DatasetError> {
    let (name, lists): (_, &[&str]) = match part {
        Split::Train => (TRAIN_LIST, &["meta_info_PIPALDataset.csv"]),
        _ => (VAL_LIST, &[]),
    };
    let folder =
        if options.list.is_none() && part == Split::Train { of_folder(files)? } else { None };
    let like = |bytes: &[u8]| is_name_and_number(bytes, ',');
    let mut list = if let Some(list) = folder {
        list
    } else if let Some(file) = released(files, options, &[name], like)? {
        List::plain(&file, Separator::Comma, &["name", "score"])?
    } else if let Some(list) = foreign(files, options, lists)? {
        list
    } else {
        let expected = match part {
            Split::Train => format!("{FOLDER}/*.txt or {TRAIN_LIST}"),
            _ => format!("{VAL_LIST} (the validation part)"),
        };
        return Err(SET.no_labels(files, &expected));
    };
    for label in &mut list.labels {
        // A list of others may bring an official split of its own.
        label.split = label.split.or(Some(part));
        if part == Split::Val {
            label.name = format!("{VAL_FOLDER}{}", name_of(&label.name));
        }
    }
    Ok(list)
}

/// The files of `Train_Label/` in the order of their names; `None` when there is none.
fn of_folder(files: &mut Files) -> Result<Option<List>, DatasetError> {
    let Some(folder) = files.find(FOLDER)? else { return Ok(None) };
    let mut lists = Vec::new();
    for name in files.names(&folder).iter().filter(|name| name.to_lowercase().ends_with(".txt")) {
        let file = files.root().join(&folder).join(name);
        lists.push(List::plain(&file, Separator::Comma, &["name", "score"])?);
    }
    Ok(lists.into_iter().reduce(List::and).filter(|list| !list.labels.is_empty()))
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
    let folder = if label.name.starts_with(VAL_FOLDER) { VAL_FOLDER } else { "Train_Dist/" };
    let row = label.row(format!("{folder}{name}"), (*reference).to_owned());
    Some(Row { kind: (*group).to_owned(), ..row })
}
