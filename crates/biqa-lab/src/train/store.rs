//! Items of a frozen prefix, computed once and kept: in memory, and in the run's folder so that a
//! resumed run need not compute them again.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use biqa::models::lite::Lite;
use biqa::parallel::ordered;
use biqa::view::View;
use biqa::weights::{Array, Arrays, Precision, read_safetensors, to_safetensors};
use burn::tensor::Device;
use half::f16;

use super::checkpoint::write_atomic;
use super::items::{Copy, Item, Map, Photo, Size, item, picture};
use super::{Progress, TrainError};

/// Photos of one file.
const CHUNK: usize = 128;

/// Items by photo and copy.
#[derive(Debug, Default)]
pub struct Store {
    items: HashMap<(usize, Copy), Item>,
}

/// What a store is made from.
pub struct Source<'a> {
    /// The network whose first `features` are frozen.
    pub net: &'a Lite,
    /// What it sees.
    pub view: &'a View,
    /// The entry of `features` whose input is stored beside the statistics; 19 for none.
    pub cut: usize,
    /// Whether the maps are wanted in memory now.
    pub maps: bool,
    /// The run's seed.
    pub seed: u64,
    /// Worker threads, 0 for all cores.
    pub threads: usize,
    /// The network's device, without gradients.
    pub device: &'a Device,
    /// Where files go; they belong to one prefix and one list of photos.
    pub dir: &'a Path,
}

impl Store {
    /// The item of photo `index`; it was asked for when the store was filled.
    pub fn get(&self, index: usize, copy: Copy) -> Option<&Item> {
        self.items.get(&(index, copy))
    }

    /// Adds the small copies of the first `n` photos, which follow from the plain ones.
    pub fn add_small(&mut self, n: usize) {
        for i in 0..n {
            if let Some(small) = self.get(i, Copy::Plain).and_then(Item::small) {
                self.items.insert((i, Copy::Small), small);
            }
        }
    }

    /// Computes, or reads, one copy of every photo whose position `only` accepts. `offset` is the
    /// index of the first photo.
    pub fn fill(
        &mut self,
        source: &Source<'_>,
        photos: &[Photo],
        offset: usize,
        copy: Copy,
        only: impl Fn(usize) -> bool,
        progress: &mut dyn Progress,
    ) -> Result<(), TrainError> {
        fs::create_dir_all(source.dir)
            .map_err(|e| TrainError::Io { path: source.dir.to_owned(), source: e })?;
        let chosen: Vec<usize> = (0..photos.len()).filter(|&i| only(i)).collect();
        let mut done = 0;
        for chunk in chosen.chunks(CHUNK) {
            let first = offset + chunk[0];
            let path = source.dir.join(format!("{}-{first:06}.safetensors", label(copy)));
            let items = if let Some(items) = read(&path, chunk.len(), source) {
                items
            } else {
                let photos: Vec<&Photo> = chunk.iter().map(|&i| &photos[i]).collect();
                compute(source, &photos, copy, &path)?
            };
            for (&i, item) in chunk.iter().zip(items) {
                self.items.insert((offset + i, copy), item);
            }
            done += chunk.len();
            progress.note(&format!("statistics {}: {done} of {}", label(copy), chosen.len()));
        }
        Ok(())
    }
}

fn label(copy: Copy) -> String {
    match copy {
        Copy::Plain => "plain".to_owned(),
        Copy::Flip => "flip".to_owned(),
        Copy::Ladder { number, level } => format!("ladder{number}-{level}"),
        Copy::Small => "small".to_owned(),
    }
}

fn compute(
    source: &Source<'_>,
    photos: &[&Photo],
    copy: Copy,
    path: &Path,
) -> Result<Vec<Item>, TrainError> {
    let mut items = Vec::with_capacity(photos.len());
    let mut failed = None;
    ordered(
        source.threads,
        photos.iter(),
        |_, photo| {
            let picture = picture(photo, copy, source.seed)?;
            item(source.net, source.view, source.cut, source.has_maps(), &picture, source.device)
                .map_err(|reason| TrainError::Photo { name: photo.name.clone(), reason })
        },
        |_, result| match result {
            Ok(item) => {
                items.push(item);
                true
            }
            Err(e) => {
                failed = Some(e);
                false
            }
        },
    );
    if let Some(e) = failed {
        return Err(e);
    }
    let (mut statistics, mut maps) = (Arrays::new(), Arrays::new());
    for (i, item) in items.iter().enumerate() {
        for (s, size) in item.sizes.iter().enumerate() {
            let shape = vec![size.statistics.len()];
            let data = size.statistics.clone();
            statistics.insert(format!("{i}.{s}"), Array { shape, data });
            if let Some(Map::Activations(shape, data)) = &size.map {
                let data = data.iter().map(|v| v.to_f32()).collect();
                maps.insert(format!("{i}.{s}"), Array { shape: shape.to_vec(), data });
            }
        }
    }
    if source.has_maps() {
        write_atomic(&maps_path(path), &to_safetensors(&maps, None, Precision::F16))?;
    }
    write_atomic(path, &to_safetensors(&statistics, None, Precision::F32))?;
    if !source.maps {
        items.iter_mut().flat_map(|item| &mut item.sizes).for_each(|size| size.map = None);
    }
    Ok(items)
}

fn maps_path(path: &Path) -> PathBuf {
    path.with_extension("maps.safetensors")
}

/// `None` unless the files are whole.
fn read(path: &Path, photos: usize, source: &Source<'_>) -> Option<Vec<Item>> {
    let (mut statistics, _) = read_safetensors(&fs::read(path).ok()?, "statistics").ok()?;
    let mut maps = Arrays::new();
    if source.maps && source.has_maps() {
        maps = read_safetensors(&fs::read(maps_path(path)).ok()?, "maps").ok()?.0;
    }
    let wanted = source.maps && source.has_maps();
    let sizes = statistics.len().checked_div(photos)?;
    (0..photos)
        .map(|i| {
            let sizes = (0..sizes).map(|s| {
                let key = format!("{i}.{s}");
                let map = maps.remove(&key).and_then(|array| {
                    let shape = array.shape.try_into().ok()?;
                    let data = array.data.into_iter().map(f16::from_f32).collect();
                    Some(Map::Activations(shape, data))
                });
                if map.is_some() != wanted {
                    return None;
                }
                Some(Size { statistics: statistics.remove(&key)?.data, map })
            });
            Some(Item { sizes: sizes.collect::<Option<_>>()? })
        })
        .collect()
}

impl Source<'_> {
    fn has_maps(&self) -> bool {
        self.cut <= biqa::nn::mobilenet::LAST
    }
}
