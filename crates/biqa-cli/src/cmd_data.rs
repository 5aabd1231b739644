//! `biqa data`: what lies in a folder, a set in its one internal form, pictures that are nearly the
//! same.

use std::io::{self, IsTerminal as _, Write};
use std::path::Path;

use anyhow::{Context, bail};
use biqa_lab::datasets::duplicates::{DuplicateOptions, Duplicates, Pair, find};
use biqa_lab::datasets::{
    Manifest, Options, Split, is_litter, keys, no_pictures, open, recognise, smaller_than,
};

use biqa_lab::splits;

use crate::args::{
    DataArgs, DataCheckArgs, DataCommand, DataDuplicatesArgs, DataManifestArgs, DataSplitArgs,
};
use crate::exit::Exit;
use crate::walk::{Item, Walk};
use crate::words::{count, out, say, shown};

/// Pictures between two words about progress.
const SAID_EVERY: usize = 1000;

/// Pairs on two sides of a split that are named; a CSV has them all.
const NAMED_PAIRS: usize = 5;
/// Files that are no pictures, said by name.
const NAMED: usize = 5;

pub fn run(args: &DataArgs) -> anyhow::Result<Exit> {
    match &args.command {
        DataCommand::Check(args) => check(args),
        DataCommand::Manifest(args) => manifest(args),
        DataCommand::Split(args) => split(args),
        DataCommand::Duplicates(args) => duplicates(args),
    }
}

fn check(args: &DataCheckArgs) -> anyhow::Result<Exit> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => recognised(&args.root)?,
    };
    let options = Options { unlabelled: true, ..args.load.options() };
    let manifest = open(&name, &args.root, &options)?;
    print(&manifest)?;
    if let Some(note) = smaller_than(&manifest, args.crop) {
        out!("note       {note}");
    }
    let bad = no_pictures(&manifest);
    for (path, why) in bad.iter().take(NAMED) {
        out!("no picture {path}: {why}");
    }
    if bad.len() > NAMED {
        out!("no picture and {} more", bad.len() - NAMED);
    }
    let whole = if bad.is_empty() { Exit::Fine } else { Exit::SomeFailed };
    if !args.near_duplicates {
        return Ok(whole);
    }
    // The rule of the check is the distance alone; the correlation helps to judge.
    let options = DuplicateOptions { correlation: -1.0, ..DuplicateOptions::default() };
    let found = near_duplicates(&manifest, &options, false);
    let apart =
        |pair: &&Pair| manifest.rows[pair.first].content != manifest.rows[pair.second].content;
    for pair in found.pairs.iter().filter(apart) {
        out!("pair       {}", words_of(pair, &found, Some(&parts(&manifest))));
    }
    let pairs = found.pairs.iter().filter(apart).count() as u64;
    out!("nearly the same, of two contents: {}", count(pairs, "pair"));
    Ok(told(&found))
}

/// The part of every picture.
fn parts(manifest: &Manifest) -> Vec<Option<Split>> {
    manifest.rows.iter().map(|row| row.split).collect()
}

/// Near-duplicates among the pictures of a set.
fn near_duplicates(manifest: &Manifest, options: &DuplicateOptions, quiet: bool) -> Duplicates {
    let paths: Vec<String> = manifest.rows.iter().map(|row| row.path.clone()).collect();
    looked_at(&manifest.root, &paths, options, quiet)
}

fn looked_at(root: &Path, paths: &[String], options: &DuplicateOptions, quiet: bool) -> Duplicates {
    find(root, paths, options, &mut |done| {
        if !quiet && done.is_multiple_of(SAID_EVERY) {
            say(&format!("{done} of {} looked at", paths.len()));
        }
    })
}

/// A pair in words: paths, parts where there are any, and how near they are.
fn words_of(pair: &Pair, found: &Duplicates, parts: Option<&[Option<Split>]>) -> String {
    let [first, second] = [pair.first, pair.second].map(|i| {
        let part = parts.and_then(|parts| parts[i]);
        let part = part.map_or(String::new(), |part| format!(" ({part})"));
        format!("{}{part}", shown(Path::new(&found.paths[i])))
    });
    let bits = count(u64::from(pair.distance), "bit");
    format!("{first} and {second}: {bits} apart, correlation {:.4}", pair.correlation)
}

/// Says which pictures could not be looked at.
fn told(found: &Duplicates) -> Exit {
    for failure in &found.failures {
        say(&format!("not looked at: {}", failure.reason));
    }
    if found.failures.is_empty() { Exit::Fine } else { Exit::SomeFailed }
}

/// The set that a folder holds.
fn recognised(root: &Path) -> anyhow::Result<String> {
    if !root.is_dir() {
        bail!("{} is no folder", shown(root));
    }
    let found = recognise(root);
    match found.as_slice() {
        [] => bail!(
            "{} looks like none of the sets that are known: {}; name the set to hear what it lacks",
            shown(root),
            keys().join(", ")
        ),
        [one] => {
            say(&format!("{} ({}): {}", one.set.key, one.set.what, one.why));
            Ok(one.set.key.to_owned())
        }
        several => {
            let words: Vec<String> =
                several.iter().map(|r| format!("{} ({})", r.set.key, r.why)).collect();
            bail!("{} may be {}; name the set", shown(root), words.join(" or "))
        }
    }
}

/// What a set is, line by line.
fn print(manifest: &Manifest) -> anyhow::Result<()> {
    let head = manifest.head();
    let [lo, hi] = head.range_nominal;
    let direction = serde_json::to_value(head.direction).unwrap_or_default();
    out!("dataset    {}{}", head.dataset, if head.subset { " (a subset)" } else { "" });
    out!("root       {}", shown(&manifest.root));
    out!("images     {}", head.images);
    out!("contents   {}", head.contents);
    let scores: Vec<f64> =
        manifest.rows.iter().map(|row| row.score).filter(|s| !s.is_nan()).collect();
    if scores.is_empty() {
        out!("scores     none");
    } else {
        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = scores.iter().sum::<f64>() / scores.len() as f64;
        let word = direction.as_str().unwrap_or_default();
        out!("scores     {word}, scale {lo} to {hi}; here {least} to {most}, mean {mean:.6}");
    }
    let parts = [Split::Train, Split::Val, Split::Test].map(|part| manifest.part(part).len());
    if parts.iter().any(|&n| n > 0) {
        out!("parts      train {}, val {}, test {}", parts[0], parts[1], parts[2]);
    }
    out!("digest     {}", head.digest);
    for note in &head.notes {
        out!("note       {note}");
    }
    Ok(())
}

fn manifest(args: &DataManifestArgs) -> anyhow::Result<Exit> {
    check_new(args.output.as_deref(), args.force)?;
    // A set without labels has a list of its pictures all the same.
    let options =
        Options { labels_only: args.labels_only, unlabelled: true, ..args.load.options() };
    let manifest = open(&args.name, &args.root, &options)?;
    let head = manifest.head();
    write(&manifest.to_csv(), args.output.as_deref())?;
    let [lo, hi] = head.range_nominal;
    let direction = serde_json::to_value(head.direction).unwrap_or_default();
    say(&format!(
        "{}: {} images, {} contents, {} on {lo} to {hi}, digest {}",
        head.dataset,
        head.images,
        head.contents,
        direction.as_str().unwrap_or_default(),
        head.digest
    ));
    head.notes.iter().for_each(|note| say(note));
    Ok(Exit::Fine)
}

fn split(args: &DataSplitArgs) -> anyhow::Result<Exit> {
    check_new(args.output.as_deref(), args.force)?;
    let manifest = open(&args.name, &args.root, &args.load.options())?;
    let options = splits::Options {
        rule: args.split.clone(),
        form: args.protocol,
        seed: args.shared.seed,
        index: args.index,
        fraction: None,
        allow_leak: args.shared.allow_leak,
        group_equal_bytes: args.shared.group_equal_bytes,
    };
    let digests = splits::file_digests(&manifest)?;
    let found = splits::split(&manifest, Some(&digests), &options)?;
    for part in [Split::Train, Split::Val, Split::Test] {
        say(&format!(
            "{part}: {}, {}",
            count(found.part(part).len() as u64, "photo"),
            count(found.contents(&manifest, part) as u64, "content")
        ));
    }
    say(&format!("digest of the lists: {}", found.digest(&manifest)));
    for note in manifest.notes.iter().chain(&found.notes) {
        say(note);
    }
    write(&found.to_json(&manifest), args.output.as_deref())?;
    Ok(Exit::Fine)
}

fn duplicates(args: &DataDuplicatesArgs) -> anyhow::Result<Exit> {
    check_new(args.output.as_deref(), args.force)?;
    check_new(args.pairs.as_deref(), args.force)?;
    let options = DuplicateOptions {
        threads: args.run.threads,
        distance: args.distance,
        correlation: args.correlation,
        ..DuplicateOptions::default()
    };
    let (found, parts) = if let Some(name) = &args.dataset {
        let load = Options { unlabelled: true, ..args.load.options() };
        let manifest = open(name, &args.root, &load)?;
        (near_duplicates(&manifest, &options, args.run.quiet), Some(parts(&manifest)))
    } else {
        if args.load.options() != Options::default() {
            bail!("what of a dataset is read is said beside --dataset NAME only");
        }
        (looked_at(&args.root, &pictures(&args.root)?, &options, args.run.quiet), None)
    };
    let parts = parts.as_deref().filter(|parts| parts.iter().any(Option::is_some));
    // Whoever reads along wants to see what is together; a file or a pipe needs every picture.
    if args.output.is_none() && io::stdout().is_terminal() {
        for group in &found.groups {
            let names = group.iter().map(|&i| shown(Path::new(&found.paths[i])));
            out!("{}", names.collect::<Vec<_>>().join("  "));
        }
    } else {
        write(&found.contents_csv(), args.output.as_deref())?;
    }
    if let Some(path) = &args.pairs {
        write(&found.pairs_csv(parts), Some(path))?;
    }
    let exit = told(&found);
    if !args.run.quiet {
        let more = if found.more_pairs { " or more" } else { "" };
        say(&format!(
            "{}: {}{more} nearly the same, {} of two and more",
            count(found.paths.len() as u64, "picture"),
            count(found.pairs.len() as u64, "pair"),
            count(found.groups.len() as u64, "group"),
        ));
    }
    if let Some(parts) = parts {
        let crossing: Vec<&Pair> = found.crossing(parts).collect();
        say(&format!(
            "on two sides of the set's own split: {}",
            count(crossing.len() as u64, "pair")
        ));
        for pair in crossing.iter().take(NAMED_PAIRS) {
            say(&words_of(pair, &found, Some(parts)));
        }
        if crossing.len() > NAMED_PAIRS && args.pairs.is_none() {
            say("all of them with --pairs CSV");
        }
    }
    Ok(exit)
}

/// The pictures of a folder, relative to it, in the byte order of their paths.
fn pictures(root: &Path) -> anyhow::Result<Vec<String>> {
    if !root.is_dir() {
        bail!("{} is no folder", shown(root));
    }
    let mut paths = Vec::new();
    for item in Walk::new(root.to_owned()) {
        match item {
            Item::File(path) => {
                let inside = path.strip_prefix(root).unwrap_or(&path);
                let Some(text) = inside.to_str() else {
                    bail!("{} has a name that is not UTF-8; rename it", shown(&path));
                };
                let path = text.replace('\\', "/");
                if !path.split('/').any(is_litter) {
                    paths.push(path);
                }
            }
            Item::Trouble(path, error) => {
                return Err(error).with_context(|| format!("cannot read {}", shown(&path)));
            }
        }
    }
    if paths.is_empty() {
        bail!("no pictures found in {}", shown(root));
    }
    Ok(paths)
}

/// Refuses to write over what is there: it may be labels, or a picture.
fn check_new(output: Option<&Path>, force: bool) -> anyhow::Result<()> {
    match output {
        Some(path) if !force && path.symlink_metadata().is_ok() => {
            bail!("{} is already there (replace it with --force)", shown(path))
        }
        _ => Ok(()),
    }
}

/// Text to a file, or to standard output.
fn write(text: &str, output: Option<&Path>) -> anyhow::Result<()> {
    if let Some(path) = output {
        return std::fs::write(path, text).with_context(|| format!("cannot write {}", shown(path)));
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
