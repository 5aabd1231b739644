//! GIF: the first frame at its offset on the logical screen, the rest of the screen transparent
//! (papers/images.md, section 1). The blocks are walked here, LZW is `weezl`'s.

use super::error::Fault;
use super::expand::Palette;
use super::native::{AlphaKind, Decoded, FoundProfile, Job, Model, Native, Plan, Samples, zeroed};

const FORMAT: &str = "GIF";

/// Walks the file block by block.
struct Blocks<'a> {
    bytes: &'a [u8],
    pos: usize,
    count: u64,
}

impl<'a> Blocks<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.pos..self.pos.checked_add(n)?)?;
        self.pos += n;
        Some(taken)
    }

    fn need(&mut self, n: usize) -> Result<&'a [u8], Fault> {
        self.take(n).ok_or_else(|| Fault::ends_after(FORMAT, self.bytes.len()))
    }

    /// One of a chain of sub-blocks; empty: the chain's end. `None`: the file ends.
    fn sub_block(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.take(1)?[0]);
        self.take(length)
    }

    fn skip_chain(&mut self) -> Option<()> {
        while !self.sub_block()?.is_empty() {}
        Some(())
    }

    /// The colour table that a packed field announces.
    fn table(&mut self, packed: u8) -> Result<Option<&'a [u8]>, Fault> {
        if packed & 0x80 == 0 {
            return Ok(None);
        }
        self.need(3 << ((packed & 7) + 1)).map(Some)
    }

    fn counted(&mut self, job: &Job) -> Result<(), Fault> {
        self.count += 1;
        job.limits.check_chunks(FORMAT, self.count)
    }
}

/// The image descriptor of the first frame.
struct Frame {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    interlaced: bool,
}

pub(super) fn decode(job: &Job) -> Result<Decoded, Fault> {
    let mut blocks = Blocks { bytes: job.bytes, pos: 6, count: 0 };
    let screen = blocks.need(7)?;
    let number = |bytes: &[u8], at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let (width, height) = (number(screen, 0), number(screen, 2));
    job.limits.check_size(FORMAT, u64::from(width), u64::from(height))?;
    let global = blocks.table(screen[4])?;

    // Everything before the first frame; only its transparent index matters.
    let mut transparent = None;
    let descriptor = loop {
        blocks.counted(job)?;
        match blocks.need(1)?[0] {
            0x2C => break blocks.need(9)?,
            0x21 => {
                let label = blocks.need(1)?[0];
                if label == 0xF9 {
                    let ends = Fault::ends_after(FORMAT, job.bytes.len());
                    let control = blocks.sub_block().ok_or_else(|| ends.clone())?;
                    if control.len() >= 4 {
                        transparent = (control[0] & 1 == 1).then_some(control[3]);
                    }
                    if !control.is_empty() {
                        blocks.skip_chain().ok_or(ends)?;
                    }
                } else {
                    blocks
                        .skip_chain()
                        .ok_or_else(|| Fault::ends_after(FORMAT, job.bytes.len()))?;
                }
            }
            0x3B => return Err(Fault::corrupt(FORMAT, "no picture before the end marker")),
            // Some writers leave zeros between blocks.
            0 => {}
            other => return Err(Fault::corrupt(FORMAT, format_args!("unknown block {other:02x}"))),
        }
    };
    let frame = Frame {
        left: usize::from(number(descriptor, 0)),
        top: usize::from(number(descriptor, 2)),
        width: usize::from(number(descriptor, 4)),
        height: usize::from(number(descriptor, 6)),
        interlaced: descriptor[8] & 0x40 != 0,
    };
    job.limits.check_size(FORMAT, frame.width as u64, frame.height as u64)?;
    let table = blocks.table(descriptor[8])?.or(global);
    let bits = if descriptor[8] & 0x80 != 0 { descriptor[8] & 7 } else { screen[4] & 7 } + 1;
    let Some(table) = table else { return Err(Fault::corrupt(FORMAT, "no colour table")) };

    let (w, h) = (usize::from(width), usize::from(height));
    let covers = frame.left == 0 && frame.top == 0 && frame.width >= w && frame.height >= h;
    let mut palette = Palette::opaque(table.chunks_exact(3).map(|c| [c[0], c[1], c[2]]));
    if transparent.is_some() || !covers {
        palette = palette.with_alpha(&[]);
    }
    let channels = palette.channels();
    job.check_memory(&Plan {
        width: u32::from(width),
        height: u32::from(height),
        channels: channels as u8,
        wide: false,
        orientation: 1,
        scratch: (frame.width * frame.height) as u64,
    })?;

    let mut indices = zeroed::<u8>(frame.width * frame.height)?;
    let done = inflate(job, &mut blocks, &mut indices)?;
    let rows: Vec<usize> = row_order(&frame);
    let mut missing = None;
    if done < indices.len() {
        let (bytes, row, rows_all) = (job.bytes.len(), done / frame.width, frame.height);
        if !job.fills_missing() || done == 0 {
            let where_ = format_args!("ends after {bytes} bytes, in row {row} of {rows_all}");
            return Err(Fault::truncated(FORMAT, where_));
        }
        missing = Some(missing_after(&frame, &rows, done, w, h)?);
    }

    let mut samples = zeroed::<u8>(w * h * channels)?;
    for (i, &y) in rows.iter().enumerate() {
        if i % 64 == 0 {
            job.check_cancel()?;
        }
        let (y, visible) = (frame.top + y, frame.width.min(w.saturating_sub(frame.left)));
        if y >= h || visible == 0 {
            continue;
        }
        let row = &indices[i * frame.width..][..visible];
        let out = &mut samples[(y * w + frame.left) * channels..][..visible * channels];
        palette.expand(row, out);
        if let Some(transparent) = transparent {
            for (out, _) in
                out.chunks_exact_mut(4).zip(row).filter(|(_, index)| **index == transparent)
            {
                out[3] = 0;
            }
        }
    }
    let alpha = if palette.has_alpha() { AlphaKind::Straight } else { AlphaKind::None };
    let native = Native {
        width: u32::from(width),
        height: u32::from(height),
        model: Model::Rgb,
        alpha,
        samples: Samples::U8(samples),
        missing,
    };
    Ok(Decoded {
        native,
        orientation: 1,
        profile: FoundProfile::None,
        frames: count_frames(job, &mut blocks),
        bits,
        stored_channels: 1,
        warnings: Vec::new(),
    })
}

/// LZW codes of the first frame into `out`; returns how many indices there were.
fn inflate(job: &Job, blocks: &mut Blocks, out: &mut [u8]) -> Result<usize, Fault> {
    let min_code = blocks.need(1)?[0];
    if !(1..=11).contains(&min_code) {
        return Err(Fault::corrupt(FORMAT, format_args!("LZW code size {min_code}, not 1 to 11")));
    }
    let mut decoder = weezl::decode::Decoder::new(weezl::BitOrder::Lsb, min_code.max(2));
    let mut done = 0;
    'file: loop {
        let Some(mut data) = blocks.sub_block() else { return Ok(done) };
        if data.is_empty() {
            return Ok(done);
        }
        job.check_cancel()?;
        while !data.is_empty() && done < out.len() {
            let result = decoder.decode_bytes(data, &mut out[done..]);
            data = &data[result.consumed_in..];
            done += result.consumed_out;
            match result.status {
                Ok(weezl::LzwStatus::Done) => break 'file,
                Ok(weezl::LzwStatus::NoProgress) => break,
                Ok(weezl::LzwStatus::Ok) => {}
                Err(error) => return Err(Fault::corrupt(FORMAT, format_args!("LZW: {error}"))),
            }
        }
        // Bytes that are left in the codec come out without input.
        while done < out.len() {
            let result = decoder.decode_bytes(&[], &mut out[done..]);
            if result.consumed_out == 0 {
                break;
            }
            done += result.consumed_out;
        }
        if done == out.len() {
            break;
        }
    }
    // What stands behind the last pixel does not matter; `None` is a file that ends there.
    let _ = blocks.skip_chain();
    Ok(done)
}

/// The row of the picture that each stored row is.
fn row_order(frame: &Frame) -> Vec<usize> {
    if !frame.interlaced {
        return (0..frame.height).collect();
    }
    [(0, 8), (4, 8), (2, 4), (1, 2)]
        .into_iter()
        .flat_map(|(first, step)| (first..frame.height).step_by(step))
        .collect()
}

fn missing_after(
    frame: &Frame,
    rows: &[usize],
    done: usize,
    w: usize,
    h: usize,
) -> Result<Vec<bool>, Fault> {
    let mut missing = zeroed(w * h)?;
    for i in done..frame.width * frame.height {
        let (x, y) = (frame.left + i % frame.width, frame.top + rows[i / frame.width]);
        if x < w && y < h {
            missing[y * w + x] = true;
        }
    }
    Ok(missing)
}

/// Frames of the whole file; `None` where it is too long or broken behind the first one.
fn count_frames(job: &Job, blocks: &mut Blocks) -> Option<u32> {
    let mut frames = 1;
    loop {
        blocks.counted(job).ok()?;
        match blocks.take(1).map(|byte| byte[0]) {
            None | Some(0x3B) => return Some(frames),
            Some(0x21) => {
                blocks.take(1)?;
                blocks.skip_chain()?;
            }
            Some(0x2C) => {
                let packed = blocks.take(9)?[8];
                blocks.table(packed).ok()?;
                blocks.take(1)?;
                blocks.skip_chain()?;
                frames += 1;
            }
            Some(0) => {}
            Some(_) => return None,
        }
    }
}
