//! `biqa degrade` into a folder: the copies of several pictures, a table of them, and what of an
//! earlier run stays.
//!
//! Nothing that was there is lost: a folder that is not this command's own is never written over,
//! a picture that is degraded neither, and a copy is whole or not there.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use biqa::parallel::ordered;
use biqa_lab::copies::{BatchError, Copies, Row};
use biqa_lab::train::checkpoint::write_atomic;
use serde_json::{Value, json};

use crate::args::DegradeArgs;
use crate::exit::Exit;
use crate::inputs::{Inputs, name_of};
use crate::progress::Progress;
use crate::shard::Shard;
use crate::walk::Item;
use crate::words::{count, say, shown};

/// The table beside the copies.
const MANIFEST: &str = "manifest.csv";
/// The table of what has no copies.
const FAILED: &str = "failed.csv";
/// What the copies are: another run may not go on with them.
const RUN: &str = "degrade.json";

/// Several pictures into a folder with a manifest.
pub fn many(args: &DegradeArgs, copies: &Copies, output: &Path) -> anyhow::Result<Exit> {
    if output.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) && !output.is_dir() {
        bail!("{} is a picture's name; copies of several go into a folder", shown(output));
    }
    let mut inputs = Inputs::open(&args.paths)?;
    let Some(first) = inputs.next() else {
        bail!("{}", inputs.nothing_found().join("; "));
    };
    let own = Own::find(args, copies, output)?;
    let name = |path: &Path| match super::single(args).and_then(|only| super::file_name(&only)) {
        Some(name) => name,
        None => name_of(path, &args.paths),
    };

    let mut table = Table::begin(output, &own)?;
    let (mut troubles, mut stems) = (0_u64, BTreeSet::new());
    let mut refused = Vec::new();
    let sources = std::iter::once(first).chain(&mut inputs).filter_map(|item| {
        let (path, trouble) = match item {
            // A folder inside the pictures' own is no source.
            Item::File(path) if own.is_below(&path) => return None,
            Item::File(path) => {
                let taken = !stems.insert(Path::new(&name(&path)).with_extension(""));
                (path, taken.then(|| "its copies would have another picture's names".to_owned()))
            }
            Item::Trouble(path, error) => (path, Some(error.to_string())),
        };
        if let Some(trouble) = trouble {
            troubles += 1;
            say(&format!("{}: {trouble}", shown(&path)));
            refused.push((name(&path), trouble));
            return None;
        }
        (!own.done.contains(&name(&path))).then_some(path)
    });
    let whole: Shard = "1/1".parse().map_err(anyhow::Error::msg)?;
    let progress = Progress::start(args.run.wants_progress(), &args.paths, whole);
    progress.taken_over(own.done.len() as u64);
    let (mut pictures, mut made, mut failed) = (0_u64, 0_u64, 0_u64);
    let mut broken = None;
    ordered(
        args.run.threads,
        sources,
        |_, path| {
            let may_replace = own.is_ours && !beside(output, &path);
            (copies.make(args.seed, &path, &name(&path), output, may_replace), path)
        },
        |_, (result, path): (Result<Vec<Row>, BatchError>, PathBuf)| {
            match result {
                Ok(rows) => {
                    (pictures, made) = (pictures + 1, made + rows.len() as u64);
                    progress.scored();
                    broken = table.add(&rows).err();
                }
                Err(error @ BatchError::Write { .. }) => broken = Some(error.into()),
                Err(error) => {
                    failed += 1;
                    progress.aside(|| say(&format!("{}: {error}", shown(&path))));
                    table.failed.push((name(&path), error.to_string()));
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
    table.failed.extend(refused);
    table.end()?;
    if !args.run.quiet {
        inputs.nothing_found().iter().for_each(|nothing| say(&format!("warning: {nothing}")));
        let before = match own.done.len() {
            0 => String::new(),
            n => format!(", {n} before"),
        };
        say(&format!("{made} copies of {}{before}", count(pictures, "picture")));
    }
    Ok(if failed == 0 { Exit::Fine } else { Exit::SomeFailed })
}

/// Whether a copy of a source would stand in the source's own folder, where it may be another
/// picture.
fn beside(output: &Path, source: &Path) -> bool {
    let here = |parent: &Path| parent.as_os_str().is_empty();
    let parent = source.parent().map(|parent| if here(parent) { Path::new(".") } else { parent });
    let real = |path: &Path| fs::canonicalize(path).ok();
    real(output).is_some_and(|output| parent.and_then(real) == Some(output))
}

/// What an earlier run has left in the folder.
struct Own {
    /// What decides the copies.
    identity: Value,
    folder: Option<PathBuf>,
    /// Whether the folder is one of this command's, to go on with or to write over.
    is_ours: bool,
    /// Sources whose copies are all there.
    done: BTreeSet<String>,
    /// Rows of the manifest that stay.
    kept: Vec<csv::StringRecord>,
}

impl Own {
    /// Looks at the folder, and refuses what would be lost.
    fn find(args: &DegradeArgs, copies: &Copies, output: &Path) -> anyhow::Result<Self> {
        let folder = fs::canonicalize(output).ok();
        for named in args.paths.iter().map(Path::new).filter(|path| path.is_dir()) {
            if folder.is_some() && fs::canonicalize(named).ok() == folder {
                bail!(
                    "{} holds the pictures themselves: their copies would be degraded in turn; take \
                     another folder",
                    shown(output)
                );
            }
        }
        let identity = json!({ "copies": copies.to_string(), "seed": args.seed });
        let (run, manifest) = (output.join(RUN), output.join(MANIFEST));
        let is_ours = run.exists() || manifest.exists();
        if is_ours && !args.force && !args.resume {
            bail!("{} is there; --resume goes on, --force writes over it", shown(&manifest));
        }
        let failed = output.join(FAILED);
        if !is_ours && failed.exists() {
            bail!(
                "{} is there, and is no table of an earlier run; take another folder",
                shown(&failed)
            );
        }
        let mut own = Self { identity, folder, is_ours, done: BTreeSet::new(), kept: Vec::new() };
        if args.resume && is_ours {
            own.same_run(&run)?;
            own.take_over(copies, output, &manifest)?;
        }
        Ok(own)
    }

    fn same_run(&self, run: &Path) -> anyhow::Result<()> {
        let Ok(text) = fs::read_to_string(run) else {
            bail!(
                "{} is not there, so nobody knows what the copies beside it are; --force makes them \
                 anew",
                shown(run)
            );
        };
        let there: Value =
            serde_json::from_str(&text).with_context(|| format!("cannot read {}", shown(run)))?;
        if there != self.identity {
            let told = |run: &Value| {
                format!("{}, seed {}", run["copies"].as_str().unwrap_or("nothing"), run["seed"])
            };
            bail!(
                "{} was made by another run ({} there, {} here); go on with what is there, or --force \
                 makes all anew",
                shown(run),
                told(&there),
                told(&self.identity)
            );
        }
        Ok(())
    }

    /// Keeps the rows of sources that are whole: as many copies as there must be, each there. What a
    /// run that was stopped while it wrote has left of a row is dropped.
    fn take_over(&mut self, copies: &Copies, output: &Path, manifest: &Path) -> anyhow::Result<()> {
        if !manifest.exists() {
            return Ok(());
        }
        let text =
            fs::read(manifest).with_context(|| format!("cannot read {}", shown(manifest)))?;
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(&text[..whole]);
        let mut of_source: BTreeMap<String, (usize, bool)> = BTreeMap::new();
        let mut all = Vec::new();
        for row in rows.records() {
            let row = row.with_context(|| format!("cannot read {}", shown(manifest)))?;
            let (Some(path), Some(source), Some(_), None) =
                (row.get(0), row.get(1), row.get(2), row.get(3))
            else {
                continue;
            };
            let seen = of_source.entry(source.to_owned()).or_insert((0, true));
            *seen = (seen.0 + 1, seen.1 && output.join(path).is_file());
            all.push(row);
        }
        let wanted = copies.number();
        of_source.retain(|_, (n, there)| *n == wanted && *there);
        all.retain(|row| of_source.contains_key(&row[1]));
        (self.done, self.kept) = (of_source.into_keys().collect(), all);
        Ok(())
    }

    /// Whether a picture lies in the folder of the copies.
    fn is_below(&self, path: &Path) -> bool {
        let Some(folder) = &self.folder else { return false };
        fs::canonicalize(path).is_ok_and(|path| path.starts_with(folder))
    }
}

/// The manifest, a row a copy, written as copies are made.
struct Table<'a> {
    output: &'a Path,
    writer: csv::Writer<BufWriter<fs::File>>,
    failed: Vec<(String, String)>,
}

impl<'a> Table<'a> {
    /// The folder says what it is before the first copy is made.
    fn begin(output: &'a Path, own: &Own) -> anyhow::Result<Self> {
        fs::create_dir_all(output).with_context(|| format!("cannot write {}", shown(output)))?;
        write_atomic(&output.join(RUN), format!("{:#}\n", own.identity).as_bytes())?;
        let path = output.join(MANIFEST);
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["path", "source", "address"])?;
        own.kept.iter().try_for_each(|row| table.write_record(row))?;
        write_atomic(&path, &table.into_inner()?)?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.with_context(|| format!("cannot write {}", shown(&path)))?;
        let writer = csv::Writer::from_writer(BufWriter::new(file));
        Ok(Self { output, writer, failed: Vec::new() })
    }

    /// All copies of a picture at once, so that a resume finds whole pictures.
    fn add(&mut self, rows: &[Row]) -> anyhow::Result<()> {
        for row in rows {
            self.writer.write_record([&row.path, &row.source, &row.address])?;
        }
        Ok(self.writer.flush()?)
    }

    /// What has no copies stands in a table of its own.
    fn end(self) -> anyhow::Result<()> {
        let path = self.output.join(FAILED);
        if self.failed.is_empty() {
            if path.exists() {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", shown(&path)))?;
            }
            return Ok(());
        }
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["source", "reason"])?;
        for (source, reason) in &self.failed {
            table.write_record([source, reason])?;
        }
        Ok(write_atomic(&path, &table.into_inner()?)?)
    }
}
