//! WebP. The container is walked here (limits, profile, orientation, animation); the codec of the
//! `image-webp` crate gets the first frame alone, as a still file made of its own chunks.

use std::io::Cursor;

use super::error::{ErrorKind, Fault};
use super::exif;
use super::native::{AlphaKind, Decoded, FoundProfile, Job, Model, Native, Plan, Samples, zeroed};

const FORMAT: &str = "WebP";

/// What the container said.
#[derive(Default)]
struct Container<'a> {
    /// Canvas of an extended file.
    canvas: Option<(u32, u32)>,
    /// VP8 or VP8L, with its chunk name.
    image: Option<(&'a [u8; 4], &'a [u8])>,
    alpha: Option<&'a [u8]>,
    /// Of the first animation frame.
    offset: (u32, u32),
    frame_size: Option<(u32, u32)>,
    frames: u32,
    icc: Option<&'a [u8]>,
    exif: Option<&'a [u8]>,
}

pub(super) fn decode(job: &Job) -> Result<Decoded, Fault> {
    let container = walk(job)?;
    let Some((kind, data)) = container.image else {
        return Err(Fault::corrupt(FORMAT, "no picture chunk"));
    };
    let (width, height, lossless_alpha) = bitstream_header(job, *kind, data)?;
    if container.frame_size.is_some_and(|size| size != (width, height)) {
        return Err(Fault::corrupt(FORMAT, "a frame whose size is not that of its picture"));
    }
    let (canvas_width, canvas_height) = container.canvas.unwrap_or((width, height));
    let animated = container.frame_size.is_some();
    let (left, top) = container.offset;
    let fits = u64::from(left) + u64::from(width) <= u64::from(canvas_width)
        && u64::from(top) + u64::from(height) <= u64::from(canvas_height);
    let whole = (width, height) == (canvas_width, canvas_height);
    if !fits || (!animated && !whole) {
        let what =
            format_args!("a {width} x {height} frame on a {canvas_width} x {canvas_height} canvas");
        return Err(Fault::corrupt(FORMAT, what));
    }

    if let Some(icc) = container.icc {
        job.limits.check_icc(icc.len() as u64)?;
    }
    let orientation = match container.exif {
        Some(block) if block.len() as u64 <= job.limits.max_exif_bytes => exif::orientation(block),
        _ => 1,
    };
    let has_alpha = !whole || (kind == b"VP8 " && container.alpha.is_some()) || lossless_alpha;
    let channels: u8 = if has_alpha { 4 } else { 3 };
    job.check_memory(&Plan {
        width: canvas_width,
        height: canvas_height,
        channels,
        wide: false,
        orientation,
        scratch: 4 * u64::from(width) * u64::from(height) + data.len() as u64,
    })?;

    let frame = pixels(job, *kind, data, container.alpha, (width, height))?;
    let samples = if whole {
        frame.into_channels(channels)
    } else {
        let mut canvas = zeroed::<u8>(4 * canvas_width as usize * canvas_height as usize)?;
        let rgba = frame.into_channels(4);
        for (y, row) in rgba.chunks_exact(4 * width as usize).enumerate() {
            let at = 4 * ((top as usize + y) * canvas_width as usize + left as usize);
            canvas[at..at + row.len()].copy_from_slice(row);
        }
        canvas
    };
    Ok(Decoded {
        native: Native {
            width: canvas_width,
            height: canvas_height,
            model: Model::Rgb,
            alpha: if has_alpha { AlphaKind::Straight } else { AlphaKind::None },
            samples: Samples::U8(samples),
            missing: None,
        },
        orientation,
        profile: container.icc.map_or(FoundProfile::None, |icc| FoundProfile::Icc(icc.to_vec())),
        frames: Some(container.frames.max(1)),
        bits: 8,
        stored_channels: channels,
        warnings: Vec::new(),
    })
}

/// One chunk: name, data, position behind it (padded to even).
fn chunk(bytes: &[u8], pos: usize) -> Option<(&[u8; 4], &[u8], usize)> {
    let head = bytes.get(pos..pos + 8)?;
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    let data = bytes.get(pos + 8..(pos + 8).checked_add(length)?)?;
    Some((head.first_chunk()?, data, pos + 8 + length + length % 2))
}

fn walk<'a>(job: &Job<'a>) -> Result<Container<'a>, Fault> {
    let bytes = job.bytes;
    let ends = || Fault::ends_after(FORMAT, bytes.len());
    let size = bytes.get(4..8).ok_or_else(ends)?;
    let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]) as usize;
    let mut container = Container::default();
    let (mut pos, mut count) = (12, 0);
    let end = bytes.len().min(size.saturating_add(8));
    while pos < end {
        let Some((kind, data, next)) = chunk(bytes, pos) else {
            // The size limits come first: a header may have told enough to refuse the file.
            return Err(ends());
        };
        count += 1;
        job.limits.check_chunks(FORMAT, count)?;
        match kind {
            b"VP8X" if count == 1 => {
                let [_, _, _, _, a, b, c, d, e, f, ..] = *data else {
                    return Err(Fault::corrupt(FORMAT, "an extended header that is too short"));
                };
                let (width, height) = (u24(a, b, c) + 1, u24(d, e, f) + 1);
                job.limits.check_size(FORMAT, u64::from(width), u64::from(height))?;
                container.canvas = Some((width, height));
            }
            b"VP8 " | b"VP8L" if container.image.is_none() => container.image = Some((kind, data)),
            b"ALPH" if container.image.is_none() => container.alpha = Some(data),
            b"ANMF" => {
                if container.frames == 0 && container.image.is_none() {
                    frame(&mut container, data)?;
                }
                container.frames += 1;
            }
            b"ICCP" if container.icc.is_none() => container.icc = Some(data),
            b"EXIF" if container.exif.is_none() => container.exif = Some(data),
            _ => {}
        }
        pos = next;
    }
    // One byte less is the padding that some writers forget.
    if size.saturating_add(8) > bytes.len() + 1 {
        return Err(ends());
    }
    Ok(container)
}

/// The first animation frame: offset, size, and its own chunks.
fn frame<'a>(container: &mut Container<'a>, data: &'a [u8]) -> Result<(), Fault> {
    let [x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, ..] = *data else {
        return Err(Fault::corrupt(FORMAT, "a frame header that is too short"));
    };
    container.offset = (2 * u24(x0, x1, x2), 2 * u24(y0, y1, y2));
    container.frame_size = Some((u24(w0, w1, w2) + 1, u24(h0, h1, h2) + 1));
    let mut pos = 16;
    while let Some((kind, chunk_data, next)) = chunk(data, pos) {
        match kind {
            b"VP8 " | b"VP8L" if container.image.is_none() => {
                container.image = Some((kind, chunk_data));
            }
            b"ALPH" if container.image.is_none() => container.alpha = Some(chunk_data),
            _ => {}
        }
        pos = next;
    }
    if container.image.is_none() {
        return Err(Fault::corrupt(FORMAT, "a frame without a picture"));
    }
    Ok(())
}

fn u24(a: u8, b: u8, c: u8) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

/// Width, height and (lossless) the alpha flag, from the first bytes of the picture itself.
fn bitstream_header(job: &Job, kind: [u8; 4], data: &[u8]) -> Result<(u32, u32, bool), Fault> {
    let (width, height, alpha) = if &kind == b"VP8L" {
        let Some(&[0x2F, a, b, c, d]) = data.first_chunk() else {
            return Err(Fault::corrupt(FORMAT, "a lossless header that is none"));
        };
        let bits = u32::from_le_bytes([a, b, c, d]);
        ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bits >> 28 & 1 == 1)
    } else {
        let Some(&[tag, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1]) = data.first_chunk() else {
            return Err(Fault::corrupt(FORMAT, "a lossy header that is none"));
        };
        if tag & 1 != 0 {
            return Err(Fault::corrupt(FORMAT, "a lossy picture that is no key frame"));
        }
        // The two high bits are a hint for upscaling.
        let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
        (side(w0, w1), side(h0, h1), false)
    };
    job.limits.check_size(FORMAT, u64::from(width), u64::from(height))?;
    Ok((width, height, alpha))
}

/// Interleaved bytes of the codec, 3 or 4 channels.
struct Pixels {
    bytes: Vec<u8>,
    channels: u8,
}

impl Pixels {
    fn into_channels(self, wanted: u8) -> Vec<u8> {
        match (self.channels, wanted) {
            (3, 4) => self.bytes.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect(),
            (4, 3) => self.bytes.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
            _ => self.bytes,
        }
    }
}

fn pixels(
    job: &Job,
    kind: [u8; 4],
    data: &[u8],
    alpha: Option<&[u8]>,
    (width, height): (u32, u32),
) -> Result<Pixels, Fault> {
    let still = still(kind, data, alpha.filter(|_| &kind == b"VP8 "), (width, height));
    job.check_cancel()?;
    let mut decoder =
        image_webp::WebPDecoder::new(Cursor::new(still)).map_err(|error| fault(job, &error))?;
    decoder.set_memory_limit(usize::try_from(job.limits.max_alloc_bytes).unwrap_or(usize::MAX));
    if decoder.dimensions() != (width, height) {
        return Err(Fault::corrupt(FORMAT, "the decoder failed: it sees another size"));
    }
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let mut bytes = zeroed(width as usize * height as usize * usize::from(channels))?;
    decoder.read_image(&mut bytes).map_err(|error| fault(job, &error))?;
    job.check_cancel()?;
    Ok(Pixels { bytes, channels })
}

/// A still WebP file around one picture's chunks.
fn still(kind: [u8; 4], data: &[u8], alpha: Option<&[u8]>, (width, height): (u32, u32)) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + alpha.map_or(0, <[u8]>::len) + 64);
    out.extend(b"RIFF\0\0\0\0WEBP");
    let mut push = |kind: &[u8; 4], data: &[u8]| {
        out.extend(kind);
        out.extend((data.len() as u32).to_le_bytes());
        out.extend(data);
        if data.len() % 2 == 1 {
            out.push(0);
        }
    };
    if let Some(alpha) = alpha {
        let mut header = [0; 10];
        header[0] = 0x10; // alpha
        header[4..7].copy_from_slice(&(width - 1).to_le_bytes()[..3]);
        header[7..10].copy_from_slice(&(height - 1).to_le_bytes()[..3]);
        push(b"VP8X", &header);
        push(b"ALPH", alpha);
    }
    push(&kind, data);
    let size = (out.len() - 8) as u32;
    out[4..8].copy_from_slice(&size.to_le_bytes());
    out
}

fn fault(job: &Job, error: &image_webp::DecodingError) -> Fault {
    use image_webp::DecodingError as E;
    match error {
        E::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            Fault::ends_after(FORMAT, job.bytes.len())
        }
        E::NotEnoughInitData => Fault::ends_after(FORMAT, job.bytes.len()),
        E::MemoryLimitExceeded => {
            Fault::new(ErrorKind::TooMuchMemory, "the WebP decoder reached max_alloc_bytes")
        }
        other => Fault::corrupt(FORMAT, other),
    }
}
