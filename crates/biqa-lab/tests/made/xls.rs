//! `.xls` workbooks: BIFF8 in an OLE2 compound file.

use super::{Put, pad};

/// A cell, by its record.
#[derive(Debug, Clone)]
pub enum Cell {
    /// LABELSST.
    Text(&'static str),
    /// NUMBER.
    Number(f64),
    /// RK, by its 32 bits.
    Rk(u32),
    /// MULRK: this column and those to the right.
    MulRk(Vec<u32>),
    /// BOOLERR with a truth value.
    Bool(bool),
    /// BOOLERR with an error value.
    Error,
    /// FORMULA.
    Formula(f64),
}

/// Row, column, cell.
pub type Placed = (u16, u16, Cell);

const SECTOR: usize = 512;
const MINI_SECTOR: usize = 64;
const MINI_LIMIT: usize = 4096;
const END: u32 = 0xffff_fffe;
const FAT_SECTOR: u32 = 0xffff_fffd;
const FREE: u32 = 0xffff_ffff;

/// A workbook; shared strings are cut into records of at most `cut` bytes.
pub fn workbook(sheets: &[(&str, Vec<Placed>)], cut: usize) -> Vec<u8> {
    compound("Workbook", &stream(sheets, cut))
}

/// The records of a workbook.
pub fn stream(sheets: &[(&str, Vec<Placed>)], cut: usize) -> Vec<u8> {
    let mut strings: Vec<&str> = Vec::new();
    for (_, cells) in sheets {
        for (_, _, cell) in cells {
            if let Cell::Text(text) = cell
                && !strings.contains(text)
            {
                strings.push(text);
            }
        }
    }
    let parts: Vec<Vec<u8>> = sheets.iter().map(|(_, cells)| sheet(cells, &strings)).collect();
    let mut shared = Vec::new();
    shared_strings(&mut shared, &strings, cut);
    // The places of the sheets stand before them: 8 bytes and the name a BOUNDSHEET.
    let named: usize = sheets.iter().map(|(name, _)| 4 + 8 + name.len()).sum();
    let mut at = bof(5).len() + named + shared.len() + 4;
    let mut bytes = bof(5);
    for ((name, _), part) in sheets.iter().zip(&parts) {
        let mut data = Vec::new();
        data.put_u32(at as u32);
        data.extend([0, 0, name.len() as u8, 0]);
        data.extend(name.as_bytes());
        record(&mut bytes, 0x85, &data);
        at += part.len();
    }
    bytes.extend(shared);
    record(&mut bytes, 0x0a, &[]);
    bytes.extend(parts.concat());
    bytes
}

fn bof(kind: u16) -> Vec<u8> {
    let mut data = Vec::new();
    for word in [0x0600, kind, 0, 0, 0, 0, 0, 0] {
        data.put_u16(word);
    }
    let mut bytes = Vec::new();
    record(&mut bytes, 0x0809, &data);
    bytes
}

fn record(bytes: &mut Vec<u8>, kind: u16, data: &[u8]) {
    bytes.put_u16(kind);
    bytes.put_u16(data.len() as u16);
    bytes.extend(data);
}

fn sheet(cells: &[Placed], strings: &[&str]) -> Vec<u8> {
    let mut bytes = bof(0x10);
    // A chart with cells of its own, which are not the sheet's.
    bytes.extend(bof(0x20));
    let mut number = vec![0; 6];
    number.extend(99.0_f64.to_le_bytes());
    record(&mut bytes, 0x203, &number);
    record(&mut bytes, 0x0a, &[]);
    for (row, column, cell) in cells {
        let mut data = Vec::new();
        data.put_u16(*row);
        data.put_u16(*column);
        if !matches!(cell, Cell::MulRk(_)) {
            data.put_u16(15); // the format
        }
        let kind = match cell {
            Cell::Text(text) => {
                let index = strings.iter().position(|found| found == text).expect("collected");
                data.put_u32(index as u32);
                0xfd
            }
            Cell::Number(number) => {
                data.extend(number.to_le_bytes());
                0x203
            }
            Cell::Rk(rk) => {
                data.put_u32(*rk);
                0x27e
            }
            Cell::MulRk(rks) => {
                for rk in rks {
                    data.put_u16(15);
                    data.put_u32(*rk);
                }
                data.put_u16(column + rks.len() as u16 - 1);
                0xbd
            }
            Cell::Bool(value) => {
                data.extend([u8::from(*value), 0]);
                0x205
            }
            Cell::Error => {
                data.extend([7, 1]);
                0x205
            }
            Cell::Formula(result) => {
                data.extend(result.to_le_bytes());
                data.extend([0; 8]);
                0x06
            }
        };
        record(&mut bytes, kind, &data);
    }
    record(&mut bytes, 0x0a, &[]);
    bytes
}

/// SST and CONTINUE. Every other string has formatting runs and extra bytes; a text that is cut
/// goes on in 16 bits a character.
fn shared_strings(bytes: &mut Vec<u8>, strings: &[&str], cut: usize) {
    let mut parts: Vec<Vec<u8>> = vec![Vec::new()];
    parts[0].put_u32(strings.len() as u32);
    parts[0].put_u32(strings.len() as u32);
    for (i, text) in strings.iter().enumerate() {
        let units: Vec<u16> = text.encode_utf16().collect();
        let mut wide = units.iter().any(|&unit| unit > 0xff);
        let rich = i % 2 == 1;
        let mut head = Vec::new();
        head.put_u16(units.len() as u16);
        head.push(u8::from(wide) | if rich { 8 | 4 } else { 0 });
        if rich {
            head.put_u16(1);
            head.put_u32(3);
        }
        // A head is never cut, and is followed by a character at least.
        if parts.last().expect("one").len() + head.len() + 2 > cut {
            parts.push(Vec::new());
        }
        parts.last_mut().expect("one").extend(head);
        for unit in units {
            if parts.last().expect("one").len() + 2 > cut {
                wide = true;
                parts.push(vec![1]);
            }
            let part = parts.last_mut().expect("one");
            part.push(unit as u8);
            if wide {
                part.push((unit >> 8) as u8);
            }
        }
        if rich {
            for byte in [0, 0, 1, 0, 0xaa, 0xbb, 0xcc] {
                if parts.last().expect("one").len() + 1 > cut {
                    parts.push(Vec::new());
                }
                parts.last_mut().expect("one").push(byte);
            }
        }
    }
    for (i, part) in parts.iter().enumerate() {
        record(bytes, if i == 0 { 0xfc } else { 0x3c }, part);
    }
}

/// A compound file with one stream: in the mini stream when it is short.
pub fn compound(name: &str, stream: &[u8]) -> Vec<u8> {
    let short = stream.len() < MINI_LIMIT;
    let mut data = stream.to_vec();
    pad(&mut data, if short { MINI_SECTOR } else { SECTOR });
    let minis = if short { data.len() / MINI_SECTOR } else { 0 };
    pad(&mut data, SECTOR);

    // Sectors: FAT, directory, mini FAT (if any), data.
    let data_sectors = data.len() / SECTOR;
    let mini_fat_sectors = minis.div_ceil(SECTOR / 4);
    let mut fat_sectors = 1;
    while fat_sectors * (SECTOR / 4) < fat_sectors + 1 + mini_fat_sectors + data_sectors {
        fat_sectors += 1;
    }
    assert!(fat_sectors <= 109, "too long for a FAT whose numbers stand in the head");
    let directory_at = fat_sectors as u32;
    let mini_fat_at = directory_at + 1;
    let data_at = mini_fat_at + mini_fat_sectors as u32;

    let mut fat = vec![FAT_SECTOR; fat_sectors];
    for length in [1, mini_fat_sectors, data_sectors] {
        push_chain(&mut fat, length);
    }
    fat.resize(fat_sectors * SECTOR / 4, FREE);
    let mut mini_fat = Vec::new();
    push_chain(&mut mini_fat, minis);
    mini_fat.resize(mini_fat_sectors * SECTOR / 4, FREE);

    let mut bytes = vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    bytes.resize(24, 0);
    for word in [0x3e, 3, 0xfffe, 9, 6] {
        bytes.put_u16(word);
    }
    bytes.resize(44, 0);
    let mini_fat_first = if short { mini_fat_at } else { END };
    for word in [fat_sectors as u32, directory_at, 0, MINI_LIMIT as u32, mini_fat_first] {
        bytes.put_u32(word);
    }
    for word in [mini_fat_sectors as u32, END, 0] {
        bytes.put_u32(word);
    }
    for i in 0..109 {
        bytes.put_u32(if i < fat_sectors { i as u32 } else { FREE });
    }
    put_all(&mut bytes, &fat);

    let (root, first) = if short { (data_at, 0) } else { (END, data_at) };
    entry(&mut bytes, "Root Entry", 5, root, if short { data.len() } else { 0 });
    entry(&mut bytes, name, 2, first, stream.len());
    bytes.resize(bytes.len() + 2 * 128, 0);
    put_all(&mut bytes, &mini_fat);
    bytes.extend(data);
    bytes
}

fn put_all(bytes: &mut Vec<u8>, words: &[u32]) {
    for &word in words {
        bytes.put_u32(word);
    }
}

/// `length` sectors in a row, appended to a FAT.
fn push_chain(fat: &mut Vec<u32>, length: usize) {
    let begin = fat.len();
    fat.extend((1..=length).map(|i| if i == length { END } else { (begin + i) as u32 }));
}

/// An entry of the directory, 128 bytes.
fn entry(bytes: &mut Vec<u8>, name: &str, kind: u8, first: u32, size: usize) {
    let begin = bytes.len();
    name.encode_utf16().for_each(|unit| bytes.put_u16(unit));
    bytes.resize(begin + 64, 0);
    bytes.put_u16(2 * (name.len() as u16 + 1));
    bytes.extend([kind, 1]);
    bytes.resize(begin + 116, 0);
    bytes.put_u32(first);
    bytes.put_u32(size as u32);
    bytes.resize(begin + 128, 0);
}
