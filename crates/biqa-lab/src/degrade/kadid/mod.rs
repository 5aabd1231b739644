//! The distortions of KADID-10k and KADIS-700k (`papers/degradations.md`, section 2), a file each
//! for what belongs together. Called through the table only.

mod blur;
mod curve;
mod denoise;
mod jitter;
mod lab_ops;
mod noise;
mod otsu;
mod palette;
mod patches;
mod saturate;
mod shift;

pub(super) use blur::{gaussian_blur, lens_blur, motion_blur};
pub use blur::{lens_kernel, motion_kernel};
pub(super) use curve::{
    brighten, contrast, contrast_u8, darken, darken_u8, mean_shift, mean_shift_u8,
};
pub(super) use denoise::denoise;
pub(super) use jitter::jitter;
pub(super) use lab_ops::{color_diffusion, saturate_lab, sharpen};
pub(super) use noise::{
    noise_color, noise_impulse, noise_multiplicative, noise_white, noise_white_u8, studio_back,
};
pub(super) use otsu::quantize;
pub(super) use palette::color_quantize;
pub(super) use patches::{color_block, patch_swap, pixelate};
pub(super) use saturate::{saturate_hsv, stretch};
pub(super) use shift::color_shift;
