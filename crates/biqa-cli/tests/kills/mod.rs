//! A training that is killed again and again, and what it must equal.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use biqa::random::{Sequence, stream};
use biqa_lab::train::checkpoint::{Checkpoint, State};

use crate::common::Place;
use crate::smoke::{damage, names};

const KILLS: usize = 20;
/// So many of them go once through the whole run.
const SERIES: usize = 10;
/// So many must hit a checkpoint that is being written.
const IN_WRITE: usize = 5;
/// Damages that [`damage_number`] knows.
const DAMAGES: usize = 4;

/// The file that `biqa train` makes, and what it says at its end.
pub const MODEL: (&str, &str) = ("best.safetensors", " kept: SRCC");

/// A training, made once without a kill.
pub struct Training<'a> {
    pub place: &'a Place,
    /// The arguments of a run with a checkpoint after every step, for its folder and what else.
    pub args: fn(&'static str, &[&'static str]) -> Vec<&'static str>,
    /// Steps of the run.
    pub steps: usize,
    /// Lines of its log: its steps, and what it measures.
    pub lines: usize,
    /// The file that it makes.
    pub made: &'static str,
    /// What it says when it has come to its end.
    pub end: &'static str,
    /// Steps of each stage.
    pub steps_of_stage: usize,
    /// The folder that is killed.
    pub out: &'static str,
    /// The folder of the run that was not.
    pub whole: &'static str,
}

fn checkpoints(place: &Place, out: &str) -> Vec<PathBuf> {
    let folder = place.path(format!("{out}/checkpoints"));
    let whole = names(&folder).into_iter().filter(|name| name.starts_with("step-"));
    whole.map(|name| folder.join(name)).collect()
}

/// Whether it is more than what a kill in the removal of a damaged one has left.
fn has_weights(checkpoint: &Path) -> bool {
    checkpoint.join("weights.safetensors").exists()
}

/// Checkpoints that are being written or were never finished, and when they were begun.
fn unfinished(place: &Place, out: &str) -> Vec<(String, Option<SystemTime>)> {
    let folder = place.path(format!("{out}/checkpoints"));
    let partial = names(&folder).into_iter().filter(|name| name.starts_with(".partial-"));
    let begun = |name: &String| fs::metadata(folder.join(name)).and_then(|m| m.modified()).ok();
    partial.map(|name| (name.clone(), begun(&name))).collect()
}

fn lines(place: &Place, out: &str) -> usize {
    fs::read_to_string(place.path(format!("{out}/log.jsonl"))).unwrap_or_default().lines().count()
}

/// What the run left when it was killed.
#[derive(Debug, Default)]
struct Kills {
    in_step: usize,
    in_checkpoint: usize,
    before_first_step: usize,
    too_late: usize,
    /// Steps that the run had made when it went on.
    resumed_at: Vec<usize>,
}

impl Kills {
    fn hits(&self) -> usize {
        self.in_step + self.in_checkpoint + self.before_first_step
    }

    /// At how many steps a run was gone on with.
    fn places(&self) -> usize {
        self.resumed_at.iter().collect::<BTreeSet<_>>().len()
    }
}

impl Training<'_> {
    /// Where a killed run's words go.
    fn said(&self) -> String {
        format!("{}.stderr.txt", self.out)
    }

    /// Steps made at the newest checkpoint.
    fn steps_kept(&self) -> usize {
        let Self { place, out, .. } = *self;
        let state = |c: &PathBuf| -> Option<State> {
            serde_json::from_slice(&fs::read(c.join("state.json")).ok()?).ok()
        };
        let newest = checkpoints(place, out).iter().rev().find_map(state);
        newest.map_or(0, |s| s.stage * self.steps_of_stage + s.step as usize)
    }

    /// Starts the run and kills it, every fifth time at any moment of the preparations, else after a
    /// step of its own, its share of all for the `number`th of [`SERIES`] kills, and every other time
    /// while a checkpoint is being written; each a little later than that, by chance. Returns whether
    /// it came to its end before.
    fn start_and_kill(&self, number: usize, draws: &mut Sequence, kills: &mut Kills) -> bool {
        let Self { place, out, .. } = *self;
        let stale = unfinished(place, out);
        let writes = |place: &Place| unfinished(place, out).iter().any(|p| !stale.contains(p));
        let kept = self.steps_kept();
        let target = (kept + 1).max(number * self.steps / SERIES);
        let (early, in_write) = (number.is_multiple_of(5), !number.is_multiple_of(2));
        // A checkpoint after every step, or after three whose lines in the log are to be cut.
        let mut line = (self.args)(out, &["--resume"]);
        let at = line.iter().position(|arg| *arg == "--checkpoint-steps").expect("it is there");
        line[at + 1] = if number % 3 < 2 { "1" } else { "3" };
        let said = fs::File::create(place.path(self.said())).expect("a file");
        let mut child = place.command(&line).stderr(said).spawn().expect("biqa starts");
        let begin = Instant::now();
        let anew = kept == 0;
        let reached = |place: &Place| {
            // The lines of the run before are cut when this one says where it goes on.
            (anew || place.read(&self.said()).contains("resumed at"))
                && lines(place, out) >= target
                && (!in_write || writes(place))
        };
        let mut ended = false;
        while !early && !ended && !reached(place) {
            assert!(begin.elapsed() < Duration::from_mins(1), "{}", place.read(&self.said()));
            sleep(Duration::from_micros(300));
            ended = child.try_wait().expect("a child").is_some();
        }
        // A write of so few numbers is soon over.
        let most = match (early, in_write) {
            (true, _) => 100.0,
            (false, true) => 1.0,
            (false, false) => 20.0,
        };
        sleep(Duration::from_micros((1e3 * most * draws.unit()) as u64));
        let second = begin.elapsed() + Duration::from_secs(1);
        while !in_write && writes(place) && begin.elapsed() < second {
            sleep(Duration::from_micros(200));
        }
        ended = ended || child.try_wait().expect("a child").is_some();
        child.kill().expect("a kill -9");
        child.wait().expect("an end");
        if ended {
            let said = place.read(&self.said());
            assert!(said.contains(self.end), "{said}");
            kills.too_late += 1;
        } else if writes(place) {
            kills.in_checkpoint += 1;
        } else if lines(place, out) == 0 {
            kills.before_first_step += 1;
        } else {
            kills.in_step += 1;
        }
        kills.resumed_at.push(kept);
        ended
    }

    /// What else may have happened to the checkpoints between two runs.
    fn damage_number(&self, number: usize) {
        let Self { place, out, .. } = *self;
        let found = checkpoints(place, out);
        let newest = found.iter().rfind(|place| has_weights(place)).expect("a checkpoint");
        match number {
            2 => damage(newest, "weights.safetensors"),
            1 => fs::remove_file(newest.join("weights.safetensors")).expect("it is there"),
            // None is left: the run starts anew.
            0 => {
                for checkpoint in &found {
                    // A kill in the removal of an old one may have taken its state already.
                    if checkpoint.join("state.json").exists() {
                        damage(checkpoint, "state.json");
                    }
                }
            }
            // What a kill in a write leaves, in the way of all that come.
            _ => {
                for (stage, step) in (0..3).flat_map(|stage| (0..5).map(move |step| (stage, step)))
                {
                    let name = format!("{out}/checkpoints/.partial-step-{stage:02}-{step:09}");
                    place.file(format!("{name}/weights.safetensors"), b"half");
                }
            }
        }
    }

    /// Twenty kills and four damages later the run equals the one that was not stopped.
    pub fn survives(&self) {
        let Self { place, out, .. } = *self;
        let mut draws = stream(11, "kills", 0);
        let (mut kills, mut damaged, mut number) = (Kills::default(), 0, 0);
        for _ in 0..4 * KILLS {
            let enough = kills.hits() >= KILLS && kills.in_checkpoint >= IN_WRITE;
            // On a busy machine most kills come before the first checkpoint: more of them then.
            if enough && damaged == DAMAGES && kills.places() >= self.steps / 3 {
                break;
            }
            let ended = self.start_and_kill(number, &mut draws, &mut kills);
            number += 1;
            if ended {
                self.assert_same(out);
                fs::remove_dir_all(place.path(out)).expect("to begin anew");
                number = 0;
            } else if damaged < DAMAGES
                && kills.hits() > 3 * (damaged + 1)
                && checkpoints(place, out).iter().any(|place| has_weights(place))
            {
                self.damage_number(damaged);
                damaged += 1;
                if self.steps_kept() == 0 {
                    number = 0;
                }
            }
        }
        place.biqa(&(self.args)(out, &["--resume"])).ends(0);
        eprintln!("{out}: {kills:?}");
        assert!(
            kills.hits() >= KILLS && damaged == DAMAGES,
            "too few kills hit the run: {kills:?}"
        );
        assert!(kills.in_checkpoint >= IN_WRITE, "too few kills hit a write: {kills:?}");
        assert!(kills.in_step >= 3, "too few kills hit a step: {kills:?}");
        assert!(
            kills.places() >= self.steps / 3,
            "the kills are not spread over the run: {kills:?}"
        );
        self.assert_same(out);
    }

    /// Model, log and last checkpoint are those of the run that nothing stopped.
    pub fn assert_same(&self, out: &str) {
        let (place, whole) = (self.place, self.whole);
        assert_eq!(
            place.read(&format!("{out}/log.jsonl")),
            place.read(&format!("{whole}/log.jsonl"))
        );
        assert_eq!(lines(place, out), self.lines);
        let bytes = |out: &str, file: &str| fs::read(place.path(out).join(file)).expect("a file");
        for file in [self.made, "recipe.toml", "run.json"] {
            assert!(bytes(out, file) == bytes(whole, file), "{out}/{file} differs");
        }
        let last = |out: &str| {
            let folder = place.path(out).join("checkpoints");
            let digest = place.read(&format!("{out}/run.json"));
            let newest = Checkpoint::newest(&folder, &digest, &mut |_| ()).expect("readable");
            newest.expect("there is one")
        };
        assert!(last(out) == last(whole), "the last checkpoints differ");
        // Stored items were found again, not computed again under another name.
        let items = |out: &str| names(&place.path(format!("{out}/items")));
        assert_eq!(items(out), items(whole));
        let left = names(&place.path(format!("{out}/checkpoints")));
        // A kill behind the last one may have left the one that was to go.
        let kept = left.iter().filter(|name| name.starts_with("step-")).count();
        assert!([2, 3].contains(&kept), "{left:?}");
    }
}
