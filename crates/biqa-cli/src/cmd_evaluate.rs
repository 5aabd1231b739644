//! `biqa evaluate`: how well a model, or anybody's numbers, agree with people on a dataset.

use std::path::Path;

use anyhow::{Context, bail};
use biqa::record::Record;
use biqa::scorer::Scorer;
use biqa::weights::{Ancestor, Interval, Metrics, ModelCard, Precision, read, to_safetensors};
use biqa_lab::datasets::{Content, Manifest, inherits, open, smaller_than};
use biqa_lab::evaluate::{
    Chosen, Evaluation, Measures, Scope, choose, compare, predict, read_scores, subject_of_scores,
    warnings, word,
};
use biqa_lab::protocol::ALL_OF;
use biqa_lab::results::{self, Figure, Method, Part, Subject, SubjectKind};
use biqa_lab::sanity::{Ladder, Sanity, Step, measure};
use biqa_lab::splits::{self, Rule};
use biqa_lab::train::checkpoint::write_atomic;
use biqa_lab::train::job::LISTED;

use crate::args::{EvaluateArgs, MeasureArgs};
use crate::exit::Exit;
use crate::progress::Progress;
use crate::words::{out, say, shown};

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

/// Whether photos that are measured on are known to a model.
enum Overlap {
    /// Some may be among those it was trained or chosen on: why.
    Seen(String),
    /// Nobody can tell here: why.
    Unknown(String),
}

impl Overlap {
    fn words(&self) -> &str {
        match self {
            Self::Seen(why) | Self::Unknown(why) => why,
        }
    }

    /// What a card says behind the number of photos.
    fn caution(&self) -> &'static str {
        match self {
            Self::Seen(_) => ", not all of them new to it",
            Self::Unknown(_) => ", perhaps not all of them new to it",
        }
    }
}

/// What is known of a model's photos, or of those of a model that it was trained from, and these.
fn overlap(
    args: &EvaluateArgs,
    card: &ModelCard,
    manifest: &Manifest,
    part: Part,
) -> Option<Overlap> {
    let inherited = |of: &&Ancestor| inherits(&of.dataset, &manifest.dataset);
    if let Some(of) = card.lineage().iter().find(inherited) {
        return Some(Overlap::Seen(format!(
            "{} learnt labels transferred from KADID-10k ({}): what is measured here is new to it only \
             where its references were kept from it (--training-references)",
            of.name, of.split
        )));
    }
    own_photos(args, card, manifest, part).or_else(|| before(card, manifest))
}

/// What is known by the models that this one was trained from.
fn before(card: &ModelCard, manifest: &Manifest) -> Option<Overlap> {
    let data = &card.data;
    // By the same split of the same set what is new to the one is new to the other.
    let as_own = |of: &Ancestor| of.dataset == data.dataset && of.split == data.split;
    let of = data.ancestors.iter().find(|of| of.dataset == manifest.dataset && !as_own(of))?;
    let (name, Ancestor { name: first, version, dataset, split }) = (&card.name, of);
    Some(match dataset.as_str() {
        "csv" => Overlap::Unknown(format!(
            "{name} was trained from {first} {version}, and that on a list of somebody's own: whether photos \
             of this one are in it can't be told here"
        )),
        _ => Overlap::Seen(format!(
            "{name} was trained from {first} {version}, and that on photos of {dataset} ({split}): some of \
             these photos may be among them"
        )),
    })
}

/// What is known by the model's own card.
fn own_photos(
    args: &EvaluateArgs,
    card: &ModelCard,
    manifest: &Manifest,
    part: Part,
) -> Option<Overlap> {
    let (name, data) = (&card.name, &card.data);
    if data.dataset != manifest.dataset {
        return None;
    }
    if data.manifest_digest != manifest.digest() {
        return Some(if manifest.dataset == "csv" {
            Overlap::Unknown(format!(
                "{name} was trained on another list of somebody's own: whether photos of this one are in it \
                 can't be told here"
            ))
        } else if manifest.subset && part == Part::Test && is_list(args, &data.split) {
            Overlap::Unknown(format!(
                "{name} was trained by a list of this name ({}): whether it is the same, a part of the set \
                 can't tell",
                data.split
            ))
        } else {
            Overlap::Seen(format!(
                "{name} was trained on photos of {} ({}); here contents, parts or labels are others, so \
                 some of these photos may be among them (--content takes the list it was trained with)",
                data.dataset, data.split
            ))
        });
    }
    let seen = if part != Part::Test {
        format!(
            "{name} was trained or chosen on these very labels ({}): only the test part of that split is \
             new to it",
            data.split
        )
    } else if !is_split(args, &data.split) {
        format!(
            "{name} was trained and chosen by another split of these labels ({}): some of these photos are \
             among those it learned from",
            data.split
        )
    } else if data.split.starts_with(PUBLISHED) {
        format!(
            "the epoch of {name} was chosen on this very part ({}): its figures are too high",
            data.split
        )
    } else {
        return None;
    };
    Some(Overlap::Seen(seen))
}

/// Whether a card's split is by a list of contents and parts of the name of the one that is given.
fn is_list(args: &EvaluateArgs, card: &str) -> bool {
    let Some(Content::File(list)) = &args.load.content else { return false };
    let name = list.file_name().unwrap_or_default().to_string_lossy();
    card.strip_prefix(LISTED).is_some_and(|list| list == name)
}

/// How a card's split begins where a protocol chose epochs on the test part.
const PUBLISHED: &str = "published ";

/// Whether a card speaks of the split that is asked for. `biqa train` trains on the set's own parts;
/// `biqa protocol` writes form, index, rule and seed.
fn is_split(args: &EvaluateArgs, card: &str) -> bool {
    if card.starts_with(ALL_OF) {
        return false;
    }
    let by_protocol = card.starts_with("honest ") || card.starts_with(PUBLISHED);
    let Some(rule) = args.split.as_ref().filter(|rule| **rule != Rule::Official) else {
        return !by_protocol || card.contains(" of official, seed ");
    };
    let Some((before, seed)) = card.rsplit_once(", seed ") else { return false };
    let Some((form_and_index, of)) = before.split_once(" of ") else { return false };
    let is_rule = match (rule, of.parse()) {
        // The same lists, from wherever they were named.
        (Rule::File(here), Ok(Rule::File(there))) => here.file_name() == there.file_name(),
        (_, there) => there.is_ok_and(|there: Rule| there == *rule),
    };
    // Where a rule holds one split, the index is a training seed's.
    let is_index = splits::held(rule).is_ok_and(|held| held == Some(1))
        || form_and_index.ends_with(&format!(" {}", args.index));
    let is_seed = *rule != Rule::Biqa || seed == args.shared.seed.to_string();
    is_rule && is_index && is_seed
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
