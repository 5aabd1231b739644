//! PBM, PGM and PPM, plain and raw (netpbm's own rules; papers/images.md, section 1). Own code,
//! because the section fixes the rounding of every maxval and where comments may stand.

use super::error::Fault;
use super::native::{AlphaKind, Decoded, FoundProfile, Job, Model, Native, Plan, Samples, zeroed};

const FORMAT: &str = "PNM";

pub(super) fn decode(job: &Job) -> Result<Decoded, Fault> {
    let mut text = Text { bytes: job.bytes, pos: 2 };
    let variant = job.bytes[1]; // b'1'..=b'6', by the sniffer
    let bitmap = matches!(variant, b'1' | b'4');
    let channels = if matches!(variant, b'3' | b'6') { 3 } else { 1 };

    let width = text.number("the width")?;
    let height = text.number("the height")?;
    let maxval = if bitmap { 1 } else { text.number("the maxval")? };
    job.limits.check_size(FORMAT, width, height)?;
    if maxval == 0 || maxval > 65535 {
        return Err(Fault::corrupt(FORMAT, format_args!("maxval {maxval}, not 1 to 65535")));
    }
    let wide = maxval == 65535;
    let (w, h) = (width as usize, height as usize);
    let (width, height) = (width as u32, height as u32);
    job.check_memory(&Plan { width, height, channels, wide, orientation: 1, scratch: 0 })?;

    let per_row = w * usize::from(channels);
    let mut out =
        if wide { Samples::U16(zeroed(per_row * h)?) } else { Samples::U8(zeroed(per_row * h)?) };
    let done = match variant {
        b'1'..=b'3' => plain(job, &mut text, bitmap, maxval as u32, per_row, &mut out)?,
        b'4' => {
            text.end_of_header()?;
            packed(job, &text, w, &mut out)?
        }
        _ => {
            text.end_of_header()?;
            raw(job, &text, maxval as u32, per_row, &mut out)?
        }
    };

    let mut missing = None;
    let pixels_done = done / usize::from(channels);
    if done < per_row * h {
        if !job.fills_missing() || pixels_done == 0 {
            let (bytes, row) = (job.bytes.len(), done / per_row);
            return Err(Fault::truncated(
                FORMAT,
                format_args!("ends after {bytes} bytes, in row {row} of {h}"),
            ));
        }
        let mut flags = zeroed(w * h)?;
        flags[pixels_done..].fill(true);
        missing = Some(flags);
    }
    let model = if channels == 3 { Model::Rgb } else { Model::Gray };
    let native = Native { width, height, model, alpha: AlphaKind::None, samples: out, missing };
    Ok(Decoded {
        native,
        orientation: 1,
        profile: FoundProfile::None,
        frames: None,
        bits: (32 - (maxval as u32).leading_zeros()) as u8,
        stored_channels: channels,
        warnings: Vec::new(),
    })
}

/// `round(v * 255 / maxval)`, half up.
fn scale(v: u32, maxval: u32) -> u8 {
    ((510 * v + maxval) / (2 * maxval)) as u8
}

fn put(out: &mut Samples, at: usize, v: u32, maxval: u32) -> Result<(), Fault> {
    if v > maxval {
        return Err(Fault::corrupt(FORMAT, format_args!("value {v} above the maxval {maxval}")));
    }
    match out {
        Samples::U8(out) => out[at] = scale(v, maxval),
        Samples::U16(out) => out[at] = v as u16,
    }
    Ok(())
}

/// Numbers in words; returns how many there were. A bitmap's digits need no space between them.
fn plain(
    job: &Job,
    text: &mut Text,
    bitmap: bool,
    maxval: u32,
    per_row: usize,
    out: &mut Samples,
) -> Result<usize, Fault> {
    let total = out.len();
    for at in 0..total {
        if at % (32 * per_row) == 0 {
            job.check_cancel()?;
        }
        text.skip_space();
        if text.pos == text.bytes.len() {
            return Ok(at);
        }
        if bitmap {
            let digit = text.bytes[text.pos];
            text.pos += 1;
            match digit {
                b'0' => put(out, at, 1, 1)?,
                b'1' => put(out, at, 0, 1)?, // 1 is black
                other => {
                    return Err(Fault::corrupt(
                        FORMAT,
                        format_args!("byte {other:02x} in a bitmap, not 0 or 1"),
                    ));
                }
            }
        } else {
            let v = text.number("a value")?;
            put(out, at, u32::try_from(v).unwrap_or(u32::MAX), maxval)?;
        }
    }
    Ok(total)
}

/// P4: eight pixels a byte, rows padded to bytes; returns the number of pixels.
fn packed(job: &Job, text: &Text, width: usize, out: &mut Samples) -> Result<usize, Fault> {
    let data = &text.bytes[text.pos..];
    let row_bytes = width.div_ceil(8);
    let Samples::U8(out) = out else { return Ok(0) };
    let mut done = 0;
    for (y, row) in out.chunks_exact_mut(width).enumerate() {
        if y % 32 == 0 {
            job.check_cancel()?;
        }
        let bits = data.get(y * row_bytes..).unwrap_or(&[]);
        let bits = &bits[..bits.len().min(row_bytes)];
        for (out, &byte) in row.chunks_mut(8).zip(bits) {
            for (i, out) in out.iter_mut().enumerate() {
                *out = if byte >> (7 - i) & 1 == 1 { 0 } else { 255 };
            }
            done += out.len();
        }
    }
    Ok(done)
}

/// P5 and P6: one byte a sample, or two (big-endian) above maxval 255.
fn raw(
    job: &Job,
    text: &Text,
    maxval: u32,
    per_row: usize,
    out: &mut Samples,
) -> Result<usize, Fault> {
    let data = &text.bytes[text.pos..];
    let size = if maxval > 255 { 2 } else { 1 };
    let total = out.len();
    for (at, sample) in data.chunks_exact(size).take(total).enumerate() {
        if at % (32 * per_row) == 0 {
            job.check_cancel()?;
        }
        let v = sample.iter().fold(0, |v, &byte| v << 8 | u32::from(byte));
        put(out, at, v, maxval)?;
    }
    Ok(total.min(data.len() / size))
}

/// The header's words. A comment (`#` to the end of the line) counts as space everywhere.
struct Text<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl Text<'_> {
    fn skip_space(&mut self) {
        while let Some(&byte) = self.bytes.get(self.pos) {
            if byte == b'#' {
                let line = self.bytes[self.pos..].iter().position(|&b| b == b'\n' || b == b'\r');
                self.pos = line.map_or(self.bytes.len(), |n| self.pos + n + 1);
            } else if is_space(byte) {
                self.pos += 1;
            } else {
                return;
            }
        }
    }

    fn number(&mut self, what: &str) -> Result<u64, Fault> {
        self.skip_space();
        let start = self.pos;
        let mut value = 0u64;
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(self.pos) {
            value = value.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
            self.pos += 1;
        }
        match self.bytes.get(self.pos) {
            None if start == self.pos => Err(Fault::ends_after(FORMAT, self.bytes.len())),
            Some(&byte) if start == self.pos || !(is_space(byte) || byte == b'#') => {
                Err(Fault::corrupt(FORMAT, format_args!("byte {byte:02x} in {what}, not a digit")))
            }
            _ => Ok(value),
        }
    }

    /// The one white space (or comment line) between the header and raw values.
    fn end_of_header(&mut self) -> Result<(), Fault> {
        match self.bytes.get(self.pos) {
            None => Err(Fault::ends_after(FORMAT, self.bytes.len())),
            Some(b'#') => {
                let line = self.bytes[self.pos..].iter().position(|&b| b == b'\n' || b == b'\r');
                let Some(line) = line else {
                    return Err(Fault::ends_after(FORMAT, self.bytes.len()));
                };
                self.pos += line + 1;
                Ok(())
            }
            Some(_) => {
                self.pos += 1;
                Ok(())
            }
        }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_half_up() {
        assert_eq!((scale(1, 100), scale(50, 100), scale(100, 100)), (3, 128, 255));
        assert_eq!((scale(1, 510), scale(3, 510)), (1, 2));
        assert_eq!(scale(65534, 65534), 255);
    }
}
