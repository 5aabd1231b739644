//! Plans: which operations, in which order, how strong (`papers/degradations.md`, sections 2.2, 3,
//! 4, 7; `papers/qpt.md`, section 3). Called by `biqa degrade` and by pretraining.
//!
//! A plan draws from the key's plan position and gives an [`Address`]; everything that it drew
//! stands there. Nothing is drawn that is not needed.

mod bsrgan;
mod esrgan;
mod size;
mod words;

pub use size::{groups, ordered, subsets};

use super::severity::kadid;
use super::{Address, DegradeError, Distortion, distortion, distortions};
use biqa::random::{Key, PLAN, Sequence};
use std::fmt::Write;

/// Levels of an operation.
const LEVELS: u64 = 5;

/// How compositions are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// QPT: `draws` operations one after the other, a level each; the whole `orders` times.
    Qpt {
        /// All 29 operations, or the 26 of the third-party list.
        space: QptSpace,
        /// Operations a round.
        draws: u32,
        /// Rounds.
        orders: u32,
        /// No operation twice in a round.
        distinct: bool,
    },
    /// Every operation of `kadid:` kept or skipped by a fair coin, a level each, the kept ones
    /// shuffled; the whole `orders` times. The draws are our choice.
    Shuffle {
        /// Rounds: 2 is "second order".
        orders: u32,
    },
    /// ARNIQA's: up to `most` of its seven groups, one operation of each, low levels more often.
    /// The operations are those of `kadid:`, and `arniqa:contrast_nl`.
    Groups {
        /// The most groups, 1 to 7 (ARNIQA trains with 4).
        most: u32,
    },
    /// The chain of Real-ESRGAN; `scale` 4 for its x4 models, 1 for quality assessment.
    RealEsrgan {
        /// By how much the result is smaller.
        scale: u32,
    },
    /// The chain of BSRGAN.
    Bsrgan {
        /// By how much the result is smaller: 1, 2 or 4.
        scale: u32,
    },
    /// The longer chain of BSRGAN's "plus" variant.
    BsrganPlus {
        /// By how much the result is smaller: 1, 2 or 4.
        scale: u32,
    },
}

/// Which of QPT's operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QptSpace {
    /// All 29: the size agrees with the paper's abstract.
    Qpt29,
    /// The 26 that the third-party list has active.
    Qpt26,
}

/// The operations that the third-party list has disabled.
const DISABLED: [&str; 3] = ["bilateral_usm_sharpen", "photoshop_usm_sharpen", "poisson_noise"];

impl QptSpace {
    /// The operations, in the table's order.
    pub fn operations(self) -> Vec<&'static Distortion> {
        let active = |op: &&Distortion| self == QptSpace::Qpt29 || !DISABLED.contains(&op.name);
        distortions().filter(|op| op.family == "qpt").filter(active).collect()
    }
}

/// ARNIQA's groups.
const GROUPS: [&[&str]; 7] = [
    &["gaussian_blur", "lens_blur", "motion_blur"],
    &["color_diffusion", "color_shift", "saturate_hsv", "saturate_lab"],
    &["jpeg2000", "jpeg"],
    &["noise_white", "noise_color", "noise_impulse", "noise_multiplicative"],
    &["brighten", "darken", "mean_shift"],
    &["jitter", "patch_swap", "pixelate", "quantize", "color_block"],
    &["sharpen", "contrast", "contrast_nl"],
];

/// The variance of ARNIQA's half normal over levels 0 to 4, doubled.
const LEVEL_SPREAD: f64 = 12.5;

impl Plan {
    /// The plans that a word names.
    pub const NAMES: [&str; 6] =
        ["qpt", "shuffle", "groups", "real-esrgan", "bsrgan", "bsrgan-plus"];

    /// The plan of that word, with the defaults of its paper.
    pub fn named(name: &str) -> Option<Plan> {
        Some(match name {
            "qpt" => Plan::Qpt { space: QptSpace::Qpt29, draws: 5, orders: 1, distinct: false },
            "shuffle" => Plan::Shuffle { orders: 1 },
            "groups" => Plan::Groups { most: 4 },
            "real-esrgan" => Plan::RealEsrgan { scale: 1 },
            "bsrgan" => Plan::Bsrgan { scale: 1 },
            "bsrgan-plus" => Plan::BsrganPlus { scale: 1 },
            _ => return None,
        })
    }

    /// The composition of a key, for a picture of that size (chains resize).
    ///
    /// # Errors
    /// [`DegradeError::Address`] where a plan asks for more operations than an address holds.
    pub fn compose(&self, key: Key, width: u32, height: u32) -> Result<Address, DegradeError> {
        let mut draws = key.at(PLAN).sequence();
        let mut text = Text::new(key);
        match *self {
            Plan::Qpt { space, draws: count, orders, distinct } => {
                qpt(&mut text, &mut draws, &space.operations(), [count, orders], distinct);
            }
            Plan::Shuffle { orders } => {
                (0..orders).for_each(|_| shuffle(&mut text, &mut draws));
            }
            Plan::Groups { most } => groups_of_arniqa(&mut text, &mut draws, most),
            Plan::RealEsrgan { scale } => {
                esrgan::chain(&mut text, &mut draws, scale, width, height);
            }
            Plan::Bsrgan { scale } => bsrgan::chain(&mut text, &mut draws, scale, width, height),
            Plan::BsrganPlus { scale } => bsrgan::plus(&mut text, &mut draws, scale, width, height),
        }
        text.address()
    }

    /// What QPT's space may be instead, and how large it is then (section 7): the paper says "roughly
    /// 2 x 10^7".
    pub fn readings_of_qpt() -> [(&'static str, Option<u128>); 4] {
        let subset = subsets(10, 1);
        [
            ("5 of 29, levels not counted", ordered(29, 5, 1, 1)),
            ("5 of 26, levels not counted", ordered(26, 5, 1, 1)),
            ("10 shuffled, twice, added", subset.map(|n| 2 * n)),
            ("10 shuffled, twice, as pairs", subset.and_then(|n| n.checked_pow(2))),
        ]
    }

    /// How many compositions there are, levels counted where there are levels; `None` where a
    /// parameter is continuous, or beyond 2^128.
    pub fn size(&self) -> Option<u128> {
        self.count(u128::from(LEVELS))
    }

    /// As [`Plan::size`], levels not counted.
    pub fn size_without_levels(&self) -> Option<u128> {
        self.count(1)
    }

    /// Whether parameters are drawn from ranges, so that there is nothing to count.
    pub fn is_continuous(&self) -> bool {
        matches!(self, Plan::RealEsrgan { .. } | Plan::Bsrgan { .. } | Plan::BsrganPlus { .. })
    }

    fn count(&self, levels: u128) -> Option<u128> {
        match *self {
            Plan::Qpt { space, draws, orders, distinct } => {
                let n = space.operations().len() as u128;
                if distinct {
                    size::distinct(n, draws, levels)?.checked_pow(orders)
                } else {
                    ordered(n, draws, orders, levels)
                }
            }
            Plan::Shuffle { orders } => {
                subsets(kadid().count() as u128, levels)?.checked_pow(orders)
            }
            Plan::Groups { most } => groups(&GROUPS.map(|g| g.len() as u128), levels, most),
            Plan::RealEsrgan { .. } | Plan::Bsrgan { .. } | Plan::BsrganPlus { .. } => None,
        }
    }
}

/// An address being written.
struct Text {
    text: String,
    items: usize,
}

impl Text {
    fn new(key: Key) -> Text {
        Text { text: format!("d1/{:016x}", key.0), items: 0 }
    }

    fn push(&mut self, item: std::fmt::Arguments<'_>) {
        self.items += 1;
        // Writing to a string can't fail.
        let _ = write!(self.text, "/{item}");
    }

    fn address(mut self) -> Result<Address, DegradeError> {
        if self.items == 0 {
            self.text.push_str("/-");
        }
        self.text.parse()
    }
}

/// Per place the operation, then its level.
fn qpt(
    text: &mut Text,
    draws: &mut Sequence,
    operations: &[&'static Distortion],
    [count, orders]: [u32; 2],
    distinct: bool,
) {
    for _ in 0..orders {
        let mut left = operations.to_vec();
        for _ in 0..count.min(if distinct { left.len() as u32 } else { count }) {
            let i = draws.below(left.len() as u64) as usize;
            let op = if distinct { left.remove(i) } else { left[i] };
            push_level(text, op, 1 + draws.below(LEVELS));
        }
    }
}

fn push_level(text: &mut Text, op: &Distortion, level: u64) {
    text.push(format_args!("{}:{}@{level}", op.family, op.name));
}

fn shuffle(text: &mut Text, draws: &mut Sequence) {
    let mut kept = Vec::new();
    for op in kadid() {
        if draws.chance(0.5) {
            kept.push((op, 1 + draws.below(LEVELS)));
        }
    }
    for i in draws.permutation(kept.len()) {
        push_level(text, kept[i].0, kept[i].1);
    }
}

fn groups_of_arniqa(text: &mut Text, draws: &mut Sequence, most: u32) {
    let most = u64::from(most).clamp(1, GROUPS.len() as u64);
    let count = 1 + draws.below(most) as usize;
    let order = draws.permutation(GROUPS.len());
    let weights = [0.0, 1.0, 2.0, 3.0, 4.0].map(|i: f64| libm::exp(-i * i / LEVEL_SPREAD));
    for &group in &order[..count] {
        let name = GROUPS[group][draws.below(GROUPS[group].len() as u64) as usize];
        let level = 1 + draws.weighted(&weights).unwrap_or(0);
        let family = if distortion("kadid", name).is_none() && name == "contrast_nl" {
            "arniqa"
        } else {
            "kadid"
        };
        text.push(format_args!("{family}:{name}@{level}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn key(i: u64) -> Key {
        Key::of_picture(7, "plan", i)
    }

    #[test]
    fn every_plan_gives_addresses_that_print_and_parse() {
        for name in Plan::NAMES {
            let plan = Plan::named(name).expect("a name of the list");
            for i in 0..300 {
                let address = plan.compose(key(i), 384, 300).expect(name);
                let printed = address.to_string();
                assert_eq!(printed.parse().as_ref(), Ok(&address), "{printed}");
                assert_eq!(plan.compose(key(i), 384, 300), Ok(address));
            }
        }
        assert_eq!(Plan::named("none"), None);
    }

    #[test]
    fn sizes_are_those_of_the_specification() {
        let qpt = |space, distinct| Plan::Qpt { space, draws: 5, orders: 1, distinct };
        assert_eq!(qpt(QptSpace::Qpt29, false).size(), Some(64_097_340_625));
        assert_eq!(QptSpace::Qpt29.operations().len(), 29);
        assert_eq!(QptSpace::Qpt26.operations().len(), 26);
        assert_eq!(Plan::Groups { most: 4 }.size(), Some(68_638_820));
        assert_eq!(Plan::Groups { most: 7 }.size(), Some(1_811_302_888_820));
        let esrgan = Plan::RealEsrgan { scale: 4 };
        assert_eq!((esrgan.is_continuous(), esrgan.size_without_levels()), (true, None));
        let twice = Plan::Shuffle { orders: 2 };
        assert_eq!((twice.is_continuous(), twice.size_without_levels()), (false, None));
        let shuffle = Plan::Shuffle { orders: 1 };
        // 25 at most once: round(25! e).
        let without = Some(42_163_840_398_198_058_854_693_626);
        assert_eq!((shuffle.size(), shuffle.size_without_levels()), (None, without));
        let five = (25..=29).product::<u128>() * 5_u128.pow(5);
        assert_eq!(qpt(QptSpace::Qpt29, true).size(), Some(five));
    }

    #[test]
    fn qpt_draws_operations_levels_and_first_places_evenly() {
        let plan = Plan::named("qpt").expect("a plan");
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        let mut levels = [0_u32; 5];
        let mut first: BTreeMap<&str, u32> = BTreeMap::new();
        for i in 0..5800 {
            let address = plan.compose(key(i), 64, 64).expect("an address");
            assert_eq!(address.items.len(), 5);
            *first.entry(address.items[0].op.name).or_default() += 1;
            for item in &address.items {
                *counts.entry(item.op.name).or_default() += 1;
                levels[usize::from(item.level.expect("a level")) - 1] += 1;
            }
        }
        // Binomial: 29,000 draws, 1,000 an operation; five standard deviations.
        let fits = |found: u32, n: f64, p: f64| {
            (f64::from(found) - n * p).abs() < 5.0 * (n * p * (1.0 - p)).sqrt()
        };
        assert_eq!(counts.len(), 29);
        assert!(counts.values().all(|&c| fits(c, 29_000.0, 1.0 / 29.0)), "{counts:?}");
        assert!(levels.iter().all(|&c| fits(c, 29_000.0, 0.2)), "{levels:?}");
        assert!(first.values().all(|&c| fits(c, 5_800.0, 1.0 / 29.0)), "{first:?}");
    }

    #[test]
    fn distinct_draws_repeat_nothing_in_a_round() {
        let plan = Plan::Qpt { space: QptSpace::Qpt26, draws: 26, orders: 2, distinct: true };
        let address = plan.compose(key(1), 64, 64).expect("an address");
        for round in address.items.chunks(26) {
            let mut names: Vec<&str> = round.iter().map(|item| item.op.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), 26);
        }
    }

    #[test]
    fn arniqas_levels_have_their_probabilities() {
        let expected = [0.292907, 0.270387, 0.212694, 0.142573, 0.081439];
        let weights = [0.0, 1.0, 2.0, 3.0, 4.0].map(|i: f64| libm::exp(-i * i / LEVEL_SPREAD));
        let sum: f64 = weights.iter().sum();
        for (weight, expected) in weights.iter().zip(expected) {
            assert!((weight / sum - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn the_shuffle_skips_half_and_repeats_nothing_in_a_round() {
        let total: usize = (0..200)
            .map(|i| {
                let address = Plan::Shuffle { orders: 1 }.compose(key(i), 64, 64).expect("fits");
                let mut names: Vec<&str> = address.items.iter().map(|item| item.op.name).collect();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), address.items.len());
                names.len()
            })
            .sum();
        let half = kadid().count() as f64 / 2.0;
        assert!((total as f64 / 200.0 - half).abs() < 1.0, "{total}");
    }
}
