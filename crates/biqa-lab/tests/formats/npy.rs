//! NumPy's arrays.

use super::made::npy::{file, int64};
use super::{changed_copies_come_back, no_prefix_is_whole};
use biqa_lab::datasets::formats::npy::{Data, read_npy};

#[test]
fn every_version_type_and_order_is_read() {
    let values = [3_i64, -1, 0, 7, 1 << 40, 5];
    let little: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let big: Vec<u8> = values.iter().flat_map(|x| x.to_be_bytes()).collect();
    let rows = [values[..3].to_vec(), values[3..].to_vec()];
    for version in [1, 2, 3] {
        for (descr, data) in [("<i8", &little), (">i8", &big)] {
            let found = read_npy(&file(version, descr, false, "(2, 3)", data), "a").expect("good");
            assert_eq!(found.shape, [2, 3]);
            assert_eq!(found.integer_rows("a").expect("integers"), rows, "{version} {descr}");
        }
    }
    // Column by column: (3, -1), (0, 7), (1 << 40, 5).
    let found = read_npy(&file(1, "<i8", true, "(2, 3)", &little), "a").expect("good");
    assert_eq!(found.integer_rows("a").expect("integers"), [[3, 0, 1 << 40], [-1, 7, 5]]);
    let found = read_npy(&file(1, "<i8", true, "(6,)", &little), "a").expect("good");
    assert_eq!(found.integer_rows("a").expect("integers"), [values]);
}

#[test]
fn narrow_integers_and_floats_are_read() {
    let data: Vec<u8> = [1_i32, -2].iter().flat_map(|x| x.to_be_bytes()).collect();
    let found = read_npy(&file(1, ">i4", false, "(2,)", &data), "a").expect("good");
    assert_eq!(found.data, Data::Integers(vec![1, -2]));
    let data: Vec<u8> = [0.1_f64, -2.5].iter().flat_map(|x| x.to_le_bytes()).collect();
    let found = read_npy(&file(1, "<f8", false, "(2,)", &data), "a").expect("good");
    assert_eq!(found.data, Data::Floats(vec![0.1, -2.5]));
    let error = found.integer_rows("a.npy").expect_err("floats").to_string();
    assert!(error.contains("a.npy") && error.contains("floats"), "{error}");
    let data: Vec<u8> = [0.5_f32].iter().flat_map(|x| x.to_le_bytes()).collect();
    let found = read_npy(&file(1, "<f4", false, "(1,)", &data), "a").expect("good");
    assert_eq!(found.data, Data::Floats(vec![0.5]));
}

#[test]
fn other_arrays_say_what_to_save() {
    for (descr, shape, bytes) in
        [("|b1", "(2,)", 2), ("|O", "(2,)", 16), ("<i8", "(1, 1, 1)", 8), ("<c16", "(1,)", 16)]
    {
        let error = read_npy(&file(1, descr, false, shape, &vec![0; bytes]), "a").expect_err(descr);
        assert!(error.to_string().contains("int64"), "{error}");
    }
    for shape in ["(2,)", "(99999999999, 99999999999)", "(-1,)", "(0, 8", "3"] {
        assert!(read_npy(&file(1, "<i8", false, shape, &[0; 8]), "a").is_err(), "{shape}");
    }
}

#[test]
fn empty_rows_are_read_however_many_are_announced() {
    let bytes = file(1, "<i8", true, "(18446744073709551615, 0)", &[]);
    assert!(read_npy(&bytes, "a").expect("empty").integer_rows("a").expect("none").is_empty());
}

#[test]
fn cut_and_changed_files_never_panic() {
    let bytes = int64(&[vec![1, 2, 3], vec![4, 5, -1]]);
    no_prefix_is_whole(&bytes, |bytes| read_npy(bytes, "a").is_ok());
    changed_copies_come_back(&bytes, |bytes| {
        let _ = read_npy(bytes, "a").map(|found| found.integer_rows("a"));
    });
}
