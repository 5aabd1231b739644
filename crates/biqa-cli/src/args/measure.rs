//! The flags of what measures: `biqa evaluate` and `biqa protocol`.

use std::path::PathBuf;

use biqa_lab::datasets::{Content, Direction, LabelForm};
use biqa_lab::results::Part;
use biqa_lab::splits::{Form, FractionOf, Rule};
use biqa_lab::train::SelectBy;
use clap::{ArgGroup, Args, ValueHint};

use super::RunArgs;
use super::lab::{
    DatasetArgs, DeviceArgs, InitArgs, LoadArgs, MeasureArgs, SetArgs, SplitArgs, parse_content,
    parse_direction, parse_form, parse_range,
};

// By hand, because clap writes the choice between flags on one line, however long it gets.
const EVALUATE_USAGE: &str = "\
biqa evaluate [OPTIONS] --model <NAME> --dataset <NAME> --root <DIR>
       biqa evaluate [OPTIONS] --weights <FILE> --dataset <NAME> --root <DIR>
       biqa evaluate [OPTIONS] --scores <CSV> --dataset <NAME> --root <DIR>";
const EVALUATE_EXAMPLES: &str = "\
Examples:
  biqa evaluate --model lite --dataset koniq10k --root koniq10k --part test
  biqa evaluate --scores theirs.csv --dataset livec --root LIVEC
  biqa evaluate --model lite --dataset csv --root photos --list mos.csv \\
      --direction mos --range 1..5 --out run
  biqa report run";
const PROTOCOL_USAGE: &str = "\
biqa protocol [OPTIONS] <RECIPE> --dataset <NAME> --root <DIR>
       biqa protocol [OPTIONS] <RECIPE> --dataset <NAME> --root <DIR>
                     --test-on <NAME> --test-root <DIR>";
const PROTOCOL_EXAMPLES: &str = "\
Examples:
  ten splits, both protocols:
      biqa protocol recipes/short.toml --dataset livec --root LIVEC \\
          --init mobilenet_v2.safetensors --protocol both --splits 10 --out run
  the same after it was stopped:
      biqa protocol ... --out run --resume
  small samples:
      biqa protocol ... --fractions 0.2,0.4,0.6
  trained on all of one set, tested on all of another:
      biqa protocol recipes/short.toml --train-on live --root LIVE \\
          --test-on csiq --test-root CSIQ --init mobilenet_v2.safetensors
  the report:
      biqa report run/honest run/published";

/// Compare a model's scores with people's on a dataset
///
/// Prints the rank correlations SRCC and KRCC, the linear PLCC as it is and after a logistic fit, the
/// RMSE after the fit, and 95 % intervals.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("subject").required(true).args(["model", "weights", "scores"]))]
#[command(mut_arg("dataset", |arg| arg.required(true)))]
#[command(override_usage = EVALUATE_USAGE, after_help = EVALUATE_EXAMPLES)]
pub struct EvaluateArgs {
    /// Model inside this binary
    #[arg(short, long, value_name = "NAME", help_heading = "Model")]
    pub model: Option<String>,

    /// Model in a safetensors file with a biqa card
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Model")]
    pub weights: Option<PathBuf>,

    /// Anybody's numbers: a CSV with the columns path and score, higher is better
    ///
    /// A predictions.csv of a run is read by its column prediction.
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath, help_heading = "Model")]
    pub scores: Option<PathBuf>,

    /// Of a predictions.csv of several repeats, take this one
    #[arg(long, value_name = "N", requires = "scores", help_heading = "Model")]
    pub repeat: Option<usize>,

    #[command(flatten)]
    pub dataset: DatasetArgs,

    #[command(flatten)]
    pub load: LoadArgs,

    /// Where the parts come from: biqa, python:SEED, python:r*SEED, file:PATH, official [default: the
    /// set's own parts, where it has any]
    #[arg(long, value_name = "RULE", help_heading = "Split")]
    pub split: Option<Rule>,

    /// Number of the split, from 0
    #[arg(long, value_name = "N", default_value = "0", requires = "split")]
    #[arg(help_heading = "Split")]
    pub index: u32,

    /// Cut of the split: honest (70/10/20) or published (80/20); test is the same in both
    #[arg(long, value_name = "NAME", default_value = "honest", value_parser = parse_form)]
    #[arg(requires = "split", help_heading = "Split")]
    pub protocol: Form,

    #[command(flatten)]
    pub shared: SplitArgs,

    /// Part: train, val, test or all [default: test, where there are parts]
    #[arg(long, value_name = "PART", value_parser = parse_part, help_heading = "Split")]
    pub part: Option<Part>,

    #[command(flatten)]
    pub measure: MeasureArgs,

    /// Write a copy of --weights whose card carries the figures
    #[arg(long, value_name = "FILE", requires = "weights", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with = "ladders", help_heading = "Output")]
    pub card: Option<PathBuf>,

    /// Instead of correlations: what degrading and resizing N photos of the part does to scores
    #[arg(long, value_name = "N", value_parser = parse_photos, allow_negative_numbers = true)]
    #[arg(conflicts_with_all = ["scores", "out", "logistic5", "interval"])]
    #[arg(help_heading = "Output")]
    pub ladders: Option<usize>,

    /// Write figures and predictions into a folder, for `biqa report`
    #[arg(short, long, alias = "output", value_name = "RUN", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Output")]
    pub out: Option<PathBuf>,

    /// Replace the figures of an earlier run in RUN, or write beside other files; replace the file of
    /// --card
    #[arg(long, help_heading = "Output")]
    pub force: bool,

    #[command(flatten)]
    pub run: RunArgs,
}

/// Train and test a recipe over splits of a dataset
///
/// honest trains on 70 %, keeps the epoch that is best on 10 %, and scores the test part once.
/// published trains on 80 % and keeps the epoch that is best on the test part, as the papers' code
/// does. Both use the same test parts, so that they differ by protocol alone; the last epoch stands
/// beside both.
///
/// The run may be killed at any moment; with --resume it goes on and ends with the same figures.
#[derive(Debug, Args)]
#[command(mut_arg("dataset", |arg| arg.required(true)))]
#[command(override_usage = PROTOCOL_USAGE, after_help = PROTOCOL_EXAMPLES)]
pub struct ProtocolArgs {
    /// Recipe: a TOML file with every number of the training, or a method's name for its paper's
    /// recipe for the dataset (deiqt, csiqa, lmliqa, csfiqa, csfiqa-lite, glintiqa, qpt)
    #[arg(value_name = "RECIPE", value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,

    #[command(flatten)]
    pub dataset: DatasetArgs,

    #[command(flatten)]
    pub load: LoadArgs,

    /// Cross-dataset: test on all of this set, train on all of --dataset (or --train-on)
    #[arg(long, value_name = "NAME", requires = "test_root", help_heading = "Another set")]
    pub test_on: Option<String>,

    /// Folder of the set that is tested on
    #[arg(long, value_name = "DIR", requires = "test_on", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Another set")]
    pub test_root: Option<PathBuf>,

    /// --labels of the set that is tested on
    #[arg(long, value_name = "FORM", requires = "test_on", help_heading = "Another set")]
    pub test_labels: Option<LabelForm>,

    /// --content of the set that is tested on
    #[arg(long, value_name = "WHAT", requires = "test_on", value_parser = parse_content)]
    #[arg(help_heading = "Another set")]
    pub test_content: Option<Content>,

    /// --list of the set that is tested on
    #[arg(long, value_name = "CSV", requires = "test_on", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Another set")]
    pub test_list: Option<PathBuf>,

    /// --direction of the set that is tested on
    #[arg(long, value_name = "WAY", requires = "test_on", value_parser = parse_direction)]
    #[arg(help_heading = "Another set")]
    pub test_direction: Option<Direction>,

    /// --range of the set that is tested on
    #[arg(long, value_name = "LO..HI", requires = "test_on", value_parser = parse_range)]
    #[arg(allow_hyphen_values = true, help_heading = "Another set")]
    pub test_range: Option<[f64; 2]>,

    /// Cross-dataset: train on all of the set, or on the train part of a split
    #[arg(long, value_name = "PART", default_value = "all", value_parser = ["all", "train"])]
    #[arg(requires = "test_on", help_heading = "Another set")]
    pub train_part: String,

    /// honest, published or both
    #[arg(long, value_name = "NAME", default_value = "honest")]
    #[arg(value_parser = ["honest", "published", "both"], help_heading = "Split")]
    pub protocol: String,

    /// Where the splits come from: biqa, python:SEED, python:r*SEED, file:PATH, official
    ///
    /// {index} in PATH stands for the split's number. Of one split, repeats are training seeds.
    #[arg(long, value_name = "RULE", default_value = "biqa", help_heading = "Split")]
    pub split: Rule,

    /// How many splits [default: 10; 1 with --test-on]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    #[arg(help_heading = "Split")]
    pub splits: Option<u32>,

    /// Small samples: shares that train instead of the full train part, such as 0.2,0.4,0.6
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "test_on")]
    #[arg(help_heading = "Split")]
    pub fractions: Vec<f64>,

    /// What --fractions are of: the dataset (0.8 is the full train part) or the train part
    #[arg(long, value_name = "WHAT", default_value = "dataset", value_parser = parse_fraction_of)]
    #[arg(requires = "fractions", help_heading = "Split")]
    pub fraction_of: FractionOf,

    #[command(flatten)]
    pub shared: SplitArgs,

    /// Figure by which an epoch is kept: srcc or plcc [default: srcc; plcc where DEIQT, CSIQA,
    /// LML-IQA or CSFIQA run as published]
    #[arg(long, value_name = "FIGURE", value_parser = parse_select_by)]
    #[arg(help_heading = "Figures")]
    pub select_by: Option<SelectBy>,

    /// Which summary over the splits stands first: median or mean
    #[arg(long, value_name = "WHICH", default_value = "median", value_parser = ["median", "mean"])]
    #[arg(help_heading = "Figures")]
    pub summary: String,

    #[command(flatten)]
    pub measure: MeasureArgs,

    #[command(flatten)]
    pub set: SetArgs,

    #[command(flatten)]
    pub init: InitArgs,

    /// Folder of the run: a folder a training under splits/, one a protocol with the results
    #[arg(short, long, alias = "output", value_name = "RUN", default_value = "run")]
    #[arg(value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Run")]
    pub out: PathBuf,

    /// Go on with the run that is in RUN; more splits, protocols or fractions may join it
    #[arg(long, help_heading = "Run")]
    pub resume: bool,

    /// Trainings at once, as far as memory allows
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Run")]
    pub jobs: usize,

    /// Steps between checkpoints; one is also written after every epoch
    #[arg(long, value_name = "N", default_value = "200", help_heading = "Run")]
    pub checkpoint_steps: u64,

    #[command(flatten)]
    pub device: DeviceArgs,

    #[command(flatten)]
    pub run: RunArgs,
}

fn parse_photos(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("expected a number of photos, 1 or more".to_owned()),
    }
}

fn parse_part(text: &str) -> Result<Part, String> {
    match text {
        "train" => Ok(Part::Train),
        "val" => Ok(Part::Val),
        "test" => Ok(Part::Test),
        "all" => Ok(Part::All),
        _ => Err("expected train, val, test or all".to_owned()),
    }
}

fn parse_fraction_of(text: &str) -> Result<FractionOf, String> {
    match text {
        "dataset" => Ok(FractionOf::Dataset),
        "train" => Ok(FractionOf::Train),
        _ => Err("expected dataset or train".to_owned()),
    }
}

fn parse_select_by(text: &str) -> Result<SelectBy, String> {
    match text {
        "srcc" => Ok(SelectBy::Srcc),
        "plcc" => Ok(SelectBy::Plcc),
        _ => Err("expected srcc or plcc".to_owned()),
    }
}
