//! The registry: every network that biqa knows, by name.
//!
//! One file a method. To add one: its file, its losses and recipe in the lab, a line in each
//! `match` here, and a golden folder.

pub mod lite;

use burn::tensor::{Device, Tensor};
use serde::Deserialize;

use crate::nn::mobilenet::MobileNetV2;
use crate::nn::vit::{Vit, VitConfig};
use crate::weights::{self, Arrays, WeightsError};
use lite::{Lite, LiteConfig};

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
            name: "mobilenet_v2",
            title: "backbone: MobileNetV2 with torchvision's names",
            paper: "Sandler et al., MobileNetV2, CVPR 2018",
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
        match self {
            Self::Lite(net) => Ok(Self::Lite(Box::new(weights::load(*net, arrays, name, "lite")?))),
        }
    }

    /// How many sizes of a picture the network takes.
    pub fn sizes(&self) -> usize {
        match self {
            Self::Lite(net) => net.sizes(),
        }
    }

    /// The raw score of one look at a picture, `[1, 3, h, w]` a size.
    pub fn score(&self, sizes: Vec<Tensor<4>>) -> f64 {
        match self {
            Self::Lite(net) => net.score_look(sizes),
        }
    }
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
