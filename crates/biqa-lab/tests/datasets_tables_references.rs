//! The loaders on the real label files of the sets with references: counts, extremes, means, first
//! and last values, and what else the specification has verified on them. No picture is needed.

mod release;

use biqa_lab::datasets::{LabelForm, Manifest, Options, Split, open};
use release::tables::{
    Expected, check, counts, expect, labels_only, near, no_notes, root_of, score_of, sizes, tables,
};
use std::collections::{BTreeMap, BTreeSet};

// ---- live -----------------------------------------------------------------------------------

const LIVE: Expected =
    Expected { rows: 779, contents: 29, min: -2.640015, max: 111.774694, mean: 48.581246 };

fn live() -> Option<Manifest> {
    let root = root_of(&[
        ("dmos_realigned.mat", "live/reconstructed/dmos_realigned.mat"),
        ("refnames_all.mat", "live/refnames_all.mat"),
    ])?;
    Some(open("live", root.path(), &labels_only()).expect("the released labels"))
}

#[test]
fn live_has_the_figures_of_its_release() {
    let Some(found) = live() else { return };
    near(check(&found, &LIVE), 27.322156);
    no_notes(&found);
    assert_eq!(found.range_nominal, [1.0, 100.0]);

    let kinds = counts(found.rows.iter().map(|row| row.kind.as_str()));
    let expected = [("fastfading", 145), ("gblur", 145), ("jp2k", 169), ("jpeg", 175), ("wn", 145)];
    assert_eq!(kinds, BTreeMap::from(expected));
    let means = [
        ("jp2k", 43.6080),
        ("jpeg", 50.5909),
        ("wn", 56.5701),
        ("gblur", 45.7204),
        ("fastfading", 46.8242),
    ];
    for (kind, mean) in means {
        let scores: Vec<f64> =
            found.rows.iter().filter(|row| row.kind == kind).map(|row| row.score).collect();
        let found = scores.iter().sum::<f64>() / scores.len() as f64;
        assert!((found - mean).abs() < 0.5e-4 + 1e-12, "{kind}: {found}");
    }
}

#[test]
fn live_columns_are_the_pictures_of_the_folders_in_order() {
    let Some(found) = live() else { return };
    let first: Vec<(&str, f64)> = found.rows[..5]
        .iter()
        .map(|row| (row.path.as_str(), (row.score * 1e6).round() / 1e6))
        .collect();
    let expected = [
        ("jp2k/img2.bmp", 15.512954), // column 0 is an original
        ("jp2k/img3.bmp", 24.090255),
        ("jp2k/img4.bmp", 68.990862),
        ("jp2k/img5.bmp", 74.397948),
        ("jp2k/img6.bmp", 69.229214),
    ];
    assert_eq!(first, expected);
    let lowest = found.rows.iter().min_by(|a, b| a.score.total_cmp(&b.score)).expect("rows");
    assert_eq!((lowest.path.as_str(), lowest.content.as_str()), ("jpeg/img57.bmp", "lighthouse"));
    let negative: Vec<&str> =
        found.rows.iter().filter(|row| row.score < 0.0).map(|row| row.path.as_str()).collect();
    // Columns 239, 283 and 296, from 0; jpeg begins at 227.
    assert_eq!(negative, ["jpeg/img13.bmp", "jpeg/img57.bmp", "jpeg/img70.bmp"]);
}

#[test]
fn live_references_have_the_numbers_of_images_of_the_release() {
    let Some(found) = live() else { return };
    let contents = counts(found.rows.iter().map(|row| row.content.as_str()));
    let with = |n| {
        let names = contents.iter().filter(|(_, count)| **count == n);
        names.map(|(name, _)| *name).collect::<Vec<_>>()
    };
    assert_eq!(with(29), ["house"]);
    assert_eq!(with(28), ["bikes", "building2", "buildings"]);
    assert_eq!(with(27).len(), 16);
    let few = [
        "caps",
        "carnivaldolls",
        "cemetry",
        "churchandcapitol",
        "monarch",
        "plane",
        "rapids",
        "sailing4",
        "stream",
    ];
    assert_eq!(with(26), few);
}

#[test]
fn a_resaved_live_file_is_read_by_the_rule_for_it_and_says_so() {
    let Some(root) = root_of(&[
        ("dmos_realigned.mat", "live/dmos_realigned.mat"),
        ("refnames_all.mat", "live/refnames_all.mat"),
    ]) else {
        return;
    };
    let found = open("LIVE", root.path(), &labels_only()).expect("a re-saved file");
    check(&found, &LIVE);
    assert_eq!(found.notes.len(), 1);
    assert!(found.notes[0].contains("779 flags for 982 scores"), "{:?}", found.notes);
    assert_eq!(Some(found.digest()), live().map(|released| released.digest()));
}

#[test]
fn the_list_of_iqa_dataset_for_live_agrees_with_the_release() {
    let Some(root) = root_of(&[("LIVE.txt", "live/LIVE.txt")]) else { return };
    let list = open("live", root.path(), &labels_only()).expect("a list");
    check(&list, &LIVE);
    let released = live().expect("it is there");
    for (a, b) in list.rows.iter().zip(&released.rows) {
        assert_eq!((&a.path, &a.content, &a.kind), (&b.path, &b.content, &b.kind));
        assert!((a.score - b.score).abs() <= 3e-14, "{}", a.path);
    }
}

// ---- csiq -----------------------------------------------------------------------------------

fn csiq(file: &str) -> Option<Manifest> {
    let root = root_of(&[(file, &format!("csiq/{file}"))])?;
    Some(open("csiq", root.path(), &labels_only()).expect("a label file of the set"))
}

#[test]
fn csiq_has_the_figures_of_its_release() {
    let Some(found) = csiq("csiq_label.txt") else { return };
    near(check(&found, &expect(866, 30, 0.0, 1.0, 0.350744)), 0.262529);
    no_notes(&found);
    let first = &found.rows[0];
    assert_eq!((first.path.as_str(), first.score), ("dst_imgs/awgn/1600.AWGN.1.png", 0.061989));
    let said = (first.content.as_str(), first.kind.as_str(), first.level);
    assert_eq!(said, ("1600", "awgn", Some(1)));
    let kinds = counts(found.rows.iter().map(|row| row.kind.as_str()));
    let expected = [
        ("awgn", 150),
        ("blur", 150),
        ("contrast", 116),
        ("fnoise", 150),
        ("jpeg", 150),
        ("jpeg2000", 150),
    ];
    assert_eq!(kinds, BTreeMap::from(expected));
    assert_eq!(sizes(&found), BTreeMap::from([(28, 4), (29, 26)]));
}

#[test]
fn the_spreadsheet_of_csiq_rounds_to_its_text_form() {
    let (Some(sheet), Some(text)) = (csiq("csiq.beta.xlsx"), csiq("csiq_label.txt")) else {
        return;
    };
    check(&sheet, &expect(866, 30, 0.0, 1.0, 0.350744));
    let scores: BTreeMap<&str, f64> =
        text.rows.iter().map(|row| (row.path.as_str(), row.score)).collect();
    let mut largest = 0.0_f64;
    for row in &sheet.rows {
        largest = largest.max((row.score - scores[row.path.as_str()]).abs());
        assert!(row.spread.is_some_and(|spread| (0.0..1.0).contains(&spread)), "{}", row.path);
    }
    assert!((4.9e-7..=5.0e-7).contains(&largest), "{largest}");
}

#[test]
fn the_short_text_form_of_csiq_is_read_and_said_to_be_short() {
    let Some(found) = csiq("csiq.beta.txt") else { return };
    check(&found, &expect(866, 30, 0.0, 1.0, 0.350741));
    assert_eq!(found.notes, ["the scores of csiq.beta.txt have 3 decimals"]);
    assert_eq!((found.rows[0].score, found.rows[0].spread), (0.062, Some(0.061)));
    let text = csiq("csiq_label.txt").expect("it is there");
    let paths: BTreeSet<_> = found.rows.iter().map(|row| &row.path).collect();
    assert_eq!(paths, text.rows.iter().map(|row| &row.path).collect());
}

#[test]
fn of_several_files_of_csiq_the_spreadsheet_is_taken() {
    let Some(root) = root_of(&[
        ("csiq_label.txt", "csiq/csiq_label.txt"),
        ("csiq.beta.txt", "csiq/csiq.beta.txt"),
        ("csiq.beta.xlsx", "csiq/csiq.beta.xlsx"),
    ]) else {
        return;
    };
    let found = open("csiq", root.path(), &labels_only()).expect("three forms");
    assert_eq!(Some(found.digest()), csiq("csiq.beta.xlsx").map(|sheet| sheet.digest()));
}

// ---- tid2013, kadid10k ----------------------------------------------------------------------

#[test]
fn tid2013_has_the_figures_of_its_release() {
    let Some(root) = tables("tid2013/reconstructed") else { return };
    let found = open("tid2013", &root, &labels_only()).expect("the released list");
    near(check(&found, &expect(3000, 25, 0.24242, 7.21429, 4.474657)), 1.239673);
    no_notes(&found);
    assert_eq!((found.rows[0].score, found.rows[2999].score), (5.51429, 2.77143));
    assert_eq!(score_of(&found, "distorted_images/i09_24_5.bmp"), 0.24242);
    assert_eq!(score_of(&found, "distorted_images/i04_17_4.bmp"), 7.21429);
    assert_eq!(found.rows[0].path, "distorted_images/I01_01_1.bmp");
    assert_eq!(sizes(&found), BTreeMap::from([(120, 25)]));
    let row = &found.rows[50];
    assert_eq!((row.path.as_str(), row.content.as_str()), ("distorted_images/I01_11_1.BMP", "01"));
    assert_eq!((row.kind.as_str(), row.level), ("11", Some(1)));
}

#[test]
fn the_rounded_list_of_tid2013_is_read_and_said_to_be_rounded() {
    let Some(root) = root_of(&[("TID2013.txt", "tid2013/TID2013.txt")]) else { return };
    let found = open("tid2013", root.path(), &labels_only()).expect("a list");
    assert_eq!((found.rows.len(), found.contents()), (3000, 25));
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    assert!(found.notes[0].contains("5 significant digits"), "{:?}", found.notes);
    // The same labels as the release, rounded, in the same order.
    let Some(root) = tables("tid2013/reconstructed") else { return };
    let released = open("tid2013", &root, &labels_only()).expect("the released list");
    for (a, b) in found.rows.iter().zip(&released.rows) {
        assert!(a.path.eq_ignore_ascii_case(&b.path), "{} is not {}", a.path, b.path);
        assert_eq!((&a.content, &a.kind, a.level), (&b.content, &b.kind, b.level));
        assert!((a.score - b.score).abs() <= 0.5e-4 + 1e-12, "{}", a.path);
    }
}

#[test]
fn natural_only_leaves_out_one_reference_and_says_so() {
    let Some(root) = tables("tid2013/reconstructed") else { return };
    let options = Options { natural_only: true, ..labels_only() };
    let found = open("tid2013", &root, &options).expect("the released list");
    assert_eq!((found.rows.len(), found.contents(), found.subset), (2880, 24, true));
    assert!(found.notes[0].starts_with("natural_only: 120 copies"), "{:?}", found.notes);
}

#[test]
fn kadid10k_has_the_figures_of_its_release_in_every_form() {
    let expected = expect(10_125, 81, 1.0, 4.93, 3.032633);
    let forms = [
        ("dmos.csv", "kadid10k/reconstructed/dmos.csv"),
        ("kadid10k_dmos.csv", "kadid10k_dmos.csv"),
        ("kadid10k_label.txt", "kadid10k/kadid10k_label.txt"),
    ];
    for (to, file) in forms {
        let Some(root) = root_of(&[(to, file)]) else { return };
        let found = open("KADID-10k", root.path(), &labels_only()).expect(file);
        near(check(&found, &expected), 1.082626);
        no_notes(&found);
        let first = &found.rows[0];
        assert_eq!((first.path.as_str(), first.score), ("images/I01_01_01.png", 4.57));
        assert_eq!((first.kind.as_str(), first.level), ("01", Some(1)));
        assert_eq!(found.rows[10_124].score, 3.27);
        assert_eq!(sizes(&found), BTreeMap::from([(125, 81)]));
        let distinct: BTreeSet<u64> = found.rows.iter().map(|row| row.score.to_bits()).collect();
        assert_eq!(distinct.len(), 241);
        // `var` is a variance.
        let spread = (to == "dmos.csv").then(|| 0.496_f64.sqrt());
        assert_eq!(first.spread, spread, "{file}");
    }
}

// ---- pipal, livemd --------------------------------------------------------------------------

#[test]
fn pipal_has_the_figures_of_its_training_part() {
    let Some(root) = tables("pipal") else { return };
    let found = open("pipal", &root, &labels_only()).expect("a list");
    let expected = expect(23_200, 200, 916.7136, 1835.9856, 1448.959587);
    near(check(&found, &expected), 121.532501);
    no_notes(&found);
    let groups: Vec<usize> =
        counts(found.rows.iter().map(|row| row.kind.as_str())).into_values().collect();
    assert_eq!(groups, [2400, 3200, 2000, 4800, 2600, 2800, 5400]);
    assert_eq!((found.rows[0].score, found.rows[0].content.as_str()), (1520.0648, "A0001"));
    assert_eq!(found.part(Split::Train).len(), 23_200);
}

#[test]
fn pipal_validation_has_references_of_its_own() {
    let Some(root) = tables("pipal") else { return };
    let options = Options { labels: Some(LabelForm::Val), ..labels_only() };
    let found = open("pipal", &root, &options).expect("a list");
    check(&found, &expect(1000, 25, 868.2988, 1857.0, 1440.992577));
    let train = open("pipal", &root, &labels_only()).expect("a list");
    let contents: BTreeSet<_> = train.rows.iter().map(|row| &row.content).collect();
    assert!(found.rows.iter().all(|row| !contents.contains(&row.content)));
    assert_eq!(found.part(Split::Val).len(), 1000);
}

#[test]
fn livemd_has_the_figures_of_its_list() {
    let Some(root) = tables("livemd") else { return };
    let found = open("livemd", &root, &labels_only()).expect("a list");
    near(check(&found, &expect(450, 15, 0.61111, 84.6667, 47.579740)), 18.911986);
    no_notes(&found);
    let kinds = counts(found.rows.iter().map(|row| row.kind.as_str()));
    assert_eq!(kinds, BTreeMap::from([("blurjpeg", 225), ("blurnoise", 225)]));
    assert_eq!(score_of(&found, "Part 1/blurjpeg/babygirl_blur1.bmp"), 21.5789);
    assert_eq!(score_of(&found, "Part 2/blurnoise/babygirl_blur1.bmp"), 25.0556);
    let names = counts(found.rows.iter().filter_map(|row| Some(row.path.rsplit_once('/')?.1)));
    assert_eq!(names.values().filter(|&&count| count == 2).count(), 45);
    assert_eq!(sizes(&found), BTreeMap::from([(30, 15)]));
}
