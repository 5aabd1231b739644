//! From native samples to the picture: profile, 8 bits, alpha, orientation, in this order
//! (papers/images.md, section 1, steps 5 to 9), by bands of rows.

use super::color::Conversion;
use super::error::{ErrorKind, Fault};
use super::native::{AlphaKind, Job, Model, Native, Samples, zeroed};
use super::options::{Alpha, SixteenBit};
use super::picture::Rgb8;

/// Rows that are converted together; turned pictures are written in runs of this length.
const BAND: usize = 32;

/// The pixels, and whether any of them was less than opaque.
pub(super) struct Finished {
    pub(super) rgb: Rgb8,
    pub(super) transparent: bool,
}

pub(super) fn finish(
    job: &Job,
    native: Native,
    conversion: Option<&Conversion>,
    orientation: u8,
) -> Result<Finished, Fault> {
    let (width, height) = (native.width as usize, native.height as usize);
    // A codec that lies about its result stops here, whatever it was told about limits.
    if native.samples.len() != width * height * native.channels() || width == 0 || height == 0 {
        return Err(Fault::new(
            ErrorKind::Corrupt,
            "the decoder failed: it returned another number of samples than the header says",
        ));
    }

    let transparent = is_transparent(&native);
    if transparent && job.options.alpha == Alpha::Refuse {
        return Err(Fault::new(ErrorKind::HasAlpha, "the picture has transparent parts")
            .hint("allow it with alpha = \"gray\""));
    }

    let (out_width, out_height) = if orientation >= 5 {
        (native.height, native.width)
    } else {
        (native.width, native.height)
    };
    let data = match native {
        Native {
            model: Model::Rgb,
            alpha: AlphaKind::None,
            samples: Samples::U8(data),
            missing,
            ..
        } if orientation == 1 => in_place(job, data, width, conversion, missing.as_deref())?,
        native => {
            let mut out = zeroed::<u8>(3 * width * height)?;
            let mut band = vec![0u8; 3 * width * BAND.min(height)];
            for first in (0..height).step_by(BAND) {
                job.check_cancel()?;
                let rows = BAND.min(height - first);
                for y in first..first + rows {
                    let at = 3 * width * (y - first);
                    convert_row(job, &native, conversion, y, &mut band[at..at + 3 * width]);
                }
                place(&band[..3 * width * rows], first, width, height, orientation, &mut out);
            }
            out
        }
    };
    let rgb = Rgb8::new(out_width, out_height, data).expect("the buffer was made for this size");
    Ok(Finished { rgb, transparent })
}

/// Opaque 8-bit RGB needs no second buffer.
fn in_place(
    job: &Job,
    mut data: Vec<u8>,
    width: usize,
    conversion: Option<&Conversion>,
    missing: Option<&[bool]>,
) -> Result<Vec<u8>, Fault> {
    if conversion.is_none() && missing.is_none() {
        return Ok(data);
    }
    let mut copy = vec![0; 3 * width];
    for (y, row) in data.chunks_exact_mut(3 * width).enumerate() {
        if y % BAND == 0 {
            job.check_cancel()?;
        }
        if let Some(conversion) = conversion {
            copy.copy_from_slice(row);
            conversion.row_u8(&copy, 3, row);
        }
        fill_missing(missing, y, width, row);
    }
    Ok(data)
}

fn is_transparent(native: &Native) -> bool {
    if native.alpha == AlphaKind::None {
        return false;
    }
    let channels = native.channels();
    match &native.samples {
        Samples::U8(s) => s.chunks_exact(channels).any(|p| p[channels - 1] != 255),
        // Judged after the step to 8 bits, where the compositing happens.
        Samples::U16(s) => s.chunks_exact(channels).any(|p| round16(p[channels - 1]) != 255),
    }
}

/// One stored row to 8-bit sRGB over its background.
fn convert_row(
    job: &Job,
    native: &Native,
    conversion: Option<&Conversion>,
    y: usize,
    out: &mut [u8],
) {
    let channels = native.channels();
    let width = native.width as usize;
    let range = y * width * channels..(y + 1) * width * channels;
    let narrow = match job.options.sixteen_bit {
        SixteenBit::Round => round16,
        SixteenBit::HighByte => |v: u16| (v >> 8) as u8,
    };

    match (&native.samples, conversion) {
        (Samples::U8(s), Some(conversion)) => conversion.row_u8(&s[range.clone()], channels, out),
        (Samples::U16(s), Some(conversion)) => conversion.row_u16(&s[range.clone()], channels, out),
        (Samples::U8(s), None) => plain(&s[range.clone()], channels, native.model, |v| v, out),
        (Samples::U16(s), None) => plain(&s[range.clone()], channels, native.model, narrow, out),
    }

    if native.alpha != AlphaKind::None
        && let Some(background) = job.options.alpha.background()
    {
        let alpha_at = |x: usize| {
            let at = range.start + x * channels + channels - 1;
            match &native.samples {
                Samples::U8(s) => s[at],
                Samples::U16(s) => narrow(s[at]),
            }
        };
        for (x, pixel) in out.chunks_exact_mut(3).enumerate() {
            let a = alpha_at(x);
            for (c, b) in pixel.iter_mut().zip(background) {
                *c = match native.alpha {
                    AlphaKind::Premultiplied => over_premultiplied(*c, a, b),
                    _ => over(*c, a, b),
                };
            }
        }
    }
    fill_missing(native.missing.as_deref(), y, width, out);
}

/// Without a profile: gray widened, CMYK by the formula of section 1, RGB as it is.
fn plain<T: Copy>(row: &[T], channels: usize, model: Model, to8: impl Fn(T) -> u8, out: &mut [u8]) {
    for (pixel, out) in row.chunks_exact(channels).zip(out.chunks_exact_mut(3)) {
        match model {
            Model::Gray => out.fill(to8(pixel[0])),
            Model::Rgb => {
                for (out, &v) in out.iter_mut().zip(pixel) {
                    *out = to8(v);
                }
            }
            Model::Cmyk => {
                let k = to8(pixel[3]);
                for (out, &ink) in out.iter_mut().zip(&pixel[..3]) {
                    *out = without_ink(to8(ink), k);
                }
            }
        }
    }
}

/// `((255-C)(255-K) + 127) / 255`.
fn without_ink(ink: u8, k: u8) -> u8 {
    ((u32::from(255 - ink) * u32::from(255 - k) + 127) / 255) as u8
}

/// `(v*255 + 32767) / 65535` = round(v / 257).
pub(super) fn round16(v: u16) -> u8 {
    ((u32::from(v) * 255 + 32767) / 65535) as u8
}

/// Straight alpha over a background, in encoded values (section 4).
fn over(c: u8, a: u8, background: u8) -> u8 {
    let (c, a, b) = (u32::from(c), u32::from(a), u32::from(background));
    ((c * a + b * (255 - a) + 127) / 255) as u8
}

/// Associated alpha over a background (section 4).
fn over_premultiplied(c: u8, a: u8, background: u8) -> u8 {
    let (c, a, b) = (u32::from(c), u32::from(a), u32::from(background));
    (c + (b * (255 - a) + 127) / 255).min(255) as u8
}

fn fill_missing(missing: Option<&[bool]>, y: usize, width: usize, row: &mut [u8]) {
    if let Some(missing) = missing {
        for (pixel, &gone) in row.chunks_exact_mut(3).zip(&missing[y * width..]) {
            if gone {
                pixel.fill(128);
            }
        }
    }
}

/// Writes stored rows `first..` to where the table of section 2 wants them.
fn place(band: &[u8], first: usize, width: usize, height: usize, orientation: u8, out: &mut [u8]) {
    let rows = band.len() / (3 * width);
    if orientation == 1 {
        out[3 * width * first..][..band.len()].copy_from_slice(band);
        return;
    }
    // Stored (y, x) goes to upright row `u`, column `v`. For turned pictures x runs outside, so
    // that one upright row gets a run of neighbours.
    let mut put = |y: usize, x: usize, u: usize, v: usize, out_width: usize| {
        let from = 3 * ((y - first) * width + x);
        let to = 3 * (u * out_width + v);
        out[to..to + 3].copy_from_slice(&band[from..from + 3]);
    };
    let (last_x, last_y) = (width - 1, height - 1);
    if orientation < 5 {
        for y in first..first + rows {
            for x in 0..width {
                match orientation {
                    2 => put(y, x, y, last_x - x, width),
                    3 => put(y, x, last_y - y, last_x - x, width),
                    _ => put(y, x, last_y - y, x, width),
                }
            }
        }
    } else {
        for x in 0..width {
            for y in first..first + rows {
                match orientation {
                    5 => put(y, x, x, y, height),
                    6 => put(y, x, x, last_y - y, height),
                    7 => put(y, x, last_x - x, last_y - y, height),
                    _ => put(y, x, last_x - x, y, height),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S = [[1,2,3],[4,5,6]], each value three times as R, G, B.
    fn turned(stored: &[u8], width: usize, height: usize, orientation: u8) -> Vec<u8> {
        let band: Vec<u8> = stored.iter().flat_map(|&v| [v; 3]).collect();
        let mut out = vec![0; band.len()];
        place(&band, 0, width, height, orientation, &mut out);
        out.chunks_exact(3).map(|p| p[0]).collect()
    }

    #[test]
    fn orientations_are_those_of_the_table() {
        let s = [1, 2, 3, 4, 5, 6];
        assert_eq!(turned(&s, 3, 2, 1), [1, 2, 3, 4, 5, 6]);
        assert_eq!(turned(&s, 3, 2, 2), [3, 2, 1, 6, 5, 4]);
        assert_eq!(turned(&s, 3, 2, 3), [6, 5, 4, 3, 2, 1]);
        assert_eq!(turned(&s, 3, 2, 4), [4, 5, 6, 1, 2, 3]);
        assert_eq!(turned(&s, 3, 2, 5), [1, 4, 2, 5, 3, 6]);
        assert_eq!(turned(&s, 3, 2, 6), [4, 1, 5, 2, 6, 3]);
        assert_eq!(turned(&s, 3, 2, 7), [6, 3, 5, 2, 4, 1]);
        assert_eq!(turned(&s, 3, 2, 8), [3, 6, 2, 5, 1, 4]);
    }

    #[test]
    fn an_orientation_and_its_inverse_are_the_identity() {
        let s: Vec<u8> = (0..35).collect();
        for (k, inverse) in [(2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)] {
            let there = turned(&s, 7, 5, k);
            let (w, h) = if k >= 5 { (5, 7) } else { (7, 5) };
            assert_eq!(turned(&there, w, h, inverse), s, "{k}");
        }
    }

    #[test]
    fn sixteen_bits_are_rounded_to_the_nearest_level() {
        for v in 0..=u16::MAX {
            assert_eq!(round16(v), (f64::from(v) / 257.0 + 0.5).floor() as u8, "{v}");
        }
        for (v, expected) in [(0, 0), (128, 0), (129, 1), (32896, 128), (65535, 255)] {
            assert_eq!(round16(v), expected, "{v}");
        }
        for k in 0..=255u8 {
            assert_eq!(round16(u16::from(k) * 257), k);
        }
    }

    #[test]
    fn compositing_lies_between_the_colour_and_the_background() {
        for c in 0..=255u8 {
            for a in 0..=255u8 {
                let out = over(c, a, 128);
                assert!((c.min(128)..=c.max(128)).contains(&out), "{c} {a}");
            }
            assert_eq!(over(c, 255, 128), c);
            assert_eq!(over(c, 0, 128), 128);
        }
        assert_eq!(over(200, 128, 128), 164);
        assert_eq!(over_premultiplied(250, 0, 128), 255);
    }
}
