//! Loops compiled for every instruction set of a processor, the widest one chosen when they run.
//!
//! Called by `random` and by `biqa-lab`'s degradations. The results are the same on all of them: Rust
//! neither reorders sums nor contracts `a * b + c`.

// That is what this file is about.
#![allow(clippy::inline_always)]

use pulp::{Arch, NullaryFnOnce};

/// A loop, with what it reads and writes.
///
/// `run` must be marked `#[inline(always)]`, and so must what it calls in its loop. A closure can't
/// bear that mark: a large one is compiled once, for the smallest machine, and merely called from
/// the place that has the wide registers, several times slower. So is a function that is passed.
pub trait Wide {
    /// What it gives.
    type Output;

    /// The loop.
    fn run(self) -> Self::Output;
}

/// Runs a loop with the machine's widest registers.
#[inline]
pub fn wide<W: Wide>(work: W) -> W::Output {
    Arch::new().dispatch(Work(work))
}

struct Work<W>(W);

impl<W: Wide> NullaryFnOnce for Work<W> {
    type Output = W::Output;

    #[inline(always)]
    fn call(self) -> W::Output {
        self.0.run()
    }
}
