//! Which tokens a summary token may read while it learns (`papers/csiqa.md`, section 3.1).
//!
//! Who calls: the network `csiqa` for its structural mask, the lab for the random ones. Random
//! numbers are an argument. Shapes: `b` images, `h` heads, `n` tokens (local, class, patches).

use burn::tensor::{Bool, Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Whose row and column the mask changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Those of the local token, which is token 0 (eq. 3).
    #[default]
    Intended,
    /// Those of the last token, a patch, as the released code's indices have it (eq. 4).
    Released,
}

/// The visible keys of every query: `[b, h, n, n]` row-major, rows are queries.
///
/// `u` holds `[b, h, n - 1]` uniform numbers in [0, 1); a key is kept where `u <= 1 - ratio`.
/// `None` unless there are two tokens or more and just as many numbers.
pub fn visible(u: &[f32], [b, h, n]: [usize; 3], ratio: f64, layout: Layout) -> Option<Vec<bool>> {
    if n < 2 || u.len() != b * h * (n - 1) {
        return None;
    }
    // 1 - ratio in float64, rounded once; the comparison is in float32.
    let limit = (1.0 - ratio) as f32;
    let mut visible = vec![true; b * h * n * n];
    for (mask, u) in visible.chunks_exact_mut(n * n).zip(u.chunks_exact(n - 1)) {
        match layout {
            Layout::Intended => intended(mask, u, n, limit),
            Layout::Released => released(mask, u, n, limit),
        }
    }
    Some(visible)
}

/// Eq. 3: nobody but itself reads the local token; it reads itself, the class token and the patches
/// that are kept. `u[j]` belongs to key `j + 1`; the class token's number is ignored.
fn intended(mask: &mut [bool], u: &[f32], n: usize, limit: f32) {
    for query in 1..n {
        mask[query * n] = false;
    }
    for key in 2..n {
        mask[key] = u[key - 1] <= limit;
    }
}

/// Eq. 4: the same around the last token, with the last but one always visible to it. `u[j]`
/// belongs to key `j`.
fn released(mask: &mut [bool], u: &[f32], n: usize, limit: f32) {
    let last = n - 1;
    for query in 0..last {
        mask[query * n + last] = false;
    }
    for key in 0..last {
        mask[last * n + key] = key == last - 1 || u[key] <= limit;
    }
}

/// The keys hidden from every query, as [`super::vit::Attention::forward`] takes them.
pub fn hidden(visible: &[bool], [b, h, n]: [usize; 3], device: &Device) -> Tensor<4, Bool> {
    let hidden: Vec<bool> = visible.iter().map(|seen| !seen).collect();
    Tensor::from_data(TensorData::new(hidden, [b, h, n, n]), device)
}

/// Layout intended with nothing hidden from the local token, for every image and head: what
/// evaluation may keep of the mask (`mask.eval = "structural"`).
pub fn structural(n: usize, device: &Device) -> Tensor<4, Bool> {
    let hidden: Vec<bool> = (0..n * n).map(|i| i % n == 0 && i > 0).collect();
    Tensor::from_data(TensorData::new(hidden, [1, 1, n, n]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worked example of the specification: rows as words.
    fn rows(layout: Layout) -> Vec<String> {
        let u = [0.1, 0.8, 0.71, 0.3];
        let mask = visible(&u, [1, 1, 5], 0.3, layout).expect("four numbers for five tokens");
        let word = |row: &[bool]| row.iter().map(|&v| if v { '1' } else { '0' }).collect();
        mask.chunks_exact(5).map(word).collect()
    }

    #[test]
    fn the_worked_example_of_both_layouts() {
        assert_eq!(rows(Layout::Intended), ["11001", "01111", "01111", "01111", "01111"]);
        assert_eq!(rows(Layout::Released), ["11110", "11110", "11110", "11110", "10011"]);
    }

    #[test]
    fn a_number_at_the_limit_is_kept() {
        let limit = (1.0 - 0.3_f64) as f32;
        let u = [0.0, limit, limit.next_up()];
        let mask = visible(&u, [1, 1, 4], 0.3, Layout::Intended).expect("three for four");
        assert_eq!(&mask[..4], [true, true, true, false]);
    }

    #[test]
    fn every_query_reads_something_even_at_ratio_one() {
        for layout in [Layout::Intended, Layout::Released] {
            let mask = visible(&[0.5; 4], [1, 1, 5], 1.0, layout).expect("four for five");
            assert!(mask.chunks_exact(5).all(|row| row.contains(&true)), "{layout:?}");
        }
    }

    #[test]
    fn too_few_numbers_make_no_mask() {
        assert!(visible(&[0.5; 3], [1, 1, 5], 0.3, Layout::Intended).is_none());
    }

    #[test]
    fn the_structural_mask_is_the_intended_one_at_ratio_zero() {
        let seen = visible(&[0.999; 4], [1, 1, 5], 0.0, Layout::Intended).expect("four for five");
        let device = Device::flex();
        let words = |t: Tensor<4, Bool>| t.into_data().iter::<bool>().collect::<Vec<_>>();
        let expected = words(hidden(&seen, [1, 1, 5], &device));
        assert_eq!(words(structural(5, &device)), expected);
    }
}
