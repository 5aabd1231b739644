//! `biqa score`: paths in, a row an image out.
//!
//! In order: what could refuse (flags, lists, weights, the output) refuses before any work; then
//! rows come in the input order and go to standard output, or wait in a file until all are there;
//! at the end the chosen rows are written, and stderr hears what it came to.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use biqa::image::ErrorKind;
use biqa::record::Record;
use biqa::scorer::{RunOptions, Scorer, score_all};

use crate::args::{ModelArgs, ScoreArgs};
use crate::choose::{Choice, Ranking};
use crate::exit::Exit;
use crate::feed::{Feed, Order, Slot};
use crate::inputs::Inputs;
use crate::output::partial::{Output, Spool};
use crate::output::previous::{Found, Previous};
use crate::output::{Table, Writer};
use crate::progress::Progress;
use crate::summary::Tally;
use crate::words::{count, printable, say, short, shown};

/// Errors of rows that are not shown are said on stderr, but not more of them than this.
const ERRORS_SAID: u64 = 10;

pub fn run(args: &ScoreArgs) -> anyhow::Result<Exit> {
    let output = match &args.output {
        Some(path) => Some(Output::check(path, args.resume, args.force)?),
        None => None,
    };
    let scorer = open_scorer(&args.model)?;
    let mut inputs = Inputs::open(&args.paths)?;
    let Some(first) = inputs.next() else {
        bail!("{}", inputs.nothing_found().join("; "));
    };
    let choice = Choice { top: args.top, below: args.below, sort: args.sort };
    let mut load = args.load.options();
    let (sink, previous) = open_sink(output.as_ref(), choice, &scorer, &load.label())?;
    if let (Some(previous), Some(output)) = (&previous, &output) {
        tell_found(&previous.found, output, &scorer, args.run.quiet);
    }

    let stop = stop_flag()?;
    load.cancel = Some(Arc::clone(&stop));
    let order = Order::default();
    let mut feed = Feed {
        first: Some(first),
        inputs: &mut inputs,
        shard: args.shard,
        previous,
        order: order.clone(),
        stop: &stop,
        position: 0,
        at_end: false,
    };
    let progress = Progress::start(args.run.wants_progress(), &args.paths, args.shard);
    let account = Account { choice, tally: Tally::new(args.fail_under), errors: 0 };
    let mut rows = Rows { order, sink, account, progress, fresh: 0, cancelled: false };
    let begin = Instant::now();
    let options = RunOptions { threads: args.run.threads, load };
    score(&scorer, &mut feed, &options, &mut rows)?;
    let time = begin.elapsed();
    if !feed.at_end || rows.cancelled {
        return Ok(rows.interrupted(output.as_ref()));
    }

    let fresh = rows.fresh;
    let mut account = rows.close(output.as_ref())?;
    account.say_rest_of_errors();
    if !args.run.quiet {
        for nothing in inputs.nothing_found() {
            say(&format!("warning: {nothing}"));
        }
        if let Some(unread) = inputs.unread() {
            say(&format!("warning: {unread}"));
        }
        say(&account.tally.line(inputs.others(), fresh, time));
    }
    Ok(verdict(&account.tally))
}

/// The model that the flags name; the default one if they name none.
pub fn open_scorer(model: &ModelArgs) -> anyhow::Result<Scorer> {
    let scorer = match (&model.weights, &model.model) {
        (Some(path), _) => Scorer::open(path),
        (None, Some(name)) => Scorer::named(name),
        (None, None) => Scorer::builtin(),
    };
    // The library's errors name their cause themselves, so the chain is not walked.
    scorer.map_err(|error| anyhow!("{error}"))
}

/// Raised by the first Ctrl-C (or polite kill); the second one ends the process where it stands.
fn stop_flag() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if raised.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        say("finishing the images in flight (Ctrl-C again stops at once)");
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}

/// Where rows go when they come, and what an earlier run has left.
fn open_sink(
    output: Option<&Output>,
    choice: Choice,
    scorer: &Scorer,
    loader: &str,
) -> anyhow::Result<(Sink, Option<Previous>)> {
    if let Some(output) = output {
        let (spool, previous) = output.begin(scorer.digest(), loader)?;
        return Ok((Sink::Spool(spool), previous));
    }
    let sink = if choice.needs_all() {
        Sink::Spool(Spool::nameless()?)
    } else {
        Sink::Live(stdout_writer())
    };
    Ok((sink, None))
}

/// A table on a terminal, JSON lines in a pipe.
fn stdout_writer() -> Writer {
    Table::on_terminal().map_or_else(Writer::lines_on_stdout, Writer::Table)
}

/// Says what becomes of an earlier run's rows.
fn tell_found(found: &Found, output: &Output, scorer: &Scorer, quiet: bool) {
    if quiet || *found == Found::default() {
        return;
    }
    let partial = shown(&output.partial_path());
    let done = count(found.done, "row");
    let again = match found.failed {
        0 => String::new(),
        n => format!(", {} to be tried again", count(n, "failed row")),
    };
    say(&format!("resuming: {done} done in {partial}{again}"));
    if found.foreign > 0 {
        let (theirs, ours) = (short(&found.foreign_digest), short(scorer.digest()));
        let rows = count(found.foreign, "row");
        say(&format!(
            "warning: {rows} there from another model ({theirs}, not {ours}): scored again"
        ));
    }
    if found.loaded_otherwise > 0 {
        let rows = count(found.loaded_otherwise, "row");
        let theirs = printable(&found.other_loader);
        say(&format!("warning: {rows} there from another loader ({theirs}): scored again"));
    }
    if found.broken > 0 {
        let lines = count(found.broken, "line");
        say(&format!("warning: {lines} there that cannot be read: scored again"));
    }
}

/// Runs the scorer; every row goes through `rows` in the input order.
fn score(
    scorer: &Scorer,
    feed: &mut Feed<'_>,
    options: &RunOptions,
    rows: &mut Rows,
) -> anyhow::Result<()> {
    let mut end = Ok(());
    score_all(scorer, feed, options, &mut |_, row| {
        // Ctrl-C stopped its decoder: neither it nor what stands behind it is said to be done.
        rows.cancelled = row.error_kind.as_deref() == Some(ErrorKind::Cancelled.as_str());
        if !rows.cancelled {
            end = rows.scored(row);
        }
        end.is_ok() && !rows.cancelled
    });
    if !rows.cancelled {
        end = end.and_then(|()| rows.taken_over());
    }
    rows.progress.end();
    end
}

/// Where rows go as they come.
enum Sink {
    /// To standard output at once.
    Live(Writer),
    /// Into a file, until all are there.
    Spool(Spool),
}

/// The way of a row from the scorer to where it stays.
struct Rows {
    order: Order,
    sink: Sink,
    account: Account,
    progress: Progress,
    /// Rows that were scored in this run.
    fresh: u64,
    /// Whether Ctrl-C stopped a decoder.
    cancelled: bool,
}

impl Rows {
    /// A row from the scorer, after the rows before it that needed no scoring.
    fn scored(&mut self, row: Record) -> anyhow::Result<()> {
        while let Some(slot) = self.order.next() {
            match slot {
                Slot::Reused(place, rows) => self.keep(place, rows),
                Slot::Fresh(None) => return self.take(row),
                Slot::Fresh(Some(trouble)) => return self.take(trouble.put_into(row)),
            }
        }
        bail!("the scorer gave a row for which it was given no path: {}", row.path)
    }

    /// The rows after the last scored one that needed no scoring.
    fn taken_over(&mut self) -> anyhow::Result<()> {
        while let Some(slot) = self.order.next() {
            match slot {
                Slot::Reused(place, rows) => self.keep(place, rows),
                Slot::Fresh(_) => bail!("the scorer gave no row for a path it was given"),
            }
        }
        Ok(())
    }

    fn keep(&mut self, place: Range<u64>, rows: u64) {
        // Only a run with -o has an earlier one, and that has a spool.
        if let Sink::Spool(spool) = &mut self.sink {
            spool.keep(place);
        }
        self.progress.taken_over(rows);
    }

    fn take(&mut self, row: Record) -> anyhow::Result<()> {
        self.fresh += 1;
        self.progress.scored();
        match &mut self.sink {
            Sink::Spool(spool) => spool.append(&row),
            Sink::Live(writer) => {
                let account = &mut self.account;
                self.progress
                    .aside(|| if account.shows(&row) { writer.write(&row) } else { Ok(()) })
            }
        }
    }

    /// Writes what is still to be written.
    fn close(self, output: Option<&Output>) -> anyhow::Result<Account> {
        let mut account = self.account;
        match (self.sink, output) {
            (Sink::Live(writer), _) => writer.finish()?,
            (Sink::Spool(mut spool), Some(output)) => {
                output.finish(|writer| account.write_chosen(&mut spool, writer))?;
            }
            (Sink::Spool(mut spool), None) => {
                let mut writer = stdout_writer();
                account.write_chosen(&mut spool, &mut writer)?;
                writer.finish()?;
            }
        }
        Ok(account)
    }

    /// What is there stays there, and the user hears how to go on.
    fn interrupted(self, output: Option<&Output>) -> Exit {
        let rows = count(self.fresh, "image");
        say(&match (output, self.sink) {
            (Some(output), _) => format!(
                "stopped after {rows}: their rows are in {}; the same command with --resume goes on",
                shown(&output.partial_path())
            ),
            (None, Sink::Live(_)) => format!("stopped after {rows}"),
            (None, Sink::Spool(_)) => format!(
                "stopped after {rows}: nothing was written, because --sort and --top need all of \
                 them (with -o OUT a run can be resumed)"
            ),
        });
        Exit::Interrupted
    }
}

/// Counts rows on their last way, and decides which are shown.
struct Account {
    choice: Choice,
    tally: Tally,
    /// Errors of rows that are not shown.
    errors: u64,
}

impl Account {
    /// Counts the row; whether it is shown. A failed row that is not shown says so on stderr.
    fn shows(&mut self, row: &Record) -> bool {
        self.tally.add(row);
        let shown = self.choice.has(row);
        if let Some(error) = row.error.as_ref().filter(|_| !shown) {
            self.errors += 1;
            if self.errors <= ERRORS_SAID {
                say(&format!("failed: {}", printable(error)));
            }
        }
        shown
    }

    fn say_rest_of_errors(&self) {
        if self.errors > ERRORS_SAID {
            say(&format!("failed: {} more", count(self.errors - ERRORS_SAID, "image")));
        }
    }

    /// The chosen rows in their order. Rows stay in their file; only their places are ranked.
    fn write_chosen(&mut self, spool: &mut Spool, writer: &mut Writer) -> anyhow::Result<()> {
        if !self.choice.needs_all() {
            return spool.each(&mut |row, _| {
                if self.shows(&row) { writer.write(&row) } else { Ok(()) }
            });
        }
        let mut ranking = Ranking::new(self.choice);
        spool.each(&mut |row, place| {
            self.shows(&row);
            ranking.add(&row, place);
            Ok(())
        })?;
        spool.each_of(&ranking.places(), &mut |row, _| writer.write(&row))
    }
}

/// The exit code, and the word on a gate that tripped: an answer, so `--quiet` does not silence it.
fn verdict(tally: &Tally) -> Exit {
    if let Some(line) = tally.gate_line() {
        say(&line);
        return Exit::GateTripped;
    }
    if tally.failed > 0 { Exit::SomeFailed } else { Exit::Fine }
}
