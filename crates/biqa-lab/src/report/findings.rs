//! What a report says about one run beyond its stored figures, computed from the predictions:
//! residuals, groups of images, the split that is shown, and whether the stored figures hold.

use std::collections::BTreeMap;

use crate::datasets::Direction;
use crate::results::{Image, Repeat, Run};
use crate::stats::{self, Curve, Fit, StatsError, fit_logistic, quantile};

/// Fewest images of a kind for a correlation of it (`papers/protocol.md`, section 7).
pub const FEWEST: usize = 5;

/// One image's prediction on the scale of the labels.
#[derive(Clone, Copy, Debug)]
pub struct Point<'a> {
    /// The image.
    pub image: &'a Image,
    /// The label as quality.
    pub quality: f64,
    /// The fitted curve at the prediction.
    pub fitted: f64,
}

impl Point<'_> {
    /// How far the fitted prediction lies above the label.
    pub fn residual(&self) -> f64 {
        self.fitted - self.quality
    }
}

/// All of a run.
#[derive(Clone, Debug)]
pub struct Findings<'a> {
    /// The run.
    pub run: &'a Run,
    /// All images of all repeats; each repeat with its own curve.
    pub points: Vec<Point<'a>>,
    /// The curve of the shown repeat.
    pub fit: Option<Fit>,
    /// Position of the repeat that plots show: the one with the (lower) median SRCC.
    pub shown: usize,
    /// Stored figures that the predictions don't give.
    pub disagreements: Vec<String>,
}

/// Tolerance between a stored figure and the same figure from the predictions.
const SAME: f64 = 1e-6;

impl<'a> Findings<'a> {
    /// Computes them.
    pub fn of(run: &'a Run) -> Result<Self, StatsError> {
        let shown = median_repeat(&run.results.repeats);
        let direction = run.results.dataset.direction;
        let mut points = Vec::with_capacity(run.images.len());
        let (mut shown_fit, mut disagreements) = (None, Vec::new());
        for (i, repeat) in run.results.repeats.iter().enumerate() {
            let images: Vec<&Image> = run.of(repeat.index).collect();
            if images.is_empty() {
                continue;
            }
            let x: Vec<f64> = images.iter().map(|image| image.prediction).collect();
            let y: Vec<f64> = images.iter().map(|image| image.quality(direction)).collect();
            check(repeat, &x, &y, &mut disagreements)?;
            let fit = fit_logistic(Curve::Logistic4, &x, &y)?;
            let rows = images.iter().zip(&y).zip(&fit.fitted);
            points.extend(rows.map(|((&image, &quality), &fitted)| Point {
                image,
                quality,
                fitted,
            }));
            if i == shown {
                shown_fit = Some(fit);
            }
        }
        Ok(Self { run, points, fit: shown_fit, shown, disagreements })
    }

    /// The repeat that plots show.
    pub fn shown(&self) -> &Repeat {
        &self.run.results.repeats[self.shown]
    }

    /// The images of it.
    pub fn shown_points(&self) -> impl Iterator<Item = &Point<'a>> {
        let index = self.shown().index;
        self.points.iter().filter(move |point| point.image.repeat == index)
    }

    /// Which way the labels point.
    pub fn direction(&self) -> Direction {
        self.run.results.dataset.direction
    }

    /// Images by kind of distortion; empty where the set has none.
    pub fn kinds(&self) -> Vec<Group<'_>> {
        self.groups(|point| Some(point.image.kind.clone()).filter(|kind| !kind.is_empty()))
    }

    /// Images by level; empty where the set has none.
    pub fn levels(&self) -> Vec<Group<'_>> {
        self.groups(|point| point.image.level.map(|level| format!("level {level}")))
    }

    /// Images by fifths of their labels, from the worst: how far predictions lean to the middle.
    pub fn fifths(&self) -> Vec<Group<'_>> {
        let mut labels: Vec<f64> = self.points.iter().map(|point| point.quality).collect();
        labels.sort_unstable_by(f64::total_cmp);
        let ends: Vec<f64> = (1..5).filter_map(|k| quantile(&labels, f64::from(k) / 5.0)).collect();
        let names = ["worst fifth", "second fifth", "middle fifth", "fourth fifth", "best fifth"];
        let fifth = |point: &Point| ends.iter().filter(|end| point.quality > **end).count();
        let mut groups = self.groups(|point| Some(fifth(point).to_string()));
        for group in &mut groups {
            let i: usize = group.name.parse().unwrap_or(0);
            names[i.min(4)].clone_into(&mut group.name);
        }
        groups
    }

    /// Images by a name; sorted by it, numbers in it by their value.
    fn groups(&self, name: impl Fn(&Point) -> Option<String>) -> Vec<Group<'_>> {
        let mut groups: BTreeMap<(usize, String), Vec<&Point>> = BTreeMap::new();
        for point in &self.points {
            if let Some(name) = name(point) {
                let length = if name.starts_with("level ") { name.len() } else { 0 };
                groups.entry((length, name)).or_default().push(point);
            }
        }
        let group = |((_, name), points)| Group { name, points };
        groups.into_iter().map(group).collect()
    }
}

/// Images that have something in common, over all repeats.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// What.
    pub name: String,
    /// The images.
    pub points: Vec<&'a Point<'a>>,
}

impl Group<'_> {
    /// Residuals, ascending.
    pub fn residuals(&self) -> Vec<f64> {
        let mut residuals: Vec<f64> = self.points.iter().map(|point| point.residual()).collect();
        residuals.sort_unstable_by(f64::total_cmp);
        residuals
    }

    /// SRCC in each repeat that has at least [`FEWEST`] images of the group and where it is
    /// defined.
    pub fn srccs(&self) -> Vec<f64> {
        let mut repeats: BTreeMap<usize, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        for point in &self.points {
            let (x, y) = repeats.entry(point.image.repeat).or_default();
            x.push(point.image.prediction);
            y.push(point.quality);
        }
        let enough = repeats.values().filter(|(x, _)| x.len() >= FEWEST);
        enough.filter_map(|(x, y)| stats::srcc(x, y).ok().flatten()).collect()
    }
}

/// The repeat with the median SRCC, the lower one of two; undefined ones count as the lowest.
fn median_repeat(repeats: &[Repeat]) -> usize {
    let mut order: Vec<usize> = (0..repeats.len()).collect();
    let srcc = |i: usize| repeats[i].figures.srcc.value.unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|&a, &b| srcc(a).total_cmp(&srcc(b)));
    order.get(order.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

fn check(
    repeat: &Repeat,
    x: &[f64],
    y: &[f64],
    disagreements: &mut Vec<String>,
) -> Result<(), StatsError> {
    let found = [
        ("SRCC", repeat.figures.srcc.value, stats::srcc(x, y)?),
        ("PLCC", repeat.figures.plcc.value, stats::plcc(x, y)?),
    ];
    for (name, stored, computed) in found {
        let same = match (stored, computed) {
            (Some(a), Some(b)) => (a - b).abs() <= SAME,
            (None, None) => true,
            _ => false,
        };
        if !same {
            let words = |v: Option<f64>| v.map_or("undefined".to_owned(), |v| format!("{v:.6}"));
            disagreements.push(format!(
                "repeat {}: results.json gives {name} {}, the predictions give {}: one of the two \
                 files was changed",
                repeat.index,
                words(stored),
                words(computed)
            ));
        }
    }
    Ok(())
}
