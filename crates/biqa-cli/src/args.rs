//! Every command and flag, declared once: parsing, help, completions and man pages follow from here.
//!
//! The first paragraph of a comment is the text of `-h`, all of it that of `--help`.

mod bench;
mod data;
mod degrade;
mod lab;
mod measure;
mod pretrain;
mod report;
mod transfer;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

pub use bench::{BenchArgs, BenchDegradeArgs, BenchScoreArgs, BenchTrainArgs, BenchWhat};
pub use data::{
    DataArgs, DataCheckArgs, DataCommand, DataDuplicatesArgs, DataManifestArgs, DataSplitArgs,
};
pub use degrade::DegradeArgs;
pub use lab::{DatasetArgs, DeviceArgs, InitArgs, LoadArgs, MeasureArgs, SetArgs};
pub use measure::{EvaluateArgs, ProtocolArgs};
pub use pretrain::PretrainArgs;
pub use report::ReportArgs;
pub use transfer::TransferArgs;

use crate::choose::Sort;
use crate::loader::LoaderArgs;
use crate::shard::Shard;

/// How good photos look, from 0 to 100, without a reference to compare with
///
/// biqa looks at photos and scores their quality as people would: 0 is bad, 100 is excellent.
/// Nothing leaves this machine and nothing is downloaded.
#[derive(Debug, Parser)]
#[command(name = "biqa", version, term_width = 80, after_help = EXIT_CODES)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

macro_rules! exit_codes {
    () => {
        "\
Exit codes:
  0    everything was done
  1    some images have no score; their rows say why
  2    usage or environment error, nothing was done
  3    an image scored below --fail-under
  130  stopped by Ctrl-C"
    };
}
const EXIT_CODES: &str = exit_codes!();

// By hand, because clap writes the choice between flags on one line, however long it gets.
const TRAIN_USAGE: &str = "\
biqa train [OPTIONS] <RECIPE> --dataset <NAME> --root <DIR>
       biqa train [OPTIONS] [RECIPE] --data <CSV>";
const SCORE_EXAMPLES: &str = concat!(
    "\
Examples:
  a table on the terminal:
      biqa score photos
  the twenty worst of a folder:
      biqa score photos --sort worst --top 20
  a file that a stopped run goes on with:
      biqa score photos -o scores.csv --resume
  a gate in a script:
      biqa score new/*.jpg --fail-under 40 --quiet

",
    exit_codes!()
);
const TRAIN_EXAMPLES: &str = "\
Examples:
  one's own labels, a CSV with path and score:
      biqa train --data labels.csv --out mine
      biqa score --weights mine/best.safetensors photos
  the default model once more:
      biqa train recipes/lite.toml --dataset biq2021 --root BIQ2021 \\
          --init mobilenet_v2.safetensors --out run
  go on after a stop:
      biqa train ... --out run --resume";

#[derive(Debug, Subcommand)]
pub enum Command {
    Score(Box<ScoreArgs>),
    /// List the models, or print one model's card
    Models(ModelsArgs),
    Train(TrainArgs),
    Pretrain(Box<PretrainArgs>),
    Evaluate(Box<EvaluateArgs>),
    Protocol(Box<ProtocolArgs>),
    Data(DataArgs),
    Degrade(Box<DegradeArgs>),
    Transfer(Box<TransferArgs>),
    Report(ReportArgs),
    /// Measure the speed of this machine
    Bench(BenchArgs),
    /// Print the completion script of a shell
    ///
    /// Put it where the shell looks for it, such as for bash the file
    /// ~/.local/share/bash-completion/completions/biqa
    Completions(CompletionsArgs),
    /// Print the manual page, or write a page for each command
    Man(ManArgs),
}

/// Score images: a row an image
///
/// Rows come in the order of the input. On a terminal they are a table, in a pipe JSON lines, with
/// -o a file. An image that cannot be read gets a row that says why, and the run goes on. A summary
/// follows on standard error.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES, after_long_help = SCORE_EXAMPLES)]
pub struct ScoreArgs {
    /// Files, folders, globs, @LIST, or - for paths from standard input
    ///
    /// A folder means all images in it, recursively, in the byte order of their paths: files whose
    /// suffix is that of an image format. Hidden ones are left out; folders elsewhere that are linked
    /// are walked once.
    ///
    /// A file that is named here or in a list is always read, whatever its suffix.
    ///
    /// @LIST is a file of paths, one a line, relative to the current directory; blank lines are
    /// passed over. A name that exists is always taken as it is, also if it begins with @ or looks
    /// like a glob.
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<OsString>,

    #[command(flatten)]
    pub model: ModelArgs,

    /// Write the rows to OUT: .csv, .jsonl or .parquet
    ///
    /// Until all are there, they are in OUT.partial.jsonl, each written as it comes; the finished
    /// file is renamed into place. An OUT that exists is not touched without --force or --resume.
    #[arg(short, long, alias = "out", value_name = "OUT", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Go on where a stopped run with the same -o ended
    ///
    /// A row is taken over when path, file size, model and loader are the same and it has a score.
    /// Failed images are tried again. A finished OUT is continued too: only new and failed images are
    /// scored.
    #[arg(long, requires = "output", help_heading = "Output")]
    pub resume: bool,

    /// Replace an OUT that exists, and give up an unfinished run's rows
    #[arg(long, requires = "output", conflicts_with = "resume", help_heading = "Output")]
    pub force: bool,

    /// Show only the N best images (with --sort worst: the N worst)
    ///
    /// Failed images are left out and said on standard error.
    #[arg(long, value_name = "N", value_parser = parse_top, allow_negative_numbers = true)]
    #[arg(help_heading = "Choice of rows")]
    pub top: Option<usize>,

    /// Show only images that score below X
    ///
    /// Failed images are left out and said on standard error.
    #[arg(long, value_name = "X", value_parser = parse_score, allow_negative_numbers = true)]
    #[arg(help_heading = "Choice of rows")]
    pub below: Option<f64>,

    /// Order the rows: best first, worst first, or by path [default: as given]
    ///
    /// Failed images come last in an order by score. Rows are shown when all are scored.
    #[arg(long, value_name = "ORDER", value_enum, help_heading = "Choice of rows")]
    pub sort: Option<Sort>,

    /// End with exit code 3 if any image scores below X
    ///
    /// All images of the run are looked at, whatever --top and --below show. Failed images do not
    /// trip the gate; without one below X they end the run with exit code 1.
    #[arg(long, value_name = "X", value_parser = parse_score, allow_negative_numbers = true)]
    #[arg(help_heading = "Run")]
    pub fail_under: Option<f64>,

    /// Score only part i of n, such as 2/8
    ///
    /// Parts go by position: image 1 to part 1, image 2 to part 2, and round again. All parts
    /// together give the rows of the whole. Give each part its own OUT.
    #[arg(long, value_name = "i/n", default_value = "1/1", hide_default_value = true)]
    #[arg(allow_negative_numbers = true, help_heading = "Run")]
    pub shard: Shard,

    #[command(flatten)]
    pub load: LoaderArgs,

    #[command(flatten)]
    pub run: RunArgs,
}

/// The model that scores.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// Model inside this binary [default: lite]
    ///
    /// See `biqa models`.
    #[arg(short, long, value_name = "NAME", conflicts_with = "weights", help_heading = "Model")]
    pub model: Option<String>,

    /// Model in a safetensors file with a biqa card
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Model")]
    pub weights: Option<PathBuf>,
}

/// How a command runs: what no result depends on.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Number of worker threads; 0 takes all cores
    ///
    /// No result depends on it.
    #[arg(short = 'j', long, value_name = "N", default_value = "0", value_parser = parse_threads)]
    #[arg(allow_negative_numbers = true, help_heading = "Run")]
    pub threads: usize,

    /// Say nothing on standard error but errors
    #[arg(short, long, help_heading = "Run")]
    pub quiet: bool,

    /// Show no progress bar
    ///
    /// There is none either where standard error is no terminal.
    #[arg(long, help_heading = "Run")]
    pub no_progress: bool,
}

impl RunArgs {
    /// Whether a progress bar may be shown.
    pub fn wants_progress(&self) -> bool {
        !self.quiet && !self.no_progress
    }
}

#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// Print this model's card
    #[arg(value_name = "NAME", conflicts_with = "weights")]
    pub name: Option<String>,

    /// Print the card inside a safetensors file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub weights: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,

    /// Print what a paper states and what is inferred or ours
    #[arg(long, conflicts_with_all = ["weights", "json"])]
    pub papers: bool,
}

/// Train a network on a dataset, or fine-tune `lite` on your own labels
///
/// With a recipe and a dataset: one training as the recipe says.
///
/// With --data labels.csv: a CSV with a header and the columns path and score, in any range, higher
/// is better; 50 labels are enough to fine-tune `lite`, with the recipe inside this binary.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["dataset", "data"]))]
#[command(override_usage = TRAIN_USAGE, after_help = TRAIN_EXAMPLES)]
pub struct TrainArgs {
    /// Recipe: a TOML file with every number of the training, or a method's name for its paper's
    /// recipe for the dataset (deiqt, csiqa, lmliqa, csfiqa, csfiqa-lite, glintiqa, qpt)
    ///
    /// Not needed with --data.
    #[arg(value_name = "RECIPE", required_unless_present = "data")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub recipe: Option<PathBuf>,

    #[command(flatten)]
    pub dataset: Option<DatasetArgs>,

    #[command(flatten)]
    pub load: LoadArgs,

    /// Your own labels: a CSV with the columns path and score
    ///
    /// Higher is better without --direction; the lowest and highest score of the list are the ends
    /// of the scale without --range.
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath, help_heading = "Data")]
    #[arg(conflicts_with_all = ["root", "partial", "allow_missing", "labels", "content", "list"])]
    #[arg(conflicts_with_all = ["natural_only", "training_references"])]
    pub data: Option<PathBuf>,

    /// Folder that the paths in --data are relative to [default: that of the CSV]
    // Said twice: clap drops what `requires` where something given conflicts with it.
    #[arg(long, value_name = "DIR", requires = "data", conflicts_with = "dataset")]
    #[arg(value_hint = ValueHint::DirPath, help_heading = "Data")]
    pub image_root: Option<PathBuf>,

    #[command(flatten)]
    pub set: SetArgs,

    #[command(flatten)]
    pub init: InitArgs,

    /// Folder of the run: checkpoints, log, best weights
    #[arg(short, long, alias = "output", value_name = "RUN", default_value = "run")]
    #[arg(value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Run")]
    pub out: PathBuf,

    /// Go on from the last checkpoint in RUN
    #[arg(long, help_heading = "Run")]
    pub resume: bool,

    /// Train nothing: how well does ridge regression do on the frozen backbone, as it starts?
    ///
    /// Its features are averaged over a photo's crops; the penalty is chosen on the photos that
    /// choose. Whatever is trained should do better. For the papers' methods.
    #[arg(long, conflicts_with_all = ["out", "resume", "checkpoint_steps"], help_heading = "Run")]
    pub ridge: bool,

    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Run")]
    pub seed: u64,

    /// Steps between checkpoints; one is also written after every epoch
    #[arg(long, value_name = "N", default_value = "200", help_heading = "Run")]
    pub checkpoint_steps: u64,

    #[command(flatten)]
    pub device: DeviceArgs,

    #[command(flatten)]
    pub run: RunArgs,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell to complete for
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write a page for each command into DIR
    #[arg(short, long, alias = "output", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

fn parse_score(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(score) if (0.0..=100.0).contains(&score) => Ok(score),
        _ => Err("a score goes from 0 to 100".to_owned()),
    }
}

fn parse_top(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n > 0 => Ok(n),
        _ => Err("expected a number of images, 1 or more".to_owned()),
    }
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n <= 1024 => Ok(n),
        _ => Err("expected a number of threads from 0 to 1024".to_owned()),
    }
}
