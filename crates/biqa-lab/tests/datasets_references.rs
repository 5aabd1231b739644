//! Miniature releases of the sets with references, in the layouts that people keep them in.

mod made;
mod release;

use biqa_lab::datasets::{Direction, LabelForm, Options, Split};
use made::mat::{Order, doubles, file, texts};
use made::xlsx::{Cell, Packing, workbook};
use release::{Release, contents, notes, partial, paths};

// ---- live -----------------------------------------------------------------------------------

const FOLDERS: [(&str, usize); 5] =
    [("jp2k", 227), ("jpeg", 233), ("wn", 174), ("gblur", 174), ("fastfading", 174)];
/// Originals of every folder, as many as in the release; here they are its first pictures.
const ORIGINALS: [usize; 5] = [58, 58, 29, 29, 29];

/// All 982 columns: path, flag of an original, score, reference.
fn live_columns() -> Vec<(String, f64, f64, String)> {
    let mut columns = Vec::new();
    for ((folder, count), originals) in FOLDERS.into_iter().zip(ORIGINALS) {
        for i in 0..count {
            let original = i < originals;
            // A distorted picture may have the score 0: the flag decides, not the zero.
            let score = if original { 0.0 } else { (columns.len() % 97) as f64 };
            let reference = format!("photo{}.bmp", columns.len() % 29);
            let path = format!("{folder}/img{}.bmp", i + 1);
            columns.push((path, f64::from(u8::from(original)), score, reference));
        }
    }
    columns
}

fn live(order: Order) -> Release {
    let columns = live_columns();
    let flags: Vec<f64> = columns.iter().map(|column| column.1).collect();
    let scores: Vec<f64> = columns.iter().map(|column| column.2).collect();
    let spreads: Vec<f64> = scores.iter().map(|score| score / 10.0).collect();
    let names: Vec<&str> = columns.iter().map(|column| column.3.as_str()).collect();
    let row = [1, 982];
    let arrays = [
        doubles("dmos_new", row, &scores),
        doubles("orgs", row, &flags),
        doubles("dmos_std", row, &spreads),
    ];
    let original = [doubles("dmos", row, &spreads), doubles("orgs", row, &flags)];
    // The names come as a column in some copies.
    let names = [texts("refnames_all", [982, 1], &names)];
    Release::new()
        .file("databaserelease2/dmos_realigned.mat", file(order, true, &arrays))
        .file("databaserelease2/dmos.mat", file(order, false, &original))
        .file("databaserelease2/refnames_all.mat", file(order, true, &names))
        .file("databaserelease2/readme.txt", "terms")
        .file("databaserelease2/jp2k/info.txt", "names")
        .pictures((0..29).map(|i| format!("databaserelease2/refimgs/photo{i}.bmp")))
        .pictures(columns.iter().map(|column| format!("databaserelease2/{}", column.0)))
}

#[test]
fn a_nested_release_of_live_loads_complete() {
    for order in [Order::Little, Order::Big] {
        let found = live(order).with("databaserelease2", &Options::default());
        assert_eq!((found.rows.len(), found.contents(), found.subset), (779, 29, false));
        assert_eq!((found.dataset.as_str(), found.direction), ("live", Direction::Dmos));
        let first = &found.rows[0];
        assert_eq!((first.path.as_str(), first.kind.as_str()), ("jp2k/img59.bmp", "jp2k"));
        assert_eq!((first.score, first.spread), (58.0, Some(5.8)));
        assert_eq!(first.content, "photo0"); // column 58 = 2 * 29
        // Its scores are invented; nothing else is noted, neither originals nor info.txt.
        let others = notes(&found).into_iter().filter(|note| !note.starts_with("labels differ"));
        assert_eq!(others.collect::<Vec<_>>(), Vec::<&str>::new());
    }
}

#[test]
fn the_original_scores_of_live_are_a_switch() {
    let options = Options { labels: Some(LabelForm::Original), ..Options::default() };
    let found = live(Order::Little).with("live", &options);
    assert_eq!((found.rows[0].score, found.rows[0].spread), (5.8, None));
    assert_eq!(notes(&found), Vec::<&str>::new()); // nobody has published their figures
}

#[test]
fn a_copy_of_live_may_call_gblur_blur() {
    let release = live(Order::Little);
    let inner = release.root().join("databaserelease2");
    std::fs::rename(inner.join("gblur"), inner.join("blur")).expect("renamed");
    let found = release.with("live", &Options::default());
    assert!(paths(&found).contains(&"blur/img30.bmp"));
    assert_eq!(found.rows.iter().filter(|row| row.kind == "gblur").count(), 145);
}

#[test]
fn live_names_and_scores_must_be_of_one_release() {
    let release = live(Order::Little).file(
        "databaserelease2/refnames_all.mat",
        file(Order::Little, true, &[texts("refnames_all", [1, 2], &["a.bmp", "b.bmp"])]),
    );
    assert_eq!(
        release.refused("live", &Options::default()),
        "ROOT/databaserelease2/refnames_all.mat has 2 names, the release has 982; they are not of \
         one release, take both again"
    );
}

#[test]
fn a_flipped_list_of_live_is_turned_back_with_the_names_beside_it() {
    let release = live(Order::Little)
        .without("databaserelease2/dmos_realigned.mat")
        .file("databaserelease2/live_all.txt", "jp2k/img60.bmp\t65.734951\t3.085983\r");
    let found = release.part("live");
    assert_eq!((found.rows[0].score, found.rows[0].spread), (46.039743, Some(3.085983)));
    assert_eq!(contents(&found), ["photo1"]); // column 59 = 2 * 29 + 1
    assert!(notes(&found)[0].starts_with("the list holds 111.774694 - DMOS"));
}

// ---- csiq -----------------------------------------------------------------------------------

/// Reference, type in the spreadsheet and in names, folder, score.
const CSIQ: [(&str, &str, &str, &str, f64); 4] = [
    ("1600", "noise", "AWGN", "awgn", 0.0619889),
    ("1600", "jpeg 2000", "jpeg2000", "jpeg2000", 0.25),
    ("trolley", "contrast", "contrast", "contrast", 0.5),
    ("trolley", "blur", "BLUR", "blur", 1.0),
];

fn csiq_sheet() -> Vec<u8> {
    let text = |text: &str| Cell::Shared(text.to_owned());
    let gap = || vec![Cell::Gap, Cell::Gap, Cell::Gap];
    let mut rows = vec![vec![text("CSIQ")], vec![], vec![Cell::Error("#DIV/0!")], gap()];
    let header = ["Image", "dst_idx", "dst_type", "dst_lev ", "dmos_std", "dmos"];
    rows[3].extend(header.map(text));
    for (reference, kind, _, _, score) in CSIQ {
        let reference = reference.parse().map_or_else(|_| text(reference), Cell::Number);
        let mut row = gap();
        row.extend([reference, Cell::Number(1.0), text(kind), Cell::Number(2.0)]);
        row.extend([Cell::Number(0.125), Cell::Number(score)]);
        rows.push(row);
    }
    let other = vec![vec![text("nothing"), Cell::Error("#REF!")]];
    workbook(&[("notes", other), ("all_by_image", rows)], Packing::Deflated)
}

fn csiq_names() -> Vec<(String, String)> {
    let name = |(reference, _, kind, folder, _): (&str, &str, &str, &str, f64)| {
        (folder.to_owned(), format!("{reference}.{kind}.2.png"))
    };
    CSIQ.into_iter().map(name).collect()
}

#[test]
fn the_spreadsheet_of_csiq_is_read_in_the_released_layout() {
    let pictures =
        csiq_names().into_iter().map(|(folder, name)| format!("dst_imgs/{folder}/{name}"));
    let release = Release::new()
        .file("csiq.DMOS.xlsx", csiq_sheet())
        .pictures(pictures)
        .pictures(["src_imgs/1600.png", "dst_imgs/awgn/1600.AWGN.9.png"]);
    let found = release.part("CSIQ");
    let expected = [
        "dst_imgs/awgn/1600.AWGN.2.png",
        "dst_imgs/jpeg2000/1600.jpeg2000.2.png",
        "dst_imgs/contrast/trolley.contrast.2.png",
        "dst_imgs/blur/trolley.BLUR.2.png",
    ];
    assert_eq!(paths(&found), expected);
    assert_eq!(contents(&found), ["1600", "1600", "trolley", "trolley"]);
    assert_eq!((found.rows[0].score, found.rows[0].spread), (0.0619889, Some(0.125)));
    let unused = "1 picture file beside the labelled ones has no label and is not used, first: \
                  dst_imgs/awgn/1600.AWGN.9.png";
    assert_eq!(notes(&found), [unused]);
}

#[test]
fn csiq_folders_in_capitals_and_the_flat_layout_are_found() {
    let label = "1600.AWGN.2.png 0.5\n1600.BLUR.1.png 0.25\n";
    let capitals = Release::new()
        .file("csiq_label.txt", label)
        .pictures(["dst_imgs/AWGN/1600.AWGN.2.png", "dst_imgs/Blur/1600.blur.1.PNG"]);
    let expected = ["dst_imgs/AWGN/1600.AWGN.2.png", "dst_imgs/Blur/1600.blur.1.PNG"];
    assert_eq!(paths(&capitals.part("csiq")), expected);
    let flat = Release::new()
        .file("csiq_label.txt", label)
        .pictures(["dst_imgs_all/1600.AWGN.2.png", "dst_imgs_all/1600.BLUR.1.png"]);
    let expected = ["dst_imgs_all/1600.AWGN.2.png", "dst_imgs_all/1600.BLUR.1.png"];
    assert_eq!(paths(&flat.part("csiq")), expected);
}

#[test]
fn a_flipped_list_of_csiq_is_turned_back() {
    let release = Release::new()
        .file("csiq_all.txt", "dst_imgs/awgn/1600.AWGN.1.png\t0.938\t0.061\n")
        .pictures(["dst_imgs/awgn/1600.AWGN.1.png"]);
    let found = release.part("csiq");
    assert_eq!((found.rows[0].score, found.rows[0].spread), (0.062, Some(0.061)));
    assert!(notes(&found)[0].starts_with("the list holds 1 - DMOS"), "{:?}", found.notes);
}

// ---- tid2013 --------------------------------------------------------------------------------

#[test]
fn tid2013_is_found_whatever_the_letter_case_on_disk() {
    let release = Release::new()
        .file("mos_with_names.txt", "5.51429 I01_01_1.bmp\n5.56757 i01_11_1.BMP\n3 i25_24_5.bmp\n")
        .file("mos_std.txt", "0.1\n0.2\n0.3\n")
        .pictures(["distorted_images/i01_01_1.bmp", "distorted_images/I01_11_1.bmp"])
        .pictures(["distorted_images/i25_24_5.bmp", "reference_images/i25.bmp"]);
    let found = release.part("tid2013");
    let expected = ["i01_01_1.bmp", "I01_11_1.bmp", "i25_24_5.bmp"];
    assert_eq!(paths(&found), expected.map(|name| format!("distorted_images/{name}")));
    assert_eq!(contents(&found), ["01", "01", "25"]);
    assert_eq!((found.rows[1].kind.as_str(), found.rows[1].level), ("11", Some(1)));
    assert_eq!(found.rows[1].spread, Some(0.2));
    assert_eq!(notes(&found), Vec::<&str>::new());
    let natural = Options { natural_only: true, ..partial() };
    assert_eq!(contents(&release.with("tid2013", &natural)), ["01", "01"]);
}

#[test]
fn the_scores_of_tid2013_without_names_are_in_the_order_of_the_release() {
    let scores: Vec<String> = (0..3000).map(|i| format!("{}", f64::from(i) / 500.0)).collect();
    let release = Release::new().file("mos.txt", scores.join("\r\n"));
    let options = Options { labels_only: true, ..Options::default() };
    let found = release.with("tid2013", &options);
    let row = &found.rows[(3 * 24 + 7) * 5 + 2];
    assert_eq!(row.path, "distorted_images/i04_08_3.bmp");
    assert_eq!((row.content.as_str(), row.kind.as_str(), row.level), ("04", "08", Some(3)));
    let short = Release::new().file("mos.txt", "1\n2\n");
    assert_eq!(
        short.refused("tid2013", &options),
        "ROOT/mos.txt has 2 scores, the release has 3000; they are not of one release, take both \
         again"
    );
}

// ---- kadid10k -------------------------------------------------------------------------------

#[test]
fn kadid10k_is_found_in_the_released_and_in_the_split_layout() {
    let labels = "var,ref_img,dist_img,dmos\n0.25,I01.png,I01_01_01.png,4.57\n\
                  ,I02.png,I02_25_05.png,1\n";
    let names = ["I01_01_01.png", "I02_25_05.png"];
    let together = Release::new()
        .file("kadid10k/dmos.csv", labels)
        .pictures(names.map(|name| format!("kadid10k/images/{name}")))
        .pictures(["kadid10k/images/I01.png", "kadid10k/images/I02.png"]);
    let found = together.part("kadid10k");
    assert_eq!(paths(&found), names.map(|name| format!("images/{name}")));
    assert_eq!(contents(&found), ["I01", "I02"]);
    assert_eq!((found.rows[0].spread, found.rows[1].spread), (Some(0.5), None));
    assert_eq!((found.rows[1].kind.as_str(), found.rows[1].level), ("25", Some(5)));
    assert_eq!(notes(&found), Vec::<&str>::new()); // the references beside them are known
    assert_eq!(found.direction, Direction::Mos);

    let apart = Release::new()
        .file("dmos.csv", labels)
        .pictures(names.map(|name| format!("distorted_images/{name}")))
        .pictures(["reference_images/I01.png"]);
    assert_eq!(
        paths(&apart.part("kadid10k")),
        names.map(|name| format!("distorted_images/{name}"))
    );
}

#[test]
fn the_column_std_of_kadid10k_in_a_meta_info_list_is_a_variance() {
    let list = "ref_name,dist_name,mos,std,ratio802_seed123_split_01\n\
                images/I01.png,images/I01_01_01.png,4.57,0.25,train\n";
    let release = Release::new()
        .file("meta_info_KADID10kDataset.csv", list)
        .pictures(["images/I01_01_01.png"]);
    assert_eq!(release.part("kadid10k").rows[0].spread, Some(0.5));
}

// ---- pipal ----------------------------------------------------------------------------------

#[test]
fn pipal_is_found_in_its_four_folders_and_in_one() {
    let release = Release::new()
        .file("Train_Label/A0002.txt", "A0002_00_01.bmp,1400.5\n")
        .file("Train_Label/A0001.txt", "A0001_00_00.bmp,1520.0648\nA0001_06_11.bmp,1000\n")
        .pictures(["Train_Ref/A0001.bmp"]);
    let four = ["Distortion_1/A0001_00_00.bmp", "Distortion_4/A0001_06_11.bmp"];
    let four = release.pictures(four).pictures(["Distortion_2/A0002_00_01.bmp"]);
    let found = four.part("pipal");
    let expected = [
        "Distortion_1/A0001_00_00.bmp",
        "Distortion_4/A0001_06_11.bmp",
        "Distortion_2/A0002_00_01.bmp",
    ];
    assert_eq!(paths(&found), expected);
    assert_eq!(contents(&found), ["A0001", "A0001", "A0002"]);
    assert_eq!((found.rows[1].kind.as_str(), found.rows[1].split), ("06", Some(Split::Train)));

    for folder in ["Train_Dist", "Dist_Imgs"] {
        let path = format!("{folder}/A0001_00_00.bmp");
        let one = Release::new()
            .file("pipal22_train.txt", "A0001_00_00.bmp, 1520.0648\n")
            .pictures([&path]);
        assert_eq!(paths(&one.part("pipal")), [path]);
    }
}

// ---- livemd ---------------------------------------------------------------------------------

fn livemd_part(release: Release, folder: &str, names: &[&str], scores: &[f64]) -> Release {
    let n = names.len() as i32;
    let list = file(Order::Little, true, &[texts("distimgs", [n, 1], names)]);
    let scores = file(Order::Little, true, &[doubles("DMOSscores", [1, n], scores)]);
    release
        .file(&format!("{folder}/Imagelists.mat"), list)
        .file(&format!("{folder}/Scores.mat"), scores)
}

#[test]
fn livemd_keeps_the_pictures_of_its_two_parts_apart() {
    let first = ["babygirl_blur1.bmp", "babygirl_blur1_jpeg2.bmp"];
    for (one, two) in
        [("Part 1", "Part 2"), ("Part_1", "Part_2"), ("To_Release/Part_1", "To_Release/Part_2")]
    {
        let release = livemd_part(Release::new(), one, &first, &[21.5789, 35.0]);
        let release = livemd_part(release, two, &["babygirl_blur1.bmp"], &[25.0556])
            .pictures(first.map(|name| format!("{one}/blurjpeg/{name}")))
            .pictures([format!("{one}/blurjpeg/babygirl.bmp")])
            .pictures([format!("{two}/blurnoise/babygirl_blur1.bmp")]);
        let found = release.part("LIVE-MD");
        let expected = [
            format!("{one}/blurjpeg/babygirl_blur1.bmp"),
            format!("{one}/blurjpeg/babygirl_blur1_jpeg2.bmp"),
            format!("{two}/blurnoise/babygirl_blur1.bmp"),
        ];
        assert_eq!(paths(&found), expected);
        assert_eq!((found.rows[0].score, found.rows[2].score), (21.5789, 25.0556));
        assert_eq!(
            (found.rows[2].content.as_str(), found.rows[2].kind.as_str()),
            ("babygirl", "blurnoise")
        );
        assert_eq!(notes(&found), Vec::<&str>::new()); // the reference beside them is known
    }
}
