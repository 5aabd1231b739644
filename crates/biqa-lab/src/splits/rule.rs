//! The switch `split`, and what else decides who is where (`papers/protocol.md`, sections 1, 2, 9).

use super::SplitError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where the lists come from: `biqa`, `python:<seed>`, `python:r*<seed>`,
/// `file:<path>` or `official`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Rule {
    /// The rule `biqa-split-v1`.
    #[default]
    Biqa,
    /// CPython's `random.shuffle` from a seed; split `i` is what `i + 1` rounds leave.
    Python {
        /// Of any sign, as Python takes it.
        seed: i128,
    },
    /// The same with a generator of its own for every split: split `i` is one round from
    /// `(i + 1) * seed` (GlintIQA).
    PythonRounds {
        /// See [`Rule::Python`].
        seed: i64,
    },
    /// Lists of others: a JSON file `{"train": [...], "val": [...], "test": [...]}` of relative
    /// paths, a folder with `train`, `test` and perhaps `val` as `.npy` or `.txt` row indices, or a
    /// CSV with a column a split (`X.csv`, or `X.csv#COLUMN` for one of them).
    /// `{index}` in the path stands for the split's number.
    File(PathBuf),
    /// The authors' parts, as the manifest holds them. One split.
    Official,
}

impl FromStr for Rule {
    type Err = SplitError;

    fn from_str(text: &str) -> Result<Rule, SplitError> {
        let unknown = || SplitError::Rule { found: text.to_owned() };
        match text.split_once(':') {
            None if text == "biqa" => Ok(Rule::Biqa),
            None if text == "official" => Ok(Rule::Official),
            Some(("python", seed)) => match seed.strip_prefix("r*") {
                Some(seed) => Ok(Rule::PythonRounds { seed: seed.parse().map_err(|_| unknown())? }),
                None => Ok(Rule::Python { seed: seed.parse().map_err(|_| unknown())? }),
            },
            Some(("file", path)) if !path.is_empty() => Ok(Rule::File(PathBuf::from(path))),
            _ => Err(unknown()),
        }
    }
}

impl TryFrom<String> for Rule {
    type Error = SplitError;

    fn try_from(text: String) -> Result<Rule, SplitError> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> String {
        rule.to_string()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Biqa => f.write_str("biqa"),
            Rule::Python { seed } => write!(f, "python:{seed}"),
            Rule::PythonRounds { seed } => write!(f, "python:r*{seed}"),
            Rule::File(path) => write!(f, "file:{}", path.display()),
            Rule::Official => f.write_str("official"),
        }
    }
}

/// Which parts are cut. The test part is the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Train and test; who trains chooses on the test part, and has to say so.
    Published,
    /// Train, validation to choose by, and test.
    #[default]
    Honest,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Form::Published => "published",
            Form::Honest => "honest",
        })
    }
}

/// What a fraction of the training groups is counted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FractionOf {
    /// The whole data set, as DEIQT counts: 80 % is the full training part.
    #[default]
    Dataset,
    /// The training part.
    Train,
}

/// A small training part: the first groups of the full one, so that 20 % lies inside 40 %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fraction {
    /// Above 0, at most 1.
    pub share: f64,
    /// Of what.
    pub of: FractionOf,
}

/// How to share out a set.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// Where the lists come from.
    pub rule: Rule,
    /// Which parts are cut.
    pub form: Form,
    /// Seed of `biqa-split-v1`.
    pub seed: u64,
    /// Number of the split, from 0.
    pub index: u32,
    /// A smaller training part.
    pub fraction: Option<Fraction>,
    /// Accept a content or a file on both sides; noted in the split.
    pub allow_leak: bool,
    /// Contents that share a file byte for byte count as one.
    pub group_equal_bytes: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_switch_is_read_and_written_back() {
        for text in [
            "biqa",
            "python:123",
            "python:-7",
            "python:r*12345",
            "file:lists/{index}.json",
            "official",
        ] {
            let rule: Rule = text.parse().expect(text);
            assert_eq!(rule.to_string(), text);
            let json = serde_json::to_string(&rule).expect("text");
            assert_eq!(serde_json::from_str::<Rule>(&json).expect("the text"), rule);
        }
        assert_eq!("python:-7".parse::<Rule>().expect("legal"), Rule::Python { seed: -7 });
    }

    #[test]
    fn another_text_is_an_error_that_names_the_forms() {
        for text in ["", "random", "python", "python:", "python:x", "python:r*", "file:", "biqa:1"]
        {
            let error = text.parse::<Rule>().expect_err(text).to_string();
            assert!(error.contains("python:<seed>") && error.contains(text), "{error}");
        }
    }
}
