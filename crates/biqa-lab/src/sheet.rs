//! The contact sheet of `biqa degrade --sheet`: every distortion that has levels, at all five.

use biqa::image::Rgb8;
use biqa::parallel::ordered;
use biqa::random::Key;
use biqa::resize::crop;

use crate::copies::{BatchError, given};
use crate::degrade::{Distortion, distortions};

/// The levels of a distortion.
const LEVELS: u8 = 5;
/// Rows below each other; what is more stands beside them, in columns of equal length.
const MOST: usize = 30;
/// Pixels of a letter's dot.
const DOT: usize = 2;
/// Dots of a letter's cell: five and a gap, seven and two above and below.
const CELL: [usize; 2] = [6, 11];
/// Letters that reach two dots below the line.
const DEEP: &str = "gpqy";
/// What falls on few places of a whole picture is done to the part that is shown, where all of it is seen.
const PLACED: [&str; 2] = ["patch_swap", "color_block"];
const INK: [u8; 3] = [24; 3];
const PAPER: u8 = 255;

/// What is shown of a picture, and how it is made.
#[derive(Debug, Clone, Copy)]
pub struct Sheet<'a> {
    /// The family whose distortions are shown; `None`: those of all that have levels.
    pub family: Option<&'a str>,
    /// Pixels of a side of a copy's middle.
    pub side: u32,
    /// With the picture's name, what is drawn.
    pub seed: u64,
    /// The picture's name.
    pub name: &'a str,
    /// Worker threads; 0: all cores. The sheet does not depend on it.
    pub threads: usize,
}

/// The families that have levels, in the order of the sheet.
pub fn families() -> Vec<&'static str> {
    let mut families: Vec<_> = with_levels().map(|op| op.family).collect();
    families.dedup();
    families
}

/// The distortions that have levels: one that has none has no row.
fn with_levels() -> impl Iterator<Item = &'static Distortion> {
    distortions().filter(|op| !op.levels.is_empty())
}

impl Sheet<'_> {
    /// The distortions, a row each.
    pub fn rows(&self) -> Vec<&'static Distortion> {
        with_levels().filter(|op| self.family.is_none_or(|family| op.family == family)).collect()
    }

    /// A row an operation under its number and name, the picture and its five levels beside each
    /// other: of each the middle, `side` pixels wide and high, as it is. Made smaller, fine noise
    /// and slight blur could not be seen. What falls on few places, patches and blocks, is done to
    /// the middle itself. `row_is_made` is told of every row.
    ///
    /// # Errors
    /// Those of the operations.
    pub fn of(&self, picture: &Rgb8, mut row_is_made: impl FnMut()) -> Result<Rgb8, BatchError> {
        let small = middle(picture, self.side)?;
        let rows = self.rows();
        let labels: Vec<String> =
            rows.iter().map(|op| format!("{:02} {}:{}", op.number, op.family, op.name)).collect();
        let margin = (labels.iter().map(String::len).max().unwrap_or(0) + 1) * CELL[0] * DOT;
        let top = CELL[1] * DOT;
        let (cell_width, cell_height) = (small.width() as usize, small.height() as usize);
        let cells = 1 + usize::from(LEVELS);
        let columns = rows.len().div_ceil(MOST).max(1);
        let [width, length] = [margin + cells * cell_width, rows.len().div_ceil(columns)];
        let mut sheet = Canvas::new(columns * width, top + length * cell_height);
        for column in 0..columns {
            for cell in 0..cells {
                let title = if cell == 0 { "picture".to_owned() } else { format!("level {cell}") };
                sheet.write(&title, column * width + margin + cell * cell_width, 0);
            }
        }
        let mut broken = None;
        ordered(
            self.threads,
            rows.into_iter(),
            |_, op| self.levels(op, picture, &small),
            |row, levels| {
                let [x, y] = [row / length * width, top + row % length * cell_height];
                sheet.write(&labels[row], x, y);
                sheet.put(&small, x + margin, y);
                match levels {
                    Ok(copies) => copies.iter().zip(1..).for_each(|(copy, level)| {
                        sheet.put(copy, x + margin + level * cell_width, y);
                    }),
                    Err(error) => broken = Some(error),
                }
                row_is_made();
                broken.is_none()
            },
        );
        broken.map_or_else(|| Ok(sheet.into_picture()), Err)
    }

    /// The middles of a distortion's copies, or the copies of the middle.
    fn levels(
        &self,
        op: &Distortion,
        picture: &Rgb8,
        small: &Rgb8,
    ) -> Result<Vec<Rgb8>, BatchError> {
        let small = PLACED.contains(&op.name).then_some(small);
        let copy = |level: u8| {
            let stream = u64::from(op.number) * 10 + u64::from(level);
            let key = Key::of_picture(self.seed, self.name, stream);
            let address = given(&format!("{}:{}@{level}", op.family, op.name), key)?;
            match small {
                Some(small) => Ok(address.apply_levels(small)?),
                None => middle(&address.apply_levels(picture)?, self.side),
            }
        };
        (1..=LEVELS).map(copy).collect()
    }
}

fn middle(picture: &Rgb8, side: u32) -> Result<Rgb8, BatchError> {
    let (width, height) = (picture.width().min(side), picture.height().min(side));
    let (left, top) = ((picture.width() - width) / 2, (picture.height() - height) / 2);
    crop(picture, left, top, width, height).map_err(|e| BatchError::Load(e.to_string()))
}

/// White paper.
struct Canvas {
    width: usize,
    data: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, data: vec![PAPER; width * height * 3] }
    }

    /// Puts a picture with its corner at column `x`, row `y`.
    fn put(&mut self, picture: &Rgb8, x: usize, y: usize) {
        let row = picture.width() as usize * 3;
        for (k, pixels) in picture.data().chunks_exact(row).enumerate() {
            let first = ((y + k) * self.width + x) * 3;
            self.data[first..first + row].copy_from_slice(pixels);
        }
    }

    /// Writes a line; a letter without a picture here is a space.
    fn write(&mut self, text: &str, x: usize, y: usize) {
        for (place, letter) in text.chars().enumerate() {
            let Some((_, rows)) = LETTERS.iter().find(|(of, _)| *of == letter) else { continue };
            let x = x + (place * CELL[0] + 1) * DOT;
            let line = if DEEP.contains(letter) { 4 } else { 2 };
            for (down, row) in rows.iter().enumerate() {
                for across in (0..5).filter(|across| row >> (4 - across) & 1 == 1) {
                    self.dot(x + across * DOT, y + (down + line) * DOT);
                }
            }
        }
    }

    /// A dot; outside of the paper there is none.
    fn dot(&mut self, x: usize, y: usize) {
        for y in y..y + DOT {
            for x in x..(x + DOT).min(self.width) {
                if let Some(pixel) = self.data.as_chunks_mut::<3>().0.get_mut(y * self.width + x) {
                    *pixel = INK;
                }
            }
        }
    }

    fn into_picture(self) -> Rgb8 {
        let height = self.data.len() / (3 * self.width);
        Rgb8::new(self.width as u32, height as u32, self.data).expect("the paper is whole rows")
    }
}

/// Seven rows of five dots.
#[rustfmt::skip]
#[allow(clippy::unusual_byte_groupings)]
const LETTERS: [(char, [u8; 7]); 38] = [
    ('a', [0b00000, 0b00000, 0b01110, 0b00001, 0b01111, 0b10001, 0b01111]),
    ('b', [0b10000, 0b10000, 0b10110, 0b11001, 0b10001, 0b10001, 0b11110]),
    ('c', [0b00000, 0b00000, 0b01110, 0b10000, 0b10000, 0b10001, 0b01110]),
    ('d', [0b00001, 0b00001, 0b01101, 0b10011, 0b10001, 0b10001, 0b01111]),
    ('e', [0b00000, 0b00000, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110]),
    ('f', [0b00110, 0b01000, 0b11100, 0b01000, 0b01000, 0b01000, 0b01000]),
    ('g', [0b01111, 0b10001, 0b10001, 0b10001, 0b01111, 0b00001, 0b01110]),
    ('h', [0b10000, 0b10000, 0b10110, 0b11001, 0b10001, 0b10001, 0b10001]),
    ('i', [0b00100, 0b00000, 0b01100, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('j', [0b00010, 0b00000, 0b00110, 0b00010, 0b00010, 0b10010, 0b01100]),
    ('k', [0b10000, 0b10000, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010]),
    ('l', [0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('m', [0b00000, 0b00000, 0b11010, 0b10101, 0b10101, 0b10001, 0b10001]),
    ('n', [0b00000, 0b00000, 0b10110, 0b11001, 0b10001, 0b10001, 0b10001]),
    ('o', [0b00000, 0b00000, 0b01110, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('p', [0b10110, 0b11001, 0b10001, 0b11001, 0b10110, 0b10000, 0b10000]),
    ('q', [0b01101, 0b10011, 0b10001, 0b10011, 0b01101, 0b00001, 0b00001]),
    ('r', [0b00000, 0b00000, 0b10110, 0b11001, 0b10000, 0b10000, 0b10000]),
    ('s', [0b00000, 0b00000, 0b01111, 0b10000, 0b01110, 0b00001, 0b11110]),
    ('t', [0b01000, 0b01000, 0b11100, 0b01000, 0b01000, 0b01001, 0b00110]),
    ('u', [0b00000, 0b00000, 0b10001, 0b10001, 0b10001, 0b10011, 0b01101]),
    ('v', [0b00000, 0b00000, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100]),
    ('w', [0b00000, 0b00000, 0b10001, 0b10001, 0b10101, 0b10101, 0b01010]),
    ('x', [0b00000, 0b00000, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001]),
    ('y', [0b10001, 0b10001, 0b10001, 0b10011, 0b01101, 0b00001, 0b01110]),
    ('z', [0b00000, 0b00000, 0b11111, 0b00010, 0b00100, 0b01000, 0b11111]),
    ('_', [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b11111]),
    (':', [0b00000, 0b00000, 0b00100, 0b00000, 0b00000, 0b00000, 0b00100]),
    ('0', [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110]),
    ('1', [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('2', [0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111]),
    ('3', [0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110]),
    ('4', [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010]),
    ('5', [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110]),
    ('6', [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110]),
    ('7', [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000]),
    ('8', [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110]),
    ('9', [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100]),
];

#[cfg(test)]
mod tests {
    use super::*;

    const KADID: Sheet<'_> =
        Sheet { family: Some("kadid"), side: 64, seed: 0, name: "a.png", threads: 2 };

    fn picture() -> Rgb8 {
        let data = (0..64 * 50 * 3).map(|i| (i * 7 % 251) as u8).collect();
        Rgb8::new(64, 50, data).expect("sizes fit")
    }

    /// `n` pixels from column `x` on of row `y`.
    fn pixels(sheet: &Rgb8, x: u32, y: u32, n: usize) -> &[[u8; 3]] {
        let first = (y * sheet.width() + x) as usize;
        &sheet.data().as_chunks::<3>().0[first..first + n]
    }

    #[test]
    fn every_letter_of_every_label_has_a_picture() {
        let rows = with_levels().flat_map(|op| [op.family, op.name]);
        let names = rows.chain(["picture", "level", ":"]).collect::<String>();
        for letter in names.chars().chain('0'..='9') {
            assert!(LETTERS.iter().any(|(of, _)| *of == letter), "{letter}");
        }
    }

    #[test]
    fn the_picture_stands_in_every_row_under_the_titles() {
        let picture = picture();
        let mut made = 0;
        let sheet = KADID.of(&picture, || made += 1).expect("it is made");
        let top = (CELL[1] * DOT) as u32;
        assert_eq!((sheet.height(), made), (top + 25 * 50, 25));
        let left = sheet.width() - 6 * 64;
        for k in 0..25 {
            let there = pixels(&sheet, left, top + k * 50, 64).as_flattened();
            assert_eq!(there, &picture.data()[..64 * 3], "row {k}");
        }
        let ink =
            |y0: u32, y1: u32| (y0..y1).any(|y| pixels(&sheet, 0, y, left as usize).contains(&INK));
        assert!(!ink(0, top) && (0..25).all(|k| ink(top + k * 50, top + (k + 1) * 50)));
    }

    #[test]
    fn all_families_stand_in_columns_of_equal_length() {
        let picture = picture();
        let all = Sheet { family: None, side: 48, threads: 1, ..KADID };
        assert_eq!(families(), ["kadid", "qpt", "arniqa", "reiqa"]);
        let rows = all.rows();
        assert_eq!(rows.len(), 25 + 29 + 18 + 12, "as the table says");
        let sheet = all.of(&picture, || ()).expect("it is made");
        let top = (CELL[1] * DOT) as u32;
        assert_eq!((sheet.height() - top) % (28 * 48), 0, "three columns of 28");
        // The last row's last level is what its address makes.
        let last = rows[rows.len() - 1];
        let stream = u64::from(last.number) * 10 + 5;
        let key = Key::of_picture(0, "a.png", stream);
        let address = given(&format!("reiqa:{}@5", last.name), key).expect("an address");
        let copy = middle(&address.apply_levels(&picture).expect("made"), 48).expect("cut");
        let [x, y] = [sheet.width() - 48, top + 27 * 48];
        for k in 0..48 {
            let there = pixels(&sheet, x, y + k, 48).as_flattened();
            assert_eq!(there, &copy.data()[(k * 48 * 3) as usize..][..48 * 3], "line {k}");
        }
        let threads = Sheet { threads: 2, ..all }.of(&picture, || ()).expect("it is made");
        assert_eq!(sheet, threads);
    }
}
