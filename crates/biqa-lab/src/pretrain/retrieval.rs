//! How well keys are found by their queries: the positive among the negatives of each kind, and the
//! measure of `papers/qpt.md`, section 11, check 15.

use biqa::nn::layers::unit;
use biqa::weights::host;
use burn::tensor::Tensor;

use crate::losses::qpt::Ids;
use crate::stats::ranks;

/// What queries `[m, d]` are to keys `[m, d]` and queued ones, on the host.
pub(super) struct Similar {
    /// Cosines, `m` rows of `m + u`.
    cosines: Vec<f32>,
    columns: usize,
}

/// Shares of the queries whose positive is above all negatives of a kind; `None` where no query has
/// any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Top1 {
    /// Of both kinds together.
    pub all: Option<f64>,
    pub degradation: Option<f64>,
    pub content: Option<f64>,
}

impl Similar {
    /// Of queries to keys.
    pub fn new(queries: Tensor<2>, keys: Tensor<2>, queue: Option<Tensor<2>>) -> Self {
        let keys = match queue {
            Some(queue) => Tensor::cat(vec![keys, queue], 0),
            None => keys,
        };
        let columns = keys.dims()[0];
        Self { cosines: host(&unit(queries).matmul(unit(keys).transpose())), columns }
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.cosines[i * self.columns..(i + 1) * self.columns]
    }

    /// Whether each query finds its key.
    pub fn top1(&self, ids: Ids<'_>) -> Top1 {
        let [mut all, mut degradation, mut content] = [(); 3].map(|()| Share::default());
        for i in 0..ids.image.len() {
            let row = self.row(i);
            let above = |is: &dyn Fn(usize) -> bool| {
                let mut others = (0..row.len()).filter(|&j| is(j)).peekable();
                others.peek()?;
                Some(others.all(|j| row[i] > row[j]))
            };
            let is_content = |j: usize| ids.image.get(j).is_none_or(|other| *other != ids.image[i]);
            degradation.add(above(&|j| is_degradation(ids, i, j)));
            content.add(above(&is_content));
            all.add(above(&|j| is_degradation(ids, i, j) || is_content(j)));
        }
        let [all, degradation, content] = [all, degradation, content].map(|share| share.value());
        Top1 { all, degradation, content }
    }

    /// Cosines of patches of one degraded picture, and of one picture under two degradations.
    pub fn same_and_other(&self, ids: Ids<'_>) -> (Vec<f64>, Vec<f64>) {
        let (mut same, mut other) = (Vec::new(), Vec::new());
        for i in 0..ids.image.len() {
            let row = self.row(i);
            same.push(f64::from(row[i]));
            let others = (0..ids.image.len()).filter(|&j| is_degradation(ids, i, j));
            other.extend(others.map(|j| f64::from(row[j])));
        }
        (same, other)
    }
}

/// Whether row `j` is the picture of row `i` under another degradation.
fn is_degradation(ids: Ids<'_>, i: usize, j: usize) -> bool {
    let of = |ids: &[i64], j: usize| ids.get(j).copied();
    of(ids.image, j) == Some(ids.image[i])
        && of(ids.degradation, j).is_some_and(|other| other != ids.degradation[i])
}

#[derive(Default)]
struct Share {
    hits: usize,
    of: usize,
}

impl Share {
    fn add(&mut self, hit: Option<bool>) {
        self.hits += usize::from(hit == Some(true));
        self.of += usize::from(hit.is_some());
    }

    fn value(&self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }
}

/// The area under the curve: the probability that one of `above` exceeds one of `below`, ties half.
/// `None` where one of them is empty or a number is none.
pub(super) fn area(above: &[f64], below: &[f64]) -> Option<f64> {
    let all: Vec<f64> = above.iter().chain(below).copied().collect();
    if above.is_empty() || below.is_empty() || all.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let (n, m) = (above.len() as f64, below.len() as f64);
    let sum: f64 = ranks(&all)[..above.len()].iter().sum();
    Some((sum - n * (n + 1.0) / 2.0) / (n * m))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    const IDS: Ids<'static> = Ids { image: &[0, 0, 1, 1], degradation: &[0, 1, 2, 3] };

    /// The worked example of papers/qpt.md, section 11.
    fn example() -> Similar {
        let rows = |data: [[f32; 2]; 4]| Tensor::from_data(data, &Device::flex());
        let q = rows([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-0.8, 0.6]]);
        let k = rows([[0.8, 0.6], [0.0, 1.0], [-0.6, 0.8], [-1.0, 0.0]]);
        Similar::new(q, k, None)
    }

    #[test]
    fn the_worked_examples_keys_are_found_by_kind() {
        // Logits: 1.6 0 -1.2 -2 | 1.92 1.6 .56 -1.2 | 1.2 2 1.6 0 | -.56 1.2 1.92 1.6
        let found = example().top1(IDS);
        assert_eq!(found, Top1 { all: Some(0.25), degradation: Some(0.5), content: Some(0.75) });
        let (same, other) = example().same_and_other(IDS);
        let expected = [[0.8, 0.8, 0.8, 0.8], [0.0, 0.96, 0.0, 0.96]];
        for (found, expected) in [same, other].iter().zip(expected) {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        }
    }

    #[test]
    fn queued_keys_are_content_and_one_degradation_has_no_negatives_of_its_kind() {
        let rows = |data: [[f32; 2]; 2]| Tensor::from_data(data, &Device::flex());
        let ids = Ids { image: &[0, 1], degradation: &[0, 1] };
        let q = rows([[1.0, 0.0], [0.0, 1.0]]);
        let near = rows([[1.0, 0.1], [0.1, 1.0]]);
        let plain = Similar::new(q.clone(), near.clone(), None).top1(ids);
        assert_eq!(plain, Top1 { all: Some(1.0), degradation: None, content: Some(1.0) });
        let queued = Similar::new(q.clone(), near, Some(rows([[1.0, 0.0], [-1.0, 0.0]])));
        assert_eq!(queued.top1(ids).content, Some(0.5));
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_order() {
        assert_eq!(area(&[3.0, 1.0], &[2.0, 0.0]), Some(0.75));
        assert_eq!(area(&[1.0, 1.0], &[1.0]), Some(0.5));
        assert_eq!(area(&[1.0], &[]), None);
        assert_eq!(area(&[f64::NAN], &[1.0]), None);
    }
}
