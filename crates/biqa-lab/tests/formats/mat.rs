//! MATLAB level 5.

use super::made::mat::{
    Array, Order, Storage, cell, chars, doubles, file, head, matrix, nothing, numbers, opaque,
    text, texts, utf8, zlib,
};
use super::{changed_copies_come_back, near, no_prefix_is_whole, table};
use biqa_lab::datasets::formats::FormatError;
use biqa_lab::datasets::formats::mat::{MatFile, Value, read_mat};

const ORDERS: [Order; 2] = [Order::Little, Order::Big];

fn read(bytes: &[u8]) -> MatFile {
    read_mat(bytes, "labels.mat").expect("a good file")
}

fn refused(bytes: &[u8]) -> String {
    read_mat(bytes, "labels.mat").expect_err("a file that is not read").to_string()
}

// ---- the releases ---------------------------------------------------------------------------

#[test]
fn the_released_names_of_live_are_read() {
    let Some(bytes) = table("live/refnames_all.mat") else { return };
    let found = read(&bytes);
    let names = found.texts("refnames_all").expect("a cell of texts");
    assert_eq!(names.len(), 982);
    assert_eq!(names[..3], ["buildings.bmp", "studentsculpture.bmp", "rapids.bmp"]);
    assert_eq!(names[981], "sailing4.bmp");
    let mut distinct = names.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 29);
}

#[test]
fn the_scores_of_live_are_read_from_both_copies() {
    for (name, flags) in
        [("live/dmos_realigned.mat", 779), ("live/reconstructed/dmos_realigned.mat", 982)]
    {
        let Some(bytes) = table(name) else { return };
        let found = read(&bytes);
        let dmos = found.numbers("dmos_new").expect("numbers");
        assert_eq!(dmos.dims, [1, 982], "{name}");
        let first = [0.0, 15.512954, 24.090255, 68.990862, 74.397948, 69.229214];
        assert!(dmos.data.iter().zip(first).all(|(&a, b)| near(a, b)), "{name}");
        let negative: Vec<usize> = (0..982).filter(|&i| dmos.data[i] < 0.0).collect();
        assert_eq!(negative, [239, 283, 296], "{name}");
        assert_eq!(dmos.data.iter().filter(|&&x| x == 0.0).count(), 203, "{name}");
        let max = dmos.data.iter().copied().fold(0.0, f64::max);
        assert!(near(max, 111.774694), "{name}: {max}");
        assert_eq!(found.numbers("dmos_std").expect("numbers").data.len(), 982);
        assert_eq!(found.numbers("orgs").expect("numbers").data.len(), flags, "{name}");
    }
    let Some(bytes) = table("live/dmos_realigned.mat") else { return };
    assert!(read(&bytes).numbers("orgs").expect("numbers").logical);
}

#[test]
fn the_files_of_live_challenge_are_read() {
    let folder = "livec/reconstructed/Data";
    let [images, mos, spread] = ["AllImages", "AllMOS", "AllStdDev"]
        .map(|name| table(&format!("{folder}/{name}_release.mat")));
    let (Some(images), Some(mos), Some(spread)) = (images, mos, spread) else { return };
    let names = read(&images).texts("AllImages_release").expect("texts");
    assert_eq!((names.len(), names[6].as_str(), names[7].as_str()), (1169, "t7.bmp", "3.bmp"));
    assert_eq!(names[1168], "1164.bmp");
    let mos = read(&mos);
    let mos = mos.numbers("AllMOS_release").expect("numbers");
    let mean = mos.data[7..].iter().sum::<f64>() / 1162.0;
    assert!(near(mean, 55.401325) && mos.dims == [1, 1169], "{mean}");
    let spread = read(&spread);
    let spread = &spread.numbers("AllStdDev_release").expect("numbers").data[7..];
    assert!(near(spread.iter().copied().fold(f64::MAX, f64::min), 6.755828));
    assert!(near(spread.iter().copied().fold(0.0, f64::max), 28.592859));
}

// ---- files made by hand ---------------------------------------------------------------------

/// Every kind of array that is read.
fn all_kinds() -> Vec<Array> {
    vec![
        doubles("x", [2, 3], &[1.5, -2.0, 3.0, 4.0, 5.0, 1e300]),
        numbers("flags", 9, Storage::Uint8, [1, 5], &[1.0, 0.0, 0.0, 1.0, 1.0]).logical(),
        text("name", "blümchen 花"),
        utf8("utf8", "blümchen 花"),
        chars("rows", Storage::Uint8, [2, 3], &b"acb  d".map(f64::from)),
        texts("list", [3, 1], &["a.bmp", "", "a name that is longer.bmp"]),
        cell(
            "nested",
            [1, 3],
            vec![texts("", [1, 1], &["in.bmp"]), nothing(), doubles("", [1, 1], &[7.0])],
        ),
        doubles("empty", [0, 0], &[]),
    ]
}

#[test]
fn every_kind_of_array_is_read_in_both_orders_packed_and_plain() {
    for order in ORDERS {
        for packed in [false, true] {
            let case = format!("{order:?}, packed: {packed}");
            let found = read(&file(order, packed, &all_kinds()));
            assert_eq!(found.names().count(), 8, "{case}");
            let x = found.numbers("x").expect("numbers");
            assert_eq!(x.dims, [2, 3], "{case}");
            assert_eq!(x.data, [1.5, -2.0, 3.0, 4.0, 5.0, 1e300], "{case}");
            assert!(!x.logical, "{case}");
            let flags = found.numbers("flags").expect("numbers");
            assert!(flags.logical && flags.data == [1.0, 0.0, 0.0, 1.0, 1.0], "{case}");
            for name in ["name", "utf8"] {
                let text = found.get(name).expect("text").text();
                assert_eq!(text.as_deref(), Some("blümchen 花"), "{case}: {name}");
            }
            assert_eq!(found.texts("rows").expect("rows"), ["ab", "c d"], "{case}");
            let list = ["a.bmp", "", "a name that is longer.bmp"];
            assert_eq!(found.texts("list").expect("texts"), list, "{case}");
            let Value::Cell(nested) = found.get("nested").expect("a cell") else {
                panic!("{case}")
            };
            assert_eq!(nested.items[0].text().as_deref(), Some("in.bmp"), "{case}");
            assert_eq!(nested.items[1].text().as_deref(), Some(""), "{case}");
            assert_eq!(nested.items[2].text(), None, "{case}");
            assert!(found.numbers("empty").expect("numbers").data.is_empty(), "{case}");
        }
    }
}

#[test]
fn numbers_are_converted_by_their_storage_not_by_their_class() {
    let all = [
        (Storage::Int8, vec![-128.0, 127.0]),
        (Storage::Uint8, vec![0.0, 255.0]),
        (Storage::Int16, vec![-32768.0, 32767.0]),
        (Storage::Uint16, vec![0.0, 65535.0]),
        (Storage::Int32, vec![-2147483648.0, 2147483647.0]),
        (Storage::Uint32, vec![0.0, 4294967295.0]),
        (Storage::Single, vec![0.5, -1.25]),
        (Storage::Double, vec![0.1, -1e-300]),
        (Storage::Int64, vec![-9007199254740992.0, 9007199254740992.0]),
        (Storage::Uint64, vec![0.0, 9007199254740992.0]),
    ];
    for order in ORDERS {
        for (storage, data) in &all {
            // One, two and five numbers: small elements, and elements with padding.
            for count in [1, 2, 5] {
                let data: Vec<f64> = data.iter().cycle().take(count).copied().collect();
                let array = numbers("x", 6, *storage, [1, count as i32], &data);
                let found = read(&file(order, false, &[array, doubles("next", [1, 1], &[3.0])]));
                let x = &found.numbers("x").expect("numbers").data;
                assert_eq!(x, &data, "{order:?} {storage:?} {count}");
                assert_eq!(found.numbers("next").expect("numbers").data, [3.0]);
            }
        }
    }
}

#[test]
fn text_is_read_in_every_encoding() {
    let codes = "Bild 12".bytes().map(f64::from).collect::<Vec<_>>();
    for storage in [
        Storage::Int8,
        Storage::Uint8,
        Storage::Utf8,
        Storage::Uint16,
        Storage::Utf16,
        Storage::Utf32,
    ] {
        for order in ORDERS {
            let array = chars("t", storage, [1, 7], &codes);
            let found = read(&file(order, true, &[array]));
            assert_eq!(found.texts("t").expect("text"), ["Bild 12"], "{storage:?}");
        }
    }
}

#[test]
fn variables_of_other_classes_are_passed_over_until_asked_for() {
    for (class, name) in
        [(2, "struct"), (3, "object"), (5, "sparse array"), (16, "function handle")]
    {
        let other = doubles("other", [1, 1], &[0.0]).of_class(class);
        let found = read(&file(Order::Little, true, &[other, doubles("x", [1, 1], &[2.0])]));
        assert_eq!(found.numbers("x").expect("numbers").data, [2.0]);
        let error = found.numbers("other").expect_err("not read").to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_matlab_table_names_the_list_to_use_instead() {
    for class in ["table", "string"] {
        let workspace = numbers("", 9, Storage::Uint8, [1, 8], &[0.0; 8]);
        let bytes = file(Order::Little, true, &[opaque("scores", class), workspace.clone()]);
        let error = refused(&bytes);
        assert!(error.contains(&format!("variable scores is a MATLAB {class}")), "{error}");
        assert!(error.contains("labels.csv"), "{error}");
        let arrays = [opaque("scores", class), workspace, doubles("x", [1, 1], &[2.0])];
        let found = read(&file(Order::Big, false, &arrays));
        assert_eq!(found.numbers("x").expect("numbers").data, [2.0]);
        assert_eq!(found.get("scores").expect_err("an object").to_string(), error);
    }
}

#[test]
fn levels_4_and_7_3_say_how_to_save() {
    // Level 4: type 0, 1 row, 1 column, real, a name of 2 bytes.
    let mut level4: Vec<u8> = [0_u32, 1, 1, 0, 2].iter().flat_map(|x| x.to_le_bytes()).collect();
    level4.extend(b"x\0");
    level4.extend(1.0_f64.to_le_bytes());
    let mut hdf5 = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".to_vec();
    hdf5.resize(512, b' ');
    for (bytes, level) in [(level4, "level 4"), (hdf5, "7.3")] {
        let error = refused(&bytes);
        assert!(error.contains(level) && error.contains("-v7"), "{error}");
    }
}

#[test]
fn what_is_wanted_and_what_there_is_stand_in_the_error() {
    let found = read(&file(Order::Little, true, &all_kinds()));
    let error = found.numbers("dmos").expect_err("none").to_string();
    assert!(error.contains("variable dmos") && error.contains("x, flags, name"), "{error}");
    let error = found.numbers("list").expect_err("a cell").to_string();
    assert!(error.contains("a 3 x 1 cell") && error.contains("numbers"), "{error}");
    let error = found.texts("nested").expect_err("a number in it").to_string();
    assert!(error.contains("nested{3}"), "{error}");
}

// ---- broken files ---------------------------------------------------------------------------

#[test]
fn a_cut_file_is_an_error_or_lacks_its_last_variables() {
    for packed in [false, true] {
        let one = [texts("list", [2, 1], &["a.bmp", "longer.bmp"])];
        no_prefix_is_whole(&file(Order::Big, packed, &one), |bytes| read_mat(bytes, "a").is_ok());
        no_prefix_is_whole(&file(Order::Little, packed, &all_kinds()), |bytes| {
            read_mat(bytes, "a").is_ok_and(|found| found.names().count() == 8)
        });
    }
}

#[test]
fn changed_files_never_panic() {
    let made = [
        file(Order::Little, false, &all_kinds()),
        file(Order::Big, false, &all_kinds()),
        file(Order::Little, true, &all_kinds()),
    ];
    let real = ["live/reconstructed/dmos_realigned.mat", "live/refnames_all.mat"];
    for bytes in made.into_iter().chain(real.into_iter().filter_map(table)) {
        changed_copies_come_back(&bytes, |bytes| {
            if let Ok(found) = read_mat(bytes, "a") {
                for name in found.names() {
                    let _ = (found.texts(name), found.numbers(name));
                }
            }
        });
    }
}

#[test]
fn a_file_that_would_fill_the_memory_is_refused() {
    // 65 MiB of zeros in 66 KB, as two variables that are each within the limit.
    let packed = |data: &[u8]| {
        let stream = zlib(data);
        let mut bytes = 15_u32.to_le_bytes().to_vec();
        bytes.extend((stream.len() as u32).to_le_bytes());
        bytes.extend(stream);
        bytes
    };
    let mut bomb = head(Order::Little);
    let zeros = numbers("x", 6, Storage::Uint8, [1, 1], &[0.0]);
    let mut padded = matrix(Order::Little, &zeros);
    padded.resize(33 << 20, 0);
    for _ in 0..2 {
        bomb.extend(packed(&padded));
    }
    let wide = numbers("x", 6, Storage::Uint8, [1 << 16, 1 << 16], &[0.0]);
    let mut deep = doubles("x", [1, 1], &[1.0]);
    for _ in 0..40 {
        deep = cell("x", [1, 1], vec![deep]);
    }
    let cells = cell("x", [1, 1 << 22], vec![nothing()]);
    for (bytes, expected) in [
        (bomb, "inflated bytes"),
        (file(Order::Little, true, &[wide]), "dimensions"),
        (file(Order::Little, true, &[deep]), "cells within cells"),
        (file(Order::Little, true, &[cells]), "elements"),
    ] {
        let error = refused(&bytes);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn damage_names_the_byte() {
    let mut bytes = file(Order::Little, false, &[doubles("x", [1, 2], &[1.0, 2.0])]);
    bytes[128 + 8 + 8 + 8 + 8 + 4] = 9; // the second dimension, above what there is
    let error = read_mat(&bytes, "labels.mat").expect_err("damaged");
    assert!(matches!(error, FormatError::Damaged { .. }));
    let error = error.to_string();
    assert!(error.contains("labels.mat") && error.contains("byte 184"), "{error}");
    assert!(error.contains("9 numbers") && error.contains("found 2"), "{error}");
}
