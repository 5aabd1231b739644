//! The compressions of strips and tiles (TIFF 6.0, sections 9 and 13; Adobe's deflate note), and
//! the horizontal predictor (section 14).

use std::io::Read;

use super::super::error::Fault;
use super::FORMAT;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    Jpeg,
}

impl Compression {
    pub(super) fn from_tag(value: u32) -> Result<Self, Fault> {
        let name = match value {
            1 => return Ok(Self::None),
            5 => return Ok(Self::Lzw),
            7 => return Ok(Self::Jpeg),
            8 | 32946 => return Ok(Self::Deflate),
            32773 => return Ok(Self::PackBits),
            2..=4 | 32771 => "fax-coded",
            6 => "old-style JPEG",
            34712 => "JPEG 2000",
            34925 => "LZMA",
            50000 => "Zstandard",
            50001 => "WebP",
            other => return Err(Fault::unsupported(format_args!("TIFF (compression {other})"))),
        };
        Err(Fault::unsupported(format_args!("{name} TIFF")))
    }
}

/// Decompresses into `out`; returns how many bytes there were (data beyond `out` is ignored).
/// JPEG is not for this function.
pub(super) fn decompress(
    compression: Compression,
    data: &[u8],
    out: &mut [u8],
) -> Result<usize, Fault> {
    match compression {
        Compression::None | Compression::Jpeg => {
            let n = data.len().min(out.len());
            out[..n].copy_from_slice(&data[..n]);
            Ok(n)
        }
        Compression::PackBits => Ok(packbits(data, out)),
        Compression::Deflate => deflate(data, out),
        Compression::Lzw => lzw(data, out),
    }
}

fn deflate(data: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
    let mut inflater = flate2::bufread::ZlibDecoder::new(data);
    let mut done = 0;
    while done < out.len() {
        match inflater.read(&mut out[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(Fault::corrupt(FORMAT, format_args!("deflate: {error}"))),
        }
    }
    Ok(done)
}

fn lzw(data: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let (mut from, mut done) = (0, 0);
    while done < out.len() {
        let result = decoder.decode_bytes(&data[from..], &mut out[done..]);
        from += result.consumed_in;
        done += result.consumed_out;
        match result.status {
            Ok(weezl::LzwStatus::Ok) => {}
            Ok(weezl::LzwStatus::Done | weezl::LzwStatus::NoProgress) => break,
            Err(error) => return Err(Fault::corrupt(FORMAT, format_args!("LZW: {error}"))),
        }
    }
    Ok(done)
}

fn packbits(data: &[u8], out: &mut [u8]) -> usize {
    let (mut from, mut done) = (0, 0);
    while done < out.len() {
        let Some(&head) = data.get(from) else { break };
        from += 1;
        if head < 128 {
            let literal = &data[from..data.len().min(from + usize::from(head) + 1)];
            let n = literal.len().min(out.len() - done);
            out[done..done + n].copy_from_slice(&literal[..n]);
            from += literal.len();
            done += n;
            if literal.len() <= usize::from(head) {
                break;
            }
        } else if head > 128 {
            let Some(&byte) = data.get(from) else { break };
            from += 1;
            let n = (257 - usize::from(head)).min(out.len() - done);
            out[done..done + n].fill(byte);
            done += n;
        }
    }
    done
}

/// Undoes horizontal differences, per row, in units of `channels` samples of 8 or 16 bits.
pub(super) fn undo_predictor(
    rows: &mut [u8],
    row_bytes: usize,
    channels: usize,
    wide: bool,
    little: bool,
) {
    for row in rows.chunks_exact_mut(row_bytes) {
        if wide {
            let read = |pair: &[u8]| {
                let pair = [pair[0], pair[1]];
                if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
            };
            for at in (2 * channels..row.len() - 1).step_by(2) {
                let sum = read(&row[at..]).wrapping_add(read(&row[at - 2 * channels..]));
                let bytes = if little { sum.to_le_bytes() } else { sum.to_be_bytes() };
                row[at..at + 2].copy_from_slice(&bytes);
            }
        } else {
            for at in channels..row.len() {
                row[at] = row[at].wrapping_add(row[at - channels]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_unpacks() {
        let packed = [
            0xFE, 0xAA, 0x02, 0x80, 0x00, 0x2A, 0xFD, 0xAA, 0x03, 0x80, 0x00, 0x2A, 0x22, 0xF7,
            0xAA,
        ];
        let mut out = [0; 24];
        assert_eq!(packbits(&packed, &mut out), 24);
        let expected = [
            0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0xAA, 0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A, 0x22,
            0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA,
        ];
        assert_eq!(out, expected);
        for cut in 0..packed.len() {
            assert!(packbits(&packed[..cut], &mut out) < 24, "cut at {cut}");
        }
    }

    #[test]
    fn differences_are_summed_per_channel() {
        let mut row = [1, 10, 1, 1, 255, 0];
        undo_predictor(&mut row, 6, 2, false, true);
        assert_eq!(row, [1, 10, 2, 11, 1, 11]);
        let mut wide = [0, 255, 0, 1];
        undo_predictor(&mut wide, 4, 1, true, false);
        assert_eq!(wide, [0, 255, 1, 0]);
    }
}
