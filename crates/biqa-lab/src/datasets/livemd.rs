//! `livemd`: LIVE Multiply Distorted (`papers/datasets.md`, 2.13).
//!
//! Two parts with lists of their own. The pictures with blur alone stand in both under one name, with
//! different scores: the part belongs to the path.

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed};
use super::formats::mat::read_mat;
use super::labels::{Label, LabelFile, List, foreign, read_bytes};
use super::lists::Form;
use super::manifest::{Direction, Row};
use super::prepare::Preparation;
use super::registry::Set;
use super::{DatasetError, Options};
use std::collections::BTreeSet;
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "livemd",
    aliases: &["LIVE-MD", "LIVE multiply distorted", "LIVEmultidistortiondatabase"],
    what: "450 copies of 15 photographs, two distortions each",
    citation: "jayaraman2012objective",
    direction: Direction::Dmos,
    range: [1.0, 100.0],
    images: 450,
    content_unit: "reference",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[],
    release: Release {
        rows: 450,
        contents: 15,
        scores: Some(Scores { min: 0.61111, max: 84.6667, mean: 47.579740 }),
    },
    example: "Part 1/blurjpeg/babygirl_blur1_jpeg2.bmp",
    marks: &[
        &["Part 1/Scores.mat", "Part 2/Scores.mat"],
        &["Part_1/Scores.mat", "Part_2/Scores.mat"],
        &["To_Release"],
        &["LIVE_MD.txt"],
        &["meta_info_LIVEMDDataset.csv"],
    ],
    layouts: &[
        Layout { is: "Part 1/blurjpeg/<name>, Part 2/blurnoise/<name>", places: as_listed },
        Layout { is: "Part_1/blurjpeg/<name>", places: underscored },
        Layout { is: "To_Release/Part_1/blurjpeg/<name>", places: to_release },
    ],
    read,
};

/// The parts and the folder of each.
const PARTS: [(u32, &str); 2] = [(1, "blurjpeg"), (2, "blurnoise")];

fn underscored(path: &str) -> Vec<String> {
    vec![path.replacen("Part ", "Part_", 1)]
}

fn to_release(path: &str) -> Vec<String> {
    vec![format!("To_Release/{}", path.replacen("Part ", "Part_", 1)), format!("To_Release/{path}")]
}

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let list = match release(files)?.filter(|_| options.list.is_none()) {
        Some(list) => list,
        None => match foreign(files, options, &["LIVE_MD.txt", "meta_info_LIVEMDDataset.csv"])? {
            Some(list) if list.form == Some(Form::Liqe) => {
                let reason = "how its scores were turned round is not known; take Scores.mat, or \
                              LIVE_MD.txt";
                let (file, reason) = (list.into_file(), reason.to_owned());
                return Err(DatasetError::Refused { file, reason });
            }
            Some(list) => list,
            None => {
                let expected = "Imagelists.mat and Scores.mat in `Part 1` and `Part 2`";
                return Err(SET.no_labels(files, expected));
            }
        },
    };
    let mut labels = list.into_labels(&SET, describe)?;
    // The references lie in the folders of their copies.
    let references: BTreeSet<String> = labels
        .rows
        .iter()
        .filter_map(|row| Some(format!("{}/{}.bmp", row.path.rsplit_once('/')?.0, row.content)))
        .collect();
    labels.known = references.into_iter().collect();
    Ok(labels)
}

/// Both parts, or `None`.
fn release(files: &mut Files) -> Result<Option<List>, DatasetError> {
    let mut lists = Vec::new();
    for (part, folder) in PARTS {
        let places = ["Part ", "Part_", "To_Release/Part_", "To_Release/Part "];
        let place = |name: &str| places.map(|place| format!("{place}{part}/{name}"));
        let names = place("Imagelists.mat");
        let scores = place("Scores.mat");
        let names = files.first(&names.each_ref().map(String::as_str))?;
        let scores = files.first(&scores.each_ref().map(String::as_str))?;
        let (Some(names), Some(scores)) = (names, scores) else { return Ok(None) };
        let labels = (1..).zip(part_of(&names, &scores)?).map(|(row, (name, score))| {
            Label::new(row, format!("Part {part}/{folder}/{name}"), score)
        });
        lists.push(List::of_release(&scores, "row", labels.collect()));
    }
    lists.into_iter().reduce(List::and).map(List::finite).transpose()
}

fn part_of(names: &Path, scores: &Path) -> Result<Vec<(String, f64)>, DatasetError> {
    let texts = read_mat(&read_bytes(names)?, &names.to_string_lossy())?.texts("distimgs")?;
    let numbers = read_mat(&read_bytes(scores)?, &scores.to_string_lossy())?;
    let numbers = &numbers.numbers("DMOSscores")?.data;
    if numbers.len() != texts.len() {
        return Err(DatasetError::Lengths {
            file: scores.to_path_buf(),
            what: "scores",
            found: numbers.len(),
            other: names.display().to_string(),
            expected: texts.len(),
        });
    }
    Ok(texts.into_iter().map(|text| text.trim().to_owned()).zip(numbers.iter().copied()).collect())
}

/// Part, folder and name are the end of every path; the reference is the text before the first `_`.
fn describe(label: &Label) -> Option<Row> {
    let parts: Vec<&str> = label.name.rsplit('/').take(3).collect();
    let [name, folder, part] = parts.as_slice() else { return None };
    let part = part.strip_prefix("Part")?.trim_start_matches([' ', '_']).parse::<u32>().ok()?;
    let (part, folder) = PARTS
        .iter()
        .find(|(number, known)| *number == part && known.eq_ignore_ascii_case(folder))?;
    let (reference, _) = name.split_once('_')?;
    let row = label.row(format!("Part {part}/{folder}/{name}"), reference.to_owned());
    Some(Row { kind: (*folder).to_owned(), ..row })
}
