//! `file:X.csv` and `file:X.csv#COLUMN`: splits in the columns of a list, one row an image
//! (`papers/datasets.md`, section 3). pyiqa's `meta_info_*.csv` hold ten of them and often the
//! official one.

use super::lists::Names;
use super::{Split, SplitError, listed};
use crate::datasets::lists::{self, List, NamedSplit};
use crate::datasets::{Manifest, Split as Part};
use std::path::{Path, PathBuf};

/// Columns of drawn splits begin so: 8 to 2, as the papers share out; the number from 01 follows.
const DRAWN: &str = "ratio802_seed123_split_";
/// Columns of one split, which is taken where no splits were drawn.
const SINGLE: [&str; 2] = ["official_split", "split"];

/// File and column of a path, where it names a CSV.
pub(super) fn named(path: &Path) -> Option<(PathBuf, Option<String>)> {
    let is_csv = |path: &Path| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
    if is_csv(path) {
        return Some((path.to_path_buf(), None));
    }
    let (file, column) = path.to_str()?.rsplit_once('#')?;
    let column = (!column.is_empty()).then(|| column.to_lowercase());
    is_csv(Path::new(file)).then(|| (PathBuf::from(file), column))
}

/// How many splits the list holds.
pub(super) fn count(file: &Path, column: Option<&str>) -> Result<u32, SplitError> {
    if column.is_some() {
        return Ok(1);
    }
    let list = read_list(file)?;
    Ok(list.splits.iter().filter(|split| split.name.starts_with(DRAWN)).count().max(1) as u32)
}

/// The split of a column, or split `index` of the list.
pub(super) fn read(
    manifest: &Manifest,
    file: &Path,
    column: Option<&str>,
    index: u32,
) -> Result<Split, SplitError> {
    let list = read_list(file)?;
    let split = chosen(&list, column, index)?;
    let names = Names::of(manifest);
    let mut parts: Vec<Option<Part>> = vec![None; manifest.rows.len()];
    let mut lines: Vec<Option<u64>> = vec![None; manifest.rows.len()];
    for (entry, part) in list.rows.iter().zip(&split.parts) {
        let Some(part) = *part else { continue };
        let path = &entry.row.path;
        let Some(i) = names.find_loosely(path) else {
            // A part of a set has a part of the list's images.
            if manifest.subset {
                continue;
            }
            let (file, path) = (file.to_path_buf(), path.clone());
            return Err(SplitError::UnknownPath { file, part, path });
        };
        if let Some(first) = lines[i].replace(entry.line) {
            let reason = format!(
                "lines {first} and {} are both of {:?}; remove one",
                entry.line, manifest.rows[i].path
            );
            return Err(SplitError::Form { file: file.to_path_buf(), reason });
        }
        parts[i] = Some(part);
    }
    let source = format!("{}, column `{}`", file.display(), split.name);
    listed::of_column(manifest, &source, &parts)
}

fn read_list(file: &Path) -> Result<List, SplitError> {
    lists::read(file).map_err(|error| SplitError::List(Box::new(error)))
}

fn chosen<'a>(
    list: &'a List,
    column: Option<&str>,
    index: u32,
) -> Result<&'a NamedSplit, SplitError> {
    let find = |name: &str| list.splits.iter().find(|split| split.name == name);
    let drawn = list.splits.iter().any(|split| split.name.starts_with(DRAWN));
    let (found, wanted) = match column {
        Some(name) => (find(name), name.to_owned()),
        None if drawn => {
            let name = format!("{DRAWN}{:02}", index + 1);
            (find(&name), name)
        }
        None => (SINGLE.iter().find_map(|name| find(name)), SINGLE.join("` or `")),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = list.splits.iter().map(|split| split.name.as_str()).collect();
        let found = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        SplitError::NoColumn { file: list.file.clone(), wanted, found }
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::manifest;
    use super::*;

    const LIST: &str = "ref_name,dist_name,mos,official_split,ratio802_seed123_split_01,\
                        ratio802_seed123_split_02\n\
                        r/1.bmp,LIVE/JP2K/img1.bmp,1,train,train,test\n\
                        r/1.bmp,LIVE/wn/img1.bmp,1,val,test,train\n\
                        r/2.bmp,LIVE/wn/img2.bmp,1,test,train,2\n";

    fn split(list: &str, tail: &str, index: u32) -> Result<Split, SplitError> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("X.csv"), list).expect("written");
        let set = manifest(&[("jp2k/img1.bmp", "a"), ("wn/img1.bmp", "b"), ("wn/img2.bmp", "c")]);
        super::super::lists::read(&set, &folder.path().join(format!("X.csv{tail}")), index)
    }

    #[test]
    fn a_split_is_the_column_of_its_number() {
        // `img1.bmp` alone is two pictures: as much of the path counts as it takes.
        let found = split(LIST, "", 0).expect("a split");
        assert_eq!((found.train, found.val, found.test), (vec![0, 2], vec![], vec![1]));
        let found = split(LIST, "", 1).expect("a split");
        assert_eq!((found.train, found.test), (vec![1], vec![0, 2]));
        let text = split(LIST, "", 2).expect_err("two").to_string();
        assert!(text.contains("`ratio802_seed123_split_03`"), "{text}");
        assert!(text.contains("official_split, ratio802_seed123_split_01"), "{text}");
    }

    #[test]
    fn a_column_may_be_named_and_the_official_one_stands_in_for_none() {
        for (list, tail) in [
            (LIST.to_owned(), "#Official_Split"),
            (LIST.replace("ratio802", "ratio703"), ""),
            (
                "path,score,split\njp2k/img1.bmp,1,train\nwn/img1.bmp,1,val\nwn/img2.bmp,1,test\n"
                    .to_owned(),
                "",
            ),
        ] {
            let found = split(&list, tail, 0).expect("a split");
            assert_eq!((found.train, found.val, found.test), (vec![0], vec![1], vec![2]), "{list}");
        }
        let text = split(LIST, "#mine", 0).expect_err("none").to_string();
        assert!(text.contains("no column `mine`"), "{text}");
        let text = split("path,score\na,1\n", "", 0).expect_err("none").to_string();
        assert!(text.contains("it has: none"), "{text}");
    }

    #[test]
    fn images_of_another_set_are_named() {
        let text = split(&LIST.replace("img2", "img3"), "", 0).expect_err("img3").to_string();
        assert!(text.contains("wn/img3.bmp"), "{text}");
        let text = split(&LIST.replace("LIVE/wn/img2", "wn/img1"), "", 0).expect_err("twice");
        assert!(text.to_string().contains("lines 3 and 4"), "{text}");
    }
}
