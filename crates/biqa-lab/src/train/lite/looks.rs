//! What the loop looks at: stored statistics and maps, fresh pixels, the scores of a part.

use std::path::{Path, PathBuf};

use biqa::models::lite::Lite;
use biqa::scorer::hex;
use biqa::weights::{collect, host};
use sha2::{Digest, Sha256};

use super::super::photo::Photo;
use super::super::recipe::lite::{LiteRecipe, Stage};
use super::super::{Progress, TrainError};
use super::items::{Copy, Item, LEVELS, item, ladder_chains, picture, statistics};
use super::step::{Plan, has_ladder};
use super::store::{Source, Store};
use super::{Options, Run};

/// Photos that go through the network together in validation.
const VALIDATION_BATCH: usize = 32;

/// A part that is scored; its photos stand in the store behind those of the parts before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Val,
    Test,
}

impl Run<'_> {
    /// The photos of a part and the place of the first one in the store.
    fn part(&self, part: Part) -> (&[Photo], usize) {
        let Options { train, val, test, .. } = self.options;
        match part {
            Part::Val => (val, train.len()),
            Part::Test => (test, train.len() + val.len()),
        }
    }

    /// The items of every photo and copy that the stage may ask for: those of training and
    /// validation, or `at_end` those of the parts that are scored.
    pub(super) fn filled(
        &self,
        stage: &Stage,
        progress: &mut (dyn Progress + Send),
        at_end: bool,
    ) -> Result<Store, TrainError> {
        let mut store = Store::default();
        if stage.freeze_before == 0 {
            return Ok(store);
        }
        let cut = self.store_cut(stage);
        let dir = self.store_dir(cut);
        let mut source = self.source(cut, &dir);
        source.maps = stage.freeze_before <= biqa::nn::mobilenet::LAST;
        let train = &self.options.train;
        let (val, first) = self.part(Part::Val);
        store.fill(&source, val, first, Copy::Plain, |_| true, progress)?;
        if at_end {
            let (test, first) = self.part(Part::Test);
            store.fill(&source, test, first, Copy::Plain, |_| true, progress)?;
            return Ok(store);
        }
        store.fill(&source, train, 0, Copy::Plain, |_| true, progress)?;
        if stage.copies.small > 0.0 {
            store.add_small(train.len());
        }
        if stage.copies.flip {
            store.fill(&source, train, 0, Copy::Flip, |_| true, progress)?;
        }
        if stage.copies.ladders > 0 {
            let (seed, of) = (self.options.seed, stage.copies.distortions);
            for level in 1..=LEVELS {
                let copy = Copy::Ladder { of, number: 0, level };
                let only = |i: usize| {
                    let chains = ladder_chains(of, seed, &train[i].name, 0);
                    has_ladder(stage, i) && chains.iter().any(|chain| chain.contains(&level))
                };
                store.fill(&source, train, 0, copy, only, progress)?;
            }
        }
        Ok(store)
    }

    /// Where maps are stored for a stage: at the earliest cut of the stages from it on that share
    /// its backbone, so that one pass over the photos serves them all.
    pub(super) fn store_cut(&self, stage: &Stage) -> usize {
        let stages = &self.recipe.stages;
        let from = stages.iter().position(|s| s == stage).unwrap_or(0);
        let mut cut = stage.freeze_before;
        for later in &stages[from..] {
            if cut <= biqa::nn::mobilenet::LAST {
                break; // that stage changes the backbone
            }
            if later.freeze_before > 0 {
                cut = cut.min(later.freeze_before);
            }
        }
        cut
    }

    pub(super) fn store_dir(&self, cut: usize) -> PathBuf {
        let own = self.options.out.join("items");
        let root = self.options.items.as_ref().unwrap_or(&own);
        root.join(format!("{cut}-{}", self.items))
    }

    pub(super) fn source<'s>(&'s self, cut: usize, dir: &'s Path) -> Source<'s> {
        Source {
            net: &self.net,
            view: &self.recipe.view,
            cut,
            maps: false,
            seed: self.options.seed,
            threads: self.options.threads,
            device: &self.plain,
            dir,
        }
    }

    /// The items of a step that stores nothing: decoded and cut now, in the plan's order.
    pub(super) fn fresh_items(&self, stage: &Stage, plan: &Plan) -> Result<Vec<Item>, TrainError> {
        if stage.freeze_before > 0 {
            return Ok(Vec::new());
        }
        let photos = plan.all().into_iter().map(|(i, copy)| (&self.options.train[i], copy));
        self.pixels(photos.collect())
    }

    fn pixels(&self, photos: Vec<(&Photo, Copy)>) -> Result<Vec<Item>, TrainError> {
        use rayon::prelude::*;
        let seed = self.options.seed;
        photos
            .into_par_iter()
            .map(|(photo, copy)| {
                let picture = picture(photo, copy, seed)?;
                item(&self.net, &self.recipe.view, 0, false, &picture, &self.plain)
                    .map(
                        |item| {
                            if copy == Copy::Small { item.small().unwrap_or(item) } else { item }
                        },
                    )
                    .map_err(|reason| photo.bad(reason))
            })
            .collect()
    }

    /// Raw scores of a part's photos.
    pub(super) fn scores(
        &self,
        net: &Lite,
        stage: &Stage,
        store: &Store,
        part: Part,
    ) -> Result<Vec<f64>, TrainError> {
        let view = &self.recipe.view;
        let (photos, first) = self.part(part);
        let mut scores = Vec::with_capacity(photos.len());
        let indices: Vec<usize> = (0..photos.len()).collect();
        for chunk in indices.chunks(VALIDATION_BATCH) {
            let fresh = if stage.freeze_before == 0 {
                self.pixels(chunk.iter().map(|&i| (&photos[i], Copy::Plain)).collect())?
            } else {
                Vec::new()
            };
            let items: Vec<&Item> = if fresh.is_empty() {
                let stored = chunk.iter().map(|&i| first + i);
                stored.filter_map(|i| store.get(i, Copy::Plain)).collect()
            } else {
                fresh.iter().collect()
            };
            let z = statistics(net, view, stage.freeze_before, &items, &self.plain);
            scores.extend(host(&net.score(z, None)).into_iter().map(f64::from));
        }
        Ok(scores)
    }
}

/// Stored items belong to the photos and to the backbone with which a stage begins. Within the
/// stage only what lies behind the items changes, so a resumed stage finds them again; so does
/// another run on the same photos, whatever its split.
pub(super) fn items_digest(recipe: &LiteRecipe, options: &Options, net: &Lite) -> String {
    let mut hash = Sha256::new();
    for (name, array) in collect(net) {
        if name.starts_with("trunk.") {
            hash.update(name.as_bytes());
            array.data.iter().for_each(|v| hash.update(v.to_le_bytes()));
        }
    }
    hash.update(&options.data_digest);
    let view = recipe.view.without_details();
    hash.update(serde_json::to_vec(&view).expect("a view is plain data"));
    hex(&hash.finalize())[..16].to_owned()
}
