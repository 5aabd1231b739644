//! `.xls`: BIFF8 records in an OLE2 file (`papers/datasets.md`, 1.4). Called by `sheet`.
//!
//! Only the records that tables of labels are made of: shared strings, whole and other numbers.

use super::FormatError;
use super::bytes::{f64_le, slice, u16_le, u32_le};
use super::ole::Compound;
use super::sheet::{Cell, Sheet, choose};
use std::sync::Arc;

const BOF: u16 = 0x0809;
const EOF: u16 = 0x000a;
const FILEPASS: u16 = 0x002f;
const CONTINUE: u16 = 0x003c;
const BOUNDSHEET: u16 = 0x0085;
const SST: u16 = 0x00fc;
const LABELSST: u16 = 0x00fd;
const NUMBER: u16 = 0x0203;
const RK: u16 = 0x027e;
const MULRK: u16 = 0x00bd;
const BOOLERR: u16 = 0x0205;
/// Cells whose values are not read: FORMULA, LABEL, RSTRING.
const OTHER_CELLS: [u16; 3] = [0x0006, 0x0204, 0x00d6];
/// The version in a BOF of Excel 97 and later.
const BIFF8: u16 = 0x0600;

const SAVE_XLSX: &str = "save it again as .xlsx";

/// Reads the sheet called `wanted`, else the first.
pub(super) fn read(bytes: &[u8], file: &str, wanted: Option<&str>) -> Result<Sheet, FormatError> {
    let compound = Compound::open(bytes, file)?;
    let Some(stream) = compound.stream("Workbook")? else {
        for (stream, form) in
            [("EncryptedPackage", "protected by a password"), ("Book", "older than Excel 97")]
        {
            if compound.stream(stream)?.is_some() {
                return Err(FormatError::not_read(file, form, SAVE_XLSX));
            }
        }
        let found = "none (is it an .xls?)";
        return Err(FormatError::damaged(file, "its directory", "the stream Workbook", found));
    };
    let book = Book { file, stream: &stream };
    let globals = book.globals()?;
    let names: Vec<String> = globals.sheets.iter().map(|(name, _)| name.clone()).collect();
    let (name, offset) = &globals.sheets[choose(file, &names, wanted)?];
    let mut sheet = Sheet::new(file, name);
    book.cells(*offset, &globals.strings, &mut sheet)?;
    Ok(sheet)
}

/// The stream of records.
struct Book<'a> {
    file: &'a str,
    stream: &'a [u8],
}

/// What stands before the sheets.
#[derive(Default)]
struct Globals {
    /// Name and place of every sheet.
    sheets: Vec<(String, usize)>,
    strings: Vec<Arc<str>>,
}

/// One record.
#[derive(Clone, Copy)]
struct Record<'a> {
    kind: u16,
    data: &'a [u8],
    at: usize,
    next: usize,
}

impl<'a> Book<'a> {
    fn record(&self, at: usize) -> Result<Record<'a>, FormatError> {
        let head = u16_le(self.stream, at).zip(u16_le(self.stream, at + 2));
        let whole = head.and_then(|(kind, length)| {
            let length = usize::from(length);
            let data = slice(self.stream, at + 4, length)?;
            Some(Record { kind, data, at, next: at + 4 + length })
        });
        whole.ok_or_else(|| self.damaged(at, "a record", "the end of the stream"))
    }

    /// A BOF of this version at `at`; the place behind it.
    fn begin(&self, at: usize) -> Result<usize, FormatError> {
        let record = self.record(at)?;
        match (record.kind, u16_le(record.data, 0)) {
            (BOF, Some(BIFF8)) => Ok(record.next),
            (BOF, _) => Err(FormatError::not_read(self.file, "older than Excel 97", SAVE_XLSX)),
            (kind, _) => Err(self.damaged(at, "the start of a sheet", format!("{kind:#06x}"))),
        }
    }

    fn globals(&self) -> Result<Globals, FormatError> {
        let mut globals = Globals::default();
        let mut at = self.begin(0)?;
        loop {
            let record = self.record(at)?;
            at = record.next;
            match record.kind {
                EOF => return Ok(globals),
                FILEPASS => {
                    let form = "protected by a password";
                    return Err(FormatError::not_read(self.file, form, SAVE_XLSX));
                }
                BOUNDSHEET => {
                    let sheet = bound_sheet(record.data);
                    globals.sheets.push(sheet.ok_or_else(|| self.bad(&record))?);
                }
                SST => {
                    let mut segments = vec![record.data];
                    while let Ok(more) = self.record(at)
                        && more.kind == CONTINUE
                    {
                        segments.push(more.data);
                        at = more.next;
                    }
                    let strings = Segments { parts: segments, part: 0, at: 0 }.strings();
                    globals.strings = strings.ok_or_else(|| self.bad(&record))?;
                }
                _ => {}
            }
        }
    }

    /// Fills `sheet` from the records at `offset`. Charts in the sheet have a BOF and an EOF of
    /// their own and are passed over.
    fn cells(
        &self,
        offset: usize,
        strings: &[Arc<str>],
        sheet: &mut Sheet,
    ) -> Result<(), FormatError> {
        let mut at = self.begin(offset)?;
        let mut depth = 1_usize;
        while depth > 0 {
            let record = self.record(at)?;
            at = record.next;
            match record.kind {
                BOF => depth += 1,
                EOF => depth -= 1,
                _ if depth == 1 => {
                    let cells = record.cells(strings).ok_or_else(|| self.bad(&record))?;
                    for (row, column, cell) in cells {
                        sheet.set(row, column, cell)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn bad(&self, record: &Record) -> FormatError {
        let found = format!("{} bytes that are none", record.data.len());
        self.damaged(record.at, &format!("the content of a record {:#06x}", record.kind), found)
    }

    fn damaged(&self, at: usize, expected: &str, found: impl Into<String>) -> FormatError {
        let place = format!("byte {at} of the stream Workbook");
        FormatError::damaged(self.file, place, expected, found)
    }
}

impl Record<'_> {
    /// The cells of a record, empty for one that has none; `None` when it is damaged.
    fn cells(&self, strings: &[Arc<str>]) -> Option<Vec<(u32, u32, Cell)>> {
        let place = || Some((u16_le(self.data, 0)?.into(), u16_le(self.data, 2)?.into()));
        let one = |cell: Cell| place().map(|(row, column)| vec![(row, column, cell)]);
        match self.kind {
            LABELSST => {
                let text = strings.get(u32_le(self.data, 6)? as usize)?;
                one(if text.is_empty() { Cell::Empty } else { Cell::Text(text.clone()) })
            }
            NUMBER => one(Cell::Number(f64_le(self.data, 6)?)),
            RK => one(Cell::Number(rk(u32_le(self.data, 6)?))),
            MULRK => {
                let (row, first): (u32, u32) = place()?;
                let (pairs, rest) =
                    self.data.get(4..self.data.len().checked_sub(2)?)?.as_chunks::<6>();
                if !rest.is_empty() {
                    return None;
                }
                let cell = |(column, pair): (u32, &[u8; 6])| {
                    Some((row, column, Cell::Number(rk(u32_le(pair, 2)?))))
                };
                (first..).zip(pairs).map(cell).collect()
            }
            // The second byte says whether the first is an error value, which is empty.
            BOOLERR => match slice(self.data, 6, 2)? {
                [value, 0] => one(Cell::Bool(*value != 0)),
                _ => one(Cell::Empty),
            },
            kind if OTHER_CELLS.contains(&kind) => one(Cell::NotRead),
            _ => Some(Vec::new()),
        }
    }
}

/// Name and place of a sheet.
fn bound_sheet(data: &[u8]) -> Option<(String, usize)> {
    let offset = u32_le(data, 0)? as usize;
    let characters = usize::from(*data.get(6)?);
    let wide = data.get(7)? & 1 != 0;
    let bytes = slice(data, 8, if wide { 2 * characters } else { characters })?;
    Some((String::from_utf16_lossy(&units(bytes, wide)), offset))
}

/// A number in 30 bits.
fn rk(rk: u32) -> f64 {
    let value = if rk & 2 != 0 {
        f64::from(rk.cast_signed() >> 2)
    } else {
        f64::from_bits(u64::from(rk & 0xffff_fffc) << 32)
    };
    if rk & 1 != 0 { value / 100.0 } else { value }
}

fn units(bytes: &[u8], wide: bool) -> Vec<u16> {
    if wide {
        bytes.as_chunks::<2>().0.iter().map(|&unit| u16::from_le_bytes(unit)).collect()
    } else {
        bytes.iter().map(|&byte| u16::from(byte)).collect()
    }
}

/// The data of SST and of the CONTINUE records behind it.
struct Segments<'a> {
    parts: Vec<&'a [u8]>,
    part: usize,
    at: usize,
}

impl Segments<'_> {
    /// The strings; `None` when they are damaged.
    fn strings(mut self) -> Option<Vec<Arc<str>>> {
        self.skip(4)?;
        let count = self.number(4)?;
        let mut strings = Vec::new();
        for _ in 0..count {
            let characters = self.number(2)?;
            let flags = self.number(1)?;
            let runs = if flags & 8 != 0 { self.number(2)? } else { 0 };
            let extra = if flags & 4 != 0 { self.number(4)? } else { 0 };
            let text = self.text(characters, flags & 1 != 0)?;
            self.skip(runs.checked_mul(4)?.checked_add(extra)?)?;
            strings.push(Arc::from(text));
        }
        Some(strings)
    }

    /// What is left of the segment; goes on to the next when there is nothing.
    fn rest(&mut self) -> Option<(&[u8], bool)> {
        let mut new = false;
        while self.parts.get(self.part)?.len() == self.at {
            (self.part, self.at) = (self.part + 1, 0);
            new = true;
        }
        Some((&self.parts[self.part][self.at..], new))
    }

    fn number(&mut self, bytes: u32) -> Option<usize> {
        let mut number = 0;
        for i in 0..bytes {
            let byte = *self.rest()?.0.first()?;
            number |= usize::from(byte) << (8 * i);
            self.at += 1;
        }
        Some(number)
    }

    fn skip(&mut self, mut bytes: usize) -> Option<()> {
        while bytes > 0 {
            let step = self.rest()?.0.len().min(bytes);
            self.at += step;
            bytes -= step;
        }
        Some(())
    }

    /// Text. Where a record cuts it, the next one starts with a flags byte of its own.
    fn text(&mut self, characters: usize, mut wide: bool) -> Option<String> {
        let mut found = Vec::new();
        while found.len() < characters {
            if let (&[flags, ..], true) = self.rest()? {
                wide = flags & 1 != 0;
                self.at += 1;
            }
            let width = if wide { 2 } else { 1 };
            let (rest, _) = self.rest()?;
            let step = (rest.len() / width).min(characters - found.len());
            if step == 0 {
                return None; // half a character
            }
            found.extend(units(&rest[..step * width], wide));
            self.at += step * width;
        }
        Some(String::from_utf16_lossy(&found))
    }
}
