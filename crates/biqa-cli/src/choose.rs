//! `--top`, `--below` and `--sort`: which rows are shown or written, and in which order.
//!
//! They are views of a finished run. The partial file always has every row, so that they can be
//! changed on `--resume`; failed images have no place in a ranking, so `--top` and `--below` leave
//! them out, and `--sort best|worst` puts them last.

use std::cmp::Ordering;
use std::ops::Range;

use biqa::record::Record;
use clap::ValueEnum;

/// The orders of `--sort`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// The highest score first
    Best,
    /// The lowest score first
    Worst,
    /// By path, byte by byte
    Path,
}

/// What the three flags say together.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    pub top: Option<usize>,
    pub below: Option<f64>,
    pub sort: Option<Sort>,
}

impl Choice {
    /// Whether some rows may be left out.
    pub fn leaves_out(&self) -> bool {
        self.top.is_some() || self.below.is_some()
    }

    /// Whether the first row can only be shown when the last is known.
    pub fn needs_all(&self) -> bool {
        self.top.is_some() || self.sort.is_some()
    }

    /// Whether the row is shown, as far as it can be told from the row alone.
    pub fn has(&self, row: &Record) -> bool {
        match row.score {
            Some(score) => self.below.is_none_or(|limit| score < limit),
            None => !self.leaves_out(),
        }
    }

    /// The order in which `--top` counts.
    fn ranking(&self) -> Sort {
        match self.sort {
            Some(Sort::Worst) => Sort::Worst,
            Some(Sort::Best | Sort::Path) | None => Sort::Best,
        }
    }
}

/// Ranks rows by little more than their scores; the rows themselves stay in their file.
pub struct Ranking {
    choice: Choice,
    keys: Vec<Key>,
    seen: u64,
}

struct Key {
    score: Option<f64>,
    position: u64,
    /// Only for `--sort path`.
    path: String,
    place: Range<u64>,
}

impl Ranking {
    pub fn new(choice: Choice) -> Self {
        Self { choice, keys: Vec::new(), seen: 0 }
    }

    /// Takes note of the next row in the input order.
    pub fn add(&mut self, row: &Record, place: Range<u64>) {
        self.seen += 1;
        if !self.choice.has(row) {
            return;
        }
        let by_path = self.choice.sort == Some(Sort::Path);
        let path = if by_path { row.path.clone() } else { String::new() };
        self.keys.push(Key { score: row.score, position: self.seen, path, place });
        if self.choice.top.is_some_and(|n| self.keys.len() >= 2 * n + 1024) {
            self.drop_the_rest();
        }
    }

    /// Where the chosen rows are, in their final order.
    pub fn places(mut self) -> Vec<Range<u64>> {
        self.drop_the_rest();
        let sort = self.choice.sort.unwrap_or(self.choice.ranking());
        self.keys.sort_by(|a, b| compare(sort, a, b));
        self.keys.into_iter().map(|key| key.place).collect()
    }

    /// With `--top N`, what is not among the first N so far never will be.
    fn drop_the_rest(&mut self) {
        if let Some(n) = self.choice.top {
            let ranking = self.choice.ranking();
            self.keys.sort_by(|a, b| compare(ranking, a, b));
            self.keys.truncate(n);
        }
    }
}

/// Equal scores stay in the input order; images without a score come last.
fn compare(sort: Sort, a: &Key, b: &Key) -> Ordering {
    let by_score = |best_first: bool| match (a.score, b.score) {
        (Some(x), Some(y)) if best_first => y.total_cmp(&x),
        (Some(x), Some(y)) => x.total_cmp(&y),
        (x, y) => y.is_some().cmp(&x.is_some()),
    };
    let order = match sort {
        Sort::Best => by_score(true),
        Sort::Worst => by_score(false),
        Sort::Path => a.path.cmp(&b.path),
    };
    order.then(a.position.cmp(&b.position))
}
