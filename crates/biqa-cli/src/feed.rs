//! Between the inputs and the scorer: which places need scoring, and in which order rows come out.
//!
//! The scorer asks the [`Feed`] for paths from another thread and hands scored rows to the calling
//! thread. Rows of an earlier run need no scoring: they wait in a shared [`Order`] until the rows
//! before them are out, so that rows keep the input order.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use biqa::image::ErrorKind;
use biqa::record::Record;

use crate::inputs::Inputs;
use crate::output::previous::Previous;
use crate::shard::Shard;
use crate::walk::Item;
use crate::words::shown;

/// One place of the output.
#[derive(Debug)]
pub enum Slot {
    /// The scorer's next row; `Trouble` knows better why it has no score.
    Fresh(Option<Trouble>),
    /// So many rows of an earlier run, at these bytes of the partial file.
    Reused(Range<u64>, u64),
}

/// Why a place (a folder, a list) could not be looked into. It goes through the scorer like a file,
/// so that its row is like any other, and gets its own error afterwards.
#[derive(Debug)]
pub struct Trouble {
    error: String,
    kind: ErrorKind,
}

impl Trouble {
    fn new(path: &Path, error: &io::Error) -> Self {
        let (kind, why) = match error.kind() {
            io::ErrorKind::NotFound => (ErrorKind::NotFound, "no such file".to_owned()),
            io::ErrorKind::PermissionDenied => {
                (ErrorKind::PermissionDenied, "permission denied".to_owned())
            }
            _ => (ErrorKind::Io, format!("reading failed: {error}")),
        };
        Self { error: format!("cannot read \"{}\": {why}", shown(path)), kind }
    }

    /// The row with this error in the place of the scorer's.
    pub fn put_into(self, row: Record) -> Record {
        let error_kind = Some(self.kind.as_str().to_owned());
        Record { error: Some(self.error), error_kind, score: None, raw: None, ..row }
    }
}

/// The slots that the scorer has asked for and whose rows are not out yet.
#[derive(Clone, Debug, Default)]
pub struct Order(Arc<Mutex<VecDeque<Slot>>>);

impl Order {
    /// The next slot, or `None` when all that were asked for are out.
    pub fn next(&self) -> Option<Slot> {
        self.slots().pop_front()
    }

    /// Neighbouring rows of an earlier run become one slot, so that a long resume stays small.
    fn push(&self, slot: Slot) {
        let mut slots = self.slots();
        if let (Slot::Reused(new, _), Some(Slot::Reused(last, rows))) = (&slot, slots.back_mut())
            && last.end == new.start
        {
            last.end = new.end;
            *rows += 1;
        } else {
            slots.push_back(slot);
        }
    }

    /// A thread that panicked with the lock held has left a whole queue behind all the same.
    fn slots(&self) -> MutexGuard<'_, VecDeque<Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The paths that need scoring, in order.
pub struct Feed<'a> {
    /// The first place, which was looked at to know that there is one.
    pub first: Option<Item>,
    /// The places after it.
    pub inputs: &'a mut Inputs,
    /// The part of the places that is ours.
    pub shard: Shard,
    /// Rows of an earlier run.
    pub previous: Option<Previous>,
    /// Where the slots go.
    pub order: Order,
    /// Raised by Ctrl-C: no new work, the rows in flight are finished.
    pub stop: &'a AtomicBool,
    /// Places seen so far, ours or not.
    pub position: u64,
    /// Whether all places were seen: if not, the run was stopped.
    pub at_end: bool,
}

impl Feed<'_> {
    fn next_of_ours(&mut self) -> Option<Item> {
        loop {
            let Some(item) = self.first.take().or_else(|| self.inputs.next()) else {
                // Ctrl-C reaches the program that writes our list as well; its end is no end then.
                self.at_end = !self.stop.load(Ordering::Relaxed);
                return None;
            };
            let ours = self.shard.has(self.position);
            self.position += 1;
            if ours {
                return Some(item);
            }
        }
    }
}

impl Iterator for Feed<'_> {
    type Item = PathBuf;

    fn next(&mut self) -> Option<PathBuf> {
        while !self.stop.load(Ordering::Relaxed) {
            match self.next_of_ours()? {
                Item::Trouble(path, error) => {
                    self.order.push(Slot::Fresh(Some(Trouble::new(&path, &error))));
                    return Some(path);
                }
                Item::File(path) => {
                    let done = self.previous.as_mut().and_then(|previous| previous.find(&path));
                    let Some(range) = done else {
                        self.order.push(Slot::Fresh(None));
                        return Some(path);
                    };
                    self.order.push(Slot::Reused(range, 1));
                }
            }
        }
        None
    }
}
