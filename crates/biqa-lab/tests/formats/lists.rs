//! Lists that other people made.

use super::made::npy;
use super::{near, table};
use biqa_lab::datasets::Split;
use biqa_lab::datasets::lists::{Form, List, detect, parse, splits_of};
use std::path::Path;

fn read(text: &str) -> List {
    parse(Path::new("list.csv"), text.as_bytes()).expect("a good list")
}

fn refused(text: &str) -> String {
    parse(Path::new("list.csv"), text.as_bytes()).expect_err("a bad list").to_string()
}

// ---- real lists -----------------------------------------------------------------------------

/// Rows, first path, last path, minimum, maximum and mean of the scores.
type Facts = (usize, &'static str, &'static str, f64, f64, f64);

#[test]
fn the_lists_of_iqa_dataset_have_the_counts_and_scores_of_the_table() {
    let all: [(&str, Facts); 6] = [
        (
            "live/LIVE.txt",
            (
                779,
                "LIVE/jp2k/img2.bmp",
                "LIVE/fastfading/img145.bmp",
                -2.640015,
                111.774694,
                48.581246,
            ),
        ),
        ("tid2013/TID2013.txt", (3000, "", "", 0.24242, 7.2143, 4.474657)),
        ("livec/LIVE_Challenge.txt", (1161, "", "", 3.42, 92.4320, 55.4)),
        ("spaq/SPAQ.txt", (11125, "SPAQ/Dataset/TestImage/00001.jpg", "", 2.0, 96.0, 50.317889)),
        (
            "cid2013/CID2013.txt",
            (474, "CID2013/IS1/co1/IS_I_C01_D01.jpg", "", -9.549063, 87.882071, 46.071698),
        ),
        ("livemd/LIVE_MD.txt", (450, "", "", 0.61111, 84.6667, 47.579740)),
    ];
    for (name, (count, first, last, min, max, mean)) in all {
        let Some(bytes) = table(name) else { return };
        assert_eq!(detect(&bytes), Some(Form::IqaDataset), "{name}");
        let list = parse(Path::new(name), &bytes).expect(name);
        assert!(!list.is_turned(), "{name}");
        assert_eq!(list.rows.len(), count, "{name}");
        let path = |i: usize| list.rows[i].row.path.as_str();
        assert!(first.is_empty() || path(0) == first, "{name}: {}", path(0));
        assert!(last.is_empty() || path(count - 1) == last, "{name}: {}", path(count - 1));
        assert_eq!((list.rows[0].line, list.rows[count - 1].line), (2, count as u64 + 1));
        // Lists of five digits are off by that much.
        let close = |found: f64, known: f64| (found - known).abs() < 5e-5 * (1.0 + known.abs());
        let scores = || list.rows.iter().map(|row| row.row.score);
        let found = scores().fold(f64::MAX, f64::min);
        assert!(close(found, min), "{name}: minimum {found}");
        let found = scores().fold(f64::MIN, f64::max);
        assert!(close(found, max), "{name}: maximum {found}");
        let found = scores().sum::<f64>() / count as f64;
        assert!((found - mean).abs() < 1e-3 * mean, "{name}: mean {found}");
    }
}

#[test]
fn references_of_iqa_dataset_are_the_contents() {
    for (name, contents) in [("live/LIVE.txt", 29), ("tid2013/TID2013.txt", 25)] {
        let Some(bytes) = table(name) else { return };
        let list = parse(Path::new(name), &bytes).expect(name);
        let mut found: Vec<&str> = list.rows.iter().map(|row| row.row.content.as_str()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), contents, "{name}");
        assert!(list.rows.iter().all(|row| row.reference.is_some() && !row.row.kind.is_empty()));
    }
}

#[test]
fn the_lists_of_liqe_are_read_with_their_spread() {
    for (name, count, mean) in
        [("livec/clive_all.txt", 1162, 55.401325), ("bid/bid_all.txt", 586, 2.952711)]
    {
        let Some(bytes) = table(name) else { return };
        let list = parse(Path::new(name), &bytes).expect(name);
        assert_eq!((list.form, list.rows.len()), (Form::Liqe, count), "{name}");
        assert!(list.is_turned());
        let found = list.rows.iter().map(|row| row.row.score).sum::<f64>() / count as f64;
        assert!(near(found, mean), "{name}: {found}");
        assert!(list.rows.iter().all(|row| row.row.spread.is_some_and(|spread| spread > 0.0)));
    }
    let Some(bytes) = table("livec/clive_all.txt") else { return };
    let list = parse(Path::new("clive_all.txt"), &bytes).expect("a list");
    assert_eq!(list.rows[0].row.path, "Images/611.JPG");
    assert_eq!((list.rows[0].row.score, list.rows[0].row.spread), (38.489474, Some(21.085801)));
}

// ---- forms ----------------------------------------------------------------------------------

#[test]
fn the_first_line_tells_the_form() {
    for (text, form) in [
        ("dis_img_path,dis_type,score\n", Some(Form::IqaDataset)),
        ("\u{feff}DIS_IMG_PATH, dis_type ,ref_img_path,score\r\n", Some(Form::IqaDataset)),
        ("img_name,mos,std,official_split\n", Some(Form::Pyiqa)),
        ("ref_name,dist_name,mos,std,ratio802_seed123_split_01\n", Some(Form::Pyiqa)),
        ("a b/c.png\t3.5\t0.2\r", Some(Form::Liqe)),
        ("\n\npath,score,content\n", Some(Form::Manifest)),
        ("img_name,mos,std\n", None),
        ("1600.AWGN.1.png 0.061989\n", None),
        ("a\tb\tc\n", None),
        ("", None),
    ] {
        assert_eq!(detect(text.as_bytes()), form, "{text:?}");
    }
    assert_eq!(detect(&npy::int64(&[vec![1]])), Some(Form::Splits));
    assert_eq!(detect(&[0xff, 0xfe, 0]), None);
}

#[test]
fn a_list_of_pyiqa_gives_its_splits() {
    let list = read(
        "ref_name,dist_name,mos,std,official_split,ratio802_seed123_split_01,\
         ratio802_seed123_split_02\n\
         r/I01.png,d/I01_01.png,3.5,0.25,train,0,test\nr/I02.png,d/I02_01.png,4,,val,2,train\n",
    );
    assert_eq!(list.form, Form::Pyiqa);
    assert_eq!(list.rows[0].row.path, "d/I01_01.png");
    assert_eq!(list.rows[0].row.content, "I01");
    assert_eq!(list.rows[0].reference.as_deref(), Some("r/I01.png"));
    assert_eq!((list.rows[0].row.spread, list.rows[1].row.spread), (Some(0.25), None));
    assert_eq!(list.rows[1].row.split, Some(Split::Val));
    let names: Vec<&str> = list.splits.iter().map(|split| split.name.as_str()).collect();
    assert_eq!(names, ["official_split", "ratio802_seed123_split_01", "ratio802_seed123_split_02"]);
    assert_eq!(list.splits[1].parts, [Some(Split::Train), Some(Split::Test)]);
    assert_eq!(list.splits[2].parts, [Some(Split::Test), Some(Split::Train)]);

    let list = read("img_name,mos,official_split\na.jpg,1,1\nb.jpg,2,\n");
    assert_eq!((list.rows[0].row.split, list.rows[1].row.split), (Some(Split::Val), None));
    assert_eq!(list.rows[1].row.content, "b");
}

#[test]
fn a_list_of_liqe_may_end_its_lines_with_a_lone_cr() {
    let list = read("jp2k/img55.bmp\t65.734951\t3.085983\rjp2k/img2.bmp\t90\t1\r");
    assert_eq!(list.rows.len(), 2);
    assert_eq!((list.rows[1].line, list.rows[1].row.path.as_str()), (2, "jp2k/img2.bmp"));
}

#[test]
fn our_own_form_keeps_its_contents() {
    let list = read("path,score,content,split\na.png,1,g0,test\nb.png,2,g0,test\n");
    assert_eq!((list.form, list.rows[1].line), (Form::Manifest, 3));
    assert_eq!(list.rows[1].row.content, "g0");
    assert_eq!(list.rows[1].row.split, Some(Split::Test));
}

#[test]
fn errors_name_file_line_column_and_what_is_there() {
    for (text, wanted) in [
        (
            "dis_img_path,dis_type,score\na.png,x,1\nb.png,x,nan\n",
            &["list.csv", "line 3", "`score`", "\"nan\"", "finite"][..],
        ),
        ("dis_img_path,dis_type\na.png,x\n", &["list.csv", "`score`", "dis_img_path, dis_type"]),
        (
            "dis_img_path,dis_type,score\na.png,x,1\nb.png,x,1\na.png,y,2\n",
            &["line 4", "a.png", "line 2"],
        ),
        ("a\t1\t2\nb\t1\tinf\n", &["line 2", "`std`", "\"inf\""]),
        ("a\t1\t2\nb\t1\n", &["line 2", "2 fields", "path, score, std"]),
        (
            "img_name,mos,ratio802_seed123_split_01\na.png,1,3\n",
            &["line 2", "ratio802_seed123_split_01", "\"3\"", "train, val, test"],
        ),
        ("img_name,score\na.png,1\n", &["list.csv", "line 1", "dis_img_path"]),
        ("path,score,content\na.png,1,g\na.png,1,g\n", &["line 3", "line 2"]),
    ] {
        let error = refused(text);
        for part in wanted {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
}

#[test]
fn splits_are_read_without_their_padding() {
    let bytes = npy::int64(&[vec![3, 0, 2, -1, -1], vec![1, -1, -1, -1, -1]]);
    assert_eq!(splits_of(&bytes, "test.npy", 4).expect("good"), [vec![3, 0, 2], vec![1]]);
    for (row, expected) in [
        (vec![0, 4], "split 1, entry 2: found 4, expected a row of the list, 0 to 3"),
        (vec![0, -2], "found -2"),
        (vec![0, -1, 1], "entry 2: found -1"),
        (vec![0, 0], "entry 2: found 0, expected a row that the split does not have yet"),
    ] {
        let error = splits_of(&npy::int64(&[row]), "test.npy", 4).expect_err("bad").to_string();
        assert!(error.contains("test.npy") && error.contains(expected), "{error}");
    }
}
