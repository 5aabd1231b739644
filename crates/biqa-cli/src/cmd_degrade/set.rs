//! `biqa degrade` into a folder: the copies of several pictures, a table of them, and what of an
//! earlier run stays.
//!
//! Nothing that was there is lost: only copies that a table of this command names are removed, and
//! only by `--force`; a file under a copy's name stays, and is an error unless it is that copy.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::BufWriter;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, bail};
use biqa::parallel::ordered;
use biqa_lab::copies::{BatchError, Copies, Row, digest_of};
use biqa_lab::train::checkpoint::write_atomic;
use serde_json::{Value, json};

use crate::args::DegradeArgs;
use crate::exit::Exit;
use crate::inputs::{Inputs, name_of};
use crate::output::partial::lock;
use crate::progress::Progress;
use crate::shard::Shard;
use crate::walk::Item;
use crate::words::{count, say, shown};

/// The table beside the copies.
const MANIFEST: &str = "manifest.csv";
/// Its columns.
const COLUMNS: [&str; 4] = ["path", "source", "address", "source_sha256"];
/// The table of what has no copies.
const FAILED: &str = "failed.csv";
/// What the copies are: another run may not go on with them.
const RUN: &str = "degrade.json";
/// Held while a run writes; never renamed, as the tables are.
const LOCK: &str = "degrade.lock";

/// What became of a source.
enum Outcome {
    /// Its copies are there, from an earlier run.
    Before,
    Made(Vec<Row>),
}

/// Several pictures into a folder with a manifest.
pub fn many(args: &DegradeArgs, copies: &Copies, output: &Path) -> anyhow::Result<Exit> {
    if output.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) && !output.is_dir() {
        bail!("{} is a picture's name; copies of several go into a folder", shown(output));
    }
    let mut inputs = Inputs::open(&args.paths)?;
    let (mut first, mut troubles) = (None, Vec::new());
    for item in &mut inputs {
        match item {
            Item::File(path) => {
                first = Some(path);
                break;
            }
            Item::Trouble(path, error) => troubles.push((path, error.to_string())),
        }
    }
    let Some(first) = first else {
        let said = troubles.iter().map(|(path, error)| format!("{}: {error}", shown(path)));
        let all: Vec<String> = inputs.nothing_found().iter().cloned().chain(said).collect();
        bail!("{}", all.join("; "));
    };
    // A folder that is refused stays as it is; in one that has a lock another run may be writing now.
    let refused = Own::find(args, copies, output).err();
    if let Some(refused) = refused.filter(|_| !output.join(LOCK).exists()) {
        return Err(refused);
    }
    let _lock = alone(output)?;
    let own = Own::find(args, copies, output)?;
    let name = |path: &Path| match super::single(args).and_then(|only| super::file_name(&only)) {
        Some(name) => name,
        None => name_of(path, &args.paths),
    };

    let mut table = Table::begin(output, &own)?;
    let mut refused = Vec::new();
    let mut refuse = |path: &Path, trouble: String| {
        say(&format!("{}: {trouble}", shown(path)));
        refused.push((name(path), trouble));
    };
    for (path, trouble) in troubles {
        refuse(&path, trouble);
    }
    let mut stems = BTreeSet::new();
    let items = std::iter::once(Item::File(first)).chain(&mut inputs);
    let sources = items.filter_map(|item| match item {
        // A folder of copies inside the pictures' own is no source.
        Item::File(path) if own.is_copy(&path) => None,
        Item::File(path) if stems.insert(Path::new(&name(&path)).with_extension("")) => Some(path),
        Item::File(path) => {
            let why = "its copies would have another picture's names; give a folder that holds both, or \
                       another run of its own";
            refuse(&path, why.to_owned());
            None
        }
        Item::Trouble(path, error) => {
            refuse(&path, error.to_string());
            None
        }
    });
    let whole: Shard = "1/1".parse().map_err(anyhow::Error::msg)?;
    let progress = Progress::start(args.run.wants_progress(), &args.paths, whole);
    let (mut pictures, mut made, mut before) = (0_u64, 0_u64, 0_u64);
    let mut broken = None;
    ordered(
        args.run.threads,
        sources,
        |_, path| (own.outcome(copies, args.seed, &path, &name(&path), output), path),
        |_, (result, path): (Result<Outcome, BatchError>, PathBuf)| {
            match result {
                Ok(Outcome::Before) => {
                    before += 1;
                    progress.taken_over(before);
                }
                Ok(Outcome::Made(rows)) => {
                    (pictures, made) = (pictures + 1, made + rows.len() as u64);
                    progress.scored();
                    broken = table.add(&rows).err();
                }
                Err(error @ BatchError::Write { .. }) => broken = Some(error.into()),
                Err(error) => {
                    progress.aside(|| match &error {
                        BatchError::Load(why) if why.contains(&shown(&path)) => say(why),
                        _ => say(&format!("{}: {error}", shown(&path))),
                    });
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
    table.failed.extend(refused);
    let failed = table.failed.len();
    table.end()?;
    if !args.run.quiet {
        inputs.nothing_found().iter().for_each(|nothing| say(&format!("warning: {nothing}")));
        if let Some(unread) = inputs.unread() {
            say(&format!("warning: {unread}"));
        }
        let before = if before == 0 { String::new() } else { format!(", {before} before") };
        let copies = if made == 1 { "1 copy".to_owned() } else { format!("{made} copies") };
        let without = match failed {
            0 => String::new(),
            n => format!("; {n} without copies, see {}", shown(&output.join(FAILED))),
        };
        say(&format!("{copies} of {}{before}{without}", count(pictures, "picture")));
    }
    Ok(if failed == 0 { Exit::Fine } else { Exit::SomeFailed })
}

/// What an earlier run has left in the folder.
struct Own {
    /// What decides the copies.
    identity: Value,
    /// The folder, where it lies inside one that is walked.
    inside: Option<PathBuf>,
    /// Sources whose copies are all there, with the SHA-256 of their bytes.
    done: BTreeMap<String, String>,
    /// Rows of the manifest that stay.
    kept: Vec<csv::StringRecord>,
    /// Copies to be made anew.
    old: Vec<PathBuf>,
}

impl Own {
    /// Looks at the folder, and refuses what would be lost.
    fn find(args: &DegradeArgs, copies: &Copies, output: &Path) -> anyhow::Result<Self> {
        let folder = real(output);
        let mut inside = None;
        for named in args.paths.iter().map(Path::new).filter(|path| path.is_dir()) {
            let named = real(named);
            if folder == named {
                bail!(
                    "{} holds the pictures themselves: their copies would be degraded in turn; take \
                     another folder",
                    shown(output)
                );
            }
            if folder.starts_with(&named) {
                inside = Some(folder.clone());
            }
        }
        let identity = json!({ "copies": copies.to_string(), "seed": args.seed });
        let run = output.join(RUN);
        let mut own =
            Self { identity, inside, done: BTreeMap::new(), kept: Vec::new(), old: Vec::new() };
        if !run.exists() {
            let tables = [MANIFEST, FAILED].map(|name| output.join(name));
            if let Some(table) = tables.iter().find(|table| table.exists()) {
                bail!(
                    "{} is there, and no run of this command has made it; take another folder",
                    shown(table)
                );
            }
        } else if args.resume {
            own.same_run(&run)?;
            own.take_over(copies, output)?;
        } else if args.force {
            own.old = rows_of(&output.join(MANIFEST))?
                .iter()
                .filter_map(|row| below(output, row.get(0)?))
                .collect();
        } else {
            let manifest = output.join(MANIFEST);
            bail!("{} is there; --resume goes on, --force writes over it", shown(&manifest));
        }
        Ok(own)
    }

    fn same_run(&self, run: &Path) -> anyhow::Result<()> {
        let text =
            fs::read_to_string(run).with_context(|| format!("cannot read {}", shown(run)))?;
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

    /// Keeps the rows of sources that are whole: as many copies as there must be, each there.
    fn take_over(&mut self, copies: &Copies, output: &Path) -> anyhow::Result<()> {
        let mut all = rows_of(&output.join(MANIFEST))?;
        let mut seen: BTreeMap<String, (usize, bool, String)> = BTreeMap::new();
        for row in &all {
            let digest = row[3].to_owned();
            let (n, there, _) = seen.entry(row[1].to_owned()).or_insert((0, true, digest));
            *n += 1;
            *there &= below(output, &row[0]).is_some_and(|path| path.is_file());
        }
        let wanted = copies.number();
        seen.retain(|_, (n, there, _)| *n == wanted && *there);
        all.retain(|row| seen.contains_key(&row[1]));
        self.done = seen.into_iter().map(|(name, (.., digest))| (name, digest)).collect();
        self.kept = all;
        Ok(())
    }

    /// Whether a picture that a walk has found is a copy.
    fn is_copy(&self, path: &Path) -> bool {
        self.inside.as_ref().is_some_and(|folder| real(path).starts_with(folder))
    }

    /// The copies of a source, unless they are there.
    fn outcome(
        &self,
        copies: &Copies,
        seed: u64,
        path: &Path,
        name: &str,
        output: &Path,
    ) -> Result<Outcome, BatchError> {
        match self.done.get(name) {
            None => Ok(Outcome::Made(copies.make(seed, path, name, output)?)),
            Some(digest) if digest_of(path)? == *digest => Ok(Outcome::Before),
            Some(_) => Err(BatchError::Load(format!(
                "the copies of {name} are those of another picture; --force makes all anew"
            ))),
        }
    }
}

/// The path with links resolved, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for there in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (fs::canonicalize(there), path.strip_prefix(there)) {
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    path
}

/// Makes the folder and holds it until the end of the run; refused while another run does.
fn alone(output: &Path) -> anyhow::Result<fs::File> {
    fs::create_dir_all(output).with_context(|| format!("cannot write {}", shown(output)))?;
    let path = output.join(LOCK);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.with_context(|| format!("cannot write {}", shown(&path)))?;
    lock(&file, &output.join(MANIFEST))?;
    Ok(file)
}

/// A manifest's path below the folder; `None` for one that leads out of it.
fn below(output: &Path, path: &str) -> Option<PathBuf> {
    let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| output.join(path))
}

/// The whole rows of a manifest. What a run that was stopped while it wrote has left of one is
/// dropped.
fn rows_of(manifest: &Path) -> anyhow::Result<Vec<csv::StringRecord>> {
    if !manifest.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read(manifest).with_context(|| format!("cannot read {}", shown(manifest)))?;
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(&text[..whole]);
    let mut all = Vec::new();
    for row in rows.records() {
        let row = row.with_context(|| format!("cannot read {}", shown(manifest)))?;
        if row.len() == COLUMNS.len() {
            all.push(row);
        }
    }
    Ok(all)
}

/// The manifest, a row a copy, written as copies are made.
struct Table<'a> {
    output: &'a Path,
    writer: csv::Writer<BufWriter<fs::File>>,
    failed: Vec<(String, String)>,
}

impl<'a> Table<'a> {
    /// The folder says what it is before anything else is there, and keeps an old word until the old
    /// copies are gone.
    fn begin(output: &'a Path, own: &Own) -> anyhow::Result<Self> {
        for copy in own.old.iter().filter(|copy| copy.is_file()) {
            fs::remove_file(copy).with_context(|| format!("cannot remove {}", shown(copy)))?;
        }
        let (path, run) = (output.join(MANIFEST), output.join(RUN));
        let word = format!("{:#}\n", own.identity);
        if !run.exists() {
            write_atomic(&run, word.as_bytes())?;
        }
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(COLUMNS)?;
        own.kept.iter().try_for_each(|row| table.write_record(row))?;
        write_atomic(&path, &table.into_inner()?)?;
        write_atomic(&run, word.as_bytes())?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.with_context(|| format!("cannot write {}", shown(&path)))?;
        let writer = csv::Writer::from_writer(BufWriter::new(file));
        Ok(Self { output, writer, failed: Vec::new() })
    }

    /// All copies of a picture at once, so that a resume finds whole pictures.
    fn add(&mut self, rows: &[Row]) -> anyhow::Result<()> {
        for row in rows {
            self.writer.write_record([&row.path, &row.source, &row.address, &row.digest])?;
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
