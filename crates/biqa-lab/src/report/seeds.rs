//! Runs whose repeats are trainings by several seeds, tested on the same images: the mean over the
//! seeds with its interval, and whether the means of two runs differ (`papers/protocol.md`,
//! sections 2 and 5: with an official split "over repeats" means over training seeds).

use std::collections::BTreeMap;

use super::compare::{LEVEL, RESAMPLES, draws, p};
use super::document::{Cell, Row, Table};
use super::findings::{Findings, Point};
use super::summary::values;
use crate::stats::{
    Paired, Statistic, StatsError, bootstrap_of_mean, holm, paired_bootstrap_of_means, summary,
};

/// A run's predictions, a list a seed, for the same images in one order.
pub struct Seeds<'a> {
    images: Vec<&'a Point<'a>>,
    predictions: Vec<Vec<f64>>,
}

impl<'a> Seeds<'a> {
    /// `None` unless every repeat was tested on the same images with the same labels.
    pub fn of(findings: &'a Findings<'a>) -> Option<Self> {
        let mut repeats: BTreeMap<usize, BTreeMap<&str, &'a Point<'a>>> = BTreeMap::new();
        for point in &findings.points {
            let of_repeat = repeats.entry(point.image.repeat).or_default();
            of_repeat.insert(point.image.path.as_str(), point);
        }
        let images: Vec<&Point> = repeats.values().next()?.values().copied().collect();
        let same = |points: &BTreeMap<&str, &Point>| {
            points.len() == images.len() && points.values().zip(&images).all(|(a, b)| is_same(a, b))
        };
        if repeats.len() != findings.run.results.repeats.len() || !repeats.values().all(same) {
            return None;
        }
        let predictions = |points: &BTreeMap<&str, &Point>| -> Vec<f64> {
            points.values().map(|point| point.image.prediction).collect()
        };
        let predictions = repeats.values().map(predictions).collect();
        Some(Self { images, predictions })
    }

    /// How many seeds there are.
    pub fn count(&self) -> usize {
        self.predictions.len()
    }

    /// How many images they were tested on.
    pub fn images(&self) -> usize {
        self.images.len()
    }

    /// Whether another run was tested on the same images.
    pub fn meets(&self, other: &Self) -> bool {
        self.images.len() == other.images.len()
            && self.images.iter().zip(&other.images).all(|(a, b)| is_same(a, b))
    }

    /// The difference of the means over the seeds of each.
    pub fn less(&self, other: &Self) -> Result<Paired, StatsError> {
        let (y, rows) = (self.labels(), draws(&self.images));
        let (a, b) = (self.lists(), other.lists());
        paired_bootstrap_of_means(&a, &b, &y, &rows, Statistic::Srcc, LEVEL)
    }

    fn mean(&self) -> Result<(Option<f64>, Option<[f64; 2]>), StatsError> {
        let rows = draws(&self.images);
        bootstrap_of_mean(&self.lists(), &self.labels(), &rows, Statistic::Srcc, LEVEL)
    }

    fn labels(&self) -> Vec<f64> {
        self.images.iter().map(|point| point.quality).collect()
    }

    fn lists(&self) -> Vec<&[f64]> {
        self.predictions.iter().map(Vec::as_slice).collect()
    }
}

fn is_same(a: &Point, b: &Point) -> bool {
    a.image.path == b.image.path && a.quality == b.quality
}

/// The runs with several seeds: their means. `None` where there are none.
pub fn means(
    runs: &[(&str, &Findings, &Seeds)],
    number: usize,
) -> Result<Option<Table>, StatsError> {
    let mut rows = Vec::new();
    for (name, findings, seeds) in runs.iter().filter(|(_, _, seeds)| seeds.count() > 1) {
        let (mean, interval) = seeds.mean()?;
        let mean = Cell::number(mean, 4);
        let mean = match interval {
            Some(ends) => mean.range(["low", "high"], ends, 4),
            None => mean,
        };
        let each = values(&findings.run.results.repeats, |f| f.srcc.value);
        let spread = summary(&each).ok();
        let end = |of: fn(&crate::stats::Summary) -> f64| Cell::number(spread.as_ref().map(of), 4);
        rows.push(Row {
            strong: false,
            cells: vec![
                Cell::words(*name),
                Cell::count(seeds.count()),
                mean,
                end(|s| s.min),
                end(|s| s.max),
                Cell::count(seeds.images()),
            ],
        });
    }
    let columns = ["Run", "Seeds", "Mean SRCC", "Lowest", "Highest", "Images"];
    Ok((!rows.is_empty()).then(|| Table {
        id: format!("set-{number}-seeds"),
        caption: format!(
            "Trainings by several seeds, tested on the same images. The 95 % interval of the mean is \
             over images ({RESAMPLES} resamples of contents); how far the seeds differ stands beside it."
        ),
        columns: columns.map(str::to_owned).into(),
        rows,
        folded: false,
    }))
}

/// Two runs by their means over the seeds of each.
pub fn differences(pairs: &[(String, Paired, [usize; 2])], number: usize) -> Option<Table> {
    if pairs.is_empty() {
        return None;
    }
    let p_values: Vec<f64> = pairs.iter().map(|(_, paired, _)| paired.p_value).collect();
    let row = |((name, paired, seeds), adjusted): (&(String, Paired, [usize; 2]), f64)| {
        let undefined = paired.undefined * 20 > RESAMPLES;
        let difference = Cell::difference(paired.difference, 4);
        let difference = match paired.percentile.filter(|_| !undefined) {
            Some(ends) => difference.range(["low", "high"], ends, 4),
            None => difference,
        };
        let [a, b] = seeds.map(Cell::count);
        let cells =
            vec![Cell::words(name), difference, p(Some(paired.p_value)), p(Some(adjusted)), a, b];
        Row { strong: false, cells }
    };
    let columns = [
        "Runs",
        "Difference in mean SRCC",
        "p, paired bootstrap",
        "p, Holm",
        "Seeds, first",
        "Seeds, second",
    ];
    Some(Table {
        id: format!("set-{number}-seed-differences"),
        caption: format!(
            "Two runs on the same images, by the mean SRCC over the training seeds of each; 95 % \
             interval by a paired bootstrap of {RESAMPLES} resamples of contents. Holm: with respect \
             to the {} comparisons of this table. Few seeds leave a part of what training differs by \
             out of the interval.",
            pairs.len()
        ),
        columns: columns.map(str::to_owned).into(),
        rows: pairs.iter().zip(holm(&p_values)).map(row).collect(),
        folded: false,
    })
}
