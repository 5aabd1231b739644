//! What a codec hands over: the first frame's native samples, and what the file says about them.
//! Also the [`Job`] that every codec gets. Everything after this is done once, in `finish`.

use std::sync::atomic::Ordering;

use super::error::{ErrorKind, Fault};
use super::limits::Limits;
use super::options::{Apply, LoadOptions, TruncatedPolicy};
use super::picture::Warning;

/// One file on its way through a codec.
pub(super) struct Job<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) options: &'a LoadOptions,
    /// The options' limits, clamped to their ceilings.
    pub(super) limits: Limits,
}

impl<'a> Job<'a> {
    pub(super) fn new(bytes: &'a [u8], options: &'a LoadOptions) -> Self {
        Self { bytes, options, limits: options.limits.clamped() }
    }

    /// To be called at least every 64 rows.
    pub(super) fn check_cancel(&self) -> Result<(), Fault> {
        match &self.options.cancel {
            Some(flag) if flag.load(Ordering::Relaxed) => {
                Err(Fault::new(ErrorKind::Cancelled, "the work was cancelled"))
            }
            _ => Ok(()),
        }
    }

    /// Whether data that end early become a gray part of the picture.
    pub(super) fn fills_missing(&self) -> bool {
        self.options.truncated == TruncatedPolicy::Gray
    }

    /// The formula of section 5: native samples, output and `scratch` bytes of the codec. Upright
    /// opaque 8-bit RGB is its own output.
    pub(super) fn check_memory(&self, plan: &Plan) -> Result<(), Fault> {
        let pixels = u64::from(plan.width) * u64::from(plan.height);
        let native = pixels * u64::from(plan.channels) * if plan.wide { 2 } else { 1 };
        let upright = plan.orientation == 1 || self.options.orientation == Apply::Ignore;
        let in_place = plan.channels == 3 && !plan.wide && upright;
        let output = if in_place { 0 } else { 3 * pixels };
        self.limits.check_memory((native + plan.scratch).max(native + output))
    }
}

/// What the memory of a picture depends on.
pub(super) struct Plan {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) channels: u8,
    /// 16-bit samples.
    pub(super) wide: bool,
    pub(super) orientation: u8,
    /// Bytes that the codec needs beside the native samples; freed before the output is made.
    pub(super) scratch: u64,
}

/// The colours of the native samples. CMYK samples are amounts of ink: 0 is paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    Gray,
    Rgb,
    Cmyk,
}

impl Model {
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }
}

/// The last channel, where it is alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AlphaKind {
    None,
    Straight,
    /// Colours are already multiplied (TIFF's associated alpha).
    Premultiplied,
}

/// Interleaved samples, row by row.
#[derive(Debug)]
pub(super) enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
}

impl Samples {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::U8(samples) => samples.len(),
            Self::U16(samples) => samples.len(),
        }
    }
}

/// The first frame, decoded and expanded (no palette, no bits below 8), not yet converted.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) model: Model,
    pub(super) alpha: AlphaKind,
    pub(super) samples: Samples,
    /// One flag a pixel where the data ended early and the options ask for gray.
    pub(super) missing: Option<Vec<bool>>,
}

impl Native {
    pub(super) fn channels(&self) -> usize {
        self.model.channels() + usize::from(self.alpha != AlphaKind::None)
    }
}

/// The colour profile as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum FoundProfile {
    #[default]
    None,
    /// The file itself says sRGB (PNG `sRGB`, `cICP` 1,13,0,1).
    Srgb,
    Icc(Vec<u8>),
    /// There is one, but its container is broken.
    Unreadable,
}

/// A codec's whole answer.
pub(super) struct Decoded {
    pub(super) native: Native,
    /// 1 to 8.
    pub(super) orientation: u8,
    pub(super) profile: FoundProfile,
    /// `None`: unknown.
    pub(super) frames: Option<u32>,
    /// Bits a sample as stored (a palette's index, for palettes).
    pub(super) bits: u8,
    /// Channels as stored (1 for a palette).
    pub(super) stored_channels: u8,
    pub(super) warnings: Vec<Warning>,
}

/// A zeroed vector, or `TooMuchMemory` where the system has none left.
pub(super) fn zeroed<T: Copy + Default>(len: usize) -> Result<Vec<T>, Fault> {
    let mut probe: Vec<T> = Vec::new();
    // `try_reserve` touches no page, and the allocation below (calloc for zeroes) reuses it.
    probe.try_reserve_exact(len).map_err(|_| {
        let mib = (len * size_of::<T>()) >> 20;
        Fault::new(ErrorKind::TooMuchMemory, format!("the system refused {mib} MiB"))
    })?;
    drop(probe);
    Ok(vec![T::default(); len])
}
