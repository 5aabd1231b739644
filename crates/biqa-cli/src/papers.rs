//! What `docs/papers.md` says of a method, laid out for a terminal. `biqa models --papers` asks.

use std::iter::{once, repeat};

use crate::words::wrapped;

const PAGE: &str = include_str!("../../../docs/papers.md");
/// What a variant without its paper's heaviest part adds to the name of the method.
const LITE: &str = "-lite";
/// Fewer columns than this are taken for so many: words don't fit.
const NARROWEST: usize = 24;
/// What an item of a list begins with; its other lines are set in by as much.
const ITEM: &str = "- ";

/// The heading under which an entry of the registry stands: a variant stands with its method.
pub fn heading(name: &str) -> &str {
    name.strip_suffix(LITE).unwrap_or(name)
}

/// What stands under a heading; `None` where it is no paper's method.
pub fn section(heading: &str) -> Option<&'static str> {
    PAGE.split("\n## ").skip(1).find_map(|part| {
        let (title, text) = part.split_once('\n')?;
        (title.trim_end() == heading).then_some(text.trim())
    })
}

/// A section's lines, at most `width` columns wide: paragraphs and items are filled, what stands
/// between fences (an entry for a bibliography) stays as it is.
pub fn laid_out(section: &str, width: usize) -> Vec<String> {
    let width = width.max(NARROWEST);
    let (mut lines, mut open, mut fenced) = (Vec::new(), String::new(), false);
    for line in section.lines() {
        if line.starts_with("```") {
            close(&mut open, width, &mut lines);
            fenced = !fenced;
        } else if fenced {
            lines.push(line.to_owned());
        } else if line.is_empty() {
            close(&mut open, width, &mut lines);
            lines.push(String::new());
        } else {
            if line.starts_with(ITEM) {
                close(&mut open, width, &mut lines);
            }
            if !open.is_empty() {
                open.push(' ');
            }
            open.push_str(line.trim());
        }
    }
    close(&mut open, width, &mut lines);
    lines
}

/// Ends the paragraph or item that is open.
fn close(open: &mut String, width: usize, lines: &mut Vec<String>) {
    let text = std::mem::take(open).replace("**", "");
    if text.is_empty() {
        return;
    }
    let (mark, inset, words) = match text.strip_prefix(ITEM) {
        Some(words) => (ITEM, "  ", words),
        None => ("", "", text.as_str()),
    };
    let filled = wrapped(words, width - mark.len());
    let marks = once(mark).chain(repeat(inset));
    lines.extend(filled.iter().zip(marks).map(|(line, mark)| format!("{mark}{line}")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    const TEXT: &str = "One two\nthree.\n\n```bibtex\n@article{a,  b}\n```\n\n**Stated**\n\
                        - four five six\n- seven\n  eight";

    #[test]
    fn paragraphs_and_items_are_filled_and_fenced_lines_stay() {
        let lines = laid_out(TEXT, usize::MAX);
        let expected = ["One two three.", "", "@article{a,  b}", "", "Stated"];
        assert_eq!(lines[..5], expected);
        assert_eq!(lines[5..], ["- four five six", "- seven eight"]);
        let text = "- four five six seven eight nine";
        assert_eq!(laid_out(text, 24), ["- four five six seven", "  eight nine"]);
        assert_eq!(laid_out(text, 1), laid_out(text, 24), "too narrow for words");
    }

    #[test]
    fn no_line_of_a_section_is_wider_than_the_terminal_but_fenced_ones() {
        let text = section("deiqt").expect("a section");
        let (before, rest) = text.split_once("```").expect("a fence");
        let (_, after) = rest.split_once("```").expect("its end");
        for width in [24, 80, 200] {
            for line in laid_out(before, width).iter().chain(&laid_out(after, width)) {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_variant_stands_with_its_method_and_only_whole_names_count() {
        assert_eq!(heading("csfiqa-lite"), "csfiqa");
        assert_eq!(heading("lite"), "lite");
        assert!(section("csiqa").is_some_and(|text| text.contains("ICML 2024")));
        for none in ["lite", "csi", "deiqt\n", ""] {
            assert_eq!(section(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_page_is_as_wide_as_the_other_documents() {
        for (i, line) in PAGE.lines().enumerate() {
            assert!(line.width() <= 120, "docs/papers.md:{}: {} columns", i + 1, line.width());
        }
    }
}
