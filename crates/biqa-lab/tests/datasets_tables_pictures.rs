//! The loaders on the real label files of the sets without references: counts, extremes, means, first
//! and last values, and what else the specification has verified on them. No picture is needed.

mod release;

use biqa_lab::datasets::{Content, LabelForm, Options, Split, open};
use release::tables::{
    check, counts, expect, labels_only, near, no_notes, root_of, score_of, sizes, tables,
};
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn livec_has_the_figures_of_its_release() {
    let Some(root) = tables("livec/reconstructed") else { return };
    let found = open("CLIVE", &root, &labels_only()).expect("the released files");
    near(check(&found, &expect(1162, 1162, 3.42, 92.431953, 55.401325)), 20.296475);
    no_notes(&found);
    assert_eq!(score_of(&found, "Images/673.JPG"), 3.42);
    assert_eq!(score_of(&found, "Images/780.JPG"), 92.431953);
    let first = &found.rows[0];
    assert_eq!((first.path.as_str(), first.content.as_str()), ("Images/3.bmp", "3"));
    let endings = counts(found.rows.iter().filter_map(|row| Some(row.path.rsplit_once('.')?.1)));
    assert_eq!(endings, BTreeMap::from([("JPG", 627), ("bmp", 535)]));
    let mut numbers: Vec<u32> = found.rows.iter().filter_map(|r| r.content.parse().ok()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (3..=1164).collect::<Vec<_>>());
    let spreads: Vec<f64> = found.rows.iter().filter_map(|row| row.spread).collect();
    near(spreads.iter().copied().fold(f64::INFINITY, f64::min), 6.755828);
    near(spreads.iter().copied().fold(0.0, f64::max), 28.592859);
}

#[test]
fn livec_is_read_from_the_list_of_liqe_too() {
    let Some(root) = root_of(&[("clive_all.txt", "livec/clive_all.txt")]) else { return };
    let found = open("livec", root.path(), &labels_only()).expect("a list");
    check(&found, &expect(1162, 1162, 3.42, 92.431953, 55.401325));
    let first = &found.rows[0];
    assert_eq!((first.path.as_str(), first.spread), ("Images/611.JPG", Some(21.085801)));
}

#[test]
fn the_list_of_livec_that_lacks_a_picture_is_refused() {
    let Some(root) = root_of(&[("LIVE_Challenge.txt", "livec/LIVE_Challenge.txt")]) else { return };
    let found = open("livec", root.path(), &labels_only());
    let text = found.expect_err("a picture is missing").to_string();
    assert!(text.contains("has 1161 rows: 100.bmp is missing"), "{text}");
    let list = Some(root.path().join("LIVE_Challenge.txt"));
    let found = open("livec", root.path(), &Options { list, ..labels_only() });
    assert_eq!(found.expect_err("the same list").to_string(), text);
}

#[test]
fn koniq10k_has_the_figures_of_both_forms() {
    let Some(root) = tables("koniq10k") else { return };
    let found = open("koniq10k", &root, &labels_only()).expect("the sets file");
    let expected = expect(10_073, 10_073, 3.911765, 88.388889, 58.729617);
    near(check(&found, &expected), 15.431667);
    assert_eq!(found.range_nominal, [1.0, 100.0]);
    let first = &found.rows[0];
    assert_eq!(first.path, "1024x768/10004473376.jpg");
    let said = (first.score, first.spread, first.split);
    assert_eq!(said, (77.3836206897, None, Some(Split::Train)));
    no_notes(&found);
    for (split, count, mean) in
        [(Split::Train, 7058, 58.7379), (Split::Val, 1000, 58.7298), (Split::Test, 2015, 58.7004)]
    {
        let rows = found.part(split);
        let sum: f64 = rows.iter().map(|&i| found.rows[i].score).sum();
        assert_eq!(rows.len(), count);
        assert!((sum / count as f64 - mean).abs() < 0.5e-4 + 1e-12, "{split}: {sum}");
    }

    let options = Options { labels: Some(LabelForm::Acr), ..labels_only() };
    let acr = open("koniq10k", &root, &options).expect("the sets file");
    near(check(&acr, &expect(10_073, 10_073, 1.096154, 4.31, 3.161990)), 0.552174);
    assert_eq!(acr.range_nominal, [1.0, 5.0]);
    near(acr.rows[0].score, 3.828571);
    assert_eq!(acr.rows[0].spread, Some(0.527277894494));
    no_notes(&acr);

    // The two forms are different labels.
    let scores = |m: &biqa_lab::datasets::Manifest| m.rows.iter().map(|r| r.score).collect();
    let (a, b): (Vec<f64>, Vec<f64>) = (scores(&found), scores(&acr));
    near(pearson(&a, &b), 0.995358);
}

fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        a.iter().zip(b).map(|(x, y)| f(x - ma, y - mb)).sum()
    };
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

#[test]
fn the_scores_file_of_koniq10k_takes_its_split_from_the_sets_file() {
    let Some(root) = root_of(&[
        (
            "koniq10k_scores_and_distributions.csv",
            "koniq10k/reconstructed/koniq10k_scores_and_distributions.csv",
        ),
        ("koniq10k_distributions_sets.csv", "koniq10k/koniq10k_distributions_sets.csv"),
    ]) else {
        return;
    };
    let partial = Options { partial: true, ..labels_only() };
    let found = open("koniq10k", root.path(), &partial).expect("300 rows");
    assert_eq!((found.rows.len(), found.subset), (300, true));
    assert_eq!((found.rows[0].score, found.rows[0].split), (77.3836206897, Some(Split::Train)));
    let options = Options { labels: Some(LabelForm::Acr), ..partial };
    let found = open("koniq10k", root.path(), &options).expect("300 rows");
    assert_eq!(found.rows[0].score, 3.8285714285705);
    let error = open("koniq10k", root.path(), &labels_only()).expect_err("300 rows");
    assert!(error.to_string().contains("300 rows, the release has 10073"), "{error}");
}

#[test]
fn livefb_has_the_figures_of_its_release_and_its_test_part() {
    let Some(root) = tables("livefb") else { return };
    let found = open("FLIVE", &root, &labels_only()).expect("the released labels");
    near(check(&found, &expect(39_810, 39_810, 0.0, 94.333234, 72.132465)), 6.162396);
    let folders = counts(found.rows.iter().filter_map(|row| Some(row.path.split_once('/')?.0)));
    let expected = [("EE371R", 3), ("blur_dataset", 999), ("voc_emotic_ava", 38_808)];
    assert_eq!(folders, BTreeMap::from(expected));
    let endings = counts(found.rows.iter().filter_map(|row| Some(row.path.rsplit_once('.')?.1)));
    assert_eq!(endings, BTreeMap::from([("JPG", 42), ("jpg", 39_768)]));
    let low: Vec<&str> =
        found.rows.iter().filter(|row| row.score < 1.0).map(|row| row.path.as_str()).collect();
    assert_eq!(low, ["blur_dataset/motion0091.jpg"]);
    let test = found.part(Split::Test);
    assert_eq!((test.len(), found.part(Split::Val).len()), (1827, 0));
    let blur = test.iter().filter(|&&i| found.rows[i].path.starts_with("blur_dataset/"));
    assert_eq!(blur.count(), 2);
    assert_eq!(found.notes.len(), 1); // no validation list
    assert!(found.notes[0].contains("labels=640_padded.csv"), "{:?}", found.notes);
    assert_eq!(found.rows[0].content, "motion0044");
}

#[test]
fn spaq_has_the_figures_of_its_release() {
    let Some(root) = tables("spaq") else { return };
    let found = open("spaq", &root, &labels_only()).expect("a list");
    near(check(&found, &expect(11_125, 11_125, 2.0, 96.0, 50.317889)), 20.901356);
    let scores: Vec<f64> = found.rows[..3].iter().map(|row| row.score).collect();
    assert_eq!(scores, [48.86, 62.5, 77.25]);
    assert_eq!(found.rows[11_124].path, "TestImage/11125.jpg");
    assert_eq!(found.rows.iter().filter(|row| row.score.fract() == 0.0).count(), 1553);
}

#[test]
fn the_spreadsheet_of_spaq_equals_the_list() {
    let Some(root) = tables("spaq/reconstructed") else { return };
    let options = Options { partial: true, ..labels_only() };
    let sheet = open("spaq", &root, &options).expect("60 rows");
    let list = open("spaq", &tables("spaq").expect("there"), &labels_only()).expect("a list");
    assert_eq!(sheet.rows[..], list.rows[..60]);
    assert!(sheet.subset);
}

#[test]
fn bid_has_the_figures_of_its_release() {
    let Some(root) = root_of(&[("DatabaseGrades.xls", "bid/DatabaseGrades.xls")]) else { return };
    let found = open("bid", root.path(), &labels_only()).expect("the released spreadsheet");
    check(&found, &expect(586, 586, 0.163806, 4.919752, 2.952711));
    no_notes(&found);
    let numbers: Vec<u32> = found
        .rows
        .iter()
        .filter_map(|row| row.content.strip_prefix("DatabaseImage")?.parse().ok())
        .collect();
    let expected: Vec<u32> = (1..=590).filter(|n| ![2, 346, 413, 439].contains(n)).collect();
    assert_eq!(numbers, expected);

    // LIQE's list was made from the same spreadsheet: score, and the deviation of the grades.
    let Some(list) = root_of(&[("bid_all.txt", "bid/bid_all.txt")]) else { return };
    let list = open("bid", list.path(), &labels_only()).expect("a list");
    let by_path: BTreeMap<&str, _> = list.rows.iter().map(|r| (r.path.as_str(), r)).collect();
    for row in &found.rows {
        let other = by_path[row.path.as_str()];
        assert!((row.score - other.score).abs() <= 5e-7 + 1e-12, "{}", row.path);
        let spreads = row.spread.zip(other.spread).expect("both have one");
        assert!((spreads.0 - spreads.1).abs() <= 5e-7 + 1e-12, "{}: {spreads:?}", row.path);
    }
}

#[test]
fn cid2013_has_the_figures_of_its_list_by_scene_and_by_folder() {
    let Some(root) = tables("cid2013") else { return };
    let found = open("cid2013", &root, &labels_only()).expect("a list");
    near(check(&found, &expect(474, 8, -9.549063, 87.882071, 46.071698)), 22.640363);
    let sets = counts(found.rows.iter().filter_map(|row| Some(row.path.split_once('/')?.0)));
    let expected = [("IS1", 84), ("IS2", 78), ("IS3", 78), ("IS4", 78), ("IS5", 72), ("IS6", 84)];
    assert_eq!(sets, BTreeMap::from(expected));
    let options = Options { content: Some(Content::SetScene), ..labels_only() };
    let found = open("cid2013", &root, &options).expect("a list");
    check(&found, &expect(474, 36, -9.549063, 87.882071, 46.071698));
    assert!(sizes(&found).keys().all(|size| (12..=14).contains(size)), "{:?}", sizes(&found));
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
}

#[test]
fn agiqa3k_has_the_figures_of_its_release_by_prompt_and_by_image() {
    let Some(root) = tables("agiqa3k") else { return };
    let found = open("agiqa3k", &root, &labels_only()).expect("the released labels");
    near(check(&found, &expect(2982, 300, 0.0, 4.488741, 2.500417)), 0.997741);
    no_notes(&found);
    let first = &found.rows[0];
    let said = (first.path.as_str(), first.content.as_str());
    assert_eq!(said, ("AttnGAN_normal_000.jpg", "statue of a man"));
    assert_eq!((first.kind.as_str(), first.spread), ("AttnGAN_normal", Some(0.223270101)));
    let kinds = counts(found.rows.iter().map(|row| row.kind.as_str()));
    let expected = [
        ("AttnGAN_normal", 300),
        ("DALLE2_normal", 290),
        ("glide_normal", 300),
        ("midjourney_lowstep", 296),
        ("midjourney_normal", 296),
        ("sd1.5_highcorr", 300),
        ("sd1.5_lowcorr", 300),
        ("sd1.5_lowstep", 300),
        ("sd1.5_normal", 300),
        ("xl2.2_normal", 300),
    ];
    assert_eq!(kinds, BTreeMap::from(expected));
    let options = Options { content: Some(Content::Image), ..labels_only() };
    let found = open("agiqa3k", &root, &options).expect("the released labels");
    check(&found, &expect(2982, 2982, 0.0, 4.488741, 2.500417));
    assert!(found.notes[0].starts_with("content = image"), "{:?}", found.notes);
}

#[test]
fn biq2021_has_the_figures_of_its_two_lists() {
    let Some(root) = tables("biq2021") else { return };
    let found = open("biq2021", &root, &labels_only()).expect("the released lists");
    check(&found, &expect(12_000, 12_000, 0.0, 1.0, 0.643458));
    no_notes(&found);
    for (split, count, mean) in [(Split::Train, 10_000, 0.641809), (Split::Test, 2000, 0.651705)] {
        let rows = found.part(split);
        let scores: Vec<f64> = rows.iter().map(|&i| found.rows[i].score).collect();
        assert_eq!(rows.len(), count);
        near(scores.iter().sum::<f64>() / count as f64, mean);
        assert!(scores.contains(&0.0) && scores.contains(&1.0), "{split}");
    }
    let prefixes = counts(found.rows.iter().filter_map(|row| row.path.get(7..11)));
    assert_eq!(prefixes, BTreeMap::from([("ss01", 2000), ("ss02", 2000), ("ss03", 8000)]));
}

#[test]
fn the_committed_list_parts_biq2021_by_content() {
    let Some(root) = tables("biq2021") else { return };
    let list =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/biq2021-content-split.csv");
    let options = Options { content: Some(Content::File(list)), ..labels_only() };
    let found = open("biq2021", &root, &options).expect("list and labels fit");
    let parts = [Split::Train, Split::Val, Split::Test].map(|part| found.part(part).len());
    assert_eq!(parts, [8_574, 941, 1_239]);
    let mut part_of = BTreeMap::new();
    for row in &found.rows {
        let part = part_of.entry(row.content.as_str()).or_insert(row.split);
        assert_eq!(*part, row.split, "content {} stands in two parts", row.content);
    }
}

#[test]
fn the_part_of_biq2021_that_is_here_loads_with_its_own_list() {
    let Some(root) = tables("../biq2021") else { return };
    let part = Options { allow_missing: usize::MAX, ..Options::default() };
    let found = open("biq2021", &root, &part).expect("the part that is here");
    let parts = [Split::Train, Split::Val, Split::Test].map(|part| found.part(part).len());
    assert_eq!((parts, found.subset), ([900, 200, 400], true));
    assert!(open("biq2021", &root, &Options::default()).is_err());
}
