//! The flags of `biqa bench`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{DeviceArgs, ModelArgs, RunArgs, SetArgs};

const TRAIN_EXAMPLES: &str = "\
Examples:
  a GPU in both precisions:
      biqa bench train recipes/deiqt-authentic-large.toml --device cuda
      biqa bench train recipes/deiqt-authentic-large.toml --device cuda \\
          --set train.precision=bf16
  a larger step:
      biqa bench train recipes/deiqt-authentic-large.toml --device cuda \\
          --set train.batch=128";

/// Measure the speed of this machine
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    pub what: BenchWhat,
}

#[derive(Debug, Subcommand)]
pub enum BenchWhat {
    Score(BenchScoreArgs),
    Degrade(BenchDegradeArgs),
    Train(BenchTrainArgs),
}

/// Images a second: decoding alone, the network alone, and both as in score
///
/// The parts take turns, three rounds, and the median round counts. Network means resizing to what
/// the model sees, too. Up to 256 MiB of decoded images are held for it; that many images are
/// measured.
#[derive(Debug, Args)]
pub struct BenchScoreArgs {
    /// Files, folders, globs or @LIST, as for score
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<OsString>,

    #[command(flatten)]
    pub model: ModelArgs,

    #[command(flatten)]
    pub run: RunArgs,
}

/// Milliseconds of each distortion on one core, and compositions of QPT a second
///
/// The picture has 512 x 384 pixels. Of an operation with levels the slowest level counts, of each
/// level the fastest of several runs: other work on the machine only adds. "asked" is what the
/// specification allows one core.
#[derive(Debug, Args)]
pub struct BenchDegradeArgs {
    /// A picture instead of the made one; its middle is cut to that size
    #[arg(value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub picture: Option<PathBuf>,

    /// Only operations whose name contains TEXT, such as qpt: or noise
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub only: String,

    /// Runs of each level
    #[arg(long, value_name = "N", default_value = "5")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,

    /// Write the measured picture as PNG, for other programs to measure with
    #[arg(long, value_name = "PNG", value_hint = ValueHint::FilePath)]
    pub save: Option<PathBuf>,

    /// Say nothing on standard error but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// Milliseconds of a training step and its memory, on made-up crops
///
/// A step is that of biqa train: crops to tensors, forward, backward, optimiser. No photo is decoded
/// and nothing is written. The network starts from random numbers. The first steps are not counted:
/// a GPU's kernels are built and chosen in them.
#[derive(Debug, Args)]
#[command(after_help = TRAIN_EXAMPLES)]
pub struct BenchTrainArgs {
    /// Recipe of a paper's method: a TOML file
    #[arg(value_name = "RECIPE", value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,

    #[command(flatten)]
    pub set: SetArgs,

    /// Steps that count
    #[arg(long, value_name = "N", default_value = "20", help_heading = "Run")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub steps: u32,

    /// Steps before them
    #[arg(long, value_name = "N", default_value = "5", help_heading = "Run")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub warmup: u32,

    #[command(flatten)]
    pub device: DeviceArgs,

    #[command(flatten)]
    pub run: RunArgs,
}
