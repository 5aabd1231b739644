//! The table on a terminal: a line an image, as wide as the window and never wider.
//!
//! `path  score bar  WxH  first note`; a failed image has its error in the place of the rest.

use std::io::{self, IsTerminal, Stdout, Write};

use biqa::record::Record;
use terminal_size::{Width, terminal_size};
use unicode_width::UnicodeWidthStr;

use crate::words::{head, printable, wrapped};

/// Cells of a bar; a cell shows eighths.
const BAR: usize = 8;
/// ` 61.3 ████▉     1920x1080` with the two gaps around: all but path and note.
const MIDDLE: usize = 2 + 5 + 1 + BAR + 2 + 11 + 2;
/// Before the lines of a long reason.
const INDENT: &str = "    ";
/// Windows narrower or wider than this are not followed.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=160;

/// Writes rows on standard output as they come.
pub struct Table {
    out: Stdout,
    layout: Layout,
    colour: bool,
    begun: bool,
}

#[derive(Clone, Copy, Debug)]
struct Layout {
    path: usize,
    note: usize,
}

impl Layout {
    /// The note has a third of what path and note share. One column stays free: some terminals
    /// begin a new line when the last one is filled.
    fn for_width(width: usize) -> Self {
        let shared = width.clamp(*WIDTHS.start(), *WIDTHS.end()) - 1 - MIDDLE;
        Self { path: shared - shared / 3, note: shared / 3 }
    }
}

/// Columns of the terminal that standard output is, if it is one.
pub fn columns() -> Option<usize> {
    let size = || terminal_size().map_or(80, |(Width(columns), _)| usize::from(columns));
    io::stdout().is_terminal().then(size)
}

impl Table {
    /// A table for standard output, if that is a terminal.
    pub fn on_terminal() -> Option<Self> {
        let layout = Layout::for_width(columns()?);
        Some(Self { out: io::stdout(), layout, colour: wants_colour(), begun: false })
    }

    pub fn write(&mut self, row: &Record) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            let line = header(self.layout);
            writeln!(self.out, "{}", self.paint(DIM, &line))?;
        }
        let path = fit(&middle(&printable(&row.path), self.layout.path), self.layout.path);
        let rest = match row.score {
            Some(score) => self.scored(row, score),
            None => self.failed(row),
        };
        writeln!(self.out, "{}", format!("{path}  {rest}").trim_end())
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn scored(&self, row: &Record, score: f64) -> String {
        let colour = match score {
            ..35.0 => RED,
            ..60.0 => YELLOW,
            _ => GREEN,
        };
        let size = match (row.width, row.height) {
            (Some(width), Some(height)) => format!("{width}x{height}"),
            _ => String::new(),
        };
        let note = row.notes.first().map(|n| cut(&printable(n), self.layout.note));
        let note = note.map(|n| self.paint(DIM, &n)).unwrap_or_default();
        let bar = fit(&bar(score), BAR);
        format!("{score:5.1} {}  {}  {note}", self.paint(colour, &bar), fit(&size, 11))
    }

    fn failed(&self, row: &Record) -> String {
        let error = row.error.as_deref().unwrap_or("no score");
        // `cannot read "NAME": why`: the name stands in the line already.
        let why = match error.split_once("\": ") {
            Some((name, why)) if name.starts_with("cannot read \"") => why,
            _ => error,
        };
        let room = MIDDLE - 2 + self.layout.note - "failed: ".len();
        let failed = self.paint(RED, "failed:");
        let why = printable(why);
        if why.width() <= room {
            return format!("{failed} {why}");
        }
        // The reason and the way out are worth lines of their own.
        let width = self.layout.path + MIDDLE + self.layout.note;
        wrapped(&why, width - INDENT.len())
            .iter()
            .fold(failed, |row, line| format!("{row}\n{INDENT}{line}"))
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("{colour}{text}{RESET}") } else { text.to_owned() }
    }
}

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// Colour on a terminal, unless NO_COLOR (no-color.org) or a terminal without any says otherwise.
fn wants_colour() -> bool {
    let set = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !set && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn header(layout: Layout) -> String {
    let path = fit("path", layout.path);
    format!("{path}  score {}  {}  note", fit("", BAR), fit("size", 11))
}

/// A bar of eighths of cells: 100 fills it.
fn bar(score: f64) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (score.clamp(0.0, 100.0) / 100.0 * (BAR * 8) as f64).round() as usize;
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

/// The text with spaces up to `width` columns.
fn fit(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// The beginning of the text, in at most `width` columns.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width { text.to_owned() } else { head(text.chars(), width - 1) + "…" }
}

/// The text in at most `width` columns, shortened in the middle: a path says most at its ends.
fn middle(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let front = (width - 1) / 3;
    let back: String = head(text.chars().rev(), width - 1 - front).chars().rev().collect();
    head(text.chars(), front) + "…" + &back
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_keeps_both_its_ends() {
        assert_eq!(middle("short.png", 20), "short.png");
        assert_eq!(middle("photos/2019/holidays/beach_0192.jpg", 20), "photos…each_0192.jpg");
        assert_eq!(middle("photos/2019/holidays/beach_0192.jpg", 20).width(), 20);
    }

    #[test]
    fn wide_characters_count_two_columns() {
        for width in 3..20 {
            assert!(middle("写真/夏休み/海岸の夕日.jpg", width).width() <= width, "{width}");
            assert!(cut("写真/夏休み/海岸の夕日.jpg", width).width() <= width, "{width}");
        }
    }

    #[test]
    fn every_bar_fits_its_cells() {
        assert_eq!(bar(0.0), "");
        assert_eq!(bar(50.0), "████");
        assert_eq!(bar(100.0), "████████");
        assert_eq!(bar(99.0), "███████▉");
        assert_eq!(bar(250.0).width(), BAR);
    }

    #[test]
    fn a_line_leaves_the_last_column_free() {
        for width in [60, 80, 160] {
            let layout = Layout::for_width(width);
            assert_eq!(layout.path + MIDDLE + layout.note, width - 1);
        }
    }
}
