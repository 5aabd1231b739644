//! `biqa degrade`: degraded copies of pictures, with the address that makes each again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use biqa::image::{LoadOptions, load};
use biqa::parallel::ordered;
use biqa_lab::copies::{BatchError, Copies, Row, write_png};
use biqa_lab::degrade::{Plan, UNAVAILABLE, distortions};
use biqa_lab::sheet::sheet;

use crate::args::DegradeArgs;
use crate::exit::Exit;
use crate::inputs::{Inputs, name_of};
use crate::progress::Progress;
use crate::shard::Shard;
use crate::walk::Item;
use crate::words::{count, out, say, shown};

/// Height of a picture on a contact sheet.
const SHEET_SIDE: u32 = 128;

/// The table beside the copies.
const MANIFEST: &str = "manifest.csv";

pub fn run(args: &DegradeArgs) -> anyhow::Result<Exit> {
    if args.list {
        return list();
    }
    // clap has seen to it that there is one.
    let output = args.output.clone().unwrap_or_default();
    if args.sheet {
        return contact_sheet(args, &output);
    }
    let copies = copies(args)?;
    match (&copies, single(args)) {
        (Copies::Given(_) | Copies::Drawn(_, 1), Some(source)) => {
            one(args, &copies, &source, &output)
        }
        _ => many(args, &copies, &output),
    }
}

fn copies(args: &DegradeArgs) -> anyhow::Result<Copies> {
    Ok(match (&args.ops, &args.random) {
        (Some(text), _) => {
            let copies = Copies::Given(text.clone());
            // Said once and before any work, not once a picture.
            copies.check()?;
            copies
        }
        (None, Some(plan)) => Copies::Drawn(*plan, args.count),
        (None, None) => Copies::Kadid { stretch: args.stretch },
    })
}

/// The one file that is named, if it is one.
fn single(args: &DegradeArgs) -> Option<PathBuf> {
    match args.paths.as_slice() {
        [name] if Path::new(name).is_file() => Some(PathBuf::from(name)),
        _ => None,
    }
}

/// One picture into one file; the address goes to standard output.
fn one(args: &DegradeArgs, copies: &Copies, source: &Path, output: &Path) -> anyhow::Result<Exit> {
    refuse(args, output)?;
    let picture = load(source, &LoadOptions::default())?.rgb;
    let name =
        source.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    for (_, address) in copies.of(args.seed, &name, &picture)? {
        write_png(output, &address.apply_levels(&picture)?)?;
        out!("{address}");
    }
    Ok(Exit::Fine)
}

fn contact_sheet(args: &DegradeArgs, output: &Path) -> anyhow::Result<Exit> {
    let Some(source) = single(args) else { bail!("--sheet shows one picture; name one file") };
    refuse(args, output)?;
    let picture = load(&source, &LoadOptions::default())?.rgb;
    let sheet = sheet(&picture, args.seed, &name_of(&source, &args.paths), SHEET_SIDE)?;
    write_png(output, &sheet)?;
    Ok(Exit::Fine)
}

/// Refuses to write over a file.
fn refuse(args: &DegradeArgs, output: &Path) -> anyhow::Result<()> {
    if output.exists() && !args.force {
        bail!("{} is there; --force writes over it", shown(output));
    }
    Ok(())
}

/// Several pictures into a folder with a manifest.
fn many(args: &DegradeArgs, copies: &Copies, output: &Path) -> anyhow::Result<Exit> {
    let manifest = output.join(MANIFEST);
    if manifest.exists() && !args.force && !args.resume {
        bail!("{} is there; --resume goes on, --force writes over it", shown(&manifest));
    }
    fs::create_dir_all(output).with_context(|| format!("cannot write {}", shown(output)))?;
    let done = if args.resume { done(&manifest, output)? } else { BTreeSet::new() };
    let mut file = Manifest::open(&manifest, args.resume)?;

    let mut troubles = 0_u64;
    let mut stems = BTreeSet::new();
    let inputs = Inputs::open(&args.paths)?;
    let sources = inputs.filter_map(|item| {
        let (path, trouble) = match item {
            Item::File(path) => {
                let taken =
                    !stems.insert(Path::new(&name_of(&path, &args.paths)).with_extension(""));
                (path, taken.then(|| "its copies would have another picture's names".to_owned()))
            }
            Item::Trouble(path, error) => (path, Some(error.to_string())),
        };
        if let Some(trouble) = trouble {
            troubles += 1;
            say(&format!("{}: {trouble}", shown(&path)));
            return None;
        }
        (!done.contains(&name_of(&path, &args.paths))).then_some(path)
    });
    let whole: Shard = "1/1".parse().map_err(anyhow::Error::msg)?;
    let progress = Progress::start(args.run.wants_progress(), &args.paths, whole);
    progress.taken_over(done.len() as u64);
    let (mut pictures, mut made, mut failed) = (0_u64, 0_u64, 0_u64);
    let mut broken = None;
    ordered(
        args.run.threads,
        sources,
        |_, path| (copies.make(args.seed, &path, &name_of(&path, &args.paths), output), path),
        |_, (result, path): (Result<Vec<Row>, BatchError>, PathBuf)| {
            match result {
                Ok(rows) => {
                    (pictures, made) = (pictures + 1, made + rows.len() as u64);
                    progress.scored();
                    broken = file.add(&rows).err();
                }
                Err(error @ BatchError::Write { .. }) => broken = Some(error.into()),
                Err(error) => {
                    failed += 1;
                    progress.aside(|| say(&format!("{}: {error}", shown(&path))));
                }
            }
            broken.is_none()
        },
    );
    progress.end();
    if let Some(error) = broken {
        return Err(error);
    }
    failed += troubles;
    if !args.run.quiet {
        let before =
            if done.is_empty() { String::new() } else { format!(", {} before", done.len()) };
        say(&format!("{made} copies of {}{before}", count(pictures, "picture")));
    }
    Ok(if failed == 0 { Exit::Fine } else { Exit::SomeFailed })
}

/// Sources of a manifest whose copies are all there.
fn done(manifest: &Path, folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    if !manifest.exists() {
        return Ok(BTreeSet::new());
    }
    let mut rows = csv::ReaderBuilder::new().flexible(true).from_path(manifest)?;
    let mut whole: BTreeMap<String, bool> = BTreeMap::new();
    for row in rows.records() {
        let row = row.with_context(|| format!("cannot read {}", shown(manifest)))?;
        let (Some(path), Some(source)) = (row.get(0), row.get(1)) else { continue };
        let there = folder.join(path).is_file();
        *whole.entry(source.to_owned()).or_insert(true) &= there;
    }
    Ok(whole.into_iter().filter_map(|(source, whole)| whole.then_some(source)).collect())
}

/// The manifest, a row a copy, written as copies are made.
struct Manifest(csv::Writer<BufWriter<fs::File>>);

impl Manifest {
    fn open(path: &Path, append: bool) -> anyhow::Result<Self> {
        let new = !append || !path.exists();
        let file = OpenOptions::new().create(true).write(new).append(!new).truncate(new).open(path);
        let file = file.with_context(|| format!("cannot write {}", shown(path)))?;
        let mut writer = csv::Writer::from_writer(BufWriter::new(file));
        if new {
            writer.write_record(["path", "source", "address"])?;
        }
        Ok(Self(writer))
    }

    /// All copies of a picture at once, so that a resume finds whole pictures.
    fn add(&mut self, rows: &[Row]) -> anyhow::Result<()> {
        for row in rows {
            self.0.write_record([&row.path, &row.source, &row.address])?;
        }
        Ok(self.0.flush()?)
    }
}

fn list() -> anyhow::Result<Exit> {
    for op in distortions() {
        let parameters: Vec<&str> = op.parameters.iter().map(|p| p.name).collect();
        let levels = if op.levels.is_empty() { "" } else { "@1..5" };
        let name = format!("{}{levels}", op.full_name());
        out!("{name:<34} {:<30} {}", parameters.join(" "), op.summary);
    }
    for (name, reason) in UNAVAILABLE {
        out!("{name:<34} not available: {reason}");
    }
    for name in Plan::NAMES {
        let size = match Plan::named(name).and_then(|plan| plan.size()) {
            Some(size) => format!("{size} compositions with levels"),
            None => "beyond counting: continuous parameters, or above 2^128".to_owned(),
        };
        out!("plan {name:<29} {size}");
    }
    Ok(Exit::Fine)
}
