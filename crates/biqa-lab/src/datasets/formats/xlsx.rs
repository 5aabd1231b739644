//! `.xlsx`: a zip archive of XML parts (`papers/datasets.md`, 1.4). Called by `sheet`.

use super::FormatError;
use super::sheet::{Cell, Sheet, choose};
use super::xml::{Event, Xml};
use super::zip::Archive;
use std::sync::Arc;

const WORKBOOK: &str = "xl/workbook.xml";
const RELATIONS: &str = "xl/_rels/workbook.xml.rels";
const STRINGS: &str = "xl/sharedStrings.xml";
/// The last row and column that a sheet can have, from 1.
const LAST_ROW: u32 = 1_048_576;
const LAST_COLUMN: u32 = 16_384;

/// Reads the sheet called `wanted`, else the first.
pub(super) fn read(bytes: &[u8], file: &str, wanted: Option<&str>) -> Result<Sheet, FormatError> {
    let mut archive = Archive::open(bytes, file)?;
    let workbook = part(&mut archive, file, WORKBOOK)?;
    let relations = part(&mut archive, file, RELATIONS)?;
    let sheets = sheets(Xml::new(file, WORKBOOK, &workbook)?)?;
    let names: Vec<String> = sheets.iter().map(|(name, _)| name.clone()).collect();
    let (name, id) = &sheets[choose(file, &names, wanted)?];
    let path = target(Xml::new(file, RELATIONS, &relations)?, id)?;
    let strings = match archive.read(STRINGS)? {
        Some(bytes) => strings(Xml::new(file, STRINGS, &bytes)?)?,
        None => Vec::new(), // a workbook without texts has none
    };
    let bytes = part(&mut archive, file, &path)?;
    let mut sheet = Sheet::new(file, name);
    cells(Xml::new(file, &path, &bytes)?, &strings, &mut sheet)?;
    Ok(sheet)
}

fn part(archive: &mut Archive, file: &str, name: &str) -> Result<Vec<u8>, FormatError> {
    archive.read(name)?.ok_or_else(|| {
        let found = "an archive without it (is it an .xlsx?)";
        FormatError::damaged(file, "its archive", format!("the part {name}"), found)
    })
}

/// Name and relation of every sheet, in the order of the tabs.
fn sheets(mut xml: Xml) -> Result<Vec<(String, String)>, FormatError> {
    let mut sheets = Vec::new();
    while let Some(event) = xml.next()? {
        if let Event::Start { name: "sheet", attributes } = event {
            let name = xml.attribute(attributes, "name")?;
            let id = xml.attribute(attributes, "r:id")?;
            if let (Some(name), Some(id)) = (name, id) {
                sheets.push((name.into_owned(), id.into_owned()));
            }
        }
    }
    Ok(sheets)
}

/// The part that a relation leads to.
fn target(mut relations: Xml, id: &str) -> Result<String, FormatError> {
    while let Some(event) = relations.next()? {
        if let Event::Start { name: "Relationship", attributes } = event
            && relations.attribute(attributes, "Id")?.as_deref() == Some(id)
            && let Some(target) = relations.attribute(attributes, "Target")?
        {
            return Ok(match target.strip_prefix('/') {
                Some(absolute) => absolute.to_owned(),
                None => format!("xl/{target}"),
            });
        }
    }
    Err(relations.damaged("the relation of a sheet", format!("no relation {id}")))
}

/// The shared strings. A text may be in several runs; phonetic hints (`rPh`) are not part of it.
fn strings(mut xml: Xml) -> Result<Vec<Arc<str>>, FormatError> {
    let mut strings = Vec::new();
    let mut text = String::new();
    let (mut in_text, mut in_hint) = (false, false);
    while let Some(event) = xml.next()? {
        match event {
            Event::Start { name: "t", .. } => in_text = true,
            Event::End { name: "t" } => in_text = false,
            Event::Start { name: "rPh", .. } => in_hint = true,
            Event::End { name: "rPh" } => in_hint = false,
            Event::Text(more) if in_text && !in_hint => text.push_str(&more),
            Event::End { name: "si" } => strings.push(Arc::from(std::mem::take(&mut text))),
            _ => {}
        }
    }
    Ok(strings)
}

/// Fills `sheet`. A row or cell without a reference follows the one before.
fn cells(mut xml: Xml, strings: &[Arc<str>], sheet: &mut Sheet) -> Result<(), FormatError> {
    let (mut row, mut column) = (0, 0); // from 1; 0 is before the first
    let mut kind = String::new();
    let mut value = String::new();
    let (mut in_value, mut in_hint) = (false, false);
    while let Some(event) = xml.next()? {
        match event {
            Event::Start { name: "row", attributes } => {
                row = match xml.attribute(attributes, "r")? {
                    Some(text) => text.parse().unwrap_or(0),
                    None => row + 1,
                };
                column = 0;
                if !(1..=LAST_ROW).contains(&row) {
                    return Err(xml.damaged("a row of 1 to 1048576", attributes));
                }
            }
            Event::Start { name: "c", attributes } => {
                (row, column) = match xml.attribute(attributes, "r")? {
                    Some(text) => place(&text).unwrap_or((0, 0)),
                    None => (row, column + 1),
                };
                if !(1..=LAST_ROW).contains(&row) || !(1..=LAST_COLUMN).contains(&column) {
                    return Err(xml.damaged("a cell of A1 to XFD1048576", attributes));
                }
                let found = xml.attribute(attributes, "t")?;
                kind = found.map_or_else(|| "n".to_owned(), std::borrow::Cow::into_owned);
                value.clear();
            }
            // A formula stands in `f` and is not read; its last result stands in `v`.
            Event::Start { name: "v" | "t", .. } => in_value = true,
            Event::End { name: "v" | "t" } => in_value = false,
            Event::Start { name: "rPh", .. } => in_hint = true,
            Event::End { name: "rPh" } => in_hint = false,
            Event::Text(text) if in_value && !in_hint => value.push_str(&text),
            Event::End { name: "c" } if column > 0 => {
                let cell = cell(&kind, &value, strings).ok_or_else(|| {
                    let name = super::sheet::reference(row - 1, column - 1);
                    xml.damaged("a value of a known type", format!("{kind} {value:?} in {name}"))
                })?;
                sheet.set(row - 1, column - 1, cell)?;
            }
            Event::End { name: "sheetData" } => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// A value by its type; `None` when it cannot be of that type.
fn cell(kind: &str, value: &str, strings: &[Arc<str>]) -> Option<Cell> {
    let text = |text: &str| if text.is_empty() { Cell::Empty } else { Cell::Text(text.into()) };
    Some(match (kind, value.trim()) {
        // `str` is the text of a formula, `d` a date in words.
        ("inlineStr" | "str" | "d", _) => text(value),
        ("s" | "n" | "b" | "e", "") | ("e", _) => Cell::Empty,
        ("s", index) => match strings.get(index.parse::<usize>().ok()?)? {
            shared if shared.is_empty() => Cell::Empty,
            shared => Cell::Text(shared.clone()),
        },
        ("n", number) => Cell::Number(number.parse().ok()?),
        ("b", "1") => Cell::Bool(true),
        ("b", "0") => Cell::Bool(false),
        _ => return None,
    })
}

/// Row and column, from 1, of a reference such as `B5`.
fn place(reference: &str) -> Option<(u32, u32)> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (letters, digits) = reference.split_at(letters);
    let mut column = 0_u32;
    for letter in letters.bytes() {
        let value = u32::from(letter.to_ascii_uppercase() - b'A') + 1;
        column = column.checked_mul(26)?.checked_add(value)?;
    }
    Some((digits.parse().ok()?, column))
}
