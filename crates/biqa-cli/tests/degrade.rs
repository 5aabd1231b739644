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

const RANDOM: [&str; 11] =
    ["degrade", "photos", "-o", "out", "--random", "qpt", "--count", "2", "--seed", "5", "-q"];

#[test]
fn a_plan_is_qpts_where_none_is_named_and_its_size_is_said() {
    let place = Place::with_photos(1);
    let to = |out: &str, more: &[&str]| {
        let args = ["degrade", "photos/00.ppm", "-o", out, "--seed", "3", "--random"];
        place.biqa(&[&args[..], more].concat()).ends(0)
    };
    let (bare, named) = (to("a.png", &[]), to("b.png", &["qpt"]));
    assert_eq!(bare.stdout, named.stdout);
    let said = "plan qpt: 64097340625 compositions with levels";
    assert!(bare.stderr.contains(said), "{}", bare.stderr);
    let other = to("c.png", &["qpt+space=26+draws=3"]).stderr;
    assert!(other.contains("2197000 compositions"), "{other}");
    place.file("large.ppm", common::ppm(64, 50, 3));
    let twice = ["degrade", "large.ppm", "-o", "d.png", "--random", "shuffle+orders=2"];
    let twice = place.biqa(&twice).ends(0).stderr;
    assert!(twice.contains("plan shuffle+orders=2: above 2^128"), "{twice}");
}

/// What the release does to a whole picture (papers/degradations.md, section 2).
#[test]
fn kadids_copies_are_stretched_unless_told_otherwise() {
    let place = Place::new();
    place.file("a.ppm", common::ppm(64, 50, 3));
    for (out, more, stretched) in [("a", &[][..], true), ("b", &["--no-stretch"], false)] {
        let args = ["degrade", "a.ppm", "-o", out, "--kadid", "-q"];
        place.biqa(&[&args[..], more].concat()).ends(0);
        let manifest = place.read(&format!("{out}/manifest.csv"));
        let rows = || manifest.lines().skip(1);
        assert_eq!(rows().count(), 125);
        let both = |row: &str| row.matches("/kadid:stretch").count() == 2;
        assert!(rows().all(|row| both(row) == stretched), "{out}");
    }
}

/// The paths of a manifest's rows.
fn paths(manifest: &str) -> Vec<String> {
    let path = |row: &str| row.split(',').next().expect("a field").to_owned();
    manifest.lines().skip(1).map(path).collect()
}

#[test]
fn a_folder_gets_a_manifest_and_a_stopped_run_goes_on() {
    let place = Place::with_photos(3);
    let args = RANDOM;
    place.biqa(&args).ends(0);
    let manifest = place.read("out/manifest.csv");
    let rows: Vec<&str> = manifest.lines().collect();
    assert_eq!((rows.len(), rows[0]), (7, "path,source,address,source_sha256"));
    // Named by the address (papers/degradations.md, section 6).
    let fields: Vec<&str> = rows[1].split(',').collect();
    let address: biqa_lab::degrade::Address = fields[2].parse().expect("an address");
    assert_eq!((fields[0], fields[1]), (&*format!("00_{}.png", address.file_stem()), "00.ppm"));

    place.file("photos/a.heic", "not read");
    let mut more = args;
    more[3] = "beside";
    let said = place.biqa(&more[..more.len() - 1]).ends(0).stderr;
    assert!(said.contains("that this build does not read were left out: "), "{said}");
    std::fs::remove_file(place.path("photos/a.heic")).expect("it is there");

    // As if the run had been stopped within the last picture's rows, its copies partly there.
    let last = paths(&manifest)[5].clone();
    let refused = place.biqa(&args).ends(2);
    assert!(refused.stderr.contains("--resume goes on"), "{}", refused.stderr);
    for cut in [manifest.len() - 1, manifest.len() - 9, manifest.len() - rows[6].len() - 1] {
        place.file("out/manifest.csv", &manifest.as_bytes()[..cut]);
        std::fs::remove_file(place.path("out").join(&last)).expect("a copy");
        place.biqa(&[&args[..], &["--resume"]].concat()).ends(0);
        assert_eq!(place.read("out/manifest.csv"), manifest, "cut to {cut} bytes");
        assert!(place.path("out").join(&last).exists());
    }
    // A script may always say --resume: there is nothing yet to go on with.
    let mut args = args;
    args[3] = "new";
    place.biqa(&[&args[..], &["--resume"]].concat()).ends(0);
    assert_eq!(place.read("new/manifest.csv"), manifest);
}

#[test]
fn what_would_be_ignored_or_misnamed_is_refused() {
    let place = Place::with_photos(1);
    for (more, words) in [
        (&["-o", "a.png", "--ops", "kadid:jpeg@1", "--no-stretch"][..], "is for --kadid"),
        (&["-o", "a.png", "--ops", "kadid:jpeg@1", "--count", "2"], "--count is for --random"),
        (&["-o", "a.png", "--sheet", "--no-stretch"], "--no-stretch is for --kadid"),
        (&["-o", "a.png", "--sheet=re"], "possible values: all, kadid, qpt, arniqa, reiqa"),
        (&["-o", "a.jpg", "--ops", "kadid:jpeg@1"], "take a name that ends in .png"),
        (&["-o", "no/a.png", "--ops", "kadid:jpeg@1"], "there is no folder no"),
    ] {
        let said = place.biqa(&[&["degrade", "photos/00.ppm"], more].concat()).ends(2).stderr;
        assert!(said.contains(words), "{words}: {said}");
    }
    let said = place.biqa(&["degrade", "photos/no.ppm", "-o", "a.png", "--sheet"]).ends(2).stderr;
    assert!(said.contains("no such file"), "{said}");
    assert!(!place.exists("a.png") && !place.exists("a.jpg") && !place.exists("no"));
}

#[test]
fn another_run_does_not_go_on_with_a_folder() {
    let place = Place::with_photos(2);
    place.biqa(&RANDOM).ends(0);
    let manifest = place.read("out/manifest.csv");
    let mut other = RANDOM;
    other[9] = "6";
    let mut second = RANDOM;
    second[5] = "qpt+orders=2";
    let plan = ["degrade", "photos", "-o", "out", "--ops", "kadid:jpeg@1", "--seed", "5"];
    for args in [&other[..], &second[..], &plan[..]] {
        let said = place.biqa(&[args, &["--resume"]].concat()).ends(2).stderr;
        for words in ["made by another run", "seed 5 there", "--force makes all anew"] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    assert_eq!(place.read("out/manifest.csv"), manifest);
    place.biqa(&[&plan[..], &["--force", "-q"]].concat()).ends(0);
    assert_eq!(place.read("out/manifest.csv").lines().count(), 3);
}

#[test]
fn two_runs_do_not_write_one_manifest() {
    let place = Place::with_photos(1);
    place.biqa(&RANDOM).ends(0);
    let manifest = place.read("out/manifest.csv");
    let other = std::fs::File::open(place.path("out/degrade.lock")).expect("it is there");
    other.lock().expect("nobody else has it");
    for how in ["--resume", "--force"] {
        let said = place.biqa(&[&RANDOM[..], &[how]].concat()).ends(2).stderr;
        assert!(said.contains("another run is writing out/manifest.csv"), "{said}");
    }
    assert_eq!(place.read("out/manifest.csv"), manifest);
    other.unlock().expect("it was locked");
    place.biqa(&[&RANDOM[..], &["--resume"]].concat()).ends(0);
    // One that has just begun: nothing is there yet, or its manifest alone.
    for table in ["degrade.json", "manifest.csv"] {
        other.lock().expect("nobody else has it");
        std::fs::remove_file(place.path(format!("out/{table}"))).expect("it was there");
        let said = place.biqa(&RANDOM).ends(2).stderr;
        assert!(said.contains("another run is writing out/manifest.csv"), "{said}");
        other.unlock().expect("it was locked");
    }
}

#[test]
fn a_run_that_was_killed_before_its_manifest_goes_on() {
    let place = Place::with_photos(1);
    place.biqa(&RANDOM).ends(0);
    place.file("killed/degrade.json", place.read("out/degrade.json"));
    let mut again = RANDOM;
    again[3] = "killed";
    place.biqa(&[&again[..], &["--resume"]].concat()).ends(0);
    assert_eq!(place.read("killed/manifest.csv"), place.read("out/manifest.csv"));
}

/// A copy never takes the place of a picture that this command did not make.
#[test]
fn nothing_that_is_there_is_lost() {
    let place = Place::with_photos(2);
    let ops = ["--ops", "kadid:jpeg@1"];
    let to = |out: &'static str| [&["degrade", "photos", "-o", out, "-q"][..], &ops].concat();
    // Into the pictures' own folder, and into one below it, which is no source.
    let said = place.biqa(&to("photos")).ends(2).stderr;
    assert!(said.contains("holds the pictures themselves"), "{said}");
    for _ in 0..2 {
        place.biqa(&[&to("photos/out")[..], &["--force"]].concat()).ends(0);
        assert_eq!(place.read("photos/out/manifest.csv").lines().count(), 3);
    }
    place.file("theirs/manifest.csv", b"theirs");
    let said = place.biqa(&to("theirs")).ends(2).stderr;
    assert!(said.contains("no run of this command has made it"), "{said}");
    assert!(!place.path("theirs/degrade.lock").exists(), "a folder that is refused stays as it is");
    // A file under a copy's name.
    place.biqa(&to("out")).ends(0);
    let copy = paths(&place.read("out/manifest.csv"))[0].clone();
    place.file(format!("mine/{copy}"), b"mine");
    let said = place.biqa(&to("mine")).ends(1).stderr;
    assert!(said.contains("is no copy of this picture"), "{said}");
    for again in [&["--resume"][..], &["--force"], &["--force", "--kadid"]] {
        let args: Vec<&str> = to("mine").into_iter().filter(|arg| !ops.contains(arg)).collect();
        let how = if again.len() == 2 { &[][..] } else { &ops };
        place.biqa(&[&args[..], how, again].concat()).ends(1);
        assert_eq!(std::fs::read(place.path("mine").join(&copy)).expect("there"), b"mine");
    }
    place.biqa(&[&to("mine")[..], &["--force"]].concat()).ends(1);
    assert!(place.read("mine/failed.csv").contains("00.ppm,"), "its row says why");
    for table in ["failed.csv", "manifest.csv"] {
        place.file(format!("yours/{table}"), b"yours");
        place.biqa(&[&to("yours")[..], &["--force"]].concat()).ends(2);
        assert_eq!(place.read(&format!("yours/{table}")), "yours");
        std::fs::remove_dir_all(place.path("yours")).expect("there");
    }
    // Into a new folder below one that is walked, and a picture onto itself.
    place.file("photos/sub/b.ppm", common::ppm(48, 32, 5));
    for _ in 0..2 {
        place.biqa(&[&to("photos/sub/out")[..], &["--force"]].concat()).ends(0);
        assert!(!place.exists("photos/sub/out/sub/out"));
    }
    let itself = ["degrade", "photos/00.ppm", "-o", "photos/00.ppm", "--force"];
    place.biqa(&[&itself[..], &ops].concat()).ends(2);
    // Beside the pictures: what is not walked into is a source.
    let beside = ["degrade", "photos", "-o", ".", "-q"];
    place.biqa(&[&beside[..], &ops].concat()).ends(0);
    assert!(place.read("manifest.csv").contains(",sub/b.ppm,"));
}

/// `--force` leaves nothing of what it makes anew, and no copy under another's name.
#[test]
fn copies_made_anew_are_all_there_is() {
    let place = Place::with_photos(2);
    place.biqa(&RANDOM).ends(0);
    let old = paths(&place.read("out/manifest.csv"));
    let mut other = RANDOM;
    other[9] = "6";
    place.biqa(&[&other[..], &["--force"]].concat()).ends(0);
    let new = paths(&place.read("out/manifest.csv"));
    for path in &old {
        assert!(new.contains(path) || !place.path("out").join(path).exists(), "{path} is left");
    }
    // Other photos under the same names.
    for i in 0..2 {
        place.file(format!("photos/{i:02}.ppm"), common::ppm(50, 34, i));
    }
    let said = place.biqa(&[&other[..], &["--resume"]].concat()).ends(1).stderr;
    assert!(said.contains("the copies of 00.ppm are those of another picture"), "{said}");
    assert_eq!(paths(&place.read("out/manifest.csv")), new);
}

#[test]
fn what_leads_nowhere_leaves_nothing_behind() {
    let place = Place::with_photos(2);
    std::fs::create_dir(place.path("empty")).expect("a folder");
    for (source, out, words) in [
        ("nix.ppm", "out.png", "cannot read nix.ppm: no such file"),
        ("empty", "out", "no images found in empty"),
        ("photos", "out.png", "is a picture's name"),
    ] {
        let args = ["degrade", source, "-o", out, "--ops", "kadid:jpeg@1"];
        let said = place.biqa(&args).ends(2).stderr;
        assert!(said.contains(words), "{words}: {said}");
        assert!(!place.exists(out), "{source}");
    }
}

#[test]
fn pictures_without_copies_are_rows_and_counted() {
    let place = Place::with_photos(1);
    place.file("photos/torn.png", b"no picture");
    place.file("more/00.ppm", common::ppm(48, 32, 8));
    let run = ["degrade", "photos", "more", "-o", "out", "--ops", "kadid:jpeg@1"];
    let said = place.biqa(&run).ends(1).stderr;
    let why =
        "more/00.ppm: its copies would have another picture's names; give a folder that holds both";
    assert!(said.contains(why), "{said}");
    assert!(said.contains("1 copy of 1 picture; 2 without copies, see out/failed.csv"), "{said}");
    assert_eq!(said.matches("torn.png").count(), 1, "{said}");
    let failed = place.read("out/failed.csv");
    assert!(failed.contains("\n00.ppm,") && failed.contains("\ntorn.png,"), "{failed}");
}

/// A file that is named alone is called by its name, whatever its folder.
#[test]
fn a_file_alone_has_the_same_copies_as_in_its_folder() {
    let place = Place::with_photos(1);
    place.biqa(&["degrade", "photos", "-o", "all", "--random", "qpt", "--count", "2"]).ends(0);
    let one = ["degrade", "photos/00.ppm", "-o", "one", "--random", "qpt", "--count", "2"];
    place.biqa(&one).ends(0);
    assert_eq!(place.read("all/manifest.csv"), place.read("one/manifest.csv"));
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
    let there = std::fs::read_dir(place.path("set")).expect("a folder").flatten();
    let names: Vec<_> =
        there.map(|entry| entry.file_name().into_string().expect("a name")).collect();
    assert!(names.iter().all(|name| !name.contains(".png")), "copies of half a set: {names:?}");
    place.file("large/I01.ppm", common::ppm(64, 50, 3));
    place.biqa(&["degrade", "large", "-o", "set", "--kadid", "--force", "-q"]).ends(0);
    assert!(place.exists("set/I01_25_05.png") && place.exists("set/I01_09_01.png"));
    assert_eq!(place.read("set/manifest.csv").lines().count(), 1 + 25 * 5);
    let sheet = |option: &str, file: &str| {
        place.biqa(&["degrade", option, "large/I01.ppm", "-o", file]).ends(0);
        let bytes = std::fs::read(place.path(file)).expect("a picture");
        // The width and height in the header of a PNG.
        [16, 20].map(|at| u32::from_be_bytes([0, 1, 2, 3].map(|k| bytes[at + k])))
    };
    let [one, all] = [sheet("--sheet=kadid", "kadid.png"), sheet("--sheet", "sheet.png")];
    assert!(
        one[1] == 22 + 25 * 50 && all[1] == 22 + 28 * 50 && all[0] > 3 * one[0],
        "{one:?} {all:?}"
    );
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
    let sizes = ["64097340625 compositions", "20511149", "11881376", "19728202"];
    for words in ["kadid:gaussian_blur@1..5", "qpt:zoom_blur"].into_iter().chain(sizes) {
        assert!(list.contains(words), "{list}");
    }
    let one = Place::new().biqa(&["degrade", "--list=kadid:jpeg"]).ends(0).stdout;
    let lines: Vec<&str> = one.lines().map(str::trim).collect();
    assert!(
        lines[0].starts_with("kadid:jpeg2000 ") && lines[4].starts_with("kadid:jpeg "),
        "{one}"
    );
    assert_eq!(lines[6], "at levels 1 to 5: 43, 36, 24, 7, 4", "{one}");
    let said = Place::new().biqa(&["degrade", "--list=jpge"]).ends(2).stderr;
    assert!(said.contains("no operation has \"jpge\" in its name"), "{said}");
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
