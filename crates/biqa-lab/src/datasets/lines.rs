//! Line numbers of records, for errors. Called by the readers of tables.
//!
//! The csv crate's own count stands before the line ends that it skips, so that it is one short
//! behind a blank line and in files from Windows.

/// Counts the lines of a file up to growing places; CRLF, LF and a lone CR each end one.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, line: 1 }
    }

    /// The line, from 1, of the record that begins at `byte` or behind the line ends there.
    pub(super) fn line(&mut self, byte: u64) -> u64 {
        let from = usize::try_from(byte).unwrap_or(usize::MAX).min(self.bytes.len());
        let blank = self.bytes[from..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        while self.at < from + blank {
            let crlf = self.bytes[self.at..].starts_with(b"\r\n");
            self.line += u64::from(matches!(self.bytes[self.at], b'\r' | b'\n'));
            self.at += 1 + usize::from(crlf);
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_counts_once() {
        let text = b"a\r\nb\n\nc\rd\r\n\r\ne";
        let mut lines = Lines::of(text);
        let found: Vec<u64> = (0..text.len())
            .filter(|&i| text[i].is_ascii_lowercase())
            .map(|i| lines.line(i as u64))
            .collect();
        assert_eq!(found, [1, 2, 4, 5, 7]);
        // From before the line ends, as the csv crate says where a record stands.
        let mut lines = Lines::of(text);
        assert_eq!((lines.line(1), lines.line(4), lines.line(9)), (2, 4, 7));
        assert_eq!(lines.line(1000), 7);
    }
}
