//! What a network sees of a picture: the size policy and the crops of a model's card.
//!
//! Who calls: the scorer and the lab's trainer. A view is a pure function of the picture, the card
//! and, for random crops, an address (seed, name, number): no clock, no hidden randomness, and no
//! picture, whatever its shape, makes more pixels than the policy says.

mod windows;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use self::windows::{spaced, windows};
use crate::image::Rgb8;
use crate::random::{fnv1a64, scale_below, splitmix64};
use crate::resize::{Filter, ResizeError, crop, resize, short_side};

/// The view of a model card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Which parts, at which sizes.
    pub policy: Policy,
    /// How pictures are resized.
    #[serde(default)]
    pub filter: Filter,
    /// Subtracted from `v / 255`, by channel.
    pub mean: [f32; 3],
    /// Then divided by, by channel.
    pub std: [f32; 3],
}

/// Which parts of a picture are seen, and how large.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Policy {
    /// The whole picture, at each short side of `sizes`: a larger picture is reduced to it, a
    /// smaller one is seen as it is, unless its short side is below `smallest`: then it is enlarged
    /// to that. A picture longer than 3:1 is seen through up to 8 evenly spaced windows of 3:1.
    Whole {
        /// Short sides, in pixels.
        sizes: Vec<u32>,
        /// The least short side, in pixels.
        smallest: u32,
        /// Close looks at large pictures, beside the one at the whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<Details>,
    },
    /// Evenly spaced square crops that reach every edge (of every window of a picture longer than
    /// 3:1), after the short side was brought to
    /// `short_side` where that is given. A picture with a side below the crop is enlarged to fit.
    Grid {
        /// Short side before the crops, in pixels.
        short_side: Option<u32>,
        /// Side of a crop, in pixels.
        crop: u32,
        /// Crops along the width.
        columns: u32,
        /// Crops along the height.
        rows: u32,
    },
}

/// Close looks: crops of a large picture at its own resolution, where fine noise and the blur of
/// upscaling are, which the reduced whole does not show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Details {
    /// Pictures with a short side of this or more get them, in pixels.
    pub from: u32,
    /// Side of a crop, in pixels.
    pub crop: u32,
    /// Crops along the width, spread over the picture without its outermost parts.
    pub columns: u32,
    /// Crops along the height.
    pub rows: u32,
}

/// A card can't ask for more than this many sizes, pixels along a side, or crops of a grid.
const MOST_SIZES: usize = 8;
const LARGEST_SIDE: u32 = 4096;
const MOST_CROPS: u32 = 1024;
/// Nor for more pixels in all its crops, which are in memory together: 192 MiB.
const MOST_PIXELS: u64 = 1 << 26;

/// What a view cut out of a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// Looks at the picture; each holds one picture a size of the network. The raw score is the mean
    /// over the looks.
    pub looks: Vec<Vec<Rgb8>>,
    /// What a reader of the score should know, in short words.
    pub notes: Vec<String>,
}

/// Why a view could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// A number of the view itself is out of its range.
    #[error("the view's `{field}` is out of range: expected {expected}, found {found}")]
    Field {
        /// The card's key.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A picture could not be brought to the size that the view asks for.
    #[error(transparent)]
    Resize(#[from] ResizeError),
}

impl View {
    /// How many sizes the network gets.
    pub fn sizes(&self) -> usize {
        match &self.policy {
            Policy::Whole { sizes, .. } => sizes.len(),
            Policy::Grid { .. } => 1,
        }
    }

    /// The side of every look, in pixels, where all are squares of one size.
    pub fn side(&self) -> Option<u32> {
        match &self.policy {
            Policy::Whole { .. } => None,
            Policy::Grid { crop, .. } => Some(*crop),
        }
    }

    /// What is wrong with the view, if anything.
    pub fn check(&self) -> Result<(), ViewError> {
        let bad = |field, expected, found| Err(ViewError::Field { field, expected, found });
        let side = |n: u32| (1..=LARGEST_SIDE).contains(&n);
        match &self.policy {
            Policy::Whole { sizes, smallest, details } => {
                if sizes.is_empty() || sizes.len() > MOST_SIZES || !sizes.iter().all(|&s| side(s)) {
                    return bad(
                        "sizes",
                        "1 to 8 short sides of 1 to 4096 pixels",
                        format!("{sizes:?}"),
                    );
                }
                if !side(*smallest) {
                    return bad("smallest", "1 to 4096 pixels", smallest.to_string());
                }
                let fits = |d: &Details| {
                    let crops = d.columns.saturating_mul(d.rows);
                    side(d.crop) && d.from >= d.crop && are_few(crops, d.crop)
                };
                if let Some(d) = details.as_ref().filter(|d| !fits(d)) {
                    let Details { from, crop, columns, rows } = d;
                    return bad(
                        "details",
                        "crop of 1 to 4096 pixels, from at least crop, 1 to 1024 crops, together at \
                         most 67 megapixels",
                        format!("crop {crop}, from {from}, {columns} x {rows} crops"),
                    );
                }
            }
            Policy::Grid { crop, columns, rows, short_side } => {
                if !side(*crop) || !short_side.is_none_or(side) {
                    let short = short_side.map_or("none".to_owned(), |side| side.to_string());
                    let found = format!("{crop} and {short}");
                    return bad("crop and short_side", "1 to 4096 pixels", found);
                }
                if !are_few(columns.saturating_mul(*rows), *crop) {
                    let expected = "1 or more each, together at most 1024 crops and 67 megapixels";
                    let found = format!("{columns} and {rows} of {crop} pixels");
                    return bad("columns and rows", expected, found);
                }
            }
        }
        if !self.std.iter().all(|&s| s.is_finite() && s > 0.0) {
            return bad("std", "finite numbers above 0", format!("{:?}", self.std));
        }
        if !self.mean.iter().all(|m| m.is_finite()) {
            return bad("mean", "finite numbers", format!("{:?}", self.mean));
        }
        Ok(())
    }

    /// One line for the row of a score: `whole 512+256`, `grid 3x2 of 224`.
    pub fn label(&self) -> String {
        match &self.policy {
            Policy::Whole { sizes, .. } => {
                let sizes: Vec<String> = sizes.iter().map(u32::to_string).collect();
                format!("whole {}", sizes.join("+"))
            }
            Policy::Grid { crop, columns, rows, .. } => format!("grid {columns}x{rows} of {crop}"),
        }
    }

    /// The view without close looks: what training sees, which looks at the whole alone.
    #[must_use]
    pub fn without_details(&self) -> Self {
        let mut view = self.clone();
        if let Policy::Whole { details, .. } = &mut view.policy {
            *details = None;
        }
        view
    }

    /// Cuts a picture into what the network sees.
    pub fn apply(&self, picture: &Rgb8) -> Result<Cut, ViewError> {
        self.check()?;
        let mut notes = Vec::new();
        let looks = match &self.policy {
            Policy::Whole { sizes, smallest, details } => {
                let mut windows = windows(picture, &mut notes)?;
                let short = picture.width().min(picture.height());
                if short < *smallest {
                    notes.push(format!("small: enlarged {short} to {smallest} pixels"));
                }
                if let Some(details) = details.as_ref().filter(|d| short >= d.from) {
                    let close = details.cut(picture)?;
                    notes.push(format!("large: {} close looks beside the whole", close.len()));
                    windows.extend(close.into_iter().map(Cow::Owned));
                }
                let look = |window: &Cow<'_, Rgb8>| self.look(window, sizes, *smallest);
                windows.iter().map(look).collect::<Result<_, _>>()?
            }
            Policy::Grid { short_side, crop, columns, rows } => {
                let mut crops = Vec::new();
                for window in windows(picture, &mut notes)? {
                    let grid = [*columns, *rows];
                    crops.extend(self.grid(&window, *short_side, *crop, grid, &mut notes)?);
                }
                crops.into_iter().map(|crop| vec![crop]).collect()
            }
        };
        Ok(Cut { looks, notes })
    }

    /// One window at every size: reduced where it is larger, enlarged only to `smallest`.
    fn look(&self, window: &Rgb8, sizes: &[u32], smallest: u32) -> Result<Vec<Rgb8>, ViewError> {
        let short = window.width().min(window.height());
        let at_size = |&size: &u32| {
            let side = size.min(short).max(smallest);
            let (w, h) = short_side(window.width(), window.height(), side);
            resize(window, w, h, self.filter)
        };
        Ok(sizes.iter().map(at_size).collect::<Result<_, _>>()?)
    }

    fn grid(
        &self,
        picture: &Rgb8,
        short: Option<u32>,
        side: u32,
        [columns, rows]: [u32; 2],
        notes: &mut Vec<String>,
    ) -> Result<Vec<Rgb8>, ViewError> {
        let (width, height) = (picture.width(), picture.height());
        let wanted = short.unwrap_or(width.min(height)).max(side);
        let note = format!("small: enlarged {} to {side} pixels", width.min(height));
        if width.min(height) < side && !notes.contains(&note) {
            notes.push(note);
        }
        let (w, h) = short_side(width, height, wanted);
        let picture = resize(picture, w, h, self.filter)?;
        let mut crops = Vec::with_capacity((columns * rows) as usize);
        for row in 0..rows {
            for column in 0..columns {
                let (left, top) = (spaced(w - side, column, columns), spaced(h - side, row, rows));
                crops.push(crop(&picture, left, top, side, side)?);
            }
        }
        Ok(crops)
    }

    /// The network's numbers of a crop: `(v / 255 - mean) / std`, channel by channel, row-major.
    pub fn to_tensor(&self, picture: &Rgb8) -> Vec<f32> {
        let tables: [[f32; 256]; 3] = std::array::from_fn(|c| {
            std::array::from_fn(|v| (v as f32 / 255.0 - self.mean[c]) / self.std[c])
        });
        let pixels = picture.data().as_chunks::<3>().0;
        let mut out = Vec::with_capacity(picture.data().len());
        for (c, table) in tables.iter().enumerate() {
            out.extend(pixels.iter().map(|pixel| table[usize::from(pixel[c])]));
        }
        out
    }
}

impl Details {
    /// The crops, row by row; each is centred in its cell of an even grid.
    fn cut(&self, picture: &Rgb8) -> Result<Vec<Rgb8>, ViewError> {
        let offset = |length: u32, i: u32, n: u32| {
            let centre = u64::from(length) * u64::from(2 * i + 1) / u64::from(2 * n);
            (centre as u32).saturating_sub(self.crop / 2).min(length - self.crop)
        };
        let mut crops = Vec::with_capacity((self.columns * self.rows) as usize);
        for row in 0..self.rows {
            for column in 0..self.columns {
                let left = offset(picture.width(), column, self.columns);
                let top = offset(picture.height(), row, self.rows);
                crops.push(crop(picture, left, top, self.crop, self.crop)?);
            }
        }
        Ok(crops)
    }
}

/// Whether so many crops of this side can be in memory together.
fn are_few(crops: u32, side: u32) -> bool {
    let pixels = u64::from(crops) * u64::from(side) * u64::from(side);
    (1..=MOST_CROPS).contains(&crops) && pixels <= MOST_PIXELS
}

/// Where a random crop is taken: its address (papers/protocol.md, 2.4).
#[derive(Clone, Debug)]
pub struct CropAddress<'a> {
    /// The run's seed.
    pub seed: u64,
    /// The picture's path in its dataset, forward slashes.
    pub path: &'a str,
    /// The crop's number.
    pub number: u64,
    /// The epoch, where crops change with it (`published`).
    pub epoch: Option<u64>,
}

impl CropAddress<'_> {
    /// Top and left of a crop of `crop_height` x `crop_width` in a picture of `height` x `width`
    /// pixels; `None` when it does not fit.
    pub fn offset(
        &self,
        [height, width]: [u32; 2],
        [crop_height, crop_width]: [u32; 2],
    ) -> Option<(u32, u32)> {
        let rows = u64::from(height.checked_sub(crop_height)?) + 1;
        let columns = u64::from(width.checked_sub(crop_width)?) + 1;
        let mut text = format!("biqa-crop-v1/{}/{}/{}", self.seed, self.path, self.number);
        if let Some(epoch) = self.epoch {
            text = format!("{text}/{epoch}");
        }
        let base = fnv1a64(&text);
        let top = scale_below(splitmix64(base), rows);
        let left = scale_below(splitmix64(base.wrapping_add(1)), columns);
        Some((top as u32, left as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> Rgb8 {
        let data = (0..width as usize * height as usize * 3).map(|i| (i % 251) as u8).collect();
        Rgb8::new(width, height, data).expect("the size fits")
    }

    fn view(policy: Policy) -> View {
        View { policy, filter: Filter::Bicubic, mean: [0.5; 3], std: [0.25; 3] }
    }

    fn whole() -> View {
        view(Policy::Whole { sizes: vec![64, 32], smallest: 16, details: None })
    }

    fn shapes(cut: &Cut) -> Vec<Vec<(u32, u32)>> {
        cut.looks.iter().map(|c| c.iter().map(|p| (p.width(), p.height())).collect()).collect()
    }

    #[test]
    fn a_large_picture_is_reduced_and_a_small_one_left_alone() {
        let cut = whole().apply(&picture(200, 100)).expect("a view");
        assert_eq!(shapes(&cut), [[(128, 64), (64, 32)]]);
        let cut = whole().apply(&picture(40, 40)).expect("a view");
        assert_eq!(shapes(&cut), [[(40, 40), (32, 32)]]);
        assert_eq!(cut.looks[0][0], picture(40, 40));
        assert!(cut.notes.is_empty());
    }

    #[test]
    fn a_tiny_picture_is_enlarged_and_says_so() {
        let cut = whole().apply(&picture(1, 1)).expect("a view");
        assert_eq!(shapes(&cut), [[(16, 16), (16, 16)]]);
        assert_eq!(cut.notes, ["small: enlarged 1 to 16 pixels"]);
    }

    #[test]
    fn a_very_long_picture_is_seen_through_windows_that_reach_both_ends() {
        let long = picture(1, 60_000);
        let cut = whole().apply(&long).expect("a view");
        assert_eq!(shapes(&cut), [[(16, 48); 2]; 8]);
        assert_eq!(spaced(59_997, 0, 8), 0);
        assert_eq!(spaced(59_997, 7, 8), 59_997);
    }

    #[test]
    fn a_large_picture_gets_close_looks_beside_the_whole() {
        let details = Some(Details { from: 100, crop: 64, columns: 2, rows: 1 });
        let view = view(Policy::Whole { sizes: vec![64, 32], smallest: 16, details });
        let large = picture(200, 100);
        let cut = view.apply(&large).expect("a view");
        assert_eq!(
            shapes(&cut),
            [[(128, 64), (64, 32)], [(64, 64), (32, 32)], [(64, 64), (32, 32)]]
        );
        assert_eq!(cut.looks[1][0].pixel(0, 0), large.pixel(50 - 32, 50 - 32));
        assert_eq!(cut.looks[2][0].pixel(0, 0), large.pixel(150 - 32, 50 - 32));
        assert_eq!(cut.notes, ["large: 2 close looks beside the whole"]);
        assert_eq!(view.apply(&picture(200, 99)).expect("a view").looks.len(), 1);
    }

    #[test]
    fn a_grid_reaches_every_edge() {
        let policy = Policy::Grid { short_side: None, crop: 10, columns: 3, rows: 2 };
        let source = picture(25, 17);
        let cut = view(policy).apply(&source).expect("a view");
        let crops = cut.looks.concat();
        assert_eq!(crops.len(), 6);
        assert_eq!(crops[0].pixel(0, 0), source.pixel(0, 0));
        assert_eq!(crops[2].pixel(9, 0), source.pixel(24, 0));
        assert_eq!(crops[3].pixel(0, 9), source.pixel(0, 16));
        assert_eq!(crops[5].pixel(9, 9), source.pixel(24, 16));
    }

    #[test]
    fn a_grid_of_a_very_long_picture_stays_small() {
        let policy = Policy::Grid { short_side: None, crop: 10, columns: 2, rows: 1 };
        let cut = view(policy).apply(&picture(60_000, 1)).expect("a view");
        assert_eq!(cut.looks.len(), 16);
        assert_eq!(cut.notes.len(), 2);
    }

    #[test]
    fn every_size_up_to_40_has_a_view() {
        for policy in [
            Policy::Whole {
                sizes: vec![24, 12],
                smallest: 8,
                details: Some(Details { from: 30, crop: 24, columns: 2, rows: 1 }),
            },
            Policy::Grid { short_side: Some(12), crop: 9, columns: 2, rows: 3 },
        ] {
            let view = view(policy);
            for width in 1..40 {
                for height in 1..40 {
                    let cut = view.apply(&picture(width, height)).expect("a view");
                    assert!(cut.looks.iter().all(|look| !look.is_empty()), "{width}x{height}");
                }
            }
        }
    }

    #[test]
    fn crop_addresses_give_the_worked_example() {
        // papers/protocol.md, 2.4.
        let path = "1024x768/10004473376.jpg";
        let honest = CropAddress { seed: 0, path, number: 0, epoch: None };
        assert_eq!(honest.offset([768, 1024], [224, 224]), Some((419, 515)));
        let published = CropAddress { epoch: Some(7), ..honest };
        assert_eq!(published.offset([768, 1024], [224, 224]), Some((213, 754)));
        assert_eq!(published.offset([100, 1024], [224, 224]), None);
    }

    #[test]
    fn tensors_are_normalised_by_channel() {
        let picture = Rgb8::new(2, 1, vec![0, 51, 102, 153, 204, 255]).expect("two pixels");
        let expected = [-2.0, 0.4, -1.2, 1.2, -0.4, 2.0];
        let tensor = whole().to_tensor(&picture);
        assert!(tensor.iter().zip(expected).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn a_view_without_sizes_is_refused() {
        let none = view(Policy::Whole { sizes: vec![], smallest: 16, details: None });
        assert!(none.apply(&picture(4, 4)).is_err());
    }
}
