//! What a pre-training leaves for people: the figures before and after, and every source that was
//! passed over because it can't be decoded.

use std::fmt::Write as _;

use super::measure::Figures;
use super::run::Options;
use super::sources::{Part, SOURCES};
use crate::train::run::device_words;

/// Its name in the run's folder.
pub(super) const REPORT: &str = "report.md";

/// The page.
pub(super) fn markdown(options: &Options, figures: &[Figures]) -> String {
    let recipe = &options.recipe;
    let mut text = format!("# Pre-training {}\n\n", recipe.name);
    let mut line = |words: std::fmt::Arguments<'_>| {
        writeln!(text, "{words}").expect("writing to a string cannot fail");
    };
    let rows = &options.sources.rows;
    let count = |part: Part| rows.iter().filter(|row| row.part == part).count();
    line(format_args!(
        "Started from {}, seed {}, {} epochs, {} rows a step, on {}. Recipe {}.\n",
        options.init.name,
        options.seed,
        recipe.train.epochs,
        recipe.rows(),
        device_words(&options.device, recipe.train.precision),
        recipe.digest()
    ));
    line(format_args!(
        "{} pictures: {} to learn from, {} to measure on, {} smaller than a view of {} pixels, {} that \
         can't be decoded. {SOURCES} has a row for each.\n",
        rows.len(),
        options.sources.train.len(),
        options.sources.held_out.len(),
        count(Part::Small),
        recipe.views.pair.patch,
        count(Part::Unreadable)
    ));
    if count(Part::Spare) > 0 {
        line(format_args!(
            "{} more are held out and not measured on (measure.held_out is {}).\n",
            count(Part::Spare),
            recipe.measure.held_out
        ));
    }
    if count(Part::Copy) > 0 {
        line(format_args!(
            "{} more are copies of pictures to measure on, and not learned from.\n",
            count(Part::Copy)
        ));
    }
    if let Some(labelled) = &options.labelled {
        line(format_args!(
            "Labelled: {}, {} photos to fit a ridge regression on, {} to correlate.\n",
            labelled.name,
            labelled.fit.len(),
            labelled.test.len()
        ));
    }
    if let (Some(before), Some(after)) = (figures.first(), figures.last()) {
        line(format_args!("On pictures that were not learnt from:\n"));
        line(format_args!("| figure | before | after |\n| --- | --- | --- |"));
        for ((name, before), (_, after)) in before.named().into_iter().zip(after.named()) {
            line(format_args!("| {name} | {} | {} |", number(before), number(after)));
        }
        line(format_args!(
            "\n| epoch | loss | AUC | AUC, features | operation | level | ridge SRCC |\n\
             | --- | --- | --- | --- | --- | --- | --- |"
        ));
        for f in figures {
            let [loss, auc, features, kind, level, ridge] =
                [f.loss, f.auc, f.auc_features, f.kind, f.level, f.ridge_srcc].map(number);
            let epoch = f.epoch;
            line(format_args!(
                "| {epoch} | {loss} | {auc} | {features} | {kind} | {level} | {ridge} |"
            ));
        }
    }
    if count(Part::Unreadable) > 0 {
        line(format_args!("\n| can't be decoded | why |\n| --- | --- |"));
        for row in rows.iter().filter(|row| row.part == Part::Unreadable) {
            line(format_args!("| {} | {} |", cell(&row.name), cell(&row.reason)));
        }
    }
    text
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "none".to_owned(), |v| format!("{v:.4}"))
}

/// A text that keeps within its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
