//! The distortions of KADID-10k and KADIS-700k (`papers/degradations.md`, section 2), a file each
//! for what belongs together. Called through the table only.

mod blur;
mod curve;
mod noise;

pub(super) use blur::gaussian_blur;
pub(super) use curve::{brighten, brighten_u8, darken, darken_u8};
pub(super) use noise::{noise_white, noise_white_u8};
