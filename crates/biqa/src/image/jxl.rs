//! JPEG XL by the pure-Rust decoder `jxl-oxide` (feature `jxl`). The codec itself converts to sRGB
//! what it knows by number, and turns the picture; an ICC profile goes to the common path.

use jxl_oxide::{AllocTracker, EnumColourEncoding, InitializeResult, JxlImage, RenderingIntent};

use super::error::Fault;
use super::native::{AlphaKind, Decoded, FoundProfile, Job, Model, Native, Plan, Samples, zeroed};
use super::options::Apply;

const FORMAT: &str = "JPEG XL";

pub(super) fn decode(job: &Job) -> Result<Decoded, Fault> {
    let ends = || Fault::ends_after(FORMAT, job.bytes.len());
    let corrupt = |error: &dyn std::fmt::Display| Fault::corrupt(FORMAT, error);
    let limit = usize::try_from(job.limits.max_alloc_bytes).unwrap_or(usize::MAX);
    let mut start = JxlImage::builder()
        .alloc_tracker(AllocTracker::with_limit(limit))
        .pool(jxl_oxide::JxlThreadPool::none())
        .build_uninit();
    start.feed_bytes(job.bytes).map_err(|error| corrupt(&error))?;
    let mut image = match start.try_init().map_err(|error| corrupt(&error))? {
        InitializeResult::Initialized(image) => image,
        InitializeResult::NeedMoreData(_) => return Err(ends()),
    };

    let (width, height) = (image.width(), image.height());
    job.limits.check_size(FORMAT, u64::from(width), u64::from(height))?;
    let format = image.pixel_format();
    if format.has_black() {
        return Err(Fault::unsupported("CMYK JPEG XL"));
    }
    let metadata = &image.image_header().metadata;
    let bits = metadata.bit_depth.bits_per_sample();
    let (xyb, wide) = (metadata.xyb_encoded, bits > 8);
    let icc = image.original_icc().filter(|_| !xyb).map(<[u8]>::to_vec);
    if let Some(icc) = &icc {
        job.limits.check_icc(icc.len() as u64)?;
    }
    let model = if format.is_grayscale() { Model::Gray } else { Model::Rgb };
    if icc.is_none() && (xyb || job.options.profile == Apply::Apply) {
        let intent = RenderingIntent::Relative;
        image.request_color_encoding(match model {
            Model::Gray => EnumColourEncoding::gray_srgb(intent),
            _ => EnumColourEncoding::srgb(intent),
        });
    }
    let channels = format.channels() as u8;
    // The codec works in 32-bit floats.
    let scratch = 4 * u64::from(channels) * u64::from(width) * u64::from(height);
    job.check_memory(&Plan { width, height, channels, wide, orientation: 1, scratch })?;

    job.check_cancel()?;
    if image.num_loaded_keyframes() == 0 {
        return Err(ends());
    }
    let render = image.render_frame(0).map_err(|error| corrupt(&error))?;
    job.check_cancel()?;
    let mut stream = render.stream();
    if (stream.width(), stream.height(), stream.channels()) != (width, height, u32::from(channels))
    {
        return Err(Fault::corrupt(FORMAT, "the decoder failed: it returned another size"));
    }
    let total = width as usize * height as usize * usize::from(channels);
    let (samples, written) = if wide {
        let mut samples = zeroed::<u16>(total)?;
        let written = stream.write_to_buffer(&mut samples);
        (Samples::U16(samples), written)
    } else {
        let mut samples = zeroed::<u8>(total)?;
        let written = stream.write_to_buffer(&mut samples);
        (Samples::U8(samples), written)
    };
    if written != total {
        return Err(Fault::corrupt(FORMAT, "the decoder failed: pixels are missing"));
    }
    let frames = image.is_loading_done().then(|| image.num_loaded_keyframes() as u32);
    let alpha = if format.has_alpha() { AlphaKind::Straight } else { AlphaKind::None };
    Ok(Decoded {
        native: Native { width, height, model, alpha, samples, missing: None },
        orientation: 1,
        profile: icc.map_or(FoundProfile::None, FoundProfile::Icc),
        frames,
        bits: bits.min(16) as u8,
        stored_channels: channels,
        warnings: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{ErrorKind, LoadOptions, decode};

    /// The file in the documentation of `jxl-oxide`.
    const FILE: [u8; 40] = [
        0xff, 0x0a, 0x30, 0x54, 0x10, 0x09, 0x08, 0x06, 0x01, 0x00, 0x78, 0x00, 0x4b, 0x38, 0x41,
        0x3c, 0xb6, 0x3a, 0x51, 0xfe, 0x00, 0x47, 0x1e, 0xa0, 0x85, 0xb8, 0x27, 0x1a, 0x48, 0x45,
        0x84, 0x1b, 0x71, 0x4f, 0xa8, 0x3e, 0x8e, 0x30, 0x03, 0x92,
    ];

    #[test]
    fn a_small_file_loads_and_its_parts_do_not() {
        let whole = [&FILE[..], &[0x84, 0x01]].concat();
        let picture = decode(&whole, "a.jxl", &LoadOptions::default()).unwrap();
        assert_eq!(picture.source.format.as_str(), "jxl");
        for cut in 2..FILE.len() {
            let kind = decode(&FILE[..cut], "a.jxl", &LoadOptions::default()).unwrap_err().kind();
            assert!(
                matches!(kind, ErrorKind::Truncated | ErrorKind::Corrupt),
                "cut at {cut}: {kind}"
            );
        }
    }
}
