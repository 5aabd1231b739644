//! Bicubic interpolation of float maps as PyTorch's `interpolate` does it without antialiasing
//! (`papers/csfiqa.md`, eq. 3.1). Not Pillow's: another kernel, and nothing widens when a map
//! shrinks.

use burn::tensor::{Device, Tensor, TensorData};

/// The kernel's parameter (PyTorch; Pillow has -0.5).
const A: f64 = -0.75;

/// `[b, c, h, w] -> [b, c, height, width]`. Values may overshoot the range of `x`.
pub fn bicubic(x: Tensor<4>, height: usize, width: usize) -> Tensor<4> {
    let [_, _, h, w] = x.dims();
    if (h, w) == (height, width) {
        return x;
    }
    let device = x.device();
    let rows = axis(h, height, &device); // [1, 1, height, h]
    let columns = axis(w, width, &device).swap_dims(2, 3); // [1, 1, w, width]
    rows.matmul(x.matmul(columns))
}

fn axis(n_in: usize, n_out: usize, device: &Device) -> Tensor<4> {
    let weights = weights(n_in, n_out).into_iter().map(|v| v as f32).collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(weights, [1, 1, n_out, n_in]), device)
}

/// What each input gives to each output along one axis: `[n_out, n_in]`, row-major, rows of sum 1.
/// `n_in` must be at least 1.
pub fn weights(n_in: usize, n_out: usize) -> Vec<f64> {
    let mut all = vec![0.0; n_out * n_in];
    for (i, row) in all.chunks_exact_mut(n_in.max(1)).enumerate() {
        // (3.1):  x = (i + 0.5) n_in / n_out - 0.5,  f = floor(x),  t = x - f
        let x = (i as f64 + 0.5) * n_in as f64 / n_out as f64 - 0.5;
        let (f, t) = (x.floor(), x - x.floor());
        let taps = [kernel(1.0 + t), kernel(t), kernel(1.0 - t), kernel(2.0 - t)];
        for (offset, weight) in (-1..=2).zip(taps) {
            let source = (f as i64 + offset).clamp(0, n_in as i64 - 1);
            row[source as usize] += weight;
        }
    }
    all
}

/// `w(d)` of (3.1) for `0 <= d <= 2`.
fn kernel(d: f64) -> f64 {
    if d <= 1.0 {
        ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0
    } else {
        ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A
    }
}

#[cfg(test)]
#[allow(clippy::excessive_precision)] // as the specification prints them
mod tests {
    use super::*;
    use crate::weights::host;

    fn row(n_in: usize, n_out: usize, output: usize) -> Vec<f64> {
        weights(n_in, n_out)[output * n_in..(output + 1) * n_in].to_vec()
    }

    #[test]
    fn the_weights_of_the_specifications_table() {
        for (n_in, n_out, output, expected) in [
            (240, 224, 0, vec![0.97228043, 0.02864204, -0.00092247]),
            (240, 224, 1, vec![-0.06406022, 0.97570836, 0.09603909, -0.00768723]),
            (224, 240, 0, vec![1.02336111, -0.02336111]),
            (224, 240, 1, vec![0.08200000, 0.97875000, -0.06075000]),
        ] {
            let found = row(n_in, n_out, output);
            for (i, weight) in found.iter().enumerate() {
                let expected = expected.get(i).copied().unwrap_or(0.0);
                assert!((weight - expected).abs() < 1e-8, "{n_in} to {n_out}, {output}: {found:?}");
            }
        }
    }

    #[test]
    fn four_numbers_to_three() {
        let x = Tensor::<1>::from_data([1.0, 2.0, 4.0, 8.0], &Device::flex()).reshape([1, 1, 1, 4]);
        let y = host(&bicubic(x, 1, 3));
        for (y, expected) in y.into_iter().zip([1.1087962963, 2.71875, 7.4606481481]) {
            assert!((y - expected).abs() < 1e-5, "{y}, not {expected}");
        }
    }

    #[test]
    fn rows_sum_to_one() {
        for (n_in, n_out) in [(240, 224), (224, 240), (7, 19), (19, 7), (1, 5)] {
            for row in weights(n_in, n_out).chunks_exact(n_in) {
                assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{n_in} to {n_out}");
            }
        }
    }

    #[test]
    fn an_edge_overshoots_and_is_not_clipped() {
        let x = Tensor::<1>::from_data([0.0, 0.0, 1.0, 1.0], &Device::flex()).reshape([1, 1, 1, 4]);
        let y = host(&bicubic(x, 1, 9));
        assert!(y.iter().any(|&v| v > 1.0) && y.iter().any(|&v| v < 0.0), "{y:?}");
    }
}
