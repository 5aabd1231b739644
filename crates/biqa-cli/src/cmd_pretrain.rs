//! `biqa pretrain`: arguments to a pre-training of `biqa-lab`, its figures to the terminal.

use std::ffi::OsString;
use std::path::Path;

use anyhow::bail;
use biqa_lab::pretrain::job::{Job, pretrain};
use biqa_lab::pretrain::sources::Source;
use biqa_lab::train::Progress;

use crate::args::PretrainArgs;
use crate::cmd_train::Talk;
use crate::exit::Exit;
use crate::inputs::{Inputs, name_of};
use crate::memory;
use crate::walk::Item;
use crate::words::shown;

pub fn run(args: &PretrainArgs) -> anyhow::Result<Exit> {
    memory::keep_freed();
    let device = args.device.device.open()?;
    let mut talk = Talk::new(&args.run);
    let labelled =
        args.dataset.as_ref().map(|set| (set.name.clone(), set.root.clone(), args.load.options()));
    let job = Job {
        recipe: args.recipe.clone(),
        changes: args.set.set.clone(),
        images: sources(&args.images, &mut talk)?,
        held_out: sources(&args.held_out, &mut talk)?,
        labelled,
        init: args.init.clone(),
        out: args.out.clone(),
        resume: args.resume,
        seed: args.seed,
        device,
        threads: args.run.threads,
        checkpoint_steps: args.checkpoint_steps,
    };
    let made = pretrain(&job, &mut talk)?;
    let word = |v: Option<f64>| v.map_or_else(|| "none".to_owned(), |v| format!("{v:.4}"));
    talk.note(&format!("{:<56} {:>8} {:>8}", "on pictures that were held out", "before", "after"));
    for ((name, before), (_, after)) in made.before.named().into_iter().zip(made.after.named()) {
        talk.note(&format!("{name:<56} {:>8} {:>8}", word(before), word(after)));
    }
    talk.note(&format!(
        "done: {} holds the backbone, {} both sides, {} the figures",
        shown(&made.backbone),
        shown(&made.weights),
        shown(&made.report)
    ));
    Ok(Exit::Fine)
}

/// The pictures that names stand for; a place that can't be looked into is one that can't be decoded.
fn sources(names: &[OsString], talk: &mut Talk) -> anyhow::Result<Vec<Source>> {
    let mut inputs = Inputs::open(names)?;
    let mut sources = Vec::new();
    for item in inputs.by_ref() {
        let (Item::File(path) | Item::Trouble(path, _)) = item;
        if !path.exists() && names.iter().any(|name| path == Path::new(name)) {
            bail!("{} is not there (give a folder of pictures, a glob or @LIST)", shown(&path));
        }
        sources.push(Source { name: name_of(&path, names), path });
    }
    if let Some(first) = inputs.nothing_found().first() {
        bail!("{first}");
    }
    if let Some(unread) = inputs.unread() {
        talk.note(&unread);
    }
    Ok(sources)
}
