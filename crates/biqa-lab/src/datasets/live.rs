//! `live`: LIVE Image Quality Assessment Database, release 2 (`papers/datasets.md`, 2.1).
//!
//! Scores, flags of the originals and names of the references are three variables of 982 columns: five
//! distortion folders one after the other, each by the number of its picture. A picture's name says
//! nothing about its content; the column does.

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed};
use super::formats::mat::read_mat;
use super::labels::{Label, LabelFile, List, foreign, read_bytes};
use super::lists::Form;
use super::manifest::{Direction, Row, stem};
use super::options::LabelForm;
use super::prepare::Preparation;
use super::registry::Set;
use super::released::{by_name, released};
use super::{DatasetError, Options};
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "live",
    aliases: &["LIVE", "LIVE release 2", "LIVE2005", "databaserelease2"],
    what: "779 copies of 29 photographs, five distortions",
    citation: "sheikh2006statistical",
    direction: Direction::Dmos,
    range: [1.0, 100.0],
    images: 779,
    content_unit: "reference",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[LabelForm::Realigned, LabelForm::Original],
    contents: &[],
    release: RELEASE,
    example: "jp2k/img1.bmp",
    marks: &[
        &["jp2k", "fastfading", "refnames_all.mat"],
        &["dmos_realigned.mat"],
        &["dmos.mat", "refnames_all.mat"],
        &["LIVE.txt"],
        &["live_all.txt"],
        &[META_INFO],
    ],
    layouts: &[Layout { is: "<type>/img<n>.bmp", places: as_listed_or_blur }],
    read,
};

const RELEASE: Release = Release {
    rows: 779,
    contents: 29,
    scores: Some(Scores { min: -2.640015, max: 111.774694, mean: 48.581246 }),
};

/// The folders in the order of the columns, and their pictures.
const FOLDERS: [(&str, usize); 5] =
    [("jp2k", 227), ("jpeg", 233), ("wn", 174), ("gblur", 174), ("fastfading", 174)];
const COLUMNS: usize = 982;
const ORIGINALS: usize = 203;

/// LIQE's lists hold this number minus the DMOS, in six decimals.
const FLIPPED_AT: f64 = 111.774694;
const FLIPPED_DECIMALS: f64 = 1e6;

const NAMES: &str = "refnames_all.mat";
/// pyiqa's list, which was made from `dmos.mat`.
const META_INFO: &str = "meta_info_LIVEIQADataset.csv";

/// A copy of the set calls `gblur` `blur`.
fn as_listed_or_blur(path: &str) -> Vec<String> {
    let mut places = as_listed(path);
    places.extend(path.strip_prefix("gblur/").map(|name| format!("blur/{name}")));
    places
}

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let original = SET.form(options) == Some(LabelForm::Original);
    let scores = if original { "dmos.mat" } else { "dmos_realigned.mat" };
    let names = files.first(&[NAMES])?;
    let scores_file = released(files, options, &[scores], by_name)?;
    let mut labels = match (scores_file, &names) {
        (Some(file), Some(names)) => of_columns(&file, names, original)?,
        _ => of_list(files, options, original, names.as_deref())?,
    };
    if original {
        // The figures of the table are those of the realigned scores.
        labels.release = Some(Release { scores: None, ..RELEASE });
    }
    Ok(labels)
}

/// The columns of the two `.mat` files without those of originals.
fn of_columns(file: &Path, names: &Path, original: bool) -> Result<LabelFile, DatasetError> {
    let mat = read_mat(&read_bytes(file)?, &file.to_string_lossy())?;
    let scores = &mat.numbers(if original { "dmos" } else { "dmos_new" })?.data;
    let flags = &mat.numbers("orgs")?.data;
    let spreads = if mat.has("dmos_std") { Some(&mat.numbers("dmos_std")?.data) } else { None };
    let references = references(names)?;
    let lengths = [("scores", Some(scores)), ("standard deviations", spreads)];
    for (what, found) in lengths.into_iter().filter_map(|(w, v)| Some((w, v?.len()))) {
        if found != COLUMNS {
            let (file, other) = (file.to_path_buf(), "the release".to_owned());
            return Err(DatasetError::Lengths { file, what, found, other, expected: COLUMNS });
        }
    }
    let (originals, note) = originals(file, scores, spreads, flags)?;
    let mut labels = Vec::new();
    let mut known = Vec::new();
    for column in 0..COLUMNS {
        let path = path_of(column);
        if originals[column] {
            known.push(path);
            continue;
        }
        labels.push(Label {
            spread: spreads.map(|spreads| spreads[column]),
            reference: Some(references[column].clone()),
            ..Label::new(column as u64 + 1, path, scores[column])
        });
    }
    let list = List::of_release(file, "column", labels).finite()?;
    let mut labels = list.into_labels(&SET, |label| describe(label, None))?;
    labels.notes.extend(note);
    labels.known = known;
    Ok(labels)
}

/// Which columns are originals: what the flags say. A re-saved copy of the file has too few flags;
/// there the originals are the columns whose score and deviation are both 0.
fn originals(
    file: &Path,
    scores: &[f64],
    spreads: Option<&Vec<f64>>,
    flags: &[f64],
) -> Result<(Vec<bool>, Option<String>), DatasetError> {
    if flags.len() == scores.len() {
        return Ok((flags.iter().map(|&flag| flag != 0.0).collect(), None));
    }
    let zero = |i: usize| scores[i] == 0.0 && spreads.is_some_and(|spreads| spreads[i] == 0.0);
    let originals: Vec<bool> = (0..scores.len()).map(zero).collect();
    let found = originals.iter().filter(|original| **original).count();
    if found != ORIGINALS {
        return Err(DatasetError::Refused {
            file: file.to_path_buf(),
            reason: format!(
                "`orgs` has {} flags for {} scores, and {found} scores are 0 with deviation 0 \
                 where the release has {ORIGINALS} originals; take the file of the release",
                flags.len(),
                scores.len()
            ),
        });
    }
    let note = format!(
        "`orgs` has {} flags for {} scores (a re-saved file): the {ORIGINALS} columns with score \
         and deviation 0 were taken for the originals",
        flags.len(),
        scores.len()
    );
    Ok((originals, Some(note)))
}

/// The reference of every column.
fn references(file: &Path) -> Result<Vec<String>, DatasetError> {
    let mat = read_mat(&read_bytes(file)?, &file.to_string_lossy())?;
    let names = mat.texts("refnames_all")?;
    if names.len() != COLUMNS {
        return Err(DatasetError::Lengths {
            file: file.to_path_buf(),
            what: "names",
            found: names.len(),
            other: "the release".to_owned(),
            expected: COLUMNS,
        });
    }
    Ok(names.into_iter().map(|name| name.trim().to_owned()).collect())
}

/// A list of others; where it does not name references, `refnames_all.mat` does.
fn of_list(
    files: &mut Files,
    options: &Options,
    original: bool,
    names: Option<&Path>,
) -> Result<LabelFile, DatasetError> {
    let (lists, expected): (&[&str], _) = if original {
        (&[META_INFO], "dmos.mat with refnames_all.mat (labels = original)")
    } else {
        let expected = "dmos_realigned.mat with refnames_all.mat, or LIVE.txt (labels = realigned)";
        (&["LIVE.txt", "live_all.txt"], expected)
    };
    let Some(mut list) = foreign(files, options, lists)? else {
        return Err(SET.no_labels(files, expected));
    };
    if original != (list.form == Some(Form::Pyiqa)) && list.form != Some(Form::Manifest) {
        let has = if original { LabelForm::Realigned } else { LabelForm::Original };
        let reason = format!(
            "its scores are those of `labels = {has}`; choose that, or take the .mat files"
        );
        return Err(DatasetError::Refused { file: list.into_file(), reason });
    }
    let flipped = list.form == Some(Form::Liqe);
    if flipped {
        for label in &mut list.labels {
            let score = FLIPPED_AT - label.score;
            label.score = (score * FLIPPED_DECIMALS).round() / FLIPPED_DECIMALS;
        }
    }
    let written = list.form == Some(Form::Manifest);
    let named = written || list.labels.iter().all(|label| label.reference.is_some());
    let references = match (named, names) {
        (true, _) => None,
        (false, Some(names)) => Some(references(names)?),
        (false, None) => {
            let reason = format!("it does not name the references; {NAMES} must lie beside it");
            return Err(DatasetError::Refused { file: list.into_file(), reason });
        }
    };
    let mut labels = list.into_labels(&SET, |label| describe(label, references.as_deref()))?;
    if flipped {
        labels.notes.push(format!(
            "the list holds {FLIPPED_AT} - DMOS, which was turned back; its scores have 6 decimals"
        ));
    }
    Ok(labels)
}

/// The end of the path is folder and number; `references` are those of all columns.
fn describe(label: &Label, references: Option<&[String]>) -> Option<Row> {
    let mut parts = label.name.rsplit('/');
    let (name, folder) = (parts.next()?, parts.next()?);
    let folder = if folder.eq_ignore_ascii_case("blur") { "gblur" } else { folder };
    let place = FOLDERS.iter().position(|(known, _)| known.eq_ignore_ascii_case(folder))?;
    let (folder, count) = FOLDERS[place];
    let number: usize = stem(name).strip_prefix("img")?.parse().ok()?;
    if !(1..=count).contains(&number) {
        return None;
    }
    let before: usize = FOLDERS[..place].iter().map(|(_, count)| count).sum();
    let reference = match &label.reference {
        Some(reference) => reference,
        None => references?.get(before + number - 1)?,
    };
    // Whole names: `lighthouse` and `lighthouse2` are two photographs.
    let row = label.row(format!("{folder}/{name}"), stem(reference).to_owned());
    Some(Row { kind: folder.to_owned(), ..row })
}

/// `gblur/img3.bmp` of a column, from 0.
fn path_of(column: usize) -> String {
    let mut rest = column;
    for (folder, count) in FOLDERS {
        if rest < count {
            return format!("{folder}/img{}.bmp", rest + 1);
        }
        rest -= count;
    }
    unreachable!("a column below {COLUMNS}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_folders_one_after_the_other() {
        let ends = [(0, "jp2k/img1.bmp"), (226, "jp2k/img227.bmp"), (227, "jpeg/img1.bmp")];
        let more = [(459, "jpeg/img233.bmp"), (460, "wn/img1.bmp"), (634, "gblur/img1.bmp")];
        let last = [(808, "fastfading/img1.bmp"), (981, "fastfading/img174.bmp")];
        for (column, path) in ends.into_iter().chain(more).chain(last) {
            assert_eq!(path_of(column), path);
        }
        assert_eq!(FOLDERS.iter().map(|(_, count)| count).sum::<usize>(), COLUMNS);
    }

    #[test]
    fn a_name_outside_the_release_is_none_of_its() {
        let row = |name: &str| {
            let label = Label::new(1, name.to_owned(), 1.0);
            describe(&Label { reference: Some("caps.bmp".to_owned()), ..label }, None)
        };
        assert_eq!(row("LIVE/blur/img174.bmp").expect("the last").path, "gblur/img174.bmp");
        for name in
            ["jp2k/img228.bmp", "jp2k/img0.bmp", "wn/175.bmp", "img1.bmp", "refimgs/caps.bmp"]
        {
            assert_eq!(row(name), None, "{name}");
        }
    }
}
