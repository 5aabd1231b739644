//! A whole training from names on a command line: dataset or labels, recipe, weights, model file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use biqa::random::{fnv1a64, splitmix64};
use biqa::scorer::{Scorer, hex};
use biqa::weights::{Arrays, Data, Precision, read, read_safetensors};
use sha2::{Digest, Sha256};

use super::checkpoint::write_atomic;
use super::export::{About, calibrate, model_file};
use super::items::Photo;
use super::recipe::{Card, Recipe};
use super::run::{Options, Outcome, run};
use super::{Progress, TrainError};
use crate::datasets::{Direction, LoadOptions, Manifest, Split, load};

/// The recipe for somebody's own labels: the head of `lite` goes on learning.
const FINETUNE: &str = include_str!("../../../../recipes/finetune.toml");
/// What `--init` may be instead of a file: the model inside the binary.
const BUILTIN: &str = "lite";
/// Share of somebody's own photos that choose the epoch, by content.
const VAL_SHARE: f64 = 0.2;
/// Steps between checkpoints.
const CHECKPOINT_STEPS: u64 = 200;

/// A training as a command line says it.
#[derive(Clone, Debug)]
pub struct Job {
    /// `None`: the built-in recipe for one's own labels.
    pub recipe: Option<PathBuf>,
    /// What is trained on.
    pub source: DataSource,
    /// Weights to begin from; `None`: those inside the binary, where the recipe says `lite`.
    pub init: Option<PathBuf>,
    /// The run folder.
    pub out: PathBuf,
    /// Whether to go on with a run that is there.
    pub resume: bool,
    /// Keys every random number.
    pub seed: u64,
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
        /// Whether photos without a file are left out instead of ending the job.
        partial: bool,
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
    let (recipe, text) = recipe(job)?;
    let manifest = manifest(job, &recipe)?;
    for note in &manifest.notes {
        progress.note(note);
    }
    let (train, val) = parts(&manifest, job.seed)?;
    progress.note(&format!("{} photos to train on, {} to choose on", train.len(), val.len()));
    let counts = (train.len(), val.len());
    let (init, init_name, init_digest) = init(job, &recipe)?;
    let options = Options {
        recipe_text: text.clone(),
        train,
        val,
        data_digest: manifest.digest(),
        init,
        init_name: init_name.clone(),
        init_digest,
        seed: job.seed,
        threads: job.threads,
        out: job.out.clone(),
        resume: job.resume,
        checkpoint_steps: match job.checkpoint_steps {
            0 => CHECKPOINT_STEPS,
            steps => steps,
        },
        recipe: recipe.clone(),
    };
    let outcome = run(&options, progress)?;
    let targets: Vec<f64> = options.val.iter().map(|p| f64::from(p.target)).collect();
    let scale = calibrate(&outcome.val_scores, &targets)?;
    let data = Data {
        dataset: manifest.dataset.clone(),
        split: split_words(job, &recipe),
        manifest_digest: manifest.digest(),
        train: counts.0,
        val: counts.1,
        init: init_name,
    };
    let about = about(&recipe, data, job.seed, hex(&Sha256::digest(&text)));
    let bytes = model_file(&outcome.weights, scale, about, Precision::F16)?;
    let weights = job.out.join("best.safetensors");
    write_atomic(&weights, &bytes)?;
    Ok(Made { weights, outcome, notes: manifest.notes, counts })
}

fn recipe(job: &Job) -> Result<(Recipe, String), TrainError> {
    let Some(path) = &job.recipe else {
        let recipe = Recipe::parse(FINETUNE, Path::new("finetune.toml (inside biqa)"))?;
        return Ok((recipe, FINETUNE.to_owned()));
    };
    let text = std::fs::read_to_string(path)
        .map_err(|source| TrainError::Io { path: path.clone(), source })?;
    Ok((Recipe::parse(&text, path)?, text))
}

fn manifest(job: &Job, recipe: &Recipe) -> Result<Manifest, TrainError> {
    let loaded = match &job.source {
        DataSource::Dataset { name, root, partial } => {
            let folder = job.recipe.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
            let options = LoadOptions {
                content: recipe.content.as_ref().map(|file| folder.join(file)),
                allow_missing: if *partial { usize::MAX } else { 0 },
                ..LoadOptions::default()
            };
            load(name, root, &options)
        }
        DataSource::Labels { csv, images, direction, range } => {
            let options = LoadOptions {
                labels: Some(csv.clone()),
                direction: Some(*direction),
                // Any range will do to read the list; its own is taken below.
                range: Some(range.unwrap_or([-1e300, 1e300])),
                ..LoadOptions::default()
            };
            load("csv", images, &options).map(|manifest| with_own_range(manifest, *range))
        }
    };
    loaded.map_err(|e| TrainError::Data(e.to_string()))
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

/// Photos to train on and to choose on. Without a `split` column a fifth of the contents chooses.
fn parts(manifest: &Manifest, seed: u64) -> Result<(Vec<Photo>, Vec<Photo>), TrainError> {
    let photo = |i: usize| {
        let row = &manifest.rows[i];
        Photo {
            path: manifest.file(row),
            name: row.path.clone(),
            target: manifest.target(row.score) as f32,
        }
    };
    let [lo, hi] = manifest.range_nominal;
    if lo >= hi {
        return Err(TrainError::Data(format!("all scores are {lo}: there is nothing to learn")));
    }
    let (train, val) = (manifest.part(Split::Train), manifest.part(Split::Val));
    if !train.is_empty() && !val.is_empty() {
        return Ok((train.into_iter().map(photo).collect(), val.into_iter().map(photo).collect()));
    }
    // Contents in the order of a keyed hash: a fifth of them, at least one, chooses.
    let mut contents: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (i, row) in manifest.rows.iter().enumerate() {
        if row.split != Some(Split::Test) {
            let key = splitmix64(seed ^ fnv1a64(&row.content));
            contents.entry(key).or_default().push(i);
        }
    }
    let n_val = ((contents.len() as f64 * VAL_SHARE).round() as usize).max(1);
    let groups: Vec<Vec<usize>> = contents.into_values().collect();
    let (val, train) = groups.split_at(n_val.min(groups.len()));
    let photos = |groups: &[Vec<usize>]| {
        let mut rows: Vec<usize> = groups.concat();
        rows.sort_unstable();
        rows.into_iter().map(photo).collect()
    };
    Ok((photos(train), photos(val)))
}

/// The initial weights, their name and the digest of their file.
fn init(job: &Job, recipe: &Recipe) -> Result<(Arrays, String, String), TrainError> {
    let Some(path) = &job.init else {
        if recipe.init.weights != BUILTIN {
            return Err(TrainError::Data(format!(
                "the recipe starts from {}; give that file with --init",
                recipe.init.weights
            )));
        }
        let (arrays, _) = read_safetensors(biqa::scorer::LITE, "the built-in lite")?;
        let digest = Scorer::builtin()?.digest().to_owned();
        return Ok((arrays, "the built-in lite".to_owned(), digest));
    };
    let bytes =
        std::fs::read(path).map_err(|source| TrainError::Io { path: path.clone(), source })?;
    let found = hex(&Sha256::digest(&bytes));
    if !recipe.init.sha256.is_empty() && recipe.init.sha256 != found {
        return Err(TrainError::Init {
            name: recipe.init.weights.clone(),
            expected: recipe.init.sha256.clone(),
            found,
        });
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((read(path)?.0, name, found))
}

fn split_words(job: &Job, recipe: &Recipe) -> String {
    match (&job.source, &recipe.content) {
        (DataSource::Dataset { .. }, Some(list)) => format!("content-safe list {list}"),
        (DataSource::Dataset { .. }, None) => "the dataset's own".to_owned(),
        (DataSource::Labels { .. }, _) => "by content, a fifth to choose on".to_owned(),
    }
}

fn about(recipe: &Recipe, data: Data, seed: u64, recipe_digest: String) -> About {
    let card = recipe.card.clone();
    let Card { name, version, licence, data_terms, known_failures, anchors } = card;
    About {
        name,
        version,
        config: recipe.config.clone(),
        view: recipe.view.clone(),
        data,
        seed,
        recipe_digest,
        metrics: Vec::new(),
        licence,
        data_terms,
        known_failures,
        anchors,
    }
}
