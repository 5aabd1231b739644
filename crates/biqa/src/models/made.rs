//! Networks and pictures with made-up numbers, for the tests beside the models.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::golden::splitmix_weights;
use crate::random::stream;
use crate::weights::{Array, Arrays, collect, load, visit};

/// A network's weights by the `splitmix` rule.
pub fn arrays<M: Module>(net: &M) -> Arrays {
    let mut arrays = Arrays::new();
    visit(net, |name, value| {
        let data = splitmix_weights(name, &value.shape);
        arrays.insert(name.to_owned(), Array { shape: value.shape, data });
    });
    arrays
}

/// The network filled by the `splitmix` rule, after `change`.
pub fn filled<M: Module>(net: M, change: impl FnOnce(&mut Arrays)) -> M {
    let mut all = arrays(&net);
    change(&mut all);
    load(net, all, "made-up", "the network").expect("its own names and shapes")
}

/// `b` pictures `[b, 3, size, size]` of numbers in [-2, 2].
pub fn pictures(b: usize, size: usize) -> Tensor<4> {
    let mut draws = stream(7, "pictures", size as u64);
    let data: Vec<f32> = (0..b * 3 * size * size).map(|_| draws.uniform(-2.0, 2.0)).collect();
    Tensor::from_data(TensorData::new(data, [b, 3, size, size]), &Device::flex())
}

/// Tensors and numbers of a network.
pub fn count<M: Module>(net: &M) -> (usize, usize) {
    let arrays = collect(net);
    (arrays.len(), arrays.values().map(|a| a.data.len()).sum())
}

/// Rows of `[1, rows, d]` (or `[rows, d]`) in another order.
pub fn reorder(array: &mut Array, order: &[usize]) {
    let d = array.data.len() / order.len();
    array.data =
        order.iter().flat_map(|&row| array.data[row * d..(row + 1) * d].to_vec()).collect();
}

/// Whether numbers agree within `tolerance`.
pub fn close(found: &[f32], expected: &[f32], tolerance: f32) {
    let mut pairs = found.iter().zip(expected);
    let are_close = pairs.all(|(x, y)| (x - y).abs() <= tolerance);
    assert!(found.len() == expected.len() && are_close, "{found:?}, not {expected:?}");
}
