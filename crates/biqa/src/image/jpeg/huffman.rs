//! The entropy-coded bits of a scan: a bit reader that knows when it has run dry, and Huffman tables
//! (ITU-T T.81, annexes C and F.2.2).

/// Codes up to this length are found by one look-up.
const FAST: u32 = 9;

/// A table ready to decode with.
#[derive(Clone, Debug)]
pub(super) struct Huffman {
    /// `length << 8 | symbol` for every 9-bit prefix; 0: a longer code.
    fast: Vec<u16>,
    /// The first 16-bit window beyond all codes of a length.
    limit: [u32; 18],
    /// What to add to a code of a length to find its symbol.
    delta: [i32; 17],
    symbols: Vec<u8>,
}

impl Huffman {
    /// From the 16 counts and the symbols of a DHT segment. `None`: no prefix code has these counts.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut fast = vec![0; 1 << FAST];
        let mut limit = [0; 18];
        let mut delta = [0; 17];
        let (mut code, mut first) = (0u32, 0usize);
        for length in 1..=16u32 {
            let count = usize::from(counts[length as usize - 1]);
            delta[length as usize] = first as i32 - code as i32;
            for symbol in symbols.get(first..first + count)? {
                if length <= FAST {
                    let at = (code << (FAST - length)) as usize;
                    let entry = (length as u16) << 8 | u16::from(*symbol);
                    fast.get_mut(at..at + (1 << (FAST - length)))?.fill(entry);
                }
                code += 1;
            }
            if code > 1 << length {
                return None;
            }
            first += count;
            limit[length as usize] = code << (16 - length);
            code <<= 1;
        }
        limit[17] = u32::MAX;
        Some(Self { fast, limit, delta, symbols: symbols[..first].to_vec() })
    }
}

/// The bits of one scan, from `pos` on. At a marker or at the end of the data it goes on with
/// zeros and counts them; [`Bits::ran_dry`] says whether any of those was used.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next byte to take; stays at the marker that stopped the reader.
    pos: usize,
    /// The next bits, left-aligned.
    buffer: u64,
    count: u32,
    padding: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8], pos: usize) -> Self {
        Self { data, pos, buffer: 0, count: 0, padding: 0 }
    }

    /// Where the search for the next marker begins.
    pub(super) fn position(&self) -> usize {
        self.pos
    }

    pub(super) fn ran_dry(&self) -> bool {
        self.padding > self.count
    }

    /// At least 32 bits afterwards: enough for one code and its extra bits.
    #[inline]
    fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(&[a, b, c, d]) =
            self.data.get(self.pos..self.pos + 4).and_then(|s| s.first_chunk())
            && a != 0xFF
            && b != 0xFF
            && c != 0xFF
            && d != 0xFF
        {
            let word = u64::from(u32::from_be_bytes([a, b, c, d]));
            self.buffer |= word << (32 - self.count);
            self.count += 32;
            self.pos += 4;
            return;
        }
        while self.count < 32 {
            let byte = match (self.data.get(self.pos), self.data.get(self.pos + 1)) {
                (Some(0xFF), Some(0)) => {
                    self.pos += 2;
                    0xFF
                }
                // A marker, or the end.
                (Some(0xFF) | None, _) => {
                    self.padding += 8;
                    0
                }
                (Some(&byte), _) => {
                    self.pos += 1;
                    byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    #[inline]
    fn take(&mut self, n: u32) {
        self.buffer <<= n;
        self.count -= n;
        // Zeros that were taken stay counted, so that `ran_dry` holds for ever.
    }

    /// `n` bits, at most 16, as a number.
    #[inline]
    pub(super) fn bits(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        self.refill();
        let value = (self.buffer >> (64 - n)) as u32;
        self.take(n);
        value
    }

    #[inline]
    pub(super) fn bit(&mut self) -> bool {
        self.bits(1) != 0
    }

    /// The next symbol; `None`: no code begins with these bits.
    #[inline]
    pub(super) fn symbol(&mut self, table: &Huffman) -> Option<u8> {
        self.refill();
        let entry = table.fast[(self.buffer >> (64 - FAST)) as usize];
        if entry != 0 {
            self.take(u32::from(entry >> 8));
            return Some(entry as u8);
        }
        let window = (self.buffer >> 48) as u32;
        let mut length = FAST + 1;
        while window >= table.limit[length as usize] {
            length += 1;
        }
        if length > 16 {
            return None;
        }
        let code = (window >> (16 - length)) as i32;
        self.take(length);
        table.symbols.get((code + table.delta[length as usize]) as usize).copied()
    }

    /// `n` extra bits (at most 15) as a signed difference: EXTEND of T.81, F.2.2.1.
    #[inline]
    pub(super) fn signed(&mut self, n: u32) -> i32 {
        if n == 0 {
            return 0;
        }
        let value = self.bits(n) as i32;
        if value < 1 << (n - 1) { value - (1 << n) + 1 } else { value }
    }

    /// Steps over the restart marker that must come now. `Ok(false)`: another marker or the end
    /// of the data comes first. `Err`: a restart marker out of its turn.
    pub(super) fn restart(&mut self, expected: u8) -> Result<bool, ()> {
        let Some((marker, next)) = next_marker(self.data, self.pos) else { return Ok(false) };
        match marker {
            0xD0..=0xD7 if marker == 0xD0 + expected => {
                *self = Self::new(self.data, next);
                Ok(true)
            }
            0xD0..=0xD7 => Err(()),
            _ => Ok(false),
        }
    }
}

/// The first marker at or after `pos`: its code and the position behind it.
pub(super) fn next_marker(data: &[u8], pos: usize) -> Option<(u8, usize)> {
    let mut at = pos;
    loop {
        at += data.get(at..)?.iter().position(|&byte| byte == 0xFF)?;
        match data.get(at + 1)? {
            0xFF => at += 1,
            0 => at += 2,
            &marker => return Some((marker, at + 2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_of_short_and_long_codes_are_found() {
        // One code of each length 1..=16, all ones left over.
        let symbols: Vec<u8> = (1..=16).collect();
        let table = Huffman::new(&[1; 16], &symbols).unwrap();
        // Code of length n: n-1 ones and a zero. Lengths 1, 3, 12.
        let bits = "0".to_owned() + "110" + "111111111110";
        let data: Vec<u8> = bits
            .as_bytes()
            .chunks(8)
            .map(|c| c.iter().fold(0, |v, b| v << 1 | (b - b'0')))
            .collect();
        let mut reader = Bits::new(&data, 0);
        assert_eq!([(); 3].map(|()| reader.symbol(&table)), [Some(1), Some(3), Some(12)]);
        assert!(!reader.ran_dry());
        reader.bits(1);
        assert!(reader.ran_dry());
    }

    #[test]
    fn counts_that_are_no_prefix_code_are_refused() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Huffman::new(&counts, &[0, 1, 2]).is_none());
        counts[0] = 2;
        assert!(Huffman::new(&counts, &[0]).is_none(), "symbols are missing");
    }

    #[test]
    fn fill_bytes_and_stuffed_bytes_are_no_markers() {
        assert_eq!(next_marker(&[1, 0xFF, 0, 0xFF, 0xFF, 0xD9], 0), Some((0xD9, 6)));
        assert_eq!(next_marker(&[1, 0xFF], 0), None);
    }
}
