//! The flags of `biqa data`.

use std::path::PathBuf;

use biqa_lab::splits::{Form, Rule};
use clap::{Args, Subcommand, ValueHint};

use super::RunArgs;
use super::lab::{LoadArgs, SplitArgs, parse_form};

const DATA_EXAMPLES: &str = "\
Examples:
  biqa data check koniq10k
  biqa data check livec LIVEC
  biqa data manifest csiq CSIQ -o csiq.csv
  biqa data split csiq CSIQ --index 3 -o lists.json
  biqa data duplicates photos -o groups.csv
  biqa data duplicates BIQ2021 --dataset biq2021 --pairs pairs.csv -o groups.csv";

/// Look at a dataset: what is there, its one internal form, its splits, its near-duplicates
#[derive(Debug, Args)]
#[command(after_help = DATA_EXAMPLES, arg_required_else_help = true)]
pub struct DataArgs {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    Check(DataCheckArgs),
    Manifest(DataManifestArgs),
    Split(DataSplitArgs),
    Duplicates(DataDuplicatesArgs),
}

/// Say which set a folder holds, or whether it holds the set NAME as released
///
/// Ends with exit code 2 where it does not.
#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub struct DataCheckArgs {
    /// Dataset, by its name; without it, the sets whose files are there are named
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    /// Folder of the dataset
    #[arg(value_name = "DIR", required = true, value_hint = ValueHint::DirPath)]
    pub root: PathBuf,

    #[command(flatten)]
    pub load: LoadArgs,

    /// Side of the crops to come: pictures that are smaller are counted
    #[arg(long, value_name = "N", default_value = "224", help_heading = "Data")]
    pub crop: u32,

    /// Print pairs of pictures of two contents that are nearly the same
    ///
    /// Pairs whose 64-bit difference hashes differ in at most 4 bits. Reads every picture.
    #[arg(long, help_heading = "Data")]
    pub near_duplicates: bool,
}

/// Write a dataset as path,score,content,kind,level,split,spread
///
/// On standard output, or into a file. What a training needs besides (direction, scale, digest) is
/// said on standard error.
#[derive(Debug, Args)]
pub struct DataManifestArgs {
    /// Dataset, by its name
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Folder of the dataset
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub root: PathBuf,

    #[command(flatten)]
    pub load: LoadArgs,

    /// Do not look for the pictures
    #[arg(long, help_heading = "Data")]
    pub labels_only: bool,

    /// Write to this CSV
    #[arg(short, long, alias = "out", value_name = "CSV", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Replace a file that exists
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

/// Write the lists of a split: who trains, who chooses, who tests
///
/// JSON with the lists train, val and test of paths, as --split file:PATH takes them.
#[derive(Debug, Args)]
pub struct DataSplitArgs {
    /// Dataset, by its name
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Folder of the dataset
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub root: PathBuf,

    #[command(flatten)]
    pub load: LoadArgs,

    /// Where the parts come from: biqa, python:SEED, python:r*SEED, file:PATH, official
    #[arg(long, value_name = "RULE", default_value = "biqa", help_heading = "Split")]
    pub split: Rule,

    /// Number of the split, from 0
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Split")]
    pub index: u32,

    /// Cut: honest (70/10/20) or published (80/20); test is the same in both
    #[arg(long, value_name = "NAME", default_value = "honest", value_parser = parse_form)]
    #[arg(help_heading = "Split")]
    pub protocol: Form,

    #[command(flatten)]
    pub shared: SplitArgs,

    /// Write to this file
    #[arg(short, long, alias = "out", value_name = "JSON", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Replace a file that exists
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

/// Find pictures that are nearly the same, and propose groups
///
/// Prints a list path,content as --content takes it: pictures of one content are the same photo, or
/// nearly, and belong on one side of every split. Two photos of one scene are not found. A terminal
/// shows the groups alone.
#[derive(Debug, Args)]
pub struct DataDuplicatesArgs {
    /// Folder of pictures, looked through recursively
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub root: PathBuf,

    /// Most bits in which the 64-bit difference hashes of a pair may differ
    #[arg(long, value_name = "N", default_value = "4")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=32))]
    pub distance: u32,

    /// Least correlation of a pair's small gray versions
    #[arg(long, value_name = "R", default_value = "0.97", value_parser = parse_correlation)]
    pub correlation: f64,

    /// Look at the pictures of this dataset in DIR, and say which pairs its own parts separate
    #[arg(long, value_name = "NAME", help_heading = "Data")]
    pub dataset: Option<String>,

    #[command(flatten)]
    pub load: LoadArgs,

    /// Write the pairs to this CSV: first,second,distance,correlation; with --dataset also
    /// first_part,second_part
    #[arg(long, value_name = "CSV", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub pairs: Option<PathBuf>,

    /// Write the list to this CSV
    #[arg(short, long, alias = "out", value_name = "CSV", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Replace a file that exists
    #[arg(long, help_heading = "Output")]
    pub force: bool,

    #[command(flatten)]
    pub run: RunArgs,
}

fn parse_correlation(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(value) if (-1.0..=1.0).contains(&value) => Ok(value),
        _ => Err("a correlation goes from -1 to 1".to_owned()),
    }
}
