//! What a caller may say about loading a set (`papers/datasets.md`, sections 1.3, 4 and 5).

use super::manifest::Direction;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// How to load a set. The default is the set as it was released, complete.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch by itself")]
pub struct Options {
    /// Which of a set's labels; the set's own choice when not given.
    pub labels: Option<LabelForm>,
    /// What the split unit is; the set's own choice when not given.
    pub content: Option<Content>,
    /// `tid2013`: leave out the 120 copies of the reference that is not a photograph.
    pub natural_only: bool,
    /// How many labelled images may lack a file; they are left out and noted. `usize::MAX` takes
    /// whatever part of the set is there.
    pub allow_missing: usize,
    /// `strict = false`: another number of rows or contents than the release's is a note, and the
    /// manifest is marked as a subset.
    pub partial: bool,
    /// Do not look for the image files: paths are those of the set's first layout.
    pub labels_only: bool,
    /// Load a set that has no labels: every score is NaN.
    pub unlabelled: bool,
    /// The label file to read instead of the one in the root; for `csv`, the list of scores
    /// (`labels.csv` in the root when not given).
    pub list: Option<PathBuf>,
    /// For `saqt` only: the list of references that scores may be inherited from; a row that inherits
    /// from another is an error.
    pub training_references: Option<PathBuf>,
    /// For `csv` only: which way the scores point.
    pub direction: Option<Direction>,
    /// For `csv` only: lowest and highest score of the scale.
    pub range: Option<[f64; 2]>,
}

/// Which of a set's labels are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelForm {
    /// `live`: `dmos_realigned.mat`, as the papers' code reads it.
    Realigned,
    /// `live`: `dmos.mat`.
    Original,
    /// `koniq10k`: the normalised form, 1 to 100.
    Zscore,
    /// `koniq10k`: the mean of the ratings, 1 to 5.
    Acr,
    /// `pipal`: the 200 references of the training part.
    Train,
    /// `pipal`: the 25 references of the validation part.
    Val,
    /// `pipal`: both, the validation part to test on.
    Both,
}

impl LabelForm {
    const ALL: [(&'static str, LabelForm); 7] = [
        ("realigned", LabelForm::Realigned),
        ("original", LabelForm::Original),
        ("zscore", LabelForm::Zscore),
        ("acr", LabelForm::Acr),
        ("train", LabelForm::Train),
        ("val", LabelForm::Val),
        ("both", LabelForm::Both),
    ];
}

impl fmt::Display for LabelForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = LabelForm::ALL.iter().find(|(_, form)| form == self).map(|(name, _)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

impl FromStr for LabelForm {
    type Err = String;

    fn from_str(text: &str) -> Result<LabelForm, String> {
        let found = LabelForm::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, form)| *form).ok_or_else(|| {
            let names = LabelForm::ALL.map(|(name, _)| name).join(", ");
            format!("labels are one of {names}, not {text:?}")
        })
    }
}

/// What makes two images of one content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// `cid2013`: the eight scenes, across the six image sets.
    Scene,
    /// `cid2013`: the 36 folders, a scene in an image set.
    SetScene,
    /// `agiqa3k`: the prompt.
    Prompt,
    /// `agiqa3k`: the image itself, as published work splits it.
    Image,
    /// A list `path,content` with or without `split`, which replaces both; images that it does not
    /// list are left out.
    File(PathBuf),
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Scene => f.write_str("scene"),
            Content::SetScene => f.write_str("set-scene"),
            Content::Prompt => f.write_str("prompt"),
            Content::Image => f.write_str("image"),
            Content::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl FromStr for Content {
    type Err = String;

    fn from_str(text: &str) -> Result<Content, String> {
        match text {
            "scene" => Ok(Content::Scene),
            "set-scene" => Ok(Content::SetScene),
            "prompt" => Ok(Content::Prompt),
            "image" => Ok(Content::Image),
            _ => match text.strip_prefix("file:") {
                Some(path) if !path.is_empty() => Ok(Content::File(PathBuf::from(path))),
                _ => Err(format!(
                    "content is scene, set-scene, prompt, image or file:PATH, not {text:?}"
                )),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_form_reads_back_from_its_name() {
        for (name, form) in LabelForm::ALL {
            assert_eq!((name.parse(), form.to_string()), (Ok(form), name.to_owned()));
        }
        assert!("mos".parse::<LabelForm>().is_err_and(|text| text.contains("zscore, acr")));
    }

    #[test]
    fn a_content_list_is_named_after_file() {
        let list = Content::File(PathBuf::from("a b.csv"));
        assert_eq!("file:a b.csv".parse(), Ok(list.clone()));
        assert_eq!(list.to_string(), "file:a b.csv");
        assert_eq!("set-scene".parse(), Ok(Content::SetScene));
        assert!("file:".parse::<Content>().is_err() && "a.csv".parse::<Content>().is_err());
    }
}
