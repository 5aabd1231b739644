//! `biqa degrade`: copies, their addresses, and what is said instead of them.

mod common;

use common::Place;

#[test]
fn one_picture_is_degraded_and_its_address_makes_it_again() {
    let place = Place::with_photos(1);
    let ops = "kadid:motion_blur@4/kadid:jpeg+q=20";
    let run = place.biqa(&["degrade", "photos/00.ppm", "-o", "a.png", "--ops", ops]).ends(0);
    let address = run.stdout.trim();
    assert!(address.starts_with("d1/") && address.contains("+angle="), "{address}");
    place.biqa(&["degrade", "photos/00.ppm", "-o", "b.png", "--ops", address]).ends(0);
    let bytes = |name: &str| std::fs::read(place.path(name)).expect("a file");
    assert_eq!(bytes("a.png"), bytes("b.png"));
}

#[test]
fn a_folder_gets_a_manifest_and_a_stopped_run_goes_on() {
    let place = Place::with_photos(3);
    let args =
        ["degrade", "photos", "-o", "out", "--random", "qpt", "--count", "2", "--seed", "5", "-q"];
    place.biqa(&args).ends(0);
    let manifest = place.read("out/manifest.csv");
    let rows: Vec<&str> = manifest.lines().collect();
    assert_eq!((rows.len(), rows[0]), (7, "path,source,address"));
    assert!(rows[1].starts_with("00_0.png,00.ppm,d1/"), "{}", rows[1]);

    // As if the run had been stopped before the last picture.
    place.file("out/manifest.csv", rows[..5].join("\n") + "\n");
    std::fs::remove_file(place.path("out/02_0.png")).expect("a copy");
    let refused = place.biqa(&args).ends(2);
    assert!(refused.stderr.contains("--resume goes on"), "{}", refused.stderr);
    place.biqa(&[&args[..], &["--resume"]].concat()).ends(0);
    assert_eq!(place.read("out/manifest.csv"), manifest);
    assert!(place.exists("out/02_0.png"));
    // A script may always say --resume: there is nothing yet to go on with.
    let mut args = args;
    args[3] = "new";
    place.biqa(&[&args[..], &["--resume"]].concat()).ends(0);
    assert_eq!(place.read("new/manifest.csv"), manifest);
}

#[test]
fn a_kadid_set_has_its_names_and_says_what_is_too_small() {
    let place = Place::with_photos(1);
    // 48 x 32 has no room for the patches of distortion 20.
    let run = place.biqa(&["degrade", "photos", "-o", "set", "--kadid"]).ends(1);
    assert!(
        run.stderr.contains("kadid:patch_swap needs a picture of at least 48 x 48"),
        "{}",
        run.stderr
    );
    place.file("large/I01.ppm", common::ppm(64, 50, 3));
    place.biqa(&["degrade", "large", "-o", "set", "--kadid", "--force", "-q"]).ends(0);
    assert!(place.exists("set/I01_25_05.png") && place.exists("set/I01_09_01.png"));
    assert_eq!(place.read("set/manifest.csv").lines().count(), 1 + 25 * 5);
    place.biqa(&["degrade", "large/I01.ppm", "-o", "sheet.png", "--sheet"]).ends(0);
    assert!(place.exists("sheet.png"));
}

#[test]
fn mistakes_are_named_by_their_place() {
    let place = Place::with_photos(1);
    for (ops, words) in [
        ("kadid:jpeg@9", "at byte 11: found \"9\", expected a level from 1 to 5"),
        ("kadid:blurr@1", "at byte 0: found \"kadid:blurr\""),
        ("reiqa:jitter@1", "reiqa:jitter (at byte 0) is not available"),
    ] {
        let run = place.biqa(&["degrade", "photos/00.ppm", "-o", "a.png", "--ops", ops]).ends(2);
        assert!(run.stderr.contains(words), "{}", run.stderr);
        assert!(!place.exists("a.png"));
    }
}

#[test]
fn the_list_names_operations_and_sizes() {
    let list = Place::new().biqa(&["degrade", "--list"]).ends(0).stdout;
    for words in ["kadid:gaussian_blur@1..5", "qpt:zoom_blur", "64097340625 compositions"] {
        assert!(list.contains(words), "{list}");
    }
}

#[test]
fn the_bench_measures_levels_beside_what_is_asked_and_keeps_its_picture() {
    let place = Place::new();
    let args = ["bench", "degrade", "--only", "qpt:gamma", "--runs", "1", "--save", "bench.png"];
    let run = place.biqa(&args).ends(0);
    let rows: Vec<Vec<&str>> =
        run.stdout.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 2, "{}", run.stdout);
    for (row, name) in rows.iter().zip(["qpt:gamma_up@", "qpt:gamma_down@"]) {
        assert!(row[0].starts_with(name) && row[2] == "3", "{row:?}");
        assert!(row[1].parse::<f64>().is_ok_and(|ms| ms > 0.0), "{row:?}");
    }
    assert!(place.exists("bench.png"));
    let none = place.biqa(&["bench", "degrade", "--only", "blurr"]).ends(2);
    assert!(none.stderr.contains("no operation has \"blurr\""), "{}", none.stderr);
}
