//! From component planes to interleaved samples: libjpeg's chroma upsampling and colour conversion,
//! which define the levels that the papers' code saw (papers/images.md, section 1).

use super::frame::{Component, Frame};

/// Writes rows of one component at full resolution.
pub(super) struct Upsampler<'a> {
    component: &'a Component,
    kind: Kind,
    /// Samples of a row that belong to the picture.
    width: usize,
    last_row: usize,
    /// Column sums of the two rows that a 4:2:0 row is made of.
    sums: Vec<i32>,
}

/// libjpeg's choice (jdsample.c): the triangle filter for factors of two, repetition for the rest.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Full,
    /// 2:1 across.
    H2V1,
    /// 1:2 down.
    H1V2,
    /// 2:1 both ways.
    H2V2,
    /// Nearest sample: `x * h / h_max`.
    Repeat {
        h: usize,
        h_max: usize,
        v: usize,
        v_max: usize,
    },
}

impl<'a> Upsampler<'a> {
    pub(super) fn new(frame: &Frame, component: &'a Component) -> Self {
        let (h, v) = (component.h, component.v);
        let (width, height) = (component.width, component.height);
        // A component of one or two columns has no inner samples: libjpeg repeats those.
        let fancy = width > 2;
        let repeat = Kind::Repeat { h, h_max: frame.h_max, v, v_max: frame.v_max };
        let kind = match (
            frame.h_max == h,
            frame.h_max == 2 * h,
            frame.v_max == v,
            frame.v_max == 2 * v,
        ) {
            (true, _, true, _) => Kind::Full,
            (_, true, true, _) if fancy => Kind::H2V1,
            (true, _, _, true) => Kind::H1V2,
            (_, true, _, true) if fancy => Kind::H2V2,
            _ => repeat,
        };
        Self { component, kind, width, last_row: height - 1, sums: vec![0; width] }
    }

    fn row(&self, y: usize) -> &'a [u8] {
        &self.component.plane[y * self.component.stride..][..self.width]
    }

    /// Row `y` of the picture into `out` (as long as the picture is wide).
    pub(super) fn write(&mut self, y: usize, out: &mut [u8]) {
        // The nearer and the farther of the two rows around a row of a component half as high.
        let (near, upper) = ((y / 2).min(self.last_row), y.is_multiple_of(2));
        let far = if upper { near.saturating_sub(1) } else { (near + 1).min(self.last_row) };
        match self.kind {
            Kind::Full => out.copy_from_slice(&self.row(y)[..out.len()]),
            Kind::H2V1 => h2v1(self.row(y), out),
            Kind::H1V2 => {
                let bias = if upper { 1 } else { 2 };
                for ((out, &a), &b) in out.iter_mut().zip(self.row(near)).zip(self.row(far)) {
                    *out = ((3 * u16::from(a) + u16::from(b) + bias) >> 2) as u8;
                }
            }
            Kind::H2V2 => {
                let (near, far) = (self.row(near), self.row(far));
                for ((sum, &a), &b) in self.sums.iter_mut().zip(near).zip(far) {
                    *sum = 3 * i32::from(a) + i32::from(b);
                }
                h2v2(&self.sums, out);
            }
            Kind::Repeat { h, h_max, v, v_max } => {
                let row = self.row((y * v / v_max).min(self.last_row));
                for (x, out) in out.iter_mut().enumerate() {
                    *out = row[(x * h / h_max).min(self.width - 1)];
                }
            }
        }
    }
}

/// Each sample becomes two, 3/4 to 1/4 with its neighbour; rounding alternates (1, then 2).
fn h2v1(row: &[u8], out: &mut [u8]) {
    let last = row.len() - 1;
    let at = |i: usize| u16::from(row[i]);
    for (x, out) in out.chunks_mut(2).enumerate() {
        let v = 3 * at(x);
        out[0] = if x == 0 { row[0] } else { ((v + at(x - 1) + 1) >> 2) as u8 };
        if let Some(right) = out.get_mut(1) {
            *right = if x == last { row[last] } else { ((v + at(x + 1) + 2) >> 2) as u8 };
        }
    }
}

/// As [`h2v1`], on sums that are four times the samples; rounding alternates (8, then 7).
fn h2v2(sums: &[i32], out: &mut [u8]) {
    let last = sums.len() - 1;
    for (x, out) in out.chunks_mut(2).enumerate() {
        let v = sums[x];
        let left = if x == 0 { v } else { sums[x - 1] };
        out[0] = ((3 * v + left + 8) >> 4) as u8;
        if let Some(out) = out.get_mut(1) {
            let right = if x == last { v } else { sums[x + 1] };
            *out = ((3 * v + right + 7) >> 4) as u8;
        }
    }
}

/// YCbCr to RGB in libjpeg's 16-bit fixed point, in place of the three planes' rows.
pub(super) fn ycc_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((91881 * cr + HALF) >> 16); // 1.40200
    let green = y + ((-22554 * cb - 46802 * cr + HALF) >> 16); // 0.34414, 0.71414
    let blue = y + ((116130 * cb + HALF) >> 16); // 1.77200
    [red, green, blue].map(|v| v.clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_triangle_is_three_quarters_to_one() {
        let mut out = [0; 6];
        h2v1(&[0, 100, 200], &mut out);
        assert_eq!(out, [0, 25, 75, 125, 175, 200]);
        let mut odd = [0; 5];
        h2v2(&[0, 400, 800], &mut odd);
        assert_eq!(odd, [0, 25, 75, 125, 175]);
    }

    #[test]
    fn the_primaries_convert() {
        assert_eq!(ycc_to_rgb(76, 85, 255), [254, 0, 0]);
        assert_eq!(ycc_to_rgb(128, 128, 128), [128; 3]);
    }
}
