//! A whole training from names on a command line: dataset or labels, recipe, weights, model file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use biqa::device::{DeviceName, OpenDevice};
use biqa::random::{fnv1a64, splitmix64};
use biqa::weights::{Data, ModelCard, Precision, Scale};

use super::checkpoint::write_atomic;
use super::choose::SelectBy;
use super::export::model_file;
use super::initial::{Given, Initial};
use super::notes;
use super::photo::Photo;
use super::recipe::{Card, Change, Recipe, builtin, text_of};
use super::run::{Bar, Options, Outcome, bar, device_words, run};
use super::{Progress, TrainError};
use crate::datasets::{self, Content, Direction, Manifest, Split};
use crate::splits::{self, Rule};

/// The recipe for somebody's own labels: the head of `lite` goes on learning.
const FINETUNE: &str = include_str!("../../../../recipes/finetune.toml");
/// Share of somebody's own photos that choose the epoch, by content.
const VAL_SHARE: f64 = 0.2;
/// The fewest contents to train on and to choose on, as the loop asks for them.
const LEAST_TRAIN: usize = 4;
const LEAST_VAL: usize = 3;
/// Below so many photos to choose on, what they choose is little better than chance.
const FEW_VAL: usize = 10;
/// Steps between checkpoints.
const CHECKPOINT_STEPS: u64 = 200;

/// A training as a command line says it.
#[derive(Clone, Debug)]
pub struct Job {
    /// `None`: the built-in recipe for one's own labels.
    pub recipe: Option<PathBuf>,
    /// Keys of the recipe that are set otherwise.
    pub changes: Vec<Change>,
    /// What is trained on.
    pub source: DataSource,
    /// Weights to begin from.
    pub init: Given,
    /// The run folder.
    pub out: PathBuf,
    /// Whether to go on with a run that is there.
    pub resume: bool,
    /// Keys every random number.
    pub seed: u64,
    /// Where the network learns.
    pub device: OpenDevice,
    /// Worker threads; 0 for all cores.
    pub threads: usize,
    /// Steps between checkpoints; 0 for the default.
    pub checkpoint_steps: u64,
}

/// What a job trains on.
#[derive(Clone, Debug)]
pub enum DataSource {
    /// A dataset that biqa knows.
    Dataset {
        /// Its key.
        name: String,
        /// Its folder.
        root: PathBuf,
        /// How it is loaded.
        options: Box<datasets::Options>,
    },
    /// Somebody's own labels.
    Labels {
        /// The list.
        csv: PathBuf,
        /// What its paths are relative to.
        images: PathBuf,
        /// Which way the scores point.
        direction: Direction,
        /// Lowest and highest score of the scale; `None`: those of the list.
        range: Option<[f64; 2]>,
    },
}

/// What a job made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The model file.
    pub weights: PathBuf,
    /// The run's curves and validation scores.
    pub outcome: Outcome,
    /// What the data said of themselves.
    pub notes: Vec<String>,
    /// Photos trained on and chosen on.
    pub counts: (usize, usize),
}

/// Trains and writes `OUT/best.safetensors`, which `biqa score --weights` takes.
pub fn train(job: &Job, progress: &mut (dyn Progress + Send)) -> Result<Made, TrainError> {
    let (options, manifest) = prepared(job, progress)?;
    let (recipe, counts) = (&options.recipe, (options.train.len(), options.val.len()));
    if counts.1 < FEW_VAL {
        progress.note(&format!(
            "note: the best epoch and the scale rest on {} photos: expect little; with 50 labels \
             fine-tuning begins to tell",
            counts.1
        ));
    }
    let outcome = run(&options, progress)?;
    let scale = outcome.scale(&options.val)?;
    let data = Data {
        dataset: manifest.dataset.clone(),
        split: split_words(job, recipe),
        labels: manifest.labels_words(),
        manifest_digest: manifest.digest(),
        train: counts.0,
        val: counts.1,
        init: options.init.name.clone(),
        ancestors: options.init.ancestors.clone(),
    };
    let card = card(recipe, &outcome, scale, data, (job.seed, job.device.name()));
    let bytes = model_file(&outcome.weights, card, Precision::F16)?;
    let weights = job.out.join("best.safetensors");
    write_atomic(&weights, &bytes)?;
    Ok(Made { weights, outcome, notes: manifest.notes, counts })
}

/// What ridge regression on the frozen start does, on the photos that choose and on the list's own
/// test part.
pub fn ridge(job: &Job, progress: &mut (dyn Progress + Send)) -> Result<Bar, TrainError> {
    let (options, manifest) = prepared(job, progress)?;
    let test = manifest.part(Split::Test);
    let test = test.into_iter().map(|i| Photo::of(&manifest, i, "")).collect();
    bar(&Options { test, ..options })
}

/// What a run is asked for, and the photos it is about.
fn prepared(
    job: &Job,
    progress: &mut (dyn Progress + Send),
) -> Result<(Options, Manifest), TrainError> {
    let dataset = match &job.source {
        DataSource::Dataset { name, .. } => Some(name.as_str()),
        DataSource::Labels { .. } => None,
    };
    let (recipe, recipe_text) = read_recipe(job.recipe.as_deref(), dataset, &job.changes)?;
    let manifest = manifest(job, &recipe)?;
    for note in &manifest.notes {
        progress.note(note);
    }
    let (train, val) = parts(&manifest, job.seed)?;
    let said = [notes::of_parts(&manifest, val.len()), notes::of_copies(&val, &train)];
    said.into_iter().flatten().for_each(|note| progress.note(&note));
    progress.note(&format!(
        "{} photos to train on, {} to choose on; trains on {}",
        train.len(),
        val.len(),
        device_words(&job.device, recipe.products())
    ));
    let options = Options {
        recipe_text,
        train,
        val,
        test: Vec::new(),
        scale: manifest.scale(),
        select_by: SelectBy::default(),
        fresh_crops: false,
        data_digest: manifest.digest(),
        init: Initial::read(&job.init, &recipe)?,
        seed: job.seed,
        device: job.device.clone(),
        threads: job.threads,
        out: job.out.clone(),
        items: None,
        resume: job.resume,
        checkpoint_steps: match job.checkpoint_steps {
            0 => CHECKPOINT_STEPS,
            steps => steps,
        },
        recipe,
    };
    Ok((options, manifest))
}

/// A recipe with changes and its text; without a path the one for one's own labels. A method's name that is no
/// file means its recipe inside the binary for the dataset.
pub fn read_recipe(
    path: Option<&Path>,
    dataset: Option<&str>,
    changes: &[Change],
) -> Result<(Recipe, String), TrainError> {
    let inside = |name: &str, text: &str| {
        Recipe::parse_with(text, Path::new(&format!("{name} (inside biqa)")), changes)
    };
    let Some(path) = path else { return inside("finetune.toml", FINETUNE) };
    let method = path.to_str().filter(|_| !path.is_file());
    match method.zip(dataset).and_then(|(method, dataset)| builtin(method, dataset)) {
        Some(Ok((name, text))) => return inside(name, text),
        Some(Err(reason)) => return Err(TrainError::Recipe { path: path.to_owned(), reason }),
        None => {}
    }
    Recipe::parse_with(&text_of(path)?, path, changes)
}

fn manifest(job: &Job, recipe: &Recipe) -> Result<Manifest, TrainError> {
    let loaded = match &job.source {
        DataSource::Dataset { name, root, options } => {
            let options = with_content(*options.clone(), recipe, job.recipe.as_deref());
            datasets::open(name, root, &options)
        }
        DataSource::Labels { csv, images, direction, range } => {
            let options = datasets::Options {
                list: Some(csv.clone()),
                direction: Some(*direction),
                // Any range will do to read the list; its own is taken below.
                range: Some(range.unwrap_or([-1e300, 1e300])),
                ..datasets::Options::default()
            };
            datasets::open("csv", images, &options).map(|manifest| with_own_range(manifest, *range))
        }
    };
    Ok(loaded?)
}

/// The recipe's list of contents, which lies beside it, where nobody asked for other contents.
pub fn with_content(
    mut options: datasets::Options,
    recipe: &Recipe,
    path: Option<&Path>,
) -> datasets::Options {
    let folder = path.and_then(Path::parent).unwrap_or(Path::new(""));
    let own = recipe.content().map(|file| Content::File(folder.join(file)));
    options.content = options.content.or(own);
    options
}

/// Without a stated scale the list's lowest and highest score are taken for it, and that is said.
fn with_own_range(mut manifest: Manifest, range: Option<[f64; 2]>) -> Manifest {
    if range.is_none() {
        let scores = || manifest.rows.iter().map(|row| row.score);
        let (lo, hi) = (scores().fold(f64::INFINITY, f64::min), scores().fold(-1e300, f64::max));
        manifest.range_nominal = [lo, hi];
        manifest.notes.push(format!("scores run from {lo} to {hi}: taken for 0 and 100 (--range)"));
    }
    manifest
}

/// Photos to train on and to choose on: the list's own parts; of a published set's official training
/// part a tenth chooses, by `biqa-split-v1`; of one's own list a fifth of the contents.
pub(crate) fn parts(
    manifest: &Manifest,
    seed: u64,
) -> Result<(Vec<Photo>, Vec<Photo>), TrainError> {
    let photo = |i: usize| Photo::of(manifest, i, "");
    let [lo, hi] = manifest.range_nominal;
    if lo >= hi {
        return Err(TrainError::Data(format!(
            "all scores are {lo}: there is nothing to learn; look at the column of scores, or give \
             another list"
        )));
    }
    let (train, val) = (manifest.part(Split::Train), manifest.part(Split::Val));
    if !train.is_empty() && !val.is_empty() {
        let unsaid = manifest.rows.iter().filter(|row| row.split.is_none());
        if let Some(first) = unsaid.clone().next() {
            return Err(TrainError::Data(format!(
                "{} photos have no split although others have train and val, first: {}; give each \
                 one train, val or test, or leave the column empty",
                unsaid.count(),
                first.path
            )));
        }
        return Ok((train.into_iter().map(photo).collect(), val.into_iter().map(photo).collect()));
    }
    let own = manifest.dataset == "csv";
    let (train, val) = if own || train.is_empty() || manifest.part(Split::Test).is_empty() {
        choose(manifest, seed)?
    } else {
        // An official split without a part to choose on: the protocol says which tenth chooses.
        // Its test part is not looked at here, so neither is what it shares with the others.
        let rule = Rule::Official;
        let options =
            splits::Options { rule, seed, allow_leak: true, ..splits::Options::default() };
        let official = splits::split(manifest, None, &options)?;
        (official.train, official.val)
    };
    let photos = |rows: Vec<usize>| rows.into_iter().map(photo).collect();
    Ok((photos(train), photos(val)))
}

/// Rows to train on and to choose on, by a rule: of the contents in the order of their scores, one
/// of every five neighbours chooses, so that what chooses reaches from bad to good however few
/// there are.
fn choose(manifest: &Manifest, seed: u64) -> Result<(Vec<usize>, Vec<usize>), TrainError> {
    let mut contents: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, row) in manifest.rows.iter().enumerate() {
        if row.split != Some(Split::Test) {
            contents.entry(&row.content).or_default().push(i);
        }
    }
    let n = contents.len();
    if n < LEAST_TRAIN + LEAST_VAL {
        return Err(TrainError::Data(format!(
            "{n} photos of different contents: {} are needed, {LEAST_TRAIN} to train on and \
             {LEAST_VAL} to choose on, and 50 to learn something from",
            LEAST_TRAIN + LEAST_VAL
        )));
    }
    let mean = |rows: &[usize]| {
        rows.iter().map(|&i| manifest.target(manifest.rows[i].score)).sum::<f64>()
            / rows.len() as f64
    };
    let mut ordered: Vec<_> = contents.into_iter().map(|(name, r)| (mean(&r), name, r)).collect();
    ordered.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
    let n_val = ((n as f64 * VAL_SHARE).round() as usize).max(LEAST_VAL);
    let (mut train, mut val) = (Vec::new(), Vec::new());
    for k in 0..n_val {
        let neighbours = &ordered[k * n / n_val..(k + 1) * n / n_val];
        let key = |name: &str| splitmix64(seed ^ fnv1a64(name));
        let chosen = neighbours.iter().map(|(_, name, _)| key(name)).min();
        for (_, name, rows) in neighbours {
            let part = if Some(key(name)) == chosen { &mut val } else { &mut train };
            part.extend(rows);
        }
    }
    train.sort_unstable();
    val.sort_unstable();
    Ok((train, val))
}

/// How a card's split begins that is by a list of contents and parts; its file's name follows.
pub const LISTED: &str = "content-safe list ";

fn split_words(job: &Job, recipe: &Recipe) -> String {
    let DataSource::Dataset { options, .. } = &job.source else {
        return "by content, a fifth over the range of the scores to choose on".to_owned();
    };
    // What was asked for goes before the recipe's: see [`with_content`].
    match (&options.content, recipe.content()) {
        (Some(Content::File(list)), _) => {
            format!("{LISTED}{}", list.file_name().unwrap_or_default().to_string_lossy())
        }
        (Some(content), _) => format!("the dataset's own, content: {content}"),
        (None, Some(list)) => format!("{LISTED}{list}"),
        (None, None) => "the dataset's own".to_owned(),
    }
}

/// The card of what a run has made, not yet sealed.
pub(crate) fn card(
    recipe: &Recipe,
    outcome: &Outcome,
    scale: Scale,
    data: Data,
    (seed, device): (u64, DeviceName),
) -> ModelCard {
    let words = recipe.card().clone();
    let Card { name, version, licence, data_terms, known_failures, anchors } = words;
    ModelCard {
        name,
        version,
        method: recipe.method().to_owned(),
        config: outcome.config.clone(),
        view: outcome.view.clone(),
        scale,
        weights_digest: String::new(),
        data,
        seed,
        device,
        recipe_digest: recipe.digest(),
        metrics: Vec::new(),
        licence,
        data_terms,
        known_failures,
        anchors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::Row;

    /// Photos of these scores, each its own content.
    fn manifest(scores: &[f64]) -> Manifest {
        let row = |(i, &score): (usize, &f64)| Row {
            path: format!("{i}.jpg"),
            score,
            content: i.to_string(),
            kind: String::new(),
            level: None,
            split: None,
            spread: None,
        };
        Manifest {
            dataset: "csv".to_owned(),
            direction: Direction::Mos,
            range_nominal: [1.0, 5.0],
            root: PathBuf::new(),
            rows: scores.iter().enumerate().map(row).collect(),
            notes: Vec::new(),
            subset: false,
        }
    }

    #[test]
    fn what_chooses_reaches_from_bad_to_good() {
        // Many 4s, as people give them.
        let scores: Vec<f64> = (0..12).map(|i| [4.0, 1.5, 4.0, 2.5, 4.0, 5.0][i % 6]).collect();
        for seed in 0..50 {
            let (train, val) = choose(&manifest(&scores), seed).expect("enough");
            assert_eq!((train.len(), val.len()), (9, 3));
            let of = |i: usize| scores[i];
            let (low, high) = (val.iter().map(|&i| of(i)).fold(9.0, f64::min), 4.0);
            assert!(low < high && val.iter().any(|&i| of(i) >= high), "seed {seed}: {val:?}");
        }
        let drawn = |seed| choose(&manifest(&scores), seed).expect("enough");
        assert_eq!(drawn(3), drawn(3));
        assert!((0..50).any(|seed| drawn(seed) != drawn(3)));
    }

    #[test]
    fn a_fifth_chooses_and_too_few_are_refused_with_advice() {
        let scores = |n: usize| (0..n).map(|i| 1.0 + 4.0 * i as f64 / n as f64).collect::<Vec<_>>();
        for (n, expected) in [(7, 3), (14, 3), (20, 4), (50, 10), (1000, 200)] {
            let (train, val) = choose(&manifest(&scores(n)), 0).expect("enough");
            assert_eq!((train.len(), val.len()), (n - expected, expected));
        }
        let error = choose(&manifest(&scores(6)), 0).expect_err("too few").to_string();
        assert!(error.contains("6 photos") && error.contains("7 are needed"), "{error}");
    }

    #[test]
    fn of_a_list_with_a_test_part_a_fifth_of_the_others_chooses_too() {
        let mut manifest = manifest(&(0..50).map(f64::from).collect::<Vec<_>>());
        for (i, row) in manifest.rows.iter_mut().enumerate() {
            row.split = Some(if i % 5 == 0 { Split::Test } else { Split::Train });
        }
        let (train, val) = parts(&manifest, 0).expect("enough");
        assert_eq!((train.len(), val.len()), (32, 8));
        // A published set's own training part: a tenth, by the protocol's rule.
        manifest.dataset = "koniq10k".to_owned();
        let (train, val) = parts(&manifest, 0).expect("enough");
        assert_eq!((train.len(), val.len()), (36, 4));
    }

    #[test]
    fn photos_of_one_content_stay_together() {
        let mut manifest = manifest(&(0..24).map(|i| 1.0 + f64::from(i) / 6.0).collect::<Vec<_>>());
        for (i, row) in manifest.rows.iter_mut().enumerate() {
            row.content = (i / 2).to_string();
        }
        let (train, val) = choose(&manifest, 5).expect("enough");
        assert_eq!(val.len(), 6);
        assert!(val.iter().all(|i| !train.contains(&(i ^ 1))), "{val:?}");
    }
}
