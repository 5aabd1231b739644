//! `biqa data` on folders of pictures: near-duplicates and the parts they stand in, sets without
//! labels, sizes.

mod common;
mod made;

use common::Place;

const SCALE: [&str; 4] = ["--direction", "mos", "--range", "1..5"];

/// Four pictures, the first and the last of them the same photo, in two parts.
fn place() -> Place {
    let place = Place::new();
    for (i, seed) in [0, 1, 2, 0].into_iter().enumerate() {
        place.file(format!("set/p{i}.ppm"), made::blurred(60, 50, seed, 1));
    }
    let labels = "path,score,content,split\np0.ppm,1,a,train\np1.ppm,2,b,train\n\
                  p2.ppm,3,c,test\np3.ppm,4,d,test\n";
    place.file("set/labels.csv", labels);
    place
}

#[test]
fn pairs_on_two_sides_of_a_sets_own_split_are_shown() {
    let place = place();
    let line = ["data", "duplicates", "set", "--dataset", "csv", "--pairs", "pairs.csv"];
    let run = place.biqa(&[&line[..], &SCALE].concat()).ends(0);
    for words in [
        "on two sides of the set's own split: 1 pair",
        "p0.ppm (train) and p3.ppm (test): 0 bits apart, correlation 1.0000",
    ] {
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    assert_eq!(
        place.read("pairs.csv"),
        "first,second,distance,correlation,first_part,second_part\n\
         p0.ppm,p3.ppm,0,1.0000,train,test\n"
    );
    // Into a pipe goes the whole list, which `--content` takes.
    assert!(run.stdout.contains("p1.ppm,p1.ppm\n"), "{}", run.stdout);
    let said = place.biqa(&[&["data", "duplicates", "set"][..], &SCALE].concat()).ends(2).stderr;
    assert!(said.contains("beside --dataset NAME only"), "{said}");
}

#[test]
fn a_check_finds_near_duplicates_of_two_contents() {
    let place = place();
    let line = ["data", "check", "csv", "set", "--near-duplicates"];
    let said = place.biqa(&[&line[..], &SCALE].concat()).ends(0).stdout;
    for words in [
        "pair       p0.ppm (train) and p3.ppm (test): 0 bits apart",
        "nearly the same, of two contents: 1 pair",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let quiet = place.biqa(&[&line[..4], &SCALE].concat()).ends(0).stdout;
    assert!(!quiet.contains("pair"), "{quiet}");
}

#[test]
fn pictures_smaller_than_the_crop_are_counted() {
    let place = place();
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend([0, 0, 1, 0, 0, 0, 0, 200]);
    place.file("set/small.png", png);
    place.file("set/small.csv", "path,score\nsmall.png,3\n");
    let line = ["data", "check", "csv", "set", "--list", "set/small.csv"];
    let check = |crop: &[&str]| place.biqa(&[&line[..], &SCALE, crop].concat()).ends(0).stdout;
    let note = "note       1 picture is smaller than 224 pixels on a side";
    assert!(check(&[]).contains(note), "{}", check(&[]));
    assert!(!check(&["--crop", "200"]).contains("smaller than"));
}

#[test]
fn labelled_files_that_are_no_pictures_are_named() {
    let place = place();
    place.file("set/p2.ppm", "");
    let line = ["data", "check", "csv", "set"];
    let said = place.biqa(&[&line[..], &SCALE].concat()).ends(1).stdout;
    assert!(said.contains("no picture p2.ppm: empty"), "{said}");
}

#[test]
fn a_file_in_other_letters_is_the_same_file() {
    let place = place();
    let rows = "path,score,content\np0.ppm,1,a\nP0.PPM,4,b\n";
    place.file("set/two.csv", rows);
    let line = ["data", "check", "csv", "set", "--list", "set/two.csv"];
    let said = place.biqa(&[&line[..], &SCALE].concat()).ends(2).stderr;
    assert!(said.contains("two.csv, line 3") && said.contains("is listed already"), "{said}");
}

#[test]
fn a_set_without_labels_has_a_manifest() {
    let place = Place::new();
    place.file("kadis/ref_imgs/a.png", made::blurred(9, 9, 0, 1));
    let run = place.biqa(&["data", "manifest", "kadis700k", "kadis"]).ends(0);
    assert!(run.stdout.ends_with("\nref_imgs/a.png,,a,,,,\n"), "{}", run.stdout);
}

#[test]
fn what_an_archive_leaves_behind_is_no_picture() {
    let place = place();
    place.file("set/__MACOSX/p0.ppm", "not a picture");
    let run = place.biqa(&["data", "duplicates", "set"]).ends(0);
    assert!(run.stderr.contains("4 pictures: 1 pair"), "{}", run.stderr);
}
