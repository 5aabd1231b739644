//! What the jobs of one protocol found together: the folders that `biqa report` reads.

use std::collections::BTreeMap;

use serde::Serialize;

use super::job::{Evaluated, chosen_on, done, folder};
use super::{Identity, Job, PROTOCOL, Plan, ProtocolError, Settings, put};
use crate::datasets::{Direction, Manifest};
use crate::evaluate::{Groups as Contents, dataset, figures, images, qualities};
use crate::published::{Kind, Published, of};
use crate::results::{
    self, Figures, Image, Part, Protocol, ProtocolName, Repeat, Results, Subject, SubjectKind,
    VERSION,
};
use crate::splits::Rule;
use crate::stats::summary;
use crate::train::SelectBy;

/// Reads a figure out of those of a repeat; `None` when it is undefined.
pub type FigureOf = fn(&Figures) -> Option<f64>;

/// The figures that are summed up over repeats, by their name in `protocol.json`.
pub const FIGURES: [(&str, FigureOf); 6] = [
    ("srcc", |f| f.srcc.value),
    ("plcc", |f| f.plcc.value),
    ("plcc_fitted", |f| f.logistic4.as_ref()?.plcc),
    ("krcc", |f| f.krcc),
    ("rmse_fitted", |f| Some(f.logistic4.as_ref()?.rmse)),
    ("mae", |f| f.mae),
];

/// One protocol (and fraction) over all repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its folder within the run.
    pub folder: String,
    /// Figures by repeat.
    pub results: Results,
    /// Every prediction.
    pub images: Vec<Image>,
}

impl Group {
    /// Values over the repeats; `None` where one of them is undefined.
    pub fn values(&self, figure: FigureOf) -> Option<Vec<f64>> {
        self.results.repeats.iter().map(|repeat| figure(&repeat.figures)).collect()
    }

    /// The same of the last epoch.
    pub fn last_values(&self, figure: FigureOf) -> Option<Vec<f64>> {
        self.results.repeats.iter().map(|repeat| figure(repeat.last.as_ref()?)).collect()
    }

    /// Published figures of the same kind on the same set, the highest SRCC first. None for a
    /// subset: nothing published is comparable.
    pub fn published(&self) -> Vec<&'static Published> {
        let Results { dataset, protocol, .. } = &self.results;
        let kind = match (&protocol.trained_on, protocol.fraction) {
            (Some(source), _) => Kind::Cross(source.clone()),
            (None, Some(fraction)) => Kind::Small(fraction),
            (None, None) => Kind::InDomain,
        };
        if dataset.subset { Vec::new() } else { of(&dataset.key, &kind) }
    }
}

/// The groups of a plan whose jobs are all done.
pub(super) fn collect(settings: &Settings, plan: &Plan) -> Result<Vec<Group>, ProtocolError> {
    let group = |name: &&str| {
        let mut repeats = Vec::new();
        let mut all = Vec::new();
        let mut notes: Vec<String> = Vec::new();
        let jobs = || plan.jobs.iter().filter(|job| job.group == **name);
        for job in jobs() {
            let found = done(settings, job).ok_or_else(|| {
                let path = folder(settings, job);
                ProtocolError::Settings(format!(
                    "{} was changed while the run went on; start it again with --resume",
                    path.display()
                ))
            })?;
            notes.extend(
                found.notes.iter().filter(|n| !notes.contains(n)).cloned().collect::<Vec<_>>(),
            );
            repeats.push(repeat(settings, job, &found)?);
            let index = job.index as usize;
            let (rows, last) = (&job.test, Some(found.last.as_slice()));
            all.extend(images(settings.tested(), rows, &found.test, last, part(settings), index));
        }
        let first = jobs().next().expect("a group is made of its jobs");
        let results = Results {
            version: VERSION,
            biqa: env!("CARGO_PKG_VERSION").to_owned(),
            dataset: dataset(settings.tested()),
            subject: Subject {
                kind: SubjectKind::Recipe,
                name: settings.recipe.name().to_owned(),
                digest: None,
                recipe_digest: Some(settings.recipe.digest()),
            },
            protocol: protocol(settings, first),
            repeats,
            notes,
        };
        Ok(Group { folder: (*name).to_owned(), results, images: all })
    };
    plan.groups().iter().map(group).collect()
}

fn part(settings: &Settings) -> Part {
    if settings.target.is_some() { Part::All } else { Part::Test }
}

fn repeat(settings: &Settings, job: &Job, found: &Evaluated) -> Result<Repeat, ProtocolError> {
    let tested = settings.tested();
    let labels = qualities(tested, &job.test);
    let contents = Contents::of_rows(tested, &job.test);
    let measured = |x: &[f64]| -> Result<Figures, ProtocolError> {
        let mut found = figures(x, &labels, &contents, &settings.measures)?;
        // Of another set the network does not know the scale.
        if settings.target.is_none() {
            found.mae = Some(mean_absolute_error(tested, &job.test, x));
        }
        Ok(found)
    };
    Ok(Repeat {
        index: job.index as usize,
        seed: Some(job.seed),
        lists_digest: Some(job.lists_digest.clone()),
        weights_digest: Some(found.weights_digest.clone()),
        images: job.test.len(),
        groups: contents.count,
        crops: Some(settings.recipe.test_looks()),
        trained: Some([job.train.len(), job.val.len()]),
        kept: Some(found.kept),
        figures: measured(&found.test)?,
        last: Some(measured(&found.last)?),
        epochs: found.epochs.clone(),
        log: Some(format!("../splits/{}/log.jsonl", job.name)),
        seconds: found.seconds,
    })
}

/// In label units: the network learns labels brought to 0..1 and turned to quality.
fn mean_absolute_error(manifest: &Manifest, rows: &[usize], x: &[f64]) -> f64 {
    let [lo, hi] = manifest.range_nominal;
    let off = |(&i, &x): (&usize, &f64)| (x - manifest.target(manifest.rows[i].score)).abs();
    (hi - lo) * rows.iter().zip(x).map(off).sum::<f64>() / rows.len() as f64
}

fn protocol(settings: &Settings, job: &Job) -> Protocol {
    let Settings { target, rule, source, .. } = settings;
    let name = match (target, job.fraction, rule) {
        (Some(_), ..) => ProtocolName::Cross,
        (None, Some(_), _) => ProtocolName::Small,
        (None, None, Rule::Official) => ProtocolName::Official,
        (None, None, _) if chosen_on(job.form) == Part::Val => ProtocolName::Honest,
        (None, None, _) => ProtocolName::Published,
    };
    // What a paper's run would do otherwise, so that nobody takes this one for it.
    let mut switches = settings.recipe.switches(&source.dataset);
    for switch in settings.recipe.switches(&settings.tested().dataset) {
        if !switches.contains(&switch) {
            switches.push(format!("tested with {switch}"));
        }
    }
    for (on, switch) in
        [(settings.allow_leak, "allow_leak"), (settings.group_equal_bytes, "group_equal_bytes")]
    {
        if on {
            switches.push(format!("{switch} = true"));
        }
    }
    Protocol {
        name,
        part: part(settings),
        split: rule.to_string(),
        seed: settings.seed,
        selected_on: Some(chosen_on(job.form)),
        select_by: Some(
            match settings.selects_by(job.form) {
                SelectBy::Srcc => "srcc",
                SelectBy::Plcc => "plcc",
            }
            .to_owned(),
        ),
        summary: settings.summary.word().to_owned(),
        trained_on: target.as_ref().map(|_| source.dataset.clone()),
        train_on: target.as_ref().map(|_| settings.train_on.word().to_owned()),
        fraction: job.fraction,
        fraction_of: job.fraction.map(|_| format!("{:?}", settings.fraction_of).to_lowercase()),
        switches,
    }
}

/// A figure over the repeats.
#[derive(Serialize)]
struct Row {
    median: f64,
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
    quartiles: [f64; 2],
    values: Vec<f64>,
}

/// All of `protocol.json`.
#[derive(Serialize)]
struct File<'a> {
    biqa: &'a str,
    recipe: &'a str,
    dataset: &'a str,
    direction: Direction,
    identity: &'a Identity,
    /// Lists and seed of every job.
    jobs: Vec<BTreeMap<&'a str, String>>,
    /// By folder: kept and last epoch, each by figure.
    groups: BTreeMap<&'a str, BTreeMap<&'a str, BTreeMap<&'a str, Option<Row>>>>,
    published: Vec<BTreeMap<&'a str, String>>,
}

/// Writes every group's folder and, last, `protocol.json`.
pub(super) fn write(
    settings: &Settings,
    plan: &Plan,
    groups: &[Group],
) -> Result<(), ProtocolError> {
    for group in groups {
        results::write(&settings.out.join(&group.folder), &group.results, &group.images)?;
    }
    let jobs = plan.jobs.iter().map(|job| {
        BTreeMap::from([
            ("name", job.name.clone()),
            ("results", job.group.clone()),
            ("seed", job.seed.to_string()),
            ("lists", job.lists_digest.clone()),
        ])
    });
    let mut summed = BTreeMap::new();
    for group in groups {
        let mut both = BTreeMap::new();
        for (which, last) in [("kept", false), ("last", true)] {
            let mut rows = BTreeMap::new();
            for (name, figure) in FIGURES {
                let values = if last { group.last_values(figure) } else { group.values(figure) };
                rows.insert(name, values.map(row).transpose()?);
            }
            both.insert(which, rows);
        }
        summed.insert(group.folder.as_str(), both);
    }
    let mut published: Vec<&Published> = Vec::new();
    for found in groups.iter().flat_map(Group::published) {
        if !published.contains(&found) {
            published.push(found);
        }
    }
    let file = File {
        biqa: env!("CARGO_PKG_VERSION"),
        recipe: settings.recipe.name(),
        dataset: &settings.tested().dataset,
        direction: settings.tested().direction,
        identity: &plan.identity,
        jobs: jobs.collect(),
        groups: summed,
        published: published.into_iter().map(published_row).collect(),
    };
    let json = serde_json::to_vec_pretty(&file).expect("it is plain data");
    put(&settings.out.join(PROTOCOL), &json)
}

fn row(values: Vec<f64>) -> Result<Row, ProtocolError> {
    let found = summary(&values)?;
    Ok(Row {
        median: found.median,
        mean: found.mean,
        std: found.std,
        min: found.min,
        max: found.max,
        quartiles: found.quartiles,
        values,
    })
}

fn published_row(row: &Published) -> BTreeMap<&'static str, String> {
    let number = |v: Option<f64>| v.map(|v| v.to_string()).unwrap_or_default();
    BTreeMap::from([
        ("method", row.method.clone()),
        ("protocol", row.protocol.clone()),
        ("srcc", number(row.srcc)),
        ("plcc", number(row.plcc)),
        ("source", row.source.clone()),
    ])
}
