//! What a name means: files, folders, globs, lists, standard input, parts.

mod common;

use common::{Place, Run, paths, rows};

#[test]
fn a_folder_is_walked_in_the_byte_order_of_paths() {
    let place = Place::new();
    for (i, name) in ["d/b.ppm", "d/a/z.PPM", "d/a.ppm", "d/a0.ppm"].iter().enumerate() {
        place.picture(name, i as u32);
    }
    place.file("d/readme.txt", "x");
    place.file("d/.hidden.ppm", "x");
    let run = place.biqa(&["score", "d"]).ends(0);
    assert_eq!(run.paths(), ["d/a.ppm", "d/a/z.PPM", "d/a0.ppm", "d/b.ppm"]);
    assert!(run.stderr.starts_with("scored 4, failed 0, skipped 1; mean "), "{}", run.stderr);
}

#[test]
fn a_named_file_is_read_whatever_its_name() {
    let place = Place::new();
    place.picture("photo.without_suffix", 1);
    place.picture(".hidden", 2);
    let run = place.biqa(&["score", "photo.without_suffix", ".hidden"]).ends(0);
    assert_eq!(run.paths(), ["photo.without_suffix", ".hidden"]);
}

#[test]
fn the_same_file_named_twice_has_two_rows() {
    let place = Place::with_photos(1);
    let run = place.biqa(&["score", "photos/00.ppm", "photos", "photos/00.ppm"]).ends(0);
    let rows = run.rows();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| *row == rows[0]));
}

#[test]
fn a_file_that_is_not_there_has_a_row_and_the_run_goes_on() {
    let place = Place::with_photos(2);
    let run = place.biqa(&["score", "photos/00.ppm", "nowhere.png", "photos/01.ppm"]).ends(1);
    let rows = run.rows();
    assert_eq!(rows[1]["error_kind"], "NotFound");
    assert_eq!(rows[1]["path"], "nowhere.png");
    assert!(rows[1]["score"].is_null() && rows[1]["raw"].is_null());
    assert!(rows[0]["score"].is_number() && rows[2]["score"].is_number());
    assert!(rows[0]["error"].is_null());
}

#[test]
fn bad_files_have_rows_that_say_why() {
    let place = Place::with_photos(1);
    place.file("photos/empty.png", "");
    place.file("photos/text.jpg", "This is text.");
    place.file("photos/torn.ppm", &common::ppm(48, 32, 1)[..100]);
    let run = place.biqa(&["score", "photos"]).ends(1);
    let kinds: Vec<_> = run.rows().iter().map(|row| row["error_kind"].to_string()).collect();
    assert_eq!(
        kinds,
        ["null", "\"Empty\"", "\"UnknownFormat\"", "\"Truncated\""].map(str::to_owned).to_vec()
    );
    assert!(run.stderr.contains("scored 1, failed 3"), "{}", run.stderr);
}

#[test]
fn globs_are_expanded_where_the_shell_did_not() {
    let place = Place::with_photos(12);
    place.picture("photos/deep/er/x.ppm", 1);
    let paths = |pattern: &str| place.biqa(&["score", pattern]).ends(0).paths();
    assert_eq!(paths("photos/0[1-3].ppm"), ["photos/01.ppm", "photos/02.ppm", "photos/03.ppm"]);
    assert_eq!(paths("photos/1?.ppm"), ["photos/10.ppm", "photos/11.ppm"]);
    assert_eq!(paths("*/d*"), ["photos/deep/er/x.ppm"]);
    assert_eq!(paths("**/*.ppm").len(), 13);
    let run = place.biqa(&["score", "photos/*.jxl"]).ends(1);
    assert_eq!(run.rows()[0]["error_kind"], "NotFound");
}

#[test]
fn a_name_that_exists_is_no_pattern_and_no_list() {
    let place = Place::new();
    place.picture("[1].ppm", 1);
    place.picture("1.ppm", 2);
    place.picture("@home/2.ppm", 3);
    assert_eq!(place.biqa(&["score", "[1].ppm"]).ends(0).paths(), ["[1].ppm"]);
    assert_eq!(place.biqa(&["score", "@home"]).ends(0).paths(), ["@home/2.ppm"]);
}

#[test]
fn lists_are_read_from_files_and_from_standard_input() {
    let place = Place::with_photos(3);
    place.picture("more/x.ppm", 9);
    place.file("unix.txt", "photos/01.ppm\n\nmore\nnowhere.png\n");
    place.file("windows.txt", "\u{feff}photos/01.ppm\r\n\r\nmore\r\nnowhere.png");
    let expected = ["photos/01.ppm", "more/x.ppm", "nowhere.png"];
    assert_eq!(place.biqa(&["score", "@unix.txt"]).ends(1).paths(), expected);
    assert_eq!(place.biqa(&["score", "@windows.txt"]).ends(1).paths(), expected);
    let run = place.biqa_reading(&["score", "-"], place.read("unix.txt"));
    assert_eq!(run.ends(1).paths(), expected);
    let run = place.biqa_reading(&["score", "photos/00.ppm", "-", "more"], "photos/02.ppm");
    assert_eq!(run.ends(0).paths(), ["photos/00.ppm", "photos/02.ppm", "more/x.ppm"]);
}

#[test]
fn parts_together_are_the_whole() {
    let place = Place::with_photos(7);
    let whole = place.biqa(&["score", "photos", "nowhere.png"]).ends(1).rows();
    let parts: Vec<Vec<_>> = ["1/3", "2/3", "3/3"]
        .map(|part| place.biqa(&["score", "photos", "nowhere.png", "--shard", part]).rows())
        .into();
    let woven: Vec<_> = (0..8).map(|i| parts[i % 3][i / 3].clone()).collect();
    assert_eq!(woven, whole);
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 8);
}

#[test]
fn a_part_without_images_is_empty_and_no_error() {
    let place = Place::with_photos(1);
    let run = place.biqa(&["score", "photos", "--shard", "2/2", "-o", "a.csv"]).ends(0);
    assert!(run.stderr.starts_with("scored 0, failed 0, skipped 0"), "{}", run.stderr);
    assert_eq!(place.read("a.csv").lines().count(), 1);
}

#[test]
fn an_empty_folder_beside_a_full_one_is_a_warning() {
    let place = Place::with_photos(1);
    place.file("others/a.txt", "x");
    let run = place.biqa(&["score", "others", "photos"]).ends(0);
    assert!(run.stderr.starts_with("warning: no images found in others: 1 other file there\n"));
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf8_is_written_in_hex_with_a_note() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    place.picture(OsStr::from_bytes(b"photos/odd\xff.ppm"), 1);
    place.file("list.txt", b"photos/odd\xff.ppm\n");
    for args in [["score", "photos"], ["score", "@list.txt"], ["score", "photos/*.ppm"]] {
        let rows = place.biqa(&args).ends(0).rows();
        assert_eq!(paths(&rows), ["photos/odd\\xff.ppm"], "{args:?}");
        assert!(!rows[0]["notes"].as_array().expect("a list").is_empty(), "{args:?}");
    }
    // Such a row is taken over on --resume like any other.
    place.biqa(&["score", "photos", "-o", "a.jsonl"]).ends(0);
    let run = place.biqa(&["score", "photos", "-o", "a.jsonl", "--resume"]).ends(0);
    assert!(run.stderr.contains("(1 taken over)"), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_end() {
    let place = Place::with_photos(1);
    std::os::unix::fs::symlink(place.path("photos"), place.path("photos/again")).expect("a link");
    assert_eq!(place.biqa(&["score", "photos"]).ends(0).paths(), ["photos/00.ppm"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_has_a_row() {
    let place = Place::with_photos(1);
    std::os::unix::fs::symlink("nothing", place.path("photos/gone.ppm")).expect("a link");
    let run = place.biqa(&["score", "photos"]).ends(1);
    assert_eq!(run.rows()[1]["error_kind"], "NotFound");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let place = Place::with_photos(9);
    let of = |threads: &str| -> Run { place.biqa(&["score", "photos", "-j", threads]).ends(0) };
    let one = of("1").rows();
    assert_eq!(one, of("2").rows());
    assert_eq!(one, of("5").rows());
    assert_eq!(one, rows(&of("0").stdout));
}

#[test]
fn bench_takes_the_same_inputs_and_says_what_it_left_out() {
    let place = Place::with_photos(2);
    place.file("photos/broken.png", b"\x89PNG\r\n\x1a\n");
    let run = place.biqa(&["bench", "score", "photos", "--threads", "1"]).ends(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", run.stdout);
    for (line, part) in lines[1..4].iter().zip(["decoding alone", "network alone", "both"]) {
        let rate = line.split_whitespace().last().and_then(|word| word.parse::<f64>().ok());
        assert!(line.starts_with(part) && rate.is_some_and(|rate| rate > 0.0), "{line}");
    }
    assert!(run.stderr.contains("left out") && run.stderr.contains("broken.png"), "{}", run.stderr);
    let nothing = place.biqa(&["bench", "score", "photos/broken.png"]).ends(2);
    assert!(nothing.stderr.contains("no readable image"), "{}", nothing.stderr);
}
