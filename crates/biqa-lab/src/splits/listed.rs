//! Parts that somebody else drew: official splits, lists and columns (`papers/protocol.md`, section
//! 2). What they lack, a validation part or a smaller training part, is cut from their training
//! groups by the rule `biqa-split-v1` with index 0.

use super::groups::{Digest, Groups};
use super::lists::note_unlisted;
use super::order::{biqa_order, small, validation};
use super::{Form, Options, Split, SplitError, dataset_name};
use crate::datasets::{Manifest, Split as Part, find};
use std::collections::HashSet;

/// The parts that the manifest's `split` column holds.
pub(super) fn official(manifest: &Manifest) -> Result<Split, SplitError> {
    let known = find(&manifest.dataset).and_then(|set| set.official_split);
    let source = match known {
        Some(words) => format!("the official split ({words})"),
        None => "the official split".to_owned(),
    };
    of_parts(manifest, &source, |i| manifest.rows[i].split)
}

/// The parts of a column that a list of others brings, one a row of the manifest, such as pyiqa's
/// `official_split` or `ratio802_seed123_split_01`; `None` is no part. `source` names list and
/// column, for errors.
pub(super) fn of_column(
    manifest: &Manifest,
    source: &str,
    parts: &[Option<Part>],
) -> Result<Split, SplitError> {
    of_parts(manifest, source, |i| parts[i])
}

fn of_parts(
    manifest: &Manifest,
    source_name: &str,
    part_of: impl Fn(usize) -> Option<Part>,
) -> Result<Split, SplitError> {
    let mut split = Split::default();
    let mut unlisted = 0;
    for i in 0..manifest.rows.len() {
        match part_of(i) {
            Some(part) => split.part_mut(part).push(i),
            None => unlisted += 1,
        }
    }
    if unlisted == manifest.rows.len() {
        return Err(SplitError::NoParts {
            dataset: manifest.dataset.clone(),
            source_name: source_name.to_owned(),
        });
    }
    for part in [Part::Train, Part::Test] {
        if split.part(part).is_empty() {
            return Err(SplitError::Empty { part, source_name: source_name.to_owned() });
        }
    }
    note_unlisted(&mut split, unlisted, manifest);
    Ok(split)
}

/// Cuts what the form and the fraction ask for and the lists lack.
pub(super) fn cut(
    split: &mut Split,
    manifest: &Manifest,
    digests: Option<&[Digest]>,
    options: &Options,
) -> Result<(), SplitError> {
    let lacks_val = options.form == Form::Honest && split.val.is_empty();
    if !lacks_val && options.fraction.is_none() {
        return Ok(());
    }
    let training: HashSet<usize> = split.train.iter().copied().collect();
    let Groups(all) = Groups::of(manifest, digests);
    let groups: Vec<&Vec<usize>> =
        all.iter().filter(|rows| rows.iter().any(|row| training.contains(row))).collect();
    let m = groups.len();
    let order = biqa_order(&dataset_name(manifest), options.seed, 0, m);
    let keep = |part: &[usize], numbers: &[usize]| -> Vec<usize> {
        let rows: HashSet<usize> = numbers.iter().flat_map(|&g| groups[g]).copied().collect();
        part.iter().copied().filter(|row| rows.contains(row)).collect()
    };
    let mut trains = m;
    if lacks_val {
        let val = validation(m);
        if val >= m {
            let (dataset, form) = (manifest.dataset.clone(), options.form);
            return Err(SplitError::TooFew { dataset, groups: m, fewest: 2, form });
        }
        trains = m - val;
        split.val = keep(&split.train, &order[trains..]);
    }
    if let Some(fraction) = options.fraction {
        trains = small(fraction, all.len(), m).min(trains);
    }
    split.train = keep(&split.train, &order[..trains]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::manifest;
    use super::super::{Fraction, FractionOf, Rule, split};
    use super::*;

    /// Twenty images in ten contents; the first eight contents train, the others test.
    fn set() -> Manifest {
        let rows: Vec<(String, String)> =
            (0..20).map(|i| (format!("{i}.png"), format!("c{}", i / 2))).collect();
        let rows: Vec<(&str, &str)> =
            rows.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
        let mut manifest = manifest(&rows);
        for (i, row) in manifest.rows.iter_mut().enumerate() {
            row.split = Some(if i < 16 { Part::Train } else { Part::Test });
        }
        manifest
    }

    fn options(form: Form, fraction: Option<f64>) -> Options {
        let fraction = fraction.map(|share| Fraction { share, of: FractionOf::Dataset });
        Options { rule: Rule::Official, form, fraction, ..Options::default() }
    }

    #[test]
    fn an_official_split_is_taken_as_it_is() {
        let found = split(&set(), None, &options(Form::Published, None)).expect("parts");
        assert_eq!(found.train, (0..16).collect::<Vec<_>>());
        assert_eq!((found.val.len(), found.test), (0, vec![16, 17, 18, 19]));
    }

    #[test]
    fn a_lacking_validation_part_is_a_tenth_of_the_training_groups() {
        let found = split(&set(), None, &options(Form::Honest, None)).expect("parts");
        // Eight groups of live's rule: the last of the order chooses.
        let last = biqa_order("live", 0, 0, 8)[7];
        assert_eq!(found.val, [2 * last, 2 * last + 1]);
        assert_eq!((found.train.len(), found.test), (14, vec![16, 17, 18, 19]));
        assert!(found.train.is_sorted()); // the order of the lists stays
    }

    #[test]
    fn a_given_validation_part_stays() {
        let mut set = set();
        for row in &mut set.rows[..2] {
            row.split = Some(Part::Val);
        }
        set.rows[19].split = None;
        let found = split(&set, None, &options(Form::Honest, None)).expect("parts");
        assert_eq!((found.val, found.train.len()), (vec![0, 1], 14));
        assert_eq!(found.notes, ["1 of 20 images stand in no part and are left out"]);
    }

    #[test]
    fn small_samples_lie_inside_each_other_and_outside_validation() {
        let mut before: Vec<usize> = Vec::new();
        for (share, groups) in [(0.2, 2), (0.4, 4), (0.6, 6), (0.8, 7)] {
            let found = split(&set(), None, &options(Form::Honest, Some(share))).expect("parts");
            assert_eq!((found.train.len(), found.val.len()), (2 * groups, 2), "{share}");
            assert!(before.iter().all(|row| found.train.contains(row)));
            before = found.train;
        }
    }

    #[test]
    fn a_set_without_official_parts_says_so() {
        let mut set = set();
        for row in &mut set.rows {
            row.split = None;
        }
        let error = split(&set, None, &options(Form::Honest, None)).expect_err("no parts");
        assert!(error.to_string().contains("live"), "{error}");
        set.rows[0].split = Some(Part::Test);
        let error = split(&set, None, &options(Form::Honest, None)).expect_err("no training part");
        assert!(error.to_string().contains("train"), "{error}");
        // What a set's official split is, where it has one.
        set.dataset = "pipal".to_owned();
        let error = split(&set, None, &options(Form::Honest, None)).expect_err("no training part");
        assert!(error.to_string().contains("labels = both"), "{error}");
    }
}
