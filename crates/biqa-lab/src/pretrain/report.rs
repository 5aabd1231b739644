//! What a pre-training leaves for people: the figures before and after, its curves, and every source
//! that was passed over because it can't be decoded.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::lines::StepLine;
use super::measure::Figures;
use super::run::Options;
use super::sources::{Part, Row, SOURCES};
use crate::report::curves::thinned;
use crate::report::document::{self, Block, Cell, Document, Section, Table};
use crate::report::plots::{Line, lines};
use crate::train::TrainError;
use crate::train::run::device_words;

/// A line of `log.jsonl`, as far as it is drawn.
#[derive(Clone, Debug, Deserialize)]
struct Logged {
    kind: String,
    step: u64,
    loss: Option<f64>,
}

/// The loss of every step in a run's log, by step.
pub(super) fn losses(log: &Path) -> Result<Vec<[f64; 2]>, TrainError> {
    let text = fs::read_to_string(log)
        .map_err(|source| TrainError::Io { path: log.to_owned(), source })?;
    let mut points = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line: Logged = serde_json::from_str(line).map_err(|e| {
            TrainError::Data(format!(
                "{}, line {} is damaged ({e}); the weights are written: take the line out and go on with \
                 --resume for the report",
                log.display(),
                i + 1
            ))
        })?;
        if let (StepLine::KIND, Some(loss)) = (line.kind.as_str(), line.loss) {
            points.push([line.step as f64, loss]);
        }
    }
    Ok(points)
}

/// The page. `steps` are the losses of the steps.
pub(super) fn page(options: &Options, figures: &[Figures], steps: &[[f64; 2]]) -> Document {
    let recipe = &options.recipe;
    let mut sections = vec![sources(options), found(figures)];
    let mut curves = Section::new("curves", "Curves");
    curves.blocks = plots(figures, steps).into_iter().map(Block::Plot).collect();
    sections.push(curves);
    sections.extend(unreadable(&options.sources.rows));
    Document {
        title: format!("Pre-training {}", recipe.name),
        lead: format!(
            "Started from {}, seed {}, {} epochs, {} rows a step, on {}. Recipe {}.",
            options.init.name,
            options.seed,
            recipe.train.epochs,
            recipe.rows(),
            device_words(&options.device, recipe.train.precision),
            recipe.digest()
        ),
        sections,
    }
}

fn sources(options: &Options) -> Section {
    let (recipe, rows) = (&options.recipe, &options.sources.rows);
    let count = |part: Part| rows.iter().filter(|row| row.part == part).count();
    let mut section = Section::new("pictures", "Pictures");
    section.say(format!(
        "{} pictures: {} to learn from, {} to measure on, {} smaller than a view of {} pixels, {} that \
         can't be decoded. {SOURCES} has a row for each.",
        rows.len(),
        options.sources.train.len(),
        options.sources.held_out.len(),
        count(Part::Small),
        recipe.views.pair.patch,
        count(Part::Unreadable)
    ));
    if count(Part::Spare) > 0 {
        section.say(format!(
            "{} more are held out and not measured on (measure.held_out is {}).",
            count(Part::Spare),
            recipe.measure.held_out
        ));
    }
    if count(Part::Copy) > 0 {
        section.say(format!(
            "{} more are copies of pictures to measure on, and not learned from.",
            count(Part::Copy)
        ));
    }
    if let Some(labelled) = &options.labelled {
        section.say(format!(
            "Labelled: {}, {} photos to fit a ridge regression on, {} to correlate.",
            labelled.name,
            labelled.fit.len(),
            labelled.test.len()
        ));
    }
    section
}

/// The figures before and after, and those between.
fn found(figures: &[Figures]) -> Section {
    let mut section = Section::new("figures", "On pictures that were not learnt from");
    let (Some(before), Some(after)) = (figures.first(), figures.last()) else { return section };
    let pairs = before.named().into_iter().zip(after.named());
    section.blocks.push(table(
        "figures",
        "Before the first step and behind the last one. AUC is the area under the curve: 0.5 tells \
         nothing apart, 1 everything.",
        &["figure", "before", "after"],
        pairs.map(|((name, a), (_, b))| row(name, &[a, b])).collect(),
    ));
    section.blocks.push(table(
        "epochs",
        "The same after epochs.",
        &["epoch", "loss", "AUC", "AUC, features", "operation", "level", "ridge SRCC"],
        figures
            .iter()
            .map(|f| {
                let values = [f.loss, f.auc, f.auc_features, f.operation, f.level, f.ridge_srcc];
                row(&f.epoch.to_string(), &values)
            })
            .collect(),
    ));
    section
}

fn row(name: &str, values: &[Option<f64>]) -> document::Row {
    let numbers = values.iter().map(|v| Cell::number(*v, 4));
    let cells = std::iter::once(Cell::words(name)).chain(numbers).collect();
    document::Row { cells, strong: false }
}

fn table(id: &str, caption: &str, columns: &[&str], rows: Vec<document::Row>) -> Block {
    let columns = columns.iter().map(|c| (*c).to_owned()).collect();
    Block::Table(Table {
        id: id.to_owned(),
        caption: caption.to_owned(),
        columns,
        rows,
        folded: false,
    })
}

/// The loss of the steps, and the figures after epochs.
fn plots(figures: &[Figures], steps: &[[f64; 2]]) -> Vec<document::Plot> {
    let line = |name, class, value: fn(&Figures) -> Option<f64>| {
        let points = figures.iter().filter_map(|f| Some([f.step as f64, value(f)?])).collect();
        Line { name, class, points, mark: None }
    };
    let trained = Line { name: "loss", class: "line", points: thinned(steps), mark: None };
    vec![
        lines(
            &[trained],
            "loss",
            "Training loss; every place is the mean over its steps.",
            "steps",
        ),
        lines(
            &[
                line("held out", "line", |f| f.loss),
                line("where nothing is known", "linezero", |f| Some(f.chance)),
            ],
            "loss",
            "Loss on held-out pictures.",
            "held-out",
        ),
        lines(
            &[
                line("projections", "line", |f| f.auc),
                line("features of the backbone", "line2", |f| f.auc_features),
            ],
            "AUC",
            "The same degraded picture told from the same picture under another degradation.",
            "auc",
        ),
        lines(
            &[
                line("operation", "line", |f| f.operation),
                line("level of five", "linethin", |f| f.level),
                line("ridge, SRCC", "line2", |f| f.ridge_srcc),
            ],
            "share, SRCC",
            "What linear layers read out of the backbone: the operation and its level, and the scores of \
             the labelled set.",
            "probes",
        ),
    ]
}

fn unreadable(rows: &[Row]) -> Option<Section> {
    let bad: Vec<document::Row> = rows
        .iter()
        .filter(|row| row.part == Part::Unreadable)
        .map(|row| document::Row {
            cells: vec![Cell::words(&row.name), Cell::words(&row.reason)],
            strong: false,
        })
        .collect();
    if bad.is_empty() {
        return None;
    }
    let mut section = Section::new("unreadable", "Pictures that can't be decoded");
    section.blocks.push(table("unreadable", "They were passed over.", &["picture", "why"], bad));
    Some(section)
}
