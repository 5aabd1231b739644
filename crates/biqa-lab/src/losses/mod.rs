//! Training losses: one file a paper, one function an equation.

pub mod csfiqa;
pub mod csiqa;
pub mod lmliqa;
pub mod masked;
pub mod qpt;
pub mod regression;

#[cfg(test)]
mod slopes_tests;
