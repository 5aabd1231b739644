//! Training losses: one file a paper, one function an equation.

pub mod regression;
