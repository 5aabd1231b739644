//! Poisson counts of a picture's levels. Called by `re:poisson` and `bsr:poisson`.

use biqa::random::{Draws, Poisson};

/// Element i of field `tag` for each value: a count whose mean is that of the value's level. Values
/// of one level have one mean, so they are drawn together. Means must lie below 2^31.
pub(super) fn of_levels(
    levels: &[u8],
    mean: impl Fn(usize) -> f64,
    draws: &Draws,
    tag: u32,
) -> Vec<u32> {
    let places = Places::of(levels);
    let (mut counted, mut counts) = (vec![0; levels.len()], Vec::new());
    for q in 0..256 {
        let places = places.at(q);
        if places.is_empty() {
            continue;
        }
        counts.resize(places.len(), 0.0);
        Poisson::of_some(mean(q), places.len()).draw_at(draws, tag, places, &mut counts);
        for (&place, &count) in places.iter().zip(&counts) {
            counted[place as usize] = count as u32;
        }
    }
    counted
}

/// Where each level stands.
struct Places {
    /// Level by level, in order within each.
    all: Vec<u32>,
    /// Where a level's begin, and where the last ones end.
    starts: [usize; 257],
}

impl Places {
    fn of(levels: &[u8]) -> Self {
        let mut starts = [0; 257];
        for &q in levels {
            starts[usize::from(q) + 1] += 1;
        }
        for q in 0..256 {
            starts[q + 1] += starts[q];
        }
        let (mut all, mut next) = (vec![0; levels.len()], starts);
        for (place, &q) in (0_u32..).zip(levels) {
            let next = &mut next[usize::from(q)];
            all[*next] = place;
            *next += 1;
        }
        Self { all, starts }
    }

    fn at(&self, level: usize) -> &[u32] {
        &self.all[self.starts[level]..self.starts[level + 1]]
    }
}
