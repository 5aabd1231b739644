//! biqa-lab: datasets, statistics, degradations and training for biqa.
//!
//! Everything that learns or measures. The scorer's crate, `biqa`, knows nothing of this one.

pub mod copies;
pub mod datasets;
pub mod degrade;
pub mod evaluate;
pub mod losses;
pub mod methods;
pub mod pretrain;
pub mod protocol;
pub mod published;
pub mod report;
pub mod results;
pub mod sanity;
pub mod sheet;
pub mod splits;
pub mod stats;
pub mod train;
pub mod transfer;
