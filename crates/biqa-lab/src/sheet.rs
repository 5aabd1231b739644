//! The contact sheet of `biqa degrade --sheet`: every distortion of KADID-10k at its five levels.

use biqa::image::Rgb8;
use biqa::random::Key;
use biqa::resize::crop;

use crate::copies::{BatchError, given};
use crate::degrade::severity;

/// The levels of a distortion of KADID-10k.
const LEVELS: u8 = 5;
/// Pixels of a letter's dot.
const DOT: usize = 2;
/// Dots of a letter's cell: five and a gap, seven and a gap above and below.
const CELL: [usize; 2] = [6, 11];
const INK: [u8; 3] = [24; 3];
const PAPER: u8 = 255;

/// A row an operation of `kadid:` under its number and name, the picture and its five levels beside
/// each other: of each the middle, `side` pixels wide and high, as it is. Made smaller, fine noise and
/// slight blur could not be seen.
///
/// # Errors
/// Those of the operations.
pub fn sheet(picture: &Rgb8, seed: u64, name: &str, side: u32) -> Result<Rgb8, BatchError> {
    let small = middle(picture, side)?;
    let rows: Vec<_> = severity::kadid().collect();
    let labels: Vec<String> =
        rows.iter().map(|op| format!("{:02} {}", op.number, op.name)).collect();
    let margin = labels.iter().map(String::len).max().unwrap_or(0) + 1;
    let (left, top) = (margin * CELL[0] * DOT, CELL[1] * DOT);
    let (cell_width, cell_height) = (small.width() as usize, small.height() as usize);
    let columns = 1 + usize::from(LEVELS);
    let mut sheet = Canvas::new(left + columns * cell_width, top + rows.len() * cell_height);
    for column in 0..columns {
        let title = if column == 0 { "picture".to_owned() } else { format!("level {column}") };
        sheet.write(&title, left + column * cell_width, 0);
    }
    for (row, (op, label)) in rows.iter().zip(&labels).enumerate() {
        let y = top + row * cell_height;
        sheet.write(label, 0, y);
        sheet.put(&small, left, y);
        for level in 1..=LEVELS {
            let key = Key::of_picture(seed, name, u64::from(op.number) * 10 + u64::from(level));
            let address = given(&format!("kadid:{}@{level}", op.name), key)?;
            let copy = middle(&address.apply_levels(picture)?, side)?;
            sheet.put(&copy, left + usize::from(level) * cell_width, y);
        }
    }
    Ok(sheet.into_picture())
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
            for (down, row) in rows.iter().enumerate() {
                for across in (0..5).filter(|across| row >> (4 - across) & 1 == 1) {
                    self.dot(x + across * DOT, y + (down + 2) * DOT);
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
const LETTERS: [(char, [u8; 7]); 37] = [
    ('a', [0b00000, 0b00000, 0b01110, 0b00001, 0b01111, 0b10001, 0b01111]),
    ('b', [0b10000, 0b10000, 0b10110, 0b11001, 0b10001, 0b10001, 0b11110]),
    ('c', [0b00000, 0b00000, 0b01110, 0b10000, 0b10000, 0b10001, 0b01110]),
    ('d', [0b00001, 0b00001, 0b01101, 0b10011, 0b10001, 0b10001, 0b01111]),
    ('e', [0b00000, 0b00000, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110]),
    ('f', [0b00110, 0b01000, 0b11100, 0b01000, 0b01000, 0b01000, 0b01000]),
    ('g', [0b00000, 0b01111, 0b10001, 0b10001, 0b01111, 0b00001, 0b01110]),
    ('h', [0b10000, 0b10000, 0b10110, 0b11001, 0b10001, 0b10001, 0b10001]),
    ('i', [0b00100, 0b00000, 0b01100, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('j', [0b00010, 0b00000, 0b00110, 0b00010, 0b00010, 0b10010, 0b01100]),
    ('k', [0b10000, 0b10000, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010]),
    ('l', [0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('m', [0b00000, 0b00000, 0b11010, 0b10101, 0b10101, 0b10001, 0b10001]),
    ('n', [0b00000, 0b00000, 0b10110, 0b11001, 0b10001, 0b10001, 0b10001]),
    ('o', [0b00000, 0b00000, 0b01110, 0b10001, 0b10001, 0b10001, 0b01110]),
    ('p', [0b00000, 0b00000, 0b11110, 0b10001, 0b11110, 0b10000, 0b10000]),
    ('q', [0b00000, 0b00000, 0b01101, 0b10011, 0b01111, 0b00001, 0b00001]),
    ('r', [0b00000, 0b00000, 0b10110, 0b11001, 0b10000, 0b10000, 0b10000]),
    ('s', [0b00000, 0b00000, 0b01111, 0b10000, 0b01110, 0b00001, 0b11110]),
    ('t', [0b01000, 0b01000, 0b11100, 0b01000, 0b01000, 0b01001, 0b00110]),
    ('u', [0b00000, 0b00000, 0b10001, 0b10001, 0b10001, 0b10011, 0b01101]),
    ('v', [0b00000, 0b00000, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100]),
    ('w', [0b00000, 0b00000, 0b10001, 0b10001, 0b10101, 0b10101, 0b01010]),
    ('x', [0b00000, 0b00000, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001]),
    ('y', [0b00000, 0b00000, 0b10001, 0b10001, 0b01111, 0b00001, 0b01110]),
    ('z', [0b00000, 0b00000, 0b11111, 0b00010, 0b00100, 0b01000, 0b11111]),
    ('_', [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b11111]),
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

    #[test]
    fn every_letter_of_every_label_has_a_picture() {
        let titles = ["picture", "level"];
        let names = severity::kadid().map(|op| op.name).chain(titles).collect::<String>();
        for letter in names.chars().chain('0'..='9') {
            assert!(LETTERS.iter().any(|(of, _)| *of == letter), "{letter}");
        }
    }

    #[test]
    fn the_picture_stands_in_every_row_under_the_titles() {
        let data = (0..64 * 50 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let picture = Rgb8::new(64, 50, data).expect("sizes fit");
        let sheet = sheet(&picture, 0, "a.png", 64).expect("it is made");
        let top = (CELL[1] * DOT) as u32;
        assert_eq!(sheet.height(), top + 25 * 50);
        let left = sheet.width() - 6 * 64;
        let row = |y: u32| {
            let first = ((y * sheet.width() + left) * 3) as usize;
            &sheet.data()[first..first + 64 * 3]
        };
        for k in 0..25 {
            assert_eq!(row(top + k * 50), &picture.data()[..64 * 3], "row {k}");
        }
        let ink = |y0: u32, y1: u32| {
            let of = |y: u32| {
                let first = (y * sheet.width() * 3) as usize;
                sheet.data()[first..first + left as usize * 3].as_chunks::<3>().0
            };
            (y0..y1).any(|y| of(y).contains(&INK))
        };
        assert!(!ink(0, top) && (0..25).all(|k| ink(top + k * 50, top + (k + 1) * 50)));
    }
}
