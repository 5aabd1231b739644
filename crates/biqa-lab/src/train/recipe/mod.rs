//! A recipe: every number of a training run, one TOML file. Unknown keys are errors, so a misspelt
//! one is never ignored.
//!
//! [`lite`] and the papers' methods ([`crops`]) ask for different things; what both have is here.

mod builtin;
mod change;
pub mod crops;
pub mod lite;

use std::path::{Path, PathBuf};

use biqa::nn::autocast::Products;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use builtin::{builtin, builtins};
pub use change::Change;
pub(crate) use change::{differing, parse_with};

use super::TrainError;
use crate::methods::registry;
use crops::{CropsRecipe, Labels};
use lite::LiteRecipe;

/// What a training run does.
#[derive(Clone, Debug)]
pub enum Recipe {
    /// `lite`, on stored statistics.
    Lite(Box<LiteRecipe>),
    /// A whole network on crops.
    Crops(Box<CropsRecipe>),
}

/// What people write into a model's card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The model's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Licence of the weights.
    pub licence: String,
    /// Terms of the data behind them.
    pub data_terms: String,
    /// Where it is known to be wrong.
    #[serde(default)]
    pub known_failures: Vec<String>,
    /// What some scores look like.
    #[serde(default)]
    pub anchors: Vec<(f64, String)>,
}

/// What the weights start from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Init {
    /// What `--init` must be: its name, for people. `none`: chance alone.
    pub weights: String,
    /// SHA-256 of that file; empty accepts any.
    #[serde(default)]
    pub sha256: String,
}

/// Which weights a stage hands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Of the epoch with the highest SRCC on `val`.
    #[default]
    Best,
    /// Of the last epoch.
    Last,
}

/// The part of a recipe that says which kind it is.
#[derive(Deserialize)]
pub(crate) struct Kind {
    /// The registry's name of the network, or that of the pre-training.
    pub method: String,
}

/// The text of a recipe's file.
pub(crate) fn text_of(path: &Path) -> Result<String, TrainError> {
    std::fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => {
            TrainError::Recipe { path: path.to_owned(), reason: no_recipe(path) }
        }
        std::io::ErrorKind::InvalidData => TrainError::Recipe {
            path: path.to_owned(),
            reason:
                "it is no text (UTF-8); a recipe is a TOML file, such as recipes/deiqt-tiny.toml"
                    .to_owned(),
        },
        _ => TrainError::Io { path: path.to_owned(), source },
    })
}

/// What is said of a recipe that is no file.
fn no_recipe(path: &Path) -> String {
    let names = registry::NAMES.join(", ");
    if path.to_str().is_some_and(|name| registry::NAMES.contains(&name)) {
        return "a method's name stands for a recipe only where --dataset names the set; else give a \
                file, such as recipes/deiqt-tiny.toml"
            .to_owned();
    }
    format!(
        "there is no such file; a recipe is a TOML file, such as recipes/deiqt-tiny.toml, or with \
         --dataset the name of a method: {names}, csfiqa-lite"
    )
}

impl Recipe {
    /// Reads and checks a recipe.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        Self::parse(&text_of(path)?, path)
    }

    /// Parses and checks a recipe's text; `path` stands for it in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TrainError> {
        let parsed = || {
            let Kind { method } = from_toml(text)?;
            if method == "lite" {
                let recipe: LiteRecipe = from_toml(text)?;
                recipe.check()?;
                return Ok(Self::Lite(Box::new(recipe)));
            }
            Ok(Self::Crops(Box::new(CropsRecipe::parse(&method, text)?)))
        };
        parsed().map_err(|reason| TrainError::Recipe { path: PathBuf::from(path), reason })
    }

    /// [`Self::parse`] with keys that are set from outside, and the text that says it all.
    pub fn parse_with(
        text: &str,
        path: &Path,
        changes: &[Change],
    ) -> Result<(Self, String), TrainError> {
        parse_with(text, path, changes, Self::parse)
    }

    /// SHA-256 of everything that decides what is learnt: not of comments, nor of the card's words.
    pub fn digest(&self) -> String {
        match self {
            Self::Lite(recipe) => recipe.digest(),
            Self::Crops(recipe) => recipe.digest(),
        }
    }

    /// The recipe's own name.
    pub fn name(&self) -> &str {
        match self {
            Self::Lite(recipe) => &recipe.name,
            Self::Crops(recipe) => &recipe.name,
        }
    }

    /// The registry's name of the network.
    pub fn method(&self) -> &str {
        match self {
            Self::Lite(recipe) => &recipe.method,
            Self::Crops(recipe) => &recipe.method,
        }
    }

    /// A list `path,content,split` that replaces the dataset's own contents and split, beside the
    /// recipe.
    pub fn content(&self) -> Option<&str> {
        match self {
            Self::Lite(recipe) => recipe.content.as_deref(),
            Self::Crops(recipe) => recipe.content.as_deref(),
        }
    }

    /// What of it a report must say, as `name = value`, where it is trained on a set.
    pub fn switches(&self, dataset: &str) -> Vec<String> {
        let (view, target, prepare, variant) = match self {
            Self::Lite(recipe) => {
                (recipe.view.label(), "normalised", "none".to_owned(), Vec::new())
            }
            Self::Crops(recipe) => {
                let target = match recipe.labels {
                    Labels::Normalised => "normalised",
                    Labels::Raw => "raw",
                    Labels::Ten => "ten",
                    Labels::Percent => "percent",
                };
                let prepare = recipe.crops.preparation(dataset).to_string();
                let view = recipe.crops.test.label(recipe.choice.needs().crop);
                (view, target, prepare, recipe.choice.variant())
            }
        };
        let mut switches = vec![
            format!("view = {view}"),
            format!("target = {target}"),
            format!("prepare = {prepare}"),
        ];
        switches.extend(variant);
        switches
    }

    /// Looks at a photo that its score at test is the mean of.
    pub fn test_looks(&self) -> usize {
        match self {
            Self::Lite(_) => 1,
            Self::Crops(recipe) => recipe.crops.test.count(),
        }
    }

    /// What a step's matrix products are computed in.
    pub fn products(&self) -> Products {
        match self {
            Self::Lite(_) => Products::F32,
            Self::Crops(recipe) => recipe.train.precision,
        }
    }

    /// What it starts from.
    pub fn init(&self) -> &Init {
        match self {
            Self::Lite(recipe) => &recipe.init,
            Self::Crops(recipe) => &recipe.init,
        }
    }

    /// What the model's card says.
    pub fn card(&self) -> &Card {
        match self {
            Self::Lite(recipe) => &recipe.card,
            Self::Crops(recipe) => &recipe.card,
        }
    }
}

/// A text in TOML, or `line 28: unknown field ...`: the parser's own words draw the place over
/// several lines.
pub(crate) fn from_toml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let words = error.message().lines().collect::<Vec<_>>().join(", ");
        match error.span().and_then(|span| text.get(..span.start)) {
            Some(before) => format!("line {}: {words}", before.matches('\n').count() + 1),
            None => words,
        }
    })
}
