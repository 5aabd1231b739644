//! What a pre-training has learnt, on pictures that it did not see: whether it tells degradations
//! apart, and what a linear layer can read out of its backbone.
//!
//! Networks are looked at as in inference, a few patches at a time, so that no figure depends on
//! batches or threads.

use biqa::device::OpenDevice;
use biqa::image::Rgb8;
use biqa::parallel::ordered;
use biqa::random::{fnv1a64, splitmix64};
use biqa::weights::host;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::network::Pretrain;
use super::recipe::PretrainRecipe;
use super::retrieval::{Similar, area};
use super::ridge::ridge;
use super::sources::Source;
use super::views::{LEVELS, MEASURED, Pair, Probe, Views};
use crate::losses::qpt::{Ids, chance, qc_terms};
use crate::stats::srcc;
use crate::train::TrainError;
use crate::train::photo::Photo;

/// Patches that go through a network together.
const TOGETHER: usize = 8;

/// The figures of one moment; all of them are on pictures that are not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Epochs made.
    pub epoch: u64,
    /// Steps made.
    pub step: u64,
    /// Mean of (2) over both directions; `None` where it is no number.
    pub loss: Option<f64>,
    /// The same where nothing is known: about the logarithm of the number of keys.
    pub chance: f64,
    /// Softmax mass on other degradations of the same picture.
    pub prob_degradation: Option<f64>,
    /// Softmax mass on other pictures.
    pub prob_content: Option<f64>,
    /// Share of queries whose key is above those of other degradations of the picture.
    pub top1_degradation: Option<f64>,
    /// Share of queries whose key is above those of all other pictures.
    pub top1_content: Option<f64>,
    /// Area under the curve of "the same degraded picture" against "the same picture under another
    /// degradation", by query and key (`papers/qpt.md`, section 11, check 15).
    pub auc: Option<f64>,
    /// The same by the backbone's features.
    pub auc_features: Option<f64>,
    /// Share of patches whose operation a linear probe names; chance is 1 of the operations.
    pub operation: Option<f64>,
    /// Share of patches whose level, of five, a linear probe names.
    pub level: Option<f64>,
    /// SRCC of a ridge regression to the scores of a labelled set, on its other photos.
    pub ridge_srcc: Option<f64>,
}

impl Figures {
    /// Name of each figure, and its value.
    pub fn named(&self) -> [(&'static str, Option<f64>); 11] {
        [
            ("loss", self.loss),
            ("loss where nothing is known", Some(self.chance)),
            ("softmax mass on degradation negatives", self.prob_degradation),
            ("softmax mass on content negatives", self.prob_content),
            ("key first among degradation negatives", self.top1_degradation),
            ("key first among content negatives", self.top1_content),
            ("same degraded picture against other degradation, AUC", self.auc),
            ("the same by the backbone's features, AUC", self.auc_features),
            ("linear probe, operation", self.operation),
            ("linear probe, level of five", self.level),
            ("ridge on the labelled set, SRCC", self.ridge_srcc),
        ]
    }

    /// For a line of progress.
    pub fn words(&self) -> String {
        let word = |v: Option<f64>| v.map_or_else(|| "none".to_owned(), |v| format!("{v:.3}"));
        let ridge = match self.ridge_srcc {
            Some(srcc) => format!(", ridge SRCC {srcc:.3}"),
            None => String::new(),
        };
        format!(
            "held-out loss {} (chance {:.3}), AUC {}, probe of operation {} and level {}{ridge}",
            word(self.loss),
            self.chance,
            word(self.auc),
            word(self.operation),
            word(self.level)
        )
    }
}

/// Labelled photos: to fit a ridge on, and to try it on.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// What they are from.
    pub name: String,
    /// To fit on.
    pub fit: Vec<Photo>,
    /// To try it on.
    pub test: Vec<Photo>,
}

impl Labelled {
    /// At most `most` of them, three to fit on for every one to try it on, by the seed.
    #[must_use]
    pub fn at_most(mut self, most: usize, seed: u64) -> Self {
        let test = most / 4;
        for (photos, most) in [(&mut self.fit, most - test), (&mut self.test, test)] {
            photos.sort_by_key(|photo| splitmix64(seed ^ fnv1a64(&photo.name)));
            photos.truncate(most);
        }
        self
    }
}

/// Everything that is measured on, made once.
pub(super) struct Measure<'a> {
    recipe: &'a PretrainRecipe,
    views: Views<'a>,
    /// By picture, then by degradation.
    pairs: Vec<Pair>,
    /// By picture, then by operation.
    probes: Vec<Probe>,
    operations: usize,
    labelled: Option<&'a Labelled>,
    device: &'a OpenDevice,
    /// Threads that may ask the device at once.
    users: usize,
}

impl<'a> Measure<'a> {
    /// Degrades what is held out.
    pub fn prepare(
        recipe: &'a PretrainRecipe,
        held_out: &[Source],
        labelled: Option<&'a Labelled>,
        seed: u64,
        (device, threads): (&'a OpenDevice, usize),
    ) -> Result<Self, TrainError> {
        let views = Views::new(&recipe.views, seed);
        let made = each(threads, held_out, |source| {
            Ok((views.pairs(source, MEASURED)?, views.probes(source)?))
        })?;
        let (pairs, probes): (Vec<Vec<Pair>>, Vec<Vec<Probe>>) = made.into_iter().unzip();
        let (pairs, probes) = (pairs.concat(), probes.concat());
        let operations = views.operations().len();
        let users = device.users(threads);
        Ok(Self { recipe, views, pairs, probes, operations, labelled, device, users })
    }

    /// What a network on a plain device has learnt.
    pub fn figures(&self, net: &Pretrain, epoch: u64, step: u64) -> Result<Figures, TrainError> {
        let contrast = &self.recipe.contrast;
        let r = self.recipe.views.degradations;
        let rows = self.pairs.len();
        let image: Vec<i64> = (0..rows).map(|i| (i / r) as i64).collect();
        let degradation: Vec<i64> = (0..rows as i64).collect();
        let ids = Ids { image: &image, degradation: &degradation };

        let [first, second] = [0, 1].map(|view| {
            let patches: Vec<&Rgb8> = self.pairs.iter().map(|pair| &pair.patches[view]).collect();
            self.looked_at(net, &patches)
        });
        let ([f1, q1, k1], [f2, q2, k2]) = (first?, second?);
        let mut both = Vec::new();
        for (q, k) in [(&q1, &k2), (&q2, &k1)] {
            let terms = qc_terms(q.clone(), k.clone(), None, ids, contrast);
            both.push([terms.each, terms.prob_degradation, terms.prob_content].map(|t| mean(&t)));
        }
        let of = |k: usize| finite(both.iter().map(|means| means[k]).sum::<f64>() / 2.0);

        let similar = Similar::new(q1, k2, None);
        let (top1, (mut same, mut other)) = (similar.top1(ids), similar.same_and_other(ids));
        let (more, others) = Similar::new(q2, k1, None).same_and_other(ids);
        same.extend(more);
        other.extend(others);
        let (same_f, other_f) = Similar::new(f1, f2, None).same_and_other(ids);
        let [operation, level] = self.probed(net)?;
        Ok(Figures {
            epoch,
            step,
            loss: of(0),
            chance: chance(rows / r, r, 0, contrast),
            prob_degradation: of(1),
            prob_content: of(2),
            top1_degradation: top1.degradation,
            top1_content: top1.content,
            auc: area(&same, &other),
            auc_features: area(&same_f, &other_f),
            operation,
            level,
            ridge_srcc: self.correlated(net)?,
        })
    }

    /// `[m, c]`, `[m, d]`, `[m, d]`: features, queries and keys of patches.
    fn looked_at(&self, net: &Pretrain, patches: &[&Rgb8]) -> Result<[Tensor<2>; 3], TrainError> {
        let parts: Vec<&[&Rgb8]> = patches.chunks(TOGETHER).collect();
        let device = self.device.plain();
        let all =
            each(self.users, &parts, |part| Ok(net.looked_at(self.views.tensor(part, &device))))?;
        let [mut features, mut queries, mut keys] = [Vec::new(), Vec::new(), Vec::new()];
        for [f, q, k] in all {
            features.push(f);
            queries.push(q);
            keys.push(k);
        }
        Ok([features, queries, keys].map(|parts| Tensor::cat(parts, 0)))
    }

    /// Shares of probes whose operation and whose level are named: fitted on every other picture,
    /// tried on the rest.
    fn probed(&self, net: &Pretrain) -> Result<[Option<f64>; 2], TrainError> {
        let device = self.device.plain();
        let parts: Vec<&[Probe]> = self.probes.chunks(TOGETHER).collect();
        let rows = each(self.users, &parts, |part| {
            let patches: Vec<&Rgb8> = part.iter().map(|probe| &probe.patch).collect();
            Ok(rows_of(&net.base_encoder.features(self.views.tensor(&patches, &device), None)))
        })?;
        let rows: Vec<Vec<f32>> = rows.concat();
        let (mut fit, mut test) = (Vec::new(), Vec::new());
        for (i, row) in rows.into_iter().enumerate() {
            let part = if (i / self.operations).is_multiple_of(2) { &mut fit } else { &mut test };
            part.push((row, &self.probes[i]));
        }
        let features = |part: &[(Vec<f32>, &Probe)]| -> Vec<Vec<f32>> {
            part.iter().map(|(row, _)| row.clone()).collect()
        };
        let targets: Vec<Vec<f64>> = fit.iter().map(|(_, probe)| self.one_hot(probe)).collect();
        let Some(found) = ridge(&features(&fit), &targets, &features(&test)) else {
            return Ok([None; 2]);
        };
        let share = |right: &dyn Fn(&[f64], &Probe) -> bool| {
            let hits = found.iter().zip(&test).filter(|(row, (_, probe))| right(row, probe));
            Some(hits.count() as f64 / test.len() as f64)
        };
        let kinds = self.operations;
        Ok([
            share(&|row, probe| highest(&row[..kinds]) == Some(probe.kind)),
            share(&|row, probe| highest(&row[kinds..]) == Some(probe.level)),
        ])
    }

    fn one_hot(&self, probe: &Probe) -> Vec<f64> {
        let mut row = vec![0.0; self.operations + LEVELS as usize];
        row[probe.kind] = 1.0;
        row[self.operations + probe.level] = 1.0;
        row
    }

    /// SRCC of a ridge regression from the mean features of a photo's patches to its score.
    fn correlated(&self, net: &Pretrain) -> Result<Option<f64>, TrainError> {
        let Some(labelled) = self.labelled else { return Ok(None) };
        let device = self.device.plain();
        let features = |photos: &[Photo]| {
            each(self.users, photos, |photo| {
                let source = Source { path: photo.path.clone(), name: photo.name.clone() };
                let looks = self.views.looks(&source)?;
                let x = self.views.tensor(&looks.iter().collect::<Vec<_>>(), &device);
                Ok(host(&net.base_encoder.features(x, None).mean_dim(0)))
            })
        };
        let targets: Vec<Vec<f64>> =
            labelled.fit.iter().map(|photo| vec![f64::from(photo.target)]).collect();
        let (fit, test) = (features(&labelled.fit)?, features(&labelled.test)?);
        let Some(found) = ridge(&fit, &targets, &test) else { return Ok(None) };
        let found: Vec<f64> = found.into_iter().map(|row| row[0]).collect();
        let scores: Vec<f64> = labelled.test.iter().map(|p| f64::from(p.target)).collect();
        Ok(srcc(&found, &scores).ok().flatten())
    }
}

/// The results of some work on everything of a list, in its order, or the first error.
fn each<'a, I: Sync, O: Send>(
    threads: usize,
    inputs: &'a [I],
    work: impl Fn(&'a I) -> Result<O, TrainError> + Sync,
) -> Result<Vec<O>, TrainError> {
    let (mut results, mut failed) = (Vec::with_capacity(inputs.len()), None);
    ordered(
        threads,
        inputs.iter(),
        |_, input| work(input),
        |_, result| {
            match result {
                Ok(result) => results.push(result),
                Err(error) => failed = Some(error),
            }
            failed.is_none()
        },
    );
    failed.map_or(Ok(results), Err)
}

/// The rows of `[m, c]`.
fn rows_of(x: &Tensor<2>) -> Vec<Vec<f32>> {
    let columns = x.dims()[1].max(1);
    host(x).chunks_exact(columns).map(<[f32]>::to_vec).collect()
}

fn highest(values: &[f64]) -> Option<usize> {
    let better = |best: usize, i: usize| if values[i] > values[best] { i } else { best };
    (0..values.len()).reduce(better)
}

fn mean(x: &Tensor<1>) -> f64 {
    let values = host(x);
    values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len().max(1) as f64
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
