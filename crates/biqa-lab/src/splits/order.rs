//! The rule `biqa-split-v1` and how many groups go where (`papers/protocol.md`, 1.2, 2 and 2.2).

use super::{Form, Fraction, FractionOf};
use biqa::random::{fnv1a64, scale_below, splitmix64};

/// The groups that train, with those that choose.
pub const TRAIN_SHARE: f64 = 0.8;
/// The groups that choose, in `honest`.
pub const VAL_SHARE: f64 = 0.1;

/// The groups 0..m in the order of split `index`: train first, test last.
pub fn biqa_order(dataset: &str, seed: u64, index: u32, m: usize) -> Vec<usize> {
    let base = base(dataset, seed, index);
    let mut order: Vec<usize> = (0..m).collect();
    for (t, i) in (1..m).rev().enumerate() {
        let r = splitmix64(base.wrapping_add(t as u64));
        order.swap(i, scale_below(r, i as u64 + 1) as usize);
    }
    order
}

fn base(dataset: &str, seed: u64, index: u32) -> u64 {
    fnv1a64(&format!("biqa-split-v1/{dataset}/{seed}/{index}"))
}

/// Python's `round` of a share of a count.
fn rounded(share: f64, count: usize) -> usize {
    (share * count as f64).round_ties_even() as usize
}

/// How many groups go where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The first of the order: what trains in `published`, what trains and chooses in `honest`.
    pub train: usize,
    /// The last of those: what chooses in `honest`.
    pub val: usize,
}

impl Sizes {
    /// Of `m` groups. At least one trains and, from two groups on, one tests.
    pub fn of(m: usize) -> Sizes {
        Sizes::of_shares(m, TRAIN_SHARE, VAL_SHARE)
    }

    /// The same with other shares than those of the rule.
    pub fn of_shares(m: usize, train: f64, val: f64) -> Sizes {
        let most = m.saturating_sub(1).max(1);
        Sizes { train: rounded(train, m).clamp(1, most), val: rounded(val, m).max(1) }
    }

    /// How many of the first groups train in a form.
    pub fn trains(&self, form: Form) -> usize {
        match form {
            Form::Published => self.train,
            Form::Honest => self.train.saturating_sub(self.val),
        }
    }
}

/// How many of `m` groups choose.
pub(super) fn validation(m: usize) -> usize {
    Sizes::of(m).val
}

/// The fewest groups that a form can be cut from.
pub fn fewest(form: Form) -> usize {
    match form {
        Form::Published => 2,
        Form::Honest => 3,
    }
}

/// How many of the first groups a small training part takes, of `m` groups of which `train` are the
/// full part (with validation). A smaller training part caps it.
pub fn small(fraction: Fraction, m: usize, train: usize) -> usize {
    match fraction.of {
        FractionOf::Dataset => rounded(fraction.share, m).max(1).min(train),
        FractionOf::Train => rounded(fraction.share, train).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_comes_out() {
        let base = base("live", 0, 0);
        assert_eq!(base, 0x8beb_eb34_2a9f_9bfa);
        for (t, (r, i, j)) in [
            (0xb87e_f7bc_b9d5_48b2, 28, 20),
            (0x6062_e632_37ea_faf4, 27, 10),
            (0xfcfb_20b8_d68f_8e70, 26, 26),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(splitmix64(base + t as u64), r);
            assert_eq!(scale_below(r, i + 1), j);
        }
        let order = [
            22, 6, 12, 5, 13, 8, 21, 7, 23, 14, 11, 17, 9, 19, 0, 24, 16, 1, 18, 15, 25, 2, 4, 28,
            3, 27, 26, 10, 20,
        ];
        assert_eq!(biqa_order("live", 0, 0, 29), order);
        let sizes = Sizes::of(29);
        assert_eq!(order[sizes.train..], [28, 3, 27, 26, 10, 20]);
        assert_eq!(order[sizes.trains(Form::Honest)..sizes.train], [25, 2, 4]);
    }

    #[test]
    fn the_sizes_are_those_of_the_table() {
        for (m, train, test, val, honest) in [
            (29, 23, 6, 3, 20),
            (30, 24, 6, 3, 21),
            (25, 20, 5, 2, 18),
            (81, 65, 16, 8, 57),
            (15, 12, 3, 2, 10),
            (586, 469, 117, 59, 410),
            (1162, 930, 232, 116, 814),
            (10073, 8058, 2015, 1007, 7051),
            (39810, 31848, 7962, 3981, 27867),
            (11125, 8900, 2225, 1112, 7788),
        ] {
            let sizes = Sizes::of(m);
            assert_eq!((sizes.train, m - sizes.train, sizes.val), (train, test, val), "{m}");
            assert_eq!(sizes.trains(Form::Honest), honest, "{m}");
        }
    }

    #[test]
    fn the_smallest_sets_have_a_group_in_every_part() {
        let two = Sizes::of(2);
        assert_eq!((two.train, two.trains(Form::Published)), (1, 1));
        let three = Sizes::of(3);
        assert_eq!((three.train, three.val, three.trains(Form::Honest)), (2, 1, 1));
    }

    #[test]
    fn the_full_share_of_the_data_set_is_the_whole_training_part() {
        let fraction = |share, of| Fraction { share, of };
        for m in [2, 3, 5, 29, 81, 1162, 10073] {
            let train = Sizes::of(m).train;
            assert_eq!(small(fraction(0.8, FractionOf::Dataset), m, train), train, "{m}");
            assert_eq!(small(fraction(1.0, FractionOf::Train), m, train), train, "{m}");
        }
        assert_eq!(small(fraction(0.2, FractionOf::Dataset), 29, 23), 6);
        assert_eq!(small(fraction(0.2, FractionOf::Train), 29, 23), 5);
        assert_eq!(small(fraction(0.01, FractionOf::Train), 29, 23), 1);
    }

    #[test]
    fn seed_index_and_set_each_change_the_order() {
        let order = biqa_order("live", 0, 0, 29);
        assert_ne!(order, biqa_order("live", 1, 0, 29));
        assert_ne!(order, biqa_order("live", 0, 1, 29));
        assert_ne!(order, biqa_order("csiq", 0, 0, 29));
    }
}
