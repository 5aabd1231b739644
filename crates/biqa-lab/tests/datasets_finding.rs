//! What is the same for every set: its files found or missing, lists of one's own, switches, parts of
//! a set, and which set a folder is.

mod release;

use biqa_lab::datasets::{
    Content, Direction, LabelForm, Options, find, keys, open, recognise, sets,
};
use release::{Release, contents, notes, partial, paths};
use std::path::PathBuf;

/// `n` pictures of CSIQ, as the labels have them.
fn csiq(n: usize) -> Release {
    let labels: Vec<String> = (1..=n).map(|i| format!("1600.AWGN.{i}.png 0.{i}\n")).collect();
    Release::new().file("csiq_label.txt", labels.concat())
}

fn picture(i: usize) -> String {
    format!("dst_imgs/awgn/1600.AWGN.{i}.png")
}

// ---- files ----------------------------------------------------------------------------------

#[test]
fn missing_pictures_are_counted_and_the_first_five_named() {
    let release = csiq(7).pictures([picture(7)]);
    assert_eq!(
        release.refused("csiq", &partial()),
        "6 of 7 labelled images are not under ROOT, first: dst_imgs/awgn/1600.AWGN.1.png \
         (ROOT/csiq_label.txt, line 1), dst_imgs/awgn/1600.AWGN.2.png, \
         dst_imgs/awgn/1600.AWGN.3.png, dst_imgs/awgn/1600.AWGN.4.png, \
         dst_imgs/awgn/1600.AWGN.5.png; correct the folder or the list (of a --dataset, \
         --partial takes a part; allowed to lack: 0)"
    );
    let five = Options { allow_missing: 5, ..partial() };
    assert!(release.refused("csiq", &five).contains("allowed to lack: 5)"));
    let found = release.with("csiq", &Options { allow_missing: 6, ..partial() });
    assert_eq!(paths(&found), [picture(7)]);
    let note = "6 of 7 labelled images have no file and were left out, first: \
                dst_imgs/awgn/1600.AWGN.1.png";
    assert_eq!(notes(&found), [note]);
}

#[test]
fn two_files_that_differ_in_case_only_are_an_error_unless_one_is_spelled_as_listed() {
    let release =
        csiq(1).pictures(["dst_imgs/awgn/1600.awgn.1.png", "dst_imgs/awgn/1600.Awgn.1.png"]);
    assert_eq!(
        release.refused("csiq", &partial()),
        "ROOT/dst_imgs/awgn: \"1600.AWGN.1.png\" may be \"1600.Awgn.1.png\" or \
         \"1600.awgn.1.png\"; rename one of them"
    );
    let exact = release.pictures([picture(1)]).part("csiq");
    assert_eq!(paths(&exact), [picture(1)]);
}

#[test]
fn the_order_of_rows_is_that_of_the_labels_and_not_of_the_folder() {
    let release = Release::new()
        .file("csiq_label.txt", "1600.AWGN.2.png 0.5\n1600.AWGN.1.png 0.25\n")
        .pictures([picture(1), picture(2)]);
    assert_eq!(paths(&release.part("csiq")), [picture(2), picture(1)]);
}

#[test]
fn only_a_folder_that_stands_alone_is_entered() {
    let nested = Release::new()
        .file("CSIQ/csiq_label.txt", "1600.AWGN.1.png 0.5\n")
        .file(".DS_Store", "")
        .pictures([format!("CSIQ/{}", picture(1))]);
    assert_eq!(paths(&nested.part("csiq")), [picture(1)]);
    let two = nested.file("other/readme.txt", "");
    assert!(two.refused("csiq", &partial()).starts_with("ROOT holds no csiq: expected csiq.DMOS"));
}

#[test]
fn a_folder_that_is_not_there_and_one_of_another_set_say_so() {
    let root = PathBuf::from("there is no such folder");
    let error = open("csiq", &root, &partial()).expect_err("no folder").to_string();
    assert_eq!(error, "cannot read there is no such folder");
    let release = Release::new().file("mos_with_names.txt", "5 i01_01_1.bmp\n");
    assert_eq!(
        release.refused("csiq", &partial()),
        "ROOT holds no csiq: expected csiq.DMOS.xlsx, csiq.beta.xlsx, csiq_label.txt, CSIQ.txt or \
         csiq.beta.txt, beside dst_imgs/<type>/<name> or dst_imgs_all/<name> (it looks like \
         tid2013: it holds mos_with_names.txt)"
    );
}

// ---- counts ---------------------------------------------------------------------------------

#[test]
fn another_count_than_the_release_is_an_error_or_marks_a_subset() {
    let release = csiq(2).pictures([picture(1), picture(2)]);
    assert_eq!(
        release.refused("csiq", &Options::default()),
        "csiq: 2 rows, the release has 866; take the label file of the release again, or take a \
         part of the set with --partial (it is never compared with published numbers)"
    );
    let found = release.part("csiq");
    let expected = [
        "subset: 2 rows of 866; not comparable with published numbers",
        "subset: 1 content of 30; not comparable with published numbers",
    ];
    assert_eq!((found.subset, &found.notes[..]), (true, &expected.map(str::to_owned)[..]));
    assert_eq!(found.head().notes, found.notes);
}

#[test]
fn scores_that_are_not_those_of_the_release_are_noted() {
    // 866 rows of 30 references whose scores are all the same.
    let rows = (0..866).map(|i| format!("r{}.AWGN.{}.png 0.5\n", i % 30, i / 30));
    let release = Release::new().file("csiq_label.txt", rows.collect::<String>());
    let options = Options { labels_only: true, ..Options::default() };
    let found = release.with("csiq", &options);
    let expected = [
        "labels differ from the release we know: minimum 0.5, expected 0",
        "labels differ from the release we know: maximum 0.5, expected 1",
        "labels differ from the release we know: mean 0.5, expected 0.350744",
    ];
    assert_eq!(found.notes, expected);
    assert!(!found.subset);
}

// ---- bad labels -----------------------------------------------------------------------------

#[test]
fn bad_labels_name_the_file_the_line_what_is_there_and_what_to_do() {
    let cases = [
        (
            "1600.AWGN.1.png nan\n",
            "ROOT/csiq_label.txt, line 1, column `score`: found \"nan\", expected a finite number; \
             correct it, or take it anew from where it came",
        ),
        (
            "1600.AWGN.1.png 0.5\n\n1600.AWGN.2.png\n",
            "ROOT/csiq_label.txt, line 3: 1 field, expected name, score; correct it, or take it \
             anew from where it came",
        ),
        (
            "1600.AWGN.1.png 0.5\r\n1600.awgn.1.PNG 0.5\r\n",
            "ROOT/csiq_label.txt, line 2: \"dst_imgs/awgn/1600.awgn.1.PNG\" is listed already in \
             line 1; remove one",
        ),
        (
            "i01_01_1.bmp 5\n",
            "ROOT/csiq_label.txt, line 1: found the name \"i01_01_1.bmp\", expected one of csiq like \
             \"1600.AWGN.1.png\"; is this the list of another set?",
        ),
        (
            "1600.AWGN.1.png 1.75\n",
            "ROOT/csiq_label.txt, line 1: \"dst_imgs/awgn/1600.AWGN.1.png\" has score 1.75, far \
             outside the scale 0 to 1 of csiq; correct it, or the scale",
        ),
    ];
    for (labels, expected) in cases {
        let release = Release::new().file("csiq_label.txt", labels);
        assert_eq!(release.refused("csiq", &partial()), expected, "{labels:?}");
    }
}

#[test]
fn a_table_without_a_column_names_those_it_has() {
    let release =
        Release::new().file("dmos.csv", "dist_img,ref_img,mos\nI01_01_01.png,I01.png,4\n");
    assert_eq!(
        release.refused("kadid10k", &partial()),
        "ROOT/dmos.csv has no column `dmos`; its columns are: dist_img, ref_img, mos; rename the \
         one that is meant, or take the list anew from where it came"
    );
    let release = Release::new().file("dmos.csv", "dist_img,dmos,var\nI01_01_01.png,4,-1\n");
    assert_eq!(
        release.refused("kadid10k", &partial()),
        "ROOT/dmos.csv, line 2, column `var`: found \"-1\", expected a variance, 0 or more; correct \
         it, or take it anew from where it came"
    );
}

#[test]
fn a_damaged_binary_file_is_named() {
    let release = Release::new().file("DatabaseGrades.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    let text = release.refused("bid", &partial());
    assert!(text.starts_with("ROOT/DatabaseGrades.xls is damaged at "), "{text}");
    let release = Release::new()
        .file("dmos_realigned.mat", b"MATLAB 7.3 MAT-file, Platform: x")
        .file("refnames_all.mat", b"");
    let text = release.refused("live", &partial());
    assert!(text.contains("ROOT/dmos_realigned.mat") && text.contains("-v7"), "{text}");
}

// ---- lists ----------------------------------------------------------------------------------

#[test]
fn a_set_is_read_from_any_list_that_the_options_name() {
    let iqa = "dis_img_path,dis_type,score\nKonIQ/1024x768/11.jpg,Authentic,3.5\n";
    let ours = "path,score,content,kind,level,split,spread\n1024x768/11.jpg,3.5,g7,,,val,0.25\n";
    for (text, content, spread) in [(iqa, "11", None), (ours, "g7", Some(0.25))] {
        let release = Release::new().file("lists/mine.csv", text).file("readme.txt", "");
        let release = release.pictures(["1024x768/11.jpg"]);
        let options = Options {
            list: Some(release.root().join("lists/mine.csv")),
            labels: Some(LabelForm::Acr),
            ..partial()
        };
        let found = release.with("koniq10k", &options);
        assert_eq!((paths(&found), contents(&found)), (vec!["1024x768/11.jpg"], vec![content]));
        assert_eq!((found.rows[0].score, found.rows[0].spread), (3.5, spread));
    }
}

#[test]
fn a_content_list_replaces_content_and_split_of_any_set() {
    let release = csiq(3)
        .file("lists/scenes.csv", "path,content,split\ndst_imgs/awgn/1600.AWGN.3.png,x,val\n")
        .pictures([picture(1), picture(2), picture(3)]);
    let list = release.root().join("lists/scenes.csv");
    let options = Options { content: Some(Content::File(list.clone())), ..partial() };
    let found = release.with("csiq", &options);
    assert_eq!((paths(&found), contents(&found)), (vec![picture(3).as_str()], vec!["x"]));
    assert!(found.subset);
    let note = "1 of 3 images are listed, the other 2 are left out";
    assert!(notes(&found)[0].ends_with(note), "{:?}", found.notes);

    for (text, expected) in [
        (
            "path,content\nno.png,x\n",
            "ROOT/lists/scenes.csv, line 2: \"no.png\" has no score in the labels; remove the line, or \
             take the list that belongs to them",
        ),
        (
            "path,content,split\ndst_imgs/awgn/1600.AWGN.3.png,x,holdout\n",
            "ROOT/lists/scenes.csv, line 2, column `split`: found \"holdout\", expected train, val \
             or test; correct it, or take it anew from where it came",
        ),
        (
            "path,group\ndst_imgs/awgn/1600.AWGN.3.png,x\n",
            "ROOT/lists/scenes.csv has no column `content`; its columns are: path, group; rename \
             the one that is meant, or take the list anew from where it came",
        ),
    ] {
        std::fs::write(&list, text).expect("writable");
        assert_eq!(release.refused("csiq", &options), expected);
    }
}

// ---- switches and names ---------------------------------------------------------------------

#[test]
fn a_switch_that_a_set_does_not_have_is_an_error() {
    let release = csiq(1).pictures([picture(1)]);
    let acr = Options { labels: Some(LabelForm::Acr), ..partial() };
    let scene = Options { content: Some(Content::Scene), ..partial() };
    let natural = Options { natural_only: true, ..partial() };
    let cases = [
        ("csiq", &acr, "csiq has no `labels = acr`; leave it out"),
        ("live", &acr, "live has no `labels = acr`; it may be realigned, original"),
        ("csiq", &scene, "csiq has no `content = scene`; it may be file:PATH"),
        ("agiqa3k", &scene, "agiqa3k has no `content = scene`; it may be prompt, image, file:PATH"),
        ("csiq", &natural, "csiq has no `natural_only = true`; leave it out"),
    ];
    for (name, options, expected) in cases {
        assert_eq!(release.refused(name, options), expected);
    }
}

#[test]
fn an_unknown_name_lists_those_that_are_known() {
    let text = csiq(1).refused("ava", &partial());
    assert!(
        text.starts_with("there is no data set \"ava\"; known: live, csiq, tid2013,"),
        "{text}"
    );
    assert_eq!(keys().len(), sets().len());
}

#[test]
fn the_registry_says_what_the_specification_says() {
    let papers = ["live", "csiq", "tid2013", "kadid10k", "livec", "koniq10k", "livefb", "spaq"];
    let images = [779, 866, 3000, 10_125, 1162, 10_073, 39_810, 11_125];
    for (key, images) in papers.into_iter().zip(images) {
        assert_eq!(find(key).map(|set| set.images), Some(images), "{key}");
    }
    let dmos: Vec<&str> =
        sets().iter().filter(|set| set.direction == Direction::Dmos).map(|set| set.key).collect();
    assert_eq!(dmos, ["live", "csiq", "livemd"]);
    for set in sets().iter().filter(|set| !["csv", "saqt"].contains(&set.key)) {
        assert!(!set.citation.is_empty() && !set.what.is_empty(), "{}", set.key);
        assert!(set.range[0] < set.range[1] && set.images > 0, "{}", set.key);
    }
}

// ---- which set a folder is ------------------------------------------------------------------

#[test]
fn a_folder_is_recognised_by_what_it_holds() {
    let key = |release: &Release| {
        let found = recognise(release.root());
        found.into_iter().map(|found| (found.set.key, found.why)).collect::<Vec<_>>()
    };
    let csiq = csiq(1);
    assert_eq!(key(&csiq), [("csiq", "it holds csiq_label.txt".to_owned())]);
    let nested = Release::new().file("koniq10k/koniq10k_distributions_sets.csv", "");
    assert_eq!(key(&nested), [("koniq10k", "it holds koniq10k_distributions_sets.csv".to_owned())]);
    let live = Release::new()
        .file("jp2k/img1.bmp", "")
        .file("FastFading/img1.bmp", "")
        .file("RefNames_all.mat", "");
    assert_eq!(key(&live), [("live", "it holds jp2k, fastfading, refnames_all.mat".to_owned())]);
    assert!(key(&Release::new().file("a.png", "")).is_empty());
    let both = csiq.file("CID2013.txt", "");
    let keys: Vec<&str> = key(&both).into_iter().map(|found| found.0).collect();
    assert_eq!(keys, ["csiq", "cid2013"]);
}

#[test]
fn a_users_own_list_may_lie_anywhere_and_be_in_any_form() {
    let release = Release::new()
        .file("lists/labels.csv", "path,score\npictures/a.png,3\n")
        .pictures(["pictures/A.PNG"]);
    let options = Options {
        list: Some(release.root().join("lists/labels.csv")),
        direction: Some(Direction::Dmos),
        range: Some([1.0, 5.0]),
        ..Options::default()
    };
    let found = release.with("csv", &options);
    assert_eq!((paths(&found), found.subset), (vec!["pictures/A.PNG"], false));
    assert_eq!((found.quality(3.0), found.target(2.0)), (-3.0, 0.75));
}
