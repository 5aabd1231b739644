//! What a training says of its photos before it begins. Called by [`super::job`].

use std::path::Path;

use super::photo::Photo;
use crate::datasets::{Manifest, Split};
use crate::splits::same_bytes;

/// What became of the parts that a list names, where it lacks one; `chosen` photos choose.
pub(super) fn of_parts(manifest: &Manifest, chosen: usize) -> Option<String> {
    let of = |part| manifest.part(part).len();
    let (train, val, test) = (of(Split::Train), of(Split::Val), of(Split::Test));
    let what = match (train, val) {
        (0, 0) if test == 0 => return None,
        (0, 0) => format!("no part but `test`: {chosen} of the other photos choose"),
        (_, 0) => format!("no photos to choose on (`val`): {chosen} of those to train on choose"),
        (0, _) => format!("no photos to train on (`train`): of its {val} of `val` {chosen} choose"),
        _ => return None,
    };
    let test = match test {
        0 => String::new(),
        n => format!("; the {n} of `test` are not looked at"),
    };
    Some(format!("the list names {what}{test}"))
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
         {}; give them one content",
        found.len(),
        val[first].name,
        train[other].name
    ))
}
