//! The front door: a path or bytes in, a [`Picture`] or a [`LoadError`] out.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::error::{ErrorKind, Fault, LoadError, escape};
use super::finish::finish;
use super::icc;
use super::native::{AlphaKind, Decoded, Job, Model, Samples};
use super::options::{Apply, LoadOptions};
use super::picture::{Picture, Source, Warning, WarningKind};
use super::sniff::{Format, Sniffed, named_by_extension, sniff};
use super::{bmp, gif, jpeg, png, pnm, qoi, tiff, webp};

/// Reads the file at `path` and decodes it.
///
/// # Errors
/// Every kind of papers/images.md, section 5; the message names the path as given, escaped.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Picture, LoadError> {
    let name = escape(path.as_os_str().as_encoded_bytes());
    let suffix = path.extension().and_then(|suffix| suffix.to_str());
    read(path, options)
        .and_then(|bytes| run(&bytes, suffix, options))
        .map_err(|fault| LoadError::new(name, fault))
}

/// Decodes `bytes`. `name` is used in messages and for the suffix only; nothing is opened.
///
/// # Errors
/// As [`load`], without the kinds of the file system.
pub fn decode(bytes: &[u8], name: &str, options: &LoadOptions) -> Result<Picture, LoadError> {
    let suffix = Path::new(name).extension().and_then(|suffix| suffix.to_str());
    run(bytes, suffix, options).map_err(|fault| LoadError::new(escape(name.as_bytes()), fault))
}

fn read(path: &Path, options: &LoadOptions) -> Result<Vec<u8>, Fault> {
    let limits = options.limits.clamped();
    // Looked at before it is opened: opening a pipe or a device can block for ever.
    let about = std::fs::metadata(path).map_err(|error| {
        let fault = io_fault(&error);
        match std::fs::read_link(path) {
            Ok(target) if fault.kind == ErrorKind::NotFound => {
                let target = escape(target.as_os_str().as_encoded_bytes());
                fault.hint(format!("it is a link to \"{target}\", which is not there"))
            }
            _ => fault,
        }
    })?;
    if about.is_dir() {
        return Err(Fault::new(ErrorKind::NotAFile, "it is a folder"));
    }
    if !about.is_file() {
        return Err(Fault::new(ErrorKind::NotAFile, "it is a device, a pipe or a socket"));
    }
    let file = File::open(path).map_err(|error| io_fault(&error))?;
    limits.check_file(about.len())?;

    let mut bytes = Vec::new();
    let too_large =
        |_| Fault::new(ErrorKind::TooMuchMemory, "the system refused memory for the file");
    bytes.try_reserve_exact(about.len() as usize).map_err(too_large)?;
    // The file may grow while it is read: one byte above the limit is enough to know.
    let bound = limits.max_file_bytes.saturating_add(1);
    file.take(bound).read_to_end(&mut bytes).map_err(|error| io_fault(&error))?;
    Ok(bytes)
}

fn io_fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Fault::new(ErrorKind::NotFound, "no such file")
        }
        io::ErrorKind::PermissionDenied => {
            Fault::new(ErrorKind::PermissionDenied, "permission denied")
        }
        io::ErrorKind::IsADirectory => Fault::new(ErrorKind::NotAFile, "it is a folder"),
        _ => Fault::new(ErrorKind::Io, format!("reading failed: {error}")),
    }
}

fn run(bytes: &[u8], suffix: Option<&str>, options: &LoadOptions) -> Result<Picture, Fault> {
    let job = Job::new(bytes, options);
    job.limits.check_file(bytes.len() as u64)?;
    let format = match sniff(bytes) {
        Sniffed::Known(format) => format,
        Sniffed::Named(name) => return Err(Fault::unsupported(name)),
        Sniffed::Unknown => return Err(unknown(bytes)),
    };
    job.check_cancel()?;
    catch_unwind(AssertUnwindSafe(|| picture(&job, format, suffix)))
        .unwrap_or_else(|_| Err(Fault::corrupt(format.name(), "the decoder failed")))
}

fn picture(job: &Job, format: Format, suffix: Option<&str>) -> Result<Picture, Fault> {
    let Decoded { native, orientation, profile, frames, bits, stored_channels, mut warnings } =
        match format {
            Format::Jpeg => jpeg::decode(job)?,
            Format::Png => png::decode(job)?,
            Format::Gif => gif::decode(job)?,
            Format::WebP => webp::decode(job)?,
            Format::Tiff => tiff::decode(job)?,
            Format::Bmp => bmp::decode(job)?,
            Format::Qoi => qoi::decode(job)?,
            Format::Pnm => pnm::decode(job)?,
            #[cfg(feature = "jxl")]
            Format::Jxl => super::jxl::decode(job)?,
            #[cfg(not(feature = "jxl"))]
            Format::Jxl => return Err(not_built_in(format, "jxl")),
            #[cfg(feature = "avif")]
            Format::Avif => super::avif::decode(job)?,
            #[cfg(not(feature = "avif"))]
            Format::Avif => return Err(not_built_in(format, "avif")),
        };

    let wide = matches!(native.samples, Samples::U16(_));
    let mut verdict = icc::judge(&profile, native.model, wide);
    if job.options.profile == Apply::Ignore {
        (verdict.conversion, verdict.warning) = (None, None);
    }
    warnings.extend(verdict.warning);
    if native.missing.is_some() {
        let text = "the data end early; what is missing is gray";
        warnings.push(Warning::new(WarningKind::Truncated, text));
    }
    warnings.extend(suffix.and_then(|suffix| extension_warning(suffix, format)));

    let applied = match job.options.orientation {
        Apply::Apply => orientation,
        Apply::Ignore => 1,
    };
    let (stored_width, stored_height) = (native.width, native.height);
    let (gray, has_alpha) = (native.model == Model::Gray, native.alpha != AlphaKind::None);
    let finished = finish(job, native, verdict.conversion.as_ref(), applied)?;
    let source = Source {
        format,
        bytes: job.bytes.len() as u64,
        stored_width,
        stored_height,
        orientation,
        turned: applied != 1,
        bits,
        channels: stored_channels,
        gray,
        has_alpha,
        transparent: finished.transparent,
        alpha: job.options.alpha,
        profile: verdict.profile,
        profile_applied: verdict.conversion.is_some(),
        frames,
    };
    Ok(Picture { rgb: finished.rgb, source, warnings })
}

#[cfg(not(all(feature = "jxl", feature = "avif")))]
fn not_built_in(format: Format, feature: &str) -> Fault {
    let name = format.name();
    Fault::new(
        ErrorKind::UnsupportedFormat,
        format!("{name} pictures are not supported by this build"),
    )
    .hint(format!("rebuild with --features {feature}, or convert it to PNG or JPEG"))
}

fn unknown(bytes: &[u8]) -> Fault {
    let hex: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let rest = if bytes.len() > 8 { " ..." } else { "" };
    Fault::new(
        ErrorKind::UnknownFormat,
        format!("not a known image format (starts with {}{rest})", hex.join(" ")),
    )
    .hint("supported: JPEG, PNG, GIF, WebP, TIFF, BMP, QOI, PNM")
}

/// A suffix that names another known format is worth a word; the content has decided.
fn extension_warning(suffix: &str, format: Format) -> Option<Warning> {
    let named = named_by_extension(suffix)?;
    if named == Sniffed::Known(format) {
        return None;
    }
    let text =
        format!("the content is {}, the name says .{}", format.name(), suffix.to_ascii_lowercase());
    Some(Warning::new(WarningKind::ExtensionMismatch, text))
}
