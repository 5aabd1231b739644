//! The methods that can be trained, by the registry's names. To add one: a line in each `match`.

use biqa::models::csfiqa::CsfiqaConfig;
use biqa::models::csiqa::CsiqaConfig;
use biqa::models::deiqt::DeiqtConfig;
use biqa::models::glintiqa::GlintIqaConfig;
use biqa::models::lmliqa::LmlIqaConfig;
use biqa::models::qpt::QptConfig;

use super::csfiqa::{CsfiqaMethod, CsfiqaOptions};
use super::csiqa::{CsiqaMethod, CsiqaOptions};
use super::deiqt::{DeiqtMethod, DeiqtOptions};
use super::glintiqa::{GlintIqaMethod, GlintIqaOptions};
use super::lmliqa::{LmlIqaMethod, LmlIqaOptions};
use super::qpt::{QptMethod, QptOptions};
use super::{Method, Needs};
use crate::train::recipe::crops::CropsRecipe;

/// The names of the methods that a recipe may have, besides `lite`.
pub const NAMES: [&str; 6] = ["deiqt", "csiqa", "lmliqa", "csfiqa", "glintiqa", "qpt"];

/// Those whose decoder, recipe and protocol are DEIQT's (`papers/deiqt.md`).
pub const DEIQT_FAMILY: [&str; 4] = ["deiqt", "csiqa", "lmliqa", "csfiqa"];

/// A method with its config and options.
#[derive(Clone, Debug)]
pub enum Choice {
    /// See [`super::deiqt`].
    Deiqt(DeiqtMethod),
    /// See [`super::csiqa`].
    Csiqa(Box<CsiqaMethod>),
    /// See [`super::lmliqa`].
    LmlIqa(Box<LmlIqaMethod>),
    /// See [`super::csfiqa`].
    Csfiqa(Box<CsfiqaMethod>),
    /// See [`super::glintiqa`].
    GlintIqa(Box<GlintIqaMethod>),
    /// See [`super::qpt`].
    Qpt(Box<QptMethod>),
}

/// Parses the recipe of a method.
pub fn parse(method: &str, text: &str) -> Result<CropsRecipe, String> {
    match method {
        "deiqt" => CropsRecipe::of(text, |config: DeiqtConfig, options: DeiqtOptions| {
            config.check().map_err(in_config)?;
            Ok(Choice::Deiqt(DeiqtMethod::new(config, options)))
        }),
        "csiqa" => CropsRecipe::of(text, |config: CsiqaConfig, options: CsiqaOptions| {
            config.check().map_err(in_config)?;
            Ok(Choice::Csiqa(Box::new(CsiqaMethod::new(config, options))))
        }),
        "lmliqa" => CropsRecipe::of(text, |config: LmlIqaConfig, options: LmlIqaOptions| {
            config.check().map_err(in_config)?;
            Ok(Choice::LmlIqa(Box::new(LmlIqaMethod::new(config, options))))
        }),
        "csfiqa" => CropsRecipe::of(text, |config: CsfiqaConfig, options: CsfiqaOptions| {
            config.check().map_err(in_config)?;
            Ok(Choice::Csfiqa(Box::new(CsfiqaMethod::new(config, options))))
        }),
        "glintiqa" => CropsRecipe::of(text, |config: GlintIqaConfig, options: GlintIqaOptions| {
            config.check().map_err(in_config)?;
            Ok(Choice::GlintIqa(Box::new(GlintIqaMethod::new(config, options))))
        }),
        "qpt" => CropsRecipe::of(text, |config: QptConfig, options: QptOptions| {
            config.check().map_err(in_config)?;
            Ok(Choice::Qpt(Box::new(QptMethod::new(config, options))))
        }),
        pretraining if pretraining.ends_with("-pretrain") => Err(format!(
            "method {pretraining:?} is a recipe for `biqa pretrain`; here one is trained on scores"
        )),
        other => {
            let names = NAMES.map(|name| format!("{name:?}")).join(", ");
            Err(format!("method {other:?} can't be trained; expected \"lite\", {names}"))
        }
    }
}

fn in_config(reason: String) -> String {
    format!("config: {reason}")
}

impl Choice {
    /// See [`Method::needs`].
    pub fn needs(&self) -> Needs {
        match self {
            Self::Deiqt(method) => method.needs(),
            Self::Csiqa(method) => method.needs(),
            Self::LmlIqa(method) => method.needs(),
            Self::Csfiqa(method) => method.needs(),
            Self::GlintIqa(method) => method.needs(),
            Self::Qpt(method) => method.needs(),
        }
    }

    /// What every report must say of the variant that was trained, as `name = value`: which language
    /// model CSFIQA's frozen layer is (`papers/csfiqa.md`), which version of its paper LML-IQA follows
    /// and whose weights score (`papers/lml-iqa.md`, 8 and Q6).
    pub fn variant(&self) -> Vec<String> {
        match self {
            Self::Csfiqa(method) => vec![format!("ic = {}", method.config().ic.word())],
            Self::LmlIqa(method) => method.variant().to_vec(),
            _ => Vec::new(),
        }
    }

    /// See [`Method::check`].
    pub fn check(&self, batch: usize) -> Result<(), String> {
        match self {
            Self::Deiqt(method) => method.check(batch),
            Self::Csiqa(method) => method.check(batch),
            Self::LmlIqa(method) => method.check(batch),
            Self::Csfiqa(method) => method.check(batch),
            Self::GlintIqa(method) => method.check(batch),
            Self::Qpt(method) => method.check(batch),
        }
    }
}
