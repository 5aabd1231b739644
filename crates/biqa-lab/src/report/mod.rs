//! Reports: run folders in; one HTML page, its Markdown twin, and every number as CSV and JSON out.
//!
//! `papers/protocol.md`, section 7. [`report`] only reads: runs, training logs, and the pictures
//! that become thumbnails. Called by `biqa report`.

mod between;
mod compare;
pub(crate) mod curves;
mod data;
mod detail;
pub mod document;
mod findings;
pub(crate) mod html;
pub(crate) mod markdown;
pub(crate) mod plots;
mod seeds;
mod summary;
mod svg;
mod thumbs;
mod words;

use serde_json::{Value, json};
use std::path::{Component, Path};

use crate::results::Run;
use crate::stats::StatsError;
use document::Document;
use findings::Findings;

/// Version of the form of the JSON.
const VERSION: u32 = 1;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Figures of a run can't be computed.
    #[error("{folder}: the figures can't be computed from its predictions")]
    Stats {
        /// The run.
        folder: std::path::PathBuf,
        /// Why.
        source: StatsError,
    },
}

/// How to write a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many of the worst, and of the best, predictions are shown as pictures; 0 for none.
    pub pictures: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { pictures: 12 }
    }
}

/// A report in its four forms.
#[derive(Clone, Debug)]
pub struct Report {
    /// Words, tables and plots before they have a form.
    pub document: Document,
    json: Value,
}

impl Report {
    /// One page, complete in itself.
    pub fn html(&self) -> String {
        html::render(&self.document)
    }

    /// The same without plots and pictures. `page` is the name of the HTML file.
    pub fn markdown(&self, page: &str) -> String {
        markdown::render(&self.document, page)
    }

    /// Every number of the tables in full.
    pub fn csv(&self) -> String {
        data::csv(&self.document)
    }

    /// Every number: of the tables, of the runs as they were stored, and of every image.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.json).expect("a value is plain data");
        text.push('\n');
        text
    }
}

/// Makes a report on `runs`, which are set side by side in their order.
pub fn report(runs: &[Run], options: &Options) -> Result<Report, ReportError> {
    let found = |run| {
        Findings::of(run)
            .map_err(|source| ReportError::Stats { folder: run.folder.clone(), source })
    };
    let all = runs.iter().map(found).collect::<Result<Vec<_>, _>>()?;
    let names = names(runs);
    let mut document = Document {
        title: title(runs),
        lead: "SRCC, KRCC and PLCC: rank and linear correlations of predictions with people's \
               labels; 1 is perfect, 0 is none."
            .to_owned(),
        sections: Vec::new(),
    };
    for (number, group) in summary::together(&all).iter().enumerate() {
        let mut section = summary::section(&all, &names, group, number + 1);
        let folder = &runs[group.runs[0]].folder;
        compare::add(&mut section, &all, &names, group, number + 1)
            .map_err(|source| ReportError::Stats { folder: folder.clone(), source })?;
        document.sections.push(section);
    }
    document.sections.extend(between::section(&all, &names));
    for (number, (findings, name)) in all.iter().zip(&names).enumerate() {
        document.sections.push(detail::section(findings, name, number + 1, options.pictures));
    }
    let json = json!({
        "report": VERSION,
        "biqa": env!("CARGO_PKG_VERSION"),
        "runs": all.iter().map(run_json).collect::<Vec<_>>(),
        "tables": data::json(&document),
    });
    Ok(Report { document, json })
}

fn title(runs: &[Run]) -> String {
    match runs {
        [run] => format!("{} on {}", run.results.subject.name, run.results.dataset.name),
        _ => format!("{} runs side by side", runs.len()),
    }
}

/// What runs are called: the subject, with what tells it from others of the same name.
fn names(runs: &[Run]) -> Vec<String> {
    let plain: Vec<&str> = runs.iter().map(|run| run.results.subject.name.as_str()).collect();
    let twice = |name: &str| plain.iter().filter(|other| **other == name).count() > 1;
    let told = |run: &Run| {
        let name = &run.results.subject.name;
        if twice(name) { format!("{name} ({})", place(&run.folder)) } else { name.clone() }
    };
    runs.iter().map(told).collect()
}

/// A run's folder and the one it lies in, which is the protocol's: `lite-pre/honest`.
fn place(folder: &Path) -> String {
    let names: Vec<_> = folder
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    names[names.len().saturating_sub(2)..].join("/")
}

/// The run as it was stored, and its images with fitted value and residual. The place of the
/// pictures on this machine is nobody else's business.
fn run_json(findings: &Findings) -> Value {
    let mut results = findings.run.results.clone();
    results.dataset.root = None;
    let image = |point: &findings::Point| {
        json!({
            "path": point.image.path,
            "repeat": point.image.repeat,
            "label": point.image.score,
            "quality": point.quality,
            "prediction": point.image.prediction,
            "fitted": point.fitted,
            "residual": point.residual(),
        })
    };
    json!({
        "results": results,
        "images": findings.points.iter().map(image).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
