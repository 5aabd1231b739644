//! The one internal form of a labelled set (`papers/datasets.md`, 1.1 and 1.2).
//!
//! Every loader gives a [`Manifest`]; splits, samplers, the trainer and the evaluator know nothing
//! else about a data set.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

/// Which way the scores point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Mean opinion score: higher is better.
    Mos,
    /// Difference mean opinion score: lower is better.
    Dmos,
}

/// The part of an official split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose by.
    Val,
    /// To report on.
    Test,
}

impl Split {
    /// `train`, `val` or `test` (`validation` counts as `val`), without regard to case.
    pub fn of_text(text: &str) -> Option<Split> {
        match text.to_ascii_lowercase().as_str() {
            "train" => Some(Split::Train),
            "val" | "validation" => Some(Split::Val),
            "test" => Some(Split::Test),
            _ => None,
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        })
    }
}

/// One image.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Relative to the root, forward slashes, letter case as found on disk.
    pub path: String,
    /// Exactly what the label file says. NaN in a set without labels, which is loaded only with
    /// `Options::unlabelled`.
    pub score: f64,
    /// The split unit: images of one content are never parted.
    pub content: String,
    /// Distortion type, or empty.
    pub kind: String,
    /// Distortion level.
    pub level: Option<u32>,
    /// Part of the official split.
    pub split: Option<Split>,
    /// Standard deviation of the ratings.
    pub spread: Option<f64>,
}

/// A labelled set.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The key of the set, or `csv`.
    pub dataset: String,
    /// Which way the scores point.
    pub direction: Direction,
    /// The scale of the scores, lowest and highest. Not their extremes: labels may leave it.
    pub range_nominal: [f64; 2],
    /// The folder that the paths are relative to.
    pub root: PathBuf,
    /// The images, in the order of the label file.
    pub rows: Vec<Row>,
    /// What a report must repeat: warnings, rows left out, options that changed the set.
    pub notes: Vec<String>,
    /// Whether images of the release were left out (`partial`, `natural_only`, a content list): such
    /// a run is never compared with published numbers.
    pub subset: bool,
}

/// Which way scores point, and between which numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelScale {
    /// Which way they point.
    pub direction: Direction,
    /// Lowest and highest, nominally.
    pub range: [f64; 2],
}

impl LabelScale {
    /// 0 worst, 1 best on the range. Not clipped.
    pub fn target(&self, score: f64) -> f64 {
        let [lo, hi] = self.range;
        let t = (score - lo) / (hi - lo);
        match self.direction {
            Direction::Mos => t,
            Direction::Dmos => 1.0 - t,
        }
    }
}

/// A manifest without its rows: what a report says about the data of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The key of the set, or `csv`.
    pub dataset: String,
    /// Which way the scores point.
    pub direction: Direction,
    /// The scale of the scores.
    pub range_nominal: [f64; 2],
    /// [`Manifest::digest`].
    pub digest: String,
    /// Rows.
    pub images: usize,
    /// Contents.
    pub contents: usize,
    /// Whether images of the release were left out.
    pub subset: bool,
    /// What a report must repeat.
    pub notes: Vec<String>,
}

impl Manifest {
    /// The manifest without its rows.
    pub fn head(&self) -> Head {
        Head {
            dataset: self.dataset.clone(),
            direction: self.direction,
            range_nominal: self.range_nominal,
            digest: self.digest(),
            images: self.rows.len(),
            contents: self.contents(),
            subset: self.subset,
            notes: self.notes.clone(),
        }
    }

    /// SHA-256, in lower-case hex, of the rows as CSV: the identity of the labels.
    pub fn digest(&self) -> String {
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(self.to_csv()) {
            write!(hex, "{byte:02x}").expect("writing to a String cannot fail");
        }
        hex
    }

    /// The rows as CSV: quotes only where needed, numbers in the shortest form that reads back
    /// equal.
    pub fn to_csv(&self) -> String {
        let mut text = String::from("path,score,content,kind,level,split,spread\n");
        for row in &self.rows {
            let fields = [
                quoted(&row.path),
                number(row.score),
                quoted(&row.content),
                quoted(&row.kind),
                row.level.map(|level| level.to_string()).unwrap_or_default(),
                row.split.map(|split| split.to_string()).unwrap_or_default(),
                row.spread.map(number).unwrap_or_default(),
            ];
            text.push_str(&fields.join(","));
            text.push('\n');
        }
        text
    }

    /// Quality of a score: higher is better, whatever the direction. Correlations use this.
    pub fn quality(&self, score: f64) -> f64 {
        match self.direction {
            Direction::Mos => score,
            Direction::Dmos => -score,
        }
    }

    /// Direction and scale of the labels, for a card.
    pub fn labels_words(&self) -> String {
        let [lo, hi] = self.range_nominal;
        let (name, better) = match self.direction {
            Direction::Mos => ("MOS", "higher"),
            Direction::Dmos => ("DMOS", "lower"),
        };
        format!("{name}, {lo} to {hi}, {better} is better")
    }

    /// The normalised target: 0 worst, 1 best on the nominal range. Not clipped.
    pub fn target(&self, score: f64) -> f64 {
        self.scale().target(score)
    }

    /// The scale of the scores.
    pub fn scale(&self) -> LabelScale {
        LabelScale { direction: self.direction, range: self.range_nominal }
    }

    /// How many contents there are.
    pub fn contents(&self) -> usize {
        self.rows.iter().map(|row| row.content.as_str()).collect::<BTreeSet<_>>().len()
    }

    /// Positions of the rows of a part.
    pub fn part(&self, split: Split) -> Vec<usize> {
        (0..self.rows.len()).filter(|&i| self.rows[i].split == Some(split)).collect()
    }

    /// Where the image of a row lies.
    pub fn file(&self, row: &Row) -> PathBuf {
        self.root.join(&row.path)
    }
}

/// Rust prints the shortest form that reads back equal, without exponent or `.0`. A score that there
/// is not is an empty field.
fn number(value: f64) -> String {
    if value.is_nan() { String::new() } else { value.to_string() }
}

/// RFC 4180 quotes around a field with a comma, a quote or a line end.
pub(super) fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// What a stem is: the file name without folders and without the part after the last dot.
pub(super) fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(direction: Direction, range_nominal: [f64; 2]) -> Manifest {
        let row = |path: &str, score, content: &str| Row {
            path: path.into(),
            score,
            content: content.into(),
            kind: String::new(),
            level: None,
            split: None,
            spread: None,
        };
        let second = Row {
            kind: "blur".into(),
            level: Some(3),
            split: Some(Split::Test),
            spread: Some(0.25),
            ..row("b c.png", 2.5, "x, y")
        };
        Manifest {
            dataset: "csv".into(),
            direction,
            range_nominal,
            root: PathBuf::new(),
            rows: vec![row("a.png", 1.0, "a"), second],
            notes: Vec::new(),
            subset: false,
        }
    }

    #[test]
    fn the_head_says_what_a_report_needs() {
        let head = manifest(Direction::Dmos, [1.0, 100.0]).head();
        let text = serde_json::to_string(&head).expect("plain data");
        let start =
            r#"{"dataset":"csv","direction":"dmos","range_nominal":[1.0,100.0],"digest":"a1aa"#;
        assert!(text.starts_with(start), "{text}");
        assert!(text.ends_with(r#""images":2,"contents":2,"subset":false,"notes":[]}"#), "{text}");
    }

    #[test]
    fn numbers_have_no_exponent_and_no_point_zero() {
        assert_eq!(
            [number(1e-7), number(1e21), number(3.0)].join(" "),
            "0.0000001 1000000000000000000000 3"
        );
        assert_eq!(number(f64::NAN), "");
    }

    #[test]
    fn the_digest_is_that_of_the_worked_example() {
        let found = manifest(Direction::Mos, [0.0, 1.0]).digest();
        assert_eq!(found, "a1aa2afb376c0c940802b9a136de90a3eba94fb2a57abacb3879a7f31e03034c");
    }

    #[test]
    fn a_dmos_target_is_turned_round() {
        let mos = manifest(Direction::Mos, [1.0, 5.0]);
        let dmos = manifest(Direction::Dmos, [1.0, 5.0]);
        assert_eq!((mos.target(2.0), dmos.target(2.0)), (0.25, 0.75));
        assert_eq!((mos.quality(2.0), dmos.quality(2.0)), (2.0, -2.0));
        assert_eq!(mos.target(7.0), 1.5); // labels may leave the range
    }

    #[test]
    fn quotes_stand_only_where_they_are_needed() {
        assert_eq!(quoted("ss01 (1).jpg"), "ss01 (1).jpg");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn a_stem_ends_at_the_last_dot() {
        assert_eq!(stem("Images/ss01 (1).v2.jpg"), "ss01 (1).v2");
        assert_eq!(stem("plain"), "plain");
    }
}
