//! 22 `quantize`: exact multi-level Otsu (`papers/degradations.md`, 2.1).

use biqa::image::Rgb8;

/// Levels of 8 bits, and edges between them.
const LEVELS: usize = 256;
const EDGES: usize = LEVELS + 1;

/// Few levels: 0 below the first threshold, 1 above the last, the upper threshold between.
pub(in super::super) fn quantize(picture: &Rgb8, thresholds: usize) -> Rgb8 {
    let mut histogram = [0_u64; LEVELS];
    for &v in picture.data() {
        histogram[usize::from(v)] += 1;
    }
    if histogram.iter().filter(|&&n| n > 0).count() <= thresholds {
        return picture.clone();
    }
    let thresholds = otsu(&histogram, thresholds);
    let table: [u8; LEVELS] =
        std::array::from_fn(|v| match thresholds.iter().position(|&t| v <= usize::from(t)) {
            Some(0) => 0,
            Some(class) => thresholds[class],
            None => 255,
        });
    let data = picture.data().iter().map(|&v| table[usize::from(v)]).collect();
    Rgb8::new(picture.width(), picture.height(), data).expect("one level out for one level in")
}

/// The `n` thresholds (a level not above one is below it) that maximise the sum over classes of
/// squared sum over count, by dynamic programming over classes and edges; among equals the smallest
/// edge, for the last class first.
fn otsu(histogram: &[u64; LEVELS], n: usize) -> Vec<u8> {
    let mut counts = [0.0; EDGES];
    let mut sums = [0.0; EDGES];
    for (v, &count) in histogram.iter().enumerate() {
        counts[v + 1] = counts[v] + count as f64;
        sums[v + 1] = sums[v] + v as f64 * count as f64;
    }
    let score = |from: usize, to: usize| {
        let (count, sum) = (counts[to] - counts[from], sums[to] - sums[from]);
        if count > 0.0 { sum * sum / count } else { 0.0 }
    };
    // Scores of the class between two edges, by its upper edge.
    let scores: Vec<Vec<f64>> =
        (0..EDGES).map(|to| (0..to).map(|from| score(from, to)).collect()).collect();

    let mut best: Vec<f64> = (0..EDGES).map(|to| score(0, to)).collect();
    let mut choices = Vec::with_capacity(n);
    for class in 1..=n {
        let mut new = vec![f64::NEG_INFINITY; EDGES];
        let mut choice = [0_usize; EDGES];
        for to in class + 1..EDGES {
            let row = best.iter().zip(&scores[to]).enumerate().skip(class);
            for (from, (before, score)) in row {
                let value = before + score;
                if value > new[to] {
                    (new[to], choice[to]) = (value, from);
                }
            }
        }
        best = new;
        choices.push(choice);
    }
    let mut edge = LEVELS;
    let mut thresholds: Vec<u8> = Vec::with_capacity(n);
    for choice in choices.iter().rev() {
        edge = choice[edge];
        thresholds.push((edge - 1) as u8);
    }
    thresholds.reverse();
    thresholds
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::random::Key;

    fn gray(values: &[u8]) -> Rgb8 {
        let data = values.iter().flat_map(|&v| [v; 3]).collect();
        Rgb8::new(values.len() as u32, 1, data).expect("sizes fit")
    }

    #[test]
    fn the_example_gives_its_values() {
        let picture = gray(&[10, 10, 20, 30, 200, 210, 210, 255, 255, 255, 10, 30]);
        let expected = gray(&[0, 0, 30, 30, 210, 210, 210, 255, 255, 255, 0, 30]);
        assert_eq!(quantize(&picture, 3), expected);
        assert_eq!(quantize(&picture, 6), picture, "as many thresholds as levels");
    }

    /// Every choice of thresholds, the first best in the order of the specification.
    fn search(levels: &[u8], n: usize) -> f64 {
        let score = |t: &[u8]| {
            let mut total = 0.0;
            for class in 0..=t.len() {
                let inside = |v: &&u8| {
                    (class == 0 || **v > t[class - 1]) && (class == t.len() || **v <= t[class])
                };
                let values: Vec<f64> =
                    levels.iter().filter(inside).map(|&v| f64::from(v)).collect();
                if !values.is_empty() {
                    total += values.iter().sum::<f64>().powi(2) / values.len() as f64;
                }
            }
            total
        };
        let mut best = f64::NEG_INFINITY;
        let mut t: Vec<u8> = (0..n as u8).collect();
        loop {
            best = best.max(score(&t));
            // The next ascending tuple of levels below 255.
            let Some(i) = (0..n).rev().find(|&i| usize::from(t[i]) < 255 - (n - i)) else {
                return best;
            };
            t[i] += 1;
            for j in i + 1..n {
                t[j] = t[j - 1] + 1;
            }
        }
    }

    #[test]
    fn thresholds_equal_an_exhaustive_search() {
        for (n, pictures) in [(1, 6), (2, 2), (3, 1)] {
            for seed in 0..pictures {
                let mut draws = Key(seed).at(0).sequence();
                // Few levels near the lower end keep the search of three thresholds short.
                let span = if n == 3 { 40 } else { 256 };
                let levels: Vec<u8> = (0..20).map(|_| draws.below(span) as u8).collect();
                let mut histogram = [0; LEVELS];
                for &v in &levels {
                    histogram[usize::from(v)] += 1;
                }
                let found = otsu(&histogram, n);
                let value = |t: &[u8]| {
                    let mut edges = vec![-1];
                    edges.extend(t.iter().map(|&t| i32::from(t)));
                    edges.push(255);
                    let class = |w: &[i32]| {
                        let inside = levels
                            .iter()
                            .map(|&v| i32::from(v))
                            .filter(|v| w[0] < *v && *v <= w[1]);
                        let values: Vec<f64> = inside.map(f64::from).collect();
                        if values.is_empty() {
                            0.0
                        } else {
                            values.iter().sum::<f64>().powi(2) / values.len() as f64
                        }
                    };
                    edges.windows(2).map(class).sum::<f64>()
                };
                let best = search(&levels, n);
                assert!((value(&found) - best).abs() < 1e-6 * best, "n {n}: {found:?}");
            }
        }
    }
}
