//! `biqa evaluate`: how well a model, or anybody's numbers, agree with people on a dataset.

use std::path::Path;

use anyhow::{Context, bail};
use biqa::scorer::Scorer;
use biqa::weights::{Interval, Metrics, Precision, read, write_safetensors};
use biqa_lab::datasets::{LoadOptions, load};
use biqa_lab::evaluate::{Evaluation, Figure, evaluate, evaluate_scores, part};
use biqa_lab::sanity::{Sanity, measure};

use crate::args::EvaluateArgs;
use crate::exit::Exit;
use crate::words::say;

pub fn run(args: &EvaluateArgs) -> anyhow::Result<Exit> {
    let options = LoadOptions {
        content: args.content.clone(),
        allow_missing: if args.partial { usize::MAX } else { 0 },
        ..LoadOptions::default()
    };
    let manifest = load(&args.dataset, &args.root, &options)?;
    if !args.talk.quiet {
        manifest.notes.iter().for_each(|note| say(note));
    }
    let rows = part(&manifest, &args.split)?;
    let evaluation = match (&args.model, &args.weights, &args.scores) {
        (None, None, Some(file)) => evaluate_scores(file, &manifest, &rows)?,
        (model, weights, None) => {
            let scorer = match (model, weights) {
                (Some(name), None) => Scorer::named(name)?,
                (None, Some(path)) => Scorer::open(path)?,
                _ => bail!("nothing to evaluate: give one of --model, --weights and --scores"),
            };
            if let Some(count) = args.ladders {
                let sanity = measure(&scorer, &manifest, &rows, count, args.threads);
                print_ladders(&sanity.map_err(anyhow::Error::msg)?);
                return Ok(Exit::Fine);
            }
            evaluate(&scorer, &manifest, &rows, args.threads, &mut |_| ())?
        }
        _ => bail!("give one of --model, --weights and --scores, not several"),
    };
    print(args, &evaluation);
    if let (Some(weights), Some(path)) = (&args.weights, &args.card) {
        stamp(args, &evaluation, weights, path)?;
    }
    if let Some(path) = &args.output {
        write(path, &evaluation).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Exit::Fine)
}

/// The model file again, with the figures in its card.
fn stamp(args: &EvaluateArgs, e: &Evaluation, weights: &Path, path: &Path) -> anyhow::Result<()> {
    let (arrays, card) = read(weights)?;
    let mut card = card.with_context(|| format!("{} has no card", weights.display()))?;
    let on = format!("{} {} ({} photos)", args.dataset, args.split, e.photos);
    card.metrics.retain(|m| m.on != on);
    let (srcc, plcc) = (interval(e.srcc)?, interval(e.plcc)?);
    card.metrics.push(Metrics { on, srcc, plcc });
    Ok(write_safetensors(path, &arrays, Some(&card), Precision::F16)?)
}

fn interval(figure: Figure) -> anyhow::Result<Interval> {
    match (figure.value, figure.interval) {
        (Some(value), Some([low, high])) => Ok(Interval { value, low, high }),
        _ => bail!("the figure or its interval is undefined; a card needs both"),
    }
}

fn print(args: &EvaluateArgs, e: &Evaluation) {
    println!("{} {}: {} photos, {} contents", args.dataset, args.split, e.photos, e.contents);
    println!("SRCC  {}", words(e.srcc));
    println!("PLCC  {} (raw)", words(e.plcc));
    println!("KRCC  {}", e.krcc.map_or("undefined".to_owned(), |v| format!("{v:.4}")));
}

fn print_ladders(s: &Sanity) {
    println!(
        "share of {} photos whose score falls at each step, and median score at level 1..5",
        s.photos
    );
    for l in &s.ladders {
        let falls: Vec<String> = l.falls.iter().map(|f| format!("{:4.0}", 100.0 * f)).collect();
        let medians: Vec<String> = l.medians.iter().map(|m| format!("{m:5.1}")).collect();
        println!("{:14} {} %   {}", l.op, falls.join(" "), medians.join(" "));
    }
    println!("(the blur's level 1 is the identity: its first step is left out below)");
    println!(
        "all steps {:.1} %, between levels {:.1} %",
        100.0 * s.falling(),
        100.0 * s.falling_between_levels()
    );
    println!("median change at half size {:.2} points, at double size {:.2}", s.half, s.double);
    for (what, score) in &s.others {
        println!("{what:22} {score:5.1}");
    }
}

fn words(figure: Figure) -> String {
    match (figure.value, figure.interval) {
        (Some(v), Some([low, high])) => format!("{v:.4}  95 % interval {low:.4} to {high:.4}"),
        (Some(v), None) => format!("{v:.4}  (no interval)"),
        (None, _) => "undefined: the predictions or the labels are all equal".to_owned(),
    }
}

fn write(path: &std::path::Path, e: &Evaluation) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_path(path)?;
    out.write_record(["path", "prediction", "label"])?;
    for (path, prediction, label) in &e.predictions {
        out.write_record([path.as_str(), &prediction.to_string(), &label.to_string()])?;
    }
    Ok(out.flush()?)
}
