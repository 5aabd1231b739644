//! Poisson counts of a picture's levels. Called by `re:poisson` and `bsr:poisson`.

use biqa::random::{Draws, Poisson};

/// Values whose places are sorted by level together: they stay in a near cache.
const TILE: usize = 1 << 16;

/// Element i of field `tag` for each value: a count whose mean is that of the value's level. Values
/// of one level have one mean, so those of a tile are drawn together. Means must lie below 2^31.
pub(super) fn of_levels(
    levels: &[u8],
    mean: impl Fn(usize) -> f64,
    draws: &Draws,
    tag: u32,
) -> Vec<u32> {
    let mut often = [0; 256];
    for &q in levels {
        often[usize::from(q)] += 1;
    }
    let methods: Vec<_> = (0..256).map(|q| Poisson::of_some(mean(q), often[q])).collect();
    let mut counted = vec![0; levels.len()];
    let (mut places, mut counts) = (Places::default(), vec![0.0; TILE.min(levels.len())]);
    let tiles = levels.chunks(TILE).zip(counted.chunks_mut(TILE));
    for (first, (levels, counted)) in (0_u32..).step_by(TILE).zip(tiles) {
        places.sort(first, levels);
        for (q, method) in methods.iter().enumerate() {
            let places = places.at(q);
            let counts = &mut counts[..places.len()];
            method.draw_at(draws, tag, places, counts);
            for (&place, &count) in places.iter().zip(&*counts) {
                counted[(place - first) as usize] = count as u32;
            }
        }
    }
    counted
}

/// Where each level stands.
#[derive(Default)]
struct Places {
    /// Level by level, in order within each.
    all: Vec<u32>,
    /// Where a level's begin, and where the last ones end.
    starts: Vec<usize>,
}

impl Places {
    /// The places of `levels`, from `first` on.
    fn sort(&mut self, first: u32, levels: &[u8]) {
        let mut starts = [0; 257];
        for &q in levels {
            starts[usize::from(q) + 1] += 1;
        }
        for q in 0..256 {
            starts[q + 1] += starts[q];
        }
        self.all.resize(levels.len(), 0);
        let mut next = starts;
        for (place, &q) in (first..).zip(levels) {
            let next = &mut next[usize::from(q)];
            self.all[*next] = place;
            *next += 1;
        }
        self.starts = starts.to_vec();
    }

    fn at(&self, level: usize) -> &[u32] {
        &self.all[self.starts[level]..self.starts[level + 1]]
    }
}
