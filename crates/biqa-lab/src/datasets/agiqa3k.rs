//! `agiqa3k`: AGIQA-3K (`papers/datasets.md`, 2.12).
//!
//! Pictures by six generators from 300 prompts. A prompt is drawn by up to ten settings, so it is the
//! split unit; published work splits by picture (`content = "image"`).

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed, name_of};
use super::labels::{Label, LabelFile, List, foreign};
use super::manifest::{Direction, Row, stem};
use super::options::Content;
use super::prepare::Preparation;
use super::registry::Set;
use super::released::{has_columns, released};
use super::table::Table;
use super::{DatasetError, Options};
use std::path::Path;

pub(super) static SET: Set = Set {
    key: "agiqa3k",
    aliases: &["AGIQA-3K", "AGIQA"],
    what: "2982 generated pictures from 300 prompts",
    citation: "li2023agiqa",
    direction: Direction::Mos,
    range: [0.0, 5.0],
    images: 2982,
    content_unit: "prompt",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[Content::Prompt, Content::Image],
    release: Release {
        rows: 2982,
        contents: 300,
        scores: Some(Scores { min: 0.0, max: 4.488741, mean: 2.500417 }),
    },
    example: "sd1.5_normal_000.jpg",
    marks: &[&["data.csv", "AttnGAN_normal_000.jpg"], &["meta_info_AGIQA3KDataset.csv"], TABLE],
    layouts: &[Layout { is: "<name>", places: as_listed }],
    read,
};

const TABLE: &[&str] = &["data.csv"];

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let by_image = options.content == Some(Content::Image);
    let like = |bytes: &[u8]| has_columns(bytes, &["name", "prompt", "mos_quality"]);
    let mut labels = if let Some(file) = released(files, options, TABLE, like)? {
        let list = of_table(&file)?;
        list.into_labels(&SET, |label| describe(label, by_image))?
    } else {
        let Some(list) = foreign(files, options, &["meta_info_AGIQA3KDataset.csv"])? else {
            return Err(SET.no_labels(files, "data.csv"));
        };
        if !by_image && !matches!(options.content, Some(Content::File(_))) {
            return Err(DatasetError::OptionNeeded {
                dataset: SET.key,
                option: "content = image",
                why: "this list has no prompts; take data.csv of the release to part by prompt",
            });
        }
        list.into_labels(&SET, |label| describe(label, true))?
    };
    if by_image || labels.rows.iter().all(|row| row.content == stem(&row.path)) {
        labels.release = labels.release.map(|r| Release { contents: r.rows, ..r });
        labels.notes.push(
            "content = image: pictures of one prompt may stand in two parts of a split".to_owned(),
        );
    }
    Ok(labels)
}

/// Quality is the score; alignment with the prompt is another label and is not read.
fn of_table(file: &Path) -> Result<List, DatasetError> {
    let table = Table::read(file)?;
    let mut list = List::of_table(&table, "name", "mos_quality")?;
    let prompt = table.required(&["prompt"])?;
    let spread = table.column(&["std_quality"]);
    for (label, record) in list.labels.iter_mut().zip(&table.records) {
        label.reference = Some(table.text(record, prompt)?.to_owned());
        if let (Some(column), Some(_)) = (spread, record.optional(spread)) {
            label.spread = Some(table.number(record, column)?);
        }
    }
    Ok(list)
}

/// The name is `<generator>_<setting>_<number>.jpg`; generators hold dots.
fn describe(label: &Label, by_image: bool) -> Option<Row> {
    let name = name_of(&label.name);
    let (kind, _) = stem(name).rsplit_once('_')?;
    let row = match &label.reference {
        Some(prompt) if !by_image => label.row(name.to_owned(), prompt.clone()),
        _ => label.own_content(name.to_owned()),
    };
    Some(Row { kind: kind.to_owned(), ..row })
}
