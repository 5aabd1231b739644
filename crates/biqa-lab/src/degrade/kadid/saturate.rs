//! 7 `saturate_hsv` and the stretch of the release (`papers/degradations.md`, 2.1).

use super::super::RgbF32;
use super::super::hsv::{hsv_of_rgb, value_shares};

/// The saturation of HSV times `factor`. Where the product is negative, values beyond 1 come out,
/// and the whole picture is divided by the largest, as MATLAB's `hsv2rgb` does.
pub(in super::super) fn saturate_hsv(picture: &RgbF32, factor: f64) -> RgbF32 {
    let mut data = Vec::with_capacity(picture.data().len());
    let mut largest_share = 1.0_f64;
    for pixel in picture.data().as_chunks::<3>().0 {
        let [h, s, v] = hsv_of_rgb(pixel.map(f64::from));
        let shares = value_shares(h, s * factor);
        largest_share = shares.iter().fold(largest_share, |a, &b| a.max(b));
        data.extend_from_slice(&shares.map(|share| (v * share) as f32));
    }
    let scale = (1.0 / largest_share) as f32;
    for v in &mut data {
        *v = (*v * scale).clamp(0.0, 1.0);
    }
    picture.with_data(data)
}

/// `(x - min) / (max - min)` over all pixels and channels; a constant picture stays.
pub(in super::super) fn stretch(picture: &RgbF32) -> RgbF32 {
    let mut data = picture.data().to_vec();
    stretch_values(&mut data);
    for v in &mut data {
        *v = v.clamp(0.0, 1.0);
    }
    picture.with_data(data)
}

/// The stretch of any values, in place.
pub(super) fn stretch_values(values: &mut [f32]) {
    let (lo, hi) = values
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    if hi > lo {
        let (lo, range) = (f64::from(lo), f64::from(hi) - f64::from(lo));
        for v in values {
            *v = ((f64::from(*v) - lo) / range) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_gives_its_values() {
        let pixel = [200.0 / 255.0, 100.0 / 255.0, 50.0 / 255.0];
        let [h, s, v] = hsv_of_rgb(pixel);
        for (factor, expected) in [
            (0.4, [0.784314, 0.627451, 0.549020]),
            (0.0, [0.784314, 0.784314, 0.784314]),
            (-0.4, [0.784314, 0.941176, 1.019608]),
        ] {
            let found = value_shares(h, s * factor).map(|share| v * share);
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-6, "factor {factor}: {found} {expected}");
            }
        }
    }

    #[test]
    fn stretching_twice_is_stretching_once_and_a_constant_stays() {
        let picture = RgbF32::new(2, 1, vec![0.2, 0.3, 0.9, 0.25, 0.5, 0.6]).expect("sizes fit");
        let once = stretch(&picture);
        assert_eq!((once.data()[0], once.data()[2]), (0.0, 1.0));
        assert_eq!(stretch(&once), once);
        let constant = RgbF32::new(1, 1, vec![0.4; 3]).expect("sizes fit");
        assert_eq!(stretch(&constant), constant);
    }
}
