//! `.xlsx` workbooks.

use super::Put;
use std::fmt::Write as _;
use std::io::Write as _;

/// A cell, by the way it is stored.
#[derive(Debug, Clone)]
pub enum Cell {
    /// A text of the shared strings.
    Shared(String),
    /// A text in the sheet.
    Inline(String),
    /// The text that a formula gave.
    Formula(String),
    /// A number.
    Number(f64),
    /// TRUE or FALSE.
    Bool(bool),
    /// An error value.
    Error(&'static str),
    /// A cell with a style and no value.
    Blank,
    /// No cell at all.
    Gap,
}

/// How the parts lie in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As they are.
    Stored,
    /// Deflated.
    Deflated,
}

/// A workbook: name and rows of every sheet, from A1 on.
pub fn workbook(sheets: &[(&str, Vec<Vec<Cell>>)], packing: Packing) -> Vec<u8> {
    let mut strings = Vec::new();
    let mut parts = Vec::new();
    let (mut tabs, mut relations) = (String::new(), String::new());
    for (i, (name, rows)) in (1..).zip(sheets) {
        let name = escaped(name);
        // The parts do not lie in the order of the tabs: the relation leads to them.
        let target = format!("worksheets/sheet{}.xml", sheets.len() + 1 - i);
        write!(tabs, "<sheet name=\"{name}\" sheetId=\"{i}\" r:id=\"rId{i}\"/>").expect("memory");
        write!(
            relations,
            "<Relationship Id=\"rId{i}\" Type=\"http://x/worksheet\" Target=\"{target}\"/>"
        )
        .expect("memory");
        parts.push((format!("xl/{target}"), sheet(rows, &mut strings)));
    }
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n";
    parts.push((
        "xl/workbook.xml".to_owned(),
        format!("{head}<workbook xmlns:r=\"http://x/r\"><sheets>{tabs}</sheets></workbook>"),
    ));
    parts.push((
        "xl/_rels/workbook.xml.rels".to_owned(),
        format!("{head}<Relationships>{relations}</Relationships>"),
    ));
    let items: Vec<String> = strings.iter().map(|text| runs(text)).collect();
    let items = items.concat();
    parts.push(("xl/sharedStrings.xml".to_owned(), format!("{head}<sst>{items}</sst>")));
    zip(&parts, packing)
}

/// An archive of text parts.
pub fn zip(parts: &[(String, String)], packing: Packing) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, text) in parts {
        let data = text.as_bytes();
        let (method, packed) = match packing {
            Packing::Stored => (0, data.to_vec()),
            Packing::Deflated => (8, deflated(data)),
        };
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let local = bytes.len() as u32;
        let mut head = Vec::new();
        for word in [20, 0, method, 0, 0] {
            head.put_u16(word);
        }
        for word in [crc.sum(), packed.len() as u32, data.len() as u32] {
            head.put_u32(word);
        }
        head.put_u16(name.len() as u16);
        head.put_u16(0);

        bytes.extend(b"PK\x03\x04");
        bytes.extend(&head);
        bytes.extend(name.as_bytes());
        bytes.extend(&packed);

        directory.extend(b"PK\x01\x02");
        directory.put_u16(20);
        directory.extend(&head);
        directory.extend([0; 6]); // comment, disk, internal attributes
        directory.put_u32(0);
        directory.put_u32(local);
        directory.extend(name.as_bytes());
    }
    let begin = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06");
    for word in [0, 0, parts.len() as u16, parts.len() as u16] {
        bytes.put_u16(word);
    }
    bytes.put_u32(directory.len() as u32);
    bytes.put_u32(begin);
    bytes.put_u16(0);
    bytes
}

fn deflated(data: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

fn sheet(rows: &[Vec<Cell>], strings: &mut Vec<String>) -> String {
    let mut text = String::from("<worksheet><sheetData>");
    for (row, cells) in (1..).zip(rows) {
        write!(text, "<row r=\"{row}\">").expect("memory");
        for (column, cell) in ('A'..='Z').zip(cells) {
            text.push_str(&one(&format!("{column}{row}"), cell, strings));
        }
        text.push_str("</row>");
    }
    text + "</sheetData></worksheet>"
}

fn one(place: &str, cell: &Cell, strings: &mut Vec<String>) -> String {
    let full = |kind: &str, inside: String| format!("<c r=\"{place}\"{kind}>{inside}</c>");
    match cell {
        Cell::Shared(shared) => {
            let index = strings.iter().position(|found| found == shared).unwrap_or_else(|| {
                strings.push(shared.clone());
                strings.len() - 1
            });
            full(" t=\"s\"", format!("<v>{index}</v>"))
        }
        Cell::Inline(text) => {
            full(" t=\"inlineStr\"", format!("<is><t>{}</t></is>", escaped(text)))
        }
        Cell::Formula(text) => {
            full(" t=\"str\"", format!("<f>A1&amp;\"\"</f><v>{}</v>", escaped(text)))
        }
        Cell::Number(number) => full("", format!("<v>{number:e}</v>")),
        Cell::Bool(value) => full(" t=\"b\"", format!("<v>{}</v>", u8::from(*value))),
        Cell::Error(error) => full(" t=\"e\"", format!("<v>{error}</v>")),
        Cell::Blank => format!("<c r=\"{place}\" s=\"1\"/>"),
        Cell::Gap => String::new(),
    }
}

/// A shared string in two runs with a phonetic hint, as Excel writes formatted text.
fn runs(text: &str) -> String {
    let middle = text.char_indices().nth(1).map_or(text.len(), |(at, _)| at);
    let [a, b] = [&text[..middle], &text[middle..]].map(escaped);
    format!(
        "<si><r><t xml:space=\"preserve\">{a}</t></r><r><rPr><b/></rPr><t>{b}</t></r>\
         <rPh sb=\"0\" eb=\"1\"><t>hint</t></rPh></si>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&#34;")
}
