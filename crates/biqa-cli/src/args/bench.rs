//! The flags of `biqa bench`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{ModelArgs, RunArgs};

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
