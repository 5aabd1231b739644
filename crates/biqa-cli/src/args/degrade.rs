//! The flags of `biqa degrade`.

use std::ffi::OsString;
use std::path::PathBuf;

use biqa_lab::degrade::Plan;
use biqa_lab::sheet;
use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args, ValueHint};

use super::RunArgs;

// By hand, because clap writes the choice between flags on one line, however long it gets.
const USAGE: &str = "\
biqa degrade [OPTIONS] --ops <ADDRESS> -o <OUT> <PATH>...
       biqa degrade [OPTIONS] --random [<PLAN>] -o <OUT> <PATH>...
       biqa degrade [OPTIONS] --kadid -o <OUT> <PATH>...
       biqa degrade [OPTIONS] --sheet[=FAMILY] -o <OUT.png> <PATH>
       biqa degrade --list[=NAME]";
const EXAMPLES: &str = "\
Examples:
  biqa degrade photo.jpg -o worse.png --ops kadid:jpeg@3
  biqa degrade photos -o degraded --random qpt --count 2 --seed 7
  biqa degrade photos -o kadis --kadid
  biqa degrade photo.jpg -o sheet.png --sheet";

/// Degrade pictures: by an address, at random, or as KADID-10k does
///
/// Of one picture, OUT is the PNG to be written; of several, or with --kadid or --count, a folder,
/// with a table manifest.csv: path, source, the address that makes the copy again, the source's SHA-256.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(group = ArgGroup::new("how").required(true).args(["ops", "random", "kadid", "sheet", "list"]))]
#[command(override_usage = USAGE, after_help = EXAMPLES)]
pub struct DegradeArgs {
    /// Files, folders, globs or @LIST, as for score
    #[arg(value_name = "PATH", required_unless_present = "list", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<OsString>,

    /// PNG to write, or folder of the copies and their manifest.csv
    #[arg(short, long, alias = "out", value_name = "OUT", required_unless_present = "list")]
    #[arg(value_hint = ValueHint::AnyPath, help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// Operations, such as kadid:darken@2/kadid:jpeg+q=20, or a whole address d1/KEY/...
    ///
    /// Without a key, --seed and the picture's name decide what is drawn.
    #[arg(long, value_name = "ADDRESS", help_heading = "Degradation")]
    pub ops: Option<String>,

    /// Compositions of a plan: qpt, shuffle, groups, real-esrgan, bsrgan or bsrgan-plus [alone: qpt]
    ///
    /// What differs from the paper's choice stands behind it: qpt+draws=3+orders=2 (also space=26,
    /// distinct=1), shuffle+orders=2, groups+most=7, real-esrgan+scale=4.
    #[arg(long, value_name = "PLAN", num_args = 0..=1, default_missing_value = "qpt")]
    #[arg(help_heading = "Degradation")]
    pub random: Option<Plan>,

    /// Compositions of each picture
    #[arg(long, value_name = "N", requires = "random", default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    #[arg(help_heading = "Degradation")]
    pub count: u32,

    /// Every distortion of KADID-10k at five levels, under its file names NAME_TT_LL.png
    ///
    /// The range of values is stretched before and after, as in KADIS-700k.
    #[arg(long, help_heading = "Degradation")]
    pub kadid: bool,

    /// Leave the range of values as it is before and after KADID-10k's distortions
    #[arg(long, requires = "kadid", help_heading = "Degradation")]
    pub no_stretch: bool,

    /// One picture's middle with every distortion that has levels at all five, on a sheet
    ///
    /// --sheet=kadid shows those of one family.
    #[arg(long, value_name = "FAMILY", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "all", value_parser = families(), help_heading = "Degradation")]
    pub sheet: Option<String>,

    /// List the operations and the sizes of the plans
    ///
    /// --list=jpeg shows those with this in their name, with ranges and the values at each level.
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "", help_heading = "Degradation", exclusive = true)]
    pub list: Option<String>,

    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value = "0", help_heading = "Degradation")]
    pub seed: u64,

    /// Go on where a stopped run into the same folder ended
    ///
    /// Only with the request that degrade.json there holds. Pictures whose copies all stand in
    /// manifest.csv and are there are passed over.
    #[arg(long, help_heading = "Output")]
    pub resume: bool,

    /// Write over what is there: a picture, or a folder's copies, all of which are made anew
    #[arg(long, conflicts_with = "resume", help_heading = "Output")]
    pub force: bool,

    #[command(flatten)]
    pub run: RunArgs,
}

/// What a sheet may show.
fn families() -> PossibleValuesParser {
    PossibleValuesParser::new(std::iter::once("all").chain(sheet::families()))
}
