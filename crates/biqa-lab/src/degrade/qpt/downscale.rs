//! `downscale_nearest`, `_bilinear`, `_bicubic` (`papers/degradations.md`, section 8).

use super::super::resize::{Mode, resize};
use super::{Shape, finished, shape, values};
use biqa::image::Rgb8;

/// Down by the factor, up by the factor, and to the original size if that differs.
pub(in super::super) fn downscale(picture: &Rgb8, factor: f64, mode: Mode) -> Rgb8 {
    let shape = shape(picture);
    let down = |n: usize| ((n as f64 / factor) as usize).max(1);
    let small = (down(shape.width), down(shape.height));
    let up = |n: usize| (n as f64 * factor) as usize;
    let near = (up(small.0), up(small.1));
    let full = (shape.width, shape.height);

    let mut data = values(picture);
    let mut at = shape;
    for to in [small, near, full] {
        if (at.width, at.height) != to {
            data = resize(&data, at, to, None, mode, |w| w);
            at = Shape { width: to.0, height: to.1, channels: 3 };
        }
    }
    finished(picture, data.into_iter())
}
