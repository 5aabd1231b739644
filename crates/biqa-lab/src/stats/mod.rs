//! How good are predictions: correlations, errors, and how sure we are of them.
//!
//! `papers/protocol.md`, sections 3 to 6 and 8. Everything is computed in `f64` from slices of equal
//! length; `x` is the prediction, `y` the label. A statistic that has no value (too few images, a
//! constant) is `None`, never NaN or 0.
//!
//! Called by the protocol runner, by `biqa evaluate`, and by the trainer's validation.

mod bootstrap;
mod correlation;
mod distributions;
mod fitter;
mod logistic;
mod normal;
mod ranks;
mod ridge;
mod significance;
mod summary;
mod wilcoxon;

pub use bootstrap::{
    Bca, Bootstrap, Clustered, Interval, Paired, Statistic, boot_indices, bootstrap,
    bootstrap_clustered, bootstrap_of_mean, paired_bootstrap, paired_bootstrap_of_means, quantile,
};
pub use correlation::{Errors, Kendall, errors, krcc, plcc, srcc};
pub use logistic::{Curve, Fit, Status, fit_logistic, logistic4, logistic5};
pub use normal::{normal_cdf, normal_quantile};
pub use ranks::ranks;
pub use ridge::Ridge;
pub use significance::{
    Coefficient, Correlations, Test, fisher_interval, holm, independent, residual_f_test, steiger,
    williams,
};
pub use summary::{Summary, summary};
pub use wilcoxon::{Wilcoxon, wilcoxon};

/// Why a statistic could not be computed at all.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// The slices do not belong together.
    #[error(
        "{x_len} predictions stand against {y_len} labels; first without a partner: index {index}"
    )]
    Lengths {
        /// Predictions.
        x_len: usize,
        /// Labels.
        y_len: usize,
        /// The first index that only one of them has.
        index: usize,
    },
    /// A value is NaN or infinite.
    #[error("{name}[{index}] is {value}; only finite numbers can be compared")]
    NotFinite {
        /// `x` or `y` (`a` or `b` in paired forms).
        name: &'static str,
        /// The first such index.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Errors of nothing.
    #[error("there are no values; at least one is needed")]
    Empty,
    /// A resample points outside the data.
    #[error("resample {row} names position {index}, but there are {len} values")]
    Index {
        /// Row of the resample.
        row: usize,
        /// The position.
        index: usize,
        /// Values there are.
        len: usize,
    },
    /// A confidence level or a quantile outside (0, 1).
    #[error("the confidence level is {found}; it must lie between 0 and 1, for example 0.95")]
    Level {
        /// The level given.
        found: f64,
    },
    /// Features that make no table.
    #[error("features must be a table of finite numbers with one row or more, penalties above 0")]
    Features,
    /// A number of crops an image that does not divide the predictions.
    #[error("{predictions} predictions cannot be shared out to images of {crops} crops each")]
    Crops {
        /// Predictions given.
        predictions: usize,
        /// Crops an image.
        crops: usize,
    },
}

/// Checks that both slices have one length and hold finite numbers only.
fn check_pair(x: &[f64], y: &[f64]) -> Result<(), StatsError> {
    if x.len() != y.len() {
        let index = x.len().min(y.len());
        return Err(StatsError::Lengths { x_len: x.len(), y_len: y.len(), index });
    }
    check_finite("x", x)?;
    check_finite("y", y)
}

/// Names the first value that is NaN or infinite.
fn check_finite(name: &'static str, values: &[f64]) -> Result<(), StatsError> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(StatsError::NotFinite { name, index, value: values[index] }),
        None => Ok(()),
    }
}

/// Refuses a level outside (0, 1).
fn check_level(level: f64) -> Result<(), StatsError> {
    if level > 0.0 && level < 1.0 { Ok(()) } else { Err(StatsError::Level { found: level }) }
}

/// The score of every image: the mean over its `crops` consecutive predictions, in order
/// (protocol.md 2.4).
pub fn crop_means(predictions: &[f64], crops: usize) -> Result<Vec<f64>, StatsError> {
    if crops == 0 || !predictions.len().is_multiple_of(crops) {
        return Err(StatsError::Crops { predictions: predictions.len(), crops });
    }
    Ok(predictions.chunks_exact(crops).map(|p| p.iter().sum::<f64>() / crops as f64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unequal_lengths_name_the_first_index_without_a_partner() {
        let error = srcc(&[1.0, 2.0, 3.0], &[1.0]).expect_err("lengths differ");
        assert_eq!(error, StatsError::Lengths { x_len: 3, y_len: 1, index: 1 });
    }

    #[test]
    fn the_first_nan_is_named() {
        let error = plcc(&[1.0, 2.0, 3.0], &[1.0, f64::INFINITY, f64::NAN]).expect_err("infinite");
        assert_eq!(error.to_string(), "y[1] is inf; only finite numbers can be compared");
    }

    #[test]
    fn crops_of_an_image_are_averaged() {
        assert_eq!(crop_means(&[1.0, 3.0, 5.0, 6.0], 2), Ok(vec![2.0, 5.5]));
        assert!(crop_means(&[1.0, 3.0, 5.0], 2).is_err());
        assert!(crop_means(&[1.0], 0).is_err());
    }
}
