//! QOI, by its one-page specification (qoiformat.org, version 1.0); the colour space byte and the
//! end marker are not looked at.

use super::error::Fault;
use super::native::{AlphaKind, Decoded, FoundProfile, Job, Model, Native, Plan, Samples, zeroed};

const FORMAT: &str = "QOI";
const HEADER: usize = 14;

pub(super) fn decode(job: &Job) -> Result<Decoded, Fault> {
    let bytes = job.bytes;
    let header: &[u8; HEADER] =
        bytes.first_chunk().ok_or_else(|| Fault::ends_after(FORMAT, bytes.len()))?;
    let number = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let (width, height, channels) = (number(4), number(8), header[12]);
    job.limits.check_size(FORMAT, u64::from(width), u64::from(height))?;
    if channels != 3 && channels != 4 {
        return Err(Fault::corrupt(FORMAT, format_args!("{channels} channels, not 3 or 4")));
    }
    job.check_memory(&Plan { width, height, channels, wide: false, orientation: 1, scratch: 0 })?;

    let (w, h) = (width as usize, height as usize);
    let mut samples = zeroed::<u8>(w * h * usize::from(channels))?;
    let done = fill(job, &bytes[HEADER..], w, usize::from(channels), &mut samples)?;
    let mut missing = None;
    if done < w * h {
        if !job.fills_missing() || done == 0 {
            let (bytes, row) = (bytes.len(), done / w);
            return Err(Fault::truncated(
                FORMAT,
                format_args!("ends after {bytes} bytes, in row {row} of {h}"),
            ));
        }
        let mut flags = zeroed(w * h)?;
        flags[done..].fill(true);
        missing = Some(flags);
    }
    let alpha = if channels == 4 { AlphaKind::Straight } else { AlphaKind::None };
    let native =
        Native { width, height, model: Model::Rgb, alpha, samples: Samples::U8(samples), missing };
    Ok(Decoded {
        native,
        orientation: 1,
        profile: FoundProfile::None,
        frames: Some(1),
        bits: 8,
        stored_channels: channels,
        warnings: Vec::new(),
    })
}

/// Decodes into `out`; returns how many pixels there were.
fn fill(
    job: &Job,
    data: &[u8],
    width: usize,
    channels: usize,
    out: &mut [u8],
) -> Result<usize, Fault> {
    let mut seen = [[0u8; 4]; 64];
    let mut pixel = [0, 0, 0, 255u8];
    let mut pos = 0;
    let total = out.len() / channels;
    let (mut done, mut next_check) = (0, 0);
    while done < total {
        if done >= next_check {
            job.check_cancel()?;
            next_check = done + 32 * width;
        }
        let Some(&tag) = data.get(pos) else { return Ok(done) };
        let mut run = 1;
        let operands = match tag {
            0xFE => 3,
            0xFF => 4,
            0x80..=0xBF => 1,
            _ => 0,
        };
        let Some(args) = data.get(pos + 1..pos + 1 + operands) else { return Ok(done) };
        pos += 1 + operands;
        let [r, g, b, _] = pixel;
        match tag {
            0xFE => pixel[..3].copy_from_slice(args),
            0xFF => pixel.copy_from_slice(args),
            0x00..=0x3F => pixel = seen[usize::from(tag)],
            0x40..=0x7F => {
                let delta = |shift: u8| (tag >> shift & 3).wrapping_sub(2);
                pixel[0] = r.wrapping_add(delta(4));
                pixel[1] = g.wrapping_add(delta(2));
                pixel[2] = b.wrapping_add(delta(0));
            }
            0x80..=0xBF => {
                let green = (tag & 0x3F).wrapping_sub(32);
                pixel[0] = r.wrapping_add(green).wrapping_add(args[0] >> 4).wrapping_sub(8);
                pixel[1] = g.wrapping_add(green);
                pixel[2] = b.wrapping_add(green).wrapping_add(args[0] & 15).wrapping_sub(8);
            }
            _ => run = usize::from(tag & 0x3F) + 1,
        }
        let [r, g, b, a] = pixel.map(usize::from);
        seen[(3 * r + 5 * g + 7 * b + 11 * a) % 64] = pixel;
        let run = run.min(total - done);
        for out in out[done * channels..(done + run) * channels].chunks_exact_mut(channels) {
            out.copy_from_slice(&pixel[..channels]);
        }
        done += run;
    }
    Ok(done)
}
