//! The operations of Real-ESRGAN (`papers/degradations.md`, section 3). Called through the table
//! only.

mod jpeg;
mod kernel;
mod noise;

pub(super) use jpeg::jpeg;
pub(super) use kernel::{KINDS, blur};
pub use kernel::{Kind, Shaped};
pub(super) use noise::{noise, poisson};

use super::filter::{Border, gaussian_f32, separable};
use super::resize::{Mode, resize as resized};
use super::table::Values;
use super::{DegradeError, RgbF32};

/// Sigma and radius of the mask's blur: 51 taps.
const SIGMA: f64 = 8.0;
const RADIUS: usize = 25;

/// Differences above this many levels are sharpened, by this share.
const THRESHOLD: f32 = 10.0;
const AMOUNT: f32 = 0.5;

/// Sharpening before everything else, where edges are.
pub(super) fn usm(picture: &RgbF32) -> RgbF32 {
    let kernel = gaussian_f32(SIGMA, RADIUS);
    let smooth = |data: &[f32]| separable(data, picture.shape(), &kernel, &kernel, Border::Mirror);
    let x = picture.data();
    let blur = smooth(x);
    let edge = |(x, blur): (&f32, &f32)| (x - blur).abs() * 255.0 > THRESHOLD;
    let mask: Vec<f32> =
        x.iter().zip(&blur).map(|pair| if edge(pair) { 1.0 } else { 0.0 }).collect();
    let soft = smooth(&mask);
    let mixed = x.iter().zip(&blur).zip(&soft).map(|((x, blur), soft)| {
        let sharp = (x + AMOUNT * (x - blur)).clamp(0.0, 1.0);
        (soft * sharp + (1.0 - soft) * x).clamp(0.0, 1.0)
    });
    picture.with_data(mixed.collect())
}

/// To integer levels and back.
pub(super) fn round(picture: &RgbF32) -> RgbF32 {
    RgbF32::from_levels(&picture.to_levels())
}

/// The number that an address says: 0.7, where the nearest `f32` lies below it, so that 100 pixels are
/// 70 and not 69.
fn as_written(value: f64) -> f64 {
    (value as f32).to_string().parse().unwrap_or(value)
}

/// To height and width, or by a scale: `floor(n scale)`, sampled at `1 / scale` (torch's rule).
///
/// # Errors
/// [`DegradeError::TooSmall`] where nothing would be left, [`DegradeError::TooLarge`].
pub(super) fn resize(picture: &RgbF32, values: &Values) -> Result<RgbF32, DegradeError> {
    let mode = match values.at(3) as u8 {
        0 => Mode::Area,
        1 => Mode::Bilinear,
        _ => Mode::Bicubic,
    };
    let shape = picture.shape();
    let (width, height, ratio) = match values.get(2) {
        Some(scale) => {
            let scale = as_written(scale);
            let side = |n: usize| (n as f64 * scale) as usize;
            (side(shape.width), side(shape.height), Some(1.0 / scale))
        }
        None => (values.at(1) as usize, values.at(0) as usize, None),
    };
    let needed = ratio.map_or(1.0, f64::ceil) as usize;
    picture.check_result("re:resize", [width, height], needed)?;
    // An area is that of the sizes, whatever the scale.
    let ratio = if mode == Mode::Area { None } else { ratio };
    let data = resized(picture.data(), shape, (width, height), ratio, mode, |w| w as f32);
    Ok(RgbF32 { width: width as u32, height: height as u32, data })
}

#[cfg(test)]
mod tests {
    use super::super::{Address, DegradeError, RgbF32};

    fn address(items: &str) -> Result<Address, DegradeError> {
        format!("d1/51e391730a2f9872/{items}").parse()
    }

    fn gray(side: [u32; 2]) -> RgbF32 {
        let [width, height] = side;
        let data = vec![0.5; (3 * width * height) as usize];
        RgbF32::new(width, height, data).expect("sizes fit")
    }

    /// Section 9, check 11.
    #[test]
    fn a_quality_that_the_port_can_not_have_is_refused_with_its_place() {
        for q in ["0", "0.99", "100", "-3"] {
            let found = address(&format!("re:jpeg+q={q}"));
            assert!(matches!(found, Err(DegradeError::Address { .. })), "{q}: {found:?}");
        }
        address("re:jpeg+q=1").expect("legal");
    }

    /// A scale is the number that the address says, not the `f32` below it.
    #[test]
    fn sizes_by_a_scale_are_those_of_its_decimals() {
        for (scale, expected) in [("0.7", (70, 42)), ("0.35", (35, 21)), ("0.9", (90, 54))] {
            let resize = address(&format!("re:resize+scale={scale}+mode=area")).expect("legal");
            let found = resize.apply(&gray([100, 60])).expect("something is left");
            assert_eq!((found.width(), found.height()), expected, "{scale}");
        }
        let small = address("re:resize+scale=0.01+mode=area").expect("legal");
        let found = small.apply(&gray([50, 50]));
        assert!(matches!(found, Err(DegradeError::TooSmall { needed: 100, .. })), "{found:?}");
    }
}
