//! MATLAB level 5 files (`.mat` as `save -v6` and `-v7` write them; `papers/datasets.md`, 1.4).
//!
//! A file is a head of 128 bytes and a row of variables, each plain or inside a zlib stream. Read
//! are numbers, text and cells, in either byte order; a variable of another class is kept by name
//! only, and asking for it is the error. Called by the loaders of LIVE, LIVE Challenge, LIVE MD.

mod read;
mod tag;

pub use read::read_mat;

use super::FormatError;

/// The named variables of a file, in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct MatFile {
    file: String,
    variables: Vec<(String, Value)>,
}

/// A variable, or an entry of a cell.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Numbers of any class, real.
    Numbers(Numbers),
    /// A char array.
    Text(Text),
    /// A cell array.
    Cell(Cell),
    /// A class that is not read: `struct`, `sparse array`, `table`, `string`, ...
    Other(String),
}

/// An array of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// Rows, columns, and so on.
    pub dims: Vec<usize>,
    /// Column by column. 64-bit integers beyond 2^53 are rounded.
    pub data: Vec<f64>,
    /// Whether MATLAB marks it as logical.
    pub logical: bool,
}

/// A char array: `rows.len()` is its first dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// One text a row, with the blanks that MATLAB pads rows with.
    pub rows: Vec<String>,
}

/// A cell array.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Rows, columns, and so on.
    pub dims: Vec<usize>,
    /// Column by column.
    pub items: Vec<Value>,
}

impl MatFile {
    /// The names of the variables, those included that cannot be read.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(name, _)| name.as_str())
    }

    /// Whether there is a variable of that name.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|found| found == name)
    }

    /// A variable.
    ///
    /// # Errors
    /// There is none of that name, or it is of a class that is not read.
    pub fn get(&self, name: &str) -> Result<&Value, FormatError> {
        let found = self.variables.iter().find(|(found, _)| found == name);
        match found.map(|(_, value)| value) {
            Some(Value::Other(class)) => Err(read::not_an_array(&self.file, name, class)),
            Some(value) => Ok(value),
            None => Err(FormatError::Missing {
                file: self.file.clone(),
                what: "variable",
                wanted: name.to_owned(),
                found: self.names().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// A variable that must hold numbers.
    pub fn numbers(&self, name: &str) -> Result<&Numbers, FormatError> {
        match self.get(name)? {
            Value::Numbers(numbers) => Ok(numbers),
            other => Err(self.wrong(name, other, "an array of numbers")),
        }
    }

    /// A variable that must be a list of texts: a cell of char arrays in any shape, column by
    /// column, or the rows of a char array without their padding.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, FormatError> {
        const WANTED: &str = "a cell of char arrays, or a char array";
        match self.get(name)? {
            Value::Text(text) => {
                Ok(text.rows.iter().map(|row| row.trim_end().to_owned()).collect())
            }
            Value::Cell(cell) => {
                let texts = cell.items.iter().enumerate().map(|(i, item)| {
                    let place = || format!("{name}{{{}}}", i + 1);
                    item.text().ok_or_else(|| self.wrong(&place(), item, "one row of text"))
                });
                texts.collect()
            }
            other => Err(self.wrong(name, other, WANTED)),
        }
    }

    fn wrong(&self, variable: &str, found: &Value, expected: &str) -> FormatError {
        FormatError::Value {
            file: self.file.clone(),
            place: format!("variable {variable}"),
            found: found.describe(),
            expected: expected.to_owned(),
        }
    }
}

impl Value {
    /// The text of a char array of one row, of a cell that holds just that, or of an empty array.
    pub fn text(&self) -> Option<String> {
        match self {
            Value::Text(text) => match text.rows.as_slice() {
                [] => Some(String::new()),
                [row] => Some(row.clone()),
                _ => None,
            },
            Value::Cell(cell) => match cell.items.as_slice() {
                [item] => item.text(),
                _ => None,
            },
            Value::Numbers(numbers) if numbers.data.is_empty() => Some(String::new()),
            Value::Numbers(_) | Value::Other(_) => None,
        }
    }

    /// "a 1 x 982 array of numbers".
    fn describe(&self) -> String {
        let size =
            |dims: &[usize]| dims.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        match self {
            Value::Numbers(numbers) => format!("a {} array of numbers", size(&numbers.dims)),
            Value::Text(text) => format!("a char array of {} rows", text.rows.len()),
            Value::Cell(cell) => format!("a {} cell", size(&cell.dims)),
            Value::Other(class) => format!("a {class}"),
        }
    }
}
