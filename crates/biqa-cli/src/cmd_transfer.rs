//! `biqa transfer`: pristine pictures inherit the scores of the references they resemble.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use biqa_lab::train::folder::foreign;
use biqa_lab::transfer::{
    self, Backbone, FEATURES, MANIFEST, OtherSet, REFERENCES, Record, SETTINGS, Sources, Training,
};

use crate::args::TransferArgs;
use crate::exit::Exit;
use crate::inputs::Inputs;
use crate::progress::Progress;
use crate::walk::{Item, Walk};
use crate::words::{count, out, path_text, say, shown};

pub fn run(args: &TransferArgs) -> anyhow::Result<Exit> {
    let settings = args.settings();
    settings.check()?;
    if !args.references.is_dir() {
        bail!(
            "{} is no folder (--references: the table's pristine pictures)",
            shown(&args.references)
        );
    }
    begin(args)?;
    let training = args.training_references.as_deref().map(Training::read).transpose()?;
    let mut others = Vec::new();
    for similar in &args.similar {
        others.push(other(&similar.folder, similar.take)?);
    }
    for folder in &args.test_references {
        others.push(other(folder, 0)?);
    }
    let (pictures, troubles) = pictures(args)?;
    let backbone = Backbone::open(&args.weights)?;
    if !args.run.quiet {
        let n = count(pictures.len() as u64, "picture");
        say(&format!("{n}, matched with {}", backbone.name()));
    }
    let sources = Sources {
        pictures: &pictures,
        references: &args.references,
        scores: &args.scores,
        backbone: &backbone,
        training: training.as_ref(),
        others: &others,
    };
    let steps = if settings.pictures { 2 } else { 1 };
    let mut bar = Bar(Progress::of(args.run.wants_progress(), steps * pictures.len()));
    let record = transfer::transfer(&sources, &settings, &args.output, args.run.threads, &mut bar);
    bar.0.end();
    told(&record?, args, troubles)
}

struct Bar(Progress);

impl transfer::Progress for Bar {
    fn looked(&mut self) {
        self.0.scored();
    }

    fn degraded(&mut self) {
        self.0.scored();
    }
}

/// Refuses to write over a run, or makes room for this one.
fn begin(args: &TransferArgs) -> anyhow::Result<()> {
    let out = &args.output;
    let has = |name: &&str| out.join(name).exists();
    let there = [FEATURES, REFERENCES].iter().any(has) || [MANIFEST, SETTINGS].iter().all(has);
    if let (false, Some(other)) = (there, foreign(out, &[REFERENCES])) {
        bail!("{} holds other things ({other}); give a new folder, or an empty one", shown(out));
    }
    if there && !args.force && !args.resume {
        bail!("{} holds a run; --resume goes on, --force writes over it", shown(out));
    }
    if args.force {
        // Without them neither labels nor pictures of the run before count as this one's.
        for name in [MANIFEST, SETTINGS] {
            let path = out.join(name);
            if path.exists() {
                fs::remove_file(&path).with_context(|| format!("cannot write {}", shown(&path)))?;
            }
        }
    }
    Ok(())
}

/// The references of a set, in the order of their paths' bytes.
fn other(folder: &Path, take: usize) -> anyhow::Result<OtherSet> {
    if !folder.is_dir() {
        bail!("{} is no folder", shown(folder));
    }
    let mut pictures = Vec::new();
    for item in Walk::new(folder.to_owned()) {
        match item {
            Item::File(path) => pictures.push(path),
            Item::Trouble(path, error) => {
                return Err(error).with_context(|| format!("cannot read {}", shown(&path)));
            }
        }
    }
    if pictures.is_empty() {
        bail!("no pictures found in {}", shown(folder));
    }
    Ok(OtherSet { name: path_text(folder), pictures, take })
}

/// The sources, and how many places could not be looked into.
fn pictures(args: &TransferArgs) -> anyhow::Result<(Vec<PathBuf>, u64)> {
    let (mut pictures, mut troubles) = (Vec::new(), 0);
    let missing =
        |path: &Path| !path.exists() && args.paths.iter().any(|name| path == Path::new(name));
    let mut inputs = Inputs::open(&args.paths)?;
    for item in &mut inputs {
        match item {
            Item::File(path) | Item::Trouble(path, _) if missing(&path) => {
                bail!("{} is not there (give a folder of pictures, a glob or @LIST)", shown(&path));
            }
            Item::File(path) => pictures.push(path),
            Item::Trouble(path, error) => {
                troubles += 1;
                say(&format!("{}: {error}", shown(&path)));
            }
        }
    }
    if let Some(unread) = inputs.unread() {
        say(&format!("warning: {unread}"));
    }
    if pictures.is_empty() {
        let names: Vec<String> = args.paths.iter().map(|p| shown(Path::new(p))).collect();
        bail!("there is no picture in {}", names.join(", "));
    }
    Ok((pictures, troubles))
}

/// What became of the pictures, and how the command ends.
fn told(record: &Record, args: &TransferArgs, troubles: u64) -> anyhow::Result<Exit> {
    let counts = &record.counts;
    for (name, n) in [
        ("pictures", counts.sources),
        ("labelled", counts.labelled),
        ("unreadable", counts.unreadable),
        ("with the name of another", counts.same_name),
        ("copies of other references", counts.near_other_set),
        ("outside the training references", counts.outside_training),
        ("not among those wanted", counts.not_selected),
        ("not degraded", counts.not_degraded),
        ("label rows", counts.rows),
    ] {
        if n > 0 || name == "labelled" {
            out!("{name:<32} {n:>9}");
        }
    }
    if !args.run.quiet {
        let used = record.sources_of_reference.len();
        let [lowest, mean] = record.cosines;
        say(&format!(
            "{used} of {} inherited from; cosine {mean:.3} on average, {lowest:.3} at least",
            count(counts.references as u64, "reference")
        ));
        record.notes.iter().for_each(|note| say(note));
        if counts.labelled < counts.sources {
            let list = args.output.join("left_out.csv");
            say(&format!("what was left out, and why: {}", shown(&list)));
        }
    }
    let fine = counts.troubles() == 0 && troubles == 0;
    Ok(if fine { Exit::Fine } else { Exit::SomeFailed })
}
