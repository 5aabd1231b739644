//! What a person would expect of scores, measured: degraded photos score lower, resized ones alike,
//! and pictures that are no photos get something that is said.

use biqa::image::{LoadOptions, Rgb8, load};
use biqa::parallel::ordered;
use biqa::random::Key;
use biqa::resize::{Filter, resize};
use biqa::scorer::Scorer;

use crate::datasets::Manifest;
use crate::degrade::severity::{chains, kadid};
use crate::degrade::{Distortion, Strength, apply_u8};
use crate::stats::quantile;
use crate::train::lite::items::FIVE;

/// Keys the noise of the degraded copies.
const SEED: u64 = 0;
/// Levels of an operation.
const LEVELS: u8 = 5;

/// One operation's ladder over all photos.
#[derive(Clone, Debug, PartialEq)]
pub struct Ladder {
    /// The operation.
    pub op: &'static str,
    /// Steps whose order is known.
    pub steps: Vec<Step>,
    /// Median score at level 1..5.
    pub medians: [f64; LEVELS as usize],
}

/// A step from a copy to the next worse one; 0 is the photo, 1 to 5 are levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The better one.
    pub from: u8,
    /// The worse one.
    pub to: u8,
    /// Share of photos whose score falls.
    pub falls: f64,
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
    /// Mean share of falling scores over the steps that `counts` takes of all operations.
    pub fn falling(&self, counts: impl Fn(&Ladder, Step) -> bool) -> f64 {
        let steps = self.ladders.iter().flat_map(|l| l.steps.iter().map(move |step| (l, *step)));
        let taken: Vec<f64> =
            steps.filter(|(l, step)| counts(l, *step)).map(|s| s.1.falls).collect();
        taken.iter().sum::<f64>() / taken.len() as f64
    }
}

impl Ladder {
    /// Whether it is one of the five that `lite` 2 learnt from.
    pub fn is_of_the_five(&self) -> bool {
        FIVE.contains(&self.op)
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
        ladders: kadid().map(ladder).collect::<Result<_, _>>()?,
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
        let step = |pair: &[u8]| {
            let [from, to] = [pair[0], pair[1]];
            let at = |s: &Scores, level: u8| s.ladders[o][usize::from(level)];
            let falls = all.iter().filter(|s| at(s, to) < at(s, from)).count();
            Step { from, to, falls: falls as f64 / all.len() as f64 }
        };
        let mut steps: Vec<Step> =
            chains(op.name).iter().flat_map(|chain| chain.windows(2).map(step)).collect();
        steps.sort_by_key(|step| (step.from, step.to));
        Ladder {
            op: op.name,
            steps,
            medians: std::array::from_fn(|k| {
                median(all.iter().map(|s| s.ladders[o][k + 1]).collect())
            }),
        }
    };
    Sanity {
        photos: all.len(),
        ladders: kadid().enumerate().map(ladder).collect(),
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
