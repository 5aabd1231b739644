//! `biqa bench`: how fast this machine is, part by part.
//!
//! The parts take turns, several rounds of all of them, and the median round counts, so that other
//! work on the machine burdens them alike.

mod degrade;
mod train;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::bail;
use biqa::image::{self, LoadOptions, Rgb8};
use biqa::parallel::{cores, ordered};
use biqa::scorer::{RunOptions, Scorer, score_all};

use crate::args::{BenchArgs, BenchScoreArgs, BenchWhat};
use crate::cmd_score::open_scorer;
use crate::exit::Exit;
use crate::inputs::Inputs;
use crate::walk::Item;
use crate::words::{count, out, say, short, shown};

/// Decoded pictures that are held for the network alone.
const HELD_BYTES: usize = 256 << 20;
const ROUNDS: usize = 3;

pub fn run(args: &BenchArgs) -> anyhow::Result<Exit> {
    match &args.what {
        BenchWhat::Score(args) => score(args),
        BenchWhat::Degrade(args) => degrade::run(args),
        BenchWhat::Train(args) => train::run(args),
    }
}

fn score(args: &BenchScoreArgs) -> anyhow::Result<Exit> {
    let scorer = open_scorer(&args.model)?;
    let options = RunOptions { threads: args.run.threads, load: LoadOptions::default() };
    let (paths, pictures) = pictures(args, &options.load)?;
    let threads = if args.run.threads == 0 { cores() } else { args.run.threads };
    if !args.run.quiet {
        let (n, digest) = (count(paths.len() as u64, "image"), short(scorer.digest()));
        say(&format!("{n}, {threads} threads, {ROUNDS} rounds, {} {digest}", scorer.card().name));
    }
    let mut seconds: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        seconds[0].push(timed(|| decode(&paths, &options)));
        seconds[1].push(timed(|| network(&scorer, &pictures, options.threads)));
        seconds[2].push(timed(|| whole(&scorer, &paths, &options)));
    }
    let rates = seconds.map(|round| paths.len() as f64 / median(round));
    out!("part                 images/s");
    for (part, rate) in ["decoding alone", "network alone", "both, as in score"].iter().zip(rates) {
        out!("{part:<18} {rate:>10.1}");
    }
    let slower = rates[0].min(rates[1]);
    out!("both, of the slower {:>7.1} %", 100.0 * rates[2] / slower);
    Ok(Exit::Fine)
}

/// The images that can be read, up to what memory may hold of them decoded.
fn pictures(
    args: &BenchScoreArgs,
    load: &LoadOptions,
) -> anyhow::Result<(Vec<PathBuf>, Vec<Rgb8>)> {
    let (mut paths, mut pictures, mut bytes) = (Vec::new(), Vec::new(), 0);
    for item in Inputs::open(&args.paths)? {
        let Item::File(path) = item else { continue };
        match image::load(&path, load) {
            Ok(picture) => {
                bytes += picture.rgb.data().len();
                if bytes > HELD_BYTES && !paths.is_empty() {
                    say(&format!(
                        "measured on the first {}: more would not fit into {} MiB decoded",
                        count(paths.len() as u64, "image"),
                        HELD_BYTES >> 20
                    ));
                    break;
                }
                paths.push(path);
                pictures.push(picture.rgb);
            }
            Err(error) => say(&format!("warning: left out: {error}")),
        }
    }
    if paths.is_empty() {
        let names: Vec<String> = args.paths.iter().map(|p| shown(Path::new(p))).collect();
        bail!("there is no readable image in {}", names.join(", "));
    }
    Ok((paths, pictures))
}

fn timed(work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

fn decode(paths: &[PathBuf], options: &RunOptions) {
    let load = |_, path: &PathBuf| image::load(path, &options.load).is_ok();
    ordered(options.threads, paths.iter(), load, |_, _| true);
}

fn network(scorer: &Scorer, pictures: &[Rgb8], threads: usize) {
    ordered(threads, pictures.iter(), |_, picture| scorer.score(picture).is_ok(), |_, _| true);
}

fn whole(scorer: &Scorer, paths: &[PathBuf], options: &RunOptions) {
    score_all(scorer, &mut paths.iter().cloned(), options, &mut |_, _| true);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
