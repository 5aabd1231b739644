//! QPT's pre-training: a ResNet learns to tell degradations of one picture apart
//! (`papers/qpt.md`).
//!
//! Order of the files: [`overlap`] how two patches of a picture may overlap, [`network`] the query
//! and the key side, [`momentum`] how keys follow queries and how rates change, [`step`] one step.

pub mod momentum;
pub mod network;
pub mod overlap;
pub mod step;
