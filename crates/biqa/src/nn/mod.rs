//! Layers that more than one network uses.
//!
//! Parameters keep the names and layouts of PyTorch, so that the authors' checkpoints load as they
//! are. A layer is made empty (zeros) on a device and filled by [`crate::weights::load`] or by an
//! initialiser of the lab.

pub mod conv;
pub mod decoder;
pub mod deit;
mod kernels;
pub mod layers;
pub mod mask;
pub mod mobilenet;
pub mod pool;
pub mod vit;
