//! The first or a named sheet of a spreadsheet, `.xlsx` or `.xls` (`papers/datasets.md`, 1.4).
//!
//! The content decides which of the two it is, not the name. Cells are kept sparsely, so that a
//! cell in the last corner of a sheet costs one cell. Called by the loaders of CSIQ, SPAQ and BID.

use super::{FormatError, xls, xlsx};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of all that is inflated or copied out of a file, and of its strings.
pub(super) const MAX_BYTES: usize = 256 << 20;

/// Cells that are kept of a sheet.
pub(super) const MAX_CELLS: usize = 4 << 20;

/// A header may stand under a title: rows with content that are searched for it.
const HEADER_ROWS: usize = 32;

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// Nothing, or an error value such as `#DIV/0!`.
    Empty,
    /// A number; dates are numbers too.
    Number(f64),
    /// A text, as it is.
    Text(Arc<str>),
    /// TRUE or FALSE.
    Bool(bool),
    /// A cell of `.xls` whose record is not read (a formula, a text of older versions).
    NotRead,
}

/// One sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    file: String,
    name: String,
    rows: BTreeMap<u32, BTreeMap<u32, Cell>>,
    cells: usize,
}

/// Where a table begins and which columns were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The row of the header, from 0.
    pub header_row: u32,
    /// Columns in the order of the names asked for, from 0.
    pub columns: Vec<u32>,
}

/// Reads a sheet: the one called `sheet` (without regard to case), else the first.
///
/// # Errors
/// Neither `.xlsx` nor `.xls`, damaged, protected by a password, or no such sheet.
pub fn read_sheet(bytes: &[u8], file: &str, sheet: Option<&str>) -> Result<Sheet, FormatError> {
    if bytes.starts_with(b"PK") {
        return xlsx::read(bytes, file, sheet);
    }
    if bytes.starts_with(&super::ole::MAGIC) {
        return xls::read(bytes, file, sheet);
    }
    let start = &bytes[..bytes.len().min(8)];
    let expected = "a spreadsheet, .xlsx or .xls";
    Err(FormatError::damaged(file, "byte 0", expected, format!("{start:02x?}")))
}

/// The place of `wanted` among the names of the sheets, or of the first.
pub(super) fn choose(
    file: &str,
    names: &[String],
    wanted: Option<&str>,
) -> Result<usize, FormatError> {
    let found = match wanted {
        None => (!names.is_empty()).then_some(0),
        Some(wanted) => names.iter().position(|name| same(name, wanted)),
    };
    found.ok_or_else(|| FormatError::Missing {
        file: file.to_owned(),
        what: "sheet",
        wanted: wanted.unwrap_or_default().to_owned(),
        found: names.join(", "),
    })
}

impl Sheet {
    pub(super) fn new(file: &str, name: &str) -> Sheet {
        Sheet { file: file.to_owned(), name: name.to_owned(), rows: BTreeMap::new(), cells: 0 }
    }

    pub(super) fn set(&mut self, row: u32, column: u32, cell: Cell) -> Result<(), FormatError> {
        if cell == Cell::Empty {
            return Ok(());
        }
        let before = self.rows.entry(row).or_default().insert(column, cell);
        self.cells += usize::from(before.is_none());
        if self.cells > MAX_CELLS {
            let (file, what) = (self.file.clone(), "the cells");
            return Err(FormatError::TooLarge { file, what, limit: MAX_CELLS });
        }
        Ok(())
    }

    /// The name of the sheet.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cell, rows and columns from 0.
    pub fn cell(&self, row: u32, column: u32) -> &Cell {
        self.rows.get(&row).and_then(|row| row.get(&column)).unwrap_or(&Cell::Empty)
    }

    /// Rows that hold anything, from 0, in order.
    pub fn rows(&self) -> impl Iterator<Item = u32> {
        self.rows.keys().copied()
    }

    /// The columns whose headers are `names`, trimmed and without regard to case. The header is
    /// the first row that has them all.
    pub fn columns_by_header(&self, names: &[&str]) -> Result<Columns, FormatError> {
        let mut best: (usize, Option<&str>) = (0, names.first().copied()); // found, first that lacks
        for (&row, cells) in self.rows.iter().take(HEADER_ROWS) {
            let mut columns: Vec<Result<u32, &str>> = Vec::new();
            for &name in names {
                let holds = |cell: &Cell| matches!(cell, Cell::Text(text) if same(text, name));
                let found = cells.iter().find(|(_, cell)| holds(cell));
                columns.push(found.map(|(&column, _)| column).ok_or(name));
            }
            let found: Vec<u32> = columns.iter().flatten().copied().collect();
            if found.len() == names.len() {
                return Ok(Columns { header_row: row, columns: found });
            }
            if found.len() > best.0 {
                best = (found.len(), columns.iter().find_map(|column| column.err()));
            }
        }
        Err(FormatError::Missing {
            file: format!("{}, sheet {}", self.file, self.name),
            what: "column",
            wanted: best.1.unwrap_or_default().to_owned(),
            found: self.first_texts(),
        })
    }

    /// The rows below a header that hold anything in one of its columns.
    pub fn rows_below<'a>(&'a self, columns: &'a Columns) -> impl Iterator<Item = u32> + 'a {
        let filled =
            |&row: &u32| columns.columns.iter().any(|&c| *self.cell(row, c) != Cell::Empty);
        self.rows().filter(|&row| row > columns.header_row).filter(filled)
    }

    /// A cell that must hold a finite number.
    pub fn number(&self, row: u32, column: u32) -> Result<f64, FormatError> {
        match self.cell(row, column) {
            Cell::Number(number) if number.is_finite() => Ok(*number),
            _ => Err(self.wrong(row, column, "a number")),
        }
    }

    /// A cell that must hold text, trimmed. A number counts as its shortest decimal text, since
    /// names such as `1600` are stored as numbers.
    pub fn text(&self, row: u32, column: u32) -> Result<String, FormatError> {
        match self.cell(row, column) {
            Cell::Text(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            Cell::Number(number) => Ok(number.to_string()),
            _ => Err(self.wrong(row, column, "a text")),
        }
    }

    /// The error for a cell: names file, sheet and cell (`B5`), and what is there.
    pub fn wrong(&self, row: u32, column: u32, expected: &str) -> FormatError {
        let found = match self.cell(row, column) {
            Cell::Empty => "an empty cell".to_owned(),
            Cell::Number(number) => number.to_string(),
            Cell::Text(text) => format!("{text:?}"),
            Cell::Bool(value) => value.to_string().to_uppercase(),
            Cell::NotRead => "a formula or an old kind of cell (save as .xlsx)".to_owned(),
        };
        FormatError::Value {
            file: self.file.clone(),
            place: format!("sheet {}, cell {}", self.name, reference(row, column)),
            found,
            expected: expected.to_owned(),
        }
    }

    /// The texts of the first rows that have any: what a user would take for headers.
    fn first_texts(&self) -> String {
        let texts = self.rows.values().take(HEADER_ROWS).map(|cells| {
            let texts = cells.values().filter_map(|cell| match cell {
                Cell::Text(text) => Some(text.trim()),
                _ => None,
            });
            texts.take(HEADER_ROWS).collect::<Vec<_>>()
        });
        let longest = texts.reduce(|a, b| if b.len() > a.len() { b } else { a });
        longest.unwrap_or_default().join(", ")
    }
}

/// `B5` of row 4, column 1.
pub(super) fn reference(row: u32, column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = u64::from(column) + 1;
    while rest > 0 {
        letters.push(char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect::<String>() + &(u64::from(row) + 1).to_string()
}

/// Equal when trimmed and without regard to case.
fn same(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}
