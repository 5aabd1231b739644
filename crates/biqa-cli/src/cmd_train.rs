//! `biqa train`: arguments to a job of `biqa-lab`, its progress to the terminal.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;
use biqa_lab::datasets::Direction;
use biqa_lab::methods::Start;
use biqa_lab::train::checkpoint::Validation;
use biqa_lab::train::job::{DataSource, Job, ridge, train};
use biqa_lab::train::run::Bar;
use biqa_lab::train::{Outcome, Progress, StepReport};

use crate::args::{RunArgs, TrainArgs};
use crate::exit::Exit;
use crate::memory;
use crate::words::{out, say, shown};

pub fn run(args: &TrainArgs) -> anyhow::Result<Exit> {
    memory::keep_freed();
    let job = Job {
        recipe: args.recipe.clone(),
        changes: args.set.set.clone(),
        source: source(args)?,
        init: args.init.given(),
        out: args.out.clone(),
        resume: args.resume,
        seed: args.seed,
        device: args.device.device.open()?,
        threads: args.run.threads,
        checkpoint_steps: args.checkpoint_steps,
    };
    let mut talk = Talk::new(&args.run);
    if args.ridge {
        print(&ridge(&job, &mut talk)?)?;
        return Ok(Exit::Fine);
    }
    let made = train(&job, &mut talk)?;
    let Outcome { history, kept, .. } = &made.outcome;
    let figures = history.get(*kept).map_or(String::new(), Validation::words);
    let (epoch, of) = (kept + 1, history.len());
    talk.note(&format!(
        "done: epoch {epoch} of {of} kept: {figures}; score with: biqa score --weights {} PHOTOS",
        shown(&made.weights)
    ));
    Ok(Exit::Fine)
}

/// The bar, as a line on stdout.
fn print(bar: &Bar) -> anyhow::Result<()> {
    let start = match bar.from {
        Start::Whole => "a network that was trained before",
        Start::Backbone => "a pre-trained backbone",
        Start::Fresh => "random numbers",
    };
    let words = |v: &Validation| format!("SRCC {:.4}, PLCC {:.4}", v.srcc, v.plcc);
    let test = bar.test.as_ref().map_or(String::new(), |test| format!("; test: {}", words(test)));
    out!("ridge on {start}, penalty {}: val: {}{test}", bar.penalty, words(&bar.val));
    Ok(())
}

fn source(args: &TrainArgs) -> anyhow::Result<DataSource> {
    match (&args.data, &args.dataset) {
        (Some(csv), _) => Ok(DataSource::Labels {
            csv: csv.clone(),
            images: args.image_root.clone().unwrap_or_else(|| folder_of(csv)),
            direction: args.load.scale.direction.unwrap_or(Direction::Mos),
            range: args.load.scale.range,
        }),
        (None, Some(dataset)) => Ok(DataSource::Dataset {
            name: dataset.name.clone(),
            root: dataset.root.clone(),
            options: Box::new(args.load.options()),
        }),
        (None, None) => {
            bail!("nothing to train on: give --dataset NAME --root DIR, or --data labels.csv")
        }
    }
}

/// Images stand beside their labels unless `--image-root` says otherwise.
fn folder_of(csv: &std::path::Path) -> PathBuf {
    // The parent of a bare `labels.csv` is the empty path, which no system call finds.
    let folder = csv.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(".".as_ref()).to_owned()
}

/// Progress as lines on stderr, one every few seconds.
pub struct Talk {
    quiet: bool,
    /// Whether steps are said, not only notes.
    steps: bool,
    last: Option<Instant>,
    start: Option<(Instant, u64)>,
    /// Pictures since then.
    seen: usize,
}

impl Talk {
    /// Nothing was said yet.
    pub fn new(run: &RunArgs) -> Self {
        let steps = run.wants_progress();
        Self { quiet: run.quiet, steps, last: None, start: None, seen: 0 }
    }
}

impl Progress for Talk {
    fn step(&mut self, step: &StepReport) {
        let now = Instant::now();
        if self.start.is_some() {
            self.seen += step.seen;
        }
        let (start, first) = *self.start.get_or_insert((now, step.step));
        let due = self.last.is_none_or(|last| now.duration_since(last).as_secs() >= 5);
        if !self.steps || (!due && step.step < step.steps) {
            return;
        }
        self.last = Some(now);
        let seconds = now.duration_since(start).as_secs_f64();
        let left = (step.steps - step.step) as f64 / (step.step - first) as f64 * seconds;
        let pace = if left.is_finite() {
            format!(", {:.1} images/s, {left:.0} s left", self.seen as f64 / seconds)
        } else {
            String::new()
        };
        self.note(&format!(
            "step {} of {}: loss {:.4}, learning rate {:.1e}{pace}",
            step.step, step.steps, step.loss, step.lr
        ));
    }

    fn note(&mut self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }
}
