//! Whether a model may know the photos that it is measured on.

use biqa::weights::{Ancestor, Data, ModelCard, WITHOUT_SCORES};
use biqa_lab::datasets::{Content, Manifest, inherits};
use biqa_lab::protocol::ALL_OF;
use biqa_lab::results::Part;
use biqa_lab::splits::{self, Rule};
use biqa_lab::train::job::LISTED;

use crate::args::EvaluateArgs;

/// Whether photos that are measured on are known to a model.
pub(super) enum Overlap {
    /// Some may be among those it was trained or chosen on: why.
    Seen(String),
    /// Nobody can tell here: why.
    Unknown(String),
}

impl Overlap {
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Seen(why) | Self::Unknown(why) => why,
        }
    }

    /// What a card says behind the number of photos.
    pub(super) fn caution(&self) -> &'static str {
        match self {
            Self::Seen(_) => ", not all of them new to it",
            Self::Unknown(_) => ", perhaps not all of them new to it",
        }
    }
}

/// What is known of a model's photos, or of those of a model that it was trained from, and these.
pub(super) fn overlap(
    args: &EvaluateArgs,
    card: &ModelCard,
    manifest: &Manifest,
    part: Part,
) -> Option<Overlap> {
    let inherited = |of: &&Ancestor| inherits(&of.dataset, &manifest.dataset);
    if let Some(of) = card.lineage().iter().find(inherited) {
        return Some(Overlap::Seen(format!(
            "{} learnt labels transferred from KADID-10k ({}): what is measured here is new to it only \
             where its references were kept from it (--training-references)",
            of.name, of.split
        )));
    }
    own_photos(args, card, manifest, part)
        .or_else(|| before(&card.name, &card.data, &manifest.dataset))
}

/// What is known by the models that `name`, of `data`, was trained from.
fn before(name: &str, data: &Data, measured_on: &str) -> Option<Overlap> {
    // By the same split of the same set what is new to the one is new to the other.
    let as_own = |of: &Ancestor| of.dataset == data.dataset && of.split == data.split;
    let measured = |of: &&Ancestor| of.dataset == measured_on && !as_own(of);
    let unscored = |of: &&Ancestor| of.dataset == WITHOUT_SCORES;
    let mut ancestors = data.ancestors.iter();
    let of = ancestors.clone().find(measured).or_else(|| ancestors.find(unscored))?;
    let Ancestor { name: first, version, dataset, split } = of;
    Some(match dataset.as_str() {
        WITHOUT_SCORES => Overlap::Unknown(format!(
            "{name} was trained from {first} {version}, and that on pictures without scores ({split}): whether \
             these photos are among them can't be told here"
        )),
        "csv" => Overlap::Unknown(format!(
            "{name} was trained from {first} {version}, and that on a list of somebody's own: whether photos \
             of this one are in it can't be told here"
        )),
        _ => Overlap::Seen(format!(
            "{name} was trained from {first} {version}, and that on photos of {dataset} ({split}): some of \
             these photos may be among them"
        )),
    })
}

/// What is known by the model's own card.
fn own_photos(
    args: &EvaluateArgs,
    card: &ModelCard,
    manifest: &Manifest,
    part: Part,
) -> Option<Overlap> {
    let (name, data) = (&card.name, &card.data);
    if data.dataset != manifest.dataset {
        return None;
    }
    if data.manifest_digest != manifest.digest() {
        return Some(if manifest.dataset == "csv" {
            Overlap::Unknown(format!(
                "{name} was trained on another list of somebody's own: whether photos of this one are in it \
                 can't be told here"
            ))
        } else if manifest.subset && part == Part::Test && is_list(args, &data.split) {
            Overlap::Unknown(format!(
                "{name} was trained by a list of this name ({}): whether it is the same, a part of the set \
                 can't tell",
                data.split
            ))
        } else {
            Overlap::Seen(format!(
                "{name} was trained on photos of {} ({}); here contents, parts or labels are others, so \
                 some of these photos may be among them (--content takes the list it was trained with)",
                data.dataset, data.split
            ))
        });
    }
    let seen = if part != Part::Test {
        format!(
            "{name} was trained or chosen on these very labels ({}): only the test part of that split is \
             new to it",
            data.split
        )
    } else if !is_split(args, &data.split) {
        format!(
            "{name} was trained and chosen by another split of these labels ({}): some of these photos are \
             among those it learned from",
            data.split
        )
    } else if data.split.starts_with(PUBLISHED) {
        format!(
            "the epoch of {name} was chosen on this very part ({}): its figures are too high",
            data.split
        )
    } else {
        return None;
    };
    Some(Overlap::Seen(seen))
}

/// Whether a card's split is by a list of contents and parts of the name of the one that is given.
fn is_list(args: &EvaluateArgs, card: &str) -> bool {
    let Some(Content::File(list)) = &args.load.content else { return false };
    let name = list.file_name().unwrap_or_default().to_string_lossy();
    card.strip_prefix(LISTED).is_some_and(|list| list == name)
}

/// How a card's split begins where a protocol chose epochs on the test part.
const PUBLISHED: &str = "published ";

/// Whether a card speaks of the split that is asked for. `biqa train` trains on the set's own parts;
/// `biqa protocol` writes form, index, rule and seed.
fn is_split(args: &EvaluateArgs, card: &str) -> bool {
    if card.starts_with(ALL_OF) {
        return false;
    }
    let by_protocol = card.starts_with("honest ") || card.starts_with(PUBLISHED);
    let Some(rule) = args.split.as_ref().filter(|rule| **rule != Rule::Official) else {
        return !by_protocol || card.contains(" of official, seed ");
    };
    let Some((before, seed)) = card.rsplit_once(", seed ") else { return false };
    let Some((form_and_index, of)) = before.split_once(" of ") else { return false };
    let is_rule = match (rule, of.parse()) {
        // The same lists, from wherever they were named.
        (Rule::File(here), Ok(Rule::File(there))) => here.file_name() == there.file_name(),
        (_, there) => there.is_ok_and(|there: Rule| there == *rule),
    };
    // Where a rule holds one split, the index is a training seed's.
    let is_index = splits::held(rule).is_ok_and(|held| held == Some(1))
        || form_and_index.ends_with(&format!(" {}", args.index));
    let is_seed = *rule != Rule::Biqa || seed == args.shared.seed.to_string();
    is_rule && is_index && is_seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_models_before_have_seen_is_said() {
        let of = |dataset: &str, split: &str| Ancestor {
            name: "first".to_owned(),
            version: "1".to_owned(),
            dataset: dataset.to_owned(),
            split: split.to_owned(),
        };
        let said = |ancestors: &[Ancestor], measured_on: &str| {
            let data = Data {
                dataset: "bid".to_owned(),
                split: "official".to_owned(),
                ancestors: ancestors.to_vec(),
                ..Data::default()
            };
            before("own", &data, measured_on).map(|overlap| match overlap {
                Overlap::Seen(why) => format!("seen: {why}"),
                Overlap::Unknown(why) => format!("unknown: {why}"),
            })
        };
        assert_eq!(said(&[], "livec"), None);
        assert_eq!(said(&[of("livec", "official")], "koniq10k"), None);
        // New to the one by the split that is the other's, too.
        assert_eq!(said(&[of("bid", "official")], "bid"), None);
        let pictures = of(WITHOUT_SCORES, "90 of them");
        for (ancestors, begins) in [
            (
                &[of("livec", "random")][..],
                "seen: own was trained from first 1, and that on photos of livec",
            ),
            (&[of("csv", "all")], ""),
            (
                std::slice::from_ref(&pictures),
                "unknown: own was trained from first 1, and that on pictures without",
            ),
            (&[pictures.clone(), of("livec", "random")], "seen: "),
        ] {
            let said = said(ancestors, "livec").unwrap_or_default();
            assert!(said.starts_with(begins) && said.is_empty() == begins.is_empty(), "{said}");
        }
    }
}
