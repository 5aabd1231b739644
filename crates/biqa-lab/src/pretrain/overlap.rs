//! Two square patches of one picture that overlap to a certain degree (`papers/qpt.md`, (8) and
//! section 4).

use biqa::random::Sequence;
use serde::{Deserialize, Serialize};

/// The keys of a pair of patches; the defaults are the specification's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairConfig {
    /// Side of a patch, in pixels.
    pub patch: i64,
    /// Least intersection over union.
    pub iou_low: f64,
    /// Largest intersection over union.
    pub iou_high: f64,
    /// Draws before the fallback.
    pub tries: u32,
}

impl Default for PairConfig {
    fn default() -> Self {
        Self { patch: 160, iou_low: 0.1, iou_high: 0.3, tries: 50 }
    }
}

/// Where two patches stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The corner of each.
    pub corners: [Corner; 2],
    /// Whether no draw was accepted.
    pub is_fallback: bool,
}

/// Section 4, steps 3 and 4: two patches of a picture of that size. `None` where a patch does not
/// fit into it.
///
/// A draw takes four scalars of `draws`: `y1`, `x1`, `y2`, `x2`.
pub fn two_patches(
    draws: &mut Sequence,
    height: i64,
    width: i64,
    config: &PairConfig,
) -> Option<Pair> {
    let PairConfig { patch: s, iou_low: low, iou_high: high, tries } = *config;
    if s < 1 || height < s || width < s {
        return None;
    }
    for _ in 0..tries {
        let mut corner = || Corner { y: upto(draws, height - s), x: upto(draws, width - s) };
        let corners = [corner(), corner()];
        if overlap(corners[0], corners[1], s).is_within(low, high) {
            return Some(Pair { corners, is_fallback: false });
        }
    }
    Some(Pair { corners: fallback(draws, height, width, config), is_fallback: true })
}

/// Section 4, step 4: a shift along the longer axis where it is long enough, else two opposite
/// corners of the picture.
fn fallback(draws: &mut Sequence, height: i64, width: i64, config: &PairConfig) -> [Corner; 2] {
    let PairConfig { patch: s, iou_low, iou_high, .. } = *config;
    let d = fallback_shift(s, iou_low, iou_high);
    let along_x = width >= height;
    let (along, across) = if along_x { (width, height) } else { (height, width) };
    if along < s + d {
        return [Corner { y: 0, x: 0 }, Corner { y: height - s, x: width - s }];
    }
    let (first, side) = (upto(draws, along - s - d), upto(draws, across - s));
    let corner = |place: i64| {
        if along_x { Corner { y: side, x: place } } else { Corner { y: place, x: side } }
    };
    let (near, far) = (corner(first), corner(first + d));
    if draws.chance(0.5) { [near, far] } else { [far, near] }
}

/// Uniform in `0..=most`.
fn upto(draws: &mut Sequence, most: i64) -> i64 {
    draws.below(most.max(0) as u64 + 1) as i64
}

/// The top left corner of a patch, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corner {
    /// Row.
    pub y: i64,
    /// Column.
    pub x: i64,
}

/// What two patches share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// Pixels in both.
    pub intersection: i64,
    /// Intersection over union, 0 to 1.
    pub iou: f64,
}

/// (8): of two patches of `side` pixels.
pub fn overlap(a: Corner, b: Corner, side: i64) -> Overlap {
    let shared = |p: i64, q: i64| (side - (p - q).abs()).max(0);
    let intersection = shared(a.y, b.y) * shared(a.x, b.x);
    let union = 2 * side * side - intersection;
    Overlap { intersection, iou: intersection as f64 / union as f64 }
}

impl Overlap {
    /// Whether the IoU lies within `low..=high`.
    pub fn is_within(self, low: f64, high: f64) -> bool {
        (low..=high).contains(&self.iou)
    }
}

/// Section 4, step 4: the shift along one axis that gives the middle of `low..=high`.
pub fn fallback_shift(side: i64, low: f64, high: f64) -> i64 {
    let m = f64::midpoint(low, high);
    (side as f64 * (1.0 - 2.0 * m / (1.0 + m))).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::random::stream;

    fn is_inside(pair: &Pair, height: i64, width: i64) -> bool {
        let within =
            |c: &Corner| (0..=height - 160).contains(&c.y) && (0..=width - 160).contains(&c.x);
        pair.corners.iter().all(within)
    }

    fn drawn(height: i64, width: i64, number: u64) -> Vec<Pair> {
        let pair = |i| {
            let mut draws = stream(1, "patches", i);
            two_patches(&mut draws, height, width, &PairConfig::default()).expect("it fits")
        };
        (0..number).map(pair).collect()
    }

    fn iou(pair: &Pair) -> f64 {
        overlap(pair.corners[0], pair.corners[1], 160).iou
    }

    #[test]
    fn ten_thousand_pairs_are_inside_the_picture_and_the_window() {
        let pairs = drawn(375, 500, 10_000);
        for pair in &pairs {
            assert!(is_inside(pair, 375, 500), "{pair:?}");
            let of_fallback = (iou(pair) - 0.198502).abs() < 1e-6;
            let accepted = (0.1..=0.3).contains(&iou(pair));
            assert!(if pair.is_fallback { of_fallback } else { accepted }, "{pair:?}");
        }
        let fallbacks = pairs.iter().filter(|pair| pair.is_fallback).count();
        assert!(fallbacks < 10, "{fallbacks} fallbacks");
        assert_eq!(pairs, drawn(375, 500, 10_000));
    }

    #[test]
    fn a_strip_has_the_shift_of_the_fallback_along_its_length() {
        // No draw, so that every pair is the fallback's.
        let config = PairConfig { tries: 0, ..PairConfig::default() };
        let mut first_is_near = 0;
        for (height, width) in [(170, 300), (300, 170), (267, 267)] {
            for i in 0..200 {
                let mut draws = stream(2, "patches", i);
                let pair = two_patches(&mut draws, height, width, &config).expect("it fits");
                let [a, b] = pair.corners;
                assert!(pair.is_fallback && is_inside(&pair, height, width), "{pair:?}");
                let shift = if width >= height { (0, 107) } else { (107, 0) };
                assert_eq!(((a.y - b.y).abs(), (a.x - b.x).abs()), shift);
                first_is_near += u32::from((a.y, a.x) < (b.y, b.x));
            }
        }
        assert!((200..400).contains(&first_is_near), "{first_is_near} of 600: no fair coin");
    }

    #[test]
    fn a_picture_too_small_for_the_shift_gives_opposite_corners_and_a_smaller_one_none() {
        for pair in drawn(200, 200, 20) {
            let corners = [Corner { y: 0, x: 0 }, Corner { y: 40, x: 40 }];
            assert_eq!(pair, Pair { corners, is_fallback: true });
        }
        let mut draws = stream(1, "patches", 0);
        assert_eq!(two_patches(&mut draws, 159, 500, &PairConfig::default()), None);
    }

    fn shifted(y: i64, x: i64) -> Overlap {
        overlap(Corner { y: 7, x: 90 }, Corner { y: 7 - y, x: 90 + x }, 160)
    }

    #[test]
    fn the_examples_of_the_specification() {
        let some = shifted(40, 80);
        assert_eq!(some.intersection, 9600);
        assert!((some.iou - 0.230769).abs() < 1e-6 && some.is_within(0.1, 0.3));
        assert_eq!(shifted(0, 0).iou, 1.0);
        assert!(!shifted(0, 0).is_within(0.1, 0.3));
        assert_eq!(shifted(3, 160), Overlap { intersection: 0, iou: 0.0 });
        for (iou, share) in [(0.1_f64, 0.181818), (0.2, 0.333333), (0.3, 0.461538)] {
            assert!((2.0 * iou / (1.0 + iou) - share).abs() < 1e-6);
        }
    }

    #[test]
    fn the_fallback_is_in_the_middle_of_the_window() {
        assert_eq!(fallback_shift(160, 0.1, 0.3), 107);
        assert!((shifted(0, 107).iou - 0.198502).abs() < 1e-6);
    }

    #[test]
    fn a_square_of_two_hundred_pixels_has_no_accepted_pair() {
        assert!((shifted(40, 40).iou - 0.391).abs() < 1e-3);
        assert!(!shifted(40, 40).is_within(0.1, 0.3));
        assert!(shifted(52, 52).is_within(0.1, 0.3), "212 pixels have one");
    }
}
