//! Predictions against labels in a report's figures (`papers/protocol.md`, sections 3 to 5).

use std::collections::BTreeMap;

use crate::datasets::Manifest;
use crate::results::{Figure, Figures, Fit, Interval, Method};
use crate::stats::{self, Curve, Statistic, StatsError};

/// Rows of the bootstrap.
const RESAMPLES: usize = 2000;
/// Level of the intervals.
const LEVEL: f64 = 0.95;
/// Keys the bootstrap's draws.
const SEED: u64 = 0;

/// How intervals are made (section 9, `interval`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntervalRule {
    /// Over groups where images share a content, else BCa.
    #[default]
    Auto,
    /// Bias-corrected and accelerated, over images; percentile where that is undefined.
    Bca,
    /// Percentile, over images.
    Percentile,
    /// Percentile, over groups of one content.
    Clustered,
}

/// What is measured besides the correlations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// How intervals are made.
    pub interval: IntervalRule,
    /// Also the five-parameter fit.
    pub logistic5: bool,
}

/// The groups of images of one content among some rows of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// The number of every image's group.
    pub of: Vec<usize>,
    /// How many there are.
    pub count: usize,
}

impl Groups {
    /// Numbered in the order in which the rows meet them.
    pub fn of_rows(manifest: &Manifest, rows: &[usize]) -> Self {
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        let mut number = |i: &usize| {
            let next = numbers.len();
            *numbers.entry(&manifest.rows[*i].content).or_insert(next)
        };
        let of = rows.iter().map(&mut number).collect();
        Self { of, count: numbers.len() }
    }

    /// Whether images share a content.
    pub fn shared(&self) -> bool {
        self.count < self.of.len()
    }
}

/// The figures of predictions `x` against quality `y` (higher is better).
pub fn figures(
    x: &[f64],
    y: &[f64],
    groups: &Groups,
    measures: &Measures,
) -> Result<Figures, StatsError> {
    let clustered = match measures.interval {
        IntervalRule::Auto => groups.shared(),
        rule => rule == IntervalRule::Clustered,
    };
    let units = if clustered { groups.count } else { x.len() };
    let draws = stats::boot_indices(SEED, RESAMPLES, units);
    let figure = |statistic| {
        if clustered {
            clustered_figure(x, y, groups, &draws, statistic)
        } else {
            figure(x, y, &draws, statistic, measures.interval)
        }
    };
    let fit = |curve| stats::fit_logistic(curve, x, y).map(of_fit);
    Ok(Figures {
        srcc: figure(Statistic::Srcc)?,
        plcc: figure(Statistic::Plcc)?,
        krcc: stats::krcc(x, y)?.value,
        mae: None,
        logistic4: Some(fit(Curve::Logistic4)?),
        logistic5: if measures.logistic5 { Some(fit(Curve::Logistic5)?) } else { None },
    })
}

fn clustered_figure(
    x: &[f64],
    y: &[f64],
    groups: &Groups,
    draws: &[Vec<usize>],
    statistic: Statistic,
) -> Result<Figure, StatsError> {
    let boot = stats::bootstrap_clustered(x, y, &groups.of, draws, statistic, LEVEL)?;
    // One content drawn again and again says nothing about others.
    let ends = boot.percentile.filter(|_| groups.count > 1).map(|ends| (ends, Method::Clustered));
    Ok(Figure { value: boot.estimate, interval: interval(ends, boot.undefined, groups.count) })
}

fn figure(
    x: &[f64],
    y: &[f64],
    draws: &[Vec<usize>],
    statistic: Statistic,
    rule: IntervalRule,
) -> Result<Figure, StatsError> {
    let boot = stats::bootstrap(x, y, draws, statistic, LEVEL)?;
    let percentile = |method| boot.percentile.map(|ends| (ends, method));
    let ends = match (rule, boot.bca) {
        (IntervalRule::Percentile, _) => percentile(Method::Percentile),
        (_, Some(bca)) => Some((bca.interval, Method::Bca)),
        (_, None) => percentile(Method::Fallback),
    };
    Ok(Figure { value: boot.estimate, interval: interval(ends, boot.undefined, x.len()) })
}

fn interval(ends: Option<([f64; 2], Method)>, undefined: usize, units: usize) -> Option<Interval> {
    let ([low, high], method) = ends?;
    Some(Interval { low, high, method, level: LEVEL, rows: RESAMPLES, undefined, units })
}

fn of_fit(fit: stats::Fit) -> Fit {
    let status = fit.status.code();
    let stats::Fit { beta, rmse, plcc, converged, monotone, .. } = fit;
    Fit { beta, status, converged, monotone, plcc, rmse }
}

/// The warnings that must stand beside figures (sections 4.3 and 5).
pub fn warnings(figures: &Figures) -> Vec<String> {
    let mut words = Vec::new();
    let turned = figures.srcc.value.is_some_and(|v| v < 0.0);
    let fits = [("four", &figures.logistic4), ("five", &figures.logistic5)];
    for (parameters, fit) in fits.into_iter().filter_map(|(p, fit)| Some((p, fit.as_ref()?))) {
        if fit.status == 0 && turned {
            words.push(format!(
                "SRCC is negative: the {parameters}-parameter fit turned the predictions round, \
                 its PLCC says nothing about their direction"
            ));
        }
        if fit.status == 1 {
            words.push("too few distinct predictions for a curve: a line was fitted".to_owned());
        }
        if !fit.converged {
            words.push(format!("the {parameters}-parameter fit did not converge"));
        }
        if !fit.monotone {
            words.push(format!(
                "the {parameters}-parameter curve turns: use the four-parameter fit"
            ));
        }
    }
    for (name, figure) in [("SRCC", figures.srcc), ("PLCC", figures.plcc)] {
        match figure.interval {
            _ if figure.value.is_none() => {
                words.push(format!("{name} is undefined: predictions or labels are all equal"));
            }
            Some(interval) if !interval.is_printed() => words.push(format!(
                "{name} is undefined on {} of {} resamples: no interval",
                interval.undefined, interval.rows
            )),
            Some(Interval { method: Method::Fallback, .. }) => {
                words.push(format!("{name}: BCa is undefined here, the interval is percentile"));
            }
            _ => {}
        }
    }
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(of: &[usize]) -> Groups {
        Groups { of: of.to_vec(), count: of.iter().max().map_or(0, |g| g + 1) }
    }

    /// The worked example of section 4.3.
    const X: [f64; 10] = [0.10, 0.25, 0.30, 0.42, 0.50, 0.55, 0.68, 0.75, 0.88, 0.95];
    const Y: [f64; 10] = [12.0, 15.0, 22.0, 30.0, 47.0, 52.0, 75.0, 80.0, 88.0, 90.0];

    #[test]
    fn the_worked_example_has_its_figures() {
        let singles = groups(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let measures = Measures { logistic5: true, ..Measures::default() };
        let found = figures(&X, &Y, &singles, &measures).expect("numbers");
        assert_eq!(found.srcc.value, Some(1.0));
        assert!((found.krcc.expect("defined") - 1.0).abs() < 1e-12);
        assert!((found.plcc.value.expect("defined") - 0.9811572).abs() < 1e-6);
        let fit = found.logistic4.as_ref().expect("a fit");
        assert!((fit.rmse - 1.5042030).abs() < 1e-6, "{fit:?}");
        assert!((fit.plcc.expect("defined") - 0.9986560).abs() < 1e-6, "{fit:?}");
        assert!(found.logistic5.is_some());
        // A perfect order has no BCa interval, and that is said.
        assert_eq!(found.srcc.interval.expect("one").method, Method::Fallback);
        assert_eq!(found.plcc.interval.expect("one").method, Method::Bca);
        assert!(warnings(&found).iter().any(|w| w.contains("SRCC: BCa is undefined")));
    }

    #[test]
    fn shared_contents_are_drawn_together_unless_it_is_asked_otherwise() {
        let pairs = groups(&[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
        let with = |interval| {
            let measures = Measures { interval, ..Measures::default() };
            let found = figures(&X, &Y, &pairs, &measures).expect("numbers");
            found.plcc.interval.map(|i| (i.method, i.units)).expect("one")
        };
        assert_eq!(with(IntervalRule::Auto), (Method::Clustered, 5));
        assert_eq!(with(IntervalRule::Bca), (Method::Bca, 10));
        assert_eq!(with(IntervalRule::Percentile), (Method::Percentile, 10));
    }

    #[test]
    fn a_wrong_direction_and_constants_are_said() {
        let singles = groups(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let down: Vec<f64> = X.iter().map(|x| -x).collect();
        let found = figures(&down, &Y, &singles, &Measures::default()).expect("numbers");
        assert!(warnings(&found).iter().any(|w| w.contains("SRCC is negative")));
        let found = figures(&[1.0; 10], &Y, &singles, &Measures::default()).expect("numbers");
        assert_eq!(found.srcc.value, None);
        assert!(warnings(&found).iter().any(|w| w.contains("SRCC is undefined")));
    }
}
