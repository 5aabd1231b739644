//! PNG and APNG (the default image). The container is walked here: limits, profile, orientation
//! and what may be skipped; the `png` crate then sees IHDR, PLTE and IDAT only, so that no text,
//! profile or animation chunk can cost or break anything (papers/images.md, sections 1 and 5).

use std::io::{Cursor, ErrorKind as IoKind, Read};

use super::error::Fault;
use super::exif;
use super::expand::{Palette, unpack, widen};
use super::native::{AlphaKind, Decoded, FoundProfile, Job, Model, Native, Plan, Samples, zeroed};
use super::picture::{Warning, WarningKind};

const FORMAT: &str = "PNG";
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Scanlines, inflate window and unfiltering buffer of the codec.
const CODEC_BYTES: u64 = 1 << 20;

/// The fields of IHDR that matter here.
#[derive(Clone, Copy, Debug)]
struct Header {
    width: u32,
    height: u32,
    bits: u8,
    color: u8,
    interlaced: bool,
}

impl Header {
    fn channels(self) -> usize {
        match self.color {
            0 | 3 => 1,
            4 => 2,
            2 => 3,
            _ => 4,
        }
    }
}

/// What the chunks said.
struct Container<'a> {
    header: Header,
    /// The file without its ancillary chunks.
    essential: Vec<u8>,
    palette: &'a [u8],
    transparency: Option<&'a [u8]>,
    srgb: bool,
    cicp: Option<[u8; 4]>,
    iccp: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
    frames: u32,
    /// The file ends inside its last chunk, or before the pixels are complete.
    cut: bool,
}

pub(super) fn decode(job: &Job) -> Result<Decoded, Fault> {
    let container = walk(job)?;
    let header = container.header;
    let mut warnings = Vec::new();
    let profile = match container.cicp {
        Some([1, 13, 0, 1]) => FoundProfile::Srgb,
        Some([primaries, transfer, ..]) => {
            let text = format!("the colour space cICP {primaries}/{transfer} is not applied");
            warnings.push(Warning::new(WarningKind::ColorSpaceIgnored, text));
            FoundProfile::None
        }
        None if container.srgb => FoundProfile::Srgb,
        None => match container.iccp {
            Some(chunk) => inflate_profile(job, chunk)?,
            None => FoundProfile::None,
        },
    };
    let orientation = container.exif.map_or(1, exif::orientation);

    let layout = Layout::new(&container);
    job.check_memory(&Plan {
        width: header.width,
        height: header.height,
        channels: layout.channels as u8,
        wide: header.bits == 16,
        orientation,
        scratch: CODEC_BYTES + container.essential.len() as u64,
    })?;
    let native = pixels(job, &container, &layout)?;
    Ok(Decoded {
        native,
        orientation,
        profile,
        frames: Some(container.frames),
        bits: header.bits,
        stored_channels: header.channels() as u8,
        warnings,
    })
}

/// Reads the chunk list. Sizes are checked as soon as IHDR is known.
fn walk<'a>(job: &Job<'a>) -> Result<Container<'a>, Fault> {
    let bytes = job.bytes;
    let ends = || Fault::ends_after(FORMAT, bytes.len());
    let mut container: Option<Container> = None;
    let (mut pos, mut count, mut data_seen) = (SIGNATURE.len(), 0, false);
    loop {
        let Some(head) = bytes.get(pos..pos + 8) else {
            // A missing IEND is no harm where the pixels are complete: `pixels` finds out.
            let mut container = container.filter(|_| data_seen).ok_or_else(ends)?;
            if pos < bytes.len() {
                container.cut = true;
            }
            return Ok(container);
        };
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let kind: [u8; 4] = [head[4], head[5], head[6], head[7]];
        if !kind.iter().all(u8::is_ascii_alphabetic) || length > i32::MAX as usize {
            return Err(Fault::corrupt(FORMAT, format_args!("a chunk that is none at byte {pos}")));
        }
        count += 1;
        job.limits.check_chunks(FORMAT, count)?;
        let (start, next) = (pos + 8, pos + 12 + length);
        let data = bytes.get(start..start + length);

        let Some(container) = &mut container else {
            if &kind != b"IHDR" || length != 13 {
                return Err(Fault::corrupt(FORMAT, "the first chunk is no header (IHDR)"));
            }
            let header = parse_header(job, data.ok_or_else(ends)?)?;
            let whole = bytes.get(..next).ok_or_else(ends)?;
            check_crc(&whole[pos..])?;
            container = Some(Container { header, essential: whole.to_vec(), ..empty() });
            pos = next;
            continue;
        };
        let (Some(data), Some(whole)) = (data, bytes.get(pos..next)) else {
            // The chunk goes beyond the end of the file. What there is of the pixels is kept for
            // the switch `truncated = "gray"`.
            if &kind == b"IDAT" {
                container.essential.extend(&bytes[pos..]);
            }
            if job.fills_missing() && (data_seen || &kind == b"IDAT") {
                container.cut = true;
                return Ok(std::mem::replace(container, empty()));
            }
            return Err(ends());
        };
        match &kind {
            b"IEND" => {
                container.essential.extend(whole);
                break;
            }
            b"IDAT" => {
                data_seen = true;
                check_crc(whole)?;
                container.essential.extend(whole);
            }
            b"PLTE" if !data_seen => {
                check_crc(whole)?;
                container.palette = data;
                container.essential.extend(whole);
            }
            b"tRNS" if !data_seen => container.transparency = Some(data),
            b"sRGB" if !data_seen => container.srgb = true,
            b"cICP" if !data_seen => container.cicp = data.try_into().ok(),
            b"iCCP" if !data_seen => container.iccp = container.iccp.or(Some(data)),
            b"acTL" if !data_seen && length >= 4 => {
                container.frames = u32::from_be_bytes([data[0], data[1], data[2], data[3]]).max(1);
            }
            b"eXIf" if container.exif.is_none() => {
                // A block above the limit counts as seen and says nothing.
                let small = length as u64 <= job.limits.max_exif_bytes;
                container.exif = Some(if small { data } else { &[] });
            }
            b"IHDR" => return Err(Fault::corrupt(FORMAT, "two headers (IHDR)")),
            b"PLTE" => {}
            [b'A'..=b'Z', ..] => {
                let name = String::from_utf8_lossy(&kind).into_owned();
                return Err(Fault::corrupt(FORMAT, format_args!("unknown critical chunk {name}")));
            }
            _ => {}
        }
        pos = next;
    }
    match container {
        Some(_) if !data_seen => Err(Fault::corrupt(FORMAT, "no image data (IDAT)")),
        Some(container) => Ok(container),
        None => Err(ends()),
    }
}

/// The codec checks this too, but its words name no chunk.
fn check_crc(chunk: &[u8]) -> Result<(), Fault> {
    let (data, sum) = chunk.split_at(chunk.len() - 4);
    let mut crc = flate2::Crc::new();
    crc.update(&data[4..]);
    if crc.sum().to_be_bytes() == sum {
        return Ok(());
    }
    let name = String::from_utf8_lossy(&data[4..8]).into_owned();
    Err(Fault::corrupt(FORMAT, format_args!("bad CRC in {name}")))
}

fn empty<'a>() -> Container<'a> {
    let header = Header { width: 1, height: 1, bits: 8, color: 0, interlaced: false };
    Container {
        header,
        essential: Vec::new(),
        palette: &[],
        transparency: None,
        srgb: false,
        cicp: None,
        iccp: None,
        exif: None,
        frames: 1,
        cut: false,
    }
}

fn parse_header(job: &Job, data: &[u8]) -> Result<Header, Fault> {
    let number =
        |at: usize| u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
    let (width, height) = (number(0), number(4));
    let (bits, color) = (data[8], data[9]);
    job.limits.check_size(FORMAT, u64::from(width), u64::from(height))?;
    let valid = match color {
        0 => matches!(bits, 1 | 2 | 4 | 8 | 16),
        3 => matches!(bits, 1 | 2 | 4 | 8),
        2 | 4 | 6 => matches!(bits, 8 | 16),
        _ => false,
    };
    if !valid {
        let what = format_args!("colour type {color} with {bits} bits");
        return Err(Fault::corrupt(FORMAT, what));
    }
    if data[10] != 0 || data[11] != 0 || data[12] > 1 {
        let what = format_args!("methods {}, {}, {} of the header", data[10], data[11], data[12]);
        return Err(Fault::corrupt(FORMAT, what));
    }
    Ok(Header { width, height, bits, color, interlaced: data[12] == 1 })
}

/// Name, zero, method, zlib data; inflating stops at the limit.
fn inflate_profile(job: &Job, chunk: &[u8]) -> Result<FoundProfile, Fault> {
    let Some(end) = chunk.iter().take(80).position(|&byte| byte == 0) else {
        return Ok(FoundProfile::Unreadable);
    };
    let Some((0, packed)) = chunk[end + 1..].split_first().map(|(method, rest)| (*method, rest))
    else {
        return Ok(FoundProfile::Unreadable);
    };
    let mut profile = Vec::new();
    let limit = job.limits.max_icc_bytes;
    let mut inflater = flate2::bufread::ZlibDecoder::new(packed).take(limit.saturating_add(1));
    let read = inflater.read_to_end(&mut profile);
    job.limits.check_icc(profile.len() as u64)?;
    Ok(if read.is_ok() { FoundProfile::Icc(profile) } else { FoundProfile::Unreadable })
}

/// How a scanline becomes native samples.
struct Layout {
    model: Model,
    channels: usize,
    palette: Option<Palette>,
    /// The transparent value (`tRNS`) of gray and RGB pictures, at the stored depth.
    key: Option<[u16; 3]>,
}

impl Layout {
    fn new(container: &Container) -> Self {
        let color = container.header.color;
        if color == 3 {
            let colors = container.palette.chunks_exact(3).map(|c| [c[0], c[1], c[2]]);
            let mut palette = Palette::opaque(colors);
            if let Some(alpha) = container.transparency {
                palette = palette.with_alpha(alpha);
            }
            let channels = palette.channels();
            return Self { model: Model::Rgb, channels, palette: Some(palette), key: None };
        }
        let model = if color & 2 == 0 { Model::Gray } else { Model::Rgb };
        let number = |data: &[u8], i: usize| u16::from_be_bytes([data[2 * i], data[2 * i + 1]]);
        // The format keeps only the low bits of a key that is wider than the samples.
        let mask = ((1u32 << container.header.bits) - 1) as u16;
        let key = match (color, container.transparency) {
            (0, Some(data)) if data.len() >= 2 => Some([number(data, 0) & mask; 3]),
            (2, Some(data)) if data.len() >= 6 => Some([0, 1, 2].map(|i| number(data, i) & mask)),
            _ => None,
        };
        let channels = model.channels() + usize::from(color & 4 != 0 || key.is_some());
        Self { model, channels, palette: None, key }
    }

    fn alpha(&self) -> AlphaKind {
        let has_alpha = match &self.palette {
            Some(palette) => palette.has_alpha(),
            None => self.channels > self.model.channels(),
        };
        if has_alpha { AlphaKind::Straight } else { AlphaKind::None }
    }

    /// One pixel's samples, from the stored ones.
    fn pixel<T: Copy + Into<u16>>(
        &self,
        stored: &[T],
        scale: impl Fn(T) -> T,
        max: T,
        zero: T,
        out: &mut [T],
    ) {
        match self.key {
            Some(key) => {
                let colors = self.model.channels();
                let hit = stored.iter().zip(key).all(|(&v, k)| v.into() == k);
                for (out, &v) in out.iter_mut().zip(stored) {
                    *out = scale(v);
                }
                out[colors] = if hit { zero } else { max };
            }
            None => {
                for (out, &v) in out.iter_mut().zip(stored) {
                    *out = scale(v);
                }
            }
        }
    }
}

/// Where the pixels of a scanline go: first column, step, row.
#[derive(Clone, Copy)]
struct Target {
    x: usize,
    step: usize,
    y: usize,
}

fn pixels(job: &Job, container: &Container, layout: &Layout) -> Result<Native, Fault> {
    let header = container.header;
    if header.color == 3 && container.palette.is_empty() {
        return Err(Fault::corrupt(FORMAT, "no palette (PLTE)"));
    }
    let (width, height) = (header.width as usize, header.height as usize);
    let mut samples = if header.bits == 16 {
        Samples::U16(zeroed(width * height * layout.channels)?)
    } else {
        Samples::U8(zeroed(width * height * layout.channels)?)
    };

    let limits = png::Limits { bytes: job.limits.max_alloc_bytes as usize };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(&container.essential), limits);
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|error| fault(job, container, &error, 0))?;

    let mut scratch = vec![0u8; width * header.channels()];
    let mut missing = None;
    for (rows, target) in targets(header).enumerate() {
        if rows % 32 == 0 {
            job.check_cancel()?;
        }
        match reader.next_interlaced_row() {
            Ok(Some(row)) => {
                let count = (width - target.x).div_ceil(target.step);
                store(layout, header, row.data(), target, count, &mut scratch, &mut samples);
            }
            Ok(None) => {
                return Err(Fault::truncated(FORMAT, format_args!("in row {rows} of {height}")));
            }
            Err(error) => {
                let fault = fault(job, container, &error, rows);
                let is_early = fault.kind == super::error::ErrorKind::Truncated;
                if !(job.fills_missing() && is_early && rows > 0) {
                    return Err(fault);
                }
                missing = Some(missing_after(header, rows)?);
                break;
            }
        }
    }
    if container.cut && missing.is_none() && !job.fills_missing() {
        return Err(Fault::ends_after(FORMAT, job.bytes.len()));
    }
    Ok(Native {
        width: header.width,
        height: header.height,
        model: layout.model,
        alpha: layout.alpha(),
        samples,
        missing,
    })
}

/// The scanlines in file order: one per row, or the seven passes of Adam7.
fn targets(header: Header) -> Box<dyn Iterator<Item = Target>> {
    const PASSES: [[usize; 4]; 7] = [
        [0, 0, 8, 8],
        [4, 0, 8, 8],
        [0, 4, 4, 8],
        [2, 0, 4, 4],
        [0, 2, 2, 4],
        [1, 0, 2, 2],
        [0, 1, 1, 2],
    ];
    let (width, height) = (header.width as usize, header.height as usize);
    if !header.interlaced {
        return Box::new((0..height).map(|y| Target { x: 0, step: 1, y }));
    }
    // A pass without pixels has no scanlines.
    Box::new(PASSES.into_iter().filter(move |pass| pass[0] < width).flat_map(
        move |[x, first, step, down]| {
            (first..height).step_by(down).map(move |y| Target { x, step, y })
        },
    ))
}

/// Pixels that no scanline among the first `rows` has brought.
fn missing_after(header: Header, rows: usize) -> Result<Vec<bool>, Fault> {
    let width = header.width as usize;
    let mut missing = zeroed(width * header.height as usize)?;
    for target in targets(header).skip(rows) {
        for x in (target.x..width).step_by(target.step) {
            missing[target.y * width + x] = true;
        }
    }
    Ok(missing)
}

fn store(
    layout: &Layout,
    header: Header,
    row: &[u8],
    target: Target,
    count: usize,
    scratch: &mut [u8],
    samples: &mut Samples,
) {
    let (stored, channels) = (header.channels(), layout.channels);
    let first = (target.y * header.width as usize + target.x) * channels;
    match samples {
        Samples::U8(samples) => {
            let values = &mut scratch[..count * stored];
            unpack(row, header.bits, values);
            let out = samples[first..].chunks_mut(channels * target.step);
            for (out, stored) in out.zip(values.chunks_exact(stored)) {
                match &layout.palette {
                    Some(palette) => {
                        out[..channels].copy_from_slice(&palette.color(stored[0])[..channels]);
                    }
                    None => layout.pixel(
                        stored,
                        |v| widen(v, header.bits),
                        255,
                        0,
                        &mut out[..channels],
                    ),
                }
            }
        }
        Samples::U16(samples) => {
            let out = samples[first..].chunks_mut(channels * target.step);
            for (out, bytes) in out.zip(row.chunks_exact(2 * stored)) {
                let mut values = [0u16; 4];
                for (value, pair) in values.iter_mut().zip(bytes.chunks_exact(2)) {
                    *value = u16::from_be_bytes([pair[0], pair[1]]);
                }
                layout.pixel(&values[..stored], |v| v, u16::MAX, 0, &mut out[..channels]);
            }
        }
    }
}

fn fault(job: &Job, container: &Container, error: &png::DecodingError, rows: usize) -> Fault {
    let height = container.header.height;
    match error {
        png::DecodingError::IoError(io) if io.kind() == IoKind::UnexpectedEof => {
            let bytes = job.bytes.len();
            Fault::truncated(
                FORMAT,
                format_args!("ends after {bytes} bytes, in row {rows} of {height}"),
            )
        }
        png::DecodingError::LimitsExceeded => Fault::new(
            super::error::ErrorKind::TooMuchMemory,
            "the PNG decoder reached max_alloc_bytes",
        ),
        other => {
            let text = other.to_string();
            // The crate's only words for compressed data that end before the last row.
            if text.contains("does not have enough data") || text.contains("chunk is missing") {
                return Fault::truncated(FORMAT, format_args!("in row {rows} of {height}"));
            }
            Fault::corrupt(FORMAT, text.trim_end_matches('.'))
        }
    }
}
