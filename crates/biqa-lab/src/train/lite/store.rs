//! Items of a frozen prefix, computed once and kept: in memory, and in a folder, a file a photo, so
//! that a resumed run, or another split of the same photos, need not compute them again.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use biqa::models::lite::Lite;
use biqa::parallel::ordered;
use biqa::scorer::hex;
use biqa::view::View;
use biqa::weights::{Array, Arrays, Precision, read_safetensors, to_safetensors};
use burn::tensor::Device;
use half::f16;
use sha2::{Digest, Sha256};

use super::super::checkpoint::write_synced;
use super::super::photo::Photo;
use super::super::recipe::lite::Distortions;
use super::super::{Progress, TrainError};
use super::items::{Copy, Item, Map, Size, item, picture};
use crate::degrade::severity::kadid;

/// Photos between two words about progress.
const NOTE: usize = 128;

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
    /// Where files go; they belong to one prefix and one set of photos.
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
        let label = source.label(copy);
        let dir = source.dir.join(&label);
        fs::create_dir_all(&dir).map_err(|e| TrainError::Io { path: dir.clone(), source: e })?;
        let chosen: Vec<usize> = (0..photos.len()).filter(|&i| only(i)).collect();
        let mut done = 0;
        let mut failed = None;
        ordered(
            source.threads,
            chosen.iter(),
            |_, &i| {
                let path = dir.join(file_name(&photos[i]));
                match read(&path, source) {
                    Some(item) => Ok(item),
                    None => compute(source, &photos[i], copy, &path),
                }
            },
            |k, result| match result {
                Ok(item) => {
                    self.items.insert((offset + chosen[k], copy), item);
                    done += 1;
                    if done % NOTE == 0 || done == chosen.len() {
                        progress.note(&format!("statistics {label}: {done} of {}", chosen.len()));
                    }
                    true
                }
                Err(e) => {
                    failed = Some(e);
                    false
                }
            },
        );
        failed.map_or(Ok(()), Err)
    }
}

/// A photo's file: its name may hold slashes and whatever else a file system dislikes.
fn file_name(photo: &Photo) -> String {
    format!("{}.safetensors", &hex(&Sha256::digest(&photo.name))[..32])
}

fn compute(
    source: &Source<'_>,
    photo: &Photo,
    copy: Copy,
    path: &Path,
) -> Result<Item, TrainError> {
    let picture = picture(photo, copy, source.seed)?;
    let mut item =
        item(source.net, source.view, source.cut, source.has_maps(), &picture, source.device)
            .map_err(|reason| photo.bad(reason))?;
    let (mut statistics, mut maps) = (Arrays::new(), Arrays::new());
    for (s, size) in item.sizes.iter().enumerate() {
        let data = size.statistics.clone();
        statistics.insert(s.to_string(), Array { shape: vec![data.len()], data });
        if let Some(Map::Activations(shape, data)) = &size.map {
            let data = data.iter().map(|v| v.to_f32()).collect();
            maps.insert(s.to_string(), Array { shape: shape.to_vec(), data });
        }
    }
    if source.has_maps() {
        put(&maps_path(path), &to_safetensors(&maps, None, Precision::F16))?;
    }
    put(path, &to_safetensors(&statistics, None, Precision::F32))?;
    if !source.maps {
        item.sizes.iter_mut().for_each(|size| size.map = None);
    }
    Ok(item)
}

/// Writes a file whole, beside its place first. Runs on one set share the folder, so the name beside
/// it is the thread's own.
fn put(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let digits = |c: &char| c.is_ascii_digit();
    let thread: String =
        format!("{:?}", std::thread::current().id()).chars().filter(digits).collect();
    let beside = path.with_file_name(format!(".partial-{thread}"));
    write_synced(&beside, bytes)?;
    fs::rename(&beside, path).map_err(|source| TrainError::Io { path: path.to_owned(), source })
}

fn maps_path(path: &Path) -> PathBuf {
    path.with_extension("maps.safetensors")
}

/// `None` unless the files are whole.
fn read(path: &Path, source: &Source<'_>) -> Option<Item> {
    let (mut statistics, _) = read_safetensors(&fs::read(path).ok()?, "statistics").ok()?;
    let mut maps = Arrays::new();
    let wanted = source.maps && source.has_maps();
    if wanted {
        maps = read_safetensors(&fs::read(maps_path(path)).ok()?, "maps").ok()?.0;
    }
    let sizes = (0..source.view.sizes()).map(|s| {
        let key = s.to_string();
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
}

impl Source<'_> {
    /// The folder of a copy. Only degraded copies depend on the seed.
    fn label(&self, copy: Copy) -> String {
        match copy {
            Copy::Plain => "plain".to_owned(),
            Copy::Flip => "flip".to_owned(),
            Copy::Ladder { of, number, level } => {
                let kind = match of {
                    Distortions::Five => "ladder".to_owned(),
                    // With more distortions the same number means another one.
                    Distortions::All => format!("all{}-", kadid().count()),
                };
                format!("{kind}{number}-{level}-{}", self.seed)
            }
            Copy::Small => "small".to_owned(),
        }
    }

    fn has_maps(&self) -> bool {
        self.cut <= biqa::nn::mobilenet::LAST
    }
}
