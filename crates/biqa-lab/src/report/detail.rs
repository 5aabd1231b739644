//! One run in full.

use super::curves;
use super::document::{Block, Cell, Row, Section, Table};
use super::findings::{FEWEST, Findings, Group};
use super::plots::{Strip, residuals, scatter, strip};
use super::summary::{last_values, values};
use super::thumbs::worst_and_best;
use super::words;
use crate::datasets::Direction;
use crate::results::{Figures, ProtocolName, Repeat, Results, SubjectKind};
use crate::stats::{quantile, summary};

/// The part of the report on a run. `pictures`: how many of the worst and of the best.
pub fn section(findings: &Findings, name: &str, number: usize, pictures: usize) -> Section {
    let id = format!("run-{number}");
    let results = &findings.run.results;
    let mut section = Section::new(&id, format!("{name} on {}", results.dataset.name));
    section.blocks.push(Block::Facts(facts(findings)));
    for warning in warnings(findings) {
        section.warn(warning);
    }
    let one = results.repeats.len() == 1;
    let seeds = results.are_seeds();
    section.head(match (one, seeds) {
        (true, _) => "Figures",
        (_, true) => "Every training seed",
        _ => "Every split",
    });
    section.blocks.push(Block::Table(splits(results, &id)));
    if !one {
        section.blocks.push(Block::Table(over(results, &id)));
        let caption =
            if seeds { "Every training seed; bar: median." } else { "Every split; bar: median." };
        let rows = [
            row("SRCC", results, |f| f.srcc.value),
            row("PLCC, raw", results, |f| f.plcc.value),
            row("PLCC, fitted", results, |f| f.logistic4.as_ref()?.plcc),
        ];
        section.blocks.push(Block::Plot(strip(&rows, caption, &format!("{id}-splits-plot"))));
    }
    section.head("Predictions and residuals");
    section.blocks.push(Block::Plot(scatter(findings, &format!("{id}-scatter"))));
    let grouped = [
        ("kind of distortion", "kinds", findings.kinds()),
        ("level of distortion", "levels", findings.levels()),
        ("label", "labels", findings.fifths()),
    ];
    for (by, key, groups) in grouped.iter().filter(|(_, _, groups)| !groups.is_empty()) {
        let plot = residuals(groups, by, &format!("{id}-{key}-plot"));
        section.blocks.push(Block::Plot(plot));
    }
    for (by, key, groups) in grouped.iter().filter(|(_, _, groups)| !groups.is_empty()) {
        let table = by_group(findings, groups, by, format!("{id}-{key}"), *key == "kinds");
        section.blocks.push(Block::Table(table));
    }
    let (plots, notes) = curves::plots(findings.run, &format!("{id}-curve"));
    if !plots.is_empty() || !notes.is_empty() {
        section.head("Training");
        for note in notes {
            section.warn(note);
        }
        section.blocks.extend(plots.into_iter().map(Block::Plot));
        section.blocks.extend(epochs(results, &id).map(Block::Table));
    }
    if pictures > 0 {
        let [worst, best] = worst_and_best(findings, pictures, &id);
        section.head("Worst predictions");
        section.blocks.push(Block::Pictures(worst));
        section.head("Best predictions");
        section.blocks.push(Block::Pictures(best));
    }
    section
}

fn facts(findings: &Findings) -> Vec<(String, String)> {
    let results = &findings.run.results;
    let (dataset, subject, protocol) = (&results.dataset, &results.subject, &results.protocol);
    let way = match dataset.direction {
        Direction::Mos => "higher is better",
        Direction::Dmos => "lower is better; turned round for correlations",
    };
    let [low, high] = dataset.range;
    let mut facts = vec![
        (
            "Set",
            format!(
                "{} ({}), {} images of {} contents",
                dataset.name, dataset.key, dataset.images, dataset.contents
            ),
        ),
        ("Labels", format!("{}, {low} to {high}, {way}", dataset.label_form)),
        ("Digest of the labels", dataset.digest.clone()),
        (
            match subject.kind {
                SubjectKind::Model => "Model",
                SubjectKind::Recipe => "Recipe",
                SubjectKind::Scores => "List of scores",
            },
            subject.name.clone(),
        ),
    ];
    let digests =
        [("Its digest", &subject.digest), ("Digest of the recipe", &subject.recipe_digest)];
    facts.extend(digests.into_iter().filter_map(|(name, d)| Some((name, d.clone()?))));
    facts.push(("Protocol", words::protocol(results)));
    let listed = protocol.name == ProtocolName::Official && words::of_a_list(results);
    let split = if listed { "of the list given as content" } else { &protocol.split };
    facts.push(("Split", format!("{split}, seed {}", protocol.seed)));
    if let Some(interval) = findings.shown().figures.srcc.interval {
        facts.push(("Intervals", words::interval(&interval)));
    }
    facts.push(("Made by", format!("biqa {}", results.biqa)));
    facts.into_iter().map(|(name, what)| (name.to_owned(), what)).collect()
}

fn warnings(findings: &Findings) -> Vec<String> {
    let results = &findings.run.results;
    let mut all: Vec<String> =
        results.dataset.warnings.iter().chain(&results.notes).cloned().collect();
    all.extend(findings.disagreements.iter().cloned());
    for repeat in &results.repeats {
        let figures = &repeat.figures;
        let split = if results.repeats.len() > 1 {
            let (unit, number) = results.name_of(repeat);
            format!("{unit} {number}, ")
        } else {
            String::new()
        };
        let fits =
            [("4-parameter fit", &figures.logistic4), ("5-parameter fit", &figures.logistic5)];
        for (name, fit) in fits {
            let fit = fit.as_ref();
            all.extend(
                fit.and_then(|f| words::fit(&format!("{split}{name}"), f, figures.srcc.value)),
            );
        }
    }
    all
}

fn splits(results: &Results, id: &str) -> Table {
    let digits = words::digits(results.dataset.range);
    let has = |of: fn(&Repeat) -> bool| results.repeats.iter().any(of);
    let five = has(|r| r.figures.logistic5.is_some());
    let mae = has(|r| r.figures.mae.is_some());
    let kept = has(|r| r.kept.is_some());
    let time = has(|r| r.seconds.is_some());
    let lists = has(|r| r.lists_digest.is_some());
    let last = has(|r| r.last.is_some());
    let row = |repeat: &Repeat| {
        let f = &repeat.figures;
        let mut cells = vec![Cell::count(results.name_of(repeat).1 as usize)];
        if kept {
            cells.push(repeat.kept.map_or(Cell::default(), |kept| {
                let cell = Cell::count(kept.epoch).note(format!("of {}", kept.of));
                Cell { numbers: vec![("", kept.epoch as f64), ("of", kept.of as f64)], ..cell }
            }));
        }
        cells.push(words::with_interval(Cell::number(f.srcc.value, 4), f.srcc));
        if last {
            cells.push(Cell::number(repeat.last.as_ref().and_then(|l| l.srcc.value), 4));
        }
        cells.push(words::with_interval(Cell::number(f.plcc.value, 4), f.plcc));
        cells.push(Cell::number(f.krcc, 4));
        for fit in [Some(&f.logistic4), Some(&f.logistic5).filter(|_| five)].into_iter().flatten() {
            // Without a fit nothing was asked; with one, its PLCC may be undefined.
            let fit = fit.as_ref();
            cells.push(fit.map_or(Cell::default(), |fit| Cell::number(fit.plcc, 4)));
            cells.push(fit.map_or(Cell::default(), |fit| Cell::number(Some(fit.rmse), digits)));
        }
        if mae {
            cells.push(Cell::number(f.mae, digits));
        }
        cells.push(Cell::count(repeat.images));
        cells.push(Cell::count(repeat.groups));
        cells.push(repeat.crops.map_or(Cell::default(), Cell::count));
        let undefined = f.srcc.interval.map(|i| i.undefined);
        cells.push(undefined.map_or(Cell::default(), Cell::count));
        if time {
            cells.push(repeat.seconds.map_or(Cell::default(), |s| Cell {
                text: words::time(s),
                note: String::new(),
                numbers: vec![("", s)],
            }));
        }
        if lists {
            cells.push(Cell::words(words::short(repeat.lists_digest.as_deref().unwrap_or(""))));
        }
        Row { cells, strong: false }
    };
    let columns = [
        (unit(results), true),
        ("Epoch kept", kept),
        ("SRCC", true),
        ("SRCC, last epoch", last),
        ("PLCC, raw", true),
        ("KRCC", true),
        ("PLCC, fitted", true),
        ("RMSE after fit", true),
        ("PLCC, 5 parameters", five),
        ("RMSE, 5 parameters", five),
        ("MAE", mae),
        ("Images", true),
        ("Contents", true),
        ("Looks an image", true),
        ("Undefined resamples", true),
        ("Time", time),
        ("Lists", lists),
    ];
    Table {
        id: format!("{id}-splits"),
        caption: "What was measured; below SRCC and PLCC: their 95 % intervals.".to_owned(),
        columns: columns.iter().filter(|(_, is)| *is).map(|(name, _)| (*name).to_owned()).collect(),
        rows: results.repeats.iter().map(row).collect(),
        folded: false,
    }
}

/// The heading of the column of [`Results::name_of`].
fn unit(results: &Results) -> &'static str {
    match results.repeats.first().map_or("split", |repeat| results.name_of(repeat).0) {
        "seed" => "Seed",
        "repeat" => "Repeat",
        _ => "Split",
    }
}

fn over(results: &Results, id: &str) -> Table {
    type Of = fn(&Figures) -> Option<f64>;
    let statistics: [(&str, Of); 5] = [
        ("SRCC", |f| f.srcc.value),
        ("PLCC, raw", |f| f.plcc.value),
        ("PLCC, fitted", |f| f.logistic4.as_ref()?.plcc),
        ("KRCC", |f| f.krcc),
        ("RMSE after fit", |f| Some(f.logistic4.as_ref()?.rmse)),
    ];
    let row = |name: String, values: &[f64]| {
        let s = summary(values).ok()?;
        let numbers = [s.median, s.mean, s.std, s.min, s.quartiles[0], s.quartiles[1], s.max];
        let mut cells = vec![Cell::words(name)];
        cells.extend(numbers.map(|v| Cell::number(Some(v), 4)));
        cells.push(Cell::count(values.len()));
        Some(Row { cells, strong: false })
    };
    let kept = statistics.iter().filter_map(|(name, of)| {
        let values = values(&results.repeats, of);
        row((*name).to_owned(), &values)
    });
    let last = statistics.iter().filter_map(|(name, of)| {
        let values = last_values(&results.repeats, of);
        row(format!("{name}, last epoch"), &values)
    });
    let (unit, caption) = if results.are_seeds() {
        let caption = "Over the training seeds, each figure by itself: what training alone differs \
                       by, on the same images.";
        ("Seeds", caption)
    } else {
        let caption = "Over the splits, each figure by itself. The splits overlap: their spread is \
                       no interval.";
        ("Splits", caption)
    };
    let columns =
        ["Figure", "Median", "Mean", "Std", "Min", "Quartile 1", "Quartile 3", "Max", unit];
    Table {
        id: format!("{id}-over-splits"),
        caption: caption.to_owned(),
        columns: columns.map(str::to_owned).into(),
        rows: kept.chain(last).collect(),
        folded: false,
    }
}

fn row(name: &str, results: &Results, of: fn(&Figures) -> Option<f64>) -> Strip {
    let values = values(&results.repeats, of);
    let mark = summary(&values).ok().map(|s| s.median);
    let last = last_values(&results.repeats, of);
    Strip { name: name.to_owned(), values, last, mark, interval: None }
}

fn by_group(findings: &Findings, groups: &[Group], by: &str, id: String, levels: bool) -> Table {
    let digits = words::digits(findings.run.results.dataset.range);
    let most =
        if levels { findings.points.iter().filter_map(|p| p.image.level).max() } else { None };
    let levels: Vec<u32> = (1..=most.unwrap_or(0).min(9)).collect();
    let row = |group: &Group| {
        let sorted = group.residuals();
        let srccs = group.srccs();
        let at = |q| Cell::number(quantile(&sorted, q), digits);
        let srcc = summary(&srccs).ok().map(|s| s.median);
        let mut cells = vec![Cell::words(&group.name), Cell::count(group.points.len())];
        cells.push(match srcc {
            Some(_) => Cell::number(srcc, 4),
            None => Cell::words(format!("undefined (below {FEWEST}, or equal)")),
        });
        cells.extend([at(0.5), at(0.25), at(0.75)]);
        for level in &levels {
            let mut at_level: Vec<f64> = group
                .points
                .iter()
                .filter(|p| p.image.level == Some(*level))
                .map(|p| p.residual())
                .collect();
            at_level.sort_unstable_by(f64::total_cmp);
            let median = quantile(&at_level, 0.5);
            cells.push(median.map_or(Cell::default(), |v| Cell::number(Some(v), digits)));
        }
        Row { cells, strong: false }
    };
    let mut columns: Vec<String> =
        ["Group", "Images", "SRCC within", "Median residual", "Its quartile 1", "Its quartile 3"]
            .map(str::to_owned)
            .into();
    columns.extend(levels.iter().map(|level| format!("Median at level {level}")));
    let unit = if findings.run.results.are_seeds() { "training seeds" } else { "splits" };
    Table {
        id,
        caption: format!(
            "By {by}. Residual: fitted prediction less label, as quality; images of all {unit}. \
             SRCC within the group: the median over the {unit} in which it has at least {FEWEST} \
             images."
        ),
        columns,
        rows: groups.iter().map(row).collect(),
        folded: false,
    }
}

fn epochs(results: &Results, id: &str) -> Option<Table> {
    let mut rows = Vec::new();
    for repeat in &results.repeats {
        for (i, epoch) in repeat.epochs.iter().enumerate() {
            let figure = |v: Option<f64>| v.map_or(Cell::default(), |v| Cell::number(Some(v), 4));
            rows.push(Row {
                strong: false,
                cells: vec![
                    Cell::count(results.name_of(repeat).1 as usize),
                    Cell::count(i + 1),
                    Cell::count(epoch.step as usize),
                    figure(epoch.loss),
                    figure(epoch.val_srcc),
                    figure(epoch.val_plcc),
                    figure(epoch.test_srcc),
                    figure(epoch.test_plcc),
                ],
            });
        }
    }
    let columns = [
        unit(results),
        "Epoch",
        "Step",
        "Loss",
        "SRCC, val",
        "PLCC, val",
        "SRCC, test",
        "PLCC, test",
    ];
    (!rows.is_empty()).then(|| Table {
        id: format!("{id}-epochs"),
        caption: "Every epoch in numbers".to_owned(),
        columns: columns.map(str::to_owned).into(),
        rows,
        folded: true,
    })
}
