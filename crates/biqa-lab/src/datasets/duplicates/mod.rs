//! Near-duplicates among pictures: the same photo twice, saved, cut or toned a little differently
//! (`papers/datasets.md`, 2.15).
//!
//! Candidates are pairs whose 64-bit difference hashes differ in at most 4 bits; a pair counts when
//! the pictures' 32 x 32 gray versions correlate as well. Pairs that touch become one group, and a
//! group is a proposal for a content: its pictures should not be parted by a split. Photos of one
//! scene in another framing, turned or mirrored ones are not found. Called by `biqa data
//! duplicates`.

mod groups;
mod look;

use super::manifest::{Split, quoted};
use biqa::image::{self, ErrorKind, LoadError, LoadOptions};
use biqa::parallel;
use groups::Groups;
use look::Look;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Pairs that are listed at most. Beyond them pictures still join groups; a folder of this many
/// copies of one picture has more pairs than anybody reads.
const MAX_PAIRS: usize = 1_000_000;

/// Comparisons in one piece of work: bounds the pairs that wait to be taken.
const COMPARISONS_AT_A_TIME: usize = 1 << 18;

/// A picture that decodes within this many bytes is read beside others; a larger one waits for its
/// turn, so that memory does not grow with the number of threads.
const SMALL_PICTURE_BYTES: u64 = 64 << 20;

/// How to look for near-duplicates.
#[derive(Debug, Clone)]
pub struct DuplicateOptions {
    /// Worker threads; 0 for all cores.
    pub threads: usize,
    /// Bits in which the hashes of a pair may differ, 0 to 64.
    pub distance: u32,
    /// The least correlation of a pair's small gray pictures, -1 to 1.
    pub correlation: f64,
    /// How pictures are read.
    pub load: LoadOptions,
}

impl Default for DuplicateOptions {
    /// Distance 4 is the specification's. Correlation .97 is ours, chosen on the 12,000 photos of
    /// BIQ2021, where it keeps 589 of the 878 pairs above .9. Their contents cannot judge it: they
    /// were merged by thumbnails that correlate above .965. Eight pairs between .97 and .98, drawn
    /// at random and looked at, were each of one object in nearly one framing.
    fn default() -> Self {
        let load = LoadOptions::default();
        DuplicateOptions { threads: 0, distance: 4, correlation: 0.97, load }
    }
}

/// Two pictures that are nearly the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// Position of the first picture in the list that was searched.
    pub first: usize,
    /// Position of the second, which is later.
    pub second: usize,
    /// Bits in which their hashes differ.
    pub distance: u32,
    /// Correlation of their small gray pictures.
    pub correlation: f64,
}

/// A picture that could not be looked at.
#[derive(Debug)]
pub struct Failure {
    /// Its position in the list.
    pub index: usize,
    /// Why; names the file.
    pub reason: String,
}

/// What was found.
#[derive(Debug)]
pub struct Duplicates {
    /// The pictures that were searched, relative to the folder.
    pub paths: Vec<String>,
    /// The pairs, by their first and then their second picture.
    pub pairs: Vec<Pair>,
    /// Whether there are more pairs than the 1,000,000 that are listed.
    pub more_pairs: bool,
    /// Groups of two and more, by their first member; members in order.
    pub groups: Vec<Vec<usize>>,
    /// Pictures that could not be read; they are in no group.
    pub failures: Vec<Failure>,
}

/// Searches `paths`, relative to `root`, for near-duplicates. `progress` is told how many pictures
/// have been looked at. Needs about 1 KB a picture; the result does not depend on the threads.
pub fn find(
    root: &Path,
    paths: &[String],
    options: &DuplicateOptions,
    progress: &mut dyn FnMut(usize),
) -> Duplicates {
    let (looks, failures) = looks(root, paths, options, progress);
    let mut groups = Groups::new(looks.len());
    let mut pairs = Vec::new();
    let mut more_pairs = false;
    let step = (COMPARISONS_AT_A_TIME / looks.len().max(1)).max(1);
    let pieces = (0..looks.len()).step_by(step).map(|begin| begin..begin + step);
    let compare = |_, piece: Range<usize>| -> Vec<Pair> {
        let rows = piece.start..piece.end.min(looks.len());
        rows.flat_map(|first| later_pairs(&looks, first, options)).collect()
    };
    parallel::ordered(options.threads, pieces, compare, |_, found| {
        for pair in found {
            groups.join(pair.first, pair.second);
            if pairs.len() < MAX_PAIRS {
                pairs.push(pair);
            } else {
                more_pairs = true;
            }
        }
        true
    });
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); looks.len()];
    for i in 0..looks.len() {
        members[groups.first(i)].push(i);
    }
    members.retain(|group| group.len() > 1);
    Duplicates { paths: paths.to_vec(), pairs, more_pairs, groups: members, failures }
}

/// The pairs of a picture with later ones.
fn later_pairs<'a>(
    looks: &'a [Option<Look>],
    first: usize,
    options: &'a DuplicateOptions,
) -> impl Iterator<Item = Pair> + 'a {
    let look = looks[first].as_ref();
    let later = looks.iter().enumerate().skip(first + 1);
    let others = look.into_iter().flat_map(move |look| {
        later.clone().filter_map(move |(second, other)| Some((second, look, other.as_ref()?)))
    });
    others.filter_map(move |(second, look, other)| {
        let distance = look.distance(other);
        if distance > options.distance {
            return None;
        }
        let correlation = look.correlation(other);
        let pair = Pair { first, second, distance, correlation };
        (correlation >= options.correlation).then_some(pair)
    })
}

/// What every picture looks like; `None` for those that failed.
fn looks(
    root: &Path,
    paths: &[String],
    options: &DuplicateOptions,
    progress: &mut dyn FnMut(usize),
) -> (Vec<Option<Look>>, Vec<Failure>) {
    let mut looks = Vec::with_capacity(paths.len());
    let mut failures = Vec::new();
    let large = Mutex::new(());
    let look = |_, path: &String| -> Result<Look, String> {
        let file = root.join(path);
        let picture = read(&file, &options.load, &large).map_err(|error| error.to_string())?;
        Look::of(&picture.rgb).map_err(|error| format!("{}: {error}", file.display()))
    };
    parallel::ordered(options.threads, paths.iter(), look, |index, found| {
        match found {
            Ok(look) => looks.push(Some(look)),
            Err(reason) => {
                looks.push(None);
                failures.push(Failure { index, reason });
            }
        }
        progress(index + 1);
        true
    });
    (looks, failures)
}

fn read(file: &Path, load: &LoadOptions, large: &Mutex<()>) -> Result<image::Picture, LoadError> {
    let mut small = load.clone();
    small.limits.max_alloc_bytes = small.limits.max_alloc_bytes.min(SMALL_PICTURE_BYTES);
    match image::load(file, &small) {
        Err(error) if error.kind() == ErrorKind::TooMuchMemory => {
            let _turn = large.lock().unwrap_or_else(PoisonError::into_inner);
            image::load(file, load)
        }
        other => other,
    }
}

impl Duplicates {
    /// The proposed content of every picture: the path of the first picture of its group, which is
    /// its own where it is alone.
    pub fn contents(&self) -> Vec<&str> {
        let mut contents: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        for group in &self.groups {
            for &member in group {
                contents[member] = &self.paths[group[0]];
            }
        }
        contents
    }

    /// The contents as a list `path,content`, which fits wherever a content list is asked for. It
    /// has every picture, also those that could not be read.
    pub fn contents_csv(&self) -> String {
        let mut text = String::from("path,content\n");
        for (path, content) in self.paths.iter().zip(self.contents()) {
            writeln!(text, "{},{}", quoted(path), quoted(content)).expect("memory");
        }
        text
    }

    /// The pairs as a list `first,second,distance,correlation`; with the parts of a split, one a
    /// picture, also `first_part,second_part`, empty where a picture is in none.
    pub fn pairs_csv(&self, parts: Option<&[Option<Split>]>) -> String {
        let mut text = String::from("first,second,distance,correlation");
        text.push_str(if parts.is_some() { ",first_part,second_part\n" } else { "\n" });
        for Pair { first, second, distance, correlation } in &self.pairs {
            let [a, b] = [*first, *second].map(|i| quoted(&self.paths[i]));
            write!(text, "{a},{b},{distance},{correlation:.4}").expect("memory");
            if let Some(parts) = parts {
                let word = |i: usize| parts[i].map(|part| part.to_string()).unwrap_or_default();
                write!(text, ",{},{}", word(*first), word(*second)).expect("memory");
            }
            text.push('\n');
        }
        text
    }

    /// The pairs that a split parts: their pictures stand in two of its parts.
    pub fn crossing<'a>(
        &'a self,
        parts: &'a [Option<Split>],
    ) -> impl Iterator<Item = &'a Pair> + 'a {
        self.pairs.iter().filter(|pair| {
            let [first, second] = [pair.first, pair.second].map(|i| parts[i]);
            first.is_some() && second.is_some() && first != second
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::random::stream;
    use std::fs;

    /// A picture of soft shapes, another one for every `seed`; `change` is done to each level.
    fn write(
        folder: &Path,
        name: &str,
        seed: u64,
        side: usize,
        change: impl Fn(f64, usize) -> f64,
    ) {
        let mut draws = stream(seed, "duplicates", 0);
        let waves: Vec<[f64; 3]> =
            (0..6).map(|_| [draws.unit() * 9.0, draws.unit() * 9.0, draws.unit() * 6.0]).collect();
        let mut bytes = format!("P5 {side} {side} 255\n").into_bytes();
        for i in 0..side * side {
            let [x, y] = [i % side, i / side].map(|at| (at as f64 + 0.5) / side as f64);
            let level: f64 = waves.iter().map(|[a, b, c]| (a * x + b * y + c).sin()).sum();
            bytes.push(change(128.0 + 20.0 * level, i).clamp(0.0, 255.0) as u8);
        }
        fs::write(folder.join(name), bytes).expect("writable");
    }

    fn found(folder: &Path, names: &[&str], threads: usize) -> Duplicates {
        let paths: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let options = DuplicateOptions { threads, ..DuplicateOptions::default() };
        let mut calls = Vec::new();
        let found = find(folder, &paths, &options, &mut |done| calls.push(done));
        assert_eq!(calls, (1..=names.len()).collect::<Vec<_>>());
        found
    }

    #[test]
    fn copies_are_grouped_and_other_pictures_are_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let folder = folder.path();
        write(folder, "a.pgm", 1, 256, |level, _| level);
        write(folder, "b.pgm", 2, 256, |level, _| level);
        write(folder, "smaller.pgm", 1, 97, |level, _| level);
        write(folder, "noisy, dark.pgm", 1, 256, |level, i| {
            0.8 * level + stream(3, "noise", i as u64).unit() * 9.0
        });
        write(folder, "c.pgm", 4, 256, |level, _| level);
        fs::write(folder.join("broken.png"), b"\x89PNG").expect("writable");
        let names =
            ["a.pgm", "b.pgm", "broken.png", "smaller.pgm", "noisy, dark.pgm", "c.pgm", "none.png"];
        let first = found(folder, &names, 1);
        assert_eq!(first.groups, [[0, 3, 4]]);
        let pairs: Vec<_> = first.pairs.iter().map(|pair| (pair.first, pair.second)).collect();
        assert_eq!(pairs, [(0, 3), (0, 4), (3, 4)]);
        assert!(first.pairs.iter().all(|pair| pair.distance <= 4 && pair.correlation > 0.97));
        let failed: Vec<usize> = first.failures.iter().map(|failure| failure.index).collect();
        assert_eq!(failed, [2, 6]);
        assert!(first.failures[0].reason.contains("broken.png"), "{:?}", first.failures);
        assert_eq!(
            first.contents_csv(),
            "path,content\na.pgm,a.pgm\nb.pgm,b.pgm\nbroken.png,broken.png\nsmaller.pgm,a.pgm\n\
             \"noisy, dark.pgm\",a.pgm\nc.pgm,c.pgm\nnone.png,none.png\n"
        );
        assert!(
            first
                .pairs_csv(None)
                .starts_with("first,second,distance,correlation\na.pgm,smaller.pgm,")
        );
        let mut parts = [Some(Split::Train); 7];
        (parts[3], parts[4]) = (Some(Split::Test), None);
        let crossing: Vec<_> =
            first.crossing(&parts).map(|pair| (pair.first, pair.second)).collect();
        assert_eq!(crossing, [(0, 3)]); // the third copy is in no part
        let lines = first.pairs_csv(Some(&parts));
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines[0], "first,second,distance,correlation,first_part,second_part");
        assert!(lines[1].ends_with(",train,test") && lines[2].ends_with(",train,"), "{lines:?}");

        let again = found(folder, &names, 5);
        assert_eq!((again.pairs, again.groups), (first.pairs, first.groups));
    }

    #[test]
    fn nothing_is_found_among_nothing() {
        let found = found(Path::new("nowhere"), &[], 2);
        assert!(found.pairs.is_empty() && found.groups.is_empty() && !found.more_pairs);
        assert_eq!(found.contents_csv(), "path,content\n");
    }

    /// The part of BIQ2021 that lies beside the repository: its list says which photos are of one
    /// content. The list was made with thumbnails too, so this shows agreement, not who is right.
    #[test]
    fn every_pair_among_real_photos_is_of_one_content() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/biq2021");
        let Ok(list) = super::super::table::Table::read(&root.join("labels.csv")) else {
            eprintln!("NOT RUN: {} is not here", root.display());
            return;
        };
        let column = |name| list.required(&[name]).expect("the column");
        let [path, content, subset, here] = ["path", "content", "subset", "here"].map(column);
        let text = |row, column| list.text(row, column).expect("a text");
        let rows = list.records.iter();
        let rows = rows.filter(|row| text(row, here) == "1" && text(row, subset) == "ss01");
        let (paths, contents): (Vec<String>, Vec<&str>) =
            rows.map(|row| (text(row, path).to_owned(), text(row, content))).unzip();
        let found = find(&root, &paths, &DuplicateOptions::default(), &mut |_| ());
        assert!(found.failures.is_empty(), "{:?}", found.failures);
        assert_eq!(found.pairs.len(), 5);
        for pair in &found.pairs {
            assert_eq!(contents[pair.first], contents[pair.second], "{pair:?}");
        }
    }

    #[test]
    fn the_list_fits_where_a_content_list_is_asked_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, seed) in [("a.pgm", 1), ("b.pgm", 1), ("c.pgm", 2)] {
            write(folder.path(), name, seed, 64, |level, _| level);
        }
        let found = found(folder.path(), &["a.pgm", "b.pgm", "c.pgm"], 1);
        let table = super::super::table::Table::parse(
            Path::new("content.csv"),
            found.contents_csv().as_bytes(),
        )
        .expect("a table");
        let content = table.required(&["content"]).expect("the column");
        let contents: Vec<&str> =
            table.records.iter().map(|row| table.text(row, content).expect("a text")).collect();
        assert_eq!(contents, ["a.pgm", "a.pgm", "c.pgm"]);
    }
}
