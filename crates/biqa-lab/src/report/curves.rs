//! Training curves: the loss from the logs of a run, validation from its results.

use std::fs;

use serde::Deserialize;

use super::document::Plot;
use super::plots::{Line, lines};
use crate::results::{Epoch, Repeat, Run};

/// Places on a curve of the loss: the mean of as many steps as it takes.
const PLACES: usize = 120;

/// A line of `log.jsonl`, as far as it is drawn.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Step {
    step: u64,
    loss: f64,
}

/// Curves of all repeats, and what could not be read.
pub fn plots(run: &Run, id: &str) -> (Vec<Plot>, Vec<String>) {
    let (mut losses, mut notes) = (Vec::new(), Vec::new());
    for repeat in &run.results.repeats {
        match log(run, repeat) {
            Ok(points) => losses.push(points),
            Err(note) => notes.push(note),
        }
    }
    let mut plots = Vec::new();
    if losses.iter().any(|points| !points.is_empty()) {
        let class = if losses.len() > 1 { "linemany" } else { "line" };
        let loss = |points| Line { name: "loss", class, points, mark: None };
        let drawn: Vec<Line> = losses.into_iter().map(loss).collect();
        let caption = "Training loss; every place is the mean over its steps, a line a repeat.";
        plots.push(self::lines(&drawn, "loss", caption, &format!("{id}-loss")));
    }
    let drawn: Vec<Line> = run.results.repeats.iter().flat_map(correlations).collect();
    if drawn.iter().any(|line| !line.points.is_empty()) {
        let caption = if run.results.protocol.selected_on == Some(crate::results::Part::Test) {
            "SRCC after every epoch. The epoch was chosen on the test part."
        } else {
            "SRCC after every epoch."
        };
        plots.push(self::lines(&drawn, "SRCC", caption, &format!("{id}-epochs")));
    }
    (plots, notes)
}

fn correlations(repeat: &Repeat) -> Vec<Line> {
    let kept = repeat.kept.and_then(|kept| repeat.epochs.get(kept.epoch.checked_sub(1)?));
    let line = |name, class, value: fn(&Epoch) -> Option<f64>| Line {
        name,
        class,
        points: repeat.epochs.iter().filter_map(|e| Some([e.step as f64, value(e)?])).collect(),
        mark: kept.and_then(|e| Some([e.step as f64, value(e)?])),
    };
    vec![line("validation", "line", |e| e.val_srcc), line("test", "linethin", |e| e.test_srcc)]
}

/// The loss over the steps: of the log, or of the epochs where there is none.
fn log(run: &Run, repeat: &Repeat) -> Result<Vec<[f64; 2]>, String> {
    let epochs = || repeat.epochs.iter().filter_map(|e| Some([e.step as f64, e.loss?])).collect();
    let Some(name) = &repeat.log else { return Ok(epochs()) };
    let path = run.folder.join(name);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            return Err(format!(
                "no curve of the loss of repeat {}: {}: {error}",
                repeat.index,
                path.display()
            ));
        }
    };
    let mut steps = Vec::new();
    for (i, line) in text.lines().enumerate() {
        match serde_json::from_str::<Step>(line) {
            Ok(Step { step, loss }) if loss.is_finite() => steps.push([step as f64, loss]),
            Ok(_) => {}
            Err(error) => {
                let (line, path) = (i + 1, path.display());
                return Err(format!("no curve of the loss: {path}, line {line}: {error}"));
            }
        }
    }
    Ok(thinned(&steps))
}

/// Losses by step as few enough places for a curve: each is the mean over its steps.
pub(crate) fn thinned(steps: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let chunk = steps.len().div_ceil(PLACES).max(1);
    let place = |steps: &[[f64; 2]]| {
        let loss = steps.iter().map(|[_, loss]| loss).sum::<f64>() / steps.len() as f64;
        [steps[steps.len() - 1][0], loss]
    };
    steps.chunks(chunk).map(place).collect()
}
