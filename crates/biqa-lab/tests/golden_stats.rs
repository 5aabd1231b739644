//! Every `golden/stats-*` case whose function is built, at the tolerance the case states.

use biqa::golden::{self, Case, Data, GoldenError, Tensor, Tensors};
use biqa_lab::stats::{
    self, Statistic, bootstrap, bootstrap_clustered, crop_means, errors, krcc, paired_bootstrap,
    plcc, ranks, srcc,
};

/// Functions that are not built yet: (model, issue).
const NOT_BUILT: [(&str, u32); 11] = [
    ("correlation_tests_dependent", 2),
    ("correlation_tests_independent", 2),
    ("logistic4", 2),
    ("logistic5", 2),
    ("logistic_eval", 2),
    ("python_shuffle", 2),
    ("residual_f_test", 2),
    ("split", 2),
    ("split_sizes", 2),
    ("summary", 2),
    ("wilcoxon", 2),
];

#[test]
fn every_stats_case_is_within_its_tolerance() {
    let summary = golden::run(&["stats-"], &NOT_BUILT, |case| {
        let found = match case.model.as_str() {
            "ranks" => ranks_case(case)?,
            "srcc" => correlation_case(case, srcc)?,
            "plcc" => correlation_case(case, plcc)?,
            "krcc" => krcc_case(case)?,
            "errors" => errors_case(case)?,
            "bootstrap" => bootstrap_case(case)?,
            "bootstrap_clustered" => clustered_case(case)?,
            "paired_bootstrap" => paired_case(case)?,
            "crop_aggregate" => crop_case(case)?,
            other => return Err(GoldenError::NotBuilt(other.to_owned())),
        };
        case.compare_all(&found)
    });
    assert!(summary.failures.is_empty(), "{}", summary.failures.join("\n"));
    assert!(summary.passed > 0, "no case was found");
}

fn code(error: impl std::fmt::Display) -> GoldenError {
    GoldenError::Code(error.to_string())
}

fn undefined(name: &str) -> GoldenError {
    GoldenError::Code(format!("{name} is undefined"))
}

/// Tensors of one dimension from names and values.
fn tensors<const N: usize>(values: [(&str, Vec<f64>); N]) -> Tensors {
    Tensors(values.into_iter().map(|(name, v)| (name.to_owned(), Tensor::of_f64s(v))).collect())
}

/// An optional value as the two tensors of section 3.
fn optional(value: Option<f64>) -> [(&'static str, Vec<f64>); 2] {
    let defined = f64::from(u8::from(value.is_some()));
    [("value", vec![value.unwrap_or(0.0)]), ("defined", vec![defined])]
}

fn xy(case: &Case) -> Result<(Vec<f64>, Vec<f64>), GoldenError> {
    let inputs = case.inputs()?;
    Ok((inputs.get("x")?.f64s(), inputs.get("y")?.f64s()))
}

/// An integer matrix as rows of positions.
fn rows(case: &Case, name: &str) -> Result<Vec<Vec<usize>>, GoldenError> {
    let inputs = case.inputs()?;
    let tensor = inputs.get(name)?;
    let missing = || GoldenError::Missing { what: "integer tensor", name: name.to_owned() };
    let Data::I64(values) = &tensor.data else { return Err(missing()) };
    let width = *tensor.shape.last().ok_or_else(missing)?;
    Ok(values.chunks(width).map(|row| row.iter().map(|&i| i as usize).collect()).collect())
}

fn statistic(case: &Case) -> Result<Statistic, GoldenError> {
    match case.text("statistic")? {
        "srcc" => Ok(Statistic::Srcc),
        "plcc" => Ok(Statistic::Plcc),
        "krcc" => Ok(Statistic::Krcc),
        other => Err(GoldenError::NotBuilt(other.to_owned())),
    }
}

fn ranks_case(case: &Case) -> Result<Tensors, GoldenError> {
    Ok(tensors([("ranks", ranks(&case.inputs()?.get("x")?.f64s()))]))
}

type Correlation = fn(&[f64], &[f64]) -> Result<Option<f64>, stats::StatsError>;

fn correlation_case(case: &Case, correlation: Correlation) -> Result<Tensors, GoldenError> {
    let (x, y) = xy(case)?;
    Ok(tensors(optional(correlation(&x, &y).map_err(code)?)))
}

fn krcc_case(case: &Case) -> Result<Tensors, GoldenError> {
    let (x, y) = xy(case)?;
    let found = krcc(&x, &y).map_err(code)?;
    let [value, defined] = optional(found.value);
    let count = |n: i64| vec![n as f64];
    Ok(tensors([
        value,
        defined,
        ("s", count(found.s)),
        ("n0", count(found.n0)),
        ("ties_x", count(found.ties_x)),
        ("ties_y", count(found.ties_y)),
        ("ties_xy", count(found.ties_xy)),
    ]))
}

fn errors_case(case: &Case) -> Result<Tensors, GoldenError> {
    let (x, y) = xy(case)?;
    let found = errors(&x, &y).map_err(code)?;
    Ok(tensors([("mae", vec![found.mae]), ("mse", vec![found.mse]), ("rmse", vec![found.rmse])]))
}

fn bootstrap_case(case: &Case) -> Result<Tensors, GoldenError> {
    let (x, y) = xy(case)?;
    let rows = rows(case, "indices")?;
    let found = bootstrap(&x, &y, &rows, statistic(case)?, case.number("level")?).map_err(code)?;
    let bca = found.bca.ok_or_else(|| undefined("bca"))?;
    Ok(tensors([
        ("estimate", vec![found.estimate.ok_or_else(|| undefined("estimate"))?]),
        ("replicates", found.replicates),
        ("undefined", vec![found.undefined as f64]),
        ("std_error", vec![found.std_error.ok_or_else(|| undefined("std_error"))?]),
        ("percentile", found.percentile.ok_or_else(|| undefined("percentile"))?.to_vec()),
        ("z0", vec![bca.z0]),
        ("acceleration", vec![bca.acceleration]),
        ("bca", bca.interval.to_vec()),
    ]))
}

fn clustered_case(case: &Case) -> Result<Tensors, GoldenError> {
    let (x, y) = xy(case)?;
    let group = rows(case, "group")?.concat();
    let draws = rows(case, "group_indices")?;
    let level = case.number("level")?;
    let found =
        bootstrap_clustered(&x, &y, &group, &draws, statistic(case)?, level).map_err(code)?;
    Ok(tensors([
        ("estimate", vec![found.estimate.ok_or_else(|| undefined("estimate"))?]),
        ("replicates", found.replicates),
        ("percentile", found.percentile.ok_or_else(|| undefined("percentile"))?.to_vec()),
    ]))
}

fn paired_case(case: &Case) -> Result<Tensors, GoldenError> {
    let inputs = case.inputs()?;
    let [a, b, y] = ["a", "b", "y"].map(|name| inputs.get(name).map(Tensor::f64s));
    let rows = rows(case, "indices")?;
    let level = case.number("level")?;
    let found = paired_bootstrap(&a?, &b?, &y?, &rows, statistic(case)?, level).map_err(code)?;
    Ok(tensors([
        ("difference", vec![found.difference.ok_or_else(|| undefined("difference"))?]),
        ("replicates", found.replicates),
        ("percentile", found.percentile.ok_or_else(|| undefined("percentile"))?.to_vec()),
        ("p_value", vec![found.p_value]),
    ]))
}

fn crop_case(case: &Case) -> Result<Tensors, GoldenError> {
    let predictions = case.inputs()?.get("predictions")?.f64s();
    let scores = crop_means(&predictions, case.integer("crops")? as usize).map_err(code)?;
    Ok(tensors([("scores", scores)]))
}
