//! What is remembered of a picture: a hash to find candidates by, a small gray picture to be sure.
//!
//! Both come from one reduction: the picture, upright and sRGB, is brought to 288 x 256 with
//! Pillow's bilinear filter (the aspect ratio is not kept) and made gray, `19595 R + 38470 G +
//! 7471 B` in 65536ths, unrounded. 288 x 256 parts into 9 x 8 blocks of 32 x 32 pixels and into
//! 32 x 32 blocks of 9 x 8. Everything after the filter is a sum of integers, so that hash and
//! picture are the same on every machine.

use biqa::image::Rgb8;
use biqa::resize::{Filter, ResizeError, resize};

/// Sides of the reduced picture.
const WIDTH: usize = 288;
const HEIGHT: usize = 256;

/// Blocks that the hash compares, across and down.
const HASH_ACROSS: usize = 9;
const HASH_DOWN: usize = 8;

/// Blocks of the small gray picture, across and down.
const SIDE: usize = 32;

/// Gray levels of ITU-R BT.601 as Pillow computes them, in 65536ths.
const GRAY: [u64; 3] = [19595, 38470, 7471];

/// A picture whose gray levels vary by less (standard deviation) has nothing to correlate.
const FLAT: f64 = 1.0;

/// Flat pictures are one another's copies when their means differ by no more levels.
const FLAT_DIFFERENCE: f64 = 2.0;

/// What is remembered of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    /// Bit `8 row + column`, from the highest: block `column` of `row` is darker than its right
    /// neighbour.
    pub(super) hash: u64,
    /// The blocks of the small picture, row by row, rounded to levels.
    small: Box<[u8]>,
    mean: f64,
    deviation: f64,
}

impl Look {
    pub(super) fn of(picture: &Rgb8) -> Result<Look, ResizeError> {
        let reduced = resize(picture, WIDTH as u32, HEIGHT as u32, Filter::Bilinear)?;
        let gray: Vec<u64> = reduced
            .data()
            .as_chunks::<3>()
            .0
            .iter()
            .map(|pixel| pixel.iter().zip(GRAY).map(|(&level, weight)| u64::from(level) * weight))
            .map(Iterator::sum)
            .collect();
        let blocks = block_sums(&gray, HASH_ACROSS, HASH_DOWN);
        let mut hash = 0;
        for row in blocks.chunks_exact(HASH_ACROSS) {
            for pair in row.windows(2) {
                hash = hash << 1 | u64::from(pair[0] < pair[1]);
            }
        }
        // Sum of a block to a level: 65536ths, times the pixels of a block.
        let unit = (WIDTH / SIDE * HEIGHT / SIDE) as u64 * 65536;
        let level = |sum: &u64| ((sum + unit / 2) / unit) as u8;
        let small: Box<[u8]> = block_sums(&gray, SIDE, SIDE).iter().map(level).collect();
        let levels = || small.iter().map(|&level| u64::from(level));
        let n = small.len() as f64;
        let mean = levels().sum::<u64>() as f64 / n;
        let squares = levels().map(|level| level * level).sum::<u64>() as f64 / n;
        let deviation = (squares - mean * mean).max(0.0).sqrt();
        Ok(Look { hash, small, mean, deviation })
    }

    /// Bits that differ.
    pub(super) fn distance(&self, other: &Look) -> u32 {
        (self.hash ^ other.hash).count_ones()
    }

    /// Pearson's correlation of the small pictures. Two flat pictures of one level count as 1, a
    /// flat one and any other as 0.
    pub(super) fn correlation(&self, other: &Look) -> f64 {
        if self.deviation < FLAT || other.deviation < FLAT {
            let both = self.deviation < FLAT && other.deviation < FLAT;
            let same = (self.mean - other.mean).abs() <= FLAT_DIFFERENCE;
            return f64::from(u8::from(both && same));
        }
        let pairs = self.small.iter().zip(&other.small);
        let products = pairs.map(|(&a, &b)| u32::from(a) * u32::from(b)).sum::<u32>();
        let covariance = f64::from(products) / self.small.len() as f64 - self.mean * other.mean;
        covariance / (self.deviation * other.deviation)
    }
}

/// Sums over `across` x `down` blocks, row by row.
fn block_sums(gray: &[u64], across: usize, down: usize) -> Vec<u64> {
    let (width, height) = (WIDTH / across, HEIGHT / down);
    let mut sums = vec![0; across * down];
    for (i, level) in gray.iter().enumerate() {
        sums[i / WIDTH / height * across + i % WIDTH / width] += level;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of 288 x 256 pixels whose gray level is `level(column, row)`.
    fn look(level: impl Fn(usize, usize) -> u8) -> Look {
        let pixels = (0..WIDTH * HEIGHT).flat_map(|i| [level(i % WIDTH, i / WIDTH); 3]);
        let picture = Rgb8::new(WIDTH as u32, HEIGHT as u32, pixels.collect()).expect("the size");
        Look::of(&picture).expect("a size that can be made")
    }

    #[test]
    fn the_highest_bit_is_the_first_pair_of_the_first_row() {
        // Brighter from the second block of the first row on, so that only one pair rises.
        let found = look(|x, y| if y < 32 && x >= 32 { 200 } else { 100 });
        assert_eq!(found.hash, 1 << 63);
        let found = look(|x, y| if y >= 224 && x >= 256 { 200 } else { 100 });
        assert_eq!(found.hash, 1);
        assert_eq!(look(|x, _| (x / 2) as u8).hash, u64::MAX);
        assert_eq!(look(|_, y| y as u8).hash, 0); // equal blocks do not rise
    }

    #[test]
    fn brightness_and_contrast_do_not_part_copies() {
        let a = look(|x, y| (x / 3 + y / 4) as u8);
        let b = look(|x, y| 40 + (x / 3 + y / 4) as u8 / 2);
        assert_eq!(a.distance(&b), 0);
        assert!(a.correlation(&b) > 0.999, "{}", a.correlation(&b));
        let mirrored = look(|x, y| ((287 - x) / 3 + y / 4) as u8);
        assert_eq!(a.distance(&mirrored), 64);
        assert!(a.correlation(&mirrored) < 0.5);
    }

    #[test]
    fn correlation_is_that_of_pearson() {
        let a = look(|x, y| if x < 144 && y < 128 { 200 } else { 0 });
        let b = look(|x, _| if x < 144 { 200 } else { 0 });
        // Indicators of a quarter within a half: (1/4 - 1/8) / sqrt(3/16 * 1/4).
        let expected = 0.125 / (0.1875_f64 * 0.25).sqrt();
        assert!((a.correlation(&b) - expected).abs() < 1e-9, "{}", a.correlation(&b));
    }

    #[test]
    fn flat_pictures_are_copies_by_their_level() {
        let [black, dark, white] = [0, 2, 255].map(|level| look(|_, _| level));
        assert_eq!(black.distance(&white), 0); // which is why the hash does not decide alone
        assert_eq!((black.correlation(&dark), black.correlation(&white)), (1.0, 0.0));
        assert_eq!(black.correlation(&look(|x, _| (x / 2) as u8)), 0.0);
    }
}
