//! The golden cases as data: found, read and compared. For tests only, hidden from the
//! documentation.
//!
//! `golden/README.md` is the specification. The golden tests of `biqa` and `biqa-lab`
//! (`tests/golden_*.rs`) call [`run`] with the prefixes they know and a function that computes one
//! case; everything about folders, files, tolerances and names that are not built yet is here once.

mod tensors;

pub use tensors::{Data, Tensor, Tensors, splitmix_weights};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// Why a golden case did not pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// A file of the case could not be read.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// A tensor or a config key that the case needs is not there or of another type.
    #[error("the case has no usable {what} named {name:?}")]
    Missing {
        /// `tensor`, `config key`, ...
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The result differs.
    #[error("{name}: {message}")]
    Differs {
        /// The tensor.
        name: String,
        /// Which element, with both values and the tolerance.
        message: String,
    },
    /// The code under test answered with an error.
    #[error("the code under test failed: {0}")]
    Code(String),
    /// The name is not built yet; the runner looks it up in the table of the test.
    #[error("{0:?} is not built")]
    NotBuilt(String),
    /// The prefix is this test's, but another test runs the case; which one.
    #[error("{0} runs this case")]
    Elsewhere(&'static str),
}

/// How far a tensor may be off: `abs(x - y) <= atol + rtol * abs(y)`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Tolerance {
    /// Absolute part.
    pub atol: f64,
    /// Relative part.
    pub rtol: f64,
}

/// One folder.
#[derive(Debug, Clone, Deserialize)]
pub struct Case {
    /// Folder name.
    #[serde(skip)]
    pub name: String,
    /// Where it lies.
    #[serde(skip)]
    pub folder: PathBuf,
    /// Registry name or function name.
    pub model: String,
    /// `forward`, `train_forward`, `loss`, `grad` or `function`.
    pub kind: String,
    /// Hyperparameters.
    #[serde(default)]
    pub config: Value,
    /// File name, rule or null.
    #[serde(default)]
    pub weights: Value,
    /// Tolerance by tensor of the output file.
    pub expect: BTreeMap<String, Tolerance>,
}

/// Some rows, and a range of channels.
pub type Slices = (Vec<usize>, std::ops::Range<usize>);

impl Case {
    /// Reads `case.json` of a folder.
    pub fn load(folder: &Path) -> Result<Case, GoldenError> {
        let path = folder.join("case.json");
        let fail = |reason: String| GoldenError::Read { path: path.clone(), reason };
        let text = std::fs::read_to_string(&path).map_err(|e| fail(e.to_string()))?;
        let mut case: Case = serde_json::from_str(&text).map_err(|e| fail(e.to_string()))?;
        case.name =
            folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        case.folder = folder.to_path_buf();
        Ok(case)
    }

    /// The input tensors.
    pub fn inputs(&self) -> Result<Tensors, GoldenError> {
        Tensors::load(&self.folder.join("input.safetensors"))
    }

    /// The expected tensors.
    pub fn outputs(&self) -> Result<Tensors, GoldenError> {
        Tensors::load(&self.folder.join("output.safetensors"))
    }

    /// The tensors of `weights.safetensors`.
    pub fn weight_tensors(&self) -> Result<Tensors, GoldenError> {
        Tensors::load(&self.folder.join("weights.safetensors"))
    }

    /// A number of the config.
    pub fn number(&self, key: &str) -> Result<f64, GoldenError> {
        self.config
            .get(key)
            .and_then(Value::as_f64)
            .ok_or(GoldenError::Missing { what: "config number", name: key.to_owned() })
    }

    /// A number of the config; the default where the key is not there.
    pub fn number_or(&self, key: &str, default: f64) -> Result<f64, GoldenError> {
        if self.config.get(key).is_some() { self.number(key) } else { Ok(default) }
    }

    /// A switch of the config; the default where the key is not there.
    pub fn switch_or(&self, key: &str, default: bool) -> Result<bool, GoldenError> {
        match self.config.get(key) {
            None => Ok(default),
            Some(value) => value
                .as_bool()
                .ok_or(GoldenError::Missing { what: "config switch", name: key.to_owned() }),
        }
    }

    /// What a case of a full-size network holds: some rows, and a range of channels. `None` where it
    /// holds everything.
    pub fn slices(&self) -> Result<Option<Slices>, GoldenError> {
        let whole = |value: &Value| value.as_u64().and_then(|v| usize::try_from(v).ok());
        let list = |key: &str| -> Result<Option<Vec<usize>>, GoldenError> {
            let Some(value) = self.config.get(key) else { return Ok(None) };
            let numbers = value.as_array().and_then(|all| all.iter().map(whole).collect());
            let missing = || GoldenError::Missing { what: "config list", name: key.to_owned() };
            numbers.ok_or_else(missing).map(Some)
        };
        let channels = match list("slice_channels")?.as_deref() {
            None => 0..16,
            Some(&[first, end]) => first..end,
            Some(_) => return Err(GoldenError::Code("slice_channels are two numbers".to_owned())),
        };
        Ok(list("slice_tokens")?.map(|tokens| (tokens, channels)))
    }

    /// A whole number of the config.
    pub fn integer(&self, key: &str) -> Result<u64, GoldenError> {
        self.config
            .get(key)
            .and_then(Value::as_u64)
            .ok_or(GoldenError::Missing { what: "config integer", name: key.to_owned() })
    }

    /// A text of the config.
    pub fn text(&self, key: &str) -> Result<&str, GoldenError> {
        self.config
            .get(key)
            .and_then(Value::as_str)
            .ok_or(GoldenError::Missing { what: "config text", name: key.to_owned() })
    }

    /// Compares every tensor that the case expects with `found`; tensors of `found` beyond those
    /// are not compared.
    pub fn compare_all(&self, found: &Tensors) -> Result<(), GoldenError> {
        let expected = self.outputs()?;
        for (name, tolerance) in &self.expect {
            compare(name, found.get(name)?, expected.get(name)?, *tolerance)?;
        }
        Ok(())
    }
}

/// `abs(found - expected) <= atol + rtol * abs(expected)` for every element, shapes equal, no NaN.
pub fn compare(
    name: &str,
    found: &Tensor,
    expected: &Tensor,
    tolerance: Tolerance,
) -> Result<(), GoldenError> {
    let differs = |message: String| Err(GoldenError::Differs { name: name.to_owned(), message });
    if found.shape != expected.shape {
        return differs(format!("shape {:?}, expected {:?}", found.shape, expected.shape));
    }
    let (x, y) = (found.f64s(), expected.f64s());
    if x.len() != y.len() {
        return differs(format!("{} elements, expected {}", x.len(), y.len()));
    }
    let mut worst: Option<(usize, f64)> = None; // position, by how much the tolerance is exceeded
    let mut failures = 0_usize;
    for (i, (&x, &y)) in x.iter().zip(&y).enumerate() {
        if x.is_nan() || y.is_nan() {
            return differs(format!("element {i} is {x}, expected {y}"));
        }
        if x == y {
            continue; // also equal infinities, whose difference is NaN
        }
        let excess = (x - y).abs() - (tolerance.atol + tolerance.rtol * y.abs());
        if excess.is_nan() || excess > 0.0 {
            failures += 1;
            if worst.is_none_or(|(_, before)| excess > before) {
                worst = Some((i, excess));
            }
        }
    }
    let Some((i, _)) = worst else { return Ok(()) };
    differs(format!(
        "{failures} of {} elements are off; worst: element {i} is {:?}, expected {:?} \
         (difference {:e}, atol {:e}, rtol {:e})",
        x.len(),
        x[i],
        y[i],
        (x[i] - y[i]).abs(),
        tolerance.atol,
        tolerance.rtol,
    ))
}

/// The folders that hold cases: the repository's own, `../shared/golden` beside it, and those in
/// `BIQA_GOLDEN`. A root that is missing is named on stderr and left out.
pub fn roots() -> Vec<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut roots = vec![repository.join("golden"), repository.join("../shared/golden")];
    if let Some(more) = std::env::var_os("BIQA_GOLDEN") {
        roots.extend(std::env::split_paths(&more).filter(|path| !path.as_os_str().is_empty()));
    }
    roots.retain(|root| {
        let there = root.is_dir();
        if !there {
            eprintln!(
                "GOLDEN ROOT MISSING: {} is not a folder; its cases do not run",
                root.display()
            );
        }
        there
    });
    roots
}

/// The case folders of all roots whose name starts with one of `prefixes`, sorted by name within a
/// root. A case that two roots hold is there twice, and both run.
pub fn folders(prefixes: &[&str]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for root in roots() {
        let Ok(entries) = std::fs::read_dir(&root) else {
            eprintln!("GOLDEN ROOT UNREADABLE: {}", root.display());
            continue;
        };
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.is_dir())
            .filter(|path| {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                name.is_some_and(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
            })
            .collect();
        found.sort();
        all.extend(found);
    }
    all
}

/// What a run of golden cases gave.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Cases that passed.
    pub passed: usize,
    /// Cases whose name stands in the table of names not built yet, by name.
    pub not_built: BTreeMap<String, usize>,
    /// Cases that another test runs, by that test.
    pub elsewhere: BTreeMap<&'static str, usize>,
    /// One text a failed case.
    pub failures: Vec<String>,
}

/// Runs `compute` on every case whose folder name starts with one of `prefixes`, and prints the
/// counts.
///
/// `compute` answers [`GoldenError::NotBuilt`] for a name it does not know; that is accepted when
/// the name stands in `not_built` (name, issue that builds it), and is a failure otherwise.
pub fn run(
    prefixes: &[&str],
    not_built: &[(&str, u32)],
    compute: impl Fn(&Case) -> Result<(), GoldenError>,
) -> Summary {
    let mut summary = Summary::default();
    for folder in folders(prefixes) {
        let outcome = Case::load(&folder).and_then(|case| caught(&case, &compute));
        match outcome {
            Ok(()) => summary.passed += 1,
            Err(GoldenError::NotBuilt(name)) if not_built.iter().any(|(n, _)| *n == name) => {
                *summary.not_built.entry(name).or_default() += 1;
            }
            Err(GoldenError::Elsewhere(test)) => *summary.elsewhere.entry(test).or_default() += 1,
            Err(error) => summary.failures.push(format!("{}: {error}", folder.display())),
        }
    }
    let waiting: usize = summary.not_built.values().sum();
    eprintln!(
        "golden {prefixes:?}: {} passed, {} failed, {waiting} not built yet",
        summary.passed,
        summary.failures.len()
    );
    for (name, count) in &summary.not_built {
        let issue = not_built.iter().find(|(n, _)| n == name).map_or(0, |(_, issue)| *issue);
        eprintln!("  not built: {name} ({count} cases, issue {issue})");
    }
    for (test, count) in &summary.elsewhere {
        eprintln!("  run by {test}: {count} cases");
    }
    summary
}

/// A panic in one case is that case's failure; the others run.
fn caught(
    case: &Case,
    compute: impl Fn(&Case) -> Result<(), GoldenError>,
) -> Result<(), GoldenError> {
    let run = std::panic::AssertUnwindSafe(|| compute(case));
    std::panic::catch_unwind(run).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(GoldenError::Code(format!("it panicked: {}", said.unwrap_or("without a word"))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Tolerance = Tolerance { atol: 0.0, rtol: 0.0 };

    #[test]
    fn the_worst_element_is_named() {
        let expected = Tensor::of_f64s(vec![1.0, 2.0, 3.0]);
        let found = Tensor::of_f64s(vec![1.1, 2.5, 3.0]);
        let text = compare("x", &found, &expected, EXACT).expect_err("differs").to_string();
        assert!(text.contains("element 1 is 2.5, expected 2.0"), "{text}");
    }

    #[test]
    fn nan_never_equals() {
        let nan = Tensor::of_f64s(vec![f64::NAN]);
        assert!(compare("x", &nan, &nan, Tolerance { atol: 1.0, rtol: 1.0 }).is_err());
    }

    #[test]
    fn infinity_equals_only_itself() {
        let infinite = Tensor::of_f64s(vec![f64::INFINITY]);
        assert!(compare("x", &infinite, &infinite, EXACT).is_ok());
        let loose = Tolerance { atol: 1.0, rtol: 1.0 };
        assert!(compare("x", &infinite, &Tensor::of_f64s(vec![1.0]), loose).is_err());
    }

    #[test]
    fn another_shape_is_a_difference() {
        let flat = Tensor::of_f64s(vec![1.0, 2.0]);
        let column = Tensor { shape: vec![2, 1], ..flat.clone() };
        assert!(compare("x", &column, &flat, EXACT).is_err());
    }
}
