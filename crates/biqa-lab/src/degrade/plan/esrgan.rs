//! The second-order chain of Real-ESRGAN, with the defaults of its x4plus option file
//! (`papers/degradations.md`, section 3). Draws stand in the order of that table.

use super::Text;
use biqa::random::Sequence;
use std::f64::consts::PI;
use std::fmt::Write;

/// The probability of a sinc kernel, and of each other kind.
const SINC: f64 = 0.1;
const KINDS: [(&str, f64); 6] = [
    ("iso", 0.45),
    ("aniso", 0.25),
    ("generalized_iso", 0.12),
    ("generalized_aniso", 0.03),
    ("plateau_iso", 0.12),
    ("plateau_aniso", 0.03),
];

/// Ranges of beta of the generalized and the plateau kernels.
const GENERALIZED_BETA: [f64; 2] = [0.5, 4.0];
const PLATEAU_BETA: [f64; 2] = [1.0, 2.0];

/// Kernels smaller than this ring with at least a third of the highest frequency.
const SMALL: u64 = 13;

const MODES: [&str; 3] = ["area", "bilinear", "bicubic"];

/// One of the two rounds.
struct Round {
    sigma: [f64; 2],
    /// Probabilities of enlarging and shrinking, and how far.
    up: (f64, f64),
    down: (f64, f64),
    noise: [f64; 2],
    poisson: [f64; 2],
}

const FIRST: Round = Round {
    sigma: [0.2, 3.0],
    up: (0.2, 1.5),
    down: (0.7, 0.15),
    noise: [1.0, 30.0],
    poisson: [0.05, 3.0],
};
const SECOND: Round = Round {
    sigma: [0.2, 1.5],
    up: (0.3, 1.2),
    down: (0.4, 0.3),
    noise: [1.0, 25.0],
    poisson: [0.05, 2.5],
};

/// The probability of the second blur, of the last sinc, and of gray noise.
const SECOND_BLUR: f64 = 0.8;
const LAST_SINC: f64 = 0.8;
const GRAY: f64 = 0.4;

/// The chain for a picture of that size.
pub(super) fn chain(text: &mut Text, draws: &mut Sequence, scale: u32, width: u32, height: u32) {
    let scale = scale.max(1);
    let first = kernel(draws, FIRST.sigma);
    let second = kernel(draws, SECOND.sigma);
    let last = draws.chance(LAST_SINC).then(|| {
        let side = side(draws);
        sinc(side, draws.uniform(PI / 3.0, PI))
    });

    text.push(format_args!("re:usm"));
    text.push(format_args!("{first}"));
    let (factor, mode) = size(draws, &FIRST);
    text.push(format_args!("re:resize+scale={factor}+mode={mode}"));
    noise(text, draws, &FIRST);
    let quality = draws.uniform(30.0, 95.0);
    text.push(format_args!("re:jpeg+q={quality}"));

    if draws.chance(SECOND_BLUR) {
        text.push(format_args!("{second}"));
    }
    let (factor, mode) = size(draws, &SECOND);
    let side = |n: u32| ((f64::from(n) / f64::from(scale) * f64::from(factor)) as u32).max(1);
    text.push(format_args!("re:resize+h={}+w={}+mode={mode}", side(height), side(width)));
    noise(text, draws, &SECOND);

    let to_size = |text: &mut Text, draws: &mut Sequence| {
        let mode = MODES[draws.below(3) as usize];
        let (h, w) = ((height / scale).max(1), (width / scale).max(1));
        text.push(format_args!("re:resize+h={h}+w={w}+mode={mode}"));
        if let Some(last) = &last {
            text.push(format_args!("{last}"));
        }
    };
    let jpeg = |text: &mut Text, draws: &mut Sequence| {
        let quality = draws.uniform(30.0, 95.0);
        text.push(format_args!("re:jpeg+q={quality}"));
    };
    if draws.chance(0.5) {
        to_size(text, draws);
        jpeg(text, draws);
    } else {
        jpeg(text, draws);
        to_size(text, draws);
    }
    text.push(format_args!("re:round"));
}

/// One of 7, 9, ..., 21.
fn side(draws: &mut Sequence) -> u64 {
    7 + 2 * draws.below(8)
}

fn sinc(side: u64, cutoff: f32) -> String {
    format!("re:blur+kind=sinc+ksize={side}+cutoff={cutoff}")
}

fn kernel(draws: &mut Sequence, [lo, hi]: [f64; 2]) -> String {
    let side = side(draws);
    if draws.chance(SINC) {
        let lowest = if side < SMALL { PI / 3.0 } else { PI / 5.0 };
        return sinc(side, draws.uniform(lowest, PI));
    }
    let kind = draws.weighted(&KINDS.map(|(_, weight)| weight)).unwrap_or(0);
    let kind = KINDS[kind].0;
    let mut text = format!("re:blur+kind={kind}+ksize={side}+sx={}", draws.uniform(lo, hi));
    if kind.ends_with("aniso") {
        let sy = draws.uniform(lo, hi);
        let theta = draws.uniform(-PI, PI);
        let _ = write!(text, "+sy={sy}+theta={theta}");
    }
    let beta = match kind.split('_').next() {
        Some("generalized") => Some(GENERALIZED_BETA),
        Some("plateau") => Some(PLATEAU_BETA),
        _ => None,
    };
    if let Some([lo, hi]) = beta {
        let beta = if draws.chance(0.5) { draws.uniform(lo, 1.0) } else { draws.uniform(1.0, hi) };
        let _ = write!(text, "+beta={beta}"); // to a string, which can't fail
    }
    text
}

/// The factor of a resize, and its mode.
fn size(draws: &mut Sequence, round: &Round) -> (f32, &'static str) {
    let (up, largest) = round.up;
    let (down, smallest) = round.down;
    let factor = match draws.weighted(&[up, down, 1.0 - up - down]) {
        Some(0) => draws.uniform(1.0, largest),
        Some(1) => draws.uniform(smallest, 1.0),
        _ => 1.0,
    };
    (factor, MODES[draws.below(3) as usize])
}

fn noise(text: &mut Text, draws: &mut Sequence, round: &Round) {
    if draws.chance(0.5) {
        let sigma = draws.uniform(round.noise[0], round.noise[1]);
        let gray = u8::from(draws.chance(GRAY));
        text.push(format_args!("re:noise+sigma={sigma}+gray={gray}"));
    } else {
        let scale = draws.uniform(round.poisson[0], round.poisson[1]);
        let gray = u8::from(draws.chance(GRAY));
        text.push(format_args!("re:poisson+scale={scale}+gray={gray}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use crate::degrade::RgbF32;
    use biqa::random::Key;

    #[test]
    fn chains_run_and_end_at_their_size() {
        let data = (0..60 * 40 * 3).map(|i| (i % 97) as f32 / 96.0).collect();
        let picture = RgbF32::new(60, 40, data).expect("sizes fit");
        for scale in [1, 4] {
            for i in 0..40 {
                let key = Key::of_picture(3, "chain", i);
                let plan = Plan::RealEsrgan { scale };
                let address = plan.compose(key, 60, 40).expect("an address");
                let found = address.apply(&picture).unwrap_or_else(|e| panic!("{address}: {e}"));
                assert_eq!((found.width(), found.height()), (60 / scale, 40 / scale), "{address}");
                assert!(found.data().iter().all(|v| (0.0..=1.0).contains(v)), "{address}");
            }
        }
    }
}
