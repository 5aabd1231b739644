//! `motion_blur` and `defocus_blur`: means of whole numbers, exact in integers
//! (`papers/degradations.md`, section 8). The number of ones of either kernel is odd, so that no
//! mean is a half.

use super::{Border, Shape, padded, rounded, shape, with_levels};
use biqa::image::Rgb8;

/// The kernel of `motion_blur` is 7x7.
const REACH: isize = 3;

/// A centred line of one pixel's width: `length` pixels long at `angle` degrees.
pub(in super::super) fn motion_blur(picture: &Rgb8, length: f64, angle: f64) -> Rgb8 {
    let turn = angle / 180.0 * std::f64::consts::PI;
    let dx = (length / 2.0 * libm::cos(turn)).round() as isize;
    let dy = (length / 2.0 * libm::sin(turn)).round() as isize;
    let line = line(dx.clamp(-REACH, REACH), dy.clamp(-REACH, REACH));

    let Shape { width, .. } = shape(picture);
    let stride = (width + 2 * REACH as usize) * 3;
    let padded = padded(picture, REACH as usize, Border::Mirror);
    let starts: Vec<usize> = line.iter().map(|&(x, y)| y * stride + 3 * x).collect();
    let share = 1.0 / line.len() as f64;
    let mut sums = vec![0_u16; width * 3];
    let mut data = Vec::with_capacity(picture.data().len());
    for y in 0..picture.height() as usize {
        sums.fill(0);
        for start in &starts {
            let source = &padded[y * stride + start..][..width * 3];
            sums.iter_mut().zip(source).for_each(|(sum, &v)| *sum += u16::from(v));
        }
        data.extend(sums.iter().map(|&sum| rounded(f64::from(sum) * share)));
    }
    with_levels(picture, data)
}

/// Bresenham's line through the centre (3, 3), as OpenCV's contemporaries draw it: both tests on the
/// same error. Points (x, y).
fn line(dx: isize, dy: isize) -> Vec<(usize, usize)> {
    let (step_x, step_y) = (dx.signum(), dy.signum());
    let (far_x, far_y) = (2 * dx.abs(), 2 * dy.abs());
    let (mut x, mut y) = (REACH - dx, REACH - dy);
    let mut error = far_x - far_y;
    let mut points = vec![(x as usize, y as usize)];
    while (x, y) != (REACH + dx, REACH + dy) {
        let twice = 2 * error;
        if twice >= -far_y {
            error -= far_y;
            x += step_x;
        }
        if twice <= far_x {
            error += far_x;
            y += step_y;
        }
        points.push((x as usize, y as usize));
    }
    points
}

/// The mean over a disc of that radius.
pub(in super::super) fn defocus_blur(picture: &Rgb8, radius: usize) -> Rgb8 {
    let Shape { width, height, .. } = shape(picture);
    // Row by row of the disc: how far it reaches to the left and to the right.
    let r = radius as isize;
    let half = |y: isize| (0..=r).rev().find(|x| x * x + y * y <= r * r).unwrap_or(0) as usize;
    let reaches: Vec<usize> = (-r..=r).map(half).collect();
    let count: usize = reaches.iter().map(|half| 2 * half + 1).sum();
    let share = 1.0 / count as f64;

    let padded = padded(picture, radius, Border::Mirror);
    let prefixes = prefix_sums(&padded, (width + 2 * radius) * 3);
    let stride = (width + 2 * radius + 1) * 3;
    let mut sums = vec![0_u32; width * 3];
    let mut data = Vec::with_capacity(picture.data().len());
    for y in 0..height {
        sums.fill(0);
        for (i, half) in reaches.iter().enumerate() {
            let row = &prefixes[(y + i) * stride..(y + i + 1) * stride];
            let from = &row[3 * (radius - half)..][..width * 3];
            let to = &row[3 * (radius + half + 1)..][..width * 3];
            for ((sum, from), to) in sums.iter_mut().zip(from).zip(to) {
                *sum += to - from;
            }
        }
        data.extend(sums.iter().map(|&sum| rounded(f64::from(sum) * share)));
    }
    with_levels(picture, data)
}

/// For every row of `row_len` values the sums of the pixels before each pixel, by channel; one
/// pixel longer.
fn prefix_sums(rows: &[u8], row_len: usize) -> Vec<u32> {
    let mut out = Vec::with_capacity(rows.len() + rows.len() / row_len * 3);
    for row in rows.chunks_exact(row_len) {
        let mut sums = [0_u32; 3];
        out.extend_from_slice(&sums);
        for pixel in row.as_chunks::<3>().0 {
            sums.iter_mut().zip(pixel).for_each(|(sum, &v)| *sum += u32::from(v));
            out.extend_from_slice(&sums);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_that_of_the_specification() {
        assert_eq!(line(2, 1), [(1, 2), (2, 3), (3, 3), (4, 4), (5, 4)]);
        assert_eq!(line(0, 0), [(3, 3)]);
        assert_eq!(line(-3, 0).len(), 7);
    }

    #[test]
    fn every_line_and_disc_has_an_odd_number_of_points() {
        for (dx, dy) in (0..49).map(|i| (i % 7 - 3, i / 7 - 3)) {
            assert_eq!(line(dx, dy).len() % 2, 1, "{dx} {dy}");
        }
    }

    #[test]
    fn the_disc_is_the_mean_over_its_pixels() {
        let data: Vec<u8> = (0..20 * 19 * 3).map(|i| (i * 89 % 251) as u8).collect();
        let picture = Rgb8::new(20, 19, data).expect("sizes fit");
        let found = defocus_blur(&picture, 3);
        for (x, y, c) in [(0, 0, 0), (10, 9, 1), (19, 18, 2), (1, 17, 0)] {
            let (mut sum, mut count) = (0.0, 0.0);
            for (dx, dy) in
                (0..49).map(|i| (i % 7 - 3, i / 7 - 3)).filter(|(x, y)| x * x + y * y <= 9)
            {
                let sx = Border::Mirror.index(x + dx, 20);
                let sy = Border::Mirror.index(y + dy, 19);
                sum += f64::from(picture.pixel(sx as u32, sy as u32)[c]);
                count += 1.0;
            }
            assert_eq!(found.pixel(x as u32, y as u32)[c], rounded(sum / count));
        }
    }
}
