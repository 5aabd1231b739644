//! What a baseline JPEG leaves of a picture (`papers/degradations.md`, 2.1 item 10).
//!
//! The entropy coding of a JPEG loses nothing, so encoding and decoding give the pixels of: colour
//! conversion, 4:2:0, DCT, quantisation, and the way back. That is what happens here, with the IJG
//! tables and libjpeg's rules for everything that rounds (colour in 16-bit fixed point, unbiased
//! chroma means, triangle upsampling). No codec is needed, results do not depend on a codec's
//! version, and no bit stream is written: the trainer does this to every second crop.

use biqa::image::Rgb8;

/// The luma table of the IJG, row = vertical frequency (section 3).
pub(super) const LUMA: [u32; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, //
    12, 12, 14, 19, 26, 58, 60, 55, //
    14, 13, 16, 24, 40, 57, 69, 56, //
    14, 17, 22, 29, 51, 87, 80, 62, //
    18, 22, 37, 56, 68, 109, 103, 77, //
    24, 35, 55, 64, 81, 104, 113, 92, //
    49, 64, 78, 87, 103, 121, 120, 101, //
    72, 92, 95, 98, 112, 100, 103, 99,
];

/// The upper left corner of the chroma table; all other entries are 99.
pub(super) const CHROMA_CORNER: [[u32; 4]; 4] =
    [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]];

/// Side of a block.
const N: usize = 8;

/// `DCT[u][x]` = c(u)/2 cos((2x+1) u pi / 16), orthonormal.
type Basis = [[f32; N]; N];

/// Encodes and decodes at `quality` (1 to 100; others count as the nearest of them).
pub fn jpeg(picture: &Rgb8, quality: u32) -> Rgb8 {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let basis = basis();
    let [luma_table, chroma_table] = tables(quality);

    let [mut luma, cb, cr] = ycc_planes(picture);
    let mut chroma = [halve(&cb, width, height), halve(&cr, width, height)];
    code_plane(&mut luma, width, height, &luma_table, &basis);
    for plane in &mut chroma {
        code_plane(plane, in_blocks(width), height.div_ceil(2), &chroma_table, &basis);
    }
    let [cb, cr] = chroma.map(|plane| double(&plane, width, height));

    let mut data = Vec::with_capacity(luma.len() * 3);
    for ((&y, &cb), &cr) in luma.iter().zip(&cb).zip(&cr) {
        data.extend_from_slice(&rgb_of_ycc(y, cb, cr));
    }
    Rgb8::new(picture.width(), picture.height(), data).expect("one pixel out for one pixel in")
}

/// Luma and chroma tables at a quality: IJG's scaling.
fn tables(quality: u32) -> [[f32; 64]; 2] {
    let q = quality.clamp(1, 100);
    let scale = if q < 50 { 5000 / q } else { 200 - 2 * q };
    let entry = |base: u32| ((base * scale + 50) / 100).clamp(1, 255) as f32;
    let chroma = std::array::from_fn(|i| {
        entry(CHROMA_CORNER.get(i / N).and_then(|row| row.get(i % N)).copied().unwrap_or(99))
    });
    [LUMA.map(entry), chroma]
}

fn basis() -> Basis {
    std::array::from_fn(|u| {
        let scale = if u == 0 { 0.125_f64.sqrt() } else { 0.5 };
        std::array::from_fn(|x| {
            let angle = ((2 * x + 1) * u) as f64 * std::f64::consts::PI / 16.0;
            (scale * libm::cos(angle)) as f32
        })
    })
}

/// RGB to Y, Cb, Cr in libjpeg's 16-bit fixed point.
fn ycc_planes(picture: &Rgb8) -> [Vec<u8>; 3] {
    let pixels = picture.width() as usize * picture.height() as usize;
    let mut planes = [Vec::with_capacity(pixels), Vec::with_capacity(pixels), Vec::new()];
    planes[2].reserve(pixels);
    for pixel in picture.data().as_chunks::<3>().0 {
        let [r, g, b] = pixel.map(i32::from);
        // The chroma constant is half minus one unit: libjpeg keeps 255.5 from becoming 256.
        planes[0].push(((19595 * r + 38470 * g + 7471 * b + 32768) >> 16) as u8);
        planes[1].push(((-11059 * r - 21709 * g + 32768 * b + (128 << 16) + 32767) >> 16) as u8);
        planes[2].push(((32768 * r - 27439 * g - 5329 * b + (128 << 16) + 32767) >> 16) as u8);
    }
    planes
}

/// The way back.
#[inline]
fn rgb_of_ycc(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let r = y + ((91881 * cr + 32768) >> 16);
    let g = y + ((-22554 * cb - 46802 * cr + 32768) >> 16);
    let b = y + ((116_130 * cb + 32768) >> 16);
    [r, g, b].map(|v| v.clamp(0, 255) as u8)
}

/// Chroma samples of a row in whole blocks.
fn in_blocks(width: usize) -> usize {
    width.div_ceil(2 * N) * N
}

/// 2x2 means in rows of whole blocks: libjpeg repeats border pixels before it takes means. The rounding
/// is 1 and 2 in turn, so that halves go down as often as up: rounding them always up shifts the
/// channel means by up to .006.
fn halve(plane: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(in_blocks(width) * height.div_ceil(2));
    for y in (0..height).step_by(2) {
        let upper = &plane[y * width..(y + 1) * width];
        let below = (y + 1).min(height - 1);
        let lower = &plane[below * width..(below + 1) * width];
        for x in 0..in_blocks(width) {
            let (left, right) = ((2 * x).min(width - 1), (2 * x + 1).min(width - 1));
            let sum = u32::from(upper[left])
                + u32::from(upper[right])
                + u32::from(lower[left])
                + u32::from(lower[right]);
            let bias = 1 + x as u32 % 2;
            out.push(((sum + bias) >> 2) as u8);
        }
    }
    out
}

/// The triangle filter of libjpeg ("fancy upsampling"): 3/4 of the near sample, 1/4 of the far one,
/// in both directions. Of up to two samples a row libjpeg repeats each.
fn double(plane: &[u8], width: usize, height: usize) -> Vec<u8> {
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let stride = in_blocks(width);
    let mut out = vec![0; width * height];
    if half_width <= 2 {
        for (y, row) in out.chunks_exact_mut(width).enumerate() {
            let near = &plane[y / 2 * stride..][..half_width];
            row.iter_mut().enumerate().for_each(|(x, value)| *value = near[x / 2]);
        }
        return out;
    }
    let mut column_sums = vec![0_i32; half_width];
    for (y, row) in out.chunks_exact_mut(width).enumerate() {
        let near = y / 2;
        let far = if y % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(half_height - 1) };
        let near = &plane[near * stride..][..half_width];
        let far = &plane[far * stride..][..half_width];
        for ((sum, &near), &far) in column_sums.iter_mut().zip(near).zip(far) {
            *sum = 3 * i32::from(near) + i32::from(far);
        }
        for (x, value) in row.iter_mut().enumerate() {
            let this = column_sums[x / 2];
            // At the border the far sample is the near one, which is libjpeg's special case too.
            let (other, bias) = if x % 2 == 0 {
                (column_sums[(x / 2).saturating_sub(1)], 8)
            } else {
                (column_sums[(x / 2 + 1).min(half_width - 1)], 7)
            };
            *value = ((3 * this + other + bias) >> 4) as u8;
        }
    }
    out
}

/// Every 8x8 block through DCT, quantisation and back. Blocks over the border repeat its pixels.
fn code_plane(plane: &mut [u8], width: usize, height: usize, table: &[f32; 64], basis: &Basis) {
    for top in (0..height).step_by(N) {
        for left in (0..width).step_by(N) {
            let mut block = [[0.0_f32; N]; N];
            for (i, row) in block.iter_mut().enumerate() {
                let y = (top + i).min(height - 1);
                for (j, value) in row.iter_mut().enumerate() {
                    let x = (left + j).min(width - 1);
                    *value = f32::from(plane[y * width + x]) - 128.0;
                }
            }
            let mut coefficients = forward(&block, basis);
            for (row, steps) in coefficients.iter_mut().zip(table.as_chunks::<N>().0) {
                for (value, step) in row.iter_mut().zip(steps) {
                    *value = (*value / step).round() * step;
                }
            }
            let block = backward(&coefficients, basis);
            for (i, row) in block.iter().enumerate().take(height - top) {
                let start = (top + i) * width + left;
                for (j, value) in row.iter().enumerate().take(width - left) {
                    plane[start + j] = (value + 128.5).clamp(0.0, 255.0) as u8;
                }
            }
        }
    }
}

/// `B X B^T`.
fn forward(block: &[[f32; N]; N], basis: &Basis) -> [[f32; N]; N] {
    multiply(&multiply(basis, block), &transpose(basis))
}

/// `B^T X B`.
fn backward(block: &[[f32; N]; N], basis: &Basis) -> [[f32; N]; N] {
    multiply(&multiply(&transpose(basis), block), basis)
}

#[inline]
fn multiply(a: &[[f32; N]; N], b: &[[f32; N]; N]) -> [[f32; N]; N] {
    let mut out = [[0.0; N]; N];
    for (target, row) in out.iter_mut().zip(a) {
        for (factor, line) in row.iter().zip(b) {
            for (sum, value) in target.iter_mut().zip(line) {
                *sum += factor * value;
            }
        }
    }
    out
}

#[inline]
fn transpose(m: &[[f32; N]; N]) -> [[f32; N]; N] {
    std::array::from_fn(|i| std::array::from_fn(|j| m[j][i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest_difference(a: &Rgb8, b: &Rgb8) -> u8 {
        a.data().iter().zip(b.data()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
    }

    #[test]
    fn tables_are_those_of_the_specification() {
        for (q, luma, chroma) in [
            (43, [19.0, 13.0, 12.0], 115.0),
            (36, [22.0, 15.0, 14.0], 137.0),
            (24, [33.0, 23.0, 21.0], 206.0),
            (7, [114.0, 79.0, 71.0], 255.0),
            (4, [200.0, 138.0, 125.0], 255.0),
        ] {
            let [y, c] = tables(q);
            assert_eq!((&y[..3], c[63]), (&luma[..], chroma), "quality {q}");
        }
        assert!(tables(100).iter().flatten().all(|&step| step == 1.0));
    }

    #[test]
    fn a_smooth_gray_ramp_survives() {
        // Section 9, check 10: levels 26..230 over 96 columns.
        let row = (0..96_u32).flat_map(|x| [(26 + (204 * x + 47) / 95) as u8; 3]);
        let row: Vec<u8> = row.collect();
        let ramp = Rgb8::new(96, 64, row.repeat(64)).expect("sizes fit");
        for (quality, allowed) in [(100, 1), (75, 2), (50, 3)] {
            let found = largest_difference(&jpeg(&ramp, quality), &ramp);
            assert!(found <= allowed, "quality {quality}: {found} levels");
        }
    }

    #[test]
    fn constant_colours_survive() {
        // Section 9, check 10.
        for (quality, allowed, allowed_gray) in [(100, 1, 0), (75, 3, 0), (50, 4, 1)] {
            for i in 0..512_u32 {
                let colour = [i & 7, (i >> 3) & 7, i >> 6].map(|v| (v * 36 + 1) as u8);
                let picture = Rgb8::new(19, 10, colour.repeat(190)).expect("sizes fit");
                let found = largest_difference(&jpeg(&picture, quality), &picture);
                assert!(found <= allowed, "quality {quality}, {colour:?}: {found}");
            }
            for v in 0..=255_u8 {
                let picture = Rgb8::new(17, 9, vec![v; 17 * 9 * 3]).expect("sizes fit");
                let found = largest_difference(&jpeg(&picture, quality), &picture);
                assert!(found <= allowed_gray, "quality {quality}, gray {v}: {found}");
            }
        }
    }

    #[test]
    fn chroma_means_are_rounded_without_bias() {
        // Sums 1 and 2 above a multiple of four, in turn: halves go down, then up.
        let plane = [10, 10, 10, 10, 12, 10, 12, 10];
        // Then the last column, repeated.
        assert_eq!(halve(&plane, 4, 2), [10, 11, 10, 10, 10, 10, 10, 10]);
        assert_eq!(halve(&[1, 2], 1, 2), [1, 2, 1, 2, 1, 2, 1, 2]);
    }

    /// Pillow 13 (libjpeg-turbo), 4:2:0: where blocks reach beyond the picture, and where chroma has
    /// too few samples to be smoothed.
    #[test]
    fn tiny_pictures_are_libjpegs() {
        let cases: [([u32; 2], u32, &[u8]); 3] = [
            ([2, 2], 10, &[0, 87, 140, 47, 144, 197, 11, 108, 161, 68, 165, 218][..]),
            (
                [1, 9],
                24,
                &[
                    11, 41, 161, 98, 128, 248, 36, 121, 162, 112, 197, 238, 108, 239, 205, 49, 180,
                    146, 129, 244, 211, 118, 233, 200, 64, 120, 155,
                ][..],
            ),
            (
                [6, 2],
                24,
                &[
                    39, 82, 117, 77, 120, 152, 80, 121, 149, 149, 192, 209, 118, 158, 166, 148,
                    189, 191, 147, 190, 225, 144, 187, 219, 89, 130, 158, 114, 157, 174, 73, 113,
                    121, 126, 167, 169,
                ][..],
            ),
        ];
        for ([width, height], quality, expected) in cases {
            let data = (0..width * height * 3).map(|i| (i * i * 37 + i * 11) as u8).collect();
            let picture = Rgb8::new(width, height, data).expect("sizes fit");
            let expected = Rgb8::new(width, height, expected.to_vec()).expect("sizes fit");
            let found = largest_difference(&jpeg(&picture, quality), &expected);
            assert!(found <= 2, "{width} x {height}: {found} levels");
        }
    }

    #[test]
    fn pictures_of_one_pixel_row_and_column_keep_their_size() {
        for (width, height) in [(1, 1), (1, 37), (37, 1), (2, 2), (9, 17)] {
            let n = (width * height * 3) as usize;
            let picture = Rgb8::new(width, height, vec![77; n]).expect("sizes fit");
            assert!(largest_difference(&jpeg(&picture, 4), &picture) < 20);
        }
    }
}
