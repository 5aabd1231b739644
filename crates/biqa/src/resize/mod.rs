//! Resizing that equals Pillow 11.3.0 level by level (but [`Filter::Nearest`], which says how it
//! differs), and torchvision's size rules.
//!
//! `papers/images.md`, sections 8 and 9. Horizontal pass first, rounded to 8 bits, then the
//! vertical pass: the papers' pictures were made that way, so the order is part of the result.
//! Integer arithmetic throughout, so that every machine and every number of threads gives the same
//! bytes.
//!
//! Called by `view` for every picture that is scored or trained on, and by `biqa-lab`'s data sets.

mod filter;
mod float;
mod pass;
mod size;

pub use filter::Filter;
pub use float::resize_f32;
pub use size::{center_crop, crop, short_side};

use crate::image::Rgb8;
use filter::{Axis, integer_axis, nearest_axis};
use pass::{HorizontalPass, vertical_row};
use rayon::prelude::*;
use std::ops::Range;

/// Why a picture could not be resized or cropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResizeError {
    /// A side of the result would be 0.
    #[error("cannot resize to {width} x {height}: both sides must be at least 1 pixel")]
    ZeroSize {
        /// The width asked for.
        width: u32,
        /// The height asked for.
        height: u32,
    },
    /// The result would exceed [`MAX_PIXELS`].
    #[error(
        "cannot resize to {width} x {height}: the result may hold at most {MAX_PIXELS} pixels \
         (choose a smaller size, or cut the picture first)"
    )]
    TooManyPixels {
        /// The width asked for.
        width: u64,
        /// The height asked for.
        height: u64,
    },
    /// The rectangle leaves the picture.
    #[error(
        "cannot cut {width} x {height} at ({left}, {top}) out of a picture of \
         {picture_width} x {picture_height} pixels"
    )]
    OutsidePicture {
        /// Left column of the rectangle.
        left: u32,
        /// Top row of the rectangle.
        top: u32,
        /// Width of the rectangle.
        width: u32,
        /// Height of the rectangle.
        height: u32,
        /// Width of the picture.
        picture_width: u32,
        /// Height of the picture.
        picture_height: u32,
    },
    /// A float picture whose data does not have `width * height * channels` elements.
    #[error("a float picture of {expected} elements was announced, {found} were given")]
    WrongLength {
        /// `width * height * channels`.
        expected: usize,
        /// Elements given.
        found: usize,
    },
}

/// The most pixels a result may have (images.md, section 5: the limit on loading holds for
/// results).
pub const MAX_PIXELS: u64 = 100_000_000;

/// Bytes that the result of a first pass may take at once; larger jobs are done in tiles.
const FIRST_PASS_BYTES: usize = 32 << 20;

/// Resizes to exactly `width` x `height`; the aspect ratio is not kept. A size that does not change
/// is not filtered, so the same size gives the same picture.
///
/// # Errors
/// [`ResizeError::ZeroSize`], [`ResizeError::TooManyPixels`].
pub fn resize(
    picture: &Rgb8,
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<Rgb8, ResizeError> {
    check_size(width.into(), height.into())?;
    if (width, height) == (picture.width(), picture.height()) {
        return Ok(picture.clone());
    }
    if filter == Filter::Nearest {
        return Ok(nearest(picture, width, height));
    }
    let job = Job::new(picture, width, height, filter);
    let mut data = vec![0; job.row_bytes() * height as usize];
    job.run(0..height as usize, &mut data);
    Ok(built(width, height, data))
}

/// As [`resize`], with the rows of the result shared among the threads of `pool`. Equal bytes.
pub fn resize_in(
    pool: &rayon::ThreadPool,
    picture: &Rgb8,
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<Rgb8, ResizeError> {
    let threads = pool.current_num_threads();
    let unchanged = (width, height) == (picture.width(), picture.height());
    if threads < 2 || height < 2 || filter == Filter::Nearest || unchanged {
        return resize(picture, width, height, filter);
    }
    check_size(width.into(), height.into())?;
    let job = Job::new(picture, width, height, filter);
    let band_rows = (height as usize).div_ceil(threads);
    let mut data = vec![0; job.row_bytes() * height as usize];
    pool.install(|| {
        data.par_chunks_mut(job.row_bytes() * band_rows).enumerate().for_each(|(band, chunk)| {
            let first = band * band_rows;
            job.run(first..first + chunk.len() / job.row_bytes(), chunk);
        });
    });
    Ok(built(width, height, data))
}

/// Refuses empty and giant results.
fn check_size(width: u64, height: u64) -> Result<(), ResizeError> {
    if width == 0 || height == 0 {
        return Err(ResizeError::ZeroSize { width: width as u32, height: height as u32 });
    }
    match width.checked_mul(height) {
        Some(pixels) if pixels <= MAX_PIXELS => Ok(()),
        _ => Err(ResizeError::TooManyPixels { width, height }),
    }
}

/// A picture from data whose length is right by construction.
fn built(width: u32, height: u32, data: Vec<u8>) -> Rgb8 {
    Rgb8::new(width, height, data).expect("the data was allocated for this size, both sides >= 1")
}

/// `Filter::Nearest`: copies.
fn nearest(picture: &Rgb8, width: u32, height: u32) -> Rgb8 {
    let columns = nearest_axis(picture.width(), width);
    let row_bytes = picture.width() as usize * 3;
    let mut data = Vec::with_capacity(width as usize * height as usize * 3);
    for y in nearest_axis(picture.height(), height) {
        let row = &picture.data()[y * row_bytes..(y + 1) * row_bytes];
        for &x in &columns {
            data.extend_from_slice(&row[3 * x..3 * x + 3]);
        }
    }
    built(width, height, data)
}

/// One resizing: the picture and the weights of the axes that change.
struct Job<'a> {
    picture: &'a Rgb8,
    width: usize,
    horizontal: Option<Axis<i32>>,
    vertical: Option<Axis<i32>>,
}

impl<'a> Job<'a> {
    fn new(picture: &'a Rgb8, width: u32, height: u32, filter: Filter) -> Job<'a> {
        let axis = |from, to| (from != to).then(|| integer_axis(filter, from, to));
        Job {
            picture,
            width: width as usize,
            horizontal: axis(picture.width(), width),
            vertical: axis(picture.height(), height),
        }
    }

    /// Bytes of a row of the result.
    fn row_bytes(&self) -> usize {
        self.width * 3
    }

    /// Computes `rows` of the result into `out`.
    fn run(&self, rows: Range<usize>, out: &mut [u8]) {
        let (Some(horizontal), Some(vertical)) = (&self.horizontal, &self.vertical) else {
            return self.single_pass(rows, out);
        };
        // Tiles only bound the memory: a tile's first pass is kept whole, and no tile changes a
        // value.
        let mut first = rows.start;
        while first < rows.end {
            let mut last = first + 1;
            let top = vertical.start(first);
            while last < rows.end
                && (vertical.end(last) - top) * self.row_bytes() <= FIRST_PASS_BYTES
            {
                last += 1;
            }
            let needed = top..vertical.end(last - 1);
            let strip = (FIRST_PASS_BYTES / (3 * needed.len().max(1))).clamp(1, self.width);
            for left in (0..self.width).step_by(strip) {
                let columns = left..(left + strip).min(self.width);
                let middle = self.first_pass(horizontal, needed.clone(), columns.clone());
                for y in first..last {
                    let row = &mut out[(y - rows.start) * self.row_bytes()..][..self.row_bytes()];
                    let offset = (vertical.start(y) - top) * columns.len() * 3;
                    vertical_row(
                        &middle[offset..],
                        columns.len() * 3,
                        vertical.weights(y),
                        &mut row[3 * columns.start..3 * columns.end],
                    );
                }
            }
            first = last;
        }
    }

    /// A resizing that changes one side only.
    fn single_pass(&self, rows: Range<usize>, out: &mut [u8]) {
        let source_row = self.picture.width() as usize * 3;
        match (&self.horizontal, &self.vertical) {
            (Some(horizontal), _) => {
                out.copy_from_slice(&self.first_pass(horizontal, rows, 0..self.width));
            }
            (None, Some(vertical)) => {
                for (y, row) in rows.zip(out.chunks_exact_mut(source_row)) {
                    let source = &self.picture.data()[vertical.start(y) * source_row..];
                    vertical_row(source, source_row, vertical.weights(y), row);
                }
            }
            (None, None) => {
                out.copy_from_slice(
                    &self.picture.data()[rows.start * source_row..rows.end * source_row],
                );
            }
        }
    }

    /// The horizontal pass over `rows` of the source, for `columns` of the result.
    fn first_pass(&self, axis: &Axis<i32>, rows: Range<usize>, columns: Range<usize>) -> Vec<u8> {
        let source_row = self.picture.width() as usize * 3;
        let mut middle = vec![0; rows.len() * columns.len() * 3];
        let mut pass = HorizontalPass::new(axis, columns.clone(), self.picture.width() as usize);
        let sources = self.picture.data()[rows.start * source_row..rows.end * source_row]
            .chunks_exact(source_row);
        for (source, row) in sources.zip(middle.chunks_exact_mut(columns.len() * 3)) {
            pass.row(source, row);
        }
        middle
    }
}

#[cfg(test)]
mod tests;
