//! `biqa models`: the registry as a table, one model's card, or what the papers say.

use std::fmt::Display;
use std::io::{self, Write};
use std::iter::{once, repeat};
use std::slice;

use anyhow::anyhow;
use biqa::models::{Entry, entry, registry};
use biqa::scorer::Scorer;
use biqa::weights::{Ancestor, Interval, ModelCard};
use serde_json::{Value, json};

use crate::args::ModelsArgs;
use crate::exit::Exit;
use crate::output::columns;
use crate::papers;
use crate::words::wrapped;

pub fn run(args: &ModelsArgs) -> anyhow::Result<Exit> {
    let out = &mut io::stdout().lock();
    match (&args.weights, &args.name) {
        (Some(path), _) => {
            // The library's errors name their cause themselves, so the chain is not walked.
            let scorer = Scorer::open(path).map_err(|error| anyhow!("{error}"))?;
            card(out, scorer.card(), args.json)?;
        }
        (None, Some(name)) => {
            let entry = entry(name).map_err(|error| anyhow!("{error}"))?;
            if args.papers {
                sections(out, slice::from_ref(entry))?;
            } else {
                one(out, entry, args.json)?;
            }
        }
        (None, None) if args.papers => sections(out, registry())?,
        (None, None) if args.json => lines(out, registry().iter().map(entry_json))?,
        (None, None) => table(out)?,
    }
    out.flush()?;
    Ok(Exit::Fine)
}

/// Columns for the names of a card's fields.
const NAME: usize = 12;

fn table(out: &mut impl Write) -> anyhow::Result<()> {
    let width = registry().iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    for entry in registry() {
        let inside = match (entry.builtin, entry.scores) {
            (true, _) => "  (weights inside this binary)",
            (false, true) => "  (no weights here)",
            (false, false) => "",
        };
        let room = columns().unwrap_or(usize::MAX).saturating_sub(width + 2).max(NAME);
        let lines = wrapped(&format!("{}{inside}", entry.title), room);
        for (line, name) in lines.iter().zip(once(entry.name).chain(repeat(""))) {
            writeln!(out, "{name:width$}  {}", line.trim_start())?;
        }
    }
    Ok(())
}

/// Title and paper of each entry; of a paper's method also what is stated, read, inferred and ours.
fn sections(out: &mut impl Write, entries: &[Entry]) -> anyhow::Result<()> {
    let width = columns().unwrap_or(usize::MAX);
    let mut told = "";
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        for text in [&format!("{}: {}", entry.name, entry.title), entry.paper] {
            wrapped(text, width).iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        let heading = papers::heading(entry.name);
        let Some(section) = papers::section(heading) else { continue };
        writeln!(out)?;
        // A variant follows its method in the registry.
        if heading == told {
            writeln!(out, "As {heading}, above.")?;
            continue;
        }
        told = heading;
        for line in papers::laid_out(section, width) {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// A model with weights is its card; one without is a network of a paper.
fn one(out: &mut impl Write, entry: &Entry, as_json: bool) -> anyhow::Result<()> {
    if entry.builtin {
        let scorer = Scorer::named(entry.name).map_err(|error| anyhow!("{error}"))?;
        return card(out, scorer.card(), as_json);
    }
    if as_json {
        return lines(out, [entry_json(entry)]);
    }
    writeln!(out, "{}: {}", entry.name, entry.title)?;
    writeln!(out, "{}", entry.paper)?;
    let why = if entry.scores {
        "No weights inside this binary: train it (biqa train), or give --weights FILE."
    } else {
        "A part of other models: it gives no score by itself."
    };
    writeln!(out, "{why}")?;
    Ok(())
}

fn entry_json(entry: &Entry) -> Value {
    let Entry { name, title, paper, builtin, scores, .. } = entry;
    json!({
        "name": name, "title": title, "paper": paper, "builtin": builtin, "scores": scores
    })
}

fn lines(out: &mut impl Write, values: impl IntoIterator<Item = Value>) -> anyhow::Result<()> {
    for value in values {
        writeln!(out, "{value}")?;
    }
    Ok(())
}

fn card(out: &mut impl Write, card: &ModelCard, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        serde_json::to_writer_pretty(&mut *out, card)?;
        writeln!(out)?;
        return Ok(());
    }
    field(out, "name", format_args!("{} {}", card.name, card.version))?;
    field(out, "method", &card.method)?;
    field(out, "view", card.view.label())?;
    field(out, "digest", format_args!("{}, as rows of scores have it", card.scoring_digest()))?;
    field(out, "weights", format_args!("sha256 {} of the tensors", card.weights_digest))?;
    let data = &card.data;
    let counts = format_args!("{} photos, chosen on {}", data.train, data.val);
    field(out, "trained on", format_args!("{} ({}): {counts}", data.dataset, data.split))?;
    if !data.labels.is_empty() {
        field(out, "labels", &data.labels)?;
    }
    field(out, "started from", &data.init)?;
    for Ancestor { name, version, dataset, split } in &data.ancestors {
        field(out, "behind it", format_args!("{name} {version}, trained on {dataset} ({split})"))?;
    }
    field(out, "seed", card.seed)?;
    if !card.device.is_cpu() {
        field(out, "trained by", card.device)?;
    }
    field(out, "recipe", format_args!("sha256 {} of its values", card.recipe_digest))?;
    for metrics in &card.metrics {
        let (srcc, plcc) = (interval(metrics.srcc), interval(metrics.plcc));
        field(out, "measured", format_args!("{}: SRCC {srcc}, PLCC {plcc}", metrics.on))?;
    }
    for (score, looks) in &card.anchors {
        field(out, "scale", format_args!("{score} {looks}"))?;
    }
    field(out, "licence", &card.licence)?;
    field(out, "data terms", &card.data_terms)?;
    for failure in &card.known_failures {
        field(out, "fails on", failure)?;
    }
    Ok(())
}

fn field(out: &mut impl Write, name: &str, value: impl Display) -> io::Result<()> {
    // A terminal is read, a pipe is searched: only the first has lines of a width.
    let width = columns().unwrap_or(usize::MAX).saturating_sub(NAME + 2).max(NAME);
    let lines = wrapped(&value.to_string(), width);
    lines
        .iter()
        .zip(once(name).chain(repeat("")))
        .try_for_each(|(line, name)| writeln!(out, "{name:NAME$}  {line}"))
}

fn interval(figure: Interval) -> String {
    format!("{:.3} ({:.3} to {:.3})", figure.value, figure.low, figure.high)
}
