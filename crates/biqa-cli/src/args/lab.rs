//! The flags that several commands of the lab share: a set of pictures, how it is read and shared out,
//! how figures are made.

use std::path::PathBuf;

use biqa::device::DeviceName;
use biqa_lab::datasets::{Content, Direction, LabelForm, Options};
use biqa_lab::evaluate::IntervalRule;
use biqa_lab::splits::Form;
use biqa_lab::train::initial::Given;
use biqa_lab::train::recipe::Change;
use clap::{Args, ValueHint};

/// A dataset and its folder.
///
/// Nothing here is required, because a command may take it as an `Option`; one that can't do without
/// says so: `mut_arg("dataset", |arg| arg.required(true))`.
#[derive(Debug, Args)]
pub struct DatasetArgs {
    /// Dataset, by its name; csv for your own pictures with a list
    #[arg(id = "dataset", long = "dataset", alias = "train-on", value_name = "NAME")]
    #[arg(requires = "root", required = false, help_heading = "Data")]
    pub name: String,

    /// Folder of the dataset
    #[arg(long, value_name = "DIR", requires = "dataset", value_hint = ValueHint::DirPath)]
    #[arg(required = false, help_heading = "Data")]
    pub root: PathBuf,
}

/// What of a dataset is read, and how.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Take what is there: a part of the pictures, labels that are not all of the release
    ///
    /// Such a run is marked as a subset and never compared with published numbers.
    #[arg(long, help_heading = "Data")]
    pub partial: bool,

    /// Let up to N labelled pictures lack their file, and say so
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    #[arg(conflicts_with = "partial", help_heading = "Data")]
    pub allow_missing: usize,

    /// Labels of a set that has several: realigned, original (live); zscore, acr (koniq10k); train,
    /// val, both (pipal)
    #[arg(long, value_name = "FORM", help_heading = "Data")]
    pub labels: Option<LabelForm>,

    /// What is never parted: scene, set-scene (cid2013); prompt, image (agiqa3k); or a list
    /// path,content,split that replaces the set's own contents and split
    #[arg(long, value_name = "WHAT", value_parser = parse_content, help_heading = "Data")]
    pub content: Option<Content>,

    /// List of labels to read instead of the release's own
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath, help_heading = "Data")]
    pub list: Option<PathBuf>,

    /// Leave out the reference that is no photo (tid2013)
    #[arg(long, help_heading = "Data")]
    pub natural_only: bool,

    /// References that scores may be inherited from (saqt); a row of another is refused
    #[arg(long, value_name = "LIST", value_hint = ValueHint::FilePath, help_heading = "Data")]
    pub training_references: Option<PathBuf>,

    #[command(flatten)]
    pub scale: ScaleArgs,
}

/// The scale of a list of one's own.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Which way your own scores point: mos (higher is better) or dmos (lower is better)
    #[arg(long, value_name = "WAY", value_parser = parse_direction, help_heading = "Data")]
    pub direction: Option<Direction>,

    /// Lowest and highest score of your own scale, such as 1..5
    #[arg(long, value_name = "LO..HI", value_parser = parse_range, allow_hyphen_values = true)]
    #[arg(help_heading = "Data")]
    pub range: Option<[f64; 2]>,
}

impl LoadArgs {
    /// As the loaders take it.
    pub fn options(&self) -> Options {
        Options {
            labels: self.labels,
            content: self.content.clone(),
            natural_only: self.natural_only,
            allow_missing: if self.partial { usize::MAX } else { self.allow_missing },
            partial: self.partial,
            list: self.list.clone(),
            training_references: self.training_references.clone(),
            direction: self.scale.direction,
            range: self.scale.range,
            ..Options::default()
        }
    }
}

/// How a set is shared out.
#[derive(Debug, Args)]
pub struct SplitArgs {
    /// Seed of the splits and of everything else that is drawn
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Split")]
    pub seed: u64,

    /// Accept one content or one file on both sides of a split; every report says so
    #[arg(long, help_heading = "Split")]
    pub allow_leak: bool,

    /// Contents that hold the same file count as one
    #[arg(long, help_heading = "Split")]
    pub group_equal_bytes: bool,
}

/// How figures are made.
#[derive(Debug, Args)]
pub struct MeasureArgs {
    /// Intervals: auto (clustered where pictures share a content, else bca), bca, percentile,
    /// clustered
    #[arg(long, value_name = "HOW", default_value = "auto", value_parser = parse_interval)]
    #[arg(help_heading = "Figures")]
    pub interval: IntervalRule,

    /// Fit the five-parameter logistic curve too
    #[arg(long, help_heading = "Figures")]
    pub logistic5: bool,
}

pub(super) fn parse_direction(text: &str) -> Result<Direction, String> {
    match text {
        "mos" => Ok(Direction::Mos),
        "dmos" => Ok(Direction::Dmos),
        _ => Err("expected mos (higher is better) or dmos (lower is better)".to_owned()),
    }
}

pub(super) fn parse_range(text: &str) -> Result<[f64; 2], String> {
    let numbers = text.split_once("..").and_then(|(lo, hi)| {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        Some([number(lo)?, number(hi)?])
    });
    match numbers {
        Some([lo, hi]) if lo < hi => Ok([lo, hi]),
        _ => Err("expected the lower and the higher end of the scale, such as 1..5".to_owned()),
    }
}

pub(super) fn parse_content(text: &str) -> Result<Content, String> {
    text.parse()
        .or_else(|_| format!("file:{text}").parse())
        .map_err(|_| "expected scene, set-scene, prompt, image, or the path of a list".to_owned())
}

pub(super) fn parse_form(text: &str) -> Result<Form, String> {
    match text {
        "honest" => Ok(Form::Honest),
        "published" => Ok(Form::Published),
        _ => Err("expected honest or published".to_owned()),
    }
}

pub(super) fn parse_interval(text: &str) -> Result<IntervalRule, String> {
    match text {
        "auto" => Ok(IntervalRule::Auto),
        "bca" => Ok(IntervalRule::Bca),
        "percentile" => Ok(IntervalRule::Percentile),
        "clustered" => Ok(IntervalRule::Clustered),
        _ => Err("expected auto, bca, percentile or clustered".to_owned()),
    }
}

/// What a training begins from.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Weights to begin from: safetensors or .pth [default: as the recipe says]
    ///
    /// Once for each backbone of a network that has two.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Run")]
    pub init: Vec<PathBuf>,

    /// LLaMA-7B, for csfiqa: safetensors, its .index.json, or consolidated.00.pth
    ///
    /// Only the one layer that the method freezes is read.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Run")]
    pub llama: Option<PathBuf>,
}

impl InitArgs {
    /// As a training takes them.
    pub fn given(&self) -> Given {
        Given { init: self.init.clone(), llama: self.llama.clone() }
    }
}

/// Where a network learns.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// Where the network learns: cpu, cuda (the first GPU) or cuda:N
    ///
    /// A GPU needs a biqa that was built with --features cuda; one that isn't there is an error. lite
    /// learns on the CPU alone.
    #[arg(long, value_name = "DEVICE", default_value = "cpu", help_heading = "Run")]
    pub device: DeviceName,
}

/// Keys of the recipe.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Set a key of the recipe, as in options.contrast.enabled=false; may be given again
    ///
    /// The run, its model and its report carry the change in their names.
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Run")]
    pub set: Vec<Change>,
}
