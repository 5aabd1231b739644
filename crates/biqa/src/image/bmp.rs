//! BMP: Windows and OS/2 headers, 1 to 32 bits, RLE, bit fields, both row orders
//! (papers/images.md, section 1). Own code: alpha counts only where the section says so.

use super::error::Fault;
use super::expand::{Palette, unpack};
use super::native::{AlphaKind, Decoded, FoundProfile, Job, Model, Native, Plan, Samples, zeroed};

const FORMAT: &str = "BMP";
/// Length of the file header.
const FILE_HEADER: usize = 14;

const RGB: u32 = 0;
const RLE8: u32 = 1;
const RLE4: u32 = 2;
const BITFIELDS: u32 = 3;
const ALPHA_BITFIELDS: u32 = 6;

struct Header {
    width: usize,
    height: usize,
    top_down: bool,
    bits: u16,
    compression: u32,
    /// Red, green, blue, alpha.
    masks: [u32; 4],
    /// Start and entry size of the palette, and the number of its entries.
    palette: (usize, usize, usize),
    /// Where the pixels begin.
    data: usize,
}

pub(super) fn decode(job: &Job) -> Result<Decoded, Fault> {
    let header = parse(job)?;
    let (w, h) = (header.width, header.height);
    let indexed = header.bits <= 8;
    let has_alpha = header.masks[3] != 0;
    let channels: u8 = if has_alpha { 4 } else { 3 };
    let rle = matches!(header.compression, RLE8 | RLE4);
    job.check_memory(&Plan {
        width: w as u32,
        height: h as u32,
        channels,
        wide: false,
        orientation: 1,
        scratch: if rle { (w * h) as u64 } else { w as u64 },
    })?;
    let palette = palette(job, &header);
    let data = job.bytes.get(header.data..).unwrap_or(&[]);

    // Stored rows, in file order; `done` counts whole ones.
    let mut samples = zeroed::<u8>(w * h * usize::from(channels))?;
    let done = if rle {
        let mut indices = zeroed(w * h)?;
        let done = runs(job, data, &header, &mut indices)?;
        for (y, row) in indices.chunks_exact(w).enumerate() {
            palette.expand(row, &mut samples[3 * w * header.target(y)..][..3 * w]);
        }
        done
    } else {
        rows(job, data, &header, &palette, usize::from(channels), &mut samples)?
    };
    let mut missing = None;
    if done < h {
        if !job.fills_missing() || done == 0 {
            let bytes = job.bytes.len();
            return Err(Fault::truncated(
                FORMAT,
                format_args!("ends after {bytes} bytes, in row {done} of {h}"),
            ));
        }
        let mut flags = zeroed(w * h)?;
        for y in done..h {
            flags[w * header.target(y)..][..w].fill(true);
        }
        missing = Some(flags);
    }
    Ok(Decoded {
        native: Native {
            width: w as u32,
            height: h as u32,
            model: Model::Rgb,
            alpha: if has_alpha { AlphaKind::Straight } else { AlphaKind::None },
            samples: Samples::U8(samples),
            missing,
        },
        orientation: 1,
        profile: FoundProfile::None,
        frames: Some(1),
        bits: match header.bits {
            24 | 32 => 8,
            16 => 5,
            bits => bits as u8,
        },
        stored_channels: if indexed { 1 } else { channels },
        warnings: Vec::new(),
    })
}

impl Header {
    /// The picture's row of the `y`-th stored one.
    fn target(&self, y: usize) -> usize {
        if self.top_down { y } else { self.height - 1 - y }
    }
}

fn parse(job: &Job) -> Result<Header, Fault> {
    let bytes = job.bytes;
    let ends = || Fault::ends_after(FORMAT, bytes.len());
    let u16_at = |at: usize| -> Result<u16, Fault> {
        let b = bytes.get(at..at + 2).ok_or_else(ends)?;
        Ok(u16::from_le_bytes([b[0], b[1]]))
    };
    let u32_at = |at: usize| -> Result<u32, Fault> {
        let b = bytes.get(at..at + 4).ok_or_else(ends)?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    let data = u32_at(10)? as usize;
    let size = u32_at(FILE_HEADER)? as usize;
    let core = size == 12;
    if !(core || (16..=124).contains(&size)) {
        return Err(Fault::corrupt(
            FORMAT,
            format_args!("a header of {size} bytes, not 12 or 16 to 124"),
        ));
    }
    // Fields beyond a short header are zero (OS/2 2.x may stop after any field from 16 on).
    let field = |offset: usize| {
        if offset + 4 <= size { u32_at(FILE_HEADER + offset) } else { Ok(0) }
    };
    let (width, height, bits) = if core {
        (i64::from(u16_at(18)?), i64::from(u16_at(20)?), u16_at(24)?)
    } else {
        (i64::from(field(4)? as i32), i64::from(field(8)? as i32), u16_at(28)?)
    };
    let compression = if core { RGB } else { field(16)? };
    let top_down = height < 0;
    let height = height.unsigned_abs();
    let Ok(width) = u64::try_from(width) else {
        return Err(Fault::corrupt(FORMAT, format_args!("width {width}")));
    };
    job.limits.check_size(FORMAT, width, height)?;
    match (bits, compression) {
        (1 | 4 | 8 | 16 | 24 | 32, RGB) | (8, RLE8) | (4, RLE4) => {}
        (16 | 32, BITFIELDS | ALPHA_BITFIELDS) if size != 64 => {}
        // OS/2 2.x gives 3 and 4 other meanings.
        (1, BITFIELDS) if size == 64 => return Err(Fault::unsupported("Huffman-coded BMP")),
        (24, 4) if size == 64 => return Err(Fault::unsupported("RLE24 BMP")),
        (_, 4) => return Err(Fault::unsupported("JPEG-in-BMP")),
        (_, 5) => return Err(Fault::unsupported("PNG-in-BMP")),
        (2, RGB) => return Err(Fault::unsupported("2-bit BMP")),
        _ => {
            let what = format_args!("{bits} bits with compression {compression}");
            return Err(Fault::corrupt(FORMAT, what));
        }
    }
    if top_down && matches!(compression, RLE8 | RLE4) {
        return Err(Fault::corrupt(FORMAT, "run lengths in a top-down picture"));
    }

    // Masks: behind a 40-byte header, or part of a longer one.
    let mut masks = match bits {
        16 => [0x7C00, 0x03E0, 0x001F, 0],
        _ => [0x00FF_0000, 0x0000_FF00, 0x0000_00FF, 0],
    };
    let mut after = FILE_HEADER + size;
    if matches!(compression, BITFIELDS | ALPHA_BITFIELDS) {
        for (i, mask) in masks.iter_mut().take(3).enumerate() {
            *mask = u32_at(FILE_HEADER + 40 + 4 * i)?;
        }
        if size < 52 {
            after = FILE_HEADER + 40 + if compression == BITFIELDS { 12 } else { 16 };
        }
        if masks[..3].contains(&0) && masks[..3].iter().all(|&m| m == 0) {
            return Err(Fault::corrupt(FORMAT, "colour masks that are all zero"));
        }
    }
    // Only a V4 or V5 header speaks of alpha (section 1).
    if size >= 108 && matches!(bits, 16 | 32) {
        masks[3] = u32_at(FILE_HEADER + 52)?;
    }

    let entry = if core { 3 } else { 4 };
    let used = if core { 0 } else { field(32)? as usize };
    let full = if bits <= 8 { 1usize << bits } else { 0 };
    let mut entries = if used == 0 { full } else { used.min(full) };
    if data > after {
        entries = entries.min((data - after) / entry);
    }
    Ok(Header {
        width: width as usize,
        height: height as usize,
        top_down,
        bits,
        compression,
        masks,
        palette: (after, entry, entries),
        // Zero is seen in the wild for "right behind the palette".
        data: if data == 0 { after + entries * entry } else { data },
    })
}

/// Blue, green, red(, zero) for every entry.
fn palette(job: &Job, header: &Header) -> Palette {
    let (start, entry, entries) = header.palette;
    let bytes = job.bytes.get(start..).unwrap_or(&[]);
    Palette::opaque(bytes.chunks_exact(entry).take(entries).map(|c| [c[2], c[1], c[0]]))
}

/// Uncompressed rows, each padded to four bytes; returns the number of whole ones.
fn rows(
    job: &Job,
    data: &[u8],
    header: &Header,
    palette: &Palette,
    channels: usize,
    samples: &mut [u8],
) -> Result<usize, Fault> {
    let (w, bits) = (header.width, usize::from(header.bits));
    let (used, stride) = ((w * bits).div_ceil(8), (w * bits).div_ceil(32) * 4);
    let fields = header.masks.map(Field::new);
    let plain32 =
        header.bits == 24 || (header.bits == 32 && header.masks == [0xFF_0000, 0xFF00, 0xFF, 0]);
    let mut indices = vec![0; if bits <= 8 { w } else { 0 }];
    for y in 0..header.height {
        if y % 32 == 0 {
            job.check_cancel()?;
        }
        // The padding of the last row may be missing.
        let Some(row) = data.get(y * stride..y * stride + used) else { return Ok(y) };
        let out = &mut samples[channels * w * header.target(y)..][..channels * w];
        if bits <= 8 {
            unpack(row, header.bits as u8, &mut indices);
            palette.expand(&indices, out);
        } else if plain32 {
            for (out, p) in out.chunks_exact_mut(3).zip(row.chunks_exact(bits / 8)) {
                out.copy_from_slice(&[p[2], p[1], p[0]]);
            }
        } else {
            for (out, p) in out.chunks_exact_mut(channels).zip(row.chunks_exact(bits / 8)) {
                let value = p.iter().rev().fold(0, |v, &byte| v << 8 | u32::from(byte));
                for (out, field) in out.iter_mut().zip(&fields) {
                    *out = field.level(value);
                }
            }
        }
    }
    Ok(header.height)
}

/// One colour's bits in a pixel.
#[derive(Clone, Copy)]
struct Field {
    mask: u32,
    shift: u32,
    max: u64,
}

impl Field {
    fn new(mask: u32) -> Self {
        let shift = mask.trailing_zeros() % 32;
        Self { mask, shift, max: u64::from(mask >> shift) }
    }

    /// `v * 255 / (2^b - 1)`, to the nearest level; an empty mask is 0.
    fn level(self, pixel: u32) -> u8 {
        if self.max == 0 {
            return 0;
        }
        let v = u64::from((pixel & self.mask) >> self.shift);
        ((v * 255 + self.max / 2) / self.max) as u8
    }
}

/// RLE4 and RLE8 into indices, row by row as stored. Pixels that are skipped keep index 0. Returns
/// the number of rows that are done: all of them where the end mark was met.
fn runs(job: &Job, data: &[u8], header: &Header, indices: &mut [u8]) -> Result<usize, Fault> {
    let (w, h) = (header.width, header.height);
    let four = header.compression == RLE4;
    let (mut x, mut y) = (0usize, 0usize);
    let mut bytes = data.iter().copied();
    let mut steps = 0u32;
    while y < h {
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(1024) {
            job.check_cancel()?;
        }
        let (Some(count), Some(value)) = (bytes.next(), bytes.next()) else {
            // Whole rows without the end mark are a whole picture.
            return Ok(if x >= w && y == h - 1 { h } else { y });
        };
        let mut put = |x: usize, index: u8| {
            if x < w {
                indices[y * w + x] = index;
            }
        };
        match (count, value) {
            (0, 0) => (x, y) = (0, y + 1),
            (0, 1) => return Ok(h),
            (0, 2) => {
                let (Some(dx), Some(dy)) = (bytes.next(), bytes.next()) else { return Ok(y) };
                x += usize::from(dx);
                y += usize::from(dy);
            }
            (0, n) => {
                let n = usize::from(n);
                let length = if four { n.div_ceil(2) } else { n };
                for i in 0..length {
                    let Some(byte) = bytes.next() else { return Ok(y) };
                    if four {
                        put(x + 2 * i, byte >> 4);
                        if 2 * i + 1 < n {
                            put(x + 2 * i + 1, byte & 15);
                        }
                    } else {
                        put(x + i, byte);
                    }
                }
                x += n;
                if length % 2 == 1 {
                    bytes.next(); // absolute runs are padded to 16 bits
                }
            }
            (n, value) => {
                for i in 0..usize::from(n) {
                    let index = match (four, i % 2) {
                        (false, _) => value,
                        (true, 0) => value >> 4,
                        (true, _) => value & 15,
                    };
                    put(x + i, index);
                }
                x += usize::from(n);
            }
        }
    }
    Ok(h)
}
