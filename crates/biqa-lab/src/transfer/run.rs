//! The whole of a transfer: features, matches, what is left out, pictures; then `write` has its turn.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use biqa::parallel::ordered;

use super::features::Backbone;
use super::files::{Csv, FEATURES, REFERENCES, Store, folder, npy, put, text_of};
use super::leak::{Training, content_of};
use super::nearest::{Match, nearest, rounded};
use super::pictures::{Maker, claim};
use super::record::Record;
use super::rows::stem_of;
use super::scores::Scores;
use super::select::{Wish, select};
use super::write::LEFT_OUT;
use super::{Range, Settings, TransferError};
use crate::copies::BatchError;

/// References of a set that is not the table's.
#[derive(Debug, Clone)]
pub struct OtherSet {
    /// Its folder, for words.
    pub name: String,
    /// The references.
    pub pictures: Vec<PathBuf>,
    /// How many sources most like them are taken first; 0 where the set is only tested on.
    pub take: usize,
}

/// What labels are transferred between.
#[derive(Debug)]
pub struct Sources<'a> {
    /// Pristine pictures, in the order of the labels.
    pub pictures: &'a [PathBuf],
    /// The folder of the references, by the names in the table.
    pub references: &'a Path,
    /// KADID's `dmos.csv`.
    pub scores: &'a Path,
    /// What they are matched with.
    pub backbone: &'a Backbone,
    /// References that may be inherited from; all where it is not given.
    pub training: Option<&'a Training>,
    /// Sets that are tested on, or that say which sources are taken first.
    pub others: &'a [OtherSet],
}

/// Who hears how far it is: sources looked at, then sources degraded.
pub trait Progress {
    /// One more source has been looked at.
    fn looked(&mut self);
    /// One more source has its pictures.
    fn degraded(&mut self);
}

/// Why a source has no labels.
pub(super) enum Left {
    Unreadable(String),
    SameName(String),
    Near(String),
    Outside,
    NotSelected,
    NotDegraded(String),
}

/// What is known of a source.
pub(super) struct Seen {
    pub(super) matches: Vec<Match>,
    /// The nearest reference that is not for training, where a list says which are.
    untrained: Option<Match>,
    /// The highest cosine to each of the other sets.
    pub(super) others: Vec<f64>,
}

/// Transfers labels into the folder `out`, on `threads` threads (0: all cores).
///
/// # Errors
/// [`TransferError`]; labels are there whole or not at all.
pub fn transfer(
    sources: &Sources<'_>,
    settings: &Settings,
    out: &Path,
    threads: usize,
    progress: &mut dyn Progress,
) -> Result<Record, TransferError> {
    settings.check()?;
    check_wishes(sources.others, settings)?;
    let scores = Scores::read(sources.scores)?;
    check_rank(&scores, settings)?;
    check_training(sources, &scores, settings)?;
    let found = find_references(sources.references, scores.references())?;
    folder(out)?;

    let references = features_of(sources.backbone, &found, threads)?;
    write_references(out, &scores, &found, &references)?;
    let references = match settings.reference_decimals {
        Some(decimals) => references.iter().map(|f| rounded(f, decimals)).collect(),
        None => references,
    };
    let mut others = Vec::with_capacity(sources.others.len());
    for set in sources.others {
        others.push(features_of(sources.backbone, &set.pictures, threads)?);
    }

    let mut run = Run { sources, settings, scores, left: BTreeMap::new(), seen: Vec::new() };
    run.refuse_same_names();
    run.look(&references, &others, out, threads, progress)?;
    run.leave_out_copies();
    run.leave_out_untrained()?;
    let kept = run.selected();
    too_many(kept.len(), settings)?;
    if kept.is_empty() {
        let why = format!("see {}", out.join(LEFT_OUT).display());
        run.write_left_out(out)?;
        return Err(TransferError::Nothing { total: sources.pictures.len(), why });
    }
    // Labels and pictures depend on the settings, features do not.
    let known = claim(out, settings)?;
    if settings.pictures {
        run.degrade(&kept, out, known, threads, progress)?;
    }
    run.write(&kept, &found, out)
}

/// A ranked reference must exist.
fn check_rank(scores: &Scores, settings: &Settings) -> Result<(), TransferError> {
    let (rank, n) = (settings.rank, scores.references().len());
    if rank <= n {
        return Ok(());
    }
    Err(TransferError::Settings(format!("--rank is {rank}, there are {n} references")))
}

/// What is taken first is a part of what is taken. Of several sets it may be the same sources: what
/// they come to is known when all have been looked at.
fn check_wishes(others: &[OtherSet], settings: &Settings) -> Result<(), TransferError> {
    too_many(others.iter().map(|set| set.take).max().unwrap_or(0), settings)
}

/// More sources for the sets than in all.
fn too_many(first: usize, settings: &Settings) -> Result<(), TransferError> {
    match settings.total {
        Some(total) if first > total => Err(TransferError::Settings(format!(
            "{first} sources are to be taken for the sets they resemble, but only {total} in all: \
             raise --total"
        ))),
        _ => Ok(()),
    }
}

/// A list of training references must be about these references, and `range = train` needs one.
fn check_training(
    sources: &Sources<'_>,
    scores: &Scores,
    settings: &Settings,
) -> Result<(), TransferError> {
    let Some(training) = sources.training else {
        if settings.range == Range::Train {
            let text = "--range train takes the scores of the training references: give them with \
                        --training-references";
            return Err(TransferError::Settings(text.to_owned()));
        }
        return Ok(());
    };
    let known: BTreeSet<String> = scores.references().iter().map(|r| content_of(r)).collect();
    match training.contents().iter().find(|name| !known.contains(*name)) {
        Some(name) => Err(TransferError::UnknownReference {
            list: training.file().to_owned(),
            name: name.clone(),
            scores: sources.scores.to_owned(),
        }),
        None => Ok(()),
    }
}

/// The references' files, in the order of the table: in the folder or in its `images`, as KADID-10k
/// has them, whatever their letter case.
fn find_references(root: &Path, names: &[String]) -> Result<Vec<PathBuf>, TransferError> {
    let read = |source| TransferError::Read { path: root.to_owned(), source };
    let mut there: BTreeMap<String, PathBuf> = BTreeMap::new();
    for place in [root.join("images"), root.to_owned()] {
        if place != root && !place.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&place).map_err(read)? {
            let entry = entry.map_err(read)?;
            let name = entry.file_name().to_string_lossy().to_lowercase();
            there.insert(name, entry.path());
        }
    }
    let found: Vec<Option<&PathBuf>> =
        names.iter().map(|name| there.get(&name.to_lowercase())).collect();
    let missing: Vec<&str> =
        names.iter().zip(&found).filter(|(_, f)| f.is_none()).map(|(n, _)| n.as_str()).collect();
    if missing.is_empty() {
        return Ok(found.into_iter().flatten().cloned().collect());
    }
    Err(TransferError::NoReference {
        folder: root.to_owned(),
        count: missing.len(),
        total: names.len(),
        first: missing[..missing.len().min(5)].join(", "),
    })
}

/// The features of pictures that must all have one.
fn features_of(
    backbone: &Backbone,
    paths: &[PathBuf],
    threads: usize,
) -> Result<Vec<Vec<f32>>, TransferError> {
    let found = backbone.features(paths, threads, &mut || ());
    let known = paths.iter().zip(found).map(|(path, feature)| {
        feature.map_err(|reason| TransferError::Picture { path: path.clone(), reason })
    });
    known.collect()
}

fn write_references(
    out: &Path,
    scores: &Scores,
    found: &[PathBuf],
    features: &[Vec<f32>],
) -> Result<(), TransferError> {
    put(&out.join(REFERENCES), &npy(features))?;
    let mut table = Csv::new(&["image", "path"]);
    for (name, path) in scores.references().iter().zip(found) {
        table.row([name, &text_of(path)]);
    }
    table.put(&out.join("reference_images.csv"))
}

/// The name of a source: that of its file.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A transfer under way.
pub(super) struct Run<'a> {
    pub(super) sources: &'a Sources<'a>,
    pub(super) settings: &'a Settings,
    pub(super) scores: Scores,
    /// Sources without labels, by position.
    pub(super) left: BTreeMap<usize, Left>,
    /// One a source; without matches where it has no feature.
    pub(super) seen: Vec<Seen>,
}

impl Run<'_> {
    fn refuse_same_names(&mut self) {
        let mut first: BTreeMap<String, usize> = BTreeMap::new();
        for (i, path) in self.sources.pictures.iter().enumerate() {
            let name = name_of(path);
            let known = *first.entry(stem_of(&name).to_owned()).or_insert(i);
            if known != i {
                let other = self.sources.pictures[known].display();
                self.left.insert(i, Left::SameName(format!("{other} is called so too")));
            }
        }
    }

    /// Features and matches of every source.
    fn look(
        &mut self,
        references: &[Vec<f32>],
        others: &[Vec<Vec<f32>>],
        out: &Path,
        threads: usize,
        progress: &mut dyn Progress,
    ) -> Result<(), TransferError> {
        let dir = out.join(FEATURES);
        let store = Store { dir, backbone: self.sources.backbone, threads };
        let k = self.settings.top_k;
        let (training, names) = (self.sources.training, self.scores.references());
        let is_untrained = |found: &&Match| {
            training.is_some_and(|training| !training.has(&names[found.reference]))
        };
        store.each(self.sources.pictures, &mut || progress.looked(), |begin, features| {
            for (i, feature) in (begin..).zip(features) {
                let seen = match feature {
                    Ok(feature) => {
                        let best = |set: &Vec<Vec<f32>>| {
                            nearest(&feature, set, 1).first().map_or(-1.0, |found| found.cosine)
                        };
                        let others = others.iter().map(best).collect();
                        let mut matches = nearest(&feature, references, references.len());
                        let untrained = matches.iter().find(|m| is_untrained(m)).copied();
                        matches.truncate(k);
                        Seen { matches, untrained, others }
                    }
                    Err(reason) => {
                        self.left.entry(i).or_insert(Left::Unreadable(reason));
                        Seen { matches: Vec::new(), untrained: None, others: Vec::new() }
                    }
                };
                self.seen.push(seen);
            }
        })?;
        Ok(())
    }

    /// Rule 4.
    fn leave_out_copies(&mut self) {
        for (i, seen) in self.seen.iter().enumerate() {
            let near = seen.others.iter().zip(self.sources.others);
            let near = near.filter(|(cosine, _)| **cosine >= self.settings.drop_above);
            if let Some((cosine, set)) = near.max_by(|a, b| a.0.total_cmp(b.0)) {
                let reason = format!("cosine {cosine:.4} to a reference of {}", set.name);
                self.left.entry(i).or_insert(Left::Near(reason));
            }
        }
    }

    /// Rules 1 and 2; and rule 4 for the labelled references that are not for training.
    fn leave_out_untrained(&mut self) -> Result<(), TransferError> {
        let Some(training) = self.sources.training else { return Ok(()) };
        let outside: Vec<usize> = (0..self.seen.len())
            .filter(|i| !self.left.contains_key(i))
            .filter(|&i| !training.has(self.reference_of(i)))
            .collect();
        if let (Some(&first), false) = (outside.first(), self.settings.leave_out) {
            return Err(TransferError::Leak {
                count: outside.len(),
                total: self.sources.pictures.len(),
                list: training.file().to_owned(),
                source_name: self.sources.pictures[first].display().to_string(),
                reference: self.reference_of(first).to_owned(),
            });
        }
        self.left.extend(outside.into_iter().map(|i| (i, Left::Outside)));
        for (i, seen) in self.seen.iter().enumerate() {
            let near = seen.untrained.filter(|m| m.cosine >= self.settings.drop_above);
            if let Some(Match { reference, cosine }) = near {
                let (name, list) =
                    (&self.scores.references()[reference], training.file().display());
                let reason = format!("cosine {cosine:.4} to {name}, which {list} lacks");
                self.left.entry(i).or_insert(Left::Near(reason));
            }
        }
        Ok(())
    }

    /// The match that source `i` inherits from. It has one: it has a feature.
    pub(super) fn heir(&self, i: usize) -> Match {
        self.seen[i].matches[self.settings.rank - 1]
    }

    pub(super) fn reference_of(&self, i: usize) -> &str {
        &self.scores.references()[self.heir(i).reference]
    }

    /// The sources that are taken, in their order; those that are not are noted.
    fn selected(&mut self) -> Vec<usize> {
        let there: Vec<usize> =
            (0..self.seen.len()).filter(|i| !self.left.contains_key(i)).collect();
        let wanted = self.sources.others.iter().any(|set| set.take > 0);
        if !wanted && self.settings.total.is_none() {
            return there;
        }
        let column = |s: usize| there.iter().map(|&i| self.seen[i].others[s]).collect();
        let similar: Vec<Vec<f64>> = (0..self.sources.others.len()).map(column).collect();
        let fill: Vec<f64> = there.iter().map(|&i| self.seen[i].matches[0].cosine).collect();
        let wishes: Vec<Wish<'_>> = similar
            .iter()
            .zip(self.sources.others)
            .map(|(similarity, set)| Wish { similarity, count: set.take })
            .collect();
        let total = self.settings.total.unwrap_or(there.len());
        let chosen = select(&wishes, &fill, total, None);
        let kept: Vec<usize> = chosen.into_iter().map(|position| there[position]).collect();
        let taken: BTreeSet<usize> = kept.iter().copied().collect();
        for i in there.into_iter().filter(|i| !taken.contains(i)) {
            self.left.insert(i, Left::NotSelected);
        }
        kept
    }

    /// Writes the pictures of every source; one whose pictures can't be made is left out, and keeps
    /// its number.
    fn degrade(
        &mut self,
        kept: &[usize],
        out: &Path,
        known: bool,
        threads: usize,
        progress: &mut dyn Progress,
    ) -> Result<(), TransferError> {
        let maker = Maker::begin(out, self.settings, known)?;
        let pictures = self.sources.pictures;
        let mut broken = None;
        ordered(
            threads,
            kept.iter().enumerate(),
            |_, (number, &i)| maker.make(number, &pictures[i], &name_of(&pictures[i])),
            |number, result| {
                progress.degraded();
                match result {
                    Ok(()) => {}
                    Err(BatchError::Write { path, source }) => {
                        broken = Some(TransferError::Write { path, source });
                    }
                    Err(error) => {
                        self.left.insert(kept[number], Left::NotDegraded(error.to_string()));
                    }
                }
                broken.is_none()
            },
        );
        broken.map_or(Ok(()), Err)
    }
}
