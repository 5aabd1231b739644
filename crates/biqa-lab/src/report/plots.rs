//! The plots of a run. Every one can be drawn of nothing, of one image and of equal values.

use super::document::Plot;
use super::findings::{Findings, Group};
use super::svg::{Axis, Canvas};
use crate::datasets::Direction;
use crate::results::Part;
use crate::stats::{Status, logistic4, quantile};

/// More images than this are counted in squares: dots would hide each other.
const MOST_DOTS: usize = 1500;
/// Side of a square, in units of the plot.
const SQUARE: f64 = 5.0;
/// Classes of squares from few images to many.
const DENSITY: [&str; 5] = ["d1", "d2", "d3", "d4", "d5"];

/// Prediction against label, with the fitted curve.
pub fn scatter(findings: &Findings, id: &str) -> Plot {
    let dataset = &findings.run.results.dataset;
    let points: Vec<[f64; 2]> =
        findings.shown_points().map(|p| [p.image.prediction, p.quality]).collect();
    let x = Axis::around("prediction", points.iter().map(|p| p[0]), 6);
    let turned = dataset.direction == Direction::Dmos;
    let way = if turned { "better upwards" } else { "higher is better" };
    // A long form stands in the caption alone: beside the axis it would be cut.
    let short = dataset.label_form.chars().count() <= 20;
    let form = if short { dataset.label_form.as_str() } else { "label" };
    let label = format!("{form} ({way})");
    let y = Axis::around(label, points.iter().map(|p| p[1]), 6).turned(turned);
    let mut canvas = Canvas::new(x.clone(), y, 440.0);
    let dense = points.len() > MOST_DOTS;
    if dense {
        squares(&mut canvas, &points);
        canvas.legend("d3", "images; stronger: more");
    } else {
        for [px, py] in &points {
            canvas.dot(canvas.x(*px), canvas.y(*py), 3.0, "dot");
        }
        canvas.legend("dot", "an image");
    }
    let fit = findings.fit.as_ref().filter(|fit| fit.status == Status::Curve);
    if let Some(beta) = fit.and_then(|fit| <[f64; 4]>::try_from(fit.beta.as_slice()).ok()) {
        let ends = points.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], p| {
            [low.min(p[0]), high.max(p[0])]
        });
        let at = |i: u32| ends[0] + (ends[1] - ends[0]) * f64::from(i) / 100.0;
        let curve: Vec<[f64; 2]> =
            (0..=100).map(at).map(|v| [canvas.x(v), canvas.y(logistic4(v, beta))]).collect();
        canvas.line(&curve, "line2");
        canvas.legend("line2", "4-parameter fit");
    }
    let which = which(findings);
    let title = format!("Prediction against label, {} images", points.len());
    let caption = format!(
        "Prediction against {}{which}: {} images{}.",
        dataset.label_form,
        points.len(),
        if fit.is_some() {
            ", with the 4-parameter logistic curve fitted to them"
        } else {
            "; no curve was fitted: too few different predictions, or all labels are equal"
        }
    );
    Plot { svg: canvas.finish(id, &title, &caption), caption }
}

/// Words for the repeat that is shown where there are several.
fn which(findings: &Findings) -> String {
    match findings.run.results.repeats.len() {
        0 | 1 => String::new(),
        n => {
            let (unit, number) = findings.run.results.name_of(findings.shown());
            format!(" of {unit} {number}, the one with the median SRCC of {n}")
        }
    }
}

/// Counts of images in squares; the classes go by the logarithm of the count.
fn squares(canvas: &mut Canvas, points: &[[f64; 2]]) {
    let mut counts = std::collections::BTreeMap::<(i64, i64), usize>::new();
    for [x, y] in points {
        let place = |v: f64| (v / SQUARE).floor() as i64;
        *counts.entry((place(canvas.x(*x)), place(canvas.y(*y)))).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(1) as f64;
    let class = |count: usize| {
        let share = (1.0 + count as f64).ln() / (1.0 + most).ln();
        ((share * 5.0).ceil() as usize).clamp(1, 5) - 1
    };
    for (i, name) in DENSITY.iter().enumerate() {
        let corners: Vec<[f64; 2]> = counts
            .iter()
            .filter(|(_, count)| class(**count) == i)
            .map(|((x, y), _)| [*x as f64 * SQUARE, *y as f64 * SQUARE])
            .collect();
        canvas.squares(&corners, SQUARE, name);
    }
}

/// Residuals in boxes, a row a group.
pub fn residuals(groups: &[Group], by: &str, id: &str) -> Plot {
    let sorted: Vec<Vec<f64>> = groups.iter().map(Group::residuals).collect();
    let ends = sorted.iter().flat_map(|r| [quantile(r, 0.05), quantile(r, 0.95)]).flatten();
    let few = sorted.iter().filter(|r| r.len() < BOX).flatten().copied();
    let x = Axis::around(
        "fitted prediction \u{2212} label, as quality",
        ends.chain(few).chain([0.0]),
        6,
    );
    let names: Vec<String> = groups.iter().map(|g| g.name.clone()).collect();
    let mut canvas = Canvas::rows(x, &names, 26.0);
    let zero = canvas.x(0.0);
    for (i, residuals) in sorted.iter().enumerate() {
        let y = canvas.row(i, groups.len());
        if residuals.len() < BOX {
            for residual in residuals {
                canvas.dot(canvas.x(*residual), y, 3.5, "dot");
            }
            continue;
        }
        let at = |q| quantile(residuals, q).map_or(zero, |v| canvas.x(v));
        let [low, first, middle, third, high] = [0.05, 0.25, 0.5, 0.75, 0.95].map(at);
        canvas.line(&[[low, y], [high, y]], "linethin");
        canvas.rect([first, third], [y - 7.0, y + 7.0], "box");
        canvas.line(&[[middle, y - 9.0], [middle, y + 9.0]], "linemid");
    }
    let rows = groups.len().max(1);
    canvas.line(
        &[[zero, canvas.row(0, rows) - 13.0], [zero, canvas.row(rows - 1, rows) + 13.0]],
        "linezero",
    );
    canvas.legend("linemid", "median");
    canvas.legend("box", "middle half");
    canvas.legend("linethin", "5 to 95 %");
    let caption = format!(
        "Residuals by {by}: right of zero the prediction is too good, left of it too bad. Box: the \
         middle half; bar: median; line: 5 to 95 %; groups below {BOX} images as dots."
    );
    let title = format!("Residuals by {by}");
    Plot { svg: canvas.finish(id, &title, &caption), caption }
}

/// Fewest images for a box.
const BOX: usize = 5;

/// A row of [`strip`].
#[derive(Clone, Debug, Default)]
pub struct Strip {
    /// Its name.
    pub name: String,
    /// One value a split.
    pub values: Vec<f64>,
    /// The same with the last epoch.
    pub last: Vec<f64>,
    /// What is marked: the median.
    pub mark: Option<f64>,
    /// The interval of a single value.
    pub interval: Option<[f64; 2]>,
}

/// One dot a split.
pub fn strip(rows: &[Strip], caption: &str, id: &str) -> Plot {
    let all = rows.iter().flat_map(|r| {
        let ends = r.interval.into_iter().flatten();
        r.values.iter().chain(&r.last).copied().chain(r.mark).chain(ends)
    });
    let x = Axis::around("correlation", all, 6);
    let names: Vec<String> = rows.iter().map(|r| r.name.clone()).collect();
    let twins = rows.iter().any(|r| !r.last.is_empty());
    let mut canvas = Canvas::rows(x, &names, if twins { 40.0 } else { 30.0 });
    for (i, row) in rows.iter().enumerate() {
        let y = canvas.row(i, rows.len());
        let shift = if twins { 8.0 } else { 0.0 };
        if let Some([low, high]) = row.interval {
            canvas.line(&[[canvas.x(low), y - shift], [canvas.x(high), y - shift]], "linethin");
        }
        for value in &row.last {
            canvas.dot(canvas.x(*value), y + shift, 4.5, "ring");
        }
        for value in &row.values {
            canvas.dot(canvas.x(*value), y - shift, 4.5, "dot");
        }
        if let Some(mark) = row.mark {
            let x = canvas.x(mark);
            canvas.line(&[[x, y - shift - 10.0], [x, y - shift + 10.0]], "linemid");
        }
    }
    canvas.legend("dot", "a repeat");
    if rows.iter().any(|r| r.interval.is_some()) {
        canvas.legend("linethin", "95 % interval");
    }
    if twins {
        canvas.legend("ring", "its last epoch");
    }
    if rows.iter().any(|r| r.mark.is_some()) {
        canvas.legend("linemid", "median");
    }
    Plot { svg: canvas.finish(id, "Values of every repeat", caption), caption: caption.to_owned() }
}

/// A named line of [`lines`].
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// What it is; lines of one name and class stand in the legend once.
    pub name: &'static str,
    /// Its class.
    pub class: &'static str,
    /// Its places.
    pub points: Vec<[f64; 2]>,
    /// A place on it that is marked: the epoch kept.
    pub mark: Option<[f64; 2]>,
}

/// Values over the steps of a training.
pub fn lines(lines: &[Line], label: &str, caption: &str, id: &str) -> Plot {
    let points = || lines.iter().flat_map(|line| &line.points);
    let x = Axis::around("step", points().map(|p| p[0]).chain([0.0]), 5);
    let y = Axis::around(label, points().map(|p| p[1]), 5);
    let mut canvas = Canvas::new(x, y, 340.0);
    let mut named: Vec<&str> = Vec::new();
    for line in lines {
        let places: Vec<[f64; 2]> =
            line.points.iter().map(|[x, y]| [canvas.x(*x), canvas.y(*y)]).collect();
        if let [[x, y]] = places[..] {
            canvas.dot(x, y, 3.5, "dot");
        }
        canvas.line(&places, line.class);
        if !named.contains(&line.name) && !places.is_empty() {
            named.push(line.name);
            canvas.legend(line.class, line.name);
        }
    }
    for [x, y] in lines.iter().filter_map(|line| line.mark) {
        canvas.dot(canvas.x(x), canvas.y(y), 5.0, "mark");
    }
    if lines.iter().any(|line| line.mark.is_some()) {
        canvas.legend("mark", "epoch kept");
    }
    Plot { svg: canvas.finish(id, label, caption), caption: caption.to_owned() }
}

/// The word for a part.
pub fn part(part: Part) -> &'static str {
    match part {
        Part::Train => "train part",
        Part::Val => "validation part",
        Part::Test => "test part",
        Part::All => "whole set",
    }
}
