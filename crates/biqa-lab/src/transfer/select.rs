//! Which sources are taken out of many: those most like the references of other sets, then those
//! most like the labelled references (`papers/glintiqa.md`, section 5, rule (b)).

use std::cmp::Ordering;

/// A set whose look-alikes come first.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Of every source, the highest cosine to a reference of the set.
    pub similarity: &'a [f64],
    /// How many sources are taken for it.
    pub count: usize,
}

/// Positions of the sources that are taken, in the order of selection.
///
/// For each wish in turn its `count` most similar sources, best first, without those that are taken
/// already; then sources by `fill`, best first, until there are `total`. Equal similarities go by
/// position. With `names`, one a source, what the wishes gave is sorted by name before the rest is
/// filled: the order of the first release.
pub fn select(
    wishes: &[Wish<'_>],
    fill: &[f64],
    total: usize,
    names: Option<&[String]>,
) -> Vec<usize> {
    let mut taken = vec![false; fill.len()];
    let mut selected = Vec::with_capacity(total.min(fill.len()));
    for wish in wishes {
        for source in best_first(wish.similarity).into_iter().take(wish.count) {
            if !std::mem::replace(&mut taken[source], true) {
                selected.push(source);
            }
        }
    }
    if let Some(names) = names {
        selected.sort_by(|&a, &b| names[a].cmp(&names[b]));
    }
    for source in best_first(fill) {
        if selected.len() >= total {
            break;
        }
        if !taken[source] {
            selected.push(source);
        }
    }
    selected
}

/// Positions by falling similarity; equal ones stay in order.
fn best_first(similarity: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..similarity.len()).collect();
    let of = |position: usize| similarity[position] + 0.0; // -0 becomes 0, which it equals
    let falling = |&a: &usize, &b: &usize| -> Ordering { of(b).total_cmp(&of(a)) };
    order.sort_by(falling);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_come_first_and_the_rest_is_filled_by_similarity() {
        let (a, b) = ([0.9, 0.1, 0.5, 0.4], [0.8, 0.7, 0.1, 0.2]);
        let wishes = [Wish { similarity: &a, count: 2 }, Wish { similarity: &b, count: 2 }];
        let fill = [0.1, 0.2, 0.3, 0.4];
        // The second wish's best, 0, is taken already and counts as one of its two.
        assert_eq!(select(&wishes, &fill, 4, None), [0, 2, 1, 3]);
        assert_eq!(select(&wishes, &fill, 3, None), [0, 2, 1]);
        assert_eq!(select(&[], &fill, 2, None), [3, 2]);
    }

    #[test]
    fn equal_similarities_go_by_position_and_names_sort_the_wishes_alone() {
        let same = [0.5; 4];
        let wishes = [Wish { similarity: &same, count: 2 }];
        let names = ["d", "c", "b", "a"].map(str::to_owned);
        assert_eq!(select(&wishes, &same, 4, None), [0, 1, 2, 3]);
        assert_eq!(select(&wishes, &same, 4, Some(&names)), [1, 0, 2, 3]);
    }
}
