//! What is done to every picture of a set before crops are cut: the switches `koniq_resize` and
//! `spaq_resize` (`papers/datasets.md`, 2.6, 2.8 and section 5).
//!
//! Called by the trainer of whole networks, which takes the choice from a recipe.

use biqa::resize::Filter;
use biqa::view::Grid;
use serde::{Deserialize, Serialize};
use std::fmt;

/// torchvision's `Resize((512, 384))` is (height, width): a landscape picture becomes a portrait.
const RELEASED: [u32; 2] = [384, 512];
/// The 4:3 pictures of KonIQ-10k at half their size.
const UPRIGHT: [u32; 2] = [512, 384];
/// CSIQA's size of LIVEFB (`papers/csiqa.md`, section 5).
const SQUARE: [u32; 2] = [512, 512];
/// The short side of `short512`.
const SHORT: u32 = 512;

/// A rule that gives every picture its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preparation {
    /// As it is on disk.
    None,
    /// DEIQT, hyperIQA: 384 wide and 512 high, whatever the picture's own ratio; bilinear.
    Released,
    /// 512 wide and 384 high; bilinear.
    Upright,
    /// CSIQA on LIVEFB: 512 wide and 512 high, whatever the picture's own ratio; bilinear.
    Square512,
    /// ARNIQA: the short side to 512, the long side in proportion and truncated; bicubic.
    Short512,
}

impl Preparation {
    /// The name in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Preparation::None => "none",
            Preparation::Released => "released",
            Preparation::Upright => "upright",
            Preparation::Square512 => "square512",
            Preparation::Short512 => "short512",
        }
    }

    /// Crops of `crop` pixels behind it, in a grid.
    pub fn grid(self, crop: u32, size: [u32; 2]) -> Grid {
        let plain = Grid::of(crop, size);
        match self {
            Preparation::None => plain,
            Preparation::Released => Grid { squeeze: Some(RELEASED), ..plain },
            Preparation::Upright => Grid { squeeze: Some(UPRIGHT), ..plain },
            Preparation::Square512 => Grid { squeeze: Some(SQUARE), ..plain },
            Preparation::Short512 => Grid { short_side: Some(SHORT), ..plain },
        }
    }

    /// Pillow's filter of the released code: bilinear with its support stretched when shrinking
    /// (torchvision's default on such pictures), or bicubic, by which pictures smaller than a crop
    /// are enlarged, too.
    pub fn filter(self) -> Filter {
        match self {
            Preparation::None | Preparation::Short512 => Filter::Bicubic,
            Preparation::Released | Preparation::Upright | Preparation::Square512 => {
                Filter::Bilinear
            }
        }
    }
}

impl fmt::Display for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::image::Rgb8;
    use biqa::resize::resize;

    fn picture(width: u32, height: u32) -> Rgb8 {
        let levels = (0..width * height * 3).map(|i| (i * 7 % 251) as u8).collect();
        Rgb8::new(width, height, levels).expect("the length fits")
    }

    fn prepared(rule: Preparation, width: u32, height: u32) -> Rgb8 {
        let prepared = rule.grid(224, [1, 1]).prepare(&picture(width, height), rule.filter());
        prepared.expect("a small picture")
    }

    #[test]
    fn the_long_side_of_short512_is_truncated() {
        for (size, expected) in [((1000, 750), (682, 512)), ((512, 700), (512, 700))] {
            let found = prepared(Preparation::Short512, size.0, size.1); // 682.67
            assert_eq!((found.width(), found.height()), expected);
        }
    }

    #[test]
    fn the_released_size_turns_a_landscape_into_a_portrait() {
        for (rule, expected) in [
            (Preparation::Released, (384, 512)),
            (Preparation::Upright, (512, 384)),
            (Preparation::Square512, (512, 512)),
        ] {
            let found = prepared(rule, 64, 48);
            assert_eq!((found.width(), found.height()), expected, "{rule}");
        }
    }

    #[test]
    fn none_leaves_every_byte_and_enlarges_what_is_smaller_than_a_crop() {
        assert_eq!(prepared(Preparation::None, 250, 224), picture(250, 224));
        let found = prepared(Preparation::None, 112, 120);
        assert_eq!((found.width(), found.height()), (224, 240));
    }

    #[test]
    fn the_filters_are_those_of_the_released_code() {
        let picture = picture(1200, 900);
        let of = |rule| prepared(rule, 1200, 900);
        let short = resize(&picture, 682, 512, Filter::Bicubic).expect("small");
        assert_eq!(of(Preparation::Short512), short);
        let released = resize(&picture, 384, 512, Filter::Bilinear).expect("small");
        assert_eq!(of(Preparation::Released), released);
    }

    #[test]
    fn names_are_those_of_a_recipe() {
        for rule in [Preparation::None, Preparation::Square512, Preparation::Short512] {
            let name = serde_json::Value::from(rule.name());
            assert_eq!(serde_json::to_value(rule).expect("a name"), name);
            assert_eq!(serde_json::from_value::<Preparation>(name).expect("a name"), rule);
        }
    }
}
