//! Every number of a [`Document`], in full, as CSV and as JSON.

use serde_json::{Map, Value, json};

use super::document::{Block, Cell, Document, Pictures, Table};

/// One number a row: `table,row,column,name,value,shown`. `row` is the row's number from 1 and its
/// head; `name` tells the ends of a range from the figure itself.
pub fn csv(document: &Document) -> String {
    let mut out = csv::Writer::from_writer(Vec::new());
    let mut write = |fields: [&str; 6]| {
        out.write_record(fields).expect("writing to memory cannot fail");
    };
    write(["table", "row", "column", "name", "value", "shown"]);
    for (table, rows) in tables(document) {
        for (i, (head, cells)) in rows.iter().enumerate() {
            let row = format!("{} {head}", i + 1);
            for (column, cell) in cells {
                for (name, value) in &cell.numbers {
                    let shown = if name.is_empty() { &cell.text } else { &cell.note };
                    write([table, &row, column, name, &value.to_string(), shown]);
                }
            }
        }
    }
    let bytes = out.into_inner().expect("writing to memory cannot fail");
    String::from_utf8(bytes).expect("only texts were written")
}

/// The tables as lists of rows, one object a row.
pub fn json(document: &Document) -> Value {
    let mut all = Map::new();
    for (table, rows) in tables(document) {
        let rows = rows.into_iter().map(|(_, cells)| {
            let mut row = Map::new();
            for (column, cell) in cells {
                if !cell.is_number() {
                    row.insert(column.to_owned(), json!(cell.text));
                }
                for (name, value) in &cell.numbers {
                    let key = if name.is_empty() {
                        column.to_owned()
                    } else {
                        format!("{column}, {name}")
                    };
                    row.insert(key, json!(value));
                }
            }
            Value::Object(row)
        });
        all.insert(table.to_owned(), rows.collect());
    }
    Value::Object(all)
}

type Cells<'a> = Vec<(&'a str, &'a Cell)>;
type Rows<'a> = Vec<(&'a str, Cells<'a>)>;

/// Tables and pictures alike: name, rows of (head, cells with their columns).
fn tables(document: &Document) -> Vec<(&str, Rows<'_>)> {
    let blocks = document.sections.iter().flat_map(|section| &section.blocks);
    blocks
        .filter_map(|block| match block {
            Block::Table(table) => Some((table.id.as_str(), of_table(table))),
            Block::Pictures(pictures) => Some((pictures.id.as_str(), of_pictures(pictures))),
            _ => None,
        })
        .collect()
}

fn of_table(table: &Table) -> Rows<'_> {
    let columns = || table.columns.iter().map(String::as_str);
    let rows = table.rows.iter();
    rows.map(|row| (row.head(), columns().zip(&row.cells).collect())).collect()
}

fn of_pictures(pictures: &Pictures) -> Rows<'_> {
    let items = pictures.items.iter();
    items
        .map(|item| (item.path.as_str(), item.numbers.iter().map(|(n, c)| (*n, c)).collect()))
        .collect()
}
