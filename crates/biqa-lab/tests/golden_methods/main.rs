//! Every golden case of the papers' methods: networks, losses and what training draws.

mod common;
mod csiqa;
mod deiqt;
mod lmliqa;

use biqa::golden::{self, Case, GoldenError};

/// Names that are not built yet: (name, issue).
const NOT_BUILT: [(&str, u32); 0] = [];

/// Runs a method's cases; `least` is how many of them the repository's own copy holds.
fn run(prefix: &str, least: usize, compute: impl Fn(&Case) -> Result<(), GoldenError>) {
    let summary = golden::run(&[prefix], &NOT_BUILT, compute);
    assert!(summary.failures.is_empty(), "{}", summary.failures.join("\n"));
    assert!(summary.passed >= least, "the repository's own copy holds {least} cases or more");
}

#[test]
fn every_case_of_deiqt_is_within_its_tolerance() {
    run("deiqt-", 3, deiqt::case);
}

#[test]
fn every_case_of_csiqa_is_within_its_tolerance() {
    run("csiqa-", 16, csiqa::case);
}

#[test]
fn every_case_of_lmliqa_is_within_its_tolerance() {
    run("lmliqa-", 10, lmliqa::case);
}
