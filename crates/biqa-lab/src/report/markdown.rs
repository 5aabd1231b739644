//! A [`Document`] as Markdown: the same words and tables. Of a plot stands what it shows; the
//! pictures are a table.

use std::fmt::Write as _;

use super::document::{Block, Cell, Document, Pictures, Table};

/// The text. `page` is the name of the HTML twin.
pub fn render(document: &Document, page: &str) -> String {
    let mut out = format!("# {}\n\n{}\n", line(&document.title), line(&document.lead));
    let _ = writeln!(out, "\nPlots and pictures are in [{0}]({0}).", line(page));
    for section in &document.sections {
        let _ = writeln!(out, "\n## {}", line(&section.title));
        for block in &section.blocks {
            out.push('\n');
            let _ = match block {
                Block::Head(words) => writeln!(out, "### {}", line(words)),
                Block::Text(words) => writeln!(out, "{}", line(words)),
                Block::Warning(words) => writeln!(out, "> **Note:** {}", line(words)),
                Block::Facts(facts) => facts
                    .iter()
                    .try_for_each(|(name, what)| writeln!(out, "- {}: {}", line(name), line(what))),
                Block::Plot(plot) => writeln!(out, "*Plot: {}*", line(&plot.caption)),
                Block::Table(table) => self::table(&mut out, table),
                Block::Pictures(pictures) => self::pictures(&mut out, pictures),
            };
        }
    }
    out
}

fn table(out: &mut String, table: &Table) -> std::fmt::Result {
    writeln!(out, "{}\n", line(&table.caption))?;
    let heads: Vec<String> = table.columns.iter().map(|c| line(c)).collect();
    writeln!(out, "| {} |", heads.join(" | "))?;
    let is_number =
        |i: usize| table.rows.iter().any(|row| row.cells.get(i).is_some_and(Cell::is_number));
    let rules: Vec<&str> =
        (0..heads.len()).map(|i| if is_number(i) { "---:" } else { "---" }).collect();
    writeln!(out, "| {} |", rules.join(" | "))?;
    for row in &table.rows {
        let cells: Vec<String> = row
            .cells
            .iter()
            .map(|cell| {
                let text = line(&cell.text);
                let text =
                    if row.strong && !text.is_empty() { format!("**{text}**") } else { text };
                if cell.note.is_empty() { text } else { format!("{text} ({})", line(&cell.note)) }
            })
            .collect();
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn pictures(out: &mut String, pictures: &Pictures) -> std::fmt::Result {
    writeln!(out, "{}\n", line(&pictures.caption))?;
    let Some(first) = pictures.items.first() else { return Ok(()) };
    let names: Vec<&str> = first.numbers.iter().map(|(name, _)| *name).collect();
    writeln!(out, "| image | {} |", names.join(" | "))?;
    writeln!(out, "| --- |{}", " ---: |".repeat(names.len()))?;
    for item in &pictures.items {
        let texts: Vec<&str> = item.numbers.iter().map(|(_, cell)| cell.text.as_str()).collect();
        writeln!(out, "| `{}` | {} |", line(&item.path).replace('`', "'"), texts.join(" | "))?;
    }
    Ok(())
}

/// On one line, without what Markdown or a table would take for its own.
fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '<' | '[' | ']' | '`' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
