//! Whether two runs on the same images differ (`papers/protocol.md`, section 6).

use std::collections::BTreeMap;

use super::document::{Block, Cell, Row, Section, Table};
use super::findings::{Findings, Point};
use super::seeds::{self, Seeds};
use super::summary::{Together, values};
use crate::stats::{
    self, Correlations, Statistic, StatsError, Test, boot_indices, holm, paired_bootstrap, plcc,
    steiger,
};

/// Rows of the bootstrap.
pub(super) const RESAMPLES: usize = 2000;
/// Level of the intervals.
pub(super) const LEVEL: f64 = 0.95;
/// Fewest images for a test.
const FEWEST_IMAGES: usize = 4;
/// Fewest splits for Wilcoxon's test to be of use.
const FEWEST_SPLITS: usize = 10;

/// Adds what can be said of every two runs of `group`.
pub fn add(
    section: &mut Section,
    all: &[Findings],
    names: &[String],
    group: &Together,
    number: usize,
) -> Result<(), StatsError> {
    if group.runs.len() < 2 {
        return Ok(());
    }
    section.head("Do they differ?");
    let of_seeds: Vec<Option<Seeds>> = group.runs.iter().map(|&i| Seeds::of(&all[i])).collect();
    let (mut images, mut by_seeds, mut splits) = (Vec::new(), Vec::new(), Vec::new());
    for (k, &a) in group.runs.iter().enumerate() {
        for (l, &b) in group.runs.iter().enumerate().skip(k + 1) {
            let name = format!("{} less {}", names[a], names[b]);
            if let (Some(x), Some(y)) = (&of_seeds[k], &of_seeds[l])
                && x.count().max(y.count()) > 1
                && x.meets(y)
                && x.images() >= FEWEST_IMAGES
            {
                by_seeds.push((name, x.less(y)?, [x.count(), y.count()]));
                continue;
            }
            match pair(&all[a], &all[b])? {
                Pair::Not(why) => section.say(format!("{name}: no test. {why}")),
                Pair::Images(test) => images.push((name, test)),
                Pair::Splits(test) => splits.push((name, test)),
            }
        }
    }
    let runs = group.runs.iter().zip(&of_seeds);
    let runs: Vec<_> = runs
        .filter_map(|(&i, seeds)| Some((names[i].as_str(), &all[i], seeds.as_ref()?)))
        .collect();
    section.blocks.extend(seeds::means(&runs, number)?.map(Block::Table));
    section.blocks.extend(seeds::differences(&by_seeds, number).map(Block::Table));
    section.blocks.extend(on_images(&images, number).map(Block::Table));
    section.blocks.extend(on_splits(&splits, number).map(Block::Table));
    Ok(())
}

/// What two runs allow.
enum Pair {
    Not(String),
    Images(OnImages),
    Splits(OnSplits),
}

struct OnImages {
    n: usize,
    paired: stats::Paired,
    steiger: Option<Test>,
}

struct OnSplits {
    median: f64,
    splits: usize,
    test: stats::Wilcoxon,
}

fn pair(a: &Findings, b: &Findings) -> Result<Pair, StatsError> {
    let Some(points) = matched(a, b) else {
        return Ok(Pair::Not("They were not measured on the same images.".to_owned()));
    };
    let splits = a.run.results.repeats.len();
    if splits == 1 {
        return on_one_part(&points);
    }
    if splits < FEWEST_SPLITS {
        let why = format!("{splits} splits are too few; {FEWEST_SPLITS} are needed.");
        return Ok(Pair::Not(why));
    }
    let [x, y] = [a, b].map(|f| values(&f.run.results.repeats, |f| f.srcc.value));
    if x.len() != splits || y.len() != splits {
        return Ok(Pair::Not("The SRCC of a split is undefined.".to_owned()));
    }
    let differences: Vec<f64> = x.iter().zip(&y).map(|(x, y)| x - y).collect();
    let median = stats::summary(&differences)?.median;
    Ok(Pair::Splits(OnSplits { median, splits, test: stats::wilcoxon(&x, &y)? }))
}

/// The images of both, in one order; `None` unless they are the same in every repeat.
fn matched<'a>(a: &'a Findings, b: &'a Findings) -> Option<Vec<(&'a Point<'a>, &'a Point<'a>)>> {
    let keyed = |findings: &'a Findings| -> BTreeMap<(usize, &'a str), &'a Point<'a>> {
        let key = |p: &'a Point<'a>| ((p.image.repeat, p.image.path.as_str()), p);
        findings.points.iter().map(key).collect()
    };
    let (a, b) = (keyed(a), keyed(b));
    let same = a.len() == b.len()
        && a.iter().zip(&b).all(|((ka, pa), (kb, pb))| ka == kb && pa.quality == pb.quality);
    same.then(|| a.into_values().zip(b.into_values()).collect())
}

fn on_one_part(points: &[(&Point, &Point)]) -> Result<Pair, StatsError> {
    let n = points.len();
    if n < FEWEST_IMAGES {
        return Ok(Pair::Not(format!("{n} images are too few; {FEWEST_IMAGES} are needed.")));
    }
    let a: Vec<f64> = points.iter().map(|(a, _)| a.image.prediction).collect();
    let b: Vec<f64> = points.iter().map(|(_, b)| b.image.prediction).collect();
    let y: Vec<f64> = points.iter().map(|(a, _)| a.quality).collect();
    let images: Vec<&Point> = points.iter().map(|(a, _)| *a).collect();
    let rows = draws(&images);
    let paired = paired_bootstrap(&a, &b, &y, &rows, Statistic::Srcc, LEVEL)?;
    let correlations = match (plcc(&a, &y)?, plcc(&b, &y)?, plcc(&a, &b)?) {
        (Some(ay), Some(by), Some(ab)) => Some(Correlations { ay, by, ab, n }),
        _ => None,
    };
    Ok(Pair::Images(OnImages { n, paired, steiger: correlations.and_then(steiger) }))
}

/// Resamples of contents, as positions of their images; an image without a content is its own.
pub(super) fn draws(points: &[&Point]) -> Vec<Vec<usize>> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, point) in points.iter().enumerate() {
        let image = point.image;
        let content = if image.content.is_empty() { &image.path } else { &image.content };
        members.entry(content).or_default().push(i);
    }
    let members: Vec<Vec<usize>> = members.into_values().collect();
    let rows = boot_indices(0, RESAMPLES, members.len());
    rows.iter().map(|row| row.iter().flat_map(|&g| &members[g]).copied().collect()).collect()
}

fn on_images(pairs: &[(String, OnImages)], number: usize) -> Option<Table> {
    if pairs.is_empty() {
        return None;
    }
    let boot: Vec<f64> = pairs.iter().map(|(_, t)| t.paired.p_value).collect();
    let tested: Vec<f64> = pairs.iter().filter_map(|(_, t)| t.steiger.map(|t| t.p_value)).collect();
    let (holm_boot, mut holm_steiger) = (holm(&boot), holm(&tested).into_iter());
    let row = |((name, test), adjusted): (&(String, OnImages), f64)| {
        let undefined = test.paired.undefined * 20 > RESAMPLES;
        let difference = Cell::difference(test.paired.difference, 4);
        let difference = match test.paired.percentile.filter(|_| !undefined) {
            Some(ends) => difference.range(["low", "high"], ends, 4),
            None => difference,
        };
        let adjusted_steiger = test.steiger.and_then(|_| holm_steiger.next());
        Row {
            strong: false,
            cells: vec![
                Cell::words(name),
                difference,
                p(Some(test.paired.p_value)),
                p(Some(adjusted)),
                Cell::number(test.steiger.map(|t| t.statistic), 3),
                p(test.steiger.map(|t| t.p_value)),
                p(adjusted_steiger),
                Cell::count(test.n),
            ],
        }
    };
    let columns = [
        "Runs",
        "Difference in SRCC",
        "p, paired bootstrap",
        "p, Holm",
        "Steiger's z, PLCC",
        "p, Steiger",
        "p, Holm (Steiger)",
        "Images",
    ];
    Some(Table {
        id: format!("set-{number}-differences"),
        caption: format!(
            "Two runs on the same images. Difference in SRCC with its 95 % interval by a paired \
             bootstrap of {RESAMPLES} resamples of contents; Steiger's test of the raw PLCC. Holm: \
             with respect to the {} comparisons of this table.",
            pairs.len()
        ),
        columns: columns.map(str::to_owned).into(),
        rows: pairs.iter().zip(holm_boot).map(row).collect(),
        folded: false,
    })
}

fn on_splits(pairs: &[(String, OnSplits)], number: usize) -> Option<Table> {
    if pairs.is_empty() {
        return None;
    }
    let p_values: Vec<f64> = pairs.iter().map(|(_, t)| t.test.p_value).collect();
    let row = |((name, test), adjusted): (&(String, OnSplits), f64)| Row {
        strong: false,
        cells: vec![
            Cell::words(name),
            Cell::difference(Some(test.median), 4),
            Cell::number(Some(test.test.w_plus), 1),
            Cell::number(Some(test.test.w_minus), 1),
            p(Some(test.test.p_value)).note(if test.test.exact { "exact" } else { "normal" }),
            p(Some(adjusted)),
            Cell::count(test.splits),
        ],
    };
    let columns = [
        "Runs",
        "Median difference in SRCC",
        "W+",
        "W\u{2212}",
        "p, Wilcoxon",
        "p, Holm",
        "Splits",
    ];
    Some(Table {
        id: format!("set-{number}-wilcoxon"),
        caption: "Two runs over the same splits: Wilcoxon's signed ranks. The splits overlap, so \
                  that p comes out too small."
            .to_owned(),
        columns: columns.map(str::to_owned).into(),
        rows: pairs.iter().zip(holm(&p_values)).map(row).collect(),
        folded: false,
    })
}

/// A probability: three digits that count, in plain writing.
pub(super) fn p(value: Option<f64>) -> Cell {
    let mut cell = Cell::number(value, 4);
    if value.is_some_and(|v| v < 0.0001) {
        "< 0.0001".clone_into(&mut cell.text);
    }
    cell
}
