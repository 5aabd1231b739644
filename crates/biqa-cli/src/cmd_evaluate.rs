//! `biqa evaluate`: how well a model, or anybody's numbers, agree with people on a dataset.

mod overlap;

use std::path::Path;

use anyhow::{Context, bail};
use biqa::record::Record;
use biqa::scorer::Scorer;
use biqa::weights::{Interval, Metrics, Precision, read, to_safetensors};
use biqa_lab::datasets::{Content, Manifest, open, smaller_than};
use biqa_lab::evaluate::{
    Chosen, Evaluation, Measures, Scope, choose, compare, predict, read_scores, subject_of_scores,
    warnings, word,
};
use biqa_lab::results::{self, Figure, Method, Subject, SubjectKind};
use biqa_lab::sanity::{Ladder, Sanity, Step, measure};
use biqa_lab::splits;
use biqa_lab::train::checkpoint::write_atomic;

use crate::args::{EvaluateArgs, MeasureArgs};
use crate::exit::Exit;
use crate::progress::Progress;
use crate::words::{out, say, shown};
use overlap::{Overlap, overlap};

pub fn run(args: &EvaluateArgs) -> anyhow::Result<Exit> {
    check_outputs(args)?;
    let manifest = open(&args.dataset.name, &args.dataset.root, &args.load.options())?;
    let mut chosen = choose(&manifest, split(args).as_ref(), args.part)?;
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", shown(folder)))?;
    }
    let mut known = None;
    if let (Some(Content::File(list)), None) = (&args.load.content, &args.split) {
        chosen.split = format!("of the list {}", list.display());
    }
    if !args.run.quiet {
        manifest.notes.iter().chain(&chosen.notes).for_each(|note| say(note));
    }
    let evaluation = match (&args.model, &args.weights, &args.scores) {
        (None, None, Some(file)) => {
            let (found, notes) = read_scores(file, args.repeat, &manifest, &chosen.rows)?;
            notes.iter().filter(|_| !args.run.quiet).for_each(|note| say(note));
            chosen.notes.extend(notes);
            let subject = subject_of_scores(file)?;
            measured(args, &manifest, chosen, subject, None, &found)?
        }
        (model, weights, None) => {
            let scorer = match (model, weights) {
                (Some(name), None) => Scorer::named(name)?,
                (None, Some(path)) => Scorer::open(path)?,
                _ => bail!("nothing to evaluate: give one of --model, --weights and --scores"),
            };
            if let Some(count) = args.ladders {
                let sanity = measure(&scorer, &manifest, &chosen.rows, count, args.run.threads);
                print_ladders(&sanity.map_err(anyhow::Error::msg)?)?;
                return Ok(Exit::Fine);
            }
            known = overlap(args, scorer.card(), &manifest, chosen.part);
            if let Some(overlap) = &known {
                say(&format!("warning: {}", overlap.words()));
                chosen.notes.push(overlap.words().to_owned());
            }
            let crop = scorer.card().view.side();
            if let Some(note) = crop.and_then(|side| smaller_than(&manifest, side)) {
                say(&format!("warning: {note}"));
                chosen.notes.push(note);
            }
            let progress = Progress::of(args.run.wants_progress(), chosen.rows.len());
            let seen = &mut |_: &Record| progress.scored();
            let found = predict(&scorer, &manifest, &chosen.rows, args.run.threads, seen);
            progress.end();
            let found = found?;
            let card = scorer.card();
            let subject = Subject {
                kind: SubjectKind::Model,
                name: card.name.clone(),
                digest: Some(scorer.digest().to_owned()),
                recipe_digest: Some(card.recipe_digest.clone()),
            };
            measured(args, &manifest, chosen, subject, Some(1), &found)?
        }
        _ => bail!("give one of --model, --weights and --scores, not several"),
    };
    if let (Some(weights), Some(path)) = (&args.weights, &args.card) {
        stamp(args, &evaluation, known.as_ref(), weights, path)?;
    }
    if let Some(folder) = &args.out {
        results::write(folder, &evaluation.results, &evaluation.images)?;
        if !args.run.quiet {
            say(&format!("written; look at it with: biqa report {}", folder.display()));
        }
    }
    // Last: whoever reads our output may go away, and the files are there.
    print(args, &evaluation)?;
    Ok(Exit::Fine)
}

/// Refuses what could not be written when all is scored, and what would write over other things: a
/// run's figures, somebody's photos, a file.
fn check_outputs(args: &EvaluateArgs) -> anyhow::Result<()> {
    if let Some(folder) = &args.out {
        let taken = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        if taken && !args.force {
            bail!("{} is there and not empty (give a new folder, or --force)", shown(folder));
        }
    }
    if args.force && args.out.is_none() && args.card.is_none() {
        bail!("--force is about what --out or --card would write over: give one of them");
    }
    let Some(card) = &args.card else { return Ok(()) };
    if args.weights.is_none() {
        bail!("--card writes a copy of --weights: give the model's file with --weights");
    }
    if card.is_dir() {
        bail!("cannot write {}: it is a folder", shown(card));
    }
    if card.symlink_metadata().is_ok() && !args.force {
        bail!("{} is already there (give a new name, or --force)", shown(card));
    }
    let folder = card.parent().filter(|folder| !folder.as_os_str().is_empty());
    let made = |folder: &&Path| args.out.as_deref() == Some(*folder);
    if let Some(folder) = folder.filter(|folder| !folder.is_dir() && !made(folder)) {
        bail!("cannot write {}: there is no folder {}", shown(card), shown(folder));
    }
    Ok(())
}

/// The split that is asked for; `None` takes the set's own parts.
fn split(args: &EvaluateArgs) -> Option<splits::Options> {
    Some(splits::Options {
        rule: args.split.clone()?,
        form: args.protocol,
        seed: args.shared.seed,
        index: args.index,
        fraction: None,
        allow_leak: args.shared.allow_leak,
        group_equal_bytes: args.shared.group_equal_bytes,
    })
}

/// As the lab takes it.
pub fn measures(args: &MeasureArgs) -> Measures {
    Measures { interval: args.interval, logistic5: args.logistic5 }
}

fn measured(
    args: &EvaluateArgs,
    manifest: &Manifest,
    chosen: Chosen,
    subject: Subject,
    crops: Option<usize>,
    predictions: &[f64],
) -> anyhow::Result<Evaluation> {
    let scope = Scope { chosen, seed: args.shared.seed, subject, crops };
    Ok(compare(manifest, predictions, &measures(&args.measure), scope)?)
}

/// The model file again, with the figures in its card.
fn stamp(
    args: &EvaluateArgs,
    e: &Evaluation,
    known: Option<&Overlap>,
    weights: &Path,
    path: &Path,
) -> anyhow::Result<()> {
    let (arrays, card) = read(weights)?;
    let mut card = card.with_context(|| format!("{} has no card", weights.display()))?;
    let repeat = &e.results.repeats[0];
    let part = word(e.results.protocol.part);
    let seen = known.map_or("", Overlap::caution);
    let on = format!("{} {part} ({} photos{seen})", args.dataset.name, repeat.images);
    card.metrics.retain(|m| m.on != on);
    let (srcc, plcc) = (interval(repeat.figures.srcc)?, interval(repeat.figures.plcc)?);
    card.metrics.push(Metrics { on, srcc, plcc });
    // As precise as the file was, or the digest of the weights would no longer be theirs.
    let precision = Precision::least_for(&arrays);
    Ok(write_atomic(path, &to_safetensors(&arrays, Some(&card), precision))?)
}

fn interval(figure: Figure) -> anyhow::Result<Interval> {
    match (figure.value, figure.interval.filter(results::Interval::is_printed)) {
        (Some(value), Some(ends)) => Ok(Interval { value, low: ends.low, high: ends.high }),
        _ => bail!("the figure or its interval is undefined; a card needs both"),
    }
}

fn print(args: &EvaluateArgs, e: &Evaluation) -> anyhow::Result<()> {
    let results::Results { protocol, repeats, .. } = &e.results;
    let (repeat, part) = (&repeats[0], word(protocol.part));
    let figures = &repeat.figures;
    out!(
        "{} {part}: {} photos, {} contents (split: {})",
        args.dataset.name,
        repeat.images,
        repeat.groups,
        protocol.split
    );
    out!("SRCC            {}", words(figures.srcc));
    out!("KRCC            {}", number(figures.krcc));
    out!("PLCC            {}", words(figures.plcc));
    for (parameters, fit) in [(4, &figures.logistic4), (5, &figures.logistic5)] {
        if let Some(fit) = fit {
            out!("PLCC (fitted)   {} ({parameters} parameters)", number(fit.plcc));
            out!("RMSE (fitted)   {:.4} of the labels", fit.rmse);
        }
    }
    for warning in warnings(figures) {
        say(&format!("warning: {warning}"));
    }
    Ok(())
}

/// Four digits, or why there are none.
pub fn number(value: Option<f64>) -> String {
    value.map_or("undefined".to_owned(), |v| format!("{v:.4}"))
}

fn words(figure: Figure) -> String {
    let Some(value) = figure.value else {
        return "undefined: the predictions or the labels are all equal".to_owned();
    };
    let Some(i) = figure.interval.filter(results::Interval::is_printed) else {
        return format!("{value:.4}  (no interval)");
    };
    let how = match i.method {
        Method::Bca => "BCa over photos".to_owned(),
        Method::Percentile | Method::Fallback => "percentile over photos".to_owned(),
        Method::Clustered => format!("over {} contents", i.units),
    };
    format!("{value:.4}  {:.0} % interval {:.4} to {:.4}, {how}", 100.0 * i.level, i.low, i.high)
}

fn print_ladders(s: &Sanity) -> anyhow::Result<()> {
    out!(
        "median score of {} photos at level 1..5, and share of photos whose score falls, step by step\n\
         (0 is the photo; steps whose order people agree on)",
        s.photos
    );
    for l in &s.ladders {
        let medians: Vec<String> = l.medians.iter().map(|m| format!("{m:5.1}")).collect();
        let step = |s: &Step| format!("{}>{} {:3.0}", s.from, s.to, 100.0 * s.falls);
        let steps: Vec<String> = l.steps.iter().map(step).collect();
        out!("{:20} {}  {} %", l.op, medians.join(" "), steps.join(" "));
    }
    let share = |counts: &dyn Fn(&Ladder, Step) -> bool| 100.0 * s.falling(counts);
    out!(
        "all steps {:.1} %, between levels {:.1} %; of blur, JPEG, white noise, brightness {:.1} %, {:.1} %",
        share(&|_, _| true),
        share(&|_, step| step.from > 0),
        share(&|l, _| l.is_of_the_five()),
        share(&|l, step| l.is_of_the_five() && step.from > 0)
    );
    out!("median change at half size {:.2} points, at double size {:.2}", s.half, s.double);
    for (what, score) in &s.others {
        out!("{what:22} {score:5.1}");
    }
    Ok(())
}
