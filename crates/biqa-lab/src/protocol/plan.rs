//! From settings to jobs: which rows train, choose and test in every one, and what it depends on.

use std::collections::HashMap;

use biqa::scorer::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{ProtocolError, Settings, TrainOn};
use crate::datasets::{Manifest, Preparation, smaller_than};
use crate::splits::{self, Digest, Form, Fraction, Options, Rule, Split};
use crate::train::recipe::Recipe;

/// One training and its evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The folder under `splits/`: `07-honest`, `07-honest-0.2`.
    pub name: String,
    /// The folder of the results it belongs to: `honest`, `published-0.2`.
    pub group: String,
    /// The protocol.
    pub form: Form,
    /// The small sample, of the whole set or of the training part.
    pub fraction: Option<f64>,
    /// The repeat, from 0.
    pub index: u32,
    /// Seed of the training.
    pub seed: u64,
    /// Rows of the source that train.
    pub train: Vec<usize>,
    /// Rows that choose the epoch: of the source, and under `published` those of `test`.
    pub val: Vec<usize>,
    /// Rows of the tested set that are reported on.
    pub test: Vec<usize>,
    /// SHA-256 of the three lists; of one set as `biqa data split` says it.
    pub lists_digest: String,
    /// SHA-256 of everything that the job depends on.
    pub digest: String,
    /// What a report must repeat.
    pub notes: Vec<String>,
}

/// All jobs of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What the run depends on.
    pub identity: Identity,
    /// The jobs: repeat by repeat, in each protocol by protocol, in each fraction by fraction.
    pub jobs: Vec<Job>,
}

/// What makes two runs the same run. More splits, protocols or fractions may join a run; nothing
/// here may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Digest of what the recipe decides.
    pub recipe: String,
    /// SHA-256 of the initial weights' file.
    pub init: String,
    /// Digest of the source's manifest.
    pub labels: String,
    /// SHA-256 over the digests of its files.
    pub photos: String,
    /// The same two of the tested set, where it is another one.
    pub target: Option<[String; 2]>,
    /// The split rule.
    pub split: String,
    /// The seed.
    pub seed: u64,
    /// Everything else that decides a figure, `name = value`.
    pub switches: Vec<String>,
}

/// How the switch begins that says for each protocol by what it chooses an epoch:
/// `select_by = Honest by Srcc, Published by Srcc`.
const SELECT_BY: &str = "select_by = ";
const JOINED: &str = ", ";
const BY: &str = " by ";

/// The protocols of that switch, each with what chooses; `None` for another switch.
fn chosen_by(switch: &str) -> Option<Vec<(&str, &str)>> {
    let list = switch.strip_prefix(SELECT_BY)?;
    Some(list.split(JOINED).filter_map(|entry| entry.split_once(BY)).collect())
}

impl Identity {
    fn of(settings: &Settings, photos: &[Digest], target: Option<&[Digest]>) -> Self {
        let joined = |digests: &[Digest]| hex(&Sha256::digest(digests.concat()));
        let Settings { train_on, fraction_of, .. } = settings;
        // What is really used, which a method may decide.
        let select_by: Vec<String> = settings
            .forms
            .iter()
            .map(|&form| format!("{form:?}{BY}{:?}", settings.selects_by(form)))
            .collect();
        let select_by = select_by.join(JOINED);
        Self {
            recipe: settings.recipe.digest(),
            init: settings.init.digest.clone(),
            labels: settings.source.digest(),
            photos: joined(photos),
            target: settings.target.as_ref().zip(target).map(|(m, d)| [m.digest(), joined(d)]),
            split: settings.rule.to_string(),
            seed: settings.seed,
            switches: vec![
                format!("{SELECT_BY}{select_by}"),
                format!("train_on = {train_on:?}"),
                format!("fraction_of = {fraction_of:?}"),
                format!("allow_leak = {}", settings.allow_leak),
                format!("group_equal_bytes = {}", settings.group_equal_bytes),
                format!("scale of the labels = {}", settings.source.labels_words()),
                settings.target.as_ref().map_or_else(String::new, |target| {
                    format!("scale of the tested set = {}", target.labels_words())
                }),
            ],
        }
    }

    /// What differs from the run that is there, with both values.
    pub fn differs(&self, there: &Self) -> Vec<String> {
        let short = |text: &str| text.get(..12).unwrap_or(text).to_owned();
        let target = |t: &Option<[String; 2]>| {
            t.as_ref().map_or("none".to_owned(), |[labels, _]| short(labels))
        };
        let mut found = Vec::new();
        let mut compare = |same: bool, name: &str, there: String, here: String| {
            if !same {
                found.push(format!("{name} ({there} there, {here} here)"));
            }
        };
        let fields = [
            ("recipe", &there.recipe, &self.recipe),
            ("initial weights", &there.init, &self.init),
            ("list of labels", &there.labels, &self.labels),
            ("content of the photos", &there.photos, &self.photos),
        ];
        for (name, there, here) in fields {
            compare(there == here, name, short(there), short(here));
        }
        compare(
            there.target == self.target,
            "tested set",
            target(&there.target),
            target(&self.target),
        );
        compare(there.split == self.split, "split", there.split.clone(), self.split.clone());
        compare(there.seed == self.seed, "seed", there.seed.to_string(), self.seed.to_string());
        for (there, here) in there.switches.iter().zip(&self.switches) {
            let (Some(of_there), Some(of_here)) = (chosen_by(there), chosen_by(here)) else {
                compare(there == here, "switch", there.clone(), here.clone());
                continue;
            };
            let agree = |(form, rule): &(&str, &str)| {
                of_here.iter().all(|(other, by)| other != form || by == rule)
            };
            let same = of_there.iter().all(agree);
            compare(same, "switch", there.to_lowercase(), here.to_lowercase());
        }
        found
    }

    /// What a job of one protocol depends on: others may join the run.
    fn of_form(&self, form: Form) -> Self {
        self.choosing(|name| name == format!("{form:?}"), &[])
    }

    /// This run with the protocols of the one that is there, too.
    #[must_use]
    pub fn joined(&self, there: &Self) -> Self {
        let of = |identity: &Self| {
            let list = identity.switches.iter().find_map(|switch| chosen_by(switch));
            list.into_iter().flatten().map(|(form, by)| [form, by].map(str::to_owned)).collect()
        };
        let (there, here): (Vec<[String; 2]>, Vec<[String; 2]>) = (of(there), of(self));
        let new = here.into_iter().filter(|entry| !there.contains(entry));
        let all: Vec<[String; 2]> = there.iter().cloned().chain(new).collect();
        self.choosing(|_| false, &all)
    }

    /// With those protocols of its own that `keep` wants, and these.
    fn choosing(&self, keep: impl Fn(&str) -> bool, more: &[[String; 2]]) -> Self {
        let switches = self.switches.iter().map(|switch| {
            let Some(own) = chosen_by(switch) else { return switch.clone() };
            let own = own.into_iter().filter(|(form, _)| keep(form));
            let own = own.chain(more.iter().map(|[form, by]| (form.as_str(), by.as_str())));
            let all: Vec<String> = own.map(|(form, by)| format!("{form}{BY}{by}")).collect();
            format!("{SELECT_BY}{}", all.join(JOINED))
        });
        Self { switches: switches.collect(), ..self.clone() }
    }
}

impl Plan {
    /// The jobs of settings. Reads every photo once: equal files on two sides of a split are a leak.
    pub fn of(settings: &Settings) -> Result<Self, ProtocolError> {
        settings.check()?;
        let photos = splits::file_digests(&settings.source)?;
        let target = settings.target.as_ref().map(splits::file_digests).transpose()?;
        let leak = match (&settings.target, &target) {
            (Some(manifest), Some(digests)) => shared_files(settings, &photos, manifest, digests)?,
            _ => None,
        };
        let identity = Identity::of(settings, &photos, target.as_deref());
        let fractions: Vec<Option<f64>> = match settings.fractions.as_slice() {
            [] => vec![None],
            some => some.iter().copied().map(Some).collect(),
        };
        let one = single(&settings.rule, settings.splits)?;
        let mut jobs = Vec::new();
        for index in 0..settings.splits {
            for &form in &settings.forms {
                for &fraction in &fractions {
                    let mut job = job(settings, &identity, &photos, one, index, form, fraction)?;
                    job.notes.extend(leak.clone());
                    jobs.push(job);
                }
            }
        }
        Ok(Self { identity, jobs })
    }

    /// What the splits say, each once.
    pub fn notes(&self, settings: &Settings) -> Vec<String> {
        let mut notes: Vec<String> = settings.seen.iter().cloned().collect();
        notes.extend(settings.source.notes.iter().cloned());
        notes.extend(settings.target.iter().flat_map(|m| m.notes.iter().cloned()));
        if let Recipe::Crops(recipe) = &settings.recipe {
            let side = recipe.choice.needs().crop as u32;
            let plain =
                |set: &&Manifest| recipe.crops.preparation(&set.dataset) == Preparation::None;
            let sets = [Some(&settings.source), settings.target.as_ref()].into_iter().flatten();
            notes.extend(sets.filter(plain).filter_map(|set| smaller_than(set, side)));
        }
        for note in self.jobs.iter().flat_map(|job| &job.notes) {
            if !notes.contains(note) {
                notes.push(note.clone());
            }
        }
        notes
    }

    /// The folders of results, in the order in which their first jobs stand.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for job in &self.jobs {
            if !groups.contains(&job.group.as_str()) {
                groups.push(&job.group);
            }
        }
        groups
    }
}

/// Whether the rule gives one split only, so that repeats are training seeds. More splits than a
/// file holds are an error before anything is trained.
fn single(rule: &Rule, splits: u32) -> Result<bool, ProtocolError> {
    match splits::held(rule)? {
        Some(1) => Ok(true),
        Some(held) if splits > held => Err(ProtocolError::Settings(format!(
            "{rule} holds {held} splits, {splits} are asked for; give --splits {held} or fewer"
        ))),
        _ => Ok(false),
    }
}

/// One job; `one` where the rule gives one split only.
fn job(
    settings: &Settings,
    identity: &Identity,
    photos: &[Digest],
    one: bool,
    index: u32,
    form: Form,
    fraction: Option<f64>,
) -> Result<Job, ProtocolError> {
    let options = Options {
        rule: settings.rule.clone(),
        form,
        seed: settings.seed,
        index: if one { 0 } else { index },
        fraction: fraction.map(|share| Fraction { share, of: settings.fraction_of }),
        allow_leak: settings.allow_leak,
        group_equal_bytes: settings.group_equal_bytes,
    };
    let whole = settings.target.is_some() && settings.train_on == TrainOn::All;
    let split = match (&settings.target, form) {
        // Nothing is cut from the source: all of it trains.
        (Some(_), Form::Published) if whole => {
            Split { train: (0..settings.source.rows.len()).collect(), ..Split::default() }
        }
        _ => splits::split(&settings.source, Some(photos), &options)?,
    };
    let of_split = split.digest(&settings.source);
    let Split { mut train, mut val, mut test, notes } = split;
    if let Some(target) = &settings.target {
        if whole && form == Form::Honest {
            // All but the part that chooses.
            train.append(&mut test);
        }
        train.sort_unstable();
        test = (0..target.rows.len()).collect();
    }
    if form == Form::Published {
        val.clone_from(&test);
    }
    let suffix = fraction.map_or(String::new(), |f| format!("-{f}"));
    // The same for all splits: stored copies of the photos then serve every one.
    let varies = one || settings.target.is_some();
    let seed = settings.seed.wrapping_add(if varies { u64::from(index) } else { 0 });
    let chooses = if form == Form::Published { settings.tested() } else { &settings.source };
    let lists = [
        ("train", paths(&settings.source, &train)),
        ("val", paths(chooses, &val)),
        ("test", paths(settings.tested(), &test)),
    ];
    let ordered = hex(&Sha256::digest(serde_json::to_vec(&lists).expect("lists are JSON")));
    let depends = (identity.of_form(form), form, fraction.map(f64::to_bits), index, seed, &ordered);
    let digest = hex(&Sha256::digest(serde_json::to_vec(&depends).expect("plain data")));
    Ok(Job {
        name: format!("{index:02}-{form}{suffix}"),
        group: format!("{form}{suffix}"),
        form,
        fraction,
        index,
        seed,
        train,
        val,
        test,
        lists_digest: if settings.target.is_some() { ordered } else { of_split },
        digest,
        notes,
    })
}

fn paths<'a>(manifest: &'a Manifest, rows: &[usize]) -> Vec<&'a str> {
    rows.iter().map(|&i| manifest.rows[i].path.as_str()).collect()
}

/// A photo of the tested set that was trained on makes the test worthless: an error, or where leaks
/// are allowed what every report says.
fn shared_files(
    settings: &Settings,
    source: &[Digest],
    target: &Manifest,
    digests: &[Digest],
) -> Result<Option<String>, ProtocolError> {
    let at: HashMap<&Digest, usize> =
        source.iter().enumerate().map(|(i, digest)| (digest, i)).collect();
    let shared: Vec<(usize, usize)> =
        digests.iter().enumerate().filter_map(|(j, d)| Some((*at.get(d)?, j))).collect();
    let Some(&(i, j)) = shared.first() else { return Ok(None) };
    let first = format!(
        "{:?} of {} and {:?} of {}",
        settings.source.rows[i].path, settings.source.dataset, target.rows[j].path, target.dataset
    );
    if settings.allow_leak {
        let count = shared.len();
        return Ok(Some(format!("leak allowed: {count} files lie in both sets, first: {first}")));
    }
    Err(ProtocolError::Settings(format!(
        "the same bytes are on both sides: {first}; take one out, or accept it with --allow-leak \
         (every report will say so)"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            recipe: "r".repeat(64),
            init: "i".repeat(64),
            labels: "l".repeat(64),
            photos: "p".repeat(64),
            target: None,
            split: "biqa".to_owned(),
            seed: 0,
            switches: vec!["select_by = Honest by Srcc".to_owned(), "train_on = All".to_owned()],
        }
    }

    fn choosing(by: &str) -> Identity {
        let switches = vec![format!("{SELECT_BY}{by}"), "train_on = All".to_owned()];
        Identity { switches, ..identity() }
    }

    #[test]
    fn what_differs_is_named_with_both_values() {
        let there = identity();
        assert!(identity().differs(&there).is_empty());
        let here = Identity { recipe: "x".repeat(64), seed: 5, ..identity() };
        assert_eq!(
            here.differs(&there),
            ["recipe (rrrrrrrrrrrr there, xxxxxxxxxxxx here)", "seed (0 there, 5 here)"]
        );
        let target = Some(["t".repeat(64), "u".repeat(64)]);
        let here = Identity { target, ..choosing("Honest by Plcc") };
        let found = here.differs(&there);
        assert_eq!(found[0], "tested set (none there, tttttttttttt here)");
        assert!(found[1].contains("select_by = honest by plcc here"), "{found:?}");
    }

    #[test]
    fn another_protocol_joins_a_run_and_one_by_another_rule_does_not() {
        let (honest, both) = (identity(), choosing("Honest by Srcc, Published by Srcc"));
        assert!(both.differs(&honest).is_empty() && honest.differs(&both).is_empty());
        assert_eq!(both.of_form(Form::Honest), honest, "its jobs are the same");
        assert_eq!(both.joined(&honest), both);
        assert_eq!(honest.joined(&both), both);
        let published = choosing("Published by Srcc");
        assert_eq!(published.joined(&honest), both);
        assert_eq!(choosing("Published by Plcc").differs(&both).len(), 1);
    }

    #[test]
    fn lists_in_one_file_are_one_split() {
        for (rule, one) in [
            ("biqa", false),
            ("python:3", false),
            ("official", true),
            ("file:a.json", true),
            ("file:a-{index}.json", false),
        ] {
            let rule = rule.parse().expect("a rule");
            assert_eq!(single(&rule, 10).expect("nothing to read"), one, "{rule}");
        }
    }

    #[test]
    fn a_list_gives_as_many_splits_as_it_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("X.csv");
        let columns = ["01", "02"].map(|n| format!("ratio802_seed123_split_{n}")).join(",");
        std::fs::write(&file, format!("img_name,mos,{columns}\na.png,1,train,test\n"))
            .expect("written");
        let rule = Rule::File(file);
        assert!(!single(&rule, 2).expect("two"));
        let text = single(&rule, 3).expect_err("three").to_string();
        assert!(text.contains("holds 2 splits, 3 are asked for"), "{text}");
    }
}
