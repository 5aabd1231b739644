//! NumPy's `.npy` of numbers, versions 1 to 3: the splits of ARNIQA (`papers/datasets.md`, 3).
//!
//! The head is a Python dictionary such as
//! `{'descr': '<i8', 'fortran_order': False, 'shape': (10, 779), }`. Called by `datasets/lists`.

use super::FormatError;
use super::bytes::{slice, u16_le, u32_le};

const MAGIC: &[u8] = b"\x93NUMPY";

/// Numbers of a file: ten splits of the largest set have 400,000.
const MAX_ELEMENTS: usize = 16 << 20;

const ADVICE: &str = "save it with numpy.save as int64, shape (n) or (rows, n)";

/// A list of numbers, or several of the same length.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// `(n)` or `(rows, n)`.
    pub shape: Vec<usize>,
    /// Row by row, whatever the order in the file.
    pub data: Data,
}

/// The numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// int32 or int64.
    Integers(Vec<i64>),
    /// float32 or float64.
    Floats(Vec<f64>),
}

impl Array {
    /// The rows; a list of one dimension is one row.
    ///
    /// # Errors
    /// The numbers are not integers.
    pub fn integer_rows(&self, file: &str) -> Result<Vec<Vec<i64>>, FormatError> {
        let Data::Integers(data) = &self.data else {
            return Err(FormatError::Value {
                file: file.to_owned(),
                place: "the type of its numbers".to_owned(),
                found: "floats".to_owned(),
                expected: "whole numbers (int64)".to_owned(),
            });
        };
        Ok(match self.shape.as_slice() {
            [_, 0] => Vec::new(),
            [_, n] => data.chunks_exact(*n).map(<[i64]>::to_vec).collect(),
            _ => vec![data.clone()],
        })
    }
}

/// Reads a file. `file` is its name, for errors.
pub fn read_npy(bytes: &[u8], file: &str) -> Result<Array, FormatError> {
    if !bytes.starts_with(MAGIC) {
        let start = &bytes[..bytes.len().min(6)];
        let found = format!("{start:02x?}");
        return Err(FormatError::damaged(file, "byte 0", "the mark of a .npy file", found));
    }
    let short = |at: usize, expected: &str| {
        FormatError::damaged(file, format!("byte {at}"), expected, "the end of the file")
    };
    let version = *bytes.get(6).ok_or_else(|| short(6, "a version"))?;
    let (length, begin) = match version {
        1 => (u16_le(bytes, 8).map(usize::from), 10),
        2 | 3 => (u32_le(bytes, 8).map(|length| length as usize), 12),
        _ => return Err(FormatError::not_read(file, format!("npy version {version}"), ADVICE)),
    };
    let length = length.ok_or_else(|| short(8, "the length of the head"))?;
    let head = slice(bytes, begin, length).ok_or_else(|| short(begin, "the head"))?;
    let head = Head::parse(&String::from_utf8_lossy(head)).ok_or_else(|| {
        let found = String::from_utf8_lossy(&head[..head.len().min(80)]).into_owned();
        FormatError::damaged(
            file,
            format!("byte {begin}"),
            "'descr', 'fortran_order' and 'shape'",
            found,
        )
    })?;
    head.read(bytes, begin + length, file)
}

/// The three entries of the dictionary.
#[derive(Debug, PartialEq)]
struct Head {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Head {
    fn parse(text: &str) -> Option<Head> {
        let value = |key: &str| {
            let (_, rest) = text.split_once(&format!("'{key}'"))?;
            Some(rest.trim_start().strip_prefix(':')?.trim_start())
        };
        let descr = value("descr")?.strip_prefix('\'')?.split_once('\'')?.0.to_owned();
        let order = value("fortran_order")?;
        let fortran_order = match (order.starts_with("True"), order.starts_with("False")) {
            (true, _) => true,
            (_, true) => false,
            _ => return None,
        };
        let shape = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
        let numbers = shape.split(',').map(str::trim).filter(|number| !number.is_empty());
        let shape = numbers.map(|number| number.parse().ok()).collect::<Option<Vec<usize>>>()?;
        Some(Head { descr, fortran_order, shape })
    }

    fn read(self, bytes: &[u8], begin: usize, file: &str) -> Result<Array, FormatError> {
        let Head { descr, fortran_order, shape } = self;
        if !matches!(shape.len(), 1 | 2) {
            let form = format!("an array of shape {shape:?}");
            return Err(FormatError::not_read(file, form, ADVICE));
        }
        let count = shape.iter().try_fold(1_usize, |count, &n| count.checked_mul(n));
        let count = count.filter(|&count| count <= MAX_ELEMENTS).ok_or_else(|| {
            let (file, what) = (file.to_owned(), "the numbers");
            FormatError::TooLarge { file, what, limit: MAX_ELEMENTS }
        })?;
        let (order, kind) = descr.split_at_checked(1).unwrap_or_default();
        let width = match kind {
            "i4" | "f4" => 4,
            "i8" | "f8" => 8,
            _ => 0,
        };
        if width == 0 || !matches!(order, "<" | ">" | "=") {
            let form = format!("an array of {descr}");
            return Err(FormatError::not_read(file, form, ADVICE));
        }
        let data = bytes.get(begin..).unwrap_or_default();
        if data.len() != count * width {
            let expected = format!("{count} numbers of {width} bytes");
            let found = format!("{} bytes", data.len());
            return Err(FormatError::damaged(file, format!("byte {begin}"), expected, found));
        }
        // The bytes of each number, low one first.
        let little = |piece: &[u8]| {
            let mut bytes = [0; 8];
            bytes[..width].copy_from_slice(piece);
            if order == ">" {
                bytes[..width].reverse();
            }
            bytes
        };
        let pieces = data.chunks_exact(width).map(little);
        let low = |b: [u8; 8]| [b[0], b[1], b[2], b[3]];
        let turn = fortran_order && shape.len() == 2;
        let data = match kind {
            "i4" => Data::Integers(pieces.map(|b| i32::from_le_bytes(low(b)).into()).collect()),
            "i8" => Data::Integers(pieces.map(i64::from_le_bytes).collect()),
            "f4" => Data::Floats(pieces.map(|b| f32::from_le_bytes(low(b)).into()).collect()),
            _ => Data::Floats(pieces.map(f64::from_le_bytes).collect()),
        };
        let data = match data {
            data if !turn => data,
            Data::Integers(data) => Data::Integers(by_rows(&data, shape[0], shape[1])),
            Data::Floats(data) => Data::Floats(by_rows(&data, shape[0], shape[1])),
        };
        Ok(Array { shape, data })
    }
}

/// Column-major `[rows, n]` to row-major.
fn by_rows<T: Copy>(data: &[T], rows: usize, n: usize) -> Vec<T> {
    if data.is_empty() {
        return Vec::new(); // any number of rows may be announced that hold nothing
    }
    (0..rows).flat_map(|row| (0..n).map(move |column| data[column * rows + row])).collect()
}
