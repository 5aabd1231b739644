//! A [`Document`] as one HTML file: style inside, plots and pictures inside, no script, nothing that
//! is loaded from anywhere.

use std::fmt::Write as _;

use super::document::{Block, Cell, Document, Pictures, Section, Table};

const STYLE: &str = include_str!("style.css");

/// Bytes of a cell that gets more room.
const WIDE: usize = 24;

/// The page.
pub fn render(document: &Document) -> String {
    let title = escape(&document.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n\
         <h1>{title}</h1>\n<p class=\"lead\">{}</p>\n",
        escape(&document.lead)
    );
    if document.sections.len() > 1 {
        out.push_str("<nav aria-label=\"Parts of this report\"><ul>\n");
        for Section { id, title, .. } in &document.sections {
            let _ = writeln!(out, "<li><a href=\"#{}\">{}</a></li>", escape(id), escape(title));
        }
        out.push_str("</ul></nav>\n");
    }
    out.push_str("</header>\n<main>\n");
    for Section { id, title, blocks } in &document.sections {
        let (id, title) = (escape(id), escape(title));
        let _ = writeln!(out, "<section id=\"{id}\" aria-labelledby=\"{id}-h\">");
        let _ = writeln!(out, "<h2 id=\"{id}-h\">{title}</h2>");
        all(&mut out, blocks);
        out.push_str("</section>\n");
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// Blocks in order; plots that follow each other stand side by side where there is room.
fn all(out: &mut String, blocks: &[Block]) {
    let mut beside = false;
    for block in blocks {
        let is_plot = matches!(block, Block::Plot(_));
        if is_plot != beside {
            out.push_str(if is_plot { "<div class=\"plots\">\n" } else { "</div>\n" });
            beside = is_plot;
        }
        one(out, block);
    }
    if beside {
        out.push_str("</div>\n");
    }
}

fn one(out: &mut String, block: &Block) {
    let _ = match block {
        Block::Head(words) => writeln!(out, "<h3>{}</h3>", escape(words)),
        Block::Text(words) => writeln!(out, "<p>{}</p>", escape(words)),
        Block::Warning(words) => {
            writeln!(out, "<p class=\"warning\"><strong>Note:</strong> {}</p>", escape(words))
        }
        Block::Facts(facts) => {
            out.push_str("<dl>\n");
            for (name, what) in facts {
                let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(what));
            }
            writeln!(out, "</dl>")
        }
        Block::Plot(plot) => writeln!(
            out,
            "<figure>{}<figcaption>{}</figcaption></figure>",
            plot.svg,
            escape(&plot.caption)
        ),
        Block::Table(table) => {
            self::table(out, table);
            Ok(())
        }
        Block::Pictures(pictures) => {
            self::pictures(out, pictures);
            Ok(())
        }
    };
}

fn table(out: &mut String, table: &Table) {
    let caption = escape(&table.caption);
    if table.folded {
        let _ = writeln!(out, "<details><summary>{caption}</summary>");
    }
    // A box that scrolls must be reachable with the keyboard, and named.
    let _ = writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{0}-c\">\n\
         <table id=\"{0}\">\n<caption id=\"{0}-c\"><span>{caption}</span></caption>\n<thead><tr>",
        escape(&table.id)
    );
    for (i, column) in table.columns.iter().enumerate() {
        let numbers = table.rows.iter().any(|row| row.cells.get(i).is_some_and(Cell::is_number));
        let class = if numbers && i > 0 { " class=\"n\"" } else { "" };
        let _ = write!(out, "<th scope=\"col\"{class}>{}</th>", escape(column));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str(if row.strong { "<tr class=\"strong\">" } else { "<tr>" });
        for (i, cell) in row.cells.iter().enumerate() {
            let (tag, scope) = if i == 0 { ("th", " scope=\"row\"") } else { ("td", "") };
            let class = match (cell.is_number(), cell.text.len()) {
                _ if i == 0 => "",
                (true, _) => " class=\"n\"",
                (false, WIDE..) => " class=\"w\"",
                (false, _) => "",
            };
            let note = if cell.note.is_empty() {
                String::new()
            } else {
                format!("<small>{}</small>", escape(&cell.note))
            };
            let _ = write!(out, "<{tag}{scope}{class}>{}{note}</{tag}>", escape(&cell.text));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    if table.folded {
        out.push_str("</details>\n");
    }
}

fn pictures(out: &mut String, pictures: &Pictures) {
    let _ = writeln!(
        out,
        "<p class=\"lead\">{}</p>\n<ul class=\"pictures\">",
        escape(&pictures.caption)
    );
    for item in &pictures.items {
        let path = escape(&item.path);
        let _ = match &item.picture {
            Ok(data) => write!(
                out,
                "<li><img src=\"{}\" width=\"{}\" height=\"{}\" loading=\"lazy\" alt=\"{path}\">",
                data.uri, data.width, data.height
            ),
            Err(reason) if reason.is_empty() => write!(out, "<li>"),
            Err(reason) => {
                write!(out, "<li><div class=\"none\">no picture: {}</div>", escape(reason))
            }
        };
        let _ = write!(out, "<code>{path}</code><dl>");
        for (name, cell) in &item.numbers {
            let _ = write!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&cell.text));
        }
        out.push_str("</dl></li>\n");
    }
    out.push_str("</ul>\n");
}

/// Text as it may stand in an element or between double quotes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No browser shows these, and XML has no place for them.
            c if c.is_control() && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
