//! `biq2021`: BIQ2021 (`papers/datasets.md`, 2.14).
//!
//! The release holds `Images/` and two lists, `Train (Images and MOS).csv` and `Test (...)`. Its
//! official split parts pictures of one scene, so biqa's own models use `content = file:PATH`, a
//! list `path,content,split` (with or without scores) that replaces content and split.

use super::files::{Files, unnest};
use super::manifest::{Direction, Manifest, Row, Split, stem};
use super::table::Table;
use super::{DatasetError, LoadOptions, Release, check_release, check_scores, locate, own};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The two official lists.
const LISTS: [(&str, Split); 2] =
    [("Train (Images and MOS).csv", Split::Train), ("Test (Images and MOS).csv", Split::Test)];

/// Section 1 of datasets.md.
const RELEASE: Release =
    Release { rows: 12_000, contents: 12_000, min: 0.0, max: 1.0, mean: 0.643458 };

/// A content list that some copies of the set carry in their root.
const OWN_LIST: &str = "labels.csv";

/// Loads the release, or a part of it that carries scores in its content list.
pub(super) fn load(root: &Path, options: &LoadOptions) -> Result<Manifest, DatasetError> {
    let root = unnest(root, &["Images", LISTS[0].0, OWN_LIST]);
    let mut manifest = Manifest {
        dataset: "biq2021".to_owned(),
        direction: Direction::Mos,
        range_nominal: [0.0, 1.0],
        root: root.clone(),
        rows: Vec::new(),
        notes: Vec::new(),
    };
    let mut files = Files::new(&root);
    let official = official_lists(&root, &mut files)?;
    let list = content_list(&root, options, official.is_none(), &mut files)?;
    match (official, list) {
        (Some(lists), list) => {
            for (file, split) in lists {
                manifest.rows.extend(official_rows(&Table::read(&file)?, split)?);
            }
            refuse_duplicates(&manifest.rows, &root)?;
            check_release(&mut manifest, &RELEASE, options)?;
            if let Some(list) = list {
                apply_list(&mut manifest, &list)?;
            }
        }
        (None, Some(list)) => {
            manifest.rows = own::rows(&list)?;
            manifest.notes.push(format!(
                "scores, content and split from {}; the official lists are not there, so the \
                 release was not checked",
                list.file.display()
            ));
        }
        (None, None) => {
            return Err(DatasetError::Layout {
                dataset: "biq2021",
                root,
                expected: format!(
                    "Images/ with {:?} and {:?}, or a list with scores (`content = file:PATH`)",
                    LISTS[0].0, LISTS[1].0
                ),
            });
        }
    }
    check_scores(&manifest)?;
    locate(&mut manifest, options)?;
    if !options.labels_only {
        let without_label = files.count("Images").saturating_sub(manifest.rows.len());
        if without_label > 0 {
            manifest.notes.push(format!("{without_label} files in Images/ are not used"));
        }
    }
    Ok(manifest)
}

/// The two official lists; `None` unless both are there.
fn official_lists(
    root: &Path,
    files: &mut Files,
) -> Result<Option<Vec<(PathBuf, Split)>>, DatasetError> {
    let mut found = Vec::new();
    for (name, split) in LISTS {
        match files.find(name)? {
            Some(name) => found.push((root.join(name), split)),
            None => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// The list of the option, else, where the official lists lack, the one in the root.
fn content_list(
    root: &Path,
    options: &LoadOptions,
    official_lack: bool,
    files: &mut Files,
) -> Result<Option<Table>, DatasetError> {
    match (&options.content, files.find(OWN_LIST)?) {
        (Some(path), _) => Table::read(path).map(Some),
        (None, Some(name)) if official_lack => Table::read(&root.join(name)).map(Some),
        (None, _) => Ok(None),
    }
}

/// Rows of an official list (`Image Name,MOS`, in the training list with two empty columns).
fn official_rows(table: &Table, split: Split) -> Result<Vec<Row>, DatasetError> {
    let name = table.required(&["image name"])?;
    let score = table.required(&["mos"])?;
    let row = |record| {
        let name = table.text(record, name)?;
        Ok(Row {
            path: format!("Images/{name}"),
            score: table.number(record, score)?,
            content: stem(name).to_owned(),
            kind: String::new(),
            level: None,
            split: Some(split),
            spread: None,
        })
    };
    table.records.iter().map(row).collect()
}

/// No image may stand in both lists or twice in one. Row numbers count over both lists.
fn refuse_duplicates(rows: &[Row], root: &Path) -> Result<(), DatasetError> {
    let mut seen = HashMap::new();
    for (row, line) in rows.iter().zip(1..) {
        if let Some(first_line) = seen.insert(row.path.to_ascii_lowercase(), line) {
            let (file, path) = (root.to_path_buf(), row.path.clone());
            return Err(DatasetError::Duplicate { file, line, first_line, path });
        }
    }
    Ok(())
}

/// Content and split from the list, in its order; images that it does not list are left out.
fn apply_list(manifest: &mut Manifest, list: &Table) -> Result<(), DatasetError> {
    let path = list.required(&["path"])?;
    let content = list.required(&["content"])?;
    let split = list.column(&["split"]);
    let by_path: HashMap<String, usize> = manifest
        .rows
        .iter()
        .enumerate()
        .map(|(i, row)| (row.path.to_ascii_lowercase(), i))
        .collect();

    let mut chosen: Vec<Option<Row>> = vec![None; manifest.rows.len()];
    let mut lines = vec![0; manifest.rows.len()];
    for record in &list.records {
        let text = list.text(record, path)?.replace('\\', "/");
        let Some(&i) = by_path.get(&text.to_ascii_lowercase()) else {
            let (file, line) = (list.file.clone(), record.line);
            return Err(DatasetError::NotLabelled { file, line, path: text });
        };
        if chosen[i].is_some() {
            let (file, line, first_line) = (list.file.clone(), record.line, lines[i]);
            return Err(DatasetError::Duplicate { file, line, first_line, path: text });
        }
        let split = match (split, record.optional(split)) {
            (Some(column), Some(text)) => Some(
                Split::of_text(text)
                    .ok_or_else(|| list.bad(record, column, text, "train, val or test"))?,
            ),
            _ => None,
        };
        let content = list.text(record, content)?.to_owned();
        chosen[i] = Some(Row { content, split, ..manifest.rows[i].clone() });
        lines[i] = record.line;
    }
    let total = manifest.rows.len();
    // The order of the label files, filtered (datasets.md 1.1).
    manifest.rows = chosen.into_iter().flatten().collect();
    manifest.notes.push(format!(
        "content and split from {}: {} of {total} images are listed, the other {} are left out",
        list.file.display(),
        manifest.rows.len(),
        total - manifest.rows.len()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;
    use std::fs;

    /// `shared/` beside the repository; tests that need it say so and pass where it is not.
    fn shared(path: &str) -> Option<PathBuf> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
        if path.exists() {
            return Some(path);
        }
        eprintln!("NOT RUN: {} is not here", path.display());
        None
    }

    fn committed_list() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/biq2021-content-split.csv")
    }

    /// A release of three images in a folder of its own inside the root.
    fn small_release() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary folder");
        let inner = root.path().join("BIQ2021-main");
        fs::create_dir_all(inner.join("Images")).expect("writable");
        for name in ["ss01 (1).jpg", "ss01 (2).JPG", "ss02 (1).jpg", "stray.jpg"] {
            fs::write(inner.join("Images").join(name), b"").expect("writable");
        }
        let train = "Image Name,MOS,,\r\nss01 (2).jpg,0.5,,\r\nss01 (1).jpg,0,,\r\n";
        fs::write(inner.join(LISTS[0].0), train).expect("writable");
        fs::write(inner.join(LISTS[1].0), "Image Name,MOS\nss02 (1).jpg,1\n").expect("writable");
        root
    }

    fn subset() -> LoadOptions {
        LoadOptions { allow_subset: true, ..LoadOptions::default() }
    }

    #[test]
    fn a_nested_release_with_empty_columns_is_read() {
        let root = small_release();
        let found = load("biq2021", root.path(), &subset()).expect("a small release");
        let paths: Vec<&str> = found.rows.iter().map(|row| row.path.as_str()).collect();
        assert_eq!(paths, ["Images/ss01 (2).JPG", "Images/ss01 (1).jpg", "Images/ss02 (1).jpg"]);
        assert_eq!(found.rows[0].content, "ss01 (2)");
        assert_eq!(found.rows[2].split, Some(Split::Test));
        assert!(found.notes.iter().any(|note| note == "1 files in Images/ are not used"));
    }

    #[test]
    fn another_count_than_the_release_is_an_error_unless_a_subset_is_allowed() {
        let root = small_release();
        let error = load("biq2021", root.path(), &LoadOptions::default()).expect_err("3 rows");
        assert!(error.to_string().contains("3 rows, the release has 12000"), "{error}");
    }

    #[test]
    fn a_content_list_without_scores_takes_them_from_the_release() {
        let root = small_release();
        let list = root.path().join("BIQ2021-main").join("list.csv");
        let text = "path,content,split,subset\nImages/ss02 (1).jpg,g1,val,ss02\n\
                    Images/ss01 (2).jpg,g0,train,ss01\n";
        fs::write(&list, text).expect("writable");
        let options = LoadOptions { content: Some(list), ..subset() };
        let found = load("biq2021", root.path(), &options).expect("a good list");
        assert_eq!(found.rows.len(), 2);
        assert_eq!((found.rows[0].score, found.rows[0].content.as_str()), (0.5, "g0"));
        assert_eq!(found.rows[1].split, Some(Split::Val));
        assert!(found.notes.iter().any(|note| note.contains("2 of 3 images are listed")));
    }

    #[test]
    fn a_list_that_names_an_unknown_image_is_an_error() {
        let root = small_release();
        let list = root.path().join("BIQ2021-main").join("list.csv");
        fs::write(&list, "path,content\nImages/no.jpg,g\n").expect("writable");
        let options = LoadOptions { content: Some(list), ..subset() };
        let error = load("biq2021", root.path(), &options).expect_err("unknown").to_string();
        assert!(error.contains("line 2") && error.contains("no.jpg"), "{error}");
    }

    #[test]
    fn a_folder_without_labels_says_what_was_looked_for() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let error = load("biq2021", root.path(), &subset()).expect_err("empty").to_string();
        assert!(error.contains("Train (Images and MOS).csv"), "{error}");
    }

    #[test]
    fn the_official_lists_have_the_counts_range_and_mean_of_the_table() {
        let Some(root) = shared("data/label_tables/biq2021") else { return };
        let options = LoadOptions { labels_only: true, ..LoadOptions::default() };
        let found = load("biq2021", &root, &options).expect("the released lists");
        assert_eq!((found.rows.len(), found.contents()), (12_000, 12_000));
        assert_eq!(found.part(Split::Test).len(), 2_000);
        assert_eq!(found.notes, Vec::<String>::new());
    }

    #[test]
    fn the_committed_list_parts_the_official_labels_by_content() {
        let Some(root) = shared("data/label_tables/biq2021") else { return };
        let options = LoadOptions {
            labels_only: true,
            content: Some(committed_list()),
            ..LoadOptions::default()
        };
        let found = load("biq2021", &root, &options).expect("list and labels fit");
        let counts = [Split::Train, Split::Val, Split::Test].map(|part| found.part(part).len());
        assert_eq!(counts, [8_574, 941, 1_239]);
        let mut part_of = HashMap::new();
        for row in &found.rows {
            let part = part_of.entry(row.content.as_str()).or_insert(row.split);
            assert_eq!(*part, row.split, "content {} stands in two parts", row.content);
        }
    }

    #[test]
    fn the_part_that_is_here_loads_with_its_own_list() {
        let Some(root) = shared("data/biq2021") else { return };
        let options = LoadOptions { allow_missing: usize::MAX, ..LoadOptions::default() };
        let found = load("biq2021", &root, &options).expect("the part that is here");
        let counts = [Split::Train, Split::Val, Split::Test].map(|part| found.part(part).len());
        assert_eq!(counts, [900, 200, 400]);
        assert!(load("biq2021", &root, &LoadOptions::default()).is_err());
    }
}
