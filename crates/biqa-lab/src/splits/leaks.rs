//! No content and no file on both sides (`papers/protocol.md`, 2.1).

use super::groups::{Digest, equal_bytes};
use super::lists::PARTS;
use super::{Options, Split, SplitError};
use crate::datasets::{Manifest, Split as Part};
use std::collections::HashMap;
use std::hash::Hash;

/// Two rows that should be in one part.
struct Leak {
    first: (usize, Part),
    second: (usize, Part),
}

/// Refuses a content key or a file's bytes in two parts, or notes them where `allow_leak` is set.
/// Equal bytes under different contents are always noted.
pub(super) fn check(
    split: &mut Split,
    manifest: &Manifest,
    digests: Option<&[Digest]>,
    options: &Options,
) -> Result<(), SplitError> {
    let path = |i: usize| manifest.rows[i].path.clone();
    let contents = leaks(split, |i| manifest.rows[i].content.as_str());
    if let Some(Leak { first, second }) = contents.first() {
        let content = manifest.rows[first.0].content.clone();
        if !options.allow_leak {
            let (first_part, second_part) = (first.1, second.1);
            let (first, second) = (path(first.0), path(second.0));
            return Err(SplitError::Content { content, first, first_part, second, second_part });
        }
        split.notes.push(format!(
            "leak allowed: {} images have a content that another part has too, first: {:?} ({}) \
             and {:?} ({}) of {content:?}",
            contents.len(),
            path(first.0),
            first.1,
            path(second.0),
            second.1,
        ));
    }
    let Some(digests) = digests else { return Ok(()) };
    let pairs = equal_bytes(manifest, digests);
    if let Some(&(a, b)) = pairs.first() {
        split.notes.push(format!(
            "{} files hold the same bytes under two names, first: {:?} and {:?}{}",
            pairs.len(),
            path(a),
            path(b),
            if options.group_equal_bytes { "; their contents count as one" } else { "" },
        ));
    }
    let files = leaks(split, |i| digests[i]);
    if let Some(Leak { first, second }) = files.first() {
        if !options.allow_leak {
            let (first_part, second_part) = (first.1, second.1);
            let (first, second) = (path(first.0), path(second.0));
            return Err(SplitError::Bytes { first, first_part, second, second_part });
        }
        split.notes.push(format!(
            "leak allowed: {} files lie byte for byte in another part too, first: {:?} ({}) and \
             {:?} ({})",
            files.len(),
            path(first.0),
            first.1,
            path(second.0),
            second.1,
        ));
    }
    Ok(())
}

/// The rows whose key stood in another part before, each with the first row of that key.
fn leaks<K: Eq + Hash>(split: &Split, key: impl Fn(usize) -> K) -> Vec<Leak> {
    let mut firsts: HashMap<K, (usize, Part)> = HashMap::new();
    let mut found = Vec::new();
    for part in PARTS {
        for &i in split.part(part) {
            let first = *firsts.entry(key(i)).or_insert((i, part));
            if first.1 != part {
                found.push(Leak { first, second: (i, part) });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::manifest;
    use super::*;

    fn set() -> Manifest {
        manifest(&[("a.png", "k"), ("b.png", "b"), ("c.png", "k"), ("d.png", "d")])
    }

    fn halves(train: &[usize], test: &[usize]) -> Split {
        Split { train: train.to_vec(), test: test.to_vec(), ..Split::default() }
    }

    #[test]
    fn a_content_on_both_sides_is_refused_with_its_files() {
        let mut split = halves(&[0, 1], &[2, 3]);
        let error = check(&mut split, &set(), None, &Options::default()).expect_err("a leak");
        let error = error.to_string();
        for named in ["\"k\"", "a.png", "c.png", "train", "test", "--allow-leak"] {
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn an_allowed_leak_is_noted() {
        let mut split = halves(&[0, 1], &[2, 3]);
        let options = Options { allow_leak: true, ..Options::default() };
        check(&mut split, &set(), None, &options).expect("allowed");
        assert_eq!(split.notes.len(), 1);
        assert!(split.notes[0].contains("c.png"), "{:?}", split.notes);
    }

    #[test]
    fn equal_bytes_on_both_sides_are_refused_and_within_a_part_noted() {
        let digests = [[1; 32], [2; 32], [1; 32], [2; 32]];
        let mut split = halves(&[0, 2, 1], &[3]);
        let found = check(&mut split, &set(), Some(&digests), &Options::default());
        let error = found.expect_err("the same bytes").to_string();
        assert!(error.contains("b.png") && error.contains("d.png"), "{error}");
        let mut split = halves(&[0, 2], &[1, 3]);
        check(&mut split, &set(), Some(&digests), &Options::default()).expect("no leak");
        assert_eq!(split.notes.len(), 1);
        assert!(split.notes[0].contains("two names"), "{:?}", split.notes);
    }

    #[test]
    fn separate_contents_are_no_leak() {
        let mut split = halves(&[0, 2], &[1, 3]);
        check(&mut split, &set(), None, &Options::default()).expect("no leak");
        assert!(split.notes.is_empty());
    }
}
