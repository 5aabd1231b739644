//! The file formats in which label tables come (`papers/datasets.md`, 1.4): bytes in, tables out.
//!
//! [`mat`] reads MATLAB level 5, [`sheet`] reads `.xlsx` and `.xls`, [`npy`] reads NumPy's lists of
//! indices. CSV is read by `datasets/table.rs`. Nothing here knows a data set or opens a file.
//! Bytes come from anywhere, so no reader panics or takes memory without a limit.
//!
//! Called by the loaders of the sets and by `datasets/lists`.

mod bytes;
pub mod mat;
pub mod npy;
mod ole;
pub mod sheet;
mod xls;
mod xlsx;
mod xml;
mod zip;

/// Why a label file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes break the format's rules.
    #[error("{file} is damaged at {place}: expected {expected}, found {found}")]
    Damaged {
        /// The file.
        file: String,
        /// Which byte, of which part.
        place: String,
        /// What the format wants there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A form of the format that is not read.
    #[error("{file} is {form}, which is not read; {advice}")]
    NotRead {
        /// The file, and the variable where it is about one.
        file: String,
        /// What it is.
        form: String,
        /// What to do.
        advice: String,
    },
    /// More than a label table can need.
    #[error("{file}: {what} exceed the limit of {limit}; this cannot be a table of labels")]
    TooLarge {
        /// The file.
        file: String,
        /// Bytes of what, number of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A variable, sheet or column is not there.
    #[error("{file} has no {what} {wanted}; it has: {found}")]
    Missing {
        /// The file, and the sheet where it is about a column.
        file: String,
        /// `variable`, `sheet`, `column`.
        what: &'static str,
        /// The name looked for.
        wanted: String,
        /// The names there are.
        found: String,
    },
    /// A value of another kind than the table needs.
    #[error("{file}, {place}: found {found}, expected {expected}")]
    Value {
        /// The file.
        file: String,
        /// The variable, or sheet and cell.
        place: String,
        /// What is there.
        found: String,
        /// What may stand there.
        expected: String,
    },
}

impl FormatError {
    fn damaged(
        file: &str,
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> FormatError {
        FormatError::Damaged {
            file: file.to_owned(),
            place: place.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    fn not_read(file: &str, form: impl Into<String>, advice: impl Into<String>) -> FormatError {
        FormatError::NotRead { file: file.to_owned(), form: form.into(), advice: advice.into() }
    }
}
