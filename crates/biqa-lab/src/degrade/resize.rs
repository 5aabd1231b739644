//! Resizing by point sampling of a filter, as `torch` and OpenCV do it (`papers/degradations.md`,
//! section 3), no antialias. Called by `re:`, `bsr:` and `qpt:`.

use super::filter::{Shape, Value, weighted_sum};

/// Red, green, blue: what is resized here.
const CHANNELS: usize = 3;

/// How a value between pixels is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The mean of the inputs that an output touches.
    Area,
    /// The mean of the inputs by the exact share that an output covers (OpenCV's, when shrinking).
    TrueArea,
    /// Two taps.
    Bilinear,
    /// Four taps, a = -0.75.
    Bicubic,
    /// The antialiased cubic, a = -0.5: as many taps as the factor needs.
    SmoothCubic,
    /// `floor(i n / m)`.
    Nearest,
}

/// Taps of one output: inputs and weights.
type Taps = Vec<(usize, f64)>;

/// A picture of three channels to `to` = (width, height); `ratio` is input pixels per output pixel along x and y, where it isn't
/// the quotient of the sizes.
pub(super) fn resize<T: Value>(
    data: &[T],
    shape: Shape,
    to: (usize, usize),
    ratio: Option<f64>,
    mode: Mode,
    convert: fn(f64) -> T,
) -> Vec<T> {
    debug_assert_eq!(shape.channels, CHANNELS);
    let row_len = shape.row();
    // Where inputs begin, in numbers, by output.
    let typed = |taps: Vec<Taps>, step: usize| -> Vec<Vec<(usize, T)>> {
        taps.iter().map(|t| t.iter().map(|&(i, w)| (i * step, convert(w))).collect()).collect()
    };
    let columns = Columns::new(&typed(axis(shape.width, to.0, ratio, mode), CHANNELS));
    let rows = typed(axis(shape.height, to.1, ratio, mode), row_len);
    let mut middle = vec![T::default(); row_len];
    let mut out = vec![T::default(); to.0 * to.1 * CHANNELS];
    for (row, out) in rows.iter().zip(out.chunks_exact_mut((to.0 * CHANNELS).max(1))) {
        weighted_sum(&mut middle, data, row);
        columns.fill(out, &middle);
    }
    out
}

/// The taps of all columns, one after the other: a list for each would cost more than its taps.
struct Columns<T> {
    taps: Vec<(usize, T)>,
    ends: Vec<usize>,
}

impl<T: Value> Columns<T> {
    fn new(columns: &[Vec<(usize, T)>]) -> Self {
        let ends = columns.iter().scan(0, |end, column| {
            *end += column.len();
            Some(*end)
        });
        Self { ends: ends.collect(), taps: columns.concat() }
    }

    /// A row of outputs from a row of inputs.
    fn fill(&self, out: &mut [T], row: &[T]) {
        let mut first = 0;
        for (out, &end) in out.as_chunks_mut::<CHANNELS>().0.iter_mut().zip(&self.ends) {
            for &(x, weight) in &self.taps[first..end] {
                for (sum, &v) in out.iter_mut().zip(&row[x..x + CHANNELS]) {
                    *sum += weight * v;
                }
            }
            first = end;
        }
    }
}

/// The taps of every output of an axis of `n` inputs and `m` outputs.
fn axis(n: usize, m: usize, ratio: Option<f64>, mode: Mode) -> Vec<Taps> {
    let s = ratio.unwrap_or(n as f64 / m as f64);
    (0..m).map(|i| taps(n, m, i, s, mode)).collect()
}

fn taps(n: usize, m: usize, i: usize, s: f64, mode: Mode) -> Taps {
    let clamped = |i: isize| i.clamp(0, n as isize - 1) as usize;
    match mode {
        Mode::Nearest => vec![((i * n / m).min(n - 1), 1.0)],
        Mode::Area => {
            let (from, to) = (i * n / m, ((i + 1) * n).div_ceil(m));
            let weight = 1.0 / (to - from) as f64;
            (from..to).map(|x| (x, weight)).collect()
        }
        Mode::TrueArea if n <= m => taps(n, m, i, s, Mode::Bilinear),
        Mode::TrueArea => {
            let (from, to) = (i as f64 * s, (i as f64 + 1.0) * s);
            let last = (to.ceil() as usize).min(n);
            let share = |x: usize| (to.min(x as f64 + 1.0) - from.max(x as f64)).max(0.0);
            normalised((from as usize..last).map(|x| (x, share(x))).collect())
        }
        Mode::Bilinear => {
            let centre = ((i as f64 + 0.5) * s - 0.5).max(0.0);
            let left = centre.floor();
            let t = centre - left;
            let left = left as isize;
            vec![(clamped(left), 1.0 - t), (clamped(left + 1), t)]
        }
        Mode::Bicubic => {
            let centre = (i as f64 + 0.5) * s - 0.5;
            let left = centre.floor();
            let t = centre - left;
            let weights = [1.0 + t, t, 1.0 - t, 2.0 - t].map(|t| cubic(t, -0.75));
            let first = left as isize - 1;
            weights.iter().enumerate().map(|(k, &w)| (clamped(first + k as isize), w)).collect()
        }
        Mode::SmoothCubic => {
            let widening = s.max(1.0);
            let centre = (i as f64 + 0.5) * s - 0.5;
            let first = (centre - 2.0 * widening).ceil() as isize;
            let last = (centre + 2.0 * widening).floor() as isize;
            let weight = |x: isize| cubic(((x as f64 - centre) / widening).abs(), -0.5);
            normalised((first..=last).map(|x| (clamped(x), weight(x))).collect())
        }
    }
}

fn normalised(taps: Taps) -> Taps {
    let sum: f64 = taps.iter().map(|(_, w)| w).sum();
    taps.into_iter().map(|(x, w)| (x, w / sum)).collect()
}

/// Keys' cubic at distance `t` (not negative).
fn cubic(t: f64, a: f64) -> f64 {
    if t <= 1.0 {
        ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
    } else if t < 2.0 {
        ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: &Taps, expected: &[(usize, f64)]) {
        let mut sums = std::collections::BTreeMap::new();
        for &(x, w) in found {
            *sums.entry(x).or_insert(0.0) += w;
        }
        sums.retain(|_, w: &mut f64| w.abs() > 1e-9);
        assert_eq!(sums.len(), expected.len(), "{found:?}");
        for ((x, w), (ex, ew)) in sums.iter().zip(expected) {
            assert!(x == ex && (w - ew).abs() < 1e-7, "{found:?}");
        }
    }

    #[test]
    fn weights_are_those_of_the_specification() {
        let of = |ratio, mode| axis(5, 3, ratio, mode);
        near(&of(None, Mode::Bilinear)[0], &[(0, 0.6666667), (1, 0.3333333)]);
        near(&of(None, Mode::Bicubic)[0], &[(0, 0.6851852), (1, 0.3703704), (2, -0.0555556)]);
        let third = 1.0 / 3.0;
        let area = of(None, Mode::Area);
        near(&area[0], &[(0, 0.5), (1, 0.5)]);
        near(&area[1], &[(1, third), (2, third), (3, third)]);
        near(&area[2], &[(3, 0.5), (4, 0.5)]);
        let scaled = Some(1.0 / 0.7);
        near(&of(scaled, Mode::Bilinear)[1], &[(1, 0.3571429), (2, 0.6428571)]);
        let cubic = [(0, -0.0614978), (1, 0.4022413), (2, 0.7699526), (3, -0.1106961)];
        near(&of(scaled, Mode::Bicubic)[1], &cubic);
    }

    #[test]
    fn true_areas_are_shares() {
        let taps = axis(5, 2, None, Mode::TrueArea);
        near(&taps[0], &[(0, 0.4), (1, 0.4), (2, 0.2)]);
        near(&taps[1], &[(2, 0.2), (3, 0.4), (4, 0.4)]);
    }

    #[test]
    fn every_mode_sums_to_one() {
        for mode in [
            Mode::Area,
            Mode::TrueArea,
            Mode::Bilinear,
            Mode::Bicubic,
            Mode::SmoothCubic,
            Mode::Nearest,
        ] {
            for (n, m) in [(1, 1), (1, 7), (7, 1), (5, 3), (3, 5), (64, 21)] {
                for taps in axis(n, m, None, mode) {
                    let sum: f64 = taps.iter().map(|(_, w)| w).sum();
                    assert!((sum - 1.0).abs() < 1e-12, "{mode:?} {n} -> {m}: {taps:?}");
                    assert!(taps.iter().all(|(x, _)| *x < n));
                }
            }
        }
    }
}
