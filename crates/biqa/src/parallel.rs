//! Work over many inputs on several threads, results in input order, memory bounded.
//!
//! Who calls: the scorer, and the lab where it runs a network over a dataset. Every worker has a
//! rayon pool of one thread of its own, so that a network's inner loops stay on the worker: all
//! cores are busy with different pictures, and a result cannot depend on how many there are.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Finished results wait for earlier ones; at most this many a thread are under way.
const WINDOW_PER_THREAD: usize = 4;

/// Cores of this machine that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Calls `work(index, input)` on `threads` workers (0: all cores) and `sink(index, output)` on the
/// calling thread, in input order. `sink` returning `false` ends the run: nothing new is started.
///
/// `work` must not panic; a panic in it stops the program as a panic in the caller would.
pub fn ordered<I: Send, O: Send>(
    threads: usize,
    inputs: impl Iterator<Item = I> + Send,
    work: impl Fn(usize, I) -> O + Sync,
    sink: impl FnMut(usize, O) -> bool,
) {
    let threads = if threads == 0 { cores() } else { threads };
    ordered_ahead(threads, threads * WINDOW_PER_THREAD, inputs, work, sink);
}

/// [`ordered`] with a bound of its own on the results that wait: `ahead`, and one a thread.
pub fn ordered_ahead<I: Send, O: Send>(
    threads: usize,
    ahead: usize,
    inputs: impl Iterator<Item = I> + Send,
    work: impl Fn(usize, I) -> O + Sync,
    mut sink: impl FnMut(usize, O) -> bool,
) {
    let threads = if threads == 0 { cores() } else { threads };
    let queue = Queue {
        inputs: Mutex::new(inputs.enumerate().fuse()),
        state: Mutex::new(State { ready: BTreeMap::new(), next: 0, running: threads, stop: false }),
        changed: Condvar::new(),
        window: ahead.max(1),
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| queue.serve(&work));
        }
        while let Some((index, output)) = queue.take() {
            if !sink(index, output) {
                queue.stop();
                break;
            }
        }
    });
}

struct Queue<I: Iterator, O> {
    /// Under its own lock: an input that takes long to come (a list from a pipe) holds no result back.
    inputs: Mutex<std::iter::Fuse<std::iter::Enumerate<I>>>,
    state: Mutex<State<O>>,
    changed: Condvar,
    window: usize,
}

struct State<O> {
    ready: BTreeMap<usize, O>,
    next: usize,
    running: usize,
    stop: bool,
}

/// Tells the caller that a worker is gone, also when it panics.
struct Leaving<'a, I: Iterator, O>(&'a Queue<I, O>);

impl<I: Iterator, O> Drop for Leaving<'_, I, O> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running -= 1;
        // A lost result would keep the others waiting for room for ever.
        state.stop |= std::thread::panicking();
        drop(state);
        self.0.changed.notify_all();
    }
}

impl<I: Iterator, O> Queue<I, O> {
    /// The state holds no half-made change at any point where its holder could panic.
    fn lock(&self) -> MutexGuard<'_, State<O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One worker's life.
    fn serve(&self, work: &(impl Fn(usize, I::Item) -> O + Sync))
    where
        I: Send,
        I::Item: Send,
        O: Send,
    {
        let _leaving = Leaving(self);
        // Without a pool of its own the worker falls back on the shared one: slower, not wrong.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().ok();
        while let Some((index, input)) = self.draw() {
            let output = match &pool {
                Some(pool) => pool.install(|| work(index, input)),
                None => work(index, input),
            };
            self.lock().ready.insert(index, output);
            self.changed.notify_all();
        }
    }

    /// The next input, once there is room for its result.
    fn draw(&self) -> Option<(usize, I::Item)> {
        let mut state = self.lock();
        loop {
            if state.stop {
                return None;
            }
            if state.ready.len() < self.window {
                drop(state);
                return self.inputs.lock().unwrap_or_else(PoisonError::into_inner).next();
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The next result in order; `None` when all workers are done.
    fn take(&self) -> Option<(usize, O)> {
        let mut state = self.lock();
        loop {
            let next = state.next;
            if let Some(output) = state.ready.remove(&next) {
                state.next += 1;
                self.changed.notify_all();
                return Some((next, output));
            }
            if state.running == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_input_order_whatever_takes_long() {
        for threads in [1, 2, 5] {
            let mut seen = Vec::new();
            ordered(
                threads,
                0..200usize,
                |i, x| {
                    let spin = (x * 7919) % 97;
                    (0..spin * 1000).fold(i, |a, b| std::hint::black_box(a ^ b ^ b))
                },
                |i, y| {
                    assert_eq!(i, y);
                    seen.push(i);
                    true
                },
            );
            assert_eq!(seen, (0..200).collect::<Vec<_>>(), "{threads} threads");
        }
    }

    #[test]
    fn a_sink_that_has_enough_ends_the_run() {
        let mut count = 0;
        ordered(
            3,
            0..,
            |_, x: u64| x,
            |_, _| {
                count += 1;
                count < 10
            },
        );
        assert_eq!(count, 10);
    }
}
