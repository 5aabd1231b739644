//! `biqa report`: run folders become a page, its Markdown twin, and every number as CSV and JSON.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use biqa_lab::report::{Options, report};
use biqa_lab::results::{PREDICTIONS, RESULTS, find, read, write_atomic};

use crate::args::ReportArgs;
use crate::exit::Exit;
use crate::words::{count, say, shown};

pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    check(&args.output)?;
    let mut runs = Vec::new();
    for folder in &args.runs {
        for found in find(folder)? {
            runs.push(read(&found)?);
        }
    }
    let made = report(&runs, &Options { pictures: args.pictures })?;
    let page = args.output.file_name().unwrap_or_default().to_string_lossy();
    let texts = [
        ("md", made.markdown(&page)),
        ("csv", made.csv()),
        ("json", made.json()),
        // The page last: where it is, the others are.
        ("html", made.html()),
    ];
    for (suffix, text) in &texts {
        let path = twin(&args.output, suffix);
        write_atomic(&path, text.as_bytes())
            .with_context(|| format!("cannot write {}", shown(&path)))?;
    }
    if !args.quiet {
        say(&format!(
            "{} on {}: open {}; the same as .md, .csv and .json beside it",
            count(runs.len() as u64, "run"),
            count(sets(&runs) as u64, "set"),
            shown(&args.output)
        ));
    }
    Ok(Exit::Fine)
}

/// Before anything is read: a place that can't be written, or that would replace a run's own files.
fn check(output: &Path) -> anyhow::Result<()> {
    if output.extension().is_none_or(|suffix| suffix != "html") {
        bail!("{} is no name for the page (give one that ends in .html)", shown(output));
    }
    let stem = output.file_stem().unwrap_or_default();
    if [RESULTS, PREDICTIONS].iter().any(|own| Path::new(own).file_stem() == Some(stem)) {
        bail!(
            "{} would put its twins over files of a run ({RESULTS}, {PREDICTIONS}); give another \
             name, such as report.html",
            shown(output)
        );
    }
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("cannot write {}: there is no folder {}", shown(output), shown(folder));
    }
    if output.is_dir() {
        bail!("cannot write {}: it is a folder", shown(output));
    }
    Ok(())
}

fn twin(output: &Path, suffix: &str) -> PathBuf {
    output.with_extension(suffix)
}

fn sets(runs: &[biqa_lab::results::Run]) -> usize {
    let mut keys: Vec<&str> = runs.iter().map(|run| run.results.dataset.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.len()
}
