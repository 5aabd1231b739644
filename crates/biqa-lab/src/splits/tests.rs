use super::*;
use crate::datasets::{Direction, Row};
use std::collections::HashSet;

/// A set named `live` of (path, content).
pub(super) fn manifest(rows: &[(&str, &str)]) -> Manifest {
    let rows = rows.iter().map(|(path, content)| Row {
        path: (*path).to_owned(),
        score: 0.5,
        content: (*content).to_owned(),
        kind: String::new(),
        level: None,
        split: None,
        spread: None,
    });
    Manifest {
        dataset: "live".to_owned(),
        direction: Direction::Mos,
        range_nominal: [0.0, 1.0],
        root: PathBuf::new(),
        rows: rows.collect(),
        notes: Vec::new(),
        subset: false,
    }
}

/// 29 contents `r00` to `r28` with two images each, the later contents first.
fn live() -> Manifest {
    let rows: Vec<(String, String)> =
        (0..58).map(|i| (format!("{i:02}.bmp"), format!("r{:02}", 28 - i / 2))).collect();
    manifest(&rows.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect::<Vec<_>>())
}

fn contents(manifest: &Manifest, rows: &[usize]) -> Vec<usize> {
    let mut numbers: Vec<usize> =
        rows.iter().map(|&i| manifest.rows[i].content[1..].parse().expect("a number")).collect();
    numbers.dedup();
    numbers
}

fn cut(form: Form) -> Options {
    Options { form, ..Options::default() }
}

#[test]
fn the_worked_example_is_shared_out_by_content() {
    let set = live();
    let honest = split(&set, None, &cut(Form::Honest)).expect("parts");
    let train = [22, 6, 12, 5, 13, 8, 21, 7, 23, 14, 11, 17, 9, 19, 0, 24, 16, 1, 18, 15];
    assert_eq!(contents(&set, &honest.train), train);
    assert_eq!(contents(&set, &honest.val), [25, 2, 4]);
    assert_eq!(contents(&set, &honest.test), [28, 3, 27, 26, 10, 20]);
    assert_eq!(honest.train[..2], [12, 13]); // r22: its images in manifest order
    assert_eq!(honest.contents(&set, Part::Test), 6);
    assert_eq!(honest.part(Part::Val).len(), 6);

    let published = split(&set, None, &cut(Form::Published)).expect("parts");
    assert_eq!(published.test, honest.test);
    assert_eq!(published.train, [honest.train, honest.val].concat());
    assert!(published.val.is_empty() && published.notes.is_empty());
}

#[test]
fn small_samples_are_nested_and_leave_the_other_parts_alone() {
    let set = live();
    for of in [FractionOf::Dataset, FractionOf::Train] {
        for form in [Form::Published, Form::Honest] {
            let whole = split(&set, None, &cut(form)).expect("parts");
            let mut before = 0;
            for share in [0.2, 0.4, 0.6] {
                let fraction = Some(Fraction { share, of });
                let found = split(&set, None, &Options { fraction, ..cut(form) }).expect("parts");
                assert!(found.train.len() > before);
                before = found.train.len();
                assert_eq!(found.train, whole.train[..before]);
                assert_eq!((&found.val, &found.test), (&whole.val, &whole.test));
            }
        }
    }
    for share in [0.0, -0.5, 1.5, 20.0, f64::NAN] {
        let fraction = Some(Fraction { share, of: FractionOf::Train });
        assert!(split(&set, None, &Options { fraction, ..Options::default() }).is_err(), "{share}");
    }
}

#[test]
fn a_fraction_never_reaches_into_validation() {
    let set = manifest(&[("a", "a"), ("b", "b"), ("c", "c")]);
    let fraction = Some(Fraction { share: 0.8, of: FractionOf::Dataset });
    let found = split(&set, None, &Options { fraction, ..Options::default() }).expect("parts");
    assert_eq!((found.train.len(), found.val.len(), found.test.len()), (1, 1, 1));
}

#[test]
fn python_shuffles_references_by_name_and_single_images_by_row() {
    let rule = Rule::Python { seed: 123 };
    let set = live();
    let options = Options { rule: rule.clone(), ..cut(Form::Published) };
    let found = split(&set, None, &options).expect("parts");
    assert_eq!(contents(&set, &found.test), [28, 3, 27, 13, 24, 2, 8, 1][2..]);
    let second = split(&set, None, &Options { index: 1, ..options.clone() }).expect("parts");
    assert_eq!(contents(&set, &second.test), python_orders(123, 29, 2)[1][23..]);

    // papers/glintiqa.md, 4.3: the second round is a shuffle of its own from twice the seed.
    let each = Options { rule: Rule::PythonRounds { seed: 123 }, index: 1, ..options.clone() };
    let second = split(&set, None, &each).expect("parts");
    assert_eq!(contents(&set, &second.test), python_orders(246, 29, 1)[0][23..]);

    let names: Vec<String> = (0..29).rev().map(|i| format!("{i}.jpg")).collect();
    let rows: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), n.as_str())).collect();
    let found = split(&manifest(&rows), None, &options).expect("parts");
    assert_eq!(found.test, [27, 13, 24, 2, 8, 1]);
}

#[test]
fn a_users_own_set_is_seeded_by_its_labels() {
    let mut set = live();
    set.dataset = "csv".to_owned();
    let found = split(&set, None, &Options::default()).expect("parts");
    let order = biqa_order(&set.digest(), 0, 0, 29);
    assert_eq!(contents(&set, &found.test), order[23..]);
}

#[test]
fn too_few_contents_are_an_error() {
    let set = manifest(&[("a", "a"), ("b", "b"), ("c", "b")]);
    assert!(split(&set, None, &cut(Form::Published)).is_ok());
    let error = split(&set, None, &cut(Form::Honest)).expect_err("two contents").to_string();
    assert!(error.contains("2 contents") && error.contains("at least 3"), "{error}");
    let one = manifest(&[("a", "a")]);
    assert!(split(&one, None, &cut(Form::Published)).is_err());
    assert!(split(&manifest(&[]), None, &cut(Form::Published)).is_err());
}

#[test]
fn equal_bytes_are_refused_or_move_together() {
    let set = live();
    let mut digests: Vec<Digest> = (0..58).map(|i| [i; 32]).collect();
    // Of r10, which tests, and of r22, which trains.
    (digests[36], digests[12]) = ([99; 32], [99; 32]);
    let error = split(&set, Some(&digests), &Options::default()).expect_err("on both sides");
    assert!(matches!(error, SplitError::Bytes { .. }), "{error}");
    let options = Options { group_equal_bytes: true, ..Options::default() };
    let found = split(&set, Some(&digests), &options).expect("moved together");
    let together = |part: &[usize]| [12, 13, 36, 37].iter().filter(|i| part.contains(i)).count();
    let counts = [&found.train, &found.val, &found.test].map(|part| together(part));
    assert!(counts.contains(&4), "{counts:?}");
    assert!(found.notes[0].contains("two names"), "{:?}", found.notes);
    let everybody: HashSet<usize> =
        [&found.train[..], &found.val, &found.test].concat().into_iter().collect();
    assert_eq!(everybody.len(), 58);

    assert!(split(&set, None, &options).is_err()); // nothing to compare
    assert!(split(&set, Some(&digests[1..]), &Options::default()).is_err());
}

#[test]
fn lists_with_a_content_on_both_sides_need_leave() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lists.json");
    let text = r#"{"train": ["00.bmp", "02.bmp", "04.bmp"], "test": ["01.bmp"]}"#;
    std::fs::write(&path, text).expect("written");
    let options = Options { rule: Rule::File(path), ..cut(Form::Published) };
    let error = split(&live(), None, &options).expect_err("r28 on both sides").to_string();
    assert!(error.contains("\"r28\"") && error.contains("01.bmp"), "{error}");
    let found = split(&live(), None, &Options { allow_leak: true, ..options }).expect("allowed");
    assert_eq!((found.train, found.test), (vec![0, 2, 4], vec![1]));
    assert_eq!(found.notes.len(), 2); // who is left out, and the leak
}
