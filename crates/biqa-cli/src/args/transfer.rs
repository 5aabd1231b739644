//! The flags of `biqa transfer`.

use std::ffi::OsString;
use std::path::PathBuf;

use biqa_lab::transfer::{Range, Settings};
use clap::{Args, ValueHint};

use super::RunArgs;
use super::lab::parse_range;

// By hand, because clap writes what is needed on one line, however long it gets.
const USAGE: &str = "\
biqa transfer [OPTIONS] --references <DIR> --scores <CSV>
                     --weights <FILE> --output <OUT> <PATH>...";
const EXAMPLES: &str = "\
Examples:
  labels for pictures that are degraded elsewhere:
      biqa transfer KADIS/ref_imgs --references KADID/images \\
          --scores KADID/dmos.csv --weights resnet101.pth -o saqt
  for a test on KADID-10k, with the pictures:
      biqa data split kadid10k KADID -o lists.json
      biqa transfer photos --references KADID/images --scores KADID/dmos.csv \\
          --weights resnet101.pth --training-references lists.json --leave-out \\
          --pictures -o saqt
  as the paper's code chooses its 50000 pictures:
      biqa transfer KADIS/ref_imgs ... --similar 10000:TID2013/refs \\
          --similar 10000:CSIQ/refs --similar 10000:PIPAL/refs \\
          --total 50000";

/// Give pristine pictures the scores of KADID-10k's references that they resemble
///
/// Each picture is matched to the reference whose pooled feature has the highest cosine with its
/// own; its 125 degraded copies inherit that reference's scores, distortion by distortion and level
/// by level (GlintIQA's SAQT). OUT then holds labels_batch_NNNN.csv, the matches, what was left out
/// and manifest.json; `--dataset saqt --root OUT` reads it.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(override_usage = USAGE, after_help = EXAMPLES)]
pub struct TransferArgs {
    /// Pristine pictures: files, folders, globs or @LIST, as for score
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<OsString>,

    /// Folder of the references, under the names that the scores have
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Data")]
    pub references: PathBuf,

    /// KADID-10k's dmos.csv: the columns dist_img, ref_img and dmos
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath, help_heading = "Data")]
    pub scores: PathBuf,

    /// ImageNet weights to match with: a ResNet (the paper's is ResNet-101) or MobileNetV2
    ///
    /// Safetensors or .pth with torchvision's names; whose they are, the names say.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Data")]
    pub weights: PathBuf,

    /// References that may be inherited from: the JSON of biqa data split, or a name a line
    ///
    /// A picture that resembles another reference most is an error, because its scores would leak
    /// what is tested on.
    #[arg(long, value_name = "LIST", value_hint = ValueHint::FilePath, help_heading = "Leaks")]
    pub training_references: Option<PathBuf>,

    /// Leave such pictures out instead, and count them
    #[arg(long, requires = "training_references", help_heading = "Leaks")]
    pub leave_out: bool,

    /// Folder of references that will be tested on; may be given several times
    ///
    /// Pictures that are nearly one of them are left out. So are those of --similar.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Leaks")]
    pub test_references: Vec<PathBuf>,

    /// Cosine from which a picture counts as a copy of a reference that is tested on
    #[arg(long, value_name = "X", default_value = "0.98", value_parser = parse_cosine)]
    #[arg(allow_negative_numbers = true, help_heading = "Leaks")]
    pub drop_above: f64,

    /// Scores that are stretched over the scale: all, or train for those of the training references
    ///
    /// all is what the paper's code does; two numbers of test references leak.
    #[arg(long, value_name = "WHICH", default_value = "all", value_parser = parse_which)]
    #[arg(help_heading = "Leaks")]
    pub range: Range,

    /// Take the N pictures most like the references in DIR first; may be given several times
    #[arg(long, value_name = "N:DIR", value_parser = parse_similar, help_heading = "Choice")]
    pub similar: Vec<Similar>,

    /// Take so many pictures: after those of --similar, the ones most like their own match
    #[arg(long, value_name = "N", help_heading = "Choice")]
    pub total: Option<usize>,

    /// Matches of each picture that are listed
    #[arg(long, value_name = "K", default_value = "1", help_heading = "Choice")]
    pub top_k: usize,

    /// Which match is inherited from, 1 being the best
    #[arg(long, value_name = "K", default_value = "1", help_heading = "Choice")]
    pub rank: usize,

    /// Round the references' features to so many decimals, as the first release did (6)
    #[arg(long, value_name = "N", value_parser = parse_decimals, help_heading = "Choice")]
    pub reference_decimals: Option<usize>,

    /// Folder to write
    #[arg(short, long, alias = "out", value_name = "OUT", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Output")]
    pub output: PathBuf,

    /// Make the degraded pictures too, as PNG: 125 of each picture
    ///
    /// Without this the labels name .bmp files, as the paper's code writes them.
    #[arg(long, help_heading = "Output")]
    pub pictures: bool,

    /// Seed of what is drawn for them
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Output")]
    pub seed: u64,

    /// Lowest and highest label
    #[arg(long, value_name = "LO..HI", default_value = "0..9", value_parser = parse_range)]
    #[arg(allow_hyphen_values = true, help_heading = "Output")]
    pub scale: [f64; 2],

    /// Pictures of one label file, and of one folder
    #[arg(long, value_name = "N", default_value = "1000", help_heading = "Output")]
    pub batch_size: usize,

    /// Go on where a stopped run into the same folder ended
    #[arg(long, help_heading = "Output")]
    pub resume: bool,

    /// Write over what is there
    #[arg(long, conflicts_with = "resume", help_heading = "Output")]
    pub force: bool,

    #[command(flatten)]
    pub run: RunArgs,
}

/// A folder of references, and how many pictures like them are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Similar {
    pub take: usize,
    pub folder: PathBuf,
}

impl TransferArgs {
    /// As the lab takes them.
    pub fn settings(&self) -> Settings {
        Settings {
            top_k: self.top_k,
            rank: self.rank,
            reference_decimals: self.reference_decimals,
            scale: self.scale,
            range: self.range,
            drop_above: self.drop_above,
            batch_size: self.batch_size,
            total: self.total,
            leave_out: self.leave_out,
            pictures: self.pictures,
            seed: self.seed,
        }
    }
}

fn parse_similar(text: &str) -> Result<Similar, String> {
    let parts = text.split_once(':').filter(|(_, folder)| !folder.is_empty());
    let similar = parts.and_then(|(number, folder)| {
        let take = number.parse().ok().filter(|n| *n > 0)?;
        Some(Similar { take, folder: PathBuf::from(folder) })
    });
    similar.ok_or_else(|| "expected a number and a folder, such as 10000:TID2013/refs".to_owned())
}

fn parse_which(text: &str) -> Result<Range, String> {
    match text {
        "all" => Ok(Range::All),
        "train" => Ok(Range::Train),
        _ => Err("expected all or train".to_owned()),
    }
}

fn parse_cosine(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (-1.0..=2.0).contains(&value) => Ok(value),
        _ => Err("expected a cosine, up to 1; 2 leaves nothing out".to_owned()),
    }
}

fn parse_decimals(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=12).contains(&n) => Ok(n),
        _ => Err("expected a number of decimals from 1 to 12".to_owned()),
    }
}
