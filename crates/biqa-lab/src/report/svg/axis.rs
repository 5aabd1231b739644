//! An axis: a range that ends at round numbers, and the numbers on it.

/// From value to place.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What is measured, with its unit.
    pub label: String,
    /// Lowest value.
    pub low: f64,
    /// Highest value.
    pub high: f64,
    /// Where numbers stand, ascending.
    pub ticks: Vec<f64>,
    /// Whether numbers are written with the other sign: labels of a DMOS set, drawn as quality.
    pub turned: bool,
    digits: usize,
}

impl Axis {
    /// Around all finite values, with about `count` numbers. Without values 0 to 1; around equal
    /// values something on both sides.
    pub fn around(
        label: impl Into<String>,
        values: impl IntoIterator<Item = f64>,
        count: usize,
    ) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|v| v.is_finite() && v.abs() < 1e300) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        // Less than this between the ends, and steps of the numbers drown in rounding.
        let least = 1e-9 * low.abs().max(high.abs()).max(1e-9);
        if high - low < least {
            let half = (0.05 * low.abs()).max(1e-6);
            (low, high) = (low - half, high + half);
        }
        let step = nice((high - low) / count.max(1) as f64);
        let first = (low / step + 1e-6).floor();
        let last = (high / step - 1e-6).ceil().max(first + 1.0);
        let ticks: Vec<f64> =
            (0..=(last - first).min(100.0) as usize).map(|i| (first + i as f64) * step).collect();
        let digits = digits(step);
        Self {
            label: label.into(),
            low: first * step,
            high: last * step,
            ticks,
            turned: false,
            digits,
        }
    }

    /// The same axis, its numbers written with the other sign.
    pub fn turned(mut self, turned: bool) -> Self {
        self.turned = turned;
        self
    }

    /// 0 at the low end, 1 at the high one; held inside.
    pub fn place(&self, value: f64) -> f64 {
        let place = (value - self.low) / (self.high - self.low);
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }

    /// A value as it stands at its tick: all with the same digits.
    pub fn text(&self, value: f64) -> String {
        let value = if self.turned { -value } else { value };
        if value.abs() >= 1e6 {
            return format!("{value:.1e}");
        }
        let text = format!("{value:.*}", self.digits);
        let zero = text.trim_start_matches('-').chars().all(|c| c == '0' || c == '.');
        let text = if zero { text.trim_start_matches('-') } else { &text };
        text.replace('-', "\u{2212}")
    }
}

/// Decimals that write every multiple of `step` in full: one more for a step of 2.5.
fn digits(step: f64) -> usize {
    let first = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
    let scaled = step * 10_f64.powi(first as i32);
    first + usize::from((scaled - scaled.round()).abs() > 1e-6)
}

/// The next of 1, 2, 2.5, 5 times a power of ten at or above `step`.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let found = [1.0, 2.0, 2.5, 5.0].into_iter().find(|m| m * power >= step * (1.0 - 1e-9));
    found.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[f64]) -> Vec<String> {
        let axis = Axis::around("", values.iter().copied(), 5);
        axis.ticks.iter().map(|&t| axis.text(t)).collect()
    }

    #[test]
    fn ends_and_numbers_are_round() {
        assert_eq!(texts(&[0.13, 0.98]), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(&[-3.0, 12.0]), ["\u{2212}5", "0", "5", "10", "15"]);
        assert_eq!(texts(&[1.0, 5.0]), ["1", "2", "3", "4", "5"]);
        assert_eq!(texts(&[0.0, 0.125]), ["0.000", "0.025", "0.050", "0.075", "0.100", "0.125"]);
    }

    #[test]
    fn no_value_one_value_and_no_number_give_an_axis() {
        for values in [
            &[][..],
            &[0.0],
            &[7.5, 7.5],
            &[f64::NAN, f64::INFINITY],
            &[1e-300],
            &[-1e12, -1e12],
            &[1e299, -1e299],
            &[1.0, 1.0 + 1e-15],
        ] {
            let axis = Axis::around("", values.iter().copied(), 5);
            assert!(axis.low < axis.high, "{values:?}: {axis:?}");
            assert!((2..=100).contains(&axis.ticks.len()), "{values:?}: {axis:?}");
            for value in values.iter().copied().chain([f64::NAN, 1e308]) {
                assert!((0.0..=1.0).contains(&axis.place(value)), "{values:?}");
            }
        }
    }

    #[test]
    fn a_turned_axis_writes_the_other_sign_and_no_minus_zero() {
        let axis = Axis::around("DMOS", [-100.0, 0.0], 4).turned(true);
        let texts: Vec<String> = axis.ticks.iter().map(|&t| axis.text(t)).collect();
        assert_eq!(texts, ["100", "75", "50", "25", "0"]);
    }
}
