//! A run folder: written whole, read with every disagreement named.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Image, Results, VERSION};

/// The file that makes a folder a run that can be reported. Written last.
pub const RESULTS: &str = "results.json";
/// Every image's prediction.
pub const PREDICTIONS: &str = "predictions.csv";

/// Why a run folder can't be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResultsError {
    /// A file or folder can't be read or written.
    #[error("{path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a run folder.
    #[error(
        "{folder} is no run folder with results: expected {RESULTS} in it, found {found}; {advice}"
    )]
    NoRun {
        /// The folder.
        folder: PathBuf,
        /// What is there.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// Written by another version.
    #[error(
        "{path} has version {found}, expected {VERSION}: make it again with this biqa, or read it \
         with the one that wrote it ({biqa})"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The version of biqa in it.
        biqa: String,
    },
    /// Not the form expected.
    #[error("{path}: {reason}; evaluate again to make the file anew")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        reason: String,
    },
    /// The two files don't belong together.
    #[error(
        "{path}: repeat {repeat} has {found} predictions, {RESULTS} says {expected} images: the \
         two files are of different runs; evaluate again to make both anew"
    )]
    Disagree {
        /// The list of predictions.
        path: PathBuf,
        /// The repeat.
        repeat: usize,
        /// Rows of it.
        found: usize,
        /// Images of it.
        expected: usize,
    },
}

/// A run folder, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Where it lies.
    pub folder: PathBuf,
    /// The figures.
    pub results: Results,
    /// The predictions, in the order of the file.
    pub images: Vec<Image>,
}

impl Run {
    /// The images of a repeat.
    pub fn of(&self, repeat: usize) -> impl Iterator<Item = &Image> {
        self.images.iter().filter(move |image| image.repeat == repeat)
    }
}

/// Writes both files into `folder`, which is made where it is missing.
pub fn write(folder: &Path, results: &Results, images: &[Image]) -> Result<(), ResultsError> {
    fs::create_dir_all(folder).map_err(io_at(folder))?;
    let path = folder.join(PREDICTIONS);
    let mut table = csv::Writer::from_writer(Vec::new());
    let header =
        ["path", "score", "prediction", "split", "repeat", "content", "kind", "level", "last"];
    let mut written = if images.is_empty() { table.write_record(header) } else { Ok(()) };
    for image in images {
        written = written.and_then(|()| table.serialize(image));
    }
    let bytes = written
        .map_err(io::Error::other)
        .and_then(|()| table.into_inner().map_err(|error| io::Error::other(error.to_string())));
    write_atomic(&path, &bytes.map_err(io_at(&path))?)?;
    let mut json = serde_json::to_vec_pretty(results).expect("results are plain data");
    json.push(b'\n');
    write_atomic(&folder.join(RESULTS), &json)
}

/// The run folders that a name means: the folder itself, or those directly inside a folder that is
/// none, in the order of their names.
pub fn find(folder: &Path) -> Result<Vec<PathBuf>, ResultsError> {
    let is_run = |path: &Path| path.join(RESULTS).exists();
    if is_run(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let entries = fs::read_dir(folder).map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let mut inside: Vec<PathBuf> =
        entries.into_iter().flatten().map(|entry| entry.path()).filter(|p| is_run(p)).collect();
    inside.sort();
    if inside.is_empty() { Err(no_run(folder)) } else { Ok(inside) }
}

/// Reads both files and checks that they belong together.
pub fn read(folder: &Path) -> Result<Run, ResultsError> {
    let path = folder.join(RESULTS);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(no_run(folder)),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(no_run(folder)),
        Err(error) => return Err(io_at(&path)(error)),
    };
    let results = parse(&path, &text)?;
    let images = predictions(&folder.join(PREDICTIONS))?;
    for repeat in &results.repeats {
        let found = images.iter().filter(|image| image.repeat == repeat.index).count();
        if found != repeat.images {
            return Err(ResultsError::Disagree {
                path: folder.join(PREDICTIONS),
                repeat: repeat.index,
                found,
                expected: repeat.images,
            });
        }
    }
    Ok(Run { folder: folder.to_owned(), results, images })
}

/// Writes beside the place, syncs, renames: the file is the old one or the whole new one.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), ResultsError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".writing");
    let beside = path.with_file_name(name);
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // Half a file helps nobody; the error that is told is the first one.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(io_at(path))
}

/// The version is looked at first: the fields of another one may not fit.
fn parse(path: &Path, text: &str) -> Result<Results, ResultsError> {
    let form = |reason: String| ResultsError::Form { path: path.to_owned(), reason };
    let value: Value = serde_json::from_str(text).map_err(|e| form(e.to_string()))?;
    let version = value.get("version");
    if version.and_then(Value::as_u64) != Some(u64::from(VERSION)) {
        let biqa = value.get("biqa").and_then(Value::as_str);
        return Err(ResultsError::Version {
            path: path.to_owned(),
            found: version.map_or("none".to_owned(), Value::to_string),
            biqa: biqa.unwrap_or("unknown").to_owned(),
        });
    }
    // From the text, not from the value: the error then names line and column.
    let results: Results = serde_json::from_str(text).map_err(|e| form(e.to_string()))?;
    if results.repeats.is_empty() {
        return Err(form("there is no repeat in it, expected at least one".to_owned()));
    }
    Ok(results)
}

fn predictions(path: &Path) -> Result<Vec<Image>, ResultsError> {
    let form = |reason: String| ResultsError::Form { path: path.to_owned(), reason };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(form(format!("it is not there, expected beside {RESULTS}")));
        }
        Err(error) => return Err(io_at(path)(error)),
    };
    let mut reader = csv::Reader::from_reader(io::BufReader::new(file));
    let mut images = Vec::new();
    for row in reader.deserialize() {
        let image: Image = row.map_err(|e| form(e.to_string()))?;
        let line = images.len() + 2;
        for (column, value) in [("score", image.score), ("prediction", image.prediction)] {
            if !value.is_finite() {
                return Err(form(format!("row {line}: {column} is {value}, no finite number")));
            }
        }
        images.push(image);
    }
    Ok(images)
}

fn no_run(folder: &Path) -> ResultsError {
    let mut names: Vec<String> = fs::read_dir(folder)
        .map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    let trained = names.iter().any(|name| name == "run.json");
    let found = match (folder.is_dir(), names.len()) {
        (false, _) if folder.exists() => "a file".to_owned(),
        (false, _) => "no such folder".to_owned(),
        (true, 0) => "nothing".to_owned(),
        (true, 1..=5) => names.join(", "),
        (true, n) => format!("{} and {} more", names[..5].join(", "), n - 5),
    };
    let advice = if trained {
        "it is a training: measure its best.safetensors with `biqa evaluate --weights`, or train \
         over splits with `biqa protocol`"
    } else {
        "make one with `biqa evaluate --out` or `biqa protocol`"
    };
    ResultsError::NoRun { folder: folder.to_owned(), found, advice }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ResultsError {
    let path = path.to_owned();
    move |source| ResultsError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::made;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let run = folder.path().join("new/run");
        let (results, mut images) = made::run(12, 2);
        images[0].path = "a, \"b\".jpg".to_owned();
        images[1].level = None;
        write(&run, &results, &images).expect("written");
        let text = fs::read_to_string(run.join(PREDICTIONS)).expect("a table");
        assert!(text.starts_with("path,score,prediction,split,repeat,content,kind,level,last\n"));
        let found = read(&run).expect("a run");
        assert_eq!((found.results, found.images), (results, images));
        assert!(!run.join("results.json.writing").exists());
    }

    #[test]
    fn a_list_of_the_five_columns_is_enough() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut results, images) = made::run(2, 1);
        results.repeats[0].images = 1;
        write(folder.path(), &results, &images).expect("written");
        let table = "path,score,prediction,split,repeat\na.png,1.5,0.25,test,0\n";
        fs::write(folder.path().join(PREDICTIONS), table).expect("written");
        let image = read(folder.path()).expect("a run").images.remove(0);
        assert_eq!((image.score, image.kind.as_str(), image.last), (1.5, "", None));
    }

    #[test]
    fn a_folder_without_results_says_what_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = |path: &Path| read(path).expect_err("no run").to_string();
        let told = error(folder.path());
        assert!(told.contains("expected results.json in it, found nothing; make one"), "{told}");
        fs::write(folder.path().join("run.json"), "").expect("written");
        let told = error(folder.path());
        assert!(told.contains("found run.json; it is a training"), "{told}");
        assert!(error(&folder.path().join("gone")).contains("found no such folder"));
        assert!(error(&folder.path().join("run.json")).contains("found a file"));
    }

    #[test]
    fn a_folder_of_runs_means_all_of_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let (results, images) = made::run(4, 1);
        for name in ["b", "a"] {
            write(&folder.path().join(name), &results, &images).expect("written");
        }
        fs::create_dir(folder.path().join("c")).expect("a folder without results");
        let found = find(folder.path()).expect("two runs");
        assert_eq!(found, [folder.path().join("a"), folder.path().join("b")]);
        assert_eq!(find(&found[0]).expect("a run"), found[..1]);
        assert!(find(&folder.path().join("c")).is_err());
    }

    #[test]
    fn another_version_is_refused_before_its_fields_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = "{\"version\": 7, \"biqa\": \"9.1.0\"}";
        fs::write(folder.path().join(RESULTS), text).expect("written");
        let told = read(folder.path()).expect_err("another version").to_string();
        assert!(told.contains("has version 7, expected 1"), "{told}");
        assert!(told.contains("(9.1.0)"), "{told}");
    }

    #[test]
    fn predictions_that_are_gone_spoilt_or_of_another_run_are_errors() {
        let folder = tempfile::tempdir().expect("a folder");
        let (results, images) = made::run(6, 1);
        write(folder.path(), &results, &images[..4]).expect("written");
        let told = read(folder.path()).expect_err("too few").to_string();
        assert!(told.contains("repeat 0 has 4 predictions, results.json says 6"), "{told}");
        let path = folder.path().join(PREDICTIONS);
        let row = "path,score,prediction,split,repeat\na,1,NaN,test,0\n";
        fs::write(&path, row).expect("written");
        let told = read(folder.path()).expect_err("no number").to_string();
        assert!(told.contains("row 2: prediction is NaN"), "{told}");
        fs::remove_file(&path).expect("removed");
        let told = read(folder.path()).expect_err("gone").to_string();
        let expected = "predictions.csv: it is not there, expected beside results.json; evaluate";
        assert!(told.contains(expected), "{told}");
    }
}
