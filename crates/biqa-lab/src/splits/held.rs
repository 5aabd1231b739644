//! How many splits a rule has to give. Called by the protocol runner: of one split, repeats are
//! training seeds.

use super::{Rule, SplitError, columns, lists};
use std::path::Path;

/// The number of splits that a rule holds; `None` where it draws any number, or names a file a split
/// with `{index}`.
///
/// # Errors
/// A file that cannot be read, or parts that do not hold the same number.
pub fn held(rule: &Rule) -> Result<Option<u32>, SplitError> {
    match rule {
        Rule::Biqa | Rule::Python { .. } | Rule::PythonRounds { .. } => Ok(None),
        Rule::Official => Ok(Some(1)),
        Rule::File(path) if path.to_string_lossy().contains("{index}") => Ok(None),
        Rule::File(path) => of_file(path).map(Some),
    }
}

fn of_file(path: &Path) -> Result<u32, SplitError> {
    if let Some((file, column)) = columns::named(path) {
        return columns::count(&file, column.as_deref());
    }
    match lists::folder_of(path) {
        Some(folder) => lists::count(folder),
        None => Ok(1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::lists::npy;
    use super::*;

    fn of(path: &Path) -> Result<Option<u32>, SplitError> {
        held(&Rule::File(path.to_path_buf()))
    }

    #[test]
    fn a_rule_says_how_many_splits_it_holds() {
        for (rule, count) in
            [("biqa", None), ("python:3", None), ("official", Some(1)), ("file:a.json", Some(1))]
        {
            assert_eq!(held(&rule.parse().expect("a rule")).expect("a number"), count, "{rule}");
        }
        assert_eq!(of(Path::new("a-{index}.json")).expect("any"), None);
        assert_eq!(of(Path::new("lists-{index}")).expect("any"), None);
    }

    #[test]
    fn a_folder_holds_a_split_a_row_of_its_arrays() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).expect("written");
        };
        let three: Vec<&[i64]> = vec![&[0], &[1], &[2]];
        write("train.npy", &npy(&three));
        write("test.npy", &npy(&three));
        assert_eq!(of(folder.path()).expect("arrays"), Some(3));
        assert_eq!(of(&folder.path().join("test.npy")).expect("arrays"), Some(3));
        write("test.npy", &npy(&three[..2]));
        let text = of(folder.path()).expect_err("3 and 2").to_string();
        assert!(text.contains("holds 2 splits") && text.contains("holds 3"), "{text}");
        for name in ["train", "test"] {
            std::fs::remove_file(folder.path().join(format!("{name}.npy"))).expect("removed");
            write(&format!("{name}.txt"), b"0 1");
        }
        assert_eq!(of(folder.path()).expect("text"), Some(1));
    }

    #[test]
    fn a_list_holds_as_many_as_it_has_columns() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("X.csv");
        let header =
            "img_name,mos,official_split,ratio802_seed123_split_01,ratio802_seed123_split_02";
        std::fs::write(&file, format!("{header}\na.png,1,train,train,test\n")).expect("written");
        assert_eq!(of(&file).expect("a list"), Some(2));
        let column = format!("{}#official_split", file.display());
        assert_eq!(of(Path::new(&column)).expect("a column"), Some(1));
    }
}
