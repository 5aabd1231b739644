//! Bytes in, upright 8-bit sRGB RGB out, with exactly one right answer (papers/images.md).
//!
//! The order of the room is the order of the work: `sniff` names the format by content, `limits`
//! looks at the header, a codec gives the first frame's native samples, `icc` judges the profile,
//! `finish` converts, composites and turns. Callers: the scorer, `biqa-lab`, the fuzz target.
//!
//! ```
//! use biqa::image::{LoadOptions, decode};
//!
//! let picture = decode(b"P2 2 1 255  0 255\n", "two.pgm", &LoadOptions::default())?;
//! assert_eq!(picture.rgb.data(), [0, 0, 0, 255, 255, 255]);
//! # Ok::<(), biqa::image::LoadError>(())
//! ```

#[cfg(feature = "avif")]
mod avif;
mod bmp;
mod color;
mod error;
mod exif;
mod expand;
mod finish;
mod gif;
mod icc;
mod jpeg;
#[cfg(feature = "jxl")]
mod jxl;
mod limits;
mod load;
mod lut;
mod native;
mod options;

mod picture;
mod png;
mod pnm;
mod qoi;
mod sniff;
mod tiff;
mod webp;

pub use error::{ErrorKind, LoadError};
pub use limits::Limits;
pub use load::{decode, load};
pub use options::{Alpha, AlphaParseError, Apply, LoadOptions, SixteenBit, TruncatedPolicy};
pub use picture::{Picture, Profile, Rgb8, Source, Warning, WarningKind};
pub use sniff::{EXTENSIONS, Format};
