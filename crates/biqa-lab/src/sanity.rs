//! What a person would expect of scores, measured: degraded photos score lower, resized ones alike,
//! and pictures that are no photos get something that is said.

use biqa::image::{LoadOptions, Rgb8, load};
use biqa::parallel::ordered;
use biqa::random::Key;
use biqa::resize::{Filter, resize};
use biqa::scorer::Scorer;

use crate::datasets::Manifest;
use crate::degrade::{Distortion, Strength, apply_u8, distortion};
use crate::stats::quantile;
use crate::train::lite::items::LADDER_OPS;

/// Keys the noise of the degraded copies.
const SEED: u64 = 0;
/// Levels of an operation.
const LEVELS: u8 = 5;

/// One operation's ladder over all photos.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    /// The operation.
    pub op: &'static str,
    /// Share of photos whose score falls from the photo to level 1, from 1 to 2, ..., from 4 to 5.
    pub falls: [f64; LEVELS as usize],
    /// Whether level 1 changes a picture at all; if not, the first entry of `falls` says nothing.
    pub first_counts: bool,
    /// Median score at level 1..5.
    pub medians: [f64; LEVELS as usize],
}

/// What [`measure`] finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Sanity {
    /// Photos.
    pub photos: usize,
    /// By operation.
    pub ladders: Vec<Ladder>,
    /// Median absolute change of the score at half size, in points.
    pub half: f64,
    /// The same at double size.
    pub double: f64,
    /// Pictures that are no photos: what, score.
    pub others: Vec<(&'static str, f64)>,
}

impl Sanity {
    /// Share of adjacent steps that lower the score, over all operations. Steps from the photo to
    /// level 1 are among them, but for the operation whose level 1 is the identity.
    pub fn falling(&self) -> f64 {
        let steps = self.ladders.iter().flat_map(|l| &l.falls[usize::from(!l.first_counts)..]);
        let steps: Vec<f64> = steps.copied().collect();
        steps.iter().sum::<f64>() / steps.len() as f64
    }

    /// The same over the steps between levels alone.
    pub fn falling_between_levels(&self) -> f64 {
        let steps: Vec<f64> = self.ladders.iter().flat_map(|l| &l.falls[1..]).copied().collect();
        steps.iter().sum::<f64>() / steps.len() as f64
    }
}

/// Scores of one photo and its copies.
struct Scores {
    ladders: Vec<[f64; LEVELS as usize + 1]>,
    half: f64,
    double: f64,
}

/// Measures `count` photos of `rows`, evenly spaced. Errors are texts that name the photo.
pub fn measure(
    scorer: &Scorer,
    manifest: &Manifest,
    rows: &[usize],
    count: usize,
    threads: usize,
) -> Result<Sanity, String> {
    let count = count.min(rows.len());
    let chosen = (0..count).map(|k| rows[k * rows.len() / count]);
    let mut all = Vec::with_capacity(count);
    let mut failed = None;
    ordered(
        threads,
        chosen,
        |_, i| {
            let row = &manifest.rows[i];
            let picture =
                load(&manifest.file(row), &LoadOptions::default()).map_err(|e| e.to_string())?.rgb;
            scores(scorer, &picture, &row.path).map_err(|e| format!("{}: {e}", row.path))
        },
        |_, result: Result<Scores, String>| {
            result.map(|scores| all.push(scores)).map_err(|e| failed = Some(e)).is_ok()
        },
    );
    match failed {
        Some(reason) => Err(reason),
        None => Ok(summary(&all, others(scorer)?)),
    }
}

/// The operations that the trainer's ladders know.
fn operations() -> impl Iterator<Item = &'static Distortion> {
    LADDER_OPS.iter().filter_map(|name| distortion("kadid", name))
}

fn scores(scorer: &Scorer, picture: &Rgb8, name: &str) -> Result<Scores, String> {
    let score = |p: &Rgb8| scorer.score(p).map(|s| s.score).map_err(|e| e.to_string());
    let plain = score(picture)?;
    let ladder = |op: &Distortion| -> Result<_, String> {
        let mut steps = [plain; LEVELS as usize + 1];
        for level in 1..=LEVELS {
            let key = Key::of_picture(SEED, name, 0);
            let copy = apply_u8(picture, op, Strength::Level(level), key, 0);
            steps[usize::from(level)] = score(&copy.map_err(|e| e.to_string())?)?;
        }
        Ok(steps)
    };
    let sized = |factor: f64| -> Result<f64, String> {
        let side = |n: u32| ((f64::from(n) * factor) as u32).max(1);
        let (w, h) = (side(picture.width()), side(picture.height()));
        let copy = resize(picture, w, h, Filter::Bicubic).map_err(|e| e.to_string())?;
        Ok((score(&copy)? - plain).abs())
    };
    Ok(Scores {
        ladders: operations().map(ladder).collect::<Result<_, _>>()?,
        half: sized(0.5)?,
        double: sized(2.0)?,
    })
}

fn summary(all: &[Scores], others: Vec<(&'static str, f64)>) -> Sanity {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        quantile(&values, 0.5).unwrap_or(f64::NAN)
    };
    let ladder = |(o, op): (usize, &Distortion)| {
        let fall = |k: usize| {
            let falls = all.iter().filter(|s| s.ladders[o][k + 1] < s.ladders[o][k]).count();
            falls as f64 / all.len() as f64
        };
        Ladder {
            op: op.name,
            falls: std::array::from_fn(fall),
            first_counts: op.name != "gaussian_blur", // sigma 0.1: one tap
            medians: std::array::from_fn(|k| {
                median(all.iter().map(|s| s.ladders[o][k + 1]).collect())
            }),
        }
    };
    Sanity {
        photos: all.len(),
        ladders: operations().enumerate().map(ladder).collect(),
        half: median(all.iter().map(|s| s.half).collect()),
        double: median(all.iter().map(|s| s.double).collect()),
        others,
    }
}

/// Side of the made pictures, in pixels.
const SIDE: u32 = 512;

/// A made picture: its colour at column x and row y.
type Pixel = fn(u32, u32) -> [u8; 3];

/// Pictures that are no photos.
fn others(scorer: &Scorer) -> Result<Vec<(&'static str, f64)>, String> {
    let made: [(&'static str, Pixel); 7] = [
        ("flat black", |_, _| [0; 3]),
        ("flat mid-gray", |_, _| [128; 3]),
        ("flat white", |_, _| [255; 3]),
        ("flat red", |_, _| [200, 30, 30]),
        ("smooth gradient", |x, y| [(x / 2) as u8, (y / 2) as u8, 128]),
        ("text-like screenshot", text),
        ("line drawing", drawing),
    ];
    let score = |(name, pixel): (&'static str, Pixel)| {
        let data = (0..SIDE * SIDE).flat_map(|i| pixel(i % SIDE, i / SIDE)).collect();
        let picture = Rgb8::new(SIDE, SIDE, data).expect("the size fits");
        scorer.score(&picture).map(|s| (name, s.score)).map_err(|e| format!("{name}: {e}"))
    };
    made.into_iter().map(score).collect()
}

/// Rows of dark letter-like marks on white.
fn text(x: u32, y: u32) -> [u8; 3] {
    let (line, row) = (y / 18, y % 18);
    let (letter, column) = (x / 9, x % 9);
    let hash = letter.wrapping_mul(2_654_435_761).wrapping_add(line.wrapping_mul(40_503)) >> 3;
    let inside = (4..14).contains(&row) && (1..7).contains(&column) && hash % 7 != 0;
    let stroke = (hash >> ((row / 3) * 3 + column / 3)) & 1 == 1 || column == 1;
    if inside && stroke && x > 20 && x < SIDE - 20 { [25; 3] } else { [250; 3] }
}

/// Circles and lines on white.
fn drawing(x: u32, y: u32) -> [u8; 3] {
    let (dx, dy) = (f64::from(x) - 256.0, f64::from(y) - 256.0);
    let ring = [60.0, 120.0, 200.0].iter().any(|r| ((dx * dx + dy * dy).sqrt() - r).abs() < 2.0);
    let line = (dx - dy).abs() < 2.0 || (dx + 2.0 * dy).abs() < 3.0;
    if ring || line { [10, 10, 10] } else { [255, 255, 255] }
}
