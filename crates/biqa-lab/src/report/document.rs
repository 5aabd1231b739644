//! A report before it has a form: sections of text, tables, plots and pictures.
//!
//! HTML, Markdown, CSV and JSON are written from one [`Document`], so that no number can stand in
//! one of them and not in the others.

/// A whole report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// What stands under the title.
    pub lead: String,
    /// Its parts.
    pub sections: Vec<Section>,
}

impl Document {
    /// All tables, in order.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        let blocks = self.sections.iter().flat_map(|section| &section.blocks);
        blocks.filter_map(|block| match block {
            Block::Table(table) => Some(table),
            _ => None,
        })
    }
}

/// A part with a heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Unique; the target of links.
    pub id: String,
    /// The heading.
    pub title: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

impl Section {
    /// An empty section.
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self { id: id.into(), title: title.into(), blocks: Vec::new() }
    }

    /// Adds a heading within the section.
    pub fn head(&mut self, words: impl Into<String>) {
        self.blocks.push(Block::Head(words.into()));
    }

    /// Adds a paragraph.
    pub fn say(&mut self, words: impl Into<String>) {
        self.blocks.push(Block::Text(words.into()));
    }

    /// Adds a warning.
    pub fn warn(&mut self, words: impl Into<String>) {
        self.blocks.push(Block::Warning(words.into()));
    }
}

impl Table {
    /// The table without the columns in which no row has anything.
    #[must_use]
    pub fn without_empty_columns(mut self) -> Self {
        let has = |row: &Row, k: usize| row.cells.get(k).is_some_and(|cell| !cell.text.is_empty());
        let kept: Vec<bool> =
            (0..self.columns.len()).map(|k| self.rows.iter().any(|row| has(row, k))).collect();
        let keep = |k: usize| kept.get(k).copied().unwrap_or(true);
        let mut k = 0..;
        self.columns.retain(|_| k.next().is_some_and(keep));
        for row in &mut self.rows {
            let mut k = 0..;
            row.cells.retain(|_| k.next().is_some_and(keep));
        }
        self
    }
}

/// A piece of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A heading within a section.
    Head(String),
    /// A paragraph.
    Text(String),
    /// Something that must not be overlooked.
    Warning(String),
    /// Names and what they are.
    Facts(Vec<(String, String)>),
    /// A table.
    Table(Table),
    /// A plot.
    Plot(Plot),
    /// Small pictures.
    Pictures(Pictures),
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Unique; names its numbers in CSV and JSON.
    pub id: String,
    /// What it shows and how to read it.
    pub caption: String,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// Its rows; the first cell is the row's head.
    pub rows: Vec<Row>,
    /// Whether HTML shows it only when it is opened.
    pub folded: bool,
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// One cell a column.
    pub cells: Vec<Cell>,
    /// Whether it is made to stand out: measured among reported.
    pub strong: bool,
}

impl Row {
    /// The words of its first cell.
    pub fn head(&self) -> &str {
        self.cells.first().map_or("", |cell| &cell.text)
    }
}

/// A cell: words, and the numbers in them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// What is shown.
    pub text: String,
    /// What is shown smaller below: an interval, a remark.
    pub note: String,
    /// Every number that is shown, in full: its name ("" for the main one) and value.
    pub numbers: Vec<(&'static str, f64)>,
}

impl Cell {
    /// Words.
    pub fn words(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// A count.
    pub fn count(n: usize) -> Self {
        Self { text: n.to_string(), note: String::new(), numbers: vec![("", n as f64)] }
    }

    /// A number with so many decimals; nothing where it is undefined.
    pub fn number(value: Option<f64>, digits: usize) -> Self {
        match value.filter(|v| v.is_finite()) {
            Some(v) => Self { text: fixed(v, digits), note: String::new(), numbers: vec![("", v)] },
            None => Self::words("undefined"),
        }
    }

    /// A difference: its sign is always written.
    pub fn difference(value: Option<f64>, digits: usize) -> Self {
        match value.filter(|v| v.is_finite()) {
            Some(v) => {
                let text = fixed(v, digits);
                let plus = if text.starts_with('\u{2212}') { "" } else { "+" };
                Self { text: format!("{plus}{text}"), note: String::new(), numbers: vec![("", v)] }
            }
            None => Self::default(),
        }
    }

    /// The same with a range below.
    #[must_use]
    pub fn range(mut self, names: [&'static str; 2], [low, high]: [f64; 2], digits: usize) -> Self {
        self.note = format!("{} to {}", fixed(low, digits), fixed(high, digits));
        self.numbers.push((names[0], low));
        self.numbers.push((names[1], high));
        self
    }

    /// The same with words below.
    #[must_use]
    pub fn note(mut self, words: impl Into<String>) -> Self {
        self.note = words.into();
        self
    }

    /// Whether it is set as a number.
    pub fn is_number(&self) -> bool {
        !self.numbers.is_empty()
    }
}

/// A number with so many decimals and a real minus sign; never minus zero.
pub fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let zero = text.chars().all(|c| matches!(c, '0' | '.' | '-'));
    let text = if zero { text.trim_start_matches('-') } else { &text };
    text.replace('-', "\u{2212}")
}

/// A plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// The picture, whole.
    pub svg: String,
    /// What it shows.
    pub caption: String,
}

/// Small pictures with what was said of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pictures {
    /// Unique; names their numbers.
    pub id: String,
    /// What they are.
    pub caption: String,
    /// The pictures.
    pub items: Vec<Thumbnail>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Thumbnail {
    /// `data:` URI, or why there is none; empty where the caption says it.
    pub picture: Result<DataUri, String>,
    /// Its path in the set.
    pub path: String,
    /// Label, prediction, prediction on the labels' scale, difference: name and cell.
    pub numbers: Vec<(&'static str, Cell)>,
}

/// A picture inside the page.
#[derive(Clone, Debug, PartialEq)]
pub struct DataUri {
    /// The `data:` URI.
    pub uri: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}
