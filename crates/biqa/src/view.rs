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
    Grid(Grid),
}

/// Crops of one size, and what is done to a picture before they are cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Short side before the crops, in pixels.
    #[serde(default)]
    pub short_side: Option<u32>,
    /// Width and height to which every picture is squeezed instead, whatever its own ratio; no
    /// picture is then too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub squeeze: Option<[u32; 2]>,
    /// Side of a crop, in pixels.
    pub crop: u32,
    /// Crops along the width.
    pub columns: u32,
    /// Crops along the height.
    pub rows: u32,
    /// One more in the middle, for a grid that has none there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub centre: bool,
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
            Policy::Grid(_) => 1,
        }
    }

    /// The side of every look, in pixels, where all are squares of one size.
    pub fn side(&self) -> Option<u32> {
        match &self.policy {
            Policy::Whole { .. } => None,
            Policy::Grid(grid) => Some(grid.crop),
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
            Policy::Grid(Grid { crop, columns, rows, short_side, squeeze, centre }) => {
                if !side(*crop) || !short_side.is_none_or(side) {
                    let short = short_side.map_or("none".to_owned(), |side| side.to_string());
                    let found = format!("{crop} and {short}");
                    return bad("crop and short_side", "1 to 4096 pixels", found);
                }
                let fits = |[w, h]: [u32; 2]| side(w) && side(h) && w.min(h) >= *crop;
                if let Some(size) = squeeze.filter(|size| !fits(*size) || short_side.is_some()) {
                    let expected = "a width and a height of crop to 4096 pixels, and no short_side";
                    return bad("squeeze", expected, format!("{size:?}"));
                }
                let count = columns.saturating_mul(*rows);
                if count == 0 || !are_few(count.saturating_add((*centre).into()), *crop) {
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
            Policy::Grid(Grid { crop, columns, rows, centre, .. }) => {
                let centre = if *centre { " and centre" } else { "" };
                format!("grid {columns}x{rows}{centre} of {crop}")
            }
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
            Policy::Grid(grid) => {
                let windows = match grid.squeeze {
                    Some(_) => vec![Cow::Borrowed(picture)],
                    None => windows(picture, &mut notes)?,
                };
                let mut crops = Vec::new();
                for window in windows {
                    crops.extend(grid.cut(&window, self.filter, &mut notes)?);
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

impl Grid {
    /// Columns and rows of crops of a picture as it is.
    pub fn of(crop: u32, [columns, rows]: [u32; 2]) -> Self {
        Self { short_side: None, squeeze: None, crop, columns, rows, centre: false }
    }

    /// The picture as crops are cut from it: squeezed, or brought to the short side, and never
    /// smaller than a crop.
    ///
    /// # Errors
    /// [`ResizeError::TooManyPixels`] for a picture so long that it exceeds the limit.
    pub fn prepare(&self, picture: &Rgb8, filter: Filter) -> Result<Rgb8, ResizeError> {
        let (width, height) = (picture.width(), picture.height());
        if let Some([w, h]) = self.squeeze {
            return resize(picture, w, h, filter);
        }
        let wanted = self.short_side.unwrap_or(width.min(height)).max(self.crop);
        let (w, h) = short_side(width, height, wanted);
        resize(picture, w, h, filter)
    }

    fn cut(
        &self,
        picture: &Rgb8,
        filter: Filter,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Rgb8>, ViewError> {
        let Self { crop: side, columns, rows, centre, .. } = *self;
        let short = picture.width().min(picture.height());
        let note = format!("small: enlarged {short} to {side} pixels");
        if short < side && !notes.contains(&note) {
            notes.push(note);
        }
        let picture = self.prepare(picture, filter)?;
        let (w, h) = (picture.width(), picture.height());
        let mut crops = Vec::with_capacity((columns * rows) as usize);
        for row in 0..rows {
            for column in 0..columns {
                let (left, top) = (spaced(w - side, column, columns), spaced(h - side, row, rows));
                crops.push(crop(&picture, left, top, side, side)?);
            }
        }
        if centre {
            let (left, top) = (centred(w - side), centred(h - side));
            crops.push(crop(&picture, left, top, side, side)?);
        }
        Ok(crops)
    }
}

/// Where a crop in the middle begins, with `left` pixels left over: half of them, rounded to the even
/// number where that lies between two (Python's `round`, so torchvision's `CenterCrop`).
pub fn centred(left: u32) -> u32 {
    let half = left / 2;
    half + (left % 2) * (half % 2)
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
mod tests;
