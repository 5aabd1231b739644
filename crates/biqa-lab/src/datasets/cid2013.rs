//! `cid2013`: CID2013 (`papers/datasets.md`, 2.10).
//!
//! Six image sets, in each six of eight scenes, taken by different cameras. The scenes return in the
//! sets, so the split unit is the scene across them.

use super::check::{Release, Scores};
use super::files::{Files, Layout, as_listed};
use super::labels::{Label, LabelFile, foreign};
use super::manifest::{Direction, Row};
use super::options::Content;
use super::prepare::Preparation;
use super::registry::Set;
use super::{DatasetError, Options};

pub(super) static SET: Set = Set {
    key: "cid2013",
    aliases: &["CID2013", "CID"],
    what: "474 photographs of eight scenes from different cameras",
    citation: "virtanen2015cid2013",
    direction: Direction::Mos,
    range: [0.0, 100.0],
    images: 474,
    content_unit: "scene",
    official_split: None,
    preparations: &[Preparation::None],
    labels: &[],
    contents: &[Content::Scene, Content::SetScene],
    release: Release {
        rows: 474,
        contents: SCENES,
        scores: Some(Scores { min: -9.549063, max: 87.882071, mean: 46.071698 }),
    },
    example: "IS1/co1/IS_I_C01_D01.jpg",
    marks: &[&["IS1", "IS6"], &["CID2013.txt"]],
    layouts: &[Layout { is: "IS<set>/co<scene>/<name>", places: as_listed }],
    read,
};

/// Contents by `content = scene` and `set-scene`.
const SCENES: usize = 8;
const SET_SCENES: usize = 36;

fn read(files: &mut Files, options: &Options) -> Result<LabelFile, DatasetError> {
    let Some(list) = foreign(files, options, &["CID2013.txt"])? else {
        return Err(
            SET.no_labels(files, "CID2013.txt (the spreadsheet of the release is not read)")
        );
    };
    if options.content != Some(Content::SetScene) {
        return list.into_labels(&SET, |label| describe(label, false));
    }
    let mut labels = list.into_labels(&SET, |label| describe(label, true))?;
    labels.release = labels.release.map(|r| Release { contents: SET_SCENES, ..r });
    labels.notes.push(
        "content = set-scene: one scene may stand in two parts of a split, from two image sets"
            .to_owned(),
    );
    Ok(labels)
}

/// The last two folders are image set and scene.
fn describe(label: &Label, by_set: bool) -> Option<Row> {
    let parts: Vec<&str> = label.name.rsplit('/').take(3).collect();
    let [name, scene, set] = parts.as_slice() else { return None };
    let numbered = |text: &str, prefix: &str, most| {
        let number = text.get(prefix.len()..).and_then(|n| n.parse::<u32>().ok());
        let starts = text.get(..prefix.len()).is_some_and(|p| p.eq_ignore_ascii_case(prefix));
        starts && number.is_some_and(|n| (1..=most).contains(&n))
    };
    if !numbered(set, "IS", 6) || !numbered(scene, "co", 8) {
        return None;
    }
    let content = if by_set { format!("{set}/{scene}") } else { (*scene).to_owned() };
    Some(label.row(format!("{set}/{scene}/{name}"), content))
}
