//! Degrading pictures: one table of distortions, one text that names a composition of them.
//!
//! `papers/degradations.md`. An operation is a row in `table/` and a function in a file of its
//! family; a composition is an [`Address`], whose text reproduces its result to the last bit; a
//! [`Plan`] draws compositions. Pictures are `f32` in [0, 1] between operations (encoded sRGB);
//! `*_u8` forms exist because the trainer degrades 8-bit crops on the fly.
//!
//! Called by the trainer's loader, by `biqa degrade`, and by pretraining.

mod address;
mod bsr;
mod counts;
mod field;
mod filter;
mod hsv;
mod jpeg;
mod jpeg2000;
mod kadid;
mod lab;
mod picture;
mod plan;
mod ports;
mod q;
mod qpt;
mod re;
mod resize;
pub mod severity;
mod table;

pub use address::{Address, Item};
pub use filter::Kernel;
pub use kadid::{lens_kernel, motion_kernel};
pub use picture::RgbF32;
pub use plan::{Plan, QptSpace, groups, ordered, subsets};
pub use re::{Kind as KernelKind, Shaped as ShapedKernel};
pub use table::{
    Distortion, FAMILIES, Kind, Origin, Parameter, Strength, UNAVAILABLE, Values, distortion,
    distortions,
};

pub(crate) use jpeg::jpeg;

use biqa::image::Rgb8;
use biqa::random::{Draws, Key};
use picture::level;
use table::Run;

/// Why a picture could not be degraded, or an address not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DegradeError {
    /// A value of the picture is NaN or infinite.
    #[error("element {index} of the picture is {value}; values must be finite (0 to 1 is usual)")]
    NotFinite {
        /// Row-major position: `3 (y W + x) + channel`.
        index: usize,
        /// The value.
        value: f32,
    },
    /// The strength does not exist for this operation.
    #[error("{op} has no strength {found}; allowed: {allowed}")]
    Strength {
        /// `family:name`.
        op: String,
        /// What was asked for.
        found: String,
        /// The levels and the range of the parameter.
        allowed: String,
    },
    /// An operation of the specification that this build does not compute.
    #[error("{op} (at byte {position}) is not available: {reason}")]
    Unavailable {
        /// `family:name`, or the family alone.
        op: String,
        /// Where it stands in the address.
        position: usize,
        /// Why.
        reason: String,
    },
    /// The picture has no room for what the operation does.
    #[error("{op} needs a picture of at least {needed} x {needed}, this one is {width} x {height}")]
    TooSmall {
        /// `family:name`.
        op: String,
        /// The smallest side.
        needed: u32,
        /// The picture's.
        width: u32,
        /// The picture's.
        height: u32,
    },
    /// The result would have more pixels than a picture may have.
    #[error("{op} would make a picture of {width} x {height}; at most {most} pixels")]
    TooLarge {
        /// `family:name`.
        op: String,
        /// The result's.
        width: usize,
        /// The result's.
        height: usize,
        /// The most.
        most: usize,
    },
    /// A codec could not do its work.
    #[error("{op}: {reason}")]
    Codec {
        /// The operation.
        op: String,
        /// What was in the way.
        reason: String,
    },
    /// The text is no address.
    #[error("bad address at byte {position}: found {found:?}, expected {expected}")]
    Address {
        /// Where.
        position: usize,
        /// What stands there (shortened).
        found: String,
        /// What may stand there.
        expected: String,
    },
}

/// Applies one operation. `position` is its place in the composition (0 when it stands alone); the
/// random numbers follow from `key` and `position` only.
///
/// # Errors
/// [`DegradeError::NotFinite`], [`DegradeError::Strength`], [`DegradeError::Codec`], and the errors on
/// sizes.
pub fn apply(
    picture: &RgbF32,
    op: &Distortion,
    strength: Strength,
    key: Key,
    position: u32,
) -> Result<RgbF32, DegradeError> {
    picture.check_finite()?;
    let draws = key.at(position);
    let values = op.values_of(strength, &draws)?;
    op.on_values(picture, &values, &draws)
}

/// [`apply`] from levels to levels, faster where a table does it; equal to
/// `apply(from_levels(p)).to_levels()`.
pub fn apply_u8(
    picture: &Rgb8,
    op: &Distortion,
    strength: Strength,
    key: Key,
    position: u32,
) -> Result<Rgb8, DegradeError> {
    let draws = key.at(position);
    let values = op.values_of(strength, &draws)?;
    op.on_levels(picture, &values, &draws)
}

impl Distortion {
    /// The operation on values.
    fn on_values(
        &self,
        picture: &RgbF32,
        values: &Values,
        draws: &Draws,
    ) -> Result<RgbF32, DegradeError> {
        match self.run {
            Run::Float(run) | Run::Both(run, _) => {
                let found = run(picture, values, draws)?;
                Ok(if self.overshoots() { found } else { found.clipped() })
            }
            Run::Levels(run) => Ok(RgbF32::from_levels(&run(&picture.to_levels(), values, draws)?)),
        }
    }

    /// Whether results may leave [0, 1] (section 1).
    fn overshoots(&self) -> bool {
        self.family == "re" && matches!(self.name, "resize" | "blur")
    }

    /// The operation from levels to levels.
    fn on_levels(
        &self,
        picture: &Rgb8,
        values: &Values,
        draws: &Draws,
    ) -> Result<Rgb8, DegradeError> {
        match self.run {
            Run::Levels(run) | Run::Both(_, run) => run(picture, values, draws),
            Run::Float(run) => Ok(run(&RgbF32::from_levels(picture), values, draws)?.to_levels()),
        }
    }
}

/// A picture inside a composition: levels as long as every operation so far has given levels, so
/// that nothing is converted twice.
enum State {
    Levels(Rgb8),
    Values(RgbF32),
}

impl State {
    fn step(self, item: &Item, draws: &Draws) -> Result<State, DegradeError> {
        match (item.op.run, self) {
            (Run::Levels(run), State::Levels(picture)) => {
                Ok(State::Levels(run(&picture, &item.values, draws)?))
            }
            (Run::Levels(run), State::Values(picture)) => {
                Ok(State::Levels(run(&picture.to_levels(), &item.values, draws)?))
            }
            (Run::Float(_) | Run::Both(..), state) => {
                let picture = item.op.on_values(&state.into_values(), &item.values, draws)?;
                Ok(State::Values(picture))
            }
        }
    }

    /// The last step of a composition from levels to levels.
    fn last_step(self, item: &Item, draws: &Draws) -> Result<Rgb8, DegradeError> {
        match self {
            State::Levels(picture) => item.op.on_levels(&picture, &item.values, draws),
            State::Values(picture) => {
                Ok(item.op.on_values(&picture, &item.values, draws)?.to_levels())
            }
        }
    }

    fn into_values(self) -> RgbF32 {
        match self {
            State::Levels(picture) => RgbF32::from_levels(&picture),
            State::Values(picture) => picture,
        }
    }
}
