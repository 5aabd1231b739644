//! Spreadsheets, `.xlsx` and `.xls`.

use super::made::xls;
use super::made::xlsx::{self, Cell as Made, Packing, workbook};
use super::{changed_copies_come_back, near, no_prefix_is_whole, table};
use biqa_lab::datasets::formats::sheet::{Cell, Sheet, read_sheet};

fn read(bytes: &[u8], sheet: Option<&str>) -> Sheet {
    read_sheet(bytes, "labels.xlsx", sheet).expect("a good file")
}

// ---- the releases ---------------------------------------------------------------------------

#[test]
fn the_spreadsheet_of_csiq_is_read() {
    let Some(bytes) = table("csiq/csiq.beta.xlsx") else { return };
    let sheet = read(&bytes, Some("all_by_image"));
    let names = ["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"];
    let columns = sheet.columns_by_header(&names).expect("the columns");
    assert_eq!((columns.header_row, columns.columns.as_slice()), (3, &[3, 4, 5, 6, 7, 8][..]));
    let rows: Vec<u32> = sheet.rows_below(&columns).collect();
    assert_eq!(rows.len(), 866);
    // The reference is a number there.
    assert_eq!(sheet.text(rows[0], 3).expect("a name"), "1600");
    assert_eq!(sheet.text(rows[0], 5).expect("a type"), "noise");
    assert!(near(sheet.number(rows[0], 8).expect("a score"), 0.061989406));
    let scores: Vec<f64> = rows.iter().map(|&row| sheet.number(row, 8).expect("a score")).collect();
    let (min, max) = scores.iter().fold((1.0_f64, 0.0_f64), |(a, b), &x| (a.min(x), b.max(x)));
    assert_eq!((min, max), (0.0, 1.0));
    assert!(near(scores.iter().sum::<f64>() / 866.0, 0.350744));
    let kinds: Vec<String> = rows.iter().map(|&row| sheet.text(row, 5).expect("a type")).collect();
    let count = |kind| kinds.iter().filter(|found| *found == kind).count();
    assert_eq!((count("jpeg 2000"), count("contrast")), (150, 116));
}

#[test]
fn every_sheet_of_csiq_is_read_with_its_error_values() {
    let Some(bytes) = table("csiq/csiq.beta.xlsx") else { return };
    let error = read_sheet(&bytes, "csiq.beta.xlsx", Some("none of it")).expect_err("no sheet");
    let text = error.to_string();
    let (_, names) = text.split_once("it has: ").expect("the names");
    assert!(names.contains("all_by_image") && names.contains("all_by_distortion"), "{names}");
    for name in names.split(", ") {
        assert_eq!(read(&bytes, Some(name)).name(), name);
    }
}

#[test]
fn the_spreadsheet_of_spaq_is_read() {
    let Some(bytes) = table("spaq/reconstructed/Annotations/MOS and Image attribute scores.xlsx")
    else {
        return;
    };
    let sheet = read(&bytes, None);
    let columns = sheet.columns_by_header(&["Image name", "mos"]).expect("the columns");
    let rows: Vec<u32> = sheet.rows_below(&columns).collect();
    assert_eq!(rows.len(), 60);
    let [name, mos] = columns.columns[..] else { panic!("two columns") };
    assert_eq!(sheet.text(rows[0], name).expect("a name"), "00001.jpg");
    let first = [0, 1, 2].map(|i| sheet.number(rows[i], mos).expect("a score"));
    assert_eq!(first, [48.86, 62.5, 77.25]);
}

#[test]
fn the_spreadsheet_of_bid_is_read() {
    let Some(bytes) = table("bid/DatabaseGrades.xls") else { return };
    let sheet = read(&bytes, None);
    assert_eq!(sheet.name(), "Plan1");
    let names = ["Image Number", "Average Subjective Grade", "Number of Grades", "Grade #20"];
    let columns = sheet.columns_by_header(&names).expect("the columns");
    assert_eq!(columns.columns, [0, 1, 2, 22]);
    let rows: Vec<u32> = sheet.rows_below(&columns).collect();
    let numbers: Vec<f64> =
        rows.iter().map(|&row| sheet.number(row, 0).expect("a number")).collect();
    assert_eq!((rows.len(), numbers[0], numbers[585]), (586, 1.0, 590.0));
    let lacking: Vec<f64> =
        (1..=590).map(f64::from).filter(|number| !numbers.contains(number)).collect();
    assert_eq!(lacking, [2.0, 346.0, 413.0, 439.0]);
    let scores: Vec<f64> = rows.iter().map(|&row| sheet.number(row, 1).expect("a score")).collect();
    let (min, max) = scores.iter().fold((5.0_f64, 0.0_f64), |(a, b), &x| (a.min(x), b.max(x)));
    assert!(near(min, 0.163806) && near(max, 4.919752));
    assert!(near(scores.iter().sum::<f64>() / 586.0, 2.952711));
    // The number of grades differs from the grades that are there in five rows (2.9).
    let grades = |row| (3..23).filter(|&column| *sheet.cell(row, column) != Cell::Empty).count();
    let announced = |row| sheet.number(row, 2).expect("a count") as usize;
    let differ = rows.iter().filter(|&&row| grades(row) != announced(row));
    let differ: Vec<f64> = differ.map(|&row| sheet.number(row, 0).expect("a number")).collect();
    assert_eq!(differ, [71.0, 91.0, 241.0, 252.0, 317.0]);
    for empty in ["plan2", "Plan3"] {
        assert_eq!(read(&bytes, Some(empty)).rows().count(), 0);
    }
}

// ---- .xlsx made by hand ---------------------------------------------------------------------

fn cells() -> Vec<Vec<Made>> {
    vec![
        vec![],
        vec![Made::Gap, Made::Shared("A title & more".into())],
        vec![Made::Gap, Made::Inline("  Image Name".into()), Made::Shared("MOS ".into())],
        vec![Made::Blank, Made::Shared("größe <1>.png".into()), Made::Number(48.86)],
        vec![Made::Error("#DIV/0!"), Made::Formula("f.png".into()), Made::Number(-1e-7)],
        vec![Made::Gap, Made::Number(1600.0), Made::Bool(true)],
        vec![Made::Gap, Made::Gap, Made::Error("#N/A")],
    ]
}

#[test]
fn every_kind_of_cell_is_read_stored_and_deflated() {
    for packing in [Packing::Stored, Packing::Deflated] {
        let other = vec![vec![Made::Number(1.0)]];
        let bytes = workbook(&[("first", cells()), ("a & \"b\"", other)], packing);
        let sheet = read(&bytes, None);
        assert_eq!(sheet.name(), "first", "{packing:?}");
        let columns = sheet.columns_by_header(&["mos", "IMAGE NAME"]).expect("the columns");
        assert_eq!((columns.header_row, columns.columns.as_slice()), (2, &[2, 1][..]));
        assert_eq!(sheet.rows_below(&columns).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(sheet.text(3, 1).expect("a name"), "größe <1>.png");
        assert_eq!(sheet.number(3, 2).expect("a score"), 48.86);
        assert_eq!(sheet.text(4, 1).expect("a name"), "f.png");
        assert_eq!(sheet.number(4, 2).expect("a score"), -1e-7);
        assert_eq!(sheet.text(5, 1).expect("a name"), "1600");
        assert_eq!(*sheet.cell(5, 2), Cell::Bool(true));
        assert_eq!((sheet.cell(4, 0), sheet.cell(6, 2)), (&Cell::Empty, &Cell::Empty));
        assert_eq!(read(&bytes, Some("A & \"B\"")).number(0, 0).expect("a number"), 1.0);
    }
}

#[test]
fn errors_name_sheet_cell_and_what_is_there() {
    let bytes = workbook(&[("first", cells())], Packing::Deflated);
    let sheet = read(&bytes, None);
    let error = sheet.number(3, 1).expect_err("a text").to_string();
    assert!(error.contains("sheet first, cell B4") && error.contains("größe"), "{error}");
    let error = sheet.number(5, 2).expect_err("a truth value").to_string();
    assert!(error.contains("C6: found TRUE"), "{error}");
    let error = sheet.columns_by_header(&["mos", "std"]).expect_err("no std").to_string();
    assert!(error.contains("column std") && error.contains("Image Name, MOS"), "{error}");
    let error = read_sheet(&bytes, "a", Some("second")).expect_err("no sheet").to_string();
    assert!(error.contains("sheet second") && error.contains("it has: first"), "{error}");
}

/// An archive of the three parts that a workbook needs.
fn archive(sheet: &str) -> Vec<u8> {
    let parts = [
        (
            "xl/workbook.xml",
            "<x:workbook><x:sheets><x:sheet r:id='q' name='s'/></x:sheets></x:workbook>",
        ),
        (
            "xl/_rels/workbook.xml.rels",
            "<Relationships><Relationship Target='/xl/a.xml' Id='q' Type='t'/></Relationships>",
        ),
        ("xl/a.xml", sheet),
    ];
    let parts = parts.map(|(name, text)| (name.to_owned(), text.to_owned()));
    xlsx::zip(&parts, Packing::Stored)
}

#[test]
fn prefixes_single_quotes_comments_and_missing_references_are_read() {
    let sheet = read(
        &archive(
            "\u{feff}<?xml version='1.0'?><!-- a > b --><x:worksheet><x:sheetData>\
             <x:row><x:c t='inlineStr'><x:is><x:t>a</x:t></x:is></x:c><x:c><x:v>2</x:v></x:c></x:row>\
             <x:row><x:c r='C2' t=\"str\"><x:v><![CDATA[x<y]]></x:v></x:c><x:c><x:v> 1.5E1 </x:v></x:c>\
             </x:row></x:sheetData></x:worksheet>",
        ),
        None,
    );
    assert_eq!(sheet.text(0, 0).expect("a text"), "a");
    assert_eq!(sheet.number(0, 1).expect("a number"), 2.0);
    assert_eq!(sheet.text(1, 2).expect("a text"), "x<y");
    assert_eq!(sheet.number(1, 3).expect("a number"), 15.0);
}

#[test]
fn a_cell_in_the_last_corner_costs_one_cell() {
    let sheet = "<worksheet><sheetData><row r='1'><c r='A1'><v>1</v></c></row>\
                 <row r='1048576'><c r='XFD1048576'><v>2</v></c></row></sheetData></worksheet>";
    let sheet = read(&archive(sheet), None);
    assert_eq!(sheet.number(1_048_575, 16_383).expect("a number"), 2.0);
    assert_eq!(sheet.rows().count(), 2);
}

#[test]
fn damaged_sheets_are_errors() {
    for bad in [
        "<worksheet><sheetData><row r='0'/></sheetData></worksheet>",
        "<worksheet><sheetData><row r='1'><c r='XFE1'><v>1</v></c></row></sheetData></worksheet>",
        "<worksheet><sheetData><row r='1'><c r='1A'><v>1</v></c></row></sheetData></worksheet>",
        "<worksheet><sheetData><row r='1'><c r='A1' t='s'><v>0</v></c></row></sheetData></worksheet>",
        "<worksheet><sheetData><row r='1'><c r='A1'><v>one</v></c></row></sheetData></worksheet>",
        "<worksheet><sheetData><row r='1'><c r='A1'><v>1&x;</v></c></row></sheetData></worksheet>",
        "<!DOCTYPE x [<!ENTITY y 'z'>]><worksheet/>",
        "<worksheet><sheetData>",
        "</worksheet>",
        "<worksheet",
    ] {
        assert!(read_sheet(&archive(bad), "a", None).is_err(), "{bad}");
    }
    for (bytes, expected) in
        [(&b"path,score\n"[..], "a spreadsheet"), (b"PK\x03\x04", "zip"), (b"", "a spreadsheet")]
    {
        let error = read_sheet(bytes, "a", None).expect_err("no spreadsheet").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_changed_byte_of_an_archive_is_found_by_its_sum() {
    let mut bytes = workbook(&[("first", cells())], Packing::Stored);
    let at = bytes.windows(5).position(|window| window == b"48.86");
    // The builder prints 4.886e1.
    assert_eq!(at, None);
    let at = bytes.windows(7).position(|window| window == b"4.886e1").expect("the score");
    bytes[at] = b'3';
    let error = read_sheet(&bytes, "a", None).expect_err("changed").to_string();
    assert!(error.contains("checksum"), "{error}");
}

// ---- .xls made by hand ----------------------------------------------------------------------

/// More than 4096 bytes with `rows` = 200: in ordinary sectors; few rows lie in the mini stream.
fn old(rows: u16, cut: usize) -> Vec<u8> {
    let mut cells = vec![
        (0, 0, xls::Cell::Text("Image Number")),
        (0, 1, xls::Cell::Text("Größe in Ω, eine lange Überschrift")),
        (0, 2, xls::Cell::Text("MOS")),
    ];
    for row in 1..=rows {
        cells.push((row, 0, xls::Cell::Rk(u32::from(row) << 2 | 2)));
        cells.push((row, 2, xls::Cell::Number(f64::from(row) / 8.0)));
    }
    // -300 as an integer, 1.5 in 30 bits, 123.45 as 12345 hundredths.
    let bits = (1.5_f64.to_bits() >> 32) as u32;
    let rks = vec![(-300_i32 << 2) as u32 | 2, bits, 12345 << 2 | 3];
    cells.push((rows + 1, 1, xls::Cell::MulRk(rks)));
    cells.push((rows + 2, 0, xls::Cell::Error));
    cells.push((rows + 2, 1, xls::Cell::Bool(true)));
    cells.push((rows + 2, 2, xls::Cell::Formula(1.0)));
    xls::workbook(&[("Plan1", cells), ("Plan2", Vec::new())], cut)
}

#[test]
fn every_record_of_an_old_spreadsheet_is_read() {
    for rows in [3, 200] {
        for cut in [24, 31, 8000] {
            let case = format!("{rows} rows, records of {cut} bytes");
            let sheet = read(&old(rows, cut), Some("plan1"));
            let title = sheet.text(0, 1).expect("a title");
            assert_eq!(title, "Größe in Ω, eine lange Überschrift", "{case}");
            let columns = sheet.columns_by_header(&["image number", "mos"]).expect("the columns");
            assert_eq!(columns.columns, [0, 2], "{case}");
            for row in 1..=u32::from(rows) {
                assert_eq!(sheet.number(row, 0).expect("a number"), f64::from(row), "{case}");
                assert_eq!(sheet.number(row, 2).expect("a number"), f64::from(row) / 8.0, "{case}");
            }
            let last = u32::from(rows) + 1;
            let found = [1, 2, 3].map(|column| sheet.number(last, column).expect("a number"));
            assert_eq!(found, [-300.0, 1.5, 123.45], "{case}");
            assert_eq!(*sheet.cell(last + 1, 0), Cell::Empty, "{case}");
            assert_eq!(*sheet.cell(last + 1, 1), Cell::Bool(true), "{case}");
            let error = sheet.number(last + 1, 2).expect_err("a formula").to_string();
            assert!(error.contains("formula") && error.contains(".xlsx"), "{case}: {error}");
            assert_eq!(read(&old(rows, cut), Some("Plan2")).rows().count(), 0, "{case}");
        }
    }
}

#[test]
fn other_compound_files_say_what_they_are() {
    for (stream, expected) in
        [("EncryptedPackage", "password"), ("Book", "Excel 97"), ("WordDocument", "Workbook")]
    {
        let error = read_sheet(&xls::compound(stream, &[0; 64]), "a", None).expect_err(stream);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_chain_that_runs_in_a_circle_is_an_error() {
    let mut bytes = old(200, 8000);
    let data = 512 + 4 * 2; // the FAT is sector 0; the first sector of the data is number 2
    bytes[data..data + 4].copy_from_slice(&2_u32.to_le_bytes());
    let error = read_sheet(&bytes, "a", None).expect_err("a circle").to_string();
    assert!(error.contains("circle"), "{error}");
}

// ---- broken files ---------------------------------------------------------------------------

#[test]
fn no_part_of_a_file_passes_for_the_whole() {
    for packing in [Packing::Stored, Packing::Deflated] {
        let bytes = workbook(&[("first", cells())], packing);
        no_prefix_is_whole(&bytes, |bytes| read_sheet(bytes, "a", None).is_ok());
    }
    // The end of the last sector may lack: what the directory says must be there.
    let bytes = old(3, 24);
    let whole = read(&bytes, None);
    for cut in 0..bytes.len() {
        if let Ok(found) = read_sheet(&bytes[..cut], "labels.xlsx", None) {
            assert!(found == whole && bytes.len() - cut < 512, "cut at {cut}");
        }
    }
}

#[test]
fn changed_files_never_panic() {
    let made = [
        workbook(&[("first", cells())], Packing::Stored),
        workbook(&[("first", cells())], Packing::Deflated),
        old(3, 24),
        old(200, 31),
    ];
    let real = ["bid/DatabaseGrades.xls"];
    for bytes in made.into_iter().chain(real.into_iter().filter_map(table)) {
        changed_copies_come_back(&bytes, |bytes| {
            if let Ok(sheet) = read_sheet(bytes, "a", None) {
                let _ = sheet.columns_by_header(&["Image Number", "nothing"]);
            }
        });
    }
}

/// Sums protect the parts of an archive; here the XML itself is changed.
#[test]
fn changed_xml_never_panics() {
    let text = "<worksheet><sheetData><row r='1'><c r='A1' t=\"str\"><v>a&amp;b&#x41;</v></c>\
                <c r='B1'><v>1.5</v></c><c t='b'><v>1</v></c></row></sheetData></worksheet>";
    changed_copies_come_back(text.as_bytes(), |bytes| {
        let _ = read_sheet(&archive(&String::from_utf8_lossy(bytes)), "a", None);
    });
}
