//! What a transfer leaves beside its labels: `manifest.json`, counts and settings for whoever trains
//! on them or reads along.

use serde::{Deserialize, Serialize};

use super::Settings;

/// The form of `manifest.json`.
pub const SCHEMA: u32 = 1;

/// How many sources became of what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All that were given.
    pub sources: usize,
    /// Without a feature: no picture, too small, too large.
    pub unreadable: usize,
    /// With the name of an earlier source, suffix aside: their pictures would have one name.
    pub same_name: usize,
    /// Copies, or nearly, of a reference of another set, or of one that is not for training (rule 4).
    pub near_other_set: usize,
    /// That resemble a reference outside the training ones most (rules 1 and 2).
    pub outside_training: usize,
    /// Not among the `total` that were wanted.
    pub not_selected: usize,
    /// Whose pictures could not be made.
    pub not_degraded: usize,
    /// With labels.
    pub labelled: usize,
    /// References of the table.
    pub references: usize,
    /// Label rows.
    pub rows: usize,
}

impl Counts {
    /// What went wrong with the sources themselves.
    pub fn troubles(&self) -> usize {
        self.unreadable + self.same_name + self.not_degraded
    }
}

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this form.
    pub schema: u32,
    /// The version of biqa.
    pub version: String,
    /// How many of what.
    pub counts: Counts,
    /// The options.
    pub settings: Settings,
    /// The network that pictures were matched with.
    pub backbone: String,
    /// SHA-256 of its weights.
    pub backbone_digest: String,
    /// SHA-256 of the table of scores.
    pub scores_digest: String,
    /// The scores that became the ends of the scale.
    pub score_extremes: [f64; 2],
    /// The training references, where they were given: in lower case, without suffix.
    pub training: Option<Vec<String>>,
    /// Sets whose references no source is a copy of, by their folders.
    pub other_sets: Vec<String>,
    /// Sources of each reference that has any, by name.
    pub sources_of_reference: std::collections::BTreeMap<String, usize>,
    /// Lowest and mean cosine of the matches: there is no threshold (fact 6).
    pub cosines: [f64; 2],
    /// What a report must repeat.
    pub notes: Vec<String>,
}
