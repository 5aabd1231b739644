//! The house rules that a machine can look after: sizes of files, words, paths, documents of the
//! registry, the README's tree, `unsafe`; licences, bans and the number of dependencies.
//!
//! ARCHITECTURE.md and CONTRIBUTING.md give the reasons. A rule's exceptions stand in a list here,
//! each with its own reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a Rust file that are neither blank nor comment, test modules included: what a reader
/// has to hold.
const MOST_LINES: usize = 400;
/// Files that may be longer: path, lines, why.
const LONGER: &[(&str, usize, &str)] = &[
    ("crates/biqa/src/image/jpeg/mod.rs", 450, "the marker reader, one arm a marker"),
    ("crates/biqa/src/image/png.rs", 450, "chunk walk, seven interlace passes, colour types"),
    ("crates/biqa/src/image/tiff/mod.rs", 460, "sample layouts, one arm each"),
];
/// Files with `unsafe`: path, how often, why.
const UNSAFE: &[(&str, usize, &str)] = &[
    ("crates/biqa/tests/image_memory.rs", 6, "a counting allocator; it only forwards"),
    ("crates/biqa/src/nn/product.rs", 1, "the call of gemm, which takes pointers"),
];

/// Licences that may be linked into a binary that is given away under MIT or Apache-2.0.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "BSL-1.0",
    "0BSD",
    "Unlicense",
];
/// Crates under another licence: name, licence, why it is all right.
const OTHER_LICENCES: &[(&str, &str, &str)] = &[
    ("colored", "MPL-2.0", "copyleft by file; burn-tensor uses it as it is published"),
    ("buildid", "MPL-2.0", "with cuda: copyleft by file; cubecl-runtime uses it as it is"),
    ("option-ext", "MPL-2.0", "with cuda: as above, and only while LLVM is fetched"),
    ("webpki-roots", "CDLA-Permissive-2.0", "with cuda: only while LLVM is fetched; no copyleft"),
];
/// Crates that may not come in: name, why.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "nothing is fetched, and it is not Rust"),
    ("openssl-sys", "nothing is fetched, and it is not Rust"),
    ("native-tls", "nothing is fetched"),
    ("rustls", "nothing is fetched"),
    ("reqwest", "nothing is fetched"),
    ("ureq", "nothing is fetched"),
    ("hyper", "nothing is fetched"),
    ("tokio", "no async in scoring or training"),
    ("burn-train", "the training loop is ours: a step is a function of (recipe, seed, step)"),
    ("burn-tch", "a Python framework's runtime"),
    ("polars", "a table of 12,000 rows needs no engine"),
];
/// Banned crates that build the feature `cuda` all the same, and are in no binary: Burn's compiler of
/// kernels needs LLVM, which its build script fetches.
const ONLY_TO_BUILD_CUDA: &[&str] = &["rustls", "ureq"];
/// Every feature but `cuda`.
const WITHOUT_CUDA: &str = "biqa-cli/parquet,biqa-cli/jxl,biqa-cli/avif,biqa/train";
/// Crates that stand in the numbers of a score or in a public signature: one version each.
const ONCE: &[&str] = &[
    "burn",
    "burn-autodiff",
    "burn-backend",
    "burn-core",
    "burn-flex",
    "burn-std",
    "burn-tensor",
    "gemm",
    "half",
    "libm",
    "moxcms",
    "png",
    "pulp",
    "rand",
    "rand_core",
    "rayon",
    "rayon-core",
    "safetensors",
    "serde",
    "serde_json",
    "sha2",
];
/// Crates in the normal tree of a crate, itself included: measured on 2026-11-21 plus 5.
const BUDGETS: &[(&str, usize)] = &[("biqa-cli", 223 + 5), ("biqa", 182 + 5)];
/// The platforms whose trees are looked at.
const PLATFORMS: [&str; 4] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
];

// ---- the repository -------------------------------------------------------------------------

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of the repository, relative to its root, forward slashes: git's view where there is
/// one, else everything but build output.
fn files() -> Vec<String> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let git = Command::new("git").args(list).current_dir(root()).output();
    let mut files: Vec<String> = match git {
        Ok(out) if out.status.success() && !out.stdout.is_empty() => {
            let names = String::from_utf8_lossy(&out.stdout).into_owned();
            names.split_terminator('\0').map(str::to_owned).collect()
        }
        _ => {
            let mut found = Vec::new();
            walk(&root(), "", &mut found);
            found
        }
    };
    files.retain(|name| root().join(name).is_file());
    files.sort();
    assert!(files.len() > 100, "only {} files found", files.len());
    files
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry")) {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() && ![".git", "target", "runs", "fuzz/target"].contains(&name.as_str()) {
            walk(&entry.path(), &format!("{name}/"), found);
        } else if kind.is_file() {
            found.push(name);
        }
    }
}

/// Files whose suffix is one of `suffixes`, with their text.
fn texts(suffixes: &[&str]) -> Vec<(String, String)> {
    let wanted = |name: &String| suffixes.iter().any(|suffix| name.ends_with(suffix));
    let read = |name: String| {
        let text = fs::read_to_string(root().join(&name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        (name, text)
    };
    files().into_iter().filter(wanted).map(read).collect()
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn no_source_file_is_longer_than_a_reader_holds() {
    let mut faults = Vec::new();
    for (name, text) in texts(&[".rs"]) {
        let code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        let lines = text.lines().filter(code).count();
        let longer = LONGER.iter().find(|(path, ..)| *path == name);
        let most = longer.map_or(MOST_LINES, |(_, most, _)| *most);
        if name.starts_with("crates/") && lines > most {
            faults.push(format!("{name}: {lines} lines of code, at most {most}; split it"));
        }
    }
    none(&faults);
}

#[test]
fn nothing_is_left_for_later_in_the_texts() {
    // In halves, so that this file doesn't find itself.
    let words =
        ["TO|DO", "FIX|ME", "X|XX", "to|do!", "unimple|mented!"].map(|w| w.replace('|', ""));
    let mut faults = Vec::new();
    for (name, text) in texts(&[".rs", ".md", ".toml", ".sh", ".ci/run"]) {
        for (i, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word.as_str())) {
                faults.push(format!("{name}:{}: {line}", i + 1));
            }
        }
    }
    none(&faults);
}

#[test]
fn no_text_names_a_place_on_somebodys_machine() {
    let places =
        ["/wo|rk/", "/ro|ot/", "/ho|me/", "/Us|ers/", "C:\\Us|ers"].map(|p| p.replace('|', ""));
    let kinds = [".rs", ".md", ".toml", ".lock", ".json", ".csv", ".snap", ".sh", ".ci/run"];
    let mut faults = Vec::new();
    for (name, text) in texts(&kinds) {
        for (i, line) in text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place.as_str())) {
                faults.push(format!("{name}:{}: {line}", i + 1));
            }
        }
    }
    none(&faults);
}

#[test]
fn unsafe_stays_where_the_list_says() {
    let forms = ["{", "fn", "impl", "trait", "extern"].map(|form| ["unsafe", form].join(" "));
    let mut faults = Vec::new();
    for (name, text) in texts(&[".rs"]) {
        let allowed = UNSAFE.iter().find(|(path, ..)| *path == name).map_or(0, |(_, n, _)| *n);
        let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        let found = code.filter(|code| forms.iter().any(|form| code.contains(form.as_str())));
        let found = found.count();
        if found != allowed {
            faults.push(format!("{name}: {found} lines with unsafe, {allowed} on the list"));
        }
    }
    none(&faults);
}

/// A model that scores has a page; a backbone is documented in its source, which names its paper.
#[test]
fn every_entry_of_the_registry_is_documented() {
    let mut faults = Vec::new();
    for entry in biqa::models::registry() {
        let page = format!("docs/methods/{}.md", entry.name);
        // `mobilenet_v2` is in `mobilenet.rs`, `resnet50` in `resnet.rs`.
        let stem = entry.name.split('_').next().unwrap_or(entry.name);
        let stem = stem.trim_end_matches(|c: char| c.is_ascii_digit());
        let source = format!("crates/biqa/src/nn/{stem}");
        let author = entry.paper.split_whitespace().next().unwrap_or_default();
        let in_source = || {
            texts(&[".rs"]).iter().any(|(name, text)| {
                let head = text.lines().take_while(|line| line.starts_with("//!"));
                name.starts_with(&source) && head.collect::<String>().contains(author)
            })
        };
        if !(root().join(&page).is_file() || !entry.scores && in_source()) {
            faults.push(format!("{}: no {page}, and no head of {source}*.rs", entry.name));
        }
    }
    none(&faults);
}

/// The first word of every line of the README's tree is a file or folder of the repository.
#[test]
fn the_readmes_tree_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    let (_, tree) = readme.split_once("## The repository").expect("a section for the tree");
    let block = tree.split("```").nth(1).expect("a block with the tree");
    let names: Vec<&str> = block.lines().filter_map(|l| l.split_whitespace().next()).collect();
    assert!(names.len() > 5, "{names:?}");
    let missing = names.iter().filter(|name| !root().join(name).exists());
    none(&missing.map(|name| format!("README.md names {name}")).collect::<Vec<_>>());
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut faults = Vec::new();
    for (name, text) in texts(&[".md"]) {
        let folder = root().join(&name).parent().expect("a folder").to_path_buf();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !(file.is_empty() || file.contains("://") || folder.join(file).exists()) {
                faults.push(format!("{name}: {link}"));
            }
        }
    }
    none(&faults);
}

// ---- the dependencies -----------------------------------------------------------------------

/// A crate as `cargo tree` prints it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
}

/// What `cargo tree` says that is really built. `cargo metadata` would list whatever the lock file
/// knows, such as every backend of Burn.
fn crates(args: &[&str]) -> BTreeSet<Crate> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = |more: &[&str]| {
        let mut command = Command::new(&cargo);
        command.args(["tree", "--locked", "--prefix", "none"]);
        command.args(["--format", "{p}|{l}"]).args(args).args(more).current_dir(root());
        command.output().expect("cargo runs")
    };
    // Manifests of crates for other platforms may not be on this machine yet.
    let mut out = tree(&["--offline"]);
    if !out.status.success() {
        out = tree(&[]);
    }
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    text.lines().filter(|line| !line.is_empty()).map(Crate::of_line).collect()
}

impl Crate {
    /// `name v1.2.3 (proc-macro)|MIT OR Apache-2.0`
    fn of_line(line: &str) -> Self {
        let (package, licence) = line.rsplit_once('|').unwrap_or((line, ""));
        let mut words = package.split_whitespace().map(str::to_owned);
        let mut word = || words.next().expect("a name and a version");
        Self { name: word(), version: word(), licence: licence.trim_end_matches(" (*)").to_owned() }
    }
}

/// Everything that is linked or run to build the binary with all features, on any platform.
fn everything() -> BTreeSet<Crate> {
    on_all_platforms(&["--all-features", "--edges", "normal,build"])
}

fn on_all_platforms(args: &[&str]) -> BTreeSet<Crate> {
    let platforms: Vec<&str> = PLATFORMS.iter().flat_map(|p| ["--target", p]).collect();
    crates(&[&["--workspace"], args, &platforms].concat())
}

#[test]
fn every_licence_is_on_the_list() {
    let mut faults = Vec::new();
    for Crate { name, version, licence } in everything() {
        let other = OTHER_LICENCES.iter().find(|(found, ..)| *found == name);
        let allowed = |id: &str| LICENCES.contains(&id) || other.is_some_and(|o| o.1 == id);
        match satisfied(&licence, &allowed) {
            Ok(true) => {}
            Ok(false) => faults.push(format!("{name} {version}: {licence:?} is not on the list")),
            Err(reason) => faults.push(format!("{name} {version}: {licence:?}: {reason}")),
        }
    }
    none(&faults);
}

#[test]
fn no_banned_crate_comes_in() {
    let linked = on_all_platforms(&["--all-features", "--edges", "normal"]);
    let plain = on_all_platforms(&["--features", WITHOUT_CUDA, "--edges", "normal,build"]);
    let has = |all: &BTreeSet<Crate>, name: &str| all.iter().any(|c| c.name == name);
    let with_cuda = everything();
    let found = BANNED.iter().filter(|(name, _)| {
        let excused = ONLY_TO_BUILD_CUDA.contains(name);
        has(&linked, name) || has(&plain, name) || has(&with_cuda, name) && !excused
    });
    none(&found.map(|(name, why)| format!("{name}: {why}")).collect::<Vec<_>>());
}

/// A feature that is not on the list would be looked at for `cuda` alone.
#[test]
fn the_list_of_features_without_cuda_is_whole() {
    let mut faults = Vec::new();
    for package in ["biqa", "biqa-lab", "biqa-cli"] {
        let path = root().join(format!("crates/{package}/Cargo.toml"));
        let text = fs::read_to_string(path).expect("a manifest");
        let (_, features) = text.split_once("\n[features]\n").expect("a table");
        let lines = features.lines().take_while(|line| !line.starts_with('['));
        for (feature, _) in lines.filter_map(|line| line.split_once(" = ")) {
            let said = WITHOUT_CUDA.split(',').any(|said| said.ends_with(&format!("/{feature}")));
            if !(said || feature == "default" || feature == "cuda") {
                faults.push(format!("{package}/{feature} is not in WITHOUT_CUDA"));
            }
        }
    }
    none(&faults);
}

#[test]
fn crates_that_matter_are_there_once() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Crate { name, version, .. } in everything() {
        versions.entry(name).or_default().insert(version);
    }
    let several = ONCE.iter().filter(|name| versions.get(**name).is_none_or(|v| v.len() != 1));
    none(&several.map(|name| format!("{name}: {:?}", versions.get(*name))).collect::<Vec<_>>());
}

#[test]
fn the_trees_stay_within_their_budgets() {
    for (package, budget) in BUDGETS {
        let args = ["--package", package, "--edges", "normal", "--target", PLATFORMS[0]];
        let count = crates(&args).len();
        println!("{package}: {count} crates, at most {budget}");
        assert!(
            count <= *budget,
            "{package} has {count} crates, at most {budget}; say why or undo"
        );
    }
}

/// Whether an SPDX expression can be met with allowed licences. `/`, as old manifests have it, is
/// `OR`.
fn satisfied(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let result = alternatives(&mut rest, allowed)?;
    if rest.is_empty() { Ok(result) } else { Err(format!("unexpected {:?}", rest[0])) }
}

/// `all { "OR" all }`
fn alternatives(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let mut result = all(rest, allowed)?;
    while take(rest, "OR") {
        result |= all(rest, allowed)?;
    }
    Ok(result)
}

/// `one { "AND" one }`
fn all(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    let mut result = one(rest, allowed)?;
    while take(rest, "AND") {
        result &= one(rest, allowed)?;
    }
    Ok(result)
}

/// `"(" alternatives ")" | id [ "WITH" exception ]`
fn one(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Result<bool, String> {
    if take(rest, "(") {
        let result = alternatives(rest, allowed)?;
        return if take(rest, ")") { Ok(result) } else { Err("no closing bracket".to_owned()) };
    }
    let id = name(rest)?;
    if take(rest, "WITH") {
        Ok(allowed(&format!("{id} WITH {}", name(rest)?)))
    } else {
        Ok(allowed(id))
    }
}

fn name<'a>(rest: &mut &[&'a str]) -> Result<&'a str, String> {
    match **rest {
        [word, ref more @ ..] if !["(", ")", "AND", "OR", "WITH"].contains(&word) => {
            *rest = more;
            Ok(word)
        }
        [word, ..] => Err(format!("a licence was expected, found {word:?}")),
        [] => Err("a licence was expected, found the end".to_owned()),
    }
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    let there = rest.first() == Some(&word);
    if there {
        *rest = &rest[1..];
    }
    there
}

#[test]
fn licence_expressions_mean_what_spdx_says() {
    let allowed = |id: &str| ["MIT", "Zlib", "Apache-2.0 WITH LLVM-exception"].contains(&id);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("MIT/Apache-2.0", true),
        ("Apache-2.0", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only", true),
        ("(MIT OR GPL-3.0-only) AND Zlib", true),
        ("MIT OR GPL-3.0-only AND Other", true), // AND binds closer
        ("(MIT OR GPL-3.0-only) AND Other", false),
    ] {
        assert_eq!(satisfied(expression, &allowed), Ok(expected), "{expression}");
    }
    for bad in ["", "MIT OR", "(MIT", "MIT Zlib", "AND MIT"] {
        assert!(satisfied(bad, &allowed).is_err(), "{bad}");
    }
}
