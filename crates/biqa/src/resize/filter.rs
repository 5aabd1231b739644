//! The filters of Pillow and the coefficients of one axis (`papers/images.md`, section 8).
//!
//! Called by the passes over 8-bit pictures (`mod.rs`) and float pictures (`float.rs`).

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How a picture is resampled. The names are Pillow's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// The nearest source pixel; no averaging when shrinking. Output `i` is source pixel
    /// `floor((i + 0.5) * in / out)` of the exact fraction; Pillow adds up a rounded one, which is
    /// one pixel lower at some whole numbers (20 to 19 pixels: at `i` = 9).
    Nearest,
    /// The mean over the covered pixels.
    Box,
    /// A triangle of support 1.
    Bilinear,
    /// A Hamming-windowed sinc of support 1.
    Hamming,
    /// Keys' cubic with a = -0.5, support 2.
    #[default]
    Bicubic,
    /// A windowed sinc of support 3.
    Lanczos,
}

impl Filter {
    /// Half the width of the filter in units of its scale; 0 for `Nearest`, which has no weights.
    pub const fn support(self) -> f64 {
        match self {
            Filter::Nearest => 0.0,
            Filter::Box => 0.5,
            Filter::Bilinear | Filter::Hamming => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    /// The value at `t`, in units of the filter scale.
    fn value(self, t: f64) -> f64 {
        const A: f64 = -0.5; // Pillow's bicubic; OpenCV and torch's plain interpolation use -0.75
        let x = t.abs();
        match self {
            Filter::Box => f64::from(t > -0.5 && t <= 0.5),
            Filter::Bilinear => (1.0 - x).max(0.0),
            Filter::Hamming if x < 1.0 => sinc(x) * (0.54 + 0.46 * libm::cos(PI * x)),
            Filter::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Filter::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Filter::Lanczos if (-3.0..3.0).contains(&t) => sinc(t) * sinc(t / 3.0),
            Filter::Nearest | Filter::Hamming | Filter::Bicubic | Filter::Lanczos => 0.0,
        }
    }
}

/// `sin(pi t) / (pi t)`, 1 at 0.
fn sinc(t: f64) -> f64 {
    if t == 0.0 { 1.0 } else { libm::sin(t * PI) / (t * PI) }
}

/// The weights of one axis: output `i` is the sum of `weights(i)` times the inputs from `start(i)`.
#[derive(Debug, Clone)]
pub(super) struct Axis<T> {
    spans: Vec<Span>,
    weights: Vec<T>,
}

/// Where the inputs and the weights of one output begin, and how many they are.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    first_weight: usize,
    len: usize,
}

/// Bits behind the point of an integer weight [Pillow: 32 - 8 - 2].
pub(super) const PRECISION_BITS: u32 = 22;

impl<T: Copy> Axis<T> {
    /// First input of output `i`.
    pub(super) fn start(&self, i: usize) -> usize {
        self.spans[i].start
    }

    /// One past the last input of output `i`.
    pub(super) fn end(&self, i: usize) -> usize {
        self.spans[i].start + self.spans[i].len
    }

    /// The weights of output `i`, in the order of the inputs.
    pub(super) fn weights(&self, i: usize) -> &[T] {
        let span = self.spans[i];
        &self.weights[span.first_weight..span.first_weight + span.len]
    }

    /// Builds the axis; `round` turns a normalised weight into its stored form.
    fn build(filter: Filter, input: u32, output: u32, round: impl Fn(f64) -> T) -> Axis<T> {
        let scale = f64::from(input) / f64::from(output);
        let filter_scale = scale.max(1.0);
        let support = filter.support() * filter_scale;
        let inverse_scale = 1.0 / filter_scale;

        let mut axis = Axis { spans: Vec::with_capacity(output as usize), weights: Vec::new() };
        let mut window = Vec::new();
        for i in 0..output {
            let centre = (f64::from(i) + 0.5) * scale;
            // `as` truncates toward zero and saturates, as the specification wants.
            let start = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(input as usize);

            window.clear();
            window.extend(
                (start..end).map(|x| filter.value((x as f64 - centre + 0.5) * inverse_scale)),
            );
            let sum: f64 = window.iter().sum();
            if sum != 0.0 {
                for weight in &mut window {
                    *weight /= sum;
                }
            }
            axis.spans.push(Span { start, first_weight: axis.weights.len(), len: window.len() });
            axis.weights.extend(window.iter().map(|&w| round(w)));
        }
        axis
    }
}

/// Integer weights with [`PRECISION_BITS`] behind the point, rounded half away from zero.
pub(super) fn integer_axis(filter: Filter, input: u32, output: u32) -> Axis<i32> {
    let one = f64::from(1_u32 << PRECISION_BITS);
    Axis::build(filter, input, output, |w| {
        (if w < 0.0 { w * one - 0.5 } else { w * one + 0.5 }) as i32
    })
}

/// Weights in `f32` for float pictures (section 9).
pub(super) fn float_axis(filter: Filter, input: u32, output: u32) -> Axis<f32> {
    Axis::build(filter, input, output, |w| w as f32)
}

/// The source index of every output for `Nearest`: `floor((i + 0.5) * input / output)`, in
/// integers.
pub(super) fn nearest_axis(input: u32, output: u32) -> Vec<usize> {
    let (input, output) = (u64::from(input), u64::from(output));
    (0..output).map(|i| (((2 * i + 1) * input / (2 * output)).min(input - 1)) as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_weights_are_those_of_the_worked_example() {
        // Section 8: output 0 of 6 -> 4.
        let expected: [(Filter, &[i32]); 5] = [
            (Filter::Box, &[2097152, 2097152]),
            (Filter::Bilinear, &[2621440, 1572864]),
            (Filter::Hamming, &[3031348, 1162956]),
            (Filter::Bicubic, &[2748694, 1649217, -169672, -33934]),
            (Filter::Lanczos, &[2777139, 1776990, -306702, -124202, 71080]),
        ];
        for (filter, weights) in expected {
            let axis = integer_axis(filter, 6, 4);
            let used: Vec<i32> = axis.weights(0).iter().copied().filter(|&k| k != 0).collect();
            assert_eq!(used, weights, "{filter:?}");
            assert_eq!(axis.start(0), 0, "{filter:?}");
        }
    }

    #[test]
    fn the_second_output_of_the_worked_example_starts_at_the_border() {
        let axis = float_axis(Filter::Lanczos, 6, 4);
        let expected = [-0.069467, 0.402482, 0.629012, 0.110995, -0.089440, 0.016419];
        for (found, expected) in axis.weights(1).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn no_weights_can_overflow_an_i32_sum() {
        // Section 8: the sum of absolute weights stays below 1.6 * 2^22; lanczos 4 -> 5 reaches
        // 1.572.
        for filter in [Filter::Bicubic, Filter::Lanczos, Filter::Hamming] {
            for (input, output) in [(4, 5), (1, 7), (7, 1), (300, 7), (7, 300), (5, 4), (65535, 3)]
            {
                let axis = integer_axis(filter, input, output);
                for i in 0..output as usize {
                    let sum: f64 = axis.weights(i).iter().map(|&k| f64::from(k).abs()).sum();
                    assert!(sum < 1.6 * 4_194_304.0, "{filter:?} {input} -> {output}: {sum}");
                }
            }
        }
    }

    #[test]
    fn nearest_takes_the_pixel_under_the_centre() {
        assert_eq!(nearest_axis(6, 4), [0, 2, 3, 5]);
        assert_eq!(nearest_axis(2, 4), [0, 0, 1, 1]);
        assert_eq!(nearest_axis(1, 3), [0, 0, 0]);
    }
}
