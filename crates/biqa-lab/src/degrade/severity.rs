//! Which levels of KADID-10k's distortions order people's scores (`papers/degradations.md`, 2.3).
//!
//! Called by the training of `lite` and by what `biqa evaluate --ladders` measures.

use super::{Distortion, distortions};

/// Copies of one picture by falling quality; 0 is the picture, 1 to 5 are levels.
pub type Chain = &'static [u8];

/// Every level is worse than the one before.
const EVERY: &[Chain] = &[&[0, 1, 2, 3, 4, 5]];
/// The same where level 1 is the picture itself (one tap, a factor of 1).
const FROM_TWO: &[Chain] = &[&[0, 2, 3, 4, 5]];
/// Only two levels or more apart.
const APART: &[Chain] = &[&[0, 1, 3, 5], &[0, 2, 4]];
/// Level 3 is the picture; both ways from there it gets worse.
const FROM_THE_MIDDLE: &[Chain] = &[&[0, 2, 1], &[0, 4, 5]];

/// The chains of a distortion of KADID-10k whose order is known; a step between neighbours of a
/// chain is one that people agree on.
pub fn chains(op: &str) -> &'static [Chain] {
    match op {
        "gaussian_blur" | "motion_blur" | "saturate_lab" => FROM_TWO,
        "color_shift" | "saturate_hsv" | "patch_swap" | "color_block" => APART,
        "mean_shift" | "contrast" => FROM_THE_MIDDLE,
        _ => EVERY,
    }
}

/// The distortions of KADID-10k, by number.
pub fn kadid() -> impl Iterator<Item = &'static Distortion> {
    distortions().filter(|op| op.family == "kadid" && op.number > 0)
}

#[cfg(test)]
mod tests {
    use super::super::{Strength, apply_u8};
    use super::*;
    use biqa::image::Rgb8;
    use biqa::random::Key;

    #[test]
    fn a_copy_in_a_chain_differs_from_the_picture_and_from_the_copy_before() {
        // On 64 x 64 the shortest code stream of JPEG 2000 is longer than two of its ratios ask for.
        let data = (0..256 * 256 * 3_u32).map(|i| (i * 37 % 256) as u8).collect();
        let picture = Rgb8::new(256, 256, data).expect("sizes fit");
        let mut same = Vec::new();
        for op in kadid() {
            let at = |level: u8| match level {
                0 => picture.clone(),
                level => apply_u8(&picture, op, Strength::Level(level), Key(1), 0).expect("made"),
            };
            for chain in chains(op.name) {
                assert_eq!(chain[0], 0, "{}", op.name);
                let pairs = chain.windows(2).filter(|pair| at(pair[0]) == at(pair[1]));
                same.extend(pairs.map(|pair| (op.name, pair)));
            }
        }
        assert!(same.is_empty(), "{same:?}");
    }
}
