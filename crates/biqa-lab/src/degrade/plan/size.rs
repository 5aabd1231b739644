//! The size of a space of compositions, counted exactly (`papers/degradations.md`, section 7).
//! Continuous parameters are never counted. `None` beyond 2^128.

/// Ordered draws with replacement: `(n levels)^(draws orders)`.
pub fn ordered(n: u128, draws: u32, orders: u32, levels: u128) -> Option<u128> {
    n.checked_mul(levels)?.checked_pow(draws.checked_mul(orders)?)
}

/// Ordered draws without replacement: `n!/(n-draws)! levels^draws`.
pub(super) fn distinct(n: u128, draws: u32, levels: u128) -> Option<u128> {
    let draws = u128::from(draws).min(n);
    (0..draws).try_fold(1_u128, |size, i| size.checked_mul(n - i)?.checked_mul(levels))
}

/// Each of `n` operations at most once, in any order: the sum over k of `n!/(n-k)! levels^k`.
pub fn subsets(n: u128, levels: u128) -> Option<u128> {
    let mut sum = 1_u128;
    let mut arrangements = 1_u128;
    for k in 0..n {
        arrangements = arrangements.checked_mul(n - k)?.checked_mul(levels)?;
        sum = sum.checked_add(arrangements)?;
    }
    Some(sum)
}

/// Up to `most` of the groups in any order, one operation of each: the sum over k of `k! e_k`, e_k
/// the elementary symmetric polynomial of `levels` times the sizes.
pub fn groups(sizes: &[u128], levels: u128, most: u32) -> Option<u128> {
    let mut e = vec![1_u128];
    for size in sizes {
        let x = size.checked_mul(levels)?;
        e.push(0);
        for k in (1..e.len()).rev() {
            e[k] = e[k].checked_add(e[k - 1].checked_mul(x)?)?;
        }
    }
    let mut sum = 0_u128;
    let mut factorial = 1_u128;
    for (k, e) in e.iter().enumerate().skip(1).take(most as usize) {
        factorial = factorial.checked_mul(k as u128)?;
        sum = sum.checked_add(factorial.checked_mul(*e)?)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_specification() {
        assert_eq!(ordered(29, 5, 1, 1), Some(20_511_149));
        assert_eq!(ordered(26, 5, 1, 1), Some(11_881_376));
        assert_eq!(ordered(29, 5, 1, 5), Some(64_097_340_625));
        assert_eq!(ordered(29, 5, 10, 5), None);
        let arrangements = [2, 5, 16, 65, 326, 1957, 13700, 109601, 986410, 9864101, 108505112];
        for (n, expected) in (1..).zip(arrangements) {
            assert_eq!(subsets(n, 1), Some(expected), "n {n}");
        }
        assert_eq!(subsets(10, 5), Some(43_283_460_242_301));
        assert_eq!(subsets(10, 1).map(|a| a * a), Some(97_300_488_538_201));
        let sizes = [3, 4, 2, 4, 3, 5, 3];
        assert_eq!(groups(&sizes, 5, 4), Some(68_638_820));
        assert_eq!(groups(&sizes, 5, 7), Some(1_811_302_888_820));
    }

    #[test]
    fn counts_are_those_of_listing() {
        // Two groups of 1 and 2 operations with 2 levels: 2 + 4 singles, twice 2 * 4 pairs.
        assert_eq!(groups(&[1, 2], 2, 2), Some(6 + 16));
        assert_eq!(distinct(3, 2, 1), Some(6));
        assert_eq!(distinct(3, 9, 1), Some(6));
    }
}
