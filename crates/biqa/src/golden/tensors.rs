//! The tensors of golden cases: read from safetensors files, or made by the `splitmix` rule.

use super::GoldenError;
use crate::random::{fnv1a64, splitmix64};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;

/// The elements of a tensor as stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// float32
    F32(Vec<f32>),
    /// float64
    F64(Vec<f64>),
    /// int64
    I64(Vec<i64>),
    /// uint8
    U8(Vec<u8>),
}

/// A tensor of a case: shape and row-major elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub data: Data,
}

impl Tensor {
    /// A float64 tensor of one dimension.
    pub fn of_f64s(values: Vec<f64>) -> Tensor {
        Tensor { shape: vec![values.len()], data: Data::F64(values) }
    }

    /// The elements as f64 (integers above 2^53 are rounded).
    pub fn f64s(&self) -> Vec<f64> {
        match &self.data {
            Data::F32(v) => v.iter().map(|&x| f64::from(x)).collect(),
            Data::F64(v) => v.clone(),
            Data::I64(v) => v.iter().map(|&x| x as f64).collect(),
            Data::U8(v) => v.iter().map(|&x| f64::from(x)).collect(),
        }
    }

    /// The elements as f32, rounded where they do not fit.
    pub fn f32s(&self) -> Vec<f32> {
        match &self.data {
            Data::F32(v) => v.clone(),
            _ => self.f64s().iter().map(|&x| x as f32).collect(),
        }
    }

    /// The elements of an integer tensor; None for floats.
    pub fn i64s(&self) -> Option<Vec<i64>> {
        match &self.data {
            Data::I64(v) => Some(v.clone()),
            Data::U8(v) => Some(v.iter().map(|&x| i64::from(x)).collect()),
            Data::F32(_) | Data::F64(_) => None,
        }
    }

    /// The elements of a uint8 tensor; None for every other type.
    pub fn u8s(&self) -> Option<&[u8]> {
        match &self.data {
            Data::U8(v) => Some(v),
            _ => None,
        }
    }

    /// A `(1, 3, h, w)` uint8 tensor as (width, height, interleaved RGB); None for any other form.
    pub fn picture(&self) -> Option<(u32, u32, Vec<u8>)> {
        let (&[1, 3, h, w], Data::U8(planes)) = (self.shape.as_slice(), &self.data) else {
            return None;
        };
        let mut data = vec![0; planes.len()];
        for (c, plane) in planes.chunks_exact(h * w).enumerate() {
            for (p, &v) in plane.iter().enumerate() {
                data[3 * p + c] = v;
            }
        }
        Some((w as u32, h as u32, data))
    }

    /// Interleaved RGB levels as a `(1, 3, h, w)` uint8 tensor.
    pub fn of_picture(width: u32, height: u32, data: &[u8]) -> Tensor {
        let planes = (0..3).flat_map(|c| data.iter().skip(c).step_by(3).copied()).collect();
        Tensor { shape: vec![1, 3, height as usize, width as usize], data: Data::U8(planes) }
    }
}

/// The tensors of one file, by name.
#[derive(Debug, Clone, Default)]
pub struct Tensors(pub BTreeMap<String, Tensor>);

impl Tensors {
    /// Reads a safetensors file.
    pub fn load(path: &Path) -> Result<Tensors, GoldenError> {
        let fail = |reason: String| GoldenError::Read { path: path.to_path_buf(), reason };
        let bytes = std::fs::read(path).map_err(|e| fail(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| fail(e.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let bytes = view.data();
            let data = match view.dtype() {
                Dtype::F32 => Data::F32(little_endian(bytes, f32::from_le_bytes)),
                Dtype::F64 => Data::F64(little_endian(bytes, f64::from_le_bytes)),
                Dtype::I64 => Data::I64(little_endian(bytes, i64::from_le_bytes)),
                Dtype::I32 => Data::I64(
                    little_endian(bytes, i32::from_le_bytes).into_iter().map(i64::from).collect(),
                ),
                Dtype::U8 | Dtype::BOOL => Data::U8(bytes.to_vec()),
                other => return Err(fail(format!("tensor {name:?} has type {other:?}"))),
            };
            tensors.insert(name, Tensor { shape: view.shape().to_vec(), data });
        }
        Ok(Tensors(tensors))
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Result<&Tensor, GoldenError> {
        self.0.get(name).ok_or(GoldenError::Missing { what: "tensor", name: name.to_owned() })
    }
}

/// Converts every group of N bytes.
fn little_endian<const N: usize, T>(bytes: &[u8], convert: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| convert(*chunk)).collect()
}

/// The weights of the `splitmix` rule for one tensor, row-major.
///
/// By name and shape: `num_batches_tracked` 0; `running_var` `1 + 0.5 v`; tensors of two or more
/// dimensions `v * 2 sqrt(3 / fan_in)`, but `0.04 v` for a token or position embedding `(1, L, D)`;
/// a 1-D `*.weight` (norms only) `1 + 0.2 v`; every other tensor `0.2 v`.
pub fn splitmix_weights(name: &str, shape: &[usize]) -> Vec<f32> {
    let n: usize = shape.iter().product();
    let seed = fnv1a64(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    let (offset, scale) = match (last, shape) {
        ("num_batches_tracked", _) => (0.0, 0.0),
        ("running_var", _) => (1.0, 0.5),
        (_, [1, _, _]) => (0.0, 0.04),
        (_, [_, rest @ ..]) if !rest.is_empty() => {
            let fan_in: usize = rest.iter().product();
            (0.0, 2.0 * (3.0 / fan_in as f64).sqrt())
        }
        ("weight", _) => (1.0, 0.2),
        _ => (0.0, 0.2),
    };
    (0..n as u64)
        .map(|i| {
            let u = splitmix64(seed.wrapping_add(i)) >> 40; // below 2^24
            let v = u as f64 / f64::from(1_u32 << 24) - 0.5;
            (offset + v * scale) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_weights_follow_name_and_shape() {
        assert_eq!(splitmix_weights("bn.num_batches_tracked", &[1]), [0.0]);
        let norm = splitmix_weights("blocks.0.norm1.weight", &[64]);
        assert!(norm.iter().all(|w| (0.9..1.1).contains(w)));
        let bias = splitmix_weights("blocks.0.norm1.bias", &[64]);
        assert!(bias.iter().all(|w| w.abs() <= 0.1));
        let token = splitmix_weights("cls_token", &[1, 1, 64]);
        assert!(token.iter().all(|w| w.abs() <= 0.02));
        let linear = splitmix_weights("fc.weight", &[2, 3]);
        assert!(linear.iter().all(|w| w.abs() <= 1.0));
        let variance = splitmix_weights("bn1.running_var", &[64]);
        assert!(variance.iter().all(|w| (0.75..1.25).contains(w)));
    }
}
