//! A photo of a training, and how it is read.

use std::path::PathBuf;

use biqa::image::{LoadOptions, Rgb8};

use super::TrainError;
use crate::datasets::Manifest;

/// One photo of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Photo {
    /// Where it is.
    pub path: PathBuf,
    /// Its name in the manifest, which keys every draw.
    pub name: String,
    /// The key of its dataset.
    pub dataset: String,
    /// Exactly what the label file says.
    pub score: f64,
    /// Its score on 0..1, higher is better.
    pub target: f32,
}

impl Photo {
    /// The photo of a row. `prefix` stands before its name, where photos of two sets may have one.
    pub fn of(manifest: &Manifest, row: usize, prefix: &str) -> Self {
        let row = &manifest.rows[row];
        Self {
            path: manifest.file(row),
            name: format!("{prefix}{}", row.path),
            dataset: manifest.dataset.clone(),
            score: row.score,
            target: manifest.target(row.score) as f32,
        }
    }

    /// Its pixels, upright.
    pub fn load(&self) -> Result<Rgb8, TrainError> {
        match biqa::image::load(&self.path, &LoadOptions::default()) {
            Ok(picture) => Ok(picture.rgb),
            Err(source) => Err(self.bad(source.to_string())),
        }
    }

    /// The error that names it.
    pub fn bad(&self, reason: String) -> TrainError {
        TrainError::Photo { name: self.name.clone(), reason }
    }
}

/// A picture mirrored left-right.
pub fn mirrored(picture: &Rgb8) -> Rgb8 {
    let width = picture.width() as usize;
    let mut data = Vec::with_capacity(picture.data().len());
    for row in picture.data().chunks_exact(3 * width) {
        data.extend(row.as_chunks::<3>().0.iter().rev().flatten());
    }
    Rgb8::new(picture.width(), picture.height(), data).expect("mirroring keeps the size")
}

/// A picture turned upside down, as in water: the last row first.
pub fn upside_down(picture: &Rgb8) -> Rgb8 {
    let rows = picture.data().chunks_exact(3 * picture.width() as usize);
    let data = rows.rev().flatten().copied().collect();
    Rgb8::new(picture.width(), picture.height(), data).expect("turning keeps the size")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_twice_is_the_identity() {
        let data: Vec<u8> = (0..2 * 3 * 3).collect();
        let picture = Rgb8::new(3, 2, data).expect("six pixels");
        assert_eq!(upside_down(&picture).pixel(1, 0), picture.pixel(1, 1));
        assert_eq!(upside_down(&upside_down(&picture)), picture);
    }

    #[test]
    fn mirroring_twice_is_the_identity() {
        let data: Vec<u8> = (0..2 * 3 * 3).collect();
        let picture = Rgb8::new(3, 2, data).expect("six pixels");
        assert_eq!(mirrored(&picture).pixel(0, 0), picture.pixel(2, 0));
        assert_eq!(mirrored(&mirrored(&picture)), picture);
    }
}
