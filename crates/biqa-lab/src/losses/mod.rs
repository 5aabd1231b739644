//! Training losses: one file a paper, one function an equation.

pub mod csiqa;
pub mod lmliqa;
pub mod regression;
