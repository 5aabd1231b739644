//! Words that stand in several parts of a report.

use std::fmt::Write as _;

use super::document::Cell;
use super::plots::part;
use crate::datasets::FROM_LIST;
use crate::results::{Figure, Fit, Interval, Method, ProtocolName, Results};

/// Fewest groups for a clustered interval that is worth much.
const FEW_GROUPS: usize = 10;

/// The protocol with its switches, in words.
pub fn protocol(results: &Results) -> String {
    let protocol = &results.protocol;
    let mut text = match protocol.name {
        ProtocolName::Honest => "honest",
        ProtocolName::Published => "published",
        ProtocolName::Official if of_a_list(results) => "split of the list given as content",
        ProtocolName::Official => "official split",
        ProtocolName::Single => "one model, nothing trained",
        ProtocolName::Cross => "cross-dataset",
        ProtocolName::Small => "small sample",
    }
    .to_owned();
    if let Some(source) = &protocol.trained_on {
        let all = protocol.train_on.as_deref().map_or(String::new(), |part| format!(" ({part})"));
        let _ = write!(text, ", trained on {source}{all}");
    }
    if let Some(fraction) = protocol.fraction {
        let of = protocol.fraction_of.as_deref().unwrap_or("dataset");
        let _ = write!(text, ", {:.0} % of the {of}", 100.0 * fraction);
    }
    if let Some(on) = protocol.selected_on {
        let _ = write!(text, ", epoch chosen on the {}", part(on));
    }
    if let Some(by) = &protocol.select_by {
        let _ = write!(text, " by {}", by.to_uppercase());
    }
    for switch in &protocol.switches {
        let _ = write!(text, ", {switch}");
    }
    text
}

/// Whether the set's parts are those of somebody's list.
pub fn of_a_list(results: &Results) -> bool {
    results.dataset.warnings.iter().any(|note| note.contains(FROM_LIST))
}

/// A figure's cell with its interval below, or why there is none.
pub fn with_interval(cell: Cell, figure: Figure) -> Cell {
    match figure.interval {
        Some(interval) if interval.is_printed() => {
            cell.range(["low", "high"], [interval.low, interval.high], 4)
        }
        Some(interval) => {
            let share = 100.0 * interval.undefined as f64 / interval.rows.max(1) as f64;
            cell.note(format!("no interval: undefined on {share:.0} % of the resamples"))
        }
        None => cell,
    }
}

/// How intervals were made.
pub fn interval(interval: &Interval) -> String {
    let level = 100.0 * interval.level;
    let how = match interval.method {
        Method::Bca => "BCa bootstrap over images",
        Method::Percentile => "percentile bootstrap over images",
        Method::Fallback => "percentile bootstrap over images (BCa is undefined here)",
        Method::Clustered => "percentile bootstrap over contents",
    };
    let wide = if interval.method == Method::Clustered && interval.units < FEW_GROUPS {
        "; with so few contents it is wide and itself uncertain"
    } else {
        ""
    };
    format!("{level:.0} %, {how}, {} resamples of {} units{wide}", interval.rows, interval.units)
}

/// What a reader must know of a fit; nothing where all is well.
pub fn fit(name: &str, fit: &Fit, srcc: Option<f64>) -> Option<String> {
    let mut remarks = Vec::new();
    match fit.status {
        0 => {}
        1 => remarks.push("a straight line was fitted: too few different predictions"),
        _ => remarks.push("no curve was fitted: all predictions or all labels are equal"),
    }
    if fit.status == 0 && srcc.is_some_and(|v| v < 0.0) {
        remarks.push(
            "the predictions run against the labels (SRCC below 0) and the fit turns them round: \
             the fitted PLCC says nothing of agreement",
        );
    }
    if !fit.converged {
        remarks.push("the fit did not converge: its parameters are not determined by the data");
    }
    if !fit.monotone {
        remarks.push("the fitted curve turns: use the 4-parameter fit");
    }
    (!remarks.is_empty()).then(|| format!("{name}: {}.", remarks.join("; ")))
}

/// Decimals for values on a scale.
pub fn digits([low, high]: [f64; 2]) -> usize {
    match high - low {
        length if length > 50.0 => 2,
        length if length > 2.0 => 3,
        _ => 4,
    }
}

/// The beginning of a digest.
pub fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

/// A time in the largest unit that keeps two digits.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
