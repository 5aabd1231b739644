//! What a file is, by its first bytes; the extension never decides (papers/images.md, section 1).

use std::fmt;

/// A picture format that this crate knows how to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG and APNG.
    Png,
    /// GIF.
    Gif,
    /// WebP.
    WebP,
    /// TIFF.
    Tiff,
    /// Windows and OS/2 bitmap.
    Bmp,
    /// The Quite OK Image format.
    Qoi,
    /// PBM, PGM, PPM.
    Pnm,
    /// AVIF, with the feature `avif`.
    Avif,
    /// JPEG XL, with the feature `jxl`.
    Jxl,
}

impl Format {
    /// The format that content begins like, if it is one of these.
    pub fn of_content(bytes: &[u8]) -> Option<Self> {
        match sniff(bytes) {
            Sniffed::Known(format) => Some(format),
            _ => None,
        }
    }

    /// The stable lower-case word, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::WebP => "webp",
            Self::Tiff => "tiff",
            Self::Bmp => "bmp",
            Self::Qoi => "qoi",
            Self::Pnm => "pnm",
            Self::Avif => "avif",
            Self::Jxl => "jxl",
        }
    }

    /// The name as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
            Self::Qoi => "QOI",
            Self::Pnm => "PNM",
            Self::Avif => "AVIF",
            Self::Jxl => "JPEG XL",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sniffed {
    /// A format with a reader.
    Known(Format),
    /// A format with a name only.
    Named(&'static str),
    /// Neither.
    Unknown,
}

/// Suffixes (lower case) of the formats that this build reads, for folder scans.
pub const EXTENSIONS: &[&str] = &[
    "jpg",
    "jpeg",
    "jpe",
    "jfif",
    "png",
    "apng",
    "gif",
    "webp",
    "tif",
    "tiff",
    "bmp",
    "dib",
    "qoi",
    "pnm",
    "ppm",
    "pgm",
    "pbm",
    #[cfg(feature = "avif")]
    "avif",
    #[cfg(feature = "jxl")]
    "jxl",
];

/// The format that a file name's suffix (any case) promises, if it promises one.
pub(super) fn named_by_extension(suffix: &str) -> Option<Sniffed> {
    use Sniffed::{Known, Named};
    Some(match suffix.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" | "jpe" | "jfif" => Known(Format::Jpeg),
        "png" | "apng" => Known(Format::Png),
        "gif" => Known(Format::Gif),
        "webp" => Known(Format::WebP),
        "tif" | "tiff" => Known(Format::Tiff),
        "bmp" | "dib" => Known(Format::Bmp),
        "qoi" => Known(Format::Qoi),
        "pnm" | "ppm" | "pgm" | "pbm" => Known(Format::Pnm),
        "avif" | "avifs" => Known(Format::Avif),
        "jxl" => Known(Format::Jxl),
        "heic" | "heif" | "hif" => Named("HEIF"),
        "jp2" | "j2k" | "jpx" | "j2c" => Named("JPEG 2000"),
        "svg" => Named("SVG"),
        "pdf" => Named("PDF"),
        "psd" => Named("PSD"),
        "ico" => Named("ICO"),
        "dds" => Named("DDS"),
        "exr" => Named("EXR"),
        "hdr" => Named("HDR"),
        "cr2" => Named("CR2"),
        _ => return None,
    })
}

/// Names the content.
pub(super) fn sniff(bytes: &[u8]) -> Sniffed {
    use Sniffed::{Known, Named};
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let at = |offset: usize, magic: &[u8]| {
        bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic))
    };

    if starts(&[0xFF, 0xD8, 0xFF]) || bytes == [0xFF, 0xD8] {
        Known(Format::Jpeg)
    } else if starts(b"\x89PNG\r\n\x1a\n") {
        Known(Format::Png)
    } else if starts(b"GIF87a") || starts(b"GIF89a") {
        Known(Format::Gif)
    } else if starts(b"RIFF") && at(8, b"WEBP") {
        Known(Format::WebP)
    } else if starts(b"II*\0") && at(8, b"CR") {
        Named("CR2")
    } else if starts(b"II*\0") || starts(b"MM\0*") {
        Known(Format::Tiff)
    } else if starts(b"II+\0") || starts(b"MM\0+") {
        Named("BigTIFF")
    } else if starts(b"BM") {
        Known(Format::Bmp)
    } else if starts(b"qoif") {
        Known(Format::Qoi)
    } else if let [b'P', b'1'..=b'6', b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C, ..] = bytes {
        Known(Format::Pnm)
    } else if at(4, b"ftyp") {
        brand(bytes)
    } else if starts(&[0xFF, 0x0A]) || starts(b"\0\0\0\x0CJXL ") {
        Known(Format::Jxl)
    } else if starts(b"\0\0\0\x0CjP  ") || starts(&[0xFF, 0x4F, 0xFF, 0x51]) {
        Named("JPEG 2000")
    } else if starts(b"%PDF") {
        Named("PDF")
    } else if starts(b"8BPS") {
        Named("PSD")
    } else if starts(b"\0\0\x01\0") {
        Named("ICO")
    } else if starts(b"DDS ") {
        Named("DDS")
    } else if starts(b"v/1\x01") {
        Named("EXR")
    } else if starts(b"#?RADIANCE") {
        Named("HDR")
    } else if is_svg(bytes) {
        Named("SVG")
    } else {
        Sniffed::Unknown
    }
}

/// ISO base media: the major brand names the format. `mif1` and `msf1` only say "some image", so a
/// compatible brand `avif` among the next 32 makes them AVIF.
fn brand(bytes: &[u8]) -> Sniffed {
    let Some(major) = bytes.get(8..12) else { return Sniffed::Unknown };
    let size = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    let end = size.min(bytes.len()).min(16 + 4 * 32);
    let compatible = bytes.get(16..end).unwrap_or(&[]);
    match major {
        b"avif" | b"avis" => Sniffed::Known(Format::Avif),
        b"mif1" | b"msf1" if compatible.chunks_exact(4).any(|b| b == b"avif" || b == b"avis") => {
            Sniffed::Known(Format::Avif)
        }
        b"heic" | b"heix" | b"hevc" | b"heif" | b"mif1" | b"msf1" => Sniffed::Named("HEIF"),
        _ => Sniffed::Unknown,
    }
}

fn is_svg(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(1024)];
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let contains_svg = || head.windows(4).any(|w| w.eq_ignore_ascii_case(b"<svg"));
    head.starts_with(b"<svg")
        || ((head.starts_with(b"<?xml") || head.starts_with(b"<!--")) && contains_svg())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_named_by_its_first_bytes() {
        let cases: &[(&[u8], Sniffed)] = &[
            (b"\xFF\xD8", Sniffed::Known(Format::Jpeg)),
            (b"\xFF\xD8\x00", Sniffed::Unknown),
            (b"P6\n", Sniffed::Known(Format::Pnm)),
            (b"P6", Sniffed::Unknown),
            (b"P7\n", Sniffed::Unknown),
            (b"\0\0\0\x18ftypheic\0\0\0\0", Sniffed::Named("HEIF")),
            (b"\0\0\0\x1Cftypmif1\0\0\0\0miafavif", Sniffed::Known(Format::Avif)),
            (b"\xFF\x0A", Sniffed::Known(Format::Jxl)),
            (b"\0\0\0\x0CjP  ", Sniffed::Named("JPEG 2000")),
            (b"II*\0\x10\0\0\0CR", Sniffed::Named("CR2")),
            (b"II+\0\x08\0\0\0", Sniffed::Named("BigTIFF")),
            (b"  <?xml version='1.0'?><svg/>", Sniffed::Named("SVG")),
            (b"<?xml version='1.0'?><html/>", Sniffed::Unknown),
            (b"RIFF\0\0\0\0WAVE", Sniffed::Unknown),
        ];
        for (bytes, expected) in cases {
            assert_eq!(sniff(bytes), *expected, "{bytes:02x?}");
        }
    }
}
