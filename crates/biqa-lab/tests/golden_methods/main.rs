//! Every golden case of the papers' methods: networks, losses and what training draws.

mod common;
mod crossvit;
mod csfiqa;
mod csiqa;
mod deiqt;
mod glintiqa;
mod lmliqa;
mod qpt;
mod resnet;

use biqa::golden::{self, Case, GoldenError};

/// Names that are not built yet: (name, issue).
const NOT_BUILT: [(&str, u32); 0] = [];
/// Names whose folders bear a method's prefix, but which another test runs: (name, that test).
const ELSEWHERE: [(&str, &str); 1] = [("python_shuffle", "golden_stats.rs")];

/// Runs a method's cases; `least` is how many of them the repository's own copy holds.
fn run(prefix: &str, least: usize, compute: impl Fn(&Case) -> Result<(), GoldenError>) {
    let summary = golden::run(&[prefix], &NOT_BUILT, |case| {
        match ELSEWHERE.iter().find(|(name, _)| *name == case.model) {
            Some((_, test)) => Err(GoldenError::Elsewhere(test)),
            None => compute(case),
        }
    });
    assert!(summary.failures.is_empty(), "{}", summary.failures.join("\n"));
    assert!(summary.passed >= least, "the repository's own copy holds {least} cases or more");
}

#[test]
fn golden_every_case_of_deiqt_is_within_its_tolerance() {
    run("deiqt-", 3, deiqt::case);
}

#[test]
fn golden_every_case_of_csiqa_is_within_its_tolerance() {
    run("csiqa-", 16, csiqa::case);
}

#[test]
fn golden_every_case_of_lmliqa_is_within_its_tolerance() {
    run("lmliqa-", 10, lmliqa::case);
}

#[test]
fn golden_every_case_of_crossvit_and_of_the_frozen_layer_is_within_its_tolerance() {
    run("crossvit-", 5, crossvit::case);
    run("llama-", 3, crossvit::case);
}

#[test]
fn golden_every_case_of_csfiqa_is_within_its_tolerance() {
    run("csfiqa-", 15, csfiqa::case);
}

#[test]
fn golden_every_case_of_glintiqa_is_within_its_tolerance() {
    run("glintiqa-", 7, glintiqa::case);
}

#[test]
fn golden_every_case_of_qpt_is_within_its_tolerance() {
    run("qpt-", 17, qpt::case);
}

#[test]
fn golden_every_case_of_the_residual_network_is_within_its_tolerance() {
    run("resnet50-", 3, resnet::case);
}
