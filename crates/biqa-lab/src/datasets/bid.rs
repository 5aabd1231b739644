//! `bid`: BID, the blurred image database (`papers/datasets.md`, 2.9).
//!
//! A spreadsheet, mostly in the old binary form, with every single grade. The score is its second column, which is
//! not the mean of the grades in seven rows.

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed, name_of};
use super::formats::sheet::{Cell, Sheet, read_sheet};
use super::labels::{Label, LabelFile, List, foreign, read_bytes};
use super::manifest::{Direction, Row, stem};
use super::prepare::Preparation;
use super::registry::Set;
use super::released::{is_spreadsheet, released};
use super::{DatasetError, Options};
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "bid",
    aliases: &["BID2011"],
    what: "586 photographs with realistic blur",
    citation: "ciancio2011no",
    direction: Direction::Mos,
    range: [0.0, 5.0],
    images: 586,
    content_unit: "image",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[],
    release: Release {
        rows: 586,
        contents: 586,
        scores: Some(Scores { min: 0.163806, max: 4.919752, mean: 2.952711 }),
    },
    example: "DatabaseImage0001.JPG",
    marks: &[
        &["ImageDatabase", "DatabaseGrades.xls"],
        &["ImageDatabase", "DatabaseGrades.xlsx"],
        &["DatabaseGrades.xls"],
        &["DatabaseGrades.xlsx"],
        &["bid_all.txt"],
        &["meta_info_BIDDataset.csv"],
    ],
    layouts: &[
        Layout { is: "ImageDatabase/<name>", places: as_listed },
        Layout { is: "<name>", places: at_root },
    ],
    read,
};

/// Columns `Grade #1` to `Grade #20`.
const GRADES: u32 = 20;

fn at_root(path: &str) -> Vec<String> {
    vec![name_of(path).to_owned()]
}

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let sheets = ["DatabaseGrades.xls", "DatabaseGrades.xlsx"];
    if let Some(file) = released(files, options, &sheets, is_spreadsheet)? {
        return of_spreadsheet(&file)?.into_labels(&SET, describe);
    }
    match foreign(files, options, &["bid_all.txt", "BID.txt", "meta_info_BIDDataset.csv"])? {
        Some(list) => list.into_labels(&SET, describe),
        None => Err(SET.no_labels(files, "DatabaseGrades.xls, DatabaseGrades.xlsx or bid_all.txt")),
    }
}

fn of_spreadsheet(file: &Path) -> Result<List, DatasetError> {
    let sheet = read_sheet(&read_bytes(file)?, &file.to_string_lossy(), None)?;
    let columns =
        sheet.columns_by_header(&["Image Number", "Average Subjective Grade", "Grade #1"])?;
    let label = |row| {
        let number = sheet.number(row, columns.columns[0])?;
        let name = format!("DatabaseImage{number:04}.JPG");
        let score = sheet.number(row, columns.columns[1])?;
        let spread = deviation(&grades(&sheet, row, columns.columns[2])?);
        Ok(Label { spread, ..Label::new(u64::from(row) + 1, name, score) })
    };
    let labels = sheet.rows_below(&columns).map(label).collect::<Result<_, DatasetError>>()?;
    Ok(List::of_release(file, "row", labels))
}

/// The grades that are present; 0 is one.
fn grades(sheet: &Sheet, row: u32, first: u32) -> Result<Vec<f64>, DatasetError> {
    let present = (first..first + GRADES).filter(|&c| *sheet.cell(row, c) != Cell::Empty);
    present.map(|column| Ok(sheet.number(row, column)?)).collect()
}

/// The sample standard deviation (n - 1); none of fewer than two grades.
fn deviation(grades: &[f64]) -> Option<f64> {
    let n = grades.len() as f64;
    let mean = grades.iter().sum::<f64>() / n;
    let squares = grades.iter().map(|grade| (grade - mean).powi(2)).sum::<f64>();
    (grades.len() > 1).then(|| (squares / (n - 1.0)).sqrt())
}

fn describe(label: &Label) -> Option<Row> {
    let name = name_of(&label.name);
    let number = stem(name).strip_prefix("DatabaseImage")?;
    let digits = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| label.own_content(format!("ImageDatabase/{name}")))
}
