//! Wilcoxon's signed ranks over splits (`papers/protocol.md`, section 6).
//!
//! The splits of one set overlap, so p comes out too small; a report says so beside it, and that
//! fewer than 10 differences are of little use.

use super::{StatsError, check_finite, ranks};
use std::f64::consts::SQRT_2;

/// The most differences for which all subsets are counted.
const MOST_EXACT: usize = 50;

/// Whether two models differ over the same splits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wilcoxon {
    /// Sum of the ranks of positive differences.
    pub w_plus: f64,
    /// Sum of the ranks of negative differences.
    pub w_minus: f64,
    /// Differences that are not zero.
    pub n_used: usize,
    /// Whether p was counted out, not approximated by the normal distribution.
    pub exact: bool,
    /// Two-sided; 1 when all differences are zero.
    pub p_value: f64,
}

/// Compares `a` and `b`, one value a split each.
pub fn wilcoxon(a: &[f64], b: &[f64]) -> Result<Wilcoxon, StatsError> {
    if a.len() != b.len() {
        let index = a.len().min(b.len());
        return Err(StatsError::Lengths { x_len: a.len(), y_len: b.len(), index });
    }
    check_finite("a", a)?;
    check_finite("b", b)?;
    let all: Vec<f64> = a.iter().zip(b).map(|(a, b)| rounded(a - b)).collect();
    let used: Vec<f64> = all.iter().copied().filter(|&d| d != 0.0).collect();
    let n = used.len();
    let sizes: Vec<f64> = used.iter().map(|d| d.abs()).collect();
    let ranks = ranks(&sizes);
    let sum = |positive: bool| -> f64 {
        used.iter().zip(&ranks).filter(|(d, _)| (**d > 0.0) == positive).map(|(_, r)| r).sum()
    };
    let (w_plus, w_minus) = (sum(true), sum(false));
    if n == 0 {
        return Ok(Wilcoxon { w_plus, w_minus, n_used: 0, exact: false, p_value: 1.0 });
    }
    let least = w_plus.min(w_minus);
    let ties = tie_correction(&sizes);
    let exact = n == all.len() && ties == 0.0 && n <= MOST_EXACT;
    let p_value = if exact { counted(n, least as usize) } else { approximated(n, least, ties) };
    Ok(Wilcoxon { w_plus, w_minus, n_used: n, exact, p_value })
}

/// 12 decimals, half to even, so that differences that are equal but for rounding tie.
fn rounded(d: f64) -> f64 {
    let scaled = d * 1e12;
    if scaled.is_finite() { scaled.round_ties_even() / 1e12 } else { d }
}

/// `sum (g^3 - g) / 48` over the groups of equal sizes.
fn tie_correction(sizes: &[f64]) -> f64 {
    let mut sorted = sizes.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let groups = sorted.chunk_by(|a, b| a == b).map(|group| group.len() as f64);
    groups.map(|g| g * g * g - g).sum::<f64>() / 48.0
}

/// Twice the share of the subsets of 1..=n with a sum of at most `least`, at most 1.
fn counted(n: usize, least: usize) -> f64 {
    let mut subsets = vec![0_u64; least + 1]; // by sum; 2^50 at most
    subsets[0] = 1;
    for number in 1..=n {
        for sum in (number..=least).rev() {
            subsets[sum] += subsets[sum - number];
        }
    }
    let below: u64 = subsets.iter().sum();
    (2.0 * below as f64 / (1_u64 << n) as f64).min(1.0)
}

/// The normal approximation, without correction for continuity.
fn approximated(n: usize, least: f64, ties: f64) -> f64 {
    let n = n as f64;
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties;
    let z = (least - n * (n + 1.0) / 4.0) / variance.sqrt();
    libm::erfc(z.abs() / SQRT_2).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_wins_of_ten_are_as_rare_as_counted() {
        let a: Vec<f64> = (1..=10).map(f64::from).collect();
        let found = wilcoxon(&a, &[0.0; 10]).expect("legal");
        assert_eq!((found.w_plus, found.w_minus, found.n_used), (55.0, 0.0, 10));
        assert!(found.exact);
        assert_eq!(found.p_value, 2.0 / 1024.0);
    }

    #[test]
    fn subsets_are_counted() {
        // Of 1, 2, 3 the sums 0, 1, 2 come once each, 3 twice.
        assert_eq!(counted(3, 2), 2.0 * 3.0 / 8.0);
        assert_eq!(counted(3, 3), 1.0);
        assert_eq!(counted(50, 0), 2.0 / 2.0_f64.powi(50));
    }

    #[test]
    fn differences_that_are_equal_but_for_rounding_tie() {
        let found = wilcoxon(&[0.3, 0.8, 0.5], &[0.1, 0.6, 0.9]).expect("legal");
        assert_eq!((found.w_plus, found.w_minus, found.exact), (3.0, 3.0, false));
        assert_eq!(rounded(1e300), 1e300);
    }

    #[test]
    fn zeros_are_dropped_and_nothing_is_no_difference() {
        let found = wilcoxon(&[1.0, 2.0, 3.0], &[1.0, 1.0, 5.0]).expect("legal");
        assert_eq!((found.n_used, found.exact, found.w_plus, found.w_minus), (2, false, 1.0, 2.0));
        let found = wilcoxon(&[1.0; 4], &[1.0; 4]).expect("legal");
        let nothing = Wilcoxon { w_plus: 0.0, w_minus: 0.0, n_used: 0, exact: false, p_value: 1.0 };
        assert_eq!(found, nothing);
        assert!(wilcoxon(&[1.0], &[]).is_err());
    }
}
