//! MATLAB level 5 files.

use super::pad;
use std::io::Write as _;

/// The order of bytes in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `IM` in the head.
    Little,
    /// `MI` in the head.
    Big,
}

/// How numbers lie in the file, whatever their class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    Int8 = 1,
    Uint8 = 2,
    Int16 = 3,
    Uint16 = 4,
    Int32 = 5,
    Uint32 = 6,
    Single = 7,
    Double = 9,
    Int64 = 12,
    Uint64 = 13,
    Utf8 = 16,
    Utf16 = 17,
    Utf32 = 18,
}

/// An array with its name.
#[derive(Debug, Clone)]
pub struct Array {
    name: String,
    class: u32,
    flags: u32,
    dims: Vec<i32>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Numbers(Storage, Vec<f64>),
    Bytes(Storage, Vec<u8>),
    Cells(Vec<Array>),
    /// A `miMATRIX` of 0 bytes.
    Nothing,
    /// An object: the class.
    Opaque(String),
}

/// A double array, stored as doubles. `data` is column by column.
pub fn doubles(name: &str, dims: [i32; 2], data: &[f64]) -> Array {
    numbers(name, 6, Storage::Double, dims, data)
}

/// An array of a class (6 double, 7 single, 8 int8 .. 15 uint64), stored in another type.
pub fn numbers(name: &str, class: u32, storage: Storage, dims: [i32; 2], data: &[f64]) -> Array {
    let body = Body::Numbers(storage, data.to_vec());
    Array { name: name.into(), class, flags: 0, dims: dims.to_vec(), body }
}

/// One row of text, stored as UTF-16.
pub fn text(name: &str, text: &str) -> Array {
    let units: Vec<f64> = text.encode_utf16().map(f64::from).collect();
    chars(name, Storage::Uint16, [1, units.len() as i32], &units)
}

/// A char array; `codes` is column by column.
pub fn chars(name: &str, storage: Storage, dims: [i32; 2], codes: &[f64]) -> Array {
    Array { class: 4, ..numbers(name, 4, storage, dims, codes) }
}

/// One row of text whose bytes are UTF-8.
pub fn utf8(name: &str, text: &str) -> Array {
    let body = Body::Bytes(Storage::Utf8, text.as_bytes().to_vec());
    let dims = vec![1, text.encode_utf16().count() as i32];
    Array { name: name.into(), class: 4, flags: 0, dims, body }
}

/// A cell array; the items' names are left out.
pub fn cell(name: &str, dims: [i32; 2], items: Vec<Array>) -> Array {
    let nameless = |item| Array { name: String::new(), ..item };
    let body = Body::Cells(items.into_iter().map(nameless).collect());
    Array { name: name.into(), class: 1, flags: 0, dims: dims.to_vec(), body }
}

/// A cell of one-row texts.
pub fn texts(name: &str, dims: [i32; 2], items: &[&str]) -> Array {
    cell(name, dims, items.iter().map(|item| text("", item)).collect())
}

/// An entry of a cell that takes no bytes.
pub fn nothing() -> Array {
    Array { body: Body::Nothing, ..doubles("", [0, 0], &[]) }
}

/// A MATLAB object such as a `table`.
pub fn opaque(name: &str, class: &str) -> Array {
    let body = Body::Opaque(class.into());
    Array { name: name.into(), class: 17, flags: 0, dims: Vec::new(), body }
}

impl Array {
    /// Marks the array as logical.
    pub fn logical(self) -> Array {
        Array { flags: 0x02, ..self }
    }

    /// Another class, with the same bytes behind it.
    pub fn of_class(self, class: u32) -> Array {
        Array { class, ..self }
    }
}

/// A file with its variables as they are, or each in a zlib stream.
pub fn file(order: Order, packed: bool, arrays: &[Array]) -> Vec<u8> {
    let mut bytes = head(order);
    for array in arrays {
        let matrix = matrix(order, array);
        if packed {
            let stream = zlib(&matrix);
            word(&mut bytes, order, 15);
            word(&mut bytes, order, stream.len() as u32);
            bytes.extend(stream); // without padding
        } else {
            bytes.extend(matrix);
        }
    }
    bytes
}

/// The 128 bytes at the start.
pub fn head(order: Order) -> Vec<u8> {
    let mut bytes = format!("{:124}", "MATLAB 5.0 MAT-file, made by a test").into_bytes();
    match order {
        Order::Little => bytes.extend([0x00, 0x01, b'I', b'M']),
        Order::Big => bytes.extend([0x01, 0x00, b'M', b'I']),
    }
    bytes
}

/// A zlib stream.
pub fn zlib(data: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
    encoder.write_all(data).expect("memory");
    encoder.finish().expect("memory")
}

/// A `miMATRIX` with its tag.
pub fn matrix(order: Order, array: &Array) -> Vec<u8> {
    let mut inside = Vec::new();
    let mut put = |kind: u32, data: Vec<u8>| element(&mut inside, order, kind, &data);
    if !matches!(array.body, Body::Nothing) {
        put(6, each(order, &[array.class | array.flags << 8, 0], u32::to_le_bytes));
        if !matches!(array.body, Body::Opaque(_)) {
            put(5, each(order, &array.dims, i32::to_le_bytes));
        }
        put(1, array.name.clone().into_bytes());
    }
    match &array.body {
        Body::Numbers(storage, data) => put(*storage as u32, stored(order, *storage, data)),
        Body::Bytes(storage, data) => put(*storage as u32, data.clone()),
        Body::Cells(items) => items.iter().for_each(|item| inside.extend(matrix(order, item))),
        Body::Nothing => {}
        Body::Opaque(class) => {
            put(1, b"MCOS".to_vec());
            put(1, class.clone().into_bytes());
            inside.extend(matrix(order, &numbers("", 13, Storage::Uint32, [1, 1], &[7.0])));
        }
    }
    let mut bytes = Vec::new();
    word(&mut bytes, order, 14);
    word(&mut bytes, order, inside.len() as u32);
    bytes.extend(inside);
    bytes
}

/// A tag and its data, padded; in the small form when 1 to 4 bytes.
fn element(bytes: &mut Vec<u8>, order: Order, kind: u32, data: &[u8]) {
    if (1..=4).contains(&data.len()) {
        word(bytes, order, (data.len() as u32) << 16 | kind);
    } else {
        word(bytes, order, kind);
        word(bytes, order, data.len() as u32);
    }
    bytes.extend(data);
    pad(bytes, 8);
}

fn word(bytes: &mut Vec<u8>, order: Order, value: u32) {
    match order {
        Order::Little => bytes.extend(value.to_le_bytes()),
        Order::Big => bytes.extend(value.to_be_bytes()),
    }
}

fn stored(order: Order, storage: Storage, data: &[f64]) -> Vec<u8> {
    match storage {
        Storage::Int8 => each(order, data, |x| (x as i8).to_le_bytes()),
        Storage::Uint8 | Storage::Utf8 => each(order, data, |x| (x as u8).to_le_bytes()),
        Storage::Int16 => each(order, data, |x| (x as i16).to_le_bytes()),
        Storage::Uint16 | Storage::Utf16 => each(order, data, |x| (x as u16).to_le_bytes()),
        Storage::Int32 => each(order, data, |x| (x as i32).to_le_bytes()),
        Storage::Uint32 | Storage::Utf32 => each(order, data, |x| (x as u32).to_le_bytes()),
        Storage::Single => each(order, data, |x| (x as f32).to_le_bytes()),
        Storage::Double => each(order, data, f64::to_le_bytes),
        Storage::Int64 => each(order, data, |x| (x as i64).to_le_bytes()),
        Storage::Uint64 => each(order, data, |x| (x as u64).to_le_bytes()),
    }
}

fn each<T: Copy, const N: usize>(order: Order, data: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    let turned = |value: &T| {
        let mut bytes = bytes(*value);
        if order == Order::Big {
            bytes.reverse();
        }
        bytes
    };
    data.iter().flat_map(turned).collect()
}
