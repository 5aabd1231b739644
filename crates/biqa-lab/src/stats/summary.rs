//! Many repeats in a few numbers (`papers/protocol.md`, sections 1 and 6).
//!
//! Ten splits of one set overlap: their spread is described by quartiles and extremes, never by an
//! interval of a normal formula.

use super::{StatsError, check_finite, quantile};

/// The values over repeats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The mean of the middle two for an even number.
    pub median: f64,
    /// The mean.
    pub mean: f64,
    /// Population standard deviation.
    pub std: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// 25 % and 75 %, by linear interpolation.
    pub quartiles: [f64; 2],
}

/// Sums up at least one value.
pub fn summary(values: &[f64]) -> Result<Summary, StatsError> {
    check_finite("x", values)?;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |q| quantile(&sorted, q).ok_or(StatsError::Empty);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    Ok(Summary {
        median: at(0.5)?,
        mean,
        std: (squares / n).sqrt(),
        min: at(0.0)?,
        max: at(1.0)?,
        quartiles: [at(0.25)?, at(0.75)?],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_values_are_summed_up() {
        let found = summary(&[4.0, 1.0, 3.0, 2.0]).expect("values");
        assert_eq!((found.median, found.mean, found.min, found.max), (2.5, 2.5, 1.0, 4.0));
        assert_eq!((found.std, found.quartiles), (1.25_f64.sqrt(), [1.75, 3.25]));
    }

    #[test]
    fn one_value_is_everything_and_none_is_an_error() {
        let found = summary(&[0.5]).expect("a value");
        assert_eq!((found.median, found.std, found.quartiles), (0.5, 0.0, [0.5, 0.5]));
        assert_eq!(summary(&[]), Err(StatsError::Empty));
        assert!(summary(&[f64::NAN]).is_err());
    }
}
