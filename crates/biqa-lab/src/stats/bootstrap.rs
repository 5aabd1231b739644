//! Bootstrap intervals (`papers/protocol.md`, section 5).
//!
//! The resamples are an input: their generator is `boot_indices`, apart from the statistics. Rows
//! on which the statistic is undefined are dropped and counted; the others keep their order.

use super::correlation::{plcc_unchecked, srcc_unchecked};
use super::{StatsError, check_finite, check_level, check_pair, krcc, normal_cdf, normal_quantile};
use biqa::random::{fnv1a64, scale_below, splitmix64};
use rayon::prelude::*;

/// What is resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// Spearman's rank correlation.
    Srcc,
    /// Pearson's correlation.
    Plcc,
    /// Kendall's tau-b.
    Krcc,
}

impl Statistic {
    /// The statistic of checked slices.
    fn of(self, x: &[f64], y: &[f64]) -> Option<f64> {
        match self {
            Statistic::Srcc => srcc_unchecked(x, y),
            Statistic::Plcc => plcc_unchecked(x, y),
            Statistic::Krcc => krcc(x, y).ok().and_then(|kendall| kendall.value),
        }
    }
}

/// Row `b`, position `k` of the generator `biqa-boot-v1`: `rows` resamples of `n` positions below
/// `n`. The default of reports is 2000 rows.
pub fn boot_indices(seed: u64, rows: usize, n: usize) -> Vec<Vec<usize>> {
    let base = fnv1a64(&format!("biqa-boot-v1/{seed}"));
    let n64 = n as u64;
    (0..rows as u64)
        .map(|b| {
            (0..n64)
                .map(|k| {
                    let counter = base.wrapping_add(b.wrapping_mul(n64)).wrapping_add(k);
                    scale_below(splitmix64(counter), n64) as usize
                })
                .collect()
        })
        .collect()
}

/// A bootstrap of one statistic.
#[derive(Debug, Clone, PartialEq)]
pub struct Bootstrap {
    /// The statistic on the data itself.
    pub estimate: Option<f64>,
    /// The statistic on every row where it is defined, in the order of the rows.
    pub replicates: Vec<f64>,
    /// Rows where it is not. Above 5 % of the rows a report prints no interval.
    pub undefined: usize,
    /// Sample standard deviation of the replicates; `None` for fewer than two.
    pub std_error: Option<f64>,
    /// Percentile interval; `None` without replicates.
    pub percentile: Option<[f64; 2]>,
    /// BCa interval; `None` where a report falls back to the percentile interval, and says so.
    pub bca: Option<Bca>,
}

/// The interval that a report prints, with the name that stands beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interval {
    /// Bias-corrected and accelerated.
    Bca([f64; 2]),
    /// Percentile, because BCa is not defined on these data.
    Percentile([f64; 2]),
    /// Percentile over groups drawn whole.
    Clustered([f64; 2]),
    /// None: more than 5 % of the rows are undefined, or there are none.
    Undefined,
}

/// More undefined rows than this share of all, and a report prints no interval.
const MOST_UNDEFINED: f64 = 0.05;

/// Whether too many rows are undefined.
fn too_many(undefined: usize, kept: usize) -> bool {
    undefined as f64 > MOST_UNDEFINED * (undefined + kept) as f64
}

impl Bootstrap {
    /// BCa where it is defined, else percentile.
    pub fn interval(&self) -> Interval {
        match (self.percentile, self.bca) {
            _ if too_many(self.undefined, self.replicates.len()) => Interval::Undefined,
            (_, Some(bca)) => Interval::Bca(bca.interval),
            (Some(ends), None) => Interval::Percentile(ends),
            (None, None) => Interval::Undefined,
        }
    }
}

impl Clustered {
    /// The percentile interval over groups.
    pub fn interval(&self) -> Interval {
        match self.percentile {
            Some(ends) if !too_many(self.undefined, self.replicates.len()) => {
                Interval::Clustered(ends)
            }
            _ => Interval::Undefined,
        }
    }
}

/// The bias-corrected and accelerated interval of Efron (1987).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bca {
    /// Bias correction.
    pub z0: f64,
    /// Acceleration, from the jackknife over images.
    pub acceleration: f64,
    /// The interval.
    pub interval: [f64; 2],
}

/// Resamples images. `indices` holds one resample a row (positions into `x` and `y`).
pub fn bootstrap(
    x: &[f64],
    y: &[f64],
    indices: &[Vec<usize>],
    statistic: Statistic,
    level: f64,
) -> Result<Bootstrap, StatsError> {
    check_pair(x, y)?;
    check_level(level)?;
    check_indices(indices, x.len())?;
    let estimate = statistic.of(x, y);
    let replicates = replicates(indices, |row| statistic.of(&take(x, row), &take(y, row)));
    let sorted = sorted(&replicates);
    Ok(Bootstrap {
        estimate,
        undefined: indices.len() - replicates.len(),
        std_error: sample_std(&replicates),
        percentile: percentile(&sorted, level),
        bca: estimate.and_then(|estimate| bca(x, y, statistic, estimate, &sorted, level)),
        replicates,
    })
}

/// A bootstrap over groups of images that share a content.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustered {
    /// The statistic on the data itself.
    pub estimate: Option<f64>,
    /// The statistic on every row where it is defined.
    pub replicates: Vec<f64>,
    /// Rows where it is not.
    pub undefined: usize,
    /// Percentile interval; `None` without replicates.
    pub percentile: Option<[f64; 2]>,
}

/// Resamples whole groups: `group[i]` is the number of image i's group, `draws` holds one row of
/// group numbers a resample. A group drawn twice counts twice.
pub fn bootstrap_clustered(
    x: &[f64],
    y: &[f64],
    group: &[usize],
    draws: &[Vec<usize>],
    statistic: Statistic,
    level: f64,
) -> Result<Clustered, StatsError> {
    check_pair(x, y)?;
    check_level(level)?;
    if group.len() != x.len() {
        let index = group.len().min(x.len());
        return Err(StatsError::Lengths { x_len: x.len(), y_len: group.len(), index });
    }
    // Group numbers may have gaps; a number without a member draws nothing.
    let highest = group.iter().chain(draws.iter().flatten()).max().map_or(0, |&g| g + 1);
    if let Some(index) = group.iter().position(|&g| g >= x.len()) {
        return Err(StatsError::Index { row: index, index: group[index], len: x.len() });
    }
    check_indices(draws, x.len())?;
    let mut members = vec![Vec::new(); highest];
    for (i, &g) in group.iter().enumerate() {
        members[g].push(i);
    }
    let replicates = replicates(draws, |row| {
        let images: Vec<usize> = row.iter().flat_map(|&g| &members[g]).copied().collect();
        statistic.of(&take(x, &images), &take(y, &images))
    });
    Ok(Clustered {
        estimate: statistic.of(x, y),
        undefined: draws.len() - replicates.len(),
        percentile: percentile(&sorted(&replicates), level),
        replicates,
    })
}

/// A bootstrap of the difference between two models on the same images.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// `stat(a, y) - stat(b, y)` on the data itself.
    pub difference: Option<f64>,
    /// The difference on every row where both are defined.
    pub replicates: Vec<f64>,
    /// Rows where one is not.
    pub undefined: usize,
    /// Percentile interval; `None` without replicates.
    pub percentile: Option<[f64; 2]>,
    /// `min(1, 2 (1 + min(#{d <= 0}, #{d >= 0})) / (B + 1))`, B the replicates kept.
    pub p_value: f64,
}

/// Compares predictions `a` and `b` of the same labels `y`.
pub fn paired_bootstrap(
    a: &[f64],
    b: &[f64],
    y: &[f64],
    indices: &[Vec<usize>],
    statistic: Statistic,
    level: f64,
) -> Result<Paired, StatsError> {
    paired_bootstrap_of_means(&[a], &[b], y, indices, statistic, level)
}

/// The same of two methods that were trained several times, `a` and `b` being a list of predictions
/// each: what is compared is the mean of the statistic over the trainings. Rows on which any of
/// them is undefined are dropped.
pub fn paired_bootstrap_of_means(
    a: &[&[f64]],
    b: &[&[f64]],
    y: &[f64],
    indices: &[Vec<usize>],
    statistic: Statistic,
    level: f64,
) -> Result<Paired, StatsError> {
    a.iter().try_for_each(|a| check_pair(a, y))?;
    b.iter().try_for_each(|b| check_finite("b", b))?;
    b.iter().try_for_each(|b| check_pair(b, y))?;
    check_level(level)?;
    check_indices(indices, y.len())?;
    let difference = |row: Option<&[usize]>| {
        Some(mean_of(statistic, a, y, row)? - mean_of(statistic, b, y, row)?)
    };
    let replicates = replicates(indices, |row| difference(Some(row)));
    let below = replicates.iter().filter(|&&d| d <= 0.0).count();
    let above = replicates.iter().filter(|&&d| d >= 0.0).count();
    let p_value = 2.0 * (1 + below.min(above)) as f64 / (replicates.len() + 1) as f64;
    Ok(Paired {
        difference: difference(None),
        undefined: indices.len() - replicates.len(),
        percentile: percentile(&sorted(&replicates), level),
        p_value: p_value.min(1.0),
        replicates,
    })
}

/// The mean of the statistic over trainings, and its percentile interval over the rows; no interval
/// where the statistic is undefined on every row.
pub fn bootstrap_of_mean(
    a: &[&[f64]],
    y: &[f64],
    indices: &[Vec<usize>],
    statistic: Statistic,
    level: f64,
) -> Result<(Option<f64>, Option<[f64; 2]>), StatsError> {
    a.iter().try_for_each(|a| check_pair(a, y))?;
    check_level(level)?;
    check_indices(indices, y.len())?;
    let replicates = replicates(indices, |row| mean_of(statistic, a, y, Some(row)));
    Ok((mean_of(statistic, a, y, None), percentile(&sorted(&replicates), level)))
}

/// The mean over lists of predictions, on a row of positions or on all; `None` without lists, or
/// where one is undefined.
fn mean_of(
    statistic: Statistic,
    lists: &[&[f64]],
    y: &[f64],
    row: Option<&[usize]>,
) -> Option<f64> {
    let of = |x: &&[f64]| match row {
        Some(row) => statistic.of(&take(x, row), &take(y, row)),
        None => statistic.of(x, y),
    };
    let values: Option<Vec<f64>> = lists.iter().map(of).collect();
    let values = values.filter(|values| !values.is_empty())?;
    Some(values.iter().sum::<f64>() / values.len() as f64)
}

fn check_indices(indices: &[Vec<usize>], len: usize) -> Result<(), StatsError> {
    for (row, positions) in indices.iter().enumerate() {
        if let Some(&index) = positions.iter().find(|&&i| i >= len) {
            return Err(StatsError::Index { row, index, len });
        }
    }
    Ok(())
}

/// The defined values over the rows, in their order; rows are shared among the threads.
fn replicates(rows: &[Vec<usize>], statistic: impl Fn(&[usize]) -> Option<f64> + Sync) -> Vec<f64> {
    rows.par_iter().map(|row| statistic(row)).collect::<Vec<_>>().into_iter().flatten().collect()
}

fn take(values: &[f64], positions: &[usize]) -> Vec<f64> {
    positions.iter().map(|&i| values[i]).collect()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Standard deviation with n - 1; `None` for fewer than two values.
fn sample_std(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// The quantile `q` in [0, 1] of ascending values, by linear interpolation at `q (n - 1)` (type 7).
/// `None` without values or for a `q` that is no number.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    if q.is_nan() {
        return None;
    }
    let position = q.clamp(0.0, 1.0) * last as f64;
    let below = (position as usize).min(last);
    let above = (below + 1).min(last);
    let fraction = position - below as f64;
    Some(sorted[below] + (sorted[above] - sorted[below]) * fraction)
}

fn percentile(sorted: &[f64], level: f64) -> Option<[f64; 2]> {
    let tail = (1.0 - level) / 2.0;
    Some([quantile(sorted, tail)?, quantile(sorted, 1.0 - tail)?])
}

/// The BCa interval; `None` when the bias correction is infinite, a leave-one-out value is
/// undefined, or the leave-one-out values are all equal.
fn bca(
    x: &[f64],
    y: &[f64],
    statistic: Statistic,
    estimate: f64,
    sorted: &[f64],
    level: f64,
) -> Option<Bca> {
    if sorted.is_empty() {
        return None;
    }
    let below = sorted.iter().filter(|&&t| t < estimate).count() as f64;
    let equal = sorted.iter().filter(|&&t| t == estimate).count() as f64;
    let z0 = normal_quantile((below + equal / 2.0) / sorted.len() as f64);
    if !z0.is_finite() {
        return None;
    }
    let acceleration = acceleration(x, y, statistic)?;
    let tail = (1.0 - level) / 2.0;
    let end = |p: f64| {
        let z = z0 + normal_quantile(p);
        quantile(sorted, normal_cdf(z0 + z / (1.0 - acceleration * z)))
    };
    Some(Bca { z0, acceleration, interval: [end(tail)?, end(1.0 - tail)?] })
}

/// `sum (m - t_i)^3 / (6 (sum (m - t_i)^2)^1.5)` over the leave-one-out values.
fn acceleration(x: &[f64], y: &[f64], statistic: Statistic) -> Option<f64> {
    let without = |values: &[f64], i: usize| [&values[..i], &values[i + 1..]].concat();
    let left_out: Vec<f64> = (0..x.len())
        .into_par_iter()
        .map(|i| statistic.of(&without(x, i), &without(y, i)))
        .collect::<Option<_>>()?;
    let mean = left_out.iter().sum::<f64>() / left_out.len() as f64;
    let squares: f64 = left_out.iter().map(|t| (mean - t).powi(2)).sum();
    let cubes: f64 = left_out.iter().map(|t| (mean - t).powi(3)).sum();
    (squares > 0.0).then(|| cubes / (6.0 * squares.powf(1.5)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [f64; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    const Y: [f64; 6] = [1.0, 3.0, 2.0, 4.0, 6.0, 5.0];

    #[test]
    fn the_generator_gives_the_rows_of_the_specification() {
        let rows = boot_indices(0, 2, 10);
        assert_eq!(rows[0], [1, 5, 3, 0, 6, 4, 9, 4, 4, 2]);
        assert_eq!(rows[1], [1, 9, 6, 9, 1, 6, 0, 4, 9, 7]);
        assert!(boot_indices(0, 2, 0).iter().all(Vec::is_empty));
    }

    #[test]
    fn undefined_rows_are_dropped_and_counted() {
        let rows = vec![vec![0; 6], vec![0, 1, 2, 3, 4, 5], vec![3; 6]];
        let found = bootstrap(&X, &Y, &rows, Statistic::Srcc, 0.95).expect("legal");
        assert_eq!((found.undefined, found.replicates.len()), (2, 1));
        assert_eq!(found.std_error, None);
        assert_eq!(found.percentile, found.estimate.map(|e| [e, e]));
    }

    #[test]
    fn a_perfect_order_has_no_bca_interval() {
        let rows = boot_indices(1, 50, 6);
        let found = bootstrap(&X, &X, &rows, Statistic::Srcc, 0.95).expect("legal");
        assert_eq!(found.bca, None);
        assert!(found.percentile.is_some());
    }

    #[test]
    fn a_report_prints_no_interval_when_more_than_a_twentieth_is_undefined() {
        let whole = || vec![0, 1, 2, 3, 4, 5];
        let print = |undefined: usize| {
            let mut rows = vec![whole(); 20 - undefined];
            rows.extend(vec![vec![0; 6]; undefined]);
            bootstrap(&X, &Y, &rows, Statistic::Srcc, 0.95).expect("legal").interval()
        };
        // All replicates equal the estimate, so z0 is 0 and BCa is defined.
        assert!(matches!(print(1), Interval::Bca(_)), "{:?}", print(1));
        assert_eq!(print(2), Interval::Undefined);
        let found = bootstrap(&X, &X, &[whole()], Statistic::Srcc, 0.95).expect("legal");
        assert_eq!(found.interval(), Interval::Percentile([1.0; 2]));
    }

    #[test]
    fn no_rows_give_no_interval() {
        let found = bootstrap(&X, &Y, &[], Statistic::Plcc, 0.95).expect("legal");
        assert_eq!((found.percentile, found.bca, found.std_error), (None, None, None));
        assert_eq!(found.interval(), Interval::Undefined);
    }

    #[test]
    fn positions_outside_the_data_and_bad_levels_are_errors() {
        let rows = vec![vec![0, 6]];
        let found = bootstrap(&X, &Y, &rows, Statistic::Srcc, 0.95);
        assert_eq!(found, Err(StatsError::Index { row: 0, index: 6, len: 6 }));
        for level in [0.0, 1.0, 95.0, f64::NAN] {
            assert!(bootstrap(&X, &Y, &[], Statistic::Srcc, level).is_err(), "{level}");
        }
    }

    #[test]
    fn equal_models_do_not_differ() {
        let rows = boot_indices(2, 99, 6);
        let found = paired_bootstrap(&X, &X, &Y, &rows, Statistic::Srcc, 0.95).expect("legal");
        assert_eq!((found.difference, found.p_value), (Some(0.0), 1.0));
    }

    #[test]
    fn means_over_trainings_are_compared_on_the_same_rows() {
        let y: Vec<f64> = (0..30).map(f64::from).collect();
        let with = |noise: f64| -> Vec<f64> {
            y.iter().map(|v| v + noise * (v * v * 1.3).sin()).collect()
        };
        let (good, fair, bad) = (with(2.0), with(9.0), with(30.0));
        let rows = boot_indices(0, 400, 30);
        let s = Statistic::Srcc;
        // One training each is what it was.
        let one = paired_bootstrap(&good, &bad, &y, &rows, s, 0.95).expect("fine");
        let means = |a: &[&[f64]], b: &[&[f64]]| {
            paired_bootstrap_of_means(a, b, &y, &rows, s, 0.95).expect("fine")
        };
        assert_eq!(means(&[&good], &[&bad]), one);
        let twice = means(&[&good, &good], &[&bad]);
        assert!(
            (twice.difference.expect("defined") - one.difference.expect("defined")).abs() < 1e-12
        );
        let mixed = means(&[&good, &bad], &[&fair]);
        let srcc = |x: &[f64]| s.of(x, &y).expect("defined");
        let expected = f64::midpoint(srcc(&good), srcc(&bad)) - srcc(&fair);
        assert!((mixed.difference.expect("defined") - expected).abs() < 1e-12);
        let (mean, ends) = bootstrap_of_mean(&[&good], &y, &rows, s, 0.95).expect("fine");
        let plain = bootstrap(&good, &y, &rows, s, 0.95).expect("fine");
        assert_eq!((mean, ends), (plain.estimate, plain.percentile));
        assert_eq!(bootstrap_of_mean(&[], &y, &rows, s, 0.95).expect("fine"), (None, None));
    }

    #[test]
    fn quantiles_interpolate_linearly() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 1.0), Some(4.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
