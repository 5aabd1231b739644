//! The chains of BSRGAN (`papers/degradations.md`, section 4). Sizes are known while a chain is
//! drawn, so that its addresses say them.

use super::Text;
use biqa::random::Sequence;
use std::f64::consts::PI;

/// A sigma or a variance below this is no blur (the original divides by almost zero).
const NO_BLUR: f64 = 0.05;

/// Filters of a resize, in section 4's order.
const MODES: [&str; 3] = ["bilinear", "bicubic", "area"];

/// Noise levels, whole numbers.
const NOISE: [u64; 2] = [2, 25];

/// What a chain writes to, and how large its picture is by now.
struct Chain<'a> {
    text: &'a mut Text,
    draws: &'a mut Sequence,
    factor: u32,
    width: u32,
    height: u32,
}

/// The seven steps in a random order, the second resize behind the first.
pub(super) fn chain(text: &mut Text, draws: &mut Sequence, scale: u32, width: u32, height: u32) {
    let mut chain = Chain { text, draws, factor: scale.max(1), width, height };
    chain.crop();
    if chain.factor == 4 && chain.draws.chance(0.25) {
        let mode =
            if chain.draws.chance(0.5) { MODES[chain.draws.below(3) as usize] } else { "smooth" };
        chain.resize(chain.width / 2, chain.height / 2, mode);
        chain.factor = 2;
    }
    let mut order = chain.draws.permutation(7);
    let place = |order: &[usize], step| order.iter().position(|&s| s == step).unwrap_or(0);
    let (second, third) = (place(&order, 2), place(&order, 3));
    if second > third {
        order.swap(second, third);
    }
    let mut before = (chain.width, chain.height);
    for step in order {
        match step {
            0 | 1 => chain.blur(),
            2 => {
                before = (chain.width, chain.height);
                chain.downsample();
            }
            3 => {
                let side = |n: u32| (n / chain.factor).max(1);
                let (w, h) = (side(before.0), side(before.1));
                let mode = MODES[chain.draws.below(3) as usize];
                chain.resize(w, h, mode);
            }
            4 => chain.noise(false),
            5 if chain.draws.chance(0.9) => chain.jpeg(),
            _ => {} // no JPEG, and the camera pipeline, which needs a model
        }
    }
    chain.jpeg();
}

/// Thirteen steps, twice six and a last JPEG between them, shuffled as a whole or in two parts.
pub(super) fn plus(text: &mut Text, draws: &mut Sequence, scale: u32, width: u32, height: u32) {
    let mut chain = Chain { text, draws, factor: scale.max(1), width, height };
    chain.crop();
    let order = if chain.draws.chance(0.5) {
        chain.draws.permutation(13)
    } else {
        let mut order: Vec<usize> = (0..13).collect();
        for part in [2..6, 9..13] {
            let shuffled = chain.draws.permutation(part.len());
            let values: Vec<usize> = shuffled.iter().map(|i| part.start + i).collect();
            order[part].copy_from_slice(&values);
        }
        order
    };
    let (width, height) = (chain.width, chain.height);
    for step in order {
        match step {
            0 | 7 => chain.blur(),
            1 | 8 => chain.rescale(),
            2 | 9 => chain.noise(false),
            3 | 10 if chain.draws.chance(0.1) => chain.poisson(),
            4 | 11 if chain.draws.chance(0.1) => chain.noise(true),
            6 => chain.jpeg(),
            _ => {} // left out by chance, or the camera pipeline, which needs a model
        }
    }
    let side = |n: u32| (n / chain.factor).max(1);
    let mode = MODES[chain.draws.below(3) as usize];
    chain.resize(side(width), side(height), mode);
    chain.jpeg();
}

impl Chain<'_> {
    /// To multiples of the factor.
    fn crop(&mut self) {
        let whole = |n: u32| (n / self.factor * self.factor).max(n.min(self.factor));
        let (width, height) = (whole(self.width), whole(self.height));
        if (width, height) != (self.width, self.height) {
            self.text.push(format_args!("bsr:crop+h={height}+w={width}"));
            (self.width, self.height) = (width, height);
        }
    }

    fn resize(&mut self, width: u32, height: u32, mode: &str) {
        let (width, height) = (width.max(1), height.max(1));
        self.text.push(format_args!("bsr:resize+h={height}+w={width}+mode={mode}"));
        (self.width, self.height) = (width, height);
    }

    /// Oval or round, 7 to 25 taps.
    fn blur(&mut self) {
        let factor = f64::from(self.factor);
        if self.draws.chance(0.5) {
            let radius = 3 + self.draws.below(10);
            let theta = self.draws.uniform(0.0, PI);
            let l1 = self.draws.uniform(0.0, 4.0 + factor);
            let l2 = self.draws.uniform(0.0, 4.0 + factor);
            if f64::from(l1.min(l2)) >= NO_BLUR {
                self.text.push(format_args!(
                    "bsr:blur_aniso+radius={radius}+theta={theta}+l1={l1}+l2={l2}"
                ));
            }
        } else {
            let radius = 3 + self.draws.below(10);
            let sigma = self.draws.uniform(0.0, 2.0 + 0.2 * factor);
            if f64::from(sigma) >= NO_BLUR {
                self.text.push(format_args!("bsr:blur_iso+radius={radius}+sigma={sigma}"));
            }
        }
    }

    /// To a random size, or every n-th pixel of a blurred picture.
    fn downsample(&mut self) {
        let factor = f64::from(self.factor);
        if self.draws.chance(0.75) {
            let by = f64::from(self.draws.uniform(1.0, 2.0 * factor));
            let mode = MODES[self.draws.below(3) as usize];
            let side = |n: u32| (f64::from(n) / by) as u32;
            self.resize(side(self.width), side(self.height), mode);
        } else {
            let sigma = self.draws.uniform(0.1, 0.6 * factor);
            let small = self.width.min(self.height) < self.factor;
            if !small {
                self.text.push(format_args!("bsr:decimate+sigma={sigma}+factor={}", self.factor));
                self.width = self.width.div_ceil(self.factor);
                self.height = self.height.div_ceil(self.factor);
            }
        }
    }

    /// Up, down or not at all.
    fn rescale(&mut self) {
        let u = self.draws.unit();
        let by = if u > 0.8 {
            self.draws.uniform(1.0, 2.0)
        } else if u < 0.7 {
            self.draws.uniform(0.5 / f64::from(self.factor), 1.0)
        } else {
            1.0
        };
        let mode = MODES[self.draws.below(3) as usize];
        let side = |n: u32| (f64::from(n) * f64::from(by)) as u32;
        self.resize(side(self.width), side(self.height), mode);
    }

    /// Colour, gray, or correlated; added, or times the picture.
    fn noise(&mut self, speckle: bool) {
        let level = NOISE[0] + self.draws.below(NOISE[1] - NOISE[0] + 1);
        let u = self.draws.unit();
        let sigma = level as f64 / 255.0;
        if (0.4..=0.6).contains(&u) {
            let factor = self.covariance().map(|c| c as f32);
            self.push_noise(factor, speckle);
        } else if speckle {
            let s = sigma as f32;
            let gray = [s, s, 0.0, s, 0.0, 0.0];
            self.push_noise(if u < 0.4 { gray } else { [s, 0.0, s, 0.0, 0.0, s] }, true);
        } else {
            self.text.push(format_args!("re:noise+sigma={level}+gray={}", u8::from(u < 0.4)));
        }
    }

    fn push_noise(&mut self, [a, b, c, d, e, f]: [f32; 6], speckle: bool) {
        let speckle = u8::from(speckle);
        self.text
            .push(format_args!("bsr:noise+a={a}+b={b}+c={c}+d={d}+e={e}+f={f}+speckle={speckle}"));
    }

    /// The Cholesky factor of `|L^2 U^T D U|`, D three uniforms, U orthonormal from nine.
    fn covariance(&mut self) -> [f64; 6] {
        let largest = NOISE[1] as f64 / 255.0;
        let d = [0; 3].map(|_| self.draws.unit());
        let mut basis: [[f64; 3]; 3] = [[0.0; 3]; 3];
        for i in 0..3 {
            let mut v = [0; 3].map(|_| self.draws.unit());
            for other in &basis[..i] {
                let along: f64 = v.iter().zip(other).map(|(a, b)| a * b).sum();
                v.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
            let length = v.iter().map(|a| a * a).sum::<f64>().sqrt().max(1e-9);
            basis[i] = v.map(|a| a / length);
        }
        let entry = |i: usize, j: usize| {
            let sum: f64 = (0..3).map(|k| basis[k][i] * d[k] * basis[k][j]).sum();
            (sum * largest * largest).abs()
        };
        cholesky([entry(0, 0), entry(1, 0), entry(1, 1), entry(2, 0), entry(2, 1), entry(2, 2)])
    }

    fn poisson(&mut self) {
        let vals = libm::pow(10.0, 2.0 * self.draws.unit() + 2.0) as f32;
        let gray = u8::from(!self.draws.chance(0.5));
        self.text.push(format_args!("bsr:poisson+vals={vals}+gray={gray}"));
    }

    fn jpeg(&mut self) {
        let q = 30 + self.draws.below(66);
        self.text.push(format_args!("kadid:jpeg+q={q}"));
    }
}

/// The factor, row by row; where absolute values have made the matrix indefinite, what would be the
/// root of a negative number is 0.
fn cholesky([a, b, c, d, e, f]: [f64; 6]) -> [f64; 6] {
    let root = |v: f64| v.max(0.0).sqrt();
    let over = |v: f64, by: f64| if by > 0.0 { v / by } else { 0.0 };
    let l00 = root(a);
    let (l10, l20) = (over(b, l00), over(d, l00));
    let l11 = root(c - l10 * l10);
    let l21 = over(e - l20 * l10, l11).clamp(-1.0, 1.0);
    [l00, l10, l11, l20, l21, root(f - l20 * l20 - l21 * l21)]
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::*;
    use crate::degrade::RgbF32;
    use biqa::random::Key;

    #[test]
    fn chains_run_and_end_at_their_size() {
        let data = (0..61 * 42 * 3).map(|i| (i % 97) as f32 / 96.0).collect();
        let picture = RgbF32::new(61, 42, data).expect("sizes fit");
        for scale in [1, 2, 4] {
            for plan in [Plan::Bsrgan { scale }, Plan::BsrganPlus { scale }] {
                for i in 0..30 {
                    let key = Key::of_picture(3, "chain", i);
                    let address = plan.compose(key, 61, 42).expect("an address");
                    let found =
                        address.apply(&picture).unwrap_or_else(|e| panic!("{address}: {e}"));
                    assert_eq!(
                        (found.width(), found.height()),
                        (61 / scale, 42 / scale),
                        "{address}"
                    );
                    assert!(found.data().iter().all(|v| (0.0..=1.0).contains(v)), "{address}");
                }
            }
        }
    }

    #[test]
    fn the_factor_times_itself_is_the_matrix() {
        let matrix = [0.04, 0.02, 0.05, 0.01, 0.03, 0.06];
        let [a, b, c, d, e, f] = cholesky(matrix);
        let found = [a * a, a * b, b * b + c * c, a * d, b * d + c * e, d * d + e * e + f * f];
        for (found, expected) in found.iter().zip(matrix) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert!(cholesky([1.0, 1.0, 1.0, 1.0, 0.0, 1.0]).iter().all(|v| v.is_finite()));
    }
}
