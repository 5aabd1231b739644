//! Statistics over the positions of a feature map.

use burn::tensor::Tensor;

/// Keeps the square root of a variance away from 0, where its slope is infinite.
const STD_EPS: f64 = 1e-6;

/// `[b, c, h, w] -> [b, c]`: the mean over rows and columns.
pub fn mean(x: Tensor<4>) -> Tensor<2> {
    let [b, c, h, w] = x.dims();
    x.reshape([b, c, h * w]).mean_dim(2).reshape([b, c])
}

/// `[b, c, h, w] -> ([b, c], [b, c])`: mean and population standard deviation.
pub fn mean_std(x: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
    let [b, c, h, w] = x.dims();
    let x = x.reshape([b, c, h * w]);
    let mean = x.clone().mean_dim(2);
    let centred = x - mean.clone();
    let var = (centred.clone() * centred).mean_dim(2);
    (mean.reshape([b, c]), (var + STD_EPS).sqrt().reshape([b, c]))
}
