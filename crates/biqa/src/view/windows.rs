//! Windows of long pictures, and even spacing. Called by the view.

use std::borrow::Cow;

use super::ViewError;
use crate::image::Rgb8;
use crate::resize::crop;

/// A picture may be this many times as long as it is wide before it is seen through windows.
const LONGEST: u32 = 3;
/// Windows of a longer picture at most.
const MOST_WINDOWS: u32 = 8;
/// Offset `i` of `n` evenly spaced ones from 0 to `room`; the middle where there is only one.
pub(super) fn spaced(room: u32, i: u32, n: u32) -> u32 {
    if n == 1 { room / 2 } else { (u64::from(room) * u64::from(i) / u64::from(n - 1)) as u32 }
}

/// The picture itself, or windows of it where it is longer than [`LONGEST`] to 1.
pub(super) fn windows<'a>(
    picture: &'a Rgb8,
    notes: &mut Vec<String>,
) -> Result<Vec<Cow<'a, Rgb8>>, ViewError> {
    let (width, height) = (picture.width(), picture.height());
    let (short, long) = (width.min(height), width.max(height));
    let window = short.saturating_mul(LONGEST);
    if long <= window {
        return Ok(vec![Cow::Borrowed(picture)]);
    }
    let n = long.div_ceil(window).min(MOST_WINDOWS);
    notes.push(format!("long: seen through {n} windows of {LONGEST}:1"));
    let cut = |i| {
        let offset = spaced(long - window, i, n);
        let part = if width >= height {
            crop(picture, offset, 0, window, short)
        } else {
            crop(picture, 0, offset, short, window)
        };
        part.map(Cow::Owned)
    };
    Ok((0..n).map(cut).collect::<Result<_, _>>()?)
}
