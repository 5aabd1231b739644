//! `kadid10k`: KADID-10k (`papers/datasets.md`, 2.4).
//!
//! The column of scores is named `dmos` and holds a MOS: high is good. The column `var` is a
//! variance, also where it is called `std`.

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed, name_of};
use super::labels::{Label, LabelFile, List, foreign};
use super::lists::{Form, Separator};
use super::manifest::{Direction, Row, stem};
use super::prepare::Preparation;
use super::registry::Set;
use super::released::{has_columns, is_name_and_number, released};
use super::table::Table;
use super::{DatasetError, Options};
use std::collections::BTreeSet;
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "kadid10k",
    aliases: &["KADID-10k", "KADID"],
    what: "10125 copies of 81 photographs, 25 distortions at 5 levels",
    citation: "lin2019kadid",
    direction: Direction::Mos,
    range: [1.0, 5.0],
    images: 10_125,
    content_unit: "reference",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[],
    release: Release {
        rows: 10_125,
        contents: 81,
        scores: Some(Scores { min: 1.0, max: 4.93, mean: 3.032633 }),
    },
    example: "I01_01_01.png",
    marks: &[
        &["images", "dmos.csv"],
        &["distorted_images", "dmos.csv"],
        &["dmos.csv"],
        &["kadid10k_dmos.csv"],
        &["kadid10k_label.txt"],
        &["kadid10k_all.txt"],
        &["KADID-10K.txt"],
        &["meta_info_KADID10kDataset.csv"],
    ],
    layouts: &[
        Layout { is: "images/<name>", places: as_listed },
        Layout { is: "distorted_images/<name>", places: split_form },
    ],
    read,
};

fn split_form(path: &str) -> Vec<String> {
    vec![format!("distorted_images/{}", name_of(path))]
}

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let tables = ["dmos.csv", "kadid10k_dmos.csv"];
    let like = |bytes: &[u8]| has_columns(bytes, &["dist_img", "dmos"]);
    if let Some(file) = released(files, options, &tables, like)? {
        return with_references(of_table(&file)?);
    }
    let like = |bytes: &[u8]| is_name_and_number(bytes, ',');
    if let Some(file) = released(files, options, &["kadid10k_label.txt"], like)? {
        return with_references(List::plain(&file, Separator::Comma, &["name", "score"])?);
    }
    let names =
        ["KADID-10K.txt", "KADID10K.txt", "kadid10k_all.txt", "meta_info_KADID10kDataset.csv"];
    if let Some(mut list) = foreign(files, options, &names)? {
        if list.form == Some(Form::Pyiqa) {
            // Its column `std` holds the variance of `dmos.csv`, unrooted.
            for label in &mut list.labels {
                label.spread = label.spread.map(f64::sqrt);
            }
        }
        return with_references(list);
    }
    Err(SET.no_labels(files, "dmos.csv or kadid10k_label.txt"))
}

/// The references lie among the distorted pictures in the released form.
fn with_references(list: List) -> Result<LabelFile, DatasetError> {
    let mut labels = list.into_labels(&SET, describe)?;
    let contents: BTreeSet<&String> = labels.rows.iter().map(|row| &row.content).collect();
    labels.known = contents.into_iter().map(|content| format!("images/{content}.png")).collect();
    Ok(labels)
}

/// `dmos.csv`, with its columns in any order and with or without `var`.
fn of_table(file: &Path) -> Result<List, DatasetError> {
    let table = Table::read(file)?;
    let mut list = List::of_table(&table, "dist_img", "dmos")?;
    let reference = table.column(&["ref_img"]);
    let variance = table.column(&["var"]);
    for (label, record) in list.labels.iter_mut().zip(&table.records) {
        label.reference = record.optional(reference).map(str::to_owned);
        if let (Some(column), Some(text)) = (variance, record.optional(variance)) {
            let variance = table.number(record, column)?;
            if variance < 0.0 {
                return Err(table.bad(record, column, text, "a variance, 0 or more"));
            }
            label.spread = Some(variance.sqrt());
        }
    }
    Ok(list)
}

/// Reference, type and level out of the picture's name, `IRR_TT_LL.png`.
fn describe(label: &Label) -> Option<Row> {
    let name = name_of(&label.name);
    let parts: Vec<&str> = stem(name).split('_').collect();
    let [reference, kind, level] = parts.as_slice() else { return None };
    let two_digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    let named = reference.starts_with(['I', 'i']) && reference.get(1..).is_some_and(two_digits);
    if !(named && two_digits(kind) && two_digits(level)) {
        return None;
    }
    let content = label.reference.as_deref().map_or(*reference, |path| stem(path));
    let row = label.row(format!("images/{name}"), content.to_owned());
    Some(Row { kind: (*kind).to_owned(), level: level.parse().ok(), ..row })
}
