//! `biqa degrade`: degraded copies of pictures, with the address that makes each again.

mod set;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use biqa::image::{LoadOptions, load};
use biqa_lab::copies::{Copies, write_png};
use biqa_lab::degrade::{Plan, UNAVAILABLE, distortions};
use biqa_lab::sheet::Sheet;

use crate::args::DegradeArgs;
use crate::exit::Exit;
use crate::output::columns;
use crate::progress::Progress;
use crate::words::{out, say, shown, wrapped};

/// Side of what a contact sheet shows of a picture.
const SHEET_SIDE: u32 = 192;

pub fn run(args: &DegradeArgs) -> anyhow::Result<Exit> {
    match args.list.as_deref() {
        Some("") => return list(),
        Some(name) => return details(name),
        None => {}
    }
    // clap has seen to it that there is one.
    let output = args.output.clone().unwrap_or_default();
    if let [name] = args.paths.as_slice() {
        there(Path::new(name))?;
    }
    // clap asks for none of these where another way of degrading is given.
    if args.no_stretch && !args.kadid {
        bail!("--no-stretch is for --kadid: nothing else is stretched before and after");
    }
    if args.count != 1 && args.random.is_none() {
        bail!("--count is for --random: an address and --kadid make the same copies every time");
    }
    if let Some(family) = &args.sheet {
        return contact_sheet(args, family, &output);
    }
    let copies = copies(args)?;
    if let (Some(plan), false) = (&args.random, args.run.quiet) {
        let readings = match plan {
            Plan::Qpt { .. } => "; other readings of QPT's space: biqa degrade --list",
            _ => "",
        };
        say(&format!("plan {plan}: {}{readings}", size(plan)));
    }
    match (&copies, single(args)) {
        (Copies::Given(_) | Copies::Drawn(_, 1), Some(source)) if !output.is_dir() => {
            one(args, &copies, &source, &output)
        }
        _ => set::many(args, &copies, &output),
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
        (None, None) => Copies::Kadid { stretch: !args.no_stretch },
    })
}

/// The one file that is named, if it is one.
fn single(args: &DegradeArgs) -> Option<PathBuf> {
    match args.paths.as_slice() {
        [name] if Path::new(name).is_file() => Some(PathBuf::from(name)),
        _ => None,
    }
}

/// A name that stands alone and is nothing that can be opened: said before anything is made.
fn there(name: &Path) -> anyhow::Result<()> {
    let text = name.to_string_lossy();
    let is_pattern = text == "-" || text.starts_with('@') || text.contains(['*', '?', '[']);
    if !is_pattern && !name.exists() {
        bail!("cannot read {}: no such file", shown(name));
    }
    Ok(())
}

/// A file's name without its folder, which keys what is drawn where the file is named alone.
fn file_name(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}

/// One picture into one file; the address goes to standard output.
fn one(args: &DegradeArgs, copies: &Copies, source: &Path, output: &Path) -> anyhow::Result<Exit> {
    refuse(args, source, output)?;
    let picture = load(source, &LoadOptions::default())?.rgb;
    let name = file_name(source).unwrap_or_default();
    for (_, address) in copies.of(args.seed, &name, &picture)? {
        write_png(output, &address.apply_levels(&picture)?)?;
        out!("{address}");
    }
    Ok(Exit::Fine)
}

fn contact_sheet(args: &DegradeArgs, family: &str, output: &Path) -> anyhow::Result<Exit> {
    let Some(source) = single(args) else {
        bail!("--sheet shows one picture; name one file (and a family as --sheet=kadid)")
    };
    refuse(args, &source, output)?;
    let picture = load(&source, &LoadOptions::default())?.rgb;
    let sheet = Sheet {
        family: (family != "all").then_some(family),
        side: SHEET_SIDE,
        seed: args.seed,
        name: &file_name(&source).unwrap_or_default(),
        threads: args.run.threads,
    };
    let progress = Progress::of(args.run.wants_progress(), sheet.rows().len());
    let made = sheet.of(&picture, || progress.scored());
    progress.end();
    write_png(output, &made?)?;
    Ok(Exit::Fine)
}

/// Refuses to write over a file, and over the picture itself even with --force.
fn refuse(args: &DegradeArgs, source: &Path, output: &Path) -> anyhow::Result<()> {
    if output.extension().is_none_or(|e| !e.eq_ignore_ascii_case("png")) {
        let folder = "or a folder that is there";
        bail!(
            "{} would hold a PNG picture; take a name that ends in .png, {folder}",
            shown(output)
        );
    }
    if let Some(folder) = output.parent().filter(|folder| !folder.as_os_str().is_empty())
        && !folder.is_dir()
    {
        bail!("cannot write {}: there is no folder {}", shown(output), shown(folder));
    }
    if !output.exists() {
        return Ok(());
    }
    if !args.force {
        bail!("{} is there; --force writes over it", shown(output));
    }
    let whole = |path: &Path| {
        std::fs::canonicalize(path).with_context(|| format!("cannot read {}", shown(path)))
    };
    if whole(source)? == whole(output)? {
        bail!("{} would take the place of the picture itself; take another name", shown(output));
    }
    Ok(())
}

/// How many compositions a plan has.
fn size(plan: &Plan) -> String {
    match (plan.size(), plan.size_without_levels()) {
        (Some(size), _) => format!("{size} compositions with levels"),
        (None, Some(size)) => format!("{size}, levels not counted"),
        (None, None) if plan.is_continuous() => "continuous parameters, not counted".to_owned(),
        (None, None) => "above 2^128, levels not counted".to_owned(),
    }
}

/// Operations by a part of their names, with what they take.
fn details(name: &str) -> anyhow::Result<Exit> {
    let mut found = distortions().filter(|op| op.full_name().contains(name)).peekable();
    if found.peek().is_none() {
        bail!("no operation has {name:?} in its name; biqa degrade --list names them all");
    }
    for op in found {
        out!("{:<34} {}", op.full_name(), op.summary);
        for (i, parameter) in op.parameters.iter().enumerate() {
            out!("     {}", parameter.words());
            if let Some(values) = op.levels.get(i) {
                let values: Vec<String> = values.iter().map(f64::to_string).collect();
                out!("          at levels 1 to 5: {}", values.join(", "));
            }
        }
        out!("     {}", op.source);
    }
    Ok(Exit::Fine)
}

/// Columns that a line of the list with its parameters and its summary may take.
const LIST_COLUMNS: usize = 126;

fn list() -> anyhow::Result<Exit> {
    let narrow = columns().is_some_and(|columns| columns < LIST_COLUMNS);
    for op in distortions() {
        let parameters: Vec<&str> = op.parameters.iter().map(|p| p.name).collect();
        let levels = if op.levels.is_empty() { "" } else { "@1..5" };
        let name = format!("{}{levels}", op.full_name());
        let parameters = parameters.join(" ");
        if narrow {
            out!("{name:<34} {parameters}");
            out!("     {}", op.summary);
        } else {
            out!("{name:<34} {parameters:<30} {}", op.summary);
        }
    }
    let room = columns().map_or(LIST_COLUMNS, |columns| columns.min(LIST_COLUMNS)).max(40) - 5;
    let reasons: BTreeSet<&str> = UNAVAILABLE.iter().map(|(_, reason)| *reason).collect();
    for reason in reasons {
        let of = UNAVAILABLE.iter().filter(|(_, other)| *other == reason);
        let names: Vec<&str> = of.map(|(name, _)| *name).collect();
        out!("not available: {reason}:");
        for line in wrapped(&names.join(" "), room) {
            out!("     {line}");
        }
    }
    for name in Plan::NAMES {
        let Some(plan) = Plan::named(name) else { continue };
        let size = size(&plan);
        if narrow {
            out!("plan {name}");
            out!("     {size}");
        } else {
            out!("plan {name:<29} {size}");
        }
    }
    out!("other readings of QPT's space, for none of which its paper speaks out:");
    for (words, size) in Plan::readings_of_qpt() {
        out!("     {words:<29} {}", size.map_or("beyond 2^128".to_owned(), |n| n.to_string()));
    }
    Ok(Exit::Fine)
}
