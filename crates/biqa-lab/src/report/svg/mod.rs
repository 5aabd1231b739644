//! Plots as SVG text: a frame with two axes, and what is drawn in it.
//!
//! Colours are classes of the page's style sheet, so that one picture is right in light, in dark and
//! on paper. A plot has a title and a description for those who don't see it.

mod axis;

pub use axis::Axis;

use std::fmt::Write as _;

/// Width of every plot in its own units; the page scales it.
const WIDTH: f64 = 480.0;
/// Room above the frame: a line of the legend.
const TOP: f64 = 30.0;
const RIGHT: f64 = 22.0;
/// Room below: numbers and label.
const BOTTOM: f64 = 52.0;
/// Width of a letter, about, at the plots' size of type.
const LETTER: f64 = 7.6;

/// A plot under construction.
#[derive(Clone, Debug)]
pub struct Canvas {
    x: Axis,
    y: Option<Axis>,
    left: f64,
    height: f64,
    body: String,
    legend: Vec<(&'static str, String)>,
}

impl Canvas {
    /// A frame with numbers on both axes.
    pub fn new(x: Axis, y: Axis, height: f64) -> Self {
        let widest = y.ticks.iter().map(|&t| y.text(t).chars().count()).max().unwrap_or(1);
        let left = 34.0 + LETTER * widest as f64;
        Self { x, y: Some(y), left, height, body: String::new(), legend: Vec::new() }
    }

    /// A frame whose rows have names in place of numbers.
    pub fn rows(x: Axis, names: &[String], row_height: f64) -> Self {
        let widest = names.iter().map(|n| n.chars().count().min(ROW_LETTERS)).max().unwrap_or(1);
        let height = TOP + BOTTOM + row_height * names.len().max(1) as f64;
        let left = 14.0 + LETTER * widest as f64;
        let mut canvas = Self { x, y: None, left, height, body: String::new(), legend: Vec::new() };
        for (i, name) in names.iter().enumerate() {
            let y = canvas.row(i, names.len());
            let mut shown: String = name.chars().take(ROW_LETTERS).collect();
            if name.chars().count() > ROW_LETTERS {
                shown.pop();
                shown.push('\u{2026}');
            }
            canvas.text(canvas.left - 8.0, y + 5.0, "end", &shown);
        }
        canvas
    }

    /// Where the middle of row `i` of `n` lies.
    pub fn row(&self, i: usize, n: usize) -> f64 {
        let inner = self.height - TOP - BOTTOM;
        TOP + inner * (i as f64 + 0.5) / n.max(1) as f64
    }

    /// Where `value` lies, from the left.
    pub fn x(&self, value: f64) -> f64 {
        self.left + (WIDTH - self.left - RIGHT) * self.x.place(value)
    }

    /// Where `value` lies, from above.
    pub fn y(&self, value: f64) -> f64 {
        let inner = self.height - TOP - BOTTOM;
        self.height - BOTTOM - inner * self.y.as_ref().map_or(0.5, |y| y.place(value))
    }

    /// A dot.
    pub fn dot(&mut self, x: f64, y: f64, radius: f64, class: &str) {
        let _ = write!(
            self.body,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>"
        );
    }

    /// A box.
    pub fn rect(&mut self, [x0, x1]: [f64; 2], [y0, y1]: [f64; 2], class: &str) {
        let (width, height) = ((x1 - x0).max(0.5), y1 - y0);
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x0:.1}\" y=\"{y0:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"/>"
        );
    }

    /// A line through places.
    pub fn line(&mut self, places: &[[f64; 2]], class: &str) {
        if places.len() < 2 {
            return;
        }
        let _ = write!(self.body, "<path class=\"{class}\" d=\"");
        for (i, [x, y]) in places.iter().enumerate() {
            let _ = write!(self.body, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
        }
        self.body.push_str("\"/>");
    }

    /// Squares of one side with one class, as one path: many thousands stay small.
    pub fn squares(&mut self, corners: &[[f64; 2]], side: f64, class: &str) {
        if corners.is_empty() {
            return;
        }
        let _ = write!(self.body, "<path class=\"{class}\" d=\"");
        for [x, y] in corners {
            let _ = write!(self.body, "M{x:.1} {y:.1}h{side}v{side}h-{side}z");
        }
        self.body.push_str("\"/>");
    }

    /// Words at a place; `anchor` is `start`, `middle` or `end`.
    pub fn text(&mut self, x: f64, y: f64, anchor: &str, words: &str) {
        let words = super::html::escape(words);
        let _ = write!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        );
    }

    /// What a class means. Stands above the frame.
    pub fn legend(&mut self, class: &'static str, words: impl Into<String>) {
        self.legend.push((class, words.into()));
    }

    /// The whole picture. `id` is unique on the page.
    pub fn finish(self, id: &str, title: &str, description: &str) -> String {
        let escape = super::html::escape;
        let height = self.height;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
            escape(title),
            escape(description)
        );
        svg.push_str(&self.frame());
        svg.push_str(&self.body);
        svg.push_str(&self.key());
        svg.push_str("</svg>");
        svg
    }

    /// Grid, numbers and labels.
    fn frame(&self) -> String {
        let mut out = String::new();
        let (right, foot) = (WIDTH - RIGHT, self.height - BOTTOM);
        for &tick in &self.x.ticks {
            let x = self.x(tick);
            let _ = write!(
                out,
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{foot:.1}\"/><text x=\"{x:.1}\" y=\"{:.1}\" \
                 text-anchor=\"middle\">{}</text>",
                foot + 18.0,
                self.x.text(tick)
            );
        }
        let middle = f64::midpoint(self.left, right);
        let _ = write!(
            out,
            "<text class=\"label\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            self.height - 10.0,
            super::html::escape(&self.x.label)
        );
        if let Some(axis) = &self.y {
            for &tick in &axis.ticks {
                let y = self.y(tick);
                let _ = write!(
                    out,
                    "<path class=\"grid\" d=\"M{:.1} {y:.1}H{right}\"/><text x=\"{:.1}\" \
                     y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                    self.left,
                    self.left - 8.0,
                    y + 5.0,
                    axis.text(tick)
                );
            }
            let middle = f64::midpoint(TOP, foot);
            let _ = write!(
                out,
                "<text class=\"label\" transform=\"translate(16 {middle:.1}) rotate(-90)\" \
                 text-anchor=\"middle\">{}</text>",
                super::html::escape(&axis.label)
            );
        }
        let _ =
            write!(out, "<path class=\"axis\" d=\"M{:.1} {TOP}V{foot:.1}H{right}\"/>", self.left);
        out
    }

    /// The legend, from the left.
    fn key(&self) -> String {
        let mut out = String::new();
        let mut x = 8.0;
        for (class, words) in &self.legend {
            let sample = if class.starts_with("line") {
                format!("<path class=\"{class}\" d=\"M{x:.1} 13h18\"/>")
            } else if *class == "box" {
                format!("<rect class=\"box\" x=\"{x:.1}\" y=\"7\" width=\"18\" height=\"12\"/>")
            } else {
                format!("<circle class=\"{class}\" cx=\"{:.1}\" cy=\"13\" r=\"5\"/>", x + 9.0)
            };
            let _ = write!(
                out,
                "{sample}<text x=\"{:.1}\" y=\"18\">{}</text>",
                x + 24.0,
                super::html::escape(words)
            );
            x += 40.0 + LETTER * words.chars().count() as f64;
        }
        out
    }
}

/// Letters of a row's name that are shown.
const ROW_LETTERS: usize = 24;
