//! The flags of `biqa report`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Write what runs found as a page: HTML, Markdown, CSV and JSON
///
/// A run is a folder that `biqa evaluate --out` or `biqa protocol` made, or a folder of such
/// folders. Runs on the same set stand in one table, beside figures published by others, and are
/// compared where they were measured on the same images.
///
/// The page needs no network and no other file: plots and small pictures are inside.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Run folders; the first is the one that others are compared with
    #[arg(value_name = "RUN", required = true, value_hint = ValueHint::DirPath)]
    pub runs: Vec<PathBuf>,

    /// Write the page to OUT; its twins beside it, as .md, .csv and .json
    ///
    /// Files that are there are replaced, each at once and whole.
    #[arg(short, long, alias = "out", value_name = "OUT", default_value = "report.html")]
    #[arg(value_hint = ValueHint::FilePath)]
    pub output: PathBuf,

    /// Show the N worst and the N best predictions as pictures; 0 for none
    #[arg(long, value_name = "N", default_value = "12", value_parser = parse_pictures)]
    pub pictures: usize,

    /// Say nothing on standard error but errors
    #[arg(short, long)]
    pub quiet: bool,
}

fn parse_pictures(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if n <= 500 => Ok(n),
        _ => Err("expected a number of pictures from 0 to 500".to_owned()),
    }
}
