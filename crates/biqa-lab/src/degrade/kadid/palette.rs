//! 6 `color_quantize`: Wu's palette and error diffusion (`papers/degradations.md`, 2.1).

// The search must be compiled into the vectorised closure that calls it.
#![allow(clippy::inline_always)]

use biqa::image::Rgb8;
use biqa::wide::{Wide, wide};

/// Bins an axis, and edges of cumulative moments.
const BINS: usize = 32;
const EDGES: usize = BINS + 1;

/// Few colours by variance minimisation, then Floyd-Steinberg.
pub(in super::super) fn color_quantize(picture: &Rgb8, colours: usize) -> Rgb8 {
    let palette = wu(picture, colours);
    diffuse(picture, &palette)
}

/// Cumulative count, sums of the three channels, sum of squares: of all bins below an edge on every
/// axis.
type Moments = [i64; 5];

/// A half-open range of bins on every axis.
#[derive(Clone, Copy)]
struct Cuboid {
    lo: [usize; 3],
    hi: [usize; 3],
}

/// At most `colours` colours: the box of largest variance is cut where that helps most.
fn wu(picture: &Rgb8, colours: usize) -> Vec<[u8; 3]> {
    let table = cumulative(picture);
    let whole = Cuboid { lo: [0; 3], hi: [BINS; 3] };
    let mut boxes = vec![(whole, variance(&table, whole))];
    while boxes.len() < colours {
        let mut widest = 0;
        for (i, (_, v)) in boxes.iter().enumerate() {
            if *v > boxes[widest].1 {
                widest = i;
            }
        }
        let (this, v) = boxes[widest];
        if v <= 0.0 {
            break;
        }
        match best_cut(&table, this) {
            None => boxes[widest].1 = 0.0,
            Some((low, high)) => {
                boxes[widest] = (low, variance(&table, low));
                boxes.push((high, variance(&table, high)));
            }
        }
    }
    let mean = |(b, _): &(Cuboid, f64)| {
        let [n, r, g, b, _] = volume(&table, *b);
        [r, g, b].map(|s| ((2 * s + n) / (2 * n).max(1)) as u8)
    };
    boxes.iter().map(mean).collect()
}

fn cumulative(picture: &Rgb8) -> Vec<Moments> {
    let at = |[r, g, b]: [usize; 3]| (r * EDGES + g) * EDGES + b;
    let mut table = vec![[0; 5]; EDGES * EDGES * EDGES];
    for pixel in picture.data().as_chunks::<3>().0 {
        let bin = pixel.map(|v| usize::from(v >> 3) + 1);
        let [r, g, b] = pixel.map(i64::from);
        let moments = [1, r, g, b, r * r + g * g + b * b];
        table[at(bin)].iter_mut().zip(moments).for_each(|(sum, m)| *sum += m);
    }
    // Along one axis after the other.
    for step in [1, EDGES, EDGES * EDGES] {
        for i in step..table.len() {
            if i / step % EDGES != 0 {
                let before = table[i - step];
                table[i].iter_mut().zip(before).for_each(|(sum, m)| *sum += m);
            }
        }
    }
    table
}

/// The moments inside a box: eight corners with alternating signs.
fn volume(table: &[Moments], Cuboid { lo, hi }: Cuboid) -> Moments {
    let mut sum = [0; 5];
    for corner in 0..8_usize {
        let edge = |axis: usize| if corner >> axis & 1 == 1 { lo[axis] } else { hi[axis] };
        let sign = if corner.count_ones() % 2 == 1 { -1 } else { 1 };
        let moments = &table[(edge(0) * EDGES + edge(1)) * EDGES + edge(2)];
        sum.iter_mut().zip(moments).for_each(|(sum, m)| *sum += sign * m);
    }
    sum
}

/// Sum of the squared channel sums over the count.
fn weight([n, r, g, b, _]: Moments) -> f64 {
    let square = |s: i64| (s as f64) * (s as f64);
    (square(r) + square(g) + square(b)) / n as f64
}

fn variance(table: &[Moments], b: Cuboid) -> f64 {
    let moments = volume(table, b);
    if moments[0] == 0 { 0.0 } else { moments[4] as f64 - weight(moments) }
}

/// The cut with the largest sum of weights, both parts non-empty; the first of equals.
fn best_cut(table: &[Moments], whole: Cuboid) -> Option<(Cuboid, Cuboid)> {
    let mut best: Option<(f64, (Cuboid, Cuboid))> = None;
    for axis in 0..3 {
        for cut in whole.lo[axis] + 1..whole.hi[axis] {
            let (mut low, mut high) = (whole, whole);
            low.hi[axis] = cut;
            high.lo[axis] = cut;
            let (a, b) = (volume(table, low), volume(table, high));
            if a[0] == 0 || b[0] == 0 {
                continue;
            }
            let gain = weight(a) + weight(b);
            if best.as_ref().is_none_or(|(before, _)| gain > *before) {
                best = Some((gain, (low, high)));
            }
        }
    }
    best.map(|(_, parts)| parts)
}

/// Floyd-Steinberg, every row from left to right, in `f64`.
fn diffuse(picture: &Rgb8, palette: &[[u8; 3]]) -> Rgb8 {
    let mut data = Vec::with_capacity(picture.data().len());
    wide(Diffuse { picture, palette, data: &mut data });
    Rgb8::new(picture.width(), picture.height(), data).expect("one pixel out for one pixel in")
}

struct Diffuse<'a> {
    picture: &'a Rgb8,
    palette: &'a [[u8; 3]],
    data: &'a mut Vec<u8>,
}

impl Wide for Diffuse<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { picture, palette, data } = self;
        let width = picture.width() as usize;
        let search = Search::new(palette);
        let mut distances = vec![0.0; search.padded_len()];
        // One pixel of room on both sides, so that the errors that leave the picture have a place.
        let mut this = vec![[0.0; 3]; width + 2];
        let mut next = vec![[0.0; 3]; width + 2];
        let mut rows = picture.data().as_chunks::<3>().0.chunks_exact(width);
        load(&mut next, rows.next());
        for _ in 0..picture.height() {
            std::mem::swap(&mut this, &mut next);
            load(&mut next, rows.next());
            for x in 0..width {
                let wanted: [f64; 3] = this[x + 1].map(|v: f64| v.clamp(0.0, 255.0));
                let colour = palette[search.nearest(wanted, &mut distances)];
                data.extend_from_slice(&colour);
                for c in 0..3 {
                    let rest = wanted[c] - f64::from(colour[c]);
                    this[x + 2][c] += rest * (7.0 / 16.0);
                    next[x][c] += rest * (3.0 / 16.0);
                    next[x + 1][c] += rest * (5.0 / 16.0);
                    next[x + 2][c] += rest * (1.0 / 16.0);
                }
            }
        }
    }
}

fn load(target: &mut [[f64; 3]], row: Option<&[[u8; 3]]>) {
    for (target, pixel) in target[1..].iter_mut().zip(row.unwrap_or_default()) {
        *target = pixel.map(f64::from);
    }
}

/// Colours searched together.
const LANES: usize = 8;

/// The palette by channel, filled up with colours that are never near.
struct Search {
    channels: [Vec<f64>; 3],
}

impl Search {
    fn new(palette: &[[u8; 3]]) -> Search {
        let padded = palette.len().next_multiple_of(LANES);
        let channel = |c: usize| {
            let mut values: Vec<f64> = palette.iter().map(|colour| f64::from(colour[c])).collect();
            values.resize(padded, 1e9);
            values
        };
        Search { channels: [channel(0), channel(1), channel(2)] }
    }

    fn padded_len(&self) -> usize {
        self.channels[0].len()
    }

    /// The colour of smallest squared distance, the first of equals. `distances` is scratch.
    #[inline(always)]
    fn nearest(&self, [r, g, b]: [f64; 3], distances: &mut [f64]) -> usize {
        let [reds, greens, blues] = &self.channels;
        let mut smallest = [f64::INFINITY; LANES];
        let chunks = reds.as_chunks::<LANES>().0.iter().zip(greens.as_chunks::<LANES>().0);
        let chunks = chunks.zip(blues.as_chunks::<LANES>().0);
        for (((reds, greens), blues), out) in chunks.zip(distances.as_chunks_mut::<LANES>().0) {
            for i in 0..LANES {
                let (x, y, z) = (r - reds[i], g - greens[i], b - blues[i]);
                let distance = x * x + y * y + z * z;
                out[i] = distance;
                smallest[i] = if distance < smallest[i] { distance } else { smallest[i] };
            }
        }
        let smallest = smallest.iter().fold(f64::INFINITY, |a, &b| a.min(b));
        distances.iter().position(|&d| d == smallest).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    fn example() -> Rgb8 {
        let pixels: [[u8; 3]; 8] = [
            [255, 0, 0],
            [250, 10, 0],
            [0, 0, 255],
            [0, 10, 240],
            [0, 255, 0],
            [5, 245, 5],
            [128, 128, 128],
            [120, 130, 125],
        ];
        Rgb8::new(4, 2, pixels.concat()).expect("sizes fit")
    }

    #[test]
    fn palettes_are_those_of_the_specification() {
        assert_eq!(wu(&example(), 3), [[0, 5, 248], [253, 5, 0], [63, 190, 65]]);
        assert_eq!(wu(&example(), 4), [[0, 5, 248], [253, 5, 0], [3, 250, 3], [124, 129, 127]]);
    }

    #[test]
    fn enough_colours_reproduce_colours_of_distinct_bins() {
        let pixels: Vec<[u8; 3]> =
            (0..27).map(|i| [i % 3, i / 3 % 3, i / 9].map(|v| v * 100)).collect();
        let picture = Rgb8::new(9, 3, pixels.concat()).expect("sizes fit");
        assert_eq!(color_quantize(&picture, 27), picture);
        assert_eq!(color_quantize(&picture, 64), picture);
    }

    #[test]
    fn the_first_of_equally_near_colours_is_taken() {
        let search = Search::new(&[[0, 0, 0], [10, 0, 0], [10, 0, 0]]);
        let mut scratch = vec![0.0; search.padded_len()];
        assert_eq!(search.nearest([5.0, 0.0, 0.0], &mut scratch), 0);
        assert_eq!(search.nearest([6.0, 0.0, 0.0], &mut scratch), 1);
    }
}
