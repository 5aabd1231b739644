//! Every set that is known: its names, what it is, what its release holds. The table of section 1 of
//! `papers/datasets.md`; the rows stand in the files of the sets.

use super::check::Release;
use super::files::{Files, Layout, unnest};
use super::labels::LabelFile;
use super::manifest::Direction;
use super::options::{Content, LabelForm, Options};
use super::prepare::Preparation;
use super::{
    DatasetError, agiqa3k, bid, biq2021, cid2013, csiq, kadid10k, kadis700k, koniq10k, live, livec,
    livefb, livemd, own, pipal, saqt, spaq, tid2013,
};
use std::path::{Path, PathBuf};

/// A data set: what is known about it, and how its labels are read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Set {
    /// The name in recipes, reports and split rules.
    pub key: &'static str,
    /// What else people call it. Compared without regard to case, blanks, `-` and `_`.
    pub aliases: &'static [&'static str],
    /// In one line.
    pub what: &'static str,
    /// The key of the paper to cite.
    pub citation: &'static str,
    /// Which way its scores point.
    pub direction: Direction,
    /// The scale of its scores: lowest and highest, by default labels.
    pub range: [f64; 2],
    /// Images with a label; 0 for `csv` and `saqt`, where nothing is known.
    pub images: usize,
    /// Its split unit: `reference`, `image`, `prompt`, ...
    pub content_unit: &'static str,
    /// The split that its authors give, in words.
    pub official_split: Option<&'static str>,
    /// What its pictures may be resized by before crops are cut; the first is the default outside
    /// published recipes.
    pub preparations: &'static [Preparation],
    /// The labels there are to choose from; the first is the default. Empty: no choice.
    pub labels: &'static [LabelForm],
    /// The split units there are to choose from besides `file:PATH`; the first is the default.
    pub contents: &'static [Content],
    /// What the release holds.
    pub(super) release: Release,
    /// The path of a picture, for errors.
    pub(super) example: &'static str,
    /// Groups of files and folders: a root that has all of one group is this set.
    pub(super) marks: &'static [&'static [&'static str]],
    /// Where people keep its pictures; the first one gives the paths of the manifest.
    pub(super) layouts: &'static [Layout],
    /// Reads its labels.
    pub(super) read: fn(&mut Files, &Options) -> Result<LabelFile, DatasetError>,
}

/// In the order of the table.
static SETS: [&Set; 17] = [
    &live::SET,
    &csiq::SET,
    &tid2013::SET,
    &kadid10k::SET,
    &livec::SET,
    &koniq10k::SET,
    &livefb::SET,
    &spaq::SET,
    &bid::SET,
    &cid2013::SET,
    &pipal::SET,
    &agiqa3k::SET,
    &livemd::SET,
    &biq2021::SET,
    &kadis700k::SET,
    &saqt::SET,
    &own::SET,
];

/// Every set, in the order of the specification; `csv`, a user's own pictures, comes last.
pub fn sets() -> &'static [&'static Set] {
    &SETS
}

/// The keys of all sets.
pub fn keys() -> Vec<&'static str> {
    SETS.iter().map(|set| set.key).collect()
}

/// The set of that key or alias.
pub fn find(name: &str) -> Option<&'static Set> {
    let wanted = plain(name);
    SETS.iter().copied().find(|set| {
        std::iter::once(&set.key).chain(set.aliases).any(|known| plain(known) == wanted)
    })
}

/// Names are compared in lower case, without blanks, `-` and `_`.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, ' ' | '-' | '_'));
    letters.flat_map(char::to_lowercase).collect()
}

impl Set {
    /// What people call it.
    pub fn name(&self) -> &'static str {
        self.aliases.first().copied().unwrap_or(self.key)
    }

    /// The root, or the only folder inside it. A root that has one of the set's files is not left,
    /// nor one of a user's own pictures, where a list says what lies where.
    pub(super) fn place(&self, root: &Path) -> PathBuf {
        if self.marks.is_empty() {
            return root.to_path_buf();
        }
        unnest(root, self.marks.iter().copied().flatten().copied())
    }

    /// The label form that the options choose.
    pub(super) fn form(&self, options: &Options) -> Option<LabelForm> {
        options.labels.or(self.labels.first().copied())
    }

    /// A switch that the set does not have is an error: it would be believed to have had an effect.
    pub(super) fn refuse_foreign(&self, options: &Options) -> Result<(), DatasetError> {
        let refuse = |option, value: String, names: Vec<String>| {
            let known = match names.as_slice() {
                [] => "leave it out".to_owned(),
                names => format!("it may be {}", names.join(", ")),
            };
            Err(DatasetError::NoSuchOption { dataset: self.key, option, value, known })
        };
        if let Some(form) = options.labels.filter(|form| !self.labels.contains(form)) {
            let names = self.labels.iter().map(ToString::to_string).collect();
            return refuse("labels", form.to_string(), names);
        }
        if let Some(content) = &options.content
            && !matches!(content, Content::File(_))
            && !self.contents.contains(content)
        {
            let names = self.contents.iter().map(ToString::to_string);
            let names = names.chain(["file:PATH".to_owned()]).collect();
            return refuse("content", content.to_string(), names);
        }
        // A set's scale is known; another one would be believed to have had an effect.
        if self.key != own::SET.key {
            if let Some(direction) = options.direction {
                let given = if direction == Direction::Mos { "mos" } else { "dmos" };
                return refuse("direction", given.to_owned(), Vec::new());
            }
            if let Some([lo, hi]) = options.range {
                return refuse("range", format!("{lo}..{hi}"), Vec::new());
            }
        }
        if let Some(list) =
            options.training_references.as_ref().filter(|_| self.key != saqt::SET.key)
        {
            return refuse("training_references", list.display().to_string(), Vec::new());
        }
        if options.natural_only && self.key != tid2013::SET.key {
            return refuse("natural_only", "true".to_owned(), Vec::new());
        }
        Ok(())
    }
}

/// A set that a folder seems to be.
#[derive(Debug, Clone)]
pub struct Recognised {
    /// The set.
    pub set: &'static Set,
    /// What speaks for it: the files and folders that were found.
    pub why: String,
}

/// Which sets a folder, or the only folder inside it, may be; none when nothing fits. Several when
/// the marks of several are there.
pub fn recognise(root: &Path) -> Vec<Recognised> {
    let mut found = Vec::new();
    for set in SETS {
        let mut files = Files::new(&set.place(root));
        // Two files that differ in case only still speak for the set; loading says which they are.
        let mut there = |name: &&str| matches!(files.find(name), Ok(Some(_)) | Err(_));
        let groups = set.marks.iter().filter(|group| group.iter().all(&mut there));
        // Of groups of one size the first: the order is that in which files are taken.
        if let Some(group) = groups.min_by_key(|group| std::cmp::Reverse(group.len())) {
            found.push(Recognised { set, why: format!("it holds {}", group.join(", ")) });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_aliases_name_one_set_each() {
        let mut seen = std::collections::HashMap::new();
        for set in sets() {
            let names = std::iter::once(&set.key).chain(set.aliases).map(|name| plain(name));
            for name in names.collect::<std::collections::BTreeSet<_>>() {
                if let Some(other) = seen.insert(name.clone(), set.key) {
                    panic!("{name} is {other} and {}", set.key);
                }
            }
        }
    }

    #[test]
    fn what_people_call_the_sets_finds_them() {
        let names = [
            ("CLIVE", "livec"),
            ("LIVE-itW", "livec"),
            ("LIVE Challenge", "livec"),
            ("ChallengeDB_release", "livec"),
            ("FLIVE", "livefb"),
            ("PaQ-2-PiQ", "livefb"),
            ("databaserelease2", "live"),
            ("LIVE", "live"),
            ("KonIQ-10k", "koniq10k"),
            ("KADID-10K", "kadid10k"),
            ("BID2011", "bid"),
            ("LIVE multiply distorted", "livemd"),
            ("KADIS-700k", "kadis700k"),
            ("csv", "csv"),
        ];
        for (name, key) in names {
            assert_eq!(find(name).map(|set| set.key), Some(key), "{name}");
        }
        assert!(find("ava").is_none());
    }
}
