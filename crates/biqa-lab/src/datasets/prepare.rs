//! What is done to every picture of a set before crops are cut: the switches `koniq_resize` and
//! `spaq_resize` (`papers/datasets.md`, 2.6, 2.8 and section 5).
//!
//! Called by the protocol runner and the trainer, which take the choice from a recipe.

use biqa::image::Rgb8;
use biqa::resize::{Filter, ResizeError, resize, short_side};
use std::fmt;
use std::str::FromStr;

/// torchvision's `Resize((512, 384))` is (height, width): a landscape picture becomes a portrait.
const RELEASED: (u32, u32) = (384, 512);
/// The 4:3 pictures of KonIQ-10k at half their size.
const UPRIGHT: (u32, u32) = (512, 384);
/// The short side of `short512`.
const SHORT: u32 = 512;

/// A rule that gives every picture its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preparation {
    /// As it is on disk.
    None,
    /// DEIQT, hyperIQA: 384 wide and 512 high, whatever the picture's own ratio; bilinear.
    Released,
    /// 512 wide and 384 high; bilinear.
    Upright,
    /// ARNIQA: the short side to 512, the long side in proportion and truncated; bicubic.
    Short512,
}

impl Preparation {
    /// All of them.
    pub const ALL: [Preparation; 4] =
        [Preparation::None, Preparation::Released, Preparation::Upright, Preparation::Short512];

    /// The name in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Preparation::None => "none",
            Preparation::Released => "released",
            Preparation::Upright => "upright",
            Preparation::Short512 => "short512",
        }
    }

    /// Width and height that a picture of `width` x `height` gets.
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Preparation::None => (width, height),
            Preparation::Released => RELEASED,
            Preparation::Upright => UPRIGHT,
            Preparation::Short512 => short_side(width, height, SHORT),
        }
    }

    /// The picture in that size, by Pillow's filter of the released code: bilinear with its
    /// support stretched when shrinking (torchvision's default on such pictures), or bicubic.
    ///
    /// # Errors
    /// [`ResizeError::TooManyPixels`] for a picture so long that `short512` exceeds the limit.
    pub fn apply(self, picture: &Rgb8) -> Result<Rgb8, ResizeError> {
        let (width, height) = self.size(picture.width(), picture.height());
        let filter = match self {
            Preparation::Short512 => Filter::Bicubic,
            Preparation::None | Preparation::Released | Preparation::Upright => Filter::Bilinear,
        };
        resize(picture, width, height, filter)
    }
}

impl fmt::Display for Preparation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preparation {
    type Err = String;

    fn from_str(text: &str) -> Result<Preparation, String> {
        let found = Preparation::ALL.into_iter().find(|rule| rule.name() == text);
        found.ok_or_else(|| {
            let names = Preparation::ALL.map(Preparation::name).join(", ");
            format!("a preparation is one of {names}, not {text:?}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Rgb8 {
        let levels = (0..width * height * 3).map(|i| (i * 7 % 251) as u8).collect();
        Rgb8::new(width, height, levels).expect("the length fits")
    }

    #[test]
    fn the_long_side_of_short512_is_truncated() {
        assert_eq!(Preparation::Short512.size(4000, 3000), (682, 512)); // 682.67
        assert_eq!(Preparation::Short512.size(3000, 4000), (512, 682));
        assert_eq!(Preparation::Short512.size(512, 700), (512, 700));
    }

    #[test]
    fn the_released_size_turns_a_landscape_into_a_portrait() {
        let found = Preparation::Released.apply(&picture(64, 48)).expect("a small picture");
        assert_eq!((found.width(), found.height()), (384, 512));
        let found = Preparation::Upright.apply(&picture(64, 48)).expect("a small picture");
        assert_eq!((found.width(), found.height()), (512, 384));
    }

    #[test]
    fn none_leaves_every_byte() {
        let picture = picture(5, 3);
        assert_eq!(Preparation::None.apply(&picture), Ok(picture));
    }

    #[test]
    fn the_filters_are_those_of_the_released_code() {
        let picture = picture(1200, 900);
        let short = Preparation::Short512.apply(&picture);
        assert_eq!(short, resize(&picture, 682, 512, Filter::Bicubic));
        let released = Preparation::Released.apply(&picture);
        assert_eq!(released, resize(&picture, 384, 512, Filter::Bilinear));
    }

    #[test]
    fn names_read_back() {
        for rule in Preparation::ALL {
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
        assert!("half".parse::<Preparation>().is_err());
    }
}
