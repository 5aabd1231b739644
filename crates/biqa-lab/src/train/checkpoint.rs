//! Checkpoints: a folder each, complete or not there.
//!
//! A checkpoint is written beside its place under a name that no reader looks at, every file synced
//! to the disk, then renamed. A kill at any moment, also inside a write, or a full disk leaves the
//! checkpoint before it. Every file's SHA-256 stands in `state.json`, which is written last.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use biqa::device::DeviceName;
use biqa::scorer::hex;
use biqa::weights::{Arrays, Precision, read_safetensors, to_safetensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::TrainError;
use crate::pretrain::measure::Figures;

/// Checkpoints that are kept: the newest and the one before it.
const KEEP: usize = 2;

/// Everything that a run needs to go on as if it had never stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Counters, curves and digests.
    pub state: State,
    /// The network's weights.
    pub weights: Arrays,
    /// Their moving average.
    pub ema: Arrays,
    /// The optimiser's moments.
    pub optimizer: Arrays,
    /// The averaged weights of the best epoch so far; empty before the first validation.
    pub best: Arrays,
    /// What a paper's method keeps besides: a teacher, a queue of keys.
    pub method: Arrays,
}

/// The numbers of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The stage that comes next, from 0.
    pub stage: usize,
    /// Optimiser steps made in it. Sampler, augmentation and every random stream are functions of
    /// (seed, purpose, step), so this is their position, too.
    pub step: u64,
    /// The optimiser's own count (steps with finite gradients).
    pub optimizer_steps: u64,
    /// Updates of the average.
    pub ema_steps: u64,
    /// Validation figures so far.
    pub history: Vec<Validation>,
    /// What a pre-training measured so far; a training has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<Figures>,
    /// Lines of `log.jsonl` that belong to the steps made.
    pub log_bytes: u64,
    /// Digest of the photos and of the backbone with which the stage began: its items' folder.
    #[serde(default)]
    pub items: String,
    /// Where the run was made; left out where that was the processor.
    #[serde(default, skip_serializing_if = "DeviceName::is_cpu")]
    pub device: DeviceName,
    /// Digest of the recipe, the options and the data: a run resumes only itself.
    pub run_digest: String,
    /// SHA-256 of every other file of the folder.
    #[serde(default)]
    pub files: Vec<(String, String)>,
}

impl State {
    /// What to add to the line that a run goes on, where it does so on another device.
    pub fn moved_to(&self, device: DeviceName) -> String {
        if self.device == device {
            return String::new();
        }
        format!(
            " (made on {}, from here on {device}: another device rounds otherwise, so this run won't \
             equal one that stayed)",
            self.device
        )
    }
}

/// What validation gave after an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// The stage, from 0.
    pub stage: usize,
    /// Steps of the stage that were made.
    pub step: u64,
    /// Spearman's correlation on the validation photos; minus infinity where it is undefined.
    #[serde(deserialize_with = "number_or_null")]
    pub srcc: f64,
    /// Pearson's, raw.
    #[serde(deserialize_with = "number_or_null")]
    pub plcc: f64,
}

impl Validation {
    /// For a line of progress.
    pub fn words(&self) -> String {
        format!("SRCC {:.4}, PLCC {:.4} on the photos that choose", self.srcc, self.plcc)
    }
}

/// JSON has no minus infinity: an undefined correlation is written as `null`.
fn number_or_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NEG_INFINITY))
}

impl Checkpoint {
    /// Writes the checkpoint of a run and removes older ones.
    pub fn write(&self, dir: &Path) -> Result<(), TrainError> {
        let name = format!("step-{:02}-{:09}", self.state.stage, self.state.step);
        let (place, partial) = (dir.join(&name), dir.join(format!(".partial-{name}")));
        remove(&partial)?;
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| TrainError::Io { path, source }
        };
        fs::create_dir_all(&partial).map_err(io(&partial))?;
        let mut state = self.state.clone();
        state.files.clear();
        for (file, arrays) in self.parts().into_iter().filter(|(_, arrays)| !arrays.is_empty()) {
            let bytes = to_safetensors(arrays, None, Precision::F32);
            state.files.push((file.to_owned(), hex(&Sha256::digest(&bytes))));
            write_synced(&partial.join(file), &bytes)?;
        }
        let json = serde_json::to_vec_pretty(&state).expect("a state is plain data");
        write_synced(&partial.join("state.json"), &json)?;
        remove(&place)?;
        fs::rename(&partial, &place).map_err(io(&place))?;
        File::open(dir).and_then(|d| d.sync_all()).map_err(io(dir))?;
        // What lies ahead of this one is damaged, else the run would have gone on from there. It
        // must not count among those that are kept.
        let all = list(dir)?;
        let behind = all.iter().take_while(|other| **other <= place).count();
        all[behind..].iter().chain(&all[..behind.saturating_sub(KEEP)]).try_for_each(|p| remove(p))
    }

    /// Whether a run may have written one: also where that can't be seen.
    pub fn any(dir: &Path) -> bool {
        !list(dir).is_ok_and(|places| places.is_empty())
    }

    /// The newest whole checkpoint of the run with this digest, if there is one. `passed_over` gets
    /// the folders of newer ones that are damaged.
    ///
    /// # Errors
    /// A folder that cannot be listed; a checkpoint that another run has written.
    pub fn newest(
        dir: &Path,
        run_digest: &str,
        passed_over: &mut dyn FnMut(&Path),
    ) -> Result<Option<Self>, TrainError> {
        for place in list(dir)?.iter().rev() {
            match Self::read(place) {
                Some(checkpoint) if checkpoint.state.run_digest == run_digest => {
                    return Ok(Some(checkpoint));
                }
                Some(other) => {
                    return Err(TrainError::OtherRun {
                        path: place.clone(),
                        other: "recipe, seed, data or initial weights".to_owned(),
                        found: other.state.run_digest,
                        expected: run_digest.to_owned(),
                    });
                }
                None => passed_over(place),
            }
        }
        Ok(None)
    }

    /// `None` when anything about the folder is not as it was written.
    fn read(place: &Path) -> Option<Self> {
        let state: State =
            serde_json::from_slice(&fs::read(place.join("state.json")).ok()?).ok()?;
        let part = |file: &str| {
            let Some((_, digest)) = state.files.iter().find(|(name, _)| name == file) else {
                return Some(Arrays::new()); // a part that had nothing
            };
            let bytes = fs::read(place.join(file)).ok()?;
            if hex(&Sha256::digest(&bytes)) != *digest {
                return None;
            }
            Some(read_safetensors(&bytes, file).ok()?.0)
        };
        Some(Self {
            weights: part("weights.safetensors")?,
            ema: part("ema.safetensors")?,
            optimizer: part("optimizer.safetensors")?,
            best: part("best.safetensors")?,
            method: part("method.safetensors")?,
            state: State { files: Vec::new(), ..state },
        })
    }

    fn parts(&self) -> [(&'static str, &Arrays); 5] {
        [
            ("weights.safetensors", &self.weights),
            ("ema.safetensors", &self.ema),
            ("optimizer.safetensors", &self.optimizer),
            ("best.safetensors", &self.best),
            ("method.safetensors", &self.method),
        ]
    }
}

/// Writes a file whole and waits until it is on the disk.
pub fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let io = |source| TrainError::Io { path: path.to_owned(), source };
    let mut file = File::create(path).map_err(io)?;
    file.write_all(bytes).map_err(io)?;
    file.sync_all().map_err(io)
}

/// Writes a file under another name and renames it into place.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    write_synced(&partial, bytes)?;
    fs::rename(&partial, path).map_err(|source| TrainError::Io { path: path.to_owned(), source })
}

/// Whole checkpoints' folders, oldest first.
fn list(dir: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let io = |source| TrainError::Io { path: dir.to_owned(), source };
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_name().to_string_lossy().starts_with("step-") {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn remove(place: &Path) -> Result<(), TrainError> {
    match fs::remove_dir_all(place) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(TrainError::Io { path: place.to_owned(), source: e })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use biqa::weights::Array;

    fn checkpoint(step: u64) -> Checkpoint {
        let arrays =
            |v: f32| Arrays::from([("w".to_owned(), Array { shape: vec![2], data: vec![v, -v] })]);
        Checkpoint {
            state: State {
                stage: 0,
                step,
                optimizer_steps: step,
                ema_steps: step,
                history: vec![Validation { stage: 0, step: 1, srcc: 0.5, plcc: 0.25 }],
                figures: Vec::new(),
                device: DeviceName::Cpu,
                log_bytes: 10,
                items: String::new(),
                run_digest: "r".to_owned(),
                files: Vec::new(),
            },
            weights: arrays(step as f32 + 0.1),
            ema: arrays(1e-30),
            optimizer: arrays(f32::MIN_POSITIVE),
            best: Arrays::new(),
            method: Arrays::new(),
        }
    }

    /// The newest one, where none is damaged but those that a test has damaged.
    fn newest(dir: &Path) -> Result<Option<Checkpoint>, TrainError> {
        Checkpoint::newest(dir, "r", &mut |_| ())
    }

    #[test]
    fn a_damaged_checkpoint_is_named_and_one_of_another_run_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        checkpoint(1).write(dir.path()).expect("written");
        checkpoint(2).write(dir.path()).expect("written");
        let damaged = dir.path().join("step-00-000000002");
        fs::write(damaged.join("ema.safetensors"), b"").expect("cut");
        let mut named = Vec::new();
        let found = Checkpoint::newest(dir.path(), "r", &mut |path| named.push(path.to_owned()));
        assert_eq!(found.expect("read"), Some(checkpoint(1)));
        assert_eq!(named, [damaged]);
        let other = Checkpoint::newest(dir.path(), "s", &mut |_| ());
        assert!(matches!(other, Err(TrainError::OtherRun { .. })), "{other:?}");
    }

    #[test]
    fn a_checkpoint_reads_back_equal_and_only_two_are_kept() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for step in [1, 2, 3] {
            checkpoint(step).write(dir.path()).expect("written");
        }
        assert_eq!(newest(dir.path()).expect("read"), Some(checkpoint(3)));
        assert_eq!(list(dir.path()).expect("listed").len(), KEEP);
    }

    #[test]
    fn a_damaged_newest_checkpoint_gives_way_to_the_one_before() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        checkpoint(1).write(dir.path()).expect("written");
        for file in ["weights.safetensors", "state.json", "optimizer.safetensors"] {
            checkpoint(2).write(dir.path()).expect("written");
            let path = dir.path().join("step-00-000000002").join(file);
            let bytes = fs::read(&path).expect("read");
            fs::write(&path, &bytes[..bytes.len() - 1]).expect("cut");
            assert_eq!(newest(dir.path()).expect("read"), Some(checkpoint(1)), "{file}");
        }
    }

    #[test]
    fn a_write_that_was_cut_short_is_not_seen() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        checkpoint(1).write(dir.path()).expect("written");
        let partial = dir.path().join(".partial-step-00-000000002");
        fs::create_dir(&partial).expect("made");
        fs::write(partial.join("weights.safetensors"), b"half").expect("written");
        assert_eq!(newest(dir.path()).expect("read"), Some(checkpoint(1)));
        checkpoint(2).write(dir.path()).expect("written over the remains");
        assert_eq!(newest(dir.path()).expect("read"), Some(checkpoint(2)));
    }

    #[test]
    fn another_device_is_kept_and_said_and_the_processor_is_not() {
        let state = checkpoint(1).state;
        let json = serde_json::to_value(&state).expect("plain data");
        assert!(json.get("device").is_none() && state.moved_to(DeviceName::Cpu).is_empty());
        let state = State { device: DeviceName::Cuda(1), ..state };
        let json = serde_json::to_string(&state).expect("plain data");
        assert!(json.contains("\"device\":\"cuda:1\""), "{json}");
        assert_eq!(serde_json::from_str::<State>(&json).expect("its own"), state);
        let said = state.moved_to(DeviceName::Cpu);
        assert!(said.starts_with(" (made on cuda:1, from here on cpu:"), "{said}");
    }
}
