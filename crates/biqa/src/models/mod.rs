//! The registry: every network that biqa knows, by name.
//!
//! One file a method. To add one: its file, its losses and recipe in the lab, a line in each
//! `match` here, and a golden folder.

#[cfg(test)]
mod cards_tests;
pub mod csfiqa;
pub mod csiqa;
pub mod deiqt;
pub mod glintiqa;
pub mod lite;
pub mod lmliqa;
#[cfg(test)]
pub(crate) mod made;
pub mod qpt;

use burn::tensor::{Device, Tensor};
use serde::Deserialize;

use crate::nn::mobilenet::MobileNetV2;
use crate::nn::vit::{Vit, VitConfig};
use crate::weights::{self, Arrays, WeightsError};
use csfiqa::{Concentration, Csfiqa, CsfiqaConfig};
use csiqa::{Csiqa, CsiqaConfig};
use deiqt::{Deiqt, DeiqtConfig};
use glintiqa::{GlintIqa, GlintIqaConfig};
use lite::{Lite, LiteConfig};
use lmliqa::{LmlIqa, LmlIqaConfig};
use qpt::{Qpt, QptConfig};

/// What the registry says of a network.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name that commands, cards and golden cases use.
    pub name: &'static str,
    /// One line.
    pub title: &'static str,
    /// Where it is from.
    pub paper: &'static str,
    /// Whether weights are inside the binary.
    pub builtin: bool,
    /// Whether it gives a score; a backbone alone doesn't.
    pub scores: bool,
}

/// Every network, in the order of the table in the README.
pub fn registry() -> &'static [Entry] {
    const ENTRIES: &[Entry] = &[
        Entry {
            name: "lite",
            title: "biqa's default: MobileNetV2 statistics at several sizes, trained on BIQ2021",
            paper: "biqa; backbone: Sandler et al., CVPR 2018",
            builtin: true,
            scores: true,
        },
        Entry {
            name: "deiqt",
            title: "ViT-S whose class token a panel of decoder queries judges",
            paper: "Qin et al., DEIQT, AAAI 2023",
            builtin: false,
            scores: true,
        },
        Entry {
            name: "csiqa",
            title: "DEIQT with a masked local token, trained with contrast between pictures",
            paper: "Li et al., CSIQA, ICML 2024",
            builtin: false,
            scores: true,
        },
        Entry {
            name: "lmliqa",
            title: "DEIQT trained with contrast between the crops of a picture",
            paper: "Huang et al., LML-IQA, arXiv 2406.19247",
            builtin: false,
            scores: true,
        },
        Entry {
            name: "csfiqa",
            title: "CrossViT's two scales in a filtered attention and a frozen layer of LLaMA-7B",
            paper: "Hu et al., CSFIQA, arXiv 2411.09007",
            builtin: false,
            scores: true,
        },
        Entry {
            name: "csfiqa-lite",
            title: "csfiqa without the language model",
            paper: "Hu et al., CSFIQA, arXiv 2411.09007",
            builtin: false,
            scores: true,
        },
        Entry {
            name: "glintiqa",
            title: "ViT-S and ResNet-50 merged step by step by attention over channels",
            paper: "Wang and Zhang, GlintIQA, arXiv 2408.03885",
            builtin: false,
            scores: true,
        },
        Entry {
            name: "qpt",
            title: "ResNet-50 with one linear layer, pre-trained to tell degradations apart",
            paper: "Zhao et al., QPT, CVPR 2023",
            builtin: false,
            scores: true,
        },
        Entry {
            name: "crossvit",
            title: "backbone: CrossViT with timm's names",
            paper: "Chen et al., CrossViT, ICCV 2021",
            builtin: false,
            scores: false,
        },
        Entry {
            name: "mobilenet_v2",
            title: "backbone: MobileNetV2 with torchvision's names",
            paper: "Sandler et al., MobileNetV2, CVPR 2018",
            builtin: false,
            scores: false,
        },
        Entry {
            name: "resnet50",
            title: "backbone: ResNet with torchvision's names",
            paper: "He et al., ResNet, CVPR 2016",
            builtin: false,
            scores: false,
        },
        Entry {
            name: "vit",
            title: "backbone: vision transformer with timm's names, LayerScale as an option",
            paper: "Dosovitskiy et al., ICLR 2021; Touvron et al., DeiT III, ECCV 2022",
            builtin: false,
            scores: false,
        },
    ];
    ENTRIES
}

/// The entry of a name.
pub fn entry(name: &str) -> Result<&'static Entry, WeightsError> {
    registry().iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known: Vec<&str> = registry().iter().map(|entry| entry.name).collect();
        WeightsError::UnknownModel { name: name.to_owned(), known: known.join(", ") }
    })
}

/// A network that scores.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Network {
    /// See [`lite`].
    Lite(Box<Lite>),
    /// See [`deiqt`].
    Deiqt(Box<Deiqt>),
    /// See [`csiqa`].
    Csiqa(Box<Csiqa>),
    /// See [`lmliqa`].
    LmlIqa(Box<LmlIqa>),
    /// See [`csfiqa`]; `csfiqa-lite` too.
    Csfiqa(Box<Csfiqa>),
    /// See [`glintiqa`].
    GlintIqa(Box<GlintIqa>),
    /// See [`qpt`].
    Qpt(Box<Qpt>),
}

impl Network {
    /// An empty network of a method, from the config of a card. `name` stands for the file.
    pub fn new(
        method: &str,
        config: &serde_json::Value,
        name: &str,
        device: &Device,
    ) -> Result<Self, WeightsError> {
        let card = |reason: String| WeightsError::Card { name: name.to_owned(), reason };
        match method {
            "lite" => {
                let config = LiteConfig::deserialize(config).map_err(|e| card(e.to_string()))?;
                config.check().map_err(card)?;
                Ok(Self::Lite(Box::new(Lite::new(&config, device))))
            }
            "deiqt" => {
                let config = DeiqtConfig::deserialize(config).map_err(|e| card(e.to_string()))?;
                config.check().map_err(card)?;
                Ok(Self::Deiqt(Box::new(Deiqt::new(&config, device))))
            }
            "csiqa" => {
                let config = CsiqaConfig::deserialize(config).map_err(|e| card(e.to_string()))?;
                config.check().map_err(card)?;
                Ok(Self::Csiqa(Box::new(Csiqa::new(&config, device))))
            }
            "lmliqa" => {
                let config = LmlIqaConfig::deserialize(config).map_err(|e| card(e.to_string()))?;
                config.check().map_err(card)?;
                Ok(Self::LmlIqa(Box::new(LmlIqa::new(&config, device))))
            }
            "csfiqa" | "csfiqa-lite" => {
                let config = CsfiqaConfig::deserialize(config).map_err(|e| card(e.to_string()))?;
                config.check().map_err(card)?;
                if method == "csfiqa-lite" && config.ic != Concentration::None {
                    let reason = "csfiqa-lite has no language model: its config must say ic = none";
                    return Err(card(reason.to_owned()));
                }
                Ok(Self::Csfiqa(Box::new(Csfiqa::new(&config, device))))
            }
            "glintiqa" => {
                let config =
                    GlintIqaConfig::deserialize(config).map_err(|e| card(e.to_string()))?;
                config.check().map_err(card)?;
                Ok(Self::GlintIqa(Box::new(GlintIqa::new(&config, device))))
            }
            "qpt" => {
                let config = QptConfig::deserialize(config).map_err(|e| card(e.to_string()))?;
                config.check().map_err(card)?;
                Ok(Self::Qpt(Box::new(Qpt::new(&config, device))))
            }
            other => {
                let known = registry().iter().any(|entry| entry.name == other);
                Err(card(if known {
                    format!("{other} is a backbone; it gives no score")
                } else {
                    format!("its method {other:?} is not known to this version of biqa")
                }))
            }
        }
    }

    /// Fills the network with `arrays`, every one in its place.
    pub fn load(self, arrays: Arrays, name: &str) -> Result<Self, WeightsError> {
        Ok(match self {
            Self::Lite(net) => Self::Lite(Box::new(weights::load(*net, arrays, name, "lite")?)),
            Self::Deiqt(net) => Self::Deiqt(Box::new(weights::load(*net, arrays, name, "deiqt")?)),
            Self::Csiqa(net) => {
                let arrays = csiqa::used(arrays);
                Self::Csiqa(Box::new(weights::load(*net, arrays, name, "csiqa")?))
            }
            Self::LmlIqa(net) => {
                Self::LmlIqa(Box::new(weights::load(*net, arrays, name, "lmliqa")?))
            }
            Self::Csfiqa(net) => {
                let net = net.fitting(&arrays);
                Self::Csfiqa(Box::new(weights::load(net, arrays, name, "csfiqa")?))
            }
            Self::GlintIqa(net) => {
                let arrays = glintiqa::checkpoint_arrays(arrays, &net);
                Self::GlintIqa(Box::new(weights::load(*net, arrays, name, "glintiqa")?))
            }
            Self::Qpt(net) => Self::Qpt(Box::new(weights::load(*net, arrays, name, "qpt")?)),
        })
    }

    /// How many sizes of a picture the network takes.
    pub fn sizes(&self) -> usize {
        match self {
            Self::Lite(net) => net.sizes(),
            _ => 1,
        }
    }

    /// The side that every look must have, in pixels; `None` where any size goes.
    pub fn side(&self) -> Option<usize> {
        match self {
            Self::Lite(_) | Self::Qpt(_) => None,
            Self::Csfiqa(net) => Some(net.side()),
            Self::GlintIqa(net) => Some(net.side()),
            Self::Deiqt(net) => Some(net.side()),
            Self::Csiqa(net) => Some(net.side()),
            Self::LmlIqa(net) => Some(net.side()),
        }
    }

    /// The raw score of one look at a picture, `[1, 3, h, w]` a size: [`Self::sizes`] of them, of
    /// [`Self::side`] where there is one.
    pub fn score(&self, sizes: Vec<Tensor<4>>) -> f64 {
        match self {
            Self::Lite(net) => net.score_look(sizes),
            _ => self.scores(only(sizes))[0],
        }
    }

    /// The raw scores of `b` looks at once, `[b, 3, h, w]`: those of [`Self::score`] up to rounding.
    /// One look leaves most of a GPU idle.
    pub fn scores(&self, looks: Tensor<4>) -> Vec<f64> {
        let scores = match self {
            Self::Lite(net) => {
                let look = |i| net.score_look(vec![looks.clone().narrow(0, i, 1)]);
                return (0..looks.dims()[0]).map(look).collect();
            }
            Self::Deiqt(net) => net.score(looks),
            Self::Csiqa(net) => net.score(looks),
            Self::LmlIqa(net) => net.score(looks),
            Self::Csfiqa(net) => net.score(looks),
            Self::GlintIqa(net) => net.score(looks),
            Self::Qpt(net) => net.score(looks),
        };
        weights::host(&scores).into_iter().map(f64::from).collect()
    }
}

/// The one size of a look, for networks that take one.
fn only(sizes: Vec<Tensor<4>>) -> Tensor<4> {
    sizes.into_iter().next().expect("the view has as many sizes as the network")
}

/// A backbone as golden tests and initial weights use it.
pub fn mobilenet_v2(width: f64, classes: Option<usize>, device: &Device) -> MobileNetV2 {
    MobileNetV2::new(width, classes, device)
}

/// A ViT from a config in JSON, by the names of the specification.
pub fn vit(config: &serde_json::Value, device: &Device) -> Result<Vit, WeightsError> {
    let config = VitConfig::deserialize(config)
        .map_err(|e| WeightsError::Card { name: "vit".to_owned(), reason: e.to_string() })?;
    Ok(Vit::new(&config, device))
}
