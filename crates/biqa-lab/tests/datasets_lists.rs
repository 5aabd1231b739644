//! Lists that lie beside a set's folder or elsewhere: other people's, the release's own named by
//! `--list`, a user's; and what is said of their rows.

mod made;
mod release;

use biqa_lab::datasets::{Direction, LabelForm, Manifest, Options, Split, recognise};
use biqa_lab::splits::{self, Rule};
use made::xlsx::{Cell, Packing, workbook};
use release::tables::{labels_only, root_of, tables};
use release::{Release, contents, notes, partial, paths};

/// Options for a list of one's own, on the scale 1 to 5.
fn own() -> Options {
    Options { direction: Some(Direction::Mos), range: Some([1.0, 5.0]), ..Options::default() }
}

// ---- lists beside the folder ----------------------------------------------------------------

#[test]
fn a_list_of_iqa_dataset_may_lie_beside_the_folder_of_its_set() {
    let header = "dis_img_path,dis_type,ref_img_path,score\n";
    let live = format!("{header}LIVE/jp2k/img2.bmp,jp2k,LIVE/refimgs/a.bmp,15.5\n");
    let scene = "dis_img_path,dis_type,score\nCID2013/IS1/co1/IS_I_C01_D01.jpg,Authentic,3.3\n";
    let spaq = "dis_img_path,dis_type,score\nSPAQ/Dataset/TestImage/00001.jpg,Authentic,48.86\n";
    for (set, list, text, path) in [
        ("live", "LIVE.txt", live.as_str(), "LIVE/jp2k/img2.bmp"),
        ("cid2013", "CID2013.txt", scene, "cid2013/IS1/co1/IS_I_C01_D01.jpg"),
        ("spaq", "SPAQ.txt", spaq, "SPAQ/Dataset/TestImage/00001.jpg"),
        ("spaq", "SPAQ.txt", spaq, "SPAQ/TestImage/00001.jpg"),
    ] {
        let beside = Release::new().file(list, text).pictures([path]);
        assert_eq!(paths(&beside.part(set)), [path], "{set}");
        let inside = path.split_once('/').expect("a folder").1;
        let within = Release::new().file(list, text).pictures([inside]);
        assert_eq!(paths(&within.part(set)), [inside], "{set}");
    }
}

#[test]
fn a_missing_picture_is_named_where_it_was_looked_for() {
    let release = Release::new()
        .file("csiq_label.txt", "1600.AWGN.1.png 0.5\n1600.AWGN.2.png 0.5\n")
        .pictures(["dst_imgs_all/1600.AWGN.2.png"]);
    let text = release.refused("csiq", &partial());
    let start = "1 of 2 labelled images is not under ROOT, first: dst_imgs_all/1600.AWGN.1.png \
                 (ROOT/csiq_label.txt, line 1);";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn a_set_without_any_picture_is_no_part_of_it() {
    let release = Release::new().file("csiq_label.txt", "1600.AWGN.1.png 0.5\n");
    let all = Options { allow_missing: usize::MAX, ..partial() };
    assert!(release.refused("csiq", &all).starts_with("1 of 1 labelled images is not under"));
    let empty = Release::new().file("labels.csv", "path,score\n");
    assert_eq!(
        empty.refused("csv", &own()),
        "ROOT/labels.csv lists no image; it needs a row for every image"
    );
}

#[test]
fn what_systems_leave_in_a_folder_is_not_seen() {
    let release = Release::new()
        .file("CSIQ/csiq_label.txt", "1600.AWGN.1.png 0.5\n")
        .pictures(["CSIQ/dst_imgs/awgn/1600.AWGN.1.png", "__MACOSX/CSIQ/1600.AWGN.1.png"]);
    let release = ["Thumbs.db", "desktop.ini", ".DS_Store"]
        .iter()
        .fold(release, |release, name| release.file(name, ""));
    assert_eq!(paths(&release.part("csiq")), ["dst_imgs/awgn/1600.AWGN.1.png"]);
}

#[test]
fn a_folder_is_recognised_by_the_file_that_is_read() {
    let release = Release::new().file("csiq_label.txt", "").file("csiq.beta.txt", "");
    assert_eq!(recognise(release.root())[0].why, "it holds csiq_label.txt");
}

// ---- label files of the release, named by --list ---------------------------------------------

#[test]
fn label_files_of_the_release_are_read_by_any_name_from_anywhere() {
    let text = |text: &str| Cell::Shared(text.to_owned());
    let sheet = |cells: Vec<Vec<Cell>>| workbook(&[("Sheet1", cells)], Packing::Stored);
    let spaq = sheet(vec![
        vec![text("Image name"), text("MOS")],
        vec![text("00001.jpg"), Cell::Number(48.86)],
    ]);
    let bid = sheet(vec![
        vec![text("Image Number"), text("Average Subjective Grade"), text("Grade #1")],
        vec![Cell::Number(7.0), Cell::Number(1.25), Cell::Number(1.0)],
    ]);
    let koniq = "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set\n1.jpg,0,0,0,1,0,9,75.5,0.5,test\n";
    let agi =
        "name,prompt,adj1,adj2,style,mos_quality,std_quality\nglide_normal_000.jpg,a,,,,2,1\n";
    let cases: [(&str, &[u8], f64); 10] = [
        ("kadid10k", b"dist_img,ref_img,dmos,var\nI01_01_01.png,I01.png,4.57,0.25\n", 4.57),
        ("kadid10k", b"I01_01_01.png, 4.57\n", 4.57),
        ("tid2013", b"5.51429 I01_01_1.bmp\n", 5.51429),
        ("csiq", b"1600.AWGN.1.png 0.061989\n", 0.061989),
        ("csiq", b"1600\t1\tnoise\t1\t0.061\t0.062\n", 0.062),
        ("koniq10k", koniq.as_bytes(), 75.5),
        ("spaq", &spaq, 48.86),
        ("bid", &bid, 1.25),
        ("pipal", b"A0001_00_00.bmp, 1520.0648\n", 1520.0648),
        ("agiqa3k", agi.as_bytes(), 2.0),
    ];
    for (set, bytes, score) in cases {
        let release = Release::new().file("lists/renamed.dat", bytes).file("readme.txt", "");
        let list = Some(release.root().join("lists/renamed.dat"));
        let found = release.with(set, &Options { list, labels_only: true, ..partial() });
        assert_eq!(found.rows[0].score, score, "{set}");
    }
    let release = Release::new().file("labels_image.csv", "name,mos\nblur_dataset/a.jpg,70\n");
    let list = Some(release.root().join("labels_image.csv"));
    let found = release.with("livefb", &Options { list, labels_only: true, ..partial() });
    assert_eq!(paths(&found), ["blur_dataset/a.jpg"]);
}

#[test]
fn one_list_of_biq2021_brings_the_other_and_mat_files_come_together() {
    let release = Release::new()
        .file("lists/Train (Images and MOS).csv", "Image Name,MOS,,\nss01 (1).jpg,0.5,,\n")
        .file("lists/Test (Images and MOS).csv", "Image Name,MOS\nss02 (1).jpg,1\n");
    let list = Some(release.root().join("lists/Train (Images and MOS).csv"));
    let found = release.with("biq2021", &Options { list, labels_only: true, ..partial() });
    let parts: Vec<_> = found.rows.iter().map(|row| row.split).collect();
    assert_eq!(parts, [Some(Split::Train), Some(Split::Test)]);

    let release = Release::new().file("AllMOS_release.mat", "MATLAB 5.0 MAT-file");
    let list = Some(release.root().join("AllMOS_release.mat"));
    let text = release.refused("livec", &Options { list, ..partial() });
    assert!(text.contains("give their folder as the root, and leave the list out"), "{text}");
}

#[test]
fn the_real_label_files_are_taken_by_list_as_they_are_in_the_root() {
    let released = [
        ("kadid10k", "kadid10k/reconstructed/dmos.csv"),
        ("tid2013", "tid2013/reconstructed/mos_with_names.txt"),
        ("csiq", "csiq/csiq_label.txt"),
        ("csiq", "csiq/csiq.beta.xlsx"),
        ("csiq", "csiq/csiq.beta.txt"),
        ("koniq10k", "koniq10k/koniq10k_distributions_sets.csv"),
        ("bid", "bid/DatabaseGrades.xls"),
        ("pipal", "pipal/pipal22_train.txt"),
        ("agiqa3k", "agiqa3k/data.csv"),
    ];
    for (set, file) in released {
        let Some(path) = tables(file) else { return };
        let name = file.rsplit_once('/').expect("a folder").1;
        let Some(root) = root_of(&[(name, file)]) else { return };
        let open = |root: &std::path::Path, options: &Options| -> Manifest {
            biqa_lab::datasets::open(set, root, options).unwrap_or_else(|e| panic!("{file}: {e}"))
        };
        let elsewhere = Release::new();
        let named = Options { list: Some(path), ..labels_only() };
        let found = open(elsewhere.root(), &named);
        assert_eq!(found.digest(), open(root.path(), &labels_only()).digest(), "{file}");
    }
}

// ---- file and line ---------------------------------------------------------------------------

#[test]
fn a_picture_listed_twice_names_the_files_that_list_it() {
    let release = Release::new()
        .file("Train (Images and MOS).csv", "Image Name,MOS,,\nb.jpg,0.5,,\na.jpg,0.5,,\n")
        .file("Test (Images and MOS).csv", "Image Name,MOS\nA.jpg,1\n");
    assert_eq!(
        release.refused("biq2021", &partial()),
        "ROOT/Test (Images and MOS).csv, line 2: \"Images/A.jpg\" is listed already in ROOT/Train \
         (Images and MOS).csv, line 3; remove one"
    );
    let release = Release::new()
        .file("Train_Label/A0001.txt", "A0001_00_00.bmp,1500\n")
        .file("Train_Label/A0002.txt", "A0002_00_00.bmp,1500\nA0002_00_00.bmp,1400\n");
    assert_eq!(
        release.refused("pipal", &partial()),
        "ROOT/Train_Label/A0002.txt, line 2: \"Train_Dist/A0002_00_00.bmp\" is listed already in \
         line 1; remove one"
    );
}

#[test]
fn the_official_parts_of_koniq10k_are_read_once_a_picture() {
    let scores = "image_name,MOS,SD,MOS_zscore\n1.jpg,3,0.5,50\n2.jpg,3,0.5,50\n";
    let release = Release::new().file("koniq10k_scores_and_distributions.csv", scores);
    let options = Options { labels_only: true, ..partial() };
    let release = release.file(
        "koniq10k_distributions_sets.csv",
        "image_name,MOS,set\n1.jpg,50,training\n1.JPG,50,test\n",
    );
    assert_eq!(
        release.refused("koniq10k", &options),
        "ROOT/koniq10k_distributions_sets.csv, line 3: \"1.JPG\" is listed already in line 2; \
         remove one"
    );
    let release =
        release.file("koniq10k_distributions_sets.csv", "image_name,MOS,set\n1.jpg,50,training\n");
    let found = release.with("koniq10k", &options);
    let root = release.root().display();
    let note =
        format!("1 picture has no part in {root}/koniq10k_distributions_sets.csv, first: 2.jpg");
    assert_eq!(notes(&found), [note]);
}

// ---- a user's own list -----------------------------------------------------------------------

#[test]
fn a_score_beside_ones_own_scale_is_noted_and_one_far_from_it_refused() {
    let list = |score: &str| {
        let text = format!("path,score,content\na.png,3,a\nb.png,{score},b\n");
        Release::new().file("labels.csv", text).pictures(["a.png", "b.png"])
    };
    let release = list("5.5");
    let note = format!(
        "1 score is outside the scale 1 to 5, first: 5.5 ({}, line 3)",
        release.root().join("labels.csv").display()
    );
    assert_eq!(notes(&release.with("csv", &own())), [note]);
    assert_eq!(
        list("7.5").refused("csv", &own()),
        "ROOT/labels.csv, line 3: \"b.png\" has score 7.5, far outside the scale 1 to 5 of csv; \
         correct it, or the scale"
    );
}

#[test]
fn two_columns_that_may_be_meant_are_refused() {
    for (header, first, second) in
        [("path,score,mos", "score", "mos"), ("path,Score,score", "score", "score")]
    {
        let release = Release::new().file("labels.csv", format!("{header}\na.png,3,4\n"));
        assert_eq!(
            release.refused("csv", &own()),
            format!(
                "ROOT/labels.csv has the columns `{first}` and `{second}`, and either may be \
                 meant; remove or rename one"
            )
        );
    }
}

#[test]
fn absolute_paths_inside_the_root_are_taken_and_others_refused() {
    let release = Release::new().pictures(["sub/a.png", "b.png"]);
    let a = release.root().join("sub/a.png");
    let text = format!("path,score\n{},3\n.\\b.png,4\n", a.display());
    let release = release.file("labels.csv", text);
    let found = release.with("csv", &own());
    assert_eq!(paths(&found), ["sub/a.png", "b.png"]);
    assert_eq!(contents(&found), ["sub/a.png", "b.png"]);
    let release = release.file("labels.csv", "path,score\nb.png,3\n/elsewhere/a.png,3\n");
    assert_eq!(
        release.refused("csv", &own()),
        "ROOT/labels.csv, line 3: \"/elsewhere/a.png\" is absolute and not inside ROOT; paths are \
         relative to that folder (another one: --image-root beside --data, --root beside --dataset)"
    );
}

#[test]
fn the_scale_of_a_known_set_cannot_be_stated() {
    let release = Release::new().file("csiq_label.txt", "1600.AWGN.1.png 0.5\n");
    let way = Options { direction: Some(Direction::Mos), ..partial() };
    assert_eq!(release.refused("csiq", &way), "csiq has no `direction = mos`; leave it out");
    let range = Options { range: Some([0.0, 9.0]), ..partial() };
    assert_eq!(release.refused("csiq", &range), "csiq has no `range = 0..9`; leave it out");
}

#[test]
fn contents_in_two_of_a_sets_own_parts_are_said() {
    let list = "path,score,content,split\na.png,1,g,train\nb.png,2,g,test\nc.png,3,h,test\n";
    let release = Release::new().file("labels.csv", list).pictures(["a.png", "b.png", "c.png"]);
    let note = "the set's own parts leak: 1 content is in several of them, first \"g\": \"a.png\" \
                (train) and \"b.png\" (test)";
    assert_eq!(notes(&release.with("csv", &own())), [note]);
    let release = release.file("labels.csv", list.replace("b.png,2,g,test", "b.png,2,g,"));
    assert_eq!(notes(&release.with("csv", &own())), Vec::<&str>::new());
}

// ---- official splits -------------------------------------------------------------------------

#[test]
fn both_lists_of_pipal_make_an_official_split() {
    let release = Release::new()
        .file("pipal22_train.txt", "A0001_00_00.bmp, 1500\nA0002_00_00.bmp, 1400\n")
        .file("pipal21_val.txt", "A0005_10_00.bmp, 1300\n")
        .pictures(["Distortion_2/A0001_00_00.bmp", "Distortion_3/A0002_00_00.bmp"])
        .pictures(["Val_Dist/A0005_10_00.bmp"]);
    let official = splits::Options { rule: Rule::Official, ..splits::Options::default() };
    let both = release.with("pipal", &Options { labels: Some(LabelForm::Both), ..partial() });
    assert!(notes(&both)[0].contains("are not public"), "{:?}", both.notes);
    let found = splits::split(&both, None, &official).expect("both parts are there");
    assert_eq!((found.train.len() + found.val.len(), found.test), (2, vec![2]));
    assert_eq!(both.rows[2].path, "Val_Dist/A0005_10_00.bmp");

    let error = splits::split(&release.part("pipal"), None, &official).expect_err("train alone");
    assert!(error.to_string().contains("with `labels = both`"), "{error}");
    let one = release.without("pipal21_val.txt");
    let text = one.refused("pipal", &Options { labels: Some(LabelForm::Both), ..partial() });
    assert!(text.contains("expected pipal21_val.txt (the validation part)"), "{text}");
}

#[test]
fn the_real_lists_of_pipal_make_an_official_split() {
    let Some(root) = tables("pipal") else { return };
    let options = Options { labels: Some(LabelForm::Both), ..labels_only() };
    let found = biqa_lab::datasets::open("pipal", &root, &options).expect("both lists");
    assert_eq!((found.rows.len(), found.contents(), found.subset), (24_200, 225, false));
    let official = splits::Options { rule: Rule::Official, ..splits::Options::default() };
    let split = splits::split(&found, None, &official).expect("no reference is in both");
    assert_eq!((split.train.len() + split.val.len(), split.test.len()), (23_200, 1000));
}

#[test]
fn a_set_from_a_list_of_pyiqa_has_its_official_split() {
    let list = "img_name,mos,official_split\n00001.jpg,50,0\n00002.jpg,60,2\n00003.jpg,70,0\n";
    let release = Release::new()
        .file("meta_info_SPAQDataset.csv", list)
        .pictures([1, 2, 3].map(|i| format!("TestImage/0000{i}.jpg")));
    let found = release.part("spaq");
    let official = splits::Options { rule: Rule::Official, ..splits::Options::default() };
    let split = splits::split(&found, None, &official).expect("a split");
    assert_eq!((split.train.len() + split.val.len(), split.test), (2, vec![1]));
}
