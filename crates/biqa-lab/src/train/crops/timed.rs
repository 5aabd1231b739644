//! Steps of [`super`] on made-up crops, timed.

use std::time::Instant;

use biqa::image::Rgb8;
use biqa::random::stream;
use biqa::weights::{Arrays, collect, freeze};
use burn::module::Module;

use super::super::TrainError;
use super::super::bench::{Bench, Timed, peak};
use super::super::ema::Ema;
use super::super::optim::{AdamW, Group};
use super::super::recipe::crops::CropsRecipe;
use super::pictures::Cut;
use super::step::{self, Sum};
use crate::methods::registry::Choice;
use crate::methods::{Method, StepKey};

/// Seed of weights and crops.
const SEED: u64 = 0;

/// Times steps of the recipe's method.
pub(in super::super) fn bench(recipe: &CropsRecipe, bench: &Bench) -> Result<Timed, TrainError> {
    match recipe.choice.clone() {
        Choice::Deiqt(method) => timed(method, recipe, bench),
        Choice::Csiqa(method) => timed(*method, recipe, bench),
        Choice::LmlIqa(method) => timed(*method, recipe, bench),
        Choice::Csfiqa(method) => timed(*method, recipe, bench),
        Choice::GlintIqa(method) => timed(*method, recipe, bench),
        Choice::Qpt(method) => timed(*method, recipe, bench),
    }
}

/// Times steps of a method from random weights.
fn timed<M: Method>(
    mut method: M,
    recipe: &CropsRecipe,
    bench: &Bench,
) -> Result<Timed, TrainError> {
    let (train, view, needs) = (&recipe.train, recipe.view("csv"), method.needs());
    let (device, grads_device) = (bench.device.plain(), bench.device.grads());
    let begun = |method: &M| method.start(Arrays::new(), "no weights", SEED, &device);
    let total = (bench.warmup + bench.steps) as u64;
    method.expect_steps(total);
    if let Some(teacher) = method.first() {
        method.teach(collect(&begun(&teacher)?.0), &device)?;
    }
    let mut net = freeze(begun(&method)?.0.train(), |name| method.frozen(name));
    method.begin(&net);
    let parameters = collect(&net).values().map(|array| array.data.len()).sum();
    let (mut optim, mut ema) = (AdamW::new(train.optim), Ema::new(train.ema_decay));
    let (mut seconds, mut device_memory) = (Vec::new(), None);
    let part = train.batch / train.accumulate;
    for step in 0..total {
        let parts: Vec<_> = (0..train.accumulate as u64)
            .map(|i| made_up(&method, part, step * train.accumulate as u64 + i))
            .collect();
        bench.device.wait()?;
        let begin = Instant::now();
        let mut sum = Sum::default();
        for (i, (cuts, labels)) in parts.into_iter().enumerate() {
            let key = StepKey { seed: SEED, step: step * train.accumulate as u64 + i as u64 };
            let batch =
                step::batch(((0..cuts.len()).collect(), cuts), labels, &view, key, &grads_device);
            sum.add(&mut method, &net, &batch, train.precision)?;
        }
        let (grads, loss, _) = sum.mean();
        let lr = train.schedule.used(step, total, total);
        let group = |name: &str, dims: usize| Group {
            lr: lr * method.lr_scale(name),
            decay: method.decays(name, dims),
        };
        let (stepped, norm) = optim.apply(net, grads, group);
        net = method.after_step(stepped);
        if train.ema_decay > 0.0 {
            ema.update(&net);
        }
        bench.device.wait()?;
        seconds.push(begin.elapsed().as_secs_f64());
        if !loss.is_finite() || !norm.is_finite() {
            return Err(TrainError::Data(format!(
                "step {} has the loss {loss} and a gradient of {norm}: on this device, in this \
                 precision, the recipe does not learn",
                step + 1
            )));
        }
        device_memory = device_memory.max(bench.device.memory());
    }
    let first = seconds.first().copied().unwrap_or_default();
    Ok(Timed {
        crops: (train.batch * needs.group, needs.crop),
        parameters,
        first,
        seconds: seconds.split_off(bench.warmup),
        device_memory,
        process_memory: peak(),
    })
}

/// Noise and labels from 0 to 1.
fn made_up<M: Method>(method: &M, pictures: usize, number: u64) -> (Vec<Cut>, Vec<f32>) {
    let needs = method.needs();
    let mut draws = stream(SEED, "bench/train", number);
    let mut picture = || {
        let side = needs.crop as u32;
        let levels = (0..3 * needs.crop * needs.crop).map(|_| draws.uniform(0.0, 255.0) as u8);
        Rgb8::new(side, side, levels.collect()).expect("three levels a pixel")
    };
    let cut = |_| Cut {
        crops: (0..needs.group).map(|_| picture()).collect(),
        boxes: (0..needs.group).map(|i| [0.0, 0.0, 0.5, 0.5 + (i % 2) as f32 * 0.5]).collect(),
        whole: needs.whole.then(&mut picture),
    };
    let cuts: Vec<Cut> = (0..pictures).map(cut).collect();
    let labels = (0..pictures).map(|i| i as f32 / pictures.max(2) as f32).collect();
    (cuts, labels)
}
