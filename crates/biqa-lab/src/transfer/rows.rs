//! The rows of the label files: which file and folder a source is in, what its pictures are called
//! (`papers/glintiqa.md`, section 5, table of files).

/// One degraded picture of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelRow {
    /// Position of the source, from 0.
    pub source: usize,
    /// Number of the distortion, from 1.
    pub kind: usize,
    /// Its level, from 1.
    pub level: usize,
}

/// Every row, source by source, the levels of one distortion after the other.
pub fn label_rows(sources: usize, types: usize, levels: usize) -> impl Iterator<Item = LabelRow> {
    (0..sources).flat_map(move |source| {
        (1..=types)
            .flat_map(move |kind| (1..=levels).map(move |level| LabelRow { source, kind, level }))
    })
}

/// The label file of a source, counted from 0: one for every `batch_size` sources.
pub fn file_of(source: usize, batch_size: usize) -> usize {
    source / batch_size
}

/// The name of label file `file`, counted from 0.
pub fn file_name(file: usize) -> String {
    format!("labels_batch_{:04}.csv", file + 1)
}

/// The number in the name of the folder that holds a source's pictures: a folder a label file.
pub fn folder_of(source: usize, batch_size: usize) -> usize {
    file_of(source, batch_size) + 1
}

/// A degraded picture below the folder of the set: `001/stem_01_05.bmp`.
pub fn picture_name(folder: usize, stem: &str, row: &LabelRow, suffix: &str) -> String {
    format!("{folder:03}/{stem}_{:02}_{:02}.{suffix}", row.kind, row.level)
}

/// A name without its last suffix. KADIS names have one point, so that the first release's rule, up
/// to the first point, gives the same.
pub fn stem_of(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own figures (section 9, item 12).
    #[test]
    fn a_thousand_sources_have_one_folder_and_one_file() {
        assert_eq!(label_rows(1001, 25, 5).count(), 125 * 1001);
        let row = LabelRow { source: 999, kind: 3, level: 5 };
        let name = |source| picture_name(folder_of(source, 1000), "a.b", &row, "bmp");
        assert_eq!(name(999), "001/a.b_03_05.bmp");
        assert_eq!(name(1000), "002/a.b_03_05.bmp");
        assert_eq!(file_name(file_of(999, 1000)), "labels_batch_0001.csv");
        assert_eq!(file_name(file_of(1000, 1000)), "labels_batch_0002.csv");
    }

    #[test]
    fn a_stem_ends_before_the_last_point() {
        assert_eq!(["a.png", "a.b.png", ".a", "a"].map(stem_of), ["a", "a.b", ".a", "a"]);
    }
}
