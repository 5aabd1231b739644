//! The groups that are shared out: contents, and contents that hold the same file
//! (`papers/protocol.md`, 2 and 2.1).

use super::SplitError;
use crate::datasets::Manifest;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

/// SHA-256 of a file's bytes.
pub type Digest = [u8; 32];

/// The digest of every row's file, in the order of the rows.
pub fn file_digests(manifest: &Manifest) -> Result<Vec<Digest>, SplitError> {
    manifest
        .rows
        .par_iter()
        .map(|row| {
            let path = manifest.file(row);
            let bytes = std::fs::read(&path).map_err(|source| SplitError::Read { path, source })?;
            Ok(Sha256::digest(bytes).into())
        })
        .collect()
}

/// Which of some files are byte for byte among others: their positions in both, the first of equal
/// others. Only files of equal length are read; one that can't be is no copy.
pub fn same_bytes(files: &[&Path], others: &[&Path]) -> Vec<(usize, usize)> {
    let length = |path: &&Path| std::fs::metadata(path).map_or(0, |about| about.len());
    let lengths = |paths: &[&Path]| -> Vec<u64> { paths.par_iter().map(length).collect() };
    let (lengths, of_others) = (lengths(files), lengths(others));
    let common: BTreeSet<u64> = {
        let known: BTreeSet<u64> = of_others.iter().copied().collect();
        lengths.iter().copied().filter(|n| *n > 0 && known.contains(n)).collect()
    };
    let digests = |paths: &[&Path], lengths: &[u64]| -> Vec<Option<Digest>> {
        let pairs = paths.par_iter().zip(lengths);
        let digest = |(path, n): (&&Path, &u64)| {
            let bytes = common.contains(n).then(|| std::fs::read(path).ok()).flatten()?;
            Some(Sha256::digest(bytes).into())
        };
        pairs.map(digest).collect()
    };
    let mut known: BTreeMap<Digest, usize> = BTreeMap::new();
    for (i, digest) in digests(others, &of_others).into_iter().enumerate() {
        if let Some(digest) = digest {
            known.entry(digest).or_insert(i);
        }
    }
    let found = digests(files, &lengths).into_iter().enumerate();
    found.filter_map(|(i, digest)| Some((i, *known.get(&digest?)?))).collect()
}

/// Positions of rows by group: groups sorted by the bytes of their key, rows in manifest order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Groups(pub Vec<Vec<usize>>);

impl Groups {
    /// One group a content. With `digests`, contents that share a file are one group, which has
    /// the place of the first of their keys.
    pub fn of(manifest: &Manifest, digests: Option<&[Digest]>) -> Groups {
        let mut by_content: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, row) in manifest.rows.iter().enumerate() {
            by_content.entry(&row.content).or_default().push(i);
        }
        let groups: Vec<Vec<usize>> = by_content.into_values().collect();
        match digests {
            Some(digests) => Groups(united(groups, digests)),
            None => Groups(groups),
        }
    }

    /// The numbering of GlintIQA's code: CSIQ's references are sorted descending
    /// (`papers/glintiqa.md`, 4.2).
    pub fn of_glintiqa(manifest: &Manifest, digests: Option<&[Digest]>) -> Groups {
        let mut groups = Groups::published(manifest, digests);
        if manifest.dataset == "csiq" {
            groups.0.reverse();
        }
        groups
    }

    /// The numbering of published code: reference pictures by name, images by their row in the
    /// label file.
    pub fn published(manifest: &Manifest, digests: Option<&[Digest]>) -> Groups {
        let mut groups = Groups::of(manifest, digests);
        if groups.0.len() == manifest.rows.len() {
            groups.0.sort_by_key(|rows| rows[0]);
        }
        groups
    }

    /// The rows of some groups, group after group.
    pub fn rows(&self, numbers: &[usize]) -> Vec<usize> {
        numbers.iter().flat_map(|&g| &self.0[g]).copied().collect()
    }
}

/// Joins groups that share a digest; a joined group stands where its first part stood.
fn united(groups: Vec<Vec<usize>>, digests: &[Digest]) -> Vec<Vec<usize>> {
    let mut link: Vec<usize> = (0..groups.len()).collect(); // to a lower group or itself
    let mut first: HashMap<Digest, usize> = HashMap::new();
    for (g, rows) in groups.iter().enumerate() {
        for &i in rows {
            let other = *first.entry(digests[i]).or_insert(g);
            let (a, b) = (lowest(&link, g), lowest(&link, other));
            link[a.max(b)] = a.min(b);
        }
    }
    let mut joined: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (g, rows) in groups.into_iter().enumerate() {
        joined.entry(lowest(&link, g)).or_default().extend(rows);
    }
    for rows in joined.values_mut() {
        rows.sort_unstable();
    }
    joined.into_values().collect()
}

/// The lowest group that `g` is joined with.
fn lowest(link: &[usize], mut g: usize) -> usize {
    while link[g] != g {
        g = link[g];
    }
    g
}

/// Files with equal bytes under different contents: pairs of rows, each with the first of its kind.
pub(super) fn equal_bytes(manifest: &Manifest, digests: &[Digest]) -> Vec<(usize, usize)> {
    let mut first: HashMap<Digest, usize> = HashMap::new();
    let mut pairs = Vec::new();
    for (i, digest) in digests.iter().enumerate() {
        let j = *first.entry(*digest).or_insert(i);
        if manifest.rows[i].content != manifest.rows[j].content {
            pairs.push((j, i));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::super::tests::manifest;
    use super::*;

    fn digests(letters: &str) -> Vec<Digest> {
        letters.bytes().map(|letter| [letter; 32]).collect()
    }

    #[test]
    fn files_of_the_same_bytes_are_found_whatever_they_are_called() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            path
        };
        let ours = [file("a", b"one"), file("b", b"two"), file("c", b""), file("d", b"longer")];
        let others = [
            file("e", b"six"),
            file("f", b"longer"),
            file("g", b"two"),
            file("h", b"two"),
            file("i", b""),
        ];
        let (ours, others) = (ours.each_ref().map(|p| &**p), others.each_ref().map(|p| &**p));
        assert_eq!(same_bytes(&ours, &others), [(1, 2), (3, 1)]);
    }

    #[test]
    fn groups_are_sorted_by_bytes_and_rows_keep_their_order() {
        let set = manifest(&[("1", "b"), ("2", "é"), ("3", "B"), ("4", "b"), ("5", "a")]);
        assert_eq!(Groups::of(&set, None).0, [vec![2], vec![4], vec![0, 3], vec![1]]);
    }

    #[test]
    fn published_numbers_of_single_images_are_their_rows() {
        let set = manifest(&[("10.png", "10.png"), ("9.png", "9.png"), ("2.png", "2.png")]);
        assert_eq!(Groups::of(&set, None).0, [[0], [2], [1]]);
        assert_eq!(Groups::published(&set, None).0, [[0], [1], [2]]);
        let set = manifest(&[("1", "b"), ("2", "a"), ("3", "a")]);
        assert_eq!(Groups::published(&set, None).0, [vec![1, 2], vec![0]]);
    }

    /// papers/glintiqa.md, 4.2.
    #[test]
    fn glintiqas_code_numbers_the_references_of_csiq_from_the_last() {
        let mut set = manifest(&[("1", "b"), ("2", "a"), ("3", "c"), ("4", "a")]);
        assert_eq!(Groups::of_glintiqa(&set, None).0, [vec![1, 3], vec![0], vec![2]]);
        set.dataset = "csiq".to_owned();
        assert_eq!(Groups::of_glintiqa(&set, None).0, [vec![2], vec![0], vec![1, 3]]);
    }

    #[test]
    fn contents_that_share_a_file_are_joined_over_any_number_of_steps() {
        let set = manifest(&[("1", "a"), ("2", "b"), ("3", "c"), ("4", "c"), ("5", "d")]);
        // c holds b's file and a's file: all three are one.
        assert_eq!(Groups::of(&set, Some(&digests("pqpqr"))).0, [vec![0, 1, 2, 3], vec![4]]);
        assert_eq!(Groups::of(&set, Some(&digests("pqrst"))), Groups::of(&set, None));
        assert_eq!(equal_bytes(&set, &digests("pqpqr")), [(0, 2), (1, 3)]);
        assert_eq!(equal_bytes(&set, &digests("pqrrt")), []); // within one content
    }

    #[test]
    fn equal_files_have_equal_digests() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut set = manifest(&[("1", "a"), ("2", "b"), ("3", "c")]);
        set.root = folder.path().to_path_buf();
        for (name, bytes) in [("1", "x"), ("2", "y"), ("3", "x")] {
            std::fs::write(folder.path().join(name), bytes).expect("written");
        }
        let found = file_digests(&set).expect("files");
        assert!(found[0] == found[2] && found[0] != found[1]);
        std::fs::remove_file(folder.path().join("2")).expect("removed");
        let error = file_digests(&set).expect_err("gone").to_string();
        assert!(error.contains('2'), "{error}");
    }
}
