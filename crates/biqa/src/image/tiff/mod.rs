//! TIFF: the first page; strips and tiles, chunky and planar, 1 to 16 bits, gray, RGB, palette,
//! CMYK (papers/images.md, section 1). The container is ours; LZW is `weezl`'s, deflate `flate2`'s,
//! JPEG the neighbouring module's.

mod codec;
mod directory;

use super::error::Fault;
use super::exif;
use super::expand::{Palette, unpack, widen};
use super::jpeg::{self, Colors};
use super::native::{AlphaKind, Decoded, FoundProfile, Job, Model, Native, Plan, Samples, zeroed};
use codec::{Compression, decompress, undo_predictor};
use directory::{Blob, Directory};

const FORMAT: &str = "TIFF";
/// By how much a JPEG tile may be larger than its place: writers round up to JPEG's blocks.
const PADDING: usize = 16;

mod tag {
    pub(super) const WIDTH: u16 = 256;
    pub(super) const HEIGHT: u16 = 257;
    pub(super) const BITS: u16 = 258;
    pub(super) const COMPRESSION: u16 = 259;
    pub(super) const PHOTOMETRIC: u16 = 262;
    pub(super) const FILL_ORDER: u16 = 266;
    pub(super) const STRIP_OFFSETS: u16 = 273;
    pub(super) const ORIENTATION: u16 = 274;
    pub(super) const CHANNELS: u16 = 277;
    pub(super) const ROWS_PER_STRIP: u16 = 278;
    pub(super) const STRIP_BYTES: u16 = 279;
    pub(super) const PLANAR: u16 = 284;
    pub(super) const PREDICTOR: u16 = 317;
    pub(super) const COLOR_MAP: u16 = 320;
    pub(super) const TILE_WIDTH: u16 = 322;
    pub(super) const TILE_HEIGHT: u16 = 323;
    pub(super) const TILE_OFFSETS: u16 = 324;
    pub(super) const TILE_BYTES: u16 = 325;
    pub(super) const INK_SET: u16 = 332;
    pub(super) const EXTRA: u16 = 338;
    pub(super) const SAMPLE_FORMAT: u16 = 339;
    pub(super) const JPEG_TABLES: u16 = 347;
    pub(super) const ICC: u16 = 34675;
}

/// What the samples of the page are, and where.
#[expect(clippy::struct_excessive_bools, reason = "independent tags of the format")]
struct Page {
    width: usize,
    height: usize,
    bits: u8,
    /// Samples a pixel as stored.
    stored: usize,
    model: Model,
    alpha: AlphaKind,
    palette: Option<Palette>,
    /// WhiteIsZero.
    inverted: bool,
    ycbcr: bool,
    planar: bool,
    compression: Compression,
    predictor: bool,
    reversed_bits: bool,
    little: bool,
    tiled: bool,
    /// Size of a strip or tile.
    chunk: (usize, usize),
    offsets: Vec<u32>,
    lengths: Vec<u32>,
}

impl Page {
    /// Channels of the native samples.
    fn channels(&self) -> usize {
        match &self.palette {
            Some(palette) => palette.channels(),
            None => self.model.channels() + usize::from(self.alpha != AlphaKind::None),
        }
    }

    /// Samples a pixel inside one strip or tile.
    fn chunk_channels(&self) -> usize {
        if self.planar { 1 } else { self.stored }
    }

    fn row_bytes(&self) -> usize {
        (self.chunk.0 * self.chunk_channels() * usize::from(self.bits)).div_ceil(8)
    }

    /// Strips or tiles across and down.
    fn grid(&self) -> (usize, usize) {
        (self.width.div_ceil(self.chunk.0), self.height.div_ceil(self.chunk.1))
    }
}

pub(super) fn decode(job: &Job) -> Result<Decoded, Fault> {
    let directory = Directory::read(job)?;
    let page = read_page(job, &directory)?;
    let orientation =
        directory.number(tag::ORIENTATION).ok().flatten().and_then(exif::valid).unwrap_or(1);
    let profile = match directory.blob(tag::ICC) {
        Blob::Absent => FoundProfile::None,
        Blob::Broken => FoundProfile::Unreadable,
        Blob::Bytes(icc) => {
            job.limits.check_icc(icc.len() as u64)?;
            FoundProfile::Icc(icc.to_vec())
        }
    };
    let chunk_bytes = (page.row_bytes() * page.chunk.1) as u64;
    job.check_memory(&Plan {
        width: page.width as u32,
        height: page.height as u32,
        channels: page.channels() as u8,
        wide: page.bits == 16,
        orientation,
        // A JPEG strip exists as planes, as samples and as the strip.
        scratch: chunk_bytes * if page.compression == Compression::Jpeg { 3 } else { 1 },
    })?;

    let tables = match directory.blob(tag::JPEG_TABLES) {
        Blob::Bytes(tables) => Some(tables),
        Blob::Absent | Blob::Broken => None,
    };
    let native = pixels(job, &page, tables)?;
    Ok(Decoded {
        native,
        orientation,
        profile,
        frames: directory.pages,
        bits: page.bits,
        stored_channels: u8::try_from(page.stored).unwrap_or(u8::MAX),
        warnings: Vec::new(),
    })
}

fn read_page(job: &Job, directory: &Directory) -> Result<Page, Fault> {
    let missing = |name: &str| Fault::corrupt(FORMAT, format_args!("no {name}"));
    let width = directory.number(tag::WIDTH)?.ok_or_else(|| missing("width"))?;
    let height = directory.number(tag::HEIGHT)?.ok_or_else(|| missing("height"))?;
    job.limits.check_size(FORMAT, u64::from(width), u64::from(height))?;
    let (width, height) = (width as usize, height as usize);

    let stored = directory.number_or(tag::CHANNELS, 1)? as usize;
    if !(1..=64).contains(&stored) {
        return Err(Fault::corrupt(FORMAT, format_args!("{stored} samples a pixel, not 1 to 64")));
    }
    let all_bits = directory.numbers(tag::BITS, stored)?;
    let bits = all_bits.first().copied().unwrap_or(1);
    if all_bits.iter().any(|&b| b != bits) {
        return Err(Fault::unsupported("TIFF (channels of different depth)"));
    }
    let formats = directory.numbers(tag::SAMPLE_FORMAT, stored)?;
    match formats.iter().find(|&&format| format != 1 && format != 4) {
        Some(3) => return Err(Fault::unsupported("floating-point TIFF")),
        Some(2) => return Err(Fault::unsupported("TIFF (signed samples)")),
        Some(other) => {
            return Err(Fault::unsupported(format_args!("TIFF (sample format {other})")));
        }
        None => {}
    }
    if !matches!(bits, 1 | 2 | 4 | 8 | 16) {
        return Err(Fault::unsupported(format_args!("{bits}-bit TIFF")));
    }
    let bits = bits as u8;
    let compression = Compression::from_tag(directory.number_or(tag::COMPRESSION, 1)?)?;
    let photometric =
        directory.number(tag::PHOTOMETRIC)?.ok_or_else(|| missing("photometric tag"))?;
    let (model, name) = match photometric {
        0 | 1 => (Model::Gray, "gray"),
        2 => (Model::Rgb, "RGB"),
        3 => (Model::Rgb, "palette"),
        5 if directory.number_or(tag::INK_SET, 1)? == 1 => (Model::Cmyk, "CMYK"),
        6 if compression == Compression::Jpeg => (Model::Rgb, "YCbCr"),
        5 => return Err(Fault::unsupported("TIFF (inks other than CMYK)")),
        6 => return Err(Fault::unsupported("YCbCr TIFF")),
        8..=10 => return Err(Fault::unsupported("Lab TIFF")),
        32844 | 32845 => return Err(Fault::unsupported("LogLuv TIFF")),
        32803 | 34892 => return Err(Fault::unsupported("raw camera TIFF")),
        other => return Err(Fault::unsupported(format_args!("TIFF (photometric {other})"))),
    };
    let colors = if photometric == 3 { 1 } else { model.channels() };
    if stored < colors {
        let what = format_args!("{stored} samples a pixel, too few for {name}");
        return Err(Fault::corrupt(FORMAT, what));
    }
    let palette = (photometric == 3).then(|| color_map(directory, bits)).transpose()?;

    let planar = stored > 1 && directory.number_or(tag::PLANAR, 1)? == 2;
    let predictor = directory.number_or(tag::PREDICTOR, 1)?;
    let predicts = matches!(compression, Compression::Lzw | Compression::Deflate);
    match predictor {
        1 => {}
        2 if bits >= 8 => {}
        _ if !predicts => {}
        other => {
            return Err(Fault::unsupported(format_args!("TIFF (predictor {other}, {bits} bits)")));
        }
    }
    if compression == Compression::Jpeg && bits != 8 {
        return Err(Fault::unsupported(format_args!("{bits}-bit JPEG TIFF")));
    }

    let tiled = directory.number(tag::TILE_WIDTH)?.is_some();
    let chunk = if tiled {
        let tile_height =
            directory.number(tag::TILE_HEIGHT)?.ok_or_else(|| missing("tile height"))?;
        let tile_width = directory.number_or(tag::TILE_WIDTH, 0)?;
        job.limits.check_size(FORMAT, u64::from(tile_width), u64::from(tile_height))?;
        (tile_width as usize, tile_height as usize)
    } else {
        let rows = directory.number_or(tag::ROWS_PER_STRIP, u32::MAX)? as usize;
        if rows == 0 {
            return Err(Fault::corrupt(FORMAT, "strips of 0 rows"));
        }
        (width, rows.min(height))
    };
    let mut page = Page {
        width,
        height,
        bits,
        stored,
        model,
        alpha: AlphaKind::None,
        palette,
        inverted: photometric == 0,
        ycbcr: photometric == 6,
        planar,
        compression,
        predictor: predictor == 2 && predicts,
        reversed_bits: directory.number_or(tag::FILL_ORDER, 1)? == 2,
        little: directory.is_little(),
        tiled,
        chunk,
        offsets: Vec::new(),
        lengths: Vec::new(),
    };
    if page.palette.is_none() {
        page.alpha = alpha(directory, model, stored)?;
    }

    let (across, down) = page.grid();
    let chunks = across * down * if planar { stored } else { 1 };
    let (offsets, lengths) = if tiled {
        (tag::TILE_OFFSETS, tag::TILE_BYTES)
    } else {
        (tag::STRIP_OFFSETS, tag::STRIP_BYTES)
    };
    page.offsets = directory.numbers(offsets, chunks)?;
    page.lengths = directory.numbers(lengths, chunks)?;
    if page.offsets.len() < chunks {
        let found = page.offsets.len();
        return Err(Fault::corrupt(
            FORMAT,
            format_args!("{found} strips or tiles, {chunks} needed"),
        ));
    }
    Ok(page)
}

/// The first sample behind the colours. Where nothing is said, RGB and gray with one sample more
/// have alpha, as in Pillow.
fn alpha(directory: &Directory, model: Model, stored: usize) -> Result<AlphaKind, Fault> {
    let colors = model.channels();
    if stored == colors {
        return Ok(AlphaKind::None);
    }
    Ok(match directory.number(tag::EXTRA)? {
        Some(1) => AlphaKind::Premultiplied,
        Some(2) => AlphaKind::Straight,
        None if model != Model::Cmyk && stored == colors + 1 => AlphaKind::Straight,
        _ => AlphaKind::None,
    })
}

/// Three runs of 16-bit values: all reds, all greens, all blues. Many writers store 8-bit colours
/// shifted left by 8 instead of times 257: then the high byte is the colour.
fn color_map(directory: &Directory, bits: u8) -> Result<Palette, Fault> {
    let n = if bits <= 8 { 1usize << bits } else { 0 };
    let map = directory.numbers(tag::COLOR_MAP, 3 * n)?;
    if n == 0 || map.len() < 3 * n {
        return Err(Fault::corrupt(FORMAT, "a colour map that is too short"));
    }
    let shifted = map.iter().all(|v| v % 256 == 0);
    let level = |v: u32| {
        if shifted { (v >> 8) as u8 } else { super::finish::round16(v as u16) }
    };
    Ok(Palette::opaque((0..n).map(|i| [map[i], map[n + i], map[2 * n + i]].map(level))))
}

fn pixels(job: &Job, page: &Page, tables: Option<&[u8]>) -> Result<Native, Fault> {
    let (w, h) = (page.width, page.height);
    let total = w * h * page.channels();
    let mut samples =
        if page.bits == 16 { Samples::U16(zeroed(total)?) } else { Samples::U8(zeroed(total)?) };
    let mut missing: Option<Vec<bool>> = None;
    let mut any = false;
    let (across, down) = page.grid();
    for (i, &offset) in page.offsets.iter().enumerate() {
        job.check_cancel()?;
        let plane = i / (across * down);
        let (x, y) = (i % across * page.chunk.0, i / across % down * page.chunk.1);
        // The last strip is short; tiles are always whole.
        let rows = if page.tiled { page.chunk.1 } else { page.chunk.1.min(h - y) };
        let bytes = Chunk { page, offset, length: page.lengths.get(i).copied(), x, y, rows };
        let (data, done) = bytes.read(job, tables)?;
        let visible = (page.chunk.0.min(w - x), rows.min(h - y));
        if done < visible.1 {
            if !job.fills_missing() || (!any && done == 0) {
                let (bytes, row) = (job.bytes.len(), y + done);
                let where_ = format_args!("ends after {bytes} bytes, in row {row} of {h}");
                return Err(Fault::truncated(FORMAT, where_));
            }
            let flags = match &mut missing {
                Some(flags) => flags,
                None => missing.insert(zeroed(w * h)?),
            };
            for row in flags.chunks_exact_mut(w).skip(y + done).take(visible.1 - done) {
                row[x..x + visible.0].fill(true);
            }
        }
        any |= done > 0;
        let target = Target { page, plane, x, y, visible: (visible.0, visible.1.min(done)) };
        target.store(&data, &mut samples);
    }
    let alpha = page.alpha;
    Ok(Native { width: w as u32, height: h as u32, model: page.model, alpha, samples, missing })
}

/// One strip or tile in the file.
struct Chunk<'p> {
    page: &'p Page,
    offset: u32,
    length: Option<u32>,
    x: usize,
    y: usize,
    rows: usize,
}

impl Chunk<'_> {
    /// Its rows, decompressed, and how many of them there are.
    fn read(&self, job: &Job, tables: Option<&[u8]>) -> Result<(Vec<u8>, usize), Fault> {
        let page = self.page;
        let row_bytes = page.row_bytes();
        let expected = row_bytes * self.rows;
        let offset = self.offset as usize;
        // Old writers leave the byte counts of uncompressed strips out.
        let length = self.length.map_or(expected, |length| length as usize);
        let end = offset.saturating_add(length).min(job.bytes.len());
        let data = job.bytes.get(offset..end).unwrap_or(&[]);
        if page.compression == Compression::Jpeg {
            return self.read_jpeg(job, data, tables);
        }
        let mut out = zeroed(expected)?;
        let n = if page.reversed_bits {
            let data: Vec<u8> = data.iter().map(|byte| byte.reverse_bits()).collect();
            decompress(page.compression, &data, &mut out)?
        } else {
            decompress(page.compression, data, &mut out)?
        };
        if page.predictor {
            undo_predictor(
                &mut out,
                row_bytes,
                page.chunk_channels(),
                page.bits == 16,
                page.little,
            );
        }
        Ok((out, n / row_bytes))
    }

    fn read_jpeg(
        &self,
        job: &Job,
        data: &[u8],
        tables: Option<&[u8]>,
    ) -> Result<(Vec<u8>, usize), Fault> {
        let page = self.page;
        if data.is_empty() {
            return Ok((Vec::new(), 0));
        }
        let mut stream = jpeg::decode_stream(job, data, tables)?;
        let (width, height) = stream.size();
        let needed = (page.chunk.0.min(page.width - self.x), self.rows.min(page.height - self.y));
        let channels = page.chunk_channels();
        // One larger than its place would cost its whole size for every tile that points at it.
        let too_large =
            width > page.chunk.0 + PADDING || height > page.chunk.1.saturating_add(PADDING);
        let too_small = width < needed.0 || height < needed.1;
        if stream.components() != channels || too_small || too_large {
            let what = format_args!(
                "a {width} x {height} JPEG strip or tile of {} components",
                stream.components()
            );
            return Err(Fault::corrupt(FORMAT, what));
        }
        // A strip that ends early counts up to its first missing row.
        let done = match stream.take_missing() {
            Some(flags) => flags.iter().position(|&gone| gone).map_or(height, |at| at / width),
            None => height,
        };
        let colors = match channels {
            1 => Colors::Gray,
            3 if page.ycbcr => Colors::YCbCr,
            3 => Colors::Rgb,
            _ => Colors::Cmyk(false), // four channels as they are
        };
        let Samples::U8(samples) = stream.into_native(job, colors)?.samples else {
            return Err(Fault::corrupt(FORMAT, "the decoder failed"));
        };
        // Back to rows of the strip's or tile's own length.
        let mut out = zeroed(page.row_bytes() * self.rows)?;
        for (out, row) in
            out.chunks_exact_mut(page.row_bytes()).zip(samples.chunks_exact(width * channels))
        {
            let n = out.len().min(row.len());
            out[..n].copy_from_slice(&row[..n]);
        }
        Ok((out, done))
    }
}

/// Where a strip's or tile's samples go.
struct Target<'p> {
    page: &'p Page,
    plane: usize,
    x: usize,
    y: usize,
    visible: (usize, usize),
}

impl Target<'_> {
    fn store(&self, data: &[u8], samples: &mut Samples) {
        let page = self.page;
        let (stored, channels) = (page.chunk_channels(), page.channels());
        let count = self.visible.0 * stored;
        let mut values = vec![0u8; if page.bits == 16 { 0 } else { count }];
        for (i, row) in data.chunks_exact(page.row_bytes().max(1)).take(self.visible.1).enumerate()
        {
            let first = ((self.y + i) * page.width + self.x) * channels;
            let end = first + self.visible.0 * channels;
            match samples {
                Samples::U8(samples) => {
                    unpack(row, page.bits, &mut values);
                    let out = &mut samples[first..end];
                    if let Some(palette) = &page.palette {
                        for (out, index) in
                            out.chunks_exact_mut(channels).zip(values.chunks_exact(stored))
                        {
                            // Other planes than the first hold no index.
                            if self.plane == 0 {
                                out.copy_from_slice(&palette.color(index[0])[..channels]);
                            }
                        }
                        continue;
                    }
                    let bits = page.bits;
                    self.spread(&values, out, |v| widen(v, bits), |v| 255 - v);
                }
                Samples::U16(samples) => {
                    let number = |pair: &[u8]| {
                        let pair = [pair[0], pair[1]];
                        if page.little {
                            u16::from_le_bytes(pair)
                        } else {
                            u16::from_be_bytes(pair)
                        }
                    };
                    let values: Vec<u16> = row.chunks_exact(2).take(count).map(number).collect();
                    self.spread(&values, &mut samples[first..end], |v| v, |v| u16::MAX - v);
                }
            }
        }
    }

    /// Stored samples to native channels; those beyond colours and alpha are dropped.
    fn spread<T: Copy>(
        &self,
        values: &[T],
        out: &mut [T],
        scale: impl Fn(T) -> T,
        flip: impl Fn(T) -> T,
    ) {
        let page = self.page;
        let (stored, channels) = (page.chunk_channels(), page.channels());
        let put = |out: &mut [T], channel: usize, v: T| {
            if let Some(out) = out.get_mut(channel) {
                let v = scale(v);
                *out = if page.inverted && channel == 0 { flip(v) } else { v };
            }
        };
        for (out, pixel) in out.chunks_exact_mut(channels).zip(values.chunks_exact(stored)) {
            if page.planar {
                put(out, self.plane, pixel[0]);
            } else {
                for (channel, &v) in pixel.iter().enumerate() {
                    put(out, channel, v);
                }
            }
        }
    }
}
