//! What the tests of the command share: a folder of small pictures, and running `biqa` in it.
//!
//! Pictures are written byte by byte, so that no decoder or encoder is needed; no test knows a score.

#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A folder for one test, which goes with it.
pub struct Place {
    folder: TempDir,
}

/// What a run said and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A place with `n` pictures `photos/00.ppm`, `photos/01.ppm` ...
    pub fn with_photos(n: u32) -> Self {
        let place = Self::new();
        for i in 0..n {
            place.picture(format!("photos/{i:02}.ppm"), i);
        }
        place
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders it is in.
    pub fn file(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, bytes).expect("a file");
    }

    /// Writes a picture of its own kind for each `seed`.
    pub fn picture(&self, name: impl AsRef<Path>, seed: u32) {
        self.file(name, ppm(48, 32, seed));
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The command, in this place, without the environment's wishes.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_biqa"));
        command.current_dir(self.folder.path()).args(args).env_remove("NO_COLOR");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn biqa(&self, args: &[&str]) -> Run {
        Run::of(self.command(args).output().expect("biqa runs"))
    }

    /// A run with something on standard input.
    pub fn biqa_reading(&self, args: &[&str], input: impl AsRef<[u8]>) -> Run {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().expect("biqa starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_ref()).expect("biqa reads");
        drop(stdin);
        Run::of(child.wait_with_output().expect("biqa ends"))
    }
}

impl Run {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    /// The rows on standard output.
    pub fn rows(&self) -> Vec<Value> {
        rows(&self.stdout)
    }

    pub fn paths(&self) -> Vec<String> {
        paths(&self.rows())
    }

    /// This run, if it ended with `code`.
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// The rows of JSON lines, without the times, which differ between runs.
pub fn rows(lines: &str) -> Vec<Value> {
    let mut rows: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("a row")).collect();
    for row in &mut rows {
        row.as_object_mut().expect("an object").remove("ms").expect("a time");
    }
    rows
}

pub fn paths(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["path"].as_str().expect("a path").to_owned()).collect()
}

/// A binary PPM with waves and some noise, different for each seed.
pub fn ppm(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut bytes = format!("P6\n{width} {height}\n255\n").into_bytes();
    let mut noise = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let wave = (x * (seed % 7 + 1) + y * (channel + 1) * 3) % 160;
                bytes.push((wave + (noise >> 28) * (seed % 5)) as u8);
            }
        }
    }
    bytes
}
