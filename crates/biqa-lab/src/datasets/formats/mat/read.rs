//! From the bytes of a level 5 file to its variables.

use super::super::FormatError;
use super::super::bytes::array;
use super::tag::{Block, COMPRESSED, Element, INT8, INT32, MATRIX, Order, UINT8, UINT32, UTF8};
use super::{Cell, MatFile, Numbers, Text, Value};
use std::io::Read as _;

/// Text, version and byte order.
const HEAD: usize = 128;

/// Inflated bytes of a whole file. The largest label file that we know has 83 KB.
const MAX_INFLATED: usize = 64 << 20;

/// Numbers, characters and (times [`CELL_WEIGHT`]) cells of a whole file.
const MAX_ELEMENTS: usize = 8 << 20;

/// An entry of a cell takes several words even when it is empty.
const CELL_WEIGHT: usize = 16;

/// Cells in cells; every level is a call.
const MAX_DEPTH: usize = 16;

/// Classes of arrays (datasets.md 1.4).
const CLASS_CELL: u32 = 1;
const CLASS_CHAR: u32 = 4;
const CLASS_SPARSE: u32 = 5;
const CLASS_OPAQUE: u32 = 17;
/// Bits of the flags byte.
const LOGICAL: u32 = 0x02;
const COMPLEX: u32 = 0x08;

const SAVE_V7: &str = "save it again in MATLAB with -v7: save('file.mat', 'name', '-v7')";

/// Reads a file. `file` is its name, for errors.
///
/// # Errors
/// Damaged bytes; levels 4 and 7.3; a file whose variables are all MATLAB objects.
pub fn read_mat(bytes: &[u8], file: &str) -> Result<MatFile, FormatError> {
    let order = head(bytes, file)?;
    let all = Block { file, order, data: bytes, start: 0, inflated_at: None };
    let mut budget = Budget { file, inflated: MAX_INFLATED, elements: MAX_ELEMENTS };
    let mut variables = Vec::new();
    let mut at = HEAD;
    while at < bytes.len() {
        let element = all.element(at)?;
        at = element.next;
        let (name, value) = match element.kind {
            COMPRESSED => {
                let inflated = budget.inflate(element.block)?;
                let stream = Some(element.block.start);
                let inside = Block { data: &inflated, start: 0, inflated_at: stream, ..all };
                let element = inside.element(0)?;
                if element.kind != MATRIX {
                    continue;
                }
                budget.variable(&element.block, 0)?
            }
            MATRIX => budget.variable(&element.block, 0)?,
            _ => continue,
        };
        // The companion of MATLAB objects (`__function_workspace__`) has no name.
        if !name.is_empty() {
            variables.push((name, value));
        }
    }
    let found = MatFile { file: file.to_owned(), variables };
    match found.variables.first() {
        None => {
            let place = format!("byte {}", bytes.len());
            Err(FormatError::damaged(file, place, "a variable", "the end of the file"))
        }
        Some((name, Value::Other(class)))
            if found.variables.iter().all(|(_, value)| matches!(value, Value::Other(_))) =>
        {
            Err(not_an_array(file, name, class))
        }
        _ => Ok(found),
    }
}

/// The error for a variable that is no plain array: it names the list to use instead.
pub(super) fn not_an_array(file: &str, name: &str, class: &str) -> FormatError {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    FormatError::not_read(
        &format!("{file}: variable {name}"),
        format!("a MATLAB {class}"),
        format!("use the labels as CSV ({stem}.csv), or save them as plain arrays with -v7"),
    )
}

/// Checks the head and finds the byte order.
fn head(bytes: &[u8], file: &str) -> Result<Order, FormatError> {
    if bytes.starts_with(b"MATLAB 7.3 MAT-file") || bytes.starts_with(b"\x89HDF") {
        return Err(FormatError::not_read(file, "a MATLAB 7.3 (HDF5) file", SAVE_V7));
    }
    let order = match bytes.get(126..HEAD) {
        Some(b"IM") => Some(Order::Little),
        Some(b"MI") => Some(Order::Big),
        _ => None,
    };
    let Some(order) = order else {
        // Level 4 has no text at its head but numbers, one of whose bytes is zero.
        if bytes.len() >= 20 && bytes[..4].contains(&0) {
            return Err(FormatError::not_read(file, "a MATLAB level 4 file", SAVE_V7));
        }
        let found = match bytes.get(126..HEAD) {
            Some(mark) => format!("{mark:02x?}"),
            None => format!("{} bytes", bytes.len()),
        };
        return Err(FormatError::damaged(file, "byte 126", "the mark MI or IM", found));
    };
    let version = array(bytes, 124).map_or(0, |version| match order {
        Order::Little => u16::from_le_bytes(version),
        Order::Big => u16::from_be_bytes(version),
    });
    match version {
        0x0100 => Ok(order),
        0x0200 => Err(FormatError::not_read(file, "a MATLAB 7.3 (HDF5) file", SAVE_V7)),
        _ => Err(FormatError::damaged(
            file,
            "byte 124",
            "version 0x0100",
            format!("0x{version:04x}"),
        )),
    }
}

/// What a file may still take.
struct Budget<'a> {
    file: &'a str,
    inflated: usize,
    elements: usize,
}

impl Budget<'_> {
    fn inflate(&mut self, packed: Block) -> Result<Vec<u8>, FormatError> {
        let mut inflated = Vec::new();
        let limit = self.inflated as u64 + 1;
        flate2::read::ZlibDecoder::new(packed.data)
            .take(limit)
            .read_to_end(&mut inflated)
            .map_err(|error| packed.damaged(0, "a zlib stream", error.to_string()))?;
        self.inflated = self.inflated.checked_sub(inflated.len()).ok_or_else(|| {
            let (file, what) = (self.file.to_owned(), "the inflated bytes");
            FormatError::TooLarge { file, what, limit: MAX_INFLATED }
        })?;
        Ok(inflated)
    }

    fn take(&mut self, elements: usize) -> Result<(), FormatError> {
        self.elements = self.elements.checked_sub(elements).ok_or_else(|| {
            let (file, what) = (self.file.to_owned(), "the elements of its arrays");
            FormatError::TooLarge { file, what, limit: MAX_ELEMENTS }
        })?;
        Ok(())
    }

    /// A `miMATRIX`: its name and value.
    fn variable(&mut self, block: &Block, depth: usize) -> Result<(String, Value), FormatError> {
        if block.data.is_empty() {
            let empty = Numbers { dims: vec![0, 0], data: Vec::new(), logical: false };
            return Ok((String::new(), Value::Numbers(empty)));
        }
        let flags = block.element(0)?;
        let word = match (flags.kind, flags.numbers()) {
            (UINT32, Ok(words)) if words.len() == 2 => words[0] as u32,
            _ => return Err(flags.block.damaged(0, "two words of array flags", "something else")),
        };
        let (class, bits) = (word & 0xff, (word >> 8) & 0xff);
        if class == CLASS_OPAQUE {
            return opaque(block, flags.next);
        }
        let dims_element = block.element(flags.next)?;
        let dims = dimensions(&dims_element)?;
        let name = block.element(dims_element.next)?;
        let name_text = String::from_utf16_lossy(&name_units(&name)?);
        let other = |class: &str| Ok((name_text.clone(), Value::Other(class.to_owned())));
        let count = dims.iter().try_fold(1_usize, |count, &dim| count.checked_mul(dim));
        let count = count.filter(|&count| count <= MAX_ELEMENTS).ok_or_else(|| {
            dims_element.block.damaged(0, "dimensions of a label table", format!("{dims:?}"))
        })?;
        let at = name.next;
        let value = match class {
            CLASS_CELL => self.cell(block, at, dims, count, depth)?,
            CLASS_CHAR => {
                let data = block.element(at)?;
                self.take(data.block.data.len())?;
                Value::Text(Text { rows: text_rows(&data, &dims, count)? })
            }
            CLASS_SPARSE => return other("sparse array"),
            6..=15 if bits & COMPLEX != 0 => return other("complex array"),
            6..=15 => {
                let data = block.element(at)?;
                self.take(data.block.data.len().min(count.max(1)))?;
                let logical = bits & LOGICAL != 0;
                Value::Numbers(Numbers { data: numbers(&data, count)?, dims, logical })
            }
            2 => return other("struct"),
            3 => return other("object"),
            16 => return other("function handle"),
            _ => return other(&format!("array of class {class}")),
        };
        Ok((name_text, value))
    }

    fn cell(
        &mut self,
        block: &Block,
        mut at: usize,
        dims: Vec<usize>,
        count: usize,
        depth: usize,
    ) -> Result<Value, FormatError> {
        if depth == MAX_DEPTH {
            let (file, what) = (self.file.to_owned(), "cells within cells");
            return Err(FormatError::TooLarge { file, what, limit: MAX_DEPTH });
        }
        self.take(count.saturating_mul(CELL_WEIGHT))?;
        let mut items = Vec::new();
        for _ in 0..count {
            let element = block.element(at)?;
            if element.kind != MATRIX {
                let found = format!("storage type {}", element.kind);
                return Err(block.damaged(at, "an entry of a cell", found));
            }
            items.push(self.variable(&element.block, depth + 1)?.1);
            at = element.next;
        }
        Ok(Value::Cell(Cell { dims, items }))
    }
}

/// An object: no dimensions, but its name, the name of the class system, the class.
fn opaque(block: &Block, at: usize) -> Result<(String, Value), FormatError> {
    let name = block.element(at)?;
    let system = block.element(name.next)?;
    let class = block.element(system.next)?;
    let text = |element| name_units(element).map(|units| String::from_utf16_lossy(&units));
    let class = text(&class).unwrap_or_default();
    let class = if class.is_empty() { "object".to_owned() } else { class };
    Ok((text(&name)?, Value::Other(class)))
}

fn name_units(element: &Element) -> Result<Vec<u16>, FormatError> {
    match element.kind {
        INT8 | UINT8 | UTF8 => element.units(),
        other => {
            let found = format!("storage type {other}");
            Err(element.block.damaged(0, "the name of a variable", found))
        }
    }
}

fn dimensions(element: &Element) -> Result<Vec<usize>, FormatError> {
    let wrong = |found: String| element.block.damaged(0, "dimensions", found);
    if element.kind != INT32 {
        return Err(wrong(format!("storage type {}", element.kind)));
    }
    let numbers = element.numbers()?;
    if numbers.len() < 2 || numbers.iter().any(|&dim| dim < 0.0) {
        return Err(wrong(format!("{numbers:?}")));
    }
    Ok(numbers.iter().map(|&dim| dim as usize).collect())
}

/// The data of an array of `count` numbers.
fn numbers(data: &Element, count: usize) -> Result<Vec<f64>, FormatError> {
    let numbers = data.numbers()?;
    if numbers.len() != count {
        let found = format!("{}", numbers.len());
        return Err(data.block.damaged(0, format!("{count} numbers"), found));
    }
    Ok(numbers)
}

/// The rows of a char array, which stands column by column.
fn text_rows(data: &Element, dims: &[usize], count: usize) -> Result<Vec<String>, FormatError> {
    let units = data.units()?;
    let rows = dims[0];
    // Old writers count bytes of UTF-8, not characters: a single row is taken whole.
    if rows == 1 {
        return Ok(vec![String::from_utf16_lossy(&units)]);
    }
    if units.len() != count {
        let found = format!("{}", units.len());
        return Err(data.block.damaged(0, format!("{count} characters"), found));
    }
    let row = |row: usize| {
        let units: Vec<u16> = units.iter().skip(row).step_by(rows).copied().collect();
        String::from_utf16_lossy(&units)
    };
    // Without columns there are no characters, however many rows are announced.
    Ok(if count == 0 { Vec::new() } else { (0..rows).map(row).collect() })
}
