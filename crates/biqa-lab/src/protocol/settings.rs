//! What a protocol run is asked for.

use std::path::PathBuf;

use biqa::device::OpenDevice;
use serde::{Deserialize, Serialize};

use super::ProtocolError;
use crate::datasets::Manifest;
use crate::evaluate::Measures;
use crate::methods::registry::DEIQT_FAMILY;
use crate::splits::{Form, FractionOf, Rule, TRAIN_SHARE};
use crate::train::SelectBy;
use crate::train::initial::Initial;
use crate::train::recipe::Recipe;

/// A protocol run (sections 1, 2 and 9 name the switches).
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is trained.
    pub recipe: Recipe,
    /// The recipe as it was written.
    pub recipe_text: String,
    /// Initial weights.
    pub init: Initial,
    /// What the initial weights have seen of the sets, if anything: every report says it.
    pub seen: Option<String>,
    /// The set that is shared out; trained on, in a cross-dataset run.
    pub source: Manifest,
    /// Cross-dataset: the set that all is tested on.
    pub target: Option<Manifest>,
    /// Cross-dataset: how much of the source trains.
    pub train_on: TrainOn,
    /// Protocols, each over the same splits.
    pub forms: Vec<Form>,
    /// Where the lists come from.
    pub rule: Rule,
    /// How many splits; of one split, how many training seeds.
    pub splits: u32,
    /// Seed of splits and trainings.
    pub seed: u64,
    /// Small samples; empty for the full training part.
    pub fractions: Vec<f64>,
    /// What they are counted of.
    pub fraction_of: FractionOf,
    /// The figure by which an epoch is kept; `None` for the protocol's own, see [`Settings::selects_by`].
    pub select_by: Option<SelectBy>,
    /// Which summary over repeats stands first.
    pub summary: SummaryBy,
    /// How figures are made.
    pub measures: Measures,
    /// Accept a content or a file on both sides of a split; said in every report.
    pub allow_leak: bool,
    /// Contents that share a file byte for byte count as one.
    pub group_equal_bytes: bool,
    /// The run folder.
    pub out: PathBuf,
    /// Whether to go on with a run that is there.
    pub resume: bool,
    /// Trainings at once, as far as memory allows.
    pub jobs: usize,
    /// Where networks learn.
    pub device: OpenDevice,
    /// Worker threads of all of them together; 0 for all cores.
    pub threads: usize,
    /// Steps between checkpoints.
    pub checkpoint_steps: u64,
}

/// Cross-dataset: what trains (2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainOn {
    /// The whole set, in `honest` without the part that chooses.
    #[default]
    All,
    /// The train part of a split.
    Train,
}

/// Which summary over repeats stands first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SummaryBy {
    /// The median, as the papers of this field have it.
    #[default]
    Median,
    /// The mean.
    Mean,
}

impl SummaryBy {
    /// `median` or `mean`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::Mean => "mean",
        }
    }
}

impl TrainOn {
    /// `all` or `train`.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Train => "train",
        }
    }
}

impl Settings {
    /// The set that is tested on.
    pub fn tested(&self) -> &Manifest {
        self.target.as_ref().unwrap_or(&self.source)
    }

    /// The figure by which an epoch is kept under a protocol. Where none was asked for it is SRCC, but
    /// PLCC in the published protocol of DEIQT's family, whose code has it so (section 9).
    pub fn selects_by(&self, form: Form) -> SelectBy {
        let of_family = DEIQT_FAMILY.contains(&self.recipe.method());
        let own =
            if of_family && form == Form::Published { SelectBy::Plcc } else { SelectBy::Srcc };
        self.select_by.unwrap_or(own)
    }

    /// What contradicts itself.
    pub(super) fn check(&self) -> Result<(), ProtocolError> {
        let bad = |text: String| Err(ProtocolError::Settings(text));
        if self.splits == 0 || self.forms.is_empty() {
            return bad("there is nothing to do: no split, or no protocol".to_owned());
        }
        if let Some(found) = self.fractions.iter().find(|f| !(**f > 0.0 && **f <= 1.0)) {
            return bad(format!("a fraction is above 0 and at most 1, found {found}"));
        }
        let mut seen = self.fractions.clone();
        seen.sort_by(f64::total_cmp);
        seen.dedup();
        if seen.len() < self.fractions.len() {
            return bad(format!("a fraction is given twice: {:?}", self.fractions));
        }
        let cut = matches!(self.rule, Rule::Biqa | Rule::Python { .. } | Rule::PythonRounds { .. });
        let above = self.fractions.iter().find(|f| **f > TRAIN_SHARE);
        if let (Some(above), FractionOf::Dataset, true) = (above, self.fraction_of, cut) {
            return bad(format!(
                "a fraction is of the whole dataset, of which at most {TRAIN_SHARE} train, found \
                 {above}; --fraction-of train takes fractions of the training part"
            ));
        }
        if let (Some(target), false) = (&self.target, self.fractions.is_empty()) {
            return bad(format!(
                "fractions and a test on another set ({}) don't go together: give one of them",
                target.dataset
            ));
        }
        if let Some(target) = &self.target
            && target.digest() == self.source.digest()
        {
            return bad(format!(
                "source and target are the same set ({}): nothing would be crossed",
                target.dataset
            ));
        }
        let [lo, hi] = self.source.range_nominal;
        if lo >= hi {
            return bad(format!("the scale of {} is {lo} to {hi}: no range", self.source.dataset));
        }
        Ok(())
    }
}
