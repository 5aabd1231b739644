//! Miniature releases of the sets without references, in the layouts that people keep them in.

mod made;
mod release;

use biqa_lab::datasets::{Content, LabelForm, Options, Split};
use made::mat::{Order, doubles, file, texts};
use made::xlsx::{Cell, Packing, workbook};
use made::{xls, xlsx};
use release::{Release, contents, notes, partial, paths};

// ---- livec ----------------------------------------------------------------------------------

/// Seven pictures for training the subjects, and those of the set.
fn livec(names: &[&str]) -> Release {
    let training = (1..=7).map(|i| format!("t{i}.bmp"));
    let all: Vec<String> = training.chain(names.iter().map(|name| (*name).to_owned())).collect();
    let texts_of: Vec<&str> = all.iter().map(String::as_str).collect();
    let n = all.len() as i32;
    let scores: Vec<f64> = (0..n).map(|i| f64::from(i) * 2.0 + 40.0).collect();
    let spreads: Vec<f64> = (0..n).map(|i| f64::from(i) + 0.5).collect();
    let mat = |array| file(Order::Little, true, &[array]);
    Release::new()
        .file("Data/AllImages_release.mat", mat(texts("AllImages_release", [n, 1], &texts_of)))
        .file("Data/AllMOS_release.mat", mat(doubles("AllMOS_release", [1, n], &scores)))
        .file("Data/AllStdDev_release.mat", mat(doubles("AllStdDev_release", [1, n], &spreads)))
        .pictures((1..=7).map(|i| format!("Images/trainingImages/t{i}.bmp")))
}

#[test]
fn the_training_pictures_of_livec_are_dropped_by_position() {
    let release = livec(&["3.bmp", "4.JPG"]).pictures(["Images/3.bmp", "Images/4.jpg"]);
    let found = release.part("ChallengeDB_release");
    assert_eq!(paths(&found), ["Images/3.bmp", "Images/4.jpg"]);
    assert_eq!(contents(&found), ["3", "4"]);
    assert_eq!((found.rows[0].score, found.rows[0].spread), (54.0, Some(7.5)));
    assert_eq!(notes(&found), Vec::<&str>::new());
}

#[test]
fn a_training_picture_further_on_in_livec_is_an_error() {
    assert_eq!(
        livec(&["3.bmp", "t8.bmp"]).refused("livec", &partial()),
        "ROOT/Data/AllMOS_release.mat, row 9: found the name \"t8.bmp\", expected one of livec like \
         \"780.JPG\"; is this the list of another set?"
    );
}

// ---- koniq10k -------------------------------------------------------------------------------

const KONIQ_SCORES: &str = "\"image_name\",\"c1\",\"c2\",\"c3\",\"c4\",\"c5\",\"c_total\",\"MOS\",\
                            \"SD\",\"MOS_zscore\"\n\
                            \"11.jpg\",0,0,25,75,0,100,3.75,0.4,75.5\n\
                            \"12.jpg\",0,50,50,0,0,100,2.5,0.5,40.25\n";
const KONIQ_SETS: &str = "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set\n\
                          12.jpg,0,0.5,0.5,0,0,100,40.25,0.5,test\n\
                          11.jpg,0,0,0.25,0.75,0,100,75.5,0.4,training\n";

#[test]
fn both_forms_of_koniq10k_come_from_either_of_its_files() {
    let scores = Release::new().file("koniq10k_scores_and_distributions.csv", KONIQ_SCORES);
    let sets = Release::new().file("koniq10k_distributions_sets.csv", KONIQ_SETS);
    for release in [scores, sets] {
        let release = release.pictures(["1024x768/11.jpg", "1024x768/12.jpg"]);
        let mut found = release.part("KonIQ-10k");
        found.rows.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!((found.rows[0].score, found.rows[0].spread), (75.5, None));
        assert_eq!((found.rows[1].score, found.rows[1].path.as_str()), (40.25, "1024x768/12.jpg"));
        let acr = Options { labels: Some(LabelForm::Acr), ..partial() };
        let mut found = release.with("koniq10k", &acr);
        found.rows.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!((found.rows[0].score, found.rows[0].spread), (3.75, Some(0.4)));
        assert_eq!((found.rows[1].score, found.range_nominal), (2.5, [1.0, 5.0]));
    }
}

#[test]
fn koniq10k_is_found_in_its_small_copy_with_its_official_split() {
    let release = Release::new()
        .file("koniq10k_scores_and_distributions.csv", KONIQ_SCORES)
        .file("koniq10k_distributions_sets.csv", KONIQ_SETS)
        .pictures(["512x384/11.jpg", "512x384/12.JPG"]);
    let found = release.part("koniq10k");
    assert_eq!(paths(&found), ["512x384/11.jpg", "512x384/12.JPG"]);
    let splits: Vec<_> = found.rows.iter().map(|row| row.split).collect();
    assert_eq!(splits, [Some(Split::Train), Some(Split::Test)]);
}

#[test]
fn a_list_of_koniq10k_in_the_other_form_is_refused() {
    let list = "img_name,mos,std,official_split\n11.jpg,75.5,0.4,train\n";
    let release = Release::new().file("meta_info_KonIQ10kDataset.csv", list);
    let acr = Options { labels: Some(LabelForm::Acr), ..partial() };
    assert_eq!(
        release.refused("koniq10k", &acr),
        "ROOT/meta_info_KonIQ10kDataset.csv is refused: its scores are the form `labels = zscore`; \
         choose that, or take koniq10k_scores_and_distributions.csv"
    );
    let found = release.pictures(["1024x768/11.jpg"]).part("koniq10k");
    assert_eq!((found.rows[0].split, found.rows[0].spread), (Some(Split::Train), None));
}

// ---- livefb ---------------------------------------------------------------------------------

const LIVEFB: &str = "name,mos\r\nvoc_emotic_ava/a__1.jpg,70.5\r\nblur_dataset/motion1.JPG,12\r\n\
                      EE371R/rq85.jpg,80\r\n";
const LIVEFB_TEST: &str =
    "mos_image,name_image,width_image\r\n70.5,voc_emotic_ava/a__1.jpg,800\r\n";
const LIVEFB_PADDED: &str = "name_image,is_valid\r\nvoc_emotic_ava/a__1.jpg,True\r\n\
                             blur_dataset/motion1.JPG,True\r\nEE371R/rq85.jpg,False\r\n";

#[test]
fn livefb_is_found_in_its_folders_and_in_one() {
    let names = ["voc_emotic_ava/a__1.jpg", "blur_dataset/motion1.JPG", "EE371R/rq85.jpg"];
    let bare = ["a__1.jpg", "motion1.JPG", "rq85.jpg"];
    for (labels, layout) in [
        ("labels_image.csv", names.map(str::to_owned)),
        ("labels_image.csv", names.map(|name| format!("database/{name}"))),
        ("database/labels_image.csv", names.map(|name| format!("database/{name}"))),
        ("labels_image.csv", bare.map(str::to_owned)),
        ("labels_image.csv", bare.map(|name| format!("FLIVE/{name}"))),
    ] {
        // A second file keeps the root from being a nest of one folder.
        let release = Release::new().file(labels, LIVEFB).file("readme.txt", "").pictures(&layout);
        let found = release.part("PaQ-2-PiQ");
        assert_eq!(paths(&found), layout, "{layout:?}");
        assert_eq!(contents(&found), ["a__1", "motion1", "rq85"]);
        assert!(found.rows.iter().all(|row| row.split.is_none()));
        assert_eq!(notes(&found), Vec::<&str>::new());
    }
}

#[test]
fn the_official_parts_of_livefb_come_from_its_lists_and_test_wins() {
    let release = Release::new()
        .file("labels_image.csv", LIVEFB)
        .file("labels640.csv", LIVEFB_TEST)
        .file("labels=640_padded.csv", LIVEFB_PADDED);
    let options = Options { labels_only: true, ..partial() };
    let found = release.with("livefb", &options);
    let splits: Vec<_> = found.rows.iter().filter_map(|row| row.split).collect();
    assert_eq!(splits, [Split::Test, Split::Val, Split::Train]);
    let release = release.file("labels640.csv", "name_image\nvoc_emotic_ava/other.jpg\n");
    assert_eq!(
        release.refused("livefb", &options),
        "ROOT/labels640.csv, line 2: \"voc_emotic_ava/other.jpg\" has no score in the labels; remove \
         the line, or take the list that belongs to them"
    );
}

// ---- spaq, bid ------------------------------------------------------------------------------

fn shared(text: &str) -> Cell {
    Cell::Shared(text.to_owned())
}

#[test]
fn spaq_is_found_in_its_layouts() {
    let rows = vec![
        vec![shared("Image name"), shared("MOS"), shared("Brightness")],
        vec![shared("00001.jpg"), Cell::Number(48.86), Cell::Number(50.0)],
        vec![shared("00002.jpg"), Cell::Number(62.5), Cell::Blank],
    ];
    let sheet = workbook(&[("Sheet1", rows)], Packing::Deflated);
    for folder in ["TestImage", "Dataset/TestImage", "512x384"] {
        let release = Release::new()
            .file("Annotations/MOS and Image attribute scores.xlsx", &sheet)
            .pictures([format!("{folder}/00001.JPG"), format!("{folder}/00002.jpg")]);
        let found = release.part("spaq");
        assert_eq!(paths(&found), [format!("{folder}/00001.JPG"), format!("{folder}/00002.jpg")]);
        assert_eq!((found.rows[1].score, found.rows[1].content.as_str()), (62.5, "00002"));
    }
}

#[test]
fn the_spread_of_bid_is_that_of_the_grades_present_and_zero_is_a_grade() {
    let text = |column, text| (0, column, xls::Cell::Text(text));
    let number = |row, column, value| (row, column, xls::Cell::Number(value));
    let cells = vec![
        text(0, "Image Number"),
        text(1, "Average Subjective Grade"),
        text(2, "Number of Grades"),
        text(3, "Grade #1"),
        text(4, "Grade #2"),
        text(5, "Grade #3"),
        number(1, 0, 7.0),
        number(1, 1, 1.25), // not the mean of the grades, and not recomputed
        number(1, 2, 3.0),
        number(1, 3, 0.0),
        number(1, 5, 2.0),
        number(2, 0, 590.0),
        number(2, 1, 4.5),
        number(2, 3, 4.5),
    ];
    let book = xls::workbook(&[("Plan1", cells), ("Plan2", Vec::new())], 8000);
    let names = ["DatabaseImage0007.JPG", "DatabaseImage0590.JPG"];
    for folder in ["ImageDatabase/", ""] {
        let release = Release::new()
            .file("DatabaseGrades.xls", &book)
            .pictures(names.map(|name| format!("{folder}{name}")));
        let found = release.part("bid");
        assert_eq!(paths(&found), names.map(|name| format!("{folder}{name}")));
        assert_eq!(contents(&found), ["DatabaseImage0007", "DatabaseImage0590"]);
        assert_eq!((found.rows[0].score, found.rows[0].spread), (1.25, Some(2.0_f64.sqrt())));
        assert_eq!(found.rows[1].spread, None); // one grade has none
    }
}

#[test]
fn bid_is_read_from_a_resaved_spreadsheet_too() {
    let rows = vec![
        vec![shared("Image Number"), shared("Average Subjective Grade"), shared("Grade #1")],
        vec![Cell::Number(7.0), Cell::Number(1.25), Cell::Number(1.0)],
    ];
    let release = Release::new()
        .file("DatabaseGrades.xlsx", xlsx::workbook(&[("Plan1", rows)], Packing::Stored))
        .pictures(["ImageDatabase/DatabaseImage0007.jpg"]);
    assert_eq!(paths(&release.part("BID2011")), ["ImageDatabase/DatabaseImage0007.jpg"]);
}

// ---- cid2013, agiqa3k -----------------------------------------------------------------------

#[test]
fn the_scenes_of_cid2013_return_in_its_sets() {
    let list = "dis_img_path,dis_type,score\nCID2013/IS1/co1/IS_I_C01_D01.jpg,Authentic,3.3\n\
                CID2013/IS2/co1/IS_II_C01_D01.jpg,Authentic,-4\n";
    let names = ["IS1/co1/IS_I_C01_D01.jpg", "IS2/co1/IS_II_C01_D01.jpg"];
    let release = Release::new().file("CID2013.txt", list).pictures(names);
    let found = release.part("cid2013");
    assert_eq!(paths(&found), names);
    assert_eq!(contents(&found), ["co1", "co1"]);
    let options = Options { content: Some(Content::SetScene), ..partial() };
    assert_eq!(contents(&release.with("cid2013", &options)), ["IS1/co1", "IS2/co1"]);
}

#[test]
fn prompts_of_agiqa3k_may_hold_commas_and_generators_dots() {
    let table = "name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align\r\n\
                 sd1.5_lowcorr_001.jpg,\"a cat, \"\"red\"\"\",,,,2.5,0.5,1,1\r\n\
                 DALLE2_normal_001.jpg,\"a cat, \"\"red\"\"\",big,,oil,4,0.25,1,1\r\n";
    let names = ["sd1.5_lowcorr_001.jpg", "DALLE2_normal_001.jpg"];
    let release = Release::new().file("data.csv", table).pictures(names);
    let found = release.part("AGIQA-3K");
    assert_eq!(paths(&found), names);
    assert_eq!(contents(&found), ["a cat, \"red\""; 2]);
    let kinds: Vec<&str> = found.rows.iter().map(|row| row.kind.as_str()).collect();
    assert_eq!(kinds, ["sd1.5_lowcorr", "DALLE2_normal"]);
    assert_eq!((found.rows[1].score, found.rows[1].spread), (4.0, Some(0.25)));
    let options = Options { content: Some(Content::Image), ..partial() };
    let found = release.with("agiqa3k", &options);
    assert_eq!(contents(&found), ["sd1.5_lowcorr_001", "DALLE2_normal_001"]);
}

#[test]
fn a_list_of_agiqa3k_without_prompts_must_be_taken_by_image() {
    let list = "img_name,mos,std,ratio802_seed123_split_01\nDALLE2_normal_001.jpg,4,0.25,train\n";
    let release = Release::new()
        .file("meta_info_AGIQA3KDataset.csv", list)
        .pictures(["DALLE2_normal_001.jpg"]);
    assert_eq!(
        release.refused("agiqa3k", &partial()),
        "agiqa3k needs the option `content = image`: this list has no prompts; take data.csv of the \
         release to part by prompt"
    );
    let options = Options { content: Some(Content::Image), ..partial() };
    assert_eq!(contents(&release.with("agiqa3k", &options)), ["DALLE2_normal_001"]);
}

// ---- biq2021, kadis700k ---------------------------------------------------------------------

fn biq2021() -> Release {
    let train = "Image Name,MOS,,\r\nss01 (2).jpg,0.5,,\r\nss01 (1).jpg,0,,\r\n";
    Release::new()
        .file("BIQ2021-main/Train (Images and MOS).csv", train)
        .file("BIQ2021-main/Test (Images and MOS).csv", "Image Name,MOS\nss02 (1).jpg,1\n")
        .pictures(
            ["ss01 (1).jpg", "ss01 (2).JPG", "ss02 (1).jpg", "stray.jpg"]
                .map(|name| format!("BIQ2021-main/Images/{name}")),
        )
}

#[test]
fn a_nested_release_of_biq2021_with_empty_columns_is_read() {
    let found = biq2021().part("biq2021");
    let expected = ["Images/ss01 (2).JPG", "Images/ss01 (1).jpg", "Images/ss02 (1).jpg"];
    assert_eq!(paths(&found), expected);
    assert_eq!(
        (found.rows[0].content.as_str(), found.rows[2].split),
        ("ss01 (2)", Some(Split::Test))
    );
    assert!(notes(&found)[0].ends_with("first: Images/stray.jpg"), "{:?}", found.notes);
}

#[test]
fn a_part_of_biq2021_loads_with_the_list_that_carries_its_scores() {
    let list = "path,score,content,split\nImages/a.jpg,0.5,g0,train\nImages/b.jpg,0.25,g1,test\n";
    let release =
        Release::new().file("labels.csv", list).pictures(["Images/a.jpg", "Images/b.jpg"]);
    let by_itself = release.with("biq2021", &Options::default());
    assert_eq!(contents(&by_itself), ["g0", "g1"]);
    assert!(by_itself.subset && notes(&by_itself)[0].contains("was not checked"));
    let file = release.root().join("labels.csv");
    let options = Options { content: Some(Content::File(file)), ..Options::default() };
    assert_eq!(release.with("biq2021", &options), by_itself);
}

#[test]
fn kadis700k_is_loaded_only_where_scores_are_not_needed() {
    let release = Release::new().pictures(["ref_imgs/b.png", "ref_imgs/a.PNG", "ref_imgs/a1.png"]);
    // Other pictures than PNG beside them are not of the set.
    let release = release.file("ref_imgs/notes.txt", "").pictures(["ref_imgs/c.jpg"]);
    assert_eq!(
        release.refused("kadis700k", &Options::default()),
        "kadis700k needs the option `unlabelled`: it has no labels: nothing can be trained on \
         scores or evaluated with it"
    );
    let found = release.with("KADIS-700k", &Options { unlabelled: true, ..Options::default() });
    assert_eq!(paths(&found), ["ref_imgs/a.PNG", "ref_imgs/a1.png", "ref_imgs/b.png"]);
    assert_eq!(contents(&found), ["a", "a1", "b"]);
    assert!(found.rows.iter().all(|row| row.score.is_nan()));
    assert!(found.to_csv().contains("\nref_imgs/a1.png,,a1,,,,\n"), "{}", found.to_csv());
    let unused = "1 picture file beside the labelled ones has no label and is not used, first: \
                  ref_imgs/c.jpg";
    assert_eq!(found.notes, ["3 pictures, 140000 are expected", unused]);
}
