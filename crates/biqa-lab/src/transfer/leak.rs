//! What may be inherited from: a pretrained network must not have seen the references that it will
//! be tested on, nor their scores (`papers/glintiqa.md`, section 5, rules 1 and 2). Called by the
//! transfer and by the loader of its labels.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::rows::stem_of;
use crate::datasets::DatasetError;

/// The references of a training part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Training {
    file: PathBuf,
    contents: BTreeSet<String>,
}

/// The lists of `biqa data split`.
#[derive(Deserialize)]
struct Lists {
    train: Vec<String>,
    #[serde(default)]
    val: Vec<String>,
    #[serde(default)]
    test: Vec<String>,
}

impl Training {
    /// Reads a list: the JSON of `biqa data split kadid10k`, of which `train` counts, or a text with
    /// a reference a line. A name is that of a reference or of one of its distorted pictures.
    ///
    /// # Errors
    /// A file that can't be read, that is empty, or that has a reference in two parts.
    pub fn read(file: &Path) -> Result<Self, DatasetError> {
        let bytes = std::fs::read(file)
            .map_err(|source| DatasetError::Read { path: file.to_owned(), source })?;
        let refused = |reason: String| DatasetError::Refused { file: file.to_owned(), reason };
        let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8".to_owned()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        if !text.trim_start().starts_with('{') {
            let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
            return Self::of(file, names.map(content_of).collect());
        }
        let lists: Lists = serde_json::from_str(text).map_err(|e| refused(e.to_string()))?;
        let contents: BTreeSet<String> = lists.train.iter().map(|name| content_of(name)).collect();
        let other = lists.val.iter().chain(&lists.test);
        if let Some(name) = other.map(|name| content_of(name)).find(|name| contents.contains(name))
        {
            let reason = format!(
                "reference {name} stands in `train` and in another part; split by content, as biqa \
                 data split does"
            );
            return Err(refused(reason));
        }
        Self::of(file, contents)
    }

    fn of(file: &Path, contents: BTreeSet<String>) -> Result<Self, DatasetError> {
        if contents.is_empty() {
            return Err(DatasetError::Empty { file: file.to_owned() });
        }
        Ok(Self { file: file.to_owned(), contents })
    }

    /// The list.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The references, in lower case, without suffix, sorted.
    pub fn contents(&self) -> &BTreeSet<String> {
        &self.contents
    }

    /// Whether a reference, by its name, is one of them.
    pub fn has(&self, reference: &str) -> bool {
        self.contents.contains(&content_of(reference))
    }
}

/// What a reference is compared by, from its name or that of a distorted picture of it: in lower
/// case, `images/I01_03_05.png` and `I01.png` are `i01`.
pub fn content_of(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = stem_of(name);
    let mut parts = stem.rsplitn(3, '_');
    let two_digits = |text: Option<&str>| {
        text.is_some_and(|text| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))
    };
    let distorted = two_digits(parts.next()) && two_digits(parts.next());
    parts.next().filter(|_| distorted).unwrap_or(stem).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Training, DatasetError> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("list");
        std::fs::write(&file, text).expect("writable");
        Training::read(&file)
    }

    #[test]
    fn a_reference_and_its_copies_are_one_content() {
        for name in ["I01.png", "i01_03_05.png", "images/I01_25_01.bmp", "set\\I01"] {
            assert_eq!(content_of(name), "i01", "{name}");
        }
        assert_eq!(content_of("a_b_c.png"), "a_b_c");
        assert_eq!(content_of("01_02.png"), "01_02");
    }

    #[test]
    fn lists_are_texts_or_those_of_a_split() {
        let text = read("\u{feff}I01.png\r\n\nI03.png\n").expect("a text");
        let json = r#"{"train": ["images/I01_01_01.png", "images/I03_02_02.png"],
                       "test": ["images/I02_01_01.png"]}"#;
        let json = read(json).expect("a split");
        assert_eq!(text.contents(), json.contents());
        assert!(json.has("I03.png") && !json.has("I02.png"));
    }

    #[test]
    fn a_reference_in_two_parts_and_an_empty_list_are_refused() {
        let both = r#"{"train": ["I01_01_01.png"], "test": ["I01_01_02.png"]}"#;
        let text = read(both).expect_err("one content on both sides").to_string();
        assert!(text.contains("i01") && text.contains("another part"), "{text}");
        assert!(read("\n\n").is_err() && read("{}").is_err());
    }
}
