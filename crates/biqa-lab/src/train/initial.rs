//! What a training starts from: the files that a command line names.

use std::path::{Path, PathBuf};

use biqa::models::csfiqa::{Concentration, llama_arrays};
use biqa::scorer::{Scorer, hex};
use biqa::weights::{Ancestor, Arrays, lineage, read, read_safetensors};
use sha2::{Digest, Sha256};

use super::TrainError;
use super::recipe::{Init, Recipe};
use crate::methods::registry::Choice;

/// What `--init` may be instead of a file: the model inside the binary.
const BUILTIN: &str = "lite";
/// What a recipe's `init.weights` is where chance alone decides.
const CHANCE: &str = "none";

/// The files as they are named.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Weights to begin from: one file, or one for each backbone of a network that has two. None:
    /// those inside the binary, where the recipe says `lite`.
    pub init: Vec<PathBuf>,
    /// The language model of a network that has one: see [`llama_arrays`].
    pub llama: Option<PathBuf>,
}

/// Initial weights.
#[derive(Clone, Debug, Default)]
pub struct Initial {
    /// By name.
    pub arrays: Arrays,
    /// The files' names, for cards and errors.
    pub name: String,
    /// SHA-256 of the file; of several, of their digests one after the other. Empty for chance.
    pub digest: String,
    /// The models and pre-trainings that the weights are of, by the files themselves, and those that
    /// these began from.
    pub ancestors: Vec<Ancestor>,
}

impl Initial {
    /// Reads what is given.
    ///
    /// # Errors
    /// A recipe that starts from a file without one; a file that is not the recipe's; the same
    /// tensor in two files; a language model too few or too many.
    pub fn read(given: &Given, recipe: &Recipe) -> Result<Self, TrainError> {
        let mut initial = Self::backbones(&given.init, recipe.init())?;
        initial.add_llama(given.llama.as_deref(), recipe)?;
        Ok(initial)
    }

    /// What `wanted` says, of one file or one for each backbone, or of none.
    pub(crate) fn backbones(paths: &[PathBuf], wanted: &Init) -> Result<Self, TrainError> {
        if paths.is_empty() {
            return match wanted.weights.as_str() {
                CHANCE => Ok(Self { name: CHANCE.to_owned(), ..Self::default() }),
                BUILTIN => Self::builtin(),
                file => Err(TrainError::Data(format!(
                    "the recipe starts from {file}; give it with --init"
                ))),
            };
        }
        let mut all = Self::default();
        let mut digests = Vec::new();
        for path in paths {
            let bytes = std::fs::read(path)
                .map_err(|source| TrainError::Io { path: path.clone(), source })?;
            let found = hex(&Sha256::digest(&bytes));
            if !wanted.sha256.is_empty() && wanted.sha256 != found {
                return Err(TrainError::Init {
                    name: wanted.weights.clone(),
                    expected: wanted.sha256.clone(),
                    found,
                });
            }
            digests.push(found);
            let (arrays, _) = read(path)?;
            all.ancestors.extend(lineage(&bytes, &path.display().to_string())?);
            all.add(path, arrays)?;
        }
        all.digest = match &digests[..] {
            [one] => one.clone(),
            several => hex(&Sha256::digest(several.concat())),
        };
        Ok(all)
    }

    fn builtin() -> Result<Self, TrainError> {
        let name = "the built-in lite".to_owned();
        let (arrays, _) = read_safetensors(biqa::scorer::LITE, &name)?;
        let scorer = Scorer::builtin()?;
        let (digest, ancestors) = (scorer.digest().to_owned(), scorer.card().lineage());
        Ok(Self { arrays, name, digest, ancestors })
    }

    /// Joins the tensors of a file; none may be there already.
    fn add(&mut self, path: &Path, arrays: Arrays) -> Result<(), TrainError> {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = arrays.keys().find(|name| self.arrays.contains_key(*name)) {
            return Err(TrainError::Data(format!(
                "{} holds a tensor {name}, which {} has brought already: give one file for each \
                 backbone",
                path.display(),
                self.name
            )));
        }
        self.name = match self.name.as_str() {
            "" => file.into_owned(),
            before => format!("{before} and {file}"),
        };
        self.arrays.extend(arrays);
        Ok(())
    }

    fn add_llama(&mut self, path: Option<&Path>, recipe: &Recipe) -> Result<(), TrainError> {
        let config = match recipe {
            Recipe::Crops(recipe) => match &recipe.choice {
                Choice::Csfiqa(method) => Some(method.config()),
                _ => None,
            },
            Recipe::Lite(_) => None,
        };
        let wanted = config.filter(|config| config.ic == Concentration::Llama7b);
        let (Some(path), Some(config)) = (path, wanted) else {
            return match path {
                None => Ok(()),
                Some(path) => Err(TrainError::Data(format!(
                    "--llama {} was given, and the recipe {} has no place for a language model: \
                     leave it out, or take a recipe with ic = \"llama7b\"",
                    path.display(),
                    recipe.name()
                ))),
            };
        };
        let arrays = llama_arrays(path, config)?;
        let mut hash = Sha256::new();
        hash.update(&self.digest);
        for (name, array) in &arrays {
            hash.update(name);
            for value in &array.data {
                hash.update(value.to_le_bytes());
            }
        }
        self.digest = hex(&hash.finalize());
        self.add(path, arrays)
    }
}
