//! One optimiser step: which photos and copies, forward pass, loss, gradients.

use biqa::models::lite::{Dropout, Lite};
use biqa::random::{Key, Sequence, stream};
use biqa::view::View;
use burn::tensor::{Device, Gradients, Tensor, TensorData};

use super::super::photo::Photo;
use super::super::recipe::lite::{Loss, Stage};
use super::items::{Copy, Item, ladder_chains, statistics};
use crate::degrade::severity::Chain;
use crate::losses::regression::{one_minus_plcc, ordered, pairwise_rank, smooth_l1};

/// Rungs of a ladder that a step compares.
pub const RUNGS: usize = 3;

/// What a step looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Photos by index; each brings its own score.
    pub photos: Vec<(usize, Copy)>,
    /// Photos by index with three copies of falling quality.
    pub ladders: Vec<(usize, [Copy; RUNGS])>,
}

/// Which photos have ladders when items are stored: every so many-th.
pub fn has_ladder(stage: &Stage, index: usize) -> bool {
    (index as u64).is_multiple_of(stage.copies.ladder_every.max(1))
}

/// The plan of step `step` of a stage over `names`: a pure function of its arguments.
pub fn plan(stage: &Stage, seed: u64, stage_index: usize, step: u64, names: &[Photo]) -> Plan {
    let n = names.len();
    let batch = stage.batch.min(n);
    let per_epoch = (n / batch).max(1) as u64;
    let (epoch, within) = (step / per_epoch, (step % per_epoch) as usize);
    let order = stream(seed, "order", ((stage_index as u64) << 48) | epoch).permutation(n);
    let mut draws = stream(seed, "copies", ((stage_index as u64) << 48) | step);
    let photos = order[within * batch..(within + 1) * batch].iter().map(|&i| {
        let copy = if draws.chance(stage.copies.small) {
            Copy::Small
        } else if stage.copies.flip && draws.chance(0.5) {
            Copy::Flip
        } else {
            Copy::Plain
        };
        (i, copy)
    });
    let photos = photos.collect();
    let every = stage.copies.ladder_every.max(1);
    let with_ladder = (n as u64).div_ceil(every);
    // Stored ladders are one a photo; fresh ones change with the epoch.
    let number = if stage.freeze_before > 0 { 0 } else { epoch };
    let of = stage.copies.distortions;
    let ladders = (0..stage.copies.ladders).map(|_| {
        let i = (draws.below(with_ladder) * every) as usize;
        let chains = ladder_chains(of, seed, &names[i].name, number);
        let copies = rungs(&mut draws, chains, stage.copies.neighbours).map(|level| match level {
            0 => Copy::Plain,
            level => Copy::Ladder { of, number, level },
        });
        (i, copies)
    });
    Plan { photos, ladders: ladders.collect() }
}

/// Three of the photo itself (0) and its levels, the best first: with probability `neighbours`
/// three in a row, else any three.
fn rungs(draws: &mut Sequence, chains: &[Chain], neighbours: f64) -> [u8; RUNGS] {
    let rungs = match chains {
        [one] => one,
        several => several[draws.below(several.len() as u64) as usize],
    };
    if neighbours > 0.0 && draws.chance(neighbours) {
        let first = draws.below((rungs.len() - RUNGS + 1) as u64) as usize;
        return std::array::from_fn(|k| rungs[first + k]);
    }
    let mut chosen = draws.permutation(rungs.len());
    chosen.truncate(RUNGS);
    chosen.sort_unstable();
    std::array::from_fn(|k| rungs[chosen[k]])
}

impl Plan {
    /// Every (photo, copy) of the step, in the order of the rows of the forward pass: photos, then
    /// the ladders' first rungs, their second, their third.
    pub fn all(&self) -> Vec<(usize, Copy)> {
        let mut all = self.photos.clone();
        for k in 0..RUNGS {
            all.extend(self.ladders.iter().map(|(i, rungs)| (*i, rungs[k])));
        }
        all
    }
}

/// What a forward and backward pass gave.
pub struct Passed {
    /// The gradients.
    pub grads: Gradients,
    /// The total loss.
    pub loss: f64,
    /// Its terms by name, weighted.
    pub terms: Vec<(&'static str, f64)>,
}

/// What a pass needs besides the network.
pub struct Context<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// The view.
    pub view: &'a View,
    /// The run's seed.
    pub seed: u64,
    /// The device, with gradients.
    pub device: &'a Device,
}

/// Forward, loss, backward. `items` are those of [`Plan::all`], `targets` those of its photos.
pub fn pass(
    net: &Lite,
    context: &Context<'_>,
    plan: &Plan,
    items: &[&Item],
    targets: &[f32],
    step: u64,
) -> Passed {
    let Context { stage, view, seed, device } = *context;
    let z = statistics(net, view, stage.freeze_before, items, device);
    let [rows, d] = z.dims();
    // The rungs of a ladder share their dropout: only the degradation tells them apart.
    let (n, l) = (plan.photos.len(), plan.ladders.len());
    let of_row = (0..rows).map(|r| if r < n { r } else { n + (r - n) % l }).collect::<Vec<_>>();
    let mask = |width, purpose| mask(stage.dropout, &of_row, width, seed, purpose, step, device);
    let dropout = (stage.dropout > 0.0).then(|| Dropout {
        input: mask(d, "dropout/input"),
        hidden: mask(net.hidden(), "dropout/hidden"),
    });
    let scores = net.score(z, dropout);
    let target = Tensor::from_data(TensorData::new(targets.to_vec(), [targets.len()]), device);
    let terms = terms(&stage.loss, plan, scores, target);
    let total = terms.iter().map(|(_, term)| term.clone()).reduce(|a, b| a + b);
    let total = total.expect("the regression term is always there");
    let scalar = |t: &Tensor<1>| f64::from(t.clone().into_scalar::<f32>());
    let loss = scalar(&total);
    let terms = terms.iter().map(|(name, term)| (*name, scalar(term))).collect();
    Passed { grads: total.backward(), loss, terms }
}

fn terms(
    loss: &Loss,
    plan: &Plan,
    scores: Tensor<1>,
    target: Tensor<1>,
) -> Vec<(&'static str, Tensor<1>)> {
    let n = plan.photos.len();
    let main = scores.clone().narrow(0, 0, n);
    let mut terms =
        vec![("smooth_l1", smooth_l1(main.clone(), target.clone(), loss.beta) * loss.smooth_l1)];
    if loss.plcc > 0.0 {
        terms.push(("plcc", one_minus_plcc(main.clone(), target.clone()) * loss.plcc));
    }
    if loss.rank > 0.0 {
        let rank = pairwise_rank(main.clone(), target, loss.rank_gap, loss.rank_tau);
        terms.push(("rank", rank * loss.rank));
    }
    let ladders = plan.ladders.len();
    if loss.ladder > 0.0 && ladders > 0 {
        let rung = |k: usize| scores.clone().narrow(0, n + k * ladders, ladders);
        let steps = ordered(rung(0), rung(1), loss.ladder_margin)
            + ordered(rung(1), rung(2), loss.ladder_margin);
        terms.push(("ladder", steps * loss.ladder));
    }
    terms
}

/// Zeros with probability `rate`, `1 / (1 - rate)` elsewhere; row r is that of `of_row[r]`.
fn mask(
    rate: f64,
    of_row: &[usize],
    width: usize,
    seed: u64,
    purpose: &str,
    step: u64,
    device: &Device,
) -> Tensor<2> {
    let draws = Key::of_picture(seed, purpose, step).at(0);
    let keep = 1.0 / (1.0 - rate) as f32;
    let limit = (rate * 4_294_967_296.0) as u32;
    let blocks = width.div_ceil(4) as u32;
    let row = |source: usize| {
        let first = source as u32 * blocks;
        (first..first + blocks)
            .flat_map(|index| draws.block(index, 0, 1))
            .map(|word| if word < limit { 0.0 } else { keep })
            .take(width)
    };
    let data: Vec<f32> = of_row.iter().flat_map(|&source| row(source)).collect();
    Tensor::from_data(TensorData::new(data, [of_row.len(), width]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::degrade::severity::chains;

    #[test]
    fn neighbouring_rungs_are_next_to_each_other_and_others_keep_their_order() {
        for i in 0..200 {
            let mut draws = stream(3, "rungs", i);
            let near = rungs(&mut draws, chains("jpeg"), 1.0);
            assert!(near[1] == near[0] + 1 && near[2] == near[1] + 1, "{near:?}");
            let any = rungs(&mut draws, chains("jpeg"), 0.0);
            assert!(any[0] < any[1] && any[1] < any[2], "{any:?}");
            let middle = rungs(&mut draws, chains("contrast"), 0.0);
            assert!(middle == [0, 2, 1] || middle == [0, 4, 5], "{middle:?}");
        }
    }
}
