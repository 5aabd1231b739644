//! biqa: how good is a photo to a human eye, without a reference.
//!
//! The rooms, in the order in which data flows:
//!
//! 1. [`image`]: bytes to an upright, sRGB, 8-bit RGB picture, within limits.
//! 2. [`resize`]: Pillow-compatible resampling.
//! 3. [`view`]: the size policy and crops of a model's card, to the tensors a network sees.
//! 4. [`nn`] and [`models`]: layers, and the registry of networks.
//! 5. [`weights`]: safetensors and `.pth` in, every tensor accounted for, and the model card.
//! 6. [`scorer`]: a model opened once, any number of pictures scored.
//! 7. [`record`]: what one image's result is.
//!
//! [`random`], [`parallel`], [`device`] and [`mod@wide`] serve all of them.
//!
//! ```no_run
//! let scorer = biqa::scorer::Scorer::builtin()?;
//! let record = scorer.score_path("photo.jpg".as_ref(), &biqa::image::LoadOptions::default());
//! println!("{:?}", record.score);
//! # Ok::<(), biqa::weights::WeightsError>(())
//! ```

pub mod device;
#[doc(hidden)]
pub mod golden;
pub mod image;
pub mod models;
pub mod nn;
pub mod parallel;
pub mod random;
pub mod record;
pub mod resize;
pub mod scorer;
pub mod view;
pub mod weights;
pub mod wide;
