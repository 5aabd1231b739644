//! QPT's pre-training: a backbone learns to tell degradations of one picture apart
//! (`papers/qpt.md`). Called by `biqa pretrain`.
//!
//! Everything a step does is a function of (recipe, seed, sources, step), as in [`crate::train`], whose
//! folder, checkpoints and optimisers it shares. Order of the files: [`job`] a pre-training as a
//! command line says it, [`recipe`] every number of it, [`sources`] which pictures will do, `views`
//! and [`overlap`] what is seen of them, [`encoder`] and [`network`] the query and the key side,
//! `start` their first weights, [`momentum`] how keys follow queries and how rates change, `stepper`
//! the optimisers, [`step`] one step, [`mod@run`] all of them, `lines` what the log keeps,
//! `retrieval`, `ridge` and [`measure`] what it has learnt, `report` what is left for people.

pub mod encoder;
pub mod job;
mod lines;
pub mod measure;
pub mod momentum;
pub mod network;
pub mod overlap;
pub mod recipe;
mod report;
mod retrieval;
mod ridge;
pub mod run;
pub mod sources;
mod start;
pub mod step;
mod stepper;
mod views;
