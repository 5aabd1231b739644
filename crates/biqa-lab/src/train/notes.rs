//! What a training says of its photos before it begins. Called by [`super::job`].

use std::path::Path;

use super::photo::Photo;
use crate::datasets::{Manifest, Split};
use crate::splits::same_bytes;

/// What became of the parts that labels name, where they lack one; `chosen` photos choose.
pub(super) fn of_parts(manifest: &Manifest, chosen: usize) -> Option<String> {
    let of = |part| manifest.part(part).len();
    let (train, val, test) = (of(Split::Train), of(Split::Val), of(Split::Test));
    let lacks = match (train, val) {
        (0, 0) if test == 0 => return None,
        (0, 0) => "`train` and `val`",
        (_, 0) => "`val`",
        (0, _) => "`train`",
        _ => return None,
    };
    let test = match test {
        0 => String::new(),
        n => format!("; the {n} of `test` are not looked at"),
    };
    Some(format!(
        "the labels name parts but not {lacks}: {chosen} of the other photos choose{test}"
    ))
}

fn paths(photos: &[Photo]) -> Vec<&Path> {
    photos.iter().map(|photo| photo.path.as_path()).collect()
}

/// Photos that choose and are byte for byte among those that are trained on: on these the network
/// only remembers.
pub(super) fn of_copies(val: &[Photo], train: &[Photo]) -> Option<String> {
    let found = same_bytes(&paths(val), &paths(train));
    let &(first, other) = found.first()?;
    Some(format!(
        "warning: {} of the photos to choose on are byte for byte among those to train on, first: {} is \
         {}; what copies choose is known by heart",
        found.len(),
        val[first].name,
        train[other].name
    ))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::datasets::{Direction, Options, open};

    #[test]
    fn parts_that_lack_are_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = |parts: [&str; 3]| {
            let mut list = "path,score,split\n".to_owned();
            for (i, part) in parts.iter().enumerate() {
                std::fs::write(folder.path().join(format!("{i}.png")), [0]).expect("written");
                writeln!(list, "{i}.png,{i},{part}").expect("memory");
            }
            std::fs::write(folder.path().join("labels.csv"), list).expect("written");
            let options = Options {
                direction: Some(Direction::Mos),
                range: Some([0.0, 2.0]),
                ..Options::default()
            };
            of_parts(&open("csv", folder.path(), &options).expect("a list"), 1)
        };
        assert_eq!(said(["train", "val", "test"]), None);
        assert_eq!(said(["", "", ""]), None);
        for (parts, lacks, test) in [
            (["train", "train", ""], "not `val`: 1 of", false),
            (["val", "", "test"], "not `train`: 1 of", true),
            (["", "", "test"], "not `train` and `val`: 1 of", true),
        ] {
            let said = said(parts).expect("a part lacks");
            assert!(said.contains(lacks), "{said}");
            assert_eq!(said.ends_with("the 1 of `test` are not looked at"), test, "{said}");
        }
    }
}
