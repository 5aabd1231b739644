//! Products of matrices that lie anywhere in a slice, written to where the caller wants them.
//!
//! Why not Burn's: its product clears its output and then copies it to where it is aligned, 10 % of a
//! vision transformer's training step (LOG.md); nor can it read or write heads between heads. Underneath
//! is the same library, `gemm`, called in the same way. This is the one place in the crates with
//! `unsafe`.
//!
//! Who calls: [`super::linear`], [`super::attend`], [`super::dense`] and [`super::conv`], for the CPU
//! device.

use gemm::Parallelism;

/// Multiplications from which a product is worth all threads; Burn's figure. The numbers don't depend
/// on it: threads share rows and columns, never a sum.
const MANY: usize = 192 * 192 * 192;

/// A matrix in a slice: element `(i, j)` is `data[i strides[0] + j strides[1]]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Rows and columns, and how far apart their elements are.
    ///
    /// Panics where the last element lies outside of the slice.
    pub fn new(data: &'a [f32], shape: [usize; 2], strides: [usize; 2]) -> Self {
        assert!(
            span(shape, strides).is_some_and(|span| span <= data.len()),
            "a matrix of {shape:?} by strides {strides:?} in {} numbers",
            data.len()
        );
        Self { data, shape, strides }
    }

    /// Row after row.
    pub fn rows(data: &'a [f32], shape: [usize; 2]) -> Self {
        Self::new(data, shape, [shape[1], 1])
    }

    /// Rows and columns.
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Its transpose.
    pub fn t(self) -> Self {
        let ([m, n], [rows, columns]) = (self.shape, self.strides);
        Self { shape: [n, m], strides: [columns, rows], ..self }
    }
}

/// How many numbers a matrix reaches over; none where that is beyond all memory.
fn span([m, n]: [usize; 2], [rows, columns]: [usize; 2]) -> Option<usize> {
    if m == 0 || n == 0 {
        return Some(0);
    }
    let last = (m - 1).checked_mul(rows)?.checked_add((n - 1).checked_mul(columns)?)?;
    last.checked_add(1)
}

/// What becomes of the numbers that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// They are replaced.
    Lost,
    /// The product is added to them.
    Kept,
}

/// `a b` into `out`, whose rows begin `stride` numbers apart; numbers between rows stay.
///
/// Panics where the shapes don't fit, rows would overlap, or `out` is too short.
pub fn product(out: &mut [f32], stride: usize, old: Old, a: Matrix, b: Matrix) {
    let ([m, k], [k_b, n]) = (a.shape, b.shape);
    assert_eq!(k, k_b, "columns and rows of a product");
    assert!(
        (m <= 1 || stride >= n) && span([m, n], [stride, 1]).is_some_and(|span| span <= out.len()),
        "a product of {m} x {n} by rows of {stride} in {} numbers",
        out.len()
    );
    let many = m.saturating_mul(n).saturating_mul(k) >= MANY;
    let threads = if many { Parallelism::Rayon(0) } else { Parallelism::None };
    // A stride fits into isize where it is used: the span of more than one row lies in a slice.
    let step = |stride: usize| isize::try_from(stride).unwrap_or(0);
    // SAFETY: `gemm` reads element (i, j) of `a` and `b` at `i rs + j cs` for i and j below their
    // shapes, and reads and writes those of the output. `Matrix::new` has checked that the largest
    // of these lies in its slice (`t` changes none of them), the second assertion above that of
    // `out`; strides are not negative. Rows of `out` don't overlap, so no element is written twice,
    // and `out` is borrowed mutably, so nothing else of it is read. Elements are `f32`, which is what
    // the pointers say.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            step(stride),
            old == Old::Kept,
            a.data.as_ptr(),
            step(a.strides[1]),
            step(a.strides[0]),
            b.data.as_ptr(),
            step(b.strides[1]),
            step(b.strides[0]),
            1.0,
            1.0,
            false,
            false,
            false,
            threads,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::made::close;

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        let mut draws = crate::random::stream(seed, "numbers", 0);
        (0..n).map(|_| draws.uniform(-1.0, 1.0)).collect()
    }

    /// Sum by sum, in f64.
    fn plain(a: Matrix, b: Matrix) -> Vec<f32> {
        let at =
            |x: &Matrix, i: usize, j: usize| f64::from(x.data[i * x.strides[0] + j * x.strides[1]]);
        let ([m, k], [_, n]) = (a.shape, b.shape);
        let element = |i, j| (0..k).map(|l| at(&a, i, l) * at(&b, l, j)).sum::<f64>() as f32;
        (0..m).flat_map(|i| (0..n).map(move |j| element(i, j))).collect()
    }

    #[test]
    fn every_size_layout_and_gap() {
        for [m, k, n] in [
            [1, 1, 1],
            [1, 7, 5],
            [5, 7, 1],
            [1, 3, 1],
            [5, 1, 6],
            [65, 17, 33],
            [197, 64, 197],
            [70, 900, 13],
            [200, 200, 201],
            [3, 0, 4],
            [0, 3, 4],
            [4, 3, 0],
        ] {
            for (turned, step) in (0..4).flat_map(|turned| [(turned, 1), (turned, 3)]) {
                // By rows or by columns, every number or every third, with gaps between.
                let matrix = |data, [rows, columns]: [usize; 2], turned, step: usize| {
                    if turned {
                        Matrix::new(data, [columns, rows], [step * rows + 2, step]).t()
                    } else {
                        Matrix::new(data, [rows, columns], [step * columns + 2, step])
                    }
                };
                let (x, y) =
                    (numbers((3 * m + 2) * (3 * k + 2), 1), numbers((3 * k + 2) * (3 * n + 2), 2));
                let [a, b] = [(&x, [m, k], turned & 1), (&y, [k, n], turned & 2)]
                    .map(|(data, shape, turned)| matrix(data, shape, turned > 0, step));
                let stride = n + 3;
                let before = numbers(m * stride, 3);
                let expected = plain(a, b);
                for old in [Old::Lost, Old::Kept] {
                    let mut out = before.clone();
                    product(&mut out, stride, old, a, b);
                    for (i, (row, was)) in
                        out.chunks_exact(stride).zip(before.chunks_exact(stride)).enumerate()
                    {
                        assert_eq!(row[n..], was[n..], "between rows");
                        let kept = |j: usize| if old == Old::Kept { was[j] } else { 0.0 };
                        let sums: Vec<f32> =
                            (0..n).map(|j| expected[i * n + j] + kept(j)).collect();
                        close(&row[..n], &sums, 1e-4);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_there_before_is_not_read_where_it_is_lost() {
        let (a, b) = (numbers(12, 1), numbers(12, 2));
        let mut out = [f32::NAN; 9];
        product(&mut out, 3, Old::Lost, Matrix::rows(&a, [3, 4]), Matrix::rows(&b, [4, 3]));
        assert!(out.iter().all(|v| v.is_finite()));
    }

    /// Of more than one row: a single one, small products and a transpose have kernels of their own,
    /// which add in another order.
    #[test]
    fn a_row_is_the_same_among_others_and_on_any_number_of_threads() {
        let (k, n) = (300, 333);
        let (x, y) = (numbers(200 * k, 1), numbers(k * n, 2));
        let rows_of = |m: usize, threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![0.0; m * n];
            let [a, b] =
                [(&x, [m, k]), (&y, [k, n])].map(|(data, shape)| Matrix::rows(data, shape));
            pool.install(|| product(&mut out, n, Old::Lost, a, b));
            out
        };
        let all = rows_of(200, 1);
        for (m, threads) in [(2, 1), (5, 1), (7, 2), (65, 3), (200, 2), (200, 5)] {
            assert_eq!(rows_of(m, threads), all[..m * n], "{m} rows on {threads} threads");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let data = [0.0; 6];
        let refused = |work: &dyn Fn()| {
            let work = std::panic::AssertUnwindSafe(work);
            assert!(std::panic::catch_unwind(work).is_err());
        };
        refused(&|| _ = Matrix::new(&data, [2, 4], [4, 1]));
        refused(&|| _ = Matrix::new(&data, [2, 3], [4, 1]));
        refused(&|| _ = Matrix::new(&data, [2, 2], [usize::MAX, 2]));
        let fits = Matrix::rows(&data, [2, 3]);
        refused(&|| product(&mut [0.0; 4], 2, Old::Lost, fits, fits));
        refused(&|| product(&mut [0.0; 3], 2, Old::Lost, fits, fits.t()));
        refused(&|| product(&mut [0.0; 4], 1, Old::Lost, fits, fits.t()));
        product(&mut [0.0; 4], 2, Old::Lost, fits, fits.t());
    }
}
