//! Table profiles (A2B1, A2B0): device values to D50 XYZ through curves and a colour table.
//!
//! The table is read as LittleCMS reads it: linearly along the first of four channels, by
//! tetrahedra along the last three (ICC.1:2022, sections 10.10 to 10.12).

use moxcms::{DataColorSpace, LutDataType, LutMultidimensionalType, LutStore, LutType};

use super::color::Curve;
use super::icc::curve_from;

/// D50, the white of the connection space.
const WHITE: [f64; 3] = [0.9642, 1.0, 0.8249];
/// XYZ of 1.0 in the encodings of the connection space.
const XYZ_SCALE: f64 = 1.0 + 32767.0 / 32768.0;

/// How the three outputs stand for a colour of the connection space.
#[derive(Clone, Copy, Debug)]
enum Pcs {
    Xyz,
    /// L = 100 v, a = 255 v - 128.
    Lab,
    /// The 16-bit Lab of version 2: 0xFF00 is 100.
    LegacyLab,
}

/// Curves, table, curves, matrix, curves; what a profile lacks is left out.
#[derive(Debug)]
pub(super) struct Lut {
    inputs: usize,
    before: Vec<Curve>,
    table: Option<Table>,
    middle: Vec<Curve>,
    /// Rows of the matrix and, last, its offset.
    matrix: Option<([[f64; 3]; 3], [f64; 3])>,
    after: Vec<Curve>,
    pcs: Pcs,
}

/// A grid of colours; the first channel varies slowest.
#[derive(Debug)]
struct Table {
    grid: Vec<usize>,
    values: Vec<[f32; 3]>,
}

impl Lut {
    /// From `lut8Type` or `lut16Type`. `None` where the numbers do not fit together.
    pub(super) fn from_tables(
        data: &LutDataType,
        inputs: usize,
        pcs: DataColorSpace,
    ) -> Option<Self> {
        if usize::from(data.num_input_channels) != inputs || data.num_output_channels != 3 {
            return None;
        }
        let curves = |store: &LutStore, entries: u16, channels: usize| {
            let entries = usize::from(entries);
            let values = floats(store);
            let fits = entries >= 2 && values.len() == entries * channels;
            fits.then(|| values.chunks_exact(entries).map(|t| Curve::Table(t.to_vec())).collect())
        };
        let grid = vec![usize::from(data.num_clut_grid_points); inputs];
        Some(Self {
            inputs,
            before: curves(&data.input_table, data.num_input_table_entries, inputs)?,
            table: Some(Table::new(grid, &data.clut_table)?),
            middle: Vec::new(),
            matrix: None,
            after: curves(&data.output_table, data.num_output_table_entries, 3)?,
            pcs: match (pcs, data.lut_type) {
                (DataColorSpace::Xyz, _) => Pcs::Xyz,
                (DataColorSpace::Lab, LutType::Lut16) => Pcs::LegacyLab,
                (DataColorSpace::Lab, LutType::Lut8) => Pcs::Lab,
                _ => return None,
            },
        })
    }

    /// From `lutAToBType`. `None` where the numbers do not fit together.
    pub(super) fn from_a_to_b(
        data: &LutMultidimensionalType,
        inputs: usize,
        pcs: DataColorSpace,
    ) -> Option<Self> {
        if usize::from(data.num_input_channels) != inputs || data.num_output_channels != 3 {
            return None;
        }
        let curves = |list: &[moxcms::ToneReprCurve], channels: usize| {
            let list: Option<Vec<Curve>> = list.iter().map(curve_from).collect();
            list.filter(|l| l.is_empty() || l.len() == channels)
        };
        let table = match &data.clut {
            Some(store) => {
                let grid = data.grid_points[..inputs].iter().map(|&n| usize::from(n)).collect();
                Some(Table::new(grid, store)?)
            }
            None if inputs == 3 => None,
            None => return None,
        };
        let middle = curves(&data.m_curves, 3)?;
        let matrix = (!middle.is_empty()).then_some((data.matrix.v, data.bias.v));
        Some(Self {
            inputs,
            before: curves(&data.a_curves, inputs)?,
            table,
            middle,
            matrix,
            after: curves(&data.b_curves, 3)?,
            pcs: match pcs {
                DataColorSpace::Xyz => Pcs::Xyz,
                DataColorSpace::Lab => Pcs::Lab,
                _ => return None,
            },
        })
    }

    /// 3 or 4.
    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Device values in [0, 1], as many as [`Self::inputs`], to D50 XYZ.
    pub(super) fn to_xyz(&self, device: &[f64]) -> [f64; 3] {
        let mut v = [0.0; 4];
        v[..self.inputs].copy_from_slice(device);
        for (v, curve) in v.iter_mut().zip(&self.before) {
            *v = curve.eval(*v);
        }
        let mut v = match &self.table {
            Some(table) => table.eval(&v[..self.inputs]),
            None => [v[0], v[1], v[2]],
        };
        for (v, curve) in v.iter_mut().zip(&self.middle) {
            *v = curve.eval(*v);
        }
        if let Some((rows, offset)) = &self.matrix {
            v = std::array::from_fn(|i| {
                rows[i][0] * v[0] + rows[i][1] * v[1] + rows[i][2] * v[2] + offset[i]
            });
        }
        for (v, curve) in v.iter_mut().zip(&self.after) {
            *v = curve.eval(*v);
        }
        match self.pcs {
            Pcs::Xyz => v.map(|v| v * XYZ_SCALE),
            Pcs::Lab => lab_to_xyz([v[0] * 100.0, v[1] * 255.0 - 128.0, v[2] * 255.0 - 128.0]),
            Pcs::LegacyLab => {
                let [l, a, b] = v.map(|v| v * 65535.0);
                lab_to_xyz([l / 652.80, a / 256.0 - 128.0, b / 256.0 - 128.0])
            }
        }
    }
}

impl Table {
    fn new(grid: Vec<usize>, store: &LutStore) -> Option<Self> {
        let nodes = grid.iter().try_fold(1usize, |n, &g| n.checked_mul(g))?;
        let values: Vec<[f32; 3]> =
            floats(store).chunks_exact(3).map(|v| [v[0], v[1], v[2]]).collect();
        (nodes > 0 && values.len() == nodes).then_some(Self { grid, values })
    }

    fn eval(&self, v: &[f64]) -> [f64; 3] {
        let n = self.grid.len();
        let (mut base, mut stride) = (0, 1);
        // Per channel: position inside its cell, and the step to the cell's far side.
        let mut cell = [(0.0f64, 0usize); 4];
        for i in (0..n).rev() {
            let last = self.grid[i] - 1;
            let position = v[i].clamp(0.0, 1.0) * last as f64;
            let low = (position as usize).min(last);
            base += low * stride;
            cell[i] = (position - low as f64, if low < last { stride } else { 0 });
            stride *= self.grid[i];
        }
        if n == 4 {
            let (t, step) = cell[0];
            let near = self.tetrahedron(base, [cell[1], cell[2], cell[3]]);
            let far = self.tetrahedron(base + step, [cell[1], cell[2], cell[3]]);
            std::array::from_fn(|i| near[i] + (far[i] - near[i]) * t)
        } else {
            self.tetrahedron(base, [cell[0], cell[1], cell[2]])
        }
    }

    /// Walks from the near corner to the far one, along the axes in falling order of position.
    fn tetrahedron(&self, base: usize, mut axes: [(f64, usize); 3]) -> [f64; 3] {
        axes.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut corner = base;
        let mut weight_left = 1.0;
        let mut out = [0.0; 3];
        let mut add = |corner: usize, weight: f64| {
            for (out, &v) in out.iter_mut().zip(&self.values[corner]) {
                *out += weight * f64::from(v);
            }
        };
        for (t, step) in axes {
            add(corner, weight_left - t);
            weight_left = t;
            corner += step;
        }
        add(corner, weight_left);
        out
    }
}

fn floats(store: &LutStore) -> Vec<f32> {
    match store {
        LutStore::Store8(values) => values.iter().map(|&v| f32::from(v) / 255.0).collect(),
        LutStore::Store16(values) => values.iter().map(|&v| f32::from(v) / 65535.0).collect(),
    }
}

/// CIE 1976, relative to D50.
fn lab_to_xyz([l, a, b]: [f64; 3]) -> [f64; 3] {
    let fy = (l + 16.0) / 116.0;
    let f = [fy + a / 500.0, fy, fy - b / 200.0];
    std::array::from_fn(|i| {
        let t = f[i];
        let relative =
            if t > 24.0 / 116.0 { t * t * t } else { (108.0 / 841.0) * (t - 16.0 / 116.0) };
        relative * WHITE[i]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_of_lab_is_the_white_point() {
        let xyz = lab_to_xyz([100.0, 0.0, 0.0]);
        for (a, b) in xyz.iter().zip(WHITE) {
            assert!((a - b).abs() < 1e-12);
        }
    }

    #[test]
    fn a_linear_table_is_reproduced_between_its_nodes() {
        // Output = the first three of four inputs; 2 nodes a channel.
        let values: Vec<u16> = (0..16u32)
            .flat_map(|i| [i >> 3 & 1, i >> 2 & 1, i >> 1 & 1].map(|b| (b * 65535) as u16))
            .collect();
        let table = Table::new(vec![2; 4], &LutStore::Store16(values)).unwrap();
        let out = table.eval(&[0.3, 0.9, 0.05, 0.6]);
        for (a, b) in out.iter().zip([0.3, 0.9, 0.05]) {
            assert!((a - b).abs() < 1e-12, "{out:?}");
        }
    }
}
