//! What one file may cost: checked from headers, before any buffer of the picture's size exists.
//!
//! Source of the numbers: papers/images.md, section 5.

use super::error::{ErrorKind, Fault};

const MIB: u64 = 1 << 20;

/// Largest `max_pixels` that can be set.
const PIXELS_CEILING: u64 = 1_000_000_000;
/// Largest byte limit that can be set: 8 GiB.
const BYTES_CEILING: u64 = 8 << 30;

/// Bounds on one file. A zero is the number zero, not "no limit"; values above the ceilings
/// (1,000,000,000 pixels, 8 GiB) count as the ceilings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file; default 256 MiB.
    pub max_file_bytes: u64,
    /// Pixels of the canvas and of the frame; default 100,000,000.
    pub max_pixels: u64,
    /// Longest width or height in pixels; default 65,535.
    pub max_side: u32,
    /// Bytes of memory for one picture (native samples, output, scratch); default 512 MiB.
    pub max_alloc_bytes: u64,
    /// Bytes of a colour profile after inflating; default 4 MiB.
    pub max_icc_bytes: u64,
    /// Bytes of an EXIF block, a larger one is ignored; default 1 MiB.
    pub max_exif_bytes: u64,
    /// Chunks, segments or directory entries of one file; default 65,536.
    pub max_chunks: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 256 * MIB,
            max_pixels: 100_000_000,
            max_side: 65_535,
            max_alloc_bytes: 512 * MIB,
            max_icc_bytes: 4 * MIB,
            max_exif_bytes: MIB,
            max_chunks: 65_536,
        }
    }
}

impl Limits {
    /// The limits with every value at or below its ceiling.
    pub(super) fn clamped(&self) -> Self {
        Self {
            max_file_bytes: self.max_file_bytes.min(BYTES_CEILING),
            max_pixels: self.max_pixels.min(PIXELS_CEILING),
            max_alloc_bytes: self.max_alloc_bytes.min(BYTES_CEILING),
            max_icc_bytes: self.max_icc_bytes.min(BYTES_CEILING),
            max_exif_bytes: self.max_exif_bytes.min(BYTES_CEILING),
            ..*self
        }
    }

    pub(super) fn check_file(&self, bytes: u64) -> Result<(), Fault> {
        if bytes == 0 {
            return Err(Fault::new(ErrorKind::Empty, "the file is empty (0 bytes)"));
        }
        if bytes > self.max_file_bytes {
            let limit = self.max_file_bytes;
            return Err(Fault::beyond(
                ErrorKind::FileTooLarge,
                format!(
                    "the file has {bytes} bytes; the limit is {limit} (max_file_bytes, --max-file-bytes)"
                ),
            ));
        }
        Ok(())
    }

    /// Zero sides are corrupt; then the side limit, then the pixel limit.
    pub(super) fn check_size(&self, format: &str, width: u64, height: u64) -> Result<(), Fault> {
        if width == 0 {
            return Err(Fault::corrupt(format, "width 0"));
        }
        if height == 0 {
            return Err(Fault::corrupt(format, "height 0"));
        }
        if width.max(height) > u64::from(self.max_side) {
            let limit = self.max_side;
            return Err(Fault::beyond(
                ErrorKind::SideTooLong,
                format!("{width} x {height}: a side is longer than {limit} (max_side, --max-side)"),
            ));
        }
        let pixels = u128::from(width) * u128::from(height);
        if pixels > u128::from(self.max_pixels) {
            return Err(Fault::beyond(
                ErrorKind::TooManyPixels,
                format!(
                    "{width} x {height} = {}; the limit is {} (max_pixels, --max-pixels)",
                    megapixels(pixels, self.max_pixels),
                    megapixels(u128::from(self.max_pixels), self.max_pixels),
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn check_memory(&self, bytes: u64) -> Result<(), Fault> {
        if bytes <= self.max_alloc_bytes {
            return Ok(());
        }
        let (need, limit) = (bytes.div_ceil(MIB), self.max_alloc_bytes);
        let limit = if limit.is_multiple_of(MIB) {
            format!("{} MiB", limit / MIB)
        } else {
            format!("{limit} bytes")
        };
        Err(Fault::beyond(
            ErrorKind::TooMuchMemory,
            format!(
                "decoding needs about {need} MiB; the limit is {limit} (max_alloc_bytes, --max-alloc-bytes)"
            ),
        ))
    }

    pub(super) fn check_icc(&self, bytes: u64) -> Result<(), Fault> {
        if bytes > self.max_icc_bytes { Err(self.icc_too_large()) } else { Ok(()) }
    }

    pub(super) fn icc_too_large(&self) -> Fault {
        let limit = self.max_icc_bytes;
        let limit = if limit.is_multiple_of(MIB) {
            format!("{} MiB", limit / MIB)
        } else {
            format!("{limit} bytes")
        };
        Fault::new(
            ErrorKind::MetadataTooLarge,
            format!("the ICC profile is larger than {limit} (max_icc_bytes, --max-icc-bytes)"),
        )
        .hint("save it with an ordinary profile, or raise the limit")
    }

    /// Call with the running count of chunks, segments or entries.
    pub(super) fn check_chunks(&self, format: &str, count: u64) -> Result<(), Fault> {
        if count > u64::from(self.max_chunks) {
            let limit = self.max_chunks;
            return Err(Fault::corrupt(
                format,
                format_args!("more than {limit} parts (max_chunks)"),
            ));
        }
        Ok(())
    }
}

/// 3_600_000_000 -> "3600 megapixels"; pixel by pixel beside a limit below one megapixel.
fn megapixels(pixels: u128, limit: u64) -> String {
    if limit < 1_000_000 {
        return format!("{pixels} pixels");
    }
    let tenths = pixels.div_ceil(100_000);
    match tenths % 10 {
        0 => format!("{} megapixels", tenths / 10),
        rest => format!("{}.{rest} megapixels", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_checked_before_the_pixel_count() {
        let fault = Limits::default().check_size("PNG", 400_000, 60_000).unwrap_err();
        assert_eq!(fault.kind, ErrorKind::SideTooLong);
    }

    #[test]
    fn the_pixel_message_shows_both_numbers() {
        let fault = Limits::default().check_size("PNG", 60_000, 60_000).unwrap_err();
        assert_eq!(
            fault.message,
            "60000 x 60000 = 3600 megapixels; the limit is 100 megapixels (max_pixels, --max-pixels)"
        );
    }

    #[test]
    fn zero_is_a_limit() {
        let limits = Limits { max_pixels: 0, ..Limits::default() };
        assert_eq!(limits.check_size("PNG", 1, 1).unwrap_err().kind, ErrorKind::TooManyPixels);
    }
}
