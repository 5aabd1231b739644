//! `biqa pretrain`: arguments to a pre-training of `biqa-lab`, its figures to the terminal.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

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
    let (mut images, mut held_out) =
        (sources(&args.images, &mut talk)?, sources(&args.held_out, &mut talk)?);
    tell_apart(&mut images, &mut held_out);
    let job = Job {
        recipe: args.recipe.clone(),
        changes: args.set.set.clone(),
        images,
        held_out,
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

/// Where two have one name, as in two folders beside each other, all are named from the folder that holds
/// all of them.
fn tell_apart(images: &mut [Source], held_out: &mut [Source]) {
    let mut names = BTreeSet::new();
    if images.iter().chain(held_out.iter()).all(|source| names.insert(&source.name)) {
        return;
    }
    let whole =
        |source: &Source| std::path::absolute(&source.path).unwrap_or_else(|_| source.path.clone());
    let mut folder: Option<PathBuf> = None;
    for path in images.iter().chain(held_out.iter()).map(whole) {
        let above = path.parent().unwrap_or(&path).to_owned();
        folder = Some(match folder {
            None => above,
            Some(folder) => {
                folder.ancestors().find(|of| above.starts_with(of)).unwrap_or(&above).to_owned()
            }
        });
    }
    let folder = [folder.unwrap_or_default().into_os_string()];
    for source in images.iter_mut().chain(held_out) {
        source.name = name_of(&whole(source), &folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(paths: &[&str]) -> Vec<Source> {
        let source = |path: &&str| Source {
            name: path.rsplit('/').next().unwrap_or_default().to_owned(),
            path: PathBuf::from(path),
        };
        paths.iter().map(source).collect()
    }

    fn names(of: &[Source]) -> Vec<&str> {
        of.iter().map(|source| source.name.as_str()).collect()
    }

    #[test]
    fn pictures_of_two_folders_are_told_apart() {
        let (mut images, mut held_out) =
            (named(&["/p/a/1.jpg", "/p/a/2.jpg"]), named(&["/p/b/1.jpg"]));
        tell_apart(&mut images, &mut held_out);
        assert_eq!(
            (names(&images), names(&held_out)),
            (vec!["a/1.jpg", "a/2.jpg"], vec!["b/1.jpg"])
        );
        let (mut images, mut held_out) = (named(&["/p/a/1.jpg"]), named(&["/q/1.jpg"]));
        tell_apart(&mut images, &mut held_out);
        assert_eq!((names(&images), names(&held_out)), (vec!["p/a/1.jpg"], vec!["q/1.jpg"]));
    }

    #[test]
    fn names_that_differ_stay() {
        let (mut images, mut held_out) = (named(&["/p/a/1.jpg"]), named(&["/p/b/2.jpg"]));
        tell_apart(&mut images, &mut held_out);
        assert_eq!((names(&images), names(&held_out)), (vec!["1.jpg"], vec!["2.jpg"]));
    }
}
