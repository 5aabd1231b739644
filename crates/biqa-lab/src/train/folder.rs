//! A run's folder: whose it is, that nobody else works in it, its log and its checkpoints.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::checkpoint::{Checkpoint, write_atomic};
use super::recipe::differing;
use super::{Options, Progress, TrainError};

/// A folder in which this run works.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    log_bytes: u64,
    /// Nobody else may work in the folder while it is open.
    _lock: File,
}

/// Which folder a run wants to work in.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The folder.
    pub out: &'a Path,
    /// Whether a run that is there may be gone on with.
    pub resume: bool,
    /// The recipe as it was written, which the folder keeps a copy of.
    pub recipe_text: &'a str,
}

impl<'a> From<&'a Options> for Claim<'a> {
    fn from(options: &'a Options) -> Self {
        let Options { out, resume, recipe_text, .. } = options;
        Self { out, resume: *resume, recipe_text }
    }
}

impl Claim<'_> {
    /// Refuses a folder that holds a run where nobody asked to go on, or other things than a run's.
    /// Touches nothing.
    pub fn check_vacant(self) -> Result<(), TrainError> {
        match (marker(self.out).exists(), self.resume) {
            (true, true) => Ok(()),
            // Whatever was wrong before the first step is mended in the same folder.
            (true, false) if is_bare(self.out) => Ok(()),
            (true, false) => Err(TrainError::Exists { path: self.out.to_owned() }),
            (false, _) if self.out.is_file() => Err(TrainError::Taken {
                path: self.out.to_owned(),
                found: "it is a file itself".to_owned(),
            }),
            // A run that was killed before its marker was written leaves no more than these.
            (false, _) => match foreign(self.out, &OWN) {
                Some(found) => Err(TrainError::Taken { path: self.out.to_owned(), found }),
                None => Ok(()),
            },
        }
    }
}

impl Claim<'_> {
    /// What the run that is there has other than this one, as far as its folder tells.
    fn other(self) -> String {
        let there = fs::read_to_string(self.out.join("recipe.toml")).ok();
        let recipes =
            there.and_then(|text| Some((text.parse().ok()?, self.recipe_text.parse().ok()?)));
        match recipes.map(|(there, this)| differing(&there, &this)) {
            None => "recipe, seed, data or initial weights".to_owned(),
            Some(keys) if keys.is_empty() => "seed, data or initial weights".to_owned(),
            Some(keys) => format!("recipe ({})", keys.join(", ")),
        }
    }
}

impl Folder {
    /// Refuses a folder that holds another run, or this one where nobody asked to go on. Touches
    /// nothing.
    pub fn check<'a>(claim: impl Into<Claim<'a>>, digest: &str) -> Result<(), TrainError> {
        let claim = claim.into();
        claim.check_vacant()?;
        let out = claim.out;
        let marker = marker(out);
        if !marker.exists() {
            return Ok(());
        }
        let found = fs::read_to_string(&marker).map_err(|e| io(&marker, e))?;
        if found.trim() != digest && !is_bare(out) {
            return Err(TrainError::OtherRun {
                path: out.to_owned(),
                other: claim.other(),
                found: found.trim().to_owned(),
                expected: digest.to_owned(),
            });
        }
        Ok(())
    }

    /// Makes the folder this run's and returns it with the newest whole checkpoint, where there is
    /// one; newer ones that are damaged are named to `progress`. Lines of the log behind that
    /// checkpoint belong to steps that will be made again; they are cut off.
    pub fn claim<'a>(
        claim: impl Into<Claim<'a>>,
        digest: &str,
        progress: &mut dyn Progress,
    ) -> Result<(Self, Option<Checkpoint>), TrainError> {
        let claim = claim.into();
        let Claim { out, recipe_text, .. } = claim;
        let marker = marker(out);
        fs::create_dir_all(out.join(CHECKPOINTS)).map_err(|e| io(out, e))?;
        // Two runs that begin at once: the second must not write over the first one's marker.
        let lock = lock(out)?;
        Self::check(claim, digest)?;
        if fs::read_to_string(&marker).ok().is_none_or(|there| there.trim() != digest) {
            write_atomic(&out.join("recipe.toml"), recipe_text.as_bytes())?;
            write_atomic(&marker, digest.as_bytes())?;
        }
        let mut folder = Self { path: out.to_owned(), log_bytes: 0, _lock: lock };
        let newest = Checkpoint::newest(&folder.checkpoints(), digest, &mut |damaged| {
            progress.note(&format!(
                "warning: the checkpoint {} is damaged: going on from the one before",
                damaged.display()
            ));
        })?;
        match fs::remove_file(out.join(BROKEN)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(io(out, e)),
            _ => {}
        }
        folder.cut_log(newest.as_ref().map_or(0, |checkpoint| checkpoint.state.log_bytes))?;
        Ok((folder, newest))
    }

    /// Where checkpoints are.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// Length of the log, for a checkpoint.
    pub fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    fn log_path(&self) -> PathBuf {
        self.path.join(LOG)
    }

    fn cut_log(&mut self, bytes: u64) -> Result<(), TrainError> {
        let path = self.log_path();
        let file = OpenOptions::new().create(true).write(true).truncate(false).open(&path);
        let file = file.map_err(|e| io(&path, e))?;
        // A log that was taken away, or lost with the power, begins anew; it is not filled up.
        let there = file.metadata().map_err(|e| io(&path, e))?.len();
        self.log_bytes = bytes.min(there);
        file.set_len(self.log_bytes).map_err(|e| io(&path, e))
    }

    /// Adds a line to the log.
    pub fn log(&mut self, line: &impl Serialize) -> Result<(), TrainError> {
        let path = self.log_path();
        let mut line = serde_json::to_string(line).expect("a line of a log is plain data");
        line.push('\n');
        let file = OpenOptions::new().append(true).open(&path);
        file.and_then(|mut f| f.write_all(line.as_bytes())).map_err(|e| io(&path, e))?;
        self.log_bytes += line.len() as u64;
        Ok(())
    }

    /// Writes a checkpoint of the run's step `done`, from 1.
    ///
    /// # Errors
    /// A weight that is no number: it must not become a checkpoint. A disk that takes no more.
    pub fn keep(&self, checkpoint: &Checkpoint, done: u64) -> Result<(), TrainError> {
        let mut weights = checkpoint.weights.values().flat_map(|array| &array.data);
        if let Some(&value) = weights.find(|value| !value.is_finite()) {
            let photos = "one of those since the last checkpoint".to_owned();
            return Err(self.broken("value of a weight", f64::from(value), done, photos));
        }
        checkpoint.write(&self.checkpoints())
    }

    /// The error of a step, from 1, whose loss or gradient is no number; `names` are its photos, of
    /// which a long list is left in `broken-batch.txt`.
    pub fn not_finite<'n>(
        &self,
        loss: f64,
        grad_norm: f64,
        step: u64,
        names: impl Iterator<Item = &'n str>,
    ) -> TrainError {
        let names: Vec<&str> = names.collect();
        let path = self.path.join(BROKEN);
        // Where the file can't be written, the error itself is long: it must not be another one.
        let is_short = names.len() <= SHOWN;
        let photos =
            if is_short || write_atomic(&path, (names.join("\n") + "\n").as_bytes()).is_err() {
                names.join(", ")
            } else {
                let (first, more) = (names[..SHOWN].join(", "), names.len() - SHOWN);
                format!("{first} and {more} more, all in {}", path.display())
            };
        let (what, value) =
            if loss.is_finite() { ("norm of the gradients", grad_norm) } else { ("loss", loss) };
        self.broken(what, value, step, photos)
    }

    fn broken(&self, what: &'static str, value: f64, step: u64, photos: String) -> TrainError {
        let path = self.checkpoints();
        let left = if Checkpoint::any(&path) {
            format!("the last finite checkpoint is in {}", path.display())
        } else {
            "no checkpoint was written before (--checkpoint-steps)".to_owned()
        };
        TrainError::NotFinite { what, value, step, photos, left }
    }
}

/// A batch's photos that an error names itself.
const SHOWN: usize = 8;
/// The photos of the step that was no number, where there are more; gone when the run goes on.
const BROKEN: &str = "broken-batch.txt";

/// What a run makes until its marker is there, and the marker, of which a kill may leave a part; a log
/// may be written beside it from outside.
const OWN: [&str; 8] =
    ["lock", CHECKPOINTS, "recipe.toml", "items", "sources.csv", LOG, BROKEN, MARKER];
/// Folder of these.
const CHECKPOINTS: &str = "checkpoints";
/// A line a step.
pub const LOG: &str = "log.jsonl";
/// The file that says whose folder it is.
const MARKER: &str = "run.json";

/// The first name in a folder, by the alphabet, that is none of a run's `own`. What a kill may leave of
/// these, logs and hidden files count as theirs.
pub fn foreign(folder: &Path, own: &[&str]) -> Option<String> {
    let names = fs::read_dir(folder).ok()?.flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_own = |name: &String| {
        let whole = name.strip_suffix(".partial").unwrap_or(name);
        let is_log = Path::new(name).extension().is_some_and(|extension| extension == "log");
        own.contains(&whole) || name.starts_with('.') || is_log
    };
    names.filter(|name| !is_own(name)).min()
}

/// Whether a run has made no step and nothing else is there.
fn is_bare(out: &Path) -> bool {
    let logged = fs::metadata(out.join(LOG)).is_ok_and(|log| log.len() > 0);
    !logged && !Checkpoint::any(&out.join(CHECKPOINTS)) && foreign(out, &OWN).is_none()
}

fn marker(out: &Path) -> PathBuf {
    out.join(MARKER)
}

/// Two runs in one folder would clear away each other's checkpoints.
fn lock(out: &Path) -> Result<File, TrainError> {
    let path = out.join("lock");
    let file = File::create(&path).map_err(|e| io(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TrainError::Busy { path: out.to_owned() }),
        Err(TryLockError::Error(e)) => Err(io(&path, e)),
    }
}

fn io(path: &Path, source: std::io::Error) -> TrainError {
    TrainError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Silent;

    #[test]
    fn what_a_kill_leaves_is_a_runs_and_anything_else_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let vacant = |out: &Path| {
            Claim { out, resume: false, recipe_text: "" }.check_vacant().map_err(|e| e.to_string())
        };
        let out = folder.path().join("run");
        assert_eq!(vacant(&out), Ok(()), "it is not there");
        fs::create_dir(&out).expect("made");
        for name in ["lock", "run.json.partial", "recipe.toml.partial", "train.log", ".hidden"] {
            fs::write(out.join(name), "").expect("written");
        }
        assert_eq!(vacant(&out), Ok(()));
        fs::write(out.join("notes.txt"), "").expect("written");
        let why = vacant(&out).expect_err("notes");
        assert!(why.contains("holds other things (notes.txt)"), "{why}");
        let why = vacant(&out.join("notes.txt")).expect_err("a file");
        assert!(why.contains("it is a file itself"), "{why}");
    }

    #[test]
    fn a_run_that_made_no_step_gives_way_and_one_that_did_does_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("run");
        let claim = |digest: &str, recipe_text| {
            let claim = Claim { out: &out, resume: false, recipe_text };
            Folder::claim(claim, digest, &mut Silent).map(|(folder, _)| folder)
        };
        drop(claim("first", "a = 1").expect("a new folder"));
        let mut run = claim("second", "a = 2").expect("nothing was made");
        assert_eq!(fs::read_to_string(out.join("recipe.toml")).expect("text"), "a = 2");
        run.log(&"a step").expect("written");
        drop(run);
        let log = out.join(LOG);
        fs::rename(&log, folder.path().join(LOG)).expect("moved");
        fs::write(out.join("best.safetensors"), "weights").expect("written");
        assert!(claim("third", "a = 3").is_err(), "a model is there");
        fs::remove_file(out.join("best.safetensors")).expect("removed");
        fs::rename(folder.path().join(LOG), &log).expect("moved");
        let why = claim("third", "a = 3").expect_err("steps were made").to_string();
        assert!(why.contains("already holds a run"), "{why}");
    }

    #[test]
    fn a_long_batch_is_in_a_file_until_the_run_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let claim = Claim { out: folder.path(), resume: true, recipe_text: "" };
        let (run, _) = Folder::claim(claim, "it", &mut Silent).expect("a folder");
        let names: Vec<String> = (0..10).map(|i| format!("{i}.jpg")).collect();
        let error = run.not_finite(f64::NAN, 1.0, 3, names.iter().map(String::as_str));
        let text = error.to_string();
        assert!(text.contains("the loss is NaN at step 3 (batch: 0.jpg, "), "{text}");
        assert!(text.contains(", 7.jpg and 2 more, all in "), "{text}");
        assert!(text.contains("no checkpoint was written before"), "{text}");
        let file = folder.path().join(BROKEN);
        assert_eq!(fs::read_to_string(&file).expect("text").lines().count(), 10);
        drop(run);
        let (run, _) = Folder::claim(claim, "it", &mut Silent).expect("the same run");
        assert!(!file.exists());
        // Its place is taken: what was wrong is said all the same, and all of the batch.
        fs::create_dir(&file).expect("a folder");
        let error = run.not_finite(f64::NAN, 1.0, 3, names.iter().map(String::as_str)).to_string();
        assert!(error.contains("the loss is NaN") && error.contains(", 9.jpg);"), "{error}");
    }
}
