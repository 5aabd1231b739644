//! The tags and texts of an XML part of `.xlsx`, one after the other. No recursion, no document
//! types, no entities but the five of XML and numbers. Called by `xlsx`.

use super::FormatError;
use std::borrow::Cow;

/// A tag or a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event<'a> {
    /// `<name attributes>`; names are without their namespace's prefix.
    Start { name: &'a str, attributes: &'a str },
    /// `</name>`; `<name/>` gives a start and an end.
    End { name: &'a str },
    /// What stands between tags, entities replaced.
    Text(Cow<'a, str>),
}

/// A part that is read.
pub(super) struct Xml<'a> {
    file: &'a str,
    part: &'a str,
    text: &'a str,
    at: usize,
    depth: usize,
    /// The name of `<name/>` whose end comes next.
    empty: Option<&'a str>,
}

impl<'a> Xml<'a> {
    pub(super) fn new(file: &'a str, part: &'a str, bytes: &'a [u8]) -> Result<Self, FormatError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let place = format!("{part}, byte {}", error.valid_up_to());
            FormatError::damaged(file, place, "UTF-8", "other bytes")
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Ok(Xml { file, part, text, at: 0, depth: 0, empty: None })
    }

    /// The next tag or text; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Event<'a>>, FormatError> {
        if let Some(name) = self.empty.take() {
            self.depth -= 1;
            return Ok(Some(Event::End { name }));
        }
        loop {
            let rest = &self.text[self.at..];
            if rest.is_empty() {
                return match self.depth {
                    0 => Ok(None),
                    _ => Err(self.damaged("the end of an element", "the end of the part")),
                };
            }
            if !rest.starts_with('<') {
                let end = rest.find('<').unwrap_or(rest.len());
                let text = self.replace_entities(&rest[..end])?;
                self.at += end;
                return Ok(Some(Event::Text(text)));
            }
            if let Some(data) = rest.strip_prefix("<![CDATA[") {
                let text = &data[..self.find(data, "]]>")?];
                self.at += "<![CDATA[".len() + text.len() + "]]>".len();
                return Ok(Some(Event::Text(Cow::Borrowed(text))));
            }
            if rest.starts_with("<!--") {
                self.at += self.find(rest, "-->")? + "-->".len();
            } else if rest.starts_with("<?") {
                self.at += self.find(rest, "?>")? + "?>".len();
            } else if rest.starts_with("<!") {
                // A document type can define entities that grow without bound.
                return Err(self.damaged("a tag", "a document type"));
            } else {
                return self.tag(&rest[1..]).map(Some);
            }
        }
    }

    /// A tag, from behind its `<`.
    fn tag(&mut self, rest: &'a str) -> Result<Event<'a>, FormatError> {
        let end = tag_end(rest).ok_or_else(|| self.damaged("the end of a tag", "none"))?;
        let inside = &rest[..end];
        if let Some(name) = inside.strip_prefix('/') {
            let Some(depth) = self.depth.checked_sub(1) else {
                return Err(self.damaged("a tag that begins", "one that ends"));
            };
            self.depth = depth;
            self.at += end + 2;
            return Ok(Event::End { name: local(name.trim()) });
        }
        let (inside, empty) = match inside.strip_suffix('/') {
            Some(inside) => (inside, true),
            None => (inside, false),
        };
        let (name, attributes) = match inside.find(|c: char| c.is_ascii_whitespace()) {
            Some(end) => inside.split_at(end),
            None => (inside, ""),
        };
        let name = local(name);
        self.at += end + 2;
        self.depth += 1;
        self.empty = empty.then_some(name);
        Ok(Event::Start { name, attributes })
    }

    fn find(&self, text: &str, end: &str) -> Result<usize, FormatError> {
        text.find(end).ok_or_else(|| self.damaged(end, "the end of the part"))
    }

    fn replace_entities(&self, text: &'a str) -> Result<Cow<'a, str>, FormatError> {
        replaced(text).ok_or_else(|| self.damaged("an entity of XML", "another &..."))
    }

    /// An attribute's value.
    pub(super) fn attribute(
        &self,
        attributes: &'a str,
        wanted: &str,
    ) -> Result<Option<Cow<'a, str>>, FormatError> {
        let mut rest = attributes.trim_start();
        while let Some((name, after)) = rest.split_once('=') {
            let after = after.trim_start();
            let quote = after.chars().next().filter(|&quote| quote == '"' || quote == '\'');
            let Some(value) = quote.and_then(|quote| after[1..].split_once(quote)) else {
                return Err(self.damaged("a quoted value", "an attribute without"));
            };
            if name.trim() == wanted {
                return self.replace_entities(value.0).map(Some);
            }
            rest = value.1.trim_start();
        }
        Ok(None)
    }

    /// The error for where the reader stands.
    pub(super) fn damaged(&self, expected: &str, found: impl Into<String>) -> FormatError {
        let place = format!("{}, character {}", self.part, self.at);
        FormatError::damaged(self.file, place, expected, found)
    }
}

/// Where the `>` of a tag is: one inside quotes is none.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if byte == open => quote = None,
            _ => {}
        }
    }
    None
}

/// A name without the prefix of its namespace.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Entities replaced; `None` for one that XML does not have.
fn replaced(text: &str) -> Option<Cow<'_, str>> {
    let Some(first) = text.find('&') else { return Some(Cow::Borrowed(text)) };
    let mut out = String::with_capacity(text.len());
    let (before, mut rest) = text.split_at(first);
    out.push_str(before);
    while let Some(entity) = rest.strip_prefix('&') {
        let (name, after) = entity.split_once(';')?;
        out.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let code = name.strip_prefix('#')?;
                let code = match code.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => code.parse(),
                };
                char::from_u32(code.ok()?)?
            }
        });
        let next = after.find('&').unwrap_or(after.len());
        out.push_str(&after[..next]);
        rest = &after[next..];
    }
    Some(Cow::Owned(out))
}
