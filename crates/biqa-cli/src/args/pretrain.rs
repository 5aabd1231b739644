//! The flags of `biqa pretrain`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{DatasetArgs, DeviceArgs, LoadArgs, RunArgs, SetArgs};

// By hand: the flags of a labelled set are an option each.
const USAGE: &str = "\
biqa pretrain [OPTIONS] <RECIPE> --images <DIR>
       biqa pretrain [OPTIONS] <RECIPE> --images <DIR> --dataset <NAME>
                     --root <DIR>";
const EXAMPLES: &str = "\
Examples:
  MobileNetV2 on a folder of photos, for two cores and two hours:
      biqa pretrain qpt-mobilenet --images photos --out pre \\
          --init mobilenet_v2.safetensors
  ResNet-50, and a score model from it:
      biqa pretrain qpt-small --images photos --init resnet50.pth --out pre
      biqa train RECIPE --dataset livec --root LIVEC \\
          --init pre/pretrained.safetensors
  go on after a stop:
      biqa pretrain ... --out pre --resume";

/// Pre-train a backbone on photos without labels, as QPT does
///
/// The network learns to tell degradations of one photo apart. Of every picture it sees degraded
/// copies, two patches of each; patches of one copy belong together, those of other copies and of
/// other pictures don't.
///
/// RUN holds pretrained.safetensors (biqa train starts QPT from it), backbone.safetensors (the
/// backbone under its own names), report.html and report.md (figures and curves, on pictures that were
/// held out), sources.csv, log.jsonl and checkpoints. Pictures smaller than a patch are passed over and
/// counted; those that can't be decoded are rows of the report.
///
/// With --dataset a ridge regression from the backbone's features to the scores of a labelled set is
/// measured too: fitted on the set's training part, correlated on the part that chooses. Nothing is
/// learnt from its labels.
#[derive(Debug, Args)]
#[command(override_usage = USAGE, after_help = EXAMPLES)]
pub struct PretrainArgs {
    /// Recipe: qpt-full, qpt-small (ResNet-50), qpt-mobilenet, qpt-vit, or a TOML file with every
    /// number of the pre-training
    #[arg(value_name = "RECIPE", value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,

    /// Pictures to learn from: a folder, a glob or @LIST, as for score
    #[arg(long, value_name = "DIR", required = true, value_hint = ValueHint::AnyPath)]
    #[arg(help_heading = "Data")]
    pub images: Vec<OsString>,

    /// Pictures to measure on, never learnt from [default: up to a fifth of --images]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::AnyPath, help_heading = "Data")]
    pub held_out: Vec<OsString>,

    #[command(flatten)]
    pub dataset: Option<DatasetArgs>,

    #[command(flatten)]
    pub load: LoadArgs,

    /// Weights of the backbone to begin from: safetensors or .pth [default: as the recipe says]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Run")]
    pub init: Option<PathBuf>,

    /// Folder of the run
    #[arg(short, long, alias = "output", value_name = "RUN", default_value = "run")]
    #[arg(value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Run")]
    pub out: PathBuf,

    /// Go on from the last checkpoint in RUN
    #[arg(long, help_heading = "Run")]
    pub resume: bool,

    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Run")]
    pub seed: u64,

    /// Steps between checkpoints; one is also written after every epoch
    #[arg(long, value_name = "N", default_value = "200", help_heading = "Run")]
    pub checkpoint_steps: u64,

    #[command(flatten)]
    pub set: SetArgs,

    #[command(flatten)]
    pub device: DeviceArgs,

    #[command(flatten)]
    pub run: RunArgs,
}
