//! `livec`: LIVE In the Wild Image Quality Challenge Database (`papers/datasets.md`, 2.5).
//!
//! Three `.mat` files in one order: names, scores, standard deviations. The first seven pictures
//! trained the subjects of the study and are dropped.

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed, name_of};
use super::formats::mat::read_mat;
use super::labels::{Label, LabelFile, List, foreign, read_bytes};
use super::manifest::{Direction, Row};
use super::prepare::Preparation;
use super::registry::Set;
use super::{DatasetError, Options};
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "livec",
    aliases: &[
        "CLIVE",
        "LIVE Challenge",
        "LIVE-itW",
        "LIVE in the Wild",
        "ChallengeDB",
        "ChallengeDB_release",
    ],
    what: "1162 photographs from phones, as they are",
    citation: "ghadiyaram2016massive",
    direction: Direction::Mos,
    range: [1.0, 100.0],
    images: 1162,
    content_unit: "image",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[],
    release: Release {
        rows: 1162,
        contents: 1162,
        scores: Some(Scores { min: 3.42, max: 92.431953, mean: 55.401325 }),
    },
    example: "780.JPG",
    marks: &[
        &["Data/AllImages_release.mat", "Data/AllMOS_release.mat"],
        &["AllImages_release.mat", "AllMOS_release.mat"],
        &["clive_all.txt"],
        &["LIVE_Challenge.txt"],
        &["meta_info_LIVEChallengeDataset.csv"],
    ],
    layouts: &[Layout { is: "Images/<name>", places: as_listed }],
    read,
};

/// Pictures for training the subjects: the first rows of every variable.
const TRAINING: usize = 7;

const REFUSED: &str = "LIVE_Challenge.txt has 1161 rows: 100.bmp is missing, and its scores have \
                       four decimals; take the .mat files of the release or clive_all.txt";

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    if options.list.is_none() {
        let names = files.first(&["Data/AllImages_release.mat", "AllImages_release.mat"])?;
        let scores = files.first(&["Data/AllMOS_release.mat", "AllMOS_release.mat"])?;
        let spreads = files.first(&["Data/AllStdDev_release.mat", "AllStdDev_release.mat"])?;
        if let (Some(names), Some(scores)) = (names, scores) {
            let mut labels =
                release(&names, &scores, spreads.as_deref())?.into_labels(&SET, describe)?;
            labels.known = (1..=TRAINING).map(|n| format!("Images/t{n}.bmp")).collect();
            return Ok(labels);
        }
    }
    let names = ["clive_all.txt", "meta_info_LIVEChallengeDataset.csv"];
    if let Some(list) = foreign(files, options, &names)? {
        let lossy = options.list.as_deref().and_then(Path::file_name);
        if lossy.is_some_and(|name| name.eq_ignore_ascii_case("LIVE_Challenge.txt")) {
            let (file, reason) = (list.into_file(), REFUSED.to_owned());
            return Err(DatasetError::Refused { file, reason });
        }
        return list.into_labels(&SET, describe);
    }
    if let Some(file) = files.first(&["LIVE_Challenge.txt"])? {
        return Err(DatasetError::Refused { file, reason: REFUSED.to_owned() });
    }
    Err(SET.no_labels(files, "Data/AllImages_release.mat with Data/AllMOS_release.mat"))
}

fn release(names: &Path, scores: &Path, spreads: Option<&Path>) -> Result<List, DatasetError> {
    let pictures = read_mat(&read_bytes(names)?, &names.to_string_lossy())?;
    let pictures = pictures.texts("AllImages_release")?;
    let numbers = |file: &Path, variable| {
        let numbers = read_mat(&read_bytes(file)?, &file.to_string_lossy())?;
        let numbers = numbers.numbers(variable)?.data.clone();
        if numbers.len() == pictures.len() {
            return Ok(numbers);
        }
        Err(DatasetError::Lengths {
            file: file.to_path_buf(),
            what: "numbers",
            found: numbers.len(),
            other: names.display().to_string(),
            expected: pictures.len(),
        })
    };
    let mos = numbers(scores, "AllMOS_release")?;
    let spreads = spreads.map(|file| numbers(file, "AllStdDev_release")).transpose()?;
    // Dropped by position; a name that begins with `t` further on is none of the set's.
    let labels = (TRAINING..pictures.len()).map(|i| Label {
        spread: spreads.as_ref().map(|spreads| spreads[i]),
        ..Label::new(i as u64 + 1, pictures[i].trim().to_owned(), mos[i])
    });
    let list = List::of_release(scores, "row", labels.collect());
    list.finite()
}

/// A number and an ending; pictures of the subjects' training begin with `t`.
fn describe(label: &Label) -> Option<Row> {
    let name = name_of(&label.name);
    let (number, _) = name.rsplit_once('.')?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| label.own_content(format!("Images/{name}")))
}
