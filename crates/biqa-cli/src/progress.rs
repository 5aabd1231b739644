//! The progress bar on stderr: images done, images a second, time left.
//!
//! The bar begins at once; the number of images comes from a second, quick walk on its own thread
//! and fills in the time left when it is there. No terminal, `--quiet`, `--no-progress`: no bar.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::inputs::Inputs;
use crate::shard::Shard;

/// A bar, or nothing.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for the images that `names` stand for, where one is wanted.
    pub fn start(wanted: bool, names: &[OsString], shard: Shard) -> Self {
        if !wanted || !io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::no_length();
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.set_style(unknown_length());
        bar.enable_steady_tick(Duration::from_millis(200));
        if let Some(inputs) = Inputs::reopen(names) {
            let bar = bar.clone();
            // Nobody waits for this thread: it ends with the process, or before.
            thread::spawn(move || {
                let total = (0..).zip(inputs).filter(|(i, _)| shard.has(*i)).count();
                bar.set_length(total as u64);
                bar.set_style(known_length());
            });
        }
        Self { bar }
    }

    /// A bar for so many images, where one is wanted.
    pub fn of(wanted: bool, images: usize) -> Self {
        if !wanted || !io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::with_draw_target(Some(images as u64), ProgressDrawTarget::stderr());
        Self { bar: bar.with_style(known_length()) }
    }

    /// One more image was scored.
    pub fn scored(&self) {
        self.bar.inc(1);
    }

    /// Rows were taken over; they say nothing about the speed.
    pub fn taken_over(&self, rows: u64) {
        self.bar.inc(rows);
        self.bar.reset_eta();
    }

    /// Writes to the terminal while the bar is out of the way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn unknown_length() -> ProgressStyle {
    style("{pos} images  {rate}")
}

fn known_length() -> ProgressStyle {
    style("{bar:30} {pos}/{len}  {rate}  {eta} left")
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("the template is a constant");
    style.with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        // A bar that cannot be drawn is drawn again a moment later.
        let _ = write!(out, "{:.1} images/s", state.per_sec());
    })
}
