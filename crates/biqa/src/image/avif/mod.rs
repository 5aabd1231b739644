//! AVIF by `re_rav1d`, the Rust port of dav1d without its assembly (feature `avif`). The container
//! and the way from YUV to RGB are ours: chroma by the triangle filter, in float, then rounded.

mod container;

use re_rav1d::dav1d::{
    Decoder, Error, Picture, PixelLayout, PlanarImageComponent, Settings, pixel,
};

use super::error::{ErrorKind, Fault};
use super::native::{AlphaKind, Decoded, FoundProfile, Job, Model, Native, Plan, Samples, zeroed};
use super::picture::{Warning, WarningKind};
use container::{Container, Item};

const FORMAT: &str = "AVIF";
/// Bytes a pixel that the AV1 decoder takes at most: planes of 16 bits and their filters' copies.
const CODEC_BYTES: u64 = 16;

pub(super) fn decode(job: &Job) -> Result<Decoded, Fault> {
    let container = container::read(job)?;
    let Item { width, height, .. } = container.primary;
    let channels: u8 = if container.alpha.is_some() { 4 } else { 3 };
    let pixels = u64::from(width) * u64::from(height);
    job.check_memory(&Plan {
        width,
        height,
        channels,
        wide: true,
        orientation: container.orientation,
        scratch: CODEC_BYTES * pixels,
    })?;
    if let Some(icc) = container.icc {
        job.limits.check_icc(icc.len() as u64)?;
    }

    let color = Planes::decode(job, &container.primary)?;
    let alpha = container.alpha.as_ref().map(|item| Planes::decode(job, item)).transpose()?;
    if alpha.as_ref().is_some_and(|a| (a.width, a.height) != (color.width, color.height)) {
        return Err(Fault::unsupported("AVIF (alpha of another size)"));
    }
    let matrix = Matrix::new(&container, &color)?;
    let (max, wide) = ((1u32 << color.bits) - 1, color.bits > 8);
    let full = if wide { 65535.0 } else { 255.0 };
    let mut rows = Vec::new();
    if wide {
        rows.reserve_exact(pixels as usize * usize::from(channels));
    }
    let mut bytes =
        if wide { Vec::new() } else { zeroed(pixels as usize * usize::from(channels))? };
    let count = usize::from(channels);
    for y in 0..color.height {
        if y % 32 == 0 {
            job.check_cancel()?;
        }
        for x in 0..color.width {
            let rgb = matrix.rgb(&color, x, y, max as f32);
            let opacity = alpha.as_ref().map_or(1.0, |a| a.opacity(x, y));
            let values = [rgb[0], rgb[1], rgb[2], opacity];
            let at = (y * color.width + x) * count;
            for (i, v) in values[..count].iter().enumerate() {
                let v = (v.clamp(0.0, 1.0) * full + 0.5).floor();
                if wide {
                    rows.push(v as u16);
                } else {
                    bytes[at + i] = v as u8;
                }
            }
        }
    }

    let mut warnings = Vec::new();
    let profile = match (container.icc, container.nclx) {
        (Some(icc), _) => FoundProfile::Icc(icc.to_vec()),
        // BT.709, BT.601 and BT.2020 curves are shown as sRGB everywhere.
        (None, Some((1 | 2, 1 | 2 | 6 | 13 | 14 | 15, ..)) | None) => FoundProfile::None,
        (None, Some((primaries, transfer, ..))) => {
            let text = format!("the colour space nclx {primaries}/{transfer} is not applied");
            warnings.push(Warning::new(WarningKind::ColorSpaceIgnored, text));
            FoundProfile::None
        }
    };
    let alpha = match (container.alpha.is_some(), container.premultiplied) {
        (false, _) => AlphaKind::None,
        (true, true) => AlphaKind::Premultiplied,
        (true, false) => AlphaKind::Straight,
    };
    let samples = if wide { Samples::U16(rows) } else { Samples::U8(bytes) };
    Ok(Decoded {
        native: Native { width, height, model: Model::Rgb, alpha, samples, missing: None },
        orientation: container.orientation,
        profile,
        frames: Some(1),
        bits: color.bits,
        stored_channels: channels,
        warnings,
    })
}

/// A decoded AV1 frame: planes of plain numbers.
struct Planes {
    width: usize,
    height: usize,
    bits: u8,
    /// Y, and U and V unless monochrome.
    samples: Vec<Vec<u16>>,
    /// Width and height of U and V, and whether they are halved.
    chroma: (usize, usize),
    halved: (bool, bool),
    full_range: bool,
    matrix: u16,
}

impl Planes {
    fn decode(job: &Job, item: &Item) -> Result<Self, Fault> {
        let picture = frame(job, item)?;
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if (width, height) != (item.width as usize, item.height as usize) {
            let what = format_args!(
                "a {width} x {height} frame for a {} x {} picture",
                item.width, item.height
            );
            return Err(Fault::corrupt(FORMAT, what));
        }
        let halved = match picture.pixel_layout() {
            PixelLayout::I420 => (true, true),
            PixelLayout::I422 => (true, false),
            PixelLayout::I400 | PixelLayout::I444 => (false, false),
        };
        let half = |n: usize, halved: bool| if halved { n.div_ceil(2) } else { n };
        let chroma = (half(width, halved.0), half(height, halved.1));
        let bits = picture.bit_depth() as u8;
        let mut samples = vec![plane(&picture, PlanarImageComponent::Y, (width, height), bits)?];
        if picture.pixel_layout() != PixelLayout::I400 {
            samples.push(plane(&picture, PlanarImageComponent::U, chroma, bits)?);
            samples.push(plane(&picture, PlanarImageComponent::V, chroma, bits)?);
        }
        let full_range = picture.color_range() == pixel::YUVRange::Full;
        let matrix = picture.matrix_coefficients() as u16;
        Ok(Self { width, height, bits, samples, chroma, halved, full_range, matrix })
    }

    /// Luma in [0, 1].
    fn luma(&self, x: usize, y: usize, full_range: bool, max: f32) -> f32 {
        level(f32::from(self.samples[0][y * self.width + x]), full_range, max)
    }

    fn opacity(&self, x: usize, y: usize) -> f32 {
        let max = ((1u32 << self.bits) - 1) as f32;
        self.luma(x, y, self.full_range, max)
    }

    /// A chroma sample at full resolution: samples lie in the middle of their pixels, 3/4 to 1/4.
    fn chroma(&self, plane: usize, x: usize, y: usize) -> f32 {
        let axis = |at: usize, n: usize, halved: bool| {
            if !halved {
                return (at, at, 0.0);
            }
            let near = (at / 2).min(n - 1);
            let far =
                if at.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(n - 1) };
            (near, far, 0.25)
        };
        let (x0, x1, tx) = axis(x, self.chroma.0, self.halved.0);
        let (y0, y1, ty) = axis(y, self.chroma.1, self.halved.1);
        let at = |x: usize, y: usize| f32::from(self.samples[plane][y * self.chroma.0 + x]);
        let row = |y: usize| at(x0, y) * (1.0 - tx) + at(x1, y) * tx;
        row(y0) * (1.0 - ty) + row(y1) * ty
    }
}

/// A luma value in [0, 1]; the limited range is 16 to 235 of 8 bits.
fn level(v: f32, full_range: bool, max: f32) -> f32 {
    let unit = (max + 1.0) / 256.0;
    if full_range { v / max } else { (v - 16.0 * unit) / (219.0 * unit) }
}

/// Sends the item's bytes and waits for its one frame.
fn frame(job: &Job, item: &Item) -> Result<Picture, Fault> {
    let fault = |error: Error| match error {
        Error::NotEnoughMemory => {
            Fault::new(ErrorKind::TooMuchMemory, "the AV1 decoder found no memory")
        }
        Error::UnsupportedBitstream => Fault::unsupported("AVIF (this kind of AV1 stream)"),
        Error::Again => Fault::truncated(FORMAT, "no frame in the data"),
        other => Fault::corrupt(FORMAT, other),
    };
    let mut settings = Settings::new();
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_frame_size_limit(u32::try_from(job.limits.max_pixels).unwrap_or(u32::MAX));
    let mut decoder = Decoder::with_settings(&settings).map_err(fault)?;
    match decoder.send_data(item.data.concat(), None, None, None) {
        Ok(()) | Err(Error::Again) => {}
        Err(error) => return Err(fault(error)),
    }
    job.check_cancel()?;
    decoder.get_picture().map_err(fault)
}

/// One plane without its padding.
fn plane(
    picture: &Picture,
    component: PlanarImageComponent,
    (width, height): (usize, usize),
    bits: u8,
) -> Result<Vec<u16>, Fault> {
    let stride = picture.stride(component) as usize;
    let data = picture.plane(component);
    let bytes = if bits > 8 { 2 } else { 1 };
    let mut out = zeroed(width * height)?;
    for (out, row) in out.chunks_exact_mut(width).zip(data.chunks(stride)) {
        for (out, sample) in out.iter_mut().zip(row.chunks_exact(bytes)) {
            *out = match *sample {
                [low, high] => u16::from_ne_bytes([low, high]),
                _ => u16::from(sample[0]),
            };
        }
    }
    Ok(out)
}

/// How luma and chroma become colours (ITU-T H.273, table 4).
enum Matrix {
    /// Y, U, V are G, B, R.
    Identity(bool),
    Gray(bool),
    /// Weights of red and blue in luma.
    Weights {
        red: f32,
        blue: f32,
        full_range: bool,
    },
}

impl Matrix {
    fn new(container: &Container, planes: &Planes) -> Result<Self, Fault> {
        // The item's own words stand above those of the stream.
        let (matrix, full_range) = match container.nclx {
            Some((_, _, matrix, full)) => (matrix, full),
            None => (planes.matrix, planes.full_range),
        };
        if planes.samples.len() == 1 {
            return Ok(Self::Gray(full_range));
        }
        let (red, blue) = match matrix {
            0 if planes.halved == (false, false) => return Ok(Self::Identity(full_range)),
            1 => (0.2126, 0.0722),
            2 | 5 | 6 => (0.299, 0.114),
            4 => (0.30, 0.11),
            7 => (0.212, 0.087),
            9 => (0.2627, 0.0593),
            other => return Err(Fault::unsupported(format_args!("AVIF (matrix {other})"))),
        };
        Ok(Self::Weights { red, blue, full_range })
    }

    fn rgb(&self, planes: &Planes, x: usize, y: usize, max: f32) -> [f32; 3] {
        match *self {
            Self::Gray(full_range) => [planes.luma(x, y, full_range, max); 3],
            Self::Identity(full_range) => {
                let at = y * planes.width + x;
                let [g, b, r] =
                    [0, 1, 2].map(|i| level(f32::from(planes.samples[i][at]), full_range, max));
                [r, g, b]
            }
            Self::Weights { red, blue, full_range } => {
                let luma = planes.luma(x, y, full_range, max);
                let middle = f32::midpoint(max, 1.0);
                let scale = if full_range { max } else { 224.0 * (max + 1.0) / 256.0 };
                let [cb, cr] = [1, 2].map(|i| (planes.chroma(i, x, y) - middle) / scale);
                let r = luma + 2.0 * (1.0 - red) * cr;
                let b = luma + 2.0 * (1.0 - blue) * cb;
                let g = (luma - red * r - blue * b) / (1.0 - red - blue);
                [r, g, b]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ErrorKind, LoadOptions, decode};

    /// 6 x 5 pixels of (200, 100, 50), 4:4:4, written by libavif.
    const FILE: [u8; 301] = [
        0x00, 0x00, 0x00, 0x20, 0x66, 0x74, 0x79, 0x70, 0x61, 0x76, 0x69, 0x66, 0x00, 0x00, 0x00,
        0x00, 0x61, 0x76, 0x69, 0x66, 0x6d, 0x69, 0x66, 0x31, 0x6d, 0x69, 0x61, 0x66, 0x4d, 0x41,
        0x31, 0x41, 0x00, 0x00, 0x00, 0xeb, 0x6d, 0x65, 0x74, 0x61, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x21, 0x68, 0x64, 0x6c, 0x72, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x70, 0x69, 0x63, 0x74, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x0e, 0x70, 0x69, 0x74, 0x6d, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x01, 0x00, 0x00, 0x00, 0x1e, 0x69, 0x6c, 0x6f, 0x63, 0x00, 0x00, 0x00, 0x00, 0x44, 0x00,
        0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x01, 0x13, 0x00, 0x00, 0x00,
        0x1a, 0x00, 0x00, 0x00, 0x28, 0x69, 0x69, 0x6e, 0x66, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
        0x00, 0x00, 0x00, 0x1a, 0x69, 0x6e, 0x66, 0x65, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
        0x00, 0x61, 0x76, 0x30, 0x31, 0x43, 0x6f, 0x6c, 0x6f, 0x72, 0x00, 0x00, 0x00, 0x00, 0x6a,
        0x69, 0x70, 0x72, 0x70, 0x00, 0x00, 0x00, 0x4b, 0x69, 0x70, 0x63, 0x6f, 0x00, 0x00, 0x00,
        0x14, 0x69, 0x73, 0x70, 0x65, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00,
        0x00, 0x05, 0x00, 0x00, 0x00, 0x10, 0x70, 0x69, 0x78, 0x69, 0x00, 0x00, 0x00, 0x00, 0x03,
        0x08, 0x08, 0x08, 0x00, 0x00, 0x00, 0x0c, 0x61, 0x76, 0x31, 0x43, 0x81, 0x20, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x13, 0x63, 0x6f, 0x6c, 0x72, 0x6e, 0x63, 0x6c, 0x78, 0x00, 0x01, 0x00,
        0x0d, 0x00, 0x06, 0x80, 0x00, 0x00, 0x00, 0x17, 0x69, 0x70, 0x6d, 0x61, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x04, 0x01, 0x02, 0x83, 0x04, 0x00, 0x00, 0x00,
        0x22, 0x6d, 0x64, 0x61, 0x74, 0x12, 0x00, 0x0a, 0x05, 0x38, 0x08, 0xac, 0x60, 0x90, 0x32,
        0x0f, 0x11, 0x80, 0x00, 0x00, 0x40, 0x00, 0x68, 0xc1, 0x42, 0x2c, 0x6b, 0x0f, 0xc0, 0xbf,
        0x39,
    ];

    #[test]
    fn a_small_file_loads() {
        let picture = decode(&FILE, "a.avif", &LoadOptions::default()).unwrap();
        assert_eq!((picture.rgb.width(), picture.rgb.height()), (6, 5));
        for (a, b) in picture.rgb.data().iter().zip([200u8, 100, 50].iter().cycle()) {
            assert!(a.abs_diff(*b) <= 2, "{a} {b}");
        }
        assert!(picture.warnings.is_empty());
    }

    #[test]
    fn a_part_of_it_is_an_error() {
        for cut in 12..FILE.len() {
            let Err(error) = decode(&FILE[..cut], "a.avif", &LoadOptions::default()) else {
                panic!("cut at {cut}");
            };
            let kind = error.kind();
            assert!(
                matches!(kind, ErrorKind::Truncated | ErrorKind::Corrupt),
                "cut at {cut}: {error}"
            );
            assert!(!error.message().contains("decoder failed"), "cut at {cut}: {error}");
        }
    }
}
