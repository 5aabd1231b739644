//! What a run came to: the counts and figures of the summary line, and the gate `--fail-under`.

use std::time::Duration;

use biqa::record::Record;

use crate::words::{count, printable};

/// Counts rows as they pass, in any number.
#[derive(Debug, Default)]
pub struct Tally {
    pub scored: u64,
    pub failed: u64,
    sum: f64,
    scores: Scores,
    lowest: Option<(f64, String)>,
    gate: Option<f64>,
    below_gate: u64,
}

impl Tally {
    /// A tally that also counts images below `gate`.
    pub fn new(gate: Option<f64>) -> Self {
        Self { gate, ..Self::default() }
    }

    pub fn add(&mut self, row: &Record) {
        let Some(score) = row.score else {
            self.failed += 1;
            return;
        };
        self.scored += 1;
        self.sum += score;
        self.scores.add(score);
        self.below_gate += u64::from(self.gate.is_some_and(|gate| score < gate));
        if self.lowest.as_ref().is_none_or(|(lowest, _)| score < *lowest) {
            self.lowest = Some((score, row.path.clone()));
        }
    }

    /// The summary line. `fresh` images were scored in `time`, the others taken over.
    pub fn line(&mut self, skipped: u64, fresh: u64, time: Duration) -> String {
        let rows = self.scored + self.failed;
        let taken_over = rows - fresh.min(rows);
        let taken_over =
            if taken_over > 0 { format!(" ({taken_over} taken over)") } else { String::new() };
        let counts = format!("{}{taken_over}, failed {}", self.scored, self.failed);
        let mut parts = vec![format!("scored {counts}, skipped {skipped}")];
        if self.scored > 0 {
            let mean = self.sum / self.scored as f64;
            let (median, low) = (self.scores.quantile(0.5), self.scores.quantile(0.05));
            parts.push(format!("mean {mean:.2}, median {median:.2}, 5th percentile {low:.2}"));
        }
        let seconds = time.as_secs_f64();
        // Failures cost next to nothing: they would make any machine look fast.
        let scored = fresh.saturating_sub(self.failed);
        if scored > 0 && seconds > 0.0 {
            parts.push(format!("{:.1} images/s", scored as f64 / seconds));
        }
        parts.join("; ")
    }

    /// What to say when the gate tripped.
    pub fn gate_line(&self) -> Option<String> {
        let gate = self.gate.filter(|_| self.below_gate > 0)?;
        let (lowest, path) = self.lowest.as_ref()?;
        let (below, images) = (self.below_gate, count(self.scored, "image"));
        let besides = match self.failed {
            0 => String::new(),
            n => format!("; {} without a score besides", count(n, "image")),
        };
        Some(format!(
            "--fail-under {gate}: {below} of {images} below, the lowest {lowest:.2}: {}{besides}",
            printable(path)
        ))
    }
}

/// Scores for quantiles: all of them up to a million, from there on counts in steps of 0.001, so
/// that the memory is bounded. Quantiles interpolate between neighbours, as NumPy's do.
#[derive(Debug)]
enum Scores {
    All(Vec<f64>),
    Counts(Vec<u64>),
}

/// Scores kept one by one: 8 MB.
const ALL: usize = 1_000_000;
/// Steps of a point.
const STEPS: f64 = 1000.0;

impl Default for Scores {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl Scores {
    fn add(&mut self, score: f64) {
        match self {
            Self::All(all) if all.len() < ALL => all.push(score),
            Self::All(all) => {
                let mut counts = vec![0; (100.0 * STEPS) as usize + 1];
                for &score in all.iter() {
                    counts[step(score)] += 1;
                }
                counts[step(score)] += 1;
                *self = Self::Counts(counts);
            }
            Self::Counts(counts) => counts[step(score)] += 1,
        }
    }

    /// The quantile `q`; 0 when there are no scores.
    fn quantile(&mut self, q: f64) -> f64 {
        match self {
            Self::All(all) => {
                all.sort_by(f64::total_cmp);
                interpolate(q, all.len() as u64, |rank| all[rank as usize])
            }
            Self::Counts(counts) => {
                let total = counts.iter().sum();
                interpolate(q, total, |rank| ranked(counts, rank))
            }
        }
    }
}

fn step(score: f64) -> usize {
    (score.clamp(0.0, 100.0) * STEPS).round() as usize
}

fn ranked(counts: &[u64], rank: u64) -> f64 {
    let mut seen = 0;
    let found = counts.iter().position(|n| {
        seen += n;
        seen > rank
    });
    found.unwrap_or(counts.len() - 1) as f64 / STEPS
}

fn interpolate(q: f64, total: u64, at: impl Fn(u64) -> f64) -> f64 {
    if total == 0 {
        return 0.0;
    }
    let place = q * (total - 1) as f64;
    let (low, high) = (place.floor(), place.ceil());
    let (a, b) = (at(low as u64), at(high as u64));
    a + (b - a) * (place - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        let mut scores = Scores::default();
        for score in [40.0, 10.0, 30.0, 20.0] {
            scores.add(score);
        }
        assert_eq!(scores.quantile(0.5), 25.0);
        assert!((scores.quantile(0.05) - 11.5).abs() < 1e-12);
    }

    #[test]
    fn many_scores_become_counts_and_keep_their_quantiles() {
        let mut scores = Scores::default();
        let n = ALL as u64 + 50_000;
        for i in 0..n {
            scores.add((i * 7919 % n) as f64 / n as f64 * 100.0);
        }
        assert!(matches!(scores, Scores::Counts(_)));
        assert!((scores.quantile(0.5) - 50.0).abs() < 0.01);
        assert!((scores.quantile(0.05) - 5.0).abs() < 0.01);
    }

    #[test]
    fn no_scores_have_no_figures() {
        let mut tally = Tally::new(Some(50.0));
        assert_eq!(tally.line(3, 0, Duration::ZERO), "scored 0, failed 0, skipped 3");
        assert_eq!(tally.gate_line(), None);
    }
}
