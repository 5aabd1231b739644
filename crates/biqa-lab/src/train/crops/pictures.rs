//! Prepared pictures and what is cut out of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use biqa::image::Rgb8;
use biqa::random::stream;
use biqa::resize::{Filter, crop, resize};
use biqa::view::{CropAddress, Policy, View, centred};

use super::super::TrainError;
use super::super::photo::{Photo, mirrored, upside_down};
use super::super::recipe::crops::{Crops, CropsRecipe, Looks};
use super::order::Turn;
use crate::datasets::Preparation;
use crate::degrade::jpeg;

/// Quality of the JPEGs in which DEIQT's authors stored SPAQ's photos.
const STORED_AT: u32 = 75;

/// Bytes of prepared pictures that are kept: photos are decoded anew each time beyond that.
const MOST_KEPT: usize = 512 << 20;

/// Prepared pictures: decoded, resized as the recipe says for their set, large enough for a crop.
pub(super) struct Pictures<'a> {
    recipe: &'a CropsRecipe,
    seed: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    pictures: HashMap<String, Arc<Rgb8>>,
    bytes: usize,
}

/// A photo's turn in training: its crops, where they were cut, the whole of it.
pub(super) struct Cut {
    /// `k` crops, some mirrored.
    pub crops: Vec<Rgb8>,
    /// `x0, y0, x1, y1` of each before it was mirrored, as fractions of the prepared picture.
    pub boxes: Vec<[f32; 4]>,
    /// The whole, squeezed to a crop's size.
    pub whole: Option<Rgb8>,
}

impl<'a> Pictures<'a> {
    /// None yet.
    pub fn new(recipe: &'a CropsRecipe, seed: u64) -> Self {
        Self { recipe, seed, kept: Mutex::default() }
    }

    /// The prepared picture of a photo.
    fn prepared(&self, photo: &Photo) -> Result<Arc<Rgb8>, TrainError> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(picture) = kept().pictures.get(&photo.name) {
            return Ok(Arc::clone(picture));
        }
        let View { policy, filter, .. } = self.recipe.view(&photo.dataset);
        let plain = photo.load()?;
        let picture = match policy {
            Policy::Grid(grid) => {
                grid.prepare(&plain, filter).map_err(|e| photo.bad(e.to_string()))?
            }
            Policy::Whole { .. } => plain,
        };
        let Crops { spaq_recompress, .. } = self.recipe.crops;
        let is_smaller = self.recipe.crops.preparation(&photo.dataset) != Preparation::None;
        let is_stored_again = spaq_recompress && is_smaller && photo.dataset == "spaq";
        let picture = if is_stored_again { jpeg(&picture, STORED_AT) } else { picture };
        let picture = Arc::new(picture);
        let mut kept = kept();
        let bytes = picture.data().len();
        if kept.bytes + bytes <= MOST_KEPT
            && kept.pictures.insert(photo.name.clone(), Arc::clone(&picture)).is_none()
        {
            kept.bytes += bytes;
        }
        Ok(picture)
    }

    /// The crops of a turn: uniform places, mirrored by chance after they were cut.
    pub fn turn(&self, photo: &Photo, turn: Turn, stage: usize) -> Result<Cut, TrainError> {
        let picture = self.prepared(photo)?;
        let needs = self.recipe.choice.needs();
        let side = needs.crop as u32;
        let (w, h) = (picture.width(), picture.height());
        let mut draws = stream(
            self.seed,
            &format!("crops/{}", photo.name),
            ((stage as u64) << 48) | turn.round,
        );
        let bad = |e: biqa::resize::ResizeError| photo.bad(e.to_string());
        let mut cut = Cut { crops: Vec::new(), boxes: Vec::new(), whole: None };
        for _ in 0..needs.group {
            let top = draws.below(u64::from(h - side) + 1) as u32;
            let left = draws.below(u64::from(w - side) + 1) as u32;
            let Crops { flip, flip_v, .. } = self.recipe.crops;
            let flip = draws.chance(flip);
            // Without such flips nothing is drawn for them.
            let flip_v = flip_v > 0.0 && draws.chance(flip_v);
            let plain = crop(&picture, left, top, side, side).map_err(bad)?;
            let plain = if flip { mirrored(&plain) } else { plain };
            cut.crops.push(if flip_v { upside_down(&plain) } else { plain });
            let (x, y) = (|x: u32| x as f32 / w as f32, |y: u32| y as f32 / h as f32);
            cut.boxes.push([x(left), y(top), x(left + side), y(top + side)]);
        }
        if needs.whole {
            // papers/lml-iqa.md, section 2: squeezed by Pillow's bicubic, never mirrored.
            cut.whole = Some(resize(&picture, side, side, Filter::Bicubic).map_err(bad)?);
        }
        Ok(cut)
    }

    /// The crops that a photo's score is the mean of. With an `epoch` random ones change with it.
    pub fn looks(
        &self,
        photo: &Photo,
        looks: Looks,
        epoch: Option<u64>,
    ) -> Result<Vec<Rgb8>, TrainError> {
        let picture = self.prepared(photo)?;
        let side = self.recipe.choice.needs().crop as u32;
        let bad = |e: String| photo.bad(e);
        match looks {
            Looks::Grid(_) => {
                let View { policy, filter, mean, std } = self.recipe.view(&photo.dataset);
                let Policy::Grid(grid) = policy else { return Ok(Vec::new()) };
                // The picture is prepared already, and preparing it again changes nothing.
                let view = View { policy: Policy::Grid(looks.grid(grid)), filter, mean, std };
                let cut = view.apply(&picture).map_err(|e| bad(e.to_string()))?;
                Ok(cut.looks.into_iter().flatten().collect())
            }
            Looks::Corners => {
                let (right, below) = (picture.width() - side, picture.height() - side);
                let cut = |(left, top)| crop(&picture, left, top, side, side);
                let centre = (centred(right), centred(below));
                let places = [(0, 0), (right, 0), (0, below), (right, below), centre];
                places.into_iter().map(|place| cut(place).map_err(|e| bad(e.to_string()))).collect()
            }
            Looks::Random(n) => {
                let set = format!("{}:", photo.dataset);
                let path = photo.name.strip_prefix(&set).unwrap_or(&photo.name);
                let cut = |number| {
                    let address = CropAddress { seed: self.seed, path, number, epoch };
                    let size = [picture.height(), picture.width()];
                    let (top, left) = address.offset(size, [side; 2]).unwrap_or_default();
                    crop(&picture, left, top, side, side).map_err(|e| bad(e.to_string()))
                };
                (0..n).map(cut).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::recipe::Recipe;
    use crate::train::recipe::crops::{Corners, ScoreCrops};

    /// A picture of its own kind, a recipe that wants two crops of 32 and the whole, and a place
    /// for both.
    fn made() -> (tempfile::TempDir, Photo, CropsRecipe) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (width, height) = (50, 40);
        let mut bytes = format!("P6\n{width} {height}\n255\n").into_bytes();
        bytes.extend((0..width * height * 3).map(|i: u32| (i * i % 251) as u8));
        let path = folder.path().join("a.ppm");
        std::fs::write(&path, bytes).expect("a file");
        let name = "a.ppm".to_owned();
        let photo = Photo { path, name, dataset: "csv".to_owned(), score: 3.0, target: 0.5 };
        let recipe = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let recipe = Recipe::read(&recipe.join("../../recipes/lmliqa-smoke.toml"));
        let Ok(Recipe::Crops(recipe)) = recipe else { panic!("a recipe of crops") };
        (folder, photo, *recipe)
    }

    #[test]
    fn a_box_says_where_a_crop_was_cut_before_it_was_mirrored() {
        let (_folder, photo, mut recipe) = made();
        let plain = photo.load().expect("a picture");
        for (flip, flip_v) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
            (recipe.crops.flip, recipe.crops.flip_v) = (flip, flip_v);
            let pictures = Pictures::new(&recipe, 5);
            for round in 0..20 {
                let cut = pictures.turn(&photo, Turn { photo: 0, round }, 0).expect("crops");
                assert_eq!((cut.crops.len(), cut.boxes.len()), (2, 2));
                for (found, [x0, y0, x1, y1]) in cut.crops.iter().zip(cut.boxes) {
                    let at = |share: f32, side: u32| (share * side as f32).round() as u32;
                    let (left, top) = (at(x0, 50), at(y0, 40));
                    assert_eq!((at(x1, 50), at(y1, 40)), (left + 32, top + 32));
                    let expected = crop(&plain, left, top, 32, 32).expect("it fits");
                    let expected = if flip > 0.0 { mirrored(&expected) } else { expected };
                    let expected = if flip_v > 0.0 { upside_down(&expected) } else { expected };
                    assert_eq!(*found, expected);
                }
                let whole = cut.whole.expect("it is asked for");
                assert_eq!(whole, resize(&plain, 32, 32, Filter::Bicubic).expect("small"));
            }
        }
    }

    #[test]
    fn crops_are_a_function_of_seed_photo_stage_and_round() {
        let (_folder, photo, recipe) = made();
        let boxes = |seed, stage, round| {
            let turn = Turn { photo: 0, round };
            Pictures::new(&recipe, seed).turn(&photo, turn, stage).expect("crops").boxes
        };
        let first = boxes(1, 0, 0);
        assert_eq!(first, boxes(1, 0, 0));
        for other in [boxes(2, 0, 0), boxes(1, 1, 0), boxes(1, 0, 1)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn spaq_is_stored_again_where_a_recipe_says_so() {
        let (_folder, mut photo, mut recipe) = made();
        for (rule, dataset, stored) in [
            (Preparation::Released, "spaq", true),
            (Preparation::None, "spaq", false),
            (Preparation::Released, "koniq10k", false),
        ] {
            dataset.clone_into(&mut photo.dataset);
            recipe.crops.prepare.insert(dataset.to_owned(), rule);
            let mut prepared = |again| {
                recipe.crops.spaq_recompress = again;
                (*Pictures::new(&recipe, 5).prepared(&photo).expect("a picture")).clone()
            };
            let (plain, found) = (prepared(false), prepared(true));
            let expected = if stored { jpeg(&plain, 75) } else { plain.clone() };
            assert_eq!(found, expected, "{dataset}, {rule}");
            assert_eq!(found != plain, stored, "{dataset}, {rule}");
        }
    }

    #[test]
    fn a_model_files_crops_are_those_of_its_recipe() {
        let (_folder, _photo, mut recipe) = made();
        assert_eq!(recipe.view("csv").filter, Filter::Bicubic);
        recipe.crops.score = ScoreCrops::Named(Corners::Corners);
        recipe.crops.enlarge = Some(Filter::Bilinear);
        let view = recipe.view("csv");
        assert_eq!((&*view.label(), view.filter), ("grid 2x2 and centre of 32", Filter::Bilinear));
    }

    #[test]
    fn looks_are_fixed_unless_every_evaluation_draws_its_own() {
        let (_folder, photo, recipe) = made();
        let pictures = Pictures::new(&recipe, 5);
        let random = |epoch| pictures.looks(&photo, Looks::Random(3), epoch).expect("crops");
        assert_eq!(random(None).len(), 3);
        assert_eq!(random(None), random(None));
        assert_ne!(random(Some(1)), random(Some(2)));
        // torchvision's FiveCrop of 50 x 40: 18 and 8 pixels are over.
        let corners = pictures.looks(&photo, Looks::Corners, None).expect("crops");
        let plain = photo.load().expect("a picture");
        for (found, (left, top)) in corners.iter().zip([(0, 0), (18, 0), (0, 8), (18, 8), (9, 4)]) {
            assert_eq!(*found, crop(&plain, left, top, 32, 32).expect("it fits"));
        }
        // A grid is that of the model file.
        let grid = pictures.looks(&photo, Looks::Grid([2, 1]), None).expect("crops");
        let file = recipe.view("csv").apply(&photo.load().expect("a picture")).expect("a view");
        assert_eq!(grid, file.looks.into_iter().flatten().collect::<Vec<_>>());
    }
}
