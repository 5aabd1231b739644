//! JPEG: baseline, extended 8-bit and progressive, 1, 3 or 4 components, any sampling up to 4x4.
//!
//! Own code, because section 1 of papers/images.md fixes what the libraries leave open: libjpeg's
//! levels (inverse DCT, triangle upsampling, colour rules) on every processor, a scan that ends
//! early is an error at the very block, and every limit holds before memory is taken.
//! `tiff` calls [`decode_stream`] for strips and tiles.

mod frame;
mod huffman;
mod idct;
mod scan;
mod upsample;

use super::error::Fault;
use super::exif;
use super::native::{AlphaKind, Decoded, FoundProfile, Job, Model, Native, Plan, Samples, zeroed};
use frame::Frame;
use huffman::{Huffman, next_marker};
use scan::{Ending, Tables, ZIGZAG, decode_scan};
use upsample::{Upsampler, ycc_to_rgb};

pub(super) const FORMAT: &str = "JPEG";
/// More scans than any encoder writes; each costs time however short it is.
const MAX_SCANS: u32 = 500;

/// What the three or four components mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colors {
    Gray,
    Rgb,
    YCbCr,
    /// Values as stored; `true`: inverted, 255 is no ink.
    Cmyk(bool),
    Ycck(bool),
}

/// A decoded stream: component planes and what the markers said.
pub(super) struct Stream {
    frame: Frame,
    jfif: bool,
    /// Transform of the Adobe marker.
    adobe: Option<u8>,
    orientation: Option<u8>,
    profile: FoundProfile,
    missing: Option<Vec<bool>>,
}

pub(super) fn decode(job: &Job) -> Result<Decoded, Fault> {
    let mut reader = Reader::new(job, job.bytes);
    reader.run(true)?;
    let profile = std::mem::take(&mut reader.icc).finish(job)?;
    let stream = reader.stream(profile)?;
    let colors = stream.colors();
    let stored_channels = stream.frame.components.len() as u8;
    let orientation = stream.orientation.unwrap_or(1);
    let profile = stream.profile.clone();
    let native = stream.into_native(job, colors)?;
    Ok(Decoded {
        native,
        orientation,
        profile,
        frames: Some(1),
        bits: 8,
        stored_channels,
        warnings: Vec::new(),
    })
}

/// One JPEG stream inside another file; `tables` is an abbreviated stream read before it (TIFF's
/// JPEGTables). Its own metadata is not looked at.
pub(super) fn decode_stream(
    job: &Job,
    bytes: &[u8],
    tables: Option<&[u8]>,
) -> Result<Stream, Fault> {
    let mut reader = Reader::new(job, bytes);
    if let Some(tables) = tables {
        reader.data = tables;
        reader.run(false)?;
        reader.data = bytes;
    }
    reader.run(true)?;
    reader.stream(FoundProfile::None)
}

impl Stream {
    pub(super) fn size(&self) -> (usize, usize) {
        (self.frame.width, self.frame.height)
    }

    pub(super) fn components(&self) -> usize {
        self.frame.components.len()
    }

    pub(super) fn take_missing(&mut self) -> Option<Vec<bool>> {
        self.missing.take()
    }

    /// libjpeg's rules (section 1).
    fn colors(&self) -> Colors {
        let ids: Vec<u8> = self.frame.components.iter().map(|c| c.id).collect();
        match (ids.len(), self.adobe) {
            (1, _) => Colors::Gray,
            (3, Some(0)) => Colors::Rgb,
            (3, None) if !self.jfif && ids == b"RGB" => Colors::Rgb,
            (3, _) => Colors::YCbCr,
            (_, Some(0)) => Colors::Cmyk(true),
            (_, Some(_)) => Colors::Ycck(true),
            (_, None) => Colors::Cmyk(false),
        }
    }

    /// Upsampled and converted to gray, RGB or CMYK (amounts of ink).
    pub(super) fn into_native(mut self, job: &Job, colors: Colors) -> Result<Native, Fault> {
        let (width, height) = self.size();
        let model = match colors {
            Colors::Gray => Model::Gray,
            Colors::Rgb | Colors::YCbCr => Model::Rgb,
            Colors::Cmyk(_) | Colors::Ycck(_) => Model::Cmyk,
        };
        let channels = model.channels();
        let mut samples = zeroed::<u8>(width * height * channels)?;
        let mut up: Vec<Upsampler> =
            self.frame.components.iter().map(|c| Upsampler::new(&self.frame, c)).collect();
        let mut rows = vec![vec![0u8; width]; channels];
        for (y, out) in samples.chunks_exact_mut(width * channels).enumerate() {
            if y % 32 == 0 {
                job.check_cancel()?;
            }
            for (up, row) in up.iter_mut().zip(&mut rows) {
                up.write(y, row);
            }
            convert_row(&rows, colors, out);
        }
        let missing = self.missing.take();
        Ok(Native {
            width: width as u32,
            height: height as u32,
            model,
            alpha: AlphaKind::None,
            samples: Samples::U8(samples),
            missing,
        })
    }
}

fn convert_row(rows: &[Vec<u8>], colors: Colors, out: &mut [u8]) {
    match (colors, rows) {
        (Colors::Gray, [gray]) => out.copy_from_slice(gray),
        (Colors::Rgb, [r, g, b]) => {
            for (x, out) in out.chunks_exact_mut(3).enumerate() {
                out.copy_from_slice(&[r[x], g[x], b[x]]);
            }
        }
        (Colors::YCbCr, [y, cb, cr]) => {
            for (((out, &y), &cb), &cr) in out.chunks_exact_mut(3).zip(y).zip(cb).zip(cr) {
                out.copy_from_slice(&ycc_to_rgb(y, cb, cr));
            }
        }
        (Colors::Cmyk(inverted), [c, m, y, k]) => {
            let flip = if inverted { 255 } else { 0 };
            for (x, out) in out.chunks_exact_mut(4).enumerate() {
                out.copy_from_slice(&[c[x], m[x], y[x], k[x]].map(|v| v ^ flip));
            }
        }
        (Colors::Ycck(inverted), [y, cb, cr, k]) => {
            // R, G, B are 255 - stored C, M, Y; black is stored as it is.
            let flip = if inverted { 255 } else { 0 };
            for (x, out) in out.chunks_exact_mut(4).enumerate() {
                let [r, g, b] = ycc_to_rgb(y[x], cb[x], cr[x]);
                out.copy_from_slice(&[255 - r, 255 - g, 255 - b, k[x]].map(|v| v ^ flip));
            }
        }
        // `Colors` is chosen by the number of components; the callers in `tiff` check theirs.
        _ => {}
    }
}

/// The parts of an ICC profile, which may come in any order.
#[derive(Default)]
struct IccParts<'a> {
    parts: Vec<(u8, u8, &'a [u8])>,
    broken: bool,
}

impl IccParts<'_> {
    fn finish(mut self, job: &Job) -> Result<FoundProfile, Fault> {
        if self.parts.is_empty() && !self.broken {
            return Ok(FoundProfile::None);
        }
        job.limits.check_icc(self.parts.iter().map(|part| part.2.len() as u64).sum())?;
        self.parts.sort_by_key(|part| part.0);
        let count = self.parts.len();
        let in_sequence = self.parts.iter().enumerate().all(|(i, &(number, total, _))| {
            usize::from(number) == i + 1 && usize::from(total) == count
        });
        if self.broken || !in_sequence {
            return Ok(FoundProfile::Unreadable);
        }
        Ok(FoundProfile::Icc(self.parts.iter().flat_map(|part| part.2).copied().collect()))
    }
}

/// Walks the markers.
struct Reader<'a, 'j> {
    job: &'a Job<'j>,
    data: &'a [u8],
    tables: Tables,
    frame: Option<Frame>,
    jfif: bool,
    adobe: Option<u8>,
    exif_seen: bool,
    orientation: Option<u8>,
    icc: IccParts<'a>,
    scans: u32,
    early: Option<usize>,
}

impl<'a, 'j> Reader<'a, 'j> {
    fn new(job: &'a Job<'j>, data: &'a [u8]) -> Self {
        Self {
            job,
            data,
            tables: Tables::default(),
            frame: None,
            jfif: false,
            adobe: None,
            exif_seen: false,
            orientation: None,
            icc: IccParts::default(),
            scans: 0,
            early: None,
        }
    }

    fn ends(&self) -> Fault {
        Fault::ends_after(FORMAT, self.data.len())
    }

    /// Until EOI, or until the data end (`Truncated`, unless every block is there). A stream of
    /// tables only (`picture` false) needs no frame.
    fn run(&mut self, picture: bool) -> Result<(), Fault> {
        if !self.data.starts_with(&[0xFF, 0xD8]) {
            return Err(Fault::corrupt(FORMAT, "no start marker"));
        }
        let mut pos = 2;
        let mut segments = 0;
        loop {
            let Some((marker, start)) = next_marker(self.data, pos) else {
                return if picture && !self.is_complete(false) {
                    self.fill_or(self.ends())
                } else {
                    Ok(())
                };
            };
            pos = start;
            match marker {
                0xD9 if picture && !self.is_complete(true) => {
                    let fault = Fault::truncated(FORMAT, "ends before its last scan");
                    return self.fill_or(fault);
                }
                0xD9 => return Ok(()),
                // TEM, stray restarts, a second SOI: no length follows.
                0x01 | 0xD0..=0xD8 => continue,
                _ => {}
            }
            segments += 1;
            self.job.limits.check_chunks(FORMAT, segments)?;
            let Some(&[high, low]) = self.data.get(pos..pos + 2).and_then(|s| s.first_chunk())
            else {
                return self.fill_or(self.ends());
            };
            let length = usize::from(u16::from_be_bytes([high, low]));
            if length < 2 {
                return Err(Fault::corrupt(
                    FORMAT,
                    format_args!("segment {marker:02X} of length {length}"),
                ));
            }
            let Some(segment) = self.data.get(pos + 2..pos + length) else {
                return if self.is_complete(false) { Ok(()) } else { self.fill_or(self.ends()) };
            };
            pos += length;
            if marker == 0xDA {
                pos = self.scan(segment, pos)?;
                if self.early.is_some() {
                    return Ok(());
                }
            } else {
                self.segment(marker, segment)?;
            }
        }
    }

    fn segment(&mut self, marker: u8, segment: &'a [u8]) -> Result<(), Fault> {
        match marker {
            0xC0..=0xC2 => {
                if self.frame.is_some() {
                    return Err(Fault::corrupt(FORMAT, "two frame headers"));
                }
                self.frame = Some(Frame::parse(self.job, segment, marker == 0xC2)?);
            }
            0xC3 => return Err(Fault::unsupported("lossless JPEG")),
            0xC5..=0xC7 | 0xCD..=0xCF => return Err(Fault::unsupported("hierarchical JPEG")),
            0xCB => return Err(Fault::unsupported("lossless arithmetic-coded JPEG")),
            0xC9 | 0xCA | 0xCC => return Err(Fault::unsupported("arithmetic-coded JPEG")),
            0xF7 => return Err(Fault::unsupported("JPEG-LS")),
            0xC4 => self.huffman(segment)?,
            0xDB => self.quantisation(segment)?,
            0xDD => {
                let [high, low, ..] = *segment else {
                    return Err(Fault::corrupt(FORMAT, "a restart interval that is too short"));
                };
                self.tables.restart_interval = usize::from(u16::from_be_bytes([high, low]));
            }
            0xE0 if segment.starts_with(b"JFIF\0") => self.jfif = true,
            0xE1 if !self.exif_seen && segment.starts_with(b"Exif\0\0") => {
                self.exif_seen = true;
                if segment.len() as u64 <= self.job.limits.max_exif_bytes {
                    self.orientation = Some(exif::orientation(segment));
                }
            }
            0xE2 => {
                if let Some(part) = segment.strip_prefix(b"ICC_PROFILE\0") {
                    match part {
                        [number, total, rest @ ..] => self.icc.parts.push((*number, *total, rest)),
                        _ => self.icc.broken = true,
                    }
                }
            }
            0xEE if segment.len() >= 12 && segment.starts_with(b"Adobe") => {
                self.adobe = Some(segment[11]);
            }
            _ => {}
        }
        Ok(())
    }

    fn quantisation(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        while let Some((&head, rest)) = segment.split_first() {
            let (wide, number) = (head >> 4 != 0, usize::from(head & 15));
            let bytes = if wide { 128 } else { 64 };
            let (Some(values), Some(slot)) = (rest.get(..bytes), self.tables.quant.get_mut(number))
            else {
                return Err(Fault::corrupt(FORMAT, "a quantisation table that is none"));
            };
            let mut table = [0; 64];
            for (k, &at) in ZIGZAG.iter().enumerate() {
                table[usize::from(at)] = if wide {
                    u16::from_be_bytes([values[2 * k], values[2 * k + 1]])
                } else {
                    u16::from(values[k])
                };
            }
            *slot = Some(table);
            segment = &rest[bytes..];
        }
        Ok(())
    }

    fn huffman(&mut self, mut segment: &[u8]) -> Result<(), Fault> {
        while let Some((&head, rest)) = segment.split_first() {
            let bad = || Fault::corrupt(FORMAT, "a Huffman table that is none");
            let counts: &[u8; 16] = rest.first_chunk().ok_or_else(bad)?;
            let total = counts.iter().map(|&n| usize::from(n)).sum::<usize>();
            let symbols = rest.get(16..16 + total).filter(|s| s.len() <= 256).ok_or_else(bad)?;
            let class = if head >> 4 == 0 { &mut self.tables.dc } else { &mut self.tables.ac };
            let slot =
                class.get_mut(usize::from(head & 15)).filter(|_| head < 0x20).ok_or_else(bad)?;
            *slot = Some(Huffman::new(counts, symbols).ok_or_else(bad)?);
            segment = &rest[16 + total..];
        }
        Ok(())
    }

    fn scan(&mut self, segment: &[u8], pos: usize) -> Result<usize, Fault> {
        let Some(frame) = &mut self.frame else {
            return Err(Fault::corrupt(FORMAT, "a scan before the frame header"));
        };
        if self.scans == 0 {
            let orientation = self.orientation.unwrap_or(1);
            check_memory(self.job, frame, orientation)?;
        }
        self.scans += 1;
        if self.scans > MAX_SCANS {
            return Err(Fault::corrupt(FORMAT, format_args!("more than {MAX_SCANS} scans")));
        }
        let (pos, ending) = decode_scan(self.job, self.data, segment, pos, frame, &self.tables)?;
        if let Ending::Early { row } = ending {
            self.early = Some(row);
            let (done, height) = (self.data.len(), frame.height);
            let where_ = format!("ends after {done} bytes, in row {row} of {height}");
            self.fill_or(Fault::truncated(FORMAT, where_))?;
        }
        Ok(pos)
    }

    /// Whether every block is there. Without EOI (`ended` false) the scans of a progressive
    /// picture must also have brought every coefficient to its last bit.
    fn is_complete(&self, ended: bool) -> bool {
        let Some(frame) = &self.frame else { return false };
        frame.components.iter().all(|c| {
            let blocks_done = c.progress.per_row > 0;
            let exact = !frame.progressive || c.precision.iter().all(|&bit| bit == 0);
            blocks_done && (ended || exact)
        })
    }

    /// With the switch `truncated = "gray"` a picture that has begun goes on as it is.
    fn fill_or(&mut self, fault: Fault) -> Result<(), Fault> {
        let begun = self
            .frame
            .as_ref()
            .is_some_and(|frame| frame.components.iter().any(|c| c.progress.done > 0));
        if self.job.fills_missing() && begun {
            self.early.get_or_insert(0);
            return Ok(());
        }
        Err(fault)
    }

    fn stream(self, profile: FoundProfile) -> Result<Stream, Fault> {
        let Some(mut frame) = self.frame else {
            return Err(Fault::corrupt(FORMAT, "no frame header"));
        };
        let missing = if self.early.is_some() { Some(frame.missing()?) } else { None };
        if frame.progressive {
            reconstruct(self.job, &mut frame)?;
        }
        frame.allocate()?;
        Ok(Stream {
            frame,
            jfif: self.jfif,
            adobe: self.adobe,
            orientation: self.orientation,
            profile,
            missing,
        })
    }
}

fn check_memory(job: &Job, frame: &Frame, orientation: u8) -> Result<(), Fault> {
    job.check_memory(&Plan {
        width: frame.width as u32,
        height: frame.height as u32,
        channels: frame.components.len() as u8,
        wide: false,
        orientation,
        scratch: frame.scratch(),
    })
}

/// Coefficients of a progressive picture to planes, component by component.
fn reconstruct(job: &Job, frame: &mut Frame) -> Result<(), Fault> {
    for component in &mut frame.components {
        let coefficients = std::mem::take(&mut component.coefficients);
        component.plane = zeroed(64 * component.padded.0 * component.padded.1)?;
        let Some(quant) = component.quant else { continue };
        let across = component.padded.0;
        for (i, block) in coefficients.chunks_exact(64).enumerate() {
            let (bx, by) = (i % across, i / across);
            if bx == 0 && by % 4 == 0 {
                job.check_cancel()?;
            }
            let mut values = [0; 64];
            for ((value, &c), &q) in values.iter_mut().zip(block).zip(&quant) {
                *value = i32::from(c).wrapping_mul(i32::from(q));
            }
            let at = 8 * (by * component.stride + bx);
            idct::idct(&values, &mut component.plane[at..], component.stride);
        }
    }
    frame.progressive = false;
    Ok(())
}
