//! What a run measures: the photos that choose after every epoch, those to report on at the end.

use biqa::weights::Arrays;

use super::super::checkpoint::Validation;
use super::super::choose::validation;
use super::super::photo::Photo;
use super::super::recipe::Keep;
use super::super::recipe::crops::{Labels, Looks};
use super::super::run::{Options, Outcome};
use super::super::{Progress, TrainError};
use super::looks::Seer;
use super::{Learner, Run};
use crate::datasets::Direction;
use crate::methods::Method;

impl<M: Method> Run<'_, M> {
    /// The network's numbers on 0..1, higher is better.
    fn quality(&self, raw: Vec<f64>) -> Vec<f64> {
        let scale = &self.options.scale;
        // A run trains on photos of one set.
        let set = self.options.train.first().map_or("", |photo| photo.dataset.as_str());
        let method = &self.stages[self.stages.len() - 1];
        let raw_label = |y: f64| scale.target(method.label_of(set, y));
        let best = self.recipe.labels.best();
        raw.into_iter().map(|y| best.map_or_else(|| raw_label(y), |best| y / best)).collect()
    }

    /// Scores the photos that choose, and keeps the weights where they are the best so far.
    pub(super) fn end_epoch(
        &mut self,
        learner: &mut Learner<M>,
        progress: &mut dyn Progress,
    ) -> Result<(), TrainError> {
        let (found, weights) = self.figures(learner)?;
        let epoch = self.step / self.plan.per_epoch;
        let of = self.recipe.train.epochs;
        progress.note(&format!("epoch {epoch} of {of}: {}", found.words()));
        self.history.push(found);
        let best = self.options.select_by.best(&self.history, self.stage);
        if best == Some(self.history.len() - 1) {
            learner.best = weights;
        }
        Ok(())
    }

    /// How well the network does now on the photos that choose, and its weights as a model file has
    /// them.
    pub(super) fn figures(&self, learner: &Learner<M>) -> Result<(Validation, Arrays), TrainError> {
        let (config, weights) = learner.method.exported(&self.averaged(learner)?);
        let epoch = self.step / self.plan.per_epoch;
        let (photos, looks) = (&self.options.val, self.recipe.crops.validate);
        let raw = self.scores((&config, weights.clone()), photos, looks, epoch)?;
        Ok((validation(self.stage, self.step, &self.quality(raw), photos), weights))
    }

    /// The network with the weights of a model file.
    fn seer(&self, model: (&serde_json::Value, Arrays)) -> Result<Seer<'_>, TrainError> {
        let Options { device, threads, .. } = self.options;
        let precision = self.recipe.crops.score_precision;
        Seer::new(self.network_name(), model, &self.view, precision, (device, *threads))
    }

    /// Raw numbers of photos by a model file's config and weights, after an epoch.
    fn scores(
        &self,
        model: (&serde_json::Value, Arrays),
        photos: &[Photo],
        looks: Looks,
        epoch: u64,
    ) -> Result<Vec<f64>, TrainError> {
        let fresh = self.options.fresh_crops.then_some(epoch);
        let seer = self.seer(model)?;
        seer.raw(photos, |photo| self.pictures.looks(photo, looks, fresh))
    }

    /// Scores what is to be reported by what the run ended with.
    pub(super) fn finish(self) -> Result<Outcome, TrainError> {
        let Options { val, test, .. } = self.options;
        let (config, kept, last) = self.ended.as_ref().expect("every stage is behind the run");
        let stage = self.stages.len() - 1;
        let end = self.history.len().saturating_sub(1);
        let entry = match self.recipe.train.keep {
            Keep::Best => self.options.select_by.best(&self.history, stage).unwrap_or(end),
            Keep::Last => end,
        };
        let seer = self.seer((config, kept.clone()))?;
        let val_raw = seer.raw(val, |photo| {
            let cut = self.view.apply(&photo.load()?).map_err(|e| photo.bad(e.to_string()))?;
            Ok(cut.looks.into_iter().flatten().collect())
        })?;
        let epochs = self.recipe.train.epochs;
        let scored = |weights: &Arrays, epoch: u64| {
            let looks = self.recipe.crops.test;
            Ok::<_, TrainError>(self.quality(self.scores(
                (config, weights.clone()),
                test,
                looks,
                epoch,
            )?))
        };
        let test_scores = scored(kept, (entry as u64) + 1)?;
        // Where the last epoch is kept the same crops would go through the same weights again.
        let is_last = entry as u64 + 1 == epochs && kept == last;
        let last_test_scores = if is_last { test_scores.clone() } else { scored(last, epochs)? };
        Ok(Outcome {
            test_scores,
            last_test_scores,
            weights: kept.clone(),
            config: config.clone(),
            view: self.view.clone(),
            val_raw,
            rises: self.recipe.labels != Labels::Raw
                || self.options.scale.direction == Direction::Mos,
            kept: entry,
            history: self.history,
        })
    }
}
