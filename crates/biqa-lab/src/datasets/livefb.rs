//! `livefb`: LIVE-FB, also FLIVE and PaQ-2-PiQ (`papers/datasets.md`, 2.7).
//!
//! The whole pictures; the patches cut from them are not loaded. The official test part is the list
//! `labels640.csv`; whether a run uses it is the runner's choice.

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed, name_of};
use super::labels::{Label, LabelFile, List, foreign};
use super::manifest::{Direction, Row, Split};
use super::prepare::Preparation;
use super::registry::Set;
use super::released::{has_columns, released};
use super::table::Table;
use super::{DatasetError, Options};
use std::collections::HashMap;

pub(super) static SET: Set = Set {
    key: "livefb",
    aliases: &["LIVE-FB", "FLIVE", "PaQ-2-PiQ", "FLIVE_Database"],
    what: "39810 pictures from the net, as they are",
    citation: "ying2020patches",
    direction: Direction::Mos,
    range: [0.0, 100.0],
    images: 39_810,
    content_unit: "picture",
    official_split: Some("test: the 1827 pictures of labels640.csv; the rest is train and val"),
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[],
    release: Release {
        rows: 39_810,
        contents: 39_810,
        scores: Some(Scores { min: 0.0, max: 94.333234, mean: 72.132465 }),
    },
    example: "voc_emotic_ava/VOC2012__2011_003411.jpg",
    marks: &[
        &["voc_emotic_ava", "labels_image.csv"],
        &["database/voc_emotic_ava"],
        &["labels_image.csv"],
        &["database/labels_image.csv"],
        &["meta_info_FLIVEDataset.csv"],
    ],
    layouts: &[
        Layout { is: "<folder>/<name>", places: as_listed },
        Layout { is: "database/<folder>/<name>", places: in_database },
        Layout { is: "<name>, all in one folder", places: flat },
    ],
    read,
};

const FOLDERS: [&str; 3] = ["voc_emotic_ava", "blur_dataset", "EE371R"];

fn in_database(path: &str) -> Vec<String> {
    vec![format!("database/{path}")]
}

fn flat(path: &str) -> Vec<String> {
    vec![name_of(path).to_owned(), format!("FLIVE/{}", name_of(path))]
}

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let tables = ["labels_image.csv", "database/labels_image.csv"];
    let like = |bytes: &[u8]| has_columns(bytes, &["name", "mos"]);
    if let Some(file) = released(files, options, &tables, like)? {
        let list = List::of_table(&Table::read(&file)?, "name", "mos")?;
        let mut labels = list.into_labels(&SET, describe)?;
        add_splits(&mut labels, files)?;
        return Ok(labels);
    }
    match foreign(files, options, &["meta_info_FLIVEDataset.csv", "FLIVE.txt"])? {
        Some(list) => list.into_labels(&SET, describe),
        None => Err(SET.no_labels(files, "labels_image.csv")),
    }
}

/// Test from `labels640.csv`, validation from the rows of `labels=640_padded.csv` that say so, the
/// rest is for training. Without the first file there is no official split.
fn add_splits(labels: &mut LabelFile, files: &mut Files) -> Result<(), DatasetError> {
    let Some(test) = files.first(&["labels640.csv", "database/labels640.csv"])? else {
        return Ok(());
    };
    let mut rows: HashMap<String, usize> = HashMap::new();
    for (i, row) in labels.rows.iter_mut().enumerate() {
        row.split = Some(Split::Train);
        rows.insert(row.path.to_ascii_lowercase(), i);
    }
    let padded = ["labels=640_padded.csv", "database/labels=640_padded.csv"];
    match files.first(&padded)? {
        Some(file) => {
            let table = Table::read(&file)?;
            let name = table.required(&["name_image", "name"])?;
            let valid = table.required(&["is_valid"])?;
            for record in &table.records {
                let text = table.text(record, valid)?;
                match text.to_ascii_lowercase().as_str() {
                    "true" | "1" => mark(labels, &rows, &table, record, name, Split::Val)?,
                    "false" | "0" => {}
                    _ => return Err(table.bad(record, valid, text, "true or false")),
                }
            }
        }
        None => labels.notes.push(
            "the official split has no validation part: labels=640_padded.csv is not there"
                .to_owned(),
        ),
    }
    // Last: what is for testing is never trained or chosen on, whatever the other list says.
    let table = Table::read(&test)?;
    let name = table.required(&["name_image"])?;
    for record in &table.records {
        mark(labels, &rows, &table, record, name, Split::Test)?;
    }
    Ok(())
}

fn mark(
    labels: &mut LabelFile,
    rows: &HashMap<String, usize>,
    table: &Table,
    record: &super::table::Record,
    column: usize,
    split: Split,
) -> Result<(), DatasetError> {
    let path = table.text(record, column)?;
    let i = rows.get(&path.to_ascii_lowercase()).ok_or_else(|| DatasetError::NotLabelled {
        file: table.file.clone(),
        unit: table.unit,
        line: record.line,
        path: path.to_owned(),
    })?;
    labels.rows[*i].split = Some(split);
    Ok(())
}

/// A folder of the release and a name in it.
fn describe(label: &Label) -> Option<Row> {
    let (folders, name) = label.name.rsplit_once('/')?;
    let folder = name_of(folders);
    let folder = FOLDERS.iter().find(|known| known.eq_ignore_ascii_case(folder))?;
    Some(label.own_content(format!("{folder}/{name}")))
}
