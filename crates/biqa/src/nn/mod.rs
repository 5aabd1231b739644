//! Layers that more than one network uses.
//!
//! Parameters keep the names and layouts of PyTorch, so that the authors' checkpoints load as they
//! are. A layer is made empty (zeros) on a device and filled by [`crate::weights::load`] or by an
//! initialiser of the lab.

pub mod attend;
pub mod autocast;
pub mod bicubic;
pub mod channels;
pub mod conv;
pub mod crossvit;
pub mod decoder;
pub mod deit;
mod dense;
pub mod gelu;
mod kernels;
pub mod layers;
pub mod linear;
pub mod llama;
pub mod mask;
pub mod mobilenet;
pub mod norm;
pub mod numbers;
pub mod pool;
mod product;
pub mod resnet;
pub mod rows;
pub mod vit;
