//! Measured beside reported: one table a set and kind of protocol.

use super::document::{Block, Cell, Row, Section, Table};
use super::findings::Findings;
use super::plots::{Strip, part, strip};
use super::words;
use crate::published::{self, Kind, Published};
use crate::results::{Figure, Figures, Interval, Part, ProtocolName, Repeat, Results};
use crate::stats::summary;

/// Runs whose figures may stand in one table: positions.
#[derive(Clone, Debug)]
pub struct Together {
    /// The set's key.
    pub dataset: String,
    /// What kind of figure.
    pub kind: Kind,
    /// Positions of the runs.
    pub runs: Vec<usize>,
}

/// What kind of figures a run gives.
pub fn kind(results: &Results) -> Kind {
    let protocol = &results.protocol;
    match (protocol.name, &protocol.trained_on, protocol.fraction) {
        (ProtocolName::Cross, Some(source), _) => Kind::Cross(source.clone()),
        (ProtocolName::Small, _, Some(fraction)) => Kind::Small(fraction),
        (ProtocolName::Single, ..) if protocol.part != Part::Test => Kind::Shipped,
        _ => Kind::InDomain,
    }
}

/// Runs by set and kind, in the order in which they are given.
pub fn together(all: &[Findings]) -> Vec<Together> {
    let mut groups: Vec<Together> = Vec::new();
    for (i, findings) in all.iter().enumerate() {
        let results = &findings.run.results;
        let (dataset, kind) = (&results.dataset.key, kind(results));
        // Two lists of somebody's own share a key, not their pictures.
        let same_set = |g: &Together| {
            let digest = &all[g.runs[0]].run.results.dataset.digest;
            g.dataset == *dataset && (dataset != "csv" || *digest == results.dataset.digest)
        };
        match groups.iter_mut().find(|g| same_set(g) && g.kind == kind) {
            Some(group) => group.runs.push(i),
            None => groups.push(Together { dataset: dataset.clone(), kind, runs: vec![i] }),
        }
    }
    groups
}

/// The part of the report on such runs; `names` are those of all runs.
pub fn section(all: &[Findings], names: &[String], group: &Together, number: usize) -> Section {
    let first = &all[group.runs[0]].run.results;
    let title = match &group.kind {
        Kind::Cross(source) => format!("{}, trained on {source}", first.dataset.name),
        Kind::Small(fraction) => {
            format!("{}, {} % of the labels", first.dataset.name, percent(*fraction))
        }
        _ => first.dataset.name.clone(),
    };
    let mut section =
        Section::new(format!("set-{number}"), format!("{title}: measured and reported"));
    let chosen_on_test =
        group.runs.iter().any(|&i| all[i].run.results.protocol.selected_on == Some(Part::Test));
    if chosen_on_test {
        section.warn(
            "In rows that say \u{201c}epoch chosen on the test part\u{201d} the epoch is the one \
             that does best on the images measured. This raises the figure; the row of the last epoch \
             shows by how much.",
        );
    }
    let subset = group.runs.iter().any(|&i| all[i].run.results.dataset.subset);
    if subset {
        section.warn(format!(
            "A part of {} only (the notes say why): a subset is never compared with published figures.",
            first.dataset.name
        ));
    }
    let rows: Vec<&Published> =
        if subset { Vec::new() } else { published::of(&group.dataset, &group.kind) };
    section.blocks.push(Block::Table(table(all, names, group, &rows, number)));
    if rows.is_empty() && !subset {
        section.say(format!("No published figures of this kind are known for {title}."));
    } else if !rows.is_empty() {
        section.say(
            "Published figures of different papers differ in split, number of crops, summary \
             (median or mean), choice of epoch and form of PLCC: a difference within the spread \
             over repeats says nothing.",
        );
    }
    let strips: Vec<Strip> = group.runs.iter().filter_map(|&i| row_of(all, names, i)).collect();
    if strips.len() > 1 {
        let caption =
            "SRCC of every run: of each of its repeats, or of its one part with the interval.";
        section.blocks.push(Block::Plot(strip(&strips, caption, &format!("set-{number}-splits"))));
    }
    if !subset {
        section.blocks.extend(others(group, number).map(Block::Table));
    }
    section
}

fn row_of(all: &[Findings], names: &[String], i: usize) -> Option<Strip> {
    let repeats = &all[i].run.results.repeats;
    let values: Vec<f64> = values(repeats, |f| f.srcc.value);
    let mark = summary(&values).ok().map(|s| s.median).filter(|_| repeats.len() > 1);
    let interval = match &repeats[..] {
        [repeat] => repeat.figures.srcc.interval.filter(Interval::is_printed),
        _ => None,
    };
    let interval = interval.map(|i| [i.low, i.high]);
    let name = names[i].clone();
    (!values.is_empty()).then(|| Strip { name, values, last: Vec::new(), mark, interval })
}

const COLUMNS: [&str; 9] = [
    "Method",
    "SRCC",
    "PLCC, raw",
    "PLCC, fitted",
    "KRCC",
    "RMSE after fit",
    "Difference in SRCC",
    "Difference in PLCC",
    "Protocol and source",
];

fn table(
    all: &[Findings],
    names: &[String],
    group: &Together,
    published: &[&Published],
    number: usize,
) -> Table {
    let mut rows = Vec::new();
    for &i in &group.runs {
        let results = &all[i].run.results;
        rows.push(measured(results, &names[i], false));
        if results.repeats.iter().all(|r| r.last.is_some()) {
            rows.push(measured(results, &names[i], true));
        }
    }
    let main = &all[group.runs[0]].run.results;
    let [srcc, plcc] = [|f: &Figures| f.srcc.value, |f: &Figures| f.plcc.value]
        .map(|of: fn(&Figures) -> Option<f64>| over(main, &values(&main.repeats, of)));
    let is_same = |row: &Published| same_method(&main.subject.name, &row.method);
    let (same, different): (Vec<&Published>, Vec<&Published>) =
        published.iter().copied().partition(|row| is_same(row));
    for row in same.into_iter().chain(different) {
        rows.push(reported(row, srcc, plcc, is_same(row)));
    }
    let mut caption =
        "Measured here (shaded) and reported elsewhere. Below a measured figure of one \
                       repeat: its 95 % bootstrap interval; of several repeats: the lowest and the \
                       highest."
            .to_owned();
    if !published.is_empty() {
        let first = &names[group.runs[0]];
        caption.push_str(" Differences: ");
        caption.push_str(first);
        caption.push_str(" less the reported figure.");
    }
    Table {
        id: format!("set-{number}-results"),
        caption,
        columns: COLUMNS.map(str::to_owned).into(),
        rows,
        folded: false,
    }
    .without_empty_columns()
}

/// The values over repeats that are defined.
pub fn values(repeats: &[Repeat], of: impl Fn(&Figures) -> Option<f64>) -> Vec<f64> {
    repeats.iter().filter_map(|repeat| of(&repeat.figures)).collect()
}

/// The same with the last epoch.
pub fn last_values(repeats: &[Repeat], of: impl Fn(&Figures) -> Option<f64>) -> Vec<f64> {
    repeats.iter().filter_map(|repeat| of(repeat.last.as_ref()?)).collect()
}

/// The summary that stands in tables; undefined where any repeat is.
fn over(results: &Results, values: &[f64]) -> Option<f64> {
    let all = values.len() == results.repeats.len();
    let summary = summary(values).ok().filter(|_| all)?;
    Some(if results.protocol.summary == "mean" { summary.mean } else { summary.median })
}

fn measured(results: &Results, name: &str, last: bool) -> Row {
    let values = |of: fn(&Figures) -> Option<f64>| {
        if last { last_values(&results.repeats, of) } else { values(&results.repeats, of) }
    };
    let only = match &results.repeats[..] {
        [repeat] => Some(if last { repeat.last.as_ref() } else { Some(&repeat.figures) }).flatten(),
        _ => None,
    };
    let cell = |of: fn(&Figures) -> Option<f64>, figure: Option<fn(&Figures) -> Figure>, digits| {
        let values = values(of);
        let cell = Cell::number(over(results, &values), digits);
        match (only, figure) {
            (Some(figures), Some(figure)) => words::with_interval(cell, figure(figures)),
            (None, _) if !values.is_empty() => {
                let ends = summary(&values).map_or([0.0; 2], |s| [s.min, s.max]);
                cell.range(["min", "max"], ends, digits)
            }
            _ => cell,
        }
    };
    let fitted = results.repeats.iter().any(|r| r.figures.logistic4.is_some());
    let fit = |cell: Cell| if fitted { cell } else { Cell::default() };
    let digits = words::digits(results.dataset.range);
    let (n, seeds) = (results.repeats.len(), results.are_seeds());
    let measured = results.repeats.iter().take(if seeds { 1 } else { n });
    let images: usize = measured.map(|r| r.images).sum();
    let on = format!("{}, {images} images", part(results.protocol.part));
    let on = match n {
        1 => on,
        _ if seeds => format!("{on}, {n} training seeds, {}", results.protocol.summary),
        _ => format!("{on} in {n} splits, {}", results.protocol.summary),
    };
    let name = if last { format!("{name}, last epoch") } else { name.to_owned() };
    let protocol = if last {
        "as above, but the last epoch of each training".to_owned()
    } else {
        words::protocol(results)
    };
    Row {
        strong: true,
        cells: vec![
            Cell::words(name),
            cell(|f| f.srcc.value, Some(|f| f.srcc), 4),
            cell(|f| f.plcc.value, Some(|f| f.plcc), 4),
            fit(cell(|f| f.logistic4.as_ref()?.plcc, None, 4)),
            cell(|f| f.krcc, None, 4),
            fit(cell(|f| Some(f.logistic4.as_ref()?.rmse), None, digits)),
            Cell::default(),
            Cell::default(),
            Cell::words(protocol).note(format!("measured here: {on}")),
        ],
    }
}

fn reported(row: &Published, srcc: Option<f64>, plcc: Option<f64>, same: bool) -> Row {
    let name = if row.venue_year.is_empty() {
        Cell::words(&row.method)
    } else {
        Cell::words(&row.method).note(&row.venue_year)
    };
    let figure = |value: Option<f64>| value.map_or(Cell::default(), |v| Cell::number(Some(v), 4));
    let less = |ours: Option<f64>, theirs: Option<f64>| {
        Cell::difference(ours.zip(theirs).map(|(a, b)| a - b), 4)
    };
    let source = if same {
        format!("the same method, reported: {}", row.source)
    } else {
        format!("reported: {}", row.source)
    };
    Row {
        strong: false,
        cells: vec![
            name,
            figure(row.srcc),
            figure(row.plcc),
            Cell::default(),
            Cell::default(),
            Cell::default(),
            less(srcc, row.srcc),
            less(plcc, row.plcc),
            Cell::words(&row.protocol).note(source),
        ],
    }
}

/// Published rows of the set under other kinds of protocol, to be opened.
fn others(group: &Together, number: usize) -> Option<Table> {
    let rows: Vec<Row> = published::all()
        .iter()
        .filter(|row| row.dataset == group.dataset && row.kind() != group.kind)
        .map(|row| {
            let figure = |v: Option<f64>| v.map_or(Cell::default(), |v| Cell::number(Some(v), 4));
            let texts = [&row.protocol, &row.source].map(Cell::words);
            let mut cells = vec![Cell::words(&row.method), figure(row.srcc), figure(row.plcc)];
            cells.extend(texts);
            Row { cells, strong: false }
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        id: format!("set-{number}-other-protocols"),
        caption: format!(
            "{} figures reported on this set under protocols of another kind: not to be compared",
            rows.len()
        ),
        columns: ["Method", "SRCC", "PLCC", "Protocol", "Source"].map(str::to_owned).into(),
        rows,
        folded: true,
    })
}

/// Whether a recipe's or model's name begins with the name of a published method:
/// `deiqt-livec` with `DEIQT`.
fn same_method(name: &str, method: &str) -> bool {
    let plain = |text: &str| {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.collect::<String>().to_ascii_lowercase()
    };
    let method = plain(method);
    method.len() >= 3 && plain(name).starts_with(&method)
}

fn percent(fraction: f64) -> String {
    let text = format!("{:.1}", 100.0 * fraction);
    text.trim_end_matches(".0").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipes_name_finds_its_method() {
        assert!(same_method("deiqt-livec", "DEIQT"));
        assert!(same_method("LoDa", "LoDa"));
        assert!(!same_method("lite", "LIQE"));
        assert!(!same_method("db", "DB"));
    }
}
