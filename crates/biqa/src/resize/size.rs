//! torchvision's size rules, and cutting (`papers/images.md`, section 9).

use super::{ResizeError, built, check_size};
use crate::image::Rgb8;

/// The size (width, height) after torchvision's `Resize(n)`: the short side becomes `n`, the long
/// side `n * long / short` in floating point, truncated. A picture of no extent stays as it is.
///
/// The long side saturates at `u32::MAX`; [`super::resize`] refuses such results.
pub fn short_side(width: u32, height: u32, n: u32) -> (u32, u32) {
    let (short, long) = (width.min(height), width.max(height));
    if short == 0 || short == n {
        return (width, height);
    }
    // At least n: the quotient of a long side by a short one is never below 1.
    let new_long = (f64::from(n) * f64::from(long) / f64::from(short)) as u32;
    if width <= height { (n, new_long) } else { (new_long, n) }
}

/// Cuts a rectangle out.
///
/// # Errors
/// [`ResizeError::ZeroSize`] for an empty rectangle, [`ResizeError::OutsidePicture`].
pub fn crop(
    picture: &Rgb8,
    left: u32,
    top: u32,
    width: u32,
    height: u32,
) -> Result<Rgb8, ResizeError> {
    check_size(width.into(), height.into())?;
    let fits =
        |offset: u32, size: u32, side: u32| offset.checked_add(size).is_some_and(|end| end <= side);
    if !fits(left, width, picture.width()) || !fits(top, height, picture.height()) {
        return Err(ResizeError::OutsidePicture {
            left,
            top,
            width,
            height,
            picture_width: picture.width(),
            picture_height: picture.height(),
        });
    }
    let row_bytes = picture.width() as usize * 3;
    let rows = picture.data().chunks_exact(row_bytes).skip(top as usize).take(height as usize);
    let columns = left as usize * 3..(left + width) as usize * 3;
    Ok(built(width, height, rows.flat_map(|row| &row[columns.clone()]).copied().collect()))
}

/// torchvision's `CenterCrop((height, width))`: offsets round half to even; a picture smaller than
/// the crop is first padded with zeros, left and top by half the lack rounded down.
///
/// # Errors
/// [`ResizeError::ZeroSize`], [`ResizeError::TooManyPixels`].
pub fn center_crop(picture: &Rgb8, width: u32, height: u32) -> Result<Rgb8, ResizeError> {
    check_size(width.into(), height.into())?;
    let padded_size = (picture.width().max(width), picture.height().max(height));
    let padded;
    let source = if padded_size == (picture.width(), picture.height()) {
        picture
    } else {
        padded = pad(picture, padded_size.0, padded_size.1)?;
        &padded
    };
    let left = half_to_even(source.width() - width);
    let top = half_to_even(source.height() - height);
    crop(source, left, top, width, height)
}

/// `round(lack / 2)`, halves to even.
fn half_to_even(lack: u32) -> u32 {
    let half = lack / 2;
    if lack % 2 == 1 && half % 2 == 1 { half + 1 } else { half }
}

/// Zeros around the picture; the odd pixel goes right and below.
fn pad(picture: &Rgb8, width: u32, height: u32) -> Result<Rgb8, ResizeError> {
    check_size(width.into(), height.into())?;
    let left = (width - picture.width()) as usize / 2;
    let top = (height - picture.height()) as usize / 2;
    let mut data = vec![0; width as usize * height as usize * 3];
    let source_row = picture.width() as usize * 3;
    let rows = data.chunks_exact_mut(width as usize * 3).skip(top);
    for (row, source) in rows.zip(picture.data().chunks_exact(source_row)) {
        row[3 * left..3 * left + source_row].copy_from_slice(source);
    }
    Ok(built(width, height, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(width: u32, height: u32) -> Rgb8 {
        let data = (0..width * height).flat_map(|i| [i as u8 + 1; 3]).collect();
        Rgb8::new(width, height, data).expect("sizes fit")
    }

    fn gray(picture: &Rgb8) -> Vec<u8> {
        picture.data().iter().step_by(3).copied().collect()
    }

    #[test]
    fn short_sides_are_those_of_torchvision() {
        // Section 9 gives height x width.
        for (from, n, to) in [
            ((480, 640), 384, (384, 512)),
            ((500, 333), 224, (336, 224)),
            ((375, 500), 512, (512, 682)),
            ((768, 1024), 340, (340, 453)),
            ((1, 3), 224, (224, 672)),
            ((1000, 1), 224, (224_000, 224)),
            ((7, 7), 5, (5, 5)),
            ((30, 40), 30, (30, 40)),
        ] {
            let (width, height) = short_side(from.1, from.0, n);
            assert_eq!((height, width), to, "{from:?} to {n}");
        }
        assert_eq!(short_side(u32::MAX, 1, 224), (u32::MAX, 224));
    }

    #[test]
    fn centre_offsets_round_half_to_even() {
        let found: Vec<u32> = [0, 1, 2, 3, 4, 5, 6, 7].map(half_to_even).to_vec();
        assert_eq!(found, [0, 0, 1, 2, 2, 2, 3, 4]);
    }

    #[test]
    fn a_small_picture_is_padded_with_zeros_before_the_crop() {
        let found = center_crop(&counting(1, 2), 4, 2).expect("legal");
        assert_eq!(gray(&found), [0, 1, 0, 0, 0, 2, 0, 0]);
        let mixed = center_crop(&counting(3, 1), 1, 3).expect("legal");
        assert_eq!(gray(&mixed), [0, 2, 0]);
    }

    #[test]
    fn a_crop_outside_is_an_error_that_names_both_sizes() {
        let text = crop(&counting(4, 4), 2, 0, 3, 1).expect_err("outside").to_string();
        assert_eq!(text, "cannot cut 3 x 1 at (2, 0) out of a picture of 4 x 4 pixels");
        assert!(crop(&counting(4, 4), u32::MAX, 0, 3, 1).is_err());
        assert!(crop(&counting(4, 4), 0, 0, 0, 1).is_err());
    }
}
