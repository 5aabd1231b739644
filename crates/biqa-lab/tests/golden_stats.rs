//! Every `golden/stats-*` case at the tolerance it states, and GlintIQA's splits, which are the same
//! function.

use biqa::golden::{self, Case, Data, GoldenError, Tensor, Tensors};
use biqa_lab::splits::{
    Form, Fraction, FractionOf, Sizes, TRAIN_SHARE, VAL_SHARE, biqa_order, python_orders, small,
};
use biqa_lab::stats::{
    self, Coefficient, Correlations, Curve, Statistic, Test, bootstrap, bootstrap_clustered,
    crop_means, errors, fisher_interval, fit_logistic, independent, krcc, logistic4, logistic5,
    paired_bootstrap, plcc, ranks, residual_f_test, srcc, steiger, summary, wilcoxon, williams,
};

#[test]
fn golden_every_stats_case_is_within_its_tolerance() {
    let summary = golden::run(&["stats-", "glintiqa-"], &[], |case| {
        if case.model != "python_shuffle" && case.name.starts_with("glintiqa-") {
            return Err(GoldenError::Elsewhere("golden_methods"));
        }
        let found = match case.model.as_str() {
            "ranks" => ranks_case(case)?,
            "srcc" => correlation_case(case, srcc)?,
            "plcc" => correlation_case(case, plcc)?,
            "krcc" => krcc_case(case)?,
            "errors" => errors_case(case)?,
            "logistic4" => logistic_case(case, Curve::Logistic4)?,
            "logistic5" => logistic_case(case, Curve::Logistic5)?,
            "logistic_eval" => curves_case(case)?,
            "bootstrap" => bootstrap_case(case)?,
            "bootstrap_clustered" => clustered_case(case)?,
            "paired_bootstrap" => paired_case(case)?,
            "correlation_tests_dependent" => dependent_case(case)?,
            "correlation_tests_independent" => independent_case(case)?,
            "wilcoxon" => wilcoxon_case(case)?,
            "residual_f_test" => residual_case(case)?,
            "summary" => summary_case(case)?,
            "crop_aggregate" => crop_case(case)?,
            "python_shuffle" => python_case(case)?,
            "split" => split_case(case)?,
            "split_sizes" => sizes_case(case)?,
            other => return Err(GoldenError::NotBuilt(other.to_owned())),
        };
        case.compare_all(&found)
    });
    assert!(summary.failures.is_empty(), "{}", summary.failures.join("\n"));
    assert!(summary.passed >= 90, "the repository's own copy holds 90 cases or more");
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
    let found = bootstrap(&x, &y, &rows, statistic(case)?, level(case)?).map_err(code)?;
    let mut all =
        tensors([("replicates", found.replicates), ("undefined", vec![found.undefined as f64])]);
    insert(&mut all, "estimate", found.estimate.map(|v| vec![v]));
    insert(&mut all, "std_error", found.std_error.map(|v| vec![v]));
    insert(&mut all, "percentile", found.percentile.map(Vec::from));
    insert(&mut all, "z0", found.bca.as_ref().map(|bca| vec![bca.z0]));
    insert(&mut all, "acceleration", found.bca.as_ref().map(|bca| vec![bca.acceleration]));
    insert(&mut all, "bca", found.bca.map(|bca| bca.interval.to_vec()));
    Ok(all)
}

fn level(case: &Case) -> Result<f64, GoldenError> {
    case.number_or("level", 0.95)
}

/// What is undefined is not there: a case that lists it fails, one that doesn't has no need of it.
fn insert(all: &mut Tensors, name: &str, values: Option<Vec<f64>>) {
    if let Some(values) = values {
        all.0.extend(tensors([(name, values)]).0);
    }
}

fn clustered_case(case: &Case) -> Result<Tensors, GoldenError> {
    let (x, y) = xy(case)?;
    let group = rows(case, "group")?.concat();
    let draws = rows(case, "group_indices")?;
    let found = bootstrap_clustered(&x, &y, &group, &draws, statistic(case)?, level(case)?)
        .map_err(code)?;
    let mut all = tensors([("replicates", found.replicates)]);
    insert(&mut all, "estimate", found.estimate.map(|v| vec![v]));
    insert(&mut all, "percentile", found.percentile.map(Vec::from));
    Ok(all)
}

fn paired_case(case: &Case) -> Result<Tensors, GoldenError> {
    let inputs = case.inputs()?;
    let [a, b, y] = ["a", "b", "y"].map(|name| inputs.get(name).map(Tensor::f64s));
    let rows = rows(case, "indices")?;
    let level = level(case)?;
    let found = paired_bootstrap(&a?, &b?, &y?, &rows, statistic(case)?, level).map_err(code)?;
    let mut all = tensors([("replicates", found.replicates), ("p_value", vec![found.p_value])]);
    insert(&mut all, "difference", found.difference.map(|v| vec![v]));
    insert(&mut all, "percentile", found.percentile.map(Vec::from));
    Ok(all)
}

fn crop_case(case: &Case) -> Result<Tensors, GoldenError> {
    let predictions = case.inputs()?.get("predictions")?.f64s();
    let scores = crop_means(&predictions, case.integer("crops")? as usize).map_err(code)?;
    Ok(tensors([("scores", scores)]))
}

fn logistic_case(case: &Case, curve: Curve) -> Result<Tensors, GoldenError> {
    let (x, y) = xy(case)?;
    if case.text("fitter")? != "biqa-lm" {
        return Err(GoldenError::NotBuilt(case.text("fitter")?.to_owned()));
    }
    let fit = fit_logistic(curve, &x, &y).map_err(code)?;
    let mut found = tensors([
        ("beta", fit.beta),
        ("fitted", fit.fitted),
        ("sse", vec![fit.sse]),
        ("rmse", vec![fit.rmse]),
        ("status", vec![f64::from(fit.status.code())]),
        ("monotone", vec![f64::from(u8::from(fit.monotone))]),
    ]);
    // Undefined values have no tensor, so a case that expects one fails.
    let correlations =
        [("plcc", fit.plcc), ("plcc_raw", fit.plcc_raw), ("srcc", srcc(&x, &y).map_err(code)?)];
    for (name, value) in correlations {
        found.0.extend(value.map(|value| (name.to_owned(), Tensor::of_f64s(vec![value]))));
    }
    Ok(found)
}

fn curves_case(case: &Case) -> Result<Tensors, GoldenError> {
    let inputs = case.inputs()?;
    let x = inputs.get("x")?.f64s();
    let beta4 = <[f64; 4]>::try_from(inputs.get("beta4")?.f64s()).map_err(|_| wrong("beta4"))?;
    let beta5 = <[f64; 5]>::try_from(inputs.get("beta5")?.f64s()).map_err(|_| wrong("beta5"))?;
    Ok(tensors([
        ("y4", x.iter().map(|&x| logistic4(x, beta4)).collect()),
        ("y5", x.iter().map(|&x| logistic5(x, beta5)).collect()),
    ]))
}

fn wrong(name: &str) -> GoldenError {
    GoldenError::Missing { what: "tensor of the right size", name: name.to_owned() }
}

/// The columns `names` of a case, row by row.
fn columns<const N: usize>(case: &Case, names: [&str; N]) -> Result<Vec<[f64; N]>, GoldenError> {
    let inputs = case.inputs()?;
    let columns: Vec<Vec<f64>> =
        names.iter().map(|name| inputs.get(name).map(Tensor::f64s)).collect::<Result<_, _>>()?;
    let rows = columns[0].len();
    Ok((0..rows).map(|row| std::array::from_fn(|column| columns[column][row])).collect())
}

fn defined(name: &str, tests: &[Option<Test>]) -> Result<Vec<Test>, GoldenError> {
    tests.iter().map(|test| test.ok_or_else(|| undefined(name))).collect()
}

/// The statistics and the p values of tests, as two tensors.
fn statistics(
    names: [&'static str; 2],
    tests: &[Option<Test>],
) -> Result<[(&'static str, Vec<f64>); 2], GoldenError> {
    let tests = defined(names[0], tests)?;
    let statistic = tests.iter().map(|test| test.statistic).collect();
    Ok([(names[0], statistic), (names[1], tests.iter().map(|test| test.p_value).collect())])
}

fn dependent_case(case: &Case) -> Result<Tensors, GoldenError> {
    let rows = columns(case, ["r_ay", "r_by", "r_ab", "n"])?;
    let of = |test: fn(Correlations) -> Option<Test>| -> Vec<Option<Test>> {
        rows.iter()
            .map(|&[ay, by, ab, n]| test(Correlations { ay, by, ab, n: n as usize }))
            .collect()
    };
    let [t, t_p] = statistics(["williams_t", "williams_p"], &of(williams))?;
    let [z, z_p] = statistics(["steiger_z", "steiger_p"], &of(steiger))?;
    Ok(tensors([t, t_p, z, z_p]))
}

fn independent_case(case: &Case) -> Result<Tensors, GoldenError> {
    let rows = columns(case, ["r_a", "r_b", "n_a", "n_b"])?;
    let level = case.number("level")?;
    let of = |coefficient| -> Vec<Option<Test>> {
        let test = |row: &[f64; 4]| {
            let [r_a, r_b, n_a, n_b] = *row;
            independent(coefficient, [r_a, r_b], [n_a as usize, n_b as usize])
        };
        rows.iter().map(test).collect()
    };
    let [z, p] = statistics(["z_pearson", "p_pearson"], &of(Coefficient::Pearson))?;
    let [zs, ps] = statistics(["z_spearman", "p_spearman"], &of(Coefficient::Spearman))?;
    let mut ends = Vec::new();
    for &[r_a, _, n_a, _] in &rows {
        let interval = fisher_interval(r_a, n_a as usize, level).map_err(code)?;
        ends.extend(interval.ok_or_else(|| undefined("fisher_interval_a"))?);
    }
    let mut found = tensors([z, p, zs, ps]);
    found.0.insert("fisher_interval_a".to_owned(), matrix(ends, 2));
    Ok(found)
}

/// Rows of `width` elements as a float64 matrix.
fn matrix(values: Vec<f64>, width: usize) -> Tensor {
    Tensor { shape: vec![values.len() / width, width], data: Data::F64(values) }
}

fn wilcoxon_case(case: &Case) -> Result<Tensors, GoldenError> {
    let inputs = case.inputs()?;
    let found = wilcoxon(&inputs.get("a")?.f64s(), &inputs.get("b")?.f64s()).map_err(code)?;
    Ok(tensors([
        ("w_plus", vec![found.w_plus]),
        ("w_minus", vec![found.w_minus]),
        ("n_used", vec![found.n_used as f64]),
        ("exact", vec![f64::from(u8::from(found.exact))]),
        ("p_value", vec![found.p_value]),
    ]))
}

fn residual_case(case: &Case) -> Result<Tensors, GoldenError> {
    let inputs = case.inputs()?;
    let [a, b] = ["residual_a", "residual_b"].map(|name| inputs.get(name).map(Tensor::f64s));
    let found = residual_f_test(&a?, &b?).map_err(code)?.ok_or_else(|| undefined("f"))?;
    Ok(tensors([("f", vec![found.statistic]), ("p_value", vec![found.p_value])]))
}

fn summary_case(case: &Case) -> Result<Tensors, GoldenError> {
    let found = summary(&case.inputs()?.get("values")?.f64s()).map_err(code)?;
    Ok(tensors([
        ("median", vec![found.median]),
        ("mean", vec![found.mean]),
        ("std", vec![found.std]),
        ("min", vec![found.min]),
        ("max", vec![found.max]),
        ("quartiles", found.quartiles.to_vec()),
    ]))
}

fn floats(numbers: &[usize]) -> Vec<f64> {
    numbers.iter().map(|&number| number as f64).collect()
}

fn python_case(case: &Case) -> Result<Tensors, GoldenError> {
    let (n, rounds) = (case.integer("n")? as usize, case.integer("rounds")? as usize);
    let seed = case.config.get("seed").and_then(serde_json::Value::as_i64).map(i128::from);
    let seed = seed.map_or_else(|| case.integer("seed").map(i128::from), Ok)?;
    let orders = python_orders(seed, n, rounds);
    if n == 0 {
        let empty =
            Tensor { shape: vec![orders.len(), 0], data: Data::F64(floats(&orders.concat())) };
        return Ok(Tensors([("orders".to_owned(), empty)].into()));
    }
    Ok(Tensors([("orders".to_owned(), matrix(floats(&orders.concat()), n))].into()))
}

/// The sizes by a case's shares; the rule's own where it gives none.
fn sizes_of(case: &Case) -> Result<impl Fn(usize) -> Sizes + Copy, GoldenError> {
    let shares = (case.number_or("train", TRAIN_SHARE)?, case.number_or("val", VAL_SHARE)?);
    Ok(move |m| Sizes::of_shares(m, shares.0, shares.1))
}

fn split_case(case: &Case) -> Result<Tensors, GoldenError> {
    let m = case.integer("groups")? as usize;
    let (seed, index) = (case.integer("seed")?, case.integer("index")? as u32);
    let order = biqa_order(case.text("dataset")?, seed, index, m);
    let sizes = sizes_of(case)?(m);
    let honest = sizes.trains(Form::Honest);
    let test = &order[sizes.train..];
    Ok(tensors([
        ("order", floats(&order)),
        ("published_train", floats(&order[..sizes.trains(Form::Published)])),
        ("published_test", floats(test)),
        ("honest_train", floats(&order[..honest])),
        ("honest_val", floats(&order[honest..sizes.train])),
        ("honest_test", floats(test)),
    ]))
}

fn sizes_case(case: &Case) -> Result<Tensors, GoldenError> {
    let sizes_of = sizes_of(case)?;
    let groups = rows(case, "groups")?.concat();
    let shares: Vec<f64> = case
        .config
        .get("fractions")
        .and_then(|shares| shares.as_array()?.iter().map(serde_json::Value::as_f64).collect())
        .ok_or(GoldenError::Missing { what: "config numbers", name: "fractions".to_owned() })?;
    let counts = |of: FractionOf| {
        let count = |m: usize, share| small(Fraction { share, of }, m, sizes_of(m).train) as f64;
        let rows = groups.iter().flat_map(|&m| shares.iter().map(move |&share| count(m, share)));
        matrix(rows.collect(), shares.len())
    };
    let sizes = |of: fn(Sizes) -> usize| groups.iter().map(|&m| of(sizes_of(m)) as f64).collect();
    let mut found = tensors([
        ("published_train", sizes(|sizes| sizes.train)),
        ("honest_val", sizes(|sizes| sizes.val)),
    ]);
    found.0.insert("small_of_dataset".to_owned(), counts(FractionOf::Dataset));
    found.0.insert("small_of_train".to_owned(), counts(FractionOf::Train));
    Ok(found)
}
