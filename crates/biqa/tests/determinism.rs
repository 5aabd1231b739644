//! A picture's score is the same to the last bit whatever is scored beside it, before it, on how
//! many threads and in how large a pool.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use biqa::image::{LoadOptions, Rgb8, load};
use biqa::random::stream;
use biqa::resize::{Filter, crop, resize, short_side};
use biqa::scorer::{RunOptions, Scorer, score_all};
use tempfile::TempDir;

/// Pictures in all, and those that are tried by several callers.
const PICTURES: usize = 50;
const FEW: usize = 20;
/// Every so many-th picture stays as large as it is; all of them would take minutes.
const LARGE_EVERY: usize = 10;
/// And one is larger than the view, so that it is reduced, or seen in parts.
const LARGEST: usize = 20;

/// A picture's bits: score and raw number.
type Bits = (u64, u64);

/// The scorer, the pictures, and the bits of each when it is scored alone.
struct Ground {
    scorer: Scorer,
    _folder: TempDir,
    paths: Vec<PathBuf>,
    expected: HashMap<PathBuf, Bits>,
}

fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scorer = scorer();
        let paths = pictures(folder.path());
        let alone = |path: &PathBuf| scores(&scorer, std::slice::from_ref(path), 1)[0];
        let expected: HashMap<PathBuf, Bits> =
            paths.iter().map(|path| (path.clone(), alone(path))).collect();
        let mut different: Vec<Bits> = expected.values().copied().collect();
        different.sort_unstable();
        different.dedup();
        assert!(different.len() > PICTURES / 2, "the model tells the pictures apart");
        Ground { scorer, _folder: folder, paths, expected }
    })
}

/// The shipped model.
fn scorer() -> Scorer {
    Scorer::builtin().expect("the built-in model is whole")
}

/// Real photos, those of the dataset where it is there, brought to many sizes.
fn pictures(folder: &Path) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let places = [root.join("../shared/data/biq2021/Images"), root.join("photos")];
    let found = places.iter().map(|place| photos_in(place)).find(|photos| !photos.is_empty());
    let photos = found.expect("the repository's photos/*.jpg are gone");
    let picture = |i: usize| {
        load(&photos[i * photos.len() / PICTURES], &LoadOptions::default()).expect("a photo").rgb
    };
    (0..PICTURES)
        .map(|i| {
            let path = folder.join(format!("{i:02}.ppm"));
            fs::write(&path, ppm(&of_its_own_size(&picture(i), i))).expect("writable");
            path
        })
        .collect()
}

fn photos_in(place: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let mut photos: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a readable folder").path()).collect();
    photos.retain(|path| path.extension().is_some_and(|e| e == "jpg"));
    photos.sort();
    photos
}

/// A few as they are; the rest reduced to a short side of 96 to 256, half of them also cut.
fn of_its_own_size(picture: &Rgb8, i: usize) -> Rgb8 {
    if i.is_multiple_of(LARGE_EVERY) && i != LARGEST {
        return picture.clone();
    }
    let short = if i == LARGEST { 1100 } else { 96 + (i as u32 * 53) % 161 };
    let (w, h) = short_side(picture.width(), picture.height(), short);
    let small = resize(picture, w, h, Filter::Bicubic).expect("a size");
    match i % 4 {
        0 if i != LARGEST => crop(&small, 3, 5, w - 3, h - 5).expect("inside"), // odd sizes
        1 => crop(&small, 0, h / 4, w, h / 2 + 1).expect("inside"),             // a wide one
        2 if i % 8 == 2 => crop(&small, w / 2, 0, w / 5, h).expect("inside"),   // several windows
        _ => small,
    }
}

fn ppm(picture: &Rgb8) -> Vec<u8> {
    let mut bytes = format!("P6\n{} {}\n255\n", picture.width(), picture.height()).into_bytes();
    bytes.extend_from_slice(picture.data());
    bytes
}

fn scores(scorer: &Scorer, paths: &[PathBuf], threads: usize) -> Vec<Bits> {
    let options = RunOptions { threads, ..RunOptions::default() };
    let mut found = Vec::new();
    score_all(scorer, &mut paths.iter().cloned(), &options, &mut |i, record| {
        assert_eq!(i, found.len(), "rows come in input order");
        assert_eq!(Path::new(&record.path), paths[i]);
        let score = record.score.unwrap_or_else(|| panic!("{:?}", record.error));
        found.push((score.to_bits(), record.raw.expect("a scored row has it").to_bits()));
        true
    });
    found
}

#[track_caller]
fn check(paths: &[PathBuf], threads: usize, what: &str) {
    let ground = ground();
    let found = scores(&ground.scorer, paths, threads);
    assert_eq!(found.len(), paths.len(), "{what}");
    for (path, bits) in paths.iter().zip(found) {
        assert_eq!(bits, ground.expected[path], "{what}, {threads} threads: {}", path.display());
    }
}

/// Small ones and one large one.
fn few() -> &'static [PathBuf] {
    &ground().paths[PICTURES - FEW - 5..PICTURES - 5]
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for threads in [1, 2, 4] {
        check(&ground().paths, threads, "all pictures");
    }
}

#[test]
fn neighbours_and_position_change_no_bit() {
    for batch in 1..=8 {
        for threads in [1, 2, 4] {
            for paths in ground().paths.chunks(batch) {
                check(paths, threads, &format!("batches of {batch}"));
            }
        }
    }
}

#[test]
fn the_order_changes_no_bit() {
    for number in 0..20 {
        let order = stream(5, "order", number).permutation(PICTURES);
        let paths: Vec<PathBuf> = order.iter().map(|&i| ground().paths[i].clone()).collect();
        for paths in paths.chunks(1 + number as usize % 8) {
            check(paths, [4, 2, 1][number as usize % 3], &format!("permutation {number}"));
        }
    }
}

/// A caller of `score` brings whatever pool it has, and the network's inner loops run in it.
#[test]
fn the_size_of_the_callers_pool_changes_no_bit() {
    let ground = ground();
    for threads in [1, 2, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        for path in few() {
            let picture = load(path, &LoadOptions::default()).expect("a picture").rgb;
            let score = pool.install(|| ground.scorer.score(&picture)).expect("a score");
            let bits = (score.score.to_bits(), score.raw.to_bits());
            assert_eq!(bits, ground.expected[path], "pool of {threads}: {}", path.display());
        }
        pool.install(|| check(few(), 2, &format!("score_all in a pool of {threads}")));
    }
}

#[test]
fn one_scorer_used_by_many_callers_at_once_changes_no_bit() {
    std::thread::scope(|scope| {
        for shift in 0..3 {
            let mut paths = few().to_vec();
            paths.rotate_left(shift * 5);
            scope.spawn(move || check(&paths, 2, &format!("caller {shift}")));
        }
    });
}
