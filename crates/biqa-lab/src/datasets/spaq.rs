//! `spaq`: SPAQ (`papers/datasets.md`, 2.8).
//!
//! A spreadsheet with one row a picture. Pictures run to 24 megapixels, so people keep a resized copy
//! beside them.

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed, name_of};
use super::formats::sheet::read_sheet;
use super::labels::{Label, LabelFile, List, foreign, read_bytes};
use super::manifest::{Direction, Row};
use super::prepare::Preparation;
use super::registry::Set;
use super::released::{is_spreadsheet, released};
use super::{DatasetError, Options};
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "spaq",
    aliases: &["SPAQ"],
    what: "11125 photographs from 66 smartphones, as they are",
    citation: "fang2020perceptual",
    direction: Direction::Mos,
    range: [1.0, 100.0],
    images: 11_125,
    content_unit: "image",
    official_split: None,
    preparations: &[Preparation::Short512, Preparation::Released, Preparation::None],
    labels: &[],
    contents: &[],
    release: Release {
        rows: 11_125,
        contents: 11_125,
        scores: Some(Scores { min: 2.0, max: 96.0, mean: 50.317889 }),
    },
    example: "00001.jpg",
    marks: &[
        &["TestImage", "Annotations"],
        &[SHEET],
        &["Annotations"],
        &["SPAQ.txt"],
        &["meta_info_SPAQDataset.csv"],
    ],
    layouts: &[
        Layout { is: "TestImage/<name>", places: as_listed },
        Layout { is: "Dataset/TestImage/<name>", places: nested },
        Layout { is: "512x384/<name>", places: resized },
    ],
    read,
};

const SHEET: &str = "Annotations/MOS and Image attribute scores.xlsx";

fn nested(path: &str) -> Vec<String> {
    vec![format!("Dataset/{path}")]
}

fn resized(path: &str) -> Vec<String> {
    vec![format!("512x384/{}", name_of(path))]
}

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let sheets = [SHEET, "MOS and Image attribute scores.xlsx"];
    if let Some(file) = released(files, options, &sheets, is_spreadsheet)? {
        return of_spreadsheet(&file)?.into_labels(&SET, describe);
    }
    match foreign(files, options, &["SPAQ.txt", "meta_info_SPAQDataset.csv"])? {
        Some(list) => list.into_labels(&SET, describe),
        None => Err(SET.no_labels(files, &format!("{SHEET}, or SPAQ.txt"))),
    }
}

fn of_spreadsheet(file: &Path) -> Result<List, DatasetError> {
    let sheet = read_sheet(&read_bytes(file)?, &file.to_string_lossy(), None)?;
    let columns = sheet.columns_by_header(&["Image name", "MOS"])?;
    let label = |row| {
        let name = sheet.text(row, columns.columns[0])?;
        Ok(Label::new(u64::from(row) + 1, name, sheet.number(row, columns.columns[1])?))
    };
    let labels = sheet.rows_below(&columns).map(label).collect::<Result<_, DatasetError>>()?;
    Ok(List::of_release(file, "row", labels))
}

fn describe(label: &Label) -> Option<Row> {
    let name = name_of(&label.name);
    let (number, ending) = name.rsplit_once('.')?;
    let digits = number.len() == 5 && number.bytes().all(|byte| byte.is_ascii_digit());
    let good = digits && ending.eq_ignore_ascii_case("jpg");
    good.then(|| label.own_content(format!("TestImage/{name}")))
}
