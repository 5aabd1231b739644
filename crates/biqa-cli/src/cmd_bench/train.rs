//! `biqa bench train`: milliseconds of a training step, crops a second, memory.

use biqa_lab::train::bench::{Bench, bench};
use biqa_lab::train::job::read_recipe;

use super::median;
use crate::args::BenchTrainArgs;
use crate::exit::Exit;
use crate::memory;
use crate::words::{out, say};

pub fn run(args: &BenchTrainArgs) -> anyhow::Result<Exit> {
    memory::keep_freed();
    let device = args.device.device.open()?;
    let (recipe, _) = read_recipe(Some(&args.recipe), None, &args.set.set)?;
    let (steps, warmup) = (args.steps as usize, args.warmup as usize);
    if !args.run.quiet {
        let (name, products) = (recipe.name(), recipe.products().word());
        say(&format!("{name} on {device}, products in {products}, {steps} steps after {warmup}"));
    }
    let asked = Bench { device, threads: args.run.threads, steps, warmup };
    let found = bench(&recipe, &asked)?;
    let ends = |pick: fn(f64, f64) -> f64| 1e3 * found.seconds.iter().copied().fold(f64::NAN, pick);
    let (least, most) = (ends(f64::min), ends(f64::max));
    let step = median(found.seconds.clone());
    let (crops, side) = found.crops;
    out!("network          {:>10.1} million numbers", found.parameters as f64 / 1e6);
    out!("crops of a step  {crops:>10} of {side} x {side}");
    out!("first step       {:>10.1} ms", 1e3 * found.first);
    out!("step, median     {:>10.1} ms, {least:.1} to {most:.1}", 1e3 * step);
    out!("crops/s          {:>10.1}", crops as f64 / step);
    for (what, bytes) in [("device", found.device_memory), ("process", found.process_memory)] {
        if let Some(bytes) = bytes {
            out!("{:<16} {:>10.0} MiB at most", format!("{what} memory"), bytes as f64 / 1048576.0);
        }
    }
    Ok(Exit::Fine)
}
