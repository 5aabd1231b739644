//! `biqa protocol`: a recipe over splits, its progress to the terminal, its figures as a table.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context;
use biqa::weights::{Ancestor, WITHOUT_SCORES};
use biqa_lab::datasets::{Manifest, Options, inherits, open};
use biqa_lab::protocol::{
    FIGURES, Group, Settings, SummaryBy, TrainOn, Watch, run as run_protocol,
};
use biqa_lab::published::Published;
use biqa_lab::results::{Part, Protocol, Repeat};
use biqa_lab::splits::Form;
use biqa_lab::stats::summary;
use biqa_lab::train::StepReport;
use biqa_lab::train::initial::Initial;
use biqa_lab::train::job::{read_recipe, with_content};

use crate::args::ProtocolArgs;
use crate::cmd_evaluate::{measures, number};
use crate::exit::Exit;
use crate::memory;
use crate::words::{out, say};

/// The first of [`FIGURES`], as the table names them.
const NAMES: [&str; 5] = ["SRCC", "PLCC", "PLCC (fitted)", "KRCC", "RMSE (fitted)"];
/// Published rows that are printed; the rest is counted. All are in `protocol.json`.
const ROWS: usize = 10;

pub fn run(args: &ProtocolArgs) -> anyhow::Result<Exit> {
    memory::keep_freed();
    let settings = settings(args)?;
    let steps = args.run.wants_progress();
    let talk = Talk { quiet: args.run.quiet, steps, last: Mutex::default() };
    let groups = run_protocol(&settings, &talk).context("the protocol run stopped")?;
    for (i, group) in groups.iter().enumerate() {
        if i > 0 {
            out!("");
        }
        print(group, &settings)?;
    }
    print_published(&groups)?;
    let folders: Vec<String> =
        groups.iter().map(|g| args.out.join(&g.folder).display().to_string()).collect();
    talk.note("", &format!("look at it with: biqa report {}", folders.join(" ")));
    Ok(Exit::Fine)
}

fn settings(args: &ProtocolArgs) -> anyhow::Result<Settings> {
    let device = args.device.device.open()?;
    let (recipe, recipe_text) =
        read_recipe(Some(&args.recipe), Some(&args.dataset.name), &args.set.set)?;
    let options = with_content(args.load.options(), &recipe, Some(&args.recipe));
    let source = open(&args.dataset.name, &args.dataset.root, &options)?;
    let init = Initial::read(&args.init.given(), &recipe)?;
    let target = target(args)?;
    let sets = [Some(&source), target.as_ref()].into_iter().flatten();
    let sets: Vec<&str> = sets.map(|set| set.dataset.as_str()).collect();
    let seen = seen(&init.ancestors, &sets, args.shared.allow_leak)?;
    if let Some(warning) = &seen {
        say(&format!("warning: {warning}"));
    }
    Ok(Settings {
        seen,
        recipe,
        recipe_text,
        init,
        target,
        source,
        train_on: if args.train_part == "train" { TrainOn::Train } else { TrainOn::All },
        forms: match args.protocol.as_str() {
            "published" => vec![Form::Published],
            "both" => vec![Form::Honest, Form::Published],
            _ => vec![Form::Honest],
        },
        rule: args.split.clone(),
        splits: args.splits.unwrap_or(if args.test_on.is_some() { 1 } else { 10 }),
        seed: args.shared.seed,
        fractions: args.fractions.clone(),
        fraction_of: args.fraction_of,
        select_by: args.select_by,
        summary: if args.summary == "mean" { SummaryBy::Mean } else { SummaryBy::Median },
        measures: measures(&args.measure),
        allow_leak: args.shared.allow_leak,
        group_equal_bytes: args.shared.group_equal_bytes,
        out: args.out.clone(),
        resume: args.resume,
        jobs: args.jobs,
        device,
        threads: args.run.threads,
        checkpoint_steps: args.checkpoint_steps,
    })
}

/// Why the figures may not be honest: the weights that every training begins with, or those that they
/// began with, were themselves trained on one of the sets, of which the last is tested on.
///
/// # Errors
/// Labels transferred from KADID-10k that were or are learnt, to be tested on it, without `allow_leak`:
/// each split wants a pre-training of its own (`papers/glintiqa.md`, leakage rule 2).
fn seen(ancestors: &[Ancestor], sets: &[&str], allow_leak: bool) -> anyhow::Result<Option<String>> {
    let inherited =
        |trained_on: &str| sets.last().is_some_and(|tested| inherits(trained_on, tested));
    let learnt = match ancestors.iter().find(|of| inherited(&of.dataset)) {
        Some(Ancestor { name, version, split, .. }) => {
            Some(format!("the initial weights ({name} {version}) learnt labels ({split})"))
        }
        None if sets.iter().any(|set| inherited(set)) => {
            Some("what is trained on are labels".to_owned())
        }
        None => None,
    };
    if let Some(learnt) = learnt {
        let what = format!("{learnt} transferred from KADID-10k, and that is tested on");
        if allow_leak {
            return Ok(Some(format!("{what}: its references may be among them")));
        }
        anyhow::bail!(
            "{what}: pre-train for each split on what its training references have passed on \
             (--training-references), and run that split alone (--split file:...) with --allow-leak"
        );
    }
    // Two lists of one's own share a name and nothing else.
    let trained_on = |of: &&Ancestor| of.dataset != "csv" && sets.contains(&of.dataset.as_str());
    let scored = ancestors.iter().find(trained_on).map(|Ancestor { name, version, dataset, split }| {
        format!(
            "the initial weights ({name} {version}) were trained on photos of {dataset} ({split}): \
             photos that are tested on may be among them, so these figures are too good"
        )
    });
    let unscored = ancestors.iter().find(|of| of.dataset == WITHOUT_SCORES);
    Ok(scored.or_else(|| {
        unscored.map(|Ancestor { name, version, dataset, split }| {
            format!(
                "the initial weights ({name} {version}) learnt from {dataset} ({split}): photos that are \
                 tested on may be among them"
            )
        })
    }))
}

/// The set that is tested on, where it is another one.
fn target(args: &ProtocolArgs) -> anyhow::Result<Option<Manifest>> {
    let (Some(name), Some(root)) = (&args.test_on, &args.test_root) else { return Ok(None) };
    let options = Options {
        allow_missing: if args.load.partial { usize::MAX } else { args.load.allow_missing },
        partial: args.load.partial,
        labels: args.test_labels,
        content: args.test_content.clone(),
        list: args.test_list.clone(),
        direction: args.test_direction,
        range: args.test_range,
        ..Options::default()
    };
    Ok(Some(open(name, root, &options)?))
}

fn print(group: &Group, settings: &Settings) -> anyhow::Result<()> {
    let results = &group.results;
    let Protocol { selected_on, fraction, trained_on, .. } = &results.protocol;
    let repeats = &results.repeats;
    let source = trained_on.as_ref().map_or(String::new(), |s| format!(", trained on {s}"));
    let share = fraction.map_or(String::new(), |f| {
        format!(", trained on {:.0} % of the {}", 100.0 * f, of_what(settings))
    });
    let (subject, set) = (&results.subject.name, &results.dataset.key);
    out!("{}: {subject} on {set}{source}{share}", group.folder);
    let photos = |of: fn(&Repeat) -> usize| counts(repeats.iter().map(of));
    let val = photos(|r| r.trained.unwrap_or_default()[1]);
    out!(
        "  {} of {}: {} photos to train on, {}; {} photos of {} contents to test on",
        if repeats.len() == 1 {
            "1 repeat".to_owned()
        } else {
            format!("{} repeats", repeats.len())
        },
        results.protocol.split,
        photos(|r| r.trained.unwrap_or_default()[0]),
        match selected_on {
            Some(Part::Test) => "EPOCH CHOSEN ON THE TEST PART".to_owned(),
            _ => format!("epoch chosen on {val} others, test scored once"),
        },
        photos(|r| r.images),
        photos(|r| r.groups),
    );
    let by = settings.summary;
    let [first, second] =
        if by == SummaryBy::Mean { ["mean", "median"] } else { ["median", "mean"] };
    out!(
        "  {:22} {first:>8} {second:>8} {:>8} {:>17} {:>17}",
        "",
        "std",
        "quartiles",
        "min to max"
    );
    for ((_, figure), name) in FIGURES.into_iter().zip(NAMES) {
        row(name, by, group.values(figure))?;
    }
    for ((_, figure), name) in FIGURES.into_iter().zip(&NAMES[..2]) {
        row(&format!("{name}, last epoch"), by, group.last_values(figure))?;
    }
    for ((_, figure), name) in FIGURES.into_iter().zip(&NAMES[..2]) {
        if let Some(values) = group.values(figure) {
            let values: Vec<String> = values.iter().map(|v| format!("{v:.4}")).collect();
            out!("  {name} of every repeat: {}", values.join(" "));
        }
    }
    for note in &results.notes {
        out!("  note: {note}");
    }
    Ok(())
}

/// `8`, or `7 to 9` where repeats differ.
fn counts(values: impl Iterator<Item = usize> + Clone) -> String {
    match (values.clone().min(), values.max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most}"),
        (_, most) => most.unwrap_or_default().to_string(),
    }
}

fn of_what(settings: &Settings) -> &'static str {
    match settings.fraction_of {
        biqa_lab::splits::FractionOf::Dataset => "dataset",
        biqa_lab::splits::FractionOf::Train => "train part",
    }
}

fn row(name: &str, by: SummaryBy, values: Option<Vec<f64>>) -> anyhow::Result<()> {
    let Some(values) = values else {
        out!("  {name:22} undefined in a repeat: its predictions or labels are all equal");
        return Ok(());
    };
    let s = summary(&values)?;
    let [first, second] =
        if by == SummaryBy::Mean { [s.mean, s.median] } else { [s.median, s.mean] };
    out!(
        "  {name:22} {first:8.4} {second:8.4} {:8.4} {:8.4} {:8.4} {:8.4} {:8.4}",
        s.std,
        s.quartiles[0],
        s.quartiles[1],
        s.min,
        s.max
    );
    Ok(())
}

/// The published figures of the same set, each with its own protocol and source.
fn print_published(groups: &[Group]) -> anyhow::Result<()> {
    let mut rows: Vec<&Published> = Vec::new();
    for found in groups.iter().flat_map(Group::published) {
        if !rows.contains(&found) {
            rows.push(found);
        }
    }
    let set = &groups[0].results.dataset;
    if set.subset {
        out!("\na part of {}: nothing published is comparable", set.key);
    }
    if rows.is_empty() {
        return Ok(());
    }
    out!("\npublished for {}, under the protocols named:", set.key);
    out!("  {:22} {:>9} {:>9}  protocol; source", "", "SRCC", "PLCC");
    for row in rows.iter().take(ROWS) {
        out!(
            "  {:22} {:>9} {:>9}  {}; {}",
            row.method,
            number(row.srcc),
            number(row.plcc),
            row.protocol,
            row.source
        );
    }
    if rows.len() > ROWS {
        out!("  and {} more in protocol.json", rows.len() - ROWS);
    }
    Ok(())
}

/// Progress as lines on stderr, of every job one every few seconds.
struct Talk {
    quiet: bool,
    /// Whether steps are said, not only notes.
    steps: bool,
    last: Mutex<HashMap<String, Instant>>,
}

impl Watch for Talk {
    fn note(&self, job: &str, text: &str) {
        if !self.quiet {
            say(&if job.is_empty() { text.to_owned() } else { format!("{job}: {text}") });
        }
    }

    fn step(&self, job: &str, step: &StepReport) {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.get(job).is_none_or(|last| now.duration_since(*last).as_secs() >= 5);
        if due && self.steps {
            last.insert(job.to_owned(), now);
            drop(last);
            self.note(job, &format!("step {} of {}: loss {:.4}", step.step, step.steps, step.loss));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transferred_labels_are_not_tested_on_the_set_that_they_are_from() {
        let of = |name: &str, dataset: &str| Ancestor {
            name: name.to_owned(),
            version: "1".to_owned(),
            dataset: dataset.to_owned(),
            split: "its own".to_owned(),
        };
        let lineage = [of("tuned", "livec"), of("first", "saqt")];
        let seen = |lineage: &[Ancestor], sets: &[&str], allow_leak| {
            seen(lineage, sets, allow_leak).map_err(|error| error.to_string())
        };
        assert_eq!(seen(&lineage, &["bid"], false), Ok(None));
        let why = seen(&lineage, &["kadid10k"], false).expect_err("refused");
        assert!(why.contains("(first 1) learnt labels") && why.contains("--allow-leak"), "{why}");
        let warning = seen(&lineage, &["kadid10k"], true).expect("allowed").expect("a warning");
        assert!(warning.contains("may be among them"), "{warning}");
        // Trained on KADID-10k and tested elsewhere, as in the paper; and the other way round.
        assert_eq!(seen(&lineage, &["kadid10k", "tid2013"], false), Ok(None));
        assert!(seen(&[], &["saqt", "kadid10k"], false).is_err());
        assert_eq!(seen(&[], &["saqt", "tid2013"], false), Ok(None));
        for (set, name) in [("livec", "tuned"), ("saqt", "first")] {
            let warning = seen(&lineage, &[set], false).expect("no error").expect("a warning");
            let words = format!("({name} 1) were trained on photos of {set}");
            assert!(warning.contains(&words), "{warning}");
        }
        let pictures = [of("qpt", WITHOUT_SCORES)];
        let warning = seen(&pictures, &["bid"], false).expect("no error").expect("a warning");
        assert!(warning.contains("(qpt 1) learnt from pictures without scores"), "{warning}");
        assert_eq!(seen(&[of("mine", "csv")], &["csv"], false), Ok(None));
    }
}
