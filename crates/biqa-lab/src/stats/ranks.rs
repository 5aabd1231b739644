//! Average ranks, the ground of SRCC (`papers/protocol.md`, section 3).

/// The 1-based rank of every value; equal values share the mean of their places. `-0.0` equals
/// `0.0`. NaN, which callers refuse beforehand, is sorted behind infinity.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    // Adding 0.0 turns -0.0 into 0.0, so that the total order has the ties of ordinary equality.
    let value = |i: usize| values[i] + 0.0;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| value(a).total_cmp(&value(b)));

    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|&a, &b| value(a) == value(b)) {
        // The mean of the places before + 1 ..= before + size.
        let mean = f64::midpoint(before as f64 + 1.0, (before + tied.len()) as f64);
        for &i in tied {
            ranks[i] = mean;
        }
        before += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_the_mean_of_their_places() {
        assert_eq!(ranks(&[0.1, 0.4, 0.35, 0.8, 0.35]), [1.0, 4.0, 2.5, 5.0, 2.5]);
    }

    #[test]
    fn both_zeros_are_equal() {
        assert_eq!(ranks(&[0.0, -0.0, 1.0, -1.0]), [2.5, 2.5, 4.0, 1.0]);
    }

    #[test]
    fn no_values_have_no_ranks() {
        assert!(ranks(&[]).is_empty());
    }
}
