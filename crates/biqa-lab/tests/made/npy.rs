//! NumPy's `.npy` files.

/// A file of version 1, 2 or 3: `descr` such as `<i8`, `shape` as Python prints it, raw data.
pub fn file(version: u8, descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let mut head = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    while (head.len() + 13) % 64 != 0 {
        head.push(' ');
    }
    head.push('\n');
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    if version == 1 {
        bytes.extend((head.len() as u16).to_le_bytes());
    } else {
        bytes.extend((head.len() as u32).to_le_bytes());
    }
    bytes.extend(head.as_bytes());
    bytes.extend(data);
    bytes
}

/// int64 in rows of equal length, as `numpy.save` writes them.
pub fn int64(rows: &[Vec<i64>]) -> Vec<u8> {
    let n = rows.first().map_or(0, Vec::len);
    let data: Vec<u8> = rows.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    file(1, "<i8", false, &format!("({}, {n})", rows.len()), &data)
}
