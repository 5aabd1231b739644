//! The scores that are inherited: KADID's table by (reference, distortion, level), and its scale
//! (`papers/glintiqa.md`, section 5, equation 9).

use std::collections::BTreeMap;
use std::path::Path;

use super::TransferError;
use crate::datasets::table::{Record, Table};

/// Distortions of KADID-10k.
pub const TYPES: usize = 25;
/// Levels of each.
pub const LEVELS: usize = 5;

/// A score for every reference, distortion and level.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    references: Vec<String>,
    types: usize,
    levels: usize,
    /// `references x types x levels`, row-major.
    values: Vec<f64>,
}

impl Scores {
    /// A table of its own; `None` unless there is a finite value for every place.
    pub fn new(
        references: Vec<String>,
        [types, levels]: [usize; 2],
        values: Vec<f64>,
    ) -> Option<Self> {
        let whole = values.len() == references.len() * types * levels && !values.is_empty();
        (whole && values.iter().all(|v| v.is_finite())).then_some(Self {
            references,
            types,
            levels,
            values,
        })
    }

    /// Reads KADID's `dmos.csv`, columns `dist_img`, `ref_img` and `dmos`: 125 rows a reference, in
    /// any order. References come sorted by name.
    ///
    /// # Errors
    /// A column, a name or a number that can't be read; a place that has no score, or two.
    pub fn read(file: &Path) -> Result<Self, TransferError> {
        let table = Table::read(file)?;
        let [picture, reference, score] = ["dist_img", "ref_img", "dmos"];
        let [picture, reference, score] =
            [table.required(&[picture])?, table.required(&[reference])?, table.required(&[score])?];
        let mut found: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
        for record in &table.records {
            let text = table.text(record, picture)?;
            let (kind, level) = kind_and_level(text).ok_or_else(|| {
                table.bad(
                    record,
                    picture,
                    text,
                    "a name like I01_03_05.png: type 1..25, level 1..5",
                )
            })?;
            let name = table.text(record, reference)?.to_owned();
            let places = found.entry(name).or_insert_with(|| vec![None; TYPES * LEVELS]);
            let value = table.number(record, score)?;
            if places[(kind - 1) * LEVELS + level - 1].replace(value).is_some() {
                return Err(twice(&table, record, picture, text));
            }
        }
        let mut values = Vec::with_capacity(found.len() * TYPES * LEVELS);
        for (name, places) in &found {
            for (place, value) in places.iter().enumerate() {
                let (kind, level) = (place / LEVELS + 1, place % LEVELS + 1);
                values.push(value.ok_or_else(|| TransferError::NoScore {
                    file: file.to_owned(),
                    reference: name.clone(),
                    kind,
                    level,
                })?);
            }
        }
        let references = found.into_keys().collect();
        Self::new(references, [TYPES, LEVELS], values)
            .ok_or_else(|| TransferError::NoRows { file: file.to_owned() })
    }

    /// The references' names, sorted.
    pub fn references(&self) -> &[String] {
        &self.references
    }

    /// How many distortions, and how many levels of each.
    pub fn size(&self) -> [usize; 2] {
        [self.types, self.levels]
    }

    /// A score as the table has it; distortion and level from 1.
    pub fn get(&self, reference: usize, kind: usize, level: usize) -> f64 {
        self.values[(reference * self.types + kind - 1) * self.levels + level - 1]
    }

    /// The lowest and the highest score of the references that `of` accepts.
    pub fn extremes(&self, of: impl Fn(usize) -> bool) -> [f64; 2] {
        let width = self.types * self.levels;
        let rows = self.values.chunks_exact(width).enumerate().filter(|(r, _)| of(*r));
        rows.flat_map(|(_, row)| row)
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[lo, hi], &v| [lo.min(v), hi.max(v)])
    }
}

/// Equation 9: the score on a scale from `lo` to `hi`; 0 where all scores of the table are equal.
pub fn inherited(score: f64, [min, max]: [f64; 2], [lo, hi]: [f64; 2]) -> f64 {
    if max > min { (hi - lo) * (score - min) / (max - min) + lo } else { 0.0 }
}

fn twice(table: &Table, record: &Record, column: usize, text: &str) -> TransferError {
    table.bad(record, column, text, "every picture once").into()
}

/// Distortion and level out of a name like `I01_03_05.png`.
fn kind_and_level(name: &str) -> Option<(usize, usize)> {
    let stem = name.rsplit(['/', '\\']).next()?.split('.').next()?;
    let mut parts = stem.rsplit('_');
    let mut number = |most: usize| {
        let text = parts.next()?;
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|n| digits && (1..=most).contains(n))
    };
    let (level, kind) = (number(LEVELS)?, number(TYPES)?);
    parts.next().map(|_| (kind, level))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example below equation 9.
    #[test]
    fn a_score_is_stretched_over_the_scale() {
        let found = inherited(2.97, [1.0, 4.93], [0.0, 9.0]);
        assert!((found - 4.511_450).abs() < 1e-6, "{found}");
        assert_eq!(inherited(2.0, [2.0, 2.0], [1.0, 9.0]), 0.0);
    }

    #[test]
    fn names_say_distortion_and_level() {
        assert_eq!(kind_and_level("I01_03_05.png"), Some((3, 5)));
        assert_eq!(kind_and_level("images/a_b_25_01.png"), Some((25, 1)));
        for bad in ["I01_26_05.png", "I01_03_06.png", "I01_00_01.png", "03_05.png", "I01_+3_1.png"]
        {
            assert_eq!(kind_and_level(bad), None, "{bad}");
        }
    }

    /// A table of two references, in reverse order, behind a byte order mark.
    fn table(change: impl Fn(&str) -> Option<String>) -> String {
        let mut text = "\u{feff}dist_img,ref_img,dmos,var\n".to_owned();
        for reference in ["I02", "I01"] {
            for kind in 1..=TYPES {
                for level in 1..=LEVELS {
                    let score = kind as f64 / 10.0 + level as f64;
                    let name = format!("{reference}_{kind:02}_{level:02}.png");
                    let line = format!("{name},{reference}.png,{score},0.5\n");
                    text.push_str(&change(&name).unwrap_or(line));
                }
            }
        }
        text
    }

    fn read(text: &str) -> Result<Scores, TransferError> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("dmos.csv");
        std::fs::write(&file, text).expect("writable");
        Scores::read(&file)
    }

    #[test]
    fn a_table_is_read_whatever_its_order() {
        let scores = read(&table(|_| None)).expect("a whole table");
        assert_eq!(scores.references(), ["I01.png", "I02.png"]);
        assert_eq!(scores.get(1, 3, 5), 5.3);
        assert_eq!(scores.extremes(|_| true), [1.1, 7.5]);
    }

    #[test]
    fn a_hole_a_twin_and_a_missing_column_are_named() {
        let words = |text: &str| read(text).expect_err("refused").to_string();
        let hole = words(&table(|name| (name == "I02_09_04.png").then(String::new)));
        assert!(hole.contains("I02.png") && hole.contains("type 9, level 4"), "{hole}");
        let twin = table(|name| {
            (name == "I01_01_02.png").then(|| "I01_01_01.png,I01.png,3,0.5\n".to_owned())
        });
        let twin = words(&twin);
        assert!(twin.contains("line 128") && twin.contains("once"), "{twin}");
        let column = words(&table(|_| None).replace("dmos,", "mos,"));
        assert!(column.contains("no column `dmos`"), "{column}");
        assert!(words("dist_img,ref_img,dmos\n").contains("no score"));
    }
}
