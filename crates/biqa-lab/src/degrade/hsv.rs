//! HSV as the distortions need it (`papers/degradations.md`, section 1), in `f64`.

// What lanes call must be compiled into their loop, and has no branches there.
#![allow(clippy::inline_always, clippy::needless_bitwise_bool)]

/// H in [0, 1), S, V of red, green, blue.
#[inline(always)]
pub(super) fn hsv_of_rgb([r, g, b]: [f64; 3]) -> [f64; 3] {
    let largest = r.max(g).max(b);
    let span = largest - r.min(g).min(b);
    let saturation = if largest > 0.0 { span / largest } else { 0.0 };
    [hue([r, g, b], largest, span), saturation, largest]
}

/// The hue in [0, 1): ties go to red, then to green; 0 for gray. Without a branch, for loops over
/// lanes.
#[inline(always)]
pub(super) fn hue([r, g, b]: [f64; 3], largest: f64, span: f64) -> f64 {
    let (red, green) = (largest == r, largest == g);
    let difference = if red {
        g - b
    } else if green {
        b - r
    } else {
        r - g
    };
    let begin = if red {
        0.0
    } else if green {
        2.0
    } else {
        4.0
    };
    let colour = span > 0.0;
    let sixths = begin + difference / if colour { span } else { 1.0 };
    let h = if sixths < 0.0 { sixths + 6.0 } else { sixths } / 6.0;
    if colour & (h < 1.0) { h } else { 0.0 }
}

/// The share of the value V that red, green and blue get; above 1 where `saturation` is negative.
#[inline(always)]
pub(super) fn value_shares(hue: f64, saturation: f64) -> [f64; 3] {
    let mut shares = [5.0, 3.0, 1.0];
    for share in &mut shares {
        let k = *share + 6.0 * hue;
        let k = if k >= 6.0 { k - 6.0 } else { k };
        *share = 1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0);
    }
    shares
}

/// H, S, V back to red, green, blue.
#[inline(always)]
pub(super) fn rgb_of_hsv([h, s, v]: [f64; 3]) -> [f64; 3] {
    let [r, g, b] = value_shares(h, s);
    [v * r, v * g, v * b]
}

/// `x` modulo 1, in [0, 1).
#[inline(always)]
pub(super) fn wrap(x: f64) -> f64 {
    let x = x - x.floor();
    if x < 1.0 { x } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_the_identity() {
        for i in 0..512_u32 {
            let rgb = [i & 7, (i >> 3) & 7, i >> 6].map(|v| f64::from(v) / 7.0);
            let [h, s, v] = hsv_of_rgb(rgb);
            assert!((0.0..1.0).contains(&h) && (0.0..=1.0).contains(&s));
            for (found, expected) in rgb_of_hsv([h, s, v]).iter().zip(rgb) {
                assert!((found - expected).abs() < 1e-12, "{rgb:?}");
            }
        }
    }

    #[test]
    fn pure_colours_have_their_hues() {
        assert_eq!(hsv_of_rgb([0.0, 1.0, 0.0]), [1.0 / 3.0, 1.0, 1.0]);
        assert_eq!(hsv_of_rgb([0.0, 0.0, 0.5]), [4.0 / 6.0, 1.0, 0.5]);
        assert_eq!(hsv_of_rgb([0.5, 0.5, 0.5]), [0.0, 0.0, 0.5]);
        assert_eq!([wrap(1.25), wrap(-0.25), wrap(-1e-20)], [0.25, 0.75, 0.0]);
    }
}
