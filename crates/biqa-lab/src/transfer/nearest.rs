//! Which reference a source resembles most: the cosine of pooled features (`papers/glintiqa.md`,
//! section 5, facts 4 to 9).

/// Least norm that a feature is divided by (fact 4).
pub const NORMALIZE_EPS: f64 = 1e-12;

/// A reference that a source resembles, and how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Position in the list of references.
    pub reference: usize,
    /// -1 to 1 but for rounding, more where references were rounded; 0 for a feature of zeros.
    pub cosine: f64,
}

impl Match {
    /// `1 - cosine` (fact 5).
    pub fn distance(&self) -> f64 {
        1.0 - self.cosine
    }
}

/// The feature at length 1: `g / max(|g|, eps)`. Zeros stay zeros.
pub fn normalised(feature: &[f32], eps: f64) -> Vec<f32> {
    let square: f64 = feature.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    let norm = square.sqrt().max(eps);
    feature.iter().map(|&v| (f64::from(v) / norm) as f32).collect()
}

/// A normalised feature written as text with so many decimals and read back, and not normalised
/// again: what the first release did to its references (fact 9).
pub fn rounded(feature: &[f32], decimals: usize) -> Vec<f32> {
    let read = |text: String| text.parse().unwrap_or(f32::NAN);
    feature.iter().map(|v| read(format!("{v:.decimals$}"))).collect()
}

/// The `k` references of highest cosine, best first; of equal ones the first in the list (fact 7).
/// `source` and `references` are normalised, and of one length.
pub fn nearest(source: &[f32], references: &[Vec<f32>], k: usize) -> Vec<Match> {
    let dot = |other: &Vec<f32>| -> f64 {
        // From 0, so that a sum of zeros is not -0: they are equal, but not in `total_cmp`.
        source.iter().zip(other).fold(0.0, |sum, (&a, &b)| sum + f64::from(a) * f64::from(b))
    };
    let mut matches: Vec<Match> = references
        .iter()
        .enumerate()
        .map(|(reference, other)| Match { reference, cosine: dot(other) })
        .collect();
    // A stable sort leaves equal ones in the order of the list.
    matches.sort_by(|a, b| b.cosine.total_cmp(&a.cosine));
    matches.truncate(k);
    matches
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example (section 9, item 11).
    #[test]
    fn a_source_of_zeros_matches_the_first_reference() {
        let references: Vec<Vec<f32>> =
            [[1.0, 0.0], [0.0, 1.0]].iter().map(|r| normalised(r, NORMALIZE_EPS)).collect();
        let best =
            |source: [f32; 2]| nearest(&normalised(&source, NORMALIZE_EPS), &references, 1)[0];
        let first = best([2.0, 2.1]);
        assert_eq!(first.reference, 1);
        assert!((first.cosine - 0.724_138).abs() < 1e-6, "{first:?}");
        assert_eq!(best([0.0, 0.0]), Match { reference: 0, cosine: 0.0 });
        assert_eq!(best([0.0, 0.0]).distance(), 1.0);
    }

    #[test]
    fn equal_references_come_in_the_order_of_their_list() {
        let references = vec![vec![0.0, 1.0], vec![1.0, 0.0], vec![1.0, 0.0]];
        let order: Vec<usize> =
            nearest(&[1.0, 0.0], &references, 3).iter().map(|m| m.reference).collect();
        assert_eq!(order, [1, 2, 0]);
    }

    #[test]
    fn rounding_is_that_of_the_text() {
        assert_eq!(rounded(&[0.123_456_7, -0.000_000_4], 6), [0.123_457, 0.0]);
    }
}
