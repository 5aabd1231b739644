//! Layers that more than one network uses.
//!
//! Parameters keep the names and layouts of PyTorch, so that the authors' checkpoints load as they
//! are. A layer is made empty (zeros) on a device and filled by [`crate::weights::load`] or by an
//! initialiser of the lab.

pub mod conv;
mod kernels;
pub mod layers;
pub mod mobilenet;
pub mod pool;
pub mod vit;
