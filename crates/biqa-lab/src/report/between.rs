//! Whether one model does better on one set than on another (`papers/protocol.md`, section 6:
//! Fisher's z for independent samples).

use super::compare::p;
use super::document::{Block, Cell, Row, Section, Table};
use super::findings::Findings;
use crate::stats::{Coefficient, Test, holm, independent};

/// A section on all pairs of runs of one subject, measured once each on different sets; `None` where
/// there is no such pair.
pub fn section(all: &[Findings], names: &[String]) -> Option<Section> {
    let once = |i: &usize| all[*i].run.results.repeats.len() == 1;
    let runs: Vec<usize> = (0..all.len()).filter(once).collect();
    let mut pairs = Vec::new();
    for (k, &a) in runs.iter().enumerate() {
        pairs.extend(runs[k + 1..].iter().filter_map(|&b| pair([&all[a], &all[b]], [a, b])));
    }
    if pairs.is_empty() {
        return None;
    }
    let adjusted: [Vec<f64>; 2] = [0, 1].map(|figure| {
        holm(&pairs.iter().map(|pair| pair.tests[figure].p_value).collect::<Vec<_>>())
    });
    let row = |(i, pair): (usize, &Pair)| {
        let [a, b] = pair.runs.map(|run| {
            let results = &all[run].run.results;
            format!("{} on {}", names[run], results.dataset.name)
        });
        let mut cells = vec![Cell::words(format!("{a} less {b}"))];
        for (figure, adjusted) in adjusted.iter().enumerate() {
            cells.push(Cell::difference(Some(pair.differences[figure]), 4));
            cells.push(Cell::number(Some(pair.tests[figure].statistic), 3));
            cells.push(p(Some(pair.tests[figure].p_value)));
            cells.push(p(Some(adjusted[i])));
        }
        cells.push(Cell::words(format!("{} and {}", pair.images[0], pair.images[1])));
        Row { strong: false, cells }
    };
    let columns = [
        "Runs",
        "Difference in SRCC",
        "Fisher's z, SRCC",
        "p, SRCC",
        "p, Holm (SRCC)",
        "Difference in PLCC",
        "Fisher's z, PLCC",
        "p, PLCC",
        "p, Holm (PLCC)",
        "Images",
    ];
    let mut section = Section::new("between-sets", "The same model on different sets");
    section.blocks.push(Block::Table(Table {
        id: "between-sets-differences".to_owned(),
        caption: "Fisher's z for independent samples. Sets differ in range and raters: a lower \
                  figure is not a worse model. Images of one content are not independent, which \
                  makes p too small."
            .to_owned(),
        columns: columns.map(str::to_owned).into(),
        rows: pairs.iter().enumerate().map(row).collect(),
        folded: false,
    }));
    Some(section)
}

struct Pair {
    runs: [usize; 2],
    /// SRCC and PLCC.
    differences: [f64; 2],
    tests: [Test; 2],
    images: [usize; 2],
}

fn pair(both: [&Findings; 2], runs: [usize; 2]) -> Option<Pair> {
    let [a, b] = both.map(|findings| &findings.run.results);
    let same = a.subject.name == b.subject.name && a.subject.digest == b.subject.digest;
    if !same || a.dataset.key == b.dataset.key {
        return None;
    }
    let images = [a, b].map(|results| results.repeats[0].images);
    let test = |coefficient, r: [Option<f64>; 2]| {
        let r = [r[0]?, r[1]?];
        Some((r[0] - r[1], independent(coefficient, r, images)?))
    };
    let figures = [a, b].map(|results| &results.repeats[0].figures);
    let (srcc, z_srcc) = test(Coefficient::Spearman, figures.map(|f| f.srcc.value))?;
    let (plcc, z_plcc) = test(Coefficient::Pearson, figures.map(|f| f.plcc.value))?;
    Some(Pair { runs, differences: [srcc, plcc], tests: [z_srcc, z_plcc], images })
}
