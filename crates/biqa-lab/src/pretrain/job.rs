//! A whole pre-training from names on a command line: pictures, recipe, weights, what is left of it.

use std::path::PathBuf;

use biqa::device::OpenDevice;
use biqa::scorer::hex;
use biqa::weights::{Ancestor, Precision, WITHOUT_SCORES, to_start};
use sha2::{Digest, Sha256};

use super::measure::{Figures, Labelled};
use super::recipe::PretrainRecipe;
use super::report::{losses, page};
use super::run::{Options, run};
use super::sources::{Part, SOURCES, Sorting, Source, sort};
use super::start::exported;
use crate::datasets;
use crate::report::{html, markdown};
use crate::train::checkpoint::write_atomic;
use crate::train::folder::{Claim, LOG};
use crate::train::initial::Initial;
use crate::train::job::parts;
use crate::train::recipe::Change;
use crate::train::run::{check_products, device_words};
use crate::train::{Progress, TrainError};

/// Both sides, under the names of `papers/qpt.md`, section 5: `biqa train` starts QPT from it.
pub const WEIGHTS: &str = "pretrained.safetensors";
/// The backbone alone, under the names of its own files, in half precision unless a number is too large.
pub const BACKBONE: &str = "backbone.safetensors";
/// Figures and curves for people.
pub const PAGE: &str = "report.html";
/// The same as Markdown.
const TWIN: &str = "report.md";
/// Steps between checkpoints.
const CHECKPOINT_STEPS: u64 = 200;

/// A pre-training as a command line says it.
#[derive(Clone, Debug)]
pub struct Job {
    /// A recipe's name inside the binary, or a file.
    pub recipe: PathBuf,
    /// Keys of it that are set from outside.
    pub changes: Vec<Change>,
    /// Pictures to learn from.
    pub images: Vec<Source>,
    /// Pictures to measure on; none: some of `images`, which are then not learnt from.
    pub held_out: Vec<Source>,
    /// A labelled set to measure on: its key, its folder, how it is loaded.
    pub labelled: Option<(String, PathBuf, datasets::Options)>,
    /// Weights of the backbone to begin from.
    pub init: Option<PathBuf>,
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

/// What a pre-training made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Both sides.
    pub weights: PathBuf,
    /// The backbone alone.
    pub backbone: PathBuf,
    /// Figures and curves, as a page.
    pub report: PathBuf,
    /// Before the first step.
    pub before: Figures,
    /// Behind the last one.
    pub after: Figures,
    /// Pictures that can't be decoded.
    pub unreadable: usize,
}

/// Pre-trains and writes [`WEIGHTS`], [`BACKBONE`] and the report into the run's folder.
pub fn pretrain(job: &Job, progress: &mut (dyn Progress + Send)) -> Result<Made, TrainError> {
    let (recipe, recipe_text) = PretrainRecipe::open(&job.recipe, &job.changes)?;
    // Before every picture is looked at, which may take long.
    Claim { out: &job.out, resume: job.resume, recipe_text: &recipe_text }.check_vacant()?;
    check_products(recipe.train.precision, &job.device)?;
    let given: Vec<PathBuf> = job.init.iter().cloned().collect();
    let init = Initial::backbones(&given, &recipe.init)?;
    let labelled = labelled(job, &recipe, progress)?;
    let list = job.out.join(SOURCES);
    let sorting = Sorting {
        patch: recipe.views.pair.patch as u32,
        held_out: recipe.measure.held_out,
        least: recipe.views.images,
        seed: job.seed,
        threads: job.threads,
        list: job.resume.then_some(list.as_path()),
    };
    let sources = sort(job.images.clone(), job.held_out.clone(), &sorting, progress)?;
    let count = |part: Part| sources.rows.iter().filter(|row| row.part == part).count();
    let unreadable = count(Part::Unreadable);
    progress.note(&format!(
        "{} pictures to learn from, {} to measure on; passed over: {} smaller than a view, {} that \
         can't be decoded; trains on {}",
        sources.train.len(),
        sources.held_out.len(),
        count(Part::Small),
        unreadable,
        device_words(&job.device, recipe.train.precision)
    ));
    let options = Options {
        recipe,
        recipe_text,
        sources,
        labelled,
        init,
        seed: job.seed,
        device: job.device.clone(),
        threads: job.threads,
        out: job.out.clone(),
        resume: job.resume,
        checkpoint_steps: match job.checkpoint_steps {
            0 => CHECKPOINT_STEPS,
            steps => steps,
        },
    };
    let outcome = run(&options, progress)?;
    let [weights, backbone, report] = [WEIGHTS, BACKBONE, PAGE].map(|name| job.out.join(name));
    let plain = exported(&options.recipe.network, &outcome.weights);
    let lineage = lineage(&options);
    write_atomic(&weights, &to_start(&outcome.weights, &lineage, Precision::F32))?;
    write_atomic(&backbone, &to_start(&plain, &lineage, Precision::half_for(&plain)))?;
    let document = page(&options, &outcome.figures, &losses(&job.out.join(LOG))?);
    write_atomic(&report, html::render(&document).as_bytes())?;
    write_atomic(&job.out.join(TWIN), markdown::render(&document, PAGE).as_bytes())?;
    let ends = (outcome.figures.first().copied(), outcome.figures.last().copied());
    let (Some(before), Some(after)) = ends else {
        return Err(TrainError::Data("the run has measured nothing".to_owned()));
    };
    Ok(Made { weights, backbone, report, before, after, unreadable })
}

/// What the cards of models that begin from this one say of it and of what it began from.
fn lineage(options: &Options) -> Vec<Ancestor> {
    let mut pictures = Sha256::new();
    let learnt = options.sources.rows.iter().filter(|row| row.part == Part::Train);
    for row in learnt.clone() {
        pictures.update(format!("{},{}\n", row.name, row.bytes));
    }
    let own = Ancestor {
        name: options.recipe.name.clone(),
        version: options.recipe.digest()[..12].to_owned(),
        dataset: WITHOUT_SCORES.to_owned(),
        split: format!(
            "{} of them, sha256 {} of their names and sizes, seed {}",
            learnt.count(),
            &hex(&pictures.finalize())[..12],
            options.seed
        ),
    };
    std::iter::once(own).chain(options.init.ancestors.iter().cloned()).collect()
}

/// The labelled set: its training part to fit on, the part that chooses to try it on. Its test part
/// is not looked at.
fn labelled(
    job: &Job,
    recipe: &PretrainRecipe,
    progress: &mut dyn Progress,
) -> Result<Option<Labelled>, TrainError> {
    let Some((name, root, options)) = &job.labelled else { return Ok(None) };
    let manifest = datasets::open(name, root, options)?;
    for note in &manifest.notes {
        progress.note(note);
    }
    let (fit, test) = parts(&manifest, job.seed)?;
    let labelled = Labelled { name: manifest.dataset.clone(), fit, test };
    Ok(Some(labelled.at_most(recipe.measure.labelled, job.seed)))
}
